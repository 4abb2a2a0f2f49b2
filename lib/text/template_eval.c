/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions: nodes to values. The big cases are functions of their own, so that the frame of the
 * recursive one stays small.
 */
#include "text/template_priv.h"

#include <string.h>

#define NOINLINE __attribute__((noinline))

int oa__tmpl_lookup(tmpl *t, const tatom *name, tval *out)
{
    for (const tscope *s = t->scope; s != NULL; s = s->parent) {
        for (uint32_t i = 0; i < s->len; i++) {
            if (s->vars[i].name != name) continue;
            *out = s->vars[i].val;
            if (out->type == T_MISSING) return oa__tmpl_undef_name(t, &name->str, out);
            return OA_OK;
        }
        t->steps += 1 + s->len / 8;
    }
    *out = name->root;
    if (out->type == T_MISSING) return oa__tmpl_undef_name(t, &name->str, out);
    return OA_OK;
}

/* --- calls ------------------------------------------------------------------------------------ */

NOINLINE static int args_kw(tmpl *t, const targs *args, tcall *out)
{
    tval kw, v, key;
    OA__TRY(oa__tmpl_dict(t, &kw));
    for (uint32_t i = 0; i < args->n_kw; i++) {
        key = (tval){.type = T_STR, .u.s = (tstr *)&args->kw_names[i]->str};
        OA__TRY(oa__tmpl_eval(t, args->kw[i], &v));
        OA__TRY(oa__tmpl_dict_set(t, kw.u.d, key, v));
    }
    if (args->dyn_kwargs != NULL) {
        OA__TRY(oa__tmpl_eval(t, args->dyn_kwargs, &v));
        if (v.type == T_UNDEF) return oa__tmpl_undef_fail(t, v);
        if (v.type != T_DICT) return oa__tmpl_fail(t, "argument after ** must be a mapping");
        for (size_t i = 0; i < v.u.d->len; i++) {
            tval seen;
            key = v.u.d->ents[i].key;
            if (key.type != T_STR) return oa__tmpl_fail(t, "keywords must be strings");
            OA__TRY(oa__tmpl_dict_get(t, kw.u.d, key, &seen));
            if (seen.type != T_MISSING) {
                return oa__tmpl_fail(t, "got multiple values for keyword argument '%.*s'",
                                     (int)(key.u.s->len > 60 ? 60 : key.u.s->len), key.u.s->s);
            }
            OA__TRY(oa__tmpl_dict_set(t, kw.u.d, key, v.u.d->ents[i].val));
        }
    }
    out->kw = kw.u.d->len > 0 ? kw.u.d : NULL;
    return OA_OK;
}

int oa__tmpl_args(tmpl *t, const targs *args, tcall *out)
{
    *out = (tcall){0};
    if (args == NULL) return OA_OK;
    if (args->n_pos > 0 || args->dyn_args != NULL) {
        tval list, v;
        OA__TRY(oa__tmpl_list(t, T_LIST, args->n_pos, &list));
        for (uint32_t i = 0; i < args->n_pos; i++) {
            OA__TRY(oa__tmpl_eval(t, args->pos[i], &list.u.l->items[i]));
        }
        if (args->dyn_args != NULL) {
            tvec vec = {.items = list.u.l->items, .len = args->n_pos, .cap = args->n_pos};
            OA__TRY(oa__tmpl_eval(t, args->dyn_args, &v));
            OA__TRY(oa__tmpl_to_vec(t, v, &vec));
            list.u.l->items = vec.items;
            list.u.l->len = vec.len;
        }
        out->pos = list.u.l->items;
        out->n_pos = list.u.l->len;
    }
    if (args->n_kw > 0 || args->dyn_kwargs != NULL) OA__TRY(args_kw(t, args, out));
    return OA_OK;
}

int oa__tmpl_call(tmpl *t, tval fn, const tcall *call, tval *out)
{
    OA__TRY(oa__tmpl_charge(t, 1));
    switch (fn.type) {
    case T_METHOD:
        return oa__tmpl_method_call(t, fn.u.m->id, fn.u.m->self, call, out);
    case T_MACRO:
        return oa__tmpl_macro_call(t, fn.u.macro, call, out);
    case T_FUNC:
        return oa__tmpl_func_call(t, fn.sub, call, out);
    case T_LOOP:
        return oa__tmpl_loop_call(t, fn.u.loop, call, out);
    case T_UNDEF:
        return oa__tmpl_undef_fail(t, fn);
    case T_JOINER: {
        tcycler *j = fn.u.cy;
        if (j->pos++ == 0) return oa__tmpl_str(t, "", 0, out);
        *out = j->items.items[0];
        return OA_OK;
    }
    default:
        return oa__tmpl_fail(t, "'%s' object is not callable", oa__tmpl_type_name(fn.type));
    }
}

NOINLINE static int eval_call(tmpl *t, const tnode *n, tval *out)
{
    tval fn = {0};
    tcall call;
    OA__TRY(oa__tmpl_eval(t, n->a, &fn));
    OA__TRY(oa__tmpl_args(t, n->args, &call));
    t->line = n->line;
    return oa__tmpl_call(t, fn, &call, out);
}

NOINLINE static int eval_filter(tmpl *t, const tnode *n, tval *out)
{
    tval in = {0};
    tcall call;
    OA__TRY(oa__tmpl_eval(t, n->a, &in));
    t->line = n->line;
    if (n->id == UINT16_MAX) return oa__tmpl_fail(t, "No filter named '%s' found.", n->name->str.s);
    OA__TRY(oa__tmpl_args(t, n->args, &call));
    t->line = n->line;
    return oa__tmpl_filter_call(t, n->id, in, &call, out);
}

NOINLINE static int eval_test(tmpl *t, const tnode *n, tval *out)
{
    tval in = {0};
    tcall call;
    bool yes;
    OA__TRY(oa__tmpl_eval(t, n->a, &in));
    t->line = n->line;
    if (n->id == UINT16_MAX) return oa__tmpl_fail(t, "No test named '%s' found.", n->name->str.s);
    OA__TRY(oa__tmpl_args(t, n->args, &call));
    t->line = n->line;
    OA__TRY(oa__tmpl_test_call(t, n->id, in, &call, &yes));
    *out = oa__tmpl_bool(yes);
    return OA_OK;
}

/* --- operators -------------------------------------------------------------------------------- */

NOINLINE static int eval_chain(tmpl *t, const tnode *n, tval *out)
{
    tval right;
    OA__TRY(oa__tmpl_eval(t, n->kids[0], out));
    for (uint32_t i = 1; i < n->n_kids; i++) {
        OA__TRY(oa__tmpl_eval(t, n->kids[i], &right));
        t->line = n->line;
        OA__TRY(oa__tmpl_math(t, (enum tnode_op)n->ops[i - 1], *out, right, out));
    }
    return OA_OK;
}

NOINLINE static int eval_compare(tmpl *t, const tnode *n, tval *out)
{
    tval left, right;
    OA__TRY(oa__tmpl_eval(t, n->kids[0], &left));
    bool yes = true;
    for (uint32_t i = 1; i < n->n_kids && yes; i++) {
        enum tnode_op op = (enum tnode_op)n->ops[i - 1];
        OA__TRY(oa__tmpl_eval(t, n->kids[i], &right));
        t->line = n->line;
        if (op == OP_EQ || op == OP_NE) {
            OA__TRY(oa__tmpl_equal(t, left, right, &yes));
        } else if (op == OP_IN || op == OP_NOTIN) {
            OA__TRY(oa__tmpl_contains(t, right, left, &yes));
        } else {
            OA__TRY(oa__tmpl_less(t, left, right, op, &yes));
        }
        if (op == OP_NE || op == OP_NOTIN) yes = !yes;
        left = right;
    }
    *out = oa__tmpl_bool(yes);
    return OA_OK;
}

NOINLINE static int eval_concat(tmpl *t, const tnode *n, tval *out)
{
    tval v = {0};
    OA__TRY(oa__tmpl_eval(t, n->kids[0], &v));
    OA__TRY(oa__tmpl_to_str(t, v, out));
    out->flag = 0;
    for (uint32_t i = 1; i < n->n_kids; i++) {
        OA__TRY(oa__tmpl_eval(t, n->kids[i], &v));
        t->line = n->line;
        OA__TRY(oa__tmpl_to_str(t, v, &v));
        OA__TRY(oa__tmpl_str_cat(t, out->u.s, v.u.s->s, v.u.s->len, out));
    }
    return OA_OK;
}

NOINLINE static int eval_logic(tmpl *t, const tnode *n, tval *out)
{
    for (uint32_t i = 0; i < n->n_kids; i++) {
        OA__TRY(oa__tmpl_eval(t, n->kids[i], out));
        if (oa__tmpl_truth(*out) == (n->kind == E_OR)) break;
    }
    return OA_OK;
}

NOINLINE static int eval_cond(tmpl *t, const tnode *n, tval *out)
{
    OA__TRY(oa__tmpl_eval(t, n->a, out));
    if (oa__tmpl_truth(*out)) return oa__tmpl_eval(t, n->b, out);
    if (n->c != NULL) return oa__tmpl_eval(t, n->c, out);
    return oa__tmpl_undef_hint(t,
                               "the inline if-expression evaluated to false and no else section "
                               "was defined",
                               out);
}

/* --- members and literals --------------------------------------------------------------------- */

NOINLINE static int eval_item(tmpl *t, const tnode *n, tval *out)
{
    tval obj, key;
    OA__TRY(oa__tmpl_eval(t, n->a, &obj));
    if (n->b->kind == E_SLICE) {
        tval part[3];
        for (int i = 0; i < 3; i++) {
            part[i] = oa__tmpl_none();
            if (n->b->kids[i] != NULL) OA__TRY(oa__tmpl_eval(t, n->b->kids[i], &part[i]));
        }
        t->line = n->line;
        return oa__tmpl_get_slice(t, obj, part[0], part[1], part[2], out);
    }
    OA__TRY(oa__tmpl_eval(t, n->b, &key));
    t->line = n->line;
    return oa__tmpl_get_item(t, obj, key, out);
}

NOINLINE static int eval_attr(tmpl *t, const tnode *n, tval *out)
{
    tval obj;
    OA__TRY(oa__tmpl_eval(t, n->a, &obj));
    t->line = n->line;
    return oa__tmpl_get_attr(t, obj, (tval){.type = T_STR, .u.s = (tstr *)&n->name->str}, out);
}

NOINLINE static int eval_list(tmpl *t, const tnode *n, tval *out)
{
    tval list;
    OA__TRY(oa__tmpl_list(t, n->kind == E_LIST ? T_LIST : T_TUPLE, n->n_kids, &list));
    for (uint32_t i = 0; i < n->n_kids; i++) {
        OA__TRY(oa__tmpl_eval(t, n->kids[i], &list.u.l->items[i]));
    }
    *out = list;
    return OA_OK;
}

NOINLINE static int eval_dict(tmpl *t, const tnode *n, tval *out)
{
    tval dict, key, val;
    OA__TRY(oa__tmpl_dict(t, &dict));
    for (uint32_t i = 0; i + 1 < n->n_kids; i += 2) {
        OA__TRY(oa__tmpl_eval(t, n->kids[i], &key));
        OA__TRY(oa__tmpl_eval(t, n->kids[i + 1], &val));
        t->line = n->line;
        OA__TRY(oa__tmpl_dict_set(t, dict.u.d, key, val));
    }
    *out = dict;
    return OA_OK;
}

static int eval_node(tmpl *t, const tnode *n, tval *out)
{
    switch (n->kind) {
    case E_CONST:
        *out = n->value;
        return OA_OK;
    case E_NAME:
        return oa__tmpl_lookup(t, n->name, out);
    case E_ATTR:
        return eval_attr(t, n, out);
    case E_ITEM:
        return eval_item(t, n, out);
    case E_CALL:
        return eval_call(t, n, out);
    case E_FILTER:
        return eval_filter(t, n, out);
    case E_TEST:
        return eval_test(t, n, out);
    case E_NOT:
        OA__TRY(oa__tmpl_eval(t, n->a, out));
        *out = oa__tmpl_bool(!oa__tmpl_truth(*out));
        return OA_OK;
    case E_NEG:
    case E_POS:
        OA__TRY(oa__tmpl_eval(t, n->a, out));
        return oa__tmpl_negate(t, *out, n->kind == E_POS, out);
    case E_AND:
    case E_OR:
        return eval_logic(t, n, out);
    case E_COND:
        return eval_cond(t, n, out);
    case E_CMP:
        return eval_compare(t, n, out);
    case E_MATH:
        return eval_chain(t, n, out);
    case E_CONCAT:
        return eval_concat(t, n, out);
    case E_LIST:
    case E_TUPLE:
        return eval_list(t, n, out);
    case E_DICT:
        return eval_dict(t, n, out);
    default:
        return oa__tmpl_fail(t, "this can't be used as a value");
    }
}

int oa__tmpl_eval(tmpl *t, const tnode *n, tval *out)
{
    t->line = n->line;
    OA__TRY(oa__tmpl_charge(t, 1));
    OA__TRY(oa__tmpl_enter(t));
    OA__TRY(eval_node(t, n, out));
    oa__tmpl_leave(t);
    return OA_OK;
}
