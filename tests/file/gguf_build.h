/* SPDX-License-Identifier: Apache-2.0 */
/* Writes GGUF files in memory, right ones and wrong ones, for tests and seeds. */
#ifndef OA_TESTS_GGUF_BUILD_H
#define OA_TESTS_GGUF_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct build {
    uint8_t *data;
    size_t len, cap;
} build;

static inline void build_bytes(build *b, const void *p, size_t n)
{
    if (b->len + n > b->cap) {
        b->cap = 2 * (b->len + n) + 64;
        uint8_t *grown = realloc(b->data, b->cap);
        if (grown == NULL) exit(99);
        b->data = grown;
    }
    if (n > 0) memcpy(b->data + b->len, p, n);
    b->len += n;
}

static inline void build_int(build *b, uint64_t v, size_t n_bytes)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    build_bytes(b, bytes, n_bytes);
}

static inline void build_f32(build *b, float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    build_int(b, bits, 4);
}

static inline void build_str(build *b, const char *z)
{
    build_int(b, strlen(z), 8);
    build_bytes(b, z, strlen(z));
}

static inline void build_head(build *b, uint32_t version, uint64_t n_tensors, uint64_t n_entries)
{
    build_bytes(b, "GGUF", 4);
    build_int(b, version, 4);
    build_int(b, n_tensors, 8);
    build_int(b, n_entries, 8);
}

/* Key and type; the value follows. */
static inline void build_key(build *b, const char *key, uint32_t type)
{
    build_str(b, key);
    build_int(b, type, 4);
}

static inline void build_array(build *b, const char *key, uint32_t elem_type, uint64_t n)
{
    build_key(b, key, 9);
    build_int(b, elem_type, 4);
    build_int(b, n, 8);
}

static inline void build_tensor(build *b, const char *name, uint32_t n_dims, const uint64_t *dims,
                                uint32_t type, uint64_t offset)
{
    build_str(b, name);
    build_int(b, n_dims, 4);
    for (uint32_t i = 0; i < n_dims; i++)
        build_int(b, dims[i], 8);
    build_int(b, type, 4);
    build_int(b, offset, 8);
}

static inline void build_pad(build *b, size_t alignment)
{
    while (b->len % alignment != 0)
        build_int(b, 0, 1);
}

#endif
