/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over one model: open it, the walls, and then each quantity once. */
#include <stdlib.h>

#include "bench.h"

static void put(bench_series *s, double v)
{
    s->v[s->n++] = v;
}

/* Any tokens do; these are spread over the vocabulary. */
static int32_t *make_ids(const bench_model *m, uint32_t n, uint32_t seed)
{
    int32_t *ids = calloc(n, sizeof(*ids));
    uint32_t x = seed;
    for (uint32_t i = 0; ids && i < n; i++) {
        x = x * 1664525u + 1013904223u;
        ids[i] = (int32_t)((x >> 8) % m->n_vocab);
    }
    return ids;
}

static int new_session(oa_session **out, const bench *b, oa_model *model, uint32_t n_ctx)
{
    oa_session_opts opts = OA_SESSION_OPTS_INIT;
    /* The speed of the model, not of guessing. */
    opts.flags = OA_SESSION_NO_SHARING | OA_SESSION_NO_DRAFT;
    opts.n_ctx = b->args->n_ctx > n_ctx ? b->args->n_ctx : n_ctx;
    opts.kv_type = b->kv_type;
    opts.progress_fn = ui_progress;
    return oa_session_new(out, model, &opts);
}

/* Read a prompt of n tokens into a new session and have the logits behind it. */
static int read_prompt(oa_session **out, const bench *b, const bench_model *m, oa_model *model,
                       uint32_t n, uint32_t n_more, double *seconds)
{
    const float *logits;
    int32_t *ids = make_ids(m, n, n);
    int rc = ids ? new_session(out, b, model, n + n_more) : OA_ENOMEM;
    double start = ui_now();
    if (rc == OA_OK) rc = oa_session_append(*out, ids, n);
    if (rc == OA_OK) rc = oa_session_get_logits(*out, &logits, NULL);
    *seconds = ui_now() - start;
    free(ids);
    return rc;
}

static int measure_prompt(const bench *b, bench_model *m, oa_model *model)
{
    oa_session *session = NULL;
    const float *logits;
    int32_t id;
    double took;
    int rc = read_prompt(&session, b, m, model, b->n_prompt, b->n_tokens + 1, &took);
    double start = ui_now();
    /* A step leaves its token to be computed later; asking for the logits at the end makes it
     * n_tokens computed tokens for n_tokens steps. */
    for (uint32_t i = 0; rc == OA_OK && i < b->n_tokens; i++)
        rc = oa_session_step(session, NULL, &id);
    if (rc == OA_OK) rc = oa_session_get_logits(session, &logits, NULL);
    if (rc == OA_OK) {
        put(&m->ours[BENCH_PROMPT], b->n_prompt / took);
        put(&m->ours[BENCH_TOKEN], b->n_tokens / (ui_now() - start));
    }
    oa_session_free(session);
    return rc;
}

static int measure_long(const bench *b, bench_model *m, oa_model *model)
{
    oa_session *session = NULL;
    double took;
    int rc = read_prompt(&session, b, m, model, m->n_long, 1, &took);
    if (rc == OA_OK) put(&m->ours[BENCH_LONG], m->n_long / took);
    oa_session_free(session);
    return rc;
}

static int step_all(oa_step *steps, uint32_t n)
{
    int rc = oa_session_step_many(steps, n, sizeof(*steps));
    for (uint32_t i = 0; rc == OA_OK && i < n; i++) {
        rc = steps[i].status;
        steps[i].ids = NULL;
        steps[i].n_ids = 0;
    }
    return rc;
}

/* Sessions that have nothing in common, a step of all of them at a time. */
static int measure_batch(const bench *b, bench_model *m, oa_model *model, uint32_t n,
                         bench_series *s)
{
    oa_step *steps = calloc(n, sizeof(*steps));
    int32_t *ids = make_ids(m, n * BENCH_BATCH_PROMPT, n);
    int rc = steps && ids ? OA_OK : OA_ENOMEM;
    for (uint32_t i = 0; rc == OA_OK && i < n; i++) {
        steps[i].ids = ids + i * BENCH_BATCH_PROMPT;
        steps[i].n_ids = BENCH_BATCH_PROMPT;
        rc = new_session(&steps[i].session, b, model, BENCH_BATCH_PROMPT + b->n_tokens + 1);
    }
    /* The first step reads the prompts; each later one computes the token that the one before it
     * picked. */
    if (rc == OA_OK) rc = step_all(steps, n);
    double start = ui_now();
    for (uint32_t i = 0; rc == OA_OK && i < b->n_tokens; i++)
        rc = ui_stop_wanted() ? OA_ECANCELLED : step_all(steps, n);
    if (rc == OA_OK) put(s, (double)n * b->n_tokens / (ui_now() - start));
    for (uint32_t i = 0; steps && i < n; i++)
        oa_session_free(steps[i].session);
    free(steps);
    free(ids);
    return rc;
}

static int measure_peaks(bench_model *m, oa_model *model)
{
    m->peaks = (oa_peaks)OA_PEAKS_INIT;
    int rc = oa_measure_peaks(model, &m->peaks, ui_progress, NULL);
    if (rc < 0) return rc;
    put(&m->ours[BENCH_READ], m->peaks.read_gbs);
    put(&m->ours[BENCH_INT8], m->peaks.int8_gops);
    put(&m->ours[BENCH_FP32], m->peaks.fp32_gflops);
    return OA_OK;
}

/* Open the model until a session could begin, and until there is a first token. */
static int measure_load(const bench *b, bench_model *m, oa_model **model)
{
    oa_session *session = NULL;
    oa_model_opts opts;
    double took;
    if (load_model_opts(b->args, 0, &opts) != CLI_OK) return OA_EINVAL;
    opts.log_fn = NULL; /* all was said when it was opened before the passes */
    double start = ui_now();
    int rc = oa_model_open(model, m->name, &opts);
    double ready = ui_now();
    if (rc == OA_OK) rc = read_prompt(&session, b, m, *model, 1, 1, &took);
    if (rc == OA_OK) {
        put(&m->ours[BENCH_LOAD], (ready - start) * 1e3);
        put(&m->ours[BENCH_FIRST], (ui_now() - start) * 1e3);
    }
    oa_session_free(session);
    return rc;
}

int bench_measure(const bench *b, bench_model *m)
{
    oa_model *model = NULL;
    int rc = measure_load(b, m, &model);
    if (rc == OA_OK) rc = measure_peaks(m, model);
    if (rc == OA_OK) rc = measure_prompt(b, m, model);
    for (size_t i = 0; rc == OA_OK && i < b->n_batches; i++)
        rc = measure_batch(b, m, model, b->batches[i], &m->ours[BENCH_BATCH + i]);
    if (rc == OA_OK && m->n_long) rc = measure_long(b, m, model);
    oa_model_free(model);
    return rc;
}
