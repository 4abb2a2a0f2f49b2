/* SPDX-License-Identifier: Apache-2.0 */
/* Activation functions, scale, softcap; and exp, which they are made of. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kern/kerncheck.h"

#define UNIT (FLT_EPSILON / 2.0)
#define TINY 0x1p-140 /* results near the smallest float are off by a whole one */

static const size_t lens[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 64, 100, 576, 1541};
#define N_LENS (sizeof lens / sizeof lens[0])

static char what[120];

/* exp within 1.1 ulp over the whole line: one float in 499, or all between 2^-26 and 128 of either
 * sign, where it is neither 1 nor at an end. */
static void exp_exact(check *c)
{
    double worst = 0;
    for (uint64_t i = 0; i < UINT64_C(0x100000000);) {
        const uint32_t bits = (uint32_t)i, power = bits >> 23 & 255;
        i += c->exhaustive && power >= 101 && power < 134 ? 1 : 499;
        float x;
        memcpy(&x, &bits, 4);
        const float y = oa__kern_expf(x);
        if (isnan(x)) {
            if (!isnan(y)) fail(c, "exp(NaN) is %g", (double)y);
            continue;
        }
        const double e = exp((double)x);
        if (x <= -104) {
            if (y != 0 || signbit(y)) fail(c, "exp(%g) is %g", (double)x, (double)y);
        } else if (e > FLT_MAX) {
            if (!isinf(y)) fail(c, "exp(%g) is %g", (double)x, (double)y);
        } else {
            const double ulp = ldexp(1, e < FLT_MIN ? -149 : ilogb(e) - 23);
            const double err = fabs(y - e) / ulp;
            if (err > worst) worst = err;
        }
    }
    if (worst > 1.1) fail(c, "exp is off by %.3f ulp", worst);
    if (oa__kern_expf(0) != 1) fail(c, "exp(0) is not 1");
    if (oa__kern_expf(INFINITY) != INFINITY) fail(c, "exp(inf) is not inf");
    if (oa__kern_expf(-INFINITY) != 0) fail(c, "exp(-inf) is not 0");
    if (c->k == c->c) printf("# exp: at most %.3f ulp\n", worst);
}

static const char *const act_names[OA__N_ACTS] = {"silu", "gelu", "gelu_tanh", "relu"};

static double act_exact(int act, double x)
{
    switch (act) {
    case OA__ACT_SILU:
        return x / (1 + exp(-x));
    case OA__ACT_GELU:
        return 0.5 * x * erfc(-x / sqrt(2));
    case OA__ACT_GELU_TANH:
        return x / (1 + exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
    default:
        return x > 0 ? x : 0;
    }
}

/* What an act may be off by: 3.5 units of x (an f32 erf or tanh does not do better), and where the
 * result is small against x, some of the result, more where the argument of exp is large, since
 * that rounds too. exp ends at 88.7, where results under 1e-30 become 0. */
static double act_bound(int act, double x, double y)
{
    const double r = fabs(y);
    if (act == OA__ACT_RELU) return 0;
    if (r < 1e-30) return 1e-30;
    if (act == OA__ACT_SILU) return r * 6 * UNIT;
    const double large = act == OA__ACT_GELU ? x * x : 0.4 * fabs(x * x * x);
    return fmin(fabs(x) * 3.5 * UNIT, r * (8 + large) * UNIT);
}

/* Every 4096th float as the gate: what the tier's functions do anywhere on the line. */
static void act_line(check *c, int act)
{
    enum { N = 4096 };
    buf g = buf_new(4 * N, 4), got = buf_new(4 * N, 4), want = buf_new(4 * N, 4);
    snprintf(what, sizeof what, "%s over the line", act_names[act]);
    c->what = what;
    for (uint32_t hi = 0; hi < 256 && !c->failed; hi++) {
        for (uint32_t i = 0; i < N; i++) {
            const uint32_t bits = hi << 24 | i << 12 | (uint32_t)(test_u64(&c->r) & 0xfff);
            memcpy((float *)g.p + i, &bits, 4);
        }
        c->c->act[act](want.p, g.p, NULL, N);
        c->k->act[act](got.p, g.p, NULL, N);
        same_floats(c, "y", got.p, want.p, N);
        if (c->k != c->c) continue;
        for (size_t i = 0; i < N; i++) {
            const double x = ((float *)g.p)[i], y = act_exact(act, x);
            if (isnan(x) && !isnan(((float *)got.p)[i])) fail(c, "a NaN is lost");
            if (isfinite(x) && fabs(x) > 1e-30)
                near(c, "y", i, ((float *)got.p)[i], y, act_bound(act, x, y));
        }
    }
    buf_free(&g);
    buf_free(&got);
    buf_free(&want);
}

static void act_case(check *c, int act, size_t n, int pattern, bool with_u)
{
    buf g = buf_new(4 * n, 4), u = buf_new(4 * n, 4), got = buf_new(4 * n, 4);
    buf want = buf_new(4 * n, 4);
    const float *fu = with_u ? u.p : NULL;
    snprintf(what, sizeof what, "%s n %zu pattern %d factor %d", act_names[act], n, pattern,
             with_u);
    c->what = what;
    fill_floats(c, g.p, n, pattern);
    fill_floats(c, u.p, n, 0);
    for (size_t j = 0; j < n && pattern == 0; j++)
        ((float *)g.p)[j] *= act == OA__ACT_SILU ? 20 : 6;
    buf_save(&g);
    buf_save(&u);
    c->c->act[act](want.p, g.p, fu, n);
    c->k->act[act](got.p, g.p, fu, n);
    if (!buf_same(&g) || !buf_same(&u)) fail(c, "an input was changed");
    same_bufs(c, "y", &got, &want, true);
    for (size_t j = 0; j < n && pattern < 3; j++) {
        const double x = ((float *)g.p)[j], f = fu ? (double)fu[j] : 1, y = act_exact(act, x);
        near(c, "y", j, ((float *)got.p)[j], y * f,
             fabs(f) * (act_bound(act, x, y) + fabs(y) * UNIT) + TINY);
    }
    c->k->act[act](g.p, g.p, fu, n); /* in place, both ways */
    same_floats(c, "in place of g", g.p, want.p, n);
    memcpy(g.p, g.saved + ((uint8_t *)g.p - g.map), 4 * n);
    if (with_u) {
        c->k->act[act](u.p, g.p, u.p, n);
        same_floats(c, "in place of u", u.p, want.p, n);
    }
    buf_free(&g);
    buf_free(&u);
    buf_free(&got);
    buf_free(&want);
}

void check_act(check *c)
{
    for (int act = 0; act < OA__N_ACTS; act++) {
        for (size_t i = 0; i < N_LENS * N_PATTERNS * 2; i++)
            act_case(c, act, lens[i % N_LENS], (int)(i / N_LENS / 2), i / N_LENS % 2);
        act_line(c, act);
    }
    if (c->k == c->c) exp_exact(c);
}

void check_scale(check *c)
{
    for (size_t i = 0; i < N_LENS * N_PATTERNS; i++) {
        const size_t n = lens[i % N_LENS];
        buf got = buf_new(4 * n, 4), want = buf_new(4 * n, 4);
        snprintf(what, sizeof what, "scale n %zu pattern %zu", n, i / N_LENS);
        c->what = what;
        fill_floats(c, got.p, n, (int)(i / N_LENS));
        for (size_t j = 0; j < n; j++)
            ((float *)want.p)[j] = ((float *)got.p)[j] * 23.9f;
        c->k->scale(got.p, 23.9f, n);
        same_bufs(c, "y", &got, &want, true);
        buf_free(&got);
        buf_free(&want);
    }
}

/* tanh within 4 units of the result, from 2^-100 on. */
static void tanh_exact(check *c)
{
    for (uint64_t i = 0; i < UINT64_C(0x100000000); i += c->exhaustive ? 3 : 997) {
        const uint32_t bits = (uint32_t)i;
        float x;
        memcpy(&x, &bits, 4);
        const float y = oa__kern_tanhf(x);
        if (isnan(x)) {
            if (!isnan(y)) fail(c, "tanh(NaN) is %g", (double)y);
        } else if (fabsf(x) >= 0x1p-100f) {
            near(c, "tanh", i, y, tanh(x), fabs(tanh(x)) * 4 * UNIT);
        } else if (fabsf(y) > 0x1p-99f) {
            fail(c, "tanh(%g) is %g", (double)x, (double)y);
        }
    }
}

void check_softcap(check *c)
{
    for (size_t i = 0; i < N_LENS * N_PATTERNS * 2; i++) {
        const size_t n = lens[i % N_LENS];
        const int pattern = (int)(i / N_LENS / 2);
        const float cap = i / N_LENS % 2 ? 50.0f : 2.5f;
        buf got = buf_new(4 * n, 4), want = buf_new(4 * n, 4);
        snprintf(what, sizeof what, "softcap n %zu pattern %d cap %g", n, pattern, (double)cap);
        c->what = what;
        fill_floats(c, got.p, n, pattern);
        for (size_t j = 0; j < n && pattern == 0; j++)
            ((float *)got.p)[j] *= 30;
        memcpy(want.p, got.p, 4 * n);
        buf_save(&got);
        c->c->softcap(want.p, cap, n);
        c->k->softcap(got.p, cap, n);
        same_bufs(c, "y", &got, &want, true);
        const float *x = (const float *)(got.saved + ((uint8_t *)got.p - got.map));
        for (size_t j = 0; j < n && pattern < 3; j++) {
            const double y = cap * tanh((double)x[j] / cap);
            near(c, "y", j, ((float *)got.p)[j], y, fabs(y) * 7 * UNIT + TINY);
        }
        buf_free(&got);
        buf_free(&want);
    }
    if (c->k == c->c) tanh_exact(c);
}
