/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F32, F16 and BF16 packed weights: per column 16 rows, one fma chain per row and token. Tiles of
 * 16 rows x 4 tokens; a single token takes 64 rows at a time, for enough chains in flight.
 */
#include "kern/arm/tile.h"

#define TILE 4 /* tokens x groups in registers */

OA__TILE v16 load_w(const uint32_t type, const void *w, size_t i)
{
    const uint16_t *h = (const uint16_t *)w + i;
    if (type == OA__F32) return v16_load((const float *)w + i);
    if (type == OA__F16) return v16_load_half(h);
    v16 out;
    OA__UNROLL
    for (int j = 0; j < 4; j++)
        out.v[j] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(h + 4 * j), 16));
    return out;
}

/* T tokens x G groups */
OA__TILE void tilef(const uint32_t type, const int T, const int G, const oa__mm_args *a, size_t g,
                    size_t t0)
{
    const float *x = a->x + t0 * a->x_stride;
    const uint8_t *w = (const uint8_t *)a->w + g * a->k * 16 * (type == OA__F32 ? 4 : 2);
    v16 acc[TILE];
    OA__UNROLL
    for (int i = 0; i < T * G; i++)
        acc[i] = v16_set1(0);
    for (size_t i = 0; i < a->k; i++) {
        OA__UNROLL
        for (int j = 0; j < G; j++) {
            const v16 wj = load_w(type, w, ((size_t)j * a->k + i) * 16);
            OA__UNROLL
            for (int t = 0; t < T; t++)
                acc[t * G + j] =
                    v16_fma(wj, v16_set1(x[(size_t)t * a->x_stride + i]), acc[t * G + j]);
        }
    }
    OA__UNROLL
    for (int i = 0; i < T * G; i++)
        oa__tile_store(a, g + (size_t)(i % G), t0 + (size_t)(i / G), acc[i]);
}

OA__TILE void matmulf(const uint32_t type, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    size_t g = g_begin;
    if (a->n_tokens == 1)
        for (; g + TILE <= g_end; g += TILE)
            tilef(type, 1, TILE, a, g, 0);
    for (; g < g_end; g++) {
        size_t t = 0;
        for (; t + TILE <= a->n_tokens; t += TILE)
            tilef(type, TILE, 1, a, g, t);
        for (; t < a->n_tokens; t++)
            tilef(type, 1, 1, a, g, t);
    }
}

#define MATMUL(name, type)                                                                         \
    void oa__matmul_##name##_neon(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)   \
    {                                                                                              \
        (void)k;                                                                                   \
        matmulf(type, a, g0, g1);                                                                  \
    }

MATMUL(f32, OA__F32)
MATMUL(f16, OA__F16)
MATMUL(bf16, OA__BF16)

/* Sixteen sums: the wall of these tiles. */
uint64_t oa__peak_fp32_neon(uint64_t n)
{
    const v16 a = v16_set1((float)(n % 7 + 1) * 0x1p-20f), b = v16_set1((float)(n % 5 + 1));
    v16 s[4];
    uint64_t done = 0;
    for (int i = 0; i < 4; i++)
        s[i] = v16_set1((float)i);
    for (; done < n; done += 64) {
        OA__UNROLL
        for (int i = 0; i < 4; i++)
            s[i] = v16_fma(a, b, s[i]);
    }
    return done + (v16_sum(v16_add(v16_add(s[0], s[1]), v16_add(s[2], s[3]))) < 0);
}
