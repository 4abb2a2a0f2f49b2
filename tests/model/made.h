/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the smallest llama model that opens (one layer, width 16, byte vocabulary, F32), with one
 * thing wrong on demand: a key left out or given another value, a tensor left out, of another
 * shape or type, or one too many.
 */
#ifndef OA_TESTS_MODEL_MADE_H
#define OA_TESTS_MODEL_MADE_H

#include "util/test.h"

#include <stdbool.h>

#include "file/gguf_build.h"

enum { MADE_U32 = 4, MADE_F32 = 6, MADE_BOOL = 7, MADE_STRING = 8, MADE_ARRAY = 9 };
enum { MADE_WIDTH = 16, MADE_FF = 24, MADE_HEADS = 2, MADE_VOCAB = 258 };

typedef struct made {
    const char *skip_key, *skip_tensor;
    const char *change_key; /* its value becomes value, or text when that is set */
    uint32_t value;
    const char *text;
    bool negative;             /* the value is an i32, -1 */
    const char *array_key;     /* an array whose elements become bytes */
    const char *change_tensor; /* gets these dimensions or this type */
    uint64_t dims[2];
    uint32_t type;
    const char *extra_tensor;
    const char *extra_key; /* u32 */
    uint32_t extra_value;
    uint32_t n_rot;              /* 0 = as wide as a head */
    bool scores_u8;              /* token scores as bytes */
    const char *const *specials; /* control tokens, in place of the letters of bytes 255, 254 ... */
    unsigned n_specials;
} made;

static inline bool made_is(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

typedef struct made_keys {
    build b;
    uint64_t n;
    const made *m;
} made_keys;

static inline bool made_key(made_keys *k, const char *key, uint32_t type)
{
    if (made_is(k->m->skip_key, key)) return false;
    k->n++;
    if (made_is(k->m->change_key, key) && k->m->text != NULL) {
        build_key(&k->b, key, MADE_STRING);
        build_str(&k->b, k->m->text);
        return false;
    }
    if (made_is(k->m->change_key, key)) {
        build_key(&k->b, key, k->m->negative ? 5 : MADE_U32);
        build_int(&k->b, k->m->negative ? UINT32_MAX : k->m->value, 4);
        return false;
    }
    if (made_is(k->m->array_key, key)) {
        build_array(&k->b, key, 0, MADE_VOCAB);
        for (int i = 0; i < MADE_VOCAB; i++)
            build_int(&k->b, 1, 1);
        return false;
    }
    if (type != MADE_ARRAY) build_key(&k->b, key, type);
    return true;
}

static inline void made_u32(made_keys *k, const char *key, uint32_t v)
{
    if (made_key(k, key, MADE_U32)) build_int(&k->b, v, 4);
}

static inline void made_str(made_keys *k, const char *key, const char *v)
{
    if (made_key(k, key, MADE_STRING)) build_str(&k->b, v);
}

/* The letters of byte-level BPE for a byte, as UTF-8. */
static inline void made_letter(build *b, unsigned byte)
{
    unsigned cp = byte, extra = 256;
    const bool plain = (byte >= 33 && byte < 127) || (byte >= 161 && byte < 173) || byte >= 174;
    for (unsigned i = 0; !plain && i < byte; i++) {
        extra += !((i >= 33 && i < 127) || (i >= 161 && i < 173) || i >= 174);
    }
    if (!plain) cp = extra;
    if (cp < 128) {
        build_int(b, 1, 8), build_int(b, cp, 1);
    } else {
        build_int(b, 2, 8), build_int(b, 0xc0 | cp >> 6, 1), build_int(b, 0x80 | (cp & 63), 1);
    }
}

static inline void made_vocab(made_keys *k)
{
    made_str(k, "tokenizer.ggml.model", "gpt2");
    made_str(k, "tokenizer.ggml.pre", "gpt-2");
    made_u32(k, "tokenizer.ggml.eos_token_id", 0);
    if (made_key(k, "tokenizer.ggml.tokens", MADE_ARRAY)) {
        build_array(&k->b, "tokenizer.ggml.tokens", MADE_STRING, MADE_VOCAB);
        build_str(&k->b, "<|end|>");
        for (unsigned i = 0; i < 256; i++) {
            if (255 - i < k->m->n_specials)
                build_str(&k->b, k->m->specials[255 - i]);
            else
                made_letter(&k->b, i);
        }
        build_str(&k->b, "ab");
    }
    if (made_key(k, "tokenizer.ggml.token_type", MADE_ARRAY)) {
        build_array(&k->b, "tokenizer.ggml.token_type", 5, MADE_VOCAB);
        for (int i = 0; i < MADE_VOCAB; i++)
            build_int(&k->b, i == 0 || (i < 257 && i + (int)k->m->n_specials > 256) ? 3 : 1, 4);
    }
    if (made_key(k, "tokenizer.ggml.merges", MADE_ARRAY)) {
        build_array(&k->b, "tokenizer.ggml.merges", MADE_STRING, 1);
        build_str(&k->b, "a b");
    }
    if (k->m->scores_u8) {
        k->n++;
        build_array(&k->b, "tokenizer.ggml.scores", 0, MADE_VOCAB);
        for (int i = 0; i < MADE_VOCAB; i++)
            build_int(&k->b, 1, 1);
    }
}

typedef struct made_tensors {
    build list, data;
    uint64_t n;
    const made *m;
} made_tensors;

static inline void made_tensor(made_tensors *t, const char *name, uint64_t d0, uint64_t d1)
{
    if (made_is(t->m->skip_tensor, name)) return;
    uint64_t dims[2] = {d0, d1};
    uint32_t type = 0;
    if (made_is(t->m->change_tensor, name)) {
        if (t->m->dims[0] != 0) memcpy(dims, t->m->dims, sizeof dims);
        type = t->m->type;
    }
    build_pad(&t->data, 32);
    build_tensor(&t->list, name, dims[1] == 0 ? 1 : 2, dims, type, t->data.len);
    for (uint64_t i = 0; i < dims[0] * (dims[1] ? dims[1] : 1); i++) {
        build_f32(&t->data, (float)((int)((t->n * 31 + i * 7) % 64) - 32) / 64);
    }
    t->n++;
}

static inline build made_model(const made *m)
{
    static const made right;
    if (m == NULL) m = &right;
    made_keys k = {.m = m};
    made_str(&k, "general.architecture", "llama");
    made_u32(&k, "llama.block_count", 1);
    made_u32(&k, "llama.context_length", 128);
    made_u32(&k, "llama.embedding_length", MADE_WIDTH);
    made_u32(&k, "llama.feed_forward_length", MADE_FF);
    made_u32(&k, "llama.attention.head_count", MADE_HEADS);
    made_u32(&k, "llama.attention.head_count_kv", 1);
    if (made_key(&k, "llama.attention.layer_norm_rms_epsilon", MADE_F32)) build_f32(&k.b, 1e-5f);
    made_u32(&k, "llama.rope.dimension_count", m->n_rot ? m->n_rot : MADE_WIDTH / MADE_HEADS);
    if (m->extra_key != NULL) made_u32(&k, m->extra_key, m->extra_value);
    made_vocab(&k);

    made_tensors t = {.m = m};
    made_tensor(&t, "token_embd.weight", MADE_WIDTH, MADE_VOCAB);
    made_tensor(&t, "output_norm.weight", MADE_WIDTH, 0);
    made_tensor(&t, "blk.0.attn_norm.weight", MADE_WIDTH, 0);
    made_tensor(&t, "blk.0.attn_q.weight", MADE_WIDTH, MADE_WIDTH);
    made_tensor(&t, "blk.0.attn_k.weight", MADE_WIDTH, MADE_WIDTH / 2);
    made_tensor(&t, "blk.0.attn_v.weight", MADE_WIDTH, MADE_WIDTH / 2);
    made_tensor(&t, "blk.0.attn_output.weight", MADE_WIDTH, MADE_WIDTH);
    made_tensor(&t, "blk.0.ffn_norm.weight", MADE_WIDTH, 0);
    made_tensor(&t, "blk.0.ffn_gate.weight", MADE_WIDTH, MADE_FF);
    made_tensor(&t, "blk.0.ffn_up.weight", MADE_WIDTH, MADE_FF);
    made_tensor(&t, "blk.0.ffn_down.weight", MADE_FF, MADE_WIDTH);
    if (m->extra_tensor != NULL) made_tensor(&t, m->extra_tensor, MADE_WIDTH, 0);

    build file = {0};
    build_head(&file, 3, t.n, k.n);
    build_bytes(&file, k.b.data, k.b.len);
    build_bytes(&file, t.list.data, t.list.len);
    build_pad(&file, 32);
    build_bytes(&file, t.data.data, t.data.len);
    build_pad(&file, 32);
    free(k.b.data);
    free(t.list.data);
    free(t.data.data);
    return file;
}

/* The name of a file of this test's own, in the folder of temporary files. */
static inline const char *made_path(void)
{
    static char path[256];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/oa-test-%ld.gguf", folder ? folder : "/tmp", (long)getpid());
    return path;
}

static inline void made_write(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

#endif
