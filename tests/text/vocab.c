/* SPDX-License-Identifier: Apache-2.0 */
/* Vocabularies: special tokens, guards, ends, what damaged files bring, failing memory. */
#include "small.h"
#include "util/fail_alloc.h"

enum { SPECIAL = OA_TOKENIZE_SPECIAL, GUARDED = OA_TOKENIZE_SPECIAL | OA__TOKENIZE_GUARDED };
#define G OA__GUARD

static void test_text_vocab__special_tokens(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    int32_t a = small_add(&s, "<a>", OA__TOKEN_CONTROL, 0);
    int32_t aa = small_add(&s, "<a><a>", OA__TOKEN_CONTROL, 0);
    int32_t tail = small_add(&s, "a><", OA__TOKEN_CONTROL, 0);
    int32_t user = small_add(&s, "<u>", OA__TOKEN_USER_DEFINED, 0);
    int32_t sp = small_add(&s, "   ", OA__TOKEN_USER_DEFINED, 0);
    small_add(&s, "", OA__TOKEN_CONTROL, 0);
    small_add(&s, "\xFF\xFE", OA__TOKEN_CONTROL, 0);
    s.spec.bos_id = a;
    s.spec.eos_id = aa;
    oa__vocab *v = small_new(&s);
    EXPECT(v, "x<a>y", SPECIAL, 'x', a, 'y', );
    EXPECT(v, "x<a>y", 0, 'x', '<', 'a', '>', 'y', );
    EXPECT(v, "<a><a>", SPECIAL, aa, ); /* longest */
    EXPECT(v, "<a><a><a>", SPECIAL, aa, a, );
    EXPECT(v, "<a><b", SPECIAL, a, '<', 'b', ); /* leftmost, though "a><" is there too */
    EXPECT(v, "a><b", SPECIAL, tail, 'b', );
    /* User-defined tokens are text: found always, after control tokens. */
    EXPECT(v, "x<u>", 0, 'x', user, );
    EXPECT(v, "<u><a>", SPECIAL, user, a, );
    EXPECT(v, "    x", 0, sp, ' ', 'x', );
    const int32_t ids[] = {a, 'x', user, aa};
    expect_text(v, ids, 4, false, true, "x<u>");
    expect_text(v, ids, 4, true, true, "<a>x<u><a><a>");
    const int32_t bad[] = {'x', (int32_t)s.spec.n_tokens}, negative[] = {-1};
    oa__str out = {0};
    assert_int_equal(oa__str_add(&out, "kept", 4), OA_OK);
    assert_int_equal(oa__vocab_decode(v, bad, 2, false, true, &out), OA_EINVAL);
    assert_int_equal(oa__vocab_decode(v, negative, 1, false, true, &out), OA_EINVAL);
    assert_string_equal(out.data, "kept");
    oa__str_free(&out);
    oa__ids none = {0};
    assert_int_equal(oa__vocab_encode(v, "x", 1, 1u << 31, &none), OA_EINVAL);
    assert_int_equal(oa__vocab_encode(v, NULL, 1, 0, &none), OA_EINVAL);
    assert_int_equal(oa__vocab_encode(v, NULL, 0, 0, &none), OA_OK);
    assert_int_equal(oa__vocab_encode(v, "x", (size_t)1 << 40, 0, &none), OA_ELIMIT);
    oa__vocab_free(v);
    /* Both ends, where the file says so. */
    s.spec.add_bos = s.spec.add_eos = true;
    v = small_new(&s);
    EXPECT(v, "x", 0, a, 'x', aa, );
    EXPECT(v, "", 0, a, aa, );
    EXPECT(v, "x", OA_TOKENIZE_NO_BOS, 'x', aa, );
    EXPECT(v, "x", OA_TOKENIZE_NO_EOS, a, 'x', );
    oa__vocab_free(v);
    s.spec.bos_id = s.spec.eos_id = -1; /* said so, but there are none */
    v = small_new(&s);
    EXPECT(v, "x", 0, 'x', );
    oa__vocab_free(v);
}

static void test_text_vocab__guards(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    int32_t a = small_add(&s, "<a>", OA__TOKEN_CONTROL, 0);
    int32_t pilcrow = small_add(&s, "\xC2\xB6", OA__TOKEN_CONTROL, 0); /* of one character */
    int32_t user = small_add(&s, "<u>", OA__TOKEN_USER_DEFINED, 0);
    int32_t ab = small_merge(&s, "a b", "ab");
    oa__vocab *v = small_new(&s);
    EXPECT(v, "<" G "a>", GUARDED, '<', 'a', '>', );
    EXPECT(v, G "<a>", GUARDED, '<', 'a', '>', );
    EXPECT(v, "<a>" G, GUARDED, a, );
    EXPECT(v, G G "<a>" G "<a><a>", GUARDED, '<', 'a', '>', '<', 'a', '>', a, );
    EXPECT(v, "a" G "b", GUARDED, ab, ); /* a guard changes nothing else */
    EXPECT(v, "<" G "u>", GUARDED, user, );
    EXPECT(v, "a" G "b", SPECIAL, 'a', 0xEF, 0xB7, 0x90, 'b', );
    EXPECT(v, "\xEF" G "\xB7\x90", GUARDED, 0xEF, 0xBF, 0xBD, 0xEF, 0xBF, 0xBD, 0xEF, 0xBF, 0xBD, );
    static const struct {
        const char *content, *want;
    } cases[] = {
        {"", ""},
        {"plain text > here", "plain text > here"},
        {"see <a>", "see " G "<a" G ">"},
        {"<a><a>", G "<a>" G "<a" G ">"},
        {"\xC2\xB6", G "\xC2\xB6"},
        {"<u>", "<u>"},
        {"> quoted", G "> quoted"},
        {"is 1 <", "is 1 " G "<"},
        {"<", G "<"},
        {"x" G "y", "xy"},
        {G, ""},
        {"<" G "a> b", G "<a> b"},
        {"\xFF<a>.", "\xEF\xBF\xBD" G "<a>."},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        oa__str out = {0};
        const char *text = cases[i].content;
        assert_int_equal(oa__str_add(&out, "", 0), OA_OK);
        assert_int_equal(oa__vocab_guard(v, text, strlen(text), &out), OA_OK);
        if (strcmp(out.data ? out.data : "", cases[i].want) != 0)
            fail_msg("\"%s\" becomes \"%s\"", text, out.data);
        /* No content becomes special, alone or between parts of tokens, and the template's own
         * tokens around it stay. */
        static const char *const around[][2] = {
            {"", ""}, {"<", ">"}, {"<a", "a>"}, {"<a>", "<a>"}, {"<", "a>"}};
        for (size_t k = 0; k < OA__ARRAY_LEN(around); k++) {
            oa__str all = {0};
            oa__ids ids = {0};
            assert_int_equal(oa__str_add_z(&all, around[k][0]), OA_OK);
            assert_int_equal(oa__str_add(&all, out.data, out.len), OA_OK);
            assert_int_equal(oa__str_add_z(&all, around[k][1]), OA_OK);
            assert_int_equal(oa__vocab_encode(v, all.data, all.len, GUARDED, &ids), OA_OK);
            size_t n_special = 0;
            for (size_t j = 0; j < ids.len; j++)
                n_special += ids.data[j] == a || ids.data[j] == pilcrow;
            bool empty = strcmp(text, "") == 0 || strcmp(text, G) == 0;
            size_t own = k == 3 ? 2 : k == 4 && empty ? 1 : 0;
            if (n_special != own) fail_msg("\"%s\" around %zu: %zu", text, k, n_special);
            oa__ids_free(&ids);
            oa__str_free(&all);
        }
        oa__str_free(&out);
    }
    oa__vocab_free(v);
}

static void test_text_vocab__ends(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    int32_t im_end = small_add(&s, "<|im_end|>", OA__TOKEN_CONTROL, 0);
    int32_t eot = small_add(&s, "<|eot_id|>", OA__TOKEN_USER_DEFINED, 0);
    int32_t other = small_add(&s, "<|im_start|>", OA__TOKEN_CONTROL, 0);
    int32_t text = small_add(&s, "</s>", OA__TOKEN_NORMAL, 0);
    s.spec.eos_id = '.';
    s.spec.eot_id = '!';
    oa__vocab *v = small_new(&s);
    assert_true(oa__vocab_is_end(v, im_end) && oa__vocab_is_end(v, eot));
    assert_true(oa__vocab_is_end(v, '.') && oa__vocab_is_end(v, '!'));
    assert_false(oa__vocab_is_end(v, other) || oa__vocab_is_end(v, text));
    assert_false(oa__vocab_is_end(v, -1) || oa__vocab_is_end(v, 100000));
    assert_false(oa__vocab_is_special(v, '.'));
    oa__vocab_free(v);
    /* Without types the special ids are what is special. */
    s.spec.types = NULL;
    v = small_new(&s);
    assert_true(oa__vocab_is_special(v, '.') && oa__vocab_is_special(v, '!'));
    EXPECT(v, "a.", SPECIAL, 'a', '.', );
    oa__vocab_free(v);
}

static void test_text_vocab__hostile(void **state)
{
    (void)state;
    static small s;
    small_init_bpe(&s);
    static char giant[1 << 20];
    memset(giant, 'a', sizeof giant);
    /* Equal texts: the last normal one counts, a control one never. */
    small_add(&s, "ab", OA__TOKEN_NORMAL, 0);
    int32_t ab = small_merge(&s, "a b", "ab");
    small_add(&s, "ab", OA__TOKEN_CONTROL, 0);
    small_add(&s, "", OA__TOKEN_NORMAL, 0);
    small_add_n(&s, giant, sizeof giant, OA__TOKEN_NORMAL, 0);
    int32_t big = small_add_n(&s, giant, sizeof giant - 1, OA__TOKEN_USER_DEFINED, 0);
    small_add(&s, "\xFF", 0, 0);
    small_add(&s, "\xC3\xA9", OA__TOKEN_USER_DEFINED, 0); /* as the character of byte 0xE9 */
    oa__vocab *v = small_new(&s);
    EXPECT(v, "\xE9\xBF", 0, 0xEF, 0xBF, 0xBD, );
    EXPECT(v, "\xE9\xBF\xBF", 0, 0xE9, 0xBF, 0xBF, );
    EXPECT(v, "ab", 0, ab, );
    int32_t bigs[] = {big, 'a', -1};
    expect_ids(v, giant, sizeof giant, 0, bigs);
    oa__vocab_free(v);

    static const struct {
        const char *merge, *words;
    } merges[] = {{"a", "want two tokens"},  {"", "want two tokens"},   {" ", "want two tokens"},
                  {"ab", "want two tokens"}, {"a ", "want two tokens"}, {" b", "want two tokens"},
                  {"zz a", "left part"},     {"a zz", "right part"},    {"b b", "result"},
                  {"a b c", "right part"}};
    size_t n = s.spec.n_merges++;
    for (size_t i = 0; i < OA__ARRAY_LEN(merges); i++) {
        s.merges[n] = (oa__span){merges[i].merge, strlen(merges[i].merge)};
        expect_bad(&s, OA_EFORMAT, merges[i].words);
    }
    s.merges[n] = (oa__span){giant, sizeof giant};
    expect_bad(&s, OA_EFORMAT, "want two tokens");
    s.spec.n_merges--;
    /* A merge that would give a control token is left out. */
    int32_t bb = small_add(&s, "bb", OA__TOKEN_CONTROL, 0);
    s.merges[s.spec.n_merges++] = (oa__span){"b b", 3};
    v = small_new(&s);
    EXPECT(v, "bb", 0, 'b', 'b', );
    EXPECT(v, "bb", SPECIAL, bb, );
    oa__vocab_free(v);

    static const int32_t types[] = {7, -1, INT32_MAX, INT32_MIN, 256 + 1};
    for (size_t i = 0; i < OA__ARRAY_LEN(types); i++) {
        s.types[3] = types[i];
        expect_bad(&s, OA_EFORMAT, "token 3 has type");
    }
    s.types[3] = OA__TOKEN_BYTE; /* byte-level: an ordinary token */
    v = small_new(&s);
    EXPECT(v, "\3", 0, 3, );
    oa__vocab_free(v);
    int32_t *ids[] = {&s.spec.bos_id, &s.spec.eos_id, &s.spec.eot_id, &s.spec.unk_id,
                      &s.spec.pad_id};
    for (size_t i = 0; i < OA__ARRAY_LEN(ids); i++) {
        static const int32_t bad[] = {-2, INT32_MIN, INT32_MAX, SMALL_MAX};
        for (size_t k = 0; k < OA__ARRAY_LEN(bad); k++) {
            *ids[i] = bad[k];
            expect_bad(&s, OA_EFORMAT, "token id");
        }
        *ids[i] = -1;
    }
    size_t n_tokens = s.spec.n_tokens;
    s.spec.n_tokens = 0;
    expect_bad(&s, OA_EFORMAT, "empty");
    s.spec.n_tokens = SIZE_MAX;
    expect_bad(&s, OA_EFORMAT, "at most");
    s.spec.n_tokens = n_tokens;
    s.spec.n_merges = SIZE_MAX;
    expect_bad(&s, OA_EFORMAT, "merges");
    s.spec.n_merges = 0;
    s.spec.kind = 9;
    expect_bad(&s, OA_EINVAL, "kind");

    /* No single byte is a token. */
    small_init(&s, OA__VOCAB_BPE);
    small_add(&s, "word", OA__TOKEN_NORMAL, 0);
    expect_bad(&s, OA_EFORMAT, "single byte");

    static const char *const bytes[] = {"<0xZZ>", "<0x-1>", "<0x1>", "<0x001>",
                                        "",       "<0x0",   "<0X00>"};
    for (size_t i = 0; i < OA__ARRAY_LEN(bytes); i++) {
        small_init_spm(&s);
        small_add(&s, bytes[i], OA__TOKEN_BYTE, 0);
        expect_bad(&s, OA_EFORMAT, "byte token 256");
    }
    /* Merging makes no token of over a kilobyte, and none of the empty ones. */
    small_init_spm(&s);
    s.spec.add_space_prefix = false;
    small_add_n(&s, giant, sizeof giant, OA__TOKEN_NORMAL, 9);
    small_add(&s, "", OA__TOKEN_NORMAL, 9);
    int32_t aa = small_add(&s, "aa", OA__TOKEN_NORMAL, 1);
    v = small_new(&s);
    oa__ids out = {0};
    assert_int_equal(oa__vocab_encode(v, giant, sizeof giant, 0, &out), OA_OK);
    assert_int_equal(out.len, sizeof giant / 2);
    assert_int_equal(out.data[0], aa);
    oa__ids_free(&out);
    oa__vocab_free(v);
}

static void test_text_vocab__stream(void **state)
{
    (void)state;
    static const char *const texts[] = {"plain",
                                        "\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80!",
                                        "\xFFz",
                                        "\xF0\x9F\x98z\xF0\x9F",
                                        "\xED\xA0\x80",
                                        "\xE4\xB8\xE4\xB8\xAD",
                                        "\xF4\x90\x80\x80",
                                        "\xC0\xAF",
                                        "\xEF\xBF\xBD",
                                        "\xF0\x9F\x98\x80\xF0\x9F\x98",
                                        "\xE2\x82",
                                        "\x80",
                                        "\xF0\xF0\xF0\x9F\x98\x80"};
    for (size_t i = 0; i < OA__ARRAY_LEN(texts); i++) {
        size_t len = strlen(texts[i]);
        /* What Python's bytes.decode("utf-8", "replace") gives: one U+FFFD per maximal part. */
        oa__str want = {0};
        for (size_t k = 0; k < len;) {
            uint32_t cp;
            k += oa__utf8_decode(texts[i] + k, len - k, &cp);
            assert_int_equal(oa__str_add_utf8(&want, cp), OA_OK);
        }
        for (size_t chunk = 1; chunk <= len; chunk++) {
            oa__utf8_stream st = {0};
            oa__str out = {0};
            for (size_t k = 0; k < len; k += chunk) {
                size_t n = len - k < chunk ? len - k : chunk;
                assert_int_equal(oa__utf8_stream_add(&st, texts[i] + k, n, &out), OA_OK);
                assert_true(oa__utf8_valid(out.data ? out.data : "", out.len));
            }
            assert_int_equal(oa__utf8_stream_end(&st, &out), OA_OK);
            if (out.len != want.len || memcmp(out.data, want.data, want.len) != 0)
                fail_msg("text %zu in chunks of %zu: \"%s\", want \"%s\"", i, chunk, out.data,
                         want.data);
            oa__str_free(&out);
        }
        oa__str_free(&want);
    }
}

/* Every allocation fails once: OA_ENOMEM, nothing leaked, the output untouched. */
static int everything(oa__mem *mem, small *s)
{
    static const char text[] =
        "hello <a>ab  e\xCC\x81\xFF aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa <u> \xE4\xB8\xAD";
    oa__vocab *v = NULL;
    oa__ids ids = {.mem = mem};
    oa__str out = {.mem = mem};
    int rc;
    OA__TRY_GOTO(oa__vocab_new(&v, mem, &s->spec));
    OA__TRY_GOTO(oa__vocab_guard(v, text, sizeof text - 1, &out));
    rc = oa__vocab_encode(v, out.data, out.len, GUARDED, &ids);
    if (rc < 0) assert_int_equal(ids.len, 0);
    OA__TRY_GOTO(rc);
    OA__TRY_GOTO(oa__vocab_encode(v, text, sizeof text - 1, SPECIAL, &ids));
    OA__TRY_GOTO(oa__vocab_decode(v, ids.data, ids.len, true, true, &out));
fail:
    oa__str_free(&out);
    oa__ids_free(&ids);
    oa__vocab_free(v);
    return rc;
}

static void test_text_vocab__failing_memory(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        static small s;
        if (kind == 0) {
            small_init_bpe(&s);
            s.spec.pattern = "qwen2";
            small_merge(&s, "a b", "ab");
        } else {
            small_init_spm(&s);
            small_add(&s, "ab", OA__TOKEN_NORMAL, 0);
        }
        small_add(&s, "<a>", OA__TOKEN_CONTROL, 0);
        small_add(&s, "<u>", OA__TOKEN_USER_DEFINED, 0);
        for (uint64_t nth = 1;; nth++) {
            struct fail_alloc fa;
            oa__mem mem;
            assert_int_equal(oa__mem_init(&mem, fail_alloc_init(&fa, nth), 0), OA_OK);
            int rc = everything(&mem, &s);
            if (rc != OA_OK && rc != OA_ENOMEM) fail_msg("%d: %s", rc, oa_error_last());
            assert_int_equal(fail_alloc_live(&fa), 0);
            assert_int_equal(mem.used, 0);
            if (!fail_alloc_hit(&fa)) {
                assert_int_equal(rc, OA_OK);
                assert_true(nth > 10);
                break;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_vocab__special_tokens),
        cmocka_unit_test(test_text_vocab__guards),
        cmocka_unit_test(test_text_vocab__ends),
        cmocka_unit_test(test_text_vocab__hostile),
        cmocka_unit_test(test_text_vocab__stream),
        cmocka_unit_test(test_text_vocab__failing_memory),
    };
    return cmocka_run_group_tests_name("text_vocab", tests, NULL, NULL);
}
