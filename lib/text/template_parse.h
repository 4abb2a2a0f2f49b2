/* SPDX-License-Identifier: Apache-2.0 */
/* The parser's state: shared by template_parse.c (statements) and template_expr.c. */
#ifndef OA_TEXT_TEMPLATE_PARSE_H
#define OA_TEXT_TEMPLATE_PARSE_H

#include "text/template_lex.h"

/* A use of a filter or test that does not exist. jinja2 refuses the template at once, except
 * under a condition of the same scope, where it fails only when it is reached. */
typedef struct tunknown {
    struct tunknown *next;
    uint32_t line;
    const char *what;
    const tatom *name;
} tunknown;

typedef struct tparser {
    tmpl *t;
    const ttok *toks;
    size_t at;
    uint32_t nesting;
    uint32_t loops;     /* open loops of this function: break and continue need one */
    uint8_t macro_uses; /* MACRO_ flags: names that the open macros read */
    tunknown *unknown;  /* newest first */
    tunknown *firm;     /* those that no condition can excuse any more */
    const tatom *a_varargs, *a_kwargs, *a_caller, *a_loop;
} tparser;

enum {
    PARSE_NO_COND = 1,   /* "x if y" is not part of it */
    PARSE_TARGET = 2,    /* only names and literals, for assignment */
    PARSE_NAMESPACE = 4, /* name.attribute is a target */
    PARSE_PARENS = 8,    /* stands in brackets: may be empty */
    PARSE_UNTIL_IN = 16, /* "in" ends it */
    PARSE_UNTIL_RECURSIVE = 32
};

static inline const ttok *oa__tmpl_cur(const tparser *p)
{
    return &p->toks[p->at];
}

int oa__tmpl_parse_enter(tparser *p);
int oa__tmpl_node(tparser *p, enum tnode_kind kind, uint32_t line, tnode **out);
int oa__tmpl_kids(tparser *p, tnode *n, tnode *const *kids, size_t n_kids);
bool oa__tmpl_is_word_tok(const tparser *p, size_t ahead, const char *word);
bool oa__tmpl_skip_word(tparser *p, const char *word);
bool oa__tmpl_skip(tparser *p, uint8_t type);
int oa__tmpl_expect(tparser *p, uint8_t type);
int oa__tmpl_unexpected(tparser *p, const char *want);

int oa__tmpl_parse_expr(tparser *p, int flags, tnode **out);
int oa__tmpl_parse_tuple(tparser *p, int flags, tnode **out);
int oa__tmpl_parse_filters(tparser *p, tnode *in, bool begun, tnode **out);
int oa__tmpl_parse_call_args(tparser *p, const targs **out);
/* Is it something that can be assigned to? */
int oa__tmpl_check_target(tparser *p, const tnode *n);
int oa__tmpl_parse_name(tparser *p, const tatom **out);

#endif
