/* SPDX-License-Identifier: Apache-2.0 */
/* Installed models: the folder, and which file a name stands for. */
#include "model/model_priv.h"

#include <string.h>

static int add_folder(oa__str *out)
{
    const char *data = oa__env("XDG_DATA_HOME");
    if (data != NULL && data[0] == '/') {
        OA__TRY(oa__str_add_z(out, data));
    } else {
        const char *home = oa__env("HOME");
        if (home == NULL || home[0] == '\0') {
            return oa__err(OA_ENOTFOUND, "no models folder: neither XDG_DATA_HOME nor HOME is set");
        }
        OA__TRY(oa__str_add_z(out, home));
        OA__TRY(oa__str_add_z(out, "/.local/share"));
    }
    return oa__str_add_z(out, "/openassistant/models");
}

typedef struct search {
    const char *name;
    size_t len;
    oa__str exact;  /* a file of this name, with or without ".gguf" */
    oa__str begins; /* the first that begins with it */
    oa__str list;   /* all that begin with it */
    size_t n_begins;
} search;

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool begins(const char *file, const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (lower(file[i]) != lower(name[i])) return false; /* also at the end of file */
    }
    return true;
}

static int look(const char *file, void *arg)
{
    static const char suffix[] = ".gguf";
    search *s = arg;
    const size_t n = strlen(file), n_suffix = sizeof suffix - 1;
    const bool model = n > n_suffix && strcmp(file + n - n_suffix, suffix) == 0;
    const bool whole = strcmp(file, s->name) == 0;
    const bool stem = model && n - n_suffix == s->len && memcmp(file, s->name, s->len) == 0;
    if (whole || (stem && s->exact.len == 0)) {
        s->exact.len = 0;
        return oa__str_add(&s->exact, file, n);
    }
    if (!model || !begins(file, s->name, s->len)) return OA_OK;
    if (s->n_begins++ == 0) OA__TRY(oa__str_add(&s->begins, file, n));
    if (s->list.len > 400) return OA_OK;
    if (s->list.len > 0) OA__TRY(oa__str_add_z(&s->list, ", "));
    return oa__str_add(&s->list, file, n);
}

static int add_found(const char *name, oa__str *out)
{
    search s = {.name = name, .len = strlen(name)};
    int rc;
    s.exact.mem = s.begins.mem = s.list.mem = out->mem;
    if (strchr(name, '/') != NULL) {
        return oa__err(OA_EINVAL, "model name \"%s\" contains a slash", name);
    }
    OA__TRY(add_folder(out));
    rc = oa__dir_list(out->mem, out->data, look, &s);
    if (rc == OA_ENOTFOUND || (rc == OA_OK && s.exact.len == 0 && s.n_begins == 0)) {
        rc = oa__err(OA_ENOTFOUND, "no model \"%s\" in %s", name, out->data);
    } else if (rc == OA_OK && s.exact.len == 0 && s.n_begins > 1) {
        rc = oa__err(OA_EINVAL, "model name \"%s\" matches %zu files: %s", name, s.n_begins,
                     s.list.data);
    } else if (rc == OA_OK) {
        const oa__str *found = s.exact.len > 0 ? &s.exact : &s.begins;
        rc = oa__str_add_char(out, '/');
        if (rc == OA_OK) rc = oa__str_add(out, found->data, found->len);
    }
    oa__str_free(&s.list);
    oa__str_free(&s.begins);
    oa__str_free(&s.exact);
    return rc;
}

int oa__model_resolve(const char *path, oa__str *out)
{
    if (path == NULL || path[0] == '\0') return oa__err(OA_EINVAL, "no model path given");
    if (strchr(path, '/') != NULL || oa__file_exists(path)) return oa__str_add_z(out, path);
    return add_found(path, out);
}

int oa_model_find(const char *name, char *buf, size_t buf_size, size_t *path_len)
{
    if (buf == NULL && buf_size > 0) return oa__err(OA_EINVAL, "buf is NULL");
    oa__str path = {0};
    int rc = name == NULL || name[0] == '\0' ? add_folder(&path) : add_found(name, &path);
    if (rc == OA_OK) rc = oa__copy_out(path.data, path.len, buf, buf_size, path_len);
    oa__str_free(&path);
    return rc;
}
