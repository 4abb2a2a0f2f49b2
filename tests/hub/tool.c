/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of oa_hub_pull() with options from the command line, for tests/hub/pull.py:
 *
 *   tool NAME [key=value ...]    endpoint token revision dataset tries retry stall cancel_at
 *
 * Prints one JSON object: rc, path, error, log (a list), progress (a list of [what, done, total]).
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openassistant/openassistant.h>

static json_t *log_lines, *progress;
static unsigned long long cancel_at;

static void on_log(uint32_t level, const char *line, void *user)
{
    (void)level;
    (void)user;
    json_array_append_new(log_lines, json_string(line));
}

static int on_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    (void)user;
    if (json_array_size(progress) < 1000)
        json_array_append_new(progress,
                              json_pack("[s, I, I]", what, (json_int_t)done, (json_int_t)total));
    return cancel_at && strcmp(what, "wait") != 0 && done >= cancel_at;
}

int main(int argc, char **argv)
{
    oa_hub_opts o = OA_HUB_OPTS_INIT;
    char path[4096] = "";
    log_lines = json_array();
    progress = json_array();
    o.log_level = OA_LOG_DEBUG;
    o.log_fn = on_log;
    o.progress_fn = on_progress;
    o.retry_ms = 1;
    for (int i = 2; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (!value) return 2;
        const size_t len = (size_t)(value++ - argv[i]);
#define KEY(name) (len == strlen(name) && strncmp(argv[i], name, len) == 0)
        if (KEY("endpoint"))
            o.endpoint = value;
        else if (KEY("token"))
            o.token = value;
        else if (KEY("revision"))
            o.revision = value;
        else if (KEY("dataset"))
            o.flags = OA_HUB_DATASET;
        else if (KEY("tries"))
            o.n_tries = (uint32_t)strtoul(value, NULL, 10);
        else if (KEY("retry"))
            o.retry_ms = (uint32_t)strtoul(value, NULL, 10);
        else if (KEY("stall"))
            o.stall_ms = (uint32_t)strtoul(value, NULL, 10);
        else if (KEY("cancel_at"))
            cancel_at = strtoull(value, NULL, 10);
        else
            return 2;
    }
    const int rc = oa_hub_pull(argc > 1 ? argv[1] : NULL, &o, path, sizeof path, NULL);
    json_t *result =
        json_pack("{s:s, s:s, s:s, s:o, s:o}", "rc", oa_error_name(rc), "path", path, "error",
                  rc < 0 ? oa_error_last() : "", "log", log_lines, "progress", progress);
    json_dumpf(result, stdout, 0);
    json_decref(result);
    return 0;
}
