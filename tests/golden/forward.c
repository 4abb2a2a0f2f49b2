/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One answer: the logits of small models hash to the numbers below on every tier that this machine
 * has, with 1 to 3 threads, in passes of any length, alone or among strangers. The first holds
 * every weight type, the others (make_arch.py) what other architectures have. When a kernel's
 * definition is changed on purpose, run with -v and write the new numbers here.
 *
 *     test_golden_forward MODEL.gguf [-v]
 */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openassistant/convert.h>

enum { N_IDS = 100, N_PAGES = (N_IDS + OA__KV_PAGE - 1) / OA__KV_PAGE, N_SEQS = 3 };

static const struct golden {
    const char *name;
    uint64_t hash[3]; /* by key/value type */
} goldens[] = {
    {"tiny",
     {[OA_KV_F16] = 0xad6508e3573b5530,
      [OA_KV_F32] = 0x7619429edfc6acf5,
      [OA_KV_Q8] = 0x261cb4ac7552125f}},
    {"gptneox",
     {[OA_KV_F16] = 0xe6ca8c0c22aca458,
      [OA_KV_F32] = 0x817395da9c32890d,
      [OA_KV_Q8] = 0x15c0debab36b1077}},
    {"gemma3",
     {[OA_KV_F16] = 0x1f1d51490211114c,
      [OA_KV_F32] = 0xb262c597a58fdc28,
      [OA_KV_Q8] = 0xcee110f1d69f42b1}},
    {"gpt2",
     {[OA_KV_F16] = 0x922706693db64661,
      [OA_KV_F32] = 0xe11c322f08b57135,
      [OA_KV_Q8] = 0xec07b88ddf3251a7}},
    {"mixtral",
     {[OA_KV_F16] = 0x3fa1d63174b14205,
      [OA_KV_F32] = 0xbad1a124be0fd595,
      [OA_KV_Q8] = 0xfc4803e01a3f7c5c}},
    {"qwen2moe",
     {[OA_KV_F16] = 0x04a40d7258abf025,
      [OA_KV_F32] = 0xc310b6b51f8f6bec,
      [OA_KV_Q8] = 0x6a4415379ecf8b6c}},
    {"qwen3moe",
     {[OA_KV_F16] = 0xad24e6907f5c1d35,
      [OA_KV_F32] = 0xbeaa156354c5419f,
      [OA_KV_Q8] = 0x02ee769bbc453732}},
    {"phi3",
     {[OA_KV_F16] = 0xfa158cc742ef5036,
      [OA_KV_F32] = 0x60229935ba7dcc38,
      [OA_KV_Q8] = 0x62d4fed9ca3473df}},
};

static const char *path;
static const uint64_t *frozen; /* of the model at `path` */
static bool verbose;
static int32_t ids[N_SEQS][N_IDS];

typedef struct sequence {
    void *pages[N_PAGES];
    float *logits; /* (N_IDS, n_vocab) */
} sequence;

static oa_model *open_model(uint32_t cpu, uint32_t n_threads)
{
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    opts.cpu = cpu;
    opts.n_threads = n_threads;
    oa_model *m;
    const int rc = oa_model_open(&m, path, &opts);
    if (rc == OA_EUNSUPPORTED && cpu != OA_CPU_C) return NULL;
    if (rc != OA_OK) print_error("%s\n", oa_error_last());
    assert_int_equal(rc, OA_OK);
    return m;
}

static void make_ids(const oa_model *m)
{
    oa__random r;
    oa__random_seed(&r, 1);
    for (int s = 0; s < N_SEQS; s++) {
        for (int i = 0; i < N_IDS; i++) {
            ids[s][i] = (int32_t)oa__random_below(&r, oa__model_n_vocab(m));
        }
    }
}

static void sequence_new(sequence *s, const oa_model *m, uint32_t kv_type)
{
    for (int i = 0; i < N_PAGES; i++) {
        s->pages[i] = oa__alloc(NULL, oa__model_page_size(m, kv_type));
        assert_non_null(s->pages[i]);
        /* What a page held before must not show. */
        memset(s->pages[i], 0xff, oa__model_page_size(m, kv_type));
    }
    s->logits = oa__alloc_array(NULL, N_IDS, oa__model_n_vocab(m) * sizeof(float));
    assert_non_null(s->logits);
}

static void sequence_free(sequence *s)
{
    for (int i = 0; i < N_PAGES; i++)
        oa__free(NULL, s->pages[i]);
    oa__free(NULL, s->logits);
}

static uint64_t hash(const sequence *s, const oa_model *m)
{
    return oa__fnv1a(OA__FNV_BASIS, s->logits,
                     N_IDS * (size_t)oa__model_n_vocab(m) * sizeof(float));
}

/* All tokens of one sequence in passes of n_rows. */
static uint64_t run_alone(const oa_model *m, uint32_t kv_type, size_t n_rows)
{
    sequence s;
    oa__work *work;
    oa__row rows[N_IDS];
    const size_t n_vocab = oa__model_n_vocab(m);
    sequence_new(&s, m, kv_type);
    assert_int_equal(oa__work_new(&work, m, n_rows, n_rows), OA_OK);
    for (size_t at = 0; at < N_IDS; at += n_rows) {
        const size_t n = N_IDS - at < n_rows ? N_IDS - at : n_rows;
        for (size_t i = 0; i < n; i++) {
            rows[i] = (oa__row){.id = ids[0][at + i],
                                .pos = (uint32_t)(at + i),
                                .pages = s.pages,
                                .logits = s.logits + (at + i) * n_vocab};
        }
        assert_int_equal(oa__model_forward(m, work, kv_type, rows, n, NULL, NULL), OA_OK);
    }
    const uint64_t h = hash(&s, m);
    oa__work_free(work);
    sequence_free(&s);
    return h;
}

static void check_tier(uint32_t cpu)
{
    static const size_t chunks[] = {1, 3, 16, 33, N_IDS};
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
        oa_model *m = open_model(cpu, n_threads);
        if (m == NULL) {
            print_message("# this machine lacks tier %u\n", cpu);
            skip();
        }
        make_ids(m);
        for (uint32_t kv_type = OA_KV_F16; kv_type <= OA_KV_Q8; kv_type++) {
            for (size_t i = 0; i < OA__ARRAY_LEN(chunks); i++) {
                const uint64_t h = run_alone(m, kv_type, chunks[i]);
                if (verbose || h != frozen[kv_type]) {
                    print_message("# tier %u, %u threads, chunks of %zu, kv %u: 0x%016llx\n", cpu,
                                  n_threads, chunks[i], kv_type, (unsigned long long)h);
                }
                if (!verbose) assert_true(h == frozen[kv_type]);
            }
        }
        oa_model_free(m);
    }
}

static void test_golden_forward__c(void **state)
{
    check_tier(OA_CPU_C);
}

static void test_golden_forward__avx2(void **state)
{
    check_tier(OA_CPU_AVX2);
}

static void test_golden_forward__avx512vnni(void **state)
{
    check_tier(OA_CPU_AVX512VNNI);
}

static void test_golden_forward__neon(void **state)
{
    check_tier(OA_CPU_NEON);
}

static void test_golden_forward__dotprod(void **state)
{
    check_tier(OA_CPU_DOTPROD);
}

/* A packed file gives the same, mapped or read, and becomes the same file again. */
static void test_golden_forward__packed(void **state)
{
    char folder[] = "/tmp/oa-packed-XXXXXX", packed[64], back[64];
    const char *original = path;
    oa_convert_opts opts = OA_CONVERT_OPTS_INIT;
    assert_non_null(mkdtemp(folder));
    snprintf(packed, sizeof packed, "%s/packed.gguf", folder);
    snprintf(back, sizeof back, "%s/back.gguf", folder);
    opts.flags = OA_CONVERT_PACK;
    opts.n_threads = 2;
    assert_int_equal(oa_convert(original, packed, &opts), OA_OK);
    opts.flags = 0;
    assert_int_equal(oa_convert(packed, back, &opts), OA_OK);
    for (int which = 0; which < 4; which++) {
        path = which == 3 ? back : packed;
        oa_model_opts mo = OA_MODEL_OPTS_INIT;
        mo.cpu = which == 1 ? OA_CPU_C : OA_CPU_BEST;
        mo.flags = which == 2 ? OA_MODEL_NO_MMAP : 0;
        mo.n_threads = 2;
        oa_model *m;
        assert_int_equal(oa_model_open(&m, path, &mo), OA_OK);
        oa_model_info info = OA_MODEL_INFO_INIT;
        assert_int_equal(oa_model_get_info(m, &info), OA_OK);
        assert_true((strstr(info.types, "packed") != NULL) == (which != 3));
        make_ids(m);
        for (uint32_t kv_type = OA_KV_F16; kv_type <= OA_KV_F32 && !verbose; kv_type++)
            assert_true(run_alone(m, kv_type, 33) == frozen[kv_type]);
        oa_model_free(m);
    }
    path = original;
    unlink(packed);
    unlink(back);
    rmdir(folder);
}

/* Three sequences advance in one pass by different steps; the first must not notice. */
static void test_golden_forward__among_strangers(void **state)
{
    oa_model *m = open_model(OA_CPU_BEST, 2);
    const size_t n_vocab = oa__model_n_vocab(m);
    sequence s[N_SEQS];
    size_t at[N_SEQS] = {0};
    oa__work *work;
    oa__row rows[N_SEQS * 16];
    make_ids(m);
    for (int i = 0; i < N_SEQS; i++)
        sequence_new(&s[i], m, OA_KV_F16);
    assert_int_equal(oa__work_new(&work, m, N_SEQS * 16, N_SEQS * 16), OA_OK);
    for (int pass = 0; at[0] < N_IDS; pass++) {
        size_t n = 0;
        for (int i = 0; i < N_SEQS; i++) {
            const int q = (i + pass) % N_SEQS; /* another order each time */
            const size_t step = 1 + (size_t)(pass * 7 + q * 5) % 16;
            for (size_t k = 0; k < step && at[q] < N_IDS; k++, at[q]++) {
                rows[n++] = (oa__row){.id = ids[q][at[q]],
                                      .pos = (uint32_t)at[q],
                                      .pages = s[q].pages,
                                      .logits = s[q].logits + at[q] * n_vocab};
            }
        }
        assert_int_equal(oa__model_forward(m, work, OA_KV_F16, rows, n, NULL, NULL), OA_OK);
    }
    if (!verbose) assert_true(hash(&s[0], m) == frozen[OA_KV_F16]);
    oa__work_free(work);
    for (int i = 0; i < N_SEQS; i++)
        sequence_free(&s[i]);
    oa_model_free(m);
}

/* Logits that nobody asks for change nothing in those that somebody does. */
static void test_golden_forward__few_logits(void **state)
{
    oa_model *m = open_model(OA_CPU_BEST, 2);
    const size_t n_vocab = oa__model_n_vocab(m);
    sequence all, few;
    oa__work *work;
    oa__row rows[N_IDS];
    make_ids(m);
    sequence_new(&all, m, OA_KV_F16);
    sequence_new(&few, m, OA_KV_F16);
    assert_int_equal(oa__work_new(&work, m, N_IDS, N_IDS), OA_OK);
    for (size_t i = 0; i < N_IDS; i++) {
        rows[i] = (oa__row){.id = ids[0][i],
                            .pos = (uint32_t)i,
                            .pages = all.pages,
                            .logits = all.logits + i * n_vocab};
    }
    assert_int_equal(oa__model_forward(m, work, OA_KV_F16, rows, N_IDS, NULL, NULL), OA_OK);
    static const size_t wanted[] = {0, 2, 3, 31, 32, 64, 98, 99};
    for (size_t i = 0; i < N_IDS; i++) {
        rows[i].pages = few.pages;
        rows[i].logits = NULL;
    }
    for (size_t i = 0; i < OA__ARRAY_LEN(wanted); i++) {
        rows[wanted[i]].logits = few.logits + wanted[i] * n_vocab;
    }
    assert_int_equal(oa__model_forward(m, work, OA_KV_F16, rows, N_IDS, NULL, NULL), OA_OK);
    for (size_t i = 0; i < OA__ARRAY_LEN(wanted); i++) {
        assert_memory_equal(few.logits + wanted[i] * n_vocab, all.logits + wanted[i] * n_vocab,
                            n_vocab * sizeof(float));
    }
    /* No logits at all: the pages are the same. */
    for (size_t i = 0; i < N_IDS; i++)
        rows[i].logits = NULL;
    assert_int_equal(oa__model_forward(m, work, OA_KV_F16, rows, N_IDS, NULL, NULL), OA_OK);
    for (int i = 0; i < N_PAGES; i++) {
        assert_memory_equal(few.pages[i], all.pages[i], oa__model_page_size(m, OA_KV_F16));
    }
    oa__work_free(work);
    sequence_free(&all);
    sequence_free(&few);
    oa_model_free(m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_forward__c),
        cmocka_unit_test(test_golden_forward__avx2),
        cmocka_unit_test(test_golden_forward__avx512vnni),
        cmocka_unit_test(test_golden_forward__neon),
        cmocka_unit_test(test_golden_forward__dotprod),
        cmocka_unit_test(test_golden_forward__packed),
        cmocka_unit_test(test_golden_forward__among_strangers),
        cmocka_unit_test(test_golden_forward__few_logits),
    };
    path = argc > 1 ? argv[1] : "";
    verbose = argc > 2 && strcmp(argv[2], "-v") == 0;
    for (size_t i = 0; i < OA__ARRAY_LEN(goldens); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.gguf", goldens[i].name);
        const size_t len = strlen(path), n = strlen(name);
        if (len >= n && strcmp(path + len - n, name) == 0) frozen = goldens[i].hash;
    }
    if (frozen == NULL) {
        fprintf(stderr, "usage: test_golden_forward MODEL.gguf [-v]\n");
        return 2;
    }
    return cmocka_run_group_tests_name("golden_forward", tests, NULL, NULL);
}
