/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters that become part of the weights while a model is written. */
#ifndef OA_MODEL_MERGE_H
#define OA_MODEL_MERGE_H

#include "file/file.h"
#include "model/model.h"

typedef struct oa__merge oa__merge;

/* Open adapters of a model; each of their pairs must fit a matrix of it. scales NULL = all 1. */
int oa__merge_new(oa__merge **out, oa__mem *mem, const oa__gguf *base, const char *const *paths,
                  const float *scales, size_t n);
void oa__merge_free(oa__merge *m);

/* What the adapters add to one matrix: the sum of scale * B A. */
typedef struct oa__delta {
    oa__mem *mem;
    size_t n, n_in;
    struct oa__delta_term {
        float *a, *b; /* (rank, n_in), (n_out, rank) */
        size_t rank;
        float scale;
    } terms[OA__ADAPTERS_MAX];
} oa__delta;

bool oa__merge_changes(const oa__merge *m, const char *tensor); /* m may be NULL */
int oa__merge_load(const oa__merge *m, const oa__gguf_tensor *t, oa__delta *d);
/* Add a row (n_in) of it; each sum ascends by rank, products and sums are rounded to float. */
void oa__delta_add(const oa__delta *d, size_t row, float *x);
void oa__delta_free(oa__delta *d);

#endif
