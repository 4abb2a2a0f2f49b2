/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/arm/vec_neon.h"

#include "kern/act_body.h"
#include "kern/elem_body.h"

static void rope_neox(float *x, const float *cs, size_t half)
{
    size_t i = 0;
    for (; i + 4 <= half; i += 4) {
        const float32x4x2_t t = vld2q_f32(cs + 2 * i); /* cos and sin, apart */
        const float32x4_t a = vld1q_f32(x + i), b = vld1q_f32(x + half + i);
        vst1q_f32(x + i, vfmaq_f32(vnegq_f32(vmulq_f32(b, t.val[1])), a, t.val[0]));
        vst1q_f32(x + half + i, vfmaq_f32(vmulq_f32(b, t.val[0]), a, t.val[1]));
    }
    for (; i < half; i++) {
        const float a = x[i], b = x[i + half], c = cs[2 * i], s = cs[2 * i + 1];
        x[i] = fmaf(a, c, -(b * s));
        x[i + half] = fmaf(a, s, b * c);
    }
}

static void rope_pairs(float *x, const float *cs, size_t half)
{
    size_t i = 0;
    for (; i + 4 <= half; i += 4) {
        const float32x4x2_t t = vld2q_f32(cs + 2 * i);
        float32x4x2_t v = vld2q_f32(x + 2 * i);
        const float32x4_t a = v.val[0], b = v.val[1];
        v.val[0] = vfmaq_f32(vnegq_f32(vmulq_f32(b, t.val[1])), a, t.val[0]);
        v.val[1] = vfmaq_f32(vmulq_f32(b, t.val[0]), a, t.val[1]);
        vst2q_f32(x + 2 * i, v);
    }
    for (; i < half; i++) {
        const float a = x[2 * i], b = x[2 * i + 1], c = cs[2 * i], s = cs[2 * i + 1];
        x[2 * i] = fmaf(a, c, -(b * s));
        x[2 * i + 1] = fmaf(a, s, b * c);
    }
}

void oa__rope_neon(float *x, const float *cs, size_t n_heads, size_t d_head, size_t d_rot,
                   bool neox)
{
    for (size_t h = 0; h < n_heads; h++, x += d_head)
        if (neox)
            rope_neox(x, cs, d_rot / 2);
        else
            rope_pairs(x, cs, d_rot / 2);
}
