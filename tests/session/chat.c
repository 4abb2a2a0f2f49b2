/* SPDX-License-Identifier: Apache-2.0 */
#include "session/session_priv.h"

#include "tiny_file.h"

#include <math.h>

static oa_chat *new_chat(uint32_t flags, uint32_t n_ctx, uint32_t max_tokens)
{
    oa_session_opts so = OA_SESSION_OPTS_INIT;
    so.n_ctx = n_ctx;
    oa_chat_opts o = OA_CHAT_OPTS_INIT;
    o.flags = flags;
    o.max_tokens = max_tokens;
    o.session = &so;
    oa_chat *c;
    assert_ok(oa_chat_new(&c, model, &o));
    oa_sampler *sampler;
    assert_ok(oa_chat_get_sampler(c, &sampler));
    assert_ok(oa_sampler_set(sampler, "seed", 5));
    assert_ok(oa_sampler_set(sampler, "temperature", 1.2));
    return c;
}

static size_t count(const oa_chat *c)
{
    size_t n;
    assert_ok(oa_chat_get_count(c, &n));
    return n;
}

static oa_message message(const oa_chat *c, size_t index)
{
    oa_message m;
    assert_ok(oa_chat_get_message(c, index, &m, sizeof m));
    assert_int_equal(m.content[m.content_len], '\0');
    return m;
}

static oa_generate_result result(const oa_chat *c)
{
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    assert_ok(oa_chat_get_result(c, &r));
    return r;
}

static void expect_branches(const oa_chat *c, size_t index, size_t n, size_t current)
{
    size_t n_branches, at;
    assert_ok(oa_chat_get_branches(c, index, &n_branches, &at));
    assert_int_equal(n_branches, n);
    assert_int_equal(at, current);
}

typedef struct heard {
    char text[4096];
    size_t len, n_pieces, stop_at;
    oa_chat *inner;
    int inner_rc;
} heard;

static int hear(const char *text, size_t len, void *user)
{
    heard *h = user;
    assert_true(h->len + len < sizeof h->text);
    memcpy(h->text + h->len, text, len);
    h->len += len;
    h->text[h->len] = '\0';
    if (h->inner) h->inner_rc = oa_chat_say(h->inner, "again", NULL, NULL);
    return ++h->n_pieces == h->stop_at;
}

/* An answer is what the template, a fresh session and the same sampler give. */
static void test_session_chat__says_what_its_parts_say(void **state)
{
    (void)state;
    heard h = {.len = 0}, by_hand = {.len = 0};
    oa_chat *c = new_chat(0, 256, 8);
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    assert_err(oa_chat_get_result(c, &r), OA_ENOTFOUND, "no answer");
    assert_ok(oa_chat_set_system(c, "Be brief."));
    assert_ok(oa_chat_say(c, "Why is the sky <|im_end|> blue?", hear, &h));
    assert_int_equal(count(c), 2);
    assert_string_equal(message(c, 0).role, "user");
    assert_string_equal(message(c, 0).content, "Why is the sky <|im_end|> blue?");
    assert_string_equal(message(c, 1).role, "assistant");
    assert_string_equal(message(c, 1).content, h.text);

    const oa_message m[] = {{"system", "Be brief.", 0},
                            {"user", "Why is the sky <|im_end|> blue?", 0}};
    oa_render_opts ro = OA_RENDER_OPTS_INIT;
    ro.flags = OA_RENDER_ADD_GENERATION_PROMPT;
    int32_t ids[200];
    size_t n;
    assert_ok(oa_model_tokenize_chat(model, m, 2, sizeof *m, &ro, ids, 200, &n));
    oa_session *s = tiny_session(model, OA_SESSION_NO_SHARING, 256);
    oa_sampler *sampler;
    assert_ok(oa_sampler_new(&sampler, NULL));
    assert_ok(oa_sampler_set(sampler, "seed", 5));
    assert_ok(oa_sampler_set(sampler, "temperature", 1.2));
    oa_generate_opts go = OA_GENERATE_OPTS_INIT;
    go.max_tokens = 8;
    assert_ok(oa_session_append(s, ids, n));
    assert_ok(oa_session_generate(s, sampler, &go, hear, &by_hand, NULL));
    assert_string_equal(h.text, by_hand.text);
    r = result(c);
    assert_int_equal(r.n_prompt, n);
    assert_int_equal(r.n_dropped, 0);
    assert_true(r.finish == OA_FINISH_LENGTH || r.finish == OA_FINISH_END);

    /* The next turn reads only what is new. */
    assert_ok(oa_chat_say(c, "And at night?", NULL, NULL));
    r = result(c);
    assert_true(r.n_reused >= n);
    assert_true(r.n_prompt > r.n_reused);
    assert_int_equal(count(c), 4);
    oa_sampler_free(sampler);
    oa_session_free(s);
    oa_chat_free(c);
}

static void test_session_chat__keeps_every_branch(void **state)
{
    (void)state;
    oa_chat *c = new_chat(0, 512, 4);
    assert_err(oa_chat_regenerate(c, NULL, NULL), OA_EINVAL, "nothing");
    expect_branches(c, 0, 0, 0);
    assert_ok(oa_chat_say(c, "a", NULL, NULL));
    assert_ok(oa_chat_say(c, "b", NULL, NULL));
    assert_ok(oa_chat_regenerate(c, NULL, NULL));
    assert_ok(oa_chat_regenerate(c, NULL, NULL));
    expect_branches(c, 3, 3, 2);
    expect_branches(c, 0, 1, 0);
    char second[256];
    assert_ok(oa_chat_select(c, 3, 1));
    snprintf(second, sizeof second, "%s", message(c, 3).content);
    assert_ok(oa_chat_say(c, "c", NULL, NULL));
    assert_int_equal(count(c), 6);
    assert_ok(oa_chat_edit(c, 2, "b2", NULL, NULL));
    assert_int_equal(count(c), 4);
    assert_string_equal(message(c, 2).content, "b2");
    expect_branches(c, 2, 2, 1);
    expect_branches(c, 3, 1, 0);
    assert_ok(oa_chat_edit(c, 0, "a2", NULL, NULL));
    assert_int_equal(count(c), 2);
    expect_branches(c, 0, 2, 1);
    /* Selecting follows the newest messages. */
    assert_ok(oa_chat_select(c, 0, 0));
    assert_string_equal(message(c, 2).content, "b2");
    assert_ok(oa_chat_select(c, 2, 0));
    assert_int_equal(count(c), 4); /* the third answer, which nothing follows */
    expect_branches(c, 3, 3, 2);
    assert_ok(oa_chat_select(c, 3, 1));
    assert_int_equal(count(c), 6);
    assert_string_equal(message(c, 3).content, second);
    assert_string_equal(message(c, 4).content, "c");
    /* Going back leaves the rest in the tree. */
    assert_ok(oa_chat_back(c, 3));
    expect_branches(c, 3, 3, 3);
    assert_ok(oa_chat_regenerate(c, NULL, NULL)); /* answers the user message at the end */
    expect_branches(c, 3, 4, 3);
    assert_ok(oa_chat_back(c, 0));
    assert_int_equal(count(c), 0);
    expect_branches(c, 0, 2, 2);
    assert_ok(oa_chat_select(c, 0, 1));
    assert_string_equal(message(c, 0).content, "a2");

    assert_err(oa_chat_back(c, 3), OA_EINVAL, "3");
    assert_err(oa_chat_select(c, 0, 2), OA_EINVAL, "branch 2");
    assert_err(oa_chat_select(c, 2, 0), OA_EINVAL, "branch 0");
    assert_err(oa_chat_select(c, 3, 0), OA_EINVAL, "place 3");
    assert_err(oa_chat_edit(c, 1, "x", NULL, NULL), OA_EINVAL, "assistant");
    assert_err(oa_chat_edit(c, 2, "x", NULL, NULL), OA_EINVAL, "2");
    oa_message m;
    assert_err(oa_chat_get_message(c, 2, &m, sizeof m), OA_EINVAL, "2");
    assert_int_equal(count(c), 2);
    oa_chat_free(c);
}

static void test_session_chat__a_failure_changes_nothing(void **state)
{
    (void)state;
    oa_chat *c = new_chat(0, 64, 4);
    char longer[1024];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_ok(oa_chat_say(c, "a", NULL, NULL));
    assert_err(oa_chat_say(c, longer, NULL, NULL), OA_EFULL, "context");
    assert_err(oa_chat_edit(c, 0, longer, NULL, NULL), OA_EFULL, "context");
    assert_int_equal(count(c), 2);
    expect_branches(c, 0, 1, 0);
    expect_branches(c, 2, 0, 0);
    assert_ok(oa_chat_regenerate(c, NULL, NULL));
    oa_chat_free(c);

    oa_chat_opts o = OA_CHAT_OPTS_INIT;
    o.template_text = "{% if messages|length > 2 %}{{ raise_exception('too long') }}{% endif %}hm";
    o.max_tokens = 2;
    assert_ok(oa_chat_new(&c, model, &o));
    assert_ok(oa_chat_say(c, "a", NULL, NULL));
    assert_err(oa_chat_say(c, "b", NULL, NULL), OA_ETEMPLATE, "too long");
    assert_int_equal(count(c), 2);
    assert_ok(oa_chat_regenerate(c, NULL, NULL));
    oa_chat_free(c);

    o.template_text = "{% if %}";
    assert_err(oa_chat_new(&c, model, &o), OA_ETEMPLATE, "line 1");
    assert_null(c);
    o.template_text = NULL;
    o.template_name = "no such";
    assert_err(oa_chat_new(&c, model, &o), OA_EINVAL, "no such");
    o.template_name = "zephyr";
    assert_ok(oa_chat_new(&c, model, &o));
    assert_ok(oa_chat_say(c, "a", NULL, NULL));
    oa_chat_free(c);
}

/* A conversation much longer than the context. */
static void test_session_chat__drops_its_oldest_turns(void **state)
{
    (void)state;
    oa_chat *c = new_chat(OA_CHAT_DROP_OLDEST, 160, 6);
    assert_ok(oa_chat_set_system(c, "Never lose this."));
    size_t n_dropped = 0, n_moved = 0;
    for (int i = 0; i < 30; i++) {
        char text[64];
        snprintf(text, sizeof text, "number %d of the things that are said", i);
        assert_ok(oa_chat_say(c, text, NULL, NULL));
        const oa_generate_result r = result(c);
        assert_true(r.n_prompt < 160);
        assert_true(r.n_dropped >= n_dropped && r.n_dropped % 2 == 0);
        assert_true(r.n_dropped + 1 <= count(c));
        n_moved += r.n_dropped != n_dropped;
        if (r.n_dropped == n_dropped && i > 0) assert_true(r.n_reused > 0);
        n_dropped = r.n_dropped;
    }
    assert_int_equal(count(c), 60); /* nothing is lost */
    assert_true(n_dropped > 40);
    assert_true(n_moved >= 3 && n_moved < 25); /* several turns at a time */
    /* A shorter path fits again. */
    assert_ok(oa_chat_back(c, 2));
    assert_ok(oa_chat_say(c, "short", NULL, NULL));
    assert_int_equal(result(c).n_dropped, 0);
    /* What can't be dropped can't be made to fit. */
    char longer[2048];
    memset(longer, 'y', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_err(oa_chat_say(c, longer, NULL, NULL), OA_EFULL, "context");
    oa_chat_free(c);
}

/* The same, cut by tokens as Open Assistant did. */
static void test_session_chat__cuts_its_oldest_tokens(void **state)
{
    (void)state;
    oa_chat *c = new_chat(OA_CHAT_CUT_OLDEST, 160, 6);
    assert_ok(oa_chat_set_system(c, "Never lose this."));
    uint64_t n_cut = 0, n_dropped = 0;
    for (int i = 0; i < 30; i++) {
        char text[64];
        snprintf(text, sizeof text, "number %d of the things that are said", i);
        assert_ok(oa_chat_say(c, text, NULL, NULL));
        const oa_generate_result r = result(c);
        assert_true(r.n_prompt <= 154);
        if (r.n_cut > 0) assert_true(r.n_prompt >= 144); /* 154 less 1 and an opening */
        assert_true(r.n_cut >= n_cut && r.n_dropped >= n_dropped);
        n_cut = r.n_cut;
        n_dropped = r.n_dropped;
    }
    assert_int_equal(count(c), 60); /* nothing is lost */
    assert_true(n_dropped > 40);
    char longer[2048]; /* one message alone can be cut, too */
    memset(longer, 'y', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_ok(oa_chat_say(c, longer, NULL, NULL));
    assert_int_equal(result(c).n_dropped, 60);
    assert_ok(oa_chat_back(c, 2)); /* a shorter path fits again */
    assert_ok(oa_chat_say(c, "short", NULL, NULL));
    assert_int_equal(result(c).n_dropped, 0);
    assert_int_equal(result(c).n_cut, 0);
    oa_chat_free(c);

    /* Without a limit an answer ends one token before the context is full. */
    c = new_chat(OA_CHAT_CUT_OLDEST, 40, 0);
    assert_ok(oa_chat_say(c, longer, NULL, NULL));
    oa_generate_result r = result(c);
    assert_true(r.n_prompt <= 30 && r.n_prompt + r.n_tokens <= 39);
    if (r.finish != OA_FINISH_END) assert_int_equal(r.n_prompt + r.n_tokens, 39);
    oa_chat_free(c);

    oa_chat_opts o = OA_CHAT_OPTS_INIT;
    o.flags = OA_CHAT_CUT_OLDEST;
    o.max_prompt = 50;
    o.max_tokens = 2;
    assert_ok(oa_chat_new(&c, model, &o));
    assert_ok(oa_chat_say(c, longer, NULL, NULL));
    assert_true(result(c).n_prompt <= 50 && result(c).n_cut > 0);
    oa_chat_free(c);
    o.template_name = "plain"; /* knows no tokens to cut at */
    assert_ok(oa_chat_new(&c, model, &o));
    assert_err(oa_chat_say(c, longer, NULL, NULL), OA_EUNSUPPORTED, "none that can be cut");
    assert_int_equal(count(c), 0);
    oa_chat_free(c);
    o.flags |= OA_CHAT_DROP_OLDEST;
    assert_err(oa_chat_new(&c, model, &o), OA_EINVAL, "exclude");
}

static int stop_prompt(const char *what, uint64_t done, uint64_t total, void *user)
{
    (void)what;
    (void)done;
    (void)total;
    return *(int *)user;
}

static void test_session_chat__cancelled(void **state)
{
    (void)state;
    heard h = {.stop_at = 3};
    oa_chat *c = new_chat(0, 256, 0);
    assert_ok(oa_chat_say(c, "go", hear, &h));
    assert_int_equal(result(c).finish, OA_FINISH_CANCELLED);
    assert_int_equal(h.n_pieces, 3);
    assert_string_equal(message(c, 1).content, h.text);
    /* A callback can't change the chat it is called from. */
    heard inner = {.stop_at = 2, .inner = c};
    assert_ok(oa_chat_say(c, "go on", hear, &inner));
    assert_int_equal(inner.inner_rc, OA_EBUSY);
    assert_int_equal(count(c), 4);
    oa_chat_free(c);

    int stop = 1;
    oa_session_opts so = OA_SESSION_OPTS_INIT;
    so.progress_fn = stop_prompt;
    so.progress_user = &stop;
    oa_chat_opts o = OA_CHAT_OPTS_INIT;
    o.session = &so;
    o.max_tokens = 3;
    assert_ok(oa_chat_new(&c, model, &o));
    assert_err(oa_chat_say(c, "a", NULL, NULL), OA_ECANCELLED, "prompt");
    assert_int_equal(count(c), 0);
    stop = 0;
    assert_ok(oa_chat_say(c, "a", NULL, NULL));
    oa_chat_free(c);
}

static void test_session_chat__a_full_context_keeps_the_answer(void **state)
{
    (void)state;
    heard h = {.len = 0};
    oa_chat *c = new_chat(0, 40, 0);
    oa_sampler *sampler;
    assert_ok(oa_chat_get_sampler(c, &sampler));
    oa_model_info info = OA_MODEL_INFO_INIT;
    assert_ok(oa_model_get_info(model, &info));
    for (int32_t id = 0; id < (int32_t)info.n_vocab; id++) {
        if (oa_model_is_end(model, id)) assert_ok(oa_sampler_set_bias(sampler, id, -INFINITY));
    }
    assert_err(oa_chat_say(c, "a", hear, &h), OA_EFULL, "full");
    assert_int_equal(count(c), 2);
    assert_string_equal(message(c, 1).content, h.text);
    assert_int_equal(result(c).finish, OA_FINISH_FULL);
    oa_chat_free(c);
}

/* --- files -------------------------------------------------------------------------------------
 */

static void write_file(const char *text, size_t len)
{
    remove(path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);
}

static void test_session_chat__saved_and_opened(void **state)
{
    (void)state;
    oa_chat *c = new_chat(0, 512, 5), *d;
    assert_ok(oa_chat_set_system(c, "S \"quoted\" \\ \n\t\x01 \xc3\xa4\xf0\x9f\x98\x80"));
    assert_ok(oa_chat_say(c,
                          "a\xff"
                          "b",
                          NULL, NULL)); /* not UTF-8: becomes U+FFFD */
    assert_string_equal(message(c, 0).content, "a\xef\xbf\xbd"
                                               "b");
    assert_ok(oa_chat_regenerate(c, NULL, NULL));
    assert_ok(oa_chat_say(c, "", NULL, NULL));
    assert_ok(oa_chat_edit(c, 0, "other", NULL, NULL));
    assert_ok(oa_chat_select(c, 0, 0));
    assert_ok(oa_chat_save(c, path));
    oa_chat_opts o = OA_CHAT_OPTS_INIT;
    o.system = "not this";
    assert_ok(oa_chat_open_saved(&d, model, path, &o));
    assert_string_equal(c->system, d->system);
    assert_int_equal(count(d), count(c));
    for (size_t i = 0; i < count(c); i++) {
        size_t n, at;
        assert_int_equal(message(d, i).content_len, message(c, i).content_len);
        assert_string_equal(message(d, i).content, message(c, i).content);
        assert_string_equal(message(d, i).role, message(c, i).role);
        assert_ok(oa_chat_get_branches(c, i, &n, &at));
        expect_branches(d, i, n, at);
    }
    assert_ok(oa_chat_back(d, 0));
    assert_ok(oa_chat_set_system(d, NULL));
    assert_ok(oa_chat_save(d, path));
    oa_chat_free(d);
    assert_ok(oa_chat_open_saved(&d, model, path, NULL));
    assert_int_equal(count(d), 0);
    assert_null(d->system);
    expect_branches(d, 0, 2, 2);
    oa_chat_free(d);
    assert_true(oa_chat_save(c, "no/such/folder/file") < 0);
    oa_chat_free(c);
}

#define HEAD "{\"format\": \"openassistant chat\", \"version\": 1, "

static void test_session_chat__damaged_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want;
    } tries[] = {
        {"", OA_EFORMAT},
        {"{", OA_EFORMAT},
        {"[]", OA_EFORMAT},
        {"null", OA_EFORMAT},
        {"{\"format\": \"x\"}", OA_EFORMAT},
        {"{\"format\": \"openassistant chat\", \"version\": 2}", OA_EVERSION},
        {"{\"format\": \"openassistant chat\", \"version\": \"1\"}", OA_EFORMAT},
        {HEAD "\"messages\": 3}", OA_EFORMAT},
        {HEAD "\"messages\": [3]}", OA_EFORMAT},
        {HEAD "\"messages\": [{\"role\": \"user\", \"text\": \"a\"}]}", OA_EFORMAT},
        {HEAD "\"messages\": [{\"parent\": 0, \"role\": \"user\", \"text\": \"a\"}]}", OA_EFORMAT},
        {HEAD "\"messages\": [{\"parent\": -1, \"role\": \"user\", \"text\": \"a\"}]}", OA_EFORMAT},
        {HEAD "\"messages\": [{\"parent\": null, \"role\": \"tool\", \"text\": \"a\"}]}",
         OA_EFORMAT},
        {HEAD "\"messages\": [{\"parent\": null, \"role\": \"user\", \"text\": 1}]}", OA_EFORMAT},
        {HEAD "\"messages\": [], \"current\": 0}", OA_EFORMAT},
        {HEAD "\"messages\": [], \"current\": \"x\"}", OA_EFORMAT},
        {HEAD "\"messages\": [], \"system\": 4}", OA_EFORMAT},
        {HEAD "\"messages\": [], \"system\": \"a\\u0000\"}", OA_EFORMAT},
        {HEAD "\"messages\": [], \"messages\": []}", OA_EFORMAT},
        {HEAD "\"messages\": [], \"more\": {\"a\": 1}}", OA_OK},
        {HEAD "\"messages\": [{\"parent\": null, \"role\": \"user\", \"text\": \"a\\u0000b\"}], "
              "\"current\": 0}",
         OA_OK},
    };
    oa_chat *c;
    for (size_t i = 0; i < OA__ARRAY_LEN(tries); i++) {
        write_file(tries[i].text, strlen(tries[i].text));
        const uint64_t used = oa__model_mem(model)->used;
        const int rc = oa_chat_open_saved(&c, model, path, NULL);
        if (rc != tries[i].want) fail_msg("%s: %s", tries[i].text, oa_error_last());
        if (rc == OA_OK && c->tree.n > 0) assert_int_equal(message(c, 0).content_len, 3);
        oa_chat_free(c);
        assert_int_equal(oa__model_mem(model)->used, used);
    }
    /* Nesting without end, and every length of a good file. */
    char deep[5000];
    memset(deep, '[', sizeof deep);
    write_file(deep, sizeof deep);
    assert_err(oa_chat_open_saved(&c, model, path, NULL), OA_EFORMAT, "depth");
    /* Ten megabytes that a parser would make a gigabyte of. */
    char *many = malloc(10000000);
    assert_non_null(many);
    for (size_t i = 0; i < 10000000; i += 2)
        memcpy(many + i, i == 0 ? "[0" : ",0", 2);
    write_file(many, 10000000);
    assert_err(oa_chat_open_saved(&c, model, path, NULL), OA_EFORMAT, "values");
    free(many);
    const char good[] =
        HEAD "\"messages\": [{\"parent\": null, \"role\": \"user\", \"text\": \"a\"},"
             "{\"parent\": 0, \"role\": \"assistant\", \"text\": \"b\"}]}";
    for (size_t n = 0; n < sizeof good - 1; n++) {
        write_file(good, n);
        assert_int_equal(oa_chat_open_saved(&c, model, path, NULL), OA_EFORMAT);
        assert_null(c);
    }
    assert_err(oa_chat_open_saved(&c, model, "no/such/file", NULL), OA_ENOTFOUND, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_chat__says_what_its_parts_say),
        cmocka_unit_test(test_session_chat__keeps_every_branch),
        cmocka_unit_test(test_session_chat__a_failure_changes_nothing),
        cmocka_unit_test(test_session_chat__drops_its_oldest_turns),
        cmocka_unit_test(test_session_chat__cuts_its_oldest_tokens),
        cmocka_unit_test(test_session_chat__cancelled),
        cmocka_unit_test(test_session_chat__a_full_context_keeps_the_answer),
        cmocka_unit_test(test_session_chat__saved_and_opened),
        cmocka_unit_test(test_session_chat__damaged_files),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
