/* SPDX-License-Identifier: Apache-2.0 */
/* A byte-level vocabulary of any size from 257 on: the end, all bytes, then pieces of two, three
 * and four letters, each with the merge that makes it. */
#ifndef OA_TESTS_UTIL_SHAPE_VOCAB_H
#define OA_TESTS_UTIL_SHAPE_VOCAB_H

#include <string.h>

#include "file/file.h"

enum { SHAPE_LETTERS = 27 }; /* the space, and a to z */

/* How byte-level vocabularies write a byte, as UTF-8. */
static inline int shape_put_byte(oa__str *s, unsigned byte)
{
    uint32_t cp = 256;
    if ((byte >= 33 && byte < 127) || (byte >= 161 && byte < 173) || byte >= 174)
        return oa__str_add_utf8(s, byte);
    for (unsigned i = 0; i < byte; i++)
        cp += i < 33 || (i >= 127 && i < 161) || i == 173;
    return oa__str_add_utf8(s, cp);
}

static inline int shape_put_letters(oa__str *s, const unsigned *letters, size_t n)
{
    for (size_t i = 0; i < n; i++)
        OA__TRY(shape_put_byte(s, letters[i] ? 'a' + letters[i] - 1 : ' '));
    return OA_OK;
}

/* The i-th piece of more than one letter, with `between` after its half. */
static inline int shape_put_piece(oa__str *s, uint32_t i, const char *between)
{
    unsigned letters[8] = {0};
    uint32_t n = 2, all = SHAPE_LETTERS * SHAPE_LETTERS;
    for (; i >= all; n++, all *= SHAPE_LETTERS)
        i -= all;
    for (uint32_t k = n; k-- > 0; i /= SHAPE_LETTERS)
        letters[k] = i % SHAPE_LETTERS;
    const size_t half = n == 2 ? 1 : 2;
    OA__TRY(shape_put_letters(s, letters, half));
    OA__TRY(oa__str_add_z(s, between));
    return shape_put_letters(s, letters + half, n - half);
}

static inline int shape_put_token(oa__str *s, uint32_t i)
{
    if (i == 0) return oa__str_add_z(s, "<|endoftext|>");
    return i <= 256 ? shape_put_byte(s, i - 1) : shape_put_piece(s, i - 257, "");
}

/* n texts one behind the other, made by put; then all of them as an array. */
static inline int shape_strings(oa__gguf_writer *w, const char *key, uint32_t n, bool merges)
{
    oa__str text = {0};
    size_t *lens = oa__alloc_array(NULL, n, sizeof *lens);
    const char **texts = oa__alloc_array(NULL, n, sizeof *texts);
    int rc = lens && texts ? OA_OK : OA_ENOMEM;
    for (uint32_t i = 0; rc == OA_OK && i < n; i++) {
        const size_t before = text.len;
        rc = merges ? shape_put_piece(&text, i, " ") : shape_put_token(&text, i);
        lens[i] = text.len - before;
    }
    for (size_t i = 0, at = 0; rc == OA_OK && i < n; at += lens[i++])
        texts[i] = text.data + at;
    if (rc == OA_OK) rc = oa__gguf_writer_strings(w, key, texts, lens, n);
    oa__free(NULL, texts);
    oa__free(NULL, lens);
    oa__str_free(&text);
    return rc;
}

static inline int shape_vocab(oa__gguf_writer *w, uint32_t n)
{
    if (n < 258 || n > 500000)
        return oa__err(OA_EINVAL, "a vocabulary of %u, want 258 to 500000", n);
    int32_t *types = oa__alloc_array(NULL, n, sizeof *types);
    if (types == NULL) return OA_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        types[i] = i == 0 ? 3 : 1;
    int rc = oa__gguf_writer_str(w, "tokenizer.ggml.model", "gpt2", 4);
    if (rc == OA_OK) rc = oa__gguf_writer_str(w, "tokenizer.ggml.pre", "gpt-2", 5);
    if (rc == OA_OK) rc = shape_strings(w, "tokenizer.ggml.tokens", n, false);
    if (rc == OA_OK)
        rc = oa__gguf_writer_array(w, "tokenizer.ggml.token_type", OA__GGUF_I32, types, n);
    if (rc == OA_OK) rc = shape_strings(w, "tokenizer.ggml.merges", n - 257, true);
    if (rc == OA_OK) rc = oa__gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", 0);
    if (rc == OA_OK) rc = oa__gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", 0);
    if (rc == OA_OK) rc = oa__gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", false);
    oa__free(NULL, types);
    return rc;
}

#endif
