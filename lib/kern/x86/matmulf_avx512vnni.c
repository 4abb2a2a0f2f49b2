/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F32, F16 and BF16 packed weights: per column 16 rows, one fma chain per row and token. Tiles of
 * 16 rows x 12 tokens; a single token takes 128 rows at a time, for enough chains in flight.
 */
#include "kern/x86/tile_avx512.h"

#define TILE 12
#define GROUPS 8

OA__TILE __m512 load_w(const uint32_t type, const void *w, size_t i)
{
    const uint16_t *h = (const uint16_t *)w + i;
    if (type == OA__F32) return _mm512_loadu_ps((const float *)w + i);
    if (type == OA__F16) return v16_load_half(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)h)), 16));
}

OA__TILE const void *group(const uint32_t type, const oa__mm_args *a, size_t g)
{
    return (const uint8_t *)a->w + g * a->k * 16 * (type == OA__F32 ? 4 : 2);
}

OA__TILE void tile_tokens(const uint32_t type, const int T, const oa__mm_args *a, size_t g,
                          size_t t0)
{
    const float *x = a->x + t0 * a->x_stride;
    const void *w = group(type, a, g);
    __m512 acc[TILE];
    OA__UNROLL
    for (int t = 0; t < T; t++)
        acc[t] = _mm512_setzero_ps();
    for (size_t i = 0; i < a->k; i++) {
        const __m512 wi = load_w(type, w, 16 * i);
        OA__UNROLL
        for (int t = 0; t < T; t++)
            acc[t] = _mm512_fmadd_ps(wi, _mm512_set1_ps(x[(size_t)t * a->x_stride + i]), acc[t]);
    }
    OA__UNROLL
    for (int t = 0; t < T; t++)
        oa__tile_store(a, g, t0 + (size_t)t, acc[t]);
}

OA__TILE void tile_groups(const uint32_t type, const oa__mm_args *a, size_t g)
{
    const void *w = group(type, a, g);
    __m512 acc[GROUPS];
    OA__UNROLL
    for (int j = 0; j < GROUPS; j++)
        acc[j] = _mm512_setzero_ps();
    for (size_t i = 0; i < a->k; i++) {
        const __m512 v = _mm512_set1_ps(a->x[i]);
        OA__UNROLL
        for (int j = 0; j < GROUPS; j++)
            acc[j] = _mm512_fmadd_ps(load_w(type, w, ((size_t)j * a->k + i) * 16), v, acc[j]);
    }
    OA__UNROLL
    for (int j = 0; j < GROUPS; j++)
        oa__tile_store(a, g + (size_t)j, 0, acc[j]);
}

OA__TILE void matmulf(const uint32_t type, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    size_t g = g_begin;
    if (a->n_tokens == 1)
        for (; g + GROUPS <= g_end; g += GROUPS)
            tile_groups(type, a, g);
    for (; g < g_end; g++) {
        size_t t = 0;
        for (; t + TILE <= a->n_tokens; t += TILE)
            tile_tokens(type, TILE, a, g, t);
        for (; t + 4 <= a->n_tokens; t += 4)
            tile_tokens(type, 4, a, g, t);
        for (; t < a->n_tokens; t++)
            tile_tokens(type, 1, a, g, t);
    }
}

void OA__TIER(oa__matmul_f32)(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmulf(OA__F32, a, g0, g1);
}

void OA__TIER(oa__matmul_f16)(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmulf(OA__F16, a, g0, g1);
}

void OA__TIER(oa__matmul_bf16)(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmulf(OA__BF16, a, g0, g1);
}
