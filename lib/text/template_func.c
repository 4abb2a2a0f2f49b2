/* SPDX-License-Identifier: Apache-2.0 */
/* Global functions of templates, and binding of arguments to names. */
#include "text/template_priv.h"

#include <string.h>

enum {
    F_RANGE,
    F_DICT,
    F_NAMESPACE,
    F_CYCLER,
    F_JOINER,
    F_RAISE,
    F_STRFTIME,
    F_LIPSUM,
    F_SPECIAL,
    F_COUNT
};

static const char *const func_names[F_COUNT] = {"range",        "dict",   "namespace",
                                                "cycler",       "joiner", "raise_exception",
                                                "strftime_now", "lipsum", "special_token"};

const char *oa__tmpl_func_name(uint32_t id)
{
    return func_names[id];
}

int oa__tmpl_set_globals(tmpl *t, bool named)
{
    for (uint32_t i = 0; i < (named ? F_COUNT : F_SPECIAL); i++) {
        const tatom *a = oa__tmpl_atom(t, func_names[i], strlen(func_names[i]));
        if (a == NULL) return oa__tmpl_nomem(t);
        ((tatom *)a)->root = (tval){.type = T_FUNC, .sub = i};
    }
    return OA_OK;
}

int oa__tmpl_bind(tmpl *t, const char *what, const tcall *call, const char *const *names,
                  size_t n_required, tval *vals)
{
    size_t n = 0;
    while (names[n] != NULL)
        vals[n++] = oa__tmpl_missing();
    if (call->n_pos > n) {
        return oa__tmpl_fail(t, "%s takes at most %zu arguments, got %zu", what, n, call->n_pos);
    }
    for (size_t i = 0; i < call->n_pos; i++)
        vals[i] = call->pos[i];
    for (size_t k = 0; call->kw != NULL && k < call->kw->len; k++) {
        const tstr *key = call->kw->ents[k].key.u.s;
        size_t i = 0;
        while (i < n && (strlen(names[i]) != key->len || memcmp(names[i], key->s, key->len) != 0))
            i++;
        if (i == n || vals[i].type != T_MISSING) {
            return oa__tmpl_fail(t, "%s got an unexpected argument '%.*s'", what,
                                 (int)(key->len > 60 ? 60 : key->len), key->s);
        }
        vals[i] = call->kw->ents[k].val;
    }
    for (size_t i = 0; i < n_required; i++) {
        if (vals[i].type == T_MISSING) {
            return oa__tmpl_fail(t, "%s needs the argument '%s'", what, names[i]);
        }
    }
    return OA_OK;
}

static int f_range(tmpl *t, const tcall *call, tval *out)
{
    int64_t v[3] = {0, 0, 1};
    if (call->kw != NULL) return oa__tmpl_fail(t, "range() takes no keyword arguments");
    if (call->n_pos < 1 || call->n_pos > 3) {
        return oa__tmpl_fail(t, "range() takes 1 to 3 arguments, got %zu", call->n_pos);
    }
    for (size_t i = 0; i < call->n_pos; i++) {
        tval a = call->pos[i];
        if (a.type == T_UNDEF) return oa__tmpl_undef_fail(t, a);
        if (!oa__tmpl_is_int(a)) {
            return oa__tmpl_fail(t, "'%s' object cannot be interpreted as an integer",
                                 oa__tmpl_type_name(a.type));
        }
        v[call->n_pos == 1 ? 1 : i] = a.u.i;
    }
    if (v[2] == 0) return oa__tmpl_fail(t, "range() arg 3 must not be zero");
    uint64_t span = 0, step = v[2] > 0 ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    if (v[2] > 0 && v[0] < v[1]) span = (uint64_t)v[1] - (uint64_t)v[0];
    if (v[2] < 0 && v[0] > v[1]) span = (uint64_t)v[0] - (uint64_t)v[1];
    uint64_t len = span == 0 ? 0 : (span - 1) / step + 1;
    if (len > OA__TMPL_RANGE) {
        return oa__tmpl_fail(t,
                             "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).",
                             OA__TMPL_RANGE);
    }
    trange *r = oa__tmpl_alloc(t, sizeof *r);
    if (r == NULL) return oa__tmpl_nomem(t);
    *r = (trange){.start = v[0], .stop = v[1], .step = v[2], .len = (int64_t)len};
    *out = (tval){.type = T_RANGE, .u.r = r};
    return OA_OK;
}

/* dict(mapping or pairs, key=value ...), also for namespace(). */
static int f_dict(tmpl *t, const tcall *call, tval *out)
{
    OA__TRY(oa__tmpl_dict(t, out));
    if (call->n_pos > 1) return oa__tmpl_fail(t, "dict() takes at most 1 argument");
    if (call->n_pos == 1) {
        tval src = call->pos[0], pair;
        if (src.type == T_DICT) {
            for (size_t i = 0; i < src.u.d->len; i++) {
                const tdent *e = &src.u.d->ents[i];
                OA__TRY(oa__tmpl_dict_set(t, out->u.d, e->key, e->val));
            }
        } else {
            if (src.type == T_UNDEF) return oa__tmpl_undef_fail(t, src); /* .keys() of undefined */
            titer *it;
            OA__TRY(oa__tmpl_iter(t, src, &it));
            for (;;) {
                OA__TRY(oa__tmpl_next(t, it, &pair));
                if (pair.type == T_MISSING) break;
                tvec v = {0};
                OA__TRY(oa__tmpl_to_vec(t, pair, &v));
                if (v.len != 2) {
                    return oa__tmpl_fail(t,
                                         "dictionary update sequence element has length %zu; "
                                         "2 is required",
                                         v.len);
                }
                OA__TRY(oa__tmpl_dict_set(t, out->u.d, v.items[0], v.items[1]));
            }
        }
    }
    for (size_t i = 0; call->kw != NULL && i < call->kw->len; i++) {
        OA__TRY(oa__tmpl_dict_set(t, out->u.d, call->kw->ents[i].key, call->kw->ents[i].val));
    }
    return OA_OK;
}

static int f_namespace(tmpl *t, const tcall *call, tval *out)
{
    OA__TRY(f_dict(t, call, out));
    for (size_t i = 0; i < out->u.d->len; i++) {
        tval key = out->u.d->ents[i].key;
        if (key.type == T_STR && key.u.s->len > 0 && key.u.s->s[0] == '_') {
            return oa__tmpl_fail(t, "namespace attributes can't begin with an underscore");
        }
    }
    out->type = T_NS;
    return OA_OK;
}

static int f_raise(tmpl *t, const tcall *call, tval *out)
{
    static const char *const names[] = {"message", NULL};
    tval v[1] = {{0}};
    tout o = {0};
    OA__TRY(oa__tmpl_bind(t, "raise_exception()", call, names, 1, v));
    OA__TRY(oa__tmpl_add_str(t, &o, v[0]));
    *out = oa__tmpl_none();
    return oa__tmpl_fail(t, "%.*s", (int)(o.len > 400 ? 400 : o.len), o.len == 0 ? "" : o.data);
}

static int f_cycler(tmpl *t, const tcall *call, bool joiner, tval *out)
{
    static const char *const names[] = {"sep", NULL};
    tcycler *c = oa__tmpl_alloc(t, sizeof *c);
    if (c == NULL) return oa__tmpl_nomem(t);
    tval list, v[1];
    if (joiner) {
        OA__TRY(oa__tmpl_bind(t, "joiner()", call, names, 0, v));
        OA__TRY(oa__tmpl_list(t, T_LIST, 1, &list));
        if (v[0].type == T_MISSING) OA__TRY(oa__tmpl_str_z(t, ", ", &v[0]));
        list.u.l->items[0] = v[0];
    } else {
        if (call->kw != NULL) return oa__tmpl_fail(t, "cycler() takes no keyword arguments");
        if (call->n_pos == 0) return oa__tmpl_fail(t, "at least one item has to be provided");
        OA__TRY(oa__tmpl_list(t, T_LIST, call->n_pos, &list));
        for (size_t i = 0; i < call->n_pos; i++)
            list.u.l->items[i] = call->pos[i];
    }
    c->items = *list.u.l;
    *out = (tval){.type = joiner ? T_JOINER : T_CYCLER, .u.cy = c};
    return OA_OK;
}

/* special_token(text), for built-in templates: the text, when it is a special token. */
static int f_special(tmpl *t, const tcall *call, tval *out)
{
    static const char *const names[] = {"text", NULL};
    OA__TRY(oa__tmpl_bind(t, "special_token()", call, names, 1, out));
    if (out->type != T_STR) return oa__tmpl_fail(t, "special_token() wants a text");
    if (t->vocab == NULL) return OA_OK;
    const tstr *s = out->u.s;
    const int32_t id = oa__vocab_find(t->vocab, s->s, s->len);
    if (id >= 0 && oa__vocab_is_marked(t->vocab, id)) return OA_OK;
    return oa__tmpl_fail(t,
                         "the format needs the special token %.*s, which the model's vocabulary "
                         "does not have",
                         (int)(s->len > 60 ? 60 : s->len), s->s);
}

int oa__tmpl_func_call(tmpl *t, uint32_t id, const tcall *call, tval *out)
{
    static const char *const format[] = {"format", NULL};
    tval v[1] = {{0}};
    switch (id) {
    case F_RANGE:
        return f_range(t, call, out);
    case F_DICT:
        return f_dict(t, call, out);
    case F_NAMESPACE:
        return f_namespace(t, call, out);
    case F_RAISE:
        return f_raise(t, call, out);
    case F_CYCLER:
        return f_cycler(t, call, false, out);
    case F_JOINER:
        return f_cycler(t, call, true, out);
    case F_STRFTIME:
        OA__TRY(oa__tmpl_bind(t, "strftime_now()", call, format, 1, v));
        return oa__tmpl_strftime(t, v[0], out);
    case F_SPECIAL:
        return f_special(t, call, out);
    default:
        return oa__tmpl_fail(t, "%s() is not supported", func_names[id]);
    }
}
