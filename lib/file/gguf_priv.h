/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the GGUF reader.
 *
 * A file is: magic "GGUF", u32 version, u64 tensors, u64 metadata entries; the entries, each a key
 * string, a u32 type and a value; the tensor list, each a name, u32 dimensions, u64 sizes, u32
 * type, u64 offset; padding to the alignment; the tensors' data. Strings are a u64 length and
 * bytes. All numbers are little-endian.
 */
#ifndef OA_FILE_GGUF_PRIV_H
#define OA_FILE_GGUF_PRIV_H

#include "file/file.h"

/* Longest key (the format says 65535) and tensor name (the format says 64; some writers differ). */
#define OA__GGUF_KEY_MAX 65535u
#define OA__GGUF_NAME_MAX 255u

typedef struct oa__gguf_entry {
    const char *key;      /* NUL-terminated, in names */
    size_t key_at;        /* offset in names while it still grows */
    uint32_t type;        /* enum oa__gguf_type */
    uint32_t elem_type;   /* of an array */
    uint64_t n;           /* elements of an array, length of a string */
    const uint8_t *value; /* first byte of the value: of the text, of the first element */
    size_t size;          /* bytes from there */
} oa__gguf_entry;

struct oa__gguf {
    oa__mem *mem;
    oa__map map; /* data NULL when opened from memory */
    const uint8_t *data;
    size_t size;
    size_t alignment;  /* of the tensors' offsets */
    size_t data_at;    /* where the tensor data begin */
    uint64_t reserved; /* charged to mem for mapped pages that stay in use */
    uint32_t version;
    oa__gguf_entry *entries;
    uint32_t *entry_order; /* sorted by key */
    size_t n_entries, entries_cap;
    oa__gguf_tensor *tensors;
    size_t *tensor_name_at;
    uint32_t *tensor_order; /* sorted by name */
    size_t n_tensors;
    oa__str names; /* keys and tensor names, each with its NUL */
    /* Of a virtual one: the header's bytes, which data points to, and where the tensors are. */
    oa__str made;
    oa__gguf_source source; /* all zero = a file */
};

/* Parse g->data, g->size (gguf.c). */
int oa__gguf_new(oa__gguf **out, oa__mem *mem);
int oa__gguf_parse(oa__gguf *g, bool header_only);
/* FNV-1a of a size and 64 samples of that many bytes (gguf_data.c). */
uint64_t oa__gguf_sample(uint64_t seed, const uint8_t *data, uint64_t size);

oa__mem *oa__gguf_writer_mem(const oa__gguf_writer *w);
size_t oa__gguf_writer_tensor_size(const oa__gguf_writer *w, size_t i);
/* Append everything before the tensors' data, padded. */
int oa__gguf_writer_header(const oa__gguf_writer *w, oa__str *out);

/* Reading position. A failed read leaves it where it was. */
typedef struct oa__gguf_cursor {
    const uint8_t *base, *at, *end;
} oa__gguf_cursor;

static inline size_t oa__gguf_left(const oa__gguf_cursor *c)
{
    return (size_t)(c->end - c->at);
}

static inline uint64_t oa__gguf_le(const uint8_t *p, size_t n_bytes)
{
    uint64_t v = 0;
    for (size_t i = n_bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

/* Bytes of one value of a type, 0 for strings, arrays and unknown types. */
size_t oa__gguf_scalar_size(uint32_t type);
const char *oa__gguf_type_name(uint32_t type);
const oa__gguf_entry *oa__gguf_entry_find(const oa__gguf *g, const char *key);

/* Read an unsigned number of n_bytes; `what` names it in the error. */
int oa__gguf_read(oa__gguf_cursor *c, size_t n_bytes, const char *what, uint64_t *out);
/* Read a length and that many bytes. */
int oa__gguf_read_string(oa__gguf_cursor *c, const char *what, const char **text, size_t *len);
/* Read the tensor list, find where the data begin and check that everything lies in the file. */
int oa__gguf_read_tensors(oa__gguf *g, oa__gguf_cursor *c, uint64_t n_tensors, bool header_only);

/* Sort order[0..n) in place in O(n log n) whatever the input; less(arg, a, b). No recursion, no
 * allocation: a hostile file can't choose keys that make it slow, as it could with a hash. */
void oa__gguf_sort(uint32_t *order, size_t n, bool (*less)(const void *arg, uint32_t a, uint32_t b),
                   const void *arg);
/* The place of `name` among n names in ascending order, of which name_of(arg, i) tells the i-th;
 * SIZE_MAX when it is none of them. */
size_t oa__gguf_search(size_t n, const char *(*name_of)(const void *arg, size_t i), const void *arg,
                       const char *name);

#endif
