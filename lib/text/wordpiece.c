/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WordPiece as BERT uses it.
 *
 * Tokens that begin a word and tokens that continue one are marked in the file: the latter by "##"
 * in tokenizer.json, the former by U+2581 in GGUF. As the reference implementation looks a word's
 * beginning up as it stands, a token with "##" may begin a word that begins so.
 */
#include "text/vocab_priv.h"

#include "text/unicode_bert.h"

static size_t count_chars(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((uint8_t)text[i] & 0xc0) != 0x80;
    return n;
}

/* The longest token that begins here, or -1. */
static int32_t longest(const oa__trie *t, const char *text, size_t len, size_t *size)
{
    int32_t id = -1;
    uint32_t node = t->root[(uint8_t)text[0]];
    for (size_t i = 1; node != 0; i++) {
        if (t->nodes[node].id >= 0) {
            id = t->nodes[node].id;
            *size = i;
        }
        if (i == len) break;
        node = oa__trie_step(t, node, (uint8_t)text[i]);
    }
    return id;
}

int oa__wordpiece_word(oa__encoder *e, const char *word, size_t len)
{
    const oa__wordpiece *w = e->v->wordpiece;
    const size_t old_len = e->out->len;
    if (len == 0) return OA_OK;
    if (len > w->max_chars && count_chars(word, len) > w->max_chars)
        return oa__ids_add(e->out, e->v->unk_id);
    for (size_t at = 0, size = 0; at < len; at += size) {
        int32_t id = longest(at == 0 ? &w->first : &w->inner, word + at, len - at, &size);
        if (id < 0) {
            e->out->len = old_len;
            return oa__ids_add(e->out, e->v->unk_id);
        }
        OA__TRY(oa__ids_add(e->out, id));
    }
    return OA_OK;
}

/* --- BERT's words ----------------------------------------------------------------------------- */

/* The next character that clean_text drops, or len. White space may stay as it is: it parts words
 * either way. */
static size_t find_dropped(const char *text, size_t i, size_t len, size_t *size)
{
    while (i < len) {
        uint32_t cp = (uint8_t)text[i];
        if (cp >= 0x20 && cp < 0x7f) {
            i++;
            continue;
        }
        *size = oa__utf8_decode(text + i, len - i, &cp);
        if (oa__bert_class(cp) & OA__BERT_DROP) return i;
        i += *size;
    }
    return len;
}

/* Adds nothing to out when nothing is dropped. */
static int clean(const char *text, size_t len, oa__str *out)
{
    size_t size = 0, from = 0, at = find_dropped(text, 0, len, &size);
    if (at == len) return OA_OK;
    while (at < len) {
        OA__TRY(oa__str_add(out, text + from, at - from));
        from = at + size;
        at = find_dropped(text, from, len, &size);
    }
    return oa__str_add(out, text + from, len - from);
}

/* A word grows in e->escaped, so far n bytes. */
static int end_word(oa__encoder *e, size_t *n)
{
    size_t len = *n;
    *n = 0;
    return oa__wordpiece_word(e, e->escaped, len);
}

static int add_to_word(oa__encoder *e, size_t *n, uint32_t cp)
{
    OA__TRY(oa__grow(e->mem, (void **)&e->escaped, &e->escaped_cap, *n + 4, 1));
    *n += oa__utf8_encode(cp, e->escaped + *n);
    return OA_OK;
}

/* One character of a cleaned text in normal form D, or as it was when accents are kept. */
static int add_char(oa__encoder *e, size_t *n_word, uint32_t cp)
{
    const oa__wordpiece *m = e->v->wordpiece;
    if (oa__unicode_is_space(cp)) return end_word(e, n_word);
    if (!m->keep_accents && cp >= 0x300 && (oa__bert_class(cp) & OA__BERT_ACCENT)) return OA_OK;
    uint32_t lower[2] = {cp, 0};
    size_t n = m->keep_case ? 1 : oa__unicode_lower(cp, lower);
    for (size_t i = 0; i < n; i++) {
        bool alone = (oa__bert_class(lower[i]) & OA__BERT_PUNCT) || oa__bert_is_chinese(cp);
        if (alone) OA__TRY(end_word(e, n_word));
        OA__TRY(add_to_word(e, n_word, lower[i]));
        if (alone) OA__TRY(end_word(e, n_word));
    }
    return OA_OK;
}

static bool is_ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static int encode_words(oa__encoder *e, const char *text, size_t len)
{
    const char upper_bit = e->v->wordpiece->keep_case ? 0 : 32;
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t run = 0;
        while (i + run < len && is_ascii_letter(text[i + run]))
            run++;
        if (run > 0) {
            OA__TRY(oa__grow(e->mem, (void **)&e->escaped, &e->escaped_cap, n + run, 1));
            for (size_t k = 0; k < run; k++) {
                char c = text[i + k];
                e->escaped[n++] = c >= 'A' && c <= 'Z' ? (char)(c | upper_bit) : c;
            }
            i += run;
            continue;
        }
        i += oa__utf8_decode(text + i, len - i, &cp);
        OA__TRY(add_char(e, &n, cp));
    }
    return end_word(e, &n);
}

int oa__wordpiece_encode(oa__encoder *e, const char *text, size_t len)
{
    oa__str cleaned = {.mem = e->mem}, nfd = {.mem = e->mem};
    int rc;
    OA__TRY_GOTO(clean(text, len, &cleaned));
    if (cleaned.data) {
        text = cleaned.data;
        len = cleaned.len;
    }
    if (!e->v->wordpiece->keep_accents && len > 0 && !oa__nfd_is_trivial(text, len)) {
        OA__TRY_GOTO(oa__unicode_form(text, len, false, false, &nfd));
        text = nfd.data;
        len = nfd.len;
    }
    rc = encode_words(e, text, len);
fail:
    oa__str_free(&cleaned);
    oa__str_free(&nfd);
    return rc;
}

/* --- building -------------------------------------------------------------------------------- */

static bool begins_with(oa__span text, const char *prefix)
{
    size_t n = strlen(prefix);
    return text.len > n && memcmp(text.data, prefix, n) == 0;
}

static void add_entry(oa__trie_entry *entries, size_t *n, oa__span t, size_t skip, int32_t id)
{
    entries[(*n)++] = (oa__trie_entry){{t.data + skip, t.len - skip}, id};
}

static int fill(oa__vocab *v, const oa__vocab_spec *spec, oa__trie_entry *first,
                oa__trie_entry *inner)
{
    const char *mark = spec->inner_prefix ? spec->inner_prefix : OA__SPM_SPACE;
    size_t n_first = 0, n_inner = 0;
    for (size_t i = 0; i < v->n_tokens; i++) {
        oa__span t = oa__vocab_token(v, (int32_t)i);
        if (!oa__vocab_is_plain(v, (int32_t)i) || !oa__utf8_valid(t.data, t.len)) continue;
        bool marked = begins_with(t, mark);
        if (spec->inner_prefix) {
            add_entry(first, &n_first, t, 0, (int32_t)i);
            if (marked) add_entry(inner, &n_inner, t, strlen(mark), (int32_t)i);
        } else {
            if (marked) add_entry(first, &n_first, t, strlen(mark), (int32_t)i);
            if (!marked) add_entry(inner, &n_inner, t, 0, (int32_t)i);
        }
    }
    OA__TRY(oa__trie_init(&v->wordpiece->first, v->mem, first, n_first));
    return oa__trie_init(&v->wordpiece->inner, v->mem, inner, n_inner);
}

int oa__wordpiece_init(oa__vocab *v, const oa__vocab_spec *spec)
{
    if (v->unk_id < 0) return oa__err(OA_EFORMAT, "wordpiece vocabulary has no unknown token");
    oa__wordpiece *w = v->wordpiece = oa__alloc(v->mem, sizeof *w);
    if (!w) return OA_ENOMEM;
    w->max_chars = spec->max_word_chars ? spec->max_word_chars : 100;
    w->keep_case = spec->keep_case;
    w->keep_accents = spec->keep_accents;
    oa__trie_entry *first = oa__alloc_array(v->mem, v->n_tokens, sizeof *first);
    oa__trie_entry *inner = oa__alloc_array(v->mem, v->n_tokens, sizeof *inner);
    int rc = first && inner ? fill(v, spec, first, inner) : OA_ENOMEM;
    oa__free(v->mem, first);
    oa__free(v->mem, inner);
    return rc;
}

size_t oa__wordpiece_spell(oa__span t, const oa__vocab_spec *spec, char *out)
{
    const char *mark = spec->inner_prefix ? spec->inner_prefix : OA__SPM_SPACE;
    bool marked = begins_with(t, mark);
    size_t skip = marked ? strlen(mark) : 0, len = t.len - skip;
    bool first = marked == !spec->inner_prefix;
    if (spec->tidy && len == 1 && strchr(".,?!", t.data[skip])) first = false;
    if (first) *out++ = ' ';
    if (len > 0) memcpy(out, t.data + skip, len);
    return len + first;
}

void oa__wordpiece_free(oa__wordpiece *w, oa__mem *mem)
{
    if (!w) return;
    oa__trie_free(&w->first, mem);
    oa__trie_free(&w->inner, mem);
    oa__free(mem, w);
}
