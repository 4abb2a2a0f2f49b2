/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF: opening a file, its metadata list.
 *
 * Every count is held against the bytes that are left before anything is allocated for it, so a
 * file of n bytes costs O(n) memory and O(n log n) time, whatever it says.
 */
#include "file/gguf_priv.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [OA__GGUF_U8] = {"u8", 1},       [OA__GGUF_I8] = {"i8", 1},     [OA__GGUF_U16] = {"u16", 2},
    [OA__GGUF_I16] = {"i16", 2},     [OA__GGUF_U32] = {"u32", 4},   [OA__GGUF_I32] = {"i32", 4},
    [OA__GGUF_F32] = {"f32", 4},     [OA__GGUF_BOOL] = {"bool", 1}, [OA__GGUF_STRING] = {"str", 0},
    [OA__GGUF_ARRAY] = {"array", 0}, [OA__GGUF_U64] = {"u64", 8},   [OA__GGUF_I64] = {"i64", 8},
    [OA__GGUF_F64] = {"f64", 8},
};

size_t oa__gguf_scalar_size(uint32_t type)
{
    return type < OA__ARRAY_LEN(types) ? types[type].size : 0;
}

const char *oa__gguf_type_name(uint32_t type)
{
    return type < OA__ARRAY_LEN(types) ? types[type].name : "unknown";
}

int oa__gguf_read(oa__gguf_cursor *c, size_t n_bytes, const char *what, uint64_t *out)
{
    *out = 0;
    if (oa__gguf_left(c) < n_bytes) {
        return oa__err(OA_EFORMAT, "gguf ends at byte %zu inside %s", (size_t)(c->end - c->base),
                       what);
    }
    *out = oa__gguf_le(c->at, n_bytes);
    c->at += n_bytes;
    return OA_OK;
}

int oa__gguf_read_string(oa__gguf_cursor *c, const char *what, const char **text, size_t *len)
{
    uint64_t n;
    *text = "";
    *len = 0;
    OA__TRY(oa__gguf_read(c, 8, what, &n));
    if (n > oa__gguf_left(c)) {
        return oa__err(OA_EFORMAT, "gguf: %s at byte %zu is %llu bytes long, %zu are left", what,
                       (size_t)(c->at - c->base), (unsigned long long)n, oa__gguf_left(c));
    }
    *text = (const char *)c->at;
    *len = (size_t)n;
    c->at += n;
    return OA_OK;
}

/* --- sorting, finding ---------------------------------------------------------------------- */

void oa__gguf_sort(uint32_t *order, size_t n, bool (*less)(const void *arg, uint32_t a, uint32_t b),
                   const void *arg)
{
    if (n < 2) return;
    /* Heapsort: first every inner node sinks, then the greatest goes behind what is left. */
    for (size_t built = n / 2, left = n; left > 1;) {
        uint32_t v;
        if (built > 0) {
            v = order[--built];
        } else {
            v = order[--left];
            order[left] = order[0];
        }
        size_t hole = built;
        for (size_t kid = 2 * hole + 1; kid < left; kid = 2 * hole + 1) {
            if (kid + 1 < left && less(arg, order[kid], order[kid + 1])) kid++;
            if (!less(arg, v, order[kid])) break;
            order[hole] = order[kid];
            hole = kid;
        }
        order[hole] = v;
    }
}

size_t oa__gguf_search(size_t n, const char *(*name_of)(const void *arg, size_t i), const void *arg,
                       const char *name)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const int cmp = strcmp(name, name_of(arg, mid));
        if (cmp == 0) return mid;
        if (cmp < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return SIZE_MAX;
}

static bool key_less(const void *arg, uint32_t a, uint32_t b)
{
    const oa__gguf *g = arg;
    return strcmp(g->entries[a].key, g->entries[b].key) < 0;
}

static const char *key_of(const void *arg, size_t i)
{
    const oa__gguf *g = arg;
    return g->entries[g->entry_order[i]].key;
}

const oa__gguf_entry *oa__gguf_entry_find(const oa__gguf *g, const char *key)
{
    const size_t i = oa__gguf_search(g->n_entries, key_of, g, key);
    return i == SIZE_MAX ? NULL : &g->entries[g->entry_order[i]];
}

/* --- metadata ------------------------------------------------------------------------------- */

static int read_bools(const char *key, const uint8_t *p, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (p[i] > 1) {
            return oa__err(OA_EFORMAT, "gguf key %s: bool is %u, want 0 or 1", key, p[i]);
        }
    }
    return OA_OK;
}

static int read_array(oa__gguf_cursor *c, const char *key, oa__gguf_entry *e)
{
    uint64_t elem_type, n;
    OA__TRY(oa__gguf_read(c, 4, "an array type", &elem_type));
    OA__TRY(oa__gguf_read(c, 8, "an array length", &n));
    if (elem_type == OA__GGUF_ARRAY) {
        return oa__err(OA_EFORMAT, "gguf key %s: array of arrays, want numbers or strings", key);
    }
    if (elem_type >= OA__ARRAY_LEN(types)) {
        return oa__err(OA_EFORMAT, "gguf key %s: array of unknown type %llu", key,
                       (unsigned long long)elem_type);
    }
    const size_t elem_size = elem_type == OA__GGUF_STRING ? 8 : types[elem_type].size;
    if (n > oa__gguf_left(c) / elem_size) {
        return oa__err(OA_EFORMAT, "gguf key %s: array of %llu elements, %zu bytes are left", key,
                       (unsigned long long)n, oa__gguf_left(c));
    }
    e->elem_type = (uint32_t)elem_type;
    e->n = n;
    e->value = c->at;
    if (elem_type == OA__GGUF_STRING) {
        for (uint64_t i = 0; i < n; i++) {
            const char *text;
            size_t len;
            OA__TRY(oa__gguf_read_string(c, "a string of an array", &text, &len));
        }
    } else {
        if (elem_type == OA__GGUF_BOOL) OA__TRY(read_bools(key, c->at, n));
        c->at += (size_t)n * elem_size;
    }
    e->size = (size_t)(c->at - e->value);
    return OA_OK;
}

static int read_value(oa__gguf_cursor *c, const char *key, oa__gguf_entry *e)
{
    uint64_t type;
    OA__TRY(oa__gguf_read(c, 4, "a value type", &type));
    if (type >= OA__ARRAY_LEN(types)) {
        return oa__err(OA_EFORMAT, "gguf key %s: unknown value type %llu", key,
                       (unsigned long long)type);
    }
    e->type = (uint32_t)type;
    if (type == OA__GGUF_ARRAY) return read_array(c, key, e);
    if (type == OA__GGUF_STRING) {
        const char *text;
        size_t len;
        OA__TRY(oa__gguf_read_string(c, "a string value", &text, &len));
        e->value = (const uint8_t *)text;
        e->n = e->size = len;
        return OA_OK;
    }
    uint64_t bits;
    e->value = c->at;
    e->size = types[type].size;
    OA__TRY(oa__gguf_read(c, e->size, "a value", &bits));
    return type == OA__GGUF_BOOL ? read_bools(key, e->value, 1) : OA_OK;
}

static int read_entry(oa__gguf *g, oa__gguf_cursor *c)
{
    const char *key;
    size_t len;
    OA__TRY(oa__gguf_read_string(c, "a key", &key, &len));
    if (len == 0 || len > OA__GGUF_KEY_MAX) {
        return oa__err(OA_EFORMAT, "gguf: key of %zu bytes, want 1 to %u", len, OA__GGUF_KEY_MAX);
    }
    if (memchr(key, 0, len) != NULL) {
        return oa__err(OA_EFORMAT, "gguf: key %.*s holds a NUL byte",
                       (int)strnlen(key, len < 64 ? len : 64), key);
    }
    OA__TRY(oa__grow(g->mem, (void **)&g->entries, &g->entries_cap, g->n_entries + 1,
                     sizeof *g->entries));
    oa__gguf_entry *e = &g->entries[g->n_entries];
    memset(e, 0, sizeof *e);
    e->key_at = g->names.len;
    OA__TRY(oa__str_add(&g->names, key, len));
    OA__TRY(oa__str_add_char(&g->names, '\0'));
    OA__TRY(read_value(c, g->names.data + e->key_at, e));
    g->n_entries++;
    return OA_OK;
}

static int index_entries(oa__gguf *g)
{
    /* Only now do the names stay where they are. */
    for (size_t i = 0; i < g->n_entries; i++) {
        g->entries[i].key = g->names.data + g->entries[i].key_at;
    }
    g->entry_order = oa__alloc_array(g->mem, g->n_entries, sizeof *g->entry_order);
    if (g->entry_order == NULL) return OA_ENOMEM;
    for (size_t i = 0; i < g->n_entries; i++)
        g->entry_order[i] = (uint32_t)i;
    oa__gguf_sort(g->entry_order, g->n_entries, key_less, g);
    for (size_t i = 1; i < g->n_entries; i++) {
        const char *key = g->entries[g->entry_order[i]].key;
        if (strcmp(key, g->entries[g->entry_order[i - 1]].key) == 0) {
            return oa__err(OA_EFORMAT, "gguf: key %s appears twice", key);
        }
    }
    return OA_OK;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int read_magic(oa__gguf *g, oa__gguf_cursor *c)
{
    if (oa__gguf_left(c) < 8) {
        return oa__err(OA_EFORMAT, "not a gguf file: %zu bytes long", oa__gguf_left(c));
    }
    const uint64_t version = oa__gguf_le(c->at + 4, 4);
    if (memcmp(c->at, "FUGG", 4) == 0 ||
        (memcmp(c->at, "GGUF", 4) == 0 && version != 0 && (version & 0xffff) == 0)) {
        return oa__err(OA_EVERSION, "gguf file in big-endian byte order, want little-endian");
    }
    if (memcmp(c->at, "GGUF", 4) != 0) {
        return oa__err(OA_EFORMAT,
                       "not a gguf file: begins with %02x %02x %02x %02x, want \"GGUF\"", c->at[0],
                       c->at[1], c->at[2], c->at[3]);
    }
    if (version != 2 && version != 3) {
        return oa__err(OA_EVERSION, "gguf version %llu, want 2 or 3", (unsigned long long)version);
    }
    g->version = (uint32_t)version;
    c->at += 8;
    return OA_OK;
}

int oa__gguf_parse(oa__gguf *g, bool header_only)
{
    oa__gguf_cursor c = {g->data, g->data, g->data + g->size};
    OA__TRY(read_magic(g, &c));
    uint64_t n_tensors, n_entries;
    OA__TRY(oa__gguf_read(&c, 8, "the tensor count", &n_tensors));
    OA__TRY(oa__gguf_read(&c, 8, "the metadata count", &n_entries));
    /* The shortest entry: length, one letter, type, one byte. The shortest tensor: length, one
     * letter, dimensions, one size, type, offset. */
    const uint64_t left = oa__gguf_left(&c);
    if (n_entries > left / 14 || n_entries > UINT32_MAX) {
        return oa__err(OA_EFORMAT, "gguf: %llu metadata entries, %llu bytes are left",
                       (unsigned long long)n_entries, (unsigned long long)left);
    }
    if (n_tensors > left / 33 || n_tensors > UINT32_MAX) {
        return oa__err(OA_EFORMAT, "gguf: %llu tensors, %llu bytes are left",
                       (unsigned long long)n_tensors, (unsigned long long)left);
    }
    for (uint64_t i = 0; i < n_entries; i++)
        OA__TRY(read_entry(g, &c));
    OA__TRY(index_entries(g));
    OA__TRY(oa__gguf_read_tensors(g, &c, n_tensors, header_only));
    /* The names may have moved while the tensors' were added. */
    for (size_t i = 0; i < g->n_entries; i++) {
        g->entries[i].key = g->names.data + g->entries[i].key_at;
    }
    return OA_OK;
}

int oa__gguf_new(oa__gguf **out, oa__mem *mem)
{
    *out = oa__alloc(mem, sizeof **out);
    if (*out == NULL) return OA_ENOMEM;
    (*out)->mem = mem;
    (*out)->names.mem = (*out)->made.mem = mem;
    return OA_OK;
}

int oa__gguf_open(oa__gguf **out, oa__mem *mem, const char *path, bool no_mmap, bool header_only)
{
    *out = NULL;
    oa__gguf *g;
    OA__TRY(oa__gguf_new(&g, mem));
    /* Mapped tensor data are the system's to drop: whoever keeps using them reserves them. The
     * header stays in use and is charged here. */
    int rc;
    OA__TRY_GOTO(oa__map_open(&g->map, no_mmap ? mem : NULL, path, no_mmap));
    g->data = g->map.data;
    g->size = g->map.size;
    OA__TRY_GOTO(oa__gguf_parse(g, header_only));
    if (g->map.mapped) {
        const uint64_t header_size = g->data_at < g->size ? g->data_at : g->size;
        OA__TRY_GOTO(oa__mem_reserve(mem, header_size));
        g->reserved = header_size;
    }
    *out = g;
    return OA_OK;
fail:
    oa__gguf_free(g);
    return rc;
}

int oa__gguf_open_memory(oa__gguf **out, oa__mem *mem, const void *data, size_t size,
                         bool header_only)
{
    *out = NULL;
    oa__gguf *g;
    OA__TRY(oa__gguf_new(&g, mem));
    g->data = data;
    g->size = size;
    const int rc = oa__gguf_parse(g, header_only);
    if (rc < 0) {
        oa__gguf_free(g);
        return rc;
    }
    *out = g;
    return OA_OK;
}

void oa__gguf_free(oa__gguf *g)
{
    if (g == NULL) return;
    oa__mem *mem = g->mem;
    oa__mem_release(mem, g->reserved);
    oa__free(mem, g->tensor_order);
    oa__free(mem, g->tensor_name_at);
    oa__free(mem, g->tensors);
    oa__free(mem, g->entry_order);
    oa__free(mem, g->entries);
    oa__str_free(&g->names);
    oa__str_free(&g->made);
    if (g->source.free != NULL) g->source.free(g->source.arg);
    if (g->map.data != NULL) oa__map_close(&g->map);
    oa__free(mem, g);
}
