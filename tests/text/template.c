/* SPDX-License-Identifier: Apache-2.0 */
/* Chat templates: what each construct gives. tests/text/template_oracle.py compares with jinja2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "template_util.h"

#define CHECK(cases) util_check(cases, OA__ARRAY_LEN(cases), VARS)
#define VARS "{\"d\": {\"k\": 1, \"items\": 2}, \"l\": [3, 1, 2], \"nul\": null, \"f\": 0.1}"

static void test_text_template__output(void **state)
{
    (void)state;
    static const util_case cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"{{ 1 }} {{ 1.0 }} {{ true }} {{ none }} {{ 'a' }} {{ nope }}.", "1 1.0 True None a ."},
        {"{{ ['a', \"it's\", 2.5, (1,), {'k': none}] }}",
         "['a', \"it's\", 2.5, (1,), {'k': None}]"},
        {"{{ f + 0.2 }} {{ 1e16 }} {{ 7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 ** 2 }}",
         "0.30000000000000004 1e+16 3 2 3.5 64"},
        {"{{ 'a' ~ 1 ~ none }} {{ 'ab' * 2 }} {{ [1] + [2] }}", "a1None abab [1, 2]"},
        {"{{ 1 < 2 < 3 }} {{ 'a' in 'cat' }} {{ 4 not in l }} {{ not 1 }} {{ 0 or 'x' }}",
         "True True True False x"},
        {"{{ 'yes' if l else 'no' }}{{ 'x' if false }}", "yes"},
        {"{{ 'h\xC3\xA9llo'[1] }}{{ 'h\xC3\xA9llo'[::-1] }}{{ l[-2:] }}{{ 'h\xC3\xA9'|length }}",
         "\xC3\xA9oll\xC3\xA9h[1, 2]2"},
        {"{{ d.items() | list }}{{ d['items'] }}{{ d.get('z', 9) }}", "[('k', 1), ('items', 2)]29"},
        {"{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}{{ tools }}",
         "<s></s>FalseNone"},
        {"{{ messages[1].role }}{{ messages[1]['content'] | trim }}", "userH\xC3\xA4?"},
        {"{{ strftime_now('%d %b %Y, %H:%M') }}", "22 Nov 2024, 12:45"},
    };
    CHECK(cases);
}

static void test_text_template__statements(void **state)
{
    (void)state;
    static const util_case cases[] = {
        {"{% for x in l %}{{ loop.index }}{{ x }}{{ ',' if not loop.last }}{% endfor %}",
         "13,21,32"},
        {"{% for x in [] %}x{% else %}empty{% endfor %}", "empty"},
        {"{% for x in l if x > 1 %}{{ x }}/{{ loop.length }} {% endfor %}", "3/2 2/2 "},
        {"{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "k=1;items=2;"},
        {"{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "32"},
        {"{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "3"},
        {"{% if 0 %}a{% elif 1 %}b{% else %}c{% endif %}", "b"},
        {"{% set x = 1 %}{% for i in l %}{% set x = i %}{% endfor %}{{ x }}", "1"},
        {"{% set ns = namespace(n=0) %}{% for i in l %}{% set ns.n = ns.n + i %}{% endfor %}"
         "{{ ns.n }}",
         "6"},
        {"{% set x %}a{{ 1 }}{% endset %}[{{ x }}]", "[a1]"},
        {"{% set a, b = 1, 2 %}{{ b }}{{ a }}", "21"},
        {"{% macro m(a, b=2) %}{{ a }}{{ b }};{% endmacro %}{{ m(1) }}{{ m(b=3, a=4) }}", "12;43;"},
        {"{% macro m() %}<{{ caller(5) }}>{% endmacro %}{% call(x) m() %}{{ x }}{% endcall %}",
         "<5>"},
        {"{% filter upper %}a{{ 'b' }}{% endfilter %}", "AB"},
        {"{% with a = 1 %}{{ a }}{% endwith %}{{ a }}", "1"},
        {"{% generation %}said{% endgeneration %}", "said"},
        {"{% raw %}{{ x }}{% endraw %}{# gone #}", "{{ x }}"},
        {"{% for x in [[1], [2, [3]]] recursive %}{{ loop(x) if x is iterable else x }}"
         "{% endfor %}",
         "123"},
    };
    CHECK(cases);
}

static void test_text_template__white_space(void **state)
{
    (void)state;
    static const util_case cases[] = {
        {"  {% if 1 %}\n  a\n  {% endif %}\nb\n", "  a\nb"},
        {"a {%- if 1 -%} b {%- endif %} c", "ab c"},
        {"a\n  {%+ if 1 +%}\nb{% endif %}", "a\n  \nb"},
        {"x {{- 1 -}} y", "x1y"},
        {"  {# c #}\nx", "x"},
        {"{{ 'keep' }}\n", "keep"},
        {"{{ 1 }}\n\n", "1\n"},
        {"a\r\nb\rc", "a\nb\nc"},
        {"\t{% if 1 %}tab{% endif %}", "tab"},
    };
    CHECK(cases);
}

static void test_text_template__filters(void **state)
{
    (void)state;
    static const util_case cases[] = {
        {"{{ ' a ' | trim }}{{ 'a b' | title }}{{ 'aB' | capitalize }}{{ 'x' | upper | lower }}",
         "aA BAbx"},
        {"{{ l | sort | join(',') }}{{ l | first }}{{ l | last }}{{ l | sum }}{{ l | max }}",
         "1,2,33263"},
        {"{{ messages | map(attribute='role') | unique | list }}",
         "['system', 'user', 'assistant']"},
        {"{{ messages | selectattr('role', 'eq', 'user') | list | length }}", "2"},
        {"{{ messages | rejectattr('role', 'in', ['user']) | map(attribute='role') | join('+') }}",
         "system+assistant"},
        {"{{ {'a': [1, 2.0, none, true, '\xC3\xA9\"<']} | tojson }}",
         "{\"a\": [1, 2.0, null, true, \"\xC3\xA9\\\"<\"]}"},
        {"{{ {'a': [1]} | tojson(indent=2) }}", "{\n  \"a\": [\n    1\n  ]\n}"},
        {"{{ nope | default('d') }}{{ '' | d('e', true) }}", "de"},
        {"{{ 'a\nb' | indent(2) }}{{ 'a-b' | replace('-', '+') }}", "a\n  ba+b"},
        {"{{ '3.7' | int }}{{ 'x' | int(5) }}{{ '1.5' | float }}{{ 2.5 | round | int }}", "351.52"},
        {"{{ {'b': 1, 'a': 2} | dictsort }}{{ d | items | list | length }}",
         "[('a', 2), ('b', 1)]2"},
        {"{{ l | reverse | list }}{{ 'abc' | reverse }}{{ [1, 2, 3] | batch(2) | list }}",
         "[2, 1, 3]cba[[1, 2], [3]]"},
        {"{{ 'a well-known word' | wordwrap(7) }}", "a well-\nknown\nword"},
        {"{{ 'abcdef gh\n\nij' | wordwrap(4, true, '/') }}", "abcd/ef/gh//ij"},
        {"{{ 'abcdef gh' | wordwrap(4, false) }}", "abcdef\ngh"},
        {"<a{{ {'id': 'x<y', 'n': 1, 'no': none} | xmlattr }}>", "<a id=\"x&lt;y\" n=\"1\">"},
        {"{{ '%s-%03d' | format('a', 5) }}{{ '<' | e }}{{ 'a b' | wordcount }}", "a-005&lt;2"},
    };
    CHECK(cases);
}

static void test_text_template__tests_and_methods(void **state)
{
    (void)state;
    static const util_case cases[] = {
        {"{{ nope is defined }}{{ d is mapping }}{{ l is sequence }}{{ 'a' is string }}",
         "FalseTrueTrueTrue"},
        {"{{ 3 is odd }}{{ 6 is divisibleby 3 }}{{ 1 is not none }}{{ nul is none }}",
         "TrueTrueTrueTrue"},
        {"{{ ' a '.strip() }}{{ 'a,b'.split(',') }}{{ 'abc'.startswith('ab') }}{{ 'ab'.upper() }}",
         "a['a', 'b']TrueAB"},
        {"{{ 'a</think>b'.split('</think>')[-1] }}{{ 'x\n\n'.rstrip('\n') }}", "bx"},
        {"{{ '{}-{x:>3}'.format(1, x='y') }}{{ 'stra\xC3\x9F'.upper() }}", "1-  ySTRASS"},
        {"{{ ', '.join(['a', 'b']) }}{{ 'abc'.find('c') }}{{ 'a'.isalpha() }}", "a, b2True"},
    };
    CHECK(cases);
}

/* A string that grows in place must not change those that share its memory. */
static void test_text_template__shared_strings(void **state)
{
    (void)state;
    static const util_case cases[] = {
        {"{% set a = 'x' + 'y' %}{% set b = a + '1' %}{% set c = a + '2' %}{{ a }}{{ b }}{{ c }}",
         "xyxy1xy2"},
        {"{% set a = 'x' + 'yz' %}{% set t = a[1:] %}{% set b = t + '1' %}{% set c = a + '2' %}"
         "{{ t }},{{ b }},{{ c }}",
         "yz,yz1,xyz2"},
        {"{% set ns = namespace(s='') %}{% for i in range(300) %}"
         "{% set ns.s = ns.s ~ i %}{% endfor %}"
         "{{ ns.s | length }}{{ ns.s[-3:] }}",
         "790299"},
    };
    CHECK(cases);
}

static void test_text_template__arguments(void **state)
{
    (void)state;
    oa__str out = {0};
    oa__render_args args = {0};
    assert_int_equal(util_render(&out, "{{ messages }}{{ bos_token is defined }}", &args), OA_OK);
    assert_string_equal(out.data, "[]False");
    /* The text is added behind what is there. */
    assert_int_equal(oa__template_render(NULL, "!", 1, &args, &out), OA_OK);
    assert_string_equal(out.data, "[]False!");
    oa__str_free(&out);

    /* Variables of the caller win. */
    args = util_args();
    args.variables_json = "{\"messages\": [{\"role\": \"tool\"}], \"bos_token\": \"B\"}";
    assert_int_equal(util_render(&out, "{{ bos_token }}{{ messages[0].role }}", &args), OA_OK);
    assert_string_equal(out.data, "Btool");
    oa__str_free(&out);

    static const char *const bad[] = {"[1]", "{", "{\"a\": 1e999}", "",
                                      "{\"a\": 99999999999999999999}"};
    for (size_t i = 0; i < OA__ARRAY_LEN(bad); i++) {
        args.variables_json = bad[i];
        assert_int_equal(oa__template_render(NULL, "x", 1, &args, &out), OA_EINVAL);
        assert_int_equal(out.len, 0);
    }
    args.variables_json = NULL;
    const oa__chat_message broken = {"user", "\xff", 1}, no_content = {"user", NULL, 0};
    args.messages = &broken;
    args.n_messages = 1;
    assert_int_equal(oa__template_render(NULL, "x", 1, &args, &out), OA_EINVAL);
    args.messages = &no_content;
    assert_int_equal(util_render(&out, "{{ messages[0].content is none }}", &args), OA_OK);
    assert_string_equal(out.data, "True");
    oa__str_free(&out);
}

/* Local time is now_s and its offset; %s stays what it is, and a zone is not named. */
static void test_text_template__local_time(void **state)
{
    (void)state;
    static const struct {
        int32_t offset;
        const char *want;
    } cases[] = {
        {0, "2024-11-22 12:45:03 1732279503 Fri"},
        {45000, "2024-11-23 01:15:03 1732279503 Sat"},
        {-50000, "2024-11-21 22:51:43 1732279503 Thu"},
    };
    const char *text = "{{ strftime_now('%Y-%m-%d %H:%M:%S %s %a%z%Z') }}";
    oa__render_args args = {.now_s = 1732279503};
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        oa__str out = {0};
        args.utc_offset_s = cases[i].offset;
        assert_int_equal(util_render(&out, text, &args), OA_OK);
        assert_string_equal(out.data, cases[i].want);
        oa__str_free(&out);
    }
    oa__str out = {0};
    args = (oa__render_args){.now_s = 100, .utc_offset_s = -101};
    assert_int_equal(util_render(&out, text, &args), OA_ETEMPLATE);
    oa__str_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_template__output),
        cmocka_unit_test(test_text_template__statements),
        cmocka_unit_test(test_text_template__white_space),
        cmocka_unit_test(test_text_template__filters),
        cmocka_unit_test(test_text_template__tests_and_methods),
        cmocka_unit_test(test_text_template__shared_strings),
        cmocka_unit_test(test_text_template__arguments),
        cmocka_unit_test(test_text_template__local_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
