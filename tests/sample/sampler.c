/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sampler as a whole: what it draws and how often, that it can be repeated, forks, and what
 * happens without memory.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample/sample_priv.h"
#include "util/fail_alloc.h"

#define N 50

static oa_sampler *fresh(const char *order, double seed)
{
    oa_sampler *s = NULL;
    assert_int_equal(oa_sampler_new(&s, NULL), OA_OK);
    if (order) assert_int_equal(oa_sampler_set_text(s, "order", order), OA_OK);
    assert_int_equal(oa_sampler_set(s, "seed", seed), OA_OK);
    return s;
}

static void some_logits(float logits[N])
{
    for (int i = 0; i < N; i++)
        logits[i] = (float)((i * 37 % N) / 8.0);
}

static int32_t pick(oa_sampler *s, const float *logits)
{
    int32_t id = -1;
    assert_int_equal(oa_sampler_pick(s, logits, N, &id), OA_OK);
    assert_in_range(id, 0, N - 1);
    return id;
}

/* 200,000 draws fall as the probabilities say: every count within 5 standard deviations. */
static void test_sample_sampler__distribution(void **state)
{
    (void)state;
    enum { DRAWS = 200000 };
    float logits[N];
    some_logits(logits);
    static const char *const orders[] = {"", "temperature", "top_k;temperature"};
    for (int o = 0; o < 3; o++) {
        oa_sampler *s = fresh(orders[o], 42);
        assert_int_equal(oa_sampler_set(s, "top_k", 7), OA_OK);
        double p[N], sum = 0;
        for (int i = 0; i < N; i++) {
            p[i] = exp(logits[i] / (o ? 0.8 : 1));
            int rank = 0;
            for (int j = 0; j < N; j++)
                rank += logits[j] > logits[i];
            if (o == 2 && rank >= 7) p[i] = 0;
            sum += p[i];
        }
        int count[N] = {0};
        for (int i = 0; i < DRAWS; i++)
            count[pick(s, logits)]++;
        for (int i = 0; i < N; i++) {
            double q = p[i] / sum, want = DRAWS * q;
            assert_true(fabs(count[i] - want) <= 5 * sqrt(want * (1 - q)) + 1e-9);
        }
        oa_sampler_free(s);
    }
}

/* XTC acts as often as it is told to. */
static void test_sample_sampler__xtc_chance(void **state)
{
    (void)state;
    float logits[N];
    for (int i = 0; i < N; i++)
        logits[i] = -INFINITY;
    logits[3] = 1, logits[4] = 0.9f, logits[5] = 0.8f;
    oa_sampler *s = fresh("xtc;temperature", 1);
    assert_int_equal(oa_sampler_set(s, "xtc_probability", 0.3), OA_OK);
    assert_int_equal(oa_sampler_set(s, "temperature", 0.0001), OA_OK); /* draws the first */
    int n = 0;
    for (int i = 0; i < 20000; i++) {
        int32_t id = pick(s, logits);
        assert_true(id == 3 || id == 5);
        n += id == 5;
    }
    assert_in_range(n, 6000 - 330, 6000 + 330);
    oa_sampler_free(s);
}

/* The first 24 picks of a whole chain with a seed; they must never change. */
static void test_sample_sampler__frozen(void **state)
{
    (void)state;
    static const int32_t want[24] = {5,  32, 5,  4,  43, 8,  47, 47, 40, 47, 35, 27,
                                     31, 32, 12, 16, 8,  31, 1,  16, 36, 24, 31, 31};
    float logits[N];
    some_logits(logits);
    oa_sampler *s = fresh("bias;penalties;dry;top_k;typical_p;top_p;min_p;xtc;temperature", 1234);
    assert_int_equal(oa_sampler_set(s, "temperature", 1.3), OA_OK);
    assert_int_equal(oa_sampler_set(s, "typical_p", 0.97), OA_OK);
    assert_int_equal(oa_sampler_set(s, "repeat_penalty", 1.1), OA_OK);
    assert_int_equal(oa_sampler_set(s, "frequency_penalty", 0.1), OA_OK);
    assert_int_equal(oa_sampler_set(s, "dry_multiplier", 0.8), OA_OK);
    assert_int_equal(oa_sampler_set(s, "xtc_probability", 0.2), OA_OK);
    assert_int_equal(oa_sampler_set_bias(s, 7, 1.5f), OA_OK);
    for (int twice = 0; twice < 2; twice++) {
        for (int i = 0; i < 24; i++) {
            int32_t id = pick(s, logits);
            if (id != want[i]) print_message("pick %d is %d\n", i, (int)id);
            assert_int_equal(id, want[i]);
            assert_int_equal(oa_sampler_accept(s, id), OA_OK);
        }
        assert_int_equal(oa_sampler_reset(s), OA_OK);
    }
    oa_sampler_free(s);
}

static void test_sample_sampler__seeds(void **state)
{
    (void)state;
    float logits[N] = {0};
    oa_sampler *a = fresh("", 1), *b = fresh("", 1), *c = fresh("", 2);
    oa_sampler *d = fresh("", -1), *e = fresh("", -1);
    int n_ab = 0, n_ac = 0, n_de = 0;
    for (int i = 0; i < 100; i++) {
        int32_t id = pick(a, logits);
        n_ab += id == pick(b, logits);
        n_ac += id == pick(c, logits);
        n_de += pick(d, logits) == pick(e, logits);
    }
    assert_int_equal(n_ab, 100);
    assert_in_range(n_ac, 0, 20);
    assert_in_range(n_de, 0, 20); /* the system's seeds differ */
    /* Setting the seed begins anew. */
    assert_int_equal(oa_sampler_set(a, "seed", 1), OA_OK);
    assert_int_equal(oa_sampler_set(b, "seed", 1), OA_OK);
    for (int i = 0; i < 50; i++)
        assert_int_equal(pick(a, logits), pick(b, logits));
    oa_sampler_free(a);
    oa_sampler_free(b);
    oa_sampler_free(c);
    oa_sampler_free(d);
    oa_sampler_free(e);
}

static void configure(oa_sampler *s)
{
    assert_int_equal(oa_sampler_set(s, "repeat_penalty", 1.3), OA_OK);
    assert_int_equal(oa_sampler_set(s, "dry_multiplier", 0.7), OA_OK);
    assert_int_equal(oa_sampler_set_text(s, "dry_breakers", "4 9"), OA_OK);
    assert_int_equal(
        oa_sampler_set_text(s, "order", "dry;bias;penalties;top_p;temperature;min_p;xtc"), OA_OK);
    for (int32_t i = 0; i < 40; i++)
        assert_int_equal(oa_sampler_set_bias(s, i * 11, (float)i / 10), OA_OK);
}

/* A fork goes on as the original does, and then each is on its own. */
static void test_sample_sampler__fork(void **state)
{
    (void)state;
    float logits[N];
    some_logits(logits);
    oa_sampler *a = fresh(NULL, -1), *b = NULL;
    configure(a);
    for (int i = 0; i < 30; i++)
        assert_int_equal(oa_sampler_accept(a, pick(a, logits)), OA_OK);
    assert_int_equal(oa_sampler_fork(&b, a), OA_OK);
    char text[2][100];
    assert_int_equal(oa_sampler_copy_text(b, "dry_breakers", text[0], 100, NULL), OA_OK);
    assert_string_equal(text[0], "4 9");
    assert_int_equal(oa_sampler_copy_text(a, "order", text[0], 100, NULL), OA_OK);
    assert_int_equal(oa_sampler_copy_text(b, "order", text[1], 100, NULL), OA_OK);
    assert_string_equal(text[0], text[1]);
    for (int i = 0; i < 100; i++) {
        int32_t id = pick(a, logits);
        assert_int_equal(id, pick(b, logits));
        assert_int_equal(oa_sampler_accept(a, id), OA_OK);
        assert_int_equal(oa_sampler_accept(b, id), OA_OK);
    }
    assert_int_equal(oa_sampler_set_bias(a, 3, -INFINITY), OA_OK);
    oa_sampler_free(a);
    for (int i = 0; i < 10; i++)
        pick(b, logits);
    oa_sampler_free(b);
    assert_int_equal(oa_sampler_fork(NULL, NULL), OA_EINVAL);
    assert_int_equal(oa_sampler_fork(&b, NULL), OA_EINVAL);
    assert_null(b);
}

/* A sampler in another handle's account is counted there; its fork is not. */
static void test_sample_sampler__account(void **state)
{
    (void)state;
    float logits[N];
    some_logits(logits);
    oa__mem mem;
    assert_int_equal(oa__mem_init(&mem, NULL, 0), OA_OK);
    oa_sampler *a = NULL, *b = NULL;
    assert_int_equal(oa__sampler_new_in(&a, &mem), OA_OK);
    const uint64_t empty = mem.used;
    assert_true(empty > 0);
    configure(a);
    pick(a, logits);
    assert_true(mem.used > empty);
    assert_int_equal(oa_sampler_fork(&b, a), OA_OK);
    oa_sampler_free(a);
    assert_int_equal(mem.used, 0);
    pick(b, logits);
    oa_sampler_free(b);
    assert_int_equal(oa__mem_init(&mem, NULL, 64), OA_OK);
    assert_int_equal(oa__sampler_new_in(&a, &mem), OA_ENOMEM);
    assert_null(a);
}

/* Biases: many, changed, removed, forbidden. */
static void test_sample_sampler__bias(void **state)
{
    (void)state;
    float logits[N] = {0};
    oa_sampler *s = fresh(NULL, 1);
    assert_int_equal(oa_sampler_set(s, "temperature", 0), OA_OK);
    for (int32_t id = 0; id < 5000; id++)
        assert_int_equal(oa_sampler_set_bias(s, id * 401 % 5000, 1), OA_OK);
    assert_int_equal(pick(s, logits), 0);
    assert_int_equal(oa_sampler_set_bias(s, 17, 2), OA_OK);
    assert_int_equal(pick(s, logits), 17);
    assert_int_equal(oa_sampler_set_bias(s, INT32_MAX, 3), OA_OK); /* outside: no effect */
    assert_int_equal(pick(s, logits), 17);
    assert_int_equal(oa_sampler_set_bias(s, 17, 0), OA_OK);
    assert_int_equal(pick(s, logits), 0);
    assert_int_equal(oa_sampler_reset(s), OA_OK); /* keeps biases */
    for (int32_t id = 0; id < N; id++)
        assert_int_equal(oa_sampler_set_bias(s, id, id == 30 ? 1 : -INFINITY), OA_OK);
    assert_int_equal(pick(s, logits), 30);
    assert_int_equal(oa_sampler_set_bias(s, 30, -INFINITY), OA_OK);
    int32_t id = 99;
    assert_int_equal(oa_sampler_pick(s, logits, N, &id), OA_ELIMIT);
    assert_int_equal(id, 99);
    assert_int_equal(oa_sampler_set(s, "temperature", 1), OA_OK);
    assert_int_equal(oa_sampler_pick(s, logits, N, &id), OA_ELIMIT);
    assert_int_equal(oa_sampler_set_bias(s, -1, 1), OA_EINVAL);
    assert_int_equal(oa_sampler_set_bias(s, 1, NAN), OA_EINVAL);
    assert_int_equal(oa_sampler_set_bias(NULL, 1, 1), OA_EINVAL);
    oa_sampler_free(s);
}

static void test_sample_sampler__garbage(void **state)
{
    (void)state;
    float logits[N] = {0};
    int32_t id = 7;
    oa_sampler *s = fresh(NULL, 1);
    assert_int_equal(oa_sampler_pick(NULL, logits, N, &id), OA_EINVAL);
    assert_int_equal(oa_sampler_pick(s, NULL, N, &id), OA_EINVAL);
    assert_int_equal(oa_sampler_pick(s, logits, 0, &id), OA_EINVAL);
    assert_int_equal(oa_sampler_pick(s, logits, SIZE_MAX, &id), OA_EINVAL);
    assert_int_equal(oa_sampler_pick(s, logits, N, NULL), OA_EINVAL);
    assert_int_equal(id, 7);
    assert_int_equal(oa_sampler_accept(NULL, 1), OA_EINVAL);
    assert_int_equal(oa_sampler_accept(s, -1), OA_EINVAL);
    assert_int_equal(oa_sampler_accept(s, INT32_MAX), OA_OK);
    assert_int_equal(oa_sampler_reset(NULL), OA_EINVAL);
    /* Every parameter at its ends, with ids that no vocabulary has: it picks or says why not. */
    for (size_t i = 0; i < OA__N_PARAMS; i++) {
        oa_param p = OA_PARAM_INIT;
        assert_int_equal(oa_sampler_get_param(i, &p), OA_OK);
        if (p.type == OA_PARAM_TEXT) continue;
        for (int end = 0; end < 2; end++) {
            oa_sampler *t = fresh(NULL, 3);
            assert_int_equal(oa_sampler_set(t, "dry_multiplier", 100), OA_OK);
            assert_int_equal(oa_sampler_set(t, "dry_base", 100), OA_OK);
            assert_int_equal(oa_sampler_set(t, "repeat_penalty", 100), OA_OK);
            assert_int_equal(oa_sampler_set(t, p.key, end ? p.max_value : p.min_value), OA_OK);
            for (int j = 0; j < 2000; j++)
                assert_int_equal(oa_sampler_accept(t, j % 2), OA_OK);
            assert_int_equal(oa_sampler_accept(t, INT32_MAX), OA_OK);
            for (int j = 0; j < 20; j++)
                assert_int_equal(oa_sampler_accept(t, 0), OA_OK);
            for (int j = 0; j < 5; j++)
                pick(t, logits);
            oa_sampler_free(t);
        }
    }
    oa_sampler_free(s);
}

/* --- without memory --------------------------------------------------------------------------- */

static int script(const oa_allocator *allocator)
{
    int rc = OA_OK;
    float logits[N];
    some_logits(logits);
    oa_sampler *s = NULL, *t = NULL;
    oa_sampler_opts o = OA_SAMPLER_OPTS_INIT;
    o.allocator = allocator;
    OA__TRY_GOTO(oa_sampler_new(&s, &o));
    OA__TRY_GOTO(oa_sampler_set(s, "seed", 9));
    OA__TRY_GOTO(oa_sampler_set(s, "repeat_penalty", 1.2));
    OA__TRY_GOTO(oa_sampler_set(s, "dry_multiplier", 1));
    OA__TRY_GOTO(oa_sampler_set_text(s, "dry_breakers", "3 4"));
    OA__TRY_GOTO(oa_sampler_set_text(s, "order", "xtc;dry;penalties;bias;temperature"));
    for (int32_t i = 0; i < 20; i++)
        OA__TRY_GOTO(oa_sampler_set_bias(s, i, 1));
    for (int32_t i = 0; i < 40; i++)
        OA__TRY_GOTO(oa_sampler_accept(s, i % 5 + 10));
    OA__TRY_GOTO(oa_sampler_set(s, "xtc_probability", 0.5));
    int32_t id = -1;
    OA__TRY_GOTO(oa_sampler_pick(s, logits, N, &id));
    OA__TRY_GOTO(oa_sampler_fork(&t, s));
    OA__TRY_GOTO(oa_sampler_pick(t, logits, N, &id));
fail:
    oa_sampler_free(s);
    oa_sampler_free(t);
    return rc;
}

static void test_sample_sampler__no_memory(void **state)
{
    (void)state;
    int n = 0;
    for (;; n++) {
        struct fail_alloc fa;
        int rc = script(fail_alloc_init(&fa, (uint64_t)n + 1));
        assert_int_equal(fail_alloc_live(&fa), 0);
        if (!fail_alloc_hit(&fa)) {
            assert_int_equal(rc, OA_OK);
            break;
        }
        assert_int_equal(rc, OA_ENOMEM);
    }
    assert_true(n > 10);
}

/* A pick that fails for want of memory leaves the random state where it was. */
static void test_sample_sampler__failed_pick(void **state)
{
    (void)state;
    float logits[N];
    some_logits(logits);
    oa__mem mem;
    assert_int_equal(oa__mem_init(&mem, NULL, 0), OA_OK);
    oa_sampler *s = NULL;
    assert_int_equal(oa__sampler_new_in(&s, &mem), OA_OK);
    assert_int_equal(oa_sampler_set(s, "seed", 4), OA_OK);
    assert_int_equal(oa_sampler_set(s, "xtc_probability", 1), OA_OK);
    assert_int_equal(oa_sampler_set(s, "repeat_penalty", 2), OA_OK);
    assert_int_equal(oa_sampler_set_text(s, "order", "xtc;penalties"), OA_OK);
    assert_int_equal(oa_sampler_accept(s, 1), OA_OK);
    const oa__random before = s->random;
    int32_t id = -1;
    int n_failed = 0;
    for (mem.limit = mem.used + 1; oa_sampler_pick(s, logits, N, &id) == OA_ENOMEM; n_failed++) {
        assert_memory_equal(&before, &s->random, sizeof before);
        assert_int_equal(id, -1);
        mem.limit += 200;
    }
    assert_true(n_failed > 3);
    assert_memory_not_equal(&before, &s->random, sizeof before);
    oa_sampler_free(s);
    assert_int_equal(mem.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_sampler__distribution),
        cmocka_unit_test(test_sample_sampler__xtc_chance),
        cmocka_unit_test(test_sample_sampler__frozen),
        cmocka_unit_test(test_sample_sampler__seeds),
        cmocka_unit_test(test_sample_sampler__fork),
        cmocka_unit_test(test_sample_sampler__account),
        cmocka_unit_test(test_sample_sampler__bias),
        cmocka_unit_test(test_sample_sampler__garbage),
        cmocka_unit_test(test_sample_sampler__no_memory),
        cmocka_unit_test(test_sample_sampler__failed_pick),
    };
    return cmocka_run_group_tests_name("sample/sampler", tests, NULL, NULL);
}
