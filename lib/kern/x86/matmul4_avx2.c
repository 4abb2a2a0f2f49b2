/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 4-bit packed weights: Q4_0, Q4_1. Tiles of 16 rows x T tokens.
 *
 * A line of 64 bytes is two registers of 8 rows x 4 columns, low nibbles and high nibbles. The
 * unsigned nibbles meet the token's four activations in maddubs; eight quads add up in 16 bits
 * without saturating (8 quads x 2 products x 15 x 127 = 30480), one madd widens the block. The
 * nibbles are split once per tile; float sums wait in memory between blocks.
 */
#include "kern/x86/tile_avx2.h"

#define TILE 4

enum kind { Q4_0, Q4_1 };

typedef struct tokens {
    const int8_t *q;
    const float *d, *ds;
    const int32_t *isum;
    size_t k, nb;
} tokens;

/* One block of 32 columns, `b` of the tokens'. */
OA__TILE void block4(const enum kind kind, const int T, const uint8_t *q, __m256 dw0, __m256 dw1,
                     __m256 mw0, __m256 mw1, const tokens *x, size_t b, float *acc)
{
    const __m256i low = _mm256_set1_epi8(15);
    __m256i s[TILE][2];
    OA__UNROLL
    for (int t = 0; t < T; t++)
        s[t][0] = s[t][1] = _mm256_setzero_si256();
    OA__UNROLL
    for (int g = 0; g < 4; g++) {
        __m256i w0 = oa__load256(q + 64 * g), w1 = oa__load256(q + 64 * g + 32);
        const __m256i lo0 = _mm256_and_si256(w0, low), lo1 = _mm256_and_si256(w1, low);
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const __m256i a =
                _mm256_set1_epi32(oa__load_quad(x->q + (size_t)t * x->k + 32 * b + 4 * (size_t)g));
            s[t][0] = oa__add16(s[t][0], _mm256_maddubs_epi16(lo0, a));
            s[t][1] = oa__add16(s[t][1], _mm256_maddubs_epi16(lo1, a));
        }
        w0 = _mm256_and_si256(_mm256_srli_epi16(w0, 4), low);
        w1 = _mm256_and_si256(_mm256_srli_epi16(w1, 4), low);
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const __m256i a = _mm256_set1_epi32(
                oa__load_quad(x->q + (size_t)t * x->k + 32 * b + 16 + 4 * (size_t)g));
            s[t][0] = oa__add16(s[t][0], _mm256_maddubs_epi16(w0, a));
            s[t][1] = oa__add16(s[t][1], _mm256_maddubs_epi16(w1, a));
        }
    }
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        const size_t i = (size_t)t * x->nb + b;
        __m256i i0 = oa__widen(s[t][0]), i1 = oa__widen(s[t][1]);
        if (kind == Q4_0) {
            const __m256i off = _mm256_slli_epi32(_mm256_set1_epi32(x->isum[i]), 3);
            i0 = _mm256_sub_epi32(i0, off);
            i1 = _mm256_sub_epi32(i1, off);
        }
        const __m256 da = _mm256_set1_ps(x->d[i]);
        __m256 acc0 = _mm256_load_ps(acc + 16 * t), acc1 = _mm256_load_ps(acc + 16 * t + 8);
        acc0 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(i0), _mm256_mul_ps(dw0, da), acc0);
        acc1 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(i1), _mm256_mul_ps(dw1, da), acc1);
        if (kind != Q4_0) {
            const __m256 ds = _mm256_set1_ps(x->ds[i]);
            acc0 = _mm256_fmadd_ps(mw0, ds, acc0);
            acc1 = _mm256_fmadd_ps(mw1, ds, acc1);
        }
        _mm256_store_ps(acc + 16 * t, acc0);
        _mm256_store_ps(acc + 16 * t + 8, acc1);
    }
}

/* T tokens x G groups */
OA__TILE void tile4(const enum kind kind, const int T, const int G, const oa__mm_args *a, size_t g,
                    size_t t0)
{
    const oa__acts *x = a->acts;
    const size_t nb = a->k / 32;
    const tokens tk = {x->q + t0 * a->k,  x->d + t0 * nb, x->ds + t0 * nb,
                       x->isum + t0 * nb, a->k,           nb};
    _Alignas(32) float acc[TILE * 16];
    const __m256 zero = _mm256_setzero_ps();
    OA__UNROLL
    for (int t = 0; t < 2 * T * G; t++)
        _mm256_store_ps(acc + 8 * t, zero);

    if (kind == Q4_0) {
        const oa__pack_q4_0 *w = (const oa__pack_q4_0 *)a->w + g * nb;
        for (size_t b = 0; b < nb; b++) {
            OA__UNROLL
            for (int j = 0; j < G; j++) {
                const oa__pack_q4_0 *p = w + (size_t)j * nb + b;
                block4(kind, T, p->q, oa__load_half8(p->d), oa__load_half8(p->d + 8), zero, zero,
                       &tk, b, acc + 16 * j);
            }
        }
    } else {
        const oa__pack_q4_1 *w = (const oa__pack_q4_1 *)a->w + g * nb;
        for (size_t b = 0; b < nb; b++) {
            OA__UNROLL
            for (int j = 0; j < G; j++) {
                const oa__pack_q4_1 *p = w + (size_t)j * nb + b;
                block4(kind, T, p->q, oa__load_half8(p->d), oa__load_half8(p->d + 8),
                       oa__load_half8(p->m), oa__load_half8(p->m + 8), &tk, b, acc + 16 * j);
            }
        }
    }
    OA__UNROLL
    for (int t = 0; t < T; t++)
        OA__UNROLL
    for (int j = 0; j < G; j++) {
        const float *sum = acc + 16 * (t + j);
        oa__tile_store(a, g + (size_t)j, t0 + (size_t)t, _mm256_load_ps(sum),
                       _mm256_load_ps(sum + 8));
    }
}

OA__TILE void matmul4(const enum kind kind, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    size_t g = g_begin;
    for (; a->n_tokens == 1 && g + TILE <= g_end; g += TILE)
        tile4(kind, 1, TILE, a, g, 0);
    for (; g < g_end; g++) {
        size_t t = 0;
        for (; t + TILE <= a->n_tokens; t += TILE)
            tile4(kind, TILE, 1, a, g, t);
        switch (a->n_tokens - t) {
        case 3:
            tile4(kind, 3, 1, a, g, t);
            break;
        case 2:
            tile4(kind, 2, 1, a, g, t);
            break;
        case 1:
            tile4(kind, 1, 1, a, g, t);
            break;
        }
    }
}

void oa__matmul_q4_0_avx2(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmul4(Q4_0, a, g0, g1);
}

void oa__matmul_q4_1_avx2(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmul4(Q4_1, a, g0, g1);
}
