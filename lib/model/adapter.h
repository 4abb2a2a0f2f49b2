/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of adapters: low-rank pairs beside the matrices of the layers. */
#ifndef OA_MODEL_ADAPTER_H
#define OA_MODEL_ADAPTER_H

#include <openassistant/adapter.h>

#include "model/model_priv.h"

/* Matrix W gets scale * B A more; data NULL = it gets nothing. Both are packed floats. */
typedef struct oa__lora {
    oa__weight a, b; /* (rank, n_in), (n_out, rank) */
    float scale;     /* alpha / rank */
} oa__lora;

struct oa_adapter {
    _Atomic uint32_t n_refs;
    oa_model *model; /* owned reference */
    oa__lora *pairs; /* (n_layers, OA__N_LAYER_MATS) */
    oa_adapter_info info;
    uint64_t fingerprint;
};

oa_adapter *oa__adapter_ref(oa_adapter *ad);

struct oa__adapters {
    _Atomic uint32_t n_refs;
    oa__mem *mem;
    size_t n;
    uint64_t hash;
    uint32_t rank; /* largest */
    oa_adapter *adapters[OA__ADAPTERS_MAX];
    float scales[OA__ADAPTERS_MAX];
};

/* A GGUF adapter, or a PEFT folder as the one that it would be (hf_adapter.c). */
int oa__adapter_open_file(oa__gguf **out, oa__mem *mem, const char *arch, size_t arch_len,
                          const oa__hparams *hp, const char *path);
int oa__hf_adapter_open(oa__gguf **out, oa__mem *mem, const char *arch, size_t arch_len,
                        const oa__hparams *hp, const char *folder);
/* An adapter of this architecture; its alpha. */
int oa__adapter_check_header(const oa__gguf *g, const char *arch, size_t arch_len, float *alpha);
float oa__adapter_scale(float alpha, size_t rank); /* alpha 0 = 1 */
/* lora_a and lora_b fit each other and a matrix (n_out, n_in). */
int oa__adapter_check_pair(const oa__gguf_tensor *a, const oa__gguf_tensor *b, size_t n_in,
                           size_t n_out);
/* A tensor's numbers, all finite; the caller frees them. */
int oa__adapter_floats(oa__mem *mem, const oa__gguf *g, const oa__gguf_tensor *t, float **out);

#endif
