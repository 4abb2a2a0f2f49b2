/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights times activations, the definition (formula at oa__mm_args in kern.h).
 *
 * Quantised types: 16 rows x 256 columns at a time become 16-bit integers, less the offset, with
 * their float scales (the panel); the partial sums of the tokens wait beside it in the scratch:
 *
 *   scratch   float acc[TOKENS][16]   int16 w[16][256]   float dw[16 blocks][16], mw[16][16]
 *
 * The error of y against exact arithmetic on the quantised values is at most
 * (2 n_blocks + 4) u sum |terms|, with u = 2^-24.
 */
#include "kern/kern_c.h"

#include <math.h>

#include "base/base.h"
#include "kern/half.h"

#define TOKENS 256

typedef struct panel {
    float acc[TOKENS][16];
    int16_t w[16][OA__KERN_PANEL];
    float dw[OA__KERN_PANEL / 16][16], mw[OA__KERN_PANEL / 16][16];
} panel;

_Static_assert(sizeof(panel) <= OA__MM_SCRATCH, "the panel fits the scratch");

static inline int32_t dot(const int16_t *w, const int16_t *q, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (int32_t)w[i] * q[i];
    return sum;
}

/* One token against the panel: its columns [col0, col0 + cols). */
static void panel_token(panel *p, const oa__acts *x, const oa__type_shape *s, size_t t, size_t col0,
                        size_t cols, float *acc)
{
    const size_t sub = s->sub;
    int16_t q[OA__KERN_PANEL];
    for (size_t i = 0; i < cols; i++)
        q[i] = x->q[t * x->k + col0 + i];
    for (size_t b = 0; b < cols / sub; b++) {
        const size_t e = t * x->k + col0 + b * sub;
        const float da = x->d[e / 32];
        const float ds = sub == 32 ? x->ds[e / 32] : da * (float)x->isum16[e / 16];
        for (size_t row = 0; row < 16; row++) {
            const int32_t idot = sub == 32 ? dot(p->w[row] + 32 * b, q + 32 * b, 32)
                                           : dot(p->w[row] + 16 * b, q + 16 * b, 16);
            acc[row] = fmaf((float)idot, p->dw[b][row] * da, acc[row]);
            if (s->has_min) acc[row] = fmaf(p->mw[b][row], ds, acc[row]);
        }
    }
}

static void store(const oa__mm_args *a, size_t g, size_t t, const float *acc)
{
    float *y = a->y + t * a->y_stride + 16 * g;
    for (size_t row = 0; row < 16 && 16 * g + row < a->n_rows; row++)
        y[row] = a->add ? y[row] + acc[row] : acc[row];
}

void oa__matmul_quant_c(const oa__kern *k, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    const oa__type_shape *s = oa__kern_shape(a->type);
    panel *p = a->scratch;
    (void)k;
    oa__assert(a->k % s->block == 0 && a->acts->k == a->k);

    for (size_t g = g_begin; g < g_end; g++)
        for (size_t t0 = 0; t0 < a->n_tokens; t0 += TOKENS) {
            const size_t n = a->n_tokens - t0 < TOKENS ? a->n_tokens - t0 : TOKENS;
            for (size_t t = 0; t < n; t++)
                for (size_t row = 0; row < 16; row++)
                    p->acc[t][row] = 0;
            for (size_t col = 0; col < a->k; col += OA__KERN_PANEL) {
                const size_t cols = a->k - col < OA__KERN_PANEL ? a->k - col : OA__KERN_PANEL;
                oa__panel_c(p->w, p->dw, p->mw, a->type,
                            (const uint8_t *)a->w + g * oa__kern_group_size(a->type, a->k) +
                                oa__kern_group_size(a->type, col),
                            cols);
                for (size_t t = 0; t < n; t++)
                    panel_token(p, a->acts, s, t0 + t, col, cols, p->acc[t]);
            }
            for (size_t t = 0; t < n; t++)
                store(a, g, t0 + t, p->acc[t]);
        }
}

void oa__matmul_float_c(const oa__kern *k, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    (void)k;
    for (size_t g = g_begin; g < g_end; g++)
        for (size_t t = 0; t < a->n_tokens; t++) {
            const float *x = a->x + t * a->x_stride;
            const size_t first = g * a->k * 16;
            float acc[16] = {0};
            for (size_t i = 0; i < a->k; i++)
                for (size_t row = 0; row < 16; row++) {
                    const size_t e = first + 16 * i + row;
                    const float w = a->type == OA__F32 ? ((const float *)a->w)[e]
                                    : a->type == OA__F16
                                        ? oa__half_f32(((const uint16_t *)a->w)[e])
                                        : oa__bfloat_f32(((const uint16_t *)a->w)[e]);
                    acc[row] = fmaf(w, x[i], acc[row]);
                }
            store(a, g, t, acc);
        }
}
