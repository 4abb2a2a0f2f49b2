/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unicode normal form C, over utf8proc's tables.
 *
 * utf8proc's own function sorts combining marks by swapping neighbours, which is quadratic in the
 * length of a run; here a run is counted into place, whatever its length.
 */
#include <utf8proc.h>

#include "text/vocab_priv.h"

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

static uint8_t combining_class(utf8proc_int32_t cp)
{
    return (uint8_t)utf8proc_get_property(cp)->combining_class;
}

static int decompose(const char *text, size_t len, chars *out)
{
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        i += oa__utf8_decode(text + i, len - i, &cp);
        /* No canonical decomposition has over four code points. */
        OA__TRY(oa__grow(out->mem, (void **)&out->data, &out->cap, out->len + 16,
                         sizeof *out->data));
        int boundary = 0;
        utf8proc_ssize_t n =
            utf8proc_decompose_char((utf8proc_int32_t)cp, out->data + out->len, 16,
                                    UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &boundary);
        if (n < 0 || n > 16) {
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
    OA__TRY(oa__grow(scratch->mem, (void **)&scratch->data, &scratch->cap, n,
                     sizeof *scratch->data));
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

int oa__nfc(const char *text, size_t len, oa__str *out)
{
    chars c = {.mem = out->mem}, scratch = {.mem = out->mem};
    int rc;
    OA__TRY_GOTO(decompose(text, len, &c));
    OA__TRY_GOTO(sort_marks(&c, &scratch));
    utf8proc_ssize_t n = utf8proc_normalize_utf32(c.data, (utf8proc_ssize_t)c.len,
                                                  UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (n < 0) n = (utf8proc_ssize_t)c.len; /* only for bad options */
    for (utf8proc_ssize_t i = 0; i < n; i++)
        OA__TRY_GOTO(oa__str_add_utf8(out, (uint32_t)c.data[i]));
fail:
    oa__free(c.mem, c.data);
    oa__free(scratch.mem, scratch.data);
    return rc;
}
