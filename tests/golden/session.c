/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One answer, end to end: whatever way a session came by its tokens, the logits after them and
 * after the four tokens it then picks hash to the number below. On every tier that this machine
 * has, with 1 to 3 threads, read in five chunkings, in batches of 1, 2 and 7, after a fork, a
 * truncation, a restore, from pages that another session has read, and for a caller that rounds
 * upwards and flushes denormals to zero.
 *
 *     session tiny|smollm2 small|all [-v]
 *
 * When a kernel's definition is changed on purpose, run with -v and write the new numbers here.
 */
#include "session/tiny.h"

#include <fenv.h>
#include <stdbool.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define SMOLLM2 "SmolLM2-135M-Instruct.Q4_1.gguf"

enum { N = 39, N_STEPS = 4, N_MANY = 7 };

/* By model and kv_type. */
static const uint64_t frozen[2][3] = {
    {0x0e14ee27f544e67b, 0x8bb341711901d378, 0x87c524c52c5acf81}, /* tiny */
    {0xe350e4f851e6439d, 0x5ba06ac7f28dbcbc, 0x04e6980e5f55862b}, /* SmolLM2 */
};

static bool verbose, all, smollm2;
static oa_model *model;
static uint32_t kv_type;
static int32_t ids[N], strangers[N_MANY][N];
static char name[128]; /* of the way, for messages */

/* --- models ------------------------------------------------------------------------------------
 */

static void open_model(uint32_t cpu, uint32_t n_threads)
{
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    o.cpu = cpu;
    o.n_threads = n_threads;
    const char *path = tiny_path();
    if (smollm2) {
        path = getenv("OA_TEST_MODEL");
        if (!path || !path[0]) path = SMOLLM2;
    }
    const int rc = oa_model_open(&model, path, &o);
    if (rc == OA_EUNSUPPORTED && cpu != OA_CPU_BEST) test_skip("%s", oa_error_last());
    if (rc == OA_ENOTFOUND && smollm2) test_skip("%s: %s", SMOLLM2, oa_error_last());
    assert_ok(rc);
    for (size_t i = 0; i < N_MANY; i++)
        tiny_ids(model, 50 + i, strangers[i], N);
    if (!smollm2) {
        tiny_ids(model, 1, ids, N);
        return;
    }
    static const char text[] =
        "<|im_start|>user\nA lamp, a ladder and a letter: tell me in two or three sentences how "
        "they might belong together, and why 17 people laughed.<|im_end|>\n<|im_start|>assistant\n";
    size_t n;
    assert_ok(oa_model_tokenize(model, text, sizeof text - 1, OA_TOKENIZE_SPECIAL, NULL, 0, &n));
    assert_int_equal(n, N);
    assert_ok(oa_model_tokenize(model, text, sizeof text - 1, OA_TOKENIZE_SPECIAL, ids, N, &n));
}

static oa_session *new_session(uint32_t flags)
{
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.flags = flags;
    o.kv_type = kv_type;
    o.n_ctx = 128;
    oa_session *s;
    assert_ok(oa_session_new(&s, model, &o));
    return s;
}

/* --- the number --------------------------------------------------------------------------------
 */

static uint64_t add_logits(uint64_t h, oa_session *s)
{
    const float *logits;
    size_t n;
    assert_ok(oa_session_get_logits(s, &logits, &n));
    return tiny_hash(h, logits, n * sizeof *logits);
}

static void expect(uint64_t h)
{
    const uint64_t want = frozen[smollm2][kv_type];
    if (verbose || h != want) test_note("%s: 0x%016llx", name, (unsigned long long)h);
    if (!verbose) assert_true(h == want);
}

/* Four more tokens; frees the session. */
static void answer(oa_session *s)
{
    uint64_t h = add_logits(TINY_HASH_BASIS, s);
    for (int i = 0; i < N_STEPS; i++) {
        int32_t id;
        assert_ok(oa_session_step(s, NULL, &id));
        h = add_logits(h, s);
    }
    oa_session_free(s);
    expect(h);
}

/* --- the ways ----------------------------------------------------------------------------------
 */

static void in_chunks(size_t n_chunk)
{
    oa_session *s = new_session(OA_SESSION_NO_SHARING);
    for (size_t i = 0; i < N; i += n_chunk) {
        assert_ok(oa_session_append(s, ids + i, N - i < n_chunk ? N - i : n_chunk));
    }
    answer(s);
}

static void in_a_batch(size_t n)
{
    oa_step st[N_MANY] = {{0}};
    uint64_t h = TINY_HASH_BASIS;
    for (size_t i = 0; i < n; i++) {
        st[i].session = new_session(OA_SESSION_NO_SHARING);
        st[i].ids = strangers[i];
        st[i].n_ids = 1 + i * 5;
    }
    oa_step *mine = &st[n / 2];
    mine->ids = ids;
    mine->n_ids = N;
    for (int i = 0; i < N_STEPS; i++) {
        assert_ok(oa_session_step_many(st, n, sizeof *st));
        /* The logits that were picked from; then put the token back. */
        assert_ok(oa_session_truncate(mine->session, N + (size_t)i));
        h = add_logits(h, mine->session);
        mine->ids = &mine->id;
        mine->n_ids = 1;
        for (size_t k = 0; k < n; k++) {
            assert_ok(st[k].status);
            if (&st[k] != mine) st[k].n_ids = (k + (size_t)i) % 3;
        }
    }
    assert_ok(oa_session_append(mine->session, &mine->id, 1));
    h = add_logits(h, mine->session);
    for (size_t i = 0; i < n; i++)
        oa_session_free(st[i].session);
    expect(h);
}

static void after_a_fork(void)
{
    oa_session *s = new_session(OA_SESSION_NO_SHARING), *f;
    assert_ok(oa_session_append(s, ids, N - 7));
    assert_ok(oa_session_fork(&f, s));
    assert_ok(oa_session_append(s, strangers[0], 9));
    assert_ok(oa_session_append(f, ids + N - 7, 7));
    oa_session_free(s);
    answer(f);
}

static void after_a_truncation(void)
{
    oa_session *s = new_session(OA_SESSION_NO_SHARING);
    assert_ok(oa_session_append(s, ids, N - 3));
    assert_ok(oa_session_append(s, strangers[0], 20));
    assert_ok(oa_session_truncate(s, N - 3));
    assert_ok(oa_session_append(s, ids + N - 3, 3));
    answer(s);
}

static void after_a_restore(void)
{
    char path[64];
    snprintf(path, sizeof path, "oa-test-golden-%ld.bin", (long)getpid());
    oa_session *s = new_session(OA_SESSION_NO_SHARING), *t;
    assert_ok(oa_session_append(s, ids, N - 1));
    assert_ok(oa_session_save(s, path));
    oa_session_free(s);
    assert_ok(oa_session_open_saved(&t, model, path, NULL));
    remove(path);
    assert_ok(oa_session_append(t, ids + N - 1, 1));
    answer(t);
}

static void from_the_cache(void)
{
    size_t n;
    oa_session *s = new_session(0);
    assert_ok(oa_session_append(s, ids, N));
    oa_session_free(s);
    s = new_session(0);
    assert_ok(oa_session_set_ids(s, ids, N, &n));
    assert_int_equal(n, 32);
    answer(s);
}

#define WAY(call)                                                                                  \
    do {                                                                                           \
        snprintf(name, sizeof name, "%s tier %u, %u threads, kv %u, %s",                           \
                 smollm2 ? "smollm2" : "tiny", cpu, n_threads, kv_type, #call);                    \
        call;                                                                                      \
    } while (0)

static void check(uint32_t cpu, uint32_t n_threads)
{
    open_model(cpu, n_threads);
    kv_type = OA_KV_F16;
    WAY(in_chunks(N));
    WAY(in_a_batch(7));
    if (all) {
        WAY(in_chunks(1));
        WAY(in_chunks(3));
        WAY(in_chunks(16));
        WAY(in_chunks(33));
        WAY(in_a_batch(1));
        WAY(in_a_batch(2));
        kv_type = OA_KV_F32;
        WAY(in_chunks(N));
        kv_type = OA_KV_F16;
    }
    WAY(after_a_fork());
    WAY(after_a_truncation());
    WAY(after_a_restore());
    WAY(from_the_cache());
    if (all) {
        kv_type = OA_KV_Q8;
        WAY(in_chunks(N));
        WAY(in_chunks(3));
        WAY(in_a_batch(7));
        WAY(after_a_fork());
        WAY(after_a_truncation());
        WAY(after_a_restore());
        WAY(from_the_cache());
    }
    oa_model_free(model);
}

static void check_tier(uint32_t cpu)
{
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++)
        check(cpu, n_threads);
}

static void test_golden_session__best(void **state)
{
    (void)state;
    check(OA_CPU_BEST, 2);
}

static void test_golden_session__c(void **state)
{
    (void)state;
    check_tier(OA_CPU_C);
}

static void test_golden_session__avx2(void **state)
{
    (void)state;
    check_tier(OA_CPU_AVX2);
}

static void test_golden_session__avx512vnni(void **state)
{
    (void)state;
    check_tier(OA_CPU_AVX512VNNI);
}

static void test_golden_session__neon(void **state)
{
    (void)state;
    check_tier(OA_CPU_NEON);
}

static void test_golden_session__dotprod(void **state)
{
    (void)state;
    check_tier(OA_CPU_DOTPROD);
}

/* Programs that are linked with -ffast-math flush denormals to zero in their main thread, which is
 * one of the workers: the answer used to be theirs, in part. */
static void test_golden_session__odd_rounding(void **state)
{
    (void)state;
    const uint32_t cpu = OA_CPU_BEST;
    fenv_t usual;
    fegetenv(&usual);
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
        fesetround(FE_UPWARD);
#if defined(__x86_64__)
        const unsigned odd = _mm_getcsr() | 0x8040; /* flush to zero, denormals are zero */
        _mm_setcsr(odd);
#endif
        open_model(cpu, n_threads);
        kv_type = OA_KV_F16;
        WAY(in_chunks(N));
        WAY(in_a_batch(2));
        const float logits[] = {0.25f, 0.5f, 0.75f};
        oa_sampler *sampler;
        int32_t id;
        assert_ok(oa_sampler_new(&sampler, NULL));
        assert_ok(oa_sampler_pick(sampler, logits, 3, &id));
        oa_sampler_free(sampler);
        assert_int_equal(fegetround(), FE_UPWARD); /* what is the caller's stays as it is */
#if defined(__x86_64__)
        assert_int_equal(_mm_getcsr() & 0xffc0u, odd & 0xffc0u);
#endif
        oa_model_free(model);
        fesetenv(&usual);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_session__best),
        cmocka_unit_test(test_golden_session__c),
        cmocka_unit_test(test_golden_session__avx2),
        cmocka_unit_test(test_golden_session__avx512vnni),
        cmocka_unit_test(test_golden_session__neon),
        cmocka_unit_test(test_golden_session__dotprod),
        cmocka_unit_test(test_golden_session__odd_rounding),
    };
    const struct CMUnitTest best[] = {cmocka_unit_test(test_golden_session__best)};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) verbose = true;
        if (strcmp(argv[i], "all") == 0) all = true;
        if (strcmp(argv[i], "smollm2") == 0) smollm2 = true;
    }
    if (!all) return cmocka_run_group_tests(best, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
