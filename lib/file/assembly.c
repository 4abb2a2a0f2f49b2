/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF tensors put together from safetensors when they are loaded: rows picked and reordered,
 * several tensors behind one another, a matrix transposed, elements widened to F32.
 *
 * Everything is checked when a tensor is added, so loading cannot fail.
 */
#include "file/gguf_priv.h"

#include <string.h>

/* A part with its defaults filled in. */
typedef struct piece {
    const oa__st_tensor *from;
    uint64_t n_a, n_b, n_c, b_begin, b_end;
    size_t row_len; /* elements; of a transposed matrix its rows' */
    bool swap, transpose;
} piece;

typedef struct made {
    size_t first, n; /* pieces */
    uint32_t type;
    size_t size;
    float plus;
    float *floats; /* owned; the whole tensor when not NULL */
} made;

struct oa__assembly {
    oa__mem *mem;
    oa__safetensors *st;
    piece *pieces;
    made *tensors;
    size_t n_pieces, pieces_cap, n_tensors, tensors_cap;
};

int oa__assembly_new(oa__assembly **out, oa__mem *mem, oa__safetensors *st)
{
    *out = oa__alloc(mem, sizeof **out);
    if (*out == NULL) return OA_ENOMEM;
    (*out)->mem = mem;
    (*out)->st = st;
    return OA_OK;
}

void oa__assembly_free(oa__assembly *a)
{
    if (a == NULL) return;
    for (size_t i = 0; i < a->n_tensors; i++)
        oa__free(a->mem, a->tensors[i].floats);
    oa__free(a->mem, a->tensors);
    oa__free(a->mem, a->pieces);
    oa__safetensors_free(a->st);
    oa__free(a->mem, a);
}

/* --- adding --------------------------------------------------------------------------------------
 */

static int bad_part(const oa__st_tensor *t, const char *name)
{
    return oa__err(OA_EFORMAT, "tensor %s: its shape does not fit %s", t->name, name);
}

/* Fill in and check a part; n_elems counts what it gives. */
static int plan_part(const oa__part *part, const char *name, piece *p, uint64_t *n_elems)
{
    const oa__st_tensor *t = part->from;
    uint64_t n_rows = 1, n_groups;
    if (!t->known) {
        return oa__err(OA_EUNSUPPORTED,
                       "tensor %s: type %s is not supported, want F32, F16 or BF16", t->name,
                       t->dtype);
    }
    if (t->size == 0 || t->n_dims == 0) {
        return oa__err(OA_EFORMAT, "tensor %s has no elements", t->name);
    }
    *p = (piece){.from = t,
                 .n_a = part->n_a ? part->n_a : 1,
                 .n_b = part->n_b ? part->n_b : 1,
                 .b_begin = part->b_begin,
                 .swap = part->swap,
                 .transpose = part->transpose};
    p->b_end = part->b_end ? part->b_end : p->n_b;
    /* The products fit: they are no more than the bytes of the file. */
    const uint32_t n_outer = t->n_dims > 1 ? t->n_dims - 1 : 1;
    for (uint32_t i = 0; i < n_outer; i++)
        n_rows *= t->dims[i];
    p->row_len = t->n_dims > 1 ? (size_t)t->dims[t->n_dims - 1] : 1;
    if (p->transpose && (t->n_dims != 2 || p->n_a != 1 || p->n_b != 1 || p->swap)) {
        return bad_part(t, name);
    }
    if (__builtin_mul_overflow(p->n_a, p->n_b, &n_groups) || n_rows % n_groups != 0 ||
        p->b_begin >= p->b_end || p->b_end > p->n_b) {
        return bad_part(t, name);
    }
    p->n_c = n_rows / n_groups;
    *n_elems += p->n_a * (p->b_end - p->b_begin) * p->n_c * p->row_len;
    return OA_OK;
}

static int add_made(oa__assembly *a, const made *m)
{
    OA__TRY(oa__grow(a->mem, (void **)&a->tensors, &a->tensors_cap, a->n_tensors + 1,
                     sizeof *a->tensors));
    a->tensors[a->n_tensors++] = *m;
    return OA_OK;
}

int oa__assembly_add(oa__assembly *a, oa__gguf_writer *w, const char *name, uint32_t type,
                     uint32_t n_dims, const uint64_t *dims, const oa__part *parts, size_t n_parts,
                     float plus)
{
    made m = {.first = a->n_pieces, .n = n_parts, .type = type, .plus = plus};
    uint64_t n_elems = 0, want = 1;
    OA__TRY(oa__grow(a->mem, (void **)&a->pieces, &a->pieces_cap, a->n_pieces + n_parts,
                     sizeof *a->pieces));
    for (size_t i = 0; i < n_parts; i++) {
        OA__TRY(plan_part(&parts[i], name, &a->pieces[m.first + i], &n_elems));
        if (type != OA__F32 && type != parts[i].from->type) {
            return oa__err(OA_EUNSUPPORTED, "tensor %s: type %s where %s is wanted",
                           parts[i].from->name, parts[i].from->dtype, oa__type_get(type)->name);
        }
    }
    for (uint32_t i = 0; i < n_dims; i++) {
        if (__builtin_mul_overflow(want, dims[i], &want)) want = UINT64_MAX;
    }
    if (n_parts == 0 || n_elems != want) {
        return oa__err(OA_EFORMAT, "tensor %s: %llu elements, %s wants %llu",
                       n_parts ? parts[0].from->name : "", (unsigned long long)n_elems, name,
                       (unsigned long long)want);
    }
    oa__assert(plus == 0 || type == OA__F32);
    OA__TRY(add_made(a, &m));
    const int rc = oa__gguf_writer_tensor(w, name, type, n_dims, dims);
    if (rc < 0) {
        a->n_tensors--;
        return rc;
    }
    a->tensors[a->n_tensors - 1].size = oa__gguf_writer_tensor_size(w, a->n_tensors - 1);
    a->n_pieces += n_parts;
    return OA_OK;
}

int oa__assembly_add_floats(oa__assembly *a, oa__gguf_writer *w, const char *name, const float *v,
                            size_t n)
{
    made m = {.first = a->n_pieces, .type = OA__F32, .size = n * sizeof *v};
    m.floats = oa__alloc_array(a->mem, n, sizeof *v);
    if (m.floats == NULL) return OA_ENOMEM;
    memcpy(m.floats, v, m.size);
    int rc = add_made(a, &m);
    if (rc < 0) {
        oa__free(a->mem, m.floats);
        return rc;
    }
    return oa__gguf_writer_tensor(w, name, OA__F32, 1, (uint64_t[]){n});
}

/* --- making --------------------------------------------------------------------------------------
 */

static float load_elem(uint32_t type, const uint8_t *src)
{
    if (type == OA__F32) {
        float f;
        memcpy(&f, src, sizeof f);
        return f;
    }
    uint16_t h;
    memcpy(&h, src, sizeof h);
    return type == OA__F16 ? oa__f16_to_f32(h) : oa__bf16_to_f32(h);
}

/* n neighbouring elements. Returns where the next go. */
static uint8_t *put_elems(const made *m, const piece *p, const uint8_t *src, size_t n, uint8_t *dst)
{
    const uint32_t type = p->from->type;
    const size_t elem_size = type == OA__F32 ? 4 : 2;
    if (type == m->type && m->plus == 0) {
        memcpy(dst, src, n * elem_size);
        return dst + n * elem_size;
    }
    for (size_t i = 0; i < n; i++, dst += sizeof(float)) {
        const float f = load_elem(type, src + i * elem_size) + m->plus;
        memcpy(dst, &f, sizeof f);
    }
    return dst;
}

/* Blocks of 32 columns, so that every line of the source is read about once. */
static uint8_t *put_transposed(const made *m, const piece *p, uint8_t *dst)
{
    enum { BLOCK = 32 };
    const size_t n_rows = (size_t)p->n_c, n_cols = p->row_len;
    const size_t src_size = p->from->type == OA__F32 ? 4 : 2, dst_size = m->type == OA__F32 ? 4 : 2;
    for (size_t col0 = 0; col0 < n_cols; col0 += BLOCK) {
        const size_t end = n_cols - col0 < BLOCK ? n_cols : col0 + BLOCK;
        for (size_t row = 0; row < n_rows; row++) {
            for (size_t col = col0; col < end; col++) {
                put_elems(m, p, p->from->data + (row * n_cols + col) * src_size, 1,
                          dst + (col * n_rows + row) * dst_size);
            }
        }
    }
    return dst + n_rows * n_cols * dst_size;
}

static uint8_t *put_piece(const made *m, const piece *p, uint8_t *dst)
{
    if (p->transpose) return put_transposed(m, p, dst);
    const size_t row_size = p->row_len * (p->from->type == OA__F32 ? 4 : 2);
    const size_t n_b = (size_t)(p->b_end - p->b_begin), n_c = (size_t)p->n_c;
    for (size_t a = 0; a < p->n_a; a++) {
        const uint8_t *src =
            p->from->data + (a * (size_t)p->n_b + (size_t)p->b_begin) * n_c * row_size;
        if (!p->swap) {
            dst = put_elems(m, p, src, n_b * n_c * p->row_len, dst);
            continue;
        }
        for (size_t c = 0; c < n_c; c++) {
            for (size_t b = 0; b < n_b; b++)
                dst = put_elems(m, p, src + (b * n_c + c) * row_size, p->row_len, dst);
        }
    }
    return dst;
}

static int assembly_load(void *arg, size_t tensor, void *dst)
{
    const oa__assembly *a = arg;
    const made *m = &a->tensors[tensor];
    uint8_t *at = dst;
    if (m->floats != NULL) memcpy(dst, m->floats, m->size);
    for (size_t i = 0; i < m->n; i++)
        at = put_piece(m, &a->pieces[m->first + i], at);
    oa__assert(m->floats != NULL || at == (uint8_t *)dst + m->size);
    return OA_OK;
}

/* A tensor that is one as it is, and aligned. */
static const void *assembly_data(void *arg, size_t tensor)
{
    const oa__assembly *a = arg;
    const made *m = &a->tensors[tensor];
    if (m->floats != NULL) return m->floats;
    const piece *p = &a->pieces[m->first];
    const size_t elem_size = m->type == OA__F32 ? 4 : 2;
    if (m->n != 1 || p->from->type != m->type || m->plus != 0 || p->transpose || p->swap ||
        p->b_begin != 0 || p->b_end != p->n_b || (uintptr_t)p->from->data % elem_size != 0) {
        return NULL;
    }
    return p->from->data;
}

/* Parts are only asked of what lies in place: one piece. */
static void assembly_drop(void *arg, size_t tensor, size_t at, size_t size)
{
    const oa__assembly *a = arg;
    const made *m = &a->tensors[tensor];
    for (size_t i = 0; i < m->n; i++) {
        const oa__st_tensor *from = a->pieces[m->first + i].from;
        const bool part = at > 0 || size < m->size;
        oa__safetensors_drop(a->st, from, part ? at : 0, part ? size : from->size);
    }
}

static uint64_t assembly_hash(void *arg, uint64_t seed)
{
    return oa__safetensors_hash(((const oa__assembly *)arg)->st, seed);
}

static void assembly_free(void *arg)
{
    oa__assembly_free(arg);
}

int oa__assembly_finish(oa__assembly *a, const oa__gguf_writer *w, oa__gguf **out)
{
    const oa__gguf_source source = {
        .arg = a,
        .data = assembly_data,
        .load = assembly_load,
        .drop = assembly_drop,
        .hash = assembly_hash,
        .free = assembly_free,
        .file_size = oa__safetensors_file_size(a->st),
        .mapped = oa__safetensors_is_mapped(a->st),
    };
    oa__assert(a->n_tensors == oa__gguf_writer_tensor_count(w));
    return oa__gguf_writer_finish(w, out, &source);
}
