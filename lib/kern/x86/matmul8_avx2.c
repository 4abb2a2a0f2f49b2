/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Q8_0 packed weights, tiles of 16 rows x T tokens.
 *
 * maddubs wants one unsigned side: |w| meets the activations with w's sign. |-128| is 128 as an
 * unsigned byte, and the activations never are -128, so nothing wraps; a pair of products is at
 * most 2 x 128 x 127 = 32512 and fits 16 bits, a second pair would not.
 */
#include "kern/x86/tile_avx2.h"

#define TILE 4

/* One block of 32 columns of a group, for T tokens nb blocks apart; acc (T, 16). */
OA__TILE void block8(const int T, const oa__pack_q8_0 *w, const int8_t *q, const float *d,
                     size_t nb, float *acc)
{
    __m256i s[TILE][2];
    OA__UNROLL
    for (int t = 0; t < T; t++)
        s[t][0] = s[t][1] = _mm256_setzero_si256();
    OA__UNROLL
    for (int line = 0; line < 8; line++) {
        const __m256i w0 = oa__load256(w->q + 64 * line);
        const __m256i w1 = oa__load256(w->q + 64 * line + 32);
        const __m256i abs0 = _mm256_abs_epi8(w0), abs1 = _mm256_abs_epi8(w1);
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const __m256i v =
                _mm256_set1_epi32(oa__load_quad(q + (size_t)t * 32 * nb + 4 * (size_t)line));
            s[t][0] =
                oa__add32(s[t][0], oa__widen(_mm256_maddubs_epi16(abs0, _mm256_sign_epi8(v, w0))));
            s[t][1] =
                oa__add32(s[t][1], oa__widen(_mm256_maddubs_epi16(abs1, _mm256_sign_epi8(v, w1))));
        }
    }
    const __m256 dw0 = oa__load_half8(w->d), dw1 = oa__load_half8(w->d + 8);
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        const __m256 da = _mm256_set1_ps(d[(size_t)t * nb]);
        __m256 acc0 = _mm256_load_ps(acc + 16 * t), acc1 = _mm256_load_ps(acc + 16 * t + 8);
        acc0 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s[t][0]), _mm256_mul_ps(dw0, da), acc0);
        acc1 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s[t][1]), _mm256_mul_ps(dw1, da), acc1);
        _mm256_store_ps(acc + 16 * t, acc0);
        _mm256_store_ps(acc + 16 * t + 8, acc1);
    }
}

/* T tokens x G groups, T or G is 1. */
OA__TILE void tile8(const int T, const int G, const oa__mm_args *a, size_t g, size_t t0)
{
    const size_t nb = a->k / 32;
    const int8_t *q = a->acts->q + t0 * a->k;
    const float *d = a->acts->d + t0 * nb;
    const oa__pack_q8_0 *w = (const oa__pack_q8_0 *)a->w + g * nb;
    _Alignas(32) float acc[TILE * 16];
    OA__UNROLL
    for (int i = 0; i < 2 * T * G; i++)
        _mm256_store_ps(acc + 8 * i, _mm256_setzero_ps());
    for (size_t b = 0; b < nb; b++) {
        OA__UNROLL
        for (int j = 0; j < G; j++)
            block8(T, w + (size_t)j * nb + b, q + 32 * b, d + b, nb, acc + 16 * j);
    }
    OA__UNROLL
    for (int i = 0; i < T * G; i++)
        oa__tile_store(a, g + (size_t)(T == 1 ? i : 0), t0 + (size_t)(T == 1 ? 0 : i),
                       _mm256_load_ps(acc + 16 * i), _mm256_load_ps(acc + 16 * i + 8));
}

void oa__matmul_q8_0_avx2(const oa__kern *k, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    size_t g = g_begin;
    (void)k;
    for (; a->n_tokens == 1 && g + TILE <= g_end; g += TILE)
        tile8(1, TILE, a, g, 0);
    for (; g < g_end; g++) {
        size_t t = 0;
        for (; t + TILE <= a->n_tokens; t += TILE)
            tile8(TILE, 1, a, g, t);
        for (; t + 2 <= a->n_tokens; t += 2)
            tile8(2, 1, a, g, t);
        if (t < a->n_tokens) tile8(1, 1, a, g, t);
    }
}
