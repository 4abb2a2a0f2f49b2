/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openassistant bench: how fast a prompt is read and tokens are made, beside the two walls of
 * this machine, memory bandwidth and int8 multiply-adds, measured in the same run. The passes
 * take turns, so that a machine that is busy for a while slows all of them.
 */
#include <stdlib.h>
#include <string.h>

#include <openassistant/experimental.h>

#include "cli.h"

/* The values of one quantity, one per pass. */
typedef struct series {
    double *v;
    size_t n;
} series;

typedef struct bench_state {
    const cli_args *args;
    oa_model *model;
    uint32_t n_prompt, n_tokens, n_runs, kv_type;
    int32_t *ids;
    oa_model_info info;
    oa_peaks peaks;
    series prompt, token, read, int8;
} bench_state;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the series. */
static double median(series *s)
{
    qsort(s->v, s->n, sizeof(*s->v), by_value);
    return s->n ? (s->v[(s->n - 1) / 2] + s->v[s->n / 2]) / 2 : 0;
}

static int measure_model(bench_state *b)
{
    oa_session *session = NULL;
    oa_session_opts opts = OA_SESSION_OPTS_INIT;
    opts.flags = OA_SESSION_NO_DRAFT; /* the speed of the model, not of guessing */
    const float *logits = NULL;
    int32_t id = 0;
    opts.flags = OA_SESSION_NO_SHARING;
    opts.n_ctx = b->n_prompt + b->n_tokens + 1;
    if (b->args->n_ctx > opts.n_ctx) opts.n_ctx = b->args->n_ctx;
    opts.kv_type = b->kv_type;
    opts.progress_fn = ui_progress;
    int rc = oa_session_new(&session, b->model, &opts);
    double start = ui_now();
    if (rc == OA_OK) rc = oa_session_append(session, b->ids, b->n_prompt);
    if (rc == OA_OK) rc = oa_session_get_logits(session, &logits, NULL);
    double middle = ui_now();
    /* A step leaves its token to be computed later; asking for the logits at the end makes it
     * n_tokens computed tokens for n_tokens steps. */
    for (uint32_t i = 0; rc == OA_OK && i < b->n_tokens; i++)
        rc = oa_session_step(session, NULL, &id);
    if (rc == OA_OK) rc = oa_session_get_logits(session, &logits, NULL);
    double end = ui_now();
    if (rc == OA_OK) {
        b->prompt.v[b->prompt.n++] = b->n_prompt / (middle - start);
        b->token.v[b->token.n++] = b->n_tokens / (end - middle);
    }
    oa_session_free(session);
    return rc;
}

static int measure_peaks(bench_state *b)
{
    b->peaks = (oa_peaks)OA_PEAKS_INIT;
    int rc = oa_measure_peaks(b->model, &b->peaks, ui_progress, NULL);
    if (rc < 0) return rc;
    b->read.v[b->read.n++] = b->peaks.read_gbs;
    b->int8.v[b->int8.n++] = b->peaks.int8_gops;
    return OA_OK;
}

static void add_series(json_t *o, const char *key, series *s)
{
    char name[64];
    json_object_set_new(o, key, json_real(median(s)));
    snprintf(name, sizeof(name), "%s_min", key);
    json_object_set_new(o, name, json_real(s->v[0]));
    snprintf(name, sizeof(name), "%s_max", key);
    json_object_set_new(o, name, json_real(s->v[s->n - 1]));
}

static void print_series(const char *label, const char *unit, series *s, const char *wall,
                         double share)
{
    printf("%-8s %9.1f %-10s (%.1f to %.1f)", label, median(s), unit, s->v[0], s->v[s->n - 1]);
    if (wall) printf("  %.1f%% of %s", share * 100, wall);
    putchar('\n');
}

static int tell(bench_state *b)
{
    double token_gbs = median(&b->token) * (double)b->peaks.token_bytes * 1e-9;
    double prompt_gops = median(&b->prompt) * 2 * (double)b->peaks.token_macs * 1e-9;
    double token_share = median(&b->read) > 0 ? token_gbs / median(&b->read) : 0;
    double prompt_share = median(&b->int8) > 0 ? prompt_gops / median(&b->int8) : 0;
    if (b->args->json) {
        json_t *o = json_object();
        json_object_set_new(o, "model", load_json_text(b->info.path, strlen(b->info.path)));
        json_object_set_new(o, "type", json_string(b->info.type));
        json_object_set_new(o, "cpu", json_string(b->info.cpu));
        json_object_set_new(o, "n_threads", json_integer(b->info.n_threads));
        json_object_set_new(o, "n_prompt", json_integer(b->n_prompt));
        json_object_set_new(o, "n_tokens", json_integer(b->n_tokens));
        json_object_set_new(o, "n_runs", json_integer(b->n_runs));
        add_series(o, "prompt_tps", &b->prompt);
        add_series(o, "token_tps", &b->token);
        add_series(o, "read_gbs", &b->read);
        add_series(o, "int8_gops", &b->int8);
        json_object_set_new(o, "token_bytes", json_integer((json_int_t)b->peaks.token_bytes));
        json_object_set_new(o, "token_macs", json_integer((json_int_t)b->peaks.token_macs));
        json_object_set_new(o, "prompt_share", json_real(prompt_share));
        json_object_set_new(o, "token_share", json_real(token_share));
        return load_print_json(o, JSON_INDENT(2));
    }
    const char *name = b->info.name[0] ? b->info.name : b->info.path;
    ui_put_line(name, strlen(name));
    printf(", %s, %u threads, %s; median of %u passes (lowest to highest)\n", b->info.type,
           (unsigned)b->info.n_threads, b->info.cpu, (unsigned)b->n_runs);
    print_series("prompt", "tokens/s", &b->prompt, "the int8 peak", prompt_share);
    print_series("tokens", "tokens/s", &b->token, "the read bandwidth", token_share);
    print_series("read", "GB/s", &b->read, NULL, 0);
    print_series("int8", "GOP/s", &b->int8, NULL, 0);
    printf("one token reads %.1f MB of weights and takes %.1f million multiply-adds\n",
           (double)b->peaks.token_bytes * 1e-6, (double)b->peaks.token_macs * 1e-6);
    return CLI_OK;
}

static bool make_buffers(bench_state *b)
{
    series *all[] = {&b->prompt, &b->token, &b->read, &b->int8};
    bool ok = (b->ids = calloc(b->n_prompt, sizeof(*b->ids))) != NULL;
    for (size_t i = 0; i < 4; i++)
        ok &= (all[i]->v = calloc(b->n_runs, sizeof(double))) != NULL;
    /* Any tokens do; these are spread over the vocabulary. */
    uint32_t x = 1;
    for (uint32_t i = 0; ok && i < b->n_prompt; i++) {
        x = x * 1664525u + 1013904223u;
        b->ids[i] = (int32_t)((x >> 8) % b->info.n_vocab);
    }
    return ok;
}

int verb_bench(cli_args *args)
{
    bench_state b = {.args = args, .info = OA_MODEL_INFO_INIT};
    int code = CLI_OK, rc = OA_OK;
    if (args->n_words) return ui_usage("bench", "found '%s', want options only", args->words[0]);
    b.n_prompt = args->n_prompt ? args->n_prompt : 512;
    b.n_tokens = args->n_tokens ? args->n_tokens : 64;
    b.n_runs = args->n_runs ? args->n_runs : 5;
    code = load_kv_type(args, &b.kv_type);
    if (code != CLI_OK) return code;
    b.model = load_model(args, args->model, 0, &code);
    if (!b.model) return code;
    rc = oa_model_get_info(b.model, &b.info);
    if (rc == OA_OK && !make_buffers(&b)) {
        ui_error("out of memory");
        code = CLI_FAILED;
    }
    for (uint32_t i = 0; rc == OA_OK && code == CLI_OK && i < b.n_runs; i++) {
        rc = measure_peaks(&b);
        if (rc == OA_OK) rc = measure_model(&b);
    }
    if (rc < 0)
        code = ui_fail(rc, NULL);
    else if (code == CLI_OK)
        code = tell(&b);
    free(b.ids);
    free(b.prompt.v);
    free(b.token.v);
    free(b.read.v);
    free(b.int8.v);
    oa_model_free(b.model);
    return code;
}
