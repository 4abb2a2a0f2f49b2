/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embeddings: the hidden states of a text, pooled.
 *
 *     mean  sum of all, position after position, over their number
 *     v     in double; then out_i = v_i / sqrt(v_0^2 + v_1^2 + ...), summed in this order
 *
 * All sums are in double, and a slice of the text is computed after the other: neither how it is
 * cut nor what it is cut by shows.
 */
#include "session/session_priv.h"

#include <math.h>

enum { SLICE = 256 };

typedef struct pool {
    oa_session *s;
    oa__progress progress;
    size_t d_model, n_ids, n_first;
    size_t slice;  /* rows pooled at a time */
    float *hidden; /* (slice, d_model), or one row */
    double *sum;   /* (d_model) */
} pool;

/* Bring the session to `total` tokens, with the hidden states of [from, end). */
static int compute(pool *p, size_t total, size_t from, size_t end)
{
    oa_session *s = p->s;
    oa__job job = {.s = s,
                   .total = total,
                   .n_whole = p->n_ids,
                   .hidden = p->hidden,
                   .hidden_from = from,
                   .hidden_end = end,
                   .n_first = p->n_first,
                   .progress = &p->progress};
    OA__TRY(oa__job_begin(&job));
    job.progress_at = job.first;
    return oa__job_run(&job);
}

static int pool_one(pool *p, size_t at)
{
    OA__TRY(compute(p, p->n_ids, at, at + 1));
    for (size_t i = 0; i < p->d_model; i++)
        p->sum[i] = (double)p->hidden[i];
    return OA_OK;
}

static int pool_mean(pool *p)
{
    for (size_t at = 0; at < p->n_ids; at += p->slice) {
        const size_t n = p->n_ids - at < p->slice ? p->n_ids - at : p->slice;
        OA__TRY(compute(p, at + n, at, at + n));
        for (size_t row = 0; row < n; row++) {
            for (size_t i = 0; i < p->d_model; i++)
                p->sum[i] += (double)p->hidden[row * p->d_model + i];
        }
    }
    for (size_t i = 0; i < p->d_model; i++)
        p->sum[i] /= (double)p->n_ids;
    return OA_OK;
}

static int finish(const pool *p, bool normalize, float *out)
{
    double squares = 0;
    for (size_t i = 0; i < p->d_model; i++)
        squares += p->sum[i] * p->sum[i];
    if (!isfinite(squares)) return oa__err(OA_EFORMAT, "the model's hidden states are no numbers");
    const double length = normalize && squares > 0 ? sqrt(squares) : 1;
    for (size_t i = 0; i < p->d_model; i++)
        out[i] = (float)(p->sum[i] / length);
    return OA_OK;
}

static int run(pool *p, const int32_t *ids, uint32_t pooling, bool normalize, float *out)
{
    oa_session *s = p->s;
    size_t n_floats;
    p->slice = p->n_ids < SLICE || oa__model_is_encoder(s->model) ? p->n_ids : SLICE;
    if (!oa__mul_size(pooling == OA_POOL_MEAN ? p->slice : 1, p->d_model, &n_floats))
        return oa__err_nomem(SIZE_MAX);
    p->hidden = oa__shared_alloc(s->shared, n_floats, sizeof *p->hidden);
    if (!p->hidden) return OA_ENOMEM;
    p->sum = oa__shared_alloc(s->shared, p->d_model, sizeof *p->sum);
    if (!p->sum) return OA_ENOMEM;
    /* Written while the session still holds what `ids` may be a part of. */
    OA__TRY(oa__session_replace_ids(s, ids, p->n_ids));
    if (pooling == OA_POOL_MEAN) {
        OA__TRY(pool_mean(p));
    } else {
        OA__TRY(pool_one(p, pooling == OA_POOL_LAST ? p->n_ids - 1 : 0));
    }
    oa__fp fp;
    oa__fp_enter(&fp);
    const int rc = finish(p, normalize, out);
    oa__fp_leave(&fp);
    return rc;
}

/* Only encoders with a tensor for it tell segments apart. */
static int check_segments(const oa_session *s, size_t n_ids, size_t *n_first)
{
    if (*n_first > n_ids) {
        return oa__err(OA_EINVAL, "%zu of %zu tokens in the first segment", *n_first, n_ids);
    }
    const uint32_t n = oa__model_n_segments(s->model);
    if (n == 0) *n_first = n_ids;
    if (*n_first == n_ids || n > 1) return OA_OK;
    return oa__err(OA_EUNSUPPORTED, "a second segment, of which the model knows nothing");
}

static int embed(oa_session *s, const int32_t *ids, size_t n_ids, size_t n_first, uint32_t pooling,
                 uint32_t flags, float *out, size_t out_len)
{
    if (pooling > OA_POOL_CLS) {
        return oa__err(OA_EINVAL, "pooling %lu, want 0 to %d", (unsigned long)pooling, OA_POOL_CLS);
    }
    if (flags & ~(uint32_t)OA_EMBED_NORMALIZE) {
        return oa__err(OA_EINVAL, "embedding flags 0x%lx: unknown bits", (unsigned long)flags);
    }
    if (n_ids == 0) return oa__err(OA_EINVAL, "no tokens, want at least one");
    OA__TRY(check_segments(s, n_ids, &n_first));
    OA__TRY(oa__session_check_ids(s, ids, n_ids, 0));
    if (!out) return oa__err(OA_EINVAL, "out is NULL");
    const uint32_t d_model = oa__model_d_model(s->model);
    if (out_len < d_model) {
        return oa__err(OA_ELIMIT, "room for %zu floats, want %lu", out_len, (unsigned long)d_model);
    }
    pool p = {.s = s,
              .progress = {.fn = s->progress_fn,
                           .user = s->progress_user,
                           .what = "prompt",
                           .total = n_ids},
              .d_model = d_model,
              .n_ids = n_ids,
              .n_first = n_first};
    const int rc = run(&p, ids, pooling, flags & OA_EMBED_NORMALIZE, out);
    if (rc < 0) oa__session_cut(s, 0);
    oa__free(s->mem, p.sum);
    oa__free(s->mem, p.hidden);
    return rc;
}

int oa_session_embed_pair(oa_session *session, const int32_t *ids, size_t n_ids, size_t n_first,
                          uint32_t pooling, uint32_t flags, float *out, size_t out_len)
{
    OA__TRY(oa__session_enter(session));
    const int rc = embed(session, ids, n_ids, n_first, pooling, flags, out, out_len);
    oa__session_leave(session);
    return rc;
}

int oa_session_embed(oa_session *session, const int32_t *ids, size_t n_ids, uint32_t pooling,
                     uint32_t flags, float *out, size_t out_len)
{
    return oa_session_embed_pair(session, ids, n_ids, n_ids, pooling, flags, out, out_len);
}
