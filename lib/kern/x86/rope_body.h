/* SPDX-License-Identifier: Apache-2.0 */
/* Rotations, included by elem_*.c. The AVX2 registers serve all x86 tiers here. */
#include "kern/x86/x86.h"

static void rope_neox(float *x, const float *cs, size_t half)
{
    size_t i = 0;
    for (; i + 8 <= half; i += 8) {
        /* cos and sin of eight pairs, apart: shuffle takes them per half, the permute orders */
        const __m256 p = _mm256_loadu_ps(cs + 2 * i), q = _mm256_loadu_ps(cs + 2 * i + 8);
        const __m256 c = _mm256_castpd_ps(
            _mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(p, q, 0x88)), 0xd8));
        const __m256 s = _mm256_castpd_ps(
            _mm256_permute4x64_pd(_mm256_castps_pd(_mm256_shuffle_ps(p, q, 0xdd)), 0xd8));
        const __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + half + i);
        _mm256_storeu_ps(x + i, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(x + half + i, _mm256_fmadd_ps(a, s, _mm256_mul_ps(b, c)));
    }
    for (; i < half; i++) {
        const float a = x[i], b = x[i + half], c = cs[2 * i], s = cs[2 * i + 1];
        x[i] = fmaf(a, c, -(b * s));
        x[i + half] = fmaf(a, s, b * c);
    }
}

static void rope_pairs(float *x, const float *cs, size_t half)
{
    size_t i = 0;
    for (; i + 4 <= half; i += 4) {
        /* even lanes: fmaf(a, c, -(b s)); odd lanes: fmaf(a, s, b c) */
        const __m256 v = _mm256_loadu_ps(x + 2 * i), t = _mm256_loadu_ps(cs + 2 * i);
        const __m256 a = _mm256_moveldup_ps(v), b = _mm256_movehdup_ps(v);
        const __m256 sc = _mm256_permute_ps(t, 0xb1);
        _mm256_storeu_ps(x + 2 * i, _mm256_fmaddsub_ps(a, t, _mm256_mul_ps(b, sc)));
    }
    for (; i < half; i++) {
        const float a = x[2 * i], b = x[2 * i + 1], c = cs[2 * i], s = cs[2 * i + 1];
        x[2 * i] = fmaf(a, c, -(b * s));
        x[2 * i + 1] = fmaf(a, s, b * c);
    }
}

void OA__TIER(oa__rope)(float *x, const float *cs, size_t n_heads, size_t d_head, size_t d_rot,
                        bool neox)
{
    for (size_t h = 0; h < n_heads; h++, x += d_head)
        if (neox)
            rope_neox(x, cs, d_rot / 2);
        else
            rope_pairs(x, cs, d_rot / 2);
}
