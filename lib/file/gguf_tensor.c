/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF: the tensor list.
 *
 * Afterwards every tensor has a known type, 1 to 4 dimensions whose product fits, a size that was
 * computed without overflow, an aligned offset inside the file, and bytes of its own.
 */
#include "file/gguf_priv.h"

#include <string.h>

enum { DEFAULT_ALIGNMENT = 32, MIN_ALIGNMENT = 8, MAX_ALIGNMENT = 65536 };

static int read_alignment(const oa__gguf *g, size_t *alignment)
{
    static const char key[] = "general.alignment";
    *alignment = DEFAULT_ALIGNMENT;
    const oa__gguf_entry *e = oa__gguf_entry_find(g, key);
    if (e == NULL) return OA_OK;
    if (e->type != OA__GGUF_U32) {
        return oa__err(OA_EFORMAT, "gguf key %s is of type %s, want u32", key,
                       oa__gguf_type_name(e->type));
    }
    const uint64_t v = oa__gguf_le(e->value, 4);
    if (v < MIN_ALIGNMENT || v > MAX_ALIGNMENT || (v & (v - 1)) != 0) {
        return oa__err(OA_EFORMAT, "gguf key %s is %llu, want a power of two from %d to %d", key,
                       (unsigned long long)v, MIN_ALIGNMENT, MAX_ALIGNMENT);
    }
    *alignment = (size_t)v;
    return OA_OK;
}

static int read_dims(oa__gguf_cursor *c, const char *name, oa__gguf_tensor *t)
{
    uint64_t n_dims;
    OA__TRY(oa__gguf_read(c, 4, "a tensor's dimensions", &n_dims));
    if (n_dims < 1 || n_dims > 4) {
        return oa__err(OA_EFORMAT, "tensor %s: %llu dimensions, want 1 to 4", name,
                       (unsigned long long)n_dims);
    }
    t->n_dims = (uint32_t)n_dims;
    uint64_t n_elems = 1;
    for (uint32_t i = 0; i < 4; i++)
        t->dims[i] = 1;
    for (uint32_t i = 0; i < n_dims; i++) {
        OA__TRY(oa__gguf_read(c, 8, "a tensor's dimensions", &t->dims[i]));
        if (t->dims[i] == 0) {
            return oa__err(OA_EFORMAT, "tensor %s: dimension %u is 0", name, i);
        }
        if (__builtin_mul_overflow(n_elems, t->dims[i], &n_elems) || n_elems > INT64_MAX) {
            return oa__err(OA_EFORMAT, "tensor %s: the product of its dimensions overflows", name);
        }
    }
    return OA_OK;
}

int oa__gguf_sizes(const char *name, uint32_t type, const uint64_t dims[4], size_t *size,
                   size_t *stored)
{
    const bool packed = (type & ~0xffffu) == OA__GGUF_PACKED;
    if (packed) type &= 0xffff;
    OA__TRY(oa__type_row_size(type, dims[0], size));
    for (uint32_t i = 1; i < 4; i++) {
        if (dims[i] > SIZE_MAX || !oa__mul_size(*size, (size_t)dims[i], size))
            return oa__err(OA_EFORMAT, "tensor %s: its size overflows", name);
    }
    *stored = *size;
    if (!packed) return OA_OK;
    OA__TRY(oa__weight_size(type, (size_t)dims[1], (size_t)dims[0], stored));
    if (!oa__mul_size(*stored, (size_t)dims[2], stored) ||
        !oa__mul_size(*stored, (size_t)dims[3], stored)) {
        return oa__err(OA_EFORMAT, "tensor %s: its size overflows", name);
    }
    return OA_OK;
}

/* Whether the file may have packed tensors. */
static int check_packed(const oa__gguf *g, bool *may)
{
    uint64_t version;
    *may = oa__gguf_has(g, OA__GGUF_PACKED_KEY);
    if (!*may) return OA_OK;
    OA__TRY(oa__gguf_u64(g, OA__GGUF_PACKED_KEY, &version));
    if (version == OA__GGUF_PACKED_VERSION) {
        if (g->alignment >= OA__GGUF_PACKED_ALIGNMENT) return OA_OK;
        return oa__err(OA_EFORMAT, "packed, but aligned to %zu, want %d", g->alignment,
                       OA__GGUF_PACKED_ALIGNMENT);
    }
    return oa__err(OA_EVERSION, "packed with version %llu of the layouts, want %d: pack it again",
                   (unsigned long long)version, OA__GGUF_PACKED_VERSION);
}

static int read_tensor(oa__gguf *g, oa__gguf_cursor *c, size_t index, bool may_pack)
{
    const char *name;
    size_t len;
    OA__TRY(oa__gguf_read_string(c, "a tensor name", &name, &len));
    if (len == 0 || len > OA__GGUF_NAME_MAX) {
        return oa__err(OA_EFORMAT, "gguf: tensor name of %zu bytes, want 1 to %u", len,
                       OA__GGUF_NAME_MAX);
    }
    if (memchr(name, 0, len) != NULL) {
        return oa__err(OA_EFORMAT, "gguf: tensor name %s holds a NUL byte", name);
    }
    oa__gguf_tensor *t = &g->tensors[index];
    g->tensor_name_at[index] = g->names.len;
    OA__TRY(oa__str_add(&g->names, name, len));
    OA__TRY(oa__str_add_char(&g->names, '\0'));
    name = g->names.data + g->tensor_name_at[index];
    OA__TRY(read_dims(c, name, t));

    uint64_t type, offset;
    OA__TRY(oa__gguf_read(c, 4, "a tensor type", &type));
    OA__TRY(oa__gguf_read(c, 8, "a tensor offset", &offset));
    t->packed = (type & ~(uint64_t)0xffff) == OA__GGUF_PACKED;
    if (t->packed && !may_pack) {
        return oa__err(OA_EFORMAT, "tensor %s: is packed, but key %s is missing", name,
                       OA__GGUF_PACKED_KEY);
    }
    t->type = (uint32_t)type & (t->packed ? 0xffff : UINT32_MAX);
    const oa__type_info *info = oa__type_get(t->type);
    if (info == NULL) {
        return oa__err(OA_EUNSUPPORTED, "tensor %s: type %llu is not supported", name,
                       (unsigned long long)type);
    }
    if (t->dims[0] % info->block_len != 0) {
        return oa__err(OA_EFORMAT, "tensor %s: rows of %llu elements, %s wants a multiple of %u",
                       name, (unsigned long long)t->dims[0], info->name, info->block_len);
    }
    OA__TRY(oa__gguf_sizes(name, (uint32_t)type, t->dims, &t->size, &t->stored));
    if (offset > SIZE_MAX) {
        return oa__err(OA_EFORMAT, "tensor %s: offset %llu is too large", name,
                       (unsigned long long)offset);
    }
    t->offset = (size_t)offset; /* from data_at until place_tensors() */
    return OA_OK;
}

static bool name_less(const void *arg, uint32_t a, uint32_t b)
{
    const oa__gguf *g = arg;
    return strcmp(g->tensors[a].name, g->tensors[b].name) < 0;
}

static bool offset_less(const void *arg, uint32_t a, uint32_t b)
{
    const oa__gguf *g = arg;
    return g->tensors[a].offset < g->tensors[b].offset;
}

static int place_tensors(oa__gguf *g, size_t alignment, bool header_only)
{
    for (size_t i = 0; i < g->n_tensors; i++) {
        oa__gguf_tensor *t = &g->tensors[i];
        if (t->offset % alignment != 0) {
            return oa__err(OA_EFORMAT, "tensor %s: offset %zu is no multiple of %zu", t->name,
                           t->offset, alignment);
        }
        size_t end;
        if (!oa__add_size(t->offset, g->data_at, &t->offset) ||
            !oa__add_size(t->offset, t->stored, &end)) {
            return oa__err(OA_EFORMAT, "tensor %s: offset and size overflow", t->name);
        }
        if (end <= g->size) {
            *(t->packed ? &t->groups : &t->data) = g->data + t->offset;
            t->there = true;
        } else if (!header_only) {
            return oa__err(OA_EFORMAT, "tensor %s: ends at byte %zu, the file has %zu", t->name,
                           end, g->size);
        }
    }
    for (size_t i = 0; i < g->n_tensors; i++)
        g->tensor_order[i] = (uint32_t)i;
    oa__gguf_sort(g->tensor_order, g->n_tensors, offset_less, g);
    for (size_t i = 1; i < g->n_tensors; i++) {
        const oa__gguf_tensor *a = &g->tensors[g->tensor_order[i - 1]];
        const oa__gguf_tensor *b = &g->tensors[g->tensor_order[i]];
        if (a->offset + a->stored > b->offset) {
            return oa__err(OA_EFORMAT, "tensors %s and %s overlap", a->name, b->name);
        }
    }
    return OA_OK;
}

int oa__gguf_read_tensors(oa__gguf *g, oa__gguf_cursor *c, uint64_t n_tensors, bool header_only)
{
    OA__TRY(read_alignment(g, &g->alignment));
    const size_t alignment = g->alignment;
    if (n_tensors > oa__gguf_left(c) / 33) {
        return oa__err(OA_EFORMAT, "gguf: %llu tensors, %zu bytes are left",
                       (unsigned long long)n_tensors, oa__gguf_left(c));
    }
    const size_t n = (size_t)n_tensors;
    g->tensors = oa__alloc_array(g->mem, n, sizeof *g->tensors);
    g->tensor_name_at = oa__alloc_array(g->mem, n, sizeof *g->tensor_name_at);
    g->tensor_order = oa__alloc_array(g->mem, n, sizeof *g->tensor_order);
    if (g->tensors == NULL || g->tensor_name_at == NULL || g->tensor_order == NULL) {
        return OA_ENOMEM;
    }
    bool may_pack;
    OA__TRY(check_packed(g, &may_pack));
    for (size_t i = 0; i < n; i++)
        OA__TRY(read_tensor(g, c, i, may_pack));
    g->n_tensors = n;
    for (size_t i = 0; i < n; i++)
        g->tensors[i].name = g->names.data + g->tensor_name_at[i];

    const size_t header_size = (size_t)(c->at - c->base);
    if (!oa__add_size(header_size, alignment - 1, &g->data_at)) {
        return oa__err(OA_EFORMAT, "gguf: the header's size overflows");
    }
    g->data_at -= g->data_at % alignment;
    OA__TRY(place_tensors(g, alignment, header_only));
    oa__gguf_sort(g->tensor_order, n, name_less, g);
    for (size_t i = 1; i < n; i++) {
        const char *name = g->tensors[g->tensor_order[i]].name;
        if (strcmp(name, g->tensors[g->tensor_order[i - 1]].name) == 0) {
            return oa__err(OA_EFORMAT, "gguf: tensor %s appears twice", name);
        }
    }
    return OA_OK;
}

size_t oa__gguf_tensor_count(const oa__gguf *g)
{
    return g->n_tensors;
}

const oa__gguf_tensor *oa__gguf_tensor_at(const oa__gguf *g, size_t i)
{
    return &g->tensors[i];
}

static const char *name_of(const void *arg, size_t i)
{
    const oa__gguf *g = arg;
    return g->tensors[g->tensor_order[i]].name;
}

const oa__gguf_tensor *oa__gguf_tensor_find(const oa__gguf *g, const char *name)
{
    const size_t i = oa__gguf_search(g->n_tensors, name_of, g, name);
    return i == SIZE_MAX ? NULL : &g->tensors[g->tensor_order[i]];
}
