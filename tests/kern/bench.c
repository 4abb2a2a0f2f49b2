/* SPDX-License-Identifier: Apache-2.0 */
/* Times of the kernels of every tier at the sizes of a small model, on one core: minimum, median,
 * ratio to C, what that is in multiply-adds or bytes, and the share of the tier's wall: int8 or
 * fp32 multiply-adds, or reading memory; of the small steps, reading as much from the nearest
 * cache. */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "kern/kerncheck.h"

#define ROWS 1024 /* of a matrix that stays in a cache, for several tokens */
#define COLS 2048
#define WIDE 1536 /* of the small steps */
#define HEAD 64
#define MEMORY ((size_t)64 << 20) /* a matrix that does not stay in one, for one token */
#define CACHED ((size_t)16 << 10)

typedef struct job {
    const oa__kern *k;
    oa__mm_args mm;
    acts_bufs acts;
    float *x, *y, *z;
    uint16_t *page;
    uint8_t *memory;
    uint32_t n_valid[64];
    size_t n;
} job;

/* What a call does; the walls are told of what takes longest. */
typedef struct work {
    double int8, fp32;     /* multiply-adds */
    double memory, cached; /* bytes read from memory; read or written in a cache */
} work;

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds per call: min and median of up to n_most samples of at least 200 us, of fewer when
 * they take long. */
static double measure(void (*fn)(job *), job *j, size_t n_most, double *median)
{
    double s[21];
    size_t reps = 1, n = 0;
    for (;;) { /* warm up, and find how many calls fill a sample */
        const uint64_t t0 = oa__clock_ns();
        for (size_t i = 0; i < reps; i++)
            fn(j);
        if (oa__clock_ns() - t0 > 200000) break;
        reps *= 2;
    }
    for (const uint64_t begun = oa__clock_ns(); n < n_most; n++) {
        const uint64_t t0 = oa__clock_ns();
        if (n >= 3 && t0 - begun > 100000000) break;
        for (size_t i = 0; i < reps; i++)
            fn(j);
        s[n] = (double)(oa__clock_ns() - t0) / (double)reps;
    }
    qsort(s, n, sizeof s[0], by_value);
    *median = s[n / 2];
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
    j->k->rmsnorm(j->y, j->x, j->z, WIDE, 1e-5f);
}

static void run_layernorm(job *j)
{
    j->k->layernorm(j->y, j->x, j->z, j->z, WIDE, 1e-5f);
}

static void run_act(job *j)
{
    j->k->act[j->n](j->y, j->x, j->z, WIDE);
}

static void run_softcap(job *j)
{
    j->k->softcap(j->y, 30, WIDE);
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

static void run_attn_end(job *j)
{
    j->k->attn_end(j->y, j->z, j->n, HEAD);
}

static void run_scale(job *j)
{
    j->k->scale(j->y, 1, WIDE);
}

static void run_add(job *j)
{
    j->k->add(j->y, j->x, WIDE);
}

static void run_kv_store(job *j)
{
    j->k->kv_store(j->page, j->page + 32 * HEAD, j->x, j->y, HEAD, 7, false);
}

static volatile uint64_t sink;

static void run_int8(job *j)
{
    sink = j->k->peak_int8(j->n);
}

static void run_fp32(job *j)
{
    sink = j->k->peak_fp32(j->n);
}

static void run_memory(job *j)
{
    sink = j->k->peak_read(j->memory, MEMORY);
}

static void run_cached(job *j)
{
    sink = j->k->peak_read(j->memory, CACHED);
}

/* Nanoseconds that a wall leaves for some work; measured next to what is held against it, since
 * machines change their speed. */
static double wall(void (*fn)(job *), job *j, size_t n, double all, double amount)
{
    double median;
    const size_t was = j->n;
    if (amount == 0) return 0;
    j->n = n;
    const double ns = measure(fn, j, 7, &median);
    j->n = was;
    return ns * amount / all;
}

static double wall_of(job *j, const work *w, const char **name)
{
    static const char *const names[] = {"int8", "fp32", "memory", "cache"};
    const double ns[] = {wall(run_int8, j, 1000000, 1e6, w->int8),
                         wall(run_fp32, j, 1000000, 1e6, w->fp32),
                         wall(run_memory, j, 0, (double)MEMORY, w->memory),
                         wall(run_cached, j, 0, (double)CACHED, w->cached)};
    size_t most = 0;
    for (size_t i = 1; i < 4; i++)
        if (ns[i] > ns[most]) most = i;
    *name = names[most];
    return ns[most];
}

static void report(const oa__kern *const *tiers, size_t n_tiers, const char *name,
                   const char *pattern, void (*fn)(job *), job *j, work w)
{
    double c = 0;
    if (!strstr(name, pattern)) return;
    for (size_t t = 0; t < n_tiers; t++) {
        const double macs = w.int8 + w.fp32, amount = w.memory > 0 ? w.memory
                                                      : macs > 0   ? macs
                                                                   : w.cached;
        const char *by;
        double median;
        j->k = tiers[t];
        const double min = measure(fn, j, 21, &median), least = wall_of(j, &w, &by);
        if (t == 0) c = min;
        printf("%-22s %-11s %11.0f ns min %11.0f median %7.1f x C %9.2f %-6s %6.1f%% of %s\n", name,
               tiers[t]->name, min, median, c / min, amount / min,
               w.memory > 0 || macs == 0 ? "GB/s" : "GMAC/s", 100 * least / min, by);
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
    const size_t group = oa__kern_group_size(type, COLS);
    const size_t n_groups = n_tokens == 1 ? MEMORY / group : ROWS / 16;
    uint8_t *rows = oa__alloc(NULL, 16 * row_size);
    void *scratch = oa__alloc(NULL, OA__MM_SCRATCH);
    float *y = oa__alloc(NULL, n_groups * 16 * n_tokens * sizeof *y);
    test_random r = {type};
    char name[32];
    snprintf(name, sizeof name, "matmul %s x%zu", names[type], n_tokens);
    for (size_t i = 0; i < 16; i++)
        test_fill_row(type, rows + i * row_size, COLS, &r);
    /* The same group over and over. */
    for (size_t g = 0; strstr(name, pattern) && g < n_groups; g++) {
        uint8_t *w = j->memory + g * group;
        if (g > 0)
            memcpy(w, j->memory, group);
        else
            oa__kern_pack(type, w, rows, row_size, 16, COLS, 0);
    }
    j->mm = (oa__mm_args){.w = j->memory,
                          .type = type,
                          .n_rows = n_groups * 16,
                          .k = COLS,
                          .acts = s->sub ? &j->acts.a : NULL,
                          .x = j->x,
                          .x_stride = COLS,
                          .n_tokens = n_tokens,
                          .y = y,
                          .y_stride = n_groups * 16,
                          .scratch = scratch};
    const double macs = (double)(n_groups * 16 * COLS * n_tokens);
    report(tiers, n_tiers, name, pattern, run_matmul, j,
           (work){.int8 = s->sub ? macs : 0,
                  .fp32 = s->sub ? 0 : macs,
                  .memory = n_tokens == 1 ? (double)(n_groups * group) : 0});
    oa__free(NULL, rows);
    oa__free(NULL, y);
    oa__free(NULL, scratch);
}

/* What a step over vectors touches. */
static work vectors(size_t n_vectors)
{
    return (work){.cached = (double)(n_vectors * WIDE * sizeof(float))};
}

static void bench_steps(const oa__kern *const *tiers, size_t n_tiers, const char *pattern, job *j)
{
    j->n = 4;
    report(tiers, n_tiers, "quantize", pattern, run_quantize, j, (work){.cached = 5 * 4 * COLS});
    report(tiers, n_tiers, "rmsnorm", pattern, run_rmsnorm, j, vectors(3));
    report(tiers, n_tiers, "layernorm", pattern, run_layernorm, j, vectors(4));
    for (j->n = 0; j->n < OA__N_ACTS; j->n++) {
        static const char *const names[] = {"act silu", "act gelu", "act gelu_tanh", "act relu"};
        report(tiers, n_tiers, names[j->n], pattern, run_act, j, vectors(3));
    }
    report(tiers, n_tiers, "scale", pattern, run_scale, j, vectors(2));
    report(tiers, n_tiers, "softcap", pattern, run_softcap, j, vectors(2));
    report(tiers, n_tiers, "add", pattern, run_add, j, vectors(3));
    report(tiers, n_tiers, "kv_store", pattern, run_kv_store, j,
           (work){.cached = 2 * HEAD * (4 + 2)});
}

static void bench_attn(const oa__kern *const *tiers, size_t n_tiers, const char *pattern, job *j)
{
    for (size_t n = 3; n <= 48; n += 45) {
        char name[32];
        j->n = n;
        for (size_t i = 0; i < n; i++) {
            j->z[2 * i] = 0;
            j->z[2 * i + 1] = 1;
        }
        snprintf(name, sizeof name, "attn_page x%zu", n);
        report(tiers, n_tiers, name, pattern, run_attn, j,
               (work){.fp32 = (double)(n * 2 * 32 * HEAD)});
        snprintf(name, sizeof name, "attn_end x%zu", n);
        for (size_t i = 0; i < n; i++)
            j->z[2 * i + 1] = 1; /* divides without growing */
        report(tiers, n_tiers, name, pattern, run_attn_end, j,
               (work){.cached = (double)(n * 2 * HEAD * sizeof(float))});
    }
    for (size_t i = 0; i < HEAD; i++)
        j->z[i] = 0.7f; /* turns without growing */
    report(tiers, n_tiers, "rope", pattern, run_rope, j,
           (work){.cached = 9 * 2 * HEAD * sizeof(float)});
}

void bench_all(const oa__kern *const *tiers, size_t n_tiers, const char *pattern)
{
    enum { TOKENS = 64 };
    static const size_t n_tokens[] = {1, 8, 16, TOKENS};
    static job j;
    test_random r = {1};
    j.memory = oa__alloc(NULL, MEMORY);
    oa__mem_huge(j.memory, MEMORY); /* as a model's weights lie */
    j.x = oa__alloc(NULL, TOKENS * COLS * 4);
    j.y = oa__alloc(NULL, TOKENS * COLS * 4);
    j.z = oa__alloc(NULL, TOKENS * COLS * 4);
    j.page = oa__alloc(NULL, 2 * 32 * HEAD * 2);
    for (size_t i = 0; i < MEMORY; i += 4096)
        j.memory[i] = (uint8_t)i; /* no two pages are one */
    for (size_t i = 0; i < TOKENS * COLS; i++) {
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
    report(tiers, n_tiers, "peak_int8", pattern, run_int8, &j, (work){.int8 = 1e7});
    report(tiers, n_tiers, "peak_fp32", pattern, run_fp32, &j, (work){.fp32 = 1e7});
    report(tiers, n_tiers, "peak_read", pattern, run_memory, &j, (work){.memory = (double)MEMORY});
    for (size_t i = 0; i < TEST_N_TYPES; i++)
        for (size_t k = 0; k < OA__ARRAY_LEN(n_tokens); k++)
            bench_matmul(tiers, n_tiers, pattern, test_types[i], n_tokens[k], &j);
    bench_steps(tiers, n_tiers, pattern, &j);
    bench_attn(tiers, n_tiers, pattern, &j);
    oa__free(NULL, j.memory);
    oa__free(NULL, j.x);
    oa__free(NULL, j.y);
    oa__free(NULL, j.z);
    oa__free(NULL, j.page);
    acts_free(&j.acts);
}
