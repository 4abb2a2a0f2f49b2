/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant pack: a model file that is used where it is mapped. */
#include "cli.h"

int verb_pack(cli_args *args)
{
    if (args->n_words != 2)
        return ui_usage("pack", "found %zu arguments, want a model and the file to write",
                        args->n_words);
    if (args->type && !convert_check_type(args->type))
        return ui_usage("pack", "--type: found '%s', 'openassistant help quantize' lists them",
                        args->type);
    return convert_run(args, args->words[0], args->words[1], args->type, OA_CONVERT_PACK);
}
