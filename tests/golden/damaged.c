/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of models of several architectures with one thing changed at random: an error, or a
 * model that computes something; nothing is lost, and never more memory than was allowed. And the
 * estimates of what they need, unharmed.
 *
 *     test_golden_damaged MODEL.gguf...
 */
#include "file/file.h"
#include "model/model.h"

#include "util/fail_alloc.h"
#include "util/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { N_TRIES = 1000 };

static const char *const *paths;
static int n_paths;

/* What a session does, in small. */
static void compute(oa_model *m, uint64_t limit)
{
    oa__work *w;
    if (oa__model_page_size(m, OA_KV_F16) > limit || oa__work_new(&w, m, 3, 1) < 0) return;
    void *page = oa__alloc(NULL, oa__model_page_size(m, OA_KV_F16));
    float *logits = oa__alloc_array(NULL, oa__model_n_vocab(m), sizeof *logits);
    oa__row rows[3];
    for (int i = 0; i < 3; i++)
        rows[i] = (oa__row){.id = i, .pos = (uint32_t)i, .pages = &page, .rope_long = true};
    rows[2].logits = logits;
    if (page != NULL && logits != NULL) {
        assert_ok(oa__model_forward(m, w, OA_KV_F16, rows, 3, NULL, NULL));
    }
    oa__free(NULL, page);
    oa__free(NULL, logits);
    oa__work_free(w);
}

static bool try_open(const char *path)
{
    struct fail_alloc fa;
    oa_memory_estimate e = OA_MEMORY_ESTIMATE_INIT;
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    opts.n_threads = 1;
    opts.allocator = fail_alloc_init(&fa, 0);
    opts.memory_limit = 4 << 20;
    oa_model *m;
    const int rc = oa_model_open(&m, path, &opts);
    assert_true((rc == OA_OK) == (m != NULL));
    assert_true(rc == OA_OK || oa_error_last()[0] != '\0');
    if (m != NULL) compute(m, opts.memory_limit);
    oa_model_free(m);
    oa_model_estimate_memory(path, &opts, 0, OA_KV_F32, &e);
    assert_int_equal(fail_alloc_live(&fa), 0);
    return rc == OA_OK;
}

static void test_golden_damaged__header(void **state)
{
    char copy[256];
    const char *folder = getenv("TMPDIR");
    snprintf(copy, sizeof copy, "%s/oa-damaged-%ld.gguf", folder ? folder : "/tmp", (long)getpid());
    oa__random r;
    oa__random_seed(&r, 1);
    for (int i = 0; i < n_paths; i++) {
        char *data;
        size_t size, n_opened = 0;
        assert_ok(oa__file_read(NULL, paths[i], 1 << 24, &data, &size));
        FILE *f = fopen(copy, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, size, f), size);
        assert_int_equal(fclose(f), 0);
        const int fd = open(copy, O_RDWR);
        assert_true(fd >= 0);
        assert_true(try_open(copy));
        /* Keys of the model come first, then the vocabulary, then the tensors. */
        const size_t keys = 1500, tensors = 6000;
        for (int k = 0; k < N_TRIES; k++) {
            const size_t at = k % 2 ? oa__random_below(&r, keys)
                                    : keys + oa__random_below(&r, (uint32_t)(2 * tensors));
            uint8_t bytes[4];
            const size_t n = 1 + oa__random_below(&r, 4);
            for (size_t b = 0; b < n; b++) {
                static const uint8_t values[] = {0, 1, 2, 0x7f, 0x80, 0xff};
                bytes[b] = values[oa__random_below(&r, OA__ARRAY_LEN(values))];
            }
            assert_int_equal(pwrite(fd, bytes, n, (off_t)at), n);
            n_opened += try_open(copy);
            assert_int_equal(pwrite(fd, data + at, n, (off_t)at), n);
        }
        test_note("%s: %zu of %d still open", paths[i], n_opened, N_TRIES);
        assert_true(n_opened > 50 && n_opened < N_TRIES);
        assert_true(try_open(copy));
        close(fd);
        oa__free(NULL, data);
    }
    unlink(copy);
}

/* What a model takes is what was said that it would. */
static void test_golden_damaged__estimate(void **state)
{
    for (int i = 0; i < n_paths; i++) {
        oa_memory_estimate e = OA_MEMORY_ESTIMATE_INIT;
        oa_model_opts opts = OA_MODEL_OPTS_INIT;
        oa_model *m;
        oa__work *w;
        opts.n_threads = 2;
        assert_ok(oa_model_estimate_memory(paths[i], &opts, 64, OA_KV_F16, &e));
        assert_ok(oa_model_open(&m, paths[i], &opts));
        const uint64_t used = oa__model_mem(m)->used;
        const uint64_t guess = e.total_size - e.cache_size - e.work_size;
        assert_ok(oa__work_new(&w, m, OA__MODEL_BATCH, 1));
        const uint64_t work = oa__model_mem(m)->used - used;
        test_note("%s: used %llu of %llu, work %llu of %llu", paths[i], (unsigned long long)used,
                  (unsigned long long)guess, (unsigned long long)work,
                  (unsigned long long)e.work_size);
        assert_true(guess > used - used / 20 && guess < used + used / 20);
        assert_true(e.work_size > work - work / 20 && e.work_size < work + work / 20);
        assert_int_equal(e.cache_size, 2 * oa__model_page_size(m, OA_KV_F16));
        oa__work_free(w);
        oa_model_free(m);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_damaged__header),
        cmocka_unit_test(test_golden_damaged__estimate),
    };
    paths = (const char *const *)(argv + 1);
    n_paths = argc - 1;
    return cmocka_run_group_tests_name("golden_damaged", tests, NULL, NULL);
}
