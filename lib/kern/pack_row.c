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

static void unpack_q4_k(uint8_t *p, const oa__pack_q4_k *b, size_t row)
{
    store_u16(p, b->d[row]);
    store_u16(p + 2, b->dmin[row]);
    for (size_t j = 0; j < 4; j++) {
        const unsigned s0 = b->sc[j][row], s1 = b->sc[j + 4][row];
        const unsigned m0 = b->m[j][row], m1 = b->m[j + 4][row];
        p[4 + j] = (uint8_t)(s0 | s1 >> 4 << 6);
        p[8 + j] = (uint8_t)(m0 | m1 >> 4 << 6);
        p[12 + j] = (uint8_t)((s1 & 15) | (m1 & 15) << 4);
    }
    /* The halves of a packed byte are elements i and 16 + i of 32, those of the file's i and
     * 32 + i of 64. */
    for (size_t c = 0; c < 4; c++) {
        uint8_t lo[16], hi[16], *q = p + 16 + 32 * c;
        unpack_lines(lo, b->q[2 * c], row, 4);
        unpack_lines(hi, b->q[2 * c + 1], row, 4);
        for (size_t i = 0; i < 16; i++) {
            q[i] = (uint8_t)((lo[i] & 15) | (hi[i] & 15) << 4);
            q[16 + i] = (uint8_t)(lo[i] >> 4 | (hi[i] & 0xf0));
        }
    }
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
    case OA__Q4_K:
        unpack_q4_k(p, src, row);
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
