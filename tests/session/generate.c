/* SPDX-License-Identifier: Apache-2.0 */
#include "session/session_priv.h"

#include "tiny.h"

enum { N_PROMPT = 5, N_TOKENS = 60 };

static oa_model *model;
static int32_t prompt[N_PROMPT];

static int open_model(void **state)
{
    (void)state;
    model = tiny_open(NULL);
    tiny_ids(model, 1, prompt, N_PROMPT);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    oa_model_free(model);
    return 0;
}

typedef struct heard {
    char text[8192];
    size_t len, n_pieces, stop_at;
} heard;

static int hear(const char *text, size_t len, void *user)
{
    heard *h = user;
    assert_true(len >= 1);
    assert_true(oa__utf8_valid(text, len)); /* whole characters, whatever the tokens are */
    assert_true(h->len + len < sizeof h->text);
    memcpy(h->text + h->len, text, len);
    h->len += len;
    h->text[h->len] = '\0';
    return ++h->n_pieces == h->stop_at;
}

/* The same random answer each time. */
static int generate(heard *h, const oa_generate_opts *o, uint32_t n_ctx, oa_generate_result *r,
                    oa_session **keep)
{
    oa_session *s = tiny_session(model, 0, n_ctx);
    oa_sampler *sampler;
    assert_ok(oa_sampler_new(&sampler, NULL));
    assert_ok(oa_sampler_set(sampler, "seed", 7));
    assert_ok(oa_sampler_set(sampler, "temperature", 1.5));
    assert_ok(oa_sampler_set(sampler, "top_k", 0));
    assert_ok(oa_sampler_set(sampler, "min_p", 0));
    assert_ok(oa_session_append(s, prompt, N_PROMPT));
    const int rc = oa_session_generate(s, sampler, o, hear, h, r);
    assert_int_equal(tiny_len(s), N_PROMPT + r->n_tokens);
    oa_sampler_free(sampler);
    if (keep)
        *keep = s;
    else
        oa_session_free(s);
    return rc;
}

static oa_generate_opts defaults(uint32_t max_tokens)
{
    oa_generate_opts o = OA_GENERATE_OPTS_INIT;
    o.max_tokens = max_tokens;
    o.flags = OA_GENERATE_IGNORE_END;
    return o;
}

static void test_session_generate__is_what_the_tokens_spell(void **state)
{
    (void)state;
    heard h = {.len = 0};
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    oa_generate_opts o = defaults(N_TOKENS);
    oa_session *s;
    assert_ok(generate(&h, &o, 200, &r, &s));
    assert_int_equal(r.finish, OA_FINISH_LENGTH);
    assert_int_equal(r.n_tokens, N_TOKENS);
    assert_true(r.generate_ns > 0 && h.len > 0);
    const int32_t *ids;
    assert_ok(oa_session_get_ids(s, &ids, NULL));
    oa__str bytes = {0}, text = {0};
    oa__utf8_stream utf8 = {0};
    for (size_t i = N_PROMPT; i < N_PROMPT + N_TOKENS; i++) {
        assert_ok(oa__vocab_decode(oa__model_vocab(model), ids + i, 1, false, false, &bytes));
    }
    assert_ok(oa__utf8_stream_add(&utf8, bytes.data, bytes.len, &text));
    assert_ok(oa__utf8_stream_end(&utf8, &text));
    assert_int_equal(h.len, text.len);
    assert_memory_equal(h.text, text.data, text.len);
    oa__str_free(&bytes);
    oa__str_free(&text);
    oa_session_free(s);
}

static void test_session_generate__stop_strings_across_tokens(void **state)
{
    (void)state;
    heard whole = {.len = 0};
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    oa_generate_opts o = defaults(N_TOKENS);
    assert_ok(generate(&whole, &o, 200, &r, NULL));
    size_t n_stopped = 0;
    uint64_t seed = 3;
    for (size_t round = 0; round < 150; round++) {
        /* A piece of the answer, cut at characters, and two that are near misses. */
        size_t from = tiny_random(&seed) % whole.len, len = 1 + tiny_random(&seed) % 12;
        while (from > 0 && (whole.text[from] & 0xc0) == 0x80)
            from--;
        if (len > whole.len - from) len = whole.len - from;
        while (from + len < whole.len && (whole.text[from + len] & 0xc0) == 0x80)
            len++;
        char stop[32], near1[40], near2[40];
        memcpy(stop, whole.text + from, len);
        stop[len] = '\0';
        if (strlen(stop) == 0) continue;
        snprintf(near1, sizeof near1, "%s\x01\x02", stop);
        snprintf(near2, sizeof near2, "\x03%s", stop);
        const char *stops[] = {near1, stop, near2};
        o.stops = stops;
        o.n_stops = 3;
        const char *at = strstr(whole.text, stop);
        heard h = {.len = 0};
        assert_ok(generate(&h, &o, 200, &r, NULL));
        assert_int_equal(r.finish, OA_FINISH_STOP);
        assert_int_equal(h.len, (size_t)(at - whole.text));
        assert_memory_equal(h.text, whole.text, h.len);
        n_stopped++;
    }
    assert_true(n_stopped > 100);
    /* One that never comes holds nothing back for good. */
    char nearly[64];
    snprintf(nearly, sizeof nearly, "%.*s\x01", 20, whole.text + whole.len - 20);
    const char *stops[] = {oa__utf8_valid(nearly, strlen(nearly)) ? nearly : "\x01"};
    o.stops = stops;
    o.n_stops = 1;
    heard h = {.len = 0};
    assert_ok(generate(&h, &o, 200, &r, NULL));
    assert_int_equal(r.finish, OA_FINISH_LENGTH);
    assert_string_equal(h.text, whole.text);
}

static void test_session_generate__how_it_ends(void **state)
{
    (void)state;
    heard whole = {.len = 0};
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    oa_generate_opts o = defaults(0);
    oa_session *s;
    /* Full: everything that was generated has been given. */
    assert_err(generate(&whole, &o, 40, &r, &s), OA_EFULL, "full");
    assert_int_equal(r.finish, OA_FINISH_FULL);
    assert_int_equal(r.n_tokens, 40 - N_PROMPT);
    oa_session_free(s);
    heard h = {.len = 0};
    o.max_tokens = 40 - N_PROMPT;
    assert_ok(generate(&h, &o, 200, &r, NULL));
    assert_string_equal(h.text, whole.text);
    assert_int_equal(r.finish, OA_FINISH_LENGTH);
    /* Ended by the callback, after each piece. */
    for (size_t n = 1; n < whole.n_pieces; n += 3) {
        memset(&h, 0, sizeof h);
        h.stop_at = n;
        assert_ok(generate(&h, &o, 200, &r, NULL));
        assert_int_equal(r.finish, OA_FINISH_CANCELLED);
        assert_int_equal(h.n_pieces, n);
        assert_memory_equal(h.text, whole.text, h.len);
    }
    /* By an end token: forced through a bias, which only the token itself can carry. */
    oa_model_info info = OA_MODEL_INFO_INIT;
    assert_ok(oa_model_get_info(model, &info));
    assert_true(info.eos_id >= 0);
    oa_sampler *sampler;
    assert_ok(oa_sampler_new(&sampler, NULL));
    assert_ok(oa_sampler_set_bias(sampler, info.eos_id, 1e6f));
    for (uint32_t flags = 0; flags < 4; flags++) {
        oa_generate_opts e = OA_GENERATE_OPTS_INIT;
        e.flags = flags;
        e.max_tokens = 3;
        memset(&h, 0, sizeof h);
        s = tiny_session(model, 0, 100);
        assert_ok(oa_session_append(s, prompt, N_PROMPT));
        assert_ok(oa_session_generate(s, sampler, &e, hear, &h, &r));
        const bool ignore = (flags & OA_GENERATE_IGNORE_END) != 0;
        assert_int_equal(r.finish, ignore ? OA_FINISH_LENGTH : OA_FINISH_END);
        assert_int_equal(r.n_tokens, ignore ? 3 : 1);
        assert_int_equal(h.len > 0, (flags & OA_GENERATE_SPECIAL) != 0);
        oa_session_free(s);
    }
    oa_sampler_free(sampler);
}

/* Says stop once two pieces were heard: however slow the machine is, not before. */
static int stop_later(const char *what, uint64_t done, uint64_t total, void *user)
{
    (void)what;
    (void)done;
    (void)total;
    return ((const heard *)user)->n_pieces >= 2;
}

static int slow_hear(const char *text, size_t len, void *user)
{
    usleep(15000);
    return hear(text, len, user);
}

static void test_session_generate__cancelled_by_progress(void **state)
{
    (void)state;
    heard h = {.len = 0};
    oa_session_opts so = OA_SESSION_OPTS_INIT;
    so.progress_fn = stop_later;
    so.progress_user = &h;
    oa_session *s;
    assert_ok(oa_session_new(&s, model, &so));
    assert_ok(oa_session_append(s, prompt, N_PROMPT));
    oa_generate_opts o = defaults(100);
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    assert_err(oa_session_generate(s, NULL, &o, slow_hear, &h, &r), OA_ECANCELLED, "generate");
    assert_int_equal(r.finish, OA_FINISH_CANCELLED);
    assert_true(r.n_tokens > 0 && r.n_tokens < 100);
    assert_int_equal(tiny_len(s), N_PROMPT + r.n_tokens);
    /* It can go on. */
    h.n_pieces = 0;
    o.max_tokens = 1;
    assert_ok(oa_session_generate(s, NULL, &o, NULL, NULL, NULL));
    oa_session_free(s);
}

static void test_session_generate__what_is_refused(void **state)
{
    (void)state;
    oa_session *s = tiny_session(model, 0, 100);
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    r.n_tokens = 77;
    assert_err(oa_session_generate(s, NULL, NULL, NULL, NULL, &r), OA_EINVAL, "empty");
    assert_int_equal(r.n_tokens, 0);
    assert_int_equal(r.finish, OA_FINISH_NONE);
    assert_ok(oa_session_append(s, prompt, N_PROMPT));
    oa_generate_opts o = OA_GENERATE_OPTS_INIT;
    o.n_stops = 1;
    assert_err(oa_session_generate(s, NULL, &o, NULL, NULL, &r), OA_EINVAL, "stops");
    o.n_stops = 0;
    o.flags = 1u << 20;
    assert_err(oa_session_generate(s, NULL, &o, NULL, NULL, &r), OA_EINVAL, "flags");
    o.size = 3;
    assert_true(oa_session_generate(s, NULL, &o, NULL, NULL, &r) < 0);
    r.size = 0;
    assert_true(oa_session_generate(s, NULL, NULL, NULL, NULL, &r) < 0);
    assert_int_equal(tiny_len(s), N_PROMPT);
    oa_session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_generate__is_what_the_tokens_spell),
        cmocka_unit_test(test_session_generate__stop_strings_across_tokens),
        cmocka_unit_test(test_session_generate__how_it_ends),
        cmocka_unit_test(test_session_generate__cancelled_by_progress),
        cmocka_unit_test(test_session_generate__what_is_refused),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
