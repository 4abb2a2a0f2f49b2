/* SPDX-License-Identifier: Apache-2.0 */
/* IEEE half and bfloat16 to float and back, the same bits as F16C (NaNs made quiet). */
#ifndef OA_KERN_HALF_H
#define OA_KERN_HALF_H

#include <stdint.h>
#include <string.h>

#if defined(__F16C__) && !defined(OA_SIMDE)
#include <immintrin.h>
#endif

static inline float oa__bits_f32(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t oa__f32_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline float oa__half_f32(uint16_t h)
{
#if defined(__F16C__) && !defined(OA_SIMDE)
    return _cvtsh_ss(h);
#else
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t rest = h & 0x7fffu;
    if (rest >= 0x7c00u) /* infinity, NaN */
        return oa__bits_f32(sign | 0x7f800000u | (rest & 0x3ffu) << 13 |
                            (rest > 0x7c00u ? 0x400000u : 0));
    if (rest >= 0x400u) return oa__bits_f32(sign | ((rest << 13) + (112u << 23)));
    /* denormal: rest * 2^-24, exact */
    return oa__bits_f32(sign | oa__f32_bits((float)(int)rest * 0x1p-24f));
#endif
}

static inline uint16_t oa__f32_half(float f)
{
    const uint32_t bits = oa__f32_bits(f);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    const uint32_t a = bits & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x1ffu));
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* rounds past 65504 */
    if (a < 0x38800000u) { /* under 2^-14: adding 0.5 rounds to a multiple of 2^-24 */
        const float r = oa__bits_f32(a) + 0.5f;
        return (uint16_t)(sign | (oa__f32_bits(r) - 0x3f000000u));
    }
    return (uint16_t)(sign | (a - (112u << 23) + 0xfffu + (a >> 13 & 1u)) >> 13);
}

static inline float oa__bfloat_f32(uint16_t h)
{
    return oa__bits_f32((uint32_t)h << 16);
}

#endif
