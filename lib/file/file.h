/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door of floor 3, file: model files, read, validated and written.
 *
 * An oa__gguf is what every model comes as: metadata and tensors under GGUF's names. It is a file,
 * or virtual: a header that an oa__gguf_writer made, read by the same reader, over tensors that a
 * source has or makes.
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
    const char *name;   /* NUL-terminated, owned by the gguf */
    uint32_t type;      /* enum oa__type, known */
    uint32_t n_dims;    /* 1 to 4 */
    uint64_t dims[4];   /* innermost first; 1 beyond n_dims */
    const void *data;   /* the rows where they lie; NULL when they are made, or not there */
    size_t size;        /* bytes of the rows */
    size_t stored;      /* bytes in the file; the same unless packed */
    size_t offset;      /* in the file; of a virtual one: as if it were written */
    bool there;         /* false: opened with header_only, and the file ends before */
    bool packed;        /* laid out as kern.h says: rows are made by oa__gguf_tensor_load() */
    const void *groups; /* of a packed one: the bytes where they lie, or NULL as data */
} oa__gguf_tensor;

/* A packed tensor has its type plus this number, so that other programs refuse it. Each of its
 * matrices (dims 0 and 1) is packed alone. The layouts are versioned by a key (u32). */
#define OA__GGUF_PACKED 0x4f410000u
#define OA__GGUF_PACKED_KEY "openassistant.packed.version"
enum { OA__GGUF_PACKED_VERSION = 1, OA__GGUF_PACKED_ALIGNMENT = 64 };

/* Bytes of a tensor's rows, and what a file holds of it; type as files have it. OA_EFORMAT,
 * OA_EUNSUPPORTED. */
int oa__gguf_sizes(const char *name, uint32_t type, const uint64_t dims[4], size_t *size,
                   size_t *stored);

/* Open and validate a GGUF v2 or v3 file. header_only: the tensor data need not be there
 * (vocabulary files; also estimates), their offsets are still checked against each other. A file
 * that is read (no_mmap) is charged to mem whole; of a mapped one only the header: whoever goes on
 * using tensor data in place reserves them. */
int oa__gguf_open(oa__gguf **out, oa__mem *mem, const char *path, bool no_mmap, bool header_only);
/* The same, and of a model in several files all of them, given the first. */
int oa__gguf_open_parts(oa__gguf **out, oa__mem *mem, const char *path, bool no_mmap,
                        bool header_only);
/* From memory that outlives it, for tests and fuzzing. */
int oa__gguf_open_memory(oa__gguf **out, oa__mem *mem, const void *data, size_t size,
                         bool header_only);
void oa__gguf_free(oa__gguf *g);

uint32_t oa__gguf_version(const oa__gguf *g);
/* Bytes of the file, or of all files that a virtual one is made of. */
uint64_t oa__gguf_file_size(const oa__gguf *g);
/* Whether tensor data in place are pages of files, which the system may drop and read again. */
bool oa__gguf_is_mapped(const oa__gguf *g);
/* The bytes before the tensor data: metadata and tensor list. */
const void *oa__gguf_header(const oa__gguf *g, size_t *size);
/* Its pages may go until somebody asks again. */
void oa__gguf_header_drop(const oa__gguf *g);
/* A number that tells models apart: FNV-1a over the header and samples of the data. The same each
 * time that the same files are opened, wherever they lie. */
uint64_t oa__gguf_fingerprint(const oa__gguf *g);

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
/* Fill t->size bytes at dst, copied or made. Any thread. OA_EFORMAT when they are not there. */
int oa__gguf_tensor_load(const oa__gguf *g, const oa__gguf_tensor *t, void *dst);
/* The tensor was used for the last time: the system may take its pages back. */
void oa__gguf_tensor_drop(const oa__gguf *g, const oa__gguf_tensor *t);
/* Some bytes of it were, which lie in place. */
void oa__gguf_tensor_drop_part(const oa__gguf *g, const oa__gguf_tensor *t, size_t at, size_t size);

/* --- writing (gguf_writer.c, gguf_save.c) ------------------------------------------------------
 */

/* Collects metadata and a list of tensors, for a file or a virtual one. Everything is copied. The
 * same calls in the same order give the same bytes. */
typedef struct oa__gguf_writer oa__gguf_writer;
int oa__gguf_writer_new(oa__gguf_writer **out, oa__mem *mem);
void oa__gguf_writer_free(oa__gguf_writer *w);

/* A key that is set again keeps its place and takes the last value. OA_EINVAL for a key or array
 * that a file can't hold. */
int oa__gguf_writer_u32(oa__gguf_writer *w, const char *key, uint32_t v);
int oa__gguf_writer_i32(oa__gguf_writer *w, const char *key, int32_t v);
int oa__gguf_writer_u64(oa__gguf_writer *w, const char *key, uint64_t v);
int oa__gguf_writer_f32(oa__gguf_writer *w, const char *key, float v);
int oa__gguf_writer_bool(oa__gguf_writer *w, const char *key, bool v);
int oa__gguf_writer_str(oa__gguf_writer *w, const char *key, const char *text, size_t len);
/* Numbers or bools, n of them as they lie in memory. */
int oa__gguf_writer_array(oa__gguf_writer *w, const char *key, uint32_t elem_type, const void *data,
                          size_t n);
/* lens NULL = NUL-terminated. */
int oa__gguf_writer_strings(oa__gguf_writer *w, const char *key, const char *const *texts,
                            const size_t *lens, size_t n);
/* Forget a key; fine when it is not there. */
int oa__gguf_writer_remove(oa__gguf_writer *w, const char *key);
/* All metadata of another file, in its order. */
int oa__gguf_writer_copy(oa__gguf_writer *w, const oa__gguf *from);
/* The next tensor; names must differ, type must be known (plus OA__GGUF_PACKED when it will be
 * packed, and the key must be set then), dims innermost first. */
int oa__gguf_writer_tensor(oa__gguf_writer *w, const char *name, uint32_t type, uint32_t n_dims,
                           const uint64_t *dims);
size_t oa__gguf_writer_tensor_count(const oa__gguf_writer *w);

/* Where the tensors of a virtual file come from; by index, in the order they were added. */
typedef struct oa__gguf_source {
    void *arg;
    /* The bytes where they lie, for as long as the source lives, or NULL: then load() makes them.
     */
    const void *(*data)(void *arg, size_t tensor);
    int (*load)(void *arg, size_t tensor, void *dst); /* any thread; NULL when data() has all */
    void (*drop)(void *arg, size_t tensor, size_t at, size_t size); /* or NULL */
    uint64_t (*hash)(void *arg, uint64_t seed); /* samples of the data, for fingerprints */
    void (*free)(void *arg);
    uint64_t file_size;
    bool mapped;
} oa__gguf_source;

/* The virtual file. The source is taken on success only; the writer may be freed or used on. */
int oa__gguf_writer_finish(const oa__gguf_writer *w, oa__gguf **out, const oa__gguf_source *source);

/* Write a GGUF v3 file, which appears under its name when it is complete. For each tensor in order
 * give() points *data to its bytes, which stay until the next call; `done` bytes of all tensors'
 * are written by then, for a give() that polls the progress itself. progress (may be NULL) gets its
 * total from here. What give() returns, OA_ECANCELLED, OA_ENOMEM, or what writing gives. */
typedef int (*oa__gguf_give_fn)(void *arg, size_t tensor, uint64_t done, const void **data);
int oa__gguf_writer_save(const oa__gguf_writer *w, const char *path, oa__gguf_give_fn give,
                         void *arg, oa__progress *progress);

/* --- safetensors (safetensors.c) -----------------------------------------------------------------
 */

/* The tensors of a safetensors file, or of all files that an index names. Checked: each lies in its
 * file, is as large as its shape says, overlaps no other, and has a name of its own. */
typedef struct oa__safetensors oa__safetensors;

enum { OA__ST_DIMS = 8 };
typedef struct oa__st_tensor {
    const char *name;  /* NUL-terminated, owned by the reader */
    const char *dtype; /* as the format calls it: "F32" "F16" "BF16" "I64" ... */
    bool known;        /* an enum oa__type, in type */
    uint32_t type;
    uint32_t n_dims;            /* 0 to 8 */
    uint64_t dims[OA__ST_DIMS]; /* outermost first, as the file has them */
    const uint8_t *data;        /* may be unaligned */
    size_t size;
    uint32_t file;
} oa__st_tensor;

int oa__safetensors_open(oa__safetensors **out, oa__mem *mem, const char *path, bool no_mmap);
/* All files of a Hugging Face folder: those that STEM.safetensors.index.json names, or
 * STEM.safetensors. OA_ENOTFOUND when there is neither. */
int oa__safetensors_open_folder(oa__safetensors **out, oa__mem *mem, const char *folder,
                                const char *stem, bool no_mmap);
/* From memory that outlives it. */
int oa__safetensors_open_memory(oa__safetensors **out, oa__mem *mem, const void *data, size_t size);
void oa__safetensors_free(oa__safetensors *st);
size_t oa__safetensors_count(const oa__safetensors *st);
const oa__st_tensor *oa__safetensors_at(const oa__safetensors *st,
                                        size_t i); /* an array, sorted by name */
const oa__st_tensor *oa__safetensors_find(const oa__safetensors *st,
                                          const char *name); /* or NULL */
uint64_t oa__safetensors_file_size(const oa__safetensors *st);
bool oa__safetensors_is_mapped(const oa__safetensors *st);
void oa__safetensors_drop(const oa__safetensors *st, const oa__st_tensor *t, size_t at,
                          size_t size);
uint64_t oa__safetensors_hash(const oa__safetensors *st, uint64_t seed); /* samples of the data */

/* --- GGUF tensors made of safetensors (assembly.c)
 * ------------------------------------------------ */

/* A list of tensors that are made when they are loaded, each put together from parts of others.
 * Where a tensor is another one as it is, its bytes are used in place. */
typedef struct oa__assembly oa__assembly;

/* Some rows of a source. A row is what the innermost dimension spans; of a vector one element. The
 * rows are seen as an array (n_a, n_b, n_c), n_c being what is left, of which those with
 * b_begin <= b < b_end are taken, in the order a, b, c; swap: a, c, b. n_a, n_b of 0 mean 1,
 * b_end of 0 means n_b. */
typedef struct oa__part {
    const oa__st_tensor *from;
    uint64_t n_a, n_b, b_begin, b_end;
    bool swap;
    bool transpose; /* of a matrix: columns are the rows; nothing else may be asked for then */
} oa__part;

/* st is taken on success only. */
int oa__assembly_new(oa__assembly **out, oa__mem *mem, oa__safetensors *st);
void oa__assembly_free(oa__assembly *a);
/* Add a tensor to the list and to w: the parts' rows one behind the other. type is what it has to
 * be, which is the parts' or F32; plus is added to every element (then type must be F32). The parts
 * must give exactly the elements of dims. OA_EFORMAT, OA_EUNSUPPORTED for a dtype. */
int oa__assembly_add(oa__assembly *a, oa__gguf_writer *w, const char *name, uint32_t type,
                     uint32_t n_dims, const uint64_t *dims, const oa__part *parts, size_t n_parts,
                     float plus);
/* Add a vector of n floats, copied. */
int oa__assembly_add_floats(oa__assembly *a, oa__gguf_writer *w, const char *name, const float *v,
                            size_t n);
/* The virtual file of everything that was added to a and w. a is taken on success only. */
int oa__assembly_finish(oa__assembly *a, const oa__gguf_writer *w, oa__gguf **out);

#endif
