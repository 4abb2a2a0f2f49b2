/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hugging Face folders: what each family becomes, pinned; what is read from the files beside the
 * weights; and that no wrong value is believed or passed over.
 */
#include "model/model.h"

#include "model/hf_made.h"
#include "util/fail_alloc.h"

static const hf_family *family_of(const char *name)
{
    for (size_t i = 0; i < HF_N_FAMILIES; i++)
        if (strcmp(hf_families[i].name, name) == 0) return &hf_families[i];
    fail();
    return NULL;
}

/* A folder with a family's model, until it is removed. */
static void make(folder *f, const char *family)
{
    folder_make(f, "model_hf");
    hf_write(f, family_of(family));
}

static oa_model_opts few_threads(void)
{
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    opts.n_threads = 2;
    return opts;
}

/* --- what a family becomes -------------------------------------------------------------------- */

/* Keys but the tokenizer's, tensors' names, types, sizes and bytes. */
static uint64_t digest(const oa__gguf *g)
{
    uint64_t h = OA__FNV_BASIS;
    oa__str s = {0};
    for (size_t i = 0; i < oa__gguf_meta_count(g); i++) {
        const char *key = oa__gguf_meta_key(g, i);
        uint32_t type;
        size_t n;
        uint8_t bools[8];
        if (strncmp(key, "tokenizer.", 10) == 0) continue;
        s.len = 0;
        assert_ok(oa__gguf_meta_text(g, key, &s));
        h = oa__fnv1a(h, key, strlen(key) + 1);
        h = oa__fnv1a(h, s.data, s.len);
        if (oa__gguf_array_type(g, key, &type, &n) != OA_OK) continue;
        assert_true(type == OA__GGUF_BOOL && n <= sizeof bools);
        assert_ok(oa__gguf_array_copy(g, key, type, bools, n));
        h = oa__fnv1a(h, bools, n);
    }
    for (size_t i = 0; i < oa__gguf_tensor_count(g); i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(g, i);
        void *data = oa__alloc(NULL, t->size);
        assert_non_null(data);
        assert_ok(oa__gguf_tensor_load(g, t, data));
        h = oa__fnv1a(h, t->name, strlen(t->name) + 1);
        h = oa__fnv1a(h, &t->type, sizeof t->type);
        h = oa__fnv1a(h, t->dims, sizeof t->dims);
        h = oa__fnv1a(h, data, t->size);
        oa__free(NULL, data);
    }
    oa__str_free(&s);
    return h;
}

/* Compared when they were pinned, where the others read such a folder: with the tensors that
 * llama.cpp's converter writes, equal byte for byte but for the last bits of rope_freqs.weight, and
 * with the logits of transformers, equal within 1e-6 of the largest. Encoders: as tests/oracle. */
static const struct {
    const char *name;
    uint64_t digest;
} pinned[] = {
    {"llama", 0x97f43e48e1d9b248},      {"mistral", 0xb553e3109e8d265d},
    {"smollm3", 0x1334e53bd93a345a},    {"granite", 0x35e01583a2804693},
    {"gptneox", 0xdbc2e96662e7c804},    {"falcon old", 0x4db3c839a5a4f81a},
    {"falcon new", 0x1eb73ed1d38532d5}, {"gpt2 bare", 0x2fc87aa79599afa9},
    {"qwen2", 0x1d5ae3ef2239fcbe},      {"qwen3", 0x1f7a0c0292a0d883},
    {"phi3", 0xff49143a9b90139c},       {"gemma", 0xb3f1f24eb1b28b64},
    {"gemma2", 0xda93f20114582f9f},     {"gemma3", 0xbc61f959e041d497},
    {"stablelm", 0x00b35d20ffcb7ce8},   {"starcoder2", 0xc037a919a586a32b},
    {"olmo2", 0x95dc886cd31383c2},      {"mixtral", 0x23a8797b15504a87},
    {"qwen2moe", 0x75d785ee7af4e5f8},   {"qwen3moe", 0x594800c9133197bf},
    {"bert bare", 0x7038cc89371e6285},  {"roberta", 0x0fef4917346b5687},
};

static void test_model_hf__families(void **state)
{
    size_t n_wrong = 0;
    for (size_t i = 0; i < HF_N_FAMILIES; i++) {
        folder f;
        oa__mem mem;
        oa__gguf *g;
        make(&f, hf_families[i].name);
        assert_ok(oa__mem_init(&mem, NULL, 4 << 20));
        assert_ok(oa__source_open(&g, &mem, f.path, false, false));
        const uint64_t h = digest(g);
        const bool same = i < OA__ARRAY_LEN(pinned) && pinned[i].digest == h;
        if (!same) test_note("{\"%s\", 0x%016llx},", hf_families[i].name, (unsigned long long)h);
        n_wrong += !same;
        oa__gguf_free(g);
        assert_int_equal(mem.used, 0);
        folder_remove(&f);
    }
    assert_int_equal(n_wrong, 0);
}

/* Every family runs; the fingerprint is the same wherever the folder lies, and another model's is
 * another. */
static void test_model_hf__open(void **state)
{
    uint64_t last = 0;
    for (size_t i = 0; i < HF_N_FAMILIES; i++) {
        folder f;
        oa_model *m;
        oa_model_info info = {.size = sizeof info};
        oa_memory_estimate estimate = {.size = sizeof estimate};
        const oa_model_opts opts = few_threads();
        make(&f, hf_families[i].name);
        assert_ok(oa_model_open(&m, f.path, &opts));
        assert_ok(oa_model_get_info(m, &info));
        assert_int_equal(info.n_vocab, HF_VOCAB);
        assert_int_equal(info.eos_id, strstr(hf_families[i].config, "eos_token_id") ? 256 : -1);
        assert_true(info.file_size > 30000);
        const uint64_t fingerprint = oa__model_fingerprint(m);
        assert_true(fingerprint != last);
        last = fingerprint;
        oa_model_free(m);

        folder moved;
        snprintf(moved.path, sizeof moved.path, "%.100s.moved", f.path);
        assert_int_equal(rename(f.path, moved.path), 0);
        oa_model_opts read = opts;
        read.flags = OA_MODEL_NO_MMAP;
        assert_ok(oa_model_open(&m, moved.path, &read));
        assert_int_equal(oa__model_fingerprint(m), fingerprint);
        oa_model_free(m);
        assert_ok(oa_model_estimate_memory(moved.path, &opts, 64, OA_KV_F16, &estimate));
        assert_true(estimate.weights_size > 30000);
        folder_remove(&moved);
    }
}

/* --- beside the weights ------------------------------------------------------------------------
 */

static void test_model_hf__tokenizer(void **state)
{
    folder f;
    oa_model *m;
    oa_model_info info = {.size = sizeof info};
    const oa_model_opts opts = few_threads();
    make(&f, "qwen3");
    folder_text(&f, "generation_config.json",
                "{\"eos_token_id\": [257, 97, 9999], \"bos_token_id\": 258, \"do_sample\": true}");
    folder_text(&f, "tokenizer_config.json",
                "{\"eos_token\": \"<|end|>\", \"add_bos_token\": false, "
                "\"chat_template\": [{\"name\": \"tools\", \"template\": \"no\"}, "
                "{\"name\": \"default\", \"template\": \"{{ messages }}\"}]}");
    assert_ok(oa_model_open(&m, f.path, &opts));
    assert_ok(oa_model_get_info(m, &info));
    assert_int_equal(info.eos_id, 256);
    assert_int_equal(info.bos_id, 258);
    assert_int_equal(info.eot_id, 257);
    assert_false(info.add_bos);
    assert_string_equal(info.chat_template, "{{ messages }}");
    const oa__vocab *v = oa__model_vocab(m);
    assert_true(oa__vocab_is_end(v, 256) && oa__vocab_is_end(v, 257) && oa__vocab_is_end(v, 97));
    assert_false(oa__vocab_is_end(v, 98));
    assert_int_equal(oa__vocab_size(v), HF_VOCAB);
    assert_int_equal(oa__vocab_find(v, "[PAD263]", 8), 263);
    oa__ids ids = {0};
    assert_ok(oa__vocab_encode(v, "ab<|stop|>[PAD263]", 18, OA_TOKENIZE_SPECIAL, &ids));
    assert_int_equal(ids.len, 2 + 8);
    assert_int_equal(ids.data[0], 258);
    assert_int_equal(ids.data[1], 257);
    oa__ids_free(&ids);
    oa_model_free(m);

    /* A template in a file of its own wins; no tokenizer_config.json is needed. */
    folder_text(&f, "chat_template.jinja", "own");
    assert_ok(oa_model_open(&m, f.path, &opts));
    assert_ok(oa_model_get_info(m, &info));
    assert_string_equal(info.chat_template, "own");
    oa_model_free(m);
    unlink(folder_file(&f, "tokenizer_config.json"));
    oa_model_opts vocab_only = opts;
    vocab_only.flags = OA_MODEL_VOCAB_ONLY;
    assert_ok(oa_model_open(&m, f.path, &vocab_only));
    assert_ok(oa_model_get_info(m, &info));
    assert_int_equal(info.eos_id, 257);
    oa_model_free(m);
    /* Without weights it is a vocabulary, and no model. */
    unlink(folder_file(&f, "model.safetensors"));
    assert_ok(oa_model_open(&m, f.path, &vocab_only));
    assert_ok(oa_model_get_info(m, &info));
    assert_int_equal(info.eos_id, 257);
    oa_model_free(m);
    assert_err(oa_model_open(&m, f.path, &opts), OA_EFORMAT, "no model.safetensors");
    oa_memory_estimate e = {.size = sizeof e};
    assert_err(oa_model_estimate_memory(f.path, &opts, 64, OA_KV_F16, &e), OA_EFORMAT, "missing");
    folder_remove(&f);
}

static void check_meta(const oa_model *m, const char *key, const char *want)
{
    char text[64];
    size_t len;
    if (want == NULL) {
        assert_int_equal(oa_model_copy_meta(m, key, text, sizeof text, &len), OA_ENOTFOUND);
        return;
    }
    assert_ok(oa_model_copy_meta(m, key, text, sizeof text, &len));
    assert_string_equal(text, want);
}

/* A model that also sees pictures is the text model in it: the same keys and weights. */
static void test_model_hf__text_of_larger(void **state)
{
    folder f;
    oa__gguf *g;
    st_build b = {0};
    char config[4096];
    unsigned seed = 1;
    const hf_family *alone = family_of("gemma3");
    make(&f, "gemma3");
    assert_ok(oa__source_open(&g, NULL, f.path, false, false));
    const uint64_t want = digest(g);
    oa__gguf_free(g);
    /* Members of text_config win over those beside it. */
    snprintf(config, sizeof config,
             "{\"model_type\": \"gemma3\", \"hidden_size\": 7, \"vision_config\": {}, "
             "\"text_config\": %s}",
             alone->config);
    folder_text(&f, "config.json", config);
    for (const char *const *t = alone->tensors; *t != NULL; t++) {
        char name[128];
        snprintf(name, sizeof name, "language_model.%s", *t);
        for (unsigned layer = 0; layer < (strchr(*t, '%') ? 2u : 1u); layer++)
            hf_add_tensor(&b, name, layer, 0, &seed);
    }
    hf_add_tensor(&b, "vision_tower.x.weight 8", 0, 0, &seed);
    hf_add_tensor(&b, "multi_modal_projector.y 8", 0, 0, &seed);
    st_write(&b, &f, "model.safetensors");
    assert_ok(oa__source_open(&g, NULL, f.path, false, false));
    assert_true(digest(g) == want);
    oa__gguf_free(g);
    folder_text(&f, "config.json", "{\"model_type\": \"gemma3\", \"text_config\": 1}");
    assert_err(oa__source_open(&g, NULL, f.path, false, false), OA_EFORMAT,
               "text_config is missing");
    folder_text(&f, "config.json", "{\"model_type\": \"gemma3\", \"text_config\": {}}");
    assert_err(oa__source_open(&g, NULL, f.path, false, false), OA_EFORMAT,
               "num_hidden_layers is missing");
    folder_remove(&f);
}

/* Name, licence, and how to sample. */
static void test_model_hf__about(void **state)
{
    folder f;
    oa_model *m;
    char config[4096];
    oa_model_info info = {.size = sizeof info};
    const oa_model_opts opts = few_threads();
    make(&f, "qwen3");
    snprintf(config, sizeof config, "{\"_name_or_path\": \"somebody/Small-1\", %s",
             family_of("qwen3")->config + 1);
    folder_text(&f, "config.json", config);
    folder_text(&f, "README.md",
                "---\ntags:\n- x\nlicense: cc-by-4.0\nbase: y\n---\nlicense: other\n");
    folder_text(&f, "generation_config.json",
                "{\"do_sample\": true, \"temperature\": 0.5, \"top_k\": 20, \"top_p\": 0.75}");
    assert_ok(oa_model_open(&m, f.path, &opts));
    assert_ok(oa_model_get_info(m, &info));
    assert_string_equal(info.name, "Small-1");
    assert_string_equal(info.license, "cc-by-4.0");
    check_meta(m, "general.sampling.temp", "0.5");
    check_meta(m, "general.sampling.top_k", "20");
    check_meta(m, "general.sampling.top_p", "0.75");
    check_meta(m, "general.sampling.min_p", NULL);
    oa_model_free(m);

    folder_text(&f, "README.md", "license: other\n");
    folder_text(&f, "generation_config.json", "{\"temperature\": 0.5}");
    folder_text(&f, "config.json", family_of("qwen3")->config);
    assert_ok(oa_model_open(&m, f.path, &opts));
    assert_ok(oa_model_get_info(m, &info));
    assert_string_equal(info.name, "");
    assert_string_equal(info.license, "");
    check_meta(m, "general.sampling.temp", NULL);
    oa_model_free(m);
    folder_remove(&f);
}

static void expect_file(const char *name, const char *text, int code, const char *word)
{
    folder f;
    oa_model *m;
    const oa_model_opts opts = few_threads();
    make(&f, "qwen3");
    if (text != NULL) {
        folder_text(&f, name, text);
    } else {
        unlink(folder_file(&f, name));
    }
    const int rc = oa_model_open(&m, f.path, &opts);
    if (rc != code || strstr(oa_error_last(), word) == NULL) {
        test_note("%s %s: %s %s", name, text ? text : "", oa_error_name(rc), oa_error_last());
    }
    assert_int_equal(rc, code);
    assert_null(m);
    assert_non_null(strstr(oa_error_last(), word));
    assert_non_null(strstr(oa_error_last(), f.path));
    folder_remove(&f);
}

static void test_model_hf__files(void **state)
{
    expect_file("config.json", NULL, OA_EFORMAT, "is a directory without config.json");
    expect_file("config.json", "", OA_EFORMAT, "config.json: line");
    expect_file("config.json", "[]", OA_EFORMAT, "not a JSON object");
    expect_file("config.json", "{\"a\": 1, \"a\": 2}", OA_EFORMAT, "duplicate");
    expect_file("config.json", "{}", OA_EFORMAT, "model_type is missing");
    expect_file("config.json", "{\"model_type\": 3}", OA_EFORMAT, "model_type is not a string");
    expect_file("config.json", "{\"model_type\": \"bart\"}", OA_EUNSUPPORTED,
                "\"bart\" is not supported; known: llama, mistral");
    expect_file("model.safetensors", NULL, OA_EFORMAT, "no model.safetensors");
    expect_file("model.safetensors", "nonsense", OA_EFORMAT, "not a safetensors file");
    expect_file("tokenizer.json", NULL, OA_EFORMAT, "no tokenizer.json");
    expect_file("tokenizer.json", "{", OA_EFORMAT, "tokenizer.json");
    expect_file("tokenizer_config.json", "{", OA_EFORMAT, "tokenizer_config.json");
    expect_file("generation_config.json", "{", OA_EFORMAT, "generation_config.json");
    expect_file("generation_config.json", "{\"eos_token_id\": \"x\"}", OA_EFORMAT, "eos_token_id");
    expect_file("generation_config.json", "{\"do_sample\": true, \"top_p\": 2}", OA_EUNSUPPORTED,
                "top_p is out of range");
    expect_file("generation_config.json", "{\"eos_token_id\": [[]]}", OA_EFORMAT, "eos_token_id");
    folder f;
    oa_model *m;
    make(&f, "qwen3");
    char from[512];
    snprintf(from, sizeof from, "%s", folder_file(&f, "model.safetensors"));
    assert_int_equal(rename(from, folder_file(&f, "pytorch_model.bin")), 0);
    assert_err(oa_model_open(&m, f.path, NULL), OA_EUNSUPPORTED, "folder has pytorch_model.bin");
    folder_remove(&f);
    static char deep[100000];
    memset(deep, '[', sizeof deep - 1);
    memcpy(deep, "{\"a\":", 5);
    expect_file("config.json", deep, OA_EFORMAT, "config.json: line 1");
}

/* --- wrong values ------------------------------------------------------------------------------
 */

/* The family's config with one member more, which stands in place of one of that name. */
static void expect_config(const char *family, const char *name, const char *value, int code,
                          const char *word)
{
    folder f;
    oa__mem mem;
    oa__gguf *g;
    char text[4096], member[64];
    const char *config = family_of(family)->config;
    make(&f, family);
    snprintf(member, sizeof member, "\"%s\": ", name);
    const char *at = strstr(config, member);
    size_t skip = 0;
    if (at != NULL) {
        int depth = 0;
        for (skip = strlen(member); at[skip] != '\0'; skip++) {
            const char c = at[skip];
            if ((c == ',' || c == '}') && depth == 0) break;
            depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        }
        skip += at[skip] == ',';
    } else {
        at = config + 1;
    }
    const bool last = at + skip == config + strlen(config) - 1;
    snprintf(text, sizeof text, "%.*s%s%s%s%s", (int)(at - config), config, value ? member : "",
             value ? value : "\"unused\": 0", last ? "" : ", ", at + skip);
    folder_text(&f, "config.json", text);
    assert_ok(oa__mem_init(&mem, NULL, 4 << 20));
    const int rc = oa__source_open(&g, &mem, f.path, false, false);
    if (rc != code || (code != OA_OK && strstr(oa_error_last(), word) == NULL)) {
        test_note("%s %s: %s %s", family, text, oa_error_name(rc), oa_error_last());
    }
    assert_int_equal(rc, code);
    if (code != OA_OK) assert_non_null(strstr(oa_error_last(), word));
    oa__gguf_free(g);
    assert_int_equal(mem.used, 0);
    folder_remove(&f);
}

static void test_model_hf__sizes(void **state)
{
    static const char *const members[] = {"hidden_size",
                                          "intermediate_size",
                                          "num_hidden_layers",
                                          "num_attention_heads",
                                          "num_key_value_heads",
                                          "vocab_size",
                                          "max_position_embeddings",
                                          "head_dim"};
    for (size_t i = 0; i < OA__ARRAY_LEN(members); i++) {
        const char *name = members[i];
        expect_config("llama", name, "0", OA_EUNSUPPORTED, name);
        expect_config("llama", name, "-1", OA_EUNSUPPORTED, name);
        expect_config("llama", name, "4294967297", OA_EUNSUPPORTED, name);
        expect_config("llama", name, "9223372036854775807", OA_EUNSUPPORTED, name);
        expect_config("llama", name, "9223372036854775808", OA_EFORMAT, "config.json: line 1");
        expect_config("llama", name, "32.0", OA_EFORMAT, name);
        expect_config("llama", name, "\"32\"", OA_EFORMAT, name);
        expect_config("llama", name, "[32]", OA_EFORMAT, name);
        expect_config("llama", name, "{}", OA_EFORMAT, name);
        expect_config("llama", name, "true", OA_EFORMAT, name);
        const bool has_default = i == 4 || i == 7;
        if (!has_default) expect_config("llama", name, "null", OA_EFORMAT, "is missing");
        if (!has_default) expect_config("llama", name, NULL, OA_EFORMAT, "is missing");
    }
    expect_config("llama", "num_key_value_heads", "3", OA_EUNSUPPORTED, "unevenly");
    expect_config("llama", "num_hidden_layers", "3", OA_EFORMAT,
                  "tensor model.layers.2.input_layernorm.weight is missing");
    expect_config("llama", "num_hidden_layers", "1", OA_EUNSUPPORTED,
                  "model.layers.1.input_layernorm.weight is not part");
    expect_config("llama", "rms_norm_eps", "\"x\"", OA_EFORMAT, "rms_norm_eps is not a number");
    expect_config("llama", "rms_norm_eps", "0", OA_EUNSUPPORTED, "rms_norm_eps is out of range");
    expect_config("llama", "rms_norm_eps", "1e999", OA_EFORMAT, "config.json: line 1");
    expect_config("llama", "rms_norm_eps", NULL, OA_EFORMAT, "rms_norm_eps is missing");
    expect_config("llama", "vocab_size", "200", OA_EFORMAT, "the tokenizer has 259 tokens");
    expect_config("mixtral", "num_local_experts", "5", OA_EFORMAT,
                  "experts.4.w1.weight is missing");
    expect_config("mixtral", "num_local_experts", "3", OA_EUNSUPPORTED, "is not part of a model");
    expect_config("mixtral", "num_local_experts", "0", OA_EUNSUPPORTED, "num_local_experts is 0");
    expect_config("gpt2 bare", "n_embd", "0", OA_EUNSUPPORTED, "n_embd is 0");
    expect_config("falcon old", "n_head", "5", OA_EUNSUPPORTED, "5 heads do not divide");
    expect_config("falcon new", "num_kv_heads", "0", OA_EUNSUPPORTED, "num_kv_heads is 0");
    expect_config("falcon new", "num_kv_heads", "4", OA_EFORMAT, "does not fit");
}

/* What would change results and is not known is refused by name. */
static void test_model_hf__refused(void **state)
{
    expect_config("llama", "quantization_config", "{\"bits\": 4}", OA_EUNSUPPORTED,
                  "quantization_config");
    expect_config("llama", "quantization_config", "null", OA_OK, "");
    expect_config("llama", "hidden_act", "\"quick_gelu\"", OA_EUNSUPPORTED, "quick_gelu");
    expect_config("llama", "hidden_act", "3", OA_EFORMAT, "hidden_act is not a string");
    expect_config("llama", "hidden_act", "\"gelu\"", OA_OK, "");
    expect_config("llama", "tie_word_embeddings", "\"no\"", OA_EFORMAT, "tie_word_embeddings");
    expect_config("llama", "tie_word_embeddings", "true", OA_OK, "");
    expect_config("llama", "partial_rotary_factor", "0.5", OA_EUNSUPPORTED, "dimensions turn");
    expect_config("llama", "a_field_of_nobodys", "{\"x\": [1]}", OA_OK, "");
    expect_config("falcon old", "alibi", "true", OA_EUNSUPPORTED, "alibi");
    expect_config("falcon old", "parallel_attn", "false", OA_EUNSUPPORTED, "parallel_attn");
    expect_config("gpt2 bare", "scale_attn_weights", "false", OA_EUNSUPPORTED,
                  "scale_attn_weights");
    expect_config("gpt2 bare", "scale_attn_by_inverse_layer_idx", "true", OA_EUNSUPPORTED,
                  "scale_attn_by_inverse_layer_idx");
    expect_config("gpt2 bare", "add_cross_attention", "true", OA_EUNSUPPORTED, "add_cross");
    expect_config("gemma3", "use_bidirectional_attention", "true", OA_EUNSUPPORTED,
                  "bidirectional");
    expect_config("gemma3", "attn_logit_softcapping", "50.0", OA_EUNSUPPORTED, "softcapping");
    expect_config("qwen3", "layer_types", "[\"full_attention\"]", OA_OK, ""); /* window off */
    expect_config("qwen2", "layer_types", "[\"full_attention\"]", OA_EFORMAT, "layer_types");
    expect_config("qwen2", "layer_types", "[\"full_attention\", \"chunked\"]", OA_EUNSUPPORTED,
                  "\"chunked\"");
    expect_config("qwen2", "layer_types", "[1, 2]", OA_EUNSUPPORTED, "layer_types has \"\"");
    expect_config("smollm3", "no_rope_layers", "[1]", OA_EFORMAT, "no_rope_layers");
    expect_config("smollm3", "use_sliding_window", "true", OA_EUNSUPPORTED, "layer_types");
    expect_config("bert bare", "is_decoder", "true", OA_EUNSUPPORTED, "is_decoder");
    expect_config("bert bare", "position_embedding_type", "\"relative_key\"", OA_EUNSUPPORTED,
                  "relative_key");
    expect_config("bert bare", "type_vocab_size", "0", OA_EUNSUPPORTED, "type_vocab_size is 0");
    expect_config("roberta", "pad_token_id", "127", OA_EFORMAT, "128 positions");
    expect_config("roberta", "pad_token_id", "\"x\"", OA_EFORMAT, "pad_token_id");
    expect_config("roberta", "sliding_window", "5", OA_OK, ""); /* nobody looks */
}

static void test_model_hf__rope(void **state)
{
    expect_config("qwen3", "rope_parameters", "7", OA_EFORMAT, "no object");
    expect_config("qwen3", "rope_parameters", "{\"rope_type\": \"waves\"}", OA_EUNSUPPORTED,
                  "\"waves\" is not supported; known: default, linear, dynamic");
    expect_config("qwen3", "rope_parameters", "{\"rope_type\": \"linear\"}", OA_EFORMAT, "factor");
    expect_config("qwen3", "rope_parameters", "{\"rope_type\": \"linear\", \"factor\": 0}",
                  OA_EUNSUPPORTED, "factor is out of range");
    expect_config("qwen3", "rope_parameters", "{\"mrope_section\": [1]}", OA_EUNSUPPORTED,
                  "\"mrope_section\"");
    expect_config("qwen3", "rope_parameters", "{\"rope_theta\": -1}", OA_EUNSUPPORTED,
                  "rope_theta");
    expect_config("qwen3", "rope_parameters",
                  "{\"rope_type\": \"yarn\", \"factor\": 2, \"truncate\": false}", OA_EUNSUPPORTED,
                  "truncate");
    expect_config("qwen3", "rope_parameters", "{\"rope_type\": \"dynamic\", \"factor\": 2}", OA_OK,
                  "");
    expect_config("qwen3", "rope_parameters", "{\"partial_rotary_factor\": 0.1}", OA_EUNSUPPORTED,
                  "0 of 8 dimensions turn");
    expect_config("llama", "rope_scaling", "{\"rope_type\": \"llama3\", \"factor\": 8}", OA_EFORMAT,
                  "low_freq_factor");
    expect_config("phi3", "rope_scaling",
                  "{\"type\": \"longrope\", \"short_factor\": [1, 1], \"long_factor\": [1]}",
                  OA_EFORMAT, "long_factor is no list of 4 numbers");
    expect_config("phi3", "rope_scaling",
                  "{\"type\": \"longrope\", \"short_factor\": [1, 1, 1, null], "
                  "\"long_factor\": [1, 1, 1, 1]}",
                  OA_EFORMAT, "element 3 of short_factor is out of range");
    expect_config("gemma3", "rope_parameters",
                  "{\"full_attention\": {\"rope_theta\": 1e6}, \"sliding_attention\": "
                  "{\"rope_type\": \"linear\", \"factor\": 2}}",
                  OA_EUNSUPPORTED, "sliding_attention");
}

/* Tensors that are missing, too many, of another type or shape. */
static void expect_tensors(const char *json, int code, const char *word)
{
    folder f;
    oa__gguf *g;
    uint8_t zero[4096] = {0};
    st_build b = {0};
    st_json(&b, "%s", json);
    st_bytes(&b, zero, sizeof zero);
    make(&f, "olmo2");
    st_write(&b, &f, "model.safetensors");
    assert_err(oa__source_open(&g, NULL, f.path, false, false), code, word);
    folder_remove(&f);
}

static void test_model_hf__tensors(void **state)
{
    expect_tensors("", OA_EFORMAT, "tensor model.embed_tokens.weight is missing");
    expect_tensors("\"model.embed_tokens.weight\": {\"dtype\": \"I8\", \"shape\": [2, 2], "
                   "\"data_offsets\": [0, 4]}",
                   OA_EUNSUPPORTED, "type I8 is not supported");
    expect_tensors("\"embed_tokens.weight\": {\"dtype\": \"F32\", \"shape\": [2, 2], "
                   "\"data_offsets\": [0, 16]}",
                   OA_EFORMAT, "tensor model.norm.weight is missing");
    expect_tensors("\"model.embed_tokens.weight\": {\"dtype\": \"F32\", \"shape\": [], "
                   "\"data_offsets\": [0, 4]}",
                   OA_EFORMAT, "0 dimensions");
    folder f;
    oa_model *m;
    /* Shapes are the decoder's to check: half as many key heads. */
    make(&f, "qwen3");
    folder_text(&f, "config.json", family_of("qwen3")->config);
    hf_family other = *family_of("olmo2");
    hf_write_weights(&f, &other);
    assert_true(oa_model_open(&m, f.path, NULL) < 0);
    folder_remove(&f);
}

/* --- while it loads ----------------------------------------------------------------------------
 */

typedef struct watch {
    uint64_t n_calls, last, total, cancel_at;
} watch;

static int on_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    watch *w = user;
    assert_string_equal(what, "load");
    assert_true(done >= w->last && done <= total);
    w->last = done;
    w->total = total;
    return ++w->n_calls == w->cancel_at;
}

static void test_model_hf__progress(void **state)
{
    folder f;
    oa_model *m;
    watch w = {0};
    struct fail_alloc fa;
    oa_model_opts opts = few_threads();
    make(&f, "gpt2 bare");
    opts.progress_fn = on_progress;
    opts.progress_user = &w;
    opts.allocator = fail_alloc_init(&fa, 0);
    assert_ok(oa_model_open(&m, f.path, &opts));
    assert_true(w.n_calls >= 2 && w.last == w.total && w.total > 100000);
    oa_model_free(m);
    w = (watch){.cancel_at = 1};
    assert_err(oa_model_open(&m, f.path, &opts), OA_ECANCELLED, "");
    assert_null(m);
    assert_int_equal(fail_alloc_live(&fa), 0);
    folder_remove(&f);
}

static void test_model_hf__no_memory(void **state)
{
    folder f;
    int rc = OA_ENOMEM;
    make(&f, "llama");
    for (uint64_t i = 1; rc != OA_OK; i++) {
        struct fail_alloc fa;
        oa_model_opts opts = few_threads();
        oa_model *m;
        opts.allocator = fail_alloc_init(&fa, i);
        rc = oa_model_open(&m, f.path, &opts);
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        oa_model_free(m);
        assert_int_equal(fail_alloc_live(&fa), 0);
    }
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_hf__families),  cmocka_unit_test(test_model_hf__open),
        cmocka_unit_test(test_model_hf__tokenizer), cmocka_unit_test(test_model_hf__about),
        cmocka_unit_test(test_model_hf__files),     cmocka_unit_test(test_model_hf__sizes),
        cmocka_unit_test(test_model_hf__refused),   cmocka_unit_test(test_model_hf__rope),
        cmocka_unit_test(test_model_hf__tensors),   cmocka_unit_test(test_model_hf__text_of_larger),
        cmocka_unit_test(test_model_hf__progress),  cmocka_unit_test(test_model_hf__no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
