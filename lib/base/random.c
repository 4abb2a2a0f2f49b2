/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_priv.h"

#include <sys/random.h>

static uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

void oa__random_seed(oa__random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

uint64_t oa__random_u64(oa__random *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double oa__random_f64(oa__random *r)
{
    return (double)(oa__random_u64(r) >> 11) * 0x1p-53;
}

uint64_t oa__random_below(oa__random *r, uint64_t n)
{
    oa__assert(n > 0);
    /* Numbers below 2^64 mod n are drawn again, so that each result has equally many sources. */
    uint64_t reject = (0 - n) % n, x;
    do
        x = oa__random_u64(r);
    while (x < reject);
    return x % n;
}

uint64_t oa__random_os(void)
{
    uint64_t x = 0;
    if (getrandom(&x, sizeof x, GRND_NONBLOCK) == (ssize_t)sizeof x) return x;
    /* Early boot or an old kernel: good enough for a default seed. */
    oa__random r;
    oa__random_seed(&r, oa__clock_ns() ^ oa__clock_wall_s() << 32 ^ (uint64_t)(uintptr_t)&x);
    return oa__random_u64(&r);
}
