/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention, the body of attn_*.c; included after a vec_*.h. The definition is kern/attn.c.
 *
 * Queries come in batches of up to 64, whose scores wait on the stack. With few queries, f16
 * pages are converted as they are read; with many, 64 elements of K (or 64 columns of V) at a time
 * go through a float buffer first, and the chains go on where they stopped.
 *
 *   scores   few queries x 32 keys, or many x 16, in registers; one chain over d per lane
 *   values   query tile x 16 elements in registers, keys ascending; the keys that all queries of
 *            the tile see together, the rest query by query, so that no masked key is touched
 */
#include "kern/x86/x86.h"

#define BATCH 64
#define CHUNK 64 /* elements of d per float buffer */

void OA__TIER(oa__kv_store)(void *k_page, void *v_page, const float *k, const float *v, size_t d,
                            size_t slot, bool f32)
{
    if (f32) {
        float *kp = k_page;
        for (size_t i = 0; i < d; i++)
            kp[i * OA__KV_PAGE + slot] = k[i];
        memcpy((float *)v_page + slot * d, v, d * sizeof *v);
        return;
    }
    uint16_t *kp = (uint16_t *)k_page + slot, *vp = (uint16_t *)v_page + slot * d;
    size_t i = 0;
    for (; i + 8 <= d; i += 8) {
        uint16_t h[8];
        oa__store_half8(h, _mm256_loadu_ps(k + i));
        for (size_t j = 0; j < 8; j++)
            kp[(i + j) * OA__KV_PAGE] = h[j];
        oa__store_half8(vp + i, _mm256_loadu_ps(v + i));
    }
    for (; i < d; i++) {
        uint16_t h[16];
        oa__store_half8(h, _mm256_set1_ps(k[i]));
        oa__store_half8(h + 8, _mm256_set1_ps(v[i]));
        kp[i * OA__KV_PAGE] = h[0];
        vp[i] = h[8];
    }
}

OA__TILE v16 load16(const void *p, size_t i, bool f32)
{
    return f32 ? v16_load((const float *)p + i) : v16_load_half((const uint16_t *)p + i);
}

/* s (T, 32) begins, or goes on, over n elements of d: q (T, d), k (n, 32). H sixteens of keys. */
OA__TILE void score_tile(const int T, const int H, const bool f32, bool begin, float *s,
                         const float *q, size_t d, const void *k, size_t n)
{
    v16 acc[2 * OA__SCORE_TILE][2];
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        OA__UNROLL
        for (int h = 0; h < H; h++)
            acc[t][h] = begin ? v16_set1(0) : v16_load(s + 32 * t + 16 * h);
    }
    for (size_t i = 0; i < n; i++, q++) {
        OA__UNROLL
        for (int h = 0; h < H; h++) {
            const v16 kh = load16(k, 32 * i + 16 * (size_t)h, f32);
            OA__UNROLL
            for (int t = 0; t < T; t++)
                acc[t][h] = v16_fma(v16_set1(q[(size_t)t * d]), kh, acc[t][h]);
            if (H > 1) OA__FORGET(q);
        }
    }
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        OA__UNROLL
        for (int h = 0; h < H; h++)
            v16_store(s + 32 * t + 16 * h, acc[t][h]);
    }
}

OA__TILE void score_all(const bool f32, bool begin, float *s, const float *q, size_t n_q, size_t d,
                        const void *k, size_t n)
{
    enum { FEW = OA__SCORE_TILE, MANY = 2 * OA__SCORE_TILE };
    size_t t = 0;
    for (; f32 && t + MANY <= n_q; t += MANY)
        for (int h = 0; h < 2; h++)
            score_tile(MANY, 1, true, begin, s + 32 * t + 16 * h, q + t * d, d,
                       (const float *)k + 16 * h, n);
    for (; t + FEW <= n_q; t += FEW)
        score_tile(FEW, 2, f32, begin, s + 32 * t, q + t * d, d, k, n);
    for (; t < n_q; t++)
        score_tile(1, 2, f32, begin, s + 32 * t, q + t * d, d, k, n);
}

/* x in the lanes from `skip` to n, `other` in the rest; of sixteen from `first` on. */
OA__TILE v16 seen16(v16 x, v16 other, size_t first, size_t skip, size_t n)
{
    n = n > first ? (n - first < 16 ? n - first : 16) : 0;
    x = v16_first(x, other, n);
    if (skip <= first) return x;
    return v16_first(other, x, skip - first < 16 ? skip - first : 16);
}

/* One query's scores to weights; returns the factor for what was there before. */
static float softmax_step(float *s, float *ml, size_t skip, size_t n, float softcap)
{
    const v16 low = v16_set1(-INFINITY), zero = v16_set1(0);
    v16 s0 = v16_load(s), s1 = v16_load(s + 16);
    if (softcap != 0) {
        const v16 cap = v16_set1(softcap);
        s0 = v16_mul(cap, v16_tanh(v16_div(s0, cap)));
        s1 = v16_mul(cap, v16_tanh(v16_div(s1, cap)));
    }
    s0 = seen16(s0, low, 0, skip, n);
    s1 = seen16(s1, low, 16, skip, n);
    const float top = v16_top(v16_max(s0, s1));
    const float m = (top > ml[0] ? top : ml[0]) + 0.0f;
    const float c = ml[0] == -INFINITY ? 0.0f : oa__expf(ml[0] - m);
    const v16 vm = v16_set1(m);
    s0 = seen16(v16_exp(v16_sub(s0, vm)), zero, 0, skip, n);
    s1 = seen16(v16_exp(v16_sub(s1, vm)), zero, 16, skip, n);
    v16_store(s, s0);
    v16_store(s + 16, s1);
    ml[1] = fmaf(ml[1], c, v16_sum(v16_add(s0, s1)));
    ml[0] = m;
    return c;
}

/* o (T, d) of 16 elements (or the last 8): times c, then the keys. v has a stride of v_stride. */
OA__TILE void value_tile(const int T, const bool f32, float *o, size_t d, const float *p,
                         const float *c, const void *v, size_t v_stride, const uint32_t *n_skip,
                         const uint32_t *n_valid, size_t width)
{
    v16 acc[OA__VALUE_TILE];
    size_t begin = n_skip[0], common = n_valid[0];
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        float *ot = o + (size_t)t * d;
        acc[t] = v16_mul(width == 16 ? v16_load(ot) : v16_load_n(ot, width), v16_set1(c[t]));
        if (n_skip[t] > begin) begin = n_skip[t];
        if (n_valid[t] < common) common = n_valid[t];
    }
    if (begin > common) begin = common = OA__KV_PAGE;
    if (begin > 0) {
        OA__UNROLL
        for (int t = 0; t < T; t++)
            for (size_t j = n_skip[t]; j < begin && j < n_valid[t]; j++)
                acc[t] =
                    v16_fma(v16_set1(p[32 * t + (int)j]), load16(v, j * v_stride, f32), acc[t]);
    }
    for (size_t j = begin; j < common; j++) {
        const v16 vj = load16(v, j * v_stride, f32);
        OA__UNROLL
        for (int t = 0; t < T; t++)
            acc[t] = v16_fma(v16_set1(p[32 * t + (int)j]), vj, acc[t]);
    }
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        float *ot = o + (size_t)t * d;
        for (size_t j = common; j < n_valid[t]; j++)
            acc[t] = v16_fma(v16_set1(p[32 * t + (int)j]), load16(v, j * v_stride, f32), acc[t]);
        if (width == 16)
            v16_store(ot, acc[t]);
        else
            v16_store_n(ot, acc[t], width);
    }
}

OA__TILE void value_all(const bool f32, float *o, size_t n_q, size_t d, const float *p,
                        const float *c, const void *v, size_t v_stride, const uint32_t *n_skip,
                        const uint32_t *n_valid, size_t width)
{
    size_t t = 0;
    for (; t + OA__VALUE_TILE <= n_q; t += OA__VALUE_TILE)
        value_tile(OA__VALUE_TILE, f32, o + t * d, d, p + 32 * t, c + t, v, v_stride, n_skip + t,
                   n_valid + t, width);
    for (; t + 3 <= n_q; t += 3)
        value_tile(3, f32, o + t * d, d, p + 32 * t, c + t, v, v_stride, n_skip + t, n_valid + t,
                   width);
    for (; t < n_q; t++)
        value_tile(1, f32, o + t * d, d, p + 32 * t, c + t, v, v_stride, n_skip + t, n_valid + t,
                   width);
}

/* Up to BATCH queries, all of which see at least one key. */
static void attn_batch(const oa__attn_args *a, size_t first, size_t n_q)
{
    static const uint32_t none[BATCH];
    const size_t d = a->d;
    const void *k_page = a->k_page, *v_page = a->v_page;
    const uint32_t *n_valid = a->n_valid + first, *n_skip = a->n_skip ? a->n_skip + first : none;
    const float *q = a->q + first * d;
    float *o = a->o + first * d, *ml = a->ml + 2 * first;
    const bool f32 = a->f32;
    _Alignas(64) float s[BATCH * 32], c[BATCH], buf[CHUNK * 32];
    const bool convert = !f32 && n_q > OA__SCORE_TILE;
    size_t n_keys = 0;

    for (size_t i = 0; i < d; i += CHUNK) {
        const size_t n = d - i < CHUNK ? d - i : CHUNK;
        const uint16_t *half = (const uint16_t *)k_page + i * 32;
        if (f32)
            score_all(true, i == 0, s, q + i, n_q, d, (const float *)k_page + i * 32, n);
        else if (!convert)
            score_all(false, i == 0, s, q + i, n_q, d, half, n);
        else {
            for (size_t j = 0; j < n * 32; j += 16)
                v16_store(buf + j, v16_load_half(half + j));
            score_all(true, i == 0, s, q + i, n_q, d, buf, n);
        }
    }
    for (size_t t = 0; t < n_q; t++) {
        c[t] = softmax_step(s + 32 * t, ml + 2 * t, n_skip[t], n_valid[t], a->softcap);
        if (n_valid[t] > n_keys) n_keys = n_valid[t];
    }
    for (size_t i = 0; i < d; i += 16) {
        const size_t width = d - i < 16 ? d - i : 16;
        if (width == 16 && f32)
            value_all(true, o + i, n_q, d, s, c, (const float *)v_page + i, d, n_skip, n_valid, 16);
        else if (width == 16 && !convert)
            value_all(false, o + i, n_q, d, s, c, (const uint16_t *)v_page + i, d, n_skip, n_valid,
                      16);
        else { /* also the last 8, whose loads would pass the page's end */
            for (size_t j = 0; j < n_keys; j++) {
                const float *f = (const float *)v_page + j * d + i;
                const uint16_t *h = (const uint16_t *)v_page + j * d + i;
                if (width == 16)
                    v16_store(buf + 16 * j, v16_load_half(h));
                else if (f32)
                    v16_store(buf + 16 * j, v16_load_n(f, width));
                else {
                    uint16_t tail[16] = {0};
                    memcpy(tail, h, width * sizeof *h);
                    v16_store(buf + 16 * j, v16_load_half(tail));
                }
            }
            value_all(true, o + i, n_q, d, s, c, buf, 16, n_skip, n_valid, width);
        }
    }
}

void OA__TIER(oa__attn_page)(const oa__attn_args *a)
{
    size_t t = 0;
    while (t < a->n_q) {
        size_t n = 0;
        while (t + n < a->n_q && n < BATCH &&
               a->n_valid[t + n] > (a->n_skip ? a->n_skip[t + n] : 0))
            n++;
        if (n > 0) attn_batch(a, t, n);
        t += n > 0 ? n : 1;
    }
}

void OA__TIER(oa__attn_end)(float *o, const float *ml, size_t n_q, size_t d)
{
    for (size_t t = 0; t < n_q; t++, o += d) {
        const float inv = 1.0f / ml[2 * t + 1];
        size_t i = 0;
        for (; i + 16 <= d; i += 16)
            v16_store(o + i, v16_mul(v16_load(o + i), v16_set1(inv)));
        if (i < d) v16_store_n(o + i, v16_mul(v16_load_n(o + i, d - i), v16_set1(inv)), d - i);
    }
}
