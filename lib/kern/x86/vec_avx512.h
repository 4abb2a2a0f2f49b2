/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen floats as one zmm register, for the bodies that all x86 tiers share. */
#ifndef OA_KERN_X86_VEC_AVX512_H
#define OA_KERN_X86_VEC_AVX512_H

#include "kern/actf.h"
#include "kern/x86/intrin.h"

#ifdef OA_SIMDE
#define OA__TIER(name) name##_simde
#else
#define OA__TIER(name) name##_avx512vnni
#endif
#define OA__WIDE 2 /* v16 of keys or of elements in an attention tile */

typedef __m512 v16;

static inline __mmask16 oa__mask16(size_t n)
{
    return (__mmask16)((1u << n) - 1); /* n <= 16 */
}

static inline v16 v16_set1(float x)
{
    return _mm512_set1_ps(x);
}

static inline v16 v16_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void v16_store(float *p, v16 x)
{
    _mm512_storeu_ps(p, x);
}

/* The first n < 16 elements; the others are +0. */
static inline v16 v16_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(oa__mask16(n), p);
}

static inline void v16_store_n(float *p, v16 x, size_t n)
{
    _mm512_mask_storeu_ps(p, oa__mask16(n), x);
}

/* x in the first n lanes, `other` in the rest. */
static inline v16 v16_first(v16 x, v16 other, size_t n)
{
    return _mm512_mask_blend_ps(oa__mask16(n), other, x);
}

static inline v16 v16_load_half(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

/* Sixteen bytes. */
static inline v16 v16_load_uint8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

static inline v16 v16_load_int8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

static inline v16 v16_add(v16 x, v16 y)
{
    return _mm512_add_ps(x, y);
}

static inline v16 v16_sub(v16 x, v16 y)
{
    return _mm512_sub_ps(x, y);
}

static inline v16 v16_mul(v16 x, v16 y)
{
    return _mm512_mul_ps(x, y);
}

static inline v16 v16_div(v16 x, v16 y)
{
    return _mm512_div_ps(x, y);
}

/* x > y ? x : y, so y when either is NaN */
static inline v16 v16_max(v16 x, v16 y)
{
    return _mm512_max_ps(x, y);
}

/* x < y ? x : y, so y when either is NaN */
static inline v16 v16_min(v16 x, v16 y)
{
    return _mm512_min_ps(x, y);
}

static inline v16 v16_abs(v16 x)
{
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(INT32_MAX)));
}

static inline v16 v16_fma(v16 x, v16 y, v16 z)
{
    return _mm512_fmadd_ps(x, y, z);
}

static inline v16 v16_neg(v16 x)
{
    return _mm512_castsi512_ps(
        _mm512_xor_si512(_mm512_castps_si512(x), _mm512_set1_epi32(INT32_MIN)));
}

static inline __m256 oa__upper8(v16 x)
{
    return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
}

/* Lane i with lane i + 8: the first step of the tree below, and of a maximum (y when NaN). */
static inline __m256 v16_fold_add(v16 x)
{
    return _mm256_add_ps(_mm512_castps512_ps256(x), oa__upper8(x));
}

static inline __m256 v16_fold_max(v16 x)
{
    return _mm256_max_ps(_mm512_castps512_ps256(x), oa__upper8(x));
}

/* All lanes are at least `least`; false with a NaN. */
static inline bool v16_all_ge(v16 x, float least)
{
    return _mm512_cmp_ps_mask(x, _mm512_set1_ps(least), _CMP_GE_OQ) == 0xffff;
}

/* The tree 8-4-2-1. */
static inline float v16_sum(v16 x)
{
    const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(x), oa__upper8(x));
    const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
}

/* The largest lane; for lanes without NaN. */
static inline float v16_top(v16 x)
{
    const __m256 s8 = _mm256_max_ps(_mm512_castps512_ps256(x), oa__upper8(x));
    const __m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_max_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
}

/* The first half of oa__expf: exp(r) where x = n ln 2 + r; n is in the low bits of *t. */
static inline v16 oa__exp16_rest(v16 x, v16 *t)
{
    const __m512 magic = _mm512_set1_ps(OA__EXP_MAGIC);
    *t = _mm512_fmadd_ps(x, _mm512_set1_ps(OA__EXP_LOG2E), magic);
    const __m512 fn = _mm512_sub_ps(*t, magic);
    __m512 r = _mm512_fnmadd_ps(fn, _mm512_set1_ps(OA__EXP_LN2_HI), x);
    r = _mm512_fnmadd_ps(fn, _mm512_set1_ps(OA__EXP_LN2_LO), r);
    __m512 q = _mm512_fmadd_ps(_mm512_set1_ps(OA__EXP_Q4), r, _mm512_set1_ps(OA__EXP_Q3));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(OA__EXP_Q2));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(OA__EXP_Q1));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(OA__EXP_Q0));
    q = _mm512_fmadd_ps(q, _mm512_mul_ps(r, r), r);
    return _mm512_add_ps(q, _mm512_set1_ps(1.0f));
}

/* As oa__expf. */
static inline v16 v16_exp(v16 x)
{
    x = _mm512_max_ps(_mm512_set1_ps(OA__EXP_LO), x);
    x = _mm512_min_ps(_mm512_set1_ps(OA__EXP_HI), x);
    v16 t;
    const v16 q = oa__exp16_rest(x, &t);
    const __m512i n =
        _mm512_sub_epi32(_mm512_castps_si512(t), _mm512_set1_epi32(OA__EXP_MAGIC_BITS));
    const __m512i half = _mm512_srai_epi32(n, 1), bias = _mm512_set1_epi32(127);
    const __m512i p1 = _mm512_slli_epi32(_mm512_add_epi32(half, bias), 23);
    const __m512i p2 = _mm512_slli_epi32(_mm512_add_epi32(_mm512_sub_epi32(n, half), bias), 23);
    return _mm512_mul_ps(_mm512_mul_ps(q, _mm512_castsi512_ps(p1)), _mm512_castsi512_ps(p2));
}

/* The same of lanes from -80 to 0, where 2^n is one step: the result and q are normal. */
static inline v16 v16_exp_mid(v16 x)
{
    v16 t;
    const v16 q = oa__exp16_rest(x, &t);
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(q), n));
}

/* As oa__tanhf. */
static inline v16 v16_tanh(v16 x)
{
    x = _mm512_add_ps(x, x);
    x = _mm512_max_ps(_mm512_set1_ps(-OA__TANH_END), x);
    x = _mm512_min_ps(_mm512_set1_ps(OA__TANH_END), x);
    const __m512 magic = _mm512_set1_ps(OA__EXP_MAGIC);
    const __m512 t = _mm512_fmadd_ps(x, _mm512_set1_ps(OA__EXP_LOG2E), magic);
    const __m512 fn = _mm512_sub_ps(t, magic);
    __m512 r = _mm512_fnmadd_ps(fn, _mm512_set1_ps(OA__EXP_LN2_HI), x);
    r = _mm512_fnmadd_ps(fn, _mm512_set1_ps(OA__EXP_LN2_LO), r);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(OA__EXP_Q4), r, _mm512_set1_ps(OA__EXP_Q3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(OA__EXP_Q2));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(OA__EXP_Q1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(OA__EXP_Q0));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r);
    const __m512i bias = _mm512_set1_epi32(127 - OA__EXP_MAGIC_BITS);
    const __m512 two_n =
        _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_castps_si512(t), bias), 23));
    const __m512 e = _mm512_fmadd_ps(two_n, p, _mm512_sub_ps(two_n, _mm512_set1_ps(1.0f)));
    return _mm512_div_ps(e, _mm512_add_ps(e, _mm512_set1_ps(2.0f)));
}

static inline void oa__store_half8(uint16_t *p, __m256 x)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(x, 8)); /* nearest even, quiet */
}

#endif
