/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant run: answer one prompt, streamed or as one JSON object. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* One run: everything that has to be given back. */
typedef struct run_state {
    const cli_args *args;
    oa_model *model, *draft;
    cli_adapters adapters;
    oa_session *session;
    oa_sampler *sampler;
    char *prompt, *template_text;
    int32_t *ids;
    size_t n_ids, n_reused;
    char *text; /* the answer, for --json */
    size_t text_len, text_cap;
    double load_s, prompt_s;
    oa_generate_result result;
} run_state;

static int collect(const char *text, size_t text_len, void *user)
{
    run_state *r = user;
    if (r->text_len + text_len > r->text_cap) {
        size_t cap = (r->text_len + text_len) * 2;
        char *grown = realloc(r->text, cap);
        if (!grown) return 1;
        r->text = grown;
        r->text_cap = cap;
    }
    if (text_len) memcpy(r->text + r->text_len, text, text_len);
    r->text_len += text_len;
    return ui_stop_wanted();
}

static int make_ids(run_state *r, size_t prompt_len, int32_t *ids, size_t ids_len)
{
    const cli_args *args = r->args;
    if (args->raw) {
        uint32_t flags = OA_TOKENIZE_SPECIAL | OA_TOKENIZE_NO_EOS;
        if (args->no_bos) flags |= OA_TOKENIZE_NO_BOS;
        return oa_model_tokenize(r->model, r->prompt, prompt_len, flags, ids, ids_len, &r->n_ids);
    }
    oa_message messages[2] = {{0}};
    size_t n = 0;
    if (args->system) messages[n++] = (oa_message){"system", args->system, strlen(args->system)};
    messages[n++] = (oa_message){"user", r->prompt, prompt_len};
    oa_render_opts opts = OA_RENDER_OPTS_INIT;
    opts.flags = OA_RENDER_ADD_GENERATION_PROMPT;
    opts.template_name = args->template_name;
    opts.template_text = r->template_text;
    return oa_model_tokenize_chat(r->model, messages, n, sizeof(messages[0]), &opts, ids, ids_len,
                                  &r->n_ids);
}

/* The prompt as ids. CLI_OK or an exit code with the reason said. */
static int tokenize_prompt(run_state *r, size_t prompt_len)
{
    int rc = make_ids(r, prompt_len, NULL, 0);
    if (rc == OA_OK) {
        r->ids = calloc(r->n_ids + 1, sizeof(*r->ids));
        if (!r->ids) {
            ui_error("out of memory");
            return CLI_FAILED;
        }
        rc = make_ids(r, prompt_len, r->ids, r->n_ids + 1);
    }
    if (rc == OA_ENOTFOUND && !r->args->raw && !r->args->template_name) {
        ui_error("the model carries no chat template: name one with --template, or use --raw");
        return CLI_FAILED;
    }
    if (rc < 0) return ui_fail(rc, NULL);
    if (r->n_ids) return CLI_OK;
    ui_error("the prompt has no tokens");
    return CLI_FAILED;
}

static int print_result(run_state *r)
{
    const int32_t *ids = NULL;
    size_t n = 0;
    oa_model_info info = OA_MODEL_INFO_INIT;
    oa_session_get_ids(r->session, &ids, &n);
    oa_model_get_info(r->model, &info);
    json_t *tokens = json_array(), *timings = json_object(), *all = json_object();
    for (size_t i = r->n_ids; i < n; i++)
        json_array_append_new(tokens, json_integer(ids[i]));
    double generate_s = (double)r->result.generate_ns * 1e-9;
    size_t n_read = r->n_ids - r->n_reused;
    json_object_set_new(timings, "load_ms", json_real(r->load_s * 1e3));
    json_object_set_new(timings, "prompt_ms", json_real(r->prompt_s * 1e3));
    json_object_set_new(timings, "generate_ms", json_real(generate_s * 1e3));
    json_object_set_new(timings, "prompt_tps",
                        json_real(r->prompt_s > 0 ? (double)n_read / r->prompt_s : 0));
    json_object_set_new(timings, "token_tps",
                        json_real(load_token_rate(r->result.n_tokens, generate_s)));
    json_object_set_new(all, "text", load_json_text(r->text ? r->text : "", r->text_len));
    json_object_set_new(all, "tokens", tokens);
    json_object_set_new(all, "n_tokens", json_integer((json_int_t)r->result.n_tokens));
    json_object_set_new(all, "n_prompt", json_integer((json_int_t)r->n_ids));
    json_object_set_new(all, "n_drafted", json_integer((json_int_t)r->result.n_drafted));
    json_object_set_new(all, "n_accepted", json_integer((json_int_t)r->result.n_accepted));
    json_object_set_new(all, "timings", timings);
    json_object_set_new(all, "finish_reason", json_string(load_finish_text(r->result.finish)));
    json_object_set_new(all, "model", load_json_text(info.path, strlen(info.path)));
    return load_print_json(all, JSON_COMPACT);
}

static int answer(run_state *r)
{
    const cli_args *args = r->args;
    oa_session_opts opts = OA_SESSION_OPTS_INIT;
    opts.n_ctx = args->n_ctx;
    opts.progress_fn = ui_progress;
    int code = load_kv_type(args, &opts.kv_type);
    if (code == CLI_OK) code = load_draft(args, &opts, &r->draft);
    if (code == CLI_OK) code = adapters_open(&r->adapters, args, r->model);
    if (code != CLI_OK) return code;
    adapters_use(&r->adapters, &opts);
    int rc = oa_session_new(&r->session, r->model, &opts);
    if (rc == OA_OK) rc = oa_sampler_new(&r->sampler, NULL);
    if (rc == OA_OK) rc = load_sampling(r->model, r->sampler);
    if (rc == OA_OK) rc = args_apply_params(args, r->sampler);
    double start = ui_now();
    if (rc == OA_OK) rc = oa_session_set_ids(r->session, r->ids, r->n_ids, &r->n_reused);
    r->prompt_s = ui_now() - start;
    if (rc < 0) return ui_fail(rc, NULL);

    oa_generate_opts generate = OA_GENERATE_OPTS_INIT;
    generate.flags = args->ignore_end ? OA_GENERATE_IGNORE_END : 0;
    generate.max_tokens = args->max_tokens;
    generate.stops = args->stops.data;
    generate.n_stops = args->stops.n;
    r->result = (oa_generate_result)OA_GENERATE_RESULT_INIT;
    rc = oa_session_generate(r->session, r->sampler, &generate, args->json ? collect : ui_text, r,
                             &r->result);
    char *reason = rc < 0 ? strdup(oa_error_last()) : NULL;
    if (args->json)
        code = print_result(r);
    else
        ui_text_end();
    if (ui_stop_wanted()) {
        code = ui_stop_code();
    } else if (rc < 0) {
        ui_error("%s", reason && reason[0] ? reason : oa_error_text(rc));
        code = CLI_FAILED;
    } else if (args->json && r->result.finish == OA_FINISH_CANCELLED) {
        ui_error("out of memory");
        code = CLI_FAILED;
    }
    free(reason);
    return code;
}

int verb_run(cli_args *args)
{
    run_state r = {.args = args};
    size_t prompt_len = 0, template_len = 0;
    int code = CLI_OK;
    r.prompt = load_prompt(args, "run", &prompt_len, &code);
    if (!r.prompt) return code;
    /* The newline that ends a file or a pipe's text is not part of the prompt. */
    if (prompt_len && r.prompt[prompt_len - 1] == '\n') r.prompt[--prompt_len] = 0;
    if (args->template_file) {
        r.template_text = load_file(args->template_file, &template_len);
        code = CLI_FAILED;
        if (!r.template_text) goto end;
    }
    double start = ui_now();
    r.model = load_model(args, args->model, 0, &code);
    if (!r.model) goto end;
    r.load_s = ui_now() - start;
    code = tokenize_prompt(&r, prompt_len);
    if (code == CLI_OK) code = answer(&r);
end:
    oa_sampler_free(r.sampler);
    oa_session_free(r.session);
    adapters_close(&r.adapters);
    oa_model_free(r.draft);
    oa_model_free(r.model);
    free(r.ids);
    free(r.text);
    free(r.template_text);
    free(r.prompt);
    return code;
}
