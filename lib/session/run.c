/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: bring sequences up to a length, in passes that several of them share.
 *
 *   begin ──> run ──> commit     the sequence has its new length and logits
 *     │        └────> abandon    the sequence has its old length
 *     └ failed: nothing changed
 *
 * 1. Nothing below a session's length is ever lost: pages before `first` are only read, a page
 *    that others can see is copied before it is written. Except where the new length calls for
 *    the other factors of longrope: then everything is read again with these.
 * 2. All memory is got in begin, so that a pass fails for no reason but a callback or the work
 *    buffers.
 * 3. Pages that become full are left in the tree after each pass: work that is cancelled later
 *    need not be done again.
 */
#include "session/session_priv.h"

#include <string.h>

static bool shares(const oa_session *s)
{
    return !(s->flags & OA_SESSION_NO_SHARING) && !s->untrusted;
}

/* Use pages of the tree for whole pages before position `end`. */
static int adopt(oa_session *s, size_t end, size_t *next)
{
    oa__cache *cache = s->shared->cache;
    while ((s->n_nodes + 1) * OA__PAGE_LEN <= end) {
        void *page;
        const size_t i = s->n_nodes;
        oa__node *node =
            oa__cache_take(cache, s->node, oa__session_kind(s), s->ids + i * OA__PAGE_LEN, &page);
        if (!node) break;
        if (i < s->n_pages) {
            oa__page_drop(s->mem, s->pages[i]);
        } else {
            oa__assert(i == s->n_pages);
            s->n_pages++;
        }
        s->pages[i] = page;
        s->node = node;
        s->n_nodes++;
    }
    if (s->n_nodes * OA__PAGE_LEN > *next) *next = s->n_nodes * OA__PAGE_LEN;
    return OA_OK;
}

/* Leave pages that are full up to position `end` to the tree. */
static void leave(oa_session *s, size_t end)
{
    while ((s->n_nodes + 1) * OA__PAGE_LEN <= end) {
        const size_t i = s->n_nodes;
        oa__node *node = oa__cache_leave(s->shared->cache, s->node, oa__session_kind(s),
                                         s->ids + i * OA__PAGE_LEN, &s->pages[i]);
        if (!node) return;
        s->node = node;
        s->n_nodes++;
    }
}

/* Pages for the positions next..total-1 that nobody else can see. */
static int own_pages(oa_session *s, size_t next, size_t total)
{
    const size_t first = next / OA__PAGE_LEN;
    const size_t n_pages = (total + OA__PAGE_LEN - 1) / OA__PAGE_LEN;
    for (size_t i = first; i < n_pages; i++) {
        if (i < s->n_pages && !oa__page_is_shared(s->pages[i])) continue;
        void *page = oa__shared_page(s->shared, s->kv_type);
        if (!page) return OA_ENOMEM;
        if (i < s->n_pages) {
            const size_t n = i == first ? next % OA__PAGE_LEN : 0;
            if (n > 0) {
                oa__model_page_copy(s->model, s->kv_type, page, s->pages[i], (uint32_t)n);
            }
            oa__page_drop(s->mem, s->pages[i]);
        } else {
            s->n_pages++;
        }
        s->pages[i] = page;
    }
    return OA_OK;
}

int oa__job_begin(oa__job *job)
{
    oa_session *s = job->s;
    const size_t total = job->total;
    oa__assert(total >= 1 && total >= s->n);
    if (!job->hidden && !oa__model_has_output(s->model)) {
        return oa__err(OA_EUNSUPPORTED, "the model is %s: it has embeddings, and no next token",
                       oa__model_is_encoder(s->model) ? "an encoder" : "a classifier");
    }
    oa__assert(s->n_ahead == 0);
    job->logits_cut = false;
    const size_t n = job->n_whole ? job->n_whole : total - job->n_ahead;
    if (s->rope_follows && s->rope_long != (n > oa__model_n_ctx_short(s->model))) {
        oa__session_forget(s);
        s->rope_long = !s->rope_long;
    }
    job->first = job->next = s->n_done;
    if (s->n_done == total && s->logits_at == total && !job->hidden) return OA_OK;

    int rc = OA_OK;
    const size_t n_pages = (total + OA__PAGE_LEN - 1) / OA__PAGE_LEN;
    OA__TRY(
        oa__shared_grow(s->shared, (void **)&s->pages, &s->pages_cap, n_pages, sizeof *s->pages));
    if (!s->logits && !job->hidden) {
        s->logits = oa__shared_alloc(s->shared, oa__model_n_vocab(s->model), sizeof *s->logits);
        if (!s->logits) return OA_ENOMEM;
    }
    /* At least the last token is computed, for its logits; with more wanted, all of theirs. */
    size_t last = job->logits ? job->logits_from : total - 1;
    if (job->hidden) last = job->hidden_from;
    if (shares(s)) adopt(s, last, &job->next);
    if (job->next > last) {
        /* The same bits are written once more, so what is below the length stays right. But other
         * sessions may be reading the page: give up its place in the tree for now. */
        job->next = last;
        const size_t n_nodes = last / OA__PAGE_LEN;
        if (s->n_nodes > n_nodes) {
            s->node = oa__cache_drop(s->shared->cache, s->node, s->n_nodes - n_nodes);
            s->n_nodes = n_nodes;
        }
    }
    OA__TRY_GOTO(own_pages(s, job->next, total));
    job->first = job->next;
    return OA_OK;
fail:
    oa__job_abandon(job);
    return rc;
}

void oa__job_abandon(oa__job *job)
{
    oa_session *s = job->s;
    /* Positions of a pass that failed hold garbage, all others what they held. */
    s->n_done = job->next < s->n ? job->next : s->n;
    if (job->logits_cut || s->logits_at > s->n_done) s->logits_at = 0;
    oa__session_trim_pages(s, s->n);
}

void oa__job_commit(oa__job *job)
{
    oa_session *s = job->s;
    s->n = s->n_done = job->total - job->n_ahead;
    s->logits_at = job->hidden ? 0 : s->n;
    s->n_ahead = job->n_ahead;
    s->ahead_at = 0;
    s->n_drafted += job->n_ahead;
}

/* --- passes ----------------------------------------------------------------------------------- */

typedef struct watch {
    oa__job *jobs;
    size_t n_jobs;
    bool active;    /* somebody wants to be told */
    size_t n_asked; /* times in this pass */
} watch;

/* Tell all callbacks how far their jobs are; not 0 ends the work. */
static int ask(void *arg)
{
    watch *w = arg;
    w->n_asked++;
    int rc = OA_OK;
    for (size_t i = 0; i < w->n_jobs && rc == OA_OK; i++) {
        const oa__job *job = &w->jobs[i];
        if (job->status != OA_OK || !job->progress) continue;
        rc = oa__progress_poll(job->progress, job->progress_at + (job->next - job->first));
    }
    return rc;
}

static bool is_open(const oa__job *job)
{
    return job->status == OA_OK && (job->next < job->total);
}

/* How many rows a pass may have. */
static size_t choose_rows(const watch *w, const oa__shared *sh, bool many_logits, bool *adapt)
{
    size_t n = OA__ROWS_MAX, n_batch = 0;
    for (size_t i = 0; i < w->n_jobs; i++) {
        const size_t b = w->jobs[i].s->n_batch;
        if (b && (!n_batch || b < n_batch)) n_batch = b;
    }
    *adapt = !n_batch && w->active;
    if (n_batch)
        n = n_batch;
    else if (w->active)
        n = atomic_load_explicit(&sh->n_rows, memory_order_relaxed);
    if (many_logits && n > 64) n = 64;
    return n;
}

/* Callbacks are due every 40 ms and can be made between stages, whose length grows with the rows:
 * with the longest stages, which take twice the mean, below 9 ms the time between callbacks stays
 * below 50. The mean, because one stage may be long for having lost its processor. */
static void adapt_rows(oa__shared *sh, uint64_t stage_ns, size_t n_rows, size_t limit)
{
    if (stage_ns > 4500000u && n_rows > OA__ROWS_MIN) {
        atomic_store_explicit(&sh->n_rows, (uint32_t)(n_rows / 2), memory_order_relaxed);
    } else if (stage_ns < 2000000u && n_rows == limit && n_rows < OA__ROWS_MAX) {
        atomic_store_explicit(&sh->n_rows, (uint32_t)(n_rows * 2), memory_order_relaxed);
    }
}

/* Fill rows for one pass. Sequences of one pass have one element type; the first open job's. */
static size_t gather(oa__job *jobs, size_t n_jobs, oa__row *rows, size_t n_max, uint32_t kv_type)
{
    size_t n = 0;
    for (size_t i = 0; i < n_jobs && n < n_max; i++) {
        oa__job *job = &jobs[i];
        oa_session *s = job->s;
        if (!is_open(job) || s->kv_type != kv_type) continue;
        size_t take = job->total - job->next;
        if (take > n_max - n) take = n_max - n;
        const size_t n_vocab = oa__model_n_vocab(s->model);
        const size_t d_model = oa__model_d_model(s->model);
        const bool encoder = oa__model_is_encoder(s->model);
        for (size_t pos = job->next; pos < job->next + take; pos++) {
            oa__row *row = &rows[n++];
            row->id = s->ids[pos];
            row->pos = (uint32_t)pos;
            row->pages = s->pages;
            row->adapters = s->adapters;
            row->rope_long = s->rope_long;
            row->n_seen = encoder ? (uint32_t)job->total : 0;
            row->segment = encoder && pos >= job->n_first;
            row->logits = row->hidden = NULL;
            if (job->hidden) {
                if (pos >= job->hidden_from && pos < job->hidden_end)
                    row->hidden = job->hidden + (pos - job->hidden_from) * d_model;
            } else if (pos + 1 == job->total && job->n_ahead == 0) {
                row->logits = s->logits;
                job->logits_cut = true;
            } else if (job->logits && pos >= job->logits_from) {
                row->logits = job->logits + (pos - job->logits_from) * n_vocab;
            }
        }
    }
    return n;
}

/* After a pass: the same walk, to move the jobs on. */
static void advance(oa__job *jobs, size_t n_jobs, size_t n_rows, uint32_t kv_type)
{
    for (size_t i = 0; i < n_jobs && n_rows > 0; i++) {
        oa__job *job = &jobs[i];
        if (!is_open(job) || job->s->kv_type != kv_type) continue;
        size_t take = job->total - job->next;
        if (take > n_rows) take = n_rows;
        const size_t real = job->total - job->n_ahead;
        job->next += take;
        n_rows -= take;
        if (shares(job->s)) leave(job->s, job->next < real ? job->next : real);
    }
}

int oa__jobs_run(oa__job *jobs, size_t n_jobs)
{
    size_t n_left = 0, n_logits = 0;
    oa__shared *sh = NULL;
    bool many_logits = false;
    watch w = {jobs, n_jobs, false, 0};
    for (size_t i = 0; i < n_jobs; i++) {
        oa__job *job = &jobs[i];
        if (!is_open(job)) continue;
        sh = job->s->shared;
        n_left += job->total - job->next;
        n_logits += !job->hidden;
        if (job->logits) {
            many_logits = true;
            n_logits += job->total - job->logits_from;
        }
        if (job->progress && job->progress->fn) w.active = true;
    }
    if (n_left == 0) return OA_OK;
    if (w.active) OA__TRY(ask(&w));

    bool adapt;
    size_t limit = choose_rows(&w, sh, many_logits, &adapt), n_min = 1;
    if (oa__model_is_encoder(sh->model)) { /* a text is one pass */
        limit = n_min = n_left;
        adapt = false;
    }
    oa__bench *bench = NULL;
    int rc = OA_OK;
    while (n_left > 0) {
        const size_t n_want = n_left < limit ? n_left : limit;
        if (!bench) {
            OA__TRY(oa__shared_take_bench(&bench, sh, n_want, n_min,
                                          n_logits < n_want ? n_logits : n_want));
        }
        const size_t n_max = bench->n_rows < limit ? bench->n_rows : limit;
        uint32_t kv_type = 0;
        for (size_t i = n_jobs; i-- > 0;) {
            if (is_open(&jobs[i])) kv_type = jobs[i].s->kv_type;
        }
        const size_t n_rows = gather(jobs, n_jobs, bench->rows, n_max, kv_type);
        w.n_asked = 0;
        const uint64_t start = adapt ? oa__clock_ns() : 0;
        rc = oa__model_forward(sh->model, bench->work, kv_type, bench->rows, n_rows,
                               w.active ? ask : NULL, &w);
        if (rc < 0) break;
        advance(jobs, n_jobs, n_rows, kv_type);
        n_left -= n_rows;
        if (w.active) {
            rc = ask(&w);
            if (rc < 0) break;
        }
        if (adapt && n_left > 0) {
            adapt_rows(sh, (oa__clock_ns() - start) / w.n_asked, n_rows, limit);
            const size_t next = choose_rows(&w, sh, many_logits, &adapt);
            if (next > limit && n_left > limit) {
                oa__shared_give_bench(sh, bench);
                bench = NULL;
            }
            limit = next;
        }
    }
    oa__shared_give_bench(sh, bench);
    if (rc < 0) return rc;
    for (size_t i = 0; i < n_jobs; i++) {
        oa__job *job = &jobs[i];
        if (job->status != OA_OK || !job->logits) continue;
        const size_t n_vocab = oa__model_n_vocab(job->s->model);
        float *last = job->logits + (job->total - 1 - job->logits_from) * n_vocab;
        if (job->n_ahead == 0) {
            memcpy(last, job->s->logits, n_vocab * sizeof *last);
        } else {
            memcpy(job->s->logits, job->logits, n_vocab * sizeof *last);
        }
    }
    return OA_OK;
}

int oa__job_run(oa__job *job)
{
    const int rc = oa__jobs_run(job, 1);
    if (rc < 0)
        oa__job_abandon(job);
    else
        oa__job_commit(job);
    return rc;
}
