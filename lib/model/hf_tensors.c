/* SPDX-License-Identifier: Apache-2.0 */
/* The folder's tensors under GGUF's names, and as GGUF lays them out. */
#include "model/hf.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = OA__HF_NAME_SIZE };

void oa__hf_expand(char out[NAME_SIZE], const char *pattern, uint32_t layer, uint32_t i,
                   const char *suffix)
{
    size_t n = 0;
    for (const char *p = pattern; *p != '\0' && n + 12 < NAME_SIZE; p++) {
        if (*p == '%' || *p == '#') {
            n += (size_t)snprintf(out + n, NAME_SIZE - n, "%u", *p == '%' ? layer : i);
        } else {
            out[n++] = *p;
        }
    }
    snprintf(out + n, NAME_SIZE - n, "%s", suffix);
}

/* Files of a bare model leave the prefix out. */
static const oa__st_tensor *find(oa__hf *h, const char *name)
{
    const size_t n = strlen(h->family->prefix);
    char whole[NAME_SIZE + 32];
    if (h->family->outer != NULL) {
        snprintf(whole, sizeof whole, "%s%s", h->family->outer, name);
        name = whole;
    }
    const oa__st_tensor *t = oa__safetensors_find(h->st, name);
    if (t == NULL && strncmp(name, h->family->prefix, n) == 0) {
        t = oa__safetensors_find(h->st, name + n);
    }
    if (t != NULL) h->used[t - oa__safetensors_at(h->st, 0)] = true;
    return t;
}

/* Vectors are floats, as readers of GGUF want them; so is what chooses experts, and positions. */
static uint32_t type_of(const oa__st_tensor *t, const char *name, uint32_t n_dims)
{
    const bool small = n_dims == 1 || strstr(name, "ffn_gate_inp") != NULL ||
                       strcmp(name, "position_embd.weight") == 0;
    return small || !t->known ? OA__F32 : t->type;
}

size_t oa__hf_parts(const oa__hf *h, uint32_t recipe, const oa__st_tensor *t, oa__part parts[3])
{
    const uint64_t n_q = h->n_heads / h->n_heads_kv;
    const uint64_t begin[] = {0, n_q, n_q + 1, n_q + 2};
    parts[0] = (oa__part){.from = t};
    switch (recipe) {
    case OA__HF_ROPE_Q:
    case OA__HF_ROPE_K:
        parts[0].n_a = recipe == OA__HF_ROPE_Q ? h->n_heads : h->n_heads_kv;
        parts[0].n_b = 2;
        parts[0].swap = true;
        return 1;
    case OA__HF_TRANSPOSE:
        parts[0].transpose = t->n_dims == 2; /* not of a bias */
        return 1;
    case OA__HF_QKV:
        for (size_t i = 0; i < 3; i++) {
            parts[i] = (oa__part){.from = t,
                                  .n_a = h->n_heads_kv,
                                  .n_b = n_q + 2,
                                  .b_begin = begin[i],
                                  .b_end = begin[i + 1]};
        }
        return 3;
    case OA__HF_POSITIONS:
        parts[0].n_a = 1;
        parts[0].n_b = t->dims[0];
        parts[0].b_begin = h->n_skipped;
        parts[0].b_end = t->dims[0];
        return 1;
    default:
        return 1;
    }
}

/* One tensor made of one. */
static int add_one(oa__hf *h, const oa__hf_tensor *row, const oa__st_tensor *t, const char *name)
{
    oa__part parts[3];
    uint64_t dims[4] = {1, 1, 1, 1};
    uint32_t n_dims = t->n_dims;
    if (n_dims < 1 || n_dims > 4) {
        return oa__err(OA_EFORMAT, "tensor %s: %u dimensions, want 1 to 4", t->name, n_dims);
    }
    for (uint32_t i = 0; i < n_dims; i++)
        dims[i] = t->dims[n_dims - 1 - i];
    if (n_dims == 2 && dims[1] == 1) n_dims = 1;
    if (row->recipe == OA__HF_POSITIONS) {
        if (n_dims != 2 || dims[1] <= h->n_skipped) {
            return oa__err(OA_EFORMAT, "tensor %s: no rows for positions", t->name);
        }
        dims[1] -= h->n_skipped;
    }
    const size_t n_parts = oa__hf_parts(h, row->recipe, t, parts);
    if (parts[0].transpose) {
        dims[0] = t->dims[0];
        dims[1] = t->dims[1];
    }
    const float plus = row->recipe == OA__HF_PLUS_ONE ? 1 : 0;
    const uint32_t type = plus != 0 ? OA__F32 : type_of(t, name, n_dims);
    return oa__assembly_add(h->assembly, h->w, name, type, n_dims, dims, parts, n_parts, plus);
}

/* One tensor made of n that are alike. */
static int add_stack(oa__hf *h, const oa__hf_tensor *row, uint32_t layer, uint32_t n,
                     const char *suffix, const char *name)
{
    char from[NAME_SIZE];
    uint64_t dims[4] = {1, 1, 1, 1};
    uint32_t type = OA__F32, n_dims = 0;
    int rc = OA_OK;
    const oa__st_tensor *first = NULL;
    oa__part *parts = oa__alloc_array(h->mem, n, sizeof *parts);
    if (parts == NULL) return OA_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        oa__hf_expand(from, row->from, layer, i, suffix);
        const oa__st_tensor *t = find(h, from);
        if (t == NULL && i == 0 && (row->flags & OA__HF_OPTIONAL)) goto fail;
        if (t == NULL) {
            rc = oa__err(OA_EFORMAT, "tensor %s is missing", from);
            goto fail;
        }
        if (i == 0) {
            first = t;
            n_dims = t->n_dims;
            type = type_of(t, name, 2);
        }
        if (n_dims < 1 || n_dims > 3 || t->n_dims != n_dims ||
            memcmp(t->dims, first->dims, sizeof t->dims) != 0) {
            rc = oa__err(OA_EFORMAT, "tensor %s: its shape is not that of %s", from, first->name);
            goto fail;
        }
        if (t->known && t->type != type) type = OA__F32;
        parts[i].from = t;
    }
    for (uint32_t i = 0; i < n_dims; i++)
        dims[i] = first->dims[n_dims - 1 - i];
    dims[n_dims] = n;
    if (row->recipe != OA__HF_EXPERTS) type = OA__F32;
    rc = oa__assembly_add(h->assembly, h->w, name, type, n_dims + 1, dims, parts, n, 0);
fail:
    oa__free(h->mem, parts);
    return rc;
}

static uint32_t stack_size(const oa__hf *h, uint32_t recipe)
{
    return recipe == OA__HF_EXPERTS   ? h->n_experts
           : recipe == OA__HF_Q_HEADS ? h->n_heads
           : recipe == OA__HF_K_HEADS ? h->n_heads_kv
                                      : 0;
}

static int add_row(oa__hf *h, const oa__hf_tensor *row, uint32_t layer)
{
    static const char *const suffixes[] = {".weight", ".bias"};
    char from[NAME_SIZE], to[NAME_SIZE];
    const uint32_t n_stack = stack_size(h, row->recipe);
    for (size_t i = 0; i < OA__ARRAY_LEN(suffixes); i++) {
        oa__hf_expand(to, row->to, layer, 0, suffixes[i]);
        if (n_stack > 0) {
            if (i == 0) OA__TRY(add_stack(h, row, layer, n_stack, suffixes[i], to));
            continue;
        }
        oa__hf_expand(from, row->from, layer, 0, suffixes[i]);
        const oa__st_tensor *t = find(h, from);
        const bool output = strcmp(row->to, "output") == 0;
        if (output && h->tied && i == 0) continue; /* the embedding counts, whatever it holds */
        if (output && h->has_head && t == NULL) continue;
        if (t != NULL) {
            OA__TRY(add_one(h, row, t, to));
        } else if (i == 0 && (output || !(row->flags & OA__HF_OPTIONAL))) {
            return oa__err(OA_EFORMAT, "tensor %s is missing", from);
        }
    }
    return OA_OK;
}

/* Buffers that files carry although nothing is computed from them, what reads pictures for a text
 * model, and what an encoder was trained with to guess words. */
static bool harmless(const oa__hf *h, const char *name)
{
    if (h->family->outer != NULL && (strncmp(name, "vision_tower.", 13) == 0 ||
                                     strncmp(name, "multi_modal_projector.", 22) == 0)) {
        return true;
    }
    static const char *const ends[] = {".inv_freq", ".masked_bias", ".attn.bias", ".attention.bias",
                                       ".position_ids"};
    static const char *const heads[] = {"pooler.", "cls.", "lm_head."};
    const size_t n = strlen(name);
    for (size_t i = 0; i < OA__ARRAY_LEN(ends); i++) {
        const size_t len = strlen(ends[i]);
        if (n >= len && strcmp(name + n - len, ends[i]) == 0) return true;
    }
    if (!(h->family->bit & (OA__HF_BERT | OA__HF_ROBERTA))) return false;
    const size_t n_prefix = strlen(h->family->prefix);
    if (strncmp(name, h->family->prefix, n_prefix) == 0) name += n_prefix;
    for (size_t i = 0; i < OA__ARRAY_LEN(heads); i++) {
        if (strncmp(name, heads[i], strlen(heads[i])) == 0) return true;
    }
    return strcmp(name, "embeddings.position_ids") == 0;
}

int oa__hf_tensors(oa__hf *h)
{
    static const oa__hf_tensor score = {"score", "cls.output", OA__HF_AS_IS, OA__HF_OPTIONAL};
    const oa__hf_family *f = h->family;
    const size_t n = oa__safetensors_count(h->st);
    h->used = oa__alloc_array(h->mem, n, sizeof *h->used);
    if (h->used == NULL) return OA_ENOMEM;
    for (size_t i = 0; i < f->n_tensors; i++) {
        if (strchr(f->tensors[i].from, '%') == NULL) OA__TRY(add_row(h, &f->tensors[i], 0));
    }
    if (!(f->bit & (OA__HF_BERT | OA__HF_ROBERTA))) OA__TRY(add_row(h, &score, 0));
    for (uint32_t layer = 0; layer < h->n_layers; layer++) {
        for (size_t i = 0; i < f->n_tensors; i++) {
            if (strchr(f->tensors[i].from, '%') != NULL) OA__TRY(add_row(h, &f->tensors[i], layer));
        }
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = oa__safetensors_at(h->st, i)->name;
        if (h->used[i] || harmless(h, name)) continue;
        return oa__err(OA_EUNSUPPORTED, "tensor %.128s is not part of a model of type %s", name,
                       f->model_type);
    }
    return OA_OK;
}
