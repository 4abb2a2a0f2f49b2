/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention over pages of 32 positions, one key/value head at a time.
 *
 *   page of a head:   K (d, 32)  position in the lanes, so that scores of 32 keys are one sweep
 *                     V (32, d)  element in the lanes
 *
 * A page is folded into (m, l, o) of each query; pages come in ascending position, so the result
 * depends on nothing but the positions. Slots that a query
 * does not see may hold anything, NaN included.
 */
#include "kern/kern_c.h"

#include <math.h>

#include "base/base.h"
#include "kern/expf.h"
#include "kern/half.h"
#include "kern/sum.h"

static inline float load(const void *page, size_t i, bool f32)
{
    return f32 ? ((const float *)page)[i] : oa__half_f32(((const uint16_t *)page)[i]);
}

void oa__kv_store_c(void *k_page, void *v_page, const float *k, const float *v, size_t d,
                    size_t slot, bool f32)
{
    oa__assert(slot < OA__KV_PAGE);
    for (size_t i = 0; i < d; i++)
        if (f32) {
            ((float *)k_page)[i * OA__KV_PAGE + slot] = k[i];
            ((float *)v_page)[slot * d + i] = v[i];
        } else {
            ((uint16_t *)k_page)[i * OA__KV_PAGE + slot] = oa__f32_half(k[i]);
            ((uint16_t *)v_page)[slot * d + i] = oa__f32_half(v[i]);
        }
}

void oa__attn_page_c(const oa__attn_args *a)
{
    const size_t d = a->d;
    const float *q = a->q;
    float *o = a->o, *ml = a->ml;
    oa__assert(d % 8 == 0 && d <= 512);
    for (size_t t = 0; t < a->n_q; t++, o += d, q += d, ml += 2) {
        const size_t n = a->n_valid[t], j0 = a->n_skip ? a->n_skip[t] : 0;
        float p[OA__KV_PAGE] = {0}, lane[16];
        if (j0 >= n) continue;
        oa__assert(n <= OA__KV_PAGE);
        for (size_t i = 0; i < d; i++)
            for (size_t j = j0; j < n; j++)
                p[j] = fmaf(q[i], load(a->k_page, i * OA__KV_PAGE + j, a->f32), p[j]);
        if (a->softcap != 0) oa__softcap_c(p + j0, a->softcap, n - j0);

        float m = ml[0];
        for (size_t j = j0; j < n; j++)
            m = p[j] > m ? p[j] : m;
        m += 0.0f;
        const float c = ml[0] == -INFINITY ? 0.0f : oa__expf(ml[0] - m);
        for (size_t j = j0; j < n; j++)
            p[j] = oa__expf(p[j] - m);
        for (size_t j = 0; j < 16; j++)
            lane[j] = p[j] + p[j + 16];
        ml[1] = fmaf(ml[1], c, oa__sum_lanes16(lane));
        ml[0] = m;

        for (size_t i = 0; i < d; i++) {
            float acc = o[i] * c;
            for (size_t j = j0; j < n; j++)
                acc = fmaf(p[j], load(a->v_page, j * d + i, a->f32), acc);
            o[i] = acc;
        }
    }
}

void oa__attn_end_c(float *o, const float *ml, size_t n_q, size_t d)
{
    for (size_t t = 0; t < n_q; t++) {
        const float inv = 1.0f / ml[2 * t + 1];
        for (size_t i = 0; i < d; i++)
            o[t * d + i] *= inv;
    }
}
