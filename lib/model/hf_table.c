/* SPDX-License-Identifier: Apache-2.0 */
/* The families of models that a Hugging Face folder can be. */
#include "model/hf.h"

#include <stdio.h>
#include <string.h>

enum {
    AS_IS = OA__HF_AS_IS,
    ROPE_Q = OA__HF_ROPE_Q,
    ROPE_K = OA__HF_ROPE_K,
    TRANSPOSE = OA__HF_TRANSPOSE,
    QKV = OA__HF_QKV,
    PLUS_ONE = OA__HF_PLUS_ONE,
    EXPERTS = OA__HF_EXPERTS,
    OPT = OA__HF_OPTIONAL
};

#define LAYER "model.layers.%."
#define ENDS(norm)                                                                                 \
    {"model.embed_tokens", "token_embd", AS_IS, 0}, {"model.norm", "output_norm", norm, 0},        \
    {                                                                                              \
        "lm_head", "output", AS_IS, OPT                                                            \
    }
#define NORM(from, to, recipe)                                                                     \
    {                                                                                              \
        LAYER from, "blk.%." to, recipe, 0                                                         \
    }
#define ATTENTION(q, k)                                                                            \
    {LAYER "self_attn.q_proj", "blk.%.attn_q", q, 0},                                              \
        {LAYER "self_attn.k_proj", "blk.%.attn_k", k, 0},                                          \
        {LAYER "self_attn.v_proj", "blk.%.attn_v", AS_IS, 0},                                      \
    {                                                                                              \
        LAYER "self_attn.o_proj", "blk.%.attn_output", AS_IS, 0                                    \
    }
#define QK_NORM(recipe)                                                                            \
    {LAYER "self_attn.q_norm", "blk.%.attn_q_norm", recipe, 0},                                    \
    {                                                                                              \
        LAYER "self_attn.k_norm", "blk.%.attn_k_norm", recipe, 0                                   \
    }
#define GATED                                                                                      \
    {LAYER "mlp.gate_proj", "blk.%.ffn_gate", AS_IS, 0},                                           \
        {LAYER "mlp.up_proj", "blk.%.ffn_up", AS_IS, 0},                                           \
    {                                                                                              \
        LAYER "mlp.down_proj", "blk.%.ffn_down", AS_IS, 0                                          \
    }
/* Some layers may be dense: what such a layer lacks is for the model to say. */
#define QWEN_EXPERTS                                                                               \
    {LAYER "mlp.gate_proj", "blk.%.ffn_gate", AS_IS, OPT},                                         \
        {LAYER "mlp.up_proj", "blk.%.ffn_up", AS_IS, OPT},                                         \
        {LAYER "mlp.down_proj", "blk.%.ffn_down", AS_IS, OPT},                                     \
        {LAYER "mlp.gate", "blk.%.ffn_gate_inp", AS_IS, OPT},                                      \
        {LAYER "mlp.experts.#.gate_proj", "blk.%.ffn_gate_exps", EXPERTS, OPT},                    \
        {LAYER "mlp.experts.#.up_proj", "blk.%.ffn_up_exps", EXPERTS, OPT},                        \
    {                                                                                              \
        LAYER "mlp.experts.#.down_proj", "blk.%.ffn_down_exps", EXPERTS, OPT                       \
    }

/* Also Mistral, SmolLM3 and Granite. */
static const oa__hf_tensor llama[] = {
    ENDS(AS_IS),
    NORM("input_layernorm", "attn_norm", AS_IS),
    ATTENTION(ROPE_Q, ROPE_K),
    NORM("post_attention_layernorm", "ffn_norm", AS_IS),
    GATED,
};

static const oa__hf_tensor mixtral[] = {
    ENDS(AS_IS),
    NORM("input_layernorm", "attn_norm", AS_IS),
    ATTENTION(ROPE_Q, ROPE_K),
    NORM("post_attention_layernorm", "ffn_norm", AS_IS),
    {LAYER "block_sparse_moe.gate", "blk.%.ffn_gate_inp", AS_IS, 0},
    {LAYER "block_sparse_moe.experts.#.w1", "blk.%.ffn_gate_exps", EXPERTS, 0},
    {LAYER "block_sparse_moe.experts.#.w3", "blk.%.ffn_up_exps", EXPERTS, 0},
    {LAYER "block_sparse_moe.experts.#.w2", "blk.%.ffn_down_exps", EXPERTS, 0},
};

#define GPTNEOX_LAYERS                                                                             \
    {"gpt_neox.layers.%.input_layernorm", "blk.%.attn_norm", AS_IS, 0},                            \
        {"gpt_neox.layers.%.attention.query_key_value", "blk.%.attn_qkv", QKV, 0},                 \
        {"gpt_neox.layers.%.attention.dense", "blk.%.attn_output", AS_IS, 0},                      \
        {"gpt_neox.layers.%.post_attention_layernorm", "blk.%.ffn_norm", AS_IS, 0},                \
        {"gpt_neox.layers.%.mlp.dense_h_to_4h", "blk.%.ffn_up", AS_IS, 0},                         \
    {                                                                                              \
        "gpt_neox.layers.%.mlp.dense_4h_to_h", "blk.%.ffn_down", AS_IS, 0                          \
    }
static const oa__hf_tensor gptneox[] = {
    {"gpt_neox.embed_in", "token_embd", AS_IS, 0},
    {"gpt_neox.final_layer_norm", "output_norm", AS_IS, 0},
    {"embed_out", "output", AS_IS, OPT},
    GPTNEOX_LAYERS,
};

/* Open Assistant's reward models: no next token. */
static const oa__hf_tensor gptneox_reward[] = {
    {"gpt_neox.embed_in", "token_embd", AS_IS, 0},
    {"gpt_neox.final_layer_norm", "output_norm", AS_IS, 0},
    {"out_proj", "cls.output", AS_IS, 0},
    GPTNEOX_LAYERS,
};

/* One norm before both halves, or one for each. */
static const oa__hf_tensor falcon[] = {
    {"transformer.word_embeddings", "token_embd", AS_IS, 0},
    {"transformer.ln_f", "output_norm", AS_IS, 0},
    {"lm_head", "output", AS_IS, OPT},
    {"transformer.h.%.input_layernorm", "blk.%.attn_norm", AS_IS, OPT},
    {"transformer.h.%.ln_mlp", "blk.%.attn_norm", AS_IS, OPT},
    {"transformer.h.%.ln_attn", "blk.%.attn_norm_2", AS_IS, OPT},
    {"transformer.h.%.self_attention.query_key_value", "blk.%.attn_qkv", QKV, 0},
    {"transformer.h.%.self_attention.dense", "blk.%.attn_output", AS_IS, 0},
    {"transformer.h.%.mlp.dense_h_to_4h", "blk.%.ffn_up", AS_IS, 0},
    {"transformer.h.%.mlp.dense_4h_to_h", "blk.%.ffn_down", AS_IS, 0},
};

static const oa__hf_tensor gpt2[] = {
    {"transformer.wte", "token_embd", AS_IS, 0},
    {"transformer.wpe", "position_embd", AS_IS, 0},
    {"transformer.ln_f", "output_norm", AS_IS, 0},
    {"lm_head", "output", AS_IS, OPT},
    {"transformer.h.%.ln_1", "blk.%.attn_norm", AS_IS, 0},
    {"transformer.h.%.attn.c_attn", "blk.%.attn_qkv", TRANSPOSE, 0},
    {"transformer.h.%.attn.c_proj", "blk.%.attn_output", TRANSPOSE, 0},
    {"transformer.h.%.ln_2", "blk.%.ffn_norm", AS_IS, 0},
    {"transformer.h.%.mlp.c_fc", "blk.%.ffn_up", TRANSPOSE, 0},
    {"transformer.h.%.mlp.c_proj", "blk.%.ffn_down", TRANSPOSE, 0},
};

static const oa__hf_tensor qwen2[] = {
    ENDS(AS_IS),
    NORM("input_layernorm", "attn_norm", AS_IS),
    ATTENTION(AS_IS, AS_IS),
    NORM("post_attention_layernorm", "ffn_norm", AS_IS),
    GATED,
};

static const oa__hf_tensor qwen3[] = {
    ENDS(AS_IS),    NORM("input_layernorm", "attn_norm", AS_IS),         ATTENTION(AS_IS, AS_IS),
    QK_NORM(AS_IS), NORM("post_attention_layernorm", "ffn_norm", AS_IS), GATED,
};

static const oa__hf_tensor qwen2moe[] = {
    ENDS(AS_IS),
    NORM("input_layernorm", "attn_norm", AS_IS),
    ATTENTION(AS_IS, AS_IS),
    NORM("post_attention_layernorm", "ffn_norm", AS_IS),
    QWEN_EXPERTS,
    {LAYER "mlp.shared_expert_gate", "blk.%.ffn_gate_inp_shexp", AS_IS, OPT},
    {LAYER "mlp.shared_expert.gate_proj", "blk.%.ffn_gate_shexp", AS_IS, OPT},
    {LAYER "mlp.shared_expert.up_proj", "blk.%.ffn_up_shexp", AS_IS, OPT},
    {LAYER "mlp.shared_expert.down_proj", "blk.%.ffn_down_shexp", AS_IS, OPT},
};

static const oa__hf_tensor qwen3moe[] = {
    ENDS(AS_IS),    NORM("input_layernorm", "attn_norm", AS_IS),         ATTENTION(AS_IS, AS_IS),
    QK_NORM(AS_IS), NORM("post_attention_layernorm", "ffn_norm", AS_IS), QWEN_EXPERTS,
};

static const oa__hf_tensor phi3[] = {
    ENDS(AS_IS),
    NORM("input_layernorm", "attn_norm", AS_IS),
    {LAYER "self_attn.qkv_proj", "blk.%.attn_qkv", AS_IS, 0},
    {LAYER "self_attn.o_proj", "blk.%.attn_output", AS_IS, 0},
    NORM("post_attention_layernorm", "ffn_norm", AS_IS),
    {LAYER "mlp.gate_up_proj", "blk.%.ffn_up", AS_IS, 0},
    {LAYER "mlp.down_proj", "blk.%.ffn_down", AS_IS, 0},
};

static const oa__hf_tensor gemma[] = {
    ENDS(PLUS_ONE),
    NORM("input_layernorm", "attn_norm", PLUS_ONE),
    ATTENTION(AS_IS, AS_IS),
    NORM("post_attention_layernorm", "ffn_norm", PLUS_ONE),
    GATED,
};

static const oa__hf_tensor gemma2[] = {
    ENDS(PLUS_ONE),
    NORM("input_layernorm", "attn_norm", PLUS_ONE),
    ATTENTION(AS_IS, AS_IS),
    NORM("post_attention_layernorm", "post_attention_norm", PLUS_ONE),
    NORM("pre_feedforward_layernorm", "ffn_norm", PLUS_ONE),
    GATED,
    NORM("post_feedforward_layernorm", "post_ffw_norm", PLUS_ONE),
};

static const oa__hf_tensor gemma3[] = {
    ENDS(PLUS_ONE),
    NORM("input_layernorm", "attn_norm", PLUS_ONE),
    ATTENTION(AS_IS, AS_IS),
    QK_NORM(PLUS_ONE),
    NORM("post_attention_layernorm", "post_attention_norm", PLUS_ONE),
    NORM("pre_feedforward_layernorm", "ffn_norm", PLUS_ONE),
    GATED,
    NORM("post_feedforward_layernorm", "post_ffw_norm", PLUS_ONE),
};

static const oa__hf_tensor stablelm[] = {
    ENDS(AS_IS),
    NORM("input_layernorm", "attn_norm", AS_IS),
    ATTENTION(AS_IS, AS_IS),
    {LAYER "self_attn.q_layernorm.norms.#", "blk.%.attn_q_norm", OA__HF_Q_HEADS, OPT},
    {LAYER "self_attn.k_layernorm.norms.#", "blk.%.attn_k_norm", OA__HF_K_HEADS, OPT},
    {LAYER "post_attention_layernorm", "blk.%.ffn_norm", AS_IS, OPT},
    GATED,
};

static const oa__hf_tensor starcoder2[] = {
    ENDS(AS_IS),
    NORM("input_layernorm", "attn_norm", AS_IS),
    ATTENTION(AS_IS, AS_IS),
    NORM("post_attention_layernorm", "ffn_norm", AS_IS),
    {LAYER "mlp.c_fc", "blk.%.ffn_up", AS_IS, 0},
    {LAYER "mlp.c_proj", "blk.%.ffn_down", AS_IS, 0},
};

static const oa__hf_tensor olmo2[] = {
    ENDS(AS_IS),    ATTENTION(AS_IS, AS_IS),
    QK_NORM(AS_IS), NORM("post_attention_layernorm", "post_attention_norm", AS_IS),
    GATED,          NORM("post_feedforward_layernorm", "post_ffw_norm", AS_IS),
};

/* Encoders: the base of models for any use. */
#define ENCODER(base)                                                                              \
    {base "embeddings.word_embeddings", "token_embd", AS_IS, 0},                                   \
        {base "embeddings.position_embeddings", "position_embd", OA__HF_POSITIONS, 0},             \
        {base "embeddings.token_type_embeddings", "token_types", AS_IS, 0},                        \
        {base "embeddings.LayerNorm", "token_embd_norm", AS_IS, 0},                                \
        {base "encoder.layer.%.attention.self.query", "blk.%.attn_q", AS_IS, 0},                   \
        {base "encoder.layer.%.attention.self.key", "blk.%.attn_k", AS_IS, 0},                     \
        {base "encoder.layer.%.attention.self.value", "blk.%.attn_v", AS_IS, 0},                   \
        {base "encoder.layer.%.attention.output.dense", "blk.%.attn_output", AS_IS, 0},            \
        {base "encoder.layer.%.attention.output.LayerNorm", "blk.%.attn_output_norm", AS_IS, 0},   \
        {base "encoder.layer.%.intermediate.dense", "blk.%.ffn_up", AS_IS, 0},                     \
        {base "encoder.layer.%.output.dense", "blk.%.ffn_down", AS_IS, 0},                         \
    {                                                                                              \
        base "encoder.layer.%.output.LayerNorm", "blk.%.layer_output_norm", AS_IS, 0               \
    }
static const oa__hf_tensor bert[] = {ENCODER("bert."),
                                     {"bert.pooler.dense", "cls", AS_IS, OPT},
                                     {"classifier", "cls.output", AS_IS, OPT}};
static const oa__hf_tensor roberta[] = {ENCODER("roberta."),
                                        {"classifier.dense", "cls", AS_IS, OPT},
                                        {"classifier.out_proj", "cls.output", AS_IS, OPT}};

#define TENSORS(list) list, OA__ARRAY_LEN(list)

/* The first of an architecture's rows is the name that an unknown one's error lists. */
static const oa__hf_family families[] = {
    {"llama", "llama", OA__HF_LLAMA, TENSORS(llama), "model.", 1e4, 1, NULL},
    {"mistral", "llama", OA__HF_MISTRAL, TENSORS(llama), "model.", 1e4, 1, NULL},
    {"mixtral", "llama", OA__HF_MIXTRAL, TENSORS(mixtral), "model.", 1e6, 1, NULL},
    {"smollm3", "smollm3", OA__HF_SMOLLM3, TENSORS(llama), "model.", 2e6, 1, NULL},
    {"gpt_neox", "gptneox", OA__HF_GPTNEOX, TENSORS(gptneox), "gpt_neox.", 1e4, 0.25, NULL},
    {"gpt_neox_reward_model", "gptneox", OA__HF_GPTNEOX, TENSORS(gptneox_reward), "gpt_neox.", 1e4,
     0.25, NULL},
    {"falcon", "falcon", OA__HF_FALCON, TENSORS(falcon), "transformer.", 1e4, 1, NULL},
    {"RefinedWeb", "falcon", OA__HF_FALCON, TENSORS(falcon), "transformer.", 1e4, 1, NULL},
    {"RefinedWebModel", "falcon", OA__HF_FALCON, TENSORS(falcon), "transformer.", 1e4, 1, NULL},
    {"gpt2", "gpt2", OA__HF_GPT2, TENSORS(gpt2), "transformer.", 0, 1, NULL},
    {"qwen2", "qwen2", OA__HF_QWEN2, TENSORS(qwen2), "model.", 1e4, 1, NULL},
    {"qwen3", "qwen3", OA__HF_QWEN3, TENSORS(qwen3), "model.", 1e4, 1, NULL},
    {"phi3", "phi3", OA__HF_PHI3, TENSORS(phi3), "model.", 1e4, 1, NULL},
    {"gemma", "gemma", OA__HF_GEMMA, TENSORS(gemma), "model.", 1e4, 1, NULL},
    {"gemma2", "gemma2", OA__HF_GEMMA2, TENSORS(gemma2), "model.", 1e4, 1, NULL},
    {"gemma3_text", "gemma3", OA__HF_GEMMA3, TENSORS(gemma3), "model.", 1e6, 1, NULL},
    {"gemma3", "gemma3", OA__HF_GEMMA3, TENSORS(gemma3), "model.", 1e6, 1, "language_model."},
    {"stablelm", "stablelm", OA__HF_STABLELM, TENSORS(stablelm), "model.", 1e4, 0.25, NULL},
    {"starcoder2", "starcoder2", OA__HF_STARCODER2, TENSORS(starcoder2), "model.", 1e4, 1, NULL},
    {"olmo2", "olmo2", OA__HF_OLMO2, TENSORS(olmo2), "model.", 1e4, 1, NULL},
    {"granite", "granite", OA__HF_GRANITE, TENSORS(llama), "model.", 1e4, 1, NULL},
    {"qwen2_moe", "qwen2moe", OA__HF_QWEN2MOE, TENSORS(qwen2moe), "model.", 1e4, 1, NULL},
    {"qwen3_moe", "qwen3moe", OA__HF_QWEN3MOE, TENSORS(qwen3moe), "model.", 1e4, 1, NULL},
    {"bert", "bert", OA__HF_BERT, TENSORS(bert), "bert.", 0, 1, NULL},
    {"roberta", "bert", OA__HF_ROBERTA, TENSORS(roberta), "roberta.", 0, 1, NULL},
    {"xlm-roberta", "bert", OA__HF_ROBERTA, TENSORS(roberta), "roberta.", 0, 1, NULL},
};

const oa__hf_family *oa__hf_family_find(const char *model_type)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(families); i++) {
        if (strcmp(families[i].model_type, model_type) == 0) return &families[i];
    }
    return NULL;
}

const oa__hf_family *oa__hf_family_of(const char *arch, size_t n)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(families); i++) {
        if (strcmp(families[i].arch, arch) == 0 && n-- == 0) return &families[i];
    }
    return NULL;
}

int oa__hf_family_unknown(const char *model_type)
{
    char known[400] = "";
    size_t at = 0;
    for (size_t i = 0; i < OA__ARRAY_LEN(families) && at < sizeof known; i++) {
        at += (size_t)snprintf(known + at, sizeof known - at, i ? ", %s" : "%s",
                               families[i].model_type);
    }
    return oa__err(OA_EUNSUPPORTED, "config.json: model_type \"%.64s\" is not supported; known: %s",
                   model_type, known);
}
