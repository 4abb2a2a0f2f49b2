/* SPDX-License-Identifier: Apache-2.0 */
#include "session/session_priv.h"

#include "tiny.h"

static oa_model *model;

static int open_model(void **state)
{
    (void)state;
    model = tiny_open(NULL);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    oa_model_free(model);
    return 0;
}

static void test_session_session__chunkings_give_the_same_bits(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 7, 31, 32, 33, 64, 200};
    int32_t ids[200];
    tiny_ids(model, 1, ids, 200);
    const uint64_t want = tiny_alone(model, OA_KV_F16, ids, 200);
    for (size_t k = 0; k < OA__ARRAY_LEN(sizes); k++) {
        oa_session *s = tiny_session(model, OA_SESSION_NO_SHARING, 256);
        for (size_t i = 0; i < 200; i += sizes[k]) {
            const size_t n = 200 - i < sizes[k] ? 200 - i : sizes[k];
            assert_ok(oa_session_append(s, ids + i, n));
        }
        assert_true(tiny_logits(s) == want);
        oa_session_free(s);
    }
    for (uint32_t n_batch = 1; n_batch < 300; n_batch = n_batch * 3 + 1) {
        oa_session_opts o = OA_SESSION_OPTS_INIT;
        o.n_batch = n_batch;
        o.flags = OA_SESSION_NO_SHARING;
        o.n_ctx = 256;
        oa_session *s;
        assert_ok(oa_session_new(&s, model, &o));
        assert_ok(oa_session_append(s, ids, 200));
        assert_true(tiny_logits(s) == want);
        oa_session_free(s);
    }
}

static void test_session_session__every_row_of_logits(void **state)
{
    (void)state;
    const size_t n_vocab = tiny_n_vocab(model);
    int32_t ids[70];
    tiny_ids(model, 2, ids, 70);
    float *rows = calloc(70 * n_vocab, sizeof *rows);
    oa_session *s = tiny_session(model, 0, 128);
    assert_ok(oa_session_append(s, ids, 5));
    assert_err(oa_session_append_logits(s, ids + 5, 65, rows, 65 * n_vocab - 1), OA_ELIMIT, "65");
    assert_ok(oa_session_append_logits(s, ids + 5, 65, rows, 70 * n_vocab));
    for (size_t n = 6; n <= 70; n += 8) {
        const uint64_t got = tiny_hash(TINY_HASH_BASIS, rows + (n - 6) * n_vocab, n_vocab * 4);
        assert_true(got == tiny_alone(model, OA_KV_F16, ids, n));
    }
    assert_true(tiny_logits(s) == tiny_alone(model, OA_KV_F16, ids, 70));
    /* Again from the cache: the pages are there, but all logits are wanted. */
    oa_session *t = tiny_session(model, 0, 128);
    float *again = calloc(70 * n_vocab, sizeof *rows);
    assert_ok(oa_session_append_logits(t, ids, 70, again, 70 * n_vocab));
    assert_memory_equal(again + 5 * n_vocab, rows, 65 * n_vocab * sizeof *rows);
    oa_session_free(t);
    oa_session_free(s);
    free(again);
    free(rows);
}

static void test_session_session__step_is_append_of_the_best(void **state)
{
    (void)state;
    int32_t ids[100];
    tiny_ids(model, 3, ids, 10);
    oa_session *s = tiny_session(model, 0, 100);
    oa_session *t = tiny_session(model, OA_SESSION_NO_SHARING, 100);
    assert_ok(oa_session_append(s, ids, 10));
    assert_ok(oa_session_append(t, ids, 10));
    for (size_t n = 10; n < 100; n++) {
        int32_t id;
        assert_ok(oa_session_step(s, NULL, &id));
        const float *logits;
        size_t n_logits;
        assert_ok(oa_session_get_logits(t, &logits, &n_logits));
        assert_int_equal(id, oa__sample_argmax(logits, n_logits));
        assert_ok(oa_session_append(t, &id, 1));
        assert_int_equal(tiny_len(s), n + 1);
    }
    assert_true(tiny_logits(s) == tiny_logits(t));
    int32_t id;
    assert_err(oa_session_step(s, NULL, &id), OA_EFULL, "100");
    oa_session_free(s);
    oa_session_free(t);
}

static void test_session_session__fork_and_truncate(void **state)
{
    (void)state;
    static const size_t cuts[] = {1, 31, 32, 33, 63, 64, 65, 80};
    int32_t ids[80], other[40];
    tiny_ids(model, 4, ids, 80);
    tiny_ids(model, 5, other, 40);
    oa_session *s = tiny_session(model, 0, 256);
    assert_ok(oa_session_append(s, ids, 80));
    const uint64_t whole = tiny_logits(s);
    for (size_t k = 0; k < OA__ARRAY_LEN(cuts); k++) {
        oa_session *f;
        assert_ok(oa_session_fork(&f, s));
        assert_true(tiny_logits(f) == whole);
        assert_ok(oa_session_truncate(f, cuts[k]));
        assert_true(tiny_logits(f) == tiny_alone(model, OA_KV_F16, ids, cuts[k]));
        assert_ok(oa_session_append(f, other, 40));
        int32_t all[120];
        memcpy(all, ids, cuts[k] * sizeof *ids);
        memcpy(all + cuts[k], other, sizeof other);
        assert_true(tiny_logits(f) == tiny_alone(model, OA_KV_F16, all, cuts[k] + 40));
        /* The original did not notice. */
        oa_session *g;
        assert_ok(oa_session_fork(&g, s));
        assert_ok(oa_session_append(g, other, 1));
        memcpy(all, ids, sizeof ids);
        all[80] = other[0];
        assert_true(tiny_logits(g) == tiny_alone(model, OA_KV_F16, all, 81));
        oa_session_free(g);
        oa_session_free(f);
    }
    assert_true(tiny_logits(s) == whole);
    assert_err(oa_session_truncate(s, 81), OA_EINVAL, "81");
    assert_ok(oa_session_truncate(s, 0));
    const float *logits;
    assert_err(oa_session_get_logits(s, &logits, NULL), OA_EINVAL, "empty");
    int32_t id;
    assert_err(oa_session_step(s, NULL, &id), OA_EINVAL, "empty");
    oa_session_free(s);
}

/* A fork shares its pages: it costs far less memory than they do. */
static void test_session_session__fork_shares_pages(void **state)
{
    (void)state;
    int32_t ids[320];
    tiny_ids(model, 6, ids, 320);
    oa_session *s = tiny_session(model, OA_SESSION_NO_SHARING, 512), *f;
    assert_ok(oa_session_append(s, ids, 320));
    const uint64_t before = oa__model_mem(model)->used;
    assert_ok(oa_session_fork(&f, s));
    const size_t page_size = oa__model_page_size(model, OA_KV_F16);
    const size_t own = tiny_n_vocab(model) * sizeof(float) + 8192;
    assert_true(oa__model_mem(model)->used - before < own);
    assert_ok(oa_session_append(f, ids, 1));
    assert_true(oa__model_mem(model)->used - before < own + 2 * page_size);
    oa_session_free(s);
    oa_session_free(f);
}

static void test_session_session__set_ids_keeps_the_beginning(void **state)
{
    (void)state;
    int32_t ids[150];
    size_t n;
    tiny_ids(model, 7, ids, 150);
    oa_session *s = tiny_session(model, OA_SESSION_NO_SHARING, 256);
    assert_ok(oa_session_set_ids(s, ids, 100, &n));
    assert_int_equal(n, 0);
    assert_ok(oa_session_set_ids(s, ids, 100, &n));
    assert_int_equal(n, 100);
    assert_ok(oa_session_set_ids(s, ids, 150, &n));
    assert_int_equal(n, 100);
    assert_ok(oa_session_set_ids(s, ids, 40, &n));
    assert_int_equal(n, 40);
    assert_true(tiny_logits(s) == tiny_alone(model, OA_KV_F16, ids, 40));
    ids[20] ^= 1;
    assert_ok(oa_session_set_ids(s, ids, 150, &n));
    assert_int_equal(n, 20);
    assert_true(tiny_logits(s) == tiny_alone(model, OA_KV_F16, ids, 150));
    /* From its own memory. */
    const int32_t *own;
    assert_ok(oa_session_get_ids(s, &own, NULL));
    assert_ok(oa_session_set_ids(s, own + 3, 70, &n));
    assert_true(tiny_logits(s) == tiny_alone(model, OA_KV_F16, ids + 3, 70));
    assert_ok(oa_session_get_ids(s, &own, NULL));
    assert_ok(oa_session_append(s, own + 10, 60));
    memmove(ids, ids + 3, 70 * sizeof *ids);
    memcpy(ids + 70, ids + 10, 60 * sizeof *ids);
    assert_true(tiny_logits(s) == tiny_alone(model, OA_KV_F16, ids, 130));
    assert_ok(oa_session_set_ids(s, NULL, 0, &n));
    assert_int_equal(tiny_len(s), 0);
    oa_session_free(s);
}

static void test_session_session__sessions_share_what_they_read(void **state)
{
    (void)state;
    int32_t ids[150];
    size_t n;
    tiny_ids(model, 8, ids, 150);
    oa_session *s = tiny_session(model, 0, 256), *t = tiny_session(model, 0, 256);
    assert_ok(oa_session_append(s, ids, 150));
    assert_ok(oa_session_set_ids(t, ids, 150, &n));
    assert_int_equal(n, 128);
    assert_true(tiny_logits(t) == tiny_logits(s));
    assert_ptr_equal(s->pages[3], t->pages[3]);
    assert_ptr_not_equal(s->pages[4], t->pages[4]);
    /* Pages outlive the session that left them; at least the last token is computed. */
    oa_session_free(s);
    oa_session_free(t);
    t = tiny_session(model, 0, 256);
    assert_ok(oa_session_set_ids(t, ids, 128, &n));
    assert_int_equal(n, 96);
    assert_true(tiny_logits(t) == tiny_alone(model, OA_KV_F16, ids, 128));
    assert_ok(oa_session_append(t, ids + 128, 22));
    assert_true(tiny_logits(t) == tiny_alone(model, OA_KV_F16, ids, 150));
    /* A beginning that is no whole page is continued by pages of the tree. */
    oa_session *u = tiny_session(model, 0, 256);
    assert_ok(oa_session_append(u, ids, 40));
    assert_ok(oa_session_append(u, ids + 40, 110));
    assert_ptr_equal(u->pages[3], t->pages[3]);
    assert_true(tiny_logits(u) == tiny_logits(t));
    oa_session_free(u);
    /* Another element type shares nothing, and neither does a session that does not want to. */
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.kv_type = OA_KV_F32;
    o.n_ctx = 256;
    assert_ok(oa_session_new(&u, model, &o));
    assert_ok(oa_session_set_ids(u, ids, 150, &n));
    assert_int_equal(n, 0);
    assert_true(tiny_logits(u) == tiny_alone(model, OA_KV_F32, ids, 150));
    oa_session_free(u);
    u = tiny_session(model, OA_SESSION_NO_SHARING, 256);
    assert_ok(oa_session_set_ids(u, ids, 150, &n));
    assert_int_equal(n, 0);
    oa_session_free(u);
    oa_session_free(t);
}

static void test_session_session__a_full_context_refuses_before_any_work(void **state)
{
    (void)state;
    int32_t ids[41];
    tiny_ids(model, 9, ids, 41);
    oa_session *s = tiny_session(model, 0, 40);
    assert_err(oa_session_append(s, ids, 41), OA_EFULL, "40");
    assert_int_equal(tiny_len(s), 0);
    assert_ok(oa_session_append(s, ids, 30));
    const uint64_t h = tiny_logits(s);
    assert_err(oa_session_append(s, ids, 11), OA_EFULL, "11");
    assert_err(oa_session_append(s, ids, SIZE_MAX / 4), OA_EFULL, "");
    assert_err(oa_session_set_ids(s, ids, 41, NULL), OA_EFULL, "41");
    assert_int_equal(tiny_len(s), 30);
    assert_true(tiny_logits(s) == h);
    assert_ok(oa_session_append(s, ids + 30, 10));
    ids[3] = -1;
    assert_err(oa_session_set_ids(s, ids, 10, NULL), OA_EINVAL, "id -1");
    ids[3] = (int32_t)tiny_n_vocab(model);
    assert_err(oa_session_set_ids(s, ids, 10, NULL), OA_EINVAL, "token 3");
    assert_int_equal(tiny_len(s), 40);
    oa_session_free(s);
}

/* --- cancelling ------------------------------------------------------------------------------- */

typedef struct stopper {
    size_t n_calls, stop_at;
    uint64_t last_done, total;
    bool slow; /* make every poll due */
    oa_session *inner;
    int inner_rc;
} stopper;

static int count_calls(const char *what, uint64_t done, uint64_t total, void *user)
{
    stopper *st = user;
    assert_non_null(what);
    assert_true(total == 0 || done <= total);
    st->last_done = done;
    st->total = total;
    if (st->inner) st->inner_rc = oa_session_truncate(st->inner, 0);
    if (st->slow) usleep(41000); /* polls are due every 40 ms */
    return ++st->n_calls == st->stop_at;
}

static void test_session_session__cancel_at_every_poll_and_go_on(void **state)
{
    (void)state;
    int32_t ids[80];
    tiny_ids(model, 10, ids, 80);
    const uint64_t first = tiny_alone(model, OA_KV_F16, ids, 37);
    const uint64_t want = tiny_alone(model, OA_KV_F16, ids, 80);
    size_t n_cancelled = 0;
    for (size_t at = 1;; at += 1 + at / 6) {
        stopper st = {.stop_at = 0};
        oa_session_opts o = OA_SESSION_OPTS_INIT;
        o.n_ctx = 128;
        o.n_batch = 16;
        o.progress_fn = count_calls;
        o.progress_user = &st;
        o.flags = at % 2 ? OA_SESSION_NO_SHARING : 0;
        oa_session *s;
        assert_ok(oa_session_new(&s, model, &o));
        assert_ok(oa_session_append(s, ids, 37));
        assert_int_equal(st.last_done, st.total);
        st = (stopper){.stop_at = at, .slow = true};
        const int rc = oa_session_append(s, ids + 37, 43);
        if (rc == OA_ECANCELLED) {
            n_cancelled++;
            assert_int_equal(tiny_len(s), 37);
            st.slow = false;
            if (at % 3) assert_true(tiny_logits(s) == first);
            assert_ok(oa_session_append(s, ids + 37, 43));
        } else {
            assert_ok(rc);
        }
        assert_true(tiny_logits(s) == want);
        oa_session_free(s);
        if (rc == OA_OK) break;
        if (at > 30) break; /* enough; the rest are polls of the same kinds */
    }
    assert_true(n_cancelled >= 4);
}

static void test_session_session__a_callback_cannot_change_its_session(void **state)
{
    (void)state;
    int32_t ids[50];
    tiny_ids(model, 11, ids, 50);
    stopper st = {0};
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.n_ctx = 128;
    o.progress_fn = count_calls;
    o.progress_user = &st;
    oa_session *s;
    assert_ok(oa_session_new(&s, model, &o));
    st.inner = s;
    assert_ok(oa_session_append(s, ids, 50));
    assert_int_equal(st.inner_rc, OA_EBUSY);
    assert_true(tiny_logits(s) == tiny_alone(model, OA_KV_F16, ids, 50));
    oa_session_free(s);
}

/* --- anything in any order -------------------------------------------------------------------- */

/* Random calls on several sessions, each beside a plain list of what it should hold. */
static void test_session_session__random_calls(void **state)
{
    (void)state;
    enum { N = 5, CTX = 150 };
    uint64_t seed = 12;
    oa_session *s[N];
    int32_t want[N][CTX];
    size_t n[N] = {0};
    int32_t pool[3][CTX];
    for (uint64_t i = 0; i < 3; i++)
        tiny_ids(model, 100 + i / 2, pool[i], CTX);
    pool[1][70] ^= 1; /* two that part after a while, one that is another from the start */
    for (size_t i = 0; i < N; i++)
        s[i] = tiny_session(model, i == 4, CTX);
    for (size_t round = 0; round < 600; round++) {
        const size_t i = tiny_random(&seed) % N, r = tiny_random(&seed);
        const int32_t *from = pool[r / 16 % 3];
        switch (r % 8) {
        case 0:
        case 1: { /* go on with what the pool says at this place */
            size_t k = r / 64 % 60;
            if (k > CTX - n[i]) k = CTX - n[i];
            assert_ok(oa_session_append(s[i], from + n[i], k));
            memcpy(want[i] + n[i], from + n[i], k * sizeof *from);
            n[i] += k;
            break;
        }
        case 2: { /* cut */
            const size_t k = r / 64 % (n[i] + 1);
            assert_ok(oa_session_truncate(s[i], k));
            n[i] = k;
            break;
        }
        case 3:
        case 4: { /* something of the pool */
            const size_t k = r / 64 % (CTX + 1);
            size_t reused, common = 0;
            while (common < k && common < n[i] && from[common] == want[i][common])
                common++;
            assert_ok(oa_session_set_ids(s[i], from, k, &reused));
            assert_true(reused <= k && reused + 1 >= common);
            memcpy(want[i], from, k * sizeof *from);
            n[i] = k;
            break;
        }
        case 5: { /* become a fork of another */
            const size_t j = r / 64 % N;
            if (i == j) break;
            oa_session *f;
            assert_ok(oa_session_fork(&f, s[j]));
            oa_session_free(s[i]);
            s[i] = f;
            memcpy(want[i], want[j], sizeof want[i]);
            n[i] = n[j];
            break;
        }
        case 6:
            if (n[i] > 0 && n[i] < CTX) {
                assert_ok(oa_session_step(s[i], NULL, &want[i][n[i]]));
                n[i]++;
            }
            break;
        default:
            if (n[i] > 0) {
                assert_true(tiny_logits(s[i]) == tiny_alone(model, OA_KV_F16, want[i], n[i]));
            }
            break;
        }
        const int32_t *ids;
        size_t len;
        assert_ok(oa_session_get_ids(s[i], &ids, &len));
        assert_int_equal(len, n[i]);
        if (len > 0) assert_memory_equal(ids, want[i], len * sizeof *ids);
        assert_true(s[i]->n_nodes * OA__PAGE_LEN <= s[i]->n_done);
        assert_true(s[i]->n_pages * OA__PAGE_LEN >= s[i]->n_done);
        assert_true(s[i]->n_pages <= (n[i] + OA__PAGE_LEN - 1) / OA__PAGE_LEN);
    }
    for (size_t i = 0; i < N; i++) {
        if (n[i] > 0) {
            assert_true(tiny_logits(s[i]) == tiny_alone(model, OA_KV_F16, want[i], n[i]));
        }
        oa_session_free(s[i]);
    }
    size_t n_nodes, n_idle;
    oa__shared *sh;
    assert_ok(oa__shared_get(&sh, model));
    oa__cache_count(sh->cache, &n_nodes, &n_idle);
    assert_int_equal(n_nodes, n_idle);
}

/* The account holds: idle pages go when something else needs the room. */
static void test_session_session__memory_limit(void **state)
{
    (void)state;
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    o.n_threads = 1;
    oa_model *m = tiny_open(&o);
    const uint64_t base = oa__model_mem(m)->used;
    oa_session *s = tiny_session(m, 0, 1024);
    int32_t ids[320];
    tiny_ids(m, 13, ids, 320);
    assert_ok(oa_session_append(s, ids, 320));
    oa_session_free(s);
    oa_model_free(m);

    o.memory_limit = base + base / 4 + (64 << 10) + 24 * oa__model_page_size(model, OA_KV_F16);
    m = tiny_open(&o);
    size_t n_ok = 0, n_short = 0;
    oa_session *all[12] = {0};
    for (uint64_t k = 0; k < 12; k++) {
        all[k] = tiny_session(m, 0, 1024);
        tiny_ids(m, 200 + k, ids, 320);
        int rc = OA_OK;
        for (size_t i = 0; i < 320 && rc == OA_OK; i += 16) {
            rc = oa_session_append(all[k], ids + i, 16);
        }
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        if (rc == OA_OK)
            n_ok++;
        else
            n_short++;
        assert_true(oa__model_mem(m)->used <= o.memory_limit);
        if (k % 2) { /* every second is given up, with the one before: their pages are idle */
            oa_session_free(all[k]);
            oa_session_free(all[k - 1]);
            all[k] = all[k - 1] = NULL;
        }
    }
    assert_true(n_ok >= 6);
    oa_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_session__chunkings_give_the_same_bits),
        cmocka_unit_test(test_session_session__every_row_of_logits),
        cmocka_unit_test(test_session_session__step_is_append_of_the_best),
        cmocka_unit_test(test_session_session__fork_and_truncate),
        cmocka_unit_test(test_session_session__fork_shares_pages),
        cmocka_unit_test(test_session_session__set_ids_keeps_the_beginning),
        cmocka_unit_test(test_session_session__sessions_share_what_they_read),
        cmocka_unit_test(test_session_session__a_full_context_refuses_before_any_work),
        cmocka_unit_test(test_session_session__cancel_at_every_poll_and_go_on),
        cmocka_unit_test(test_session_session__a_callback_cannot_change_its_session),
        cmocka_unit_test(test_session_session__random_calls),
        cmocka_unit_test(test_session_session__memory_limit),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
