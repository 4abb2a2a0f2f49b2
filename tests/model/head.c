/* SPDX-License-Identifier: Apache-2.0 */
#include "session/tiny.h"
#include "model/hf_made.h"
#include "util/fail_alloc.h"

#include <math.h>
#include <unistd.h>

#include "file/file.h"
#include "model/model.h"

enum { D = 256 };

/* A head file; what it changes is what a test is about. */
typedef struct made_head {
    const char *general, *type, *pooling, *function;
    const char *const *labels;
    size_t n_labels;
    uint64_t d0, d1, bias; /* 0 = as the labels and the model want; bias 0 = none */
    const char *extra;     /* one more tensor */
    bool no_weight, normalize;
    float first; /* number of the weight; 0 = as usual */
} made_head;

static oa_model *model;
static char path[128];

static float number(size_t i)
{
    return (float)((double)(i % 17) - 8) / 16;
}

static int give(void *arg, size_t index, uint64_t done, const void **data)
{
    static float v[64 * D];
    const made_head *h = arg;
    (void)done;
    const bool weight = index == 0 && !h->no_weight;
    for (size_t i = 0; i < OA__ARRAY_LEN(v); i++)
        v[i] = weight ? number(i) : (float)i + 0.5f;
    if (weight && h->first != 0) v[0] = h->first;
    *data = v;
    return OA_OK;
}

static void write_text(oa__gguf_writer *w, const char *key, const char *text)
{
    if (text != NULL) assert_ok(oa__gguf_writer_str(w, key, text, strlen(text)));
}

static void write_head(const made_head *h)
{
    oa__gguf_writer *w;
    assert_ok(oa__gguf_writer_new(&w, NULL));
    write_text(w, "general.type", h->general);
    write_text(w, "head.type", h->type);
    write_text(w, "head.pooling", h->pooling);
    write_text(w, "head.function", h->function);
    if (h->normalize) assert_ok(oa__gguf_writer_bool(w, "head.normalize", true));
    if (h->labels != NULL) {
        assert_ok(oa__gguf_writer_strings(w, "head.labels", h->labels, NULL, h->n_labels));
    }
    const uint64_t dims[] = {h->d0, h->d1};
    if (!h->no_weight) assert_ok(oa__gguf_writer_tensor(w, "head.weight", OA__F32, 2, dims));
    if (h->bias > 0) assert_ok(oa__gguf_writer_tensor(w, "head.bias", OA__F32, 1, &h->bias));
    if (h->extra != NULL) assert_ok(oa__gguf_writer_tensor(w, h->extra, OA__F32, 2, dims));
    assert_ok(oa__gguf_writer_save(w, path, give, (void *)(uintptr_t)h, NULL));
    oa__gguf_writer_free(w);
}

static int open_model(void **state)
{
    (void)state;
    model = tiny_open(NULL);
    assert_int_equal(oa__model_d_model(model), D);
    snprintf(path, sizeof path, "head-%ld.gguf", (long)getpid());
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    unlink(path);
    oa_model_free(model);
    return 0;
}

static const char *const labels[] = {"spam", "hate speech", "\xc3\xa4rger"};

#define LABELS                                                                                     \
    .general = "head", .type = "labels", .labels = labels, .n_labels = 3, .d0 = D, .d1 = 3
#define REWARD .general = "head", .type = "reward", .d0 = D, .d1 = 1

static void test_model_head__scores(void **state)
{
    (void)state;
    float e[D], scores[4] = {0, 0, 0, 9};
    int32_t ids[20];
    oa_head *h;
    oa_head_info info = OA_HEAD_INFO_INIT;
    const char *label;
    tiny_ids(model, 3, ids, 20);
    write_head(&(made_head){LABELS, .pooling = "mean", .normalize = true, .bias = 3});
    assert_ok(oa_head_open(&h, model, path));
    assert_ok(oa_head_get_info(h, &info));
    assert_int_equal(info.kind, OA_HEAD_LABELS);
    assert_int_equal(info.n_scores, 3);
    assert_int_equal(info.pooling, OA_POOL_MEAN);
    assert_int_equal(info.flags, OA_EMBED_NORMALIZE);
    oa_session *s = tiny_session(model, 0, 32);
    assert_ok(oa_session_embed(s, ids, 20, info.pooling, info.flags, e, D));
    oa_session_free(s);
    assert_ok(oa_head_apply(h, e, D, scores, 3));
    for (size_t k = 0; k < 3; k++) {
        double want = 0;
        for (size_t i = 0; i < D; i++)
            want += (double)number(k * D + i) * (double)e[i];
        assert_true(scores[k] == (float)(want + (double)k + 0.5));
        assert_ok(oa_head_get_label(h, k, &label));
        assert_string_equal(label, labels[k]);
    }
    assert_true(scores[3] == 9);
    assert_err(oa_head_get_label(h, 3, &label), OA_EINVAL, "3 of 3");
    assert_null(label);
    assert_err(oa_head_apply(h, e, D - 1, scores, 3), OA_EINVAL, "255");
    assert_err(oa_head_apply(h, e, D, scores, 2), OA_ELIMIT, "2");
    oa_head_free(h);

    write_head(&(made_head){REWARD});
    assert_ok(oa_head_open(&h, model, path));
    assert_ok(oa_head_get_info(h, &info));
    assert_true(info.kind == OA_HEAD_REWARD && info.n_scores == 1 && info.flags == 0);
    assert_int_equal(info.pooling, OA_POOL_LAST);
    assert_ok(oa_head_get_label(h, 0, &label));
    assert_string_equal(label, "reward");
    /* Whoever holds a head owns the model, too. */
    oa_model *other = tiny_open(NULL);
    oa_head *last;
    assert_ok(oa_head_open(&last, other, path));
    oa_model_free(other);
    assert_ok(oa_head_apply(last, e, D, scores, 1));
    assert_ok(oa_head_apply(h, e, D, scores + 1, 1));
    assert_true(scores[0] == scores[1]);
    oa_head_free(last);
    oa_head_free(h);
}

static void expect(int code, const char *text, made_head h)
{
    oa_head *head = NULL;
    write_head(&h);
    assert_err(oa_head_open(&head, model, path), code, text);
    assert_null(head);
}

static void test_model_head__bad_files(void **state)
{
    (void)state;
    static const char *const empty[] = {"a", "", "c"};
    const uint64_t before = oa__model_mem(model)->used;
    expect(OA_EFORMAT, "general.type is missing", (made_head){.type = "reward", .d0 = D, .d1 = 1});
    expect(OA_EUNSUPPORTED, "\"model\"",
           (made_head){.general = "model", .type = "reward", .d0 = D, .d1 = 1});
    expect(OA_EFORMAT, "head.type is missing", (made_head){.general = "head", .d0 = D, .d1 = 1});
    expect(OA_EUNSUPPORTED, "\"score\"",
           (made_head){.general = "head", .type = "score", .d0 = D, .d1 = 1});
    expect(OA_EUNSUPPORTED, "\"max\"", (made_head){REWARD, .pooling = "max"});
    expect(OA_EUNSUPPORTED, "\"tanh\"", (made_head){REWARD, .function = "tanh"});
    expect(OA_EFORMAT, "head.labels is missing",
           (made_head){.general = "head", .type = "labels", .d0 = D, .d1 = 1});
    expect(
        OA_EFORMAT, "label 1 is empty",
        (made_head){
            .general = "head", .type = "labels", .labels = empty, .n_labels = 3, .d0 = D, .d1 = 3});
    expect(OA_EFORMAT, "0 labels",
           (made_head){.general = "head", .type = "labels", .labels = empty, .d0 = D, .d1 = 3});
    expect(OA_EFORMAT, "255 x 3, want 256 x 3",
           (made_head){.general = "head",
                       .type = "labels",
                       .labels = labels,
                       .n_labels = 3,
                       .d0 = D - 1,
                       .d1 = 3});
    expect(OA_EFORMAT, "256 x 3, want 256 x 1",
           (made_head){.general = "head", .type = "reward", .d0 = D, .d1 = 3});
    expect(OA_EFORMAT, "head.bias: 2 x 1", (made_head){LABELS, .bias = 2});
    expect(OA_EFORMAT, "head.weight is missing", (made_head){REWARD, .no_weight = true, .bias = 1});
    expect(OA_EUNSUPPORTED, "tensor more is", (made_head){REWARD, .extra = "more"});
    expect(OA_EUNSUPPORTED, "tensor cls.weight is", (made_head){REWARD, .extra = "cls.weight"});
    expect(OA_EUNSUPPORTED, "tensor head.dense.bias is",
           (made_head){REWARD, .extra = "head.dense.bias"});
    expect(OA_EFORMAT, "head.dense.weight: 256 x 1, want 256 x 256",
           (made_head){REWARD, .extra = "head.dense.weight"});
    expect(OA_EFORMAT, "not finite", (made_head){REWARD, .first = (float)INFINITY});
    oa_head *h;
    assert_int_equal(oa_head_open(&h, model, "no-such-head.gguf"), OA_ENOTFOUND);
    assert_err(oa_head_open(&h, model, tiny_path()), OA_EFORMAT, "general.type");
    write_head(&(made_head){LABELS, .bias = 3});
    assert_int_equal(truncate(path, 500), 0);
    assert_int_equal(oa_head_open(&h, model, path), OA_EFORMAT);
    assert_true(oa__model_mem(model)->used == before);
}

#define BERT(labels)                                                                               \
    "{\"model_type\": \"bert\", " HF_SIZES                                                         \
    ", \"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-12, "                                      \
    "\"type_vocab_size\": 2" labels "}"

/* The head of a folder's encoder: with labels as many as rows, or none. */
static int open_own(const char *config, bool classifier, oa_head **h)
{
    const hf_family with = {"classifier", config,
                            HF_LIST(HF_BERT("bert.", "128", "2"),
                                    HF_B_LINEAR("bert.pooler.dense", "32", "32"),
                                    HF_B_LINEAR("classifier", "3", "32"))};
    const hf_family without = {"none", config, HF_LIST(HF_BERT("bert.", "128", "2"))};
    folder f;
    oa_model *m;
    folder_make(&f, "model_head");
    hf_write(&f, classifier ? &with : &without);
    *h = NULL;
    int rc = oa_model_open(&m, f.path, NULL);
    if (rc == OA_OK) rc = oa_head_open(h, m, NULL);
    oa_model_free(m);
    folder_remove(&f);
    return rc;
}

static void test_model_head__of_the_model(void **state)
{
    (void)state;
    oa_head *h;
    oa_head_info info = OA_HEAD_INFO_INIT;
    float e[HF_D] = {0.5f}, scores[3];
    assert_ok(
        open_own(BERT(", \"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\"}"), true, &h));
    assert_ok(oa_head_get_info(h, &info));
    assert_true(info.kind == OA_HEAD_LABELS && info.n_scores == 3 && info.pooling == OA_POOL_CLS);
    assert_ok(oa_head_apply(h, e, HF_D, scores, 3));
    assert_true(scores[0] != scores[1]);
    oa_head_free(h);
    assert_err(open_own(BERT(", \"id2label\": {\"0\": \"a\"}"), true, &h), OA_EFORMAT,
               "cls.output.weight: 32 x 3, want 32 x 1");
    assert_null(h);
    const char *label;
    assert_ok(open_own(BERT(""), true, &h));
    assert_ok(oa_head_get_label(h, 2, &label));
    assert_string_equal(label, "LABEL_2");
    oa_head_free(h);
    assert_err(open_own(BERT(""), false, &h), OA_ENOTFOUND, "no head");
    assert_err(oa_head_open(&h, model, NULL), OA_ENOTFOUND, "no head");
    /* What makes probabilities of its scores. */
    static const char *const problems[] = {"regression", "multi_label_classification",
                                           "single_label_classification"};
    for (uint32_t i = 0; i < 3; i++) {
        char config[1024];
        snprintf(config, sizeof config, BERT(", \"problem_type\": \"%s\""), problems[i]);
        assert_ok(open_own(config, true, &h));
        assert_ok(oa_head_get_info(h, &info));
        assert_int_equal(info.function, i);
        oa_head_free(h);
    }
    assert_err(open_own(BERT(", \"id2label\": {\"0\": \"a\", \"2\": \"c\"}"), true, &h), OA_EFORMAT,
               "no name for 1");
    assert_err(open_own(BERT(", \"id2label\": {\"0\": 7}"), true, &h), OA_EFORMAT, "no name for 0");
    assert_err(open_own(BERT(", \"problem_type\": \"ranking\""), true, &h), OA_EUNSUPPORTED,
               "problem_type \"ranking\"");
}

/* A folder's decoder with these tensors at its end; NULL = none. */
static int open_decoder(oa_model **m, const char *config, const char *tensor)
{
    const hf_family llama = {"llama", config,
                             HF_LIST("model.embed_tokens.weight 264 32", "model.norm.weight 32",
                                     HF_TWO_NORMS, HF_QKVO, HF_GATED, tensor)};
    folder f;
    folder_make(&f, "model_head");
    hf_write(&f, &llama);
    const int rc = oa_model_open(m, f.path, NULL);
    folder_remove(&f);
    return rc;
}

#define LLAMA(more) "{\"model_type\": \"llama\", " HF_SIZES more "}"

static void test_model_head__decoders(void **state)
{
    (void)state;
    oa_model *m;
    oa_head *h;
    oa_session *s;
    oa_head_info info = OA_HEAD_INFO_INIT;
    const int32_t ids[] = {3, 4, 5};
    float e[HF_D], score;
    assert_ok(open_decoder(&m, LLAMA(""), "score.weight 1 32"));
    assert_ok(oa_head_open(&h, m, NULL));
    assert_ok(oa_head_get_info(h, &info));
    assert_true(info.kind == OA_HEAD_REWARD && info.n_scores == 1 && info.pooling == OA_POOL_LAST);
    assert_true(info.function == OA_HEAD_NONE && info.flags == 0);
    assert_ok(oa_session_new(&s, m, NULL));
    assert_err(oa_session_append(s, ids, 3), OA_EUNSUPPORTED, "classifier");
    assert_ok(oa_session_embed(s, ids, 3, info.pooling, info.flags, e, HF_D));
    assert_ok(oa_head_apply(h, e, HF_D, &score, 1));
    assert_true(isfinite(score) && score != 0);
    oa_session_free(s);
    oa_head_free(h);
    oa_model_free(m);
    /* It is a classifier by its tensors: without them a next token is missed. */
    assert_err(open_decoder(&m, LLAMA(""), NULL), OA_EFORMAT, "lm_head.weight is missing");
    assert_err(open_decoder(&m, LLAMA(""), "out_proj.weight 1 32"), OA_EFORMAT, "lm_head");
    assert_ok(open_decoder(&m, LLAMA(", \"id2label\": {\"0\": \"a\", \"1\": \"b\"}"),
                           "score.weight 3 32"));
    assert_err(oa_head_open(&h, m, NULL), OA_EFORMAT, "32 x 3, want 32 x 2");
    oa_model_free(m);
}

/* The same bits, and all that is said about it. */
static void check_saved(oa_head *h, oa_model *m)
{
    oa_head *again;
    oa_head_info a = OA_HEAD_INFO_INIT, b = OA_HEAD_INFO_INIT;
    const size_t d = oa__model_d_model(m);
    float e[D], x[8], y[8];
    for (size_t i = 0; i < d; i++)
        e[i] = number(i) / 3;
    assert_ok(oa_head_save(h, path));
    assert_ok(oa_head_open(&again, m, path));
    assert_ok(oa_head_get_info(h, &a));
    assert_ok(oa_head_get_info(again, &b));
    assert_memory_equal(&a, &b, sizeof a);
    assert_ok(oa_head_apply(h, e, d, x, 8));
    assert_ok(oa_head_apply(again, e, d, y, 8));
    assert_memory_equal(x, y, a.n_scores * sizeof *x);
    for (size_t i = 0; i < a.n_scores; i++) {
        const char *p, *q;
        assert_ok(oa_head_get_label(h, i, &p));
        assert_ok(oa_head_get_label(again, i, &q));
        assert_string_equal(p, q);
    }
    oa_head_free(again);
}

static void test_model_head__saved(void **state)
{
    (void)state;
    static const made_head heads[] = {
        {LABELS, .pooling = "mean", .normalize = true, .bias = 3},
        {LABELS, .pooling = "cls", .function = "sigmoid"},
        {REWARD},
    };
    oa_head *h;
    for (size_t i = 0; i < OA__ARRAY_LEN(heads); i++) {
        write_head(&heads[i]);
        assert_ok(oa_head_open(&h, model, path));
        check_saved(h, model);
        oa_head_free(h);
    }
    /* With a layer in front, and both biases. */
    folder f;
    oa_model *m;
    const hf_family bert = {
        "classifier", BERT(", \"problem_type\": \"multi_label_classification\""),
        HF_LIST(HF_BERT("bert.", "128", "2"), HF_B_LINEAR("bert.pooler.dense", "32", "32"),
                HF_B_LINEAR("classifier", "3", "32"))};
    folder_make(&f, "model_head");
    hf_write(&f, &bert);
    assert_ok(oa_model_open(&m, f.path, NULL));
    folder_remove(&f);
    assert_ok(oa_head_open(&h, m, NULL));
    check_saved(h, m);
    assert_int_equal(oa_head_save(h, "no-such-folder/head.gguf"), OA_ENOTFOUND);
    assert_err(oa_head_save(h, NULL), OA_EINVAL, "path");
    assert_err(oa_head_save(h, ""), OA_EINVAL, "path");
    oa_head_free(h);
    oa_model_free(m);
    /* What is there stays when writing fails. */
    write_head(&(made_head){REWARD});
    assert_ok(oa_head_open(&h, model, path));
    assert_true(oa_head_save(h, ".") < 0);
    check_saved(h, model);
    oa_head_free(h);
}

static void test_model_head__probabilities(void **state)
{
    (void)state;
    oa_head *h;
    write_head(&(made_head){LABELS, .function = "softmax"});
    assert_ok(oa_head_open(&h, model, path));
    oa_head_info info = OA_HEAD_INFO_INIT;
    assert_ok(oa_head_get_info(h, &info));
    assert_int_equal(info.function, OA_HEAD_SOFTMAX);
    float s[3] = {1, 2, 3};
    assert_ok(oa_head_probabilities(h, OA_HEAD_SOFTMAX, s, 3));
    assert_true(fabsf(s[0] - 0.0900306f) < 1e-7f && fabsf(s[2] - 0.6652410f) < 1e-7f);
    float big[3] = {3e38f, -3e38f, 3e38f};
    assert_ok(oa_head_probabilities(h, OA_HEAD_SOFTMAX, big, 3));
    assert_true(big[0] == 0.5f && big[1] == 0 && big[2] == 0.5f);
    float t[3] = {0, 3e38f, -3e38f};
    assert_ok(oa_head_probabilities(h, OA_HEAD_SIGMOID, t, 3));
    assert_true(t[0] == 0.5f && t[1] == 1 && t[2] == 0);
    float n[3] = {-7, 0, 7};
    assert_ok(oa_head_probabilities(h, OA_HEAD_NONE, n, 3));
    assert_true(n[0] == -7 && n[2] == 7);
    assert_err(oa_head_probabilities(h, 3, n, 3), OA_EINVAL, "function 3");
    assert_err(oa_head_probabilities(h, 0, n, 2), OA_EINVAL, "2 scores, want 3");
    assert_err(oa_head_probabilities(h, 0, NULL, 3), OA_EINVAL, "NULL");
    n[1] = (float)INFINITY;
    assert_err(oa_head_probabilities(h, OA_HEAD_SOFTMAX, n, 3), OA_EINVAL, "score 1 is not finite");
    oa_head_free(h);
}

static void test_model_head__no_memory(void **state)
{
    (void)state;
    write_head(&(made_head){LABELS, .bias = 3});
    uint64_t n_failed = 0;
    bool hit = true;
    for (uint64_t i = 1; hit; i++) {
        struct fail_alloc fa;
        oa_model_opts opts = OA_MODEL_OPTS_INIT;
        oa_model *m;
        oa_head *h;
        opts.n_threads = 1;
        opts.allocator = fail_alloc_init(&fa, 0);
        assert_ok(oa_model_open(&m, tiny_path(), &opts));
        fa.fail_at = atomic_load(&fa.n_calls) + i;
        int rc = oa_head_open(&h, m, path);
        assert_true(rc == OA_OK || (rc == OA_ENOMEM && h == NULL));
        if (rc == OA_OK) {
            rc = oa_head_save(h, path);
            assert_true(rc == OA_OK || rc == OA_ENOMEM);
        }
        hit = rc != OA_OK;
        n_failed += hit;
        oa_head_free(h);
        oa_model_free(m);
        assert_int_equal(fail_alloc_live(&fa), 0);
    }
    assert_true(n_failed > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_head__scores),
        cmocka_unit_test(test_model_head__bad_files),
        cmocka_unit_test(test_model_head__of_the_model),
        cmocka_unit_test(test_model_head__decoders),
        cmocka_unit_test(test_model_head__saved),
        cmocka_unit_test(test_model_head__probabilities),
        cmocka_unit_test(test_model_head__no_memory),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
