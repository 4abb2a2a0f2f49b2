/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer for all rows of a pass. What an architecture has not is left out:
 *
 *     h  <- norm(x)
 *     q, k, v <- h Wq, h Wk, h Wv                            one product of three jobs
 *     norm q and k; turn them by position; store k, v in the pages; lay q out by key/value head,
 *     scaled
 *     h  <- attention over the pages                         (sequence tile, head) tasks
 *     x  <- x + r norm(h Wo)
 *     x  <- x + r norm(ffn(norm(x)))
 *     x  <- norm(x)                                          after both halves, in encoders
 *
 * In a parallel layer the feed-forward half reads the x that the attention read. Its input is kept
 * in h2; when there is one norm, that is the attention's input, too.
 */
#include "model/work.h"

/* --- attention's input ---------------------------------------------------------------------- */

static void norm_in_row(oa__work *w, size_t i)
{
    const oa_model *m = w->m;
    const size_t d = m->hp.d_model;
    float *const *attn = &w->layer->vecs[OA__V_ATTN_NORM], *const *ffn = attn;
    if (m->hp.parallel) {
        if (w->layer->vecs[OA__V_FFN_NORM] != NULL) ffn = &w->layer->vecs[OA__V_FFN_NORM];
        oa__norm(m, w->h2 + i * d, w->x + i * d, ffn, d);
        if (ffn == attn || attn[0] == NULL) return;
    }
    oa__norm(m, w->h + i * w->h_stride, w->x + i * d, attn, d);
}

/* Norm of the queries or keys of a row. */
static void norm_heads(const oa_model *m, float *x, const float *weight, size_t d)
{
    if (weight == NULL) return;
    const bool all = m->arch->qk_norm == OA__QK_ALL;
    const size_t width = all ? d : m->hp.d_head;
    const size_t step = m->arch->qk_norm == OA__QK_HEADS ? width : 0;
    for (size_t at = 0; at < d; at += width, weight += step) {
        float *const v[2] = {(float *)(uintptr_t)weight, NULL};
        oa__norm(m, x + at, x + at, v, width);
    }
}

static void turn_heads(const oa__work *w, float *x, size_t i, uint32_t n_heads)
{
    const oa_model *m = w->m;
    if (w->layer->rope < 0) return;
    const float *cs = w->cs + i * w->cs_stride + (size_t)w->layer->rope * m->hp.rope.d_rot;
    m->kern->rope(x, cs, n_heads, m->hp.d_head, m->hp.rope.d_rot, m->arch->rope_neox);
}

/* Keys and values of a row: normed, turned, then stored in the row's page. */
static void store_row(oa__work *w, size_t i)
{
    const oa_model *m = w->m;
    const oa__hparams *hp = &m->hp;
    const size_t d_kv = w->d_kv, d = hp->d_head;
    float *k = w->k + i * d_kv, *v = w->v + i * d_kv;
    const oa__row *r = &w->rows[i];
    oa__add_bias(m, k, w->layer->vecs[OA__V_K_BIAS], d_kv);
    oa__add_bias(m, v, w->layer->vecs[OA__V_V_BIAS], d_kv);
    norm_heads(m, k, w->layer->vecs[OA__V_K_NORM], d_kv);
    turn_heads(w, k, i, hp->n_heads_kv);
    uint8_t *page = (uint8_t *)r->pages[r->pos / OA__KV_PAGE] + w->layer_at;
    for (uint32_t head = 0; head < hp->n_heads_kv; head++, page += 2 * w->half_size) {
        m->kern->kv_store(page, page + w->half_size, k + head * d, v + head * d, d,
                          r->pos % OA__KV_PAGE, w->kv);
    }
}

/* Queries of a row: likewise, scaled, laid out by key/value head: (n_heads_kv, n_rows, group, d).
 */
static void query_row(oa__work *w, size_t i)
{
    const oa_model *m = w->m;
    const oa__hparams *hp = &m->hp;
    const size_t d = hp->d_head, group = w->group * d;
    float *q = w->q + i * w->d_q;
    oa__add_bias(m, q, w->layer->vecs[OA__V_Q_BIAS], w->d_q);
    norm_heads(m, q, w->layer->vecs[OA__V_Q_NORM], w->d_q);
    turn_heads(w, q, i, hp->n_heads);
    for (uint32_t head = 0; head < hp->n_heads_kv; head++) {
        float *to = w->q_heads + ((size_t)head * w->n + i) * group;
        const float *from = q + head * group;
        for (size_t e = 0; e < group; e++)
            to[e] = from[e] * hp->score_scale;
    }
}

static void store_and_query_row(oa__work *w, size_t i)
{
    store_row(w, i);
    query_row(w, i);
}

/* --- back into x ---------------------------------------------------------------------------- */

/* A half's output is in x already, or in y: its bias, norm and factor. */
static void close_half(oa__work *w, size_t i, size_t bias, size_t norm)
{
    const oa_model *m = w->m;
    const size_t d = m->hp.d_model;
    float *x = w->x + i * d, *y = w->has_y ? w->y + i * d : x;
    float *const *v = &w->layer->vecs[norm];
    oa__add_bias(m, y, w->layer->vecs[bias], d);
    const bool of_sum = m->arch->norm_sum;
    if (w->has_y) {
        if (v[0] != NULL && !of_sum) oa__norm(m, y, y, v, d);
        if (m->hp.residual_scale != 1) m->kern->scale(y, m->hp.residual_scale, d);
        m->kern->add(x, y, d);
    }
    if (of_sum) oa__norm(m, x, x, v, d);
}

static void attn_out_row(oa__work *w, size_t i)
{
    const size_t d = w->m->hp.d_model;
    float *const *v = &w->layer->vecs[OA__V_FFN_NORM];
    close_half(w, i, OA__V_O_BIAS, OA__V_ATTN_POST_NORM);
    if (w->m->hp.parallel || v[0] == NULL) return;
    oa__norm(w->m, w->h + i * w->h_stride, w->x + i * d, v, d);
}

static void ffn_out_row(oa__work *w, size_t i)
{
    close_half(w, i, OA__V_DOWN_BIAS, OA__V_FFN_POST_NORM);
}

/* --- the layer ------------------------------------------------------------------------------ */

/* q, k and v of the rows; in the last layer only those that want something go on. */
static int attention_half(oa__work *w, bool narrow)
{
    const oa__layer *l = w->layer;
    const size_t d = w->m->hp.d_model;
    const oa__product qkv[] = {{OA__M_K, false, w->k, w->d_kv},
                               {OA__M_V, false, w->v, w->d_kv},
                               {OA__M_Q, false, w->q, w->d_q}};
    const float *in = w->h;
    size_t stride = w->h_stride;
    const bool shared =
        w->m->hp.parallel && (l->vecs[OA__V_ATTN_NORM] == NULL || l->vecs[OA__V_FFN_NORM] == NULL);
    if (shared) in = w->h2, stride = d;
    if (w->m->hp.parallel || l->vecs[OA__V_ATTN_NORM] != NULL) {
        oa__each_row(w, norm_in_row);
    } else {
        in = w->x, stride = d;
    }
    oa__products(w, qkv, narrow ? 2 : 3, in, stride);
    OA__TRY(oa__work_poll(w));
    if (narrow) {
        oa__each_row(w, store_row);
        oa__keep_wanted(w);
        if (w->n == 0) return OA_OK;
        oa__products(w, &qkv[2], 1, in, stride);
        oa__each_row(w, query_row);
    } else {
        oa__each_row(w, store_and_query_row);
    }
    oa__attention(w);
    OA__TRY(oa__work_poll(w));
    const oa__product out = {OA__M_O, !w->has_y, w->has_y ? w->y : w->x, d};
    oa__products(w, &out, 1, w->h, w->h_stride);
    oa__each_row(w, attn_out_row);
    return OA_OK;
}

static int ffn_half(oa__work *w)
{
    const oa__layer *l = w->layer;
    const size_t d = w->m->hp.d_model;
    const float *in = w->h;
    size_t stride = w->h_stride;
    if (w->m->hp.parallel) {
        in = w->h2, stride = d;
    } else if (l->vecs[OA__V_FFN_NORM] == NULL) {
        in = w->x, stride = d;
    }
    OA__TRY(l->ffn(w, in, stride, w->has_y ? w->y : w->x, !w->has_y));
    if (w->has_y || w->m->arch->norm_sum || l->vecs[OA__V_DOWN_BIAS] != NULL)
        oa__each_row(w, ffn_out_row);
    return oa__work_poll(w);
}

int oa__block(oa__work *w, uint32_t index)
{
    const oa__hparams *hp = &w->m->hp;
    w->layer = &w->m->layers[index];
    w->layer_at = (size_t)index * hp->n_heads_kv * 2 * w->half_size;
    OA__TRY(attention_half(w, index + 1 == hp->n_layers && w->n_wanted < w->n));
    return w->n > 0 ? ffn_half(w) : OA_OK;
}
