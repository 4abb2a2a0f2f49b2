/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant models: which model files are installed, and where. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

typedef struct model_file {
    char *path;
    char *name; /* inside path, without the ending when printed */
    uint64_t size;
} model_file;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const model_file *)a)->name, ((const model_file *)b)->name);
}

/* The .gguf files of a folder, sorted; -1 with errno set when it can't be read. */
static long list_folder(const char *folder, model_file **out)
{
    DIR *dir = opendir(folder);
    model_file *files = NULL;
    size_t n = 0;
    if (!dir) return -1;
    for (struct dirent *e; (e = readdir(dir));) {
        size_t len = strlen(e->d_name);
        struct stat st;
        char *path = NULL;
        if (len < 6 || strcmp(e->d_name + len - 5, ".gguf") != 0) continue;
        if (asprintf(&path, "%s/%s", folder, e->d_name) < 0) continue;
        model_file *grown = NULL;
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            grown = realloc(files, (n + 1) * sizeof(*files));
        if (!grown) {
            free(path);
            continue;
        }
        files = grown;
        files[n++] = (model_file){path, path + strlen(folder) + 1, (uint64_t)st.st_size};
    }
    closedir(dir);
    if (n) qsort(files, n, sizeof(*files), by_name);
    *out = files;
    return (long)n;
}

static int print_list(const char *folder, const model_file *files, size_t n, bool json)
{
    json_t *all = json_object(), *list = json_array();
    size_t widest = 0;
    char size[32];
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(files[i].name) - 5;
        json_t *m = json_object();
        json_object_set_new(m, "name", load_json_text(files[i].name, len));
        json_object_set_new(m, "path", load_json_text(files[i].path, strlen(files[i].path)));
        json_object_set_new(m, "size", json_integer((json_int_t)files[i].size));
        json_array_append_new(list, m);
        if (len > widest) widest = len;
    }
    json_object_set_new(all, "folder", load_json_text(folder, strlen(folder)));
    json_object_set_new(all, "models", list);
    if (json) return load_print_json(all, JSON_INDENT(2));
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(files[i].name) - 5;
        ui_put_line(files[i].name, len);
        printf("%*s  %10s  ", (int)(widest - len), "", load_size_text(files[i].size, size));
        ui_put_line(files[i].path, strlen(files[i].path));
        putchar('\n');
    }
    if (!n) ui_note("no models are installed in %s", folder);
    json_decref(all);
    return CLI_OK;
}

int verb_models(cli_args *args)
{
    size_t len = 0;
    int code = CLI_OK;
    if (args->n_words) return ui_usage("models", "found '%s', want options only", args->words[0]);
    int rc = oa_model_find(NULL, NULL, 0, &len);
    char *folder = rc == OA_OK ? malloc(len + 1) : NULL;
    if (folder) rc = oa_model_find(NULL, folder, len + 1, NULL);
    if (rc < 0 || !folder) {
        free(folder);
        return ui_fail(rc < 0 ? rc : OA_ENOMEM, NULL);
    }
    model_file *files = NULL;
    long n = list_folder(folder, &files);
    if (n < 0 && errno != ENOENT) {
        ui_error("%s: %s", folder, strerror(errno));
        code = CLI_FAILED;
    } else {
        code = print_list(folder, files, n < 0 ? 0 : (size_t)n, args->json);
    }
    for (long i = 0; i < n; i++)
        free(files[i].path);
    free(files);
    free(folder);
    return code;
}
