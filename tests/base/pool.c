/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include <pthread.h>
#include <sys/wait.h>

#include "base/base.h"
#include "util/fail_alloc.h"

enum { N_TASKS = 1000 };

struct job {
    _Atomic int ran[N_TASKS];
    int plain[N_TASKS]; /* written by tasks, read after the run: the thread sanitizer looks on */
    uint32_t n_workers;
    _Atomic uint32_t bad_worker;
    unsigned sleep_us;
};

static void task(void *arg, size_t i, uint32_t worker)
{
    struct job *job = arg;
    job->ran[i]++;
    job->plain[i] = (int)i + 1;
    if (worker >= job->n_workers) job->bad_worker++;
    if (job->sleep_us) usleep(job->sleep_us);
}

static void run_and_check(oa__pool *pool, struct job *job, size_t n)
{
    memset(job->plain, 0, sizeof job->plain);
    for (size_t i = 0; i < N_TASKS; i++)
        job->ran[i] = 0;
    oa__pool_run(pool, task, job, n);
    for (size_t i = 0; i < N_TASKS; i++) {
        if (job->ran[i] != (i < n) || job->plain[i] != (i < n ? (int)i + 1 : 0))
            fail_msg("task %zu of %zu ran %d times", i, n, job->ran[i]);
    }
    assert_int_equal(job->bad_worker, 0);
}

static void test_base_pool__every_task_once(void **state)
{
    static struct job job;
    static const size_t n_tasks[] = {0, 1, 2, 3, 17, N_TASKS};
    for (uint32_t n = 0; n <= 5; n++) {
        oa__pool *pool = NULL;
        if (n) assert_ok(oa__pool_new(&pool, NULL, n));
        assert_int_equal(oa__pool_size(pool), n ? n : 1);
        job.n_workers = n ? n : 1;
        for (size_t i = 0; i < OA__ARRAY_LEN(n_tasks); i++) {
            for (int again = 0; again < 20; again++)
                run_and_check(pool, &job, n_tasks[i]);
        }
        oa__pool_free(pool);
    }
}

/* Workers that spin, that sleep, and that wake late. */
static void test_base_pool__many_short_runs(void **state)
{
    static struct job job = {.n_workers = 4};
    oa__pool *pool;
    assert_ok(oa__pool_new(&pool, NULL, 4));
    for (int i = 0; i < 300; i++) {
        if (i % 3 == 0) usleep((unsigned)(i % 50));
        run_and_check(pool, &job, 1 + (size_t)i % 9);
    }
    usleep(2000); /* all asleep */
    run_and_check(pool, &job, 100);
    job.sleep_us = 1000; /* the caller is done first and waits asleep */
    for (int i = 0; i < 10; i++)
        run_and_check(pool, &job, 3);
    job.sleep_us = 0;
    oa__pool_free(pool);
}

struct caller {
    pthread_t thread;
    oa__pool *pool;
    struct job job;
};

static void *call_many(void *arg)
{
    struct caller *c = arg;
    for (int i = 0; i < 100; i++)
        oa__pool_run(c->pool, task, &c->job, 50);
    return NULL;
}

static void test_base_pool__several_callers(void **state)
{
    static struct caller callers[3];
    oa__pool *pool;
    assert_ok(oa__pool_new(&pool, NULL, 3));
    for (int i = 0; i < 3; i++) {
        callers[i].pool = pool;
        callers[i].job.n_workers = 3;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_many, &callers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(callers[i].thread, NULL);
        for (int t = 0; t < 50; t++)
            assert_int_equal(callers[i].job.ran[t], 100);
        assert_int_equal(callers[i].job.bad_worker, 0);
    }
    oa__pool_free(pool);
}

static void nested_task(void *arg, size_t i, uint32_t worker)
{
    struct caller *c = arg;
    if (i == 0) oa__pool_run(c->pool, task, &c->job, 20);
}

static void test_base_pool__nested_run_is_done_alone(void **state)
{
    static struct caller c = {.job.n_workers = 1};
    assert_ok(oa__pool_new(&c.pool, NULL, 3));
    oa__pool_run(c.pool, nested_task, &c, 3);
    for (int t = 0; t < 20; t++)
        assert_int_equal(c.job.ran[t], 1);
    assert_int_equal(c.job.bad_worker, 0);
    oa__pool_free(c.pool);
}

#if !defined(__SANITIZE_THREAD__)
/* A forked child has no workers; its runs and its free must not wait for them. */
static void test_base_pool__works_after_fork(void **state)
{
    static struct job job = {.n_workers = 3};
    oa__pool *pool;
    assert_ok(oa__pool_new(&pool, NULL, 3));
    run_and_check(pool, &job, 10);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        oa__pool_run(pool, task, &job, 10);
        oa__pool_free(pool);
        _exit(job.ran[9] == 2 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    oa__pool_free(pool);
}
#endif

static void test_base_pool__bad_sizes_and_no_memory(void **state)
{
    oa__pool *pool;
    assert_err(oa__pool_new(&pool, NULL, 0), OA_EINVAL, "threads");
    assert_err(oa__pool_new(&pool, NULL, 1000000), OA_EINVAL, "threads");
    oa__pool_free(NULL);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        struct fail_alloc fa;
        oa__mem mem;
        assert_ok(oa__mem_init(&mem, fail_alloc_init(&fa, nth), 0));
        assert_err(oa__pool_new(&pool, &mem, 2), OA_ENOMEM, "out of memory");
        assert_null(pool);
        assert_int_equal(fail_alloc_live(&fa), 0);
    }
    assert_true(oa__cpu_count() >= 1);
}

struct guarded {
    oa__lock lock;
    int value;
};

static void *count_up(void *arg)
{
    struct guarded *g = arg;
    for (int i = 0; i < 20000; i++) {
        if (i % 2 || !oa__lock_try(&g->lock)) oa__lock_take(&g->lock);
        g->value++;
        oa__lock_drop(&g->lock);
    }
    return NULL;
}

static void test_base_pool__lock(void **state)
{
    struct guarded g = {0};
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count_up, &g), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(g.value, 60000);
    assert_true(oa__lock_try(&g.lock));
    assert_false(oa__lock_try(&g.lock));
    oa__lock_drop(&g.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_pool__every_task_once),
        cmocka_unit_test(test_base_pool__many_short_runs),
        cmocka_unit_test(test_base_pool__several_callers),
        cmocka_unit_test(test_base_pool__nested_run_is_done_alone),
#if !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(test_base_pool__works_after_fork),
#endif
        cmocka_unit_test(test_base_pool__bad_sizes_and_no_memory),
        cmocka_unit_test(test_base_pool__lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
