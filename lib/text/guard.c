/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guards: a chat template mixes its own special tokens with what people wrote, and only afterwards
 * the whole is encoded. Guards inside what people wrote keep it from becoming special tokens.
 *
 * A guard in front of each occurrence of a control token stops that one. Two more stop those that
 * would come about across the border to the template's text: one in front of content that begins
 * with the end of a token, and one before the last character of content that ends with the
 * beginning of one (not behind it, where it would stop the template's own token that follows).
 */
#include "text/vocab_priv.h"

static int drop_guards(const char *text, size_t len, oa__str *out)
{
    size_t from = 0;
    for (size_t i = 0; i + 3 <= len;) {
        if (memcmp(text + i, OA__GUARD, 3) != 0) {
            i++;
            continue;
        }
        OA__TRY(oa__str_add(out, text + from, i - from));
        i += 3;
        from = i;
    }
    return oa__str_add(out, text + from, len - from);
}

static int place_guards(const oa__vocab *v, const char *text, size_t len, const oa__founds *found,
                        oa__str *out)
{
    size_t last = len > 0 ? len - 1 : 0; /* the last character */
    while (last > 0 && ((uint8_t)text[last] & 0xc0) == 0x80)
        last--;
    bool front = oa__finder_touches(&v->control, text, len);
    bool back = oa__finder_touches(&v->control_fwd, text, len);
    size_t at = 0;
    for (size_t k = found->len; k-- > 0;) {
        size_t start = found->data[k].start;
        if (front && start > 0) {
            OA__TRY(oa__str_add(out, OA__GUARD, 3));
        }
        OA__TRY(oa__str_add(out, text + at, start - at));
        OA__TRY(oa__str_add(out, OA__GUARD, 3));
        at = start;
        front = false;
        if (start == last) back = false;
    }
    if (front) OA__TRY(oa__str_add(out, OA__GUARD, 3));
    if (back && !(front && last == 0)) {
        OA__TRY(oa__str_add(out, text + at, last - at));
        OA__TRY(oa__str_add(out, OA__GUARD, 3));
        at = last;
    }
    return oa__str_add(out, text + at, len - at);
}

int oa__vocab_guard(const oa__vocab *v, const char *text, size_t len, oa__str *out)
{
    size_t old_len = out->len;
    oa__str valid = {.mem = out->mem}, bare = {.mem = out->mem};
    oa__founds found = {0};
    int rc = OA_OK;
    if (len == 0) return OA_OK;
    if (len > UINT32_MAX / 4)
        return oa__err(OA_ELIMIT, "text of %zu bytes, want at most %u", len, UINT32_MAX / 4);
    OA__TRY_GOTO(oa__text_clean(text, len, &valid));
    OA__TRY_GOTO(drop_guards(valid.data, valid.len, &bare));
    if (bare.len == 0) goto fail;
    OA__TRY_GOTO(oa__finder_scan(&v->control, out->mem, bare.data, bare.len, 0, &found));
    rc = place_guards(v, bare.data, bare.len, &found, out);
fail:
    if (rc < 0 && out->data) {
        out->len = old_len;
        out->data[old_len] = 0;
    }
    oa__free(out->mem, found.data);
    oa__str_free(&valid);
    oa__str_free(&bare);
    return rc;
}
