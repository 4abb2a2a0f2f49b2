/* SPDX-License-Identifier: Apache-2.0 */
/* What the AVX-512 matmul tiles share: 16 rows are one register. */
#ifndef OA_KERN_X86_TILE_AVX512_H
#define OA_KERN_X86_TILE_AVX512_H

#include "kern/x86/vec_avx512.h"

#include "kern/x86/x86.h"

/* y (+)= acc for the group's rows that exist. */
static inline void oa__tile_store(const oa__mm_args *a, size_t g, size_t t, __m512 acc)
{
    float *y = a->y + t * a->y_stride + 16 * g;
    const size_t rows = a->n_rows - 16 * g;
    const __mmask16 mask = oa__mask16(rows < 16 ? rows : 16);
    if (a->add) acc = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), acc);
    _mm512_mask_storeu_ps(y, mask, acc);
}

static inline __m512i oa__load512(const void *p)
{
    return _mm512_loadu_si512(p);
}

/* Four activations against a line; the compiler makes it the broadcast operand of the dot. */
static inline __m512i oa__dot(__m512i acc, __m512i line, const int8_t *quad)
{
    return _mm512_dpbusd_epi32(acc, line, _mm512_set1_epi32(oa__load_quad(quad)));
}

#endif
