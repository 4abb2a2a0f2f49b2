/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types that are unpacked into panels (panel.h). Quants up to 31 add up four quads in 16 bits
 * (4 x 2 x 31 x 127 = 31496), those of Q6_K, up to 63, two (2 x 2 x 63 x 127 = 32004).
 * The values of the IQ4 types go as those of Q8_0 do (matmul8_avx2.c): |w| meets the activations
 * with w's sign, one quad at a time.
 */
#include "kern/x86/tile_avx2.h"

#include "kern/x86/panel.h"

#define TILE 4

/* SUB columns per scale, QUADS per widening, `offset` of the quants; SIGNED takes 128 off first. */
OA__TILE void tile_panel(const int SUB, const int QUADS, const bool MIN, const bool SIGNED,
                         const int T, const panel *p, const oa__acts *x, int offset, size_t t0,
                         size_t col0, size_t cols, float *acc)
{
    const size_t k = x->k, nb = k / 32;
    const int8_t *q = x->q + t0 * k + col0;
    for (size_t b = 0; b < cols / (size_t)SUB; b++) {
        const uint8_t *w = p->q + (size_t)SUB * 16 * b;
        __m256i s[TILE][2];
        OA__UNROLL
        for (int t = 0; t < T; t++)
            s[t][0] = s[t][1] = _mm256_setzero_si256();
        OA__UNROLL
        for (int line = 0; line < SUB / 4; line += QUADS) {
            __m256i h[TILE][2];
            OA__UNROLL
            for (int t = 0; t < T; t++)
                h[t][0] = h[t][1] = _mm256_setzero_si256();
            OA__UNROLL
            for (int i = line; i < line + QUADS; i++) {
                const __m256i top = _mm256_set1_epi8(SIGNED ? -128 : 0);
                const __m256i w0 = _mm256_xor_si256(oa__load256(w + 64 * i), top);
                const __m256i w1 = _mm256_xor_si256(oa__load256(w + 64 * i + 32), top);
                const __m256i u0 = SIGNED ? _mm256_abs_epi8(w0) : w0;
                const __m256i u1 = SIGNED ? _mm256_abs_epi8(w1) : w1;
                OA__UNROLL
                for (int t = 0; t < T; t++) {
                    const __m256i v = _mm256_set1_epi32(
                        oa__load_quad(q + (size_t)t * k + (size_t)SUB * b + 4 * (size_t)i));
                    const __m256i v0 = SIGNED ? _mm256_sign_epi8(v, w0) : v;
                    const __m256i v1 = SIGNED ? _mm256_sign_epi8(v, w1) : v;
                    h[t][0] = oa__add16(h[t][0], _mm256_maddubs_epi16(u0, v0));
                    h[t][1] = oa__add16(h[t][1], _mm256_maddubs_epi16(u1, v1));
                }
            }
            OA__UNROLL
            for (int t = 0; t < T; t++) {
                s[t][0] = oa__add32(s[t][0], oa__widen(h[t][0]));
                s[t][1] = oa__add32(s[t][1], oa__widen(h[t][1]));
            }
        }
        const __m256 dw0 = _mm256_loadu_ps(p->dw + 16 * b);
        const __m256 dw1 = _mm256_loadu_ps(p->dw + 16 * b + 8);
        const __m256 mw0 = _mm256_loadu_ps(p->mw + 16 * b);
        const __m256 mw1 = _mm256_loadu_ps(p->mw + 16 * b + 8);
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const size_t e = (t0 + (size_t)t) * nb + (col0 + (size_t)SUB * b) / 32;
            const size_t e16 = (t0 + (size_t)t) * nb * 2 + (col0 + (size_t)SUB * b) / 16;
            const int32_t isum = SUB == 32 ? x->isum[e] : x->isum16[e16];
            const __m256i off = _mm256_set1_epi32(offset * isum);
            const __m256 da = _mm256_set1_ps(x->d[e]);
            float *at = acc + 16 * t;
            __m256 acc0 = _mm256_loadu_ps(at), acc1 = _mm256_loadu_ps(at + 8);
            acc0 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(s[t][0], off)),
                                   _mm256_mul_ps(dw0, da), acc0);
            acc1 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(s[t][1], off)),
                                   _mm256_mul_ps(dw1, da), acc1);
            if (MIN) {
                const __m256 ds = _mm256_set1_ps(SUB == 32 ? x->ds[e] : x->d[e] * (float)isum);
                acc0 = _mm256_fmadd_ps(mw0, ds, acc0);
                acc1 = _mm256_fmadd_ps(mw1, ds, acc1);
            }
            _mm256_storeu_ps(at, acc0);
            _mm256_storeu_ps(at + 8, acc1);
        }
    }
}

OA__TILE void run_panel(const int SUB, const int QUADS, const bool MIN, const bool SIGNED, panel *p,
                        const oa__acts *x, int offset, size_t t0, size_t n, size_t col0,
                        size_t cols)
{
    size_t t = 0;
    for (; t + TILE <= n; t += TILE)
        tile_panel(SUB, QUADS, MIN, SIGNED, TILE, p, x, offset, t0 + t, col0, cols, p->acc[t]);
    for (; t < n; t++)
        tile_panel(SUB, QUADS, MIN, SIGNED, 1, p, x, offset, t0 + t, col0, cols, p->acc[t]);
}

void oa__matmul_panel_avx2(const oa__kern *k, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    const oa__type_shape *s = oa__kern_shape(a->type);
    panel *p = a->scratch;
    (void)k;
    for (size_t g = g_begin; g < g_end; g++)
        for (size_t t0 = 0; t0 < a->n_tokens; t0 += TOKENS) {
            const size_t n = a->n_tokens - t0 < TOKENS ? a->n_tokens - t0 : TOKENS;
            memset(p->acc, 0, n * sizeof p->acc[0]);
            for (size_t col = 0; col < a->k; col += OA__KERN_PANEL) {
                const size_t cols = a->k - col < OA__KERN_PANEL ? a->k - col : OA__KERN_PANEL;
                panel_fill(p, a, s, 16 * g, col, cols);
                switch (a->type) {
                case OA__Q5_0:
                    run_panel(32, 4, false, false, p, a->acts, 16, t0, n, col, cols);
                    break;
                case OA__Q5_1:
                case OA__Q5_K:
                    run_panel(32, 4, true, false, p, a->acts, 0, t0, n, col, cols);
                    break;
                case OA__Q2_K:
                    run_panel(16, 4, true, false, p, a->acts, 0, t0, n, col, cols);
                    break;
                case OA__Q3_K:
                    run_panel(16, 4, false, false, p, a->acts, 4, t0, n, col, cols);
                    break;
                case OA__Q6_K:
                    run_panel(16, 2, false, false, p, a->acts, 32, t0, n, col, cols);
                    break;
                case OA__IQ4_NL:
                case OA__IQ4_XS:
                    run_panel(32, 1, false, true, p, a->acts, 0, t0, n, col, cols);
                    break;
                default:
                    break;
                }
            }
            for (size_t t = 0; t < n; t++)
                oa__tile_store(a, g, t0 + t, _mm256_loadu_ps(p->acc[t]),
                               _mm256_loadu_ps(p->acc[t] + 8));
        }
}
