/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counted, aligned, zeroed memory.
 *
 *     raw            ptr - 16    ptr (64-byte aligned)      ptr + size      raw + total
 *      |   unused    |  header   |  the caller's bytes      |    unused     |
 *
 * An allocator gives malloc's alignment or less, so a block is OVERHEAD bytes longer than asked
 * for. The account carries the whole of it. Under the address sanitizer the bytes outside the
 * caller's part are poisoned, so that an overrun shows at once.
 */
#include "base/base_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OA__ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define OA__ASAN 1
#endif
#ifdef OA__ASAN
#include <sanitizer/asan_interface.h>
#define POISON(ptr, size) ASAN_POISON_MEMORY_REGION(ptr, size)
#define UNPOISON(ptr, size) ASAN_UNPOISON_MEMORY_REGION(ptr, size)
#else
#define POISON(ptr, size) ((void)(ptr), (void)(size))
#define UNPOISON(ptr, size) ((void)(ptr), (void)(size))
#endif

enum { ALIGN = 64 };

struct header {
    void *raw;
    size_t size; /* of the caller's part */
};

enum { OVERHEAD = (int)sizeof(struct header) + ALIGN };

static struct header *header_of(void *ptr)
{
    return (struct header *)((char *)ptr - sizeof(struct header));
}

bool oa__mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool oa__add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

int oa__mem_init(oa__mem *mem, const oa_allocator *a, uint64_t limit)
{
    memset(mem, 0, sizeof *mem);
    if (a) {
        OA__TRY(oa__opts_read(&mem->a, sizeof mem->a, sizeof mem->a, a));
        if (!mem->a.alloc_fn != !mem->a.free_fn)
            return oa__err(OA_EINVAL, "allocator: one of alloc_fn and free_fn is missing");
    }
    mem->limit = limit;
    atomic_init(&mem->used, 0);
    return OA_OK;
}

int oa__mem_reserve(oa__mem *mem, uint64_t size)
{
    if (!mem) return OA_OK;
    uint64_t used = atomic_load_explicit(&mem->used, memory_order_relaxed);
    uint64_t total;
    do {
        if (__builtin_add_overflow(used, size, &total) || (mem->limit && total > mem->limit))
            return oa__err(OA_ENOMEM, "memory limit of %llu bytes: %llu in use, %llu more wanted",
                           (unsigned long long)mem->limit, (unsigned long long)used,
                           (unsigned long long)size);
    } while (!atomic_compare_exchange_weak_explicit(&mem->used, &used, total, memory_order_relaxed,
                                                    memory_order_relaxed));
    return OA_OK;
}

void oa__mem_release(oa__mem *mem, uint64_t size)
{
    if (mem) atomic_fetch_sub_explicit(&mem->used, size, memory_order_relaxed);
}

void *oa__alloc(oa__mem *mem, size_t size)
{
    size_t total;
    char *raw;

    if (!oa__add_size(size, OVERHEAD, &total) || total > PTRDIFF_MAX) {
        oa__err_nomem(size);
        return NULL;
    }
    if (oa__mem_reserve(mem, total) < 0) return NULL;
    if (mem && mem->a.alloc_fn) {
        raw = mem->a.alloc_fn(total, mem->a.user);
        if (raw) memset(raw, 0, total);
    } else {
        raw = calloc(1, total); /* leaves fresh pages untouched */
    }
    if (!raw) {
        oa__mem_release(mem, total);
        oa__err_nomem(size);
        return NULL;
    }
    uintptr_t first = (uintptr_t)raw + sizeof(struct header);
    char *ptr = raw + sizeof(struct header) + (ALIGN - first % ALIGN) % ALIGN;
    *header_of(ptr) = (struct header){raw, size};
    POISON(raw, (size_t)(ptr - raw));
    POISON(ptr + size, (size_t)(raw + total - (ptr + size)));
    return ptr;
}

void oa__mem_huge(void *ptr, size_t size)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)ptr;
    const uintptr_t skip = (page - begin % page) % page;
    if (size <= skip) return;
    madvise((char *)ptr + skip, (size - skip) / page * page, MADV_HUGEPAGE);
#else
    (void)ptr, (void)size;
#endif
}

void *oa__alloc_array(oa__mem *mem, size_t n, size_t elem_size)
{
    size_t size;
    if (!oa__mul_size(n, elem_size, &size)) {
        oa__err_nomem(SIZE_MAX);
        return NULL;
    }
    return oa__alloc(mem, size);
}

void oa__free(oa__mem *mem, void *ptr)
{
    if (!ptr) return;
    UNPOISON(header_of(ptr), sizeof(struct header));
    struct header h = *header_of(ptr);
    size_t total = h.size + OVERHEAD;
    UNPOISON(h.raw, total);
    if (mem && mem->a.free_fn)
        mem->a.free_fn(h.raw, mem->a.user);
    else
        free(h.raw);
    oa__mem_release(mem, total);
}

void *oa__realloc(oa__mem *mem, void *ptr, size_t size)
{
    if (!ptr) return oa__alloc(mem, size);
    UNPOISON(header_of(ptr), sizeof(struct header));
    size_t old_size = header_of(ptr)->size;
    POISON(header_of(ptr), sizeof(struct header));
    void *grown = oa__alloc(mem, size);
    if (!grown) return NULL;
    memcpy(grown, ptr, size < old_size ? size : old_size);
    oa__free(mem, ptr);
    return grown;
}

char *oa__strndup(oa__mem *mem, const char *text, size_t len)
{
    size_t size;
    if (!oa__add_size(len, 1, &size)) {
        oa__err_nomem(len);
        return NULL;
    }
    char *copy = oa__alloc(mem, size);
    if (copy && len) memcpy(copy, text, len);
    return copy;
}

int oa__grow(oa__mem *mem, void **array, size_t *cap, size_t need, size_t elem_size)
{
    if (need <= *cap) return OA_OK;
    size_t new_cap = *cap ? *cap : 16;
    while (new_cap < need) {
        if (!oa__mul_size(new_cap, 2, &new_cap)) return oa__err_nomem(SIZE_MAX);
    }
    size_t size;
    if (!oa__mul_size(new_cap, elem_size, &size)) return oa__err_nomem(SIZE_MAX);
    void *grown = oa__realloc(mem, *array, size);
    if (!grown) return OA_ENOMEM;
    *array = grown;
    *cap = new_cap;
    return OA_OK;
}
