/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Perplexity of a text, window by window.
 *
 * The negative log-likelihood of a token is log(sum of exp(l_i - max)) + max - l, with exp of
 * kern.h over ascending i, summed in double. Rows of logits are worked on by several threads, each
 * alone; their results are added in the order of the text.
 */
#include "eval/eval.h"

#include <math.h>
#include <string.h>

#include "base/base.h"
#include "kern/kern.h"
#include "model/model.h"
#include "session/session.h"

enum { DEFAULT_CTX = 512, SLICE = 64, MIN_TOKENS = 3 };

typedef struct run {
    oa_model *model;
    oa__mem *mem;
    oa_perplexity_opts opts;
    oa_perplexity_result result;
    oa_session *session;
    oa__pool *pool;
    int32_t *ids, *window; /* the text; the window at hand */
    size_t n_vocab;
    bool bos;
    int32_t bos_id;
    float *logits; /* (SLICE, n_vocab) */
    double nll[SLICE];
    const int32_t *targets; /* of the slice at hand */
    double sum, sum_squares;
    uint64_t done, total; /* tokens */
} run;

static int report(run *r, uint64_t done)
{
    if (r->opts.progress_fn == NULL) return 0;
    return r->opts.progress_fn("perplexity", done, r->total, r->opts.progress_user);
}

/* The session tells of its own call; the whole is more. */
static int on_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    run *r = user;
    return report(r, r->done + done);
}

static void score_task(void *arg, size_t task, uint32_t worker)
{
    run *r = arg;
    const float *l = r->logits + task * r->n_vocab;
    float top = l[0];
    double sum = 0;
    for (size_t i = 1; i < r->n_vocab; i++)
        top = l[i] > top ? l[i] : top;
    for (size_t i = 0; i < r->n_vocab; i++)
        sum += (double)oa__kern_expf(l[i] - top);
    r->nll[task] = oa__math_log(sum) + ((double)top - (double)l[r->targets[task]]);
}

/* Score n tokens whose predecessors' logits lie in r->logits. */
static int score(run *r, const int32_t *targets, size_t n)
{
    r->targets = targets;
    oa__pool_run(r->pool, score_task, r, n);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(r->nll[i]))
            return oa__err(OA_EFORMAT, "the model's logits for token %llu are no numbers",
                           (unsigned long long)r->result.n_scored + i);
        r->sum += r->nll[i];
        r->sum_squares += r->nll[i] * r->nll[i];
    }
    r->result.n_scored += n;
    return OA_OK;
}

/* Logits after each of n (at most SLICE) tokens. */
static int compute(run *r, const int32_t *ids, size_t n)
{
    if (!(r->opts.flags & OA_PERPLEXITY_STEPS))
        return oa_session_append_logits(r->session, ids, n, r->logits, n * r->n_vocab);
    for (size_t i = 0; i < n; i++) {
        const float *l;
        size_t len;
        OA__TRY(oa_session_append(r->session, ids + i, 1));
        OA__TRY(oa_session_get_logits(r->session, &l, &len));
        memcpy(r->logits + i * r->n_vocab, l, r->n_vocab * sizeof *l);
    }
    return OA_OK;
}

static int append(run *r, const int32_t *ids, size_t n)
{
    if (!(r->opts.flags & OA_PERPLEXITY_STEPS)) return oa_session_append(r->session, ids, n);
    for (size_t i = 0; i < n; i++)
        OA__TRY(oa_session_append(r->session, ids + i, 1));
    return OA_OK;
}

/* One window: its tokens from `first` (at least 1) on are scored. The last is only a target. */
static int do_window(run *r, const int32_t *ids, size_t n, size_t first)
{
    const uint64_t begun = r->done;
    OA__TRY(oa_session_truncate(r->session, 0));
    OA__TRY(append(r, ids, first - 1));
    for (size_t at = first - 1; at < n - 1; at += SLICE) {
        const size_t k = n - 1 - at < SLICE ? n - 1 - at : SLICE;
        r->done = begun + at;
        OA__TRY(compute(r, ids + at, k));
        OA__TRY(score(r, ids + at + 1, k));
    }
    r->done = begun + n;
    r->result.n_windows++;
    if (report(r, r->done)) return oa__err(OA_ECANCELLED, "cancelled");
    return OA_OK;
}

static size_t count(size_t n_windows, uint32_t most)
{
    return most > 0 && n_windows > most ? most : n_windows;
}

static int side_by_side(run *r, size_t n_ids)
{
    const size_t n = r->result.n_ctx, n_windows = count(n_ids / n, r->opts.max_windows);
    r->total = (uint64_t)n_windows * n;
    if (report(r, 0)) return oa__err(OA_ECANCELLED, "cancelled");
    for (size_t i = 0; i < n_windows; i++) {
        memcpy(r->window, r->ids + i * n, n * sizeof *r->window);
        if (r->bos) r->window[0] = r->bos_id;
        OA__TRY(do_window(r, r->window, n, n / 2 + 1));
    }
    return OA_OK;
}

static int strided(run *r, size_t n_ids)
{
    const size_t n = r->result.n_ctx, stride = r->result.stride;
    size_t n_windows = n_ids <= n ? 1 : (n_ids - n + stride - 1) / stride + 1;
    n_windows = count(n_windows, r->opts.max_windows);
    for (size_t i = 0; i < n_windows; i++)
        r->total += n_ids - i * stride < n ? n_ids - i * stride : n;
    if (report(r, 0)) return oa__err(OA_ECANCELLED, "cancelled");
    size_t reached = 0; /* tokens that were scored or begin the text */
    for (size_t i = 0; i < n_windows; i++) {
        const size_t begin = i * stride, len = n_ids - begin < n ? n_ids - begin : n;
        const size_t first = reached > begin ? reached - begin : 1;
        OA__TRY(do_window(r, r->ids + begin, len, first));
        reached = begin + len;
    }
    return OA_OK;
}

static int read_opts(run *r, const oa_perplexity_opts *opts)
{
    oa_perplexity_opts *o = &r->opts;
    OA__TRY(oa__opts_read(o, sizeof *o, sizeof *o, opts));
    if (o->flags & ~(uint32_t)OA_PERPLEXITY_STEPS)
        return oa__err(OA_EINVAL, "perplexity options: unknown flags 0x%x", o->flags);
    if (o->n_ctx == 0) {
        const uint32_t trained = oa__model_n_ctx_train(r->model);
        o->n_ctx = trained > 0 && trained < DEFAULT_CTX ? trained : DEFAULT_CTX;
    }
    if (o->n_ctx < MIN_TOKENS)
        return oa__err(OA_EINVAL, "perplexity options: windows of %u tokens, want at least %d",
                       o->n_ctx, MIN_TOKENS);
    if (o->stride > o->n_ctx)
        return oa__err(OA_EINVAL, "perplexity options: stride %u, want at most the window's %u",
                       o->stride, o->n_ctx);
    return OA_OK;
}

static int tokenize(run *r, const char *text, size_t text_len, size_t *n_ids)
{
    OA__TRY(oa_model_tokenize(r->model, text, text_len, OA_TOKENIZE_NO_EOS, NULL, 0, n_ids));
    if (*n_ids < MIN_TOKENS)
        return oa__err(OA_EINVAL, "text of %zu tokens, want at least %d", *n_ids, MIN_TOKENS);
    r->ids = oa__alloc_array(r->mem, *n_ids, sizeof *r->ids);
    if (r->ids == NULL) return OA_ENOMEM;
    return oa_model_tokenize(r->model, text, text_len, OA_TOKENIZE_NO_EOS, r->ids, *n_ids, n_ids);
}

static int run_all(run *r, const char *text, size_t text_len, const oa_perplexity_opts *opts)
{
    oa_model_info info = OA_MODEL_INFO_INIT;
    oa_session_opts so = OA_SESSION_OPTS_INIT;
    size_t n_ids, n_floats;
    OA__TRY(read_opts(r, opts));
    OA__TRY(oa_model_get_info(r->model, &info));
    OA__TRY(tokenize(r, text, text_len, &n_ids));
    r->bos = info.add_bos && info.bos_id >= 0;
    r->bos_id = info.bos_id;
    r->result.n_tokens = n_ids;
    r->result.n_ctx = n_ids < r->opts.n_ctx ? (uint32_t)n_ids : r->opts.n_ctx;
    r->result.stride = r->opts.stride ? r->opts.stride : r->result.n_ctx;
    so.flags = OA_SESSION_NO_SHARING;
    so.n_ctx = r->result.n_ctx;
    so.kv_type = r->opts.kv_type;
    so.n_batch = r->opts.n_batch;
    so.progress_fn = on_progress;
    so.progress_user = r;
    OA__TRY(oa_session_new(&r->session, r->model, &so));
    OA__TRY(oa__pool_new(&r->pool, r->mem, info.n_threads));
    r->window = oa__alloc_array(r->mem, r->result.n_ctx, sizeof *r->window);
    if (r->window == NULL) return OA_ENOMEM;
    r->n_vocab = oa__model_n_vocab(r->model);
    if (!oa__mul_size(r->n_vocab, SLICE, &n_floats)) return oa__err_nomem(SIZE_MAX);
    r->logits = oa__alloc_array(r->mem, n_floats, sizeof *r->logits);
    if (r->logits == NULL) return OA_ENOMEM;
    return r->opts.stride ? strided(r, n_ids) : side_by_side(r, n_ids);
}

static void finish(run *r)
{
    oa_perplexity_result *e = &r->result;
    const double n = (double)e->n_scored;
    const double variance = r->sum_squares / n - (r->sum / n) * (r->sum / n);
    e->nll = r->sum / n;
    e->nll_error = n > 1 && variance > 0 ? sqrt(variance / (n - 1)) : 0;
    e->perplexity = oa__math_exp(e->nll);
    e->perplexity_error = e->nll_error * e->perplexity;
    e->size = sizeof *e;
}

int oa_eval_perplexity(oa_model *model, const char *text, size_t text_len,
                       const oa_perplexity_opts *opts, oa_perplexity_result *result)
{
    if (model == NULL) return oa__err(OA_EINVAL, "model is NULL");
    if (result == NULL) return oa__err(OA_EINVAL, "result is NULL");
    if (text == NULL && text_len > 0) return oa__err(OA_EINVAL, "text is NULL");
    const oa_perplexity_result zero = {.size = sizeof zero};
    OA__TRY(oa__opts_write(result, &zero, sizeof zero, sizeof zero));
    if (!oa__model_has_weights(model))
        return oa__err(OA_EINVAL, "model was opened without weights");

    run r = {.model = model, .mem = oa__model_mem(model)};
    oa__fp fp;
    oa__fp_enter(&fp);
    int rc = run_all(&r, text, text_len, opts);
    if (rc == OA_OK) finish(&r);
    oa__fp_leave(&fp);
    if (rc == OA_OK) rc = oa__opts_write(result, &r.result, sizeof r.result, sizeof r.result);
    oa__free(r.mem, r.logits);
    oa__free(r.mem, r.window);
    oa__free(r.mem, r.ids);
    oa__pool_free(r.pool);
    oa_session_free(r.session);
    return rc;
}
