/* SPDX-License-Identifier: Apache-2.0 */
/* A file read from its beginning to its end, whatever its size. */
#include "base/base_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct oa__file_in {
    oa__mem *mem;
    char *path;
    int fd;
};

void oa__file_in_close(oa__file_in *f)
{
    if (!f) return;
    if (f->fd >= 0) close(f->fd);
    oa__free(f->mem, f->path);
    oa__free(f->mem, f);
}

int oa__file_in_open(oa__file_in **out, oa__mem *mem, const char *path)
{
    int rc = OA_ENOMEM;
    struct stat st;
    *out = NULL;
    oa__file_in *f = oa__alloc(mem, sizeof *f);
    if (!f) return OA_ENOMEM;
    f->mem = mem;
    f->path = oa__strndup(mem, path, strlen(path));
    f->fd = -1;
    if (!f->path) goto fail;
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not wait */
    if (f->fd < 0 || fstat(f->fd, &st) < 0) {
        rc = oa__err_errno(errno, "open", path);
        goto fail;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = oa__err(OA_EFORMAT, "%s: is %s, want a file", path,
                     S_ISDIR(st.st_mode) ? "a directory" : "a device or pipe");
        goto fail;
    }
    *out = f;
    return OA_OK;
fail:
    oa__file_in_close(f);
    return rc;
}

int oa__file_in_read(oa__file_in *f, void *buf, size_t size, size_t *got)
{
    for (;;) {
        ssize_t n = read(f->fd, buf, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return oa__err_errno(errno, "read", f->path);
        *got = (size_t)n;
        return OA_OK;
    }
}
