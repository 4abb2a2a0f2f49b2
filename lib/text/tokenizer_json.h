/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the reader of tokenizer.json. */
#ifndef OA_TEXT_TOKENIZER_JSON_H
#define OA_TEXT_TOKENIZER_JSON_H

#include <jansson.h>
#include <string.h>

#include "text/pipeline.h"

enum { OA__TOKENIZER_ENDS_MAX = 8 };

struct oa__tokenizer_json {
    oa__mem *mem;
    uint64_t reserved;
    json_t *root, *config; /* spans point into their strings */
    oa__vocab_spec spec;
    oa__pipeline_spec pipeline;
    size_t cap; /* of tokens, scores, types, added */
    oa__span *tokens;
    float *scores; /* unigram: (max_ids); SentencePiece BPE: (n_tokens) */
    double *exact_scores;
    oa__str charsmap;
    int32_t *types;
    uint8_t *added;
    oa__span *merges, *merge_pairs;
    size_t max_ids; /* by the number of tokens that the file lists: bounds memory */
    oa__norm_spec norm[OA__NORM_MAX];
    oa__pre_spec pre[OA__PRE_MAX];
    int32_t prefix[OA__TOKENIZER_ENDS_MAX], suffix[OA__TOKENIZER_ENDS_MAX];
    int32_t middle[OA__TOKENIZER_ENDS_MAX];
    oa__str joined;           /* merges as GGUF writes them */
    const char *ggml;         /* what GGUF calls it; NULL = it has no name there */
    oa__vocab_spec ggml_spec; /* in GGUF's words */
    oa__span *ggml_tokens;    /* (n_tokens) in ggml_text, or NULL = the same tokens */
    oa__str ggml_text;
};

/* Members. A member that is null counts as missing; one of another type is OA_EFORMAT. `where`
 * names the object in errors. */
bool oa__tj_type_is(const json_t *object, const char *type);
const char *oa__tj_type(const json_t *object); /* "" = none */
int oa__tj_bool(const json_t *object, const char *where, const char *name, bool missing, bool *out);
int oa__tj_str(const json_t *object, const char *where, const char *name, oa__span *out);
oa__span oa__tj_span(const json_t *string);
static inline bool oa__tj_is(oa__span s, const char *want)
{
    return s.data != NULL && s.len == strlen(want) && memcmp(s.data, want, s.len) == 0;
}
int oa__tj_unsupported(const char *what, const json_t *object); /* OA_EUNSUPPORTED */

/* Room for a token of this id; sets text and type. Fails when the id has another text. */
int oa__tj_put_token(oa__tokenizer_json *t, oa__span text, const json_t *id, int32_t *out);
int oa__tj_put_token_at(oa__tokenizer_json *t, oa__span text, json_int_t id, int32_t *out);
/* A name as the file writes tokens: a string or an object with "content". */
oa__span oa__tj_name_of(const json_t *token);
int32_t oa__tj_find(const oa__tokenizer_json *t, oa__span text); /* slow: for few; -1 = none */

/* An object of texts and ids. */
int oa__tj_read_vocab(oa__tokenizer_json *t, const json_t *vocab);
int oa__tj_read_bpe(oa__tokenizer_json *t, const json_t *model);
int oa__tj_read_unigram(oa__tokenizer_json *t, const json_t *model);
int oa__tj_read_wordpiece(oa__tokenizer_json *t, const json_t *model);
/* The step of a Precompiled normalizer; its text is the decoded map. */
int oa__tj_read_charsmap(oa__tokenizer_json *t, const json_t *object, oa__norm_spec *step);
int oa__tj_read_added(oa__tokenizer_json *t, const json_t *added);
int oa__tj_read_normalizer(oa__tokenizer_json *t, const json_t *object, unsigned depth);
int oa__tj_read_pre_tokenizer(oa__tokenizer_json *t, const json_t *object, unsigned depth);
int oa__tj_read_decoder(oa__tokenizer_json *t, const json_t *object);
int oa__tj_read_post_processor(oa__tokenizer_json *t, const json_t *object, unsigned depth);
/* The id of what tokenizer_config.json names so; a name that is no token is nobody. */
int32_t oa__tj_named(const oa__tokenizer_json *t, const char *name, int32_t otherwise);
int oa__tj_read_config(oa__tokenizer_json *t, const oa__tokenizer_json_opts *opts);
/* Names for GGUF, when everything else is read. */
int oa__tj_name(oa__tokenizer_json *t);
int oa__tj_name_spm(oa__tokenizer_json *t);
int oa__tj_name_ggml(oa__tokenizer_json *t); /* WordPiece, unigram; makes ggml_spec */

#endif
