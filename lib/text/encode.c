/* SPDX-License-Identifier: Apache-2.0 */
/* From a text to ids: cleaning, cutting at special tokens, and the ids at both ends. */
#include <openassistant/model.h>

#include "text/vocab_priv.h"

/* A text without broken bytes and without guards. */
typedef struct clean {
    const char *text; /* the caller's or buf.data */
    size_t len;
    oa__str buf;
    size_t *guards; /* where guards stood, ascending, in clean text */
    size_t n_guards, guards_cap;
} clean;

static bool is_guard(const char *text, size_t len)
{
    return len >= 3 && memcmp(text, OA__GUARD, 3) == 0;
}

static int add_valid(oa__str *out, const char *text, size_t len)
{
    size_t from = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t size = oa__utf8_decode(text + i, len - i, &cp);
        /* U+FFFD itself is three bytes; anything else that decodes to it is broken. */
        if (cp == 0xfffd && !(size == 3 && memcmp(text + i, "\xEF\xBF\xBD", 3) == 0)) {
            OA__TRY(oa__str_add(out, text + from, i - from));
            OA__TRY(oa__str_add(out, "\xEF\xBF\xBD", 3));
            from = i + size;
        }
        i += size;
    }
    return oa__str_add(out, text + from, len - from);
}

int oa__text_clean(const char *text, size_t len, oa__str *out)
{
    return add_valid(out, text, len);
}

static int clean_text(clean *c, oa__mem *mem, const char *text, size_t len, bool guarded)
{
    c->text = text;
    c->len = len;
    c->buf.mem = mem;
    bool guards = guarded && len >= 3 && memmem(text, len, OA__GUARD, 3);
    if (!guards) {
        if (oa__utf8_valid(text, len)) return OA_OK;
        OA__TRY(add_valid(&c->buf, text, len));
    } else {
        size_t from = 0, i = 0;
        for (; i < len; i++) {
            if (text[i] != OA__GUARD[0] || !is_guard(text + i, len - i)) continue;
            OA__TRY(add_valid(&c->buf, text + from, i - from));
            OA__TRY(oa__grow(mem, (void **)&c->guards, &c->guards_cap, c->n_guards + 1,
                             sizeof *c->guards));
            c->guards[c->n_guards++] = c->buf.len;
            i += 2;
            from = i + 1;
        }
        OA__TRY(add_valid(&c->buf, text + from, len - from));
    }
    c->text = c->buf.data ? c->buf.data : "";
    c->len = c->buf.len;
    return OA_OK;
}

static int encode_word(oa__encoder *e, const char *word, size_t len)
{
    if (e->v->kind == OA__VOCAB_BPE) return oa__bpe_word(e, word, len);
    if (e->v->kind == OA__VOCAB_WPM) return oa__wordpiece_word(e, word, len);
    bool was_unknown = false;
    return oa__unigram_segment(e, word, len, &was_unknown);
}

/* A stretch without special tokens in it; first: it is the beginning of the text. */
static int encode_plain(oa__encoder *e, const char *text, size_t len, bool first)
{
    const oa__vocab *v = e->v;
    if (len == 0) return OA_OK;
    if (!v->pretoken) {
        bool prefix = v->add_space_prefix;
        if (v->kind == OA__VOCAB_WPM) return oa__wordpiece_encode(e, text, len);
        if (v->kind == OA__VOCAB_UGM) return oa__unigram_encode(e, text, len, prefix);
        return oa__spm_encode(e, text, len, prefix);
    }
    OA__TRY(oa__words_begin(&e->words, v->pretoken, e->mem, text, len, first));
    for (;;) {
        const char *word;
        size_t word_len;
        int rc = oa__words_next(&e->words, &word, &word_len);
        if (rc <= 0) return rc;
        OA__TRY(encode_word(e, word, word_len));
    }
}

static bool is_word(uint32_t cp)
{
    return oa__named_set_has(oa__named_set("oa_word"), cp);
}

static size_t last_char(const char *text, size_t end, uint32_t *cp)
{
    size_t at = end - 1;
    while (at > 0 && ((uint8_t)text[at] & 0xc0) == 0x80)
        at--;
    (void)oa__utf8_decode(text + at, end - at, cp);
    return at;
}

/* What the flags of a token make of a place where it stands: false = it does not count. */
static bool apply_flags(unsigned flags, const char *text, size_t len, size_t at, size_t *start,
                        size_t *end)
{
    uint32_t cp;
    if (flags & OA__ADDED_SINGLE_WORD) {
        if (*start > 0 && (last_char(text, *start, &cp), is_word(cp))) return false;
        if (*end < len && (oa__utf8_decode(text + *end, len - *end, &cp), is_word(cp)))
            return false;
    }
    while (flags & OA__ADDED_LSTRIP && *start > at) {
        size_t before = last_char(text, *start, &cp);
        if (before < at || !oa__unicode_is_space(cp)) break;
        *start = before;
    }
    while (flags & OA__ADDED_RSTRIP && *end < len) {
        size_t n = oa__utf8_decode(text + *end, len - *end, &cp);
        if (!oa__unicode_is_space(cp)) break;
        *end += n;
    }
    return true;
}

/* The next of two lists of places in ascending order, which lie backwards: the one further left,
 * of two the longer one. */
static bool next_found(const oa__founds *a, size_t *n_a, const oa__founds *b, size_t *n_b,
                       oa__found *out)
{
    const oa__found *x = *n_a > 0 ? &a->data[*n_a - 1] : NULL;
    const oa__found *y = *n_b > 0 ? &b->data[*n_b - 1] : NULL;
    if (!x && !y) return false;
    bool take_x = x && (!y || x->start < y->start || (x->start == y->start && x->len >= y->len));
    *out = take_x ? *x : *y;
    if (take_x) {
        --*n_a;
    } else {
        --*n_b;
    }
    return true;
}

typedef int (*encode_fn)(oa__encoder *e, const char *text, size_t len, bool first);

/* Cuts a text at the tokens that were found in it; what lies between goes on. */
static int cut_at_tokens(oa__encoder *e, const char *text, size_t len, const oa__founds *a,
                         const oa__founds *b, bool first, encode_fn rest)
{
    size_t n_a = a->len, n_b = b->len, at = 0, taken = 0;
    oa__found f;
    while (next_found(a, &n_a, b, &n_b, &f)) {
        if (f.start < taken) continue;
        size_t start = f.start, end = (size_t)f.start + f.len;
        taken = end;
        if (start < at) continue; /* in the white space that the last one took along */
        if (e->v->added && !apply_flags(e->v->added[f.id], text, len, at, &start, &end)) continue;
        if (start > at) OA__TRY(rest(e, text + at, start - at, first && at == 0));
        OA__TRY(oa__ids_add(e->out, f.id));
        at = end;
    }
    if (at >= len) return OA_OK;
    return rest(e, text + at, len - at, first && at == 0);
}

/* A stretch in normal form. */
static int encode_normal(oa__encoder *e, const char *text, size_t len, bool first)
{
    const oa__vocab *v = e->v;
    bool control = e->special && !e->guarded && !v->control_norm.empty;
    if (len == 0) return OA_OK;
    if (v->user.empty && !control) return encode_plain(e, text, len, first);
    e->found_user.len = e->found_norm.len = 0;
    OA__TRY(oa__finder_scan(&v->user, e->mem, text, len, 0, &e->found_user));
    if (control) OA__TRY(oa__finder_scan(&v->control_norm, e->mem, text, len, 0, &e->found_norm));
    return cut_at_tokens(e, text, len, &e->found_user, &e->found_norm, first, encode_plain);
}

static int encode_stretch(oa__encoder *e, const char *text, size_t len, bool first)
{
    const oa__normalizer *n = e->v->normalizer;
    if (!n || oa__normalizer_is_trivial(n, text, len)) return encode_normal(e, text, len, first);
    e->normal.mem = e->mem;
    OA__TRY(oa__normalize(n, text, len, &e->normal));
    return encode_normal(e, e->normal.data, e->normal.len, first);
}

/* Matches in ascending order are at the end of found: the finder reads from the end. No match
 * touches a guard with its first byte or reaches over one. */
static int find_control(const oa__vocab *v, oa__mem *mem, const clean *c, oa__founds *found)
{
    size_t end = c->len;
    for (size_t g = c->n_guards;; g--) {
        size_t start = g > 0 ? c->guards[g - 1] : 0;
        OA__TRY(oa__finder_scan(&v->control, mem, c->text + start, end - start, start, found));
        if (g == 0) return OA_OK;
        /* A match that begins right behind the guard is the last one found. */
        if (found->len > 0 && found->data[found->len - 1].start == start) found->len--;
        end = start;
    }
}

static int encode_clean(oa__encoder *e, const clean *c)
{
    const oa__vocab *v = e->v;
    oa__founds control = {0}, user = {0};
    int rc = OA_OK;
    if (e->special) OA__TRY_GOTO(find_control(v, e->mem, c, &control));
    OA__TRY_GOTO(oa__finder_scan(&v->user_raw, e->mem, c->text, c->len, 0, &user));
    rc = cut_at_tokens(e, c->text, c->len, &control, &user, true, encode_stretch);
fail:
    oa__free(e->mem, control.data);
    oa__free(e->mem, user.data);
    return rc;
}

int oa__vocab_encode(const oa__vocab *v, const char *text, size_t len, uint32_t flags, oa__ids *out)
{
    const uint32_t known =
        OA_TOKENIZE_SPECIAL | OA_TOKENIZE_NO_BOS | OA_TOKENIZE_NO_EOS | OA__TOKENIZE_GUARDED;
    if (flags & ~known) return oa__err(OA_EINVAL, "tokenize flags 0x%x", (unsigned)flags);
    if (!text && len > 0) return oa__err(OA_EINVAL, "text is NULL, its length is %zu", len);
    /* Replacing a broken byte takes three, and offsets have 32 bits. */
    if (len > UINT32_MAX / 4)
        return oa__err(OA_ELIMIT, "text of %zu bytes, want at most %u", len, UINT32_MAX / 4);
    if (!text) text = "";
    size_t old_len = out->len;
    /* Control tokens of the normal form are not looked for where guards are: nobody could tell
     * which of them the guards are for. */
    oa__encoder e = {.v = v, .mem = out->mem, .out = out, .special = flags & OA_TOKENIZE_SPECIAL};
    clean c = {0};
    int rc = OA_OK;
    for (size_t i = 0; i < v->n_prefix && !(flags & OA_TOKENIZE_NO_BOS); i++)
        OA__TRY_GOTO(oa__ids_add(out, v->prefix[i]));
    OA__TRY_GOTO(clean_text(&c, out->mem, text, len, flags & OA__TOKENIZE_GUARDED));
    e.guarded = c.n_guards > 0;
    OA__TRY_GOTO(encode_clean(&e, &c));
    for (size_t i = 0; i < v->n_suffix && !(flags & OA_TOKENIZE_NO_EOS); i++)
        OA__TRY_GOTO(oa__ids_add(out, v->suffix[i]));
fail:
    if (rc < 0) out->len = old_len;
    oa__words_end(&e.words);
    oa__free(e.mem, e.syms);
    oa__free(e.mem, e.heap);
    oa__free(e.mem, e.escaped);
    oa__free(e.mem, e.lattice);
    oa__free(e.mem, e.found_user.data);
    oa__free(e.mem, e.found_norm.data);
    oa__str_free(&e.normal);
    oa__free(e.mem, c.guards);
    oa__str_free(&c.buf);
    return rc < 0 ? rc : OA_OK;
}

int oa__vocab_encode_pair(const oa__vocab *v, oa__span first, oa__span second, uint32_t flags,
                          oa__ids *out, size_t *n_first)
{
    const size_t old_len = out->len;
    int rc;
    *n_first = 0;
    if (v->no_pair)
        return oa__err(OA_EUNSUPPORTED, "the tokenizer has no form for a pair of texts");
    OA__TRY_GOTO(oa__vocab_encode(v, first.data, first.len, flags | OA_TOKENIZE_NO_EOS, out));
    const size_t end = out->len - old_len + v->n_middle_first;
    for (size_t i = 0; i < v->n_middle; i++)
        OA__TRY_GOTO(oa__ids_add(out, v->middle[i]));
    OA__TRY_GOTO(oa__vocab_encode(v, second.data, second.len, flags | OA_TOKENIZE_NO_BOS, out));
    *n_first = v->one_segment ? out->len - old_len : end;
    return OA_OK;
fail:
    out->len = old_len;
    return rc;
}
