/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions about what is installed: list, verify, remove; and the catalogue as JSON. */
#include "hub/hub_priv.h"

#include <string.h>

static int read_opts(oa_hub_opts *out, const oa_hub_opts *opts, int *kind)
{
    *kind = OA__HUB_MODEL;
    OA__TRY(oa__opts_read(out, sizeof *out, sizeof *out, opts));
    if (out->flags & ~(uint32_t)OA_HUB_DATASET)
        return oa__err(OA_EINVAL, "flags 0x%x: not known", out->flags);
    if (out->log_level > OA_LOG_TRACE)
        return oa__err(OA_EINVAL, "log level %u: not known", out->log_level);
    if (out->flags & OA_HUB_DATASET) *kind = OA__HUB_DATASET;
    return OA_OK;
}

static int copy_json(const json_t *value, char *buf, size_t buf_size, size_t *len)
{
    oa__str text = {0};
    int rc = oa__json_text(&text, value);
    if (rc == OA_OK) rc = oa__copy_out(text.data, text.len, buf, buf_size, len);
    oa__str_free(&text);
    return rc;
}

/* The folder of a repository that an item lies in: "<root>/OWNER/NAME". */
static int repo_folder(const oa__hub_item *item, int kind, oa__str *out)
{
    OA__TRY(oa__hub_folder(out, kind));
    return oa__str_addf(out, "/%s", item->repo);
}

/* --- list ------------------------------------------------------------------------------------- */

/* A string from any bytes: what is no UTF-8 becomes U+FFFD. */
static json_t *any_text(const char *text)
{
    oa__str clean = {0};
    json_t *value = json_string(text);
    for (size_t i = 0, len = strlen(text); !value && i < len;) {
        uint32_t cp = 0;
        i += oa__utf8_decode(text + i, len - i, &cp);
        if (oa__str_add_utf8(&clean, cp) < 0) break;
    }
    if (!value && clean.len > 0) value = json_stringn(clean.data, clean.len);
    oa__str_free(&clean);
    return value;
}

static int add_record(json_t *object, const oa__hub_item *item, int kind)
{
    static const char *const keys[] = {"repository", "revision", "commit", "licence"};
    oa__str path = {0};
    int rc = repo_folder(item, kind, &path);
    if (rc < 0) goto fail;
    json_t *record = oa__record_read(path.data);
    for (size_t i = 0; i < OA__ARRAY_LEN(keys); i++) {
        json_t *value = json_object_get(record, keys[i]);
        if (json_is_string(value)) json_object_set(object, keys[i], value);
    }
    json_decref(record);
    OA__TRY_GOTO(oa__str_add_z(&path, "/README.md"));
    if (oa__file_exists(path.data)) json_object_set_new(object, "card", any_text(path.data));
fail:
    oa__str_free(&path);
    return rc;
}

int oa_hub_copy_installed(const oa_hub_opts *opts, char *buf, size_t buf_size, size_t *len)
{
    oa_hub_opts o;
    int kind;
    oa__hub_items items;
    oa__str folder = {0};
    json_t *root = NULL, *list = NULL;
    if (!buf && buf_size > 0) return oa__err(OA_EINVAL, "buf is NULL");
    OA__TRY(read_opts(&o, opts, &kind));
    int rc = oa__hub_folder(&folder, kind);
    if (rc < 0) return rc;
    rc = oa__hub_inventory(&items, NULL, kind);
    if (rc == OA_ENOTFOUND && !oa__file_exists(folder.data)) rc = OA_OK;
    if (rc < 0) goto fail;
    list = json_array();
    for (size_t i = 0; i < items.n_items && rc == OA_OK; i++) {
        const oa__hub_item *item = &items.items[i];
        json_t *object = json_pack("{s:o, s:o, s:I}", "name", any_text(item->name), "path",
                                   any_text(item->path), "size", (json_int_t)item->size);
        if (object && item->repo) rc = add_record(object, item, kind);
        if (json_array_append_new(list, object) < 0)
            rc = oa__err(OA_ENOMEM, "out of memory for the list");
    }
    root = json_pack("{s:o, s:O}", "folder", any_text(folder.data),
                     kind == OA__HUB_DATASET ? "datasets" : "models", list);
    if (rc == OA_OK) rc = copy_json(root, buf, buf_size, len);
    json_decref(root);
    json_decref(list);
    oa__hub_items_free(&items);
fail:
    oa__str_free(&folder);
    return rc;
}

static int add_entry(const oa__hub_entry *e, void *arg)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", e->short_name, "kind",
                               e->kind == OA__HUB_DATASET ? "dataset" : "model", "get", e->target,
                               "licence", e->licence, "about", e->about);
    if (json_array_append_new(arg, object) < 0) return oa__err(OA_ENOMEM, "out of memory for JSON");
    return OA_OK;
}

int oa_hub_copy_catalogue(char *buf, size_t buf_size, size_t *len)
{
    if (!buf && buf_size > 0) return oa__err(OA_EINVAL, "buf is NULL");
    json_t *list = json_array();
    int rc = oa__catalogue_walk(add_entry, list);
    if (rc == OA_OK) rc = copy_json(list, buf, buf_size, len);
    json_decref(list);
    return rc;
}

/* --- the files of an item --------------------------------------------------------------------- */

/* Find an item; items to be freed by the caller when this succeeds. */
static int find_item(const char *name, int kind, oa__hub_items *items, size_t *index)
{
    if (!name || !name[0]) return oa__err(OA_EINVAL, "no name given");
    int rc = oa__hub_inventory(items, NULL, kind);
    if (rc == OA_ENOTFOUND) { /* no folder: nothing is in it, and the text says how to get it */
        *items = (oa__hub_items){.mem = NULL};
    } else if (rc < 0) {
        return rc;
    }
    rc = oa__hub_pick(items, name, kind, index);
    if (rc < 0) oa__hub_items_free(items);
    return rc;
}

/* Where in a path "00001" of "-00001-of-00003.gguf" stands; 0 = it is no part of several. */
static size_t part_number_at(const char *path)
{
    const size_t len = strlen(path);
    if (len < 21 || strcmp(path + len - 5, ".gguf") != 0) return 0;
    const char *tail = path + len - 20;
    if (tail[0] != '-' || memcmp(tail + 6, "-of-", 4) != 0) return 0;
    for (int i = 1; i <= 5; i++)
        if (tail[i] < '0' || tail[i] > '9' || tail[9 + i] < '0' || tail[9 + i] > '9') return 0;
    return len - 19;
}

typedef struct visit_folder {
    const char *folder;
    int (*fn)(const char *path, void *arg);
    void *arg;
} visit_folder;

static int visit_file(const char *name, void *arg)
{
    visit_folder *v = arg;
    oa__str path = {0};
    oa__file_info info;
    int rc = oa__str_addf(&path, "%s/%s", v->folder, name);
    if (rc == OA_OK && oa__file_stat(path.data, &info) == OA_OK && info.is_file)
        rc = v->fn(path.data, v->arg);
    oa__str_free(&path);
    return rc;
}

/* Call fn for every file that makes up an item. */
static int each_file(const oa__hub_item *item, int (*fn)(const char *path, void *arg), void *arg)
{
    static const char digits[] = "0123456789";
    const size_t at = part_number_at(item->path);
    visit_folder v = {item->path, fn, arg};
    if (item->is_folder) return oa__dir_list(NULL, item->path, visit_file, &v);
    if (!at) return fn(item->path, arg);
    oa__str path = {0};
    uint64_t n_parts = 0;
    int rc = oa__str_add_z(&path, item->path);
    if (rc == OA_OK) rc = oa__parse_u64(item->path + at + 9, 5, &n_parts);
    for (uint64_t i = 1; rc == OA_OK && i <= n_parts; i++) {
        uint64_t rest = i;
        for (size_t k = 5; k-- > 0; rest /= 10)
            path.data[at + k] = digits[rest % 10];
        rc = fn(path.data, arg);
    }
    oa__str_free(&path);
    return rc;
}

/* --- verify ----------------------------------------------------------------------------------- */

typedef struct verify {
    oa__log log;
    oa__progress progress;
    const json_t *files; /* of the record, or NULL */
    size_t folder_len;   /* what of a path is the repository's folder, with the slash */
    uint64_t done;
    size_t n_checked, n_unknown;
} verify;

static int poll_verify(void *arg, uint64_t done)
{
    verify *v = arg;
    return oa__progress_poll(&v->progress, v->done + done);
}

typedef struct by_file {
    const char *file;
    char sha256[65];
} by_file;

static int compare_entry(const oa__hub_entry *e, void *arg)
{
    by_file *b = arg;
    const char *colon = strchr(e->target, ':');
    if (colon && e->sha256[0] && strcmp(colon + 1, b->file) == 0)
        memcpy(b->sha256, e->sha256, sizeof b->sha256);
    return OA_OK;
}

static int verify_file(const char *path, void *arg)
{
    verify *v = arg;
    oa__file_info info;
    char sum[65];
    const char *slash = strrchr(path, '/');
    const json_t *entry = v->files ? json_object_get(v->files, path + v->folder_len) : NULL;
    by_file known = {.file = slash ? slash + 1 : path};
    if (known.file[0] == '.') return OA_OK;
    const char *want = oa__json_member(entry, "sha256");
    if (!want[0]) {
        OA__TRY(oa__catalogue_walk(compare_entry, &known));
        want = known.sha256;
    }
    if (!want[0]) {
        v->n_unknown++;
        oa__log_line(&v->log, OA_LOG_INFO, "%s: no checksum is known", path);
        return OA_OK;
    }
    OA__TRY(oa__file_stat(path, &info));
    const json_t *size = json_object_get(entry, "size");
    if (json_is_integer(size) && (uint64_t)json_integer_value(size) != info.size)
        return oa__err(OA_EFORMAT, "%s: %llu bytes, want %lld", path, (unsigned long long)info.size,
                       (long long)json_integer_value(size));
    OA__TRY(oa__sha256_file(path, sum, poll_verify, v));
    v->done += info.size;
    if (strcmp(sum, want) != 0)
        return oa__err(OA_EFORMAT, "%s: the SHA-256 is %s, want %s", path, sum, want);
    v->n_checked++;
    oa__log_line(&v->log, OA_LOG_INFO, "%s: as it should be", path);
    return OA_OK;
}

int oa_hub_verify(const char *name, const oa_hub_opts *opts)
{
    oa_hub_opts o;
    int kind;
    size_t index;
    oa__hub_items items;
    oa__str folder = {0};
    json_t *record = NULL;
    OA__TRY(read_opts(&o, opts, &kind));
    OA__TRY(find_item(name, kind, &items, &index));
    const oa__hub_item *item = &items.items[index];
    verify v = {.log = {o.log_fn, o.log_user, o.log_level}, .progress = {.what = "verify"}};
    v.progress.fn = o.progress_fn;
    v.progress.user = o.progress_user;
    v.progress.total = item->size;
    int rc = OA_OK;
    if (item->repo) {
        OA__TRY_GOTO(repo_folder(item, kind, &folder));
        record = oa__record_read(folder.data);
        v.files = json_object_get(record, "files");
        v.folder_len = folder.len + 1;
    }
    OA__TRY_GOTO(each_file(item, verify_file, &v));
    if (v.n_checked == 0)
        rc = oa__err(OA_ENOTFOUND, "%s: no checksum is known, it was not pulled", item->path);
fail:
    json_decref(record);
    oa__str_free(&folder);
    oa__hub_items_free(&items);
    return rc;
}

/* --- remove ----------------------------------------------------------------------------------- */

static int remove_file(const char *path, void *arg)
{
    (void)arg;
    return oa__file_exists(path) ? oa__file_remove(path) : OA_OK;
}

static int count_own(const char *name, void *arg)
{
    size_t *n = arg;
    if (name[0] != '.' && strncmp(name, "README", 6) != 0 && strncmp(name, "LICEN", 5) != 0 &&
        strncmp(name, "NOTICE", 6) != 0 && strncmp(name, "COPYING", 7) != 0 &&
        strncmp(name, "USE_POLICY", 10) != 0 && !strstr(name, ".partial"))
        (*n)++;
    return OA_OK;
}

/* Cards and licences go with the last file that they were for; then the empty folders. */
static int remove_rest(const char *folder)
{
    size_t n = 0;
    visit_folder v = {folder, remove_file, NULL};
    OA__TRY(oa__dir_list(NULL, folder, count_own, &n));
    if (n > 0) return OA_OK;
    OA__TRY(oa__dir_list(NULL, folder, visit_file, &v));
    OA__TRY(oa__dir_remove(folder));
    oa__str above = {0};
    const char *slash = strrchr(folder, '/');
    int rc = oa__str_add(&above, folder, (size_t)(slash - folder));
    if (rc == OA_OK) oa__dir_remove(above.data); /* fails when another repository is in it */
    oa__str_free(&above);
    return rc;
}

/* Take what is gone out of the record. */
static int forget(const char *folder)
{
    oa__file_part *lock;
    oa__str path = {0};
    const char *key;
    json_t *value;
    void *next;
    OA__TRY(oa__record_lock(folder, &lock));
    json_t *record = oa__record_read(folder), *files = json_object_get(record, "files");
    int rc = record ? OA_OK : oa__err(OA_ENOMEM, "out of memory for the record");
    json_object_foreach_safe(files, next, key, value)
    {
        path.len = 0;
        if (rc == OA_OK) rc = oa__str_addf(&path, "%s/%s", folder, key);
        if (rc == OA_OK && !oa__file_exists(path.data)) json_object_del(files, key);
    }
    if (rc == OA_OK) {
        rc = oa__record_write(lock, record);
    } else {
        oa__record_unlock(lock);
    }
    json_decref(record);
    oa__str_free(&path);
    return rc;
}

int oa_hub_remove(const char *name, const oa_hub_opts *opts)
{
    oa_hub_opts o;
    int kind;
    size_t index;
    oa__hub_items items;
    oa__str folder = {0}, above = {0};
    OA__TRY(read_opts(&o, opts, &kind));
    OA__TRY(find_item(name, kind, &items, &index));
    const oa__hub_item *item = &items.items[index];
    int rc;
    OA__TRY_GOTO(each_file(item, remove_file, NULL));
    if (!item->repo && !item->is_folder) goto fail;
    const char *slash = strrchr(item->path, '/');
    if (!item->repo) {
        rc = oa__dir_remove(item->path);
        goto fail;
    }
    OA__TRY_GOTO(repo_folder(item, kind, &folder));
    if (!item->is_folder) {
        /* A folder inside the repository that held nothing else. */
        OA__TRY_GOTO(oa__str_add(&above, item->path, (size_t)(slash - item->path)));
        if (strcmp(above.data, folder.data) != 0) oa__dir_remove(above.data);
    }
    if (oa__file_exists(folder.data)) OA__TRY_GOTO(forget(folder.data));
    if (oa__file_exists(folder.data)) OA__TRY_GOTO(remove_rest(folder.data));
    rc = OA_OK;
fail:
    oa__str_free(&above);
    oa__str_free(&folder);
    oa__hub_items_free(&items);
    return rc;
}
