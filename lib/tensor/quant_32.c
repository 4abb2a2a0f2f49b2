/* SPDX-License-Identifier: Apache-2.0 */
/* Q8_0 and IQ4_NL: blocks of 32 with a scale in f16. Layouts in kern/unpack.h; the other types of
 * 32 are in quant_beside.h. */
#include "tensor/quant_priv.h"

#include <math.h>
#include <string.h>

static void put_nibbles(const uint8_t *q, uint8_t *qs)
{
    for (size_t i = 0; i < 16; i++)
        qs[i] = (uint8_t)((q[i] & 15) | (q[16 + i] & 15) << 4);
}

static bool iq4_nl(const oa__quant_search *s, const float *x, const float *w, uint8_t *out)
{
    const oa__quant_fit fit = oa__quant_fit_scale(s, &oa__quant_iq4, x, w, 32);
    const uint16_t d = oa__f32_to_f16(fit.d);
    uint8_t q[32];
    if ((d & 0x7fff) >= 0x7c00) return false;
    oa__quant_assign(&oa__quant_iq4, x, 32, oa__f16_to_f32(d), 0.0f, q);
    oa__quant_put16(out, d);
    put_nibbles(q, out + 2);
    return true;
}

/* Many levels: nothing is gained by clipping the largest. */
static bool q8_0(const float *x, uint8_t *out)
{
    float top = 0.0f;
    for (size_t i = 0; i < 32; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    const uint16_t d16 = oa__f32_to_f16(top / 127.0f);
    if (d16 >= 0x7c00) return false;
    const float d = oa__f16_to_f32(d16), inv = d > 0.0f ? 1.0f / d : 0.0f;
    oa__quant_put16(out, d16);
    for (size_t i = 0; i < 32; i++) {
        float c = x[i] * inv;
        c = c > -127.0f ? c : -127.0f;
        c = c < 127.0f ? c : 127.0f;
        out[2 + i] = (uint8_t)(int8_t)(int)((c + 0x1.8p23f) - 0x1.8p23f);
    }
    return true;
}

bool oa__quant_block32(const oa__quant_search *s, uint32_t type, const float *x, const float *w,
                       uint8_t *out)
{
    return type == OA__Q8_0 ? q8_0(x, out) : iq4_nl(s, x, w, out);
}
