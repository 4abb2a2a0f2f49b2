/* SPDX-License-Identifier: Apache-2.0 */
/* Steps over one vector: rmsnorm, layernorm, add, rope. Orders in kern.h. */
#include "kern/kern_c.h"

#include <math.h>

#include "kern/actf.h"
#include "kern/sum.h"

float oa__kern_expf(float x)
{
    return oa__expf(x);
}

float oa__kern_tanhf(float x)
{
    return oa__tanhf(x);
}

void oa__rmsnorm_c(float *y, const float *x, const float *w, size_t n, float eps)
{
    float lane[16] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
    const float s = 1.0f / sqrtf(oa__sum_lanes16(lane) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] * s) * w[i];
}

void oa__layernorm_c(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    float lane[16] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % 16] += x[i];
    const float mean = oa__sum_lanes16(lane) / (float)n;
    memset(lane, 0, sizeof lane);
    for (size_t i = 0; i < n; i++) {
        const float d = x[i] - mean;
        lane[i % 16] = fmaf(d, d, lane[i % 16]);
    }
    const float s = 1.0f / sqrtf(oa__sum_lanes16(lane) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        const float t = (x[i] - mean) * s;
        y[i] = w && b ? fmaf(t, w[i], b[i]) : w ? t * w[i] : b ? t + b[i] : t;
    }
}

void oa__add_c(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

void oa__rope_c(float *x, const float *cs, size_t n_heads, size_t d_head, size_t d_rot, bool neox)
{
    const size_t half = d_rot / 2;
    for (size_t h = 0; h < n_heads; h++, x += d_head)
        for (size_t i = 0; i < half; i++) {
            float *pa = neox ? x + i : x + 2 * i;
            float *pb = neox ? x + i + half : x + 2 * i + 1;
            const float a = *pa, b = *pb, c = cs[2 * i], s = cs[2 * i + 1];
            *pa = fmaf(a, c, -(b * s));
            *pb = fmaf(a, s, b * c);
        }
}
