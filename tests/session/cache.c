/* SPDX-License-Identifier: Apache-2.0 */
#include "session/session_priv.h"

#include "tiny.h"

enum { PAGE = 4096 };

static oa__mem mem;
static oa__cache *cache;

static int setup(void **state)
{
    (void)state;
    static const size_t size[OA__N_KV_TYPES] = {PAGE, 2 * PAGE};
    assert_ok(oa__mem_init(&mem, NULL, 0));
    assert_ok(oa__cache_new(&cache, &mem, size, 6 * PAGE));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    oa__cache_free(cache);
    assert_int_equal(mem.used, 0);
    return 0;
}

static void fill_ids(int32_t *ids, int32_t seed)
{
    for (int32_t i = 0; i < OA__PAGE_LEN; i++)
        ids[i] = seed * 1000 + i;
}

static void expect(size_t n_nodes, size_t n_idle)
{
    size_t nodes, idle;
    oa__cache_count(cache, &nodes, &idle);
    assert_int_equal(nodes, n_nodes);
    assert_int_equal(idle, n_idle);
}

/* Leave a way of n pages; the session's own references are given up at once. */
static oa__node *leave_way(int32_t seed, size_t n, uint32_t kv_type)
{
    oa__node *node = NULL;
    for (size_t i = 0; i < n; i++) {
        int32_t ids[OA__PAGE_LEN];
        fill_ids(ids, seed + (int32_t)i);
        void *page = oa__page_alloc(&mem, PAGE);
        assert_non_null(page);
        node = oa__cache_leave(cache, node, kv_type, ids, &page);
        assert_non_null(node);
        oa__page_drop(&mem, page);
    }
    return node;
}

static size_t take_way(int32_t seed, size_t n, oa__node **end)
{
    *end = NULL;
    for (size_t i = 0; i < n; i++) {
        int32_t ids[OA__PAGE_LEN];
        void *page;
        fill_ids(ids, seed + (int32_t)i);
        oa__node *node = oa__cache_take(cache, *end, 0, ids, &page);
        if (!node) return i;
        oa__page_drop(&mem, page);
        *end = node;
    }
    return n;
}

static void test_session_cache__what_is_left_is_found(void **state)
{
    (void)state;
    oa__node *a = leave_way(1, 3, 0), *end;
    expect(3, 0);
    assert_int_equal(take_way(1, 5, &end), 3);
    assert_ptr_equal(end, a);
    expect(3, 0);
    assert_null(oa__cache_drop(cache, a, 3));
    expect(3, 0);
    assert_non_null(oa__cache_drop(cache, end, 2));
    expect(3, 2);
    assert_int_equal(take_way(2, 1, &end), 0);
    assert_int_equal(take_way(1, 2, &end), 2);
    expect(3, 1);
    oa__cache_ref(cache, end);
    oa__cache_drop(cache, end, 2);
    oa__cache_drop(cache, end, 2);
    expect(3, 2);
    assert_int_equal(take_way(1, 1, &end), 1);
    oa__cache_drop(cache, end, 1);
    oa__cache_drop(cache, end, 1);
    expect(3, 3);
}

static void test_session_cache__equal_pages_become_one(void **state)
{
    (void)state;
    int32_t ids[OA__PAGE_LEN];
    fill_ids(ids, 7);
    void *a = oa__page_alloc(&mem, PAGE), *b = oa__page_alloc(&mem, PAGE), *first = a;
    oa__node *x = oa__cache_leave(cache, NULL, 0, ids, &a);
    oa__node *y = oa__cache_leave(cache, NULL, 0, ids, &b);
    assert_ptr_equal(x, y);
    assert_ptr_equal(a, first);
    assert_ptr_equal(b, first);
    assert_true(oa__page_is_shared(a));
    expect(1, 0);
    /* Another element type is another tree. */
    void *c = oa__page_alloc(&mem, 2 * PAGE);
    oa__node *z = oa__cache_leave(cache, NULL, 1, ids, &c);
    assert_ptr_not_equal(z, x);
    expect(2, 0);
    oa__cache_drop(cache, x, 1);
    oa__cache_drop(cache, y, 1);
    oa__cache_drop(cache, z, 1);
    oa__page_drop(&mem, a);
    oa__page_drop(&mem, b);
    oa__page_drop(&mem, c);
}

static void test_session_cache__the_longest_unused_go_first(void **state)
{
    (void)state;
    oa__node *end;
    oa__cache_drop(cache, leave_way(10, 3, 0), 3);
    oa__cache_drop(cache, leave_way(20, 3, 0), 3);
    expect(6, 6);
    assert_int_equal(take_way(10, 3, &end), 3); /* used again */
    oa__cache_drop(cache, end, 3);
    oa__cache_drop(cache, leave_way(30, 2, 0), 2); /* over the cap: ends of ways go */
    expect(6, 6);
    assert_int_equal(take_way(20, 3, &end), 1);
    oa__cache_drop(cache, end, 1);
    assert_int_equal(take_way(10, 3, &end), 3);
    oa__cache_drop(cache, end, 3);
    /* Pages in use do not count and do not go. */
    oa__node *a = leave_way(40, 9, 0);
    expect(15, 6);
    for (size_t i = 0; i < 6; i++)
        assert_true(oa__cache_evict(cache));
    assert_false(oa__cache_evict(cache));
    expect(9, 0);
    assert_int_equal(take_way(40, 9, &end), 9);
    oa__cache_drop(cache, end, 9);
    oa__cache_drop(cache, a, 9);
    expect(6, 6);
    /* Larger pages count for more. */
    oa__cache_drop(cache, leave_way(50, 2, 1), 2);
    expect(4, 4);
}

static void test_session_cache__many_ways(void **state)
{
    (void)state;
    oa__node *ends[300], *end;
    for (int32_t k = 0; k < 300; k++)
        ends[k] = leave_way(1000 + 3 * k, 2, 0);
    expect(600, 0);
    for (int32_t k = 0; k < 300; k++) {
        assert_int_equal(take_way(1000 + 3 * k, 2, &end), 2);
        assert_ptr_equal(end, ends[k]);
        oa__cache_drop(cache, end, 2);
        oa__cache_drop(cache, end, 2);
    }
    expect(6, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_session_cache__what_is_left_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session_cache__equal_pages_become_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_session_cache__the_longest_unused_go_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_session_cache__many_ways, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
