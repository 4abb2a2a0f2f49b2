/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of every type, packed and multiplied, on every tier of the machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kern/rows.h"
#include "tensor/tensor.h"

typedef struct problem {
    uint32_t type;
    size_t n_rows, n_cols, n_tokens, row_size;
    uint8_t *src;
    float *x, *y;
    void *scratch;
    oa__weight w;
} problem;

static int load(oa__weight *w, oa__mem *mem, uint32_t type, size_t n_rows, size_t n_cols,
                const void *rows)
{
    const oa__weight_from from = {.rows = rows};
    return oa__weight_load(w, mem, NULL, type, n_rows, n_cols, &from);
}

static void problem_new(problem *p, uint32_t type, size_t n_rows, size_t n_cols, size_t n_tokens,
                        uint64_t seed)
{
    test_random r = {seed};
    size_t size;
    *p = (problem){.type = type, .n_rows = n_rows, .n_cols = n_cols, .n_tokens = n_tokens};
    assert_int_equal(oa__type_row_size(type, n_cols, &p->row_size), OA_OK);
    p->src = oa__alloc_array(NULL, n_rows, p->row_size);
    p->x = oa__alloc_array(NULL, n_tokens * n_cols, sizeof(float));
    p->y = oa__alloc_array(NULL, n_tokens * n_rows, sizeof(float));
    assert_int_equal(oa__mm_scratch_size(n_cols, n_tokens, 3, &size), OA_OK);
    p->scratch = oa__alloc(NULL, size);
    for (size_t i = 0; i < n_rows; i++)
        test_fill_row(type, p->src + i * p->row_size, n_cols, &r);
    for (size_t i = 0; i < n_tokens * n_cols; i++)
        p->x[i] = test_float(&r);
    assert_int_equal(load(&p->w, NULL, type, n_rows, n_cols, p->src), OA_OK);
}

static void problem_free(problem *p)
{
    oa__weight_unload(&p->w, NULL);
    oa__free(NULL, p->src);
    oa__free(NULL, p->x);
    oa__free(NULL, p->y);
    oa__free(NULL, p->scratch);
}

static void run(problem *p, const oa__kern *kern, oa__pool *pool, size_t n_tokens, const float *x,
                float *y, bool add)
{
    const oa__mm job = {.w = &p->w, .y = y, .y_stride = p->n_rows, .add = add};
    oa__mm_run(kern, pool, &job, 1, x, p->n_cols, n_tokens, p->scratch);
}

/* Against the sum in double of dequantised weights and activations. Quantised: the activations of
 * a block are off by at most half a step each, and the kernel rounds at most 4 times a block. */
static void check_exact(const problem *p)
{
    const bool quantised = oa__type_get(p->type)->quantised;
    float *w = oa__alloc_array(NULL, p->n_cols, sizeof(float));
    double worst = 0;
    for (size_t r = 0; r < p->n_rows; r++) {
        oa__row_dequant(p->type, p->src + r * p->row_size, w, p->n_cols);
        for (size_t t = 0; t < p->n_tokens; t++) {
            double sum = 0, abs_sum = 0, step_sum = 0;
            for (size_t b = 0; b < p->n_cols; b += 32) {
                double amax = 0, w_sum = 0;
                for (size_t i = b; i < b + 32 && i < p->n_cols; i++) {
                    const double x = p->x[t * p->n_cols + i];
                    sum += w[i] * x;
                    abs_sum += fabs(w[i] * x);
                    w_sum += fabs((double)w[i]);
                    if (fabs(x) > amax) amax = fabs(x);
                }
                step_sum += w_sum * amax / 254 * 1.0001;
            }
            const double n = quantised ? (double)p->n_cols / 4 : (double)p->n_cols;
            double bound = (n + 8) * FLT_EPSILON / 2 * abs_sum;
            /* minimum and integer part may cancel: their roundings count at full size */
            if (quantised) bound = bound * 40 + step_sum;
            const double err = fabs(p->y[t * p->n_rows + r] - sum);
            if (err / bound > worst) worst = err / bound;
        }
    }
    oa__free(NULL, w);
    if (worst > 1) print_message("# %s: %.3g of the bound\n", oa__type_get(p->type)->name, worst);
    assert_true(worst <= 1);
}

#if defined(__aarch64__)
static const unsigned tiers[] = {0, OA__CPU_NEON, OA__CPU_NEON | OA__CPU_DOTPROD};
#else
static const unsigned tiers[] = {0, OA__CPU_AVX2, OA__CPU_AVX2 | OA__CPU_AVX512VNNI};
#endif

static size_t n_tiers(void)
{
    const unsigned have = oa__cpu_flags();
    size_t n = 1;
    while (n < OA__ARRAY_LEN(tiers) && (tiers[n] & have) == tiers[n])
        n++;
    return n;
}

/* Rows that fill no group, columns that fill no panel, tokens that fill no tile. */
static void test_tensor_mm__every_type(void **state)
{
    (void)state;
    static const size_t n_tokens[] = {1, 2, 3, 7, 33};
    for (size_t i = 0; i < TEST_N_TYPES; i++)
        for (size_t j = 0; j < OA__ARRAY_LEN(n_tokens); j++) {
            const oa__type_shape *s = oa__kern_shape(test_types[i]);
            const size_t n_cols = s->block == 256 ? 512 : s->block == 32 ? 352 : 77;
            problem p;
            problem_new(&p, test_types[i], 37, n_cols, n_tokens[j], i * 100 + j);
            const size_t y_size = p.n_rows * p.n_tokens * sizeof(float);
            float *want = oa__alloc(NULL, y_size);
            run(&p, oa__kern_get(0), NULL, p.n_tokens, p.x, p.y, false);
            check_exact(&p);
            memcpy(want, p.y, y_size);
            for (size_t t = 1; t < n_tiers(); t++) {
                run(&p, oa__kern_get(tiers[t]), NULL, p.n_tokens, p.x, p.y, false);
                assert_memory_equal(want, p.y, y_size);
            }
            oa__free(NULL, want);
            problem_free(&p);
        }
}

/* A token has the same result alone, in a batch, and with any number of threads. */
static void test_tensor_mm__alone_batched_threaded(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_N_TYPES; i++)
        for (size_t tier = 0; tier < n_tiers(); tier++) {
            const oa__kern *kern = oa__kern_get(tiers[tier]);
            problem p;
            problem_new(&p, test_types[i], 200, 256, 33, i);
            float *alone = oa__alloc_array(NULL, p.n_rows * p.n_tokens, sizeof(float));
            for (size_t t = 0; t < p.n_tokens; t++)
                run(&p, kern, NULL, 1, p.x + t * p.n_cols, alone + t * p.n_rows, false);
            for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
                oa__pool *pool = NULL;
                assert_int_equal(oa__pool_new(&pool, NULL, n_threads), OA_OK);
                memset(p.y, 0xff, p.n_rows * p.n_tokens * sizeof(float));
                run(&p, kern, pool, p.n_tokens, p.x, p.y, false);
                assert_memory_equal(alone, p.y, p.n_rows * p.n_tokens * sizeof(float));
                oa__pool_free(pool);
            }
            /* add: y + acc, one rounding */
            for (size_t j = 0; j < p.n_rows * p.n_tokens; j++)
                p.y[j] = (float)j;
            run(&p, kern, NULL, p.n_tokens, p.x, p.y, true);
            for (size_t j = 0; j < p.n_rows * p.n_tokens; j++)
                assert_true(p.y[j] == (float)j + alone[j]);
            oa__free(NULL, alone);
            problem_free(&p);
        }
}

/* Several weights of different types and heights share one input. */
static void test_tensor_mm__many_jobs(void **state)
{
    (void)state;
    enum { N = 8, TOKENS = 9, COLS = 512 };
    static const uint32_t types[N] = {OA__Q4_1, OA__F32, OA__Q6_K, OA__Q8_0,
                                      OA__Q4_K, OA__F16, OA__Q5_0, OA__Q2_K};
    problem p[N];
    oa__mm jobs[N];
    size_t size;
    oa__pool *pool = NULL;
    const oa__kern *kern = oa__kern_get(oa__cpu_flags());
    assert_int_equal(oa__pool_new(&pool, NULL, 3), OA_OK);
    assert_int_equal(oa__mm_scratch_size(COLS, TOKENS, 3, &size), OA_OK);
    void *scratch = oa__alloc(NULL, size);
    for (size_t i = 0; i < N; i++) {
        problem_new(&p[i], types[i], 16 * i + 5, COLS, TOKENS, i);
        jobs[i] = (oa__mm){.w = &p[i].w, .y = p[i].y, .y_stride = p[i].n_rows};
    }
    oa__mm_run(kern, pool, jobs, N, p[0].x, COLS, TOKENS, scratch);
    for (size_t i = 0; i < N; i++) {
        const size_t y_size = p[i].n_rows * TOKENS * sizeof(float);
        float *y = oa__alloc(NULL, y_size);
        run(&p[i], oa__kern_get(0), NULL, TOKENS, p[0].x, y, false);
        assert_memory_equal(y, p[i].y, y_size);
        oa__free(NULL, y);
    }
    for (size_t i = 0; i < N; i++)
        problem_free(&p[i]);
    oa__free(NULL, scratch);
    oa__pool_free(pool);
}

/* Jobs that take stretches of the input's tokens: as if each had an input of its own. */
static void test_tensor_mm__stretches_of_tokens(void **state)
{
    (void)state;
    enum { N = 5, TOKENS = 300, COLS = 256 };
    static const size_t first[N] = {0, 1, 3, 3, 20}, n_tokens[N] = {1, 2, 9, 17, 280};
    for (size_t i = 0; i < TEST_N_TYPES; i++)
        for (uint32_t n_threads = 1; n_threads <= 3; n_threads += 2) {
            problem p[N];
            oa__mm jobs[N];
            size_t size;
            oa__pool *pool = NULL;
            const oa__kern *kern = oa__kern_get(oa__cpu_flags());
            assert_int_equal(oa__pool_new(&pool, NULL, n_threads), OA_OK);
            assert_int_equal(oa__mm_scratch_size(COLS, TOKENS, n_threads, &size), OA_OK);
            void *scratch = oa__alloc(NULL, size);
            for (size_t j = 0; j < N; j++) {
                problem_new(&p[j], test_types[i], 16 * j + 7, COLS, TOKENS, 10 * i + j);
                memset(p[j].y, 0xff, p[j].n_rows * TOKENS * sizeof(float));
                jobs[j] = (oa__mm){.w = &p[j].w,
                                   .y = p[j].y,
                                   .y_stride = p[j].n_rows,
                                   .first = first[j],
                                   .n_tokens = n_tokens[j]};
            }
            oa__mm_run(kern, pool, jobs, N, p[0].x, COLS, TOKENS, scratch);
            for (size_t j = 0; j < N; j++) {
                const size_t y_size = p[j].n_rows * TOKENS * sizeof(float);
                float *y = oa__alloc(NULL, y_size);
                memset(y, 0xff, y_size);
                run(&p[j], kern, NULL, n_tokens[j], p[0].x + first[j] * COLS, y, false);
                assert_memory_equal(y, p[j].y, y_size);
                oa__free(NULL, y);
            }
            for (size_t j = 0; j < N; j++)
                problem_free(&p[j]);
            oa__free(NULL, scratch);
            oa__pool_free(pool);
        }
}

/* One answer, also between builds and releases: products of made weights, by type. */
static void test_tensor_mm__bits_are_frozen(void **state)
{
    (void)state;
    static const uint64_t want[TEST_N_TYPES] = {
        0xa46804790e543a1eu, 0xe6733aebc767d3b2u, 0x46d777a44a784cb1u, 0x0af61ab9e7f4b837u,
        0xb0100bd0d38521d3u, 0x8d2812775febbbcbu, 0xddee6522fb323ca5u, 0xe72d7d70d5e4e485u,
        0xf3a0cead80c1bdfbu, 0xf7515d50552b012fu, 0x20b4bd9420cdb725u, 0xf905c0965a74353bu,
        0xe5b2f0e4b0d2ddd9u, 0xb286a57ab9160052u, 0x62d08072917187a3u};
    size_t n_bad = 0;
    for (size_t i = 0; i < TEST_N_TYPES; i++)
        for (size_t tier = 0; tier < n_tiers(); tier++) {
            problem p;
            problem_new(&p, test_types[i], 37, 512, 3, 100 + test_types[i]);
            run(&p, oa__kern_get(tiers[tier]), NULL, p.n_tokens, p.x, p.y, false);
            const uint64_t hash = oa__fnv1a(OA__FNV_BASIS, p.y, p.n_rows * p.n_tokens * 4);
            if (hash != want[i])
                print_message("# %s, tier %zu: 0x%016llx\n", oa__type_get(p.type)->name, tier,
                              (unsigned long long)hash);
            n_bad += hash != want[i];
            problem_free(&p);
        }
    assert_int_equal(n_bad, 0);
}

/* A NaN or an infinity in the input stays in its token and shows in its result. */
static void test_tensor_mm__nan_stays_with_its_token(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_N_TYPES; i++)
        for (size_t tier = 0; tier < n_tiers(); tier++) {
            problem p;
            problem_new(&p, test_types[i], 17, 256, 5, i);
            p.x[2 * p.n_cols + 40] = NAN;
            run(&p, oa__kern_get(tiers[tier]), NULL, p.n_tokens, p.x, p.y, false);
            for (size_t t = 0; t < 5; t++)
                for (size_t r = 0; r < 17; r++)
                    assert_int_equal(isnan(p.y[t * 17 + r]) != 0, t == 2);
            problem_free(&p);
        }
}

static void test_tensor_weight__errors(void **state)
{
    (void)state;
    oa__weight w = {0};
    oa__mem mem;
    size_t size;
    const uint8_t src[4 * 18] = {0};
    assert_int_equal(oa__mem_init(&mem, NULL, 64), OA_OK);
    assert_int_equal(load(&w, &mem, OA__Q4_0, 4, 32, src), OA_ENOMEM);
    oa__weight_unload(&w, &mem);
    assert_int_equal(load(&w, &mem, 5, 4, 32, src), OA_EUNSUPPORTED);
    oa__weight_unload(&w, &mem);
    assert_int_equal(load(&w, &mem, OA__Q4_0, 4, 33, src), OA_EFORMAT);
    oa__weight_unload(&w, &mem);
    assert_int_equal(oa__weight_size(OA__F32, SIZE_MAX, 1u << 20, &size), OA_EFORMAT);
    assert_int_equal(oa__weight_size(OA__Q4_1, 17, 64, &size), OA_OK);
    assert_int_equal(size, 2 * 2 * sizeof(oa__pack_q4_1));
    assert_int_equal(oa__weight_size(OA__Q6_K, 17, 256, &size), OA_OK);
    assert_int_equal(size, 2 * sizeof(oa__pack_q6_k));
    oa__weight_unload(NULL, &mem);
}

/* Packing loses nothing: every row comes back as it was. */
static void test_tensor_weight__rows_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_N_TYPES; i++) {
        problem p;
        problem_new(&p, test_types[i], 37, 512, 1, i);
        uint8_t *row = oa__alloc(NULL, p.row_size);
        for (size_t r = 0; r < 37; r++) {
            memset(row, 0xa5, p.row_size);
            oa__weight_row(&p.w, r, row);
            assert_memory_equal(row, p.src + r * p.row_size, p.row_size);
        }
        oa__free(NULL, row);
        problem_free(&p);
    }
}

typedef struct looks {
    oa__progress progress;
    unsigned n, most;
    uint64_t last;
    size_t used;
} looks;

/* Every byte is used up once, in order. */
static void use_up(void *arg, size_t at, size_t size)
{
    looks *l = arg;
    assert_true(at == l->used && size > 0);
    l->used += size;
}

static int look(const char *what, uint64_t done, uint64_t total, void *user)
{
    looks *l = user;
    l->progress.last_ns = 0; /* the next look is due at once */
    assert_true(done >= 100 && (l->n == 0 || done > l->last) && done <= total);
    l->last = done;
    return ++l->n == l->most;
}

/* A large matrix can be cancelled, not only the model between its matrices. */
static void test_tensor_weight__load_is_looked_at(void **state)
{
    enum { ROWS = 5000, COLS = 640 }; /* 12.8 MB */
    float *src = calloc((size_t)ROWS * COLS, sizeof *src);
    assert_non_null(src);
    for (unsigned most = 1; most <= 5; most++) {
        oa__mem mem;
        oa__weight w = {0};
        looks l = {.most = most};
        assert_int_equal(oa__mem_init(&mem, NULL, 0), OA_OK);
        l.progress = (oa__progress){
            .fn = look, .user = &l, .what = "load", .total = 100 + (uint64_t)ROWS * COLS * 4};
        const oa__weight_from from = {
            .rows = src, .progress = &l.progress, .done = 100, .used = use_up, .arg = &l};
        const int rc = oa__weight_load(&w, &mem, NULL, OA__F32, ROWS, COLS, &from);
        assert_int_equal(rc, most <= 4 ? OA_ECANCELLED : OA_OK);
        assert_int_equal(l.n, most <= 4 ? most : 4);
        if (rc == OA_OK) assert_int_equal(l.used, (size_t)ROWS * COLS * sizeof *src);
        oa__weight_unload(&w, &mem);
        assert_int_equal(mem.used, 0);
    }
    free(src);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensor_weight__load_is_looked_at),
        cmocka_unit_test(test_tensor_weight__rows_come_back),
        cmocka_unit_test(test_tensor_mm__every_type),
        cmocka_unit_test(test_tensor_mm__alone_batched_threaded),
        cmocka_unit_test(test_tensor_mm__many_jobs),
        cmocka_unit_test(test_tensor_mm__stretches_of_tokens),
        cmocka_unit_test(test_tensor_mm__bits_are_frozen),
        cmocka_unit_test(test_tensor_mm__nan_stays_with_its_token),
        cmocka_unit_test(test_tensor_weight__errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
