/* SPDX-License-Identifier: Apache-2.0 */
/* Models, prompts and JSON, as every verb needs them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MAX_INPUT ((size_t)256 << 20)

/* Log lines of a model that is being opened are kept until it is: when it fails, the error alone
 * is said. */
#define MAX_HELD 8
static char *held[MAX_HELD];
static size_t n_held;
static bool holding;

static void on_log(uint32_t level, const char *line, void *user)
{
    const cli_args *args = user;
    if (args && args->verbose) {
        fflush(stdout);
        fprintf(stderr, "openassistant: %s\n", line);
    } else if (level == OA_LOG_WARN && !holding) {
        ui_note("%s", line);
    } else if (level == OA_LOG_WARN && n_held < MAX_HELD) {
        char *copy = strdup(line);
        if (copy) held[n_held++] = copy;
    }
}

static void release_log(bool show)
{
    for (size_t i = 0; i < n_held; i++) {
        if (show) ui_note("%s", held[i]);
        free(held[i]);
    }
    n_held = 0;
    holding = false;
}

int load_model_opts(const cli_args *args, uint32_t flags, oa_model_opts *opts)
{
    static const struct {
        const char *name;
        uint32_t cpu;
    } tiers[] = {{"c", OA_CPU_C},
                 {"avx2", OA_CPU_AVX2},
                 {"avx512vnni", OA_CPU_AVX512VNNI},
                 {"neon", OA_CPU_NEON},
                 {"dotprod", OA_CPU_DOTPROD}};
    *opts = (oa_model_opts)OA_MODEL_OPTS_INIT;
    opts->flags = flags | (args->no_mmap ? OA_MODEL_NO_MMAP : 0);
    opts->n_threads = args->n_threads;
    opts->memory_limit = args->memory_limit;
    opts->log_level = args->verbose ? OA_LOG_DEBUG : OA_LOG_WARN;
    opts->log_fn = on_log;
    opts->log_user = (void *)(uintptr_t)args; /* lives until main returns */
    opts->progress_fn = ui_progress;
    for (size_t i = 0; args->cpu && i < sizeof(tiers) / sizeof(tiers[0]); i++)
        if (strcmp(tiers[i].name, args->cpu) == 0) opts->cpu = tiers[i].cpu;
    if (args->cpu && !opts->cpu)
        return ui_usage(NULL, "--cpu: found '%s', want c, avx2, avx512vnni, neon or dotprod",
                        args->cpu);
    return CLI_OK;
}

int load_kv_type(const cli_args *args, uint32_t *kv_type)
{
    *kv_type = OA_KV_F16;
    if (!args->kv_type || strcmp(args->kv_type, "f16") == 0) return CLI_OK;
    if (strcmp(args->kv_type, "f32") == 0)
        *kv_type = OA_KV_F32;
    else if (strcmp(args->kv_type, "q8") == 0)
        *kv_type = OA_KV_Q8;
    else
        return ui_usage(NULL, "--kv: found '%s', want f16, f32 or q8", args->kv_type);
    return CLI_OK;
}

int load_model_fail(int code, const char *name)
{
    char folder[4096] = "the models folder";
    bool is_name = !strchr(name, '/');
    /* The library knows where some of them come from. */
    if (code != OA_ENOTFOUND || !is_name || strstr(oa_error_last(), "openassistant pull"))
        return ui_fail(code, name);
    oa_model_find(NULL, folder, sizeof(folder), NULL);
    if (strcmp(name, CLI_DEFAULT_MODEL) == 0)
        ui_error("the default model %s is not installed: 'openassistant pull smollm2' or "
                 "'sh start.sh' in the source folder gets it, or name another with -m",
                 name);
    else
        ui_error("no file and no installed model is called '%s'; 'openassistant models' lists "
                 "those in %s",
                 name, folder);
    return CLI_FAILED;
}

oa_model *load_model(const cli_args *args, const char *name, uint32_t flags, int *exit_code)
{
    oa_model_opts opts;
    oa_model *model = NULL;
    if (!name) name = CLI_DEFAULT_MODEL;
    *exit_code = load_model_opts(args, flags, &opts);
    if (*exit_code != CLI_OK) return NULL;
    holding = true;
    int rc = oa_model_open(&model, name, &opts);
    ui_progress_clear();
    release_log(rc == OA_OK);
    if (rc == OA_OK) return model;
    *exit_code = load_model_fail(rc, name);
    return NULL;
}

int load_draft(const cli_args *args, oa_session_opts *opts, oa_model **draft)
{
    int code = CLI_OK;
    *draft = NULL;
    if (args->no_draft && args->draft)
        return ui_usage(NULL, "--draft and --no-draft exclude each other");
    if (args->no_draft) opts->flags |= OA_SESSION_NO_DRAFT;
    opts->n_draft = args->n_draft;
    if (args->draft) opts->draft = *draft = load_model(args, args->draft, 0, &code);
    return code;
}

char *load_file(const char *path, size_t *len)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    char *data = NULL;
    size_t cap = 0, n = 0;
    if (!f) {
        ui_error("%s: %s", name, strerror(errno));
        return NULL;
    }
    for (;;) {
        if (cap - n < 2) {
            cap = cap ? cap * 2 : 4096;
            char *grown = cap <= MAX_INPUT ? realloc(data, cap) : NULL;
            if (!grown) {
                ui_error("%s: %s", name, cap > MAX_INPUT ? "more than 256 MB" : "out of memory");
                goto fail;
            }
            data = grown;
        }
        ui_reading(true);
        size_t got = ui_stop_wanted() ? 0 : fread(data + n, 1, cap - n - 1, f);
        ui_reading(false);
        n += got;
        if (got) continue;
        if (ui_stop_wanted()) goto fail;
        if (!ferror(f)) break;
        if (errno != EINTR) {
            ui_error("%s: %s", name, strerror(errno));
            goto fail;
        }
        clearerr(f);
    }
    if (!is_stdin) fclose(f);
    data[n] = 0;
    *len = n;
    return data;
fail:
    if (!is_stdin) fclose(f);
    free(data);
    return NULL;
}

static char *join_words(const cli_args *args, size_t *len)
{
    size_t size = 1;
    for (size_t i = 0; i < args->n_words; i++)
        size += strlen(args->words[i]) + 1;
    char *text = malloc(size), *at = text;
    if (!text) {
        ui_error("out of memory");
        return NULL;
    }
    for (size_t i = 0; i < args->n_words; i++) {
        size_t n = strlen(args->words[i]);
        if (i) *at++ = ' ';
        memcpy(at, args->words[i], n);
        at += n;
    }
    *at = 0;
    *len = (size_t)(at - text);
    return text;
}

char *load_prompt(const cli_args *args, const char *verb, size_t *len, int *exit_code)
{
    const char *path = args->file;
    bool words = args->n_words > 0;
    *exit_code = CLI_FAILED;
    if (args->n_words == 1 && strcmp(args->words[0], "-") == 0) {
        if (path) {
            *exit_code = ui_usage(verb, "both - and --file are given");
            return NULL;
        }
        path = "-";
        words = false;
    } else if (!words && !path) {
        if (ui_is_tty(stdin)) {
            *exit_code = ui_usage(verb, "the text is missing");
            return NULL;
        }
        path = "-";
    }

    char *text = words ? join_words(args, len) : NULL, *file = NULL, *both = NULL;
    size_t file_len = 0;
    if (!path || (words && !text)) return text;
    file = load_file(path, &file_len);
    if (!file && ui_stop_wanted()) *exit_code = ui_stop_code();
    if (!text || !file) {
        *len = file_len;
        free(text);
        return file;
    }
    /* An instruction on the command line, then what it is about. */
    both = malloc(*len + 2 + file_len + 1);
    if (both) {
        memcpy(both, text, *len);
        memcpy(both + *len, "\n\n", 2);
        memcpy(both + *len + 2, file, file_len + 1);
        *len += 2 + file_len;
    } else {
        ui_error("out of memory");
    }
    free(text);
    free(file);
    return both;
}

/* Length of the valid UTF-8 character at s, or 0. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
    static const struct {
        unsigned char lo, hi, lo2, hi2, len;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (s[0] < forms[i].lo || s[0] > forms[i].hi) continue;
        if (forms[i].len == 1) return 1;
        if (n < forms[i].len || s[1] < forms[i].lo2 || s[1] > forms[i].hi2) return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((s[k] & 0xc0) != 0x80) return 0;
        return forms[i].len;
    }
    return 0;
}

int load_lines(const char *path,
               int (*fn)(void *user, const char *line, size_t len, uint64_t number), void *user)
{
    FILE *f = !path || strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *line = NULL;
    size_t cap = 0;
    int code = CLI_OK;
    if (!f) {
        ui_error("%s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    for (uint64_t number = 1; code == CLI_OK && !ui_stop_wanted(); number++) {
        errno = 0;
        ui_reading(true);
        ssize_t n = getline(&line, &cap, f);
        ui_reading(false);
        if (n < 0) {
            if (ferror(f) && errno != EINTR) {
                ui_error("%s: %s", f == stdin ? "standard input" : path, strerror(errno));
                code = CLI_FAILED;
            }
            break;
        }
        code = fn(user, line, (size_t)n, number);
        if (ferror(stdout)) break;
    }
    if (code == CLI_OK && ui_stop_wanted()) code = ui_stop_code();
    if (f != stdin) fclose(f);
    free(line);
    return code;
}

json_t *load_json_text(const char *text, size_t len)
{
    json_t *value = json_stringn(text, len);
    if (value) return value;
    char *clean = malloc(len * 3 + 1);
    size_t n = 0;
    if (!clean) return NULL;
    for (size_t i = 0; i < len;) {
        size_t k = utf8_len((const unsigned char *)text + i, len - i);
        memcpy(clean + n, k ? text + i : "\xef\xbf\xbd", k ? k : 3);
        n += k ? k : 3;
        i += k ? k : 1;
    }
    value = json_stringn(clean, n);
    free(clean);
    return value;
}

int load_print_json(json_t *value, size_t flags)
{
    if (!(flags & JSON_REAL_PRECISION(31))) flags |= JSON_REAL_PRECISION(6);
    int rc = value ? json_dumpf(value, stdout, flags) : -1;
    json_decref(value);
    if (rc == 0 || ferror(stdout)) {
        putchar('\n');
        return CLI_OK;
    }
    ui_error("out of memory");
    return CLI_FAILED;
}

const char *load_size_text(uint64_t size, char buf[32])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double v = (double)size;
    size_t u = 0;
    while (v >= 1000 && u + 1 < sizeof(units) / sizeof(units[0])) {
        v /= 1000;
        u++;
    }
    snprintf(buf, 32, u ? "%.1f %s" : "%.0f %s", v, units[u]);
    return buf;
}

double load_token_rate(uint32_t n_tokens, double seconds)
{
    return n_tokens > 1 && seconds > 0 ? (n_tokens - 1) / seconds : 0;
}

const char *load_finish_text(uint32_t finish)
{
    /* The words of the OpenAI API where it has one. */
    switch (finish) {
    case OA_FINISH_END:
    case OA_FINISH_STOP:
        return "stop";
    case OA_FINISH_LENGTH:
        return "length";
    case OA_FINISH_CANCELLED:
        return "cancelled";
    case OA_FINISH_FULL:
        return "full";
    default:
        return "none";
    }
}

int load_sampling(const oa_model *model, oa_sampler *sampler)
{
    static const char *const pairs[][2] = {
        {"general.sampling.temp", "temperature"},
        {"general.sampling.top_k", "top_k"},
        {"general.sampling.top_p", "top_p"},
        {"general.sampling.min_p", "min_p"},
        {"general.sampling.penalty_repeat", "repeat_penalty"},
        {"general.sampling.penalty_last_n", "repeat_last_n"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[64];
        size_t len;
        int rc = oa_model_copy_meta(model, pairs[i][0], text, sizeof text, &len);
        if (rc == OA_ENOTFOUND) continue;
        if (rc == OA_OK) rc = oa_sampler_set_text(sampler, pairs[i][1], text);
        if (rc < 0) ui_note("the model's %s is not used: %s", pairs[i][0], oa_error_last());
    }
    return OA_OK;
}
