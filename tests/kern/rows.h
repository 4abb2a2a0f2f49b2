/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers and random weights in file blocks, for the tests of kern and tensor. */
#ifndef OA_TESTS_KERN_ROWS_H
#define OA_TESTS_KERN_ROWS_H

#include <string.h>

#include "kern/kern.h"

typedef struct test_random {
    uint64_t s;
} test_random;

static inline uint64_t test_u64(test_random *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* In [-1, 1), with a full mantissa. */
static inline float test_float(test_random *r)
{
    return (float)(int32_t)(test_u64(r) >> 32) * 0x1p-31f;
}

static const uint32_t test_types[] = {OA__F32,  OA__F16,  OA__BF16, OA__Q8_0,   OA__Q4_0,
                                      OA__Q4_1, OA__Q5_0, OA__Q5_1, OA__Q2_K,   OA__Q3_K,
                                      OA__Q4_K, OA__Q5_K, OA__Q6_K, OA__IQ4_NL, OA__IQ4_XS};
#define TEST_N_TYPES (sizeof test_types / sizeof test_types[0])

/* n elements (a multiple of the block): random bits, with f16 scales between 2^-9 and 2^-5 and
 * either sign; floats in [-1, 1). */
static inline void test_fill_row(uint32_t type, uint8_t *row, size_t n, test_random *r)
{
    static const struct {
        uint32_t type;
        uint16_t at[2];
    } halves[] = {{OA__Q4_0, {0, 0}},     {OA__Q4_1, {0, 2}},   {OA__Q5_0, {0, 0}},
                  {OA__Q5_1, {0, 2}},     {OA__Q8_0, {0, 0}},   {OA__Q2_K, {80, 82}},
                  {OA__Q3_K, {108, 108}}, {OA__Q4_K, {0, 2}},   {OA__Q5_K, {0, 2}},
                  {OA__Q6_K, {208, 208}}, {OA__IQ4_NL, {0, 0}}, {OA__IQ4_XS, {0, 0}},
                  {OA__F16, {0, 0}}};
    const oa__type_shape *s = oa__kern_shape(type);
    for (size_t b = 0; b < n / s->block; b++, row += s->size) {
        if (type == OA__F32 || type == OA__BF16) {
            const float f = test_float(r);
            uint8_t bytes[4];
            memcpy(bytes, &f, 4);
            memcpy(row, type == OA__F32 ? bytes : bytes + 2, s->size);
            continue;
        }
        for (size_t i = 0; i < s->size; i++)
            row[i] = (uint8_t)(test_u64(r) >> 40);
        for (size_t h = 0; h < sizeof halves / sizeof halves[0]; h++)
            for (size_t i = 0; halves[h].type == type && i < 2; i++) {
                const uint64_t bits = test_u64(r);
                const uint16_t half = (uint16_t)((bits & 0x83ffu) | (6u + (bits >> 20) % 4) << 10);
                row[halves[h].at[i]] = (uint8_t)half;
                row[halves[h].at[i] + 1] = (uint8_t)(half >> 8);
            }
    }
}

#endif
