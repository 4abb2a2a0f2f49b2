/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What weights there are and what they take. A tensor that the architecture does not have is an
 * error: a decoder that left it out would answer wrongly without a word.
 */
#include "model/weights.h"

#include <string.h>

typedef struct plan {
    bool *used;             /* by the file's order */
    uint64_t n_by_type[32]; /* elements */
} plan;

/* Bytes that a matrix takes. */
static int plan_matrix(oa_model *m, const oa__gguf_tensor *t, size_t n_rows)
{
    size_t size;
    OA__TRY(oa__weight_size(t->type, n_rows, (size_t)t->dims[0], &size));
    m->weights_size += size;
    if (t->packed) {
        m->in_place += size;
    } else {
        m->arena_size += oa__arena_room(size);
    }
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

static int plan_tensor(oa_model *m, const oa__found *f, void *arg)
{
    plan *p = arg;
    const oa__gguf_tensor *t = f->t;
    if (t == NULL) {
        if (oa__spec_is_output(f->specs) && !m->no_output) {
            m->tied = true;
            OA__TRY(plan_matrix(m, m->embd, (size_t)m->embd->dims[1]));
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
        if (f->specs->slot == OA__R_EMBD) return OA_OK; /* known when the output is */
        m->weights_size += t->size;
        if (t->data != NULL) m->in_place += t->size;
        return OA_OK;
    }
    size_t first = 0;
    for (size_t i = 0; i < oa__found_parts(f); i++) {
        const size_t n_rows = oa__spec_rows(m, oa__found_spec(f, i));
        if (t->packed && f->n_experts == 0 && first % OA__KERN_ROWS != 0) {
            return oa__err(OA_EFORMAT, "tensor %s: is packed, but a matrix begins in row %zu",
                           t->name, first);
        }
        OA__TRY(plan_matrix(m, t, n_rows));
        first += n_rows;
    }
    return OA_OK;
}

/* Names that files carry although nothing is computed from them. */
static bool harmless(const char *name)
{
    return strcmp(name, "rope.freqs") == 0 || strstr(name, "attn_rot_embd") != NULL ||
           strstr(name, "rotary_emb.inv_freq") != NULL;
}

/* What head.c reads. */
static bool of_head(const char *name)
{
    static const char *const names[] = {"cls.weight", "cls.bias", "cls.output.weight",
                                        "cls.output.bias"};
    for (size_t i = 0; i < OA__ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) return true;
    }
    return false;
}

static int refuse_strangers(const oa_model *m, const bool *used)
{
    for (size_t i = 0; i < oa__gguf_tensor_count(m->gguf); i++) {
        const char *name = oa__gguf_tensor_at(m->gguf, i)->name;
        if (!used[i] && !of_head(name) && !harmless(name)) {
            return oa__err(OA_EUNSUPPORTED, "tensor %s is not part of architecture %s", name,
                           m->arch->name);
        }
    }
    return OA_OK;
}

int oa__weights_plan(oa_model *m)
{
    plan p = {0};
    m->weights_size = m->in_place = m->n_params = 0;
    m->arena_size = 0;
    /* Whoever leaves the output out means the embedding, or that there is no next token. */
    m->no_output =
        m->arch->encoder || (oa__gguf_tensor_find(m->gguf, "cls.output.weight") != NULL &&
                             oa__gguf_tensor_find(m->gguf, "output.weight") == NULL);
    p.used = oa__alloc_array(&m->mem, oa__gguf_tensor_count(m->gguf), sizeof *p.used);
    if (p.used == NULL) return OA_ENOMEM;
    /* The embedding comes first in every table, so that a missing output can refer to it. */
    int rc = oa__weights_walk(m, plan_tensor, &p);
    if (rc == OA_OK) rc = refuse_strangers(m, p.used);
    oa__free(&m->mem, p.used);
    OA__TRY(rc);
    for (uint32_t i = 0; i < m->hp.n_layers; i++) {
        if (m->hp.layers[i] & OA__L_EXPERTS) m->weights_size += oa__experts_size(&m->hp);
    }
    /* When tied, the output matrix has its rows. */
    if (!m->tied) {
        m->weights_size += m->embd->size;
        if (m->embd->data != NULL) m->in_place += m->embd->size;
    }
    m->reserved = oa__gguf_is_mapped(m->gguf) ? m->in_place : 0;
    uint32_t most = 0;
    for (uint32_t i = 1; i < OA__ARRAY_LEN(p.n_by_type); i++) {
        if (p.n_by_type[i] > p.n_by_type[most]) most = i;
    }
    m->type_name = oa__type_get(most)->name;
    return OA_OK;
}
