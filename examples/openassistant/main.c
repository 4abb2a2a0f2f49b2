/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant: the command line over libopenassistant. This file picks the verb. */
#include <locale.h>
#include <string.h>

#include "cli.h"

const cli_verb cli_verbs[] = {
    {"chat", CLI_CHAT, "[OPTION]...", "talk with a model", verb_chat},
    {"run", CLI_RUN, "[OPTION]... [PROMPT | -]", "answer one prompt", verb_run},
    {"info", CLI_INFO, "[OPTION]... [MODEL]", "tell what a model file is and needs", verb_info},
    {"tokenize", CLI_TOKENIZE, "[OPTION]... [TEXT | -]", "turn text into token ids, or back",
     verb_tokenize},
    {"pull", CLI_PULL, "[OPTION]... NAME", "get a model or a data set from the hub", verb_pull},
    {"models", CLI_MODELS,
     "[OPTION]... [list | known | remove NAME... | verify [NAME...] | licence NAME]",
     "list, check or remove what is installed", verb_models},
    {"bench", CLI_BENCH, "[OPTION]...", "measure speed beside what the machine can do", verb_bench},
    {"convert", CLI_CONVERT, "[OPTION]... MODEL OUT.gguf", "write a model as one GGUF file",
     verb_convert},
    {"quantize", CLI_QUANTIZE, "[OPTION]... MODEL OUT.gguf TYPE",
     "write a model file of a smaller type", verb_quantize},
    {"merge", CLI_MERGE, "[OPTION]... --adapter PATH[=SCALE] MODEL OUT.gguf",
     "write a model file with adapters made part of it", verb_merge},
    {"pack", CLI_PACK, "[OPTION]... MODEL OUT.gguf",
     "write a model file that opens at once and is shared", verb_pack},
    {"perplexity", CLI_PERPLEXITY, "[OPTION]... FILE", "measure how well a model predicts a text",
     verb_perplexity},
    {"embed", CLI_EMBED, "[OPTION]... [TEXT... | -]", "turn texts into vectors", verb_embed},
};
const size_t cli_n_verbs = sizeof(cli_verbs) / sizeof(cli_verbs[0]);

static const cli_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < cli_n_verbs; i++)
        if (strcmp(cli_verbs[i].name, name) == 0) return &cli_verbs[i];
    return NULL;
}

static void print_help(FILE *out)
{
    fprintf(out, "Usage: openassistant VERB [OPTION]...\n"
                 "An assistant that runs on this machine, offline.\n\n");
    for (size_t i = 0; i < cli_n_verbs; i++)
        fprintf(out, "  %-10s %s\n", cli_verbs[i].name, cli_verbs[i].summary);
    fprintf(out, "  %-10s %s\n", "help", "this text, or that of a verb: openassistant help VERB");
    fprintf(out,
            "\n  --version  print the version\n"
            "  --help     print this text\n\n"
            "-m takes the path of a GGUF file or the name of an installed model; without it\n"
            "the model is %s.\n\n"
            "Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong\n"
            "command line, 130 ended by Ctrl-C, 141 the reader of the output went away.\n",
            CLI_DEFAULT_MODEL);
}

static int verb_help(int argc, char **argv)
{
    /* "help --words [VERB]" is for the completion script and the tests. */
    if (argc > 0 && strcmp(argv[0], "--words") == 0) {
        const cli_verb *verb = argc > 1 ? find_verb(argv[1]) : NULL;
        if (verb) {
            args_print_words(verb, stdout);
        } else {
            for (size_t i = 0; i < cli_n_verbs; i++)
                puts(cli_verbs[i].name);
            puts("help\n--help\n--version");
        }
        return CLI_OK;
    }
    if (argc == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    const cli_verb *verb = find_verb(argv[0]);
    if (!verb) return ui_usage(NULL, "no verb '%s'", argv[0]);
    args_print_help(verb, stdout);
    return CLI_OK;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) return ui_usage(NULL, "a verb is missing");
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) {
        printf("openassistant %s\n", oa_version());
        return CLI_OK;
    }
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return verb_help(argc - 2, argv + 2);
    const cli_verb *verb = find_verb(word);
    if (!verb) return ui_usage(NULL, "no verb '%s'", word);

    cli_args args;
    int code = args_parse(&args, verb, argc - 2, argv + 2);
    if (code == CLI_OK) {
        if (args.help) {
            args_print_help(verb, stdout);
        } else {
            ui_set_quiet(args.quiet);
            code = verb->run(&args);
        }
    }
    args_free(&args);
    return code;
}

int main(int argc, char **argv)
{
    /* Only the character type: numbers are read and written the same everywhere. */
    if (!setlocale(LC_CTYPE, "") || strcmp(setlocale(LC_CTYPE, NULL), "C") == 0 ||
        strcmp(setlocale(LC_CTYPE, NULL), "POSIX") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    ui_init();
    return ui_close_output(dispatch(argc, argv));
}
