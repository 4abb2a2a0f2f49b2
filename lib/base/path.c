/* SPDX-License-Identifier: Apache-2.0 */
/* Names of files and what they hold as a whole. */
#include "base/base_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *oa__env(const char *name)
{
    return getenv(name);
}

bool oa__file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool oa__is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool oa__file_same(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

int oa__file_read(oa__mem *mem, const char *path, size_t max, char **out, size_t *len)
{
    int rc = OA_OK;
    char *data = NULL;
    size_t n = 0, cap = 0;

    *out = NULL;
    *len = 0;
    /* O_NONBLOCK: opening a pipe must not wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return oa__err_errno(errno, "open", path);
    struct stat st = {0};
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        rc = oa__err(OA_EFORMAT, "%s: is %s, want a file", path,
                     S_ISDIR(st.st_mode) ? "a directory" : "a device or pipe");
        goto fail;
    }
    if (st.st_size > 0) {
        if ((uint64_t)st.st_size > max) {
            rc = oa__err(OA_ELIMIT, "%s: %lld bytes, at most %zu are read", path,
                         (long long)st.st_size, max);
            goto fail;
        }
        cap = (size_t)st.st_size + 1; /* what it says now; it may still grow or shrink */
    } else {
        cap = 4096;
    }
    data = oa__alloc(mem, cap);
    if (!data) {
        rc = OA_ENOMEM;
        goto fail;
    }
    for (;;) {
        if (n + 1 >= cap) OA__TRY_GOTO(oa__grow(mem, (void **)&data, &cap, n + 2, 1));
        ssize_t got = read(fd, data + n, cap - 1 - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            rc = oa__err_errno(errno, "read", path);
            goto fail;
        }
        if (got == 0) break;
        n += (size_t)got;
        if (n > max) {
            rc = oa__err(OA_ELIMIT, "%s: more than the %zu bytes that are read", path, max);
            goto fail;
        }
    }
    close(fd);
    data[n] = '\0';
    *out = data;
    *len = n;
    return OA_OK;
fail:
    close(fd);
    oa__free(mem, data);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int oa__dir_list(oa__mem *mem, const char *path, int (*fn)(const char *name, void *arg), void *arg)
{
    int rc = OA_OK;
    char **names = NULL;
    size_t n = 0, cap = 0;

    DIR *dir = opendir(path);
    if (!dir) return oa__err_errno(errno, "open", path);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno) {
                rc = oa__err_errno(errno, "read", path);
                goto fail;
            }
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        OA__TRY_GOTO(oa__grow(mem, (void **)&names, &cap, n + 1, sizeof *names));
        names[n] = oa__strndup(mem, entry->d_name, strlen(entry->d_name));
        if (!names[n]) {
            rc = OA_ENOMEM;
            goto fail;
        }
        n++;
    }
    if (n > 1) qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; i < n; i++)
        OA__TRY_GOTO(fn(names[i], arg));
    rc = OA_OK;
fail:
    closedir(dir);
    for (size_t i = 0; i < n; i++)
        oa__free(mem, names[i]);
    oa__free(mem, names);
    return rc;
}
