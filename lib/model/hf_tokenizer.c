/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokenizer of a folder: its files as they are, under keys of ours, and as much of them as
 * GGUF's own keys can say, for other readers. Ids that end a generation, and the chat template.
 */
#include "model/hf.h"

#include <stdio.h>
#include <string.h>

#include "model/vocab_fit.h"

enum { MAX_JSON = 256 << 20, MAX_CONFIG = 16 << 20, MAX_TEMPLATE = 1 << 20, MAX_ENDS = 16 };

/* A file of the folder; *out NULL when there is none. */
static int read_text(oa__hf *h, const char *name, size_t max, char **out, size_t *len)
{
    oa__str path = {.mem = h->mem};
    int rc = oa__str_addf(&path, "%s/%s", h->folder, name);
    *out = NULL;
    *len = 0;
    if (rc == OA_OK) rc = oa__file_read(h->mem, path.data, max, out, len);
    oa__str_free(&path);
    return rc == OA_ENOTFOUND ? OA_OK : rc;
}

/* --- ids
 * -------------------------------------------------------------------------------------------- */

typedef struct ends {
    int32_t ids[MAX_ENDS];
    size_t n;
} ends;

static int add_end(ends *e, const json_t *v, uint32_t n_vocab)
{
    if (!json_is_integer(v)) {
        return oa__err(OA_EFORMAT, "config: eos_token_id is no whole number and no list of them");
    }
    const json_int_t id = json_integer_value(v);
    if (id < 0 || id >= (json_int_t)n_vocab) return OA_OK; /* defaults of another vocabulary */
    for (size_t i = 0; i < e->n; i++) {
        if (e->ids[i] == id) return OA_OK;
    }
    if (e->n == MAX_ENDS) {
        return oa__err(OA_EUNSUPPORTED, "config: more than %d ids in eos_token_id", MAX_ENDS);
    }
    e->ids[e->n++] = (int32_t)id;
    return OA_OK;
}

/* generation_config.json is asked first, as transformers does. */
static const json_t *special(const oa__hf *h, const char *name)
{
    const json_t *v = oa__hf_get(h->generation, name);
    return v != NULL ? v : oa__hf_get(h->config, name);
}

static int read_ends(const oa__hf *h, ends *e)
{
    const json_t *v = special(h, "eos_token_id");
    e->n = 0;
    if (v == NULL) return OA_OK;
    if (!json_is_array(v)) return add_end(e, v, h->n_vocab);
    for (size_t i = 0; i < json_array_size(v); i++)
        OA__TRY(add_end(e, json_array_get(v, i), h->n_vocab));
    return OA_OK;
}

static int32_t special_id(const oa__hf *h, const char *name)
{
    const json_t *v = special(h, name);
    const json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    return id >= 0 && id < (json_int_t)h->n_vocab ? (int32_t)id : -1;
}

static int write_id(oa__hf *h, const char *key, int32_t id)
{
    return id >= 0 ? oa__gguf_writer_u32(h->w, key, (uint32_t)id) : OA_OK;
}

static int write_ids(oa__hf *h, const oa__vocab_spec *s, const ends *e)
{
    static const char *const more[] = {"tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    size_t n_more = 0;
    OA__TRY(write_id(h, "tokenizer.ggml.bos_token_id", s->bos_id));
    OA__TRY(write_id(h, "tokenizer.ggml.eos_token_id", s->eos_id));
    OA__TRY(write_id(h, "tokenizer.ggml.unknown_token_id", s->unk_id));
    OA__TRY(write_id(h, "tokenizer.ggml.padding_token_id", s->pad_id));
    if (s->kind == OA__VOCAB_WPM && s->n_suffix == 1) {
        OA__TRY(write_id(h, "tokenizer.ggml.seperator_token_id", s->suffix[0])); /* spelled so */
    }
    OA__TRY(oa__gguf_writer_bool(h->w, "tokenizer.ggml.add_bos_token", s->add_bos));
    OA__TRY(oa__gguf_writer_bool(h->w, "tokenizer.ggml.add_eos_token", s->add_eos));
    for (size_t i = 0; i < e->n && n_more < OA__ARRAY_LEN(more); i++) {
        if (e->ids[i] != s->eos_id) OA__TRY(write_id(h, more[n_more++], e->ids[i]));
    }
    if (e->n == 0) return OA_OK;
    return oa__gguf_writer_array(h->w, "tokenizer.end_token_ids", OA__GGUF_I32, e->ids, e->n);
}

/* --- GGUF's own keys
 * ---------------------------------------------------------------------------------- */

static int write_spans(oa__hf *h, const char *key, const oa__span *spans, size_t n)
{
    int rc = OA_ENOMEM;
    const char **texts = oa__alloc_array(h->mem, n, sizeof *texts);
    size_t *lens = oa__alloc_array(h->mem, n, sizeof *lens);
    if (texts == NULL || lens == NULL) goto fail;
    for (size_t i = 0; i < n; i++) {
        texts[i] = spans[i].data;
        lens[i] = spans[i].len;
    }
    rc = oa__gguf_writer_strings(h->w, key, texts, lens, n);
fail:
    oa__free(h->mem, lens);
    oa__free(h->mem, texts);
    return rc;
}

static int write_vocab(oa__hf *h, const oa__vocab_spec *s, const char *model)
{
    const char *pre = s->pattern ? s->pattern : "default";
    OA__TRY(oa__gguf_writer_str(h->w, "tokenizer.ggml.model", model, strlen(model)));
    OA__TRY(oa__gguf_writer_str(h->w, "tokenizer.ggml.pre", pre, strlen(pre)));
    OA__TRY(write_spans(h, "tokenizer.ggml.tokens", s->tokens, s->n_tokens));
    if (s->types != NULL) {
        OA__TRY(oa__gguf_writer_array(h->w, "tokenizer.ggml.token_type", OA__GGUF_I32, s->types,
                                      s->n_tokens));
    }
    if (s->scores != NULL) {
        OA__TRY(oa__gguf_writer_array(h->w, "tokenizer.ggml.scores", OA__GGUF_F32, s->scores,
                                      s->n_tokens));
    }
    if (s->merges != NULL && strcmp(model, "gpt2") == 0) {
        OA__TRY(write_spans(h, "tokenizer.ggml.merges", s->merges, s->n_merges));
    }
    if (s->kind == OA__VOCAB_UGM) {
        OA__TRY(oa__gguf_writer_bool(h->w, "tokenizer.ggml.remove_extra_whitespaces",
                                     s->remove_extra_spaces));
    }
    if (s->charsmap_size > 0) {
        OA__TRY(oa__gguf_writer_array(h->w, "tokenizer.ggml.precompiled_charsmap", OA__GGUF_U8,
                                      s->charsmap, s->charsmap_size));
    }
    if (s->kind == OA__VOCAB_WPM) {
        OA__TRY(oa__gguf_writer_bool(h->w, "tokenizer.ggml.normalizer.lowercase", !s->keep_case));
        OA__TRY(oa__gguf_writer_bool(h->w, "tokenizer.ggml.normalizer.strip_accents",
                                     !s->keep_accents));
    }
    return oa__gguf_writer_bool(h->w, "tokenizer.ggml.add_space_prefix", s->add_space_prefix);
}

/* --- the chat template
 * --------------------------------------------------------------------------------- */

/* A list of templates has names; the one called default counts. */
static const json_t *pick_template(const json_t *v)
{
    if (!json_is_array(v)) return v;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name != NULL && strcmp(name, "default") == 0) return json_object_get(one, "template");
    }
    return NULL;
}

static int write_template(oa__hf *h)
{
    json_t *config = NULL;
    char *text;
    size_t len;
    OA__TRY(read_text(h, "chat_template.jinja", MAX_TEMPLATE, &text, &len));
    int rc = OA_OK;
    if (text != NULL) {
        rc = oa__gguf_writer_str(h->w, "tokenizer.chat_template", text, len);
    } else {
        rc = oa__hf_read_json(h, "tokenizer_config.json", &config);
        if (rc == OA_ENOTFOUND) rc = OA_OK;
        const json_t *v = pick_template(oa__hf_get(config, "chat_template"));
        if (rc == OA_OK && json_is_string(v)) {
            rc = oa__gguf_writer_str(h->w, "tokenizer.chat_template", json_string_value(v),
                                     json_string_length(v));
        }
    }
    json_decref(config);
    oa__free(h->mem, text);
    return rc;
}

static int32_t named(const oa__tokenizer_json *t, const oa__vocab_spec *s, const char *name)
{
    const int32_t id = oa__tokenizer_json_named(t, name);
    return id >= 0 && (size_t)id < s->n_tokens ? id : -1;
}

int oa__hf_tokenizer(oa__hf *h)
{
    oa__vocab_fit fit = {.mem = h->mem};
    oa__tokenizer_json *t = NULL;
    char *json = NULL, *config = NULL;
    size_t json_len, config_len;
    ends e;
    int rc;
    OA__TRY_GOTO(read_text(h, "tokenizer.json", MAX_JSON, &json, &json_len));
    OA__TRY_GOTO(read_text(h, "tokenizer_config.json", MAX_CONFIG, &config, &config_len));
    if (json == NULL) {
        rc = oa__err(OA_EFORMAT, "folder has no tokenizer.json");
        goto fail;
    }
    OA__TRY_GOTO(read_ends(h, &e));
    const oa__tokenizer_json_opts opts = {config, config_len, special_id(h, "bos_token_id"),
                                          e.n > 0 ? e.ids[0] : -1, special_id(h, "pad_token_id")};
    OA__TRY_GOTO(oa__tokenizer_json_new(&t, h->mem, json, json_len, &opts));
    oa__vocab_spec spec = *oa__tokenizer_json_ggml_spec(t);
    OA__TRY_GOTO(oa__vocab_fit_to(&fit, &spec, h->n_vocab));
    const char *model = oa__tokenizer_json_ggml(t);
    if (model != NULL) OA__TRY_GOTO(write_vocab(h, &spec, model));
    OA__TRY_GOTO(write_ids(h, &spec, &e));
    OA__TRY_GOTO(write_id(h, "tokenizer.ggml.cls_token_id", named(t, &spec, "cls_token")));
    OA__TRY_GOTO(write_id(h, "tokenizer.ggml.mask_token_id", named(t, &spec, "mask_token")));
    OA__TRY_GOTO(oa__gguf_writer_str(h->w, "tokenizer.huggingface.json", json, json_len));
    if (config != NULL) {
        OA__TRY_GOTO(oa__gguf_writer_str(h->w, "tokenizer.huggingface.config", config, config_len));
    }
    rc = write_template(h);
fail:
    oa__vocab_fit_free(&fit);
    oa__tokenizer_json_free(t);
    oa__free(h->mem, config);
    oa__free(h->mem, json);
    return rc;
}
