/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The activation functions of one element and tanh, written once for scalars; x86/vec_*.h and
 * x86/act_body.h say the same for vectors.
 *
 *   silu       g / (1 + exp(-g))
 *   gelu       g * Phi(g), Phi the normal distribution. With a = |g| (at most 15) and
 *              t = 1 / (1 + P a): Phi(-a) = exp(-a^2 / 2) t c(t), c of degree 8, and
 *              gelu = max(g, 0) - a Phi(-a): nothing is lost on either side of 0
 *   gelu_tanh  0.5 g (1 + tanh(z)) is g / (1 + exp(-2 z)); 2 z = g (K0 + K1 g^2)
 *   relu       0 where g < 0, else g; a NaN stays
 *   tanh       with e = exp(2 x) - 1, 2 x held to [-30, 30]: e / (e + 2). e is made as exp is,
 *              but the 1 is taken off before the sum rounds: 2^n p + (2^n - 1)
 *
 * c was fitted to a relative error of 4e-8. tests/kern holds all of them to libm in double.
 */
#ifndef OA_KERN_ACTF_H
#define OA_KERN_ACTF_H

#include "kern/expf.h"
#include "kern/kern.h"

#define OA__GELU_END 15.0f
#define OA__GELU_P 0x1.666666p-2f /* 0.35 */
#define OA__GELU_C0 0x1.1df1c6p-3f
#define OA__GELU_C1 0x1.1e70c4p-3f
#define OA__GELU_C2 0x1.eac99ep-4f
#define OA__GELU_C3 0x1.b05846p-4f
#define OA__GELU_C4 (-0x1.7c541ap-6f)
#define OA__GELU_C5 0x1.464a3ep-3f
#define OA__GELU_C6 (-0x1.05fb08p-2f)
#define OA__GELU_C7 0x1.26fa0cp-3f
#define OA__GELU_C8 (-0x1.ddb9a4p-6f)
#define OA__GELU_K0 0x1.988454p+0f /* 2 sqrt(2 / pi) */
#define OA__GELU_K1 0x1.2444f2p-4f /* 0.044715 times that */
#define OA__TANH_END 30.0f

static inline float oa__siluf(float g)
{
    return g / (1.0f + oa__expf(-g));
}

static inline float oa__geluf(float g)
{
    const float a = OA__GELU_END < fabsf(g) ? OA__GELU_END : fabsf(g); /* a NaN passes */
    const float t = 1.0f / fmaf(OA__GELU_P, a, 1.0f);
    float c = fmaf(OA__GELU_C8, t, OA__GELU_C7);
    c = fmaf(c, t, OA__GELU_C6);
    c = fmaf(c, t, OA__GELU_C5);
    c = fmaf(c, t, OA__GELU_C4);
    c = fmaf(c, t, OA__GELU_C3);
    c = fmaf(c, t, OA__GELU_C2);
    c = fmaf(c, t, OA__GELU_C1);
    c = fmaf(c, t, OA__GELU_C0);
    const float q = (c * t) * oa__expf((a * a) * -0.5f);
    return fmaf(-a, q, g > 0.0f ? g : 0.0f);
}

static inline float oa__gelu_tanhf(float g)
{
    const float z = g * fmaf(OA__GELU_K1, g * g, OA__GELU_K0);
    return g / (1.0f + oa__expf(-z));
}

static inline float oa__reluf(float g)
{
    return 0.0f > g ? 0.0f : g;
}

static inline float oa__tanhf(float x)
{
    x = x + x;
    x = -OA__TANH_END > x ? -OA__TANH_END : x; /* a NaN passes both */
    x = OA__TANH_END < x ? OA__TANH_END : x;
    const float t = fmaf(x, OA__EXP_LOG2E, OA__EXP_MAGIC);
    const float fn = t - OA__EXP_MAGIC;
    float r = fmaf(-fn, OA__EXP_LN2_HI, x);
    r = fmaf(-fn, OA__EXP_LN2_LO, r);
    float p = fmaf(OA__EXP_Q4, r, OA__EXP_Q3);
    p = fmaf(p, r, OA__EXP_Q2);
    p = fmaf(p, r, OA__EXP_Q1);
    p = fmaf(p, r, OA__EXP_Q0);
    p = fmaf(p, r * r, r);
    if (x != x) return x;
    int32_t n;
    memcpy(&n, &t, sizeof n);
    const float two_n = oa__exp_pow2(n - OA__EXP_MAGIC_BITS);
    const float e = fmaf(two_n, p, two_n - 1.0f);
    return e / (e + 2.0f);
}

#endif
