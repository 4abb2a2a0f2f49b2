/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forward pass: all rows of a pass go through a layer together, stage by stage.
 *
 *     x  <- embedding rows                                      (n_rows, d_model)
 *     per layer
 *        h  <- rmsnorm(x)
 *        q, k, v <- h Wq, h Wk, h Wv                            one product of three jobs
 *        turn q and k by position; store k, v in the pages; lay q out by key/value head, scaled
 *        h  <- attention over the pages                         (sequence tile, head) tasks
 *        x  <- x + h Wo
 *        h  <- rmsnorm(x)
 *        g, u <- h Wg, h Wu
 *        x  <- x + (silu(g) * u) Wd
 *     logits <- rmsnorm(x) Wout                                 rows that want them
 *
 * A row's numbers depend on its token, its position and the pages only: every stage computes rows
 * one by one, or in tiles that the kernels promise not to show. So it does not matter how rows are
 * grouped, and in the last layer the rows that nobody asks about stop once their keys and values
 * are stored.
 */
#include "model/work.h"

#include <math.h>
#include <string.h>

enum { ROWS_PER_TASK = 8 };

/* --- stages that work row by row ------------------------------------------------------------ */

typedef void (*row_fn)(oa__work *w, size_t row);

typedef struct row_job {
    oa__work *w;
    row_fn fn;
    size_t n_rows;
} row_job;

static void row_task(void *arg, size_t task, uint32_t worker)
{
    const row_job *j = arg;
    const size_t begin = task * ROWS_PER_TASK;
    const size_t end = begin + ROWS_PER_TASK < j->n_rows ? begin + ROWS_PER_TASK : j->n_rows;
    for (size_t i = begin; i < end; i++)
        j->fn(j->w, i);
}

/* A few rows are done at once by the caller: waking threads would cost more. */
static void each_row(oa__work *w, row_fn fn)
{
    row_job j = {w, fn, w->n};
    const size_t n_tasks = (w->n + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
    if (n_tasks == 1) {
        row_task(&j, 0, 0);
    } else {
        oa__pool_run(w->m->pool, row_task, &j, n_tasks);
    }
}

static void begin_row(oa__work *w, size_t i)
{
    const oa_model *m = w->m;
    const oa__row *r = &w->rows[i];
    const uint8_t *embd = m->embd_rows + (size_t)r->id * m->embd_row_size;
    oa__row_dequant(m->embd->type, embd, w->x + i * m->hp.d_model, m->hp.d_model);
    oa__rope_cos_sin(m, r->pos, w->cs + i * m->hp.d_rot);
}

static void norm_row(oa__work *w, size_t i)
{
    const size_t d = w->m->hp.d_model;
    w->m->kern->rmsnorm(w->h + i * w->h_stride, w->x + i * d, w->norm, d, w->m->hp.norm_eps);
}

static void add_bias(const oa_model *m, float *y, const float *bias, size_t n)
{
    if (bias != NULL) m->kern->add(y, bias, n);
}

/* Keys and values of a row: turned, then stored in the row's page. */
static void store_row(oa__work *w, size_t i)
{
    const oa_model *m = w->m;
    const oa__hparams *hp = &m->hp;
    const size_t d_kv = w->d_kv, d = hp->d_head;
    float *k = w->k + i * d_kv, *v = w->v + i * d_kv;
    const oa__row *r = &w->rows[i];
    add_bias(m, k, w->layer->vecs[OA__V_K_BIAS], d_kv);
    add_bias(m, v, w->layer->vecs[OA__V_V_BIAS], d_kv);
    m->kern->rope(k, w->cs + i * hp->d_rot, hp->n_heads_kv, d, hp->d_rot, m->arch->rope_neox);
    uint8_t *page = (uint8_t *)r->pages[r->pos / OA__KV_PAGE] + w->layer_at;
    for (uint32_t head = 0; head < hp->n_heads_kv; head++, page += 2 * w->half_size) {
        m->kern->kv_store(page, page + w->half_size, k + head * d, v + head * d, d,
                          r->pos % OA__KV_PAGE, w->kv_f32);
    }
}

/* Queries of a row: turned, scaled, laid out by key/value head: (n_heads_kv, n_rows, group, d). */
static void query_row(oa__work *w, size_t i)
{
    const oa_model *m = w->m;
    const oa__hparams *hp = &m->hp;
    const size_t d = hp->d_head, group = w->group * d;
    float *q = w->q + i * w->d_q;
    add_bias(m, q, w->layer->vecs[OA__V_Q_BIAS], w->d_q);
    m->kern->rope(q, w->cs + i * hp->d_rot, hp->n_heads, d, hp->d_rot, m->arch->rope_neox);
    for (uint32_t head = 0; head < hp->n_heads_kv; head++) {
        float *to = w->q_heads + ((size_t)head * w->n + i) * group;
        const float *from = q + head * group;
        for (size_t e = 0; e < group; e++)
            to[e] = from[e] * w->q_scale;
    }
}

static void store_and_query_row(oa__work *w, size_t i)
{
    store_row(w, i);
    query_row(w, i);
}

static void attn_out_row(oa__work *w, size_t i)
{
    const size_t d = w->m->hp.d_model;
    add_bias(w->m, w->x + i * d, w->layer->vecs[OA__V_O_BIAS], d);
    norm_row(w, i);
}

static void act_row(oa__work *w, size_t i)
{
    const size_t d_ff = w->m->hp.d_ff;
    float *gate = w->gate + i * d_ff, *up = w->up + i * d_ff;
    add_bias(w->m, gate, w->layer->vecs[OA__V_GATE_BIAS], d_ff);
    add_bias(w->m, up, w->layer->vecs[OA__V_UP_BIAS], d_ff);
    w->m->kern->act[OA__ACT_SILU](gate, gate, up, d_ff);
}

static void ffn_out_row(oa__work *w, size_t i)
{
    const size_t d = w->m->hp.d_model;
    add_bias(w->m, w->x + i * d, w->layer->vecs[OA__V_DOWN_BIAS], d);
}

/* --- the pass ------------------------------------------------------------------------------- */

static void product(oa__work *w, const oa__mm *jobs, size_t n_jobs, const float *x, size_t stride)
{
    oa__mm_run(w->m->kern, w->m->pool, jobs, n_jobs, x, stride, w->n, w->mm_scratch);
}

/* Keep the rows that want logits; x and cs move along. */
static void keep_wanted(oa__work *w)
{
    const size_t d = w->m->hp.d_model, d_rot = w->m->hp.d_rot;
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (w->rows[i].logits == NULL) continue;
        if (n != i) {
            w->rows[n] = w->rows[i];
            memcpy(w->x + n * d, w->x + i * d, d * sizeof(float));
            memcpy(w->h + n * w->h_stride, w->h + i * w->h_stride, d * sizeof(float));
            memcpy(w->cs + n * d_rot, w->cs + i * d_rot, d_rot * sizeof(float));
        }
        n++;
    }
    w->n = n;
}

static int poll(int (*check)(void *arg), void *arg)
{
    if (check != NULL && check(arg) != 0) return oa__err(OA_ECANCELLED, "cancelled by a callback");
    return OA_OK;
}

static int run_layer(oa__work *w, uint32_t index, int (*check)(void *arg), void *arg)
{
    const oa_model *m = w->m;
    const oa__hparams *hp = &m->hp;
    const bool narrow = index + 1 == hp->n_layers && w->n_wanted < w->n;
    const oa__layer *layer = &m->layers[index];
    w->layer = layer;
    w->layer_at = (size_t)index * hp->n_heads_kv * 2 * w->half_size;

    const oa__mm qkv[] = {{&layer->mats[OA__M_K], w->k, w->d_kv, false},
                          {&layer->mats[OA__M_V], w->v, w->d_kv, false},
                          {&layer->mats[OA__M_Q], w->q, w->d_q, false}};
    w->norm = layer->vecs[OA__V_ATTN_NORM];
    each_row(w, norm_row);
    product(w, qkv, narrow ? 2 : 3, w->h, w->h_stride);
    OA__TRY(poll(check, arg));
    if (narrow) {
        each_row(w, store_row);
        keep_wanted(w);
        if (w->n == 0) return OA_OK;
        product(w, &qkv[2], 1, w->h, w->h_stride);
        each_row(w, query_row);
    } else {
        each_row(w, store_and_query_row);
    }
    oa__attention(w);
    OA__TRY(poll(check, arg));

    const oa__mm out = {&layer->mats[OA__M_O], w->x, hp->d_model, true};
    product(w, &out, 1, w->h, w->h_stride);
    w->norm = layer->vecs[OA__V_FFN_NORM];
    each_row(w, attn_out_row);
    const oa__mm gate_up[] = {{&layer->mats[OA__M_GATE], w->gate, hp->d_ff, false},
                              {&layer->mats[OA__M_UP], w->up, hp->d_ff, false}};
    product(w, gate_up, 2, w->h, w->h_stride);
    OA__TRY(poll(check, arg));
    each_row(w, act_row);
    const oa__mm down = {&layer->mats[OA__M_DOWN], w->x, hp->d_model, true};
    product(w, &down, 1, w->gate, hp->d_ff);
    if (layer->vecs[OA__V_DOWN_BIAS] != NULL) each_row(w, ffn_out_row);
    return poll(check, arg);
}

/* Rows [begin, end) have logits at one distance from each other: written in place. */
static bool evenly_spaced(const oa__work *w, size_t begin, size_t end)
{
    const ptrdiff_t n_vocab = w->m->hp.n_vocab;
    for (size_t i = begin + 1; i < end; i++) {
        if (w->rows[i].logits != w->rows[i - 1].logits + n_vocab) return false;
    }
    return true;
}

static int run_output(oa__work *w, int (*check)(void *arg), void *arg)
{
    const oa_model *m = w->m;
    const size_t n_vocab = m->hp.n_vocab, n_all = w->n;
    w->norm = m->vecs[OA__V_OUT_NORM];
    each_row(w, norm_row);
    /* In parts, so that a cancel is heard in between; scattered ones through a buffer. */
    for (size_t begin = 0; begin < n_all; begin += OA__WORK_LOGITS) {
        const size_t n = n_all - begin < OA__WORK_LOGITS ? n_all - begin : OA__WORK_LOGITS;
        const bool direct = evenly_spaced(w, begin, begin + n);
        float *to = direct ? w->rows[begin].logits : w->logits;
        const oa__mm job = {&m->mats[OA__M_OUT], to, n_vocab, false};
        w->n = n;
        product(w, &job, 1, w->h + begin * w->h_stride, w->h_stride);
        for (size_t i = 0; i < n && !direct; i++) {
            memcpy(w->rows[begin + i].logits, w->logits + i * n_vocab, n_vocab * sizeof(float));
        }
        OA__TRY(poll(check, arg));
    }
    return OA_OK;
}

static int forward(const oa_model *m, oa__work *w, uint32_t kv_type, const oa__row *rows,
                   size_t n_rows, int (*check)(void *arg), void *arg)
{
    if (n_rows == 0) return OA_OK;
    if (!m->has_weights || w->m != m || n_rows > w->n_rows_max || kv_type > OA_KV_F32) {
        return oa__err(OA_EINTERNAL, "forward pass of %zu rows, work for %zu", n_rows,
                       w->n_rows_max);
    }
    w->n = n_rows;
    w->n_wanted = 0;
    w->kv_f32 = kv_type == OA_KV_F32;
    w->half_size = oa__page_half_size(m, kv_type);
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i].id < 0 || (uint32_t)rows[i].id >= m->hp.n_vocab) {
            return oa__err(OA_EINVAL, "token %d, the vocabulary has %u", rows[i].id, m->hp.n_vocab);
        }
        w->rows[i] = rows[i];
        w->n_wanted += rows[i].logits != NULL;
    }
    if (w->n_wanted > w->n_logits_max) {
        return oa__err(OA_EINTERNAL, "%zu rows want logits, work for %zu", w->n_wanted,
                       w->n_logits_max);
    }
    OA__TRY(poll(check, arg));
    each_row(w, begin_row);
    for (uint32_t i = 0; i < m->hp.n_layers && w->n > 0; i++)
        OA__TRY(run_layer(w, i, check, arg));
    return w->n > 0 ? run_output(w, check, arg) : OA_OK;
}

int oa__model_forward(const oa_model *m, oa__work *w, uint32_t kv_type, const oa__row *rows,
                      size_t n_rows, int (*check)(void *arg), void *arg)
{
    oa__fp fp;
    oa__fp_enter(&fp);
    const int rc = forward(m, w, kv_type, rows, n_rows, check, arg);
    oa__fp_leave(&fp);
    return rc;
}
