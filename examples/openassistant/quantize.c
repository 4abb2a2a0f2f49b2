/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant quantize: a model file of a smaller type. */
#include "cli.h"

int verb_quantize(cli_args *args)
{
    if (args->n_words != 3)
        return ui_usage("quantize",
                        "found %zu arguments, want a model, the file to write and a type",
                        args->n_words);
    if (!convert_check_type(args->words[2]))
        return ui_usage("quantize", "found type '%s', 'openassistant help quantize' lists them",
                        args->words[2]);
    return convert_run(args, args->words[0], args->words[1], args->words[2], 0);
}

void quantize_print_types(FILE *out)
{
    const char *name, *help;
    fprintf(out, "\nTypes, in ascending order of size:\n");
    for (size_t i = 0; oa_convert_get_type(i, &name, &help) == OA_OK; i++)
        fprintf(out, "  %-25s %s\n", name, help);
}
