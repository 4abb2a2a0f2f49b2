/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oa_session_step_many(): append and step for many sessions in shared passes.
 *
 * Each member goes through what oa_session_append() followed by oa_session_step() would do with
 * it alone; only the passes are shared. A member that can't begin takes no part in them.
 */
#include "session/session_priv.h"

#include <string.h>

typedef struct many {
    char *steps; /* (n) of `stride` bytes */
    size_t n, stride;
    oa__job *jobs;          /* (n) */
    oa__progress *progress; /* (n) */
} many;

static oa_step *step_at(const many *m, size_t i)
{
    return (oa_step *)(void *)(m->steps + i * m->stride);
}

/* Nothing is touched before the whole array has been looked at. */
static int check(const many *m)
{
    int rc = OA_OK;
    size_t n_marked = 0;
    const oa_model *model = NULL;
    for (size_t i = 0; i < m->n && rc == OA_OK; i++) {
        oa_step *st = step_at(m, i);
        rc = oa__elem_tail("steps", st, m->stride, sizeof *st);
        if (rc < 0) break;
        oa_session *s = st->session;
        if (!s) {
            rc = oa__err(OA_EINVAL, "step %zu: session is NULL", i);
        } else if (s->mark == m) {
            rc = oa__err(OA_EINVAL, "step %zu: its session is named twice", i);
        } else if (model && s->model != model) {
            rc = oa__err(OA_EINVAL, "step %zu: its session is one of another model", i);
        } else {
            rc = oa__session_enter(s);
        }
        if (rc < 0) break;
        model = s->model;
        s->mark = m;
        n_marked++;
    }
    for (size_t i = 0; i < n_marked; i++)
        step_at(m, i)->session->mark = NULL;
    if (rc < 0) {
        for (size_t i = 0; i < n_marked; i++)
            oa__session_leave(step_at(m, i)->session);
    }
    return rc;
}

static int begin(const many *m, size_t i)
{
    const oa_step *st = step_at(m, i);
    oa_session *s = st->session;
    oa__job *job = &m->jobs[i];
    OA__TRY(oa__session_check_ids(s, st->ids, st->n_ids, s->n));
    if (s->n == 0 && st->n_ids == 0) {
        return oa__err(OA_EINVAL, "session is empty; append a token first");
    }
    if (st->n_ids == 0 && s->n == s->n_ctx) {
        return oa__err(OA_EFULL, "context is full: %zu tokens, no room for another", s->n);
    }
    OA__TRY(oa__session_put_ids(s, st->ids, st->n_ids));
    oa__progress *p = &m->progress[i];
    *p = (oa__progress){.fn = s->progress_fn, .user = s->progress_user, .what = "prompt"};
    job->total = s->n + st->n_ids;
    job->progress = p;
    OA__TRY(oa__job_begin(job));
    if (job->total - job->first > 1) {
        p->total = job->total - job->first;
    } else if (p->fn) { /* one token is no long work */
        p->what = "token";
        p->last_ns = oa__clock_ns();
    }
    return OA_OK;
}

static int finish(const many *m, size_t i)
{
    oa_step *st = step_at(m, i);
    oa_session *s = st->session;
    oa__job_commit(&m->jobs[i]);
    if (s->n == s->n_ctx) {
        return oa__err(OA_EFULL, "context is full: %zu tokens, no room for another", s->n);
    }
    return oa__session_pick(s, st->sampler, &st->id);
}

static int run(many *m)
{
    oa__mem *mem = step_at(m, 0)->session->mem;
    m->jobs = oa__alloc_array(mem, m->n, sizeof *m->jobs);
    m->progress = oa__alloc_array(mem, m->n, sizeof *m->progress);
    int rc = m->jobs && m->progress ? OA_OK : OA_ENOMEM;
    if (rc == OA_OK) {
        for (size_t i = 0; i < m->n; i++) {
            m->jobs[i].s = step_at(m, i)->session;
            m->jobs[i].status = begin(m, i);
        }
        rc = oa__jobs_run(m->jobs, m->n);
        for (size_t i = 0; i < m->n; i++) {
            oa__job *job = &m->jobs[i];
            if (job->status == OA_OK && rc < 0)
                oa__job_abandon(job);
            else if (job->status == OA_OK)
                job->status = finish(m, i);
            step_at(m, i)->status = job->status == OA_OK ? rc : job->status;
        }
    } else {
        for (size_t i = 0; i < m->n; i++)
            step_at(m, i)->status = rc;
    }
    oa__free(mem, m->progress);
    oa__free(mem, m->jobs);
    return rc;
}

int oa_session_step_many(oa_step *steps, size_t n_steps, size_t step_size)
{
    if (n_steps == 0) return OA_OK;
    if (!steps) return oa__err(OA_EINVAL, "steps is NULL, want %zu", n_steps);
    size_t size;
    OA__TRY(oa__elem_size("steps", step_size, sizeof(oa_step)));
    if (step_size % _Alignof(oa_step) != 0 || !oa__mul_size(n_steps, step_size, &size)) {
        return oa__err(OA_EINVAL, "%zu steps of %zu bytes, want whole ones in memory", n_steps,
                       step_size);
    }
    many m = {(char *)steps, n_steps, step_size, NULL, NULL};
    OA__TRY(check(&m));
    const int rc = run(&m);
    for (size_t i = 0; i < n_steps; i++)
        oa__session_leave(step_at(&m, i)->session);
    return rc;
}
