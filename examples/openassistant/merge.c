/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant merge: a model file with adapters made part of it. */
#include "cli.h"

int verb_merge(cli_args *args)
{
    if (args->n_words != 2)
        return ui_usage("merge", "found %zu arguments, want a model and the file to write",
                        args->n_words);
    if (!args->adapters.n) return ui_usage("merge", "no --adapter is given");
    if (args->type && !convert_check_type(args->type))
        return ui_usage("merge", "--type: found '%s', 'openassistant help quantize' lists them",
                        args->type);
    return convert_run(args, args->words[0], args->words[1], args->type, 0);
}
