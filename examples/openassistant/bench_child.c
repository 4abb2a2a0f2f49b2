/* SPDX-License-Identifier: Apache-2.0 */
/* Running another program to its end and having what it prints. */
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

static void say_end(const char *name, int status, bool loud)
{
    if (WIFSIGNALED(status))
        ui_error("%s: ended by signal %d", name, WTERMSIG(status));
    else
        ui_error("%s: ended with code %d%s", name, WEXITSTATUS(status),
                 loud ? "" : "; -v shows what it says");
}

char *bench_child(const char *const *argv, bool loud, size_t *len, int *exit_code)
{
    pid_t pid;
    int fd, status = 0;
    int rc = start((char *const *)(uintptr_t)argv, loud, &pid, &fd);
    *exit_code = CLI_FAILED;
    if (rc) {
        ui_error("%s: %s", argv[0], strerror(rc));
        return NULL;
    }
    char *text = read_all(fd, len);
    close(fd);
    if (!text) kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (text && !status && !ui_stop_wanted()) {
        *exit_code = CLI_OK;
        return text;
    }
    if (ui_stop_wanted())
        *exit_code = ui_stop_code();
    else if (!text)
        ui_error("%s: printed more than a bench does", argv[0]);
    else
        say_end(argv[0], status, loud);
    free(text);
    return NULL;
}
