/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions, by recursive descent with jinja2's grammar and its order of operators:
 *   x if c else y < or < and < not < comparisons < + - < ~ < * / // % < ** < unary < postfix,
 * where filters and tests bind tighter than every operator but the unary ones. Chains of one
 * level become one node with many kids, so that a long chain is not a deep tree.
 */
#include "text/template_parse.h"

#include <string.h>

typedef struct nodes {
    tnode **v;
    size_t len, cap;
} nodes;

static int nodes_add(tparser *p, nodes *list, tnode *n)
{
    OA__TRY(oa__tmpl_grow(p->t, (void **)&list->v, &list->cap, list->len + 1, sizeof *list->v));
    list->v[list->len++] = n;
    return OA_OK;
}

static int parse_cond(tparser *p, tnode **out);
static int parse_unary(tparser *p, bool with_filter, tnode **out);
static int parse_primary(tparser *p, int flags, tnode **out);

/* --- operators -------------------------------------------------------------------------------- */

static int parse_pow(tparser *p, tnode **out)
{
    uint32_t line = oa__tmpl_cur(p)->line;
    tnode *n = NULL;
    OA__TRY(parse_unary(p, true, &n));
    *out = n;
    if (oa__tmpl_cur(p)->type != TOK_POW) return OA_OK;
    nodes kids = {0};
    OA__TRY(nodes_add(p, &kids, n));
    while (oa__tmpl_skip(p, TOK_POW)) {
        OA__TRY(parse_unary(p, true, &n));
        OA__TRY(nodes_add(p, &kids, n));
    }
    uint8_t *ops = oa__tmpl_alloc(p->t, kids.len);
    if (ops == NULL) return oa__tmpl_nomem(p->t);
    memset(ops, OP_POW, kids.len);
    OA__TRY(oa__tmpl_node(p, E_MATH, line, out));
    (*out)->ops = ops;
    return oa__tmpl_kids(p, *out, kids.v, kids.len);
}

/* The operator at a level: 2 = * / // %, 1 = + -, 0 = comparisons; -1 = none. */
static int op_at(const tparser *p, int level, size_t *n_toks)
{
    *n_toks = 1;
    uint8_t type = oa__tmpl_cur(p)->type;
    if (level == 2) {
        return type == TOK_MUL        ? OP_MUL
               : type == TOK_DIV      ? OP_DIV
               : type == TOK_FLOORDIV ? OP_FLOORDIV
               : type == TOK_MOD      ? OP_MOD
                                      : -1;
    }
    if (level == 1) return type == TOK_ADD ? OP_ADD : type == TOK_SUB ? OP_SUB : -1;
    switch (type) {
    case TOK_EQ:
        return OP_EQ;
    case TOK_NE:
        return OP_NE;
    case TOK_LT:
        return OP_LT;
    case TOK_LE:
        return OP_LE;
    case TOK_GT:
        return OP_GT;
    case TOK_GE:
        return OP_GE;
    default:
        break;
    }
    if (oa__tmpl_is_word_tok(p, 0, "in")) return OP_IN;
    if (oa__tmpl_is_word_tok(p, 0, "not") && oa__tmpl_is_word_tok(p, 1, "in")) {
        *n_toks = 2;
        return OP_NOTIN;
    }
    return -1;
}

static int parse_level(tparser *p, int level, tnode **out);

static int parse_concat(tparser *p, tnode **out)
{
    uint32_t line = oa__tmpl_cur(p)->line;
    OA__TRY(parse_level(p, 2, out));
    if (oa__tmpl_cur(p)->type != TOK_TILDE) return OA_OK;
    nodes kids = {0};
    OA__TRY(nodes_add(p, &kids, *out));
    while (oa__tmpl_skip(p, TOK_TILDE)) {
        tnode *n = NULL;
        OA__TRY(parse_level(p, 2, &n));
        OA__TRY(nodes_add(p, &kids, n));
    }
    OA__TRY(oa__tmpl_node(p, E_CONCAT, line, out));
    return oa__tmpl_kids(p, *out, kids.v, kids.len);
}

static int parse_operand(tparser *p, int level, tnode **out)
{
    return level == 2   ? parse_pow(p, out)
           : level == 1 ? parse_concat(p, out)
                        : parse_level(p, 1, out);
}

static int parse_level(tparser *p, int level, tnode **out)
{
    uint32_t line = oa__tmpl_cur(p)->line;
    size_t n_toks;
    tnode *n = NULL;
    OA__TRY(parse_operand(p, level, &n));
    *out = n;
    if (op_at(p, level, &n_toks) < 0) return OA_OK;
    nodes kids = {0};
    uint8_t *ops = NULL;
    size_t ops_cap = 0;
    OA__TRY(nodes_add(p, &kids, n));
    for (int op; (op = op_at(p, level, &n_toks)) >= 0;) {
        p->at += n_toks;
        OA__TRY(oa__tmpl_grow(p->t, (void **)&ops, &ops_cap, kids.len, 1));
        ops[kids.len - 1] = (uint8_t)op;
        OA__TRY(parse_operand(p, level, &n));
        OA__TRY(nodes_add(p, &kids, n));
    }
    OA__TRY(oa__tmpl_node(p, level == 0 ? E_CMP : E_MATH, line, out));
    (*out)->ops = ops;
    return oa__tmpl_kids(p, *out, kids.v, kids.len);
}

static int parse_not(tparser *p, tnode **out)
{
    size_t n_not = 0;
    uint32_t line = oa__tmpl_cur(p)->line;
    while (oa__tmpl_is_word_tok(p, 0, "not")) {
        p->at++;
        n_not++;
    }
    OA__TRY(parse_level(p, 0, out));
    /* "not not x" is the truth of x: two nodes are enough for any number. */
    if (n_not > 2) n_not = 2 - n_not % 2;
    for (; n_not > 0; n_not--) {
        tnode *n = NULL;
        OA__TRY(oa__tmpl_node(p, E_NOT, line, &n));
        n->a = *out;
        *out = n;
    }
    return OA_OK;
}

static int parse_and(tparser *p, tnode **out)
{
    uint32_t line = oa__tmpl_cur(p)->line;
    OA__TRY(parse_not(p, out));
    if (!oa__tmpl_is_word_tok(p, 0, "and")) return OA_OK;
    nodes kids = {0};
    OA__TRY(nodes_add(p, &kids, *out));
    while (oa__tmpl_skip_word(p, "and")) {
        OA__TRY(parse_not(p, out));
        OA__TRY(nodes_add(p, &kids, *out));
    }
    OA__TRY(oa__tmpl_node(p, E_AND, line, out));
    return oa__tmpl_kids(p, *out, kids.v, kids.len);
}

static int parse_or(tparser *p, tnode **out)
{
    uint32_t line = oa__tmpl_cur(p)->line;
    OA__TRY(parse_and(p, out));
    if (!oa__tmpl_is_word_tok(p, 0, "or")) return OA_OK;
    nodes kids = {0};
    OA__TRY(nodes_add(p, &kids, *out));
    while (oa__tmpl_skip_word(p, "or")) {
        OA__TRY(parse_and(p, out));
        OA__TRY(nodes_add(p, &kids, *out));
    }
    OA__TRY(oa__tmpl_node(p, E_OR, line, out));
    return oa__tmpl_kids(p, *out, kids.v, kids.len);
}

/* a = condition, b = value, c = else or NULL */
static int parse_cond(tparser *p, tnode **out)
{
    tunknown *mark = p->unknown;
    uint32_t nesting = p->nesting;
    OA__TRY(parse_or(p, out));
    while (oa__tmpl_is_word_tok(p, 0, "if")) {
        tnode *n = NULL;
        OA__TRY(oa__tmpl_node(p, E_COND, oa__tmpl_cur(p)->line, &n));
        p->at++;
        OA__TRY(oa__tmpl_parse_enter(p));
        n->b = *out;
        OA__TRY(parse_or(p, &n->a));
        if (oa__tmpl_skip_word(p, "else")) OA__TRY(parse_cond(p, &n->c));
        p->unknown = mark; /* a condition: unknown filters fail when they are reached */
        *out = n;
    }
    p->nesting = nesting;
    return OA_OK;
}

int oa__tmpl_parse_expr(tparser *p, int flags, tnode **out)
{
    OA__TRY(oa__tmpl_parse_enter(p));
    OA__TRY((flags & PARSE_NO_COND) ? parse_or(p, out) : parse_cond(p, out));
    p->nesting--;
    return OA_OK;
}

/* --- calls, filters, tests, members ----------------------------------------------------------- */

int oa__tmpl_parse_call_args(tparser *p, const targs **out)
{
    targs *args = oa__tmpl_alloc(p->t, sizeof *args);
    if (args == NULL) return oa__tmpl_nomem(p->t);
    uint32_t line = oa__tmpl_cur(p)->line;
    nodes pos = {0}, kw = {0};
    const tatom **names = NULL;
    size_t names_cap = 0;
    OA__TRY(oa__tmpl_expect(p, TOK_LPAREN));
    for (bool first = true; oa__tmpl_cur(p)->type != TOK_RPAREN; first = false) {
        if (!first) {
            OA__TRY(oa__tmpl_expect(p, TOK_COMMA));
            if (oa__tmpl_cur(p)->type == TOK_RPAREN) break;
        }
        bool ok = args->dyn_kwargs == NULL;
        tnode *n = NULL;
        if (oa__tmpl_skip(p, TOK_MUL)) {
            ok = ok && args->dyn_args == NULL;
            OA__TRY(oa__tmpl_parse_expr(p, 0, &args->dyn_args));
        } else if (oa__tmpl_skip(p, TOK_POW)) {
            OA__TRY(oa__tmpl_parse_expr(p, 0, &args->dyn_kwargs));
        } else if (oa__tmpl_cur(p)->type == TOK_NAME && p->toks[p->at + 1].type == TOK_ASSIGN) {
            const tatom *name;
            OA__TRY(oa__tmpl_parse_name(p, &name));
            p->at++;
            OA__TRY(oa__tmpl_charge(p->t, kw.len)); /* for the search */
            for (size_t i = 0; i < kw.len; i++) {
                if (names[i] == name) {
                    return oa__tmpl_fail_at(line, "keyword argument '%s' repeated", name->str.s);
                }
            }
            OA__TRY(oa__tmpl_grow(p->t, (void **)&names, &names_cap, kw.len + 1, sizeof *names));
            names[kw.len] = name;
            OA__TRY(oa__tmpl_parse_expr(p, 0, &n));
            OA__TRY(nodes_add(p, &kw, n));
        } else {
            ok = ok && args->dyn_args == NULL && kw.len == 0;
            OA__TRY(oa__tmpl_parse_expr(p, 0, &n));
            OA__TRY(nodes_add(p, &pos, n));
        }
        if (!ok) return oa__tmpl_fail_at(line, "invalid syntax for function call expression");
    }
    OA__TRY(oa__tmpl_expect(p, TOK_RPAREN));
    args->pos = pos.v;
    args->n_pos = (uint32_t)pos.len;
    args->kw = kw.v;
    args->kw_names = names;
    args->n_kw = (uint32_t)kw.len;
    *out = args;
    return OA_OK;
}

/* "name.name" behind "|" or "is". */
static int parse_dotted(tparser *p, const tatom **out)
{
    OA__TRY(oa__tmpl_parse_name(p, out));
    while (oa__tmpl_skip(p, TOK_DOT)) {
        tout o = {0};
        const tatom *next;
        OA__TRY(oa__tmpl_out_add(p->t, &o, (*out)->str.s, (*out)->str.len));
        OA__TRY(oa__tmpl_out_add(p->t, &o, ".", 1));
        OA__TRY(oa__tmpl_parse_name(p, &next));
        OA__TRY(oa__tmpl_out_add(p->t, &o, next->str.s, next->str.len));
        *out = oa__tmpl_atom(p->t, o.data, o.len);
        if (*out == NULL) return oa__tmpl_nomem(p->t);
    }
    return OA_OK;
}

static int note_unknown(tparser *p, const tnode *n, const char *what)
{
    if (n->id != UINT16_MAX) return OA_OK;
    tunknown *u = oa__tmpl_alloc(p->t, sizeof *u);
    if (u == NULL) return oa__tmpl_nomem(p->t);
    *u = (tunknown){.next = p->unknown, .line = n->line, .what = what, .name = n->name};
    p->unknown = u;
    return OA_OK;
}

/* Each "| name(args)"; begun: the first stands without its "|". a = what it is applied to. */
int oa__tmpl_parse_filters(tparser *p, tnode *in, bool begun, tnode **out)
{
    while (begun || oa__tmpl_cur(p)->type == TOK_PIPE) {
        if (!begun) p->at++;
        begun = false;
        tnode *n = NULL;
        OA__TRY(oa__tmpl_parse_enter(p));
        OA__TRY(oa__tmpl_node(p, E_FILTER, oa__tmpl_cur(p)->line, &n));
        OA__TRY(parse_dotted(p, &n->name));
        n->id = (uint16_t)oa__tmpl_filter_find(n->name->str.s, n->name->str.len);
        if (oa__tmpl_cur(p)->type == TOK_LPAREN) OA__TRY(oa__tmpl_parse_call_args(p, &n->args));
        OA__TRY(note_unknown(p, n, "filter"));
        n->a = in;
        in = n;
    }
    *out = in;
    return OA_OK;
}

static int parse_postfix(tparser *p, tnode *n, tnode **out);

static int parse_test(tparser *p, tnode *in, tnode **out)
{
    tnode *n = NULL;
    uint32_t line = oa__tmpl_cur(p)->line;
    p->at++; /* is */
    bool negated = oa__tmpl_skip_word(p, "not");
    OA__TRY(oa__tmpl_node(p, E_TEST, line, &n));
    OA__TRY(parse_dotted(p, &n->name));
    n->id = (uint16_t)oa__tmpl_test_find(n->name->str.s, n->name->str.len);
    n->a = in;
    uint8_t type = oa__tmpl_cur(p)->type;
    if (type == TOK_LPAREN) {
        OA__TRY(oa__tmpl_parse_call_args(p, &n->args));
    } else if ((type == TOK_NAME || type == TOK_STRING || type == TOK_INT || type == TOK_FLOAT ||
                type == TOK_LBRACKET || type == TOK_LBRACE) &&
               !oa__tmpl_is_word_tok(p, 0, "else") && !oa__tmpl_is_word_tok(p, 0, "or") &&
               !oa__tmpl_is_word_tok(p, 0, "and")) {
        if (oa__tmpl_is_word_tok(p, 0, "is")) {
            return oa__tmpl_fail_at(line, "tests with \"is\" can't be chained");
        }
        targs *args = oa__tmpl_alloc(p->t, sizeof *args);
        tnode **pos = oa__tmpl_alloc(p->t, sizeof *pos);
        if (args == NULL || pos == NULL) return oa__tmpl_nomem(p->t);
        OA__TRY(parse_primary(p, 0, &pos[0]));
        OA__TRY(parse_postfix(p, pos[0], &pos[0]));
        args->pos = pos;
        args->n_pos = 1;
        n->args = args;
    }
    OA__TRY(note_unknown(p, n, "test"));
    *out = n;
    if (negated) {
        OA__TRY(oa__tmpl_node(p, E_NOT, line, out));
        (*out)->a = n;
    }
    return OA_OK;
}

/* E_SLICE: kids = start, stop, step, each NULL or not. */
static int parse_subscribed(tparser *p, tnode **out)
{
    tnode *part[3] = {NULL, NULL, NULL};
    uint32_t line = oa__tmpl_cur(p)->line;
    if (oa__tmpl_cur(p)->type != TOK_COLON) {
        OA__TRY(oa__tmpl_parse_expr(p, 0, &part[0]));
        if (oa__tmpl_cur(p)->type != TOK_COLON) {
            *out = part[0];
            return OA_OK;
        }
    }
    p->at++;
    for (int i = 1; i < 3; i++) {
        uint8_t type = oa__tmpl_cur(p)->type;
        if (i == 2) {
            if (type != TOK_COLON) break;
            p->at++;
            type = oa__tmpl_cur(p)->type;
        } else if (type == TOK_COLON) {
            continue;
        }
        if (type == TOK_RBRACKET || type == TOK_COMMA) continue;
        OA__TRY(oa__tmpl_parse_expr(p, 0, &part[i]));
    }
    OA__TRY(oa__tmpl_node(p, E_SLICE, line, out));
    return oa__tmpl_kids(p, *out, part, 3);
}

/* a = object, b = key */
static int parse_subscript(tparser *p, tnode *obj, tnode **out)
{
    tnode *n = NULL;
    const ttok *k = oa__tmpl_cur(p);
    p->at++;
    if (k->type == TOK_DOT) {
        const ttok *what = oa__tmpl_cur(p);
        if (what->type == TOK_NAME) {
            OA__TRY(oa__tmpl_node(p, E_ATTR, k->line, &n));
            n->a = obj;
            *out = n;
            return oa__tmpl_parse_name(p, &n->name);
        }
        if (what->type != TOK_INT) return oa__tmpl_unexpected(p, "name or number");
        p->at++;
        OA__TRY(oa__tmpl_node(p, E_ITEM, k->line, &n));
        OA__TRY(oa__tmpl_node(p, E_CONST, k->line, &n->b));
        n->b->value = oa__tmpl_int(what->i);
        n->a = obj;
        *out = n;
        return OA_OK;
    }
    nodes keys = {0};
    while (oa__tmpl_cur(p)->type != TOK_RBRACKET) {
        tnode *key;
        if (keys.len > 0) OA__TRY(oa__tmpl_expect(p, TOK_COMMA));
        OA__TRY(parse_subscribed(p, &key));
        OA__TRY(nodes_add(p, &keys, key));
    }
    p->at++;
    OA__TRY(oa__tmpl_node(p, E_ITEM, k->line, &n));
    n->a = obj;
    if (keys.len == 1) {
        n->b = keys.v[0];
    } else {
        for (size_t i = 0; i < keys.len; i++) {
            if (keys.v[i]->kind == E_SLICE) {
                return oa__tmpl_fail_at(k->line, "slices of several dimensions don't exist");
            }
        }
        OA__TRY(oa__tmpl_node(p, E_TUPLE, k->line, &n->b));
        OA__TRY(oa__tmpl_kids(p, n->b, keys.v, keys.len));
    }
    *out = n;
    return OA_OK;
}

static int parse_call(tparser *p, tnode *fn, tnode **out)
{
    tnode *n = NULL;
    OA__TRY(oa__tmpl_node(p, E_CALL, oa__tmpl_cur(p)->line, &n));
    OA__TRY(oa__tmpl_parse_call_args(p, &n->args));
    n->a = fn;
    *out = n;
    return OA_OK;
}

static int parse_postfix(tparser *p, tnode *n, tnode **out)
{
    uint32_t nesting = p->nesting;
    for (;;) {
        uint8_t type = oa__tmpl_cur(p)->type;
        if (type != TOK_DOT && type != TOK_LBRACKET && type != TOK_LPAREN) break;
        OA__TRY(oa__tmpl_parse_enter(p));
        OA__TRY(type == TOK_LPAREN ? parse_call(p, n, &n) : parse_subscript(p, n, &n));
    }
    p->nesting = nesting;
    *out = n;
    return OA_OK;
}

static int parse_filter_expr(tparser *p, tnode *n, tnode **out)
{
    uint32_t nesting = p->nesting;
    for (;;) {
        if (oa__tmpl_cur(p)->type == TOK_PIPE) {
            OA__TRY(oa__tmpl_parse_filters(p, n, false, &n));
        } else if (oa__tmpl_is_word_tok(p, 0, "is")) {
            OA__TRY(oa__tmpl_parse_enter(p));
            OA__TRY(parse_test(p, n, &n));
        } else if (oa__tmpl_cur(p)->type == TOK_LPAREN) {
            OA__TRY(oa__tmpl_parse_enter(p));
            OA__TRY(parse_call(p, n, &n));
        } else {
            break;
        }
    }
    p->nesting = nesting;
    *out = n;
    return OA_OK;
}

static int parse_unary(tparser *p, bool with_filter, tnode **out)
{
    uint8_t type = oa__tmpl_cur(p)->type;
    if (type == TOK_SUB || type == TOK_ADD) {
        tnode *n = NULL;
        OA__TRY(oa__tmpl_parse_enter(p));
        OA__TRY(oa__tmpl_node(p, type == TOK_SUB ? E_NEG : E_POS, oa__tmpl_cur(p)->line, &n));
        p->at++;
        OA__TRY(parse_unary(p, false, &n->a));
        p->nesting--;
        *out = n;
    } else {
        OA__TRY(parse_primary(p, 0, out));
    }
    OA__TRY(parse_postfix(p, *out, out));
    return with_filter ? parse_filter_expr(p, *out, out) : OA_OK;
}

/* --- literals and names ----------------------------------------------------------------------- */

static int parse_string(tparser *p, tnode **out)
{
    const ttok *k = oa__tmpl_cur(p);
    OA__TRY(oa__tmpl_node(p, E_CONST, k->line, out));
    p->at++;
    if (oa__tmpl_cur(p)->type != TOK_STRING) {
        return oa__tmpl_str(p->t, k->s, k->len, &(*out)->value);
    }
    tout o = {0};
    OA__TRY(oa__tmpl_out_add(p->t, &o, k->s, k->len));
    for (; oa__tmpl_cur(p)->type == TOK_STRING; p->at++) {
        OA__TRY(oa__tmpl_out_add(p->t, &o, oa__tmpl_cur(p)->s, oa__tmpl_cur(p)->len));
    }
    return oa__tmpl_str_out(p->t, &o, &(*out)->value);
}

static int parse_word(tparser *p, int flags, tnode **out)
{
    static const struct {
        const char *word;
        uint8_t type;
        bool value;
    } words[] = {{"true", T_BOOL, true},   {"false", T_BOOL, false}, {"True", T_BOOL, true},
                 {"False", T_BOOL, false}, {"none", T_NONE, false},  {"None", T_NONE, false}};
    uint32_t line = oa__tmpl_cur(p)->line;
    for (size_t i = 0; i < OA__ARRAY_LEN(words); i++) {
        if (!oa__tmpl_skip_word(p, words[i].word)) continue;
        OA__TRY(oa__tmpl_node(p, E_CONST, line, out));
        (*out)->value = words[i].type == T_NONE ? oa__tmpl_none() : oa__tmpl_bool(words[i].value);
        return OA_OK;
    }
    OA__TRY(oa__tmpl_node(p, E_NAME, line, out));
    tnode *n = *out;
    OA__TRY(oa__tmpl_parse_name(p, &n->name));
    if ((flags & PARSE_NAMESPACE) && oa__tmpl_skip(p, TOK_DOT)) {
        n->kind = E_NSREF; /* a = the namespace's name, name = the attribute */
        OA__TRY(oa__tmpl_node(p, E_NAME, line, &n->a));
        n->a->name = n->name;
        return oa__tmpl_parse_name(p, &n->name);
    }
    if (!(flags & PARSE_TARGET)) {
        if (n->name == p->a_varargs) p->macro_uses |= MACRO_VARARGS;
        if (n->name == p->a_kwargs) p->macro_uses |= MACRO_KWARGS;
        if (n->name == p->a_caller) p->macro_uses |= MACRO_CALLER;
    }
    return OA_OK;
}

/* E_LIST: kids. E_DICT: kids = key, value, key, value ... */
static int parse_brackets(tparser *p, bool is_dict, tnode **out)
{
    uint8_t end = is_dict ? TOK_RBRACE : TOK_RBRACKET;
    uint32_t line = oa__tmpl_cur(p)->line;
    nodes kids = {0};
    p->at++;
    while (oa__tmpl_cur(p)->type != end) {
        tnode *n = NULL;
        if (kids.len > 0) {
            OA__TRY(oa__tmpl_expect(p, TOK_COMMA));
            if (oa__tmpl_cur(p)->type == end) break;
        }
        OA__TRY(oa__tmpl_parse_expr(p, 0, &n));
        OA__TRY(nodes_add(p, &kids, n));
        if (!is_dict) continue;
        OA__TRY(oa__tmpl_expect(p, TOK_COLON));
        OA__TRY(oa__tmpl_parse_expr(p, 0, &n));
        OA__TRY(nodes_add(p, &kids, n));
    }
    p->at++;
    OA__TRY(oa__tmpl_node(p, is_dict ? E_DICT : E_LIST, line, out));
    return oa__tmpl_kids(p, *out, kids.v, kids.len);
}

static int parse_primary(tparser *p, int flags, tnode **out)
{
    const ttok *k = oa__tmpl_cur(p);
    switch (k->type) {
    case TOK_NAME:
        return parse_word(p, flags, out);
    case TOK_STRING:
        return parse_string(p, out);
    case TOK_INT:
    case TOK_FLOAT:
        p->at++;
        OA__TRY(oa__tmpl_node(p, E_CONST, k->line, out));
        (*out)->value = k->type == TOK_INT ? oa__tmpl_int(k->i) : oa__tmpl_float(k->f);
        return OA_OK;
    case TOK_LPAREN:
        p->at++;
        OA__TRY(oa__tmpl_parse_tuple(p, PARSE_PARENS, out));
        return oa__tmpl_expect(p, TOK_RPAREN);
    case TOK_LBRACKET:
        return parse_brackets(p, false, out);
    case TOK_LBRACE:
        return parse_brackets(p, true, out);
    default:
        return oa__tmpl_unexpected(p, "an expression");
    }
}

int oa__tmpl_parse_tuple(tparser *p, int flags, tnode **out)
{
    nodes kids = {0};
    bool is_tuple = false;
    uint32_t line = oa__tmpl_cur(p)->line;
    OA__TRY(oa__tmpl_parse_enter(p));
    for (;;) {
        if (kids.len > 0) OA__TRY(oa__tmpl_expect(p, TOK_COMMA));
        uint8_t type = oa__tmpl_cur(p)->type;
        if (type == TOK_VAR_END || type == TOK_BLOCK_END || type == TOK_RPAREN) break;
        if ((flags & PARSE_UNTIL_IN) && oa__tmpl_is_word_tok(p, 0, "in")) break;
        if ((flags & PARSE_UNTIL_RECURSIVE) && oa__tmpl_is_word_tok(p, 0, "recursive")) break;
        tnode *n = NULL;
        if (flags & PARSE_TARGET) {
            OA__TRY(parse_primary(p, flags, &n));
        } else {
            OA__TRY(oa__tmpl_parse_expr(p, flags & PARSE_NO_COND, &n));
        }
        OA__TRY(nodes_add(p, &kids, n));
        if (oa__tmpl_cur(p)->type != TOK_COMMA) break;
        is_tuple = true;
    }
    p->nesting--;
    if (!is_tuple && kids.len > 0) {
        *out = kids.v[0];
        return OA_OK;
    }
    if (!is_tuple && !(flags & PARSE_PARENS)) return oa__tmpl_unexpected(p, "an expression");
    OA__TRY(oa__tmpl_node(p, E_TUPLE, line, out));
    return oa__tmpl_kids(p, *out, kids.v, kids.len);
}
