/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_priv.h"

#include <stdio.h>

enum { LINE_SIZE = 1024 };

static const uint64_t POLL_NS = 40u * 1000 * 1000;

void oa__log_line(const oa__log *log, uint32_t level, const char *fmt, ...)
{
    if (!log || !log->fn) return;
    if (level > (log->level ? log->level : (uint32_t)OA_LOG_WARN)) return;
    char raw[LINE_SIZE], line[LINE_SIZE];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(raw, sizeof raw, fmt, args) < 0) raw[0] = '\0';
    va_end(args);
    oa__printable(line, sizeof line, raw);
    log->fn(level, line, log->user);
}

int oa__progress_poll(oa__progress *p, uint64_t done)
{
    if (!p || !p->fn) return OA_OK;
    if (!p->cancelled) {
        uint64_t now = oa__clock_ns();
        bool due = p->last_ns == 0 || now - p->last_ns >= POLL_NS;
        bool end = p->total && done >= p->total;
        if (!due && !end) return OA_OK;
        p->last_ns = now ? now : 1;
        p->cancelled = p->fn(p->what, done, p->total, p->user) != 0;
    }
    if (!p->cancelled) return OA_OK;
    return oa__err(OA_ECANCELLED, "%s: cancelled by a callback at %llu of %llu", p->what,
                   (unsigned long long)done, (unsigned long long)p->total);
}
