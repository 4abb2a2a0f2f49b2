/* SPDX-License-Identifier: Apache-2.0 */
#include "session/session_priv.h"

#include "tiny_file.h"

static unsigned char *read_file(size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    unsigned char *data = malloc(*size);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

static void write_file(const unsigned char *data, size_t size)
{
    remove(path); /* writing over a file may wait for the disk */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

static void put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

/* Make both sums right again. */
static void seal(unsigned char *data, size_t size)
{
    put32(data + 68, oa__crc32c(0, data, 68));
    put32(data + size - 4, oa__crc32c(0, data + 72, size - 76));
}

static void test_session_saved__goes_on_with_the_same_bits(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 31, 32, 33, 100};
    int32_t ids[120];
    tiny_ids(model, 1, ids, 120);
    for (size_t k = 0; k < OA__ARRAY_LEN(lens) * 6; k++) {
        const size_t n = lens[k / 6];
        const uint32_t kv_type = (uint32_t)k % 3;
        oa_session_opts o = OA_SESSION_OPTS_INIT;
        o.n_ctx = 150;
        o.kv_type = kv_type;
        oa_session *s, *t;
        assert_ok(oa_session_new(&s, model, &o));
        assert_ok(oa_session_append(s, ids, n));
        int32_t id;
        if (k % 6 > 2 && n > 0) assert_ok(oa_session_step(s, NULL, &id)); /* with one pending */
        assert_ok(oa_session_save(s, path));
        o.kv_type = (kv_type + 1) % 3; /* the file's wins */
        assert_ok(oa_session_open_saved(&t, model, path, &o));
        assert_int_equal(tiny_len(t), tiny_len(s));
        if (n > 0) assert_true(tiny_logits(t) == tiny_logits(s));
        assert_ok(oa_session_append(s, ids + n, 20));
        assert_ok(oa_session_append(t, ids + n, 20));
        assert_true(tiny_logits(t) == tiny_logits(s));
        assert_ok(oa_session_step(s, NULL, &id));
        assert_ok(oa_session_step(t, NULL, &id));
        assert_true(tiny_logits(t) == tiny_logits(s));
        oa_session_free(s);
        oa_session_free(t);
    }
}

/* Tokens that were taken back are not in the file, and equal sessions give equal files. */
static void test_session_saved__holds_nothing_else(void **state)
{
    (void)state;
    int32_t ids[60];
    size_t a_size, b_size;
    tiny_ids(model, 2, ids, 60);
    oa_session *s = tiny_session(model, OA_SESSION_NO_SHARING, 100);
    assert_ok(oa_session_append(s, ids, 60));
    assert_ok(oa_session_truncate(s, 40));
    tiny_logits(s);
    assert_ok(oa_session_save(s, path));
    unsigned char *a = read_file(&a_size);
    oa_session_free(s);
    s = tiny_session(model, 0, 100);
    assert_ok(oa_session_append(s, ids, 40));
    assert_ok(oa_session_save(s, path));
    unsigned char *b = read_file(&b_size);
    oa_session_free(s);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b, a_size);
    free(a);
    free(b);
}

static void expect_refused(int want)
{
    oa_session *t = (oa_session *)(uintptr_t)1;
    const uint64_t used = oa__model_mem(model)->used;
    const int rc = oa_session_open_saved(&t, model, path, NULL);
    if (want) assert_int_equal(rc, want);
    assert_true(rc == OA_EFORMAT || rc == OA_EVERSION || rc == OA_EUNSUPPORTED);
    assert_null(t);
    assert_true(oa_error_last()[0] != '\0');
    assert_int_equal(oa__model_mem(model)->used, used);
}

static void test_session_saved__every_byte_changed_and_every_length(void **state)
{
    (void)state;
    int32_t ids[3];
    size_t size;
    tiny_ids(model, 3, ids, 3);
    oa_session *s = tiny_session(model, 0, 100);
    assert_ok(oa_session_append(s, ids, 3));
    assert_ok(oa_session_save(s, path));
    oa_session_free(s);
    unsigned char *data = read_file(&size);
    /* The header and ids all, of the rest some, which the sum treats alike. */
    for (size_t i = 0; i < size; i += i < 200 || i + 200 > size ? 1 : 97) {
        data[i] ^= (unsigned char)(1 << i % 8);
        write_file(data, size);
        expect_refused(0);
        data[i] ^= (unsigned char)(1 << i % 8);
    }
    for (size_t n = 0; n < size; n += n < 100 || n + 100 > size ? 1 : 197) {
        write_file(data, n);
        expect_refused(OA_EFORMAT);
    }
    data = realloc(data, size + 1);
    data[size] = 0;
    write_file(data, size + 1);
    expect_refused(OA_EFORMAT);
    free(data);
}

/* Right sums, wrong contents: what somebody could write on purpose. */
static void test_session_saved__hostile_headers(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t low, high;
        bool is64;
        int want;
    } tries[] = {
        {8, 3, 0, false, OA_EVERSION},      /* version */
        {12, 7, 0, false, OA_EFORMAT},      /* kv_type */
        {12, 1, 0, false, OA_EUNSUPPORTED}, /* another type: page size differs */
        {12, 2, 0, false, OA_EUNSUPPORTED},
        {16, 1, 1, true, OA_EUNSUPPORTED}, /* fingerprint */
        {24, 0, 0, true, OA_EFORMAT},      /* n below n_done */
        {24, 0xffffffff, 0xffffffff, true, OA_EFORMAT},
        {24, 1000, 0, true, OA_EFORMAT}, /* more ids than the file has, logits pending */
        {32, 0xfffffff0, 0xffffffff, true, OA_EFORMAT},
        {32, 0, 0, true, OA_EFORMAT},      /* logits of nothing */
        {40, 0, 0, true, OA_EUNSUPPORTED}, /* page_size */
        {40, 0xffffffff, 0xffffffff, true, OA_EUNSUPPORTED},
        {48, 1, 0, false, OA_EUNSUPPORTED}, /* n_vocab */
        {52, 2, 0, false, OA_EFORMAT},      /* has_logits */
        {52, 0, 0, false, OA_EFORMAT},      /* file too long then */
        {56, 1, 0, false, OA_EUNSUPPORTED}, /* of a longer context */
        {56, 2, 0, false, OA_EFORMAT},
        {60, 1, 0, true, OA_EUNSUPPORTED},      /* adapters */
        {72, 0xffffffff, 0, false, OA_EFORMAT}, /* an id */
        {72, 0x7fffffff, 0, false, OA_EFORMAT},
    };
    int32_t ids[40];
    size_t size;
    tiny_ids(model, 4, ids, 40);
    oa_session *s = tiny_session(model, 0, 100);
    assert_ok(oa_session_append(s, ids, 40));
    assert_ok(oa_session_save(s, path));
    unsigned char *data = read_file(&size), *copy = malloc(size);
    for (size_t k = 0; k < OA__ARRAY_LEN(tries); k++) {
        memcpy(copy, data, size);
        put32(copy + tries[k].at, tries[k].low);
        if (tries[k].is64) put32(copy + tries[k].at + 4, tries[k].high);
        seal(copy, size);
        write_file(copy, size);
        expect_refused(tries[k].want);
    }
    write_file(data, size);
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.n_ctx = 39;
    oa_session *t;
    assert_err(oa_session_open_saved(&t, model, path, &o), OA_EFULL, "40 tokens");
    assert_err(oa_session_open_saved(&t, model, "no/such/file", NULL), OA_ENOTFOUND, "");
    assert_err(oa_session_open_saved(&t, model, ".", NULL), OA_EFORMAT, "");
    assert_true(oa_session_save(s, "no/such/folder/file") < 0);
    oa_session_free(s);
    free(data);
    free(copy);
}

/* Forged keys and values give nonsense, but only to the one who opened them. */
static void test_session_saved__forged_pages_stay_alone(void **state)
{
    (void)state;
    int32_t ids[100];
    size_t size, reused;
    tiny_ids(model, 5, ids, 100);
    const uint64_t want = tiny_alone(model, OA_KV_F16, ids, 100);
    oa_session *s = tiny_session(model, OA_SESSION_NO_SHARING, 150), *t, *f;
    assert_ok(oa_session_append(s, ids, 64));
    assert_ok(oa_session_save(s, path));
    oa_session_free(s);
    unsigned char *data = read_file(&size);
    for (size_t i = 72 + 64 * 4; i < size - 4; i++)
        data[i] = 0xff; /* NaN everywhere */
    seal(data, size);
    write_file(data, size);
    assert_ok(oa_session_open_saved(&t, model, path, NULL));
    assert_ok(oa_session_append(t, ids + 64, 36));
    tiny_logits(t);
    int32_t id;
    assert_ok(oa_session_step(t, NULL, &id));
    assert_ok(oa_session_fork(&f, t));
    assert_ok(oa_session_truncate(f, 64));
    assert_ok(oa_session_append(f, ids + 64, 36));
    s = tiny_session(model, 0, 150);
    assert_ok(oa_session_set_ids(s, ids, 100, &reused));
    assert_int_equal(reused, 0);
    assert_true(tiny_logits(s) == want);
    /* Emptied, it is as good as new. */
    assert_ok(oa_session_truncate(f, 0));
    assert_ok(oa_session_set_ids(f, ids, 100, &reused));
    assert_int_equal(reused, 96);
    assert_true(tiny_logits(f) == want);
    oa_session_free(s);
    oa_session_free(t);
    oa_session_free(f);
    free(data);
}

static int stop_now(const char *what, uint64_t done, uint64_t total, void *user)
{
    (void)done;
    (void)total;
    *(int *)user += strcmp(what, "save") == 0;
    return strcmp(what, "save") == 0;
}

static void test_session_saved__cancelled_leaves_the_old_file(void **state)
{
    (void)state;
    int32_t ids[40];
    int n_calls = 0;
    size_t size;
    tiny_ids(model, 6, ids, 40);
    write_file((const unsigned char *)"old", 3);
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.progress_fn = stop_now;
    o.progress_user = &n_calls;
    oa_session *s;
    assert_ok(oa_session_new(&s, model, &o));
    assert_ok(oa_session_append(s, ids, 40));
    assert_err(oa_session_save(s, path), OA_ECANCELLED, "save");
    assert_int_equal(n_calls, 1);
    unsigned char *data = read_file(&size);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "old", 3);
    free(data);
    oa_session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_saved__goes_on_with_the_same_bits),
        cmocka_unit_test(test_session_saved__holds_nothing_else),
        cmocka_unit_test(test_session_saved__every_byte_changed_and_every_length),
        cmocka_unit_test(test_session_saved__hostile_headers),
        cmocka_unit_test(test_session_saved__forged_pages_stay_alone),
        cmocka_unit_test(test_session_saved__cancelled_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
