/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention, the body of attn_*.c; included after a vec_*.h. The definition is kern/attn.c.
 *
 * Queries come in batches of up to BATCH, whose scores wait on the stack. Few queries read a page
 * of floats as it is; for many, and for q8, it goes through a buffer of f32 first, 64 elements of K
 * or a tile's width of V at a time, so that each element is converted once per batch.
 */
#define BATCH 48 /* queries; a multiple of 16 and of TILE */
#define DIRECT 8 /* queries that read f16 as it is */
#define CHUNK 64 /* elements of d per buffer; a multiple of 32 */

#include "kern/x86/attn_tiles.h"
#include "kern/x86/attn_weights.h"
#include "kern/x86/kv_body.h"

/* n elements of K from element i on, n rows of 32 keys, as floats. */
static void floats_of_keys(float *to, const oa__attn_args *a, size_t i, size_t n, const ahead *next)
{
    const uint16_t *half = (const uint16_t *)a->k_page + i * 32;
    if (a->kv == OA__KV_F16) {
        for (size_t j = 0; j < n; j++, half += 32, to += 32) {
            v16_store(to, v16_load_half(half));
            v16_store(to + 16, v16_load_half(half + 16));
            fetch(next, i + j);
        }
        return;
    }
    const uint16_t *scale = (const uint16_t *)a->k_page + i;
    const int8_t *q = (const int8_t *)a->k_page + (a->d + 31) / 32 * 64 + i * 32;
    v16 s0 = v16_set1(0), s1 = s0;
    for (size_t j = 0; j < n; j++, q += 32, to += 32) {
        if (j % 32 == 0) s0 = v16_load_half(scale + j), s1 = v16_load_half(scale + j + 16);
        v16_store(to, v16_mul(v16_load_int8(q), s0));
        v16_store(to + 16, v16_mul(v16_load_int8(q + 16), s1));
        fetch(next, i + j);
    }
}

/* The elements i.. of V of the first n_keys keys as floats, `width` of them, 16 of which are read
 * at a time: the last 8 with zeros behind. Of F32 only those. */
static void floats_of_values(float *to, const oa__attn_args *a, size_t i, size_t width,
                             size_t n_keys)
{
    const size_t d = a->d, n_blocks = (d + 31) / 32, size = a->kv == OA__KV_F32 ? 4 : 2;
    const char *floats = (const char *)a->v_page + i * size;
    const int8_t *q = (const int8_t *)a->v_page + n_blocks * 64 + i;
    float scale[OA__KV_PAGE];
    if (a->kv == OA__KV_Q8) {
        const uint16_t *s = (const uint16_t *)a->v_page + i / 32 * 32;
        v16_store(scale, v16_load_half(s));
        v16_store(scale + 16, v16_load_half(s + 16));
    }
    if (width < 16) {
        for (size_t j = 0; j < n_keys; j++, to += 16) {
            char tail[64] = {0};
            if (a->kv == OA__KV_Q8) {
                memcpy(tail, q + j * d, width);
                v16_store(to, v16_mul(v16_load_int8((const int8_t *)tail), v16_set1(scale[j])));
            } else {
                memcpy(tail, floats + j * d * size, width * size);
                v16_store(to, load16(tail, 0, a->kv == OA__KV_F32));
            }
        }
    } else if (a->kv == OA__KV_Q8) {
        for (size_t j = 0; j < n_keys; j++, q += d) {
            const v16 s = v16_set1(scale[j]);
            for (size_t h = 0; h < width; h += 16, to += 16)
                v16_store(to, v16_mul(v16_load_int8(q + h), s));
        }
    } else {
        for (size_t j = 0; j < n_keys; j++, floats += d * size)
            for (size_t h = 0; h < width; h += 16, to += 16)
                v16_store(to, v16_load_half((const uint16_t *)(const void *)floats + h));
    }
}

static void scores(const oa__attn_args *a, float *s, const float *q, size_t n_q, float *buf)
{
    static const ahead nothing;
    const size_t d = a->d;
    const ahead next = {a->next, a->next ? a->next_size / d : 0};
    for (size_t i = 0; i < d; i += CHUNK) {
        const size_t n = d - i < CHUNK ? d - i : CHUNK;
        const ahead part = {a->next ? next.at + i * next.step : NULL, next.step};
        if (a->kv == OA__KV_F32) {
            score_all(true, &part, i == 0, s, q + i, n_q, d, (const float *)a->k_page + i * 32, n);
        } else if (a->kv == OA__KV_F16 && n_q <= DIRECT) {
            score_all(false, &part, i == 0, s, q + i, n_q, d, (const uint16_t *)a->k_page + i * 32,
                      n);
        } else {
            floats_of_keys(buf, a, i, n, &next);
            score_all(true, &nothing, i == 0, s, q + i, n_q, d, buf, n);
        }
    }
}

/* o of 8, 16 or 32 elements, through buf. */
static void add_values(const oa__attn_args *a, values *w, float *o, size_t i, size_t width,
                       size_t n_keys, float *buf)
{
    const bool direct =
        width >= 16 && (a->kv == OA__KV_F32 || (a->kv == OA__KV_F16 && w->n_q <= DIRECT));
    const size_t d = a->d;
    float tail[BATCH * 16];
    w->v_stride = direct ? d : width < 16 ? 16 : width;
    w->o_stride = d;
    if (!direct) floats_of_values(buf, a, i, width, n_keys);
    if (width < 16) {
        w->o_stride = 16;
        for (size_t t = 0; t < w->n_q; t++)
            v16_store(tail + 16 * t, v16_load_n(o + t * d + i, width));
        value_all(1, true, tail, w, buf);
        for (size_t t = 0; t < w->n_q; t++)
            v16_store_n(o + t * d + i, v16_load(tail + 16 * t), width);
    } else if (width == 16) {
        if (!direct)
            value_all(1, true, o + i, w, buf);
        else if (a->kv == OA__KV_F32)
            value_all(1, true, o + i, w, (const float *)a->v_page + i);
        else
            value_all(1, false, o + i, w, (const uint16_t *)a->v_page + i);
    } else if (!direct) {
        value_all(2, true, o + i, w, buf);
    } else if (a->kv == OA__KV_F32) {
        value_all(2, true, o + i, w, (const float *)a->v_page + i);
    } else {
        value_all(2, false, o + i, w, (const uint16_t *)a->v_page + i);
    }
}

/* Up to BATCH queries, all of which see at least one key. */
static void attn_batch(const oa__attn_args *a, size_t first, size_t n_q)
{
    static const uint32_t none[BATCH];
    const size_t d = a->d;
    _Alignas(64) float s[BATCH * 32], c[BATCH], buf[CHUNK * 32];
    values w = {.p = s,
                .c = c,
                .n_skip = a->n_skip ? a->n_skip + first : none,
                .n_valid = a->n_valid + first,
                .n_q = n_q};
    size_t n_keys = 0;
    for (size_t t = 0; t < n_q; t++)
        if (w.n_valid[t] > n_keys) n_keys = w.n_valid[t];

    scores(a, s, a->q + first * d, n_q, buf);
    to_weights(s, c, a->ml + 2 * first, n_q, w.n_skip, w.n_valid, a->softcap);
    const size_t wide = n_q <= 3 ? 32 : 16 * OA__WIDE;
    for (size_t i = 0, width; i < d; i += width) {
        width = d - i < 16 ? d - i : d - i < wide ? 16 : wide;
        add_values(a, &w, a->o + first * d, i, width, n_keys, buf);
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
