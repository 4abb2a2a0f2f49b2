/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: what may stand behind "is". */
#include "text/template_priv.h"

#include <math.h>
#include <string.h>

enum test_id {
    TEST_ODD,
    TEST_EVEN,
    TEST_DIVISIBLE,
    TEST_DEFINED,
    TEST_UNDEFINED,
    TEST_FILTER,
    TEST_TEST,
    TEST_NONE,
    TEST_BOOLEAN,
    TEST_FALSE,
    TEST_TRUE,
    TEST_INTEGER,
    TEST_FLOAT,
    TEST_LOWER,
    TEST_UPPER,
    TEST_STRING,
    TEST_MAPPING,
    TEST_NUMBER,
    TEST_SEQUENCE,
    TEST_ITERABLE,
    TEST_CALLABLE,
    TEST_SAMEAS,
    TEST_ESCAPED,
    TEST_IN,
    TEST_EQ,
    TEST_NE,
    TEST_GT,
    TEST_GE,
    TEST_LT,
    TEST_LE
};

static const struct {
    const char *name;
    uint8_t id;
    uint8_t n_args;
} tests[] = {
    {"odd", TEST_ODD, 0},
    {"even", TEST_EVEN, 0},
    {"divisibleby", TEST_DIVISIBLE, 1},
    {"defined", TEST_DEFINED, 0},
    {"undefined", TEST_UNDEFINED, 0},
    {"filter", TEST_FILTER, 0},
    {"test", TEST_TEST, 0},
    {"none", TEST_NONE, 0},
    {"boolean", TEST_BOOLEAN, 0},
    {"false", TEST_FALSE, 0},
    {"true", TEST_TRUE, 0},
    {"integer", TEST_INTEGER, 0},
    {"float", TEST_FLOAT, 0},
    {"lower", TEST_LOWER, 0},
    {"upper", TEST_UPPER, 0},
    {"string", TEST_STRING, 0},
    {"mapping", TEST_MAPPING, 0},
    {"number", TEST_NUMBER, 0},
    {"sequence", TEST_SEQUENCE, 0},
    {"iterable", TEST_ITERABLE, 0},
    {"callable", TEST_CALLABLE, 0},
    {"sameas", TEST_SAMEAS, 1},
    {"escaped", TEST_ESCAPED, 0},
    {"in", TEST_IN, 1},
    {"==", TEST_EQ, 1},
    {"eq", TEST_EQ, 1},
    {"equalto", TEST_EQ, 1},
    {"!=", TEST_NE, 1},
    {"ne", TEST_NE, 1},
    {">", TEST_GT, 1},
    {"gt", TEST_GT, 1},
    {"greaterthan", TEST_GT, 1},
    {"ge", TEST_GE, 1},
    {">=", TEST_GE, 1},
    {"<", TEST_LT, 1},
    {"lt", TEST_LT, 1},
    {"lessthan", TEST_LT, 1},
    {"<=", TEST_LE, 1},
    {"le", TEST_LE, 1},
};

int oa__tmpl_test_find(const char *name, size_t len)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(tests); i++) {
        if (strlen(tests[i].name) == len && memcmp(tests[i].name, name, len) == 0) return (int)i;
    }
    return -1;
}

static int is_known(tmpl *t, tval in, int (*find)(const char *, size_t), bool *out)
{
    if (in.type == T_LIST || in.type == T_DICT) {
        return oa__tmpl_fail(t, "unhashable type: '%s'", oa__tmpl_type_name(in.type));
    }
    *out = in.type == T_STR && find(in.u.s->s, in.u.s->len) >= 0;
    return OA_OK;
}

static int remainder_is(tmpl *t, tval in, tval by, int64_t want, bool *out)
{
    tval m;
    OA__TRY(oa__tmpl_math(t, OP_MOD, in, by, &m)); /* odd strings fail as in Python: "%" */
    return oa__tmpl_equal(t, m, oa__tmpl_int(want), out);
}

static int is_case(tmpl *t, tval in, enum tclass c, bool *out)
{
    OA__TRY(oa__tmpl_to_str(t, in, &in));
    *out = oa__tmpl_is_class(in.u.s, c);
    return oa__tmpl_charge(t, in.u.s->len / 16);
}

int oa__tmpl_test_call(tmpl *t, int id, tval in, const tcall *call, bool *out)
{
    static const char *const none[] = {NULL}, *const one[] = {"other", NULL},
                             *const num[] = {"num", NULL}, *const seq[] = {"seq", NULL};
    tval a[1] = {{0}};
    OA__TRY(oa__tmpl_charge(t, 1));
    if (id < 0) return oa__tmpl_fail(t, "no test of this name");
    uint8_t what = tests[id].id;
    const char *const *names = tests[id].n_args == 0    ? none
                               : what == TEST_DIVISIBLE ? num
                               : what == TEST_IN        ? seq
                                                        : one;
    OA__TRY(oa__tmpl_bind(t, tests[id].name, call, names, tests[id].n_args, a));
    *out = false;
    switch (what) {
    case TEST_ODD:
        return remainder_is(t, in, oa__tmpl_int(2), 1, out);
    case TEST_EVEN:
        return remainder_is(t, in, oa__tmpl_int(2), 0, out);
    case TEST_DIVISIBLE:
        return remainder_is(t, in, a[0], 0, out);
    case TEST_DEFINED:
        *out = in.type != T_UNDEF;
        return OA_OK;
    case TEST_UNDEFINED:
        *out = in.type == T_UNDEF;
        return OA_OK;
    case TEST_FILTER:
        return is_known(t, in, oa__tmpl_filter_find, out);
    case TEST_TEST:
        return is_known(t, in, oa__tmpl_test_find, out);
    case TEST_NONE:
        *out = in.type == T_NONE;
        return OA_OK;
    case TEST_BOOLEAN:
        *out = in.type == T_BOOL;
        return OA_OK;
    case TEST_FALSE:
        *out = in.type == T_BOOL && !in.u.i;
        return OA_OK;
    case TEST_TRUE:
        *out = in.type == T_BOOL && in.u.i;
        return OA_OK;
    case TEST_INTEGER:
        *out = in.type == T_INT;
        return OA_OK;
    case TEST_FLOAT:
        *out = in.type == T_FLOAT;
        return OA_OK;
    case TEST_LOWER:
        return is_case(t, in, CLASS_LOWER, out);
    case TEST_UPPER:
        return is_case(t, in, CLASS_UPPER, out);
    case TEST_STRING:
        *out = in.type == T_STR;
        return OA_OK;
    case TEST_MAPPING:
        *out = in.type == T_DICT;
        return OA_OK;
    case TEST_NUMBER:
        *out = oa__tmpl_is_number(in);
        return OA_OK;
    case TEST_SEQUENCE:
        *out = oa__tmpl_has_size(in) && in.type != T_VIEW && in.type != T_LOOP;
        return OA_OK;
    case TEST_ITERABLE:
        *out = oa__tmpl_iterable(in);
        return OA_OK;
    case TEST_CALLABLE:
        *out = in.type == T_MACRO || in.type == T_METHOD || in.type == T_FUNC ||
               in.type == T_LOOP || in.type == T_JOINER || in.type == T_UNDEF;
        return OA_OK;
    case TEST_SAMEAS:
        *out = oa__tmpl_same(in, a[0]);
        return oa__tmpl_charge(t, in.type == T_STR ? in.u.s->len / 64 : 0);
    case TEST_ESCAPED:
        *out = in.type == T_STR && in.flag;
        return OA_OK;
    case TEST_IN:
        return oa__tmpl_contains(t, a[0], in, out);
    case TEST_EQ:
        return oa__tmpl_equal(t, in, a[0], out);
    case TEST_NE:
        OA__TRY(oa__tmpl_equal(t, in, a[0], out));
        *out = !*out;
        return OA_OK;
    case TEST_GT:
        return oa__tmpl_less(t, in, a[0], OP_GT, out);
    case TEST_GE:
        return oa__tmpl_less(t, in, a[0], OP_GE, out);
    case TEST_LT:
        return oa__tmpl_less(t, in, a[0], OP_LT, out);
    default:
        return oa__tmpl_less(t, in, a[0], OP_LE, out);
    }
}
