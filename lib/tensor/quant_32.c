/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of 32: a scale in f16, with or without a minimum in f16. Layouts in kern/unpack.h. */
#include "tensor/quant_priv.h"

#include <math.h>
#include <string.h>

static void put_nibbles(const uint8_t *q, uint8_t *qs)
{
    for (size_t i = 0; i < 16; i++)
        qs[i] = (uint8_t)((q[i] & 15) | (q[16 + i] & 15) << 4);
}

static void put_high_bits(const uint8_t *q, uint8_t *qh)
{
    memset(qh, 0, 4);
    for (size_t i = 0; i < 32; i++)
        qh[i / 8] |= (uint8_t)((q[i] >> 4 & 1) << i % 8);
}

static bool with_scale(const oa__quant_search *s, const oa__quant_levels *v, const float *x,
                       const float *w, uint8_t *q, uint8_t *out)
{
    const oa__quant_fit fit = oa__quant_fit_scale(s, v, x, w, 32);
    const uint16_t d = oa__f32_to_f16(fit.d);
    if ((d & 0x7fff) >= 0x7c00) return false;
    oa__quant_assign(v, x, 32, oa__f16_to_f32(d), 0.0f, q);
    oa__quant_put16(out, d);
    return true;
}

/* m is rounded first, d then fitted to what is left. */
static bool with_min(const oa__quant_search *s, float hi, const float *x, const float *w,
                     uint8_t *q, uint8_t *out)
{
    const oa__quant_levels v = {0.0f, hi, NULL, NULL};
    const oa__quant_fit fit = oa__quant_fit_min(s, &v, x, w, 32, false);
    const uint16_t m16 = oa__f32_to_f16(fit.m);
    const float m = oa__f16_to_f32(m16);
    float qq = 0.0f, qx = 0.0f, d = fit.d;
    oa__quant_assign(&v, x, 32, d, m, q);
    for (size_t i = 0; i < 32; i++) {
        const float l = (float)q[i];
        qq += w[i] * l * l;
        qx += w[i] * l * (x[i] - m);
    }
    if (qq > 0.0f && qx > 0.0f) d = qx / qq;
    const uint16_t d16 = oa__f32_to_f16(d);
    if ((m16 & 0x7fff) >= 0x7c00 || d16 >= 0x7c00) return false;
    oa__quant_assign(&v, x, 32, oa__f16_to_f32(d16), m, q);
    oa__quant_put16(out, d16);
    oa__quant_put16(out + 2, m16);
    return true;
}

/* Many levels: nothing is gained by clipping the largest. */
static bool q8_0(const float *x, uint8_t *out)
{
    float top = 0.0f;
    for (size_t i = 0; i < 32; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    const uint16_t d16 = oa__f32_to_f16(top / 127.0f);
    if (d16 >= 0x7c00) return false;
    const float d = oa__f16_to_f32(d16), inv = d > 0.0f ? 1.0f / d : 0.0f;
    oa__quant_put16(out, d16);
    for (size_t i = 0; i < 32; i++) {
        float c = x[i] * inv;
        c = c > -127.0f ? c : -127.0f;
        c = c < 127.0f ? c : 127.0f;
        out[2 + i] = (uint8_t)(int8_t)(int)((c + 0x1.8p23f) - 0x1.8p23f);
    }
    return true;
}

bool oa__quant_block32(const oa__quant_search *s, uint32_t type, const float *x, const float *w,
                       uint8_t *out)
{
    static const oa__quant_levels four = {-8, 7, NULL, NULL}, five = {-16, 15, NULL, NULL};
    uint8_t q[32];
    switch (type) {
    case OA__Q8_0:
        return q8_0(x, out);
    case OA__Q4_0:
        if (!with_scale(s, &four, x, w, q, out)) return false;
        put_nibbles(q, out + 2);
        return true;
    case OA__IQ4_NL:
        if (!with_scale(s, &oa__quant_iq4, x, w, q, out)) return false;
        put_nibbles(q, out + 2);
        return true;
    case OA__Q4_1:
        if (!with_min(s, 15, x, w, q, out)) return false;
        put_nibbles(q, out + 4);
        return true;
    case OA__Q5_0:
        if (!with_scale(s, &five, x, w, q, out)) return false;
        put_high_bits(q, out + 2);
        put_nibbles(q, out + 6);
        return true;
    default: /* Q5_1 */
        if (!with_min(s, 31, x, w, q, out)) return false;
        put_high_bits(q, out + 4);
        put_nibbles(q, out + 8);
        return true;
    }
}
