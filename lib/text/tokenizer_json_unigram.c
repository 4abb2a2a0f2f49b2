/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json: the models "Unigram" and "WordPiece", and the character map in base64. */
#include <math.h>

#include "text/tokenizer_json.h"

/* --- Unigram --------------------------------------------------------------------------------- */

/* Scores of all ids that there may be; tokens that the model does not have get none: NaN. */
static int make_scores(oa__tokenizer_json *t)
{
    t->exact_scores = oa__alloc_array(t->mem, t->max_ids, sizeof *t->exact_scores);
    t->scores = oa__alloc_array(t->mem, t->max_ids, sizeof *t->scores);
    if (!t->exact_scores || !t->scores) return OA_ENOMEM;
    for (size_t i = 0; i < t->max_ids; i++)
        t->exact_scores[i] = NAN;
    t->spec.exact_scores = t->exact_scores;
    return OA_OK;
}

static int read_piece(oa__tokenizer_json *t, const json_t *piece, size_t i)
{
    const json_t *text = json_array_get(piece, 0), *score = json_array_get(piece, 1);
    int32_t id;
    if (!json_is_string(text) || !json_is_number(score) || json_array_size(piece) != 2)
        return oa__err(OA_EFORMAT, "tokenizer.json: entry %zu of vocab is no text with a score", i);
    OA__TRY(oa__tj_put_token_at(t, oa__tj_span(text), (json_int_t)i, &id));
    t->exact_scores[id] = json_number_value(score);
    t->scores[id] = (float)t->exact_scores[id];
    return OA_OK;
}

/* Tokens of bytes, where unknown characters are written so. */
static void mark_bytes(oa__tokenizer_json *t)
{
    for (size_t i = 0; i < t->spec.n_tokens; i++) {
        const oa__span s = t->tokens[i];
        if (s.len != 6 || memcmp(s.data, "<0x", 3) != 0 || s.data[5] != '>') continue;
        bool hex = true;
        for (size_t k = 3; k < 5; k++)
            hex &= (s.data[k] >= '0' && s.data[k] <= '9') || (s.data[k] >= 'A' && s.data[k] <= 'F');
        if (hex) t->types[i] = OA__TOKEN_BYTE;
    }
}

int oa__tj_read_unigram(oa__tokenizer_json *t, const json_t *model)
{
    const json_t *vocab = json_object_get(model, "vocab"), *unk = json_object_get(model, "unk_id");
    bool bytes;
    t->spec.kind = OA__VOCAB_UGM;
    if (!json_is_array(vocab))
        return oa__err(OA_EFORMAT, "tokenizer.json: the model's vocab is no list");
    OA__TRY(oa__tj_bool(model, "the model", "byte_fallback", false, &bytes));
    OA__TRY(make_scores(t));
    for (size_t i = 0; i < json_array_size(vocab); i++)
        OA__TRY(read_piece(t, json_array_get(vocab, i), i));
    if (bytes) mark_bytes(t);
    if (!unk || json_is_null(unk)) return OA_OK;
    json_int_t id = json_is_integer(unk) ? json_integer_value(unk) : -1;
    if (id < 0 || (size_t)id >= t->spec.n_tokens)
        return oa__err(OA_EFORMAT, "tokenizer.json: unk_id is no id of the %zu tokens",
                       t->spec.n_tokens);
    t->spec.unk_id = (int32_t)id;
    t->types[id] = OA__TOKEN_UNKNOWN;
    return OA_OK;
}

/* --- WordPiece ------------------------------------------------------------------------------- */

int oa__tj_read_wordpiece(oa__tokenizer_json *t, const json_t *model)
{
    const json_t *max = json_object_get(model, "max_input_chars_per_word");
    oa__span unk, prefix;
    t->spec.kind = OA__VOCAB_WPM;
    OA__TRY(oa__tj_str(model, "the model", "unk_token", &unk));
    OA__TRY(oa__tj_str(model, "the model", "continuing_subword_prefix", &prefix));
    OA__TRY(oa__tj_read_vocab(t, json_object_get(model, "vocab")));
    t->spec.inner_prefix = prefix.data ? prefix.data : "##";
    if (prefix.data && strlen(prefix.data) != prefix.len)
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json: continuing_subword_prefix has a NUL");
    json_int_t n = max && !json_is_null(max) ? json_integer_value(max) : 100;
    if (n < 1 || n > INT32_MAX)
        return oa__err(OA_EUNSUPPORTED,
                       "tokenizer.json: max_input_chars_per_word is no number from 1 on");
    t->spec.max_word_chars = (uint32_t)n;
    t->spec.unk_id = oa__tj_find(t, unk.data ? unk : (oa__span){"[UNK]", 5});
    if (t->spec.unk_id < 0)
        return oa__err(OA_EFORMAT, "tokenizer.json: the unknown token is not in the vocab");
    t->types[t->spec.unk_id] = OA__TOKEN_UNKNOWN;
    return OA_OK;
}

/* --- the character map ------------------------------------------------------------------------ */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int decode_base64(oa__span text, oa__str *out)
{
    uint32_t bits = 0;
    size_t len = text.len, n_bits = 0;
    while (len > 0 && text.len - len < 2 && text.data[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0)
            return oa__err(OA_EFORMAT, "tokenizer.json: precompiled_charsmap is no base64");
        bits = (bits << 6 | (uint32_t)digit) & 0xffffff;
        n_bits += 6;
        if (n_bits < 8) continue;
        n_bits -= 8;
        OA__TRY(oa__str_add_char(out, (char)(bits >> n_bits & 255)));
    }
    return OA_OK;
}

int oa__tj_read_charsmap(oa__tokenizer_json *t, const json_t *object, oa__norm_spec *step)
{
    oa__span text;
    *step = (oa__norm_spec){.kind = OA__NORM_CHARSMAP};
    OA__TRY(oa__tj_str(object, "Precompiled", "precompiled_charsmap", &text));
    if (t->charsmap.data)
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json has two Precompiled normalizers");
    OA__TRY(oa__str_add(&t->charsmap, "", 0));
    if (text.data) OA__TRY(decode_base64(text, &t->charsmap));
    step->text = (oa__span){t->charsmap.data, t->charsmap.len};
    return OA_OK;
}
