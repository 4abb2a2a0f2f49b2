/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512 for machines without it: SIMDe, and the few intrinsics that its 0.7.4 lacks. Needs AVX2,
 * FMA and F16C. */
#ifndef OA_TESTS_KERN_SIMDE_H
#define OA_TESTS_KERN_SIMDE_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx2.h>
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <stdint.h>
#include <string.h>

/* The two halves of a register, and back. */
static inline void gap_split(__m256i out[2], __m512i x)
{
    memcpy(out, &x, 64);
}

static inline __m512i gap_join(__m256i lo, __m256i hi)
{
    __m512i x;
    memcpy(&x, &lo, 32);
    memcpy((char *)&x + 32, &hi, 32);
    return x;
}

static inline __m512 gap_join_ps(__m256 lo, __m256 hi)
{
    __m512 x;
    memcpy(&x, &lo, 32);
    memcpy((char *)&x + 32, &hi, 32);
    return x;
}

static inline __m512 gap_cvtph_ps(__m256i h)
{
    return gap_join_ps(_mm256_cvtph_ps(_mm256_castsi256_si128(h)),
                       _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1)));
}

static inline __m512 gap_maskz_loadu_ps(unsigned mask, const float *p)
{
    float x[16] = {0};
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) x[i] = p[i];
    return _mm512_loadu_ps(x);
}

static inline void gap_mask_storeu_ps(float *p, unsigned mask, __m512 v)
{
    float x[16];
    _mm512_storeu_ps(x, v);
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) p[i] = x[i];
}

static inline __m512i gap_srai_epi32(__m512i v, int n)
{
    __m256i h[2];
    gap_split(h, v);
    return gap_join(_mm256_srai_epi32(h[0], n), _mm256_srai_epi32(h[1], n));
}

static inline __m512 gap_cvtepi32_ps(__m512i v)
{
    __m256i h[2];
    gap_split(h, v);
    return gap_join_ps(_mm256_cvtepi32_ps(h[0]), _mm256_cvtepi32_ps(h[1]));
}

static inline __m512i gap_cvtepu8_epi32(__m128i v)
{
    return gap_join(_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8)));
}

static inline __m512i gap_cvtepi8_epi32(__m128i v)
{
    return gap_join(_mm256_cvtepi8_epi32(v), _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8)));
}

static inline __m512i gap_cvtepu16_epi32(__m256i v)
{
    return gap_join(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(v)),
                    _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1)));
}

#define _mm512_cvtph_ps gap_cvtph_ps
#define _mm512_maskz_loadu_ps gap_maskz_loadu_ps
#define _mm512_mask_storeu_ps gap_mask_storeu_ps
#define _mm512_srai_epi32 gap_srai_epi32
#define _mm512_cvtepi32_ps gap_cvtepi32_ps
#define _mm512_cvtepi8_epi32 gap_cvtepi8_epi32
#define _mm512_cvtepu8_epi32 gap_cvtepu8_epi32
#define _mm512_cvtepu16_epi32 gap_cvtepu16_epi32

#endif
