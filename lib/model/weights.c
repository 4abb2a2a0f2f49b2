/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights: every tensor of the architecture is found, held against its shape, measured, and later
 * loaded. A tensor that the architecture does not have is an error too: a decoder that left it out
 * would answer wrongly without a word.
 */
#include "model/model_priv.h"

#include <stdio.h>
#include <string.h>

/* What a walk over all tensors of a model does to one of them; t is NULL for an optional tensor
 * that is not there. */
typedef int (*visit_fn)(oa_model *m, const oa__tensor_spec *spec, uint32_t layer,
                        const oa__gguf_tensor *t, void *arg);

static int check_shape(const oa_model *m, const oa__tensor_spec *spec, const oa__gguf_tensor *t)
{
    const uint64_t n_out = oa__hparams_dim(&m->hp, spec->n_out);
    const uint64_t n_in = oa__hparams_dim(&m->hp, spec->n_in);
    const bool vector = (spec->flags & OA__T_VECTOR) != 0;
    const uint64_t want0 = vector ? n_out : n_in, want1 = vector ? 1 : n_out;
    if (t->dims[0] == want0 && t->dims[1] == want1 && t->dims[2] == 1 && t->dims[3] == 1) {
        return OA_OK;
    }
    char got[96] = "";
    int at = 0;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        at += snprintf(got + at, sizeof got - (size_t)at, i ? " x %llu" : "%llu",
                       (unsigned long long)t->dims[i]);
    }
    if (vector) {
        return oa__err(OA_EFORMAT, "tensor %s: %s, want %llu", t->name, got,
                       (unsigned long long)want0);
    }
    return oa__err(OA_EFORMAT, "tensor %s: %s, want %llu x %llu", t->name, got,
                   (unsigned long long)want0, (unsigned long long)want1);
}

static int visit(oa_model *m, const oa__tensor_spec *spec, uint32_t layer, visit_fn fn, void *arg)
{
    char name[96];
    if (spec->flags & OA__T_LAYER) {
        snprintf(name, sizeof name, "blk.%u.%s", layer, spec->name);
    } else {
        snprintf(name, sizeof name, "%s", spec->name);
    }
    const oa__gguf_tensor *t = oa__gguf_tensor_find(m->gguf, name);
    if (t == NULL && !(spec->flags & OA__T_OPTIONAL)) {
        return oa__err(OA_EFORMAT, "tensor %s is missing", name);
    }
    if (t != NULL) OA__TRY(check_shape(m, spec, t));
    return fn(m, spec, layer, t, arg);
}

static int walk(oa_model *m, visit_fn fn, void *arg)
{
    for (size_t i = 0; i < m->arch->n_tensors; i++) {
        const oa__tensor_spec *spec = &m->arch->tensors[i];
        if (!(spec->flags & OA__T_LAYER)) OA__TRY(visit(m, spec, 0, fn, arg));
    }
    for (uint32_t layer = 0; layer < m->hp.n_layers; layer++) {
        for (size_t i = 0; i < m->arch->n_tensors; i++) {
            const oa__tensor_spec *spec = &m->arch->tensors[i];
            if (spec->flags & OA__T_LAYER) OA__TRY(visit(m, spec, layer, fn, arg));
        }
    }
    return OA_OK;
}

static bool is_output(const oa__tensor_spec *spec)
{
    return !(spec->flags & (OA__T_LAYER | OA__T_VECTOR)) && spec->slot == OA__M_OUT;
}

/* --- planning ------------------------------------------------------------------------------- */

typedef struct plan {
    bool *used;             /* by the file's order */
    uint64_t n_by_type[32]; /* elements */
    uint64_t in_place;      /* bytes of the map that stay in use */
} plan;

/* Bytes that a matrix takes: a layout of its own, or the file's rows. */
static int plan_matrix(oa_model *m, plan *p, const oa__gguf_tensor *t)
{
    size_t size;
    OA__TRY(oa__weight_size(t->type, (size_t)t->dims[1], (size_t)t->dims[0], &size));
    m->weights_size += size > 0 ? size : t->size;
    if (size == 0 && t->data != NULL) p->in_place += t->size;
    return OA_OK;
}

static int plan_tensor(oa_model *m, const oa__tensor_spec *spec, uint32_t layer,
                       const oa__gguf_tensor *t, void *arg)
{
    plan *p = arg;
    if (t == NULL) {
        if (is_output(spec)) {
            m->tied = true;
            OA__TRY(plan_matrix(m, p, m->embd));
        }
        return OA_OK;
    }
    p->used[t - oa__gguf_tensor_at(m->gguf, 0)] = true;
    const uint64_t n = t->dims[0] * t->dims[1];
    m->n_params += n;
    if (spec->flags & OA__T_VECTOR) {
        m->weights_size += n * sizeof(float);
        return OA_OK;
    }
    if (t->type < OA__ARRAY_LEN(p->n_by_type)) p->n_by_type[t->type] += n;
    if (spec->flags & OA__T_IN_PLACE) {
        m->embd = t;
        return oa__type_row_size(t->type, t->dims[0], &m->embd_row_size);
    }
    return plan_matrix(m, p, t);
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
    /* When tied, the rows that are looked up are few; the packed output is what counts. */
    if (!m->tied) {
        m->weights_size += m->embd->size;
        if (m->embd->data != NULL) p.in_place += m->embd->size;
    }
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
    *data = t == m->embd && m->embd_made != NULL ? m->embd_made : t->data;
    if (*data != NULL) return OA_OK;
    *made = oa__alloc(&m->mem, t->size);
    if (*made == NULL) return OA_ENOMEM;
    *data = *made;
    return oa__gguf_tensor_load(m->gguf, t, *made);
}

static int load_vector(oa_model *m, float **out, const oa__gguf_tensor *t)
{
    const size_t n = (size_t)t->dims[0];
    const void *data;
    void *made;
    int rc;
    OA__TRY_GOTO(get_bytes(m, t, &data, &made));
    *out = oa__alloc_array(&m->mem, n, sizeof **out);
    if (*out != NULL) oa__row_dequant(t->type, data, *out, n);
    rc = *out != NULL ? OA_OK : OA_ENOMEM;
fail:
    oa__free(&m->mem, made);
    return rc;
}

static int load_matrix(oa_model *m, oa__weight *w, const oa__gguf_tensor *t, loading *l)
{
    const void *data;
    void *made;
    int rc;
    OA__TRY_GOTO(get_bytes(m, t, &data, &made));
    OA__TRY_GOTO(oa__weight_load(w, &m->mem, m->pool, t->type, (size_t)t->dims[1],
                                 (size_t)t->dims[0], data, l->progress, l->done));
    l->done += t->size;
    if (w->owned != NULL || made != NULL) oa__gguf_tensor_drop(m->gguf, t);
    /* Without a layout of its own the weight is the rows that were made. */
    if (w->owned == NULL) {
        w->owned = made;
        return OA_OK;
    }
fail:
    oa__free(&m->mem, made);
    return rc;
}

/* Rows that are looked up one by one. */
static int load_rows(oa_model *m, const oa__gguf_tensor *t)
{
    const void *data;
    OA__TRY(get_bytes(m, t, &data, &m->embd_made));
    m->embd_rows = data;
    return OA_OK;
}

static int load_tensor(oa_model *m, const oa__tensor_spec *spec, uint32_t layer,
                       const oa__gguf_tensor *t, void *arg)
{
    loading *l = arg;
    OA__TRY(oa__progress_poll(l->progress, l->done));
    if (t == NULL && is_output(spec)) {
        return load_matrix(m, &m->mats[OA__M_OUT], m->embd, l);
    }
    if (t == NULL) return OA_OK;
    if (spec->flags & OA__T_IN_PLACE) return load_rows(m, t);
    const bool of_layer = (spec->flags & OA__T_LAYER) != 0;
    if (spec->flags & OA__T_VECTOR) {
        l->done += t->size;
        return load_vector(m, of_layer ? &m->layers[layer].vecs[spec->slot] : &m->vecs[spec->slot],
                           t);
    }
    return load_matrix(m, of_layer ? &m->layers[layer].mats[spec->slot] : &m->mats[spec->slot], t,
                       l);
}

int oa__weights_load(oa_model *m, oa__progress *progress)
{
    m->layers = oa__alloc_array(&m->mem, m->hp.n_layers, sizeof *m->layers);
    if (m->layers == NULL) return OA_ENOMEM;
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
    }
    oa__free(&m->mem, m->layers);
    for (size_t k = 0; k < OA__N_MODEL_MATS; k++)
        oa__weight_unload(&m->mats[k], &m->mem);
    for (size_t k = 0; k < OA__N_MODEL_VECS; k++)
        oa__free(&m->mem, m->vecs[k]);
    oa__free(&m->mem, m->embd_made);
    oa__free(&m->mem, m->inv_freq);
    oa__mem_release(&m->mem, m->reserved);
}
