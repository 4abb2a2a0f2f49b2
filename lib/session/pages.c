/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of keys and values with atomic reference counts.
 *
 *   | 64 bytes: count | page_size bytes: what the model's door describes |
 *                     ^ the address everybody uses, aligned to 64 bytes
 *
 * A count of 1 is stable for its holder: others can only come by a reference through a holder.
 */
#include "session/session_priv.h"

#define HEAD_SIZE 64

typedef struct page_head {
    _Atomic uint32_t n_refs;
} page_head;

static page_head *head_of(const void *page)
{
    return (page_head *)((uintptr_t)page - HEAD_SIZE);
}

void *oa__page_alloc(oa__mem *mem, size_t page_size)
{
    size_t size;
    if (!oa__add_size(page_size, HEAD_SIZE, &size)) {
        oa__err_nomem(page_size);
        return NULL;
    }
    char *block = oa__alloc(mem, size);
    if (!block) return NULL;
    atomic_init(&((page_head *)(void *)block)->n_refs, 1);
    return block + HEAD_SIZE;
}

void oa__page_ref(void *page)
{
    atomic_fetch_add_explicit(&head_of(page)->n_refs, 1, memory_order_relaxed);
}

void oa__page_drop(oa__mem *mem, void *page)
{
    if (!page) return;
    /* What this holder read must be read before another one may write or free. */
    page_head *head = head_of(page);
    if (atomic_fetch_sub_explicit(&head->n_refs, 1, memory_order_acq_rel) == 1) oa__free(mem, head);
}

bool oa__page_is_shared(const void *page)
{
    return atomic_load_explicit(&head_of(page)->n_refs, memory_order_acquire) > 1;
}
