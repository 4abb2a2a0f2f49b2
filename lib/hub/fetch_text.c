/* SPDX-License-Identifier: Apache-2.0 */
/* Trying again with patience, and short texts from the network. */
#include "hub/hub_priv.h"

enum { SLICE_MS = 40, LONGEST_MS = 30 * 1000, TEXT_MS = 5 * 60 * 1000 };

bool oa__status_passes(int status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

static int sleep_ms(const oa__patience *p, uint64_t ms, uint64_t done)
{
    const uint64_t end = oa__clock_ns() + ms * 1000000u;
    for (;;) {
        if (p->poll) OA__TRY(p->poll(p->arg, "wait", done));
        const uint64_t now = oa__clock_ns();
        if (now >= end) return OA_OK;
        const uint64_t left = end - now;
        oa__clock_sleep(left < SLICE_MS * 1000000u ? left : SLICE_MS * 1000000u);
    }
}

int oa__tries_wait(oa__tries *t, int rc, bool progress, const oa__http_head *head, uint64_t done)
{
    const oa__patience *p = t->patience;
    t->n_failed = progress ? 0 : t->n_failed + 1;
    if (t->n_failed >= p->n_tries)
        return oa__err(head->status == 429 ? OA_ELIMIT : rc, "%s (tried %u times)", oa_error_last(),
                       t->n_failed);
    uint64_t ms = p->retry_ms;
    for (uint32_t i = 1; i < t->n_failed && ms < LONGEST_MS; i++)
        ms *= 2;
    if (ms > LONGEST_MS) ms = LONGEST_MS;
    if (oa__status_passes(head->status) && head->retry_after_s * UINT64_C(1000) > ms)
        ms = head->retry_after_s * UINT64_C(1000);
    oa__log_line(p->log, OA_LOG_INFO, "%s; trying again in %llu ms", oa_error_last(),
                 (unsigned long long)ms);
    return sleep_ms(p, ms, done);
}

typedef struct text_way {
    oa__str *out;
    const oa__patience *patience;
} text_way;

static int on_body(void *arg, const void *data, size_t size)
{
    text_way *w = arg;
    return oa__str_add(w->out, data, size);
}

static int on_poll(void *arg)
{
    text_way *w = arg;
    return w->patience->poll ? w->patience->poll(w->patience->arg, "", 0) : OA_OK;
}

int oa__fetch_text(oa__net *net, const char *url, const char *token, size_t max,
                   const oa__patience *patience, oa__str *out, oa__http_head *head)
{
    oa__tries tries = {.patience = patience};
    text_way w = {out, patience};
    const oa__http request = {.url = url,
                              .token = token,
                              .if_range = "",
                              .stall_ms = patience->stall_ms,
                              .max_ms = TEXT_MS,
                              .on_body = on_body,
                              .on_poll = on_poll,
                              .arg = &w};
    for (;;) {
        bool again;
        out->len = 0;
        out->max = max;
        int rc = oa__net_get(net, &request, head, &again);
        if (rc == OA_OK) {
            if (head->status == 200 && !head->is_encoded) return oa__str_add_z(out, "");
            again = oa__status_passes(head->status);
            rc = oa__err(head->status == 404   ? OA_ENOTFOUND
                         : head->status == 401 ? OA_EACCES
                         : head->status == 403 ? OA_EACCES
                                               : OA_EIO,
                         "%s: the server answers with status %d", url, head->status);
        } else if (rc == OA_ELIMIT) {
            return oa__err(OA_ELIMIT, "%s: more than %zu bytes", url, max);
        }
        if (!again) return rc;
        OA__TRY(oa__tries_wait(&tries, rc, false, head, 0));
    }
}
