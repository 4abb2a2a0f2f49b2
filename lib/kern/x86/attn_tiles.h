/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles of attention, included by attn_body.h: up to six queries times OA__WIDE registers of keys
 * (scores) or of elements (values), all sums in registers. Where a chain is cut, it goes on from
 * what it was: fma by fma the order of kern/attn.c.
 */
#include "kern/x86/x86.h"

#define TILE 6 /* queries */

/* fn(T, ...) with T = n as a constant. */
#define TILE_OF(n, fn, ...)                                                                        \
    switch (n) {                                                                                   \
    case 1:                                                                                        \
        fn(1, __VA_ARGS__);                                                                        \
        break;                                                                                     \
    case 2:                                                                                        \
        fn(2, __VA_ARGS__);                                                                        \
        break;                                                                                     \
    case 3:                                                                                        \
        fn(3, __VA_ARGS__);                                                                        \
        break;                                                                                     \
    case 4:                                                                                        \
        fn(4, __VA_ARGS__);                                                                        \
        break;                                                                                     \
    case 5:                                                                                        \
        fn(5, __VA_ARGS__);                                                                        \
        break;                                                                                     \
    default:                                                                                       \
        fn(6, __VA_ARGS__);                                                                        \
    }

/* Queries of the next tile when n are left: tiles of one size, or one less. */
static inline size_t next_tile(size_t n)
{
    const size_t n_tiles = (n + TILE - 1) / TILE;
    return (n + n_tiles - 1) / n_tiles;
}

/* f32, or f16 that is converted as it is read. */
OA__TILE v16 load16(const void *p, size_t i, bool f32)
{
    return f32 ? v16_load((const float *)p + i) : v16_load_half((const uint16_t *)p + i);
}

/* What a page's reader fetches beside its work, `step` bytes for every element of a key. */
typedef struct ahead {
    const char *at;
    size_t step;
} ahead;

OA__TILE void fetch(const ahead *next, size_t i)
{
    for (size_t b = 0; b < next->step; b += 64)
        _mm_prefetch(next->at + i * next->step + b, _MM_HINT_T0);
}

/* s (T, 32) of W sixteens of keys begins, or goes on, over n elements of d: q (T, d), k (n, 32). */
OA__TILE void score_tile(const int T, const int W, const bool f32, const bool ahead_too, bool begin,
                         float *s, const float *q, size_t d, const void *k, size_t n,
                         const ahead *next)
{
    v16 acc[TILE][2];
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        OA__UNROLL
        for (int h = 0; h < W; h++)
            acc[t][h] = begin ? v16_set1(0) : v16_load(s + 32 * t + 16 * h);
    }
    for (size_t i = 0; i < n; i++) {
        if (ahead_too) fetch(next, i);
        OA__UNROLL
        for (int h = 0; h < W; h++) {
            const v16 kh = load16(k, 32 * i + 16 * (size_t)h, f32);
            OA__UNROLL
            for (int t = 0; t < T; t++)
                acc[t][h] = v16_fma(v16_set1(q[(size_t)t * d + i]), kh, acc[t][h]);
            if (W > OA__WIDE) OA__FORGET(q); /* registers are scarce */
        }
    }
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        OA__UNROLL
        for (int h = 0; h < W; h++)
            v16_store(s + 32 * t + 16 * h, acc[t][h]);
    }
}

OA__TILE void score_keys(const int T, const bool f32, const ahead *next, bool begin, float *s,
                         const float *q, size_t d, const void *k, size_t n)
{
    const size_t size = f32 ? sizeof(float) : sizeof(uint16_t);
    const int w = T <= 3 ? 2 : OA__WIDE; /* enough chains to keep the units busy */
    for (int j = 0; j < 32; j += 16 * w) {
        const char *kj = (const char *)k + (size_t)j * size;
        if (next->step > 0 && j == 0)
            score_tile(T, w, f32, true, begin, s, q, d, kj, n, next);
        else
            score_tile(T, w, f32, false, begin, s + j, q, d, kj, n, next);
    }
}

/* Scores of n_q queries; what is fetched ahead is fetched beside the first tile. */
OA__TILE void score_all(const bool f32, const ahead *next, bool begin, float *s, const float *q,
                        size_t n_q, size_t d, const void *k, size_t n)
{
    static const ahead nothing;
    for (size_t t = 0, tile; t < n_q; t += tile) {
        tile = next_tile(n_q - t);
        TILE_OF(tile, score_keys, f32, t == 0 ? next : &nothing, begin, s + 32 * t, q + t * d, d, k,
                n)
    }
}

/* What value tiles share. */
typedef struct values {
    const float *p, *c; /* (n_q, 32) weights, (n_q) factors of what was there */
    const uint32_t *n_skip, *n_valid;
    size_t n_q, o_stride, v_stride;
} values;

/* acc[t] += p V of one key. */
OA__TILE void value_key(const int W, const bool f32, v16 *acc, const values *a, size_t t,
                        const void *v, size_t j)
{
    const v16 p = v16_set1(a->p[32 * t + j]);
    OA__UNROLL
    for (int h = 0; h < W; h++)
        acc[h] = v16_fma(p, load16(v, j * a->v_stride + 16 * (size_t)h, f32), acc[h]);
}

/* W sixteens of o from query t0 on: times c, then the keys; those that all queries see together,
 * the rest query by query, so that no masked key is touched. */
OA__TILE void value_tile(const int T, const int W, const bool f32, float *o, const values *a,
                         size_t t0, const void *v)
{
    v16 acc[TILE][2];
    const size_t o_stride = a->o_stride, v_stride = a->v_stride;
    const size_t size = f32 ? sizeof(float) : sizeof(uint16_t);
    const float *p = a->p + 32 * t0;
    const uint32_t *n_skip = a->n_skip + t0, *n_valid = a->n_valid + t0;
    size_t begin = n_skip[0], common = n_valid[0];
    o += t0 * o_stride;
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        const v16 c = v16_set1(a->c[t0 + (size_t)t]);
        OA__UNROLL
        for (int h = 0; h < W; h++)
            acc[t][h] = v16_mul(v16_load(o + (size_t)t * o_stride + 16 * h), c);
        if (n_skip[t] > begin) begin = n_skip[t];
        if (n_valid[t] < common) common = n_valid[t];
    }
    if (begin > common) begin = common = OA__KV_PAGE;
    if (begin > 0) {
        OA__UNROLL
        for (int t = 0; t < T; t++)
            for (size_t j = n_skip[t]; j < begin && j < n_valid[t]; j++)
                value_key(W, f32, acc[t], a, t0 + (size_t)t, v, j);
    }
    const float *pj = p + begin, *end = p + common;
    const char *vj_at = (const char *)v + begin * v_stride * size;
    for (; pj < end; pj++, vj_at += v_stride * size) {
        const float *pt = pj;
        OA__UNROLL
        for (int h = 0; h < W; h++) {
            const v16 vh = load16(vj_at, 16 * (size_t)h, f32);
            OA__UNROLL
            for (int t = 0; t < T; t++)
                acc[t][h] = v16_fma(v16_set1(pt[32 * t]), vh, acc[t][h]);
            if (W > OA__WIDE) OA__FORGET(pt);
        }
    }
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        for (size_t j = common; j < n_valid[t]; j++)
            value_key(W, f32, acc[t], a, t0 + (size_t)t, v, j);
        OA__UNROLL
        for (int h = 0; h < W; h++)
            v16_store(o + (size_t)t * o_stride + 16 * h, acc[t][h]);
    }
}

OA__TILE void value_all(const int W, const bool f32, float *o, const values *a, const void *v)
{
    for (size_t t = 0, tile; t < a->n_q; t += tile) {
        tile = next_tile(a->n_q - t);
        TILE_OF(tile, value_tile, W, f32, o, a, t, v)
    }
}
