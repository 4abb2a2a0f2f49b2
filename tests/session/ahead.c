/* SPDX-License-Identifier: Apache-2.0 */
/* Guessing ahead: the same tokens and logits with it and without, whatever happens in between. */
#include "session/session_priv.h"

#include "tiny.h"
#include "util/fail_alloc.h"

#include <unistd.h>

enum { N_CTX = 180, MAX_ROUNDS = 120 };

static oa_model *model, *draft;

static int open_models(void **state)
{
    (void)state;
    model = tiny_open(NULL);
    draft = tiny_open(NULL);
    return 0;
}

static int close_models(void **state)
{
    (void)state;
    oa_model_free(draft);
    oa_model_free(model);
    return 0;
}

static oa_session *guessing(oa_model *m, oa_model *draft_model, uint32_t n_draft)
{
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    oa_session *s;
    o.n_ctx = N_CTX;
    o.draft = draft_model;
    o.n_draft = n_draft;
    assert_ok(oa_session_new(&s, m, &o));
    s->draft_always = true;
    return s;
}

static oa_session *plain(oa_model *m)
{
    return tiny_session(m, OA_SESSION_NO_DRAFT | OA_SESSION_NO_SHARING, N_CTX);
}

static oa_sampler *sampler_of(uint64_t seed, double temperature)
{
    oa_sampler *sampler;
    assert_ok(oa_sampler_new(&sampler, NULL));
    assert_ok(oa_sampler_set(sampler, "seed", (double)seed));
    assert_ok(oa_sampler_set(sampler, "temperature", temperature));
    return sampler;
}

/* A text that says things twice. */
static size_t make_prompt(oa_model *m, uint64_t seed, int32_t *ids)
{
    tiny_ids(m, seed, ids, 40);
    memcpy(ids + 40, ids + 3, 30 * sizeof *ids);
    return 70;
}

static void check_equal(oa_session *a, oa_session *b)
{
    const int32_t *x, *y;
    size_t n, k;
    assert_ok(oa_session_get_ids(a, &x, &n));
    assert_ok(oa_session_get_ids(b, &y, &k));
    assert_int_equal(n, k);
    assert_memory_equal(x, y, n * sizeof *x);
    assert_true(tiny_logits(a) == tiny_logits(b));
}

/* Steps, greedy and with seeds, up to the end of the context. */
static void test_session_ahead__same_tokens(void **state)
{
    (void)state;
    static const double temperatures[] = {0, 0.4, 1.5};
    static const uint32_t n_drafts[] = {0, 1, 3, 40};
    uint64_t n_accepted = 0;
    for (uint64_t seed = 0; seed < 12; seed++) {
        oa_session *a = guessing(model, seed % 3 == 2 ? draft : NULL, n_drafts[seed % 4]);
        oa_session *b = plain(model);
        int32_t prompt[TINY_IDS_MAX];
        const size_t n = make_prompt(model, seed, prompt);
        assert_ok(oa_session_append(a, prompt, n));
        assert_ok(oa_session_append(b, prompt, n));
        oa_sampler *sa = sampler_of(seed, temperatures[seed % 3]);
        oa_sampler *sb = sampler_of(seed, temperatures[seed % 3]);
        int32_t x, y;
        for (;;) {
            const int rc = oa_session_step(a, sa, &x);
            assert_int_equal(rc, oa_session_step(b, sb, &y));
            if (rc == OA_EFULL) break;
            assert_ok(rc);
            assert_int_equal(x, y);
            if (tiny_len(a) % 29 == 0) check_equal(a, b);
        }
        check_equal(a, b);
        assert_int_equal(b->n_drafted, 0);
        assert_true(a->n_drafted > 0 && a->n_accepted <= a->n_drafted);
        if (seed == 0) assert_true(a->n_accepted > 10); /* the tiny model goes in circles */
        n_accepted += a->n_accepted;
        oa_session_free(a);
        oa_session_free(b);
        oa_sampler_free(sa);
        oa_sampler_free(sb);
    }
    assert_true(n_accepted > 100);
}

/* The model guesses for itself: each guess is right. */
static void test_session_ahead__draft_model(void **state)
{
    (void)state;
    oa_session *a = guessing(model, draft, 4);
    int32_t id, prompt[TINY_IDS_MAX];
    tiny_ids(model, 3, prompt, 20);
    assert_ok(oa_session_append(a, prompt, 20));
    for (int i = 0; i < 60; i++)
        assert_ok(oa_session_step(a, NULL, &id));
    assert_true(a->n_drafted > 20);
    assert_true(a->n_accepted + 4 >= a->n_drafted);
    oa_session_free(a);
}

/* Everything that can be done to a session, at any moment. */
static void test_session_ahead__random_ways(void **state)
{
    (void)state;
    char file[] = "/tmp/oa-ahead-XXXXXX";
    const int fd = mkstemp(file);
    assert_true(fd >= 0);
    close(fd);
    uint64_t r = 7;
    oa_session *a = guessing(model, NULL, 0), *b = plain(model), *c;
    int32_t prompt[TINY_IDS_MAX], x = 0, y = 0;
    const size_t n_prompt = make_prompt(model, 1, prompt);
    for (int round = 0; round < MAX_ROUNDS; round++) {
        const size_t n = tiny_len(a);
        if (n == 0 || n > N_CTX - 40) {
            assert_ok(oa_session_set_ids(a, prompt, n_prompt, NULL));
            assert_ok(oa_session_set_ids(b, prompt, n_prompt, NULL));
        }
        for (uint64_t i = tiny_random(&r) % 9; i-- > 0;) {
            assert_ok(oa_session_step(a, NULL, &x));
            assert_ok(oa_session_step(b, NULL, &y));
            assert_int_equal(x, y);
        }
        oa_step step = {.session = a};
        oa_session_opts o = OA_SESSION_OPTS_INIT;
        const float *logits;
        switch (tiny_random(&r) % 8) {
        case 0: /* what was ahead is wrong now */
            assert_ok(oa_session_append(a, prompt + round % 30, 3));
            assert_ok(oa_session_append(b, prompt + round % 30, 3));
            break;
        case 1:
            assert_ok(oa_session_truncate(a, tiny_len(a) * 3 / 4));
            assert_ok(oa_session_truncate(b, tiny_len(b) * 3 / 4));
            break;
        case 2: /* the fork goes its own way first, then takes the place */
            assert_ok(oa_session_fork(&c, a));
            assert_ok(oa_session_append(c, prompt, 5));
            assert_ok(oa_session_truncate(c, tiny_len(a)));
            check_equal(c, b);
            oa_session_free(a);
            a = c;
            a->draft_always = true;
            break;
        case 3:
            assert_ok(oa_session_save(a, file));
            o.n_ctx = N_CTX;
            assert_ok(oa_session_open_saved(&c, model, file, &o));
            oa_session_free(a);
            a = c;
            a->draft_always = true;
            break;
        case 4:
            assert_ok(oa_session_step_many(&step, 1, sizeof step));
            assert_ok(step.status);
            assert_ok(oa_session_step(b, NULL, &y));
            assert_int_equal(step.id, y);
            break;
        case 5:
            check_equal(a, b);
            break;
        case 6: /* a look at the logits changes nothing */
            assert_ok(oa_session_get_logits(a, &logits, NULL));
            break;
        default:
            assert_ok(oa_session_set_ids(a, prompt, n_prompt / 2, NULL));
            assert_ok(oa_session_set_ids(b, prompt, n_prompt / 2, NULL));
        }
    }
    check_equal(a, b);
    assert_true(a->n_ctx == N_CTX);
    oa_session_free(a);
    oa_session_free(b);
    unlink(file);
}

typedef struct text {
    char data[8192];
    size_t len, pieces, end_at;
} text;

static int collect(const char *data, size_t len, void *user)
{
    text *t = user;
    assert_true(t->len + len < sizeof t->data);
    memcpy(t->data + t->len, data, len);
    t->len += len;
    return ++t->pieces == t->end_at;
}

static void test_session_ahead__generate(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 16; seed++) {
        oa_session *a = guessing(model, NULL, 0), *b = plain(model);
        int32_t prompt[TINY_IDS_MAX];
        const size_t n = make_prompt(model, seed, prompt);
        assert_ok(oa_session_append(a, prompt, n));
        assert_ok(oa_session_append(b, prompt, n));
        oa_sampler *sa = sampler_of(seed, seed % 2 ? 0.7 : 0);
        oa_sampler *sb = sampler_of(seed, seed % 2 ? 0.7 : 0);
        oa_generate_opts o = OA_GENERATE_OPTS_INIT;
        const char *stops[] = {"e"};
        o.flags = OA_GENERATE_IGNORE_END;
        o.max_tokens = 1 + (uint32_t)seed * 7;
        if (seed % 4 == 3) o.stops = stops, o.n_stops = 1;
        static text x, y;
        x = y = (text){.end_at = seed % 5 == 4 ? 7 : 0};
        oa_generate_result rx = OA_GENERATE_RESULT_INIT, ry = OA_GENERATE_RESULT_INIT;
        assert_ok(oa_session_generate(a, sa, &o, collect, &x, &rx));
        assert_ok(oa_session_generate(b, sb, &o, collect, &y, &ry));
        assert_int_equal(x.len, y.len);
        assert_memory_equal(x.data, y.data, x.len);
        assert_int_equal(rx.finish, ry.finish);
        assert_int_equal(rx.n_tokens, ry.n_tokens);
        assert_int_equal(ry.n_drafted, 0);
        assert_true(rx.n_accepted <= rx.n_drafted);
        check_equal(a, b);
        oa_session_free(a);
        oa_session_free(b);
        oa_sampler_free(sa);
        oa_sampler_free(sb);
    }
}

/* Pages that others share are never full of guesses. */
static void test_session_ahead__tree(void **state)
{
    (void)state;
    oa_session *a = guessing(model, NULL, 0), *b = plain(model), *c;
    int32_t prompt[TINY_IDS_MAX], id;
    const size_t n = make_prompt(model, 5, prompt);
    assert_ok(oa_session_append(a, prompt, n));
    for (int i = 0; i < 100; i++)
        assert_ok(oa_session_step(a, NULL, &id));
    const int32_t *ids;
    size_t n_ids, reused;
    assert_ok(oa_session_get_ids(a, &ids, &n_ids));
    c = tiny_session(model, 0, N_CTX);
    assert_ok(oa_session_set_ids(c, ids, n_ids, &reused));
    assert_true(reused >= 32 * ((n_ids - 17) / 32));
    assert_ok(oa_session_set_ids(b, ids, n_ids, NULL));
    check_equal(c, b);
    check_equal(a, b);
    oa_session_free(a);
    oa_session_free(b);
    oa_session_free(c);
}

static int cancel_third(const char *what, uint64_t done, uint64_t total, void *user)
{
    (void)what, (void)done, (void)total;
    int *left = user;
    return *left > 0 && --*left == 0;
}

static void test_session_ahead__cancelled(void **state)
{
    (void)state;
    int left = 0;
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    oa_session *a, *b = plain(model);
    o.n_ctx = N_CTX;
    o.progress_fn = cancel_third;
    o.progress_user = &left;
    o.draft = draft;
    o.n_draft = 4;
    assert_ok(oa_session_new(&a, model, &o));
    a->draft_always = true;
    int32_t prompt[TINY_IDS_MAX], x, y;
    const size_t n = make_prompt(model, 6, prompt);
    assert_ok(oa_session_append(a, prompt, n));
    assert_ok(oa_session_append(b, prompt, n));
    /* The draft model reads the prompt for the first guess, and that is heard of. */
    left = 1;
    oa_session *fresh;
    tiny_ids(model, 9, prompt, 40);
    assert_ok(oa_session_new(&fresh, model, &o));
    left = 0;
    assert_ok(oa_session_append(fresh, prompt, 40));
    fresh->draft_always = true;
    assert_ok(oa_session_step(fresh, NULL, &x));
    left = 1;
    assert_err(oa_session_step(fresh, NULL, &x), OA_ECANCELLED, "");
    assert_int_equal(tiny_len(fresh), 41);
    assert_ok(oa_session_step(fresh, NULL, &x));
    oa_session_free(fresh);
    for (int i = 0; i < 40; i++) {
        assert_ok(oa_session_step(a, NULL, &x));
        assert_ok(oa_session_step(b, NULL, &y));
        assert_int_equal(x, y);
    }
    check_equal(a, b);
    oa_session_free(a);
    oa_session_free(b);
}

/* Each allocation fails in turn: an error, or the right tokens, and never another one. */
static void test_session_ahead__no_memory(void **state)
{
    (void)state;
    int32_t prompt[TINY_IDS_MAX], want[30];
    const size_t n = make_prompt(model, 2, prompt);
    oa_session *b = plain(model);
    assert_ok(oa_session_append(b, prompt, n));
    for (size_t i = 0; i < OA__ARRAY_LEN(want); i++)
        assert_ok(oa_session_step(b, NULL, &want[i]));
    oa_session_free(b);
    struct fail_alloc fa;
    fail_alloc_init(&fa, 0);
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    opts.n_threads = 1;
    opts.allocator = &fa.a;
    oa_model *m = tiny_open(&opts);
    for (uint64_t nth = 1;; nth++) {
        int32_t id;
        oa_session *a = guessing(m, draft, 0);
        assert_ok(oa_session_append(a, prompt, n));
        fa.n_calls = 0;
        fa.fail_at = nth;
        int rc = OA_OK;
        for (size_t i = 0; i < OA__ARRAY_LEN(want);) {
            rc = oa_session_step(a, NULL, &id);
            if (rc == OA_OK) assert_int_equal(id, want[i++]);
            if (rc < 0) assert_int_equal(rc, OA_ENOMEM);
        }
        const bool failed = fail_alloc_hit(&fa);
        fa.fail_at = 0;
        oa_session_free(a);
        if (!failed) break;
    }
    oa_model_free(m);
    assert_int_equal(fail_alloc_live(&fa), 0);
}

static void test_session_ahead__arguments(void **state)
{
    (void)state;
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    oa_session *s;
    o.reserved = 1;
    assert_err(oa_session_new(&s, model, &o), OA_EINVAL, "unknown bits");
    o.reserved = 0;
    oa_model_opts mo = OA_MODEL_OPTS_INIT;
    mo.flags = OA_MODEL_VOCAB_ONLY;
    o.draft = tiny_open(&mo);
    assert_err(oa_session_new(&s, model, &o), OA_EINVAL, "draft model can't generate");
    assert_null(s);
    oa_model_free(o.draft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_ahead__same_tokens),
        cmocka_unit_test(test_session_ahead__draft_model),
        cmocka_unit_test(test_session_ahead__random_ways),
        cmocka_unit_test(test_session_ahead__generate),
        cmocka_unit_test(test_session_ahead__tree),
        cmocka_unit_test(test_session_ahead__cancelled),
        cmocka_unit_test(test_session_ahead__no_memory),
        cmocka_unit_test(test_session_ahead__arguments),
    };
    return cmocka_run_group_tests_name("session_ahead", tests, open_models, close_models);
}
