/* SPDX-License-Identifier: Apache-2.0 */
/* A folder for a test's files, and safetensors files written into it. */
#ifndef OA_TESTS_UTIL_FOLDER_H
#define OA_TESTS_UTIL_FOLDER_H

#include <dirent.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct folder {
    char path[128];
} folder;

/* Below the working folder, which is the test's own in the build folder. */
static inline void folder_make(folder *f, const char *name)
{
    snprintf(f->path, sizeof f->path, "%s.%d.dir", name, (int)getpid());
    if (mkdir(f->path, 0777) < 0) exit(99);
}

static inline const char *folder_file(const folder *f, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    return path;
}

static inline void folder_write(const folder *f, const char *name, const void *data, size_t size)
{
    FILE *out = fopen(folder_file(f, name), "wb");
    if (out == NULL || fwrite(data, 1, size, out) != size || fclose(out) != 0) exit(99);
}

static inline void folder_text(const folder *f, const char *name, const char *text)
{
    folder_write(f, name, text, strlen(text));
}

static inline void folder_remove(const folder *f)
{
    DIR *dir = opendir(f->path);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.') unlink(folder_file(f, e->d_name));
    if (dir != NULL) closedir(dir);
    rmdir(f->path);
}

/* --- safetensors -------------------------------------------------------------------------- */

typedef struct st_build {
    char *json;
    uint8_t *data;
    size_t json_len, json_cap, size, cap;
} st_build;

static inline void st_json(st_build *b, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text) exit(99);
    if (b->json_len + (size_t)n > b->json_cap) {
        b->json_cap = 2 * (b->json_len + (size_t)n);
        b->json = realloc(b->json, b->json_cap);
        if (b->json == NULL) exit(99);
    }
    if (n > 0) memcpy(b->json + b->json_len, text, (size_t)n);
    b->json_len += (size_t)n;
}

static inline void st_bytes(st_build *b, const void *data, size_t size)
{
    if (b->size + size > b->cap) {
        b->cap = 2 * (b->size + size);
        b->data = realloc(b->data, b->cap);
        if (b->data == NULL) exit(99);
    }
    if (size > 0) memcpy(b->data + b->size, data, size);
    b->size += size;
}

/* A tensor; shape as JSON, "[2, 3]". */
static inline void st_tensor(st_build *b, const char *name, const char *dtype, const char *shape,
                             const void *data, size_t size)
{
    st_json(b, "%s\"%s\": {\"dtype\": \"%s\", \"shape\": %s, \"data_offsets\": [%zu, %zu]}",
            b->json_len ? ", " : "", name, dtype, shape, b->size, b->size + size);
    st_bytes(b, data, size);
}

/* The file's bytes, to be freed; the builder is empty again. */
static inline uint8_t *st_finish(st_build *b, size_t *size)
{
    const size_t n = (b->json_len + 2 + 7) / 8 * 8; /* the data are aligned, as others write them */
    *size = 8 + n + b->size;
    uint8_t *file = malloc(*size);
    if (file == NULL) exit(99);
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)n >> (8 * i));
    memset(file + 8, ' ', n);
    file[8] = '{';
    if (b->json_len > 0) memcpy(file + 9, b->json, b->json_len);
    file[9 + b->json_len] = '}';
    if (b->size > 0) memcpy(file + 8 + n, b->data, b->size);
    free(b->json);
    free(b->data);
    *b = (st_build){0};
    return file;
}

static inline void st_write(st_build *b, const folder *f, const char *name)
{
    size_t size;
    uint8_t *file = st_finish(b, &size);
    folder_write(f, name, file, size);
    free(file);
}

#endif
