/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every public function with NULL, zero and out-of-range values: an error code and a reason, no
 * crash, and out pointers are NULL. The last test reads tests/abi/symbols.txt and this file: a
 * function that is exported and not called here fails it.
 */
#include "session/tiny.h"

#include <math.h>

#include <openassistant/experimental.h>

static oa_model *model, *vocab_only;
static oa_session *session;
static oa_sampler *sampler;
static oa_chat *chat;

static int setup(void **state)
{
    (void)state;
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    oa_chat_opts c = OA_CHAT_OPTS_INIT;
    model = tiny_open(NULL);
    o.flags = OA_MODEL_VOCAB_ONLY;
    vocab_only = tiny_open(&o);
    session = tiny_session(model, 0, 64);
    assert_ok(oa_sampler_new(&sampler, NULL));
    c.max_tokens = 2;
    assert_ok(oa_chat_new(&chat, model, &c));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    oa_chat_free(chat);
    oa_sampler_free(sampler);
    oa_session_free(session);
    oa_model_free(vocab_only);
    oa_model_free(model);
    return 0;
}

/* Fails with OA_EINVAL and says why. */
#define assert_inval(expr) assert_err(expr, OA_EINVAL, "")

/* Something that is not NULL, to see that failures set it. */
#define JUNK ((void *)(uintptr_t)0x10)

/* Options of a size that no version had, with a tail that this one does not know, and with an
 * unknown flag. */
#define assert_opts_refused(opts, call)                                                            \
    do {                                                                                           \
        const size_t right_ = (opts).size;                                                         \
        (opts).size = 0;                                                                           \
        assert_inval(call);                                                                        \
        (opts).size = 3;                                                                           \
        assert_inval(call);                                                                        \
        (opts).size = right_;                                                                      \
        (opts).flags = 1u << 31;                                                                   \
        assert_inval(call);                                                                        \
        (opts).flags = 0;                                                                          \
    } while (0)

static void test_api_args__version_and_errors(void **state)
{
    (void)state;
    assert_int_equal(oa_version_number(), OA_VERSION_NUMBER);
    assert_non_null(strchr(oa_version(), '.'));
    assert_non_null(strstr(oa_build_info(), oa_version()));
    assert_non_null(oa_error_last());
    assert_string_equal(oa_error_name(1), "OA_UNKNOWN");
    assert_string_equal(oa_error_name(INT32_MIN), "OA_UNKNOWN");
    assert_string_equal(oa_error_text(-1000), "unknown error");
    assert_string_equal(oa_error_name(OA_EFULL), "OA_EFULL");
}

static void nothing(void *ptr, void *user)
{
    (void)ptr;
    (void)user;
}

static void test_api_args__model(void **state)
{
    (void)state;
    oa_model *m = JUNK;
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    oa_allocator half = OA_ALLOCATOR_INIT;
    half.free_fn = nothing;
    assert_inval(oa_model_open(NULL, tiny_path(), NULL));
    assert_inval(oa_model_open(&m, NULL, NULL));
    assert_null(m);
    assert_opts_refused(o, oa_model_open(&m, tiny_path(), &o));
    o.n_threads = UINT32_MAX;
    assert_inval(oa_model_open(&m, tiny_path(), &o));
    o.n_threads = 0;
    o.cpu = 77;
    assert_inval(oa_model_open(&m, tiny_path(), &o));
    o.cpu = 0;
    o.log_level = 99;
    assert_inval(oa_model_open(&m, tiny_path(), &o));
    o.log_level = 0;
    o.allocator = &half;
    assert_inval(oa_model_open(&m, tiny_path(), &o));
    o.allocator = NULL;
    o.memory_limit = 1;
    assert_err(oa_model_open(&m, tiny_path(), &o), OA_ENOMEM, "");
    assert_err(oa_model_open(&m, "no/such/file", NULL), OA_ENOTFOUND, "");
    assert_true(oa_model_open(&m, "", NULL) < 0);
    assert_true(oa_model_open(&m, "/", NULL) < 0);
    assert_null(m);
    assert_null(oa_model_ref(NULL));
    oa_model_free(NULL);

    oa_model_info info = OA_MODEL_INFO_INIT;
    oa_memory_estimate e = OA_MEMORY_ESTIMATE_INIT;
    assert_inval(oa_model_get_info(NULL, &info));
    assert_inval(oa_model_get_info(model, NULL));
    info.size = 1;
    assert_inval(oa_model_get_info(model, &info));
    assert_inval(oa_model_estimate_memory(NULL, NULL, 0, 0, &e));
    assert_inval(oa_model_estimate_memory(tiny_path(), NULL, 0, 0, NULL));
    assert_inval(oa_model_estimate_memory(tiny_path(), NULL, 0, 9, &e));
    o.memory_limit = 0;
    assert_opts_refused(o, oa_model_estimate_memory(tiny_path(), &o, 0, 0, &e));
    assert_ok(oa_model_estimate_memory(tiny_path(), NULL, UINT32_MAX, 1, &e));

    size_t n;
    const char *key;
    char buf[8];
    assert_inval(oa_model_get_meta_count(NULL, &n));
    assert_inval(oa_model_get_meta_count(model, NULL));
    assert_ok(oa_model_get_meta_count(model, &n));
    assert_inval(oa_model_get_meta_key(NULL, 0, &key));
    assert_inval(oa_model_get_meta_key(model, 0, NULL));
    assert_inval(oa_model_get_meta_key(model, n, &key));
    assert_inval(oa_model_get_meta_key(model, SIZE_MAX, &key));
    assert_inval(oa_model_copy_meta(NULL, "a", buf, sizeof buf, &n));
    assert_inval(oa_model_copy_meta(model, NULL, buf, sizeof buf, &n));
    assert_inval(oa_model_copy_meta(model, "general.architecture", NULL, 5, &n));
    assert_err(oa_model_copy_meta(model, "", buf, sizeof buf, &n), OA_ENOTFOUND, "");
    assert_err(oa_model_copy_meta(model, "general.architecture", buf, 1, &n), OA_ELIMIT, "");
    assert_ok(oa_model_copy_meta(model, "general.architecture", NULL, 0, NULL));
    assert_err(oa_model_find("no such model", buf, sizeof buf, &n), OA_ENOTFOUND, "");
    assert_inval(oa_model_find(NULL, NULL, 4, &n));
}

static void test_api_args__text(void **state)
{
    (void)state;
    int32_t ids[4] = {-1, 0, 0, 0};
    char buf[16];
    size_t n;
    assert_inval(oa_model_tokenize(NULL, "a", 1, 0, ids, 4, &n));
    assert_inval(oa_model_tokenize(model, NULL, 1, 0, ids, 4, &n));
    assert_inval(oa_model_tokenize(model, "a", 1, 1u << 30, ids, 4, &n));
    assert_inval(oa_model_tokenize(model, "a", 1, 1u << 16, ids, 4, &n));
    assert_inval(oa_model_tokenize(model, "a", 1, 0, NULL, 4, &n));
    assert_ok(oa_model_tokenize(model, NULL, 0, 0, NULL, 0, NULL));
    assert_err(oa_model_tokenize(model, "xyzzyxyzzy", 10, 0, ids, 1, &n), OA_ELIMIT, "");
    assert_true(n > 1);
    assert_inval(oa_model_tokenize_pair(NULL, "a", 1, "b", 1, 0, ids, 4, &n, &n));
    assert_inval(oa_model_tokenize_pair(model, NULL, 1, "b", 1, 0, ids, 4, &n, &n));
    assert_inval(oa_model_tokenize_pair(model, "a", 1, NULL, 1, 0, ids, 4, &n, &n));
    assert_inval(oa_model_tokenize_pair(model, "a", 1, "b", 1, 1u << 30, ids, 4, &n, &n));
    assert_inval(oa_model_tokenize_pair(model, "a", 1, "b", 1, 0, NULL, 4, &n, &n));
    assert_ok(oa_model_tokenize_pair(model, NULL, 0, NULL, 0, 0, NULL, 0, NULL, NULL));
    assert_err(oa_model_tokenize_pair(model, "a", 1, "xyzzyxyzzy", 10, 0, ids, 1, &n, NULL),
               OA_ELIMIT, "");
    assert_err(oa_model_tokenize_pair(model, "a", 1, "a", SIZE_MAX, 0, ids, 4, &n, &n), OA_ELIMIT,
               "");
    assert_inval(oa_model_detokenize(NULL, ids, 1, 0, buf, sizeof buf, &n));
    assert_inval(oa_model_detokenize(model, NULL, 1, 0, buf, sizeof buf, &n));
    assert_inval(oa_model_detokenize(model, ids, 1, 0, buf, sizeof buf, &n));
    ids[0] = INT32_MAX;
    assert_inval(oa_model_detokenize(model, ids, 1, 0, buf, sizeof buf, &n));
    ids[0] = 0;
    assert_inval(oa_model_detokenize(model, ids, 1, 1u << 30, buf, sizeof buf, &n));
    assert_inval(oa_model_detokenize(model, ids, 1, 0, NULL, 4, &n));
    assert_ok(oa_model_detokenize(model, NULL, 0, 0, NULL, 0, NULL));
    ids[0] = 0;
    assert_inval(oa_model_detokenize(model, ids, SIZE_MAX, 0, buf, sizeof buf, &n));
    assert_err(oa_model_tokenize(model, "a", SIZE_MAX, 0, ids, 4, &n), OA_ELIMIT, "");
    assert_ok(oa_model_tokenize(model, "a", 1, 0, ids, SIZE_MAX, &n)); /* CVE-2025-52566 */
    assert_int_equal(n, 1);
    assert_int_equal(oa_model_is_end(NULL, 0), 0);
    assert_int_equal(oa_model_is_end(model, -1), 0);
    assert_int_equal(oa_model_is_end(model, INT32_MIN), 0);
    assert_int_equal(oa_model_is_end(model, INT32_MAX), 0);

    oa_message m[1] = {{"user", "a", 0}};
    oa_render_opts o = OA_RENDER_OPTS_INIT;
    assert_inval(oa_model_render_chat(NULL, m, 1, sizeof *m, NULL, NULL, 0, &n));
    assert_inval(oa_model_render_chat(model, NULL, 1, sizeof *m, NULL, NULL, 0, &n));
    assert_inval(oa_model_render_chat(model, m, 1, 1, NULL, NULL, 0, &n));
    assert_inval(oa_model_render_chat(model, m, 1, sizeof *m, NULL, NULL, 3, &n));
    assert_opts_refused(o, oa_model_render_chat(model, m, 1, sizeof *m, &o, NULL, 0, &n));
    assert_err(oa_model_render_chat(model, m, 1, sizeof *m, NULL, buf, 1, &n), OA_ELIMIT, "");
    assert_ok(oa_model_render_chat(model, NULL, 0, 0, NULL, NULL, 0, NULL));
    assert_inval(oa_model_tokenize_chat(NULL, m, 1, sizeof *m, NULL, NULL, 0, &n));
    assert_inval(oa_model_tokenize_chat(model, NULL, 1, sizeof *m, NULL, NULL, 0, &n));
    assert_inval(oa_model_tokenize_chat(model, m, 1, sizeof *m, NULL, NULL, 3, &n));
    assert_opts_refused(o, oa_model_tokenize_chat(model, m, 1, sizeof *m, &o, NULL, 0, &n));
    assert_inval(oa_model_render_chat(model, m, 1, SIZE_MAX, NULL, NULL, 0, &n));
    assert_true(oa_model_render_chat(model, m, SIZE_MAX, sizeof *m, NULL, NULL, 0, &n) < 0);
    struct {
        oa_message known;
        uint64_t tomorrow;
    } later = {{"user", "a", 0}, 0};
    assert_ok(oa_model_render_chat(model, &later.known, 1, sizeof later, NULL, NULL, 0, &n));
    later.tomorrow = 1;
    assert_err(oa_model_render_chat(model, &later.known, 1, sizeof later, NULL, NULL, 0, &n),
               OA_EVERSION, "does not know");
    m[0].role = NULL;
    assert_inval(oa_model_render_chat(model, m, 1, sizeof *m, NULL, NULL, 0, &n));
    m[0] = (oa_message){"user", NULL, 5};
    assert_inval(oa_model_tokenize_chat(model, m, 1, sizeof *m, NULL, NULL, 0, &n));
    m[0] = (oa_message){"user", "a", 0};
    o.template_name = "no such";
    assert_inval(oa_model_render_chat(model, m, 1, sizeof *m, &o, NULL, 0, &n));
    o.template_name = NULL;
    o.variables_json = "[1";
    assert_true(oa_model_render_chat(model, m, 1, sizeof *m, &o, NULL, 0, &n) < 0);
    o.variables_json = "3";
    assert_true(oa_model_render_chat(model, m, 1, sizeof *m, &o, NULL, 0, &n) < 0);
}

static void test_api_args__sampler(void **state)
{
    (void)state;
    oa_sampler *s = JUNK;
    oa_sampler_opts o = OA_SAMPLER_OPTS_INIT;
    oa_param p = OA_PARAM_INIT;
    const float logits[2] = {0, 1}, none[2] = {-INFINITY, NAN};
    char buf[4];
    double value;
    int32_t id;
    size_t n;
    assert_inval(oa_sampler_new(NULL, NULL));
    o.size = 1;
    assert_inval(oa_sampler_new(&s, &o));
    assert_null(s);
    assert_inval(oa_sampler_fork(NULL, sampler));
    s = JUNK;
    assert_inval(oa_sampler_fork(&s, NULL));
    assert_null(s);
    oa_sampler_free(NULL);
    assert_inval(oa_sampler_get_param(0, NULL));
    assert_err(oa_sampler_get_param(SIZE_MAX, &p), OA_ENOTFOUND, "");
    p.size = 0;
    assert_inval(oa_sampler_get_param(0, &p));
    assert_inval(oa_sampler_set(NULL, "temperature", 1));
    assert_inval(oa_sampler_set(sampler, NULL, 1));
    assert_inval(oa_sampler_set(sampler, "temperature", NAN));
    assert_inval(oa_sampler_set(sampler, "temperature", -1));
    assert_inval(oa_sampler_set(sampler, "temperature", INFINITY));
    assert_inval(oa_sampler_set(sampler, "top_k", 1.5));
    assert_err(oa_sampler_set(sampler, "", 1), OA_ENOTFOUND, "");
    assert_inval(oa_sampler_set_text(NULL, "order", "top_k"));
    assert_inval(oa_sampler_set_text(sampler, NULL, "top_k"));
    assert_inval(oa_sampler_set_text(sampler, "order", NULL));
    assert_inval(oa_sampler_set_text(sampler, "order", "no such stage"));
    assert_inval(oa_sampler_set_text(sampler, "temperature", "warm"));
    assert_inval(oa_sampler_set_text(sampler, "temperature", ""));
    assert_err(oa_sampler_set_text(sampler, "no such", "1"), OA_ENOTFOUND, "");
    assert_inval(oa_sampler_get(NULL, "temperature", &value));
    assert_inval(oa_sampler_get(sampler, NULL, &value));
    assert_inval(oa_sampler_get(sampler, "temperature", NULL));
    assert_err(oa_sampler_get(sampler, "no such", &value), OA_ENOTFOUND, "");
    assert_inval(oa_sampler_copy_text(NULL, "order", buf, sizeof buf, &n));
    assert_inval(oa_sampler_copy_text(sampler, NULL, buf, sizeof buf, &n));
    assert_inval(oa_sampler_copy_text(sampler, "order", NULL, 3, &n));
    assert_err(oa_sampler_copy_text(sampler, "order", buf, 1, &n), OA_ELIMIT, "");
    assert_err(oa_sampler_copy_text(sampler, "no such", buf, sizeof buf, &n), OA_ENOTFOUND, "");
    assert_inval(oa_sampler_set_bias(NULL, 0, 1));
    assert_inval(oa_sampler_set_bias(sampler, -1, 1));
    assert_inval(oa_sampler_set_bias(sampler, 0, NAN));
    assert_inval(oa_sampler_pick(NULL, logits, 2, &id));
    assert_inval(oa_sampler_pick(sampler, NULL, 2, &id));
    assert_inval(oa_sampler_pick(sampler, logits, 0, &id));
    assert_inval(oa_sampler_pick(sampler, logits, 2, NULL));
    assert_err(oa_sampler_pick(sampler, none, 2, &id), OA_ELIMIT, "");
    assert_inval(oa_sampler_accept(NULL, 0));
    assert_inval(oa_sampler_accept(sampler, -1));
    assert_inval(oa_sampler_reset(NULL));
}

static void test_api_args__head(void **state)
{
    (void)state;
    oa_head *h = JUNK;
    oa_head_info i = OA_HEAD_INFO_INIT;
    const char *label;
    float x[1] = {0};
    assert_inval(oa_head_open(NULL, model, "x"));
    assert_inval(oa_head_open(&h, NULL, "x"));
    assert_null(h);
    assert_err(oa_head_open(&h, model, NULL), OA_ENOTFOUND, "no head");
    assert_null(h);
    assert_inval(oa_head_open(&h, model, ""));
    assert_inval(oa_head_open(&h, vocab_only, "x"));
    assert_inval(oa_head_get_info(NULL, &i));
    assert_inval(oa_head_get_label(NULL, 0, &label));
    assert_inval(oa_head_apply(NULL, x, 1, x, 1));
    assert_inval(oa_head_probabilities(NULL, 0, x, 1));
    assert_inval(oa_head_save(NULL, "x"));
    oa_head_free(NULL);
}

static void test_api_args__adapter(void **state)
{
    (void)state;
    oa_adapter *a = JUNK;
    oa_adapter_info i = OA_ADAPTER_INFO_INIT;
    assert_inval(oa_adapter_open(NULL, model, "x"));
    assert_inval(oa_adapter_open(&a, NULL, "x"));
    assert_null(a);
    assert_inval(oa_adapter_open(&a, model, NULL));
    assert_inval(oa_adapter_open(&a, model, ""));
    assert_inval(oa_adapter_open(&a, vocab_only, "x"));
    assert_inval(oa_adapter_get_info(NULL, &i));
    oa_adapter_free(NULL);
}

static void test_api_args__session(void **state)
{
    (void)state;
    oa_session *s = JUNK;
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    assert_inval(oa_session_new(NULL, model, NULL));
    assert_inval(oa_session_new(&s, NULL, NULL));
    assert_null(s);
    assert_inval(oa_session_new(&s, vocab_only, NULL));
    assert_opts_refused(o, oa_session_new(&s, model, &o));
    o.kv_type = 3;
    assert_inval(oa_session_new(&s, model, &o));
    o.kv_type = 0;
    o.n_ctx = o.n_batch = UINT32_MAX;
    assert_ok(oa_session_new(&s, model, &o));
    oa_session_free(s);
    oa_session_free(NULL);
    assert_inval(oa_session_fork(NULL, session));
    s = JUNK;
    assert_inval(oa_session_fork(&s, NULL));
    assert_null(s);

    int32_t ids[2] = {1, INT32_MIN}, id;
    const int32_t *held;
    const float *logits;
    float rows[4];
    size_t n;
    assert_inval(oa_session_append(NULL, ids, 1));
    assert_inval(oa_session_append(session, NULL, 1));
    assert_inval(oa_session_append(session, ids, 2));
    ids[1] = INT32_MAX;
    assert_inval(oa_session_append(session, ids, 2));
    assert_err(oa_session_append(session, ids, SIZE_MAX), OA_EFULL, "");
    assert_ok(oa_session_append(session, NULL, 0));
    assert_inval(oa_session_set_ids(NULL, ids, 1, &n));
    assert_inval(oa_session_set_ids(session, NULL, 1, &n));
    assert_inval(oa_session_set_ids(session, ids, 2, &n));
    assert_ok(oa_session_set_ids(session, NULL, 0, NULL));
    assert_inval(oa_session_append_logits(NULL, ids, 1, rows, 4));
    assert_inval(oa_session_append_logits(session, ids, 1, NULL, 4));
    assert_err(oa_session_append_logits(session, ids, 1, rows, 4), OA_ELIMIT, "");
    assert_err(oa_session_append_logits(session, ids, SIZE_MAX, rows, 4), OA_ELIMIT, "");
    assert_ok(oa_session_append_logits(session, NULL, 0, NULL, 0));
    assert_inval(oa_session_embed_pair(NULL, ids, 1, 1, OA_POOL_MEAN, 0, rows, 4));
    assert_inval(oa_session_embed_pair(session, NULL, 1, 1, OA_POOL_MEAN, 0, rows, 4));
    assert_inval(oa_session_embed_pair(session, ids, 1, 2, OA_POOL_MEAN, 0, rows, 4));
    assert_inval(oa_session_embed(NULL, ids, 1, OA_POOL_MEAN, 0, rows, 4));
    assert_inval(oa_session_embed(session, NULL, 1, OA_POOL_MEAN, 0, rows, 4));
    assert_inval(oa_session_embed(session, ids, 0, OA_POOL_MEAN, 0, rows, 4));
    assert_inval(oa_session_embed(session, ids, 1, OA_POOL_CLS + 1, 0, rows, 4));
    assert_inval(oa_session_embed(session, ids, 1, OA_POOL_MEAN, 2, rows, 4));
    assert_inval(oa_session_embed(session, ids, 1, OA_POOL_MEAN, 0, NULL, 4));
    assert_err(oa_session_embed(session, ids, 1, OA_POOL_MEAN, 0, rows, 4), OA_ELIMIT, "4");
    assert_inval(oa_session_embed(session, ids, 2, OA_POOL_LAST, 0, rows, SIZE_MAX));
    assert_err(oa_session_embed(session, ids, SIZE_MAX, OA_POOL_LAST, 0, rows, SIZE_MAX), OA_EFULL,
               "");
    assert_inval(oa_session_step(NULL, NULL, &id));
    assert_inval(oa_session_step(session, NULL, NULL));
    assert_inval(oa_session_step(session, NULL, &id)); /* empty */
    assert_inval(oa_session_get_logits(NULL, &logits, &n));
    assert_inval(oa_session_get_logits(session, NULL, &n));
    assert_inval(oa_session_get_logits(session, &logits, &n)); /* empty */
    assert_null(logits);
    assert_inval(oa_session_get_ids(NULL, &held, &n));
    assert_null(held);
    assert_ok(oa_session_get_ids(session, NULL, NULL));
    assert_inval(oa_session_truncate(NULL, 0));
    assert_inval(oa_session_truncate(session, 1));
    assert_ok(oa_session_truncate(session, 0));

    oa_step st = {NULL, NULL, ids, 1, 0, 0};
    assert_inval(oa_session_step_many(NULL, 1, sizeof st));
    assert_inval(oa_session_step_many(&st, 1, 0));
    assert_inval(oa_session_step_many(&st, 1, (size_t)1 << 40));
    assert_inval(oa_session_step_many(&st, SIZE_MAX, sizeof st));
    assert_inval(oa_session_step_many(&st, 1, sizeof st));
    assert_ok(oa_session_step_many(NULL, 0, 0));
    oa_generate_opts g = OA_GENERATE_OPTS_INIT;
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    assert_inval(oa_session_generate(NULL, NULL, NULL, NULL, NULL, NULL));
    assert_inval(oa_session_generate(session, NULL, NULL, NULL, NULL, &r)); /* empty */
    assert_ok(oa_session_append(session, ids, 1));
    assert_opts_refused(g, oa_session_generate(session, NULL, &g, NULL, NULL, &r));
    g.n_stops = 1;
    assert_inval(oa_session_generate(session, NULL, &g, NULL, NULL, &r));
    assert_inval(oa_session_save(NULL, "x"));
    assert_inval(oa_session_save(session, NULL));
    assert_true(oa_session_save(session, "") < 0);
    s = JUNK;
    assert_inval(oa_session_open_saved(NULL, model, "x", NULL));
    assert_inval(oa_session_open_saved(&s, NULL, "x", NULL));
    assert_null(s);
    assert_inval(oa_session_open_saved(&s, model, NULL, NULL));
    assert_inval(oa_session_open_saved(&s, vocab_only, "x", NULL));
    assert_true(oa_session_open_saved(&s, model, "", NULL) < 0);
    o = (oa_session_opts)OA_SESSION_OPTS_INIT;
    assert_opts_refused(o, oa_session_open_saved(&s, model, "x", &o));
    assert_int_equal(tiny_len(session), 1);
}

static void test_api_args__convert(void **state)
{
    (void)state;
    oa_convert_opts o = OA_CONVERT_OPTS_INIT;
    oa_convert_result r = OA_CONVERT_RESULT_INIT;
    const char *name, *help;
    const char *out = "oa-args-out.gguf";
    assert_inval(oa_convert(NULL, out, NULL));
    assert_inval(oa_convert("", out, NULL));
    assert_inval(oa_convert(tiny_path(), NULL, NULL));
    assert_inval(oa_convert(tiny_path(), "", NULL));
    assert_err(oa_convert("no/such/file", out, NULL), OA_ENOTFOUND, "");
    assert_opts_refused(o, oa_convert(tiny_path(), out, &o));
    o.flags = OA_CONVERT_PURE; /* without a type */
    assert_inval(oa_convert(tiny_path(), out, &o));
    o.flags = 0;
    o.n_threads = UINT32_MAX;
    assert_inval(oa_convert(tiny_path(), out, &o));
    o.n_threads = 0;
    o.log_level = 99;
    assert_inval(oa_convert(tiny_path(), out, &o));
    o.log_level = 0;
    o.reserved = 1;
    assert_inval(oa_convert(tiny_path(), out, &o));
    o.reserved = 0;
    o.type = "Q4";
    assert_inval(oa_convert(tiny_path(), out, &o));
    o.type = "F16";
    r.size = 1;
    o.result = &r;
    assert_inval(oa_convert(tiny_path(), out, &o));
    assert_inval(oa_convert_get_type(0, NULL, NULL));
    assert_ok(oa_convert_get_type(0, &name, NULL));
    help = name;
    assert_err(oa_convert_get_type(SIZE_MAX, &name, &help), OA_ENOTFOUND, "");
    assert_null(name);
    assert_null(help);
}

static void test_api_args__eval(void **state)
{
    (void)state;
    oa_perplexity_opts o = OA_PERPLEXITY_OPTS_INIT;
    oa_perplexity_result r = OA_PERPLEXITY_RESULT_INIT;
    static const char text[] = "one two three four five six";
    const size_t len = sizeof text - 1;
    assert_ok(oa_eval_perplexity(model, text, len, NULL, &r));
    assert_inval(oa_eval_perplexity(NULL, text, len, NULL, &r));
    assert_inval(oa_eval_perplexity(vocab_only, text, len, NULL, &r));
    assert_inval(oa_eval_perplexity(model, NULL, 1, NULL, &r));
    assert_inval(oa_eval_perplexity(model, NULL, 0, NULL, &r));
    assert_inval(oa_eval_perplexity(model, text, 1, NULL, &r));
    assert_inval(oa_eval_perplexity(model, text, len, NULL, NULL));
    assert_opts_refused(o, oa_eval_perplexity(model, text, len, &o, &r));
    o.n_ctx = 2;
    assert_inval(oa_eval_perplexity(model, text, len, &o, &r));
    o.n_ctx = 4;
    o.stride = 5;
    assert_inval(oa_eval_perplexity(model, text, len, &o, &r));
    o.stride = 0;
    o.kv_type = 9;
    assert_inval(oa_eval_perplexity(model, text, len, &o, &r));
    o.kv_type = 0;
    r.size = 1;
    assert_inval(oa_eval_perplexity(model, text, len, &o, &r));
}

static void test_api_args__chat(void **state)
{
    (void)state;
    oa_chat *c = JUNK;
    oa_chat_opts o = OA_CHAT_OPTS_INIT;
    oa_session_opts so = OA_SESSION_OPTS_INIT;
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    oa_sampler *own;
    oa_message m;
    size_t n, current;
    assert_inval(oa_chat_new(NULL, model, NULL));
    assert_inval(oa_chat_new(&c, NULL, NULL));
    assert_null(c);
    assert_inval(oa_chat_new(&c, vocab_only, NULL));
    assert_opts_refused(o, oa_chat_new(&c, model, &o));
    so.size = 1;
    o.session = &so;
    assert_inval(oa_chat_new(&c, model, &o));
    o.session = NULL;
    o.template_name = "chatml";
    o.template_text = "a";
    assert_inval(oa_chat_new(&c, model, &o));
    o.template_name = o.template_text = NULL;
    oa_chat_free(NULL);
    assert_inval(oa_chat_say(NULL, "a", NULL, NULL));
    assert_inval(oa_chat_say(chat, NULL, NULL, NULL));
    assert_inval(oa_chat_regenerate(NULL, NULL, NULL));
    assert_inval(oa_chat_regenerate(chat, NULL, NULL));
    assert_inval(oa_chat_edit(NULL, 0, "a", NULL, NULL));
    assert_inval(oa_chat_edit(chat, 0, NULL, NULL, NULL));
    assert_inval(oa_chat_edit(chat, 0, "a", NULL, NULL));
    assert_inval(oa_chat_edit(chat, SIZE_MAX, "a", NULL, NULL));
    assert_inval(oa_chat_back(NULL, 0));
    assert_inval(oa_chat_back(chat, 1));
    assert_ok(oa_chat_back(chat, 0));
    assert_inval(oa_chat_get_branches(NULL, 0, &n, &current));
    assert_inval(oa_chat_get_branches(chat, 1, &n, &current));
    assert_inval(oa_chat_get_branches(chat, SIZE_MAX, &n, &current));
    assert_ok(oa_chat_get_branches(chat, 0, NULL, NULL));
    assert_inval(oa_chat_select(NULL, 0, 0));
    assert_inval(oa_chat_select(chat, 0, 0));
    assert_inval(oa_chat_select(chat, SIZE_MAX, 0));
    assert_inval(oa_chat_get_count(NULL, &n));
    assert_inval(oa_chat_get_count(chat, NULL));
    assert_inval(oa_chat_get_message(NULL, 0, &m, sizeof m));
    assert_inval(oa_chat_get_message(chat, 0, NULL, sizeof m));
    assert_inval(oa_chat_get_message(chat, 0, &m, 1));
    assert_inval(oa_chat_get_message(chat, 0, &m, SIZE_MAX));
    assert_inval(oa_chat_get_message(chat, 0, &m, sizeof m));
    assert_inval(oa_chat_set_system(NULL, "a"));
    assert_ok(oa_chat_set_system(chat, NULL));
    assert_inval(oa_chat_get_sampler(NULL, &own));
    assert_inval(oa_chat_get_sampler(chat, NULL));
    assert_inval(oa_chat_get_result(NULL, &r));
    assert_inval(oa_chat_get_result(chat, NULL));
    assert_err(oa_chat_get_result(chat, &r), OA_ENOTFOUND, "");
    assert_ok(oa_chat_say(chat, "", NULL, NULL));
    r.size = 2;
    assert_inval(oa_chat_get_result(chat, &r));
    assert_inval(oa_chat_edit(chat, 1, "a", NULL, NULL));
    assert_inval(oa_chat_select(chat, 0, SIZE_MAX));
    assert_inval(oa_chat_save(NULL, "x"));
    assert_inval(oa_chat_save(chat, NULL));
    assert_true(oa_chat_save(chat, "") < 0);
    c = JUNK;
    assert_inval(oa_chat_open_saved(NULL, model, "x", NULL));
    assert_inval(oa_chat_open_saved(&c, NULL, "x", NULL));
    assert_null(c);
    assert_inval(oa_chat_open_saved(&c, model, NULL, NULL));
    assert_true(oa_chat_open_saved(&c, model, "", NULL) < 0);
}

static void test_api_args__hub(void **state)
{
    (void)state;
    oa_hub_opts o = OA_HUB_OPTS_INIT;
    char buf[8];
    size_t n;
    /* Nothing here may reach the network: what is asked for is refused before. */
    o.endpoint = "ftp://127.0.0.1";
    assert_inval(oa_hub_pull(NULL, &o, buf, sizeof buf, &n));
    assert_inval(oa_hub_pull("", &o, buf, sizeof buf, &n));
    assert_inval(oa_hub_pull("a/b", &o, NULL, 8, &n));
    assert_inval(oa_hub_pull("a/b", &o, buf, sizeof buf, &n));
    assert_opts_refused(o, oa_hub_pull("a/b", &o, buf, sizeof buf, &n));
    assert_inval(oa_hub_pull("a/b/c", &o, buf, sizeof buf, &n));
    assert_inval(oa_hub_pull("../b", &o, buf, sizeof buf, &n));
    assert_inval(oa_hub_pull("a/b:", &o, buf, sizeof buf, &n));
    assert_inval(oa_hub_pull("a/b@..", &o, buf, sizeof buf, &n));
    assert_err(oa_hub_pull("no such name", &o, buf, sizeof buf, &n), OA_ENOTFOUND, "catalogue");
    o.endpoint = "http://127.0.0.1:1";
    o.token = "a b";
    assert_inval(oa_hub_pull("a/b", &o, buf, sizeof buf, &n));
    o.token = NULL;
    o.log_level = 99;
    assert_inval(oa_hub_pull("a/b", &o, buf, sizeof buf, &n));
    assert_inval(oa_hub_copy_installed(&o, buf, sizeof buf, &n));
    assert_inval(oa_hub_verify("a", &o));
    assert_inval(oa_hub_remove("a", &o));
    o.log_level = 0;
    assert_inval(oa_hub_copy_installed(&o, NULL, 8, &n));
    assert_opts_refused(o, oa_hub_copy_installed(&o, buf, sizeof buf, &n));
    assert_ok(oa_hub_copy_installed(NULL, NULL, 0, &n));
    assert_err(oa_hub_copy_installed(NULL, buf, 1, &n), OA_ELIMIT, "");
    assert_inval(oa_hub_copy_catalogue(NULL, 8, &n));
    assert_ok(oa_hub_copy_catalogue(NULL, 0, &n));
    assert_err(oa_hub_copy_catalogue(buf, 1, &n), OA_ELIMIT, "");
    assert_inval(oa_hub_verify(NULL, NULL));
    assert_inval(oa_hub_verify("", NULL));
    assert_opts_refused(o, oa_hub_verify("a", &o));
    assert_err(oa_hub_verify("no such model", NULL), OA_ENOTFOUND, "no such model");
    assert_inval(oa_hub_remove(NULL, NULL));
    assert_opts_refused(o, oa_hub_remove("a", &o));
    assert_err(oa_hub_remove("no such model", NULL), OA_ENOTFOUND, "no such model");
}

static void test_api_args__experimental(void **state)
{
    (void)state;
    oa_peaks p = OA_PEAKS_INIT;
    assert_inval(oa_measure_peaks(NULL, &p, NULL, NULL));
    assert_inval(oa_measure_peaks(model, NULL, NULL, NULL));
    assert_inval(oa_measure_peaks(vocab_only, &p, NULL, NULL));
    p.size = 0;
    assert_inval(oa_measure_peaks(model, &p, NULL, NULL));
}

static char *read_whole(const char *name)
{
    char path[1024];
    const char *root = getenv("OA_TEST_SOURCE");
    snprintf(path, sizeof path, "%s/%s", root ? root : ".", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static void test_api_args__no_function_is_left_out(void **state)
{
    (void)state;
    char *symbols = read_whole("tests/abi/symbols.txt"), *self = read_whole("tests/api/args.c");
    size_t n = 0;
    for (char *at = symbols, *end; *at; at = end) {
        end = at + strcspn(at, "\n");
        if (strncmp(at, "oa_", 3) == 0) {
            char call[128];
            snprintf(call, sizeof call, "%.*s(", (int)strcspn(at, " \n"), at);
            if (!strstr(self, call)) fail_msg("%s) is not called", call);
            n++;
        }
        end += *end == '\n';
    }
    assert_true(n > 50);
    free(symbols);
    free(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_args__version_and_errors),
        cmocka_unit_test(test_api_args__model),
        cmocka_unit_test(test_api_args__text),
        cmocka_unit_test(test_api_args__sampler),
        cmocka_unit_test(test_api_args__adapter),
        cmocka_unit_test(test_api_args__head),
        cmocka_unit_test(test_api_args__session),
        cmocka_unit_test(test_api_args__convert),
        cmocka_unit_test(test_api_args__eval),
        cmocka_unit_test(test_api_args__chat),
        cmocka_unit_test(test_api_args__hub),
        cmocka_unit_test(test_api_args__experimental),
        cmocka_unit_test(test_api_args__no_function_is_left_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
