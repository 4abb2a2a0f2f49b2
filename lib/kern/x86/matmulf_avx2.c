/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F32, F16 and BF16 packed weights: per column 16 rows, one fma chain per row and token. Tiles of
 * 16 rows x 6 tokens; a single token takes 64 rows at a time, for enough chains in flight.
 */
#include "kern/x86/tile_avx2.h"

#define TILE 6
#define GROUPS 4

OA__TILE __m256 load_w(const uint32_t type, const void *w, size_t i)
{
    const uint16_t *h = (const uint16_t *)w + i;
    if (type == OA__F32) return _mm256_loadu_ps((const float *)w + i);
    if (type == OA__F16) return oa__load_half8(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(
        _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)h)), 16));
}

/* T tokens x G groups */
OA__TILE void tilef(const uint32_t type, const int T, const int G, const oa__mm_args *a, size_t g,
                    size_t t0)
{
    const float *x = a->x + t0 * a->x_stride;
    const uint8_t *w = (const uint8_t *)a->w + g * a->k * 16 * (type == OA__F32 ? 4 : 2);
    __m256 acc[TILE][GROUPS][2];
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        OA__UNROLL
        for (int j = 0; j < G; j++)
            acc[t][j][0] = acc[t][j][1] = _mm256_setzero_ps();
    }
    for (size_t i = 0; i < a->k; i++) {
        OA__UNROLL
        for (int j = 0; j < G; j++) {
            const size_t at = ((size_t)j * a->k + i) * 16;
            const __m256 w0 = load_w(type, w, at), w1 = load_w(type, w, at + 8);
            OA__UNROLL
            for (int t = 0; t < T; t++) {
                const __m256 v = _mm256_set1_ps(x[(size_t)t * a->x_stride + i]);
                acc[t][j][0] = _mm256_fmadd_ps(w0, v, acc[t][j][0]);
                acc[t][j][1] = _mm256_fmadd_ps(w1, v, acc[t][j][1]);
            }
        }
    }
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        OA__UNROLL
        for (int j = 0; j < G; j++)
            oa__tile_store(a, g + (size_t)j, t0 + (size_t)t, acc[t][j][0], acc[t][j][1]);
    }
}

OA__TILE void matmulf(const uint32_t type, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    size_t g = g_begin;
    if (a->n_tokens == 1)
        for (; g + GROUPS <= g_end; g += GROUPS)
            tilef(type, 1, GROUPS, a, g, 0);
    for (; g < g_end; g++) {
        size_t t = 0;
        for (; t + TILE <= a->n_tokens; t += TILE)
            tilef(type, TILE, 1, a, g, t);
        for (; t + 3 <= a->n_tokens; t += 3)
            tilef(type, 3, 1, a, g, t);
        for (; t < a->n_tokens; t++)
            tilef(type, 1, 1, a, g, t);
    }
}

void oa__matmul_f32_avx2(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmulf(OA__F32, a, g0, g1);
}

void oa__matmul_f16_avx2(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmulf(OA__F16, a, g0, g1);
}

void oa__matmul_bf16_avx2(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmulf(OA__BF16, a, g0, g1);
}
