/* SPDX-License-Identifier: Apache-2.0 */
/* SentencePiece BPE with vocabularies written here; llama_spm.c has the real one. */
#include "small.h"

#define U "\xE2\x96\x81"

static void test_text_spm__scores(void **state)
{
    (void)state;
    static small s;
    small_init_spm(&s);
    int32_t mark = small_add(&s, U, OA__TOKEN_NORMAL, -10);
    int32_t a = small_add(&s, "a", OA__TOKEN_NORMAL, -11);
    int32_t b = small_add(&s, "b", OA__TOKEN_NORMAL, -12);
    int32_t ab = small_add(&s, "ab", OA__TOKEN_NORMAL, -2);
    int32_t ba = small_add(&s, "ba", OA__TOKEN_NORMAL, -1);
    int32_t mark_a = small_add(&s, U "a", OA__TOKEN_NORMAL, -5);
    int32_t two = small_add(&s, U U, OA__TOKEN_NORMAL, -3);
    oa__vocab *v = small_new(&s);
    EXPECT(v, "", 0, );
    EXPECT(v, "a", 0, mark_a, );
    EXPECT(v, "ab", 0, mark, ab, );    /* -2 before -5 */
    EXPECT(v, "aba", 0, mark_a, ba, ); /* -1 first, then the mark */
    EXPECT(v, "abab", 0, mark_a, ba, b, );
    EXPECT(v, " a", 0, two, a, );
    EXPECT(v, "a a", 0, mark_a, mark_a, );
    /* What is no token is spelled in bytes. */
    EXPECT(v, "a\xC3\xA9z", 0, mark_a, 0xC3, 0xA9, 'z', );
    EXPECT(v, "\xFF", 0, mark, 0xEF, 0xBF, 0xBD, );
    const int32_t ids[] = {mark_a, mark_a, 0xC3, 0xA9, two, b};
    expect_text(v, ids, 6, false, true, "a a\xC3\xA9  b");
    expect_text(v, ids, 6, false, false, " a a\xC3\xA9  b");
    expect_text(v, ids + 4, 1, false, true, " ");
    assert_string_equal(oa__vocab_describe(v), "spm");
    oa__vocab_free(v);
    s.spec.add_space_prefix = false;
    v = small_new(&s);
    EXPECT(v, "aba", 0, a, ba, );
    expect_text(v, ids, 1, false, true, " a");
    oa__vocab_free(v);
}

/* Two characters that are no tokens themselves may still be one together. */
static void test_text_spm__pair_of_unknown(void **state)
{
    (void)state;
    static small s;
    small_init_spm(&s);
    s.spec.add_space_prefix = false;
    int32_t xy = small_add(&s, "xy", OA__TOKEN_NORMAL, -1);
    int32_t inner = small_add(&s, "y" U "x", OA__TOKEN_NORMAL, -2); /* a mark inside */
    int32_t y_mark = small_add(&s, "y" U, OA__TOKEN_NORMAL, -3);
    oa__vocab *v = small_new(&s);
    EXPECT(v, "xy", 0, xy, );
    EXPECT(v, "xyx", 0, xy, 'x', );
    EXPECT(v, "y x", 0, inner, );
    EXPECT(v, "yy ", 0, 'y', y_mark, );
    oa__vocab_free(v);
}

static void test_text_spm__unknown_token(void **state)
{
    (void)state;
    static small s;
    small_init(&s, OA__VOCAB_SPM);
    int32_t unk = small_add(&s, "<unk>", OA__TOKEN_UNKNOWN, 0);
    int32_t a = small_add(&s, "a", OA__TOKEN_NORMAL, -1);
    s.spec.unk_id = unk;
    oa__vocab *v = small_new(&s);
    EXPECT(v, "axyza", 0, a, unk, a, ); /* neighbours share one */
    EXPECT(v, "xax", 0, unk, a, unk, );
    EXPECT(v, "<unk>", OA_TOKENIZE_SPECIAL, unk, );
    oa__vocab_free(v);
    s.spec.unk_id = -1;
    s.types[0] = OA__TOKEN_CONTROL;
    expect_bad(&s, OA_EFORMAT, "unknown token");
}

static void test_text_spm__equal_and_odd_scores(void **state)
{
    (void)state;
    static small s;
    small_init_spm(&s);
    s.spec.add_space_prefix = false;
    int32_t a = small_add(&s, "a", OA__TOKEN_NORMAL, 0);
    int32_t aa = small_add(&s, "aa", OA__TOKEN_NORMAL, 1);
    int32_t ab = small_add(&s, "ab", OA__TOKEN_NORMAL, 1);
    small_add(&s, "bc", OA__TOKEN_NORMAL, __builtin_nanf(""));
    int32_t cd = small_add(&s, "cd", OA__TOKEN_NORMAL, -__builtin_inff());
    small_add(&s, "de", OA__TOKEN_NORMAL, __builtin_inff());
    oa__vocab *v = small_new(&s);
    EXPECT(v, "aab", 0, aa, 'b', ); /* equal: the leftmost */
    EXPECT(v, "aaa", 0, aa, a, );
    EXPECT(v, "ab", 0, ab, );
    oa__ids ids = {0};
    assert_int_equal(oa__vocab_encode(v, "bcd", 3, 0, &ids), OA_OK); /* both lowest: leftmost */
    assert_int_equal(ids.len, 2);
    assert_int_not_equal(ids.data[1], cd);
    oa__ids_free(&ids);
    oa__vocab_free(v);
    s.spec.scores = NULL;
    expect_bad(&s, OA_EFORMAT, "scores");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_spm__scores),
        cmocka_unit_test(test_text_spm__pair_of_unknown),
        cmocka_unit_test(test_text_spm__unknown_token),
        cmocka_unit_test(test_text_spm__equal_and_odd_scores),
    };
    return cmocka_run_group_tests_name("text_spm", tests, NULL, NULL);
}
