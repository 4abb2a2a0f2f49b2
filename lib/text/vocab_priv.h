/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the tokenizer half of floor text. Nobody outside this folder includes it.
 *
 * The way of a text:
 *
 *     bytes -> valid UTF-8, guards taken out                      encode.c
 *           -> cut at control tokens (if asked), longest first    finder.c
 *           -> normal form (patterns that want it)                nfc.c
 *           -> cut at user-defined tokens                         finder.c
 *           -> BPE: cut into words by a pattern, then merge       pretoken.c bpe.c merge.h
 *           -> SPM: spaces become U+2581, then merge              spm.c merge.h
 *           -> UGM: mapped, spaces become U+2581, best cut        unigram.c charsmap.c trie.c
 *           -> WPM: BERT's words, then their longest tokens       wordpiece.c trie.c
 *
 * A vocabulary never changes once it is made, so any number of threads may use it. What a call
 * needs while it runs sits in its own oa__encoder.
 */
#ifndef OA_TEXT_VOCAB_PRIV_H
#define OA_TEXT_VOCAB_PRIV_H

#include <string.h>

#include "text/pretoken.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

/* --- tables (table.c) ------------------------------------------------------------------------ */

/* Strings to ids. The strings lie elsewhere: string k is base[off[k] .. off[k + 1]). The hash is
 * keyed, so that nobody can write a file whose tokens all collide. */
typedef struct oa__strtab {
    struct oa__strslot {
        uint32_t tag;
        int32_t id; /* -1 = empty */
    } * slots;
    size_t mask;
    uint64_t key;
    const char *base;
    const size_t *off;
} oa__strtab;

int oa__strtab_init(oa__strtab *t, oa__mem *mem, size_t n, uint64_t key, const char *base,
                    const size_t *off);
/* Room for n was promised at init. An equal string is replaced: the last one counts. */
void oa__strtab_put(oa__strtab *t, int32_t id);
int32_t oa__strtab_get(const oa__strtab *t, const char *text, size_t len); /* -1 = none */

/* Pairs of ids to the rank of their merge. */
typedef struct oa__pairtab {
    struct oa__pairslot {
        int32_t left, right; /* left -1 = empty */
        uint32_t rank;
    } * slots;
    size_t mask;
    uint64_t key;
} oa__pairtab;

#define OA__RANK_NONE UINT32_MAX

int oa__pairtab_init(oa__pairtab *t, oa__mem *mem, size_t n, uint64_t key);
void oa__pairtab_put(oa__pairtab *t, int32_t left, int32_t right, uint32_t rank);

static inline size_t oa__pairtab_slot(const oa__pairtab *t, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) ^ t->key;
    h *= 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 32) * (t->key | 1);
    return (h >> 24) & t->mask;
}

static inline uint32_t oa__pairtab_get(const oa__pairtab *t, int32_t left, int32_t right)
{
    for (size_t i = oa__pairtab_slot(t, left, right);; i = (i + 1) & t->mask) {
        const struct oa__pairslot *s = &t->slots[i];
        if (s->left == left && s->right == right) return s->rank;
        if (s->left < 0) return OA__RANK_NONE;
    }
}

/* --- finding tokens in a text (finder.c) ----------------------------------------------------- */

/* An Aho-Corasick automaton over tokens. */
typedef struct oa__finder {
    struct oa__finder_node {
        uint32_t child, sibling; /* 0 = none; the root is node 0 and nobody's child */
        uint32_t fail;
        uint32_t len; /* of best */
        int32_t best; /* longest token that ends here, or -1 */
        uint8_t byte;
    } * nodes;
    size_t n_nodes, cap;
    uint32_t root[256];
    bool reversed; /* texts are read from their end */
    bool empty;
} oa__finder;

typedef struct oa__found {
    uint32_t start;
    uint32_t len;
    int32_t id;
} oa__found;

typedef struct oa__founds {
    oa__found *data;
    size_t len, cap;
} oa__founds;

int oa__finder_add(oa__finder *f, oa__mem *mem, oa__span text, int32_t id);
int oa__finder_finish(oa__finder *f, oa__mem *mem);
/* A finder that reads backwards: for every place of text[0..len) where a token begins, in
 * descending order, the longest one; `start` counts from text - base. */
int oa__finder_scan(const oa__finder *f, oa__mem *mem, const char *text, size_t len, size_t base,
                    oa__founds *out);
/* The state after the whole text: true when the text ends (for a backward finder: begins) with a
 * beginning (end) of a token, whole tokens included. */
bool oa__finder_touches(const oa__finder *f, const char *text, size_t len);

/* --- vocabulary ------------------------------------------------------------------------------ */

enum {
    OA__TOKEN_END = 1,    /* ends a generation */
    OA__TOKEN_DIRECT = 2, /* of characters: a word with the token's text becomes the token */
    OA__TOKEN_MAPPED = 4  /* BPE: a normal token, all of whose characters stand for bytes */
};

/* Whether a word with a token's bytes becomes the token. */
enum oa__direct { OA__DIRECT_UNKNOWN, OA__DIRECT_YES, OA__DIRECT_NO };

/* Longest token in bytes that SPM merging can make; longer ones are found as user-defined ones
 * only. It bounds the work for one symbol. */
enum { OA__SPM_TOKEN_MAX = 1024 };

enum { OA__ENDS_MAX = 8 };

struct oa__vocab {
    oa__mem *mem;
    enum oa__vocab_kind kind;
    size_t n_tokens;
    char *text;              /* stored texts, one after another */
    size_t *text_off;        /* (n_tokens + 1) */
    char *bytes;             /* what tokens spell; nothing for control tokens */
    size_t *bytes_off;       /* (n_tokens + 1) */
    uint8_t *types;          /* (n_tokens) enum oa__token_type */
    uint8_t *flags;          /* (n_tokens) */
    oa__strtab plain;        /* texts of normal, user-defined and unused tokens */
    oa__strtab other;        /* of the rest */
    oa__finder control;      /* control and unknown tokens, backwards */
    oa__finder control_fwd;  /* the same, forwards: for guards */
    oa__finder user_raw;     /* user-defined tokens of the text as it is, backwards */
    oa__finder user;         /* those of its normal form */
    oa__finder control_norm; /* control tokens of its normal form: few files have any */
    uint8_t *added;          /* (n_tokens) OA__ADDED_ flags; NULL = none has any */
    int32_t byte_id[256];    /* token of a byte, -1 = none */
    int32_t bos_id, eos_id, eot_id, unk_id;
    int32_t prefix[OA__ENDS_MAX], suffix[OA__ENDS_MAX]; /* tokens at both ends */
    int32_t middle[OA__ENDS_MAX];                       /* between two texts */
    size_t n_prefix, n_suffix, n_middle;
    size_t n_middle_first; /* of the middle: those of the first segment */
    bool one_segment, no_pair;
    bool add_space_prefix, strip_space; /* strip: of the front of a decoded text */
    uint64_t memory;
    char describe[48];

    oa__normalizer *normalizer; /* NULL = texts stay as they are */
    oa__pretoken *pretoken;     /* cuts into words; NULL = the model does all by itself */

    /* BPE */
    bool byte_level; /* words are bytes; else characters */
    bool ignore_merges, fuse_unk;
    oa__pairtab merges;
    int32_t *merged_id; /* (n_merges) by rank */
    oa__strtab words;   /* of byte-level: tokens by spelled bytes */
    /* (n_tokens) enum oa__direct of these: found out when a word is met, to open sooner. The one
     * thing of a vocabulary that changes, and to what anybody would find. NULL with ignore_merges.
     */
    _Atomic uint8_t *direct;

    /* SPM */
    uint32_t *rank;   /* (n_tokens) by descending score, equal scores equal */
    int32_t *ascii;   /* (129, 128) tokens of two ASCII characters; in the last row, of one */
    size_t token_max; /* longest plain token, at most OA__SPM_TOKEN_MAX */
    bool cut_words;   /* no token has U+2581 behind another character; UGM, too */

    oa__unigram *unigram;     /* UGM */
    oa__wordpiece *wordpiece; /* WPM */
};

static inline oa__span oa__vocab_spelled(const oa__vocab *v, int32_t id)
{
    return (oa__span){v->bytes + v->bytes_off[id], v->bytes_off[id + 1] - v->bytes_off[id]};
}

static inline bool oa__vocab_is_plain(const oa__vocab *v, int32_t id)
{
    return v->types[id] == OA__TOKEN_NORMAL || v->types[id] == OA__TOKEN_USER_DEFINED ||
           v->types[id] == OA__TOKEN_UNUSED;
}

/* --- encoding -------------------------------------------------------------------------------- */

/* One symbol of a long word. */
typedef struct oa__sym {
    int32_t id;
    uint32_t start;      /* first byte */
    uint32_t prev, next; /* UINT32_MAX = none */
    uint32_t rank;       /* of the merge with the next one */
    int32_t merged;      /* what it gives */
} oa__sym;

/* What one call of oa__vocab_encode() needs. */
typedef struct oa__encoder {
    const oa__vocab *v;
    oa__mem *mem; /* of the output: scratch is charged there too */
    oa__ids *out;
    oa__sym *syms;
    size_t syms_cap;
    uint64_t *heap;
    size_t heap_cap;
    char *escaped; /* SPM, UGM; WPM: a word */
    size_t escaped_cap;
    oa__lattice *lattice; /* UGM */
    size_t lattice_cap;
    oa__words words; /* BPE */
    oa__founds found_user, found_norm;
    oa__str normal; /* the normal form of a stretch */
    bool special;   /* control tokens are recognised */
    bool guarded;   /* the text had guards */
} oa__encoder;

int oa__bpe_init(oa__vocab *v, const oa__vocab_spec *spec, uint64_t key);
/* One word. */
int oa__bpe_word(oa__encoder *e, const char *word, size_t len);
int oa__spm_init(oa__vocab *v, const oa__vocab_spec *spec);
int oa__spm_encode(oa__encoder *e, const char *text, size_t len, bool prefix);
/* How long the first word of an escaped text is, where v->cut_words allows to cut. */
size_t oa__spm_word(const char *text, size_t len);
/* Some token has U+2581 behind another character. */
bool oa__spm_has_inner_mark(const oa__vocab *v);
/* OA_EFORMAT when there is neither a token for every byte nor an unknown token. */
int oa__spm_check_bytes(const oa__vocab *v, const char *kind);
int oa__unigram_init(oa__vocab *v, const oa__vocab_spec *spec);
int oa__wordpiece_init(oa__vocab *v, const oa__vocab_spec *spec);
/* What a token writes: a space in front when it begins a word. One byte longer than t at most. */
size_t oa__wordpiece_spell(oa__span t, const oa__vocab_spec *spec, char *out);

/* Bytes of byte-level BPE: the code point that stands for a byte, and back (-1 = none). */
uint32_t oa__bpe_byte_to_char(uint8_t byte);
int oa__bpe_char_to_byte(uint32_t cp);

/* Append text with U+FFFD in place of what is no UTF-8. */
int oa__text_clean(const char *text, size_t len, oa__str *out);

#define OA__SPM_SPACE "\xE2\x96\x81"

#endif
