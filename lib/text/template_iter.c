/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iteration. Sequences, and the lazy ones that filters give: those work item by item when they are
 * read and can be read once, as Python's generators, so that errors come where jinja2 has them.
 */
#include "text/template_priv.h"

#include <string.h>

static int new_iter(tmpl *t, enum titer_kind kind, tval src, titer **out)
{
    titer *it = oa__tmpl_alloc(t, sizeof *it);
    if (it == NULL) return oa__tmpl_nomem(t);
    it->kind = (uint8_t)kind;
    it->src = src;
    it->id = -1;
    *out = it;
    return OA_OK;
}

int oa__tmpl_iter(tmpl *t, tval v, titer **out)
{
    switch (v.type) {
    case T_UNDEF:
        return new_iter(t, IT_EMPTY, v, out);
    case T_STR:
        return new_iter(t, IT_STR, v, out);
    case T_LIST:
    case T_TUPLE:
        return new_iter(t, IT_LIST, v, out);
    case T_DICT:
        return new_iter(t, IT_DICT, v, out);
    case T_VIEW:
        return new_iter(t, IT_VIEW, v, out);
    case T_RANGE:
        return new_iter(t, IT_RANGE, v, out);
    case T_LOOP:
        return new_iter(t, IT_LOOP, v, out);
    case T_ITER:
        *out = v.u.it;
        return OA_OK;
    default:
        return oa__tmpl_fail(t, "'%s' object is not iterable", oa__tmpl_type_name(v.type));
    }
}

int oa__tmpl_lazy(tmpl *t, enum titer_kind kind, tval src, titer **it, tval *out)
{
    OA__TRY(new_iter(t, kind, src, it));
    *out = (tval){.type = T_ITER, .u.it = *it};
    return OA_OK;
}

static int pair(tmpl *t, tval key, tval val, tval *out)
{
    OA__TRY(oa__tmpl_list(t, T_TUPLE, 2, out));
    out->u.l->items[0] = key;
    out->u.l->items[1] = val;
    return OA_OK;
}

static int next_reversed(tmpl *t, titer *it, tval *out)
{
    tval src = it->src;
    size_t n = src.type == T_LIST || src.type == T_TUPLE ? src.u.l->len
               : src.type == T_RANGE                     ? (size_t)src.u.r->len
               : src.type == T_UNDEF                     ? 0
                                                         : src.u.d->len;
    if ((size_t)it->pos >= n) return OA_OK;
    size_t i = n - 1 - (size_t)it->pos++;
    if (src.type == T_RANGE) {
        *out = oa__tmpl_int(src.u.r->start + (int64_t)i * src.u.r->step);
    } else if (src.type == T_DICT || (src.type == T_VIEW && src.sub == 0)) {
        *out = src.u.d->ents[i].key;
    } else if (src.type == T_VIEW && src.sub == 1) {
        *out = src.u.d->ents[i].val;
    } else if (src.type == T_VIEW) {
        return pair(t, src.u.d->ents[i].key, src.u.d->ents[i].val, out);
    } else {
        *out = src.u.l->items[i];
    }
    return OA_OK;
}

static int next_select(tmpl *t, titer *it, tval *out)
{
    for (;;) {
        tval item, what;
        bool yes;
        OA__TRY(oa__tmpl_next(t, it->in, &item));
        if (item.type == T_MISSING) return OA_OK;
        what = item;
        if (it->by_attr) {
            OA__TRY(oa__tmpl_get_path(t, item, it->attr, oa__tmpl_missing(), &what));
        }
        if (it->id == -1) {
            yes = oa__tmpl_truth(what);
        } else {
            OA__TRY(oa__tmpl_test_call(t, it->id, what, &it->call, &yes));
        }
        if (yes != it->reject) {
            *out = item;
            return OA_OK;
        }
    }
}

static int next_unique(tmpl *t, titer *it, tval *out)
{
    for (;;) {
        tval item, key, seen;
        OA__TRY(oa__tmpl_next(t, it->in, &item));
        if (item.type == T_MISSING) return OA_OK;
        OA__TRY(oa__tmpl_get_path(t, item, it->attr, oa__tmpl_missing(), &key));
        if (!it->by_attr && key.type == T_STR) OA__TRY(oa__tmpl_case(t, key.u.s, CASE_LOWER, &key));
        OA__TRY(oa__tmpl_dict_get(t, it->seen, key, &seen));
        if (seen.type != T_MISSING) continue;
        OA__TRY(oa__tmpl_dict_set(t, it->seen, key, oa__tmpl_none()));
        *out = item;
        return OA_OK;
    }
}

static int next_batch(tmpl *t, titer *it, tval *out)
{
    tvec v = {0};
    tval item = oa__tmpl_missing();
    if (it->src.type == T_MISSING) return OA_OK;
    /* The item that did not fit is kept in `attr`. */
    if (it->attr.type != T_MISSING) OA__TRY(oa__tmpl_vec_add(t, &v, it->attr));
    it->attr = oa__tmpl_missing();
    for (;;) {
        OA__TRY(oa__tmpl_next(t, it->in, &item));
        if (item.type == T_MISSING) {
            it->src = oa__tmpl_missing();
            break;
        }
        if ((int64_t)v.len == it->count) {
            it->attr = item;
            return oa__tmpl_vec_done(t, T_LIST, &v, out);
        }
        OA__TRY(oa__tmpl_vec_add(t, &v, item));
    }
    if (v.len == 0) return OA_OK;
    if (it->fallback.type != T_NONE && it->fallback.type != T_MISSING) {
        while ((int64_t)v.len < it->count)
            OA__TRY(oa__tmpl_vec_add(t, &v, it->fallback));
    }
    return oa__tmpl_vec_done(t, T_LIST, &v, out);
}

static int next_slice(tmpl *t, titer *it, tval *out)
{
    if (it->src.type != T_LIST || it->in != NULL) { /* first use: collect all */
        tvec all = {0};
        OA__TRY(oa__tmpl_to_vec(t, it->src, &all));
        OA__TRY(oa__tmpl_vec_done(t, T_LIST, &all, &it->src));
        it->in = NULL;
        if (it->count == 0) return oa__tmpl_fail(t, "integer modulo by zero");
    }
    if (it->pos >= it->count) return OA_OK;
    int64_t n = (int64_t)it->src.u.l->len, each = n / it->count, extra = n % it->count;
    int64_t i = it->pos++;
    int64_t start = i * each + (i < extra ? i : extra), len = each + (i < extra);
    tvec v = {0};
    for (int64_t k = 0; k < len; k++) {
        OA__TRY(oa__tmpl_vec_add(t, &v, it->src.u.l->items[start + k]));
    }
    bool fill = it->fallback.type != T_NONE && it->fallback.type != T_MISSING;
    if (fill && i >= extra) OA__TRY(oa__tmpl_vec_add(t, &v, it->fallback));
    return oa__tmpl_vec_done(t, T_LIST, &v, out);
}

/* for target in src if test: the items for which the test holds. */
static int next_loop_if(tmpl *t, titer *it, tval *out)
{
    for (;;) {
        tval item, yes;
        OA__TRY(oa__tmpl_next(t, it->in, &item));
        if (item.type == T_MISSING) return OA_OK;
        tscope *before = t->scope;
        OA__TRY(oa__tmpl_scope_push(t, it->scope, &t->scope));
        OA__TRY(oa__tmpl_assign(t, it->node->kids[0], item));
        OA__TRY(oa__tmpl_eval(t, it->node->b, &yes));
        t->scope = before;
        if (oa__tmpl_truth(yes)) {
            *out = item;
            return OA_OK;
        }
    }
}

static int next_any(tmpl *t, titer *it, tval *out)
{
    tval src = it->src, item;
    switch (it->kind) {
    case IT_EMPTY:
        return OA_OK;
    case IT_LIST:
        if ((size_t)it->pos < src.u.l->len) *out = src.u.l->items[it->pos++];
        return OA_OK;
    case IT_STR: {
        const tstr *s = src.u.s;
        if ((size_t)it->pos >= s->len) return OA_OK;
        uint32_t cp;
        size_t n = oa__utf8_decode(s->s + it->pos, s->len - (size_t)it->pos, &cp);
        it->pos += (int64_t)n;
        return oa__tmpl_str(t, s->s + it->pos - n, n, out);
    }
    case IT_RANGE:
        if (it->pos < src.u.r->len) {
            *out = oa__tmpl_int(src.u.r->start + it->pos++ * src.u.r->step);
        }
        return OA_OK;
    case IT_DICT:
    case IT_VIEW: {
        if ((size_t)it->pos >= src.u.d->len) return OA_OK;
        const tdent *e = &src.u.d->ents[it->pos++];
        if (it->kind == IT_VIEW && src.sub == 2) return pair(t, e->key, e->val, out);
        *out = it->kind == IT_VIEW && src.sub == 1 ? e->val : e->key;
        return OA_OK;
    }
    case IT_REVERSED:
        return next_reversed(t, it, out);
    default:
        break;
    }
    if (it->kind == IT_GUARDED) {
        if (it->err != NULL) return oa__tmpl_fail(t, "%s", it->err);
        return OA_OK;
    }
    if (it->kind == IT_LOOP) {
        return oa__tmpl_fail(t, "iterating over the variable 'loop' is not supported");
    }
    if (it->kind == IT_SLICE) return next_slice(t, it, out);
    if (it->in == NULL) OA__TRY(oa__tmpl_iter(t, src, &it->in));
    switch (it->kind) {
    case IT_MAP:
        OA__TRY(oa__tmpl_next(t, it->in, &item));
        if (item.type == T_MISSING) return OA_OK;
        return oa__tmpl_filter_call(t, it->id, item, &it->call, out);
    case IT_ATTR:
        OA__TRY(oa__tmpl_next(t, it->in, &item));
        if (item.type == T_MISSING) return OA_OK;
        return oa__tmpl_get_path(t, item, it->attr, it->fallback, out);
    case IT_SELECT:
        return next_select(t, it, out);
    case IT_UNIQUE:
        return next_unique(t, it, out);
    case IT_BATCH:
        return next_batch(t, it, out);
    default:
        return next_loop_if(t, it, out);
    }
}

int oa__tmpl_next(tmpl *t, titer *it, tval *out)
{
    *out = oa__tmpl_missing();
    if (it->done) return OA_OK;
    OA__TRY(oa__tmpl_charge(t, 1));
    OA__TRY(oa__tmpl_enter(t));
    OA__TRY(next_any(t, it, out));
    oa__tmpl_leave(t);
    it->done = out->type == T_MISSING;
    return OA_OK;
}

int oa__tmpl_to_vec(tmpl *t, tval v, tvec *out)
{
    titer *it;
    tval item = {0};
    OA__TRY(oa__tmpl_iter(t, v, &it));
    for (;;) {
        OA__TRY(oa__tmpl_next(t, it, &item));
        if (item.type == T_MISSING) return OA_OK;
        OA__TRY(oa__tmpl_vec_add(t, out, item));
    }
}
