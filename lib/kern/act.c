/* SPDX-License-Identifier: Apache-2.0 */
/* Activation functions, scale and softcap. Orders in kern.h and actf.h. */
#include "kern/kern_c.h"

#include "kern/actf.h"

#define ACT(name)                                                                                  \
    void oa__act_##name##_c(float *y, const float *g, const float *u, size_t n)                    \
    {                                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = u ? oa__##name##f(g[i]) * u[i] : oa__##name##f(g[i]);                           \
    }

ACT(silu)
ACT(gelu)
ACT(gelu_tanh)
ACT(relu)

void oa__scale_c(float *y, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] *= s;
}

void oa__softcap_c(float *y, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = cap * oa__tanhf(y[i] / cap);
}
