/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json: normalizer, pre-tokenizer and decoder. */
#include "text/tokenizer_json.h"

enum { DEPTH_MAX = 16 };

static int too_deep(const char *what)
{
    return oa__err(OA_EFORMAT, "tokenizer.json: %s is nested too deep", what);
}

static bool is_nothing(const json_t *object)
{
    return !object || json_is_null(object);
}

/* "pattern": {"String": ...} or {"Regex": ...}, a plain string in files of old. */
static int read_pattern(const json_t *object, const char *where, oa__span *text, bool *regex)
{
    const json_t *pattern = json_object_get(object, "pattern");
    const json_t *r = json_object_get(pattern, "Regex"), *s = json_object_get(pattern, "String");
    if (json_is_string(pattern)) s = pattern;
    *regex = json_is_string(r);
    if (!json_is_string(r) && !json_is_string(s))
        return oa__err(OA_EFORMAT, "tokenizer.json: pattern of %s is no String and no Regex",
                       where);
    *text = oa__tj_span(*regex ? r : s);
    if (text->len == 0)
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json: pattern of %s is empty", where);
    return OA_OK;
}

/* --- normalizer ------------------------------------------------------------------------------ */

static int add_norm(oa__tokenizer_json *t, oa__norm_spec step)
{
    if (t->pipeline.n_norm == OA__NORM_MAX)
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json has over %d normalizers", OA__NORM_MAX);
    t->norm[t->pipeline.n_norm++] = step;
    return OA_OK;
}

static int add_norm_kind(oa__tokenizer_json *t, enum oa__norm_kind kind)
{
    return add_norm(t, (oa__norm_spec){.kind = kind});
}

static int read_bert(oa__tokenizer_json *t, const json_t *object)
{
    const char where[] = "BertNormalizer";
    bool clean, chinese, lower, accents;
    OA__TRY(oa__tj_bool(object, where, "clean_text", true, &clean));
    OA__TRY(oa__tj_bool(object, where, "handle_chinese_chars", true, &chinese));
    OA__TRY(oa__tj_bool(object, where, "lowercase", true, &lower));
    OA__TRY(oa__tj_bool(object, where, "strip_accents", lower, &accents));
    if (clean) OA__TRY(add_norm_kind(t, OA__NORM_BERT_CLEAN));
    if (chinese) OA__TRY(add_norm_kind(t, OA__NORM_BERT_CHINESE));
    if (accents) {
        OA__TRY(add_norm_kind(t, OA__NORM_NFD));
        OA__TRY(add_norm_kind(t, OA__NORM_BERT_ACCENTS));
    }
    return lower ? add_norm_kind(t, OA__NORM_LOWERCASE) : OA_OK;
}

static int read_strip(oa__tokenizer_json *t, const json_t *object)
{
    bool left, right;
    OA__TRY(oa__tj_bool(object, "Strip", "strip_left", true, &left));
    OA__TRY(oa__tj_bool(object, "Strip", "strip_right", true, &right));
    return add_norm(
        t, (oa__norm_spec){.kind = OA__NORM_STRIP,
                           .flags = (left ? OA__STRIP_LEFT : 0) | (right ? OA__STRIP_RIGHT : 0)});
}

static int read_replace(oa__tokenizer_json *t, const json_t *object)
{
    oa__norm_spec step = {.kind = OA__NORM_REPLACE};
    bool regex;
    OA__TRY(read_pattern(object, "Replace", &step.text, &regex));
    OA__TRY(oa__tj_str(object, "Replace", "content", &step.with));
    if (regex) step.kind = OA__NORM_REPLACE_REGEX;
    return add_norm(t, step);
}

int oa__tj_read_normalizer(oa__tokenizer_json *t, const json_t *object, unsigned depth)
{
    static const struct {
        const char *type;
        enum oa__norm_kind kind;
    } plain[] = {{"NFC", OA__NORM_NFC},
                 {"NFD", OA__NORM_NFD},
                 {"NFKC", OA__NORM_NFKC},
                 {"NFKD", OA__NORM_NFKD},
                 {"Lowercase", OA__NORM_LOWERCASE},
                 {"StripAccents", OA__NORM_STRIP_ACCENTS}};
    if (is_nothing(object)) return OA_OK;
    if (depth == DEPTH_MAX) return too_deep("normalizer");
    for (size_t i = 0; i < OA__ARRAY_LEN(plain); i++)
        if (oa__tj_type_is(object, plain[i].type)) return add_norm_kind(t, plain[i].kind);
    if (oa__tj_type_is(object, "Sequence")) {
        const json_t *list = json_object_get(object, "normalizers");
        for (size_t i = 0; i < json_array_size(list); i++)
            OA__TRY(oa__tj_read_normalizer(t, json_array_get(list, i), depth + 1));
        return OA_OK;
    }
    if (oa__tj_type_is(object, "Prepend")) {
        oa__norm_spec step = {.kind = OA__NORM_PREPEND};
        OA__TRY(oa__tj_str(object, "Prepend", "prepend", &step.text));
        return add_norm(t, step);
    }
    if (oa__tj_type_is(object, "Precompiled")) {
        oa__norm_spec step;
        OA__TRY(oa__tj_read_charsmap(t, object, &step));
        return add_norm(t, step);
    }
    if (oa__tj_type_is(object, "Replace")) return read_replace(t, object);
    if (oa__tj_type_is(object, "Strip")) return read_strip(t, object);
    if (oa__tj_type_is(object, "BertNormalizer")) return read_bert(t, object);
    return oa__tj_unsupported("normalizer", object);
}

/* --- pre-tokenizer --------------------------------------------------------------------------- */

static int add_pre(oa__tokenizer_json *t, oa__pre_spec step)
{
    if (t->pipeline.n_pre == OA__PRE_MAX)
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json has over %d pre-tokenizers", OA__PRE_MAX);
    t->pre[t->pipeline.n_pre++] = step;
    return OA_OK;
}

static int add_regex(oa__tokenizer_json *t, const char *regex, enum oa__split split, unsigned flags)
{
    return add_pre(t, (oa__pre_spec){.kind = OA__PRE_REGEX,
                                     .split = split,
                                     .text = {regex, strlen(regex)},
                                     .flags = flags});
}

static int read_byte_level(oa__tokenizer_json *t, const json_t *object)
{
    bool prefix, regex;
    OA__TRY(oa__tj_bool(object, "ByteLevel", "add_prefix_space", true, &prefix));
    OA__TRY(oa__tj_bool(object, "ByteLevel", "use_regex", true, &regex));
    if (t->pipeline.bytes)
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json has two ByteLevel pre-tokenizers");
    if (prefix) OA__TRY(add_pre(t, (oa__pre_spec){.kind = OA__PRE_PREFIX_SPACE}));
    if (regex) OA__TRY(add_regex(t, OA__REGEX_GPT2, OA__SPLIT_ISOLATED, 0));
    t->pipeline.bytes = true;
    return add_pre(t, (oa__pre_spec){.kind = OA__PRE_BYTES});
}

static int read_behavior(const json_t *object, const char *where, enum oa__split missing,
                         enum oa__split *out)
{
    static const char *const names[] = {
        [OA__SPLIT_ISOLATED] = "Isolated",           [OA__SPLIT_REMOVED] = "Removed",
        [OA__SPLIT_PREVIOUS] = "MergedWithPrevious", [OA__SPLIT_NEXT] = "MergedWithNext",
        [OA__SPLIT_CONTIGUOUS] = "Contiguous",
    };
    oa__span name;
    OA__TRY(oa__tj_str(object, where, "behavior", &name));
    *out = missing;
    if (!name.data) return OA_OK;
    for (size_t i = 0; i < OA__ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name.data) != 0) continue;
        *out = (enum oa__split)i;
        return OA_OK;
    }
    return oa__err(OA_EUNSUPPORTED, "tokenizer.json: %s has behavior \"%.40s\"", where, name.data);
}

static int read_split(oa__tokenizer_json *t, const json_t *object)
{
    oa__pre_spec step = {0};
    bool regex, invert;
    OA__TRY(read_pattern(object, "Split", &step.text, &regex));
    OA__TRY(oa__tj_bool(object, "Split", "invert", false, &invert));
    OA__TRY(read_behavior(object, "Split", OA__SPLIT_ISOLATED, &step.split));
    step.kind = regex ? OA__PRE_REGEX : OA__PRE_STRING;
    if (invert) step.flags = OA__PRE_INVERT;
    return add_pre(t, step);
}

static int read_metaspace(oa__tokenizer_json *t, const json_t *object)
{
    oa__pre_spec step = {.kind = OA__PRE_METASPACE};
    oa__span scheme;
    bool prefix, cut;
    OA__TRY(oa__tj_str(object, "Metaspace", "replacement", &step.text));
    OA__TRY(oa__tj_str(object, "Metaspace", "prepend_scheme", &scheme));
    OA__TRY(oa__tj_bool(object, "Metaspace", "add_prefix_space", true, &prefix));
    OA__TRY(oa__tj_bool(object, "Metaspace", "split", true, &cut));
    if (!step.text.data) step.text = (oa__span){"\xE2\x96\x81", 3};
    const char *s = scheme.data ? scheme.data : prefix ? "always" : "never";
    if (strcmp(s, "always") == 0) {
        step.flags = OA__PRE_PREPEND_ALWAYS;
    } else if (strcmp(s, "first") == 0) {
        step.flags = OA__PRE_PREPEND_FIRST;
    } else if (strcmp(s, "never") != 0) {
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json: Metaspace has prepend_scheme \"%.40s\"",
                       s);
    }
    if (cut) step.flags |= OA__PRE_CUT;
    return add_pre(t, step);
}

static int read_other_pre(oa__tokenizer_json *t, const json_t *object)
{
    enum oa__split split;
    bool on;
    if (oa__tj_type_is(object, "Digits")) {
        OA__TRY(oa__tj_bool(object, "Digits", "individual_digits", false, &on));
        return add_regex(t, OA__REGEX_DIGIT, on ? OA__SPLIT_ISOLATED : OA__SPLIT_CONTIGUOUS, 0);
    }
    if (oa__tj_type_is(object, "Punctuation")) {
        OA__TRY(read_behavior(object, "Punctuation", OA__SPLIT_ISOLATED, &split));
        return add_regex(t, OA__REGEX_PUNCTUATION, split, 0);
    }
    if (oa__tj_type_is(object, "Whitespace"))
        return add_regex(t, "\\w+|[^\\w\\s]+", OA__SPLIT_REMOVED, OA__PRE_INVERT);
    if (oa__tj_type_is(object, "WhitespaceSplit")) return add_regex(t, "\\s", OA__SPLIT_REMOVED, 0);
    if (oa__tj_type_is(object, "BertPreTokenizer")) {
        OA__TRY(add_regex(t, "\\s", OA__SPLIT_REMOVED, 0));
        return add_regex(t, OA__REGEX_PUNCTUATION, OA__SPLIT_ISOLATED, 0);
    }
    if (oa__tj_type_is(object, "CharDelimiterSplit")) {
        oa__pre_spec step = {.kind = OA__PRE_STRING, .split = OA__SPLIT_REMOVED};
        OA__TRY(oa__tj_str(object, "CharDelimiterSplit", "delimiter", &step.text));
        if (step.text.len == 0)
            return oa__err(OA_EFORMAT, "tokenizer.json: CharDelimiterSplit has no delimiter");
        return add_pre(t, step);
    }
    return oa__tj_unsupported("pre-tokenizer", object);
}

int oa__tj_read_pre_tokenizer(oa__tokenizer_json *t, const json_t *object, unsigned depth)
{
    if (is_nothing(object)) return OA_OK;
    if (depth == DEPTH_MAX) return too_deep("pre_tokenizer");
    if (oa__tj_type_is(object, "Sequence")) {
        const json_t *list = json_object_get(object, "pretokenizers");
        for (size_t i = 0; i < json_array_size(list); i++)
            OA__TRY(oa__tj_read_pre_tokenizer(t, json_array_get(list, i), depth + 1));
        return OA_OK;
    }
    if (oa__tj_type_is(object, "ByteLevel")) return read_byte_level(t, object);
    if (oa__tj_type_is(object, "Split")) return read_split(t, object);
    if (oa__tj_type_is(object, "Metaspace")) return read_metaspace(t, object);
    return read_other_pre(t, object);
}

/* --- decoder --------------------------------------------------------------------------------- */

static int read_decoder_step(oa__tokenizer_json *t, const json_t *object)
{
    oa__pipeline_spec *p = &t->pipeline;
    oa__span text, with;
    bool regex, prefix;
    if (oa__tj_type_is(object, "ByteLevel")) {
        if (!p->bytes)
            return oa__err(OA_EUNSUPPORTED, "tokenizer.json decodes with ByteLevel what was not "
                                            "encoded so");
        return OA_OK;
    }
    if (oa__tj_type_is(object, "WordPiece") && t->spec.kind == OA__VOCAB_WPM)
        return oa__tj_bool(object, "the decoder", "cleanup", true, &t->spec.tidy);
    if (oa__tj_type_is(object, "ByteFallback") || oa__tj_type_is(object, "Fuse")) return OA_OK;
    if (oa__tj_type_is(object, "Metaspace")) {
        OA__TRY(oa__tj_str(object, "Metaspace", "prepend_scheme", &text));
        OA__TRY(oa__tj_bool(object, "Metaspace", "add_prefix_space", true, &prefix));
        p->marks = true;
        p->strip = oa__tj_is(text, "never") || (!text.data && !prefix) ? 0 : 1;
        OA__TRY(oa__tj_str(object, "Metaspace", "replacement", &text));
        if (!text.data || oa__tj_is(text, "\xE2\x96\x81")) return OA_OK;
    } else if (oa__tj_type_is(object, "Replace")) {
        OA__TRY(read_pattern(object, "Replace", &text, &regex));
        OA__TRY(oa__tj_str(object, "Replace", "content", &with));
        p->marks = true;
        if (!regex && oa__tj_is(text, "\xE2\x96\x81") && oa__tj_is(with, " ")) return OA_OK;
    } else if (oa__tj_type_is(object, "Strip")) {
        OA__TRY(oa__tj_str(object, "Strip", "content", &text));
        json_int_t start = json_integer_value(json_object_get(object, "start"));
        json_int_t stop = json_integer_value(json_object_get(object, "stop"));
        p->strip = start > 0 ? 1 : 0;
        if (oa__tj_is(text, " ") && start >= 0 && start <= 1 && stop == 0) return OA_OK;
    }
    return oa__tj_unsupported("decoder", object);
}

int oa__tj_read_decoder(oa__tokenizer_json *t, const json_t *object)
{
    if (is_nothing(object)) return OA_OK;
    if (!oa__tj_type_is(object, "Sequence")) return read_decoder_step(t, object);
    const json_t *list = json_object_get(object, "decoders");
    for (size_t i = 0; i < json_array_size(list); i++)
        OA__TRY(read_decoder_step(t, json_array_get(list, i)));
    return OA_OK;
}
