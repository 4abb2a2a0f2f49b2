/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: tokenizer.json, and texts for what opens. Behind a NUL stands the text; behind
 * another one tokenizer_config.json.
 *
 * What must hold: ids are in the vocabulary; encoding twice gives the same; without
 * OA_TOKENIZE_SPECIAL no id is a control token but those at the ends and the unknown one; a failure
 * has a reason and leaves nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openassistant/model.h>

#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(holds)                                                                             \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "fuzz_tokenizer_json:%d: does not hold: %s\n", __LINE__, #holds);      \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const uint32_t bare = OA_TOKENIZE_NO_BOS | OA_TOKENIZE_NO_EOS;

static void encode(const oa__vocab *v, oa__mem *mem, const char *text, size_t len, uint32_t flags,
                   int32_t unk_id)
{
    oa__ids a = {.mem = mem}, b = {.mem = mem};
    oa__str back = {.mem = mem};
    int rc = oa__vocab_encode(v, text, len, flags, &a);
    require(rc == OA_OK || (*oa_error_last() && a.len == 0));
    require(oa__vocab_encode(v, text, len, flags, &b) == rc && a.len == b.len);
    require(a.len == 0 || memcmp(a.data, b.data, a.len * sizeof *a.data) == 0);
    for (size_t i = 0; i < a.len; i++) {
        require(a.data[i] >= 0 && (size_t)a.data[i] < oa__vocab_size(v));
        bool special = oa__vocab_is_special(v, a.data[i]);
        require(flags != bare || !special || a.data[i] == unk_id);
    }
    /* As two texts: what both have alone, with something between; or no such form. */
    size_t n_first, half = len / 2;
    b.len = 0;
    rc = oa__vocab_encode_pair(v, (oa__span){text, half}, (oa__span){text + half, len - half},
                               flags, &b, &n_first);
    require(rc == OA_OK || (*oa_error_last() && b.len == 0 && n_first == 0));
    require(n_first <= b.len);
    for (size_t i = 0; i < b.len; i++)
        require(b.data[i] >= 0 && (size_t)b.data[i] < oa__vocab_size(v));
    rc = oa__vocab_decode(v, a.data, a.len, true, true, &back);
    require(rc == OA_OK || rc == OA_ENOMEM);
    oa__ids_free(&a);
    oa__ids_free(&b);
    oa__str_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *json = (const char *)data, *end = json + size;
    const char *nul = size ? memchr(json, 0, size) : NULL;
    const char *text = nul ? nul + 1 : end;
    const char *nul2 = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
    const char *stop = nul2 ? nul2 : end;
    oa__tokenizer_json_opts opts = OA__TOKENIZER_JSON_OPTS_INIT;
    oa__tokenizer_json *t = NULL;
    oa__vocab *v = NULL;
    oa__mem mem;
    if (oa__mem_init(&mem, NULL, 64 << 20) < 0) abort();
    if (nul2) {
        opts.config = nul2 + 1;
        opts.config_len = (size_t)(end - nul2 - 1);
    }
    size_t len = (size_t)((nul ? nul : end) - json);
    if (oa__tokenizer_json_new(&t, &mem, json, len, &opts) < 0) {
        require(t == NULL && *oa_error_last());
        require(mem.used == 0);
        return 0;
    }
    int32_t unk_id = oa__tokenizer_json_spec(t)->unk_id;
    int rc = oa__vocab_new(&v, &mem, oa__tokenizer_json_spec(t));
    oa__tokenizer_json_free(t);
    if (rc == OA_OK) {
        encode(v, &mem, text, (size_t)(stop - text), bare, unk_id);
        encode(v, &mem, text, (size_t)(stop - text), OA_TOKENIZE_SPECIAL, unk_id);
    } else {
        require(v == NULL && *oa_error_last());
    }
    oa__vocab_free(v);
    require(mem.used == 0);
    return 0;
}
