/* SPDX-License-Identifier: Apache-2.0 */
/* From an expression in Oniguruma's words (Ruby's) to one in PCRE2's, over sets of characters. */
#include "text/regex.h"

#include <string.h>

enum { GROUPS_MAX = 64, CLASS_DEPTH_MAX = 8, TEXT_MAX = 1 << 16, CP_NONE = -1 };

typedef struct parser {
    oa__regex_parts *parts;
    const char *text;
    size_t len, at;
    bool fold; /* case does not count */
    struct {
        bool fold;
        unsigned extra; /* groups that we opened inside of it */
    } groups[GROUPS_MAX];
    unsigned n_groups;
    uint32_t last_letter; /* the one right before, when case does not count */
} parser;

static int unsupported(const parser *p, const char *what)
{
    return oa__err(OA_EUNSUPPORTED, "tokenizer pattern \"%.*s\": %s at byte %zu is not known here",
                   p->len > 80 ? 80 : (int)p->len, p->text, what, p->at);
}

static bool is_next(const parser *p, const char *word)
{
    size_t n = strlen(word);
    return p->len - p->at >= n && memcmp(p->text + p->at, word, n) == 0;
}

static bool take(parser *p, const char *word)
{
    if (!is_next(p, word)) return false;
    p->at += strlen(word);
    return true;
}

static int emit(parser *p, const char *z)
{
    return oa__str_add_z(&p->parts->out, z);
}

static int emit_set(parser *p, oa__uset *set)
{
    oa__regex_parts *parts = p->parts;
    oa__uset_finish(set);
    size_t k = 0;
    while (k < parts->n_sets && !oa__uset_equal(&parts->sets[k], set))
        k++;
    if (k == parts->n_sets) {
        if (k == OA__REGEX_SETS_MAX) return unsupported(p, "so many sets of characters");
        parts->sets[k].mem = parts->mem;
        parts->n_sets++; /* freed from now on */
        OA__TRY(oa__uset_add_set(&parts->sets[k], set));
    }
    const char mark[2] = {OA__REGEX_MARK, (char)(k + 2)};
    return oa__str_add(&parts->out, mark, 2);
}

static int add_folded(oa__uset *s, uint32_t cp)
{
    uint32_t low = cp | 32;
    OA__TRY(oa__uset_add(s, low, low));
    OA__TRY(oa__uset_add(s, low - 32, low - 32));
    if (low == 's') OA__TRY(oa__uset_add(s, 0x17f, 0x17f));
    if (low == 'k') OA__TRY(oa__uset_add(s, 0x212a, 0x212a));
    return OA_OK;
}

static bool is_ascii_letter(uint32_t cp)
{
    return (cp | 32) - 'a' < 26;
}

/* Letters that together equal one other character when case does not count: "st" and U+FB06. */
static bool is_ligature(uint32_t a, uint32_t b)
{
    a |= 32;
    b |= 32;
    return (a == 's' && (b == 's' || b == 't')) || (a == 'f' && (b == 'f' || b == 'i' || b == 'l'));
}

static int emit_char(parser *p, uint32_t cp)
{
    oa__uset one = {.mem = p->parts->mem};
    int rc;
    bool letter = is_ascii_letter(cp);
    if (cp < 0x80 && !(p->fold && letter)) {
        p->last_letter = 0;
        return oa__str_addf(&p->parts->out, "\\x%02x", (unsigned)cp);
    }
    if (p->fold && !letter) return unsupported(p, "a character without regard to case");
    if (p->fold && is_ligature(p->last_letter, cp))
        return unsupported(p, "a ligature without regard to case");
    rc = p->fold ? add_folded(&one, cp) : oa__uset_add(&one, cp, cp);
    if (rc >= 0) rc = emit_set(p, &one);
    if (p->fold) p->last_letter = cp;
    oa__uset_free(&one);
    return rc;
}

/* --- escapes --------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int read_hex(parser *p, size_t min, size_t max, int32_t *cp)
{
    uint32_t value = 0;
    size_t n = 0;
    for (; n < max && p->at < p->len && hex_digit(p->text[p->at]) >= 0; n++)
        value = value * 16 + (uint32_t)hex_digit(p->text[p->at++]);
    if (n < min || value > OA__CP_MAX || value - 0xd800u < 0x800u)
        return unsupported(p, "a code point");
    *cp = (int32_t)value;
    return OA_OK;
}

/* \p{...}, \P{...}: behind the letter. */
static int read_property(parser *p, bool invert, oa__uset *set)
{
    if (!take(p, "{")) return unsupported(p, "a property without braces");
    if (take(p, "^")) invert = !invert;
    const char *name = p->text + p->at;
    const char *close = memchr(name, '}', p->len - p->at);
    if (!close) return unsupported(p, "an open brace");
    size_t n = (size_t)(close - name);
    oa__uset own = {.mem = set->mem};
    int rc = oa__uset_add_property(&own, name, n);
    if (rc == OA_ENOTFOUND) {
        rc = oa__err(OA_EUNSUPPORTED, "tokenizer pattern: property \"%.*s\" is not known here",
                     n > 40 ? 40 : (int)n, name);
    }
    bool cased = n == 2 && (name[0] | 32) == 'l' && strchr("ultULT", name[1]);
    if (rc >= 0 && p->fold && cased) rc = unsupported(p, "a cased property without regard to case");
    oa__uset_finish(&own);
    if (rc >= 0 && invert) rc = oa__uset_invert(&own);
    if (rc >= 0) rc = oa__uset_add_set(set, &own);
    oa__uset_free(&own);
    if (rc >= 0) p->at += n + 1;
    return rc;
}

static int add_named(oa__uset *set, const char *name, bool invert)
{
    oa__uset own = {.mem = set->mem};
    int rc = OA_OK;
    if (strcmp(name, "hex") == 0) {
        rc = oa__uset_add(&own, '0', '9');
        if (rc >= 0) rc = oa__uset_add(&own, 'A', 'F');
        if (rc >= 0) rc = oa__uset_add(&own, 'a', 'f');
    } else {
        rc = oa__uset_add_property(&own, name, strlen(name));
    }
    oa__uset_finish(&own);
    if (rc >= 0 && invert) rc = oa__uset_invert(&own);
    if (rc >= 0) rc = oa__uset_add_set(set, &own);
    oa__uset_free(&own);
    return rc;
}

/* Behind a backslash: a set (cp is CP_NONE) or a character. What is neither is not known. */
static int read_escape(parser *p, oa__uset *set, int32_t *cp)
{
    static const struct {
        char letter;
        const char *name;
    } sets[] = {{'s', "space"}, {'w', "word"}, {'d', "nd"}, {'h', "hex"}};
    static const char chars[] = "n\nr\rt\tf\fv\va\ae\033";
    *cp = CP_NONE;
    if (p->at == p->len) return unsupported(p, "a backslash at the end");
    char c = p->text[p->at++];
    for (size_t i = 0; i < OA__ARRAY_LEN(sets); i++) {
        if (c == sets[i].letter) return add_named(set, sets[i].name, false);
        if (c == sets[i].letter - 32) return add_named(set, sets[i].name, true);
    }
    if (c == 'p' || c == 'P') return read_property(p, c == 'P', set);
    for (size_t i = 0; chars[i]; i += 2) {
        if (c != chars[i]) continue;
        *cp = chars[i + 1];
        return OA_OK;
    }
    if (c == 'u') return read_hex(p, 4, 4, cp);
    if (c == 'x' && take(p, "{")) {
        OA__TRY(read_hex(p, 1, 6, cp));
        return take(p, "}") ? OA_OK : unsupported(p, "a code point");
    }
    if (c == 'x') {
        OA__TRY(read_hex(p, 1, 2, cp));
        return *cp < 0x80 ? OA_OK : unsupported(p, "a byte of a character");
    }
    if (is_ascii_letter((uint8_t)c) || (c >= '0' && c <= '9')) {
        p->at--;
        return unsupported(p, "an escape");
    }
    p->at--;
    uint32_t literal;
    p->at += oa__utf8_decode(p->text + p->at, p->len - p->at, &literal);
    *cp = (int32_t)literal;
    return OA_OK;
}

/* --- sets in brackets ------------------------------------------------------------------------ */

static int read_class(parser *p, oa__uset *set, unsigned depth);

/* [:alpha:] and its like; only those that mean the same to us. */
static int read_posix(parser *p, oa__uset *set)
{
    static const char *const names[][2] = {
        {"space", "space"}, {"word", "word"}, {"digit", "nd"}, {"punct", NULL}, {"xdigit", "hex"}};
    bool invert = take(p, "^");
    for (size_t i = 0; i < OA__ARRAY_LEN(names); i++) {
        if (!names[i][1] || !take(p, names[i][0])) continue;
        if (!take(p, ":]")) return unsupported(p, "a POSIX bracket");
        return add_named(set, names[i][1], invert);
    }
    return unsupported(p, "a POSIX bracket");
}

static int add_range(parser *p, oa__uset *set, uint32_t lo, uint32_t hi)
{
    if (lo > hi) return unsupported(p, "a range that ends before it begins");
    OA__TRY(oa__uset_add(set, lo, hi));
    if (!p->fold) return OA_OK;
    if (hi > 0x7f) return unsupported(p, "a character without regard to case");
    for (uint32_t c = lo; c <= hi; c++)
        if (is_ascii_letter(c)) OA__TRY(add_folded(set, c));
    return OA_OK;
}

static int read_char(parser *p, oa__uset *set, int32_t *cp)
{
    if (take(p, "\\")) {
        if (take(p, "b")) {
            *cp = '\b';
            return OA_OK;
        }
        return read_escape(p, set, cp);
    }
    uint32_t c;
    p->at += oa__utf8_decode(p->text + p->at, p->len - p->at, &c);
    *cp = (int32_t)c;
    return OA_OK;
}

/* One member of a set: a character, a range, a set. */
static int read_member(parser *p, oa__uset *set, unsigned depth)
{
    int32_t lo, hi;
    if (take(p, "[:")) return read_posix(p, set);
    if (take(p, "[")) return read_class(p, set, depth + 1);
    OA__TRY(read_char(p, set, &lo));
    if (lo == CP_NONE) return OA_OK;
    if (!is_next(p, "-") || is_next(p, "-]") || is_next(p, "-["))
        return add_range(p, set, (uint32_t)lo, (uint32_t)lo);
    p->at++;
    if (p->at == p->len) return unsupported(p, "an open bracket");
    OA__TRY(read_char(p, set, &hi));
    if (hi == CP_NONE) return unsupported(p, "a range to a set");
    return add_range(p, set, (uint32_t)lo, (uint32_t)hi);
}

static int read_members(parser *p, oa__uset *set, unsigned depth)
{
    bool first = true;
    while (p->at < p->len) {
        if (is_next(p, "&&")) return OA_OK;
        if (is_next(p, "]") && !first) return OA_OK;
        OA__TRY(read_member(p, set, depth));
        first = false;
    }
    return unsupported(p, "an open bracket");
}

/* Behind "[": adds the members to set. */
static int read_class(parser *p, oa__uset *set, unsigned depth)
{
    oa__uset own = {.mem = set->mem}, next = {.mem = set->mem};
    int rc = OA_OK;
    if (depth == CLASS_DEPTH_MAX) return unsupported(p, "a set so deep in sets");
    bool invert = take(p, "^");
    OA__TRY_GOTO(read_members(p, &own, depth));
    oa__uset_finish(&own);
    while (take(p, "&&")) {
        OA__TRY_GOTO(read_members(p, &next, depth));
        oa__uset_finish(&next);
        OA__TRY_GOTO(oa__uset_intersect(&own, &next));
        next.n = 0;
    }
    p->at++; /* the closing bracket */
    if (invert) OA__TRY_GOTO(oa__uset_invert(&own));
    rc = oa__uset_add_set(set, &own);
fail:
    oa__uset_free(&own);
    oa__uset_free(&next);
    return rc;
}

/* --- groups, quantifiers --------------------------------------------------------------------- */

static int open_group(parser *p, const char *how, bool fold)
{
    if (p->n_groups == GROUPS_MAX) return unsupported(p, "a group so deep in groups");
    p->groups[p->n_groups].fold = p->fold;
    p->groups[p->n_groups++].extra = 0;
    p->fold = fold;
    return emit(p, how);
}

/* Behind "(". No group captures: nothing here can refer to one. */
static int read_group(parser *p)
{
    static const char *const plain[] = {"?=", "?!", "?<=", "?<!", "?>", "?:"};
    if (!is_next(p, "?")) return open_group(p, "(?:", p->fold);
    for (size_t i = 0; i < OA__ARRAY_LEN(plain); i++) {
        if (!take(p, plain[i])) continue;
        OA__TRY(open_group(p, "(", p->fold));
        return emit(p, plain[i]);
    }
    if (take(p, "?i:")) return open_group(p, "(?:", true);
    if (take(p, "?-i:")) return open_group(p, "(?:", false);
    bool on = is_next(p, "?i)");
    if (on || is_next(p, "?-i)")) { /* up to the end of the group around it */
        p->at += on ? 3 : 4;
        p->groups[p->n_groups - 1].extra++;
        p->fold = on;
        return emit(p, "(?:");
    }
    if (take(p, "?#")) {
        const char *close = memchr(p->text + p->at, ')', p->len - p->at);
        if (!close) return unsupported(p, "an open comment");
        p->at = (size_t)(close - p->text) + 1;
        return OA_OK;
    }
    return unsupported(p, "a group");
}

static int close_group(parser *p)
{
    for (unsigned i = p->groups[p->n_groups - 1].extra; i > 0; i--)
        OA__TRY(emit(p, ")"));
    p->fold = p->groups[--p->n_groups].fold;
    return OA_OK;
}

static bool take_number(parser *p, uint32_t *n)
{
    size_t start = p->at;
    for (*n = 0; p->at < p->len && p->text[p->at] >= '0' && p->text[p->at] <= '9'; p->at++)
        *n = *n > 100000 ? *n : *n * 10 + (uint32_t)(p->text[p->at] - '0');
    return p->at > start;
}

/* At "{": *done says that it was an interval; else it is a character. */
static int read_interval(parser *p, bool *done)
{
    size_t start = p->at++;
    uint32_t lo = 0, hi = 0;
    bool has_lo = take_number(p, &lo);
    bool comma = take(p, ",");
    bool has_hi = comma && take_number(p, &hi);
    *done = (has_lo || has_hi) && take(p, "}");
    if (!*done) {
        p->at = start;
        return OA_OK;
    }
    if (!comma) hi = lo;
    if (lo > 65535 || ((has_hi || !comma) && (hi > 65535 || hi < lo)))
        return unsupported(p, "a number of repeats");
    if (is_next(p, "+") || (is_next(p, "?") && !comma))
        return unsupported(p, "a sign behind a number of repeats");
    oa__str *out = &p->parts->out;
    if (!comma) return oa__str_addf(out, "{%u}", (unsigned)lo);
    if (!has_hi) return oa__str_addf(out, "{%u,}", (unsigned)lo);
    return oa__str_addf(out, "{%u,%u}", (unsigned)lo, (unsigned)hi);
}

/* --- all of it ------------------------------------------------------------------------------- */

static int emit_named(parser *p, const char *name, bool invert)
{
    oa__uset set = {.mem = p->parts->mem};
    int rc = add_named(&set, name, invert);
    if (rc >= 0) rc = emit_set(p, &set);
    oa__uset_free(&set);
    return rc;
}

/* \b in words of look-around: what a word is, we say. */
static int emit_boundary(parser *p, bool invert)
{
    OA__TRY(emit(p, "(?:(?<="));
    OA__TRY(emit_named(p, "word", false));
    OA__TRY(emit(p, invert ? ")(?=" : ")(?!"));
    OA__TRY(emit_named(p, "word", false));
    OA__TRY(emit(p, ")|(?<!"));
    OA__TRY(emit_named(p, "word", false));
    OA__TRY(emit(p, invert ? ")(?!" : ")(?="));
    OA__TRY(emit_named(p, "word", false));
    return emit(p, "))");
}

static int read_backslash(parser *p)
{
    int32_t cp;
    if (take(p, "b")) return emit_boundary(p, false);
    if (take(p, "B")) return emit_boundary(p, true);
    if (take(p, "G")) return emit(p, "\\G");
    if (take(p, "A")) return emit(p, "\\A");
    if (take(p, "z")) return emit(p, "\\z");
    if (take(p, "Z")) return emit(p, "\\Z");
    oa__uset set = {.mem = p->parts->mem};
    int rc = read_escape(p, &set, &cp);
    if (rc >= 0) rc = cp == CP_NONE ? emit_set(p, &set) : emit_char(p, (uint32_t)cp);
    oa__uset_free(&set);
    return rc;
}

static int read_bracket(parser *p)
{
    oa__uset set = {.mem = p->parts->mem};
    int rc = read_class(p, &set, 0);
    if (rc >= 0) rc = emit_set(p, &set);
    oa__uset_free(&set);
    return rc;
}

static int emit_dot(parser *p)
{
    oa__uset set = {.mem = p->parts->mem};
    int rc = oa__uset_add(&set, 0, '\n' - 1);
    if (rc >= 0) rc = oa__uset_add(&set, '\n' + 1, OA__CP_MAX);
    if (rc >= 0) rc = emit_set(p, &set);
    oa__uset_free(&set);
    return rc;
}

static int read_item(parser *p)
{
    char c = p->text[p->at];
    const char one[2] = {c, 0};
    bool done;
    uint32_t cp, last_letter = p->last_letter;
    p->last_letter = 0;
    switch (c) {
    case '\\':
        p->at++;
        return read_backslash(p);
    case '[':
        p->at++;
        return read_bracket(p);
    case '(':
        p->at++;
        return read_group(p);
    case ')':
        if (p->n_groups == 1) return unsupported(p, "a bracket that closes nothing");
        p->at++;
        OA__TRY(close_group(p));
        return emit(p, ")");
    case '.':
        p->at++;
        return emit_dot(p);
    case '|':
    case '*':
    case '+':
    case '?':
    case '^':
    case '$':
        p->at++;
        return emit(p, one);
    case '{':
        OA__TRY(read_interval(p, &done));
        if (done) return OA_OK;
        break;
    default:
        break;
    }
    p->at += oa__utf8_decode(p->text + p->at, p->len - p->at, &cp);
    p->last_letter = last_letter;
    return emit_char(p, cp);
}

/* Patterns that models use and that take a square of time as they are written, and what finds the
 * same matches in linear time. A run of white space that does not reach the end of its line need
 * not be tried again from its middle. In a run of digits only the first match must count how many
 * there are; behind a match (\\G) they are a multiple of three. Words with
 * single spaces between them need no way back. */
static const char *const linear[][2] = {
    {"\\s+$", "(?:\\G|(?<!\\s))\\s+$"},
    {"\\d{1,3}(?=(?:\\d{3})*\\b)", "(?<=\\d)\\G\\d{3}|(?<!\\d)\\d{1,3}(?=(?:\\d{3})*+\\b)"},
#define EXAONE(words)                                                                              \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?" words                                    \
    "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
    {EXAONE("(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+"),
     EXAONE("\\p{L}\\p{M}*+(?: ?\\p{L}\\p{M}*+)*+")},
};

int oa__regex_translate(oa__regex_parts *parts, const char *text, size_t len)
{
    parser p = {.parts = parts, .text = text, .len = len, .n_groups = 1};
    if (len > TEXT_MAX)
        return oa__err(OA_EUNSUPPORTED, "tokenizer pattern of %zu bytes, want at most %d", len,
                       TEXT_MAX);
    if (!oa__utf8_valid(text, len)) return oa__err(OA_EFORMAT, "tokenizer pattern is no UTF-8");
    for (size_t i = 0; i < OA__ARRAY_LEN(linear); i++) {
        if (len != strlen(linear[i][0]) || memcmp(text, linear[i][0], len) != 0) continue;
        p.text = linear[i][1];
        p.len = len = strlen(p.text);
        break;
    }
    while (p.at < len)
        OA__TRY(read_item(&p));
    if (p.n_groups > 1) return unsupported(&p, "an open group");
    for (unsigned i = p.groups[0].extra; i > 0; i--)
        OA__TRY(emit(&p, ")"));
    return OA_OK;
}
