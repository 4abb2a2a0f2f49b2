/* SPDX-License-Identifier: Apache-2.0 */
/* Formatting: "..." % values, str.format(), strftime. */
#include "text/template_priv.h"

#include <math.h>
#include <string.h>

/* --- numbers with a width --------------------------------------------------------------------- */

typedef struct spec {
    char fill[4]; /* one character */
    uint8_t fill_len;
    char align; /* '<' '>' '^' '=' or 0 */
    char sign;  /* '-' '+' ' ' */
    bool alt;
    char group; /* ',' '_' or 0 */
    int64_t width;
    int prec;  /* -1 = none */
    char type; /* 0 = none */
} spec;

static int pad(tmpl *t, tout *o, const spec *f, int64_t n)
{
    if (n > 0) OA__TRY(oa__tmpl_charge(t, (uint64_t)n / 16));
    for (; n > 0; n--)
        OA__TRY(oa__tmpl_out_add(t, o, f->fill, f->fill_len));
    return OA_OK;
}

/* prefix (sign, 0x) and body in the field; `align` is what is used when the spec has none. */
static int add_field(tmpl *t, tout *o, const spec *f, const char *prefix, const tout *body,
                     char align)
{
    tstr s = {.s = body->data, .len = body->len, .n_cp = SIZE_MAX};
    int64_t room = f->width - (int64_t)strlen(prefix) - (int64_t)oa__tmpl_str_len(&s);
    if (room < 0) room = 0;
    if (f->align != 0) align = f->align;
    int64_t before = align == '>' ? room : align == '^' ? room / 2 : 0;
    OA__TRY(pad(t, o, f, before));
    OA__TRY(oa__tmpl_out_add(t, o, prefix, strlen(prefix)));
    if (align == '=') OA__TRY(pad(t, o, f, room));
    OA__TRY(oa__tmpl_out_add(t, o, body->data, body->len));
    return align == '=' ? OA_OK : pad(t, o, f, room - before);
}

static int add_uint(tmpl *t, tout *o, uint64_t v, unsigned base, bool upper, int min_digits)
{
    char buf[200];
    size_t at = sizeof buf;
    if (min_digits > 190) return oa__tmpl_fail(t, "precision is too large");
    do {
        buf[--at] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
        v /= base;
    } while (v > 0);
    while ((int)(sizeof buf - at) < min_digits)
        buf[--at] = '0';
    return oa__tmpl_out_add(t, o, buf + at, sizeof buf - at);
}

/* Put separators into the digits before the point. */
static int group_digits(tmpl *t, const tout *in, char sep, int size, tout *o)
{
    size_t n = 0;
    while (n < in->len && ((in->data[n] >= '0' && in->data[n] <= '9') ||
                           ((in->data[n] | 32) >= 'a' && (in->data[n] | 32) <= 'f' && size == 4))) {
        n++;
    }
    for (size_t i = 0; i < in->len; i++) {
        if (i > 0 && i < n && (n - i) % (size_t)size == 0) OA__TRY(oa__tmpl_out_add(t, o, &sep, 1));
        OA__TRY(oa__tmpl_out_add(t, o, &in->data[i], 1));
    }
    return OA_OK;
}

/* --- "%d" % x --------------------------------------------------------------------------------- */

typedef struct percent {
    tmpl *t;
    tout o;
    tval args; /* tuple, mapping or a single value */
    size_t next;
    bool used_map;
} percent;

static int next_arg(percent *p, tval *out)
{
    if (p->args.type == T_TUPLE) {
        if (p->next >= p->args.u.l->len) {
            return oa__tmpl_fail(p->t, "not enough arguments for format string");
        }
        *out = p->args.u.l->items[p->next++];
        return OA_OK;
    }
    if (p->next++ > 0) return oa__tmpl_fail(p->t, "not enough arguments for format string");
    *out = p->args;
    return OA_OK;
}

static int star(percent *p, int64_t *out)
{
    tval v = oa__tmpl_none();
    OA__TRY(next_arg(p, &v));
    if (!oa__tmpl_is_int(v)) return oa__tmpl_fail(p->t, "* wants int");
    *out = v.u.i;
    return OA_OK;
}

static int64_t read_number(const tstr *s, size_t *i)
{
    int64_t n = 0;
    for (; *i < s->len && s->s[*i] >= '0' && s->s[*i] <= '9'; ++*i) {
        if (n < 100000000) n = n * 10 + (s->s[*i] - '0');
    }
    return n;
}

static int percent_int(percent *p, const spec *f, tval v, char conv)
{
    tout body = {0};
    char prefix[4] = "";
    size_t n = 0;
    if (v.type == T_UNDEF) return oa__tmpl_undef_fail(p->t, v);
    bool dec = conv == 'd' || conv == 'i' || conv == 'u';
    if (v.type == T_FLOAT && dec) {
        if (!(v.u.f > -9.2e18 && v.u.f < 9.2e18)) return oa__tmpl_fail(p->t, "number too large");
        v = oa__tmpl_int((int64_t)v.u.f);
    }
    if (!oa__tmpl_is_int(v)) {
        return oa__tmpl_fail(p->t, "%%%c format: a number is required, not %s", conv,
                             oa__tmpl_type_name(v.type));
    }
    uint64_t mag = v.u.i < 0 ? 0 - (uint64_t)v.u.i : (uint64_t)v.u.i;
    if (v.u.i < 0) {
        prefix[n++] = '-';
    } else if (f->sign != '-') {
        prefix[n++] = f->sign;
    }
    unsigned base = dec ? 10 : conv == 'o' ? 8 : 16;
    if (f->alt && base != 10) {
        prefix[n++] = '0';
        prefix[n++] = conv;
    }
    prefix[n] = '\0';
    OA__TRY(add_uint(p->t, &body, mag, base, conv == 'X', f->prec));
    return add_field(p->t, &p->o, f, prefix, &body, '>');
}

static int percent_float(percent *p, const spec *f, tval v, char conv)
{
    tout body = {0};
    if (v.type == T_UNDEF) return oa__tmpl_undef_fail(p->t, v);
    if (!oa__tmpl_is_number(v)) {
        return oa__tmpl_fail(p->t, "must be real number, not %s", oa__tmpl_type_name(v.type));
    }
    double d = v.type == T_FLOAT ? v.u.f : (double)v.u.i;
    bool neg = signbit(d) && !isnan(d);
    OA__TRY(oa__tmpl_fixed(p->t, neg ? -d : d, conv, f->prec < 0 ? 6 : f->prec, f->alt, &body));
    char sign[2] = {neg ? '-' : f->sign == '-' ? '\0' : f->sign, '\0'};
    return add_field(p->t, &p->o, f, sign, &body, '>');
}

static int percent_one(percent *p, const tstr *s, size_t *i)
{
    spec f = {.fill = " ", .fill_len = 1, .sign = '-', .prec = -1};
    tval v = oa__tmpl_missing();
    bool left = false, zero = false;
    if (*i < s->len && s->s[*i] == '(') {
        size_t from = ++*i, depth = 1;
        while (*i < s->len && depth > 0) {
            if (s->s[*i] == '(') depth++;
            if (s->s[*i] == ')') depth--;
            ++*i;
        }
        if (depth > 0) return oa__tmpl_fail(p->t, "incomplete format key");
        if (p->args.type != T_DICT) return oa__tmpl_fail(p->t, "format requires a mapping");
        tval key;
        OA__TRY(oa__tmpl_str(p->t, s->s + from, *i - 1 - from, &key));
        OA__TRY(oa__tmpl_dict_get(p->t, p->args.u.d, key, &v));
        if (v.type == T_MISSING) return oa__tmpl_fail(p->t, "format: no such key");
        p->used_map = true;
    }
    for (; *i < s->len && s->s[*i] != '\0' && strchr("-+ #0", s->s[*i]) != NULL; ++*i) {
        char c = s->s[*i];
        if (c == '-') left = true;
        if (c == '0') zero = true;
        if (c == '#') f.alt = true;
        if (c == '+' || (c == ' ' && f.sign == '-')) f.sign = c;
    }
    if (*i < s->len && s->s[*i] == '*') {
        ++*i;
        OA__TRY(star(p, &f.width));
        if (f.width < 0) {
            left = true;
            f.width = -(f.width + 1) + 1;
        }
    } else {
        f.width = read_number(s, i);
    }
    if (*i < s->len && s->s[*i] == '.') {
        int64_t n;
        ++*i;
        if (*i < s->len && s->s[*i] == '*') {
            ++*i;
            OA__TRY(star(p, &n));
        } else {
            n = read_number(s, i);
        }
        f.prec = n < 0 ? 0 : n > 1000000 ? 1000000 : (int)n;
    }
    if (f.width > 1000000) return oa__tmpl_limit(p->t, "format width is too large");
    while (*i < s->len && (s->s[*i] == 'l' || s->s[*i] == 'h' || s->s[*i] == 'L'))
        ++*i;
    if (*i >= s->len) return oa__tmpl_fail(p->t, "incomplete format");
    char conv = s->s[(*i)++];
    if (conv == '%') return oa__tmpl_out_add(p->t, &p->o, "%", 1);
    if (conv == '\0' || strchr("diuoxXeEfFgGcrsa", conv) == NULL) {
        return oa__tmpl_fail(p->t, "unsupported format character");
    }
    if (v.type == T_MISSING) OA__TRY(next_arg(p, &v));
    tout body = {0};
    f.align = left ? '<' : '>';
    if (strchr("diuoxX", conv) != NULL || strchr("eEfFgG", conv) != NULL) {
        if (zero && !left) {
            f.align = '=';
            f.fill[0] = '0';
        }
        return strchr("diuoxX", conv) != NULL ? percent_int(p, &f, v, conv)
                                              : percent_float(p, &f, v, conv);
    }
    if (conv == 'c') {
        char u[4];
        if (v.type == T_STR && oa__tmpl_str_len(v.u.s) == 1) {
            OA__TRY(oa__tmpl_out_add(p->t, &body, v.u.s->s, v.u.s->len));
        } else if (oa__tmpl_is_int(v) && v.u.i >= 0 && v.u.i < 0x110000 &&
                   !(v.u.i >= 0xD800 && v.u.i < 0xE000)) {
            OA__TRY(oa__tmpl_out_add(p->t, &body, u, oa__utf8_encode((uint32_t)v.u.i, u)));
        } else {
            return oa__tmpl_fail(p->t, "%%c requires int or char");
        }
        f.prec = -1;
    } else if (conv == 'a') {
        return oa__tmpl_fail(p->t, "%%a is not supported");
    } else if (conv == 's') {
        OA__TRY(oa__tmpl_add_str(p->t, &body, v));
    } else {
        OA__TRY(oa__tmpl_add_repr(p->t, &body, v));
    }
    if (f.prec >= 0) {
        tstr cut = {.s = body.data, .len = body.len, .n_cp = SIZE_MAX};
        body.len = oa__tmpl_str_offset(p->t, &cut, (size_t)f.prec);
    }
    return add_field(p->t, &p->o, &f, "", &body, '>');
}

int oa__tmpl_percent(tmpl *t, tval fmt, tval args, tval *out)
{
    percent p = {.t = t, .args = args};
    const tstr *s = fmt.u.s;
    for (size_t i = 0; i < s->len;) {
        const char *hit = memchr(s->s + i, '%', s->len - i);
        size_t end = hit == NULL ? s->len : (size_t)(hit - s->s);
        OA__TRY(oa__tmpl_out_add(t, &p.o, s->s + i, end - i));
        OA__TRY(oa__tmpl_charge(t, 1));
        i = end + 1;
        if (hit != NULL) OA__TRY(percent_one(&p, s, &i));
    }
    /* Left-over arguments are an error, except a mapping or list that was not asked for. */
    bool left = args.type == T_TUPLE ? p.next < args.u.l->len
                                     : p.next == 0 && args.type != T_DICT && args.type != T_LIST &&
                                           args.type != T_UNDEF && args.type != T_RANGE;
    if (left && !p.used_map) {
        return oa__tmpl_fail(t, "not all arguments converted during string formatting");
    }
    return oa__tmpl_str_out(t, &p.o, out);
}

/* --- str.format ------------------------------------------------------------------------------- */

static int parse_spec(tmpl *t, const tstr *s, spec *f)
{
    size_t i = 0;
    uint32_t cp;
    *f = (spec){.fill = " ", .fill_len = 1, .sign = '-', .prec = -1};
    if (s->len > 0) {
        size_t n = oa__utf8_decode(s->s, s->len, &cp);
        if (n < s->len && s->s[n] != '\0' && strchr("<>^=", s->s[n]) != NULL) {
            memcpy(f->fill, s->s, n);
            f->fill_len = (uint8_t)n;
            f->align = s->s[n];
            i = n + 1;
        } else if (s->s[0] != '\0' && strchr("<>^=", s->s[0]) != NULL) {
            f->align = s->s[0];
            i = 1;
        }
    }
    if (i < s->len && (s->s[i] == '+' || s->s[i] == '-' || s->s[i] == ' ')) f->sign = s->s[i++];
    if (i < s->len && s->s[i] == '#') {
        f->alt = true;
        i++;
    }
    if (i < s->len && s->s[i] == '0') {
        if (f->align == 0) {
            f->align = '=';
            f->fill[0] = '0';
            f->fill_len = 1;
        }
        i++;
    }
    f->width = read_number(s, &i);
    if (i < s->len && (s->s[i] == ',' || s->s[i] == '_')) f->group = s->s[i++];
    if (i < s->len && s->s[i] == '.') {
        size_t from = ++i;
        int64_t n = read_number(s, &i);
        if (i == from) return oa__tmpl_fail(t, "format specifier missing precision");
        f->prec = n > 1000000 ? 1000000 : (int)n;
    }
    if (i < s->len) f->type = s->s[i++];
    if (i < s->len) return oa__tmpl_fail(t, "invalid format specifier");
    if (f->width > 1000000) return oa__tmpl_limit(t, "format width is too large");
    return OA_OK;
}

static int format_number(tmpl *t, tout *o, const spec *f, tval v)
{
    tout body = {0}, grouped = {0};
    char prefix[4] = "", type = f->type;
    size_t n = 0;
    bool neg;
    unsigned base = 10;
    if (v.type == T_FLOAT || (type != 0 && strchr("eEfFgG%", type) != NULL)) {
        double d = v.type == T_FLOAT ? v.u.f : (double)v.u.i;
        neg = signbit(d) && !isnan(d);
        d = neg ? -d : d;
        if (type == 0 && f->prec < 0) {
            char buf[32];
            OA__TRY(oa__tmpl_out_add(t, &body, buf, oa__format_f64(d, true, buf)));
        } else if (type == 0 || type == 'n') {
            return oa__tmpl_fail(t, "this format specifier is not supported");
        } else if (type == '%') {
            OA__TRY(oa__tmpl_fixed(t, d * 100, 'f', f->prec < 0 ? 6 : f->prec, f->alt, &body));
            OA__TRY(oa__tmpl_out_add(t, &body, "%", 1));
        } else if (strchr("eEfFgG", type) != NULL) {
            OA__TRY(oa__tmpl_fixed(t, d, type, f->prec < 0 ? 6 : f->prec, f->alt, &body));
        } else {
            return oa__tmpl_fail(t, "unknown format code for float");
        }
    } else {
        if (f->prec >= 0) return oa__tmpl_fail(t, "precision not allowed in integer format");
        neg = v.u.i < 0;
        uint64_t mag = neg ? 0 - (uint64_t)v.u.i : (uint64_t)v.u.i;
        base = type == 'b' ? 2 : type == 'o' ? 8 : (type | 32) == 'x' ? 16 : 10;
        if (type != 0 && strchr("dboxX", type) == NULL) {
            return oa__tmpl_fail(t, "this format code is not supported for integers");
        }
        if (base != 10 && f->group == ',') return oa__tmpl_fail(t, "cannot specify ',' here");
        OA__TRY(add_uint(t, &body, mag, base, type == 'X', 1));
    }
    if (neg) {
        prefix[n++] = '-';
    } else if (f->sign != '-') {
        prefix[n++] = f->sign;
    }
    if (f->alt && base != 10) {
        prefix[n++] = '0';
        prefix[n++] = type;
    }
    prefix[n] = '\0';
    if (f->group == 0) return add_field(t, o, f, prefix, &body, '>');
    if (f->align == '=' && f->fill[0] == '0' && f->width > 0) {
        return oa__tmpl_fail(t, "zero padding with separators is not supported");
    }
    OA__TRY(group_digits(t, &body, f->group, base == 10 ? 3 : 4, &grouped));
    return add_field(t, o, f, prefix, &grouped, '>');
}

static int format_value(tmpl *t, tout *o, const tstr *text, tval v)
{
    spec f;
    tout body = {0};
    if (text->len == 0) return oa__tmpl_add_str(t, o, v);
    OA__TRY(parse_spec(t, text, &f));
    if (v.type == T_BOOL && f.type == 0) v.type = T_INT; /* format(True, "5") is "    1" */
    if (oa__tmpl_is_number(v)) return format_number(t, o, &f, v);
    if (v.type != T_STR) {
        return oa__tmpl_fail(t, "unsupported format string passed to %s.__format__",
                             oa__tmpl_type_name(v.type));
    }
    if ((f.type != 0 && f.type != 's') || f.sign != '-' || f.alt || f.group != 0 ||
        (f.align == '=' && f.fill[0] != '0')) {
        return oa__tmpl_fail(t, "invalid format specifier for a string");
    }
    if (f.align == '=') f.align = '<';
    body.data = (char *)v.u.s->s;
    body.len = f.prec < 0 ? v.u.s->len : oa__tmpl_str_offset(t, v.u.s, (size_t)f.prec);
    return add_field(t, o, &f, "", &body, '<');
}

typedef struct formatter {
    tmpl *t;
    const tcall *call;
    int64_t next; /* automatic numbering; -1 = by hand */
    bool automatic, manual;
} formatter;

static bool parse_index(const char *s, size_t len, int64_t *out)
{
    return len > 0 && s[0] >= '0' && s[0] <= '9' && oa__parse_i64(s, len, out) == OA_OK;
}

/* "name.attr[key]" */
static int get_field(formatter *x, const tstr *s, tval *out)
{
    tmpl *t = x->t;
    size_t i = 0;
    int64_t n;
    while (i < s->len && s->s[i] != '.' && s->s[i] != '[')
        i++;
    bool digits = parse_index(s->s, i, &n);
    if (i == 0 || digits) {
        if (i == 0) {
            n = x->next++;
            x->automatic = true;
        } else {
            x->manual = true;
        }
        if (x->automatic && x->manual) {
            return oa__tmpl_fail(t, "cannot mix automatic and manual field numbering");
        }
        if (n < 0 || (size_t)n >= x->call->n_pos) {
            return oa__tmpl_fail(t, "replacement index %lld out of range", (long long)n);
        }
        *out = x->call->pos[n];
    } else {
        *out =
            x->call->kw == NULL ? oa__tmpl_missing() : oa__tmpl_dict_get_str(x->call->kw, s->s, i);
        if (out->type == T_MISSING) return oa__tmpl_fail(t, "format: missing named argument");
    }
    while (i < s->len) {
        tval key;
        if (s->s[i] == '.') {
            size_t from = ++i;
            while (i < s->len && s->s[i] != '.' && s->s[i] != '[')
                i++;
            if (i == from) return oa__tmpl_fail(t, "empty attribute in format string");
            OA__TRY(oa__tmpl_str(t, s->s + from, i - from, &key));
            OA__TRY(oa__tmpl_get_attr(t, *out, key, out));
        } else if (s->s[i] == '[') {
            size_t from = ++i;
            while (i < s->len && s->s[i] != ']')
                i++;
            if (i >= s->len || i == from) return oa__tmpl_fail(t, "bad index in format string");
            OA__TRY(oa__tmpl_str(t, s->s + from, i - from, &key));
            if (parse_index(s->s + from, i - from, &n)) key = oa__tmpl_int(n);
            OA__TRY(oa__tmpl_get_item(t, *out, key, out));
            i++;
        } else {
            return oa__tmpl_fail(t, "only '.' or '[' may follow ']' in a format field");
        }
    }
    return OA_OK;
}

static int format_text(formatter *x, const tstr *s, int depth, tout *o);

/* "field!conversion:spec" */
static int format_field(formatter *x, const tstr *s, int depth, tout *o)
{
    tmpl *t = x->t;
    size_t end = 0, brackets = 0;
    char conv = 0;
    tval v = {0};
    tout spec_text = {0};
    while (end < s->len && (brackets > 0 || (s->s[end] != '!' && s->s[end] != ':'))) {
        if (s->s[end] == '[') brackets = 1;
        if (s->s[end] == ']') brackets = 0;
        end++;
    }
    tstr field = {.s = s->s, .len = end, .n_cp = SIZE_MAX}, spec_in = {.s = "", .len = 0};
    if (end < s->len && s->s[end] == '!') {
        if (end + 1 >= s->len) return oa__tmpl_fail(t, "format: conversion expected behind '!'");
        conv = s->s[end + 1];
        end += 2;
        if (end < s->len && s->s[end] != ':') return oa__tmpl_fail(t, "format: expected ':'");
    }
    if (end < s->len) spec_in = (tstr){.s = s->s + end + 1, .len = s->len - end - 1};
    OA__TRY(get_field(x, &field, &v));
    if (conv != 0 && conv != 's' && conv != 'r') {
        return oa__tmpl_fail(t, "format: unknown conversion");
    }
    if (conv != 0) {
        tout c = {0};
        OA__TRY(conv == 's' ? oa__tmpl_add_str(t, &c, v) : oa__tmpl_add_repr(t, &c, v));
        OA__TRY(oa__tmpl_str_out(t, &c, &v));
    }
    OA__TRY(format_text(x, &spec_in, depth + 1, &spec_text));
    tstr text = {
        .s = spec_text.len == 0 ? "" : spec_text.data, .len = spec_text.len, .n_cp = SIZE_MAX};
    return format_value(t, o, &text, v);
}

static int format_text(formatter *x, const tstr *s, int depth, tout *o)
{
    tmpl *t = x->t;
    if (s->len == 0) return OA_OK;
    if (depth > 1) return oa__tmpl_fail(t, "max string recursion exceeded");
    for (size_t i = 0; i < s->len;) {
        char c = s->s[i];
        OA__TRY(oa__tmpl_charge(t, 1));
        if (c != '{' && c != '}') {
            size_t from = i;
            while (i < s->len && s->s[i] != '{' && s->s[i] != '}')
                i++;
            OA__TRY(oa__tmpl_out_add(t, o, s->s + from, i - from));
            continue;
        }
        if (i + 1 < s->len && s->s[i + 1] == c) {
            OA__TRY(oa__tmpl_out_add(t, o, &c, 1));
            i += 2;
            continue;
        }
        if (c == '}') return oa__tmpl_fail(t, "single '}' encountered in format string");
        size_t from = ++i, open = 1;
        while (i < s->len && open > 0) {
            if (s->s[i] == '{') open++;
            if (s->s[i] == '}') open--;
            i++;
        }
        if (open > 0) return oa__tmpl_fail(t, "expected '}' before end of string");
        tstr field = {.s = s->s + from, .len = i - 1 - from, .n_cp = SIZE_MAX};
        OA__TRY(format_field(x, &field, depth, o));
    }
    return OA_OK;
}

int oa__tmpl_str_format(tmpl *t, tstr *fmt, const tcall *call, tval *out)
{
    formatter x = {.t = t, .call = call};
    tout o = {0};
    OA__TRY(format_text(&x, fmt, 0, &o));
    return oa__tmpl_str_out(t, &o, out);
}
