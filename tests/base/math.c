/* SPDX-License-Identifier: Apache-2.0 */
/* The reference is the C library in long double: 64 bits of mantissa on x86, 113 on aarch64. */
#include "util/test.h"

#include <float.h>
#include <math.h>

#include "base/base.h"

static const double BOUND = 4e-16;

struct worst {
    double error, at, at2;
};

static void note(struct worst *w, double got, long double want, double x, double y)
{
    if (want == 0 || fabsl(want) < DBL_MIN) { /* denormal: half a unit and a little */
        if (fabsl(got - want) > 0x1p-1074L) w->error = 1, w->at = x, w->at2 = y;
        return;
    }
    double error = (double)fabsl((got - want) / want);
    if (!(error <= w->error)) *w = (struct worst){error, x, y};
}

static void check(const char *name, const struct worst *w)
{
    test_note("%s: worst relative error %.3g at %a %a", name, w->error, w->at, w->at2);
    if (!(w->error < BOUND)) fail_msg("%s: %g at %a %a", name, w->error, w->at, w->at2);
}

static oa__random r;

static double between(double lo, double hi)
{
    return lo + (hi - lo) * oa__random_f64(&r);
}

/* Valgrind computes long double in double. */
static void needs_long_double(void)
{
    volatile long double one = 1, next = one + LDBL_EPSILON;
    if (LDBL_MANT_DIG == DBL_MANT_DIG || next == one)
        test_skip("long double is no wider than double here");
}

static void test_base_math__exp(void **state)
{
    struct worst w = {0};
    needs_long_double();
    for (int i = 0; i < 200000; i++) {
        double x = i % 3 ? between(-745, 709.7) : between(-1, 1);
        note(&w, oa__math_exp(x), expl(x), x, 0);
    }
    check("exp", &w);
    assert_true(oa__math_exp(0) == 1 && oa__math_exp(-0.0) == 1);
    assert_true(oa__math_exp(710) == INFINITY && oa__math_exp(INFINITY) == INFINITY);
    assert_true(oa__math_exp(-746) == 0 && oa__math_exp(-INFINITY) == 0);
    assert_true(isnan(oa__math_exp(NAN)));
    assert_true(oa__math_exp(1e-300) == 1);
}

static void test_base_math__log(void **state)
{
    struct worst w = {0};
    needs_long_double();
    for (int i = 0; i < 200000; i++) {
        double x = i % 3 == 0   ? between(0.5, 2)
                   : i % 3 == 1 ? 1 + between(-1, 1) * 0x1p-20
                                : ldexp(between(1, 2), (int)between(-1070, 1023));
        note(&w, oa__math_log(x), logl(x), x, 0);
    }
    check("log", &w);
    assert_true(oa__math_log(1) == 0 && oa__math_log(0) == -INFINITY);
    assert_true(oa__math_log(INFINITY) == INFINITY);
    assert_true(isnan(oa__math_log(-1)) && isnan(oa__math_log(NAN)));
}

static void test_base_math__pow(void **state)
{
    struct worst w = {0};
    needs_long_double();
    for (int i = 0; i < 100000; i++) {
        double x = i & 1 ? between(0.5, 2) : ldexp(between(1, 2), (int)between(-1000, 1000));
        double y = between(-700, 700) / fabs(log(x));
        if (fabs(y * log(x)) < 700) note(&w, oa__math_pow(x, y), powl(x, y), x, y);
    }
    /* what the rotary embedding asks for */
    for (int base = 0; base < 4; base++) {
        static const double bases[] = {10000, 100000, 500000, 1000000};
        for (int i = 0; i < 128; i++) {
            double y = -(double)i / 128;
            note(&w, oa__math_pow(bases[base], y), powl(bases[base], y), bases[base], y);
        }
    }
    check("pow", &w);
    assert_true(oa__math_pow(2, 10) == 1024 && oa__math_pow(3, 0) == 1 &&
                oa__math_pow(1, NAN) == 1);
    assert_true(oa__math_pow(0, 2) == 0 && oa__math_pow(0, -1) == INFINITY);
    assert_true(oa__math_pow(INFINITY, 1) == INFINITY && oa__math_pow(INFINITY, -1) == 0);
    assert_true(oa__math_pow(2, INFINITY) == INFINITY && oa__math_pow(2, -INFINITY) == 0);
    assert_true(oa__math_pow(0.5, 1e300) == 0 && oa__math_pow(0.5, -1e300) == INFINITY);
    assert_true(isnan(oa__math_pow(-2, 2)) && isnan(oa__math_pow(NAN, 2)));
    assert_true(oa__math_pow(2, -1074) == 0x1p-1074);
}

static void test_base_math__sin_cos(void **state)
{
    struct worst s = {0}, c = {0};
    needs_long_double();
    for (int i = 0; i < 200000; i++) {
        double x = i % 4 == 0   ? between(-1, 1)
                   : i % 4 == 1 ? between(-100, 100)
                                : between(-0x1p20, 0x1p20);
        if (i % 4 == 3)
            x = nearbyint(x * 0x1.45f306dc9c883p-1) * 0x1.921fb54442d18p0; /* near zeros */
        /* x87's own reduction has 66 bits of pi and errs near zeros: glibc's has as many as needed
         */
        note(&s, oa__math_sin(x), sinl(x), x, 0);
        note(&c, oa__math_cos(x), cosl(x), x, 0);
    }
    for (int i = 0; i < 10000; i++) {
        double x = between(-0x1p40, 0x1p40);
        note(&s, oa__math_sin(x), sinl(x), x, 0);
        note(&c, oa__math_cos(x), cosl(x), x, 0);
    }
    check("sin", &s);
    check("cos", &c);
    assert_true(oa__math_cos(0) == 1 && oa__math_sin(0) == 0 && signbit(oa__math_sin(-0.0)));
    assert_true(oa__math_sin(0x1p-500) == 0x1p-500);
    assert_true(isnan(oa__math_sin(INFINITY)) && isnan(oa__math_cos(NAN)));
}

/* The same bits on every machine: a hash over many arguments, frozen. */
static void test_base_math__frozen_bits(void **state)
{
    uint64_t h = OA__FNV_BASIS;
    oa__random_seed(&r, 2024);
    for (int i = 0; i < 10000; i++) {
        double x = between(-700, 700), z = between(0, 4), y = between(-30, 30);
        double v[] = {oa__math_exp(x), oa__math_log(z), oa__math_pow(z, y), oa__math_sin(x),
                      oa__math_cos(x)};
        h = oa__fnv1a(h, v, sizeof v);
    }
    test_note("hash %016llx", (unsigned long long)h);
    assert_true(h == 0x15b4c940eba2bffdu);
}

int main(void)
{
    oa__random_seed(&r, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_math__exp),         cmocka_unit_test(test_base_math__log),
        cmocka_unit_test(test_base_math__pow),         cmocka_unit_test(test_base_math__sin_cos),
        cmocka_unit_test(test_base_math__frozen_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
