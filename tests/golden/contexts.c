/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models to which the length of a context matters. One with short and long turns: the length of the
 * sequence decides, or the context when one was chosen, and what was computed for one kind is never
 * used for the other, by the tree of shared pages or by a saved session. One with learned
 * positions: the context ends with them.
 *
 *     test_golden_contexts PHI3.gguf GPT2.gguf
 */
#include <openassistant/openassistant.h>

#include "util/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "session/session_priv.h"

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

enum { MANY = 90 };

static int32_t many_ids[MANY];

static void append(oa_session *s, size_t from, size_t to)
{
    assert_ok(oa_session_append(s, many_ids + from, to - from));
}

static void assert_logits(oa_session *s, const float *want, size_t n)
{
    const float *got;
    size_t n_got;
    assert_ok(oa_session_get_logits(s, &got, &n_got));
    assert_int_equal(n_got, n);
    assert_memory_equal(got, want, n * sizeof(float));
}

/* Logits after the first `len` ids by the factors of that length, each from a model of its own. */
static float *reference(size_t len, size_t *n)
{
    oa_model *m = open_model(phi3);
    oa_session *s = new_session(m, len <= SHORT ? SHORT : 256);
    append(s, 0, len);
    const float *got;
    assert_ok(oa_session_get_logits(s, &got, n));
    float *copy = malloc(*n * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, got, *n * sizeof *copy);
    oa_session_free(s);
    oa_model_free(m);
    return copy;
}

/* Without a chosen context the factors follow the length, whichever way it was reached. */
static void test_golden_contexts__length_decides(void **state)
{
    static const size_t lens[] = {50, SHORT, LONG, MANY};
    float *want[4];
    size_t n;
    char file[256];
    const char *folder = getenv("TMPDIR");
    snprintf(file, sizeof file, "%s/oa-follow-%ld", folder ? folder : "/tmp", (long)getpid());
    for (int i = 0; i < 4; i++)
        want[i] = reference(lens[i], &n);
    oa_model *m = open_model(phi3);
    oa_model_info info = OA_MODEL_INFO_INIT;
    assert_ok(oa_model_get_info(m, &info));
    assert_int_equal(info.n_ctx_short, SHORT);

    oa_session *steps = new_session(m, 0), *other, *again;
    oa_session_opts opts = OA_SESSION_OPTS_INIT;
    for (size_t i = 0, done = 0; i < 4; i++) {
        oa_session *whole = new_session(m, 0); /* at once */
        append(whole, 0, lens[i]);
        assert_logits(whole, want[i], n);
        oa_session_free(whole);
        for (; done < lens[i]; done++) /* one by one, through one session */
            append(steps, done, done + 1);
        assert_logits(steps, want[i], n);
        assert_ok(oa_session_save(steps, file));
        assert_ok(oa_session_open_saved(&again, m, file, &opts));
        assert_logits(again, want[i], n);
        append(again, lens[i], MANY);
        assert_logits(again, want[3], n);
        oa_session_free(again);
    }
    /* an embedding */
    float pooled[2][64];
    for (int i = 0; i < 2; i++) {
        oa_session *s = new_session(m, i ? 256 : 0);
        for (int round = 0; round < 2; round++)
            assert_ok(oa_session_embed(s, many_ids, MANY, OA_POOL_MEAN, 0, pooled[i], 64));
        oa_session_free(s);
    }
    assert_memory_equal(pooled[0], pooled[1], sizeof pooled[0]);
    /* taken back across the border; several sessions in one pass */
    assert_ok(oa_session_fork(&other, steps));
    assert_ok(oa_session_truncate(steps, 50));
    assert_logits(steps, want[0], n);
    assert_ok(oa_session_truncate(steps, 49));
    assert_ok(oa_session_truncate(other, SHORT));
    oa_session *new = new_session(m, 0);
    oa_step batch[] = {{.session = steps, .ids = many_ids + 49, .n_ids = LONG - 49},
                       {.session = new, .ids = many_ids, .n_ids = 50},
                       {.session = other, .ids = many_ids + SHORT, .n_ids = MANY - SHORT}};
    assert_ok(oa_session_step_many(batch, 3, sizeof batch[0]));
    const size_t length[] = {LONG, 50, MANY};
    for (int i = 0; i < 3; i++) {
        assert_ok(batch[i].status);
        assert_ok(oa_session_truncate(batch[i].session, length[i]));
        assert_logits(batch[i].session, want[i == 0 ? 2 : i == 1 ? 0 : 3], n);
        oa_session_free(batch[i].session);
    }
    /* saved by one whose context was chosen: the wrong kind is computed again */
    oa_session *chosen = new_session(m, 256);
    append(chosen, 0, 50);
    assert_ok(oa_session_save(chosen, file));
    oa_session_free(chosen);
    assert_ok(oa_session_open_saved(&again, m, file, &opts));
    assert_logits(again, want[0], n);
    oa_session_free(again);
    oa_model_free(m);
    unlink(file);
    for (int i = 0; i < 4; i++)
        free(want[i]);
}

/* What a session without a chosen context generates behind FROM ids. */
static uint64_t generate(oa_model *m, uint32_t flags, double seed, int32_t *out, size_t n_out)
{
    oa_session_opts opts = OA_SESSION_OPTS_INIT;
    oa_generate_opts o = OA_GENERATE_OPTS_INIT;
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    oa_sampler *sampler;
    oa_session *s;
    const int32_t *all;
    size_t n, from = 50 + (size_t)seed % 14;
    opts.flags = flags;
    assert_ok(oa_session_new(&s, m, &opts));
    s->draft_always = true; /* whatever it costs */
    assert_ok(oa_sampler_new(&sampler, NULL));
    assert_ok(oa_sampler_set(sampler, "seed", seed));
    assert_ok(oa_sampler_set(sampler, "temperature", 1));
    assert_ok(oa_sampler_set_bias(sampler, 7, 5.5f));
    for (int i = 0; i < MANY; i++)
        many_ids[i] = 7;
    append(s, 0, from);
    o.flags = OA_GENERATE_IGNORE_END;
    o.max_tokens = (uint32_t)(n_out - from);
    assert_ok(oa_session_generate(s, sampler, &o, NULL, NULL, &r));
    assert_ok(oa_session_get_ids(s, &all, &n));
    assert_int_equal(n, n_out);
    memcpy(out, all, n * sizeof *out);
    oa_session_free(s);
    oa_sampler_free(sampler);
    return r.n_accepted;
}

/* Guesses that come true on either side of the border leave no trace. The bias makes one token
 * repeat, not always. */
static void test_golden_contexts__guesses_stay_below(void **state)
{
    enum { TO = 80 };
    uint64_t n_accepted = 0;
    oa_model *m = open_model(phi3);
    for (int seed = 1; seed <= 60; seed++) {
        int32_t plain[TO], guessed[TO];
        assert_int_equal(generate(m, OA_SESSION_NO_DRAFT, seed, plain, TO), 0);
        n_accepted += generate(m, 0, seed, guessed, TO);
        assert_memory_equal(plain, guessed, sizeof plain);
    }
    assert_true(n_accepted > 20);
    oa_model_free(m);
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
        cmocka_unit_test(test_golden_contexts__length_decides),
        cmocka_unit_test(test_golden_contexts__guesses_stay_below),
        cmocka_unit_test(test_golden_contexts__positions),
    };
    phi3 = argc > 1 ? argv[1] : "";
    gpt2 = argc > 2 ? argv[2] : "";
    for (int i = 0; i < N_IDS; i++)
        ids[i] = 3 + i * 7 % 200;
    for (int i = 0; i < MANY; i++)
        many_ids[i] = 3 + i * 11 % 200;
    return cmocka_run_group_tests_name("golden_contexts", tests, NULL, NULL);
}
