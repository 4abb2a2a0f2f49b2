/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include <errno.h>
#include <pthread.h>

#include "base/base.h"
#include "base/base_priv.h"

static void test_base_error__names_and_texts(void **state)
{
    assert_string_equal(oa_error_name(OA_OK), "OA_OK");
    assert_string_equal(oa_error_name(OA_EFORMAT), "OA_EFORMAT");
    assert_string_equal(oa_error_name(-15), "OA_EINTERNAL");
    assert_string_equal(oa_error_name(-16), "OA_UNKNOWN");
    assert_string_equal(oa_error_name(1), "OA_UNKNOWN");
    assert_string_equal(oa_error_text(OA_EFULL), "context is full");
    assert_string_equal(oa_error_text(-999), "unknown error");
}

static void test_base_error__last_keeps_the_reason(void **state)
{
    assert_int_equal(oa__err(OA_EFORMAT, "tensor %s: %d dimensions, want %d", "a.b", 3, 2),
                     OA_EFORMAT);
    assert_string_equal(oa_error_last(), "tensor a.b: 3 dimensions, want 2");
    /* the old text may be part of the new one */
    oa__err(OA_EFORMAT, "x.gguf: %s", oa_error_last());
    assert_string_equal(oa_error_last(), "x.gguf: tensor a.b: 3 dimensions, want 2");
}

static void test_base_error__untrusted_bytes_are_printable(void **state)
{
    oa__err(OA_EFORMAT, "name %s",
            "a\n\x1b[2J\x7f\xff"
            "b\xe2\x80\xae\xc2\x9b\xc3\xa4\xef\xbf\xbd");
    assert_string_equal(oa_error_last(), "name a\\x0a\\x1b[2J\\x7f\\xffb\\xe2\\x80\\xae\\xc2\\x9b"
                                         "\xc3\xa4\xef\xbf\xbd");
}

static void test_base_error__long_text_is_cut_at_a_character(void **state)
{
    char text[2000];
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    text[sizeof text - 2] = '\0';
    for (int shift = 0; shift < 2; shift++) {
        oa__err(OA_EFORMAT, "%s%s", shift ? "x" : "", text);
        size_t len = strlen(oa_error_last());
        assert_in_range(len, 400, 511);
        assert_true(oa__utf8_valid(oa_error_last(), len));
    }
    char small[6];
    oa__printable(small, sizeof small, "abcd\x01");
    assert_string_equal(small, "abcd"); /* an escape is whole or absent */
}

static void test_base_error__from_errno(void **state)
{
    assert_err(oa__err_errno(ENOENT, "open", "a"), OA_ENOTFOUND,
               "a: cannot open: no such file or directory");
    assert_err(oa__err_errno(EACCES, "open", "a"), OA_EACCES, "permission denied");
    assert_err(oa__err_errno(ENOMEM, "map", NULL), OA_ENOMEM, "map: out of memory");
    assert_err(oa__err_errno(ENOSPC, "write", "a"), OA_EIO, "no space left");
    assert_err(oa__err_errno(12345, "write", "a"), OA_EIO, "error number 12345");
}

static void *other_thread(void *arg)
{
    memcpy(arg, oa_error_last(), 1);
    oa__err(OA_EIO, "other");
    return NULL;
}

static void test_base_error__each_thread_has_its_text(void **state)
{
    pthread_t t;
    char first = 'x';
    oa__err(OA_EINVAL, "mine");
    assert_int_equal(pthread_create(&t, NULL, other_thread, &first), 0);
    pthread_join(t, NULL);
    assert_int_equal(first, '\0'); /* nothing has failed there yet */
    assert_string_equal(oa_error_last(), "mine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_error__names_and_texts),
        cmocka_unit_test(test_base_error__last_keeps_the_reason),
        cmocka_unit_test(test_base_error__untrusted_bytes_are_printable),
        cmocka_unit_test(test_base_error__long_text_is_cut_at_a_character),
        cmocka_unit_test(test_base_error__from_errno),
        cmocka_unit_test(test_base_error__each_thread_has_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
