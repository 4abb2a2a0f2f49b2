/* SPDX-License-Identifier: Apache-2.0 */
/* quantize and matmul. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kern/kerncheck.h"

#define UNIT (FLT_EPSILON / 2.0)

static char what[120];

/* The C version against the formula: scale, nearest, sums. */
static void quantize_exact(check *c, const oa__acts *a, const float *x, size_t n)
{
    for (size_t b = 0; b < n / 32; b++) {
        double amax = 0;
        int32_t sum[2] = {0, 0};
        bool finite = true;
        for (size_t i = 32 * b; i < 32 * b + 32; i++) {
            finite = finite && isfinite(x[i]);
            if (fabs((double)x[i]) > amax) amax = fabs((double)x[i]);
            sum[i / 16 % 2] += a->q[i];
        }
        const double d = a->d[b];
        if (!finite) {
            if (!isnan(d) || sum[0] || sum[1]) fail(c, "block %zu: NaN is not kept", b);
            continue;
        }
        near(c, "d", b, d, amax < 0x1p-100 ? 0 : amax / 127, amax / 127 * UNIT);
        if (a->isum16[2 * b] != sum[0] || a->isum16[2 * b + 1] != sum[1] ||
            a->isum[b] != sum[0] + sum[1])
            fail(c, "block %zu: sums of quants", b);
        near(c, "ds", b, a->ds[b], d * (sum[0] + sum[1]), fabs(d * (sum[0] + sum[1])) * UNIT);
        for (size_t i = 32 * b; i < 32 * b + 32; i++)
            near(c, "q", i, d * a->q[i], x[i], d / 2 * (1 + 512 * UNIT) + 0x1p-100);
    }
}

void check_quantize(check *c)
{
    static const size_t ks[] = {32, 96, 576};
    for (int pattern = 0; pattern < N_PATTERNS; pattern++)
        for (size_t i = 0; i < 3; i++) {
            const size_t k = ks[i], n_tokens = 3, stride = k + (pattern % 2) * 5;
            buf x = buf_new(((n_tokens - 1) * stride + k) * 4, 4);
            acts_bufs got, want;
            snprintf(what, sizeof what, "quantize k %zu pattern %d", k, pattern);
            c->what = what;
            acts_new(&got, k, n_tokens);
            acts_new(&want, k, n_tokens);
            fill_floats(c, x.p, x.size / 4, pattern);
            if (k == 96) { /* halves, to be rounded to even */
                float *f = x.p;
                f[0] = 127;
                for (int j = 1; j < 32; j++)
                    f[j] = (float)j * 3 - 45.5f;
            }
            buf_save(&x);
            c->c->quantize(&want.a, x.p, stride, n_tokens);
            c->k->quantize(&got.a, x.p, stride, n_tokens);
            if (!buf_same(&x)) fail(c, "the input was changed");
            same_bufs(c, "q", &got.q, &want.q, false);
            same_bufs(c, "d", &got.d, &want.d, true);
            same_bufs(c, "ds", &got.ds, &want.ds, true);
            same_bufs(c, "isum", &got.isum, &want.isum, false);
            same_bufs(c, "isum16", &got.isum16, &want.isum16, false);
            for (size_t t = 0; t < n_tokens; t++) {
                const oa__acts row = {k,
                                      got.a.q + t * k,
                                      got.a.d + t * k / 32,
                                      got.a.ds + t * k / 32,
                                      got.a.isum + t * k / 32,
                                      got.a.isum16 + t * k / 16};
                quantize_exact(c, &row, (const float *)x.p + t * stride, k);
            }
            buf_free(&x);
            acts_free(&got);
            acts_free(&want);
        }
}

typedef struct mm_case {
    uint32_t type;
    size_t n_rows, k, n_tokens;
    int x_pattern; /* quantised: 0 random, 1 all +127, 2 all -127, 3 zeros */
    int w_pattern; /* 0 random, 1 all bits set, 2 all bits clear, 3 most negative */
    bool add;
} mm_case;

/* Row t, column by column, in double. */
static void matmul_exact(check *c, const mm_case *m, const uint8_t *rows, size_t row_size,
                         const oa__acts *a, const float *x, const float *y0, const float *y,
                         size_t y_stride)
{
    const oa__type_shape *s = oa__kern_shape(m->type);
    uint8_t *q = malloc(m->k);
    float *dw = calloc(m->k, 4), *mw = calloc(m->k, 4);
    for (size_t r = 0; r < m->n_rows; r++) {
        if (s->sub) oa__kern_unpack(m->type, rows + r * row_size, m->k, q, dw, mw);
        for (size_t t = 0; t < m->n_tokens; t++) {
            double sum = 0, abs_sum = 0;
            size_t n_terms = m->k;
            if (s->sub) {
                n_terms = 2 * m->k / s->sub + 2;
                for (size_t b = 0; b < m->k / s->sub; b++) {
                    double idot = 0, isum = 0;
                    for (size_t i = b * s->sub; i < (b + 1) * s->sub; i++) {
                        idot += ((double)q[i] - s->offset) * a->q[t * m->k + i];
                        isum += a->q[t * m->k + i];
                    }
                    const double da = a->d[(t * m->k + b * s->sub) / 32];
                    const double v = idot * dw[b] * da, u = isum * mw[b] * da;
                    sum += s->has_min ? v + u : v;
                    abs_sum += s->has_min ? fabs(v) + fabs(u) : fabs(v);
                }
            } else {
                for (size_t i = 0; i < m->k; i++) {
                    float w;
                    if (m->type == OA__F32)
                        memcpy(&w, rows + r * row_size + 4 * i, 4);
                    else {
                        uint16_t h;
                        memcpy(&h, rows + r * row_size + 2 * i, 2);
                        const uint32_t b = (uint32_t)h << 16;
                        memcpy(&w, &b, 4);
                        if (m->type == OA__F16) /* normal numbers only */
                            w = ldexpf((float)((h & 0x3ff) | 0x400), (h >> 10 & 31) - 25) *
                                (h & 0x8000 ? -1.0f : 1.0f);
                    }
                    const double v = (double)w * x[t * m->k + i];
                    sum += v;
                    abs_sum += fabs(v);
                }
            }
            if (m->add) {
                sum += y0[t * y_stride + r];
                abs_sum += fabs((double)y0[t * y_stride + r]);
            }
            near(c, "y", t * y_stride + r, y[t * y_stride + r], sum,
                 (double)(n_terms + 2) * UNIT * abs_sum);
        }
    }
    free(q);
    free(dw);
    free(mw);
}

static void set_acts(acts_bufs *b, size_t n_tokens, int pattern, test_random *r)
{
    const size_t n = b->a.k * n_tokens;
    for (size_t i = 0; i < n; i++)
        b->a.q[i] = pattern == 1   ? 127
                    : pattern == 2 ? -127
                    : pattern == 3 ? 0
                                   : (int8_t)(test_u64(r) % 255 - 127);
    for (size_t i = 0; i < n / 32; i++) {
        b->a.d[i] = pattern == 3 ? 0 : fabsf(test_float(r));
        b->a.isum16[2 * i] = b->a.isum16[2 * i + 1] = 0;
        for (size_t j = 0; j < 32; j++)
            b->a.isum16[2 * i + j / 16] += b->a.q[32 * i + j];
        b->a.isum[i] = b->a.isum16[2 * i] + b->a.isum16[2 * i + 1];
        b->a.ds[i] = b->a.d[i] * (float)b->a.isum[i];
    }
}

/* All quants the same byte; the scales stay. For Q8_0 the pattern 3 is -128, the sign's edge. */
static void set_quants(uint32_t type, uint8_t *row, size_t k, int pattern)
{
    const oa__type_shape *s = oa__kern_shape(type);
    const size_t first = type == OA__Q4_0 || type == OA__Q8_0 || type == OA__IQ4_NL ? 2
                         : type == OA__Q4_1                                         ? 4
                         : type == OA__IQ4_XS                                       ? 8
                                                                                    : 16;
    const size_t end = type == OA__Q6_K || type == OA__Q3_K || type == OA__Q2_K ? 80 : s->size;
    if (pattern == 0 || s->sub == 0) return;
    for (size_t b = 0; b < k / s->block; b++)
        memset(row + b * s->size + first,
               pattern == 1   ? 0xff
               : pattern == 2 ? 0
                              : 0x80,
               end - first);
    if (type == OA__Q5_0 || type == OA__Q5_1)
        for (size_t b = 0; b < k / s->block; b++) { /* scales lie under what was set */
            row[b * s->size] = 0;
            row[b * s->size + 1] = 0x38;
        }
}

static void matmul_case(check *c, const mm_case *m)
{
    const oa__type_shape *s = oa__kern_shape(m->type);
    const size_t row_size = m->k / s->block * s->size, y_stride = m->n_rows + 3;
    const size_t n_groups = (m->n_rows + 15) / 16;
    snprintf(what, sizeof what, "matmul type %u rows %zu k %zu tokens %zu x %d w %d%s", m->type,
             m->n_rows, m->k, m->n_tokens, m->x_pattern, m->w_pattern, m->add ? " add" : "");
    c->what = what;

    buf rows = buf_new(m->n_rows * row_size, 1);
    buf w = buf_new(n_groups * oa__kern_group_size(m->type, m->k), 32);
    buf x = buf_new(m->n_tokens * m->k * 4, 4);
    buf got = buf_new(((m->n_tokens - 1) * y_stride + m->n_rows) * 4, 4);
    buf want = buf_new(got.size, 4), old = buf_new(got.size, 4);
    buf scratch = buf_new(OA__MM_SCRATCH, 64);
    acts_bufs acts;
    acts_new(&acts, s->sub ? m->k : 32, m->n_tokens);
    for (size_t r = 0; r < m->n_rows; r++) {
        uint8_t *row = (uint8_t *)rows.p + r * row_size;
        test_fill_row(m->type, row, m->k, &c->r);
        set_quants(m->type, row, m->k, m->w_pattern);
    }
    fill_floats(c, x.p, x.size / 4, m->x_pattern == 3 ? 1 : 0);
    set_acts(&acts, m->n_tokens, m->x_pattern, &c->r);
    if (m->add) fill_floats(c, old.p, old.size / 4, 0);
    memcpy(got.p, old.p, old.size);
    memcpy(want.p, old.p, old.size);
    for (size_t g = 0; g < n_groups; g++)
        oa__kern_pack(m->type, (uint8_t *)w.p + g * oa__kern_group_size(m->type, m->k), rows.p,
                      row_size, m->n_rows, m->k, g);

    oa__mm_args a = {.w = w.p,
                     .type = m->type,
                     .n_rows = m->n_rows,
                     .k = m->k,
                     .acts = s->sub ? &acts.a : NULL,
                     .x = x.p,
                     .x_stride = m->k,
                     .n_tokens = m->n_tokens,
                     .y = want.p,
                     .y_stride = y_stride,
                     .add = m->add,
                     .scratch = scratch.p};
    buf_save(&rows);
    buf_save(&w);
    buf_save(&x);
    buf_save(&acts.q);
    c->c->matmul[m->type](c->c, &a, 0, n_groups);
    a.y = got.p;
    /* in two parts, as two threads would */
    c->k->matmul[m->type](c->k, &a, n_groups / 2, n_groups);
    c->k->matmul[m->type](c->k, &a, 0, n_groups / 2);
    if (!buf_same(&rows) || !buf_same(&w) || !buf_same(&x) || !buf_same(&acts.q))
        fail(c, "an input was changed");
    same_bufs(c, "y", &got, &want, true);
    for (size_t t = 0; t + 1 < m->n_tokens; t++)
        same_bytes(c, "between rows", (float *)got.p + t * y_stride + m->n_rows,
                   (float *)old.p + t * y_stride + m->n_rows, (y_stride - m->n_rows) * 4);
    if (c->k == c->c || c->quiet)
        matmul_exact(c, m, rows.p, row_size, &acts.a, x.p, old.p, got.p, y_stride);

    buf_free(&rows);
    buf_free(&w);
    buf_free(&x);
    buf_free(&got);
    buf_free(&want);
    buf_free(&old);
    buf_free(&scratch);
    acts_free(&acts);
}

void check_matmul(check *c)
{
    static const size_t n_tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17, 33};
    for (size_t i = 0; i < TEST_N_TYPES; i++) {
        const uint32_t type = test_types[i];
        const size_t block = oa__kern_shape(type)->block;
        const size_t unit = block == 1 ? 1 : block;
        for (size_t t = 0; t < sizeof n_tokens / sizeof n_tokens[0]; t++) {
            const mm_case m = {type,
                               16 + 16 * (t % 3) + t % 2 * 5,
                               unit * (block == 1 ? 37 : 1 + t % 3),
                               n_tokens[t],
                               0,
                               0,
                               t % 2 == 1};
            matmul_case(c, &m);
        }
        for (int x = 0; x < 4; x++)
            for (int w = 0; w < 4; w++)
                matmul_case(c, &(mm_case){type, 19,
                                          block == 1    ? 33
                                          : block == 32 ? 288
                                                        : 512,
                                          x == 0 ? 1 : 5, x, w, false});
        /* one row; many groups with one token; more tokens than a panel keeps */
        matmul_case(c, &(mm_case){type, 1, unit, 1, 0, 0, false});
        matmul_case(c, &(mm_case){type, 150, unit, 1, 0, 0, true});
        matmul_case(c, &(mm_case){type, 3, unit, 259, 0, 0, false});
    }
}
