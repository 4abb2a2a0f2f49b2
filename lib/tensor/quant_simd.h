/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of floats, of the length that the including file may use. Every operation rounds as
 * the scalar one does, so that code written with these gives the same bits at each length.
 */
#ifndef OA_TENSOR_QUANT_SIMD_H
#define OA_TENSOR_QUANT_SIMD_H

#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#if defined(__AVX2__)
#include <immintrin.h>
typedef __m256 lane;
typedef __m256i lane_int;
#define LEN 8
#define SET(f) _mm256_set1_ps(f)
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define ADD(a, b) _mm256_add_ps(a, b)
#define SUB(a, b) _mm256_sub_ps(a, b)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define DIV(a, b) _mm256_div_ps(a, b)
#define MAX(a, b) _mm256_max_ps(a, b)                                    /* a > b ? a : b */
#define MIN(a, b) _mm256_min_ps(a, b)                                    /* a < b ? a : b */
#define ABOVE(a, b, v) _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ), v) /* a > b ? v : 0 */
/* a > b ? v : u */
#define PICK(a, b, v, u) _mm256_blendv_ps(u, v, _mm256_cmp_ps(a, b, _CMP_GT_OQ))
#define ZEROS_INT() _mm256_setzero_si256()
#define TO_INT(v) _mm256_cvtps_epi32(v)
#define LOAD_INT(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE_INT(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define OR_INT(a, b) _mm256_or_si256(a, b)
#define LOW4_INT(a) _mm256_and_si256(a, _mm256_set1_epi32(15))
#define SHL_INT(a, n) _mm256_slli_epi32(a, n)
#define SHR_INT(a, n) _mm256_srli_epi32(a, n)
#elif defined(__SSE2__)
#include <emmintrin.h>
typedef __m128 lane;
typedef __m128i lane_int;
#define LEN 4
#define SET(f) _mm_set1_ps(f)
#define LOAD(p) _mm_loadu_ps(p)
#define STORE(p, v) _mm_storeu_ps(p, v)
#define ADD(a, b) _mm_add_ps(a, b)
#define SUB(a, b) _mm_sub_ps(a, b)
#define MUL(a, b) _mm_mul_ps(a, b)
#define DIV(a, b) _mm_div_ps(a, b)
#define MAX(a, b) _mm_max_ps(a, b)
#define MIN(a, b) _mm_min_ps(a, b)
#define ABOVE(a, b, v) _mm_and_ps(_mm_cmpgt_ps(a, b), v)
static inline lane pick_lane(lane mask, lane v, lane u)
{
    return _mm_or_ps(_mm_and_ps(mask, v), _mm_andnot_ps(mask, u));
}
#define PICK(a, b, v, u) pick_lane(_mm_cmpgt_ps(a, b), v, u)
#define ZEROS_INT() _mm_setzero_si128()
#define TO_INT(v) _mm_cvtps_epi32(v)
#define LOAD_INT(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define STORE_INT(p, v) _mm_storeu_si128((__m128i *)(void *)(p), v)
#define OR_INT(a, b) _mm_or_si128(a, b)
#define LOW4_INT(a) _mm_and_si128(a, _mm_set1_epi32(15))
#define SHL_INT(a, n) _mm_slli_epi32(a, n)
#define SHR_INT(a, n) _mm_srli_epi32(a, n)
#else
typedef float lane;
typedef uint32_t lane_int;
#define LEN 1
#define SET(f) (f)
#define LOAD(p) (*(p))
#define STORE(p, v) (*(p) = (v))
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
static inline lane pick_lane(lane a, lane b, lane v, lane u)
{
    return a > b ? v : u;
}
#define MAX(a, b) pick_lane(a, b, a, b)
#define MIN(a, b) pick_lane(b, a, a, b)
#define ABOVE(a, b, v) pick_lane(a, b, v, 0.0f)
#define PICK(a, b, v, u) pick_lane(a, b, v, u)
#define ZEROS_INT() 0u
#define TO_INT(v) ((uint32_t)(int32_t)(v)) /* of what is an integer */
#define LOAD_INT(p) (*(p))
#define STORE_INT(p, v) (*(p) = (v))
#define OR_INT(a, b) ((a) | (b))
#define LOW4_INT(a) ((a)&15u)
#define SHL_INT(a, n) ((a) << (n))
#define SHR_INT(a, n) ((a) >> (n))
#endif

#define CLAMP(v, lo, hi) MIN(MAX(v, lo), hi)
/* Adding and subtracting this rounds to the nearest integer, ties to even, below 2^22. */
#define ROUNDER 0x1.8p23f
#define ROUND(v) SUB(ADD(v, SET(ROUNDER)), SET(ROUNDER))

/* Each float as a half in h; the value that the half has. */
static inline lane lane_half(lane v, uint16_t h[LEN])
{
#if defined(__AVX2__)
    const __m128i halves = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128((__m128i *)(void *)h, halves);
    return _mm256_cvtph_ps(halves);
#else
    float f[LEN];
    STORE(f, v);
    for (size_t i = 0; i < LEN; i++) {
        h[i] = oa__f32_to_f16(f[i]);
        f[i] = oa__f16_to_f32(h[i]);
    }
    return LOAD(f);
#endif
}

/* LEN blocks of 32: element i of block b to to[i][b]. */
static inline void lane_gather(const float *const from[LEN], float to[32][LEN])
{
    for (size_t i = 0; i < 32; i += LEN) {
#if defined(__AVX2__)
        __m256 a[8], b[8];
        for (size_t j = 0; j < 4; j++) {
            const __m256 even = LOAD(from[2 * j] + i), odd = LOAD(from[2 * j + 1] + i);
            a[2 * j] = _mm256_unpacklo_ps(even, odd);
            a[2 * j + 1] = _mm256_unpackhi_ps(even, odd);
        }
        for (size_t j = 0; j < 8; j += 4)
            for (size_t k = 0; k < 2; k++) {
                b[j + 2 * k] = _mm256_shuffle_ps(a[j + k], a[j + k + 2], 0x44);
                b[j + 2 * k + 1] = _mm256_shuffle_ps(a[j + k], a[j + k + 2], 0xee);
            }
        for (size_t j = 0; j < 4; j++) {
            STORE(to[i + j], _mm256_permute2f128_ps(b[j], b[j + 4], 0x20));
            STORE(to[i + j + 4], _mm256_permute2f128_ps(b[j], b[j + 4], 0x31));
        }
#elif defined(__SSE2__)
        __m128 a = LOAD(from[0] + i), b = LOAD(from[1] + i), c = LOAD(from[2] + i),
               d = LOAD(from[3] + i);
        _MM_TRANSPOSE4_PS(a, b, c, d);
        STORE(to[i], a);
        STORE(to[i + 1], b);
        STORE(to[i + 2], c);
        STORE(to[i + 3], d);
#else
        to[i][0] = from[0][i];
#endif
    }
}

#endif
