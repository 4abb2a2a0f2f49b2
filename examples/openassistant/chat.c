/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant chat: the loop between the user and the model. */
#include "chat_state.h"

#include <stdlib.h>
#include <string.h>

void chat_before_answer(void)
{
    ui_forget_interrupts();
    if (ui_colour()) fputs("\033[36m", stdout);
    fflush(stdout);
}

void chat_after_answer(chat_state *s, int rc)
{
    char *reason = rc < 0 ? strdup(oa_error_last()) : NULL;
    ui_progress_clear();
    if (ui_colour()) fputs("\033[0m", stdout);
    ui_text_end();
    oa_generate_result result = OA_GENERATE_RESULT_INIT;
    bool known = oa_chat_get_result(s->chat, &result) == OA_OK;
    if (rc == OA_ECANCELLED || (rc == OA_OK && known && result.finish == OA_FINISH_CANCELLED)) {
        if (!ui_terminated() && !ferror(stdout)) ui_note("(stopped; Ctrl-C again leaves)");
    } else if (rc < 0) {
        ui_error("%s", reason && reason[0] ? reason : oa_error_text(rc));
        if (!line_is_interactive(s->reader)) {
            s->code = CLI_FAILED;
            s->leave = true;
        }
    }
    if (rc == OA_OK && known && result.n_cut)
        ui_note(
            "(the context is full: the oldest %llu tokens were cut off, with %llu whole messages)",
            (unsigned long long)result.n_cut, (unsigned long long)result.n_dropped);
    else if (rc == OA_OK && known && result.n_dropped)
        ui_note("(the context is full: the oldest %llu messages were left out)",
                (unsigned long long)result.n_dropped);
    if (rc == OA_OK && known && result.finish == OA_FINISH_LENGTH)
        ui_note("(the answer has reached %u tokens)", (unsigned)result.n_tokens);
    free(reason);
}

static void say(chat_state *s, const char *text)
{
    chat_before_answer();
    chat_after_answer(s, oa_chat_say(s->chat, text, ui_text, s));
}

static void do_line(chat_state *s, const char *text)
{
    if (s->editing) {
        s->editing = false;
        if (!text[strspn(text, " \t\n")]) {
            ui_note("(nothing was changed)");
            return;
        }
        chat_before_answer();
        chat_after_answer(s, oa_chat_edit(s->chat, s->edit_index, text, ui_text, s));
    } else if (text[0] == '/') {
        chat_command(s, text);
    } else if (text[strspn(text, " \t\n")]) {
        say(s, text);
    }
}

/* The first Ctrl-C stops an answer or empties the line; one more before a line is entered
 * leaves. */
static void loop(chat_state *s)
{
    bool interactive = line_is_interactive(s->reader), armed = false;
    while (!s->leave && !ferror(stdout)) {
        int pressed = ui_interrupts();
        if (ui_terminated() || pressed >= 2 || (pressed && !interactive)) {
            s->code = ui_stop_code();
            break;
        }
        armed |= pressed > 0;
        ui_forget_interrupts();
        char *text = NULL, *preset = s->preset;
        s->preset = NULL;
        enum line_status status =
            line_read_message(s->reader, s->editing ? "edit> " : "> ", preset, &text);
        free(preset);
        if (status == LINE_OK) {
            armed = false;
            do_line(s, text);
        } else if (status == LINE_INTERRUPT && interactive && !armed && !ui_terminated()) {
            ui_forget_interrupts();
            armed = true;
            s->editing = false;
            ui_note("(Ctrl-C again or /quit leaves)");
        } else {
            if (status == LINE_INTERRUPT) s->code = ui_stop_code();
            if (status == LINE_FAILED) s->code = CLI_FAILED;
            s->leave = true;
        }
        free(text);
    }
}

static void greet(const chat_state *s)
{
    oa_model_info info = OA_MODEL_INFO_INIT;
    if (!line_is_interactive(s->reader) || oa_model_get_info(s->model, &info) < 0) return;
    ui_note("%s, %s, %u threads; /help tells the commands", info.name[0] ? info.name : info.path,
            info.type, (unsigned)info.n_threads);
}

/* CLI_OK or an exit code with the reason said. */
static int begin(chat_state *s)
{
    size_t len = 0;
    const cli_args *args = s->args;
    s->session_opts = (oa_session_opts)OA_SESSION_OPTS_INIT;
    s->session_opts.n_ctx = args->n_ctx;
    s->session_opts.progress_fn = ui_progress;
    int code = load_kv_type(args, &s->session_opts.kv_type);
    if (code != CLI_OK) return code;
    if (args->template_file && !(s->template_text = load_file(args->template_file, &len)))
        return CLI_FAILED;
    s->model = load_model(args, args->model, 0, &code);
    if (!s->model) return code;
    code = load_draft(args, &s->session_opts, &s->draft);
    if (code == CLI_OK) code = adapters_open(&s->adapters, args, s->model);
    if (code != CLI_OK) return code;
    adapters_use(&s->adapters, &s->session_opts);
    s->opts = (oa_chat_opts)OA_CHAT_OPTS_INIT;
    s->opts.flags = args->cut ? OA_CHAT_CUT_OLDEST : OA_CHAT_DROP_OLDEST;
    s->opts.max_tokens = args->max_tokens;
    s->opts.system = args->system;
    s->opts.template_name = args->template_name;
    s->opts.template_text = s->template_text;
    s->opts.session = &s->session_opts;
    if (args->load) return chat_load(s, args->load);
    int rc = oa_chat_new(&s->chat, s->model, &s->opts);
    oa_sampler *sampler = NULL;
    if (rc == OA_OK) rc = oa_chat_get_sampler(s->chat, &sampler);
    if (rc == OA_OK) rc = load_sampling(s->model, sampler);
    if (rc == OA_OK) rc = args_apply_params(args, sampler);
    if (rc == OA_ENOTFOUND && !args->template_name && !args->template_file) {
        ui_error("the model carries no chat template: name one with --template");
        return CLI_FAILED;
    }
    return rc < 0 ? ui_fail(rc, NULL) : CLI_OK;
}

int verb_chat(cli_args *args)
{
    chat_state s = {.args = args};
    if (args->n_words) return ui_usage("chat", "found '%s', want options only", args->words[0]);
    s.code = begin(&s);
    if (s.code == CLI_OK && (s.reader = line_new())) {
        greet(&s);
        loop(&s);
    } else if (s.code == CLI_OK) {
        s.code = CLI_FAILED;
    }
    line_free(s.reader);
    oa_chat_free(s.chat);
    adapters_close(&s.adapters);
    oa_model_free(s.draft);
    oa_model_free(s.model);
    free(s.template_text);
    free(s.preset);
    return s.code;
}
