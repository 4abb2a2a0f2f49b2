/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements: tokens to nodes. Every opened scope and loop is counted, so that what jinja2 refuses
 * when it compiles (break outside of a loop, unknown filters) is refused here too, before anything
 * runs.
 */
#include "text/template_parse.h"

#include <string.h>

/* --- helpers ---------------------------------------------------------------------------------- */

int oa__tmpl_parse_enter(tparser *p)
{
    if (p->nesting >= OA__TMPL_NESTING) {
        p->t->line = oa__tmpl_cur(p)->line;
        return oa__tmpl_limit(p->t, "nested more than %d levels deep", OA__TMPL_NESTING);
    }
    p->nesting++;
    return OA_OK;
}

int oa__tmpl_node(tparser *p, enum tnode_kind kind, uint32_t line, tnode **out)
{
    tnode *n = oa__tmpl_alloc(p->t, sizeof *n);
    if (n == NULL) return oa__tmpl_nomem(p->t);
    n->kind = (uint8_t)kind;
    n->line = line;
    *out = n;
    return oa__tmpl_charge(p->t, 1);
}

int oa__tmpl_kids(tparser *p, tnode *n, tnode *const *kids, size_t n_kids)
{
    n->kids = oa__tmpl_alloc_array(p->t, n_kids, sizeof *n->kids);
    if (n->kids == NULL) return oa__tmpl_nomem(p->t);
    if (n_kids > 0) memcpy(n->kids, kids, n_kids * sizeof *kids);
    n->n_kids = (uint32_t)n_kids;
    return OA_OK;
}

bool oa__tmpl_is_word_tok(const tparser *p, size_t ahead, const char *word)
{
    const ttok *k = oa__tmpl_cur(p);
    if (ahead > 0 && k->type == TOK_EOF) return false;
    k += ahead;
    return k->type == TOK_NAME && k->len == strlen(word) && memcmp(k->s, word, k->len) == 0;
}

bool oa__tmpl_skip_word(tparser *p, const char *word)
{
    if (!oa__tmpl_is_word_tok(p, 0, word)) return false;
    p->at++;
    return true;
}

bool oa__tmpl_skip(tparser *p, uint8_t type)
{
    if (oa__tmpl_cur(p)->type != type) return false;
    p->at++;
    return true;
}

int oa__tmpl_unexpected(tparser *p, const char *want)
{
    const ttok *k = oa__tmpl_cur(p);
    if (k->type == TOK_NAME) {
        return oa__tmpl_fail_at(k->line, "found '%.*s', want %s", (int)(k->len > 60 ? 60 : k->len),
                                k->s, want);
    }
    return oa__tmpl_fail_at(k->line, "found %s, want %s", oa__tmpl_tok_name(k->type), want);
}

int oa__tmpl_expect(tparser *p, uint8_t type)
{
    if (oa__tmpl_skip(p, type)) return OA_OK;
    return oa__tmpl_unexpected(p, oa__tmpl_tok_name(type));
}

static int expect_word(tparser *p, const char *word)
{
    if (oa__tmpl_skip_word(p, word)) return OA_OK;
    return oa__tmpl_unexpected(p, word);
}

int oa__tmpl_parse_name(tparser *p, const tatom **out)
{
    const ttok *k = oa__tmpl_cur(p);
    if (k->type != TOK_NAME) return oa__tmpl_unexpected(p, "a name");
    p->at++;
    *out = oa__tmpl_atom(p->t, k->s, k->len);
    return *out == NULL ? oa__tmpl_nomem(p->t) : OA_OK;
}

int oa__tmpl_check_target(tparser *p, const tnode *n)
{
    if (n->kind == E_NAME || n->kind == E_NSREF) return OA_OK;
    if (n->kind != E_TUPLE) return oa__tmpl_fail_at(n->line, "can't assign to this");
    for (uint32_t i = 0; i < n->n_kids; i++)
        OA__TRY(oa__tmpl_check_target(p, n->kids[i]));
    return OA_OK;
}

static bool assigns_loop(const tparser *p, const tnode *n)
{
    if (n->kind == E_NAME) return n->name == p->a_loop;
    for (uint32_t i = 0; i < n->n_kids; i++) {
        if (assigns_loop(p, n->kids[i])) return true;
    }
    return false;
}

static int parse_target(tparser *p, int flags, tnode **out)
{
    OA__TRY(oa__tmpl_parse_tuple(p, PARSE_TARGET | flags, out));
    return oa__tmpl_check_target(p, *out);
}

/* Unknown filters since `mark` can't be excused by a condition outside of this scope. */
static void make_firm(tparser *p, tunknown *mark)
{
    while (p->unknown != mark) {
        tunknown *u = p->unknown;
        p->unknown = u->next;
        u->next = p->firm;
        p->firm = u;
    }
}

/* --- bodies ----------------------------------------------------------------------------------- */

static int parse_statement(tparser *p, tnode **out);

typedef struct body {
    tnode **v;
    size_t len, cap;
} body;

/* Statements until a tag that is one of `ends` (words with spaces between; NULL = end of text).
 * The end's word is left as the current token. */
static int parse_body(tparser *p, const char *const *ends, tnode **out)
{
    body b = {0};
    uint32_t line = oa__tmpl_cur(p)->line;
    OA__TRY(oa__tmpl_parse_enter(p));
    for (;;) {
        const ttok *k = oa__tmpl_cur(p);
        tnode *n = NULL;
        if (k->type == TOK_EOF) {
            if (ends == NULL) break;
            return oa__tmpl_fail_at(k->line, "unexpected end of template, want {%% %s %%}",
                                    ends[0]);
        }
        p->at++;
        if (k->type == TOK_DATA) {
            OA__TRY(oa__tmpl_node(p, S_TEXT, k->line, &n));
            OA__TRY(oa__tmpl_str(p->t, k->s, k->len, &n->value));
        } else if (k->type == TOK_VAR_BEGIN) {
            OA__TRY(oa__tmpl_node(p, S_OUT, k->line, &n));
            OA__TRY(oa__tmpl_parse_tuple(p, 0, &n->a));
            OA__TRY(oa__tmpl_expect(p, TOK_VAR_END));
        } else {
            bool end = false;
            for (size_t i = 0; ends != NULL && ends[i] != NULL && !end; i++) {
                end = oa__tmpl_is_word_tok(p, 0, ends[i]);
            }
            if (end) break;
            OA__TRY(parse_statement(p, &n));
            OA__TRY(oa__tmpl_expect(p, TOK_BLOCK_END));
        }
        OA__TRY(oa__tmpl_grow(p->t, (void **)&b.v, &b.cap, b.len + 1, sizeof *b.v));
        b.v[b.len++] = n;
    }
    p->nesting--;
    OA__TRY(oa__tmpl_node(p, S_SCOPE, line, out));
    return oa__tmpl_kids(p, *out, b.v, b.len);
}

static int parse_block(tparser *p, const char *const *ends, tnode **out)
{
    oa__tmpl_skip(p, TOK_COLON);
    OA__TRY(oa__tmpl_expect(p, TOK_BLOCK_END));
    return parse_body(p, ends, out);
}

/* A block with one possible end, which is taken. */
static int parse_block_to(tparser *p, const char *end, tnode **out)
{
    const char *const ends[] = {end, NULL};
    OA__TRY(parse_block(p, ends, out));
    p->at++;
    return OA_OK;
}

/* The same for a scope of its own. */
static int parse_scope_to(tparser *p, const char *end, tnode **out)
{
    tunknown *mark = p->unknown;
    OA__TRY(parse_block_to(p, end, out));
    make_firm(p, mark);
    return OA_OK;
}

/* --- statements ------------------------------------------------------------------------------- */

/* a = body, b = else or NULL; kids = condition, body, condition, body ... */
static int parse_if(tparser *p, tnode *n)
{
    static const char *const ends[] = {"endif", "elif", "else", NULL};
    tunknown *mark = p->unknown;
    body b = {0};
    do {
        OA__TRY(oa__tmpl_grow(p->t, (void **)&b.v, &b.cap, b.len + 2, sizeof *b.v));
        OA__TRY(oa__tmpl_parse_tuple(p, PARSE_NO_COND, &b.v[b.len]));
        OA__TRY(parse_block(p, ends, &b.v[b.len + 1]));
        b.len += 2;
    } while (oa__tmpl_skip_word(p, "elif"));
    if (oa__tmpl_skip_word(p, "else")) {
        OA__TRY(parse_block_to(p, "endif", &n->b));
    } else {
        p->at++;
    }
    p->unknown = mark;
    return oa__tmpl_kids(p, n, b.v, b.len);
}

/* kids[0] = target, a = iterable, b = filter or NULL, c = else or NULL, kids[1] = body; flag =
 * recursive */
static int parse_for(tparser *p, tnode *n)
{
    static const char *const ends[] = {"endfor", "else", NULL};
    tnode *kids[2];
    OA__TRY(parse_target(p, PARSE_UNTIL_IN, &kids[0]));
    if (assigns_loop(p, kids[0])) {
        return oa__tmpl_fail_at(n->line, "can't assign to the special variable 'loop'");
    }
    OA__TRY(expect_word(p, "in"));
    OA__TRY(oa__tmpl_parse_tuple(p, PARSE_NO_COND | PARSE_UNTIL_RECURSIVE, &n->a));
    tunknown *mark = p->unknown;
    if (oa__tmpl_skip_word(p, "if")) OA__TRY(oa__tmpl_parse_expr(p, 0, &n->b));
    n->flag = oa__tmpl_skip_word(p, "recursive");
    p->loops++;
    OA__TRY(parse_block(p, ends, &kids[1]));
    p->loops--;
    if (oa__tmpl_skip_word(p, "else")) {
        OA__TRY(parse_block_to(p, "endfor", &n->c));
    } else {
        p->at++;
    }
    make_firm(p, mark);
    return oa__tmpl_kids(p, n, kids, 2);
}

/* S_SET: a = target, b = value. S_SET_BLOCK: a = target, b = filters or NULL, c = body. */
static int parse_set(tparser *p, tnode *n)
{
    OA__TRY(parse_target(p, PARSE_NAMESPACE, &n->a));
    if (oa__tmpl_skip(p, TOK_ASSIGN)) return oa__tmpl_parse_tuple(p, 0, &n->b);
    n->kind = S_SET_BLOCK;
    tunknown *mark = p->unknown;
    uint32_t nesting = p->nesting;
    OA__TRY(oa__tmpl_parse_filters(p, NULL, false, &n->b));
    p->nesting = nesting;
    OA__TRY(parse_block_to(p, "endset", &n->c));
    make_firm(p, mark);
    return OA_OK;
}

/* "(a, b=1)": args->pos = names as E_NAME, args->kw = defaults of the last n_kw of them. */
static int parse_signature(tparser *p, tnode *n)
{
    targs *args = oa__tmpl_alloc(p->t, sizeof *args);
    if (args == NULL) return oa__tmpl_nomem(p->t);
    body names = {0}, defaults = {0};
    OA__TRY(oa__tmpl_expect(p, TOK_LPAREN));
    while (oa__tmpl_cur(p)->type != TOK_RPAREN) {
        tnode *name = NULL;
        if (names.len > 0) OA__TRY(oa__tmpl_expect(p, TOK_COMMA));
        OA__TRY(oa__tmpl_node(p, E_NAME, oa__tmpl_cur(p)->line, &name));
        OA__TRY(oa__tmpl_parse_name(p, &name->name));
        OA__TRY(oa__tmpl_charge(p->t, names.len)); /* for the search */
        for (size_t i = 0; i < names.len; i++) {
            if (names.v[i]->name == name->name) {
                return oa__tmpl_fail_at(name->line, "duplicate argument '%s'", name->name->str.s);
            }
        }
        if (name->name == p->a_caller) n->flag |= MACRO_HAS_CALLER_PARAM;
        if (oa__tmpl_skip(p, TOK_ASSIGN)) {
            OA__TRY(oa__tmpl_grow(p->t, (void **)&defaults.v, &defaults.cap, defaults.len + 1,
                                  sizeof *defaults.v));
            OA__TRY(oa__tmpl_parse_expr(p, 0, &defaults.v[defaults.len++]));
        } else if (defaults.len > 0) {
            return oa__tmpl_fail_at(name->line, "argument without default behind one with default");
        }
        OA__TRY(oa__tmpl_grow(p->t, (void **)&names.v, &names.cap, names.len + 1, sizeof *names.v));
        names.v[names.len++] = name;
    }
    p->at++;
    args->pos = names.v;
    args->n_pos = (uint32_t)names.len;
    args->kw = defaults.v;
    args->n_kw = (uint32_t)defaults.len;
    n->args = args;
    return OA_OK;
}

/* The body of a macro or call block: kids[0]; the flags say what names it reads. */
static int parse_macro_body(tparser *p, tnode *n, const char *end)
{
    uint32_t loops = p->loops;
    uint8_t uses = p->macro_uses;
    tnode *b = NULL;
    p->loops = 0;
    p->macro_uses = 0;
    OA__TRY(parse_scope_to(p, end, &b));
    n->flag |= p->macro_uses;
    p->macro_uses |= uses;
    p->loops = loops;
    return oa__tmpl_kids(p, n, &b, 1);
}

static int parse_macro(tparser *p, tnode *n)
{
    OA__TRY(oa__tmpl_parse_name(p, &n->name));
    tunknown *mark = p->unknown;
    OA__TRY(parse_signature(p, n));
    OA__TRY(parse_macro_body(p, n, "endmacro"));
    if ((n->flag & MACRO_HAS_CALLER_PARAM) && (n->flag & MACRO_CALLER)) {
        for (uint32_t i = 0; i < n->args->n_pos - n->args->n_kw; i++) {
            if (n->args->pos[i]->name == p->a_caller) {
                return oa__tmpl_fail_at(n->line, "a parameter 'caller' needs a default");
            }
        }
    }
    make_firm(p, mark);
    return OA_OK;
}

/* a = the call; the rest as in a macro */
static int parse_call_block(tparser *p, tnode *n)
{
    if (oa__tmpl_cur(p)->type == TOK_LPAREN) {
        tunknown *mark = p->unknown;
        OA__TRY(parse_signature(p, n));
        make_firm(p, mark);
    } else {
        targs *args = oa__tmpl_alloc(p->t, sizeof *args);
        if (args == NULL) return oa__tmpl_nomem(p->t);
        n->args = args;
    }
    OA__TRY(oa__tmpl_parse_expr(p, 0, &n->a));
    if (n->a->kind != E_CALL) return oa__tmpl_fail_at(n->line, "found no call in {%% call %%}");
    return parse_macro_body(p, n, "endcall");
}

/* kids = target, value, target, value ...; a = body */
static int parse_with(tparser *p, tnode *n)
{
    body b = {0};
    while (oa__tmpl_cur(p)->type != TOK_BLOCK_END) {
        if (b.len > 0) OA__TRY(oa__tmpl_expect(p, TOK_COMMA));
        OA__TRY(oa__tmpl_grow(p->t, (void **)&b.v, &b.cap, b.len + 2, sizeof *b.v));
        OA__TRY(parse_target(p, 0, &b.v[b.len]));
        OA__TRY(oa__tmpl_expect(p, TOK_ASSIGN));
        OA__TRY(oa__tmpl_parse_expr(p, 0, &b.v[b.len + 1]));
        b.len += 2;
    }
    OA__TRY(oa__tmpl_kids(p, n, b.v, b.len));
    return parse_scope_to(p, "endwith", &n->a);
}

static int parse_print(tparser *p, tnode *n)
{
    body b = {0};
    while (oa__tmpl_cur(p)->type != TOK_BLOCK_END) {
        if (b.len > 0) OA__TRY(oa__tmpl_expect(p, TOK_COMMA));
        tnode *o = NULL;
        OA__TRY(oa__tmpl_node(p, S_OUT, oa__tmpl_cur(p)->line, &o));
        OA__TRY(oa__tmpl_parse_expr(p, 0, &o->a));
        OA__TRY(oa__tmpl_grow(p->t, (void **)&b.v, &b.cap, b.len + 1, sizeof *b.v));
        b.v[b.len++] = o;
    }
    return oa__tmpl_kids(p, n, b.v, b.len);
}

/* {% generation %}: text of the assistant. Its body is rendered like any other. */
static int parse_generation(tparser *p, tnode *n)
{
    uint32_t loops = p->loops;
    p->loops = 0;
    OA__TRY(parse_scope_to(p, "endgeneration", &n->a));
    p->loops = loops;
    return OA_OK;
}

static int parse_named_block(tparser *p, tnode *n)
{
    OA__TRY(oa__tmpl_parse_name(p, &n->name));
    oa__tmpl_skip_word(p, "scoped");
    oa__tmpl_skip_word(p, "required");
    uint32_t loops = p->loops;
    p->loops = 0;
    n->flag = 1; /* sees only the top level */
    OA__TRY(parse_scope_to(p, "endblock", &n->a));
    p->loops = loops;
    oa__tmpl_skip_word(p, n->name->str.s);
    return OA_OK;
}

static int parse_filter_block(tparser *p, tnode *n)
{
    tunknown *mark = p->unknown;
    uint32_t nesting = p->nesting;
    OA__TRY(oa__tmpl_parse_filters(p, NULL, true, &n->b));
    p->nesting = nesting;
    OA__TRY(parse_block_to(p, "endfilter", &n->c));
    make_firm(p, mark);
    return OA_OK;
}

static int parse_statement(tparser *p, tnode **out)
{
    static const struct {
        const char *word;
        uint8_t kind;
        int (*parse)(tparser *p, tnode *n);
    } tags[] = {
        {"if", S_IF, parse_if},
        {"for", S_FOR, parse_for},
        {"set", S_SET, parse_set},
        {"macro", S_MACRO, parse_macro},
        {"call", S_CALL, parse_call_block},
        {"filter", S_FILTER, parse_filter_block},
        {"with", S_WITH, parse_with},
        {"print", S_SCOPE, parse_print},
        {"generation", S_WITH, parse_generation},
        {"block", S_WITH, parse_named_block},
        {"break", S_BREAK, NULL},
        {"continue", S_CONTINUE, NULL},
    };
    static const char *const refused[] = {"include", "import", "from", "extends", "autoescape"};
    const ttok *k = oa__tmpl_cur(p);
    if (k->type != TOK_NAME) return oa__tmpl_unexpected(p, "a tag name");
    for (size_t i = 0; i < OA__ARRAY_LEN(tags); i++) {
        if (!oa__tmpl_skip_word(p, tags[i].word)) continue;
        OA__TRY(oa__tmpl_node(p, tags[i].kind, k->line, out));
        if (tags[i].parse != NULL) return tags[i].parse(p, *out);
        if (p->loops == 0) return oa__tmpl_fail_at(k->line, "'%s' outside of a loop", tags[i].word);
        return OA_OK;
    }
    for (size_t i = 0; i < OA__ARRAY_LEN(refused); i++) {
        if (!oa__tmpl_is_word_tok(p, 0, refused[i])) continue;
        return oa__tmpl_fail_at(k->line, "{%% %s %%} is not supported in chat templates",
                                refused[i]);
    }
    return oa__tmpl_fail_at(k->line, "unknown tag '%.*s'", (int)(k->len > 60 ? 60 : k->len), k->s);
}

int oa__tmpl_parse(tmpl *t, const char *text, size_t len, tnode **out)
{
    size_t n_toks;
    ttok *toks;
    if (len > UINT32_MAX / 4) return oa__tmpl_limit(t, "longer than 1 GiB");
    if (!oa__utf8_valid(text, len)) return oa__tmpl_fail_at(1, "the template is not valid UTF-8");
    OA__TRY(oa__tmpl_lex(t, text, len, &toks, &n_toks));
    tparser p = {.t = t, .toks = toks};
    p.a_varargs = oa__tmpl_atom(t, "varargs", 7);
    p.a_kwargs = oa__tmpl_atom(t, "kwargs", 6);
    p.a_caller = oa__tmpl_atom(t, "caller", 6);
    p.a_loop = oa__tmpl_atom(t, "loop", 4);
    if (p.a_varargs == NULL || p.a_kwargs == NULL || p.a_caller == NULL || p.a_loop == NULL) {
        return oa__tmpl_nomem(t);
    }
    OA__TRY(parse_body(&p, NULL, out));
    make_firm(&p, NULL);
    if (p.firm != NULL) {
        const tunknown *first = p.firm;
        for (const tunknown *u = first; u != NULL; u = u->next) {
            if (u->line < first->line) first = u;
        }
        return oa__tmpl_fail_at(first->line, "No %s named '%s'.", first->what, first->name->str.s);
    }
    return oa__tmpl_find_hidden(t, *out);
}
