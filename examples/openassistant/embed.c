/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant embed: texts to vectors, or to the scores that a head makes of them, one line each.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct embedder {
    const cli_args *args;
    oa_model *model;
    oa_session *session;
    uint32_t pooling, flags;
    float *vector; /* (d_model) */
    size_t d_model;
    int32_t *ids; /* room for n_cap */
    size_t n_cap;
    json_t *list; /* of --json; NULL = a line each */
    cli_scores scores;
} embedder;

static int read_pooling(const char *name, uint32_t *pooling)
{
    static const char *const names[] = {
        [OA_POOL_MEAN] = "mean", [OA_POOL_LAST] = "last", [OA_POOL_CLS] = "cls"};
    *pooling = OA_POOL_MEAN;
    if (!name) return CLI_OK;
    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) != 0) continue;
        *pooling = i;
        return CLI_OK;
    }
    return ui_usage("embed", "--pooling: found '%s', want mean, last or cls", name);
}

static json_t *to_json(const embedder *e)
{
    if (e->scores.head) return scores_to_json(&e->scores);
    json_t *list = json_array();
    for (size_t i = 0; i < e->d_model; i++)
        json_array_append_new(list, json_real((double)e->vector[i]));
    return list;
}

/* Nine digits are every bit of a float. */
static int print_vector(embedder *e, size_t n_ids)
{
    if (e->list) {
        json_t *o = json_object();
        json_object_set_new(o, "n_tokens", json_integer((json_int_t)n_ids));
        json_object_set_new(o, e->scores.head ? "scores" : "embedding", to_json(e));
        return json_array_append_new(e->list, o) == 0 ? CLI_OK : ui_fail(OA_ENOMEM, NULL);
    }
    if (e->args->jsonl) return load_print_json(to_json(e), JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (e->scores.head) {
        scores_print(&e->scores);
        return CLI_OK;
    }
    for (size_t i = 0; i < e->d_model; i++)
        printf(i ? " %.9g" : "%.9g", (double)e->vector[i]);
    putchar('\n');
    return CLI_OK;
}

typedef struct text {
    const char *data;
    size_t len;
} text;

/* The ids of one text or of two, in a buffer that grows. */
static int tokenize(embedder *e, const text *t, size_t *n, size_t *n_first)
{
    int rc = OA_OK;
    for (int pass = 0; pass < 2 && rc == OA_OK; pass++) {
        const size_t cap = pass == 0 ? 0 : e->n_cap;
        if (e->args->pair) {
            rc = oa_model_tokenize_pair(e->model, t[0].data, t[0].len, t[1].data, t[1].len, 0,
                                        e->ids, cap, n, n_first);
        } else {
            rc = oa_model_tokenize(e->model, t->data, t->len, 0, e->ids, cap, n);
            *n_first = *n;
        }
        if (pass > 0 || *n <= e->n_cap) continue;
        int32_t *grown = realloc(e->ids, *n * sizeof(*grown));
        if (!grown) return OA_ENOMEM;
        e->ids = grown;
        e->n_cap = *n;
    }
    return rc;
}

static int embed(embedder *e, const text *t, const char *where)
{
    size_t n = 0, n_first = 0;
    int rc = tokenize(e, t, &n, &n_first);
    if (rc == OA_OK)
        rc = oa_session_embed_pair(e->session, e->ids, n, n_first, e->pooling, e->flags, e->vector,
                                   e->d_model);
    if (rc == OA_OK && e->scores.head) rc = scores_compute(&e->scores, e->vector, e->d_model);
    ui_progress_clear();
    return rc == OA_OK ? print_vector(e, n) : ui_fail(rc, where);
}

/* A JSON string, or with --pair a list of two. */
static bool read_texts(const embedder *e, const json_t *value, text t[2])
{
    const bool pair = e->args->pair;
    if (pair && json_array_size(value) != 2) return false;
    for (size_t i = 0; i < (pair ? 2 : 1); i++) {
        const json_t *v = pair ? json_array_get(value, i) : value;
        if (!json_is_string(v)) return false;
        t[i] = (text){json_string_value(v), json_string_length(v)};
    }
    return true;
}

static int do_line(void *user, const char *line, size_t len, uint64_t number)
{
    embedder *e = user;
    json_error_t error;
    char where[32];
    text t[2];
    int code = CLI_FAILED;
    json_t *value = json_loadb(line, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    snprintf(where, sizeof(where), "line %llu", (unsigned long long)number);
    if (read_texts(e, value, t))
        code = embed(e, t, where);
    else
        ui_error("%s: want %s%s%s", where,
                 e->args->pair ? "a list of two JSON strings" : "a JSON string", value ? "" : ": ",
                 value ? "" : error.text);
    json_decref(value);
    return code;
}

/* Each argument is a text; without any, a file or standard input is one. */
static int do_texts(embedder *e)
{
    const cli_args *args = e->args;
    int code = CLI_OK;
    const bool dash = args->n_words == 1 && strcmp(args->words[0], "-") == 0;
    if (args->n_words == 0 || dash) {
        text t = {NULL, 0};
        char *data = load_prompt(args, "embed", &t.len, &code);
        if (!data) return code;
        t.data = data;
        code = embed(e, &t, NULL);
        free(data);
        return code;
    }
    const size_t step = args->pair ? 2 : 1;
    for (size_t i = 0; i + step <= args->n_words && code == CLI_OK; i += step) {
        const char *first = args->words[i], *last = args->words[i + step - 1];
        code = embed(e, (text[]){{first, strlen(first)}, {last, strlen(last)}}, NULL);
    }
    return code;
}

static int begin(embedder *e)
{
    oa_model_info info = OA_MODEL_INFO_INIT;
    oa_session_opts opts = OA_SESSION_OPTS_INIT;
    int rc = oa_model_get_info(e->model, &info);
    opts.flags = OA_SESSION_NO_SHARING;
    opts.n_ctx = e->args->n_ctx;
    opts.progress_fn = ui_progress;
    load_kv_type(e->args, &opts.kv_type); /* was checked */
    if (rc == OA_OK) rc = oa_session_new(&e->session, e->model, &opts);
    if (rc < 0) return ui_fail(rc, NULL);
    e->d_model = info.d_model;
    const int code = scores_open(&e->scores, e->args, e->model);
    if (code != CLI_OK) return code;
    if (e->scores.head) {
        e->pooling = e->scores.info.pooling;
        e->flags = e->scores.info.flags;
        if (!e->args->json && !e->args->jsonl) ui_note("function: %s", scores_function(&e->scores));
    }
    e->vector = calloc(e->d_model, sizeof(*e->vector));
    return e->vector ? CLI_OK : ui_fail(OA_ENOMEM, NULL);
}

/* The whole answer of --json; prints it when all went well. */
static int end(embedder *e, int code)
{
    if (!e->list || code != CLI_OK) {
        json_decref(e->list);
        return code;
    }
    oa_model_info info = OA_MODEL_INFO_INIT;
    oa_model_get_info(e->model, &info);
    json_t *o = json_object();
    json_object_set_new(o, "model", load_json_text(info.path, strlen(info.path)));
    json_object_set_new(o, "d_model", json_integer((json_int_t)e->d_model));
    json_object_set_new(o, "normalized", json_boolean(e->flags & OA_EMBED_NORMALIZE));
    if (e->scores.head)
        json_object_set_new(o, "function", json_string(scores_function(&e->scores)));
    json_object_set_new(o, e->scores.head ? "texts" : "embeddings", e->list);
    return load_print_json(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
}

int verb_embed(cli_args *args)
{
    embedder e = {.args = args, .flags = args->no_normalize ? 0 : OA_EMBED_NORMALIZE};
    int code = read_pooling(args->pooling, &e.pooling);
    if (code != CLI_OK) return code;
    code = scores_check(args);
    if (code != CLI_OK) return code;
    const bool dash = args->n_words == 1 && strcmp(args->words[0], "-") == 0;
    if (args->jsonl && args->n_words && !dash)
        return ui_usage("embed", "--jsonl reads lines, found '%s'", args->words[0]);
    if (args->jsonl && args->json) return ui_usage("embed", "both --json and --jsonl are given");
    if (args->pair && !args->jsonl && (args->n_words == 0 || args->n_words % 2 != 0))
        return ui_usage("embed", "--pair wants texts in twos, or --jsonl");
    if (args->file && args->n_words) return ui_usage("embed", "both texts and --file are given");
    e.model = load_model(args, args->model, 0, &code);
    if (!e.model) return code;
    code = begin(&e);
    if (code == CLI_OK) {
        if (args->json) e.list = json_array();
        code = end(&e, args->jsonl ? load_lines(args->file, do_line, &e) : do_texts(&e));
    }
    free(e.ids);
    free(e.vector);
    scores_close(&e.scores);
    oa_session_free(e.session);
    oa_model_free(e.model);
    return code;
}
