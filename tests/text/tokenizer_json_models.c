/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json with the models Unigram and WordPiece. */
#include "small.h"

static oa__vocab *read(const char *json)
{
    oa__vocab *v;
    int rc = oa__tokenizer_json_read(&v, NULL, json, strlen(json), NULL);
    if (rc < 0) fail_msg("%s", oa_error_last());
    return v;
}

static void refuse(const char *json, int code, const char *words)
{
    oa__vocab *v;
    int rc = oa__tokenizer_json_read(&v, NULL, json, strlen(json), NULL);
    if (rc != code) fail_msg("code %d, want %d: %s", rc, code, oa_error_last());
    assert_null(v);
    if (!strstr(oa_error_last(), words)) fail_msg("\"%s\" lacks \"%s\"", oa_error_last(), words);
}

#define METASPACE                                                                                  \
    "{\"type\": \"Metaspace\", \"replacement\": \"\u2581\", \"prepend_scheme\": \"always\", "      \
    "\"split\": true}"

static void test_text_tokenizer_json_models__unigram(void **state)
{
    (void)state;
    /* Scores that are equal as floats. */
    oa__vocab *v =
        read("{\"added_tokens\": [{\"id\": 0, \"content\": \"<s>\", \"special\": true}, "
             "{\"id\": 7, \"content\": \"xx\", \"special\": false}], \"pre_tokenizer\": " //
             METASPACE ", \"decoder\": " METASPACE
             ", \"model\": {\"type\": \"Unigram\", \"unk_id\": 1, \"vocab\": "
             "[[\"<s>\", 0], [\"<unk>\", 0], [\"\u2581\", -2], [\"ab\", -4], "
             "[\"a\", -2], [\"b\", -2.0000000001], [\"\u2581ab\", -6.00000000005]]}}");
    EXPECT(v, "ab", 0, 2, 3, );
    EXPECT(v, "ab ba", 0, 2, 3, 2, 5, 4, );
    EXPECT(v, "zz", 0, 2, 1, );
    EXPECT(v, "<s>a", OA_TOKENIZE_SPECIAL, 0, 2, 4, );
    EXPECT(v, "axxa", 0, 2, 4, 7, 2, 4, );
    expect_text(v, (const int32_t[]){2, 3, 2, 5, 4}, 5, false, true, "ab ba");
    oa__vocab_free(v);
}

static void test_text_tokenizer_json_models__unigram_bytes(void **state)
{
    (void)state;
    char json[16384];
    size_t n = (size_t)snprintf(json, sizeof json,
                                "{\"model\": {\"type\": \"Unigram\", \"byte_fallback\": true, "
                                "\"vocab\": [[\"a\", -1]");
    for (unsigned b = 0; b < 256; b++)
        n += (size_t)snprintf(json + n, sizeof json - n, ", [\"<0x%02X>\", 0]", b);
    snprintf(json + n, sizeof json - n, "]}}");
    oa__vocab *v = read(json);
    EXPECT(v, "a\u00e4", 0, 1 - 1, 1 + 0xc3, 1 + 0xa4, );
    oa__vocab_free(v);
}

static void test_text_tokenizer_json_models__wordpiece(void **state)
{
    (void)state;
    oa__vocab *v =
        read("{\"normalizer\": {\"type\": \"BertNormalizer\"}, \"pre_tokenizer\": {\"type\": "
             "\"BertPreTokenizer\"}, \"decoder\": {\"type\": \"WordPiece\"}, \"model\": "
             "{\"type\": \"WordPiece\", \"unk_token\": \"?\", \"continuing_subword_prefix\": "
             "\"##\", \"max_input_chars_per_word\": 5, \"vocab\": {\"?\": 0, \"un\": 1, "
             "\"##able\": 2, \"##e\": 3, \".\": 4, \"-\": 5}}}");
    EXPECT(v, "\u00dcne un", 0, 1, 3, 1, );
    EXPECT(v, "unable", 0, 0, ); /* of six characters */
    EXPECT(v, "un-un.", 0, 1, 5, 1, 4, );
    expect_text(v, (const int32_t[]){1, 2, 5, 1, 4}, 5, false, true, "unable - un.");
    oa__vocab_free(v);
}

/* One rule, in base64: "A" becomes "b". */
static void charsmap64(char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t map[4 + 4 * 256 + 2 + 2] = {0, 4};
    const uint32_t units[][2] = {{'A', 'A' | 1 << 8 | ('A' ^ 128u) << 10}, {128, 1u << 31}};
    for (size_t i = 1; i < 256; i++)
        map[4 + 4 * i] = 0xff;
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 4; k++)
            map[4 + 4 * units[i][0] + k] = (uint8_t)(units[i][1] >> 8 * k);
    map[4 + 1024] = 'b';
    size_t n = 4 + 1024 + 2;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t x = (uint32_t)map[i] << 16 | (uint32_t)map[i + 1] << 8 | map[i + 2];
        for (int k = 3; k >= 0; k--)
            *out++ = digits[x >> 6 * k & 63];
        if (i + 3 > n) memset(out - (i + 3 - n), '=', i + 3 - n);
    }
    *out = 0;
}

static void test_text_tokenizer_json_models__charsmap(void **state)
{
    (void)state;
    char map[2048], json[4096];
    charsmap64(map);
    static const char format[] =
        "{\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"%s\"}, "
        "\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"?\", 0], [\"b\", -1], "
        "[\"A\", -1], [\"\u0301\", -1]]}}";
    snprintf(json, sizeof json, format, map);
    oa__vocab *v = read(json);
    EXPECT(v, "A", 0, 1, );
    EXPECT(v, "A\u0301A", 0, 1, 1, );                           /* the grapheme as a whole */
    EXPECT(v, "A\u0301\u0301\u0301", 0, 1, 3, 3, 3, );          /* too long a one: each character */
    EXPECT(v, "A\u0301\u0301\u0301\u0301", 0, 1, 3, 3, 3, 3, ); /* up to its very end */
    oa__vocab_free(v);
    snprintf(json, sizeof json, format, "AAA*");
    refuse(json, OA_EFORMAT, "no base64");
    snprintf(json, sizeof json, format, "/////w==");
    refuse(json, OA_EFORMAT, "character map");
}

static void test_text_tokenizer_json_models__bad(void **state)
{
    (void)state;
    static const struct {
        const char *model, *words;
    } cases[] = {
        {"{\"type\": \"Unigram\"}", "no list"},
        {"{\"type\": \"Unigram\", \"vocab\": [[\"a\"]]}", "no text with a score"},
        {"{\"type\": \"Unigram\", \"vocab\": [[\"a\", \"b\"]]}", "no text with a score"},
        {"{\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]]}", "no unknown token"},
        {"{\"type\": \"Unigram\", \"unk_id\": 1, \"vocab\": [[\"a\", 0]]}", "unk_id is no id"},
        {"{\"type\": \"Unigram\", \"unk_id\": -1, \"vocab\": [[\"a\", 0]]}", "unk_id is no id"},
        {"{\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}}", "unknown token is not in the vocab"},
        {"{\"type\": \"WordPiece\", \"vocab\": []}", "no object"},
    };
    char json[512];
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        snprintf(json, sizeof json, "{\"model\": %s}", cases[i].model);
        refuse(json, OA_EFORMAT, cases[i].words);
    }
    refuse("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[UNK]\": 0}, "
           "\"max_input_chars_per_word\": 0}}",
           OA_EUNSUPPORTED, "max_input_chars_per_word");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_tokenizer_json_models__unigram),
        cmocka_unit_test(test_text_tokenizer_json_models__unigram_bytes),
        cmocka_unit_test(test_text_tokenizer_json_models__wordpiece),
        cmocka_unit_test(test_text_tokenizer_json_models__charsmap),
        cmocka_unit_test(test_text_tokenizer_json_models__bad),
    };
    return cmocka_run_group_tests_name("text_tokenizer_json_models", tests, NULL, NULL);
}
