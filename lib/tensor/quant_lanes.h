/* SPDX-License-Identifier: Apache-2.0 */
/* The two loops of quant_search.h for the registers of the file that includes this. */
#ifndef OA_TENSOR_QUANT_LANES_H
#define OA_TENSOR_QUANT_LANES_H

#include <string.h>

#include "tensor/quant_search.h"
#include "tensor/quant_simd.h"

static inline lane level(const oa__quant_levels *v, lane t, lane lo, lane hi)
{
    if (!v->code) return ROUND(CLAMP(t, lo, hi));
    lane l = lo;
    for (size_t k = 0; k < 15; k++)
        l = ADD(l, ABOVE(t, SET(v->mid[k]), SET(v->code[k + 1] - v->code[k])));
    return l;
}

/* Two registers of candidates at a time: as many as their sums fit into beside the rest. */
static inline void sums_pair(const oa__quant_levels *v, const float *x, const float *w, size_t n,
                             const float *inv, const float *m, oa__quant_sums *s, size_t at)
{
    const lane lo = SET(v->lo), hi = SET(v->hi), inv0 = LOAD(inv + at), inv1 = LOAD(inv + at + LEN);
    const lane m0 = LOAD(m + at), m1 = LOAD(m + at + LEN);
    lane q0 = SET(0.0f), q1 = q0, qq0 = q0, qq1 = q0, qx0 = q0, qx1 = q0;
    for (size_t i = 0; i < n; i++) {
        const lane e = SET(x[i]), f = SET(w[i]);
        const lane l0 = level(v, MUL(SUB(e, m0), inv0), lo, hi), a0 = MUL(f, l0);
        const lane l1 = level(v, MUL(SUB(e, m1), inv1), lo, hi), a1 = MUL(f, l1);
        q0 = ADD(q0, a0);
        q1 = ADD(q1, a1);
        qq0 = ADD(qq0, MUL(a0, l0));
        qq1 = ADD(qq1, MUL(a1, l1));
        qx0 = ADD(qx0, MUL(a0, e));
        qx1 = ADD(qx1, MUL(a1, e));
    }
    STORE(s->q + at, q0);
    STORE(s->q + at + LEN, q1);
    STORE(s->qq + at, qq0);
    STORE(s->qq + at + LEN, qq1);
    STORE(s->qx + at, qx0);
    STORE(s->qx + at + LEN, qx1);
}

static void lanes_sums(const oa__quant_levels *v, const float *x, const float *w, size_t n,
                       const float *inv, const float *m, oa__quant_sums *s)
{
    const oa__quant_levels ints = {v->lo, v->hi, NULL, NULL};
    for (size_t at = 0; at < OA__QUANT_LANES; at += 2 * (size_t)LEN)
        if (v->code)
            sums_pair(v, x, w, n, inv, m, s, at);
        else
            sums_pair(&ints, x, w, n, inv, m, s, at);
}

static inline void errs_regs(const oa__quant_levels *v, const float *x, const float *w, size_t n,
                             const float *inv, const float *d, const float *m, float *err,
                             size_t at, const bool two)
{
    const size_t b = two ? at + LEN : at;
    const lane lo = SET(v->lo), hi = SET(v->hi), inv0 = LOAD(inv + at), inv1 = LOAD(inv + b);
    const lane m0 = LOAD(m + at), m1 = LOAD(m + b);
    const lane d0 = LOAD(d + at), d1 = LOAD(d + b);
    lane s0 = SET(0.0f), s1 = s0;
    for (size_t i = 0; i < n; i++) {
        const lane e = SET(x[i]), f = SET(w[i]), e0 = SUB(e, m0), e1 = SUB(e, m1);
        const lane r0 = SUB(e0, MUL(d0, level(v, MUL(e0, inv0), lo, hi)));
        s0 = ADD(s0, MUL(MUL(f, r0), r0));
        if (!two) continue;
        const lane r1 = SUB(e1, MUL(d1, level(v, MUL(e1, inv1), lo, hi)));
        s1 = ADD(s1, MUL(MUL(f, r1), r1));
    }
    STORE(err + at, s0);
    if (two) STORE(err + b, s1);
}

static inline void errs_of(const oa__quant_levels *v, const float *x, const float *w, size_t n,
                           size_t n_tries, const float *inv, const float *d, const float *m,
                           float *err)
{
    size_t at = 0;
    for (; at + 2 * (size_t)LEN <= n_tries; at += 2 * (size_t)LEN)
        errs_regs(v, x, w, n, inv, d, m, err, at, true);
    for (; at < n_tries; at += LEN)
        errs_regs(v, x, w, n, inv, d, m, err, at, false);
}

static void lanes_errs(const oa__quant_levels *v, const float *x, const float *w, size_t n,
                       size_t n_tries, const float *inv, const float *d, const float *m, float *err)
{
    const oa__quant_levels ints = {v->lo, v->hi, NULL, NULL};
    if (v->code)
        errs_of(v, x, w, n, n_tries, inv, d, m, err);
    else
        errs_of(&ints, x, w, n, n_tries, inv, d, m, err);
}

/* Integers: the bits of magnitudes are in the order of their values. */
static uint32_t lanes_top(const float *x, size_t n)
{
    uint32_t top = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t a;
        memcpy(&a, x + i, sizeof a);
        a &= 0x7fffffffu;
        top = a > top ? a : top;
    }
    return top;
}

#endif
