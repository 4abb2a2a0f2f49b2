/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include <openassistant/model.h>

#include "base/base.h"

static void test_base_cpu__flags_agree_with_the_compiler(void **state)
{
#if defined(__x86_64__)
    unsigned flags = oa__cpu_flags();
    __builtin_cpu_init();
    assert_int_equal(!!(flags & OA__CPU_AVX2),
                     __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
    if (!__builtin_cpu_supports("avx512vnni")) assert_false(flags & OA__CPU_AVX512VNNI);
    assert_false(flags & (OA__CPU_NEON | OA__CPU_DOTPROD));
#elif defined(__aarch64__)
    unsigned flags = oa__cpu_flags();
    assert_true(flags & OA__CPU_NEON); /* what the compiler counts on */
    assert_false(flags & (OA__CPU_AVX2 | OA__CPU_AVX512VNNI));
#endif
}

static void test_base_cpu__select_by_value(void **state)
{
    unsigned flags = 99, have = oa__cpu_flags();
    uint32_t tier = 99;
    unsetenv("OA_CPU");
    assert_ok(oa__cpu_select(OA_CPU_C, &flags, &tier));
    assert_true(flags == 0 && tier == OA_CPU_C);
    assert_ok(oa__cpu_select(OA_CPU_BEST, &flags, &tier));
    assert_int_equal(flags, have);
    assert_err(oa__cpu_select(6, &flags, &tier), OA_EINVAL, "no such tier");
    assert_err(oa__cpu_select(UINT32_MAX, &flags, &tier), OA_EINVAL, "no such tier");
    if (have & OA__CPU_AVX2)
        assert_ok(oa__cpu_select(OA_CPU_AVX2, &flags, &tier));
    else
        assert_err(oa__cpu_select(OA_CPU_AVX2, &flags, &tier), OA_EUNSUPPORTED, "avx2");
    if (!(have & OA__CPU_AVX512VNNI))
        assert_err(oa__cpu_select(OA_CPU_AVX512VNNI, &flags, &tier), OA_EUNSUPPORTED, "lacks");
    if (have & OA__CPU_NEON)
        assert_ok(oa__cpu_select(OA_CPU_NEON, &flags, &tier));
    else
        assert_err(oa__cpu_select(OA_CPU_NEON, &flags, &tier), OA_EUNSUPPORTED, "neon");
    if (!(have & OA__CPU_DOTPROD))
        assert_err(oa__cpu_select(OA_CPU_DOTPROD, &flags, &tier), OA_EUNSUPPORTED, "lacks");
}

static void test_base_cpu__environment_caps(void **state)
{
    unsigned flags, have = oa__cpu_flags();
    uint32_t tier;
    setenv("OA_CPU", "c", 1);
    assert_ok(oa__cpu_select(OA_CPU_BEST, &flags, &tier));
    assert_true(flags == 0 && tier == OA_CPU_C);
    if (have & OA__CPU_AVX2) { /* a tier asked for by value is not capped */
        assert_ok(oa__cpu_select(OA_CPU_AVX2, &flags, &tier));
        assert_int_equal(tier, OA_CPU_AVX2);
    }
    setenv("OA_CPU", "avx512vnni", 1); /* a cap, not a demand */
    assert_ok(oa__cpu_select(OA_CPU_BEST, &flags, &tier));
    assert_int_equal(flags, have & (OA__CPU_AVX2 | OA__CPU_AVX512VNNI));
    setenv("OA_CPU", "dotprod", 1);
    assert_ok(oa__cpu_select(OA_CPU_BEST, &flags, &tier));
    assert_int_equal(flags, have & (OA__CPU_NEON | OA__CPU_DOTPROD));
    setenv("OA_CPU", "neon", 1);
    assert_ok(oa__cpu_select(OA_CPU_BEST, &flags, &tier));
    assert_int_equal(flags, have & OA__CPU_NEON);
    assert_int_equal(tier, have & OA__CPU_NEON ? OA_CPU_NEON : OA_CPU_C);
    setenv("OA_CPU", "", 1);
    assert_ok(oa__cpu_select(OA_CPU_BEST, &flags, &tier));
    setenv("OA_CPU", "sse9", 1);
    assert_err(oa__cpu_select(OA_CPU_BEST, &flags, &tier), OA_EINVAL, "OA_CPU=sse9");
    unsetenv("OA_CPU");
}

static void test_base_cpu__names(void **state)
{
    assert_string_equal(oa__cpu_tier_name(OA_CPU_C), "c");
    assert_string_equal(oa__cpu_tier_name(OA_CPU_AVX2), "avx2");
    assert_string_equal(oa__cpu_tier_name(OA_CPU_AVX512VNNI), "avx512vnni");
    assert_string_equal(oa__cpu_tier_name(OA_CPU_NEON), "neon");
    assert_string_equal(oa__cpu_tier_name(OA_CPU_DOTPROD), "dotprod");
    assert_string_equal(oa__cpu_tier_name(77), "unknown");
    assert_non_null(strstr(oa_build_info(), oa_version()));
    assert_non_null(strstr(oa_build_info(), " uses "));
    assert_int_equal(oa_version_number(), OA_VERSION_NUMBER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_cpu__flags_agree_with_the_compiler),
        cmocka_unit_test(test_base_cpu__select_by_value),
        cmocka_unit_test(test_base_cpu__environment_caps),
        cmocka_unit_test(test_base_cpu__names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
