/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of 256: sub-blocks with small integer scales (and mins) that share f16 factors.
 *
 *   1. fit every sub-block on its own
 *   2. fit the common factors to the sub-blocks' scales, each weighted by what it moves
 *   3. per sub-block, try the sixteen integer scales (or 4 x 4 scales and mins) around its own, by
 *      the error that the elements really get
 *   4. solve the common factors again for the levels found, round them, and repeat 3; the better of
 *      both passes stays
 */
#include "tensor/quant_priv.h"

#include <math.h>
#include <string.h>

#define LANES OA__QUANT_LANES

/* sub: elements per sub-block; lo..hi: levels; sc_lo..sc_hi: stored scales as numbers. */
typedef struct k_shape {
    uint32_t type;
    size_t sub;
    oa__quant_levels v;
    float sc_lo, sc_hi;
    bool has_min;
    size_t n_tries; /* candidates of step 3 */
} k_shape;

typedef struct k_state {
    const k_shape *k;
    const oa__quant_search *s;
    const float *x, *w;
    float sc[16], m[16]; /* integers */
    float d, dmin;
    float err;
    uint8_t q[256];
} k_state;

static float clampf(float v, float lo, float hi)
{
    v = v > lo ? v : lo;
    return v < hi ? v : hi;
}

static float nearest(float v)
{
    return (v + 0x1.8p23f) - 0x1.8p23f;
}

static bool to_half(float f, float *out)
{
    const uint16_t h = oa__f32_to_f16(f);
    *out = oa__f16_to_f32(h);
    return (h & 0x7fff) < 0x7c00;
}

/* Step 3 for one sub-block around the scale a (and min b): the best lane. */
static float search_sub(k_state *t, size_t j, float a, float b)
{
    const k_shape *k = t->k;
    const float back = (float)(k->n_tries / 2 - 1);
    float sc[LANES], mi[LANES], d[LANES], m[LANES], inv[LANES], err[LANES];
    for (size_t c = 0; c < LANES; c++) {
        sc[c] =
            clampf(a + (k->has_min ? (float)(c % 4) - 1.0f : (float)c - back), k->sc_lo, k->sc_hi);
        mi[c] = k->has_min ? clampf(b + (float)(c / 4) - 1.0f, k->sc_lo, k->sc_hi) : 0.0f;
    }
    for (size_t c = 0; c < LANES; c++) {
        d[c] = t->d * sc[c];
        m[c] = -(t->dmin * mi[c]);
        err[c] = INFINITY;
        inv[c] = 1.0f / d[c]; /* of d 0 infinite: then any level is as good */
    }
    t->s->errs(&k->v, t->x + j * k->sub, t->w + j * k->sub, k->sub, k->n_tries, inv, d, m, err);
    const size_t best = oa__quant_least(err);
    t->sc[j] = sc[best];
    t->m[j] = mi[best];
    oa__quant_assign(&k->v, t->x + j * k->sub, k->sub, d[best], m[best], t->q + j * k->sub);
    return err[best];
}

/* Step 4: least squares for d and dmin over the whole block. */
static bool solve(k_state *t)
{
    const k_shape *k = t->k;
    float aa = 0.0f, ab = 0.0f, bb = 0.0f, ax = 0.0f, bx = 0.0f;
    for (size_t j = 0; j < 256 / k->sub; j++) {
        float q = 0.0f, qq = 0.0f, qx = 0.0f, sx = 0.0f, sw = 0.0f;
        for (size_t i = j * k->sub; i < (j + 1) * k->sub; i++) {
            const float l = k->v.code ? k->v.code[t->q[i]] : (float)t->q[i] + k->v.lo;
            const float wl = t->w[i] * l;
            q += wl;
            qq += wl * l;
            qx += wl * t->x[i];
            sx += t->w[i] * t->x[i];
            sw += t->w[i];
        }
        aa += t->sc[j] * t->sc[j] * qq;
        ab -= t->sc[j] * t->m[j] * q;
        bb += t->m[j] * t->m[j] * sw;
        ax += t->sc[j] * qx;
        bx -= t->m[j] * sx;
    }
    const float det = aa * bb - ab * ab;
    float d = t->d, dmin = t->dmin;
    if (k->has_min && det > 1e-6f * aa * bb) {
        d = (ax * bb - bx * ab) / det;
        dmin = (aa * bx - ab * ax) / det;
        if (!(d > 0.0f) || !(dmin >= 0.0f)) return false;
    } else if (aa > 0.0f) {
        d = (ax - ab * dmin) / aa;
    }
    return to_half(d, &t->d) && to_half(dmin, &t->dmin);
}

/* Steps 1 and 2: first factors, and integers into sc and m. */
static bool begin(k_state *t)
{
    const k_shape *k = t->k;
    const size_t n = 256 / k->sub;
    const oa__quant_levels ints = {k->sc_lo, k->sc_hi, NULL, NULL};
    float scale[16], scale_w[16], min[16], min_w[16];
    for (size_t j = 0; j < n; j++) {
        const float *x = t->x + j * k->sub, *w = t->w + j * k->sub;
        const oa__quant_fit fit = k->has_min ? oa__quant_fit_min(t->s, &k->v, x, w, k->sub)
                                             : oa__quant_fit_scale(t->s, &k->v, x, w, k->sub);
        scale[j] = fit.d;
        scale_w[j] = k->has_min ? 1.0f : fit.weight;
        min[j] = -fit.m;
        min_w[j] = fit.weight;
    }
    const oa__quant_fit d = oa__quant_fit_scale(t->s, &ints, scale, scale_w, n);
    const oa__quant_fit dmin = k->has_min ? oa__quant_fit_scale(t->s, &ints, min, min_w, n) : d;
    if (!to_half(d.d, &t->d) || !to_half(k->has_min ? dmin.d : 0.0f, &t->dmin)) return false;
    for (size_t j = 0; j < n; j++) {
        t->sc[j] = t->d != 0.0f ? clampf(nearest(scale[j] / t->d), k->sc_lo, k->sc_hi) : 0.0f;
        t->m[j] = t->dmin != 0.0f ? clampf(nearest(min[j] / t->dmin), k->sc_lo, k->sc_hi) : 0.0f;
    }
    return true;
}

static void pass(k_state *t)
{
    t->err = 0.0f;
    for (size_t j = 0; j < 256 / t->k->sub; j++)
        t->err += search_sub(t, j, t->sc[j], t->m[j]);
}

static const k_shape shapes[] = {
    {OA__Q2_K, 16, {0, 3, NULL, NULL}, 0, 15, true, 16},
    {OA__Q3_K, 16, {-4, 3, NULL, NULL}, -32, 31, false, 8},
    {OA__Q4_K, 32, {0, 15, NULL, NULL}, 0, 63, true, 16},
    {OA__Q5_K, 32, {0, 31, NULL, NULL}, 0, 63, true, 16},
    {OA__Q6_K, 16, {-32, 31, NULL, NULL}, -128, 127, false, 16},
    {OA__IQ4_XS, 32, {0, 0, NULL, NULL}, -32, 31, false, 8},
};

bool oa__quant_block256(const oa__quant_search *s, uint32_t type, const float *x, const float *w,
                        uint8_t *out)
{
    k_shape k = shapes[0];
    for (size_t i = 0; i < OA__ARRAY_LEN(shapes); i++)
        if (shapes[i].type == type) k = shapes[i];
    if (type == OA__IQ4_XS) k.v = oa__quant_iq4;

    k_state t = {.k = &k, .s = s, .x = x, .w = w};
    if (!begin(&t)) return false;
    pass(&t);
    k_state u = t;
    if (solve(&u)) {
        pass(&u);
        if (u.err < t.err) t = u;
    }

    uint8_t sc[16], m[16];
    const float offset = type == OA__Q3_K || type == OA__IQ4_XS ? 32.0f : 0.0f;
    for (size_t j = 0; j < 256 / k.sub; j++) {
        sc[j] = (uint8_t)(int)(t.sc[j] + offset); /* of Q6_K: two's complement */
        m[j] = (uint8_t)(int)t.m[j];
    }
    oa__quant_pack_k(type, t.q, sc, m, oa__f32_to_f16(t.d), oa__f32_to_f16(t.dmin), out);
    return true;
}
