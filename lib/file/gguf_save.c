/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF: writing a file. The header is read back before the first tensor is asked for, so that what
 * cannot be opened again is not written.
 */
#include "file/gguf_priv.h"

enum { SLICE_SIZE = 4 << 20 };

static const void *no_data(void *arg, size_t tensor)
{
    return NULL;
}

static int write_tensor(oa__file_out *f, const uint8_t *data, size_t size, oa__progress *progress,
                        uint64_t done)
{
    for (size_t at = 0; at < size; at += SLICE_SIZE) {
        const size_t left = size - at;
        OA__TRY(oa__file_out_write(f, data + at, left < SLICE_SIZE ? left : SLICE_SIZE));
        OA__TRY(oa__progress_poll(progress, done + at));
    }
    return OA_OK;
}

static int pad(oa__file_out *f, size_t n)
{
    static const uint8_t zero[64];
    for (; n > 0; n -= n < sizeof zero ? n : sizeof zero)
        OA__TRY(oa__file_out_write(f, zero, n < sizeof zero ? n : sizeof zero));
    return OA_OK;
}

int oa__gguf_writer_save(const oa__gguf_writer *w, const char *path, oa__gguf_give_fn give,
                         void *arg, oa__progress *progress)
{
    const oa__gguf_source source = {.data = no_data};
    oa__progress silent = {0};
    oa__file_out *f = NULL;
    oa__gguf *g;
    uint64_t done = 0;
    int rc;
    if (progress == NULL) progress = &silent;
    OA__TRY(oa__gguf_writer_finish(w, &g, &source));
    progress->total = 0;
    for (size_t i = 0; i < g->n_tensors; i++)
        progress->total += g->tensors[i].stored;
    OA__TRY_GOTO(oa__file_out_open(&f, oa__gguf_writer_mem(w), path));
    OA__TRY_GOTO(oa__file_out_write(f, g->data, g->size));
    size_t at = g->size;
    for (size_t i = 0; i < g->n_tensors; i++) {
        const oa__gguf_tensor *t = &g->tensors[i];
        const void *data = NULL;
        OA__TRY_GOTO(oa__progress_poll(progress, done));
        OA__TRY_GOTO(give(arg, i, done, &data));
        OA__TRY_GOTO(pad(f, t->offset - at));
        OA__TRY_GOTO(write_tensor(f, data, t->stored, progress, done));
        at = t->offset + t->stored;
        done += t->stored;
    }
    OA__TRY_GOTO(pad(f, (g->alignment - at % g->alignment) % g->alignment));
    OA__TRY_GOTO(oa__progress_poll(progress, done));
    rc = oa__file_out_commit(f);
    f = NULL;
fail:
    oa__file_out_abandon(f);
    oa__gguf_free(g);
    return rc;
}
