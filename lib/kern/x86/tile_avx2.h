/* SPDX-License-Identifier: Apache-2.0 */
/* What the AVX2 matmul tiles share: 16 rows as two registers of 8. */
#ifndef OA_KERN_X86_TILE_AVX2_H
#define OA_KERN_X86_TILE_AVX2_H

#include "kern/x86/intrin.h"

#include "kern/x86/x86.h"

/* y (+)= acc for the group's rows that exist. */
static inline void oa__tile_store(const oa__mm_args *a, size_t g, size_t t, __m256 acc0,
                                  __m256 acc1)
{
    float *y = a->y + t * a->y_stride + 16 * g;
    const size_t rows = a->n_rows - 16 * g;
    if (rows >= 16) {
        if (a->add) {
            acc0 = _mm256_add_ps(_mm256_loadu_ps(y), acc0);
            acc1 = _mm256_add_ps(_mm256_loadu_ps(y + 8), acc1);
        }
        _mm256_storeu_ps(y, acc0);
        _mm256_storeu_ps(y + 8, acc1);
        return;
    }
    float tmp[16];
    _mm256_storeu_ps(tmp, acc0);
    _mm256_storeu_ps(tmp + 8, acc1);
    for (size_t r = 0; r < rows; r++)
        y[r] = a->add ? y[r] + tmp[r] : tmp[r];
}

static inline __m256i oa__load256(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline __m256 oa__load_half8(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* The sum is kept here and now: without this, compilers put off the additions to where the sum is
 * used, run out of registers and spill every product. */
static inline __m256i oa__kept(__m256i x)
{
#if defined(__GNUC__)
    __asm__("" : "+x"(x));
#endif
    return x;
}

static inline __m256i oa__add16(__m256i acc, __m256i x)
{
    return oa__kept(_mm256_add_epi16(acc, x));
}

static inline __m256i oa__add32(__m256i acc, __m256i x)
{
    return oa__kept(_mm256_add_epi32(acc, x));
}

/* 16-bit pairs to 32 bits */
static inline __m256i oa__widen(__m256i x)
{
    return _mm256_madd_epi16(x, _mm256_set1_epi16(1));
}

#endif
