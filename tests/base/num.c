/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include <fenv.h>
#include <locale.h>
#include <math.h>

#include "base/base.h"

static double of_bits(uint64_t u)
{
    double v;
    memcpy(&v, &u, 8);
    return v;
}

static void test_base_num__whole_numbers(void **state)
{
    static const struct {
        const char *text;
        int rc;
        int64_t v;
    } cases[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"+17", 0, 17},
        {"007", 0, 7},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", OA_EINVAL, 0},
        {"-9223372036854775809", OA_EINVAL, 0},
        {"99999999999999999999999", OA_EINVAL, 0},
        {"", OA_EINVAL, 0},
        {"-", OA_EINVAL, 0},
        {"1 ", OA_EINVAL, 0},
        {" 1", OA_EINVAL, 0},
        {"0x10", OA_EINVAL, 0},
        {"1.0", OA_EINVAL, 0},
        {"--1", OA_EINVAL, 0},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        int64_t v = 0;
        assert_int_equal(oa__parse_i64(cases[i].text, strlen(cases[i].text), &v), cases[i].rc);
        assert_true(v == cases[i].v);
    }
    uint64_t u = 0;
    assert_ok(oa__parse_u64("18446744073709551615", 20, &u));
    assert_true(u == UINT64_MAX);
    assert_err(oa__parse_u64("18446744073709551616", 20, &u), OA_EINVAL, "want a whole number");
    assert_err(oa__parse_u64("-1", 2, &u), OA_EINVAL, "not negative");
}

static void test_base_num__f64_syntax(void **state)
{
    static const char *const good[] = {"1",    "-1.5",   "+.5", "5.",  "1e5",
                                       "1E-5", "1.e+05", "0",   "-0.0"};
    static const char *const bad[] = {"",
                                      "-",
                                      ".",
                                      "e5",
                                      "1e",
                                      "1e+",
                                      "1,5",
                                      "1.5.2",
                                      "nan",
                                      "inf",
                                      "0x1p",
                                      "1e5 ",
                                      " 1",
                                      "1_0",
                                      "--1",
                                      "1e5.5",
                                      "1e999",
                                      "1.8e308",
                                      "179769313486231580793e289"};
    double v;
    for (size_t i = 0; i < OA__ARRAY_LEN(good); i++) {
        assert_ok(oa__parse_f64(good[i], strlen(good[i]), &v));
        assert_true(v == strtod(good[i], NULL) && signbit(v) == signbit(strtod(good[i], NULL)));
    }
    for (size_t i = 0; i < OA__ARRAY_LEN(bad); i++)
        assert_int_equal(oa__parse_f64(bad[i], strlen(bad[i]), &v), OA_EINVAL);
    assert_ok(oa__parse_f64("1e-99999999999999999999999", 26, &v));
    assert_true(v == 0);
}

/* Digits that lie at or next to the middle of two doubles, far to the right. */
static void test_base_num__f64_hard_roundings(void **state)
{
    static const struct {
        const char *text;
        double want;
    } cases[] = {
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740993.00000000000000000000000000000000001", 9007199254740994.0},
        {"9007199254740995", 9007199254740996.0},
        {"2.2250738585072011e-308", 0x1.ffffffffffffep-1023},
        {"2.2250738585072014e-308", 0x1p-1022},
        {"4.9406564584124654e-324", 0x1p-1074},
        {"2.4703282292062328e-324", 0x1p-1074},
        {"2.4703282292062327e-324", 0},
        {"1.7976931348623157e308", 0x1.fffffffffffffp1023},
        {"179769313486231570000000000000000000000e270", 0x1.fffffffffffffp1023},
        {"1.00000000000000011102230246251565404236316680908203125", 1.0},
        {"1.00000000000000011102230246251565404236316680908203126", 0x1.0000000000001p0},
    };
    double v;
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        assert_ok(oa__parse_f64(cases[i].text, strlen(cases[i].text), &v));
        if (v != cases[i].want) fail_msg("%s: %a", cases[i].text, v);
    }
    /* the middle between 1 and the next double, then 5000 zeros, then a digit */
    static char text[6000];
    int n = snprintf(text, sizeof text, "%s", cases[10].text);
    memset(text + n, '0', 5000);
    assert_ok(oa__parse_f64(text, (size_t)n + 5000, &v));
    assert_true(v == 1.0);
    text[n + 5000] = '1'; /* beyond the digits that are kept: only known to be there */
    assert_ok(oa__parse_f64(text, (size_t)n + 5001, &v));
    assert_true(v == 0x1.0000000000001p0);
}

static void test_base_num__f64_as_the_c_library_reads_it(void **state)
{
    oa__random r;
    char text[400];
    oa__random_seed(&r, 3);
    for (int i = 0; i < 50000; i++) {
        double v = of_bits(oa__random_u64(&r)), got;
        if (!isfinite(v)) continue;
        int n = snprintf(text, sizeof text, "%.*e", (int)oa__random_below(&r, 30), v);
        double want = strtod(text, NULL);
        int rc = oa__parse_f64(text, (size_t)n, &got);
        if (isinf(want) ? rc != OA_EINVAL : got != want) fail_msg("%s: %a", text, got);
    }
}

static void test_base_num__format_as_python(void **state)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-2.5, "-2.5"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {100, "100.0"},
        {1e15, "1000000000000000.0"},
        {123456789012345678.0, "1.2345678901234568e+17"},
        {9999999999999998.0, "9999999999999998.0"},
        {1e16, "1e+16"},
        {1e22, "1e+22"},
        {1e100, "1e+100"},
        {0.0001, "0.0001"},
        {0.00012345, "0.00012345"},
        {0.00001, "1e-05"},
        {1.5e-7, "1.5e-07"},
        {5e-324, "5e-324"},
        {0x1.fffffffffffffp1023, "1.7976931348623157e+308"},
        {0x1p-44, "5.684341886080802e-14"},
        {0x1p-1022, "2.2250738585072014e-308"},
        {9007199254740993.0, "9007199254740992.0"},
        {2e-44, "2e-44"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
    };
    char buf[32];
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        size_t n = oa__format_f64(cases[i].v, true, buf);
        assert_string_equal(buf, cases[i].text);
        assert_int_equal(n, strlen(buf));
    }
    oa__format_f64(100, false, buf);
    assert_string_equal(buf, "100");
    oa__format_f64(-0.0, false, buf);
    assert_string_equal(buf, "-0");
}

static void test_base_num__format_reads_back(void **state)
{
    oa__random r;
    oa__random_seed(&r, 4);
    for (int i = 0; i < 20000; i++) {
        double v = of_bits(oa__random_u64(&r)), back;
        if (i < 2046) v = of_bits((uint64_t)(i + 1) << 52); /* powers of two */
        if (i % 3 == 0 && i >= 2046) v = (double)(float)oa__random_f64(&r);
        if (!isfinite(v)) continue;
        char buf[32];
        size_t n = oa__format_f64(v, i & 1, buf);
        assert_true(n < sizeof buf);
        assert_ok(oa__parse_f64(buf, n, &back));
        if (back != v) fail_msg("%a: %s", v, buf);
    }
}

static void test_base_num__locale_changes_nothing(void **state)
{
    const char *folder = getenv("OA_TEST_LOCPATH");
    if (folder != NULL) assert_int_equal(setenv("LOCPATH", folder, 1), 0);
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ru_RU.UTF-8"};
    const char *set = NULL;
    for (size_t i = 0; i < OA__ARRAY_LEN(names) && !set; i++)
        set = setlocale(LC_ALL, names[i]);
    char buf[32];
    double v;
    oa__format_f64(1.5e-7, true, buf);
    assert_string_equal(buf, "1.5e-07");
    assert_ok(oa__parse_f64("1.5", 3, &v));
    assert_true(v == 1.5);
    setlocale(LC_ALL, "C");
    if (!set) {
        test_skip("no locale with a decimal comma is installed");
    }
}

/* The caller's rounding is not ours: it used to decide the last bit, and the C library's digits. */
static void test_base_num__rounding_mode_changes_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"0.7", "0.1", "1e-05", "3.3e+22",
                                        "1.7976931348623157e+308"};
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    const int usual = fegetround();
    for (size_t i = 0; i < OA__ARRAY_LEN(texts); i++) {
        double want, got;
        char buf[32];
        assert_ok(oa__parse_f64(texts[i], strlen(texts[i]), &want));
        for (size_t k = 0; k < OA__ARRAY_LEN(modes); k++) {
            fesetround(modes[k]);
            const int rc = oa__parse_f64(texts[i], strlen(texts[i]), &got);
            const size_t len = oa__format_f64(got, false, buf);
            assert_int_equal(fegetround(), modes[k]);
            fesetround(usual);
            assert_ok(rc);
            assert_memory_equal(&got, &want, sizeof got);
            buf[len] = '\0';
            assert_string_equal(buf, texts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_num__whole_numbers),
        cmocka_unit_test(test_base_num__f64_syntax),
        cmocka_unit_test(test_base_num__f64_hard_roundings),
        cmocka_unit_test(test_base_num__f64_as_the_c_library_reads_it),
        cmocka_unit_test(test_base_num__format_as_python),
        cmocka_unit_test(test_base_num__format_reads_back),
        cmocka_unit_test(test_base_num__locale_changes_nothing),
        cmocka_unit_test(test_base_num__rounding_mode_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
