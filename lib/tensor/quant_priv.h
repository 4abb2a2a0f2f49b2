/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the quantisers: fits of scales, packers of blocks. */
#ifndef OA_TENSOR_QUANT_PRIV_H
#define OA_TENSOR_QUANT_PRIV_H

#include "tensor/quant_search.h"
#include "tensor/tensor.h"

/* Levels around zero: x ~ d l. Best d (its sign may be negative) by weighted least squares; also
 * the weight of d, sum of w l l. */
typedef struct oa__quant_fit {
    float d, m, weight;
} oa__quant_fit;
oa__quant_fit oa__quant_fit_scale(const oa__quant_search *s, const oa__quant_levels *v,
                                  const float *x, const float *w, size_t n);
/* Levels from a minimum: x ~ d l + m, d >= 0, m <= 0. */
oa__quant_fit oa__quant_fit_min(const oa__quant_search *s, const oa__quant_levels *v,
                                const float *x, const float *w, size_t n);

/* The first of the least among the candidates. */
size_t oa__quant_least(const float v[OA__QUANT_LANES]);

/* Levels next to (x - m) / d, as numbers from 0 (index of the level). d 0 gives the level next to
 * zero. */
void oa__quant_assign(const oa__quant_levels *v, const float *x, size_t n, float d, float m,
                      uint8_t *q);

/* The 16 values of the IQ4 types and the borders between them. */
extern const oa__quant_levels oa__quant_iq4;

/* One block of Q8_0 or IQ4_NL, or of 256. w has as many elements as x. False: a scale is beyond
 * f16. */
bool oa__quant_block32(const oa__quant_search *s, uint32_t type, const float *x, const float *w,
                       uint8_t *out);
bool oa__quant_block256(const oa__quant_search *s, uint32_t type, const float *x, const float *w,
                        uint8_t *out);
/* Lay out a block of 256: levels q, scales sc (of sub-blocks, as stored: with their offset), mins
 * m, f16 d and dmin. */
void oa__quant_pack_k(uint32_t type, const uint8_t *q, const uint8_t *sc, const uint8_t *m,
                      uint16_t d, uint16_t dmin, uint8_t *out);

static inline void oa__quant_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

#endif
