/* SPDX-License-Identifier: Apache-2.0 */
/* The walls: int8 multiply-adds as the tiles do them, and reading. */
#include "kern/x86/tile_avx512.h"

uint64_t OA__TIER(oa__peak_int8)(uint64_t n)
{
    int8_t v[64];
    __m512i w[2], s[16];
    uint64_t done = 0;
    for (int i = 0; i < 64; i++)
        v[i] = (int8_t)(n * 7 + (uint64_t)i);
    for (int i = 0; i < 2; i++)
        w[i] = _mm512_set1_epi32((int32_t)(n + (uint64_t)i));
    for (int i = 0; i < 16; i++)
        s[i] = _mm512_set1_epi32(0);
    while (done < n) {
        const int8_t *a = v + done / 1024 % 2 * 32;
        OA__UNROLL
        for (int i = 0; i < 16; i++)
            s[i] = oa__dot(s[i], w[i % 2], a + i / 2 * 4);
        done += 16 * 64;
    }
    for (int i = 1; i < 16; i++)
        s[0] = _mm512_xor_si512(s[0], s[i]);
    int32_t out[16];
    _mm512_storeu_si512(out, s[0]);
    return done + (out[0] == 0x12345678);
}

uint64_t OA__TIER(oa__peak_fp32)(uint64_t n)
{
    const __m512 a = _mm512_set1_ps((float)(n % 7 + 1) * 0x1p-20f);
    const __m512 b = _mm512_set1_ps((float)(n % 5 + 1));
    __m512 s[12];
    uint64_t done = 0;
    for (int i = 0; i < 12; i++)
        s[i] = _mm512_set1_ps((float)i);
    for (; done < n; done += 12 * 16) {
        OA__UNROLL
        for (int i = 0; i < 12; i++)
            s[i] = _mm512_fmadd_ps(a, b, s[i]);
    }
    for (int i = 1; i < 12; i++)
        s[0] = _mm512_add_ps(s[0], s[i]);
    float out[16];
    _mm512_storeu_ps(out, s[0]);
    return done + (out[0] < 0);
}

uint64_t OA__TIER(oa__peak_read)(const void *data, size_t size)
{
    const uint8_t *p = data;
    __m512i s[4];
    size_t i = 0;
    for (int j = 0; j < 4; j++)
        s[j] = _mm512_set1_epi32(0);
    for (; i + 256 <= size; i += 256) {
        OA__UNROLL
        for (int j = 0; j < 4; j++)
            s[j] = _mm512_add_epi64(s[j], oa__load512(p + i + 64 * j));
    }
    for (; i + 64 <= size; i += 64)
        s[0] = _mm512_add_epi64(s[0], oa__load512(p + i));
    uint64_t out[8], sum = 0;
    s[0] = _mm512_add_epi64(_mm512_add_epi64(s[0], s[1]), _mm512_add_epi64(s[2], s[3]));
    _mm512_storeu_si512(out, s[0]);
    for (int j = 0; j < 8; j++)
        sum += out[j];
    return sum;
}
