/* SPDX-License-Identifier: Apache-2.0 */
/* LLaMA's own vocabulary: the ids of known texts, and the texts back from the ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openassistant/model.h>

#include "load.h"

static oa__vocab *vocab;
static char *inp, *out;
static size_t inp_len;

static char *path_of(const char *name, char buf[4096])
{
    const char *shared = getenv("OA_TEST_SHARED");
    snprintf(buf, 4096, "%s/data/tokenizers/%s", shared ? shared : "../shared", name);
    return buf;
}

static int setup(void **state)
{
    (void)state;
    char path[4096];
    if (!oa__file_exists(path_of("llama-spm.vocab.gguf", path))) {
        print_message("# skipped: no %s\n", path);
        return 0;
    }
    if (load_vocab(&vocab, NULL, path, NULL) < 0) return -1;
    if (oa__file_read(NULL, path_of("llama-spm.inp", path), 1 << 20, &inp, &inp_len) < 0) return -1;
    size_t len;
    return oa__file_read(NULL, path_of("llama-spm.out", path), 1 << 20, &out, &len);
}

static int teardown(void **state)
{
    (void)state;
    oa__vocab_free(vocab);
    oa__free(NULL, inp);
    oa__free(NULL, out);
    return 0;
}

/* Texts are parted by a line with a mark; the newline before that line belongs to the mark. */
static void test_text_spm__known_ids(void **state)
{
    (void)state;
    if (!vocab) skip();
    const char *mark = "\n__ggml_vocab_test__\n", *line = out;
    size_t at = 0, n_texts = 0;
    while (at < inp_len) {
        char *end = memmem(inp + at, inp_len - at, mark, strlen(mark));
        size_t len = end ? (size_t)(end - inp) - at : inp_len - at;
        oa__ids ids = {0};
        assert_int_equal(oa__vocab_encode(vocab, inp + at, len, OA_TOKENIZE_NO_BOS, &ids), 0);
        for (size_t i = 0; i < ids.len; i++) {
            char *stop;
            long want = strtol(line, &stop, 10);
            if (stop == line || want != ids.data[i])
                fail_msg("text %zu, id %zu: %d, want %ld", n_texts, i, (int)ids.data[i], want);
            line = stop;
        }
        assert_int_equal(*line, '\n');
        line++;
        /* And back again. */
        oa__str text = {0};
        assert_int_equal(oa__vocab_decode(vocab, ids.data, ids.len, false, true, &text), 0);
        assert_int_equal(text.len, len);
        if (len) assert_memory_equal(text.data, inp + at, len);
        oa__str_free(&text);
        oa__ids_free(&ids);
        at += len + strlen(mark);
        n_texts++;
    }
    assert_int_equal(*line, 0);
    assert_int_equal(n_texts, 46);
}

static void test_text_spm__ends(void **state)
{
    (void)state;
    if (!vocab) skip();
    oa__ids ids = {0};
    assert_int_equal(oa__vocab_encode(vocab, "Hello", 5, 0, &ids), 0);
    assert_int_equal(ids.len, 2);
    assert_int_equal(ids.data[0], 1);
    assert_int_equal(ids.data[1], 15043);
    ids.len = 0;
    const char *text = "<s>Hello</s><s>Hello";
    assert_int_equal(
        oa__vocab_encode(vocab, text, strlen(text), OA_TOKENIZE_SPECIAL | OA_TOKENIZE_NO_BOS, &ids),
        0);
    const int32_t want[] = {1, 15043, 2, 1, 15043};
    assert_int_equal(ids.len, 5);
    assert_memory_equal(ids.data, want, sizeof want);
    ids.len = 0;
    assert_int_equal(oa__vocab_encode(vocab, text, strlen(text), OA_TOKENIZE_NO_BOS, &ids), 0);
    for (size_t i = 0; i < ids.len; i++)
        assert_false(oa__vocab_is_special(vocab, ids.data[i]));
    assert_true(oa__vocab_is_end(vocab, 2));
    assert_false(oa__vocab_is_end(vocab, 1));
    oa__ids_free(&ids);
}

/* A megabyte without a space, and much of other kinds: the heap, not a square of time. */
static void test_text_spm__long_words(void **state)
{
    (void)state;
    if (!vocab) skip();
    const size_t len = 1 << 20;
    char *text = malloc(len);
    const char *const units[] = {"a", " ", "ab", "\xf0\x9f\x98\x80", "the"};
    for (size_t u = 0; u < OA__ARRAY_LEN(units); u++) {
        size_t n = strlen(units[u]), used = (u == 0 ? len : len / 4) / n * n;
        for (size_t i = 0; i < used; i += n)
            memcpy(text + i, units[u], n);
        oa__ids ids = {0};
        oa__str back = {0};
        uint64_t t0 = oa__clock_ns();
        assert_int_equal(oa__vocab_encode(vocab, text, used, 0, &ids), 0);
        assert_true(oa__clock_ns() - t0 < 20000000000u);
        assert_int_equal(oa__vocab_decode(vocab, ids.data, ids.len, false, true, &back), 0);
        assert_int_equal(back.len, used);
        assert_memory_equal(back.data, text, used);
        oa__str_free(&back);
        oa__ids_free(&ids);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_spm__known_ids),
        cmocka_unit_test(test_text_spm__ends),
        cmocka_unit_test(test_text_spm__long_words),
    };
    return cmocka_run_group_tests_name("text_spm", tests, setup, teardown);
}
