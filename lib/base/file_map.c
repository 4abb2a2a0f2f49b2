/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 64 << 10 }; /* the system's, where nobody changed it; a multiple of every page */

static int read_all(int fd, const char *path, uint8_t *data, size_t size)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, data + n, size - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return oa__err_errno(errno, "read", path);
        if (got == 0) return oa__err(OA_EIO, "%s: ended after %zu bytes, want %zu", path, n, size);
        n += (size_t)got;
    }
    return OA_OK;
}

int oa__map_open(oa__map *map, oa__mem *mem, const char *path, bool no_mmap)
{
    int rc = OA_OK;
    uint8_t *copy = NULL;
    struct stat st;

    *map = (oa__map){.mem = mem};
    /* O_NONBLOCK: opening a pipe must not wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return oa__err_errno(errno, "open", path);
    if (fstat(fd, &st) < 0) {
        rc = oa__err_errno(errno, "read", path);
        goto fail;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = oa__err(OA_EFORMAT, "%s: is %s, want a file", path,
                     S_ISDIR(st.st_mode) ? "a directory" : "a device or pipe");
        goto fail;
    }
    if (st.st_size <= 0) {
        rc = oa__err(OA_EFORMAT, "%s: is empty", path);
        goto fail;
    }
    if ((uint64_t)st.st_size > PTRDIFF_MAX) {
        rc = oa__err_nomem(SIZE_MAX);
        goto fail;
    }
    size_t size = (size_t)st.st_size;
    if (no_mmap) {
        copy = oa__alloc(mem, size);
        if (!copy) {
            rc = OA_ENOMEM;
            goto fail;
        }
        OA__TRY_GOTO(read_all(fd, path, copy, size));
        map->data = copy;
    } else {
        OA__TRY_GOTO(oa__mem_reserve(mem, size));
        void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            rc = oa__err_errno(errno, "map", path);
            oa__mem_release(mem, size);
            goto fail;
        }
        map->data = data;
        map->mapped = true;
    }
    map->size = size;
    close(fd);
    return OA_OK;
fail:
    close(fd);
    oa__free(mem, copy);
    return rc;
}

void oa__map_close(oa__map *map)
{
    if (map->mapped) {
        munmap((void *)(uintptr_t)map->data, map->size);
        oa__mem_release(map->mem, map->size);
    } else {
        oa__free(map->mem, (void *)(uintptr_t)map->data);
    }
    *map = (oa__map){0};
}

void oa__map_drop(const oa__map *map, size_t offset, size_t size)
{
    if (!map->mapped || offset >= map->size) return;
    if (size > map->size - offset) size = map->size - offset;
    /* A fault brings in the pages around it, by aligned windows: they all go. Whoever uses what
     * else lies in them gets it again. */
    const uintptr_t base = (uintptr_t)map->data, end = base + map->size;
    const uintptr_t first = (base + offset) & ~(uintptr_t)(WINDOW - 1);
    const uintptr_t last = (base + offset + size + WINDOW - 1) & ~(uintptr_t)(WINDOW - 1);
    const uintptr_t from = first > base ? first : base;
    if (size > 0) madvise((void *)from, (last < end ? last : end) - from, MADV_DONTNEED);
}
