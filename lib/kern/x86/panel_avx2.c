/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types that stay as the file's rows (Q5_0, Q5_1, Q2_K, Q3_K, Q5_K, Q6_K): 16 rows x 256 columns
 * are unpacked into a panel of the packed shape, then all tokens pass over it.
 *
 *   scratch   float acc[TOKENS][16]   uint8 q[64 lines][64]   float dw[16][16], mw[16][16]
 *             uint8 rows[16][256]
 *
 * Quants up to 31 add up four quads in 16 bits (4 x 2 x 31 x 127 = 31496), those of Q6_K, up to
 * 63, two (2 x 2 x 63 x 127 = 32004).
 */
#include "kern/x86/tile_avx2.h"

#include "kern/unpack.h"

#define TILE 4
#define TOKENS 256

typedef struct panel {
    float acc[TOKENS][16];
    uint8_t q[OA__KERN_PANEL / 4 * 64];
    float dw[OA__KERN_PANEL / 16 * 16], mw[OA__KERN_PANEL / 16 * 16];
    uint8_t rows[16][OA__KERN_PANEL];
} panel;

_Static_assert(sizeof(panel) <= OA__MM_SCRATCH, "the panel fits the scratch");

/* Eight rows x eight quads (dwords), transposed: out line c holds quad c of the rows. */
static inline void transpose8(const uint8_t *rows, uint8_t *out)
{
    __m256i r[8], s[8];
    for (int i = 0; i < 8; i++)
        r[i] = oa__load256(rows + i * OA__KERN_PANEL);
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_unpacklo_epi64(s[i], s[i + 2]);
        r[i + 1] = _mm256_unpackhi_epi64(s[i], s[i + 2]);
        r[i + 2] = _mm256_unpacklo_epi64(s[i + 1], s[i + 3]);
        r[i + 3] = _mm256_unpackhi_epi64(s[i + 1], s[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_si256((__m256i *)(void *)(out + 64 * i),
                            _mm256_permute2x128_si256(r[i], r[i + 4], 0x20));
        _mm256_storeu_si256((__m256i *)(void *)(out + 64 * (i + 4)),
                            _mm256_permute2x128_si256(r[i], r[i + 4], 0x31));
    }
}

static void panel_fill(panel *p, const oa__mm_args *a, const oa__type_shape *s, size_t row0,
                       size_t col0, size_t cols)
{
    for (size_t row = 0; row < 16; row++) {
        float dw[OA__KERN_PANEL / 16] = {0}, mw[OA__KERN_PANEL / 16] = {0};
        if (row0 + row < a->n_rows)
            oa__unpack_rows(a->type,
                            (const uint8_t *)a->w + (row0 + row) * a->row_size +
                                col0 / s->block * s->size,
                            cols, p->rows[row], dw, mw);
        else
            memset(p->rows[row], 0, cols);
        for (size_t b = 0; b < cols / s->sub; b++) {
            p->dw[16 * b + row] = dw[b];
            p->mw[16 * b + row] = mw[b];
        }
    }
    for (size_t c = 0; c < cols; c += 32) {
        transpose8(p->rows[0] + c, p->q + 16 * c);
        transpose8(p->rows[8] + c, p->q + 16 * c + 32);
    }
}

/* SUB columns per scale, QUADS per widening, `offset` of the quants. */
OA__TILE void tile_panel(const int SUB, const int QUADS, const bool MIN, const int T,
                         const panel *p, const oa__acts *x, int offset, size_t t0, size_t col0,
                         size_t cols, float *acc)
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
                const __m256i w0 = oa__load256(w + 64 * i), w1 = oa__load256(w + 64 * i + 32);
                OA__UNROLL
                for (int t = 0; t < T; t++) {
                    const __m256i v = _mm256_set1_epi32(oa__load_quad(
                        q + (size_t)t * k + (size_t)SUB * b + 4 * (size_t)i));
                    h[t][0] = oa__add16(h[t][0], _mm256_maddubs_epi16(w0, v));
                    h[t][1] = oa__add16(h[t][1], _mm256_maddubs_epi16(w1, v));
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

OA__TILE void run_panel(const int SUB, const int QUADS, const bool MIN, panel *p,
                        const oa__acts *x, int offset, size_t t0, size_t n, size_t col0,
                        size_t cols)
{
    size_t t = 0;
    for (; t + TILE <= n; t += TILE)
        tile_panel(SUB, QUADS, MIN, TILE, p, x, offset, t0 + t, col0, cols, p->acc[t]);
    for (; t < n; t++)
        tile_panel(SUB, QUADS, MIN, 1, p, x, offset, t0 + t, col0, cols, p->acc[t]);
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
                    run_panel(32, 4, false, p, a->acts, 16, t0, n, col, cols);
                    break;
                case OA__Q5_1:
                case OA__Q5_K:
                    run_panel(32, 4, true, p, a->acts, 0, t0, n, col, cols);
                    break;
                case OA__Q2_K:
                    run_panel(16, 4, true, p, a->acts, 0, t0, n, col, cols);
                    break;
                case OA__Q3_K:
                    run_panel(16, 4, false, p, a->acts, 4, t0, n, col, cols);
                    break;
                case OA__Q6_K:
                    run_panel(16, 2, false, p, a->acts, 32, t0, n, col, cols);
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
