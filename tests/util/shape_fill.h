/* SPDX-License-Identifier: Apache-2.0 */
/* Random weights in file blocks, at the speed of memory: the bits of a block are random, its scales
 * are set so that the weights spread as wanted around zero. */
#ifndef OA_TESTS_UTIL_SHAPE_FILL_H
#define OA_TESTS_UTIL_SHAPE_FILL_H

#include <math.h>
#include <string.h>

#include "model/convert_priv.h"

typedef struct shape_tensor {
    uint32_t type;
    uint64_t n_cols, n_rows;
    size_t row_size;
    float middle, spread; /* mean, standard deviation */
} shape_tensor;

/* Where a block has its f16 scale and minimum, and what the minimum is of the scale, so that the
 * weights are around zero: w = d * sc * q + minimum, or w = d * sc * q - minimum * sc. */
typedef struct shape_scale {
    uint32_t type;
    int at, min_at;
    float min;
} shape_scale;

static inline const shape_scale *shape_scale_of(uint32_t type)
{
    static const shape_scale all[] = {
        {OA__Q4_0, 0, -1, 0},     {OA__Q4_1, 0, 2, -7.5f}, {OA__Q5_0, 0, -1, 0},
        {OA__Q5_1, 0, 2, -15.5f}, {OA__Q8_0, 0, -1, 0},    {OA__Q2_K, 80, 82, 1.5f},
        {OA__Q3_K, 108, -1, 0},   {OA__Q4_K, 0, 2, 7.5f},  {OA__Q5_K, 0, 2, 15.5f},
        {OA__Q6_K, 208, -1, 0},   {OA__IQ4_NL, 0, -1, 0},  {OA__IQ4_XS, 0, -1, 0}};
    for (size_t i = 0; i < OA__ARRAY_LEN(all); i++)
        if (all[i].type == type) return &all[i];
    return NULL;
}

static inline uint64_t shape_random(uint64_t *s)
{
    *s ^= *s << 13; /* xorshift64 */
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* size bytes; the buffer is filled a whole word at a time, the last one in part. */
static inline void shape_bits(uint8_t *dst, size_t size, uint64_t *s)
{
    for (size_t i = 0; i < size; i += 8) {
        const uint64_t v = shape_random(s);
        for (size_t k = 0; k < 8 && i + k < size; k++)
            dst[i + k] = (uint8_t)(v >> (8 * k));
    }
}

static inline void shape_put_half(uint8_t *at, uint16_t h)
{
    at[0] = (uint8_t)h;
    at[1] = (uint8_t)(h >> 8);
}

/* Make the sub-blocks' minima the same numbers as their scales; few bits of scale for Q6_K. */
static inline void shape_even(uint32_t type, uint8_t *block)
{
    if (type == OA__Q2_K)
        for (int i = 0; i < 16; i++)
            block[i] = (uint8_t)((block[i] & 15) * 17);
    if (type == OA__Q4_K || type == OA__Q5_K) {
        memcpy(block + 8, block + 4, 4);
        for (int i = 12; i < 16; i++)
            block[i] = (uint8_t)((block[i] & 15) * 17);
    }
    if (type == OA__Q6_K)
        for (int i = 192; i < 208; i++)
            block[i] = (uint8_t)(8 + (block[i] & 15));
}

/* Random blocks, whose scales are one of 16 near d. */
static inline void shape_blocks(uint32_t type, uint8_t *dst, size_t n_blocks, size_t size, double d,
                                uint64_t *s)
{
    const shape_scale *sc = shape_scale_of(type);
    uint16_t scale[16], min[16];
    for (int i = 0; i < 16; i++) {
        const float v = (float)(d * (1 + (i - 7.5) / 32));
        scale[i] = oa__f32_to_f16(v);
        min[i] = oa__f32_to_f16(v * sc->min);
    }
    shape_bits(dst, n_blocks * size, s);
    for (size_t b = 0; b < n_blocks; b++, dst += size) {
        const unsigned i = dst[sc->at] & 15;
        shape_put_half(dst + sc->at, scale[i]);
        if (sc->min_at >= 0) shape_put_half(dst + sc->min_at, min[i]);
        shape_even(type, dst);
    }
}

/* The standard deviation of blocks of scale 1. */
static inline double shape_deviation(uint32_t type, size_t block_len, size_t block_size)
{
    enum { BLOCKS = 16 };
    static uint8_t blocks[BLOCKS * 256];
    static float w[BLOCKS * 256];
    uint64_t s = 99;
    double sum = 0;
    shape_blocks(type, blocks, BLOCKS, block_size, 1, &s);
    oa__row_dequant(type, blocks, w, BLOCKS * block_len);
    for (size_t i = 0; i < BLOCKS * block_len; i++)
        sum += (double)w[i] * w[i];
    return sqrt(sum / (double)(BLOCKS * block_len));
}

static inline void shape_floats(const shape_tensor *t, uint8_t *dst, size_t n, uint64_t *s)
{
    const float step = t->spread * 1.7320508f * 0x1p-15f; /* even from -1 to 1: 1 / sqrt(3) */
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++, v >>= 16) {
        if (i % 4 == 0) v = shape_random(s);
        const float f = t->middle + step * (float)(int)((v & 0xffff) - 0x8000);
        const uint16_t half = oa__f32_to_f16(f);
        uint32_t bits;
        memcpy(&bits, &f, 4);
        if (t->type == OA__F32) {
            memcpy(dst + 4 * i, &bits, 4);
        } else {
            shape_put_half(dst + 2 * i, t->type == OA__F16 ? half : (uint16_t)(bits >> 16));
        }
    }
}

static inline void shape_fill(const shape_tensor *t, uint64_t seed, uint8_t *dst)
{
    uint64_t s = seed * 0x9e3779b97f4a7c15u | 1;
    for (int i = 0; i < 4; i++)
        shape_random(&s); /* neighbouring seeds part */
    if (shape_scale_of(t->type) == NULL) {
        shape_floats(t, dst, t->n_cols * t->n_rows, &s);
        return;
    }
    const oa__type_info *info = oa__type_get(t->type);
    const double d = t->spread / shape_deviation(t->type, info->block_len, info->block_size);
    shape_blocks(t->type, dst, t->n_cols / info->block_len * t->n_rows, info->block_size, d, &s);
}

#endif
