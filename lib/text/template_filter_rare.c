/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters that chat templates hardly ever use: wordwrap, xmlattr.
 *
 * wordwrap breaks lines as Python's textwrap does. A line is a row of chunks: runs of blanks,
 * words, parts of words that end in a hyphen between letters, and runs of hyphens between words.
 * Chunks are put on a line as long as they fit; blanks at its ends fall away, but for those that
 * begin the first; a chunk wider than a line is cut, behind a hyphen if it has one.
 */
#include "text/template_priv.h"

#include <string.h>

/* --- wordwrap --------------------------------------------------------------------------------- */

typedef struct wrap {
    tmpl *t;
    const tstr *line;
    const uint32_t *cp; /* (n) */
    const size_t *at;   /* (n + 1) where each begins */
    size_t n;
    int64_t width;
    bool break_long, break_hyphens;
    const tstr *between;
    tout out;
    bool any; /* a line is out */
} wrap;

/* Only these, whatever else Unicode calls blank. */
static bool is_blank(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter(const wrap *w, size_t i)
{
    if (i >= w->n || !oa__tmpl_is_word(w->cp[i])) return false;
    const tstr one = {.s = w->line->s + w->at[i], .len = w->at[i + 1] - w->at[i], .n_cp = 1};
    return !oa__tmpl_is_class(&one, CLASS_DECIMAL);
}

/* What may stand on the left of a dash. */
static bool is_punct(uint32_t c)
{
    return oa__tmpl_is_word(c) || (c > 0 && c < 128 && strchr("!\"'&.,?", (int)c));
}

/* The end of two or more hyphens between words that begin at i; else i. */
static size_t skip_dash(const wrap *w, size_t i)
{
    size_t j = i;
    if (i == 0 || !is_punct(w->cp[i - 1])) return i;
    while (j < w->n && w->cp[j] == '-')
        j++;
    return j - i >= 2 && j < w->n && oa__tmpl_is_word(w->cp[j]) ? j : i;
}

/* Whether a word may be broken behind the hyphen at i. */
static bool is_joint(const wrap *w, size_t i)
{
    if (w->cp[i] != '-' || i < 2 || !is_letter(w, i - 1)) return false;
    if (!is_letter(w, i - 2) && (w->cp[i - 2] != '-' || i < 3 || !is_letter(w, i - 3)))
        return false;
    return is_letter(w, i + 1) &&
           (is_letter(w, i + 2) || (i + 2 < w->n && w->cp[i + 2] == '-' && is_letter(w, i + 3)));
}

/* The end of the chunk that begins at i < n. */
static size_t chunk_end(const wrap *w, size_t i)
{
    size_t j = i;
    while (j < w->n && is_blank(w->cp[j]))
        j++;
    if (j > i) return j;
    if (w->break_hyphens && (j = skip_dash(w, i)) > i) return j;
    for (j = i + 1; j < w->n && !is_blank(w->cp[j]); j++) {
        if (!w->break_hyphens) continue;
        if (is_joint(w, j)) return j + 1;
        if (w->cp[j] == '-' && skip_dash(w, j) > j) return j;
    }
    return j;
}

/* Blank as str.strip() sees it. */
static bool all_space(const wrap *w, size_t i, size_t end)
{
    while (i < end && oa__tmpl_is_space(w->cp[i]))
        i++;
    return i == end;
}

/* Where a chunk that is wider than a line is cut: behind the last hyphen that fits. */
static size_t cut_of(const wrap *w, size_t i, size_t end, size_t room)
{
    if (w->break_hyphens && end - i > room) {
        size_t hyphen = i + room;
        while (hyphen > i && w->cp[hyphen - 1] != '-')
            hyphen--;
        for (size_t k = i; hyphen > i && k < hyphen - 1; k++)
            if (w->cp[k] != '-') return hyphen;
    }
    return end - i < room ? end : i + room;
}

/* One line of the text: chunks [i, end) that are not on a line yet. */
static int wrap_line(wrap *w)
{
    size_t i = 0, end = w->n ? chunk_end(w, 0) : 0;
    bool first = true;
    while (i < w->n) {
        if (!first && all_space(w, i, end)) {
            i = end;
            if (i == w->n) break;
            end = chunk_end(w, i);
        }
        const size_t from = i;
        size_t last = i; /* where the last chunk of the line begins */
        while (i < w->n && (int64_t)(end - from) <= w->width) {
            last = i;
            i = end;
            if (i < w->n) end = chunk_end(w, i);
        }
        if (i < w->n && (int64_t)(end - i) > w->width) {
            const size_t room = (size_t)(w->width - (int64_t)(i - from));
            if (w->break_long) {
                last = i;
                i = cut_of(w, i, end, room);
            } else if (i == from) {
                last = i;
                i = end;
            }
            if (i == end && i < w->n) end = chunk_end(w, i);
        }
        const size_t stop = i > from && all_space(w, last, i) ? last : i;
        OA__TRY(oa__tmpl_charge(w->t, 1));
        if (stop == from) continue;
        if (w->any) OA__TRY(oa__tmpl_out_add(w->t, &w->out, w->between->s, w->between->len));
        OA__TRY(
            oa__tmpl_out_add(w->t, &w->out, w->line->s + w->at[from], w->at[stop] - w->at[from]));
        w->any = true;
        first = false;
    }
    return OA_OK;
}

static int take_line(wrap *w, const tstr *line)
{
    uint32_t *cp = oa__tmpl_alloc_array(w->t, line->len + 1, sizeof *cp);
    size_t *at = oa__tmpl_alloc_array(w->t, line->len + 1, sizeof *at);
    if (!cp || !at) return oa__tmpl_nomem(w->t);
    OA__TRY(oa__tmpl_charge(w->t, line->len / 16));
    w->line = line;
    w->n = 0;
    for (size_t i = 0; i < line->len; w->n++) {
        at[w->n] = i;
        i += oa__utf8_decode(line->s + i, line->len - i, &cp[w->n]);
    }
    at[w->n] = line->len;
    w->cp = cp;
    w->at = at;
    w->any = false;
    return wrap_line(w);
}

int oa__tmpl_wordwrap(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"width", "break_long_words", "wrapstring",
                                        "break_on_hyphens", NULL};
    tval a[4] = {{0}}, lines;
    OA__TRY(oa__tmpl_bind(t, "wordwrap", call, names, 0, a));
    if (in.type == T_UNDEF) return oa__tmpl_undef_fail(t, in);
    if (in.type != T_STR) return oa__tmpl_fail(t, "wordwrap needs a string");
    if (a[0].type != T_MISSING && !oa__tmpl_is_int(a[0]))
        return oa__tmpl_fail(t, "wordwrap: width must be an integer");
    if (a[2].type == T_MISSING || a[2].type == T_NONE) OA__TRY(oa__tmpl_str_z(t, "\n", &a[2]));
    if (a[2].type != T_STR || a[2].flag)
        return oa__tmpl_fail(t, "wordwrap: wrapstring must be a plain string");
    wrap w = {.t = t,
              .width = a[0].type == T_MISSING ? 79 : a[0].u.i,
              .break_long = a[1].type == T_MISSING || oa__tmpl_truth(a[1]),
              .break_hyphens = a[3].type == T_MISSING || oa__tmpl_truth(a[3]),
              .between = a[2].u.s};
    OA__TRY(oa__tmpl_splitlines(t, in.u.s, false, &lines));
    if (lines.u.l->len > 0 && w.width <= 0)
        return oa__tmpl_fail(t, "invalid width %lld (must be > 0)", (long long)w.width);
    for (size_t i = 0; i < lines.u.l->len; i++) {
        if (i > 0) OA__TRY(oa__tmpl_out_add(t, &w.out, w.between->s, w.between->len));
        OA__TRY(take_line(&w, lines.u.l->items[i].u.s));
    }
    return oa__tmpl_str_out(t, &w.out, out);
}

/* --- xmlattr ---------------------------------------------------------------------------------- */

int oa__tmpl_xmlattr(tmpl *t, tval in, const tcall *call, tval *out)
{
    static const char *const names[] = {"autospace", NULL};
    tval a[1] = {{0}}, text;
    tout o = {0};
    OA__TRY(oa__tmpl_bind(t, "xmlattr", call, names, 0, a));
    if (in.type == T_UNDEF) return oa__tmpl_undef_fail(t, in);
    if (in.type != T_DICT) return oa__tmpl_fail(t, "xmlattr needs a dict");
    const bool space = a[0].type == T_MISSING || oa__tmpl_truth(a[0]);
    for (size_t i = 0; i < in.u.d->len; i++) {
        const tval key = in.u.d->ents[i].key, val = in.u.d->ents[i].val;
        if (val.type == T_NONE || val.type == T_UNDEF) continue;
        if (key.type != T_STR) return oa__tmpl_fail(t, "xmlattr: keys must be strings");
        OA__TRY(oa__tmpl_charge(t, 1 + key.u.s->len / 64));
        for (size_t k = 0; k < key.u.s->len; k++) {
            const char c = key.u.s->s[k];
            if (c != '/' && c != '>' && c != '=' && !is_blank((unsigned char)c)) continue;
            tout repr = {0};
            OA__TRY(oa__tmpl_add_repr(t, &repr, key));
            return oa__tmpl_fail(t, "Invalid character in attribute name: %.*s", (int)repr.len,
                                 repr.data);
        }
        if (o.len > 0 || space) OA__TRY(oa__tmpl_out_add(t, &o, " ", 1));
        OA__TRY(oa__tmpl_escape(t, key, false, &text));
        OA__TRY(oa__tmpl_out_add(t, &o, text.u.s->s, text.u.s->len));
        OA__TRY(oa__tmpl_out_add(t, &o, "=\"", 2));
        OA__TRY(oa__tmpl_escape(t, val, false, &text));
        OA__TRY(oa__tmpl_charge(t, text.u.s->len / 64));
        OA__TRY(oa__tmpl_out_add(t, &o, text.u.s->s, text.u.s->len));
        OA__TRY(oa__tmpl_out_add(t, &o, "\"", 1));
    }
    return oa__tmpl_str_out(t, &o, out);
}
