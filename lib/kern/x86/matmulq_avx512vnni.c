/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Q4_K and the types whose lines take more to take apart than the 4-bit ones (kern.h), with VNNI;
 * tiles of 16 rows x T tokens. A line is one register; dpbusd adds the four products of a row to
 * its 32-bit lane without saturation. The values of the IQ4 types become unsigned (+ 128), and the
 * sums begin with -offset * isum.
 *
 * Few tokens take the lines apart as they meet them. Many tokens meet 256 columns that were taken
 * apart once, in the scratch (oa__panel).
 */
#include "kern/x86/tile_avx512.h"

#include "kern/x86/packed.h"
#include "kern/unpack.h"

#define TILE 12 /* of a panel: as many sums as there are registers for */

static inline __m512i bits(__m512i x, int shift, int mask)
{
#ifdef OA_SIMDE /* wants literals for the immediate forms */
    const __m128i n = _mm_cvtsi32_si128(shift < 0 ? -shift : shift);
    x = shift < 0 ? _mm512_sll_epi16(x, n) : _mm512_srl_epi16(x, n);
#else
    if (shift > 0) x = _mm512_srli_epi16(x, (unsigned)shift);
    if (shift < 0) x = _mm512_slli_epi16(x, (unsigned)-shift);
#endif
    return _mm512_and_si512(x, _mm512_set1_epi8((char)mask));
}

/* Quad j of 32 columns as unsigned bytes, from packed lines. */
OA__TILE __m512i packed_quad(const uint32_t type, const uint8_t *q, int j)
{
    if (type == OA__Q8_0) return _mm512_xor_si512(oa__load512(q + 64 * j), _mm512_set1_epi8(-128));
    if (type == OA__Q2_K) return bits(oa__load512(q + j / 4 * 64), 2 * (j % 4), 3);
    if (type == OA__Q3_K)
        return _mm512_or_si512(bits(oa__load512(q + j / 4 * 64), 2 * (j % 4), 3),
                               bits(oa__load512(q + 2 * 64), j - 2, 4));
    if (type == OA__Q6_K) {
        const uint8_t *sub = q + j / 4 * 192;
        return _mm512_or_si512(bits(oa__load512(sub + j % 2 * 64), j % 4 / 2 * 4, 15),
                               bits(oa__load512(sub + 2 * 64), 2 * (j % 4) - 4, 0x30));
    }
    const __m512i nibbles = bits(oa__load512(q + j % 4 * 64), j / 4 * 4, 15);
    if (type == OA__Q5_0 || type == OA__Q5_1 || type == OA__Q5_K)
        return _mm512_or_si512(nibbles, bits(oa__load512(q + 4 * 64), j - 4, 16));
    if (oa__packed_iq4(type)) {
        static const uint8_t table[16] = OA__IQ4_TABLE;
        uint8_t tables[64];
        for (int i = 0; i < 4; i++)
            memcpy(tables + 16 * i, table, 16);
        return _mm512_shuffle_epi8(oa__load512(tables), nibbles);
    }
    return nibbles;
}

/* What is to be taken off quants that packed_quad() gives. */
OA__TILE int offset_of(const uint32_t type)
{
    return oa__packed_iq4(type) ? 128 : oa__packed_offset(type);
}

/* 32 columns, `b` of the tokens'. PANEL: q are the eight lines of an unpacked panel. */
OA__TILE void unit(const uint32_t type, const bool PANEL, const int T, const uint8_t *q,
                   const float *dw, const float *mw, const oa__tokens *x, size_t b, __m512 *acc)
{
    const int SUB = oa__packed_sub(type);
    OA__UNROLL
    for (int first = 0; first < 8; first += SUB / 4) {
        const __m512 d = _mm512_loadu_ps(dw + first * 64 / SUB);
        __m512i s[TILE];
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const size_t e = (size_t)t * x->nb + b;
            const int32_t isum = SUB == 32 ? x->isum[e] : x->isum16[2 * e + (first > 0)];
            s[t] = _mm512_set1_epi32(-offset_of(type) * isum);
        }
        OA__UNROLL
        for (int i = first; i < first + SUB / 4; i++) {
            const __m512i w = PANEL ? oa__load512(q + 64 * i) : packed_quad(type, q, i);
            OA__UNROLL
            for (int t = 0; t < T; t++)
                s[t] = oa__dot(s[t], w, x->q + (size_t)t * x->k + 32 * b + 4 * (size_t)i);
        }
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const size_t e = (size_t)t * x->nb + b;
            acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[t]),
                                     _mm512_mul_ps(d, _mm512_set1_ps(x->d[e])), acc[t]);
            if (oa__packed_min(type)) {
                const float ds =
                    SUB == 32 ? x->ds[e] : x->d[e] * (float)x->isum16[2 * e + (first > 0)];
                acc[t] = _mm512_fmadd_ps(_mm512_loadu_ps(mw + first * 64 / SUB), _mm512_set1_ps(ds),
                                         acc[t]);
            }
        }
    }
}

/* T tokens, lines taken apart on the way. */
OA__TILE void tile(const uint32_t type, const int T, const oa__mm_args *a, size_t g)
{
    const size_t units = oa__packed_units(type), nb = a->k / 32;
    const size_t scales = 32 * 16 / (size_t)oa__packed_sub(type);
    const uint8_t *w = (const uint8_t *)a->w + g * (nb / units) * oa__packed_size(type);
    const oa__tokens x = oa__tokens_at(a->acts, 0);
    __m512 acc[TILE];
    OA__UNROLL
    for (int t = 0; t < T; t++)
        acc[t] = _mm512_setzero_ps();
    for (size_t b = 0; b < nb; b += units, w += oa__packed_size(type)) {
        float dw[16 * 16], mw[16 * 16];
        oa__packed_scales(type, w, dw, mw);
        for (size_t u = 0; u < units; u++)
            unit(type, false, T, oa__packed_lines(type, w, u), dw + u * scales, mw + u * scales, &x,
                 b + u, acc);
    }
    OA__UNROLL
    for (int t = 0; t < T; t++)
        oa__tile_store(a, g, (size_t)t, acc[t]);
}

/* Take apart `n` blocks of 32 columns. */
OA__TILE void panel_fill(const uint32_t type, oa__panel *p, const uint8_t *w, size_t n)
{
    const size_t units = oa__packed_units(type);
    const size_t scales = 32 * 16 / (size_t)oa__packed_sub(type);
    for (size_t b = 0; b < n; b += units, w += oa__packed_size(type)) {
        oa__packed_scales(type, w, p->dw + b * scales, p->mw + b * scales);
        for (size_t u = 0; u < units; u++) {
            const uint8_t *lines = oa__packed_lines(type, w, u);
            uint8_t *q = p->q + (b + u) * 8 * 64;
            OA__UNROLL
            for (int i = 0; i < 8; i++)
                _mm512_storeu_si512(q + 64 * i, packed_quad(type, lines, i));
        }
    }
}

/* T tokens over the panel's `n` blocks, which are those from b on. */
OA__TILE void panel_tile(const uint32_t type, const int T, const oa__panel *p, const oa__acts *acts,
                         size_t token, size_t b, size_t n, float (*at)[16])
{
    const size_t scales = 32 * 16 / (size_t)oa__packed_sub(type);
    const oa__tokens x = oa__tokens_at(acts, token);
    __m512 acc[TILE];
    OA__UNROLL
    for (int t = 0; t < T; t++)
        acc[t] = _mm512_loadu_ps(at[t]);
    for (size_t i = 0; i < n; i++)
        unit(type, true, T, p->q + i * 8 * 64, p->dw + i * scales, p->mw + i * scales, &x, b + i,
             acc);
    OA__UNROLL
    for (int t = 0; t < T; t++)
        _mm512_storeu_ps(at[t], acc[t]);
}

OA__TILE void panels(const uint32_t type, const oa__mm_args *a, size_t g, size_t t0, size_t n)
{
    const size_t units = oa__packed_units(type), nb = a->k / 32, most = OA__KERN_PANEL / 32;
    const uint8_t *w = (const uint8_t *)a->w + g * (nb / units) * oa__packed_size(type);
    oa__panel *p = a->scratch;
    memset(p->acc, 0, n * sizeof p->acc[0]);
    for (size_t b = 0; b < nb; b += most) {
        const size_t blocks = nb - b < most ? nb - b : most;
        size_t t = 0;
        panel_fill(type, p, w + b / units * oa__packed_size(type), blocks);
        for (; t + TILE <= n; t += TILE)
            panel_tile(type, TILE, p, a->acts, t0 + t, b, blocks, p->acc + t);
        for (; t + 4 <= n; t += 4)
            panel_tile(type, 4, p, a->acts, t0 + t, b, blocks, p->acc + t);
        for (; t < n; t++)
            panel_tile(type, 1, p, a->acts, t0 + t, b, blocks, p->acc + t);
    }
    for (size_t t = 0; t < n; t++)
        oa__tile_store(a, g, t0 + t, _mm512_loadu_ps(p->acc[t]));
}

OA__TILE void matmul(const uint32_t type, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    for (size_t g = g_begin; g < g_end; g++)
        switch (a->n_tokens) {
        case 0:
            break;
        case 1:
            tile(type, 1, a, g);
            break;
        case 2:
            tile(type, 2, a, g);
            break;
        case 3:
            tile(type, 3, a, g);
            break;
        default:
            for (size_t t = 0; t < a->n_tokens; t += OA__PANEL_TOKENS)
                panels(type, a, g, t,
                       a->n_tokens - t < OA__PANEL_TOKENS ? a->n_tokens - t : OA__PANEL_TOKENS);
        }
}

#define DEFINE(type, name)                                                                         \
    void OA__TIER(oa__matmul_##name)(const oa__kern *k, const oa__mm_args *a, size_t g0,           \
                                     size_t g1)                                                    \
    {                                                                                              \
        (void)k;                                                                                   \
        matmul(type, a, g0, g1);                                                                   \
    }
DEFINE(OA__Q5_0, q5_0)
DEFINE(OA__Q5_1, q5_1)
DEFINE(OA__Q2_K, q2_k)
DEFINE(OA__Q3_K, q3_k)
DEFINE(OA__Q4_K, q4_k)
DEFINE(OA__Q5_K, q5_k)
DEFINE(OA__Q6_K, q6_k)
DEFINE(OA__IQ4_NL, iq4_nl)
DEFINE(OA__IQ4_XS, iq4_xs)
