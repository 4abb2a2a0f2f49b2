/* SPDX-License-Identifier: Apache-2.0 */
/* The vocabulary, the special ids and the chat template of a model file. */
#include "model/model_priv.h"

#include <string.h>

#include "model/vocab_fit.h"

static const char json_key[] = "tokenizer.huggingface.json",
                  config_key[] = "tokenizer.huggingface.config";

static int read_spans(oa_model *m, const char *key, oa__span **spans, size_t *n)
{
    oa__gguf_strings it;
    OA__TRY(oa__gguf_strings_begin(m->gguf, key, &it, n));
    *spans = oa__alloc_array(&m->mem, *n, sizeof **spans);
    if (*spans == NULL) return OA_ENOMEM;
    for (size_t i = 0; oa__gguf_strings_next(&it); i++) {
        (*spans)[i] = (oa__span){it.text, it.len};
    }
    return OA_OK;
}

/* An id, -1 when the key is missing or holds the "none" that some writers leave. */
static int read_id(const oa_model *m, const char *key, size_t n_tokens, int32_t *id)
{
    if (!oa__gguf_has(m->gguf, key)) return OA_OK;
    uint64_t v = 0;
    int64_t negative = 0;
    if (oa__gguf_i64(m->gguf, key, &negative) == OA_OK && negative == -1) {
        *id = -1;
        return OA_OK;
    }
    OA__TRY(oa__gguf_u64(m->gguf, key, &v));
    if (v == UINT32_MAX) {
        *id = -1;
        return OA_OK;
    }
    if (v >= n_tokens) {
        return oa__err(OA_EFORMAT, "%s is %llu, the vocabulary has %zu tokens", key,
                       (unsigned long long)v, n_tokens);
    }
    *id = (int32_t)v;
    return OA_OK;
}

static int read_flag(const oa_model *m, const char *key, bool *flag)
{
    return oa__gguf_has(m->gguf, key) ? oa__gguf_bool(m->gguf, key, flag) : OA_OK;
}

static bool is(const char *text, size_t len, const char *want)
{
    return strlen(want) == len && memcmp(text, want, len) == 0;
}

static int read_kind(const oa_model *m, oa__vocab_spec *spec)
{
    const char *kind;
    size_t len;
    OA__TRY(oa__gguf_str(m->gguf, "tokenizer.ggml.model", &kind, &len));
    if (is(kind, len, "gpt2")) {
        spec->kind = OA__VOCAB_BPE;
    } else if (is(kind, len, "llama")) {
        spec->kind = OA__VOCAB_SPM;
    } else if (is(kind, len, "t5")) {
        spec->kind = OA__VOCAB_UGM;
    } else if (is(kind, len, "bert")) {
        spec->kind = OA__VOCAB_WPM;
    } else if (is(kind, len, "gemma4")) {
        spec->kind = OA__VOCAB_BPE;
        spec->pattern = "gemma4";
    } else {
        return oa__err(OA_EUNSUPPORTED,
                       "tokenizer \"%.*s\" is not supported; known: gpt2, llama, t5, bert, gemma4",
                       (int)(len < 64 ? len : 64), kind);
    }
    return OA_OK;
}

/* The character map of a unigram vocabulary: an array of 8-bit numbers of either sign. */
static int read_charsmap(oa_model *m, char **data, size_t *size)
{
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    uint32_t type;
    if (!oa__gguf_has(m->gguf, key)) return OA_OK;
    OA__TRY(oa__gguf_array_type(m->gguf, key, &type, size));
    if (type != OA__GGUF_I8) type = OA__GGUF_U8;
    *data = oa__alloc(&m->mem, *size);
    if (*data == NULL) return OA_ENOMEM;
    return oa__gguf_array_copy(m->gguf, key, type, *data, *size);
}

/* What files mean when they do not say it. */
static void set_defaults(oa__vocab_spec *spec)
{
    spec->bos_id = spec->eos_id = spec->eot_id = spec->unk_id = spec->pad_id = -1;
    if (spec->kind == OA__VOCAB_SPM) {
        spec->add_bos = spec->add_space_prefix = true;
        if (spec->n_tokens > 2) {
            spec->unk_id = 0;
            spec->bos_id = 1;
            spec->eos_id = 2;
        }
        return;
    }
    if (spec->kind == OA__VOCAB_WPM) {
        spec->add_bos = spec->add_eos = true;
        if (spec->n_tokens > 103) {
            spec->pad_id = 0;
            spec->unk_id = 100;
            spec->bos_id = 101;
            spec->eos_id = 102;
        }
        return;
    }
    if (spec->kind == OA__VOCAB_UGM) {
        spec->add_eos = true;
        if (spec->n_tokens > 2) {
            spec->pad_id = 0;
            spec->eos_id = 1;
            spec->unk_id = 2;
        }
        return;
    }
    oa__pattern_ends(spec->pattern, &spec->add_bos, &spec->add_eos);
}

static int read_ids(const oa_model *m, oa__vocab_spec *spec)
{
    const size_t n = spec->n_tokens;
    OA__TRY(read_id(m, "tokenizer.ggml.bos_token_id", n, &spec->bos_id));
    OA__TRY(read_id(m, "tokenizer.ggml.eos_token_id", n, &spec->eos_id));
    OA__TRY(read_id(m, "tokenizer.ggml.eot_token_id", n, &spec->eot_id));
    OA__TRY(read_id(m, "tokenizer.ggml.unknown_token_id", n, &spec->unk_id));
    OA__TRY(read_id(m, "tokenizer.ggml.padding_token_id", n, &spec->pad_id));
    OA__TRY(read_flag(m, "tokenizer.ggml.add_bos_token", &spec->add_bos));
    OA__TRY(read_flag(m, "tokenizer.ggml.add_eos_token", &spec->add_eos));
    OA__TRY(read_flag(m, "tokenizer.ggml.add_space_prefix", &spec->add_space_prefix));
    OA__TRY(read_flag(m, "tokenizer.ggml.remove_extra_whitespaces", &spec->remove_extra_spaces));
    bool escape = true;
    OA__TRY(read_flag(m, "tokenizer.ggml.escape_whitespaces", &escape));
    spec->keep_spaces = !escape;
    return OA_OK;
}

/* BERT's own: what it calls cls and sep stands at both ends, whatever else ends a text. Lower case
 * and no accents unless the file says otherwise. */
static int read_bert(const oa_model *m, oa__vocab_spec *spec)
{
    const size_t n = spec->n_tokens;
    bool lower = true;
    if (!oa__gguf_has(m->gguf, "tokenizer.ggml.bos_token_id")) {
        OA__TRY(read_id(m, "tokenizer.ggml.cls_token_id", n, &spec->bos_id));
    }
    OA__TRY(read_id(m, "tokenizer.ggml.seperator_token_id", n, &spec->eos_id));
    OA__TRY(read_flag(m, "tokenizer.ggml.normalizer.lowercase", &lower));
    bool strip = lower;
    OA__TRY(read_flag(m, "tokenizer.ggml.normalizer.strip_accents", &strip));
    spec->keep_case = !lower;
    spec->keep_accents = !strip;
    return OA_OK;
}

static int read_template(oa_model *m)
{
    static const char key[] = "tokenizer.chat_template";
    if (!oa__gguf_has(m->gguf, key)) return OA_OK;
    const char *text;
    OA__TRY(oa__gguf_str(m->gguf, key, &text, &m->template_len));
    m->template_text = oa__strndup(&m->mem, text, m->template_len);
    return m->template_text != NULL ? OA_OK : OA_ENOMEM;
}

static void keep_ids(oa_model *m, const oa__vocab_spec *spec)
{
    m->bos_id = spec->bos_id;
    m->eos_id = spec->eos_id;
    m->eot_id = spec->eot_id;
    m->unk_id = spec->unk_id;
    m->pad_id = spec->pad_id;
    m->add_bos = spec->add_bos;
    m->add_eos = spec->add_eos;
}

/* Ids that end a generation besides those that have names: a list of ours. */
static int read_ends(oa_model *m, oa__vocab_spec *spec, int32_t **ids)
{
    static const char key[] = "tokenizer.end_token_ids";
    size_t n;
    if (!oa__gguf_has(m->gguf, key)) return OA_OK;
    OA__TRY(oa__gguf_array_len(m->gguf, key, OA__GGUF_I32, &n));
    *ids = oa__alloc_array(&m->mem, n, sizeof **ids);
    if (*ids == NULL) return OA_ENOMEM;
    OA__TRY(oa__gguf_array_copy(m->gguf, key, OA__GGUF_I32, *ids, n));
    spec->end_ids = *ids;
    spec->n_end_ids = n;
    return OA_OK;
}

/* The tokenizer of a Hugging Face folder, whose file says more than GGUF's keys can. */
static int read_json_vocab(oa_model *m)
{
    oa__vocab_fit fit = {.mem = &m->mem};
    oa__tokenizer_json *t = NULL;
    oa__tokenizer_json_opts opts = OA__TOKENIZER_JSON_OPTS_INIT;
    int32_t *end_ids = NULL;
    const char *json;
    size_t len;
    int rc;
    OA__TRY_GOTO(read_id(m, "tokenizer.ggml.bos_token_id", INT32_MAX, &opts.bos_id));
    OA__TRY_GOTO(read_id(m, "tokenizer.ggml.eos_token_id", INT32_MAX, &opts.eos_id));
    OA__TRY_GOTO(read_id(m, "tokenizer.ggml.padding_token_id", INT32_MAX, &opts.pad_id));
    OA__TRY_GOTO(oa__gguf_str(m->gguf, json_key, &json, &len));
    if (oa__gguf_has(m->gguf, config_key)) {
        OA__TRY_GOTO(oa__gguf_str(m->gguf, config_key, &opts.config, &opts.config_len));
    }
    OA__TRY_GOTO(oa__tokenizer_json_new(&t, &m->mem, json, len, &opts));
    oa__vocab_spec spec = *oa__tokenizer_json_spec(t);
    const oa__gguf_tensor *embd = oa__gguf_tensor_find(m->gguf, "token_embd.weight");
    if (embd != NULL && embd->dims[1] <= INT32_MAX) {
        OA__TRY_GOTO(oa__vocab_fit_to(&fit, &spec, (size_t)embd->dims[1]));
    }
    OA__TRY_GOTO(read_id(m, "tokenizer.ggml.eot_token_id", spec.n_tokens, &spec.eot_id));
    OA__TRY_GOTO(read_ends(m, &spec, &end_ids));
    OA__TRY_GOTO(oa__vocab_new(&m->vocab, &m->mem, &spec));
    keep_ids(m, &spec);
    rc = read_template(m);
fail:
    oa__free(&m->mem, end_ids);
    oa__vocab_fit_free(&fit);
    oa__tokenizer_json_free(t);
    return rc;
}

int oa__model_read_vocab(oa_model *m)
{
    static const char tokens_key[] = "tokenizer.ggml.tokens",
                      merges_key[] = "tokenizer.ggml.merges",
                      scores_key[] = "tokenizer.ggml.scores",
                      types_key[] = "tokenizer.ggml.token_type", pre_key[] = "tokenizer.ggml.pre";
    int rc;
    size_t n;
    oa__vocab_spec spec = {0};
    oa__span *tokens = NULL, *merges = NULL;
    float *scores = NULL;
    int32_t *types = NULL;
    char *pattern = NULL, *charsmap = NULL;

    if (oa__gguf_has(m->gguf, json_key)) return read_json_vocab(m);
    OA__TRY_GOTO(read_kind(m, &spec));
    OA__TRY_GOTO(read_spans(m, tokens_key, &tokens, &spec.n_tokens));
    spec.tokens = tokens;
    if (spec.n_tokens == 0 || spec.n_tokens > INT32_MAX) {
        rc = oa__err(OA_EFORMAT, "%s has %zu tokens, want 1 to %d", tokens_key, spec.n_tokens,
                     INT32_MAX);
        goto fail;
    }
    if (oa__gguf_has(m->gguf, merges_key) && spec.kind == OA__VOCAB_BPE) {
        OA__TRY_GOTO(read_spans(m, merges_key, &merges, &spec.n_merges));
        spec.merges = merges;
    }
    if (oa__gguf_has(m->gguf, scores_key)) {
        OA__TRY_GOTO(oa__gguf_array_len(m->gguf, scores_key, OA__GGUF_F32, &n));
        if (n != spec.n_tokens) {
            rc = oa__err(OA_EFORMAT, "%s has %zu elements, want %zu", scores_key, n, spec.n_tokens);
            goto fail;
        }
        scores = oa__alloc_array(&m->mem, n, sizeof *scores);
        if (scores == NULL) goto no_memory;
        OA__TRY_GOTO(oa__gguf_array_copy(m->gguf, scores_key, OA__GGUF_F32, scores, n));
        spec.scores = scores;
    }
    if (oa__gguf_has(m->gguf, types_key)) {
        OA__TRY_GOTO(oa__gguf_array_len(m->gguf, types_key, OA__GGUF_I32, &n));
        if (n != spec.n_tokens) {
            rc = oa__err(OA_EFORMAT, "%s has %zu elements, want %zu", types_key, n, spec.n_tokens);
            goto fail;
        }
        types = oa__alloc_array(&m->mem, n, sizeof *types);
        if (types == NULL) goto no_memory;
        OA__TRY_GOTO(oa__gguf_array_copy(m->gguf, types_key, OA__GGUF_I32, types, n));
        spec.types = types;
    }
    if (oa__gguf_has(m->gguf, pre_key)) {
        const char *text;
        OA__TRY_GOTO(oa__gguf_str(m->gguf, pre_key, &text, &n));
        pattern = oa__strndup(&m->mem, text, n);
        if (pattern == NULL) goto no_memory;
        spec.pattern = pattern;
    } else if (spec.pattern == NULL) {
        spec.pattern = oa__arch_pattern(m->arch_name);
    }
    if (spec.pattern == NULL && spec.kind == OA__VOCAB_BPE) {
        /* Files of old name none; what llama.cpp does with them is the best guess. */
        spec.pattern = "default";
        oa__log_line(&m->log, OA_LOG_WARN,
                     "the tokenizer names no pattern (%s): ids may differ from the model's",
                     pre_key);
    }
    if (spec.kind == OA__VOCAB_UGM) {
        OA__TRY_GOTO(read_charsmap(m, &charsmap, &spec.charsmap_size));
        spec.charsmap = charsmap;
    }
    set_defaults(&spec);
    OA__TRY_GOTO(read_ids(m, &spec));
    if (spec.kind == OA__VOCAB_WPM) OA__TRY_GOTO(read_bert(m, &spec));
    if (spec.bos_id < 0) spec.add_bos = false;
    if (spec.eos_id < 0) spec.add_eos = false;
    OA__TRY_GOTO(oa__vocab_new(&m->vocab, &m->mem, &spec));
    keep_ids(m, &spec);
    rc = read_template(m);
    goto fail;
no_memory:
    rc = OA_ENOMEM;
fail:
    oa__free(&m->mem, charsmap);
    oa__free(&m->mem, pattern);
    oa__free(&m->mem, types);
    oa__free(&m->mem, scores);
    oa__free(&m->mem, merges);
    oa__free(&m->mem, tokens);
    return rc;
}
