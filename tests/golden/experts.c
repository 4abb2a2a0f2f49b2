/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mixtures of experts, from files that are changed on purpose.
 *
 *     test_golden_experts MIXTRAL.gguf QWEN3MOE.gguf GEMMA3.gguf
 */
#include "file/file.h"
#include "model/model.h"

#include "util/fail_alloc.h"
#include "util/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_IDS = 40, MAX_TENSORS = 128, N_EXPERTS = 7 }; /* experts of QWEN3MOE */

static char **paths;
static char changed[256];

/* --- changing a file ------------------------------------------------------------------------ */

typedef struct edit {
    oa__gguf *from;
    oa__gguf_writer *w;
    size_t n;
    const void *data[MAX_TENSORS];
    void *owned[MAX_TENSORS];
} edit;

/* Metadata of the file at `path`; its tensors are for the caller to add. */
static void edit_begin(edit *e, const char *path)
{
    *e = (edit){0};
    assert_ok(oa__gguf_open(&e->from, NULL, path, false, false));
    assert_ok(oa__gguf_writer_new(&e->w, NULL));
    assert_ok(oa__gguf_writer_copy(e->w, e->from));
}

static void edit_add(edit *e, const char *name, const oa__gguf_tensor *t, uint32_t n_dims,
                     const uint64_t *dims, const void *data)
{
    assert_true(e->n < MAX_TENSORS);
    assert_ok(oa__gguf_writer_tensor(e->w, name, t->type, n_dims, dims));
    e->data[e->n++] = data;
}

/* All tensors; what fn returns, if anything, takes the place of a tensor's bytes (F32). */
static void edit_add_all(edit *e, float *(*fn)(const oa__gguf_tensor *t, void *arg), void *arg)
{
    for (size_t i = 0; i < oa__gguf_tensor_count(e->from); i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(e->from, i);
        void *other = fn ? fn(t, arg) : NULL;
        e->owned[e->n] = other;
        edit_add(e, t->name, t, t->n_dims, t->dims, other ? other : t->data);
    }
}

static int give(void *arg, size_t tensor, uint64_t done, const void **data)
{
    (void)done;
    *data = ((const edit *)arg)->data[tensor];
    return OA_OK;
}

static void edit_end(edit *e)
{
    const char *folder = getenv("TMPDIR");
    snprintf(changed, sizeof changed, "%s/oa-experts-%ld.gguf", folder ? folder : "/tmp",
             (long)getpid());
    assert_ok(oa__gguf_writer_save(e->w, changed, give, e, NULL));
    oa__gguf_writer_free(e->w);
    oa__gguf_free(e->from);
    for (size_t i = 0; i < e->n; i++)
        free(e->owned[i]);
}

static float *copy_floats(const oa__gguf_tensor *t)
{
    float *f = malloc(t->size);
    assert_non_null(f);
    assert_int_equal(t->type, OA__F32);
    memcpy(f, t->data, t->size);
    return f;
}

/* --- running one ---------------------------------------------------------------------------- */

/* Logits of the ids in passes of n_rows; the caller frees them. */
static float *run(const char *path, const int32_t *ids, size_t n_rows, size_t *n_vocab)
{
    oa_model *m;
    oa__work *work;
    void *pages[N_IDS / OA__KV_PAGE + 1];
    oa__row rows[N_IDS];
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    opts.n_threads = 2;
    assert_ok(oa_model_open(&m, path, &opts));
    *n_vocab = oa__model_n_vocab(m);
    float *logits = calloc(N_IDS * *n_vocab, sizeof *logits);
    assert_non_null(logits);
    for (size_t i = 0; i < OA__ARRAY_LEN(pages); i++)
        assert_non_null(pages[i] = calloc(1, oa__model_page_size(m, OA_KV_F32)));
    assert_ok(oa__work_new(&work, m, n_rows, n_rows));
    for (size_t at = 0; at < N_IDS; at += n_rows) {
        const size_t n = N_IDS - at < n_rows ? N_IDS - at : n_rows;
        for (size_t i = 0; i < n; i++)
            rows[i] = (oa__row){.id = ids[at + i],
                                .pos = (uint32_t)(at + i),
                                .pages = pages,
                                .logits = logits + (at + i) * *n_vocab};
        assert_ok(oa__model_forward(m, work, OA_KV_F32, rows, n, NULL, NULL));
    }
    oa__work_free(work);
    for (size_t i = 0; i < OA__ARRAY_LEN(pages); i++)
        free(pages[i]);
    oa_model_free(m);
    return logits;
}

static void make_ids(int32_t *ids)
{
    for (int32_t i = 0; i < N_IDS; i++)
        ids[i] = 10 + i * 37 % 200;
}

static size_t n_nans(const float *x, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += isnan(x[i]) != 0;
    return count;
}

/* --- tests ---------------------------------------------------------------------------------- */

/* The second layer of the file has each expert in a tensor of its own, the first has them stacked:
 * one over the other the second's answer is the same. */
static void test_golden_experts__stacked_or_not(void **state)
{
    (void)state;
    static const char *const names[] = {"ffn_gate", "ffn_up", "ffn_down"};
    int32_t ids[N_IDS];
    size_t n_vocab;
    edit e;
    edit_begin(&e, paths[0]);
    for (size_t i = 0; i < oa__gguf_tensor_count(e.from); i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(e.from, i);
        unsigned layer, expert;
        char part[16];
        if (sscanf(t->name, "blk.%u.%15[a-z_].%u.weight", &layer, part, &expert) != 3)
            edit_add(&e, t->name, t, t->n_dims, t->dims, t->data);
    }
    for (size_t k = 0; k < OA__ARRAY_LEN(names); k++) {
        char name[64];
        uint8_t *stack = NULL;
        const oa__gguf_tensor *t = NULL;
        for (unsigned i = 0; i < 5; i++) {
            snprintf(name, sizeof name, "blk.1.%s.%u.weight", names[k], i);
            t = oa__gguf_tensor_find(e.from, name);
            assert_non_null(t);
            stack = realloc(stack, (i + 1) * t->size);
            assert_non_null(stack);
            memcpy(stack + i * t->size, t->data, t->size);
        }
        snprintf(name, sizeof name, "blk.1.%s_exps.weight", names[k]);
        e.owned[e.n] = stack;
        edit_add(&e, name, t, 3, (uint64_t[]){t->dims[0], t->dims[1], 5}, stack);
    }
    edit_end(&e);
    make_ids(ids);
    float *want = run(paths[0], ids, N_IDS, &n_vocab), *got = run(changed, ids, 7, &n_vocab);
    assert_memory_equal(got, want, N_IDS * n_vocab * sizeof *got);
    free(want);
    free(got);
}

/* Nothing says which expert is best, and one of them is no number. */
static float *equal_scores(const oa__gguf_tensor *t, void *arg)
{
    const size_t bad = *(size_t *)arg;
    if (strstr(t->name, "ffn_gate_inp.")) {
        float *f = copy_floats(t);
        memset(f, 0, t->size);
        return f;
    }
    if (!strstr(t->name, "ffn_up_exps")) return NULL;
    float *f = copy_floats(t);
    const size_t n = (size_t)(t->dims[0] * t->dims[1]);
    for (size_t i = bad * n; i < (bad + 1) * n; i++)
        f[i] = NAN;
    return f;
}

/* Six of seven are used: of equals, those with the lower index. */
static void test_golden_experts__ties(void **state)
{
    (void)state;
    int32_t ids[N_IDS];
    make_ids(ids);
    for (size_t bad = 0; bad < N_EXPERTS; bad++) {
        edit e;
        size_t n_vocab;
        edit_begin(&e, paths[1]);
        edit_add_all(&e, equal_scores, &bad);
        edit_end(&e);
        float *x = run(changed, ids, 16, &n_vocab);
        assert_int_equal(n_nans(x, N_IDS * n_vocab), bad == N_EXPERTS - 1 ? 0 : N_IDS * n_vocab);
        free(x);
    }
}

static float *nan_token(const oa__gguf_tensor *t, void *arg)
{
    const size_t id = *(size_t *)arg;
    if (strcmp(t->name, "token_embd.weight") != 0) return NULL;
    float *f = copy_floats(t);
    for (size_t i = 0; i < t->dims[0]; i++)
        f[id * t->dims[0] + i] = NAN;
    return f;
}

/* A token that is no number finds experts, shows in its logits, and in no other's. */
static void test_golden_experts__nan(void **state)
{
    (void)state;
    int32_t ids[N_IDS];
    size_t n_vocab, id = 9;
    edit e;
    make_ids(ids);
    ids[N_IDS - 1] = (int32_t)id;
    edit_begin(&e, paths[0]);
    edit_add_all(&e, nan_token, &id);
    /* an output of its own, or the logits of that token would be no numbers anywhere */
    const oa__gguf_tensor *t = oa__gguf_tensor_find(e.from, "token_embd.weight");
    edit_add(&e, "output.weight", t, t->n_dims, t->dims, t->data);
    edit_end(&e);
    float *want = run(paths[0], ids, N_IDS, &n_vocab), *got = run(changed, ids, N_IDS, &n_vocab);
    assert_memory_equal(got, want, (N_IDS - 1) * n_vocab * sizeof *got);
    assert_int_equal(n_nans(got + (N_IDS - 1) * n_vocab, n_vocab), n_vocab);
    free(want);
    free(got);
}

static void expect(int want, const char *text)
{
    oa_model *m = (oa_model *)(uintptr_t)1;
    const int rc = oa_model_open(&m, changed, NULL);
    if (rc != want || !strstr(oa_error_last(), text))
        test_note("%d %s, want %d %s", rc, oa_error_last(), want, text);
    assert_int_equal(rc, want);
    assert_non_null(strstr(oa_error_last(), text));
    assert_null(m);
}

static void expect_key(const char *path, const char *key, uint32_t v, int want, const char *text)
{
    edit e;
    edit_begin(&e, path);
    assert_ok(oa__gguf_writer_u32(e.w, key, v));
    edit_add_all(&e, NULL, NULL);
    edit_end(&e);
    expect(want, text);
}

/* Without the tensor of that name, or with it in another shape. */
static void expect_tensor(const char *path, const char *name, bool keep, int want, const char *text)
{
    edit e;
    edit_begin(&e, path);
    for (size_t i = 0; i < oa__gguf_tensor_count(e.from); i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(e.from, i);
        const bool it = strcmp(t->name, name) == 0;
        uint64_t dims[4];
        memcpy(dims, t->dims, sizeof dims);
        if (it && keep) dims[t->n_dims - 1]--;
        if (!it || keep) edit_add(&e, t->name, t, t->n_dims, dims, t->data);
    }
    edit_end(&e);
    expect(want, text);
}

static void test_golden_experts__refused(void **state)
{
    (void)state;
    const char *mixtral = paths[0], *qwen = paths[1], *dense = paths[2];
    expect_key(qwen, "qwen3moe.expert_gating_func", 2, OA_EUNSUPPORTED, "by softmax");
    expect_key(qwen, "qwen3moe.expert_used_count", 8, OA_EUNSUPPORTED, "expert_used_count is 8");
    expect_key(qwen, "qwen3moe.expert_used_count", 0, OA_EUNSUPPORTED, "expert_used_count is 0");
    expect_key(qwen, "qwen3moe.expert_count", 6, OA_EFORMAT, "want 64 x 6");
    expect_key(qwen, "qwen3moe.expert_count", 0, OA_EFORMAT, "blk.0.ffn_gate.weight is missing");
    expect_key(qwen, "qwen3moe.expert_feed_forward_length", 41, OA_EFORMAT, "want 64 x 41 x 7");
    expect_key(dense, "gemma3.expert_count", 4, OA_EUNSUPPORTED,
               "experts of this architecture are not supported");
    expect_tensor(qwen, "blk.0.ffn_gate_inp.weight", false, OA_EFORMAT,
                  "blk.0.ffn_gate.weight is missing");
    expect_tensor(qwen, "blk.0.ffn_up_exps.weight", false, OA_EFORMAT,
                  "blk.0.ffn_up_exps.weight is missing");
    expect_tensor(qwen, "blk.0.ffn_up_exps.weight", true, OA_EFORMAT, "64 x 40 x 6, want");
    expect_tensor(mixtral, "blk.1.ffn_up.3.weight", false, OA_EFORMAT,
                  "blk.1.ffn_up.3.weight is missing");
    expect_tensor(mixtral, "blk.1.ffn_up.3.weight", true, OA_EFORMAT, "64 x 95, want 64 x 96");
    unlink(changed);
}

/* Every allocation of opening and of the scratch fails once; some can be done without. */
static void test_golden_experts__no_memory(void **state)
{
    (void)state;
    size_t n_failed = 0;
    for (int i = 0; i < 2; i++)
        for (uint64_t nth = 1;; nth++) {
            struct fail_alloc fa;
            oa_model *m;
            oa__work *w = NULL;
            oa_model_opts opts = OA_MODEL_OPTS_INIT;
            opts.allocator = fail_alloc_init(&fa, nth);
            opts.n_threads = 1;
            int rc = oa_model_open(&m, paths[i], &opts);
            if (rc == OA_OK) rc = oa__work_new(&w, m, 20, 1);
            assert_true(rc == OA_OK || (rc == OA_ENOMEM && fail_alloc_hit(&fa)));
            n_failed += rc == OA_ENOMEM;
            oa__work_free(w);
            oa_model_free(m);
            assert_int_equal(fail_alloc_live(&fa), 0);
            if (!fail_alloc_hit(&fa)) break;
        }
    test_note("%zu failures", n_failed);
    assert_true(n_failed > 40); /* the weights of both alone are that many */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_experts__stacked_or_not),
        cmocka_unit_test(test_golden_experts__ties),
        cmocka_unit_test(test_golden_experts__nan),
        cmocka_unit_test(test_golden_experts__refused),
        cmocka_unit_test(test_golden_experts__no_memory),
    };
    if (argc != 4) return 2;
    paths = argv + 1;
    return cmocka_run_group_tests_name("golden_experts", tests, NULL, NULL);
}
