/* SPDX-License-Identifier: Apache-2.0 */
/* Unigram vocabularies: the best cut, unknown characters, the character map, bad files. */
#include "small.h"

#include <math.h>

static void init(small *s)
{
    small_init(s, OA__VOCAB_UGM);
    s->spec.pattern = NULL;
    s->spec.unk_id = small_add(s, "<unk>", OA__TOKEN_UNKNOWN, 0);
    small_add(s, "</s>", OA__TOKEN_CONTROL, 0);
    s->spec.add_space_prefix = true;
    s->spec.remove_extra_spaces = true;
}

static void test_text_unigram__best(void **state)
{
    (void)state;
    small s;
    init(&s);
    small_add(&s, "\u2581", OA__TOKEN_NORMAL, -2);     /* 2 */
    small_add(&s, "a", OA__TOKEN_NORMAL, -3);          /* 3 */
    small_add(&s, "b", OA__TOKEN_NORMAL, -3);          /* 4 */
    small_add(&s, "ab", OA__TOKEN_NORMAL, -4);         /* 5 */
    small_add(&s, "\u2581a", OA__TOKEN_NORMAL, -4);    /* 6 */
    small_add(&s, "bab", OA__TOKEN_NORMAL, -5);        /* 7 */
    small_add(&s, "aba", OA__TOKEN_UNUSED, 100);       /* 8: never */
    small_add(&s, "\u00e4", OA__TOKEN_NORMAL, -3);     /* 9 */
    small_add_n(&s, "b\xc3", 2, OA__TOKEN_NORMAL, 50); /* 10: tears a character */
    oa__vocab *v = small_new(&s);
    assert_string_equal(oa__vocab_describe(v), "unigram");
    EXPECT(v, "", 0, );
    EXPECT(v, "   ", 0, );
    EXPECT(v, "a", 0, 6, );
    EXPECT(v, "ab", 0, 2, 5, );        /* -6 before _a b with -7 */
    EXPECT(v, "abab", 0, 6, 7, );      /* -9 before _ ab ab with -10 */
    EXPECT(v, " a  b ", 0, 6, 2, 4, ); /* extra spaces go */
    EXPECT(v, "xyz", 0, 2, 0, );       /* neighbours are one unknown token */
    EXPECT(v, "xax", 0, 2, 0, 3, 0, );
    EXPECT(v, "b\u00e4", 0, 2, 4, 9, );
    EXPECT(v, "</s>", 0, 2, 0, );
    EXPECT(v, "</s>a", OA_TOKENIZE_SPECIAL, 1, 6, );
    expect_text(v, (const int32_t[]){6, 2, 4}, 3, false, true, "a b");
    oa__vocab_free(v);
    s.spec.remove_extra_spaces = false;
    s.spec.add_space_prefix = false;
    v = small_new(&s);
    EXPECT(v, "a  b ", 0, 3, 2, 2, 4, 2, );
    oa__vocab_free(v);
    s.spec.keep_spaces = true;
    v = small_new(&s);
    EXPECT(v, "a b", 0, 3, 0, 4, );
    oa__vocab_free(v);
}

static void test_text_unigram__bytes(void **state)
{
    (void)state;
    small s;
    small_init_spm(&s);
    s.spec.kind = OA__VOCAB_UGM;
    small_add(&s, "\u2581a", OA__TOKEN_NORMAL, -1);
    oa__vocab *v = small_new(&s);
    EXPECT(v, "a\u00e4", 0, 256, 0xc3, 0xa4, );
    oa__vocab_free(v);
}

/* The unknown token costs the lowest score less 10; with higher scores than that it still is one.
 */
static void test_text_unigram__hostile_scores(void **state)
{
    (void)state;
    small s;
    init(&s);
    const float scores[] = {NAN, INFINITY, -INFINITY, 3.4e38f, -3.4e38f};
    small_add(&s, "\u2581", OA__TOKEN_NORMAL, 1);
    int32_t first = small_add(&s, "a", OA__TOKEN_NORMAL, scores[0]);
    for (size_t i = 1; i < OA__ARRAY_LEN(scores); i++)
        small_add(&s, "a", OA__TOKEN_NORMAL, scores[i]);
    small_add(&s, "", OA__TOKEN_NORMAL, 5);
    oa__vocab *v = small_new(&s);
    EXPECT(v, "a", 0, 2, first, );
    EXPECT(v, "x", 0, 2, 0, );
    oa__vocab_free(v);
    s.spec.scores = NULL;
    expect_bad(&s, OA_EFORMAT, "no scores");
    s.spec.scores = s.scores;
    s.spec.unk_id = -1;
    expect_bad(&s, OA_EFORMAT, "unknown token");
}

/* Unknown neighbours that are a token together: only when scores are above 0. */
static void test_text_unigram__unknown_pair(void **state)
{
    (void)state;
    small s;
    init(&s);
    s.spec.add_space_prefix = false;
    int32_t ab = small_add(&s, "ab", OA__TOKEN_NORMAL, 30);
    oa__vocab *v = small_new(&s);
    expect_ids(v, "ab", 2, 0, (const int32_t[]){ab, -1});
    expect_ids(v, "abc", 3, 0, (const int32_t[]){0, -1});
    oa__vocab_free(v);
}

/* --- the character map ------------------------------------------------------------------------ */

typedef struct map {
    char data[2048];
    size_t size;
} map;

static void put(map *m, size_t unit, uint32_t value)
{
    for (int k = 0; k < 4; k++)
        m->data[4 + 4 * unit + (size_t)k] = (char)(value >> 8 * k);
}

/* A trie by hand: 256 units of the root at offset 256 would be usual; here the root's children are
 * at 0 xor byte. "\t" becomes " ", "A" becomes "a", "Ab" becomes "xyz", "\x01" nothing. */
static void make(map *m)
{
    static const char texts[] = " \0a\0xyz\0"; /* and the literal's own NUL: an empty one at 8 */
    const size_t n_units = 256;
    memset(m, 0, sizeof *m);
    m->data[0] = (char)(n_units * 4 & 255);
    m->data[1] = (char)(n_units * 4 >> 8);
    for (size_t i = 0; i < n_units; i++)
        put(m, i, 0xff); /* no byte leads here */
    put(m, 0, 0);
    put(m, '\t', '\t' | 1 << 8 | ('\t' ^ 128) << 10);
    put(m, 128, UINT32_C(1) << 31 | 0);
    put(m, 'A', 'A' | 1 << 8 | ('A' ^ 160) << 10); /* leaf at 160, "b" at 160 ^ 'b' */
    put(m, 160, UINT32_C(1) << 31 | 2);
    put(m, 160 ^ 'b', 'b' | 1 << 8 | (160 ^ 'b' ^ 130) << 10);
    put(m, 130, UINT32_C(1) << 31 | 4);
    put(m, 1, 1 | 1 << 8 | (1 ^ 131) << 10);
    put(m, 131, UINT32_C(1) << 31 | 8);
    memcpy(m->data + 4 + n_units * 4, texts, sizeof texts);
    m->size = 4 + n_units * 4 + sizeof texts;
}

static void init_map(small *s, const map *m)
{
    init(s);
    small_add(s, "\u2581", OA__TOKEN_NORMAL, -2); /* 2 */
    small_add(s, "a", OA__TOKEN_NORMAL, -3);      /* 3 */
    small_add(s, "xyz", OA__TOKEN_NORMAL, -3);    /* 4 */
    small_add(s, "b", OA__TOKEN_NORMAL, -3);      /* 5 */
    s->spec.charsmap = m->data;
    s->spec.charsmap_size = m->size;
}

static void test_text_unigram__charsmap(void **state)
{
    (void)state;
    small s;
    map m;
    make(&m);
    init_map(&s, &m);
    oa__vocab *v = small_new(&s);
    EXPECT(v, "A", 0, 2, 3, );
    EXPECT(v, "AbA", 0, 2, 4, 3, ); /* the longest rule */
    EXPECT(v, "\tA\t\tAb\t", 0, 2, 3, 2, 4, );
    EXPECT(v, "\x01", 0, ); /* nothing is left but the space in front, which goes */
    EXPECT(v,
           "a\x01"
           "b",
           0, 2, 3, 5, );
    oa__vocab_free(v);
}

static void test_text_unigram__bad_charsmaps(void **state)
{
    (void)state;
    small s;
    map m;
    make(&m);
    init_map(&s, &m);
    s.spec.charsmap_size = 3;
    expect_bad(&s, OA_EFORMAT, "character map of 3 bytes");
    s.spec.charsmap_size = 500;
    expect_bad(&s, OA_EFORMAT, "has a trie of 1024");
    s.spec.charsmap_size = m.size - 2; /* the end of "xyz" is cut */
    expect_bad(&s, OA_EFORMAT, "has no end");
    s.spec.charsmap_size = m.size;
    /* Without a trie nobody looks at the replacements; they used to be read past their end. */
    s.spec.charsmap = "\0\0\0\0abc";
    s.spec.charsmap_size = 7;
    oa__vocab *v = small_new(&s);
    EXPECT(v, "A", 0, 2, 0, );
    oa__vocab_free(v);
    s.spec.charsmap = m.data;
    s.spec.charsmap_size = m.size;
    put(&m, 131, UINT32_C(1) << 31 | 9);
    expect_bad(&s, OA_EFORMAT, "replacement at 9");
    put(&m, 131, UINT32_C(1) << 31 | 8);
    m.data[4 + 1024 + 4] = '\xc3';
    expect_bad(&s, OA_EFORMAT, "no UTF-8");
    /* Units that lead out of the array or in a circle: no rule, and no end of time. */
    make(&m);
    put(&m, 'A', 'A' | UINT32_C(0x1fffff) << 10);
    put(&m, 'a', 'a' | ('a' ^ 0) << 10);
    v = small_new(&s);
    EXPECT(v, "Aa", 0, 2, 0, 3, );
    oa__vocab_free(v);
}

/* A map that makes much of little is refused when it does. */
static void test_text_unigram__bomb(void **state)
{
    (void)state;
    small s;
    map m;
    make(&m);
    init_map(&s, &m);
    const size_t n_texts = 200000;
    char *big = malloc(m.size + n_texts);
    assert_non_null(big);
    memcpy(big, m.data, m.size);
    memset(big + m.size - 1, 'a', n_texts);
    big[m.size - 1 + n_texts] = 0;
    s.spec.charsmap = big;
    s.spec.charsmap_size = m.size + n_texts;
    oa__vocab *v = small_new(&s);
    oa__ids ids = {0};
    assert_int_equal(oa__vocab_encode(v, "\x01\x01", 2, 0, &ids), OA_ELIMIT);
    assert_int_equal(ids.len, 0);
    oa__ids_free(&ids);
    oa__vocab_free(v);
    free(big);
}

/* Ten megabytes without a space, the tokens such that all of them match everywhere. */
static void test_text_unigram__long_word(void **state)
{
    (void)state;
    static char as[65];
    small s;
    init(&s);
    s.spec.add_space_prefix = false;
    memset(as, 'a', 64);
    for (size_t n = 1; n <= 64; n++)
        small_add_n(&s, as, n, OA__TOKEN_NORMAL, -1.0f - (float)n / 128);
    const size_t len = 500000;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'a', len);
    oa__vocab *v = small_new(&s);
    oa__ids ids = {0};
    assert_int_equal(oa__vocab_encode(v, text, len, 0, &ids), OA_OK);
    assert_int_equal(ids.len, (len + 63) / 64);
    oa__ids_free(&ids);
    oa__vocab_free(v);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_unigram__best),
        cmocka_unit_test(test_text_unigram__bytes),
        cmocka_unit_test(test_text_unigram__hostile_scores),
        cmocka_unit_test(test_text_unigram__unknown_pair),
        cmocka_unit_test(test_text_unigram__charsmap),
        cmocka_unit_test(test_text_unigram__bad_charsmaps),
        cmocka_unit_test(test_text_unigram__bomb),
        cmocka_unit_test(test_text_unigram__long_word),
    };
    return cmocka_run_group_tests_name("text_unigram", tests, NULL, NULL);
}
