/* SPDX-License-Identifier: Apache-2.0 */
/* The walls: int8 multiply-adds as the 4-bit tile does them, and reading. */
#include "kern/x86/tile_avx2.h"

uint64_t oa__peak_int8_avx2(uint64_t n)
{
    int32_t v[16];
    __m256i w[2], s[8];
    uint64_t done = 0;
    for (int i = 0; i < 16; i++)
        v[i] = (int32_t)(n * 0x9e3779b9u + (uint64_t)i);
    for (int i = 0; i < 2; i++)
        w[i] = _mm256_set1_epi8((char)(n % 7 + (uint64_t)i));
    for (int i = 0; i < 8; i++)
        s[i] = _mm256_setzero_si256();
    while (done < n) {
        OA__UNROLL
        for (int j = 0; j < 4; j++) {
            const __m256i a = _mm256_set1_epi32(v[done / 256 % 4 * 4 + (uint64_t)j]);
            OA__UNROLL
            for (int i = 0; i < 2; i++)
                s[2 * j + i] = oa__add16(s[2 * j + i], _mm256_maddubs_epi16(w[i], a));
        }
        done += 8 * 32;
    }
    for (int i = 1; i < 8; i++)
        s[0] = _mm256_xor_si256(s[0], s[i]);
    return done + (_mm256_movemask_epi8(s[0]) == 0x12345678);
}

/* Twelve sums: two units, four or five cycles from one sum to the next. */
uint64_t oa__peak_fp32_avx2(uint64_t n)
{
    const __m256 a = _mm256_set1_ps((float)(n % 7 + 1) * 0x1p-20f);
    const __m256 b = _mm256_set1_ps((float)(n % 5 + 1));
    __m256 s[12];
    uint64_t done = 0;
    for (int i = 0; i < 12; i++)
        s[i] = _mm256_set1_ps((float)i);
    for (; done < n; done += 12 * 8) {
        OA__UNROLL
        for (int i = 0; i < 12; i++)
            s[i] = _mm256_fmadd_ps(a, b, s[i]);
    }
    for (int i = 1; i < 12; i++)
        s[0] = _mm256_add_ps(s[0], s[i]);
    return done + (_mm256_movemask_ps(s[0]) != 0);
}

/* Four places at once: one alone is held up by how far ahead processors fetch. */
uint64_t oa__peak_read_avx2(const void *data, size_t size)
{
    const uint8_t *p = data;
    const size_t part = size / 256 * 64;
    __m256i s[4];
    OA__UNROLL
    for (int j = 0; j < 4; j++)
        s[j] = _mm256_setzero_si256();
    for (size_t i = 0; i < part; i += 64) {
        OA__UNROLL
        for (size_t j = 0; j < 4; j++) {
            s[j] = _mm256_add_epi64(s[j], oa__load256(p + j * part + i));
            s[j] = _mm256_add_epi64(s[j], oa__load256(p + j * part + i + 32));
        }
    }
    for (size_t i = 4 * part; i + 32 <= size; i += 32)
        s[0] = _mm256_add_epi64(s[0], oa__load256(p + i));
    uint64_t out[4];
    s[0] = _mm256_add_epi64(_mm256_add_epi64(s[0], s[1]), _mm256_add_epi64(s[2], s[3]));
    _mm256_storeu_si256((__m256i *)(void *)out, s[0]);
    return out[0] + out[1] + out[2] + out[3];
}
