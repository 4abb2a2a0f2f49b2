/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door of floor 2: types and block formats, packed weights, work splitting.
 *
 * A weight comes from a file as rows of blocks. oa__weight_load() lays it out for the kernels:
 * 16 rows interleaved, so that rows lie in SIMD lanes. The layout does not depend on the tier.
 */
#ifndef OA_TENSOR_TENSOR_H
#define OA_TENSOR_TENSOR_H

#include "base/base.h"
#include "kern/kern.h"

/* Element types are enum oa__type of kern.h. */

/* NULL for a type that we do not know. */
typedef struct oa__type_info {
    const char *name; /* "Q4_K" */
    uint32_t type;
    uint32_t block_len;  /* elements per block */
    uint32_t block_size; /* bytes per block */
    bool quantised;
} oa__type_info;
const oa__type_info *oa__type_get(uint32_t type);

/* Bytes of a row of n elements; OA_EFORMAT when n is no multiple of the block, or overflow. */
int oa__type_row_size(uint32_t type, uint64_t n, size_t *size);

/* Turn n elements (a multiple of the block) of a file's row into floats. Same formulas as the
 * format's definition, every product and sum rounded to float in the order written in types.c. */
void oa__row_dequant(uint32_t type, const void *src, float *dst, size_t n);

/* The other way: n floats (a multiple of the block) to a file's row, by the scales (and minima) of
 * least squared error that a fixed search finds; importance (n weights of the squares, none
 * negative) may be NULL. The bytes depend on nothing else: cpu_flags (OA__CPU_, what the machine
 * may use) only sets the speed. OA_EFORMAT for weights that are not finite or beyond what the type
 * holds; OA_EUNSUPPORTED, OA_EINVAL. */
int oa__row_quantize(unsigned cpu_flags, uint32_t type, const float *src, void *dst, size_t n,
                     const float *importance);

/* A matrix (n_rows, n_cols) ready for the kernels. */
typedef struct oa__weight {
    uint32_t type;
    size_t n_rows, n_cols;
    const void *data; /* packed */
    void *owned;      /* to be freed, or NULL */
} oa__weight;

/* Bytes of the packed layout. */
int oa__weight_size(uint32_t type, size_t n_rows, size_t n_cols, size_t *size);

/* What a weight is made of. */
typedef struct oa__weight_from {
    const void *rows; /* row-major, as in the file */
    void *room; /* oa__weight_size() bytes that outlive the weight; NULL = it allocates them */
    oa__progress *progress; /* hears of `done` and the bytes of rows that are laid out, and may end
                               the work; may be NULL */
    uint64_t done;
    /* These bytes of rows were used for the last time; may be NULL. */
    void (*used)(void *arg, size_t at, size_t size);
    void *arg;
} oa__weight_from;

/* Lay out rows. Threaded. OA_ENOMEM, OA_EUNSUPPORTED, OA_ECANCELLED. w must be zeroed; unload works
 * half-built. */
int oa__weight_load(oa__weight *w, oa__mem *mem, oa__pool *pool, uint32_t type, size_t n_rows,
                    size_t n_cols, const oa__weight_from *from);
/* One row of a packed weight, as the file had it. */
void oa__weight_row(const oa__weight *w, size_t row, void *dst);
void oa__weight_unload(oa__weight *w, oa__mem *mem);

/* One product of a group that shares its input: y (+)= w x, for all tokens of the input or for
 * n_tokens of them from `first` on; y is that of the first. */
typedef struct oa__mm {
    const oa__weight *w;
    float *y; /* (n_tokens, y_stride) */
    size_t y_stride;
    bool add;               /* y += instead of y = */
    size_t first, n_tokens; /* n_tokens 0 = all */
} oa__mm;

/* Scratch that oa__mm_run() needs for inputs of at most n_cols and n_tokens. */
int oa__mm_scratch_size(size_t n_cols, size_t n_tokens, uint32_t n_workers, size_t *size);

/* Run n_jobs products of the same input x (n_tokens, n_cols), x_stride floats apart, on the pool:
 * x is quantised once, then all rows of all jobs are split over the threads. Each task looks at
 * every job, so there should not be more than some hundreds. */
void oa__mm_run(const oa__kern *kern, oa__pool *pool, const oa__mm *jobs, size_t n_jobs,
                const float *x, size_t x_stride, size_t n_tokens, void *scratch);

#endif
