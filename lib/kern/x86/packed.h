/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed weights of quantised types (kern.h) as the x86 tiers read them, included after a vec_*.h:
 * the scales of a block, and where its lines are. `type` is a constant where these are called.
 */
#ifndef OA_KERN_X86_PACKED_H
#define OA_KERN_X86_PACKED_H

#include "kern/x86/intrin.h"

/* Columns per weight scale. */
OA__TILE int oa__packed_sub(const uint32_t type)
{
    return type == OA__Q2_K || type == OA__Q3_K || type == OA__Q6_K ? 16 : 32;
}

OA__TILE bool oa__packed_min(const uint32_t type)
{
    return type == OA__Q5_1 || type == OA__Q2_K || type == OA__Q4_K || type == OA__Q5_K;
}

/* What is taken off the quants as kern.h has them. */
OA__TILE int oa__packed_offset(const uint32_t type)
{
    return type == OA__Q5_0 ? 16 : type == OA__Q3_K ? 4 : type == OA__Q6_K ? 32 : 0;
}

OA__TILE bool oa__packed_iq4(const uint32_t type)
{
    return type == OA__IQ4_NL || type == OA__IQ4_XS;
}

/* Blocks of 32 columns in a block of the file. */
OA__TILE size_t oa__packed_units(const uint32_t type)
{
    return type == OA__Q2_K || type == OA__Q3_K || type == OA__Q4_K || type == OA__Q5_K ||
                   type == OA__Q6_K || type == OA__IQ4_XS
               ? 8
               : 1;
}

#define OA__EACH_PACKED(X)                                                                         \
    X(OA__Q5_0, oa__pack_q5_0, 5)                                                                  \
    X(OA__Q5_1, oa__pack_q5_1, 5)                                                                  \
    X(OA__Q2_K, oa__pack_q2_k, 2)                                                                  \
    X(OA__Q3_K, oa__pack_q3_k, 3)                                                                  \
    X(OA__Q4_K, oa__pack_q4_k, 4)                                                                  \
    X(OA__Q5_K, oa__pack_q5_k, 5)                                                                  \
    X(OA__Q6_K, oa__pack_q6_k, 6)                                                                  \
    X(OA__IQ4_NL, oa__pack_iq4_nl, 4)                                                              \
    X(OA__IQ4_XS, oa__pack_iq4_xs, 4)

OA__TILE size_t oa__packed_size(const uint32_t type)
{
#define X(t, s, n)                                                                                 \
    if (type == t) return sizeof(s);
    OA__EACH_PACKED(X)
#undef X
    return 0;
}

/* The lines of 32 columns, and how many they are. */
OA__TILE const uint8_t *oa__packed_lines(const uint32_t type, const void *block, size_t unit)
{
#define X(t, s, n)                                                                                 \
    if (type == t) return (const uint8_t *)((const s *)block)->q + unit * n * 64;
    OA__EACH_PACKED(X)
#undef X
    return block;
}

static inline __m128i oa__rows_load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static inline void oa__rows_store(void *p, __m128i x)
{
    _mm_storeu_si128((__m128i *)p, x);
}

static inline __m128i oa__rows_bits(__m128i x, int shift, int mask)
{
    return _mm_and_si128(_mm_srli_epi16(x, shift), _mm_set1_epi8((char)mask));
}

/* The following are unpack.h's functions of the same scales, for 16 rows at a time. */
static inline void oa__rows_k_scales(const uint8_t (*p)[16], uint8_t (*sc)[16], uint8_t (*m)[16])
{
    for (size_t i = 0; i < 4; i++) {
        const __m128i a = oa__rows_load(p[i]), b = oa__rows_load(p[4 + i]);
        const __m128i c = oa__rows_load(p[8 + i]);
        oa__rows_store(sc[i], oa__rows_bits(a, 0, 63));
        oa__rows_store(m[i], oa__rows_bits(b, 0, 63));
        oa__rows_store(sc[4 + i], _mm_or_si128(oa__rows_bits(c, 0, 15), oa__rows_bits(a, 2, 0x30)));
        oa__rows_store(m[4 + i], _mm_or_si128(oa__rows_bits(c, 4, 15), oa__rows_bits(b, 2, 0x30)));
    }
}

static inline void oa__rows_q3_k_scales(const uint8_t (*p)[16], int8_t (*sc)[16])
{
    for (int i = 0; i < 16; i++) {
        const __m128i low = oa__rows_bits(oa__rows_load(p[i % 8]), i / 8 * 4, 15);
        const __m128i high = oa__rows_bits(oa__rows_load(p[8 + i % 4]), 2 * (i / 4), 3);
        oa__rows_store(sc[i],
                       _mm_sub_epi8(_mm_or_si128(low, _mm_slli_epi16(high, 4)), _mm_set1_epi8(32)));
    }
}

static inline void oa__rows_iq4_xs_scales(const oa__pack_iq4_xs *p, int8_t (*sc)[16])
{
    const __m128i h0 = oa__rows_load(p->high), h1 = oa__rows_load(p->high + 8);
    const __m128i three = _mm_set1_epi16(3);
    for (int i = 0; i < 8; i++) {
        const __m128i low = oa__rows_bits(oa__rows_load(p->low[i / 2]), i % 2 * 4, 15);
        const __m128i high = _mm_packus_epi16(_mm_and_si128(_mm_srli_epi16(h0, 2 * i), three),
                                              _mm_and_si128(_mm_srli_epi16(h1, 2 * i), three));
        oa__rows_store(sc[i],
                       _mm_sub_epi8(_mm_or_si128(low, _mm_slli_epi16(high, 4)), _mm_set1_epi8(32)));
    }
}

/* The scales of a block of the file, and its minima with their sign, one line per `sub` columns. */
OA__TILE void oa__packed_scales(const uint32_t type, const void *block, float *dw, float *mw)
{
    const v16 d = v16_load_half(block); /* every struct begins with them */
    const v16 m = oa__packed_min(type) ? v16_load_half((const uint16_t *)block + 16) : d;
    if (type == OA__Q4_K || type == OA__Q5_K) {
        uint8_t sc[8][16], min[8][16];
        const v16 neg = v16_neg(m);
        oa__rows_k_scales(type == OA__Q4_K ? ((const oa__pack_q4_k *)block)->sc
                                           : ((const oa__pack_q5_k *)block)->sc,
                          sc, min);
        for (size_t i = 0; i < 8; i++) {
            v16_store(dw + 16 * i, v16_mul(d, v16_load_uint8(sc[i])));
            v16_store(mw + 16 * i, v16_mul(neg, v16_load_uint8(min[i])));
        }
    } else if (type == OA__Q6_K) {
        const oa__pack_q6_k *p = block;
        for (size_t i = 0; i < 16; i++)
            v16_store(dw + 16 * i, v16_mul(d, v16_load_int8(p->sc[i])));
    } else if (type == OA__Q2_K) {
        const oa__pack_q2_k *p = block;
        const v16 neg = v16_neg(m);
        for (size_t i = 0; i < 16; i++) {
            uint8_t sc[2][16];
            const __m128i x = oa__rows_load(p->sc[i]);
            oa__rows_store(sc[0], oa__rows_bits(x, 0, 15));
            oa__rows_store(sc[1], oa__rows_bits(x, 4, 15));
            v16_store(dw + 16 * i, v16_mul(d, v16_load_uint8(sc[0])));
            v16_store(mw + 16 * i, v16_mul(neg, v16_load_uint8(sc[1])));
        }
    } else if (type == OA__Q3_K || type == OA__IQ4_XS) {
        int8_t sc[16][16];
        if (type == OA__Q3_K)
            oa__rows_q3_k_scales(((const oa__pack_q3_k *)block)->sc, sc);
        else
            oa__rows_iq4_xs_scales(block, sc);
        for (size_t i = 0; i < (type == OA__Q3_K ? 16 : 8); i++)
            v16_store(dw + 16 * i, v16_mul(d, v16_load_int8(sc[i])));
    } else {
        v16_store(dw, d);
        if (oa__packed_min(type)) v16_store(mw, m);
    }
}

/* --- many tokens ------------------------------------------------------------------------------ */

#define OA__PANEL_TOKENS 256 /* that meet an unpacked panel before the next one is made */

/* 256 columns of a group, taken apart, and the sums of the tokens that meet them. */
typedef struct oa__panel {
    float acc[OA__PANEL_TOKENS][16];
    uint8_t q[OA__KERN_PANEL / 4 * 64];
    float dw[OA__KERN_PANEL], mw[OA__KERN_PANEL]; /* lines of 16 rows */
} oa__panel;

_Static_assert(sizeof(oa__panel) <= OA__MM_SCRATCH, "the panel fits the scratch");

/* Activations from one token on. */
typedef struct oa__tokens {
    const int8_t *q;
    const float *d, *ds;
    const int32_t *isum, *isum16;
    size_t k, nb;
} oa__tokens;

static inline oa__tokens oa__tokens_at(const oa__acts *x, size_t t)
{
    const size_t nb = x->k / 32;
    return (oa__tokens){x->q + t * x->k,
                        x->d + t * nb,
                        x->ds + t * nb,
                        x->isum + t * nb,
                        x->isum16 + 2 * t * nb,
                        x->k,
                        nb};
}

#endif
