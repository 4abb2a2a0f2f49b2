/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forward pass: all rows of a pass go through a layer together, stage by stage.
 *
 *     x  <- embedding rows, those of types and positions, norm  (n_rows, d_model)
 *     each layer: block.c
 *     hidden <- norm(x)                                         rows that want it
 *     logits <- hidden Wout                                     rows that want them
 *
 * A row's numbers depend on its token, its position and the pages only: every stage computes rows
 * one by one, or in tiles that the kernels promise not to show. So it does not matter how rows are
 * grouped, and in the last layer the rows that nobody asks about stop once their keys and values
 * are stored.
 */
#include "model/work.h"

#include <string.h>

enum { ROWS_PER_TASK = 8, MAX_JOBS = 8 };

/* --- stages that work row by row ------------------------------------------------------------ */

typedef struct row_job {
    oa__work *w;
    oa__row_fn fn;
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
void oa__each_row(oa__work *w, oa__row_fn fn)
{
    row_job j = {w, fn, w->n};
    const size_t n_tasks = (w->n + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
    if (n_tasks == 1) {
        row_task(&j, 0, 0);
    } else {
        oa__pool_run(w->m->pool, row_task, &j, n_tasks);
    }
}

void oa__norm(const oa_model *m, float *y, const float *x, float *const *v, size_t n)
{
    if (m->arch->layer_norm) {
        m->kern->layernorm(y, x, v[0], v[1], n, m->hp.norm_eps);
    } else {
        m->kern->rmsnorm(y, x, v[0], n, m->hp.norm_eps);
    }
}

void oa__add_bias(const oa_model *m, float *y, const float *bias, size_t n)
{
    if (bias != NULL) m->kern->add(y, bias, n);
}

/* A row as the file has it; room takes one that has to be put together. */
static const void *table_row(const oa__table_rows *t, size_t i, void *room)
{
    if (t->packed == NULL) return t->data + i * t->row_size;
    oa__weight_row(t->packed, i, room);
    return room;
}

static void begin_row(oa__work *w, size_t i)
{
    const oa_model *m = w->m;
    const size_t d = m->hp.d_model;
    const oa__row *r = &w->rows[i];
    const oa__table_rows *embd = &m->tables[OA__R_EMBD], *pos = &m->tables[OA__R_POS];
    const oa__table_rows *types = &m->tables[OA__R_TYPES];
    float *x = w->x + i * d, *h = w->h + i * w->h_stride;
    oa__row_dequant(embd->type, table_row(embd, (size_t)r->id, h), x, d);
    if (m->hp.embd_scale != 1) m->kern->scale(x, m->hp.embd_scale, d);
    if (types->data != NULL) {
        oa__row_dequant(types->type, table_row(types, r->segment, NULL), h, d);
        m->kern->add(x, h, d);
    }
    if (pos->data != NULL) {
        oa__row_dequant(pos->type, table_row(pos, r->pos, NULL), h, d);
        m->kern->add(x, h, d);
    }
    if (m->vecs[OA__V_EMBD_NORM] != NULL) oa__norm(m, x, x, &m->vecs[OA__V_EMBD_NORM], d);
    float *cs = w->cs + i * w->cs_stride;
    for (uint32_t k = 0; k < m->hp.n_ropes; k++, cs += m->hp.rope.d_rot)
        oa__rope_cos_sin(m, &m->ropes[k], r->pos, r->rope_long, cs);
}

static void norm_out_row(oa__work *w, size_t i)
{
    const size_t d = w->m->hp.d_model;
    float *h = w->h + i * w->h_stride, *const *v = &w->m->vecs[OA__V_OUT_NORM];
    if (v[0] != NULL) {
        oa__norm(w->m, h, w->x + i * d, v, d);
    } else {
        memcpy(h, w->x + i * d, d * sizeof *h);
    }
}

static void logits_row(oa__work *w, size_t i)
{
    const oa_model *m = w->m;
    const size_t n = m->hp.n_vocab;
    float *y = w->logits_at + i * n;
    oa__add_bias(m, y, m->vecs[OA__V_OUT_BIAS], n);
    if (m->hp.logit_scale != 1) m->kern->scale(y, m->hp.logit_scale, n);
    if (m->hp.logit_cap != 0) m->kern->softcap(y, m->hp.logit_cap, n);
}

/* --- products ------------------------------------------------------------------------------- */

void oa__products(oa__work *w, const oa__product *jobs, size_t n_jobs, const float *x,
                  size_t x_stride)
{
    const oa__weight *mats = w->layer != NULL ? w->layer->mats : w->m->mats;
    oa__mm mm[MAX_JOBS];
    oa__assert(n_jobs <= MAX_JOBS);
    for (size_t i = 0; i < n_jobs; i++)
        mm[i] = (oa__mm){.w = &mats[jobs[i].slot],
                         .y = jobs[i].y,
                         .y_stride = jobs[i].y_stride,
                         .add = jobs[i].add};
    oa__mm_run(w->m->kern, w->m->pool, mm, n_jobs, x, x_stride, w->n, w->mm_scratch);
    if (w->has_adapters && w->layer != NULL) oa__add_adapters(w, jobs, n_jobs, x, x_stride);
}

/* --- the pass ------------------------------------------------------------------------------- */

int oa__work_poll(oa__work *w)
{
    const int rc = w->check != NULL ? w->check(w->check_arg) : OA_OK;
    if (rc > 0) return oa__err(OA_ECANCELLED, "cancelled by a callback");
    return rc; /* a code below 0 has its reason already */
}

static void move_row(float *rows, size_t stride, size_t n, size_t to, size_t from)
{
    memcpy(rows + to * stride, rows + from * stride, n * sizeof *rows);
}

static bool is_wanted(const oa__row *r)
{
    return r->logits != NULL || r->hidden != NULL;
}

/* All that later stages read of a row moves along. */
void oa__keep_wanted(oa__work *w)
{
    const size_t d = w->m->hp.d_model;
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (!is_wanted(&w->rows[i])) continue;
        if (n != i) {
            w->rows[n] = w->rows[i];
            move_row(w->x, d, d, n, i);
            move_row(w->h, w->h_stride, d, n, i);
            if (w->has_h2) move_row(w->h2, d, d, n, i);
            move_row(w->cs, w->cs_stride, w->cs_stride, n, i);
        }
        n++;
    }
    w->n = n;
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

/* Hand out hidden states; then only rows that want logits are left. */
static void give_hidden(oa__work *w)
{
    const size_t d = w->m->hp.d_model;
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        const float *h = w->h + i * w->h_stride;
        if (w->rows[i].hidden != NULL) memcpy(w->rows[i].hidden, h, d * sizeof *h);
        if (w->rows[i].logits == NULL) continue;
        if (n != i) {
            w->rows[n] = w->rows[i];
            move_row(w->h, w->h_stride, d, n, i);
        }
        n++;
    }
    w->n = n;
}

static int run_output(oa__work *w)
{
    const oa_model *m = w->m;
    const size_t n_vocab = m->hp.n_vocab;
    const bool more = m->vecs[OA__V_OUT_BIAS] || m->hp.logit_scale != 1 || m->hp.logit_cap != 0;
    w->layer = NULL;
    oa__each_row(w, norm_out_row);
    give_hidden(w);
    const size_t n_all = w->n;
    /* In parts, so that a cancel is heard in between; scattered ones through a buffer. */
    for (size_t begin = 0; begin < n_all; begin += OA__WORK_LOGITS) {
        const size_t n = n_all - begin < OA__WORK_LOGITS ? n_all - begin : OA__WORK_LOGITS;
        const bool direct = evenly_spaced(w, begin, begin + n);
        w->logits_at = direct ? w->rows[begin].logits : w->logits;
        const oa__product job = {OA__M_OUT, false, w->logits_at, n_vocab};
        w->n = n;
        oa__products(w, &job, 1, w->h + begin * w->h_stride, w->h_stride);
        if (more) oa__each_row(w, logits_row);
        for (size_t i = 0; i < n && !direct; i++) {
            memcpy(w->rows[begin + i].logits, w->logits + i * n_vocab, n_vocab * sizeof(float));
        }
        OA__TRY(oa__work_poll(w));
    }
    return OA_OK;
}

static int check_row(const oa_model *m, const oa__row *r)
{
    if (r->id < 0 || (uint32_t)r->id >= m->hp.n_vocab) {
        return oa__err(OA_EINVAL, "token %d, the vocabulary has %u", r->id, m->hp.n_vocab);
    }
    if (m->tables[OA__R_POS].data != NULL && r->pos >= m->tables[OA__R_POS].n_rows) {
        return oa__err(OA_EINVAL, "position %u, the model has %zu", r->pos,
                       m->tables[OA__R_POS].n_rows);
    }
    const oa__table_rows *types = &m->tables[OA__R_TYPES];
    if (types->data != NULL && r->segment >= types->n_rows) {
        return oa__err(OA_EINTERNAL, "segment %u, the model has %zu", r->segment, types->n_rows);
    }
    if (m->arch->encoder && (r->logits != NULL || r->pos >= r->n_seen)) {
        return oa__err(OA_EINTERNAL, "position %u of an encoder's %u, or logits", r->pos,
                       r->n_seen);
    }
    return OA_OK;
}

static int forward(const oa_model *m, oa__work *w, uint32_t kv_type, const oa__row *rows,
                   size_t n_rows)
{
    if (n_rows == 0) return OA_OK;
    if (!m->has_weights || w->m != m || n_rows > w->n_rows_max || kv_type > OA_KV_Q8) {
        return oa__err(OA_EINTERNAL, "forward pass of %zu rows, work for %zu", n_rows,
                       w->n_rows_max);
    }
    size_t n_logits = 0;
    w->n = n_rows;
    w->n_wanted = 0;
    w->has_adapters = false;
    w->kv = kv_type;
    w->half_size = oa__page_half_size(m, kv_type);
    for (size_t i = 0; i < n_rows; i++) {
        OA__TRY(check_row(m, &rows[i]));
        w->rows[i] = rows[i];
        w->n_wanted += is_wanted(&rows[i]);
        n_logits += rows[i].logits != NULL;
        w->has_adapters = w->has_adapters || rows[i].adapters != NULL;
    }
    if (n_logits > w->n_logits_max) {
        return oa__err(OA_EINTERNAL, "%zu rows want logits, work for %zu", n_logits,
                       w->n_logits_max);
    }
    if (w->has_adapters) OA__TRY(oa__work_fit_adapters(w));
    OA__TRY(oa__work_poll(w));
    oa__each_row(w, begin_row);
    for (uint32_t i = 0; i < m->hp.n_layers && w->n > 0; i++)
        OA__TRY(oa__block(w, i));
    return w->n > 0 ? run_output(w) : OA_OK;
}

int oa__model_forward(const oa_model *m, oa__work *w, uint32_t kv_type, const oa__row *rows,
                      size_t n_rows, int (*check)(void *arg), void *arg)
{
    oa__fp fp;
    w->check = check;
    w->check_arg = arg;
    oa__fp_enter(&fp);
    const int rc = forward(m, w, kv_type, rows, n_rows);
    oa__fp_leave(&fp);
    return rc;
}
