/* SPDX-License-Identifier: Apache-2.0 */
/* Strings as Python sees them: classes of characters, case, stripping, searching, numbers. */
#include "text/template_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

/* --- classes ---------------------------------------------------------------------------------- */

static utf8proc_category_t category(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp);
}

bool oa__tmpl_is_space(uint32_t cp)
{
    if (cp < 128) return cp == ' ' || (cp >= 9 && cp <= 13) || (cp >= 0x1C && cp <= 0x1F);
    return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) ||
           cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

bool oa__tmpl_is_printable(uint32_t cp)
{
    if (cp < 128) return cp >= 32 && cp < 127;
    switch (category(cp)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    default:
        return true;
    }
}

static bool is_alpha(uint32_t cp)
{
    if (cp < 128) return (cp | 32) >= 'a' && (cp | 32) <= 'z';
    utf8proc_category_t c = category(cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

static bool is_decimal(uint32_t cp)
{
    if (cp < 128) return cp >= '0' && cp <= '9';
    return category(cp) == UTF8PROC_CATEGORY_ND;
}

/* Superscripts and circled digits count as digits in Python, though not as decimals. */
static bool is_digit(uint32_t cp)
{
    if (is_decimal(cp)) return true;
    return cp == 0xB2 || cp == 0xB3 || cp == 0xB9 || (cp >= 0x1369 && cp <= 0x1371) ||
           cp == 0x19DA || cp == 0x2070 || (cp >= 0x2074 && cp <= 0x2079) ||
           (cp >= 0x2080 && cp <= 0x2089) || (cp >= 0x2460 && cp <= 0x2468) ||
           (cp >= 0x2474 && cp <= 0x247C) || (cp >= 0x2488 && cp <= 0x2490) || cp == 0x24EA ||
           (cp >= 0x24F5 && cp <= 0x24FD) || cp == 0x24FF || (cp >= 0x2776 && cp <= 0x277E) ||
           (cp >= 0x2780 && cp <= 0x2788) || (cp >= 0x278A && cp <= 0x2792) ||
           (cp >= 0x10A40 && cp <= 0x10A43) || (cp >= 0x10E60 && cp <= 0x10E68) ||
           (cp >= 0x11052 && cp <= 0x1105A) || (cp >= 0x1F100 && cp <= 0x1F10A);
}

/* Without the ideographs that Python takes for numbers: they are letters here and no more. */
static bool is_numeric(uint32_t cp)
{
    utf8proc_category_t c = category(cp);
    return is_digit(cp) || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_NO;
}

static bool in_ranges(uint32_t cp, const uint32_t (*ranges)[2], size_t n)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (cp > ranges[mid][1]) {
            lo = mid + 1;
        } else if (cp < ranges[mid][0]) {
            hi = mid;
        } else {
            return true;
        }
    }
    return false;
}

static bool is_upper(uint32_t cp)
{
    if (cp < 128) return cp >= 'A' && cp <= 'Z';
    return category(cp) == UTF8PROC_CATEGORY_LU ||
           in_ranges(cp, oa__tmpl_other_upper, oa__tmpl_n_other_upper);
}

static bool is_lower(uint32_t cp)
{
    if (cp < 128) return cp >= 'a' && cp <= 'z';
    return category(cp) == UTF8PROC_CATEGORY_LL ||
           in_ranges(cp, oa__tmpl_other_lower, oa__tmpl_n_other_lower);
}

static bool is_title(uint32_t cp)
{
    return cp >= 128 && category(cp) == UTF8PROC_CATEGORY_LT;
}

static bool is_cased(uint32_t cp)
{
    return is_upper(cp) || is_lower(cp) || is_title(cp);
}

bool oa__tmpl_is_word(uint32_t cp)
{
    return cp == '_' || is_alpha(cp) || is_numeric(cp);
}

static bool in_class(uint32_t cp, enum tclass c, size_t at)
{
    switch (c) {
    case CLASS_ALPHA:
        return is_alpha(cp);
    case CLASS_DIGIT:
        return is_digit(cp);
    case CLASS_DECIMAL:
        return is_decimal(cp);
    case CLASS_NUMERIC:
        return is_numeric(cp);
    case CLASS_ALNUM:
        return is_alpha(cp) || is_numeric(cp);
    case CLASS_SPACE:
        return oa__tmpl_is_space(cp);
    case CLASS_ASCII:
        return cp < 128;
    case CLASS_PRINTABLE:
        return oa__tmpl_is_printable(cp);
    default: { /* CLASS_IDENTIFIER */
        if (cp == '_' || is_alpha(cp) || category(cp) == UTF8PROC_CATEGORY_NL) return true;
        if (at == 0) return false;
        utf8proc_category_t k = category(cp);
        return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_MN ||
               k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_PC;
    }
    }
}

/* Lower, upper and title need one cased character and no wrong one. */
static bool in_case(const tstr *s, enum tclass c)
{
    bool found = false, before = false;
    for (size_t i = 0; i < s->len;) {
        uint32_t cp;
        i += oa__utf8_decode(s->s + i, s->len - i, &cp);
        bool title = is_title(cp), up = title || is_upper(cp), low = !up && is_lower(cp);
        if ((c == CLASS_LOWER && up) || (c == CLASS_UPPER && (low || title))) return false;
        if (c == CLASS_TITLE && ((up && before) || (low && !before))) return false;
        found = found || up || low;
        before = up || low;
    }
    return found;
}

bool oa__tmpl_is_class(const tstr *s, enum tclass c)
{
    if (c == CLASS_LOWER || c == CLASS_UPPER || c == CLASS_TITLE) return in_case(s, c);
    if (s->len == 0) return c == CLASS_ASCII || c == CLASS_PRINTABLE;
    for (size_t i = 0; i < s->len;) {
        uint32_t cp;
        size_t n = oa__utf8_decode(s->s + i, s->len - i, &cp);
        if (!in_class(cp, c, i)) return false;
        i += n;
    }
    return true;
}

/* --- case ------------------------------------------------------------------------------------- */

static int add_cp(tmpl *t, tout *o, uint32_t cp)
{
    char buf[4];
    return oa__tmpl_out_add(t, o, buf, oa__utf8_encode(cp, buf));
}

/* What a character becomes in upper or title case when that is more than one; else NULL. */
static const uint32_t *special_case(uint32_t cp, bool title)
{
    size_t lo = 0, hi = oa__tmpl_n_special_case;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const tspecial *s = &oa__tmpl_special_case[mid];
        if (s->cp == cp) return title ? s->title : s->upper;
        if (s->cp < cp) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

static bool is_case_ignorable(uint32_t cp)
{
    return category(cp) == UTF8PROC_CATEGORY_MN || cp == '\'' || cp == '.' || cp == 0xAD ||
           cp == 0x2019;
}

/* Is the Sigma at byte `at` the last letter of a word? Then its lower case is another one. */
static bool final_sigma(const tstr *s, size_t at)
{
    uint32_t cp;
    size_t i = at;
    bool before = false;
    for (int n = 0; i > 0 && n < 32; n++) {
        i--;
        while (i > 0 && ((unsigned char)s->s[i] & 0xC0) == 0x80)
            i--;
        oa__utf8_decode(s->s + i, s->len - i, &cp);
        if (is_case_ignorable(cp)) continue;
        before = is_cased(cp);
        break;
    }
    if (!before) return false;
    i = at + 2;
    for (int n = 0; i < s->len && n < 32; n++) {
        i += oa__utf8_decode(s->s + i, s->len - i, &cp);
        if (is_case_ignorable(cp)) continue;
        return !is_cased(cp);
    }
    return true;
}

static int add_lower(tmpl *t, tout *o, const tstr *s, size_t at, uint32_t cp)
{
    if (cp == 0x3A3) return add_cp(t, o, final_sigma(s, at) ? 0x3C2 : 0x3C3);
    if (cp == 0x130) {
        OA__TRY(add_cp(t, o, 'i'));
        return add_cp(t, o, 0x307);
    }
    return add_cp(t, o, (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp));
}

static int add_upper(tmpl *t, tout *o, uint32_t cp, bool title)
{
    const uint32_t *special = cp < 128 ? NULL : special_case(cp, title);
    if (special != NULL) {
        for (int i = 0; i < 3 && special[i] != 0; i++)
            OA__TRY(add_cp(t, o, special[i]));
        return OA_OK;
    }
    utf8proc_int32_t c = (utf8proc_int32_t)cp;
    return add_cp(t, o, (uint32_t)(title ? utf8proc_totitle(c) : utf8proc_toupper(c)));
}

static int fold(tmpl *t, const tstr *s, tval *out)
{
    utf8proc_int32_t buf[8];
    int boundclass = 0;
    tout o = {0};
    for (size_t i = 0; i < s->len;) {
        uint32_t cp;
        i += oa__utf8_decode(s->s + i, s->len - i, &cp);
        utf8proc_ssize_t n =
            utf8proc_decompose_char((utf8proc_int32_t)cp, buf, 8, UTF8PROC_CASEFOLD, &boundclass);
        for (utf8proc_ssize_t k = 0; k < n && k < 8; k++)
            OA__TRY(add_cp(t, &o, (uint32_t)buf[k]));
    }
    return oa__tmpl_str_out(t, &o, out);
}

int oa__tmpl_case(tmpl *t, const tstr *s, enum tcase how, tval *out)
{
    if (how == CASE_FOLD) return fold(t, s, out);
    tout o = {0};
    bool begin = true; /* of the string, or of a word for CASE_TITLE */
    OA__TRY(oa__tmpl_charge(t, s->len / 16));
    for (size_t i = 0; i < s->len;) {
        uint32_t cp;
        size_t n = oa__utf8_decode(s->s + i, s->len - i, &cp);
        bool up = is_upper(cp);
        switch (how) {
        case CASE_UPPER:
            OA__TRY(add_upper(t, &o, cp, false));
            break;
        case CASE_LOWER:
            OA__TRY(add_lower(t, &o, s, i, cp));
            break;
        case CASE_SWAP:
            if (up) {
                OA__TRY(add_lower(t, &o, s, i, cp));
            } else {
                OA__TRY(is_lower(cp) ? add_upper(t, &o, cp, false) : add_cp(t, &o, cp));
            }
            break;
        default:
            OA__TRY(begin ? add_upper(t, &o, cp, true) : add_lower(t, &o, s, i, cp));
            break;
        }
        begin = how == CASE_TITLE && !is_cased(cp);
        i += n;
    }
    return oa__tmpl_str_out(t, &o, out);
}

/* --- stripping and searching ------------------------------------------------------------------ */

static bool strips(const tstr *chars, const char *s, size_t n, uint32_t cp)
{
    if (chars == NULL) return oa__tmpl_is_space(cp);
    for (size_t i = 0; i + n <= chars->len; i++) {
        if (memcmp(chars->s + i, s, n) == 0) return true;
    }
    return false;
}

int oa__tmpl_strip(tmpl *t, const tstr *s, const tstr *chars, int sides, tval *out)
{
    size_t a = 0, b = s->len;
    uint32_t cp;
    size_t cost = chars == NULL ? 0 : chars->len;
    if (sides & 1) {
        while (a < b) {
            size_t n = oa__utf8_decode(s->s + a, b - a, &cp);
            if (!strips(chars, s->s + a, n, cp)) break;
            OA__TRY(oa__tmpl_charge(t, cost / 16));
            a += n;
        }
    }
    if (sides & 2) {
        while (b > a) {
            size_t p = b - 1;
            while (p > a && ((unsigned char)s->s[p] & 0xC0) == 0x80)
                p--;
            oa__utf8_decode(s->s + p, b - p, &cp);
            if (!strips(chars, s->s + p, b - p, cp)) break;
            OA__TRY(oa__tmpl_charge(t, cost / 16));
            b = p;
        }
    }
    OA__TRY(oa__tmpl_charge(t, (a + s->len - b) / 64));
    return oa__tmpl_str(t, s->s + a, b - a, out);
}

size_t oa__tmpl_find(const tstr *s, const tstr *needle, size_t from)
{
    if (needle->len == 0) return from <= s->len ? from : SIZE_MAX;
    if (from >= s->len) return SIZE_MAX;
    /* memmem is linear (two-way) in glibc and musl. */
    const char *p = memmem(s->s + from, s->len - from, needle->s, needle->len);
    return p == NULL ? SIZE_MAX : (size_t)(p - s->s);
}

int oa__tmpl_replace(tmpl *t, const tstr *s, const tstr *from, const tstr *to, int64_t count,
                     tval *out)
{
    tout o = {0};
    size_t at = 0;
    if (count < 0) count = INT64_MAX;
    OA__TRY(oa__tmpl_charge(t, s->len / 64));
    if (from->len == 0) { /* between all characters */
        while (count-- > 0) {
            OA__TRY(oa__tmpl_out_add(t, &o, to->s, to->len));
            OA__TRY(oa__tmpl_charge(t, 1));
            if (at >= s->len) break;
            uint32_t cp;
            size_t n = oa__utf8_decode(s->s + at, s->len - at, &cp);
            OA__TRY(oa__tmpl_out_add(t, &o, s->s + at, n));
            at += n;
        }
    } else {
        size_t hit;
        while (count-- > 0 && (hit = oa__tmpl_find(s, from, at)) != SIZE_MAX) {
            OA__TRY(oa__tmpl_out_add(t, &o, s->s + at, hit - at));
            OA__TRY(oa__tmpl_out_add(t, &o, to->s, to->len));
            OA__TRY(oa__tmpl_charge(t, 1));
            at = hit + from->len;
        }
        if (at == 0) return oa__tmpl_str(t, s->s, s->len, out);
    }
    if (at < s->len) OA__TRY(oa__tmpl_out_add(t, &o, s->s + at, s->len - at));
    return oa__tmpl_str_out(t, &o, out);
}

int oa__tmpl_splitlines(tmpl *t, const tstr *s, bool keep_ends, tval *out)
{
    tvec v = {0};
    tval line;
    size_t from = 0;
    OA__TRY(oa__tmpl_charge(t, s->len / 16));
    for (size_t i = 0; i < s->len;) {
        uint32_t cp;
        size_t n = oa__utf8_decode(s->s + i, s->len - i, &cp);
        bool is_end = (cp >= 10 && cp <= 13) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 ||
                      cp == 0x2028 || cp == 0x2029;
        size_t end = i;
        i += n;
        if (!is_end) continue;
        if (cp == '\r' && i < s->len && s->s[i] == '\n') i++;
        OA__TRY(oa__tmpl_str(t, s->s + from, (keep_ends ? i : end) - from, &line));
        OA__TRY(oa__tmpl_vec_add(t, &v, line));
        from = i;
    }
    if (from < s->len) {
        OA__TRY(oa__tmpl_str(t, s->s + from, s->len - from, &line));
        OA__TRY(oa__tmpl_vec_add(t, &v, line));
    }
    return oa__tmpl_vec_done(t, T_LIST, &v, out);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static int digit_of(const char *s, size_t len, size_t *n)
{
    uint32_t cp;
    *n = oa__utf8_decode(s, len, &cp);
    if (cp < 128) {
        if (cp >= '0' && cp <= '9') return (int)cp - '0';
        cp |= 32;
        return cp >= 'a' && cp <= 'z' ? (int)cp - 'a' + 10 : 99;
    }
    if (!is_decimal(cp)) return 99;
    if (cp >= 0x1D7CE && cp <= 0x1D7FF) return (int)(cp - 0x1D7CE) % 10; /* five runs in a row */
    /* Decimal digits come in runs of ten; the run begins where the one before is none. */
    int d = 0;
    while (d < 9 && is_decimal(cp - 1 - (uint32_t)d))
        d++;
    return (int)(d % 10);
}

int oa__tmpl_to_int(tmpl *t, const tstr *s, int base, bool *ok, int64_t *out)
{
    tval stripped;
    *ok = false;
    OA__TRY(oa__tmpl_charge(t, s->len / 16));
    OA__TRY(oa__tmpl_strip(t, s, NULL, 3, &stripped));
    const char *p = stripped.u.s->s;
    size_t len = stripped.u.s->len, i = 0, n;
    bool neg = false, digits = false, under = false;
    if (i < len && (p[i] == '-' || p[i] == '+')) neg = p[i++] == '-';
    if (i + 1 < len && p[i] == '0') {
        char c = (char)(p[i + 1] | 32);
        int b = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
        if (b != 0 && (base == 0 || base == b)) {
            base = b;
            i += 2;
            under = i < len && p[i] == '_';
            if (under) i++;
        }
    }
    bool zero_only = base == 0 && i < len && p[i] == '0';
    if (base == 0) base = 10;
    if (base < 2 || base > 36) return oa__tmpl_fail(t, "int() base must be >= 2 and <= 36, or 0");
    uint64_t v = 0;
    bool too_large = false;
    under = false;
    while (i < len) {
        if (p[i] == '_') {
            if (!digits || under) return OA_OK;
            under = true;
            i++;
            continue;
        }
        int d = digit_of(p + i, len - i, &n);
        if (d >= base || (zero_only && d != 0)) return OA_OK;
        if (v > (UINT64_MAX - (uint64_t)d) / (uint64_t)base) too_large = true;
        v = v * (uint64_t)base + (uint64_t)d;
        digits = true;
        under = false;
        i += n;
    }
    if (!digits || under) return OA_OK;
    if (too_large || v > (uint64_t)INT64_MAX + neg) {
        return oa__tmpl_fail(t, "integer does not fit 64 bits");
    }
    *ok = true;
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return OA_OK;
}

bool oa__tmpl_to_float(tmpl *t, const tstr *s, double *out)
{
    tval v = {0};
    if (oa__tmpl_strip(t, s, NULL, 3, &v) < 0) return false;
    const char *p = v.u.s->s;
    size_t len = v.u.s->len, n = 0, i = 0;
    char buf[512];
    bool neg = false;
    if (i < len && (p[i] == '-' || p[i] == '+')) neg = p[i++] == '-';
    static const struct {
        const char *word;
        double v;
    } words[] = {{"inf", INFINITY}, {"infinity", INFINITY}, {"nan", NAN}};
    for (size_t w = 0; w < OA__ARRAY_LEN(words); w++) {
        if (len - i != strlen(words[w].word)) continue;
        bool same = true;
        for (size_t k = i; k < len; k++)
            same = same && (p[k] | 32) == words[w].word[k - i];
        if (!same) continue;
        *out = neg ? -words[w].v : words[w].v;
        return true;
    }
    if (neg) buf[n++] = '-';
    size_t digits = 0;
    for (bool exponent = false; i < len;) {
        size_t step;
        char c = p[i];
        int d = digit_of(p + i, len - i, &step);
        if (n + 1 >= sizeof buf) return false;
        if (d < 10) {
            buf[n++] = (char)('0' + d);
            digits++;
        } else if (c == '_') { /* only between digits */
            size_t m;
            if (n == 0 || buf[n - 1] < '0' || buf[n - 1] > '9' || p[i - 1] == '_') return false;
            if (i + 1 >= len || digit_of(p + i + 1, len - i - 1, &m) >= 10) return false;
        } else if (c == '.' || c == '+' || c == '-') {
            buf[n++] = c;
        } else if ((c | 32) == 'e' && !exponent && digits > 0) {
            exponent = true;
            buf[n++] = 'e';
        } else {
            return false;
        }
        i += step;
    }
    if (digits == 0) return false;
    /* ".5" and "5." are fine in Python. */
    return oa__parse_f64(buf, n, out) == OA_OK;
}

int oa__tmpl_fixed(tmpl *t, double v, char conv, int prec, bool alt, tout *o)
{
    char fmt[8], buf[512];
    if (isnan(v) || isinf(v)) {
        bool upper = conv >= 'A' && conv <= 'Z';
        const char *word = isnan(v) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
        if (v < 0) OA__TRY(oa__tmpl_out_add(t, o, "-", 1));
        return oa__tmpl_out_add(t, o, word, 3);
    }
    if (prec > 150) return oa__tmpl_fail(t, "precision %d is too large, at most 150", prec);
    snprintf(fmt, sizeof fmt, "%%%s.*%c", alt ? "#" : "", conv);
    int n = snprintf(buf, sizeof buf, fmt, prec, v);
    /* The point is the locale's here; make it a point. */
    for (int i = 0; i < n; i++) {
        char c = buf[i];
        if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == 'e' || c == 'E') {
            OA__TRY(oa__tmpl_out_add(t, o, &c, 1));
        } else {
            OA__TRY(oa__tmpl_out_add(t, o, ".", 1));
            while (i + 1 < n && (buf[i + 1] < '0' || buf[i + 1] > '9') && (buf[i + 1] | 32) != 'e')
                i++;
        }
    }
    return OA_OK;
}
