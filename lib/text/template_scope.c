/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which names are a scope's own from its beginning. jinja2 decides that when it compiles: a name
 * that a scope itself sets before it reads it, and that no scope around it mentions, is undefined
 * until it is set, also for the scopes inside; a variable of the caller with the same name is not
 * seen. (A name set in only some branches of an "if" still comes from outside.) This pass finds
 * those names and leaves them in the `hidden` list of the scope's body.
 */
#include "text/template_priv.h"

#include <string.h>

typedef struct symbol {
    const tatom *name;
    bool hidden; /* set before it is read */
    bool stored;
} symbol;

typedef struct frame {
    tmpl *t;
    const struct frame *parent;
    symbol *syms;
    size_t len, cap;
} frame;

static int find_in(const frame *f, const tatom *name, symbol **out)
{
    *out = NULL;
    for (size_t i = 0; i < f->len && *out == NULL; i++) {
        if (f->syms[i].name == name) *out = &f->syms[i];
    }
    return oa__tmpl_charge(f->t, 1 + f->len / 8);
}

/* read: a load or parameter, else a store */
static int mention(frame *f, const tatom *name, bool read, bool stored)
{
    symbol *s;
    OA__TRY(find_in(f, name, &s));
    if (s != NULL) {
        s->stored = s->stored || stored;
        return OA_OK;
    }
    bool hidden = !read;
    for (const frame *p = f->parent; hidden && p != NULL; p = p->parent) {
        OA__TRY(find_in(p, name, &s));
        if (s != NULL) hidden = false;
    }
    OA__TRY(oa__tmpl_grow(f->t, (void **)&f->syms, &f->cap, f->len + 1, sizeof *f->syms));
    f->syms[f->len++] = (symbol){.name = name, .hidden = hidden, .stored = stored};
    return OA_OK;
}

/* --- one scope: what it reads and sets itself ------------------------------------------------- */

static int loads(frame *f, const tnode *n);

static int loads_of_args(frame *f, const targs *args)
{
    if (args == NULL) return OA_OK;
    for (uint32_t i = 0; i < args->n_pos; i++)
        OA__TRY(loads(f, args->pos[i]));
    for (uint32_t i = 0; i < args->n_kw; i++)
        OA__TRY(loads(f, args->kw[i]));
    OA__TRY(loads(f, args->dyn_args));
    return loads(f, args->dyn_kwargs);
}

/* Names in an expression. */
static int loads(frame *f, const tnode *n)
{
    if (n == NULL || n->kind == E_CONST) return OA_OK;
    if (n->kind == E_NAME) return mention(f, n->name, true, false);
    f->t->line = n->line;
    OA__TRY(oa__tmpl_enter(f->t));
    OA__TRY(loads(f, n->a));
    OA__TRY(loads(f, n->b));
    OA__TRY(loads(f, n->c));
    for (uint32_t i = 0; i < n->n_kids; i++)
        OA__TRY(loads(f, n->kids[i]));
    OA__TRY(loads_of_args(f, n->args));
    oa__tmpl_leave(f->t);
    return OA_OK;
}

static int stores(frame *f, const tnode *target, bool param)
{
    if (target->kind == E_NAME) return mention(f, target->name, param, true);
    if (target->kind == E_NSREF) return mention(f, target->a->name, true, false);
    for (uint32_t i = 0; i < target->n_kids; i++)
        OA__TRY(stores(f, target->kids[i], param));
    return OA_OK;
}

static int statements(frame *f, const tnode *body);

/* Visit one branch; its new names go to `out` and off the frame. */
static int branch(frame *f, const tnode *n, const tnode *body, frame *out)
{
    size_t mark = f->len;
    if (body != NULL) OA__TRY(statements(f, body));
    /* All the elifs are one branch. */
    for (uint32_t i = 2; n != NULL && i + 1 < n->n_kids; i += 2) {
        OA__TRY(loads(f, n->kids[i]));
        size_t from = f->len;
        OA__TRY(statements(f, n->kids[i + 1]));
        for (size_t k = from; k < f->len; k++)
            f->syms[k].hidden = false;
    }
    for (size_t i = mark; i < f->len; i++) {
        OA__TRY(
            oa__tmpl_grow(f->t, (void **)&out->syms, &out->cap, out->len + 1, sizeof *out->syms));
        out->syms[out->len++] = f->syms[i];
    }
    f->len = mark;
    return OA_OK;
}

static int visit_if(frame *f, const tnode *n)
{
    frame b[3] = {{.t = f->t}, {.t = f->t}, {.t = f->t}};
    OA__TRY(loads(f, n->kids[0]));
    OA__TRY(branch(f, NULL, n->kids[1], &b[0]));
    OA__TRY(branch(f, n, NULL, &b[1]));
    OA__TRY(branch(f, NULL, n->b, &b[2]));
    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < b[i].len; k++) {
            symbol merged = b[i].syms[k], *other;
            int n_stored = 0;
            OA__TRY(find_in(f, merged.name, &other));
            if (other != NULL) continue; /* merged with an earlier branch */
            merged.stored = false;
            for (int j = 0; j < 3; j++) {
                OA__TRY(find_in(&b[j], merged.name, &other));
                if (other == NULL) continue;
                merged.hidden = other->hidden; /* the last branch has the say */
                merged.stored = merged.stored || other->stored;
                n_stored += other->stored;
            }
            if (n_stored < 3) merged.hidden = false;
            OA__TRY(oa__tmpl_grow(f->t, (void **)&f->syms, &f->cap, f->len + 1, sizeof *f->syms));
            f->syms[f->len++] = merged;
        }
    }
    return OA_OK;
}

/* Statements of this scope, without those of the scopes inside. */
static int statements(frame *f, const tnode *body)
{
    OA__TRY(oa__tmpl_enter(f->t));
    for (uint32_t i = 0; i < body->n_kids; i++) {
        const tnode *n = body->kids[i];
        f->t->line = n->line;
        OA__TRY(oa__tmpl_charge(f->t, 1));
        switch (n->kind) {
        case S_OUT:
        case S_FOR:
            OA__TRY(loads(f, n->a));
            break;
        case S_IF:
            OA__TRY(visit_if(f, n));
            break;
        case S_SET:
            OA__TRY(loads(f, n->b));
            OA__TRY(stores(f, n->a, false));
            break;
        case S_SET_BLOCK:
            OA__TRY(stores(f, n->a, false));
            break;
        case S_MACRO:
            OA__TRY(mention(f, n->name, false, true));
            break;
        case S_CALL:
            OA__TRY(loads(f, n->a));
            break;
        case S_FILTER:
            OA__TRY(loads(f, n->b));
            break;
        case S_WITH:
            for (uint32_t k = 1; k < n->n_kids; k += 2)
                OA__TRY(loads(f, n->kids[k]));
            break;
        case S_SCOPE:
            OA__TRY(statements(f, n));
            break;
        default:
            break;
        }
    }
    oa__tmpl_leave(f->t);
    return OA_OK;
}

/* --- all scopes ------------------------------------------------------------------------------- */

static int inner(frame *f, const tnode *body);

/* Finish a scope: its hidden names, then the scopes inside. */
static int finish(frame *f, tnode *body)
{
    uint32_t n = 0;
    OA__TRY(statements(f, body));
    for (size_t i = 0; i < f->len; i++)
        n += f->syms[i].hidden;
    body->hidden = oa__tmpl_alloc_array(f->t, n, sizeof *body->hidden);
    if (body->hidden == NULL) return oa__tmpl_nomem(f->t);
    for (size_t i = 0; i < f->len; i++) {
        if (f->syms[i].hidden) body->hidden[body->n_hidden++] = f->syms[i].name;
    }
    return inner(f, body);
}

static int macro(frame *f, const tnode *n)
{
    for (uint32_t i = 0; i < n->args->n_pos; i++) {
        OA__TRY(mention(f, n->args->pos[i]->name, true, true));
    }
    for (uint32_t i = 0; i < n->args->n_kw; i++)
        OA__TRY(loads(f, n->args->kw[i]));
    return finish(f, n->kids[0]);
}

static int scope_of(const frame *around, const tnode *n)
{
    frame f = {.t = around->t, .parent = around}, other = f;
    switch (n->kind) {
    case S_FOR: {
        const tatom *loop = oa__tmpl_atom(f.t, "loop", 4);
        if (loop == NULL) return oa__tmpl_nomem(f.t);
        OA__TRY(mention(&f, loop, true, true));
        OA__TRY(stores(&f, n->kids[0], true));
        OA__TRY(finish(&f, n->kids[1]));
        return n->c == NULL ? OA_OK : finish(&other, n->c);
    }
    case S_MACRO:
    case S_CALL:
        return macro(&f, n);
    case S_SET_BLOCK:
    case S_FILTER:
        return finish(&f, n->c);
    case S_WITH:
        if (n->flag) f.parent = NULL; /* a named block */
        for (uint32_t k = 0; k + 1 < n->n_kids; k += 2)
            OA__TRY(stores(&f, n->kids[k], true));
        return finish(&f, n->a);
    default:
        return OA_OK;
    }
}

static int inner(frame *f, const tnode *body)
{
    OA__TRY(oa__tmpl_enter(f->t));
    for (uint32_t i = 0; i < body->n_kids; i++) {
        const tnode *n = body->kids[i];
        if (n->kind == S_IF) {
            for (uint32_t k = 1; k < n->n_kids; k += 2)
                OA__TRY(inner(f, n->kids[k]));
            if (n->b != NULL) OA__TRY(inner(f, n->b));
        } else if (n->kind == S_SCOPE) {
            OA__TRY(inner(f, n));
        } else {
            OA__TRY(scope_of(f, n));
        }
    }
    oa__tmpl_leave(f->t);
    return OA_OK;
}

int oa__tmpl_find_hidden(tmpl *t, tnode *root)
{
    frame f = {.t = t};
    return finish(&f, root);
}
