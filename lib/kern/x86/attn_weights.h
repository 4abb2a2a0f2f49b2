/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From scores to weights, included by attn_body.h: the running maximum and sum of many queries at
 * a time. Eight queries share the steps that go across lanes, sixteen those that have one number
 * per query; each number goes through the operations of kern/attn.c.
 */
#include "kern/x86/x86.h"

#define EXP_MID (-80.0f) /* from here to 0 v16_exp_mid() will do */

/* Rows of two queries by halves of four lanes: the lower ones of x and y, the upper ones. */
#define LOWER4(x, y) _mm256_permute2f128_ps(x, y, 0x20)
#define UPPER4(x, y) _mm256_permute2f128_ps(x, y, 0x31)

/* Lane t: lanes i and i + 4 of x[t], then i and i + 2, then i and i + 1. OP is commutative. */
#define ACROSS8(OP, x)                                                                             \
    __m256 f[4];                                                                                   \
    for (int t = 0; t < 4; t++) /* queries t and t + 4 */                                          \
        f[t] = OP(LOWER4(x[t], x[t + 4]), UPPER4(x[t], x[t + 4]));                                 \
    for (int t = 0; t < 4; t += 2)                                                                 \
        f[t] =                                                                                     \
            OP(_mm256_shuffle_ps(f[t], f[t + 1], 0x44), _mm256_shuffle_ps(f[t], f[t + 1], 0xee));  \
    return OP(_mm256_shuffle_ps(f[0], f[2], 0x88), _mm256_shuffle_ps(f[0], f[2], 0xdd))

static inline __m256 sum8(const __m256 x[8])
{
    ACROSS8(_mm256_add_ps, x);
}

static inline __m256 top8(const __m256 x[8])
{
    ACROSS8(_mm256_max_ps, x);
}

/* x in the lanes from `skip` to n, `other` in the rest; of sixteen from `first` on. */
OA__TILE v16 seen16(v16 x, v16 other, size_t first, size_t skip, size_t n)
{
    n = n > first ? (n - first < 16 ? n - first : 16) : 0;
    x = v16_first(x, other, n);
    if (skip <= first) return x;
    return v16_first(other, x, skip - first < 16 ? skip - first : 16);
}

/* Scores as they count: capped, -inf where a query does not look. */
static inline void mask_scores(float *s, size_t skip, size_t n, float softcap)
{
    const v16 low = v16_set1(-INFINITY);
    v16 s0 = v16_load(s), s1 = v16_load(s + 16);
    if (softcap != 0) {
        const v16 cap = v16_set1(softcap);
        s0 = v16_mul(cap, v16_tanh(v16_div(s0, cap)));
        s1 = v16_mul(cap, v16_tanh(v16_div(s1, cap)));
    }
    v16_store(s, seen16(s0, low, 0, skip, n));
    v16_store(s + 16, seen16(s1, low, 16, skip, n));
}

static inline size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* s (n_q, 32) to weights, ml to what it is with them; c (n_q) gets the factors for what was there
 * before; it has room for BATCH. */
static void to_weights(float *s, float *c, float *ml, size_t n_q, const uint32_t *n_skip,
                       const uint32_t *n_valid, float softcap)
{
    _Alignas(64) float top[BATCH], before[BATCH], sum[BATCH];
    bool all = softcap == 0;
    for (size_t t = 0; t < n_q; t++)
        all = all && n_valid[t] == OA__KV_PAGE && n_skip[t] == 0;
    for (size_t t = 0; t < n_q && !all; t++)
        mask_scores(s + 32 * t, n_skip[t], n_valid[t], softcap);

    for (size_t t = 0; t < n_q; t += 8) {
        __m256 m[8];
        for (size_t i = 0; i < 8; i++) {
            const float *row = s + 32 * (t + i);
            m[i] = t + i >= n_q ? _mm256_setzero_ps()
                                : v16_fold_max(v16_max(v16_load(row), v16_load(row + 16)));
        }
        _mm256_storeu_ps(top + t, top8(m));
    }
    for (size_t t = 0; t < round_up(n_q, 16); t++)
        before[t] = t < n_q ? ml[2 * t] : 0;
    for (size_t t = round_up(n_q, 8); t < round_up(n_q, 16); t++)
        top[t] = 0;
    for (size_t t = 0; t < n_q; t += 16) {
        const v16 b = v16_load(before + t), m = v16_add(v16_max(v16_load(top + t), b), v16_set1(0));
        v16_store(top + t, m);
        /* -inf less -inf is no number: as if at the end of exp, 0 */
        v16_store(c + t, v16_exp(v16_max(v16_sub(b, m), v16_set1(OA__EXP_LO))));
    }
    for (size_t t = 0; t < n_q; t += 8) {
        __m256 p[8];
        for (size_t i = 0; i < 8; i++) {
            float *row = s + 32 * (t + i);
            if (t + i >= n_q) {
                p[i] = _mm256_setzero_ps();
                continue;
            }
            const v16 m = v16_set1(top[t + i]);
            v16 p0 = v16_sub(v16_load(row), m), p1 = v16_sub(v16_load(row + 16), m);
            if (v16_all_ge(p0, EXP_MID) && v16_all_ge(p1, EXP_MID)) {
                p0 = v16_exp_mid(p0);
                p1 = v16_exp_mid(p1);
            } else {
                p0 = v16_exp(p0);
                p1 = v16_exp(p1);
                if (!all) {
                    p0 = seen16(p0, v16_set1(0), 0, n_skip[t + i], n_valid[t + i]);
                    p1 = seen16(p1, v16_set1(0), 16, n_skip[t + i], n_valid[t + i]);
                }
            }
            v16_store(row, p0);
            v16_store(row + 16, p1);
            p[i] = v16_fold_add(v16_add(p0, p1));
        }
        _mm256_storeu_ps(sum + t, sum8(p));
    }
    for (size_t t = 0; t < n_q; t++) {
        ml[2 * t] = top[t];
        ml[2 * t + 1] = fmaf(ml[2 * t + 1], c[t], sum[t]);
    }
}
