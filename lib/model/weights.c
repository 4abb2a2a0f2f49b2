/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights: every tensor of the architecture is found, held against its shape, measured, and later
 * loaded. A tensor that the architecture does not have is an error too: a decoder that left it out
 * would answer wrongly without a word.
 */
#include "model/model_priv.h"

#include <stdio.h>
#include <string.h>

/* A tensor of the file, and the specs that are its parts, or the one that is all of it. */
typedef struct found {
    const oa__gguf_tensor *t; /* NULL = optional, and not there */
    const oa__tensor_spec *specs;
    size_t n_specs;
    uint32_t layer;
    uint32_t expert, n_experts; /* the tensor has these experts' matrices; n_experts 0 = none */
} found;

/* What a walk over all tensors of a model does to one of them. */
typedef int (*visit_fn)(oa_model *m, const found *f, void *arg);

static size_t rows_of(const oa_model *m, const oa__tensor_spec *spec)
{
    return oa__hparams_dim(&m->hp, spec->n_out);
}

static int check_shape(const oa_model *m, const found *f)
{
    const oa__gguf_tensor *t = f->t;
    const bool vector = (f->specs->flags & OA__T_VECTOR) != 0;
    uint64_t n_out = 0;
    for (size_t i = 0; i < f->n_specs; i++)
        n_out += rows_of(m, &f->specs[i]);
    const uint64_t n_in = oa__hparams_dim(&m->hp, f->specs->n_in);
    const uint64_t want0 = vector ? n_out : n_in, want1 = vector ? n_in : n_out;
    const uint64_t want2 = f->n_experts > 0 ? f->n_experts : 1;
    if (t->dims[0] == want0 && t->dims[1] == want1 && t->dims[2] == want2 && t->dims[3] == 1) {
        return OA_OK;
    }
    char got[96] = "";
    int at = 0;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        at += snprintf(got + at, sizeof got - (size_t)at, i ? " x %llu" : "%llu",
                       (unsigned long long)t->dims[i]);
    }
    if (vector && want1 == 1) {
        return oa__err(OA_EFORMAT, "tensor %s: %s, want %llu", t->name, got,
                       (unsigned long long)want0);
    }
    if (want2 > 1) {
        return oa__err(OA_EFORMAT, "tensor %s: %s, want %llu x %llu x %llu", t->name, got,
                       (unsigned long long)want0, (unsigned long long)want1,
                       (unsigned long long)want2);
    }
    return oa__err(OA_EFORMAT, "tensor %s: %s, want %llu x %llu", t->name, got,
                   (unsigned long long)want0, (unsigned long long)want1);
}

static bool optional(const oa_model *m, const oa__tensor_spec *spec)
{
    return (spec->flags & OA__T_OPTIONAL) || ((spec->flags & OA__T_SEQUENTIAL) && m->hp.parallel);
}

static int visit(oa_model *m, found *f, visit_fn fn, void *arg)
{
    char name[96];
    if (f->specs->flags & OA__T_LAYER) {
        snprintf(name, sizeof name, "blk.%u.%s", f->layer, f->specs->name);
    } else {
        snprintf(name, sizeof name, "%s", f->specs->name);
    }
    f->t = oa__gguf_tensor_find(m->gguf, name);
    if (f->t == NULL && !optional(m, f->specs)) {
        return oa__err(OA_EFORMAT, "tensor %s is missing", name);
    }
    if (f->t != NULL) OA__TRY(check_shape(m, f));
    return fn(m, f, arg);
}

/* All experts in one tensor, or, as old files have them, each in its own. */
static int visit_experts(oa_model *m, found *f, visit_fn fn, void *arg)
{
    char name[96];
    const int stem = (int)(strlen(f->specs->name) - strlen("_exps.weight"));
    f->n_experts = m->hp.experts.n;
    snprintf(name, sizeof name, "blk.%u.%.*s.0.weight", f->layer, stem, f->specs->name);
    if (oa__gguf_tensor_find(m->gguf, name) == NULL) return visit(m, f, fn, arg);
    f->n_experts = 1;
    for (f->expert = 0; f->expert < m->hp.experts.n; f->expert++) {
        snprintf(name, sizeof name, "blk.%u.%.*s.%u.weight", f->layer, stem, f->specs->name,
                 f->expert);
        f->t = oa__gguf_tensor_find(m->gguf, name);
        if (f->t == NULL) return oa__err(OA_EFORMAT, "tensor %s is missing", name);
        OA__TRY(check_shape(m, f));
        OA__TRY(fn(m, f, arg));
    }
    return OA_OK;
}

/* Whether the layer (or the model, when the spec is of no layer) has such a tensor at all. */
static bool belongs(const oa_model *m, const oa__tensor_spec *spec, bool of_layer, uint32_t layer)
{
    if (((spec->flags & OA__T_LAYER) != 0) != of_layer) return false;
    if (!of_layer) return true;
    const bool experts = (m->hp.layers[layer] & OA__L_EXPERTS) != 0;
    return !(spec->flags & (experts ? OA__T_DENSE : OA__T_EXPERTS));
}

/* The tensors of one layer, or those of no layer. */
static int walk_some(oa_model *m, bool of_layer, uint32_t layer, visit_fn fn, void *arg)
{
    const oa__tensor_spec *specs = m->arch->tensors;
    const size_t n = m->arch->n_tensors;
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && strcmp(specs[next].name, specs[i].name) == 0; next++) {
        }
        found f = {.specs = &specs[i], .n_specs = next - i, .layer = layer};
        if (!belongs(m, &specs[i], of_layer, layer)) continue;
        OA__TRY((specs[i].flags & OA__T_STACK ? visit_experts : visit)(m, &f, fn, arg));
    }
    return OA_OK;
}

static int walk(oa_model *m, visit_fn fn, void *arg)
{
    OA__TRY(walk_some(m, false, 0, fn, arg));
    for (uint32_t layer = 0; layer < m->hp.n_layers; layer++)
        OA__TRY(walk_some(m, true, layer, fn, arg));
    return OA_OK;
}

static bool is_output(const oa__tensor_spec *spec)
{
    return !(spec->flags & (OA__T_LAYER | OA__T_VECTOR | OA__T_ROWS)) && spec->slot == OA__M_OUT;
}

/* The matrices that lie in a tensor one after the other. */
static size_t n_parts(const found *f)
{
    return f->n_experts > 0 ? f->n_experts : f->n_specs;
}

static const oa__tensor_spec *part_spec(const found *f, size_t i)
{
    return f->n_experts > 0 ? f->specs : &f->specs[i];
}

/* --- planning ------------------------------------------------------------------------------- */

typedef struct plan {
    bool *used;             /* by the file's order */
    uint64_t n_by_type[32]; /* elements */
    uint64_t in_place;      /* bytes of the map that stay in use */
} plan;

/* Bytes that a matrix takes: a layout of its own, or the file's rows. */
static int plan_matrix(oa_model *m, plan *p, const oa__gguf_tensor *t, size_t n_rows)
{
    size_t size, row_size;
    OA__TRY(oa__weight_size(t->type, n_rows, (size_t)t->dims[0], &size));
    OA__TRY(oa__type_row_size(t->type, t->dims[0], &row_size));
    m->weights_size += size > 0 ? size : n_rows * row_size;
    if (size == 0 && t->data != NULL) p->in_place += n_rows * row_size;
    return OA_OK;
}

static int plan_rows(oa_model *m, const oa__tensor_spec *spec, const oa__gguf_tensor *t)
{
    oa__table_rows *r = &m->tables[spec->slot];
    r->type = t->type;
    r->n_rows = (size_t)t->dims[1];
    if (spec->slot == OA__R_EMBD) m->embd = t;
    return oa__type_row_size(t->type, t->dims[0], &r->row_size);
}

static int plan_tensor(oa_model *m, const found *f, void *arg)
{
    plan *p = arg;
    const oa__gguf_tensor *t = f->t;
    if (t == NULL) {
        if (is_output(f->specs)) {
            m->tied = true;
            OA__TRY(plan_matrix(m, p, m->embd, (size_t)m->embd->dims[1]));
        }
        return OA_OK;
    }
    p->used[t - oa__gguf_tensor_at(m->gguf, 0)] = true;
    const uint64_t n = t->dims[0] * t->dims[1] * t->dims[2];
    m->n_params += n;
    if (f->specs->flags & OA__T_VECTOR) {
        m->weights_size += n * sizeof(float);
        return OA_OK;
    }
    if (t->type < OA__ARRAY_LEN(p->n_by_type)) p->n_by_type[t->type] += n;
    if (f->specs->flags & OA__T_ROWS) {
        OA__TRY(plan_rows(m, f->specs, t));
        /* When tied, the rows that are looked up are few; the packed output is what counts. */
        if (f->specs->slot == OA__R_EMBD) return OA_OK;
        m->weights_size += t->size;
        if (t->data != NULL) p->in_place += t->size;
        return OA_OK;
    }
    for (size_t i = 0; i < n_parts(f); i++)
        OA__TRY(plan_matrix(m, p, t, rows_of(m, part_spec(f, i))));
    return OA_OK;
}

/* Names that files carry although nothing is computed from them. */
static bool harmless(const char *name)
{
    return strcmp(name, "rope.freqs") == 0 || strstr(name, "attn_rot_embd") != NULL ||
           strstr(name, "rotary_emb.inv_freq") != NULL;
}

static int refuse_strangers(const oa_model *m, const bool *used)
{
    for (size_t i = 0; i < oa__gguf_tensor_count(m->gguf); i++) {
        const char *name = oa__gguf_tensor_at(m->gguf, i)->name;
        if (!used[i] && !harmless(name)) {
            return oa__err(OA_EUNSUPPORTED, "tensor %s is not part of architecture %s", name,
                           m->arch->name);
        }
    }
    return OA_OK;
}

int oa__weights_plan(oa_model *m)
{
    plan p = {0};
    m->weights_size = m->n_params = 0;
    p.used = oa__alloc_array(&m->mem, oa__gguf_tensor_count(m->gguf), sizeof *p.used);
    if (p.used == NULL) return OA_ENOMEM;
    /* The embedding comes first in every table, so that a missing output can refer to it. */
    int rc = walk(m, plan_tensor, &p);
    if (rc == OA_OK) rc = refuse_strangers(m, p.used);
    oa__free(&m->mem, p.used);
    OA__TRY(rc);
    const bool made = m->embd->data == NULL && m->embd->there;
    if (!m->tied || made) m->weights_size += m->embd->size;
    if (!m->tied && m->embd->data != NULL) p.in_place += m->embd->size;
    m->reserved = oa__gguf_is_mapped(m->gguf) ? p.in_place : 0;
    uint32_t most = 0;
    for (uint32_t i = 1; i < OA__ARRAY_LEN(p.n_by_type); i++) {
        if (p.n_by_type[i] > p.n_by_type[most]) most = i;
    }
    m->type_name = oa__type_get(most)->name;
    return OA_OK;
}

/* --- loading -------------------------------------------------------------------------------- */

typedef struct loading {
    oa__progress *progress;
    uint64_t done; /* bytes of the file */
} loading;

/* The tensor's bytes: where they lie, or made in *made, which the caller frees. */
static int get_bytes(oa_model *m, const oa__gguf_tensor *t, const void **data, void **made)
{
    *made = NULL;
    *data = t == m->embd && m->tables[OA__R_EMBD].made ? m->tables[OA__R_EMBD].made : t->data;
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

static int load_vectors(oa_model *m, const found *f)
{
    const void *data;
    void *made;
    int rc;
    size_t first = 0;
    float **vecs = f->specs->flags & OA__T_LAYER ? m->layers[f->layer].vecs : m->vecs;
    OA__TRY_GOTO(get_bytes(m, f->t, &data, &made));
    for (size_t i = 0; i < f->n_specs; i++) {
        const size_t n = rows_of(m, &f->specs[i]) * oa__hparams_dim(&m->hp, f->specs[i].n_in);
        OA__TRY_GOTO(load_vector(m, &vecs[f->specs[i].slot], f->t, data, first, n));
        first += n;
    }
fail:
    oa__free(&m->mem, made);
    return rc;
}

static oa__weight *part_weight(oa_model *m, const found *f, size_t i)
{
    const size_t slot = part_spec(f, i)->slot;
    if (!(f->specs->flags & OA__T_LAYER)) return &m->mats[slot];
    oa__layer *layer = &m->layers[f->layer];
    if (f->n_experts == 0) return &layer->mats[slot];
    return &layer->experts[slot * m->hp.experts.n + f->expert + i];
}

/* The rows of one or several matrices that lie in one tensor. Bytes that were made are kept by the
 * first matrix that has no layout of its own: it is those bytes. All parts are of one type, so
 * either all have one or none. */
static int load_matrices(oa_model *m, const found *f, loading *l)
{
    const oa__gguf_tensor *t = f->t;
    const void *data;
    void *made;
    int rc;
    size_t row_size, first = 0;
    oa__weight *keeper = NULL;
    OA__TRY_GOTO(get_bytes(m, t, &data, &made));
    OA__TRY_GOTO(oa__type_row_size(t->type, t->dims[0], &row_size));
    for (size_t i = 0; i < n_parts(f); i++) {
        oa__weight *w = part_weight(m, f, i);
        const size_t n_rows = rows_of(m, part_spec(f, i));
        OA__TRY_GOTO(oa__weight_load(w, &m->mem, m->pool, t->type, n_rows, (size_t)t->dims[0],
                                     (const uint8_t *)data + first * row_size, l->progress,
                                     l->done + (uint64_t)first * row_size));
        first += n_rows;
        if (w->owned == NULL) keeper = keeper != NULL ? keeper : w;
    }
    l->done += t->size;
    if (keeper == NULL || made != NULL) oa__gguf_tensor_drop(m->gguf, t);
    if (keeper != NULL) {
        keeper->owned = made;
        return OA_OK;
    }
fail:
    oa__free(&m->mem, made);
    return rc;
}

/* Rows that are looked up one by one. */
static int load_rows(oa_model *m, const found *f)
{
    oa__table_rows *r = &m->tables[f->specs->slot];
    const void *data;
    const int rc = get_bytes(m, f->t, &data, &r->made);
    r->data = data;
    return rc;
}

static int load_tensor(oa_model *m, const found *f, void *arg)
{
    loading *l = arg;
    OA__TRY(oa__progress_poll(l->progress, l->done));
    if (f->t == NULL) {
        if (!is_output(f->specs)) return OA_OK;
        found tied = *f;
        tied.t = m->embd;
        return load_matrices(m, &tied, l);
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
        m->layers[i].experts = oa__alloc_array(&m->mem, OA__N_EXPERT_MATS * (size_t)m->hp.experts.n,
                                               sizeof *m->layers[i].experts);
        if (m->layers[i].experts == NULL) return OA_ENOMEM;
    }
    const uint64_t reserved = m->reserved;
    m->reserved = 0;
    OA__TRY(oa__mem_reserve(&m->mem, reserved));
    m->reserved = reserved;

    loading l = {.progress = progress};
    progress->what = "load";
    progress->total = 0;
    for (size_t i = 0; i < oa__gguf_tensor_count(m->gguf); i++) {
        progress->total += oa__gguf_tensor_at(m->gguf, i)->size;
    }
    OA__TRY(walk(m, load_tensor, &l));
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
    oa__rope_free(m);
    oa__mem_release(&m->mem, m->reserved);
}
