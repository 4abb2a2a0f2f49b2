/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as Unicode 15 defines it: table 3-7 (well-formed sequences) and, for what is broken, the
 * practice of "maximal subparts" of section 3.9. */
#include "base/base_priv.h"

/* Length that a lead byte announces and the range of the byte after it; 0 = no lead byte. */
static size_t lead(uint8_t b, uint8_t *lo, uint8_t *hi)
{
    *lo = 0x80;
    *hi = 0xbf;
    if (b < 0x80) return 1;
    if (b < 0xc2) return 0;
    if (b < 0xe0) return 2;
    if (b < 0xf0) {
        if (b == 0xe0) *lo = 0xa0;
        if (b == 0xed) *hi = 0x9f; /* no surrogates */
        return 3;
    }
    if (b < 0xf5) {
        if (b == 0xf0) *lo = 0x90;
        if (b == 0xf4) *hi = 0x8f;
        return 4;
    }
    return 0;
}

/* Bytes of text that are a well-formed beginning; *want gets the announced length (0: none). */
static size_t match(const char *text, size_t len, size_t *want)
{
    uint8_t lo, hi;
    *want = lead((uint8_t)text[0], &lo, &hi);
    if (*want == 0) return 0;
    size_t n = 1;
    while (n < *want && n < len && (uint8_t)text[n] >= lo && (uint8_t)text[n] <= hi) {
        lo = 0x80;
        hi = 0xbf;
        n++;
    }
    return n;
}

size_t oa__utf8_decode(const char *text, size_t len, uint32_t *cp)
{
    static const uint8_t lead_mask[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t want, n = match(text, len, &want);
    if (want == 0 || n < want) {
        *cp = 0xfffd;
        return n ? n : 1;
    }
    uint32_t value = (uint8_t)text[0] & lead_mask[want];
    for (size_t i = 1; i < want; i++)
        value = value << 6 | ((uint8_t)text[i] & 0x3f);
    *cp = value;
    return want;
}

size_t oa__utf8_encode(uint32_t cp, char out[4])
{
    if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) cp = 0xfffd;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)(cp | (n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u));
    return n;
}

bool oa__utf8_valid(const char *text, size_t len)
{
    size_t i = 0, want;
    while (i < len) {
        size_t n = match(text + i, len - i, &want);
        if (want == 0 || n < want) return false;
        i += n;
    }
    return true;
}

size_t oa__utf8_incomplete_tail(const char *text, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        size_t want, n = match(text + len - back, back, &want);
        if (want == 0) continue; /* a continuation byte: its lead is further left */
        return n == back && n < want ? back : 0;
    }
    return 0;
}
