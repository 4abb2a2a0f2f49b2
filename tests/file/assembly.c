/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors put together from others: each way, against plain loops. */
#include "file/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "util/fail_alloc.h"
#include "util/folder.h"

#define assert_ok(expr) assert_int_equal(expr, OA_OK)

enum { ROWS = 24, COLS = 3 };

typedef struct fixture {
    uint8_t *file;
    oa__safetensors *st;
    oa__assembly *a;
    oa__gguf_writer *w;
    oa__mem mem;
    float m[ROWS * COLS], v[ROWS];
} fixture;

static void begin(fixture *x)
{
    st_build b = {0};
    uint16_t half[ROWS * COLS], brain[ROWS * COLS];
    size_t size;
    assert_ok(oa__mem_init(&x->mem, NULL, 1 << 20));
    for (int i = 0; i < ROWS * COLS; i++) {
        x->m[i] = (float)(i + 1) / 4;
        half[i] = oa__f32_to_f16(x->m[i]);
        brain[i] = oa__f32_to_bf16(x->m[i]);
    }
    for (int i = 0; i < ROWS; i++)
        x->v[i] = (float)-i;
    st_tensor(&b, "m", "F32", "[24, 3]", x->m, sizeof x->m);
    st_tensor(&b, "v", "F32", "[24]", x->v, sizeof x->v);
    st_tensor(&b, "cube", "F32", "[2, 12, 3]", x->m, sizeof x->m);
    st_tensor(&b, "byte", "U8", "[1]", x->m, 1);
    st_tensor(&b, "half", "F16", "[24, 3]", half, sizeof half);
    st_tensor(&b, "brain", "BF16", "[24, 3]", brain, sizeof brain);
    st_tensor(&b, "none", "F32", "[0]", NULL, 0);
    st_tensor(&b, "scalar", "F32", "[]", x->m, 4);
    x->file = st_finish(&b, &size);
    assert_ok(oa__safetensors_open_memory(&x->st, &x->mem, x->file, size));
    assert_ok(oa__assembly_new(&x->a, &x->mem, x->st));
    assert_ok(oa__gguf_writer_new(&x->w, &x->mem));
}

static void end(fixture *x)
{
    oa__gguf_writer_free(x->w);
    oa__assembly_free(x->a);
    assert_int_equal(x->mem.used, 0);
    free(x->file);
}

static oa__part part(const fixture *x, const char *name)
{
    return (oa__part){.from = oa__safetensors_find(x->st, name)};
}

static void check(const oa__gguf *g, const char *name, const float *want, size_t n)
{
    const oa__gguf_tensor *t = oa__gguf_tensor_find(g, name);
    assert_non_null(t);
    const size_t elem_size = t->type == OA__F32 ? 4 : 2;
    assert_int_equal(t->size, n * elem_size);
    uint8_t *got = malloc(t->size);
    assert_non_null(got);
    assert_ok(oa__gguf_tensor_load(g, t, got));
    for (size_t i = 0; i < n; i++) {
        float f;
        uint16_t h;
        memcpy(&h, got + i * elem_size, 2);
        if (t->type == OA__F32) memcpy(&f, got + i * 4, 4);
        if (t->type == OA__F16) f = oa__f16_to_f32(h);
        if (t->type == OA__BF16) f = oa__bf16_to_f32(h);
        if (f != want[i]) print_error("# %s[%zu] is %g, want %g\n", name, i, f, want[i]);
        assert_true(f == want[i]);
    }
    free(got);
}

static void test_file_assembly__each_way(void **state)
{
    fixture x;
    oa__gguf *g;
    oa__part p[3];
    float want[2 * ROWS * COLS];
    begin(&x);
    const uint64_t dims[] = {COLS, ROWS}, turned[] = {ROWS, COLS}, stack[] = {COLS, ROWS, 2};

    p[0] = part(&x, "m");
    assert_ok(oa__assembly_add(x.a, x.w, "same", OA__F32, 2, dims, p, 1, 0));
    assert_ok(oa__assembly_add(x.a, x.w, "plus", OA__F32, 2, dims, p, 1, 1));
    p[0].transpose = true;
    assert_ok(oa__assembly_add(x.a, x.w, "turned", OA__F32, 2, turned, p, 1, 0));
    p[0] = part(&x, "half");
    p[0].transpose = true;
    assert_ok(oa__assembly_add(x.a, x.w, "turned half", OA__F16, 2, turned, p, 1, 0));
    assert_ok(oa__assembly_add(x.a, x.w, "turned wide", OA__F32, 2, turned, p, 1, 0));
    p[0] = part(&x, "brain");
    assert_ok(oa__assembly_add(x.a, x.w, "wide", OA__F32, 2, dims, p, 1, 0));
    p[0] = part(&x, "m");
    p[1] = part(&x, "brain");
    assert_ok(oa__assembly_add(x.a, x.w, "stack", OA__F32, 3, stack, p, 2, 0));
    /* 3 heads of 8 rows: first and second half become even and odd. */
    p[0] = (oa__part){.from = oa__safetensors_find(x.st, "half"), .n_a = 3, .n_b = 2, .swap = true};
    assert_ok(oa__assembly_add(x.a, x.w, "rope", OA__F16, 2, dims, p, 1, 0));
    p[0].from = oa__safetensors_find(x.st, "v");
    assert_ok(oa__assembly_add(x.a, x.w, "rope bias", OA__F32, 1, turned, p, 1, 0));
    /* 2 groups of 2 query, 1 key, 1 value heads, 3 wide. */
    for (uint64_t i = 0; i < 3; i++) {
        p[i] = (oa__part){.from = oa__safetensors_find(x.st, "m"),
                          .n_a = 2,
                          .n_b = 4,
                          .b_begin = i ? i + 1 : 0,
                          .b_end = i + 2};
    }
    assert_ok(oa__assembly_add(x.a, x.w, "qkv", OA__F32, 2, dims, p, 3, 0));
    /* The second halves of a cube's rows. */
    p[0] = (oa__part){.from = oa__safetensors_find(x.st, "cube"), .n_a = 2, .n_b = 2, .b_begin = 1};
    assert_ok(
        oa__assembly_add(x.a, x.w, "half of cube", OA__F32, 3, (uint64_t[]){3, 6, 2}, p, 1, 0));
    assert_ok(oa__assembly_add_floats(x.a, x.w, "floats", x.v, 5));
    assert_ok(oa__assembly_finish(x.a, x.w, &g));
    x.a = NULL;

    assert_ptr_equal(oa__gguf_tensor_find(g, "same")->data, oa__safetensors_find(x.st, "m")->data);
    assert_null(oa__gguf_tensor_find(g, "plus")->data);
    assert_null(oa__gguf_tensor_find(g, "rope")->data);
    check(g, "same", x.m, ROWS * COLS);
    check(g, "wide", x.m, ROWS * COLS);
    for (int i = 0; i < ROWS * COLS; i++)
        want[i] = x.m[i] + 1;
    check(g, "plus", want, ROWS * COLS);
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++)
            want[c * ROWS + r] = x.m[r * COLS + c];
    check(g, "turned", want, ROWS * COLS);
    check(g, "turned half", want, ROWS * COLS);
    check(g, "turned wide", want, ROWS * COLS);
    memcpy(want, x.m, sizeof x.m);
    memcpy(want + ROWS * COLS, x.m, sizeof x.m);
    check(g, "stack", want, 2 * ROWS * COLS);
    for (int h = 0; h < 3; h++)
        for (int i = 0; i < 8; i++)
            memcpy(want + (h * 8 + i) * COLS, x.m + (h * 8 + i % 2 * 4 + i / 2) * COLS,
                   COLS * sizeof(float));
    check(g, "rope", want, ROWS * COLS);
    for (int h = 0; h < 3; h++)
        for (int i = 0; i < 8; i++)
            want[h * 8 + i] = x.v[h * 8 + i % 2 * 4 + i / 2];
    check(g, "rope bias", want, ROWS);
    static const int head_of[8] = {0, 1, 4, 5, 2, 6, 3, 7}; /* q q q q k k v v */
    for (int i = 0; i < 8; i++)
        memcpy(want + i * 3 * COLS, x.m + head_of[i] * 3 * COLS, 3 * COLS * sizeof(float));
    check(g, "qkv", want, ROWS * COLS);
    memcpy(want, x.m + 6 * COLS, 6 * COLS * sizeof(float));
    memcpy(want + 6 * COLS, x.m + 18 * COLS, 6 * COLS * sizeof(float));
    check(g, "half of cube", want, 12 * COLS);
    check(g, "floats", x.v, 5);
    for (size_t i = 0; i < oa__gguf_tensor_count(g); i++)
        oa__gguf_tensor_drop(g, oa__gguf_tensor_at(g, i));
    oa__gguf_free(g);
    end(&x);
}

static void expect(fixture *x, const oa__part *p, uint32_t type, uint64_t n_rows, int code,
                   const char *word)
{
    const int rc = oa__assembly_add(x->a, x->w, "t", type, 2, (uint64_t[]){COLS, n_rows}, p, 1, 0);
    if (rc != code || strstr(oa_error_last(), word) == NULL) print_error("# %s\n", oa_error_last());
    assert_int_equal(rc, code);
    assert_non_null(strstr(oa_error_last(), word));
}

static void test_file_assembly__wrong(void **state)
{
    fixture x;
    oa__gguf *g;
    begin(&x);
    oa__part p = part(&x, "m");
    expect(&x, &p, OA__F32, ROWS + 1, OA_EFORMAT, "72 elements, t wants 75");
    expect(&x, &p, OA__F32, UINT64_MAX, OA_EFORMAT, "wants");
    expect(&x, &p, OA__F16, ROWS, OA_EUNSUPPORTED, "F32 where F16");
    p.n_a = 5;
    expect(&x, &p, OA__F32, ROWS, OA_EFORMAT, "its shape does not fit t");
    p = (oa__part){.from = p.from, .n_a = UINT64_MAX, .n_b = 2};
    expect(&x, &p, OA__F32, ROWS, OA_EFORMAT, "does not fit");
    p = (oa__part){.from = p.from, .n_b = 2, .b_begin = 2, .b_end = 2};
    expect(&x, &p, OA__F32, ROWS, OA_EFORMAT, "does not fit");
    p = (oa__part){.from = p.from, .n_b = 2, .b_end = 3};
    expect(&x, &p, OA__F32, ROWS, OA_EFORMAT, "does not fit");
    p = part(&x, "v");
    p.transpose = true;
    expect(&x, &p, OA__F32, ROWS, OA_EFORMAT, "does not fit");
    p = part(&x, "byte");
    expect(&x, &p, OA__F32, ROWS, OA_EUNSUPPORTED, "type U8 is not supported");
    p = part(&x, "none");
    expect(&x, &p, OA__F32, ROWS, OA_EFORMAT, "has no elements");
    p = part(&x, "scalar");
    expect(&x, &p, OA__F32, ROWS, OA_EFORMAT, "has no elements");
    /* What failed left nothing. */
    p = part(&x, "m");
    assert_ok(oa__assembly_add(x.a, x.w, "t", OA__F32, 2, (uint64_t[]){COLS, ROWS}, &p, 1, 0));
    assert_ok(oa__assembly_finish(x.a, x.w, &g));
    x.a = NULL;
    assert_int_equal(oa__gguf_tensor_count(g), 1);
    check(g, "t", x.m, ROWS * COLS);
    oa__gguf_free(g);
    end(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_assembly__each_way),
        cmocka_unit_test(test_file_assembly__wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
