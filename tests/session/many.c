/* SPDX-License-Identifier: Apache-2.0 */
#include "session/session_priv.h"

#include "tiny.h"

enum { N = 7 };

static oa_model *model;

static int open_model(void **state)
{
    (void)state;
    model = tiny_open(NULL);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    oa_model_free(model);
    return 0;
}

static oa_sampler *seeded(double seed)
{
    oa_sampler *sampler;
    assert_ok(oa_sampler_new(&sampler, NULL));
    assert_ok(oa_sampler_set(sampler, "seed", seed));
    return sampler;
}

/* Prompts of different lengths, then steps, with new text thrown in; beside each member another
 * session goes the same way alone. */
static void test_session_many__is_what_each_would_get_alone(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, N};
    for (size_t b = 0; b < OA__ARRAY_LEN(sizes); b++) {
        const size_t n = sizes[b];
        oa_step steps[N] = {{0}};
        oa_session *alone[N];
        oa_sampler *sampler[N] = {0};
        int32_t prompt[N][100];
        for (size_t i = 0; i < n; i++) {
            oa_session_opts o = OA_SESSION_OPTS_INIT;
            o.n_ctx = 200;
            o.kv_type = i == 3 ? OA_KV_F32 : OA_KV_F16;
            o.n_batch = i == 5 ? 48 : 0;
            assert_ok(oa_session_new(&steps[i].session, model, &o));
            o.flags = OA_SESSION_NO_SHARING;
            assert_ok(oa_session_new(&alone[i], model, &o));
            if (i % 2) {
                sampler[i] = seeded((double)i);
                steps[i].sampler = seeded((double)i);
            }
            tiny_ids(model, i < 4 ? 1 : i, prompt[i], 100);
            steps[i].ids = prompt[i];
            steps[i].n_ids = 1 + i * 16;
        }
        for (size_t round = 0; round < 20; round++) {
            assert_ok(oa_session_step_many(steps, n, sizeof *steps));
            for (size_t i = 0; i < n; i++) {
                int32_t id;
                assert_ok(steps[i].status);
                assert_ok(oa_session_append(alone[i], steps[i].ids, steps[i].n_ids));
                assert_ok(oa_session_step(alone[i], sampler[i], &id));
                assert_int_equal(steps[i].id, id);
                steps[i].ids = prompt[i] + round;
                steps[i].n_ids = (round + i) % 5 == 0 ? 3 : 0;
            }
        }
        for (size_t i = 0; i < n; i++) {
            assert_true(tiny_logits(steps[i].session) == tiny_logits(alone[i]));
            oa_session_free(steps[i].session);
            oa_session_free(alone[i]);
            oa_sampler_free(sampler[i]);
            oa_sampler_free(steps[i].sampler);
        }
    }
}

static void test_session_many__a_failing_member_disturbs_nobody(void **state)
{
    (void)state;
    int32_t ids[40], bad[2] = {1, -5};
    tiny_ids(model, 2, ids, 40);
    oa_step st[5] = {{0}};
    st[0].session = tiny_session(model, 0, 100);
    st[1].session = tiny_session(model, 0, 30);  /* too small */
    st[2].session = tiny_session(model, 0, 100); /* a bad id */
    st[3].session = tiny_session(model, 0, 100); /* nothing to go on from */
    st[4].session = tiny_session(model, 0, 40);  /* no room for the pick */
    for (size_t i = 0; i < 5; i++) {
        st[i].ids = ids;
        st[i].n_ids = 40;
    }
    st[2].ids = bad;
    st[2].n_ids = 2;
    st[3].n_ids = 0;
    assert_ok(oa_session_step_many(st, 5, sizeof *st));
    assert_int_equal(st[0].status, OA_OK);
    assert_int_equal(st[1].status, OA_EFULL);
    assert_int_equal(st[2].status, OA_EINVAL);
    assert_int_equal(st[3].status, OA_EINVAL);
    assert_int_equal(st[4].status, OA_EFULL);
    assert_int_equal(tiny_len(st[0].session), 41);
    assert_int_equal(tiny_len(st[1].session), 0);
    assert_int_equal(tiny_len(st[2].session), 0);
    assert_int_equal(tiny_len(st[3].session), 0);
    assert_int_equal(tiny_len(st[4].session), 40); /* as append and then step */
    int32_t all[41];
    memcpy(all, ids, sizeof ids);
    all[40] = st[0].id;
    assert_true(tiny_logits(st[0].session) == tiny_alone(model, OA_KV_F16, all, 41));
    assert_true(tiny_logits(st[4].session) == tiny_alone(model, OA_KV_F16, ids, 40));
    /* All of them can be used again. */
    for (size_t i = 0; i < 5; i++)
        assert_ok(oa_session_set_ids(st[i].session, ids, 20, NULL));
    for (size_t i = 0; i < 5; i++)
        oa_session_free(st[i].session);
}

static void test_session_many__a_bad_array_touches_nobody(void **state)
{
    (void)state;
    int32_t id = 1;
    oa_model *other = tiny_open(NULL);
    oa_session *a = tiny_session(model, 0, 100), *b = tiny_session(other, 0, 100);
    oa_step st[3] = {{a, NULL, &id, 1, 0, 0}, {a, NULL, &id, 1, 0, 0}, {b, NULL, &id, 1, 0, 0}};
    assert_err(oa_session_step_many(st, 2, sizeof *st), OA_EINVAL, "twice");
    assert_err(oa_session_step_many(st + 1, 2, sizeof *st), OA_EINVAL, "another model");
    st[0].session = NULL;
    assert_err(oa_session_step_many(st, 2, sizeof *st), OA_EINVAL, "NULL");
    assert_err(oa_session_step_many(NULL, 1, sizeof *st), OA_EINVAL, "NULL");
    assert_err(oa_session_step_many(st, 1, sizeof *st - 8), OA_EINVAL, "bytes");
    assert_err(oa_session_step_many(st, SIZE_MAX / 8, sizeof *st), OA_EINVAL, "bytes");
    assert_ok(oa_session_step_many(NULL, 0, 0));
    assert_int_equal(tiny_len(a), 0);
    assert_int_equal(tiny_len(b), 0);
    /* A caller with a longer struct: fine while its tail is zero. */
    struct {
        oa_step st;
        uint64_t more;
    } longer[2] = {{{a, NULL, &id, 1, 0, 0}, 0}, {{NULL, NULL, &id, 1, 0, 0}, 1}};
    assert_ok(oa_session_step_many(&longer[0].st, 1, sizeof longer[0]));
    longer[1].st.session = a;
    assert_err(oa_session_step_many(&longer[1].st, 1, sizeof longer[1]), OA_EVERSION, "a field");
    assert_ok(oa_session_step_many(st + 1, 1, sizeof *st)); /* a is not stuck */
    oa_session_free(a);
    oa_session_free(b);
    oa_model_free(other);
}

static int stop_third(const char *what, uint64_t done, uint64_t total, void *user)
{
    (void)what;
    (void)done;
    (void)total;
    usleep(41000);
    return ++*(int *)user == 3;
}

static void test_session_many__cancelled_by_one(void **state)
{
    (void)state;
    int32_t ids[60];
    int n_calls = 0;
    tiny_ids(model, 3, ids, 60);
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.n_ctx = 100;
    o.progress_fn = stop_third;
    o.progress_user = &n_calls;
    oa_step st[2] = {{tiny_session(model, 0, 100), NULL, ids, 60, 0, 0},
                     {NULL, NULL, ids + 1, 59, 0, 0}};
    assert_ok(oa_session_new(&st[1].session, model, &o));
    assert_ok(oa_session_append(st[0].session, ids, 5));
    assert_err(oa_session_step_many(st, 2, sizeof *st), OA_ECANCELLED, "cancelled");
    assert_int_equal(st[0].status, OA_ECANCELLED);
    assert_int_equal(tiny_len(st[0].session), 5);
    assert_int_equal(tiny_len(st[1].session), 0);
    assert_true(tiny_logits(st[0].session) == tiny_alone(model, OA_KV_F16, ids, 5));
    st[0].n_ids = 0;
    assert_ok(oa_session_step_many(st, 2, sizeof *st));
    assert_int_equal(tiny_len(st[1].session), 60);
    assert_ok(oa_session_truncate(st[1].session, 59));
    assert_true(tiny_logits(st[1].session) == tiny_alone(model, OA_KV_F16, ids + 1, 59));
    oa_session_free(st[0].session);
    oa_session_free(st[1].session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_many__is_what_each_would_get_alone),
        cmocka_unit_test(test_session_many__a_failing_member_disturbs_nobody),
        cmocka_unit_test(test_session_many__a_bad_array_touches_nobody),
        cmocka_unit_test(test_session_many__cancelled_by_one),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
