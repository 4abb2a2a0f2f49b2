/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool of threads for jobs of a few microseconds.
 *
 * A job is (fn, arg, n_tasks), and a counter that hands out its tasks. `gen` is odd while a job is
 * open. A worker enters a job by raising `inside` and then looking whether one is open; the caller
 * ends a job by closing it and then waiting until `inside` is zero. Both sides write first and
 * read second, in one total order, so either the worker sees that the job is closed or the caller
 * sees the worker.
 *
 *     1. fn, arg and n_tasks change only while no job is open and inside is zero.
 *     2. The caller works on its own job and never waits for a worker that has not entered: a
 *        busy machine makes a job slower by at most one task.
 *     3. At most one caller owns the pool (`owned`); every other one works alone.
 *     4. Workers spin for SPIN_NS after a job and then sleep on gen. Whoever sleeps has raised
 *        `n_sleeping` before looking at gen for the last time, so that an opener either is seen
 *        or wakes it.
 */
#include "base/base_priv.h"

#include <fcntl.h>
#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { STACK_SIZE = 1 << 20, MAX_THREADS = 1024, PAUSES_PER_LOOK = 16 };

static const uint64_t SPIN_NS = 20000;

struct worker {
    oa__pool *pool;
    pthread_t thread;
    uint32_t index;
};

struct oa__pool {
    /* Written by the opener of a job, read by all. */
    _Alignas(64) _Atomic uint32_t gen;
    oa__task_fn fn;
    void *arg;
    size_t n_tasks;
    _Atomic bool quit;
    /* Hot counters, a cache line each. */
    _Alignas(64) _Atomic size_t next;
    _Alignas(64) _Atomic uint32_t inside;
    _Atomic bool caller_sleeps;
    _Alignas(64) _Atomic uint32_t n_sleeping;
    _Alignas(64) oa__lock owned;
    uint32_t n_threads; /* with the caller */
    uint32_t n_started;
    pid_t pid; /* who started the workers: a forked child has none */
    oa__mem *mem;
    struct worker *workers;
};

static void do_tasks(oa__pool *pool, uint32_t worker)
{
    size_t n_tasks = pool->n_tasks, task;
    while ((task = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed)) < n_tasks)
        pool->fn(pool->arg, task, worker);
}

/* Spin until *word differs from old; false when the time was up first. */
static bool spin_while(_Atomic uint32_t *word, uint32_t old)
{
    uint64_t end = 0;
    for (;;) {
        for (int i = 0; i < PAUSES_PER_LOOK; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != old) return true;
            oa__pause();
        }
        uint64_t now = oa__clock_ns();
        if (!end) end = now + SPIN_NS;
        if (now >= end) return false;
    }
}

static void wait_for_job(oa__pool *pool, uint32_t seen)
{
    if (spin_while(&pool->gen, seen)) return;
    atomic_fetch_add(&pool->n_sleeping, 1);
    while (atomic_load(&pool->gen) == seen)
        oa__futex_wait(&pool->gen, seen);
    atomic_fetch_sub(&pool->n_sleeping, 1);
}

static void *work(void *arg)
{
    struct worker *self = arg;
    oa__pool *pool = self->pool;
    uint32_t seen = 0;

    fesetenv(FE_DFL_ENV); /* not that of the thread that opened the model */
    for (;;) {
        wait_for_job(pool, seen);
        atomic_fetch_add(&pool->inside, 1);
        seen = atomic_load(&pool->gen);
        bool quit = atomic_load(&pool->quit);
        if ((seen & 1) && !quit) do_tasks(pool, self->index);
        if (atomic_fetch_sub(&pool->inside, 1) == 1 && atomic_load(&pool->caller_sleeps))
            oa__futex_wake(&pool->inside, 1);
        if (quit) return NULL;
    }
}

static void wait_until_left(oa__pool *pool)
{
    uint32_t n;
    while ((n = atomic_load(&pool->inside)) != 0) {
        if (spin_while(&pool->inside, n)) continue;
        atomic_store(&pool->caller_sleeps, true);
        n = atomic_load(&pool->inside);
        if (n != 0) oa__futex_wait(&pool->inside, n);
        atomic_store(&pool->caller_sleeps, false);
    }
}

static void open_gen(oa__pool *pool)
{
    atomic_fetch_add(&pool->gen, 1);
    if (atomic_load(&pool->n_sleeping) > 0) oa__futex_wake(&pool->gen, UINT32_MAX);
}

void oa__pool_run(oa__pool *pool, oa__task_fn fn, void *arg, size_t n_tasks)
{
    if (!pool || pool->n_started == 0 || n_tasks < 2 || !oa__lock_try(&pool->owned)) {
        for (size_t task = 0; task < n_tasks; task++)
            fn(arg, task, 0);
        return;
    }
    pool->fn = fn;
    pool->arg = arg;
    pool->n_tasks = n_tasks;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    open_gen(pool);
    do_tasks(pool, 0);
    atomic_fetch_add(&pool->gen, 1); /* closed */
    wait_until_left(pool);
    oa__lock_drop(&pool->owned);
}

uint32_t oa__pool_size(const oa__pool *pool)
{
    return pool ? pool->n_threads : 1;
}

static int start(oa__pool *pool)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int failed = pthread_attr_init(&attr);
    if (failed) return oa__err_nomem(sizeof attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    sigfillset(&all); /* signals are the program's affair */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (uint32_t i = 1; i < pool->n_threads && !failed; i++) {
        struct worker *w = &pool->workers[pool->n_started];
        *w = (struct worker){.pool = pool, .index = i};
        failed = pthread_create(&w->thread, &attr, work, w);
        if (!failed) pool->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (failed)
        return oa__err(OA_ENOMEM, "thread %u of %u: the system starts no more", pool->n_started + 2,
                       pool->n_threads);
    return OA_OK;
}

int oa__pool_new(oa__pool **out, oa__mem *mem, uint32_t n_threads)
{
    int rc = OA_OK;
    *out = NULL;
    if (n_threads == 0 || n_threads > MAX_THREADS)
        return oa__err(OA_EINVAL, "%u threads, want 1 to %d", n_threads, MAX_THREADS);
    oa__pool *pool = oa__alloc(mem, sizeof *pool);
    if (!pool) return OA_ENOMEM;
    pool->mem = mem;
    pool->n_threads = n_threads;
    pool->pid = getpid();
    pool->workers = oa__alloc_array(mem, n_threads, sizeof *pool->workers);
    if (!pool->workers) {
        rc = OA_ENOMEM;
        goto fail;
    }
    OA__TRY_GOTO(start(pool));
    *out = pool;
    return OA_OK;
fail:
    oa__pool_free(pool);
    return rc;
}

void oa__pool_free(oa__pool *pool)
{
    if (!pool) return;
    if (pool->n_started && pool->pid == getpid()) {
        atomic_store(&pool->quit, true);
        open_gen(pool);
        for (uint32_t i = 0; i < pool->n_started; i++)
            pthread_join(pool->workers[i].thread, NULL);
    }
    oa__free(pool->mem, pool->workers);
    oa__free(pool->mem, pool);
}

/* The processor share that a container is given: cgroup v2 writes "quota period" in microseconds,
 * or "max period". */
static uint32_t cgroup_cpus(void)
{
    char text[128];
    unsigned long long quota, period;
    uint32_t n = UINT32_MAX;
    int fd = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return n;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    if (sscanf(text, "%llu %llu", &quota, &period) == 2 && period > 0) {
        unsigned long long cpus = quota / period + (quota % period != 0);
        if (cpus < n) n = cpus ? (uint32_t)cpus : 1;
    }
    return n;
}

uint32_t oa__cpu_count(void)
{
    cpu_set_t set;
    long n;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    else
        n = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than the set can hold */
    uint32_t quota = cgroup_cpus();
    if (n < 1) n = 1;
    return (uint32_t)n < quota ? (uint32_t)n : quota;
}
