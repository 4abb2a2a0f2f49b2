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

/* Element i of a slot's key, or value. */
static double page_at(const void *page, size_t d, size_t i, size_t slot, bool key, uint32_t kv)
{
    const size_t e = key ? i * 32 + slot : slot * d + i;
    if (kv == OA__KV_F32) return ((const float *)page)[e];
    if (kv == OA__KV_F16) return oa__f16_to_f32(((const uint16_t *)page)[e]);
    const int8_t *q = (const int8_t *)page + (d + 31) / 32 * 64;
    return (double)q[e] * oa__f16_to_f32(((const uint16_t *)page)[i / 32 * 32 + slot]);
}

/* One position into a page, by other means than the kernels. Q8 is written out here once more. */
static void put_at(void *page, size_t d, size_t slot, bool key, uint32_t kv, const float *x)
{
    uint16_t *half = page;
    int8_t *q = (int8_t *)page + (d + 31) / 32 * 64;
    for (size_t b = 0; b < d; b += 32) {
        double top = 0;
        bool finite = true;
        for (size_t i = b; i < b + 32 && i < d; i++) {
            const size_t e = key ? i * 32 + slot : slot * d + i;
            if (kv == OA__KV_F32) ((float *)page)[e] = x[i];
            if (kv == OA__KV_F16) half[e] = oa__f32_to_f16(x[i]);
            top = fmax(top, fabs((double)x[i]));
            finite = finite && isfinite(x[i]);
        }
        if (kv != OA__KV_Q8) continue;
        const float s = oa__f16_to_f32(oa__f32_to_f16((float)top / 127.0f));
        finite = finite && isfinite(s);
        half[b + slot] = finite ? oa__f32_to_f16(s) : 0x7e00;
        for (size_t i = b; i < b + 32 && i < d; i++) {
            const float r = finite && s > 0 ? x[i] * (1.0f / s) : 0;
            q[key ? i * 32 + slot : slot * d + i] = (int8_t)nearbyintf(r > 127    ? 127
                                                                       : r < -127 ? -127
                                                                                  : r);
        }
    }
}

void check_kv_store(check *c)
{
    static const size_t ds[] = {8, 16, 24, 64, 80};
    for (int i = 0; i < 5 * OA__N_KV * N_PATTERNS; i++) {
        const size_t d = ds[i % 5], slot = (size_t)i * 7 % 32;
        const uint32_t kv = (uint32_t)i / 5 % OA__N_KV;
        const int pattern = i / (5 * OA__N_KV);
        const size_t size = oa__kern_kv_size(kv, d);
        buf kp = buf_new(size, 32), vp = buf_new(size, 32), k = buf_new(4 * d, 4);
        buf v = buf_new(4 * d, 4), want_k = buf_new(size, 32), want_v = buf_new(size, 32);
        snprintf(what, sizeof what, "kv_store d %zu slot %zu kv %u pattern %d", d, slot, kv,
                 pattern);
        c->what = what;
        fill_floats(c, k.p, d, pattern);
        fill_floats(c, v.p, d, pattern);
        buf_save(&k);
        buf_save(&v);
        put_at(want_k.p, d, slot, true, kv, k.p);
        put_at(want_v.p, d, slot, false, kv, v.p);
        c->k->kv_store(kp.p, vp.p, k.p, v.p, d, slot, kv);
        if (!buf_same(&k) || !buf_same(&v)) fail(c, "an input was changed");
        same_bufs(c, "k", &kp, &want_k, kv == OA__KV_F32);
        same_bufs(c, "v", &vp, &want_v, kv == OA__KV_F32);
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
    uint32_t kv;
    int valid;   /* 0 all, 1 causal, 2 random, some none */
    float scale; /* of the queries */
    int skip;    /* 0 NULL, 1 a sliding window, 2 random, some everything */
    float softcap;
} attn_case;

/* o / l against softmax in double. A score is off by d u sum|q k|, which moves its weight by as
 * much; exp adds 2 units, each page's factor 3, sums a unit per key. */
static void attn_exact(check *c, const attn_case *m, const buf *kp, const buf *vp, const float *q,
                       const uint32_t *n_valid, const uint32_t *n_skip, const float *o,
                       const float *ml)
{
    const size_t n_keys = 32 * m->n_pages, page = oa__kern_kv_size(m->kv, m->d);
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
                const double v = q[t * m->d + i] * page_at((uint8_t *)kp->p + j / 32 * page, m->d,
                                                           i, j % 32, true, m->kv);
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
                const double v = exp(s[j] - top) * page_at((uint8_t *)vp->p + j / 32 * page, m->d,
                                                           i, j % 32, false, m->kv);
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
    const size_t page = oa__kern_kv_size(m->kv, m->d);
    buf kp = buf_new(page * m->n_pages, 32), vp = buf_new(page * m->n_pages, 32);
    buf q = buf_new(4 * m->n_q * m->d, 4), nv = buf_new(4 * m->n_q * m->n_pages, 4);
    buf ns = buf_new(4 * m->n_q * m->n_pages, 4);
    buf o[2], ml[2];
    uint32_t *n_valid = nv.p, *n_skip = ns.p;
    snprintf(what, sizeof what,
             "attn_page d %zu queries %zu pages %zu kv %u valid %d skip %d scale %g cap %g", m->d,
             m->n_q, m->n_pages, m->kv, m->valid, m->skip, (double)m->scale, (double)m->softcap);
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
            float k[512], v[512];
            for (size_t i = 0; i < m->d; i++) {
                k[i] = seen ? test_float(&c->r) : NAN;
                v[i] = seen ? test_float(&c->r) : NAN;
            }
            put_at((uint8_t *)kp.p + p * page, m->d, j, true, m->kv, k);
            put_at((uint8_t *)vp.p + p * page, m->d, j, false, m->kv, v);
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
                                             .kv = m->kv,
                                             .next = (p & 1) ? kp.p : NULL,
                                             .next_size = page});
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
                attn_case_run(c,
                              &(attn_case){ds[i], n_qs[j], 1 + (i + j) % 3, (uint32_t)(i + j) % 3,
                                           (int)((i + 2 * j) % 3), j % 5 == 0 ? 8 : 0.5f, skip,
                                           v == 2 ? 3 + (float)j : 0});
            }
    attn_case_run(c, &(attn_case){512, 3, 2, 0, 2, 1, 0, 0});
    attn_case_run(c, &(attn_case){512, 50, 2, 2, 2, 1, 1, 0});
    attn_case_run(c, &(attn_case){64, 9, 2, 1, 1, 0, 0, 0});    /* all scores equal */
    attn_case_run(c, &(attn_case){64, 9, 3, 0, 0, 300, 0, 0});  /* one key takes all */
    attn_case_run(c, &(attn_case){64, 9, 3, 0, 0, 300, 0, 50}); /* all keys at the cap */
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
