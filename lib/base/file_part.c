/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is made in several goes, perhaps by several processes: "<path>.partial" keeps what
 * came so far, a lock on it says who is at it, and it takes the name "<path>" when it is whole.
 *
 * The lock (flock) belongs to the open file, so the system gives it up when the process ends,
 * however it ends. Whoever gets the lock checks that the name still stands for the file he locked:
 * the one before him may have given it its final name.
 */
#include "base/base_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct oa__file_part {
    oa__mem *mem;
    char *path, *part_path;
    int fd;
};

void oa__file_part_close(oa__file_part *f)
{
    if (!f) return;
    if (f->fd >= 0) close(f->fd);
    oa__free(f->mem, f->part_path);
    oa__free(f->mem, f->path);
    oa__free(f->mem, f);
}

/* OA_EBUSY without a text when another process holds the lock. */
static int open_locked(oa__file_part *f)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        struct stat here, there;
        f->fd = open(f->part_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
        if (f->fd < 0) return oa__err_errno(errno, "open", f->part_path);
        if (fstat(f->fd, &here) < 0) return oa__err_errno(errno, "open", f->part_path);
        if (!S_ISREG(here.st_mode))
            return oa__err(OA_EIO, "%s: is a device or pipe, want a file", f->part_path);
        if (flock(f->fd, LOCK_EX | LOCK_NB) < 0) {
            if (errno == EWOULDBLOCK) return oa__err(OA_EBUSY, "%s: in use", f->part_path);
            if (errno != EINTR) return oa__err_errno(errno, "lock", f->part_path);
        } else if (lstat(f->part_path, &there) == 0 && there.st_ino == here.st_ino &&
                   there.st_dev == here.st_dev) {
            return OA_OK;
        }
        close(f->fd);
        f->fd = -1;
    }
    return oa__err(OA_EBUSY, "%s: in use", f->part_path);
}

int oa__file_part_open(oa__file_part **out, oa__mem *mem, const char *path)
{
    static const char suffix[] = ".partial";
    int rc = OA_ENOMEM;
    size_t len = strlen(path);
    *out = NULL;
    oa__file_part *f = oa__alloc(mem, sizeof *f);
    if (!f) return OA_ENOMEM;
    f->mem = mem;
    f->fd = -1;
    f->path = oa__strndup(mem, path, len);
    f->part_path = oa__alloc(mem, len + sizeof suffix);
    if (!f->path || !f->part_path) goto fail;
    memcpy(f->part_path, path, len);
    memcpy(f->part_path + len, suffix, sizeof suffix);
    OA__TRY_GOTO(open_locked(f));
    *out = f;
    return OA_OK;
fail:
    oa__file_part_close(f);
    return rc;
}

const char *oa__file_part_path(const oa__file_part *f)
{
    return f->part_path;
}

int oa__file_part_size(const oa__file_part *f, uint64_t *size)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0) return oa__err_errno(errno, "read", f->part_path);
    *size = (uint64_t)st.st_size;
    return OA_OK;
}

int oa__file_part_read(oa__file_part *f, uint64_t offset, void *buf, size_t size, size_t *got)
{
    for (;;) {
        ssize_t n = pread(f->fd, buf, size, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return oa__err_errno(errno, "read", f->part_path);
        *got = (size_t)n;
        return OA_OK;
    }
}

int oa__file_part_write(oa__file_part *f, uint64_t offset, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t n = pwrite(f->fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return oa__err_errno(errno, "write", f->part_path);
        at += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return OA_OK;
}

int oa__file_part_cut(oa__file_part *f, uint64_t size)
{
    if (ftruncate(f->fd, (off_t)size) < 0) return oa__err_errno(errno, "shorten", f->part_path);
    return OA_OK;
}

int oa__file_part_sync(oa__file_part *f)
{
    if (fsync(f->fd) < 0) return oa__err_errno(errno, "write", f->part_path);
    return OA_OK;
}

int oa__file_part_commit(oa__file_part *f)
{
    int rc = oa__file_part_sync(f);
    if (rc == OA_OK && rename(f->part_path, f->path) < 0)
        rc = oa__err_errno(errno, "rename", f->part_path);
    if (rc == OA_OK) oa__sync_folder(f->path);
    oa__file_part_close(f);
    return rc;
}

int oa__file_part_replace(oa__file_part *f, const void *data, size_t size)
{
    int rc = oa__file_part_cut(f, 0);
    if (rc == OA_OK) rc = oa__file_part_write(f, 0, data, size);
    if (rc == OA_OK) return oa__file_part_commit(f);
    oa__file_part_remove(f);
    return rc;
}

void oa__file_part_remove(oa__file_part *f)
{
    if (f && f->fd >= 0) unlink(f->part_path);
    oa__file_part_close(f);
}
