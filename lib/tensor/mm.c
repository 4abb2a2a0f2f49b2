/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of one input with several weights, over a pool.
 *
 * Work is split by groups of 16 rows: the groups of all jobs stand in one line, and a task takes a
 * stretch of it for all tokens. Inside a task, tokens go in blocks small enough that their
 * activations stay in the second-level cache while the stretch's rows pass by.
 *
 *   scratch   q (n_tokens, k) | d | ds | isum | isum16 | one OA__MM_SCRATCH per worker
 */
#include "tensor/tensor.h"

#include <string.h>

#define CACHE_SIZE (128u * 1024u) /* activations of a token block */
#define TASK_SIZE (64u * 1024u)   /* weight bytes of a task when there are few tokens */
#define TASK_GROUPS 8             /* row groups of a task when there are many */
#define MANY_TOKENS 8

typedef struct mm_plan {
    const oa__kern *kern;
    const oa__mm *jobs;
    size_t n_jobs;
    size_t n_groups; /* of all jobs */
    size_t n_tasks;
    const float *x;
    size_t x_stride, n_tokens;
    size_t n_tokens_job; /* most of a job */
    oa__acts acts;
    uint8_t *worker_scratch;
} mm_plan;

static size_t groups_of(const oa__mm *job)
{
    return (job->w->n_rows + OA__KERN_ROWS - 1) / OA__KERN_ROWS;
}

static size_t round64(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

static size_t place_acts(oa__acts *a, uint8_t *base, size_t n_cols, size_t n_tokens)
{
    const size_t nb = (n_cols + 31) / 32;
    size_t at = 0;
    a->k = n_cols;
    a->q = (int8_t *)(base + at), at += round64(n_tokens * nb * 32);
    a->d = (float *)(base + at), at += round64(n_tokens * nb * 4);
    a->ds = (float *)(base + at), at += round64(n_tokens * nb * 4);
    a->isum = (int32_t *)(base + at), at += round64(n_tokens * nb * 4);
    a->isum16 = (int32_t *)(base + at), at += round64(n_tokens * nb * 8);
    return at;
}

int oa__mm_scratch_size(size_t n_cols, size_t n_tokens, uint32_t n_workers, size_t *size)
{
    size_t per_token, acts, workers;
    /* 32 quants and 20 bytes of scales and sums per block, and what rounding to 64 adds */
    if (!oa__mul_size(n_cols / 32 + 1, 52, &per_token) ||
        !oa__mul_size(per_token, n_tokens, &acts) ||
        !oa__mul_size(OA__MM_SCRATCH, n_workers, &workers) || !oa__add_size(acts, workers, size) ||
        !oa__add_size(*size, 5 * 64, size))
        return oa__err(OA_ENOMEM, "scratch for %zu tokens of %zu columns is larger than memory",
                       n_tokens, n_cols);
    return OA_OK;
}

/* Quantise blocks of tokens. */
static void quantize_task(void *arg, size_t task, uint32_t worker)
{
    const mm_plan *p = arg;
    const size_t t = task * MANY_TOKENS, nb = p->acts.k / 32;
    const size_t n = p->n_tokens - t < MANY_TOKENS ? p->n_tokens - t : MANY_TOKENS;
    const oa__acts part = {
        p->acts.k,           p->acts.q + t * p->acts.k, p->acts.d + t * nb,
        p->acts.ds + t * nb, p->acts.isum + t * nb,     p->acts.isum16 + 2 * t * nb};
    (void)worker;
    p->kern->quantize(&part, p->x + t * p->x_stride, p->x_stride, n);
}

#ifdef OA_SHADOW_CHECK
/* Run the tier on pieces of one group and 16 tokens, and the C version beside it: the same bits,
 * or the process stops here. */
static void run_kernel(const mm_plan *p, const oa__mm_args *a, size_t begin, size_t end)
{
    const oa__kern *c = oa__kern_get(0);
    for (size_t g = begin; g < end; g++)
        for (size_t t = 0; t < a->n_tokens; t += 16) {
            float want[16][16], old[16][16] = {{0}};
            oa__acts acts = {0};
            oa__mm_args b = *a;
            const size_t rows = a->n_rows - 16 * g < 16 ? a->n_rows - 16 * g : 16;
            b.n_tokens = a->n_tokens - t < 16 ? a->n_tokens - t : 16;
            b.y += t * a->y_stride;
            if (a->x) b.x += t * a->x_stride;
            if (a->acts) {
                const size_t nb = a->k / 32;
                acts = (oa__acts){a->k,
                                  a->acts->q + t * a->k,
                                  a->acts->d + t * nb,
                                  a->acts->ds + t * nb,
                                  a->acts->isum + t * nb,
                                  a->acts->isum16 + 2 * t * nb};
                b.acts = &acts;
            }
            for (size_t i = 0; i < b.n_tokens; i++)
                memcpy(old[i], b.y + i * b.y_stride + 16 * g, rows * sizeof(float));
            p->kern->matmul[a->type](p->kern, &b, g, g + 1);
            oa__mm_args w = b;
            w.w = (const uint8_t *)a->w + g * oa__kern_group_size(a->type, a->k);
            w.n_rows = rows;
            w.y = want[0];
            w.y_stride = 16;
            w.add = false;
            c->matmul[a->type](c, &w, 0, 1);
            for (size_t i = 0; i < b.n_tokens; i++)
                for (size_t r = 0; r < rows; r++) {
                    const float got = b.y[i * b.y_stride + 16 * g + r];
                    const float exp = b.add ? old[i][r] + want[i][r] : want[i][r];
                    if (memcmp(&got, &exp, sizeof got) && !(got != got && exp != exp))
                        __builtin_trap();
                }
        }
}
#else
static void run_kernel(const mm_plan *p, const oa__mm_args *a, size_t begin, size_t end)
{
    p->kern->matmul[a->type](p->kern, a, begin, end);
}
#endif

/* Groups [begin, end) of one job, tokens in blocks. */
static void run_part(const mm_plan *p, const oa__mm *job, size_t begin, size_t end, void *scratch)
{
    const oa__weight *w = job->w;
    const oa__type_shape *s = oa__kern_shape(w->type);
    const bool quantised = s->sub != 0;
    const size_t token_size = w->n_cols * (quantised ? 1 : sizeof(float)), nb = w->n_cols / 32;
    size_t block = CACHE_SIZE / (token_size + 1) & ~(size_t)7;
    if (block < 8) block = 8;
    if (block > 256) block = 256;

    const size_t first = job->first;
    const size_t last = job->n_tokens > 0 ? first + job->n_tokens : p->n_tokens;
    for (size_t t = first; t < last; t += block) {
        const oa__acts acts = {
            w->n_cols,           p->acts.q + t * w->n_cols, p->acts.d + t * nb,
            p->acts.ds + t * nb, p->acts.isum + t * nb,     p->acts.isum16 + 2 * t * nb};
        const oa__mm_args a = {
            .w = w->data,
            .type = w->type,
            .n_rows = w->n_rows,
            .k = w->n_cols,
            .acts = quantised ? &acts : NULL,
            .x = p->x + t * p->x_stride,
            .x_stride = p->x_stride,
            .n_tokens = last - t < block ? last - t : block,
            .y = job->y + (t - first) * job->y_stride,
            .y_stride = job->y_stride,
            .add = job->add,
            .scratch = scratch,
        };
        run_kernel(p, &a, begin, end);
    }
}

static void mm_task(void *arg, size_t task, uint32_t worker)
{
    const mm_plan *p = arg;
    const size_t per = p->n_groups / p->n_tasks, rest = p->n_groups % p->n_tasks;
    const size_t begin = task * per + (task < rest ? task : rest);
    const size_t end = begin + per + (task < rest);

    for (size_t j = 0, at = 0, next; at < end; j++, at = next) {
        next = at + groups_of(&p->jobs[j]);
        const size_t lo = begin > at ? begin : at;
        const size_t hi = end < next ? end : next;
        if (lo < hi)
            run_part(p, &p->jobs[j], lo - at, hi - at,
                     p->worker_scratch + (size_t)worker * OA__MM_SCRATCH);
    }
}

/* How many tasks: a multiple of the workers, so that they end together. */
static size_t plan_tasks(const mm_plan *p, size_t n_workers, size_t weight_bytes)
{
    const size_t total = p->n_groups;
    size_t rounds = p->n_tokens_job >= MANY_TOKENS
                        ? (total + n_workers * TASK_GROUPS - 1) / (n_workers * TASK_GROUPS)
                        : weight_bytes / (n_workers * TASK_SIZE);
    if (p->n_tokens_job < MANY_TOKENS && rounds > 4) rounds = 4;
    if (rounds < 1) rounds = 1;
    return rounds * n_workers < total ? rounds * n_workers : total;
}

void oa__mm_run(const oa__kern *kern, oa__pool *pool, const oa__mm *jobs, size_t n_jobs,
                const float *x, size_t x_stride, size_t n_tokens, void *scratch)
{
    mm_plan p = {.kern = kern,
                 .jobs = jobs,
                 .n_jobs = n_jobs,
                 .x = x,
                 .x_stride = x_stride,
                 .n_tokens = n_tokens};
    const size_t n_workers = pool ? oa__pool_size(pool) : 1;
    size_t weight_bytes = 0;
    bool quantised = false;

    if (n_jobs == 0 || n_tokens == 0) return;
    for (size_t j = 0; j < n_jobs; j++) {
        const oa__weight *w = jobs[j].w;
        const oa__type_shape *s = oa__kern_shape(w->type);
        oa__assert(w->n_cols == jobs[0].w->n_cols);
        const size_t n = jobs[j].n_tokens > 0 ? jobs[j].n_tokens : n_tokens;
        oa__assert(jobs[j].first + n <= n_tokens);
        if (n > p.n_tokens_job) p.n_tokens_job = n;
        p.n_groups += groups_of(&jobs[j]);
        weight_bytes += w->n_cols / s->block * s->size * w->n_rows;
        quantised = quantised || s->sub != 0;
    }
    p.worker_scratch =
        (uint8_t *)scratch + place_acts(&p.acts, scratch, jobs[0].w->n_cols, n_tokens);
    if (quantised) {
        const size_t n = (n_tokens + MANY_TOKENS - 1) / MANY_TOKENS;
        if (n == 1)
            quantize_task(&p, 0, 0);
        else
            oa__pool_run(pool, quantize_task, &p, n);
    }
    if (p.n_groups == 0) return;
    p.n_tasks = plan_tasks(&p, n_workers, weight_bytes);
    if (p.n_tasks == 1)
        mm_task(&p, 0, 0);
    else
        oa__pool_run(pool, mm_task, &p, p.n_tasks);
}
