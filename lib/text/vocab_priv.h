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

#include "text/unigram.h"
#include "text/wordpiece.h"

/* --- classes of code points (unicode_class.c, generated) ------------------------------------- */

enum { OA__CLASS_OTHER, OA__CLASS_LETTER, OA__CLASS_NUMBER, OA__CLASS_SPACE, OA__CLASS_NUMBER_17 };

extern const uint16_t oa__unicode_n_blocks;
extern const uint8_t oa__unicode_index[];
extern const uint8_t oa__unicode_block[][64];

static inline unsigned oa__unicode_class(uint32_t cp)
{
    uint32_t b = cp >> 7;
    if (b >= oa__unicode_n_blocks) return OA__CLASS_OTHER;
    return oa__unicode_block[oa__unicode_index[b]][(cp & 127) >> 1] >> ((cp & 1) * 4) & 15;
}

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

/* --- cutting into words (pretoken.c) --------------------------------------------------------- */

typedef struct oa__pretoken oa__pretoken;

/* OA_EUNSUPPORTED with the list when no pattern has this name. */
int oa__pretoken_new(oa__pretoken **out, oa__mem *mem, const char *name);
struct oa__pipeline_spec;
int oa__pretoken_new_pipeline(oa__pretoken **out, oa__mem *mem,
                              const struct oa__pipeline_spec *spec);
void oa__pretoken_free(oa__pretoken *p, oa__mem *mem);
const char *oa__pretoken_name(const oa__pretoken *p);    /* one name for all aliases */
bool oa__pretoken_ignores_merges(const oa__pretoken *p); /* a word that is a token stays whole */
bool oa__pretoken_wants_nfc(const oa__pretoken *p);

/* Walks one text. Zero-initialise, then begin; end frees. */
typedef struct oa__words {
    const oa__pretoken *pretoken;
    oa__mem *mem;
    const char *text;    /* valid UTF-8 */
    size_t len, at;      /* in bytes */
    const char *classes; /* text itself when it is all ASCII; else one byte per code point */
    char *classes_buf;
    size_t classes_cap;
    size_t n_classes, class_at;
    void *match_data, *match_context;
    bool no_jit;
} oa__words;

int oa__words_begin(oa__words *w, const oa__pretoken *p, oa__mem *mem, const char *text,
                    size_t len);
/* 1 and a word, 0 at the end, or an error. */
int oa__words_next(oa__words *w, const char **word, size_t *len);
void oa__words_end(oa__words *w);

/* --- vocabulary ------------------------------------------------------------------------------ */

enum {
    OA__TOKEN_END = 1,    /* ends a generation */
    OA__TOKEN_DIRECT = 2, /* a word with the token's text becomes the token */
    OA__TOKEN_MAPPED = 4  /* BPE: a normal token, all of whose characters stand for bytes */
};

/* Longest token in bytes that SPM merging can make; longer ones are found as user-defined ones
 * only. It bounds the work for one symbol. */
enum { OA__SPM_TOKEN_MAX = 1024 };

enum { OA__ENDS_MAX = 8 };

struct oa__vocab {
    oa__mem *mem;
    enum oa__vocab_kind kind;
    size_t n_tokens;
    char *text;             /* stored texts, one after another */
    size_t *text_off;       /* (n_tokens + 1) */
    char *bytes;            /* what tokens spell; nothing for control tokens */
    size_t *bytes_off;      /* (n_tokens + 1) */
    uint8_t *types;         /* (n_tokens) enum oa__token_type */
    uint8_t *flags;         /* (n_tokens) */
    oa__strtab plain;       /* texts of normal, user-defined and unused tokens */
    oa__strtab other;       /* of the rest */
    oa__finder control;     /* control and unknown tokens, backwards */
    oa__finder control_fwd; /* the same, forwards: for guards */
    oa__finder user;        /* user-defined tokens, backwards */
    int32_t byte_id[256];   /* token of a byte, -1 = none */
    int32_t bos_id, eos_id, eot_id, unk_id;
    int32_t prefix[OA__ENDS_MAX], suffix[OA__ENDS_MAX]; /* tokens at both ends */
    size_t n_prefix, n_suffix;
    bool add_space_prefix;
    uint64_t memory;
    char describe[48];

    /* BPE */
    oa__pretoken *pretoken;
    oa__pairtab merges;
    int32_t *merged_id; /* (n_merges) by rank */
    oa__strtab words;   /* by spelled bytes: words that need no merging */

    /* SPM */
    uint32_t *rank;   /* (n_tokens) by descending score, equal scores equal */
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
    oa__founds found_user;
} oa__encoder;

int oa__bpe_init(oa__vocab *v, const oa__vocab_spec *spec, uint64_t key);
int oa__bpe_encode(oa__encoder *e, const char *text, size_t len);
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
size_t oa__wordpiece_spell(oa__span t, const char *inner_prefix, char *out);

/* Bytes of byte-level BPE: the code point that stands for a byte, and back (-1 = none). */
uint32_t oa__bpe_byte_to_char(uint8_t byte);
int oa__bpe_char_to_byte(uint32_t cp);

/* Append text with U+FFFD in place of what is no UTF-8. */
int oa__text_clean(const char *text, size_t len, oa__str *out);

/* Append text in normal form C to out; text is valid UTF-8. Linear but for runs of combining
 * marks, which are sorted. */
int oa__nfc(const char *text, size_t len, oa__str *out);
bool oa__nfc_is_trivial(const char *text, size_t len); /* certainly in that form already */
/* Likewise normal form D. */
int oa__nfd(const char *text, size_t len, oa__str *out);
bool oa__nfd_is_trivial(const char *text, size_t len);

#define OA__SPM_SPACE "\xE2\x96\x81"

#endif
