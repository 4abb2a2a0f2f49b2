/* SPDX-License-Identifier: Apache-2.0 */
/* Weights as the kernels want them; the layouts are drawn in kern.h. */
#include "tensor/tensor.h"

static size_t n_groups(size_t n_rows)
{
    return n_rows / OA__KERN_ROWS + (n_rows % OA__KERN_ROWS != 0);
}

int oa__weight_size(uint32_t type, size_t n_rows, size_t n_cols, size_t *size)
{
    size_t row_size, group_size;
    *size = 0;
    OA__TRY(oa__type_row_size(type, n_cols, &row_size));
    /* A packed group has its rows' bytes. */
    if (!oa__mul_size(row_size, OA__KERN_ROWS, &group_size) ||
        !oa__mul_size(group_size, n_groups(n_rows), size))
        return oa__err(OA_EFORMAT, "weight of %zu rows, %zu columns is larger than memory", n_rows,
                       n_cols);
    return OA_OK;
}

/* Bytes between looks at the progress: a few milliseconds, more from a slow disk. */
#define SLICE_SIZE ((size_t)4 << 20)

typedef struct pack_job {
    const oa__weight *w;
    const void *src;
    uint8_t *dst;
    size_t row_size;
    size_t n_groups, per_task;
    size_t first; /* group of task 0 */
} pack_job;

static void pack_task(void *arg, size_t task, uint32_t worker)
{
    const pack_job *j = arg;
    const oa__weight *w = j->w;
    const size_t begin = j->first + task * j->per_task;
    const size_t end = begin + j->per_task < j->n_groups ? begin + j->per_task : j->n_groups;
    (void)worker;
    for (size_t g = begin; g < end; g++)
        oa__kern_pack(w->type, j->dst + g * oa__kern_group_size(w->type, w->n_cols), j->src,
                      j->row_size, w->n_rows, w->n_cols, g);
}

int oa__weight_load(oa__weight *w, oa__mem *mem, oa__pool *pool, uint32_t type, size_t n_rows,
                    size_t n_cols, const oa__weight_from *from)
{
    size_t size;
    pack_job j = {.w = w, .src = from->rows, .n_groups = n_groups(n_rows), .per_task = 8};

    OA__TRY(oa__type_row_size(type, n_cols, &j.row_size));
    OA__TRY(oa__weight_size(type, n_rows, n_cols, &size));
    w->type = type;
    w->n_rows = n_rows;
    w->n_cols = n_cols;
    j.dst = from->room;
    if (!j.dst) j.dst = w->owned = oa__alloc(mem, size);
    if (!j.dst) return OA_ENOMEM;
    w->data = j.dst;
    const size_t group_size = j.row_size * OA__KERN_ROWS;
    const size_t n_tasks = SLICE_SIZE / (group_size + 1) / j.per_task + 1;
    while (j.first < j.n_groups) {
        const size_t left = (j.n_groups - j.first + j.per_task - 1) / j.per_task;
        const size_t n = left < n_tasks ? left : n_tasks, begin = j.first * group_size;
        OA__TRY(oa__progress_poll(from->progress, from->done + begin));
        oa__pool_run(pool, pack_task, &j, n);
        j.first += n * j.per_task;
        const size_t end = j.first < j.n_groups ? j.first * group_size : n_rows * j.row_size;
        if (from->used) from->used(from->arg, begin, end - begin);
    }
    return OA_OK;
}

void oa__weight_row(const oa__weight *w, size_t row, void *dst)
{
    const size_t group_size = oa__kern_group_size(w->type, w->n_cols);
    const uint8_t *group = (const uint8_t *)w->data + row / OA__KERN_ROWS * group_size;
    oa__kern_unpack_row(w->type, dst, group, w->n_cols, row % OA__KERN_ROWS);
}

void oa__weight_unload(oa__weight *w, oa__mem *mem)
{
    if (!w) return;
    oa__free(mem, w->owned);
    *w = (oa__weight){0};
}
