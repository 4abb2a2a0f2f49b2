/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feed-forward half of a layer:
 *
 *     out <- out + (act(in Wgate) * (in Wup)) Wdown      with a gate
 *     out <- out + act(in Wup) Wdown                     without
 */
#include "model/work.h"

static bool gated(const oa__layer *l)
{
    return l->mats[OA__M_GATE].data != NULL;
}

static void act_row(oa__work *w, size_t i)
{
    const oa_model *m = w->m;
    const oa__act_fn act = m->kern->act[m->hp.act];
    const size_t d_ff = m->hp.d_ff;
    float *gate = w->gate + i * d_ff, *up = w->up + i * d_ff;
    oa__add_bias(m, up, w->layer->vecs[OA__V_UP_BIAS], d_ff);
    if (!gated(w->layer)) {
        act(up, up, NULL, d_ff);
        return;
    }
    oa__add_bias(m, gate, w->layer->vecs[OA__V_GATE_BIAS], d_ff);
    act(gate, gate, up, d_ff);
}

int oa__ffn_dense(oa__work *w, const float *in, size_t in_stride, float *out, bool add)
{
    const size_t d_ff = w->m->hp.d_ff;
    const oa__product wide[] = {{OA__M_UP, false, w->up, d_ff}, {OA__M_GATE, false, w->gate, d_ff}};
    const oa__product down = {OA__M_DOWN, add, out, w->m->hp.d_model};
    const bool gate = gated(w->layer);
    oa__products(w, wide, gate ? 2 : 1, in, in_stride);
    OA__TRY(oa__work_poll(w));
    oa__each_row(w, act_row);
    oa__products(w, &down, 1, gate ? w->gate : w->up, d_ff);
    return OA_OK;
}
