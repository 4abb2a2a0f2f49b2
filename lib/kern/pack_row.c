/* SPDX-License-Identifier: Apache-2.0 */
/* The way back from the packed layouts of kern.h: one row as the file had it. Every layout only
 * moves bits, so nothing is lost. */
#include "kern/kern.h"

#include <string.h>

static void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v & 0xff);
    p[1] = (uint8_t)(v >> 8);
}

static void unpack_lines(uint8_t *dst, const uint8_t *lines, size_t row, size_t n_lines)
{
    for (size_t g = 0; g < n_lines; g++)
        memcpy(dst + 4 * g, lines + 64 * g + 4 * row, 4);
}

/* Lines to quants, in the order of columns; the three add up. */
static void get_nibbles(uint8_t *q, const uint8_t *lines, size_t row, size_t n)
{
    for (size_t i = 0; i < 4 * n; i++) {
        const unsigned byte = lines[i / 4 * 64 + 4 * row + i % 4];
        q[i] = byte & 15;
        q[4 * n + i] = (uint8_t)(byte >> 4);
    }
}

static void get_pairs(uint8_t *q, const uint8_t *line, size_t row, unsigned at)
{
    for (size_t i = 0; i < 16; i++)
        q[i] = (uint8_t)(q[i] | (line[4 * row + i % 4] >> (i / 4 * 2) & 3) << at);
}

static void get_bits(uint8_t *q, const uint8_t *line, size_t row, unsigned at)
{
    for (size_t i = 0; i < 32; i++)
        q[i] = (uint8_t)(q[i] | (line[4 * row + i % 4] >> (i / 4) & 1) << at);
}

/* Quants to the bytes of a block of 256 (unpack.h). Low halves of `half` of them, then the next
 * ones' in the high halves. */
static void put_nibbles(uint8_t *p, const uint8_t *q, size_t half)
{
    for (size_t i = 0; i < 128; i++) {
        const uint8_t *lo = q + i / half * 2 * half + i % half;
        p[i] = (uint8_t)((lo[0] & 15) | (lo[half] & 15) << 4);
    }
}

static void put_pairs(uint8_t *p, const uint8_t *q, unsigned at)
{
    memset(p, 0, 64);
    for (size_t e = 0; e < 256; e++) {
        uint8_t *byte = p + e / 128 * 32 + e % 32;
        *byte = (uint8_t)(*byte | (q[e] >> at & 3) << (e % 128 / 32 * 2));
    }
}

static void put_bits(uint8_t *p, const uint8_t *q, unsigned at)
{
    memset(p, 0, 32);
    for (size_t e = 0; e < 256; e++)
        p[e % 32] = (uint8_t)(p[e % 32] | (q[e] >> at & 1) << (e / 32));
}

static void get_scales(uint8_t *p, const uint8_t (*sc)[16], size_t n, size_t row)
{
    for (size_t i = 0; i < n; i++)
        p[i] = sc[i][row];
}

static void unpack_q4_k(uint8_t *p, const oa__pack_q4_k *b, size_t row)
{
    uint8_t q[256];
    store_u16(p, b->d[row]);
    store_u16(p + 2, b->dmin[row]);
    get_scales(p + 4, b->sc, 12, row);
    for (size_t s = 0; s < 8; s++)
        get_nibbles(q + 32 * s, b->q[s], row, 4);
    put_nibbles(p + 16, q, 32);
}

static void unpack_q5_k(uint8_t *p, const oa__pack_q5_k *b, size_t row)
{
    uint8_t q[256];
    store_u16(p, b->d[row]);
    store_u16(p + 2, b->dmin[row]);
    get_scales(p + 4, b->sc, 12, row);
    for (size_t s = 0; s < 8; s++) {
        get_nibbles(q + 32 * s, b->q[s], row, 4);
        get_bits(q + 32 * s, b->q[s] + 4 * 64, row, 4);
    }
    put_bits(p + 16, q, 4);
    put_nibbles(p + 48, q, 32);
}

static void unpack_q6_k(uint8_t *p, const oa__pack_q6_k *b, size_t row)
{
    uint8_t q[256];
    for (size_t s = 0; s < 16; s++) {
        get_nibbles(q + 16 * s, b->q[s], row, 2);
        get_pairs(q + 16 * s, b->q[s] + 2 * 64, row, 4);
        p[192 + s] = (uint8_t)b->sc[s][row];
    }
    put_nibbles(p, q, 64);
    put_pairs(p + 128, q, 4);
    store_u16(p + 208, b->d[row]);
}

static void unpack_q2_k(uint8_t *p, const oa__pack_q2_k *b, size_t row)
{
    uint8_t q[256] = {0};
    get_scales(p, b->sc, 16, row);
    for (size_t s = 0; s < 16; s++)
        get_pairs(q + 16 * s, b->q[s], row, 0);
    put_pairs(p + 16, q, 0);
    store_u16(p + 80, b->d[row]);
    store_u16(p + 82, b->dmin[row]);
}

static void unpack_q3_k(uint8_t *p, const oa__pack_q3_k *b, size_t row)
{
    uint8_t q[256] = {0};
    for (size_t s = 0; s < 8; s++) {
        get_pairs(q + 32 * s, b->q[s], row, 0);
        get_pairs(q + 32 * s + 16, b->q[s] + 64, row, 0);
        get_bits(q + 32 * s, b->q[s] + 2 * 64, row, 2);
    }
    put_bits(p, q, 2);
    put_pairs(p + 32, q, 0);
    get_scales(p + 96, b->sc, 12, row);
    store_u16(p + 108, b->d[row]);
}

static void unpack_iq4_xs(uint8_t *p, const oa__pack_iq4_xs *b, size_t row)
{
    store_u16(p, b->d[row]);
    store_u16(p + 2, b->high[row]);
    get_scales(p + 4, b->low, 4, row);
    for (size_t s = 0; s < 8; s++)
        unpack_lines(p + 8 + 16 * s, b->q[s], row, 4);
}

/* Q5_0 and Q5_1, from their fifth bits on. */
static void unpack_q5(uint8_t *p, const uint8_t *lines, size_t row)
{
    uint8_t q[32];
    get_nibbles(q, lines, row, 4);
    get_bits(q, lines + 4 * 64, row, 4);
    memset(p, 0, 4);
    for (size_t i = 0; i < 32; i++)
        p[i / 8] = (uint8_t)(p[i / 8] | q[i] >> 4 << (i % 8));
    for (size_t i = 0; i < 16; i++)
        p[4 + i] = (uint8_t)((q[i] & 15) | (q[16 + i] & 15) << 4);
}

static void unpack_block(uint32_t type, uint8_t *p, const void *src, size_t row)
{
    switch (type) {
    case OA__F32:
        memcpy(p, (const uint8_t *)src + 4 * row, 4);
        break;
    case OA__F16:
    case OA__BF16:
        memcpy(p, (const uint8_t *)src + 2 * row, 2);
        break;
    case OA__Q4_0: {
        const oa__pack_q4_0 *b = src;
        store_u16(p, b->d[row]);
        unpack_lines(p + 2, b->q, row, 4);
        break;
    }
    case OA__Q4_1: {
        const oa__pack_q4_1 *b = src;
        store_u16(p, b->d[row]);
        store_u16(p + 2, b->m[row]);
        unpack_lines(p + 4, b->q, row, 4);
        break;
    }
    case OA__Q8_0: {
        const oa__pack_q8_0 *b = src;
        store_u16(p, b->d[row]);
        unpack_lines(p + 2, (const uint8_t *)b->q, row, 8);
        break;
    }
    case OA__Q5_0: {
        const oa__pack_q5_0 *b = src;
        store_u16(p, b->d[row]);
        unpack_q5(p + 2, b->q, row);
        break;
    }
    case OA__Q5_1: {
        const oa__pack_q5_1 *b = src;
        store_u16(p, b->d[row]);
        store_u16(p + 2, b->m[row]);
        unpack_q5(p + 4, b->q, row);
        break;
    }
    case OA__IQ4_NL: {
        const oa__pack_iq4_nl *b = src;
        store_u16(p, b->d[row]);
        unpack_lines(p + 2, b->q, row, 4);
        break;
    }
    case OA__IQ4_XS:
        unpack_iq4_xs(p, src, row);
        break;
    case OA__Q2_K:
        unpack_q2_k(p, src, row);
        break;
    case OA__Q3_K:
        unpack_q3_k(p, src, row);
        break;
    case OA__Q4_K:
        unpack_q4_k(p, src, row);
        break;
    case OA__Q5_K:
        unpack_q5_k(p, src, row);
        break;
    case OA__Q6_K:
        unpack_q6_k(p, src, row);
        break;
    default:
        break;
    }
}

void oa__kern_unpack_row(uint32_t type, void *dst, const void *group, size_t k, size_t row)
{
    const oa__type_shape *s = oa__kern_shape(type);
    for (size_t b = 0; b < k / s->block; b++)
        unpack_block(type, (uint8_t *)dst + b * s->size, (const uint8_t *)group + b * s->pack_size,
                     row);
}
