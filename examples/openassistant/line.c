/* SPDX-License-Identifier: Apache-2.0 */
#include "line.h"

#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "cli.h"

#define HISTORY_LEN 1000

struct line_reader {
    EditLine *edit; /* NULL when standard input or output is no terminal */
    History *history;
    char history_path[4096];
    char prompt[64];
    char *plain; /* getline's buffer */
    size_t plain_size;
};

/* libedit asks for the prompt; \1 encloses what takes no room on the screen. */
static char *give_prompt(EditLine *edit)
{
    static char coloured[96];
    line_reader *r = NULL;
    el_get(edit, EL_CLIENTDATA, &r);
    if (!r) return coloured;
    if (!ui_colour()) return r->prompt;
    /* libedit shows a sequence together with the character that follows it, so the last one goes
     * before the space that every prompt ends in. */
    snprintf(coloured, sizeof(coloured), "\1\033[1;32m\1%.*s\1\033[0m\1 ",
             (int)strlen(r->prompt) - 1, r->prompt);
    return coloured;
}

/* Read one byte, giving way to signals. 1, 0 at the end, -1. */
static int read_byte(EditLine *edit, unsigned char *byte)
{
    for (;;) {
        if (ui_stop_wanted()) return -1;
        if (ui_take_resized()) el_resize(edit);
        if (ui_take_resumed()) {
            el_set(edit, EL_PREP_TERM, 1);
            el_set(edit, EL_REFRESH);
        }
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
        /* The timeout bounds what a signal between the test and the wait could cost. */
        int n = poll(&p, 1, 200);
        if (n < 0 && errno != EINTR) return -1;
        if (n <= 0) continue;
        ssize_t got = read(STDIN_FILENO, byte, 1);
        if (got >= 0) return (int)got;
        if (errno != EINTR && errno != EAGAIN) return -1;
    }
}

/* libedit's source of characters: UTF-8 whatever the locale calls it. */
static int read_char(EditLine *edit, wchar_t *out)
{
    unsigned char b;
    int rc = read_byte(edit, &b);
    if (rc <= 0) return rc;
    if (b < 0x80) {
        *out = b;
        return 1;
    }
    int more = b < 0xc2 || b > 0xf4 ? 0 : b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
    uint32_t cp = more == 3 ? b & 0x07 : more == 2 ? b & 0x0f : b & 0x1f;
    for (int i = 0; i < more; i++) {
        rc = read_byte(edit, &b);
        if (rc <= 0) return rc;
        cp = (b & 0xc0) == 0x80 ? cp << 6 | (b & 0x3f) : 0xfffd;
        if (cp == 0xfffd) break;
    }
    *out = more && cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff) ? (wchar_t)cp : 0xfffd;
    return 1;
}

/* Make the folders of a path; the last name is a file's. */
static void make_folders(char *path)
{
    for (char *c = path + 1; *c; c++) {
        if (*c != '/') continue;
        *c = 0;
        mkdir(path, 0700);
        *c = '/';
    }
}

static void open_history(line_reader *r)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    HistEvent ev;
    size_t n = 0, size = sizeof(r->history_path);
    if (state && state[0] == '/')
        n = (size_t)snprintf(r->history_path, size, "%s/openassistant/history", state);
    else if (home && home[0] == '/')
        n = (size_t)snprintf(r->history_path, size, "%s/.local/state/openassistant/history", home);
    if (!n || n >= size) r->history_path[0] = 0;
    r->history = history_init();
    if (!r->history) return;
    history(r->history, &ev, H_SETSIZE, HISTORY_LEN);
    history(r->history, &ev, H_SETUNIQUE, 1);
    if (r->history_path[0]) history(r->history, &ev, H_LOAD, r->history_path);
    el_set(r->edit, EL_HIST, history, r->history);
}

/* Written after every entry, so that a crash or a closed window loses none. */
static void remember(line_reader *r, const char *text)
{
    HistEvent ev;
    if (!r->history || !text[strspn(text, " \t\n")]) return;
    history(r->history, &ev, H_ENTER, text);
    if (!r->history_path[0]) return;
    make_folders(r->history_path);
    mode_t old = umask(077);
    history(r->history, &ev, H_SAVE, r->history_path);
    umask(old);
}

line_reader *line_new(void)
{
    line_reader *r = calloc(1, sizeof(*r));
    if (!r) {
        ui_error("out of memory");
        return NULL;
    }
    if (!ui_is_tty(stdin) || !ui_is_tty(stdout)) return r;
    r->edit = el_init("openassistant", stdin, stdout, stderr);
    if (!r->edit) return r;
    el_set(r->edit, EL_CLIENTDATA, r);
    el_set(r->edit, EL_EDITOR, "emacs");
    el_set(r->edit, EL_SIGNAL, 0);
    el_set(r->edit, EL_PROMPT_ESC, give_prompt, '\1');
    el_wset(r->edit, EL_GETCFN, read_char);
    el_set(r->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    open_history(r);
    el_source(r->edit, NULL);
    return r;
}

void line_free(line_reader *r)
{
    if (!r) return;
    if (r->edit) el_end(r->edit);
    if (r->history) history_end(r->history);
    free(r->plain);
    free(r);
}

bool line_is_interactive(const line_reader *r)
{
    return r->edit != NULL;
}

static enum line_status read_plain(line_reader *r, char **text)
{
    errno = 0;
    ui_reading(true);
    ssize_t n = ui_stop_wanted() ? -1 : getline(&r->plain, &r->plain_size, stdin);
    ui_reading(false);
    if (n < 0) {
        if (ui_stop_wanted()) return LINE_INTERRUPT;
        if (!ferror(stdin)) return LINE_END;
        ui_error("standard input: %s", strerror(errno));
        return LINE_FAILED;
    }
    if (n && r->plain[n - 1] == '\n') r->plain[--n] = 0;
    *text = strdup(r->plain);
    if (*text) return LINE_OK;
    ui_error("out of memory");
    return LINE_FAILED;
}

enum line_status line_read(line_reader *r, const char *prompt, const char *preset, char **text)
{
    *text = NULL;
    if (!r->edit) return read_plain(r, text);
    fflush(stdout);
    snprintf(r->prompt, sizeof(r->prompt), "%s", prompt);
    if (preset) el_push(r->edit, preset);
    int n = 0;
    /* Before the prompt is drawn, else what is typed in between is shown twice. */
    el_set(r->edit, EL_PREP_TERM, 1);
    const char *line = el_gets(r->edit, &n);
    if (!line || n <= 0) {
        putchar('\n');
        fflush(stdout);
        return ui_stop_wanted() ? LINE_INTERRUPT : LINE_END;
    }
    if (line[n - 1] == '\n') n--;
    *text = strndup(line, (size_t)n);
    if (*text) return LINE_OK;
    ui_error("out of memory");
    return LINE_FAILED;
}

/* Append a line to *text, with a newline between when there was something. */
static bool join(char **text, const char *line)
{
    size_t old = *text ? strlen(*text) + 1 : 0, len = strlen(line);
    char *grown = realloc(*text, old + len + 1);
    if (!grown) return false;
    if (old) grown[old - 1] = '\n';
    memcpy(grown + old, line, len + 1);
    *text = grown;
    return true;
}

enum line_status line_read_message(line_reader *r, const char *prompt, const char *preset,
                                   char **text)
{
    char *line = NULL, *all = NULL;
    bool block = false, more = false;
    enum line_status status;
    *text = NULL;
    do {
        status = line_read(r, all || block ? ". " : prompt, preset, &line);
        preset = NULL;
        if (status == LINE_END && (all || block)) break; /* what came before the end counts */
        if (status != LINE_OK) {
            free(all);
            return status;
        }
        if (strcmp(line, "\"\"\"") == 0 && (block || !all)) {
            more = block = !block;
            free(line);
            if (!more && !all) all = strdup("");
            continue;
        }
        size_t len = strlen(line);
        more = block || (len && line[len - 1] == '\\');
        if (!block && more) line[len - 1] = 0;
        bool ok = join(&all, line);
        free(line);
        if (!ok) {
            ui_error("out of memory");
            free(all);
            return LINE_FAILED;
        }
    } while (more);
    if (!all) return LINE_END;
    remember(r, all);
    *text = all;
    return LINE_OK;
}
