/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant models: what is installed; take away, check, tell the licence of it. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static uint32_t flags_of(const cli_args *args)
{
    return args->dataset ? OA_HUB_DATASET : 0;
}

static const char *list_key(const cli_args *args)
{
    return args->dataset ? "datasets" : "models";
}

/* --- list, known ------------------------------------------------------------------------------ */

static void put_padded(const char *text, size_t width)
{
    size_t len = strlen(text);
    ui_put_line(text, len);
    printf("%*s", (int)(len < width ? width - len : 0), "");
}

static size_t widest(const json_t *list, const char *key)
{
    size_t width = 0, i;
    json_t *m;
    json_array_foreach(list, i, m)
    {
        size_t len = strlen(text_of(m, key));
        if (len > width) width = len;
    }
    return width;
}

static int do_list(const cli_args *args)
{
    int rc;
    size_t i;
    char size[32];
    json_t *m, *root = hub_installed(flags_of(args), &rc);
    if (!root) return ui_fail(rc, NULL);
    if (args->json) return load_print_json(root, JSON_INDENT(2));
    json_t *list = json_object_get(root, list_key(args));
    size_t width = widest(list, "name");
    json_array_foreach(list, i, m)
    {
        uint64_t n = (uint64_t)json_integer_value(json_object_get(m, "size"));
        put_padded(text_of(m, "name"), width);
        printf("  %10s  ", load_size_text(n, size));
        ui_put_line(text_of(m, "path"), strlen(text_of(m, "path")));
        putchar('\n');
    }
    if (!json_array_size(list))
        ui_note("no %s are installed in %s", args->dataset ? "data sets" : "models",
                text_of(root, "folder"));
    json_decref(root);
    return CLI_OK;
}

static int do_known(const cli_args *args)
{
    size_t len = 0, i;
    json_t *m, *list = NULL;
    int rc = oa_hub_copy_catalogue(NULL, 0, &len);
    char *text = rc == OA_OK ? malloc(len + 1) : NULL;
    if (text) rc = oa_hub_copy_catalogue(text, len + 1, &len);
    if (text && rc == OA_OK) list = json_loadb(text, len, 0, NULL);
    free(text);
    if (!list) return ui_fail(rc < 0 ? rc : OA_ENOMEM, NULL);
    if (args->json) return load_print_json(list, JSON_INDENT(2));
    size_t name_width = widest(list, "name"), licence_width = widest(list, "licence");
    json_array_foreach(list, i, m)
    {
        put_padded(text_of(m, "name"), name_width + 2);
        put_padded(text_of(m, "licence"), licence_width + 2);
        put_padded(text_of(m, "kind"), 9);
        ui_put_line(text_of(m, "about"), strlen(text_of(m, "about")));
        putchar('\n');
    }
    json_decref(list);
    return CLI_OK;
}

/* --- remove, verify --------------------------------------------------------------------------- */

static void on_log(uint32_t level, const char *line, void *user)
{
    (void)level;
    (void)user;
    ui_note("%s", line);
}

/* One name: its exit code, and an entry of the list that --json prints. */
static int do_one(const cli_args *args, bool verify, bool by_name, const char *name, json_t *list)
{
    oa_hub_opts opts = OA_HUB_OPTS_INIT;
    opts.flags = flags_of(args);
    opts.log_level = args->verbose ? OA_LOG_INFO : OA_LOG_WARN;
    opts.log_fn = on_log;
    opts.progress_fn = ui_progress;
    int rc = verify ? oa_hub_verify(name, &opts) : oa_hub_remove(name, &opts);
    ui_progress_clear();
    json_t *entry = json_object();
    json_object_set_new(entry, "name", load_json_text(name, strlen(name)));
    json_object_set_new(entry, "ok", json_boolean(rc == OA_OK));
    if (rc < 0) {
        const char *why = oa_error_last();
        json_object_set_new(entry, "error", load_json_text(why, strlen(why)));
    }
    json_array_append_new(list, entry);
    if (rc == OA_OK) {
        if (verify && !args->json) {
            ui_put_line(name, strlen(name));
            puts(": as it was pulled");
        }
        return CLI_OK;
    }
    if (verify && !by_name && rc == OA_ENOTFOUND) {
        ui_note("%s", oa_error_last());
        return CLI_OK;
    }
    return ui_fail(rc, NULL);
}

static int do_names(const cli_args *args, bool verify)
{
    int code = CLI_OK, rc;
    size_t i;
    json_t *m, *list = json_array(), *root = NULL;
    for (size_t k = 1; k < args->n_words && code < 128; k++) {
        int one = do_one(args, verify, true, args->words[k], list);
        if (one != CLI_OK) code = one;
    }
    if (args->n_words == 1) {
        root = hub_installed(flags_of(args), &rc);
        if (!root) code = ui_fail(rc, NULL);
    }
    json_array_foreach(json_object_get(root, list_key(args)), i, m)
    {
        int one = code < 128 ? do_one(args, verify, false, text_of(m, "name"), list) : code;
        if (one != CLI_OK) code = one;
    }
    json_decref(root);
    if (args->json) {
        load_print_json(list, JSON_INDENT(2));
    } else {
        json_decref(list);
    }
    return code;
}

/* --- licence ---------------------------------------------------------------------------------- */

/* What a short name of the catalogue stands for, into text; other names as they are. */
static const char *full_name(const char *name, char *text, size_t size)
{
    size_t len = 0, i;
    json_t *m, *list = NULL;
    char *known = NULL;
    snprintf(text, size, "%s", name);
    if (oa_hub_copy_catalogue(NULL, 0, &len) == OA_OK && (known = malloc(len + 1)) &&
        oa_hub_copy_catalogue(known, len + 1, &len) == OA_OK)
        list = json_loadb(known, len, 0, NULL);
    json_array_foreach(list, i, m)
    {
        if (strcmp(text_of(m, "name"), name) != 0) continue;
        snprintf(text, size, "%s", text_of(m, "get"));
        break;
    }
    json_decref(list);
    free(known);
    return text;
}

/* Whether a data set's entry is meant by its name, the end of it, OWNER/NAME or OWNER/NAME:FILE. */
static bool is_meant(const json_t *entry, const char *name)
{
    const char *full = text_of(entry, "name"), *repo = text_of(entry, "repository");
    const char *slash = strrchr(full, '/');
    size_t n = strlen(repo);
    if (strcmp(full, name) == 0 || (slash && strcmp(slash + 1, name) == 0)) return true;
    if (!n || strncmp(name, repo, n) != 0) return false;
    return !name[n] ||
           (name[n] == ':' && strlen(full) > n && strcmp(full + n + 1, name + n + 1) == 0);
}

/* The entry of the list that a name stands for; a new reference. */
static json_t *find_entry(const cli_args *args, const char *name, int *exit_code)
{
    int rc;
    size_t i;
    char path[4096] = "", text[1024];
    size_t n_found = 0;
    json_t *m, *found = NULL, *root = hub_installed(flags_of(args), &rc);
    if (root && !args->dataset) rc = oa_model_find(name, path, sizeof(path), NULL);
    const char *full = args->dataset ? full_name(name, text, sizeof(text)) : name;
    json_array_foreach(json_object_get(root, list_key(args)), i, m)
    {
        if (args->dataset
                ? !is_meant(m, full)
                : strcmp(text_of(m, "path"), path) != 0 && strcmp(text_of(m, "name"), name) != 0)
            continue;
        if (!n_found++) found = json_incref(m);
    }
    json_decref(root);
    if (n_found > 1) {
        ui_error("%zu data sets match '%s'", n_found, name);
        json_decref(found);
        *exit_code = CLI_FAILED;
        return NULL;
    }
    if (found) return found;
    if (rc < 0) {
        *exit_code = ui_fail(rc, NULL);
    } else {
        ui_error("no data set '%s' is installed", name);
        *exit_code = CLI_FAILED;
    }
    return NULL;
}

/* What a model file says itself, when nothing was noted beside it. */
static void licence_of_file(json_t *entry)
{
    oa_model *model = NULL;
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    oa_model_info info = OA_MODEL_INFO_INIT;
    opts.flags = OA_MODEL_VOCAB_ONLY;
    if (oa_model_open(&model, text_of(entry, "path"), &opts) == OA_OK &&
        oa_model_get_info(model, &info) == OA_OK && info.license[0])
        json_object_set_new(entry, "licence", load_json_text(info.license, strlen(info.license)));
    oa_model_free(model);
}

static int do_licence(const cli_args *args)
{
    int code = CLI_OK;
    json_t *entry = find_entry(args, args->words[1], &code);
    if (!entry) return code;
    if (!text_of(entry, "licence")[0] && !args->dataset) licence_of_file(entry);
    if (args->json) return load_print_json(entry, JSON_INDENT(2));
    const char *licence = text_of(entry, "licence"), *card = text_of(entry, "card");
    if (!licence[0]) licence = "not known";
    ui_put_line(licence, strlen(licence));
    putchar('\n');
    if (card[0]) ui_note("see %s", card);
    json_decref(entry);
    return CLI_OK;
}

int verb_models(cli_args *args)
{
    static const char *const actions[] = {"list", "known", "remove", "verify", "licence"};
    const char *action = args->n_words ? args->words[0] : "list";
    size_t n = args->n_words ? args->n_words - 1 : 0, which = 0;
    while (which < 5 && strcmp(action, actions[which]) != 0)
        which++;
    if (which == 5)
        return ui_usage("models", "found '%s', want list, known, remove, verify or licence",
                        action);
    if (which < 2 && n) return ui_usage("models", "found '%s' too", args->words[1]);
    if (which == 2 && !n) return ui_usage("models", "remove wants a name");
    if (which == 4 && n != 1) return ui_usage("models", "licence wants one name");
    if (which == 0) return do_list(args);
    if (which == 1) return do_known(args);
    if (which == 4) return do_licence(args);
    return do_names(args, which == 3);
}
