/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch memory of forward passes: one block, carved up. Also the layout of cache pages. */
#include "model/work.h"

#include <string.h>

/* --- pages ---------------------------------------------------------------------------------- */

_Static_assert((int)OA_KV_F16 == OA__KV_F16 && (int)OA_KV_F32 == OA__KV_F32 &&
                   (int)OA_KV_Q8 == OA__KV_Q8,
               "the public types are the kernels'");

size_t oa__page_half_size(const oa_model *m, uint32_t kv_type)
{
    return oa__kern_kv_size(kv_type, m->hp.d_head);
}

size_t oa__model_page_size(const oa_model *m, uint32_t kv_type)
{
    /* At most 1024 layers * 4096 heads * 2 * 512 * 32 * 4 bytes: fits in 64 bits. */
    return (size_t)m->hp.n_layers * m->hp.n_heads_kv * 2 * oa__page_half_size(m, kv_type);
}

/* The first n of 32 elements of `size` bytes, for n_rows rows. */
static void copy_slots(uint8_t *to, const uint8_t *from, size_t n_rows, size_t n, size_t size)
{
    for (size_t i = 0; i < n_rows; i++)
        memcpy(to + i * OA__KV_PAGE * size, from + i * OA__KV_PAGE * size, n * size);
}

void oa__model_page_copy(const oa_model *m, uint32_t kv_type, void *dst, const void *src,
                         uint32_t n_positions)
{
    const size_t d = m->hp.d_head, half = oa__page_half_size(m, kv_type);
    const size_t e = kv_type == OA_KV_F32 ? 4 : kv_type == OA_KV_F16 ? 2 : 1;
    const size_t n_scales = kv_type == OA_KV_Q8 ? (d + 31) / 32 : 0,
                 at = n_scales * 2 * OA__KV_PAGE;
    const size_t n_heads = (size_t)m->hp.n_layers * m->hp.n_heads_kv;
    uint8_t *to = dst;
    const uint8_t *from = src;
    if (n_positions > OA__KV_PAGE) n_positions = OA__KV_PAGE;
    for (size_t i = 0; i < n_heads; i++) {
        copy_slots(to, from, n_scales, n_positions, 2);
        copy_slots(to + at, from + at, d, n_positions, e);
        to += half;
        from += half;
        copy_slots(to, from, n_scales, n_positions, 2);
        memcpy(to + at, from + at, n_positions * d * e);
        to += half;
        from += half;
    }
}

/* --- scratch -------------------------------------------------------------------------------- */

/* Takes parts off a block; with base NULL it only counts. */
typedef struct carver {
    uint8_t *base;
    size_t at;
    bool overflow;
} carver;

static void *take(carver *c, size_t n, size_t size)
{
    size_t bytes;
    if (!oa__mul_size(n, size, &bytes) || !oa__add_size(bytes, 63, &bytes)) c->overflow = true;
    bytes &= ~(size_t)63;
    void *part = c->base != NULL ? c->base + c->at : NULL;
    if (!oa__add_size(c->at, bytes, &c->at)) c->overflow = true;
    return part;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Floats of gate, and of up: whatever kinds of layers there are. */
static size_t ffn_floats(const oa__work *w)
{
    const oa__hparams *hp = &w->m->hp;
    const size_t n = w->n_rows_max;
    bool dense = false;
    for (uint32_t i = 0; i < hp->n_layers; i++)
        dense = dense || !(hp->layers[i] & OA__L_EXPERTS);
    const size_t wide = dense ? n * hp->d_ff : 0;
    return max_size(wide, max_size(w->experts.capacity * hp->experts.d_ff,
                                   hp->experts.n > 0 ? n * hp->experts.d_ff_shared : 0));
}

static void carve_experts(oa__work *w, carver *c)
{
    const oa__experts_params *p = &w->m->hp.experts;
    const size_t n = w->n_rows_max, d = w->m->hp.d_model;
    oa__experts_work *x = &w->experts;
    x->scores = take(c, n * p->n, sizeof *x->scores);
    x->chosen = take(c, n * p->n_used, sizeof *x->chosen);
    x->count = take(c, p->n, sizeof *x->count);
    x->place = take(c, p->n, sizeof *x->place);
    x->row_of = take(c, x->capacity, sizeof *x->row_of);
    x->in = take(c, x->capacity * d, sizeof *x->in);
    x->out = take(c, x->capacity * d, sizeof *x->out);
    x->jobs = take(c, 2 * (size_t)p->n, sizeof *x->jobs);
}

static int carve(oa__work *w, carver *c)
{
    const oa__hparams *hp = &w->m->hp;
    const size_t n = w->n_rows_max, n_workers = w->m->n_threads;
    size_t mm_size;
    size_t widest = max_size(max_size(w->d_q, hp->d_model), hp->d_ff);
    if (hp->experts.n > 0) {
        widest = max_size(widest, max_size(hp->experts.d_ff, hp->experts.d_ff_shared));
    }
    OA__TRY(oa__mm_scratch_size(widest, max_size(n, w->experts.capacity), (uint32_t)n_workers,
                                &mm_size));

    w->rows = take(c, n, sizeof *w->rows);
    w->tiles = take(c, n, sizeof *w->tiles);
    w->x = take(c, n * hp->d_model, sizeof(float));
    w->h = take(c, n * w->h_stride, sizeof(float));
    w->h2 = take(c, w->has_h2 ? n * hp->d_model : 0, sizeof(float));
    w->y = take(c, w->has_y ? n * hp->d_model : 0, sizeof(float));
    w->cs = take(c, n * w->cs_stride, sizeof(float));
    /* The feed-forward layer begins when the attention's inputs are used up. */
    carver ffn = *c;
    w->q = take(c, n * w->d_q, sizeof(float));
    w->k = take(c, n * w->d_kv, sizeof(float));
    w->v = take(c, n * w->d_kv, sizeof(float));
    w->q_heads = take(c, n * w->d_q, sizeof(float));
    const size_t n_wide = ffn_floats(w);
    w->gate = take(&ffn, n_wide, sizeof(float));
    w->up = take(&ffn, n_wide, sizeof(float));
    if (hp->experts.n > 0) carve_experts(w, &ffn);
    if (ffn.at > c->at) c->at = ffn.at;
    c->overflow = c->overflow || ffn.overflow;
    w->attn = take(c, n_workers * w->attn_size, sizeof(float));
    const size_t n_logits = w->n_logits_max < OA__WORK_LOGITS ? w->n_logits_max : OA__WORK_LOGITS;
    w->logits = take(c, n_logits * hp->n_vocab, sizeof(float));
    w->mm_scratch = take(c, mm_size, 1);
    if (c->overflow) {
        return oa__err(OA_ENOMEM, "scratch for %zu rows is larger than memory", n);
    }
    return OA_OK;
}

static void set_sizes(oa__work *w, const oa_model *m, size_t n_rows, size_t n_logits)
{
    const oa__hparams *hp = &m->hp;
    w->m = m;
    w->n_rows_max = n_rows;
    w->n_logits_max = n_logits;
    w->d_q = oa__hparams_dim(hp, OA__D_Q);
    w->d_kv = oa__hparams_dim(hp, OA__D_KV);
    w->h_stride = max_size(hp->d_model, w->d_q);
    w->group = hp->n_heads / hp->n_heads_kv;
    w->cs_stride = (size_t)hp->n_ropes * hp->rope.d_rot;
    w->has_h2 = hp->parallel;
    w->has_y = m->arch->norm_after || hp->residual_scale != 1;
    w->attn_size = oa__attention_scratch(m);
    w->experts.capacity = oa__experts_capacity(m, n_rows);
}

size_t oa__work_size(const oa_model *m, size_t n_rows, size_t n_logits)
{
    oa__work w = {0};
    carver c = {0};
    set_sizes(&w, m, n_rows, n_logits);
    return carve(&w, &c) == OA_OK ? c.at + sizeof w : SIZE_MAX;
}

int oa__work_new(oa__work **out, const oa_model *m, size_t n_rows, size_t n_logits)
{
    *out = NULL;
    if (n_rows == 0 || n_rows > UINT32_MAX) {
        return oa__err(OA_EINVAL, "work for %zu rows, want 1 to %u", n_rows, UINT32_MAX);
    }
    int rc;
    carver c = {0};
    oa__mem *mem = oa__model_mem(m);
    oa__work *w = oa__alloc(mem, sizeof *w);
    if (w == NULL) return OA_ENOMEM;
    w->mem = mem;
    set_sizes(w, m, n_rows, n_logits);
    OA__TRY_GOTO(carve(w, &c));
    w->block = c.base = oa__alloc(mem, c.at);
    if (w->block == NULL) {
        rc = OA_ENOMEM;
        goto fail;
    }
    c.at = 0;
    OA__TRY_GOTO(carve(w, &c));
    *out = w;
    return OA_OK;
fail:
    oa__work_free(w);
    return rc;
}

void oa__work_free(oa__work *w)
{
    if (w == NULL) return;
    oa__free(w->mem, w->low);
    oa__free(w->mem, w->block);
    oa__free(w->mem, w);
}
