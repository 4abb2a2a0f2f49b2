/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of one model in several threads, on the same beginnings; also run under the thread
 * sanitizer (test.sh all). */
#include "session/session_priv.h"

#include "tiny.h"

#include <pthread.h>

enum { N_THREADS = 4, N_ROUNDS = 12, N = 110 };

static oa_model *model;
static int32_t ids[2][N];
static uint64_t want[2];

typedef struct walker {
    pthread_t thread;
    uint64_t seed;
    const oa_session *fork_from;
    int rc;
    size_t n_wrong;
} walker;

/* Like tiny_logits(), without cmocka, which is for the main thread only. */
static int hash(oa_session *s, uint64_t *h)
{
    const float *logits;
    size_t n;
    OA__TRY(oa_session_get_logits(s, &logits, &n));
    *h = tiny_hash(TINY_HASH_BASIS, logits, n * sizeof *logits);
    return OA_OK;
}

static int round_of(walker *w, oa_session *s)
{
    const size_t k = tiny_random(&w->seed) % 2;
    uint64_t h;
    size_t n = tiny_random(&w->seed) % N;
    OA__TRY(oa_session_set_ids(s, ids[k], n, NULL));
    OA__TRY(oa_session_append(s, ids[k] + n, N - n));
    OA__TRY(hash(s, &h));
    w->n_wrong += h != want[k];
    int32_t id;
    for (int i = 0; i < 3; i++)
        OA__TRY(oa_session_step(s, NULL, &id));
    return OA_OK;
}

static void *walk(void *arg)
{
    walker *w = arg;
    for (int i = 0; i < N_ROUNDS && w->rc == OA_OK; i++) {
        oa_session *s = NULL;
        oa_session_opts o = OA_SESSION_OPTS_INIT;
        o.n_ctx = 128;
        w->rc = oa_session_new(&s, model, &o);
        for (int k = 0; k < 2 && w->rc == OA_OK; k++)
            w->rc = round_of(w, s);
        oa_session_free(s);
    }
    return NULL;
}

static void test_session_threads__sessions_of_one_model(void **state)
{
    (void)state;
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    o.n_threads = 2;
    model = tiny_open(&o);
    for (size_t k = 0; k < 2; k++)
        tiny_ids(model, 1, ids[k], N);
    ids[1][50] ^= 1;
    for (size_t k = 0; k < 2; k++)
        want[k] = tiny_alone(model, OA_KV_F16, ids[k], N);
    walker w[N_THREADS] = {{0}};
    for (size_t i = 0; i < N_THREADS; i++) {
        w[i].seed = i;
        assert_int_equal(pthread_create(&w[i].thread, NULL, walk, &w[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        assert_ok(w[i].rc);
        assert_int_equal(w[i].n_wrong, 0);
    }
    oa_model_free(model);
}

/* A fork that lives in another thread shares pages with the original, the half-full one too. */
static void *walk_fork(void *arg)
{
    walker *w = arg;
    oa_session *s = (oa_session *)(uintptr_t)w->fork_from;
    uint64_t h = 0;
    w->rc = oa_session_append(s, ids[0] + 40, N - 40);
    if (w->rc == OA_OK) w->rc = hash(s, &h);
    w->n_wrong = h != want[0];
    oa_session_free(s);
    return NULL;
}

static void test_session_threads__forks_go_their_own_ways(void **state)
{
    (void)state;
    model = tiny_open(NULL);
    tiny_ids(model, 2, ids[0], N);
    want[0] = tiny_alone(model, OA_KV_F16, ids[0], N);
    for (uint32_t flags = 0; flags < 2; flags++) {
        oa_session *s = tiny_session(model, flags, 128), *forks[N_THREADS];
        walker w[N_THREADS] = {{0}};
        assert_ok(oa_session_append(s, ids[0], 40));
        for (size_t i = 0; i < N_THREADS; i++) {
            assert_ok(oa_session_fork(&forks[i], s));
            w[i].fork_from = forks[i];
        }
        for (size_t i = 0; i < N_THREADS; i++) {
            assert_int_equal(pthread_create(&w[i].thread, NULL, walk_fork, &w[i]), 0);
        }
        assert_ok(oa_session_append(s, ids[0] + 40, N - 40));
        assert_true(tiny_logits(s) == want[0]);
        for (size_t i = 0; i < N_THREADS; i++) {
            pthread_join(w[i].thread, NULL);
            assert_ok(w[i].rc);
            assert_int_equal(w[i].n_wrong, 0);
        }
        oa_session_free(s);
    }
    oa_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_threads__sessions_of_one_model),
        cmocka_unit_test(test_session_threads__forks_go_their_own_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
