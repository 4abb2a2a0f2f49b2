/* SPDX-License-Identifier: Apache-2.0 */
/* What the lines of openassistant chat that begin with a slash do. */
#include <stdlib.h>
#include <string.h>

#include "chat_state.h"

/* Messages are counted from 1 on the screen, from 0 in the library. */

static bool message_at(const chat_state *s, size_t index, oa_message *m)
{
    *m = (oa_message){0};
    return oa_chat_get_message(s->chat, index, m, sizeof(*m)) == OA_OK;
}

static bool is_user(const chat_state *s, size_t index)
{
    oa_message m;
    return message_at(s, index, &m) && strcmp(m.role, "user") == 0;
}

/* Cut the next word off *rest; NULL when there is none. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t");
    if (!*word) return NULL;
    char *end = word + strcspn(word, " \t");
    *rest = *end ? end + 1 + strspn(end + 1, " \t") : end;
    *end = 0;
    return word;
}

/* A number from 1; 0 when the word is none. */
static size_t read_count(const char *word)
{
    size_t n = 0;
    for (; *word >= '0' && *word <= '9' && n < 100000000; word++)
        n = n * 10 + (size_t)(*word - '0');
    return *word ? 0 : n;
}

/* "~/x" as the shell reads it; free it. */
static char *expand_path(const char *path)
{
    const char *home = getenv("HOME");
    char *full = NULL;
    if (strncmp(path, "~/", 2) != 0 || !home) return strdup(path);
    return asprintf(&full, "%s/%s", home, path + 2) < 0 ? NULL : full;
}

static void say_failure(int rc)
{
    ui_fail(rc, NULL);
}

static void do_help(chat_state *s, char *rest)
{
    (void)s, (void)rest;
    fputs("/help              this text\n"
          "/regenerate        another answer to the latest message\n"
          "/edit [#N] [TEXT]  say something else in place of your latest message, or of message N\n"
          "/back [N]          take back the latest exchange, or N of them\n"
          "/branches          list the messages and their branches\n"
          "/branches N K      go to branch K of message N\n"
          "/system [TEXT]     set the system text; without TEXT take it away\n"
          "/set [KEY VALUE]   change how tokens are picked (/set temperature 0.7); alone: list\n"
          "/save FILE         write the whole conversation, all branches\n"
          "/load FILE         go on with a conversation that was saved\n"
          "/stats             how the latest answer went\n"
          "/quit              leave; so do Ctrl-D and Ctrl-C twice\n"
          "A line that ends in \\ goes on in the next. A line of \"\"\" begins a longer text,\n"
          "which ends at the next such line. Ctrl-C stops an answer.\n",
          stdout);
}

static void do_regenerate(chat_state *s, char *rest)
{
    (void)rest;
    chat_before_answer();
    chat_after_answer(s, oa_chat_regenerate(s->chat, ui_text, s));
}

static void do_edit(chat_state *s, char *rest)
{
    size_t n = 0;
    oa_message m;
    oa_chat_get_count(s->chat, &n);
    if (rest[0] == '#') {
        char *word = next_word(&rest);
        n = read_count(word + 1);
        if (!n || !is_user(s, n - 1)) {
            ui_error("message %s is none of yours; /branches lists them", word);
            return;
        }
    } else {
        while (n && !is_user(s, n - 1))
            n--;
    }
    if (!n || !message_at(s, n - 1, &m)) {
        ui_error("there is no message to edit");
    } else if (*rest) {
        chat_before_answer();
        chat_after_answer(s, oa_chat_edit(s->chat, n - 1, rest, ui_text, s));
    } else {
        s->editing = true;
        s->edit_index = n - 1;
        free(s->preset);
        s->preset = strndup(m.content, m.content_len);
        /* Keys are what is put on the line: a text with control characters can't be. */
        for (const char *c = s->preset; c && *c; c++) {
            if ((unsigned char)*c >= 0x20 && *c != 0x7f) continue;
            free(s->preset);
            s->preset = NULL;
            ui_note("(message %zu has several lines: type it anew)", n);
            break;
        }
    }
}

static void do_back(chat_state *s, char *rest)
{
    size_t n = 0, left = 1;
    char *word = next_word(&rest);
    if (word) left = read_count(word);
    oa_chat_get_count(s->chat, &n);
    if (!left || !n) {
        ui_error(n ? "/back wants a number from 1" : "there is nothing to take back");
        return;
    }
    while (n && left)
        left -= is_user(s, --n);
    int rc = oa_chat_back(s->chat, n);
    if (rc < 0)
        say_failure(rc);
    else
        ui_note("(%zu messages are left; /branches shows what was taken back)", n);
}

static void print_message(const chat_state *s, size_t index)
{
    enum { WIDTH = 50 };
    oa_message m;
    size_t n_branches = 0, current = 0, n = 0;
    if (!message_at(s, index, &m)) return;
    printf("%3zu  %-9.9s  ", index + 1, m.role);
    for (size_t i = 0; i < m.content_len && n < WIDTH; i++) {
        unsigned char c = (unsigned char)m.content[i];
        putchar(c < 0x20 || c == 0x7f ? ' ' : c);
        /* Count characters, and finish the last one. */
        if (i + 1 == m.content_len || ((unsigned char)m.content[i + 1] & 0xc0) != 0x80) n++;
    }
    if (oa_chat_get_branches(s->chat, index, &n_branches, &current) == OA_OK && n_branches > 1)
        printf("  (branch %zu of %zu)", current + 1, n_branches);
    putchar('\n');
}

static void do_branches(chat_state *s, char *rest)
{
    char *place = next_word(&rest), *branch = next_word(&rest);
    size_t count = 0, n_behind = 0;
    oa_chat_get_count(s->chat, &count);
    if (place) {
        size_t i = read_count(place), k = branch ? read_count(branch) : 0;
        if (!i || !k) {
            ui_error("/branches wants two numbers: a message and its branch");
            return;
        }
        size_t n = 0;
        if (oa_chat_get_branches(s->chat, i - 1, &n, NULL) < 0 || k > n) {
            ui_error("found branch %zu, message %zu has %zu of them; /branches lists them", k, i,
                     n);
            return;
        }
        int rc = oa_chat_select(s->chat, i - 1, k - 1);
        if (rc < 0) {
            say_failure(rc);
            return;
        }
        oa_chat_get_count(s->chat, &count);
    }
    for (size_t i = 0; i < count; i++)
        print_message(s, i);
    if (oa_chat_get_branches(s->chat, count, &n_behind, NULL) == OA_OK && n_behind)
        printf("%3zu  (%zu %s taken back: /branches %zu 1)\n", count + 1, n_behind,
               n_behind == 1 ? "message was" : "messages were", count + 1);
    else if (!count)
        ui_note("(nothing was said yet)");
}

static void do_system(chat_state *s, char *rest)
{
    int rc = oa_chat_set_system(s->chat, *rest ? rest : NULL);
    if (rc < 0)
        say_failure(rc);
    else
        ui_note(*rest ? "(the system text is set)" : "(there is no system text now)");
}

static void list_params(oa_sampler *sampler)
{
    oa_param p = OA_PARAM_INIT;
    for (size_t i = 0; oa_sampler_get_param(i, &p) == OA_OK; i++) {
        char value[256] = "(long)";
        oa_sampler_copy_text(sampler, p.key, value, sizeof(value), NULL);
        printf("%-20s %-12s %s\n", p.key, value, p.help);
    }
}

static void do_set(chat_state *s, char *rest)
{
    oa_sampler *sampler = NULL;
    int rc = oa_chat_get_sampler(s->chat, &sampler);
    if (rc < 0) {
        say_failure(rc);
        return;
    }
    char *key = next_word(&rest);
    if (!key) {
        list_params(sampler);
        return;
    }
    for (char *c = key; *c; c++)
        if (*c == '-') *c = '_';
    rc = oa_sampler_set_text(sampler, key, rest);
    if (rc < 0) say_failure(rc);
}

static void do_save(chat_state *s, char *rest)
{
    char *path = *rest ? expand_path(rest) : NULL;
    if (!*rest) {
        ui_error("/save wants a file name");
        return;
    }
    int rc = path ? oa_chat_save(s->chat, path) : OA_ENOMEM;
    if (rc < 0)
        ui_fail(rc, path);
    else
        ui_note("(saved)");
    free(path);
}

/* Give a sampler what another one has. */
static int copy_params(oa_sampler *to, const oa_sampler *from)
{
    oa_param p = OA_PARAM_INIT;
    int rc = OA_OK;
    for (size_t i = 0; rc == OA_OK && oa_sampler_get_param(i, &p) == OA_OK; i++) {
        size_t len = 0;
        rc = oa_sampler_copy_text(from, p.key, NULL, 0, &len);
        char *text = rc == OA_OK ? malloc(len + 1) : NULL;
        if (rc == OA_OK && !text) rc = OA_ENOMEM;
        if (rc == OA_OK) rc = oa_sampler_copy_text(from, p.key, text, len + 1, NULL);
        if (rc == OA_OK) rc = oa_sampler_set_text(to, p.key, text);
        free(text);
    }
    return rc;
}

int chat_load(chat_state *s, const char *path)
{
    oa_chat *chat = NULL;
    oa_sampler *to = NULL, *from = NULL;
    int rc = oa_chat_open_saved(&chat, s->model, path, &s->opts);
    if (rc == OA_OK) rc = oa_chat_get_sampler(chat, &to);
    if (rc == OA_OK && s->chat) rc = oa_chat_get_sampler(s->chat, &from);
    if (rc == OA_OK) rc = from ? copy_params(to, from) : args_apply_params(s->args, to);
    if (rc < 0) {
        int code = ui_fail(rc, path);
        oa_chat_free(chat);
        return code;
    }
    oa_chat_free(s->chat);
    s->chat = chat;
    return CLI_OK;
}

static void do_load(chat_state *s, char *rest)
{
    char *path = *rest ? expand_path(rest) : NULL;
    if (!path)
        ui_error("/load wants a file name");
    else if (chat_load(s, path) == CLI_OK)
        do_branches(s, strchr(path, 0));
    free(path);
}

static void do_stats(chat_state *s, char *rest)
{
    (void)rest;
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    size_t n = 0;
    if (oa_chat_get_result(s->chat, &r) < 0) {
        ui_note("(no answer was made yet)");
        return;
    }
    oa_chat_get_count(s->chat, &n);
    uint64_t n_read = r.n_prompt - (r.n_reused < r.n_prompt ? r.n_reused : r.n_prompt);
    double prompt_s = (double)r.prompt_ns * 1e-9, generate_s = (double)r.generate_ns * 1e-9;
    printf("prompt   %llu tokens, %llu of them were known, %.2f s, %.0f tokens/s\n",
           (unsigned long long)r.n_prompt, (unsigned long long)r.n_reused, prompt_s,
           prompt_s > 0 ? (double)n_read / prompt_s : 0.0);
    printf("answer   %u tokens, %.2f s, %.1f tokens/s, ended by %s\n", (unsigned)r.n_tokens,
           generate_s, load_token_rate(r.n_tokens, generate_s), load_finish_text(r.finish));
    if (r.n_drafted > 0)
        printf("ahead    %llu tokens guessed, %llu of them were right\n",
               (unsigned long long)r.n_drafted, (unsigned long long)r.n_accepted);
    printf("chat     %zu messages on this branch, %llu left out\n", n,
           (unsigned long long)r.n_dropped);
}

static void do_quit(chat_state *s, char *rest)
{
    (void)rest;
    s->leave = true;
}

void chat_command(chat_state *s, const char *line)
{
    static const struct {
        const char *name;
        void (*run)(chat_state *s, char *rest);
    } commands[] = {
        {"/help", do_help},         {"/regenerate", do_regenerate},
        {"/edit", do_edit},         {"/back", do_back},
        {"/branches", do_branches}, {"/system", do_system},
        {"/set", do_set},           {"/save", do_save},
        {"/load", do_load},         {"/stats", do_stats},
        {"/quit", do_quit},         {"/exit", do_quit},
    };
    char *copy = strdup(line), *rest = copy;
    char *word = copy ? next_word(&rest) : NULL;
    if (!word) {
        ui_error("out of memory");
        free(copy);
        return;
    }
    size_t n = sizeof(commands) / sizeof(commands[0]), i = 0;
    while (i < n && strcmp(commands[i].name, word) != 0)
        i++;
    if (i < n)
        commands[i].run(s, rest);
    else
        ui_error("no command %s; /help lists them", word);
    fflush(stdout);
    free(copy);
}
