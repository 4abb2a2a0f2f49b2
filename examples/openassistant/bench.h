/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the bench share: its plan, what was measured, and a peer's numbers. */
#ifndef OPENASSISTANT_BENCH_H
#define OPENASSISTANT_BENCH_H

#include <openassistant/experimental.h>

#include "cli.h"

enum { BENCH_MAX_BATCHES = 8, BENCH_BATCH_PROMPT = 32 /* tokens of each session */ };

/* Quantities; those from BENCH_BATCH on are one per size of batch. */
enum bench_what {
    BENCH_READ,
    BENCH_INT8,
    BENCH_FP32,
    BENCH_LOAD,
    BENCH_FIRST,
    BENCH_PROMPT,
    BENCH_TOKEN,
    BENCH_LONG,
    BENCH_BATCH,
    BENCH_N = BENCH_BATCH + BENCH_MAX_BATCHES
};

/* The values of one quantity, one per pass. */
typedef struct bench_series {
    double *v;
    size_t n;
} bench_series;

typedef struct bench_model {
    const char *name; /* as the command line has it */
    char *path, *title, *type, *cpu;
    uint32_t n_threads, n_vocab, n_long; /* n_long 0 = no long prompt */
    oa_peaks peaks;                      /* of the last pass */
    bench_series ours[BENCH_N], peer[BENCH_N];
} bench_model;

typedef struct bench {
    const cli_args *args;
    uint32_t n_prompt, n_tokens, n_runs, kv_type;
    uint32_t batches[BENCH_MAX_BATCHES], n_longs[BENCH_MAX_BATCHES]; /* of the latter one counts */
    size_t n_batches, n_n_longs;
    bench_model *models;
    size_t n_models;
} bench;

/* --- bench_measure.c: one pass over one model; OA_ error codes -------------------------------- */

int bench_measure(const bench *b, bench_model *m);

/* --- bench_peer.c: a llama-bench program ------------------------------------------------------ */

/* Run the program that --vs names once for this model; exit code. */
int bench_peer(const bench *b, bench_model *m);

/* --- bench_child.c ---------------------------------------------------------------------------- */

/* Run a program; what it printed, to be freed, with room for a 0 behind it. NULL with the exit code
 * when it did not end well; the reason was said. loud: its errors are shown. */
char *bench_child(const char *const *argv, bool loud, size_t *len, int *exit_code);

/* --- bench_tell.c: the table, and JSON -------------------------------------------------------- */

int bench_tell(bench *b); /* exit code; sorts the series */

#endif
