/* SPDX-License-Identifier: Apache-2.0 */
/* Weights from the file into the layouts of the kernels. */
#include "model/weights.h"

typedef struct loading {
    oa__progress *progress;
    uint64_t done; /* bytes of the file */
} loading;

/* The tensor's bytes: where they lie, or made in *made, which the caller frees. */
static int get_bytes(oa_model *m, const oa__gguf_tensor *t, const void **data, void **made)
{
    *made = NULL;
    *data = t->data;
    if (*data != NULL) return OA_OK;
    *made = oa__alloc(&m->mem, t->size);
    if (*made == NULL) return OA_ENOMEM;
    *data = *made;
    return oa__gguf_tensor_load(m->gguf, t, *made);
}

/* The n elements from `first` on, as floats. */
static int load_vector(oa_model *m, float **out, const oa__gguf_tensor *t, const void *data,
                       size_t first, size_t n)
{
    const oa__type_info *type = oa__type_get(t->type);
    if (first % type->block_len != 0 || n % type->block_len != 0) {
        return oa__err(OA_EUNSUPPORTED, "tensor %s: a vector's part of %zu in blocks of %u",
                       t->name, n, type->block_len);
    }
    *out = oa__alloc_array(&m->mem, n, sizeof **out);
    if (*out == NULL) return OA_ENOMEM;
    oa__row_dequant(t->type, (const uint8_t *)data + first / type->block_len * type->block_size,
                    *out, n);
    return OA_OK;
}

static int load_vectors(oa_model *m, const oa__found *f)
{
    const void *data;
    void *made;
    int rc;
    size_t first = 0;
    float **vecs = f->specs->flags & OA__T_LAYER ? m->layers[f->layer].vecs : m->vecs;
    OA__TRY_GOTO(get_bytes(m, f->t, &data, &made));
    for (size_t i = 0; i < f->n_specs; i++) {
        const size_t n = oa__spec_rows(m, &f->specs[i]) * oa__hparams_dim(&m->hp, f->specs[i].n_in);
        OA__TRY_GOTO(load_vector(m, &vecs[f->specs[i].slot], f->t, data, first, n));
        first += n;
    }
    oa__gguf_tensor_drop(m->gguf, f->t);
fail:
    oa__free(&m->mem, made);
    return rc;
}

static oa__weight *part_weight(oa_model *m, const oa__found *f, size_t i)
{
    const size_t slot = oa__found_spec(f, i)->slot;
    if (!(f->specs->flags & OA__T_LAYER)) return &m->mats[slot];
    oa__layer *layer = &m->layers[f->layer];
    if (f->n_experts == 0) return &layer->mats[slot];
    return &layer->experts[slot * m->hp.experts.n + f->expert + i];
}

/* Rows of a tensor in place, from `first` on, that become a weight. */
typedef struct part {
    oa_model *m;
    const oa__gguf_tensor *t;
    size_t first;
} part;

static void part_used(void *arg, size_t at, size_t size)
{
    const part *p = arg;
    oa__gguf_tensor_drop_part(p->m->gguf, p->t, p->first + at, size);
}

/* Matrices that the file has packed are used where they lie. */
static int place_matrices(oa_model *m, const oa__found *f, loading *l)
{
    const oa__gguf_tensor *t = f->t;
    const uint8_t *at = t->groups;
    for (size_t i = 0; i < oa__found_parts(f); i++) {
        const size_t n_rows = oa__spec_rows(m, oa__found_spec(f, i));
        size_t size;
        OA__TRY(oa__weight_size(t->type, n_rows, (size_t)t->dims[0], &size));
        *part_weight(m, f, i) = (oa__weight){
            .type = t->type, .n_rows = n_rows, .n_cols = (size_t)t->dims[0], .data = at};
        at += size;
    }
    l->done += t->size;
    return OA_OK;
}

/* The rows of one or several matrices that lie in one tensor. */
static int load_matrices(oa_model *m, const oa__found *f, loading *l)
{
    const oa__gguf_tensor *t = f->t;
    const void *data;
    void *made;
    int rc;
    size_t row_size, size;
    part p = {.m = m, .t = t};
    if (t->groups != NULL) return place_matrices(m, f, l);
    OA__TRY_GOTO(get_bytes(m, t, &data, &made));
    OA__TRY_GOTO(oa__type_row_size(t->type, t->dims[0], &row_size));
    for (size_t i = 0; i < oa__found_parts(f); i++) {
        const size_t n_rows = oa__spec_rows(m, oa__found_spec(f, i));
        const oa__weight_from from = {.rows = (const uint8_t *)data + p.first,
                                      .room = m->arena + m->arena_used,
                                      .progress = l->progress,
                                      .done = l->done + p.first,
                                      .used = made == NULL ? part_used : NULL,
                                      .arg = &p};
        OA__TRY_GOTO(oa__weight_size(t->type, n_rows, (size_t)t->dims[0], &size));
        OA__TRY_GOTO(oa__weight_load(part_weight(m, f, i), &m->mem, m->pool, t->type, n_rows,
                                     (size_t)t->dims[0], &from));
        m->arena_used += oa__arena_room(size);
        oa__assert(m->arena_used <= m->arena_size);
        p.first += n_rows * row_size;
    }
    l->done += t->size;
    if (made != NULL) oa__gguf_tensor_drop(m->gguf, t);
fail:
    oa__free(&m->mem, made);
    return rc;
}

/* The embedding's matrix serves as output: looked up are the rows of that one copy. */
static int load_tied(oa_model *m, const oa__found *output, loading *l)
{
    oa__table_rows *r = &m->tables[OA__R_EMBD];
    oa__weight *w = &m->mats[OA__M_OUT];
    oa__found f = *output;
    f.t = m->embd;
    OA__TRY(load_matrices(m, &f, l));
    r->packed = w;
    return OA_OK;
}

/* Rows that are looked up one by one. */
static int load_rows(oa_model *m, const oa__found *f)
{
    oa__table_rows *r = &m->tables[f->specs->slot];
    const void *data;
    if (f->t == m->embd && m->tied) return OA_OK;
    const int rc = get_bytes(m, f->t, &data, &r->made);
    r->data = data;
    return rc;
}

static int load_tensor(oa_model *m, const oa__found *f, void *arg)
{
    loading *l = arg;
    OA__TRY(oa__progress_poll(l->progress, l->done));
    if (f->t == NULL) {
        const bool tied = oa__spec_is_output(f->specs) && !m->no_output;
        return tied ? load_tied(m, f, l) : OA_OK;
    }
    if (f->specs->flags & OA__T_ROWS) return load_rows(m, f);
    if (f->specs->flags & OA__T_VECTOR) {
        OA__TRY(load_vectors(m, f));
        l->done += f->t->size;
        return OA_OK;
    }
    return load_matrices(m, f, l);
}

int oa__weights_load(oa_model *m, oa__progress *progress)
{
    m->layers = oa__alloc_array(&m->mem, m->hp.n_layers, sizeof *m->layers);
    if (m->layers == NULL) return OA_ENOMEM;
    for (uint32_t i = 0; i < m->hp.n_layers; i++) {
        if (!(m->hp.layers[i] & OA__L_EXPERTS)) continue;
        m->layers[i].experts = oa__alloc(&m->mem, oa__experts_size(&m->hp));
        if (m->layers[i].experts == NULL) return OA_ENOMEM;
    }
    const uint64_t reserved = m->reserved;
    m->reserved = 0;
    OA__TRY(oa__mem_reserve(&m->mem, reserved));
    m->reserved = reserved;
    m->arena = oa__alloc(&m->mem, m->arena_size);
    if (m->arena == NULL) return OA_ENOMEM;
    oa__mem_huge(m->arena, m->arena_size);

    loading l = {.progress = progress};
    progress->what = "load";
    progress->total = 0;
    for (size_t i = 0; i < oa__gguf_tensor_count(m->gguf); i++) {
        progress->total += oa__gguf_tensor_at(m->gguf, i)->size;
    }
    OA__TRY(oa__weights_walk(m, load_tensor, &l));
    return oa__progress_poll(progress, progress->total);
}

void oa__weights_unload(oa_model *m)
{
    for (uint32_t i = 0; m->layers != NULL && i < m->hp.n_layers; i++) {
        for (size_t k = 0; k < OA__N_LAYER_MATS; k++) {
            oa__weight_unload(&m->layers[i].mats[k], &m->mem);
        }
        for (size_t k = 0; k < OA__N_LAYER_VECS; k++)
            oa__free(&m->mem, m->layers[i].vecs[k]);
        for (size_t k = 0; m->layers[i].experts && k < OA__N_EXPERT_MATS * m->hp.experts.n; k++)
            oa__weight_unload(&m->layers[i].experts[k], &m->mem);
        oa__free(&m->mem, m->layers[i].experts);
    }
    oa__free(&m->mem, m->layers);
    for (size_t k = 0; k < OA__N_MODEL_MATS; k++)
        oa__weight_unload(&m->mats[k], &m->mem);
    for (size_t k = 0; k < OA__N_MODEL_VECS; k++)
        oa__free(&m->mem, m->vecs[k]);
    for (size_t k = 0; k < OA__N_TABLES; k++)
        oa__free(&m->mem, m->tables[k].made);
    oa__free(&m->mem, m->arena);
    oa__rope_free(m);
    oa__mem_release(&m->mem, m->reserved);
}
