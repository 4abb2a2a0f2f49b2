/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes small Hugging Face folders: of each family of models one, with weights that are numbers
 * of a fixed row, and a byte-level tokenizer.
 */
#ifndef OA_TESTS_MODEL_HF_MADE_H
#define OA_TESTS_MODEL_HF_MADE_H

#include "util/test.h"

#include <stdbool.h>

#include "util/folder.h"

/* Width, feed-forward width, vocabulary (with padding), tokens; 4 heads of 8, 2 for keys. */
enum { HF_D = 32, HF_FF = 48, HF_VOCAB = 264, HF_TOKENS = 259, HF_EXPERTS = 4 };

typedef struct hf_family {
    const char *name;
    const char *config;
    const char *const *tensors; /* "name rows [cols]", % for the layer, # for the expert or head */
} hf_family;

#define HF_SIZES                                                                                   \
    "\"hidden_size\": 32, \"intermediate_size\": 48, \"num_hidden_layers\": 2, "                   \
    "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"vocab_size\": 264, "                \
    "\"max_position_embeddings\": 128, \"head_dim\": 8, \"rms_norm_eps\": 1e-6, "                  \
    "\"tie_word_embeddings\": false, \"torch_dtype\": \"float32\", \"eos_token_id\": 256, "        \
    "\"transformers_version\": \"4.50.0\""
#define HF_L "model.layers.%."
#define HF_ENDS "model.embed_tokens.weight 264 32", "model.norm.weight 32", "lm_head.weight 264 32"
#define HF_TWO_NORMS HF_L "input_layernorm.weight 32", HF_L "post_attention_layernorm.weight 32"
#define HF_QKVO                                                                                    \
    HF_L "self_attn.q_proj.weight 32 32", HF_L "self_attn.k_proj.weight 16 32",                    \
        HF_L "self_attn.v_proj.weight 16 32", HF_L "self_attn.o_proj.weight 32 32"
#define HF_QKV_BIAS                                                                                \
    HF_L "self_attn.q_proj.bias 32", HF_L "self_attn.k_proj.bias 16",                              \
        HF_L "self_attn.v_proj.bias 16"
#define HF_GATED                                                                                   \
    HF_L "mlp.gate_proj.weight 48 32", HF_L "mlp.up_proj.weight 48 32",                            \
        HF_L "mlp.down_proj.weight 32 48"
#define HF_NORMS_AFTER                                                                             \
    HF_L "pre_feedforward_layernorm.weight 32", HF_L "post_feedforward_layernorm.weight 32"
#define HF_QK_NORM HF_L "self_attn.q_norm.weight 8", HF_L "self_attn.k_norm.weight 8"
#define HF_EXPERT_TENSORS                                                                          \
    HF_L "mlp.gate.weight 4 32", HF_L "mlp.experts.#.gate_proj.weight 16 32",                      \
        HF_L "mlp.experts.#.up_proj.weight 16 32", HF_L "mlp.experts.#.down_proj.weight 32 16"
#define HF_LIST(...)                                                                               \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define HF_LN(name) name ".weight 32", name ".bias 32"
#define HF_B "encoder.layer.%."
#define HF_B_LINEAR(name, rows, cols) name ".weight " rows " " cols, name ".bias " rows
#define HF_BERT(p, n_pos, n_types)                                                                 \
    p "embeddings.word_embeddings.weight 264 32",                                                  \
        p "embeddings.position_embeddings.weight " n_pos " 32",                                    \
        p "embeddings.token_type_embeddings.weight " n_types " 32",                                \
        HF_LN(p "embeddings.LayerNorm"), HF_B_LINEAR(p HF_B "attention.self.query", "32", "32"),   \
        HF_B_LINEAR(p HF_B "attention.self.key", "32", "32"),                                      \
        HF_B_LINEAR(p HF_B "attention.self.value", "32", "32"),                                    \
        HF_B_LINEAR(p HF_B "attention.output.dense", "32", "32"),                                  \
        HF_LN(p HF_B "attention.output.LayerNorm"),                                                \
        HF_B_LINEAR(p HF_B "intermediate.dense", "48", "32"),                                      \
        HF_B_LINEAR(p HF_B "output.dense", "32", "48"), HF_LN(p HF_B "output.LayerNorm")

static const hf_family hf_families[] = {
    {"llama",
     "{\"model_type\": \"llama\", " HF_SIZES ", \"attention_bias\": true, \"rope_theta\": 5000.0, "
     "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, "
     "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 64}}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_QKVO, HF_QKV_BIAS, HF_L "self_attn.o_proj.bias 32", HF_GATED,
             HF_L "self_attn.rotary_emb.inv_freq 4")},
    {"mistral", "{\"model_type\": \"mistral\", " HF_SIZES ", \"sliding_window\": 16}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_QKVO, HF_GATED)},
    {"smollm3",
     "{\"model_type\": \"smollm3\", " HF_SIZES ", \"no_rope_layers\": [0, 1], "
     "\"use_sliding_window\": false, \"sliding_window\": 7}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_QKVO, HF_GATED)},
    {"granite",
     "{\"model_type\": \"granite\", " HF_SIZES ", \"embedding_multiplier\": 12.0, "
     "\"attention_multiplier\": 0.125, \"residual_multiplier\": 0.25, \"logits_scaling\": 8.0}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_QKVO, HF_GATED)},
    {"gptneox",
     "{\"model_type\": \"gpt_neox\", " HF_SIZES ", \"hidden_act\": \"gelu\", \"rotary_pct\": 0.25, "
     "\"rotary_emb_base\": 10000, \"layer_norm_eps\": 1e-5, \"use_parallel_residual\": true}",
     HF_LIST("gpt_neox.embed_in.weight 264 32", HF_LN("gpt_neox.final_layer_norm"),
             "embed_out.weight 264 32", HF_LN("gpt_neox.layers.%.input_layernorm"),
             HF_LN("gpt_neox.layers.%.post_attention_layernorm"),
             "gpt_neox.layers.%.attention.query_key_value.weight 96 32",
             "gpt_neox.layers.%.attention.query_key_value.bias 96",
             "gpt_neox.layers.%.attention.dense.weight 32 32",
             "gpt_neox.layers.%.attention.dense.bias 32", "gpt_neox.layers.%.attention.bias 1",
             "gpt_neox.layers.%.mlp.dense_h_to_4h.weight 48 32",
             "gpt_neox.layers.%.mlp.dense_h_to_4h.bias 48",
             "gpt_neox.layers.%.mlp.dense_4h_to_h.weight 32 48",
             "gpt_neox.layers.%.mlp.dense_4h_to_h.bias 32")},
    {"falcon old",
     "{\"model_type\": \"RefinedWebModel\", \"hidden_size\": 32, \"n_layer\": 2, \"n_head\": 4, "
     "\"vocab_size\": 264, \"multi_query\": true, \"alibi\": false, \"bias\": false, "
     "\"parallel_attn\": true, \"layer_norm_epsilon\": 1e-5}",
     HF_LIST("transformer.word_embeddings.weight 264 32", HF_LN("transformer.ln_f"),
             "lm_head.weight 264 32", HF_LN("transformer.h.%.input_layernorm"),
             "transformer.h.%.self_attention.query_key_value.weight 48 32",
             "transformer.h.%.self_attention.dense.weight 32 32",
             "transformer.h.%.mlp.dense_h_to_4h.weight 128 32",
             "transformer.h.%.mlp.dense_4h_to_h.weight 32 128")},
    {"falcon new",
     "{\"model_type\": \"falcon\", " HF_SIZES ", \"num_kv_heads\": 2, "
     "\"new_decoder_architecture\": true, \"ffn_hidden_size\": 64, "
     "\"layer_norm_epsilon\": 1e-5}",
     HF_LIST("transformer.word_embeddings.weight 264 32", HF_LN("transformer.ln_f"),
             "lm_head.weight 264 32", HF_LN("transformer.h.%.ln_attn"),
             HF_LN("transformer.h.%.ln_mlp"),
             "transformer.h.%.self_attention.query_key_value.weight 64 32",
             "transformer.h.%.self_attention.dense.weight 32 32",
             "transformer.h.%.mlp.dense_h_to_4h.weight 64 32",
             "transformer.h.%.mlp.dense_4h_to_h.weight 32 64")},
    {"gpt2 bare",
     "{\"model_type\": \"gpt2\", \"n_embd\": 32, \"n_layer\": 2, \"n_head\": 4, \"n_inner\": null, "
     "\"vocab_size\": 264, \"n_positions\": 128, \"n_ctx\": 128, "
     "\"activation_function\": \"gelu_new\", \"layer_norm_epsilon\": 1e-5}",
     HF_LIST("wte.weight 264 32", "wpe.weight 128 32", HF_LN("ln_f"), HF_LN("h.%.ln_1"),
             HF_LN("h.%.ln_2"), "h.%.attn.bias 1", "h.%.attn.c_attn.weight 32 96",
             "h.%.attn.c_attn.bias 96", "h.%.attn.c_proj.weight 32 32", "h.%.attn.c_proj.bias 32",
             "h.%.mlp.c_fc.weight 32 128", "h.%.mlp.c_fc.bias 128", "h.%.mlp.c_proj.weight 128 32",
             "h.%.mlp.c_proj.bias 32")},
    {"qwen2",
     "{\"model_type\": \"qwen2\", " HF_SIZES ", \"use_sliding_window\": true, "
     "\"sliding_window\": 16, \"max_window_layers\": 1, "
     "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0, "
     "\"original_max_position_embeddings\": 32}}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_QKVO, HF_QKV_BIAS, HF_GATED)},
    {"qwen3",
     "{\"model_type\": \"qwen3\", " HF_SIZES ", \"rope_parameters\": "
     "{\"rope_type\": \"linear\", \"factor\": 2.0, \"rope_theta\": 1000000}}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_QKVO, HF_QK_NORM, HF_GATED)},
    {"phi3",
     "{\"model_type\": \"phi3\", " HF_SIZES ", \"sliding_window\": 100, "
     "\"original_max_position_embeddings\": 32, \"rope_scaling\": {\"type\": \"su\", "
     "\"short_factor\": [1, 1.5, 2, 2.5], \"long_factor\": [1, 2, 3, 4]}}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_L "self_attn.qkv_proj.weight 64 32",
             HF_L "self_attn.o_proj.weight 32 32", HF_L "mlp.gate_up_proj.weight 96 32",
             HF_L "mlp.down_proj.weight 32 48")},
    {"gemma",
     "{\"model_type\": \"gemma\", " HF_SIZES
     ", \"hidden_act\": \"gelu\", \"hidden_activation\": \"gelu_pytorch_tanh\"}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_QKVO, HF_GATED)},
    {"gemma2",
     "{\"model_type\": \"gemma2\", " HF_SIZES ", \"hidden_activation\": \"gelu_pytorch_tanh\", "
     "\"attn_logit_softcapping\": 50.0, \"final_logit_softcapping\": 30.0, "
     "\"query_pre_attn_scalar\": 16, \"sliding_window\": 16}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_NORMS_AFTER, HF_QKVO, HF_GATED)},
    {"gemma3",
     "{\"model_type\": \"gemma3_text\", " HF_SIZES ", \"rope_local_base_freq\": 1000, "
     "\"sliding_window_pattern\": 2, \"sliding_window\": 16, \"rope_theta\": 1000000.0, "
     "\"query_pre_attn_scalar\": 16}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_NORMS_AFTER, HF_QKVO, HF_QK_NORM, HF_GATED)},
    {"stablelm",
     "{\"model_type\": \"stablelm\", " HF_SIZES ", \"layer_norm_eps\": 1e-5, "
     "\"use_parallel_residual\": true, \"qk_layernorm\": true}",
     HF_LIST(HF_ENDS, "model.norm.bias 32", HF_LN(HF_L "input_layernorm"), HF_QKVO,
             HF_L "self_attn.q_layernorm.norms.#.weight 8", HF_GATED,
             HF_L "self_attn.k_layernorm.norms.0.weight 8",
             HF_L "self_attn.k_layernorm.norms.1.weight 8")},
    {"starcoder2",
     "{\"model_type\": \"starcoder2\", " HF_SIZES ", \"norm_epsilon\": 1e-5, "
     "\"hidden_act\": \"gelu_pytorch_tanh\", \"sliding_window\": 32}",
     HF_LIST(HF_ENDS, "model.norm.bias 32", HF_LN(HF_L "input_layernorm"),
             HF_LN(HF_L "post_attention_layernorm"), HF_QKVO, HF_QKV_BIAS,
             HF_L "mlp.c_fc.weight 48 32", HF_L "mlp.c_fc.bias 48", HF_L "mlp.c_proj.weight 32 48",
             HF_L "mlp.c_proj.bias 32")},
    {"olmo2", "{\"model_type\": \"olmo2\", " HF_SIZES "}",
     HF_LIST(HF_ENDS, HF_L "post_attention_layernorm.weight 32",
             HF_L "post_feedforward_layernorm.weight 32", HF_QKVO,
             HF_L "self_attn.q_norm.weight 32", HF_L "self_attn.k_norm.weight 16", HF_GATED)},
    {"mixtral",
     "{\"model_type\": \"mixtral\", " HF_SIZES
     ", \"num_local_experts\": 4, \"num_experts_per_tok\": 2}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_QKVO, HF_L "block_sparse_moe.gate.weight 4 32",
             HF_L "block_sparse_moe.experts.#.w1.weight 48 32",
             HF_L "block_sparse_moe.experts.#.w2.weight 32 48",
             HF_L "block_sparse_moe.experts.#.w3.weight 48 32")},
    {"qwen2moe",
     "{\"model_type\": \"qwen2_moe\", " HF_SIZES
     ", \"num_experts\": 4, \"num_experts_per_tok\": 2, "
     "\"moe_intermediate_size\": 16, \"shared_expert_intermediate_size\": 24, "
     "\"norm_topk_prob\": false, \"decoder_sparse_step\": 1, \"mlp_only_layers\": []}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_QKVO, HF_QKV_BIAS, HF_EXPERT_TENSORS,
             HF_L "mlp.shared_expert_gate.weight 1 32",
             HF_L "mlp.shared_expert.gate_proj.weight 24 32",
             HF_L "mlp.shared_expert.up_proj.weight 24 32",
             HF_L "mlp.shared_expert.down_proj.weight 32 24")},
    {"qwen3moe",
     "{\"model_type\": \"qwen3_moe\", " HF_SIZES
     ", \"num_experts\": 4, \"num_experts_per_tok\": 2, "
     "\"moe_intermediate_size\": 16, \"norm_topk_prob\": true}",
     HF_LIST(HF_ENDS, HF_TWO_NORMS, HF_QKVO, HF_QK_NORM, HF_EXPERT_TENSORS)},
    {"bert bare",
     "{\"model_type\": \"bert\", " HF_SIZES ", \"hidden_act\": \"gelu\", "
     "\"layer_norm_eps\": 1e-12, \"type_vocab_size\": 2}",
     HF_LIST(HF_BERT("", "128", "2"), HF_B_LINEAR("pooler.dense", "32", "32"))},
    {"roberta",
     "{\"model_type\": \"xlm-roberta\", " HF_SIZES ", \"hidden_act\": \"gelu\", "
     "\"layer_norm_eps\": 1e-5, \"type_vocab_size\": 1, \"pad_token_id\": 1}",
     HF_LIST(HF_BERT("roberta.", "128", "1"), HF_B_LINEAR("lm_head.dense", "32", "32"))},
};
enum { HF_N_FAMILIES = sizeof hf_families / sizeof hf_families[0] };

/* The letter that byte-level tokenizers write a byte as, in JSON. */
static inline int hf_letter(char out[8], unsigned byte)
{
    unsigned cp = byte, extra = 256;
    for (unsigned i = 0; i <= byte; i++) {
        const bool plain = (i >= 33 && i < 127) || (i >= 161 && i < 173) || i >= 174;
        if (!plain && i == byte) cp = extra;
        extra += !plain;
    }
    return snprintf(out, 8, "\\u%04x", cp);
}

static inline void hf_write_tokenizer(const folder *f)
{
    static char text[16384];
    size_t n = 0;
#define PUT(...) n += (size_t)snprintf(text + n, sizeof text - n, __VA_ARGS__)
    PUT("{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 256, \"content\": \"<|end|>\", "
        "\"special\": true, \"normalized\": false, \"lstrip\": false, \"rstrip\": false, "
        "\"single_word\": false}, {\"id\": 257, \"content\": \"<|stop|>\", \"special\": true, "
        "\"normalized\": false, \"lstrip\": false, \"rstrip\": false, \"single_word\": false}], "
        "\"normalizer\": null, \"pre_tokenizer\": {\"type\": \"ByteLevel\", "
        "\"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}, "
        "\"post_processor\": null, \"decoder\": {\"type\": \"ByteLevel\"}, "
        "\"model\": {\"type\": \"BPE\", \"merges\": [\"a b\"], \"vocab\": {");
    for (unsigned i = 0; i < 256; i++) {
        char letter[8];
        hf_letter(letter, i);
        PUT("\"%s\": %u, ", letter, i);
    }
    PUT("\"ab\": 258}}}");
#undef PUT
    folder_text(f, "tokenizer.json", text);
}

/* One tensor of the list; numbers of a row that begins elsewhere for each. */
static inline void hf_add_tensor(st_build *b, const char *pattern, unsigned layer, unsigned i,
                                 unsigned *seed)
{
    static float data[HF_VOCAB * HF_D];
    char name[128];
    unsigned rows = 1, cols = 0;
    size_t n = 0;
    const char *p = pattern;
    for (; *p != ' '; p++) {
        if (*p == '%' || *p == '#') {
            n += (size_t)snprintf(name + n, sizeof name - n, "%u", *p == '%' ? layer : i);
        } else {
            name[n++] = *p;
        }
    }
    name[n] = '\0';
    sscanf(p, "%u %u", &rows, &cols);
    const unsigned n_elems = rows * (cols ? cols : 1);
    for (unsigned k = 0; k < n_elems; k++) {
        *seed = *seed * 1664525u + 1013904223u;
        data[k] = (float)((int)(*seed >> 16) - 32768) / 131072;
    }
    char shape[32];
    if (cols > 0) {
        snprintf(shape, sizeof shape, "[%u, %u]", rows, cols);
    } else {
        snprintf(shape, sizeof shape, "[%u]", rows);
    }
    st_tensor(b, name, "F32", shape, data, n_elems * sizeof *data);
}

static inline void hf_write_weights(const folder *f, const hf_family *family)
{
    st_build b = {0};
    unsigned seed = 1;
    for (const char *const *t = family->tensors; *t != NULL; t++) {
        const unsigned n_layers = strchr(*t, '%') ? 2 : 1;
        const unsigned n = strchr(*t, '#') ? 4 : 1;
        for (unsigned layer = 0; layer < n_layers; layer++)
            for (unsigned i = 0; i < n; i++)
                hf_add_tensor(&b, *t, layer, i, &seed);
    }
    st_write(&b, f, "model.safetensors");
}

static inline void hf_write(const folder *f, const hf_family *family)
{
    folder_text(f, "config.json", family->config);
    hf_write_tokenizer(f);
    hf_write_weights(f, family);
}

#endif
