/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include "base/base.h"

/* The struct as the library knows it, as the first release did, and as a later one may. */
struct now {
    size_t size;
    uint64_t a, b;
};
struct first {
    size_t size;
    uint64_t a;
};
struct later {
    size_t size;
    uint64_t a, b, c;
};

static void test_base_opts__read(void **state)
{
    struct now dst;
    assert_ok(oa__opts_read(&dst, sizeof dst, sizeof(struct first), NULL));
    assert_true(dst.size == sizeof dst && dst.a == 0 && dst.b == 0);
    struct now same = {sizeof same, 1, 2};
    assert_ok(oa__opts_read(&dst, sizeof dst, sizeof(struct first), &same));
    assert_true(dst.size == sizeof dst && dst.a == 1 && dst.b == 2);
    struct first small = {sizeof small, 3};
    assert_ok(oa__opts_read(&dst, sizeof dst, sizeof(struct first), &small));
    assert_true(dst.size == sizeof dst && dst.a == 3 && dst.b == 0);
    struct later large = {sizeof large, 4, 5, 0};
    assert_ok(oa__opts_read(&dst, sizeof dst, sizeof(struct first), &large));
    assert_true(dst.size == sizeof dst && dst.a == 4 && dst.b == 5);
    large.c = 1;
    assert_err(oa__opts_read(&dst, sizeof dst, sizeof(struct first), &large), OA_EVERSION,
               "does not know");
}

static void test_base_opts__bad_sizes(void **state)
{
    struct now dst, src = {0, 1, 2};
    static const size_t bad[] = {0, 1, sizeof(size_t), 65537, SIZE_MAX};
    for (size_t i = 0; i < OA__ARRAY_LEN(bad); i++) {
        src.size = bad[i];
        assert_err(oa__opts_read(&dst, sizeof dst, sizeof(struct first), &src), OA_EINVAL, "size");
        assert_err(oa__opts_write(&src, &dst, sizeof dst, sizeof(struct first)), OA_EINVAL, "size");
    }
    assert_err(oa__opts_write(NULL, &dst, sizeof dst, sizeof dst), OA_EINVAL, "no struct");
}

static void test_base_opts__write(void **state)
{
    struct now full = {sizeof full, 7, 8};
    struct first small[2] = {{sizeof small[0], 1}, {99, 99}};
    assert_ok(oa__opts_write(small, &full, sizeof full, sizeof(struct first)));
    assert_true(small[0].size == sizeof small[0] && small[0].a == 7);
    assert_true(small[1].size == 99 && small[1].a == 99); /* beyond the caller's struct */
    struct later large = {sizeof large, 1, 1, 1};
    assert_ok(oa__opts_write(&large, &full, sizeof full, sizeof(struct first)));
    assert_true(large.size == sizeof large && large.a == 7 && large.b == 8 && large.c == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_opts__read),
        cmocka_unit_test(test_base_opts__bad_sizes),
        cmocka_unit_test(test_base_opts__write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
