/* SPDX-License-Identifier: Apache-2.0 */
/* What chat templates refuse, and in what words: every message names the line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "template_util.h"

static void check_code(const util_case *cases, size_t n, int code)
{
    for (size_t i = 0; i < n; i++) {
        oa__render_args args = util_args();
        oa__str out = {0};
        int rc = util_render(&out, cases[i].text, &args);
        char want[600];
        snprintf(want, sizeof want, "ERROR chat template line %s", cases[i].want);
        if (strcmp(out.data, want) != 0) print_error("template: %s\n", cases[i].text);
        assert_string_equal(out.data, want);
        assert_int_equal(rc, code);
        oa__str_free(&out);
    }
}

static void test_text_template_error__syntax(void **state)
{
    (void)state;
    static const util_case cases[] = {
        {"a\nb\n{% if x %}", "3: unexpected end of template, want {% endif %}"},
        {"{{ 'abc }}", "1: string without end"},
        {"\n\n{{ 1 + }}", "3: found end of print statement, want an expression"},
        {"{{ (1 }}", "1: unexpected '}', expected ')'"},
        {"{% frobnicate %}", "1: unknown tag 'frobnicate'"},
        {"{% endfor %}", "1: unknown tag 'endfor'"},
        {"x\n{% include 'a' %}", "2: {% include %} is not supported in chat templates"},
        {"{% import 'a' as b %}", "1: {% import %} is not supported in chat templates"},
        {"{% extends 'a' %}", "1: {% extends %} is not supported in chat templates"},
        {"\n{{ 'x' | frobnicate }}", "2: No filter named 'frobnicate'."},
        {"\n{{ 'x' is frobnicated }}", "2: No test named 'frobnicated'."},
        {"{% break %}", "1: 'break' outside of a loop"},
        {"{# x", "1: Missing end of comment tag"},
        {"{% set 1 = 2 %}", "1: can't assign to this"},
        {"{{ 99999999999999999999 }}", "1: integer literal does not fit 64 bits"},
        {"{{ f(a=1, a=2) }}", "1: keyword argument 'a' repeated"},
        {"\xff", "1: the template is not valid UTF-8"},
        {"{{ ? }}", "1: unexpected character '?'"},
    };
    check_code(cases, OA__ARRAY_LEN(cases), OA_ETEMPLATE);
    /* The check without rendering finds the same. */
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        assert_int_equal(oa__template_check(NULL, cases[i].text, strlen(cases[i].text)),
                         OA_ETEMPLATE);
    }
    assert_int_equal(oa__template_check(NULL, "{{ nope.x }}", 12), OA_OK);
}

static void test_text_template_error__runtime(void **state)
{
    (void)state;
    static const util_case cases[] = {
        {"{{ nope.x }}", "1: 'nope' is undefined"},
        {"\n{{ messages[0].nope.x }}", "2: 'dict object' has no attribute 'nope'"},
        {"{{ messages[9].x }}", "1: list object has no element 9"},
        {"{% if 1 %}\n\n{{ raise_exception('Roles must alternate!') }}{% endif %}",
         "3: Roles must alternate!"},
        {"{{ 1 / 0 }}", "1: division by zero"},
        {"{{ 'a' + 1 }}", "1: can only concatenate str (not \"int\") to str"},
        {"{{ 1 < 'a' }}", "1: '<' not supported between instances of 'int' and 'str'"},
        {"{{ none | length }}", "1: object of type 'NoneType' has no len()"},
        {"{{ 9223372036854775807 + 1 }}", "1: integer does not fit 64 bits"},
        {"{{ 'x'() }}", "1: 'str' object is not callable"},
        {"{{ 'x' | wordwrap(0) }}", "1: invalid width 0 (must be > 0)"},
        {"{{ {'a b': 1} | xmlattr }}", "1: Invalid character in attribute name: 'a b'"},
        {"{{ [1] | random }}", "1: this filter is not supported in chat templates"},
        {"{{ range(200000) }}",
         "1: Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000)."},
        {"{{ nope | tojson }}", "1: Object of type Undefined is not JSON serializable"},
        {"{% set d = {} %}{% set d.x = 1 %}", "1: cannot assign attribute on non-namespace object"},
        {"{% macro m(a) %}{% endmacro %}{{ m(b=1) }}",
         "1: macro 'm' takes no keyword argument 'b'"},
        {"{% for a, b in [1] %}{% endfor %}", "1: 'int' object is not iterable"},
    };
    check_code(cases, OA__ARRAY_LEN(cases), OA_ETEMPLATE);
}

/* No way to what lies behind the values, and no change of them. */
static void test_text_template_error__sandbox(void **state)
{
    (void)state;
    static const util_case cases[] = {
        {"{{ ''.__class__.__mro__ }}",
         "1: access to attribute '__class__' of 'str' object is unsafe."},
        {"{{ messages.append(1) }}", "1: access to attribute 'append' of 'list' object is unsafe."},
        {"{{ messages[0].update({}) }}",
         "1: access to attribute 'update' of 'dict' object is unsafe."},
        {"{{ messages[0].pop('role') }}",
         "1: access to attribute 'pop' of 'dict' object is unsafe."},
        {"{{ '{0.__class__.x}'.format(1) }}",
         "1: access to attribute '__class__' of 'int' object is unsafe."},
        {"{% set ns = namespace() %}{% set ns.__x = 1 %}",
         "1: namespace attributes can't begin with an underscore"},
        {"{{ cycler.__init__.__globals__ }}",
         "1: access to attribute '__init__' of 'function' object is unsafe."},
    };
    check_code(cases, OA__ARRAY_LEN(cases), OA_ETEMPLATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_template_error__syntax),
        cmocka_unit_test(test_text_template_error__runtime),
        cmocka_unit_test(test_text_template_error__sandbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
