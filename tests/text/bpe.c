/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-level BPE: merges, patterns, bytes that are no tokens, long words. */
#include "small.h"

static void test_text_bpe__merges_by_rank(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    int32_t he = small_merge(&s, "h e", "he");
    int32_t ll = small_merge(&s, "l l", "ll");
    int32_t llo = small_merge(&s, "ll o", "llo");
    int32_t hello = small_merge(&s, "he llo", "hello");
    int32_t el = small_merge(&s, "e l", "el"); /* later: only where "he" and "ll" are not */
    int32_t sp_h = small_merge(&s, "\xC4\xA0 h", "\xC4\xA0h");
    oa__vocab *v = small_new(&s);
    EXPECT(v, "hello", 0, hello, );
    EXPECT(v, "hell", 0, he, ll, );
    EXPECT(v, "el", 0, el, );
    EXPECT(v, "ell", 0, 'e', ll, );
    EXPECT(v, "lll", 0, ll, 'l', );
    EXPECT(v, "llo", 0, llo, );
    EXPECT(v, "a hello", 0, 'a', ' ', hello, );
    EXPECT(v, " h", 0, sp_h, );
    EXPECT(v, "", 0, );
    EXPECT(v, "\0h", 0, 0, 'h', );
    EXPECT(v, "\xC3\xA9", 0, 0xC3, 0xA9, );
    /* Broken bytes become U+FFFD first, one per maximal part, as Python replaces them. */
    EXPECT(v, "a\xFFz", 0, 'a', 0xEF, 0xBF, 0xBD, 'z', );
    EXPECT(v, "\xF0\x9F\x98z", 0, 0xEF, 0xBF, 0xBD, 'z', );
    EXPECT(v, "\xED\xA0\x80", 0, 0xEF, 0xBF, 0xBD, 0xEF, 0xBF, 0xBD, 0xEF, 0xBF, 0xBD, );
    const int32_t ids[] = {sp_h, 'e', hello, 0xC3, 0xA9};
    expect_text(v, ids, 5, false, true, " hehello\xC3\xA9");
    assert_string_equal(oa__vocab_describe(v), "bpe gpt-2");
    assert_int_equal(oa__vocab_size(v), s.spec.n_tokens);
    assert_true(oa__vocab_memory(v) > s.spec.n_tokens * 8);
    assert_int_equal(oa__vocab_find(v, "\xC4\xA0h", 3), sp_h);
    assert_int_equal(oa__vocab_find(v, " h", 2), -1);
    oa__vocab_free(v);
}

/* A byte whose character is no token is left out before merging, so its neighbours may merge. */
static void test_text_bpe__missing_byte(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    s.tokens['-'] = (oa__span){"dash", 4};
    int32_t ab = small_merge(&s, "a b", "ab");
    s.spec.pattern = "llama3";
    oa__vocab *v = small_new(&s);
    EXPECT(v, "--", 0, );
    EXPECT(v, "-ab", 0, ab, );
    EXPECT(v, "ab-", 0, ab, );
    oa__vocab_free(v);
}

/* Merges happen inside words only, so they show where words end. */
static void test_text_bpe__patterns(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    int32_t d2 = small_merge(&s, "1 1", "11");
    int32_t d3 = small_merge(&s, "11 1", "111");
    int32_t nl_sp = small_merge(&s, "\xC4\x8A \xC4\xA0", "\xC4\x8A\xC4\xA0");
    int32_t sp2 = small_merge(&s, "\xC4\xA0 \xC4\xA0", "\xC4\xA0\xC4\xA0");
    int32_t sp_x = small_merge(&s, "\xC4\xA0 x", "\xC4\xA0x");
    int32_t quote_s = small_merge(&s, "' s", "'s");
    int32_t quote_S = small_merge(&s, "' S", "'S");
    int32_t dot_nl = small_merge(&s, ". \xC4\x8A", ".\xC4\x8A");
    int32_t tab_x = small_merge(&s, "\xC4\x89 x", "\xC4\x89x");
    static const char *const names[] = {"gpt-2", "smollm", "llama-bpe", "qwen2"};
    oa__vocab *v[4];
    for (int i = 0; i < 4; i++) {
        s.spec.pattern = names[i];
        v[i] = small_new(&s);
    }
    oa__vocab *gpt2 = v[0], *smollm = v[1], *llama3 = v[2], *qwen2 = v[3];
    EXPECT(gpt2, "1111", 0, d2, d2, ); /* one word of four */
    EXPECT(smollm, "1111", 0, '1', '1', '1', '1', );
    EXPECT(llama3, "1111", 0, d3, '1', );
    EXPECT(qwen2, "11", 0, '1', '1', );
    EXPECT(gpt2, "11", 0, d2, );
    EXPECT(gpt2, "  x", 0, ' ', sp_x, );
    EXPECT(smollm, "  1", 0, sp2, '1', ); /* the digit ends the text for the look-ahead */
    EXPECT(gpt2, "  1", 0, ' ', ' ', '1', );
    EXPECT(llama3, "  1", 0, ' ', ' ', '1', );
    EXPECT(gpt2, "\n  ", 0, nl_sp, ' ', );
    EXPECT(llama3, "\n  ", 0, '\n', sp2, ); /* a word of white space ends with its last newline */
    EXPECT(gpt2, "x's", 0, 'x', quote_s, );
    EXPECT(gpt2, "x'S", 0, 'x', '\'', 'S', );
    EXPECT(llama3, "x'S", 0, 'x', quote_S, );
    EXPECT(gpt2, ".\n", 0, '.', '\n', );
    EXPECT(qwen2, ".\n", 0, dot_nl, );
    EXPECT(gpt2, "\tx", 0, '\t', 'x', );
    EXPECT(llama3, "\tx", 0, tab_x, );
    for (int i = 0; i < 4; i++)
        oa__vocab_free(v[i]);
    s.spec.pattern = "qwen3-next";
    expect_bad(&s, OA_EUNSUPPORTED, "smollm");
    s.spec.pattern = NULL;
    expect_bad(&s, OA_EUNSUPPORTED, "pattern");
}

/* llama-3 takes a word that is a token whole, even when no merge leads there. */
static void test_text_bpe__whole_words(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    int32_t abc = small_add(&s, "abc", OA__TOKEN_NORMAL, 0);
    oa__vocab *v = small_new(&s);
    EXPECT(v, "abc", 0, 'a', 'b', 'c', );
    oa__vocab_free(v);
    s.spec.pattern = "llama3";
    v = small_new(&s);
    EXPECT(v, "abc", 0, abc, );
    EXPECT(v, "abcd", 0, 'a', 'b', 'c', 'd', );
    oa__vocab_free(v);
}

static void test_text_bpe__normal_form(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    s.spec.pattern = "qwen2";
    oa__vocab *v = small_new(&s);
    EXPECT(v, "e\xCC\x81", 0, 0xC3, 0xA9, );    /* e and an acute accent are one */
    EXPECT(v, "\xE2\x84\xAB", 0, 0xC3, 0x85, ); /* the angstrom sign is a letter */
    EXPECT(v, "\xE1\x84\x80\xE1\x85\xA1", 0, 0xEA, 0xB0, 0x80, );      /* Hangul */
    EXPECT(v, "a\xCC\x87\xCC\xA3", 0, 0xE1, 0xBA, 0xA1, 0xCC, 0x87, ); /* marks in order */
    EXPECT(v, "\xEA\xB0\x80\xE1\x86\xA7", 0, 0xEA, 0xB0, 0x80, 0xE1, 0x86, 0xA7, );
    /* A long run of marks in descending order is sorted in linear time. */
    size_t n = 200000;
    char *text = malloc(n * 4);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * 4, i % 2 ? "\xCC\xA3\xCC\x87" : "\xCC\x87\xCC\xA3", 4);
    oa__ids ids = {0};
    uint64_t t0 = oa__clock_ns();
    assert_int_equal(oa__vocab_encode(v, text, n * 4, 0, &ids), OA_OK);
    assert_true(oa__clock_ns() - t0 < 20000000000u);
    assert_int_equal(ids.len, n * 4);
    assert_int_equal(ids.data[1], 0xA3);
    assert_int_equal(ids.data[n * 4 - 1], 0x87);
    oa__ids_free(&ids);
    free(text);
    oa__vocab_free(v);
}

/* Rank by rank over the whole word, the slow and obvious way. */
static size_t reference(int32_t *ids, size_t n, const int32_t (*merges)[3], size_t n_merges)
{
    for (size_t r = 0; r < n_merges;) {
        size_t i = 0;
        while (i + 1 < n && (ids[i] != merges[r][0] || ids[i + 1] != merges[r][1]))
            i++;
        if (i + 1 >= n) {
            r++;
            continue;
        }
        ids[i] = merges[r][2];
        memmove(ids + i + 1, ids + i + 2, (n - i - 2) * sizeof *ids);
        n--;
        r = 0;
    }
    return n;
}

/* Random merges over two letters, words around the border between the two ways of merging. */
static void test_text_bpe__like_reference(void **state)
{
    (void)state;
    oa__random rng;
    oa__random_seed(&rng, 1);
    for (int round = 0; round < 60; round++) {
        static small s;
        static char texts[40][80];
        static char merge_texts[40][160];
        int32_t merges[40][3], pool[42] = {'a', 'b'};
        size_t n_pool = 2;
        small_init_bpe(&s);
        while (s.spec.n_merges < 40) {
            int32_t l = pool[oa__random_below(&rng, n_pool)];
            int32_t r = pool[oa__random_below(&rng, n_pool)];
            size_t k = s.spec.n_merges;
            oa__span a = s.tokens[l], b = s.tokens[r];
            if (a.len + b.len > 40) continue;
            snprintf(texts[k], 80, "%.*s%.*s", (int)a.len, a.data, (int)b.len, b.data);
            snprintf(merge_texts[k], 160, "%.*s %.*s", (int)a.len, a.data, (int)b.len, b.data);
            bool known = false;
            for (size_t i = 0; i < n_pool; i++)
                known |= s.tokens[pool[i]].len == strlen(texts[k]) &&
                         memcmp(s.tokens[pool[i]].data, texts[k], strlen(texts[k])) == 0;
            if (known) continue;
            merges[k][0] = l;
            merges[k][1] = r;
            merges[k][2] = pool[n_pool++] = small_merge(&s, merge_texts[k], texts[k]);
        }
        oa__vocab *v = small_new(&s);
        for (int word = 0; word < 40; word++) {
            char text[400];
            int32_t want[401];
            size_t n = 1 + oa__random_below(&rng, word < 20 ? 60 : 399);
            for (size_t i = 0; i < n; i++)
                want[i] = text[i] = oa__random_below(&rng, 3) ? 'a' : 'b';
            size_t n_want = reference(want, n, (const int32_t(*)[3])merges, 40);
            want[n_want] = -1;
            expect_ids(v, text, n, 0, want);
        }
        oa__vocab_free(v);
    }
}

/* A megabyte, and for the other kinds an eighth, without a border between words. */
static void test_text_bpe__long_words(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    small_merge(&s, "a a", "aa");
    small_merge(&s, "aa aa", "aaaa");
    small_merge(&s, "a b", "ab");
    small_merge(&s, "\xC4\xA0 \xC4\xA0", "\xC4\xA0\xC4\xA0");
    static const char *const names[] = {"gpt-2", "smollm", "llama3", "qwen2"};
    const char *const units[] = {"a", " ", "ab", "\n ", "1", "!", "\xE4\xB8\xAD", " \r", "'"};
    const size_t len = 1 << 20;
    char *text = malloc(len);
    for (size_t p = 0; p < 4; p++) {
        s.spec.pattern = names[p];
        oa__vocab *v = small_new(&s);
        for (size_t u = 0; u < OA__ARRAY_LEN(units); u++) {
            size_t n = strlen(units[u]), used = (p + u == 0 ? len : len / 8) / n * n;
            for (size_t i = 0; i < used; i += n)
                memcpy(text + i, units[u], n);
            oa__ids ids = {0};
            oa__str back = {0};
            uint64_t t0 = oa__clock_ns();
            assert_int_equal(oa__vocab_encode(v, text, used, 0, &ids), OA_OK);
            assert_true(oa__clock_ns() - t0 < 20000000000u);
            assert_int_equal(oa__vocab_decode(v, ids.data, ids.len, false, true, &back), OA_OK);
            assert_int_equal(back.len, used);
            assert_memory_equal(back.data, text, used);
            oa__str_free(&back);
            oa__ids_free(&ids);
        }
        oa__vocab_free(v);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_bpe__merges_by_rank),
        cmocka_unit_test(test_text_bpe__missing_byte),
        cmocka_unit_test(test_text_bpe__patterns),
        cmocka_unit_test(test_text_bpe__whole_words),
        cmocka_unit_test(test_text_bpe__normal_form),
        cmocka_unit_test(test_text_bpe__like_reference),
        cmocka_unit_test(test_text_bpe__long_words),
    };
    return cmocka_run_group_tests_name("text_bpe", tests, NULL, NULL);
}
