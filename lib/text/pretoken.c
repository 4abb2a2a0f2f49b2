/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting a text into words by the pattern that a vocabulary was trained with.
 *
 * The patterns ask four things of a character: is it a letter, a number, white space, or one of a
 * few ASCII characters. PCRE2 could be asked directly, but what it calls a letter depends on the
 * Unicode version of the library that is installed, and tokens must not. So the pattern runs over
 * a string of classes: one byte per code point, ASCII as it is, everything else as a byte above
 * 127 from our own table (unicode_class.c, Unicode 16, as the reference implementation has it).
 * An ASCII text is its own class string. The patterns are written so that every repetition is of
 * one character: the time is linear and the stack small.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "text/pipeline.h"
#include "text/vocab_priv.h"

enum {
    CLASS_LETTER = 0x80,
    CLASS_LONG_S = 0x81, /* U+017F: a letter, and equal to s when case does not count */
    CLASS_NUMBER = 0x82,
    CLASS_SPACE = 0x83,
    CLASS_OTHER = 0x84,
    CLASS_NUMBER_17 = 0x85 /* a number since Unicode 17, which only single digits know about */
};

#define L "A-Za-z\\x80\\x81"
#define N "0-9\\x82"
#define D "0-9\\x82\\x85"
#define S "\\t-\\r \\x83"
#define CONTRACTION "'(?:[stmd]|re|ve|ll)"
#define CONTRACTION_ANY_CASE "'(?:[sS\\x81tTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
#define WHITE_SPACE "|[" S "]*[\\r\\n]+|[" S "]+(?![^" S "])|[" S "]+"

static const struct pattern {
    const char *name;
    const char *aliases[3];
    const char *regex;
    bool ignore_merges, nfc;
} patterns[] = {
    {
        .name = "gpt-2",
        .regex = CONTRACTION "| ?[" L "]+| ?[" N "]+| ?[^" S L N "]+|[" S "]+(?![^" S "])|[" S "]+",
    },
    /* Every number character alone, then gpt-2's pattern in what lies between: a number ends the
     * text for the look-ahead behind white space. */
    {
        .name = "smollm",
        .regex = "[" D "]|" CONTRACTION "| ?[" L "]+| ?[^" S L D "]+"
                 "|[" S "]+(?![^" S D "])|[" S "]+",
    },
    {
        .name = "llama-3",
        .aliases = {"llama-bpe", "llama3", "llama-v3"},
        .regex = CONTRACTION_ANY_CASE "|[^\\r\\n" L N "]?[" L "]+|[" N "]{1,3}"
                                      "| ?[^" S L N "]+[\\r\\n]*" WHITE_SPACE,
        .ignore_merges = true,
    },
    {
        .name = "qwen2",
        .regex = CONTRACTION_ANY_CASE "|[^\\r\\n" L N "]?[" L "]+|[" N "]"
                                      "| ?[^" S L N "]+[\\r\\n]*" WHITE_SPACE,
        .nfc = true,
    },
};

struct oa__pretoken {
    const struct pattern *pattern;
    pcre2_general_context *general;
    pcre2_code *code;
    bool jit;
    bool nfc, ignore_merges;
};

static void *pcre2_alloc(size_t size, void *mem)
{
    return oa__alloc(mem, size);
}

static void pcre2_release(void *ptr, void *mem)
{
    oa__free(mem, ptr);
}

static const struct pattern *pattern_find(const char *name)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(patterns); i++) {
        if (strcmp(name, patterns[i].name) == 0) return &patterns[i];
        for (size_t k = 0; k < OA__ARRAY_LEN(patterns[i].aliases); k++) {
            const char *alias = patterns[i].aliases[k];
            if (alias && strcmp(name, alias) == 0) return &patterns[i];
        }
    }
    return NULL;
}

static int pretoken_compile(oa__pretoken **out, oa__mem *mem, const struct pattern *pattern);

int oa__pretoken_new(oa__pretoken **out, oa__mem *mem, const char *name)
{
    const char *known = "gpt-2, smollm, llama-bpe, llama3, llama-v3, qwen2";
    *out = NULL;
    if (!name)
        return oa__err(OA_EUNSUPPORTED, "tokenizer names no pattern (tokenizer.ggml.pre), want %s",
                       known);
    const struct pattern *pattern = pattern_find(name);
    if (!pattern)
        return oa__err(OA_EUNSUPPORTED, "tokenizer pattern \"%.40s\", want %s", name, known);
    return pretoken_compile(out, mem, pattern);
}

int oa__pretoken_new_pipeline(oa__pretoken **out, oa__mem *mem,
                              const struct oa__pipeline_spec *spec)
{
    *out = NULL;
    bool nfc = spec->n_norm == 1 && spec->norm[0].kind == OA__NORM_NFC;
    if (spec->n_norm > 1 || (spec->n_norm == 1 && !nfc))
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json has a normalizer other than NFC");
    const oa__pre_spec *pre = spec->pre;
    const size_t len = sizeof OA__REGEX_GPT2 - 1;
    if (spec->n_pre != 2 || pre[0].kind != OA__PRE_REGEX || pre[0].split != OA__SPLIT_ISOLATED ||
        pre[0].text.len != len || memcmp(pre[0].text.data, OA__REGEX_GPT2, len) != 0 ||
        pre[0].flags || pre[1].kind != OA__PRE_BYTES)
        return oa__err(OA_EUNSUPPORTED, "tokenizer.json has a pre-tokenizer other than ByteLevel");
    OA__TRY(pretoken_compile(out, mem, pattern_find("gpt-2")));
    (*out)->nfc = nfc;
    (*out)->ignore_merges = spec->ignore_merges;
    return OA_OK;
}

static int pretoken_compile(oa__pretoken **out, oa__mem *mem, const struct pattern *pattern)
{
    oa__pretoken *p = oa__alloc(mem, sizeof *p);
    if (!p) return OA_ENOMEM;
    p->pattern = pattern;
    p->nfc = pattern->nfc;
    p->ignore_merges = pattern->ignore_merges;
    p->general = pcre2_general_context_create(pcre2_alloc, pcre2_release, mem);
    if (!p->general) goto nomem;
    pcre2_compile_context *context = pcre2_compile_context_create(p->general);
    if (!context) goto nomem;
    int code;
    PCRE2_SIZE offset;
    p->code =
        pcre2_compile((PCRE2_SPTR)pattern->regex, PCRE2_ZERO_TERMINATED,
                      PCRE2_ANCHORED | PCRE2_DOTALL | PCRE2_NEVER_UTF, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (!p->code) goto nomem; /* the patterns are ours: nothing else can go wrong */
    /* Where the system forbids writing code at run time, the interpreter serves. */
    p->jit = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0;
    *out = p;
    return OA_OK;
nomem:
    oa__pretoken_free(p, mem);
    return oa__err(OA_ENOMEM, "no memory for tokenizer pattern %s", pattern->name);
}

void oa__pretoken_free(oa__pretoken *p, oa__mem *mem)
{
    if (!p) return;
    pcre2_code_free(p->code);
    pcre2_general_context_free(p->general);
    oa__free(mem, p);
}

const char *oa__pretoken_name(const oa__pretoken *p)
{
    return p->pattern->name;
}

bool oa__pretoken_ignores_merges(const oa__pretoken *p)
{
    return p->ignore_merges;
}

bool oa__pretoken_wants_nfc(const oa__pretoken *p)
{
    return p->nfc;
}

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

static const uint8_t class_bytes[] = {
    [OA__CLASS_OTHER] = CLASS_OTHER,         [OA__CLASS_LETTER] = CLASS_LETTER,
    [OA__CLASS_NUMBER] = CLASS_NUMBER,       [OA__CLASS_SPACE] = CLASS_SPACE,
    [OA__CLASS_NUMBER_17] = CLASS_NUMBER_17,
};

static size_t write_classes(const char *text, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        if ((uint8_t)text[i] < 0x80) {
            out[n++] = text[i++];
            continue;
        }
        uint32_t cp;
        i += oa__utf8_decode(text + i, len - i, &cp);
        out[n++] = (char)(cp == 0x17f ? CLASS_LONG_S : class_bytes[oa__unicode_class(cp)]);
    }
    return n;
}

int oa__words_begin(oa__words *w, const oa__pretoken *p, oa__mem *mem, const char *text, size_t len)
{
    w->pretoken = p;
    w->mem = mem;
    w->text = text;
    w->len = len;
    w->at = w->class_at = 0;
    if (ascii_prefix(text, len) == len) {
        w->classes = text;
        w->n_classes = len;
    } else {
        OA__TRY(oa__grow(mem, (void **)&w->classes_buf, &w->classes_cap, len, 1));
        w->classes = w->classes_buf;
        w->n_classes = write_classes(text, len, w->classes_buf);
    }
    if (!w->match_data) {
        w->match_data = pcre2_match_data_create(1, p->general);
        w->match_context = pcre2_match_context_create(p->general);
        if (!w->match_data || !w->match_context) return oa__err_nomem(0);
    }
    /* The work for one word grows at most with what is left of the text; the limit is far above
     * that, so that it is met only if a pattern is wrong. */
    uint64_t limit = 1000000 + (uint64_t)len * 16;
    pcre2_set_match_limit(w->match_context, limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit);
    pcre2_set_depth_limit(w->match_context, 1000);
    w->no_jit = !p->jit;
    return OA_OK;
}

int oa__words_next(oa__words *w, const char **word, size_t *len)
{
    if (w->class_at >= w->n_classes) return 0;
    const oa__pretoken *p = w->pretoken;
    PCRE2_SPTR subject = (PCRE2_SPTR)w->classes;
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (!w->no_jit)
        rc = pcre2_jit_match(p->code, subject, w->n_classes, w->class_at, 0, w->match_data,
                             w->match_context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(p->code, subject, w->n_classes, w->class_at, PCRE2_NO_JIT, w->match_data,
                         w->match_context);
    size_t n = 1; /* a character that no pattern takes stands alone */
    if (rc >= 0) {
        n = pcre2_get_ovector_pointer(w->match_data)[1] - w->class_at;
        if (n == 0) n = 1;
    } else if (rc == PCRE2_ERROR_NOMEMORY) {
        return oa__err_nomem(w->len);
    } else if (rc != PCRE2_ERROR_NOMATCH) {
        return oa__err(OA_ELIMIT, "tokenizer pattern %s gave up on a text of %zu bytes",
                       p->pattern->name, w->len);
    }
    size_t size = n;
    if (w->classes != w->text) {
        size_t at = w->at;
        for (size_t i = 0; i < n; i++) {
            at++;
            while (at < w->len && ((uint8_t)w->text[at] & 0xc0) == 0x80)
                at++;
        }
        size = at - w->at;
    }
    *word = w->text + w->at;
    *len = size;
    w->at += size;
    w->class_at += n;
    return 1;
}

void oa__words_end(oa__words *w)
{
    pcre2_match_data_free(w->match_data);
    pcre2_match_context_free(w->match_context);
    oa__free(w->mem, w->classes_buf);
    memset(w, 0, sizeof *w);
}
