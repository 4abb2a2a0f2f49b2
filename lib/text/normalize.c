/* SPDX-License-Identifier: Apache-2.0 */
/* Normalising a text before it is cut into words: one step after another, text to text. */
#include "text/pretoken.h"

#include <string.h>

#include "text/charsmap.h"
#include "text/unicode_bert.h"

enum { OUT_MAX = 1 << 30 }; /* a hostile replacement must not blow a text up */

struct oa__normalizer {
    oa__mem *mem;
    size_t n;
    struct norm_step {
        enum oa__norm_kind kind;
        unsigned flags;
        char *text, *with;
        size_t text_len, with_len;
        oa__regex *regex;
        oa__charsmap charsmap;
    } steps[OA__NORM_MAX];
};

static int compile_step(oa__normalizer *n, const oa__norm_spec *spec)
{
    struct norm_step *s = &n->steps[n->n++];
    s->kind = spec->kind;
    s->flags = spec->flags;
    s->text_len = spec->text.len;
    s->with_len = spec->with.len;
    if (spec->kind == OA__NORM_CHARSMAP)
        return oa__charsmap_init(&s->charsmap, n->mem, spec->text.data, spec->text.len);
    if (spec->kind == OA__NORM_REPLACE_REGEX)
        return oa__regex_new(&s->regex, n->mem, spec->text, false);
    s->text = oa__strndup(n->mem, spec->text.data ? spec->text.data : "", spec->text.len);
    return s->text ? OA_OK : OA_ENOMEM;
}

int oa__normalizer_new(oa__normalizer **out, oa__mem *mem, const oa__pipeline_spec *spec)
{
    int rc = OA_OK;
    *out = NULL;
    if (spec->n_norm == 0) return OA_OK;
    oa__normalizer *n = oa__alloc(mem, sizeof *n);
    if (!n) return OA_ENOMEM;
    n->mem = mem;
    for (size_t i = 0; i < spec->n_norm; i++) {
        const oa__span with = spec->norm[i].with;
        OA__TRY_GOTO(compile_step(n, &spec->norm[i]));
        n->steps[i].with = oa__strndup(mem, with.data ? with.data : "", with.len);
        if (!n->steps[i].with) {
            rc = OA_ENOMEM;
            goto fail;
        }
    }
    *out = n;
    return OA_OK;
fail:
    oa__normalizer_free(n);
    return rc;
}

void oa__normalizer_free(oa__normalizer *n)
{
    if (!n) return;
    for (size_t i = 0; i < n->n; i++) {
        oa__regex_free(n->steps[i].regex);
        oa__charsmap_free(&n->steps[i].charsmap, n->mem);
        oa__free(n->mem, n->steps[i].text);
        oa__free(n->mem, n->steps[i].with);
    }
    oa__free(n->mem, n);
}

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)text[i] >= 0x80) return false;
    return true;
}

static bool step_is_trivial(const struct norm_step *s, const char *text, size_t len)
{
    switch (s->kind) {
    case OA__NORM_NFC:
        return oa__nfc_is_trivial(text, len);
    case OA__NORM_NFD:
    case OA__NORM_NFKC:
    case OA__NORM_NFKD:
    case OA__NORM_STRIP_ACCENTS:
    case OA__NORM_BERT_ACCENTS:
        return is_ascii(text, len);
    case OA__NORM_REPLACE:
        return !memmem(text, len, s->text, s->text_len);
    default:
        return false;
    }
}

bool oa__normalizer_is_trivial(const oa__normalizer *n, const char *text, size_t len)
{
    for (size_t i = 0; i < n->n; i++)
        if (!step_is_trivial(&n->steps[i], text, len)) return false;
    return true;
}

/* --- steps: each appends to out -------------------------------------------------------------- */

static int replace(const struct norm_step *s, const char *text, size_t len, oa__str *out)
{
    size_t from = 0;
    for (;;) {
        const char *hit = memmem(text + from, len - from, s->text, s->text_len);
        if (!hit) return oa__str_add(out, text + from, len - from);
        size_t at = (size_t)(hit - text);
        OA__TRY(oa__str_add(out, text + from, at - from));
        OA__TRY(oa__str_add(out, s->with, s->with_len));
        from = at + s->text_len;
    }
}

static int replace_regex(const struct norm_step *s, const char *text, size_t len, oa__str *out)
{
    oa__matcher m = {0};
    size_t from = 0, start = 0, end = 0;
    int rc = oa__matcher_begin(&m, s->regex, out->mem, text, len);
    while (rc >= 0 && (rc = oa__matcher_next(&m, &start, &end)) == 1) {
        rc = oa__str_add(out, text + from, start - from);
        if (rc >= 0) rc = oa__str_add(out, s->with, s->with_len);
        from = end;
    }
    if (rc >= 0) rc = oa__str_add(out, text + from, len - from);
    oa__matcher_end(&m);
    return rc;
}

static int strip(const struct norm_step *s, const char *text, size_t len, oa__str *out)
{
    size_t start = 0, end = len;
    uint32_t cp;
    while (s->flags & OA__STRIP_LEFT && start < end) {
        size_t n = oa__utf8_decode(text + start, end - start, &cp);
        if (!oa__unicode_is_space(cp)) break;
        start += n;
    }
    while (s->flags & OA__STRIP_RIGHT && start < end) {
        size_t at = end - 1;
        while (at > start && ((uint8_t)text[at] & 0xc0) == 0x80)
            at--;
        (void)oa__utf8_decode(text + at, end - at, &cp);
        if (!oa__unicode_is_space(cp)) break;
        end = at;
    }
    return oa__str_add(out, text + start, end - start);
}

/* What becomes of one character. */
static int add_char(enum oa__norm_kind kind, uint32_t cp, oa__str *out)
{
    const unsigned bits = cp < 0x80 && kind != OA__NORM_BERT_CLEAN ? 0 : oa__bert_class(cp);
    uint32_t lower[2];
    switch (kind) {
    case OA__NORM_LOWERCASE: {
        size_t n = oa__unicode_lower(cp, lower);
        for (size_t i = 0; i < n; i++)
            OA__TRY(oa__str_add_utf8(out, lower[i]));
        return OA_OK;
    }
    case OA__NORM_BERT_CLEAN:
        if (bits & OA__BERT_DROP) return OA_OK;
        return bits & OA__BERT_SPACE ? oa__str_add_char(out, ' ') : oa__str_add_utf8(out, cp);
    case OA__NORM_BERT_CHINESE:
        if (!oa__bert_is_chinese(cp)) return oa__str_add_utf8(out, cp);
        OA__TRY(oa__str_add_char(out, ' '));
        OA__TRY(oa__str_add_utf8(out, cp));
        return oa__str_add_char(out, ' ');
    case OA__NORM_BERT_ACCENTS:
        return bits & OA__BERT_ACCENT ? OA_OK : oa__str_add_utf8(out, cp);
    default:
        return bits & OA__BERT_MARK ? OA_OK : oa__str_add_utf8(out, cp);
    }
}

static int each_char(const struct norm_step *s, const char *text, size_t len, oa__str *out)
{
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        i += oa__utf8_decode(text + i, len - i, &cp);
        OA__TRY(add_char(s->kind, cp, out));
    }
    return OA_OK;
}

static int apply(const struct norm_step *s, const char *text, size_t len, oa__str *out)
{
    switch (s->kind) {
    case OA__NORM_NFC:
    case OA__NORM_NFD:
    case OA__NORM_NFKC:
    case OA__NORM_NFKD:
        return oa__unicode_form(text, len, s->kind == OA__NORM_NFKC || s->kind == OA__NORM_NFKD,
                                s->kind == OA__NORM_NFC || s->kind == OA__NORM_NFKC, out);
    case OA__NORM_PREPEND:
        if (len > 0) OA__TRY(oa__str_add(out, s->text, s->text_len));
        return oa__str_add(out, text, len);
    case OA__NORM_REPLACE:
        return replace(s, text, len, out);
    case OA__NORM_REPLACE_REGEX:
        return replace_regex(s, text, len, out);
    case OA__NORM_CHARSMAP:
        return oa__charsmap_by_grapheme(&s->charsmap, text, len, out);
    case OA__NORM_STRIP:
        return strip(s, text, len, out);
    default:
        return each_char(s, text, len, out);
    }
}

int oa__normalize(const oa__normalizer *n, const char *text, size_t len, oa__str *out)
{
    oa__str other = {.mem = out->mem, .max = OUT_MAX};
    int rc = OA_OK;
    out->len = 0;
    for (size_t i = 0; i < n->n; i++) {
        if (step_is_trivial(&n->steps[i], text, len)) continue;
        other.len = 0;
        OA__TRY_GOTO(oa__str_add(&other, "", 0));
        OA__TRY_GOTO(apply(&n->steps[i], text, len, &other));
        oa__str t = *out;
        *out = other;
        other = t;
        other.max = out->max = OUT_MAX;
        text = out->data;
        len = out->len;
    }
    if (text != out->data) rc = oa__str_add(out, text, len);
fail:
    oa__str_free(&other);
    return rc;
}
