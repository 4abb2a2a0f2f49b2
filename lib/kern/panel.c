/* SPDX-License-Identifier: Apache-2.0 */
/* Packed groups (kern.h) to integers and float scales, for the C version of the products. */
#include "kern/kern_c.h"

#include <string.h>

#include "base/base.h"
#include "kern/unpack.h"

typedef int16_t (*panel)[OA__KERN_PANEL];

/* n lines of nibbles to 8 n columns from `col` on. */
static void put_nibbles(panel w, size_t col, const uint8_t *lines, size_t n)
{
    for (size_t g = 0; g < n; g++)
        for (size_t row = 0; row < 16; row++)
            for (size_t j = 0; j < 4; j++) {
                const unsigned byte = lines[64 * g + 4 * row + j];
                w[row][col + 4 * g + j] = (int16_t)(byte & 15);
                w[row][col + 4 * n + 4 * g + j] = (int16_t)(byte >> 4);
            }
}

/* A line of single or paired bits to columns from `col` on, at bit `at` of what is there. */
static void add_bits(panel w, size_t col, const uint8_t *line, unsigned n_bits, unsigned at)
{
    for (unsigned quad = 0; quad < 8 / n_bits; quad++)
        for (size_t row = 0; row < 16; row++)
            for (size_t j = 0; j < 4; j++) {
                const unsigned bits = line[4 * row + j] >> (n_bits * quad) & ((1u << n_bits) - 1);
                w[row][col + 4 * quad + j] = (int16_t)(w[row][col + 4 * quad + j] | bits << at);
            }
}

static void put_halves(float *out, const uint16_t *half)
{
    for (size_t row = 0; row < 16; row++)
        out[row] = oa__half_f32(half[row]);
}

/* Scales and minima of Q4_K and Q5_K. */
static void put_k_scales(float (*dw)[16], float (*mw)[16], const uint16_t *d, const uint16_t *dmin,
                         const uint8_t (*sc)[16])
{
    for (size_t row = 0; row < 16; row++) {
        uint8_t p[12], scale[8], min[8];
        for (size_t i = 0; i < 12; i++)
            p[i] = sc[i][row];
        oa__unpack_k_scales(p, scale, min);
        for (size_t b = 0; b < 8; b++) {
            dw[b][row] = oa__half_f32(d[row]) * (float)scale[b];
            mw[b][row] = -(oa__half_f32(dmin[row]) * (float)min[b]);
        }
    }
}

static void put_q2_k(panel w, float (*dw)[16], float (*mw)[16], size_t col, const oa__pack_q2_k *p)
{
    for (size_t b = 0; b < 16; b++) {
        for (size_t row = 0; row < 16; row++) {
            dw[b][row] = oa__half_f32(p->d[row]) * (float)(p->sc[b][row] & 15);
            mw[b][row] = -(oa__half_f32(p->dmin[row]) * (float)(p->sc[b][row] >> 4));
        }
        add_bits(w, col + 16 * b, p->q[b], 2, 0);
    }
}

static void put_q3_k(panel w, float (*dw)[16], size_t col, const oa__pack_q3_k *p)
{
    for (size_t row = 0; row < 16; row++) {
        uint8_t sc[12];
        for (size_t i = 0; i < 12; i++)
            sc[i] = p->sc[i][row];
        for (size_t b = 0; b < 16; b++)
            dw[b][row] = oa__half_f32(p->d[row]) * (float)oa__q3_k_scale(sc, b);
    }
    for (size_t b = 0; b < 8; b++) {
        add_bits(w, col + 32 * b, p->q[b], 2, 0);
        add_bits(w, col + 32 * b + 16, p->q[b] + 64, 2, 0);
        add_bits(w, col + 32 * b, p->q[b] + 2 * 64, 1, 2);
    }
}

static void put_q6_k(panel w, float (*dw)[16], size_t col, const oa__pack_q6_k *p)
{
    for (size_t b = 0; b < 16; b++) {
        for (size_t row = 0; row < 16; row++)
            dw[b][row] = oa__half_f32(p->d[row]) * (float)p->sc[b][row];
        put_nibbles(w, col + 16 * b, p->q[b], 2);
        add_bits(w, col + 16 * b, p->q[b] + 2 * 64, 2, 4);
    }
}

static void put_iq4_xs(panel w, float (*dw)[16], size_t col, const oa__pack_iq4_xs *p)
{
    for (size_t b = 0; b < 8; b++) {
        for (size_t row = 0; row < 16; row++)
            dw[b][row] = oa__half_f32(p->d[row]) *
                         (float)oa__iq4_xs_scale(p->high[row], p->low[b / 2][row], b);
        put_nibbles(w, col + 32 * b, p->q[b], 4);
    }
}

/* One block of the file. */
static void put_block(panel w, float (*dw)[16], float (*mw)[16], size_t col, uint32_t type,
                      const void *block)
{
    switch (type) {
    case OA__Q4_0:
    case OA__IQ4_NL: { /* the same layout */
        const oa__pack_q4_0 *p = block;
        put_halves(*dw, p->d);
        put_nibbles(w, col, p->q, 4);
        break;
    }
    case OA__Q4_1: {
        const oa__pack_q4_1 *p = block;
        put_halves(*dw, p->d);
        put_halves(*mw, p->m);
        put_nibbles(w, col, p->q, 4);
        break;
    }
    case OA__Q5_0: {
        const oa__pack_q5_0 *p = block;
        put_halves(*dw, p->d);
        put_nibbles(w, col, p->q, 4);
        add_bits(w, col, p->q + 4 * 64, 1, 4);
        break;
    }
    case OA__Q5_1: {
        const oa__pack_q5_1 *p = block;
        put_halves(*dw, p->d);
        put_halves(*mw, p->m);
        put_nibbles(w, col, p->q, 4);
        add_bits(w, col, p->q + 4 * 64, 1, 4);
        break;
    }
    case OA__Q8_0: {
        const oa__pack_q8_0 *p = block;
        put_halves(*dw, p->d);
        for (size_t row = 0; row < 16; row++)
            for (size_t i = 0; i < 32; i++)
                w[row][col + i] = (int16_t)(p->q[i / 4 * 64 + 4 * row + i % 4] + 128);
        break;
    }
    case OA__Q4_K: {
        const oa__pack_q4_k *p = block;
        put_k_scales(dw, mw, p->d, p->dmin, p->sc);
        for (size_t b = 0; b < 8; b++)
            put_nibbles(w, col + 32 * b, p->q[b], 4);
        break;
    }
    case OA__Q5_K: {
        const oa__pack_q5_k *p = block;
        put_k_scales(dw, mw, p->d, p->dmin, p->sc);
        for (size_t b = 0; b < 8; b++) {
            put_nibbles(w, col + 32 * b, p->q[b], 4);
            add_bits(w, col + 32 * b, p->q[b] + 4 * 64, 1, 4);
        }
        break;
    }
    case OA__Q2_K:
        put_q2_k(w, dw, mw, col, block);
        break;
    case OA__Q3_K:
        put_q3_k(w, dw, col, block);
        break;
    case OA__Q6_K:
        put_q6_k(w, dw, col, block);
        break;
    case OA__IQ4_XS:
        put_iq4_xs(w, dw, col, block);
        break;
    default:
        oa__assert(!"no quantised type");
    }
}

void oa__panel_c(panel w, float (*dw)[16], float (*mw)[16], uint32_t type, const void *group,
                 size_t cols)
{
    static const uint8_t table[16] = OA__IQ4_TABLE;
    const oa__type_shape *s = oa__kern_shape(type);
    const bool chosen = type == OA__IQ4_NL || type == OA__IQ4_XS;
    for (size_t row = 0; row < 16; row++)
        memset(w[row], 0, cols * sizeof w[row][0]);
    for (size_t col = 0; col < cols; col += s->block)
        put_block(w, dw + col / s->sub, mw + col / s->sub, col, type,
                  (const uint8_t *)group + col / s->block * s->pack_size);
    for (size_t row = 0; row < 16; row++)
        for (size_t i = 0; i < cols; i++)
            w[row][i] = (int16_t)((chosen ? table[w[row][i]] : w[row][i]) - s->offset);
}
