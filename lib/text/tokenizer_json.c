/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenizer.json of Hugging Face: from JSON to what a vocabulary is made from.
 *
 * The order of work there, and so here: added tokens that are not "normalized" are cut out of the
 * text, the rest is normalised, added tokens that are "normalized" are cut out, the rest is cut
 * into words by the pre-tokenizer, and each word goes through the model. The post-processor says
 * which tokens stand at both ends.
 */
#include "text/tokenizer_json.h"

#include "text/vocab_priv.h"

enum { JSON_MAX = 1 << 30, MAX_TOKENS = 1 << 24 };

oa__span oa__tj_name_of(const json_t *token)
{
    if (json_is_object(token)) token = json_object_get(token, "content");
    return json_is_string(token) ? oa__tj_span(token) : (oa__span){NULL, 0};
}

const char *oa__tj_type(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    return type ? type : "";
}

bool oa__tj_type_is(const json_t *object, const char *type)
{
    return strcmp(oa__tj_type(object), type) == 0;
}

oa__span oa__tj_span(const json_t *string)
{
    return (oa__span){json_string_value(string), json_string_length(string)};
}

int oa__tj_unsupported(const char *what, const json_t *object)
{
    return oa__err(OA_EUNSUPPORTED, "tokenizer.json has %s \"%.60s\", which is not known here",
                   what, oa__tj_type(object));
}

int oa__tj_bool(const json_t *object, const char *where, const char *name, bool missing, bool *out)
{
    const json_t *v = json_object_get(object, name);
    *out = missing;
    if (!v || json_is_null(v)) return OA_OK;
    if (!json_is_boolean(v))
        return oa__err(OA_EFORMAT, "tokenizer.json: %s of %s is no boolean", name, where);
    *out = json_is_true(v);
    return OA_OK;
}

int oa__tj_str(const json_t *object, const char *where, const char *name, oa__span *out)
{
    const json_t *v = json_object_get(object, name);
    *out = (oa__span){NULL, 0};
    if (!v || json_is_null(v)) return OA_OK;
    if (!json_is_string(v))
        return oa__err(OA_EFORMAT, "tokenizer.json: %s of %s is no string", name, where);
    *out = oa__tj_span(v);
    return OA_OK;
}

static int reserve_tokens(oa__tokenizer_json *t, size_t need)
{
    size_t cap[3] = {t->cap, t->cap, t->cap};
    if (need <= t->cap) return OA_OK;
    OA__TRY(oa__grow(t->mem, (void **)&t->tokens, &cap[0], need, sizeof *t->tokens));
    OA__TRY(oa__grow(t->mem, (void **)&t->types, &cap[1], need, sizeof *t->types));
    OA__TRY(oa__grow(t->mem, (void **)&t->added, &cap[2], need, sizeof *t->added));
    t->cap = cap[0] < cap[1] ? cap[0] : cap[1];
    if (cap[2] < t->cap) t->cap = cap[2];
    return OA_OK;
}

int oa__tj_put_token(oa__tokenizer_json *t, oa__span text, const json_t *id, int32_t *out)
{
    return oa__tj_put_token_at(t, text, json_is_integer(id) ? json_integer_value(id) : -1, out);
}

int oa__tj_put_token_at(oa__tokenizer_json *t, oa__span text, json_int_t i, int32_t *out)
{
    int show = text.len > 40 ? 40 : (int)text.len;
    if (i < 0 || (size_t)i >= t->max_ids)
        return oa__err(OA_EFORMAT, "tokenizer.json: id of token \"%.*s\" is not 0 to %zu", show,
                       text.data, t->max_ids - 1);
    OA__TRY(reserve_tokens(t, (size_t)i + 1));
    if ((size_t)i >= t->spec.n_tokens) t->spec.n_tokens = (size_t)i + 1;
    oa__span *at = &t->tokens[i];
    /* Type 0 is a hole: nothing was put there yet. */
    if (t->types[i] != 0 && (at->len != text.len || memcmp(at->data, text.data, text.len) != 0))
        return oa__err(OA_EFORMAT, "tokenizer.json: tokens \"%.*s\" and \"%.*s\" both have id %d",
                       at->len > 40 ? 40 : (int)at->len, at->data, show, text.data, (int)i);
    *at = text;
    if (t->types[i] == 0) t->types[i] = OA__TOKEN_NORMAL;
    *out = (int32_t)i;
    return OA_OK;
}

int32_t oa__tj_find(const oa__tokenizer_json *t, oa__span text)
{
    for (size_t i = t->spec.n_tokens; i-- > 0;)
        if (t->types[i] != 0 && t->tokens[i].len == text.len &&
            memcmp(t->tokens[i].data, text.data, text.len) == 0)
            return (int32_t)i;
    return -1;
}

/* Unused ids are unused tokens. */
static void fill_holes(oa__tokenizer_json *t)
{
    for (size_t i = 0; i < t->spec.n_tokens; i++) {
        if (t->types[i] != 0) continue;
        t->types[i] = OA__TOKEN_UNUSED;
        t->tokens[i] = (oa__span){"", 0};
    }
}

/* Some ids may be unused, but a short file makes no large tables. */
static void bound_ids(oa__tokenizer_json *t)
{
    const json_t *vocab = json_object_get(json_object_get(t->root, "model"), "vocab");
    size_t n = json_object_size(vocab) + json_array_size(vocab) +
               json_array_size(json_object_get(t->root, "added_tokens"));
    t->max_ids = n < MAX_TOKENS / 2 - 65536 ? 2 * n + 65536 : MAX_TOKENS;
}

static int read_model(oa__tokenizer_json *t, const json_t *model)
{
    if (!json_is_object(model)) return oa__err(OA_EFORMAT, "tokenizer.json has no model");
    /* Files of old leave the type out. */
    bool bpe = oa__tj_type_is(model, "BPE") ||
               (!json_object_get(model, "type") && json_object_get(model, "merges"));
    if (bpe) return oa__tj_read_bpe(t, model);
    if (oa__tj_type_is(model, "Unigram")) return oa__tj_read_unigram(t, model);
    if (oa__tj_type_is(model, "WordPiece")) return oa__tj_read_wordpiece(t, model);
    return oa__tj_unsupported("model", model);
}

static int read_all(oa__tokenizer_json *t, const oa__tokenizer_json_opts *opts)
{
    const json_t *root = t->root;
    oa__pipeline_spec *p = &t->pipeline;
    p->name = "tokenizer.json";
    p->norm = t->norm;
    p->pre = t->pre;
    t->spec.pipeline = p;
    t->spec.bos_id = t->spec.eos_id = t->spec.eot_id = t->spec.unk_id = t->spec.pad_id = -1;
    bound_ids(t);
    OA__TRY(oa__tj_read_normalizer(t, json_object_get(root, "normalizer"), 0));
    OA__TRY(oa__tj_read_pre_tokenizer(t, json_object_get(root, "pre_tokenizer"), 0));
    OA__TRY(read_model(t, json_object_get(root, "model")));
    OA__TRY(oa__tj_read_added(t, json_object_get(root, "added_tokens")));
    fill_holes(t);
    OA__TRY(oa__tj_read_decoder(t, json_object_get(root, "decoder")));
    t->spec.prefix = t->prefix;
    t->spec.suffix = t->suffix;
    t->spec.middle = t->middle;
    OA__TRY(oa__tj_read_post_processor(t, json_object_get(root, "post_processor"), 0));
    OA__TRY(oa__tj_read_config(t, opts));
    t->spec.tokens = t->tokens;
    t->spec.scores = t->scores;
    t->spec.types = t->types;
    t->spec.added = t->added;
    return oa__tj_name(t);
}

static int load(json_t **out, const char *json, size_t len, const char *name)
{
    json_error_t e;
    if (len > JSON_MAX)
        return oa__err(OA_ELIMIT, "%s of %zu bytes, want at most %d", name, len, JSON_MAX);
    *out = json_loadb(json, len, JSON_ALLOW_NUL, &e);
    if (!*out) {
        if (json_error_code(&e) == json_error_out_of_memory) return oa__err_nomem(len);
        return oa__err(OA_EFORMAT, "%s, line %d: %s", name, e.line, e.text);
    }
    if (!json_is_object(*out)) return oa__err(OA_EFORMAT, "%s is no object", name);
    return OA_OK;
}

int oa__tokenizer_json_new(oa__tokenizer_json **out, oa__mem *mem, const char *json, size_t len,
                           const oa__tokenizer_json_opts *opts)
{
    static const oa__tokenizer_json_opts none = OA__TOKENIZER_JSON_OPTS_INIT;
    *out = NULL;
    if (!opts) opts = &none;
    oa__tokenizer_json *t = oa__alloc(mem, sizeof *t);
    int rc;
    if (!t) return OA_ENOMEM;
    t->mem = t->joined.mem = t->charsmap.mem = t->ggml_text.mem = mem;
    /* The JSON library allocates for itself: about this much. */
    size_t size = 0;
    if (oa__mul_size(len, 8, &size)) {
        OA__TRY_GOTO(oa__mem_reserve(mem, size));
        t->reserved = size;
    }
    OA__TRY_GOTO(load(&t->root, json, len, "tokenizer.json"));
    if (opts->config)
        OA__TRY_GOTO(load(&t->config, opts->config, opts->config_len, "tokenizer_config.json"));
    OA__TRY_GOTO(read_all(t, opts));
    *out = t;
    return OA_OK;
fail:
    oa__tokenizer_json_free(t);
    return rc;
}

void oa__tokenizer_json_free(oa__tokenizer_json *t)
{
    if (!t) return;
    json_decref(t->root);
    json_decref(t->config);
    oa__free(t->mem, t->tokens);
    oa__free(t->mem, t->scores);
    oa__free(t->mem, t->exact_scores);
    oa__free(t->mem, t->types);
    oa__free(t->mem, t->added);
    oa__free(t->mem, t->merges);
    oa__free(t->mem, t->merge_pairs);
    oa__free(t->mem, t->ggml_tokens);
    oa__str_free(&t->ggml_text);
    oa__str_free(&t->joined);
    oa__str_free(&t->charsmap);
    if (t->reserved) oa__mem_release(t->mem, t->reserved);
    oa__free(t->mem, t);
}

const oa__vocab_spec *oa__tokenizer_json_spec(const oa__tokenizer_json *t)
{
    return &t->spec;
}

const char *oa__tokenizer_json_ggml(const oa__tokenizer_json *t)
{
    return t->ggml;
}

const oa__vocab_spec *oa__tokenizer_json_ggml_spec(const oa__tokenizer_json *t)
{
    return &t->ggml_spec;
}

int32_t oa__tokenizer_json_named(const oa__tokenizer_json *t, const char *name)
{
    return oa__tj_named(t, name, -1);
}

int oa__tokenizer_json_read(oa__vocab **out, oa__mem *mem, const char *json, size_t len,
                            const oa__tokenizer_json_opts *opts)
{
    oa__tokenizer_json *t;
    *out = NULL;
    OA__TRY(oa__tokenizer_json_new(&t, mem, json, len, opts));
    int rc = oa__vocab_new(out, mem, &t->spec);
    oa__tokenizer_json_free(t);
    return rc;
}
