/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hyper-parameters: read from the file's metadata under the architecture's prefix, and held
 * against what the decoder and the kernels can do.
 */
#include "model/model_priv.h"

#include <stdio.h>
#include <string.h>

enum {
    MAX_LAYERS = 1024,
    MAX_WIDTH = 1 << 20,
    MAX_HEADS = 4096,
    MAX_HEAD_WIDTH = 512, /* kern.h, attn_page */
    MAX_CONTEXT = 1 << 28
};

typedef struct reader {
    const oa__gguf *g;
    const char *arch;
    int arch_len;
    char key[160];
} reader;

/* Build the key and tell whether it is there. */
static bool has(reader *r, const char *suffix)
{
    snprintf(r->key, sizeof r->key, "%.*s.%s", r->arch_len, r->arch, suffix);
    return oa__gguf_has(r->g, r->key);
}

static int read_u32(reader *r, const char *suffix, uint32_t max, uint32_t *out)
{
    if (!has(r, suffix)) return OA_OK;
    uint64_t v = 0;
    OA__TRY(oa__gguf_u64(r->g, r->key, &v));
    if (v < 1 || v > max) {
        return oa__err(OA_EUNSUPPORTED, "%s is %llu, want 1 to %u", r->key, (unsigned long long)v,
                       max);
    }
    *out = (uint32_t)v;
    return OA_OK;
}

static int read_f64(reader *r, const char *suffix, double min, double max, double *out)
{
    if (!has(r, suffix)) return OA_OK;
    double v = 0;
    OA__TRY(oa__gguf_f64(r->g, r->key, &v));
    if (!(v >= min && v <= max)) { /* a NaN fails too */
        return oa__err(OA_EUNSUPPORTED, "%s is out of range", r->key);
    }
    *out = v;
    return OA_OK;
}

static int read_rope(reader *r, oa__hparams *hp)
{
    double factor = 1;
    OA__TRY(read_u32(r, "rope.dimension_count", MAX_HEAD_WIDTH, &hp->d_rot));
    OA__TRY(read_f64(r, "rope.freq_base", 1, 1e12, &hp->rope_base));
    OA__TRY(read_f64(r, "rope.scale_linear", 1e-6, 1e6, &factor));
    if (has(r, "rope.scaling.type")) {
        const char *type;
        size_t len;
        OA__TRY(oa__gguf_str(r->g, r->key, &type, &len));
        const bool none = len == 4 && memcmp(type, "none", 4) == 0;
        /* llama3 scaling comes as the tensor rope_freqs.weight; the factor is part of it. */
        const bool llama3 = len == 6 && memcmp(type, "llama3", 6) == 0;
        const bool linear = len == 6 && memcmp(type, "linear", 6) == 0;
        if (!none && !llama3 && !linear) {
            return oa__err(OA_EUNSUPPORTED, "%s is \"%.*s\", want none, linear or llama3", r->key,
                           (int)(len < 64 ? len : 64), type);
        }
        if (linear) OA__TRY(read_f64(r, "rope.scaling.factor", 1e-6, 1e6, &factor));
        if (!linear) factor = 1;
        if (llama3 && !oa__gguf_tensor_find(r->g, "rope_freqs.weight")) {
            return oa__err(OA_EUNSUPPORTED, "%s is llama3, but there is no rope_freqs.weight",
                           r->key);
        }
    }
    hp->rope_factor = (float)factor;
    return OA_OK;
}

int oa__hparams_read(oa__hparams *hp, const oa__gguf *g, const char *arch, size_t arch_len)
{
    *hp = (oa__hparams){.rope_base = 10000};
    if (arch_len > 64) return oa__err(OA_EFORMAT, "architecture name of %zu bytes", arch_len);
    reader r = {.g = g, .arch = arch, .arch_len = (int)arch_len};
    OA__TRY(read_u32(&r, "block_count", MAX_LAYERS, &hp->n_layers));
    OA__TRY(read_u32(&r, "context_length", MAX_CONTEXT, &hp->n_ctx_train));
    OA__TRY(read_u32(&r, "embedding_length", MAX_WIDTH, &hp->d_model));
    OA__TRY(read_u32(&r, "feed_forward_length", MAX_WIDTH, &hp->d_ff));
    OA__TRY(read_u32(&r, "attention.head_count", MAX_HEADS, &hp->n_heads));
    hp->n_heads_kv = hp->n_heads;
    OA__TRY(read_u32(&r, "attention.head_count_kv", MAX_HEADS, &hp->n_heads_kv));

    if (hp->n_heads > 0 && hp->d_model % hp->n_heads == 0) hp->d_head = hp->d_model / hp->n_heads;
    OA__TRY(read_u32(&r, "attention.key_length", MAX_WIDTH, &hp->d_head));
    uint32_t d_value = hp->d_head;
    OA__TRY(read_u32(&r, "attention.value_length", MAX_WIDTH, &d_value));
    if (d_value != hp->d_head) {
        return oa__err(OA_EUNSUPPORTED, "%s is %u, the keys' %u: want the same", r.key, d_value,
                       hp->d_head);
    }
    hp->d_rot = hp->d_head;
    OA__TRY(read_rope(&r, hp));
    double eps = 0;
    OA__TRY(read_f64(&r, "attention.layer_norm_rms_epsilon", 1e-20, 1, &eps));
    hp->norm_eps = (float)eps;
    uint64_t n_experts = 0;
    if (has(&r, "expert_count")) OA__TRY(oa__gguf_u64(g, r.key, &n_experts));
    if (n_experts > 0) {
        return oa__err(OA_EUNSUPPORTED, "%s is %llu: mixtures of experts are not supported", r.key,
                       (unsigned long long)n_experts);
    }
    return OA_OK;
}

int oa__hparams_check(const oa__hparams *hp, const char *arch)
{
    const struct {
        const char *key;
        bool missing;
    } needed[] = {
        {"block_count", hp->n_layers == 0},
        {"context_length", hp->n_ctx_train == 0},
        {"embedding_length", hp->d_model == 0},
        {"feed_forward_length", hp->d_ff == 0},
        {"attention.head_count", hp->n_heads == 0},
        {"attention.layer_norm_rms_epsilon", hp->norm_eps == 0},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(needed); i++) {
        if (needed[i].missing) {
            return oa__err(OA_EFORMAT, "gguf key %s.%s is missing", arch, needed[i].key);
        }
    }
    if (hp->d_head == 0) {
        return oa__err(OA_EUNSUPPORTED, "%u heads do not divide a width of %u", hp->n_heads,
                       hp->d_model);
    }
    if (hp->d_head % 8 != 0 || hp->d_head > MAX_HEAD_WIDTH) {
        return oa__err(OA_EUNSUPPORTED, "heads of width %u, want a multiple of 8 up to %d",
                       hp->d_head, MAX_HEAD_WIDTH);
    }
    if (hp->n_heads % hp->n_heads_kv != 0) {
        return oa__err(OA_EUNSUPPORTED, "%u heads share %u key and value heads unevenly",
                       hp->n_heads, hp->n_heads_kv);
    }
    if (hp->d_rot % 2 != 0 || hp->d_rot > hp->d_head) {
        return oa__err(OA_EUNSUPPORTED,
                       "%u dimensions of heads of width %u turn, want an even "
                       "number up to the width",
                       hp->d_rot, hp->d_head);
    }
    return OA_OK;
}

size_t oa__hparams_dim(const oa__hparams *hp, uint32_t dim)
{
    switch (dim) {
    case OA__D_MODEL:
        return hp->d_model;
    case OA__D_Q:
        return (size_t)hp->n_heads * hp->d_head;
    case OA__D_KV:
        return (size_t)hp->n_heads_kv * hp->d_head;
    case OA__D_FF:
        return hp->d_ff;
    case OA__D_VOCAB:
        return hp->n_vocab;
    case OA__D_ROT_HALF:
        return hp->d_rot / 2;
    default:
        return 1;
    }
}
