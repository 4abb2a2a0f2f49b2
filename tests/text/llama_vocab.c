/* SPDX-License-Identifier: Apache-2.0 */
/* Every vocabulary that ships with llama.cpp: it opens, and its known texts give its known ids.
 * The folder is OA_TEST_LLAMA_MODELS. */
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
#include "text/vocab_priv.h"

enum { MAX_FILES = 64 };

static char *names[MAX_FILES];
static size_t n_names;

static int take_name(const char *name, void *arg)
{
    (void)arg;
    size_t n = strlen(name);
    bool ours = strncmp(name, "ggml-vocab-", 11) == 0 && n > 5 && !strcmp(name + n - 5, ".gguf");
    if (ours && n_names < MAX_FILES) names[n_names++] = oa__strndup(NULL, name, n);
    return OA_OK;
}

/* What has other texts than it was given because its tokenizer says so: lower case, spaces that
 * count once. */
static bool changes_texts(const char *name)
{
    return strstr(name, "bert") != NULL;
}

static size_t check_known(const oa__vocab *v, const char *name, const char *inp, size_t inp_len,
                          const char *out)
{
    const char *mark = "\n__ggml_vocab_test__\n", *line = out;
    size_t at = 0, n_texts = 0;
    while (at < inp_len) {
        char *end = memmem(inp + at, inp_len - at, mark, strlen(mark));
        size_t len = end ? (size_t)(end - inp) - at : inp_len - at;
        oa__ids ids = {0};
        const uint32_t flags = OA_TOKENIZE_NO_BOS | OA_TOKENIZE_NO_EOS;
        if (oa__vocab_encode(v, inp + at, len, flags, &ids) < 0) fail_msg("%s", oa_error_last());
        for (size_t i = 0; i < ids.len; i++) {
            char *stop;
            long want = strtol(line, &stop, 10);
            if (stop == line || memchr(line, '\n', (size_t)(stop - line)) || want != ids.data[i])
                fail_msg("%s, text %zu \"%.*s\", id %zu: %d, want %ld", name, n_texts,
                         len > 60 ? 60 : (int)len, inp + at, i, (int)ids.data[i], want);
            line = stop;
        }
        while (*line == ' ')
            line++;
        if (*line != '\n') fail_msg("%s, text %zu: too few ids", name, n_texts);
        line++;
        oa__str text = {0};
        assert_int_equal(oa__str_add(&text, "", 0), OA_OK);
        assert_int_equal(oa__vocab_decode(v, ids.data, ids.len, false, true, &text), 0);
        if (!changes_texts(name) && (text.len != len || memcmp(text.data, inp + at, len) != 0))
            fail_msg("%s, text %zu: \"%.*s\" came back as \"%s\"", name, n_texts, (int)len,
                     inp + at, text.data);
        oa__str_free(&text);
        oa__ids_free(&ids);
        at += len + strlen(mark);
        n_texts++;
    }
    assert_int_equal(*line, 0);
    return n_texts;
}

/* Token by token, as an answer is written, the text is that of all tokens. */
static void check_stream(const oa__vocab *v, const char *name, const oa__ids *ids)
{
    oa__str whole = {0}, clean = {0}, bytes = {0}, text = {0};
    oa__utf8_stream stream = {0};
    assert_int_equal(oa__str_add(&text, "", 0), OA_OK);
    assert_int_equal(oa__str_add(&clean, "", 0), OA_OK);
    assert_int_equal(oa__vocab_decode(v, ids->data, ids->len, true, false, &whole), OA_OK);
    if (whole.len > 0) assert_int_equal(oa__text_clean(whole.data, whole.len, &clean), OA_OK);
    for (size_t i = 0; i < ids->len; i++) {
        bytes.len = 0;
        assert_int_equal(oa__vocab_decode(v, &ids->data[i], 1, true, false, &bytes), OA_OK);
        assert_int_equal(oa__utf8_stream_add(&stream, bytes.data, bytes.len, &text), OA_OK);
        assert_true(oa__utf8_valid(text.data, text.len));
    }
    assert_int_equal(oa__utf8_stream_end(&stream, &text), OA_OK);
    if (text.len != clean.len || memcmp(text.data, clean.data, text.len) != 0)
        fail_msg("%s: \"%s\" was written as \"%s\"", name, clean.data, text.data);
    oa__str_free(&whole);
    oa__str_free(&clean);
    oa__str_free(&bytes);
    oa__str_free(&text);
}

/* Any ids, so bytes that are no UTF-8 as well. */
static void check_random_ids(const oa__vocab *v, const char *name, unsigned n_lists)
{
    oa__random rng;
    oa__random_seed(&rng, 12);
    oa__ids ids = {0};
    for (unsigned i = 0; i < n_lists; i++) {
        ids.len = 0;
        for (uint64_t n = oa__random_below(&rng, 30); n > 0; n--)
            assert_int_equal(
                oa__ids_add(&ids, (int32_t)oa__random_below(&rng, i % 2 ? oa__vocab_size(v) : 512)),
                OA_OK);
        check_stream(v, name, &ids);
    }
    oa__ids_free(&ids);
}

/* Random texts of characters that stay as they are in normal form C come back. What a tokenizer
 * changes, or does not know, it changes once: what came back comes back then. */
static void check_round_trip(const oa__vocab *v, const char *name, unsigned n_texts)
{
    static const uint32_t ranges[][2] = {
        {0x20, 0x7e},     {0x20, 0x20},       {'a', 'z'},         {'\n', '\n'},
        {0xc0, 0xff},     {0x410, 0x44f},     {0x5d0, 0x5ea},     {0x627, 0x63a},
        {0x905, 0x914},   {0xe01, 0xe30},     {0x4e00, 0x9fa5},   {0x3041, 0x3090},
        {0xac00, 0xd7a3}, {0x1f300, 0x1f5ff}, {0x200d, 0x200d},   {0xfe0f, 0xfe0f},
        {'0', '9'},       {0x20000, 0x2a6d6}, {0x1d7ce, 0x1d7ff}, {0x7f, 0x7f},
    };
    oa__random rng;
    oa__random_seed(&rng, 11);
    oa__str text = {0}, back = {0};
    oa__ids ids = {0};
    const uint32_t flags = OA_TOKENIZE_NO_BOS | OA_TOKENIZE_NO_EOS;
    for (unsigned i = 0; i < n_texts; i++) {
        text.len = back.len = ids.len = 0;
        assert_int_equal(oa__str_add(&text, "", 0), OA_OK);
        assert_int_equal(oa__str_add(&back, "", 0), OA_OK);
        for (uint64_t n = oa__random_below(&rng, 30); n > 0; n--) {
            const uint32_t *r = ranges[oa__random_below(&rng, OA__ARRAY_LEN(ranges))];
            for (uint64_t k = 1 + oa__random_below(&rng, 4); k > 0; k--)
                assert_int_equal(oa__str_add_utf8(&text, r[0] + (uint32_t)oa__random_below(
                                                                    &rng, r[1] - r[0] + 1)),
                                 OA_OK);
        }
        assert_int_equal(oa__vocab_encode(v, text.data, text.len, flags, &ids), OA_OK);
        check_stream(v, name, &ids);
        /* Once for what is changed or not known, once for the spaces around that. */
        for (int pass = 0; pass < 2 && changes_texts(name); pass++) {
            text.len = 0;
            assert_int_equal(oa__vocab_decode(v, ids.data, ids.len, false, true, &text), OA_OK);
            ids.len = 0;
            assert_int_equal(oa__vocab_encode(v, text.data, text.len, flags, &ids), OA_OK);
        }
        assert_int_equal(oa__vocab_decode(v, ids.data, ids.len, false, true, &back), OA_OK);
        if (back.len != text.len || memcmp(back.data, text.data, text.len) != 0)
            fail_msg("%s: \"%s\" came back as \"%s\"", name, text.data, back.data);
    }
    oa__str_free(&text);
    oa__str_free(&back);
    oa__ids_free(&ids);
}

static void check_vocab(const char *folder, const char *name)
{
    char path[4096], text[4200];
    oa__vocab *v;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (load_vocab(&v, NULL, path, NULL) < 0) fail_msg("%s: %s", name, oa_error_last());
    assert_true(oa__vocab_size(v) > 10000);
    snprintf(text, sizeof text, "%s.inp", path);
    if (oa__file_exists(text)) {
        char *inp, *out;
        size_t inp_len, out_len;
        assert_int_equal(oa__file_read(NULL, text, 1 << 20, &inp, &inp_len), OA_OK);
        snprintf(text, sizeof text, "%s.out", path);
        assert_int_equal(oa__file_read(NULL, text, 1 << 20, &out, &out_len), OA_OK);
        size_t n = check_known(v, name, inp, inp_len, out);
        assert_true(n >= 40);
        print_message("# %s: %s, %zu texts\n", name, oa__vocab_describe(v), n);
        oa__free(NULL, inp);
        oa__free(NULL, out);
    } else {
        print_message("# %s: %s, opens\n", name, oa__vocab_describe(v));
    }
    check_round_trip(v, name, 2000);
    check_random_ids(v, name, 500);
    oa__vocab_free(v);
}

static void test_text_vocab__llama_cpp(void **state)
{
    (void)state;
    const char *folder = getenv("OA_TEST_LLAMA_MODELS");
    if (!folder) {
        print_message("# skipped: OA_TEST_LLAMA_MODELS is not set\n");
        skip();
    }
    assert_int_equal(oa__dir_list(NULL, folder, take_name, NULL), OA_OK);
    assert_true(n_names > 0);
    for (size_t i = 0; i < n_names; i++)
        check_vocab(folder, names[i]);
    for (size_t i = 0; i < n_names; i++)
        oa__free(NULL, names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text_vocab__llama_cpp)};
    return cmocka_run_group_tests_name("text_llama_vocab", tests, NULL, NULL);
}
