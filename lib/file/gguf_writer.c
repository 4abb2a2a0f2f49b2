/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF: collecting what a file shall say. Entries are kept as the bytes they are written as, in
 * the order they were set; which of several with one key counts is found out at the end, in
 * O(n log n).
 */
#include "file/gguf_priv.h"

#include <stdio.h>
#include <string.h>

enum { VERSION = 3, DEFAULT_ALIGNMENT = 32 };

typedef struct entry {
    size_t key_at; /* in names */
    size_t at;     /* in values: type and value */
    size_t size;   /* 0 = the key is removed */
} entry;

typedef struct tensor {
    size_t name_at;
    uint32_t type, n_dims;
    uint64_t dims[4];
    size_t stored;
} tensor;

struct oa__gguf_writer {
    oa__mem *mem;
    oa__str names, values;
    entry *entries;
    tensor *tensors;
    size_t n_entries, entries_cap, n_tensors, tensors_cap;
};

int oa__gguf_writer_new(oa__gguf_writer **out, oa__mem *mem)
{
    *out = oa__alloc(mem, sizeof **out);
    if (*out == NULL) return OA_ENOMEM;
    (*out)->mem = (*out)->names.mem = (*out)->values.mem = mem;
    return OA_OK;
}

void oa__gguf_writer_free(oa__gguf_writer *w)
{
    if (w == NULL) return;
    oa__free(w->mem, w->tensors);
    oa__free(w->mem, w->entries);
    oa__str_free(&w->values);
    oa__str_free(&w->names);
    oa__free(w->mem, w);
}

oa__mem *oa__gguf_writer_mem(const oa__gguf_writer *w)
{
    return w->mem;
}

/* --- metadata --------------------------------------------------------------------------------- */

static int put_int(oa__str *s, uint64_t v, size_t n_bytes)
{
    char bytes[8];
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = (char)(v >> (8 * i) & 0xff);
    return oa__str_add(s, bytes, n_bytes);
}

static int put_str(oa__str *s, const char *text, size_t len)
{
    OA__TRY(put_int(s, len, 8));
    return oa__str_add(s, text, len);
}

/* An entry counts when end() was reached; what a failed one left is forgotten by the next. */
static int begin(oa__gguf_writer *w, const char *key, uint32_t type)
{
    const size_t len = strlen(key);
    if (len == 0 || len > OA__GGUF_KEY_MAX) {
        return oa__err(OA_EINVAL, "gguf: key of %zu bytes, want 1 to %u", len, OA__GGUF_KEY_MAX);
    }
    OA__TRY(oa__grow(w->mem, (void **)&w->entries, &w->entries_cap, w->n_entries + 1,
                     sizeof *w->entries));
    w->entries[w->n_entries] = (entry){.key_at = w->names.len, .at = w->values.len};
    OA__TRY(oa__str_add(&w->names, key, len + 1));
    return put_int(&w->values, type, 4);
}

static int end(oa__gguf_writer *w)
{
    entry *e = &w->entries[w->n_entries++];
    e->size = w->values.len - e->at;
    return OA_OK;
}

static int scalar(oa__gguf_writer *w, const char *key, uint32_t type, uint64_t bits)
{
    OA__TRY(begin(w, key, type));
    OA__TRY(put_int(&w->values, bits, oa__gguf_scalar_size(type)));
    return end(w);
}

int oa__gguf_writer_u32(oa__gguf_writer *w, const char *key, uint32_t v)
{
    return scalar(w, key, OA__GGUF_U32, v);
}

int oa__gguf_writer_i32(oa__gguf_writer *w, const char *key, int32_t v)
{
    return scalar(w, key, OA__GGUF_I32, (uint32_t)v);
}

int oa__gguf_writer_u64(oa__gguf_writer *w, const char *key, uint64_t v)
{
    return scalar(w, key, OA__GGUF_U64, v);
}

int oa__gguf_writer_f32(oa__gguf_writer *w, const char *key, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return scalar(w, key, OA__GGUF_F32, bits);
}

int oa__gguf_writer_bool(oa__gguf_writer *w, const char *key, bool v)
{
    return scalar(w, key, OA__GGUF_BOOL, v);
}

int oa__gguf_writer_str(oa__gguf_writer *w, const char *key, const char *text, size_t len)
{
    OA__TRY(begin(w, key, OA__GGUF_STRING));
    OA__TRY(put_str(&w->values, text, len));
    return end(w);
}

static int begin_array(oa__gguf_writer *w, const char *key, uint32_t elem_type, size_t n)
{
    OA__TRY(begin(w, key, OA__GGUF_ARRAY));
    OA__TRY(put_int(&w->values, elem_type, 4));
    return put_int(&w->values, n, 8);
}

int oa__gguf_writer_array(oa__gguf_writer *w, const char *key, uint32_t elem_type, const void *data,
                          size_t n)
{
    size_t size;
    const size_t elem_size = oa__gguf_scalar_size(elem_type);
    if (elem_size == 0 || !oa__mul_size(n, elem_size, &size)) {
        return oa__err(OA_EINVAL, "gguf key %s: array of %zu elements of type %s", key, n,
                       oa__gguf_type_name(elem_type));
    }
    OA__TRY(begin_array(w, key, elem_type, n));
    OA__TRY(oa__str_add(&w->values, data, size));
    return end(w);
}

int oa__gguf_writer_strings(oa__gguf_writer *w, const char *key, const char *const *texts,
                            const size_t *lens, size_t n)
{
    OA__TRY(begin_array(w, key, OA__GGUF_STRING, n));
    for (size_t i = 0; i < n; i++)
        OA__TRY(put_str(&w->values, texts[i], lens ? lens[i] : strlen(texts[i])));
    return end(w);
}

int oa__gguf_writer_remove(oa__gguf_writer *w, const char *key)
{
    OA__TRY(begin(w, key, 0));
    w->entries[w->n_entries++].size = 0;
    return OA_OK;
}

int oa__gguf_writer_copy(oa__gguf_writer *w, const oa__gguf *from)
{
    for (size_t i = 0; i < from->n_entries; i++) {
        const oa__gguf_entry *e = &from->entries[i];
        if (e->type == OA__GGUF_ARRAY) {
            OA__TRY(begin_array(w, e->key, e->elem_type, (size_t)e->n));
        } else {
            OA__TRY(begin(w, e->key, e->type));
            if (e->type == OA__GGUF_STRING) OA__TRY(put_int(&w->values, e->n, 8));
        }
        OA__TRY(oa__str_add(&w->values, (const char *)e->value, e->size));
        OA__TRY(end(w));
    }
    return OA_OK;
}

/* --- tensors -----------------------------------------------------------------------------------
 */

int oa__gguf_writer_tensor(oa__gguf_writer *w, const char *name, uint32_t type, uint32_t n_dims,
                           const uint64_t *dims)
{
    const size_t len = strlen(name);
    if (len == 0 || len > OA__GGUF_NAME_MAX) {
        return oa__err(OA_EINVAL, "gguf: tensor name of %zu bytes, want 1 to %u", len,
                       OA__GGUF_NAME_MAX);
    }
    if (n_dims < 1 || n_dims > 4) {
        return oa__err(OA_EINVAL, "tensor %s: %u dimensions, want 1 to 4", name, n_dims);
    }
    OA__TRY(oa__grow(w->mem, (void **)&w->tensors, &w->tensors_cap, w->n_tensors + 1,
                     sizeof *w->tensors));
    tensor *t = &w->tensors[w->n_tensors];
    *t = (tensor){.name_at = w->names.len, .type = type, .n_dims = n_dims};
    for (uint32_t i = 0; i < 4; i++)
        t->dims[i] = i < n_dims ? dims[i] : 1;
    size_t size;
    const bool packed = (type & ~0xffffu) == OA__GGUF_PACKED;
    OA__TRY(oa__type_row_size(packed ? type & 0xffff : type, dims[0], &size));
    const int rc = oa__gguf_sizes(name, type, t->dims, &size, &t->stored);
    if (rc < 0) return rc == OA_EFORMAT ? OA_EINVAL : rc;
    OA__TRY(oa__str_add(&w->names, name, len + 1));
    w->n_tensors++;
    return OA_OK;
}

size_t oa__gguf_writer_tensor_count(const oa__gguf_writer *w)
{
    return w->n_tensors;
}

size_t oa__gguf_writer_tensor_size(const oa__gguf_writer *w, size_t i)
{
    return w->tensors[i].stored;
}

/* --- the header ---------------------------------------------------------------------------------
 */

/* By key, then in the order they were set. */
static bool entry_less(const void *arg, uint32_t a, uint32_t b)
{
    const oa__gguf_writer *w = arg;
    const int cmp =
        strcmp(w->names.data + w->entries[a].key_at, w->names.data + w->entries[b].key_at);
    return cmp != 0 ? cmp < 0 : a < b;
}

/* Which entry is written in each one's place: the last value at the first place; UINT32_MAX = none.
 * Counts them. */
static int resolve(const oa__gguf_writer *w, uint32_t *final, size_t *n)
{
    uint32_t *order = oa__alloc_array(w->mem, w->n_entries, sizeof *order);
    if (order == NULL) return OA_ENOMEM;
    for (size_t i = 0; i < w->n_entries; i++) {
        order[i] = (uint32_t)i;
        final[i] = UINT32_MAX;
    }
    oa__gguf_sort(order, w->n_entries, entry_less, w);
    *n = 0;
    for (size_t i = 0, first = 0; i < w->n_entries; i++) {
        const char *key = w->names.data + w->entries[order[i]].key_at;
        const char *next =
            i + 1 < w->n_entries ? w->names.data + w->entries[order[i + 1]].key_at : NULL;
        if (next != NULL && strcmp(key, next) == 0) continue;
        if (w->entries[order[i]].size > 0) {
            final[order[first]] = order[i];
            ++*n;
        }
        first = i + 1;
    }
    oa__free(w->mem, order);
    return OA_OK;
}

static int put_entries(const oa__gguf_writer *w, const uint32_t *final, size_t *alignment,
                       oa__str *out)
{
    *alignment = DEFAULT_ALIGNMENT;
    for (size_t i = 0; i < w->n_entries; i++) {
        if (final[i] == UINT32_MAX) continue;
        const entry *e = &w->entries[final[i]];
        const char *key = w->names.data + e->key_at, *value = w->values.data + e->at;
        OA__TRY(put_str(out, key, strlen(key)));
        OA__TRY(oa__str_add(out, value, e->size));
        if (strcmp(key, "general.alignment") != 0 || e->size != 8) continue;
        /* The reader refuses what is no power of two; here it only has to be no zero. */
        const uint64_t v = oa__gguf_le((const uint8_t *)value + 4, 4);
        if (v > 0) *alignment = (size_t)v;
    }
    return OA_OK;
}

static int put_tensors(const oa__gguf_writer *w, size_t alignment, oa__str *out)
{
    size_t offset = 0;
    for (size_t i = 0; i < w->n_tensors; i++) {
        const tensor *t = &w->tensors[i];
        const char *name = w->names.data + t->name_at;
        OA__TRY(put_str(out, name, strlen(name)));
        OA__TRY(put_int(out, t->n_dims, 4));
        for (uint32_t k = 0; k < t->n_dims; k++)
            OA__TRY(put_int(out, t->dims[k], 8));
        OA__TRY(put_int(out, t->type, 4));
        OA__TRY(put_int(out, offset, 8));
        if (!oa__add_size(offset, t->stored, &offset) ||
            !oa__add_size(offset, alignment - 1, &offset)) {
            return oa__err(OA_EINVAL, "tensor %s: offset and size overflow", name);
        }
        offset -= offset % alignment;
    }
    static const char zero[64];
    while (out->len % alignment != 0) {
        const size_t left = alignment - out->len % alignment;
        OA__TRY(oa__str_add(out, zero, left < sizeof zero ? left : sizeof zero));
    }
    return OA_OK;
}

int oa__gguf_writer_header(const oa__gguf_writer *w, oa__str *out)
{
    size_t n, alignment;
    int rc;
    if (w->n_entries >= UINT32_MAX || w->n_tensors >= UINT32_MAX) {
        return oa__err(OA_EINVAL, "gguf: %zu metadata entries, %zu tensors: too many", w->n_entries,
                       w->n_tensors);
    }
    uint32_t *final = oa__alloc_array(w->mem, w->n_entries, sizeof *final);
    if (final == NULL) return OA_ENOMEM;
    OA__TRY_GOTO(resolve(w, final, &n));
    OA__TRY_GOTO(oa__str_add(out, "GGUF", 4));
    OA__TRY_GOTO(put_int(out, VERSION, 4));
    OA__TRY_GOTO(put_int(out, w->n_tensors, 8));
    OA__TRY_GOTO(put_int(out, n, 8));
    OA__TRY_GOTO(put_entries(w, final, &alignment, out));
    rc = put_tensors(w, alignment, out);
fail:
    oa__free(w->mem, final);
    return rc;
}
