/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant perplexity: how well a model predicts a text. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int print_result(const cli_args *args, const oa_model *model, const oa_perplexity_result *r,
                        double seconds)
{
    oa_model_info info = OA_MODEL_INFO_INIT;
    oa_model_get_info(model, &info);
    if (args->json) {
        json_t *o = json_object();
        json_object_set_new(o, "model", load_json_text(info.path, strlen(info.path)));
        json_object_set_new(o, "perplexity", json_real(r->perplexity));
        json_object_set_new(o, "perplexity_error", json_real(r->perplexity_error));
        json_object_set_new(o, "nll", json_real(r->nll));
        json_object_set_new(o, "nll_error", json_real(r->nll_error));
        json_object_set_new(o, "n_scored", json_integer((json_int_t)r->n_scored));
        json_object_set_new(o, "n_tokens", json_integer((json_int_t)r->n_tokens));
        json_object_set_new(o, "n_windows", json_integer(r->n_windows));
        json_object_set_new(o, "n_ctx", json_integer(r->n_ctx));
        json_object_set_new(o, "stride", json_integer(r->stride));
        json_object_set_new(o, "seconds", json_real(seconds));
        /* every bit of the doubles */
        return load_print_json(o, JSON_REAL_PRECISION(17));
    }
    printf("perplexity %.4f +/- %.4f (%" PRIu64 " tokens scored of %" PRIu64 ", windows of %" PRIu32
           " every %" PRIu32 ")\n",
           r->perplexity, r->perplexity_error, r->n_scored, r->n_tokens, r->n_ctx, r->stride);
    return CLI_OK;
}

int verb_perplexity(cli_args *args)
{
    oa_perplexity_opts opts = OA_PERPLEXITY_OPTS_INIT;
    oa_perplexity_result result = OA_PERPLEXITY_RESULT_INIT;
    size_t len = 0;
    if (args->n_words != 1)
        return ui_usage("perplexity",
                        "found %zu arguments, want one file of text; - is standard "
                        "input",
                        args->n_words);
    int code = load_kv_type(args, &opts.kv_type);
    if (code != CLI_OK) return code;
    if (args->n_ctx && args->n_ctx < 3)
        return ui_usage("perplexity", "--ctx: found %" PRIu32 ", want at least 3", args->n_ctx);
    if (args->n_ctx && args->stride > args->n_ctx)
        return ui_usage("perplexity", "--stride: found %" PRIu32 ", want at most --ctx, %" PRIu32,
                        args->stride, args->n_ctx);
    char *text = load_file(args->words[0], &len);
    if (!text) return ui_stop_wanted() ? ui_stop_code() : CLI_FAILED;
    oa_model *model = load_model(args, args->model, 0, &code);
    if (model) {
        opts.flags = args->steps ? OA_PERPLEXITY_STEPS : 0;
        opts.n_ctx = args->n_ctx;
        opts.stride = args->stride;
        opts.max_windows = args->n_windows;
        opts.progress_fn = ui_progress;
        const double begun = ui_now();
        const int rc = oa_eval_perplexity(model, text, len, &opts, &result);
        ui_progress_clear();
        code = rc < 0 ? ui_fail(rc, NULL) : print_result(args, model, &result, ui_now() - begun);
    }
    oa_model_free(model);
    free(text);
    return code;
}
