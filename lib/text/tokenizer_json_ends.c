/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json: which tokens stand at both ends of a text, and which ids have a meaning. */
#include <string.h>

#include "text/pretoken.h"
#include "text/tokenizer_json.h"

enum { DEPTH_MAX = 16 };

enum place { FRONT, MIDDLE, END };

static int add_end(oa__tokenizer_json *t, enum place place, int32_t id)
{
    int32_t *list = place == FRONT ? t->prefix : place == MIDDLE ? t->middle : t->suffix;
    size_t *n = place == FRONT    ? &t->spec.n_prefix
                : place == MIDDLE ? &t->spec.n_middle
                                  : &t->spec.n_suffix;
    if (id < 0 || (size_t)id >= t->spec.n_tokens)
        return oa__err(OA_EFORMAT, "tokenizer.json: post_processor adds a token that is none");
    if (*n == OA__TOKENIZER_ENDS_MAX)
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json: post_processor adds over %d tokens",
                       OA__TOKENIZER_ENDS_MAX);
    list[(*n)++] = id;
    return OA_OK;
}

/* One token of a template: the ids that special_tokens says its name stands for. */
static const json_t *special_ids(const json_t *object, const json_t *special)
{
    const json_t *all = json_object_get(object, "special_tokens");
    const json_t *name = json_object_get(special, "id");
    const json_t *entry =
        json_is_string(name) ? json_object_get(all, json_string_value(name)) : NULL;
    return json_object_get(entry, "ids");
}

static int add_special(oa__tokenizer_json *t, const json_t *object, const json_t *special,
                       enum place place)
{
    const json_t *ids = special_ids(object, special);
    if (json_array_size(ids) == 0)
        return oa__err(OA_EFORMAT, "tokenizer.json: post_processor adds a token without ids");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        OA__TRY(add_end(t, place, value >= 0 && value <= INT32_MAX ? (int32_t)value : -1));
    }
    return OA_OK;
}

/* Whether the tokens of a template's piece are those that stand at a place, from *at on. */
static bool has_special(const int32_t *list, size_t n, size_t *at, const json_t *ids)
{
    for (size_t i = 0; i < json_array_size(ids); i++, (*at)++) {
        if (*at == n || json_integer_value(json_array_get(ids, i)) != list[*at]) return false;
    }
    return json_array_size(ids) > 0;
}

/* Two texts: between the ends that a single one has, and the segments in ascending order. A
 * template of another form is none: few models are asked about pairs. */
static int read_pair_template(oa__tokenizer_json *t, const json_t *object)
{
    const json_t *pair = json_object_get(object, "pair");
    enum place place = FRONT;
    size_t n_front = 0, n_end = 0;
    json_int_t segment = 0;
    t->spec.no_pair = true;
    for (size_t i = 0; i < json_array_size(pair); i++) {
        const json_t *piece = json_array_get(pair, i);
        const json_t *special = json_object_get(piece, "SpecialToken");
        const json_t *text = json_object_get(piece, "Sequence");
        const char *name = json_string_value(json_object_get(text, "id"));
        const json_int_t type =
            json_integer_value(json_object_get(special ? special : text, "type_id"));
        if (type < segment || type > 1 || (type == 1 && place == FRONT)) return OA_OK;
        if (place == END && type != segment) return OA_OK;
        segment = type;
        if (!special) {
            if (!name || place == END || strcmp(name, place == FRONT ? "A" : "B") != 0)
                return OA_OK;
            place = place == FRONT ? MIDDLE : END;
            continue;
        }
        const json_t *ids = special_ids(object, special);
        if (place == MIDDLE) {
            if (add_special(t, object, special, MIDDLE) < 0) return OA_OK;
            if (type == 0) t->spec.n_middle_first = t->spec.n_middle;
        } else if (place == FRONT ? !has_special(t->prefix, t->spec.n_prefix, &n_front, ids)
                                  : !has_special(t->suffix, t->spec.n_suffix, &n_end, ids)) {
            return OA_OK;
        }
    }
    t->spec.one_segment = segment == 0;
    t->spec.no_pair = place != END || n_front != t->spec.n_prefix || n_end != t->spec.n_suffix;
    return OA_OK;
}

static int read_template(oa__tokenizer_json *t, const json_t *object)
{
    const json_t *single = json_object_get(object, "single");
    bool seen = false;
    if (!json_is_array(single))
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json: TemplateProcessing without a list of "
                                        "pieces");
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *piece = json_array_get(single, i);
        const json_t *special = json_object_get(piece, "SpecialToken");
        if (special) {
            OA__TRY(add_special(t, object, special, seen ? END : FRONT));
        } else if (json_object_get(piece, "Sequence") && !seen) {
            seen = true;
        } else {
            return oa__err(OA_EUNSUPPORTED, "tokenizer.json: TemplateProcessing of other than one "
                                            "text");
        }
    }
    if (!seen)
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json: TemplateProcessing leaves the text out");
    return read_pair_template(t, object);
}

/* "sep": ["</s>", 2] */
static int read_pair(oa__tokenizer_json *t, const json_t *object, const char *name,
                     enum place place)
{
    const json_t *id = json_array_get(json_object_get(object, name), 1);
    json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
    return add_end(t, place, value >= 0 && value <= INT32_MAX ? (int32_t)value : -1);
}

int oa__tj_read_post_processor(oa__tokenizer_json *t, const json_t *object, unsigned depth)
{
    if (!object || json_is_null(object) || oa__tj_type_is(object, "ByteLevel")) return OA_OK;
    if (depth == DEPTH_MAX)
        return oa__err(OA_EFORMAT, "tokenizer.json: post_processor is nested too deep");
    if (oa__tj_type_is(object, "Sequence")) {
        const json_t *list = json_object_get(object, "processors");
        for (size_t i = 0; i < json_array_size(list); i++)
            OA__TRY(oa__tj_read_post_processor(t, json_array_get(list, i), depth + 1));
        return OA_OK;
    }
    if (oa__tj_type_is(object, "TemplateProcessing")) return read_template(t, object);
    const bool roberta = oa__tj_type_is(object, "RobertaProcessing");
    if (roberta || oa__tj_type_is(object, "BertProcessing")) {
        OA__TRY(read_pair(t, object, "cls", FRONT));
        OA__TRY(read_pair(t, object, "sep", MIDDLE));
        if (roberta) OA__TRY(read_pair(t, object, "sep", MIDDLE));
        t->spec.n_middle_first = t->spec.n_middle;
        t->spec.one_segment = roberta;
        return read_pair(t, object, "sep", END);
    }
    return oa__tj_unsupported("post-processor", object);
}

/* --- tokenizer_config.json ------------------------------------------------------------------- */

int32_t oa__tj_named(const oa__tokenizer_json *t, const char *name, int32_t otherwise)
{
    oa__span text = oa__tj_name_of(json_object_get(t->config, name));
    int32_t id = text.data ? oa__tj_find(t, text) : otherwise;
    return id >= 0 && (size_t)id < t->spec.n_tokens ? id : -1;
}

int oa__tj_read_config(oa__tokenizer_json *t, const oa__tokenizer_json_opts *opts)
{
    oa__vocab_spec *s = &t->spec;
    bool bos, eos;
    s->bos_id = oa__tj_named(t, "bos_token", opts->bos_id);
    s->eos_id = oa__tj_named(t, "eos_token", opts->eos_id);
    s->pad_id = oa__tj_named(t, "pad_token", opts->pad_id);
    if (s->unk_id < 0) s->unk_id = oa__tj_named(t, "unk_token", -1);
    OA__TRY(oa__tj_bool(t->config, "tokenizer_config.json", "add_bos_token", false, &bos));
    OA__TRY(oa__tj_bool(t->config, "tokenizer_config.json", "add_eos_token", false, &eos));
    /* When the configuration says either, the post-processor is not asked, as in transformers. */
    if (json_object_get(t->config, "add_bos_token") ||
        json_object_get(t->config, "add_eos_token")) {
        s->n_prefix = s->n_suffix = s->n_middle = s->n_middle_first = 0;
        s->one_segment = s->no_pair = false;
        if (bos && s->bos_id >= 0) OA__TRY(add_end(t, FRONT, s->bos_id));
        if (eos && s->eos_id >= 0) {
            OA__TRY(add_end(t, END, s->eos_id));
            OA__TRY(add_end(t, MIDDLE, s->eos_id));
        }
        s->n_middle_first = s->n_middle;
        if (bos && s->bos_id >= 0) OA__TRY(add_end(t, MIDDLE, s->bos_id));
    }
    s->add_bos = s->n_prefix > 0 && s->prefix[0] == s->bos_id;
    s->add_eos = s->n_suffix > 0 && s->suffix[s->n_suffix - 1] == s->eos_id;
    return OA_OK;
}

int oa__tj_name(oa__tokenizer_json *t)
{
    const bool merges = t->spec.kind == OA__VOCAB_BPE && t->spec.merges;
    if (merges && t->pipeline.bytes) {
        t->spec.pattern = oa__pipeline_name_of(&t->pipeline);
        if (t->spec.pattern) t->ggml = "gpt2";
    } else if (merges) {
        OA__TRY(oa__tj_name_spm(t));
    }
    return oa__tj_name_ggml(t);
}
