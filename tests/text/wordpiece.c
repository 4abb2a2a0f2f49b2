/* SPDX-License-Identifier: Apache-2.0 */
/* WordPiece vocabularies, marked as in GGUF and as in tokenizer.json, and BERT's words. */
#include "small.h"

/* Ids: 0 [UNK], 1 [CLS], 2 [SEP], then as written here. */
static void init(small *s)
{
    small_init(s, OA__VOCAB_WPM);
    s->spec.pattern = NULL;
    s->spec.unk_id = small_add(s, "[UNK]", OA__TOKEN_UNKNOWN, 0);
    s->spec.bos_id = small_add(s, "[CLS]", OA__TOKEN_CONTROL, 0);
    s->spec.eos_id = small_add(s, "[SEP]", OA__TOKEN_CONTROL, 0);
}

static void add_words(small *s, const char *const *words)
{
    for (; *words; words++)
        small_add(s, *words, OA__TOKEN_NORMAL, 0);
}

static const char *const gguf_words[] = {"\u2581un",                              /* 3 */
                                         "\u2581unable", "aff", "able", "\u2581", /* 7 */
                                         "\u2581,",      "s",   NULL};
static const char *const hf_words[] = {"un", "unable", "##aff", "##able", "_", ",", "##s", NULL};

static void check_words(const oa__vocab *v)
{
    assert_string_equal(oa__vocab_describe(v), "wordpiece");
    EXPECT(v, "", 0, );
    EXPECT(v, " \t\n", 0, );
    EXPECT(v, "unaffable", 0, 3, 5, 6, );
    EXPECT(v, "unables", 0, 4, 9, );
    EXPECT(v, "unabl", 0, 0, ); /* the longest beginning leads nowhere: the whole word goes */
    EXPECT(v, "un,un able", 0, 3, 8, 3, 0, );
    EXPECT(v, "UN \u00dcn, u\u0308n", 0, 3, 3, 8, 3, ); /* lower case, no accents */
    EXPECT(v, "u\u200bn\x01", 0, 3, );                  /* dropped inside a word */
    EXPECT(v, "un\u4e00un", 0, 3, 0, 3, );              /* Chinese characters stand alone */
    EXPECT(v, "[SEP]", OA_TOKENIZE_SPECIAL, 2, );
    EXPECT(v, "[SEP]un", 0, 0, 0, 0, 3, );
    expect_text(v, (const int32_t[]){3, 5, 6, 8, 4}, 5, false, true, "unaffable , unable");
}

static void test_text_wordpiece__gguf(void **state)
{
    (void)state;
    small s;
    init(&s);
    add_words(&s, gguf_words);
    oa__vocab *v = small_new(&s);
    check_words(v);
    EXPECT(v, "\u2581un", 0, 0, ); /* the mark is no text */
    EXPECT(v, "un\u2581un", 0, 0, );
    oa__vocab_free(v);
}

static void test_text_wordpiece__hash_marks(void **state)
{
    (void)state;
    small s;
    init(&s);
    s.spec.inner_prefix = "##";
    add_words(&s, hf_words);
    oa__vocab *v = small_new(&s);
    check_words(v);
    oa__vocab_free(v);
    /* Without any prefix every token may begin and continue. */
    s.spec.inner_prefix = "";
    v = small_new(&s);
    EXPECT(v, "unun", 0, 3, 3, );
    oa__vocab_free(v);
}

static void test_text_wordpiece__both_ends(void **state)
{
    (void)state;
    small s;
    init(&s);
    s.spec.add_bos = s.spec.add_eos = true;
    add_words(&s, gguf_words);
    oa__vocab *v = small_new(&s);
    EXPECT(v, "un", 0, 1, 3, 2, );
    oa__vocab_free(v);
}

static void test_text_wordpiece__case(void **state)
{
    (void)state;
    static const char *const words[] = {"\u2581a", "\u2581A", "\u2581\u00e4", "\u0308", NULL};
    small s;
    init(&s);
    add_words(&s, words);
    oa__vocab *v = small_new(&s);
    EXPECT(v, "A \u00c4", 0, 3, 3, );
    oa__vocab_free(v);
    s.spec.keep_case = true;
    v = small_new(&s);
    EXPECT(v, "A \u00c4", 0, 4, 4, );
    oa__vocab_free(v);
    s.spec.keep_accents = true;
    v = small_new(&s);
    EXPECT(v, "A \u00c4 \u00e4 a\u0308", 0, 4, 0, 5, 3, 6, );
    oa__vocab_free(v);
    s.spec.keep_case = false;
    v = small_new(&s);
    EXPECT(v, "A \u00c4 \u00e4 A\u0308", 0, 3, 5, 5, 3, 6, );
    oa__vocab_free(v);
}

static void test_text_wordpiece__long_words(void **state)
{
    (void)state;
    static const char *const words[] = {"\u2581a", "a", "\u00e4", NULL};
    small s;
    init(&s);
    s.spec.max_word_chars = 4;
    s.spec.keep_accents = true;
    add_words(&s, words);
    oa__vocab *v = small_new(&s);
    EXPECT(v, "aaaa", 0, 3, 4, 4, 4, );
    EXPECT(v, "aaaaa", 0, 0, );
    EXPECT(v, "a\u00e4\u00e4\u00e4", 0, 3, 5, 5, 5, );
    oa__vocab_free(v);
    s.spec.max_word_chars = 0;
    v = small_new(&s);
    const size_t len = 2000000;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'a', len);
    for (size_t n = 100; n <= 101; n++) {
        oa__ids ids = {0};
        assert_int_equal(oa__vocab_encode(v, text, n, 0, &ids), OA_OK);
        assert_int_equal(ids.len, n == 100 ? 100 : 1);
        oa__ids_free(&ids);
    }
    expect_ids(v, text, len, 0, (const int32_t[]){0, -1});
    oa__vocab_free(v);
    free(text);
}

static void test_text_wordpiece__bad(void **state)
{
    (void)state;
    small s;
    init(&s);
    s.spec.unk_id = -1;
    expect_bad(&s, OA_EFORMAT, "no unknown token");
    /* Empty tokens, marks alone, torn characters: never found. */
    init(&s);
    small_add(&s, "", OA__TOKEN_NORMAL, 0);
    small_add(&s, "\u2581", OA__TOKEN_NORMAL, 0);
    small_add_n(&s,
                "\xe2\x96\x81"
                "a\xc3",
                5, OA__TOKEN_NORMAL, 0);
    oa__vocab *v = small_new(&s);
    EXPECT(v, "a\u00e4", 0, 0, );
    oa__vocab_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_wordpiece__gguf),
        cmocka_unit_test(test_text_wordpiece__hash_marks),
        cmocka_unit_test(test_text_wordpiece__both_ends),
        cmocka_unit_test(test_text_wordpiece__case),
        cmocka_unit_test(test_text_wordpiece__long_words),
        cmocka_unit_test(test_text_wordpiece__bad),
    };
    return cmocka_run_group_tests_name("text_wordpiece", tests, NULL, NULL);
}
