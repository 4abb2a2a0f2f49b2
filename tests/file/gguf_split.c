/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF files in parts: what all of them give together, and every way in which they do not fit. */
#include "file/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "util/fail_alloc.h"
#include "util/folder.h"

#define assert_ok(expr) assert_int_equal(expr, OA_OK)

enum { N_PARTS = 3 };

typedef struct part {
    int no, count, n_tensors; /* what it says; no < 0 = says nothing */
    const char *tensor;       /* the name of its one tensor */
    float value;
} part;

static const part good[N_PARTS] = {
    {0, 3, 3, "a.weight", 1}, {1, 3, 3, "b.weight", 2}, {2, 3, 3, "c.weight", 3}};

static int give(void *arg, size_t tensor, uint64_t done, const void **data)
{
    *data = arg;
    return OA_OK;
}

static const char *part_name(int i)
{
    static char name[32];
    snprintf(name, sizeof name, "m-%05d-of-%05d.gguf", i + 1, N_PARTS);
    return name;
}

static void write_part(const folder *f, int i, const part *p)
{
    const float values[4] = {p->value, p->value, p->value, p->value};
    oa__gguf_writer *w;
    assert_ok(oa__gguf_writer_new(&w, NULL));
    if (i == 0) assert_ok(oa__gguf_writer_str(w, "general.architecture", "xx", 2));
    if (p->no >= 0) {
        assert_ok(oa__gguf_writer_u32(w, "split.no", (uint32_t)p->no));
        assert_ok(oa__gguf_writer_u32(w, "split.count", (uint32_t)p->count));
        assert_ok(oa__gguf_writer_i32(w, "split.tensors.count", p->n_tensors));
    }
    assert_ok(oa__gguf_writer_tensor(w, p->tensor, OA__F32, 1, (uint64_t[]){4}));
    assert_ok(oa__gguf_writer_save(w, folder_file(f, part_name(i)), give, (void *)(uintptr_t)values,
                                   NULL));
    oa__gguf_writer_free(w);
}

static void write_all(const folder *f, const part parts[N_PARTS])
{
    for (int i = 0; i < N_PARTS; i++)
        write_part(f, i, &parts[i]);
}

static void test_file_gguf_split__right(void **state)
{
    folder f;
    oa__mem mem;
    oa__gguf *g;
    folder_make(&f, "gguf_split");
    write_all(&f, good);
    assert_ok(oa__mem_init(&mem, NULL, 1 << 20));
    for (int header_only = 0; header_only < 2; header_only++) {
        const char *path = folder_file(&f, part_name(0));
        assert_ok(oa__gguf_open_parts(&g, &mem, path, header_only, header_only));
        assert_int_equal(oa__gguf_tensor_count(g), 3);
        assert_int_equal(oa__gguf_meta_count(g), 1);
        assert_true(oa__gguf_has(g, "general.architecture"));
        for (size_t i = 0; i < 3; i++) {
            float v[4] = {0};
            const oa__gguf_tensor *t = oa__gguf_tensor_find(g, good[i].tensor);
            assert_non_null(t);
            assert_true(t->there);
            assert_non_null(t->data);
            assert_ok(oa__gguf_tensor_load(g, t, v));
            assert_true(v[0] == good[i].value && v[3] == good[i].value);
            oa__gguf_tensor_drop(g, t);
        }
        /* Each file is a header and 16 bytes of data, padded. */
        assert_true(oa__gguf_file_size(g) > 3 * 64 && oa__gguf_file_size(g) % 32 == 0);
        const uint64_t fingerprint = oa__gguf_fingerprint(g);
        oa__gguf_free(g);
        assert_ok(oa__gguf_open_parts(&g, &mem, path, false, false));
        assert_int_equal(oa__gguf_fingerprint(g), fingerprint);
        oa__gguf_free(g);
    }
    assert_int_equal(mem.used, 0);
    folder_remove(&f);
}

/* One thing is wrong; open says which. */
static void expect(const part parts[N_PARTS], const char *unlinked, const char *opened,
                   const char *word)
{
    folder f;
    oa__mem mem;
    oa__gguf *g;
    folder_make(&f, "gguf_split");
    write_all(&f, parts);
    if (unlinked != NULL) unlink(folder_file(&f, unlinked));
    assert_ok(oa__mem_init(&mem, NULL, 1 << 20));
    const int rc = oa__gguf_open_parts(&g, &mem, folder_file(&f, opened), false, false);
    if (strstr(oa_error_last(), word) == NULL) print_error("# %s\n", oa_error_last());
    assert_int_equal(rc, OA_EFORMAT);
    assert_null(g);
    assert_non_null(strstr(oa_error_last(), word));
    assert_int_equal(mem.used, 0);
    folder_remove(&f);
}

#define EXPECT_PART(i, word, ...)                                                                  \
    do {                                                                                           \
        part parts[N_PARTS];                                                                       \
        memcpy(parts, good, sizeof parts);                                                         \
        parts[i] = (part)__VA_ARGS__;                                                              \
        expect(parts, NULL, first, word);                                                          \
    } while (0)

static void test_file_gguf_split__wrong(void **state)
{
    static const char first[] = "m-00001-of-00003.gguf", second[] = "m-00002-of-00003.gguf",
                      third[] = "m-00003-of-00003.gguf";
    expect(good, third, first, "part 3 of 3 is missing");
    expect(good, second, first, "part 2 of 3 is missing");
    expect(good, NULL, second, "is part 2 of 3, want the first");
    EXPECT_PART(1, "says it is part 3 of 3, want part 2 of 3", {2, 3, 3, "b.weight", 2});
    EXPECT_PART(1, "says it is part 1 of 3, want part 2 of 3", {0, 3, 3, "b.weight", 2});
    EXPECT_PART(2, "says it is part 3 of 4, want part 3 of 3", {2, 4, 3, "c.weight", 3});
    EXPECT_PART(2, "is no part of a model", {-1, 0, 0, "c.weight", 3});
    EXPECT_PART(2, "tensor a.weight appears twice", {2, 3, 3, "a.weight", 3});
    EXPECT_PART(0, "split.tensors.count is 4, the parts hold 3", {0, 3, 4, "a.weight", 1});
    EXPECT_PART(0, "split.tensors.count is -1", {0, 3, -1, "a.weight", 1});
    EXPECT_PART(0, "does not end in -00001-of-00002.gguf", {0, 2, 3, "a.weight", 1});

    /* Renamed, the others cannot be found. */
    folder f;
    oa__gguf *g;
    folder_make(&f, "gguf_split");
    write_all(&f, good);
    char from[512];
    snprintf(from, sizeof from, "%s", folder_file(&f, first));
    assert_int_equal(rename(from, folder_file(&f, "m.gguf")), 0);
    assert_int_equal(oa__gguf_open_parts(&g, NULL, folder_file(&f, "m.gguf"), false, false),
                     OA_EFORMAT);
    assert_non_null(strstr(oa_error_last(), "split into 3 files"));
    assert_int_equal(oa__gguf_open_parts(&g, NULL, from, false, false), OA_ENOTFOUND);

    /* The part that is damaged is named, not the first. */
    assert_int_equal(rename(folder_file(&f, "m.gguf"), from), 0);
    assert_int_equal(truncate(folder_file(&f, third), 40), 0);
    assert_int_equal(oa__gguf_open_parts(&g, NULL, from, false, false), OA_EFORMAT);
    assert_non_null(strstr(oa_error_last(), third));
    assert_null(strstr(oa_error_last(), first));
    folder_remove(&f);
}

static void test_file_gguf_split__no_memory(void **state)
{
    folder f;
    int rc = OA_ENOMEM;
    folder_make(&f, "gguf_split");
    write_all(&f, good);
    for (uint64_t i = 1; rc != OA_OK; i++) {
        struct fail_alloc fa;
        oa__mem mem;
        oa__gguf *g;
        assert_ok(oa__mem_init(&mem, fail_alloc_init(&fa, i), 0));
        rc = oa__gguf_open_parts(&g, &mem, folder_file(&f, part_name(0)), false, false);
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        oa__gguf_free(g);
        assert_int_equal(fail_alloc_live(&fa), 0);
        assert_int_equal(mem.used, 0);
    }
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_gguf_split__right),
        cmocka_unit_test(test_file_gguf_split__wrong),
        cmocka_unit_test(test_file_gguf_split__no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
