/* SPDX-License-Identifier: Apache-2.0 */
/* What a file says about its mixture of experts. */
#include "model/model_priv.h"

#include <stdio.h>

/* Layers with a router are mixtures, the others are dense. */
static void find_layers(const oa__gguf *g, oa__hparams *hp)
{
    char name[64];
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        snprintf(name, sizeof name, "blk.%u.ffn_gate_inp.weight", i);
        if (oa__gguf_tensor_find(g, name) != NULL) hp->layers[i] |= OA__L_EXPERTS;
    }
}

int oa__experts_read(oa__keys *k, const oa__arch *a, oa__hparams *hp)
{
    oa__experts_params *p = &hp->experts;
    uint32_t gating = 1;
    OA__TRY(oa__keys_u32(k, "expert_count", 0, OA__MAX_EXPERTS, &p->n));
    if (p->n == 0) return OA_OK;
    p->d_ff = p->d_ff_shared = hp->d_ff;
    p->norm = a->experts_norm;
    p->scale = 1;
    OA__TRY(oa__keys_u32(k, "expert_used_count", 1, p->n, &p->n_used));
    OA__TRY(oa__keys_u32(k, "expert_feed_forward_length", 1, OA__MAX_WIDTH, &p->d_ff));
    OA__TRY(
        oa__keys_u32(k, "expert_shared_feed_forward_length", 1, OA__MAX_WIDTH, &p->d_ff_shared));
    OA__TRY(oa__keys_bool(k, "expert_weights_norm", &p->norm));
    OA__TRY(oa__keys_f32(k, "expert_weights_scale", 0, 1e6, &p->scale));
    if (p->scale == 0) p->scale = 1;
    OA__TRY(oa__keys_u32(k, "expert_gating_func", 0, UINT32_MAX, &gating));
    if (gating > 1) {
        return oa__err(OA_EUNSUPPORTED, "%s is %u, want 1: weights of experts by softmax", k->key,
                       gating);
    }
    find_layers(k->g, hp);
    return OA_OK;
}

int oa__experts_check(const oa__hparams *hp, const oa__arch *arch)
{
    const oa__experts_params *p = &hp->experts;
    if (p->n == 0) return OA_OK;
    if (!arch->experts) {
        return oa__err(OA_EUNSUPPORTED,
                       "%s.expert_count is %u: experts of this architecture are "
                       "not supported",
                       arch->name, p->n);
    }
    if (p->n_used == 0) {
        return oa__err(OA_EFORMAT, "gguf key %s.expert_used_count is missing", arch->name);
    }
    return OA_OK;
}

size_t oa__experts_size(const oa__hparams *hp)
{
    return OA__N_EXPERT_MATS * (size_t)hp->experts.n * sizeof(oa__weight);
}
