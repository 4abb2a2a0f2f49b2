/* SPDX-License-Identifier: Apache-2.0 */
/* Methods of lists, mappings and the small objects; the look-up of all methods. */
#include "text/template_method.h"

#include <string.h>

/* --- helpers ---------------------------------------------------------------------------------- */

int oa__tmpl_no_args(tmpl *t, const char *what, const tcall *call)
{
    static const char *const names[] = {NULL};
    return oa__tmpl_bind(t, what, call, names, 0, NULL);
}

int oa__tmpl_positional(tmpl *t, const char *what, const tcall *call, size_t min, size_t max,
                        tval *a)
{
    if (call->kw != NULL) return oa__tmpl_fail(t, "%s() takes no keyword arguments", what);
    if (call->n_pos < min || call->n_pos > max) {
        return oa__tmpl_fail(t, "%s() got %zu arguments, wants %zu to %zu", what, call->n_pos, min,
                             max);
    }
    for (size_t i = 0; i < max; i++)
        a[i] = i < call->n_pos ? call->pos[i] : oa__tmpl_missing();
    return OA_OK;
}

int oa__tmpl_want_str(tmpl *t, const char *what, tval v)
{
    if (v.type == T_STR) return OA_OK;
    return oa__tmpl_fail(t, "%s() argument must be str, not %s", what, oa__tmpl_type_name(v.type));
}

int oa__tmpl_want_int(tmpl *t, const char *what, tval v, int64_t fallback, int64_t *out)
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

int oa__tmpl_unsupported(tmpl *t, tval self, const tcall *call, tval *out)
{
    (void)call;
    (void)out;
    return oa__tmpl_fail(t, "this method of %s is not supported in chat templates",
                         oa__tmpl_type_name(self.type));
}

/* --- lists ------------------------------------------------------------------------------------ */

static int l_count(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[1] = {{0}};
    int64_t n = 0;
    bool equal;
    OA__TRY(oa__tmpl_positional(t, "count", call, 1, 1, a));
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
    OA__TRY(oa__tmpl_positional(t, "index", call, 1, 3, a));
    OA__TRY(oa__tmpl_want_int(t, "index", a[1], 0, &from));
    OA__TRY(oa__tmpl_want_int(t, "index", a[2], n, &to));
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
    OA__TRY(oa__tmpl_no_args(t, "copy", call));
    tvec v = {.items = self.u.l->items, .len = self.u.l->len};
    return oa__tmpl_vec_done(t, T_LIST, &v, out);
}

/* --- mappings --------------------------------------------------------------------------------- */

static int d_get(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[2] = {{0}};
    OA__TRY(oa__tmpl_positional(t, "get", call, 1, 2, a));
    OA__TRY(oa__tmpl_dict_get(t, self.u.d, a[0], out));
    if (out->type == T_MISSING) *out = a[1].type == T_MISSING ? oa__tmpl_none() : a[1];
    return OA_OK;
}

static int view(tmpl *t, const char *what, tval self, const tcall *call, uint32_t which, tval *out)
{
    OA__TRY(oa__tmpl_no_args(t, what, call));
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
    OA__TRY(oa__tmpl_no_args(t, "copy", call));
    OA__TRY(oa__tmpl_dict(t, out));
    for (size_t i = 0; i < self.u.d->len; i++) {
        OA__TRY(oa__tmpl_dict_set(t, out->u.d, self.u.d->ents[i].key, self.u.d->ents[i].val));
    }
    return OA_OK;
}

/* dict.fromkeys(names, value); which mapping it is asked of makes no difference. */
static int d_fromkeys(tmpl *t, tval self, const tcall *call, tval *out)
{
    tval a[2] = {{0}, oa__tmpl_none()}, key;
    titer *it;
    (void)self;
    OA__TRY(oa__tmpl_positional(t, "fromkeys", call, 1, 2, a));
    if (call->n_pos < 2) a[1] = oa__tmpl_none();
    OA__TRY(oa__tmpl_dict(t, out));
    OA__TRY(oa__tmpl_iter(t, a[0], &it));
    for (;;) {
        OA__TRY(oa__tmpl_next(t, it, &key));
        if (key.type == T_MISSING) return OA_OK;
        OA__TRY(oa__tmpl_charge(t, 1));
        OA__TRY(oa__tmpl_dict_set(t, out->u.d, key, a[1]));
    }
}

/* --- loops and cyclers ------------------------------------------------------------------------ */

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
    for (size_t i = 0; i < call->n_pos; i++)
        now.u.l->items[i] = call->pos[i];
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
    OA__TRY(oa__tmpl_no_args(t, "next", call));
    *out = c->items.items[c->pos];
    c->pos = (c->pos + 1) % c->items.len;
    return OA_OK;
}

static int cycler_reset(tmpl *t, tval self, const tcall *call, tval *out)
{
    OA__TRY(oa__tmpl_no_args(t, "reset", call));
    self.u.cy->pos = 0;
    *out = oa__tmpl_none();
    return OA_OK;
}

static int f_is_integer(tmpl *t, tval self, const tcall *call, tval *out)
{
    OA__TRY(oa__tmpl_no_args(t, "is_integer", call));
    double f = self.u.f;
    *out = oa__tmpl_bool(f - f == 0 && (f >= 9e15 || f <= -9e15 || f == (double)(int64_t)f));
    return OA_OK;
}

/* --- look-up ---------------------------------------------------------------------------------- */

static const tmethod_entry object_methods[] = {
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
    {T_DICT, "fromkeys", d_fromkeys},
    {T_DICT, "get", d_get},
    {T_DICT, "items", d_items},
    {T_DICT, "keys", d_keys},
    {T_DICT, "pop", NULL},
    {T_DICT, "popitem", NULL},
    {T_DICT, "setdefault", NULL},
    {T_DICT, "update", NULL},
    {T_DICT, "values", d_values},
    {T_RANGE, "count", oa__tmpl_unsupported},
    {T_RANGE, "index", oa__tmpl_unsupported},
    {T_VIEW, "isdisjoint", oa__tmpl_unsupported},
    {T_VIEW, "mapping", oa__tmpl_unsupported},
    {T_ITER, "close", oa__tmpl_unsupported},
    {T_ITER, "send", oa__tmpl_unsupported},
    {T_ITER, "throw", oa__tmpl_unsupported},
    {T_FUNC, "fromkeys", d_fromkeys}, /* of dict only: see attribute() */
    {T_LOOP, "cycle", loop_cycle},
    {T_LOOP, "changed", loop_changed},
    {T_CYCLER, "next", cycler_next},
    {T_CYCLER, "reset", cycler_reset},
    {T_FLOAT, "is_integer", f_is_integer},
    {T_FLOAT, "as_integer_ratio", oa__tmpl_unsupported},
    {T_FLOAT, "conjugate", oa__tmpl_unsupported},
    {T_FLOAT, "fromhex", oa__tmpl_unsupported},
    {T_FLOAT, "hex", oa__tmpl_unsupported},
    {T_INT, "as_integer_ratio", oa__tmpl_unsupported},
    {T_INT, "bit_count", oa__tmpl_unsupported},
    {T_INT, "bit_length", oa__tmpl_unsupported},
    {T_INT, "conjugate", oa__tmpl_unsupported},
    {T_INT, "from_bytes", oa__tmpl_unsupported},
    {T_INT, "to_bytes", oa__tmpl_unsupported},
    {0, NULL, NULL},
};

enum { OBJECTS = 1000 }; /* ids of the second table */

static const tmethod_entry *entry(int id)
{
    return id >= OBJECTS ? &object_methods[id - OBJECTS] : &oa__tmpl_str_methods[id];
}

int oa__tmpl_method_find(uint8_t type, const tstr *name)
{
    const tmethod_entry *table = type == T_STR ? oa__tmpl_str_methods : object_methods;
    if (type == T_BOOL) type = T_INT;
    for (int i = 0; table[i].name != NULL; i++) {
        if (table[i].type == type && strlen(table[i].name) == name->len &&
            memcmp(table[i].name, name->s, name->len) == 0) {
            return type == T_STR ? i : OBJECTS + i;
        }
    }
    return -1;
}

const char *oa__tmpl_method_name(int id)
{
    return entry(id)->name;
}

bool oa__tmpl_method_unsafe(int id)
{
    return entry(id)->fn == NULL;
}

int oa__tmpl_method_call(tmpl *t, int id, tval self, const tcall *call, tval *out)
{
    OA__TRY(oa__tmpl_charge_call(t, self, call));
    OA__TRY(entry(id)->fn(t, self, call, out));
    if (self.type != T_STR || !self.flag) return OA_OK;
    /* Parts of a safe text are safe. */
    if (out->type == T_STR) out->flag = 1;
    if (out->type == T_LIST || out->type == T_TUPLE) {
        for (size_t i = 0; i < out->u.l->len; i++)
            out->u.l->items[i].flag = 1;
    }
    return OA_OK;
}
