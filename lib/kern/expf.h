/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exp for the inference path, written once for scalars; x86/vec_*.h say the same for vectors.
 *
 *   n = round(x / ln 2), r = x - n ln 2 in two steps, exp(x) = 2^n (1 + r + r^2 q(r))
 *
 * q has degree 4, fitted so that the relative error of the polynomial stays under 4e-9; with its
 * roundings the result is within 1.1 ulp (tests/kern tries every float). 2^n is applied in two
 * halves, so that the results at both ends round once: denormals come out right, everything at
 * or under -104 is +0, everything above 88.72284 is +inf, NaN stays NaN. No branches.
 */
#ifndef OA_KERN_EXPF_H
#define OA_KERN_EXPF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define OA__EXP_LO (-104.0f)
#define OA__EXP_HI 89.0f
#define OA__EXP_MAGIC 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer */
#define OA__EXP_MAGIC_BITS 0x4b400000
#define OA__EXP_LOG2E 0x1.715476p+0f
#define OA__EXP_LN2_HI 0x1.62e430p-1f
#define OA__EXP_LN2_LO (-0x1.05c610p-29f)
#define OA__EXP_Q0 0x1.fffffcp-2f
#define OA__EXP_Q1 0x1.555492p-3f
#define OA__EXP_Q2 0x1.5558f2p-5f
#define OA__EXP_Q3 0x1.123a20p-7f
#define OA__EXP_Q4 0x1.6a23cep-10f

static inline float oa__exp_pow2(int32_t n)
{
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline float oa__expf(float x)
{
    x = OA__EXP_LO > x ? OA__EXP_LO : x; /* a NaN passes both */
    x = OA__EXP_HI < x ? OA__EXP_HI : x;
    const float t = fmaf(x, OA__EXP_LOG2E, OA__EXP_MAGIC);
    const float fn = t - OA__EXP_MAGIC;
    float r = fmaf(-fn, OA__EXP_LN2_HI, x);
    r = fmaf(-fn, OA__EXP_LN2_LO, r);
    float q = fmaf(OA__EXP_Q4, r, OA__EXP_Q3);
    q = fmaf(q, r, OA__EXP_Q2);
    q = fmaf(q, r, OA__EXP_Q1);
    q = fmaf(q, r, OA__EXP_Q0);
    q = fmaf(q, r * r, r);
    q = q + 1.0f;
    if (x != x) return x;
    int32_t n;
    memcpy(&n, &t, sizeof n);
    n -= OA__EXP_MAGIC_BITS;
    const int32_t half = n >> 1;
    return (q * oa__exp_pow2(half)) * oa__exp_pow2(n - half);
}

#endif
