/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Q4_0, Q4_1, Q5_0, Q5_1 for the registers of the file that includes this: LEN blocks beside each
 * other, one in each lane, so that nothing is summed across lanes and the scalars of a block cost
 * an eighth. Elements pass by in ascending order: the bits do not depend on LEN.
 *
 * Some first scales (with a minimum: some pairs of ends) get the nearest levels, whose best scale
 * is a least-squares solution; the one that leaves the least error wins, the first of equals. Its
 * scale gets new levels and these the scale that is written.
 */
#ifndef OA_TENSOR_QUANT_BESIDE_H
#define OA_TENSOR_QUANT_BESIDE_H

#include <string.h>

#include "tensor/quant_search.h"
#include "tensor/quant_simd.h"

#define TINY 0x1p-40f /* below it f16 scales are zero whatever the levels */

typedef struct beside {
    float x[32][LEN], w[32][LEN];
    uint32_t q[32][LEN]; /* levels, from 0 */
    uint16_t d[LEN], m[LEN];
} beside;

/* Sums over the levels of one first scale; wx and ww do not depend on it. */
typedef struct beside_sums {
    lane q, qq, qx;
} beside_sums;

static inline void sums_begin(beside_sums *s)
{
    s->q = s->qq = s->qx = SET(0.0f);
}

static inline void sums_add(beside_sums *s, lane x, lane w, lane l, const bool weighted,
                            const bool min)
{
    const lane a = weighted ? MUL(w, l) : l;
    if (min) s->q = ADD(s->q, a);
    s->qq = ADD(s->qq, MUL(a, l));
    s->qx = ADD(s->qx, MUL(a, x));
}

static inline lane level_of(lane t, float lo, float hi)
{
    return ROUND(CLAMP(t, SET(lo), SET(hi)));
}

/* Levels of x for the scales d (and minima m) that are written. */
static inline void take_levels(beside *b, lane d, lane m, float lo, float hi, const bool min)
{
    const lane inv = PICK(MUL(d, d), SET(0.0f), DIV(SET(1.0f), d), SET(0.0f));
    for (size_t i = 0; i < 32; i++) {
        const lane x = LOAD(b->x[i]), l = level_of(MUL(min ? SUB(x, m) : x, inv), lo, hi);
        STORE_INT(b->q[i], TO_INT(SUB(l, SET(lo))));
    }
}

/* How far beyond the outermost level the largest element begins, in levels; the first ones let it
 * meet the lower end, which is the longer one. */
enum { N_LOW = 4, N_STARTS = 5 };
static const float starts[N_STARTS] = {0.0f, 0.4f, 0.8f, -0.4f, 0.0f};

static inline void fit_scale(beside *b, float lo, float hi, const bool weighted)
{
    lane least = LOAD(b->x[0]), most = least;
    for (size_t i = 1; i < 32; i++) {
        const lane x = LOAD(b->x[i]);
        least = MIN(least, x);
        most = MAX(most, x);
    }
    const lane zero = SET(0.0f), down = SUB(zero, least);
    const lane top = PICK(down, most, least, most), size = MAX(down, most);
    const lane inv = PICK(size, SET(TINY), DIV(SET(1.0f), top), zero);
    lane best = zero, d = zero, first[N_STARTS];
    beside_sums s[N_STARTS];
    for (size_t k = 0; k < N_STARTS; k++) {
        first[k] = MUL(inv, SET(k < N_LOW ? lo - starts[k] : hi + starts[k]));
        sums_begin(&s[k]);
    }
    for (size_t i = 0; i < 32; i++) {
        const lane x = LOAD(b->x[i]), w = weighted ? LOAD(b->w[i]) : zero;
        for (size_t k = 0; k < N_STARTS; k++)
            sums_add(&s[k], x, w, level_of(MUL(x, first[k]), lo, hi), weighted, false);
    }
    for (size_t k = 0; k < N_STARTS; k++) {
        /* the squared error is the sum of w x x less this */
        const lane dk = PICK(s[k].qq, zero, DIV(s[k].qx, s[k].qq), zero);
        const lane gain = MUL(dk, s[k].qx);
        d = PICK(gain, best, dk, d);
        best = MAX(gain, best);
    }
    take_levels(b, lane_half(d, b->d), zero, lo, hi, false);
}

/* Where the ends begin, in steps of the full range inwards: lower, upper. */
enum { N_PAIRS = 3 };
static const float pairs[N_PAIRS][2] = {{0.0f, 0.0f}, {0.5f, 0.0f}, {0.0f, 0.5f}};

static inline void fit_min(beside *b, float hi, const bool weighted)
{
    const lane zero = SET(0.0f);
    lane low = LOAD(b->x[0]), most = low, sum_w = zero, sum_x = zero;
    for (size_t i = 1; i < 32; i++) {
        const lane x = LOAD(b->x[i]);
        low = MIN(low, x);
        most = MAX(most, x);
    }
    /* from here on relative to the least element: sums of what is small lose less */
    for (size_t i = 0; i < 32; i++) {
        const lane x = SUB(LOAD(b->x[i]), low), w = weighted ? LOAD(b->w[i]) : zero;
        if (weighted) sum_w = ADD(sum_w, w);
        sum_x = ADD(sum_x, weighted ? MUL(w, x) : x);
    }
    if (!weighted) sum_w = SET(32.0f);
    const lane range = SUB(most, low), step = MUL(range, SET(1.0f / hi));
    const lane unit = PICK(range, SET(TINY), DIV(SET(hi), range), zero);
    lane best = zero, d = step, m = zero, q = zero, qq = zero, qx = zero;
    beside_sums s[N_PAIRS];
    lane inv[N_PAIRS], at[N_PAIRS];
    for (size_t k = 0; k < N_PAIRS; k++) {
        inv[k] = MUL(unit, SET(hi / (hi - pairs[k][0] - pairs[k][1])));
        at[k] = MUL(step, SET(pairs[k][0]));
        sums_begin(&s[k]);
    }
    for (size_t i = 0; i < 32; i++) {
        const lane x = SUB(LOAD(b->x[i]), low), w = weighted ? LOAD(b->w[i]) : zero;
        for (size_t k = 0; k < N_PAIRS; k++) {
            /* ends that have not moved need no clamp */
            lane t = MUL(pairs[k][0] > 0.0f ? SUB(x, at[k]) : x, inv[k]);
            if (pairs[k][0] > 0.0f) t = MAX(t, zero);
            if (pairs[k][1] > 0.0f) t = MIN(t, SET(hi));
            sums_add(&s[k], x, w, ROUND(t), weighted, true);
        }
    }
    for (size_t k = 0; k < N_PAIRS; k++) {
        const lane det = SUB(MUL(sum_w, s[k].qq), MUL(s[k].q, s[k].q));
        const lane cov = SUB(MUL(sum_w, s[k].qx), MUL(sum_x, s[k].q));
        const lane dk = PICK(det, zero, DIV(cov, det), zero);
        const lane mk = DIV(SUB(sum_x, MUL(dk, s[k].q)), sum_w);
        const lane gain = ADD(MUL(dk, s[k].qx), MUL(mk, sum_x));
        d = PICK(gain, best, dk, d);
        m = PICK(gain, best, mk, m);
        q = PICK(gain, best, s[k].q, q);
        qq = PICK(gain, best, s[k].qq, qq);
        qx = PICK(gain, best, s[k].qx, qx);
        best = MAX(gain, best);
    }
    /* m is rounded first, d then fitted to what is left */
    m = lane_half(ADD(low, m), b->m);
    const lane rest = DIV(SUB(qx, MUL(SUB(m, low), q)), PICK(qq, zero, qq, SET(1.0f)));
    d = PICK(rest, zero, rest, d);
    take_levels(b, lane_half(d, b->d), m, 0.0f, hi, true);
}

static inline void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)v);
    put16(p + 2, (uint16_t)(v >> 16));
}

/* Layouts in kern/unpack.h. How many of n blocks there are before one that f16 does not hold. */
static inline size_t put_blocks(const beside *b, size_t n, const bool five, const bool min,
                                uint8_t *out)
{
    uint32_t words[4][LEN], high[LEN];
    lane_int bits = ZEROS_INT();
    for (size_t k = 0; k < 4; k++) {
        lane_int word = ZEROS_INT();
        for (size_t i = 0; i < 4; i++) {
            const lane_int p = LOAD_INT(b->q[4 * k + i]), r = LOAD_INT(b->q[4 * k + i + 16]);
            const lane_int both =
                five ? OR_INT(LOW4_INT(p), SHL_INT(LOW4_INT(r), 4)) : OR_INT(p, SHL_INT(r, 4));
            word = OR_INT(word, SHL_INT(both, 8 * (int)i));
            if (!five) continue;
            bits = OR_INT(bits, SHL_INT(SHR_INT(p, 4), (int)(4 * k + i)));
            bits = OR_INT(bits, SHL_INT(SHR_INT(r, 4), (int)(4 * k + i + 16)));
        }
        STORE_INT(words[k], word);
    }
    STORE_INT(high, bits);
    for (size_t j = 0; j < n; j++) {
        if ((b->d[j] & 0x7fff) >= 0x7c00) return j;
        put16(out, b->d[j]);
        out += 2;
        if (min) {
            if ((b->m[j] & 0x7fff) >= 0x7c00) return j;
            put16(out, b->m[j]);
            out += 2;
        }
        if (five) {
            put32(out, high[j]);
            out += 4;
        }
        for (size_t k = 0; k < 4; k++, out += 4)
            put32(out, words[k][j]);
    }
    return n;
}

static inline size_t beside_run(const float *x, const float *w, size_t n_blocks, const bool five,
                                const bool min, const bool weighted, uint8_t *out)
{
    static const float zeros[32];
    const size_t size = 18 + (five ? 4 : 0) + (min ? 2 : 0);
    beside b;
    for (size_t at = 0; at < n_blocks; at += LEN) {
        const size_t n = n_blocks - at < LEN ? n_blocks - at : LEN;
        const float *from[LEN];
        for (size_t j = 0; j < LEN; j++)
            from[j] = j < n ? x + (at + j) * 32 : zeros;
        lane_gather(from, b.x);
        for (size_t j = 0; j < LEN && weighted; j++)
            from[j] = j < n ? w + (at + j) * 32 : zeros;
        if (weighted) lane_gather(from, b.w);
        if (min)
            fit_min(&b, five ? 31.0f : 15.0f, weighted);
        else
            fit_scale(&b, five ? -16.0f : -8.0f, five ? 15.0f : 7.0f, weighted);
        const size_t done = put_blocks(&b, n, five, min, out + at * size);
        if (done < n) return at + done;
    }
    return n_blocks;
}

static size_t beside_blocks(bool five, bool min, const float *x, const float *w, size_t n_blocks,
                            uint8_t *out)
{
    switch ((five ? 4 : 0) + (min ? 2 : 0) + (w ? 1 : 0)) {
    case 0:
        return beside_run(x, w, n_blocks, false, false, false, out);
    case 1:
        return beside_run(x, w, n_blocks, false, false, true, out);
    case 2:
        return beside_run(x, w, n_blocks, false, true, false, out);
    case 3:
        return beside_run(x, w, n_blocks, false, true, true, out);
    case 4:
        return beside_run(x, w, n_blocks, true, false, false, out);
    case 5:
        return beside_run(x, w, n_blocks, true, false, true, out);
    case 6:
        return beside_run(x, w, n_blocks, true, true, false, out);
    default:
        return beside_run(x, w, n_blocks, true, true, true, out);
    }
}

#endif
