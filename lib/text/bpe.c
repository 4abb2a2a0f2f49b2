/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte-level BPE: a word's bytes are its first symbols, and merges of a fixed order make tokens
 * of them.
 *
 * In the file a byte is written as a printable character: itself where it is printable, the next
 * free code point from U+0100 on where it is not (a space is U+0120). A byte whose character is no
 * token vanishes before merging, as the reference implementation has it; SmolLM2's vocabulary,
 * for example, lacks six control characters.
 */
#include "text/merge.h"

static bool is_printable(unsigned b)
{
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

/* How many bytes below b are not printable. */
static unsigned n_unprintable(unsigned b)
{
    return b <= 0x20 ? b : b <= 0x7f ? 0x21 : b <= 0xa0 ? 0x21 + b - 0x7f : 0x21 + 0x22;
}

uint32_t oa__bpe_byte_to_char(uint8_t byte)
{
    return is_printable(byte) ? byte : 0x100 + n_unprintable(byte);
}

int oa__bpe_char_to_byte(uint32_t cp)
{
    if (cp < 0x100) return is_printable(cp) ? (int)cp : -1;
    cp -= 0x100;
    if (cp <= 0x20) return (int)cp;
    if (cp < 0x21 + 0x22) return (int)(cp - 0x21 + 0x7f);
    return cp == 0x21 + 0x22 ? 0xad : -1;
}

static uint32_t pair_rank(const oa__vocab *v, const char *text, int32_t left, int32_t right,
                          uint32_t start, uint32_t end, int32_t *merged)
{
    (void)text, (void)start, (void)end;
    uint32_t rank = oa__pairtab_get(&v->merges, left, right);
    *merged = rank == OA__RANK_NONE ? -1 : v->merged_id[rank];
    return rank;
}

/* A word of few bytes; returns how many ids it has. */
static size_t merge_short(const oa__vocab *v, const char *word, size_t len, int32_t *ids)
{
    uint32_t starts[OA__MERGE_SHORT + 1];
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int32_t id = v->byte_id[(uint8_t)word[i]];
        if (id < 0) continue;
        starts[n] = (uint32_t)i;
        ids[n++] = id;
    }
    return oa__merge_short(v, word, ids, starts, n, (uint32_t)len, pair_rank);
}

static int finish_long(oa__encoder *e, const char *word, size_t n, size_t len)
{
    if (n == 0) return OA_OK;
    e->syms[n - 1].next = UINT32_MAX;
    OA__TRY(oa__merge_long(e, word, n, (uint32_t)len, pair_rank));
    for (uint32_t i = 0; i != UINT32_MAX; i = e->syms[i].next)
        OA__TRY(oa__ids_add(e->out, e->syms[i].id));
    return OA_OK;
}

static int merge_long(oa__encoder *e, const char *word, size_t len)
{
    OA__TRY(oa__grow(e->mem, (void **)&e->syms, &e->syms_cap, len, sizeof *e->syms));
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int32_t id = e->v->byte_id[(uint8_t)word[i]];
        if (id < 0) continue;
        e->syms[n] = (oa__sym){
            .id = id, .start = (uint32_t)i, .prev = (uint32_t)n - 1, .next = (uint32_t)n + 1};
        n++;
    }
    return finish_long(e, word, n, len);
}

static int byte_word(oa__encoder *e, const char *word, size_t len)
{
    const oa__vocab *v = e->v;
    int32_t id = -1;
    unsigned direct = OA__DIRECT_NO;
    if (len <= OA__MERGE_SHORT || v->ignore_merges) {
        id = oa__strtab_get(&v->words, word, len);
        if (id >= 0 && v->direct)
            direct = atomic_load_explicit(&v->direct[id], memory_order_relaxed);
        if (id >= 0 && (v->ignore_merges || direct == OA__DIRECT_YES))
            return oa__ids_add(e->out, id);
    }
    if (len > OA__MERGE_SHORT) return merge_long(e, word, len);
    int32_t ids[OA__MERGE_SHORT];
    size_t n = merge_short(v, word, len, ids);
    if (id >= 0 && direct == OA__DIRECT_UNKNOWN) {
        direct = n == 1 && ids[0] == id ? OA__DIRECT_YES : OA__DIRECT_NO;
        atomic_store_explicit(&v->direct[id], (uint8_t)direct, memory_order_relaxed);
    }
    for (size_t i = 0; i < n; i++)
        OA__TRY(oa__ids_add(e->out, ids[i]));
    return OA_OK;
}

/* --- characters instead of bytes -------------------------------------------------------------- */

/* The first symbols of a word: tokens of one character; for other characters their byte tokens, or
 * the unknown token, or nothing. Returns how many; starts may be NULL. */
static size_t char_symbols(const oa__vocab *v, const char *word, size_t len, int32_t *ids,
                           oa__sym *syms)
{
    size_t n = 0;
    bool was_unknown = false;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t size = oa__utf8_decode(word + i, len - i, &cp), count = 1;
        int32_t id = oa__strtab_get(&v->plain, word + i, size);
        bool unknown = id < 0;
        if (id < 0) {
            while (count <= size && v->byte_id[(uint8_t)word[i + count - 1]] >= 0)
                count++;
            bool fallback = count > size;
            count = fallback ? size : 1;
            unknown = !fallback;
            if (!fallback) id = v->unk_id;
            if (id < 0 && !fallback) count = 0;
            if (!fallback && was_unknown && v->fuse_unk) count = 0;
        }
        for (size_t k = 0; k < count; k++) {
            int32_t one = id >= 0 ? id : v->byte_id[(uint8_t)word[i + k]];
            if (ids) {
                ids[n] = one;
            } else {
                syms[n] = (oa__sym){.id = one,
                                    .start = (uint32_t)(i + k),
                                    .prev = (uint32_t)n - 1,
                                    .next = (uint32_t)n + 1};
            }
            n++;
        }
        was_unknown = unknown;
        i += size;
    }
    return n;
}

static int char_word(oa__encoder *e, const char *word, size_t len)
{
    const oa__vocab *v = e->v;
    if (len <= OA__MERGE_SHORT || v->ignore_merges) {
        int32_t id = oa__strtab_get(&v->plain, word, len);
        if (id >= 0 && (v->ignore_merges || v->flags[id] & OA__TOKEN_DIRECT))
            return oa__ids_add(e->out, id);
    }
    if (len <= OA__MERGE_SHORT) {
        int32_t ids[OA__MERGE_SHORT];
        uint32_t starts[OA__MERGE_SHORT + 1] = {0};
        size_t n = char_symbols(v, word, len, ids, NULL);
        n = oa__merge_short(v, word, ids, starts, n, (uint32_t)len, pair_rank);
        for (size_t i = 0; i < n; i++)
            OA__TRY(oa__ids_add(e->out, ids[i]));
        return OA_OK;
    }
    OA__TRY(oa__grow(e->mem, (void **)&e->syms, &e->syms_cap, len, sizeof *e->syms));
    size_t n = char_symbols(v, word, len, NULL, e->syms);
    return finish_long(e, word, n, len);
}

int oa__bpe_word(oa__encoder *e, const char *word, size_t len)
{
    const oa__vocab *v = e->v;
    if (v->byte_level) return byte_word(e, word, len);
    /* No merge reaches over the place between a character and a mark behind it. */
    while (v->cut_words && len > OA__MERGE_SHORT) {
        size_t n = oa__spm_word(word, len);
        OA__TRY(char_word(e, word, n));
        word += n;
        len -= n;
    }
    return len > 0 ? char_word(e, word, len) : OA_OK;
}

/* --- building -------------------------------------------------------------------------------- */

/* "left right": the space that parts them is the first one behind the first byte. */
static int split_merge(size_t rank, oa__span merge, oa__span pair[2])
{
    const char *space = merge.len > 1 ? memchr(merge.data + 1, ' ', merge.len - 1) : NULL;
    size_t n_left = space ? (size_t)(space - merge.data) : 0;
    size_t n_right = space ? merge.len - n_left - 1 : 0;
    if (n_left == 0 || n_right == 0)
        return oa__err(OA_EFORMAT, "merge %zu is \"%.*s\", want two tokens and a space", rank,
                       merge.len > 60 ? 60 : (int)merge.len, merge.data);
    pair[0] = (oa__span){merge.data, n_left};
    pair[1] = (oa__span){space + 1, n_right};
    return OA_OK;
}

static int bad_merge(size_t rank, const oa__span pair[2], const char *what)
{
    int show[2];
    for (int k = 0; k < 2; k++)
        show[k] = pair[k].len > 40 ? 40 : (int)pair[k].len;
    return oa__err(OA_EFORMAT, "merge %zu is \"%.*s %.*s\", but its %s is no token", rank, show[0],
                   pair[0].data, show[1], pair[1].data, what);
}

static int read_merge(oa__vocab *v, size_t rank, const oa__span pair[2])
{
    int32_t left = oa__strtab_get(&v->plain, pair[0].data, pair[0].len);
    int32_t right = oa__strtab_get(&v->plain, pair[1].data, pair[1].len);
    char buf[256];
    size_t len;
    if (!oa__add_size(pair[0].len, pair[1].len, &len)) return oa__err_nomem(SIZE_MAX);
    char *joined = len <= sizeof buf ? buf : oa__alloc(v->mem, len);
    if (!joined) return OA_ENOMEM;
    if (pair[0].len > 0) memcpy(joined, pair[0].data, pair[0].len);
    if (pair[1].len > 0) memcpy(joined + pair[0].len, pair[1].data, pair[1].len);
    int32_t id = oa__strtab_get(&v->plain, joined, len);
    /* What would spell a control token is no merge: text never becomes one that way. */
    bool control = id < 0 && oa__strtab_get(&v->other, joined, len) >= 0;
    if (joined != buf) oa__free(v->mem, joined);
    if (control) return OA_OK;
    if (left < 0 || right < 0 || id < 0)
        return bad_merge(rank, pair, left < 0 ? "left part" : right < 0 ? "right part" : "result");
    v->merged_id[rank] = id;
    oa__pairtab_put(&v->merges, left, right, (uint32_t)rank);
    return OA_OK;
}

static int read_merges(oa__vocab *v, const oa__vocab_spec *spec)
{
    for (size_t i = 0; i < spec->n_merges; i++) {
        oa__span pair[2] = {{NULL, 0}, {NULL, 0}};
        if (spec->merge_pairs) {
            pair[0] = spec->merge_pairs[2 * i];
            pair[1] = spec->merge_pairs[2 * i + 1];
        } else {
            OA__TRY(split_merge(i, spec->merges[i], pair));
        }
        OA__TRY(read_merge(v, i, pair));
    }
    return OA_OK;
}

/* Which tokens a word of characters may become without merging. */
static void init_char_words(oa__vocab *v)
{
    v->cut_words = !oa__spm_has_inner_mark(v) && oa__strtab_get(&v->plain, OA__SPM_SPACE, 3) >= 0;
    for (size_t i = 0; i < v->n_tokens; i++) {
        oa__span t = oa__vocab_token(v, (int32_t)i);
        int32_t ids[OA__MERGE_SHORT];
        uint32_t starts[OA__MERGE_SHORT + 1] = {0};
        if (!oa__vocab_is_plain(v, (int32_t)i) || t.len == 0 || t.len > OA__MERGE_SHORT) continue;
        size_t n = char_symbols(v, t.data, t.len, ids, NULL);
        n = oa__merge_short(v, t.data, ids, starts, n, (uint32_t)t.len, pair_rank);
        if (n == 1 && ids[0] == (int32_t)i) v->flags[i] |= OA__TOKEN_DIRECT;
    }
}

/* Tokens by what they spell: all, or those that short words may become. */
static int init_words(oa__vocab *v, uint64_t key)
{
    const size_t most = v->ignore_merges ? SIZE_MAX : OA__MERGE_SHORT;
    size_t n = 0;
    for (int put = 0; put < 2; put++) {
        for (size_t i = 0; i < v->n_tokens; i++) {
            const size_t len = oa__vocab_spelled(v, (int32_t)i).len;
            if (!(v->flags[i] & OA__TOKEN_MAPPED) || len == 0 || len > most) continue;
            if (put) oa__strtab_put(&v->words, (int32_t)i);
            n++;
        }
        if (!put) OA__TRY(oa__strtab_init(&v->words, v->mem, n, key, v->bytes, v->bytes_off));
    }
    if (v->ignore_merges) return OA_OK;
    v->direct = oa__alloc(v->mem, v->n_tokens);
    return v->direct ? OA_OK : OA_ENOMEM;
}

int oa__bpe_init(oa__vocab *v, const oa__vocab_spec *spec, uint64_t key)
{
    bool any = !v->byte_level;
    for (unsigned b = 0; b < 256 && v->byte_level; b++) {
        char text[4];
        size_t len = oa__utf8_encode(oa__bpe_byte_to_char((uint8_t)b), text);
        v->byte_id[b] = oa__strtab_get(&v->plain, text, len);
        any |= v->byte_id[b] >= 0;
    }
    if (!any) return oa__err(OA_EFORMAT, "vocabulary has no token for a single byte");
    if (spec->n_merges >= INT32_MAX)
        return oa__err(OA_EFORMAT, "vocabulary has %zu merges", spec->n_merges);
    v->merged_id = oa__alloc_array(v->mem, spec->n_merges, sizeof *v->merged_id);
    if (!v->merged_id) return OA_ENOMEM;
    OA__TRY(oa__pairtab_init(&v->merges, v->mem, spec->n_merges, key));
    OA__TRY(read_merges(v, spec));
    if (v->byte_level) return init_words(v, key);
    init_char_words(v);
    return OA_OK;
}
