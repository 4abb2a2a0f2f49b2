/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed weights Q4_0, Q4_1, Q8_0 with VNNI. Tiles of 16 rows x T tokens; a line of 64
 * bytes is one register, dpbusd adds the row's four products to its 32-bit lane without
 * saturation. Signed quants become unsigned (Q8_0: q + 128, flipping one bit), and the sums begin
 * with -offset * isum.
 */
#include "kern/x86/tile_avx512.h"

#define TILE 8

enum kind { Q4_0, Q4_1, Q8_0 };

typedef struct tokens {
    const int8_t *q;
    const float *d, *ds;
    const int32_t *isum;
    size_t k, nb;
} tokens;

/* One block of 32 columns, `b` of the tokens'. */
OA__TILE void block(const enum kind kind, const int T, const uint8_t *q, __m512 dw, __m512 mw,
                    const tokens *x, size_t b, __m512 *acc)
{
    const __m512i low = _mm512_set1_epi8(15), flip = _mm512_set1_epi8(-128);
    __m512i s[TILE];
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        const int32_t isum = x->isum[(size_t)t * x->nb + b];
        s[t] = kind == Q4_0   ? _mm512_set1_epi32(-8 * isum)
               : kind == Q8_0 ? _mm512_set1_epi32(-128 * isum)
                              : _mm512_set1_epi32(0);
    }
    OA__UNROLL
    for (int g = 0; g < 4; g++) {
        /* 4 bits: line g gives the quads g and g + 4; 8 bits: the lines 2g and 2g + 1 */
        const size_t at0 = kind == Q8_0 ? 8 * (size_t)g : 4 * (size_t)g;
        const size_t at1 = kind == Q8_0 ? at0 + 4 : at0 + 16;
        __m512i w0, w1;
        if (kind == Q8_0) {
            w0 = _mm512_xor_si512(oa__load512(q + 128 * g), flip);
            w1 = _mm512_xor_si512(oa__load512(q + 128 * g + 64), flip);
        } else {
            const __m512i line = oa__load512(q + 64 * g);
            w0 = _mm512_and_si512(line, low);
            w1 = _mm512_and_si512(_mm512_srli_epi16(line, 4), low);
        }
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const int8_t *a = x->q + (size_t)t * x->k + 32 * b;
            s[t] = oa__dot(oa__dot(s[t], w0, a + at0), w1, a + at1);
        }
    }
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        const size_t i = (size_t)t * x->nb + b;
        const __m512 scale = _mm512_mul_ps(dw, _mm512_set1_ps(x->d[i]));
        acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[t]), scale, acc[t]);
        if (kind == Q4_1) acc[t] = _mm512_fmadd_ps(mw, _mm512_set1_ps(x->ds[i]), acc[t]);
    }
}

OA__TILE void tile(const enum kind kind, const int T, const oa__mm_args *a, size_t g, size_t t0)
{
    const oa__acts *x = a->acts;
    const size_t nb = a->k / 32;
    const tokens tk = {x->q + t0 * a->k,  x->d + t0 * nb, x->ds + t0 * nb,
                       x->isum + t0 * nb, a->k,           nb};
    const __m512 zero = _mm512_setzero_ps();
    __m512 acc[TILE];
    OA__UNROLL
    for (int t = 0; t < T; t++)
        acc[t] = zero;

    if (kind == Q4_0) {
        const oa__pack_q4_0 *w = (const oa__pack_q4_0 *)a->w + g * nb;
        for (size_t b = 0; b < nb; b++, w++)
            block(kind, T, w->q, v16_load_half(w->d), zero, &tk, b, acc);
    } else if (kind == Q4_1) {
        const oa__pack_q4_1 *w = (const oa__pack_q4_1 *)a->w + g * nb;
        for (size_t b = 0; b < nb; b++, w++)
            block(kind, T, w->q, v16_load_half(w->d), v16_load_half(w->m), &tk, b, acc);
    } else {
        const oa__pack_q8_0 *w = (const oa__pack_q8_0 *)a->w + g * nb;
        for (size_t b = 0; b < nb; b++, w++)
            block(kind, T, (const uint8_t *)w->q, v16_load_half(w->d), zero, &tk, b, acc);
    }
    OA__UNROLL
    for (int t = 0; t < T; t++)
        oa__tile_store(a, g, t0 + (size_t)t, acc[t]);
}

OA__TILE void matmul(const enum kind kind, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    for (size_t g = g_begin; g < g_end; g++) {
        size_t t = 0;
        for (; t + TILE <= a->n_tokens; t += TILE)
            tile(kind, TILE, a, g, t);
        for (; t + 3 <= a->n_tokens; t += 3)
            tile(kind, 3, a, g, t);
        for (; t < a->n_tokens; t++)
            tile(kind, 1, a, g, t);
    }
}

void OA__TIER(oa__matmul_q4_0)(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmul(Q4_0, a, g0, g1);
}

void OA__TIER(oa__matmul_q4_1)(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmul(Q4_1, a, g0, g1);
}

void OA__TIER(oa__matmul_q8_0)(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    (void)k;
    matmul(Q8_0, a, g0, g1);
}
