/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values: making, truth, size, equality, order, hashing and membership, as Python has them.
 */
#include "text/template_priv.h"

#include <math.h>
#include <string.h>

/* --- strings ---------------------------------------------------------------------------------- */

int oa__tmpl_str(tmpl *t, const char *s, size_t len, tval *out)
{
    tstr *str;
    if (len == 1 && (unsigned char)s[0] < 128) {
        tstr **slot = &t->ascii[(unsigned char)s[0]];
        if (*slot == NULL) {
            *slot = oa__tmpl_alloc(t, sizeof **slot);
            char *c = oa__tmpl_alloc(t, 1);
            if (*slot == NULL || c == NULL) {
                *slot = NULL;
                return oa__tmpl_nomem(t);
            }
            *c = s[0];
            **slot = (tstr){.s = c, .len = 1, .n_cp = 1};
        }
        str = *slot;
    } else {
        str = oa__tmpl_alloc(t, sizeof *str);
        if (str == NULL) return oa__tmpl_nomem(t);
        *str = (tstr){.s = len == 0 ? "" : s, .len = len, .n_cp = SIZE_MAX};
    }
    *out = (tval){.type = T_STR, .u.s = str};
    return OA_OK;
}

int oa__tmpl_str_z(tmpl *t, const char *z, tval *out)
{
    return oa__tmpl_str(t, z, strlen(z), out);
}

int oa__tmpl_str_copy(tmpl *t, const char *s, size_t len, tval *out)
{
    char *copy = oa__tmpl_alloc(t, len);
    if (copy == NULL) return oa__tmpl_nomem(t);
    if (len > 0) memcpy(copy, s, len);
    return oa__tmpl_str(t, copy, len, out);
}

int oa__tmpl_str_out(tmpl *t, const tout *o, tval *out)
{
    return oa__tmpl_str(t, o->len == 0 ? "" : o->data, o->len, out);
}

/* a followed by s. A string that templates build piece by piece grows in place: only the string
 * that ends where its buffer ends may append there, so others never see it. */
int oa__tmpl_str_cat(tmpl *t, tstr *a, const char *s, size_t len, tval *out)
{
    if (len == 0 || a->len == 0) {
        if (a->len == 0) return oa__tmpl_str(t, s, len, out);
        *out = (tval){.type = T_STR, .u.s = a};
        return OA_OK;
    }
    if (len > t->max_output || a->len > t->max_output - len) {
        return oa__tmpl_limit(t, "makes more than %zu bytes of text", t->max_output);
    }
    OA__TRY(oa__tmpl_charge(t, len / 64));
    size_t need = a->len + len;
    tbuf *b = a->buf;
    if (b == NULL || a->s + a->len != b->data + b->len || b->cap - b->len < len) {
        OA__TRY(oa__tmpl_charge(t, a->len / 64));
        b = oa__tmpl_alloc(t, sizeof *b);
        if (b == NULL) return oa__tmpl_nomem(t);
        b->cap = need < 256 ? need : need * 2;
        b->data = oa__tmpl_alloc(t, b->cap);
        if (b->data == NULL) return oa__tmpl_nomem(t);
        memcpy(b->data, a->s, a->len);
        b->len = a->len;
    }
    const char *begin = b->data + b->len - a->len;
    memcpy(b->data + b->len, s, len);
    b->len += len;
    OA__TRY(oa__tmpl_str(t, begin, need, out));
    out->u.s->buf = b;
    return OA_OK;
}

size_t oa__tmpl_str_len(tstr *s)
{
    if (s->n_cp == SIZE_MAX) {
        size_t n = 0;
        for (size_t i = 0; i < s->len; i++)
            n += ((unsigned char)s->s[i] & 0xC0) != 0x80;
        s->n_cp = n;
    }
    return s->n_cp;
}

size_t oa__tmpl_str_offset(tmpl *t, tstr *s, size_t at)
{
    size_t n = oa__tmpl_str_len(s);
    if (at >= n) return s->len;
    if (n == s->len) return at;
    t->steps += at / 64; /* checked by the caller's next charge */
    size_t i = 0;
    for (size_t k = 0; k < at; k++) {
        i++;
        while (((unsigned char)s->s[i] & 0xC0) == 0x80)
            i++;
    }
    return i;
}

/* --- lists ------------------------------------------------------------------------------------ */

int oa__tmpl_list(tmpl *t, enum tval_type type, size_t n, tval *out)
{
    OA__TRY(oa__tmpl_charge(t, n / 4));
    tlist *l = oa__tmpl_alloc(t, sizeof *l);
    if (l == NULL) return oa__tmpl_nomem(t);
    l->items = oa__tmpl_alloc_array(t, n, sizeof *l->items);
    if (l->items == NULL) return oa__tmpl_nomem(t);
    l->len = n;
    *out = (tval){.type = (uint8_t)type, .u.l = l};
    return OA_OK;
}

int oa__tmpl_vec_add(tmpl *t, tvec *v, tval x)
{
    OA__TRY(oa__tmpl_grow(t, (void **)&v->items, &v->cap, v->len + 1, sizeof *v->items));
    v->items[v->len++] = x;
    return oa__tmpl_charge(t, 1);
}

int oa__tmpl_vec_done(tmpl *t, enum tval_type type, const tvec *v, tval *out)
{
    tlist *l = oa__tmpl_alloc(t, sizeof *l);
    if (l == NULL) return oa__tmpl_nomem(t);
    *l = (tlist){.items = v->items, .len = v->len};
    *out = (tval){.type = (uint8_t)type, .u.l = l};
    return OA_OK;
}

/* --- undefined -------------------------------------------------------------------------------- */

static int undef(tmpl *t, tundef u, tval *out)
{
    tundef *p = oa__tmpl_alloc(t, sizeof *p);
    if (p == NULL) return oa__tmpl_nomem(t);
    *p = u;
    *out = (tval){.type = T_UNDEF, .u.u = p};
    return OA_OK;
}

int oa__tmpl_undef_name(tmpl *t, const tstr *name, tval *out)
{
    tval n = {.type = T_STR, .u.s = (tstr *)name};
    return undef(t, (tundef){.kind = UNDEF_NAME, .name = n}, out);
}

int oa__tmpl_undef_member(tmpl *t, tval obj, tval name, bool unsafe, tval *out)
{
    if (obj.type == T_UNDEF) return oa__tmpl_undef_fail(t, obj);
    return undef(
        t,
        (tundef){.kind = unsafe ? UNDEF_UNSAFE : UNDEF_MEMBER, .obj_type = obj.type, .name = name},
        out);
}

int oa__tmpl_undef_hint(tmpl *t, const char *hint, tval *out)
{
    return undef(t, (tundef){.kind = UNDEF_HINT, .hint = hint}, out);
}

int oa__tmpl_undef_fail(tmpl *t, tval v)
{
    const tundef *u = v.u.u;
    tout o = {0};
    if (u->kind == UNDEF_HINT) return oa__tmpl_fail(t, "%s", u->hint);
    OA__TRY(oa__tmpl_add_repr(t, &o, u->name));
    int n = (int)(o.len > 200 ? 200 : o.len);
    const char *type = oa__tmpl_type_name(u->obj_type);
    if (u->kind == UNDEF_NAME) return oa__tmpl_fail(t, "%.*s is undefined", n, o.data);
    if (u->kind == UNDEF_UNSAFE) {
        return oa__tmpl_fail(t, "access to attribute %.*s of '%s' object is unsafe.", n, o.data,
                             type);
    }
    const char *object = " object";
    if (u->obj_type == T_NONE) {
        type = "None";
        object = "";
    }
    if (u->name.type == T_STR) {
        return oa__tmpl_fail(t, "'%s%s' has no attribute %.*s", type, object, n, o.data);
    }
    return oa__tmpl_fail(t, "%s%s has no element %.*s", type, object, n, o.data);
}

/* --- facts about values ----------------------------------------------------------------------- */

const char *oa__tmpl_type_name(uint8_t type)
{
    static const char *const names[] = {
        "missing", "Undefined", "NoneType", "bool",     "int",        "float",     "str",
        "list",    "tuple",     "dict",     "range",    "dict_items", "generator", "Namespace",
        "loop",    "macro",     "method",   "function", "cycler",     "joiner"};
    return names[type];
}

bool oa__tmpl_truth(tval v)
{
    switch (v.type) {
    case T_MISSING:
    case T_UNDEF:
    case T_NONE:
        return false;
    case T_BOOL:
    case T_INT:
        return v.u.i != 0;
    case T_FLOAT:
        return v.u.f != 0;
    case T_STR:
        return v.u.s->len > 0;
    case T_LIST:
    case T_TUPLE:
        return v.u.l->len > 0;
    case T_DICT:
    case T_VIEW:
        return v.u.d->len > 0;
    case T_RANGE:
        return v.u.r->len > 0;
    default:
        return true;
    }
}

bool oa__tmpl_has_size(tval v)
{
    return v.type == T_UNDEF || v.type == T_STR || v.type == T_LIST || v.type == T_TUPLE ||
           v.type == T_DICT || v.type == T_RANGE || v.type == T_VIEW || v.type == T_LOOP;
}

int oa__tmpl_size(tmpl *t, tval v, size_t *out)
{
    tval n;
    switch (v.type) {
    case T_UNDEF:
        *out = 0;
        return OA_OK;
    case T_STR:
        OA__TRY(oa__tmpl_charge(t, v.u.s->n_cp == SIZE_MAX ? v.u.s->len / 64 : 0));
        *out = oa__tmpl_str_len(v.u.s);
        return OA_OK;
    case T_LIST:
    case T_TUPLE:
        *out = v.u.l->len;
        return OA_OK;
    case T_DICT:
    case T_VIEW:
        *out = v.u.d->len;
        return OA_OK;
    case T_RANGE:
        *out = (size_t)v.u.r->len;
        return OA_OK;
    case T_LOOP: {
        tstr name = {.s = "length", .len = 6, .n_cp = 6};
        OA__TRY(oa__tmpl_loop_attr(t, v.u.loop, &name, &n));
        *out = (size_t)n.u.i;
        return OA_OK;
    }
    default:
        return oa__tmpl_fail(t, "object of type '%s' has no len()", oa__tmpl_type_name(v.type));
    }
}

bool oa__tmpl_iterable(tval v)
{
    return oa__tmpl_has_size(v) || v.type == T_ITER;
}

bool oa__tmpl_same(tval a, tval b)
{
    if (a.type != b.type) return false;
    switch (a.type) {
    case T_NONE:
        return true;
    case T_BOOL:
    case T_INT:
        return a.u.i == b.u.i;
    case T_FLOAT:
        return a.u.f == b.u.f;
    case T_STR:
        return a.u.s == b.u.s ||
               (a.u.s->len == b.u.s->len && memcmp(a.u.s->s, b.u.s->s, a.u.s->len) == 0);
    case T_FUNC:
        return a.sub == b.sub;
    default:
        return a.u.p == b.u.p;
    }
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* -1, 0, 1; 2 = not comparable (NaN). Exact, also where an integer has more bits than a double. */
static int num_cmp(tval a, tval b)
{
    if (a.type != T_FLOAT && b.type != T_FLOAT) return (a.u.i > b.u.i) - (a.u.i < b.u.i);
    if (a.type == T_FLOAT && b.type == T_FLOAT) {
        if (isnan(a.u.f) || isnan(b.u.f)) return 2;
        return (a.u.f > b.u.f) - (a.u.f < b.u.f);
    }
    if (a.type == T_FLOAT) {
        int r = num_cmp(b, a);
        return r == 2 ? 2 : -r;
    }
    double f = b.u.f;
    if (isnan(f)) return 2;
    if (f >= 9223372036854775808.0) return -1;
    if (f < -9223372036854775808.0) return 1;
    int64_t whole = (int64_t)f;
    if (a.u.i != whole) return a.u.i > whole ? 1 : -1;
    double rest = f - (double)whole;
    return (rest < 0) - (rest > 0);
}

int oa__tmpl_hash(tmpl *t, tval v, uint64_t *out)
{
    OA__TRY(oa__tmpl_charge(t, 1));
    switch (v.type) {
    case T_STR:
        OA__TRY(oa__tmpl_charge(t, v.u.s->len / 64));
        *out = oa__fnv1a(OA__FNV_BASIS, v.u.s->s, v.u.s->len);
        return OA_OK;
    case T_FLOAT:
        if (!(v.u.f >= -9e18 && v.u.f <= 9e18 && v.u.f == (double)(int64_t)v.u.f)) {
            *out = oa__fnv1a(OA__FNV_BASIS + 1, &v.u.f, sizeof v.u.f);
            return OA_OK;
        }
        v.u.i = (int64_t)v.u.f; /* equal numbers have equal hashes */
        /* fall through */
    case T_BOOL:
    case T_INT:
        *out = oa__fnv1a(OA__FNV_BASIS + 2, &v.u.i, sizeof v.u.i);
        return OA_OK;
    case T_NONE:
    case T_UNDEF:
        *out = v.type;
        return OA_OK;
    case T_TUPLE: {
        uint64_t h = OA__FNV_BASIS + 3;
        OA__TRY(oa__tmpl_enter(t));
        for (size_t i = 0; i < v.u.l->len; i++) {
            uint64_t one;
            OA__TRY(oa__tmpl_hash(t, v.u.l->items[i], &one));
            h = oa__fnv1a(h, &one, sizeof one);
        }
        oa__tmpl_leave(t);
        *out = h;
        return OA_OK;
    }
    case T_LIST:
    case T_DICT:
    case T_VIEW:
        return oa__tmpl_fail(t, "unhashable type: '%s'", oa__tmpl_type_name(v.type));
    default:
        *out = oa__fnv1a(OA__FNV_BASIS + 4, &v.u.p, sizeof v.u.p);
        return OA_OK;
    }
}

/* --- equality and order ----------------------------------------------------------------------- */

static int list_equal(tmpl *t, const tlist *a, const tlist *b, bool *out)
{
    *out = a->len == b->len;
    for (size_t i = 0; *out && i < a->len; i++) {
        OA__TRY(oa__tmpl_equal(t, a->items[i], b->items[i], out));
    }
    return OA_OK;
}

static int dict_equal(tmpl *t, const tdict *a, const tdict *b, bool *out)
{
    *out = a->len == b->len;
    for (size_t i = 0; *out && i < a->len; i++) {
        tval other;
        OA__TRY(oa__tmpl_dict_get(t, b, a->ents[i].key, &other));
        if (other.type == T_MISSING) {
            *out = false;
        } else {
            OA__TRY(oa__tmpl_equal(t, a->ents[i].val, other, out));
        }
    }
    return OA_OK;
}

int oa__tmpl_equal(tmpl *t, tval a, tval b, bool *out)
{
    *out = false;
    OA__TRY(oa__tmpl_charge(t, 1));
    if (oa__tmpl_is_number(a) && oa__tmpl_is_number(b)) {
        *out = num_cmp(a, b) == 0;
        return OA_OK;
    }
    if (a.type != b.type) return OA_OK;
    switch (a.type) {
    case T_STR:
        if (a.u.s->len != b.u.s->len) return OA_OK;
        *out = memcmp(a.u.s->s, b.u.s->s, a.u.s->len) == 0;
        return oa__tmpl_charge(t, a.u.s->len / 64);
    case T_UNDEF:
    case T_NONE:
        *out = true;
        return OA_OK;
    case T_LIST:
    case T_TUPLE:
        OA__TRY(oa__tmpl_enter(t));
        OA__TRY(list_equal(t, a.u.l, b.u.l, out));
        oa__tmpl_leave(t);
        return OA_OK;
    case T_DICT:
        OA__TRY(oa__tmpl_enter(t));
        OA__TRY(dict_equal(t, a.u.d, b.u.d, out));
        oa__tmpl_leave(t);
        return OA_OK;
    case T_RANGE:
        *out = a.u.r->len == b.u.r->len &&
               (a.u.r->len == 0 ||
                (a.u.r->start == b.u.r->start && (a.u.r->len == 1 || a.u.r->step == b.u.r->step)));
        return OA_OK;
    case T_METHOD:
        *out = a.u.m->id == b.u.m->id && oa__tmpl_same(a.u.m->self, b.u.m->self);
        return OA_OK;
    default:
        *out = oa__tmpl_same(a, b);
        return OA_OK;
    }
}

static bool order(int cmp, enum tnode_op op)
{
    switch (op) {
    case OP_LT:
        return cmp < 0;
    case OP_LE:
        return cmp <= 0;
    case OP_GT:
        return cmp > 0;
    default:
        return cmp >= 0;
    }
}

int oa__tmpl_less(tmpl *t, tval a, tval b, enum tnode_op op, bool *out)
{
    static const char *const ops[] = {[OP_LT] = "<", [OP_LE] = "<=", [OP_GT] = ">", [OP_GE] = ">="};
    OA__TRY(oa__tmpl_charge(t, 1));
    if (a.type == T_UNDEF) return oa__tmpl_undef_fail(t, a);
    if (b.type == T_UNDEF) return oa__tmpl_undef_fail(t, b);
    if (oa__tmpl_is_number(a) && oa__tmpl_is_number(b)) {
        int cmp = num_cmp(a, b);
        *out = cmp != 2 && order(cmp, op);
        return OA_OK;
    }
    if (a.type == T_STR && b.type == T_STR) {
        /* UTF-8 sorts like code points. */
        size_t n = a.u.s->len < b.u.s->len ? a.u.s->len : b.u.s->len;
        int cmp = memcmp(a.u.s->s, b.u.s->s, n);
        if (cmp == 0) cmp = (a.u.s->len > b.u.s->len) - (a.u.s->len < b.u.s->len);
        *out = order(cmp, op);
        return oa__tmpl_charge(t, n / 64);
    }
    if ((a.type == T_LIST || a.type == T_TUPLE) && a.type == b.type) {
        const tlist *x = a.u.l, *y = b.u.l;
        OA__TRY(oa__tmpl_enter(t));
        for (size_t i = 0; i < x->len && i < y->len; i++) {
            bool equal;
            OA__TRY(oa__tmpl_equal(t, x->items[i], y->items[i], &equal));
            if (equal) continue;
            oa__tmpl_leave(t);
            OA__TRY(oa__tmpl_enter(t));
            OA__TRY(oa__tmpl_less(t, x->items[i], y->items[i], op, out));
            oa__tmpl_leave(t);
            return OA_OK;
        }
        oa__tmpl_leave(t);
        *out = order((x->len > y->len) - (x->len < y->len), op);
        return OA_OK;
    }
    return oa__tmpl_fail(t, "'%s' not supported between instances of '%s' and '%s'", ops[op],
                         oa__tmpl_type_name(a.type), oa__tmpl_type_name(b.type));
}

int oa__tmpl_contains(tmpl *t, tval box, tval item, bool *out)
{
    *out = false;
    tval v = {0};
    switch (box.type) {
    case T_STR:
        if (item.type != T_STR) {
            return oa__tmpl_fail(t, "'in <string>' requires string as left operand, not %s",
                                 oa__tmpl_type_name(item.type));
        }
        OA__TRY(oa__tmpl_charge(t, box.u.s->len / 64));
        *out = oa__tmpl_find(box.u.s, item.u.s, 0) != SIZE_MAX;
        return OA_OK;
    case T_LIST:
    case T_TUPLE:
        for (size_t i = 0; i < box.u.l->len && !*out; i++) {
            OA__TRY(oa__tmpl_equal(t, box.u.l->items[i], item, out));
        }
        return OA_OK;
    case T_DICT:
        OA__TRY(oa__tmpl_dict_get(t, box.u.d, item, &v));
        *out = v.type != T_MISSING;
        return OA_OK;
    case T_VIEW:
        if (box.sub != 0) break;
        OA__TRY(oa__tmpl_dict_get(t, box.u.d, item, &v));
        *out = v.type != T_MISSING;
        return OA_OK;
    case T_UNDEF:
    case T_RANGE:
    case T_LOOP:
    case T_ITER:
        break;
    default:
        return oa__tmpl_fail(t, "argument of type '%s' is not iterable",
                             oa__tmpl_type_name(box.type));
    }
    titer *it;
    OA__TRY(oa__tmpl_iter(t, box, &it));
    for (;;) {
        OA__TRY(oa__tmpl_next(t, it, &v));
        if (v.type == T_MISSING) return OA_OK;
        OA__TRY(oa__tmpl_equal(t, v, item, out));
        if (*out) return OA_OK;
    }
}
