/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activation functions and softcap in sixteens: the body of every tier's elem_*.c, after a vec_*.h.
 * What they compute stands in kern/actf.h.
 */
#include "kern/actf.h"

OA__TILE v16 silu16(v16 g)
{
    return v16_div(g, v16_add(v16_set1(1.0f), v16_exp(v16_neg(g))));
}

OA__TILE v16 gelu16(v16 g)
{
    const v16 a = v16_min(v16_set1(OA__GELU_END), v16_abs(g)), one = v16_set1(1.0f);
    const v16 t = v16_div(one, v16_fma(v16_set1(OA__GELU_P), a, one));
    v16 c = v16_fma(v16_set1(OA__GELU_C8), t, v16_set1(OA__GELU_C7));
    c = v16_fma(c, t, v16_set1(OA__GELU_C6));
    c = v16_fma(c, t, v16_set1(OA__GELU_C5));
    c = v16_fma(c, t, v16_set1(OA__GELU_C4));
    c = v16_fma(c, t, v16_set1(OA__GELU_C3));
    c = v16_fma(c, t, v16_set1(OA__GELU_C2));
    c = v16_fma(c, t, v16_set1(OA__GELU_C1));
    c = v16_fma(c, t, v16_set1(OA__GELU_C0));
    const v16 q = v16_mul(v16_mul(c, t), v16_exp(v16_mul(v16_mul(a, a), v16_set1(-0.5f))));
    return v16_fma(v16_neg(a), q, v16_max(g, v16_set1(0)));
}

OA__TILE v16 gelu_tanh16(v16 g)
{
    const v16 k = v16_fma(v16_set1(OA__GELU_K1), v16_mul(g, g), v16_set1(OA__GELU_K0));
    return v16_div(g, v16_add(v16_set1(1.0f), v16_exp(v16_neg(v16_mul(g, k)))));
}

OA__TILE v16 relu16(v16 g)
{
    return v16_max(v16_set1(0), g); /* a NaN stays */
}

OA__TILE v16 softcap16(v16 x, v16 cap)
{
    return v16_mul(cap, v16_tanh(v16_div(x, cap)));
}

#define ACT(name)                                                                                  \
    void OA__TIER(oa__act_##name)(float *y, const float *g, const float *u, size_t n)              \
    {                                                                                              \
        const size_t r = n % 16, end = n - r;                                                      \
        for (size_t i = 0; i < end; i += 16) {                                                     \
            const v16 a = name##16(v16_load(g + i));                                               \
            v16_store(y + i, u ? v16_mul(a, v16_load(u + i)) : a);                                 \
        }                                                                                          \
        if (r) {                                                                                   \
            const v16 a = name##16(v16_load_n(g + end, r));                                        \
            v16_store_n(y + end, u ? v16_mul(a, v16_load_n(u + end, r)) : a, r);                   \
        }                                                                                          \
    }

ACT(silu)
ACT(gelu)
ACT(gelu_tanh)
ACT(relu)

void OA__TIER(oa__softcap)(float *y, float cap, size_t n)
{
    const v16 c = v16_set1(cap);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16_store(y + i, softcap16(v16_load(y + i), c));
    if (i < n) v16_store_n(y + i, softcap16(v16_load_n(y + i, n - i), c), n - i);
}
