/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include <math.h>

#include "base/base.h"
#include "tensor/tensor.h"

enum { N = 256 * 24 };

static const uint32_t types[] = {OA__F32,  OA__F16,  OA__BF16, OA__Q4_0,   OA__Q4_1,
                                 OA__Q5_0, OA__Q5_1, OA__Q8_0, OA__Q2_K,   OA__Q3_K,
                                 OA__Q4_K, OA__Q5_K, OA__Q6_K, OA__IQ4_NL, OA__IQ4_XS};

/* Sums of twelve uniform numbers, exact in double: the same floats everywhere. */
static void gaussian(uint64_t seed, float scale, float *x, size_t n)
{
    oa__random r;
    oa__random_seed(&r, seed);
    for (size_t i = 0; i < n; i++) {
        double s = -6.0;
        for (int k = 0; k < 12; k++)
            s += oa__random_f64(&r);
        x[i] = (float)s * scale;
    }
}

/* Root of the mean squared error, relative to the input's. */
static double loss(uint32_t type, const float *x, const uint8_t *row, size_t n)
{
    static float y[N];
    double err = 0, all = 0;
    oa__row_dequant(type, row, y, n);
    for (size_t i = 0; i < n; i++) {
        err += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
        all += (double)x[i] * x[i];
    }
    return sqrt(err / all);
}

static size_t row_size(uint32_t type, size_t n)
{
    size_t size;
    assert_ok(oa__type_row_size(type, n, &size));
    return size;
}

/* Bytes and losses are frozen: a change of either is a change of every file that is written. */
static void test_tensor_quant__bytes_are_frozen(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        uint64_t hash;
        double most;
    } want[] = {
        {OA__Q4_0, 0xeee22188eef39781u, 0.0804},   {OA__Q4_1, 0x2b37bd2bfd869620u, 0.0698},
        {OA__Q5_0, 0x14528aa76ad9b235u, 0.0398},   {OA__Q5_1, 0x20da0ebadded6795u, 0.0339},
        {OA__Q8_0, 0x01d93ff73dbe8a05u, 0.0054},   {OA__Q2_K, 0x8cdaf0ebba66db6fu, 0.2576},
        {OA__Q3_K, 0x4a00fa99e312fa7fu, 0.1406},   {OA__Q4_K, 0x88d88b57e19b3b05u, 0.0691},
        {OA__Q5_K, 0x9aed5c853296eb0cu, 0.0339},   {OA__IQ4_NL, 0x867dffd1e12d115cu, 0.0734},
        {OA__IQ4_XS, 0x5abbd17ce0be2009u, 0.0738}, {OA__Q6_K, 0xd1226379f40f7f05u, 0.0165},
    };
    static float x[N];
    static uint8_t row[N * 4], other[N * 4];
    size_t n_bad = 0;
    gaussian(7, 0.02f, x, N);
    for (size_t i = 0; i < OA__ARRAY_LEN(want); i++) {
        const uint32_t t = want[i].type;
        const size_t size = row_size(t, N);
        assert_ok(oa__row_quantize(0, t, x, row, N, NULL));
        assert_ok(oa__row_quantize(oa__cpu_flags(), t, x, other, N, NULL));
        assert_memory_equal(row, other, size);
        const uint64_t hash = oa__fnv1a(OA__FNV_BASIS, row, size);
        const double got = loss(t, x, row, N);
        if (hash != want[i].hash || got > want[i].most)
            test_note("%s: {%u, 0x%016llx, %.6f}", oa__type_get(t)->name, t,
                      (unsigned long long)hash, got);
        n_bad += hash != want[i].hash || got > want[i].most;
    }
    assert_int_equal(n_bad, 0);
}

/* In one call or block by block. */
static void test_tensor_quant__blocks_stand_alone(void **state)
{
    (void)state;
    static float x[N];
    static uint8_t whole[N * 4], part[N * 4];
    gaussian(8, 1.0f, x, N);
    for (size_t i = 0; i < OA__ARRAY_LEN(types); i++) {
        const oa__type_info *t = oa__type_get(types[i]);
        assert_ok(oa__row_quantize(0, t->type, x, whole, N, NULL));
        for (size_t b = 0; b < N / t->block_len; b++)
            assert_ok(oa__row_quantize(0, t->type, x + b * t->block_len, part + b * t->block_size,
                                       t->block_len, NULL));
        assert_memory_equal(whole, part, row_size(t->type, N));
    }
}

/* What a type can say exactly comes back, or nearly so, and zero is zero. */
static void test_tensor_quant__special_rows(void **state)
{
    (void)state;
    float x[256], y[256];
    uint8_t row[1024];
    for (size_t i = 0; i < OA__ARRAY_LEN(types); i++) {
        const uint32_t t = types[i];
        const size_t size = row_size(t, 256);
        for (int kind = 0; kind < 9; kind++) {
            double most = 0.13; /* relative to the largest */
            float top = 0;
            for (size_t j = 0; j < 256; j++) {
                const float ramp = (float)j / 255.0f;
                const float v[9] = {0.0f,
                                    -0.0f,
                                    1.0f,                          /* all positive, no zero */
                                    -3.0f,                         /* all negative */
                                    j == 77 ? -5.0f : 0.0f,        /* one */
                                    ramp * 2.0f - 1.0f,            /* both signs */
                                    (ramp + 1.0f) * 1e-30f,        /* below every f16 scale */
                                    (j & 1 ? 1.0f : -1.0f) * 3e4f, /* near the end of f16 */
                                    1.0f + ramp};                  /* far from zero */
                x[j] = v[kind];
                top = fabsf(x[j]) > top ? fabsf(x[j]) : top;
            }
            if (t == OA__Q2_K) most = 0.35; /* four levels, with a minimum not above 0 */
            memset(row, 0xee, sizeof row);
            assert_ok(oa__row_quantize(0, t, x, row, 256, NULL));
            for (size_t j = size; j < sizeof row; j++)
                assert_int_equal(row[j], 0xee);
            oa__row_dequant(t, row, y, 256);
            for (size_t j = 0; j < 256; j++) {
                assert_true(isfinite(y[j]));
                if (kind == 6) { /* too small for halves, fine for others */
                    assert_true(fabsf(y[j]) <= 4e-30f);
                    continue;
                }
                if (fabsf(x[j] - y[j]) > most * (double)top)
                    fail_msg("%s kind %d element %zu: %g for %g", oa__type_get(t)->name, kind, j,
                             (double)y[j], (double)x[j]);
            }
        }
    }
}

static void test_tensor_quant__importance_moves_the_error(void **state)
{
    (void)state;
    static float x[N], w[N], y[N], z[N];
    static uint8_t row[N * 4], other[N * 4];
    gaussian(9, 0.1f, x, N);
    for (size_t i = 0; i < N; i++)
        w[i] = i % 4 == 0 ? 20.0f : 0.05f;
    for (size_t i = 3; i < OA__ARRAY_LEN(types); i++) {
        const uint32_t t = types[i];
        if (t == OA__Q8_0) continue;
        assert_ok(oa__row_quantize(0, t, x, row, N, NULL));
        assert_ok(oa__row_quantize(0, t, x, other, N, w));
        oa__row_dequant(t, row, y, N);
        oa__row_dequant(t, other, z, N);
        double plain = 0, weighted = 0;
        for (size_t j = 0; j < N; j += 4) {
            plain += pow((double)x[j] - y[j], 2);
            weighted += pow((double)x[j] - z[j], 2);
        }
        if (weighted > 0.9 * plain)
            fail_msg("%s: %g, without importance %g", oa__type_get(t)->name, weighted, plain);
        /* the same for all: no difference; all zero: as if there were none */
        for (size_t j = 0; j < N; j++)
            z[j] = 3.0f;
        assert_ok(oa__row_quantize(0, t, x, other, N, z));
        assert_memory_equal(row, other, row_size(t, N));
        memset(z, 0, sizeof z);
        assert_ok(oa__row_quantize(0, t, x, other, N, z));
        assert_memory_equal(row, other, row_size(t, N));
    }
}

static void test_tensor_quant__refuses(void **state)
{
    (void)state;
    float x[256], w[256];
    uint8_t row[1024];
    for (size_t i = 0; i < 256; i++)
        x[i] = w[i] = 1.0f;
    for (size_t i = 0; i < OA__ARRAY_LEN(types); i++) {
        const uint32_t t = types[i];
        x[201] = NAN;
        assert_err(oa__row_quantize(0, t, x, row, 256, NULL), OA_EFORMAT,
                   "weight 201 is not a number");
        x[201] = -INFINITY;
        assert_err(oa__row_quantize(0, t, x, row, 256, NULL), OA_EFORMAT, "weight 201 is infinite");
        x[201] = 1e38f;
        if (t == OA__F32 || t == OA__BF16)
            assert_ok(oa__row_quantize(0, t, x, row, 256, NULL));
        else
            assert_err(oa__row_quantize(0, t, x, row, 256, NULL), OA_EFORMAT, "too large for");
        x[201] = 1.0f;
        if (oa__type_get(t)->block_len > 1)
            assert_err(oa__row_quantize(0, t, x, row, 255, NULL), OA_EFORMAT, "multiple of");
        w[3] = -1.0f;
        assert_err(oa__row_quantize(0, t, x, row, 256, w), OA_EINVAL, "importance 3 is negative");
        w[3] = NAN;
        assert_err(oa__row_quantize(0, t, x, row, 256, w), OA_EFORMAT, "importance 3 is not");
        w[3] = 1.0f;
    }
    for (size_t i = 0; i < 256; i++)
        x[i] = 3.40282347e38f;
    assert_err(oa__row_quantize(0, OA__BF16, x, row, 256, NULL), OA_EFORMAT, "too large for BF16");
    assert_err(oa__row_quantize(0, 4, x, row, 256, NULL), OA_EUNSUPPORTED, "type 4");
}

/* Random bit patterns as floats: an error or finite values, nothing written past the row. */
static void test_tensor_quant__any_bits(void **state)
{
    (void)state;
    oa__random r;
    float x[256], y[256];
    uint8_t row[1100];
    oa__random_seed(&r, 3);
    for (int round = 0; round < 4000; round++) {
        const uint32_t t = types[oa__random_below(&r, OA__ARRAY_LEN(types))];
        const unsigned narrow = (unsigned)oa__random_below(&r, 140);
        for (size_t i = 0; i < 256; i++) {
            uint32_t bits = (uint32_t)oa__random_u64(&r);
            /* most rounds: exponents of one neighbourhood */
            if (round % 8)
                bits = (bits & 0x807fffffu) | (narrow + (uint32_t)(bits >> 25 & 31u)) << 23;
            memcpy(&x[i], &bits, 4);
        }
        const size_t size = row_size(t, 256);
        memset(row, 0x5a, sizeof row);
        const int rc = oa__row_quantize(oa__cpu_flags(), t, x, row, 256, NULL);
        assert_true(rc == OA_OK || rc == OA_EFORMAT);
        for (size_t i = size; i < sizeof row; i++)
            assert_int_equal(row[i], 0x5a);
        if (rc != OA_OK) continue;
        oa__row_dequant(t, row, y, 256);
        for (size_t i = 0; i < 256; i++)
            if (!isfinite(y[i])) fail_msg("%s: %g", oa__type_get(t)->name, (double)y[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensor_quant__bytes_are_frozen),
        cmocka_unit_test(test_tensor_quant__blocks_stand_alone),
        cmocka_unit_test(test_tensor_quant__special_rows),
        cmocka_unit_test(test_tensor_quant__importance_moves_the_error),
        cmocka_unit_test(test_tensor_quant__refuses),
        cmocka_unit_test(test_tensor_quant__any_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
