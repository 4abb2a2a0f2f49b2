/* SPDX-License-Identifier: Apache-2.0 */
/* A vocabulary out of a GGUF file, for tests that stay below the model floor. */
#ifndef OA_TESTS_TEXT_LOAD_H
#define OA_TESTS_TEXT_LOAD_H

#include <string.h>

#include "file/file.h"
#include "text/text.h"

static inline int load_strings(oa__gguf *g, const char *key, oa__span **out, size_t *n)
{
    oa__gguf_strings it = {0};
    *out = NULL;
    *n = 0;
    if (!oa__gguf_has(g, key)) return OA_OK;
    OA__TRY(oa__gguf_strings_begin(g, key, &it, n));
    *out = oa__alloc_array(NULL, *n, sizeof **out);
    if (!*out) return OA_ENOMEM;
    for (size_t i = 0; oa__gguf_strings_next(&it); i++)
        (*out)[i] = (oa__span){it.text, it.len};
    return OA_OK;
}

static inline int32_t load_id(oa__gguf *g, const char *key)
{
    uint64_t id;
    return oa__gguf_has(g, key) && oa__gguf_u64(g, key, &id) == OA_OK ? (int32_t)id : -1;
}

static inline bool load_bool(oa__gguf *g, const char *key, bool value)
{
    if (oa__gguf_has(g, key)) (void)oa__gguf_bool(g, key, &value);
    return value;
}

/* pattern NULL: the file's. */
static inline int load_vocab(oa__vocab **out, oa__mem *mem, const char *path, const char *pattern)
{
    oa__gguf *g = NULL;
    oa__span *tokens = NULL, *merges = NULL;
    char *charsmap = NULL;
    float *scores = NULL;
    int32_t *types = NULL;
    const char *text;
    char pre[64] = "";
    size_t len, n;
    oa__vocab_spec spec = {.kind = OA__VOCAB_BPE};
    int rc;
    *out = NULL;
    OA__TRY_GOTO(oa__gguf_open(&g, NULL, path, false, true));
    OA__TRY_GOTO(oa__gguf_str(g, "tokenizer.ggml.model", &text, &len));
    if (len == 5 && memcmp(text, "llama", 5) == 0) spec.kind = OA__VOCAB_SPM;
    if (len == 4 && memcmp(text, "bert", 4) == 0) {
        spec.kind = OA__VOCAB_WPM;
        spec.keep_case = !load_bool(g, "tokenizer.ggml.normalizer.lowercase", true);
        spec.keep_accents = spec.keep_case;
    }
    if (len == 2 && memcmp(text, "t5", 2) == 0) {
        const char *key = "tokenizer.ggml.precompiled_charsmap";
        spec.kind = OA__VOCAB_UGM;
        if (oa__gguf_has(g, key)) {
            OA__TRY_GOTO(oa__gguf_array_len(g, key, OA__GGUF_U8, &spec.charsmap_size));
            charsmap = oa__alloc(NULL, spec.charsmap_size);
            OA__TRY_GOTO(oa__gguf_array_copy(g, key, OA__GGUF_U8, charsmap, spec.charsmap_size));
            spec.charsmap = charsmap;
        }
        spec.remove_extra_spaces = load_bool(g, "tokenizer.ggml.remove_extra_whitespaces", false);
    }
    if (oa__gguf_has(g, "tokenizer.ggml.pre")) {
        OA__TRY_GOTO(oa__gguf_str(g, "tokenizer.ggml.pre", &text, &len));
        memcpy(pre, text, len < 63 ? len : 63);
        spec.pattern = pre;
    }
    if (spec.kind == OA__VOCAB_BPE && !spec.pattern) spec.pattern = "default";
    if (len == 6 && memcmp(text, "gemma4", 6) == 0) spec.pattern = "gemma4";
    if (pattern) spec.pattern = pattern;
    OA__TRY_GOTO(load_strings(g, "tokenizer.ggml.tokens", &tokens, &spec.n_tokens));
    OA__TRY_GOTO(load_strings(g, "tokenizer.ggml.merges", &merges, &spec.n_merges));
    if (oa__gguf_has(g, "tokenizer.ggml.scores")) {
        OA__TRY_GOTO(oa__gguf_array_len(g, "tokenizer.ggml.scores", OA__GGUF_F32, &n));
        scores = oa__alloc_array(NULL, n, sizeof *scores);
        OA__TRY_GOTO(oa__gguf_array_copy(g, "tokenizer.ggml.scores", OA__GGUF_F32, scores, n));
    }
    if (oa__gguf_has(g, "tokenizer.ggml.token_type")) {
        OA__TRY_GOTO(oa__gguf_array_len(g, "tokenizer.ggml.token_type", OA__GGUF_I32, &n));
        types = oa__alloc_array(NULL, n, sizeof *types);
        OA__TRY_GOTO(oa__gguf_array_copy(g, "tokenizer.ggml.token_type", OA__GGUF_I32, types, n));
    }
    spec.tokens = tokens;
    spec.merges = merges;
    spec.scores = scores;
    spec.types = types;
    spec.bos_id = load_id(g, "tokenizer.ggml.bos_token_id");
    spec.eos_id = load_id(g, "tokenizer.ggml.eos_token_id");
    spec.unk_id = load_id(g, "tokenizer.ggml.unknown_token_id");
    spec.eot_id = load_id(g, "tokenizer.ggml.eot_token_id");
    spec.pad_id = load_id(g, "tokenizer.ggml.padding_token_id");
    spec.add_bos = load_bool(g, "tokenizer.ggml.add_bos_token", spec.kind == OA__VOCAB_SPM);
    spec.add_eos = load_bool(g, "tokenizer.ggml.add_eos_token", false);
    spec.add_space_prefix =
        load_bool(g, "tokenizer.ggml.add_space_prefix", spec.kind == OA__VOCAB_SPM);
    rc = oa__vocab_new(out, mem, &spec);
fail:
    oa__free(NULL, tokens);
    oa__free(NULL, merges);
    oa__free(NULL, scores);
    oa__free(NULL, charsmap);
    oa__free(NULL, types);
    oa__gguf_free(g);
    return rc;
}

#endif
