/* SPDX-License-Identifier: Apache-2.0 */
/* The GGUF writer: what is written reads back the same, as a virtual file and as a real one. */
#include "file/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/fail_alloc.h"

#define assert_ok(expr) assert_int_equal(expr, OA_OK)

/* Two tensors: one in place, one that is made. */
static const float in_place[6] = {1, 2, 3, 4, 5, 6};

typedef struct test_source {
    int n_freed, n_dropped;
} test_source;

static const void *source_data(void *arg, size_t tensor)
{
    return tensor == 0 ? in_place : NULL;
}

static int source_load(void *arg, size_t tensor, void *dst)
{
    for (size_t i = 0; i < 5; i++)
        ((float *)dst)[i] = (float)i / 2;
    return OA_OK;
}

static void source_drop(void *arg, size_t tensor, size_t at, size_t size)
{
    ((test_source *)arg)->n_dropped++;
}

static uint64_t source_hash(void *arg, uint64_t seed)
{
    return oa__fnv1a(seed, in_place, sizeof in_place);
}

static void source_free(void *arg)
{
    ((test_source *)arg)->n_freed++;
}

static int fill(oa__gguf_writer *w)
{
    const char *const words[] = {"one", "", "three"};
    const size_t lens[] = {3, 0, 2};
    OA__TRY(oa__gguf_writer_u32(w, "k.gone", 1));
    OA__TRY(oa__gguf_writer_u32(w, "k.u32", 7));
    OA__TRY(oa__gguf_writer_str(w, "general.architecture", "xx", 2));
    OA__TRY(oa__gguf_writer_i32(w, "k.i32", -5));
    OA__TRY(oa__gguf_writer_u64(w, "k.u64", UINT64_MAX));
    OA__TRY(oa__gguf_writer_f32(w, "k.f32", 0.1f));
    OA__TRY(oa__gguf_writer_bool(w, "k.bool", true));
    OA__TRY(oa__gguf_writer_strings(w, "a.str", words, lens, 3));
    OA__TRY(oa__gguf_writer_strings(w, "a.z", words, NULL, 3));
    OA__TRY(oa__gguf_writer_array(w, "a.i32", OA__GGUF_I32, (int32_t[]){1, -2}, 2));
    OA__TRY(oa__gguf_writer_array(w, "a.none", OA__GGUF_F32, NULL, 0));
    OA__TRY(oa__gguf_writer_u32(w, "general.alignment", 128));
    /* Set again: same place, other type and value. */
    OA__TRY(oa__gguf_writer_str(w, "k.u32", "changed", 7));
    OA__TRY(oa__gguf_writer_remove(w, "k.gone"));
    OA__TRY(oa__gguf_writer_remove(w, "k.never"));
    OA__TRY(oa__gguf_writer_tensor(w, "z.weight", OA__F32, 2, (uint64_t[]){3, 2}));
    return oa__gguf_writer_tensor(w, "a.weight", OA__F32, 1, (uint64_t[]){5});
}

static void check_text(const oa__gguf *g, const char *key, const char *want)
{
    oa__str s = {0};
    assert_ok(oa__gguf_meta_text(g, key, &s));
    assert_string_equal(s.data, want);
    oa__str_free(&s);
}

static void check(const oa__gguf *g)
{
    static const char *const keys[] = {"k.u32",
                                       "general.architecture",
                                       "k.i32",
                                       "k.u64",
                                       "k.f32",
                                       "k.bool",
                                       "a.str",
                                       "a.z",
                                       "a.i32",
                                       "a.none",
                                       "general.alignment"};
    oa__gguf_strings it;
    size_t n;
    assert_int_equal(oa__gguf_version(g), 3);
    assert_int_equal(oa__gguf_meta_count(g), OA__ARRAY_LEN(keys));
    for (size_t i = 0; i < OA__ARRAY_LEN(keys); i++)
        assert_string_equal(oa__gguf_meta_key(g, i), keys[i]);
    check_text(g, "k.u32", "changed");
    check_text(g, "general.architecture", "xx");
    check_text(g, "k.i32", "-5");
    check_text(g, "k.u64", "18446744073709551615");
    check_text(g, "k.f32", "0.1");
    check_text(g, "k.bool", "true");
    check_text(g, "a.none", "[f32 x 0]");
    int32_t numbers[2];
    assert_ok(oa__gguf_array_copy(g, "a.i32", OA__GGUF_I32, numbers, 2));
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[1], -2);
    assert_ok(oa__gguf_strings_begin(g, "a.str", &it, &n));
    assert_int_equal(n, 3);
    assert_true(oa__gguf_strings_next(&it) && oa__gguf_strings_next(&it));
    assert_int_equal(it.len, 0);
    assert_true(oa__gguf_strings_next(&it));
    assert_int_equal(it.len, 2);
    assert_memory_equal(it.text, "th", 2);
    assert_ok(oa__gguf_strings_begin(g, "a.z", &it, &n));
    assert_true(oa__gguf_strings_next(&it) && oa__gguf_strings_next(&it) &&
                oa__gguf_strings_next(&it));
    assert_int_equal(it.len, 5);

    assert_int_equal(oa__gguf_tensor_count(g), 2);
    const oa__gguf_tensor *z = oa__gguf_tensor_find(g, "z.weight");
    const oa__gguf_tensor *a = oa__gguf_tensor_find(g, "a.weight");
    assert_ptr_equal(z, oa__gguf_tensor_at(g, 0));
    assert_ptr_equal(a, oa__gguf_tensor_at(g, 1));
    assert_true(z->there && a->there);
    assert_int_equal(z->offset % 128, 0);
    assert_int_equal(a->offset - z->offset, 128);
    float got[6];
    assert_ok(oa__gguf_tensor_load(g, z, got));
    assert_memory_equal(got, in_place, sizeof in_place);
    assert_ok(oa__gguf_tensor_load(g, a, got));
    for (size_t i = 0; i < 5; i++)
        assert_true(got[i] == (float)i / 2);
}

static oa__gguf *make(oa__mem *mem, test_source *s)
{
    const oa__gguf_source source = {s,           source_data, source_load, source_drop,
                                    source_hash, source_free, 1000,        true};
    oa__gguf_writer *w;
    oa__gguf *g;
    assert_ok(oa__gguf_writer_new(&w, mem));
    assert_ok(fill(w));
    assert_int_equal(oa__gguf_writer_tensor_count(w), 2);
    assert_ok(oa__gguf_writer_finish(w, &g, &source));
    oa__gguf_writer_free(w);
    return g;
}

static void test_file_gguf_writer__virtual(void **state)
{
    oa__mem mem;
    test_source s = {0}, s2 = {0};
    assert_ok(oa__mem_init(&mem, NULL, 1 << 20));
    oa__gguf *g = make(&mem, &s), *same = make(&mem, &s2);
    check(g);
    assert_int_equal(oa__gguf_file_size(g), 1000);
    assert_true(oa__gguf_is_mapped(g));
    assert_ptr_equal(oa__gguf_tensor_at(g, 0)->data, in_place);
    assert_null(oa__gguf_tensor_at(g, 1)->data);
    assert_int_equal(oa__gguf_fingerprint(g), oa__gguf_fingerprint(same));
    oa__gguf_tensor_drop(g, oa__gguf_tensor_at(g, 0));
    assert_int_equal(s.n_dropped, 1);

    /* Copied with another value: another model. */
    const oa__gguf_source source = {&s2,         source_data, source_load, NULL,
                                    source_hash, source_free, 0,           false};
    oa__gguf_writer *w;
    oa__gguf *other;
    assert_ok(oa__gguf_writer_new(&w, &mem));
    assert_ok(oa__gguf_writer_copy(w, g));
    assert_ok(oa__gguf_writer_tensor(w, "z.weight", OA__F32, 2, (uint64_t[]){3, 2}));
    assert_ok(oa__gguf_writer_tensor(w, "a.weight", OA__F32, 1, (uint64_t[]){5}));
    assert_ok(oa__gguf_writer_finish(w, &other, &source));
    check(other);
    assert_int_equal(oa__gguf_fingerprint(other), oa__gguf_fingerprint(g));
    oa__gguf_free(other);
    assert_ok(oa__gguf_writer_i32(w, "k.i32", -6));
    assert_ok(oa__gguf_writer_finish(w, &other, &source));
    assert_true(oa__gguf_fingerprint(other) != oa__gguf_fingerprint(g));
    oa__gguf_free(other);
    oa__gguf_writer_free(w);

    oa__gguf_free(same);
    oa__gguf_free(g);
    assert_int_equal(s.n_freed, 1);
    assert_int_equal(mem.used, 0);
}

/* --- files --------------------------------------------------------------------------------- */

static const char *out_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "gguf_writer.%d.gguf", (int)getpid());
    return path;
}

typedef struct giver {
    const oa__gguf *g;
    float made[5];
    uint64_t want_done;
    int fail_at; /* tensor, -1 = none */
} giver;

static int give(void *arg, size_t tensor, uint64_t done, const void **data)
{
    giver *gv = arg;
    const oa__gguf_tensor *t = oa__gguf_tensor_at(gv->g, tensor);
    assert_int_equal(done, gv->want_done);
    gv->want_done += t->size;
    if ((int)tensor == gv->fail_at) return oa__err(OA_EIO, "as asked");
    *data = t->data;
    if (t->data != NULL) return OA_OK;
    *data = gv->made;
    return oa__gguf_tensor_load(gv->g, t, gv->made);
}

typedef struct watch {
    uint64_t last, total;
    int cancel;
} watch;

static int on_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    watch *w = user;
    assert_string_equal(what, "write");
    assert_true(done >= w->last && done <= total);
    w->last = done;
    w->total = total;
    return w->cancel;
}

static void test_file_gguf_writer__save(void **state)
{
    oa__mem mem;
    test_source s = {0};
    watch seen = {0};
    assert_ok(oa__mem_init(&mem, NULL, 1 << 20));
    oa__gguf *g = make(&mem, &s), *read;
    oa__gguf_writer *w;
    assert_ok(oa__gguf_writer_new(&w, &mem));
    assert_ok(fill(w));
    giver gv = {.g = g, .fail_at = 1};
    oa__progress progress = {.fn = on_progress, .user = &seen, .what = "write"};

    /* Neither a failing giver nor a cancelled one leaves anything. */
    assert_int_equal(oa__gguf_writer_save(w, out_path(), give, &gv, NULL), OA_EIO);
    assert_false(oa__file_exists(out_path()));
    gv = (giver){.g = g, .fail_at = -1};
    seen.cancel = 1;
    assert_int_equal(oa__gguf_writer_save(w, out_path(), give, &gv, &progress), OA_ECANCELLED);
    assert_false(oa__file_exists(out_path()));

    gv = (giver){.g = g, .fail_at = -1};
    seen = (watch){0};
    progress = (oa__progress){.fn = on_progress, .user = &seen, .what = "write"};
    assert_ok(oa__gguf_writer_save(w, out_path(), give, &gv, &progress));
    assert_int_equal(seen.total, 24 + 20);
    assert_int_equal(seen.last, seen.total);
    assert_ok(oa__gguf_open(&read, &mem, out_path(), false, false));
    check(read);
    assert_int_equal(oa__gguf_file_size(read) % 128, 0);
    oa__gguf_tensor_drop(read, oa__gguf_tensor_at(read, 0));
    oa__gguf_free(read);
    unlink(out_path());
    oa__gguf_writer_free(w);
    oa__gguf_free(g);
    assert_int_equal(mem.used, 0);
}

static void test_file_gguf_writer__bad(void **state)
{
    static char long_name[300];
    test_source s = {0};
    const oa__gguf_source source = {&s,          source_data, source_load, NULL,
                                    source_hash, source_free, 0,           false};
    oa__gguf_writer *w;
    oa__gguf *g;
    memset(long_name, 'x', sizeof long_name - 1);
    assert_ok(oa__gguf_writer_new(&w, NULL));
    assert_int_equal(oa__gguf_writer_u32(w, "", 1), OA_EINVAL);
    assert_int_equal(oa__gguf_writer_array(w, "k", OA__GGUF_STRING, NULL, 0), OA_EINVAL);
    assert_int_equal(oa__gguf_writer_array(w, "k", OA__GGUF_U32, NULL, SIZE_MAX / 2), OA_EINVAL);
    assert_int_equal(oa__gguf_writer_tensor(w, "", OA__F32, 1, (uint64_t[]){5}), OA_EINVAL);
    assert_int_equal(oa__gguf_writer_tensor(w, long_name, OA__F32, 1, (uint64_t[]){5}), OA_EINVAL);
    assert_int_equal(oa__gguf_writer_tensor(w, "t", OA__F32, 5, (uint64_t[]){5}), OA_EINVAL);
    assert_int_equal(oa__gguf_writer_tensor(w, "t", 77, 1, (uint64_t[]){5}), OA_EUNSUPPORTED);
    assert_int_equal(oa__gguf_writer_tensor(w, "t", OA__Q4_0, 1, (uint64_t[]){33}), OA_EFORMAT);
    assert_int_equal(
        oa__gguf_writer_tensor(w, "t", OA__F32, 3, (uint64_t[]){1 << 20, 1u << 31, 1u << 31}),
        OA_EINVAL);
    assert_int_equal(oa__gguf_writer_tensor_count(w), 0);
    /* What the reader would refuse is not finished: twice one name, a bad alignment. */
    assert_ok(oa__gguf_writer_tensor(w, "t", OA__F32, 1, (uint64_t[]){5}));
    assert_ok(oa__gguf_writer_u32(w, "general.alignment", 0));
    assert_int_equal(oa__gguf_writer_finish(w, &g, &source), OA_EFORMAT);
    assert_ok(oa__gguf_writer_u32(w, "general.alignment", 33));
    assert_int_equal(oa__gguf_writer_finish(w, &g, &source), OA_EFORMAT);
    assert_null(g);
    assert_ok(oa__gguf_writer_u32(w, "general.alignment", 32));
    assert_ok(oa__gguf_writer_finish(w, &g, &source));
    oa__gguf_free(g);
    assert_ok(oa__gguf_writer_tensor(w, "t", OA__F32, 1, (uint64_t[]){5}));
    assert_int_equal(oa__gguf_writer_finish(w, &g, &source), OA_EFORMAT);
    assert_non_null(strstr(oa_error_last(), "appears twice"));
    oa__gguf_writer_free(w);
    assert_int_equal(s.n_freed, 1);
}

/* Many settings of few keys take no quadratic time. */
static void test_file_gguf_writer__many_keys(void **state)
{
    test_source s = {0};
    const oa__gguf_source source = {&s,          source_data, source_load, NULL,
                                    source_hash, source_free, 0,           false};
    oa__gguf_writer *w;
    oa__gguf *g;
    char key[32];
    uint64_t v;
    assert_ok(oa__gguf_writer_new(&w, NULL));
    for (uint32_t i = 0; i < 200000; i++) {
        snprintf(key, sizeof key, "k%u", i % 100000);
        assert_ok(oa__gguf_writer_u32(w, key, i));
    }
    assert_ok(oa__gguf_writer_finish(w, &g, &source));
    assert_int_equal(oa__gguf_meta_count(g), 100000);
    assert_ok(oa__gguf_u64(g, "k77", &v));
    assert_int_equal(v, 100077);
    oa__gguf_free(g);
    oa__gguf_writer_free(w);
}

/* Every allocation fails once. */
static int make_and_save(oa__mem *mem)
{
    test_source s = {0};
    const oa__gguf_source source = {&s,          source_data, source_load, NULL,
                                    source_hash, source_free, 0,           false};
    oa__gguf_writer *w = NULL;
    oa__gguf *g = NULL;
    int rc;
    OA__TRY_GOTO(oa__gguf_writer_new(&w, mem));
    OA__TRY_GOTO(fill(w));
    OA__TRY_GOTO(oa__gguf_writer_finish(w, &g, &source));
    giver gv = {.g = g, .fail_at = -1};
    rc = oa__gguf_writer_save(w, out_path(), give, &gv, NULL);
fail:
    oa__gguf_free(g);
    oa__gguf_writer_free(w);
    return rc;
}

static void test_file_gguf_writer__no_memory(void **state)
{
    int rc = OA_ENOMEM;
    for (size_t i = 1; rc != OA_OK; i++) {
        struct fail_alloc fa;
        oa__mem mem;
        assert_ok(oa__mem_init(&mem, fail_alloc_init(&fa, i), 0));
        rc = make_and_save(&mem);
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        assert_int_equal(oa__file_exists(out_path()), rc == OA_OK);
        assert_int_equal(fail_alloc_live(&fa), 0);
    }
    unlink(out_path());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_gguf_writer__virtual),
        cmocka_unit_test(test_file_gguf_writer__save),
        cmocka_unit_test(test_file_gguf_writer__bad),
        cmocka_unit_test(test_file_gguf_writer__many_keys),
        cmocka_unit_test(test_file_gguf_writer__no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
