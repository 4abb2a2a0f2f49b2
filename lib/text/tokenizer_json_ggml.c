/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenizer.json: WordPiece and unigram in the words of GGUF's keys, for other readers.
 *
 * GGUF's "bert" knows BERT's normaliser and BERT's words only, and marks the tokens that begin a
 * word instead of those that continue one. Its "t5" knows SentencePiece's normaliser, of which
 * tokenizer.json has several spellings: spaces at the ends and behind another one go, or stay. What
 * asks for more has no name. As equal texts make other readers give up, they have none either.
 */
#include <math.h>

#include "text/charsmap.h"
#include "text/tokenizer_json.h"
#include "text/vocab_priv.h"

/* The score of what no text shall become. */
#define UNUSED_SCORE (-10000.0f)

/* --- the pipelines ---------------------------------------------------------------------------- */

static bool kinds_are(const oa__pipeline_spec *p, const enum oa__norm_kind *kinds, size_t n)
{
    if (p->n_norm != n) return false;
    for (size_t i = 0; i < n; i++)
        if (p->norm[i].kind != kinds[i]) return false;
    return true;
}

/* BertNormalizer that cleans and sets Chinese characters apart, as GGUF's always does. */
static bool bert_normal(const oa__pipeline_spec *p, oa__vocab_spec *s)
{
    static const enum oa__norm_kind kinds[] = {OA__NORM_BERT_CLEAN, OA__NORM_BERT_CHINESE,
                                               OA__NORM_NFD, OA__NORM_BERT_ACCENTS,
                                               OA__NORM_LOWERCASE};
    static const enum oa__norm_kind lower[] = {OA__NORM_BERT_CLEAN, OA__NORM_BERT_CHINESE,
                                               OA__NORM_LOWERCASE};
    s->keep_case = kinds_are(p, kinds, 2) || kinds_are(p, kinds, 4);
    s->keep_accents = kinds_are(p, kinds, 2) || kinds_are(p, lower, 3);
    return s->keep_case || s->keep_accents || kinds_are(p, kinds, 5);
}

static bool is_whitespace_split(const oa__pre_spec *s)
{
    return s->kind == OA__PRE_REGEX && oa__tj_is(s->text, "\\s") && s->split == OA__SPLIT_REMOVED &&
           s->flags == 0;
}

static bool bert_words(const oa__pipeline_spec *p)
{
    return p->n_pre == 2 && is_whitespace_split(&p->pre[0]) && p->pre[1].kind == OA__PRE_REGEX &&
           oa__tj_is(p->pre[1].text, OA__REGEX_PUNCTUATION) &&
           p->pre[1].split == OA__SPLIT_ISOLATED && p->pre[1].flags == 0;
}

/* Runs of spaces become one, or one mark, which is what a space becomes. */
static bool joins_spaces(const oa__norm_spec *n)
{
    return n->kind == OA__NORM_REPLACE_REGEX && oa__tj_is(n->text, " {2,}") &&
           (oa__tj_is(n->with, " ") || oa__tj_is(n->with, OA__MARK));
}

/* The map makes all that parts words in practice a space. */
static bool maps_spaces(const oa__charsmap *m)
{
    static const char *const spaces[] = {"\t", "\n", "\r", "\u00a0", "\u3000"};
    for (size_t i = 0; i < OA__ARRAY_LEN(spaces); i++) {
        oa__span to;
        const size_t len = strlen(spaces[i]);
        if (oa__charsmap_find(m, spaces[i], len, &to) != len || !oa__tj_is(to, " ")) return false;
    }
    return true;
}

typedef struct form {
    oa__span charsmap;
    bool joins;   /* spaces at both ends and behind others go */
    bool prefix;  /* a space in front */
    bool by_word; /* no token reaches over a space */
} form;

/* What SentencePiece's normaliser would have to be told; false = it can't be. */
static bool read_form(oa__tokenizer_json *t, form *f, bool *mapped)
{
    const oa__pipeline_spec *p = &t->pipeline;
    bool strips = false;
    *f = (form){{NULL, 0}, false, false, false};
    for (size_t i = 0; i < p->n_norm; i++) {
        const oa__norm_spec *n = &p->norm[i];
        if (n->kind == OA__NORM_STRIP) {
            strips = true;
        } else if (n->kind == OA__NORM_CHARSMAP && !f->joins) {
            f->charsmap = n->text;
        } else if (joins_spaces(n) && i + 1 == p->n_norm) {
            f->joins = true;
        } else {
            return false;
        }
    }
    if (strips && !f->joins) return false;
    const bool split = p->n_pre == 2 && is_whitespace_split(&p->pre[0]);
    const oa__pre_spec *last = &p->pre[split];
    if (p->n_pre != 1u + split || last->kind != OA__PRE_METASPACE) return false;
    if (!oa__tj_is(last->text, OA__MARK)) return false;
    *mapped = split;
    f->joins |= split;
    f->by_word = split || (last->flags & OA__PRE_CUT);
    f->prefix = (last->flags & (OA__PRE_PREPEND_ALWAYS | OA__PRE_PREPEND_FIRST)) != 0;
    return f->prefix || !f->joins; /* other readers put one in front of what they joined */
}

/* --- tokens ----------------------------------------------------------------------------------- */

/* Tokens that are no control ones and ask for what GGUF has no flags for. */
static bool asks_more(const oa__tokenizer_json *t, unsigned allowed)
{
    for (size_t i = 0; i < t->spec.n_tokens; i++) {
        if (t->types[i] == OA__TOKEN_BYTE) return true;
        if (t->types[i] == OA__TOKEN_USER_DEFINED && (t->added[i] & ~(allowed | OA__ADDED)))
            return true;
    }
    return false;
}

/* A mark behind another character; of marks alone only when runs count. */
static bool has_inner_mark(oa__span t, bool runs)
{
    for (size_t i = 1; i + 3 <= t.len; i++) {
        if (memcmp(t.data + i, OA__MARK, 3) != 0) continue;
        if (runs || i < 3 || memcmp(t.data + i - 3, OA__MARK, 3) != 0) return true;
    }
    return false;
}

static bool begins_with(oa__span t, const char *text)
{
    const size_t n = strlen(text);
    return t.len >= n && memcmp(t.data, text, n) == 0;
}

/* Each ordinary token without "##", or else with the mark; false when that can't be told apart. */
static bool mark_token(oa__span token, int32_t type, oa__str *out, int *rc)
{
    if (type != OA__TOKEN_NORMAL) {
        *rc = oa__str_add(out, token.data, token.len);
        return true;
    }
    const bool inner = begins_with(token, "##") && token.len > 2;
    if (inner && begins_with((oa__span){token.data + 2, token.len - 2}, OA__MARK)) return false;
    if (!inner) *rc = oa__str_add(out, OA__MARK, 3);
    if (*rc >= 0) *rc = oa__str_add(out, token.data + 2 * inner, token.len - 2 * inner);
    return true;
}

/* All texts are different, but those of unused tokens without one. */
static int are_unique(oa__tokenizer_json *t, const size_t *off, bool *unique)
{
    oa__strtab tab = {0};
    const size_t n = t->spec.n_tokens;
    *unique = true;
    OA__TRY(oa__strtab_init(&tab, t->mem, n, oa__random_os(), t->ggml_text.data, off));
    for (size_t i = 0; i < n && *unique; i++) {
        const size_t len = off[i + 1] - off[i];
        if (len == 0) continue;
        *unique = oa__strtab_get(&tab, t->ggml_text.data + off[i], len) < 0;
        oa__strtab_put(&tab, (int32_t)i);
    }
    oa__free(t->mem, tab.slots);
    return OA_OK;
}

/* The tokens as GGUF has them; *good false when it can't. */
static int write_tokens(oa__tokenizer_json *t, bool *good)
{
    const size_t n = t->spec.n_tokens;
    int rc = OA_OK;
    size_t *off = oa__alloc_array(t->mem, n + 1, sizeof *off);
    t->ggml_tokens = oa__alloc_array(t->mem, n, sizeof *t->ggml_tokens);
    *good = true;
    if (!off || !t->ggml_tokens) {
        rc = OA_ENOMEM;
        goto fail;
    }
    OA__TRY_GOTO(oa__str_add(&t->ggml_text, "", 0));
    for (size_t i = 0; i < n && *good; i++) {
        const oa__span s = t->tokens[i];
        if (t->spec.kind == OA__VOCAB_WPM) {
            *good = mark_token(s, t->types[i], &t->ggml_text, &rc);
        } else {
            rc = oa__str_add(&t->ggml_text, s.data, s.len);
        }
        if (rc < 0) goto fail;
        off[i + 1] = t->ggml_text.len;
    }
    if (*good) OA__TRY_GOTO(are_unique(t, off, good));
    for (size_t i = 0; i < n && *good; i++)
        t->ggml_tokens[i] = (oa__span){t->ggml_text.data + off[i], off[i + 1] - off[i]};
    t->ggml_spec.tokens = t->ggml_tokens;
fail:
    oa__free(t->mem, off);
    return rc;
}

/* --- both ------------------------------------------------------------------------------------- */

/* GGUF knows what stands at both ends by the names of ids. */
static void name_ends(oa__vocab_spec *s)
{
    if (s->n_prefix == 1 && s->bos_id < 0) s->bos_id = s->prefix[0];
    if (s->n_suffix == 1 && s->eos_id < 0) s->eos_id = s->suffix[0];
    s->add_bos = s->n_prefix > 0 && s->prefix[0] == s->bos_id;
    s->add_eos = s->n_suffix > 0 && s->suffix[s->n_suffix - 1] == s->eos_id;
}

static int name_wordpiece(oa__tokenizer_json *t)
{
    oa__vocab_spec *s = &t->ggml_spec;
    bool good;
    /* Tokens of the normal form would be looked for in the text. */
    const unsigned allowed = OA__ADDED_NORMALIZED;
    if (!bert_normal(&t->pipeline, s) || !bert_words(&t->pipeline)) return OA_OK;
    if (strcmp(s->inner_prefix, "##") != 0 || s->max_word_chars != 100) return OA_OK;
    if (asks_more(t, s->keep_case && s->keep_accents ? allowed : 0)) return OA_OK;
    /* Other readers always put both there. What stands behind is no end of a generation. */
    if (s->n_prefix != 1 || s->n_suffix != 1) return OA_OK;
    s->bos_id = s->prefix[0];
    s->add_bos = s->add_eos = true;
    OA__TRY(write_tokens(t, &good));
    if (good) t->ggml = "bert";
    return OA_OK;
}

static int name_unigram(oa__tokenizer_json *t)
{
    oa__vocab_spec *s = &t->ggml_spec;
    oa__charsmap map = {0};
    form f;
    bool good, must_map;
    if (!read_form(t, &f, &must_map) || s->unk_id < 0 || asks_more(t, OA__ADDED_NORMALIZED))
        return OA_OK;
    name_ends(s);
    if (s->n_prefix != s->add_bos || s->n_suffix != s->add_eos) return OA_OK;
    const int rc = oa__charsmap_init(&map, t->mem, f.charsmap.data, f.charsmap.len);
    const bool no_rules = map.n_units == 0;
    good = !must_map || (rc >= 0 && maps_spaces(&map));
    oa__charsmap_free(&map, t->mem);
    if (rc < 0) return rc;
    for (size_t i = 0; i < s->n_tokens && good; i++) {
        if (t->types[i] == OA__TOKEN_NORMAL && f.by_word)
            good = !has_inner_mark(t->tokens[i], !f.joins);
        if (t->types[i] == OA__TOKEN_UNUSED || isnan(t->exact_scores[i]))
            t->scores[i] = t->types[i] == OA__TOKEN_UNUSED ? UNUSED_SCORE : 0;
    }
    if (good) OA__TRY(write_tokens(t, &good));
    if (!good) return OA_OK;
    s->charsmap = no_rules ? NULL : f.charsmap.data;
    s->charsmap_size = no_rules ? 0 : f.charsmap.len;
    s->remove_extra_spaces = f.joins;
    s->add_space_prefix = f.prefix;
    t->ggml = "t5";
    return OA_OK;
}

int oa__tj_name_ggml(oa__tokenizer_json *t)
{
    t->ggml_spec = t->spec;
    if (t->spec.kind == OA__VOCAB_WPM) return name_wordpiece(t);
    if (t->spec.kind == OA__VOCAB_UGM) return name_unigram(t);
    name_ends(&t->ggml_spec);
    return OA_OK;
}
