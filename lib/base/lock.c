/* SPDX-License-Identifier: Apache-2.0 */
/* A mutex of one word: 0 open, 1 taken, 2 taken and perhaps somebody sleeps. */
#include "base/base_priv.h"

#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/futex.h, which musl does not come with. */
enum { WAIT_PRIVATE = 0 | 128, WAKE_PRIVATE = 1 | 128 };

void oa__futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void oa__futex_wake(_Atomic uint32_t *word, uint32_t n)
{
    syscall(SYS_futex, word, WAKE_PRIVATE, n > INT_MAX ? INT_MAX : (int)n, NULL, NULL, 0);
}

bool oa__lock_try(oa__lock *l)
{
    uint32_t open = 0;
    return atomic_compare_exchange_strong_explicit(&l->state, &open, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

void oa__lock_take(oa__lock *l)
{
    for (int i = 0; i < 100; i++) {
        if (oa__lock_try(l)) return;
        oa__pause();
    }
    while (atomic_exchange_explicit(&l->state, 2, memory_order_acquire) != 0)
        oa__futex_wait(&l->state, 2);
}

void oa__lock_drop(oa__lock *l)
{
    if (atomic_exchange_explicit(&l->state, 0, memory_order_release) == 2)
        oa__futex_wake(&l->state, 1);
}
