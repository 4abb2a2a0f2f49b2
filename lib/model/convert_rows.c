/* SPDX-License-Identifier: Apache-2.0 */
/* One tensor from type to type: rows are handed out to the pool in slices of a few milliseconds. */
#include "model/convert_priv.h"

#include <stdatomic.h>
#include <stdio.h>

enum { SLICE_LEN = 1 << 18 }; /* elements per worker between two looks at the progress */

typedef struct work {
    const oa__convert_rows *r;
    size_t src_size, dst_size; /* of a row */
    float *rows;               /* (n_workers, n) */
    unsigned cpu_flags;
    size_t first;           /* row of task 0 */
    _Atomic size_t bad_row; /* the lowest that could not be quantised */
} work;

static int convert_row(work *w, size_t row, float *x)
{
    const oa__convert_rows *r = w->r;
    oa__row_dequant(r->src_type, (const uint8_t *)r->src + row * w->src_size, x, r->n);
    if (r->delta != NULL) oa__delta_add(r->delta, row, x);
    return oa__row_quantize(w->cpu_flags, r->dst_type, x, (uint8_t *)r->dst + row * w->dst_size,
                            r->n, NULL);
}

static void row_task(void *arg, size_t task, uint32_t worker)
{
    work *w = arg;
    const size_t row = w->first + task;
    if (convert_row(w, row, w->rows + (size_t)worker * w->r->n) == OA_OK) return;
    size_t lowest = atomic_load(&w->bad_row);
    while (row < lowest && !atomic_compare_exchange_weak(&w->bad_row, &lowest, row))
        ;
}

/* The reason was said on the thread that met it; say it again here. */
static int name_reason(work *w)
{
    char text[256];
    const size_t row = atomic_load(&w->bad_row);
    const int rc = convert_row(w, row, w->rows);
    snprintf(text, sizeof text, "%s", oa_error_last());
    return oa__err(rc, "tensor %s, row %zu: %s", w->r->name, row, text);
}

int oa__convert_rows_run(const oa__convert_rows *r, oa__mem *mem, oa__pool *pool,
                         unsigned cpu_flags, oa__progress *progress, uint64_t begun)
{
    const uint32_t n_workers = oa__pool_size(pool);
    work w = {.r = r, .cpu_flags = cpu_flags};
    int rc = OA_OK;
    size_t n;
    atomic_init(&w.bad_row, SIZE_MAX);
    OA__TRY(oa__type_row_size(r->src_type, r->n, &w.src_size));
    OA__TRY(oa__type_row_size(r->dst_type, r->n, &w.dst_size));
    if (!oa__mul_size(r->n, n_workers, &n)) return oa__err_nomem(SIZE_MAX);
    w.rows = oa__alloc_array(mem, n, sizeof *w.rows);
    if (w.rows == NULL) return OA_ENOMEM;

    size_t slice = r->n > 0 ? (size_t)SLICE_LEN / r->n * n_workers : r->n_rows;
    if (slice < n_workers) slice = n_workers;
    for (w.first = 0; w.first < r->n_rows; w.first += slice) {
        const size_t left = r->n_rows - w.first;
        oa__pool_run(pool, row_task, &w, left < slice ? left : slice);
        if (atomic_load(&w.bad_row) != SIZE_MAX) {
            rc = name_reason(&w);
            break;
        }
        rc = oa__progress_poll(progress, begun + w.first * w.dst_size);
        if (rc < 0) break;
    }
    oa__free(mem, w.rows);
    return rc;
}
