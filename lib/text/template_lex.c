/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to tokens. White space around tags goes as jinja2 lets it go with trim_blocks and
 * lstrip_blocks: a newline behind a block or comment goes, and so do the blanks between the
 * beginning of a line and a block or comment; "-" takes all white space, "+" keeps it.
 */
#include "text/template_lex.h"

#include <string.h>

typedef struct lexer {
    tmpl *t;
    const char *s;
    size_t len, at;
    uint32_t line; /* of s[counted] */
    size_t counted;
    bool line_starting; /* the last match ended a line */
    ttok *toks;
    size_t n, cap;
    char *open; /* brackets that wait for their end, as the closing characters */
    size_t n_open, open_cap;
} lexer;

static const char *const tok_names[] = {"end of template",
                                        "template data",
                                        "begin of statement block",
                                        "end of statement block",
                                        "begin of print statement",
                                        "end of print statement",
                                        "name",
                                        "string",
                                        "integer",
                                        "float",
                                        "+",
                                        "-",
                                        "*",
                                        "/",
                                        "//",
                                        "%",
                                        "**",
                                        "~",
                                        "[",
                                        "]",
                                        "(",
                                        ")",
                                        "{",
                                        "}",
                                        "==",
                                        "!=",
                                        ">",
                                        ">=",
                                        "<",
                                        "<=",
                                        "=",
                                        ".",
                                        ":",
                                        "|",
                                        ",",
                                        ";"};

const char *oa__tmpl_tok_name(uint8_t type)
{
    return tok_names[type];
}

static uint32_t line_at(lexer *x, size_t pos)
{
    while (x->counted < pos) {
        const char *nl = memchr(x->s + x->counted, '\n', pos - x->counted);
        if (nl == NULL) {
            x->counted = pos;
            break;
        }
        x->line++;
        x->counted = (size_t)(nl - x->s) + 1;
    }
    return x->line;
}

static int add(lexer *x, uint8_t type, size_t pos, const char *s, size_t len, ttok **out)
{
    OA__TRY(oa__tmpl_grow(x->t, (void **)&x->toks, &x->cap, x->n + 1, sizeof *x->toks));
    ttok *k = &x->toks[x->n++];
    *k = (ttok){.type = type, .line = line_at(x, pos), .s = s, .len = len};
    if (out != NULL) *out = k;
    return OA_OK;
}

static size_t space_at(const lexer *x, size_t at) /* bytes of one white space character, or 0 */
{
    if (at >= x->len) return 0;
    uint32_t cp;
    size_t n = oa__utf8_decode(x->s + at, x->len - at, &cp);
    return oa__tmpl_is_space(cp) ? n : 0;
}

static size_t skip_space(const lexer *x, size_t at)
{
    for (size_t n; (n = space_at(x, at)) > 0;)
        at += n;
    return at;
}

/* End of s[from, to) without white space at its end. */
static size_t rstrip(const lexer *x, size_t from, size_t to)
{
    while (to > from) {
        size_t p = to - 1;
        while (p > from && ((unsigned char)x->s[p] & 0xC0) == 0x80)
            p--;
        if (space_at(x, p) == 0) break;
        to = p;
    }
    return to;
}

static bool is_at(const lexer *x, size_t at, const char *z)
{
    size_t n = strlen(z);
    return x->len - at >= n && memcmp(x->s + at, z, n) == 0;
}

/* The data in [from, to) before a tag whose sign is '-', '+' or 0. */
static int add_data(lexer *x, size_t from, size_t to, char sign, bool is_var)
{
    if (sign == '-') {
        to = rstrip(x, from, to);
    } else if (sign != '+' && !is_var) {
        size_t bol = to;
        while (bol > from && x->s[bol - 1] != '\n')
            bol--;
        if ((bol > from || x->line_starting) && bol < to && rstrip(x, bol, to) == bol) to = bol;
    }
    if (to == from) return OA_OK;
    return add(x, TOK_DATA, from, x->s + from, to - from, NULL);
}

/* End of "%}" with its sign at `at`, or 0: *end gets where the text goes on. */
static bool tag_end(const lexer *x, size_t at, const char *close, bool plus, bool trim, size_t *end)
{
    bool has_plus = plus && at < x->len && x->s[at] == '+';
    if (at < x->len && x->s[at] == '-' && is_at(x, at + 1, close)) {
        *end = skip_space(x, at + 3);
        return true;
    }
    if (has_plus && is_at(x, at + 1, close)) {
        *end = at + 3;
        return true;
    }
    if (!is_at(x, at, close)) return false;
    *end = at + 2;
    if (trim && *end < x->len && x->s[*end] == '\n') ++*end;
    return true;
}

/* "{% raw %}" at `at`? *end gets where its body begins. */
static bool raw_begin(const lexer *x, size_t at, size_t *end)
{
    size_t p = at + 2;
    if (p < x->len && (x->s[p] == '-' || x->s[p] == '+')) p++;
    p = skip_space(x, p);
    if (!is_at(x, p, "raw")) return false;
    p = skip_space(x, p + 3);
    return tag_end(x, p, "%}", false, false, end);
}

static int lex_raw(lexer *x, size_t body)
{
    x->line_starting = body > 0 && x->s[body - 1] == '\n';
    for (size_t p = body; p < x->len; p++) {
        if (x->s[p] != '{' || !is_at(x, p, "{%")) continue;
        size_t q = p + 2, end;
        char sign = 0;
        if (q < x->len && (x->s[q] == '-' || x->s[q] == '+')) sign = x->s[q++];
        q = skip_space(x, q);
        /* Many "{%" with long white space behind them would make this quadratic. */
        OA__TRY(oa__tmpl_charge(x->t, (q - p) / 64));
        if (!is_at(x, q, "endraw")) continue;
        q = skip_space(x, q + 6);
        if (!tag_end(x, q, "%}", true, true, &end)) continue;
        OA__TRY(add_data(x, body, p, sign, false));
        x->at = end;
        x->line_starting = x->s[end - 1] == '\n';
        return OA_OK;
    }
    x->at = x->len;
    if (body >= x->len) return OA_OK; /* jinja2 lets an opening at the very end pass */
    return oa__tmpl_fail_at(line_at(x, body), "Missing end of raw directive");
}

static int lex_comment(lexer *x, size_t body)
{
    for (size_t p = body; p < x->len; p++) {
        size_t end;
        if (x->s[p] != '#' && x->s[p] != '-' && x->s[p] != '+') continue;
        if (!tag_end(x, p, "#}", true, true, &end)) continue;
        x->at = end;
        x->line_starting = x->s[end - 1] == '\n';
        return OA_OK;
    }
    x->at = x->len;
    if (body >= x->len) return OA_OK;
    return oa__tmpl_fail_at(line_at(x, body), "Missing end of comment tag");
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int digit_value(char c)
{
    if (is_digit(c)) return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* Digits with single underscores between them; returns the end. */
static size_t skip_digits(const lexer *x, size_t p)
{
    while (p < x->len && is_digit(x->s[p])) {
        p++;
        if (p + 1 < x->len && x->s[p] == '_' && is_digit(x->s[p + 1])) p++;
    }
    return p;
}

static int lex_int(lexer *x, size_t at)
{
    int base = 10;
    size_t p = at, end = at;
    if (x->s[at] == '0' && at + 1 < x->len) {
        char c = (char)(x->s[at + 1] | 32);
        int b = c == 'b' ? 2 : c == 'o' ? 8 : c == 'x' ? 16 : 0;
        if (b > 0) {
            size_t q = at + 2;
            if (q < x->len && x->s[q] == '_') q++;
            if (q < x->len && digit_value(x->s[q]) < b) {
                base = b;
                p = q;
            }
        }
    }
    uint64_t v = 0;
    bool zeros = base == 10 && x->s[at] == '0'; /* "007" reads as "00" and "7" */
    for (; p < x->len; p++) {
        if (x->s[p] == '_' && p > at && p + 1 < x->len && digit_value(x->s[p + 1]) < base) continue;
        int d = digit_value(x->s[p]);
        if (d >= base || (zeros && d != 0)) break;
        if (v > (INT64_MAX - (uint64_t)d) / (uint64_t)base) {
            return oa__tmpl_fail_at(line_at(x, at), "integer literal does not fit 64 bits");
        }
        v = v * (uint64_t)base + (uint64_t)d;
        end = p + 1;
    }
    ttok *k;
    OA__TRY(add(x, TOK_INT, at, NULL, 0, &k));
    k->i = (int64_t)v;
    x->at = end;
    return OA_OK;
}

static int lex_number(lexer *x, size_t at)
{
    size_t p = skip_digits(x, at), end = 0;
    if (p + 1 < x->len && x->s[p] == '.' && is_digit(x->s[p + 1])) end = p = skip_digits(x, p + 1);
    if (p < x->len && (x->s[p] | 32) == 'e') {
        size_t q = p + 1;
        if (q < x->len && (x->s[q] == '+' || x->s[q] == '-')) q++;
        if (q < x->len && is_digit(x->s[q])) end = skip_digits(x, q);
    }
    if (end == 0 || (at > 0 && x->s[at - 1] == '.')) return lex_int(x, at);
    char *copy = oa__tmpl_alloc(x->t, end - at + 1);
    if (copy == NULL) return oa__tmpl_nomem(x->t);
    size_t n = 0;
    for (size_t i = at; i < end; i++) {
        if (x->s[i] != '_') copy[n++] = x->s[i];
    }
    ttok *k;
    OA__TRY(add(x, TOK_FLOAT, at, NULL, 0, &k));
    if (oa__parse_f64(copy, n, &k->f) < 0) {
        return oa__tmpl_fail_at(line_at(x, at), "malformed number");
    }
    x->at = end;
    return OA_OK;
}

/* Up to n hexadecimal digits, all of which must be there. */
static bool hex(const char *s, size_t len, size_t n, uint32_t *out)
{
    if (len < n) return false;
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        int d = digit_value(s[i]);
        if (d >= 16) return false;
        *out = *out * 16 + (uint32_t)d;
    }
    return true;
}

/* Escapes as in Python's strings. */
static int lex_string(lexer *x, size_t at)
{
    char quote = x->s[at];
    size_t p = at + 1;
    bool escapes = false;
    while (p < x->len && x->s[p] != quote) {
        if (x->s[p] == '\\') {
            escapes = true;
            p++;
        }
        p++;
    }
    if (p >= x->len) return oa__tmpl_fail_at(line_at(x, at), "string without end");
    const char *s = x->s + at + 1;
    size_t len = p - at - 1;
    x->at = p + 1;
    if (!escapes) return add(x, TOK_STRING, at, s, len, NULL);

    tout o = {0};
    for (size_t i = 0; i < len;) {
        const char *bs = memchr(s + i, '\\', len - i);
        size_t run = bs == NULL ? len - i : (size_t)(bs - s) - i;
        OA__TRY(oa__tmpl_out_add(x->t, &o, s + i, run));
        i += run;
        if (bs == NULL) break;
        char c = s[i + 1];
        i += 2;
        uint32_t cp = 0;
        char u[4];
        const char *from = "\\'\"abfnrtv", *to = "\\'\"\a\b\f\n\r\t\v";
        const char *hit = c == '\0' ? NULL : strchr(from, c);
        if (hit != NULL) {
            OA__TRY(oa__tmpl_out_add(x->t, &o, &to[hit - from], 1));
            continue;
        }
        if (c == '\n') continue;
        if (c >= '0' && c <= '7') {
            cp = (uint32_t)(c - '0');
            for (int k = 0; k < 2 && i < len && s[i] >= '0' && s[i] <= '7'; k++) {
                cp = cp * 8 + (uint32_t)(s[i++] - '0');
            }
        } else if (c == 'x' || c == 'u' || c == 'U') {
            size_t n = c == 'x' ? 2 : c == 'u' ? 4 : 8;
            if (!hex(s + i, len - i, n, &cp) || cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000)) {
                return oa__tmpl_fail_at(line_at(x, at), "bad \\%c escape in string", c);
            }
            i += n;
        } else if (c == 'N') {
            return oa__tmpl_fail_at(line_at(x, at), "\\N escapes are not supported");
        } else if ((unsigned char)c < 0x80) {
            OA__TRY(oa__tmpl_out_add(x->t, &o, s + i - 2, 2)); /* unknown: stays */
            continue;
        } else {
            /* jinja2 writes the character as an escape of its own, which the backslash before it
             * then turns into plain text. */
            i += oa__utf8_decode(s + i - 1, len - i + 1, &cp) - 1;
            OA__TRY(oa__tmpl_out_addf(x->t, &o,
                                      cp < 0x100     ? "\\x%02x"
                                      : cp < 0x10000 ? "\\u%04x"
                                                     : "\\U%08x",
                                      (unsigned)cp));
            continue;
        }
        OA__TRY(oa__tmpl_out_add(x->t, &o, u, oa__utf8_encode(cp, u)));
    }
    return add(x, TOK_STRING, at, o.data == NULL ? "" : o.data, o.len, NULL);
}

static int lex_operator(lexer *x, size_t at)
{
    static const char *const two[] = {"//", "**", "==", "!=", ">=", "<="};
    static const uint8_t two_type[] = {TOK_FLOORDIV, TOK_POW, TOK_EQ, TOK_NE, TOK_GE, TOK_LE};
    static const char one[] = "+-*/%~[](){}><=.:|,;";
    static const uint8_t one_type[] = {
        TOK_ADD,      TOK_SUB,    TOK_MUL,    TOK_DIV,    TOK_MOD,    TOK_TILDE,    TOK_LBRACKET,
        TOK_RBRACKET, TOK_LPAREN, TOK_RPAREN, TOK_LBRACE, TOK_RBRACE, TOK_GT,       TOK_LT,
        TOK_ASSIGN,   TOK_DOT,    TOK_COLON,  TOK_PIPE,   TOK_COMMA,  TOK_SEMICOLON};
    for (size_t i = 0; i < OA__ARRAY_LEN(two); i++) {
        if (!is_at(x, at, two[i])) continue;
        x->at = at + 2;
        return add(x, two_type[i], at, NULL, 0, NULL);
    }
    char c = x->s[at];
    const char *hit = c == '\0' ? NULL : strchr(one, c);
    if (hit == NULL) {
        return oa__tmpl_fail_at(line_at(x, at), "unexpected character '%c'",
                                c > ' ' && c < 127 ? c : '?');
    }
    const char *pairs = "(){}[]";
    const char *pair = strchr(pairs, c);
    if (pair != NULL && (pair - pairs) % 2 == 0) {
        OA__TRY(oa__tmpl_grow(x->t, (void **)&x->open, &x->open_cap, x->n_open + 1, 1));
        x->open[x->n_open++] = pair[1];
    } else if (pair != NULL) {
        if (x->n_open == 0) return oa__tmpl_fail_at(line_at(x, at), "unexpected '%c'", c);
        char want = x->open[--x->n_open];
        if (want != c) {
            return oa__tmpl_fail_at(line_at(x, at), "unexpected '%c', expected '%c'", c, want);
        }
    }
    x->at = at + 1;
    return add(x, one_type[hit - one], at, NULL, 0, NULL);
}

/* Inside of {{ }} or {% %} until its end. */
static int lex_tag(lexer *x, bool is_var)
{
    x->n_open = 0;
    for (;;) {
        size_t at = skip_space(x, x->at), end;
        if (at >= x->len) {
            x->at = at;
            return OA_OK; /* the parser reports it */
        }
        if (x->n_open == 0 && tag_end(x, at, is_var ? "}}" : "%}", !is_var, !is_var, &end)) {
            OA__TRY(add(x, is_var ? TOK_VAR_END : TOK_BLOCK_END, at, NULL, 0, NULL));
            x->at = end;
            x->line_starting = x->s[end - 1] == '\n';
            return OA_OK;
        }
        OA__TRY(oa__tmpl_charge(x->t, 1));
        char c = x->s[at];
        if (is_digit(c)) {
            OA__TRY(lex_number(x, at));
        } else if (c == '\'' || c == '"') {
            OA__TRY(lex_string(x, at));
        } else if (c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                   (unsigned char)c >= 0x80) {
            size_t p = at;
            while (p < x->len) {
                uint32_t cp;
                size_t n = oa__utf8_decode(x->s + p, x->len - p, &cp);
                if (!oa__tmpl_is_word(cp)) break;
                p += n;
            }
            tstr name = {.s = x->s + at, .len = p - at, .n_cp = SIZE_MAX};
            if (p == at || !oa__tmpl_is_class(&name, CLASS_IDENTIFIER)) {
                return oa__tmpl_fail_at(line_at(x, at), "invalid character in identifier");
            }
            OA__TRY(add(x, TOK_NAME, at, x->s + at, p - at, NULL));
            x->at = p;
        } else {
            OA__TRY(lex_operator(x, at));
        }
    }
}

static int lex_all(lexer *x)
{
    x->line_starting = true;
    while (x->at < x->len) {
        size_t from = x->at, p = from;
        for (;; p++) {
            const char *b = p >= x->len ? NULL : memchr(x->s + p, '{', x->len - p);
            if (b == NULL) {
                return add(x, TOK_DATA, from, x->s + from, x->len - from, NULL);
            }
            p = (size_t)(b - x->s);
            if (p + 1 < x->len && strchr("{%#", x->s[p + 1]) != NULL && x->s[p + 1] != '\0') break;
        }
        char kind = x->s[p + 1], sign = 0;
        size_t body = p + 2, raw;
        if (body < x->len && (x->s[body] == '-' || x->s[body] == '+')) sign = x->s[body++];
        OA__TRY(add_data(x, from, p, sign, kind == '{'));
        if (kind == '#') {
            OA__TRY(lex_comment(x, body));
        } else if (kind == '%' && raw_begin(x, p, &raw)) {
            OA__TRY(lex_raw(x, raw));
        } else {
            OA__TRY(add(x, kind == '{' ? TOK_VAR_BEGIN : TOK_BLOCK_BEGIN, p, NULL, 0, NULL));
            x->at = body;
            OA__TRY(lex_tag(x, kind == '{'));
        }
    }
    return OA_OK;
}

int oa__tmpl_lex(tmpl *t, const char *text, size_t len, ttok **out, size_t *n_out)
{
    t->line = 1;
    char *s = oa__tmpl_alloc(t, len + 1);
    if (s == NULL) return oa__tmpl_nomem(t);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\r') {
            if (i + 1 < len && text[i + 1] == '\n') continue;
            c = '\n';
        }
        s[n++] = c;
    }
    if (n > 0 && s[n - 1] == '\n') n--;
    lexer x = {.t = t, .s = s, .len = n, .line = 1};
    OA__TRY(lex_all(&x));
    OA__TRY(add(&x, TOK_EOF, n, NULL, 0, NULL));
    *out = x.toks;
    *n_out = x.n;
    return OA_OK;
}
