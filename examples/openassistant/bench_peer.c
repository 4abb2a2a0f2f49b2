/* SPDX-License-Identifier: Apache-2.0 */
/* A peer in the same passes: its llama-bench program is run once per pass, and its JSON read; for
 * batches the llama-batched-bench beside it, when there is one. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

/* The speed of a prompt of n_prompt tokens, or of making n_gen, among all results; 0 = none. */
static double find(const json_t *all, uint32_t n_prompt, uint32_t n_gen)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);
        if (number(o, "n_prompt") == n_prompt && number(o, "n_gen") == n_gen)
            return number(o, "avg_ts");
    }
    return 0;
}

static int take(const bench *b, bench_model *m, const json_t *all)
{
    const struct {
        enum bench_what what;
        uint32_t n_prompt, n_gen;
    } rows[] = {
        {BENCH_PROMPT, b->n_prompt, 0}, {BENCH_TOKEN, 0, b->n_tokens}, {BENCH_LONG, m->n_long, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].what == BENCH_LONG && !m->n_long) continue;
        double v = find(all, rows[i].n_prompt, rows[i].n_gen);
        if (!(v > 0)) {
            ui_error("%s: found no speed of %u tokens %s in its JSON", b->args->vs,
                     (unsigned)(rows[i].n_prompt + rows[i].n_gen), rows[i].n_gen ? "made" : "read");
            return CLI_FAILED;
        }
        bench_series *s = &m->peer[rows[i].what];
        s->v[s->n++] = v;
    }
    return CLI_OK;
}

static int run_plain(const bench *b, bench_model *m, const char *threads, const char *tokens)
{
    char prompts[32];
    const char *const argv[] = {b->args->vs, "-m", m->path, "-p",    prompts, "-n",   tokens,
                                "-r",        "1",  "-t",    threads, "-o",    "json", NULL};
    json_error_t why;
    size_t len;
    int code;
    snprintf(prompts, sizeof(prompts), m->n_long ? "%u,%u" : "%u", (unsigned)b->n_prompt,
             (unsigned)m->n_long);
    char *text = bench_child(argv, b->args->verbose, &len, &code);
    if (!text) return code;
    json_t *all = json_loadb(text, len, 0, &why);
    if (json_is_array(all)) {
        code = take(b, m, all);
    } else {
        ui_error("%s: printed no JSON list", b->args->vs);
        code = CLI_FAILED;
    }
    json_decref(all);
    free(text);
    return code;
}

/* The speed of each batch, one JSON object per line among whatever else is printed. */
static int take_batches(const bench *b, bench_model *m, const char *program, char *text)
{
    double speed[BENCH_MAX_BATCHES] = {0};
    for (char *line = text, *next; line; line = next) {
        json_error_t why;
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        json_t *o = json_loads(line, 0, &why);
        for (size_t i = 0; i < b->n_batches; i++)
            if (number(o, "pl") == b->batches[i]) speed[i] = number(o, "speed_tg");
        json_decref(o);
    }
    for (size_t i = 0; i < b->n_batches; i++) {
        bench_series *s = &m->peer[BENCH_BATCH + i];
        if (!(speed[i] > 0)) {
            ui_error("%s: found no speed of a batch of %u in its JSON", program,
                     (unsigned)b->batches[i]);
            return CLI_FAILED;
        }
        s->v[s->n++] = speed[i];
    }
    return CLI_OK;
}

static int run_batches(const bench *b, bench_model *m, const char *program, const char *threads,
                       const char *tokens)
{
    char prompt[16], sizes[BENCH_MAX_BATCHES * 6] = "", ctx[24];
    const char *const argv[] = {program, "-m",  m->path, "-npp", prompt, "-ntg",  tokens,
                                "-npl",  sizes, "-c",    ctx,    "-t",   threads, "--output-format",
                                "jsonl", NULL};
    uint32_t most = 0;
    size_t len, n = 0;
    int code;
    for (size_t i = 0; i < b->n_batches; i++) {
        n += (size_t)snprintf(sizes + n, sizeof(sizes) - n, i ? ",%u" : "%u",
                              (unsigned)b->batches[i]);
        if (b->batches[i] > most) most = b->batches[i];
    }
    snprintf(prompt, sizeof(prompt), "%d", BENCH_BATCH_PROMPT);
    snprintf(ctx, sizeof(ctx), "%llu",
             (unsigned long long)most * (BENCH_BATCH_PROMPT + b->n_tokens));
    char *text = bench_child(argv, b->args->verbose, &len, &code);
    if (!text) return code;
    text[len] = 0;
    code = take_batches(b, m, program, text);
    free(text);
    return code;
}

/* The batch program that stands beside the other one, to be freed; NULL = none. */
static char *find_batched(const char *vs)
{
    static const char name[] = "llama-bench", batched[] = "llama-batched-bench";
    const char *slash = strrchr(vs, '/');
    if (!slash || strcmp(slash + 1, name) != 0) return NULL;
    const size_t folder = (size_t)(slash + 1 - vs);
    char *path = malloc(folder + sizeof(batched));
    if (!path) return NULL;
    memcpy(path, vs, folder);
    memcpy(path + folder, batched, sizeof(batched));
    if (access(path, X_OK) == 0) return path;
    free(path);
    return NULL;
}

int bench_peer(const bench *b, bench_model *m)
{
    char threads[16], tokens[16];
    snprintf(threads, sizeof(threads), "%u", (unsigned)m->n_threads);
    snprintf(tokens, sizeof(tokens), "%u", (unsigned)b->n_tokens);
    int code = run_plain(b, m, threads, tokens);
    char *batched = b->n_batches ? find_batched(b->args->vs) : NULL;
    if (code == CLI_OK && batched) code = run_batches(b, m, batched, threads, tokens);
    free(batched);
    return code;
}
