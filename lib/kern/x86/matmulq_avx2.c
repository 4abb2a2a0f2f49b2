/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Q4_K and the types whose lines take more to take apart than the 4-bit ones (kern.h), tiles of 16
 * rows x T tokens.
 *
 * Half a line is a register of 8 rows x 4 columns: unsigned bytes, which meet the token's four
 * activations in maddubs. Products add up in 16 bits for as many quads as cannot overflow, then one
 * madd widens them:
 *
 *   quants up to 15   8 quads x 2 products x 15 x 127 = 30480
 *   up to 31          4 quads x 2 x 31 x 127 = 31496
 *   up to 63          2 quads x 2 x 63 x 127 = 32004
 *   IQ4               1 quad: |w| up to 127 meets the activations with w's sign
 *
 * Few tokens take the lines apart as they meet them. Many tokens meet 256 columns that were taken
 * apart once, in the scratch (oa__panel).
 */
#include "kern/x86/tile_avx2.h"

#include "kern/x86/vec_avx2.h"

#include "kern/x86/packed.h"
#include "kern/unpack.h"

#define TILE 4

static inline __m256i bits(__m256i x, int shift, int mask)
{
    if (shift > 0) x = _mm256_srli_epi16(x, shift);
    if (shift < 0) x = _mm256_slli_epi16(x, -shift);
    return _mm256_and_si256(x, _mm256_set1_epi8((char)mask));
}

/* Quad j of 32 columns, half h of the rows, from packed lines. */
OA__TILE __m256i packed_quad(const uint32_t type, const uint8_t *lines, int j, int h)
{
    const uint8_t *q = lines + 32 * h;
    if (type == OA__Q2_K) return bits(oa__load256(q + j / 4 * 64), 2 * (j % 4), 3);
    if (type == OA__Q3_K)
        return _mm256_or_si256(bits(oa__load256(q + j / 4 * 64), 2 * (j % 4), 3),
                               bits(oa__load256(q + 2 * 64), j - 2, 4));
    if (type == OA__Q6_K) {
        const uint8_t *sub = q + j / 4 * 192;
        return _mm256_or_si256(bits(oa__load256(sub + j % 2 * 64), j % 4 / 2 * 4, 15),
                               bits(oa__load256(sub + 2 * 64), 2 * (j % 4) - 4, 0x30));
    }
    const __m256i nibbles = bits(oa__load256(q + j % 4 * 64), j / 4 * 4, 15);
    if (type == OA__Q5_0 || type == OA__Q5_1 || type == OA__Q5_K)
        return _mm256_or_si256(nibbles, bits(oa__load256(q + 4 * 64), j - 4, 16));
    if (oa__packed_iq4(type)) {
        static const uint8_t table[16] = OA__IQ4_TABLE;
        const __m256i t = _mm256_xor_si256(_mm256_broadcastsi128_si256(oa__rows_load(table)),
                                           _mm256_set1_epi8(-128));
        return _mm256_shuffle_epi8(t, nibbles);
    }
    return nibbles;
}

OA__TILE int quads_per_sum(const uint32_t type)
{
    return oa__packed_iq4(type) ? 1 : type == OA__Q6_K ? 2 : type == OA__Q4_K ? 8 : 4;
}

/* The i-th quad to take of packed lines: two nibbles of a line follow each other. */
OA__TILE int in_turn(const uint32_t type, int i)
{
    if (type == OA__Q2_K || type == OA__Q3_K) return i;
    return type == OA__Q6_K ? i / 4 * 4 + i % 2 * 2 + i % 4 / 2 : i % 2 * 4 + i / 2;
}

/* 32 columns, `b` of the tokens'. PANEL: q are the eight lines of an unpacked panel. */
OA__TILE void unit(const uint32_t type, const bool PANEL, const int T, const uint8_t *q,
                   const float *dw, const float *mw, const oa__tokens *x, size_t b, float *acc)
{
    const int SUB = oa__packed_sub(type), QUADS = quads_per_sum(type);
    const bool SIGNED = QUADS == 1;
    OA__UNROLL
    for (int first = 0; first < 8; first += SUB / 4) {
        __m256i s[TILE][2];
        OA__UNROLL
        for (int line = first; line < first + SUB / 4; line += QUADS) {
            __m256i h[TILE][2];
            OA__UNROLL
            for (int n = line; n < line + QUADS; n++) {
                const int i = PANEL ? n : in_turn(type, n);
                const __m256i w0 = PANEL ? oa__load256(q + 64 * i) : packed_quad(type, q, i, 0);
                const __m256i w1 =
                    PANEL ? oa__load256(q + 64 * i + 32) : packed_quad(type, q, i, 1);
                const __m256i u0 = SIGNED ? _mm256_abs_epi8(w0) : w0;
                const __m256i u1 = SIGNED ? _mm256_abs_epi8(w1) : w1;
                OA__UNROLL
                for (int t = 0; t < T; t++) {
                    const __m256i v = _mm256_set1_epi32(
                        oa__load_quad(x->q + (size_t)t * x->k + 32 * b + 4 * (size_t)i));
                    const __m256i p0 =
                        _mm256_maddubs_epi16(u0, SIGNED ? _mm256_sign_epi8(v, w0) : v);
                    const __m256i p1 =
                        _mm256_maddubs_epi16(u1, SIGNED ? _mm256_sign_epi8(v, w1) : v);
                    h[t][0] = n == line ? p0 : oa__add16(h[t][0], p0);
                    h[t][1] = n == line ? p1 : oa__add16(h[t][1], p1);
                }
            }
            OA__UNROLL
            for (int t = 0; t < T; t++) {
                const __m256i s0 = oa__widen(h[t][0]), s1 = oa__widen(h[t][1]);
                s[t][0] = line == first ? s0 : oa__add32(s[t][0], s0);
                s[t][1] = line == first ? s1 : oa__add32(s[t][1], s1);
            }
        }
        const __m256 dw0 = _mm256_loadu_ps(dw + first * 64 / SUB);
        const __m256 dw1 = _mm256_loadu_ps(dw + first * 64 / SUB + 8);
        OA__UNROLL
        for (int t = 0; t < T; t++) {
            const size_t e = (size_t)t * x->nb + b;
            const int32_t isum = SUB == 32 ? x->isum[e] : x->isum16[2 * e + (first > 0)];
            __m256i i0 = s[t][0], i1 = s[t][1];
            if (oa__packed_offset(type)) {
                const __m256i off = _mm256_set1_epi32(oa__packed_offset(type) * isum);
                i0 = _mm256_sub_epi32(i0, off);
                i1 = _mm256_sub_epi32(i1, off);
            }
            const __m256 da = _mm256_set1_ps(x->d[e]);
            __m256 acc0 = _mm256_loadu_ps(acc + 16 * t), acc1 = _mm256_loadu_ps(acc + 16 * t + 8);
            acc0 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(i0), _mm256_mul_ps(dw0, da), acc0);
            acc1 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(i1), _mm256_mul_ps(dw1, da), acc1);
            if (oa__packed_min(type)) {
                const float *m = mw + first * 64 / SUB;
                const __m256 ds = _mm256_set1_ps(SUB == 32 ? x->ds[e] : x->d[e] * (float)isum);
                acc0 = _mm256_fmadd_ps(_mm256_loadu_ps(m), ds, acc0);
                acc1 = _mm256_fmadd_ps(_mm256_loadu_ps(m + 8), ds, acc1);
            }
            _mm256_storeu_ps(acc + 16 * t, acc0);
            _mm256_storeu_ps(acc + 16 * t + 8, acc1);
        }
    }
}

/* T tokens x G groups, lines taken apart on the way. One token reads several groups at once, which
 * memory answers faster than one where blocks are small. */
OA__TILE void tile(const uint32_t type, const int T, const int G, const oa__mm_args *a, size_t g)
{
    const size_t units = oa__packed_units(type), nb = a->k / 32;
    const size_t scales = 32 * 16 / (size_t)oa__packed_sub(type);
    const size_t group_size = nb / units * oa__packed_size(type);
    const uint8_t *w = (const uint8_t *)a->w + g * group_size;
    const oa__tokens x = oa__tokens_at(a->acts, 0);
    _Alignas(32) float acc[TILE * 16];
    OA__UNROLL
    for (int t = 0; t < 2 * T * G; t++)
        _mm256_store_ps(acc + 8 * t, _mm256_setzero_ps());
    for (size_t b = 0; b < nb; b += units, w += oa__packed_size(type))
        for (int j = 0; j < G; j++) {
            const uint8_t *block = w + (size_t)j * group_size;
            float dw[16 * 16], mw[16 * 16];
            oa__packed_scales(type, block, dw, mw);
            for (size_t u = 0; u < units; u++)
                unit(type, false, T, oa__packed_lines(type, block, u), dw + u * scales,
                     mw + u * scales, &x, b + u, acc + 16 * j);
        }
    for (int t = 0; t < T; t++)
        for (int j = 0; j < G; j++) {
            const float *sum = acc + 16 * (t + j);
            oa__tile_store(a, g + (size_t)j, (size_t)t, _mm256_load_ps(sum),
                           _mm256_load_ps(sum + 8));
        }
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
            for (int i = 0; i < 8; i++) {
                _mm256_store_si256((__m256i *)(void *)(q + 64 * i), packed_quad(type, lines, i, 0));
                _mm256_store_si256((__m256i *)(void *)(q + 64 * i + 32),
                                   packed_quad(type, lines, i, 1));
            }
        }
    }
}

/* T tokens over the panel's `n` blocks, which are those from b on. */
OA__TILE void panel_tile(const uint32_t type, const int T, const oa__panel *p, const oa__tokens *x,
                         size_t b, size_t n, float *acc)
{
    const size_t scales = 32 * 16 / (size_t)oa__packed_sub(type);
    for (size_t i = 0; i < n; i++)
        unit(type, true, T, p->q + i * 8 * 64, p->dw + i * scales, p->mw + i * scales, x, b + i,
             acc);
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
        for (; t + TILE <= n; t += TILE) {
            const oa__tokens x = oa__tokens_at(a->acts, t0 + t);
            panel_tile(type, TILE, p, &x, b, blocks, p->acc[t]);
        }
        for (; t < n; t++) {
            const oa__tokens x = oa__tokens_at(a->acts, t0 + t);
            panel_tile(type, 1, p, &x, b, blocks, p->acc[t]);
        }
    }
    for (size_t t = 0; t < n; t++)
        oa__tile_store(a, g, t0 + t, _mm256_loadu_ps(p->acc[t]), _mm256_loadu_ps(p->acc[t] + 8));
}

OA__TILE void matmul(const uint32_t type, const oa__mm_args *a, size_t g_begin, size_t g_end)
{
    size_t g = g_begin;
    for (; oa__packed_units(type) == 1 && a->n_tokens == 1 && g + TILE <= g_end; g += TILE)
        tile(type, 1, TILE, a, g);
    for (; g < g_end; g++)
        switch (a->n_tokens) {
        case 0:
            break;
        case 1:
            tile(type, 1, 1, a, g);
            break;
        case 2:
            tile(type, 2, 1, a, g);
            break;
        case 3:
            tile(type, 3, 1, a, g);
            break;
        default:
            for (size_t t = 0; t < a->n_tokens; t += OA__PANEL_TOKENS)
                panels(type, a, g, t,
                       a->n_tokens - t < OA__PANEL_TOKENS ? a->n_tokens - t : OA__PANEL_TOKENS);
        }
}

#define DEFINE(type, name)                                                                         \
    void oa__matmul_##name##_avx2(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)   \
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
