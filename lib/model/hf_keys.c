/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json to GGUF keys. What changes a result and has no key here must have the value that the
 * decoder computes with; what transformers does not look at either is not looked at.
 */
#include "model/hf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_LAYERS = 1024,
    MAX_WIDTH = 1 << 20,
    MAX_HEADS = 4096,
    MAX_CONTEXT = 1 << 28,
    MAX_VOCAB = 1 << 24,
    MAX_EXPERTS = 1024
};

enum {
    MOE = OA__HF_MIXTRAL | OA__HF_QWEN2MOE | OA__HF_QWEN3MOE,
    QWENS = OA__HF_QWEN2 | OA__HF_QWEN3 | OA__HF_QWEN2MOE | OA__HF_QWEN3MOE,
    GEMMAS = OA__HF_GEMMA | OA__HF_GEMMA2 | OA__HF_GEMMA3,
    OLD_NAMES = OA__HF_GPT2 | OA__HF_FALCON,
    BERTS = OA__HF_BERT | OA__HF_ROBERTA,
    LAYER_NORM = OA__HF_GPTNEOX | OA__HF_STABLELM | OA__HF_STARCODER2 | OLD_NAMES | BERTS
};

/* Values that are copied under another name. */
typedef struct number {
    uint32_t families;
    const char *name, *key;
    bool is_float, required;
    double min, max;
} number;

static const number numbers[] = {
    {OA__HF_ALL & ~(uint32_t)OLD_NAMES, "intermediate_size", "feed_forward_length", 0, 1, 1,
     MAX_WIDTH},
    {OA__HF_ALL & ~(uint32_t)LAYER_NORM, "rms_norm_eps", "attention.layer_norm_rms_epsilon", 1, 1,
     1e-20, 1},
    {OA__HF_GPTNEOX | OA__HF_STABLELM | BERTS, "layer_norm_eps", "attention.layer_norm_epsilon", 1,
     1, 1e-20, 1},
    {OA__HF_STARCODER2, "norm_epsilon", "attention.layer_norm_epsilon", 1, 1, 1e-20, 1},
    {OLD_NAMES, "layer_norm_epsilon", "attention.layer_norm_epsilon", 1, 1, 1e-20, 1},
    {OA__HF_GEMMA2, "attn_logit_softcapping", "attn_logit_softcapping", 1, 0, 0, 1e6},
    {OA__HF_GEMMA2 | OA__HF_GEMMA3, "final_logit_softcapping", "final_logit_softcapping", 1, 0, 0,
     1e6},
    {OA__HF_GRANITE, "attention_multiplier", "attention.scale", 1, 1, 1e-6, 1e6},
    {OA__HF_GRANITE, "embedding_multiplier", "embedding_scale", 1, 1, 1e-6, 1e6},
    {OA__HF_GRANITE, "residual_multiplier", "residual_scale", 1, 1, 1e-6, 1e6},
    {OA__HF_GRANITE, "logits_scaling", "logit_scale", 1, 1, 1e-6, 1e6},
    {MOE, "num_experts_per_tok", "expert_used_count", 0, 1, 1, MAX_EXPERTS},
    {OA__HF_QWEN2MOE | OA__HF_QWEN3MOE, "moe_intermediate_size", "expert_feed_forward_length", 0, 1,
     1, MAX_WIDTH},
    {OA__HF_QWEN2MOE, "shared_expert_intermediate_size", "expert_shared_feed_forward_length", 0, 1,
     1, MAX_WIDTH},
};

/* Values that must be what they usually are. */
enum demand { FALSY, TRUTHY };
static const struct {
    uint32_t families;
    const char *name;
    enum demand demand;
} demands[] = {
    {OA__HF_ALL, "quantization_config", FALSY},
    {OA__HF_ALL, "compression_config", FALSY},
    {OA__HF_ALL, "is_encoder_decoder", FALSY},
    {OA__HF_ALL, "add_cross_attention", FALSY},
    {OA__HF_ALL, "pruned_heads", FALSY},
    {BERTS, "is_decoder", FALSY},
    {OA__HF_GPT2, "scale_attn_weights", TRUTHY},
    {OA__HF_GPT2, "scale_attn_by_inverse_layer_idx", FALSY},
    {OA__HF_FALCON, "alibi", FALSY},
    {GEMMAS, "use_bidirectional_attention", FALSY},
    {OA__HF_GEMMA3, "attn_logit_softcapping", FALSY},
};

static int check_demands(const oa__hf *h)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(demands); i++) {
        if (!(demands[i].families & h->family->bit)) continue;
        const json_t *v = json_object_get(h->config, demands[i].name);
        if (v == NULL) continue;
        if (oa__hf_truthy(v) == (demands[i].demand == TRUTHY)) continue;
        static const char *const want[] = {"none", "true"};
        return oa__err(OA_EUNSUPPORTED, "config.json: %s is not supported but as %s",
                       demands[i].name, want[demands[i].demand]);
    }
    return OA_OK;
}

static int missing(const char *name)
{
    return oa__err(OA_EFORMAT, "config.json: %s is missing", name);
}

/* One of two names, the second older. */
static int read_u32(oa__hf *h, const char *name, const char *old, uint32_t max, const char *key,
                    uint32_t *out)
{
    bool found;
    OA__TRY(oa__hf_u32(h->config, name, 1, max, out, &found));
    if (!found && old != NULL) OA__TRY(oa__hf_u32(h->config, old, 1, max, out, &found));
    if (!found) return *out > 0 ? OA_OK : missing(name);
    return key != NULL ? oa__gguf_writer_u32(h->w, oa__hf_key(h, key), *out) : OA_OK;
}

static int write_numbers(oa__hf *h)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(numbers); i++) {
        const number *n = &numbers[i];
        bool found = false;
        double d = 0;
        uint32_t u = 0;
        if (!(n->families & h->family->bit)) continue;
        if (n->is_float) {
            OA__TRY(oa__hf_f64(h->config, n->name, n->min, n->max, &d, &found));
            if (found) OA__TRY(oa__gguf_writer_f32(h->w, oa__hf_key(h, n->key), (float)d));
        } else {
            OA__TRY(oa__hf_u32(h->config, n->name, (uint32_t)n->min, (uint32_t)n->max, &u, &found));
            if (found) OA__TRY(oa__gguf_writer_u32(h->w, oa__hf_key(h, n->key), u));
        }
        if (!found && n->required) return missing(n->name);
    }
    return OA_OK;
}

/* Positions of RoBERTa begin behind the one of padding. */
static int write_encoder(oa__hf *h)
{
    const char *kind = "absolute";
    uint32_t pad = 1, n_types = 1;
    if (!(h->family->bit & BERTS)) return OA_OK;
    OA__TRY(oa__hf_str(h->config, "position_embedding_type", &kind, NULL));
    if (strcmp(kind, "absolute") != 0) {
        return oa__err(OA_EUNSUPPORTED, "config.json: position_embedding_type \"%.64s\"", kind);
    }
    if (h->family->bit == OA__HF_ROBERTA) {
        OA__TRY(oa__hf_u32(h->config, "pad_token_id", 0, MAX_VOCAB, &pad, NULL));
        h->n_skipped = pad + 1;
        if (h->n_ctx <= h->n_skipped) {
            return oa__err(OA_EFORMAT, "config.json: %u positions, the first %u for padding",
                           h->n_ctx, h->n_skipped);
        }
        h->n_ctx -= h->n_skipped;
    }
    OA__TRY(oa__hf_u32(h->config, "type_vocab_size", 1, MAX_WIDTH, &n_types, NULL));
    OA__TRY(oa__gguf_writer_u32(h->w, "tokenizer.ggml.token_type_count", n_types));
    return oa__gguf_writer_bool(h->w, oa__hf_key(h, "attention.causal"), false);
}

static int write_sizes(oa__hf *h)
{
    const bool gpt2 = h->family->bit == OA__HF_GPT2, falcon = h->family->bit == OA__HF_FALCON;
    OA__TRY(read_u32(h, gpt2 ? "n_layer" : "num_hidden_layers", "n_layer", MAX_LAYERS,
                     "block_count", &h->n_layers));
    h->n_ctx = falcon ? 2048 : 0;
    OA__TRY(read_u32(h, gpt2 ? "n_positions" : "max_position_embeddings", gpt2 ? "n_ctx" : NULL,
                     MAX_CONTEXT, NULL, &h->n_ctx));
    OA__TRY(write_encoder(h));
    OA__TRY(oa__hf_head(h));
    OA__TRY(oa__gguf_writer_u32(h->w, oa__hf_key(h, "context_length"), h->n_ctx));
    OA__TRY(read_u32(h, gpt2 ? "n_embd" : "hidden_size", "n_embed", MAX_WIDTH, "embedding_length",
                     &h->d_model));
    OA__TRY(read_u32(h, gpt2 ? "n_head" : "num_attention_heads", "n_head", MAX_HEADS,
                     "attention.head_count", &h->n_heads));
    OA__TRY(read_u32(h, "vocab_size", NULL, MAX_VOCAB, "vocab_size", &h->n_vocab));
    if (!gpt2 && !falcon) return OA_OK;
    uint32_t d_ff = 4 * h->d_model;
    OA__TRY(oa__hf_u32(h->config, gpt2 ? "n_inner" : "ffn_hidden_size", 1, MAX_WIDTH, &d_ff, NULL));
    return oa__gguf_writer_u32(h->w, oa__hf_key(h, "feed_forward_length"), d_ff);
}

/* --- heads
 * ---------------------------------------------------------------------------------------- */

static int falcon_heads_kv(oa__hf *h)
{
    bool many = true, parallel = true, is_new = strcmp(h->family->model_type, "RefinedWeb") == 0;
    OA__TRY(oa__hf_bool(h->config, "new_decoder_architecture", &is_new, NULL));
    OA__TRY(oa__hf_bool(h->config, "multi_query", &many, NULL));
    OA__TRY(oa__hf_bool(h->config, "parallel_attn", &parallel, NULL));
    if (!is_new && !parallel) {
        return oa__err(OA_EUNSUPPORTED, "config.json: parallel_attn is false, want true");
    }
    if (!is_new && many) {
        h->n_heads_kv = 1;
        return OA_OK;
    }
    return read_u32(h, "num_kv_heads", "n_head_kv", MAX_HEADS, NULL, &h->n_heads_kv);
}

static int write_heads(oa__hf *h)
{
    bool found;
    h->n_heads_kv = h->n_heads;
    if (h->family->bit == OA__HF_FALCON) {
        OA__TRY(falcon_heads_kv(h));
    } else if (!(h->family->bit & (OA__HF_GPT2 | OA__HF_GPTNEOX | BERTS))) {
        OA__TRY(oa__hf_u32(h->config, "num_key_value_heads", 1, MAX_HEADS, &h->n_heads_kv, NULL));
    }
    if (h->n_heads % h->n_heads_kv != 0) {
        return oa__err(OA_EUNSUPPORTED,
                       "config.json: %u heads share %u key and value heads unevenly", h->n_heads,
                       h->n_heads_kv);
    }
    OA__TRY(oa__hf_u32(h->config, "head_dim", 1, MAX_WIDTH, &h->d_head, &found));
    if (!found) {
        if (h->d_model % h->n_heads != 0) {
            return oa__err(OA_EUNSUPPORTED, "config.json: %u heads do not divide a width of %u",
                           h->n_heads, h->d_model);
        }
        h->d_head = h->d_model / h->n_heads;
    }
    OA__TRY(oa__gguf_writer_u32(h->w, oa__hf_key(h, "attention.head_count_kv"), h->n_heads_kv));
    OA__TRY(oa__gguf_writer_u32(h->w, oa__hf_key(h, "attention.key_length"), h->d_head));
    OA__TRY(oa__gguf_writer_u32(h->w, oa__hf_key(h, "attention.value_length"), h->d_head));
    if (!(h->family->bit & (OA__HF_GEMMA2 | OA__HF_GEMMA3))) return OA_OK;
    double d = 256;
    OA__TRY(oa__hf_f64(h->config, "query_pre_attn_scalar", 1e-3, 1e9, &d, NULL));
    return oa__gguf_writer_f32(h->w, oa__hf_key(h, "attention.scale"), (float)(1 / sqrt(d)));
}

/* --- activation
 * ------------------------------------------------------------------------------------ */

static int write_activation(oa__hf *h)
{
    static const char *const names[][2] = {
        {"silu", "silu"},           {"swish", "silu"},         {"gelu", "gelu"},
        {"gelu_python", "gelu"},    {"gelu_new", "gelu_tanh"}, {"gelu_pytorch_tanh", "gelu_tanh"},
        {"gelu_fast", "gelu_tanh"}, {"relu", "relu"},
    };
    /* The first that is there counts. Gemma's older configs have a hidden_act that it never was. */
    static const struct {
        uint32_t families;
        const char *name;
    } members[] = {
        {GEMMAS, "hidden_activation"},
        {OA__HF_GPT2, "activation_function"},
        {OA__HF_FALCON, "activation"},
        {OA__HF_ALL & ~(uint32_t)(OA__HF_GPT2 | OA__HF_FALCON | OA__HF_GEMMA2 | OA__HF_GEMMA3),
         "hidden_act"},
    };
    const char *act = NULL, *name = NULL;
    for (size_t i = 0; i < OA__ARRAY_LEN(members) && act == NULL; i++) {
        name = members[i].name;
        if (members[i].families & h->family->bit) OA__TRY(oa__hf_str(h->config, name, &act, NULL));
    }
    if (act == NULL) return OA_OK;
    for (size_t i = 0; i < OA__ARRAY_LEN(names); i++) {
        if (strcmp(names[i][0], act) != 0) continue;
        return oa__gguf_writer_str(h->w, oa__hf_key(h, "hidden_activation"), names[i][1],
                                   strlen(names[i][1]));
    }
    return oa__err(OA_EUNSUPPORTED, "config.json: %s \"%.64s\" is not supported", name, act);
}

/* --- layers that differ
 * ----------------------------------------------------------------------------- */

/* Which layers see a window: from layer_types, or as the family does without them. */
static int local_layers(const oa__hf *h, uint8_t *local, bool *any)
{
    const json_t *types = oa__hf_get(h->config, "layer_types");
    uint32_t first = 28, every = h->family->bit == OA__HF_GEMMA2 ? 2 : 6;
    *any = false;
    if (types != NULL && (!json_is_array(types) || json_array_size(types) != h->n_layers)) {
        return oa__err(OA_EFORMAT, "config.json: layer_types is no list of %u names", h->n_layers);
    }
    if (h->family->bit & QWENS) {
        OA__TRY(oa__hf_u32(h->config, "max_window_layers", 0, UINT32_MAX, &first, NULL));
    }
    OA__TRY(oa__hf_u32(h->config, "_sliding_window_pattern", 1, MAX_LAYERS, &every, NULL));
    OA__TRY(oa__hf_u32(h->config, "sliding_window_pattern", 1, MAX_LAYERS, &every, NULL));
    if (types == NULL && h->family->bit == OA__HF_SMOLLM3) {
        return oa__err(OA_EUNSUPPORTED, "config.json: use_sliding_window without layer_types");
    }
    for (uint32_t i = 0; i < h->n_layers; i++) {
        const char *name = types ? json_string_value(json_array_get(types, i)) : NULL;
        if (types == NULL) {
            local[i] = h->family->bit & QWENS                             ? i >= first
                       : h->family->bit & (OA__HF_GEMMA2 | OA__HF_GEMMA3) ? (i + 1) % every != 0
                                                                          : true;
        } else if (name != NULL && strcmp(name, "sliding_attention") == 0) {
            local[i] = 1;
        } else if (name == NULL || strcmp(name, "full_attention") != 0) {
            return oa__err(OA_EUNSUPPORTED, "config.json: layer_types has \"%.64s\"",
                           name ? name : "");
        }
        *any = *any || local[i];
    }
    return OA_OK;
}

static int write_windows(oa__hf *h)
{
    enum {
        ALWAYS = OA__HF_MISTRAL | OA__HF_MIXTRAL | OA__HF_PHI3 | OA__HF_STARCODER2 | OA__HF_GEMMA2 |
                 OA__HF_GEMMA3,
        SWITCHED = QWENS | OA__HF_SMOLLM3
    };
    bool on = (h->family->bit & ALWAYS) != 0, any;
    uint32_t window = 0;
    uint8_t local[MAX_LAYERS] = {0};
    if (h->family->bit & SWITCHED) OA__TRY(oa__hf_bool(h->config, "use_sliding_window", &on, NULL));
    if (on) OA__TRY(oa__hf_u32(h->config, "sliding_window", 0, INT32_MAX, &window, NULL));
    if (window == 0) return OA_OK;
    OA__TRY(local_layers(h, local, &any));
    if (!any) return OA_OK;
    OA__TRY(oa__gguf_writer_u32(h->w, oa__hf_key(h, "attention.sliding_window"), window));
    /* Other readers know the usual patterns and no key for them. */
    const uint32_t every = h->family->bit == OA__HF_GEMMA2   ? 2
                           : h->family->bit == OA__HF_GEMMA3 ? 6
                                                             : 0;
    for (uint32_t i = 0; i < h->n_layers; i++) {
        if (local[i] == (every == 0 || (i + 1) % every != 0)) continue;
        return oa__gguf_writer_array(h->w, oa__hf_key(h, "attention.sliding_window_pattern"),
                                     OA__GGUF_BOOL, local, h->n_layers);
    }
    return OA_OK;
}

/* SmolLM3: layers that do not turn. */
static int write_no_rope(oa__hf *h)
{
    uint8_t turns[MAX_LAYERS];
    uint32_t every = 4;
    bool usual = true;
    if (h->family->bit != OA__HF_SMOLLM3) return OA_OK;
    const json_t *list = oa__hf_get(h->config, "no_rope_layers");
    OA__TRY(oa__hf_u32(h->config, "no_rope_layer_interval", 1, MAX_LAYERS, &every, NULL));
    if (list != NULL && (!json_is_array(list) || json_array_size(list) != h->n_layers)) {
        return oa__err(OA_EFORMAT, "config.json: no_rope_layers is no list of %u numbers",
                       h->n_layers);
    }
    for (uint32_t i = 0; i < h->n_layers; i++) {
        turns[i] = list ? oa__hf_truthy(json_array_get(list, i)) : (i + 1) % every != 0;
        usual = usual && turns[i] == ((i + 1) % 4 != 0);
    }
    if (usual) return OA_OK;
    return oa__gguf_writer_array(h->w, oa__hf_key(h, "attention.rope_pattern"), OA__GGUF_BOOL,
                                 turns, h->n_layers);
}

/* --- experts
 * ----------------------------------------------------------------------------------------- */

static int write_experts(oa__hf *h)
{
    if (!(h->family->bit & MOE)) return OA_OK;
    bool norm = h->family->bit == OA__HF_MIXTRAL;
    OA__TRY(read_u32(h, "num_local_experts", "num_experts", MAX_EXPERTS, "expert_count",
                     &h->n_experts));
    if (!norm) OA__TRY(oa__hf_bool(h->config, "norm_topk_prob", &norm, NULL));
    return oa__gguf_writer_bool(h->w, oa__hf_key(h, "expert_weights_norm"), norm);
}

int oa__hf_keys(oa__hf *h)
{
    static const uint32_t tied_by_default =
        GEMMAS | OA__HF_GPT2 | OA__HF_FALCON | OA__HF_SMOLLM3 | OA__HF_STARCODER2;
    const char *arch = h->family->arch;
    OA__TRY(check_demands(h));
    OA__TRY(oa__gguf_writer_str(h->w, "general.architecture", arch, strlen(arch)));
    OA__TRY(write_sizes(h));
    OA__TRY(write_heads(h));
    OA__TRY(write_numbers(h));
    OA__TRY(write_activation(h));
    OA__TRY(write_windows(h));
    OA__TRY(write_no_rope(h));
    OA__TRY(write_experts(h));
    if (h->family->bit & (OA__HF_GPTNEOX | OA__HF_STABLELM)) {
        bool parallel = h->family->bit == OA__HF_GPTNEOX;
        OA__TRY(oa__hf_bool(h->config, "use_parallel_residual", &parallel, NULL));
        OA__TRY(oa__gguf_writer_bool(h->w, oa__hf_key(h, "use_parallel_residual"), parallel));
    }
    if (h->family->bit == OA__HF_FALCON) {
        OA__TRY(oa__gguf_writer_str(h->w, "falcon.tensor_data_layout", "jploski", 7));
    }
    h->tied = (h->family->bit & tied_by_default) != 0;
    OA__TRY(oa__hf_bool(h->config, "tie_word_embeddings", &h->tied, NULL));
    return oa__hf_rope(h);
}
