/* SPDX-License-Identifier: Apache-2.0 */
/* Times of the kernels at the sizes of a small model: minimum, median, ratio to C, and what that
 * is in multiply-adds or bytes. One core. */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "kern/kerncheck.h"

#define ROWS 1536
#define COLS 512
#define HEAD 64

typedef struct job {
    const oa__kern *k;
    oa__mm_args mm;
    acts_bufs acts;
    float *x, *y, *z;
    uint16_t *page;
    uint32_t n_valid[64];
    size_t n;
} job;

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds per call: min and median of 21 samples of at least 200 us. */
static double measure(void (*fn)(job *), job *j, double *median)
{
    double s[21];
    size_t reps = 1;
    for (;;) { /* warm up, and find how many calls fill a sample */
        const uint64_t t0 = oa__clock_ns();
        for (size_t i = 0; i < reps; i++)
            fn(j);
        if (oa__clock_ns() - t0 > 200000) break;
        reps *= 2;
    }
    for (size_t n = 0; n < 21; n++) {
        const uint64_t t0 = oa__clock_ns();
        for (size_t i = 0; i < reps; i++)
            fn(j);
        s[n] = (double)(oa__clock_ns() - t0) / (double)reps;
    }
    qsort(s, 21, sizeof s[0], by_value);
    *median = s[10];
    return s[0];
}

static void run_matmul(job *j)
{
    j->k->matmul[j->mm.type](j->k, &j->mm, 0, (j->mm.n_rows + 15) / 16);
}

static void run_quantize(job *j)
{
    j->k->quantize(&j->acts.a, j->x, COLS, j->n);
}

static void run_rmsnorm(job *j)
{
    j->k->rmsnorm(j->y, j->x, j->z, ROWS, 1e-5f);
}

static void run_layernorm(job *j)
{
    j->k->layernorm(j->y, j->x, j->z, j->z, ROWS, 1e-5f);
}

static void run_act(job *j)
{
    j->k->act[j->n](j->y, j->x, j->z, ROWS);
}

static void run_softcap(job *j)
{
    j->k->softcap(j->y, 30, ROWS);
}

static void run_rope(job *j)
{
    j->k->rope(j->x, j->z, 9, HEAD, HEAD, true);
}

static void run_attn(job *j)
{
    j->k->attn_page(&(oa__attn_args){.o = j->y,
                                     .ml = j->z,
                                     .q = j->x,
                                     .n_q = j->n,
                                     .d = HEAD,
                                     .k_page = j->page,
                                     .v_page = j->page + 32 * HEAD,
                                     .n_valid = j->n_valid});
}

static void run_int8(job *j)
{
    j->k->peak_int8(j->n);
}

static void report(const oa__kern *const *tiers, size_t n_tiers, const char *name,
                   const char *pattern, void (*fn)(job *), job *j, double work, const char *unit)
{
    double c = 0;
    if (!strstr(name, pattern)) return;
    for (size_t t = 0; t < n_tiers; t++) {
        double median;
        j->k = tiers[t];
        const double min = measure(fn, j, &median);
        if (t == 0) c = min;
        printf("%-22s %-11s %10.0f ns min %10.0f median %7.1f x C %9.2f %s\n", name, tiers[t]->name,
               min, median, c / min, work / min, unit);
        fflush(stdout);
    }
}

static void bench_matmul(const oa__kern *const *tiers, size_t n_tiers, const char *pattern,
                         uint32_t type, size_t n_tokens, job *j)
{
    static const char *const names[32] = {
        [OA__F32] = "f32",   [OA__F16] = "f16",       [OA__BF16] = "bf16",    [OA__Q4_0] = "q4_0",
        [OA__Q4_1] = "q4_1", [OA__Q5_0] = "q5_0",     [OA__Q5_1] = "q5_1",    [OA__Q8_0] = "q8_0",
        [OA__Q2_K] = "q2_k", [OA__Q3_K] = "q3_k",     [OA__Q4_K] = "q4_k",    [OA__Q5_K] = "q5_k",
        [OA__Q6_K] = "q6_k", [OA__IQ4_NL] = "iq4_nl", [OA__IQ4_XS] = "iq4_xs"};
    const oa__type_shape *s = oa__kern_shape(type);
    const size_t row_size = COLS / s->block * s->size;
    const size_t group = s->packed ? oa__kern_group_size(type, COLS) : 16 * row_size;
    uint8_t *rows = oa__alloc(NULL, ROWS * row_size), *w = oa__alloc(NULL, ROWS / 16 * group);
    void *scratch = oa__alloc(NULL, OA__MM_SCRATCH);
    test_random r = {type};
    char name[32];
    for (size_t i = 0; i < ROWS; i++)
        test_fill_row(type, rows + i * row_size, COLS, &r);
    for (size_t g = 0; s->packed && g < ROWS / 16; g++)
        oa__kern_pack(type, w + g * group, rows, row_size, ROWS, COLS, g);
    j->mm = (oa__mm_args){.w = s->packed ? w : rows,
                          .type = type,
                          .n_rows = ROWS,
                          .k = COLS,
                          .row_size = row_size,
                          .acts = s->sub ? &j->acts.a : NULL,
                          .x = j->x,
                          .x_stride = COLS,
                          .n_tokens = n_tokens,
                          .y = j->y,
                          .y_stride = ROWS,
                          .scratch = scratch};
    snprintf(name, sizeof name, "matmul %s x%zu", names[type], n_tokens);
    report(tiers, n_tiers, name, pattern, run_matmul, j,
           n_tokens == 1 ? (double)(ROWS / 16 * group) : (double)(ROWS * COLS * n_tokens),
           n_tokens == 1 ? "GB/s" : "GMAC/s");
    oa__free(NULL, rows);
    oa__free(NULL, w);
    oa__free(NULL, scratch);
}

void bench_all(const oa__kern *const *tiers, size_t n_tiers, const char *pattern)
{
    enum { TOKENS = 64 };
    static job j;
    test_random r = {1};
    j.x = oa__alloc(NULL, TOKENS * ROWS * 4);
    j.y = oa__alloc(NULL, TOKENS * ROWS * 4);
    j.z = oa__alloc(NULL, TOKENS * ROWS * 4);
    j.page = oa__alloc(NULL, 2 * 32 * HEAD * 2);
    for (size_t i = 0; i < TOKENS * ROWS; i++) {
        j.x[i] = test_float(&r);
        j.z[i] = test_float(&r);
    }
    for (size_t i = 0; i < 2 * 32 * HEAD; i++)
        j.page[i] = oa__f32_to_f16(test_float(&r));
    for (size_t i = 0; i < 64; i++)
        j.n_valid[i] = 32;
    acts_new(&j.acts, COLS, TOKENS);
    tiers[0]->quantize(&j.acts.a, j.x, COLS, TOKENS);

    j.n = 10000000;
    report(tiers, n_tiers, "peak_int8", pattern, run_int8, &j, 1e7, "GMAC/s");
    for (size_t i = 0; i < TEST_N_TYPES; i++) {
        bench_matmul(tiers, n_tiers, pattern, test_types[i], 1, &j);
        bench_matmul(tiers, n_tiers, pattern, test_types[i], TOKENS, &j);
    }
    j.n = TOKENS;
    report(tiers, n_tiers, "quantize", pattern, run_quantize, &j, TOKENS * COLS, "Gelem/s");
    report(tiers, n_tiers, "rmsnorm", pattern, run_rmsnorm, &j, ROWS, "Gelem/s");
    report(tiers, n_tiers, "layernorm", pattern, run_layernorm, &j, ROWS, "Gelem/s");
    for (j.n = 0; j.n < OA__N_ACTS; j.n++) {
        static const char *const names[] = {"act silu", "act gelu", "act gelu_tanh", "act relu"};
        report(tiers, n_tiers, names[j.n], pattern, run_act, &j, ROWS, "Gelem/s");
    }
    report(tiers, n_tiers, "softcap", pattern, run_softcap, &j, ROWS, "Gelem/s");
    for (size_t n = 3; n <= 48; n += 45) {
        char name[32];
        j.n = n;
        snprintf(name, sizeof name, "attn_page x%zu", n);
        for (size_t i = 0; i < n; i++) {
            j.z[2 * i] = 0;
            j.z[2 * i + 1] = 1;
        }
        report(tiers, n_tiers, name, pattern, run_attn, &j, (double)(n * 2 * 32 * HEAD), "GMAC/s");
    }
    for (size_t i = 0; i < HEAD; i++)
        j.z[i] = 0.7f; /* turns without growing */
    report(tiers, n_tiers, "rope", pattern, run_rope, &j, 9 * HEAD, "Gelem/s");
    oa__free(NULL, j.x);
    oa__free(NULL, j.y);
    oa__free(NULL, j.z);
    oa__free(NULL, j.page);
    acts_free(&j.acts);
}
