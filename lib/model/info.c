/* SPDX-License-Identifier: Apache-2.0 */
/* What a model is, asked from outside and from the floors above. */
#include "model/model_priv.h"

#include <string.h>

int oa_model_get_info(const oa_model *model, oa_model_info *info)
{
    if (model == NULL || info == NULL) return oa__err(OA_EINVAL, "model or info is NULL");
    const oa__hparams *hp = &model->hp;
    const oa_model_info full = {
        .size = sizeof full,
        .path = model->path,
        .architecture = model->arch_name,
        .name = model->name,
        .license = model->license,
        .type = model->type_name,
        .tokenizer = oa__vocab_describe(model->vocab),
        .chat_template = model->template_text,
        .cpu = oa__cpu_tier_name(model->cpu_tier),
        .n_params = model->n_params,
        .file_size = oa__gguf_file_size(model->gguf),
        .weights_size = model->weights_size,
        .n_layers = hp->n_layers,
        .d_model = hp->d_model,
        .d_ff = hp->d_ff,
        .n_heads = hp->n_heads,
        .n_heads_kv = hp->n_heads_kv,
        .d_head = hp->d_head,
        .n_vocab = hp->n_vocab,
        .n_ctx_train = hp->n_ctx_train,
        .n_ctx_short = hp->rope.scaling == OA__ROPE_LONG ? hp->rope.n_ctx_old : 0,
        .n_threads = model->n_threads,
        .bos_id = model->bos_id,
        .eos_id = model->eos_id,
        .eot_id = model->eot_id,
        .unk_id = model->unk_id,
        .pad_id = model->pad_id,
        .add_bos = model->add_bos,
        .add_eos = model->add_eos,
        .types = model->types_text ? model->types_text : "",
    };
    return oa__opts_write(info, &full, sizeof full, sizeof full);
}

int oa_model_get_meta_count(const oa_model *model, size_t *n)
{
    if (model == NULL || n == NULL) return oa__err(OA_EINVAL, "model or n is NULL");
    *n = oa__gguf_meta_count(model->gguf);
    return OA_OK;
}

int oa_model_get_meta_key(const oa_model *model, size_t index, const char **key)
{
    if (model == NULL || key == NULL) return oa__err(OA_EINVAL, "model or key is NULL");
    *key = NULL;
    const size_t n = oa__gguf_meta_count(model->gguf);
    if (index >= n) return oa__err(OA_EINVAL, "metadata entry %zu of %zu", index, n);
    *key = oa__gguf_meta_key(model->gguf, index);
    return OA_OK;
}

int oa_model_copy_meta(const oa_model *model, const char *key, char *buf, size_t buf_size,
                       size_t *text_len)
{
    if (model == NULL || key == NULL) return oa__err(OA_EINVAL, "model or key is NULL");
    if (buf == NULL && buf_size > 0) return oa__err(OA_EINVAL, "buf is NULL");
    oa__str text = {.mem = oa__model_mem(model)};
    int rc = oa__gguf_meta_text(model->gguf, key, &text);
    if (rc == OA_OK) {
        rc = oa__copy_out(text.data ? text.data : "", text.len, buf, buf_size, text_len);
    }
    oa__str_free(&text);
    return rc;
}

/* --- the door ------------------------------------------------------------------------------- */

/* The account counts; counting changes nothing that a const model promises. */
oa__mem *oa__model_mem(const oa_model *m)
{
    return (oa__mem *)(uintptr_t)&m->mem;
}

const oa__vocab *oa__model_vocab(const oa_model *m)
{
    return m->vocab;
}

uint32_t oa__model_d_model(const oa_model *m)
{
    return m->hp.d_model;
}

uint32_t oa__model_n_vocab(const oa_model *m)
{
    return m->hp.n_vocab;
}

uint32_t oa__model_n_ctx_train(const oa_model *m)
{
    return m->hp.n_ctx_train;
}

uint32_t oa__model_n_ctx_max(const oa_model *m)
{
    return m->tables[OA__R_POS].data != NULL ? (uint32_t)m->tables[OA__R_POS].n_rows : UINT32_MAX;
}

uint32_t oa__model_n_ctx_short(const oa_model *m)
{
    return m->hp.rope.scaling == OA__ROPE_LONG ? m->hp.rope.n_ctx_old : UINT32_MAX;
}

bool oa__model_is_encoder(const oa_model *m)
{
    return m->arch != NULL && m->arch->encoder;
}

uint32_t oa__model_n_segments(const oa_model *m)
{
    const oa__table_rows *types = &m->tables[OA__R_TYPES];
    return types->data != NULL ? (uint32_t)types->n_rows : 0;
}

bool oa__model_has_output(const oa_model *m)
{
    return !m->no_output;
}

bool oa__model_has_weights(const oa_model *m)
{
    return m->has_weights;
}

uint64_t oa__model_fingerprint(const oa_model *m)
{
    /* Asked of few models, and the answer is always the same. */
    _Atomic uint64_t *known = (_Atomic uint64_t *)(uintptr_t)&m->fingerprint;
    uint64_t found = atomic_load_explicit(known, memory_order_relaxed);
    if (found == 0) {
        found = oa__gguf_fingerprint(m->gguf);
        atomic_store_explicit(known, found, memory_order_relaxed);
    }
    return found;
}

void *oa__model_shared(oa_model *m, void *(*make)(oa_model *m), void (*drop)(void *))
{
    oa__lock_take(&m->shared_lock);
    if (m->shared == NULL) {
        m->shared = make(m);
        m->shared_drop = drop;
    }
    void *shared = m->shared;
    oa__lock_drop(&m->shared_lock);
    return shared;
}
