/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps over one vector, in sixteens: the body of elem_*.c. Included after a vec_*.h, which says
 * what v16 is and how the functions are called (OA__TIER). Orders in kern.h.
 */
#include "kern/x86/x86.h"

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

/* The AVX2 registers serve all x86 tiers here. */

static void rope_neox(float *x, const float *cs, size_t half)
{
    size_t i = 0;
    for (; i + 8 <= half; i += 8) {
        /* cos and sin of eight pairs, apart: shuffle takes them per half, the permute orders */
        const __m256 p = _mm256_loadu_ps(cs + 2 * i), q = _mm256_loadu_ps(cs + 2 * i + 8);
        const __m256 c = _mm256_castpd_ps(
            _mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(p, q, 0x88)), 0xd8));
        const __m256 s = _mm256_castpd_ps(
            _mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(p, q, 0xdd)), 0xd8));
        const __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + half + i);
        _mm256_storeu_ps(x + i, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(x + half + i, _mm256_fmadd_ps(a, s, _mm256_mul_ps(b, c)));
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
        /* even lanes: fmaf(a, c, -(b s)); odd lanes: fmaf(a, s, b c) */
        const __m256 v = _mm256_loadu_ps(x + 2 * i), t = _mm256_loadu_ps(cs + 2 * i);
        const __m256 a = _mm256_moveldup_ps(v), b = _mm256_movehdup_ps(v);
        const __m256 sc = _mm256_permute_ps(t, 0xb1);
        _mm256_storeu_ps(x + 2 * i, _mm256_fmaddsub_ps(a, t, _mm256_mul_ps(b, sc)));
    }
    for (; i < half; i++) {
        const float a = x[2 * i], b = x[2 * i + 1], c = cs[2 * i], s = cs[2 * i + 1];
        x[2 * i] = fmaf(a, c, -(b * s));
        x[2 * i + 1] = fmaf(a, s, b * c);
    }
}

void OA__TIER(oa__rope)(float *x, const float *cs, size_t n_heads, size_t d_head, size_t d_rot,
                        bool neox)
{
    for (size_t h = 0; h < n_heads; h++, x += d_head)
        if (neox)
            rope_neox(x, cs, d_rot / 2);
        else
            rope_pairs(x, cs, d_rot / 2);
}
