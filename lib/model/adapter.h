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

/* A PEFT folder as the GGUF adapter that it would be (hf_adapter.c). */
int oa__hf_adapter_open(oa__gguf **out, const oa_model *m, const char *folder);

#endif
