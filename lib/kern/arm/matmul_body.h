/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Q4_0, Q4_1, Q4_K and Q8_0 packed weights, the body of matmul_*.c. Tiles of 16 rows x TILE
 * tokens.
 *
 * A line of 64 bytes is four registers of 4 rows x 4 columns, low nibbles and high nibbles; a
 * token's four activations are copied into every 32-bit lane. With the dot product each lane gets
 * its row's four products at once. Without it products are 16 bits wide and two registers of 2
 * rows: with nibbles eight of them add up without loss (8 x 15 x 127 = 15240), with bytes two do
 * (2 x 128 x 127 = 32512); then neighbours are added to 32 bits. All of that is exact.
 */
#include "kern/arm/tile.h"

enum kind { Q4_0, Q4_1, Q4_K, Q8_0 };

typedef struct tokens {
    const int8_t *q;
    const float *d, *ds;
    const int32_t *isum;
    size_t k, nb;
} tokens;

OA__TILE int8x16_t quad(const int8_t *q)
{
    int32_t v;
    memcpy(&v, q, sizeof v);
    return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

#if defined(__ARM_FEATURE_DOTPROD)
#define TILE 4
#define NAME(name) name##_dotprod

typedef struct sums {
    int32x4_t s[4];
} sums;

OA__TILE void sums_begin(sums *s)
{
    for (int i = 0; i < 4; i++)
        s->s[i] = vdupq_n_s32(0);
}

/* Two lines and the quads that meet them. */
OA__TILE void sums_add(sums *s, const bool narrow, const int8x16_t w0[4], int8x16_t a0,
                       const int8x16_t w1[4], int8x16_t a1)
{
    (void)narrow;
    OA__UNROLL
    for (int i = 0; i < 4; i++)
        s->s[i] = vdotq_s32(vdotq_s32(s->s[i], w0[i], a0), w1[i], a1);
}

OA__TILE int32x4_t sums_end(const sums *s, const bool narrow, int i)
{
    (void)narrow;
    return s->s[i];
}
#else
#define TILE 2
#define NAME(name) name##_neon

typedef struct sums {
    int16x8_t h[4][2]; /* of nibbles */
    int32x4_t s[4][2]; /* of bytes */
} sums;

OA__TILE void sums_begin(sums *s)
{
    for (int i = 0; i < 4; i++) {
        s->h[i][0] = s->h[i][1] = vdupq_n_s16(0);
        s->s[i][0] = s->s[i][1] = vdupq_n_s32(0);
    }
}

OA__TILE void sums_add(sums *s, const bool narrow, const int8x16_t w0[4], int8x16_t a0,
                       const int8x16_t w1[4], int8x16_t a1)
{
    OA__UNROLL
    for (int i = 0; i < 4; i++) {
        int16x8_t lo = narrow ? s->h[i][0] : vdupq_n_s16(0);
        int16x8_t hi = narrow ? s->h[i][1] : vdupq_n_s16(0);
        lo = vmlal_s8(lo, vget_low_s8(w0[i]), vget_low_s8(a0));
        hi = vmlal_high_s8(hi, w0[i], a0);
        lo = vmlal_s8(lo, vget_low_s8(w1[i]), vget_low_s8(a1));
        hi = vmlal_high_s8(hi, w1[i], a1);
        if (narrow) {
            s->h[i][0] = lo;
            s->h[i][1] = hi;
        } else {
            s->s[i][0] = vpadalq_s16(s->s[i][0], lo);
            s->s[i][1] = vpadalq_s16(s->s[i][1], hi);
        }
    }
}

OA__TILE int32x4_t sums_end(const sums *s, const bool narrow, int i)
{
    return narrow ? vpaddq_s32(vpaddlq_s16(s->h[i][0]), vpaddlq_s16(s->h[i][1]))
                  : vpaddq_s32(s->s[i][0], s->s[i][1]);
}
#endif

/* One block of 32 columns, `b` of the tokens'. */
OA__TILE void block(const enum kind kind, const int T, const void *lines, v16 dw, v16 mw,
                    const tokens *x, size_t b, v16 *acc)
{
    const bool narrow = kind != Q8_0;
    const int8_t *q8 = lines;
    const uint8_t *q4 = lines;
    sums s[TILE];
    OA__UNROLL
    for (int t = 0; t < T; t++)
        sums_begin(&s[t]);
    OA__UNROLL
    for (size_t g = 0; g < 4; g++) {
        int8x16_t w0[4], w1[4];
        OA__UNROLL
        for (int i = 0; i < 4; i++) {
            if (narrow) {
                const uint8x16_t w = vld1q_u8(q4 + 64 * g + 16 * i);
                w0[i] = vreinterpretq_s8_u8(vandq_u8(w, vdupq_n_u8(15)));
                w1[i] = vreinterpretq_s8_u8(vshrq_n_u8(w, 4));
            } else {
                w0[i] = vld1q_s8(q8 + 128 * g + 16 * i);
                w1[i] = vld1q_s8(q8 + 128 * g + 64 + 16 * i);
            }
        }
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const int8_t *q = x->q + (size_t)t * x->k + 32 * b;
            if (narrow)
                sums_add(&s[t], narrow, w0, quad(q + 4 * g), w1, quad(q + 16 + 4 * g));
            else
                sums_add(&s[t], narrow, w0, quad(q + 8 * g), w1, quad(q + 8 * g + 4));
        }
    }
    OA__UNROLL
    for (int t = 0; t < T; t++) {
        const size_t e = (size_t)t * x->nb + b;
        const float32x4_t da = vdupq_n_f32(x->d[e]), ds = vdupq_n_f32(x->ds[e]);
        const int32x4_t offset = vdupq_n_s32(kind == Q4_0 ? 8 * x->isum[e] : 0);
        OA__UNROLL
        for (int i = 0; i < 4; i++) {
            const int32x4_t idot = vsubq_s32(sums_end(&s[t], narrow, i), offset);
            acc[t].v[i] = vfmaq_f32(acc[t].v[i], vcvtq_f32_s32(idot), vmulq_f32(dw.v[i], da));
            if (kind == Q4_1 || kind == Q4_K) acc[t].v[i] = vfmaq_f32(acc[t].v[i], mw.v[i], ds);
        }
    }
}

OA__TILE v16 bytes_float(uint8x16_t b)
{
    const uint16x8_t lo = vmovl_u8(vget_low_u8(b)), hi = vmovl_high_u8(b);
    return (v16){{vcvtq_f32_u32(vmovl_u16(vget_low_u16(lo))), vcvtq_f32_u32(vmovl_high_u16(lo)),
                  vcvtq_f32_u32(vmovl_u16(vget_low_u16(hi))), vcvtq_f32_u32(vmovl_high_u16(hi))}};
}

/* Scale and minimum of block i of a Q4_K group, 6 bits each, as oa__unpack_k_scales(). */
OA__TILE void k_scales(const uint8_t sc[12][16], size_t i, uint8x16_t *scale, uint8x16_t *min)
{
    const uint8x16_t six = vdupq_n_u8(63), high = vdupq_n_u8(0x30);
    const uint8x16_t a = vld1q_u8(sc[i % 4]), b = vld1q_u8(sc[4 + i % 4]);
    if (i < 4) {
        *scale = vandq_u8(a, six);
        *min = vandq_u8(b, six);
        return;
    }
    const uint8x16_t c = vld1q_u8(sc[4 + i]);
    *scale = vorrq_u8(vandq_u8(c, vdupq_n_u8(15)), vandq_u8(vshrq_n_u8(a, 2), high));
    *min = vorrq_u8(vshrq_n_u8(c, 4), vandq_u8(vshrq_n_u8(b, 2), high));
}

OA__TILE void tile(const enum kind kind, const int T, const oa__mm_args *a, size_t g, size_t t0)
{
    const oa__acts *x = a->acts;
    const size_t nb = a->k / 32;
    const tokens tk = {x->q + t0 * a->k,  x->d + t0 * nb, x->ds + t0 * nb,
                       x->isum + t0 * nb, a->k,           nb};
    const v16 zero = v16_set1(0);
    v16 acc[TILE];
    OA__UNROLL
    for (int t = 0; t < T; t++)
        acc[t] = zero;

    if (kind == Q4_0) {
        const oa__pack_q4_0 *w = (const oa__pack_q4_0 *)a->w + g * nb;
        for (size_t b = 0; b < nb; b++, w++)
            block(kind, T, w->q, v16_load_half(w->d), zero, &tk, b, acc);
    } else if (kind == Q4_1) {
        const oa__pack_q4_1 *w = (const oa__pack_q4_1 *)a->w + g * nb;
        for (size_t b = 0; b < nb; b++, w++)
            block(kind, T, w->q, v16_load_half(w->d), v16_load_half(w->m), &tk, b, acc);
    } else if (kind == Q8_0) {
        const oa__pack_q8_0 *w = (const oa__pack_q8_0 *)a->w + g * nb;
        for (size_t b = 0; b < nb; b++, w++)
            block(kind, T, w->q, v16_load_half(w->d), zero, &tk, b, acc);
    } else {
        const oa__pack_q4_k *w = (const oa__pack_q4_k *)a->w + g * (nb / 8);
        for (size_t b = 0; b < nb; b += 8, w++) {
            const v16 d = v16_load_half(w->d), m = v16_neg(v16_load_half(w->dmin));
            for (size_t i = 0; i < 8; i++) {
                uint8x16_t scale, min;
                k_scales(w->sc, i, &scale, &min);
                block(kind, T, w->q[i], v16_mul(d, bytes_float(scale)),
                      v16_mul(m, bytes_float(min)), &tk, b + i, acc);
            }
        }
    }
    OA__UNROLL
    for (int t = 0; t < T; t++)
        oa__tile_store(a, g, t0 + (size_t)t, acc[t]);
}

OA__TILE void matmul(const enum kind kind, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    for (size_t g = g_begin; g < g_end; g++) {
        size_t t = 0;
        for (; t + TILE <= a->n_tokens; t += TILE)
            tile(kind, TILE, a, g, t);
        for (; t < a->n_tokens; t++)
            tile(kind, 1, a, g, t);
    }
}

#define MATMUL(name, kind)                                                                         \
    void NAME(oa__matmul_##name)(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)    \
    {                                                                                              \
        (void)k;                                                                                   \
        matmul(kind, a, g0, g1);                                                                   \
    }

MATMUL(q4_0, Q4_0)
MATMUL(q4_1, Q4_1)
MATMUL(q4_k, Q4_K)
MATMUL(q8_0, Q8_0)

/* The wall: multiply-adds of int8 as the tiles above do them. */
uint64_t NAME(oa__peak_int8)(uint64_t n)
{
    const int8x16_t w = vdupq_n_s8((int8_t)(n % 7)), a = vdupq_n_s8((int8_t)(n % 5));
    const int8x16_t w4[4] = {w, w, w, w};
    sums s[2];
    int32x4_t all = vdupq_n_s32(0);
    uint64_t done = 0;
    sums_begin(&s[0]);
    sums_begin(&s[1]);
    for (; done < n; done += 256) {
        sums_add(&s[0], true, w4, a, w4, a);
        sums_add(&s[1], true, w4, a, w4, a);
    }
    for (int i = 0; i < 4; i++)
        all = veorq_s32(all, veorq_s32(sums_end(&s[0], true, i), sums_end(&s[1], true, i)));
    return done + (vaddvq_s32(all) == 0x12345678);
}
