/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door of floor 3, file: model files, read and validated.
 *
 * Nothing of a file is believed: every count is held against the bytes that are left before
 * anything is allocated, every product is checked, every type is compared before a value is read.
 * After oa__gguf_open() succeeds, all accessors are safe.
 */
#ifndef OA_FILE_FILE_H
#define OA_FILE_FILE_H

#include "base/base.h"
#include "tensor/tensor.h"

typedef struct oa__gguf oa__gguf;

/* Value types of metadata, numbered as in the format. */
enum oa__gguf_type {
    OA__GGUF_U8,
    OA__GGUF_I8,
    OA__GGUF_U16,
    OA__GGUF_I16,
    OA__GGUF_U32,
    OA__GGUF_I32,
    OA__GGUF_F32,
    OA__GGUF_BOOL,
    OA__GGUF_STRING,
    OA__GGUF_ARRAY,
    OA__GGUF_U64,
    OA__GGUF_I64,
    OA__GGUF_F64
};

typedef struct oa__gguf_tensor {
    const char *name; /* NUL-terminated, owned by the gguf */
    uint32_t type;    /* enum oa__type, known */
    uint32_t n_dims;  /* 1 to 4 */
    uint64_t dims[4]; /* innermost first; 1 beyond n_dims */
    const void *data; /* in the map; NULL when opened with header_only past the end */
    size_t size;      /* bytes */
    size_t offset;    /* in the file */
} oa__gguf_tensor;

/* Open and validate a GGUF v2 or v3 file. header_only: the tensor data need not be there
 * (vocabulary files; also estimates), their offsets are still checked against each other. A file
 * that is read (no_mmap) is charged to mem whole; of a mapped one only the header: whoever goes on
 * using tensor data in place reserves them. */
int oa__gguf_open(oa__gguf **out, oa__mem *mem, const char *path, bool no_mmap, bool header_only);
/* The same from memory that outlives it, for tests and fuzzing. */
int oa__gguf_open_memory(oa__gguf **out, oa__mem *mem, const void *data, size_t size,
                         bool header_only);
void oa__gguf_free(oa__gguf *g);

uint32_t oa__gguf_version(const oa__gguf *g);
uint64_t oa__gguf_file_size(const oa__gguf *g);
/* To drop pages that were copied; nothing is mapped when it was opened from memory. */
const oa__map *oa__gguf_map(const oa__gguf *g);
bool oa__gguf_is_mapped(const oa__gguf *g);
/* The bytes before the tensor data: metadata and tensor list. */
const void *oa__gguf_header(const oa__gguf *g, size_t *size);

size_t oa__gguf_meta_count(const oa__gguf *g);
const char *oa__gguf_meta_key(const oa__gguf *g, size_t i);
bool oa__gguf_has(const oa__gguf *g, const char *key);
/* Any value as text, as oa_model_copy_meta() documents; OA_ENOTFOUND. */
int oa__gguf_meta_text(const oa__gguf *g, const char *key, oa__str *out);

/* Typed reads. OA_ENOTFOUND when absent (no error text is needed by callers that have a default:
 * use oa__gguf_has first), OA_EFORMAT when the type differs or the value does not fit. Any integer
 * type serves for u64, any float or integer type for f64. */
int oa__gguf_u64(const oa__gguf *g, const char *key, uint64_t *out);
int oa__gguf_i64(const oa__gguf *g, const char *key, int64_t *out);
int oa__gguf_f64(const oa__gguf *g, const char *key, double *out);
int oa__gguf_bool(const oa__gguf *g, const char *key, bool *out);
int oa__gguf_str(const oa__gguf *g, const char *key, const char **text, size_t *len);

/* Arrays: the element type must be the one named. Elements may be unaligned in the file. */
int oa__gguf_array_len(const oa__gguf *g, const char *key, uint32_t elem_type, size_t *n);
/* Element type of an array; OA_ENOTFOUND, OA_EFORMAT. */
int oa__gguf_array_type(const oa__gguf *g, const char *key, uint32_t *elem_type, size_t *n);
/* Copy all n elements of a number array, n as reported by array_len. */
int oa__gguf_array_copy(const oa__gguf *g, const char *key, uint32_t elem_type, void *out,
                        size_t n);
/* Walk a string array: start with it zeroed except key, then call until it returns false. */
typedef struct oa__gguf_strings {
    const uint8_t *at;
    size_t left; /* elements */
    const char *text;
    size_t len;
} oa__gguf_strings;
int oa__gguf_strings_begin(const oa__gguf *g, const char *key, oa__gguf_strings *it, size_t *n);
bool oa__gguf_strings_next(oa__gguf_strings *it);

size_t oa__gguf_tensor_count(const oa__gguf *g);
const oa__gguf_tensor *oa__gguf_tensor_at(const oa__gguf *g, size_t i);
const oa__gguf_tensor *oa__gguf_tensor_find(const oa__gguf *g, const char *name); /* or NULL */

#endif
