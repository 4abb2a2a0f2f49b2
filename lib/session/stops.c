/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stop strings in a stream: one Knuth-Morris-Pratt automaton per string. Each byte costs a
 * constant number of steps per string on average, whatever the strings and the stream are, and
 * what must be held back is the longest match in progress.
 */
#include "session/session_priv.h"

#include <string.h>

int oa__stops_init(oa__stops *st, oa__mem *mem, const char *const *texts, size_t n)
{
    *st = (oa__stops){.mem = mem, .texts = texts, .n = n};
    if (n == 0) return OA_OK;
    if (!texts) return oa__err(OA_EINVAL, "stops is NULL, want %zu", n);
    int rc = OA_OK;
    st->lens = oa__alloc_array(mem, n, sizeof *st->lens);
    st->matched = oa__alloc_array(mem, n, sizeof *st->matched);
    if (!st->lens || !st->matched) {
        rc = OA_ENOMEM;
        goto fail;
    }
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (!texts[i] || !texts[i][0]) {
            rc = oa__err(OA_EINVAL, "stop string %zu is %s", i, texts[i] ? "empty" : "NULL");
            goto fail;
        }
        st->lens[i] = strlen(texts[i]);
        if (st->lens[i] > UINT32_MAX || !oa__add_size(total, st->lens[i], &total)) {
            rc = oa__err(OA_ELIMIT, "stop string %zu is too long", i);
            goto fail;
        }
        /* With whole characters on both sides a match never begins inside one. */
        if (!oa__utf8_valid(texts[i], st->lens[i])) {
            rc = oa__err(OA_EINVAL, "stop string %zu is not valid UTF-8", i);
            goto fail;
        }
    }
    st->fail = oa__alloc_array(mem, total, sizeof *st->fail);
    if (!st->fail) {
        rc = OA_ENOMEM;
        goto fail;
    }
    uint32_t *f = st->fail;
    for (size_t i = 0; i < n; i++) {
        /* f[k]: length of the longest proper beginning of text[0..k] that also ends it. */
        const char *text = texts[i];
        uint32_t k = 0;
        for (size_t j = 1; j < st->lens[i]; j++) {
            while (k > 0 && text[j] != text[k])
                k = f[k - 1];
            if (text[j] == text[k]) k++;
            f[j] = k;
        }
        f += st->lens[i];
    }
    return OA_OK;
fail:
    oa__stops_free(st);
    return rc;
}

void oa__stops_free(oa__stops *st)
{
    oa__free(st->mem, st->fail);
    oa__free(st->mem, st->matched);
    oa__free(st->mem, st->lens);
    *st = (oa__stops){0};
}

bool oa__stops_feed(oa__stops *st, char byte, size_t *len)
{
    bool found = false;
    const uint32_t *f = st->fail;
    for (size_t i = 0; i < st->n; i++) {
        const char *text = st->texts[i];
        size_t k = st->matched[i];
        while (k > 0 && byte != text[k])
            k = f[k - 1];
        if (byte == text[k]) k++;
        st->matched[i] = k;
        if (k == st->lens[i]) {
            if (!found || k > *len) *len = k;
            found = true;
            st->matched[i] = f[k - 1];
        }
        f += st->lens[i];
    }
    return found;
}

size_t oa__stops_held(const oa__stops *st)
{
    size_t held = 0;
    for (size_t i = 0; i < st->n; i++) {
        if (st->matched[i] > held) held = st->matched[i];
    }
    return held;
}
