/* SPDX-License-Identifier: Apache-2.0 */
/* Values to text: Python's str() and repr(). */
#include "text/template_priv.h"

#include <string.h>

static int repr_str(tmpl *t, tout *o, const tstr *s)
{
    OA__TRY(oa__tmpl_charge(t, s->len / 16));
    bool has_single = memchr(s->s, '\'', s->len) != NULL;
    bool has_double = memchr(s->s, '"', s->len) != NULL;
    char quote = has_single && !has_double ? '"' : '\'';
    OA__TRY(oa__tmpl_out_add(t, o, &quote, 1));
    for (size_t i = 0; i < s->len;) {
        uint32_t cp;
        size_t n = oa__utf8_decode(s->s + i, s->len - i, &cp);
        char c = (char)cp;
        if (cp == (uint32_t)quote || cp == '\\') {
            OA__TRY(oa__tmpl_out_addf(t, o, "\\%c", c));
        } else if (cp == '\n' || cp == '\r' || cp == '\t') {
            OA__TRY(oa__tmpl_out_add(t, o, cp == '\n' ? "\\n" : cp == '\r' ? "\\r" : "\\t", 2));
        } else if (oa__tmpl_is_printable(cp)) {
            OA__TRY(oa__tmpl_out_add(t, o, s->s + i, n));
        } else {
            OA__TRY(oa__tmpl_out_addf(t, o,
                                      cp < 0x100     ? "\\x%02x"
                                      : cp < 0x10000 ? "\\u%04x"
                                                     : "\\U%08x",
                                      (unsigned)cp));
        }
        i += n;
    }
    return oa__tmpl_out_add(t, o, &quote, 1);
}

static int add_z(tmpl *t, tout *o, const char *z)
{
    return oa__tmpl_out_add(t, o, z, strlen(z));
}

static int repr_items(tmpl *t, tout *o, const tlist *l, const char *open, const char *close)
{
    OA__TRY(oa__tmpl_enter(t));
    OA__TRY(add_z(t, o, open));
    for (size_t i = 0; i < l->len; i++) {
        if (i > 0) OA__TRY(add_z(t, o, ", "));
        OA__TRY(oa__tmpl_add_repr(t, o, l->items[i]));
    }
    oa__tmpl_leave(t);
    return add_z(t, o, close);
}

/* which: 0 keys, 1 values, 2 pairs in brackets, 3 key: value */
static int repr_dict(tmpl *t, tout *o, const tdict *d, uint32_t which)
{
    OA__TRY(oa__tmpl_enter(t));
    for (size_t i = 0; i < d->len; i++) {
        if (i > 0) OA__TRY(add_z(t, o, ", "));
        if (which == 2) OA__TRY(add_z(t, o, "("));
        if (which != 1) OA__TRY(oa__tmpl_add_repr(t, o, d->ents[i].key));
        if (which >= 2) OA__TRY(add_z(t, o, which == 2 ? ", " : ": "));
        if (which != 0) OA__TRY(oa__tmpl_add_repr(t, o, d->ents[i].val));
        if (which == 2) OA__TRY(add_z(t, o, ")"));
    }
    oa__tmpl_leave(t);
    return OA_OK;
}

int oa__tmpl_add_repr(tmpl *t, tout *o, tval v)
{
    char buf[32];
    OA__TRY(oa__tmpl_charge(t, 1));
    switch (v.type) {
    case T_MISSING:
    case T_UNDEF:
        return add_z(t, o, "Undefined");
    case T_NONE:
        return add_z(t, o, "None");
    case T_BOOL:
        return add_z(t, o, v.u.i ? "True" : "False");
    case T_INT:
        return oa__tmpl_out_addf(t, o, "%lld", (long long)v.u.i);
    case T_FLOAT:
        return oa__tmpl_out_add(t, o, buf, oa__format_f64(v.u.f, true, buf));
    case T_STR:
        if (!v.flag) return repr_str(t, o, v.u.s);
        OA__TRY(add_z(t, o, "Markup("));
        OA__TRY(repr_str(t, o, v.u.s));
        return add_z(t, o, ")");
    case T_LIST:
        return repr_items(t, o, v.u.l, "[", "]");
    case T_TUPLE:
        return repr_items(t, o, v.u.l, "(", v.u.l->len == 1 ? ",)" : ")");
    case T_DICT:
    case T_NS:
        OA__TRY(add_z(t, o, v.type == T_NS ? "<Namespace {" : "{"));
        OA__TRY(repr_dict(t, o, v.u.d, 3));
        return add_z(t, o, v.type == T_NS ? "}>" : "}");
    case T_VIEW: {
        static const char *const open[] = {"dict_keys([", "dict_values([", "dict_items(["};
        OA__TRY(add_z(t, o, open[v.sub]));
        OA__TRY(repr_dict(t, o, v.u.d, v.sub));
        return add_z(t, o, "])");
    }
    case T_RANGE:
        OA__TRY(oa__tmpl_out_addf(t, o, "range(%lld, %lld", (long long)v.u.r->start,
                                  (long long)v.u.r->stop));
        if (v.u.r->step != 1) OA__TRY(oa__tmpl_out_addf(t, o, ", %lld", (long long)v.u.r->step));
        return add_z(t, o, ")");
    case T_LOOP: {
        size_t n;
        OA__TRY(oa__tmpl_size(t, v, &n));
        return oa__tmpl_out_addf(t, o, "<LoopContext %lld/%zu>", (long long)v.u.loop->index0 + 1,
                                 n);
    }
    case T_MACRO:
        OA__TRY(add_z(t, o, "<Macro "));
        if (v.u.macro->node->name == NULL) {
            OA__TRY(add_z(t, o, "anonymous"));
        } else {
            OA__TRY(repr_str(t, o, &v.u.macro->node->name->str));
        }
        return add_z(t, o, ">");
    case T_METHOD:
        return oa__tmpl_out_addf(t, o, "<built-in method %s of %s object>",
                                 oa__tmpl_method_name(v.u.m->id),
                                 oa__tmpl_type_name(v.u.m->self.type));
    case T_FUNC:
        return oa__tmpl_out_addf(t, o, "<function %s>", oa__tmpl_func_name(v.sub));
    default:
        return oa__tmpl_out_addf(t, o, "<%s object>", oa__tmpl_type_name(v.type));
    }
}

int oa__tmpl_add_str(tmpl *t, tout *o, tval v)
{
    if (v.type == T_STR) return oa__tmpl_out_add(t, o, v.u.s->s, v.u.s->len);
    if (v.type == T_UNDEF) return OA_OK;
    return oa__tmpl_add_repr(t, o, v);
}

int oa__tmpl_to_str(tmpl *t, tval v, tval *out)
{
    *out = v;
    if (v.type == T_STR) return OA_OK;
    tout o = {0};
    OA__TRY(oa__tmpl_add_str(t, &o, v));
    return oa__tmpl_str_out(t, &o, out);
}
