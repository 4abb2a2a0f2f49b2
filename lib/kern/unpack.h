/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File blocks to small unsigned integers and float scales, as static functions, so that wide
 * tiers compile them with their own flags. Integers and exact products only: the bits cannot
 * depend on the compiler.
 *
 * The block formats, in bytes (all little endian, d dmin m are f16, e is the element's index):
 *
 *   Q4_0  18  d; qs[16]: e and e + 16 in the low and high half of byte e        d (q - 8)
 *   Q4_1  20  d m; qs[16]                                                       d q + m
 *   Q5_0  22  d; qh[4]: bit e is bit 4 of e; qs[16] as above                    d (q - 16)
 *   Q5_1  24  d m; qh[4]; qs[16]                                                d q + m
 *   Q8_0  34  d; int8[32]                                                       d q
 *   Q2_K  84  sc[16]: 4 bits scale, 4 bits min, per 16; qs[64]; d dmin          d sc q - dmin m
 *             qs: byte 32 h + i holds e = 128 h + 32 s + i at bits 2 s
 *   Q3_K 110  hmask[32]: bit b of byte i is bit 2 of e = 32 b + i; qs[64] as Q2_K;
 *             sc[12]: 16 scales of 6 bits, minus 32; d                          d sc (q - 4)
 *   Q4_K 144  d dmin; sc[12]: 8 scales and 8 mins of 6 bits; qs[128]            d sc q - dmin m
 *             qs: byte 32 c + i holds e = 64 c + i low, 64 c + 32 + i high
 *   Q5_K 176  d dmin; sc[12]; qh[32]: bit b of byte i is bit 4 of e = 32 b + i; qs[128]
 *   Q6_K 210  ql[128]: byte 64 h + j holds 128 h + j low, 128 h + 64 + j high; qh[64]: as the
 *             qs of Q2_K, bits 4 and 5; int8 sc[16] per 16; d                   d sc (q - 32)
 *   IQ4_NL 18  as Q4_0, but the halves of a byte choose from a table of 16      d table[q]
 *   IQ4_XS 136 d; high[2]: bits 2 b of the scale of sub-block b are its bits 4 and 5; low[4]: its
 *             low bits, two to a byte; qs[128]: 16 bytes per 32, as Q4_0        d (sc - 32)
 * table[q] what is unpacked of these two is table[q] + 128
 */
#ifndef OA_KERN_UNPACK_H
#define OA_KERN_UNPACK_H

#include "kern/half.h"
#include "kern/kern.h"

static inline uint16_t oa__load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline float oa__load_half(const uint8_t *p)
{
    return oa__half_f32(oa__load_u16(p));
}

/* Small integers go eight at a time through 64-bit words, straight from and to memory: shifts and
 * masks that keep to their byte are the same in every byte order. */
#define OA__BYTES(b) (UINT64_C(0x0101010101010101) * (b))

static inline uint64_t oa__load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void oa__store_u64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

/* n bytes, a multiple of 8: their low halves, then their high ones. */
static inline void oa__unpack_nibbles(const uint8_t *qs, uint8_t *q, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        const uint64_t v = oa__load_u64(qs + i);
        oa__store_u64(q + i, v & OA__BYTES(15));
        oa__store_u64(q + n + i, v >> 4 & OA__BYTES(15));
    }
}

/* The table of the IQ4 types, plus 128. */
#define OA__IQ4_TABLE                                                                              \
    {                                                                                              \
        1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241                    \
    }

/* 16 bytes of halves: the low ones' values, then the high ones'. */
static inline void oa__unpack_iq4(const uint8_t *qs, uint8_t *q)
{
    static const uint8_t table[16] = OA__IQ4_TABLE;
#if defined(__AVX2__) && !defined(OA_SIMDE)
    const __m128i t = _mm_loadu_si128((const __m128i *)(const void *)table);
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)qs), low = _mm_set1_epi8(15);
    const __m128i high = _mm_and_si128(_mm_srli_epi16(v, 4), low);
    _mm_storeu_si128((__m128i *)(void *)q, _mm_shuffle_epi8(t, _mm_and_si128(v, low)));
    _mm_storeu_si128((__m128i *)(void *)(q + 16), _mm_shuffle_epi8(t, high));
#else
    for (size_t i = 0; i < 16; i++) {
        q[i] = table[qs[i] & 15u];
        q[16 + i] = table[qs[i] >> 4];
    }
#endif
}

/* The scale of sub-block b; low is byte b / 2 of its kind. */
static inline int oa__iq4_xs_scale(unsigned high, unsigned low, size_t b)
{
    return (int)((low >> (b % 2 * 4) & 15u) | (high >> (2 * b) & 3u) << 4) - 32;
}

static inline void oa__unpack_iq4_xs(const uint8_t *p, uint8_t *q, float *dw)
{
    const float d = oa__load_half(p);
    const unsigned high = oa__load_u16(p + 2);
    for (size_t b = 0; b < 8; b++) {
        dw[b] = d * (float)oa__iq4_xs_scale(high, p[4 + b / 2], b);
        oa__unpack_iq4(p + 8 + 16 * b, q + 32 * b);
    }
}

/* A block of Q5_0 or Q5_1. A byte of qh, repeated eight times, keeps one bit in each byte; the
 * addition carries it to the top, from where it goes to bit 4. */
static inline void oa__unpack_q5(const uint8_t *qh, const uint8_t *qs, uint8_t *q)
{
    static const uint8_t masks[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    const uint64_t mask = oa__load_u64(masks);
    for (size_t i = 0; i < 4; i++) {
        const uint64_t v = oa__load_u64(qs + i % 2 * 8) >> (i / 2 * 4) & OA__BYTES(15);
        const uint64_t bits = ((OA__BYTES(qh[i]) & mask) + OA__BYTES(127)) & OA__BYTES(128);
        oa__store_u64(q + 8 * i, v | bits >> 3);
    }
}

/* Scales and mins of Q4_K and Q5_K. */
static inline void oa__unpack_k_scales(const uint8_t *p, uint8_t *sc, uint8_t *m)
{
    for (size_t i = 0; i < 4; i++) {
        sc[i] = p[i] & 63u;
        m[i] = p[4 + i] & 63u;
        sc[4 + i] = (uint8_t)((p[8 + i] & 15u) | (p[i] >> 6) << 4);
        m[4 + i] = (uint8_t)(p[8 + i] >> 4 | (p[4 + i] >> 6) << 4);
    }
}

static inline void oa__unpack_k_floats(const uint8_t *p, float *dw, float *mw)
{
    const float d = oa__load_half(p), dmin = oa__load_half(p + 2);
    uint8_t sc[8], m[8];
    oa__unpack_k_scales(p + 4, sc, m);
    for (size_t i = 0; i < 8; i++) {
        dw[i] = d * (float)sc[i];
        mw[i] = -(dmin * (float)m[i]);
    }
}

static inline void oa__unpack_q2_k(const uint8_t *p, uint8_t *q, float *dw, float *mw)
{
    const float d = oa__load_half(p + 80), dmin = oa__load_half(p + 82);
    for (size_t i = 0; i < 16; i++) {
        dw[i] = d * (float)(p[i] & 15);
        mw[i] = -(dmin * (float)(p[i] >> 4));
    }
    for (size_t h = 0; h < 2; h++)
        for (size_t i = 0; i < 32; i += 8) {
            const uint64_t v = oa__load_u64(p + 16 + 32 * h + i);
            for (size_t j = 0; j < 4; j++)
                oa__store_u64(q + 128 * h + 32 * j + i, v >> (2 * j) & OA__BYTES(3));
        }
}

/* The scale of 16 elements, from the twelve bytes of a block. */
static inline int oa__q3_k_scale(const uint8_t *sc, size_t i)
{
    const unsigned lo = i < 8 ? sc[i] & 15u : (unsigned)sc[i - 8] >> 4;
    const unsigned hi = (unsigned)sc[8 + i % 4] >> (2 * (i / 4)) & 3u;
    return (int)(lo | hi << 4) - 32;
}

static inline void oa__unpack_q3_k(const uint8_t *p, uint8_t *q, float *dw)
{
    const float d = oa__load_half(p + 108);
    for (size_t i = 0; i < 16; i++)
        dw[i] = d * (float)oa__q3_k_scale(p + 96, i);
    for (size_t h = 0; h < 2; h++)
        for (size_t i = 0; i < 32; i += 8) {
            const uint64_t v = oa__load_u64(p + 32 + 32 * h + i);
            const uint64_t mask = oa__load_u64(p + i) >> (4 * h);
            for (size_t j = 0; j < 4; j++)
                oa__store_u64(q + 128 * h + 32 * j + i,
                              (v >> (2 * j) & OA__BYTES(3)) | (mask >> j & OA__BYTES(1)) << 2);
        }
}

static inline void oa__unpack_q5_k(const uint8_t *p, uint8_t *q, float *dw, float *mw)
{
    oa__unpack_k_floats(p, dw, mw);
    for (size_t c = 0; c < 4; c++)
        for (size_t i = 0; i < 32; i += 8) {
            const uint64_t v = oa__load_u64(p + 48 + 32 * c + i);
            const uint64_t high = oa__load_u64(p + 16 + i) >> (2 * c);
            oa__store_u64(q + 64 * c + i, (v & OA__BYTES(15)) | (high & OA__BYTES(1)) << 4);
            oa__store_u64(q + 64 * c + 32 + i, (v >> 4 & OA__BYTES(15)) | (high >> 1 & OA__BYTES(1))
                                                                              << 4);
        }
}

static inline void oa__unpack_q6_k(const uint8_t *p, uint8_t *q, float *dw)
{
    const float d = oa__load_half(p + 208);
    for (size_t i = 0; i < 16; i++)
        dw[i] = d * (float)(int8_t)p[192 + i];
    for (size_t h = 0; h < 2; h++)
        for (size_t i = 0; i < 32; i += 8) {
            const uint64_t v0 = oa__load_u64(p + 64 * h + i);
            const uint64_t v1 = oa__load_u64(p + 64 * h + 32 + i);
            const uint64_t high = oa__load_u64(p + 128 + 32 * h + i);
            uint8_t *out = q + 128 * h + i;
            oa__store_u64(out, (v0 & OA__BYTES(15)) | (high & OA__BYTES(3)) << 4);
            oa__store_u64(out + 32, (v1 & OA__BYTES(15)) | (high >> 2 & OA__BYTES(3)) << 4);
            oa__store_u64(out + 64, (v0 >> 4 & OA__BYTES(15)) | (high >> 4 & OA__BYTES(3)) << 4);
            oa__store_u64(out + 96, (v1 >> 4 & OA__BYTES(15)) | (high >> 6 & OA__BYTES(3)) << 4);
        }
}

static inline void oa__unpack_rows(uint32_t type, const void *row, size_t n, uint8_t *q, float *dw,
                                   float *mw)
{
    const uint8_t *p = row;
    switch (type) {
    case OA__Q4_0:
        for (size_t b = 0; b < n / 32; b++, p += 18, q += 32) {
            dw[b] = oa__load_half(p);
            oa__unpack_nibbles(p + 2, q, 16);
        }
        break;
    case OA__Q4_1:
        for (size_t b = 0; b < n / 32; b++, p += 20, q += 32) {
            dw[b] = oa__load_half(p);
            mw[b] = oa__load_half(p + 2);
            oa__unpack_nibbles(p + 4, q, 16);
        }
        break;
    case OA__Q5_0:
        for (size_t b = 0; b < n / 32; b++, p += 22, q += 32) {
            dw[b] = oa__load_half(p);
            oa__unpack_q5(p + 2, p + 6, q);
        }
        break;
    case OA__Q5_1:
        for (size_t b = 0; b < n / 32; b++, p += 24, q += 32) {
            dw[b] = oa__load_half(p);
            mw[b] = oa__load_half(p + 2);
            oa__unpack_q5(p + 4, p + 8, q);
        }
        break;
    case OA__Q8_0:
        for (size_t b = 0; b < n / 32; b++, p += 34, q += 32) {
            dw[b] = oa__load_half(p);
            for (size_t i = 0; i < 32; i++)
                q[i] = p[2 + i] ^ 0x80u;
        }
        break;
    case OA__Q2_K:
        for (size_t b = 0; b < n / 256; b++, p += 84)
            oa__unpack_q2_k(p, q + 256 * b, dw + 16 * b, mw + 16 * b);
        break;
    case OA__Q3_K:
        for (size_t b = 0; b < n / 256; b++, p += 110)
            oa__unpack_q3_k(p, q + 256 * b, dw + 16 * b);
        break;
    case OA__Q4_K:
        for (size_t b = 0; b < n / 256; b++, p += 144) {
            oa__unpack_k_floats(p, dw + 8 * b, mw + 8 * b);
            for (size_t c = 0; c < 4; c++)
                oa__unpack_nibbles(p + 16 + 32 * c, q + 256 * b + 64 * c, 32);
        }
        break;
    case OA__Q5_K:
        for (size_t b = 0; b < n / 256; b++, p += 176)
            oa__unpack_q5_k(p, q + 256 * b, dw + 8 * b, mw + 8 * b);
        break;
    case OA__Q6_K:
        for (size_t b = 0; b < n / 256; b++, p += 210)
            oa__unpack_q6_k(p, q + 256 * b, dw + 16 * b);
        break;
    case OA__IQ4_NL:
        for (size_t b = 0; b < n / 32; b++, p += 18, q += 32) {
            dw[b] = oa__load_half(p);
            oa__unpack_iq4(p + 2, q);
        }
        break;
    case OA__IQ4_XS:
        for (size_t b = 0; b < n / 256; b++, p += 136)
            oa__unpack_iq4_xs(p, q + 256 * b, dw + 8 * b);
        break;
    default:
        break;
    }
}

#endif
