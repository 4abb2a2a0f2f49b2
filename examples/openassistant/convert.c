/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant convert: a model in any form that opens becomes one GGUF file. quantize.c shares
 * the work. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

typedef struct report {
    const cli_args *args;
    json_t *remarks; /* said when the file is written: a failure says one line */
} report;

static void on_line(uint32_t level, const char *line, void *user)
{
    report *r = user;
    if (r->args->verbose)
        ui_error("%s", line);
    else if (level == OA_LOG_WARN)
        json_array_append_new(r->remarks, load_json_text(line, strlen(line)));
}

static int print_done(const char *in, const char *out, const char *type,
                      const oa_convert_result *done, double seconds, json_t *remarks, bool json)
{
    if (json) {
        json_t *o = json_object();
        json_object_set_new(o, "input", load_json_text(in, strlen(in)));
        json_object_set_new(o, "output", load_json_text(out, strlen(out)));
        json_object_set_new(o, "type", type ? json_string(type) : json_null());
        json_object_set_new(o, "n_params", json_integer((json_int_t)done->n_params));
        json_object_set_new(o, "n_tensors", json_integer(done->n_tensors));
        json_object_set_new(o, "n_converted", json_integer(done->n_converted));
        json_object_set_new(o, "n_fallback", json_integer(done->n_fallback));
        json_object_set_new(o, "n_requantised", json_integer(done->n_requantised));
        json_object_set_new(o, "in_size", json_integer((json_int_t)done->in_size));
        json_object_set_new(o, "out_size", json_integer((json_int_t)done->out_size));
        json_object_set_new(o, "seconds", json_real(seconds));
        json_object_set(o, "remarks", remarks);
        return load_print_json(o, 0);
    }
    char was[32], is[32];
    for (size_t i = 0; i < json_array_size(remarks); i++)
        ui_note("%s", json_string_value(json_array_get(remarks, i)));
    ui_put_line(out, strlen(out));
    printf(": %u tensors, %s of weights", done->n_tensors, load_size_text(done->out_size, is));
    if (done->n_converted)
        printf(" (were %s), %u converted", load_size_text(done->in_size, was), done->n_converted);
    if (done->n_fallback) printf(", %u fell back", done->n_fallback);
    putchar('\n');
    return CLI_OK;
}

int convert_run(const cli_args *args, const char *in, const char *out, const char *type,
                uint32_t flags)
{
    oa_convert_result done = OA_CONVERT_RESULT_INIT;
    oa_convert_opts opts = OA_CONVERT_OPTS_INIT;
    report r = {args, json_array()};
    opts.flags =
        flags | (args->pure ? OA_CONVERT_PURE : 0) | (args->no_mmap ? OA_CONVERT_NO_MMAP : 0);
    opts.n_threads = args->n_threads;
    opts.type = type;
    opts.log_level = args->verbose ? OA_LOG_INFO : OA_LOG_WARN;
    opts.log_fn = on_line;
    opts.log_user = &r;
    opts.progress_fn = ui_progress;
    opts.result = &done;
    char **paths = calloc(args->adapters.n + 1, sizeof(*paths));
    float *scales = calloc(args->adapters.n + 1, sizeof(*scales));
    bool whole = paths && scales;
    for (size_t i = 0; whole && i < args->adapters.n; i++)
        whole = (paths[i] = adapters_split(args->adapters.data[i], &scales[i])) != NULL;
    opts.adapter_paths = (const char *const *)paths;
    opts.adapter_scales = scales;
    opts.n_adapters = args->adapters.n;
    const double begun = ui_now();
    const int rc = whole ? oa_convert(in, out, &opts) : OA_ENOMEM;
    ui_progress_clear();
    for (size_t i = 0; paths && i < args->adapters.n; i++)
        free(paths[i]);
    free(paths);
    free(scales);
    /* What was not found may also be an adapter, or the folder to write to. */
    const bool no_input =
        rc == OA_ENOTFOUND && access(in, F_OK) != 0 && oa_model_find(in, NULL, 0, NULL) != OA_OK;
    int code = CLI_OK;
    if (rc < 0) code = no_input ? load_model_fail(rc, in) : ui_fail(rc, NULL);
    if (rc == OA_OK)
        code = print_done(in, out, type, &done, ui_now() - begun, r.remarks, args->json);
    json_decref(r.remarks);
    return code;
}

bool convert_check_type(const char *type)
{
    const char *name;
    const size_t len = strlen(type);
    for (size_t i = 0; oa_convert_get_type(i, &name, NULL) == OA_OK; i++) {
        size_t n = 0;
        while (n < len && name[n] && (name[n] | 32) == (type[n] | 32))
            n++;
        /* "Q4_K" is short for "Q4_K_M" */
        if (n == len && (!name[n] || strcmp(name + n, "_M") == 0)) return true;
    }
    return false;
}

int verb_convert(cli_args *args)
{
    if (args->n_words != 2)
        return ui_usage("convert", "found %zu arguments, want a model and the file to write",
                        args->n_words);
    if (args->type && !convert_check_type(args->type))
        return ui_usage("convert", "--type: found '%s', 'openassistant help quantize' lists them",
                        args->type);
    if (args->pure && !args->type) return ui_usage("convert", "--pure wants a --type");
    return convert_run(args, args->words[0], args->words[1], args->type, 0);
}
