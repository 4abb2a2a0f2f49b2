/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen floats as two ymm registers, for the bodies that all x86 tiers share. */
#ifndef OA_KERN_X86_VEC_AVX2_H
#define OA_KERN_X86_VEC_AVX2_H

#include "kern/actf.h"
#include "kern/x86/intrin.h"

#define OA__TIER(name) name##_avx2
#define OA__WIDE 1 /* v16 of keys or of elements in an attention tile */

typedef struct v16 {
    __m256 a, b;
} v16;

static inline v16 v16_set1(float x)
{
    return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

static inline v16 v16_load(const float *p)
{
    return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

static inline void v16_store(float *p, v16 x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

static inline __m256i oa__mask8(size_t n)
{
    const __m256i iota = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? (int)n : 8), iota);
}

/* The first n < 16 elements; the others are +0. */
static inline v16 v16_load_n(const float *p, size_t n)
{
    return (v16){_mm256_maskload_ps(p, oa__mask8(n)),
                 n > 8 ? _mm256_maskload_ps(p + 8, oa__mask8(n - 8)) : _mm256_setzero_ps()};
}

static inline void v16_store_n(float *p, v16 x, size_t n)
{
    _mm256_maskstore_ps(p, oa__mask8(n), x.a);
    if (n > 8) _mm256_maskstore_ps(p + 8, oa__mask8(n - 8), x.b);
}

/* x in the first n lanes, `other` in the rest. */
static inline v16 v16_first(v16 x, v16 other, size_t n)
{
    return (v16){_mm256_blendv_ps(other.a, x.a, _mm256_castsi256_ps(oa__mask8(n))),
                 _mm256_blendv_ps(other.b, x.b, _mm256_castsi256_ps(oa__mask8(n > 8 ? n - 8 : 0)))};
}

static inline v16 v16_load_half(const uint16_t *p)
{
    return (v16){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)))};
}

/* Sixteen bytes. */
static inline v16 v16_load_uint8(const uint8_t *p)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (v16){_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(x)),
                 _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(x, 8)))};
}

static inline v16 v16_load_int8(const int8_t *p)
{
    const __m128i q = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (v16){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)),
                 _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(q, 8)))};
}

static inline v16 v16_add(v16 x, v16 y)
{
    return (v16){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}

static inline v16 v16_sub(v16 x, v16 y)
{
    return (v16){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}

static inline v16 v16_mul(v16 x, v16 y)
{
    return (v16){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}

static inline v16 v16_div(v16 x, v16 y)
{
    return (v16){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}

/* x > y ? x : y, so y when either is NaN */
static inline v16 v16_max(v16 x, v16 y)
{
    return (v16){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}

/* x < y ? x : y, so y when either is NaN */
static inline v16 v16_min(v16 x, v16 y)
{
    return (v16){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}

static inline v16 v16_abs(v16 x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}

static inline v16 v16_fma(v16 x, v16 y, v16 z)
{
    return (v16){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

static inline v16 v16_neg(v16 x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){_mm256_xor_ps(x.a, sign), _mm256_xor_ps(x.b, sign)};
}

/* Lane i with lane i + 8: the first step of the tree below, and of a maximum (y when NaN). */
static inline __m256 v16_fold_add(v16 x)
{
    return _mm256_add_ps(x.a, x.b);
}

static inline __m256 v16_fold_max(v16 x)
{
    return _mm256_max_ps(x.a, x.b);
}

/* All lanes are at least `least`; false with a NaN. */
static inline bool v16_all_ge(v16 x, float least)
{
    const __m256 l = _mm256_set1_ps(least);
    return _mm256_movemask_ps(_mm256_and_ps(_mm256_cmp_ps(x.a, l, _CMP_GE_OQ),
                                            _mm256_cmp_ps(x.b, l, _CMP_GE_OQ))) == 0xff;
}

/* The tree 8-4-2-1. */
static inline float v16_sum(v16 x)
{
    const __m256 s8 = _mm256_add_ps(x.a, x.b);
    const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
}

/* The largest lane; for lanes without NaN. */
static inline float v16_top(v16 x)
{
    const __m256 s8 = _mm256_max_ps(x.a, x.b);
    const __m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_max_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
}

/* The first half of oa__expf: exp(r) where x = n ln 2 + r; n is in the low bits of *t. */
static inline __m256 oa__exp8_rest(__m256 x, __m256 *t)
{
    const __m256 magic = _mm256_set1_ps(OA__EXP_MAGIC);
    *t = _mm256_fmadd_ps(x, _mm256_set1_ps(OA__EXP_LOG2E), magic);
    const __m256 fn = _mm256_sub_ps(*t, magic);
    __m256 r = _mm256_fnmadd_ps(fn, _mm256_set1_ps(OA__EXP_LN2_HI), x);
    r = _mm256_fnmadd_ps(fn, _mm256_set1_ps(OA__EXP_LN2_LO), r);
    __m256 q = _mm256_fmadd_ps(_mm256_set1_ps(OA__EXP_Q4), r, _mm256_set1_ps(OA__EXP_Q3));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(OA__EXP_Q2));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(OA__EXP_Q1));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(OA__EXP_Q0));
    q = _mm256_fmadd_ps(q, _mm256_mul_ps(r, r), r);
    return _mm256_add_ps(q, _mm256_set1_ps(1.0f));
}

/* As oa__expf. */
static inline __m256 oa__exp8(__m256 x)
{
    x = _mm256_max_ps(_mm256_set1_ps(OA__EXP_LO), x);
    x = _mm256_min_ps(_mm256_set1_ps(OA__EXP_HI), x);
    __m256 t;
    const __m256 q = oa__exp8_rest(x, &t);
    const __m256i n =
        _mm256_sub_epi32(_mm256_castps_si256(t), _mm256_set1_epi32(OA__EXP_MAGIC_BITS));
    const __m256i half = _mm256_srai_epi32(n, 1), bias = _mm256_set1_epi32(127);
    const __m256i p1 = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const __m256i p2 = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(q, _mm256_castsi256_ps(p1)), _mm256_castsi256_ps(p2));
}

static inline v16 v16_exp(v16 x)
{
    return (v16){oa__exp8(x.a), oa__exp8(x.b)};
}

/* The same of lanes from -80 to 0, where 2^n is one step: the result and q are normal. */
static inline __m256 oa__exp8_mid(__m256 x)
{
    __m256 t;
    const __m256 q = oa__exp8_rest(x, &t);
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(q), n));
}

static inline v16 v16_exp_mid(v16 x)
{
    return (v16){oa__exp8_mid(x.a), oa__exp8_mid(x.b)};
}

/* As oa__tanhf. */
static inline __m256 oa__tanh8(__m256 x)
{
    x = _mm256_add_ps(x, x);
    x = _mm256_max_ps(_mm256_set1_ps(-OA__TANH_END), x);
    x = _mm256_min_ps(_mm256_set1_ps(OA__TANH_END), x);
    const __m256 magic = _mm256_set1_ps(OA__EXP_MAGIC);
    const __m256 t = _mm256_fmadd_ps(x, _mm256_set1_ps(OA__EXP_LOG2E), magic);
    const __m256 fn = _mm256_sub_ps(t, magic);
    __m256 r = _mm256_fnmadd_ps(fn, _mm256_set1_ps(OA__EXP_LN2_HI), x);
    r = _mm256_fnmadd_ps(fn, _mm256_set1_ps(OA__EXP_LN2_LO), r);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(OA__EXP_Q4), r, _mm256_set1_ps(OA__EXP_Q3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(OA__EXP_Q2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(OA__EXP_Q1));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(OA__EXP_Q0));
    p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r);
    const __m256i bias = _mm256_set1_epi32(127 - OA__EXP_MAGIC_BITS);
    const __m256 two_n =
        _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_castps_si256(t), bias), 23));
    const __m256 e = _mm256_fmadd_ps(two_n, p, _mm256_sub_ps(two_n, _mm256_set1_ps(1.0f)));
    return _mm256_div_ps(e, _mm256_add_ps(e, _mm256_set1_ps(2.0f)));
}

static inline v16 v16_tanh(v16 x)
{
    return (v16){oa__tanh8(x.a), oa__tanh8(x.b)};
}

/* kv_store and the ends of rope: eight at a time */
static inline void oa__store_half8(uint16_t *p, __m256 x)
{
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

#endif
