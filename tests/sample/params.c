/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameter table: what it says of itself, what can be set, what is refused, and that
 * docs/sampling.md says the same.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample/sample_priv.h"

static oa_sampler *fresh(void)
{
    oa_sampler *s = NULL;
    assert_int_equal(oa_sampler_new(&s, NULL), OA_OK);
    assert_non_null(s);
    return s;
}

static void check_text(const oa_sampler *s, const char *key, const char *want)
{
    char text[200] = "?";
    size_t len = 0;
    assert_int_equal(oa_sampler_copy_text(s, key, text, sizeof text, &len), OA_OK);
    assert_string_equal(text, want);
    assert_int_equal(len, strlen(want));
}

static void test_sample_params__table(void **state)
{
    (void)state;
    oa_sampler *s = fresh();
    size_t n = 0;
    for (;; n++) {
        oa_param p = OA_PARAM_INIT;
        int rc = oa_sampler_get_param(n, &p);
        if (rc == OA_ENOTFOUND) break;
        assert_int_equal(rc, OA_OK);
        assert_int_equal(p.size, sizeof p);
        assert_int_equal(p.reserved, 0);
        assert_true(p.key[0] && p.help[0] && !strchr(p.help, '\n'));
        check_text(s, p.key, p.default_text);
        if (p.type == OA_PARAM_TEXT) {
            double v;
            assert_int_equal(oa_sampler_set(s, p.key, 0), OA_EINVAL);
            assert_int_equal(oa_sampler_get(s, p.key, &v), OA_EINVAL);
            assert_int_equal(oa_sampler_set_text(s, p.key, p.default_text), OA_OK);
            continue;
        }
        assert_true(p.type == OA_PARAM_INT || p.type == OA_PARAM_FLOAT);
        assert_true(p.min_value <= p.default_value && p.default_value <= p.max_value);
        assert_true(strtod(p.default_text, NULL) == p.default_value);
        double v = NAN;
        assert_int_equal(oa_sampler_get(s, p.key, &v), OA_OK);
        assert_true(v == p.default_value);
        /* Both ends are in, the next numbers are out, and a refused value changes nothing. */
        assert_int_equal(oa_sampler_set(s, p.key, p.min_value), OA_OK);
        assert_int_equal(oa_sampler_set(s, p.key, p.max_value), OA_OK);
        const double bad[] = {nextafter(p.min_value, -INFINITY), nextafter(p.max_value, INFINITY),
                              NAN, INFINITY, -INFINITY};
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(oa_sampler_set(s, p.key, bad[i]), OA_EINVAL);
            assert_int_equal(oa_sampler_get(s, p.key, &v), OA_OK);
            assert_true(v == p.max_value);
        }
        if (p.type == OA_PARAM_INT) assert_int_equal(oa_sampler_set(s, p.key, 0.5), OA_EINVAL);
        assert_int_equal(oa_sampler_set_text(s, p.key, p.default_text), OA_OK);
        check_text(s, p.key, p.default_text);
    }
    assert_int_equal(n, OA__N_PARAMS);
    oa_sampler_free(s);
}

/* A caller that was compiled with a smaller or larger struct. */
static void test_sample_params__struct_sizes(void **state)
{
    (void)state;
    oa_param p = OA_PARAM_INIT;
    p.size = 0;
    assert_int_equal(oa_sampler_get_param(0, &p), OA_EINVAL);
    p.size = sizeof p - 1;
    assert_int_equal(oa_sampler_get_param(0, &p), OA_EINVAL);
    struct {
        oa_param p;
        char more[16];
    } larger;
    memset(&larger, 0x55, sizeof larger);
    larger.p.size = sizeof larger;
    assert_int_equal(oa_sampler_get_param(0, &larger.p), OA_OK);
    assert_int_equal(larger.p.size, sizeof larger);
    assert_string_equal(larger.p.key, "temperature");
    oa_sampler_opts o = OA_SAMPLER_OPTS_INIT;
    oa_sampler *s = (oa_sampler *)&o;
    o.size = 3;
    assert_int_equal(oa_sampler_new(&s, &o), OA_EINVAL);
    assert_null(s);
}

static void test_sample_params__text(void **state)
{
    (void)state;
    oa_sampler *s = fresh();
    assert_int_equal(oa_sampler_set_text(s, "temperature", "0.7"), OA_OK);
    check_text(s, "temperature", "0.7");
    assert_int_equal(oa_sampler_set_text(s, "temperature", "-0"), OA_OK);
    check_text(s, "temperature", "0");
    assert_int_equal(oa_sampler_set_text(s, "seed", "9007199254740992"), OA_OK);
    check_text(s, "seed", "9007199254740992");
    assert_int_equal(oa_sampler_set(s, "repeat_last_n", -1), OA_OK);
    check_text(s, "repeat_last_n", "-1");
    const char *const bad[] = {"",    "x",   "0,7",   "0.7 ", " 0.7",
                               "nan", "inf", "1e400", "0x1",  "0.7f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(oa_sampler_set_text(s, "temperature", bad[i]), OA_EINVAL);
    assert_int_equal(oa_sampler_set_text(s, "mirostat", "1"), OA_EINVAL);
    assert_int_equal(oa_sampler_set_text(s, "mirostat", "2"), OA_OK);

    assert_int_equal(oa_sampler_set_text(s, "dry_breakers", " 7,3  12,"), OA_OK);
    check_text(s, "dry_breakers", " 7,3  12,");
    assert_int_equal(s->n_breakers, 3);
    assert_int_equal(s->breakers[0], 3);
    assert_int_equal(s->breakers[2], 12);
    const char *const bad_ids[] = {"x", "-1", "2147483648", "1.5", "1;2", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad_ids / sizeof *bad_ids; i++) {
        assert_int_equal(oa_sampler_set_text(s, "dry_breakers", bad_ids[i]), OA_EINVAL);
        check_text(s, "dry_breakers", " 7,3  12,");
    }
    assert_int_equal(oa_sampler_set_text(s, "dry_breakers", ""), OA_OK);
    check_text(s, "dry_breakers", "");

    assert_int_equal(oa_sampler_set_text(s, "order", "top_k; temperature"), OA_OK);
    check_text(s, "order", "top_k; temperature");
    assert_int_equal(s->n_order, 2);
    const char *const bad_order[] = {"top_k;top_k",
                                     "topk",
                                     "top_k;;min_p",
                                     ";",
                                     " ",
                                     "top_k,min_p",
                                     "temperature;bias;temperature",
                                     "TOP_K"};
    for (size_t i = 0; i < sizeof bad_order / sizeof *bad_order; i++) {
        assert_int_equal(oa_sampler_set_text(s, "order", bad_order[i]), OA_EINVAL);
        check_text(s, "order", "top_k; temperature");
        assert_int_equal(s->n_order, 2);
    }
    assert_int_equal(oa_sampler_set_text(s, "order", ""), OA_OK);
    assert_int_equal(s->n_order, 0);
    oa_sampler_free(s);
}

static void test_sample_params__copy(void **state)
{
    (void)state;
    oa_sampler *s = fresh();
    size_t len = 0;
    char small[3] = "ab";
    assert_int_equal(oa_sampler_copy_text(s, "temperature", NULL, 0, &len), OA_OK);
    assert_int_equal(len, 3);
    len = 0;
    assert_int_equal(oa_sampler_copy_text(s, "temperature", small, sizeof small, &len), OA_ELIMIT);
    assert_int_equal(len, 3);
    assert_string_equal(small, "ab");
    assert_int_equal(oa_sampler_copy_text(s, "temperature", NULL, 9, &len), OA_EINVAL);
    assert_int_equal(oa_sampler_copy_text(s, "top_k", small, sizeof small, NULL), OA_OK);
    assert_string_equal(small, "40");
    oa_sampler_free(s);
}

static void test_sample_params__garbage(void **state)
{
    (void)state;
    oa_sampler *s = fresh();
    double v = 0;
    assert_int_equal(oa_sampler_new(NULL, NULL), OA_EINVAL);
    assert_int_equal(oa_sampler_get_param(0, NULL), OA_EINVAL);
    oa_param p = OA_PARAM_INIT;
    assert_int_equal(oa_sampler_get_param(SIZE_MAX, &p), OA_ENOTFOUND);
    assert_int_equal(oa_sampler_set(NULL, "top_k", 1), OA_EINVAL);
    assert_int_equal(oa_sampler_set(s, NULL, 1), OA_EINVAL);
    assert_int_equal(oa_sampler_set(s, "", 1), OA_ENOTFOUND);
    assert_int_equal(oa_sampler_set(s, "Temperature", 1), OA_ENOTFOUND);
    assert_string_equal(oa_error_last(), "no sampler parameter \"Temperature\"");
    assert_int_equal(oa_sampler_set_text(NULL, "top_k", "1"), OA_EINVAL);
    assert_int_equal(oa_sampler_set_text(s, NULL, "1"), OA_EINVAL);
    assert_int_equal(oa_sampler_set_text(s, "top_k", NULL), OA_EINVAL);
    assert_int_equal(oa_sampler_set_text(s, "order", NULL), OA_EINVAL);
    assert_int_equal(oa_sampler_set_text(s, "nothing", "1"), OA_ENOTFOUND);
    assert_int_equal(oa_sampler_get(NULL, "top_k", &v), OA_EINVAL);
    assert_int_equal(oa_sampler_get(s, NULL, &v), OA_EINVAL);
    assert_int_equal(oa_sampler_get(s, "top_k", NULL), OA_EINVAL);
    assert_int_equal(oa_sampler_get(s, "nothing", &v), OA_ENOTFOUND);
    assert_int_equal(oa_sampler_copy_text(NULL, "top_k", NULL, 0, NULL), OA_EINVAL);
    assert_int_equal(oa_sampler_copy_text(s, NULL, NULL, 0, NULL), OA_EINVAL);
    assert_int_equal(oa_sampler_copy_text(s, "nothing", NULL, 0, NULL), OA_ENOTFOUND);
    assert_int_equal(oa_sampler_copy_text(s, "top_k", NULL, 0, NULL), OA_OK);
    assert_int_equal(oa_sampler_set(s, "top_p", 2), OA_EINVAL);
    assert_string_equal(oa_error_last(), "top_p out of range, want 0 to 1");
    oa_sampler_free(s);
    oa_sampler_free(NULL);
}

/* The table in docs/sampling.md has exactly the rows that the parameter table has. */
static void test_sample_params__docs(void **state)
{
    (void)state;
    const char *root = getenv("OA_TEST_SOURCE");
    if (!root) {
        print_message("skipped: OA_TEST_SOURCE does not name the source tree\n");
        skip();
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/docs/sampling.md", root);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char line[1024], want[1024];
    size_t n = 0;
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "| `", 3) != 0) continue;
        oa_param p = OA_PARAM_INIT;
        assert_int_equal(oa_sampler_get_param(n++, &p), OA_OK);
        static const char *const types[] = {"", "int", "float", "text"};
        char range[64] = "";
        if (p.type != OA_PARAM_TEXT)
            snprintf(range, sizeof range, "%.16g to %.16g", p.min_value, p.max_value);
        snprintf(want, sizeof want, "| `%s` | %s | %s | %s%s%s | %s |\n", p.key, types[p.type],
                 range, p.type == OA_PARAM_TEXT ? "\"" : "", p.default_text,
                 p.type == OA_PARAM_TEXT ? "\"" : "", p.help);
        assert_string_equal(line, want);
    }
    fclose(f);
    assert_int_equal(n, OA__N_PARAMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_params__table),
        cmocka_unit_test(test_sample_params__struct_sizes),
        cmocka_unit_test(test_sample_params__text),
        cmocka_unit_test(test_sample_params__copy),
        cmocka_unit_test(test_sample_params__garbage),
        cmocka_unit_test(test_sample_params__docs),
    };
    return cmocka_run_group_tests_name("sample/params", tests, NULL, NULL);
}
