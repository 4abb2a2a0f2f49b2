/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The architectures that the decoder can be. An architecture is a list of tensors with their
 * shapes, and a few switches; all else is one forward pass.
 */
#include "model/model_priv.h"

#include <string.h>

enum { OPT = OA__T_OPTIONAL, LAYER = OA__T_LAYER, VEC = OA__T_VECTOR, FILE_ROWS = OA__T_IN_PLACE };

static const oa__tensor_spec llama_tensors[] = {
    {"token_embd.weight", FILE_ROWS, OA__M_EMBD, OA__D_VOCAB, OA__D_MODEL},
    {"output_norm.weight", VEC, OA__V_OUT_NORM, OA__D_MODEL, OA__D_ONE},
    {"output.weight", OPT, OA__M_OUT, OA__D_VOCAB, OA__D_MODEL},
    {"rope_freqs.weight", VEC | OPT, OA__V_ROPE_FREQS, OA__D_ROT_HALF, OA__D_ONE},
    {"attn_norm.weight", LAYER | VEC, OA__V_ATTN_NORM, OA__D_MODEL, OA__D_ONE},
    {"attn_q.weight", LAYER, OA__M_Q, OA__D_Q, OA__D_MODEL},
    {"attn_q.bias", LAYER | VEC | OPT, OA__V_Q_BIAS, OA__D_Q, OA__D_ONE},
    {"attn_k.weight", LAYER, OA__M_K, OA__D_KV, OA__D_MODEL},
    {"attn_k.bias", LAYER | VEC | OPT, OA__V_K_BIAS, OA__D_KV, OA__D_ONE},
    {"attn_v.weight", LAYER, OA__M_V, OA__D_KV, OA__D_MODEL},
    {"attn_v.bias", LAYER | VEC | OPT, OA__V_V_BIAS, OA__D_KV, OA__D_ONE},
    {"attn_output.weight", LAYER, OA__M_O, OA__D_MODEL, OA__D_Q},
    {"attn_output.bias", LAYER | VEC | OPT, OA__V_O_BIAS, OA__D_MODEL, OA__D_ONE},
    {"ffn_norm.weight", LAYER | VEC, OA__V_FFN_NORM, OA__D_MODEL, OA__D_ONE},
    {"ffn_gate.weight", LAYER, OA__M_GATE, OA__D_FF, OA__D_MODEL},
    {"ffn_gate.bias", LAYER | VEC | OPT, OA__V_GATE_BIAS, OA__D_FF, OA__D_ONE},
    {"ffn_up.weight", LAYER, OA__M_UP, OA__D_FF, OA__D_MODEL},
    {"ffn_up.bias", LAYER | VEC | OPT, OA__V_UP_BIAS, OA__D_FF, OA__D_ONE},
    {"ffn_down.weight", LAYER, OA__M_DOWN, OA__D_MODEL, OA__D_FF},
    {"ffn_down.bias", LAYER | VEC | OPT, OA__V_DOWN_BIAS, OA__D_MODEL, OA__D_ONE},
};

static const oa__arch table[] = {
    {"llama", llama_tensors, OA__ARRAY_LEN(llama_tensors), false},
};

/* Files of these architectures were written before the pre-tokenizer had a key. */
const char *oa__arch_pattern(const char *name)
{
    static const char *const pairs[][2] = {{"gptneox", "gpt-2"}, {"gpt2", "gpt-2"}};
    for (size_t i = 0; i < OA__ARRAY_LEN(pairs); i++) {
        if (strcmp(pairs[i][0], name) == 0) return pairs[i][1];
    }
    return NULL;
}

const oa__arch *oa__arch_find(const char *name, size_t len)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(table); i++) {
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

int oa__arch_unknown(const char *name, size_t len)
{
    char known[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < OA__ARRAY_LEN(table); i++) {
        const size_t n = strlen(table[i].name);
        if (at + n + 3 > sizeof known) break;
        if (i > 0) {
            memcpy(known + at, ", ", 2);
            at += 2;
        }
        memcpy(known + at, table[i].name, n + 1);
        at += n;
    }
    return oa__err(OA_EUNSUPPORTED, "architecture \"%.*s\" is not supported; known: %s",
                   (int)(len < 64 ? len : 64), name, known);
}
