/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of the types, rows of file blocks to integers, and the packed layouts of kern.h. */
#include "kern/kern.h"

#include <string.h>

#include "kern/unpack.h"

static const oa__type_shape shapes[] = {
    /*            block size sub offset min   pack_size */
    [OA__F32] = {1, 4, 0, 0, false, 64},
    [OA__F16] = {1, 2, 0, 0, false, 32},
    [OA__BF16] = {1, 2, 0, 0, false, 32},
    [OA__Q4_0] = {32, 18, 32, 8, false, sizeof(oa__pack_q4_0)},
    [OA__Q4_1] = {32, 20, 32, 0, true, sizeof(oa__pack_q4_1)},
    [OA__Q5_0] = {32, 22, 32, 16, false, sizeof(oa__pack_q5_0)},
    [OA__Q5_1] = {32, 24, 32, 0, true, sizeof(oa__pack_q5_1)},
    [OA__Q8_0] = {32, 34, 32, 128, false, sizeof(oa__pack_q8_0)},
    [OA__Q2_K] = {256, 84, 16, 0, true, sizeof(oa__pack_q2_k)},
    [OA__Q3_K] = {256, 110, 16, 4, false, sizeof(oa__pack_q3_k)},
    [OA__Q4_K] = {256, 144, 32, 0, true, sizeof(oa__pack_q4_k)},
    [OA__Q5_K] = {256, 176, 32, 0, true, sizeof(oa__pack_q5_k)},
    [OA__Q6_K] = {256, 210, 16, 32, false, sizeof(oa__pack_q6_k)},
    [OA__IQ4_NL] = {32, 18, 32, 128, false, sizeof(oa__pack_iq4_nl)},
    [OA__IQ4_XS] = {256, 136, 32, 128, false, sizeof(oa__pack_iq4_xs)},
};

const oa__type_shape *oa__kern_shape(uint32_t type)
{
    static const oa__type_shape unknown;
    return type < sizeof shapes / sizeof shapes[0] ? &shapes[type] : &unknown;
}

void oa__kern_unpack(uint32_t type, const void *row, size_t n, uint8_t *q, float *dw, float *mw)
{
    oa__unpack_rows(type, row, n, q, dw, mw);
}

size_t oa__kern_group_size(uint32_t type, size_t k)
{
    const oa__type_shape *s = oa__kern_shape(type);
    return k / s->block * s->pack_size;
}

#define SAME(type, size)                                                                           \
    _Static_assert(sizeof(oa__pack_##type) == 16 * (size), "as many bytes as in the file")
SAME(q4_0, 18);
SAME(q4_1, 20);
SAME(q5_0, 22);
SAME(q5_1, 24);
SAME(q8_0, 34);
SAME(q2_k, 84);
SAME(q3_k, 110);
SAME(q4_k, 144);
SAME(q5_k, 176);
SAME(q6_k, 210);
SAME(iq4_nl, 18);
SAME(iq4_xs, 136);

/* Lines of four bytes per row; also the nibbles of Q4_0 and others, whose bytes hold e and e + 16
 * in the file already. */
static void pack_lines(uint8_t *lines, const uint8_t *src, size_t row, size_t n_lines)
{
    for (size_t g = 0; g < n_lines; g++)
        memcpy(lines + 64 * g + 4 * row, src + 4 * g, 4);
}

/* A quad of quants is a word, whose bytes keep to themselves under masks and small shifts. */
static uint32_t quad(const uint8_t *q, size_t j)
{
    uint32_t v;
    memcpy(&v, q + 4 * j, 4);
    return v;
}

static void put_quad(uint8_t *lines, size_t row, size_t line, uint32_t v)
{
    memcpy(lines + 64 * line + 4 * row, &v, 4);
}

#define OA__QUAD(b) (UINT32_C(0x01010101) * (b))

/* The low nibbles of 8 n columns to n lines. */
static void pack_nibbles(uint8_t *lines, const uint8_t *q, size_t row, size_t n)
{
    for (size_t g = 0; g < n; g++)
        put_quad(lines, row, g, (quad(q, g) & OA__QUAD(15)) | (quad(q, n + g) & OA__QUAD(15)) << 4);
}

/* Two bits from `shift` on of 16 columns to a line. */
static void pack_pairs(uint8_t *line, const uint8_t *q, size_t row, unsigned shift)
{
    uint32_t v = 0;
    for (unsigned j = 0; j < 4; j++)
        v |= (quad(q, j) >> shift & OA__QUAD(3)) << (2 * j);
    put_quad(line, row, 0, v);
}

/* Bit `shift` of 32 columns to a line. */
static void pack_bits(uint8_t *line, const uint8_t *q, size_t row, unsigned shift)
{
    uint32_t v = 0;
    for (unsigned j = 0; j < 8; j++)
        v |= (quad(q, j) >> shift & OA__QUAD(1)) << j;
    put_quad(line, row, 0, v);
}

static void pack_q4_k(oa__pack_q4_k *b, const uint8_t *p, size_t row)
{
    uint8_t q[256];
    b->d[row] = oa__load_u16(p);
    b->dmin[row] = oa__load_u16(p + 2);
    for (size_t i = 0; i < 12; i++)
        b->sc[i][row] = p[4 + i];
    for (size_t c = 0; c < 4; c++)
        oa__unpack_nibbles(p + 16 + 32 * c, q + 64 * c, 32);
    for (size_t s = 0; s < 8; s++)
        pack_nibbles(b->q[s], q + 32 * s, row, 4);
}

static void pack_q5_k(oa__pack_q5_k *b, const uint8_t *p, size_t row)
{
    uint8_t q[256];
    float dw[8], mw[8];
    oa__unpack_q5_k(p, q, dw, mw);
    b->d[row] = oa__load_u16(p);
    b->dmin[row] = oa__load_u16(p + 2);
    for (size_t i = 0; i < 12; i++)
        b->sc[i][row] = p[4 + i];
    for (size_t s = 0; s < 8; s++) {
        pack_nibbles(b->q[s], q + 32 * s, row, 4);
        pack_bits(b->q[s] + 4 * 64, q + 32 * s, row, 4);
    }
}

static void pack_q6_k(oa__pack_q6_k *b, const uint8_t *p, size_t row)
{
    uint8_t q[256];
    float dw[16];
    oa__unpack_q6_k(p, q, dw);
    b->d[row] = oa__load_u16(p + 208);
    for (size_t s = 0; s < 16; s++) {
        b->sc[s][row] = (int8_t)p[192 + s];
        pack_nibbles(b->q[s], q + 16 * s, row, 2);
        pack_pairs(b->q[s] + 2 * 64, q + 16 * s, row, 4);
    }
}

static void pack_q2_k(oa__pack_q2_k *b, const uint8_t *p, size_t row)
{
    uint8_t q[256];
    float dw[16], mw[16];
    oa__unpack_q2_k(p, q, dw, mw);
    b->d[row] = oa__load_u16(p + 80);
    b->dmin[row] = oa__load_u16(p + 82);
    for (size_t s = 0; s < 16; s++) {
        b->sc[s][row] = p[s];
        pack_pairs(b->q[s], q + 16 * s, row, 0);
    }
}

static void pack_q3_k(oa__pack_q3_k *b, const uint8_t *p, size_t row)
{
    uint8_t q[256];
    float dw[16];
    oa__unpack_q3_k(p, q, dw);
    b->d[row] = oa__load_u16(p + 108);
    for (size_t i = 0; i < 12; i++)
        b->sc[i][row] = p[96 + i];
    for (size_t s = 0; s < 8; s++) {
        pack_pairs(b->q[s], q + 32 * s, row, 0);
        pack_pairs(b->q[s] + 64, q + 32 * s + 16, row, 0);
        pack_bits(b->q[s] + 2 * 64, q + 32 * s, row, 2);
    }
}

static void pack_iq4_xs(oa__pack_iq4_xs *b, const uint8_t *p, size_t row)
{
    b->d[row] = oa__load_u16(p);
    b->high[row] = oa__load_u16(p + 2);
    for (size_t i = 0; i < 4; i++)
        b->low[i][row] = p[4 + i];
    for (size_t s = 0; s < 8; s++)
        pack_lines(b->q[s], p + 8 + 16 * s, row, 4);
}

/* Q5_0 and Q5_1, from their fifth bits on. */
static void pack_q5(uint8_t *lines, const uint8_t *p, size_t row)
{
    uint8_t q[32];
    oa__unpack_q5(p, p + 4, q);
    pack_nibbles(lines, q, row, 4);
    pack_bits(lines + 4 * 64, q, row, 4);
}

static void pack_block(uint32_t type, void *dst, const uint8_t *p, size_t row)
{
    switch (type) {
    case OA__F32:
        memcpy((uint8_t *)dst + 4 * row, p, 4);
        break;
    case OA__F16:
    case OA__BF16:
        memcpy((uint8_t *)dst + 2 * row, p, 2);
        break;
    case OA__Q4_0: {
        oa__pack_q4_0 *b = dst;
        b->d[row] = oa__load_u16(p);
        pack_lines(b->q, p + 2, row, 4);
        break;
    }
    case OA__Q4_1: {
        oa__pack_q4_1 *b = dst;
        b->d[row] = oa__load_u16(p);
        b->m[row] = oa__load_u16(p + 2);
        pack_lines(b->q, p + 4, row, 4);
        break;
    }
    case OA__Q8_0: {
        oa__pack_q8_0 *b = dst;
        b->d[row] = oa__load_u16(p);
        pack_lines((uint8_t *)b->q, p + 2, row, 8);
        break;
    }
    case OA__Q5_0: {
        oa__pack_q5_0 *b = dst;
        b->d[row] = oa__load_u16(p);
        pack_q5(b->q, p + 2, row);
        break;
    }
    case OA__Q5_1: {
        oa__pack_q5_1 *b = dst;
        b->d[row] = oa__load_u16(p);
        b->m[row] = oa__load_u16(p + 2);
        pack_q5(b->q, p + 4, row);
        break;
    }
    case OA__IQ4_NL: {
        oa__pack_iq4_nl *b = dst;
        b->d[row] = oa__load_u16(p);
        pack_lines(b->q, p + 2, row, 4);
        break;
    }
    case OA__IQ4_XS:
        pack_iq4_xs(dst, p, row);
        break;
    case OA__Q2_K:
        pack_q2_k(dst, p, row);
        break;
    case OA__Q3_K:
        pack_q3_k(dst, p, row);
        break;
    case OA__Q4_K:
        pack_q4_k(dst, p, row);
        break;
    case OA__Q5_K:
        pack_q5_k(dst, p, row);
        break;
    case OA__Q6_K:
        pack_q6_k(dst, p, row);
        break;
    default:
        break;
    }
}

void oa__kern_pack(uint32_t type, void *dst, const void *src, size_t row_size, size_t n_rows,
                   size_t k, size_t g)
{
    const oa__type_shape *s = oa__kern_shape(type);
    const size_t row0 = g * OA__KERN_ROWS, n_blocks = k / s->block;
    const size_t rows = n_rows - row0 < OA__KERN_ROWS ? n_rows - row0 : OA__KERN_ROWS;
    uint8_t *out = dst;

    if (rows < OA__KERN_ROWS) memset(out, 0, n_blocks * s->pack_size);
    for (size_t b = 0; b < n_blocks; b++)
        for (size_t row = 0; row < rows; row++)
            pack_block(type, out + b * s->pack_size,
                       (const uint8_t *)src + (row0 + row) * row_size + b * s->size, row);
}
