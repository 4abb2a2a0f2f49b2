/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation fails in turn, through opening, tokenizing, sessions, chats and files: the call
 * returns OA_ENOMEM (or gets by without it), nothing is leaked, and what it worked on can be used
 * and freed. Twice: once with that one failing, once with all after it failing too.
 */
#include "session/tiny.h"
#include "util/fail_alloc.h"

static struct fail_alloc fa;
static char session_path[64], chat_path[64];

#define TRY(expr)                                                                                  \
    do {                                                                                           \
        rc = (expr);                                                                               \
        if (rc < 0) goto end;                                                                      \
    } while (0)

static oa_model *open_model(void)
{
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    oa_model *m = NULL;
    o.n_threads = 1;
    o.allocator = &fa.a;
    const int rc = oa_model_open(&m, tiny_path(), &o);
    assert_true(rc == OA_OK || rc == OA_ENOMEM);
    assert_true((rc == OA_OK) == (m != NULL));
    return m;
}

static void arm(uint64_t nth, bool stay_failed)
{
    fa.stay_failed = stay_failed;
    fa.fail_at = atomic_load(&fa.n_calls) + nth;
}

/* Sanitizer builds give the template's arena small blocks, which makes thousands; the first ones
 * are all tried there too, of the rest every seventh. */
static uint64_t next_of(uint64_t nth)
{
    return nth + (nth < 500 ? 1 : 7);
}

/* What is tried, on a model that was opened without trouble. */
typedef int (*work_fn)(oa_model *m);

static void each_allocation(work_fn work)
{
    size_t n_failed = 0;
    for (int stay_failed = 0; stay_failed < 2; stay_failed++) {
        for (uint64_t nth = 1;; nth = next_of(nth)) {
            fail_alloc_init(&fa, 0);
            oa_model *m = open_model();
            assert_non_null(m);
            arm(nth, stay_failed);
            const int rc = work(m);
            if (rc == OA_ENOMEM)
                assert_true(oa_error_last()[0] != '\0');
            else
                assert_ok(rc);
            n_failed += rc == OA_ENOMEM;
            const bool hit = fail_alloc_hit(&fa);
            if (hit && nth % 16 == 1) { /* what is left works once there is memory again */
                fa.fail_at = 0;
                assert_ok(work(m));
            }
            oa_model_free(m);
            assert_int_equal(fail_alloc_live(&fa), 0);
            if (!hit) break;
        }
    }
    assert_true(n_failed > 0);
    test_note("%zu failures", n_failed);
}

static void test_api_alloc__open(void **state)
{
    (void)state;
    for (int stay_failed = 0; stay_failed < 2; stay_failed++) {
        for (uint64_t nth = 1;; nth++) {
            fail_alloc_init(&fa, nth);
            fa.stay_failed = stay_failed;
            oa_model *m = open_model();
            const bool hit = fail_alloc_hit(&fa);
            oa_model_free(m);
            assert_int_equal(fail_alloc_live(&fa), 0);
            if (!hit) break;
        }
    }
}

static int tokenize(oa_model *m)
{
    static const char text[] = "Why is the sky <|im_end|> blue?\n 12345 \xf0\x9f\x98\x80";
    int32_t ids[200];
    char buf[400];
    size_t n;
    int rc;
    const oa_message messages[] = {{"system", "a", 0}, {"user", text, 0}};
    oa_render_opts o = OA_RENDER_OPTS_INIT;
    o.variables_json = "{\"x\": [1, 2.5, \"y\"]}";
    TRY(oa_model_tokenize(m, text, sizeof text - 1, OA_TOKENIZE_SPECIAL, ids, 200, &n));
    TRY(oa_model_tokenize_pair(m, text, sizeof text - 1, "b", 1, 0, ids, 200, NULL, NULL));
    TRY(oa_model_detokenize(m, ids, n, OA_DETOKENIZE_SPECIAL, buf, sizeof buf, NULL));
    TRY(oa_model_render_chat(m, messages, 2, sizeof *messages, &o, buf, sizeof buf, NULL));
    TRY(oa_model_tokenize_chat(m, messages, 2, sizeof *messages, &o, ids, 200, &n));
    oa_render_cut cut = OA_RENDER_CUT_INIT;
    o.max_ids = 40;
    o.cut = &cut;
    TRY(oa_model_tokenize_chat(m, messages, 2, sizeof *messages, &o, ids, 200, &n));
    assert_true(cut.n_cut > 0);
end:
    return rc;
}

static void test_api_alloc__tokenize(void **state)
{
    (void)state;
    each_allocation(tokenize);
}

static int use_sessions(oa_model *m)
{
    oa_session *s = NULL, *f = NULL, *other = NULL;
    oa_sampler *sampler = NULL;
    int32_t ids[70], id;
    const float *logits;
    const char *stops[] = {"xyzzy", "abc"};
    oa_sampler_opts so = {sizeof so, &fa.a};
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    oa_generate_opts g = OA_GENERATE_OPTS_INIT;
    int rc;
    o.n_ctx = 200;
    g.stops = stops;
    g.n_stops = 2;
    g.max_tokens = 4;
    for (int i = 0; i < 70; i++)
        ids[i] = 3 * i;
    TRY(oa_session_new(&s, m, &o));
    TRY(oa_session_append(s, ids, 40));
    TRY(oa_session_fork(&f, s));
    TRY(oa_session_append(s, ids + 40, 30));
    TRY(oa_session_step(s, NULL, &id));
    TRY(oa_session_truncate(s, 35));
    TRY(oa_session_get_logits(s, &logits, NULL));
    TRY(oa_session_new(&other, m, &o));
    TRY(oa_session_set_ids(other, ids, 70, NULL));
    TRY(oa_sampler_new(&sampler, &so));
    TRY(oa_sampler_set_text(sampler, "dry_breakers", "1 2 3"));
    TRY(oa_sampler_set(sampler, "repeat_penalty", 1.1));
    TRY(oa_sampler_set_bias(sampler, 5, 1.0f));
    TRY(oa_session_generate(f, sampler, &g, NULL, NULL, NULL));
    oa_step steps[] = {
        {s, NULL, ids, 5, 0, 0}, {f, sampler, NULL, 0, 0, 0}, {other, NULL, ids, 50, 0, 0}};
    TRY(oa_session_step_many(steps, 3, sizeof *steps));
    for (int i = 0; i < 3; i++) {
        assert_true(steps[i].status == OA_OK || steps[i].status == OA_ENOMEM);
        if (steps[i].status < 0) rc = steps[i].status;
    }
end:
    oa_session_free(s);
    oa_session_free(other);
    oa_sampler_free(sampler);
    oa_session_free(f);
    return rc;
}

static void test_api_alloc__sessions(void **state)
{
    (void)state;
    each_allocation(use_sessions);
}

static int use_chat(oa_model *m)
{
    oa_chat *c = NULL;
    oa_sampler *sampler;
    oa_session_opts so = OA_SESSION_OPTS_INIT;
    oa_chat_opts o = OA_CHAT_OPTS_INIT;
    size_t before = 0, after = 0;
    int rc;
    so.n_ctx = 56;
    o.session = &so;
    o.flags = OA_CHAT_DROP_OLDEST;
    o.max_tokens = 3;
    o.system = "Be brief.";
    o.template_name = "chatml";
    TRY(oa_chat_new(&c, m, &o));
    assert_ok(oa_chat_get_sampler(c, &sampler));
    TRY(oa_sampler_set(sampler, "seed", 1));
    TRY(oa_chat_say(c, "a", NULL, NULL));
    TRY(oa_chat_regenerate(c, NULL, NULL));
    oa_chat_get_count(c, &before);
    rc = oa_chat_say(c, "and what was it then", NULL, NULL);
    oa_chat_get_count(c, &after);
    /* Nothing, or the message with what was answered. */
    assert_true(after == before + 2 || (rc < 0 && after == before));
    if (rc < 0) goto end;
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    assert_ok(oa_chat_get_result(c, &r));
    assert_int_equal(r.n_dropped, 2);
    TRY(oa_chat_edit(c, 2, "or so", NULL, NULL));
    TRY(oa_chat_set_system(c, "Be long."));
end:
    oa_chat_free(c);
    return rc;
}

static void test_api_alloc__chat(void **state)
{
    (void)state;
    each_allocation(use_chat);
}

static int use_files(oa_model *m)
{
    oa_session *s = NULL;
    oa_chat *c = NULL;
    int rc;
    TRY(oa_session_open_saved(&s, m, session_path, NULL));
    TRY(oa_session_save(s, session_path));
    TRY(oa_chat_open_saved(&c, m, chat_path, NULL));
    TRY(oa_chat_save(c, chat_path));
end:
    oa_session_free(s);
    oa_chat_free(c);
    return rc;
}

static void test_api_alloc__files(void **state)
{
    (void)state;
    oa_session *s;
    oa_chat *c;
    oa_chat_opts o = OA_CHAT_OPTS_INIT;
    const int32_t ids[] = {1, 2, 3, 4, 5};
    snprintf(session_path, sizeof session_path, "oa-test-alloc-%ld.bin", (long)getpid());
    snprintf(chat_path, sizeof chat_path, "oa-test-alloc-%ld.json", (long)getpid());
    fail_alloc_init(&fa, 0);
    oa_model *m = open_model();
    o.max_tokens = 3;
    assert_ok(oa_session_new(&s, m, NULL));
    assert_ok(oa_session_append(s, ids, 5));
    assert_ok(oa_session_save(s, session_path));
    assert_ok(oa_chat_new(&c, m, &o));
    assert_ok(oa_chat_say(c, "a", NULL, NULL));
    assert_ok(oa_chat_save(c, chat_path));
    oa_chat_free(c);
    oa_session_free(s);
    oa_model_free(m);
    each_allocation(use_files);
    remove(session_path);
    remove(chat_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_alloc__open),     cmocka_unit_test(test_api_alloc__tokenize),
        cmocka_unit_test(test_api_alloc__sessions), cmocka_unit_test(test_api_alloc__chat),
        cmocka_unit_test(test_api_alloc__files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
