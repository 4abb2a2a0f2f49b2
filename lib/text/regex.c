/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of code points, and matching over them. regex.h says how it works. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include "text/vocab_priv.h"

enum { BLOCK = 128, N_BLOCKS = 0x110000 / BLOCK, CLASSES_MAX = 128 };

struct oa__regex {
    oa__mem *mem;
    char *shown;
    pcre2_general_context *general;
    pcre2_code *code;
    bool jit, bytes;
    uint16_t *index;          /* (N_BLOCKS) block of each 128 code points */
    uint8_t (*blocks)[BLOCK]; /* class of each */
    size_t n_blocks, blocks_cap;
    uint8_t of_byte[256];         /* bytes only: class of the character that stands for one */
    uint64_t member[CLASSES_MAX]; /* which sets a class is in */
    size_t n_classes;
};

static void *pcre2_alloc(size_t size, void *mem)
{
    return oa__alloc(mem, size);
}

static void pcre2_release(void *ptr, void *mem)
{
    oa__free(mem, ptr);
}

/* --- classes --------------------------------------------------------------------------------- */

static int class_of_member(oa__regex *r, uint64_t member, uint8_t *out)
{
    size_t k = 0;
    while (k < r->n_classes && r->member[k] != member)
        k++;
    if (k == CLASSES_MAX)
        return oa__err(OA_EUNSUPPORTED,
                       "tokenizer pattern \"%.60s\" tells too many kinds of "
                       "characters apart",
                       r->shown);
    if (k == r->n_classes) r->member[r->n_classes++] = member;
    *out = (uint8_t)(0x80 + k);
    return OA_OK;
}

static int new_block(oa__regex *r, size_t *out)
{
    OA__TRY(
        oa__grow(r->mem, (void **)&r->blocks, &r->blocks_cap, r->n_blocks + 1, sizeof *r->blocks));
    *out = r->n_blocks++;
    return OA_OK;
}

/* Walks all code points by the places where some set begins or ends. */
static int build_classes(oa__regex *r, const oa__regex_parts *parts)
{
    size_t at[OA__REGEX_SETS_MAX] = {0};
    int32_t uniform[CLASSES_MAX];
    uint32_t next = 0; /* first code point that cls does not reach */
    uint8_t cls = 0;
    for (size_t i = 0; i < CLASSES_MAX; i++)
        uniform[i] = -1;
    r->index = oa__alloc_array(r->mem, N_BLOCKS, sizeof *r->index);
    if (!r->index) return OA_ENOMEM;
    for (uint32_t b = 0; b < N_BLOCKS; b++) {
        size_t block = 0;
        uint32_t cp = b * BLOCK;
        if (next >= cp + BLOCK && uniform[cls - 0x80] >= 0) {
            r->index[b] = (uint16_t)uniform[cls - 0x80];
            continue;
        }
        bool whole = next >= cp + BLOCK;
        OA__TRY(new_block(r, &block));
        for (uint32_t end = cp + BLOCK; cp < end; cp++) {
            if (cp >= next) {
                uint64_t member = 0;
                next = OA__CP_MAX + 1;
                for (size_t k = 0; k < parts->n_sets; k++) {
                    const oa__uset *s = &parts->sets[k];
                    while (at[k] < s->n && s->r[at[k]].hi < cp)
                        at[k]++;
                    if (at[k] == s->n) continue;
                    bool in = s->r[at[k]].lo <= cp;
                    uint32_t change = in ? s->r[at[k]].hi + 1 : s->r[at[k]].lo;
                    if (in) member |= (uint64_t)1 << k;
                    if (change < next) next = change;
                }
                /* ASCII stands for itself. */
                if (cp < 0x80) {
                    if (next > 0x80) next = 0x80;
                    cls = 0;
                } else {
                    OA__TRY(class_of_member(r, member, &cls));
                }
            }
            r->blocks[block][cp % BLOCK] = cls ? cls : (uint8_t)cp;
        }
        if (whole) uniform[cls - 0x80] = (int32_t)block;
        r->index[b] = (uint16_t)block;
    }
    return OA_OK;
}

static uint8_t class_of(const oa__regex *r, uint32_t cp)
{
    return r->blocks[r->index[cp / BLOCK]][cp % BLOCK];
}

/* The translation with sets written out as sets of class bytes. */
static int write_pattern(const oa__regex *r, const oa__regex_parts *parts, oa__str *out)
{
    const oa__str *in = &parts->out;
    for (size_t i = 0; i < in->len; i++) {
        if (in->data[i] != OA__REGEX_MARK) {
            OA__TRY(oa__str_add_char(out, in->data[i]));
            continue;
        }
        size_t k = (size_t)(uint8_t)in->data[++i] - 2;
        const oa__uset *s = &parts->sets[k];
        size_t n = 0;
        OA__TRY(oa__str_add_char(out, '['));
        for (unsigned b = 0; b < 0x80 + r->n_classes; b++) {
            bool has = b < 0x80 ? oa__uset_has(s, b) : r->member[b - 0x80] >> k & 1;
            if (!has) continue;
            OA__TRY(oa__str_addf(out, "\\x%02x", b));
            n++;
        }
        OA__TRY(oa__str_add_char(out, ']'));
        if (n > 0) continue;
        out->len -= 2; /* nothing at all */
        OA__TRY(oa__str_add_z(out, "(?!)"));
    }
    return OA_OK;
}

static int compile(oa__regex *r, const oa__str *pattern)
{
    r->general = pcre2_general_context_create(pcre2_alloc, pcre2_release, r->mem);
    pcre2_compile_context *context = r->general ? pcre2_compile_context_create(r->general) : NULL;
    if (!context) return oa__err_nomem(0);
    int code;
    PCRE2_SIZE offset;
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 100);
    r->code = pcre2_compile((PCRE2_SPTR)pattern->data, pattern->len,
                            PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_MULTILINE |
                                PCRE2_NO_AUTO_CAPTURE,
                            &code, &offset, context);
    pcre2_compile_context_free(context);
    if (!r->code) {
        unsigned char text[120] = "";
        if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAP_FAILED)
            return oa__err_nomem(pattern->len);
        pcre2_get_error_message(code, text, sizeof text);
        return oa__err(OA_EUNSUPPORTED, "tokenizer pattern \"%.60s\": %s", r->shown, text);
    }
    /* Where the system forbids writing code at run time, the interpreter serves. */
    r->jit = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
    return OA_OK;
}

int oa__regex_new(oa__regex **out, oa__mem *mem, oa__span text, bool bytes)
{
    oa__regex_parts *parts = oa__alloc(mem, sizeof *parts);
    oa__str pattern = {.mem = mem};
    oa__regex *r = NULL;
    int rc = OA_ENOMEM;
    *out = NULL;
    if (!parts) return OA_ENOMEM;
    parts->mem = parts->out.mem = mem;
    r = oa__alloc(mem, sizeof *r);
    if (!r) goto fail;
    r->mem = mem;
    r->bytes = bytes;
    r->shown = oa__strndup(mem, text.data, text.len < 100 ? text.len : 100);
    if (!r->shown) goto fail;
    OA__TRY_GOTO(oa__str_add(&pattern, "", 0));
    OA__TRY_GOTO(oa__regex_translate(parts, text.data, text.len));
    OA__TRY_GOTO(build_classes(r, parts));
    OA__TRY_GOTO(write_pattern(r, parts, &pattern));
    OA__TRY_GOTO(compile(r, &pattern));
    for (unsigned b = 0; b < 256; b++)
        r->of_byte[b] = class_of(r, oa__bpe_byte_to_char((uint8_t)b));
    *out = r;
fail:
    for (size_t i = 0; i < parts->n_sets; i++)
        oa__uset_free(&parts->sets[i]);
    oa__str_free(&parts->out);
    oa__str_free(&pattern);
    oa__free(mem, parts);
    if (rc < 0) oa__regex_free(r);
    return rc;
}

void oa__regex_free(oa__regex *r)
{
    if (!r) return;
    pcre2_code_free(r->code);
    pcre2_general_context_free(r->general);
    oa__free(r->mem, r->shown);
    oa__free(r->mem, r->index);
    oa__free(r->mem, r->blocks);
    oa__free(r->mem, r);
}

/* --- matching -------------------------------------------------------------------------------- */

static size_t ascii_prefix(const char *text, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t x;
        memcpy(&x, text + i, 8);
        if (x & 0x8080808080808080u) break;
    }
    while (i < len && (uint8_t)text[i] < 0x80)
        i++;
    return i;
}

static size_t write_classes(const oa__regex *r, const char *text, size_t len, char *out)
{
    size_t n = 0;
    if (r->bytes) {
        for (; n < len; n++)
            out[n] = (char)r->of_byte[(uint8_t)text[n]];
        return n;
    }
    for (size_t i = 0; i < len;) {
        if ((uint8_t)text[i] < 0x80) {
            out[n++] = text[i++];
            continue;
        }
        uint32_t cp;
        i += oa__utf8_decode(text + i, len - i, &cp);
        out[n++] = (char)class_of(r, cp);
    }
    return n;
}

static int begin_match(oa__matcher *m, const oa__regex *r)
{
    if (m->match_data && m->regex != r) oa__matcher_end(m);
    if (!m->match_data) {
        m->match_data = pcre2_match_data_create(1, r->general);
        m->match_context = pcre2_match_context_create(r->general);
        if (!m->match_data || !m->match_context) return oa__err_nomem(0);
        pcre2_set_heap_limit(m->match_context, 64 << 10);
    }
    return OA_OK;
}

int oa__matcher_begin(oa__matcher *m, const oa__regex *r, oa__mem *mem, const char *text,
                      size_t len)
{
    OA__TRY(begin_match(m, r));
    m->regex = r;
    m->mem = mem;
    m->text = text;
    m->len = len;
    m->at = m->class_at = m->last_end = 0;
    m->any = false;
    if (!r->bytes && ascii_prefix(text, len) == len) {
        m->classes = text;
        m->n_classes = len;
    } else {
        OA__TRY(oa__grow(mem, (void **)&m->classes_buf, &m->classes_cap, len, 1));
        m->classes = m->classes_buf;
        m->n_classes = write_classes(r, text, len, m->classes_buf);
    }
    /* The work for one match grows at most with what is left of the text for every pattern that
     * people use; the limit is far above that, and met only if a pattern is hostile. */
    uint64_t limit = 1000000 + (uint64_t)len * 16;
    pcre2_set_match_limit(m->match_context, limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit);
    return OA_OK;
}

static int match(oa__matcher *m, size_t from)
{
    const oa__regex *r = m->regex;
    PCRE2_SPTR subject = (PCRE2_SPTR)m->classes;
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (r->jit && !m->interpret)
        rc = pcre2_jit_match(r->code, subject, m->n_classes, from, 0, m->match_data,
                             m->match_context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(r->code, subject, m->n_classes, from, PCRE2_NO_JIT, m->match_data,
                         m->match_context);
    if (rc >= 0) return 1;
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    if (rc == PCRE2_ERROR_NOMEMORY) return oa__err_nomem(m->len);
    return oa__err(OA_ELIMIT, "tokenizer pattern \"%.60s\" gave up on a text of %zu bytes",
                   r->shown, m->len);
}

/* Go to a place in classes, not behind; returns it in bytes. */
static size_t advance(oa__matcher *m, size_t class_at)
{
    if (m->classes == m->text || m->regex->bytes) {
        m->class_at = class_at;
        return m->at = class_at;
    }
    size_t at = m->at;
    for (size_t i = m->class_at; i < class_at; i++) {
        at++;
        while (at < m->len && ((uint8_t)m->text[at] & 0xc0) == 0x80)
            at++;
    }
    m->class_at = class_at;
    return m->at = at;
}

int oa__matcher_next(oa__matcher *m, size_t *start, size_t *end)
{
    size_t from = m->class_at, s, e;
    for (;;) {
        if (from > m->n_classes || m->n_classes == 0) return 0;
        int rc = match(m, from);
        if (rc <= 0) return rc;
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->match_data);
        s = at[0];
        e = at[1];
        if (e < s) return 0; /* only with \K, which is not known here */
        if (s != e || !m->any || m->last_end != s) break;
        from = s + 1; /* nothing, right behind the last match */
    }
    m->any = true;
    m->last_end = e;
    *start = advance(m, s);
    *end = advance(m, e);
    return 1;
}

void oa__matcher_end(oa__matcher *m)
{
    pcre2_match_data_free(m->match_data);
    pcre2_match_context_free(m->match_context);
    oa__free(m->mem, m->classes_buf);
    memset(m, 0, sizeof *m);
}
