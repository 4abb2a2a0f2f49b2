/* SPDX-License-Identifier: Apache-2.0 */
/* What the user sees: messages, colour, progress, streamed text; and the signals that end it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static volatile sig_atomic_t interrupts, terminated, resumed, resized;
static bool quiet, stdout_tty, stderr_tty, colour;
static bool at_line_start = true;
static int bar_width; /* columns of the progress line on the screen; 0 = none */

static void on_signal(int sig)
{
    if (sig == SIGINT) {
        interrupts = interrupts + 1;
        /* Whatever does not listen any more is left the hard way. */
        if (interrupts >= 4) _exit(128 + SIGINT);
    } else if (sig == SIGCONT) {
        resumed = 1;
    } else if (sig == SIGWINCH) {
        resized = 1;
    } else {
        if (terminated) _exit(128 + sig);
        terminated = sig;
    }
}

void ui_init(void)
{
    /* A closed standard stream must not become the number of a file opened later. Standard
     * output is then one that can't be written, so that the loss is noticed. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) != fd)
            _exit(CLI_FAILED);

    /* Writing goes on after a signal; only where input is waited for does it break off. */
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&sa.sa_mask);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCONT, SIGWINCH};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction old;
        /* What the caller ignores (nohup) stays ignored. */
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN) continue;
        sigaction(signals[i], &sa, NULL);
    }
    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);

    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    stdout_tty = isatty(STDOUT_FILENO);
    stderr_tty = isatty(STDERR_FILENO);
    colour =
        stdout_tty && !(no_color && no_color[0]) && term && term[0] && strcmp(term, "dumb") != 0;
}

bool ui_colour(void)
{
    return colour;
}

bool ui_is_tty(FILE *f)
{
    return isatty(fileno(f));
}

void ui_set_quiet(bool on)
{
    quiet = on;
}

double ui_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- signals ---------------------------------------------------------------------------------- */

int ui_interrupts(void)
{
    return interrupts;
}

void ui_forget_interrupts(void)
{
    interrupts = 0;
}

bool ui_terminated(void)
{
    return terminated != 0;
}

bool ui_stop_wanted(void)
{
    return interrupts || terminated;
}

int ui_stop_code(void)
{
    return 128 + (terminated ? (int)terminated : SIGINT);
}

void ui_reading(bool on)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction sa;
        if (sigaction(signals[i], NULL, &sa) != 0 || sa.sa_handler == SIG_IGN) continue;
        sa.sa_flags = on ? sa.sa_flags & ~SA_RESTART : sa.sa_flags | SA_RESTART;
        sigaction(signals[i], &sa, NULL);
    }
}

bool ui_take_resumed(void)
{
    bool was = resumed;
    resumed = 0;
    return was;
}

bool ui_take_resized(void)
{
    bool was = resized;
    resized = 0;
    return was;
}

/* --- messages --------------------------------------------------------------------------------- */

/* One line whatever it holds: file names and error texts can carry anything. */
static void say(const char *prefix, const char *before, const char *after, const char *fmt,
                va_list ap)
{
    char *line = NULL;
    ui_progress_clear();
    if (stdout_tty && stderr_tty) ui_text_end();
    fflush(stdout);
    if (vasprintf(&line, fmt, ap) < 0) line = NULL;
    for (char *c = line; c && *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    fprintf(stderr, "%s%s%s%s\n", before, prefix, line ? line : "out of memory", after);
    free(line);
}

void ui_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say("openassistant: ", "", "", fmt, ap);
    va_end(ap);
}

void ui_note(const char *fmt, ...)
{
    va_list ap;
    if (quiet) return;
    va_start(ap, fmt);
    bool dim = colour && stderr_tty;
    say("", dim ? "\033[2m" : "", dim ? "\033[0m" : "", fmt, ap);
    va_end(ap);
}

int ui_fail(int code, const char *what)
{
    if (code == OA_ECANCELLED && ui_stop_wanted()) {
        ui_error("interrupted");
        return ui_stop_code();
    }
    const char *reason = oa_error_last();
    if (!reason[0]) reason = oa_error_text(code);
    if (what && !strstr(reason, what))
        ui_error("%s: %s", what, reason);
    else
        ui_error("%s", reason);
    return CLI_FAILED;
}

int ui_usage(const char *verb, const char *fmt, ...)
{
    char *line = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&line, fmt, ap) < 0) line = NULL;
    va_end(ap);
    ui_error("%s (try: openassistant help%s%s)", line ? line : "out of memory", verb ? " " : "",
             verb ? verb : "");
    free(line);
    return CLI_USAGE;
}

/* --- progress --------------------------------------------------------------------------------- */

#define BAR_WIDTH 30
#define BAR_DELAY 0.4  /* seconds of work before a bar is worth showing */
#define BAR_PERIOD 0.1 /* seconds between two drawings */

int ui_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    static char work[32];
    static uint64_t last_done;
    static double started, drawn;
    (void)user;
    /* Text that is being written shows by itself how far it is. */
    if (quiet || !stderr_tty || strcmp(what, "generate") == 0) return ui_stop_wanted();

    double now = ui_now();
    if (done < last_done || done == 0 || strncmp(work, what, sizeof(work) - 1) != 0) {
        snprintf(work, sizeof(work), "%s", what);
        started = now;
        ui_progress_clear();
    }
    last_done = done;
    if (total && done >= total) {
        ui_progress_clear();
    } else if (total && now - started >= BAR_DELAY && now - drawn >= BAR_PERIOD) {
        char bar[BAR_WIDTH + 1];
        unsigned n = (unsigned)((double)done / (double)total * BAR_WIDTH);
        for (unsigned i = 0; i < BAR_WIDTH; i++)
            bar[i] = i < n ? '#' : '.';
        bar[BAR_WIDTH] = 0;
        ui_status("%s [%s] %3u%%", work, bar, (unsigned)((double)done / (double)total * 100));
        drawn = now;
    }
    return ui_stop_wanted();
}

void ui_status(const char *fmt, ...)
{
    char line[160];
    va_list ap;
    if (quiet || !stderr_tty) return;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0) return;
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    n = (int)strlen(line);
    fprintf(stderr, "\r%s%*s", line, n < bar_width ? bar_width - n : 0, "");
    fflush(stderr);
    if (n > bar_width) bar_width = n;
}

void ui_progress_clear(void)
{
    if (!bar_width) return;
    fprintf(stderr, "\r%*s\r", bar_width, "");
    fflush(stderr);
    bar_width = 0;
}

/* --- output ----------------------------------------------------------------------------------- */

int ui_text(const char *text, size_t text_len, void *user)
{
    (void)user;
    if (!text_len) return ui_stop_wanted();
    ui_progress_clear();
    if (stdout_tty) {
        /* A model must not be able to drive the terminal: C0 but newline and tab, DEL, and C1
         * (U+0080 to U+009F, in UTF-8 the byte C2 and one from 80 to 9F) are left out. */
        for (size_t i = 0; i < text_len; i++) {
            unsigned char c = (unsigned char)text[i];
            if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) continue;
            if (c == 0xc2 && i + 1 < text_len && (unsigned char)text[i + 1] < 0xa0) {
                i++;
                continue;
            }
            putchar(c);
        }
    } else {
        fwrite(text, 1, text_len, stdout);
    }
    at_line_start = text[text_len - 1] == '\n';
    return fflush(stdout) != 0 || ui_stop_wanted();
}

void ui_put_line(const char *text, size_t text_len)
{
    for (size_t i = 0; i < text_len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 = c == 0xc2 && i + 1 < text_len && (unsigned char)text[i + 1] < 0xa0;
        i += c1;
        putchar(c < 0x20 || c == 0x7f || c1 ? ' ' : c);
    }
}

bool ui_text_at_line_start(void)
{
    return at_line_start;
}

void ui_text_end(void)
{
    if (!at_line_start) putchar('\n');
    at_line_start = true;
    fflush(stdout);
}

int ui_close_output(int code)
{
    static bool said;
    errno = 0;
    bool bad = fflush(stdout) != 0 || ferror(stdout);
    if (!bad) return code;
    int why = errno ? errno : EIO;
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (why == EPIPE || (poll(&out, 1, 0) == 1 && (out.revents & POLLERR)))
        return code == CLI_OK ? CLI_PIPE : code;
    if (!said) ui_error("standard output: %s", strerror(why));
    said = true;
    return code == CLI_OK ? CLI_FAILED : code;
}
