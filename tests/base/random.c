/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include "base/base.h"

/* splitmix64 of seed 0 begins e220a8397b1dcdaf 6e789e6aa1b965f4 06c45d188009454f f88bb8a8724c81ec
 * (its authors' program); xoshiro256** follows from that by hand for the first number. */
static void test_base_random__known_values(void **state)
{
    oa__random r;
    oa__random_seed(&r, 0);
    assert_true(r.s[0] == 0xe220a8397b1dcdafu && r.s[1] == 0x6e789e6aa1b965f4u);
    assert_true(r.s[2] == 0x06c45d188009454fu && r.s[3] == 0xf88bb8a8724c81ecu);
    assert_true(oa__random_u64(&r) == 0x99ec5f36cb75f2b4u);
    oa__random one = {{1, 2, 3, 4}};
    static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240u};
    for (size_t i = 0; i < 4; i++)
        assert_true(oa__random_u64(&one) == want[i]);
}

static void test_base_random__ranges(void **state)
{
    oa__random r;
    oa__random_seed(&r, 42);
    uint64_t count[7] = {0};
    double sum = 0;
    for (int i = 0; i < 70000; i++) {
        double x = oa__random_f64(&r);
        assert_true(x >= 0 && x < 1);
        sum += x;
        uint64_t k = oa__random_below(&r, 7);
        assert_true(k < 7);
        count[k]++;
    }
    assert_true(sum > 34500 && sum < 35500);
    for (int k = 0; k < 7; k++)
        assert_in_range(count[k], 9500, 10500);
    assert_int_equal(oa__random_below(&r, 1), 0);
    for (int i = 0; i < 100; i++)
        assert_true(oa__random_below(&r, UINT64_MAX) < UINT64_MAX);
    assert_true(oa__random_os() != oa__random_os());
}

static void test_base_random__clocks(void **state)
{
    uint64_t a = oa__clock_ns(), b = oa__clock_ns();
    assert_true(a > 0 && b >= a);
    assert_true(oa__clock_wall_s() > 1600000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_random__known_values),
        cmocka_unit_test(test_base_random__ranges),
        cmocka_unit_test(test_base_random__clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
