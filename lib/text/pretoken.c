/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting a text into words: a pipeline of steps, each of which cuts the pieces of the one before.
 *
 * A step finds matches and so makes a run of parts, match and no match in turn; its "split" says
 * what becomes of them. Pieces are asked for one at a time from the last step, which asks the one
 * before when it has none left, so that a text of any length needs a piece's memory only. Steps do
 * not change the text but for a space in front and for spaces that are written as marks.
 */
#include "text/pretoken.h"

#include <string.h>

#include "text/vocab_priv.h"

struct oa__pretoken {
    oa__mem *mem;
    size_t n;
    struct step {
        enum oa__pre_kind kind;
        enum oa__split split;
        unsigned flags;
        oa__regex *regex;
        char *text;
        size_t text_len;
    } steps[OA__PRE_MAX];
};

/* --- compiling ------------------------------------------------------------------------------- */

static bool is_regex(const oa__pre_spec *s, const char *regex)
{
    return s->kind == OA__PRE_REGEX && s->split == OA__SPLIT_ISOLATED && s->flags == 0 &&
           s->text.len == strlen(regex) && memcmp(s->text.data, regex, s->text.len) == 0;
}

/* Single digits and then GPT-2's pattern are one pattern: a digit ends the text for the look-ahead
 * behind white space. */
static const char digits_gpt2[] = "\\p{oa_digit}|'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+"
                                  "| ?[^\\s\\p{L}\\p{N}\\p{oa_digit}]+"
                                  "|\\s+(?![^\\s\\p{oa_digit}])|\\s+";

static int compile_step(oa__pretoken *p, oa__pre_spec spec, bool bytes)
{
    struct step *s = &p->steps[p->n];
    s->kind = spec.kind;
    s->split = spec.split;
    s->flags = spec.flags;
    p->n++;
    if (spec.kind == OA__PRE_REGEX) return oa__regex_new(&s->regex, p->mem, spec.text, bytes);
    if (spec.kind != OA__PRE_PREFIX_SPACE) {
        s->text = oa__strndup(p->mem, spec.text.data, spec.text.len);
        s->text_len = spec.text.len;
        if (!s->text) return OA_ENOMEM;
    }
    if (bytes)
        return oa__err(OA_EUNSUPPORTED, "tokenizer has a step of another kind behind ByteLevel");
    return OA_OK;
}

int oa__pretoken_new(oa__pretoken **out, oa__mem *mem, const oa__pipeline_spec *spec)
{
    int rc = OA_OK;
    bool bytes = false;
    *out = NULL;
    oa__pretoken *p = oa__alloc(mem, sizeof *p);
    if (!p) return OA_ENOMEM;
    p->mem = mem;
    for (size_t i = 0; i < spec->n_pre; i++) {
        oa__pre_spec s = spec->pre[i];
        if (s.kind == OA__PRE_BYTES) {
            bytes = true;
            continue;
        }
        if (!bytes && i + 1 < spec->n_pre && is_regex(&s, OA__REGEX_DIGIT) &&
            is_regex(&spec->pre[i + 1], OA__REGEX_GPT2)) {
            s.text = (oa__span){digits_gpt2, sizeof digits_gpt2 - 1};
            i++;
        }
        OA__TRY_GOTO(compile_step(p, s, bytes));
    }
    *out = p;
    return OA_OK;
fail:
    oa__pretoken_free(p, mem);
    return rc;
}

void oa__pretoken_free(oa__pretoken *p, oa__mem *mem)
{
    if (!p) return;
    for (size_t i = 0; i < p->n; i++) {
        oa__regex_free(p->steps[i].regex);
        oa__free(mem, p->steps[i].text);
    }
    oa__free(mem, p);
}

/* --- parts ----------------------------------------------------------------------------------- */

static int find_string(const struct step *s, oa__cut *c, size_t *start, size_t *end)
{
    const char *hit = memmem(c->text + c->end, c->len - c->end, s->text, s->text_len);
    if (!hit) return 0;
    *start = (size_t)(hit - c->text);
    *end = *start + s->text_len;
    return 1;
}

/* The next part: 1, 0 at the end, or an error. Parts may be empty when they are matches. */
static int next_part(const struct step *s, oa__cut *c, size_t *start, size_t *end, bool *match)
{
    if (c->parts == 0) {
        if (c->over) return 0;
        size_t from = c->end;
        int rc = s->regex ? oa__matcher_next(&c->matcher, &c->start, &c->end)
                          : find_string(s, c, &c->start, &c->end);
        if (rc < 0) return rc;
        c->gap = from;
        c->parts = 2;
        if (rc == 0) {
            c->over = true;
            c->start = c->end = c->len;
        }
    }
    if (c->parts == 2) {
        c->parts = c->over ? 0 : 1;
        if (c->start > c->gap) {
            *start = c->gap;
            *end = c->start;
            *match = false;
            return 1;
        }
        if (c->over) return 0;
    }
    c->parts = 0;
    *start = c->start;
    *end = c->end;
    *match = true;
    return 1;
}

/* The next piece of a step, which may be empty. */
static int next_piece(const struct step *s, oa__cut *c, size_t *start, size_t *end)
{
    for (;;) {
        size_t a = 0, b = 0;
        bool match = false;
        int rc = next_part(s, c, &a, &b, &match);
        if (rc < 0) return rc;
        if (rc == 1 && s->flags & OA__PRE_INVERT) match = !match;
        if (rc == 1 && s->split == OA__SPLIT_REMOVED && match) continue;
        if (s->split == OA__SPLIT_ISOLATED || s->split == OA__SPLIT_REMOVED) {
            *start = a;
            *end = b;
            return rc;
        }
        if (rc == 0) {
            if (!c->held.full) return 0;
            *start = c->held.start;
            *end = c->held.end;
            c->held.full = false;
            return 1;
        }
        bool join = false;
        if (c->held.full) {
            switch (s->split) {
            case OA__SPLIT_CONTIGUOUS:
                join = match == c->last_match;
                break;
            case OA__SPLIT_PREVIOUS:
                join = match && !c->last_match;
                break;
            default: /* NEXT */
                join = !match && c->last_match;
            }
        }
        c->last_match = match;
        if (join) {
            c->held.end = b;
            continue;
        }
        bool full = c->held.full;
        *start = c->held.start;
        *end = c->held.end;
        c->held.start = a;
        c->held.end = b;
        c->held.full = true;
        if (full) return 1;
    }
}

/* --- pieces ---------------------------------------------------------------------------------- */

static int with_prefix(oa__cut *c, oa__mem *mem, const char *prefix, size_t n)
{
    size_t need;
    if (!oa__add_size(c->len, n, &need)) return oa__err_nomem(c->len);
    OA__TRY(oa__grow(mem, (void **)&c->buf, &c->buf_cap, need, 1));
    memcpy(c->buf, prefix, n);
    memcpy(c->buf + n, c->text, c->len);
    c->text = c->buf;
    c->len = need;
    return OA_OK;
}

/* Spaces become marks, and one comes in front. */
static int write_marks(const struct step *s, oa__cut *c, oa__mem *mem, bool first)
{
    size_t need = c->len, n = s->text_len;
    bool has = (c->len >= n && memcmp(c->text, s->text, n) == 0) || c->text[0] == ' ';
    bool prefix =
        !has && (s->flags & OA__PRE_PREPEND_ALWAYS || (s->flags & OA__PRE_PREPEND_FIRST && first));
    for (size_t i = 0; i < c->len; i++) {
        if (c->text[i] == ' ' && !oa__add_size(need, n, &need)) return oa__err_nomem(need);
    }
    if (!oa__add_size(need, n, &need)) return oa__err_nomem(need);
    OA__TRY(oa__grow(mem, (void **)&c->buf, &c->buf_cap, need, 1));
    char *out = c->buf;
    if (prefix) {
        memcpy(out, s->text, n);
        out += n;
    }
    for (size_t i = 0; i < c->len; i++) {
        if (c->text[i] != ' ') {
            *out++ = c->text[i];
        } else {
            memcpy(out, s->text, n);
            out += n;
        }
    }
    c->text = c->buf;
    c->len = (size_t)(out - c->buf);
    return OA_OK;
}

static int begin_cut(const struct step *s, oa__cut *c, oa__mem *mem, const char *text, size_t len,
                     bool first)
{
    c->text = text;
    c->len = len;
    c->gap = c->start = c->end = 0;
    c->parts = 0;
    c->held.full = c->last_match = c->over = false;
    c->active = true;
    c->first = first;
    switch (s->kind) {
    case OA__PRE_REGEX:
        return oa__matcher_begin(&c->matcher, s->regex, mem, text, len);
    case OA__PRE_PREFIX_SPACE:
        return text[0] == ' ' ? OA_OK : with_prefix(c, mem, " ", 1);
    case OA__PRE_METASPACE:
        return write_marks(s, c, mem, first);
    default:
        return OA_OK;
    }
}

/* The next piece that is not empty, of a step that is at work. */
static int cut_next(const struct step *s, oa__cut *c, const char **piece, size_t *len)
{
    struct step own = {.split = OA__SPLIT_NEXT};
    const struct step *as = s;
    bool whole = s->kind == OA__PRE_PREFIX_SPACE ||
                 (s->kind == OA__PRE_METASPACE && !(s->flags & OA__PRE_CUT));
    if (whole) {
        *piece = c->text;
        *len = c->len;
        c->active = !c->over;
        c->over = true;
        return c->active;
    }
    if (s->kind == OA__PRE_METASPACE) {
        own.text = s->text;
        own.text_len = s->text_len;
        as = &own;
    }
    for (;;) {
        size_t start = 0, end = 0;
        int rc = next_piece(as, c, &start, &end);
        if (rc <= 0) {
            c->active = false;
            return rc;
        }
        if (start == end) continue;
        *piece = c->text + start;
        *len = end - start;
        return 1;
    }
}

int oa__words_begin(oa__words *w, const oa__pretoken *p, oa__mem *mem, const char *text, size_t len,
                    bool first)
{
    if (!w->cuts && p->n > 0) {
        w->cuts = oa__alloc_array(mem, p->n, sizeof *w->cuts);
        if (!w->cuts) return OA_ENOMEM;
    }
    w->pretoken = p;
    w->mem = mem;
    w->text = text;
    w->len = len;
    w->first = first;
    w->fresh = true;
    for (size_t i = 0; i < p->n; i++)
        w->cuts[i].active = false;
    return OA_OK;
}

int oa__words_next(oa__words *w, const char **word, size_t *len)
{
    const oa__pretoken *p = w->pretoken;
    for (;;) {
        size_t k = p->n; /* the last step that has something; 0 = the text itself */
        while (k > 0 && !w->cuts[k - 1].active)
            k--;
        bool first = w->first;
        if (k == 0) {
            if (!w->fresh || w->len == 0) return 0;
            w->fresh = false;
            *word = w->text;
            *len = w->len;
        } else {
            oa__cut *c = &w->cuts[k - 1];
            int rc = cut_next(&p->steps[k - 1], c, word, len);
            if (rc < 0) return rc;
            if (rc == 0) continue;
            first = c->first && *word == c->text;
        }
        if (k == p->n) return 1;
        w->cuts[k].matcher.interpret = w->interpret;
        OA__TRY(begin_cut(&p->steps[k], &w->cuts[k], w->mem, *word, *len, first));
    }
}

void oa__words_end(oa__words *w)
{
    for (size_t i = 0; w->cuts && i < w->pretoken->n; i++) {
        oa__matcher_end(&w->cuts[i].matcher);
        oa__free(w->mem, w->cuts[i].buf);
    }
    oa__free(w->mem, w->cuts);
    memset(w, 0, sizeof *w);
}
