/* SPDX-License-Identifier: Apache-2.0 */
/* What the bench measured: medians with their spread, shares of the walls, ratios to the peer. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of a sorted series. */
static double median(const bench_series *s)
{
    return s->n ? (s->v[(s->n - 1) / 2] + s->v[s->n / 2]) / 2 : 0;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

/* What a quantity is called, and the least seconds that the walls leave for its tokens. */
typedef struct goal {
    const char *wall;
    double seconds;
} goal;

/* n tokens of a prompt, or n sessions' next tokens: the weights are read once, or the multiply-adds
 * take longer. */
static goal goal_of(const bench_model *m, double n, bool prompt)
{
    const oa_peaks *p = &m->peaks;
    const double read = median(&m->ours[BENCH_READ]), int8 = median(&m->ours[BENCH_INT8]),
                 fp32 = median(&m->ours[BENCH_FP32]);
    double macs = (double)p->token_macs, floats = (double)p->token_float_macs;
    if (prompt) {
        macs += (n - 1) * (double)p->prompt_macs;
        floats += (n - 1) * (double)p->prompt_float_macs;
    } else {
        macs *= n;
        floats *= n;
    }
    const double reading = ratio((double)p->token_bytes, read) * 1e-9;
    const double blocks = ratio(2 * (macs - floats), int8) * 1e-9;
    const double all = blocks + ratio(2 * floats, fp32) * 1e-9;
    if (reading > all) return (goal){"read", reading};
    return (goal){all > 2 * blocks ? "fp32" : "int8", all};
}

/* One line of what was measured. */
typedef struct row {
    char label[24];
    const char *key, *unit;
    const bench_series *ours, *peer;
    goal goal; /* wall NULL = none */
    double share;
} row;

static row make_row(const bench *b, const bench_model *m, size_t what)
{
    static const struct {
        const char *label, *key, *unit;
    } names[] = {{"read wall", "read_gbs", "GB/s"},
                 {"int8 wall", "int8_gops", "GOP/s"},
                 {"fp32 wall", "fp32_gflops", "GFLOP/s"},
                 {"load", "load_ms", "ms"},
                 {"first token", "first_ms", "ms"},
                 {"prompt", "prompt_tps", "tokens/s"},
                 {"token", "token_tps", "tokens/s"},
                 {"prompt", "long_tps", "tokens/s"},
                 {"batch", "tps", "tokens/s"}};
    const size_t i = what < BENCH_BATCH ? what : BENCH_BATCH;
    uint32_t n = what == BENCH_PROMPT  ? b->n_prompt
                 : what == BENCH_LONG  ? m->n_long
                 : what >= BENCH_BATCH ? b->batches[what - BENCH_BATCH]
                                       : 0;
    row r = {
        .key = names[i].key, .unit = names[i].unit, .ours = &m->ours[what], .peer = &m->peer[what]};
    snprintf(r.label, sizeof(r.label), n ? "%s %u" : "%s", names[i].label, (unsigned)n);
    if (what < BENCH_PROMPT) return r;
    const bool prompt = what == BENCH_PROMPT || what == BENCH_LONG;
    r.goal = goal_of(m, n ? n : 1, prompt);
    r.share = median(r.ours) * r.goal.seconds / (n ? n : 1);
    return r;
}

/* The cost of a token in a long prompt, in tokens of the short one. */
static double long_cost(const bench_series *s)
{
    return ratio(median(&s[BENCH_PROMPT]), median(&s[BENCH_LONG]));
}

static void print_row(const bench *b, const row *r)
{
    char spread[48];
    const bench_series *s = r->ours;
    if (s->n == 0) return;
    snprintf(spread, sizeof(spread), "(%.1f to %.1f)", s->v[0], s->v[s->n - 1]);
    printf("%-12s %9.1f %-9s %-20s", r->label, median(s), r->unit, spread);
    if (r->goal.wall) printf(" %5.1f%% of %s", r->share * 100, r->goal.wall);
    if (b->args->vs && r->peer->n) {
        const bench_series *p = r->peer;
        printf("  peer %.1f (%.1f to %.1f), ratio %.2f", median(p), p->v[0], p->v[p->n - 1],
               ratio(median(s), median(p)));
    }
    putchar('\n');
}

static void print_model(const bench *b, const bench_model *m)
{
    ui_put_line(m->title, strlen(m->title));
    printf(", %s, %u threads, %s; medians of %u passes (lowest to highest)\n", m->type,
           (unsigned)m->n_threads, m->cpu, (unsigned)b->n_runs);
    for (size_t i = 0; i < BENCH_N; i++) {
        if (i == BENCH_LONG) continue; /* comes last */
        row r = make_row(b, m, i);
        print_row(b, &r);
    }
    if (m->n_long) {
        row r = make_row(b, m, BENCH_LONG);
        print_row(b, &r);
        printf("a token of the long prompt costs %.2f times one of the short", long_cost(m->ours));
        if (b->args->vs) printf("; the peer's %.2f times", long_cost(m->peer));
        putchar('\n');
    }
    printf("one token reads %.1f MB of weights and takes %.1f million multiply-adds (%.1f in a "
           "prompt)\n",
           (double)m->peaks.token_bytes * 1e-6, (double)m->peaks.token_macs * 1e-6,
           (double)m->peaks.prompt_macs * 1e-6);
}

static void put_real(json_t *o, const char *prefix, const char *suffix, double v)
{
    char key[64];
    snprintf(key, sizeof(key), "%s%s", prefix, suffix);
    json_object_set_new(o, key, json_real(v));
}

static void put_series(json_t *o, const char *key, const bench_series *s)
{
    if (s->n == 0) return;
    put_real(o, key, "", median(s));
    put_real(o, key, "_min", s->v[0]);
    put_real(o, key, "_max", s->v[s->n - 1]);
}

static void put_share(json_t *o, const char *name, const row *r)
{
    char key[64];
    if (r->ours->n == 0) return;
    put_real(o, name, "share", r->share);
    snprintf(key, sizeof(key), "%swall", name);
    json_object_set_new(o, key, json_string(r->goal.wall));
}

static json_t *batches_json(const bench *b, const bench_model *m)
{
    json_t *all = json_array();
    for (size_t i = 0; i < b->n_batches; i++) {
        row r = make_row(b, m, BENCH_BATCH + i);
        json_t *o = json_object();
        json_object_set_new(o, "n", json_integer(b->batches[i]));
        put_series(o, r.key, r.ours);
        put_share(o, "", &r);
        json_array_append_new(all, o);
    }
    return all;
}

static json_t *peer_json(const bench *b, const bench_model *m)
{
    static const struct {
        enum bench_what what;
        const char *ratio;
    } rows[] = {
        {BENCH_PROMPT, "prompt_ratio"}, {BENCH_TOKEN, "token_ratio"}, {BENCH_LONG, "long_ratio"}};
    json_t *o = json_object();
    json_object_set_new(o, "program", load_json_text(b->args->vs, strlen(b->args->vs)));
    json_t *batches = json_array();
    for (size_t i = 0; i < b->n_batches; i++) {
        row r = make_row(b, m, BENCH_BATCH + i);
        if (r.peer->n == 0) continue;
        json_t *batch = json_object();
        json_object_set_new(batch, "n", json_integer(b->batches[i]));
        put_series(batch, r.key, r.peer);
        json_object_set_new(batch, "ratio", json_real(ratio(median(r.ours), median(r.peer))));
        json_array_append_new(batches, batch);
    }
    json_object_set_new(o, "batches", batches);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        row r = make_row(b, m, rows[i].what);
        if (r.peer->n == 0) continue;
        put_series(o, r.key, r.peer);
        json_object_set_new(o, rows[i].ratio, json_real(ratio(median(r.ours), median(r.peer))));
    }
    return o;
}

static json_t *model_json(const bench *b, const bench_model *m)
{
    const struct {
        const char *key;
        uint64_t v;
    } numbers[] = {{"n_threads", m->n_threads},
                   {"n_prompt", b->n_prompt},
                   {"n_tokens", b->n_tokens},
                   {"n_long", m->n_long},
                   {"n_runs", b->n_runs},
                   {"token_bytes", m->peaks.token_bytes},
                   {"token_macs", m->peaks.token_macs},
                   {"token_float_macs", m->peaks.token_float_macs},
                   {"prompt_macs", m->peaks.prompt_macs},
                   {"prompt_float_macs", m->peaks.prompt_float_macs}};
    json_t *o = json_object();
    json_object_set_new(o, "model", load_json_text(m->path, strlen(m->path)));
    json_object_set_new(o, "type", json_string(m->type));
    json_object_set_new(o, "cpu", json_string(m->cpu));
    json_object_set_new(o, "version", json_string(oa_version()));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        json_object_set_new(o, numbers[i].key, json_integer((json_int_t)numbers[i].v));
    for (size_t i = 0; i < BENCH_BATCH; i++) {
        static const char *const shares[BENCH_BATCH] = {
            [BENCH_PROMPT] = "prompt_", [BENCH_TOKEN] = "token_", [BENCH_LONG] = "long_"};
        row r = make_row(b, m, i);
        put_series(o, r.key, r.ours);
        if (shares[i]) put_share(o, shares[i], &r);
    }
    if (m->n_long) json_object_set_new(o, "long_cost", json_real(long_cost(m->ours)));
    json_object_set_new(o, "batches", batches_json(b, m));
    if (b->args->vs) json_object_set_new(o, "peer", peer_json(b, m));
    return o;
}

int bench_tell(bench *b)
{
    json_t *all = b->args->json ? json_array() : NULL;
    for (size_t i = 0; i < b->n_models; i++) {
        bench_model *m = &b->models[i];
        for (size_t k = 0; k < BENCH_N; k++) {
            qsort(m->ours[k].v, m->ours[k].n, sizeof(double), by_value);
            qsort(m->peer[k].v, m->peer[k].n, sizeof(double), by_value);
        }
        if (b->args->json) {
            json_array_append_new(all, model_json(b, m));
        } else {
            if (i) putchar('\n');
            print_model(b, m);
        }
    }
    if (!b->args->json) return CLI_OK;
    if (b->n_models > 1) return load_print_json(all, JSON_INDENT(2));
    json_t *one = json_incref(json_array_get(all, 0));
    json_decref(all);
    return load_print_json(one, JSON_INDENT(2));
}
