/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors: a u64 length, that many bytes of JSON, then the tensors' data. The JSON is an object
 * of {"dtype", "shape", "data_offsets": [begin, end]} by name, and strings in "__metadata__".
 */
#include "file/safetensors_priv.h"

#include <string.h>

/* The longest header that is read: 100 bytes per tensor make that over a million tensors. */
enum { MAX_HEADER = 100000000, MAX_NAME = 1023, MAX_FILES = 4096 };

static const struct {
    char name[8];
    uint8_t size; /* bytes of an element; 0 = less than one */
    bool known;
    uint8_t type;
} dtypes[] = {
    {"F32", 4, true, OA__F32}, {"F16", 2, true, OA__F16}, {"BF16", 2, true, OA__BF16},
    {"F64", 8, false, 0},      {"I64", 8, false, 0},      {"U64", 8, false, 0},
    {"I32", 4, false, 0},      {"U32", 4, false, 0},      {"I16", 2, false, 0},
    {"U16", 2, false, 0},      {"I8", 1, false, 0},       {"U8", 1, false, 0},
    {"BOOL", 1, false, 0},     {"F8_E4M3", 1, false, 0},  {"F8_E5M2", 1, false, 0},
    {"F8_E8M0", 1, false, 0},  {"C64", 8, false, 0},      {"F4", 0, false, 0},
};

static int set_dtype(oa__st_tensor *t, const char *text, size_t *elem_size)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(dtypes); i++) {
        if (strcmp(dtypes[i].name, text) != 0) continue;
        t->dtype = dtypes[i].name;
        t->known = dtypes[i].known;
        t->type = dtypes[i].type;
        *elem_size = dtypes[i].size;
        return OA_OK;
    }
    return oa__err(OA_EUNSUPPORTED, "safetensors: element type \"%.32s\" is not known", text);
}

static int read_shape(oa__json_scan *s, oa__st_tensor *t)
{
    bool more;
    t->n_dims = 0;
    OA__TRY(oa__json_enter(s, '['));
    for (;;) {
        OA__TRY(oa__json_more(s, ']', &more));
        if (!more) return OA_OK;
        if (t->n_dims == OA__ST_DIMS) {
            return oa__err(OA_EUNSUPPORTED, "safetensors: tensor of more than %d dimensions",
                           OA__ST_DIMS);
        }
        OA__TRY(oa__json_u64(s, &t->dims[t->n_dims++]));
    }
}

static int read_offsets(oa__json_scan *s, uint64_t offsets[2])
{
    bool more;
    OA__TRY(oa__json_enter(s, '['));
    for (int i = 0; i < 2; i++) {
        OA__TRY(oa__json_more(s, ']', &more));
        if (!more) break;
        OA__TRY(oa__json_u64(s, &offsets[i]));
        if (i == 0) continue;
        OA__TRY(oa__json_more(s, ']', &more));
        if (!more) return OA_OK;
    }
    return oa__err(OA_EFORMAT, "safetensors: data_offsets is no list of two numbers");
}

/* Held against its file: size and place. The name stands in text until the names stay. */
static int check_tensor(const oa__st_file *f, const char *name, oa__st_tensor *t, size_t elem_size,
                        const uint64_t offsets[2])
{
    uint64_t size = elem_size;
    const uint64_t data_size = f->size - f->data_at;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        if (__builtin_mul_overflow(size, t->dims[i], &size)) {
            return oa__err(OA_EFORMAT, "tensor %s: the product of its dimensions overflows", name);
        }
    }
    if (offsets[0] > offsets[1] || offsets[1] > data_size) {
        return oa__err(OA_EFORMAT, "tensor %s: bytes %llu to %llu, the file has %llu", name,
                       (unsigned long long)offsets[0], (unsigned long long)offsets[1],
                       (unsigned long long)data_size);
    }
    t->size = (size_t)(offsets[1] - offsets[0]);
    if (elem_size > 0 && t->size != size) {
        return oa__err(OA_EFORMAT, "tensor %s: %zu bytes, its shape wants %llu", name, t->size,
                       (unsigned long long)size);
    }
    t->data = f->data + f->data_at + offsets[0];
    return OA_OK;
}

static int read_tensor(oa__safetensors *st, const oa__st_file *f, oa__json_scan *s, size_t name_at)
{
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
    oa__st_tensor t = {.file = (uint32_t)(st->n_files - 1)};
    uint64_t offsets[2] = {0, 0};
    size_t elem_size = 0;
    unsigned seen = 0, which;
    bool more;
    OA__TRY(oa__json_enter(s, '{'));
    for (;;) {
        OA__TRY(oa__json_more(s, '}', &more));
        if (!more) break;
        OA__TRY(oa__json_key(s));
        if (strcmp(s->text.data, "dtype") == 0) {
            which = DTYPE;
            OA__TRY(oa__json_string(s));
            OA__TRY(set_dtype(&t, s->text.data, &elem_size));
        } else if (strcmp(s->text.data, "shape") == 0) {
            which = SHAPE;
            OA__TRY(read_shape(s, &t));
        } else if (strcmp(s->text.data, "data_offsets") == 0) {
            which = OFFSETS;
            OA__TRY(read_offsets(s, offsets));
        } else {
            return oa__err(OA_EFORMAT, "tensor %s: unknown member \"%.64s\"",
                           st->names.data + name_at, s->text.data);
        }
        if (seen & which) {
            return oa__err(OA_EFORMAT, "tensor %s: a member appears twice",
                           st->names.data + name_at);
        }
        seen |= which;
    }
    if (seen != (DTYPE | SHAPE | OFFSETS)) {
        return oa__err(OA_EFORMAT, "tensor %s: want dtype, shape and data_offsets",
                       st->names.data + name_at);
    }
    OA__TRY(check_tensor(f, st->names.data + name_at, &t, elem_size, offsets));
    OA__TRY(oa__grow(st->mem, (void **)&st->tensors, &st->tensors_cap, st->n_tensors + 1,
                     sizeof *st->tensors));
    OA__TRY(oa__grow(st->mem, (void **)&st->name_at, &st->name_at_cap, st->n_tensors + 1,
                     sizeof *st->name_at));
    st->name_at[st->n_tensors] = name_at;
    st->tensors[st->n_tensors++] = t;
    return OA_OK;
}

static int read_header(oa__safetensors *st, const oa__st_file *f, oa__json_scan *s)
{
    bool more, metadata = false;
    OA__TRY(oa__json_enter(s, '{'));
    for (;;) {
        OA__TRY(oa__json_more(s, '}', &more));
        if (!more) break;
        OA__TRY(oa__json_key(s));
        if (strcmp(s->text.data, "__metadata__") == 0) {
            if (metadata) return oa__err(OA_EFORMAT, "safetensors: __metadata__ appears twice");
            metadata = true;
            OA__TRY(oa__json_skip(s));
            continue;
        }
        if (s->text.len == 0 || s->text.len > MAX_NAME) {
            return oa__err(OA_EFORMAT, "safetensors: tensor name of %zu bytes, want 1 to %d",
                           s->text.len, MAX_NAME);
        }
        const size_t name_at = st->names.len;
        OA__TRY(oa__str_add(&st->names, s->text.data, s->text.len + 1));
        OA__TRY(read_tensor(st, f, s, name_at));
    }
    return oa__json_finish(s);
}

/* Read the header of the last file. */
static int read_file(oa__safetensors *st)
{
    oa__st_file *f = &st->files[st->n_files - 1];
    if (f->size < 8) {
        return oa__err(OA_EFORMAT, "not a safetensors file: %zu bytes long", f->size);
    }
    uint64_t n = 0;
    for (int i = 8; i-- > 0;)
        n = n << 8 | f->data[i];
    if (n > MAX_HEADER || n > f->size - 8) {
        return oa__err(OA_EFORMAT, "not a safetensors file: header of %llu bytes, want at most %zu",
                       (unsigned long long)n,
                       f->size - 8 < MAX_HEADER ? f->size - 8 : (size_t)MAX_HEADER);
    }
    f->data_at = 8 + (size_t)n;
    const char *json = (const char *)f->data + 8;
    if (n == 0 || json[0] != '{') {
        return oa__err(OA_EFORMAT, "not a safetensors file: its header is no JSON object");
    }
    oa__json_scan s = {.what = "safetensors header", .base = json, .at = json, .end = json + n};
    s.text.mem = st->mem;
    const int rc = read_header(st, f, &s);
    oa__str_free(&s.text);
    return rc;
}

/* --- all files together --------------------------------------------------------------------------
 */

static bool place_less(const void *arg, uint32_t a, uint32_t b)
{
    const oa__st_tensor *t = ((const oa__safetensors *)arg)->tensors;
    if (t[a].file != t[b].file) return t[a].file < t[b].file;
    if (t[a].data != t[b].data) return t[a].data < t[b].data;
    return t[a].size < t[b].size;
}

static bool name_less(const void *arg, uint32_t a, uint32_t b)
{
    const oa__st_tensor *t = ((const oa__safetensors *)arg)->tensors;
    return strcmp(t[a].name, t[b].name) < 0;
}

/* Overlaps and names that appear twice; afterwards find() works. */
int oa__safetensors_index(oa__safetensors *st)
{
    const size_t n = st->n_tensors;
    if (n > UINT32_MAX) return oa__err(OA_EUNSUPPORTED, "safetensors: %zu tensors", n);
    st->order = oa__alloc_array(st->mem, n, sizeof *st->order);
    if (st->order == NULL) return OA_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        st->tensors[i].name = st->names.data + st->name_at[i];
        st->order[i] = (uint32_t)i;
    }
    oa__gguf_sort(st->order, n, place_less, st);
    for (size_t i = 0, last = 0; i < n; i++) {
        const oa__st_tensor *a = &st->tensors[st->order[last]];
        const oa__st_tensor *b = &st->tensors[st->order[i]];
        if (i > 0 && a->file == b->file && a->data + a->size > b->data && b->size > 0) {
            return oa__err(OA_EFORMAT, "tensors %s and %s overlap", a->name, b->name);
        }
        if (b->size > 0) last = i; /* those before it end where it begins, or before */
    }
    oa__gguf_sort(st->order, n, name_less, st);
    oa__st_tensor *sorted = oa__alloc_array(st->mem, n, sizeof *sorted);
    if (sorted == NULL) return OA_ENOMEM;
    for (size_t i = 0; i < n; i++)
        sorted[i] = st->tensors[st->order[i]];
    oa__free(st->mem, st->tensors);
    st->tensors = sorted;
    for (size_t i = 1; i < n; i++) {
        if (strcmp(sorted[i].name, sorted[i - 1].name) == 0) {
            return oa__err(OA_EFORMAT, "safetensors: tensor %s appears twice", sorted[i].name);
        }
    }
    return OA_OK;
}

int oa__safetensors_new(oa__safetensors **out, oa__mem *mem)
{
    *out = oa__alloc(mem, sizeof **out);
    if (*out == NULL) return OA_ENOMEM;
    (*out)->mem = (*out)->names.mem = mem;
    return OA_OK;
}

static int add_slot(oa__safetensors *st, oa__st_file **f)
{
    if (st->n_files == MAX_FILES) {
        return oa__err(OA_EUNSUPPORTED, "model of more than %d files", MAX_FILES);
    }
    OA__TRY(
        oa__grow(st->mem, (void **)&st->files, &st->files_cap, st->n_files + 1, sizeof *st->files));
    *f = &st->files[st->n_files];
    **f = (oa__st_file){0};
    return OA_OK;
}

int oa__safetensors_add_file(oa__safetensors *st, const char *path, bool no_mmap)
{
    oa__st_file *f = NULL;
    OA__TRY(add_slot(st, &f));
    /* Mapped pages are the system's to drop; whoever keeps using them reserves them. */
    OA__TRY(oa__map_open(&f->map, no_mmap ? st->mem : NULL, path, no_mmap));
    st->n_files++;
    f->data = f->map.data;
    f->size = f->map.size;
    st->file_size += f->size;
    st->mapped = f->map.mapped;
    return read_file(st);
}

int oa__safetensors_open(oa__safetensors **out, oa__mem *mem, const char *path, bool no_mmap)
{
    oa__safetensors *st;
    int rc;
    *out = NULL;
    OA__TRY(oa__safetensors_new(&st, mem));
    OA__TRY_GOTO(oa__safetensors_add_file(st, path, no_mmap));
    OA__TRY_GOTO(oa__safetensors_index(st));
    *out = st;
    return OA_OK;
fail:
    oa__safetensors_free(st);
    return rc;
}

int oa__safetensors_open_memory(oa__safetensors **out, oa__mem *mem, const void *data, size_t size)
{
    oa__safetensors *st;
    oa__st_file *f = NULL;
    int rc;
    *out = NULL;
    OA__TRY(oa__safetensors_new(&st, mem));
    OA__TRY_GOTO(add_slot(st, &f));
    f->data = data;
    f->size = size;
    st->n_files++;
    st->file_size = size;
    OA__TRY_GOTO(read_file(st));
    OA__TRY_GOTO(oa__safetensors_index(st));
    *out = st;
    return OA_OK;
fail:
    oa__safetensors_free(st);
    return rc;
}

void oa__safetensors_free(oa__safetensors *st)
{
    if (st == NULL) return;
    for (size_t i = 0; i < st->n_files; i++) {
        if (st->files[i].map.data != NULL) oa__map_close(&st->files[i].map);
    }
    oa__free(st->mem, st->files);
    oa__free(st->mem, st->order);
    oa__free(st->mem, st->name_at);
    oa__free(st->mem, st->tensors);
    oa__str_free(&st->names);
    oa__free(st->mem, st);
}

/* --- what is there ---------------------------------------------------------------------------- */

size_t oa__safetensors_count(const oa__safetensors *st)
{
    return st->n_tensors;
}

const oa__st_tensor *oa__safetensors_at(const oa__safetensors *st, size_t i)
{
    return &st->tensors[i];
}

static const char *name_of(const void *arg, size_t i)
{
    return ((const oa__safetensors *)arg)->tensors[i].name;
}

const oa__st_tensor *oa__safetensors_find(const oa__safetensors *st, const char *name)
{
    const size_t i = oa__gguf_search(st->n_tensors, name_of, st, name);
    return i == SIZE_MAX ? NULL : &st->tensors[i];
}

uint64_t oa__safetensors_file_size(const oa__safetensors *st)
{
    return st->file_size;
}

bool oa__safetensors_is_mapped(const oa__safetensors *st)
{
    return st->mapped;
}

void oa__safetensors_drop(const oa__safetensors *st, const oa__st_tensor *t, size_t at, size_t size)
{
    const oa__st_file *f = &st->files[t->file];
    if (f->map.data != NULL) oa__map_drop(&f->map, (size_t)(t->data - f->data) + at, size);
}

uint64_t oa__safetensors_hash(const oa__safetensors *st, uint64_t seed)
{
    for (size_t i = 0; i < st->n_files; i++)
        seed = oa__gguf_sample(seed, st->files[i].data, st->files[i].size);
    return seed;
}
