/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models to which the length of a context matters. One with short and long turns: the session's
 * context decides, and what was computed for one kind is never used for the other, by the tree of
 * shared pages or by a saved session. One with learned positions: the context ends with them.
 *
 *     test_golden_contexts PHI3.gguf GPT2.gguf
 */
#include <openassistant/openassistant.h>

#include "util/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { N_IDS = 40, SHORT = 64, LONG = 65 }; /* the model's original context is 64 */

static const char *phi3, *gpt2;
static int32_t ids[N_IDS];

static oa_model *open_model(const char *path)
{
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    opts.n_threads = 1;
    oa_model *m;
    assert_ok(oa_model_open(&m, path, &opts));
    return m;
}

static oa_session *new_session(oa_model *m, uint32_t n_ctx)
{
    oa_session_opts opts = OA_SESSION_OPTS_INIT;
    opts.n_ctx = n_ctx;
    oa_session *s;
    assert_ok(oa_session_new(&s, m, &opts));
    return s;
}

/* Logits after all ids, in a context of n_ctx tokens. */
static float *logits(oa_model *m, uint32_t n_ctx, size_t *n)
{
    oa_session *s = new_session(m, n_ctx);
    assert_ok(oa_session_append(s, ids, N_IDS));
    const float *got;
    assert_ok(oa_session_get_logits(s, &got, n));
    float *copy = malloc(*n * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, got, *n * sizeof *copy);
    oa_session_free(s);
    return copy;
}

static void test_golden_contexts__pages_apart(void **state)
{
    size_t n;
    float *want[2], *got[4];
    for (int i = 0; i < 2; i++) {
        oa_model *m = open_model(phi3);
        want[i] = logits(m, i ? LONG : SHORT, &n);
        oa_model_free(m);
    }
    assert_memory_not_equal(want[0], want[1], n * sizeof(float));
    oa_model *m = open_model(phi3);
    for (int i = 0; i < 4; i++) {
        got[i] = logits(m, i % 2 ? LONG : SHORT, &n);
        assert_memory_equal(got[i], want[i % 2], n * sizeof(float));
        free(got[i]);
    }
    oa_model_free(m);
    free(want[0]);
    free(want[1]);
}

static void test_golden_contexts__saved(void **state)
{
    char file[256];
    const char *folder = getenv("TMPDIR");
    snprintf(file, sizeof file, "%s/oa-longrope-%ld", folder ? folder : "/tmp", (long)getpid());
    oa_model *m = open_model(phi3);
    for (int i = 0; i < 2; i++) {
        oa_session *s = new_session(m, i ? LONG : SHORT), *again;
        assert_ok(oa_session_append(s, ids, N_IDS));
        assert_ok(oa_session_save(s, file));
        oa_session_free(s);
        oa_session_opts opts = OA_SESSION_OPTS_INIT;
        opts.n_ctx = i ? LONG : SHORT;
        assert_ok(oa_session_open_saved(&again, m, file, &opts));
        oa_session_free(again);
        opts.n_ctx = i ? SHORT : LONG;
        assert_err(oa_session_open_saved(&again, m, file, &opts), OA_EUNSUPPORTED,
                   i ? "of more than 64 tokens" : "of no more than 64 tokens");
    }
    oa_model_free(m);
    unlink(file);
}

static void test_golden_contexts__positions(void **state)
{
    enum { N = 256 };
    int32_t many[N + 1];
    for (int i = 0; i <= N; i++)
        many[i] = ids[i % N_IDS];
    oa_model *m = open_model(gpt2);
    oa_session_opts opts = OA_SESSION_OPTS_INIT;
    oa_session *s;
    opts.n_ctx = N + 1;
    assert_err(oa_session_new(&s, m, &opts), OA_EINVAL, "257 tokens, the model has 256 positions");
    opts.n_ctx = 0;
    assert_ok(oa_session_new(&s, m, &opts));
    assert_err(oa_session_append(s, many, N + 1), OA_EFULL, "");
    assert_ok(oa_session_append(s, many, N));
    int32_t id;
    assert_err(oa_session_step(s, NULL, &id), OA_EFULL, "");
    oa_session_free(s);
    oa_model_free(m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_contexts__pages_apart),
        cmocka_unit_test(test_golden_contexts__saved),
        cmocka_unit_test(test_golden_contexts__positions),
    };
    phi3 = argc > 1 ? argv[1] : "";
    gpt2 = argc > 2 ? argv[2] : "";
    for (int i = 0; i < N_IDS; i++)
        ids[i] = 3 + i * 7 % 200;
    return cmocka_run_group_tests_name("golden_contexts", tests, NULL, NULL);
}
