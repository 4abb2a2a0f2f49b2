/* SPDX-License-Identifier: Apache-2.0 */
/* Filters over sequences and mappings. */
#include "text/template_priv.h"

#include <string.h>

/* --- sorting ---------------------------------------------------------------------------------- */

typedef struct keyed {
    tval key, val;
} keyed;

/* Stable merge sort; the order of equal keys stays, also in reverse. */
static int sort_range(tmpl *t, keyed *a, keyed *tmp, size_t n, bool reverse)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = lo + width < n ? lo + width : n, hi = mid + width < n ? mid + width : n;
            size_t i = lo, j = mid, k = lo;
            while (i < mid && j < hi) {
                bool second; /* the right one goes first only if it is strictly smaller */
                OA__TRY(reverse ? oa__tmpl_less(t, a[i].key, a[j].key, OP_LT, &second)
                                : oa__tmpl_less(t, a[j].key, a[i].key, OP_LT, &second));
                tmp[k++] = second ? a[j++] : a[i++];
            }
            while (i < mid)
                tmp[k++] = a[i++];
            while (j < hi)
                tmp[k++] = a[j++];
        }
        memcpy(a, tmp, n * sizeof *a);
    }
    return OA_OK;
}

static int sort_by(tmpl *t, keyed *a, size_t n, bool reverse)
{
    keyed *tmp = oa__tmpl_alloc_array(t, n, sizeof *tmp);
    if (tmp == NULL) return oa__tmpl_nomem(t);
    return sort_range(t, a, tmp, n, reverse);
}

/* The argument `reverse`: Python wants an integer. */
static int want_reverse(tmpl *t, tval v, bool *out)
{
    *out = v.type != T_MISSING && oa__tmpl_truth(v);
    if (v.type == T_MISSING || oa__tmpl_is_int(v)) return OA_OK;
    return oa__tmpl_fail(t, "reverse must be true or false, not %s", oa__tmpl_type_name(v.type));
}

static int lower_key(tmpl *t, tval *key)
{
    return key->type == T_STR ? oa__tmpl_case(t, key->u.s, CASE_LOWER, key) : OA_OK;
}

/* Key for sort(): a list of one value per attribute of "a,b". */
static int multi_key(tmpl *t, tval item, tval attr, bool fold, tval *out)
{
    tvec v = {0};
    tval key;
    if (attr.type != T_STR) {
        OA__TRY(oa__tmpl_get_path(t, item, attr, oa__tmpl_missing(), &key));
        if (fold) OA__TRY(lower_key(t, &key));
        OA__TRY(oa__tmpl_vec_add(t, &v, key));
        return oa__tmpl_vec_done(t, T_LIST, &v, out);
    }
    const tstr *s = attr.u.s;
    for (size_t from = 0; from <= s->len;) {
        const char *comma = memchr(s->s + from, ',', s->len - from);
        size_t end = comma == NULL ? s->len : (size_t)(comma - s->s);
        tval part;
        OA__TRY(oa__tmpl_str(t, s->s + from, end - from, &part));
        OA__TRY(oa__tmpl_get_path(t, item, part, oa__tmpl_missing(), &key));
        if (fold) OA__TRY(lower_key(t, &key));
        OA__TRY(oa__tmpl_vec_add(t, &v, key));
        from = end + 1;
    }
    return oa__tmpl_vec_done(t, T_LIST, &v, out);
}

static int values_of(tmpl *t, const keyed *a, size_t n, tval *out)
{
    OA__TRY(oa__tmpl_list(t, T_LIST, n, out));
    for (size_t i = 0; i < n; i++)
        out->u.l->items[i] = a[i].val;
    return OA_OK;
}

static int f_sort(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"reverse", "case_sensitive", "attribute", NULL};
    tval a[3] = {{0}};
    tvec v = {0};
    OA__TRY(oa__tmpl_bind(t, "sort", call, names, 0, a));
    OA__TRY(oa__tmpl_to_vec(t, in, &v));
    keyed *k = oa__tmpl_alloc_array(t, v.len, sizeof *k);
    if (k == NULL) return oa__tmpl_nomem(t);
    for (size_t i = 0; i < v.len; i++) {
        k[i].val = v.items[i];
        OA__TRY(multi_key(t, v.items[i], a[2], !oa__tmpl_truth(a[1]), &k[i].key));
    }
    bool reverse;
    OA__TRY(want_reverse(t, a[0], &reverse));
    OA__TRY(sort_by(t, k, v.len, reverse));
    return values_of(t, k, v.len, out);
}

static int f_dictsort(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"case_sensitive", "by", "reverse", NULL};
    tval a[3] = {{0}}, pair;
    OA__TRY(oa__tmpl_bind(t, "dictsort", call, names, 0, a));
    size_t by = 0;
    if (a[1].type != T_MISSING) {
        const tstr *s = a[1].u.s;
        if (a[1].type == T_STR && s->len == 5 && memcmp(s->s, "value", 5) == 0) {
            by = 1;
        } else if (a[1].type != T_STR || s->len != 3 || memcmp(s->s, "key", 3) != 0) {
            return oa__tmpl_fail(t, "dictsort: you can only sort by either 'key' or 'value'");
        }
    }
    if (in.type == T_UNDEF) return oa__tmpl_undef_fail(t, in);
    if (in.type != T_DICT) return oa__tmpl_fail(t, "dictsort needs a mapping");
    size_t n = in.u.d->len;
    keyed *k = oa__tmpl_alloc_array(t, n, sizeof *k);
    if (k == NULL) return oa__tmpl_nomem(t);
    for (size_t i = 0; i < n; i++) {
        OA__TRY(oa__tmpl_list(t, T_TUPLE, 2, &pair));
        pair.u.l->items[0] = in.u.d->ents[i].key;
        pair.u.l->items[1] = in.u.d->ents[i].val;
        k[i].val = pair;
        k[i].key = pair.u.l->items[by];
        if (!oa__tmpl_truth(a[0])) OA__TRY(lower_key(t, &k[i].key));
    }
    bool reverse;
    OA__TRY(want_reverse(t, a[2], &reverse));
    OA__TRY(sort_by(t, k, n, reverse));
    return values_of(t, k, n, out);
}

static int f_groupby(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"attribute", "default", "case_sensitive", NULL};
    tval a[3] = {{0}}, group;
    tvec v = {0}, groups = {0};
    OA__TRY(oa__tmpl_bind(t, "groupby", call, names, 1, a));
    bool fold = !oa__tmpl_truth(a[2]);
    OA__TRY(oa__tmpl_to_vec(t, in, &v));
    keyed *k = oa__tmpl_alloc_array(t, v.len, sizeof *k);
    if (k == NULL) return oa__tmpl_nomem(t);
    for (size_t i = 0; i < v.len; i++) {
        k[i].val = v.items[i];
        OA__TRY(oa__tmpl_get_path(t, v.items[i], a[0], a[1], &k[i].key));
        if (fold) OA__TRY(lower_key(t, &k[i].key));
    }
    OA__TRY(sort_by(t, k, v.len, false));
    for (size_t i = 0; i < v.len;) {
        tvec members = {0};
        size_t from = i;
        bool same = true;
        for (; i < v.len; i++) {
            if (i > from) OA__TRY(oa__tmpl_equal(t, k[from].key, k[i].key, &same));
            if (!same) break;
            OA__TRY(oa__tmpl_vec_add(t, &members, k[i].val));
        }
        OA__TRY(oa__tmpl_list(t, T_TUPLE, 2, &group));
        group.flag = 1;
        OA__TRY(oa__tmpl_get_path(t, k[from].val, a[0], a[1], &group.u.l->items[0]));
        OA__TRY(oa__tmpl_vec_done(t, T_LIST, &members, &group.u.l->items[1]));
        OA__TRY(oa__tmpl_vec_add(t, &groups, group));
    }
    return oa__tmpl_vec_done(t, T_LIST, &groups, out);
}

static int extreme(tmpl *t, const char *what, tval in, const tcall *call, enum tnode_op op,
                   tval *out)
{
    static const char *const names[] = {"case_sensitive", "attribute", NULL};
    tval a[2] = {{0}}, item, key, best = oa__tmpl_missing();
    titer *it;
    OA__TRY(oa__tmpl_bind(t, what, call, names, 0, a));
    OA__TRY(oa__tmpl_iter(t, in, &it));
    *out = oa__tmpl_missing();
    for (;;) {
        OA__TRY(oa__tmpl_next(t, it, &item));
        if (item.type == T_MISSING) break;
        bool better = true;
        OA__TRY(oa__tmpl_get_path(t, item, a[1], oa__tmpl_missing(), &key));
        if (!oa__tmpl_truth(a[0])) OA__TRY(lower_key(t, &key));
        if (out->type != T_MISSING) OA__TRY(oa__tmpl_less(t, key, best, op, &better));
        if (!better) continue;
        best = key;
        *out = item;
    }
    if (out->type != T_MISSING) return OA_OK;
    return oa__tmpl_undef_hint(t, "no aggregated item, sequence was empty", out);
}

static int f_min(tmpl *t, tval in, const tcall *call, tval *out)
{
    return extreme(t, "min", in, call, OP_LT, out);
}

static int f_max(tmpl *t, tval in, const tcall *call, tval *out)
{
    return extreme(t, "max", in, call, OP_GT, out);
}

/* --- one value out of many -------------------------------------------------------------------- */

static int none(tmpl *t, const char *what, const tcall *call)
{
    static const char *const names[] = {NULL};
    return oa__tmpl_bind(t, what, call, names, 0, NULL);
}

static int f_default(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"default_value", "boolean", NULL};
    tval a[2] = {{0}};
    OA__TRY(oa__tmpl_bind(t, "default", call, names, 0, a));
    *out = in;
    if (in.type != T_UNDEF && !(oa__tmpl_truth(a[1]) && !oa__tmpl_truth(in))) return OA_OK;
    *out = a[0];
    return a[0].type == T_MISSING ? oa__tmpl_str(t, "", 0, out) : OA_OK;
}

static int f_length(tmpl *t, tval in, const tcall *call, tval *out)
{
    size_t n;
    OA__TRY(none(t, "length", call));
    OA__TRY(oa__tmpl_size(t, in, &n));
    *out = oa__tmpl_int((int64_t)n);
    return OA_OK;
}

static int f_first(tmpl *t, tval in, const tcall *call, tval *out)
{
    titer *it;
    OA__TRY(none(t, "first", call));
    OA__TRY(oa__tmpl_iter(t, in, &it));
    OA__TRY(oa__tmpl_next(t, it, out));
    if (out->type != T_MISSING) return OA_OK;
    return oa__tmpl_undef_hint(t, "No first item, sequence was empty.", out);
}

static int f_reverse(tmpl *t, tval in, const tcall *call, tval *out)
{
    titer *it;
    OA__TRY(none(t, "reverse", call));
    if (in.type == T_STR) {
        tval no = oa__tmpl_none();
        OA__TRY(oa__tmpl_get_slice(t, in, no, no, oa__tmpl_int(-1), out));
        return OA_OK;
    }
    if (oa__tmpl_has_size(in) && in.type != T_LOOP) {
        return oa__tmpl_lazy(t, IT_REVERSED, in, &it, out);
    }
    tvec v = {0};
    OA__TRY(oa__tmpl_to_vec(t, in, &v));
    for (size_t i = 0; i < v.len / 2; i++) {
        tval swap = v.items[i];
        v.items[i] = v.items[v.len - 1 - i];
        v.items[v.len - 1 - i] = swap;
    }
    return oa__tmpl_vec_done(t, T_LIST, &v, out);
}

static int f_last(tmpl *t, tval in, const tcall *call, tval *out)
{
    titer *it;
    OA__TRY(none(t, "last", call));
    if (!oa__tmpl_has_size(in) || in.type == T_LOOP) {
        return oa__tmpl_fail(t, "'%s' object is not reversible", oa__tmpl_type_name(in.type));
    }
    if (in.type == T_STR) {
        OA__TRY(oa__tmpl_get_item(t, in, oa__tmpl_int(-1), out));
        if (in.u.s->len > 0) return OA_OK;
    } else {
        OA__TRY(oa__tmpl_lazy(t, IT_REVERSED, in, &it, out));
        OA__TRY(oa__tmpl_next(t, it, out));
        if (out->type != T_MISSING) return OA_OK;
    }
    return oa__tmpl_undef_hint(t, "No last item, sequence was empty.", out);
}

static int f_join(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"d", "attribute", NULL};
    tval a[2] = {{0}}, item;
    titer *it;
    tout o = {0};
    OA__TRY(oa__tmpl_bind(t, "join", call, names, 0, a));
    if (a[0].type == T_MISSING) OA__TRY(oa__tmpl_str(t, "", 0, &a[0]));
    OA__TRY(oa__tmpl_to_str(t, a[0], &a[0]));
    OA__TRY(oa__tmpl_iter(t, in, &it));
    for (size_t n = 0;; n++) {
        OA__TRY(oa__tmpl_next(t, it, &item));
        if (item.type == T_MISSING) break;
        OA__TRY(oa__tmpl_get_path(t, item, a[1], oa__tmpl_missing(), &item));
        if (n > 0) OA__TRY(oa__tmpl_out_add(t, &o, a[0].u.s->s, a[0].u.s->len));
        OA__TRY(oa__tmpl_add_str(t, &o, item));
    }
    return oa__tmpl_str_out(t, &o, out);
}

static int f_sum(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"attribute", "start", NULL};
    tval a[2] = {{0}}, item;
    titer *it;
    OA__TRY(oa__tmpl_bind(t, "sum", call, names, 0, a));
    *out = a[1].type == T_MISSING ? oa__tmpl_int(0) : a[1];
    if (out->type == T_STR) return oa__tmpl_fail(t, "sum() can't sum strings");
    OA__TRY(oa__tmpl_iter(t, in, &it));
    for (;;) {
        OA__TRY(oa__tmpl_next(t, it, &item));
        if (item.type == T_MISSING) return OA_OK;
        OA__TRY(oa__tmpl_get_path(t, item, a[0], oa__tmpl_missing(), &item));
        OA__TRY(oa__tmpl_math(t, OP_ADD, *out, item, out));
    }
}

/* --- many values ------------------------------------------------------------------------------ */

static int f_list(tmpl *t, tval in, const tcall *call, tval *out)
{
    tvec v = {0};
    OA__TRY(none(t, "list", call));
    OA__TRY(oa__tmpl_to_vec(t, in, &v));
    return oa__tmpl_vec_done(t, T_LIST, &v, out);
}

static int f_items(tmpl *t, tval in, const tcall *call, tval *out)
{
    titer *it;
    OA__TRY(none(t, "items", call));
    /* A generator in jinja2: a value that is no mapping fails when it is read. */
    if (in.type == T_DICT) {
        tval view = {.type = T_VIEW, .sub = 2, .u.d = in.u.d};
        return oa__tmpl_lazy(t, IT_VIEW, view, &it, out);
    }
    OA__TRY(oa__tmpl_lazy(t, IT_GUARDED, in, &it, out));
    if (in.type != T_UNDEF) it->err = "Can only get item pairs from a mapping.";
    return OA_OK;
}

/* What is left of a call after its first n positional arguments. */
static tcall rest(const tcall *call, size_t n)
{
    tcall r = *call;
    r.pos += n;
    r.n_pos -= n;
    return r;
}

static int f_map(tmpl *t, tval in, const tcall *call, tval *out)
{
    titer *it;
    if (!oa__tmpl_truth(in)) return oa__tmpl_lazy(t, IT_EMPTY, in, &it, out);
    tval attr =
        call->kw == NULL ? oa__tmpl_missing() : oa__tmpl_dict_get_str(call->kw, "attribute", 9);
    if (call->n_pos == 0 && attr.type != T_MISSING) {
        OA__TRY(oa__tmpl_lazy(t, IT_ATTR, in, &it, out));
        it->attr = attr;
        it->fallback = oa__tmpl_dict_get_str(call->kw, "default", 7);
        size_t known = 1 + (it->fallback.type != T_MISSING);
        if (call->kw->len > known) {
            it->kind = IT_GUARDED;
            it->err = "map: unexpected keyword argument";
        }
        return OA_OK;
    }
    OA__TRY(oa__tmpl_lazy(t, IT_MAP, in, &it, out));
    it->kind = IT_GUARDED;
    if (call->n_pos == 0) {
        it->err = "map requires a filter argument";
    } else if (call->pos[0].type != T_STR) {
        it->err = "map: the filter's name must be a string";
    } else {
        it->id = oa__tmpl_filter_find(call->pos[0].u.s->s, call->pos[0].u.s->len);
        it->call = rest(call, 1);
        it->kind = IT_MAP;
    }
    return OA_OK;
}

static int select_any(tmpl *t, tval in, const tcall *call, bool reject, bool by_attr, tval *out)
{
    titer *it;
    size_t n = by_attr;
    if (!oa__tmpl_truth(in)) return oa__tmpl_lazy(t, IT_EMPTY, in, &it, out);
    OA__TRY(oa__tmpl_lazy(t, IT_SELECT, in, &it, out));
    it->reject = reject;
    it->by_attr = by_attr;
    if (by_attr && call->n_pos == 0) {
        it->kind = IT_GUARDED;
        it->err = "Missing parameter for attribute name";
        return OA_OK;
    }
    if (by_attr) it->attr = call->pos[0];
    if (call->n_pos <= n) return OA_OK;
    it->id = -2; /* no such test, found when the first item comes */
    if (call->pos[n].type == T_STR) {
        int id = oa__tmpl_test_find(call->pos[n].u.s->s, call->pos[n].u.s->len);
        if (id >= 0) it->id = id;
    }
    it->call = rest(call, n + 1);
    return OA_OK;
}

static int f_select(tmpl *t, tval in, const tcall *call, tval *out)
{
    return select_any(t, in, call, false, false, out);
}

static int f_reject(tmpl *t, tval in, const tcall *call, tval *out)
{
    return select_any(t, in, call, true, false, out);
}

static int f_selectattr(tmpl *t, tval in, const tcall *call, tval *out)
{
    return select_any(t, in, call, false, true, out);
}

static int f_rejectattr(tmpl *t, tval in, const tcall *call, tval *out)
{
    return select_any(t, in, call, true, true, out);
}

static int f_unique(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"case_sensitive", "attribute", NULL};
    tval a[2] = {{0}}, seen;
    titer *it;
    OA__TRY(oa__tmpl_bind(t, "unique", call, names, 0, a));
    OA__TRY(oa__tmpl_dict(t, &seen));
    OA__TRY(oa__tmpl_lazy(t, IT_UNIQUE, in, &it, out));
    it->by_attr = oa__tmpl_truth(a[0]);
    it->attr = a[1];
    it->seen = seen.u.d;
    return OA_OK;
}

static int in_parts(tmpl *t, const char *what, const char *count_name, tval in, const tcall *call,
                    enum titer_kind kind, tval *out)
{
    const char *const names[] = {count_name, "fill_with", NULL};
    tval a[2] = {{0}};
    titer *it;
    OA__TRY(oa__tmpl_bind(t, what, call, names, 1, a));
    OA__TRY(oa__tmpl_lazy(t, kind, in, &it, out));
    it->fallback = a[1];
    it->count = a[0].u.i;
    bool fill = a[1].type != T_MISSING && a[1].type != T_NONE;
    if (kind == IT_BATCH && !oa__tmpl_is_int(a[0]) && !fill) {
        it->count = INT64_MAX; /* jinja2 only asks whether a length equals it */
    } else if (!oa__tmpl_is_int(a[0])) {
        it->kind = IT_GUARDED;
        it->err = "the number of parts must be an integer";
    }
    return OA_OK;
}

static int f_batch(tmpl *t, tval in, const tcall *call, tval *out)
{
    return in_parts(t, "batch", "linecount", in, call, IT_BATCH, out);
}

static int f_slice(tmpl *t, tval in, const tcall *call, tval *out)
{
    return in_parts(t, "slice", "slices", in, call, IT_SLICE, out);
}

/* obj.name without looking for an item of that name. */
static int f_attr(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"name", NULL};
    tval a[1] = {{0}};
    OA__TRY(oa__tmpl_bind(t, "attr", call, names, 1, a));
    if (a[0].type != T_STR) return oa__tmpl_fail(t, "attr: the name must be a string");
    if (in.type == T_DICT && oa__tmpl_method_find(T_DICT, a[0].u.s) < 0) {
        return oa__tmpl_undef_member(t, in, a[0], false, out);
    }
    return oa__tmpl_get_attr(t, in, a[0], out);
}

const tfilter oa__tmpl_filters_seq[] = {
    {"attr", f_attr},       {"batch", f_batch},     {"count", f_length},
    {"d", f_default},       {"default", f_default}, {"dictsort", f_dictsort},
    {"first", f_first},     {"groupby", f_groupby}, {"items", f_items},
    {"join", f_join},       {"last", f_last},       {"length", f_length},
    {"list", f_list},       {"map", f_map},         {"max", f_max},
    {"min", f_min},         {"reject", f_reject},   {"rejectattr", f_rejectattr},
    {"reverse", f_reverse}, {"select", f_select},   {"selectattr", f_selectattr},
    {"slice", f_slice},     {"sort", f_sort},       {"sum", f_sum},
    {"unique", f_unique},   {NULL, NULL},
};
