/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps over one vector, in sixteens: the body of every tier's elem_*.c. Included after a vec_*.h,
 * which says what v16 is and how the functions are called (OA__TIER). Orders in kern.h.
 */
#include <math.h>

#include "kern/kern.h"

void OA__TIER(oa__rmsnorm)(float *y, const float *x, const float *w, size_t n, float eps)
{
    v16 sum = v16_set1(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const v16 v = v16_load(x + i);
        sum = v16_fma(v, v, sum);
    }
    if (i < n) { /* adds +0 to the lanes past the end, which are never -0 */
        const v16 v = v16_load_n(x + i, n - i);
        sum = v16_fma(v, v, sum);
    }
    const v16 s = v16_set1(1.0f / sqrtf(v16_sum(sum) / (float)n + eps));
    for (i = 0; i + 16 <= n; i += 16)
        v16_store(y + i, v16_mul(v16_mul(v16_load(x + i), s), v16_load(w + i)));
    if (i < n) {
        const size_t r = n - i;
        v16_store_n(y + i, v16_mul(v16_mul(v16_load_n(x + i, r), s), v16_load_n(w + i, r)), r);
    }
}

void OA__TIER(oa__layernorm)(float *y, const float *x, const float *w, const float *b, size_t n,
                             float eps)
{
    const size_t r = n % 16, end = n - r;
    v16 sum = v16_set1(0);
    for (size_t i = 0; i < end; i += 16)
        sum = v16_add(sum, v16_load(x + i));
    if (r) sum = v16_add(sum, v16_load_n(x + end, r));
    const v16 mean = v16_set1(v16_sum(sum) / (float)n);
    sum = v16_set1(0);
    for (size_t i = 0; i < end; i += 16) {
        const v16 d = v16_sub(v16_load(x + i), mean);
        sum = v16_fma(d, d, sum);
    }
    if (r) {
        const v16 d = v16_first(v16_sub(v16_load_n(x + end, r), mean), v16_set1(0), r);
        sum = v16_fma(d, d, sum);
    }
    const v16 s = v16_set1(1.0f / sqrtf(v16_sum(sum) / (float)n + eps));
    for (size_t i = 0; i < end; i += 16) {
        v16 t = v16_mul(v16_sub(v16_load(x + i), mean), s);
        if (w && b)
            t = v16_fma(t, v16_load(w + i), v16_load(b + i));
        else if (w)
            t = v16_mul(t, v16_load(w + i));
        else if (b)
            t = v16_add(t, v16_load(b + i));
        v16_store(y + i, t);
    }
    if (r) {
        v16 t = v16_mul(v16_sub(v16_load_n(x + end, r), mean), s);
        if (w && b)
            t = v16_fma(t, v16_load_n(w + end, r), v16_load_n(b + end, r));
        else if (w)
            t = v16_mul(t, v16_load_n(w + end, r));
        else if (b)
            t = v16_add(t, v16_load_n(b + end, r));
        v16_store_n(y + end, t, r);
    }
}

void OA__TIER(oa__scale)(float *y, float s, size_t n)
{
    const v16 vs = v16_set1(s);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16_store(y + i, v16_mul(v16_load(y + i), vs));
    if (i < n) v16_store_n(y + i, v16_mul(v16_load_n(y + i, n - i), vs), n - i);
}

void OA__TIER(oa__add)(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16_store(y + i, v16_add(v16_load(y + i), v16_load(x + i)));
    if (i < n)
        v16_store_n(y + i, v16_add(v16_load_n(y + i, n - i), v16_load_n(x + i, n - i)), n - i);
}
