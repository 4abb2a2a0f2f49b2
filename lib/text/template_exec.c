/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements. Scopes are chained as they are nested in the text: a loop turn, a macro, a block that
 * catches its text each have one, an "if" has none. Names set at the top level live in their atoms.
 */
#include "text/template_priv.h"

#include <string.h>

#define NOINLINE __attribute__((noinline))

/* --- scopes ----------------------------------------------------------------------------------- */

int oa__tmpl_scope_push(tmpl *t, tscope *parent, tscope **out)
{
    tscope *s = oa__tmpl_alloc(t, sizeof *s);
    if (s == NULL) return oa__tmpl_nomem(t);
    s->parent = parent;
    *out = s;
    return OA_OK;
}

void oa__tmpl_capture_scope(tscope *s)
{
    for (; s != NULL && !s->captured; s = s->parent)
        s->captured = true;
}

int oa__tmpl_scope_set(tmpl *t, const tatom *name, tval v)
{
    tscope *s = t->scope;
    if (s == NULL) {
        ((tatom *)name)->root = v;
        return OA_OK;
    }
    for (uint32_t i = 0; i < s->len; i++) {
        if (s->vars[i].name == name) {
            s->vars[i].val = v;
            return OA_OK;
        }
    }
    OA__TRY(oa__tmpl_charge(t, s->len / 8));
    size_t cap = s->cap;
    OA__TRY(oa__tmpl_grow(t, (void **)&s->vars, &cap, (size_t)s->len + 1, sizeof *s->vars));
    s->cap = (uint32_t)cap;
    s->vars[s->len++] = (tvar){.name = name, .val = v};
    return OA_OK;
}

int oa__tmpl_assign(tmpl *t, const tnode *target, tval v)
{
    if (target->kind == E_NAME) return oa__tmpl_scope_set(t, target->name, v);
    t->line = target->line;
    if (target->kind == E_NSREF) {
        tval ns, key = {.type = T_STR, .u.s = (tstr *)&target->name->str};
        OA__TRY(oa__tmpl_lookup(t, target->a->name, &ns));
        if (ns.type != T_NS) {
            return oa__tmpl_fail(t, "cannot assign attribute on non-namespace object");
        }
        if (target->name->str.len > 0 && target->name->str.s[0] == '_') {
            return oa__tmpl_fail(t, "namespace attributes can't begin with an underscore");
        }
        return oa__tmpl_dict_set(t, ns.u.d, key, v);
    }
    titer *it;
    tval item = {0};
    tvec all = {0};
    OA__TRY(oa__tmpl_iter(t, v, &it));
    for (uint32_t i = 0; i < target->n_kids; i++) {
        OA__TRY(oa__tmpl_next(t, it, &item));
        if (item.type == T_MISSING) {
            return oa__tmpl_fail(t, "not enough values to unpack (expected %u, got %u)",
                                 (unsigned)target->n_kids, (unsigned)i);
        }
        OA__TRY(oa__tmpl_vec_add(t, &all, item));
    }
    OA__TRY(oa__tmpl_next(t, it, &item));
    if (item.type != T_MISSING) {
        return oa__tmpl_fail(t, "too many values to unpack (expected %u)",
                             (unsigned)target->n_kids);
    }
    for (uint32_t i = 0; i < target->n_kids; i++) {
        OA__TRY(oa__tmpl_assign(t, target->kids[i], all.items[i]));
    }
    return OA_OK;
}

static int hide_names(tmpl *t, const tnode *body)
{
    for (uint32_t i = 0; i < body->n_hidden; i++) {
        OA__TRY(oa__tmpl_scope_set(t, body->hidden[i], oa__tmpl_missing()));
    }
    return OA_OK;
}

/* Run a body in a scope of its own under `parent`, its text to `out`. */
static int run_scope(tmpl *t, const tnode *body, tscope *scope, tout *out)
{
    tscope *before = t->scope;
    tout *out_before = t->out;
    t->scope = scope;
    t->out = out;
    int rc = hide_names(t, body);
    if (rc == OA_OK) rc = oa__tmpl_exec(t, body->kids, body->n_kids);
    t->scope = before;
    t->out = out_before;
    return rc;
}

/* --- loops ------------------------------------------------------------------------------------ */

NOINLINE static int loop_turn(tmpl *t, const tnode *n, tloop *loop, tval item, tscope **scope)
{
    static const char loop_name[] = "loop";
    loop->before = loop->current;
    loop->current = item;
    loop->index0++;
    tscope *s = *scope;
    if (s == NULL || s->captured) {
        OA__TRY(oa__tmpl_scope_push(t, loop->scope, scope));
        s = *scope;
    }
    s->len = 0;
    const tatom *name = oa__tmpl_atom(t, loop_name, 4);
    if (name == NULL) return oa__tmpl_nomem(t);
    t->scope = s;
    OA__TRY(oa__tmpl_scope_set(t, name, (tval){.type = T_LOOP, .u.loop = loop}));
    OA__TRY(oa__tmpl_assign(t, n->kids[0], item));
    OA__TRY(hide_names(t, n->kids[1]));
    return oa__tmpl_exec(t, n->kids[1]->kids, n->kids[1]->n_kids);
}

/* Run a loop over `src`. The current scope is the one around the loop. */
static int run_loop(tmpl *t, const tnode *n, tval src, int64_t depth0)
{
    tscope *around = t->scope, *scope = NULL;
    tloop *loop = oa__tmpl_alloc(t, sizeof *loop);
    if (loop == NULL) return oa__tmpl_nomem(t);
    loop->node = n;
    loop->scope = around;
    loop->depth0 = depth0;
    loop->index0 = -1;
    loop->length = -1;
    if (n->b != NULL) {
        titer *it, *in;
        OA__TRY(oa__tmpl_iter(t, src, &in)); /* fails here if it can't be iterated */
        OA__TRY(oa__tmpl_lazy(t, IT_LOOP_IF, src, &it, &src));
        it->in = in;
        it->node = n;
        it->scope = around;
    }
    loop->src = src;
    OA__TRY(oa__tmpl_iter(t, src, &loop->it));
    bool completed = false; /* a turn reached its end: then there is no else */
    for (;;) {
        tval item = loop->after;
        loop->after = oa__tmpl_missing();
        if (item.type == T_MISSING) OA__TRY(oa__tmpl_next(t, loop->it, &item));
        if (item.type == T_MISSING) break;
        OA__TRY(loop_turn(t, n, loop, item, &scope));
        t->scope = around;
        t->line = n->line;
        enum tflow flow = t->flow;
        t->flow = FLOW_NEXT;
        if (flow == FLOW_NEXT) completed = true;
        if (flow == FLOW_BREAK) break;
    }
    if (n->c != NULL && !completed) {
        OA__TRY(oa__tmpl_scope_push(t, around, &scope));
        return run_scope(t, n->c, scope, t->out);
    }
    return OA_OK;
}

NOINLINE static int exec_for(tmpl *t, const tnode *n)
{
    tval src;
    OA__TRY(oa__tmpl_eval(t, n->a, &src));
    t->line = n->line;
    return run_loop(t, n, src, 0);
}

/* loop(children) inside of a recursive loop. */
int oa__tmpl_loop_call(tmpl *t, tloop *loop, const tcall *call, tval *out)
{
    if (!loop->node->flag) {
        return oa__tmpl_fail(t,
                             "The loop must have the 'recursive' marker to be called recursively.");
    }
    if (call->n_pos != 1 || call->kw != NULL) return oa__tmpl_fail(t, "loop() takes one argument");
    tscope *scope = t->scope;
    tout text = {0}, *before = t->out;
    t->scope = loop->scope;
    t->out = &text;
    int rc = oa__tmpl_enter(t);
    if (rc == OA_OK) {
        rc = run_loop(t, loop->node, call->pos[0], loop->depth0 + 1);
        oa__tmpl_leave(t);
    }
    t->scope = scope;
    t->out = before;
    return rc < 0 ? rc : oa__tmpl_str_out(t, &text, out);
}

/* --- macros ----------------------------------------------------------------------------------- */

static int macro_new(tmpl *t, const tnode *n, tval *out)
{
    tmacro *m = oa__tmpl_alloc(t, sizeof *m);
    if (m == NULL) return oa__tmpl_nomem(t);
    *m = (tmacro){.node = n, .scope = t->scope};
    oa__tmpl_capture_scope(t->scope);
    *out = (tval){.type = T_MACRO, .u.macro = m};
    return OA_OK;
}

static int set_word(tmpl *t, const char *word, tval v)
{
    const tatom *name = oa__tmpl_atom(t, word, strlen(word));
    if (name == NULL) return oa__tmpl_nomem(t);
    return oa__tmpl_scope_set(t, name, v);
}

/* What is left over of the arguments: varargs, kwargs, caller, or an error. */
static int macro_rest(tmpl *t, const tmacro *m, const tcall *call, tdict *kw)
{
    const tnode *n = m->node;
    const char *name = n->name == NULL ? "caller" : n->name->str.s;
    tval v = {0};
    if ((n->flag & MACRO_CALLER) && !(n->flag & MACRO_HAS_CALLER_PARAM)) {
        v = oa__tmpl_dict_get_str(kw, "caller", 6);
        if (v.type == T_MISSING || v.type == T_NONE) {
            OA__TRY(oa__tmpl_undef_hint(t, "No caller defined", &v));
        }
        OA__TRY(set_word(t, "caller", v));
    }
    tval left;
    OA__TRY(oa__tmpl_dict(t, &left));
    for (size_t i = 0; i < kw->len; i++) {
        tval key = kw->ents[i].key;
        if (kw->ents[i].val.type == T_MISSING) continue; /* taken by a parameter */
        bool is_caller = key.u.s->len == 6 && memcmp(key.u.s->s, "caller", 6) == 0;
        if (is_caller && (n->flag & MACRO_CALLER) && !(n->flag & MACRO_HAS_CALLER_PARAM)) continue;
        if (!(n->flag & MACRO_KWARGS)) {
            return oa__tmpl_fail(t, "macro '%s' takes no keyword argument '%.*s'", name,
                                 (int)(key.u.s->len > 60 ? 60 : key.u.s->len), key.u.s->s);
        }
        OA__TRY(oa__tmpl_dict_set(t, left.u.d, key, kw->ents[i].val));
    }
    if (n->flag & MACRO_KWARGS) OA__TRY(set_word(t, "kwargs", left));
    size_t n_pos = n->args->n_pos;
    if (n->flag & MACRO_VARARGS) {
        size_t extra = call->n_pos > n_pos ? call->n_pos - n_pos : 0;
        OA__TRY(oa__tmpl_list(t, T_TUPLE, extra, &v));
        for (size_t i = 0; i < extra; i++)
            v.u.l->items[i] = call->pos[n_pos + i];
        OA__TRY(set_word(t, "varargs", v));
    } else if (call->n_pos > n_pos) {
        return oa__tmpl_fail(t, "macro '%s' takes not more than %zu argument(s)", name, n_pos);
    }
    return OA_OK;
}

static int macro_args(tmpl *t, const tmacro *m, const tcall *call)
{
    const targs *args = m->node->args;
    tval kw, v;
    OA__TRY(oa__tmpl_dict(t, &kw)); /* a copy: parameters take theirs out of it */
    for (size_t i = 0; call->kw != NULL && i < call->kw->len; i++) {
        OA__TRY(oa__tmpl_dict_set(t, kw.u.d, call->kw->ents[i].key, call->kw->ents[i].val));
    }
    size_t n_plain = args->n_pos - args->n_kw;
    for (size_t i = 0; i < args->n_pos; i++) {
        const tatom *name = args->pos[i]->name;
        tval key = {.type = T_STR, .u.s = (tstr *)&name->str};
        v = i < call->n_pos ? call->pos[i] : oa__tmpl_missing();
        if (i >= call->n_pos) {
            OA__TRY(oa__tmpl_dict_get(t, kw.u.d, key, &v));
            if (v.type != T_MISSING) {
                OA__TRY(oa__tmpl_dict_set(t, kw.u.d, key, oa__tmpl_missing()));
            }
        }
        if (v.type == T_MISSING) {
            if (i >= n_plain) {
                /* Defaults see the parameters before them. */
                OA__TRY(oa__tmpl_eval(t, args->kw[i - n_plain], &v));
            } else {
                OA__TRY(oa__tmpl_undef_hint(t, "parameter was not provided", &v));
            }
        }
        OA__TRY(oa__tmpl_scope_set(t, name, v));
    }
    return macro_rest(t, m, call, kw.u.d);
}

int oa__tmpl_macro_call(tmpl *t, tmacro *m, const tcall *call, tval *out)
{
    tscope *before = t->scope, *scope = NULL;
    tout text = {0};
    OA__TRY(oa__tmpl_enter(t));
    OA__TRY(oa__tmpl_scope_push(t, m->scope, &scope));
    t->scope = scope;
    OA__TRY(macro_args(t, m, call));
    OA__TRY(run_scope(t, m->node->kids[0], scope, &text));
    t->scope = before;
    oa__tmpl_leave(t);
    return oa__tmpl_str_out(t, &text, out);
}

/* {% call(x) f(...) %}: f gets a macro "caller" whose body is the block. */
NOINLINE static int exec_call(tmpl *t, const tnode *n)
{
    tval fn, caller, kw, key, v;
    tcall call;
    const tatom *name = oa__tmpl_atom(t, "caller", 6);
    if (name == NULL) return oa__tmpl_nomem(t);
    OA__TRY(macro_new(t, n, &caller));
    OA__TRY(oa__tmpl_eval(t, n->a->a, &fn));
    OA__TRY(oa__tmpl_args(t, n->a->args, &call));
    OA__TRY(oa__tmpl_dict(t, &kw));
    for (size_t i = 0; call.kw != NULL && i < call.kw->len; i++) {
        OA__TRY(oa__tmpl_dict_set(t, kw.u.d, call.kw->ents[i].key, call.kw->ents[i].val));
    }
    key = (tval){.type = T_STR, .u.s = (tstr *)&name->str};
    OA__TRY(oa__tmpl_dict_get(t, kw.u.d, key, &v));
    t->line = n->line;
    if (v.type != T_MISSING) return oa__tmpl_fail(t, "keyword argument 'caller' repeated");
    OA__TRY(oa__tmpl_dict_set(t, kw.u.d, key, caller));
    call.kw = kw.u.d;
    OA__TRY(oa__tmpl_call(t, fn, &call, &v));
    return oa__tmpl_add_str(t, t->out, v);
}

/* --- the rest --------------------------------------------------------------------------------- */

/* The text of a body through filters, whose innermost input is NULL in the tree. */
static int apply_filters(tmpl *t, const tnode *n, tval in, tval *out)
{
    tcall call;
    if (n == NULL) {
        *out = in;
        return OA_OK;
    }
    OA__TRY(oa__tmpl_enter(t));
    OA__TRY(apply_filters(t, n->a, in, &in));
    oa__tmpl_leave(t);
    t->line = n->line;
    if (n->id == UINT16_MAX) return oa__tmpl_fail(t, "No filter named '%s' found.", n->name->str.s);
    OA__TRY(oa__tmpl_args(t, n->args, &call));
    return oa__tmpl_filter_call(t, n->id, in, &call, out);
}

/* {% set x %}...{% endset %} and {% filter f %}...{% endfilter %} */
NOINLINE static int exec_capture(tmpl *t, const tnode *n)
{
    tscope *scope = NULL, *before = t->scope;
    tout text = {0};
    tval v = {0};
    OA__TRY(oa__tmpl_scope_push(t, t->scope, &scope));
    OA__TRY(run_scope(t, n->c, scope, &text));
    if (t->flow != FLOW_NEXT) return OA_OK;
    OA__TRY(oa__tmpl_str_out(t, &text, &v));
    t->scope = scope; /* arguments of the filters see what the body has set */
    OA__TRY(apply_filters(t, n->b, v, &v));
    t->scope = before;
    if (n->kind == S_FILTER) return oa__tmpl_add_str(t, t->out, v);
    return oa__tmpl_assign(t, n->a, v);
}

NOINLINE static int exec_with(tmpl *t, const tnode *n)
{
    tscope *scope = NULL, *before = t->scope;
    tvec vals = {0};
    for (uint32_t i = 1; i < n->n_kids; i += 2) { /* values don't see the new names */
        tval v = {0};
        OA__TRY(oa__tmpl_eval(t, n->kids[i], &v));
        OA__TRY(oa__tmpl_vec_add(t, &vals, v));
    }
    OA__TRY(oa__tmpl_scope_push(t, n->flag ? NULL : before, &scope));
    t->scope = scope;
    for (uint32_t i = 0; i + 1 < n->n_kids; i += 2) {
        OA__TRY(oa__tmpl_assign(t, n->kids[i], vals.items[i / 2]));
    }
    t->scope = before;
    return run_scope(t, n->a, scope, t->out);
}

NOINLINE static int exec_if(tmpl *t, const tnode *n)
{
    const tnode *body = n->b;
    for (uint32_t i = 0; i + 1 < n->n_kids; i += 2) {
        tval v = {0};
        OA__TRY(oa__tmpl_eval(t, n->kids[i], &v));
        if (oa__tmpl_truth(v)) {
            body = n->kids[i + 1];
            break;
        }
    }
    return body == NULL ? OA_OK : oa__tmpl_exec(t, body->kids, body->n_kids);
}

NOINLINE static int exec_simple(tmpl *t, const tnode *n)
{
    tval v = {0};
    if (n->kind == S_OUT) {
        OA__TRY(oa__tmpl_eval(t, n->a, &v));
        t->line = n->line;
        return oa__tmpl_add_str(t, t->out, v);
    }
    if (n->kind == S_SET) {
        OA__TRY(oa__tmpl_eval(t, n->b, &v));
        return oa__tmpl_assign(t, n->a, v);
    }
    OA__TRY(macro_new(t, n, &v));
    return oa__tmpl_scope_set(t, n->name, v);
}

static int exec_node(tmpl *t, const tnode *n)
{
    switch (n->kind) {
    case S_TEXT:
        return oa__tmpl_out_add(t, t->out, n->value.u.s->s, n->value.u.s->len);
    case S_OUT:
    case S_SET:
    case S_MACRO:
        return exec_simple(t, n);
    case S_IF:
        return exec_if(t, n);
    case S_FOR:
        return exec_for(t, n);
    case S_SET_BLOCK:
    case S_FILTER:
        return exec_capture(t, n);
    case S_CALL:
        return exec_call(t, n);
    case S_WITH:
        return exec_with(t, n);
    case S_SCOPE:
        return oa__tmpl_exec(t, n->kids, n->n_kids);
    case S_BREAK:
        t->flow = FLOW_BREAK;
        return OA_OK;
    default:
        t->flow = FLOW_CONTINUE;
        return OA_OK;
    }
}

int oa__tmpl_run(tmpl *t, const tnode *root)
{
    OA__TRY(hide_names(t, root));
    return oa__tmpl_exec(t, root->kids, root->n_kids);
}

int oa__tmpl_exec(tmpl *t, tnode *const *body, uint32_t n)
{
    OA__TRY(oa__tmpl_enter(t));
    for (uint32_t i = 0; i < n && t->flow == FLOW_NEXT; i++) {
        t->line = body[i]->line;
        OA__TRY(oa__tmpl_charge(t, 1));
        OA__TRY(exec_node(t, body[i]));
    }
    oa__tmpl_leave(t);
    return OA_OK;
}
