/* SPDX-License-Identifier: Apache-2.0 */
/* Loops that do nothing but what the walls are made of, for the bench. */
#include "kern/kern_c.h"

#include <math.h>
#include <string.h>

uint64_t oa__peak_int8_c(uint64_t n)
{
    /* Eight sums, so that they do not wait for each other; the data depend on n. */
    int16_t a[64], b[64];
    uint64_t done = 0, seed = n | 1;
    int32_t sum[8] = {0};
    for (size_t i = 0; i < 64; i++) {
        a[i] = (int8_t)(seed * (i + 3));
        b[i] = (int8_t)(seed * (i + 7));
    }
    for (; done < n; done += 8 * 64) {
        for (size_t s = 0; s < 8; s++) {
            int32_t v = 0;
            for (size_t i = 0; i < 64; i++)
                v += (int32_t)a[i] * b[i];
            sum[s] = (int32_t)((uint32_t)sum[s] + (uint32_t)v);
        }
        a[done / 512 % 64] = (int16_t)(sum[done / 512 % 8] & 63);
    }
    int32_t all = 0;
    for (size_t s = 0; s < 8; s++)
        all |= sum[s];
    return done + (all == 0x7fffffff);
}

uint64_t oa__peak_fp32_c(uint64_t n)
{
    float sum[16] = {0}, all = 0;
    uint64_t done = 0;
    const float a = (float)(n % 7 + 1) * 0x1p-20f;
    for (; done < n; done += 16)
        for (size_t i = 0; i < 16; i++)
            sum[i] = fmaf(a, (float)(i + 1), sum[i]);
    for (size_t i = 0; i < 16; i++)
        all += sum[i];
    return done + (all < 0);
}

uint64_t oa__peak_read_c(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint64_t s[8] = {0};
    for (size_t i = 0; i + 64 <= size; i += 64) {
        uint64_t v[8];
        memcpy(v, p + i, 64);
        for (size_t j = 0; j < 8; j++)
            s[j] += v[j];
    }
    return s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
}
