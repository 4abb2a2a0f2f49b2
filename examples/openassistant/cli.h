/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the openassistant command share. The command uses nothing of the library but
 * its public headers.
 *
 * Exit codes, the same for every verb:
 *   0    done
 *   1    a file, a model or the machine would not do it; one line on standard error says why
 *   2    the command line was wrong; one line on standard error says how
 *   130  ended by Ctrl-C (128 + SIGINT), 143 by SIGTERM, 129 by SIGHUP
 *   141  whoever read the output went away (128 + SIGPIPE)
 */
#ifndef OPENASSISTANT_CLI_H
#define OPENASSISTANT_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>
#include <openassistant/openassistant.h>

#define CLI_DEFAULT_MODEL "SmolLM2-135M-Instruct.Q4_1"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_PIPE = 141 };

/* --- args.c: one option table for all verbs --------------------------------------------------- */

enum cli_verb_bit {
    CLI_CHAT = 1 << 0,
    CLI_RUN = 1 << 1,
    CLI_INFO = 1 << 2,
    CLI_TOKENIZE = 1 << 3,
    CLI_MODELS = 1 << 4,
    CLI_BENCH = 1 << 5,
    CLI_CONVERT = 1 << 6,
    CLI_QUANTIZE = 1 << 7,
    CLI_PERPLEXITY = 1 << 8,
    CLI_PULL = 1 << 9,
    CLI_MERGE = 1 << 10,
    CLI_EMBED = 1 << 11,
    CLI_PACK = 1 << 12
};

/* A sampler parameter given as an option. */
typedef struct cli_param {
    char *key;
    const char *text;
} cli_param;

/* An option given several times. */
typedef struct cli_texts {
    const char **data;
    size_t n;
} cli_texts;

/* Everything that options can say; zero is "not given". Texts point into argv. */
typedef struct cli_args {
    const char *model, *tokenizer, *file, *system, *template_name, *template_file, *cpu, *kv_type,
        *load, *type, *revision, *pooling, *head, *function, *draft, *batch_list, *long_list, *vs;
    cli_texts stops, adapters, models;
    uint32_t n_threads, n_ctx, max_tokens, n_prompt, n_tokens, n_runs, stride, n_windows, n_draft;
    uint64_t memory_limit;
    bool json, jsonl, raw, cut, special, bos, no_bos, decode, no_mmap, ignore_end, quiet, verbose,
        metadata, pure, steps, dataset, no_normalize, classify, pair, no_draft, help;
    const char **words; /* arguments that are no options */
    size_t n_words;
    cli_param *params;
    size_t n_params;
} cli_args;

typedef struct cli_verb {
    const char *name;
    unsigned bit;
    const char *synopsis; /* after the name */
    const char *summary;
    int (*run)(cli_args *args);
} cli_verb;

extern const cli_verb cli_verbs[];
extern const size_t cli_n_verbs;

/* Read the arguments behind the verb. CLI_OK, or CLI_USAGE with the reason said. */
int args_parse(cli_args *args, const cli_verb *verb, int argc, char **argv);
void args_free(cli_args *args);
void args_print_help(const cli_verb *verb, FILE *out);
/* One option name per line ("--model", "-m"), for completion and tests. */
void args_print_words(const cli_verb *verb, FILE *out);
/* Set a sampler as the options say. */
int args_apply_params(const cli_args *args, oa_sampler *sampler);

/* --- ui.c: messages, signals, progress, output ------------------------------------------------ */

void ui_init(void);
/* One line on standard error: "openassistant: ..."; control characters become '?'. */
void ui_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ui_note(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* dim, no prefix */
/* Say why a call into the library failed, about `what` (may be NULL). Returns the exit code. */
int ui_fail(int code, const char *what);
int ui_usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool ui_colour(void); /* standard output takes colour */
bool ui_is_tty(FILE *f);
void ui_set_quiet(bool quiet); /* no progress, no notes */

/* Signals: how often Ctrl-C was pressed since the last ui_forget_interrupts(). */
int ui_interrupts(void);
void ui_forget_interrupts(void);
bool ui_terminated(void);   /* SIGTERM or SIGHUP came */
bool ui_stop_wanted(void);  /* any of them */
int ui_stop_code(void);     /* the exit code that tells so */
void ui_reading(bool on);   /* signals break off calls that wait, from now on or no longer */
bool ui_take_resumed(void); /* SIGCONT came since the last call */
bool ui_take_resized(void); /* SIGWINCH came since the last call */

/* oa_progress_fn: a bar on standard error when it is a terminal and the work takes a while. */
int ui_progress(const char *what, uint64_t done, uint64_t total, void *user);
void ui_progress_clear(void);
/* A line of one's own in the place of that bar. */
void ui_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* oa_text_fn: write to standard output at once. On a terminal, control characters that a model
 * might send to it are left out. */
int ui_text(const char *text, size_t text_len, void *user);
bool ui_text_at_line_start(void);
/* A part of a line on standard output; control characters become spaces, since files and their
 * names can carry anything. */
void ui_put_line(const char *text, size_t text_len);
void ui_text_end(void); /* finish the line if one was begun */
/* Flush standard output; CLI_OK, CLI_PIPE, or CLI_FAILED with the reason said. */
int ui_close_output(int code);
double ui_now(void); /* seconds */

/* --- load.c: models, samplers, prompts -------------------------------------------------------- */

/* Open the model that the options name; says why not. *exit_code is set on failure. */
oa_model *load_model(const cli_args *args, const char *name, uint32_t flags, int *exit_code);
/* Fill options of oa_model_open() from the command line; CLI_USAGE with the reason said. */
int load_model_opts(const cli_args *args, uint32_t flags, oa_model_opts *opts);
/* Say why a model could not be opened or inspected. */
int load_model_fail(int code, const char *name);
/* Give a sampler the values that the model's metadata names; those that it can't take are noted. */
int load_sampling(const oa_model *model, oa_sampler *sampler);
int load_kv_type(const cli_args *args, uint32_t *kv_type);
/* What the options say of guessing ahead; the draft model, to be freed, belongs to the caller. */
int load_draft(const cli_args *args, oa_session_opts *opts, oa_model **draft);
/* Read a whole file, "-" is standard input; NUL added; NULL when it said why not. */
char *load_file(const char *path, size_t *len);
/* The prompt or text that words, -f and standard input make up together; free it. */
char *load_prompt(const cli_args *args, const char *verb, size_t *len, int *exit_code);
/* Call fn with each line of a file, counted from 1, until it gives no CLI_OK or a signal comes;
 * path NULL or "-" is standard input. The exit code. */
int load_lines(const char *path,
               int (*fn)(void *user, const char *line, size_t len, uint64_t number), void *user);
/* A JSON string from any bytes: what is no UTF-8 becomes U+FFFD. */
json_t *load_json_text(const char *text, size_t len);
int load_print_json(json_t *value, size_t flags); /* prints, frees; exit code */
/* Bytes as "98.4 MB". */
const char *load_size_text(uint64_t size, char buf[32]);
const char *load_finish_text(uint32_t finish);
/* Tokens per second of an answer. Its first token is picked from what the prompt computed. */
double load_token_rate(uint32_t n_tokens, double seconds);

/* --- adapters.c ------------------------------------------------------------------------------- */

typedef struct cli_adapters {
    oa_adapter **list; /* (n) */
    float *scales;     /* (n) */
    size_t n;
} cli_adapters;

/* The path of PATH[=SCALE], to be freed, and the number behind the last '=', when it is one; else
 * 1. NULL without memory. */
char *adapters_split(const char *text, float *scale);
/* Open what the options name, for sessions of the model; exit code. Close it in any case. */
int adapters_open(cli_adapters *set, const cli_args *args, oa_model *model);
void adapters_use(const cli_adapters *set, oa_session_opts *opts); /* while set is there */
void adapters_close(cli_adapters *set);

/* --- scores.c --------------------------------------------------------------------------------- */

typedef struct cli_scores {
    oa_head *head; /* NULL = none was asked for */
    oa_head_info info;
    uint32_t function;   /* enum oa_head_function that is used */
    float *values;       /* (n_scores) */
    const float **order; /* (n_scores) into values, the largest first */
} cli_scores;

int scores_check(const cli_args *args); /* CLI_OK, or CLI_USAGE with the reason said */
/* Open the head that the options name, if any; exit code. Close it in any case. */
int scores_open(cli_scores *s, const cli_args *args, oa_model *model);
void scores_close(cli_scores *s);
int scores_compute(cli_scores *s, const float *vector, size_t d_model); /* an oa_error */
const char *scores_function(const cli_scores *s);
/* The scores that were computed last, the largest first: a list of labels and scores, or a line. */
json_t *scores_to_json(const cli_scores *s);
void scores_print(const cli_scores *s);

/* --- pull.c ----------------------------------------------------------------------------------- */

/* What is installed (flags of oa_hub_opts), parsed; NULL with *rc on failure. */
json_t *hub_installed(uint32_t flags, int *rc);

/* --- verbs ------------------------------------------------------------------------------------ */

int verb_chat(cli_args *args);
int verb_run(cli_args *args);
int verb_info(cli_args *args);
int verb_tokenize(cli_args *args);
int verb_models(cli_args *args);
int verb_bench(cli_args *args);
int verb_pull(cli_args *args);
int verb_convert(cli_args *args);
int verb_quantize(cli_args *args);
int verb_merge(cli_args *args);
int verb_pack(cli_args *args);
int verb_perplexity(cli_args *args);
int verb_embed(cli_args *args);

/* Write `in` to `out` with matrices of `type` (NULL = as they are); exit code. flags are those of
 * oa_convert() that the verb stands for. */
int convert_run(const cli_args *args, const char *in, const char *out, const char *type,
                uint32_t flags);
bool convert_check_type(const char *type); /* it is one */
void quantize_print_types(FILE *out);      /* for the help text */

#endif
