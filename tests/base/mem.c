/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include "base/base.h"
#include "util/fail_alloc.h"

static bool is_zero(const void *ptr, size_t size)
{
    const unsigned char *bytes = ptr;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i]) return false;
    }
    return true;
}

static void test_base_mem__aligned_zeroed_counted(void **state)
{
    static const size_t sizes[] = {0, 1, 15, 63, 64, 65, 4096, 100000};
    struct fail_alloc fa;
    for (int custom = 0; custom < 2; custom++) {
        oa__mem mem;
        assert_ok(oa__mem_init(&mem, custom ? fail_alloc_init(&fa, 0) : NULL, 0));
        for (size_t i = 0; i < OA__ARRAY_LEN(sizes); i++) {
            unsigned char *p = oa__alloc(&mem, sizes[i]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 64, 0);
            assert_true(is_zero(p, sizes[i]));
            memset(p, 1, sizes[i]);
            assert_true(mem.used >= sizes[i] && mem.used <= sizes[i] + 128);
            oa__free(&mem, p);
            assert_int_equal(mem.used, 0);
        }
        if (custom) assert_int_equal(fail_alloc_live(&fa), 0);
    }
    oa__free(NULL, NULL);
    oa__free(NULL, oa__alloc(NULL, 10));
}

static void test_base_mem__limit(void **state)
{
    oa__mem mem;
    assert_ok(oa__mem_init(&mem, NULL, 10000));
    void *a = oa__alloc(&mem, 5000);
    assert_non_null(a);
    assert_null(oa__alloc(&mem, 5000));
    assert_non_null(strstr(oa_error_last(), "memory limit of 10000 bytes"));
    assert_ok(oa__mem_reserve(&mem, 4000));
    assert_err(oa__mem_reserve(&mem, 4000), OA_ENOMEM, "memory limit");
    assert_err(oa__mem_reserve(&mem, UINT64_MAX), OA_ENOMEM, "memory limit");
    oa__mem_release(&mem, 4000);
    oa__free(&mem, a);
    assert_int_equal(mem.used, 0);
}

static void test_base_mem__impossible_sizes(void **state)
{
    oa__mem mem;
    size_t size;
    assert_ok(oa__mem_init(&mem, NULL, 0));
    assert_null(oa__alloc(&mem, SIZE_MAX));
    assert_null(oa__alloc(&mem, SIZE_MAX / 2 + 1));
    assert_null(oa__alloc_array(&mem, SIZE_MAX / 4, 8));
    assert_null(oa__strndup(&mem, "", SIZE_MAX));
    assert_int_equal(mem.used, 0);
    assert_false(oa__mul_size(SIZE_MAX, 2, &size));
    assert_false(oa__add_size(SIZE_MAX, 1, &size));
    assert_true(oa__mul_size(SIZE_MAX / 3, 3, &size));
}

static void test_base_mem__realloc_and_grow(void **state)
{
    struct fail_alloc fa;
    oa__mem mem;
    assert_ok(oa__mem_init(&mem, fail_alloc_init(&fa, 0), 0));
    char *p = oa__realloc(&mem, NULL, 4);
    memcpy(p, "abcd", 4);
    p = oa__realloc(&mem, p, 100);
    assert_memory_equal(p, "abcd", 4);
    assert_true(is_zero(p + 4, 96));
    fa.fail_at = fa.n_calls + 1;
    assert_null(oa__realloc(&mem, p, 200)); /* the old block stays */
    assert_memory_equal(p, "abcd", 4);
    p = oa__realloc(&mem, p, 2);
    assert_memory_equal(p, "ab", 2);
    oa__free(&mem, p);

    uint32_t *v = NULL;
    size_t cap = 0;
    for (uint32_t n = 0; n < 1000; n++) {
        assert_ok(oa__grow(&mem, (void **)&v, &cap, n + 1, sizeof *v));
        v[n] = n;
    }
    for (uint32_t n = 0; n < 1000; n++)
        assert_int_equal(v[n], n);
    assert_in_range(cap, 1000, 2000);
    assert_int_equal(oa__grow(&mem, (void **)&v, &cap, SIZE_MAX, sizeof *v), OA_ENOMEM);
    assert_int_equal(v[999], 999);
    oa__free(&mem, v);
    assert_int_equal(fail_alloc_live(&fa), 0);
    assert_int_equal(mem.used, 0);
}

static void test_base_mem__allocator_options(void **state)
{
    oa__mem mem;
    struct fail_alloc fa;
    oa_allocator a = *fail_alloc_init(&fa, 1);
    a.free_fn = NULL;
    assert_err(oa__mem_init(&mem, &a, 0), OA_EINVAL, "missing");
    a.size = 0;
    assert_err(oa__mem_init(&mem, &a, 0), OA_EINVAL, "not initialised");
    assert_ok(oa__mem_init(&mem, &fa.a, 0));
    assert_null(oa__alloc(&mem, 77));
    assert_string_equal(oa_error_last(), "out of memory: 77 bytes wanted");
    assert_true(fail_alloc_hit(&fa));
    assert_int_equal(mem.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_mem__aligned_zeroed_counted),
        cmocka_unit_test(test_base_mem__limit),
        cmocka_unit_test(test_base_mem__impossible_sizes),
        cmocka_unit_test(test_base_mem__realloc_and_grow),
        cmocka_unit_test(test_base_mem__allocator_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
