/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file appears whole or not at all: the bytes go into "<path>.<random>.part" in the same folder,
 * reach the disk, take the name, and the folder's entry reaches the disk. Only a file gives its
 * name away: a rename would put a file in the place of a device.
 */
#include "base/base_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_SIZE = 65536 };

struct oa__file_out {
    oa__mem *mem;
    char *path, *part_path;
    int fd;
    size_t n; /* bytes waiting in buffer */
    uint8_t *buffer;
};

void oa__file_out_abandon(oa__file_out *f)
{
    if (!f) return;
    if (f->fd >= 0) {
        close(f->fd);
        unlink(f->part_path);
    }
    oa__free(f->mem, f->buffer);
    oa__free(f->mem, f->part_path);
    oa__free(f->mem, f->path);
    oa__free(f->mem, f);
}

int oa__file_out_open(oa__file_out **out, oa__mem *mem, const char *path)
{
    int rc = OA_ENOMEM;
    struct stat st;
    *out = NULL;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return oa__err(OA_EIO, "%s: is %s, want a file", path,
                       S_ISDIR(st.st_mode) ? "a directory" : "a device or pipe");
    oa__file_out *f = oa__alloc(mem, sizeof *f);
    if (!f) return OA_ENOMEM;
    f->mem = mem;
    f->fd = -1;
    size_t len = strlen(path), part_size = len + 32;
    f->path = oa__strndup(mem, path, len);
    if (!f->path) goto fail;
    f->part_path = oa__alloc(mem, part_size);
    if (!f->part_path) goto fail;
    f->buffer = oa__alloc(mem, BUFFER_SIZE);
    if (!f->buffer) goto fail;
    for (int attempt = 0; f->fd < 0; attempt++) {
        snprintf(f->part_path, part_size, "%s.%016llx.part", path,
                 (unsigned long long)oa__random_os());
        f->fd = open(f->part_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd < 0 && (errno != EEXIST || attempt == 16)) {
            rc = oa__err_errno(errno, "create", path);
            goto fail;
        }
    }
    *out = f;
    return OA_OK;
fail:
    oa__file_out_abandon(f);
    return rc;
}

static int write_all(oa__file_out *f, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(f->fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return oa__err_errno(errno, "write", f->path);
        data += n;
        size -= (size_t)n;
    }
    return OA_OK;
}

static int flush(oa__file_out *f)
{
    size_t n = f->n;
    f->n = 0;
    return write_all(f, f->buffer, n);
}

int oa__file_out_write(oa__file_out *f, const void *data, size_t size)
{
    if (size > BUFFER_SIZE - f->n) OA__TRY(flush(f));
    if (size > BUFFER_SIZE) return write_all(f, data, size);
    if (size) memcpy(f->buffer + f->n, data, size);
    f->n += size;
    return OA_OK;
}

int oa__file_out_commit(oa__file_out *f)
{
    int rc = OA_OK;
    OA__TRY_GOTO(flush(f));
    if (fsync(f->fd) < 0) {
        rc = oa__err_errno(errno, "write", f->path);
        goto fail;
    }
    if (rename(f->part_path, f->path) < 0) {
        rc = oa__err_errno(errno, "rename", f->path);
        goto fail;
    }
    int closed = close(f->fd);
    f->fd = -1;
    if (closed < 0 && errno != EINTR) rc = oa__err_errno(errno, "close", f->path);
    oa__sync_folder(f->path);
fail:
    oa__file_out_abandon(f);
    return rc;
}
