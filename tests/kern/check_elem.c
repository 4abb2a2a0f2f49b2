/* SPDX-License-Identifier: Apache-2.0 */
/* rmsnorm, silu_mul, add, rope, peaks. */
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

void check_rmsnorm(check *c)
{
    for (size_t i = 0; i < N_LENS * N_PATTERNS; i++) {
        const size_t n = lens[i % N_LENS];
        const int pattern = (int)(i / N_LENS);
        buf x = buf_new(4 * n, 4), w = buf_new(4 * n, 4), got = buf_new(4 * n, 4);
        buf want = buf_new(4 * n, 4);
        snprintf(what, sizeof what, "rmsnorm n %zu pattern %d", n, pattern);
        c->what = what;
        fill_floats(c, x.p, n, pattern);
        fill_floats(c, w.p, n, 0);
        const float *fx = x.p, *fw = w.p;
        buf_save(&x);
        buf_save(&w);
        c->c->rmsnorm(want.p, x.p, w.p, n, 1e-5f);
        c->k->rmsnorm(got.p, x.p, w.p, n, 1e-5f);
        if (!buf_same(&x) || !buf_same(&w)) fail(c, "an input was changed");
        same_bufs(c, "y", &got, &want, true);
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += (double)fx[j] * fx[j];
        const double s = 1 / sqrt(sum / (double)n + (double)1e-5f);
        for (size_t j = 0; j < n && pattern < 3; j++) {
            const double y = fx[j] * s * fw[j];
            near(c, "y", j, ((float *)got.p)[j], y, fabs(y) * ((double)n / 32 + 8) * UNIT + TINY);
        }
        c->k->rmsnorm(x.p, x.p, w.p, n, 1e-5f); /* in place */
        same_floats(c, "in place", x.p, want.p, n);
        buf_free(&x);
        buf_free(&w);
        buf_free(&got);
        buf_free(&want);
    }
}

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

/* Every 4096th float as the gate: what the tier's exp does anywhere on the line. */
static void silu_line(check *c)
{
    enum { N = 4096 };
    buf g = buf_new(4 * N, 4), u = buf_new(4 * N, 4), got = buf_new(4 * N, 4);
    buf want = buf_new(4 * N, 4);
    c->what = "silu_mul over the line";
    for (size_t i = 0; i < N; i++)
        ((float *)u.p)[i] = 1.0f;
    for (uint32_t hi = 0; hi < 256 && !c->failed; hi++) {
        for (uint32_t i = 0; i < N; i++) {
            const uint32_t bits = hi << 24 | i << 12 | (uint32_t)(test_u64(&c->r) & 0xfff);
            memcpy((float *)g.p + i, &bits, 4);
        }
        c->c->silu_mul(want.p, g.p, u.p, N);
        c->k->silu_mul(got.p, g.p, u.p, N);
        same_floats(c, "y", got.p, want.p, N);
    }
    buf_free(&g);
    buf_free(&u);
    buf_free(&got);
    buf_free(&want);
}

void check_silu_mul(check *c)
{
    for (size_t i = 0; i < N_LENS * N_PATTERNS; i++) {
        const size_t n = lens[i % N_LENS];
        const int pattern = (int)(i / N_LENS);
        buf g = buf_new(4 * n, 4), u = buf_new(4 * n, 4), got = buf_new(4 * n, 4);
        buf want = buf_new(4 * n, 4);
        snprintf(what, sizeof what, "silu_mul n %zu pattern %d", n, pattern);
        c->what = what;
        fill_floats(c, g.p, n, pattern);
        fill_floats(c, u.p, n, 0);
        for (size_t j = 0; j < n && pattern == 0; j++)
            ((float *)g.p)[j] *= 20;
        buf_save(&g);
        buf_save(&u);
        c->c->silu_mul(want.p, g.p, u.p, n);
        c->k->silu_mul(got.p, g.p, u.p, n);
        if (!buf_same(&g) || !buf_same(&u)) fail(c, "an input was changed");
        same_bufs(c, "y", &got, &want, true);
        for (size_t j = 0; j < n && pattern < 3; j++) {
            const double x = ((float *)g.p)[j], y = x / (1 + exp(-x)) * ((float *)u.p)[j];
            near(c, "y", j, ((float *)got.p)[j], y, fabs(y) * 6 * UNIT + TINY);
        }
        c->k->silu_mul(g.p, g.p, u.p, n); /* in place, both ways */
        same_floats(c, "in place of g", g.p, want.p, n);
        memcpy(g.p, g.saved + ((uint8_t *)g.p - g.map), 4 * n);
        c->k->silu_mul(u.p, g.p, u.p, n);
        same_floats(c, "in place of u", u.p, want.p, n);
        buf_free(&g);
        buf_free(&u);
        buf_free(&got);
        buf_free(&want);
    }
    silu_line(c);
    if (c->k == c->c) exp_exact(c);
}

void check_add(check *c)
{
    for (size_t i = 0; i < N_LENS * N_PATTERNS; i++) {
        const size_t n = lens[i % N_LENS];
        const int pattern = (int)(i / N_LENS);
        buf x = buf_new(4 * n, 4), got = buf_new(4 * n, 4), want = buf_new(4 * n, 4);
        snprintf(what, sizeof what, "add n %zu pattern %d", n, pattern);
        c->what = what;
        fill_floats(c, x.p, n, pattern);
        fill_floats(c, got.p, n, pattern);
        memcpy(want.p, got.p, 4 * n);
        buf_save(&x);
        for (size_t j = 0; j < n; j++)
            ((float *)want.p)[j] += ((float *)x.p)[j];
        c->k->add(got.p, x.p, n);
        if (!buf_same(&x)) fail(c, "the input was changed");
        same_bufs(c, "y", &got, &want, true);
        buf_free(&x);
        buf_free(&got);
        buf_free(&want);
    }
}

void check_rope(check *c)
{
    static const size_t rots[] = {2, 6, 8, 14, 16, 18, 32, 64, 80};
    for (int i = 0; i < 9 * 2 * N_PATTERNS; i++) {
        const size_t d_rot = rots[i % 9], d_head = d_rot + (i % 4 == 0 ? 8 : 0);
        const bool neox = i / 9 % 2;
        const int pattern = i / 18;
        const size_t n_heads = 3, n = n_heads * d_head;
        buf cs = buf_new(4 * d_rot, 4), got = buf_new(4 * n, 4), want = buf_new(4 * n, 4);
        snprintf(what, sizeof what, "rope d %zu of %zu neox %d pattern %d", d_rot, d_head, neox,
                 pattern);
        c->what = what;
        for (size_t j = 0; j < d_rot; j += 2) {
            const double angle = test_float(&c->r) * 100;
            ((float *)cs.p)[j] = (float)cos(angle);
            ((float *)cs.p)[j + 1] = (float)sin(angle);
        }
        fill_floats(c, got.p, n, pattern);
        memcpy(want.p, got.p, 4 * n);
        buf_save(&cs);
        buf_save(&got);
        c->c->rope(want.p, cs.p, n_heads, d_head, d_rot, neox);
        c->k->rope(got.p, cs.p, n_heads, d_head, d_rot, neox);
        if (!buf_same(&cs)) fail(c, "the input was changed");
        same_bufs(c, "x", &got, &want, true);
        const float *x = (const float *)(got.saved + ((uint8_t *)got.p - got.map));
        for (size_t h = 0; h < n && pattern < 3; h += d_head)
            for (size_t j = 0; j < d_rot / 2; j++) {
                const size_t ia = h + (neox ? j : 2 * j), ib = neox ? ia + d_rot / 2 : ia + 1;
                const double a = x[ia], b = x[ib];
                const double co = ((float *)cs.p)[2 * j], si = ((float *)cs.p)[2 * j + 1];
                const double bound = 2 * UNIT * (fabs(a) + fabs(b)) + TINY;
                near(c, "a", ia, ((float *)got.p)[ia], a * co - b * si, bound);
                near(c, "b", ib, ((float *)got.p)[ib], a * si + b * co, bound);
            }
        buf_free(&cs);
        buf_free(&got);
        buf_free(&want);
    }
}

void check_peak(check *c)
{
    buf data = buf_new(64 * 37, 64);
    c->what = "peak_read";
    for (size_t i = 0; i < data.size; i++)
        ((uint8_t *)data.p)[i] = (uint8_t)test_u64(&c->r);
    buf_save(&data);
    const uint64_t sum = c->k->peak_read(data.p, data.size);
    if (!buf_same(&data)) fail(c, "the input was changed");
    for (size_t i = 0; i < data.size && !c->failed; i += 8) { /* every part counts */
        ((uint8_t *)data.p)[i + i / 8 % 8] ^= 0x10;
        if (c->k->peak_read(data.p, data.size) == sum) fail(c, "byte %zu is not read", i);
        ((uint8_t *)data.p)[i + i / 8 % 8] ^= 0x10;
    }
    c->what = "peak_int8";
    if (c->k->peak_int8(1000) < 1000) fail(c, "did less than it was asked for");
    buf_free(&data);
}
