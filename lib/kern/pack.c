/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of the types, rows of file blocks to integers, and the packed layouts of kern.h. */
#include "kern/kern.h"

#include <string.h>

#include "kern/unpack.h"

static const oa__type_shape shapes[] = {
    /*            block size sub offset min    packed pack_size */
    [OA__F32] = {1, 4, 0, 0, false, true, 64},
    [OA__F16] = {1, 2, 0, 0, false, true, 32},
    [OA__BF16] = {1, 2, 0, 0, false, true, 32},
    [OA__Q4_0] = {32, 18, 32, 8, false, true, sizeof(oa__pack_q4_0)},
    [OA__Q4_1] = {32, 20, 32, 0, true, true, sizeof(oa__pack_q4_1)},
    [OA__Q5_0] = {32, 22, 32, 16, false, false, 0},
    [OA__Q5_1] = {32, 24, 32, 0, true, false, 0},
    [OA__Q8_0] = {32, 34, 32, 128, false, true, sizeof(oa__pack_q8_0)},
    [OA__Q2_K] = {256, 84, 16, 0, true, false, 0},
    [OA__Q3_K] = {256, 110, 16, 4, false, false, 0},
    [OA__Q4_K] = {256, 144, 32, 0, true, true, sizeof(oa__pack_q4_k)},
    [OA__Q5_K] = {256, 176, 32, 0, true, false, 0},
    [OA__Q6_K] = {256, 210, 16, 32, false, false, 0},
    [OA__IQ4_NL] = {32, 18, 32, 128, false, false, 0},
    [OA__IQ4_XS] = {256, 136, 32, 128, false, false, 0},
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

/* Lines of four bytes per row; also the nibbles of Q4_0 and Q4_1, whose bytes hold e and e + 16
 * in the file already. */
static void pack_lines(uint8_t *lines, const uint8_t *src, size_t row, size_t n_lines)
{
    for (size_t g = 0; g < n_lines; g++)
        memcpy(lines + 64 * g + 4 * row, src + 4 * g, 4);
}

static void pack_q4_k(oa__pack_q4_k *b, const uint8_t *p, size_t row)
{
    uint8_t q[256], sc[8], m[8];
    b->d[row] = oa__load_u16(p);
    b->dmin[row] = oa__load_u16(p + 2);
    oa__unpack_k_scales(p + 4, sc, m);
    for (size_t c = 0; c < 4; c++)
        oa__unpack_nibbles(p + 16 + 32 * c, q + 64 * c, 32);
    for (size_t s = 0; s < 8; s++) {
        uint8_t bytes[16];
        for (size_t i = 0; i < 16; i++)
            bytes[i] = (uint8_t)(q[32 * s + i] | q[32 * s + 16 + i] << 4);
        b->sc[s][row] = sc[s];
        b->m[s][row] = m[s];
        pack_lines(b->q[s], bytes, row, 4);
    }
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
    case OA__Q4_K:
        pack_q4_k(dst, p, row);
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
