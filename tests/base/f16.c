/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include <math.h>

#include "base/base.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static void test_base_f16__every_half_comes_back(void **state)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = oa__f16_to_f32((uint16_t)h);
        int exp = (int)(h >> 10 & 31), man = (int)(h & 1023);
        if (exp == 31 && man) {
            assert_true(f != f);
            assert_int_equal(oa__f32_to_f16(f), h | 0x200); /* quiet */
            continue;
        }
        double want = exp == 31 ? INFINITY : exp ? ldexp(1024 + man, exp - 25) : ldexp(man, -24);
        if (h & 0x8000) want = -want;
        assert_true((double)f == want && !signbit(f) == !(h & 0x8000));
        assert_int_equal(oa__f32_to_f16(f), h);
    }
}

/* Between two halves a < b that are neighbours: the nearer one, at the middle the even one. */
static void test_base_f16__rounds_to_nearest_even(void **state)
{
    for (uint32_t h = 0; h < 0x7bff; h++) {
        float a = oa__f16_to_f32((uint16_t)h), b = oa__f16_to_f32((uint16_t)(h + 1));
        float middle = (a + b) / 2; /* exact */
        assert_int_equal(oa__f32_to_f16(middle), h & 1 ? h + 1 : h);
        assert_int_equal(oa__f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(oa__f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(oa__f32_to_f16(-middle), (h & 1 ? h + 1 : h) | 0x8000);
    }
    assert_int_equal(oa__f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(oa__f32_to_f16(65520), 0x7c00);
    assert_int_equal(oa__f32_to_f16(1e38f), 0x7c00);
    assert_int_equal(oa__f32_to_f16(float_of(1)), 0);
}

#if defined(__x86_64__)
__attribute__((target("avx,f16c"))) static void compare_with_instruction(uint32_t step)
{
    for (uint64_t u = 0; u < (uint64_t)1 << 32; u += step) {
        float f = float_of((uint32_t)u);
        __m128i h = _mm_cvtps_ph(_mm_castsi128_ps(_mm_set1_epi32((int)u)), 0);
        if ((uint16_t)_mm_extract_epi16(h, 0) != oa__f32_to_f16(f))
            fail_msg("%08x: %04x", (uint32_t)u, oa__f32_to_f16(f));
    }
    for (uint32_t u = 0; u < 65536; u++) {
        __m128 f = _mm_cvtph_ps(_mm_set1_epi16((short)u));
        if ((uint32_t)_mm_cvtsi128_si32(_mm_castps_si128(f)) !=
            bits_of(oa__f16_to_f32((uint16_t)u)))
            fail_msg("%04x", u);
    }
}
#endif

static void test_base_f16__same_bits_as_f16c(void **state)
{
#if defined(__x86_64__)
    if (oa__cpu_flags() & OA__CPU_AVX2) {
        compare_with_instruction(1019); /* a prime: all exponents, odd mantissas, NaNs */
        return;
    }
#endif
    test_skip("no F16C here");
}

static void test_base_f16__bfloat(void **state)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = oa__bf16_to_f32((uint16_t)h);
        assert_int_equal(bits_of(f), h << 16);
        assert_int_equal(oa__f32_to_bf16(f), f != f ? h | 0x40 : h);
    }
    assert_int_equal(oa__f32_to_bf16(float_of(0x3f808000)), 0x3f80); /* middle: to even */
    assert_int_equal(oa__f32_to_bf16(float_of(0x3f818000)), 0x3f82);
    assert_int_equal(oa__f32_to_bf16(float_of(0x3f808001)), 0x3f81);
    assert_int_equal(oa__f32_to_bf16(float_of(0x7f7fffff)), 0x7f80);
    assert_int_equal(oa__f32_to_bf16(float_of(0x7f800001)), 0x7fc0); /* stays a NaN */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_f16__every_half_comes_back),
        cmocka_unit_test(test_base_f16__rounds_to_nearest_even),
        cmocka_unit_test(test_base_f16__same_bits_as_f16c),
        cmocka_unit_test(test_base_f16__bfloat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
