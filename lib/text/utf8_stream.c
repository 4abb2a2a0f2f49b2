/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes in, whole characters out. Held back is the beginning of one character, three bytes at
 * most; what turns out to be broken becomes U+FFFD, one per maximal part, so that the sum of all
 * pieces is what decoding the whole at once would give.
 */
#include "text/vocab_priv.h"

static int add_char(oa__str *out, const char *bytes, size_t size, uint32_t cp)
{
    if (cp == 0xfffd) return oa__str_add(out, "\xEF\xBF\xBD", 3);
    return oa__str_add(out, bytes, size);
}

/* Bytes up to the first broken one or the end. */
static size_t valid_prefix(const char *bytes, size_t len)
{
    size_t i = 0;
    while (i < len) {
        uint32_t cp;
        size_t size = oa__utf8_decode(bytes + i, len - i, &cp);
        if (cp == 0xfffd) break;
        i += size;
    }
    return i;
}

int oa__utf8_stream_add(oa__utf8_stream *s, const char *bytes, size_t len, oa__str *out)
{
    oa__utf8_stream old = *s;
    size_t old_len = out->len;
    int rc = OA_OK;
    while (len > 0 && rc >= 0) {
        if (s->n_held == 0) {
            size_t n = valid_prefix(bytes, len);
            if (n > 0) {
                rc = oa__str_add(out, bytes, n);
                bytes += n;
                len -= n;
                continue;
            }
        }
        /* One byte more, until it is a character or cannot become one. */
        s->held[s->n_held++] = *bytes++;
        len--;
        while (s->n_held > 0 && rc >= 0 &&
               oa__utf8_incomplete_tail(s->held, s->n_held) < s->n_held) {
            uint32_t cp;
            size_t size = oa__utf8_decode(s->held, s->n_held, &cp);
            rc = add_char(out, s->held, size, cp);
            s->n_held -= (uint32_t)size;
            memmove(s->held, s->held + size, s->n_held);
        }
    }
    if (rc < 0) { /* as if nothing had been given */
        *s = old;
        out->len = old_len;
        if (out->data) out->data[old_len] = 0;
    }
    return rc;
}

int oa__utf8_stream_end(oa__utf8_stream *s, oa__str *out)
{
    if (s->n_held == 0) return OA_OK;
    OA__TRY(oa__str_add(out, "\xEF\xBF\xBD", 3));
    s->n_held = 0;
    return OA_OK;
}
