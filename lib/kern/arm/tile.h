/* SPDX-License-Identifier: Apache-2.0 */
/* What the matmul tiles share: 16 rows as four registers of 4. */
#ifndef OA_KERN_ARM_TILE_H
#define OA_KERN_ARM_TILE_H

#include "kern/arm/vec_neon.h"

#if defined(__clang__)
#define OA__UNROLL _Pragma("clang loop unroll(full)")
#else
#define OA__UNROLL _Pragma("GCC unroll 16")
#endif

/* y (+)= acc for the group's rows that exist. */
static inline void oa__tile_store(const oa__mm_args *a, size_t g, size_t t, v16 acc)
{
    float *y = a->y + t * a->y_stride + 16 * g;
    const size_t rows = a->n_rows - 16 * g;
    if (rows >= 16)
        v16_store(y, a->add ? v16_add(v16_load(y), acc) : acc);
    else
        v16_store_n(y, a->add ? v16_add(v16_load_n(y, rows), acc) : acc, rows);
}

#endif
