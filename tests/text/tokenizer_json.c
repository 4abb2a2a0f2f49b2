/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json: small files written here, good ones and bad ones. */
#include "small.h"

#include "util/fail_alloc.h"

/* The quotes of JSON are single ones here. */
static char *quoted(const char *text)
{
    char *out = strdup(text);
    for (char *c = out; *c; c++)
        if (*c == '\'') *c = '"';
    return out;
}

static int read_with(oa__vocab **v, const char *text, const char *config)
{
    char *json = quoted(text), *conf = config ? quoted(config) : NULL;
    oa__tokenizer_json_opts opts = OA__TOKENIZER_JSON_OPTS_INIT;
    opts.config = conf;
    opts.config_len = conf ? strlen(conf) : 0;
    int rc = oa__tokenizer_json_read(v, NULL, json, strlen(json), &opts);
    free(json);
    free(conf);
    return rc;
}

static oa__vocab *good(const char *text, const char *config)
{
    oa__vocab *v;
    if (read_with(&v, text, config) < 0) fail_msg("%s", oa_error_last());
    return v;
}

static void bad(const char *text, int code, const char *words)
{
    oa__vocab *v = (oa__vocab *)text;
    int rc = read_with(&v, text, NULL);
    if (rc != code) fail_msg("code %d, want %d: %s\n%s", rc, code, oa_error_last(), text);
    assert_null(v);
    if (!strstr(oa_error_last(), words)) fail_msg("\"%s\" lacks \"%s\"", oa_error_last(), words);
}

#define MODEL(members) "'model': {'type': 'BPE', 'vocab': {'a': 0, 'b': 1, 'ab': 2}, " members "}"
#define BYTES "'pre_tokenizer': {'type': 'ByteLevel', 'add_prefix_space': false}"

static void test_text_tokenizer_json__bytes(void **state)
{
    (void)state;
    oa__vocab *v = good("{" BYTES ", " MODEL("'merges': ['a b']") "}", NULL);
    EXPECT(v, "abba", 0, 2, 1, 0, );
    assert_string_equal(oa__vocab_describe(v), "bpe tokenizer.json");
    oa__vocab_free(v);
    v = good("{" BYTES ", " MODEL("'merges': [['a', 'b']]") "}", NULL); /* pairs */
    EXPECT(v, "ab", 0, 2, );
    oa__vocab_free(v);
    v = good("{" BYTES ", " MODEL("'merges': []") "}", NULL);
    EXPECT(v, "ab", 0, 0, 1, );
    oa__vocab_free(v);
    v = good("{" BYTES ", " MODEL("'merges': [], 'ignore_merges': true") "}", NULL);
    EXPECT(v, "ab", 0, 2, );
    EXPECT(v, "abb", 0, 0, 1, 1, );
    oa__vocab_free(v);
}

#define ADDED                                                                                      \
    "'added_tokens': [{'id': 3, 'content': '<s>', 'special': true},"                               \
    "{'id': 4, 'content': '</s>', 'special': true},"                                               \
    "{'id': 5, 'content': '<l>', 'lstrip': true, 'normalized': false},"                            \
    "{'id': 6, 'content': '<r>', 'rstrip': true, 'normalized': false},"                            \
    "{'id': 7, 'content': 'bb', 'single_word': true, 'normalized': false},"                        \
    "{'id': 12, 'content': 'A', 'normalized': true}]"

static void test_text_tokenizer_json__added(void **state)
{
    (void)state;
    oa__vocab *v = good("{" ADDED ", 'normalizer': {'type': 'Lowercase'}, " BYTES
                        ", " MODEL("'merges': ['a b']") "}",
                        NULL);
    EXPECT(v, "a<s>b", OA_TOKENIZE_SPECIAL, 12, 3, 1, ); /* "A" is looked for as "a" */
    EXPECT(v, "B<s>", 0, 1, );                           /* bytes without a token vanish */
    EXPECT(v, "b <l>  b", 0, 1, 5, 1, );
    EXPECT(v, "b  <r> b", 0, 1, 6, 1, );
    EXPECT(v, "bb", 0, 7, );
    EXPECT(v, "bbb", 0, 1, 1, 1, );
    EXPECT(v, "bb-bb", 0, 7, 7, );
    assert_int_equal(oa__vocab_size(v), 13); /* 8 to 11 are holes */
    assert_int_equal(oa__vocab_token(v, 9).len, 0);
    assert_true(oa__vocab_is_special(v, 3));
    assert_false(oa__vocab_is_special(v, 5));
    oa__vocab_free(v);
}

static void test_text_tokenizer_json__ends(void **state)
{
    (void)state;
#define TEMPLATE                                                                                   \
    "'post_processor': {'type': 'Sequence', 'processors': [{'type': 'ByteLevel'}, {'type': "       \
    "'TemplateProcessing', 'single': [{'SpecialToken': {'id': '<s>', 'type_id': 0}},"              \
    "{'Sequence': {'id': 'A', 'type_id': 0}}], 'special_tokens': {'<s>': {'id': '<s>', 'ids': "    \
    "[3], 'tokens': ['<s>']}}}]}"
    const char *text = "{" ADDED ", " TEMPLATE ", " BYTES ", " MODEL("'merges': []") "}";
    oa__vocab *v = good(text, NULL);
    EXPECT(v, "b", 0, 3, 1, );
    EXPECT(v, "b", OA_TOKENIZE_NO_BOS, 1, );
    oa__vocab_free(v);
    v = good(text, "{'bos_token': '<s>', 'eos_token': {'content': '</s>'}, 'add_eos_token': true}");
    EXPECT(v, "b", 0, 1, 4, ); /* the configuration replaces the template */
    assert_true(oa__vocab_is_end(v, 4));
    oa__vocab_free(v);
    v = good("{" ADDED ", 'post_processor': {'type': 'RobertaProcessing', 'sep': ['</s>', 4], "
             "'cls': ['<s>', 3]}, " BYTES ", " MODEL("'merges': []") "}",
             NULL);
    EXPECT(v, "b", 0, 3, 1, 4, );
    oa__vocab_free(v);
}

/* The ids of "b" and "a" as a pair, how many of them are of the first segment. */
static void expect_pair(oa__vocab *v, uint32_t flags, const int32_t *want, size_t n_first)
{
    oa__ids ids = {0};
    size_t n = 0, first = 99;
    assert_int_equal(oa__ids_add(&ids, 77), OA_OK); /* what is there stays in front */
    if (oa__vocab_encode_pair(v, (oa__span){"b", 1}, (oa__span){"a", 1}, flags, &ids, &first) < 0)
        fail_msg("%s", oa_error_last());
    while (want[n] >= 0)
        n++;
    assert_int_equal(ids.len, n + 1);
    assert_int_equal(ids.data[0], 77);
    assert_memory_equal(ids.data + 1, want, n * sizeof *want);
    assert_int_equal(first, n_first);
    oa__ids_free(&ids);
    oa__vocab_free(v);
}

static void expect_no_pair(oa__vocab *v)
{
    oa__ids ids = {0};
    size_t first;
    EXPECT(v, "b", 0, 3, 1, 4, ); /* a text alone is fine */
    assert_int_equal(
        oa__vocab_encode_pair(v, (oa__span){"b", 1}, (oa__span){"a", 1}, 0, &ids, &first),
        OA_EUNSUPPORTED);
    assert_non_null(strstr(oa_error_last(), "pair"));
    assert_int_equal(ids.len, 0);
    oa__ids_free(&ids);
    oa__vocab_free(v);
}

#define PAIR_IDS(...)                                                                              \
    (const int32_t[])                                                                              \
    {                                                                                              \
        __VA_ARGS__, -1                                                                            \
    }
#define S(type) "{'SpecialToken': {'id': '<s>', 'type_id': " type "}}"
#define E(type) "{'SpecialToken': {'id': '</s>', 'type_id': " type "}}"
#define A(type) "{'Sequence': {'id': 'A', 'type_id': " type "}}"
#define B(type) "{'Sequence': {'id': 'B', 'type_id': " type "}}"
#define PAIRS(pair)                                                                                \
    "{" ADDED ", 'post_processor': {'type': 'TemplateProcessing', 'single': [" S("0") ", " A(      \
        "0") ", " E("0") "], " pair " 'special_tokens': {'<s>': {'id': '<s>', 'ids': [3]}, "       \
                         "'</s>': {'id': '</s>', 'ids': [4]}}}, " BYTES                            \
                         ", " MODEL("'merges': []") "}"
#define PAIR(pieces) PAIRS("'pair': [" pieces "],")
#define OWN(type)                                                                                  \
    "{" ADDED ", 'post_processor': {'type': '" type                                                \
    "', 'sep': ['</s>', 4], 'cls': ['<s>', 3]}, " BYTES ", " MODEL("'merges': []") "}"

static void test_text_tokenizer_json__pairs(void **state)
{
    (void)state;
    expect_pair(good(PAIR(S("0") "," A("0") "," E("0") "," B("1") "," E("1")), NULL), 0,
                PAIR_IDS(3, 1, 4, 0, 4), 3);
    expect_pair(good(PAIR(S("0") "," A("0") "," E("0") "," S("1") "," B("1") "," E("1")), NULL), 0,
                PAIR_IDS(3, 1, 4, 3, 0, 4), 3);
    expect_pair(good(PAIR(S("0") "," A("0") "," E("0") "," E("0") "," B("0") "," E("0")), NULL), 0,
                PAIR_IDS(3, 1, 4, 4, 0, 4), 6);
    expect_pair(good(PAIR(S("0") "," A("0") "," B("1") "," E("1")), NULL), OA_TOKENIZE_NO_BOS,
                PAIR_IDS(1, 0, 4), 1);
    expect_pair(good(OWN("BertProcessing"), NULL), 0, PAIR_IDS(3, 1, 4, 0, 4), 3);
    expect_pair(good(OWN("RobertaProcessing"), NULL), OA_TOKENIZE_NO_EOS, PAIR_IDS(3, 1, 4, 4, 0),
                5);
    expect_pair(
        good("{" BYTES ", "
             "'model': {'type': 'BPE', 'vocab': {'a': 0, 'b': 1, 'ba': 2}, 'merges': ['b a']}"
             "}",
             NULL),
        0, PAIR_IDS(1, 0), 1);
    /* The configuration replaces the template. */
    expect_pair(good(OWN("RobertaProcessing"), "{'bos_token': '<s>', 'eos_token': '</s>', "
                                               "'add_bos_token': true, 'add_eos_token': true}"),
                0, PAIR_IDS(3, 1, 4, 3, 0, 4), 3);
    /* Forms that there are none of. */
    expect_no_pair(good(PAIRS(""), NULL));
    expect_no_pair(good(PAIRS("'pair': null,"), NULL));
    expect_no_pair(good(PAIR(S("0") "," B("0") "," A("1") "," E("1")), NULL));
    expect_no_pair(good(PAIR(S("0") "," A("0") "," B("1")), NULL));
    expect_no_pair(good(PAIR(A("0") "," B("1") "," E("1")), NULL));
    expect_no_pair(good(PAIR(S("1") "," A("1") "," B("1") "," E("1")), NULL));
    expect_no_pair(good(PAIR(S("0") "," A("0") "," E("1") "," B("0") "," E("0")), NULL));
    expect_no_pair(good(PAIR(S("0") "," A("0") "," B("0") "," E("1")), NULL));
    expect_no_pair(good(PAIR(S("0") "," A("0") "," B("2") "," E("2")), NULL));
    expect_no_pair(good(PAIR(S("0") "," A("0") "," B("1") "," E("1") "," E("1")), NULL));
    expect_no_pair(good(PAIR(S("0") "," A("0") "," B("1") "," B("1") "," E("1")), NULL));
    expect_no_pair(good(PAIR("7," S("0") "," A("0") "," B("1") "," E("1")), NULL));
    /* More between them than there is room for. */
#define TWO(x) x "," x
    expect_no_pair(good(
        PAIR(S("0") "," A("0") "," TWO(TWO(TWO(E("0")))) "," E("0") "," B("1") "," E("1")), NULL));
}

/* BPE over characters, as LLaMA's and Gemma's files have it. */
static void test_text_tokenizer_json__characters(void **state)
{
    (void)state;
#define CHARS(more)                                                                                \
    "{'model': {'type': 'BPE', 'unk_token': '<unk>', " more                                        \
    " 'vocab': {'<unk>': 0, '\xE2\x96\x81': 1, 'a': 2, '\xE2\x96\x81"                              \
    "a': 3, '<0xC3>': 4, '<0xA9>': 5, '<0x21>': 6}, 'merges': [['\xE2\x96\x81', 'a']]}, "
#define SPACES(scheme)                                                                             \
    "'pre_tokenizer': {'type': 'Metaspace', 'replacement': '\xE2\x96\x81', 'prepend_scheme': "     \
    "'" scheme "', 'split': false}, 'decoder': {'type': 'Metaspace', 'replacement': "              \
    "'\xE2\x96\x81', 'prepend_scheme': '" scheme "', 'split': false}}"
    oa__vocab *v = good(CHARS("'byte_fallback': true, 'fuse_unk': true,") SPACES("always"), NULL);
    EXPECT(v, "a a", 0, 3, 3, );
    EXPECT(v, "a\xC3\xA9!", 0, 3, 4, 5, 6, );
    EXPECT(v, "a??a", 0, 3, 0, 2, ); /* no byte token for it: unknown, fused */
    const int32_t ids[] = {3, 3, 4, 5};
    expect_text(v, ids, 4, false, true, "a a\xC3\xA9");
    expect_text(v, ids, 4, false, false, " a a\xC3\xA9");
    oa__vocab_free(v);
    v = good(CHARS("'fuse_unk': false,") SPACES("never"), NULL);
    EXPECT(v, "a??a", 0, 2, 0, 0, 2, );
    EXPECT(v, " a", 0, 3, );
    oa__vocab_free(v);
}

#define SPLIT(regex, rest)                                                                         \
    "{'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [{'type': 'Split', 'pattern': "       \
    "{'Regex': '" regex "'}, 'behavior': 'Isolated'}, {'type': 'ByteLevel', 'use_regex': false, "  \
    "'add_prefix_space': false}]}, " rest "}"
#define PLAIN MODEL("'merges': ['a b']")

static void test_text_tokenizer_json__refused(void **state)
{
    (void)state;
    bad("[]", OA_EFORMAT, "no object");
    bad("{", OA_EFORMAT, "line 1");
    bad("{}", OA_EFORMAT, "no model");
    bad("{'model': {'type': 'Quantum'}}", OA_EUNSUPPORTED, "Quantum");
    bad("{'model': {'type': 'BPE', 'vocab': [], 'merges': []}}", OA_EFORMAT, "vocab");
    bad("{" BYTES ", " MODEL("'merges': {}") "}", OA_EFORMAT, "merges");
    bad("{" BYTES ", " MODEL("'merges': ['ab']") "}", OA_EFORMAT, "two tokens");
    bad("{" BYTES ", " MODEL("'merges': ['b a']") "}", OA_EFORMAT, "result is no token");
    bad("{" BYTES ", " MODEL("'merges': ['a c']") "}", OA_EFORMAT, "right part");
    bad("{" BYTES ", " MODEL("'merges': [['a']]") "}", OA_EFORMAT, "merge 0");
    bad("{" BYTES ", " MODEL("'merges': [['a', 'b'], 'a b']") "}", OA_EFORMAT, "merge 1");
    bad("{" BYTES ", " MODEL("'merges': [], 'dropout': 0.1") "}", OA_EUNSUPPORTED, "dropout");
    bad("{" BYTES ", " MODEL("'merges': [], 'end_of_word_suffix': '</w>'") "}", OA_EUNSUPPORTED,
        "end_of_word_suffix");
    bad("{" BYTES ", " MODEL("'merges': [], 'fuse_unk': 1") "}", OA_EFORMAT, "no boolean");
    bad("{'model': {'type': 'BPE', 'vocab': {'a': 0, 'b': 0}}}", OA_EFORMAT, "both have id 0");
    bad("{'model': {'type': 'BPE', 'vocab': {'a': -1}}}", OA_EFORMAT, "id of token");
    bad("{'model': {'type': 'BPE', 'vocab': {'a': 1.0}}}", OA_EFORMAT, "id of token");
    bad("{'model': {'type': 'BPE', 'vocab': {'a': 9000000000000000000}}}", OA_EFORMAT, "id of");
    bad("{'model': {'type': 'BPE', 'vocab': {'a': 16777215}}}", OA_EFORMAT, "id of token");
    bad("{'model': {'type': 'BPE', 'vocab': {}}}", OA_EFORMAT, "empty");
    bad("{'added_tokens': [{'id': 1, 'content': 'c'}], " PLAIN "}", OA_EFORMAT, "both have id 1");
    bad("{'added_tokens': [{'id': 7}], " PLAIN "}", OA_EFORMAT, "no content");
    bad("{'added_tokens': 1, " PLAIN "}", OA_EFORMAT, "added_tokens");
    bad("{'normalizer': {'type': 'Nmt'}, " PLAIN "}", OA_EUNSUPPORTED, "Nmt");
    bad("{'normalizer': {'type': 'Replace', 'pattern': {}}, " PLAIN "}", OA_EFORMAT, "pattern");
    bad("{'pre_tokenizer': {'type': 'UnicodeScripts'}, " PLAIN "}", OA_EUNSUPPORTED, "Unicode");
    bad("{'pre_tokenizer': {'type': 'Split', 'pattern': {'String': 'a'}, 'behavior': 'Odd'}, " PLAIN
        "}",
        OA_EUNSUPPORTED, "Odd");
    bad("{'post_processor': {'type': 'Odd'}, " PLAIN "}", OA_EUNSUPPORTED, "Odd");
    bad("{'post_processor': {'type': 'BertProcessing', 'cls': ['x', 99]}, " PLAIN "}", OA_EFORMAT,
        "none");
    bad("{'decoder': {'type': 'CTC'}, " PLAIN "}", OA_EUNSUPPORTED, "CTC");
}

/* What differs between Oniguruma and PCRE2, or costs too much, is refused with its text. */
static void test_text_tokenizer_json__regexes(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "(a)\\\\1",
        "\\\\k<x>",
        "(?<x>a)",
        "(?m:a)",
        "a\\\\Kb",
        "\\\\X",
        "\\\\p{Moon}",
        "[a",
        "(a",
        "a)",
        "[z-a]",
        "a{99999}",
        "(?i:\xC3\xA9)",
        "[[:alpha:]]",
        "(?R)",
        "(?1)",
        "a\\\\",
        "\\\\x{110000}",
        "\\\\x{d800}",
        "a{2}+",
        "(?<=a+)b",
        "\\\\p{L",
        "*a",
        "((((a{9999}){9999}){9999}){9999})",
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(refused); i++) {
        char text[1024];
        snprintf(text, sizeof text, SPLIT("%s", PLAIN), refused[i]);
        bad(text, OA_EUNSUPPORTED, "tokenizer pattern");
    }
    char *deep = malloc(100000), *text = malloc(200000);
    memset(deep, '(', 50000);
    memset(deep + 50000, ')', 49999);
    deep[99999] = 0;
    snprintf(text, 200000, SPLIT("%s", PLAIN), deep);
    bad(text, OA_EUNSUPPORTED, "tokenizer pattern");
    memset(deep, '[', 60000);
    deep[60000] = 0;
    snprintf(text, 200000, SPLIT("%s", PLAIN), deep);
    bad(text, OA_EUNSUPPORTED, "tokenizer pattern");
    /* One that takes exponential time gives up. */
    oa__vocab *v = good(SPLIT("(a+a+)+[^ab]", PLAIN), NULL);
    memset(text, 'a', 4000);
    oa__ids ids = {0};
    assert_int_equal(oa__vocab_encode(v, text, 4000, 0, &ids), OA_ELIMIT);
    assert_non_null(strstr(oa_error_last(), "gave up"));
    assert_int_equal(ids.len, 0);
    oa__ids_free(&ids);
    oa__vocab_free(v);
    free(deep);
    free(text);
}

/* Nesting: JSON, sequences of steps. */
static void test_text_tokenizer_json__deep(void **state)
{
    (void)state;
    enum { DEPTH = 100 };
    char text[DEPTH * 64] = "{'normalizer': ";
    for (int i = 0; i < DEPTH; i++)
        strncat(text, "{'type': 'Sequence', 'normalizers': [", sizeof text - strlen(text) - 1);
    for (int i = 0; i < DEPTH; i++)
        strncat(text, "]}", sizeof text - strlen(text) - 1);
    strncat(text, ", " PLAIN "}", sizeof text - strlen(text) - 1);
    bad(text, OA_EFORMAT, "too deep");
    char *brackets = malloc(1 << 20);
    memset(brackets, '[', 1 << 20);
    oa__vocab *v;
    assert_int_equal(oa__tokenizer_json_read(&v, NULL, brackets, 1 << 20, NULL), OA_EFORMAT);
    free(brackets);
}

/* Steps that refuse nothing and cut in ways of their own; compared with the reference at length in
 * tests/oracle/tokenizers_json.py. */
static void test_text_tokenizer_json__steps(void **state)
{
    (void)state;
    oa__vocab *v = good(SPLIT("(?=b)", PLAIN), NULL); /* an empty match cuts */
    EXPECT(v, "ab", 0, 0, 1, );
    oa__vocab_free(v);
    v = good(SPLIT("(?i:B)|[[a-c]&&[^b]]", PLAIN), NULL);
    EXPECT(v, "ab", 0, 0, 1, );
    oa__vocab_free(v);
    v = good(SPLIT("\\\\s+$", PLAIN), NULL);
    EXPECT(v, "ab  \nab ", 0, 2, 2, );
    oa__vocab_free(v);
    v = good("{'normalizer': {'type': 'Sequence', 'normalizers': [{'type': 'Replace', 'pattern': "
             "{'Regex': 'x+'}, 'content': 'b'}, {'type': 'Prepend', 'prepend': 'a'}, {'type': "
             "'Strip', 'strip_left': true, 'strip_right': true}]}, " BYTES ", " PLAIN "}",
             NULL);
    EXPECT(v, "xxax  ", 0, 2, 2, );
    oa__vocab_free(v);
}

/* Every allocation fails once: OA_ENOMEM, nothing leaked. */
static void test_text_tokenizer_json__failing_memory(void **state)
{
    (void)state;
    char *json = quoted("{" ADDED ", 'normalizer': {'type': 'Sequence', 'normalizers': [{'type': "
                        "'NFKC'}, {'type': 'Replace', 'pattern': {'Regex': 'x+'}, 'content': 'b'}]}"
                        ", 'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [{'type': "
                        "'Split', 'pattern': {'Regex': '[[a-c]&&[^b]]+|\\\\p{N}|[Ã©]'}, "
                        "'behavior': 'MergedWithNext'}, {'type': 'ByteLevel', 'add_prefix_space': "
                        "true}]}, " MODEL("'merges': [['a', 'b']]") "}");
    for (uint64_t nth = 1;; nth++) {
        struct fail_alloc fa;
        oa__mem mem;
        oa__vocab *v = NULL;
        assert_int_equal(oa__mem_init(&mem, fail_alloc_init(&fa, nth), 0), OA_OK);
        int rc = oa__tokenizer_json_read(&v, &mem, json, strlen(json), NULL);
        if (rc == OA_OK) {
            oa__ids ids = {.mem = &mem};
            const char text[] = "ab xx\xEF\xAC\x80 <l> abA";
            rc = oa__vocab_encode(v, text, sizeof text - 1, OA_TOKENIZE_SPECIAL, &ids);
            oa__ids_free(&ids);
        }
        oa__vocab_free(v);
        if (rc != OA_OK && rc != OA_ENOMEM) fail_msg("%d: %s", rc, oa_error_last());
        assert_int_equal(fail_alloc_live(&fa), 0);
        assert_int_equal(mem.used, 0);
        if (!fail_alloc_hit(&fa)) {
            assert_int_equal(rc, OA_OK);
            assert_true(nth > 30);
            break;
        }
    }
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_tokenizer_json__bytes),
        cmocka_unit_test(test_text_tokenizer_json__added),
        cmocka_unit_test(test_text_tokenizer_json__ends),
        cmocka_unit_test(test_text_tokenizer_json__pairs),
        cmocka_unit_test(test_text_tokenizer_json__characters),
        cmocka_unit_test(test_text_tokenizer_json__refused),
        cmocka_unit_test(test_text_tokenizer_json__regexes),
        cmocka_unit_test(test_text_tokenizer_json__deep),
        cmocka_unit_test(test_text_tokenizer_json__steps),
        cmocka_unit_test(test_text_tokenizer_json__failing_memory),
    };
    return cmocka_run_group_tests_name("text_tokenizer_json", tests, NULL, NULL);
}
