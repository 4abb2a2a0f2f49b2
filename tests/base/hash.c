/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include "base/base.h"

static void test_base_hash__fnv1a_known_values(void **state)
{
    assert_true(oa__fnv1a(OA__FNV_BASIS, "", 0) == 0xcbf29ce484222325u);
    assert_true(oa__fnv1a(OA__FNV_BASIS, "a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(oa__fnv1a(OA__FNV_BASIS, "foobar", 6) == 0x85944171f73967e8u);
    assert_true(oa__fnv1a(oa__fnv1a(OA__FNV_BASIS, "foo", 3), "bar", 3) == 0x85944171f73967e8u);
}

/* RFC 3720, appendix B.4. */
static void test_base_hash__crc32c_known_values(void **state)
{
    uint8_t block[32];
    assert_int_equal(oa__crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(oa__crc32c(0, NULL, 0), 0);
    memset(block, 0, 32);
    assert_int_equal(oa__crc32c(0, block, 32), 0x8a9136aau);
    memset(block, 0xff, 32);
    assert_int_equal(oa__crc32c(0, block, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++)
        block[i] = (uint8_t)i;
    assert_int_equal(oa__crc32c(0, block, 32), 0x46dd794eu);
    for (size_t cut = 0; cut <= 32; cut++)
        assert_int_equal(oa__crc32c(oa__crc32c(0, block, cut), block + cut, 32 - cut), 0x46dd794eu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_hash__fnv1a_known_values),
        cmocka_unit_test(test_base_hash__crc32c_known_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
