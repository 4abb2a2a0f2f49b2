/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kerncheck [check|--bench] [--seed N] [--exhaustive] [--tiers] [PATTERN]
 *
 * --tiers leaves out the checks of the checks. PATTERN selects ops whose name contains it. Exit 0
 * when all checks pass. Output is TAP.
 */
#include "kern/kerncheck.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/base.h"

#define PAGE 4096u
#define FILL 0xa5

/* --- buffers ------------------------------------------------------------------------------- */

/* Those that are not freed: a crash leaves some. */
static buf live[64];

buf buf_new(size_t size, size_t align)
{
    buf b = {.size = size};
    b.map_size = (size + align + 256 + PAGE - 1) / PAGE * PAGE;
    b.map =
        mmap(NULL, b.map_size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b.map == MAP_FAILED || mprotect(b.map + b.map_size, PAGE, PROT_NONE)) {
        fputs("Bail out! no memory\n", stdout);
        exit(1);
    }
    b.p = b.map + (b.map_size - size) / align * align;
    b.saved = malloc(b.map_size);
    buf_fill(&b);
    for (size_t i = 0; i < 64; i++)
        if (!live[i].map) {
            live[i] = b;
            break;
        }
    return b;
}

void buf_free(buf *b)
{
    for (size_t i = 0; i < 64; i++)
        if (live[i].map == b->map) live[i].map = NULL;
    munmap(b->map, b->map_size + PAGE);
    free(b->saved);
}

void buf_fill(buf *b)
{
    memset(b->map, FILL, b->map_size);
}

void buf_save(buf *b)
{
    memcpy(b->saved, b->map, b->map_size);
}

bool buf_same(const buf *b)
{
    return memcmp(b->saved, b->map, b->map_size) == 0;
}

void acts_new(acts_bufs *b, size_t k, size_t n_tokens)
{
    const size_t nb = n_tokens * (k / 32);
    b->q = buf_new(nb * 32, 32);
    b->d = buf_new(nb * 4, 4);
    b->ds = buf_new(nb * 4, 4);
    b->isum = buf_new(nb * 4, 4);
    b->isum16 = buf_new(nb * 8, 4);
    b->a = (oa__acts){k, b->q.p, b->d.p, b->ds.p, b->isum.p, b->isum16.p};
}

void acts_free(acts_bufs *b)
{
    buf_free(&b->q);
    buf_free(&b->d);
    buf_free(&b->ds);
    buf_free(&b->isum);
    buf_free(&b->isum16);
}

/* --- comparing ------------------------------------------------------------------------------ */

void fail(check *c, const char *fmt, ...)
{
    va_list ap;
    if (c->failed++ || c->quiet) return; /* the first says enough */
    printf("# %s %s: ", c->k->name, c->what);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

bool same_floats(check *c, const char *name, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&got[i], &want[i], 4) == 0) continue;
        if (got[i] != got[i] && want[i] != want[i]) continue;
        fail(c, "%s[%zu] is %a, want %a", name, i, (double)got[i], (double)want[i]);
        return false;
    }
    return true;
}

bool same_bytes(check *c, const char *name, const void *got, const void *want, size_t n)
{
    const uint8_t *g = got, *w = want;
    for (size_t i = 0; i < n; i++)
        if (g[i] != w[i]) {
            fail(c, "%s byte %zu is %02x, want %02x", name, i, g[i], w[i]);
            return false;
        }
    return true;
}

bool same_bufs(check *c, const char *name, const buf *got, const buf *want, bool floats)
{
    const size_t zone = (size_t)((uint8_t *)want->p - want->map);
    const size_t end = want->map_size - zone - want->size;
    if (!same_bytes(c, "zone before", got->map, want->map, zone)) return false;
    if (!same_bytes(c, "zone behind", (uint8_t *)got->p + got->size,
                    (uint8_t *)want->p + want->size, end))
        return false;
    for (size_t i = 0; i < zone; i++)
        if (got->map[i] != FILL) {
            fail(c, "%s: %zu bytes before it were written", name, zone - i);
            return false;
        }
    return floats ? same_floats(c, name, got->p, want->p, want->size / 4)
                  : same_bytes(c, name, got->p, want->p, want->size);
}

bool near(check *c, const char *name, size_t i, double got, double exact, double bound)
{
    const double err = fabs(got - exact);
    if (err <= bound) {
        if (bound > 0 && err / bound > c->worst) c->worst = err / bound;
        return true;
    }
    fail(c, "%s[%zu] is %.9g, exactly %.9g: off by %.3g, bound %.3g", name, i, got, exact, err,
         bound);
    return false;
}

void fill_floats(check *c, float *x, size_t n, int pattern)
{
    for (size_t i = 0; i < n; i++) {
        const float f = test_float(&c->r);
        const uint64_t bits = test_u64(&c->r);
        switch (pattern) {
        case 1:
            x[i] = 0;
            break;
        case 2:
            x[i] = i == n / 2 ? f : 0;
            break;
        case 3: /* exponents from denormal to 2^30 */
            x[i] = ldexpf(f, (int)(bits % 170) - 140);
            break;
        case 4:
            x[i] = bits & 1 ? -0.0f : f;
            break;
        case 5:
            x[i] = bits % 64 == 0   ? NAN
                   : bits % 64 == 1 ? INFINITY
                   : bits % 64 == 2 ? -INFINITY
                                    : f;
            break;
        default:
            x[i] = f;
        }
    }
}

/* --- running -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*fn)(check *c);
} ops[] = {
    {"quantize", check_quantize},
    {"matmul", check_matmul},
    {"rmsnorm", check_rmsnorm},
    {"layernorm", check_layernorm},
    {"act", check_act},
    {"scale", check_scale},
    {"softcap", check_softcap},
    {"add", check_add},
    {"rope", check_rope},
    {"kv_store", check_kv_store},
    {"attn_page", check_attn_page},
    {"attn_end", check_attn_end},
    {"peak", check_peak},
};

static sigjmp_buf crash_exit;

static void on_crash(int sig)
{
    siglongjmp(crash_exit, sig);
}

/* Run one check; a crash of the kernel is a failure like any other. */
static bool run_check(check *c, void (*fn)(check *), uint64_t seed)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    struct sigaction old[5], act = {.sa_handler = on_crash, .sa_flags = SA_NODEFER};
    for (size_t i = 0; i < 5; i++)
        sigaction(signals[i], &act, &old[i]);
    c->r.s = seed; /* every tier sees the same inputs */
    c->failed = 0;
    c->worst = 0;
    c->what = "start";
    const int sig = sigsetjmp(crash_exit, 1);
    if (sig)
        fail(c, "crashed with signal %d", sig);
    else
        fn(c);
    for (size_t i = 0; i < 64; i++)
        if (live[i].map)
            buf_free(
                &(buf){.map = live[i].map, .map_size = live[i].map_size, .saved = live[i].saved});
    for (size_t i = 0; i < 5; i++)
        sigaction(signals[i], &old[i], NULL);
    return c->failed == 0;
}

#ifdef KERNCHECK_EXTRA
extern const oa__kern KERNCHECK_EXTRA;
#endif

static size_t find_tiers(const oa__kern **tiers)
{
    const unsigned have = oa__cpu_flags();
    size_t n = 0;
    tiers[n++] = oa__kern_get(0);
#ifdef KERNCHECK_EXTRA
    if (!(have & OA__CPU_AVX2)) {
        puts("1..0 # SKIP SIMDe is built with AVX2, which this machine lacks");
        exit(0);
    }
    tiers[n++] = &KERNCHECK_EXTRA;
#else
    if (have & OA__CPU_AVX2) tiers[n++] = oa__kern_get(OA__CPU_AVX2);
    if ((have & OA__CPU_AVX512VNNI) && (have & OA__CPU_AVX2))
        tiers[n++] = oa__kern_get(OA__CPU_AVX2 | OA__CPU_AVX512VNNI);
    if (have & OA__CPU_NEON) tiers[n++] = oa__kern_get(OA__CPU_NEON);
    if ((have & OA__CPU_DOTPROD) && (have & OA__CPU_NEON))
        tiers[n++] = oa__kern_get(OA__CPU_NEON | OA__CPU_DOTPROD);
    if (!(have & (OA__CPU_AVX512VNNI | OA__CPU_DOTPROD)))
        printf("# avx512vnni or dotprod: not on this machine\n");
#endif
    return n;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    const char *pattern = "";
    bool bench = false, exhaustive = false, tiers_only = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--bench"))
            bench = true;
        else if (!strcmp(argv[i], "--exhaustive"))
            exhaustive = true;
        else if (!strcmp(argv[i], "--tiers"))
            tiers_only = true;
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "check"))
            pattern = argv[i];
    }
    const oa__kern *tiers[4];
    const size_t n_tiers = find_tiers(tiers);
    int n = 0, failed = 0;

    printf("# tiers:");
    for (size_t t = 0; t < n_tiers; t++)
        printf(" %s", tiers[t]->name);
    printf("; seed %" PRIu64 "\n", seed);
    for (size_t t = 0; t < n_tiers; t++)
        for (size_t i = 0; i < OA__ARRAY_LEN(ops); i++) {
            check c = {.k = tiers[t], .c = tiers[0], .exhaustive = exhaustive};
            if (!strstr(ops[i].name, pattern)) continue;
            const bool ok = run_check(&c, ops[i].fn, seed);
            failed += !ok;
            printf("%s %d - %s %s", ok ? "ok" : "not ok", ++n, tiers[t]->name, ops[i].name);
            if (c.worst > 0) printf(" # error at most %.2f of its bound", c.worst);
            printf("\n");
            fflush(stdout);
        }
    /* The checks themselves: each must notice kernels that are wrong. */
    const char *name, *op;
    const oa__kern *wrong;
    for (size_t w = 0; !tiers_only && (wrong = wrong_kernel(w, &name, &op)) != NULL; w++)
        for (size_t i = 0; i < OA__ARRAY_LEN(ops); i++) {
            check c = {.k = wrong, .c = tiers[0], .quiet = true};
            if (strcmp(ops[i].name, op) || !strstr(op, pattern)) continue;
            const bool noticed = !run_check(&c, ops[i].fn, seed);
            failed += !noticed;
            printf("%s %d - notices a wrong %s: %s\n", noticed ? "ok" : "not ok", ++n, op, name);
        }
    printf("1..%d\n", n);
    if (failed == 0 && bench) bench_all(tiers, n_tiers, pattern);
    return failed != 0;
}
