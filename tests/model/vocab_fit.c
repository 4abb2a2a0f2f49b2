/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include <math.h>

#include "model/vocab_fit.h"

/* Everything that has a place for each token grows, and no text becomes what was added. */
static void test_model_vocab_fit__longer(void **state)
{
    (void)state;
    enum { N = 3, MORE = 4000 };
    const oa__span tokens[N] = {{"a", 1}, {"b", 1}, {"?", 1}};
    const float scores[N] = {-1, -2, 0};
    const int32_t types[N] = {1, 1, 2};
    const uint8_t added[N] = {0, 0, OA__ADDED};
    double *exact = oa__alloc(NULL, sizeof *exact * N); /* not a number more */
    assert_non_null(exact);
    for (size_t i = 0; i < N; i++)
        exact[i] = (double)scores[i];
    oa__vocab_spec spec = {.kind = OA__VOCAB_UGM,
                           .tokens = tokens,
                           .scores = scores,
                           .types = types,
                           .added = added,
                           .exact_scores = exact,
                           .n_tokens = N,
                           .bos_id = -1,
                           .eos_id = -1,
                           .eot_id = -1,
                           .unk_id = 2,
                           .pad_id = -1};
    oa__vocab_fit fit = {0};
    assert_int_equal(oa__vocab_fit_to(&fit, &spec, MORE), OA_OK);
    assert_int_equal(spec.n_tokens, MORE);
    for (size_t i = 0; i < MORE; i++) {
        assert_true(i < N ? spec.exact_scores[i] == exact[i] : isnan(spec.exact_scores[i]));
        assert_true(i < N ? spec.scores[i] == scores[i] : spec.scores[i] < -9999);
        assert_int_equal(spec.types[i], i < N ? types[i] : OA__TOKEN_UNUSED);
        assert_int_equal(spec.added[i], i < N ? added[i] : 0);
    }
    oa__vocab *v;
    oa__ids ids = {0};
    assert_int_equal(oa__vocab_new(&v, NULL, &spec), OA_OK);
    assert_int_equal(oa__vocab_encode(v, "ab[PAD3]", 8, 0, &ids), OA_OK);
    assert_int_equal(ids.len, 3);
    assert_int_equal(ids.data[2], 2);
    oa__ids_free(&ids);
    oa__vocab_free(v);
    oa__vocab_fit_free(&fit);
    oa__free(NULL, exact);
}

static void test_model_vocab_fit__shorter(void **state)
{
    (void)state;
    const oa__span tokens[3] = {{"a", 1}, {"<x>", 3}, {"<y>", 3}};
    const uint8_t added[3] = {0, OA__ADDED, OA__ADDED};
    oa__vocab_spec spec = {.tokens = tokens, .added = added, .n_tokens = 3, .eos_id = 2};
    oa__vocab_fit fit = {0};
    assert_int_equal(oa__vocab_fit_to(&fit, &spec, 1), OA_OK);
    assert_int_equal(spec.n_tokens, 1);
    assert_int_equal(spec.eos_id, -1);
    spec.n_tokens = 3;
    assert_int_equal(oa__vocab_fit_to(&fit, &spec, 0), OA_EFORMAT); /* "a" is the model's */
    oa__vocab_fit_free(&fit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_vocab_fit__longer),
        cmocka_unit_test(test_model_vocab_fit__shorter),
    };
    return cmocka_run_group_tests_name("model_vocab_fit", tests, NULL, NULL);
}
