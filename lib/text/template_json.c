/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON out, as Python's json.dumps writes it and transformers calls it, and JSON in: the caller's
 * variables, read by jansson.
 */
#include "text/template_priv.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* --- out -------------------------------------------------------------------------------------- */

typedef struct writer {
    tmpl *t;
    tout *o;
    bool ascii, sort_keys;
    const tstr *indent; /* NULL = one line */
    const tstr *item_sep, *key_sep;
} writer;

static int add(writer *w, const char *z)
{
    return oa__tmpl_out_add(w->t, w->o, z, strlen(z));
}

static int add_string(writer *w, const tstr *s)
{
    static const char from[] = "\"\\\n\r\t\f\b", *const to = "\"\\nrtfb";
    OA__TRY(oa__tmpl_charge(w->t, s->len / 64));
    OA__TRY(add(w, "\""));
    for (size_t i = 0; i < s->len;) {
        size_t run = i;
        while (run < s->len && (unsigned char)s->s[run] >= 32 && s->s[run] != '"' &&
               s->s[run] != '\\' && (!w->ascii || (unsigned char)s->s[run] < 127)) {
            run++;
        }
        OA__TRY(oa__tmpl_out_add(w->t, w->o, s->s + i, run - i));
        i = run;
        if (i >= s->len) break;
        uint32_t cp;
        i += oa__utf8_decode(s->s + i, s->len - i, &cp);
        const char *hit = cp > 0 && cp < 128 ? strchr(from, (int)cp) : NULL;
        if (hit != NULL) {
            OA__TRY(oa__tmpl_out_addf(w->t, w->o, "\\%c", to[hit - from]));
        } else if (cp == 127) {
            OA__TRY(add(w, "\x7F"));
        } else if (cp == 0xFDD0 && w->t->guard) {
            OA__TRY(add(w, OA__GUARD));
        } else if (cp < 0x10000) {
            OA__TRY(oa__tmpl_out_addf(w->t, w->o, "\\u%04x", (unsigned)cp));
        } else {
            cp -= 0x10000;
            OA__TRY(oa__tmpl_out_addf(w->t, w->o, "\\u%04x\\u%04x", 0xD800 + (unsigned)(cp >> 10),
                                      0xDC00 + (unsigned)(cp & 0x3FF)));
        }
    }
    return add(w, "\"");
}

static int new_line(writer *w, uint32_t level)
{
    if (w->indent == NULL) return OA_OK;
    OA__TRY(add(w, "\n"));
    for (uint32_t i = 0; i < level; i++) {
        OA__TRY(oa__tmpl_out_add(w->t, w->o, w->indent->s, w->indent->len));
    }
    return OA_OK;
}

static int add_scalar(writer *w, tval v)
{
    char buf[32];
    switch (v.type) {
    case T_NONE:
        return add(w, "null");
    case T_BOOL:
        return add(w, v.u.i ? "true" : "false");
    case T_INT:
        return oa__tmpl_out_addf(w->t, w->o, "%lld", (long long)v.u.i);
    case T_FLOAT:
        if (isnan(v.u.f)) return add(w, "NaN");
        if (isinf(v.u.f)) return add(w, v.u.f < 0 ? "-Infinity" : "Infinity");
        return oa__tmpl_out_add(w->t, w->o, buf, oa__format_f64(v.u.f, true, buf));
    default:
        return oa__tmpl_fail(w->t, "Object of type %s is not JSON serializable",
                             oa__tmpl_type_name(v.type));
    }
}

static int add_key(writer *w, tval key)
{
    if (key.type == T_STR) return add_string(w, key.u.s);
    if (key.type != T_NONE && !oa__tmpl_is_number(key)) {
        return oa__tmpl_fail(w->t, "keys must be str, int, float, bool or None, not %s",
                             oa__tmpl_type_name(key.type));
    }
    OA__TRY(add(w, "\""));
    OA__TRY(add_scalar(w, key));
    return add(w, "\"");
}

static int add_value(writer *w, tval v, uint32_t level);

static int add_list(writer *w, const tlist *l, uint32_t level)
{
    if (l->len == 0) return add(w, "[]");
    OA__TRY(add(w, "["));
    for (size_t i = 0; i < l->len; i++) {
        if (i > 0) OA__TRY(oa__tmpl_out_add(w->t, w->o, w->item_sep->s, w->item_sep->len));
        OA__TRY(new_line(w, level + 1));
        OA__TRY(add_value(w, l->items[i], level + 1));
    }
    OA__TRY(new_line(w, level));
    return add(w, "]");
}

/* The entries in the order of their keys. */
static int sorted(writer *w, const tdict *d, tval *out)
{
    tval dict = {.type = T_DICT, .u.d = (tdict *)d}, yes = oa__tmpl_bool(true);
    tcall call = {.pos = &yes, .n_pos = 1};
    return oa__tmpl_filter_call(w->t, oa__tmpl_filter_find("dictsort", 8), dict, &call, out);
}

static int add_dict(writer *w, const tdict *d, uint32_t level)
{
    tval order = oa__tmpl_missing();
    if (d->len == 0) return add(w, "{}");
    if (w->sort_keys) OA__TRY(sorted(w, d, &order));
    OA__TRY(add(w, "{"));
    for (size_t i = 0; i < d->len; i++) {
        const tval *pair = w->sort_keys ? order.u.l->items[i].u.l->items : NULL;
        if (i > 0) OA__TRY(oa__tmpl_out_add(w->t, w->o, w->item_sep->s, w->item_sep->len));
        OA__TRY(new_line(w, level + 1));
        OA__TRY(add_key(w, pair != NULL ? pair[0] : d->ents[i].key));
        OA__TRY(oa__tmpl_out_add(w->t, w->o, w->key_sep->s, w->key_sep->len));
        OA__TRY(add_value(w, pair != NULL ? pair[1] : d->ents[i].val, level + 1));
    }
    OA__TRY(new_line(w, level));
    return add(w, "}");
}

static int add_value(writer *w, tval v, uint32_t level)
{
    OA__TRY(oa__tmpl_charge(w->t, 1));
    if (v.type == T_STR) return add_string(w, v.u.s);
    if (v.type != T_LIST && v.type != T_TUPLE && v.type != T_DICT) return add_scalar(w, v);
    OA__TRY(oa__tmpl_enter(w->t));
    OA__TRY(v.type == T_DICT ? add_dict(w, v.u.d, level) : add_list(w, v.u.l, level));
    oa__tmpl_leave(w->t);
    return OA_OK;
}

int oa__tmpl_tojson(tmpl *t, tval v, const tcall *call, tval *out)
{
    static const char *const names[] = {"ensure_ascii", "indent", "separators", "sort_keys", NULL};
    static const tstr comma = {.s = ", ", .len = 2}, comma_only = {.s = ",", .len = 1},
                      colon = {.s = ": ", .len = 2};
    tval a[4] = {{0}}, spaces;
    tout o = {0};
    OA__TRY(oa__tmpl_bind(t, "tojson", call, names, 0, a));
    writer w = {.t = t, .o = &o, .ascii = oa__tmpl_truth(a[0]), .sort_keys = oa__tmpl_truth(a[3])};
    if (a[1].type == T_UNDEF || a[2].type == T_UNDEF) {
        return oa__tmpl_undef_fail(t, a[1].type == T_UNDEF ? a[1] : a[2]);
    }
    if (a[1].type == T_STR) {
        w.indent = a[1].u.s;
    } else if (oa__tmpl_is_int(a[1])) {
        tval one;
        OA__TRY(oa__tmpl_str_z(t, " ", &one));
        OA__TRY(oa__tmpl_repeat(t, one, a[1].u.i, &spaces));
        w.indent = spaces.u.s;
    } else if (a[1].type != T_MISSING && a[1].type != T_NONE) {
        return oa__tmpl_fail(t, "tojson: indent must be a number or a string");
    }
    w.item_sep = w.indent == NULL ? &comma : &comma_only;
    w.key_sep = &colon;
    if (a[2].type != T_MISSING && a[2].type != T_NONE) {
        const tlist *l = a[2].u.l;
        if ((a[2].type != T_LIST && a[2].type != T_TUPLE) || l->len != 2 ||
            l->items[0].type != T_STR || l->items[1].type != T_STR) {
            return oa__tmpl_fail(t, "tojson: separators must be a pair of strings");
        }
        w.item_sep = l->items[0].u.s;
        w.key_sep = l->items[1].u.s;
    }
    OA__TRY(add_value(&w, v, 0));
    return oa__tmpl_str_out(t, &o, out);
}

/* --- in --------------------------------------------------------------------------------------- */

/* A copy of a text, with guards when this render wants them. */
static int from_text(tmpl *t, const char *s, size_t len, bool guard, tval *out)
{
    if (!guard) return oa__tmpl_str_copy(t, s, len, out);
    oa__str copy = {.mem = t->mem};
    int rc = oa__vocab_guard(t->vocab, s, len, &copy);
    if (rc == OA_OK) rc = oa__tmpl_str_copy(t, copy.data ? copy.data : "", copy.len, out);
    oa__str_free(&copy);
    return rc;
}

/* Templates look members up by names such as "role", which must not change. */
static bool is_plain_name(const char *s)
{
    for (; *s != '\0'; s++) {
        const char low = (char)(*s | 32);
        if (!(low >= 'a' && low <= 'z') && !(*s >= '0' && *s <= '9') && *s != '_') return false;
    }
    return true;
}

/* Recurses as deep as check_depth() lets it. */
static int from_json(tmpl *t, const json_t *j, bool guard, tval *out)
{
    switch (json_typeof(j)) {
    case JSON_STRING:
        return from_text(t, json_string_value(j), json_string_length(j), guard, out);
    case JSON_INTEGER:
        *out = oa__tmpl_int(json_integer_value(j));
        return OA_OK;
    case JSON_REAL:
        *out = oa__tmpl_float(json_real_value(j));
        return OA_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = oa__tmpl_bool(json_is_true(j));
        return OA_OK;
    case JSON_NULL:
        *out = oa__tmpl_none();
        return OA_OK;
    case JSON_ARRAY: {
        size_t n = json_array_size(j);
        OA__TRY(oa__tmpl_list(t, T_LIST, n, out));
        for (size_t i = 0; i < n; i++) {
            OA__TRY(from_json(t, json_array_get(j, i), guard, &out->u.l->items[i]));
        }
        return OA_OK;
    }
    default:
        break;
    }
    OA__TRY(oa__tmpl_dict(t, out));
    for (void *i = json_object_iter((json_t *)j); i != NULL;
         i = json_object_iter_next((json_t *)j, i)) {
        tval key, val;
        const char *name = json_object_iter_key(i);
        OA__TRY(from_text(t, name, strlen(name), guard && !is_plain_name(name), &key));
        OA__TRY(from_json(t, json_object_iter_value(i), guard, &val));
        OA__TRY(oa__tmpl_dict_set(t, out->u.d, key, val));
    }
    return OA_OK;
}

/* jansson recurses 2,048 levels deep; a look at the brackets spares the stack. */
static int check_depth(const char *json)
{
    size_t depth = 0;
    bool inside = false;
    for (const char *p = json; *p != '\0'; p++) {
        if (inside) {
            if (*p == '\\' && p[1] != '\0')
                p++;
            else if (*p == '"')
                inside = false;
        } else if (*p == '"') {
            inside = true;
        } else if (*p == '[' || *p == '{') {
            depth++;
        } else if ((*p == ']' || *p == '}') && depth > 0) {
            depth--;
        }
        if (depth > OA__TMPL_JSON_DEPTH) {
            return oa__err(OA_ELIMIT, "template variables: nested more than %d levels deep",
                           OA__TMPL_JSON_DEPTH);
        }
    }
    return OA_OK;
}

int oa__tmpl_load_json(tmpl *t, const char *json)
{
    OA__TRY(check_depth(json));
    json_error_t e;
    json_t *root = json_loads(json, JSON_ALLOW_NUL, &e);
    if (root == NULL) {
        return oa__err(OA_EINVAL, "template variables: %s at byte %d", e.text, e.position);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return oa__err(OA_EINVAL, "template variables: found no JSON object");
    }
    int rc = OA_OK;
    for (void *i = json_object_iter(root); i != NULL && rc == OA_OK;
         i = json_object_iter_next(root, i)) {
        const char *name = json_object_iter_key(i);
        const size_t len = strlen(name);
        const bool is_token = len > 6 && strcmp(name + len - 6, "_token") == 0;
        tval val = {0};
        rc = from_json(t, json_object_iter_value(i), t->guard && !is_token, &val);
        const tatom *a = rc == OA_OK ? oa__tmpl_atom(t, name, len) : NULL;
        if (a != NULL) ((tatom *)a)->root = val;
        if (rc == OA_OK && a == NULL) rc = oa__tmpl_nomem(t);
    }
    json_decref(root);
    return rc;
}
