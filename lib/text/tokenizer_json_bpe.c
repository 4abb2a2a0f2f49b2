/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json: the model "BPE" and the added tokens. */
#include "text/tokenizer_json.h"

static int refuse(const json_t *model, const char *name)
{
    const json_t *v = json_object_get(model, name);
    if (!v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0)) return OA_OK;
    return oa__err(OA_EUNSUPPORTED,
                   "tokenizer.json has a BPE model with %s, which is not known "
                   "here",
                   name);
}

int oa__tj_read_vocab(oa__tokenizer_json *t, const json_t *vocab)
{
    const char *key;
    json_t *id;
    int32_t out;
    if (!json_is_object(vocab))
        return oa__err(OA_EFORMAT, "tokenizer.json: the model's vocab is no object");
    json_object_foreach((json_t *)vocab, key, id)
        OA__TRY(oa__tj_put_token(t, (oa__span){key, strlen(key)}, id, &out));
    return OA_OK;
}

static int bad_merge(size_t i)
{
    return oa__err(OA_EFORMAT, "tokenizer.json: merge %zu is no pair of tokens", i);
}

/* Pairs, joined by a space as GGUF has them, unless a token has a space in it. */
static int join_merges(oa__tokenizer_json *t, const json_t *list)
{
    size_t total = 0, n = json_array_size(list);
    bool spaces = false;
    t->merge_pairs = oa__alloc_array(t->mem, n, 2 * sizeof *t->merge_pairs);
    if (!t->merge_pairs) return OA_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(list, i);
        if (json_array_size(pair) != 2) return bad_merge(i);
        for (size_t k = 0; k < 2; k++) {
            const json_t *part = json_array_get(pair, k);
            if (!json_is_string(part)) return bad_merge(i);
            oa__span s = oa__tj_span(part);
            spaces |= s.len > 0 && memchr(s.data, ' ', s.len);
            t->merge_pairs[2 * i + k] = s;
            total += s.len + 1;
        }
    }
    t->spec.merge_pairs = t->merge_pairs;
    if (spaces) return OA_OK;
    OA__TRY(oa__grow(t->mem, (void **)&t->joined.data, &t->joined.cap, total + 1, 1));
    for (size_t i = 0; i < n; i++) {
        const oa__span *s = &t->merge_pairs[2 * i];
        size_t start = t->joined.len;
        OA__TRY(oa__str_add(&t->joined, s[0].data, s[0].len));
        OA__TRY(oa__str_add_char(&t->joined, ' '));
        OA__TRY(oa__str_add(&t->joined, s[1].data, s[1].len));
        t->merges[i] = (oa__span){t->joined.data + start, t->joined.len - start};
    }
    t->spec.merges = t->merges;
    return OA_OK;
}

static int read_merges(oa__tokenizer_json *t, const json_t *list)
{
    size_t n = json_array_size(list);
    if (list && !json_is_null(list) && !json_is_array(list))
        return oa__err(OA_EFORMAT, "tokenizer.json: the model's merges are no list");
    t->merges = oa__alloc_array(t->mem, n, sizeof *t->merges);
    if (!t->merges) return OA_ENOMEM;
    t->spec.n_merges = n;
    if (n > 0 && json_is_array(json_array_get(list, 0))) return join_merges(t, list);
    for (size_t i = 0; i < n; i++) {
        const json_t *merge = json_array_get(list, i);
        if (!json_is_string(merge)) return bad_merge(i);
        t->merges[i] = oa__tj_span(merge);
    }
    t->spec.merges = t->merges;
    return OA_OK;
}

int oa__tj_read_bpe(oa__tokenizer_json *t, const json_t *model)
{
    oa__pipeline_spec *p = &t->pipeline;
    oa__span unk;
    t->spec.kind = OA__VOCAB_BPE;
    OA__TRY(refuse(model, "dropout"));
    OA__TRY(refuse(model, "continuing_subword_prefix"));
    OA__TRY(refuse(model, "end_of_word_suffix"));
    OA__TRY(oa__tj_bool(model, "the model", "fuse_unk", false, &p->fuse_unk));
    OA__TRY(oa__tj_bool(model, "the model", "byte_fallback", false, &p->byte_fallback));
    OA__TRY(oa__tj_bool(model, "the model", "ignore_merges", false, &p->ignore_merges));
    OA__TRY(oa__tj_str(model, "the model", "unk_token", &unk));
    OA__TRY(oa__tj_read_vocab(t, json_object_get(model, "vocab")));
    OA__TRY(read_merges(t, json_object_get(model, "merges")));
    if (unk.data) {
        t->spec.unk_id = oa__tj_find(t, unk);
        if (t->spec.unk_id >= 0) t->types[t->spec.unk_id] = OA__TOKEN_UNKNOWN;
    }
    if (!p->byte_fallback || p->bytes) return OA_OK;
    for (unsigned b = 0; b < 256; b++) {
        static const char hex[] = "0123456789ABCDEF";
        char name[7] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>', 0};
        const json_t *id = json_object_get(json_object_get(model, "vocab"), name);
        if (id) t->types[json_integer_value(id)] = OA__TOKEN_BYTE; /* checked before */
    }
    return OA_OK;
}

/* --- added tokens ---------------------------------------------------------------------------- */

static int read_added(oa__tokenizer_json *t, const json_t *token, const json_t *vocab)
{
    static const struct {
        const char *name;
        uint8_t flag;
    } flags[] = {{"normalized", OA__ADDED_NORMALIZED},
                 {"lstrip", OA__ADDED_LSTRIP},
                 {"rstrip", OA__ADDED_RSTRIP},
                 {"single_word", OA__ADDED_SINGLE_WORD}};
    const char where[] = "an added token";
    oa__span text;
    bool on;
    int32_t id;
    if (!json_is_object(token))
        return oa__err(OA_EFORMAT, "tokenizer.json: an added token is no object");
    OA__TRY(oa__tj_str(token, where, "content", &text));
    if (!text.data) return oa__err(OA_EFORMAT, "tokenizer.json: an added token has no content");
    /* A token that the model has keeps the model's id. */
    bool nul = strlen(text.data) != text.len; /* keys have none */
    const json_t *known = nul ? NULL : json_object_get(vocab, text.data);
    OA__TRY(oa__tj_put_token(t, text, known ? known : json_object_get(token, "id"), &id));
    unsigned added = OA__ADDED;
    OA__TRY(oa__tj_bool(token, where, "special", false, &on));
    bool special = on;
    for (size_t i = 0; i < OA__ARRAY_LEN(flags); i++) {
        OA__TRY(oa__tj_bool(token, where, flags[i].name, i == 0 && !special, &on));
        if (on) added |= flags[i].flag;
    }
    t->added[id] = (uint8_t)added;
    if (id != t->spec.unk_id) t->types[id] = special ? OA__TOKEN_CONTROL : OA__TOKEN_USER_DEFINED;
    return OA_OK;
}

int oa__tj_read_added(oa__tokenizer_json *t, const json_t *added)
{
    if (!added || json_is_null(added)) return OA_OK;
    if (!json_is_array(added))
        return oa__err(OA_EFORMAT, "tokenizer.json: added_tokens is no list");
    const json_t *vocab = json_object_get(json_object_get(t->root, "model"), "vocab");
    for (size_t i = 0; i < json_array_size(added); i++)
        OA__TRY(read_added(t, json_array_get(added, i), vocab));
    return OA_OK;
}
