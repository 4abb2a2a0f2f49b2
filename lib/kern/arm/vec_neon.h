/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen floats as four NEON registers, for the bodies that all tiers share. */
#ifndef OA_KERN_ARM_VEC_NEON_H
#define OA_KERN_ARM_VEC_NEON_H

#include <arm_neon.h>

#include "kern/actf.h"
#include "kern/arm/arm.h"

#define OA__TIER(name) name##_neon
#define OA__TILE static inline __attribute__((always_inline))

typedef struct v16 {
    float32x4_t v[4];
} v16;

#define V16_EACH(expression)                                                                       \
    v16 out;                                                                                       \
    for (int i = 0; i < 4; i++)                                                                    \
        out.v[i] = expression;                                                                     \
    return out

OA__TILE v16 v16_set1(float x)
{
    V16_EACH(vdupq_n_f32(x));
}

OA__TILE v16 v16_load(const float *p)
{
    V16_EACH(vld1q_f32(p + 4 * i));
}

OA__TILE void v16_store(float *p, v16 x)
{
    for (int i = 0; i < 4; i++)
        vst1q_f32(p + 4 * i, x.v[i]);
}

/* The first n < 16 elements; the others are +0. */
static inline v16 v16_load_n(const float *p, size_t n)
{
    float x[16] = {0};
    memcpy(x, p, n * sizeof *p);
    return v16_load(x);
}

static inline void v16_store_n(float *p, v16 x, size_t n)
{
    float y[16];
    v16_store(y, x);
    memcpy(p, y, n * sizeof *p);
}

/* x in the lanes from `skip` to n, `other` in the rest. */
static inline v16 v16_between(v16 x, v16 other, size_t skip, size_t n)
{
    static const uint32_t lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const uint32x4_t from = vdupq_n_u32((uint32_t)skip), to = vdupq_n_u32((uint32_t)n);
    v16 out;
    for (int i = 0; i < 4; i++) {
        const uint32x4_t lane = vld1q_u32(lanes + 4 * i);
        out.v[i] =
            vbslq_f32(vandq_u32(vcgeq_u32(lane, from), vcltq_u32(lane, to)), x.v[i], other.v[i]);
    }
    return out;
}

/* x in the first n lanes, `other` in the rest. */
static inline v16 v16_first(v16 x, v16 other, size_t n)
{
    return v16_between(x, other, 0, n);
}

OA__TILE float32x4_t oa__load_half4(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

OA__TILE v16 v16_load_half(const uint16_t *p)
{
    V16_EACH(oa__load_half4(p + 4 * i));
}

OA__TILE v16 v16_load_int8(const int8_t *p)
{
    const int8x16_t q = vld1q_s8(p);
    const int16x8_t lo = vmovl_s8(vget_low_s8(q)), hi = vmovl_s8(vget_high_s8(q));
    return (v16){
        {vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(lo))),
         vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(hi)))}};
}

OA__TILE v16 v16_add(v16 x, v16 y)
{
    V16_EACH(vaddq_f32(x.v[i], y.v[i]));
}

OA__TILE v16 v16_sub(v16 x, v16 y)
{
    V16_EACH(vsubq_f32(x.v[i], y.v[i]));
}

OA__TILE v16 v16_mul(v16 x, v16 y)
{
    V16_EACH(vmulq_f32(x.v[i], y.v[i]));
}

OA__TILE v16 v16_div(v16 x, v16 y)
{
    V16_EACH(vdivq_f32(x.v[i], y.v[i]));
}

/* x > y ? x : y, so y when either is NaN; the processor's own maximum says NaN. */
OA__TILE float32x4_t oa__max4(float32x4_t x, float32x4_t y)
{
    return vbslq_f32(vcgtq_f32(x, y), x, y);
}

OA__TILE float32x4_t oa__min4(float32x4_t x, float32x4_t y)
{
    return vbslq_f32(vcltq_f32(x, y), x, y);
}

OA__TILE v16 v16_max(v16 x, v16 y)
{
    V16_EACH(oa__max4(x.v[i], y.v[i]));
}

OA__TILE v16 v16_min(v16 x, v16 y)
{
    V16_EACH(oa__min4(x.v[i], y.v[i]));
}

OA__TILE v16 v16_abs(v16 x)
{
    V16_EACH(vabsq_f32(x.v[i]));
}

OA__TILE v16 v16_fma(v16 x, v16 y, v16 z)
{
    V16_EACH(vfmaq_f32(z.v[i], x.v[i], y.v[i]));
}

OA__TILE v16 v16_neg(v16 x)
{
    V16_EACH(vnegq_f32(x.v[i]));
}

/* The tree 8-4-2-1. */
static inline float v16_sum(v16 x)
{
    const float32x4_t s = vaddq_f32(vaddq_f32(x.v[0], x.v[2]), vaddq_f32(x.v[1], x.v[3]));
    const float32x2_t h = vadd_f32(vget_low_f32(s), vget_high_f32(s));
    return vget_lane_f32(h, 0) + vget_lane_f32(h, 1);
}

/* The largest lane that is a number; NaN when there is none. */
static inline float v16_top(v16 x)
{
    return vmaxnmvq_f32(vmaxnmq_f32(vmaxnmq_f32(x.v[0], x.v[2]), vmaxnmq_f32(x.v[1], x.v[3])));
}

/* What exp and tanh share, as in oa__expf: t and q of x, q without its last sum. */
OA__TILE float32x4_t oa__exp_poly4(float32x4_t x, float32x4_t *t)
{
    const float32x4_t magic = vdupq_n_f32(OA__EXP_MAGIC);
    *t = vfmaq_f32(magic, x, vdupq_n_f32(OA__EXP_LOG2E));
    const float32x4_t fn = vsubq_f32(*t, magic);
    float32x4_t r = vfmsq_f32(x, fn, vdupq_n_f32(OA__EXP_LN2_HI));
    r = vfmsq_f32(r, fn, vdupq_n_f32(OA__EXP_LN2_LO));
    float32x4_t q = vfmaq_f32(vdupq_n_f32(OA__EXP_Q3), vdupq_n_f32(OA__EXP_Q4), r);
    q = vfmaq_f32(vdupq_n_f32(OA__EXP_Q2), q, r);
    q = vfmaq_f32(vdupq_n_f32(OA__EXP_Q1), q, r);
    q = vfmaq_f32(vdupq_n_f32(OA__EXP_Q0), q, r);
    return vfmaq_f32(r, q, vmulq_f32(r, r));
}

/* 2^n */
OA__TILE float32x4_t oa__pow2_4(int32x4_t n)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

OA__TILE float32x4_t oa__exp4(float32x4_t x)
{
    float32x4_t t;
    x = oa__min4(vdupq_n_f32(OA__EXP_HI), oa__max4(vdupq_n_f32(OA__EXP_LO), x));
    const float32x4_t q = vaddq_f32(oa__exp_poly4(x, &t), vdupq_n_f32(1.0f));
    const int32x4_t n = vsubq_s32(vreinterpretq_s32_f32(t), vdupq_n_s32(OA__EXP_MAGIC_BITS));
    const int32x4_t half = vshrq_n_s32(n, 1);
    return vmulq_f32(vmulq_f32(q, oa__pow2_4(half)), oa__pow2_4(vsubq_s32(n, half)));
}

OA__TILE v16 v16_exp(v16 x)
{
    V16_EACH(oa__exp4(x.v[i]));
}

/* As oa__tanhf. */
OA__TILE float32x4_t oa__tanh4(float32x4_t x)
{
    float32x4_t t;
    x = oa__max4(vdupq_n_f32(-OA__TANH_END), vaddq_f32(x, x));
    x = oa__min4(vdupq_n_f32(OA__TANH_END), x);
    const float32x4_t p = oa__exp_poly4(x, &t);
    const float32x4_t two_n =
        oa__pow2_4(vsubq_s32(vreinterpretq_s32_f32(t), vdupq_n_s32(OA__EXP_MAGIC_BITS)));
    const float32x4_t e = vfmaq_f32(vsubq_f32(two_n, vdupq_n_f32(1.0f)), two_n, p);
    return vdivq_f32(e, vaddq_f32(e, vdupq_n_f32(2.0f)));
}

OA__TILE v16 v16_tanh(v16 x)
{
    V16_EACH(oa__tanh4(x.v[i]));
}

#endif
