/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of oa_convert(): which type a tensor gets, and the work on one tensor. */
#ifndef OA_MODEL_CONVERT_PRIV_H
#define OA_MODEL_CONVERT_PRIV_H

#include <openassistant/convert.h>

#include "file/file.h"
#include "model/merge.h"
#include "tensor/tensor.h"

/* A type of convert.h: what most matrices get, and its number in general.file_type. */
typedef struct oa__recipe {
    const char *name, *help;
    uint32_t type;
    uint32_t file_type;
} oa__recipe;

/* NULL when there is none of this name (OA_EINVAL is set). */
const oa__recipe *oa__recipe_find(const char *name);

/* What a recipe looks at besides names. */
typedef struct oa__recipe_model {
    uint32_t n_layers;
    uint32_t n_experts;
    uint32_t n_shared; /* query heads per key/value head */
    bool falcon;
    bool tied; /* the output matrix is the embedding's */
} oa__recipe_model;
int oa__recipe_model_read(oa__recipe_model *m, const oa__gguf *g);

/* Whether a tensor is a matrix that is to be quantised; the others stay F32. */
bool oa__recipe_takes(const oa__gguf_tensor *t);
/* The type that the recipe wants for it. */
uint32_t oa__recipe_type(const oa__recipe *r, const oa__recipe_model *m, bool pure,
                         const oa__gguf_tensor *t);
/* The same, or what it falls back to for rows of n. */
uint32_t oa__recipe_fallback(uint32_t type, uint64_t n);

/* Tensors that fell back: of each kind, the type wanted and the width, how many. */
typedef struct oa__fallback {
    const char *first; /* name of the first of them; the file's */
    uint64_t n_cols;
    uint32_t want, type;
    uint32_t n_tensors;
} oa__fallback;
typedef struct oa__fallbacks {
    oa__fallback kinds[32];
    size_t n;
} oa__fallbacks;

/* Count one; a line of its own at level info. */
void oa__fallbacks_add(oa__fallbacks *f, const oa__log *log, const oa__gguf_tensor *t,
                       uint32_t want, uint32_t type);
/* A warning for each kind. */
void oa__fallbacks_say(const oa__fallbacks *f, const oa__log *log);

/* Turn the rows of one tensor from one type into another, threaded; dst has room for them. src is
 * n_rows rows of n. `begun` and `size`: the output bytes before this tensor, and its own, for
 * the progress. OA_EFORMAT names the tensor. */
typedef struct oa__convert_rows {
    const char *name;
    const void *src;
    void *dst;
    uint32_t src_type, dst_type;
    size_t n, n_rows;
    const oa__delta *delta; /* added to the rows; may be NULL */
} oa__convert_rows;
int oa__convert_rows_run(const oa__convert_rows *r, oa__mem *mem, oa__pool *pool,
                         unsigned cpu_flags, oa__progress *progress, uint64_t begun);

/* Mark the tensors of `in`, which path names, that a packed file has packed. OA_EUNSUPPORTED when
 * the model is of no architecture that is known. */
int oa__pack_choose(const char *path, const oa__gguf *in, bool *packs);
/* Pack the n_matrices of one tensor, each of n_rows of n; room has what oa__weight_size() says for
 * each. */
typedef struct oa__pack_rows {
    const void *rows;
    void *room;
    uint32_t type;
    size_t n, n_rows, n_matrices;
} oa__pack_rows;
int oa__pack_tensor(const oa__pack_rows *r, oa__mem *mem, oa__pool *pool);

#endif
