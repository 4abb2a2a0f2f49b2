/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening adapters. The tensors of a GGUF adapter are named after the model's:
 * "blk.0.attn_q.weight" gets "….lora_a" (n_in, rank) and "….lora_b" (rank, n_out), innermost first.
 * The parts of a fused matrix share A, and each has its rows of B.
 */
#include "model/adapter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 128 };

/* --- checking -------------------------------------------------------------------------------- */

static int expect_text(const oa__gguf *g, const char *key, const char *want, size_t want_len)
{
    const char *text;
    size_t len;
    if (!oa__gguf_has(g, key)) return oa__err(OA_EFORMAT, "gguf key %s is missing", key);
    OA__TRY(oa__gguf_str(g, key, &text, &len));
    if (len == want_len && memcmp(text, want, len) == 0) return OA_OK;
    return oa__err(OA_EUNSUPPORTED, "%s is \"%.*s\", want \"%.*s\"", key,
                   (int)(len < 64 ? len : 64), text, (int)want_len, want);
}

int oa__adapter_check_header(const oa__gguf *g, const char *arch, size_t arch_len, float *alpha)
{
    double v = 0;
    OA__TRY(expect_text(g, "general.type", "adapter", 7));
    OA__TRY(expect_text(g, "adapter.type", "lora", 4));
    OA__TRY(expect_text(g, "general.architecture", arch, arch_len));
    OA__TRY(oa__gguf_f64(g, "adapter.lora.alpha", &v));
    *alpha = (float)v;
    if (isfinite(v) && fabs(v) <= 1e9) return OA_OK;
    return oa__err(OA_EFORMAT, "adapter.lora.alpha is out of range");
}

float oa__adapter_scale(float alpha, size_t rank)
{
    return alpha == 0 ? 1 : (float)((double)alpha / (double)rank);
}

int oa__adapter_check_pair(const oa__gguf_tensor *a, const oa__gguf_tensor *b, size_t n_in,
                           size_t n_out)
{
    const uint64_t rank = a->dims[1];
    if (a->dims[0] != n_in || b->dims[0] != rank || b->dims[1] != n_out || a->dims[2] != 1 ||
        b->dims[2] != 1 || a->dims[3] != 1 || b->dims[3] != 1) {
        return oa__err(OA_EFORMAT,
                       "tensors %s, %llu x %llu, and lora_b, %llu x %llu, are no pair for a matrix "
                       "of %zu x %zu",
                       a->name, (unsigned long long)a->dims[0], (unsigned long long)a->dims[1],
                       (unsigned long long)b->dims[0], (unsigned long long)b->dims[1], n_in, n_out);
    }
    return OA_OK;
}

/* --- loading --------------------------------------------------------------------------------- */

/* A tensor's numbers, which are few. */
int oa__adapter_floats(oa__mem *mem, const oa__gguf *g, const oa__gguf_tensor *t, float **out)
{
    const size_t n = (size_t)(t->dims[0] * t->dims[1]);
    const size_t n_rows = (size_t)t->dims[1];
    int rc;
    size_t row_size;
    uint8_t *raw = oa__alloc(mem, t->size);
    *out = oa__alloc_array(mem, n, sizeof **out);
    if (raw == NULL || *out == NULL) {
        rc = OA_ENOMEM;
        goto fail;
    }
    OA__TRY_GOTO(oa__gguf_tensor_load(g, t, raw));
    OA__TRY_GOTO(oa__type_row_size(t->type, t->dims[0], &row_size));
    for (size_t i = 0; i < n_rows; i++)
        oa__row_dequant(t->type, raw + i * row_size, *out + i * t->dims[0], (size_t)t->dims[0]);
    for (size_t i = 0; i < n; i++) {
        if (isfinite((*out)[i])) continue;
        rc = oa__err(OA_EFORMAT, "tensor %s holds a number that is not finite", t->name);
        goto fail;
    }
    oa__free(mem, raw);
    return OA_OK;
fail:
    oa__free(mem, raw);
    oa__free(mem, *out);
    *out = NULL;
    return rc;
}

static int load_weight(oa_adapter *ad, oa__weight *w, size_t n_rows, size_t n_cols,
                       const float *src)
{
    size_t size;
    OA__TRY(oa__weight_size(OA__F32, n_rows, n_cols, &size));
    ad->info.memory += size;
    const oa__weight_from from = {.rows = src};
    return oa__weight_load(w, &ad->model->mem, ad->model->pool, OA__F32, n_rows, n_cols, &from);
}

/* The pairs of the specs that are parts of one matrix. */
static int load_pair(oa_adapter *ad, const oa__gguf *g, const oa__tensor_spec *specs,
                     size_t n_specs, uint32_t layer, const oa__gguf_tensor *ta,
                     const oa__gguf_tensor *tb, float alpha)
{
    oa_model *m = ad->model;
    const size_t rank = (size_t)ta->dims[1], n_in = (size_t)ta->dims[0];
    float *a = NULL, *b = NULL;
    int rc;
    size_t first = 0;
    OA__TRY_GOTO(oa__adapter_floats(&m->mem, g, ta, &a));
    OA__TRY_GOTO(oa__adapter_floats(&m->mem, g, tb, &b));
    ad->fingerprint = oa__fnv1a(ad->fingerprint, a, rank * n_in * sizeof *a);
    ad->fingerprint = oa__fnv1a(ad->fingerprint, b, rank * (size_t)tb->dims[1] * sizeof *b);
    for (size_t i = 0; i < n_specs; i++) {
        oa__lora *l = &ad->pairs[(size_t)layer * OA__N_LAYER_MATS + specs[i].slot];
        const size_t n_out = oa__hparams_dim(&m->hp, specs[i].n_out);
        l->scale = oa__adapter_scale(alpha, rank);
        OA__TRY_GOTO(load_weight(ad, &l->a, rank, n_in, a));
        OA__TRY_GOTO(load_weight(ad, &l->b, n_out, rank, b + first * rank));
        first += n_out;
    }
    ad->info.n_matrices++;
    ad->info.n_params += rank * (n_in + tb->dims[1]);
    if (rank > ad->info.rank) ad->info.rank = (uint32_t)rank;
    rc = OA_OK;
fail:
    oa__free(&m->mem, a);
    oa__free(&m->mem, b);
    return rc;
}

/* Whatever the adapter has for one matrix of one layer. */
static int visit(oa_adapter *ad, const oa__gguf *g, const oa__tensor_spec *specs, size_t n_specs,
                 uint32_t layer, float alpha, size_t *n_used)
{
    char name[NAME_SIZE];
    const oa_model *m = ad->model;
    const size_t n_in = oa__hparams_dim(&m->hp, specs->n_in);
    size_t n_out = 0;
    snprintf(name, sizeof name, "blk.%u.%s.lora_a", layer, specs->name);
    const oa__gguf_tensor *a = oa__gguf_tensor_find(g, name);
    name[strlen(name) - 1] = 'b';
    const oa__gguf_tensor *b = oa__gguf_tensor_find(g, name);
    if (a == NULL && b == NULL) return OA_OK;
    if (a == NULL || b == NULL) {
        return oa__err(OA_EFORMAT, "tensor %s has no partner", a != NULL ? a->name : b->name);
    }
    if (m->layers[layer].mats[specs->slot].data == NULL) return OA_OK; /* refused as a stranger */
    for (size_t i = 0; i < n_specs; i++)
        n_out += oa__hparams_dim(&m->hp, specs[i].n_out);
    OA__TRY(oa__adapter_check_pair(a, b, n_in, n_out));
    if (a->dims[1] > m->hp.d_model) {
        return oa__err(OA_EUNSUPPORTED, "tensor %s: rank %llu, want at most the model's width, %u",
                       a->name, (unsigned long long)a->dims[1], m->hp.d_model);
    }
    *n_used += 2;
    return load_pair(ad, g, specs, n_specs, layer, a, b, alpha);
}

/* One that was not used is one that the decoder can't adapt. */
static int refuse_strangers(const oa_adapter *ad, const oa__gguf *g)
{
    for (size_t i = 0; i < oa__gguf_tensor_count(g); i++) {
        const char *name = oa__gguf_tensor_at(g, i)->name;
        const char *end = strstr(name, ".lora_");
        bool known = false;
        for (size_t k = 0; end != NULL && k < ad->model->arch->n_tensors; k++) {
            const oa__tensor_spec *s = &ad->model->arch->tensors[k];
            const size_t n = strlen(s->name);
            known = known || ((s->flags & OA__T_LAYER) && (size_t)(end - name) > n &&
                              memcmp(end - n, s->name, n) == 0 && end[-(ptrdiff_t)n - 1] == '.');
        }
        if (!known) {
            return oa__err(OA_EUNSUPPORTED, "tensor %s adapts nothing that can be adapted", name);
        }
    }
    return oa__err(OA_EFORMAT, "adapter has tensors of layers that the model does not have");
}

static int load(oa_adapter *ad, const oa__gguf *g)
{
    const oa_model *m = ad->model;
    const oa__tensor_spec *specs = m->arch->tensors;
    const size_t n = m->arch->n_tensors;
    float alpha = 0;
    size_t n_used = 0;
    OA__TRY(oa__adapter_check_header(g, m->arch_name, strlen(m->arch_name), &alpha));
    for (uint32_t layer = 0; layer < m->hp.n_layers; layer++) {
        for (size_t i = 0, next; i < n; i = next) {
            for (next = i + 1; next < n && strcmp(specs[next].name, specs[i].name) == 0; next++) {
            }
            const unsigned no_matrix = OA__T_VECTOR | OA__T_ROWS;
            if (!(specs[i].flags & OA__T_LAYER) || (specs[i].flags & no_matrix)) continue;
            OA__TRY(visit(ad, g, &specs[i], next - i, layer, alpha, &n_used));
        }
    }
    if (n_used != oa__gguf_tensor_count(g)) return refuse_strangers(ad, g);
    if (n_used == 0) return oa__err(OA_EFORMAT, "adapter has no tensors");
    return OA_OK;
}

/* --- life ------------------------------------------------------------------------------------ */

static void unload(oa_adapter *ad)
{
    oa_model *m = ad->model;
    const size_t n = (size_t)m->hp.n_layers * OA__N_LAYER_MATS;
    for (size_t i = 0; ad->pairs != NULL && i < n; i++) {
        oa__weight_unload(&ad->pairs[i].a, &m->mem);
        oa__weight_unload(&ad->pairs[i].b, &m->mem);
    }
    oa__free(&m->mem, ad->pairs);
    oa__free(&m->mem, ad);
    oa_model_free(m);
}

int oa__adapter_open_file(oa__gguf **out, oa__mem *mem, const char *arch, size_t arch_len,
                          const oa__hparams *hp, const char *path)
{
    if (!oa__is_folder(path)) return oa__gguf_open(out, mem, path, false, false);
    return oa__hf_adapter_open(out, mem, arch, arch_len, hp, path);
}

static int open_adapter(oa_adapter **out, oa_model *model, const char *path)
{
    oa__gguf *g = NULL;
    int rc;
    oa_adapter *ad = oa__alloc(&model->mem, sizeof *ad);
    if (ad == NULL) return OA_ENOMEM;
    atomic_init(&ad->n_refs, 1);
    ad->model = oa_model_ref(model);
    ad->info.size = sizeof ad->info;
    ad->fingerprint = OA__FNV_BASIS;
    ad->pairs = oa__alloc_array(&model->mem, (size_t)model->hp.n_layers * OA__N_LAYER_MATS,
                                sizeof *ad->pairs);
    if (ad->pairs == NULL) {
        rc = OA_ENOMEM;
        goto fail;
    }
    OA__TRY_GOTO(oa__adapter_open_file(&g, &model->mem, model->arch_name, strlen(model->arch_name),
                                       &model->hp, path));
    OA__TRY_GOTO(load(ad, g));
    oa__gguf_free(g);
    *out = ad;
    return OA_OK;
fail:
    /* A key that is missing from a file that is there makes the file a wrong one. */
    if (rc == OA_ENOTFOUND && g != NULL) rc = OA_EFORMAT;
    oa__gguf_free(g);
    unload(ad);
    return oa__err_in_file(rc, path);
}

int oa_adapter_open(oa_adapter **out, oa_model *model, const char *path)
{
    if (out == NULL) return oa__err(OA_EINVAL, "out is NULL");
    *out = NULL;
    if (model == NULL) return oa__err(OA_EINVAL, "model is NULL");
    if (path == NULL || *path == '\0') return oa__err(OA_EINVAL, "path is NULL or empty");
    if (!model->has_weights) {
        return oa__err(OA_EINVAL, "model was opened for its vocabulary only; nothing to adapt");
    }
    oa__fp fp;
    oa__fp_enter(&fp);
    const int rc = open_adapter(out, model, path);
    oa__fp_leave(&fp);
    return rc;
}

oa_adapter *oa__adapter_ref(oa_adapter *ad)
{
    atomic_fetch_add_explicit(&ad->n_refs, 1, memory_order_relaxed);
    return ad;
}

void oa_adapter_free(oa_adapter *adapter)
{
    if (adapter == NULL) return;
    if (atomic_fetch_sub_explicit(&adapter->n_refs, 1, memory_order_acq_rel) == 1) unload(adapter);
}

int oa_adapter_get_info(const oa_adapter *adapter, oa_adapter_info *info)
{
    if (adapter == NULL || info == NULL) return oa__err(OA_EINVAL, "adapter or info is NULL");
    return oa__opts_write(info, &adapter->info, sizeof adapter->info, sizeof adapter->info);
}
