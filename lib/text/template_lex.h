/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of chat templates: what template_lex.c gives to template_parse.c and template_expr.c. */
#ifndef OA_TEXT_TEMPLATE_LEX_H
#define OA_TEXT_TEMPLATE_LEX_H

#include "text/template_priv.h"

enum ttok_type {
    TOK_EOF,
    TOK_DATA,
    TOK_BLOCK_BEGIN,
    TOK_BLOCK_END,
    TOK_VAR_BEGIN,
    TOK_VAR_END,
    TOK_NAME,
    TOK_STRING,
    TOK_INT,
    TOK_FLOAT,
    /* operators */
    TOK_ADD,
    TOK_SUB,
    TOK_MUL,
    TOK_DIV,
    TOK_FLOORDIV,
    TOK_MOD,
    TOK_POW,
    TOK_TILDE,
    TOK_LBRACKET,
    TOK_RBRACKET,
    TOK_LPAREN,
    TOK_RPAREN,
    TOK_LBRACE,
    TOK_RBRACE,
    TOK_EQ,
    TOK_NE,
    TOK_GT,
    TOK_GE,
    TOK_LT,
    TOK_LE,
    TOK_ASSIGN,
    TOK_DOT,
    TOK_COLON,
    TOK_PIPE,
    TOK_COMMA,
    TOK_SEMICOLON
};

typedef struct ttok {
    uint8_t type; /* enum ttok_type */
    uint32_t line;
    const char *s; /* TOK_DATA, TOK_NAME, TOK_STRING (decoded) */
    size_t len;
    int64_t i;
    double f;
} ttok;

/* All tokens of a text, TOK_EOF last. The text is normalised as jinja2 does: \r\n and \r become \n
 * and one newline at the end goes. */
int oa__tmpl_lex(tmpl *t, const char *text, size_t len, ttok **out, size_t *n_out);
const char *oa__tmpl_tok_name(uint8_t type); /* for messages */

#endif
