/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openassistant bench: how fast models are opened, prompts are read and tokens are made, beside the
 * walls of this machine: memory bandwidth and multiply-adds. Every pass measures everything once,
 * of all models, the walls included, and of a peer's program; so a machine that is busy for a while
 * slows all of them.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* Whole numbers with commas between; a single 0 is none. */
static int read_list(const char *option, const char *text, uint32_t max, uint32_t *out, size_t *n)
{
    const char *c = text;
    *n = 0;
    if (strcmp(text, "0") == 0) return CLI_OK;
    for (;; c++) {
        uint32_t v = 0;
        for (; *c >= '0' && *c <= '9' && v <= max; c++)
            v = v * 10 + (uint32_t)(*c - '0');
        if (v == 0 || v > max || *n == BENCH_MAX_BATCHES || (*c && *c != ',')) break;
        out[(*n)++] = v;
        if (!*c) return CLI_OK;
    }
    return ui_usage("bench", "--%s: found '%s', want up to %d numbers from 1 to %u, or 0 for none",
                    option, text, BENCH_MAX_BATCHES, (unsigned)max);
}

static char *copy(const char *text)
{
    return strdup(text ? text : "");
}

/* Open a model once: that it can be, what it is; and its file is then warm. */
static int look_at(const bench *b, bench_model *m)
{
    oa_model_info info = OA_MODEL_INFO_INIT;
    int code = CLI_OK;
    bool ok = true;
    oa_model *model = load_model(b->args, m->name, 0, &code);
    if (!model) return code;
    int rc = oa_model_get_info(model, &info);
    if (rc == OA_OK) {
        m->path = copy(info.path);
        m->title = copy(info.name && info.name[0] ? info.name : info.path);
        m->type = copy(info.type);
        m->cpu = copy(info.cpu);
        m->n_threads = info.n_threads;
        m->n_vocab = info.n_vocab;
        m->n_long = 4 * b->n_prompt;
        if (m->n_long > info.n_ctx_train) m->n_long = info.n_ctx_train;
        if (b->args->long_list) m->n_long = b->n_n_longs ? b->n_longs[0] : 0;
        if (!b->args->long_list && m->n_long <= b->n_prompt) m->n_long = 0;
        ok = m->path && m->title && m->type && m->cpu;
    }
    for (size_t i = 0; ok && i < BENCH_N; i++) {
        m->ours[i].v = calloc(b->n_runs, sizeof(double));
        m->peer[i].v = calloc(b->n_runs, sizeof(double));
        ok = m->ours[i].v && m->peer[i].v;
    }
    oa_model_free(model);
    if (rc < 0) return ui_fail(rc, m->name);
    if (!ok) ui_error("out of memory");
    return ok ? CLI_OK : CLI_FAILED;
}

static int run_pass(const bench *b, uint32_t pass, bench_model *m)
{
    int code = CLI_OK;
    /* Who begins takes turns, too. */
    for (uint32_t turn = 0; code == CLI_OK && turn < 2; turn++) {
        if (turn != pass % 2) {
            if (b->args->vs) code = bench_peer(b, m);
        } else {
            int rc = bench_measure(b, m);
            ui_progress_clear();
            if (rc < 0) code = ui_fail(rc, m->name);
        }
    }
    return code;
}

static void free_all(bench *b)
{
    for (size_t i = 0; i < b->n_models; i++) {
        bench_model *m = &b->models[i];
        for (size_t k = 0; k < BENCH_N; k++) {
            free(m->ours[k].v);
            free(m->peer[k].v);
        }
        free(m->path);
        free(m->title);
        free(m->type);
        free(m->cpu);
    }
    free(b->models);
}

int verb_bench(cli_args *args)
{
    bench b = {.args = args};
    if (args->n_words) return ui_usage("bench", "found '%s', want options only", args->words[0]);
    b.n_prompt = args->n_prompt ? args->n_prompt : 512;
    b.n_tokens = args->n_tokens ? args->n_tokens : 64;
    b.n_runs = args->n_runs ? args->n_runs : 5;
    int code = load_kv_type(args, &b.kv_type);
    if (code == CLI_OK)
        code = read_list("batch", args->batch_list ? args->batch_list : "8,16", 1024, b.batches,
                         &b.n_batches);
    if (code == CLI_OK && args->long_list)
        code = read_list("long", args->long_list, 1 << 24, b.n_longs, &b.n_n_longs);
    if (code == CLI_OK && b.n_n_longs > 1)
        code = ui_usage("bench", "--long: found '%s', want one number", args->long_list);
    if (code != CLI_OK) return code;
    b.n_models = args->models.n ? args->models.n : 1;
    b.models = calloc(b.n_models, sizeof(*b.models));
    if (!b.models) {
        ui_error("out of memory");
        return CLI_FAILED;
    }
    for (size_t i = 0; code == CLI_OK && i < b.n_models; i++) {
        b.models[i].name = args->models.n ? args->models.data[i] : CLI_DEFAULT_MODEL;
        code = look_at(&b, &b.models[i]);
    }
    for (uint32_t pass = 0; code == CLI_OK && pass < b.n_runs; pass++)
        for (size_t i = 0; code == CLI_OK && i < b.n_models; i++)
            code = run_pass(&b, pass, &b.models[i]);
    if (code == CLI_OK) code = bench_tell(&b);
    free_all(&b);
    return code;
}
