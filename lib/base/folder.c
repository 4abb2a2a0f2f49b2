/* SPDX-License-Identifier: Apache-2.0 */
/* Folders: making and emptying them, what lies in them, how much room there is. */
#include "base/base_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int oa__file_stat(const char *path, oa__file_info *info)
{
    struct stat st;
    *info = (oa__file_info){0};
    if (stat(path, &st) < 0) return oa__err_errno(errno, "open", path);
    info->is_file = S_ISREG(st.st_mode);
    info->is_folder = S_ISDIR(st.st_mode);
    info->size = info->is_file ? (uint64_t)st.st_size : 0;
    info->mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
    return OA_OK;
}

int oa__dir_make(oa__mem *mem, const char *path)
{
    int rc = OA_OK;
    size_t len = strlen(path);
    char *copy = oa__strndup(mem, path, len);
    if (!copy) return OA_ENOMEM;
    for (size_t i = 1; i <= len && rc == OA_OK; i++) {
        if (copy[i] != '/' && copy[i] != '\0') continue;
        copy[i] = '\0';
        if (mkdir(copy, 0777) < 0 && errno != EEXIST) {
            struct stat st;
            int why = errno; /* a read-only file system says so even where the folder is there */
            if (stat(copy, &st) < 0) rc = oa__err_errno(why, "make", copy);
        }
        copy[i] = path[i];
    }
    if (rc == OA_OK) {
        struct stat st;
        if (stat(path, &st) < 0)
            rc = oa__err_errno(errno, "make", path);
        else if (!S_ISDIR(st.st_mode))
            rc = oa__err(OA_EIO, "%s: is a file, want a folder", path);
    }
    oa__free(mem, copy);
    return rc;
}

int oa__file_remove(const char *path)
{
    if (unlink(path) < 0) return oa__err_errno(errno, "remove", path);
    return OA_OK;
}

int oa__dir_remove(const char *path)
{
    if (rmdir(path) < 0) return oa__err_errno(errno, "remove", path);
    return OA_OK;
}

int oa__disk_free(const char *path, uint64_t *size)
{
    struct statvfs st;
    if (statvfs(path, &st) < 0) return oa__err_errno(errno, "look at", path);
    uint64_t unit = st.f_frsize ? st.f_frsize : st.f_bsize;
    *size = unit && st.f_bavail > UINT64_MAX / unit ? UINT64_MAX : st.f_bavail * unit;
    return OA_OK;
}

void oa__sync_folder(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= sizeof folder) return;
    memcpy(folder, path, len);
    folder[len] = '\0';
    int dir = open(len ? folder : slash ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return;
    fsync(dir); /* some file systems have none */
    close(dir);
}
