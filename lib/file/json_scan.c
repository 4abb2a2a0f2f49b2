/* SPDX-License-Identifier: Apache-2.0 */
#include "file/json_scan.h"

#include <string.h>

enum { MAX_DEPTH = 64 };

static int wrong(const oa__json_scan *s, const char *want)
{
    return oa__err(OA_EFORMAT, "%s: at byte %zu of %zu: want %s", s->what,
                   (size_t)(s->at - s->base), (size_t)(s->end - s->base), want);
}

static void skip_space(oa__json_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static int expect(oa__json_scan *s, char c)
{
    const char want[] = {'\'', c, '\'', '\0'};
    skip_space(s);
    if (s->at == s->end || *s->at != c) return wrong(s, want);
    s->at++;
    return OA_OK;
}

int oa__json_enter(oa__json_scan *s, char bracket)
{
    s->first = true;
    return expect(s, bracket);
}

int oa__json_more(oa__json_scan *s, char closing, bool *more)
{
    const bool first = s->first;
    s->first = false;
    skip_space(s);
    *more = !(s->at < s->end && *s->at == closing);
    if (!*more) {
        s->at++;
        return OA_OK;
    }
    return first ? OA_OK : expect(s, ',');
}

static int hex4(oa__json_scan *s, uint32_t *out)
{
    *out = 0;
    if (s->end - s->at < 4) return wrong(s, "four hexadecimal digits");
    for (int i = 0; i < 4; i++, s->at++) {
        const char c = *s->at;
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (uint32_t)((c | 0x20) - 'a' + 10);
        } else {
            return wrong(s, "four hexadecimal digits");
        }
        *out = *out << 4 | digit;
    }
    return OA_OK;
}

static int escape(oa__json_scan *s)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (s->at == s->end) return wrong(s, "an escaped character");
    const char c = *s->at++;
    uint32_t cp, low;
    if (c != 'u') {
        const char *p = c != '\0' ? strchr(from, c) : NULL;
        return p != NULL ? oa__str_add_char(&s->text, to[p - from])
                         : wrong(s, "an escaped character");
    }
    OA__TRY(hex4(s, &cp));
    if (cp >= 0xd800 && cp < 0xdc00) {
        if (s->end - s->at < 2 || s->at[0] != '\\' || s->at[1] != 'u') {
            return wrong(s, "the second half of a surrogate pair");
        }
        s->at += 2;
        OA__TRY(hex4(s, &low));
        if (low < 0xdc00 || low > 0xdfff) return wrong(s, "the second half of a surrogate pair");
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
    } else if (cp == 0 || (cp >= 0xdc00 && cp <= 0xdfff)) {
        return wrong(s, "a character");
    }
    return oa__str_add_utf8(&s->text, cp);
}

int oa__json_string(oa__json_scan *s)
{
    OA__TRY(expect(s, '"'));
    s->text.len = 0;
    OA__TRY(oa__str_add(&s->text, "", 0));
    for (;;) {
        const char *begin = s->at;
        while (s->at < s->end && *s->at != '"' && *s->at != '\\' && (uint8_t)*s->at >= 0x20)
            s->at++;
        OA__TRY(oa__str_add(&s->text, begin, (size_t)(s->at - begin)));
        if (s->at == s->end) return wrong(s, "the end of a string");
        if (*s->at == '"') break;
        if (*s->at != '\\') return wrong(s, "no control character in a string");
        s->at++;
        OA__TRY(escape(s));
    }
    s->at++;
    return oa__utf8_valid(s->text.data, s->text.len) ? OA_OK : wrong(s, "UTF-8 in a string");
}

int oa__json_key(oa__json_scan *s)
{
    OA__TRY(oa__json_string(s));
    return expect(s, ':');
}

int oa__json_u64(oa__json_scan *s, uint64_t *out)
{
    skip_space(s);
    const char *begin = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    const size_t len = (size_t)(s->at - begin);
    const bool more = s->at < s->end && (*s->at == '.' || *s->at == 'e' || *s->at == 'E');
    if (len == 0 || more || (len > 1 && *begin == '0') || oa__parse_u64(begin, len, out) != OA_OK) {
        return wrong(s, "a number without sign or fraction, below 2^64");
    }
    return OA_OK;
}

/* Numbers and words: checked by their letters only, as nobody looks at them. */
static int skip_plain(oa__json_scan *s)
{
    const char *begin = s->at;
    while (s->at < s->end &&
           ((*s->at >= '0' && *s->at <= '9') || (*s->at >= 'a' && *s->at <= 'z') || *s->at == '-' ||
            *s->at == '+' || *s->at == '.' || *s->at == 'E'))
        s->at++;
    return s->at > begin ? OA_OK : wrong(s, "a value");
}

int oa__json_skip(oa__json_scan *s)
{
    char open[MAX_DEPTH];
    size_t depth = 0;
    do {
        bool more = true;
        if (depth > 0) {
            OA__TRY(oa__json_more(s, open[depth - 1], &more));
            if (!more) {
                depth--;
                s->first = false;
                continue;
            }
            if (open[depth - 1] == '}') OA__TRY(oa__json_key(s));
        }
        skip_space(s);
        const char c = s->at < s->end ? *s->at : '\0';
        if (c == '{' || c == '[') {
            if (depth == MAX_DEPTH) return wrong(s, "no deeper nesting");
            open[depth++] = c == '{' ? '}' : ']';
            OA__TRY(oa__json_enter(s, c));
        } else if (c == '"') {
            OA__TRY(oa__json_string(s));
        } else {
            OA__TRY(skip_plain(s));
        }
    } while (depth > 0);
    return OA_OK;
}

int oa__json_finish(oa__json_scan *s)
{
    skip_space(s);
    return s->at == s->end ? OA_OK : wrong(s, "the end");
}
