/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF: reading metadata values. Each read compares the type first; a value of another type is an
 * error that names both.
 */
#include "file/gguf_priv.h"

#include <math.h>
#include <string.h>

uint32_t oa__gguf_version(const oa__gguf *g)
{
    return g->version;
}

size_t oa__gguf_meta_count(const oa__gguf *g)
{
    return g->n_entries;
}

const char *oa__gguf_meta_key(const oa__gguf *g, size_t i)
{
    return g->entries[i].key;
}

bool oa__gguf_has(const oa__gguf *g, const char *key)
{
    return oa__gguf_entry_find(g, key) != NULL;
}

static int find(const oa__gguf *g, const char *key, const oa__gguf_entry **e)
{
    *e = oa__gguf_entry_find(g, key);
    return *e != NULL ? OA_OK : oa__err(OA_ENOTFOUND, "gguf key %s is missing", key);
}

static int wrong_type(const oa__gguf_entry *e, const char *want)
{
    return oa__err(OA_EFORMAT, "gguf key %s is of type %s, want %s", e->key,
                   oa__gguf_type_name(e->type), want);
}

/* A scalar integer: its bits extended to 64, and whether they are a negative number's. */
static bool integer(const oa__gguf_entry *e, uint64_t *bits, bool *negative)
{
    const size_t size = e->size;
    switch (e->type) {
    case OA__GGUF_U8:
    case OA__GGUF_U16:
    case OA__GGUF_U32:
    case OA__GGUF_U64:
        *bits = oa__gguf_le(e->value, size);
        *negative = false;
        return true;
    case OA__GGUF_I8:
    case OA__GGUF_I16:
    case OA__GGUF_I32:
    case OA__GGUF_I64:
        *bits = oa__gguf_le(e->value, size);
        *negative = (*bits >> (8 * size - 1) & 1) != 0;
        if (*negative && size < 8) *bits |= UINT64_MAX << (8 * size);
        return true;
    default:
        return false;
    }
}

static double f32_of(const uint8_t *p)
{
    const uint32_t bits = (uint32_t)oa__gguf_le(p, 4);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static double f64_of(const uint8_t *p)
{
    const uint64_t bits = oa__gguf_le(p, 8);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

int oa__gguf_u64(const oa__gguf *g, const char *key, uint64_t *out)
{
    const oa__gguf_entry *e;
    bool negative;
    uint64_t bits;
    OA__TRY(find(g, key, &e));
    if (!integer(e, &bits, &negative)) return wrong_type(e, "an integer");
    if (negative) {
        return oa__err(OA_EFORMAT, "gguf key %s is %lld, want no negative number", key,
                       (long long)(int64_t)bits);
    }
    *out = bits;
    return OA_OK;
}

int oa__gguf_i64(const oa__gguf *g, const char *key, int64_t *out)
{
    const oa__gguf_entry *e;
    bool negative;
    uint64_t bits;
    OA__TRY(find(g, key, &e));
    if (!integer(e, &bits, &negative)) return wrong_type(e, "an integer");
    if (!negative && bits > INT64_MAX) {
        return oa__err(OA_EFORMAT, "gguf key %s is %llu, want at most 2^63 - 1", key,
                       (unsigned long long)bits);
    }
    *out = (int64_t)bits;
    return OA_OK;
}

int oa__gguf_f64(const oa__gguf *g, const char *key, double *out)
{
    const oa__gguf_entry *e;
    bool negative;
    uint64_t bits;
    OA__TRY(find(g, key, &e));
    if (e->type == OA__GGUF_F32) {
        *out = f32_of(e->value);
    } else if (e->type == OA__GGUF_F64) {
        *out = f64_of(e->value);
    } else if (integer(e, &bits, &negative)) {
        *out = negative ? (double)(int64_t)bits : (double)bits;
    } else {
        return wrong_type(e, "a number");
    }
    return OA_OK;
}

int oa__gguf_bool(const oa__gguf *g, const char *key, bool *out)
{
    const oa__gguf_entry *e;
    OA__TRY(find(g, key, &e));
    if (e->type != OA__GGUF_BOOL) return wrong_type(e, "bool");
    *out = e->value[0] != 0;
    return OA_OK;
}

int oa__gguf_str(const oa__gguf *g, const char *key, const char **text, size_t *len)
{
    const oa__gguf_entry *e;
    OA__TRY(find(g, key, &e));
    if (e->type != OA__GGUF_STRING) return wrong_type(e, "str");
    *text = (const char *)e->value;
    *len = (size_t)e->n;
    return OA_OK;
}

/* --- arrays ---------------------------------------------------------------------------------- */

int oa__gguf_array_type(const oa__gguf *g, const char *key, uint32_t *elem_type, size_t *n)
{
    const oa__gguf_entry *e;
    OA__TRY(find(g, key, &e));
    if (e->type != OA__GGUF_ARRAY) return wrong_type(e, "array");
    *elem_type = e->elem_type;
    *n = (size_t)e->n;
    return OA_OK;
}

static int find_array(const oa__gguf *g, const char *key, uint32_t elem_type,
                      const oa__gguf_entry **e)
{
    OA__TRY(find(g, key, e));
    if ((*e)->type != OA__GGUF_ARRAY) return wrong_type(*e, "array");
    if ((*e)->elem_type != elem_type) {
        return oa__err(OA_EFORMAT, "gguf key %s is an array of %s, want %s", key,
                       oa__gguf_type_name((*e)->elem_type), oa__gguf_type_name(elem_type));
    }
    return OA_OK;
}

int oa__gguf_array_len(const oa__gguf *g, const char *key, uint32_t elem_type, size_t *n)
{
    const oa__gguf_entry *e;
    OA__TRY(find_array(g, key, elem_type, &e));
    *n = (size_t)e->n;
    return OA_OK;
}

int oa__gguf_array_copy(const oa__gguf *g, const char *key, uint32_t elem_type, void *out, size_t n)
{
    const oa__gguf_entry *e;
    OA__TRY(find_array(g, key, elem_type, &e));
    const size_t elem_size = oa__gguf_scalar_size(elem_type);
    if (elem_size == 0 || n != e->n) {
        return oa__err(OA_EINVAL, "gguf key %s: asked for %zu numbers of %llu", key, n,
                       (unsigned long long)e->n);
    }
    if (n > 0) memcpy(out, e->value, n * elem_size);
    return OA_OK;
}

int oa__gguf_strings_begin(const oa__gguf *g, const char *key, oa__gguf_strings *it, size_t *n)
{
    const oa__gguf_entry *e;
    OA__TRY(find_array(g, key, OA__GGUF_STRING, &e));
    *it = (oa__gguf_strings){.at = e->value, .left = (size_t)e->n};
    *n = (size_t)e->n;
    return OA_OK;
}

bool oa__gguf_strings_next(oa__gguf_strings *it)
{
    if (it->left == 0) return false;
    it->left--;
    it->len = (size_t)oa__gguf_le(it->at, 8); /* checked when the file was opened */
    it->text = (const char *)it->at + 8;
    it->at += 8 + it->len;
    return true;
}

/* --- as text ---------------------------------------------------------------------------------- */

/* The double with the fewest decimal digits that rounds to the float v, so that 1e-5f is written
 * 1e-05. Powers of ten up to 10^22 are exact, so one rounded division or product decides. */
static double shortest_f32(double v)
{
    if (!(fabs(v) >= 1e-12 && fabs(v) <= 1e12)) return v;
    int exponent = -12;
    for (double p = 1e-11; p <= fabs(v); p *= 10)
        exponent++;
    for (int digits = 1; digits <= 9; digits++) {
        const int shift = digits - 1 - exponent;
        double p = 1;
        for (int i = 0; i < (shift < 0 ? -shift : shift); i++)
            p *= 10;
        const double d = shift < 0 ? rint(v / p) * p : rint(v * p) / p;
        if ((float)d == (float)v) return d;
    }
    return v;
}

int oa__gguf_meta_text(const oa__gguf *g, const char *key, oa__str *out)
{
    const oa__gguf_entry *e;
    bool negative;
    uint64_t bits;
    OA__TRY(find(g, key, &e));
    switch (e->type) {
    case OA__GGUF_STRING:
        return oa__str_add(out, (const char *)e->value, (size_t)e->n);
    case OA__GGUF_BOOL:
        return oa__str_add_z(out, e->value[0] ? "true" : "false");
    case OA__GGUF_ARRAY:
        return oa__str_addf(out, "[%s x %llu]", oa__gguf_type_name(e->elem_type),
                            (unsigned long long)e->n);
    case OA__GGUF_F32:
    case OA__GGUF_F64: {
        char buf[32];
        const double v =
            e->type == OA__GGUF_F32 ? shortest_f32(f32_of(e->value)) : f64_of(e->value);
        return oa__str_add(out, buf, oa__format_f64(v, true, buf));
    }
    default:
        break;
    }
    if (!integer(e, &bits, &negative)) return wrong_type(e, "a value");
    return negative ? oa__str_addf(out, "%lld", (long long)(int64_t)bits)
                    : oa__str_addf(out, "%llu", (unsigned long long)bits);
}
