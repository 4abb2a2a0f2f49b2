/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotary positions. The numbers follow the float arithmetic of the reference implementations, so
 * that angles of thousands of radians agree:
 *
 *     inv_freq[i] = 1 / (float)(base ^ (2 i / d_rot)), over the linear factor or the tensor's
 *     angle = (float)pos * inv_freq[i]      rounded to float
 *     cos, sin of that float in double, rounded to float
 *
 * Nothing is cached by position: a row costs a microsecond, once for all layers.
 */
#include "model/model_priv.h"

int oa__rope_init(oa_model *m)
{
    const uint32_t half = m->hp.d_rot / 2;
    m->inv_freq = oa__alloc_array(&m->mem, half, sizeof *m->inv_freq);
    if (m->inv_freq == NULL) return OA_ENOMEM;
    const float *factors = m->vecs[OA__V_ROPE_FREQS];
    for (uint32_t i = 0; i < half; i++) {
        const float exponent = (float)(2 * i) / (float)m->hp.d_rot;
        float f = 1.0f / (float)oa__math_pow(m->hp.rope_base, exponent);
        if (factors != NULL) {
            if (!(factors[i] >= 1e-6f && factors[i] <= 1e6f)) {
                return oa__err(OA_EFORMAT, "tensor rope_freqs.weight: element %u is out of range",
                               i);
            }
            f /= factors[i];
        }
        m->inv_freq[i] = f / m->hp.rope_factor;
    }
    return OA_OK;
}

void oa__rope_cos_sin(const oa_model *m, uint32_t pos, float *cs)
{
    const uint32_t half = m->hp.d_rot / 2;
    for (uint32_t i = 0; i < half; i++) {
        const float angle = (float)pos * m->inv_freq[i];
        cs[2 * i] = (float)oa__math_cos(angle);
        cs[2 * i + 1] = (float)oa__math_sin(angle);
    }
}
