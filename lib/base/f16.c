/* SPDX-License-Identifier: Apache-2.0 */
/* Half and bfloat conversions on the bits; what VCVTPH2PS and VCVTPS2PH give, NaNs included. */
#include "base/base_priv.h"

#include <string.h>

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float oa__f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, man = h & 0x3ffu;
    if (exp == 31) return float_of(sign | 0x7f800000u | man << 13 | (man ? 0x400000u : 0));
    if (exp == 0) { /* zero or denormal: man * 2^-24, exact */
        float f = (float)man * 0x1p-24f;
        return float_of(sign | bits_of(f));
    }
    return float_of(sign | (exp + 112) << 23 | man << 13);
}

uint16_t oa__f32_to_f16(float f)
{
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, mag = u & 0x7fffffffu;
    if (mag > 0x7f800000u) return (uint16_t)(sign | 0x7e00 | (mag >> 13 & 0x3ff));
    if (mag >= 0x477ff000u) return (uint16_t)(sign | 0x7c00); /* rounds beyond 65504 */
    if (mag < 0x33000000u) return (uint16_t)sign;             /* rounds to zero: below 2^-25 */
    uint32_t man, shift;
    if (mag < 0x38800000u) { /* denormal result: the mantissa in units of 2^-24 */
        man = (mag & 0x7fffffu) | 0x800000u;
        shift = 126 - (mag >> 23);
    } else {
        man = mag - 0x38000000u;
        shift = 13;
    }
    uint32_t half = 1u << (shift - 1), rest = man & ((1u << shift) - 1);
    uint32_t h = man >> shift;
    if (rest > half || (rest == half && (h & 1))) h++; /* a carry goes into the exponent rightly */
    return (uint16_t)(sign | h);
}

float oa__bf16_to_f32(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t oa__f32_to_bf16(float f)
{
    uint32_t u = bits_of(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
