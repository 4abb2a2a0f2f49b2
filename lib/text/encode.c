/* SPDX-License-Identifier: Apache-2.0 */
/* From a text to ids: cleaning, cutting at special tokens, and the ids at both ends. */
#include <openassistant/model.h>

#include "text/vocab_priv.h"

/* A text without broken bytes and without guards. */
typedef struct clean {
    const char *text; /* the caller's or buf.data */
    size_t len;
    oa__str buf;
    size_t *guards; /* where guards stood, ascending, in clean text */
    size_t n_guards, guards_cap;
} clean;

static bool is_guard(const char *text, size_t len)
{
    return len >= 3 && memcmp(text, OA__GUARD, 3) == 0;
}

static int add_valid(oa__str *out, const char *text, size_t len)
{
    size_t from = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t size = oa__utf8_decode(text + i, len - i, &cp);
        /* U+FFFD itself is three bytes; anything else that decodes to it is broken. */
        if (cp == 0xfffd && !(size == 3 && memcmp(text + i, "\xEF\xBF\xBD", 3) == 0)) {
            OA__TRY(oa__str_add(out, text + from, i - from));
            OA__TRY(oa__str_add(out, "\xEF\xBF\xBD", 3));
            from = i + size;
        }
        i += size;
    }
    return oa__str_add(out, text + from, len - from);
}

int oa__text_clean(const char *text, size_t len, oa__str *out)
{
    return add_valid(out, text, len);
}

static int clean_text(clean *c, oa__mem *mem, const char *text, size_t len, bool guarded)
{
    c->text = text;
    c->len = len;
    c->buf.mem = mem;
    bool guards = guarded && len >= 3 && memmem(text, len, OA__GUARD, 3);
    if (!guards) {
        if (oa__utf8_valid(text, len)) return OA_OK;
        OA__TRY(add_valid(&c->buf, text, len));
    } else {
        size_t from = 0, i = 0;
        for (; i < len; i++) {
            if (text[i] != OA__GUARD[0] || !is_guard(text + i, len - i)) continue;
            OA__TRY(add_valid(&c->buf, text + from, i - from));
            OA__TRY(oa__grow(mem, (void **)&c->guards, &c->guards_cap, c->n_guards + 1,
                             sizeof *c->guards));
            c->guards[c->n_guards++] = c->buf.len;
            i += 2;
            from = i + 1;
        }
        OA__TRY(add_valid(&c->buf, text + from, len - from));
    }
    c->text = c->buf.data ? c->buf.data : "";
    c->len = c->buf.len;
    return OA_OK;
}

/* A stretch without user-defined tokens in it. */
static int encode_plain(oa__encoder *e, const char *text, size_t len, bool prefix)
{
    if (len == 0) return OA_OK;
    switch (e->v->kind) {
    case OA__VOCAB_BPE:
        return oa__bpe_encode(e, text, len);
    case OA__VOCAB_WPM:
        return oa__wordpiece_encode(e, text, len);
    case OA__VOCAB_UGM:
        return oa__unigram_encode(e, text, len, prefix);
    default:
        return oa__spm_encode(e, text, len, prefix);
    }
}

/* A stretch without control tokens. At its beginning, which is the text's or follows a control
 * token, SPM puts a space in front where the vocabulary says so; likewise behind user-defined
 * tokens. */
static int encode_stretch(oa__encoder *e, const char *text, size_t len)
{
    const oa__vocab *v = e->v;
    bool prefix = v->add_space_prefix;
    if (v->user.empty) return encode_plain(e, text, len, prefix);
    e->found_user.len = 0;
    OA__TRY(oa__finder_scan(&v->user, e->mem, text, len, 0, &e->found_user));
    size_t at = 0;
    for (size_t k = e->found_user.len; k-- > 0;) {
        oa__found f = e->found_user.data[k];
        if (f.start < at) continue;
        OA__TRY(encode_plain(e, text + at, f.start - at, prefix));
        OA__TRY(oa__ids_add(e->out, f.id));
        at = (size_t)f.start + f.len;
    }
    return encode_plain(e, text + at, len - at, prefix);
}

static int encode_normal_form(oa__encoder *e, const char *text, size_t len)
{
    if (len == 0) return OA_OK;
    if (!e->v->pretoken || !oa__pretoken_wants_nfc(e->v->pretoken) || oa__nfc_is_trivial(text, len))
        return encode_stretch(e, text, len);
    oa__str nfc = {.mem = e->mem};
    int rc = oa__nfc(text, len, &nfc);
    if (rc >= 0) rc = encode_stretch(e, nfc.data, nfc.len);
    oa__str_free(&nfc);
    return rc;
}

/* Matches in ascending order are at the end of found: the finder reads from the end. No match
 * touches a guard with its first byte or reaches over one. */
static int find_control(const oa__vocab *v, oa__mem *mem, const clean *c, oa__founds *found)
{
    size_t end = c->len;
    for (size_t g = c->n_guards;; g--) {
        size_t start = g > 0 ? c->guards[g - 1] : 0;
        OA__TRY(oa__finder_scan(&v->control, mem, c->text + start, end - start, start, found));
        if (g == 0) return OA_OK;
        /* A match that begins right behind the guard is the last one found. */
        if (found->len > 0 && found->data[found->len - 1].start == start) found->len--;
        end = start;
    }
}

static int encode_clean(oa__encoder *e, const clean *c, bool special)
{
    oa__founds found = {0};
    int rc = OA_OK;
    size_t at = 0;
    if (special) OA__TRY_GOTO(find_control(e->v, e->mem, c, &found));
    for (size_t k = found.len; k-- > 0;) {
        oa__found f = found.data[k];
        if (f.start < at) continue;
        OA__TRY_GOTO(encode_normal_form(e, c->text + at, f.start - at));
        OA__TRY_GOTO(oa__ids_add(e->out, f.id));
        at = (size_t)f.start + f.len;
    }
    rc = encode_normal_form(e, c->text + at, c->len - at);
fail:
    oa__free(e->mem, found.data);
    return rc;
}

int oa__vocab_encode(const oa__vocab *v, const char *text, size_t len, uint32_t flags, oa__ids *out)
{
    const uint32_t known =
        OA_TOKENIZE_SPECIAL | OA_TOKENIZE_NO_BOS | OA_TOKENIZE_NO_EOS | OA__TOKENIZE_GUARDED;
    if (flags & ~known) return oa__err(OA_EINVAL, "tokenize flags 0x%x", (unsigned)flags);
    if (!text && len > 0) return oa__err(OA_EINVAL, "text is NULL, its length is %zu", len);
    /* Replacing a broken byte takes three, and offsets have 32 bits. */
    if (len > UINT32_MAX / 4)
        return oa__err(OA_ELIMIT, "text of %zu bytes, want at most %u", len, UINT32_MAX / 4);
    if (!text) text = "";
    size_t old_len = out->len;
    oa__encoder e = {.v = v, .mem = out->mem, .out = out};
    clean c = {0};
    int rc = OA_OK;
    for (size_t i = 0; i < v->n_prefix && !(flags & OA_TOKENIZE_NO_BOS); i++)
        OA__TRY_GOTO(oa__ids_add(out, v->prefix[i]));
    OA__TRY_GOTO(clean_text(&c, out->mem, text, len, flags & OA__TOKENIZE_GUARDED));
    OA__TRY_GOTO(encode_clean(&e, &c, flags & OA_TOKENIZE_SPECIAL));
    for (size_t i = 0; i < v->n_suffix && !(flags & OA_TOKENIZE_NO_EOS); i++)
        OA__TRY_GOTO(oa__ids_add(out, v->suffix[i]));
fail:
    if (rc < 0) out->len = old_len;
    oa__words_end(&e.words);
    oa__free(e.mem, e.syms);
    oa__free(e.mem, e.heap);
    oa__free(e.mem, e.escaped);
    oa__free(e.mem, e.lattice);
    oa__free(e.mem, e.found_user.data);
    oa__free(e.mem, c.guards);
    oa__str_free(&c.buf);
    return rc < 0 ? rc : OA_OK;
}
