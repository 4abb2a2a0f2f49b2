/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of chat templates: steps, output, depth, memory; and failing allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "template_util.h"
#include "util/fail_alloc.h"

static void expect(const char *text, size_t len, uint64_t max_steps, size_t max_output, int code)
{
    oa__render_args args = util_args();
    oa__str out = {0};
    args.max_steps = max_steps;
    args.max_output = max_output;
    int rc = oa__template_render(NULL, text, len, &args, &out);
    if (rc != code) print_error("%.80s: %d %s\n", text, rc, oa_error_last());
    assert_int_equal(rc, code);
    if (rc < 0) {
        assert_int_equal(out.len, 0);
        assert_int_equal(strncmp(oa_error_last(), "chat template line ", 19), 0);
    }
    oa__str_free(&out);
}

static void expect_z(const char *text, int code)
{
    expect(text, strlen(text), 1000000, 0, code);
}

static void test_text_template_limit__steps(void **state)
{
    (void)state;
    const char *loops =
        "{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}";
    expect(loops, strlen(loops), 100000, 0, OA_ELIMIT);
    expect_z("{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
             OA_ELIMIT);
    /* Work that does not look like a loop counts too. */
    expect_z("{% set l = range(99999) | list %}{% for i in l %}{{ i in l }}{% endfor %}",
             OA_ELIMIT);
    expect_z("{% set s = 'ab' * 9999999 %}{% for i in range(99999) %}{{ s.find('c') }}{% endfor %}",
             OA_ELIMIT);
    expect_z("{% set s = '\xC3\xA9' * 999999 %}{% for i in range(99999) %}{{ s[i] }}{% endfor %}",
             OA_ELIMIT);
}

/* Work on long strings costs by their length, whatever the construct. */
static void test_text_template_limit__long_strings(void **state)
{
    (void)state;
    static const char *const work[] = {
        "s is lower",
        "s|int",
        "q == p",
        "q < p",
        "s|title",
        "s.upper()",
        "s|tojson",
        "[s]|string",
        "s.isalpha()",
        "q is sameas p",
        "{q: 1}",
        "s.rfind(q)",
        "s|e",
        "s|wordcount",
        "s|wordwrap(3)",
        "s|wordwrap(100, false)",
        "{'k': s}|xmlattr",
        "s.removeprefix(q)",
        "s.split()",
        "s[1:].center(5)|length",
        "'%99999d' % 1",
        "strftime_now(s)",
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(work); i++) {
        oa__str text = {0};
        oa__str_add_z(&text, "{% set s = 'ab ' * 99999 %}{% set q = s[1:] ~ 'x' %}"
                             "{% set p = s[1:] ~ 'y' %}{% for i in range(999) %}{% set z = ");
        oa__str_add_z(&text, work[i]);
        oa__str_add_z(&text, " %}{% endfor %}");
        expect(text.data, text.len, 300000, 0, OA_ELIMIT);
        oa__str_free(&text);
    }
}

static void test_text_template_limit__output(void **state)
{
    (void)state;
    expect("{{ 'a' * 100 }}", 15, 0, 100, OA_OK);
    expect("{{ 'a' * 101 }}", 15, 0, 100, OA_ELIMIT);
    expect("{{ 'a' * 60 }}{{ 'a' * 60 }}", 28, 0, 100, OA_ELIMIT);
    expect_z("{{ 'a' * 99999999999 }}", OA_ELIMIT);
    expect_z("{{ [1] * 99999999999 }}", OA_ELIMIT);
    expect_z("{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}"
             "{% endfor %}",
             OA_ELIMIT);
    expect_z("{{ '%99999999d' % 1 }}", OA_ELIMIT);
    expect_z("{{ 'x'.center(99999999999) }}", OA_ELIMIT);
}

/* text around n copies of a and, behind the middle, n of b */
static void nest(const char *before, const char *a, size_t n, const char *middle, const char *b,
                 const char *after, int code)
{
    oa__str s = {0};
    oa__str_add_z(&s, before);
    for (size_t i = 0; i < n; i++)
        oa__str_add_z(&s, a);
    oa__str_add_z(&s, middle);
    for (size_t i = 0; i < n; i++)
        oa__str_add_z(&s, b);
    oa__str_add_z(&s, after);
    expect(s.data, s.len, 1000000, 0, code);
    oa__str_free(&s);
}

static void test_text_template_limit__nesting(void **state)
{
    (void)state;
    nest("{{ ", "(", 60, "1", ")", " }}", OA_OK);
    nest("{{ ", "(", 100000, "1", ")", " }}", OA_ELIMIT);
    nest("{{ ", "[", 100000, "", "]", " }}", OA_ELIMIT);
    nest("{{ ", "{1:", 100000, "1", "}", " }}", OA_ELIMIT);
    nest("{{ ", "-", 100000, "1", "", " }}", OA_ELIMIT);
    nest("{{ ", "not ", 100000, "1", "", " }}", OA_OK);
    nest("{{ ", "1 if 1 else ", 100000, "1", "", " }}", OA_ELIMIT);
    nest("{{ ", "f(", 100000, "1", ")", " }}", OA_ELIMIT);
    nest("{{ ", "x[", 100000, "1", "]", " }}", OA_ELIMIT);
    nest("{{ 1", "|abs", 100000, "", "", " }}", OA_ELIMIT);
    nest("{{ x", ".x", 100000, "", "", " }}", OA_ELIMIT);
    nest("{{ x", "()", 100000, "", "", " }}", OA_ELIMIT);
    nest("{{ 1", " is none", 100000, "", "", " }}", OA_ETEMPLATE);
    nest("", "{% if 1 %}", 100000, "1", "{% endif %}", "", OA_ELIMIT);
    nest("", "{% for x in [1] %}", 100000, "1", "{% endfor %}", "", OA_ELIMIT);
    nest("{% set ", "(", 100000, "a", ",)", " = 1 %}", OA_ELIMIT);
    /* Long chains of one level are fine. */
    nest("{{ 1", " + 1", 5000, "", "", " }}", OA_OK);
    nest("{{ 1", " ~ 1", 5000, "", "", " }}", OA_OK);
    nest("{{ 1", " and 1", 5000, "", "", " }}", OA_OK);
    nest("{{ 1", " < 1", 5000, "", "", " }}", OA_OK);
    nest("{% if 0 %}", "{% elif 0 %}", 5000, "", "", "{% endif %}", OA_OK);
    nest("", "{% set x | upper %}a{% endset %}", 500, "", "", "", OA_OK);
}

static void test_text_template_limit__recursion(void **state)
{
    (void)state;
    expect_z("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", OA_ELIMIT);
    expect_z("{% macro m(n) %}{{ m(n - 1) if n else 'end' }}{% endmacro %}{{ m(60) }}", OA_OK);
    expect_z("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", OA_ELIMIT);
    const char *values[] = {"{{ ns.x }}", "{{ ns.x == ns.y }}", "{{ ns.x | tojson }}",
                            "{{ ns.x < ns.y }}"};
    for (size_t i = 0; i < OA__ARRAY_LEN(values); i++) {
        oa__str s = {0};
        oa__str_add_z(&s, "{% set ns = namespace(x=[], y=[]) %}{% for i in range(5000) %}"
                          "{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}{% endfor %}");
        oa__str_add_z(&s, values[i]);
        expect(s.data, s.len, 0, 0, OA_ELIMIT);
        oa__str_free(&s);
    }
    /* Generators over generators. */
    expect_z("{% set ns = namespace(g=[1]) %}{% for i in range(5000) %}"
             "{% set ns.g = ns.g | map('abs') %}{% endfor %}{{ ns.g | list }}",
             OA_ELIMIT);

    oa__str json = {0};
    oa__render_args args = util_args();
    oa__str out = {0};
    oa__str_add_z(&json, "{\"a\": ");
    for (int i = 0; i < 1000; i++)
        oa__str_add_z(&json, "[");
    for (int i = 0; i < 1000; i++)
        oa__str_add_z(&json, "]");
    oa__str_add_z(&json, "}");
    args.variables_json = json.data;
    assert_int_equal(oa__template_render(NULL, "x", 1, &args, &out), OA_ELIMIT);
    oa__str_free(&json);
}

static void test_text_template_limit__memory(void **state)
{
    (void)state;
    oa__mem mem;
    oa__render_args args = util_args();
    oa__str out = {0};
    const char *text = "{% set l = range(50000) | list %}{{ l | length }}";
    assert_int_equal(oa__mem_init(&mem, NULL, 256 << 10), OA_OK);
    assert_int_equal(oa__template_render(&mem, text, strlen(text), &args, &out), OA_ENOMEM);
    assert_int_equal(mem.used, 0);
    assert_int_equal(oa__mem_init(&mem, NULL, 64 << 20), OA_OK);
    assert_int_equal(oa__template_render(&mem, text, strlen(text), &args, &out), OA_OK);
    assert_string_equal(out.data, "50000");
    assert_int_equal(mem.used, 0);
    oa__str_free(&out);
}

/* Every allocation fails once: the code says so and nothing is lost or leaked. */
static void test_text_template_limit__failing_allocations(void **state)
{
    (void)state;
    static const char text[] =
        "{% macro m(a, b=[1]) %}{{ a }}{{ b }}{% endmacro %}"
        "{% set ns = namespace(s='', l=[]) %}"
        "{% for x in messages if x.role != 'system' %}"
        "{% set ns.s = ns.s ~ x.content | trim ~ loop.length %}"
        "{% set ns.l = ns.l + [x.role] %}{{ m(loop.index) }}"
        "{% endfor %}{{ ns.s }}{{ ns.l | unique | map('upper') | sort | join('-') }}"
        "{% for i in range(2000) %}{% set ns.s = ns.s + 'abcdefghij' %}{% endfor %}"
        "{{ ns.s | length }}"
        "{{ messages | tojson(indent=1) | length }}{{ '%05.1f' % 2.25 }}{{ d | dictsort }}"
        "{{ messages | groupby('role') | length }}{% call m(1) %}{% endcall %}";
    oa__render_args args = util_args();
    args.variables_json = "{\"d\": {\"x\": [1, 2, {\"y\": null}]}}";
    uint64_t tried = 0;
    int rc = OA_OK;
    for (uint64_t nth = 1;; nth++) {
        struct fail_alloc fa;
        oa__mem mem;
        assert_int_equal(oa__mem_init(&mem, fail_alloc_init(&fa, nth), 0), OA_OK);
        oa__str out = {.mem = &mem};
        rc = oa__template_render(&mem, text, sizeof text - 1, &args, &out);
        bool hit = fail_alloc_hit(&fa);
        if (hit) assert_int_equal(rc, OA_ENOMEM);
        if (hit) assert_int_equal(out.len, 0);
        oa__str_free(&out);
        assert_int_equal(fail_alloc_live(&fa), 0);
        assert_int_equal(mem.used, 0);
        if (!hit) break;
        tried++;
    }
    /* The call of a macro that has no caller is this template's last act. */
    assert_int_equal(rc, OA_ETEMPLATE);
    assert_true(tried > 5);
    print_message("# %llu allocations failed in turn\n", (unsigned long long)tried);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_template_limit__steps),
        cmocka_unit_test(test_text_template_limit__long_strings),
        cmocka_unit_test(test_text_template_limit__output),
        cmocka_unit_test(test_text_template_limit__nesting),
        cmocka_unit_test(test_text_template_limit__recursion),
        cmocka_unit_test(test_text_template_limit__memory),
        cmocka_unit_test(test_text_template_limit__failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
