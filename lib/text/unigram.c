/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unigram model: of all ways to cut a text into tokens the one with the highest sum of scores
 * (Viterbi). A character that is no token by itself may also stand alone for the price of the
 * lowest score less 10; neighbours of that sort become one unknown token, or byte tokens.
 *
 * Sums are doubles over one word, from its beginning: so does Hugging Face tokenizers, after which
 * ties go. A word is what lies between places that no token reaches across.
 */
#include <float.h>
#include <math.h>

#include "text/vocab_priv.h"

#define UNKNOWN_PENALTY 10.0

enum { UNKNOWN = -1, NO_WAY = -2 };

static size_t char_size(const char *text, size_t len)
{
    uint8_t c = (uint8_t)text[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return n < len ? n : len;
}

/* Characters that are no tokens by themselves, together: a token after all (which takes scores
 * above 0), their bytes, or unknown. */
static int add_unknown(oa__encoder *e, const char *text, size_t len, bool *was_unknown)
{
    const oa__vocab *v = e->v;
    bool bytes = true;
    int32_t id = oa__strtab_get(&v->plain, text, len);
    if (id >= 0 && v->types[id] != OA__TOKEN_UNUSED) {
        *was_unknown = false;
        return oa__ids_add(e->out, id);
    }
    for (size_t i = 0; i < len; i++)
        bytes &= v->byte_id[(uint8_t)text[i]] >= 0;
    if (bytes) {
        for (size_t i = 0; i < len; i++)
            OA__TRY(oa__ids_add(e->out, v->byte_id[(uint8_t)text[i]]));
    } else if (!*was_unknown) {
        OA__TRY(oa__ids_add(e->out, v->unk_id));
    }
    *was_unknown = !bytes;
    return OA_OK;
}

static inline void offer(oa__lattice *to, double score, int32_t id, size_t start)
{
    if (to->id != NO_WAY && score <= to->score) return;
    *to = (oa__lattice){score, id, (uint32_t)start};
}

static void find_best(const oa__unigram *u, const char *text, size_t len, oa__lattice *best)
{
    best[0] = (oa__lattice){0, UNKNOWN, 0};
    for (size_t i = 1; i <= len; i++)
        best[i].id = NO_WAY;
    for (size_t i = 0; i < len;) {
        size_t size = char_size(text + i, len - i);
        double score = best[i].score;
        bool alone = false; /* the character itself is a token */
        size_t k = i + 1;
        for (uint32_t node = u->trie.root[(uint8_t)text[i]]; node != 0; k++) {
            int32_t id = u->trie.nodes[node].id;
            if (id >= 0) {
                offer(&best[k], score + u->score[id], id, i);
                alone |= k - i == size;
            }
            if (k == len) break;
            node = oa__trie_step(&u->trie, node, (uint8_t)text[k]);
        }
        if (!alone) offer(&best[i + size], score + u->unknown_score, UNKNOWN, i);
        i += size;
    }
}

/* Turn the links round: each beginning then knows its token and where that ends. */
static void turn_round(oa__lattice *best, size_t len)
{
    oa__lattice next = {0};
    for (size_t at = len;;) {
        oa__lattice here = best[at];
        best[at] = next;
        if (at == 0) return;
        next = (oa__lattice){0, here.id, (uint32_t)at};
        at = here.start;
    }
}

int oa__unigram_segment(oa__encoder *e, const char *text, size_t len, bool *was_unknown)
{
    if (len == 0) return OA_OK;
    OA__TRY(oa__grow(e->mem, (void **)&e->lattice, &e->lattice_cap, len + 1, sizeof *e->lattice));
    const oa__lattice *best = e->lattice;
    find_best(e->v->unigram, text, len, e->lattice);
    turn_round(e->lattice, len);
    for (size_t at = 0; at < len;) {
        size_t end = best[at].start;
        if (best[at].id >= 0) {
            OA__TRY(oa__ids_add(e->out, best[at].id));
            *was_unknown = false;
        } else {
            while (end < len && best[end].id < 0)
                end = best[end].start;
            OA__TRY(add_unknown(e, text + at, end - at, was_unknown));
        }
        at = end;
    }
    return OA_OK;
}

/* --- normalising ----------------------------------------------------------------------------- */

static int append(oa__encoder *e, size_t *n, const char *text, size_t len)
{
    const bool escape = e->v->unigram->escape_spaces;
    OA__TRY(oa__grow(e->mem, (void **)&e->escaped, &e->escaped_cap, *n + 3 * len, 1));
    for (size_t i = 0; i < len; i++) {
        if (escape && text[i] == ' ') {
            memcpy(e->escaped + *n, OA__SPM_SPACE, 3);
            *n += 3;
        } else {
            e->escaped[(*n)++] = text[i];
        }
    }
    return OA_OK;
}

/* What the next character or rule becomes; returns how much text it takes. */
static size_t normal_piece(const oa__unigram *u, const char *text, size_t len, oa__span *piece)
{
    size_t size = oa__charsmap_find(&u->charsmap, text, len, piece);
    if (size > 0) return size;
    size = char_size(text, len);
    *piece = (oa__span){text, size};
    return size;
}

/* By the character map; spaces as SentencePiece has it: where extra ones are removed, none at
 * either end and none behind another. Into e->escaped. */
static int normalise(oa__encoder *e, const char *text, size_t len, bool prefix, size_t *out_len)
{
    const oa__unigram *u = e->v->unigram;
    /* No map in use makes more than 12 bytes of one; a hostile one shall not fill the memory. */
    const size_t limit = 64 * len + 4096;
    size_t n = 0, i = 0;
    oa__span piece;
    *out_len = 0;
    while (u->remove_extra_spaces && i < len) {
        size_t size = normal_piece(u, text + i, len - i, &piece);
        if (piece.len != 1 || piece.data[0] != ' ') break;
        i += size;
    }
    if (i == len) return OA_OK;
    if (prefix) OA__TRY(append(e, &n, " ", 1));
    bool was_space = u->remove_extra_spaces;
    while (i < len) {
        i += normal_piece(u, text + i, len - i, &piece);
        while (was_space && piece.len > 0 && piece.data[0] == ' ') {
            piece.data++;
            piece.len--;
        }
        if (piece.len == 0) continue;
        OA__TRY(append(e, &n, piece.data, piece.len));
        was_space = u->remove_extra_spaces && piece.data[piece.len - 1] == ' ';
        if (n > limit || n >= UINT32_MAX)
            return oa__err(OA_ELIMIT, "text of %zu bytes is over %zu when normalised", len, n);
    }
    const char *space = u->escape_spaces ? OA__SPM_SPACE : " ";
    const size_t n_space = strlen(space);
    while (u->remove_extra_spaces && n >= n_space &&
           memcmp(e->escaped + n - n_space, space, n_space) == 0)
        n -= n_space;
    *out_len = n;
    return OA_OK;
}

int oa__unigram_encode(oa__encoder *e, const char *text, size_t len, bool prefix)
{
    if (len == 0) return OA_OK;
    size_t n;
    OA__TRY(normalise(e, text, len, prefix, &n));
    bool was_unknown = false;
    if (!e->v->cut_words) return oa__unigram_segment(e, e->escaped, n, &was_unknown);
    size_t at = 0;
    while (at < n) {
        size_t size = oa__spm_word(e->escaped + at, n - at);
        OA__TRY(oa__unigram_segment(e, e->escaped + at, size, &was_unknown));
        at += size;
    }
    return OA_OK;
}

/* --- building -------------------------------------------------------------------------------- */

static double score_of(const oa__vocab_spec *spec, size_t i)
{
    double score = spec->exact_scores ? spec->exact_scores[i] : (double)spec->scores[i];
    if (!(score > -FLT_MAX)) return -FLT_MAX; /* not a number, too */
    return score < FLT_MAX ? score : FLT_MAX;
}

/* Tokens that a text can become, and the lowest score. */
static int fill(oa__vocab *v, const oa__vocab_spec *spec, oa__trie_entry *entries)
{
    oa__unigram *u = v->unigram;
    size_t n = 0;
    double lowest = FLT_MAX, highest = -FLT_MAX;
    for (size_t i = 0; i < v->n_tokens; i++) {
        u->score[i] = score_of(spec, i);
        /* Exact scores: of all tokens that the model has, whatever else they are. */
        bool counts =
            spec->exact_scores ? !isnan(spec->exact_scores[i]) : v->types[i] == OA__TOKEN_NORMAL;
        if (!counts) continue;
        if (u->score[i] < lowest) lowest = u->score[i];
        if (u->score[i] > highest) highest = u->score[i];
    }
    for (size_t i = 0; i < v->n_tokens; i++) {
        oa__span t = oa__vocab_token(v, (int32_t)i);
        if (spec->exact_scores && isnan(spec->exact_scores[i])) continue;
        if (v->types[i] == OA__TOKEN_USER_DEFINED) {
            /* Always chosen, as SentencePiece has it. */
            if (!spec->exact_scores) u->score[i] = (double)t.len * highest - 0.1;
        } else if (v->types[i] != OA__TOKEN_NORMAL) {
            continue;
        }
        if (oa__utf8_valid(t.data, t.len)) entries[n++] = (oa__trie_entry){t, (int32_t)i};
    }
    u->unknown_score = (lowest < FLT_MAX ? lowest : 0) - UNKNOWN_PENALTY;
    return oa__trie_init(&u->trie, v->mem, entries, n);
}

int oa__unigram_init(oa__vocab *v, const oa__vocab_spec *spec)
{
    if (!spec->scores && !spec->exact_scores)
        return oa__err(OA_EFORMAT, "unigram vocabulary has no scores");
    OA__TRY(oa__spm_check_bytes(v, "unigram"));
    oa__unigram *u = v->unigram = oa__alloc(v->mem, sizeof *u);
    if (!u) return OA_ENOMEM;
    u->remove_extra_spaces = spec->remove_extra_spaces;
    u->escape_spaces = !spec->keep_spaces;
    u->score = oa__alloc_array(v->mem, v->n_tokens, sizeof *u->score);
    oa__trie_entry *entries = oa__alloc_array(v->mem, v->n_tokens, sizeof *entries);
    int rc = OA_ENOMEM;
    if (u->score && entries) rc = fill(v, spec, entries);
    oa__free(v->mem, entries);
    if (rc < 0) return rc;
    v->cut_words = u->escape_spaces && !oa__spm_has_inner_mark(v);
    return oa__charsmap_init(&u->charsmap, v->mem, spec->charsmap, spec->charsmap_size);
}

void oa__unigram_free(oa__unigram *u, oa__mem *mem)
{
    if (!u) return;
    oa__trie_free(&u->trie, mem);
    oa__charsmap_free(&u->charsmap, mem);
    oa__free(mem, u->score);
    oa__free(mem, u);
}
