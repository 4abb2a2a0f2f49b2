/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to a text before its words become tokens, as plain data: the steps of a
 * tokenizer.json, or those that a name of GGUF's stands for. Inside of floor text.
 */
#ifndef OA_TEXT_PIPELINE_H
#define OA_TEXT_PIPELINE_H

#include "text/text.h"

/* --- normalising: text to text --------------------------------------------------------------- */

enum oa__norm_kind {
    OA__NORM_NFC,
    OA__NORM_NFD,
    OA__NORM_NFKC,
    OA__NORM_NFKD,
    OA__NORM_PREPEND,       /* text in front, unless there is nothing */
    OA__NORM_REPLACE,       /* each text by with */
    OA__NORM_REPLACE_REGEX, /* each match of text by with */
    OA__NORM_LOWERCASE,
    OA__NORM_STRIP, /* white space at the ends: flags OA__STRIP_ */
    OA__NORM_STRIP_ACCENTS,
    OA__NORM_BERT_ACCENTS, /* marks without width only */
    OA__NORM_BERT_CLEAN,   /* control characters go, white space becomes a space */
    OA__NORM_BERT_CHINESE, /* a space at both sides of each Chinese character */
    OA__NORM_CHARSMAP      /* text is SentencePiece's precompiled map, by Hugging Face's rules */
};

enum { OA__STRIP_LEFT = 1, OA__STRIP_RIGHT = 2 };

typedef struct oa__norm_spec {
    enum oa__norm_kind kind;
    oa__span text, with;
    unsigned flags;
} oa__norm_spec;

/* --- cutting: one piece to many -------------------------------------------------------------- */

enum oa__pre_kind {
    OA__PRE_REGEX,        /* at the matches of text */
    OA__PRE_STRING,       /* at the places where text stands */
    OA__PRE_PREFIX_SPACE, /* puts a space in front of a piece without white space there */
    OA__PRE_METASPACE,    /* spaces become text, one in front as said by flags, then cut */
    OA__PRE_BYTES         /* from here on characters are those that stand for bytes */
};

/* What becomes of a match and of what lies between. */
enum oa__split {
    OA__SPLIT_ISOLATED,
    OA__SPLIT_REMOVED,
    OA__SPLIT_PREVIOUS,  /* a match belongs to what stands in front of it */
    OA__SPLIT_NEXT,      /* or behind it */
    OA__SPLIT_CONTIGUOUS /* matches that touch are one */
};

enum {
    OA__PRE_INVERT = 1,         /* what is no match is one, and the other way round */
    OA__PRE_PREPEND_ALWAYS = 2, /* METASPACE */
    OA__PRE_PREPEND_FIRST = 4,  /* METASPACE: only at the very beginning of the text */
    OA__PRE_CUT = 8             /* METASPACE: in front of each mark */
};

typedef struct oa__pre_spec {
    enum oa__pre_kind kind;
    enum oa__split split;
    oa__span text;
    unsigned flags;
} oa__pre_spec;

typedef struct oa__pipeline_spec {
    const char *name; /* for descriptions */
    const oa__norm_spec *norm;
    size_t n_norm;
    const oa__pre_spec *pre;
    size_t n_pre;
    bool bytes;            /* words are merged from bytes, each a printable character; else from
                              characters */
    bool ignore_merges;    /* a word that is a token stays whole */
    bool byte_fallback;    /* characters that are no token: their byte tokens */
    bool fuse_unk;         /* unknown tokens that touch are one */
    bool marks;            /* U+2581 spells a space */
    bool add_bos, add_eos; /* what files mean when they do not say it */
    unsigned strip;        /* how many spaces decoding takes off the front of a text */
} oa__pipeline_spec;

enum { OA__NORM_MAX = 32, OA__PRE_MAX = 32 };

#define OA__MARK "\xE2\x96\x81" /* what stands for a space */

/* The usual patterns, in Oniguruma's words. */
#define OA__REGEX_GPT2                                                                             \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
/* What the pre-tokenizers of these names mean; no other regex has such properties. */
#define OA__REGEX_DIGIT "\\p{oa_digit}"
#define OA__REGEX_PUNCTUATION "\\p{oa_punctuation}"

#endif
