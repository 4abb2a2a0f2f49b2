/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oa_session_generate(): tokens to text until something ends it.
 *
 *   token ── decode ──> bytes ── whole characters ──> text ── stop strings ──> callback
 *                                 oa__utf8_stream             held back
 */
#include "session/session_priv.h"

#include <stdio.h>
#include <string.h>

typedef struct writer {
    oa_text_fn fn;
    void *user;
    oa__utf8_stream utf8;
    oa__stops stops;
    oa__str bytes; /* of one token */
    oa__str text;  /* whole characters that were not given to fn yet */
    size_t n_fed;  /* bytes of `text` that the stop strings have seen */
} writer;

/* Give the first n bytes of the text away. */
static bool emit(writer *w, size_t n)
{
    if (n == 0) return true;
    const bool go_on = !w->fn || w->fn(w->text.data, n, w->user) == 0;
    memmove(w->text.data, w->text.data + n, w->text.len - n);
    w->text.len -= n;
    w->text.data[w->text.len] = '\0';
    w->n_fed -= n < w->n_fed ? n : w->n_fed;
    return go_on;
}

/* Look for stop strings in what is new and give away what can't belong to one. */
static uint32_t sift(writer *w)
{
    while (w->n_fed < w->text.len) {
        size_t len = 0;
        if (oa__stops_feed(&w->stops, w->text.data[w->n_fed++], &len)) {
            w->text.len = w->n_fed - len;
            w->n_fed = w->text.len;
            emit(w, w->text.len);
            return OA_FINISH_STOP;
        }
    }
    const size_t held = oa__stops_held(&w->stops);
    return emit(w, w->text.len - held) ? OA_FINISH_NONE : OA_FINISH_CANCELLED;
}

static int write_token(writer *w, const oa_session *s, int32_t id, bool special, uint32_t *finish)
{
    w->bytes.len = 0;
    OA__TRY(oa__vocab_decode(oa__model_vocab(s->model), &id, 1, special, false, &w->bytes));
    if (w->bytes.len > 0) {
        OA__TRY(oa__utf8_stream_add(&w->utf8, w->bytes.data, w->bytes.len, &w->text));
    }
    *finish = sift(w);
    return OA_OK;
}

/* The end: half a character comes out as U+FFFD, and nothing is held back any more. */
static int write_rest(writer *w, uint32_t *finish)
{
    OA__TRY(oa__utf8_stream_end(&w->utf8, &w->text));
    const uint32_t found = sift(w);
    if (found == OA_FINISH_STOP)
        *finish = found;
    else if (found == OA_FINISH_NONE)
        emit(w, w->text.len);
    return OA_OK;
}

static int generate(oa_session *s, oa_sampler *sampler, const oa_generate_opts *o, writer *w,
                    oa_generate_result *r)
{
    const oa__vocab *vocab = oa__model_vocab(s->model);
    const bool special = (o->flags & OA_GENERATE_SPECIAL) != 0;
    oa__progress progress = {
        .fn = s->progress_fn, .user = s->progress_user, .what = "generate", .total = o->max_tokens};
    if (progress.fn) progress.last_ns = oa__clock_ns();
    if (s->n == 0) return oa__err(OA_EINVAL, "session is empty; append a token first");
    while (r->finish == OA_FINISH_NONE) {
        if (o->max_tokens && r->n_tokens == o->max_tokens) {
            r->finish = OA_FINISH_LENGTH;
            break;
        }
        int32_t id;
        int rc = oa__progress_poll(&progress, r->n_tokens);
        const size_t left = o->max_tokens ? o->max_tokens - r->n_tokens - 1 : SIZE_MAX;
        if (rc == OA_OK) rc = oa__session_step(s, sampler, left, &progress, r->n_tokens, &id);
        if (rc == OA_EFULL) r->finish = OA_FINISH_FULL;
        if (rc == OA_ECANCELLED) r->finish = OA_FINISH_CANCELLED;
        if (rc < 0) return rc;
        r->n_tokens++;
        const bool end = !(o->flags & OA_GENERATE_IGNORE_END) && oa__vocab_is_end(vocab, id);
        if (!end || special) OA__TRY(write_token(w, s, id, special, &r->finish));
        if (end && r->finish == OA_FINISH_NONE) r->finish = OA_FINISH_END;
    }
    return OA_OK;
}

static int prepare_and_generate(oa_session *s, oa_sampler *sampler, const oa_generate_opts *opts,
                                oa_text_fn text_fn, void *user, oa_generate_result *r)
{
    oa_generate_opts o;
    OA__TRY(oa__opts_read(&o, sizeof o, sizeof o, opts));
    if (o.flags & ~(uint32_t)(OA_GENERATE_IGNORE_END | OA_GENERATE_SPECIAL)) {
        return oa__err(OA_EINVAL, "generate flags 0x%lx: unknown bits", (unsigned long)o.flags);
    }
    writer w = {.fn = text_fn, .user = user, .bytes = {.mem = s->mem}, .text = {.mem = s->mem}};
    OA__TRY(oa__stops_init(&w.stops, s->mem, o.stops, o.n_stops));
    const uint64_t start = oa__clock_ns();
    const uint64_t n_drafted = s->n_drafted, n_accepted = s->n_accepted;
    int rc = generate(s, sampler, &o, &w, r);
    r->n_drafted = s->n_drafted - n_drafted;
    r->n_accepted = s->n_accepted - n_accepted;
    if (rc < 0) {
        /* What was generated belongs to the caller; its callback must not change the reason. */
        char reason[256];
        snprintf(reason, sizeof reason, "%s", oa_error_last());
        uint32_t ignored = r->finish;
        write_rest(&w, &ignored);
        oa__err(rc, "%s", reason);
    } else if (r->finish == OA_FINISH_END || r->finish == OA_FINISH_LENGTH) {
        rc = write_rest(&w, &r->finish);
    }
    r->generate_ns = oa__clock_ns() - start;
    oa__stops_free(&w.stops);
    oa__str_free(&w.text);
    oa__str_free(&w.bytes);
    return rc;
}

int oa_session_generate(oa_session *session, oa_sampler *sampler, const oa_generate_opts *opts,
                        oa_text_fn text_fn, void *user, oa_generate_result *result)
{
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    if (result) OA__TRY(oa__opts_write(result, &r, sizeof r, sizeof r));
    OA__TRY(oa__session_enter_ahead(session));
    const int rc = prepare_and_generate(session, sampler, opts, text_fn, user, &r);
    oa__session_leave(session);
    if (result) OA__TRY(oa__opts_write(result, &r, sizeof r, sizeof r));
    return rc;
}
