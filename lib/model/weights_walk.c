/* SPDX-License-Identifier: Apache-2.0 */
/* Every tensor of the architecture is found and held against its shape. */
#include "model/weights.h"

#include <stdio.h>
#include <string.h>

size_t oa__spec_rows(const oa_model *m, const oa__tensor_spec *spec)
{
    return oa__hparams_dim(&m->hp, spec->n_out);
}

static int check_shape(const oa_model *m, const oa__found *f)
{
    const oa__gguf_tensor *t = f->t;
    const bool vector = (f->specs->flags & OA__T_VECTOR) != 0;
    uint64_t n_out = 0;
    for (size_t i = 0; i < f->n_specs; i++)
        n_out += oa__spec_rows(m, &f->specs[i]);
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

static int visit(oa_model *m, oa__found *f, oa__visit_fn fn, void *arg)
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
static int visit_experts(oa_model *m, oa__found *f, oa__visit_fn fn, void *arg)
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
static int walk_some(oa_model *m, bool of_layer, uint32_t layer, oa__visit_fn fn, void *arg)
{
    const oa__tensor_spec *specs = m->arch->tensors;
    const size_t n = m->arch->n_tensors;
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && strcmp(specs[next].name, specs[i].name) == 0; next++) {
        }
        oa__found f = {.specs = &specs[i], .n_specs = next - i, .layer = layer};
        if (!belongs(m, &specs[i], of_layer, layer)) continue;
        OA__TRY((specs[i].flags & OA__T_STACK ? visit_experts : visit)(m, &f, fn, arg));
    }
    return OA_OK;
}

int oa__weights_walk(oa_model *m, oa__visit_fn fn, void *arg)
{
    OA__TRY(walk_some(m, false, 0, fn, arg));
    for (uint32_t layer = 0; layer < m->hp.n_layers; layer++)
        OA__TRY(walk_some(m, true, layer, fn, arg));
    return OA_OK;
}

bool oa__spec_is_output(const oa__tensor_spec *spec)
{
    return !(spec->flags & (OA__T_LAYER | OA__T_VECTOR | OA__T_ROWS)) && spec->slot == OA__M_OUT;
}

size_t oa__found_parts(const oa__found *f)
{
    return f->n_experts > 0 ? f->n_experts : f->n_specs;
}

const oa__tensor_spec *oa__found_spec(const oa__found *f, size_t i)
{
    return f->n_experts > 0 ? f->specs : &f->specs[i];
}
