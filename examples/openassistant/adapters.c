/* SPDX-License-Identifier: Apache-2.0 */
/* --adapter PATH[=SCALE]: adapters for the session of a verb. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

char *adapters_split(const char *text, float *scale)
{
    size_t len = strlen(text);
    const char *equals = strrchr(text, '=');
    json_t *v = equals ? json_loads(equals + 1, JSON_DECODE_ANY, NULL) : NULL;
    *scale = 1;
    if (json_is_number(v)) {
        *scale = (float)json_number_value(v);
        len = (size_t)(equals - text);
    }
    json_decref(v);
    return strndup(text, len);
}

int adapters_open(cli_adapters *set, const cli_args *args, oa_model *model)
{
    set->list = calloc(args->adapters.n + 1, sizeof(*set->list));
    set->scales = calloc(args->adapters.n + 1, sizeof(*set->scales));
    if (!set->list || !set->scales) {
        ui_error("out of memory");
        return CLI_FAILED;
    }
    for (size_t i = 0; i < args->adapters.n; i++) {
        char *path = adapters_split(args->adapters.data[i], &set->scales[i]);
        if (!path) {
            ui_error("out of memory");
            return CLI_FAILED;
        }
        const int rc = oa_adapter_open(&set->list[i], model, path);
        const int code = rc < 0 ? ui_fail(rc, path) : CLI_OK;
        free(path);
        if (code != CLI_OK) return code;
        set->n++;
    }
    return CLI_OK;
}

void adapters_use(const cli_adapters *set, oa_session_opts *opts)
{
    opts->adapters = set->list;
    opts->adapter_scales = set->scales;
    opts->n_adapters = set->n;
}

void adapters_close(cli_adapters *set)
{
    for (size_t i = 0; i < set->n; i++)
        oa_adapter_free(set->list[i]);
    free(set->list);
    free(set->scales);
    *set = (cli_adapters){0};
}
