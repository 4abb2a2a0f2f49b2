/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table that all verbs share, and its reader. Parameters of the sampler are not in
 * the table: they come from oa_sampler_get_param(), so a new one is an option at once.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum kind { SWITCH, TEXT, TEXTS, COUNT, SIZE };

typedef struct option {
    const char *name;
    char letter; /* 0 = none */
    enum kind kind;
    size_t offset; /* in cli_args */
    unsigned verbs;
    const char *value; /* what the help calls it */
    const char *help;
} option;

#define AT(field) offsetof(cli_args, field)
#define LOADS (CLI_CHAT | CLI_RUN | CLI_BENCH | CLI_PERPLEXITY | CLI_EMBED)
#define SPEAKS (CLI_CHAT | CLI_RUN)
#define WRITES (CLI_CONVERT | CLI_QUANTIZE | CLI_MERGE | CLI_PACK)
#define ALL (LOADS | CLI_INFO | CLI_TOKENIZE | CLI_MODELS | WRITES | CLI_PULL)

static const option options[] = {
    {"model", 'm', TEXTS, AT(models), CLI_BENCH, "MODEL",
     "GGUF file, Hugging Face folder, or name of an installed model; may be given several times"},
    {"model", 'm', TEXT, AT(model), (LOADS & ~CLI_BENCH) | CLI_INFO | CLI_TOKENIZE, "MODEL",
     "GGUF file, Hugging Face folder, or name of an installed model"},
    {"tokenizer", 0, TEXT, AT(tokenizer), CLI_TOKENIZE, "FILE",
     "GGUF file whose vocabulary to use; it needs no weights"},
    {"file", 'f', TEXT, AT(file), CLI_RUN | CLI_TOKENIZE | CLI_EMBED, "FILE",
     "read the text from a file; - is standard input"},
    {"load", 0, TEXT, AT(load), CLI_CHAT, "FILE", "go on with a chat that /save wrote"},
    {"adapter", 0, TEXTS, AT(adapters), SPEAKS | CLI_MERGE, "PATH[=SCALE]",
     "LoRA adapter, a GGUF file or a PEFT folder; may be given several times"},
    {"draft", 0, TEXT, AT(draft), SPEAKS, "MODEL",
     "small model of the same vocabulary that guesses ahead; the answers are the same"},
    {"draft-max", 0, COUNT, AT(n_draft), SPEAKS, "N",
     "most tokens guessed ahead; 0 = what pays, at most 15"},
    {"no-draft", 0, SWITCH, AT(no_draft), SPEAKS, NULL,
     "guess no tokens ahead, also not from what was said before"},
    {"system", 0, TEXT, AT(system), SPEAKS, "TEXT", "system text: how the assistant should be"},
    {"template", 0, TEXT, AT(template_name), SPEAKS, "NAME",
     "chat template in place of the model's: oasst oasst-v2 chatml llama-2 ..."},
    {"template-file", 0, TEXT, AT(template_file), SPEAKS, "FILE", "Jinja chat template to use"},
    {"raw", 0, SWITCH, AT(raw), CLI_RUN, NULL,
     "continue the prompt as it stands, without a chat template"},
    {"no-bos", 0, SWITCH, AT(no_bos), CLI_RUN | CLI_TOKENIZE, NULL,
     "no beginning-of-sequence token (with --raw; default of tokenize)"},
    {"bos", 0, SWITCH, AT(bos), CLI_TOKENIZE, NULL,
     "add beginning and end tokens where the model wants them"},
    {"special", 0, SWITCH, AT(special), CLI_TOKENIZE, NULL,
     "text that spells a special token is that token; with --decode, write them"},
    {"decode", 0, SWITCH, AT(decode), CLI_TOKENIZE, NULL, "turn ids into text instead"},
    {"cut", 0, SWITCH, AT(cut), CLI_CHAT, NULL,
     "when the context is full, cut the oldest tokens instead of whole turns"},
    {"max-tokens", 'n', COUNT, AT(max_tokens), SPEAKS, "N",
     "most tokens of one answer; 0 = until it ends"},
    {"stop", 0, TEXTS, AT(stops), CLI_RUN, "TEXT",
     "end the answer before this text; may be given several times"},
    {"ignore-end", 0, SWITCH, AT(ignore_end), CLI_RUN, NULL, "go on past the model's end tokens"},
    {"ctx", 0, COUNT, AT(n_ctx), SPEAKS | CLI_INFO | CLI_BENCH | CLI_PERPLEXITY | CLI_EMBED, "N",
     "context in tokens; 0 = what the model was trained for (perplexity: 512)"},
    {"kv", 0, TEXT, AT(kv_type), LOADS | CLI_INFO, "TYPE", "cache of f16 (default), f32 or q8"},
    {"prompt", 'p', COUNT, AT(n_prompt), CLI_BENCH, "N",
     "tokens of the prompt to read; default 512"},
    {"tokens", 'n', COUNT, AT(n_tokens), CLI_BENCH, "N", "tokens to generate; default 64"},
    {"batch", 'b', TEXT, AT(batch_list), CLI_BENCH, "N,...",
     "sizes of batches of sessions that generate together; 0 = none, default 8,16"},
    {"long", 'l', TEXT, AT(long_list), CLI_BENCH, "N",
     "tokens of a long prompt; 0 = none, default four times that of -p"},
    {"runs", 'r', COUNT, AT(n_runs), CLI_BENCH, "N", "passes to take the median of; default 5"},
    {"vs", 0, TEXT, AT(vs), CLI_BENCH, "PROGRAM",
     "a peer's llama-bench, run once in every pass; ratios are told"},
    {"stride", 0, COUNT, AT(stride), CLI_PERPLEXITY, "N",
     "tokens between the beginnings of overlapping windows; 0 = side by side"},
    {"windows", 0, COUNT, AT(n_windows), CLI_PERPLEXITY, "N", "windows to look at; 0 = all"},
    {"steps", 0, SWITCH, AT(steps), CLI_PERPLEXITY, NULL,
     "compute token by token; the result is the same"},
    {"pooling", 0, TEXT, AT(pooling), CLI_EMBED, "KIND",
     "mean of all tokens (default), last token, or cls, the first"},
    {"no-normalize", 0, SWITCH, AT(no_normalize), CLI_EMBED, NULL,
     "vectors as they come, not of length 1"},
    {"classify", 0, SWITCH, AT(classify), CLI_EMBED, NULL,
     "scores instead of vectors, by the head that the model carries"},
    {"head", 0, TEXT, AT(head), CLI_EMBED, "FILE", "the same, by the head in a file"},
    {"function", 0, TEXT, AT(function), CLI_EMBED, "NAME",
     "what scores go through: none, sigmoid or softmax; default: as the head says"},
    {"pair", 0, SWITCH, AT(pair), CLI_EMBED, NULL,
     "two texts make one, as rerankers want a question and a passage"},
    {"type", 0, TEXT, AT(type), CLI_CONVERT | CLI_MERGE | CLI_PACK, "TYPE",
     "type of the matrices, as quantize takes it; without it each stays as it is"},
    {"pure", 0, SWITCH, AT(pure), CLI_CONVERT | CLI_QUANTIZE, NULL,
     "the type for every matrix, none of them larger"},
    {"threads", 't', COUNT, AT(n_threads), LOADS | WRITES, "N",
     "threads that work; 0 = one per core"},
    {"cpu", 0, TEXT, AT(cpu), LOADS, "TIER",
     "c, avx2, avx512vnni, neon or dotprod; the answers are the same, default the widest"},
    {"memory-limit", 0, SIZE, AT(memory_limit), LOADS | CLI_TOKENIZE, "SIZE",
     "refuse to use more memory than this, for example 500M or 2G"},
    {"no-mmap", 0, SWITCH, AT(no_mmap), LOADS | CLI_TOKENIZE | WRITES, NULL,
     "read the model file instead of mapping it"},
    {"metadata", 0, SWITCH, AT(metadata), CLI_INFO, NULL, "list every metadata entry too"},
    {"dataset", 0, SWITCH, AT(dataset), CLI_PULL | CLI_MODELS, NULL, "a data set, not a model"},
    {"revision", 0, TEXT, AT(revision), CLI_PULL, "REVISION",
     "branch, tag or commit; by default the newest"},
    {"json", 0, SWITCH, AT(json),
     CLI_RUN | CLI_INFO | CLI_TOKENIZE | CLI_MODELS | CLI_BENCH | CLI_PERPLEXITY | WRITES |
         CLI_PULL | CLI_EMBED,
     NULL, "print JSON"},
    {"jsonl", 0, SWITCH, AT(jsonl), CLI_TOKENIZE | CLI_EMBED, NULL,
     "one JSON string per line in, one JSON array per line out"},
    {"quiet", 'q', SWITCH, AT(quiet), ALL, NULL, "no progress and no remarks"},
    {"verbose", 'v', SWITCH, AT(verbose), ALL, NULL, "say on standard error what is done"},
    {"help", 'h', SWITCH, AT(help), ALL, NULL, "print this text"},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* "top_k" <-> "top-k" */
static char *swap_char(const char *text, char from, char to)
{
    char *s = strdup(text);
    for (char *c = s; c && *c; c++)
        if (*c == from) *c = to;
    return s;
}

static bool is_param(const char *key)
{
    oa_param p = OA_PARAM_INIT;
    for (size_t i = 0; oa_sampler_get_param(i, &p) == OA_OK; i++)
        if (strcmp(p.key, key) == 0) return true;
    return false;
}

static bool read_number(const char *text, uint64_t max, bool suffix, uint64_t *out)
{
    uint64_t n = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        if (n > (UINT64_MAX - 9) / 10) return false;
        n = n * 10 + (uint64_t)(*c - '0');
    }
    if (c == text) return false;
    if (suffix && *c) {
        static const char letters[] = "KMGT";
        const char *l = strchr(letters, *c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        if (!l) return false;
        unsigned shift = 10 * (unsigned)(l - letters + 1);
        if (n > UINT64_MAX >> shift) return false;
        n <<= shift;
        c++;
    }
    if (*c || n > max) return false;
    *out = n;
    return true;
}

static int store(cli_args *args, const cli_verb *verb, const option *o, const char *value)
{
    void *at = (char *)args + o->offset;
    uint64_t n;
    switch (o->kind) {
    case SWITCH:
        *(bool *)at = true;
        break;
    case TEXT:
        *(const char **)at = value;
        break;
    case TEXTS:
        if (!*value) return ui_usage(verb->name, "--%s: found an empty text", o->name);
        ((cli_texts *)at)->data[((cli_texts *)at)->n++] = value;
        break;
    case COUNT:
        if (!read_number(value, INT32_MAX, false, &n))
            return ui_usage(verb->name, "--%s: found '%s', want a whole number from 0 to %d",
                            o->name, value, INT32_MAX);
        *(uint32_t *)at = (uint32_t)n;
        break;
    case SIZE:
        if (!read_number(value, UINT64_MAX, true, &n))
            return ui_usage(verb->name, "--%s: found '%s', want a size like 500M or 2G", o->name,
                            value);
        *(uint64_t *)at = n;
        break;
    }
    return CLI_OK;
}

static const option *find_option(const cli_verb *verb, const char *name, size_t len, char letter)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const option *o = &options[i];
        if (!(o->verbs & verb->bit)) continue;
        if (letter ? o->letter == letter
                   : strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

static int parse_one(cli_args *args, const cli_verb *verb, int argc, char **argv, int *i)
{
    char *word = argv[*i];
    const char *value = NULL;
    const option *o;
    char *key = NULL;
    int code = CLI_OK;
    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "=");
        if (word[2 + len]) value = word + 2 + len + 1;
        o = find_option(verb, word + 2, len, 0);
        if (!o && (verb->bit & SPEAKS)) {
            char *name = strndup(word + 2, len);
            key = name ? swap_char(name, '-', '_') : NULL;
            /* The name is given with dashes only, so that each option has one spelling. */
            if (!key || strchr(name, '_') || !is_param(key)) {
                free(key);
                key = NULL;
            }
            free(name);
        }
        if (!o && !key) return ui_usage(verb->name, "no option '%.*s'", (int)(2 + len), word);
    } else {
        o = find_option(verb, NULL, 0, word[1]);
        if (!o) return ui_usage(verb->name, "no option '-%c'", word[1]);
        if (word[2]) value = word + 2;
    }
    int name_len = (int)(word[1] == '-' ? 2 + strcspn(word + 2, "=") : 2);
    if (o && o->kind == SWITCH && value)
        return ui_usage(verb->name, "option '%.*s' takes no value", name_len, word);
    if ((!o || o->kind != SWITCH) && !value) {
        if (*i + 1 >= argc) {
            free(key);
            return ui_usage(verb->name, "option '%.*s' wants a value", name_len, word);
        }
        value = argv[++*i];
    }
    if (o) {
        code = store(args, verb, o, value);
    } else {
        args->params[args->n_params].key = key;
        args->params[args->n_params++].text = value;
    }
    return code;
}

/* Try the sampler's options now, so that a bad one is told before a model is loaded. */
static int check_params(const cli_args *args, const cli_verb *verb)
{
    oa_sampler *sampler = NULL;
    int code = CLI_OK;
    if (!args->n_params) return CLI_OK;
    int rc = oa_sampler_new(&sampler, NULL);
    if (rc < 0) return ui_fail(rc, NULL);
    for (size_t i = 0; i < args->n_params && code == CLI_OK; i++) {
        if (oa_sampler_set_text(sampler, args->params[i].key, args->params[i].text) == OA_OK)
            continue;
        char *reason = strdup(oa_error_last());
        code = ui_usage(verb->name, "%s", reason ? reason : "out of memory");
        free(reason);
    }
    oa_sampler_free(sampler);
    return code;
}

int args_parse(cli_args *args, const cli_verb *verb, int argc, char **argv)
{
    *args = (cli_args){0};
    size_t n = (size_t)argc + 1;
    args->words = calloc(n, sizeof(*args->words));
    args->stops.data = calloc(n, sizeof(*args->stops.data));
    args->adapters.data = calloc(n, sizeof(*args->adapters.data));
    args->models.data = calloc(n, sizeof(*args->models.data));
    args->params = calloc(n, sizeof(*args->params));
    if (!args->words || !args->stops.data || !args->adapters.data || !args->models.data ||
        !args->params) {
        ui_error("out of memory");
        return CLI_FAILED;
    }
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (only_words || argv[i][0] != '-' || !argv[i][1]) {
            args->words[args->n_words++] = argv[i];
        } else {
            int code = parse_one(args, verb, argc, argv, &i);
            if (code != CLI_OK) return code;
        }
    }
    /* Words that stand for something are checked now, too. */
    oa_model_opts opts;
    uint32_t kv_type;
    int code = load_model_opts(args, 0, &opts);
    if (code == CLI_OK) code = load_kv_type(args, &kv_type);
    return code == CLI_OK ? check_params(args, verb) : code;
}

void args_free(cli_args *args)
{
    for (size_t i = 0; i < args->n_params; i++)
        free(args->params[i].key);
    free(args->params);
    free(args->words);
    free(args->stops.data);
    free(args->adapters.data);
    free(args->models.data);
    *args = (cli_args){0};
}

int args_apply_params(const cli_args *args, oa_sampler *sampler)
{
    for (size_t i = 0; i < args->n_params; i++) {
        int rc = oa_sampler_set_text(sampler, args->params[i].key, args->params[i].text);
        if (rc < 0) return rc;
    }
    return OA_OK;
}

static void print_option(FILE *out, char letter, const char *name, const char *value,
                         const char *help)
{
    char head[64];
    int n = letter ? snprintf(head, sizeof(head), "-%c, --%s", letter, name)
                   : snprintf(head, sizeof(head), "    --%s", name);
    if (value && n > 0 && (size_t)n < sizeof(head))
        snprintf(head + n, sizeof(head) - (size_t)n, " %s", value);
    if (strlen(head) > 25)
        fprintf(out, "  %s\n  %-25s %s", head, "", help);
    else
        fprintf(out, "  %-25s %s", head, help);
}

void args_print_help(const cli_verb *verb, FILE *out)
{
    fprintf(out, "Usage: openassistant %s %s\n", verb->name, verb->synopsis);
    fprintf(out, "%c%s.\n\n", verb->summary[0] - 32, verb->summary + 1);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const option *o = &options[i];
        if (!(o->verbs & verb->bit)) continue;
        print_option(out, o->letter, o->name, o->value, o->help);
        fputc('\n', out);
    }
    if (verb->bit == CLI_QUANTIZE) quantize_print_types(out);
    if (!(verb->bit & SPEAKS)) return;
    fprintf(out, "\nHow a token is picked:\n");
    oa_param p = OA_PARAM_INIT;
    for (size_t i = 0; oa_sampler_get_param(i, &p) == OA_OK; i++) {
        char *name = swap_char(p.key, '_', '-');
        if (!name) return;
        print_option(out, 0, name, p.type == OA_PARAM_TEXT ? "TEXT" : "N", p.help);
        size_t len = p.default_text ? strlen(p.default_text) : 0;
        if (len && len < 20) fprintf(out, " (%s)", p.default_text);
        fputc('\n', out);
        free(name);
    }
}

void args_print_words(const cli_verb *verb, FILE *out)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const option *o = &options[i];
        if (!(o->verbs & verb->bit)) continue;
        fprintf(out, "--%s\n", o->name);
        if (o->letter) fprintf(out, "-%c\n", o->letter);
    }
    oa_param p = OA_PARAM_INIT;
    for (size_t i = 0; (verb->bit & SPEAKS) && oa_sampler_get_param(i, &p) == OA_OK; i++) {
        char *name = swap_char(p.key, '_', '-');
        if (name) fprintf(out, "--%s\n", name);
        free(name);
    }
}
