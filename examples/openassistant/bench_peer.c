/* SPDX-License-Identifier: Apache-2.0 */
/* A peer in the same passes: its llama-bench program is run once per pass, and its JSON read. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define MAX_OUTPUT ((size_t)16 << 20)

extern char **environ;

/* Start it with its output in a pipe; 0 or an errno. */
static int start(char *const *argv, bool loud, pid_t *pid, int *fd)
{
    posix_spawn_file_actions_t actions;
    int ends[2];
    if (pipe(ends) < 0) return errno;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        if (rc == 0) rc = posix_spawn_file_actions_addclose(&actions, ends[0]);
        if (rc == 0) rc = posix_spawn_file_actions_addclose(&actions, ends[1]);
        if (rc == 0 && !loud)
            rc =
                posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        if (rc == 0) rc = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (rc == 0)
        *fd = ends[0];
    else
        close(ends[0]);
    return rc;
}

/* All that it prints; NULL when that is too much, or a signal came. */
static char *read_all(int fd, size_t *len)
{
    char *data = NULL;
    size_t cap = 0;
    *len = 0;
    for (;;) {
        if (cap - *len < 4096) {
            cap = cap ? 2 * cap : 16384;
            char *grown = cap <= MAX_OUTPUT ? realloc(data, cap) : NULL;
            if (!grown) break;
            data = grown;
        }
        ui_reading(true);
        ssize_t n = ui_stop_wanted() ? -1 : read(fd, data + *len, cap - *len);
        ui_reading(false);
        if (n == 0) return data;
        if (n > 0)
            *len += (size_t)n;
        else if (ui_stop_wanted() || errno != EINTR)
            break;
    }
    free(data);
    return NULL;
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

/* The speed of a prompt of n_prompt tokens, or of making n_gen, among all results; 0 = none. */
static double find(const json_t *all, uint32_t n_prompt, uint32_t n_gen)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);
        if (number(o, "n_prompt") == n_prompt && number(o, "n_gen") == n_gen)
            return number(o, "avg_ts");
    }
    return 0;
}

static int take(const bench *b, bench_model *m, const json_t *all)
{
    const struct {
        enum bench_what what;
        uint32_t n_prompt, n_gen;
    } rows[] = {
        {BENCH_PROMPT, b->n_prompt, 0}, {BENCH_TOKEN, 0, b->n_tokens}, {BENCH_LONG, m->n_long, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].what == BENCH_LONG && !m->n_long) continue;
        double v = find(all, rows[i].n_prompt, rows[i].n_gen);
        if (!(v > 0)) {
            ui_error("%s: found no speed of %u tokens %s in its JSON", b->args->vs,
                     (unsigned)(rows[i].n_prompt + rows[i].n_gen), rows[i].n_gen ? "made" : "read");
            return CLI_FAILED;
        }
        bench_series *s = &m->peer[rows[i].what];
        s->v[s->n++] = v;
    }
    return CLI_OK;
}

static int ended(const bench *b, int status)
{
    if (WIFSIGNALED(status))
        ui_error("%s: ended by signal %d", b->args->vs, WTERMSIG(status));
    else
        ui_error("%s: ended with code %d%s", b->args->vs, WEXITSTATUS(status),
                 b->args->verbose ? "" : "; -v shows what it says");
    return CLI_FAILED;
}

int bench_peer(const bench *b, bench_model *m)
{
    char prompts[32], tokens[16], threads[16];
    const char *const argv[] = {b->args->vs, "-m", m->path, "-p",    prompts, "-n",   tokens,
                                "-r",        "1",  "-t",    threads, "-o",    "json", NULL};
    json_error_t why;
    json_t *all = NULL;
    size_t len;
    pid_t pid;
    int fd, status = 0, code = CLI_FAILED;
    snprintf(prompts, sizeof(prompts), m->n_long ? "%u,%u" : "%u", (unsigned)b->n_prompt,
             (unsigned)m->n_long);
    snprintf(tokens, sizeof(tokens), "%u", (unsigned)b->n_tokens);
    snprintf(threads, sizeof(threads), "%u", (unsigned)m->n_threads);
    int rc = start((char *const *)(uintptr_t)argv, b->args->verbose, &pid, &fd);
    if (rc) {
        ui_error("%s: %s", b->args->vs, strerror(rc));
        return CLI_FAILED;
    }
    char *text = read_all(fd, &len);
    close(fd);
    if (!text) kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (ui_stop_wanted()) {
        code = ui_stop_code();
    } else if (!text) {
        ui_error("%s: printed more than a bench does", b->args->vs);
    } else if (status) {
        code = ended(b, status);
    } else if (!(all = json_loadb(text, len, 0, &why)) || !json_is_array(all)) {
        ui_error("%s: printed no JSON list", b->args->vs);
    } else {
        code = take(b, m, all);
    }
    json_decref(all);
    free(text);
    return code;
}
