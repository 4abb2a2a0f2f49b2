/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include <time.h>

#include "base/base.h"

enum { WINTER = 1732279503, SUMMER = 1721651103 }; /* in 2024 */

static int32_t offset(const char *zone, uint64_t at)
{
    setenv("TZ", zone, 1);
    tzset();
    return oa__clock_offset_s(at);
}

static void test_base_clock__local_time(void **state)
{
    assert_int_equal(offset("UTC", WINTER), 0);
    assert_int_equal(offset("IST-5:30", WINTER), 19800);
    assert_int_equal(offset("EST5", WINTER), -18000);
    /* The rule is that of the asked time, not of today. */
    assert_int_equal(offset("CET-1CEST,M3.5.0,M10.5.0/3", WINTER), 3600);
    assert_int_equal(offset("CET-1CEST,M3.5.0,M10.5.0/3", SUMMER), 7200);
}

static void test_base_clock__wall_time(void **state)
{
    const uint64_t now = oa__clock_wall_s();
    assert_true(now > SUMMER && now <= (uint64_t)time(NULL) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_clock__local_time),
        cmocka_unit_test(test_base_clock__wall_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
