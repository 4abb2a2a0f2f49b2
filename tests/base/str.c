/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include "base/base.h"
#include "util/fail_alloc.h"

static void test_base_str__add(void **state)
{
    oa__str s = {0};
    assert_ok(oa__str_add(&s, "ab\0c", 4));
    assert_ok(oa__str_add_z(&s, "de"));
    assert_ok(oa__str_add_char(&s, 'f'));
    assert_ok(oa__str_add_utf8(&s, 0x1f600));
    assert_ok(oa__str_addf(&s, "[%d %s]", -5, "x"));
    assert_int_equal(s.len, 4 + 2 + 1 + 4 + 6);
    assert_memory_equal(s.data, "ab\0cdef\xf0\x9f\x98\x80[-5 x]", s.len + 1);
    oa__str_free(&s);
    assert_null(s.data);
    assert_ok(oa__str_add(&s, NULL, 0)); /* terminated once something was added, even nothing */
    assert_string_equal(s.data, "");
    oa__str_free(&s);
}

static void test_base_str__failure_changes_nothing(void **state)
{
    struct fail_alloc fa;
    oa__mem mem;
    assert_ok(oa__mem_init(&mem, fail_alloc_init(&fa, 0), 0));
    oa__str s = {.mem = &mem, .max = 1000};
    char block[600] = {0};
    assert_ok(oa__str_add_z(&s, "keep"));
    assert_err(oa__str_add(&s, block, SIZE_MAX), OA_ENOMEM, "out of memory");
    assert_err(oa__str_add(&s, block, 997), OA_ELIMIT, "at most 1000");
    fa.fail_at = fa.n_calls + 1;
    assert_err(oa__str_add(&s, block, sizeof block), OA_ENOMEM, "out of memory");
    assert_string_equal(s.data, "keep");
    assert_int_equal(s.len, 4);
    oa__str_free(&s);
    assert_int_equal(fail_alloc_live(&fa), 0);
}

static void test_base_str__copy_out(void **state)
{
    char buf[4] = "zzz";
    size_t len = 0;
    assert_ok(oa__copy_out("abc", 3, NULL, 0, &len));
    assert_int_equal(len, 3);
    assert_err(oa__copy_out("abc", 3, buf, 3, &len), OA_ELIMIT, "buffer of 3 bytes");
    assert_string_equal(buf, "zzz");
    assert_ok(oa__copy_out("abc", 3, buf, 4, NULL));
    assert_string_equal(buf, "abc");
    assert_err(oa__copy_out("abc", 3, NULL, 4, &len), OA_EINVAL, "no buffer");
    assert_ok(oa__copy_out(NULL, 0, buf, 1, &len));
    assert_string_equal(buf, "");
}

static void test_base_str__utf8_decode(void **state)
{
    static const struct {
        const char *text;
        size_t taken;
        uint32_t cp;
    } cases[] = {
        {"a", 1, 'a'},
        {"\xc3\xa4", 2, 0xe4},
        {"\xe2\x82\xac", 3, 0x20ac},
        {"\xf0\x9f\x98\x80", 4, 0x1f600},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\x80", 1, 0xfffd},
        {"\xc0\x80", 1, 0xfffd},         /* overlong */
        {"\xe0\x80\x80", 1, 0xfffd},     /* overlong: the second byte can't follow */
        {"\xed\xa0\x80", 1, 0xfffd},     /* surrogate */
        {"\xf4\x90\x80\x80", 1, 0xfffd}, /* beyond U+10FFFF */
        {"\xf1\x80\x80\xe1", 3, 0xfffd}, /* the example of table 3-8 */
        {"\xe1\x80\xe2", 2, 0xfffd},
        {"\xff", 1, 0xfffd},
        {"\xf0\x9f\x98", 3, 0xfffd},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        uint32_t cp = 0;
        size_t len = strlen(cases[i].text);
        assert_int_equal(oa__utf8_decode(cases[i].text, len, &cp), cases[i].taken);
        assert_int_equal(cp, cases[i].cp);
        assert_int_equal(oa__utf8_valid(cases[i].text, len), cases[i].cp != 0xfffd);
    }
}

static void test_base_str__utf8_round_trip(void **state)
{
    char bytes[4];
    for (uint32_t cp = 0; cp <= 0x110000; cp++) {
        uint32_t back = 1;
        size_t n = oa__utf8_encode(cp, bytes);
        assert_int_equal(oa__utf8_decode(bytes, n, &back), n);
        bool real = cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff);
        assert_int_equal(back, real ? cp : 0xfffd);
        for (size_t cut = 1; cut < n; cut++)
            assert_int_equal(oa__utf8_incomplete_tail(bytes, cut), cut);
        assert_int_equal(oa__utf8_incomplete_tail(bytes, n), 0);
    }
    assert_int_equal(oa__utf8_incomplete_tail("", 0), 0);
    assert_int_equal(oa__utf8_incomplete_tail("a\xc3", 2), 1);
    assert_int_equal(oa__utf8_incomplete_tail("\xed\xa0", 2), 0); /* never becomes a character */
    assert_int_equal(oa__utf8_incomplete_tail("\x80\x80\x80\x80", 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_str__add),
        cmocka_unit_test(test_base_str__failure_changes_nothing),
        cmocka_unit_test(test_base_str__copy_out),
        cmocka_unit_test(test_base_str__utf8_decode),
        cmocka_unit_test(test_base_str__utf8_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
