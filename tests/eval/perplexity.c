/* SPDX-License-Identifier: Apache-2.0 */
/* Perplexity beside what sessions and the C library's exp and log make of it. */
#include "session/tiny.h"
#include "util/fail_alloc.h"

#include <math.h>

static const char text[] =
    "The sky is blue because air scatters short waves more than long ones. In the evening the "
    "light "
    "goes a longer way, and what is left of it is red. Why is it not violet, then? The sun sends "
    "less of it, and our eyes see it less well. 1, 2, 3, 4, 5: \xc3\xa9t\xc3\xa9, na\xc3\xafve, "
    "\xe2\x82\xac 20. Once upon a time there was a miller who had three sons, his mill, a donkey "
    "and a cat; the sons had to grind, the donkey had to carry the grain.";
enum { TEXT_LEN = sizeof text - 1, MAX_IDS = 1024 };

typedef struct want {
    double sum;
    size_t n;
} want;

/* Score tokens [first, n) of one window in a session of its own. */
static void reference(oa_model *m, const int32_t *ids, size_t n, size_t first, want *w)
{
    const size_t n_vocab = tiny_n_vocab(m);
    float *logits = malloc(n * n_vocab * sizeof *logits);
    oa_session *s = tiny_session(m, 0, MAX_IDS);
    assert_ok(oa_session_append_logits(s, ids, n, logits, n * n_vocab));
    for (size_t i = first; i < n; i++) {
        const float *l = logits + (i - 1) * n_vocab;
        double sum = 0;
        for (size_t j = 0; j < n_vocab; j++)
            sum += exp((double)l[j]);
        w->sum += log(sum) - (double)l[ids[i]];
        w->n++;
    }
    oa_session_free(s);
    free(logits);
}

static oa_perplexity_result measure(oa_model *m, uint32_t n_ctx, uint32_t stride, uint32_t flags)
{
    oa_perplexity_opts o = OA_PERPLEXITY_OPTS_INIT;
    oa_perplexity_result r = OA_PERPLEXITY_RESULT_INIT;
    o.n_ctx = n_ctx;
    o.stride = stride;
    o.flags = flags;
    assert_ok(oa_eval_perplexity(m, text, TEXT_LEN, &o, &r));
    return r;
}

static void assert_close(const oa_perplexity_result *r, const want *w)
{
    assert_int_equal(r->n_scored, w->n);
    if (fabs(r->nll - w->sum / (double)w->n) > 1e-6 * r->nll)
        fail_msg("nll %.9g, want %.9g", r->nll, w->sum / (double)w->n);
    if (fabs(r->perplexity - exp(r->nll)) > 1e-12 * r->perplexity)
        fail_msg("perplexity %.17g of nll %.17g", r->perplexity, r->nll);
    assert_true(r->nll_error > 0 && r->perplexity_error > 0);
}

static size_t get_ids(oa_model *m, int32_t *ids)
{
    size_t n;
    assert_ok(oa_model_tokenize(m, text, TEXT_LEN, OA_TOKENIZE_NO_EOS, ids, MAX_IDS, &n));
    return n;
}

static void test_eval_perplexity__side_by_side(void **state)
{
    (void)state;
    oa_model *m = tiny_open(NULL);
    oa_model_info info = OA_MODEL_INFO_INIT;
    static int32_t ids[MAX_IDS];
    const size_t n_ids = get_ids(m, ids);
    assert_ok(oa_model_get_info(m, &info));
    static const uint32_t ctx[] = {3, 4, 31, 64, 200};
    assert_true(n_ids > 200);
    for (size_t c = 0; c < 5; c++) {
        want w = {0};
        const size_t n = ctx[c];
        for (size_t i = 0; i + n <= n_ids; i += n) {
            int32_t window[MAX_IDS];
            memcpy(window, ids + i, n * sizeof *window);
            if (info.add_bos) window[0] = info.bos_id;
            reference(m, window, n, n / 2 + 1, &w);
        }
        const oa_perplexity_result r = measure(m, ctx[c], 0, 0);
        assert_close(&r, &w);
        assert_int_equal(r.n_tokens, n_ids);
        assert_int_equal(r.n_windows, n_ids / n);
        assert_int_equal(r.n_ctx, n);
        assert_int_equal(r.stride, n);
    }
    /* a text shorter than a window is one window */
    const oa_perplexity_result r = measure(m, 0, 0, 0);
    assert_int_equal(r.n_ctx, n_ids < 512 ? n_ids : 512);
    assert_int_equal(r.n_windows, 1);
    oa_model_free(m);
}

static void test_eval_perplexity__strided(void **state)
{
    (void)state;
    oa_model *m = tiny_open(NULL);
    static int32_t ids[MAX_IDS];
    const size_t n_ids = get_ids(m, ids);
    static const uint32_t cases[][2] = {{64, 16}, {64, 63}, {64, 64}, {50, 7}, {500, 100}, {3, 1}};
    for (size_t c = 0; c < 6; c++) {
        const size_t n = cases[c][0], stride = cases[c][1];
        want w = {0};
        size_t last = 0, windows = 0;
        for (size_t begin = 0; begin < n_ids; begin += stride) {
            const size_t end = begin + n < n_ids ? begin + n : n_ids;
            const size_t targets = end - last; /* the last `targets` tokens of the window */
            const size_t first = end - begin > targets ? end - begin - targets : 1;
            reference(m, ids + begin, end - begin, first, &w);
            windows++;
            last = end;
            if (end == n_ids) break;
        }
        const oa_perplexity_result r = measure(m, cases[c][0], cases[c][1], 0);
        assert_close(&r, &w);
        assert_int_equal(r.n_windows, windows);
        /* all but the first token, and the first of each window that no other reaches into */
        assert_int_equal(r.n_scored, stride < n ? n_ids - 1 : n_ids - windows);
    }
    oa_model_free(m);
}

static void test_eval_perplexity__one_answer(void **state)
{
    (void)state;
    oa_model *m = tiny_open(NULL);
    oa_perplexity_result base[2] = {measure(m, 100, 0, 0), measure(m, 100, 30, 0)};
    oa_perplexity_result r[2] = {measure(m, 100, 0, OA_PERPLEXITY_STEPS),
                                 measure(m, 100, 30, OA_PERPLEXITY_STEPS)};
    assert_memory_equal(base, r, sizeof r);
    oa_model_free(m);
    static const struct {
        uint32_t n_threads, cpu, n_batch;
    } ways[] = {{1, OA_CPU_C, 0}, {3, OA_CPU_BEST, 1}, {2, OA_CPU_BEST, 7}, {7, OA_CPU_BEST, 1000}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        oa_model_opts o = OA_MODEL_OPTS_INIT;
        oa_perplexity_opts p = OA_PERPLEXITY_OPTS_INIT;
        o.n_threads = ways[i].n_threads;
        o.cpu = ways[i].cpu;
        p.n_batch = ways[i].n_batch;
        p.n_ctx = 100;
        m = tiny_open(&o);
        for (size_t k = 0; k < 2; k++) {
            oa_perplexity_result other = OA_PERPLEXITY_RESULT_INIT;
            p.stride = k ? 30 : 0;
            assert_ok(oa_eval_perplexity(m, text, TEXT_LEN, &p, &other));
            assert_memory_equal(&base[k], &other, sizeof other);
        }
        oa_model_free(m);
    }
    /* the cache's type is another answer */
    oa_perplexity_opts p = OA_PERPLEXITY_OPTS_INIT;
    p.n_ctx = 100;
    p.kv_type = OA_KV_F32;
    m = tiny_open(NULL);
    assert_ok(oa_eval_perplexity(m, text, TEXT_LEN, &p, &r[0]));
    assert_true(r[0].nll != base[0].nll && fabs(r[0].nll - base[0].nll) < 0.01);
    p.kv_type = OA_KV_Q8;
    assert_ok(oa_eval_perplexity(m, text, TEXT_LEN, &p, &r[0]));
    assert_true(r[0].nll != base[0].nll && fabs(r[0].nll - base[0].nll) < 0.01);
    p.kv_type = OA_KV_F16;
    p.max_windows = 1;
    assert_ok(oa_eval_perplexity(m, text, TEXT_LEN, &p, &r[0]));
    assert_int_equal(r[0].n_windows, 1);
    assert_int_equal(r[0].n_scored, 49);
    oa_model_free(m);
}

typedef struct stop {
    uint64_t n, at, last, total;
} stop;

static int on_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    stop *s = user;
    assert_string_equal(what, "perplexity");
    assert_true(done >= s->last && done <= total);
    s->last = done;
    s->total = total;
    return ++s->n == s->at;
}

static void test_eval_perplexity__progress_and_cancel(void **state)
{
    (void)state;
    oa_model *m = tiny_open(NULL);
    for (uint32_t stride = 0; stride <= 20; stride += 20) {
        oa_perplexity_opts o = OA_PERPLEXITY_OPTS_INIT;
        oa_perplexity_result r = OA_PERPLEXITY_RESULT_INIT;
        stop s = {0};
        o.n_ctx = 50;
        o.stride = stride;
        o.progress_fn = on_progress;
        o.progress_user = &s;
        assert_ok(oa_eval_perplexity(m, text, TEXT_LEN, &o, &r));
        assert_int_equal(s.last, s.total);
        assert_true(s.n > r.n_windows);
        const uint64_t n_calls = s.n;
        size_t n_cancelled = 0;
        for (uint64_t at = 1; at <= n_calls; at += 3) {
            s = (stop){.at = at};
            r.nll = 5;
            const int rc = oa_eval_perplexity(m, text, TEXT_LEN, &o, &r);
            /* some calls come by the clock: another run may have fewer */
            assert_int_equal(rc, s.n < at ? OA_OK : OA_ECANCELLED);
            assert_true(rc == OA_OK || (s.n == at && r.nll == 0 && r.n_scored == 0));
            n_cancelled += rc == OA_ECANCELLED;
        }
        assert_true(n_cancelled > 0);
    }
    oa_model_free(m);
}

static void test_eval_perplexity__every_allocation_fails(void **state)
{
    (void)state;
    size_t n_failed = 0;
    for (uint64_t nth = 1;; nth++) {
        struct fail_alloc fa;
        oa_model_opts o = OA_MODEL_OPTS_INIT;
        oa_perplexity_opts p = OA_PERPLEXITY_OPTS_INIT;
        oa_perplexity_result r = OA_PERPLEXITY_RESULT_INIT;
        o.n_threads = 2;
        o.allocator = fail_alloc_init(&fa, 0);
        oa_model *m = tiny_open(&o);
        p.n_ctx = 40;
        p.max_windows = 2;
        fa.fail_at = atomic_load(&fa.n_calls) + nth;
        const int rc = oa_eval_perplexity(m, text, TEXT_LEN, &p, &r);
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        n_failed += rc == OA_ENOMEM;
        const bool hit = fail_alloc_hit(&fa);
        oa_model_free(m);
        assert_int_equal(fail_alloc_live(&fa), 0);
        if (!hit) break;
    }
    assert_true(n_failed > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eval_perplexity__side_by_side),
        cmocka_unit_test(test_eval_perplexity__strided),
        cmocka_unit_test(test_eval_perplexity__one_answer),
        cmocka_unit_test(test_eval_perplexity__progress_and_cancel),
        cmocka_unit_test(test_eval_perplexity__every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
