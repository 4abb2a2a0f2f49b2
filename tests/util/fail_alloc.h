/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An oa_allocator that counts, fails on demand and knows what was not given back.
 *
 * To inject a failure at every allocation in turn:
 *
 *     for (uint64_t nth = 1;; nth++) {
 *         struct fail_alloc fa;
 *         opts.allocator = fail_alloc_init(&fa, nth);
 *         int rc = work(&opts);
 *         assert_true(rc == OA_OK || rc == OA_ENOMEM);
 *         assert_int_equal(fail_alloc_live(&fa), 0);
 *         if (!fail_alloc_hit(&fa)) break;          // fewer than nth allocations: all were tried
 *     }
 *
 * Thread safe. Freshly given memory is filled with 0xa5, returned memory with 0xdd.
 */
#ifndef OA_TESTS_UTIL_FAIL_ALLOC_H
#define OA_TESTS_UTIL_FAIL_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openassistant/log.h>

struct fail_alloc {
    oa_allocator a;
    uint64_t fail_at;                 /* this allocation fails, counted from 1; 0 = none */
    bool stay_failed;                 /* and every one after it */
    _Atomic uint64_t n_calls;         /* allocations asked for */
    _Atomic uint64_t n_live;          /* blocks not given back */
    _Atomic uint64_t size, peak_size; /* bytes out now, and at most */
};

/* Before each block; keeps malloc's alignment. */
struct fail_alloc_block {
    _Alignas(16) uint64_t magic;
    size_t size;
};

#define FAIL_ALLOC_MAGIC 0x6f61616c6c6f6321u

static inline void *fail_alloc_alloc(size_t size, void *user)
{
    struct fail_alloc *fa = user;
    uint64_t call = atomic_fetch_add(&fa->n_calls, 1) + 1;
    if (fa->fail_at && (call == fa->fail_at || (fa->stay_failed && call > fa->fail_at)))
        return NULL;
    if (size == 0 || size > SIZE_MAX - sizeof(struct fail_alloc_block)) return NULL;
    struct fail_alloc_block *b = malloc(sizeof *b + size);
    if (!b) return NULL;
    b->magic = FAIL_ALLOC_MAGIC;
    b->size = size;
    memset(b + 1, 0xa5, size);
    atomic_fetch_add(&fa->n_live, 1);
    uint64_t now = atomic_fetch_add(&fa->size, size) + size, peak = atomic_load(&fa->peak_size);
    while (now > peak && !atomic_compare_exchange_weak(&fa->peak_size, &peak, now)) {
    }
    return b + 1;
}

static inline void fail_alloc_free(void *ptr, void *user)
{
    struct fail_alloc *fa = user;
    struct fail_alloc_block *b = (struct fail_alloc_block *)ptr - 1;
    if (!ptr || b->magic != FAIL_ALLOC_MAGIC) {
        fprintf(stderr, "fail_alloc: given back twice, or not from here: %p\n", ptr);
        abort();
    }
    b->magic = 0;
    atomic_fetch_sub(&fa->n_live, 1);
    atomic_fetch_sub(&fa->size, b->size);
    memset(ptr, 0xdd, b->size);
    free(b);
}

/* Returns the allocator, to be put in an options struct. */
static inline oa_allocator *fail_alloc_init(struct fail_alloc *fa, uint64_t fail_at)
{
    memset(fa, 0, sizeof *fa);
    fa->a = (oa_allocator){sizeof fa->a, fail_alloc_alloc, fail_alloc_free, fa};
    fa->fail_at = fail_at;
    return &fa->a;
}

/* Whether the failure has happened. */
static inline bool fail_alloc_hit(const struct fail_alloc *fa)
{
    return fa->fail_at &&
           atomic_load(&((struct fail_alloc *)(uintptr_t)fa)->n_calls) >= fa->fail_at;
}

static inline uint64_t fail_alloc_live(const struct fail_alloc *fa)
{
    return atomic_load(&((struct fail_alloc *)(uintptr_t)fa)->n_live);
}

static inline uint64_t fail_alloc_peak(const struct fail_alloc *fa)
{
    return atomic_load(&((struct fail_alloc *)(uintptr_t)fa)->peak_size);
}

#endif
