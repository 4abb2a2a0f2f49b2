/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SentencePiece BPE as LLaMA uses it: spaces become U+2581, characters are the first symbols, and
 * two neighbours may merge when their joined text is a token; the token of the highest score goes
 * first, of equal ones the leftmost. What is no token in the end is spelled by byte tokens, or by
 * one unknown token when a byte token is missing.
 */
#include "text/merge.h"

#include <stdlib.h>

static uint32_t pair_rank(const oa__vocab *v, const char *text, int32_t left, int32_t right,
                          uint32_t start, uint32_t end, int32_t *merged)
{
    (void)left, (void)right;
    *merged = -1;
    if (end - start > v->token_max) return OA__RANK_NONE;
    const uint8_t *pair = (const uint8_t *)text + start;
    int32_t id = end - start == 2 && (pair[0] | pair[1]) < 0x80
                     ? v->ascii[pair[0] * 128 + pair[1]]
                     : oa__strtab_get(&v->plain, text + start, end - start);
    if (id < 0) return OA__RANK_NONE;
    *merged = id;
    return v->rank[id];
}

static size_t char_size(const char *text, size_t len)
{
    size_t n = 1;
    while (n < len && ((uint8_t)text[n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* A symbol that is no token: its bytes, or the unknown token, one for neighbours together. */
static int add_unknown(oa__encoder *e, const char *text, size_t len, bool *was_unknown)
{
    const oa__vocab *v = e->v;
    bool bytes = true;
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

static int add_symbol(oa__encoder *e, const char *text, int32_t id, size_t start, size_t end,
                      bool *was_unknown)
{
    if (id < 0) return add_unknown(e, text + start, end - start, was_unknown);
    *was_unknown = false;
    return oa__ids_add(e->out, id);
}

/* The token of one character, or -1. Most are ASCII: those are not looked up in the table. */
static int32_t char_token(const oa__vocab *v, const char *text, size_t size)
{
    if (size == 1 && (uint8_t)*text < 0x80) return v->ascii[128 * 128 + (uint8_t)*text];
    return oa__strtab_get(&v->plain, text, size);
}

static int encode_long(oa__encoder *e, const char *word, size_t len, bool *was_unknown)
{
    OA__TRY(oa__grow(e->mem, (void **)&e->syms, &e->syms_cap, len, sizeof *e->syms));
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        size_t size = char_size(word + i, len - i);
        int32_t id = char_token(e->v, word + i, size);
        e->syms[n] = (oa__sym){
            .id = id, .start = (uint32_t)i, .prev = (uint32_t)n - 1, .next = (uint32_t)n + 1};
        n++;
        i += size;
    }
    e->syms[n - 1].next = UINT32_MAX;
    OA__TRY(oa__merge_long(e, word, n, (uint32_t)len, pair_rank));
    for (uint32_t i = 0; i != UINT32_MAX; i = e->syms[i].next) {
        const oa__sym *s = &e->syms[i];
        size_t end = s->next != UINT32_MAX ? e->syms[s->next].start : len;
        OA__TRY(add_symbol(e, word, s->id, s->start, end, was_unknown));
    }
    return OA_OK;
}

static size_t merge_short(const oa__vocab *v, const char *word, size_t len, int32_t *ids,
                          uint32_t *starts)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        size_t size = char_size(word + i, len - i);
        ids[n] = char_token(v, word + i, size);
        starts[n++] = (uint32_t)i;
        i += size;
    }
    return oa__merge_short(v, word, ids, starts, n, (uint32_t)len, pair_rank);
}

static int encode_word(oa__encoder *e, const char *word, size_t len, bool *was_unknown)
{
    const oa__vocab *v = e->v;
    if (len > OA__MERGE_SHORT) return encode_long(e, word, len, was_unknown);
    int32_t id = oa__strtab_get(&v->plain, word, len);
    if (id >= 0 && v->flags[id] & OA__TOKEN_DIRECT) {
        *was_unknown = false;
        return oa__ids_add(e->out, id);
    }
    int32_t ids[OA__MERGE_SHORT];
    uint32_t starts[OA__MERGE_SHORT + 1];
    size_t n = merge_short(v, word, len, ids, starts);
    for (size_t i = 0; i < n; i++)
        OA__TRY(add_symbol(e, word, ids[i], starts[i], starts[i + 1], was_unknown));
    return OA_OK;
}

static bool is_space_mark(const char *text, size_t len)
{
    return len >= 3 && memcmp(text, OA__SPM_SPACE, 3) == 0;
}

/* The whole text with spaces replaced, and one in front when prefix. */
static int escape(oa__encoder *e, const char *text, size_t len, bool prefix, size_t *out_len)
{
    size_t need = len + (prefix ? 3 : 0);
    for (size_t i = 0; i < len; i++)
        need += text[i] == ' ' ? 2 : 0;
    if (need >= UINT32_MAX)
        return oa__err(OA_ELIMIT, "text of %zu bytes with spaces escaped, want less than 4 GB",
                       need);
    OA__TRY(oa__grow(e->mem, (void **)&e->escaped, &e->escaped_cap, need, 1));
    char *out = e->escaped;
    if (prefix) {
        memcpy(out, OA__SPM_SPACE, 3);
        out += 3;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ') {
            memcpy(out, OA__SPM_SPACE, 3);
            out += 3;
        } else {
            *out++ = text[i];
        }
    }
    *out_len = need;
    return OA_OK;
}

/* Up to the next space mark behind another character: no merge reaches over that place. */
size_t oa__spm_word(const char *text, size_t len)
{
    bool mark = true; /* only marks so far */
    for (size_t i = 0; i < len;) {
        bool m = text[i] == '\xE2' && is_space_mark(text + i, len - i);
        if (m && !mark) return i;
        mark = m;
        i += m ? 3 : 1;
    }
    return len;
}

int oa__spm_encode(oa__encoder *e, const char *text, size_t len, bool prefix)
{
    if (len == 0) return OA_OK;
    size_t n = 0;
    OA__TRY(escape(e, text, len, prefix, &n));
    bool was_unknown = false;
    if (!e->v->cut_words) return encode_word(e, e->escaped, n, &was_unknown);
    for (size_t at = 0; at < n;) {
        size_t size = oa__spm_word(e->escaped + at, n - at);
        OA__TRY(encode_word(e, e->escaped + at, size, &was_unknown));
        at += size;
    }
    return OA_OK;
}

/* --- building -------------------------------------------------------------------------------- */

typedef struct scored {
    float score;
    int32_t id;
} scored;

static int by_score(const void *pa, const void *pb)
{
    const scored *a = pa, *b = pb;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int rank_tokens(oa__vocab *v, const oa__vocab_spec *spec)
{
    v->rank = oa__alloc_array(v->mem, v->n_tokens, sizeof *v->rank);
    scored *order = oa__alloc_array(v->mem, v->n_tokens, sizeof *order);
    if (!v->rank || !order) {
        oa__free(v->mem, order);
        return OA_ENOMEM;
    }
    for (size_t i = 0; i < v->n_tokens; i++) {
        float score = spec->scores[i];
        order[i] = (scored){score == score ? score : -__builtin_inff(), (int32_t)i};
    }
    qsort(order, v->n_tokens, sizeof *order, by_score);
    uint32_t rank = 0;
    for (size_t i = 0; i < v->n_tokens; i++) {
        if (i > 0 && order[i].score != order[i - 1].score) rank++;
        v->rank[order[i].id] = rank;
    }
    oa__free(v->mem, order);
    return OA_OK;
}

static int init_ascii(oa__vocab *v)
{
    v->ascii = oa__alloc_array(v->mem, 129 * 128, sizeof *v->ascii);
    if (!v->ascii) return OA_ENOMEM;
    for (int i = 0; i < 129 * 128; i++) {
        const char text[2] = {(char)(i / 128), (char)(i % 128)};
        bool pair = i < 128 * 128;
        v->ascii[i] = oa__strtab_get(&v->plain, text + !pair, pair ? 2 : 1);
    }
    return OA_OK;
}

static bool has_inner_mark(oa__span t)
{
    for (size_t i = 1; i + 3 <= t.len; i++)
        if (is_space_mark(t.data + i, 3) && (i < 3 || !is_space_mark(t.data + i - 3, 3)))
            return true;
    return false;
}

bool oa__spm_has_inner_mark(const oa__vocab *v)
{
    for (size_t i = 0; i < v->n_tokens; i++) {
        oa__span t = oa__vocab_token(v, (int32_t)i);
        if (oa__vocab_is_plain(v, (int32_t)i) && t.len <= OA__SPM_TOKEN_MAX && has_inner_mark(t))
            return true;
    }
    return false;
}

int oa__spm_check_bytes(const oa__vocab *v, const char *kind)
{
    size_t n_bytes = 0;
    for (int b = 0; b < 256; b++)
        n_bytes += v->byte_id[b] >= 0;
    if (n_bytes == 256 || v->unk_id >= 0) return OA_OK;
    return oa__err(OA_EFORMAT,
                   "%s vocabulary has %zu byte tokens and no unknown token, want 256 or an unknown "
                   "token",
                   kind, n_bytes);
}

int oa__spm_init(oa__vocab *v, const oa__vocab_spec *spec)
{
    if (!spec->scores) return oa__err(OA_EFORMAT, "sentencepiece vocabulary has no scores");
    OA__TRY(oa__spm_check_bytes(v, "sentencepiece"));
    OA__TRY(rank_tokens(v, spec));
    OA__TRY(init_ascii(v));
    for (size_t i = 0; i < v->n_tokens; i++) {
        if (!oa__vocab_is_plain(v, (int32_t)i)) continue;
        oa__span t = oa__vocab_token(v, (int32_t)i);
        if (t.len <= OA__SPM_TOKEN_MAX && t.len > v->token_max) v->token_max = t.len;
    }
    v->cut_words = !oa__spm_has_inner_mark(v);
    for (size_t i = 0; i < v->n_tokens; i++) {
        oa__span t = oa__vocab_token(v, (int32_t)i);
        if (!oa__vocab_is_plain(v, (int32_t)i) || t.len == 0 || t.len > OA__MERGE_SHORT) continue;
        int32_t ids[OA__MERGE_SHORT];
        uint32_t starts[OA__MERGE_SHORT + 1];
        size_t n = merge_short(v, t.data, t.len, ids, starts);
        if (n == 1 && ids[0] == (int32_t)i) v->flags[i] |= OA__TOKEN_DIRECT;
    }
    return OA_OK;
}
