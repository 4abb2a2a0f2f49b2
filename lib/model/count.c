/* SPDX-License-Identifier: Apache-2.0 */
/* What the tensors of a file are, counted without a look at the weights. */
#include "model/model_priv.h"

enum { N_TYPES = 32 };

typedef struct count {
    uint64_t n_elems[N_TYPES];
    size_t n_tensors[N_TYPES];
    size_t n_packed;
} count;

/* The type with the most elements that is not told yet; N_TYPES when there is none. */
static uint32_t next_type(const count *c)
{
    uint32_t most = N_TYPES;
    for (uint32_t i = 0; i < N_TYPES; i++)
        if (c->n_tensors[i] && (most == N_TYPES || c->n_elems[i] > c->n_elems[most])) most = i;
    return most;
}

int oa__model_count(oa_model *m)
{
    count c = {0};
    oa__str text = {.mem = &m->mem};
    int rc = OA_OK;
    m->n_params = 0;
    for (size_t i = 0; i < oa__gguf_tensor_count(m->gguf); i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(m->gguf, i);
        /* Every tensor's bytes fit into 63 bits, so its elements do; sums of damaged headers
         * that are not held against the file may wrap, which is harmless here. */
        const uint64_t n = t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
        m->n_params += n;
        if (t->type >= N_TYPES) continue;
        c.n_elems[t->type] += n;
        c.n_tensors[t->type]++;
        c.n_packed += t->packed;
    }
    OA__TRY_GOTO(oa__str_add(&text, "", 0));
    for (uint32_t type; (type = next_type(&c)) < N_TYPES; c.n_tensors[type] = 0) {
        const char *name = oa__type_get(type)->name;
        if (text.len == 0) m->type_name = name;
        OA__TRY_GOTO(
            oa__str_addf(&text, text.len ? ", %s %zu" : "%s %zu", name, c.n_tensors[type]));
    }
    if (c.n_packed) OA__TRY_GOTO(oa__str_addf(&text, ", packed %zu", c.n_packed));
    m->types_text = text.data;
    return OA_OK;
fail:
    oa__str_free(&text);
    return rc;
}
