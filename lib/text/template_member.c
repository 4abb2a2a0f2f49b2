/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members: obj.name, obj[key], slices. As in jinja2, obj.name looks for a method first and for an
 * item then, obj["name"] the other way round. Names that begin with an underscore, and methods
 * that would change their object, give an undefined value whose use fails.
 */
#include "text/template_priv.h"

#include <string.h>

static bool is_name(const tstr *s, const char *z)
{
    return s->len == strlen(z) && memcmp(s->s, z, s->len) == 0;
}

static int loop_length(tmpl *t, tloop *l, int64_t *out)
{
    if (l->length < 0) {
        size_t n;
        if (l->src.type != T_ITER) {
            OA__TRY(oa__tmpl_size(t, l->src, &n));
            l->length = (int64_t)n;
        } else {
            /* Read the rest into a list and go on from there. */
            tval rest;
            tvec v = {0};
            OA__TRY(oa__tmpl_to_vec(t, (tval){.type = T_ITER, .u.it = l->it}, &v));
            OA__TRY(oa__tmpl_vec_done(t, T_LIST, &v, &rest));
            OA__TRY(oa__tmpl_iter(t, rest, &l->it));
            l->length = (int64_t)v.len + l->index0 + 1 + (l->after.type != T_MISSING);
        }
    }
    *out = l->length;
    return OA_OK;
}

static int loop_peek(tmpl *t, tloop *l)
{
    if (l->after.type != T_MISSING) return OA_OK;
    return oa__tmpl_next(t, l->it, &l->after);
}

int oa__tmpl_loop_attr(tmpl *t, tloop *l, const tstr *name, tval *out)
{
    int64_t n;
    if (is_name(name, "index0")) {
        *out = oa__tmpl_int(l->index0);
    } else if (is_name(name, "index")) {
        *out = oa__tmpl_int(l->index0 + 1);
    } else if (is_name(name, "first")) {
        *out = oa__tmpl_bool(l->index0 == 0);
    } else if (is_name(name, "last")) {
        OA__TRY(loop_peek(t, l));
        *out = oa__tmpl_bool(l->after.type == T_MISSING);
    } else if (is_name(name, "length")) {
        OA__TRY(loop_length(t, l, &n));
        *out = oa__tmpl_int(n);
    } else if (is_name(name, "revindex")) {
        OA__TRY(loop_length(t, l, &n));
        *out = oa__tmpl_int(n - l->index0);
    } else if (is_name(name, "revindex0")) {
        OA__TRY(loop_length(t, l, &n));
        *out = oa__tmpl_int(n - l->index0 - 1);
    } else if (is_name(name, "depth")) {
        *out = oa__tmpl_int(l->depth0 + 1);
    } else if (is_name(name, "depth0")) {
        *out = oa__tmpl_int(l->depth0);
    } else if (is_name(name, "previtem")) {
        if (l->index0 == 0) return oa__tmpl_undef_hint(t, "there is no previous item", out);
        *out = l->before;
    } else if (is_name(name, "nextitem")) {
        OA__TRY(loop_peek(t, l));
        *out = l->after;
        if (out->type == T_MISSING) return oa__tmpl_undef_hint(t, "there is no next item", out);
    } else {
        *out = oa__tmpl_missing();
    }
    return OA_OK;
}

/* Python's getattr: T_MISSING when there is none. */
static int attribute(tmpl *t, tval obj, const tstr *name, tval *out)
{
    *out = oa__tmpl_missing();
    tval n = {.type = T_STR, .u.s = (tstr *)name};
    if (obj.type == T_UNDEF) return oa__tmpl_undef_fail(t, obj);
    if (obj.type == T_NS) {
        return oa__tmpl_dict_get(t, obj.u.d, n, out);
    }
    if (name->len >= 1 && name->s[0] == '_') {
        /* What Python has under such a name is no business of a template. */
        bool dunder = name->len > 4 && memcmp(name->s, "__", 2) == 0;
        return dunder || obj.type == T_LOOP || obj.type == T_MACRO || obj.type == T_CYCLER
                   ? oa__tmpl_undef_member(t, obj, n, true, out)
                   : OA_OK;
    }
    if (obj.type == T_LOOP) {
        OA__TRY(oa__tmpl_loop_attr(t, obj.u.loop, name, out));
        if (out->type != T_MISSING) return OA_OK;
    } else if (obj.type == T_MACRO) {
        if (is_name(name, "name")) {
            const tatom *a = obj.u.macro->node->name;
            *out = a == NULL ? oa__tmpl_none() : (tval){.type = T_STR, .u.s = (tstr *)&a->str};
            return OA_OK;
        }
    } else if (obj.type == T_TUPLE && obj.flag) {
        if (is_name(name, "grouper")) *out = obj.u.l->items[0];
        if (is_name(name, "list")) *out = obj.u.l->items[1];
        if (out->type != T_MISSING) return OA_OK;
    } else if (obj.type == T_CYCLER) {
        if (is_name(name, "current")) {
            *out = obj.u.cy->items.items[obj.u.cy->pos];
            return OA_OK;
        }
    } else if (obj.type == T_RANGE) {
        if (is_name(name, "start")) *out = oa__tmpl_int(obj.u.r->start);
        if (is_name(name, "stop")) *out = oa__tmpl_int(obj.u.r->stop);
        if (is_name(name, "step")) *out = oa__tmpl_int(obj.u.r->step);
        if (out->type != T_MISSING) return OA_OK;
    } else if (obj.type == T_INT || obj.type == T_BOOL || obj.type == T_FLOAT) {
        bool flt = obj.type == T_FLOAT;
        if (is_name(name, "real") || (!flt && is_name(name, "numerator"))) {
            *out = flt ? obj : oa__tmpl_int(obj.u.i);
        } else if (is_name(name, "imag")) {
            *out = flt ? oa__tmpl_float(0) : oa__tmpl_int(0);
        } else if (!flt && is_name(name, "denominator")) {
            *out = oa__tmpl_int(1);
        }
        if (out->type != T_MISSING) return OA_OK;
    }
    if (obj.type == T_FUNC && strcmp(oa__tmpl_func_name(obj.sub), "dict") != 0) return OA_OK;
    int id = oa__tmpl_method_find(obj.type, name);
    if (id < 0) return OA_OK;
    if (oa__tmpl_method_unsafe(id)) return oa__tmpl_undef_member(t, obj, n, true, out);
    tmethod *m = oa__tmpl_alloc(t, sizeof *m);
    if (m == NULL) return oa__tmpl_nomem(t);
    *m = (tmethod){.self = obj, .id = (uint16_t)id};
    *out = (tval){.type = T_METHOD, .u.m = m};
    return OA_OK;
}

/* Python's obj[key]: T_MISSING where Python has a TypeError or LookupError. */
static int item(tmpl *t, tval obj, tval key, tval *out)
{
    *out = oa__tmpl_missing();
    int64_t i, n;
    switch (obj.type) {
    case T_UNDEF:
        return oa__tmpl_undef_fail(t, obj);
    case T_DICT:
        if (key.type == T_LIST || key.type == T_DICT || key.type == T_VIEW) return OA_OK;
        return oa__tmpl_dict_get(t, obj.u.d, key, out);
    case T_STR:
        if (!oa__tmpl_is_int(key)) return OA_OK;
        OA__TRY(oa__tmpl_charge(t, obj.u.s->n_cp == SIZE_MAX ? obj.u.s->len / 64 : 0));
        n = (int64_t)oa__tmpl_str_len(obj.u.s);
        i = key.u.i < 0 ? key.u.i + n : key.u.i;
        if (i < 0 || i >= n) return OA_OK;
        {
            size_t at = oa__tmpl_str_offset(t, obj.u.s, (size_t)i);
            uint32_t cp;
            size_t len = oa__utf8_decode(obj.u.s->s + at, obj.u.s->len - at, &cp);
            return oa__tmpl_str(t, obj.u.s->s + at, len, out);
        }
    case T_LIST:
    case T_TUPLE:
        if (!oa__tmpl_is_int(key)) return OA_OK;
        n = (int64_t)obj.u.l->len;
        i = key.u.i < 0 ? key.u.i + n : key.u.i;
        if (i >= 0 && i < n) *out = obj.u.l->items[i];
        return OA_OK;
    case T_RANGE:
        if (!oa__tmpl_is_int(key)) return OA_OK;
        n = obj.u.r->len;
        i = key.u.i < 0 ? key.u.i + n : key.u.i;
        if (i >= 0 && i < n) *out = oa__tmpl_int(obj.u.r->start + i * obj.u.r->step);
        return OA_OK;
    default:
        return OA_OK;
    }
}

int oa__tmpl_get_attr(tmpl *t, tval obj, tval name, tval *out)
{
    OA__TRY(attribute(t, obj, name.u.s, out));
    if (out->type == T_MISSING) OA__TRY(item(t, obj, name, out));
    if (out->type == T_MISSING) return oa__tmpl_undef_member(t, obj, name, false, out);
    return OA_OK;
}

int oa__tmpl_get_item(tmpl *t, tval obj, tval key, tval *out)
{
    OA__TRY(item(t, obj, key, out));
    if (out->type == T_MISSING && key.type == T_STR) OA__TRY(attribute(t, obj, key.u.s, out));
    if (out->type == T_MISSING) return oa__tmpl_undef_member(t, obj, key, false, out);
    return OA_OK;
}

static int slice_index(tmpl *t, tval v, int64_t *out)
{
    if (v.type == T_UNDEF) return oa__tmpl_undef_fail(t, v);
    if (!oa__tmpl_is_int(v)) {
        return oa__tmpl_fail(t, "slice indices must be integers or none, not %s",
                             oa__tmpl_type_name(v.type));
    }
    *out = v.u.i;
    return OA_OK;
}

/* Fit an index into [low, high], counting from the end when negative. */
static int64_t clip(int64_t i, int64_t n, int64_t low, int64_t high)
{
    if (i < 0) i = i < -n ? low : i + n;
    return i < low ? low : i > high ? high : i;
}

int oa__tmpl_get_slice(tmpl *t, tval obj, tval v_start, tval v_stop, tval v_step, tval *out)
{
    int64_t step = 1, start, stop;
    if (obj.type == T_UNDEF) return oa__tmpl_undef_fail(t, obj);
    bool is_str = obj.type == T_STR, is_list = obj.type == T_LIST || obj.type == T_TUPLE;
    if (!is_str && !is_list && obj.type != T_RANGE) {
        return oa__tmpl_fail(t, "'%s' object can't be sliced", oa__tmpl_type_name(obj.type));
    }
    if (v_step.type != T_NONE) OA__TRY(slice_index(t, v_step, &step));
    if (step == 0) return oa__tmpl_fail(t, "slice step cannot be zero");
    if (step < -INT64_MAX) step = -INT64_MAX;
    size_t size;
    OA__TRY(oa__tmpl_size(t, obj, &size));
    int64_t n = (int64_t)size;
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    start = step < 0 ? n - 1 : 0;
    stop = step < 0 ? -1 : n;
    if (v_start.type != T_NONE) {
        OA__TRY(slice_index(t, v_start, &start));
        start = clip(start, n, low, high);
    }
    if (v_stop.type != T_NONE) {
        OA__TRY(slice_index(t, v_stop, &stop));
        stop = clip(stop, n, low, high);
    }
    int64_t count = 0;
    if (step > 0 && start < stop) count = (stop - start - 1) / step + 1;
    if (step < 0 && start > stop) count = (start - stop - 1) / -step + 1;

    if (obj.type == T_RANGE) {
        trange *r = oa__tmpl_alloc(t, sizeof *r);
        if (r == NULL) return oa__tmpl_nomem(t);
        r->start = obj.u.r->start + start * obj.u.r->step;
        r->stop = obj.u.r->start + stop * obj.u.r->step;
        if (__builtin_mul_overflow(obj.u.r->step, step, &r->step)) r->step = 1;
        r->len = count;
        *out = (tval){.type = T_RANGE, .u.r = r};
        return OA_OK;
    }
    if (is_list) {
        if (step == 1) { /* shares */
            tvec v = {.items = count > 0 ? obj.u.l->items + start : NULL, .len = (size_t)count};
            return oa__tmpl_vec_done(t, (enum tval_type)obj.type, &v, out);
        }
        OA__TRY(oa__tmpl_list(t, (enum tval_type)obj.type, (size_t)count, out));
        for (int64_t k = 0; k < count; k++) {
            out->u.l->items[k] = obj.u.l->items[start + k * step];
        }
        return OA_OK;
    }
    tstr *s = obj.u.s;
    if (count == 0) return oa__tmpl_str(t, "", 0, out);
    if (step == 1) {
        size_t a = oa__tmpl_str_offset(t, s, (size_t)start);
        size_t b = oa__tmpl_str_offset(t, s, (size_t)stop);
        OA__TRY(oa__tmpl_charge(t, 1));
        OA__TRY(oa__tmpl_str(t, s->s + a, b - a, out));
        /* The end of a growing string may still grow. */
        if (out->u.s->buf == NULL && out->u.s->len > 1) out->u.s->buf = s->buf;
        return OA_OK;
    }
    OA__TRY(oa__tmpl_charge(t, size / 16));
    tout o = {0};
    const char *at = s->s;
    if (oa__tmpl_str_len(s) == s->len) {
        for (int64_t k = 0; k < count; k++) {
            OA__TRY(oa__tmpl_out_add(t, &o, &at[start + k * step], 1));
        }
        return oa__tmpl_str_out(t, &o, out);
    }
    size_t pos = oa__tmpl_str_offset(t, s, (size_t)start);
    for (int64_t k = 0; k < count; k++) {
        uint32_t cp;
        OA__TRY(oa__tmpl_out_add(t, &o, at + pos, oa__utf8_decode(at + pos, s->len - pos, &cp)));
        if (k + 1 == count) break;
        for (int64_t m = 0; m < step; m++)
            pos += oa__utf8_decode(at + pos, s->len - pos, &cp);
        for (int64_t m = 0; m > step; m--) {
            pos--;
            while (((unsigned char)at[pos] & 0xC0) == 0x80)
                pos--;
        }
    }
    return oa__tmpl_str_out(t, &o, out);
}

int oa__tmpl_get_path(tmpl *t, tval obj, tval path, tval fallback, tval *out)
{
    *out = obj;
    if (path.type == T_MISSING || path.type == T_NONE) return OA_OK;
    if (path.type != T_STR) {
        OA__TRY(oa__tmpl_get_item(t, obj, path, out));
        if (out->type == T_UNDEF && fallback.type != T_MISSING && fallback.type != T_NONE) {
            *out = fallback;
        }
        return OA_OK;
    }
    const tstr *s = path.u.s;
    for (size_t i = 0;; i++) {
        const char *dot = memchr(s->s + i, '.', s->len - i);
        size_t end = dot == NULL ? s->len : (size_t)(dot - s->s);
        tval key;
        int64_t n;
        bool digits = end > i;
        for (size_t k = i; k < end; k++)
            digits = digits && s->s[k] >= '0' && s->s[k] <= '9';
        if (digits && oa__parse_i64(s->s + i, end - i, &n) == OA_OK) {
            key = oa__tmpl_int(n);
        } else {
            OA__TRY(oa__tmpl_str(t, s->s + i, end - i, &key));
        }
        OA__TRY(oa__tmpl_charge(t, 1));
        OA__TRY(oa__tmpl_get_item(t, *out, key, out));
        if (out->type == T_UNDEF && fallback.type != T_MISSING && fallback.type != T_NONE) {
            *out = fallback;
        }
        if (dot == NULL) return OA_OK;
        i = end;
    }
}
