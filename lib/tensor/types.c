/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The type table, and rows of a file to floats. The block formats stand in kern/unpack.h.
 *
 * Order of the float operations: the weight scale is d, or d * sc of the sub-block (exact); the
 * minimum m, or -(dmin * m) (exact); then x = (scale * (float)(q - offset)) + minimum, two
 * roundings, the addition only for types that have a minimum.
 */
#include "tensor/tensor.h"

#include <string.h>

static const oa__type_info types[] = {
    {"F32", OA__F32, 1, 4, false},          {"F16", OA__F16, 1, 2, false},
    {"BF16", OA__BF16, 1, 2, false},        {"Q4_0", OA__Q4_0, 32, 18, true},
    {"Q4_1", OA__Q4_1, 32, 20, true},       {"Q5_0", OA__Q5_0, 32, 22, true},
    {"Q5_1", OA__Q5_1, 32, 24, true},       {"Q8_0", OA__Q8_0, 32, 34, true},
    {"Q2_K", OA__Q2_K, 256, 84, true},      {"Q3_K", OA__Q3_K, 256, 110, true},
    {"Q4_K", OA__Q4_K, 256, 144, true},     {"Q5_K", OA__Q5_K, 256, 176, true},
    {"Q6_K", OA__Q6_K, 256, 210, true},     {"IQ4_NL", OA__IQ4_NL, 32, 18, true},
    {"IQ4_XS", OA__IQ4_XS, 256, 136, true},
};

const oa__type_info *oa__type_get(uint32_t type)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(types); i++)
        if (types[i].type == type) return &types[i];
    return NULL;
}

int oa__type_row_size(uint32_t type, uint64_t n, size_t *size)
{
    const oa__type_info *t = oa__type_get(type);
    *size = 0;
    if (!t) return oa__err(OA_EUNSUPPORTED, "element type %u is not known", type);
    if (n % t->block_len)
        return oa__err(OA_EFORMAT, "%s row of %llu elements, want a multiple of %u", t->name,
                       (unsigned long long)n, t->block_len);
    if (n / t->block_len > SIZE_MAX / t->block_size)
        return oa__err(OA_EFORMAT, "%s row of %llu elements is larger than memory", t->name,
                       (unsigned long long)n);
    *size = (size_t)(n / t->block_len) * t->block_size;
    return OA_OK;
}

static void dequant_quantised(uint32_t type, const uint8_t *src, float *dst, size_t n)
{
    const oa__type_shape *s = oa__kern_shape(type);
    while (n > 0) {
        uint8_t q[OA__KERN_PANEL];
        float dw[OA__KERN_PANEL / 16], mw[OA__KERN_PANEL / 16];
        const size_t len = n < OA__KERN_PANEL ? n : OA__KERN_PANEL;
        oa__kern_unpack(type, src, len, q, dw, mw);
        for (size_t i = 0; i < len; i++) {
            const float v = dw[i / s->sub] * (float)((int)q[i] - (int)s->offset);
            dst[i] = s->has_min ? v + mw[i / s->sub] : v;
        }
        src += len / s->block * s->size;
        dst += len;
        n -= len;
    }
}

void oa__row_dequant(uint32_t type, const void *src, float *dst, size_t n)
{
    const uint8_t *p = src;
    uint16_t half;
    switch (type) {
    case OA__F32:
        memcpy(dst, src, n * sizeof *dst);
        break;
    case OA__F16:
        for (size_t i = 0; i < n; i++) {
            memcpy(&half, p + 2 * i, 2);
            dst[i] = oa__f16_to_f32(half);
        }
        break;
    case OA__BF16:
        for (size_t i = 0; i < n; i++) {
            memcpy(&half, p + 2 * i, 2);
            dst[i] = oa__bf16_to_f32(half);
        }
        break;
    default:
        dequant_quantised(type, p, dst, n);
    }
}
