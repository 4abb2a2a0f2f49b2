/* SPDX-License-Identifier: Apache-2.0 */
/* kv_store, attn_page, attn_end. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "kern/kerncheck.h"

#define UNIT (FLT_EPSILON / 2.0)

static char what[120];

void check_kv_store(check *c)
{
    static const size_t ds[] = {8, 16, 24, 64, 80};
    for (int i = 0; i < 5 * 2 * N_PATTERNS; i++) {
        const size_t d = ds[i % 5], slot = (size_t)i * 7 % 32;
        const bool f32 = i / 5 % 2;
        const int pattern = i / 10;
        const size_t size = 32 * d * (f32 ? 4 : 2);
        buf kp = buf_new(size, 32), vp = buf_new(size, 32), k = buf_new(4 * d, 4);
        buf v = buf_new(4 * d, 4), want_k = buf_new(size, 32), want_v = buf_new(size, 32);
        snprintf(what, sizeof what, "kv_store d %zu slot %zu f32 %d pattern %d", d, slot, f32,
                 pattern);
        c->what = what;
        fill_floats(c, k.p, d, pattern);
        fill_floats(c, v.p, d, pattern);
        buf_save(&k);
        buf_save(&v);
        for (size_t j = 0; j < d; j++) {
            const float fk = ((float *)k.p)[j], fv = ((float *)v.p)[j];
            if (f32) {
                ((float *)want_k.p)[j * 32 + slot] = fk;
                ((float *)want_v.p)[slot * d + j] = fv;
            } else {
                ((uint16_t *)want_k.p)[j * 32 + slot] = oa__f32_to_f16(fk);
                ((uint16_t *)want_v.p)[slot * d + j] = oa__f32_to_f16(fv);
            }
        }
        c->k->kv_store(kp.p, vp.p, k.p, v.p, d, slot, f32);
        if (!buf_same(&k) || !buf_same(&v)) fail(c, "an input was changed");
        same_bufs(c, "k", &kp, &want_k, f32);
        same_bufs(c, "v", &vp, &want_v, f32);
        buf_free(&kp);
        buf_free(&vp);
        buf_free(&k);
        buf_free(&v);
        buf_free(&want_k);
        buf_free(&want_v);
    }
}

typedef struct attn_case {
    size_t d, n_q, n_pages;
    bool f32;
    int valid;   /* 0 all, 1 causal, 2 random, some none */
    float scale; /* of the queries */
    int skip;    /* 0 NULL, 1 a sliding window, 2 random, some everything */
    float softcap;
} attn_case;

static double page_at(const void *page, size_t i, bool f32)
{
    return f32 ? ((const float *)page)[i] : oa__f16_to_f32(((const uint16_t *)page)[i]);
}

/* o / l against softmax in double. A score is off by d u sum|q k|, which moves its weight by as
 * much; exp adds 2 units, each page's factor 3, sums a unit per key. */
static void attn_exact(check *c, const attn_case *m, const buf *kp, const buf *vp, const float *q,
                       const uint32_t *n_valid, const uint32_t *n_skip, const float *o,
                       const float *ml)
{
    const size_t n_keys = 32 * m->n_pages, page = 32 * m->d * (m->f32 ? 4 : 2);
    double *s = malloc(n_keys * sizeof *s);
    for (size_t t = 0; t < m->n_q; t++) {
        double top = -INFINITY, l = 0, off = 0;
        for (size_t j = 0; j < n_keys; j++) {
            double abs_sum = 0;
            s[j] = 0;
            if (j % 32 >= n_valid[j / 32 * m->n_q + t] ||
                (m->skip && j % 32 < n_skip[j / 32 * m->n_q + t])) {
                s[j] = -INFINITY;
                continue;
            }
            for (size_t i = 0; i < m->d; i++) {
                const double v = q[t * m->d + i] *
                                 page_at((uint8_t *)kp->p + j / 32 * page, i * 32 + j % 32, m->f32);
                s[j] += v;
                abs_sum += fabs(v);
            }
            if (m->softcap != 0) {
                s[j] = m->softcap * tanh(s[j] / m->softcap);
                abs_sum += 4 * fabs(s[j]);
            }
            if (s[j] > top) top = s[j];
            if (abs_sum * (double)m->d * UNIT > off) off = abs_sum * (double)m->d * UNIT;
        }
        if (top == -INFINITY) {
            if (ml[2 * t + 1] != 0) fail(c, "query %zu sees no key, but l is not 0", t);
            continue;
        }
        for (size_t j = 0; j < n_keys; j++)
            l += exp(s[j] - top);
        for (size_t i = 0; i < m->d; i++) {
            double sum = 0, abs_sum = 0;
            for (size_t j = 0; j < n_keys; j++) {
                if (s[j] == -INFINITY) continue;
                const double v = exp(s[j] - top) * page_at((uint8_t *)vp->p + j / 32 * page,
                                                           j % 32 * m->d + i, m->f32);
                sum += v;
                abs_sum += fabs(v);
            }
            near(c, "o / l", t * m->d + i, (double)o[t * m->d + i] / ml[2 * t + 1], sum / l,
                 (abs_sum / l) *
                         (4 * off + (2 * (double)n_keys + 10 * (double)m->n_pages + 8) * UNIT) +
                     1e-30);
        }
    }
    free(s);
}

static void attn_case_run(check *c, const attn_case *m)
{
    const size_t page = 32 * m->d * (m->f32 ? 4 : 2);
    buf kp = buf_new(page * m->n_pages, 32), vp = buf_new(page * m->n_pages, 32);
    buf q = buf_new(4 * m->n_q * m->d, 4), nv = buf_new(4 * m->n_q * m->n_pages, 4);
    buf ns = buf_new(4 * m->n_q * m->n_pages, 4);
    buf o[2], ml[2];
    uint32_t *n_valid = nv.p, *n_skip = ns.p;
    snprintf(what, sizeof what,
             "attn_page d %zu queries %zu pages %zu f32 %d valid %d skip %d scale %g cap %g", m->d,
             m->n_q, m->n_pages, m->f32, m->valid, m->skip, (double)m->scale, (double)m->softcap);
    c->what = what;
    for (size_t i = 0; i < m->n_q * m->d; i++)
        ((float *)q.p)[i] = test_float(&c->r) * m->scale;
    for (size_t p = 0; p < m->n_pages; p++)
        for (size_t t = 0; t < m->n_q; t++) {
            const size_t seen = t / 3 + 1 + (m->n_pages - 1) * 32; /* three heads per token */
            const size_t causal = seen > 32 * p ? seen - 32 * p : 0;
            n_valid[p * m->n_q + t] =
                (uint32_t)(m->valid == 0   ? 32
                           : m->valid == 1 ? (causal < 32 ? causal : 32)
                                           : (test_u64(&c->r) >> 20) % 40 % 33);
            const size_t gone = seen > 21 ? seen - 21 : 0; /* a window of 21 */
            const size_t out = gone > 32 * p ? gone - 32 * p : 0;
            n_skip[p * m->n_q + t] =
                (uint32_t)(m->skip == 1 ? (out < 32 ? out : 32) : (test_u64(&c->r) >> 20) % 33);
        }
    /* slots that no query sees keep the fill or hold NaN */
    for (size_t p = 0; p < m->n_pages; p++)
        for (size_t j = 0; j < 32; j++) {
            bool seen = false;
            for (size_t t = 0; t < m->n_q; t++)
                seen = seen || (j < n_valid[p * m->n_q + t] &&
                                (m->skip == 0 || j >= n_skip[p * m->n_q + t]));
            for (size_t i = 0; i < m->d; i++) {
                const float k = seen ? test_float(&c->r) : NAN, v = seen ? test_float(&c->r) : NAN;
                const size_t ki = p * 32 * m->d + i * 32 + j, vi = (p * 32 + j) * m->d + i;
                if (m->f32) {
                    ((float *)kp.p)[ki] = k;
                    ((float *)vp.p)[vi] = v;
                } else {
                    ((uint16_t *)kp.p)[ki] = oa__f32_to_f16(k);
                    ((uint16_t *)vp.p)[vi] = oa__f32_to_f16(v);
                }
            }
        }
    for (int i = 0; i < 2; i++) {
        o[i] = buf_new(4 * m->n_q * m->d, 4);
        ml[i] = buf_new(8 * m->n_q, 4);
        memset(o[i].p, 0, o[i].size);
        for (size_t t = 0; t < m->n_q; t++) {
            ((float *)ml[i].p)[2 * t] = -INFINITY;
            ((float *)ml[i].p)[2 * t + 1] = 0;
        }
    }
    buf_save(&kp);
    buf_save(&vp);
    buf_save(&q);
    buf_save(&nv);
    buf_save(&ns);
    for (size_t p = 0; p < m->n_pages; p++)
        for (int i = 0; i < 2; i++)
            (i ? c->k : c->c)
                ->attn_page(&(oa__attn_args){.o = o[i].p,
                                             .ml = ml[i].p,
                                             .q = q.p,
                                             .n_q = m->n_q,
                                             .d = m->d,
                                             .k_page = (uint8_t *)kp.p + p * page,
                                             .v_page = (uint8_t *)vp.p + p * page,
                                             .n_valid = n_valid + p * m->n_q,
                                             .n_skip = m->skip ? n_skip + p * m->n_q : NULL,
                                             .softcap = m->softcap,
                                             .f32 = m->f32});
    if (!buf_same(&kp) || !buf_same(&vp) || !buf_same(&q) || !buf_same(&nv) || !buf_same(&ns))
        fail(c, "an input was changed");
    same_bufs(c, "o", &o[1], &o[0], true);
    same_bufs(c, "ml", &ml[1], &ml[0], true);
    if (c->k == c->c) attn_exact(c, m, &kp, &vp, q.p, n_valid, n_skip, o[1].p, ml[1].p);
    buf_free(&kp);
    buf_free(&vp);
    buf_free(&q);
    buf_free(&nv);
    buf_free(&ns);
    for (int i = 0; i < 2; i++) {
        buf_free(&o[i]);
        buf_free(&ml[i]);
    }
}

void check_attn_page(check *c)
{
    static const size_t ds[] = {8, 16, 24, 40, 64, 72, 128, 200};
    static const size_t n_qs[] = {1, 2, 3, 4, 5, 6, 7, 9, 12, 48, 65, 96};
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 12; j++)
            for (int v = 0; v < 3; v++) { /* plain, then windows, then softcaps too */
                const int skip = v ? (int)((i + j + (size_t)v) % 3) : 0;
                attn_case_run(c, &(attn_case){ds[i], n_qs[j], 1 + (i + j) % 3, (i + j) % 2,
                                              (int)((i + 2 * j) % 3), j % 5 == 0 ? 8 : 0.5f, skip,
                                              v == 2 ? 3 + (float)j : 0});
            }
    attn_case_run(c, &(attn_case){512, 3, 2, false, 2, 1, 0, 0});
    attn_case_run(c, &(attn_case){64, 9, 2, true, 1, 0, 0, 0});     /* all scores equal */
    attn_case_run(c, &(attn_case){64, 9, 3, false, 0, 300, 0, 0});  /* one key takes all */
    attn_case_run(c, &(attn_case){64, 9, 3, false, 0, 300, 0, 50}); /* all keys at the cap */
}

void check_attn_end(check *c)
{
    for (size_t d = 8; d <= 72; d += 8) {
        const size_t n_q = 5;
        buf ml = buf_new(8 * n_q, 4), got = buf_new(4 * n_q * d, 4), want = buf_new(got.size, 4);
        snprintf(what, sizeof what, "attn_end d %zu", d);
        c->what = what;
        fill_floats(c, ml.p, 2 * n_q, 0);
        fill_floats(c, got.p, n_q * d, 0);
        memcpy(want.p, got.p, got.size);
        buf_save(&ml);
        for (size_t i = 0; i < n_q * d; i++)
            ((float *)want.p)[i] *= 1.0f / ((float *)ml.p)[2 * (i / d) + 1];
        c->k->attn_end(got.p, ml.p, n_q, d);
        if (!buf_same(&ml)) fail(c, "the input was changed");
        same_bufs(c, "o", &got, &want, true);
        buf_free(&ml);
        buf_free(&got);
        buf_free(&want);
    }
}
