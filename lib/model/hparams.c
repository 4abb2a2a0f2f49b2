/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hyper-parameters: read from the file's metadata under the architecture's prefix, and held
 * against what the decoder and the kernels can do.
 */
#include "model/model_priv.h"

#include <math.h>

enum {
    MAX_LAYERS = OA__KEYS_LAYERS,
    MAX_WIDTH = OA__MAX_WIDTH,
    MAX_HEADS = 4096,
    MAX_HEAD_WIDTH = 512, /* kern.h, attn_page */
    MAX_CONTEXT = 1 << 28
};

static int read_heads(oa__keys *k, oa__hparams *hp)
{
    OA__TRY(oa__keys_u32(k, "attention.head_count", 1, MAX_HEADS, &hp->n_heads));
    hp->n_heads_kv = hp->n_heads;
    OA__TRY(oa__keys_u32(k, "attention.head_count_kv", 1, MAX_HEADS, &hp->n_heads_kv));
    if (hp->n_heads > 0 && hp->d_model % hp->n_heads == 0) hp->d_head = hp->d_model / hp->n_heads;
    OA__TRY(oa__keys_u32(k, "attention.key_length", 1, MAX_WIDTH, &hp->d_head));
    uint32_t d_value = hp->d_head;
    OA__TRY(oa__keys_u32(k, "attention.value_length", 1, MAX_WIDTH, &d_value));
    if (d_value != hp->d_head) {
        return oa__err(OA_EUNSUPPORTED, "%s is %u, the keys' %u: want the same", k->key, d_value,
                       hp->d_head);
    }
    return OA_OK;
}

/* Which layers see a window, and which do not turn. */
static int read_layers(oa__keys *k, const oa__arch *a, oa__hparams *hp)
{
    uint32_t global_every = a->global_every, no_rope_every = a->no_rope_every;
    hp->window = a->window;
    OA__TRY(oa__keys_u32(k, "attention.sliding_window", 0, UINT32_MAX, &hp->window));
    OA__TRY(oa__keys_u32(k, "rope.layers", 0, MAX_LAYERS, &no_rope_every));
    uint32_t type;
    size_t n;
    const bool array = oa__keys_has(k, "attention.sliding_window_pattern") &&
                       oa__gguf_array_type(k->g, k->key, &type, &n) == OA_OK;
    if (!array) {
        OA__TRY(oa__keys_u32(k, "attention.sliding_window_pattern", 1, MAX_LAYERS, &global_every));
    }
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        const bool global = global_every != 0 && (i + 1) % global_every == 0;
        const bool no_rope = a->no_rope || (no_rope_every != 0 && (i + 1) % no_rope_every == 0);
        hp->layers[i] = (uint8_t)((global ? 0 : OA__L_LOCAL) | (no_rope ? OA__L_NO_ROPE : 0));
    }
    if (array) {
        OA__TRY(oa__keys_layers(k, "attention.sliding_window_pattern", hp->layers, hp->n_layers,
                                OA__L_LOCAL, true));
    }
    OA__TRY(oa__keys_layers(k, "attention.rope_pattern", hp->layers, hp->n_layers, OA__L_NO_ROPE,
                            false));
    bool any_turns = false, any_local = false;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        if (hp->window == 0) hp->layers[i] &= (uint8_t)~OA__L_LOCAL;
        any_turns = any_turns || !(hp->layers[i] & OA__L_NO_ROPE);
        any_local = any_local || (hp->layers[i] & OA__L_LOCAL);
    }
    const oa__rope_params *r = &hp->rope;
    const bool differs =
        r->base_local != r->base || (a->local_unscaled && r->scaling != OA__ROPE_PLAIN);
    hp->n_ropes = !any_turns ? 0 : any_local && differs ? 2 : 1;
    return OA_OK;
}

/* Factors and caps, most of them 1 or none for most architectures. */
static int read_factors(oa__keys *k, const oa__arch *a, oa__hparams *hp)
{
    static const char *const acts[OA__N_ACTS + 1] = {[OA__ACT_SILU] = "silu",
                                                     [OA__ACT_GELU] = "gelu",
                                                     [OA__ACT_GELU_TANH] = "gelu_tanh",
                                                     [OA__ACT_RELU] = "relu"};
    hp->act = a->act;
    hp->parallel = a->parallel;
    hp->embd_scale = a->scale_embd ? sqrtf((float)hp->d_model) : 1;
    hp->residual_scale = 1;
    hp->logit_scale = 1;
    if (hp->n_heads > 0 && hp->d_head > 0) {
        const bool wide = a->wide_layers != 0 && hp->n_layers == a->wide_layers;
        const uint32_t d = wide ? hp->d_model / hp->n_heads : hp->d_head;
        hp->score_scale = d > 0 ? 1.0f / sqrtf((float)d) : 1;
    }
    OA__TRY(oa__keys_name(k, "hidden_activation", acts, &hp->act));
    OA__TRY(oa__keys_bool(k, "use_parallel_residual", &hp->parallel));
    OA__TRY(oa__keys_f32(k, "attention.scale", 1e-6, 1e6, &hp->score_scale));
    OA__TRY(oa__keys_f32(k, "embedding_scale", 1e-6, 1e6, &hp->embd_scale));
    OA__TRY(oa__keys_f32(k, "residual_scale", 1e-6, 1e6, &hp->residual_scale));
    OA__TRY(oa__keys_f32(k, "attn_logit_softcapping", 0, 1e6, &hp->score_cap));
    OA__TRY(oa__keys_f32(k, "final_logit_softcapping", 0, 1e6, &hp->logit_cap));
    double divisor = 1;
    OA__TRY(oa__keys_f64(k, "logit_scale", 1e-6, 1e6, &divisor));
    hp->logit_scale = (float)(1 / divisor);
    return OA_OK;
}

static int read_norms(oa__keys *k, const oa__arch *a, oa__hparams *hp)
{
    return oa__keys_f32(
        k, a->layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
        1e-20, 1, &hp->norm_eps);
}

int oa__hparams_read(oa__hparams *hp, const oa__gguf *g, const char *name, size_t name_len)
{
    static const oa__arch unknown = {.name = ""};
    *hp = (oa__hparams){0};
    if (name_len > 64) return oa__err(OA_EFORMAT, "architecture name of %zu bytes", name_len);
    const oa__arch *a = oa__arch_find(name, name_len);
    if (a == NULL) a = &unknown;
    oa__keys k = {.g = g, .arch = name, .arch_len = (int)name_len};
    OA__TRY(oa__keys_u32(&k, "block_count", 1, MAX_LAYERS, &hp->n_layers));
    OA__TRY(oa__keys_u32(&k, "context_length", 1, MAX_CONTEXT, &hp->n_ctx_train));
    OA__TRY(oa__keys_u32(&k, "embedding_length", 1, MAX_WIDTH, &hp->d_model));
    OA__TRY(oa__keys_u32(&k, "feed_forward_length", 1, MAX_WIDTH, &hp->d_ff));
    OA__TRY(read_heads(&k, hp));
    OA__TRY(oa__rope_read(&k, a, hp));
    OA__TRY(read_layers(&k, a, hp));
    OA__TRY(read_factors(&k, a, hp));
    OA__TRY(read_norms(&k, a, hp));
    /* Files do not agree on a key for it. */
    const oa__gguf_tensor *types = oa__gguf_tensor_find(g, "token_types.weight");
    hp->n_types = types != NULL && types->dims[1] < MAX_WIDTH ? (uint32_t)types->dims[1] : 1;
    return oa__experts_read(&k, a, hp);
}

int oa__hparams_check(const oa__hparams *hp, const oa__arch *arch)
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
        {arch->layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
         hp->norm_eps == 0},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(needed); i++) {
        if (needed[i].missing) {
            return oa__err(OA_EFORMAT, "gguf key %s.%s is missing", arch->name, needed[i].key);
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
    if (arch->encoder && (hp->parallel || hp->window != 0)) {
        return oa__err(OA_EUNSUPPORTED, "an encoder with %s",
                       hp->parallel ? "parallel halves" : "a sliding window");
    }
    OA__TRY(oa__experts_check(hp, arch));
    return arch->no_rope ? OA_OK : oa__rope_check(hp);
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
    case OA__D_HEAD:
        return hp->d_head;
    case OA__D_HEADS:
        return hp->n_heads;
    case OA__D_HEADS_KV:
        return hp->n_heads_kv;
    case OA__D_FF:
        return hp->d_ff;
    case OA__D_FF_EXPERT:
        return hp->experts.d_ff;
    case OA__D_FF_SHARED:
        return hp->experts.d_ff_shared;
    case OA__D_EXPERTS:
        return hp->experts.n;
    case OA__D_VOCAB:
        return hp->n_vocab;
    case OA__D_TYPES:
        return hp->n_types;
    case OA__D_CTX:
        return hp->n_ctx_train;
    case OA__D_ROT_HALF:
        return hp->rope.d_rot / 2;
    default:
        return 1;
    }
}
