/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters of the tiny model, written by the test itself. */
#include "file/file.h"
#include "session/session_priv.h"

#include "tiny.h"
#include "util/fail_alloc.h"

#include <fenv.h>
#include <math.h>
#include <unistd.h>

enum { N_IDS = 70, RANK = 3 };

static oa_model *model;
static int32_t ids[N_IDS];
static oa_model_info info = OA_MODEL_INFO_INIT;
static char folder[] = "/tmp/oa-adapters-XXXXXX";

static int begin(void **state)
{
    (void)state;
    model = tiny_open(NULL);
    tiny_ids(model, 1, ids, N_IDS);
    assert_ok(oa_model_get_info(model, &info));
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int end(void **state)
{
    (void)state;
    oa_model_free(model);
    return rmdir(folder);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* How an adapter file differs from a good one. */
typedef struct flaw {
    const char *type, *arch, *extra; /* other values; a third tensor's name */
    uint32_t rank_b, n_in, layer;
    bool no_b, no_alpha, nan;
} flaw;

typedef struct numbers {
    uint64_t seed;
    float scale;
    bool nan;
    float data[1 << 16];
} numbers;

static int give(void *arg, size_t tensor, uint64_t done, const void **data)
{
    numbers *n = arg;
    (void)done;
    for (size_t i = 0; i < OA__ARRAY_LEN(n->data); i++)
        n->data[i] = n->scale * ((float)(tiny_random(&n->seed) % 2001) / 1000 - 1);
    if (n->nan && tensor == 1) n->data[5] = NAN;
    *data = n->data;
    return OA_OK;
}

/* Random pairs for a query, an output and a feed-forward matrix; scale 0 = all zero. */
static void write_adapter(const char *path, uint64_t seed, float scale, const flaw *f)
{
    static numbers n;
    oa__mem mem;
    oa__gguf_writer *w;
    const uint64_t d = info.d_model, d_q = (uint64_t)info.n_heads * info.d_head;
    const struct {
        const char *name;
        uint64_t n_in, n_out;
    } pairs[] = {{"attn_q", d, d_q}, {"attn_output", d_q, d}, {"ffn_down", info.d_ff, d}};
    assert_ok(oa__mem_init(&mem, NULL, 0));
    assert_ok(oa__gguf_writer_new(&w, &mem));
    const char *arch = f->arch ? f->arch : "llama", *type = f->type ? f->type : "lora";
    assert_ok(oa__gguf_writer_str(w, "general.architecture", arch, strlen(arch)));
    assert_ok(oa__gguf_writer_str(w, "general.type", "adapter", 7));
    assert_ok(oa__gguf_writer_str(w, "adapter.type", type, strlen(type)));
    if (!f->no_alpha) assert_ok(oa__gguf_writer_f32(w, "adapter.lora.alpha", 7));
    for (size_t i = 0; i < OA__ARRAY_LEN(pairs); i++) {
        char name[96];
        const uint64_t a[] = {pairs[i].n_in + f->n_in, RANK},
                       b[] = {RANK + f->rank_b, pairs[i].n_out};
        snprintf(name, sizeof name, "blk.%u.%s.weight.lora_a", f->layer, pairs[i].name);
        assert_ok(oa__gguf_writer_tensor(w, name, OA__F32, 2, a));
        name[strlen(name) - 1] = 'b';
        if (!f->no_b) assert_ok(oa__gguf_writer_tensor(w, name, OA__F32, 2, b));
    }
    if (f->extra) assert_ok(oa__gguf_writer_tensor(w, f->extra, OA__F32, 2, (uint64_t[]){8, RANK}));
    n.seed = seed;
    n.scale = scale;
    n.nan = f->nan;
    assert_ok(oa__gguf_writer_save(w, path, give, &n, NULL));
    oa__gguf_writer_free(w);
}

static oa_adapter *open_adapter(uint64_t seed, float scale)
{
    static const flaw none = {0};
    oa_adapter *a = NULL;
    write_adapter(path_of("a.gguf"), seed, scale, &none);
    assert_ok(oa_adapter_open(&a, model, path_of("a.gguf")));
    assert_int_equal(unlink(path_of("a.gguf")), 0);
    return a;
}

static oa_session *session_with(oa_adapter *const *adapters, const float *scales, size_t n,
                                uint32_t flags)
{
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    oa_session *s = NULL;
    o.n_ctx = 128;
    o.flags = flags;
    o.adapters = adapters;
    o.adapter_scales = scales;
    o.n_adapters = n;
    assert_ok(oa_session_new(&s, model, &o));
    return s;
}

static uint64_t hash_with(oa_adapter *const *adapters, const float *scales, size_t n)
{
    oa_session *s = session_with(adapters, scales, n, OA_SESSION_NO_SHARING);
    assert_ok(oa_session_append(s, ids, N_IDS));
    const uint64_t h = tiny_logits(s);
    oa_session_free(s);
    return h;
}

static void test_session_adapters__change_what_they_should(void **state)
{
    (void)state;
    oa_adapter *zero = open_adapter(1, 0), *a = open_adapter(2, 0.2f), *b = open_adapter(3, 0.2f);
    const uint64_t base = hash_with(NULL, NULL, 0);
    const float half = 0.5f, none = 0;
    oa_adapter *const both[] = {a, b}, *const other[] = {b, a};
    assert_true(hash_with(&zero, NULL, 1) == base);
    assert_true(hash_with(&a, &none, 1) == base);
    const uint64_t hashes[] = {base, hash_with(&a, NULL, 1), hash_with(&b, NULL, 1),
                               hash_with(&a, &half, 1), hash_with(both, NULL, 2)};
    for (size_t i = 0; i < OA__ARRAY_LEN(hashes); i++)
        for (size_t k = 0; k < i; k++)
            assert_true(hashes[i] != hashes[k]);
    assert_true(hash_with(&a, NULL, 1) == hashes[1]);
    assert_true(hash_with(other, NULL, 2) != base);
    oa_adapter_info ai = OA_ADAPTER_INFO_INIT;
    assert_ok(oa_adapter_get_info(a, &ai));
    assert_int_equal(ai.rank, RANK);
    assert_int_equal(ai.n_matrices, 3);
    assert_true(ai.n_params > 0 && ai.memory >= ai.n_params * 4);
    oa_adapter_free(zero);
    oa_adapter_free(a);
    oa_adapter_free(b);
}

/* The same bits on each tier, with any number of threads, whatever the caller's rounding. */
static void test_session_adapters__one_answer(void **state)
{
    (void)state;
    static const flaw none = {0};
    uint64_t want = 0;
    write_adapter(path_of("a.gguf"), 2, 0.2f, &none);
    for (uint32_t i = 0; i < 6; i++) {
        oa_model_opts mo = OA_MODEL_OPTS_INIT;
        oa_session_opts o = OA_SESSION_OPTS_INIT;
        oa_adapter *a = NULL;
        oa_session *s = NULL;
        mo.cpu = i % 2 ? OA_CPU_BEST : OA_CPU_C;
        mo.n_threads = 1 + i / 2;
        oa_model *m = tiny_open(&mo);
        if (i == 3) fesetround(FE_UPWARD);
        assert_ok(oa_adapter_open(&a, m, path_of("a.gguf")));
        fesetround(FE_TONEAREST);
        const float scale = 0.3f;
        o.n_ctx = 128;
        o.n_batch = 1 + 13 * i;
        o.adapters = &a;
        o.adapter_scales = &scale;
        o.n_adapters = 1;
        assert_ok(oa_session_new(&s, m, &o));
        assert_ok(oa_session_append(s, ids, N_IDS));
        if (i == 0) want = tiny_logits(s);
        assert_true(tiny_logits(s) == want);
        oa_session_free(s);
        oa_adapter_free(a);
        oa_model_free(m);
    }
    assert_int_equal(unlink(path_of("a.gguf")), 0);
}

/* Each allocation of opening and using one fails in turn. */
static void test_session_adapters__without_memory(void **state)
{
    (void)state;
    static const flaw none = {0};
    write_adapter(path_of("a.gguf"), 2, 0.2f, &none);
    struct fail_alloc fa;
    fail_alloc_init(&fa, 0);
    oa_model_opts mo = OA_MODEL_OPTS_INIT;
    mo.allocator = &fa.a;
    mo.n_threads = 1;
    oa_model *m = tiny_open(&mo);
    const uint64_t live = fail_alloc_live(&fa);
    size_t n_failed = 0;
    for (uint64_t nth = 1;; nth++) {
        oa_adapter *a = NULL;
        fa.fail_at = atomic_load(&fa.n_calls) + nth;
        const int rc = oa_adapter_open(&a, m, path_of("a.gguf"));
        const bool all = atomic_load(&fa.n_calls) < fa.fail_at;
        assert_true(rc == OA_OK || rc == OA_ENOMEM);
        assert_true((a != NULL) == (rc == OA_OK));
        n_failed += rc != OA_OK;
        oa_adapter_free(a);
        assert_int_equal(fail_alloc_live(&fa), live);
        if (all) break;
    }
    assert_true(n_failed > 10);
    fa.fail_at = 0;
    oa_model_free(m);
    assert_int_equal(fail_alloc_live(&fa), 0);
    assert_int_equal(unlink(path_of("a.gguf")), 0);
}

static void test_session_adapters__sessions_do_not_mix(void **state)
{
    (void)state;
    oa_adapter *a = open_adapter(2, 0.2f), *b = open_adapter(3, 0.2f);
    oa_adapter *const sets[][2] = {{NULL, NULL}, {a, NULL}, {b, NULL}, {a, b}};
    uint64_t want[4];
    oa_session *s[4];
    oa_step st[4];
    for (size_t i = 0; i < 4; i++) {
        const size_t n = (sets[i][0] != NULL) + (sets[i][1] != NULL);
        want[i] = hash_with(sets[i], NULL, n);
        s[i] = session_with(sets[i], NULL, n, 0); /* by way of the shared tree */
        assert_ok(oa_session_append(s[i], ids, N_IDS));
        assert_true(tiny_logits(s[i]) == want[i]);
        assert_ok(oa_session_truncate(s[i], 0));
        st[i] = (oa_step){s[i], NULL, ids, N_IDS - i * 7, 0, 0};
    }
    oa_adapter_free(a); /* the sessions own them, too */
    oa_adapter_free(b);
    assert_ok(oa_session_step_many(st, 4, sizeof *st));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(st[i].status, OA_OK);
        assert_ok(oa_session_set_ids(s[i], ids, N_IDS, NULL));
        assert_true(tiny_logits(s[i]) == want[i]);
        oa_session *twin = NULL;
        assert_ok(oa_session_fork(&twin, s[i]));
        assert_ok(oa_session_truncate(twin, N_IDS - 1));
        assert_ok(oa_session_append(twin, ids + N_IDS - 1, 1));
        assert_true(tiny_logits(twin) == want[i]);
        oa_session_free(twin);
    }
    for (size_t i = 0; i < 4; i++)
        oa_session_free(s[i]);
}

static void test_session_adapters__saved_sessions_know_theirs(void **state)
{
    (void)state;
    oa_adapter *a = open_adapter(2, 0.2f), *b = open_adapter(3, 0.2f);
    oa_session *s = session_with(&a, NULL, 1, 0), *r = NULL;
    char path[256];
    snprintf(path, sizeof path, "%s", path_of("saved"));
    assert_ok(oa_session_append(s, ids, N_IDS));
    assert_ok(oa_session_save(s, path));
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.n_ctx = 128;
    assert_err(oa_session_open_saved(&r, model, path, &o), OA_EUNSUPPORTED, "with adapters");
    o.adapters = &b;
    o.n_adapters = 1;
    assert_err(oa_session_open_saved(&r, model, path, &o), OA_EUNSUPPORTED, "other adapters");
    o.adapters = &a;
    assert_ok(oa_session_open_saved(&r, model, path, &o));
    assert_true(tiny_logits(r) == tiny_logits(s));
    assert_ok(oa_session_truncate(r, N_IDS - 1));
    assert_ok(oa_session_append(r, ids + N_IDS - 1, 1));
    assert_true(tiny_logits(r) == tiny_logits(s));
    oa_session_free(r);
    oa_session_free(s);
    s = session_with(NULL, NULL, 0, 0);
    assert_ok(oa_session_append(s, ids, 3));
    assert_ok(oa_session_save(s, path));
    assert_err(oa_session_open_saved(&r, model, path, &o), OA_EUNSUPPORTED, "without");
    oa_session_free(s);
    oa_adapter_free(a);
    oa_adapter_free(b);
    assert_int_equal(unlink(path), 0);
}

static void test_session_adapters__what_is_refused(void **state)
{
    (void)state;
    const struct {
        flaw f;
        int code;
        const char *text;
    } cases[] = {
        {{.type = "ia3"}, OA_EUNSUPPORTED, "ia3"},
        {{.arch = "falcon"}, OA_EUNSUPPORTED, "falcon"},
        {{.no_alpha = true}, OA_EFORMAT, "alpha"},
        {{.no_b = true}, OA_EFORMAT, "partner"},
        {{.rank_b = 1}, OA_EFORMAT, "no pair"},
        {{.n_in = 1}, OA_EFORMAT, "no pair"},
        {{.layer = 4096}, OA_EFORMAT, "layers"},
        {{.nan = true}, OA_EFORMAT, "finite"},
        {{.extra = "token_embd.weight.lora_a"}, OA_EUNSUPPORTED, "token_embd"},
        {{.extra = "blk.0.attn_norm.weight"}, OA_EUNSUPPORTED, "attn_norm"},
    };
    for (size_t i = 0; i < OA__ARRAY_LEN(cases); i++) {
        oa_adapter *a = (oa_adapter *)&model;
        write_adapter(path_of("a.gguf"), 1, 0.1f, &cases[i].f);
        assert_err(oa_adapter_open(&a, model, path_of("a.gguf")), cases[i].code, cases[i].text);
        assert_null(a);
    }
    assert_int_equal(unlink(path_of("a.gguf")), 0);
    oa_adapter *a = NULL;
    assert_err(oa_adapter_open(&a, model, path_of("a.gguf")), OA_ENOTFOUND, "a.gguf");
    assert_err(oa_adapter_open(&a, model, tiny_path()), OA_EFORMAT, "general.type");
    assert_err(oa_adapter_open(&a, model, folder), OA_ENOTFOUND, "adapter_config.json");

    oa_model *other = tiny_open(NULL);
    a = open_adapter(1, 0.1f);
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    oa_session *s = NULL;
    o.n_adapters = 1;
    assert_err(oa_session_new(&s, model, &o), OA_EINVAL, "NULL");
    o.adapters = &a;
    assert_err(oa_session_new(&s, other, &o), OA_EINVAL, "another model");
    o.n_adapters = 17;
    assert_err(oa_session_new(&s, model, &o), OA_EINVAL, "at most");
    const float bad = INFINITY;
    o.n_adapters = 1;
    o.adapter_scales = &bad;
    assert_err(oa_session_new(&s, model, &o), OA_EINVAL, "finite");
    oa_adapter_free(a);
    oa_model_free(other);
}

/* Damage anywhere is an error or an adapter, never worse. */
static void test_session_adapters__damaged_files(void **state)
{
    (void)state;
    static const flaw none = {0};
    static unsigned char data[1 << 17], copy[1 << 17];
    write_adapter(path_of("a.gguf"), 1, 0.1f, &none);
    FILE *f = fopen(path_of("a.gguf"), "rb");
    assert_non_null(f);
    const size_t size = fread(data, 1, sizeof data, f);
    assert_true(size > 1000 && size < sizeof data);
    assert_int_equal(fclose(f), 0);
    uint64_t seed = 5;
    size_t n_refused = 0;
    for (size_t i = 0; i < 600; i++) {
        memcpy(copy, data, size);
        const bool cut = i % 4 == 0;
        const uint64_t r = tiny_random(&seed);
        const size_t at = (size_t)((r >> 8) % (i % 2 ? 700 : size));
        if (!cut) copy[at] ^= (unsigned char)(1 + r % 255);
        f = fopen(path_of("b.gguf"), "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(copy, 1, cut ? at : size, f), cut ? at : size);
        assert_int_equal(fclose(f), 0);
        oa_adapter *a = NULL;
        const int rc = oa_adapter_open(&a, model, path_of("b.gguf"));
        n_refused += rc < 0;
        assert_true((rc == OA_OK) == (a != NULL));
        if (cut) assert_true(rc < 0);
        oa_adapter_free(a);
    }
    assert_true(n_refused > 200);
    assert_int_equal(unlink(path_of("a.gguf")), 0);
    assert_int_equal(unlink(path_of("b.gguf")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_adapters__change_what_they_should),
        cmocka_unit_test(test_session_adapters__one_answer),
        cmocka_unit_test(test_session_adapters__without_memory),
        cmocka_unit_test(test_session_adapters__sessions_do_not_mix),
        cmocka_unit_test(test_session_adapters__saved_sessions_know_theirs),
        cmocka_unit_test(test_session_adapters__what_is_refused),
        cmocka_unit_test(test_session_adapters__damaged_files),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
