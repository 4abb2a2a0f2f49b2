/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF: the tensors' bytes, in the file or from a source, and what the file is as a whole.
 */
#include "file/gguf_priv.h"

#include <string.h>

enum { N_SAMPLES = 64, SAMPLE_SIZE = 64 };

static bool is_virtual(const oa__gguf *g)
{
    return g->source.data != NULL;
}

int oa__gguf_writer_finish(const oa__gguf_writer *w, oa__gguf **out, const oa__gguf_source *source)
{
    *out = NULL;
    oa__gguf *g;
    int rc;
    OA__TRY(oa__gguf_new(&g, oa__gguf_writer_mem(w)));
    OA__TRY_GOTO(oa__gguf_writer_header(w, &g->made));
    g->data = (const uint8_t *)g->made.data;
    g->size = g->made.len;
    OA__TRY_GOTO(oa__gguf_parse(g, true));
    for (size_t i = 0; i < g->n_tensors; i++) {
        g->tensors[i].data = source->data(source->arg, i);
        g->tensors[i].there = true;
    }
    g->source = *source;
    *out = g;
    return OA_OK;
fail:
    oa__gguf_free(g);
    return rc;
}

uint64_t oa__gguf_file_size(const oa__gguf *g)
{
    return is_virtual(g) ? g->source.file_size : g->size;
}

bool oa__gguf_is_mapped(const oa__gguf *g)
{
    return is_virtual(g) ? g->source.mapped : g->map.data != NULL && g->map.mapped;
}

uint64_t oa__gguf_sample(uint64_t seed, const uint8_t *data, uint64_t size)
{
    uint64_t h = oa__fnv1a(seed, &size, sizeof size);
    for (uint64_t i = 0; i < N_SAMPLES; i++) {
        const uint64_t at = size / N_SAMPLES * i, left = size - at;
        h = oa__fnv1a(h, data + at, (size_t)(left < SAMPLE_SIZE ? left : SAMPLE_SIZE));
    }
    return h;
}

const void *oa__gguf_header(const oa__gguf *g, size_t *size)
{
    *size = g->data_at < g->size ? g->data_at : g->size;
    return g->data;
}

void oa__gguf_header_drop(const oa__gguf *g)
{
    if (!is_virtual(g)) oa__map_drop(&g->map, 0, g->data_at);
}

uint64_t oa__gguf_fingerprint(const oa__gguf *g)
{
    size_t size;
    const void *header = oa__gguf_header(g, &size);
    const uint64_t h = oa__fnv1a(OA__FNV_BASIS, header, size);
    if (is_virtual(g)) return g->source.hash(g->source.arg, h);
    return oa__gguf_sample(h, g->data + size, g->size - size);
}

/* The rows of packed matrices. */
static void unpack(const oa__gguf_tensor *t, uint8_t *dst)
{
    const size_t n_rows = (size_t)t->dims[1], n = (size_t)(t->dims[2] * t->dims[3]);
    const size_t row_size = t->size / n / n_rows, matrix = t->stored / n;
    oa__weight w = {.type = t->type, .n_rows = n_rows, .n_cols = (size_t)t->dims[0]};
    for (size_t i = 0; i < n; i++) {
        w.data = (const uint8_t *)t->groups + i * matrix;
        for (size_t r = 0; r < n_rows; r++, dst += row_size)
            oa__weight_row(&w, r, dst);
    }
}

int oa__gguf_tensor_load(const oa__gguf *g, const oa__gguf_tensor *t, void *dst)
{
    if (t->groups != NULL) {
        unpack(t, dst);
        return OA_OK;
    }
    if (t->data != NULL) {
        memcpy(dst, t->data, t->size);
        return OA_OK;
    }
    if (!is_virtual(g) || g->source.load == NULL) {
        return oa__err(OA_EFORMAT, "file ends before tensor %s does", t->name);
    }
    return g->source.load(g->source.arg, (size_t)(t - g->tensors), dst);
}

void oa__gguf_tensor_drop_part(const oa__gguf *g, const oa__gguf_tensor *t, size_t at, size_t size)
{
    if (!is_virtual(g)) {
        if (t->there) oa__map_drop(&g->map, t->offset + at, size);
    } else if (g->source.drop != NULL) {
        g->source.drop(g->source.arg, (size_t)(t - g->tensors), at, size);
    }
}

void oa__gguf_tensor_drop(const oa__gguf *g, const oa__gguf_tensor *t)
{
    oa__gguf_tensor_drop_part(g, t, 0, t->stored);
}
