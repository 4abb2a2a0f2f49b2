/* SPDX-License-Identifier: Apache-2.0 */
/* Packed files: written, opened, turned back. */
#include "model/convert.h"
#include "util/fail_alloc.h"

#include "model/model_priv.h"

/* Packed and back is what it would have been, also with another type on the way. */
static void test_model_pack__and_back(void **state)
{
    (void)state;
    oa_convert_result r = OA_CONVERT_RESULT_INIT;
    for (int i = 0; i < 2; i++) {
        const char *type = i ? "Q4_K_M" : NULL;
        assert_ok(to_type(tiny_path(), in_folder("plain"), type, 0, NULL));
        assert_ok(to_type(tiny_path(), in_folder("packed"), type, OA_CONVERT_PACK, &r));
        assert_true(r.out_size > 0);
        assert_ok(to_type(in_folder("packed"), in_folder("back"), NULL, 0, NULL));
        assert_same_bytes(in_folder("plain"), in_folder("back"), true);
        assert_ok(to_type(in_folder("packed"), in_folder("again"), NULL,
                          OA_CONVERT_PACK | OA_CONVERT_NO_MMAP, NULL));
        assert_same_bytes(in_folder("packed"), in_folder("again"), true);
    }
    assert_ok(to_type(in_folder("packed"), in_folder("of packed"), "Q8_0", 0, NULL));
    assert_ok(to_type(in_folder("plain"), in_folder("of plain"), "Q8_0", 0, NULL));
    assert_same_bytes(in_folder("of packed"), in_folder("of plain"), true);

    /* Norms and the rows of an embedding that no output uses stay as they are. */
    oa__gguf *g;
    assert_ok(oa__gguf_open(&g, NULL, in_folder("packed"), false, false));
    assert_int_equal(number_in(in_folder("packed"), OA__GGUF_PACKED_KEY), OA__GGUF_PACKED_VERSION);
    size_t n_packed = 0;
    for (size_t i = 0; i < oa__gguf_tensor_count(g); i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(g, i);
        if (t->n_dims == 1) assert_false(t->packed);
        if (t->groups != NULL) assert_int_equal((uintptr_t)t->groups % 64, 0);
        n_packed += t->packed;
    }
    assert_true(n_packed > 7);
    const bool tied = oa__gguf_tensor_find(g, "output.weight") == NULL;
    assert_int_equal(oa__gguf_tensor_find(g, "token_embd.weight")->packed, tied);
    oa__gguf_free(g);

    make_file(in_folder("in"), 64, 0); /* no model */
    assert_err(to_type(in_folder("in"), in_folder("out"), NULL, OA_CONVERT_PACK, NULL), OA_EFORMAT,
               "in: ");
    assert_false(oa__file_exists(in_folder("out")));
}

static int give_noise(void *arg, size_t tensor, uint64_t done, const void **data)
{
    static float noise[16 * 1024];
    (void)arg;
    (void)done;
    for (size_t i = 0; i < OA__ARRAY_LEN(noise); i++)
        noise[i] = (float)((i + 1) * (tensor + 7) * 2654435761u % 2001) / 1000.0f - 1;
    *data = noise;
    return OA_OK;
}

/* A phi3 of one layer and width 16; the second matrix of its tensor ffn_up begins in row 24, and
 * it may say that it is packed. */
static void make_fused(const char *path, uint32_t n_vocab, const oa__gguf *tokens, bool packed)
{
    const uint32_t up = OA__F32 + (packed ? OA__GGUF_PACKED : 0);
    const struct {
        const char *name;
        uint32_t type;
        uint64_t dims[2];
    } tensors[] = {
        {"token_embd.weight", OA__F32, {16, n_vocab}},
        {"output_norm.weight", OA__F32, {16, 1}},
        {"output.weight", OA__F32, {16, n_vocab}},
        {"blk.0.attn_norm.weight", OA__F32, {16, 1}},
        {"blk.0.attn_qkv.weight", OA__F32, {16, 48}},
        {"blk.0.attn_output.weight", OA__F32, {16, 16}},
        {"blk.0.ffn_norm.weight", OA__F32, {16, 1}},
        {"blk.0.ffn_up.weight", up, {16, 48}},
        {"blk.0.ffn_down.weight", OA__F32, {24, 16}},
    };
    static const struct {
        const char *key;
        uint32_t value;
    } keys[] = {{"phi3.block_count", 1},          {"phi3.context_length", 64},
                {"phi3.embedding_length", 16},    {"phi3.feed_forward_length", 24},
                {"phi3.attention.head_count", 2}, {"phi3.attention.head_count_kv", 2}};
    oa__gguf_writer *w;
    assert_true(n_vocab <= 1024);
    assert_ok(oa__gguf_writer_new(&w, NULL));
    assert_ok(oa__gguf_writer_copy(w, tokens));
    assert_ok(oa__gguf_writer_str(w, "general.architecture", "phi3", 4));
    assert_ok(oa__gguf_writer_f32(w, "phi3.attention.layer_norm_rms_epsilon", 1e-5f));
    for (size_t i = 0; i < OA__ARRAY_LEN(keys); i++)
        assert_ok(oa__gguf_writer_u32(w, keys[i].key, keys[i].value));
    assert_ok(oa__gguf_writer_u32(w, "general.alignment", OA__GGUF_PACKED_ALIGNMENT));
    if (packed) assert_ok(oa__gguf_writer_u32(w, OA__GGUF_PACKED_KEY, OA__GGUF_PACKED_VERSION));
    for (size_t i = 0; i < OA__ARRAY_LEN(tensors); i++)
        assert_ok(oa__gguf_writer_tensor(w, tensors[i].name, tensors[i].type,
                                         tensors[i].dims[1] > 1 ? 2 : 1, tensors[i].dims));
    assert_ok(oa__gguf_writer_save(w, path, give_noise, NULL, NULL));
    oa__gguf_writer_free(w);
}

/* A tensor whose second matrix begins inside a group stays as it is; a file that says otherwise is
 * refused. */
static void test_model_pack__fused(void **state)
{
    (void)state;
    oa_model *m, *p;
    oa__gguf *tiny;
    const float *a, *b;
    size_t n;
    oa_session *s, *t;
    const int32_t ids[] = {5, 6, 7};
    m = tiny_open(NULL);
    const uint32_t n_vocab = oa__model_n_vocab(m);
    oa_model_free(m);
    assert_ok(oa__gguf_open(&tiny, NULL, tiny_path(), false, false));
    make_fused(in_folder("plain"), n_vocab, tiny, false);
    make_fused(in_folder("bad"), n_vocab, tiny, true);
    oa__gguf_free(tiny);
    assert_err(oa_model_open(&m, in_folder("bad"), NULL), OA_EFORMAT,
               "blk.0.ffn_up.weight: is packed, but a matrix begins in row 24");
    assert_ok(to_type(in_folder("plain"), in_folder("packed"), NULL, OA_CONVERT_PACK, NULL));
    assert_ok(oa_model_open(&m, in_folder("plain"), NULL));
    assert_ok(oa_model_open(&p, in_folder("packed"), NULL));
    assert_false(oa__gguf_tensor_find(p->gguf, "blk.0.ffn_up.weight")->packed);
    assert_true(oa__gguf_tensor_find(p->gguf, "blk.0.attn_qkv.weight")->packed);
    assert_ok(oa_session_new(&s, m, NULL));
    assert_ok(oa_session_new(&t, p, NULL));
    assert_ok(oa_session_append(s, ids, 3));
    assert_ok(oa_session_append(t, ids, 3));
    assert_ok(oa_session_get_logits(s, &a, &n));
    assert_ok(oa_session_get_logits(t, &b, &n));
    assert_memory_equal(a, b, n * sizeof *a);
    oa_session_free(s);
    oa_session_free(t);
    oa_model_free(m);
    oa_model_free(p);
}

/* What a damaged packed file does not have is said, and memory that is short. */
static void test_model_pack__in_trouble(void **state)
{
    (void)state;
    size_t len;
    oa_model *m;
    assert_ok(to_type(tiny_path(), in_folder("packed"), NULL, OA_CONVERT_PACK, NULL));
    char *data = slurp(in_folder("packed"), &len);
    for (int i = 0; i < 2; i++) {
        char *key = memmem(data, len, OA__GGUF_PACKED_KEY, strlen(OA__GGUF_PACKED_KEY));
        assert_non_null(key);
        if (i == 0) key[strlen(OA__GGUF_PACKED_KEY) + 4] = 9;
        FILE *f = fopen(in_folder("bad"), "wb");
        assert_int_equal(fwrite(data, 1, i == 0 ? len : len / 2, f), i == 0 ? len : len / 2);
        assert_int_equal(fclose(f), 0);
        if (i == 0) {
            assert_err(oa_model_open(&m, in_folder("bad"), NULL), OA_EVERSION, "version 9");
            assert_err(to_type(in_folder("bad"), in_folder("out"), NULL, 0, NULL), OA_EVERSION,
                       "pack it again");
            key[strlen(OA__GGUF_PACKED_KEY) + 4] = OA__GGUF_PACKED_VERSION;
        } else {
            assert_err(oa_model_open(&m, in_folder("bad"), NULL), OA_EFORMAT, "ends at byte");
        }
    }
    oa__free(NULL, data);
    /* Pages in use count, although nothing is copied. */
    oa_memory_estimate e = OA_MEMORY_ESTIMATE_INIT, p = OA_MEMORY_ESTIMATE_INIT;
    assert_ok(oa_model_estimate_memory(tiny_path(), NULL, 64, OA_KV_F16, &e));
    assert_ok(oa_model_estimate_memory(in_folder("packed"), NULL, 64, OA_KV_F16, &p));
    assert_int_equal(e.weights_size, p.weights_size);
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    o.memory_limit = p.weights_size / 2;
    assert_err(oa_model_open(&m, in_folder("packed"), &o), OA_ENOMEM, "memory limit");
    o.memory_limit = p.weights_size + (2 << 20);
    assert_ok(oa_model_open(&m, in_folder("packed"), &o));
    /* What other processes have mapped, too, not a copy. */
    size_t n_there = 0, n_packed = 0;
    assert_true(oa__gguf_is_mapped(m->gguf));
    for (size_t i = 0; i < OA__N_LAYER_MATS; i++) {
        assert_null(m->layers[0].mats[i].owned);
        for (size_t k = 0; k < oa__gguf_tensor_count(m->gguf); k++) {
            const oa__gguf_tensor *t = oa__gguf_tensor_at(m->gguf, k);
            const void *at = m->layers[0].mats[i].data;
            n_there += at != NULL && (at == t->groups || at == t->data);
            n_packed += at != NULL && at == t->groups;
        }
    }
    assert_int_equal(n_there, 7);
    assert_true(n_packed > 0);
    assert_int_equal(m->arena_size, 0);
    oa_model_free(m);
    for (uint64_t nth = 1;; nth++) {
        struct fail_alloc fa;
        oa_convert_opts c = OA_CONVERT_OPTS_INIT;
        c.flags = OA_CONVERT_PACK;
        c.allocator = fail_alloc_init(&fa, nth);
        const int rc = oa_convert(tiny_path(), in_folder("out"), &c);
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        assert_int_equal(fail_alloc_live(&fa), 0);
        assert_int_equal(oa__file_exists(in_folder("out")), rc == OA_OK);
        unlink(in_folder("out"));
        if (!fail_alloc_hit(&fa)) break;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_model_pack__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(and_back),
        TEST(fused),
        TEST(in_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
