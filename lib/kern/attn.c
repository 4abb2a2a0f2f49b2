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

#define ROUND_MAGIC 12582912.0f /* 1.5 * 2^23: adding it rounds to nearest even */

size_t oa__kern_kv_size(uint32_t kv, size_t d)
{
    const size_t n = d * OA__KV_PAGE;
    if (kv == OA__KV_Q8) return n + (d + 31) / 32 * OA__KV_PAGE * sizeof(uint16_t);
    return n * (kv == OA__KV_F32 ? sizeof(float) : sizeof(uint16_t));
}

/* Element e of a page's half, which is element i of the position in a slot. */
static inline float load(const void *page, size_t d, size_t e, size_t i, size_t slot, uint32_t kv)
{
    if (kv == OA__KV_F32) return ((const float *)page)[e];
    if (kv == OA__KV_F16) return oa__half_f32(((const uint16_t *)page)[e]);
    const uint16_t *scale = page;
    const int8_t *q = (const int8_t *)(scale + (d + 31) / 32 * OA__KV_PAGE);
    return (float)q[e] * oa__half_f32(scale[i / 32 * OA__KV_PAGE + slot]);
}

static inline float load_k(const oa__attn_args *a, size_t i, size_t j)
{
    return load(a->k_page, a->d, i * OA__KV_PAGE + j, i, j, a->kv);
}

static inline float load_v(const oa__attn_args *a, size_t j, size_t i)
{
    return load(a->v_page, a->d, j * a->d + i, i, j, a->kv);
}

/* Block b of a position, n elements of it: to q, q_stride apart. */
static void store_block(uint16_t *scale, int8_t *q, size_t q_stride, const float *x, size_t n)
{
    float amax = 0;
    for (size_t i = 0; i < n; i++) {
        const float a = fabsf(x[i]);
        if (!(a <= amax)) amax = a; /* a NaN stays */
        if (a != a) break;
    }
    *scale = oa__f32_half(amax / 127.0f);
    float s = oa__half_f32(*scale);
    if (!(s < INFINITY)) *scale = 0x7e00, s = 0;
    const float inv = s > 0 ? 1.0f / s : 0;
    for (size_t i = 0; i < n; i++) {
        float r = s > 0 ? x[i] * inv : 0;
        if (r > 127) r = 127;
        if (r < -127) r = -127;
        q[i * q_stride] = (int8_t)(int)((r + ROUND_MAGIC) - ROUND_MAGIC);
    }
}

static void store_q8(void *k_page, void *v_page, const float *k, const float *v, size_t d,
                     size_t slot)
{
    const size_t n_blocks = (d + 31) / 32;
    uint16_t *ks = k_page, *vs = v_page;
    int8_t *kq = (int8_t *)(ks + n_blocks * OA__KV_PAGE) + slot;
    int8_t *vq = (int8_t *)(vs + n_blocks * OA__KV_PAGE) + slot * d;
    for (size_t i = 0; i < d; i += 32) {
        const size_t n = d - i < 32 ? d - i : 32;
        store_block(ks + i + slot, kq + i * OA__KV_PAGE, OA__KV_PAGE, k + i, n);
        store_block(vs + i + slot, vq + i, 1, v + i, n);
    }
}

void oa__kv_store_c(void *k_page, void *v_page, const float *k, const float *v, size_t d,
                    size_t slot, uint32_t kv)
{
    oa__assert(slot < OA__KV_PAGE);
    if (kv == OA__KV_Q8) {
        store_q8(k_page, v_page, k, v, d, slot);
        return;
    }
    for (size_t i = 0; i < d; i++)
        if (kv == OA__KV_F32) {
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
                p[j] = fmaf(q[i], load_k(a, i, j), p[j]);
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
                acc = fmaf(p[j], load_v(a, j, i), acc);
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
