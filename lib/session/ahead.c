/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens computed ahead of their being picked (speculative decoding), without a trace in any
 * result.
 *
 * When a step needs the logits after its last token, guesses of the tokens behind it (draft.c) go
 * through the same pass. By the promise of one answer each row of it has the bits that it would
 * have alone, given that the ids before it are right. So the sampler picks from the first row as
 * ever; if it picks the first guess, the logits after it are there already, and so on:
 *
 *     ids     [ 0 ............. n ) guess | guess | guess
 *     pages   [ 0 ............. n   ...     ...     ... )     n_ahead = 3
 *     logits                  n-1   ahead0  ahead1  ahead2
 *
 * What is ahead is dropped by whatever else is done with the session (oa__session_enter()).
 */
#include "session/session_priv.h"

#include <string.h>

enum { AHEAD_MAX = 15 }; /* with the token itself, 16 rows */

void oa__ahead_drop(oa_session *s)
{
    oa__draft_cut(s->draft, s->n);
    if (s->n_ahead == 0) return;
    s->n_ahead = 0;
    oa__session_trim_pages(s, s->n);
}

void oa__ahead_free(oa_session *s)
{
    s->n_ahead = 0;
    oa__draft_free(s->draft);
    oa__free(s->mem, s->ahead);
    oa_model_free(s->draft_model);
    s->draft = NULL;
    s->ahead = NULL;
    s->draft_model = NULL;
}

int oa__ahead_set_model(oa_session *s, oa_model *draft_model)
{
    if (draft_model == NULL) return OA_OK;
    const oa__vocab *ours = oa__model_vocab(s->model), *its = oa__model_vocab(draft_model);
    if (!oa__model_has_weights(draft_model) || oa__model_is_encoder(draft_model)) {
        return oa__err(OA_EINVAL, "the draft model can't generate");
    }
    const size_t n = oa__vocab_size(ours);
    if (n != oa__vocab_size(its)) {
        return oa__err(OA_EINVAL, "the draft model has %zu tokens, the model %zu",
                       oa__vocab_size(its), n);
    }
    for (size_t i = 0; i < n; i++) {
        const oa__span a = oa__vocab_token(ours, (int32_t)i), b = oa__vocab_token(its, (int32_t)i);
        if (a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0)) continue;
        return oa__err(OA_EINVAL, "token %zu of the draft model is another than the model's", i);
    }
    s->draft_model = oa_model_ref(draft_model);
    return OA_OK;
}

/* How many guesses there is room for. */
static size_t room(const oa_session *s, size_t most)
{
    size_t n = s->n_draft != 0 && s->n_draft < AHEAD_MAX ? s->n_draft : AHEAD_MAX;
    if (s->flags & OA_SESSION_NO_DRAFT) n = 0;
    if (s->n_batch != 0 && n > s->n_batch - 1) n = s->n_batch - 1;
    if (n > s->n_ctx - s->n) n = s->n_ctx - s->n;
    /* a guess beyond the short factors' length would have those of the token before it */
    const size_t n_short = oa__model_n_ctx_short(s->model);
    if (s->rope_follows && s->n <= n_short && n > n_short - s->n) n = n_short - s->n;
    return n < most ? n : most;
}

static int guess(oa_session *s, size_t most, size_t *n_ahead)
{
    size_t n;
    if (s->draft == NULL) OA__TRY(oa__draft_new(&s->draft, s->mem));
    OA__TRY(oa__session_reserve(s, s->n + most));
    OA__TRY(oa__draft_guess(s->draft, s, most, s->ids + s->n, &n));
    if (n > 0 && s->ahead == NULL) {
        s->ahead =
            oa__alloc_array(s->mem, AHEAD_MAX + 1, oa__model_n_vocab(s->model) * sizeof *s->ahead);
        if (s->ahead == NULL) return OA_ENOMEM;
    }
    *n_ahead = n;
    return OA_OK;
}

/* One pass for the last token and the n_ahead ids behind it. */
static int compute(oa_session *s, size_t n_ahead, oa__progress *p, uint64_t done)
{
    const bool one = s->n - s->n_done == 1;
    oa__job job = {.s = s, .total = s->n + n_ahead, .progress = p, .progress_at = done};
    if (n_ahead > 0) {
        job.logits = s->ahead;
        job.logits_from = s->n - 1;
        job.n_ahead = n_ahead;
    }
    OA__TRY(oa__job_begin(&job));
    const uint64_t start = oa__clock_ns();
    OA__TRY(oa__job_run(&job));
    if (s->draft != NULL && one) oa__draft_time(s->draft, n_ahead, oa__clock_ns() - start);
    return OA_OK;
}

int oa__ahead_compute(oa_session *s, size_t most, oa__progress *p, uint64_t done)
{
    size_t n_ahead = 0;
    if (s->logits_at == s->n) return OA_OK;
    most = room(s, most);
    int rc = OA_OK;
    /* Only what is computed token by token has costs to compare. */
    if (most > 0 && s->n - s->n_done == 1) rc = guess(s, most, &n_ahead);
    if (rc == OA_OK) rc = compute(s, n_ahead, p, done);
    /* Want of memory is a reason not to guess, and none to fail. */
    if (rc == OA_ENOMEM && most > 0) rc = compute(s, 0, p, done);
    return rc;
}

bool oa__ahead_take(oa_session *s, int32_t id)
{
    const bool hit = s->n_ahead > 0 && s->ids[s->n] == id;
    oa__draft_judge(s->draft, id, hit && s->n_ahead > 1 ? &s->ids[s->n + 1] : NULL);
    if (!hit) return false;
    const size_t n_vocab = oa__model_n_vocab(s->model);
    s->n_ahead--;
    s->ahead_at++;
    s->n++;
    s->n_done = s->logits_at = s->n;
    s->n_accepted++;
    memcpy(s->logits, s->ahead + s->ahead_at * n_vocab, n_vocab * sizeof *s->logits);
    return true;
}
