/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of texts by a head, for embed: those of a file, or of a model that classifies. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char *const functions[] = {
    [OA_HEAD_NONE] = "none", [OA_HEAD_SIGMOID] = "sigmoid", [OA_HEAD_SOFTMAX] = "softmax"};
enum { N_FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

int scores_check(const cli_args *args)
{
    if (args->head && args->classify)
        return ui_usage("embed", "both --head and --classify are given");
    if (!args->head && !args->classify)
        return args->function ? ui_usage("embed", "--function wants --head or --classify") : CLI_OK;
    if (args->pooling || args->no_normalize)
        return ui_usage("embed", "%s: the head says what it is given",
                        args->pooling ? "--pooling" : "--no-normalize");
    for (size_t i = 0; args->function && i <= N_FUNCTIONS; i++) {
        if (i == N_FUNCTIONS)
            return ui_usage("embed", "--function: found '%s', want none, sigmoid or softmax",
                            args->function);
        if (strcmp(args->function, functions[i]) == 0) break;
    }
    return CLI_OK;
}

int scores_open(cli_scores *s, const cli_args *args, oa_model *model)
{
    s->info = (oa_head_info)OA_HEAD_INFO_INIT;
    if (!args->head && !args->classify) return CLI_OK;
    int rc = oa_head_open(&s->head, model, args->head);
    if (rc == OA_OK) rc = oa_head_get_info(s->head, &s->info);
    if (rc < 0) return ui_fail(rc, NULL);
    s->function = s->info.function;
    for (uint32_t i = 0; args->function && i < N_FUNCTIONS; i++)
        if (strcmp(args->function, functions[i]) == 0) s->function = i;
    s->values = calloc(s->info.n_scores, sizeof(*s->values));
    s->order = calloc(s->info.n_scores, sizeof(*s->order));
    return s->values && s->order ? CLI_OK : ui_fail(OA_ENOMEM, NULL);
}

void scores_close(cli_scores *s)
{
    free(s->values);
    free(s->order);
    oa_head_free(s->head);
}

const char *scores_function(const cli_scores *s)
{
    return functions[s->function];
}

static int compare(const void *a, const void *b)
{
    const float *x = *(const float *const *)a, *y = *(const float *const *)b;
    return *x != *y ? (*x < *y) - (*x > *y) : (x > y) - (x < y);
}

/* The largest first; of equal ones, in the head's order. */
int scores_compute(cli_scores *s, const float *vector, size_t d_model)
{
    const size_t n = s->info.n_scores;
    int rc = oa_head_apply(s->head, vector, d_model, s->values, n);
    if (rc == OA_OK) rc = oa_head_probabilities(s->head, s->function, s->values, n);
    for (size_t i = 0; i < n; i++)
        s->order[i] = &s->values[i];
    qsort(s->order, n, sizeof(*s->order), compare);
    return rc;
}

static const char *label_of(const cli_scores *s, size_t i)
{
    const char *label = "";
    oa_head_get_label(s->head, (size_t)(s->order[i] - s->values), &label);
    return label;
}

json_t *scores_to_json(const cli_scores *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->info.n_scores; i++) {
        const char *label = label_of(s, i);
        json_t *o = json_object();
        json_object_set_new(o, "label", load_json_text(label, strlen(label)));
        json_object_set_new(o, "score", json_real((double)*s->order[i]));
        json_array_append_new(list, o);
    }
    return list;
}

void scores_print(const cli_scores *s)
{
    for (size_t i = 0; i < s->info.n_scores; i++) {
        const char *label = label_of(s, i);
        printf(i ? "\t%.6g " : "%.6g ", (double)*s->order[i]);
        ui_put_line(label, strlen(label));
    }
    putchar('\n');
}
