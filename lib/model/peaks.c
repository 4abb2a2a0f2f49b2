/* SPDX-License-Identifier: Apache-2.0 */
/* The walls of the machine, measured with a model's own threads and kernels. */
#include <openassistant/experimental.h>

#include "kern/kern.h"
#include "model/model_priv.h"

#define READ_SIZE ((size_t)128 << 20) /* well beyond the caches, so that memory is what is read */
#define READ_TASK ((size_t)1 << 20)
#define N_TRIES 3
#define CALC_NS 5000000u /* least length of one task */

typedef struct peak_job {
    const oa__kern *kern;
    const uint8_t *data;
    uint64_t (*calc)(uint64_t n);
    uint64_t n;
    _Atomic uint64_t done; /* multiply-adds; or what depends on the bytes that were read */
} peak_job;

static void read_task(void *arg, size_t task, uint32_t worker)
{
    peak_job *job = arg;
    (void)worker;
    atomic_fetch_add(&job->done, job->kern->peak_read(job->data + task * READ_TASK, READ_TASK));
}

static void calc_task(void *arg, size_t task, uint32_t worker)
{
    peak_job *job = arg;
    (void)task, (void)worker;
    atomic_fetch_add(&job->done, job->calc(job->n));
}

static int measure_read(const oa_model *m, uint8_t *data, oa__progress *progress, double *gbs)
{
    peak_job job = {.kern = m->kern, .data = data};
    for (unsigned i = 0; i <= N_TRIES; i++) {
        OA__TRY(oa__progress_poll(progress, i));
        uint64_t start = oa__clock_ns();
        oa__pool_run(m->pool, read_task, &job, READ_SIZE / READ_TASK);
        uint64_t took = oa__clock_ns() - start;
        double speed = (double)READ_SIZE / (double)(took ? took : 1);
        if (i && speed > *gbs) *gbs = speed; /* the first try wakes the threads */
    }
    return OA_OK;
}

/* Operations, of which a multiply-add is two. */
static int measure_calc(const oa_model *m, uint64_t (*calc)(uint64_t n), oa__progress *progress,
                        uint64_t *step, double *gops)
{
    /* Several tasks per thread, so that one that is interrupted does not hold up the rest. */
    size_t n_tasks = (size_t)m->n_threads * 4;
    peak_job job = {.calc = calc, .n = 1 << 12};
    uint64_t took = 0;
    /* Twice long enough in a row: one alone could have been an interruption. */
    for (unsigned n_long = 0; n_long < 2 && job.n < (uint64_t)1 << 40;) {
        uint64_t start = oa__clock_ns();
        calc_task(&job, 0, 0);
        took = oa__clock_ns() - start;
        n_long = took >= CALC_NS ? n_long + 1 : 0;
        if (!n_long) job.n *= 2;
    }
    for (unsigned i = 0; i < N_TRIES; i++) {
        OA__TRY(oa__progress_poll(progress, ++*step));
        atomic_store(&job.done, 0);
        uint64_t start = oa__clock_ns();
        oa__pool_run(m->pool, calc_task, &job, n_tasks);
        took = oa__clock_ns() - start;
        double speed = 2 * (double)atomic_load(&job.done) / (double)(took ? took : 1);
        if (speed > *gops) *gops = speed;
    }
    return OA_OK;
}

typedef struct work_count {
    uint64_t bytes, macs, float_macs;
} work_count;

static int count_matrices(const oa__weight *mats, size_t n, work_count *c)
{
    for (size_t k = 0; k < n; k++) {
        size_t row_size;
        if (!mats[k].data) continue;
        OA__TRY(oa__type_row_size(mats[k].type, mats[k].n_cols, &row_size));
        const uint64_t macs = (uint64_t)mats[k].n_rows * mats[k].n_cols;
        c->bytes += (uint64_t)mats[k].n_rows * row_size;
        c->macs += macs;
        if (!oa__type_get(mats[k].type)->quantised) c->float_macs += macs;
    }
    return OA_OK;
}

/* Count the weights that one token meets: all matrices, once; of experts as many as it uses. */
static int count_work(const oa_model *m, oa_peaks *peaks)
{
    work_count c = {0};
    for (uint32_t i = 0; i < m->hp.n_layers; i++) {
        const oa__layer *l = &m->layers[i];
        OA__TRY(count_matrices(l->mats, OA__N_LAYER_MATS, &c));
        for (size_t k = 0; l->experts && k < OA__N_EXPERT_MATS; k++)
            OA__TRY(count_matrices(l->experts + k * m->hp.experts.n, m->hp.experts.n_used, &c));
    }
    peaks->prompt_macs = c.macs;
    peaks->prompt_float_macs = c.float_macs;
    OA__TRY(count_matrices(m->mats, OA__N_MODEL_MATS, &c));
    peaks->token_bytes = c.bytes;
    peaks->token_macs = c.macs;
    peaks->token_float_macs = c.float_macs;
    return OA_OK;
}

int oa_measure_peaks(oa_model *model, oa_peaks *peaks, oa_progress_fn progress_fn, void *user)
{
    if (!model || !peaks) return oa__err(OA_EINVAL, "model or peaks is NULL");
    if (!model->has_weights)
        return oa__err(OA_EINVAL, "the model was opened without weights, want them loaded");
    oa_peaks full = OA_PEAKS_INIT;
    oa__progress progress = {
        .fn = progress_fn, .user = user, .what = "peaks", .total = 3 * N_TRIES + 1};
    const size_t first_size = offsetof(oa_peaks, fp32_gflops);
    uint64_t step = N_TRIES;
    OA__TRY(oa__opts_write(peaks, &full, sizeof(full), first_size));
    OA__TRY(count_work(model, &full));
    uint8_t *data = oa__alloc(&model->mem, READ_SIZE);
    if (!data) return OA_ENOMEM;
    oa__mem_huge(data, READ_SIZE); /* as the weights lie */
    /* Pages that were never written could all be the one page of zeros. */
    for (size_t i = 0; i < READ_SIZE; i += 4096)
        data[i] = (uint8_t)(i >> 12);
    int rc = measure_read(model, data, &progress, &full.read_gbs);
    oa__free(&model->mem, data);
    OA__TRY(rc);
    OA__TRY(measure_calc(model, model->kern->peak_int8, &progress, &step, &full.int8_gops));
    OA__TRY(measure_calc(model, model->kern->peak_fp32, &progress, &step, &full.fp32_gflops));
    OA__TRY(oa__progress_poll(&progress, progress.total));
    return oa__opts_write(peaks, &full, sizeof(full), first_size);
}
