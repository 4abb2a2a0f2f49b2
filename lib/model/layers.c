/* SPDX-License-Identifier: Apache-2.0 */
/* What each layer is: settled once, so that a pass asks nothing. */
#include "model/work.h"

int oa__layers_init(oa_model *m)
{
    const oa__hparams *hp = &m->hp;
    for (uint32_t i = 0; i < hp->n_layers; i++) {
        oa__layer *l = &m->layers[i];
        const bool local = (hp->layers[i] & OA__L_LOCAL) != 0;
        l->window = local ? hp->window : 0;
        l->rope = local && hp->n_ropes > 1 ? OA__ROPE_LOCAL : OA__ROPE_GLOBAL;
        if (hp->layers[i] & OA__L_NO_ROPE) l->rope = -1;
        l->ffn = l->experts != NULL ? oa__ffn_experts : oa__ffn_dense;
    }
    return OA_OK;
}
