/* SPDX-License-Identifier: Apache-2.0 */
/* From ids to the bytes that they spell. */
#include "text/vocab_priv.h"

int oa__vocab_decode(const oa__vocab *v, const int32_t *ids, size_t n, bool special, bool at_start,
                     oa__str *out)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= v->n_tokens)
            return oa__err(OA_EINVAL, "token id %d in a vocabulary of %zu", (int)ids[i],
                           v->n_tokens);
    /* What the encoder put in front of the first text comes off again: one space, once. */
    bool strip = at_start && v->strip_space;
    size_t old_len = out->len;
    int rc = OA_OK;
    for (size_t i = 0; i < n && rc >= 0; i++) {
        if (oa__vocab_is_special(v, ids[i])) {
            if (!special) continue;
            oa__span t = oa__vocab_token(v, ids[i]);
            rc = oa__str_add(out, t.data, t.len);
            continue;
        }
        oa__span t = oa__vocab_spelled(v, ids[i]);
        if (t.len == 0) continue;
        size_t skip = strip && t.data[0] == ' ' && v->types[ids[i]] != OA__TOKEN_USER_DEFINED;
        strip = false;
        rc = oa__str_add(out, t.data + skip, t.len - skip);
    }
    if (rc < 0) {
        out->len = old_len;
        if (out->data) out->data[old_len] = 0;
    }
    return rc;
}
