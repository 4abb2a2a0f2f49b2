/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door of floor 3, text: tokenizers, streaming UTF-8, chat templates.
 */
#ifndef OA_TEXT_TEXT_H
#define OA_TEXT_TEXT_H

#include "base/base.h"

/* --- vocabulary and tokenizer (vocab.c, bpe.c, spm.c, pretoken.c) --------------------------- */

typedef struct oa__vocab oa__vocab;

enum oa__vocab_kind {
    OA__VOCAB_BPE, /* byte-level BPE: GGUF "gpt2" */
    OA__VOCAB_SPM, /* SentencePiece BPE: GGUF "llama" */
    OA__VOCAB_UGM, /* SentencePiece unigram: GGUF "t5" */
    OA__VOCAB_WPM  /* WordPiece: GGUF "bert" */
};

/* Token types, numbered as in GGUF. */
enum oa__token_type {
    OA__TOKEN_NORMAL = 1,
    OA__TOKEN_UNKNOWN = 2,
    OA__TOKEN_CONTROL = 3,
    OA__TOKEN_USER_DEFINED = 4,
    OA__TOKEN_UNUSED = 5,
    OA__TOKEN_BYTE = 6
};

typedef struct oa__span {
    const char *data;
    size_t len;
} oa__span;

/* How a control or user-defined token is found in a text, as tokenizer.json says it. */
enum {
    OA__ADDED_NORMALIZED = 1,  /* in the normal form of the text, not in the text as it is */
    OA__ADDED_LSTRIP = 2,      /* takes white space in front along */
    OA__ADDED_RSTRIP = 4,      /* and behind */
    OA__ADDED_SINGLE_WORD = 8, /* only where no letter or digit touches it */
    OA__ADDED = 16             /* is found in texts at all */
};

/* What a vocabulary is made from; everything is copied. */
typedef struct oa__vocab_spec {
    enum oa__vocab_kind kind;
    const char *pattern;    /* BPE: GGUF's tokenizer.ggml.pre (docs/tokenizers.md lists them);
                               another or NULL = OA_EUNSUPPORTED with the name and the list */
    const oa__span *tokens; /* (n_tokens) */
    const float *scores;    /* (n_tokens) or NULL */
    const int32_t *types;   /* (n_tokens) or NULL = all normal */
    size_t n_tokens;
    const oa__span *merges; /* (n_merges) "left right", for BPE */
    size_t n_merges;
    const oa__span *merge_pairs; /* (2 * n_merges) left, right; instead of merges, or NULL */
    const uint8_t *added; /* (n_tokens) OA__ADDED_ flags, or NULL: control tokens are found in
                             the text as it is, user-defined ones in its normal form */
    const struct oa__pipeline_spec *pipeline; /* of a tokenizer.json; wins over pattern; or NULL */
    int32_t bos_id, eos_id, eot_id, unk_id, pad_id; /* -1 = none; others are checked */
    bool add_bos, add_eos;
    bool add_space_prefix; /* SPM, UGM */
    /* Tokens at both ends, instead of bos_id when add_bos and eos_id when add_eos; NULL = those. At
     * most 8. */
    const int32_t *prefix, *suffix;
    size_t n_prefix, n_suffix;
    /* What stands between two texts, of which the first n_middle_first belong to the first one;
     * counts with prefix only. Without: what the kind usually has. */
    const int32_t *middle;
    size_t n_middle, n_middle_first;
    bool one_segment;       /* both texts are of the same segment */
    bool no_pair;           /* two texts have no form */
    const int32_t *end_ids; /* (n_end_ids) more tokens that end a generation; NULL = none */
    size_t n_end_ids;
    /* UGM */
    const double *exact_scores; /* (n_tokens) instead of scores, or NULL */
    const char *charsmap;       /* SentencePiece's precompiled_charsmap, or NULL */
    size_t charsmap_size;
    bool remove_extra_spaces; /* at both ends, and behind another one */
    bool keep_spaces;         /* spaces stay spaces, they don't become U+2581 */
    /* WPM */
    const char *inner_prefix;     /* of tokens that continue a word ("##"); NULL: instead those that
                                     begin one have U+2581 in front, as in GGUF */
    uint32_t max_word_chars;      /* a longer word is unknown; 0 = 100 */
    bool keep_case, keep_accents; /* else text becomes lower case and loses its accents */
    bool tidy;                    /* tokens . , ? and ! are written without a space in front */
} oa__vocab_spec;

/* Whether a file that names this pattern, and says nothing else, means tokens at the ends. */
void oa__pattern_ends(const char *pattern, bool *add_bos, bool *add_eos);

int oa__vocab_new(oa__vocab **out, oa__mem *mem, const oa__vocab_spec *spec);
void oa__vocab_free(oa__vocab *v);
size_t oa__vocab_size(const oa__vocab *v);
uint64_t oa__vocab_memory(const oa__vocab *v);
const char *oa__vocab_describe(const oa__vocab *v); /* "bpe smollm", "spm" */
/* The token's text as stored ("Ġthe", "▁the"); id must be valid. */
oa__span oa__vocab_token(const oa__vocab *v, int32_t id);
/* -1 when no token has exactly this stored text. */
int32_t oa__vocab_find(const oa__vocab *v, const char *text, size_t len);
bool oa__vocab_is_special(const oa__vocab *v, int32_t id); /* control or unknown */
/* Recognised as a whole in a text: control, unknown or user-defined. */
bool oa__vocab_is_marked(const oa__vocab *v, int32_t id);
/* End of generation: eos, eot, and control or user-defined tokens whose text is one of the known
 * end texts. False for an id outside the vocabulary. */
bool oa__vocab_is_end(const oa__vocab *v, int32_t id);

/* --- tokenizer.json (tokenizer_json*.c) ------------------------------------------------------ */

/* The tokenizer of a Hugging Face folder, as read: what a vocabulary and a GGUF file are made
 * from. */
typedef struct oa__tokenizer_json oa__tokenizer_json;

typedef struct oa__tokenizer_json_opts {
    const char *config; /* text of tokenizer_config.json; NULL = none */
    size_t config_len;
    int32_t bos_id, eos_id, pad_id; /* where tokenizer_config.json names none: config.json's or
                                       generation_config.json's; -1 = none */
} oa__tokenizer_json_opts;
#define OA__TOKENIZER_JSON_OPTS_INIT                                                               \
    {                                                                                              \
        NULL, 0, -1, -1, -1                                                                        \
    }

/* json is copied as far as it is needed. opts NULL = nothing. OA_EFORMAT for what is no such file,
 * OA_EUNSUPPORTED with its name for what the file asks and is not known here: no text is ever cut
 * otherwise than the file says. Stack and time are bounded whatever the text is. */
int oa__tokenizer_json_new(oa__tokenizer_json **out, oa__mem *mem, const char *json, size_t len,
                           const oa__tokenizer_json_opts *opts);
/* For oa__vocab_new() and for a writer of GGUF keys; lives as long as t. Ids that the file leaves
 * out are tokens without text of type unused. pattern is NULL when no tokenizer.ggml.pre names
 * this tokenizer. */
const oa__vocab_spec *oa__tokenizer_json_spec(const oa__tokenizer_json *t);
/* What GGUF calls it in tokenizer.ggml.model ("gpt2", "llama", "bert", "t5"), or NULL when GGUF's
 * keys would not give the same ids. "llama" may differ at the front of a text that begins with a
 * space, "t5" where a text has spaces at an end, U+2581, or a grapheme that the character map takes
 * as one. */
const char *oa__tokenizer_json_ggml(const oa__tokenizer_json *t);
/* The same in GGUF's words, for its keys: tokens with GGUF's mark, the ids at both ends as bos_id
 * and, but for "bert", eos_id, the character map. */
const oa__vocab_spec *oa__tokenizer_json_ggml_spec(const oa__tokenizer_json *t);
/* The id of what tokenizer_config.json names so ("cls_token"); -1 = none. */
int32_t oa__tokenizer_json_named(const oa__tokenizer_json *t, const char *name);
void oa__tokenizer_json_free(oa__tokenizer_json *t);
/* Both in one go. */
int oa__tokenizer_json_read(oa__vocab **out, oa__mem *mem, const char *json, size_t len,
                            const oa__tokenizer_json_opts *opts);

/* A growing array of ids. */
typedef struct oa__ids {
    oa__mem *mem;
    int32_t *data;
    size_t len, cap;
} oa__ids;
int oa__ids_add(oa__ids *ids, int32_t id);
void oa__ids_free(oa__ids *ids);

enum {
    /* Besides the public OA_TOKENIZE_ flags: OA__GUARD characters (U+FDD0) in the text are marks.
     * A special token is not recognised right behind a mark or across one. The marks vanish before
     * encoding and change nothing else. */
    OA__TOKENIZE_GUARDED = 1 << 16
};
#define OA__GUARD "\xEF\xB7\x90"

/* Append the ids of a text. flags: public OA_TOKENIZE_... bits and OA__TOKENIZE_GUARDED.
 * Thread safe. Time is O(n log n) in the length of the text, whatever it is. Scratch memory comes
 * from out->mem. On failure out is as it was. User-defined tokens are recognised with every flag:
 * they are ordinary text to the model; OA_TOKENIZE_SPECIAL is about control and unknown tokens.
 * OA_EINVAL for unknown flags, OA_ELIMIT for a text of over 1 GiB, OA_ENOMEM. */
int oa__vocab_encode(const oa__vocab *v, const char *text, size_t len, uint32_t flags,
                     oa__ids *out);
/* Two texts as one, as classifiers of pairs want them; *n_first of the ids that were appended, from
 * the front, are of the first segment. OA_EUNSUPPORTED when the tokenizer knows no such form. */
int oa__vocab_encode_pair(const oa__vocab *v, oa__span first, oa__span second, uint32_t flags,
                          oa__ids *out, size_t *n_first);
/* Append the bytes of tokens. special: write control tokens as their text, else leave them out.
 * at_start: the ids stand at the beginning of a sequence (SPM then drops the space that the encoder
 * put in front of the first text). OA_EINVAL for an id outside the vocabulary; on failure out is as
 * it was. */
int oa__vocab_decode(const oa__vocab *v, const int32_t *ids, size_t n, bool special, bool at_start,
                     oa__str *out);

/* Insert OA__GUARD into content wherever it spells a control or unknown token, or could together
 * with what stands before or behind it; drop guards that content brought along; replace what is no
 * UTF-8. Content that spells nothing special is not changed. Appends to out. */
int oa__vocab_guard(const oa__vocab *v, const char *text, size_t len, oa__str *out);

/* Streaming: bytes in, whole characters out. Bytes that can't become valid come out as U+FFFD. */
typedef struct oa__utf8_stream {
    char held[4];
    uint32_t n_held;
} oa__utf8_stream;
/* Append to out what is complete. */
int oa__utf8_stream_add(oa__utf8_stream *s, const char *bytes, size_t len, oa__str *out);
/* The end: what is still held comes out as U+FFFD. */
int oa__utf8_stream_end(oa__utf8_stream *s, oa__str *out);

/* --- chat templates (template*.c) ------------------------------------------------------------ */

/* The built-in template of a name ("oasst", "chatml" ...) as Jinja text, or NULL. Rendered with a
 * vocabulary it fails where it needs a special token that is not there. */
const char *oa__template_named(const char *name);
/* All names, NULL-terminated. */
const char *const *oa__template_names(void);

typedef struct oa__chat_message {
    const char *role;
    const char *content;
    size_t content_len;
} oa__chat_message;

/* What a template sees: messages (a list of {"role", "content"}; content NULL = none),
 * add_generation_prompt, bos_token and eos_token, tools and documents (none, as in transformers),
 * and the members of variables_json, which win over all of these: so messages with more members
 * than two come through there. */
typedef struct oa__render_args {
    const oa__chat_message *messages;
    size_t n_messages;
    bool add_generation_prompt;
    const char *bos_token, *eos_token; /* texts; NULL = undefined variable ("") */
    const char *variables_json;        /* object or NULL */
    size_t max_output;                 /* 0 = 64 MiB */
    uint64_t max_steps;                /* 0 = 10 million */
    uint64_t now_s;                    /* for strftime_now; seconds since 1970, UTC */
    int32_t utc_offset_s;              /* what local time is ahead of UTC, for the same */
    const oa__vocab *vocab;            /* whose special tokens built-in templates need; or NULL */
    bool guard;                        /* guard the texts of variables_json for `vocab`, but those
                                          of members whose name ends in "_token" */
} oa__render_args;

/* Parse and render in one go; appends to out, which a failure leaves as it was. Behaves as jinja2
 * does when transformers sets it up; docs/templates.md says where it does not. Thread safe, time,
 * stack and memory bounded whatever the text is.
 * OA_ETEMPLATE: the template is wrong or refused the conversation; OA_ELIMIT: too many steps, too
 * much output, nesting or memory (512 MiB); both texts begin "chat template line N: " with lines
 * counted from 1. OA_EINVAL: a message or variables_json is no UTF-8 or no JSON object. */
int oa__template_render(oa__mem *mem, const char *text, size_t text_len,
                        const oa__render_args *args, oa__str *out);
/* Parse only: OA_OK, OA_ETEMPLATE, OA_ELIMIT or OA_ENOMEM. */
int oa__template_check(oa__mem *mem, const char *text, size_t text_len);

#endif
