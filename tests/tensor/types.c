/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "kern/rows.h"
#include "tensor/tensor.h"

static void test_tensor_types__table_agrees_with_the_kernels(void **state)
{
    (void)state;
    size_t n = 0;
    for (uint32_t type = 0; type < 300; type++) {
        const oa__type_info *t = oa__type_get(type);
        const oa__type_shape *s = oa__kern_shape(type);
        if (!t) {
            assert_int_equal(s->block, 0);
            continue;
        }
        n++;
        assert_int_equal(t->type, type);
        assert_int_equal(t->block_len, s->block);
        assert_int_equal(t->block_size, s->size);
        assert_int_equal(t->quantised, s->sub != 0);
    }
    assert_int_equal(n, 15);
    assert_string_equal(oa__type_get(OA__Q4_K)->name, "Q4_K");
}

static void test_tensor_types__row_size(void **state)
{
    (void)state;
    size_t size;
    assert_int_equal(oa__type_row_size(OA__Q4_1, 576, &size), OA_OK);
    assert_int_equal(size, 360);
    assert_int_equal(oa__type_row_size(OA__F32, 0, &size), OA_OK);
    assert_int_equal(size, 0);
    assert_int_equal(oa__type_row_size(OA__Q4_1, 577, &size), OA_EFORMAT);
    assert_int_equal(oa__type_row_size(OA__Q4_K, 288, &size), OA_EFORMAT);
    assert_int_equal(oa__type_row_size(OA__F32, UINT64_MAX, &size), OA_EFORMAT);
    assert_int_equal(oa__type_row_size(4, 32, &size), OA_EUNSUPPORTED);
    assert_int_equal(oa__type_row_size(UINT32_MAX, 32, &size), OA_EUNSUPPORTED);
}

/* Blocks written by hand, with the values that the format's definition gives. */

static void test_tensor_types__q4_0(void **state)
{
    (void)state;
    uint8_t b[18] = {0x00, 0x38, 0xf0, 0x12}; /* d = 0.5 */
    float x[32];
    oa__row_dequant(OA__Q4_0, b, x, 32);
    assert_true(x[0] == -4.0f && x[16] == 3.5f);  /* 0 - 8, 15 - 8 */
    assert_true(x[1] == -3.0f && x[17] == -3.5f); /* 2 - 8, 1 - 8 */
    assert_true(x[2] == -4.0f && x[31] == -4.0f);
}

static void test_tensor_types__q4_1_q5_1(void **state)
{
    (void)state;
    uint8_t b[20] = {0x00, 0x38, 0x00, 0xbc, 0xf0, 0x12}; /* d = 0.5, m = -1 */
    uint8_t c[24] = {0x00, 0x38, 0x00, 0xbc, 0x02, 0, 1, 0, 0xf0, 0x12};
    float x[32];
    oa__row_dequant(OA__Q4_1, b, x, 32);
    assert_true(x[0] == -1.0f && x[16] == 6.5f && x[1] == 0.0f && x[17] == -0.5f);
    oa__row_dequant(OA__Q5_1, c, x, 32); /* bits 1 and 16 of qh */
    assert_true(x[0] == -1.0f && x[16] == 14.5f && x[1] == 8.0f && x[17] == -0.5f);
}

static void test_tensor_types__q5_0_q8_0(void **state)
{
    (void)state;
    uint8_t b[22] = {0x00, 0x3c, 0x01, 0, 0, 0x80, 0x0f, [21] = 0x30}; /* d = 1 */
    uint8_t c[34] = {0x00, 0xc0, 0x80, 0x7f, 0x01};                    /* d = -2 */
    float x[32];
    oa__row_dequant(OA__Q5_0, b, x, 32);
    assert_true(x[0] == 15.0f && x[1] == -16.0f && x[31] == 3.0f);
    oa__row_dequant(OA__Q8_0, c, x, 32);
    assert_true(x[0] == 256.0f && x[1] == -254.0f && x[2] == -2.0f && x[3] == 0.0f);
}

static void test_tensor_types__k_types(void **state)
{
    (void)state;
    float x[256];
    uint8_t q2[84] = {[0] = 0x21, [2] = 0x01, [16] = 0x1b, [80] = 0, 0x3c, 0, 0x38};
    oa__row_dequant(OA__Q2_K, q2, x, 256); /* d 1, dmin 0.5: block 0 scale 1 min 2 * 0.5 */
    assert_true(x[0] == 3.0f - 1.0f && x[1] == -1.0f && x[32] == 2.0f);
    assert_true(x[128] == 0.0f); /* h = 1: byte 32 of qs is 0 */

    uint8_t q3[110] = {[0] = 0x01, [32] = 0x03, [96] = 0x01, [104] = 0x02, [109] = 0x3c};
    oa__row_dequant(OA__Q3_K, q3, x, 256);      /* scale 0: 1 | 2 << 4 = 33, less 32 = 1 */
    assert_true(x[0] == 3.0f && x[1] == -4.0f); /* 3 | 4 - 4; 0 - 4 */
    assert_true(x[16] == 128.0f);               /* scale -32, q -4 */

    uint8_t q4[144] = {0, 0x3c, 0, 0x38, [4] = 0x43, [8] = 0x82, [12] = 0x5a, [16] = 0xf7};
    oa__row_dequant(OA__Q4_K, q4, x, 256); /* sc0 = 3, m0 = 2; sc4 = 10 | 16, m4 = 5 | 32 */
    assert_true(x[0] == 21.0f - 1.0f && x[1] == -1.0f && x[32] == 0.0f);
    assert_true(x[128] == -18.5f);
    uint8_t q5[176] = {
        0, 0x3c, 0, 0x38, [4] = 0x43, [8] = 0x82, [12] = 0x5a, [16] = 0x11, [48] = 0xf7};
    oa__row_dequant(OA__Q5_K, q5, x, 256); /* bits 0 and 4 of qh[0] */
    assert_true(x[0] == 69.0f - 1.0f && x[1] == -1.0f);
    assert_true(x[128] == 26.0f * 16.0f - 18.5f);

    uint8_t q6[210] = {[0] = 0x5f, [128] = 0x03, [192] = 2, [196] = 0xff, [209] = 0x3c};
    oa__row_dequant(OA__Q6_K, q6, x, 256);
    assert_true(x[0] == 62.0f && x[1] == -64.0f); /* 2 (15 | 48 - 32) */
    assert_true(x[64] == 27.0f);                  /* -1 (5 - 32) */
}

static void test_tensor_types__iq4(void **state)
{
    (void)state;
    float x[256];
    uint8_t nl[18] = {0x00, 0x38, 0xf0, 0x87}; /* d = 0.5 */
    oa__row_dequant(OA__IQ4_NL, nl, x, 32);
    assert_true(x[0] == -63.5f && x[16] == 56.5f); /* -127, 113 */
    assert_true(x[1] == -5.0f && x[17] == 0.5f);   /* -10, 1 */

    uint8_t xs[136] = {0,          0x3c,       [3] = 0x81,          [4] = 0x03,         [6] = 0x01,
                       [7] = 0xf0, [8] = 0x9f, [8 + 16 * 4] = 0x80, [8 + 16 * 7] = 0x06};
    oa__row_dequant(OA__IQ4_XS, xs, x, 256);                         /* d = 1 */
    assert_true(x[0] == -29.0f * 113.0f && x[16] == -29.0f * 13.0f); /* scale 3, less 32 */
    assert_true(x[32] == 32.0f * 127.0f);                            /* scale 0 */
    assert_true(x[128] == 15.0f * 127.0f && x[144] == -15.0f);       /* 1 | 1 << 4, less 32 */
    assert_true(x[224] == -15.0f * 0.0f + 15.0f * -22.0f);           /* 15 | 2 << 4, less 32 */
}

static void test_tensor_types__floats(void **state)
{
    (void)state;
    const uint16_t h[4] = {0x3c00, 0x0001, 0xfbff, 0x7c00};
    const uint16_t b[4] = {0x3f80, 0x0001, 0xff7f, 0x7f80};
    float x[4];
    oa__row_dequant(OA__F16, h, x, 4);
    assert_true(x[0] == 1.0f && x[1] == 0x1p-24f && x[2] == -65504.0f && x[3] > 1e38f);
    oa__row_dequant(OA__BF16, b, x, 4);
    assert_true(x[0] == 1.0f && x[1] == 0x1p-133f && x[2] == -0x1.fep127f && x[3] > 3e38f);
    const float f[2] = {1.5f, -0.0f};
    oa__row_dequant(OA__F32, f, x, 2);
    assert_memory_equal(f, x, sizeof f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensor_types__table_agrees_with_the_kernels),
        cmocka_unit_test(test_tensor_types__row_size),
        cmocka_unit_test(test_tensor_types__q4_0),
        cmocka_unit_test(test_tensor_types__q4_1_q5_1),
        cmocka_unit_test(test_tensor_types__q5_0_q8_0),
        cmocka_unit_test(test_tensor_types__k_types),
        cmocka_unit_test(test_tensor_types__iq4),
        cmocka_unit_test(test_tensor_types__floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
