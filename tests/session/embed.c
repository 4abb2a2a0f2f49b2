/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "session/session_priv.h"

#include "model/hf_made.h"
#include "tiny.h"

enum { N_IDS = 300, N_CTX = 320, D_MAX = 1024 };

static oa_model *model;
static size_t d_model;
static int32_t ids[N_IDS];

static int open_model(void **state)
{
    (void)state;
    oa_model_info info = OA_MODEL_INFO_INIT;
    model = tiny_open(NULL);
    assert_ok(oa_model_get_info(model, &info));
    d_model = info.d_model;
    assert_true(d_model <= D_MAX);
    tiny_ids(model, 7, ids, N_IDS);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    oa_model_free(model);
    return 0;
}

static void embed(oa_session *s, size_t n, uint32_t pooling, uint32_t flags, float *out)
{
    assert_ok(oa_session_embed(s, ids, n, pooling, flags, out, d_model));
}

static void test_session_embed__pools_what_single_tokens_have(void **state)
{
    (void)state;
    oa_session *s = tiny_session(model, 0, N_CTX);
    float got[D_MAX], row[D_MAX], first[D_MAX];
    double sum[D_MAX] = {0}, squares = 0;
    for (size_t n = 1; n <= N_IDS; n++) {
        embed(s, n, OA_POOL_LAST, 0, row);
        if (n == 1) memcpy(first, row, sizeof first);
        for (size_t i = 0; i < d_model; i++)
            sum[i] += (double)row[i];
    }
    embed(s, N_IDS, OA_POOL_CLS, 0, got);
    assert_memory_equal(got, first, d_model * sizeof *got);
    assert_memory_not_equal(got, row, d_model * sizeof *got);
    embed(s, N_IDS, OA_POOL_MEAN, 0, got);
    for (size_t i = 0; i < d_model; i++) {
        sum[i] /= N_IDS;
        squares += sum[i] * sum[i];
        assert_true(got[i] == (float)sum[i]);
    }
    embed(s, N_IDS, OA_POOL_MEAN, OA_EMBED_NORMALIZE, got);
    for (size_t i = 0; i < d_model; i++)
        assert_true(got[i] == (float)(sum[i] / sqrt(squares)));
    oa_session_free(s);
}

static void test_session_embed__the_same_bits_however_it_is_cut(void **state)
{
    (void)state;
    float want[3][D_MAX], got[D_MAX];
    oa_session *s = tiny_session(model, 0, N_CTX);
    for (uint32_t p = 0; p < 3; p++)
        embed(s, N_IDS, p, OA_EMBED_NORMALIZE, want[p]);
    oa_session_free(s);
    for (uint32_t k = 0; k < 4; k++) {
        oa_model_opts mo = OA_MODEL_OPTS_INIT;
        mo.n_threads = 1 + k % 3;
        mo.cpu = k < 2 ? OA_CPU_C : OA_CPU_BEST;
        oa_model *m = tiny_open(&mo);
        oa_session_opts so = OA_SESSION_OPTS_INIT;
        so.n_ctx = N_CTX;
        so.n_batch = (const uint32_t[]){1, 7, 32, 300}[k];
        assert_ok(oa_session_new(&s, m, &so));
        assert_ok(oa_session_append(s, ids, 100)); /* is forgotten, its pages are found again */
        for (uint32_t p = 0; p < 3; p++) {
            embed(s, N_IDS, p, OA_EMBED_NORMALIZE, got);
            assert_memory_equal(got, want[p], d_model * sizeof *got);
        }
        oa_session_free(s);
        oa_model_free(m);
    }
}

static void test_session_embed__the_session_goes_on(void **state)
{
    (void)state;
    float a[D_MAX], b[D_MAX];
    oa_session *s = tiny_session(model, 0, N_CTX);
    const int32_t *held;
    size_t n;
    for (uint32_t p = 0; p < 3; p++) {
        embed(s, 70, p, 0, a);
        assert_ok(oa_session_get_ids(s, &held, &n));
        assert_int_equal(n, 70);
        assert_true(tiny_logits(s) == tiny_alone(model, OA_KV_F16, ids, 70));
        assert_ok(oa_session_append(s, ids + 70, 9));
        assert_true(tiny_logits(s) == tiny_alone(model, OA_KV_F16, ids, 79));
    }
    /* A part of its own tokens. */
    embed(s, 70, OA_POOL_MEAN, 0, b);
    assert_ok(oa_session_get_ids(s, &held, &n));
    assert_ok(oa_session_embed(s, held + 3, 40, OA_POOL_MEAN, 0, a, d_model));
    assert_ok(oa_session_embed(s, ids + 3, 40, OA_POOL_MEAN, 0, b, d_model));
    assert_memory_equal(a, b, d_model * sizeof *a);
    oa_session_free(s);
}

static int stop_at(const char *what, uint64_t done, uint64_t total, void *user)
{
    (void)what;
    assert_true(done <= total && total == N_IDS);
    return --*(int *)user < 0;
}

static void test_session_embed__failures(void **state)
{
    (void)state;
    float want[D_MAX], got[D_MAX];
    oa_session *s = tiny_session(model, 0, N_CTX);
    size_t n;
    embed(s, N_IDS, OA_POOL_MEAN, 0, want);
    assert_err(oa_session_embed(s, ids, 5, OA_POOL_MEAN, 0, got, d_model - 1), OA_ELIMIT, "room");
    assert_err(oa_session_embed(s, ids, N_CTX + 1, OA_POOL_MEAN, 0, got, d_model), OA_EFULL, "320");
    assert_ok(oa_session_get_ids(s, NULL, &n));
    assert_int_equal(n, N_IDS); /* refused: as it was */
    oa_session_free(s);

    int left = 0;
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.n_ctx = N_CTX;
    o.n_batch = 16;
    o.progress_fn = stop_at;
    o.progress_user = &left;
    assert_ok(oa_session_new(&s, model, &o));
    assert_err(oa_session_embed(s, ids, N_IDS, OA_POOL_MEAN, 0, got, d_model), OA_ECANCELLED, "");
    assert_ok(oa_session_get_ids(s, NULL, &n));
    assert_int_equal(n, 0);
    left = INT32_MAX;
    embed(s, N_IDS, OA_POOL_MEAN, 0, got);
    assert_memory_equal(got, want, d_model * sizeof *got);
    oa_session_free(s);
}

/* The text that an encoder reads: tokens of the folder's vocabulary. */
static void embed_text(oa_model *m, uint32_t n_batch, const int32_t *text, size_t n,
                       uint32_t pooling, float out[HF_D])
{
    oa_session *s;
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.n_batch = n_batch;
    assert_ok(oa_session_new(&s, m, &o));
    assert_ok(oa_session_embed(s, text, n, pooling, 0, out, HF_D));
    oa_session_free(s);
}

static void test_session_embed__encoders(void **state)
{
    (void)state;
    enum { N = 126 }; /* all of RoBERTa's positions */
    for (size_t k = 0; k < HF_N_FAMILIES; k++) {
        if (strstr(hf_families[k].config, "bert") == NULL) continue;
        folder f;
        oa_model *m;
        int32_t text[N], other[N];
        float want[3][HF_D], got[HF_D];
        folder_make(&f, "session_embed");
        hf_write(&f, &hf_families[k]);
        for (size_t i = 0; i < N; i++)
            other[i] = text[i] = (int32_t)(i * 7 % 200);
        other[N - 1] = 250;
        for (uint32_t run = 0; run < 3; run++) {
            oa_model_opts mo = OA_MODEL_OPTS_INIT;
            mo.n_threads = 1 + run;
            mo.cpu = run == 0 ? OA_CPU_C : OA_CPU_BEST;
            assert_ok(oa_model_open(&m, f.path, &mo));
            for (uint32_t p = 0; p < 3; p++) {
                embed_text(m, run * 16, text, N, p, run == 0 ? want[p] : got);
                if (run > 0) assert_memory_equal(got, want[p], sizeof got);
                /* The last token counts for every other, also in a text of the same beginning. */
                embed_text(m, run * 16, other, N, p, got);
                assert_memory_not_equal(got, want[p], sizeof got);
            }
            if (run < 2) oa_model_free(m);
        }
        oa_session *s;
        size_t n;
        int32_t id;
        const float *logits;
        assert_ok(oa_session_new(&s, m, NULL));
        assert_err(oa_session_append(s, text, 3), OA_EUNSUPPORTED, "encoder");
        assert_err(oa_session_set_ids(s, text, 3, &n), OA_EUNSUPPORTED, "encoder");
        assert_ok(oa_session_embed(s, text, 9, OA_POOL_CLS, 0, got, HF_D));
        assert_err(oa_session_step(s, NULL, &id), OA_EUNSUPPORTED, "encoder");
        assert_err(oa_session_append(s, text, 3), OA_EUNSUPPORTED, "encoder");
        assert_err(oa_session_get_logits(s, &logits, &n), OA_EUNSUPPORTED, "encoder");
        assert_ok(oa_session_get_ids(s, NULL, &n));
        assert_int_equal(n, 9);
        assert_true(oa_session_embed(s, text, oa__model_n_ctx_max(m) + 1, OA_POOL_CLS, 0, got,
                                     HF_D) == OA_EFULL);
        oa_session_free(s);
        oa_model_free(m);
        folder_remove(&f);
    }
}

static void test_session_embed__pairs(void **state)
{
    (void)state;
    enum { N = 20 };
    float one[D_MAX], two[D_MAX], got[D_MAX];
    int32_t text[N];
    for (size_t k = 0; k < HF_N_FAMILIES; k++) {
        if (strstr(hf_families[k].config, "bert") == NULL) continue;
        folder f;
        oa_model *m;
        oa_session *s;
        folder_make(&f, "session_embed");
        hf_write(&f, &hf_families[k]);
        assert_ok(oa_model_open(&m, f.path, NULL));
        folder_remove(&f);
        for (size_t i = 0; i < N; i++)
            text[i] = (int32_t)(i * 7 % 200);
        assert_ok(oa_session_new(&s, m, NULL));
        assert_ok(oa_session_embed(s, text, N, OA_POOL_MEAN, 0, one, HF_D));
        assert_ok(oa_session_embed_pair(s, text, N, N, OA_POOL_MEAN, 0, got, HF_D));
        assert_memory_equal(got, one, HF_D * sizeof *got);
        if (oa__model_n_segments(m) < 2) { /* RoBERTa */
            assert_err(oa_session_embed_pair(s, text, N, 7, OA_POOL_MEAN, 0, got, HF_D),
                       OA_EUNSUPPORTED, "second segment");
        } else {
            for (size_t n_first = 0; n_first < N; n_first++) {
                assert_ok(oa_session_embed_pair(s, text, N, n_first, OA_POOL_CLS, 0, two, HF_D));
                assert_memory_not_equal(two, n_first == 0 ? one : got, HF_D * sizeof *got);
                memcpy(got, two, sizeof got);
            }
            /* What came before leaves no trace. */
            assert_ok(oa_session_embed(s, text, N, OA_POOL_MEAN, 0, got, HF_D));
            assert_memory_equal(got, one, HF_D * sizeof *got);
        }
        assert_err(oa_session_embed_pair(s, text, N, N + 1, OA_POOL_MEAN, 0, got, HF_D), OA_EINVAL,
                   "21 of 20");
        oa_session_free(s);
        oa_model_free(m);
    }
    /* A decoder knows no segments. */
    oa_session *s = tiny_session(model, 0, N_CTX);
    embed(s, N, OA_POOL_LAST, 0, one);
    assert_ok(oa_session_embed_pair(s, ids, N, 3, OA_POOL_LAST, 0, got, d_model));
    assert_memory_equal(got, one, d_model * sizeof *got);
    oa_session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_embed__pools_what_single_tokens_have),
        cmocka_unit_test(test_session_embed__the_same_bits_however_it_is_cut),
        cmocka_unit_test(test_session_embed__the_session_goes_on),
        cmocka_unit_test(test_session_embed__failures),
        cmocka_unit_test(test_session_embed__encoders),
        cmocka_unit_test(test_session_embed__pairs),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
