/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feed-forward half of a layer as a mixture of experts. For each row:
 *
 *     s   = in Wrouter                                            (n_experts)
 *     the n_used largest are chosen; of equal ones those with the lower index
 *     p_e = exp(s_e - max s);  c_e = (p_e / z) * scale
 *           z: the sum of p over the chosen experts, ascending by index, where the architecture
 *           wants weights that add up to 1; else over all experts, by lanes16 of kern.h
 *     out = out + c_e * f_e(in)                                   chosen experts, ascending by
 * index f_e = (act(in Wgate_e) * (in Wup_e)) Wdown_e out = out + (1 / (1 + exp(-(in
 * Wshared_router)))) * f_shared(in)      where there is one
 *
 * Each product and each sum is rounded. Rows are grouped by expert, so that an expert's matrices
 * meet all of its rows at once: the rows of experts [begin, end) are gathered, as many experts as
 * fit, and go through in one run. Which rows are neighbours does not show, since products treat
 * rows one by one, and every row adds its experts up in the same order.
 */
#include "model/work.h"

#include <math.h>
#include <string.h>

/* --- choosing ------------------------------------------------------------------------------- */

/* The sum of exp(s - top) over all experts. */
static float sum_all(const float *s, uint32_t n, float top)
{
    float lane[16] = {0};
    for (uint32_t e = 0; e < n; e++)
        lane[e % 16] += oa__kern_expf(s[e] - top);
    for (size_t half = 8; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    }
    return lane[0];
}

/* The largest that is not taken; a NaN is less than anything. */
static uint32_t best_left(const float *s, uint32_t n, const bool *taken)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t e = 0; e < n; e++) {
        if (taken[e]) continue;
        if (best == UINT32_MAX || s[e] > s[best] || (isnan(s[best]) && !isnan(s[e]))) best = e;
    }
    return best;
}

static void choose_row(oa__work *w, size_t i)
{
    const oa__experts_params *p = &w->m->hp.experts;
    const float *s = w->experts.scores + i * p->n;
    oa__choice *c = w->experts.chosen + i * p->n_used;
    bool taken[OA__MAX_EXPERTS] = {false};
    float top = 0, sum = 0;
    for (uint32_t j = 0; j < p->n_used; j++) {
        const uint32_t e = best_left(s, p->n, taken);
        if (j == 0) top = s[e];
        taken[e] = true;
    }
    for (uint32_t e = 0, j = 0; j < p->n_used; e++) {
        if (!taken[e]) continue;
        c[j] = (oa__choice){.expert = e, .weight = oa__kern_expf(s[e] - top)};
        sum += c[j++].weight;
    }
    if (!p->norm) sum = sum_all(s, p->n, top);
    for (uint32_t j = 0; j < p->n_used; j++)
        c[j].weight = (c[j].weight / sum) * p->scale;
}

/* --- a run of experts ----------------------------------------------------------------------- */

/* fn for n rows that are not those of the pass. */
static void each_of(oa__work *w, size_t n, oa__row_fn fn)
{
    const size_t n_rows = w->n;
    w->n = n;
    oa__each_row(w, fn);
    w->n = n_rows;
}

static void act_rows(oa__work *w, size_t i)
{
    const oa_model *m = w->m;
    const size_t d_ff = w->experts.d_ff;
    float *gate = w->gate + i * d_ff;
    m->kern->act[m->hp.act](gate, gate, w->up + i * d_ff, d_ff);
}

static void gather_row(oa__work *w, size_t at)
{
    const oa__experts_work *x = &w->experts;
    const size_t d = w->m->hp.d_model;
    memcpy(x->in + at * d, x->from + x->row_of[at] * x->from_stride, d * sizeof *x->in);
}

static void add_row(const oa_model *m, float *to, float *row, float weight)
{
    m->kern->scale(row, weight, m->hp.d_model);
    m->kern->add(to, row, m->hp.d_model);
}

static void scatter_row(oa__work *w, size_t i)
{
    const oa__experts_work *x = &w->experts;
    const size_t d = w->m->hp.d_model, n_used = w->m->hp.experts.n_used;
    for (const oa__choice *c = x->chosen + i * n_used; c < x->chosen + (i + 1) * n_used; c++) {
        if (c->expert < x->begin || c->expert >= x->end) continue;
        add_row(w->m, x->to + i * d, x->out + c->at * d, c->weight);
    }
}

/* Rows of experts [begin, end) get their places, expert by expert; returns how many there are.
 * place[e] becomes the one behind the expert's last. */
static size_t place_rows(oa__work *w)
{
    oa__experts_work *x = &w->experts;
    const size_t n_used = w->m->hp.experts.n_used;
    uint32_t total = 0;
    for (uint32_t e = x->begin; e < x->end; e++) {
        x->place[e] = total;
        total += x->count[e];
    }
    for (size_t k = 0; k < w->n * n_used; k++) {
        oa__choice *c = &x->chosen[k];
        if (c->expert < x->begin || c->expert >= x->end) continue;
        c->at = x->place[c->expert]++;
        x->row_of[c->at] = (uint32_t)(k / n_used);
    }
    return total;
}

/* One matrix of each expert that has rows: y (total, y_stride). */
static size_t add_jobs(const oa__work *w, size_t n_jobs, uint32_t mat, float *y, size_t y_stride)
{
    const oa__experts_work *x = &w->experts;
    const oa__weight *mats = w->layer->experts + (size_t)mat * w->m->hp.experts.n;
    for (uint32_t e = x->begin; e < x->end; e++) {
        if (x->count[e] == 0) continue;
        const size_t first = x->place[e] - x->count[e];
        x->jobs[n_jobs++] = (oa__mm){.w = &mats[e],
                                     .y = y + first * y_stride,
                                     .y_stride = y_stride,
                                     .first = first,
                                     .n_tokens = x->count[e]};
    }
    return n_jobs;
}

static int run_experts(oa__work *w)
{
    const oa_model *m = w->m;
    oa__experts_work *x = &w->experts;
    const size_t d = m->hp.d_model, total = place_rows(w);
    if (total == 0) return OA_OK;
    x->d_ff = m->hp.experts.d_ff;
    each_of(w, total, gather_row);
    size_t n = add_jobs(w, 0, OA__E_UP, w->up, x->d_ff);
    n = add_jobs(w, n, OA__E_GATE, w->gate, x->d_ff);
    oa__mm_run(m->kern, m->pool, x->jobs, n, x->in, d, total, w->mm_scratch);
    each_of(w, total, act_rows);
    n = add_jobs(w, 0, OA__E_DOWN, x->out, d);
    oa__mm_run(m->kern, m->pool, x->jobs, n, w->gate, x->d_ff, total, w->mm_scratch);
    oa__each_row(w, scatter_row);
    return oa__work_poll(w);
}

/* --- the expert of all rows ----------------------------------------------------------------- */

static void add_shared_row(oa__work *w, size_t i)
{
    const oa__experts_work *x = &w->experts;
    const size_t d = w->m->hp.d_model;
    add_row(w->m, x->to + i * d, x->out + i * d, 1.0f / (1.0f + oa__kern_expf(-x->scores[i])));
}

static int run_shared(oa__work *w)
{
    oa__experts_work *x = &w->experts;
    const size_t d_ff = w->m->hp.experts.d_ff_shared;
    const oa__product wide[] = {{OA__M_SHARED_UP, false, w->up, d_ff},
                                {OA__M_SHARED_GATE, false, w->gate, d_ff},
                                {OA__M_SHARED_ROUTER, false, x->scores, 1}};
    const oa__product down = {OA__M_SHARED_DOWN, false, x->out, w->m->hp.d_model};
    if (w->layer->mats[OA__M_SHARED_DOWN].data == NULL) return OA_OK;
    x->d_ff = d_ff;
    oa__products(w, wide, 3, x->from, x->from_stride);
    oa__each_row(w, act_rows);
    oa__products(w, &down, 1, w->gate, d_ff);
    oa__each_row(w, add_shared_row);
    return oa__work_poll(w);
}

int oa__ffn_experts(oa__work *w, const float *in, size_t in_stride, float *out, bool add)
{
    const oa__experts_params *p = &w->m->hp.experts;
    oa__experts_work *x = &w->experts;
    const oa__product router = {OA__M_ROUTER, false, x->scores, p->n};
    oa__assert(in != out); /* out grows while in is still read */
    x->from = in;
    x->from_stride = in_stride;
    x->to = out;
    oa__products(w, &router, 1, in, in_stride);
    oa__each_row(w, choose_row);
    memset(x->count, 0, p->n * sizeof *x->count);
    for (size_t k = 0; k < w->n * p->n_used; k++)
        x->count[x->chosen[k].expert]++;
    if (!add) memset(out, 0, w->n * w->m->hp.d_model * sizeof *out);
    /* A row chooses an expert once at most, so the rows of any one expert fit. */
    for (x->begin = 0; x->begin < p->n; x->begin = x->end) {
        size_t total = 0;
        for (x->end = x->begin; x->end < p->n && total + x->count[x->end] <= x->capacity; x->end++)
            total += x->count[x->end];
        OA__TRY(run_experts(w));
    }
    return run_shared(w);
}

/* --- scratch -------------------------------------------------------------------------------- */

size_t oa__experts_capacity(const oa_model *m, size_t n_rows)
{
    const oa__experts_params *p = &m->hp.experts;
    if (p->n == 0) return 0;
    return n_rows > p->n_used ? n_rows : p->n_used;
}
