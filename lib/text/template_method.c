/* SPDX-License-Identifier: Apache-2.0 */
/* Methods of strings, lists, mappings and the small objects. */
#include "text/template_priv.h"

#include <string.h>

typedef int (*method_fn)(tmpl *t, tval self, const tcall *call, tval *out);

/* --- helpers ------------------------------------------------------------------------------------ */

static int no_args(tmpl *t, const char *what, const tcall *call)
{
    static const char *const names[] = {NULL};
    return oa__tmpl_bind(t, what, call, names, 0, NULL);
}

/* Up to n arguments by position only. */
static int positional(tmpl *t, const char *what, const tcall *call, size_t min, size_t max, tval *a)
{
    if (call->kw != NULL) return oa__tmpl_fail(t, "%s() takes no keyword arguments", what);
    if (call->n_pos < min || call->n_pos > max) {
        return oa__tmpl_fail(t, "%s() got %zu arguments, wants %zu to %zu", what, call->n_pos, min,
                             max);
    }
    for (size_t i = 0; i < max; i++) a[i] = i < call->n_pos ? call->pos[i] : oa__tmpl_missing();
    return OA_OK;
}

static int want_str(tmpl *t, const char *what, tval v)
{
    if (v.type == T_STR) return OA_OK;
    return oa__tmpl_fail(t, "%s() argument must be str, not %s", what, oa__tmpl_type_name(v.type));
}

static int want_int(tmpl *t, const char *what, tval v, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (v.type == T_MISSING) return OA_OK;
    if (!oa__tmpl_is_int(v)) {
        return oa__tmpl_fail(t, "%s() argument must be an integer, not %s", what,
                             oa__tmpl_type_name(v.type));
    }
    *out = v.u.i;
    return OA_OK;
}

/* The part [start, stop) of a string that search methods take, in code points with Python's
 * rules. *from is the byte where it begins. False when start lies behind the end. */
static int search_part(tmpl *t, const char *what, tstr *s, tval start, tval stop, tstr *part,
                       size_t *from, bool *inside)
{
    int64_t a, b, n = (int64_t)oa__tmpl_str_len(s);
    if (start.type == T_NONE) start = oa__tmpl_missing();
    if (stop.type == T_NONE) stop = oa__tmpl_missing();
    OA__TRY(want_int(t, what, start, 0, &a));
    OA__TRY(want_int(t, what, stop, n, &b));
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

/* --- strings: case, classes, stripping ---------------------------------------------------------- */

#define CASE_METHOD(name, how)                                                                     \
    static int s_##name(tmpl *t, tval self, const tcall *call, tval *out)                          \
    {                                                                                              \
        OA__TRY(no_args(t, #name, call));                                                          \
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
        OA__TRY(no_args(t, #name, call));                                                          \
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
    OA__TRY(positional(t, what, call, 0, 1, a));
    const tstr *chars = NULL;
    if (a[0].type != T_MISSING && a[0].type != T_NONE) {
        OA__TRY(want_str(t, what, a[0]));
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
    OA__TRY(positional(t, what, call, 1, 3, a));
    if (a[0].type != T_TUPLE) OA__TRY(want_str(t, what, a[0]));
    OA__TRY(search_part(t, what, self.u.s, a[1], a[2], &part, &from, &inside));
    size_t n = a[0].type == T_TUPLE ? a[0].u.l->len : 1;
    *out = oa__tmpl_bool(false);
    for (size_t i = 0; i < n; i++) {
        tval one = a[0].type == T_TUPLE ? a[0].u.l->items[i] : a[0];
        OA__TRY(want_str(t, what, one));
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
    OA__TRY(positional(t, "removeprefix", call, 1, 1, a));
    OA__TRY(want_str(t, "removeprefix", a[0]));
    const tstr *s = self.u.s;
    size_t cut = has_prefix(s, a[0].u.s) ? a[0].u.s->len : 0;
    return oa__tmpl_str(t, s->s + cut, s->len - cut, out);
}

static int s_removesuffix(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[1] = {{0}};
    OA__TRY(positional(t, "removesuffix", call, 1, 1, a));
    OA__TRY(want_str(t, "removesuffix", a[0]));
    const tstr *s = self.u.s;
    return oa__tmpl_str(t, s->s, s->len - (has_suffix(s, a[0].u.s) ? a[0].u.s->len : 0), out);
}

/* --- strings: searching and splitting ------------------------------------------------------------ */

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
    OA__TRY(positional(t, what, call, 1, 3, a));
    OA__TRY(want_str(t, what, a[0]));
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
    OA__TRY(positional(t, "count", call, 1, 3, a));
    OA__TRY(want_str(t, "count", a[0]));
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
                while (q > a && ((unsigned char)p[q] & 0xC0) == 0x80) q--;
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
    OA__TRY(want_int(t, what, a[1], -1, &max));
    if (max < 0) max = -1;
    if (a[0].type == T_MISSING || a[0].type == T_NONE) {
        OA__TRY(split_space(t, self.u.s, max, right, &v));
    } else {
        OA__TRY(want_str(t, what, a[0]));
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
    OA__TRY(want_int(t, "splitlines", a[0], 0, &keep));
    return oa__tmpl_splitlines(t, self.u.s, keep != 0, out);
}

static int partition(tmpl *t, const char *what, tval self, const tcall *call, bool right, tval *out)
{
    tval a[1] = {{0}};
    OA__TRY(positional(t, what, call, 1, 1, a));
    OA__TRY(want_str(t, what, a[0]));
    const tstr *s = self.u.s, *sep = a[0].u.s;
    if (sep->len == 0) return oa__tmpl_fail(t, "empty separator");
    OA__TRY(oa__tmpl_charge(t, s->len / 16 * (right ? 1 + sep->len / 64 : 1)));
    size_t at = right ? find_last(s, sep) : oa__tmpl_find(s, sep, 0);
    OA__TRY(oa__tmpl_list(t, T_TUPLE, 3, out));
    tval *v = out->u.l->items;
    for (int i = 0; i < 3; i++) OA__TRY(oa__tmpl_str(t, "", 0, &v[i]));
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

/* --- strings: making new ones --------------------------------------------------------------------- */

static int s_replace(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[3] = {{0}};
    int64_t count;
    OA__TRY(positional(t, "replace", call, 2, 3, a));
    OA__TRY(want_str(t, "replace", a[0]));
    OA__TRY(want_str(t, "replace", a[1]));
    OA__TRY(want_int(t, "replace", a[2], -1, &count));
    return oa__tmpl_replace(t, self.u.s, a[0].u.s, a[1].u.s, count, out);
}

static int s_join(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[1] = {{0}}, item;
    titer *it;
    tout o = {0};
    OA__TRY(positional(t, "join", call, 1, 1, a));
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
    OA__TRY(positional(t, what, call, 1, 2, a));
    OA__TRY(want_int(t, what, a[0], 0, &width));
    fill = a[1];
    if (fill.type == T_MISSING) OA__TRY(oa__tmpl_str_z(t, " ", &fill));
    OA__TRY(want_str(t, what, fill));
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
    OA__TRY(positional(t, "zfill", call, 1, 1, a));
    OA__TRY(want_int(t, "zfill", a[0], 0, &width));
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
    OA__TRY(want_int(t, "expandtabs", a[0], 8, &size));
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

/* --- lists ----------------------------------------------------------------------------------------- */

static int l_count(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[1] = {{0}};
    int64_t n = 0;
    bool equal;
    OA__TRY(positional(t, "count", call, 1, 1, a));
    for (size_t i = 0; i < self.u.l->len; i++) {
        OA__TRY(oa__tmpl_equal(t, self.u.l->items[i], a[0], &equal));
        n += equal;
    }
    *out = oa__tmpl_int(n);
    return OA_OK;
}

static int l_index(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[3] = {{0}};
    int64_t from, to, n = (int64_t)self.u.l->len;
    bool equal;
    OA__TRY(positional(t, "index", call, 1, 3, a));
    OA__TRY(want_int(t, "index", a[1], 0, &from));
    OA__TRY(want_int(t, "index", a[2], n, &to));
    if (from < 0) from = from < -n ? 0 : from + n;
    if (to < 0) to = to < -n ? 0 : to + n;
    for (int64_t i = from; i < to && i < n; i++) {
        OA__TRY(oa__tmpl_equal(t, self.u.l->items[i], a[0], &equal));
        if (!equal) continue;
        *out = oa__tmpl_int(i);
        return OA_OK;
    }
    return oa__tmpl_fail(t, "value is not in list");
}

static int l_copy(tmpl *t, tval self, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "copy", call));
    tvec v = {.items = self.u.l->items, .len = self.u.l->len};
    return oa__tmpl_vec_done(t, T_LIST, &v, out);
}

/* --- mappings -------------------------------------------------------------------------------------- */

static int d_get(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[2] = {{0}};
    OA__TRY(positional(t, "get", call, 1, 2, a));
    OA__TRY(oa__tmpl_dict_get(t, self.u.d, a[0], out));
    if (out->type == T_MISSING) *out = a[1].type == T_MISSING ? oa__tmpl_none() : a[1];
    return OA_OK;
}

static int view(tmpl *t, const char *what, tval self, const tcall *call, uint32_t which, tval *out)
{
    OA__TRY(no_args(t, what, call));
    *out = (tval){.type = T_VIEW, .sub = which, .u.d = self.u.d};
    return OA_OK;
}

static int d_keys(tmpl *t, tval self, const tcall *call, tval *out)
{
    return view(t, "keys", self, call, 0, out);
}

static int d_values(tmpl *t, tval self, const tcall *call, tval *out)
{
    return view(t, "values", self, call, 1, out);
}

static int d_items(tmpl *t, tval self, const tcall *call, tval *out)
{
    return view(t, "items", self, call, 2, out);
}

static int d_copy(tmpl *t, tval self, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "copy", call));
    OA__TRY(oa__tmpl_dict(t, out));
    for (size_t i = 0; i < self.u.d->len; i++) {
        OA__TRY(oa__tmpl_dict_set(t, out->u.d, self.u.d->ents[i].key, self.u.d->ents[i].val));
    }
    return OA_OK;
}

/* --- loops and cyclers ------------------------------------------------------------------------------ */

static int loop_cycle(tmpl *t, tval self, const tcall *call, tval *out)
{
    if (call->kw != NULL) return oa__tmpl_fail(t, "cycle() takes no keyword arguments");
    if (call->n_pos == 0) return oa__tmpl_fail(t, "no items for cycling given");
    *out = call->pos[(size_t)self.u.loop->index0 % call->n_pos];
    return OA_OK;
}

static int loop_changed(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval now;
    bool equal = false;
    if (call->kw != NULL) return oa__tmpl_fail(t, "changed() takes no keyword arguments");
    OA__TRY(oa__tmpl_list(t, T_TUPLE, call->n_pos, &now));
    for (size_t i = 0; i < call->n_pos; i++) now.u.l->items[i] = call->pos[i];
    if (self.u.loop->changed.type != T_MISSING) {
        OA__TRY(oa__tmpl_equal(t, self.u.loop->changed, now, &equal));
    }
    if (!equal) self.u.loop->changed = now;
    *out = oa__tmpl_bool(!equal);
    return OA_OK;
}

static int cycler_next(tmpl *t, tval self, const tcall *call, tval *out)
{
    tcycler *c = self.u.cy;
    OA__TRY(no_args(t, "next", call));
    *out = c->items.items[c->pos];
    c->pos = (c->pos + 1) % c->items.len;
    return OA_OK;
}

static int cycler_reset(tmpl *t, tval self, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "reset", call));
    self.u.cy->pos = 0;
    *out = oa__tmpl_none();
    return OA_OK;
}

static int f_is_integer(tmpl *t, tval self, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "is_integer", call));
    double f = self.u.f;
    *out = oa__tmpl_bool(f - f == 0 && (f >= 9e15 || f <= -9e15 || f == (double)(int64_t)f));
    return OA_OK;
}

/* --- the table --------------------------------------------------------------------------------------- */

static int unsupported(tmpl *t, tval self, const tcall *call, tval *out)
{
    (void)call;
    (void)out;
    return oa__tmpl_fail(t, "this method of %s is not supported in chat templates",
                         oa__tmpl_type_name(self.type));
}

/* fn NULL: it would change its object, and the sandbox refuses it. */
static const struct {
    uint8_t type;
    const char *name;
    method_fn fn;
} methods[] = {
    {T_STR, "capitalize", s_capitalize},
    {T_STR, "casefold", s_casefold},
    {T_STR, "center", s_center},
    {T_STR, "count", s_count},
    {T_STR, "encode", unsupported},
    {T_STR, "endswith", s_endswith},
    {T_STR, "expandtabs", s_expandtabs},
    {T_STR, "find", s_find},
    {T_STR, "format", s_format},
    {T_STR, "format_map", unsupported},
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
    {T_STR, "maketrans", unsupported},
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
    {T_STR, "translate", unsupported},
    {T_STR, "upper", s_upper},
    {T_STR, "zfill", s_zfill},
    {T_LIST, "append", NULL},
    {T_LIST, "clear", NULL},
    {T_LIST, "copy", l_copy},
    {T_LIST, "count", l_count},
    {T_LIST, "extend", NULL},
    {T_LIST, "index", l_index},
    {T_LIST, "insert", NULL},
    {T_LIST, "pop", NULL},
    {T_LIST, "remove", NULL},
    {T_LIST, "reverse", NULL},
    {T_LIST, "sort", NULL},
    {T_TUPLE, "count", l_count},
    {T_TUPLE, "index", l_index},
    {T_DICT, "clear", NULL},
    {T_DICT, "copy", d_copy},
    {T_DICT, "fromkeys", unsupported},
    {T_DICT, "get", d_get},
    {T_DICT, "items", d_items},
    {T_DICT, "keys", d_keys},
    {T_DICT, "pop", NULL},
    {T_DICT, "popitem", NULL},
    {T_DICT, "setdefault", NULL},
    {T_DICT, "update", NULL},
    {T_DICT, "values", d_values},
    {T_RANGE, "count", unsupported},
    {T_RANGE, "index", unsupported},
    {T_VIEW, "isdisjoint", unsupported},
    {T_VIEW, "mapping", unsupported},
    {T_ITER, "close", unsupported},
    {T_ITER, "send", unsupported},
    {T_ITER, "throw", unsupported},
    {T_LOOP, "cycle", loop_cycle},
    {T_LOOP, "changed", loop_changed},
    {T_CYCLER, "next", cycler_next},
    {T_CYCLER, "reset", cycler_reset},
    {T_FLOAT, "is_integer", f_is_integer},
    {T_FLOAT, "as_integer_ratio", unsupported},
    {T_FLOAT, "conjugate", unsupported},
    {T_FLOAT, "fromhex", unsupported},
    {T_FLOAT, "hex", unsupported},
    {T_INT, "as_integer_ratio", unsupported},
    {T_INT, "bit_count", unsupported},
    {T_INT, "bit_length", unsupported},
    {T_INT, "conjugate", unsupported},
    {T_INT, "from_bytes", unsupported},
    {T_INT, "to_bytes", unsupported},
};

int oa__tmpl_method_find(uint8_t type, const tstr *name)
{
    if (type == T_BOOL) type = T_INT;
    for (size_t i = 0; i < OA__ARRAY_LEN(methods); i++) {
        if (methods[i].type == type && strlen(methods[i].name) == name->len &&
            memcmp(methods[i].name, name->s, name->len) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const char *oa__tmpl_method_name(int id)
{
    return methods[id].name;
}

bool oa__tmpl_method_unsafe(int id)
{
    return methods[id].fn == NULL;
}

int oa__tmpl_method_call(tmpl *t, int id, tval self, const tcall *call, tval *out)
{
    OA__TRY(oa__tmpl_charge(t, 1));
    OA__TRY(methods[id].fn(t, self, call, out));
    if (self.type != T_STR || !self.flag) return OA_OK;
    /* Parts of a safe text are safe. */
    if (out->type == T_STR) out->flag = 1;
    if (out->type == T_LIST || out->type == T_TUPLE) {
        for (size_t i = 0; i < out->u.l->len; i++) out->u.l->items[i].flag = 1;
    }
    return OA_OK;
}
