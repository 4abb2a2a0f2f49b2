/* SPDX-License-Identifier: Apache-2.0 */
/* Lay out a block of 256: the other way round of kern/unpack.h, where the layouts stand. */
#include "tensor/quant_priv.h"

#include <string.h>

/* Bits of levels at 2 bits each: byte 32 h + i holds e = 128 h + 32 s + i at bits 2 s. */
static void put_pairs(const uint8_t *q, unsigned shift, uint8_t *out)
{
    for (size_t h = 0; h < 2; h++)
        for (size_t i = 0; i < 32; i++) {
            unsigned b = 0;
            for (size_t j = 0; j < 4; j++)
                b |= (q[128 * h + 32 * j + i] >> shift & 3u) << (2 * j);
            out[32 * h + i] = (uint8_t)b;
        }
}

/* Bit `shift` of the levels: bit b of byte i is of e = 32 b + i. */
static void put_bits(const uint8_t *q, unsigned shift, uint8_t *out)
{
    memset(out, 0, 32);
    for (size_t e = 0; e < 256; e++)
        out[e % 32] |= (uint8_t)((q[e] >> shift & 1u) << (e / 32));
}

/* Low halves of `half` levels, then the next ones' in the high halves. */
static void put_nibbles(const uint8_t *q, size_t half, uint8_t *out)
{
    for (size_t c = 0; c < 256; c += 2 * half)
        for (size_t i = 0; i < half; i++)
            out[c / 2 + i] = (uint8_t)((q[c + i] & 15u) | (q[c + half + i] & 15u) << 4);
}

static void put_k_scales(const uint8_t *sc, const uint8_t *m, uint8_t *out)
{
    for (size_t i = 0; i < 4; i++) {
        out[i] = (uint8_t)(sc[i] | (sc[4 + i] >> 4) << 6);
        out[4 + i] = (uint8_t)(m[i] | (m[4 + i] >> 4) << 6);
        out[8 + i] = (uint8_t)((sc[4 + i] & 15u) | (m[4 + i] & 15u) << 4);
    }
}

static void put_q3_scales(const uint8_t *sc, uint8_t *out)
{
    memset(out, 0, 12);
    for (size_t i = 0; i < 16; i++) {
        out[i % 8] |= (uint8_t)((sc[i] & 15u) << (i < 8 ? 0 : 4));
        out[8 + i % 4] |= (uint8_t)((sc[i] >> 4 & 3u) << (2 * (i / 4)));
    }
}

static void pack_iq4_xs(const uint8_t *q, const uint8_t *sc, uint16_t d, uint8_t *out)
{
    unsigned high = 0;
    oa__quant_put16(out, d);
    for (size_t i = 0; i < 8; i++)
        high |= (sc[i] >> 4 & 3u) << (2 * i);
    oa__quant_put16(out + 2, (uint16_t)high);
    for (size_t i = 0; i < 4; i++)
        out[4 + i] = (uint8_t)((sc[2 * i] & 15u) | (sc[2 * i + 1] & 15u) << 4);
    put_nibbles(q, 16, out + 8);
}

static void pack_q6_k(const uint8_t *q, const uint8_t *sc, uint16_t d, uint8_t *out)
{
    put_nibbles(q, 64, out);
    put_pairs(q, 4, out + 128);
    memcpy(out + 192, sc, 16);
    oa__quant_put16(out + 208, d);
}

void oa__quant_pack_k(uint32_t type, const uint8_t *q, const uint8_t *sc, const uint8_t *m,
                      uint16_t d, uint16_t dmin, uint8_t *out)
{
    switch (type) {
    case OA__Q2_K:
        for (size_t i = 0; i < 16; i++)
            out[i] = (uint8_t)(sc[i] | m[i] << 4);
        put_pairs(q, 0, out + 16);
        oa__quant_put16(out + 80, d);
        oa__quant_put16(out + 82, dmin);
        break;
    case OA__Q3_K:
        put_bits(q, 2, out);
        put_pairs(q, 0, out + 32);
        put_q3_scales(sc, out + 96);
        oa__quant_put16(out + 108, d);
        break;
    case OA__Q4_K:
    case OA__Q5_K:
        oa__quant_put16(out, d);
        oa__quant_put16(out + 2, dmin);
        put_k_scales(sc, m, out + 4);
        if (type == OA__Q5_K) put_bits(q, 4, out + 16);
        put_nibbles(q, 32, out + (type == OA__Q5_K ? 48 : 16));
        break;
    case OA__Q6_K:
        pack_q6_k(q, sc, d, out);
        break;
    default:
        pack_iq4_xs(q, sc, d, out);
    }
}
