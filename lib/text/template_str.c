/* SPDX-License-Identifier: Apache-2.0 */
/* Methods of strings. */
#include "text/template_method.h"

#include <string.h>

/* The part [start, stop) of a string that search methods take, in code points with Python's
 * rules. *from is the byte where it begins. False when start lies behind the end. */
static int search_part(tmpl *t, const char *what, tstr *s, tval start, tval stop, tstr *part,
                       size_t *from, bool *inside)
{
    int64_t a, b, n = (int64_t)oa__tmpl_str_len(s);
    if (start.type == T_NONE) start = oa__tmpl_missing();
    if (stop.type == T_NONE) stop = oa__tmpl_missing();
    OA__TRY(oa__tmpl_want_int(t, what, start, 0, &a));
    OA__TRY(oa__tmpl_want_int(t, what, stop, n, &b));
    OA__TRY(oa__tmpl_charge(t, s->len / 64));
    if (a < 0) a = a < -n ? 0 : a + n;
    if (b < 0) b = b < -n ? 0 : b + n;
    if (b > n) b = n;
    *inside = a <= b;
    *from = oa__tmpl_str_offset(t, s, (size_t)a);
    size_t end = *inside ? oa__tmpl_str_offset(t, s, (size_t)b) : *from;
    *part = (tstr){.s = s->s + *from, .len = end - *from, .n_cp = SIZE_MAX};
    return OA_OK;
}

/* --- strings: case, classes, stripping -------------------------------------------------------- */

#define CASE_METHOD(name, how)                                                                     \
    static int s_##name(tmpl *t, tval self, const tcall *call, tval *out)                          \
    {                                                                                              \
        OA__TRY(oa__tmpl_no_args(t, #name, call));                                                 \
        return oa__tmpl_case(t, self.u.s, how, out);                                               \
    }
CASE_METHOD(upper, CASE_UPPER)
CASE_METHOD(lower, CASE_LOWER)
CASE_METHOD(title, CASE_TITLE)
CASE_METHOD(capitalize, CASE_CAPITAL)
CASE_METHOD(swapcase, CASE_SWAP)
CASE_METHOD(casefold, CASE_FOLD)

#define CLASS_METHOD(name, which)                                                                  \
    static int s_##name(tmpl *t, tval self, const tcall *call, tval *out)                          \
    {                                                                                              \
        OA__TRY(oa__tmpl_no_args(t, #name, call));                                                 \
        OA__TRY(oa__tmpl_charge(t, self.u.s->len / 16));                                           \
        *out = oa__tmpl_bool(oa__tmpl_is_class(self.u.s, which));                                  \
        return OA_OK;                                                                              \
    }
CLASS_METHOD(isalpha, CLASS_ALPHA)
CLASS_METHOD(isdigit, CLASS_DIGIT)
CLASS_METHOD(isdecimal, CLASS_DECIMAL)
CLASS_METHOD(isnumeric, CLASS_NUMERIC)
CLASS_METHOD(isalnum, CLASS_ALNUM)
CLASS_METHOD(isspace, CLASS_SPACE)
CLASS_METHOD(islower, CLASS_LOWER)
CLASS_METHOD(isupper, CLASS_UPPER)
CLASS_METHOD(istitle, CLASS_TITLE)
CLASS_METHOD(isascii, CLASS_ASCII)
CLASS_METHOD(isprintable, CLASS_PRINTABLE)
CLASS_METHOD(isidentifier, CLASS_IDENTIFIER)

static int strip(tmpl *t, const char *what, tval self, const tcall *call, int sides, tval *out)
{
    tval a[1] = {{0}};
    OA__TRY(oa__tmpl_positional(t, what, call, 0, 1, a));
    const tstr *chars = NULL;
    if (a[0].type != T_MISSING && a[0].type != T_NONE) {
        OA__TRY(oa__tmpl_want_str(t, what, a[0]));
        chars = a[0].u.s;
    }
    return oa__tmpl_strip(t, self.u.s, chars, sides, out);
}

static int s_strip(tmpl *t, tval self, const tcall *call, tval *out)
{
    return strip(t, "strip", self, call, 3, out);
}

static int s_lstrip(tmpl *t, tval self, const tcall *call, tval *out)
{
    return strip(t, "lstrip", self, call, 1, out);
}

static int s_rstrip(tmpl *t, tval self, const tcall *call, tval *out)
{
    return strip(t, "rstrip", self, call, 2, out);
}

static bool has_prefix(const tstr *s, const tstr *p)
{
    return p->len <= s->len && memcmp(s->s, p->s, p->len) == 0;
}

static bool has_suffix(const tstr *s, const tstr *p)
{
    return p->len <= s->len && memcmp(s->s + s->len - p->len, p->s, p->len) == 0;
}

static int affix(tmpl *t, const char *what, tval self, const tcall *call, bool end, tval *out)
{
    tval a[3] = {{0}};
    tstr part;
    size_t from;
    bool inside;
    OA__TRY(oa__tmpl_positional(t, what, call, 1, 3, a));
    if (a[0].type != T_TUPLE) OA__TRY(oa__tmpl_want_str(t, what, a[0]));
    OA__TRY(search_part(t, what, self.u.s, a[1], a[2], &part, &from, &inside));
    size_t n = a[0].type == T_TUPLE ? a[0].u.l->len : 1;
    *out = oa__tmpl_bool(false);
    for (size_t i = 0; i < n; i++) {
        tval one = a[0].type == T_TUPLE ? a[0].u.l->items[i] : a[0];
        OA__TRY(oa__tmpl_want_str(t, what, one));
        OA__TRY(oa__tmpl_charge(t, 1 + one.u.s->len / 64));
        if (inside && (end ? has_suffix(&part, one.u.s) : has_prefix(&part, one.u.s))) {
            *out = oa__tmpl_bool(true);
            return OA_OK;
        }
    }
    return OA_OK;
}

static int s_startswith(tmpl *t, tval self, const tcall *call, tval *out)
{
    return affix(t, "startswith", self, call, false, out);
}

static int s_endswith(tmpl *t, tval self, const tcall *call, tval *out)
{
    return affix(t, "endswith", self, call, true, out);
}

static int s_removeprefix(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[1] = {{0}};
    OA__TRY(oa__tmpl_positional(t, "removeprefix", call, 1, 1, a));
    OA__TRY(oa__tmpl_want_str(t, "removeprefix", a[0]));
    const tstr *s = self.u.s;
    size_t cut = has_prefix(s, a[0].u.s) ? a[0].u.s->len : 0;
    return oa__tmpl_str(t, s->s + cut, s->len - cut, out);
}

static int s_removesuffix(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[1] = {{0}};
    OA__TRY(oa__tmpl_positional(t, "removesuffix", call, 1, 1, a));
    OA__TRY(oa__tmpl_want_str(t, "removesuffix", a[0]));
    const tstr *s = self.u.s;
    return oa__tmpl_str(t, s->s, s->len - (has_suffix(s, a[0].u.s) ? a[0].u.s->len : 0), out);
}

/* --- strings: searching and splitting --------------------------------------------------------- */

static size_t find_last(const tstr *s, const tstr *needle)
{
    if (needle->len == 0) return s->len;
    if (needle->len > s->len) return SIZE_MAX;
    for (size_t i = s->len - needle->len + 1; i-- > 0;) {
        if (s->s[i] == needle->s[0] && memcmp(s->s + i, needle->s, needle->len) == 0) return i;
    }
    return SIZE_MAX;
}

static int find(tmpl *t, const char *what, tval self, const tcall *call, bool last, bool must,
                tval *out)
{
    tval a[3] = {{0}};
    tstr part;
    size_t from;
    bool inside;
    OA__TRY(oa__tmpl_positional(t, what, call, 1, 3, a));
    OA__TRY(oa__tmpl_want_str(t, what, a[0]));
    OA__TRY(search_part(t, what, self.u.s, a[1], a[2], &part, &from, &inside));
    size_t at = SIZE_MAX;
    if (last) OA__TRY(oa__tmpl_charge(t, part.len / 16 * (1 + a[0].u.s->len / 64)));
    if (inside) at = last ? find_last(&part, a[0].u.s) : oa__tmpl_find(&part, a[0].u.s, 0);
    if (at == SIZE_MAX && must) return oa__tmpl_fail(t, "substring not found");
    tstr before = {.s = self.u.s->s, .len = from + at, .n_cp = SIZE_MAX};
    *out = oa__tmpl_int(at == SIZE_MAX ? -1 : (int64_t)oa__tmpl_str_len(&before));
    return OA_OK;
}

static int s_find(tmpl *t, tval self, const tcall *call, tval *out)
{
    return find(t, "find", self, call, false, false, out);
}

static int s_rfind(tmpl *t, tval self, const tcall *call, tval *out)
{
    return find(t, "rfind", self, call, true, false, out);
}

static int s_index(tmpl *t, tval self, const tcall *call, tval *out)
{
    return find(t, "index", self, call, false, true, out);
}

static int s_rindex(tmpl *t, tval self, const tcall *call, tval *out)
{
    return find(t, "rindex", self, call, true, true, out);
}

static int s_count(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[3] = {{0}};
    tstr part;
    size_t from, n = 0;
    bool inside;
    OA__TRY(oa__tmpl_positional(t, "count", call, 1, 3, a));
    OA__TRY(oa__tmpl_want_str(t, "count", a[0]));
    OA__TRY(search_part(t, "count", self.u.s, a[1], a[2], &part, &from, &inside));
    if (inside && a[0].u.s->len == 0) n = oa__tmpl_str_len(&part) + 1;
    for (size_t at = 0; inside && a[0].u.s->len > 0; n++) {
        at = oa__tmpl_find(&part, a[0].u.s, at);
        if (at == SIZE_MAX) break;
        at += a[0].u.s->len;
    }
    *out = oa__tmpl_int((int64_t)n);
    return OA_OK;
}

static int add_part(tmpl *t, tvec *v, const char *s, size_t len)
{
    tval one;
    OA__TRY(oa__tmpl_str(t, s, len, &one));
    return oa__tmpl_vec_add(t, v, one);
}

/* split() without separator: at runs of white space. From the right, parts come in reverse. */
static int split_space(tmpl *t, const tstr *s, int64_t max, bool right, tvec *v)
{
    tval rest;
    OA__TRY(oa__tmpl_strip(t, s, NULL, right ? 2 : 1, &rest));
    const char *p = rest.u.s->s;
    size_t a = 0, b = rest.u.s->len;
    OA__TRY(oa__tmpl_charge(t, b / 16));
    while (a < b) {
        size_t i = right ? b : a;
        uint32_t cp;
        if (max-- == 0) { /* the last part keeps its inner blanks */
            tstr tail = {.s = p + a, .len = b - a, .n_cp = SIZE_MAX};
            OA__TRY(oa__tmpl_strip(t, &tail, NULL, right ? 2 : 1, &rest));
            return oa__tmpl_vec_add(t, v, rest);
        }
        if (right) {
            while (i > a) {
                size_t q = i - 1;
                while (q > a && ((unsigned char)p[q] & 0xC0) == 0x80)
                    q--;
                oa__utf8_decode(p + q, b - q, &cp);
                if (oa__tmpl_is_space(cp)) break;
                i = q;
            }
            OA__TRY(add_part(t, v, p + i, b - i));
            tstr head = {.s = p + a, .len = i - a, .n_cp = SIZE_MAX};
            OA__TRY(oa__tmpl_strip(t, &head, NULL, 2, &rest));
            b = a + rest.u.s->len;
            continue;
        }
        for (size_t n; i < b; i += n) {
            n = oa__utf8_decode(p + i, b - i, &cp);
            if (oa__tmpl_is_space(cp)) break;
        }
        OA__TRY(add_part(t, v, p + a, i - a));
        for (size_t n; i < b; i += n) {
            n = oa__utf8_decode(p + i, b - i, &cp);
            if (!oa__tmpl_is_space(cp)) break;
        }
        a = i;
    }
    return OA_OK;
}

static int split_at(tmpl *t, const tstr *s, const tstr *sep, int64_t max, bool right, tvec *v)
{
    size_t a = 0, b = s->len;
    OA__TRY(oa__tmpl_charge(t, s->len / 16));
    if (right) OA__TRY(oa__tmpl_charge(t, s->len / 16 * (sep->len / 64)));
    while (max-- != 0) {
        tstr part = {.s = s->s + a, .len = b - a, .n_cp = SIZE_MAX};
        size_t at = right ? find_last(&part, sep) : oa__tmpl_find(&part, sep, 0);
        if (at == SIZE_MAX) break;
        if (right) {
            OA__TRY(add_part(t, v, part.s + at + sep->len, part.len - at - sep->len));
            b = a + at;
        } else {
            OA__TRY(add_part(t, v, part.s, at));
            a += at + sep->len;
        }
    }
    return add_part(t, v, s->s + a, b - a);
}

static int split(tmpl *t, const char *what, tval self, const tcall *call, bool right, tval *out)
{
    static const char *const names[] = {"sep", "maxsplit", NULL};
    tval a[2] = {{0}};
    int64_t max;
    tvec v = {0};
    OA__TRY(oa__tmpl_bind(t, what, call, names, 0, a));
    OA__TRY(oa__tmpl_want_int(t, what, a[1], -1, &max));
    if (max < 0) max = -1;
    if (a[0].type == T_MISSING || a[0].type == T_NONE) {
        OA__TRY(split_space(t, self.u.s, max, right, &v));
    } else {
        OA__TRY(oa__tmpl_want_str(t, what, a[0]));
        if (a[0].u.s->len == 0) return oa__tmpl_fail(t, "empty separator");
        OA__TRY(split_at(t, self.u.s, a[0].u.s, max, right, &v));
    }
    for (size_t i = 0; right && i < v.len / 2; i++) {
        tval swap = v.items[i];
        v.items[i] = v.items[v.len - 1 - i];
        v.items[v.len - 1 - i] = swap;
    }
    return oa__tmpl_vec_done(t, T_LIST, &v, out);
}

static int s_split(tmpl *t, tval self, const tcall *call, tval *out)
{
    return split(t, "split", self, call, false, out);
}

static int s_rsplit(tmpl *t, tval self, const tcall *call, tval *out)
{
    return split(t, "rsplit", self, call, true, out);
}

static int s_splitlines(tmpl *t, tval self, const tcall *call, tval *out)
{
    static const char *const names[] = {"keepends", NULL};
    tval a[1] = {{0}};
    int64_t keep;
    OA__TRY(oa__tmpl_bind(t, "splitlines", call, names, 0, a));
    OA__TRY(oa__tmpl_want_int(t, "splitlines", a[0], 0, &keep));
    return oa__tmpl_splitlines(t, self.u.s, keep != 0, out);
}

static int partition(tmpl *t, const char *what, tval self, const tcall *call, bool right, tval *out)
{
    tval a[1] = {{0}};
    OA__TRY(oa__tmpl_positional(t, what, call, 1, 1, a));
    OA__TRY(oa__tmpl_want_str(t, what, a[0]));
    const tstr *s = self.u.s, *sep = a[0].u.s;
    if (sep->len == 0) return oa__tmpl_fail(t, "empty separator");
    OA__TRY(oa__tmpl_charge(t, s->len / 16 * (right ? 1 + sep->len / 64 : 1)));
    size_t at = right ? find_last(s, sep) : oa__tmpl_find(s, sep, 0);
    OA__TRY(oa__tmpl_list(t, T_TUPLE, 3, out));
    tval *v = out->u.l->items;
    for (int i = 0; i < 3; i++)
        OA__TRY(oa__tmpl_str(t, "", 0, &v[i]));
    if (at == SIZE_MAX) {
        v[right ? 2 : 0] = self;
        return OA_OK;
    }
    OA__TRY(oa__tmpl_str(t, s->s, at, &v[0]));
    v[1] = a[0];
    return oa__tmpl_str(t, s->s + at + sep->len, s->len - at - sep->len, &v[2]);
}

static int s_partition(tmpl *t, tval self, const tcall *call, tval *out)
{
    return partition(t, "partition", self, call, false, out);
}

static int s_rpartition(tmpl *t, tval self, const tcall *call, tval *out)
{
    return partition(t, "rpartition", self, call, true, out);
}

/* --- strings: making new ones ----------------------------------------------------------------- */

static int s_replace(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[3] = {{0}};
    int64_t count;
    OA__TRY(oa__tmpl_positional(t, "replace", call, 2, 3, a));
    OA__TRY(oa__tmpl_want_str(t, "replace", a[0]));
    OA__TRY(oa__tmpl_want_str(t, "replace", a[1]));
    OA__TRY(oa__tmpl_want_int(t, "replace", a[2], -1, &count));
    return oa__tmpl_replace(t, self.u.s, a[0].u.s, a[1].u.s, count, out);
}

static int s_join(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[1] = {{0}}, item;
    titer *it;
    tout o = {0};
    OA__TRY(oa__tmpl_positional(t, "join", call, 1, 1, a));
    OA__TRY(oa__tmpl_iter(t, a[0], &it));
    for (size_t n = 0;; n++) {
        OA__TRY(oa__tmpl_next(t, it, &item));
        if (item.type == T_MISSING) return oa__tmpl_str_out(t, &o, out);
        if (item.type != T_STR) {
            return oa__tmpl_fail(t, "sequence item %zu: expected str instance, %s found", n,
                                 oa__tmpl_type_name(item.type));
        }
        if (n > 0) OA__TRY(oa__tmpl_out_add(t, &o, self.u.s->s, self.u.s->len));
        OA__TRY(oa__tmpl_out_add(t, &o, item.u.s->s, item.u.s->len));
    }
}

/* where: -1 text left, 0 centre, 1 text right */
static int justify(tmpl *t, const char *what, tval self, const tcall *call, int where, tval *out)
{
    tval a[2] = {{0}}, fill, left;
    int64_t width;
    OA__TRY(oa__tmpl_positional(t, what, call, 1, 2, a));
    OA__TRY(oa__tmpl_want_int(t, what, a[0], 0, &width));
    fill = a[1];
    if (fill.type == T_MISSING) OA__TRY(oa__tmpl_str_z(t, " ", &fill));
    OA__TRY(oa__tmpl_want_str(t, what, fill));
    if (oa__tmpl_str_len(fill.u.s) != 1) {
        return oa__tmpl_fail(t, "the fill character must be exactly one character long");
    }
    int64_t n = (int64_t)oa__tmpl_str_len(self.u.s), pad = width - n;
    *out = self;
    if (pad <= 0) return OA_OK;
    int64_t before = where < 0 ? 0 : where > 0 ? pad : pad / 2 + (pad & width & 1);
    OA__TRY(oa__tmpl_repeat(t, fill, before, &left));
    OA__TRY(oa__tmpl_repeat(t, fill, pad - before, &fill));
    tout o = {0};
    OA__TRY(oa__tmpl_out_add(t, &o, left.u.s->s, left.u.s->len));
    OA__TRY(oa__tmpl_out_add(t, &o, self.u.s->s, self.u.s->len));
    OA__TRY(oa__tmpl_out_add(t, &o, fill.u.s->s, fill.u.s->len));
    return oa__tmpl_str_out(t, &o, out);
}

static int s_center(tmpl *t, tval self, const tcall *call, tval *out)
{
    return justify(t, "center", self, call, 0, out);
}

static int s_ljust(tmpl *t, tval self, const tcall *call, tval *out)
{
    return justify(t, "ljust", self, call, -1, out);
}

static int s_rjust(tmpl *t, tval self, const tcall *call, tval *out)
{
    return justify(t, "rjust", self, call, 1, out);
}

static int s_zfill(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[1] = {{0}}, zeros;
    int64_t width;
    OA__TRY(oa__tmpl_positional(t, "zfill", call, 1, 1, a));
    OA__TRY(oa__tmpl_want_int(t, "zfill", a[0], 0, &width));
    const tstr *s = self.u.s;
    int64_t pad = width - (int64_t)oa__tmpl_str_len(self.u.s);
    *out = self;
    if (pad <= 0) return OA_OK;
    OA__TRY(oa__tmpl_str_z(t, "0", &zeros));
    OA__TRY(oa__tmpl_repeat(t, zeros, pad, &zeros));
    size_t sign = s->len > 0 && (s->s[0] == '+' || s->s[0] == '-');
    tout o = {0};
    OA__TRY(oa__tmpl_out_add(t, &o, s->s, sign));
    OA__TRY(oa__tmpl_out_add(t, &o, zeros.u.s->s, zeros.u.s->len));
    OA__TRY(oa__tmpl_out_add(t, &o, s->s + sign, s->len - sign));
    return oa__tmpl_str_out(t, &o, out);
}

static int s_expandtabs(tmpl *t, tval self, const tcall *call, tval *out)
{
    static const char *const names[] = {"tabsize", NULL};
    tval a[1] = {{0}};
    int64_t size, col = 0;
    tout o = {0};
    OA__TRY(oa__tmpl_bind(t, "expandtabs", call, names, 0, a));
    OA__TRY(oa__tmpl_want_int(t, "expandtabs", a[0], 8, &size));
    for (size_t i = 0; i < self.u.s->len;) {
        uint32_t cp;
        size_t n = oa__utf8_decode(self.u.s->s + i, self.u.s->len - i, &cp);
        if (cp == '\t') {
            for (int64_t k = size > 0 ? size - col % size : 0; k > 0; k--, col++) {
                OA__TRY(oa__tmpl_out_add(t, &o, " ", 1));
            }
        } else {
            OA__TRY(oa__tmpl_out_add(t, &o, self.u.s->s + i, n));
            col = cp == '\n' || cp == '\r' ? 0 : col + 1;
        }
        OA__TRY(oa__tmpl_charge(t, 1));
        i += n;
    }
    return oa__tmpl_str_out(t, &o, out);
}

static int s_format(tmpl *t, tval self, const tcall *call, tval *out)
{
    return oa__tmpl_str_format(t, self.u.s, call, out);
}

static int s_format_map(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[1] = {{0}};
    OA__TRY(oa__tmpl_positional(t, "format_map", call, 1, 1, a));
    if (a[0].type != T_DICT) return oa__tmpl_fail(t, "format_map() wants a mapping");
    for (size_t i = 0; i < a[0].u.d->len; i++) { /* arguments have names */
        if (a[0].u.d->ents[i].key.type != T_STR) {
            return oa__tmpl_fail(t, "format_map() wants names as keys");
        }
    }
    const tcall named = {.kw = a[0].u.d};
    return oa__tmpl_str_format(t, self.u.s, &named, out);
}

/* --- the table -------------------------------------------------------------------------------- */

const tmethod_entry oa__tmpl_str_methods[] = {
    {T_STR, "capitalize", s_capitalize},
    {T_STR, "casefold", s_casefold},
    {T_STR, "center", s_center},
    {T_STR, "count", s_count},
    {T_STR, "encode", oa__tmpl_unsupported},
    {T_STR, "endswith", s_endswith},
    {T_STR, "expandtabs", s_expandtabs},
    {T_STR, "find", s_find},
    {T_STR, "format", s_format},
    {T_STR, "format_map", s_format_map},
    {T_STR, "index", s_index},
    {T_STR, "isalnum", s_isalnum},
    {T_STR, "isalpha", s_isalpha},
    {T_STR, "isascii", s_isascii},
    {T_STR, "isdecimal", s_isdecimal},
    {T_STR, "isdigit", s_isdigit},
    {T_STR, "isidentifier", s_isidentifier},
    {T_STR, "islower", s_islower},
    {T_STR, "isnumeric", s_isnumeric},
    {T_STR, "isprintable", s_isprintable},
    {T_STR, "isspace", s_isspace},
    {T_STR, "istitle", s_istitle},
    {T_STR, "isupper", s_isupper},
    {T_STR, "join", s_join},
    {T_STR, "ljust", s_ljust},
    {T_STR, "lower", s_lower},
    {T_STR, "lstrip", s_lstrip},
    {T_STR, "maketrans", oa__tmpl_unsupported},
    {T_STR, "partition", s_partition},
    {T_STR, "removeprefix", s_removeprefix},
    {T_STR, "removesuffix", s_removesuffix},
    {T_STR, "replace", s_replace},
    {T_STR, "rfind", s_rfind},
    {T_STR, "rindex", s_rindex},
    {T_STR, "rjust", s_rjust},
    {T_STR, "rpartition", s_rpartition},
    {T_STR, "rsplit", s_rsplit},
    {T_STR, "rstrip", s_rstrip},
    {T_STR, "split", s_split},
    {T_STR, "splitlines", s_splitlines},
    {T_STR, "startswith", s_startswith},
    {T_STR, "strip", s_strip},
    {T_STR, "swapcase", s_swapcase},
    {T_STR, "title", s_title},
    {T_STR, "translate", oa__tmpl_unsupported},
    {T_STR, "upper", s_upper},
    {T_STR, "zfill", s_zfill},
    {0, NULL, NULL},
};
