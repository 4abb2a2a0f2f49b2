/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of floats to rows of a file's blocks. */
#include "tensor/quant_priv.h"

#include <math.h>
#include <string.h>

static int check(const float *x, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return oa__err(OA_EFORMAT, "%s %zu is %s", what, i,
                           isnan(x[i]) ? "not a number" : "infinite");
    return OA_OK;
}

static int beyond(uint32_t type, size_t at)
{
    return oa__err(OA_EFORMAT, "weights around element %zu are too large for %s", at,
                   oa__type_get(type)->name);
}

static int halves(uint32_t type, const float *src, uint8_t *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t h = type == OA__F16 ? oa__f32_to_f16(src[i]) : oa__f32_to_bf16(src[i]);
        if (!isfinite(type == OA__F16 ? oa__f16_to_f32(h) : oa__bf16_to_f32(h)))
            return beyond(type, i);
        memcpy(dst + 2 * i, &h, 2);
    }
    return OA_OK;
}

/* The squares of what fits into a block's f16 scales stay far below the range of floats. */
static bool fits(const float *x, size_t n)
{
    float top = 0.0f;
    for (size_t i = 0; i < n; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    return top < 0x1p40f;
}

static int blocks(const oa__quant_search *s, uint32_t type, const float *src, uint8_t *dst,
                  size_t n, const float *importance)
{
    const oa__type_shape *shape = oa__kern_shape(type);
    float w[256];
    for (size_t i = 0; i < 256; i++)
        w[i] = 1.0f;
    for (size_t i = 0; i < n; i += shape->block, dst += shape->size) {
        if (!fits(src + i, shape->block)) return beyond(type, i);
        if (importance) {
            /* only their proportions matter; a block whose weights are all zero counts evenly */
            float top = 0.0f;
            for (size_t j = 0; j < shape->block; j++)
                top = importance[i + j] > top ? importance[i + j] : top;
            for (size_t j = 0; j < shape->block; j++)
                w[j] = top > 0.0f ? importance[i + j] / top : 1.0f;
        }
        const bool ok = shape->block == 32 ? oa__quant_block32(s, type, src + i, w, dst)
                                           : oa__quant_block256(s, type, src + i, w, dst);
        if (!ok) return beyond(type, i);
    }
    return OA_OK;
}

int oa__row_quantize(unsigned cpu_flags, uint32_t type, const float *src, void *dst, size_t n,
                     const float *importance)
{
    size_t size;
    OA__TRY(oa__type_row_size(type, n, &size));
    OA__TRY(check(src, n, "weight"));
    if (importance) {
        OA__TRY(check(importance, n, "importance"));
        for (size_t i = 0; i < n; i++)
            if (importance[i] < 0.0f) return oa__err(OA_EINVAL, "importance %zu is negative", i);
    }
    if (type == OA__F32) {
        memcpy(dst, src, size);
        return OA_OK;
    }
    if (type == OA__F16 || type == OA__BF16) return halves(type, src, dst, n);
    return blocks(oa__quant_search_get(cpu_flags), type, src, dst, n, importance);
}
