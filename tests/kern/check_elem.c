/* SPDX-License-Identifier: Apache-2.0 */
/* rmsnorm, layernorm, add, rope, peaks. */
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

/* The mean is off by some units of what was summed, the rest as in rmsnorm. */
static void layernorm_exact(check *c, const float *x, const float *w, const float *b,
                            const float *y, size_t n)
{
    double mean = 0, abs_sum = 0, var = 0;
    for (size_t j = 0; j < n; j++) {
        mean += x[j] / (double)n;
        abs_sum += fabs((double)x[j]) / (double)n;
    }
    for (size_t j = 0; j < n; j++)
        var += (x[j] - mean) * (x[j] - mean) / (double)n;
    const double s = 1 / sqrt(var + (double)1e-5f), units = (double)n / 16 + 10;
    for (size_t j = 0; j < n; j++) {
        const double d = x[j] - mean, fw = w ? (double)w[j] : 1, fb = b ? (double)b[j] : 0;
        near(c, "y", j, y[j], d * s * fw + fb,
             (fabs(fw) * s * (abs_sum + fabs(d)) * units + fabs(fb)) * UNIT + TINY);
    }
}

void check_layernorm(check *c)
{
    for (size_t i = 0; i < N_LENS * N_PATTERNS * 4; i++) {
        const size_t n = lens[i % N_LENS];
        const int pattern = (int)(i / N_LENS % N_PATTERNS), with = (int)(i / N_LENS / N_PATTERNS);
        buf x = buf_new(4 * n, 4), w = buf_new(4 * n, 4), b = buf_new(4 * n, 4);
        buf got = buf_new(4 * n, 4), want = buf_new(4 * n, 4);
        const float *fw = with & 1 ? w.p : NULL, *fb = with & 2 ? b.p : NULL;
        snprintf(what, sizeof what, "layernorm n %zu pattern %d w %d b %d", n, pattern, fw != NULL,
                 fb != NULL);
        c->what = what;
        fill_floats(c, x.p, n, pattern);
        fill_floats(c, w.p, n, 0);
        fill_floats(c, b.p, n, 0);
        for (size_t j = 0; j < n && pattern == 0 && i % 2; j++)
            ((float *)x.p)[j] += 30; /* a mean far from 0 */
        buf_save(&x);
        buf_save(&w);
        buf_save(&b);
        c->c->layernorm(want.p, x.p, fw, fb, n, 1e-5f);
        c->k->layernorm(got.p, x.p, fw, fb, n, 1e-5f);
        if (!buf_same(&x) || !buf_same(&w) || !buf_same(&b)) fail(c, "an input was changed");
        same_bufs(c, "y", &got, &want, true);
        if (pattern < 3) layernorm_exact(c, x.p, fw, fb, got.p, n);
        c->k->layernorm(x.p, x.p, fw, fb, n, 1e-5f); /* in place */
        same_floats(c, "in place", x.p, want.p, n);
        buf_free(&x);
        buf_free(&w);
        buf_free(&b);
        buf_free(&got);
        buf_free(&want);
    }
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
    c->what = "peak_fp32";
    if (c->k->peak_fp32(1000) < 1000) fail(c, "did less than it was asked for");
    buf_free(&data);
}
