/* SPDX-License-Identifier: Apache-2.0 */
/* The architectures that the decoder can be. */
#include "model/arch.h"

#include "kern/kern.h"

enum {
    OPT = OA__T_OPTIONAL,
    LAYER = OA__T_LAYER,
    VEC = OA__T_VECTOR,
    ROWS = OA__T_ROWS,
    SEQ = OA__T_SEQUENTIAL,
    DENSE = OA__T_DENSE,
    EXPERTS = OA__T_EXPERTS,
    STACK = OA__T_EXPERTS | OA__T_STACK,
    LVEC = LAYER | VEC
};

/* --- groups of tensors that several architectures share -------------------------------------- */

#define ENDS                                                                                       \
    {"token_embd.weight", ROWS, OA__R_EMBD, OA__D_VOCAB, OA__D_MODEL},                             \
        {"output_norm.weight", VEC, OA__V_OUT_NORM, OA__D_MODEL, OA__D_ONE},                       \
        {"output.weight", OPT, OA__M_OUT, OA__D_VOCAB, OA__D_MODEL},                               \
    {                                                                                              \
        "output.bias", VEC | OPT, OA__V_OUT_BIAS, OA__D_VOCAB, OA__D_ONE                           \
    }
#define ENDS_BIAS                                                                                  \
    ENDS,                                                                                          \
    {                                                                                              \
        "output_norm.bias", VEC | OPT, OA__V_OUT_NORM_BIAS, OA__D_MODEL, OA__D_ONE                 \
    }
#define ROPE_TENSORS                                                                               \
    {"rope_freqs.weight", VEC | OPT, OA__V_ROPE_FREQS, OA__D_ROT_HALF, OA__D_ONE},                 \
        {"rope_factors_long.weight", VEC | OPT, OA__V_ROPE_LONG, OA__D_ROT_HALF, OA__D_ONE},       \
    {                                                                                              \
        "rope_factors_short.weight", VEC | OPT, OA__V_ROPE_SHORT, OA__D_ROT_HALF, OA__D_ONE        \
    }

#define NORM(name, slot, flags)                                                                    \
    {                                                                                              \
        name ".weight", LVEC | (flags), slot, OA__D_MODEL, OA__D_ONE                               \
    }
/* A norm with an optional bias. */
#define NORM_BIAS(name, slot, flags)                                                               \
    NORM(name, slot, flags),                                                                       \
    {                                                                                              \
        name ".bias", LVEC | OPT, slot##_BIAS, OA__D_MODEL, OA__D_ONE                              \
    }

#define LINEAR(name, slot, flags, n_out, n_in)                                                     \
    {                                                                                              \
        name ".weight", LAYER | (flags), slot, n_out, n_in                                         \
    }
#define BIAS(name, slot, n_out)                                                                    \
    {                                                                                              \
        name ".bias", LVEC | OPT, slot, n_out, OA__D_ONE                                           \
    }

#define QKV                                                                                        \
    LINEAR("attn_q", OA__M_Q, 0, OA__D_Q, OA__D_MODEL), BIAS("attn_q", OA__V_Q_BIAS, OA__D_Q),     \
        LINEAR("attn_k", OA__M_K, 0, OA__D_KV, OA__D_MODEL),                                       \
        BIAS("attn_k", OA__V_K_BIAS, OA__D_KV),                                                    \
        LINEAR("attn_v", OA__M_V, 0, OA__D_KV, OA__D_MODEL),                                       \
        BIAS("attn_v", OA__V_V_BIAS, OA__D_KV)
#define QKV_FUSED                                                                                  \
    LINEAR("attn_qkv", OA__M_Q, 0, OA__D_Q, OA__D_MODEL),                                          \
        LINEAR("attn_qkv", OA__M_K, 0, OA__D_KV, OA__D_MODEL),                                     \
        LINEAR("attn_qkv", OA__M_V, 0, OA__D_KV, OA__D_MODEL),                                     \
        BIAS("attn_qkv", OA__V_Q_BIAS, OA__D_Q), BIAS("attn_qkv", OA__V_K_BIAS, OA__D_KV),         \
        BIAS("attn_qkv", OA__V_V_BIAS, OA__D_KV)
#define ATTN_OUT                                                                                   \
    LINEAR("attn_output", OA__M_O, 0, OA__D_MODEL, OA__D_Q),                                       \
        BIAS("attn_output", OA__V_O_BIAS, OA__D_MODEL)
#define QK_NORM(flags, n_q, n_k)                                                                   \
    {"attn_q_norm.weight", LVEC | (flags), OA__V_Q_NORM, n_q, OA__D_ONE},                          \
    {                                                                                              \
        "attn_k_norm.weight", LVEC | (flags), OA__V_K_NORM, n_k, OA__D_ONE                         \
    }

#define FFN_DOWN                                                                                   \
    LINEAR("ffn_down", OA__M_DOWN, DENSE, OA__D_MODEL, OA__D_FF),                                  \
        BIAS("ffn_down", OA__V_DOWN_BIAS, OA__D_MODEL)
#define FFN_PLAIN                                                                                  \
    LINEAR("ffn_up", OA__M_UP, DENSE, OA__D_FF, OA__D_MODEL),                                      \
        BIAS("ffn_up", OA__V_UP_BIAS, OA__D_FF), FFN_DOWN
#define FFN_GATED                                                                                  \
    LINEAR("ffn_gate", OA__M_GATE, DENSE, OA__D_FF, OA__D_MODEL),                                  \
        BIAS("ffn_gate", OA__V_GATE_BIAS, OA__D_FF), FFN_PLAIN
#define FFN_FUSED                                                                                  \
    LINEAR("ffn_up", OA__M_GATE, DENSE, OA__D_FF, OA__D_MODEL),                                    \
        LINEAR("ffn_up", OA__M_UP, DENSE, OA__D_FF, OA__D_MODEL), FFN_DOWN

#define FFN_EXPERTS                                                                                \
    FFN_GATED, LINEAR("ffn_gate_inp", OA__M_ROUTER, EXPERTS, OA__D_EXPERTS, OA__D_MODEL),          \
        LINEAR("ffn_gate_exps", OA__E_GATE, STACK, OA__D_FF_EXPERT, OA__D_MODEL),                  \
        LINEAR("ffn_up_exps", OA__E_UP, STACK, OA__D_FF_EXPERT, OA__D_MODEL),                      \
        LINEAR("ffn_down_exps", OA__E_DOWN, STACK, OA__D_MODEL, OA__D_FF_EXPERT)
#define FFN_SHARED                                                                                 \
    LINEAR("ffn_gate_inp_shexp", OA__M_SHARED_ROUTER, EXPERTS, OA__D_ONE, OA__D_MODEL),            \
        LINEAR("ffn_gate_shexp", OA__M_SHARED_GATE, EXPERTS, OA__D_FF_SHARED, OA__D_MODEL),        \
        LINEAR("ffn_up_shexp", OA__M_SHARED_UP, EXPERTS, OA__D_FF_SHARED, OA__D_MODEL),            \
        LINEAR("ffn_down_shexp", OA__M_SHARED_DOWN, EXPERTS, OA__D_MODEL, OA__D_FF_SHARED)

/* --- tensors --------------------------------------------------------------------------------- */

static const oa__tensor_spec llama_tensors[] = {
    ENDS,       ROPE_TENSORS, NORM("attn_norm", OA__V_ATTN_NORM, 0),
    QKV,        ATTN_OUT,     NORM("ffn_norm", OA__V_FFN_NORM, 0),
    FFN_EXPERTS};

static const oa__tensor_spec qwen2moe_tensors[] = {
    ENDS,        ROPE_TENSORS, NORM("attn_norm", OA__V_ATTN_NORM, 0),
    QKV,         ATTN_OUT,     NORM("ffn_norm", OA__V_FFN_NORM, 0),
    FFN_EXPERTS, FFN_SHARED};

static const oa__tensor_spec gptneox_tensors[] = {
    ENDS_BIAS, NORM_BIAS("attn_norm", OA__V_ATTN_NORM, 0), QKV_FUSED,
    ATTN_OUT,  NORM_BIAS("ffn_norm", OA__V_FFN_NORM, 0),   FFN_PLAIN};

/* With one norm both halves read it; with two, the second is the attention's. */
static const oa__tensor_spec falcon_tensors[] = {
    ENDS_BIAS, NORM_BIAS("attn_norm_2", OA__V_ATTN_NORM, OPT), QKV_FUSED,
    ATTN_OUT,  NORM_BIAS("attn_norm", OA__V_FFN_NORM, 0),      FFN_PLAIN};

static const oa__tensor_spec gpt2_tensors[] = {
    ENDS_BIAS,
    {"position_embd.weight", ROWS, OA__R_POS, OA__D_CTX, OA__D_MODEL},
    NORM_BIAS("attn_norm", OA__V_ATTN_NORM, 0),
    QKV_FUSED,
    ATTN_OUT,
    NORM_BIAS("ffn_norm", OA__V_FFN_NORM, 0),
    FFN_PLAIN};

static const oa__tensor_spec qwen3_tensors[] = {ENDS,
                                                ROPE_TENSORS,
                                                NORM("attn_norm", OA__V_ATTN_NORM, 0),
                                                QKV,
                                                QK_NORM(0, OA__D_HEAD, OA__D_HEAD),
                                                ATTN_OUT,
                                                NORM("ffn_norm", OA__V_FFN_NORM, 0),
                                                FFN_EXPERTS};

static const oa__tensor_spec phi3_tensors[] = {
    ENDS,      ROPE_TENSORS, NORM("attn_norm", OA__V_ATTN_NORM, 0),
    QKV_FUSED, ATTN_OUT,     NORM("ffn_norm", OA__V_FFN_NORM, 0),
    FFN_FUSED};

static const oa__tensor_spec gemma2_tensors[] = {
    ENDS,
    ROPE_TENSORS,
    NORM("attn_norm", OA__V_ATTN_NORM, 0),
    QKV,
    ATTN_OUT,
    NORM("post_attention_norm", OA__V_ATTN_POST_NORM, 0),
    NORM("ffn_norm", OA__V_FFN_NORM, 0),
    FFN_GATED,
    NORM("post_ffw_norm", OA__V_FFN_POST_NORM, 0)};

static const oa__tensor_spec gemma3_tensors[] = {
    ENDS,
    ROPE_TENSORS,
    NORM("attn_norm", OA__V_ATTN_NORM, 0),
    QKV,
    QK_NORM(0, OA__D_HEAD, OA__D_HEAD),
    ATTN_OUT,
    NORM("post_attention_norm", OA__V_ATTN_POST_NORM, 0),
    NORM("ffn_norm", OA__V_FFN_NORM, 0),
    FFN_GATED,
    NORM("post_ffw_norm", OA__V_FFN_POST_NORM, 0)};

static const oa__tensor_spec stablelm_tensors[] = {
    ENDS_BIAS,
    NORM_BIAS("attn_norm", OA__V_ATTN_NORM, 0),
    QKV,
    {"attn_q_norm.weight", LVEC | OPT, OA__V_Q_NORM, OA__D_HEAD, OA__D_HEADS},
    {"attn_k_norm.weight", LVEC | OPT, OA__V_K_NORM, OA__D_HEAD, OA__D_HEADS_KV},
    ATTN_OUT,
    NORM_BIAS("ffn_norm", OA__V_FFN_NORM, SEQ),
    FFN_GATED};

static const oa__tensor_spec starcoder2_tensors[] = {
    ENDS_BIAS, ROPE_TENSORS, NORM_BIAS("attn_norm", OA__V_ATTN_NORM, 0),
    QKV,       ATTN_OUT,     NORM_BIAS("ffn_norm", OA__V_FFN_NORM, 0),
    FFN_PLAIN};

static const oa__tensor_spec olmo2_tensors[] = {
    ENDS,      ROPE_TENSORS,
    QKV,       QK_NORM(0, OA__D_Q, OA__D_KV),
    ATTN_OUT,  NORM("post_attention_norm", OA__V_ATTN_POST_NORM, 0),
    FFN_GATED, NORM("post_ffw_norm", OA__V_FFN_POST_NORM, 0)};

/* What norms come after is what the halves added up to. */
static const oa__tensor_spec bert_tensors[] = {
    {"token_embd.weight", ROWS, OA__R_EMBD, OA__D_VOCAB, OA__D_MODEL},
    {"token_types.weight", ROWS, OA__R_TYPES, OA__D_TYPES, OA__D_MODEL},
    {"position_embd.weight", ROWS, OA__R_POS, OA__D_CTX, OA__D_MODEL},
    {"token_embd_norm.weight", VEC, OA__V_EMBD_NORM, OA__D_MODEL, OA__D_ONE},
    {"token_embd_norm.bias", VEC | OPT, OA__V_EMBD_NORM_BIAS, OA__D_MODEL, OA__D_ONE},
    QKV,
    ATTN_OUT,
    NORM_BIAS("attn_output_norm", OA__V_ATTN_POST_NORM, 0),
    FFN_PLAIN,
    NORM_BIAS("layer_output_norm", OA__V_FFN_POST_NORM, 0)};

/* --- the table ------------------------------------------------------------------------------- */

#define TENSORS(list) .tensors = list, .n_tensors = OA__ARRAY_LEN(list)

static const oa__arch table[] = {
    {.name = "llama", TENSORS(llama_tensors), .experts = true, .experts_norm = true},
    {.name = "smollm3", TENSORS(llama_tensors), .no_rope_every = 4},
    {.name = "gptneox",
     TENSORS(gptneox_tensors),
     .rope_neox = true,
     .layer_norm = true,
     .parallel = true,
     .act = OA__ACT_GELU},
    {.name = "falcon",
     TENSORS(falcon_tensors),
     .rope_neox = true,
     .layer_norm = true,
     .parallel = true,
     .act = OA__ACT_GELU},
    {.name = "gpt2",
     TENSORS(gpt2_tensors),
     .no_rope = true,
     .layer_norm = true,
     .act = OA__ACT_GELU_TANH},
    {.name = "qwen2", TENSORS(llama_tensors), .rope_neox = true},
    {.name = "qwen3", TENSORS(qwen3_tensors), .rope_neox = true},
    {.name = "qwen2moe", TENSORS(qwen2moe_tensors), .rope_neox = true, .experts = true},
    {.name = "qwen3moe",
     TENSORS(qwen3_tensors),
     .rope_neox = true,
     .experts = true,
     .experts_norm = true},
    {.name = "phi3", TENSORS(phi3_tensors), .rope_neox = true},
    {.name = "gemma",
     TENSORS(llama_tensors),
     .rope_neox = true,
     .scale_embd = true,
     .act = OA__ACT_GELU_TANH},
    {.name = "gemma2",
     TENSORS(gemma2_tensors),
     .rope_neox = true,
     .norm_after = true,
     .scale_embd = true,
     .act = OA__ACT_GELU_TANH,
     .global_every = 2,
     .wide_layers = 46,
     .window = 4096},
    {.name = "gemma3",
     TENSORS(gemma3_tensors),
     .rope_neox = true,
     .norm_after = true,
     .scale_embd = true,
     .act = OA__ACT_GELU_TANH,
     .local_unscaled = true,
     .global_every = 6,
     .wide_layers = 62,
     .rope_base_local = 10000},
    {.name = "stablelm",
     TENSORS(stablelm_tensors),
     .rope_neox = true,
     .layer_norm = true,
     .qk_norm = OA__QK_HEADS},
    {.name = "starcoder2",
     TENSORS(starcoder2_tensors),
     .rope_neox = true,
     .layer_norm = true,
     .act = OA__ACT_GELU_TANH},
    {.name = "olmo2",
     TENSORS(olmo2_tensors),
     .rope_neox = true,
     .norm_after = true,
     .qk_norm = OA__QK_ALL,
     .local_unscaled = true,
     .global_every = 4},
    {.name = "granite", TENSORS(llama_tensors)},
    {.name = "bert",
     TENSORS(bert_tensors),
     .no_rope = true,
     .layer_norm = true,
     .norm_sum = true,
     .encoder = true,
     .act = OA__ACT_GELU},
};

const oa__arch *oa__arch_at(size_t i)
{
    return i < OA__ARRAY_LEN(table) ? &table[i] : NULL;
}
