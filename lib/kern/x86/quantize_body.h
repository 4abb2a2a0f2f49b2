/* SPDX-License-Identifier: Apache-2.0 */
/* Activations to int8, 32 at a time, the body of quantize_*.c; included after a vec_*.h. The
 * AVX2 registers serve all x86 tiers here. The definition is kern/quantize.c. */
#include "kern/x86/x86.h"

static inline __m256i to_int(__m256 x, __m256 inv)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(x, inv)); /* nearest even */
}

static inline void block(const float *x, int8_t *q, float *d, float *ds, int32_t *isum,
                         int32_t *isum16)
{
    const __m256 x0 = _mm256_loadu_ps(x), x1 = _mm256_loadu_ps(x + 8);
    const __m256 x2 = _mm256_loadu_ps(x + 16), x3 = _mm256_loadu_ps(x + 24);
    const __m256i mask = _mm256_set1_epi32(0x7fffffff);
    const __m256i m01 = _mm256_max_epi32(_mm256_and_si256(_mm256_castps_si256(x0), mask),
                                         _mm256_and_si256(_mm256_castps_si256(x1), mask));
    const __m256i m23 = _mm256_max_epi32(_mm256_and_si256(_mm256_castps_si256(x2), mask),
                                         _mm256_and_si256(_mm256_castps_si256(x3), mask));
    const __m256i m8 = _mm256_max_epi32(m01, m23);
    __m128i m4 = _mm_max_epi32(_mm256_castsi256_si128(m8), _mm256_extracti128_si256(m8, 1));
    m4 = _mm_max_epi32(m4, _mm_shuffle_epi32(m4, 0x4e));
    m4 = _mm_max_epi32(m4, _mm_shuffle_epi32(m4, 0xb1));
    const float amax = _mm_cvtss_f32(_mm_castsi128_ps(m4));

    if (!(amax >= 0x1p-100f && amax < INFINITY)) {
        memset(q, 0, 32);
        *d = amax < 1 ? 0.0f : NAN;
        *ds = *d * 0.0f;
        *isum = isum16[0] = isum16[1] = 0;
        return;
    }
    const __m256 inv = _mm256_set1_ps(127.0f / amax);
    const __m256i q01 = _mm256_packs_epi32(to_int(x0, inv), to_int(x1, inv));
    const __m256i q23 = _mm256_packs_epi32(to_int(x2, inv), to_int(x3, inv));
    /* packs works in halves: quads come out as 0 2 4 6 1 3 5 7 */
    const __m256i v = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(q01, q23),
                                                  _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)q, v);
    const __m256i s16 = _mm256_maddubs_epi16(_mm256_set1_epi8(1), v);
    const __m256i s32 = _mm256_madd_epi16(s16, _mm256_set1_epi16(1));
    const __m128i h = _mm_hadd_epi32(_mm256_castsi256_si128(s32), _mm256_extracti128_si256(s32, 1));
    const __m128i s = _mm_hadd_epi32(h, h);
    isum16[0] = _mm_cvtsi128_si32(s);
    isum16[1] = _mm_extract_epi32(s, 1);
    *isum = isum16[0] + isum16[1];
    *d = amax / 127.0f;
    *ds = *d * (float)*isum;
}

void OA__TIER(oa__quantize)(const oa__acts *out, const float *x, size_t x_stride, size_t n_tokens)
{
    const size_t nb = out->k / 32;
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t b = 0; b < nb; b++) {
            const size_t i = t * nb + b;
            block(x + t * x_stride + 32 * b, out->q + 32 * i, out->d + i, out->ds + i,
                  out->isum + i, out->isum16 + 2 * i);
        }
}
