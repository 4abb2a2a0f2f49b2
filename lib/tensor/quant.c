/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of floats to rows of a file's blocks. */
#include "tensor/quant_priv.h"

#include <math.h>
#include <string.h>

#define INFINITE 0x7f800000u /* bits of infinity */
enum { WEIGHTS_LEN = 256 };

#define TOO_LARGE 0x53800000u /* bits of 2^40 */

static int check(const oa__quant_search *s, const float *x, size_t n, const char *what)
{
    if (s->top(x, n) < INFINITE) return OA_OK;
    size_t i = 0;
    while (isfinite(x[i]))
        i++;
    return oa__err(OA_EFORMAT, "%s %zu is %s", what, i, isnan(x[i]) ? "not a number" : "infinite");
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

/* Only their proportions matter; a block whose weights are all zero counts evenly. */
static void scale_importance(const float *importance, size_t n, float *w)
{
    float top = 0.0f;
    for (size_t j = 0; j < n; j++)
        top = importance[j] > top ? importance[j] : top;
    for (size_t j = 0; j < n; j++)
        w[j] = top > 0.0f ? importance[j] / top : 1.0f;
}

static int blocks_beside(const oa__quant_search *s, uint32_t type, const float *x, uint8_t *out,
                         size_t n, const float *importance)
{
    const bool five = type == OA__Q5_0 || type == OA__Q5_1;
    const bool min = type == OA__Q4_1 || type == OA__Q5_1;
    const size_t step = importance ? WEIGHTS_LEN : n, size = oa__kern_shape(type)->size;
    float w[WEIGHTS_LEN];
    for (size_t i = 0; i < n; i += step) {
        const size_t len = n - i < step ? n - i : step;
        for (size_t j = 0; j < len && importance; j += 32)
            scale_importance(importance + i + j, 32, w + j);
        const size_t done =
            s->beside(five, min, x + i, importance ? w : NULL, len / 32, out + i / 32 * size);
        if (done < len / 32) return beyond(type, i + done * 32);
    }
    return OA_OK;
}

static int blocks(const oa__quant_search *s, uint32_t type, const float *src, uint8_t *dst,
                  size_t n, const float *importance)
{
    const oa__type_shape *shape = oa__kern_shape(type);
    float w[WEIGHTS_LEN];
    for (size_t i = 0; i < WEIGHTS_LEN; i++)
        w[i] = 1.0f;
    for (size_t i = 0; i < n; i += shape->block, dst += shape->size) {
        if (importance) scale_importance(importance + i, shape->block, w);
        const bool ok = shape->block == 32 ? oa__quant_block32(s, type, src + i, w, dst)
                                           : oa__quant_block256(s, type, src + i, w, dst);
        if (!ok) return beyond(type, i);
    }
    return OA_OK;
}

int oa__row_quantize(unsigned cpu_flags, uint32_t type, const float *src, void *dst, size_t n,
                     const float *importance)
{
    const oa__quant_search *s = oa__quant_search_get(cpu_flags);
    size_t size;
    OA__TRY(oa__type_row_size(type, n, &size));
    OA__TRY(check(s, src, n, "weight"));
    if (importance) {
        OA__TRY(check(s, importance, n, "importance"));
        for (size_t i = 0; i < n; i++)
            if (importance[i] < 0.0f) return oa__err(OA_EINVAL, "importance %zu is negative", i);
    }
    if (type == OA__F32) {
        memcpy(dst, src, size);
        return OA_OK;
    }
    if (type == OA__F16 || type == OA__BF16) return halves(type, src, dst, n);
    /* the squares of what fits into a block's f16 scales stay far below the range of floats */
    if (s->top(src, n) >= TOO_LARGE) {
        size_t i = 0;
        while (fabsf(src[i]) < 0x1p40f)
            i++;
        return beyond(type, i);
    }
    switch (type) {
    case OA__Q4_0:
    case OA__Q4_1:
    case OA__Q5_0:
    case OA__Q5_1:
        return blocks_beside(s, type, src, dst, n, importance);
    default:
        return blocks(s, type, src, dst, n, importance);
    }
}
