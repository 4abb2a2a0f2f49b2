/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unicode's normal forms, over utf8proc's tables.
 *
 * utf8proc's own function sorts combining marks by swapping neighbours, which is quadratic in the
 * length of a run; here a run is counted into place, whatever its length. Two more things differ:
 * the result must not depend on the Unicode version of the library that is installed, and the
 * reference implementation of tokenizers stands at Unicode 9, so what came later (see inert) is
 * left alone; and utf8proc 2.8 swallows a U+11A7 behind a Hangul syllable, so composition is cut
 * in front of it.
 */
#include <string.h>
#include <utf8proc.h>

#include "text/pretoken.h"

bool oa__nfc_is_trivial(const char *text, size_t len)
{
    /* Below U+0300 nothing combines; its first byte is 0xCC. */
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)text[i] >= 0xcc) return false;
    return true;
}

typedef struct chars {
    oa__mem *mem;
    utf8proc_int32_t *data;
    size_t len, cap;
} chars;

/* Code points that got a combining class or a canonical decomposition after Unicode 9, up to 17,
 * and the parts of such decompositions. */
static const utf8proc_int32_t inert[][2] = {
    {0x7fd, 0x7fd},     {0x897, 0x89f},     {0x8ca, 0x8d3},     {0x9fe, 0x9fe},
    {0xc3c, 0xc3c},     {0xd3b, 0xd3c},     {0xeba, 0xeba},     {0x1715, 0x1715},
    {0x1abf, 0x1add},   {0x1ae0, 0x1aeb},   {0x1df6, 0x1dfa},   {0xa82c, 0xa82c},
    {0x105c9, 0x105c9}, {0x105d2, 0x105d2}, {0x105da, 0x105da}, {0x105e4, 0x105e4},
    {0x10d24, 0x10d27}, {0x10d69, 0x10d6d}, {0x10eab, 0x10eac}, {0x10efa, 0x10efb},
    {0x10efd, 0x10eff}, {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070},
    {0x1133b, 0x1133b}, {0x11382, 0x11385}, {0x1138b, 0x1138b}, {0x1138e, 0x1138e},
    {0x11390, 0x11391}, {0x113b8, 0x113b8}, {0x113bb, 0x113bb}, {0x113c2, 0x113c2},
    {0x113c5, 0x113c5}, {0x113c7, 0x113c9}, {0x113ce, 0x113d0}, {0x1145e, 0x1145e},
    {0x11839, 0x1183a}, {0x11930, 0x11930}, {0x11935, 0x11935}, {0x11938, 0x11938},
    {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0}, {0x11a34, 0x11a34},
    {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45},
    {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x1611e, 0x16129}, {0x1612f, 0x1612f},
    {0x16d63, 0x16d63}, {0x16d67, 0x16d6a}, {0x16ff0, 0x16ff1}, {0x1e08f, 0x1e08f},
    {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef},
    {0x1e5ee, 0x1e5ef}, {0x1e6e3, 0x1e6e3}, {0x1e6e6, 0x1e6e6}, {0x1e6ee, 0x1e6ef},
    {0x1e6f5, 0x1e6f5},
};

/* The same for compatibility decompositions. */
static const utf8proc_int32_t inert_compat[][2] = {
    {0x32ff, 0x32ff},   {0xa7f1, 0xa7f4},   {0xab69, 0xab69},   {0x10781, 0x10785},
    {0x10787, 0x107b0}, {0x107b2, 0x107ba}, {0x1ccd6, 0x1ccf9}, {0x1e030, 0x1e06d},
    {0x1f16c, 0x1f16c}, {0x1fbf0, 0x1fbf9},
};

static bool is_in(const utf8proc_int32_t (*ranges)[2], size_t n, utf8proc_int32_t cp)
{
    size_t low = 0, high = n;
    if (cp < ranges[0][0]) return false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > ranges[mid][1]) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < n && cp >= ranges[low][0];
}

static bool is_inert(utf8proc_int32_t cp)
{
    return is_in(inert, OA__ARRAY_LEN(inert), cp);
}

static uint8_t combining_class(utf8proc_int32_t cp)
{
    if (is_inert(cp)) return 0;
    return (uint8_t)utf8proc_get_property(cp)->combining_class;
}

static int decompose(const char *text, size_t len, bool compat, chars *out)
{
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        i += oa__utf8_decode(text + i, len - i, &cp);
        /* No decomposition has over 18 code points. */
        enum { MOST = 32 };
        OA__TRY(
            oa__grow(out->mem, (void **)&out->data, &out->cap, out->len + MOST, sizeof *out->data));
        int boundary = 0, options = UTF8PROC_DECOMPOSE | UTF8PROC_STABLE;
        const utf8proc_int32_t c = (utf8proc_int32_t)cp;
        if (compat) options |= UTF8PROC_COMPAT;
        utf8proc_ssize_t n = utf8proc_decompose_char(c, out->data + out->len, MOST,
                                                     (utf8proc_option_t)options, &boundary);
        bool keep = is_inert(c) || (compat && is_in(inert_compat, OA__ARRAY_LEN(inert_compat), c));
        if (n < 0 || n > MOST || keep) {
            out->data[out->len++] = (utf8proc_int32_t)cp;
        } else {
            out->len += (size_t)n;
        }
    }
    return OA_OK;
}

/* Put marks into the order of their classes, equal ones as they stand. Classes are 1 to 254. */
static int sort_run(chars *c, size_t start, size_t end, chars *scratch)
{
    size_t n = end - start;
    if (n < 2) return OA_OK;
    if (n < 32) {
        for (size_t i = start + 1; i < end; i++) {
            utf8proc_int32_t x = c->data[i];
            size_t k = i;
            for (; k > start && combining_class(c->data[k - 1]) > combining_class(x); k--)
                c->data[k] = c->data[k - 1];
            c->data[k] = x;
        }
        return OA_OK;
    }
    OA__TRY(
        oa__grow(scratch->mem, (void **)&scratch->data, &scratch->cap, n, sizeof *scratch->data));
    size_t at[256] = {0};
    for (size_t i = start; i < end; i++)
        at[combining_class(c->data[i])]++;
    size_t sum = 0;
    for (int k = 0; k < 256; k++) {
        size_t count = at[k];
        at[k] = sum;
        sum += count;
    }
    for (size_t i = start; i < end; i++)
        scratch->data[at[combining_class(c->data[i])]++] = c->data[i];
    memcpy(c->data + start, scratch->data, n * sizeof *c->data);
    return OA_OK;
}

static int sort_marks(chars *c, chars *scratch)
{
    for (size_t i = 0; i < c->len;) {
        if (combining_class(c->data[i]) == 0) {
            i++;
            continue;
        }
        size_t start = i;
        while (i < c->len && combining_class(c->data[i]) != 0)
            i++;
        OA__TRY(sort_run(c, start, i, scratch));
    }
    return OA_OK;
}

/* Compose in place between characters that take no part; returns the new length. */
static size_t compose(utf8proc_int32_t *data, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len;) {
        size_t end = i + 1;
        if (!is_inert(data[i]))
            while (end < len && data[end] != 0x11a7 && !is_inert(data[end]))
                end++;
        utf8proc_ssize_t n = utf8proc_normalize_utf32(data + i, (utf8proc_ssize_t)(end - i),
                                                      UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        if (n < 0) n = (utf8proc_ssize_t)(end - i); /* only for bad options */
        memmove(data + out, data + i, (size_t)n * sizeof *data);
        out += (size_t)n;
        i = end;
    }
    return out;
}

int oa__unicode_form(const char *text, size_t len, bool compat, bool composed, oa__str *out)
{
    chars c = {.mem = out->mem}, scratch = {.mem = out->mem};
    int rc;
    OA__TRY_GOTO(decompose(text, len, compat, &c));
    OA__TRY_GOTO(sort_marks(&c, &scratch));
    if (composed) c.len = compose(c.data, c.len);
    for (size_t i = 0; i < c.len; i++)
        OA__TRY_GOTO(oa__str_add_utf8(out, (uint32_t)c.data[i]));
fail:
    oa__free(c.mem, c.data);
    oa__free(scratch.mem, scratch.data);
    return rc;
}

bool oa__nfd_is_trivial(const char *text, size_t len)
{
    /* Below U+00C0 nothing decomposes; its first byte is 0xC3. */
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)text[i] >= 0xc3) return false;
    return true;
}
