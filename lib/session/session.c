/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session: a sequence of tokens and what is computed of it.
 *
 *      ids     [ 0 ......................... n_done ....... n )     n_done <= n
 *      pages   [ page 0 | page 1 | ... | page n_pages-1 )           32 positions each
 *      tree    [ page 0 .. page n_nodes-1 )                         shared with other sessions
 *      logits  after the first logits_at tokens                     0 or <= n_done
 *      ahead   ids[n ...], their pages and logits                   guesses, see ahead.c
 *
 *                append, set_ids                     step
 *      EMPTY ───────────────────────> READY ──────────────────> PENDING
 *      n = 0          ┌─────────────  logits_at = n  <─────────  logits_at < n
 *        ^            │ cut             │               compute     │ cut
 *        └────────────┴─────────────────┴───────────────────────────┘
 *
 * Invariants between calls:
 * 1. Positions 0..n_done-1 are in the pages; n_pages * 32 covers them, and holds no page that
 *    lies wholly past n + n_ahead. n_ahead > 0 only while logits_at == n_done == n, and until the
 *    next call that is neither a step nor a look at the logits.
 * 2. The first n_nodes pages are full, lie wholly below n and are the tree's own; the session is
 *    a user of their nodes.
 * 3. A page with more than one reference is never written.
 * 4. logits_at <= n_done; the logits are valid for n exactly when logits_at == n.
 * 5. Whatever fails, 1 to 4 hold and n and the ids are what they were.
 * 6. `untrusted` is set while a position below n may stem from a file: its pages are then neither
 *    left in the tree nor mixed with pages from it, since nothing proves that a file's numbers
 *    belong to its ids.
 */
#include "session/session_priv.h"

#include <string.h>

int oa__session_enter_ahead(oa_session *s)
{
    if (!s) return oa__err(OA_EINVAL, "session is NULL");
    if (s->busy) return oa__err(OA_EBUSY, "session is inside a call; a callback can't change it");
    s->busy = true;
    return OA_OK;
}

int oa__session_enter(oa_session *s)
{
    OA__TRY(oa__session_enter_ahead(s));
    oa__ahead_drop(s);
    return OA_OK;
}

int oa__session_check_ids(const oa_session *s, const int32_t *ids, size_t n_ids, size_t n_before)
{
    if (!ids && n_ids > 0) return oa__err(OA_EINVAL, "ids is NULL, want %zu", n_ids);
    if (n_ids > s->n_ctx - n_before) {
        return oa__err(OA_EFULL, "context is full: %zu tokens and %zu more, it holds %lu", n_before,
                       n_ids, (unsigned long)s->n_ctx);
    }
    const uint32_t n_vocab = oa__model_n_vocab(s->model);
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab) {
            return oa__err(OA_EINVAL, "token %zu: id %ld, want 0 to %lu", i, (long)ids[i],
                           (unsigned long)n_vocab - 1);
        }
    }
    return OA_OK;
}

int oa__session_reserve(oa_session *s, size_t n)
{
    return oa__shared_grow(s->shared, (void **)&s->ids, &s->ids_cap, n, sizeof *s->ids);
}

uint64_t oa__session_kind(const oa_session *s)
{
    return s->kv_type | (s->rope_long ? OA__KIND_ROPE_LONG : 0) |
           OA__KIND_ADAPTERS(oa__adapters_hash(s->adapters));
}

void oa__session_trim_pages(oa_session *s, size_t n)
{
    const size_t n_full = n / OA__PAGE_LEN;
    if (s->n_nodes > n_full) {
        s->node = oa__cache_drop(s->shared->cache, s->node, s->n_nodes - n_full);
        s->n_nodes = n_full;
    }
    const size_t n_pages = (n + OA__PAGE_LEN - 1) / OA__PAGE_LEN;
    while (s->n_pages > n_pages)
        oa__page_drop(s->mem, s->pages[--s->n_pages]);
}

void oa__session_forget(oa_session *s)
{
    s->n_done = s->logits_at = 0;
    s->untrusted = false;
    oa__session_trim_pages(s, 0);
}

void oa__session_cut(oa_session *s, size_t n_ids)
{
    if (n_ids >= s->n) return;
    oa__ahead_drop(s);
    oa__draft_cut(s->draft, n_ids);
    s->n = n_ids;
    if (s->n_done > n_ids) s->n_done = n_ids;
    if (s->logits_at > n_ids) s->logits_at = 0;
    oa__session_trim_pages(s, n_ids);
    if (n_ids == 0) oa__session_forget(s);
}

/* --- life ------------------------------------------------------------------------------------- */

int oa_session_new(oa_session **out, oa_model *model, const oa_session_opts *opts)
{
    if (!out) return oa__err(OA_EINVAL, "out is NULL");
    *out = NULL;
    if (!model) return oa__err(OA_EINVAL, "model is NULL");
    oa_session_opts o;
    OA__TRY(oa__opts_read(&o, sizeof o, sizeof o, opts));
    if (o.flags & ~(uint32_t)(OA_SESSION_NO_SHARING | OA_SESSION_NO_DRAFT) || o.reserved != 0) {
        return oa__err(OA_EINVAL, "session flags 0x%lx: unknown bits", (unsigned long)o.flags);
    }
    if (o.kv_type >= OA__N_KV_TYPES) {
        return oa__err(OA_EINVAL, "kv_type %lu, want 0 to 2", (unsigned long)o.kv_type);
    }
    if (!oa__model_has_weights(model)) {
        return oa__err(OA_EINVAL, "model was opened for its vocabulary only; it can't run");
    }
    if (o.n_ctx > oa__model_n_ctx_max(model)) {
        return oa__err(OA_EINVAL, "context of %lu tokens, the model has %lu positions",
                       (unsigned long)o.n_ctx, (unsigned long)oa__model_n_ctx_max(model));
    }
    oa__shared *shared;
    OA__TRY(oa__shared_get(&shared, model));
    oa__mem *mem = oa__model_mem(model);
    oa__adapters *adapters;
    OA__TRY(oa__adapters_new(&adapters, model, o.adapters, o.adapter_scales, o.n_adapters));
    oa_session *s = oa__shared_alloc(shared, 1, sizeof *s);
    if (!s) {
        oa__adapters_free(adapters);
        return OA_ENOMEM;
    }
    s->adapters = adapters;
    s->model = oa_model_ref(model);
    s->mem = mem;
    s->shared = shared;
    s->flags = o.flags;
    /* Keys and values of an encoder depend on what follows. */
    if (oa__model_is_encoder(model)) s->flags |= OA_SESSION_NO_SHARING;
    s->kv_type = o.kv_type;
    s->n_ctx = o.n_ctx ? o.n_ctx : oa__model_n_ctx_train(model);
    if (s->n_ctx > OA__N_CTX_LIMIT) s->n_ctx = OA__N_CTX_LIMIT;
    s->rope_long = s->n_ctx > oa__model_n_ctx_short(model);
    s->rope_follows = s->rope_long && o.n_ctx == 0;
    if (s->rope_follows) s->rope_long = false;
    s->n_batch = o.n_batch < OA__N_BATCH_LIMIT ? o.n_batch : OA__N_BATCH_LIMIT;
    s->progress_fn = o.progress_fn;
    s->progress_user = o.progress_user;
    s->n_draft = o.n_draft;
    const int rc = oa__ahead_set_model(s, o.draft);
    if (rc < 0) {
        oa_session_free(s);
        return rc;
    }
    *out = s;
    return OA_OK;
}

void oa_session_free(oa_session *session)
{
    oa_session *s = session;
    if (!s) return;
    oa__session_cut(s, 0);
    oa__session_trim_pages(s, 0);
    oa__ahead_free(s);
    oa__adapters_free(s->adapters);
    oa__free(s->mem, s->pages);
    oa__free(s->mem, s->ids);
    oa__free(s->mem, s->logits);
    oa_model *model = s->model;
    oa__free(s->mem, s);
    oa_model_free(model);
}

int oa_session_fork(oa_session **out, const oa_session *session)
{
    if (!out) return oa__err(OA_EINVAL, "out is NULL");
    *out = NULL;
    const oa_session *from = session;
    if (!from) return oa__err(OA_EINVAL, "session is NULL");
    if (from->busy) return oa__err(OA_EBUSY, "session is inside a call; it can't be forked");
    oa__shared *shared = from->shared;
    oa_session *s = oa__shared_alloc(shared, 1, sizeof *s);
    if (!s) return OA_ENOMEM;
    int rc = OA_OK;
    *s = *from;
    oa_model_ref(s->model);
    oa__adapters_ref(s->adapters);
    s->ids = NULL;
    s->pages = NULL;
    s->logits = NULL;
    s->node = NULL;
    s->draft = NULL;
    s->ahead = NULL;
    s->n_ahead = 0;
    if (s->draft_model) oa_model_ref(s->draft_model);
    s->ids_cap = s->pages_cap = s->n_nodes = s->n_pages = s->n = s->n_done = s->logits_at = 0;

    OA__TRY_GOTO(oa__session_reserve(s, from->n));
    OA__TRY_GOTO(oa__shared_grow(shared, (void **)&s->pages, &s->pages_cap, from->n_pages,
                                 sizeof *s->pages));
    if (from->logits_at > 0) {
        const size_t n_vocab = oa__model_n_vocab(s->model);
        s->logits = oa__shared_alloc(shared, n_vocab, sizeof *s->logits);
        if (!s->logits) {
            rc = OA_ENOMEM;
            goto fail;
        }
        memcpy(s->logits, from->logits, n_vocab * sizeof *s->logits);
        s->logits_at = from->logits_at;
    }
    if (from->n > 0) memcpy(s->ids, from->ids, from->n * sizeof *s->ids);
    s->n = from->n;
    s->n_done = from->n_done;
    const size_t n_pages = (from->n + OA__PAGE_LEN - 1) / OA__PAGE_LEN; /* of what is not ahead */
    for (size_t i = 0; i < n_pages && i < from->n_pages; i++) {
        s->pages[i] = from->pages[i];
        oa__page_ref(s->pages[i]);
        s->n_pages = i + 1;
    }
    oa__cache_ref(s->shared->cache, from->node);
    s->node = from->node;
    s->n_nodes = from->n_nodes;
    *out = s;
    return OA_OK;
fail:
    oa_session_free(s);
    return rc;
}

/* --- computing -------------------------------------------------------------------------------- */

static int write_ids(oa_session *s, size_t at, const int32_t *ids, size_t n_ids)
{
    /* The ids may be a part of our own, borrowed with oa_session_get_ids(). */
    const uintptr_t offset = (uintptr_t)ids - (uintptr_t)s->ids;
    const bool own = s->ids && offset < s->ids_cap * sizeof *ids;
    OA__TRY(oa__session_reserve(s, at + n_ids));
    if (own) ids = s->ids + offset / sizeof *ids;
    if (n_ids > 0) memmove(s->ids + at, ids, n_ids * sizeof *ids);
    return OA_OK;
}

int oa__session_put_ids(oa_session *s, const int32_t *ids, size_t n_ids)
{
    return write_ids(s, s->n, ids, n_ids);
}

int oa__session_replace_ids(oa_session *s, const int32_t *ids, size_t n_ids)
{
    OA__TRY(write_ids(s, 0, ids, n_ids));
    oa__session_cut(s, 0);
    return OA_OK;
}

/* Add ids that were checked and fit, and compute everything. */
static int extend(oa_session *s, const int32_t *ids, size_t n_ids, float *logits, size_t *n_reused)
{
    const size_t total = s->n + n_ids;
    OA__TRY(oa__session_put_ids(s, ids, n_ids));
    oa__progress progress = {.fn = s->progress_fn, .user = s->progress_user, .what = "prompt"};
    oa__job job = {
        .s = s, .total = total, .logits = logits, .logits_from = s->n, .progress = &progress};
    const size_t n_done = s->n_done;
    OA__TRY(oa__job_begin(&job));
    if (n_reused) *n_reused += job.first - n_done;
    progress.total = total - job.first;
    return oa__job_run(&job);
}

static int append(oa_session *s, const int32_t *ids, size_t n_ids, float *logits)
{
    OA__TRY(oa__session_check_ids(s, ids, n_ids, s->n));
    if (n_ids == 0) return OA_OK;
    return extend(s, ids, n_ids, logits, NULL);
}

int oa_session_append(oa_session *session, const int32_t *ids, size_t n_ids)
{
    OA__TRY(oa__session_enter(session));
    const int rc = append(session, ids, n_ids, NULL);
    oa__session_leave(session);
    return rc;
}

int oa_session_append_logits(oa_session *session, const int32_t *ids, size_t n_ids, float *logits,
                             size_t logits_len)
{
    OA__TRY(oa__session_enter(session));
    int rc = OA_OK;
    size_t want;
    if (!logits && n_ids > 0) {
        rc = oa__err(OA_EINVAL, "logits is NULL");
    } else if (!oa__mul_size(n_ids, oa__model_n_vocab(session->model), &want) ||
               want > logits_len) {
        rc = oa__err(OA_ELIMIT, "room for %zu logits, want one row of %lu for each of %zu tokens",
                     logits_len, (unsigned long)oa__model_n_vocab(session->model), n_ids);
    } else {
        rc = append(session, ids, n_ids, logits);
    }
    oa__session_leave(session);
    return rc;
}

static int set_ids(oa_session *s, const int32_t *ids, size_t n_ids, size_t *n_reused)
{
    OA__TRY(oa__session_check_ids(s, ids, n_ids, 0));
    size_t n = 0;
    while (n < n_ids && n < s->n && ids[n] == s->ids[n])
        n++;
    oa__session_cut(s, n);
    *n_reused = s->n_done;
    if (n == n_ids) return OA_OK;
    return extend(s, ids + n, n_ids - n, NULL, n_reused);
}

int oa_session_set_ids(oa_session *session, const int32_t *ids, size_t n_ids, size_t *n_reused)
{
    if (n_reused) *n_reused = 0;
    OA__TRY(oa__session_enter(session));
    size_t reused = 0;
    const int rc = set_ids(session, ids, n_ids, &reused);
    oa__session_leave(session);
    if (n_reused && rc == OA_OK) *n_reused = reused;
    return rc;
}

int oa_session_truncate(oa_session *session, size_t n_ids)
{
    OA__TRY(oa__session_enter(session));
    int rc = OA_OK;
    if (n_ids > session->n) {
        rc = oa__err(OA_EINVAL, "can't keep %zu tokens of %zu", n_ids, session->n);
    } else {
        oa__session_cut(session, n_ids);
    }
    oa__session_leave(session);
    return rc;
}

/* --- one token -------------------------------------------------------------------------------- */

int oa__session_pick(oa_session *s, oa_sampler *sampler, int32_t *id)
{
    OA__TRY(oa__session_reserve(s, s->n + 1));
    const size_t n_vocab = oa__model_n_vocab(s->model);
    int32_t picked;
    if (sampler) {
        OA__TRY(oa_sampler_pick(sampler, s->logits, n_vocab, &picked));
        OA__TRY(oa_sampler_accept(sampler, picked));
    } else {
        picked = oa__sample_argmax(s->logits, n_vocab);
    }
    *id = picked;
    if (oa__ahead_take(s, picked)) return OA_OK;
    if (s->n_ahead > 0) oa__ahead_drop(s);
    s->ids[s->n++] = picked;
    return OA_OK;
}

int oa__session_step(oa_session *s, oa_sampler *sampler, size_t most, oa__progress *p,
                     uint64_t done, int32_t *id)
{
    if (s->n == 0) return oa__err(OA_EINVAL, "session is empty; append a token first");
    if (s->n >= s->n_ctx) {
        return oa__err(OA_EFULL, "context is full: %zu tokens, no room for another", s->n);
    }
    OA__TRY(oa__ahead_compute(s, most, p, done));
    return oa__session_pick(s, sampler, id);
}

/* One token is no long work: the callback hears of it only when it takes its time. */
static oa__progress quiet_progress(const oa_session *s)
{
    oa__progress p = {.fn = s->progress_fn, .user = s->progress_user, .what = "token"};
    if (p.fn) p.last_ns = oa__clock_ns();
    return p;
}

int oa_session_step(oa_session *session, oa_sampler *sampler, int32_t *id)
{
    if (!id) return oa__err(OA_EINVAL, "id is NULL");
    OA__TRY(oa__session_enter_ahead(session));
    oa__progress p = quiet_progress(session);
    const int rc = oa__session_step(session, sampler, SIZE_MAX, &p, 0, id);
    oa__session_leave(session);
    return rc;
}

/* --- reading ---------------------------------------------------------------------------------- */

int oa_session_get_ids(const oa_session *session, const int32_t **ids, size_t *n_ids)
{
    if (ids) *ids = NULL;
    if (n_ids) *n_ids = 0;
    if (!session) return oa__err(OA_EINVAL, "session is NULL");
    if (ids) *ids = session->ids;
    if (n_ids) *n_ids = session->n;
    return OA_OK;
}

int oa_session_get_logits(oa_session *session, const float **logits, size_t *n_logits)
{
    if (logits) *logits = NULL;
    if (n_logits) *n_logits = 0;
    if (!logits) return oa__err(OA_EINVAL, "logits is NULL");
    OA__TRY(oa__session_enter_ahead(session));
    oa__progress p = quiet_progress(session);
    int rc = OA_OK;
    if (session->n == 0) {
        rc = oa__err(OA_EINVAL, "session is empty; append a token first");
    } else { /* whoever reads logits picks for himself: nothing is guessed */
        rc = oa__ahead_compute(session, 0, &p, 0);
    }
    if (rc == OA_OK) {
        *logits = session->logits;
        if (n_logits) *n_logits = oa__model_n_vocab(session->model);
    }
    oa__session_leave(session);
    return rc;
}
