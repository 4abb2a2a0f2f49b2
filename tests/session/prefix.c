/* SPDX-License-Identifier: Apache-2.0 */
/* What sessions with one beginning cost together, and what of it goes first when memory is short.
 * Counted in pages, bytes and tokens; never in time. */
#include "session/session_priv.h"

#include "tiny.h"

enum { N_SESSIONS = 20, N_PREFIX = 2000, N_OWN = 20, N_ALL = N_PREFIX + N_OWN };

/* Twenty sessions begin with the same 2000 tokens: its pages exist once, and but for the last page
 * its tokens are computed once. */
static void test_session_prefix__many_sessions_cost_one(void **state)
{
    (void)state;
    oa_model *m = tiny_open(NULL);
    int32_t *ids = malloc(N_ALL * sizeof *ids);
    assert_non_null(ids);
    static const uint32_t types[] = {OA_KV_F16, OA_KV_Q8};
    for (size_t k = 0; k < OA__ARRAY_LEN(types); k++) {
        oa_session_opts o = OA_SESSION_OPTS_INIT;
        oa_session *all[N_SESSIONS];
        o.kv_type = types[k];
        o.n_ctx = N_ALL + 8;
        const size_t page_size = oa__model_page_size(m, types[k]);
        const size_t n_full = N_PREFIX / OA__PAGE_LEN;
        uint64_t before = 0;
        size_t n_computed = 0, n_nodes, n_idle, n_first = 0;
        for (size_t i = 0; i < N_SESSIONS; i++) {
            size_t n_kept;
            tiny_ids(m, 1, ids, N_PREFIX);
            tiny_ids(m, 100 + i, ids + N_PREFIX, N_OWN);
            assert_ok(oa_session_new(&all[i], m, &o));
            assert_ok(oa_session_set_ids(all[i], ids, N_ALL, &n_kept));
            n_computed += N_ALL - n_kept;
            oa__cache_count(all[i]->shared->cache, &n_nodes, &n_idle);
            if (i == 0) { /* from now on the scratch memory is there, and the prefix */
                before = oa__model_mem(m)->used;
                n_first = n_nodes;
            }
            for (size_t p = 0; p < n_full; p++)
                assert_ptr_equal(all[i]->pages[p], all[0]->pages[p]);
        }
        assert_int_equal(n_computed, N_ALL + (N_SESSIONS - 1) * (N_ALL - n_full * OA__PAGE_LEN));
        /* A session's own: two pages (16 tokens of the prefix and its 20), the nodes that full ones
         * of them get, ids, the pages' addresses, logits. */
        const size_t own = 2 * (page_size + 1024) + 2 * N_ALL * sizeof(int32_t) +
                           4 * n_full * sizeof(void *) + tiny_n_vocab(m) * sizeof(float) + 4096;
        assert_true(oa__model_mem(m)->used - before < (N_SESSIONS - 1) * own);
        assert_true(own < n_full * page_size / 4);           /* which says something */
        assert_int_equal(n_nodes - n_first, N_SESSIONS - 1); /* one full page of its own each */
        if (k == 0) assert_true(tiny_logits(all[19]) == tiny_alone(m, types[k], ids, N_ALL));
        for (size_t i = 0; i < N_SESSIONS; i++)
            oa_session_free(all[i]);
    }
    free(ids);
    oa_model_free(m);
}

/* Tokens of a text that a fresh session finds, which then counts as the last use of it. */
static size_t found(oa_model *m, uint64_t seed, int32_t *ids, size_t n)
{
    size_t n_kept;
    oa_session *s = tiny_session(m, 0, (uint32_t)n + 8);
    tiny_ids(m, seed, ids, n);
    assert_ok(oa_session_set_ids(s, ids, n, &n_kept));
    oa_session_free(s);
    return n_kept;
}

/* Under a memory limit idle pages have a quarter of it: what was not used for longest goes. */
static void test_session_prefix__the_longest_unused_goes(void **state)
{
    (void)state;
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    o.n_threads = 1;
    oa_model *m = tiny_open(&o);
    const uint64_t base = oa__model_mem(m)->used;
    const size_t page_size = oa__model_page_size(m, OA_KV_F16);
    oa_model_free(m);
    o.memory_limit = 2 * base + (3 << 20);
    m = tiny_open(&o);
    /* Two texts fit among the idle pages, a third one pushes one out. */
    const size_t n_pages = (size_t)(o.memory_limit / 4 / page_size) / 2;
    const size_t n = n_pages * OA__PAGE_LEN;
    int32_t *ids = malloc(n * sizeof *ids);
    assert_non_null(ids);
    assert_true(n_pages > 20 && n < 60000);
    const size_t all = n - OA__PAGE_LEN; /* the last token is computed once more */
    assert_int_equal(found(m, 1, ids, n), 0);
    assert_int_equal(found(m, 2, ids, n), 0);
    assert_int_equal(found(m, 1, ids, n), all);
    assert_int_equal(found(m, 3, ids, n), 0);
    assert_true(oa__model_mem(m)->used <= o.memory_limit);
    assert_int_equal(found(m, 1, ids, n), all);
    assert_int_equal(found(m, 3, ids, n), all);
    assert_true(found(m, 2, ids, n) <= 2 * OA__PAGE_LEN);
    free(ids);
    oa_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_prefix__many_sessions_cost_one),
        cmocka_unit_test(test_session_prefix__the_longest_unused_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
