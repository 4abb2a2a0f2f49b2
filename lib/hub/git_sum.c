/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name that git gives to the content of a file: SHA-1 of "blob SIZE", a zero byte, the content.
 * The hub tells it of small files, of which it tells no SHA-256. SHA-1 (FIPS 180-4) does not stop a
 * clever liar; it finds out damage, and mixtures of two versions.
 */
#include "hub/git_sum.h"

#include <stdio.h>
#include <string.h>

static uint32_t roll(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static void add_block(uint32_t h[5], const uint8_t *p)
{
    uint32_t w[80];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 80; i++)
        w[i] = roll(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++) {
        uint32_t f, k;
        if (i < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        } else if (i < 40) {
            f = b ^ c ^ d;
            k = 0x6ed9eba1;
        } else if (i < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        } else {
            f = b ^ c ^ d;
            k = 0xca62c1d6;
        }
        const uint32_t next = roll(a, 5) + f + e + k + w[i];
        e = d;
        d = c;
        c = roll(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void oa__git_sum_begin(oa__git_sum *s, uint64_t size)
{
    char head[32];
    *s = (oa__git_sum){.h = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
    const int len = snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
    oa__git_sum_add(s, head, (size_t)len + 1);
}

void oa__git_sum_add(oa__git_sum *s, const void *data, size_t size)
{
    const uint8_t *p = data;
    while (size > 0) {
        const size_t at = s->size % 64, n = size < 64 - at ? size : 64 - at;
        memcpy(s->block + at, p, n);
        s->size += n;
        if (at + n == 64) add_block(s->h, s->block);
        p += n;
        size -= n;
    }
}

void oa__git_sum_end(oa__git_sum *s, char hex[41])
{
    static const uint8_t end[64] = {0x80};
    static const char digits[] = "0123456789abcdef";
    const uint64_t bits = s->size * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    oa__git_sum_add(s, end, 64 - (s->size + 8) % 64);
    oa__git_sum_add(s, length, 8);
    for (int i = 0; i < 40; i++)
        hex[i] = digits[s->h[i / 8] >> (28 - 4 * (i % 8)) & 15];
    hex[40] = '\0';
}
