/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kerncheck: every tier gives the bits of the C version, the C version stays near exact
 * arithmetic, nothing outside the outputs is written, nothing outside the inputs is read.
 *
 * Buffers end at a page that may not be touched; what lies before them and between their rows is
 * filled with a known byte and compared too. NaNs count as equal.
 */
#ifndef OA_TESTS_KERN_KERNCHECK_H
#define OA_TESTS_KERN_KERNCHECK_H

#include "kern/kern.h"
#include "kern/rows.h"

/* A buffer between a filled zone and a forbidden page. */
typedef struct buf {
    void *p;
    size_t size;
    uint8_t *map, *saved; /* saved: a copy, to compare with */
    size_t map_size;      /* accessible part */
} buf;

buf buf_new(size_t size, size_t align); /* filled with 0xa5 */
void buf_free(buf *b);
void buf_fill(buf *b);
void buf_save(buf *b);       /* remember everything, the zone too */
bool buf_same(const buf *b); /* nothing has changed since buf_save() */

typedef struct check {
    const char *what;  /* op and case, for messages */
    const oa__kern *k; /* under test; the C table itself is held to the double reference only */
    const oa__kern *c; /* the C table */
    test_random r;
    bool quiet;      /* an attack: failing is expected */
    bool exhaustive; /* every float where a sample does else */
    int failed;
    double worst; /* error over bound against exact arithmetic */
} check;

/* Report a failure with its case; printf-like. */
void fail(check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Compare n floats or n bytes of results. */
bool same_floats(check *c, const char *name, const float *got, const float *want, size_t n);
bool same_bytes(check *c, const char *name, const void *got, const void *want, size_t n);
/* |got - exact| <= bound, elementwise; also tracks the worst. */
bool near(check *c, const char *name, size_t i, double got, double exact, double bound);
/* Everything of two equal output buffers; both were filled before. */
bool same_bufs(check *c, const char *name, const buf *got, const buf *want, bool floats);

/* Patterns of floats: 0 random, 1 zeros, 2 one-hot, 3 huge and tiny, 4 negative zero, 5 NaN and
 * infinities sprinkled. */
enum { N_PATTERNS = 6 };
void fill_floats(check *c, float *x, size_t n, int pattern);

void check_quantize(check *c);
void check_matmul(check *c);
void check_rmsnorm(check *c);
void check_layernorm(check *c);
void check_act(check *c);
void check_scale(check *c);
void check_softcap(check *c);
void check_add(check *c);
void check_rope(check *c);
void check_kv_store(check *c);
void check_attn_page(check *c);
void check_attn_end(check *c);
void check_peak(check *c);

/* Deliberately wrong kernels: the i-th as a table made from the C table, or NULL at the end. op
 * is the check that must fail. */
const oa__kern *wrong_kernel(size_t i, const char **name, const char **op);

/* Activations with room for n_tokens. */
typedef struct acts_bufs {
    buf q, d, ds, isum, isum16;
    oa__acts a;
} acts_bufs;
void acts_new(acts_bufs *b, size_t k, size_t n_tokens);
void acts_free(acts_bufs *b);

void bench_all(const oa__kern *const *tiers, size_t n_tiers, const char *pattern);

#endif
