/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting into words: with compiled patterns and with the interpreter, which serves where a system
 * forbids writing code at run time. Also the finder, against looking everywhere. */
#include "small.h"

#include "text/vocab_priv.h"

/* The lengths of all words, one after another. */
static size_t cut(const oa__pretoken *p, const char *text, size_t len, bool jit, oa__str *out)
{
    oa__words w = {0};
    const char *word;
    size_t n, at = 0, n_words = 0;
    int rc;
    assert_int_equal(oa__words_begin(&w, p, NULL, text, len, true), OA_OK);
    w.interpret = !jit;
    while ((rc = oa__words_next(&w, &word, &n)) == 1) {
        assert_ptr_equal(word, text + at);
        assert_true(n > 0);
        at += n;
        n_words++;
        assert_int_equal(oa__str_add(out, (const char *)&n, sizeof n), OA_OK);
    }
    if (rc < 0) fail_msg("%s", oa_error_last());
    assert_int_equal(at, len);
    oa__words_end(&w);
    return n_words;
}

static void expect_same(const oa__pretoken *p, const char *text, size_t len)
{
    oa__str a = {0}, b = {0};
    cut(p, text, len, true, &a);
    cut(p, text, len, false, &b);
    assert_int_equal(a.len, b.len);
    if (a.len) assert_memory_equal(a.data, b.data, a.len);
    oa__str_free(&a);
    oa__str_free(&b);
}

static void test_text_pretoken__without_jit(void **state)
{
    (void)state;
    static const char *const units[] = {"a",
                                        " ",
                                        "1",
                                        "!",
                                        "\n",
                                        " \n",
                                        "\r",
                                        "'s",
                                        "I'm",
                                        "ab",
                                        "\t ",
                                        ".",
                                        "\xE4\xB8\xAD",
                                        "\xC2\xA0",
                                        "a ",
                                        "1a",
                                        "'",
                                        "x\n",
                                        "\xF0\x9F\x98\x80"};
    const size_t len = 1 << 13;
    char *text = malloc(len + 1);
    oa__random rng;
    oa__random_seed(&rng, 7);
    const oa__pipeline_spec *last = NULL;
    const char *name;
    for (size_t p = 0; (name = oa__pipeline_alias(p)); p++) {
        const oa__pipeline_spec *spec;
        oa__pretoken *pretoken;
        assert_int_equal(oa__pipeline_named(&spec, name), OA_OK);
        if (spec == last) continue;
        last = spec;
        if (oa__pretoken_new(&pretoken, NULL, spec) < 0) fail_msg("%s: %s", name, oa_error_last());
        expect_same(pretoken, "", 0);
        for (size_t u = 0; u < OA__ARRAY_LEN(units); u++) {
            size_t n = strlen(units[u]), used = len / n * n;
            for (size_t i = 0; i < used; i += n)
                memcpy(text + i, units[u], n);
            expect_same(pretoken, text, used);
            text[used] = 'x'; /* so that look-ahead has something to see */
            expect_same(pretoken, text, used + 1);
        }
        for (int round = 0; round < 50; round++) {
            size_t used = 0;
            while (used < 200) {
                const char *unit = units[oa__random_below(&rng, OA__ARRAY_LEN(units))];
                memcpy(text + used, unit, strlen(unit));
                used += strlen(unit);
            }
            expect_same(pretoken, text, used);
        }
        oa__pretoken_free(pretoken, NULL);
    }
    free(text);
}

static bool has(const char *property, uint32_t cp)
{
    oa__uset set = {0};
    assert_int_equal(oa__uset_add_property(&set, property, strlen(property)), OA_OK);
    oa__uset_finish(&set);
    bool in = oa__uset_has(&set, cp);
    oa__uset_free(&set);
    return in;
}

/* Unicode 16, and white space and digits as the reference implementation has them. */
static void test_text_pretoken__sets(void **state)
{
    (void)state;
    static const struct {
        const char *property;
        uint32_t in, out;
    } known[] = {
        {"L", 'a', '0'},
        {"Lu", 'A', 'a'},
        {"Ll", 0x17f, 0x17d},
        {"N", 0x2167, 'x'},
        {"Nd", 0x967, 0xb2},
        {"N", 0x1ccf0, 0x11de0},
        {"oa_digit", 0x11de0, 'a'},
        {"space", 0x85, 0x180e},
        {"space", 0x3000, 0x200b},
        {"L", 0x4e00, 0x301},
        {"M", 0x301, 'a'},
        {"L", 0x1c89, 0x1f600},
        {"L", 0x323af, 0x323b0},
        {"Letter", 0x9fff, 0x2028},
        {"P", 0x2e5d, '$'},
        {"oa_punctuation", '$', 0x2e5d},
        {"S", '$', '#'},
        {"Han", 0x3007, 0x3042},
        {"word", '_', '-'},
        {"word", 0x24b6, 0x200d},
        {"oa_word", 0x200d, 0xb2},
        {"Any", 0x10ffff, 0x110000},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(known); i++) {
        if (!has(known[i].property, known[i].in) || has(known[i].property, known[i].out))
            fail_msg("%s of U+%04X and U+%04X", known[i].property, (unsigned)known[i].in,
                     (unsigned)known[i].out);
    }
    oa__uset set = {0};
    assert_int_equal(oa__uset_add_property(&set, "Klingon", 7), OA_ENOTFOUND);
}

/* Random tokens over two letters in random texts. */
static void test_text_pretoken__finder(void **state)
{
    (void)state;
    oa__random rng;
    oa__random_seed(&rng, 3);
    for (int round = 0; round < 300; round++) {
        char tokens[12][8], text[64];
        oa__finder f = {.reversed = true};
        oa__founds found = {0};
        size_t n_tokens = 1 + oa__random_below(&rng, 12), len = oa__random_below(&rng, 64);
        for (size_t t = 0; t < n_tokens; t++) {
            size_t n = 1 + oa__random_below(&rng, 7);
            for (size_t i = 0; i <= n; i++)
                tokens[t][i] = i < n ? "ab"[oa__random_below(&rng, 2)] : 0;
            assert_int_equal(oa__finder_add(&f, NULL, (oa__span){tokens[t], n}, (int32_t)t), OA_OK);
        }
        for (size_t i = 0; i < len; i++)
            text[i] = "abc"[oa__random_below(&rng, 16) % 3];
        assert_int_equal(oa__finder_finish(&f, NULL), OA_OK);
        assert_int_equal(oa__finder_scan(&f, NULL, text, len, 100, &found), OA_OK);
        size_t k = found.len;
        bool touches = false;
        for (size_t i = 0; i < len; i++) {
            size_t best = 0;
            for (size_t t = 0; t < n_tokens; t++) {
                size_t n = strlen(tokens[t]);
                if (n <= len - i && n > best && memcmp(text + i, tokens[t], n) == 0) best = n;
                for (size_t from = 0; i == 0 && from < n; from++)
                    touches |= n - from <= len && memcmp(text, tokens[t] + from, n - from) == 0;
            }
            if (best == 0) continue;
            assert_true(k-- > 0);
            assert_int_equal(found.data[k].start, i + 100);
            assert_int_equal(found.data[k].len, best);
            assert_memory_equal(tokens[found.data[k].id], text + i, best);
        }
        assert_int_equal(k, 0);
        assert_int_equal(oa__finder_touches(&f, text, len), touches);
        oa__free(NULL, found.data);
        oa__free(NULL, f.nodes);
    }
}

/* Tokens that share long beginnings, and a text of nothing else: still one pass. */
static void test_text_pretoken__finder_is_linear(void **state)
{
    (void)state;
    const size_t n_token = 20000, len = 1 << 20;
    char *token = malloc(n_token), *text = malloc(len);
    memset(token, 'a', n_token);
    memset(text, 'a', len);
    for (int at_end = 0; at_end < 2; at_end++) {
        oa__finder f = {.reversed = true};
        oa__founds found = {0};
        token[at_end ? n_token - 1 : 0] = 'b';
        token[at_end ? 0 : n_token - 1] = 'a';
        assert_int_equal(oa__finder_add(&f, NULL, (oa__span){token, n_token}, 0), OA_OK);
        assert_int_equal(oa__finder_finish(&f, NULL), OA_OK);
        uint64_t t0 = oa__clock_ns();
        assert_int_equal(oa__finder_scan(&f, NULL, text, len, 0, &found), OA_OK);
        assert_true(oa__clock_ns() - t0 < 2000000000u); /* the square would take ten times that */
        assert_int_equal(found.len, 0);
        oa__free(NULL, f.nodes);
        oa__free(NULL, found.data);
    }
    free(token);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_pretoken__without_jit),
        cmocka_unit_test(test_text_pretoken__sets),
        cmocka_unit_test(test_text_pretoken__finder),
        cmocka_unit_test(test_text_pretoken__finder_is_linear),
    };
    return cmocka_run_group_tests_name("text_pretoken", tests, NULL, NULL);
}
