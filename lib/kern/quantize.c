/* SPDX-License-Identifier: Apache-2.0 */
/* Activations to int8 with a scale per 32; the formula stands at oa__acts in kern.h. */
#include "kern/kern_c.h"

#include "kern/half.h"

#define ROUND_MAGIC 12582912.0f /* 1.5 * 2^23: adding it rounds to nearest even */

static void quantize_block(const float *x, int8_t *q, float *d, float *ds, int32_t *isum,
                           int32_t *isum16)
{
    uint32_t amax_bits = 0; /* of |x|: as integers, so that a NaN is the largest */
    for (size_t i = 0; i < 32; i++) {
        const uint32_t bits = oa__f32_bits(x[i]) & 0x7fffffffu;
        if (bits > amax_bits) amax_bits = bits;
    }
    const float amax = oa__bits_f32(amax_bits);
    const bool finite = amax_bits < 0x7f800000u;
    const bool live = finite && amax >= 0x1p-100f;
    const float inv = live ? 127.0f / amax : 0.0f;

    *d = live ? amax / 127.0f : finite ? 0.0f : oa__bits_f32(0x7fc00000u);
    isum16[0] = isum16[1] = 0;
    for (size_t i = 0; i < 32; i++) {
        const float r = live ? x[i] * inv + ROUND_MAGIC : ROUND_MAGIC;
        const int32_t v = (int32_t)(r - ROUND_MAGIC);
        q[i] = (int8_t)v;
        isum16[i / 16] += v;
    }
    *isum = isum16[0] + isum16[1];
    *ds = *d * (float)*isum;
}

void oa__quantize_c(const oa__acts *out, const float *x, size_t x_stride, size_t n_tokens)
{
    const size_t nb = out->k / 32;
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t b = 0; b < nb; b++) {
            const size_t i = t * nb + b;
            quantize_block(x + t * x_stride + 32 * b, out->q + 32 * i, out->d + i, out->ds + i,
                           out->isum + i, out->isum16 + 2 * i);
        }
}
