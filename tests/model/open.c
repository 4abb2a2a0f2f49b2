/* SPDX-License-Identifier: Apache-2.0 */
/* Opening models: what a right file tells, and that each wrong one is refused by its reason. */
#include "util/test.h"

#include <fcntl.h>

#include "file/file.h"
#include "model/model.h"
#include "model/made.h"
#include "util/fail_alloc.h"

static const char *tiny_path(void)
{
    static char path[4096];
    const char *source = getenv("OA_TEST_SOURCE");
    snprintf(path, sizeof path, "%s/tests/golden/tiny.gguf", source ? source : ".");
    return path;
}

static oa_model_opts few_threads(void)
{
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    opts.n_threads = 1;
    return opts;
}

static void test_model_open__tiny(void **state)
{
    oa_model_opts opts = few_threads();
    oa_model *m;
    assert_ok(oa_model_open(&m, tiny_path(), &opts));
    oa_model_info info = OA_MODEL_INFO_INIT;
    assert_ok(oa_model_get_info(m, &info));
    assert_string_equal(info.path, tiny_path());
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(info.name, "tiny");
    assert_string_equal(info.license, "apache-2.0");
    assert_string_equal(info.tokenizer, "bpe smollm");
    assert_non_null(strstr(info.chat_template, "<|im_start|>"));
    assert_int_equal(info.n_layers, 2);
    assert_int_equal(info.d_model, 256);
    assert_int_equal(info.n_heads, 8);
    assert_int_equal(info.n_heads_kv, 2);
    assert_int_equal(info.d_head, 32);
    assert_int_equal(info.n_vocab, 391);
    assert_int_equal(info.n_ctx_train, 2048);
    assert_int_equal(info.n_threads, 1);
    assert_int_equal(info.bos_id, 1);
    assert_int_equal(info.eos_id, 2);
    assert_int_equal(info.eot_id, -1);
    assert_int_equal(info.add_bos, 0);
    /* 2 x 391 x 256, 5 x 256, 2 x (256 x (256 + 64 + 64 + 256 + 3 x 256)) */
    assert_int_equal(info.n_params, 2 * 391 * 256 + 5 * 256 + 2 * 256 * (640 + 768));
    assert_true(info.file_size > 700000 && info.weights_size > 600000);

    size_t n, len;
    const char *key;
    char text[32];
    assert_ok(oa_model_get_meta_count(m, &n));
    assert_ok(oa_model_get_meta_key(m, 0, &key));
    assert_string_equal(key, "general.architecture");
    assert_err(oa_model_get_meta_key(m, n, &key), OA_EINVAL, "metadata entry");
    assert_ok(
        oa_model_copy_meta(m, "llama.attention.layer_norm_rms_epsilon", text, sizeof text, &len));
    assert_string_equal(text, "1e-05");
    assert_ok(oa_model_copy_meta(m, "tokenizer.ggml.tokens", text, sizeof text, NULL));
    assert_string_equal(text, "[str x 391]");
    assert_err(oa_model_copy_meta(m, "none", text, sizeof text, NULL), OA_ENOTFOUND, "none");
    assert_err(oa_model_copy_meta(m, "general.name", text, 4, &len), OA_ELIMIT, "");
    assert_int_equal(len, 4);
    assert_ok(oa_model_copy_meta(m, "general.name", NULL, 0, &len));

    assert_int_equal(oa_model_is_end(m, 2), 1);
    assert_int_equal(oa_model_is_end(m, 5), 0);
    assert_int_equal(oa_model_is_end(m, -1), 0);
    assert_int_equal(oa_model_is_end(m, 391), 0);
    assert_int_equal(oa_model_is_end(NULL, 2), 0);

    assert_ptr_equal(oa_model_ref(m), m);
    oa_model_free(m);
    assert_ok(oa_model_get_info(m, &info)); /* one owner is left */
    oa_model_free(m);
}

static void test_model_open__tokenize(void **state)
{
    oa_model_opts opts = few_threads();
    opts.flags = OA_MODEL_VOCAB_ONLY;
    oa_model *m;
    int32_t ids[64];
    size_t n, len;
    char text[64];
    assert_ok(oa_model_open(&m, tiny_path(), &opts));
    static const char said[] = "the sky<|im_end|>\xc3\xa9";
    assert_ok(oa_model_tokenize(m, said, sizeof said - 1, OA_TOKENIZE_SPECIAL, ids, 64, &n));
    assert_ok(oa_model_detokenize(m, ids, n, OA_DETOKENIZE_SPECIAL, text, sizeof text, &len));
    assert_string_equal(text, said);
    assert_ok(oa_model_detokenize(m, ids, n, 0, text, sizeof text, &len));
    assert_string_equal(text, "the sky\xc3\xa9");
    assert_err(oa_model_tokenize(m, said, sizeof said - 1, 0, ids, 2, &n), OA_ELIMIT, "room for 2");
    assert_true(n > 10); /* without the flag the special token goes letter by letter */
    assert_ok(oa_model_tokenize(m, NULL, 0, 0, NULL, 0, &n));
    assert_int_equal(n, 0);
    assert_err(oa_model_tokenize(m, NULL, 1, 0, NULL, 0, &n), OA_EINVAL, "NULL");
    assert_err(oa_model_tokenize(m, said, 3, 128, NULL, 0, &n), OA_EINVAL, "flags");
    assert_err(oa_model_tokenize(NULL, said, 3, 0, NULL, 0, &n), OA_EINVAL, "NULL");
    ids[0] = 391;
    assert_err(oa_model_detokenize(m, ids, 1, 0, NULL, 0, NULL), OA_EINVAL, "token 391");
    ids[0] = -1;
    assert_err(oa_model_detokenize(m, ids, 1, 0, NULL, 0, NULL), OA_EINVAL, "token -1");
    oa_model_free(m);
}

static void test_model_open__vocab_only(void **state)
{
    static const struct {
        const char *file, *arch, *tokenizer;
        uint32_t n_vocab;
    } files[] = {{"gpt-neox.vocab.gguf", "gptneox", "bpe", 50432},
                 {"llama-spm.vocab.gguf", "llama", "spm", 32000}};
    const char *shared = getenv("OA_TEST_SHARED");
    for (size_t i = 0; i < OA__ARRAY_LEN(files); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/data/tokenizers/%s", shared ? shared : ".", files[i].file);
        if (!oa__file_exists(path)) test_skip("no %s", path);
        oa_model_opts opts = few_threads();
        oa_model *m;
        assert_err(oa_model_open(&m, path, &opts), OA_EFORMAT, "token_embd.weight is missing");
        opts.flags = OA_MODEL_VOCAB_ONLY;
        assert_ok(oa_model_open(&m, path, &opts));
        oa_model_info info = OA_MODEL_INFO_INIT;
        assert_ok(oa_model_get_info(m, &info));
        assert_string_equal(info.architecture, files[i].arch);
        assert_int_equal(info.n_vocab, files[i].n_vocab);
        assert_non_null(strstr(info.tokenizer, files[i].tokenizer));
        assert_false(oa__model_has_weights(m));
        oa_model_free(m);
    }
}

static void test_model_open__arguments(void **state)
{
    oa_model *m = (oa_model *)1;
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    oa_memory_estimate e = OA_MEMORY_ESTIMATE_INIT;
    assert_err(oa_model_open(NULL, tiny_path(), NULL), OA_EINVAL, "out");
    assert_err(oa_model_open(&m, NULL, NULL), OA_EINVAL, "path");
    assert_null(m);
    assert_err(oa_model_open(&m, "", NULL), OA_EINVAL, "path");
    assert_err(oa_model_open(&m, "/nowhere/model.gguf", NULL), OA_ENOTFOUND, "/nowhere/model.gguf");
    assert_err(oa_model_open(&m, "/", NULL), OA_EFORMAT, "directory");
    opts.flags = 1u << 20;
    assert_err(oa_model_open(&m, tiny_path(), &opts), OA_EINVAL, "flags");
    opts = few_threads();
    opts.n_threads = 100000;
    assert_err(oa_model_open(&m, tiny_path(), &opts), OA_EINVAL, "threads");
    opts = few_threads();
    opts.cpu = 77;
    assert_err(oa_model_open(&m, tiny_path(), &opts), OA_EINVAL, "");
    opts = few_threads();
    opts.log_level = 9;
    assert_err(oa_model_open(&m, tiny_path(), &opts), OA_EINVAL, "log level");
    opts = few_threads();
    opts.size = 0;
    assert_err(oa_model_open(&m, tiny_path(), &opts), OA_EINVAL, "size");
    struct {
        oa_model_opts opts;
        uint64_t newer;
    } later = {OA_MODEL_OPTS_INIT, 1};
    later.opts.size = sizeof later;
    assert_err(oa_model_open(&m, tiny_path(), &later.opts), OA_EVERSION, "");
    assert_err(oa_model_estimate_memory(tiny_path(), NULL, 0, 3, &e), OA_EINVAL, "key/value type");
    assert_err(oa_model_estimate_memory(tiny_path(), NULL, 0, 0, NULL), OA_EINVAL, "estimate");
    assert_err(oa_model_get_info(NULL, NULL), OA_EINVAL, "NULL");
    assert_err(oa_model_get_meta_count(NULL, NULL), OA_EINVAL, "NULL");
    assert_err(oa_model_copy_meta(NULL, "a", NULL, 0, NULL), OA_EINVAL, "NULL");
    oa_model_free(NULL);
    assert_null(oa_model_ref(NULL));
}

/* --- wrong models -------------------------------------------------------------------------- */

static void expect(const made *what, int code, const char *text)
{
    build b = made_model(what);
    made_write(made_path(), b.data, b.len);
    free(b.data);
    struct fail_alloc fa;
    oa_model_opts opts = few_threads();
    opts.allocator = fail_alloc_init(&fa, 0);
    oa_model *m;
    const int rc = oa_model_open(&m, made_path(), &opts);
    if (code == OA_OK) {
        assert_ok(rc);
    } else {
        assert_err(rc, code, text);
        assert_non_null(strstr(oa_error_last(), made_path())); /* which file it was */
    }
    oa_model_free(m);
    assert_int_equal(fail_alloc_live(&fa), 0);
    unlink(made_path());
}

#define EXPECT(code, text, ...) expect(&(made){__VA_ARGS__}, code, text)

static void test_model_open__wrong_keys(void **state)
{
    expect(NULL, OA_OK, NULL);
    static const char *const needed[] = {"general.architecture",
                                         "llama.block_count",
                                         "llama.context_length",
                                         "llama.embedding_length",
                                         "llama.feed_forward_length",
                                         "llama.attention.head_count",
                                         "llama.attention.layer_norm_rms_epsilon",
                                         "tokenizer.ggml.model",
                                         "tokenizer.ggml.tokens"};
    for (size_t i = 0; i < OA__ARRAY_LEN(needed); i++) {
        const char *suffix = strrchr(needed[i], '.');
        build b = made_model(&(made){.skip_key = needed[i]});
        made_write(made_path(), b.data, b.len);
        free(b.data);
        oa_model *m;
        const int rc = oa_model_open(&m, made_path(), NULL);
        assert_err(rc, OA_EFORMAT, suffix);
        /* The same key as text. */
        if (strcmp(needed[i], "general.architecture") != 0) {
            b = made_model(&(made){.change_key = needed[i], .text = "x"});
            made_write(made_path(), b.data, b.len);
            free(b.data);
            assert_true(oa_model_open(&m, made_path(), NULL) < 0);
        }
    }
    unlink(made_path());
    EXPECT(OA_EUNSUPPORTED,
           "\"bart\" is not supported; known: llama, smollm3, gptneox, falcon, gpt2",
           .change_key = "general.architecture", .text = "bart");
    EXPECT(OA_EUNSUPPORTED, "tokenizer \"wpm\"", .change_key = "tokenizer.ggml.model",
           .text = "wpm");
    EXPECT(OA_EUNSUPPORTED, "", .change_key = "tokenizer.ggml.pre", .text = "unheard-of");
    EXPECT(OA_EUNSUPPORTED, "head_count is 0", .change_key = "llama.attention.head_count");
    EXPECT(OA_EUNSUPPORTED, "head_count_kv is 0", .change_key = "llama.attention.head_count_kv");
    EXPECT(OA_EUNSUPPORTED, "block_count is 4000000000", .change_key = "llama.block_count",
           .value = 4000000000u);
    EXPECT(OA_EFORMAT, "tensor blk.1.attn_norm.weight is missing",
           .change_key = "llama.block_count", .value = 2);
    EXPECT(OA_EUNSUPPORTED, "3 heads do not divide", .change_key = "llama.attention.head_count",
           .value = 3);
    EXPECT(OA_EUNSUPPORTED, "heads of width 4", .change_key = "llama.attention.head_count",
           .value = 4);
    EXPECT(OA_EUNSUPPORTED, "unevenly", .change_key = "llama.attention.head_count_kv", .value = 3);
    EXPECT(OA_EUNSUPPORTED, "turn", .change_key = "llama.rope.dimension_count", .value = 7);
    EXPECT(OA_EUNSUPPORTED, "turn", .change_key = "llama.rope.dimension_count", .value = 10);
    EXPECT(OA_EUNSUPPORTED, "value_length is 16, the keys' 8",
           .extra_key = "llama.attention.value_length", .extra_value = 16);
    EXPECT(OA_EFORMAT, "expert_used_count is missing", .extra_key = "llama.expert_count",
           .extra_value = 8);
    EXPECT(OA_EUNSUPPORTED, "expert_count is 1025", .extra_key = "llama.expert_count",
           .extra_value = 1025);
    EXPECT(OA_EFORMAT, "split.no is missing", .extra_key = "split.count", .extra_value = 3);
    EXPECT(OA_EUNSUPPORTED, "range", .change_key = "llama.attention.layer_norm_rms_epsilon",
           .value = 7);
    EXPECT(OA_EUNSUPPORTED, "type is \"waves\", want one of none, linear, dynamic, yarn, llama3",
           .extra_key = "llama.rope.scaling.type", .change_key = "llama.rope.scaling.type",
           .text = "waves");
    EXPECT(OA_OK, NULL, .extra_key = "llama.rope.scaling.type",
           .change_key = "llama.rope.scaling.type", .text = "yarn");
    EXPECT(OA_EUNSUPPORTED, "dynamic rope scaling of 2 dimensions",
           .extra_key = "llama.rope.scaling.type", .change_key = "llama.rope.scaling.type",
           .text = "dynamic", .n_rot = 2);
    EXPECT(OA_EFORMAT, "rope_factors_short.weight is missing",
           .extra_key = "llama.rope.scaling.type", .change_key = "llama.rope.scaling.type",
           .text = "longrope");
    EXPECT(OA_EUNSUPPORTED, "activation is \"swish\", want one of silu, gelu, gelu_tanh, relu",
           .extra_key = "llama.hidden_activation", .change_key = "llama.hidden_activation",
           .text = "swish");
    static const char *const factors[] = {
        "rope.freq_base", "rope.freq_base_swa", "rope.scale_linear", "embedding_scale",
        "residual_scale", "logit_scale",        "attention.scale"};
    for (size_t i = 0; i < OA__ARRAY_LEN(factors); i++) {
        char key[64], text[80];
        snprintf(key, sizeof key, "llama.%s", factors[i]);
        snprintf(text, sizeof text, "%s is out of range", key);
        EXPECT(OA_EUNSUPPORTED, text, .extra_key = key, .extra_value = 0);
        EXPECT(OA_EFORMAT, key, .extra_key = key, .change_key = key, .text = "1");
        EXPECT(OA_OK, NULL, .extra_key = key, .extra_value = 2);
    }
    EXPECT(OA_EUNSUPPORTED, "range", .extra_key = "llama.attn_logit_softcapping",
           .extra_value = 2000000);
    EXPECT(OA_EUNSUPPORTED, "range", .extra_key = "llama.final_logit_softcapping",
           .extra_value = 2000000);
    EXPECT(OA_EFORMAT, "use_parallel_residual", .extra_key = "llama.use_parallel_residual");
    EXPECT(OA_OK, NULL, .extra_key = "llama.attention.sliding_window", .extra_value = UINT32_MAX);
    EXPECT(OA_OK, NULL, .extra_key = "llama.attention.sliding_window", .extra_value = 1);
    EXPECT(OA_EUNSUPPORTED, "is 0, want 1 to 1024",
           .extra_key = "llama.attention.sliding_window_pattern");
    EXPECT(OA_EFORMAT, "has 258 elements, the model 1 layers",
           .extra_key = "llama.attention.sliding_window_pattern",
           .array_key = "llama.attention.sliding_window_pattern");
    EXPECT(OA_EUNSUPPORTED, "is 1025, want 0 to 1024", .extra_key = "llama.rope.layers",
           .extra_value = 1025);
    EXPECT(OA_EFORMAT, "gpt2.block_count is missing", .change_key = "general.architecture",
           .text = "gpt2");
    EXPECT(OA_EFORMAT, "eos_token_id is 258", .change_key = "tokenizer.ggml.eos_token_id",
           .value = 258);
    EXPECT(OA_OK, NULL, .change_key = "tokenizer.ggml.eos_token_id", .value = UINT32_MAX);
    /* #26690: arrays of another type. */
    EXPECT(OA_EFORMAT, "scores is an array of u8, want f32", .scores_u8 = true);
    EXPECT(OA_EFORMAT, "tokens is an array of u8", .array_key = "tokenizer.ggml.tokens");
    EXPECT(OA_EFORMAT, "merges is an array of u8", .array_key = "tokenizer.ggml.merges");
    EXPECT(OA_EFORMAT, "token_type is an array of u8", .array_key = "tokenizer.ggml.token_type");
}

/* CVE-2026-21869 and its like: a negative number wherever one is read. Only an id may be -1. */
static void test_model_open__negative(void **state)
{
    static const char *const keys[] = {
        "llama.block_count",          "llama.context_length",
        "llama.embedding_length",     "llama.feed_forward_length",
        "llama.attention.head_count", "llama.attention.head_count_kv",
        "llama.rope.dimension_count", "llama.attention.layer_norm_rms_epsilon"};
    for (size_t i = 0; i < OA__ARRAY_LEN(keys); i++) {
        const bool is_float = strstr(keys[i], "epsilon") != NULL;
        EXPECT(is_float ? OA_EUNSUPPORTED : OA_EFORMAT, is_float ? "range" : "is -1",
               .change_key = keys[i], .negative = true);
    }
    EXPECT(OA_OK, NULL, .change_key = "tokenizer.ggml.eos_token_id", .negative = true);
}

/* CVE-2024-41130: no tensors, no keys. */
static void test_model_open__nothing(void **state)
{
    build b = {0};
    build_head(&b, 3, 0, 0);
    made_write(made_path(), b.data, b.len);
    free(b.data);
    oa_model *m;
    oa_memory_estimate e = OA_MEMORY_ESTIMATE_INIT;
    assert_err(oa_model_open(&m, made_path(), NULL), OA_EFORMAT, "general.architecture");
    assert_null(m);
    assert_err(oa_model_estimate_memory(made_path(), NULL, 0, 0, &e), OA_EFORMAT, "architecture");
    unlink(made_path());
}

static void test_model_open__wrong_tensors(void **state)
{
    static const char *const names[] = {
        "token_embd.weight",        "output_norm.weight",    "blk.0.attn_norm.weight",
        "blk.0.attn_q.weight",      "blk.0.attn_k.weight",   "blk.0.attn_v.weight",
        "blk.0.attn_output.weight", "blk.0.ffn_norm.weight", "blk.0.ffn_gate.weight",
        "blk.0.ffn_up.weight",      "blk.0.ffn_down.weight"};
    for (size_t i = 0; i < OA__ARRAY_LEN(names); i++) {
        char text[80];
        snprintf(text, sizeof text, "tensor %s is missing", names[i]);
        EXPECT(OA_EFORMAT, text, .skip_tensor = names[i]);
        snprintf(text, sizeof text, "tensor %s: 40 x 8, want", names[i]);
        EXPECT(OA_EFORMAT, text, .change_tensor = names[i], .dims = {40, 8});
        snprintf(text, sizeof text, "tensor %s: 8, want", names[i]);
        EXPECT(OA_EFORMAT, text, .change_tensor = names[i], .dims = {8, 0});
    }
    EXPECT(OA_EFORMAT, "16 x 259, want 16 x 258", .change_tensor = "token_embd.weight",
           .dims = {16, 259});
    EXPECT(OA_EUNSUPPORTED, "type 24", .change_tensor = "blk.0.attn_q.weight", .type = 24);
    EXPECT(OA_EFORMAT, "multiple of 32", .change_tensor = "blk.0.attn_q.weight", .type = 2);
    EXPECT(OA_EUNSUPPORTED, "blk.0.attn_q_norm.weight is not part of architecture llama",
           .extra_tensor = "blk.0.attn_q_norm.weight");
    EXPECT(OA_EUNSUPPORTED, "blk.1.attn_norm.weight is not part",
           .extra_tensor = "blk.1.attn_norm.weight");
    EXPECT(OA_OK, NULL, .extra_tensor = "blk.0.attn_rot_embd");
    EXPECT(OA_EFORMAT, "rope_freqs.weight: 16, want 4", .extra_tensor = "rope_freqs.weight");
}

/* --- every byte ---------------------------------------------------------------------------- */

static bool try_open(void)
{
    struct fail_alloc fa;
    oa_model_opts opts = few_threads();
    opts.allocator = fail_alloc_init(&fa, 0);
    opts.memory_limit = 4 << 20;
    oa_model *m;
    const int rc = oa_model_open(&m, made_path(), &opts);
    assert_true((rc == OA_OK) == (m != NULL));
    oa_model_free(m);
    assert_int_equal(fail_alloc_live(&fa), 0);
    return rc == OA_OK;
}

/* The header of a made model, truncated after every byte, and with every byte changed: an error
 * or a model, within a memory limit, and nothing is lost. Every third byte of the vocabulary. */
static void test_model_open__every_byte(void **state)
{
    build b = made_model(NULL);
    size_t header_size;
    oa__gguf *g;
    assert_ok(oa__gguf_open_memory(&g, NULL, b.data, b.len, false));
    oa__gguf_header(g, &header_size);
    oa__gguf_free(g);
    made_write(made_path(), b.data, b.len);
    const int fd = open(made_path(), O_RDWR);
    assert_true(fd >= 0);
    size_t n_opened = 0;
    for (size_t at = 0; at < header_size; at++) {
        static const uint8_t patterns[] = {0x01, 0x80, 0xff, 0x04};
        for (size_t i = 0; i < OA__ARRAY_LEN(patterns); i++) {
            if (at > 800 && at < header_size - 800 && at % 3 != i % 3) continue;
            const uint8_t changed = b.data[at] ^ patterns[i];
            assert_int_equal(pwrite(fd, &changed, 1, (off_t)at), 1);
            n_opened += try_open();
        }
        assert_int_equal(pwrite(fd, &b.data[at], 1, (off_t)at), 1);
    }
    assert_true(n_opened > 100);
    for (size_t len = b.len; len-- > 0;) {
        if (len > header_size && len % 64 != 0) continue; /* among the data each is like another */
        assert_int_equal(ftruncate(fd, (off_t)len), 0);
        assert_false(try_open());
    }
    close(fd);
    unlink(made_path());
    free(b.data);
}

/* --- memory -------------------------------------------------------------------------------- */

static void test_model_open__no_memory(void **state)
{
    build b = made_model(NULL);
    made_write(made_path(), b.data, b.len);
    free(b.data);
    int32_t ids[16];
    char text[64];
    size_t n;
    for (uint64_t nth = 1;; nth++) {
        struct fail_alloc fa;
        oa_model_opts opts = few_threads();
        opts.n_threads = 2;
        opts.allocator = fail_alloc_init(&fa, nth);
        oa_model *m;
        int rc = oa_model_open(&m, made_path(), &opts);
        if (rc == OA_OK) rc = oa_model_tokenize(m, "abc", 3, 0, ids, 16, &n);
        if (rc == OA_OK) rc = oa_model_detokenize(m, ids, n, 0, text, sizeof text, NULL);
        if (rc == OA_OK) {
            rc = oa_model_copy_meta(m, "general.architecture", text, sizeof text, NULL);
        }
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        oa_model_free(m);
        assert_int_equal(fail_alloc_live(&fa), 0);
        if (!fail_alloc_hit(&fa)) break;
        assert_true(nth < 10000);
    }
    unlink(made_path());
}

static void test_model_open__memory_limit(void **state)
{
    oa_memory_estimate e = OA_MEMORY_ESTIMATE_INIT;
    oa_model_opts opts = few_threads();
    oa_model *m;
    assert_ok(oa_model_estimate_memory(tiny_path(), &opts, 100, OA_KV_F16, &e));
    /* 4 pages of 32 positions: layers x heads x keys and values x width x 2 bytes */
    assert_int_equal(e.cache_size, 4 * 32 * 2 * 2 * 2 * 32 * 2);
    assert_ok(oa_model_estimate_memory(tiny_path(), &opts, 100, OA_KV_F32, &e));
    assert_int_equal(e.cache_size, 2 * 4 * 32 * 2 * 2 * 2 * 32 * 2);
    assert_true(e.total_size >= e.weights_size + e.cache_size + e.work_size);

    assert_ok(oa_model_open(&m, tiny_path(), &opts));
    const uint64_t used = oa__model_mem(m)->used;
    const uint64_t guess = e.total_size - e.cache_size - e.work_size;
    test_note("used %llu, estimated %llu", (unsigned long long)used, (unsigned long long)guess);
    assert_true(guess > used - used / 20 && guess < used + used / 20);
    oa__work *w;
    assert_ok(oa__work_new(&w, m, OA__MODEL_BATCH, 1));
    const uint64_t work = oa__model_mem(m)->used - used;
    assert_true(e.work_size > work - work / 20 && e.work_size < work + work / 20);
    oa__work_free(w);
    assert_int_equal(oa__model_mem(m)->used, used);
    oa_model_free(m);

    opts.memory_limit = used + used / 10;
    assert_ok(oa_model_open(&m, tiny_path(), &opts));
    assert_err(oa__work_new(&w, m, 4096, 4096), OA_ENOMEM, "memory limit");
    oa_model_free(m);
    opts.memory_limit = used / 2;
    assert_err(oa_model_open(&m, tiny_path(), &opts), OA_ENOMEM, "memory limit");
    opts.memory_limit = used + used / 10;
    opts.flags = OA_MODEL_NO_MMAP; /* the file's bytes count as well */
    assert_err(oa_model_open(&m, tiny_path(), &opts), OA_ENOMEM, "memory limit");
    opts.memory_limit = 3 * used;
    assert_ok(oa_model_open(&m, tiny_path(), &opts));
    oa_model_free(m);
}

/* --- progress, sharing --------------------------------------------------------------------- */

typedef struct seen {
    uint64_t n, last, total;
    bool stop;
} seen;

static int on_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    seen *s = user;
    assert_string_equal(what, "load");
    assert_true(done >= s->last && done <= total);
    s->n++;
    s->last = done;
    s->total = total;
    return s->stop;
}

static void test_model_open__progress(void **state)
{
    struct fail_alloc fa;
    seen s = {0};
    oa_model_opts opts = few_threads();
    opts.allocator = fail_alloc_init(&fa, 0);
    opts.progress_fn = on_progress;
    opts.progress_user = &s;
    oa_model *m;
    assert_ok(oa_model_open(&m, tiny_path(), &opts));
    assert_true(s.n >= 2 && s.last == s.total && s.total > 600000);
    oa_model_free(m);
    s = (seen){.stop = true};
    assert_err(oa_model_open(&m, tiny_path(), &opts), OA_ECANCELLED, "");
    assert_null(m);
    assert_int_equal(s.n, 1);
    assert_int_equal(fail_alloc_live(&fa), 0);
}

static int n_made, n_dropped;

static void *make_thing(oa_model *m)
{
    n_made++;
    return &n_made;
}

static void drop_thing(void *thing)
{
    assert_ptr_equal(thing, &n_made);
    n_dropped++;
}

static void test_model_open__shared_slot(void **state)
{
    oa_model_opts opts = few_threads();
    oa_model *m, *again;
    assert_ok(oa_model_open(&m, tiny_path(), &opts));
    assert_ok(oa_model_open(&again, tiny_path(), &opts));
    assert_true(oa__model_fingerprint(m) == oa__model_fingerprint(again));
    oa_model_free(again);
    assert_ptr_equal(oa__model_shared(m, make_thing, drop_thing), &n_made);
    assert_ptr_equal(oa__model_shared(m, make_thing, drop_thing), &n_made);
    assert_int_equal(n_made, 1);
    oa_model_free(m);
    assert_int_equal(n_dropped, 1);
}

static int cancel_third(void *arg)
{
    return ++*(int *)arg == 3;
}

static void test_model_open__forward_arguments(void **state)
{
    oa_model_opts opts = few_threads();
    oa_model *m;
    oa__work *w;
    assert_ok(oa_model_open(&m, tiny_path(), &opts));
    assert_ok(oa__work_new(&w, m, 4, 1));
    void *page = oa__alloc(NULL, oa__model_page_size(m, OA_KV_F16));
    oa__row rows[5] = {{0}};
    for (int i = 0; i < 5; i++)
        rows[i] = (oa__row){.id = i, .pos = (uint32_t)i, .pages = &page};
    assert_ok(oa__model_forward(m, w, OA_KV_F16, rows, 4, NULL, NULL));
    assert_ok(oa__model_forward(m, w, OA_KV_F16, rows, 0, NULL, NULL));
    assert_err(oa__model_forward(m, w, OA_KV_F16, rows, 5, NULL, NULL), OA_EINTERNAL, "5 rows");
    rows[1].id = 391;
    assert_err(oa__model_forward(m, w, OA_KV_F16, rows, 4, NULL, NULL), OA_EINVAL, "token 391");
    rows[1].id = -1;
    assert_err(oa__model_forward(m, w, OA_KV_F16, rows, 4, NULL, NULL), OA_EINVAL, "token -1");
    rows[1].id = 1;
    int n_checks = 0;
    assert_err(oa__model_forward(m, w, OA_KV_F16, rows, 4, cancel_third, &n_checks), OA_ECANCELLED,
               "cancelled");
    assert_int_equal(n_checks, 3);
    oa__free(NULL, page);
    oa__work_free(w);
    oa__work_free(NULL);
    oa_model_free(m);
}

static void made_logits(const made *what, float *logits)
{
    build b = made_model(what);
    made_write(made_path(), b.data, b.len);
    free(b.data);
    oa_model_opts opts = few_threads();
    oa_model *m;
    oa__work *w;
    assert_ok(oa_model_open(&m, made_path(), &opts));
    assert_ok(oa__work_new(&w, m, 1, 1));
    void *page = oa__alloc(NULL, oa__model_page_size(m, OA_KV_F16));
    const oa__row row = {.id = 7, .pages = &page, .logits = logits};
    assert_ok(oa__model_forward(m, w, OA_KV_F16, &row, 1, NULL, NULL));
    oa__free(NULL, page);
    oa__work_free(w);
    oa_model_free(m);
    unlink(made_path());
}

/* Few models have it: added to the logits, after the product. */
static void test_model_open__output_bias(void **state)
{
    float plain[MADE_VOCAB], biased[MADE_VOCAB];
    made_logits(&(made){0}, plain);
    made_logits(&(made){.extra_tensor = "output.bias",
                        .change_tensor = "output.bias",
                        .dims = {MADE_VOCAB, 0}},
                biased);
    for (int i = 0; i < MADE_VOCAB; i++) {
        const float bias = (float)((11 * 31 + i * 7) % 64 - 32) / 64; /* the twelfth tensor */
        assert_true(biased[i] == plain[i] + bias);
    }
}

/* Copying n positions of a page gives what storing them alone would have. */
static void test_model_open__page_copy(void **state)
{
    oa_model_opts opts = few_threads();
    oa_model *m;
    assert_ok(oa_model_open(&m, tiny_path(), &opts));
    for (uint32_t kv_type = OA_KV_F16; kv_type <= OA_KV_F32; kv_type++) {
        const size_t size = oa__model_page_size(m, kv_type);
        const size_t e = kv_type == OA_KV_F32 ? 4 : 2, d = 32;
        uint8_t *from = oa__alloc(NULL, size), *to = oa__alloc(NULL, size);
        for (size_t i = 0; i < size; i++)
            from[i] = (uint8_t)(1 + i % 251);
        oa__model_page_copy(m, kv_type, to, from, 5);
        for (size_t i = 0; i < size; i++) {
            const size_t half = i / (d * 32 * e), elem = i % (d * 32 * e) / e;
            const size_t slot = half % 2 == 0 ? elem % 32 : elem / d;
            assert_int_equal(to[i], slot < 5 ? from[i] : 0);
        }
        oa__free(NULL, from);
        oa__free(NULL, to);
    }
    oa_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_open__tiny),
        cmocka_unit_test(test_model_open__tokenize),
        cmocka_unit_test(test_model_open__vocab_only),
        cmocka_unit_test(test_model_open__arguments),
        cmocka_unit_test(test_model_open__wrong_keys),
        cmocka_unit_test(test_model_open__negative),
        cmocka_unit_test(test_model_open__nothing),
        cmocka_unit_test(test_model_open__wrong_tensors),
        cmocka_unit_test(test_model_open__every_byte),
        cmocka_unit_test(test_model_open__no_memory),
        cmocka_unit_test(test_model_open__memory_limit),
        cmocka_unit_test(test_model_open__progress),
        cmocka_unit_test(test_model_open__shared_slot),
        cmocka_unit_test(test_model_open__forward_arguments),
        cmocka_unit_test(test_model_open__output_bias),
        cmocka_unit_test(test_model_open__page_copy),
    };
    return cmocka_run_group_tests_name("model_open", tests, NULL, NULL);
}
