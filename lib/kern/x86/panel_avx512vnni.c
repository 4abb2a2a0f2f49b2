/* SPDX-License-Identifier: Apache-2.0 */
/* Types that are unpacked into panels (panel.h), with VNNI. */
#include "kern/x86/tile_avx512.h"

#include "kern/x86/panel.h"

#define TILE 8

/* SUB columns per scale, `offset` of the quants. */
OA__TILE void tile_panel(const int SUB, const bool MIN, const int T, const panel *p,
                         const oa__acts *x, int offset, size_t t0, size_t col0, size_t cols,
                         float *at)
{
    const size_t k = x->k, nb = k / 32;
    const int8_t *q = x->q + t0 * k + col0;
    __m512 acc[TILE];
    OA__UNROLL
    for (int t = 0; t < T; t++)
        acc[t] = _mm512_loadu_ps(at + 16 * t);
    for (size_t b = 0; b < cols / (size_t)SUB; b++) {
        const uint8_t *w = p->q + (size_t)SUB * 16 * b;
        const __m512 dw = _mm512_loadu_ps(p->dw + 16 * b), mw = _mm512_loadu_ps(p->mw + 16 * b);
        int32_t isum[TILE];
        __m512i s[TILE];
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const size_t e = (t0 + (size_t)t) * k + col0 + (size_t)SUB * b;
            isum[t] = SUB == 32 ? x->isum[e / 32] : x->isum16[e / 16];
            s[t] = _mm512_set1_epi32(-offset * isum[t]);
        }
        OA__UNROLL
        for (int i = 0; i < SUB / 4; i++) {
            const __m512i line = oa__load512(w + 64 * i);
            OA__UNROLL
            for (int t = 0; t < T; t++)
                s[t] = oa__dot(s[t], line, q + (size_t)t * k + (size_t)SUB * b + 4 * (size_t)i);
        }
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const size_t e = (t0 + (size_t)t) * nb + (col0 + (size_t)SUB * b) / 32;
            acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[t]),
                                     _mm512_mul_ps(dw, _mm512_set1_ps(x->d[e])), acc[t]);
            if (MIN)
                acc[t] = _mm512_fmadd_ps(
                    mw, _mm512_set1_ps(SUB == 32 ? x->ds[e] : x->d[e] * (float)isum[t]), acc[t]);
        }
    }
    OA__UNROLL
    for (int t = 0; t < T; t++)
        _mm512_storeu_ps(at + 16 * t, acc[t]);
}

OA__TILE void run_panel(const int SUB, const bool MIN, panel *p, const oa__acts *x, int offset,
                        size_t t0, size_t n, size_t col0, size_t cols)
{
    size_t t = 0;
    for (; t + TILE <= n; t += TILE)
        tile_panel(SUB, MIN, TILE, p, x, offset, t0 + t, col0, cols, p->acc[t]);
    for (; t < n; t++)
        tile_panel(SUB, MIN, 1, p, x, offset, t0 + t, col0, cols, p->acc[t]);
}

void OA__TIER(oa__matmul_panel)(const oa__kern *k, const oa__mm_args *a, size_t g_begin,
                                size_t g_end)
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
                if (s->sub == 32 && s->has_min)
                    run_panel(32, true, p, a->acts, s->offset, t0, n, col, cols);
                else if (s->sub == 32)
                    run_panel(32, false, p, a->acts, s->offset, t0, n, col, cols);
                else if (s->has_min)
                    run_panel(16, true, p, a->acts, s->offset, t0, n, col, cols);
                else
                    run_panel(16, false, p, a->acts, s->offset, t0, n, col, cols);
            }
            for (size_t t = 0; t < n; t++)
                oa__tile_store(a, g, t0 + t, _mm512_loadu_ps(p->acc[t]));
        }
}
