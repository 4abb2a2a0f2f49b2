/* SPDX-License-Identifier: Apache-2.0 */
/* The GGUF reader: what a right file gives, and that no wrong one does harm. */
#include "file/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "file/gguf_build.h"
#include "util/model.h"

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 };

/* Every open is charged to an account with this limit, and must give all of it back. */
enum { MEM_LIMIT = 4 << 20 };

static int try_open(const build *b, bool header_only, oa__gguf **out, oa__mem *mem)
{
    assert_int_equal(oa__mem_init(mem, NULL, MEM_LIMIT), OA_OK);
    return oa__gguf_open_memory(out, mem, b->data, b->len, header_only);
}

/* Opens, expects a code and a word of the text, frees the file. */
static void expect(build *b, int code, const char *word)
{
    oa__mem mem;
    oa__gguf *g;
    const int rc = try_open(b, false, &g, &mem);
    if (rc != code || (word != NULL && strstr(oa_error_last(), word) == NULL)) {
        print_error("# got %s \"%s\", want %s \"%s\"\n", oa_error_name(rc), oa_error_last(),
                    oa_error_name(code), word ? word : "");
    }
    assert_int_equal(rc, code);
    if (word != NULL) assert_non_null(strstr(oa_error_last(), word));
    if (code != OA_OK) assert_null(g);
    oa__gguf_free(g);
    assert_int_equal(mem.used, 0);
    free(b->data);
    *b = (build){0};
}

/* A right file with every value type and three tensors. */
static build right_file(uint32_t version)
{
    build b = {0};
    build_head(&b, version, 3, 18);
    build_key(&b, "general.architecture", STRING), build_str(&b, "llama");
    build_key(&b, "v.u8", U8), build_int(&b, 200, 1);
    build_key(&b, "v.i8", I8), build_int(&b, (uint64_t)-100, 1);
    build_key(&b, "v.u16", U16), build_int(&b, 60000, 2);
    build_key(&b, "v.i16", I16), build_int(&b, (uint64_t)-30000, 2);
    build_key(&b, "v.u32", U32), build_int(&b, 4000000000u, 4);
    build_key(&b, "v.i32", I32), build_int(&b, (uint64_t)-2000000000, 4);
    build_key(&b, "v.f32", F32), build_f32(&b, 1e-5f);
    build_key(&b, "v.true", BOOL), build_int(&b, 1, 1);
    build_key(&b, "v.u64", U64), build_int(&b, UINT64_MAX, 8);
    build_key(&b, "v.i64", I64), build_int(&b, (uint64_t)INT64_MIN, 8);
    build_key(&b, "v.f64", F64), build_int(&b, 0x3fb999999999999a, 8);
    build_key(&b, "v.empty", STRING), build_str(&b, "");
    build_array(&b, "a.str", STRING, 3), build_str(&b, "one"), build_str(&b, ""),
        build_str(&b, "three");
    build_array(&b, "a.f32", F32, 2), build_f32(&b, 0.5f), build_f32(&b, -2.0f);
    build_array(&b, "a.i32", I32, 0);
    build_array(&b, "a.bool", BOOL, 2), build_int(&b, 0x0001, 2);
    build_key(&b, "general.alignment", U32), build_int(&b, 64, 4);
    build_tensor(&b, "b.weight", 2, (uint64_t[]){32, 2}, 2, 64);
    build_tensor(&b, "a.weight", 1, (uint64_t[]){4}, 0, 0);
    build_tensor(&b, "c.weight", 4, (uint64_t[]){2, 1, 3, 1}, 1, 128);
    build_pad(&b, 64);
    for (int i = 0; i < 128 + 12; i++)
        build_int(&b, (uint64_t)i, 1);
    return b;
}

static void check_text(const oa__gguf *g, const char *key, const char *want)
{
    oa__str s = {0};
    assert_int_equal(oa__gguf_meta_text(g, key, &s), OA_OK);
    assert_string_equal(s.data ? s.data : "", want);
    oa__str_free(&s);
}

static void test_file_gguf__right_file(void **state)
{
    for (uint32_t version = 2; version <= 3; version++) {
        build b = right_file(version);
        oa__mem mem;
        oa__gguf *g;
        assert_int_equal(try_open(&b, false, &g, &mem), OA_OK);
        assert_int_equal(oa__gguf_version(g), version);
        assert_int_equal(oa__gguf_file_size(g), b.len);
        assert_int_equal(oa__gguf_meta_count(g), 18);
        assert_string_equal(oa__gguf_meta_key(g, 1), "v.u8");
        assert_true(oa__gguf_has(g, "v.i64"));
        assert_false(oa__gguf_has(g, "v.i6"));

        check_text(g, "general.architecture", "llama");
        check_text(g, "v.u8", "200");
        check_text(g, "v.i8", "-100");
        check_text(g, "v.u16", "60000");
        check_text(g, "v.i16", "-30000");
        check_text(g, "v.u32", "4000000000");
        check_text(g, "v.i32", "-2000000000");
        check_text(g, "v.f32", "1e-05");
        check_text(g, "v.true", "true");
        check_text(g, "v.u64", "18446744073709551615");
        check_text(g, "v.i64", "-9223372036854775808");
        check_text(g, "v.f64", "0.1");
        check_text(g, "v.empty", "");
        check_text(g, "a.str", "[str x 3]");
        check_text(g, "a.i32", "[i32 x 0]");

        uint64_t u = 0;
        int64_t i = 0;
        double f = 0;
        bool flag = false;
        const char *text;
        size_t n;
        assert_int_equal(oa__gguf_u64(g, "v.u64", &u), OA_OK);
        assert_true(u == UINT64_MAX);
        assert_int_equal(oa__gguf_u64(g, "v.i8", &u), OA_EFORMAT);
        assert_int_equal(oa__gguf_u64(g, "v.f32", &u), OA_EFORMAT);
        assert_int_equal(oa__gguf_u64(g, "a.i32", &u), OA_EFORMAT);
        assert_int_equal(oa__gguf_u64(g, "none", &u), OA_ENOTFOUND);
        assert_int_equal(oa__gguf_i64(g, "v.i16", &i), OA_OK);
        assert_int_equal(i, -30000);
        assert_int_equal(oa__gguf_i64(g, "v.i64", &i), OA_OK);
        assert_true(i == INT64_MIN);
        assert_int_equal(oa__gguf_i64(g, "v.u64", &i), OA_EFORMAT);
        assert_int_equal(oa__gguf_f64(g, "v.f32", &f), OA_OK);
        assert_true(f == (double)1e-5f);
        assert_int_equal(oa__gguf_f64(g, "v.i8", &f), OA_OK);
        assert_true(f == -100);
        assert_int_equal(oa__gguf_f64(g, "v.true", &f), OA_EFORMAT);
        assert_int_equal(oa__gguf_bool(g, "v.true", &flag), OA_OK);
        assert_true(flag);
        assert_int_equal(oa__gguf_bool(g, "v.u8", &flag), OA_EFORMAT);
        assert_int_equal(oa__gguf_str(g, "general.architecture", &text, &n), OA_OK);
        assert_int_equal(n, 5);
        assert_int_equal(oa__gguf_str(g, "v.u8", &text, &n), OA_EFORMAT);

        float floats[2];
        uint32_t elem;
        assert_int_equal(oa__gguf_array_len(g, "a.f32", F32, &n), OA_OK);
        assert_int_equal(oa__gguf_array_copy(g, "a.f32", F32, floats, n), OA_OK);
        assert_true(floats[0] == 0.5f && floats[1] == -2.0f);
        assert_int_equal(oa__gguf_array_copy(g, "a.f32", F32, floats, 1), OA_EINVAL);
        /* CVE list, #26690: an array of u8 that is read as floats. */
        assert_int_equal(oa__gguf_array_len(g, "a.f32", U8, &n), OA_EFORMAT);
        assert_int_equal(oa__gguf_array_len(g, "v.u8", U8, &n), OA_EFORMAT);
        assert_int_equal(oa__gguf_array_type(g, "a.str", &elem, &n), OA_OK);
        assert_int_equal(elem, STRING);

        oa__gguf_strings it;
        assert_int_equal(oa__gguf_strings_begin(g, "a.f32", &it, &n), OA_EFORMAT);
        assert_int_equal(oa__gguf_strings_begin(g, "a.str", &it, &n), OA_OK);
        assert_int_equal(n, 3);
        assert_true(oa__gguf_strings_next(&it) && it.len == 3 && memcmp(it.text, "one", 3) == 0);
        assert_true(oa__gguf_strings_next(&it) && it.len == 0);
        assert_true(oa__gguf_strings_next(&it) && it.len == 5);
        assert_false(oa__gguf_strings_next(&it));

        assert_int_equal(oa__gguf_tensor_count(g), 3);
        assert_string_equal(oa__gguf_tensor_at(g, 0)->name, "b.weight");
        const oa__gguf_tensor *t = oa__gguf_tensor_find(g, "c.weight");
        assert_non_null(t);
        assert_int_equal(t->n_dims, 4);
        assert_int_equal(t->size, 12);
        assert_int_equal(((const uint8_t *)t->data)[0], 128);
        assert_null(oa__gguf_tensor_find(g, "d.weight"));
        oa__gguf_free(g);
        assert_int_equal(mem.used, 0);
        free(b.data);
    }
}

static void test_file_gguf__magic_and_version(void **state)
{
    build b = {0};
    expect(&b, OA_EFORMAT, "not a gguf file");
    build_bytes(&b, "GGU", 3);
    expect(&b, OA_EFORMAT, "not a gguf file");
    build_bytes(&b, "PK\3\4 and more bytes than that", 30);
    expect(&b, OA_EFORMAT, "50 4b 03 04");
    build_head(&b, 1, 0, 0);
    expect(&b, OA_EVERSION, "version 1, want 2 or 3");
    build_head(&b, 4, 0, 0);
    expect(&b, OA_EVERSION, "version 4");
    build_head(&b, 0x03000000, 0, 0);
    expect(&b, OA_EVERSION, "big-endian");
    build_bytes(&b, "FUGG\3\0\0\0", 8);
    expect(&b, OA_EVERSION, "big-endian");
    build_head(&b, 3, 0, 0); /* 0 tensors, 0 entries: a file without anything */
    expect(&b, OA_OK, NULL);
}

static const uint64_t absurd[] = {
    UINT64_MAX,        (uint64_t)1 << 63,       ((uint64_t)1 << 63) - 1,
    (uint64_t)1 << 61, ((uint64_t)1 << 32) + 1, ((uint64_t)1 << 32) - 1,
    1000000,           0xffffffffffffff00};

/* Counts and lengths that were multiplied into allocations elsewhere (CVE-2024-21825 and others;
 * array length 2^63 in 43 bytes). */
static void test_file_gguf__absurd_counts(void **state)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(absurd); i++) {
        const uint64_t n = absurd[i];
        build b = {0};
        build_head(&b, 3, n, 0);
        expect(&b, OA_EFORMAT, "tensors");
        build_head(&b, 3, 0, n);
        expect(&b, OA_EFORMAT, "metadata entries");
        build_head(&b, 3, 0, 1), build_int(&b, n, 8), build_bytes(&b, "keykeykeykeykey", 15);
        expect(&b, OA_EFORMAT, "a key");
        build_head(&b, 3, 0, 1), build_key(&b, "text", STRING), build_int(&b, n, 8);
        expect(&b, OA_EFORMAT, "string value");
        for (uint32_t type = U8; type <= F64; type++) {
            if (type == ARRAY) continue;
            build_head(&b, 3, 0, 1), build_array(&b, "list", type, n), build_int(&b, 0, 8);
            expect(&b, OA_EFORMAT, "array of");
        }
        build_head(&b, 3, 0, 1), build_array(&b, "list", STRING, 2);
        build_str(&b, "fine"), build_int(&b, n, 8), build_bytes(&b, "x", 1);
        expect(&b, OA_EFORMAT, "a string of an array");
        /* Tensor name, dimensions, offset. */
        build_head(&b, 3, 1, 0), build_int(&b, n, 8),
            build_bytes(&b, "nnnnnnnnnnnnnnnnnnnnnnnnnnn", 27);
        expect(&b, OA_EFORMAT, "tensor name");
        build_head(&b, 3, 1, 0), build_tensor(&b, "w", 2, (uint64_t[]){n, n}, 0, 0);
        build_pad(&b, 32);
        expect(&b, OA_EFORMAT, NULL);
        build_head(&b, 3, 1, 0), build_tensor(&b, "w", 1, (uint64_t[]){n - n % 256}, 12, 0);
        build_pad(&b, 32);
        expect(&b, OA_EFORMAT, NULL);
        build_head(&b, 3, 1, 0), build_tensor(&b, "w", 1, (uint64_t[]){8}, 0, n - n % 32);
        build_pad(&b, 32), build_bytes(&b, "0123456789abcdef0123456789abcdef", 32);
        expect(&b, OA_EFORMAT, NULL);
    }
}

static void test_file_gguf__tensors(void **state)
{
    build b = {0};
    static const uint64_t eight[] = {8, 1, 1, 1, 1};
    static const uint64_t zeros[32];

    build_head(&b, 3, 1, 0), build_tensor(&b, "w", 0, NULL, 0, 0), build_int(&b, 0, 8);
    expect(&b, OA_EFORMAT, "0 dimensions");
    build_head(&b, 3, 1, 0), build_tensor(&b, "w", 5, eight, 0, 0);
    expect(&b, OA_EFORMAT, "5 dimensions");
    build_head(&b, 3, 1, 0), build_str(&b, "w"), build_int(&b, UINT32_MAX, 4);
    build_bytes(&b, zeros, 64);
    expect(&b, OA_EFORMAT, "dimensions");
    build_head(&b, 3, 1, 0), build_tensor(&b, "w", 2, (uint64_t[]){8, 0}, 0, 0);
    expect(&b, OA_EFORMAT, "is 0");
    /* #27203: (2^63 - 1, 2, 1, 1); #18674: 2^42 + 1. */
    build_head(&b, 3, 1, 0), build_tensor(&b, "w", 4, (uint64_t[]){INT64_MAX, 2, 1, 1}, 0, 0);
    expect(&b, OA_EFORMAT, "overflows");
    build_head(&b, 3, 1, 0), build_tensor(&b, "w", 4, (uint64_t[]){INT64_MAX, 2, 1, 1}, 24, 0);
    expect(&b, OA_EFORMAT, "overflows"); /* as it was, of bytes */
    build_head(&b, 3, 1, 0);
    build_tensor(&b, "w", 2, (uint64_t[]){((uint64_t)1 << 42) + 1, (uint64_t)1 << 22}, 0, 0);
    expect(&b, OA_EFORMAT, "overflows");
    build_head(&b, 3, 1, 0);
    build_tensor(&b, "w", 2, (uint64_t[]){(uint64_t)1 << 31, (uint64_t)1 << 31}, 0, 0);
    expect(&b, OA_EFORMAT, NULL); /* 2^64 bytes of floats */
    build_head(&b, 3, 1, 0), build_tensor(&b, "w", 1, (uint64_t[]){33}, 2, 0);
    build_bytes(&b, zeros, sizeof zeros);
    expect(&b, OA_EFORMAT, "multiple of 32");
    build_head(&b, 3, 1, 0), build_tensor(&b, "w", 1, (uint64_t[]){128}, 12, 0);
    build_bytes(&b, zeros, sizeof zeros);
    expect(&b, OA_EFORMAT, "multiple of 256");
    /* Types: unknown, removed (4, 5), negative. */
    for (uint32_t i = 0; i < 5; i++) {
        static const uint32_t types[] = {4, 5, 1000, UINT32_MAX, 0x80000000u};
        char word[40];
        snprintf(word, sizeof word, "type %u ", types[i]);
        build_head(&b, 3, 1, 0), build_tensor(&b, "w", 1, eight, types[i], 0);
        build_bytes(&b, zeros, sizeof zeros);
        expect(&b, OA_EUNSUPPORTED, word);
    }
    /* Names. */
    build_head(&b, 3, 1, 0), build_tensor(&b, "", 1, eight, 0, 0), build_int(&b, 0, 8);
    expect(&b, OA_EFORMAT, "tensor name of 0 bytes");
    build_head(&b, 3, 1, 0), build_int(&b, 3, 8), build_bytes(&b, "a\0b", 3);
    build_bytes(&b, zeros, sizeof zeros);
    expect(&b, OA_EFORMAT, "NUL");
    build_head(&b, 3, 2, 0), build_tensor(&b, "w", 1, eight, 0, 0);
    build_tensor(&b, "w", 1, eight, 0, 32);
    build_pad(&b, 32), build_bytes(&b, zeros, 64);
    expect(&b, OA_EFORMAT, "tensor w appears twice");
    /* Places: unaligned, past the end (CVE-2026-7482), overlapping, sums that wrap
     * (CVE-2025-53630). */
    build_head(&b, 3, 1, 0), build_tensor(&b, "w", 1, eight, 0, 4);
    build_pad(&b, 32), build_bytes(&b, zeros, 64);
    expect(&b, OA_EFORMAT, "no multiple of 32");
    build_head(&b, 3, 1, 0), build_tensor(&b, "w", 1, eight, 0, 0);
    build_pad(&b, 32), build_bytes(&b, zeros, 31);
    expect(&b, OA_EFORMAT, "ends at byte");
    build_head(&b, 3, 1, 0), build_tensor(&b, "w", 1, (uint64_t[]){1 << 20}, 0, 0);
    build_pad(&b, 32), build_bytes(&b, zeros, 64);
    expect(&b, OA_EFORMAT, "ends at byte");
    build_head(&b, 3, 2, 0), build_tensor(&b, "v", 1, (uint64_t[]){9}, 0, 0);
    build_tensor(&b, "w", 1, eight, 0, 32), build_pad(&b, 32), build_bytes(&b, zeros, 64);
    expect(&b, OA_EFORMAT, "tensors v and w overlap");
    build_head(&b, 3, 2, 0), build_tensor(&b, "v", 1, eight, 0, 0);
    build_tensor(&b, "w", 1, eight, 0, 0), build_pad(&b, 32), build_bytes(&b, zeros, 64);
    expect(&b, OA_EFORMAT, "overlap");
    build_head(&b, 3, 2, 0);
    build_tensor(&b, "v", 2, (uint64_t[]){(uint64_t)1 << 30, (uint64_t)1 << 31}, 0, 0);
    build_tensor(&b, "w", 2, (uint64_t[]){(uint64_t)1 << 30, (uint64_t)1 << 31}, 0,
                 (uint64_t)1 << 63);
    build_pad(&b, 32), build_bytes(&b, zeros, 64);
    expect(&b, OA_EFORMAT, NULL);
}

enum { NONE = 99 };

static size_t alignment = OA__GGUF_PACKED_ALIGNMENT;

/* One packed tensor w of a type and a shape, over n bytes. */
static void expect_packed(uint32_t version_type, uint64_t version, uint32_t type, uint32_t n_dims,
                          const uint64_t *dims, size_t n, int code, const char *word)
{
    build b = {0};
    build_head(&b, 3, 1, 1 + (version_type != NONE));
    build_key(&b, "general.alignment", U32), build_int(&b, alignment, 4);
    if (version_type != NONE) {
        build_key(&b, OA__GGUF_PACKED_KEY, version_type);
        build_int(&b, version, version_type == U8 ? 1 : 4);
    }
    build_tensor(&b, "w", n_dims, dims, OA__GGUF_PACKED + type, 0);
    build_pad(&b, alignment);
    for (size_t i = 0; i < n; i++)
        build_int(&b, i, 1);
    expect(&b, code, word);
}

static void test_file_gguf__packed(void **state)
{
    const uint32_t v = OA__GGUF_PACKED_VERSION;
    const uint64_t dims[] = {32, 17, 2}, wide[] = {32, (uint64_t)1 << 57, 2}, odd[] = {33, 1};
    const size_t right = 2 * 2 * 16 * 18; /* two matrices of two groups */
    expect_packed(U32, v, OA__Q4_0, 3, dims, right, OA_OK, NULL);
    expect_packed(U8, v, OA__Q4_0, 3, dims, right, OA_OK, NULL);
    expect_packed(U32, v, OA__Q4_0, 3, dims, right - 1, OA_EFORMAT, "tensor w: ends at byte");
    /* The rows alone would fit. */
    expect_packed(U32, v, OA__Q4_0, 3, dims, 2 * 17 * 18, OA_EFORMAT, "ends at byte");
    expect_packed(NONE, 0, OA__Q4_0, 3, dims, right, OA_EFORMAT, "key " OA__GGUF_PACKED_KEY);
    expect_packed(U32, v + 1, OA__Q4_0, 3, dims, right, OA_EVERSION, "version 2");
    expect_packed(U32, 0, OA__Q4_0, 3, dims, right, OA_EVERSION, "pack it again");
    expect_packed(F32, v, OA__Q4_0, 3, dims, right, OA_EFORMAT, OA__GGUF_PACKED_KEY);
    expect_packed(U32, v, 5, 3, dims, right, OA_EUNSUPPORTED, "type");
    expect_packed(U32, v, 0xffff, 3, dims, right, OA_EUNSUPPORTED, "type");
    expect_packed(U32, v, OA__Q4_0, 3, wide, right, OA_EFORMAT, NULL);
    expect_packed(U32, v, OA__F32, 3, wide, right, OA_EFORMAT, NULL);
    expect_packed(U32, v, OA__Q4_0, 2, odd, right, OA_EFORMAT, "multiple of 32");
    alignment = 32; /* kernels read vectors from it */
    expect_packed(U32, v, OA__Q4_0, 3, dims, right, OA_EFORMAT, "aligned to 32");
    alignment = OA__GGUF_PACKED_ALIGNMENT;

    /* The rows come out of the groups. */
    build b = {0};
    oa__mem mem;
    oa__gguf *g;
    uint8_t rows[37 * 4], got[37 * 4];
    for (size_t i = 0; i < sizeof rows; i++)
        rows[i] = (uint8_t)(i * 7);
    build_head(&b, 3, 1, 2), build_key(&b, OA__GGUF_PACKED_KEY, U32), build_int(&b, v, 4);
    build_key(&b, "general.alignment", U32), build_int(&b, alignment, 4);
    build_tensor(&b, "w", 2, (uint64_t[]){1, 37}, OA__GGUF_PACKED + OA__F32, 0);
    build_pad(&b, alignment);
    for (size_t group = 0; group < 3; group++) {
        uint8_t out[64];
        oa__kern_pack(OA__F32, out, rows, 4, 37, 1, group);
        build_bytes(&b, out, sizeof out);
    }
    assert_int_equal(try_open(&b, false, &g, &mem), OA_OK);
    const oa__gguf_tensor *t = oa__gguf_tensor_at(g, 0);
    assert_true(t->packed && t->data == NULL && t->groups != NULL && t->type == OA__F32);
    assert_true(t->size == sizeof rows && t->stored == 192);
    assert_int_equal(oa__gguf_tensor_load(g, t, got), OA_OK);
    assert_memory_equal(got, rows, sizeof rows);
    oa__gguf_free(g);
    assert_int_equal(mem.used, 0);
    free(b.data);
}

static void test_file_gguf__metadata(void **state)
{
    build b = {0};
    build_head(&b, 3, 0, 2), build_key(&b, "k", U8), build_int(&b, 1, 1);
    build_key(&b, "k", U32), build_int(&b, 1, 4), build_int(&b, 0, 8);
    expect(&b, OA_EFORMAT, "key k appears twice");
    build_head(&b, 3, 0, 1), build_key(&b, "", U64), build_int(&b, 1, 8);
    expect(&b, OA_EFORMAT, "key of 0 bytes");
    build_head(&b, 3, 0, 1), build_int(&b, 3, 8), build_bytes(&b, "k\0y", 3), build_int(&b, U64, 4);
    build_int(&b, 1, 8);
    expect(&b, OA_EFORMAT, "NUL");
    build_head(&b, 3, 0, 1), build_key(&b, "k", 13), build_int(&b, 1, 8);
    expect(&b, OA_EFORMAT, "unknown value type 13");
    build_head(&b, 3, 0, 1), build_array(&b, "k", 13, 1), build_int(&b, 1, 8);
    expect(&b, OA_EFORMAT, "array of unknown type 13");
    build_head(&b, 3, 0, 1), build_array(&b, "k", ARRAY, 1), build_int(&b, 1, 8);
    build_int(&b, 1, 8);
    expect(&b, OA_EFORMAT, "array of arrays");
    build_head(&b, 3, 0, 1), build_key(&b, "key", BOOL), build_int(&b, 2, 1);
    expect(&b, OA_EFORMAT, "bool is 2");
    build_head(&b, 3, 0, 1), build_array(&b, "k", BOOL, 2), build_int(&b, 0x0301, 2);
    expect(&b, OA_EFORMAT, "bool is 3");
    /* #26318: the alignment as another type, 0, no power of two, 2^30. */
    for (uint32_t type = U8; type <= F64; type++) {
        if (type == U32) continue;
        build_head(&b, 3, 0, 1), build_key(&b, "general.alignment", type);
        build_int(&b, type == BOOL ? 1 : 0, 8), build_int(&b, 0, 8);
        expect(&b, OA_EFORMAT, NULL);
    }
    static const uint32_t wrong[] = {0, 1, 4, 33, 48, 0x20000, 1u << 30, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < OA__ARRAY_LEN(wrong); i++) {
        build_head(&b, 3, 0, 1), build_key(&b, "general.alignment", U32),
            build_int(&b, wrong[i], 4);
        expect(&b, OA_EFORMAT, "power of two");
    }
}

/* Truncated after every byte: header_only opens begin to succeed where the header ends. */
static void test_file_gguf__truncated(void **state)
{
    const build full = right_file(3);
    bool opened = false;
    for (size_t len = 0; len < full.len; len++) {
        /* A copy of just this length, so that the sanitizer sees a read past the end. */
        build part = {malloc(len + !len), len, len};
        memcpy(part.data, full.data, len);
        oa__mem mem;
        oa__gguf *g;
        assert_int_not_equal(try_open(&part, false, &g, &mem), OA_OK);
        assert_null(g);
        assert_int_equal(mem.used, 0);
        const int rc = try_open(&part, true, &g, &mem);
        if (opened) assert_int_equal(rc, OA_OK);
        opened = rc == OA_OK;
        oa__gguf_free(g);
        assert_int_equal(mem.used, 0);
        free(part.data);
    }
    assert_true(opened);
    free(full.data);
}

static void read_all(const oa__gguf *g)
{
    oa__str s = {0};
    for (size_t i = 0; i < oa__gguf_meta_count(g); i++) {
        assert_int_equal(oa__gguf_meta_text(g, oa__gguf_meta_key(g, i), &s), OA_OK);
        oa__gguf_strings it;
        size_t n;
        if (oa__gguf_strings_begin(g, oa__gguf_meta_key(g, i), &it, &n) == OA_OK) {
            while (oa__gguf_strings_next(&it))
                oa__str_add(&s, it.text, it.len);
        }
    }
    for (size_t i = 0; i < oa__gguf_tensor_count(g); i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(g, i);
        if (t->data != NULL) oa__str_add(&s, t->data, t->size);
    }
    oa__str_free(&s);
}

/* Every byte of the header set to eight other values in turn. */
static void test_file_gguf__every_byte_changed(void **state)
{
    build b = right_file(3);
    for (size_t at = 0; at < b.len - 140; at++) {
        static const uint8_t patterns[] = {0x01, 0x80, 0xff, 0x7f, 0x10, 0x08, 0x03, 0x40};
        for (size_t i = 0; i < OA__ARRAY_LEN(patterns); i++) {
            b.data[at] ^= patterns[i];
            oa__mem mem;
            oa__gguf *g;
            if (try_open(&b, (i & 1) != 0, &g, &mem) == OA_OK) read_all(g);
            oa__gguf_free(g);
            assert_int_equal(mem.used, 0);
            b.data[at] ^= patterns[i];
        }
    }
    free(b.data);
}

/* Many keys, sorted the wrong way round: must take n log n, not n^2. */
static void test_file_gguf__many_keys(void **state)
{
    enum { N = 60000 };
    build b = {0};
    build_head(&b, 3, 0, N);
    for (int i = N; i-- > 0;) {
        char key[40];
        snprintf(key, sizeof key, "a.rather.long.common.prefix.%07d", i);
        build_key(&b, key, U32), build_int(&b, (uint64_t)i, 4);
    }
    oa__mem mem;
    oa__gguf *g;
    assert_int_equal(oa__mem_init(&mem, NULL, 0), OA_OK);
    assert_int_equal(oa__gguf_open_memory(&g, &mem, b.data, b.len, false), OA_OK);
    uint64_t v = 0;
    assert_int_equal(oa__gguf_u64(g, "a.rather.long.common.prefix.0012345", &v), OA_OK);
    assert_int_equal(v, 12345);
    oa__gguf_free(g);
    free(b.data);
}

/* The allocation number `left` fails. */
static size_t left;

static void *failing_alloc(size_t size, void *user)
{
    return left-- == 0 ? NULL : malloc(size);
}

static void plain_free(void *ptr, void *user)
{
    free(ptr);
}

static void test_file_gguf__no_memory(void **state)
{
    build b = right_file(3);
    const oa_allocator a = {sizeof a, failing_alloc, plain_free, NULL};
    int rc = OA_ENOMEM;
    for (size_t nth = 0; rc != OA_OK; nth++) {
        assert_true(nth < 1000);
        oa__mem mem;
        oa__gguf *g;
        assert_int_equal(oa__mem_init(&mem, &a, 0), OA_OK);
        left = nth;
        rc = oa__gguf_open_memory(&g, &mem, b.data, b.len, false);
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        oa__gguf_free(g);
        assert_int_equal(mem.used, 0);
    }
    free(b.data);
}

static void test_file_gguf__real_files(void **state)
{
    static const char *const names[] = {"gpt-neox.vocab.gguf", "llama-spm.vocab.gguf"};
    const char *shared = getenv("OA_TEST_SHARED");
    for (size_t i = 0; i < OA__ARRAY_LEN(names); i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/data/tokenizers/%s", shared ? shared : ".", names[i]);
        if (!oa__file_exists(path)) {
            print_message("# no %s\n", path);
            skip();
        }
        for (int no_mmap = 0; no_mmap < 2; no_mmap++) {
            oa__mem mem;
            oa__gguf *g;
            assert_int_equal(oa__mem_init(&mem, NULL, 0), OA_OK);
            assert_int_equal(oa__gguf_open(&g, &mem, path, no_mmap != 0, false), OA_OK);
            assert_int_equal(oa__gguf_is_mapped(g), !no_mmap);
            assert_int_equal(oa__gguf_version(g), 3);
            oa__gguf_strings it;
            size_t n, seen = 0;
            assert_int_equal(oa__gguf_strings_begin(g, "tokenizer.ggml.tokens", &it, &n), OA_OK);
            while (oa__gguf_strings_next(&it))
                seen++;
            assert_int_equal(seen, n);
            assert_true(n >= 32000);
            oa__gguf_free(g);
            assert_int_equal(mem.used, 0);
        }
    }
}

/* The default model's header with a byte changed at 2,000 seeded places. */
static void test_file_gguf__default_model_changed(void **state)
{
    const char *path = test_model_path();
    if (path == NULL) {
        print_message("# no %s\n", TEST_MODEL_NAME);
        skip();
    }
    oa__gguf *g;
    size_t size;
    assert_int_equal(oa__gguf_open(&g, NULL, path, false, false), OA_OK);
    const void *header = oa__gguf_header(g, &size);
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, header, size);
    oa__gguf_free(g);
    oa__random r;
    oa__random_seed(&r, 2000);
    for (int i = 0; i < 2000; i++) {
        const size_t at = (size_t)oa__random_below(&r, size);
        const uint8_t was = copy[at];
        copy[at] ^= (uint8_t)(1 + oa__random_below(&r, 255));
        oa__mem mem;
        assert_int_equal(oa__mem_init(&mem, NULL, MEM_LIMIT), OA_OK);
        const int rc = oa__gguf_open_memory(&g, &mem, copy, size, true);
        assert_true((rc == OA_OK) == (g != NULL));
        if (i % 16 == 0 && g != NULL) read_all(g);
        oa__gguf_free(g);
        assert_int_equal(mem.used, 0);
        copy[at] = was;
    }
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_gguf__right_file),
        cmocka_unit_test(test_file_gguf__magic_and_version),
        cmocka_unit_test(test_file_gguf__absurd_counts),
        cmocka_unit_test(test_file_gguf__tensors),
        cmocka_unit_test(test_file_gguf__packed),
        cmocka_unit_test(test_file_gguf__metadata),
        cmocka_unit_test(test_file_gguf__truncated),
        cmocka_unit_test(test_file_gguf__every_byte_changed),
        cmocka_unit_test(test_file_gguf__many_keys),
        cmocka_unit_test(test_file_gguf__no_memory),
        cmocka_unit_test(test_file_gguf__real_files),
        cmocka_unit_test(test_file_gguf__default_model_changed),
    };
    return cmocka_run_group_tests_name("file_gguf", tests, NULL, NULL);
}
