/* SPDX-License-Identifier: Apache-2.0 */
/* Activations to int8, 32 at a time. The definition is kern/quantize.c. */
#include "kern/arm/vec_neon.h"

static void block(const float *x, int8_t *q, float *d, float *ds, int32_t *isum, int32_t *isum16)
{
    float32x4_t v[8];
    uint32x4_t top = vdupq_n_u32(0); /* of |x|: as integers, so that a NaN is the largest */
    for (int i = 0; i < 8; i++) {
        v[i] = vld1q_f32(x + 4 * i);
        top = vmaxq_u32(top, vreinterpretq_u32_f32(vabsq_f32(v[i])));
    }
    const uint32_t bits = vmaxvq_u32(top);
    float amax;
    memcpy(&amax, &bits, sizeof amax);
    if (!(amax >= 0x1p-100f && amax < INFINITY)) {
        memset(q, 0, 32);
        *d = amax < 1 ? 0.0f : NAN;
        *ds = *d * 0.0f;
        *isum = isum16[0] = isum16[1] = 0;
        return;
    }
    const float32x4_t inv = vdupq_n_f32(127.0f / amax);
    for (int h = 0; h < 2; h++) {
        int16x4_t s[4];
        for (int i = 0; i < 4; i++) /* nearest even */
            s[i] = vmovn_s32(vcvtnq_s32_f32(vmulq_f32(v[4 * h + i], inv)));
        const int8x16_t b =
            vcombine_s8(vmovn_s16(vcombine_s16(s[0], s[1])), vmovn_s16(vcombine_s16(s[2], s[3])));
        vst1q_s8(q + 16 * h, b);
        isum16[h] = vaddlvq_s8(b);
    }
    *isum = isum16[0] + isum16[1];
    *d = amax / 127.0f;
    *ds = *d * (float)*isum;
}

void oa__quantize_neon(const oa__acts *out, const float *x, size_t x_stride, size_t n_tokens)
{
    const size_t nb = out->k / 32;
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t b = 0; b < nb; b++) {
            const size_t i = t * nb + b;
            block(x + t * x_stride + 32 * b, out->q + 32 * i, out->d + i, out->ds + i,
                  out->isum + i, out->isum16 + 2 * i);
        }
}
