/* SPDX-License-Identifier: Apache-2.0 */
/* Filters over text and numbers, and the look-up of all filters. */
#include "text/template_priv.h"

#include <math.h>
#include <string.h>

static int no_args(tmpl *t, const char *what, const tcall *call)
{
    static const char *const names[] = {NULL};
    return oa__tmpl_bind(t, what, call, names, 0, NULL);
}

static int cased(tmpl *t, const char *what, tval in, const tcall *call, enum tcase how, tval *out)
{
    OA__TRY(no_args(t, what, call));
    uint8_t safe = in.type == T_STR ? in.flag : 0;
    OA__TRY(oa__tmpl_to_str(t, in, &in));
    OA__TRY(oa__tmpl_case(t, in.u.s, how, out));
    out->flag = safe;
    return OA_OK;
}

static int f_upper(tmpl *t, tval in, const tcall *call, tval *out)
{
    return cased(t, "upper", in, call, CASE_UPPER, out);
}

static int f_lower(tmpl *t, tval in, const tcall *call, tval *out)
{
    return cased(t, "lower", in, call, CASE_LOWER, out);
}

static int f_capitalize(tmpl *t, tval in, const tcall *call, tval *out)
{
    return cased(t, "capitalize", in, call, CASE_CAPITAL, out);
}

/* Words begin behind blanks, hyphens and opening brackets. */
static int f_title(tmpl *t, tval in, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "title", call));
    OA__TRY(oa__tmpl_to_str(t, in, &in));
    const tstr *s = in.u.s;
    tout o = {0};
    size_t i = 0;
    while (i < s->len) {
        size_t from = i;
        bool sep = false;
        uint32_t cp;
        for (size_t n; i < s->len; i += n) {
            n = oa__utf8_decode(s->s + i, s->len - i, &cp);
            bool is_sep =
                oa__tmpl_is_space(cp) || (cp > 0 && cp < 128 && strchr("-({[<", (int)cp) != NULL);
            if (i > from && is_sep != sep) break;
            sep = is_sep;
        }
        tval word;
        OA__TRY(oa__tmpl_charge(t, 1));
        size_t first = oa__utf8_decode(s->s + from, s->len - from, &cp);
        tstr head = {.s = s->s + from, .len = first, .n_cp = 1};
        tstr tail = {.s = s->s + from + first, .len = i - from - first, .n_cp = SIZE_MAX};
        OA__TRY(oa__tmpl_case(t, &head, CASE_UPPER, &word));
        OA__TRY(oa__tmpl_out_add(t, &o, word.u.s->s, word.u.s->len));
        OA__TRY(oa__tmpl_case(t, &tail, CASE_LOWER, &word));
        OA__TRY(oa__tmpl_out_add(t, &o, word.u.s->s, word.u.s->len));
    }
    return oa__tmpl_str_out(t, &o, out);
}

static int f_trim(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"chars", NULL};
    tval a[1] = {{0}};
    OA__TRY(oa__tmpl_bind(t, "trim", call, names, 0, a));
    uint8_t safe = in.type == T_STR ? in.flag : 0;
    OA__TRY(oa__tmpl_to_str(t, in, &in));
    const tstr *chars = a[0].type == T_STR ? a[0].u.s : NULL;
    if (chars == NULL && a[0].type != T_MISSING && a[0].type != T_NONE) {
        return oa__tmpl_fail(t, "trim: chars must be none or a string, not %s",
                             oa__tmpl_type_name(a[0].type));
    }
    OA__TRY(oa__tmpl_strip(t, in.u.s, chars, 3, out));
    out->flag = safe;
    return OA_OK;
}

static int f_string(tmpl *t, tval in, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "string", call));
    return oa__tmpl_to_str(t, in, out);
}

static int f_safe(tmpl *t, tval in, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "safe", call));
    OA__TRY(oa__tmpl_to_str(t, in, out));
    out->flag = 1;
    return OA_OK;
}

int oa__tmpl_escape(tmpl *t, tval in, bool again, tval *out)
{
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    OA__TRY(oa__tmpl_to_str(t, in, out));
    if (out->flag && !again) return OA_OK;
    const tstr *s = out->u.s;
    tout o = {0};
    for (size_t i = 0; i < s->len;) {
        size_t run = i;
        while (run < s->len && (s->s[run] == '\0' || strchr("&<>'\"", s->s[run]) == NULL))
            run++;
        OA__TRY(oa__tmpl_out_add(t, &o, s->s + i, run - i));
        if (run < s->len) {
            const char *rep = to[strchr("&<>'\"", s->s[run]) - "&<>'\""];
            OA__TRY(oa__tmpl_out_add(t, &o, rep, strlen(rep)));
            run++;
        }
        i = run;
    }
    OA__TRY(oa__tmpl_str_out(t, &o, out));
    out->flag = 1;
    return OA_OK;
}

static int f_escape(tmpl *t, tval in, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "escape", call));
    return oa__tmpl_escape(t, in, false, out);
}

static int f_forceescape(tmpl *t, tval in, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "forceescape", call));
    return oa__tmpl_escape(t, in, true, out);
}

static int f_replace(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"old", "new", "count", NULL};
    tval a[3] = {{0}};
    OA__TRY(oa__tmpl_bind(t, "replace", call, names, 2, a));
    OA__TRY(oa__tmpl_to_str(t, in, &in));
    OA__TRY(oa__tmpl_to_str(t, a[0], &a[0]));
    OA__TRY(oa__tmpl_to_str(t, a[1], &a[1]));
    int64_t count = -1;
    if (a[2].type != T_MISSING && a[2].type != T_NONE) {
        if (!oa__tmpl_is_int(a[2])) return oa__tmpl_fail(t, "replace: count must be an integer");
        count = a[2].u.i;
    }
    return oa__tmpl_replace(t, in.u.s, a[0].u.s, a[1].u.s, count, out);
}

static int f_indent(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"width", "first", "blank", NULL};
    tval a[3] = {{0}}, lines, pad;
    tout o = {0};
    OA__TRY(oa__tmpl_bind(t, "indent", call, names, 0, a));
    if (in.type == T_UNDEF) return oa__tmpl_undef_fail(t, in);
    if (in.type != T_STR) return oa__tmpl_fail(t, "indent needs a string");
    pad = a[0];
    if (pad.type != T_STR) {
        int64_t n = 4;
        if (pad.type != T_MISSING) {
            if (!oa__tmpl_is_int(pad)) return oa__tmpl_fail(t, "indent: width must be an integer");
            n = pad.u.i;
        }
        OA__TRY(oa__tmpl_str_z(t, " ", &pad));
        OA__TRY(oa__tmpl_repeat(t, pad, n, &pad));
    }
    OA__TRY(oa__tmpl_str_cat(t, in.u.s, "\n", 1, &in));
    OA__TRY(oa__tmpl_splitlines(t, in.u.s, false, &lines));
    bool blank = oa__tmpl_truth(a[2]);
    for (size_t i = 0; i < lines.u.l->len; i++) {
        const tstr *line = lines.u.l->items[i].u.s;
        if (i > 0) OA__TRY(oa__tmpl_out_add(t, &o, "\n", 1));
        if (i == 0 ? oa__tmpl_truth(a[1]) : line->len > 0 || blank) {
            OA__TRY(oa__tmpl_out_add(t, &o, pad.u.s->s, pad.u.s->len));
        }
        OA__TRY(oa__tmpl_out_add(t, &o, line->s, line->len));
    }
    return oa__tmpl_str_out(t, &o, out);
}

static int f_center(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"width", NULL};
    tval a[1] = {{0}};
    OA__TRY(oa__tmpl_bind(t, "center", call, names, 0, a));
    OA__TRY(oa__tmpl_to_str(t, in, &in));
    tstr name = {.s = "center", .len = 6};
    tval width = a[0].type == T_MISSING ? oa__tmpl_int(80) : a[0];
    tcall c = {.pos = &width, .n_pos = 1};
    return oa__tmpl_method_call(t, oa__tmpl_method_find(T_STR, &name), in, &c, out);
}

static int f_wordcount(tmpl *t, tval in, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "wordcount", call));
    OA__TRY(oa__tmpl_to_str(t, in, &in));
    const tstr *s = in.u.s;
    int64_t n = 0;
    bool inside = false;
    OA__TRY(oa__tmpl_charge(t, s->len / 16));
    for (size_t i = 0; i < s->len;) {
        uint32_t cp;
        i += oa__utf8_decode(s->s + i, s->len - i, &cp);
        bool word = oa__tmpl_is_word(cp);
        n += word && !inside;
        inside = word;
    }
    *out = oa__tmpl_int(n);
    return OA_OK;
}

static int f_truncate(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"length", "killwords", "end", "leeway", NULL};
    tval a[4] = {{0}};
    OA__TRY(oa__tmpl_bind(t, "truncate", call, names, 0, a));
    int64_t length = a[0].type == T_MISSING ? 255 : a[0].u.i;
    int64_t leeway = a[3].type == T_MISSING || a[3].type == T_NONE ? 5 : a[3].u.i;
    if ((a[0].type != T_MISSING && !oa__tmpl_is_int(a[0])) ||
        (a[3].type != T_MISSING && a[3].type != T_NONE && !oa__tmpl_is_int(a[3]))) {
        return oa__tmpl_fail(t, "truncate: length and leeway must be integers");
    }
    if (a[2].type == T_MISSING) OA__TRY(oa__tmpl_str_z(t, "...", &a[2]));
    if (a[2].type != T_STR) return oa__tmpl_fail(t, "truncate: end must be a string");
    int64_t end = (int64_t)oa__tmpl_str_len(a[2].u.s);
    if (length < end || leeway < 0) return oa__tmpl_fail(t, "truncate: length or leeway too small");
    size_t n;
    OA__TRY(oa__tmpl_size(t, in, &n));
    *out = in;
    if (length > INT64_MAX - leeway || (int64_t)n <= length + leeway) return OA_OK;
    if (in.type != T_STR) return oa__tmpl_fail(t, "truncate needs a string");
    size_t cut = oa__tmpl_str_offset(t, in.u.s, (size_t)(length - end));
    if (!oa__tmpl_truth(a[1])) {
        const char *space = memrchr(in.u.s->s, ' ', cut);
        if (space != NULL) cut = (size_t)(space - in.u.s->s);
    }
    tout o = {0};
    OA__TRY(oa__tmpl_out_add(t, &o, in.u.s->s, cut));
    OA__TRY(oa__tmpl_out_add(t, &o, a[2].u.s->s, a[2].u.s->len));
    return oa__tmpl_str_out(t, &o, out);
}

static int f_format(tmpl *t, tval in, const tcall *call, tval *out)
{
    OA__TRY(oa__tmpl_to_str(t, in, &in));
    if (call->kw != NULL && call->n_pos > 0) {
        return oa__tmpl_fail(t, "format: can't handle positional and keyword arguments at once");
    }
    tval args = {.type = T_DICT, .u.d = (tdict *)call->kw};
    if (call->kw == NULL) {
        OA__TRY(oa__tmpl_list(t, T_TUPLE, call->n_pos, &args));
        for (size_t i = 0; i < call->n_pos; i++)
            args.u.l->items[i] = call->pos[i];
    }
    return oa__tmpl_percent(t, in, args, out);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static int float_to_int(tmpl *t, double f, tval *out)
{
    if (!(f >= -9223372036854775808.0 && f < 9223372036854775808.0)) {
        return oa__tmpl_fail(t, "number does not fit 64 bits");
    }
    *out = oa__tmpl_int((int64_t)f);
    return OA_OK;
}

static int f_int(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"default", "base", NULL};
    tval a[2] = {{0}};
    OA__TRY(oa__tmpl_bind(t, "int", call, names, 0, a));
    *out = a[0].type == T_MISSING ? oa__tmpl_int(0) : a[0];
    if (in.type == T_UNDEF) return oa__tmpl_undef_fail(t, in);
    if (oa__tmpl_is_int(in)) {
        *out = oa__tmpl_int(in.u.i);
    } else if (in.type == T_FLOAT) {
        if (isnan(in.u.f)) return OA_OK; /* a ValueError twice: the default */
        if (isinf(in.u.f)) return oa__tmpl_fail(t, "cannot convert float infinity to integer");
        return float_to_int(t, in.u.f, out);
    } else if (in.type == T_STR) {
        bool ok = false;
        int64_t i = 0;
        double f;
        if (a[1].type != T_MISSING && !oa__tmpl_is_int(a[1])) {
            if (!oa__tmpl_to_float(t, in.u.s, &f) || isnan(f) || isinf(f)) return OA_OK;
            return float_to_int(t, f, out);
        }
        int64_t base = a[1].type == T_MISSING ? 10 : a[1].u.i;
        if (base == 0 || (base >= 2 && base <= 36)) {
            OA__TRY(oa__tmpl_to_int(t, in.u.s, (int)base, &ok, &i));
        }
        if (ok) {
            *out = oa__tmpl_int(i);
        } else if (oa__tmpl_to_float(t, in.u.s, &f) && !isnan(f) && !isinf(f)) {
            return float_to_int(t, f, out);
        }
    }
    return OA_OK;
}

static int f_float(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"default", NULL};
    tval a[1] = {{0}};
    double f;
    OA__TRY(oa__tmpl_bind(t, "float", call, names, 0, a));
    *out = a[0].type == T_MISSING ? oa__tmpl_float(0) : a[0];
    if (in.type == T_UNDEF) return oa__tmpl_undef_fail(t, in);
    if (in.type == T_FLOAT) *out = in;
    if (oa__tmpl_is_int(in)) *out = oa__tmpl_float((double)in.u.i);
    if (in.type == T_STR && oa__tmpl_to_float(t, in.u.s, &f)) *out = oa__tmpl_float(f);
    return OA_OK;
}

static int f_abs(tmpl *t, tval in, const tcall *call, tval *out)
{
    OA__TRY(no_args(t, "abs", call));
    if (in.type == T_FLOAT) {
        *out = oa__tmpl_float(fabs(in.u.f));
        return OA_OK;
    }
    if (!oa__tmpl_is_int(in)) {
        return oa__tmpl_fail(t, "bad operand type for abs(): '%s'", oa__tmpl_type_name(in.type));
    }
    return oa__tmpl_negate(t, oa__tmpl_int(in.u.i), in.u.i >= 0, out);
}

static double power_of_ten(int64_t n)
{
    double p = 1;
    for (int64_t i = 0; i < n && i < 400; i++)
        p *= 10;
    return p;
}

/* Python's round(): half to even, decided on the exact value. */
static int round_common(tmpl *t, tval in, int64_t prec, tval *out)
{
    if (oa__tmpl_is_int(in)) {
        *out = oa__tmpl_int(in.u.i);
        if (prec >= 0) return OA_OK;
        if (prec < -18) {
            *out = oa__tmpl_int(0);
            return prec < -19 || (in.u.i < 5000000000000000000 && in.u.i > -5000000000000000000)
                       ? OA_OK
                       : oa__tmpl_fail(t, "integer does not fit 64 bits");
        }
        int64_t unit = 1;
        for (int64_t i = prec; i < 0; i++)
            unit *= 10;
        int64_t rest = in.u.i % unit, base = in.u.i - rest, half = unit / 2;
        int64_t abs_rest = rest < 0 ? -rest : rest;
        bool up = abs_rest > half || (abs_rest == half && (base / unit) % 2 != 0);
        if (up && __builtin_add_overflow(base, rest < 0 ? -unit : unit, &base)) {
            return oa__tmpl_fail(t, "integer does not fit 64 bits");
        }
        *out = oa__tmpl_int(base);
        return OA_OK;
    }
    double f = in.u.f;
    *out = in;
    if (isnan(f) || isinf(f) || prec > 150) return OA_OK;
    if (prec >= 0) {
        tout o = {0};
        OA__TRY(oa__tmpl_fixed(t, f, 'f', (int)prec, false, &o));
        if (oa__parse_f64(o.data, o.len, &out->u.f) < 0) return oa__tmpl_fail(t, "round failed");
        return OA_OK;
    }
    double p = power_of_ten(-prec);
    out->u.f = prec < -308 ? copysign(0, f) : nearbyint(f / p) * p;
    return OA_OK;
}

static int f_round(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"precision", "method", NULL};
    tval a[2] = {{0}};
    int64_t prec = 0;
    OA__TRY(oa__tmpl_bind(t, "round", call, names, 0, a));
    char how = 'r'; /* common */
    if (a[1].type != T_MISSING) {
        const tstr *m = a[1].u.s;
        if (a[1].type == T_STR && m->len == 4 && memcmp(m->s, "ceil", 4) == 0) {
            how = 'c';
        } else if (a[1].type == T_STR && m->len == 5 && memcmp(m->s, "floor", 5) == 0) {
            how = 'f';
        } else if (a[1].type != T_STR || m->len != 6 || memcmp(m->s, "common", 6) != 0) {
            return oa__tmpl_fail(t, "method must be common, ceil or floor");
        }
    }
    bool none = a[0].type == T_NONE && how == 'r';
    if (a[0].type != T_MISSING && !none) {
        if (!oa__tmpl_is_int(a[0])) return oa__tmpl_fail(t, "round: precision must be an integer");
        prec = a[0].u.i;
    }
    if (!oa__tmpl_is_number(in)) {
        return oa__tmpl_fail(t, "type %s doesn't define __round__ method",
                             oa__tmpl_type_name(in.type));
    }
    if (how == 'r') {
        OA__TRY(round_common(t, in, prec, out));
        if (none && out->type == T_FLOAT) {
            if (isnan(out->u.f)) return oa__tmpl_fail(t, "cannot convert float NaN to integer");
            return float_to_int(t, out->u.f, out);
        }
        return OA_OK;
    }
    /* func(value * 10**precision) / 10**precision */
    tval ten = oa__tmpl_int(10), scale, v;
    OA__TRY(oa__tmpl_math(t, OP_POW, ten, oa__tmpl_int(prec), &scale));
    OA__TRY(oa__tmpl_math(t, OP_MUL, in, scale, &v));
    if (v.type == T_FLOAT) {
        if (isnan(v.u.f)) return oa__tmpl_fail(t, "cannot convert float NaN to integer");
        OA__TRY(float_to_int(t, how == 'c' ? ceil(v.u.f) : floor(v.u.f), &v));
    }
    return oa__tmpl_math(t, OP_DIV, v, scale, out);
}

static int f_filesizeformat(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"binary", NULL};
    static const char *const units = "kMGTPEZY", *const binary = "KMGTPEZY";
    tval a[1] = {{0}}, v;
    tcall none = {0};
    tout o = {0};
    OA__TRY(oa__tmpl_bind(t, "filesizeformat", call, names, 0, a));
    if (in.type != T_STR && !oa__tmpl_is_number(in)) {
        if (in.type == T_UNDEF) return oa__tmpl_undef_fail(t, in);
        return oa__tmpl_fail(t, "filesizeformat needs a number");
    }
    if (in.type == T_STR && !oa__tmpl_to_float(t, in.u.s, &v.u.f)) {
        return oa__tmpl_fail(t, "filesizeformat: could not convert string to float");
    }
    if (in.type != T_STR) {
        OA__TRY(f_float(t, in, &none, &v));
    }
    double bytes = v.u.f;
    bool bin = oa__tmpl_truth(a[0]);
    double base = bin ? 1024 : 1000, unit;
    if (bytes == 1) return oa__tmpl_str_z(t, "1 Byte", out);
    if (bytes < base) {
        OA__TRY(float_to_int(t, bytes, &v));
        OA__TRY(oa__tmpl_out_addf(t, &o, "%lld Bytes", (long long)v.u.i));
        return oa__tmpl_str_out(t, &o, out);
    }
    int i = 0;
    for (unit = base * base; i < 7 && !(bytes < unit); i++)
        unit *= base;
    OA__TRY(oa__tmpl_fixed(t, base * bytes / unit, 'f', 1, false, &o));
    OA__TRY(oa__tmpl_out_addf(t, &o, bin ? " %ciB" : " %cB", bin ? binary[i] : units[i]));
    return oa__tmpl_str_out(t, &o, out);
}

/* Quote a value for an address; in a query a space is a plus, and a slash is quoted. */
static int add_quoted(tmpl *t, tout *o, tval v, bool query)
{
    OA__TRY(oa__tmpl_to_str(t, v, &v));
    const tstr *s = v.u.s;
    OA__TRY(oa__tmpl_charge(t, s->len / 64));
    for (size_t i = 0; i < s->len; i++) {
        const unsigned char c = (unsigned char)s->s[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || (c != '\0' && strchr("_.-~", c) != NULL) ||
                           (c == '/' && !query);
        if (plain) {
            OA__TRY(oa__tmpl_out_add(t, o, &s->s[i], 1));
        } else if (c == ' ' && query) {
            OA__TRY(oa__tmpl_out_add(t, o, "+", 1));
        } else {
            OA__TRY(oa__tmpl_out_addf(t, o, "%%%02X", c));
        }
    }
    return OA_OK;
}

static int f_urlencode(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const none[] = {NULL};
    tval no_args[1] = {{0}}, pair;
    tout o = {0};
    OA__TRY(oa__tmpl_bind(t, "urlencode", call, none, 0, no_args));
    if (in.type == T_STR || !oa__tmpl_iterable(in)) {
        OA__TRY(add_quoted(t, &o, in, false));
        return oa__tmpl_str_out(t, &o, out);
    }
    if (in.type == T_DICT) in = (tval){.type = T_VIEW, .sub = 2, .u.d = in.u.d};
    titer *it;
    OA__TRY(oa__tmpl_iter(t, in, &it));
    for (size_t n = 0;; n++) {
        OA__TRY(oa__tmpl_next(t, it, &pair));
        if (pair.type == T_MISSING) break;
        tvec v = {0};
        OA__TRY(oa__tmpl_to_vec(t, pair, &v));
        if (v.len < 2) {
            return oa__tmpl_fail(t, "not enough values to unpack (expected 2, got %zu)", v.len);
        }
        if (v.len > 2) return oa__tmpl_fail(t, "too many values to unpack (expected 2)");
        if (n > 0) OA__TRY(oa__tmpl_out_add(t, &o, "&", 1));
        OA__TRY(add_quoted(t, &o, v.items[0], true));
        OA__TRY(oa__tmpl_out_add(t, &o, "=", 1));
        OA__TRY(add_quoted(t, &o, v.items[1], true));
    }
    return oa__tmpl_str_out(t, &o, out);
}

static int f_unsupported(tmpl *t, tval in, const tcall *call, tval *out)
{
    (void)in;
    (void)call;
    (void)out;
    return oa__tmpl_fail(t, "this filter is not supported in chat templates");
}

const tfilter oa__tmpl_filters_text[] = {
    {"abs", f_abs},
    {"capitalize", f_capitalize},
    {"center", f_center},
    {"e", f_escape},
    {"escape", f_escape},
    {"filesizeformat", f_filesizeformat},
    {"float", f_float},
    {"forceescape", f_forceescape},
    {"format", f_format},
    {"indent", f_indent},
    {"int", f_int},
    {"lower", f_lower},
    {"replace", f_replace},
    {"round", f_round},
    {"safe", f_safe},
    {"string", f_string},
    {"title", f_title},
    {"tojson", oa__tmpl_tojson},
    {"trim", f_trim},
    {"truncate", f_truncate},
    {"upper", f_upper},
    {"urlencode", f_urlencode},
    {"wordcount", f_wordcount},
    {"wordwrap", oa__tmpl_wordwrap},
    {"xmlattr", oa__tmpl_xmlattr},
    /* jinja2 has these too: one is no function of its input, the others hang on the version of
     * Python and of HTML's list of names. No chat template needs them. */
    {"pprint", f_unsupported},
    {"random", f_unsupported},
    {"striptags", f_unsupported},
    {"urlize", f_unsupported},
    {NULL, NULL},
};

enum { SEQ = 1000 }; /* ids of the second table */

int oa__tmpl_filter_find(const char *name, size_t len)
{
    const tfilter *const tables[] = {oa__tmpl_filters_text, oa__tmpl_filters_seq};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; tables[k][i].name != NULL; i++) {
            if (strlen(tables[k][i].name) == len && memcmp(tables[k][i].name, name, len) == 0) {
                return k * SEQ + i;
            }
        }
    }
    return -1;
}

int oa__tmpl_filter_call(tmpl *t, int id, tval in, const tcall *call, tval *out)
{
    OA__TRY(oa__tmpl_charge_call(t, in, call));
    if (id < 0) return oa__tmpl_fail(t, "no filter of this name");
    const tfilter *f = id >= SEQ ? &oa__tmpl_filters_seq[id - SEQ] : &oa__tmpl_filters_text[id];
    return f->fn(t, in, call, out);
}
