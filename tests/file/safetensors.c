/* SPDX-License-Identifier: Apache-2.0 */
/* The safetensors reader: what a right file gives, and that no wrong one does harm. */
#include "file/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "util/fail_alloc.h"
#include "util/folder.h"

#define assert_ok(expr) assert_int_equal(expr, OA_OK)

static const float floats[6] = {1, 2, 3, 4, 5, 6};
static const uint16_t halves[3] = {0x3c00, 0x4000, 0x4200};

static void add_right(st_build *b)
{
    st_json(b, "\"__metadata__\": {\"format\": \"pt\", \"n\\u00e9\": \"\\ud83d\\ude00\"}");
    st_tensor(b, "z.weight", "F32", "[2, 3]", floats, sizeof floats);
    st_tensor(b, "half", "F16", "[3]", halves, sizeof halves);
    st_tensor(b, "odd", "F32", "[1,1,2]", floats, 8); /* begins at byte 30: no multiple of 4 */
    st_tensor(b, "n\\u00e9\\/", "I64", "[]", floats, 8);
    st_tensor(b, "none", "BF16", "[0, 7]", NULL, 0);
    st_tensor(b, "brain", "BF16", "[1]", halves, 2);
}

static void check_right(const oa__safetensors *st)
{
    assert_int_equal(oa__safetensors_count(st), 6);
    for (size_t i = 1; i < 6; i++)
        assert_true(strcmp(oa__safetensors_at(st, i - 1)->name, oa__safetensors_at(st, i)->name) <
                    0);
    const oa__st_tensor *t = oa__safetensors_find(st, "z.weight");
    assert_non_null(t);
    assert_true(t->known && t->type == OA__F32 && t->n_dims == 2);
    assert_true(t->dims[0] == 2 && t->dims[1] == 3 && t->size == 24);
    assert_memory_equal(t->data, floats, sizeof floats);
    t = oa__safetensors_find(st, "half");
    assert_true(t->known && t->type == OA__F16 && t->size == 6);
    t = oa__safetensors_find(st, "odd");
    assert_memory_equal(t->data, floats, 8);
    t = oa__safetensors_find(st, "n\303\251/");
    assert_true(!t->known && t->n_dims == 0 && t->size == 8);
    assert_string_equal(t->dtype, "I64");
    assert_int_equal(oa__safetensors_find(st, "none")->size, 0);
    assert_int_equal(oa__safetensors_find(st, "brain")->type, OA__BF16);
    assert_null(oa__safetensors_find(st, "__metadata__"));
    assert_null(oa__safetensors_find(st, ""));
}

static void test_file_safetensors__right(void **state)
{
    st_build b = {0};
    size_t size;
    oa__mem mem;
    oa__safetensors *st;
    add_right(&b);
    uint8_t *file = st_finish(&b, &size);
    assert_ok(oa__mem_init(&mem, NULL, 1 << 20));
    assert_ok(oa__safetensors_open_memory(&st, &mem, file, size));
    check_right(st);
    assert_int_equal(oa__safetensors_file_size(st), size);
    const uint64_t hash = oa__safetensors_hash(st, 1);
    oa__safetensors_free(st);

    folder f;
    folder_make(&f, "safetensors");
    folder_write(&f, "model.safetensors", file, size);
    for (int no_mmap = 0; no_mmap < 2; no_mmap++) {
        assert_ok(oa__safetensors_open(&st, &mem, folder_file(&f, "model.safetensors"), no_mmap));
        check_right(st);
        assert_int_equal(oa__safetensors_is_mapped(st), !no_mmap);
        assert_int_equal(oa__safetensors_hash(st, 1), hash);
        oa__safetensors_drop(st, oa__safetensors_at(st, 0), 0, SIZE_MAX);
        oa__safetensors_free(st);
    }
    assert_ok(oa__safetensors_open_folder(&st, &mem, f.path, "model", false));
    check_right(st);
    oa__safetensors_free(st);
    assert_int_equal(oa__safetensors_open_folder(&st, &mem, f.path, "adapter_model", false),
                     OA_ENOTFOUND);
    folder_remove(&f);
    free(file);
    assert_int_equal(mem.used, 0);
}

/* --- one file, wrong ---------------------------------------------------------------------------
 */

/* A header of this text before 64 bytes of data. */
static void expect(const char *json, int code, const char *word)
{
    uint8_t file[4096];
    const size_t n = strlen(json);
    oa__mem mem;
    oa__safetensors *st;
    assert_true(8 + n + 64 <= sizeof file);
    memset(file, 0, sizeof file);
    file[0] = (uint8_t)n;
    file[1] = (uint8_t)(n >> 8);
    memcpy(file + 8, json, n);
    assert_ok(oa__mem_init(&mem, NULL, 1 << 20));
    const int rc = oa__safetensors_open_memory(&st, &mem, file, 8 + n + 64);
    if (rc != code || strstr(oa_error_last(), word) == NULL) {
        print_error("# %s: %s \"%s\"\n", json, oa_error_name(rc), oa_error_last());
    }
    assert_int_equal(rc, code);
    if (code != OA_OK) assert_null(st);
    if (code != OA_OK) assert_non_null(strstr(oa_error_last(), word));
    oa__safetensors_free(st);
    assert_int_equal(mem.used, 0);
}

#define T(name, dtype, shape, offsets)                                                             \
    "\"" name "\": {\"dtype\": \"" dtype "\", \"shape\": " shape ", \"data_offsets\": " offsets "}"

static void test_file_safetensors__wrong(void **state)
{
    expect("{" T("a", "F32", "[4]", "[0, 16]") "}", OA_OK, "");
    expect("{" T("a", "F32", "[4]", "[0, 16]") "}   \n", OA_OK, "");
    expect("{}", OA_OK, "");
    /* Places and sizes. */
    expect("{" T("a", "F32", "[4]", "[0, 12]") "}", OA_EFORMAT, "its shape wants 16");
    expect("{" T("a", "F32", "[4]", "[16, 0]") "}", OA_EFORMAT, "bytes 16 to 0");
    expect("{" T("a", "F32", "[4]", "[52, 68]") "}", OA_EFORMAT, "the file has 64");
    expect("{" T("a", "F32", "[4]", "[18446744073709551608, 8]") "}", OA_EFORMAT, "the file has");
    expect("{" T("a", "F32", "[4611686018427387904, 4]", "[0, 0]") "}", OA_EFORMAT, "overflows");
    expect("{" T("a", "F32", "[4]", "[0, 16]") ", " T("b", "F32", "[4]", "[12, 28]") "}",
           OA_EFORMAT, "tensors a and b overlap");
    expect("{" T("b", "F32", "[4]", "[0, 16]") ", " T("a", "F32", "[4]", "[0, 16]") "}", OA_EFORMAT,
           "overlap");
    expect("{" T("a", "U8", "[20]", "[0, 20]") ", " T("z", "U8", "[0]", "[8, 8]") ", " T(
               "b", "U8", "[4]", "[12, 16]") "}",
           OA_EFORMAT, "tensors a and b overlap");
    expect("{" T("a", "F32", "[4]", "[0, 16]") ", " T("a", "F32", "[4]", "[16, 32]") "}",
           OA_EFORMAT, "tensor a appears twice");
    /* Members. */
    expect("{" T("a", "F31", "[4]", "[0, 16]") "}", OA_EUNSUPPORTED, "\"F31\"");
    expect("{\"a\": {\"dtype\": \"F32\", \"shape\": [4]}}", OA_EFORMAT, "want dtype, shape");
    expect("{\"a\": {\"dtype\": \"F32\", \"dtype\": \"F32\"}}", OA_EFORMAT, "appears twice");
    expect("{\"a\": {\"type\": \"F32\"}}", OA_EFORMAT, "unknown member \"type\"");
    expect("{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0, 4]") "}", OA_EUNSUPPORTED, "dimensions");
    expect("{" T("a", "F32", "[-4]", "[0, 16]") "}", OA_EFORMAT, "a number without sign");
    expect("{" T("a", "F32", "[4.0]", "[0, 16]") "}", OA_EFORMAT, "a number without sign");
    expect("{" T("a", "F32", "[04]", "[0, 16]") "}", OA_EFORMAT, "a number without sign");
    expect("{" T("a", "F32", "[18446744073709551616]", "[0, 16]") "}", OA_EFORMAT, "below 2^64");
    expect("{" T("a", "F32", "[4,]", "[0, 16]") "}", OA_EFORMAT, "a number");
    expect("{" T("a", "F32", "[4]", "[0]") "}", OA_EFORMAT, "no list of two numbers");
    expect("{" T("a", "F32", "[4]", "[0, 16, 17]") "}", OA_EFORMAT, "no list of two numbers");
    expect("{" T("a", "F32", "[4]", "{}") "}", OA_EFORMAT, "want '['");
    expect("{" T("", "F32", "[4]", "[0, 16]") "}", OA_EFORMAT, "name of 0 bytes");
    expect("{\"__metadata__\": {}, \"__metadata__\": {}}", OA_EFORMAT, "appears twice");
    expect("{\"__metadata__\": [1, -2.5e+3, true, null, {\"a\": []}, \"x\"]}", OA_OK, "");
    /* JSON. */
    expect("[]", OA_EFORMAT, "no JSON object");
    expect("", OA_EFORMAT, "no JSON object");
    expect("{", OA_EFORMAT, "want '\"'");
    expect("{\"a\"}", OA_EFORMAT, "want ':'");
    expect("{} x", OA_EFORMAT, "want the end");
    expect("{\"a", OA_EFORMAT, "want the end of a string");
    expect("{\"\\u0000\": 1}", OA_EFORMAT, "want a character");
    expect("{\"\\udc00\": 1}", OA_EFORMAT, "want a character");
    expect("{\"\\ud800\": 1}", OA_EFORMAT, "surrogate");
    expect("{\"\\ud800\\u0041\": 1}", OA_EFORMAT, "surrogate");
    expect("{\"\\x\": 1}", OA_EFORMAT, "escaped");
    expect("{\"\\u12g4\": 1}", OA_EFORMAT, "hexadecimal");
    expect("{\"\xff\": 1}", OA_EFORMAT, "UTF-8");
    expect("{\"\x01\": 1}", OA_EFORMAT, "control character");
    expect("{\"__metadata__\": [1,]}", OA_EFORMAT, "want a value");
    expect("{\"__metadata__\": [1 2]}", OA_EFORMAT, "want ','");
}

static void test_file_safetensors__deep(void **state)
{
    char json[2000] = "{\"__metadata__\": ";
    const size_t n = strlen(json);
    memset(json + n, '[', 64);
    memset(json + n + 64, ']', 64);
    json[n + 128] = '}';
    expect(json, OA_OK, "");
    memset(json + n, '[', 1500);
    json[n + 1500] = '\0';
    expect(json, OA_EFORMAT, "no deeper nesting");
}

static void test_file_safetensors__header_length(void **state)
{
    uint8_t file[64] = {0};
    oa__safetensors *st;
    for (size_t size = 0; size < 8; size++)
        assert_int_equal(oa__safetensors_open_memory(&st, NULL, file, size), OA_EFORMAT);
    file[0] = 57; /* one more than there is */
    assert_int_equal(oa__safetensors_open_memory(&st, NULL, file, 64), OA_EFORMAT);
    assert_non_null(strstr(oa_error_last(), "header of 57 bytes, want at most 56"));
    memset(file, 0xff, 8);
    assert_int_equal(oa__safetensors_open_memory(&st, NULL, file, 64), OA_EFORMAT);
}

/* Every byte of a header changed, every length: an error or a file, nothing lost. */
static void test_file_safetensors__every_byte(void **state)
{
    st_build b = {0};
    size_t size, n_opened = 0;
    add_right(&b);
    uint8_t *file = st_finish(&b, &size);
    for (size_t at = 0; at < size; at++) {
        static const uint8_t patterns[] = {0x01, 0x02, 0x10, 0x80, 0xff};
        for (size_t i = 0; i < OA__ARRAY_LEN(patterns); i++) {
            oa__mem mem;
            oa__safetensors *st;
            assert_ok(oa__mem_init(&mem, NULL, 1 << 20));
            file[at] ^= patterns[i];
            n_opened += oa__safetensors_open_memory(&st, &mem, file, size) == OA_OK;
            oa__safetensors_free(st);
            file[at] ^= patterns[i];
            assert_int_equal(mem.used, 0);
        }
    }
    assert_true(n_opened > 100);
    for (size_t len = 0; len < size; len++) {
        oa__safetensors *st;
        assert_int_equal(oa__safetensors_open_memory(&st, NULL, file, len), OA_EFORMAT);
    }
    free(file);
}

/* --- several files ------------------------------------------------------------------------------
 */

static const char first[] = "model-00001-of-00002.safetensors",
                  second[] = "model-00002-of-00002.safetensors",
                  index_name[] = "model.safetensors.index.json";

static void write_shards(const folder *f, const char *index)
{
    st_build b = {0};
    st_tensor(&b, "a", "F32", "[6]", floats, sizeof floats);
    st_tensor(&b, "b", "F16", "[3]", halves, sizeof halves);
    st_write(&b, f, first);
    st_tensor(&b, "c", "F32", "[2, 1]", floats + 2, 8);
    st_write(&b, f, second);
    folder_text(f, index_name, index);
}

static void expect_index(const char *index, int code, const char *word)
{
    folder f;
    oa__mem mem;
    oa__safetensors *st;
    folder_make(&f, "safetensors");
    write_shards(&f, index);
    assert_ok(oa__mem_init(&mem, NULL, 1 << 20));
    const int rc = oa__safetensors_open_folder(&st, &mem, f.path, "model", false);
    if (rc != code || strstr(oa_error_last(), word) == NULL) {
        print_error("# %s: %s \"%s\"\n", index, oa_error_name(rc), oa_error_last());
    }
    assert_int_equal(rc, code);
    if (code == OA_OK) {
        assert_int_equal(oa__safetensors_count(st), 3);
        assert_memory_equal(oa__safetensors_find(st, "a")->data, floats, sizeof floats);
        assert_memory_equal(oa__safetensors_find(st, "c")->data, floats + 2, 8);
    } else {
        assert_null(st);
        assert_non_null(strstr(oa_error_last(), word));
    }
    oa__safetensors_free(st);
    assert_int_equal(mem.used, 0);
    folder_remove(&f);
}

#define MAP(a, b, c)                                                                               \
    "{\"metadata\": {\"total_size\": 38}, \"weight_map\": {\"a\": \"" a "\", \"b\": \"" b          \
    "\", \"c\": \"" c "\"}}"
#define ONE "model-00001-of-00002.safetensors"
#define TWO "model-00002-of-00002.safetensors"

static void test_file_safetensors__index(void **state)
{
    expect_index(MAP(ONE, ONE, TWO), OA_OK, "");
    /* Which file a tensor lies in is found out from the files. */
    expect_index(MAP(TWO, ONE, ONE), OA_OK, "");
}

static void test_file_safetensors__index_wrong(void **state)
{
    expect_index(MAP(ONE, ONE, "three.safetensors"), OA_EFORMAT, "three.safetensors, which is");
    expect_index(MAP(ONE, ONE, ONE), OA_EFORMAT, "names tensor c, which no file holds");
    expect_index("{\"weight_map\": {\"a\": \"" ONE "\"}}", OA_EFORMAT,
                 "names 1 tensors, the files");
    expect_index("{\"weight_map\": {\"a\": \"" ONE "\", \"b\": \"" ONE "\", \"a\": \"" TWO "\"}}",
                 OA_EFORMAT, "names tensor a twice");
    expect_index(MAP("../safetensors", ONE, TWO), OA_EFORMAT, "not the name of a file");
    expect_index(MAP("/etc/passwd", ONE, TWO), OA_EFORMAT, "not the name of a file");
    expect_index(MAP("..", ONE, TWO), OA_EFORMAT, "not the name of a file");
    expect_index(MAP("", ONE, TWO), OA_EFORMAT, "not the name of a file");
    expect_index("{\"weight_map\": [1]}", OA_EFORMAT, "want '{'");
    expect_index("{\"weight_map\": {\"a\": 1}}", OA_EFORMAT, "want '\"'");
    expect_index("{\"weight_map\": {}, \"weight_map\": {}}", OA_EFORMAT, "appears twice");
    expect_index("{}", OA_EFORMAT, "weight_map is missing");
    expect_index("", OA_EFORMAT, "want '{'");
}

static void test_file_safetensors__no_memory(void **state)
{
    folder f;
    int rc = OA_ENOMEM;
    folder_make(&f, "safetensors");
    write_shards(&f, MAP(ONE, ONE, TWO));
    for (uint64_t i = 1; rc != OA_OK; i++) {
        struct fail_alloc fa;
        oa__mem mem;
        oa__safetensors *st;
        assert_ok(oa__mem_init(&mem, fail_alloc_init(&fa, i), 0));
        rc = oa__safetensors_open_folder(&st, &mem, f.path, "model", i % 2);
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        oa__safetensors_free(st);
        assert_int_equal(fail_alloc_live(&fa), 0);
        assert_int_equal(mem.used, 0);
    }
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_safetensors__right),
        cmocka_unit_test(test_file_safetensors__wrong),
        cmocka_unit_test(test_file_safetensors__deep),
        cmocka_unit_test(test_file_safetensors__header_length),
        cmocka_unit_test(test_file_safetensors__every_byte),
        cmocka_unit_test(test_file_safetensors__index),
        cmocka_unit_test(test_file_safetensors__index_wrong),
        cmocka_unit_test(test_file_safetensors__no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
