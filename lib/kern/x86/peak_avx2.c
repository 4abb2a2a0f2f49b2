/* SPDX-License-Identifier: Apache-2.0 */
/* The walls: int8 multiply-adds as the 4-bit tile does them, and reading. */
#include "kern/x86/tile_avx2.h"

uint64_t oa__peak_int8_avx2(uint64_t n)
{
    const __m256i w = _mm256_set1_epi8((char)(n % 7 + 1));
    __m256i s[10];
    uint64_t done = 0;
    int32_t v = (int32_t)(n | 1);
    for (int i = 0; i < 10; i++)
        s[i] = _mm256_setzero_si256();
    while (done < n) {
        const __m256i a = _mm256_set1_epi32(v);
        OA__UNROLL
        for (int i = 0; i < 10; i++)
            s[i] = _mm256_add_epi16(s[i], _mm256_maddubs_epi16(_mm256_add_epi8(w, s[i]), a));
        v = v * 5 + 1;
        done += 10 * 32;
    }
    for (int i = 1; i < 10; i++)
        s[0] = _mm256_xor_si256(s[0], s[i]);
    return done + (_mm256_movemask_epi8(s[0]) == 0x12345678);
}

uint64_t oa__peak_read_avx2(const void *data, size_t size)
{
    const uint8_t *p = data;
    __m256i s[4];
    size_t i = 0;
    for (int j = 0; j < 4; j++)
        s[j] = _mm256_setzero_si256();
    for (; i + 128 <= size; i += 128)
        OA__UNROLL
        for (int j = 0; j < 4; j++)
            s[j] = _mm256_add_epi64(s[j], oa__load256(p + i + 32 * j));
    for (; i + 32 <= size; i += 32)
        s[0] = _mm256_add_epi64(s[0], oa__load256(p + i));
    uint64_t out[4];
    s[0] = _mm256_add_epi64(_mm256_add_epi64(s[0], s[1]), _mm256_add_epi64(s[2], s[3]));
    _mm256_storeu_si256((__m256i *)(void *)out, s[0]);
    return out[0] + out[1] + out[2] + out[3];
}
