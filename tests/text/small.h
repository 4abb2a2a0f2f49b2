/* SPDX-License-Identifier: Apache-2.0 */
/* Small vocabularies written in tests. */
#ifndef OA_TESTS_TEXT_SMALL_H
#define OA_TESTS_TEXT_SMALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openassistant/model.h>

#include "text/text.h"

enum { SMALL_MAX = 512 };

typedef struct small {
    oa__vocab_spec spec;
    oa__span tokens[SMALL_MAX];
    float scores[SMALL_MAX];
    int32_t types[SMALL_MAX];
    oa__span merges[SMALL_MAX];
    char names[256][8];
} small;

static inline int32_t small_add_n(small *s, const char *text, size_t len, int32_t type, float score)
{
    size_t i = s->spec.n_tokens++;
    s->tokens[i] = (oa__span){text, len};
    s->types[i] = type;
    s->scores[i] = score;
    return (int32_t)i;
}

static inline int32_t small_add(small *s, const char *text, int32_t type, float score)
{
    return small_add_n(s, text, strlen(text), type, score);
}

static inline void small_init(small *s, enum oa__vocab_kind kind)
{
    memset(s, 0, sizeof *s);
    s->spec = (oa__vocab_spec){.kind = kind,
                               .pattern = "gpt-2",
                               .tokens = s->tokens,
                               .scores = s->scores,
                               .types = s->types,
                               .merges = s->merges,
                               .bos_id = -1,
                               .eos_id = -1,
                               .eot_id = -1,
                               .unk_id = -1,
                               .pad_id = -1};
}

/* Ids 0 to 255: the bytes, as byte-level BPE writes them. */
static inline void small_init_bpe(small *s)
{
    small_init(s, OA__VOCAB_BPE);
    unsigned next = 0x100;
    for (unsigned b = 0; b < 256; b++) {
        bool shown = (b > 0x20 && b < 0x7f) || (b > 0xa0 && b != 0xad);
        size_t n = oa__utf8_encode(shown ? b : next++, s->names[b]);
        small_add_n(s, s->names[b], n, OA__TOKEN_NORMAL, 0);
    }
}

/* A merge and the token that it gives. */
static inline int32_t small_merge(small *s, const char *merge, const char *token)
{
    s->merges[s->spec.n_merges++] = (oa__span){merge, strlen(merge)};
    return small_add(s, token, OA__TOKEN_NORMAL, 0);
}

/* Ids 0 to 255: the byte tokens. */
static inline void small_init_spm(small *s)
{
    small_init(s, OA__VOCAB_SPM);
    for (unsigned b = 0; b < 256; b++) {
        snprintf(s->names[b], sizeof s->names[b], "<0x%02X>", b);
        small_add(s, s->names[b], OA__TOKEN_BYTE, 0);
    }
    s->spec.add_space_prefix = true;
}

static inline oa__vocab *small_new(small *s)
{
    oa__vocab *v;
    int rc = oa__vocab_new(&v, NULL, &s->spec);
    if (rc < 0) fail_msg("%s", oa_error_last());
    return v;
}

/* want ends with -1. */
static inline void expect_ids(const oa__vocab *v, const char *text, size_t len, uint32_t flags,
                              const int32_t *want)
{
    oa__ids ids = {0};
    char got[4096] = "";
    size_t n = 0, used = 0;
    while (want[n] >= 0)
        n++;
    assert_int_equal(oa__vocab_encode(v, text, len, flags, &ids), OA_OK);
    for (size_t i = 0; i < ids.len && used < sizeof got - 16; i++)
        used += (size_t)snprintf(got + used, 16, "%d ", (int)ids.data[i]);
    bool same = ids.len == n;
    for (size_t i = 0; same && i < n; i++)
        same = ids.data[i] == want[i];
    oa__ids_free(&ids);
    if (!same) fail_msg("\"%.*s\" gives %s", (int)len, text, got);
}

/* The ids come with a comma behind each: EXPECT(v, "ab", 0, 97, 98, ). */
#define EXPECT(v, text, flags, ...)                                                                \
    expect_ids(v, text, sizeof(text) - 1, flags, (const int32_t[]){__VA_ARGS__ - 1})

static inline void expect_text(const oa__vocab *v, const int32_t *ids, size_t n, bool special,
                               bool at_start, const char *want)
{
    oa__str out = {0};
    assert_int_equal(oa__str_add(&out, "", 0), OA_OK);
    assert_int_equal(oa__vocab_decode(v, ids, n, special, at_start, &out), OA_OK);
    assert_int_equal(out.len, strlen(want));
    assert_string_equal(out.data ? out.data : "", want);
    oa__str_free(&out);
}

static inline void expect_bad(small *s, int code, const char *words)
{
    oa__vocab *v = (oa__vocab *)s;
    int rc = oa__vocab_new(&v, NULL, &s->spec);
    if (rc != code) fail_msg("code %d, want %d: %s", rc, code, oa_error_last());
    assert_null(v);
    if (!strstr(oa_error_last(), words)) fail_msg("\"%s\" lacks \"%s\"", oa_error_last(), words);
}

#endif
