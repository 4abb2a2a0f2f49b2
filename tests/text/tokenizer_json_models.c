/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json with the models Unigram and WordPiece. */
#include "small.h"
#include "util/fail_alloc.h"

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
    expect_text(v, (const int32_t[]){0, 1 + 0xc3, 1 + 0xa4}, 3, false, true, "a\u00e4");
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

/* --- GGUF's names ----------------------------------------------------------------------------- */

#define ADDED(id, text)                                                                            \
    "{\"id\": " id ", \"content\": \"" text "\", \"special\": true, \"normalized\": false}"
#define BERT_NORMAL "{\"type\": \"BertNormalizer\"}"
#define BERT_WORDS "{\"type\": \"BertPreTokenizer\"}"
#define BERT_ENDS "{\"type\": \"BertProcessing\", \"cls\": [\"[CLS]\", 1], \"sep\": [\"[SEP]\", 2]}"
#define BERT_VOCAB "\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"un\": 3, \"##able\": 4, \"##\": 5"

static oa__tokenizer_json *bert(const char *normal, const char *words, const char *ends,
                                const char *model, const char *added)
{
    oa__tokenizer_json *t;
    char json[4096];
    snprintf(json, sizeof json,
             "{\"added_tokens\": [" ADDED("1", "[CLS]") ", " ADDED(
                 "2", "[SEP]") "%s], "
                               "\"normalizer\": %s, \"pre_tokenizer\": %s, \"post_processor\": %s, "
                               "\"model\": "
                               "{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", %s}}",
             added, normal, words, ends, model);
    int rc = oa__tokenizer_json_new(&t, NULL, json, strlen(json), NULL);
    if (rc < 0) fail_msg("%s: %s", json, oa_error_last());
    return t;
}

static void test_text_tokenizer_json_models__wordpiece_in_gguf(void **state)
{
    (void)state;
    static const char *const want[] = {"[UNK]", "[CLS]", "[SEP]", "\u2581un", "able", "\u2581##"};
    oa__tokenizer_json *t =
        bert(BERT_NORMAL, BERT_WORDS, BERT_ENDS, "\"vocab\": {" BERT_VOCAB "}", "");
    assert_string_equal(oa__tokenizer_json_ggml(t), "bert");
    const oa__vocab_spec *s = oa__tokenizer_json_ggml_spec(t);
    assert_int_equal(s->n_tokens, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(s->tokens[i].len, strlen(want[i]));
        assert_memory_equal(s->tokens[i].data, want[i], s->tokens[i].len);
    }
    assert_int_equal(s->bos_id, 1);
    assert_int_equal(s->suffix[0], 2);
    assert_false(s->keep_case || s->keep_accents);
    oa__tokenizer_json_free(t);

    static const struct {
        const char *options;
        bool keep_case, keep_accents;
    } normals[] = {{"\"lowercase\": false", true, true},
                   {"\"lowercase\": true, \"strip_accents\": false", false, true},
                   {"\"lowercase\": false, \"strip_accents\": true", true, false}};
    for (size_t i = 0; i < OA__ARRAY_LEN(normals); i++) {
        char normal[128];
        snprintf(normal, sizeof normal, "{\"type\": \"BertNormalizer\", %s}", normals[i].options);
        t = bert(normal, BERT_WORDS, BERT_ENDS, "\"vocab\": {" BERT_VOCAB "}", "");
        assert_string_equal(oa__tokenizer_json_ggml(t), "bert");
        assert_int_equal(oa__tokenizer_json_ggml_spec(t)->keep_case, normals[i].keep_case);
        assert_int_equal(oa__tokenizer_json_ggml_spec(t)->keep_accents, normals[i].keep_accents);
        oa__tokenizer_json_free(t);
    }
}

static void test_text_tokenizer_json_models__no_wordpiece_in_gguf(void **state)
{
    (void)state;
    static const struct {
        const char *normal, *words, *ends, *model, *added;
    } cases[] = {
        {"null", BERT_WORDS, BERT_ENDS, "\"vocab\": {" BERT_VOCAB "}", ""},
        {"{\"type\": \"BertNormalizer\", \"clean_text\": false}", BERT_WORDS, BERT_ENDS,
         "\"vocab\": {" BERT_VOCAB "}", ""},
        {BERT_NORMAL, "{\"type\": \"Whitespace\"}", BERT_ENDS, "\"vocab\": {" BERT_VOCAB "}", ""},
        {BERT_NORMAL, BERT_WORDS, "null", "\"vocab\": {" BERT_VOCAB "}", ""},
        {BERT_NORMAL, BERT_WORDS, BERT_ENDS,
         "\"max_input_chars_per_word\": 5, \"vocab\": {" BERT_VOCAB "}", ""},
        {BERT_NORMAL, BERT_WORDS, BERT_ENDS,
         "\"continuing_subword_prefix\": \"@@\", \"vocab\": {" BERT_VOCAB "}", ""},
        /* Two tokens of one text; one that seems to begin a word. */
        {BERT_NORMAL, BERT_WORDS, BERT_ENDS, "\"vocab\": {" BERT_VOCAB ", \"##[SEP]\": 6}", ""},
        {BERT_NORMAL, BERT_WORDS, BERT_ENDS, "\"vocab\": {" BERT_VOCAB ", \"##\u2581a\": 6}", ""},
        {BERT_NORMAL, BERT_WORDS, BERT_ENDS, "\"vocab\": {" BERT_VOCAB "}",
         ", {\"id\": 6, \"content\": \"Xyz\", \"special\": false, \"normalized\": true}"},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        oa__tokenizer_json *t =
            bert(cases[i].normal, cases[i].words, cases[i].ends, cases[i].model, cases[i].added);
        if (oa__tokenizer_json_ggml(t)) fail_msg("case %zu has a name", i);
        oa__tokenizer_json_free(t);
    }
}

static void test_text_tokenizer_json_models__unigram_in_gguf(void **state)
{
    (void)state;
    static const char space[] = METASPACE;
#define JOINED "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \" {2,}\"}, \"content\": \" \"}"
#define VOCAB "[\"<s>\", 0], [\"?\", 0], [\"\u2581\", -1], [\"a\", -2]"
    static const struct {
        const char *normal, *words, *model;
        bool good, joins, prefix;
    } cases[] = {
        {"null", space, "\"vocab\": [" VOCAB "]", true, false, true},
        {JOINED, space, "\"vocab\": [" VOCAB "]", true, true, true},
        {JOINED, space, "\"vocab\": [" VOCAB ", [\"\u2581\u2581\", -1]]", true, true, true},
        /* Runs of spaces count here, and words are cut between them. */
        {"null", space, "\"vocab\": [" VOCAB ", [\"\u2581\u2581\", -1]]", false, 0, 0},
        {JOINED, space, "\"vocab\": [" VOCAB ", [\"a\u2581a\", -1]]", false, 0, 0},
        {"{\"type\": \"Lowercase\"}", space, "\"vocab\": [" VOCAB "]", false, 0, 0},
        {"{\"type\": \"Strip\"}", space, "\"vocab\": [" VOCAB "]", false, 0, 0},
        {"null", "null", "\"vocab\": [" VOCAB "]", false, 0, 0},
        /* No map: words end at what GGUF takes for a character. */
        {"null",
         "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"WhitespaceSplit\"}, " METASPACE
         "]}",
         "\"vocab\": [" VOCAB "]", false, 0, 0},
        {"null", space, "\"vocab\": [" VOCAB ", [\"a\", -2]]", false, 0, 0},
        {"null", space, "\"byte_fallback\": true, \"vocab\": [" VOCAB ", [\"<0x00>\", -2]]", false,
         0, 0},
        {"null", "{\"type\": \"Metaspace\", \"prepend_scheme\": \"never\"}",
         "\"vocab\": [" VOCAB "]", true, false, false},
        {JOINED, "{\"type\": \"Metaspace\", \"prepend_scheme\": \"never\"}",
         "\"vocab\": [" VOCAB "]", false, 0, 0},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        oa__tokenizer_json *t;
        char json[2048];
        snprintf(
            json, sizeof json,
            "{\"added_tokens\": [" ADDED("0", "<s>") ", " ADDED(
                "9",
                "<x>") "], "
                       "\"normalizer\": %s, \"pre_tokenizer\": %s, \"post_processor\": {\"type\": "
                       "\"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": "
                       "\"<s>\"}}, "
                       "{\"Sequence\": {\"id\": \"A\"}}], \"special_tokens\": {\"<s>\": {\"ids\": "
                       "[0]}}}, \"model\": {\"type\": \"Unigram\", \"unk_id\": 1, %s}}",
            cases[i].normal, cases[i].words, cases[i].model);
        int rc = oa__tokenizer_json_new(&t, NULL, json, strlen(json), NULL);
        if (rc < 0) fail_msg("case %zu: %s", i, oa_error_last());
        const oa__vocab_spec *s = oa__tokenizer_json_ggml_spec(t);
        const char *name = oa__tokenizer_json_ggml(t);
        if ((name != NULL) != cases[i].good) fail_msg("case %zu: %s", i, name ? name : "no name");
        if (name) {
            assert_string_equal(name, "t5");
            assert_int_equal(s->remove_extra_spaces, cases[i].joins);
            assert_int_equal(s->add_space_prefix, cases[i].prefix);
            assert_int_equal(s->bos_id, 0);
            assert_true(s->add_bos && !s->add_eos);
            assert_true(s->scores[3] < -1.9f && s->scores[3] > -2.1f);
            assert_true(s->scores[8] < -9999); /* an id that the file leaves out */
        }
        oa__tokenizer_json_free(t);
    }
}

/* Whatever allocation fails, it is told and nothing is lost. */
static void test_text_tokenizer_json_models__no_memory(void **state)
{
    (void)state;
    char map[2048], json[2][8192];
    charsmap64(map);
    snprintf(json[0], sizeof json[0],
             "{\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"%s\"}, "
             "\"pre_tokenizer\": " METASPACE ", \"model\": {\"type\": \"Unigram\", \"unk_id\": 0, "
             "\"vocab\": [[\"?\", 0], [\"b\", -1]]}}",
             map);
    snprintf(json[1], sizeof json[1],
             "{\"normalizer\": " BERT_NORMAL ", \"pre_tokenizer\": " BERT_WORDS
             ", \"post_processor\": " BERT_ENDS ", \"model\": {\"type\": \"WordPiece\", "
             "\"unk_token\": \"[UNK]\", \"vocab\": {" BERT_VOCAB "}}}");
    for (size_t k = 0; k < 2; k++) {
        for (uint64_t nth = 1;; nth++) {
            struct fail_alloc fa;
            oa__mem mem;
            oa__tokenizer_json *t;
            assert_int_equal(oa__mem_init(&mem, fail_alloc_init(&fa, nth), 0), OA_OK);
            int rc = oa__tokenizer_json_new(&t, &mem, json[k], strlen(json[k]), NULL);
            if (rc != OA_OK && rc != OA_ENOMEM) fail_msg("%s", oa_error_last());
            if (rc == OA_OK) assert_string_equal(oa__tokenizer_json_ggml(t), k ? "bert" : "t5");
            oa__tokenizer_json_free(t);
            assert_int_equal(fail_alloc_live(&fa), 0);
            if (!fail_alloc_hit(&fa)) break;
            assert_true(nth < 1000);
        }
    }
}

/* What a normaliser makes look like a control token is none: Hugging Face's unigram takes it. */
static void test_text_tokenizer_json_models__control_from_normal_form(void **state)
{
    (void)state;
    oa__vocab *v = read("{\"added_tokens\": [" ADDED(
        "0", "<s>") "], \"normalizer\": {\"type\": "
                    "\"Lowercase\"}, \"model\": {\"type\": \"Unigram\", \"unk_id\": 1, "
                    "\"vocab\": [[\"<s>\", 0], [\"?\", 0], [\"<\", -1], [\"s\", -1], "
                    "[\">\", -1]]}}");
    EXPECT(v, "<S>", 0, 2, 3, 4, );
    EXPECT(v, "<S><s>", OA_TOKENIZE_SPECIAL, 2, 3, 4, 0, );
    oa__vocab_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_tokenizer_json_models__unigram),
        cmocka_unit_test(test_text_tokenizer_json_models__unigram_bytes),
        cmocka_unit_test(test_text_tokenizer_json_models__wordpiece),
        cmocka_unit_test(test_text_tokenizer_json_models__charsmap),
        cmocka_unit_test(test_text_tokenizer_json_models__bad),
        cmocka_unit_test(test_text_tokenizer_json_models__wordpiece_in_gguf),
        cmocka_unit_test(test_text_tokenizer_json_models__no_wordpiece_in_gguf),
        cmocka_unit_test(test_text_tokenizer_json_models__unigram_in_gguf),
        cmocka_unit_test(test_text_tokenizer_json_models__no_memory),
        cmocka_unit_test(test_text_tokenizer_json_models__control_from_normal_form),
    };
    return cmocka_run_group_tests_name("text_tokenizer_json_models", tests, NULL, NULL);
}
