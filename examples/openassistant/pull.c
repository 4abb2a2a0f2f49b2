/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant pull: get a model or a data set from the hub. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define DRAW_DELAY 0.4  /* seconds before a line is worth showing */
#define DRAW_PERIOD 0.1 /* seconds between two drawings */
#define RATE_PERIOD 0.5 /* seconds that one measurement of the rate takes */
#define RATE_WEIGHT 0.3 /* of the newest measurement */

typedef struct transfer {
    double began, drawn, measured;
    uint64_t came;    /* bytes that came over the network, as far as one can see */
    uint64_t last;    /* done at the last call */
    uint64_t came_at; /* came at the last measurement */
    char what[64];    /* at the last call */
    double rate;      /* bytes per second; 0 = not known yet */
    bool verbose;
} transfer;

static void measure(transfer *t, const char *what, uint64_t done, double now)
{
    bool moves = strcmp(what, "check") != 0 && strcmp(what, "wait") != 0;
    /* What lay here already is no speed: only steps within one file count. */
    if (moves && strncmp(t->what, what, sizeof(t->what) - 1) == 0 && done > t->last)
        t->came += done - t->last;
    snprintf(t->what, sizeof(t->what), "%s", what);
    t->last = done;
    if (now - t->measured < RATE_PERIOD) return;
    double rate = (double)(t->came - t->came_at) / (now - t->measured);
    t->rate = t->rate > 0 ? t->rate + RATE_WEIGHT * (rate - t->rate) : rate;
    t->measured = now;
    t->came_at = t->came;
}

static int on_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    transfer *t = user;
    char have[32], all[32], speed[32], left[32] = "";
    double now = ui_now();
    measure(t, what, done, now);
    if (now - t->began < DRAW_DELAY || now - t->drawn < DRAW_PERIOD) return ui_stop_wanted();
    t->drawn = now;
    if (!total) {
        ui_status("%s ...", what);
        return ui_stop_wanted();
    }
    if (t->rate >= 1 && done < total) {
        double s = (double)(total - done) / t->rate;
        if (s < 360000)
            snprintf(left, sizeof(left), "  %u:%02u left", (unsigned)s / 60, (unsigned)s % 60);
    }
    ui_status("%.40s  %3u%%  %s of %s  %s/s%s", what,
              (unsigned)((double)done / (double)total * 100), load_size_text(done, have),
              load_size_text(total, all), load_size_text((uint64_t)t->rate, speed), left);
    return ui_stop_wanted();
}

static void on_log(uint32_t level, const char *line, void *user)
{
    transfer *t = user;
    if (level <= OA_LOG_INFO || t->verbose) ui_note("%s", line);
}

json_t *hub_installed(uint32_t flags, int *rc)
{
    oa_hub_opts opts = OA_HUB_OPTS_INIT;
    size_t len = 0;
    char *text = NULL;
    json_t *root = NULL;
    opts.flags = flags;
    *rc = oa_hub_copy_installed(&opts, NULL, 0, &len);
    /* What is installed may change between two calls. */
    for (int i = 0; i < 3 && *rc == OA_OK && !root; i++) {
        free(text);
        text = malloc(len + 4096);
        if (!text) break;
        *rc = oa_hub_copy_installed(&opts, text, len + 4096, &len);
        if (*rc == OA_OK) root = json_loadb(text, len, 0, NULL);
        if (*rc == OA_ELIMIT) *rc = OA_OK;
    }
    free(text);
    if (*rc == OA_OK && !root) *rc = OA_ENOMEM;
    return root;
}

/* The entry of the list with this path, as JSON on standard output. */
static int print_entry(const char *path, uint32_t flags)
{
    int rc;
    size_t i;
    json_t *m, *found = NULL, *root = hub_installed(flags, &rc);
    if (!root) return ui_fail(rc, NULL);
    json_array_foreach(json_object_get(root, flags ? "datasets" : "models"), i, m)
    {
        const char *p = json_string_value(json_object_get(m, "path"));
        if (p && strcmp(p, path) == 0) found = json_incref(m);
    }
    if (!found) found = json_pack("{s:s}", "path", path);
    json_decref(root);
    return load_print_json(found, JSON_INDENT(2));
}

int verb_pull(cli_args *args)
{
    oa_hub_opts opts = OA_HUB_OPTS_INIT;
    transfer t = {.began = ui_now(), .measured = ui_now(), .verbose = args->verbose};
    char path[4096];
    if (args->n_words != 1)
        return ui_usage("pull",
                        args->n_words ? "found '%s' too, want one name"
                                      : "the name is missing: OWNER/NAME or a short one",
                        args->n_words ? args->words[1] : "");
    opts.flags = args->dataset ? OA_HUB_DATASET : 0;
    opts.revision = args->revision;
    opts.log_level = args->verbose ? OA_LOG_DEBUG : OA_LOG_INFO;
    opts.log_fn = on_log;
    opts.log_user = &t;
    opts.progress_fn = on_progress;
    opts.progress_user = &t;
    int rc = oa_hub_pull(args->words[0], &opts, path, sizeof(path), NULL);
    ui_progress_clear();
    if (rc < 0)
        return rc == OA_EINVAL ? ui_usage("pull", "%s", oa_error_last()) : ui_fail(rc, NULL);
    if (args->json) return print_entry(path, strstr(path, "/openassistant/datasets/") ? 1 : 0);
    ui_put_line(path, strlen(path));
    putchar('\n');
    return CLI_OK;
}
