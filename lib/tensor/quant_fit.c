/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits of a scale, or of a scale and a minimum, to one block of weights, for IQ4_NL and the parts
 * of blocks of 256.
 *
 * Given a scale, the best levels are the nearest ones; given the levels, the best scale is a
 * least-squares solution. Sixteen first scales around "the largest element meets the outermost
 * level" get levels and then their own best scale, and the one with the least error wins (the
 * first of equals). Going round again was tried: it gains less than a thousandth.
 */
#include "tensor/quant_priv.h"

#include <math.h>

#define LANES OA__QUANT_LANES
#define TINY 0x1p-40f /* below it f16 scales are zero whatever the levels */

static const float iq4_code[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};
static const float iq4_mid[15] = {-115.5f, -93.5f, -74.0f, -57.0f, -42.0f, -28.5f, -16.0f, -4.5f,
                                  7.0f,    19.0f,  31.5f,  45.5f,  61.0f,  79.0f,  101.0f};
const oa__quant_levels oa__quant_iq4 = {-127, 113, iq4_code, iq4_mid};

static void assign_code(const oa__quant_levels *v, const float *x, size_t n, float inv, float m,
                        uint8_t *q)
{
    for (size_t i = 0; i < n; i++) {
        const float t = (x[i] - m) * inv;
        unsigned k = 0;
        for (size_t j = 0; j < 15; j++)
            k += t > v->mid[j];
        q[i] = (uint8_t)k;
    }
}

/* x a multiple of 16 long, in two loops that the compiler turns into vectors. */
static void assign_ints(float lo, float hi, const float *x, size_t n, float inv, float m,
                        uint8_t *q)
{
    for (size_t i = 0; i < n; i += 16) {
        int32_t t[16];
        for (size_t j = 0; j < 16; j++) {
            float c = (x[i + j] - m) * inv;
            c = c > lo ? c : lo;
            c = c < hi ? c : hi;
            t[j] = (int32_t)((c + 0x1.8p23f) - 0x1.8p23f - lo);
        }
        for (size_t j = 0; j < 16; j++)
            q[i + j] = (uint8_t)t[j];
    }
}

void oa__quant_assign(const oa__quant_levels *v, const float *x, size_t n, float d, float m,
                      uint8_t *q)
{
    const float inv = d != 0.0f ? 1.0f / d : 0.0f;
    if (v->code)
        assign_code(v, x, n, inv, m, q);
    else
        assign_ints(v->lo, v->hi, x, n, inv, m, q);
}

/* How far beyond the outermost level the largest element begins, in levels. Ten lanes let the
 * largest element meet the lower end, which is the longer one, six the upper. */
static const float start_ints[LANES] = {0.0f,  0.3f,  0.6f, 0.9f, -0.3f, -0.6f, 1.3f,  -1.0f,
                                        -1.5f, -2.2f, 0.0f, 0.4f, 0.8f,  -0.5f, -1.0f, -2.0f};
static const float start_code[LANES] = {0.0f,  4.0f,   8.0f, 12.0f, -5.0f, -10.0f, 18.0f,  -18.0f,
                                        26.0f, -28.0f, 0.0f, 6.0f,  12.0f, -8.0f,  -16.0f, 20.0f};

/* The element of largest magnitude, the first of equals; n a multiple of 4. */
static float outermost(const float *x, size_t n)
{
    float top[4] = {0};
    for (size_t i = 0; i < n; i += 4)
        for (size_t j = 0; j < 4; j++)
            top[j] = fabsf(x[i + j]) > top[j] ? fabsf(x[i + j]) : top[j];
    for (size_t j = 1; j < 4; j++)
        top[0] = top[j] > top[0] ? top[j] : top[0];
    size_t i = 0;
    while (fabsf(x[i]) < top[0])
        i++;
    return x[i];
}

size_t oa__quant_least(const float v[LANES])
{
    float least[8];
    for (size_t c = 0; c < 8; c++)
        least[c] = v[8 + c] < v[c] ? v[8 + c] : v[c];
    for (size_t c = 0; c < 4; c++)
        least[c] = least[4 + c] < least[c] ? least[4 + c] : least[c];
    for (size_t c = 1; c < 4; c++)
        least[0] = least[c] < least[0] ? least[c] : least[0];
    size_t best = 0;
    while (v[best] > least[0])
        best++;
    return best;
}

oa__quant_fit oa__quant_fit_scale(const oa__quant_search *s, const oa__quant_levels *v,
                                  const float *x, const float *w, size_t n)
{
    const float *start = v->code ? start_code : start_ints, zero[LANES] = {0};
    float inv[LANES], gain[LANES];
    oa__quant_sums sums;
    oa__quant_fit fit = {0.0f, 0.0f, 0.0f};

    const float top = outermost(x, n);
    if (fabsf(top) < TINY) return fit;
    for (size_t c = 0; c < LANES; c++)
        inv[c] = c < 10 ? v->lo - start[c] : v->hi + start[c];
    for (size_t c = 0; c < LANES; c++)
        inv[c] /= top;
    s->sums(v, x, w, n, inv, zero, &sums);
    for (size_t c = 0; c < LANES; c++) {
        /* the squared error is sum of w x x less this; without levels none */
        const float qq = sums.qq[c] > 0.0f ? sums.qq[c] : 1.0f;
        gain[c] = -(sums.qx[c] * (sums.qx[c] / qq));
    }
    const size_t best = oa__quant_least(gain);
    if (gain[best] >= 0.0f) return fit;
    fit.d = sums.qx[best] / sums.qq[best];
    fit.weight = sums.qq[best];
    return fit;
}

oa__quant_fit oa__quant_fit_min(const oa__quant_search *s, const oa__quant_levels *v,
                                const float *x, const float *w, size_t n)
{
    /* in steps of the full range; the lanes are all pairs of both ends */
    static const float in_lo[4] = {0.0f, 0.2f, 0.45f, -0.15f};
    float inv[LANES], m[LANES], d[LANES], lo = x[0], hi = x[0];
    float sum_w = 0.0f, sum_x = 0.0f;
    oa__quant_sums sums;
    oa__quant_fit fit = {0.0f, 0.0f, 0.0f};

    for (size_t i = 0; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
        sum_w += w[i];
        sum_x += w[i] * x[i];
    }
    if (lo > 0.0f) lo = 0.0f;
    fit.m = lo;
    fit.weight = sum_w;
    if (hi - lo < TINY) return fit;
    const float step = (hi - lo) / v->hi;
    for (size_t c = 0; c < LANES; c++) {
        const float top = hi - in_lo[c / 4] * step;
        m[c] = lo + in_lo[c % 4] * step;
        if (m[c] > 0.0f) m[c] = 0.0f;
        inv[c] = v->hi / (top - m[c]);
    }
    s->sums(v, x, w, n, inv, m, &sums);
    for (size_t c = 0; c < LANES; c++) {
        const float det = sum_w * sums.qq[c] - sums.q[c] * sums.q[c];
        float dc = det > 0.0f ? (sum_w * sums.qx[c] - sum_x * sums.q[c]) / det : 0.0f;
        float mc = det > 0.0f ? (sums.qq[c] * sum_x - sums.q[c] * sums.qx[c]) / det : 0.0f;
        if (mc > 0.0f || !(dc > 0.0f)) {
            mc = 0.0f;
            dc = sums.qq[c] > 0.0f ? sums.qx[c] / sums.qq[c] : 0.0f;
        }
        d[c] = dc;
        m[c] = mc;
        inv[c] = dc > 0.0f ? 1.0f / dc : 0.0f;
    }
    float err[LANES];
    s->errs(v, x, w, n, LANES, inv, d, m, err);
    const size_t best = oa__quant_least(err);
    fit.d = d[best];
    fit.m = m[best];
    return fit;
}
