/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention. The definition is kern/attn.c.
 *
 * Up to BATCH queries go through a page together. K and V pass through a buffer of floats, CHUNK
 * elements of K or sixteen of V at a time, so that each element is converted once per batch; two
 * queries times 32 keys, or four times 16 elements, are summed in registers.
 */
#include "kern/arm/vec_neon.h"
#include "kern/kern_c.h"

#define BATCH 16
#define CHUNK 64 /* elements of d per buffer; a multiple of 32 */
#define SCORE_TILE 2
#define VALUE_TILE 4

/* n elements of K from element i on, rows of 32 keys, as floats. */
static void floats_of_keys(float *to, const oa__attn_args *a, size_t i, size_t n)
{
    const uint16_t *half = (const uint16_t *)a->k_page + i * 32, *scale = a->k_page;
    const int8_t *q = (const int8_t *)(scale + (a->d + 31) / 32 * 32) + i * 32;
    for (size_t j = 0; j < n; j++)
        for (size_t h = 0; h < 32; h += 16) {
            const size_t e = 32 * j + h;
            v16_store(to + e, a->kv == OA__KV_F16
                                  ? v16_load_half(half + e)
                                  : v16_mul(v16_load_int8(q + e),
                                            v16_load_half(scale + (i + j) / 32 * 32 + h)));
        }
}

/* `width` elements (8 or 16) of V from element i on of the first n_keys keys; rows of 16. */
static void floats_of_values(float *to, const oa__attn_args *a, size_t i, size_t width,
                             size_t n_keys)
{
    const size_t size = a->kv == OA__KV_F32 ? 4 : a->kv == OA__KV_F16 ? 2 : 1;
    const uint16_t *scale = a->v_page;
    const char *v = a->v_page;
    if (a->kv == OA__KV_Q8) v += (a->d + 31) / 32 * 64;
    for (size_t j = 0; j < n_keys; j++, to += 16) {
        _Alignas(16) char row[64] = {0}; /* the last eight have nothing behind them */
        memcpy(row, v + (j * a->d + i) * size, width * size);
        if (a->kv == OA__KV_F32)
            v16_store(to, v16_load((const float *)(const void *)row));
        else if (a->kv == OA__KV_F16)
            v16_store(to, v16_load_half((const uint16_t *)(const void *)row));
        else
            v16_store(to, v16_mul(v16_load_int8((const int8_t *)row),
                                  v16_set1(vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(
                                                              vdup_n_u16(scale[i / 32 * 32 + j]))),
                                                          0))));
    }
}

/* s (T, 32) goes on over n elements: q (T, d), k (n, 32). */
OA__TILE void score_tile(const int T, float *s, const float *q, size_t d, const float *k, size_t n)
{
    v16 acc[SCORE_TILE][2];
    for (int t = 0; t < T; t++)
        for (int h = 0; h < 2; h++)
            acc[t][h] = v16_load(s + 32 * t + 16 * h);
    for (size_t i = 0; i < n; i++)
        for (int h = 0; h < 2; h++) {
            const v16 kh = v16_load(k + 32 * i + 16 * (size_t)h);
            for (int t = 0; t < T; t++)
                acc[t][h] = v16_fma(v16_set1(q[(size_t)t * d + i]), kh, acc[t][h]);
        }
    for (int t = 0; t < T; t++)
        for (int h = 0; h < 2; h++)
            v16_store(s + 32 * t + 16 * h, acc[t][h]);
}

static void scores(const oa__attn_args *a, float *s, const float *q, size_t n_q, float *buf)
{
    const size_t d = a->d;
    memset(s, 0, n_q * 32 * sizeof *s);
    for (size_t i = 0; i < d; i += CHUNK) {
        const size_t n = d - i < CHUNK ? d - i : CHUNK;
        const float *k = (const float *)a->k_page + i * 32;
        if (a->kv != OA__KV_F32) {
            floats_of_keys(buf, a, i, n);
            k = buf;
        }
        size_t t = 0;
        for (; t + SCORE_TILE <= n_q; t += SCORE_TILE)
            score_tile(SCORE_TILE, s + 32 * t, q + t * d + i, d, k, n);
        for (; t < n_q; t++)
            score_tile(1, s + 32 * t, q + t * d + i, d, k, n);
    }
}

/* x in the lanes from skip to n, counted from `first`; `other` in the rest. */
static inline v16 seen(v16 x, v16 other, size_t first, size_t skip, size_t n)
{
    return v16_between(x, other, skip > first ? skip - first : 0, n > first ? n - first : 0);
}

/* The scores of one query to weights; returns the factor for what was there before. */
static float to_weights(float *s, float *ml, size_t skip, size_t n, float softcap)
{
    const v16 low = v16_set1(-INFINITY), zero = v16_set1(0);
    v16 s0 = v16_load(s), s1 = v16_load(s + 16);
    if (softcap != 0) {
        const v16 cap = v16_set1(softcap);
        s0 = v16_mul(cap, v16_tanh(v16_div(s0, cap)));
        s1 = v16_mul(cap, v16_tanh(v16_div(s1, cap)));
    }
    v16 both = seen(s0, low, 0, skip, n);
    const v16 upper = seen(s1, low, 16, skip, n);
    for (int i = 0; i < 4; i++)
        both.v[i] = vmaxnmq_f32(both.v[i], upper.v[i]);
    const float top = v16_top(both), m = (top > ml[0] ? top : ml[0]) + 0.0f;
    const float c = ml[0] == -INFINITY ? 0.0f : oa__expf(ml[0] - m);
    s0 = seen(v16_exp(v16_sub(s0, v16_set1(m))), zero, 0, skip, n);
    s1 = seen(v16_exp(v16_sub(s1, v16_set1(m))), zero, 16, skip, n);
    v16_store(s, s0);
    v16_store(s + 16, s1);
    ml[1] = fmaf(ml[1], c, v16_sum(v16_add(s0, s1)));
    ml[0] = m;
    return c;
}

/* Sixteen elements (or eight) of o of T queries that see the same keys, from skip to n. */
OA__TILE void value_tile(const int T, float *o, size_t d, size_t width, const float *p,
                         const float *c, size_t skip, size_t n, const float *v)
{
    v16 acc[VALUE_TILE];
    for (int t = 0; t < T; t++) {
        const float *ot = o + (size_t)t * d;
        acc[t] = v16_mul(width < 16 ? v16_load_n(ot, width) : v16_load(ot), v16_set1(c[t]));
    }
    for (size_t j = skip; j < n; j++) {
        const v16 vj = v16_load(v + 16 * j);
        for (int t = 0; t < T; t++)
            acc[t] = v16_fma(v16_set1(p[32 * (size_t)t + j]), vj, acc[t]);
    }
    for (int t = 0; t < T; t++) {
        float *ot = o + (size_t)t * d;
        if (width < 16)
            v16_store_n(ot, acc[t], width);
        else
            v16_store(ot, acc[t]);
    }
}

/* Up to BATCH queries, all of which see at least one key. */
static void attn_batch(const oa__attn_args *a, size_t first, size_t n_q)
{
    static const uint32_t none[BATCH];
    const uint32_t *n_skip = a->n_skip ? a->n_skip + first : none, *n_valid = a->n_valid + first;
    const size_t d = a->d;
    float s[BATCH * 32], c[BATCH], buf[CHUNK * 32];
    size_t n_keys = 0;
    scores(a, s, a->q + first * d, n_q, buf);
    for (size_t t = 0; t < n_q; t++) {
        c[t] = to_weights(s + 32 * t, a->ml + 2 * (first + t), n_skip[t], n_valid[t], a->softcap);
        if (n_valid[t] > n_keys) n_keys = n_valid[t];
    }
    for (size_t i = 0, width; i < d; i += width) {
        width = d - i < 16 ? d - i : 16;
        floats_of_values(buf, a, i, width, n_keys);
        for (size_t t = 0, n; t < n_q; t += n) {
            float *o = a->o + (first + t) * d + i;
            for (n = 1; n < VALUE_TILE && t + n < n_q && n_skip[t + n] == n_skip[t] &&
                        n_valid[t + n] == n_valid[t];)
                n++;
            if (n == VALUE_TILE)
                value_tile(VALUE_TILE, o, d, width, s + 32 * t, c + t, n_skip[t], n_valid[t], buf);
            else
                for (size_t u = 0; u < n; u++)
                    value_tile(1, o + u * d, d, width, s + 32 * (t + u), c + t + u, n_skip[t],
                               n_valid[t], buf);
        }
    }
}

void oa__attn_page_neon(const oa__attn_args *a)
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

void oa__attn_end_neon(float *o, const float *ml, size_t n_q, size_t d)
{
    for (size_t t = 0; t < n_q; t++, o += d) { /* d is a multiple of 8 */
        const float32x4_t inv = vdupq_n_f32(1.0f / ml[2 * t + 1]);
        for (size_t i = 0; i < d; i += 4)
            vst1q_f32(o + i, vmulq_f32(vld1q_f32(o + i), inv));
    }
}

void oa__kv_store_neon(void *k_page, void *v_page, const float *k, const float *v, size_t d,
                       size_t slot, uint32_t kv)
{
    if (kv != OA__KV_F16) {
        oa__kv_store_c(k_page, v_page, k, v, d, slot, kv);
        return;
    }
    uint16_t *kp = (uint16_t *)k_page + slot, *vp = (uint16_t *)v_page + slot * d;
    for (size_t i = 0; i < d; i += 4) {
        uint16_t h[4];
        vst1_u16(h, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(k + i))));
        for (size_t j = 0; j < 4; j++)
            kp[(i + j) * OA__KV_PAGE] = h[j];
        vst1_u16(vp + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(v + i))));
    }
}
