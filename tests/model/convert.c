/* SPDX-License-Identifier: Apache-2.0 */
#include "model/convert.h"
#include "model/hf_made.h"
#include "util/fail_alloc.h"

#include <math.h>

static void test_model_convert__keeping_types_keeps_everything(void **state)
{
    (void)state;
    oa_convert_result r = OA_CONVERT_RESULT_INIT;
    assert_ok(to_type(tiny_path(), in_folder("a"), NULL, 0, &r));
    assert_int_equal(r.n_converted, 0);
    assert_int_equal(r.in_size, r.out_size);
    assert_ok(to_type(tiny_path(), in_folder("b"), "", OA_CONVERT_NO_MMAP, NULL));
    assert_same_bytes(in_folder("a"), in_folder("b"), true);

    oa__gguf *x, *y;
    assert_ok(oa__gguf_open(&x, NULL, tiny_path(), false, false));
    assert_ok(oa__gguf_open(&y, NULL, in_folder("a"), false, false));
    assert_int_equal(oa__gguf_meta_count(x), oa__gguf_meta_count(y));
    for (size_t i = 0; i < oa__gguf_meta_count(x); i++) {
        oa__str s = {0}, t = {0};
        assert_string_equal(oa__gguf_meta_key(x, i), oa__gguf_meta_key(y, i));
        assert_ok(oa__gguf_meta_text(x, oa__gguf_meta_key(x, i), &s));
        assert_ok(oa__gguf_meta_text(y, oa__gguf_meta_key(x, i), &t));
        assert_string_equal(s.data, t.data);
        oa__str_free(&s);
        oa__str_free(&t);
    }
    assert_int_equal(oa__gguf_tensor_count(x), r.n_tensors);
    for (size_t i = 0; i < r.n_tensors; i++) {
        const oa__gguf_tensor *s = oa__gguf_tensor_at(x, i);
        const oa__gguf_tensor *t = oa__gguf_tensor_find(y, s->name);
        assert_non_null(t);
        assert_int_equal(s->type, t->type);
        assert_int_equal(s->size, t->size);
        assert_memory_equal(s->data, t->data, s->size);
    }
    oa__gguf_free(x);
    oa__gguf_free(y);
}

/* Every type: the rows are what oa__row_quantize() makes of the input's, whatever the threads; the
 * model opens, and its metadata says what it is. */
static void test_model_convert__every_type(void **state)
{
    (void)state;
    const char *name, *help;
    size_t n = 0;
    uint64_t last_size = 0;
    assert_ok(to_type(tiny_path(), in_folder("f32"), "F32", 0, NULL));
    for (; oa_convert_get_type(n, &name, &help) == OA_OK; n++) {
        oa_convert_result r = OA_CONVERT_RESULT_INIT;
        oa_convert_opts o = OA_CONVERT_OPTS_INIT;
        assert_true(help[0] != '\0');
        assert_ok(to_type(in_folder("f32"), in_folder("pure"), name, OA_CONVERT_PURE, NULL));
        assert_ok(to_type(in_folder("f32"), in_folder("mixed"), name, 0, &r));
        o.type = name;
        o.n_threads = 7;
        assert_ok(oa_convert(in_folder("f32"), in_folder("again"), &o));
        assert_same_bytes(in_folder("mixed"), in_folder("again"), true);
        assert_int_equal(r.n_fallback, 0);
        assert_int_equal(number_in(in_folder("mixed"), "general.file_type"),
                         oa__recipe_find(name)->file_type);

        oa__gguf *x, *y;
        assert_ok(oa__gguf_open(&x, NULL, in_folder("f32"), false, false));
        assert_ok(oa__gguf_open(&y, NULL, in_folder("pure"), false, false));
        for (size_t i = 0; i < oa__gguf_tensor_count(x); i++) {
            const oa__gguf_tensor *s = oa__gguf_tensor_at(x, i), *t = oa__gguf_tensor_at(y, i);
            const uint32_t want = s->n_dims > 1 ? oa__recipe_find(name)->type : OA__F32;
            assert_int_equal(t->type, want);
            const size_t rows = (size_t)s->dims[1];
            uint8_t *row = calloc(1, t->size / rows);
            for (size_t j = 0; j < rows; j++) {
                assert_ok(oa__row_quantize(0, want, (const float *)s->data + j * s->dims[0], row,
                                           (size_t)s->dims[0], NULL));
                assert_memory_equal(row, (const uint8_t *)t->data + j * (t->size / rows),
                                    t->size / rows);
            }
            free(row);
        }
        oa__gguf_free(x);
        oa__gguf_free(y);

        oa_model *m = NULL;
        assert_ok(oa_model_open(&m, in_folder("mixed"), NULL));
        oa_session *s = tiny_session(m, 0, 32);
        int32_t ids[8];
        tiny_ids(m, 3, ids, 8);
        assert_ok(oa_session_append(s, ids, 8));
        tiny_logits(s);
        oa_session_free(s);
        oa_model_free(m);
        last_size = r.out_size;
    }
    assert_true(n == 19 && last_size > 0);
    assert_err(to_type(tiny_path(), in_folder("x"), "Q9_Z", 0, NULL), OA_EINVAL,
               "want one of Q2_K");
    assert_ok(to_type(in_folder("f32"), in_folder("pure"), "q4_k", 0, NULL));
    assert_ok(to_type(in_folder("f32"), in_folder("mixed"), "Q4_K_M", 0, NULL));
    assert_same_bytes(in_folder("pure"), in_folder("mixed"), true);
}

typedef struct lines {
    size_t n;
    char text[6000];
} lines;

static void on_line(uint32_t level, const char *line, void *user)
{
    lines *l = user;
    (void)level;
    l->n++;

    const size_t at = strlen(l->text);
    snprintf(l->text + at, sizeof l->text - at, "%s\n", line);
}

static void test_model_convert__rows_that_do_not_fit_fall_back(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        const char *type;
        uint32_t want;
    } cases[] = {
        {512, "Q6_K", OA__Q6_K},  {64, "Q6_K", OA__Q8_0},
        {64, "Q5_K_S", OA__Q5_1}, {64, "Q4_K_M", OA__Q8_0} /* wants Q6_K */,
        {33, "Q4_K_M", OA__F16},  {33, "Q8_0", OA__F16},
        {33, "Q4_0", OA__F16},    {32, "Q4_0", OA__Q4_0},
        {64, "Q2_K", OA__IQ4_NL}, {64, "IQ4_XS", OA__IQ4_NL},
        {33, "F16", OA__F16},     {33, "BF16", OA__BF16},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        oa_convert_result r = OA_CONVERT_RESULT_INIT;
        oa_convert_opts o = OA_CONVERT_OPTS_INIT;
        lines l = {0};
        make_file(in_folder("in"), cases[i].n, 0);
        o.type = cases[i].type;
        o.result = &r;
        o.log_fn = on_line;
        o.log_user = &l;
        assert_ok(oa_convert(in_folder("in"), in_folder("out"), &o));
        assert_int_equal(type_in(in_folder("out"), "blk.7.ffn_down.weight"), cases[i].want);
        assert_int_equal(type_in(in_folder("out"), "blk.7.ffn_norm.weight"), OA__F32);
        const bool fell = cases[i].n != 512 && cases[i].want != OA__Q4_0 &&
                          cases[i].type[1] != 'F' && cases[i].type[0] != 'F';
        assert_int_equal(r.n_fallback, fell);
        assert_int_equal(l.n, fell);
        if (fell) {
            assert_non_null(strstr(l.text, "blk.7.ffn_down.weight"));
            assert_non_null(strstr(l.text, oa__type_get(cases[i].want)->name));
        }
        assert_int_equal(number_in(in_folder("out"), "split.count"), UINT64_MAX);
        assert_int_equal(number_in(in_folder("out"), "general.quantization_version"),
                         cases[i].want == OA__F16 || cases[i].want == OA__BF16 ? UINT64_MAX : 2);
    }
    /* many of a kind are said once, with their number; each of them at level info */
    oa__fallbacks f = {0};
    lines m = {0};
    oa__log log = {.fn = on_line, .user = &m, .level = OA_LOG_WARN};
    oa__gguf_tensor t = {.name = "a.weight", .dims = {576, 2, 1, 1}};
    for (int i = 0; i < 120; i++) {
        oa__fallbacks_add(&f, &log, &t, OA__Q4_K, OA__Q5_0);
        if (i < 3) oa__fallbacks_add(&f, &log, &t, OA__Q6_K, OA__Q8_0);
    }
    t.dims[0] = 33;
    oa__fallbacks_add(&f, &log, &t, OA__Q4_K, OA__F16);
    assert_int_equal(m.n, 0);
    oa__fallbacks_say(&f, &log);
    assert_string_equal(m.text,
                        "120 tensors: 576 columns are no multiple of 256, Q4_K -> Q5_0\n"
                        "3 tensors: 576 columns are no multiple of 256, Q6_K -> Q8_0\n"
                        "tensor a.weight: 33 columns are no multiple of 256, Q4_K -> F16\n");
    m = (lines){0};
    log.level = OA_LOG_INFO;
    oa__fallbacks_add(&f, &log, &t, OA__Q4_K, OA__F16);
    assert_string_equal(m.text, "tensor a.weight: rows of 33 do not fit Q4_K, taking F16\n");
    /* more kinds than there is room for: the others one by one */
    log.level = OA_LOG_WARN;
    m = (lines){0};
    for (t.dims[0] = 1000; t.dims[0] < 1040; t.dims[0]++)
        oa__fallbacks_add(&f, &log, &t, OA__Q4_K, OA__F16);
    assert_int_equal(m.n, 40 - (32 - 3));
    oa__fallbacks_say(&f, &log);
    assert_int_equal(m.n, 40 - (32 - 3) + 32);

    /* quantised twice: said once */
    oa_convert_opts o = OA_CONVERT_OPTS_INIT;
    oa_convert_result r = OA_CONVERT_RESULT_INIT;
    lines l = {0};
    o.type = "Q8_0";
    o.log_fn = on_line;
    o.log_user = &l;
    o.result = &r;
    assert_ok(oa_convert(tiny_path(), in_folder("out"), &o));
    assert_int_equal(l.n, 1);
    assert_non_null(strstr(l.text, "quantised already"));
    assert_true(r.n_requantised > 0);
    o.log_level = OA_LOG_INFO;
    l.n = 0;
    assert_ok(oa_convert(tiny_path(), in_folder("out"), &o));
    assert_int_equal(l.n, 1 + r.n_tensors);
}

/* The recipes' exceptions, by name; 32 layers, four query heads per key/value head or one. */
static void test_model_convert__recipes(void **state)
{
    (void)state;
    static const struct {
        const char *recipe, *tensor;
        uint32_t plain, shared4, falcon, experts8;
    } cases[] = {
        {"Q4_K_M", "blk.9.attn_q.weight", OA__Q4_K, OA__Q4_K, OA__Q4_K, OA__Q4_K},
        {"Q4_K_M", "blk.0.attn_v.weight", OA__Q6_K, OA__Q6_K, OA__Q6_K, OA__Q8_0},
        {"Q4_K_M", "blk.4.attn_v.weight", OA__Q4_K, OA__Q4_K, OA__Q4_K, OA__Q8_0},
        {"Q4_K_M", "blk.6.attn_v.weight", OA__Q6_K, OA__Q6_K, OA__Q6_K, OA__Q8_0},
        {"Q4_K_M", "blk.28.ffn_down.weight", OA__Q6_K, OA__Q6_K, OA__Q5_K, OA__Q6_K},
        {"Q4_K_M", "blk.1.ffn_down.weight", OA__Q6_K, OA__Q6_K, OA__Q6_K, OA__Q6_K},
        {"Q4_K_M", "blk.5.ffn_down_exps.weight", OA__Q4_K, OA__Q4_K, OA__Q4_K, OA__Q4_K},
        {"Q4_K_M", "blk.5.attn_output.weight", OA__Q4_K, OA__Q4_K, OA__Q4_K, OA__Q5_K},
        {"Q4_K_M", "blk.5.attn_k.weight", OA__Q4_K, OA__Q4_K, OA__Q4_K, OA__Q8_0},
        {"Q4_K_M", "output.weight", OA__Q6_K, OA__Q6_K, OA__Q8_0, OA__Q6_K},
        {"Q4_K_M", "token_embd.weight", OA__Q4_K, OA__Q4_K, OA__Q4_K, OA__Q4_K},
        {"Q4_K_S", "blk.3.attn_v.weight", OA__Q5_K, OA__Q5_K, OA__Q5_K, OA__Q8_0},
        {"Q4_K_S", "blk.4.ffn_down.weight", OA__Q4_K, OA__Q4_K, OA__Q4_K, OA__Q4_K},
        {"Q4_K_S", "blk.3.ffn_down.weight", OA__Q5_K, OA__Q5_K, OA__Q4_K, OA__Q5_K},
        {"Q2_K", "blk.3.attn_v.weight", OA__Q3_K, OA__Q4_K, OA__Q3_K, OA__Q8_0},
        {"Q2_K", "blk.3.attn_output.weight", OA__Q3_K, OA__Q3_K, OA__Q2_K, OA__Q5_K},
        {"Q2_K", "blk.30.ffn_down.weight", OA__Q3_K, OA__Q3_K, OA__Q3_K, OA__Q3_K},
        {"Q3_K_M", "blk.1.attn_qkv.weight", OA__Q5_K, OA__Q5_K, OA__Q5_K, OA__Q8_0},
        {"Q3_K_M", "blk.2.attn_v.weight", OA__Q4_K, OA__Q4_K, OA__Q4_K, OA__Q8_0},
        {"Q3_K_M", "blk.1.ffn_down.weight", OA__Q5_K, OA__Q5_K, OA__Q5_K, OA__Q5_K},
        {"Q3_K_M", "blk.8.ffn_down.weight", OA__Q4_K, OA__Q4_K, OA__Q3_K, OA__Q4_K},
        {"Q3_K_L", "blk.8.ffn_down.weight", OA__Q5_K, OA__Q5_K, OA__Q4_K, OA__Q5_K},
        {"Q3_K_S", "blk.8.ffn_down.weight", OA__Q3_K, OA__Q3_K, OA__Q3_K, OA__Q3_K},
        {"Q5_K_M", "blk.31.ffn_down.weight", OA__Q6_K, OA__Q6_K, OA__Q6_K, OA__Q6_K},
        {"Q5_K_S", "blk.31.ffn_down.weight", OA__Q5_K, OA__Q5_K, OA__Q5_K, OA__Q5_K},
        {"IQ4_XS", "blk.9.attn_v.weight", OA__IQ4_XS, OA__Q5_K, OA__IQ4_XS, OA__Q8_0},
        {"IQ4_NL", "blk.3.ffn_down.weight", OA__Q5_K, OA__Q5_K, OA__Q5_K, OA__Q5_K},
        {"IQ4_NL", "blk.4.ffn_down.weight", OA__IQ4_NL, OA__IQ4_NL, OA__IQ4_NL, OA__IQ4_NL},
        {"Q8_0", "output.weight", OA__Q8_0, OA__Q8_0, OA__Q8_0, OA__Q8_0},
        {"Q4_0", "output.weight", OA__Q6_K, OA__Q6_K, OA__Q8_0, OA__Q6_K},
        {"F16", "output.weight", OA__F16, OA__F16, OA__F16, OA__F16},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        const oa__recipe *r = oa__recipe_find(cases[i].recipe);
        const oa__gguf_tensor t = {
            .name = cases[i].tensor, .n_dims = 2, .dims = {4096, 4096, 1, 1}, .type = OA__F16};
        const uint32_t want[4] = {cases[i].plain, cases[i].shared4, cases[i].falcon,
                                  cases[i].experts8};
        for (size_t k = 0; k < 4; k++) {
            const oa__recipe_model m = {.n_layers = 32,
                                        .n_experts = k == 3 ? 8 : 0,
                                        .n_shared = k == 1 ? 4 : 1,
                                        .falcon = k == 2};
            const uint32_t got = oa__recipe_type(r, &m, false, &t);
            if (got != want[k])
                fail_msg("%s %s, kind %zu: %s, want %s", cases[i].recipe, cases[i].tensor, k,
                         oa__type_get(got)->name, oa__type_get(want[k])->name);
            assert_int_equal(oa__recipe_type(r, &m, true, &t), r->type);
        }
    }
    /* a tied embedding is the output matrix */
    const oa__recipe_model tied = {.n_layers = 32, .n_shared = 1, .tied = true};
    const oa__gguf_tensor t = {.name = "token_embd.weight", .dims = {4096, 4096, 1, 1}};
    assert_int_equal(oa__recipe_type(oa__recipe_find("Q4_K_M"), &tied, false, &t), OA__Q6_K);
    static const struct {
        const char *name;
        uint64_t rows;
        bool takes;
    } matrices[] = {{"blk.0.attn_q.weight", 64, true},      {"blk.0.attn_norm.weight", 1, false},
                    {"blk.0.attn_q_norm.weight", 8, false}, {"blk.0.ffn_gate_inp.weight", 8, false},
                    {"blk.0.attn_q.bias", 1, false},        {"position_embd.weight", 99, false},
                    {"token_types.weight", 2, false},       {"output.weight", 99, true}};
    for (size_t i = 0; i < OA__ARRAY_LEN(matrices); i++) {
        const oa__gguf_tensor x = {.name = matrices[i].name, .dims = {64, matrices[i].rows, 1, 1}};
        assert_int_equal(oa__recipe_takes(&x), matrices[i].takes);
    }
}

static uint64_t run_model(const char *path)
{
    oa_model *m = NULL;
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    int32_t ids[16];
    o.n_threads = 2;
    assert_ok(oa_model_open(&m, path, &o));
    oa_session *s = tiny_session(m, 0, 16);
    tiny_ids(m, 5, ids, 16);
    uint64_t h;
    if (oa__model_is_encoder(m)) {
        float v[HF_D];
        assert_ok(oa_session_embed(s, ids, 16, OA_POOL_MEAN, 0, v, HF_D));
        h = tiny_hash(TINY_HASH_BASIS, v, sizeof v);
    } else {
        assert_ok(oa_session_append(s, ids, 16));
        h = tiny_logits(s);
    }
    oa_session_free(s);
    oa_model_free(m);
    return h;
}

/* Folders of every family: the file gives the same numbers bit for bit, and quantised it runs. */
static void test_model_convert__folders(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_N_FAMILIES; i++) {
        folder f;
        oa_convert_result r = OA_CONVERT_RESULT_INIT;
        folder_make(&f, "model_convert");
        hf_write(&f, &hf_families[i]);
        assert_ok(to_type(f.path, in_folder("kept"), NULL, 0, NULL));
        if (run_model(f.path) != run_model(in_folder("kept")))
            fail_msg("%s: the numbers differ", hf_families[i].name);
        assert_ok(to_type(f.path, in_folder("wide"), "F32", 0, NULL));
        assert_true(run_model(f.path) == run_model(in_folder("wide")));
        assert_ok(to_type(f.path, in_folder("small"), "Q4_K_M", 0, &r));
        assert_true(r.n_fallback > 0 && r.out_size < r.in_size);
        run_model(in_folder("small"));
        /* the same by way of a file */
        assert_ok(to_type(in_folder("kept"), in_folder("again"), "Q4_K_M", 0, NULL));
        assert_same_bytes(in_folder("small"), in_folder("again"), true);
        char inside[600];
        snprintf(inside, sizeof inside, "%s/config.json", f.path);
        assert_err(to_type(f.path, inside, "Q8_0", 0, NULL), OA_EINVAL, "is the input");
        folder_remove(&f);
    }
}

static void test_model_convert__bad_weights_are_named(void **state)
{
    (void)state;
    make_file(in_folder("in"), 64, NAN);
    assert_err(to_type(in_folder("in"), in_folder("out"), "Q8_0", 0, NULL), OA_EFORMAT,
               "tensor blk.7.ffn_down.weight, row 1: weight 5 is not a number");
    assert_err(to_type(in_folder("in"), in_folder("out"), "F16", 0, NULL), OA_EFORMAT, "row 1");
    make_file(in_folder("in"), 64, 7e4f);
    assert_err(to_type(in_folder("in"), in_folder("out"), "F16", 0, NULL), OA_EFORMAT,
               "too large for F16");
    assert_ok(to_type(in_folder("in"), in_folder("bf16"), "BF16", 0, NULL));
    unlink(in_folder("bf16"));
    unlink(in_folder("in"));
    assert_int_equal(n_files(false), 0);
}

static void test_model_convert__input_is_not_overwritten(void **state)
{
    (void)state;
    make_file(in_folder("in"), 64, 0);
    assert_int_equal(symlink(in_folder("in"), in_folder("soft")), 0);
    assert_int_equal(link(in_folder("in"), in_folder("hard")), 0);
    make_file(in_folder("m-00001-of-00002.gguf"), 64, 0);
    make_file(in_folder("m-00002-of-00002.gguf"), 64, 0);
    static const char *const pairs[][2] = {{"in", "in"},
                                           {"in", "soft"},
                                           {"soft", "in"},
                                           {"in", "hard"},
                                           {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"},
                                           {".", "in"}};
    for (size_t i = 0; i < OA__ARRAY_LEN(pairs); i++)
        assert_err(to_type(in_folder(pairs[i][0]), in_folder(pairs[i][1]), "Q8_0", 0, NULL),
                   OA_EINVAL, "is the input");
    assert_int_equal(n_files(false), 5);
}

static void make_part(const char *path, uint32_t no, const char *tensor)
{
    const uint64_t dims[2] = {64, 3};
    made_file m = {.n = 64, .rows = calloc(3 * 64, sizeof(float))};
    oa__gguf_writer *w;
    assert_ok(oa__gguf_writer_new(&w, NULL));
    if (no == 0) assert_ok(oa__gguf_writer_str(w, "general.architecture", "llama", 5));
    assert_ok(oa__gguf_writer_u32(w, "split.no", no));
    assert_ok(oa__gguf_writer_u32(w, "split.count", 2));
    assert_ok(oa__gguf_writer_i32(w, "split.tensors.count", 2));
    assert_ok(oa__gguf_writer_tensor(w, tensor, OA__F32, 2, dims));
    assert_ok(oa__gguf_writer_save(w, path, give_floats, &m, NULL));
    oa__gguf_writer_free(w);
    free(m.rows);
}

/* Several files become one, and none of them is written over. */
static void test_model_convert__split_files(void **state)
{
    (void)state;
    make_part(in_folder("m-00001-of-00002.gguf"), 0, "blk.0.ffn_up.weight");
    make_part(in_folder("m-00002-of-00002.gguf"), 1, "blk.1.ffn_up.weight");
    char first[400];
    snprintf(first, sizeof first, "%s", in_folder("m-00001-of-00002.gguf"));
    assert_ok(to_type(first, in_folder("out"), "Q8_0", 0, NULL));
    assert_int_equal(type_in(in_folder("out"), "blk.0.ffn_up.weight"), OA__Q8_0);
    assert_int_equal(type_in(in_folder("out"), "blk.1.ffn_up.weight"), OA__Q8_0);
    assert_int_equal(number_in(in_folder("out"), "split.count"), UINT64_MAX);
    assert_err(to_type(first, in_folder("m-00002-of-00002.gguf"), "Q8_0", 0, NULL), OA_EINVAL,
               "is the input");
}

static void test_model_convert__bad_output(void **state)
{
    (void)state;
    make_file(in_folder("in"), 64, 0);
    assert_true(to_type(in_folder("in"), in_folder("no/such/out"), "Q8_0", 0, NULL) < 0);
    assert_err(to_type(in_folder("in"), scratch, "Q8_0", 0, NULL), OA_EIO, "is a directory");
    assert_err(to_type(in_folder("in"), "/dev/full", "Q8_0", 0, NULL), OA_EIO, "is a device");
    assert_err(to_type(in_folder("gone"), in_folder("out"), "Q8_0", 0, NULL), OA_ENOTFOUND, "gone");
    assert_true(to_type("/dev/null", in_folder("out"), "Q8_0", 0, NULL) < 0);
    assert_int_equal(n_files(false), 1);

    size_t len;
    char *data = slurp(in_folder("in"), &len);
    for (size_t cut = 1; cut < len; cut += cut < 200 ? 1 : 97) {
        FILE *f = fopen(in_folder("cut"), "wb");
        assert_int_equal(fwrite(data, 1, cut, f), cut);
        fclose(f);
        assert_true(to_type(in_folder("cut"), in_folder("out"), "Q8_0", 0, NULL) < 0);
        assert_int_equal(n_files(false), 2);
    }
    oa__free(NULL, data);
}

/* Ends the work at the nth call. */
typedef struct stop {
    size_t n, at;
    uint64_t last, total;
} stop;

static int on_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    stop *s = user;
    assert_string_equal(what, "convert");
    assert_true(done >= s->last && done <= total);
    s->last = done;
    s->total = total;
    return ++s->n == s->at;
}

static void test_model_convert__cancel_leaves_nothing(void **state)
{
    (void)state;
    oa_convert_opts o = OA_CONVERT_OPTS_INIT;
    stop s = {0};
    o.type = "Q4_K";
    o.progress_fn = on_progress;
    o.progress_user = &s;
    assert_ok(oa_convert(tiny_path(), in_folder("out"), &o));
    assert_true(s.n >= 2 && s.last == s.total && s.total > 0);
    size_t len;
    char *before = slurp(in_folder("out"), &len);
    const size_t n_calls = s.n;
    for (size_t at = 1; at <= n_calls && at < 4; at++) {
        s = (stop){.at = at};
        const int rc = oa_convert(tiny_path(), in_folder("out"), &o);
        assert_true(rc == OA_ECANCELLED || s.n < at);
        assert_int_equal(n_files(false), 1);
        size_t again_len;
        char *again = slurp(in_folder("out"), &again_len);
        assert_int_equal(len, again_len);
        assert_memory_equal(before, again, len);
        oa__free(NULL, again);
    }
    oa__free(NULL, before);
}

static void test_model_convert__every_allocation_fails(void **state)
{
    (void)state;
    size_t n_failed = 0;
    make_file(in_folder("in"), 64, 0);
    for (uint64_t nth = 1;; nth++) {
        struct fail_alloc fa;
        oa_convert_opts o = OA_CONVERT_OPTS_INIT;
        o.type = "Q4_K_M";
        o.n_threads = 2;
        o.allocator = fail_alloc_init(&fa, nth);
        const int rc = oa_convert(in_folder("in"), in_folder("out"), &o);
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        assert_int_equal(fail_alloc_live(&fa), 0);
        n_failed += rc == OA_ENOMEM;
        assert_int_equal(n_files(false), rc == OA_OK ? 2 : 1);
        unlink(in_folder("out"));
        if (!fail_alloc_hit(&fa)) break;
    }
    assert_true(n_failed > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_model_convert__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeping_types_keeps_everything),
        TEST(every_type),
        TEST(rows_that_do_not_fit_fall_back),
        TEST(recipes),
        TEST(folders),
        TEST(bad_weights_are_named),
        TEST(input_is_not_overwritten),
        TEST(split_files),
        TEST(bad_output),
        TEST(cancel_leaves_nothing),
        TEST(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
