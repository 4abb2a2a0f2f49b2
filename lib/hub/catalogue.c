/* SPDX-License-Identifier: Apache-2.0 */
/* Short names: the user's file, then the list that is built in. */
#include "hub/hub_priv.h"

#include <string.h>

static const size_t MAX_FILE = 4 << 20;

static int user_path(oa__str *out)
{
    const char *config = oa__env("XDG_CONFIG_HOME"), *home = oa__env("HOME");
    if (config && config[0] == '/') {
        OA__TRY(oa__str_add_z(out, config));
    } else if (home && home[0]) {
        OA__TRY(oa__str_addf(out, "%s/.config", home));
    } else {
        return OA_ENOTFOUND;
    }
    return oa__str_add_z(out, "/openassistant/catalogue.json");
}

static bool copy_member(char *out, size_t out_size, const json_t *object, const char *key)
{
    const char *text = oa__json_member(object, key);
    if (strlen(text) >= out_size) return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static int read_entry(oa__hub_entry *e, const char *where, const char *name, const json_t *value,
                      int kind)
{
    oa__hub_name target;
    *e = (oa__hub_entry){.kind = kind};
    if (strlen(name) >= sizeof e->short_name || strchr(name, '/') || !json_is_object(value) ||
        !copy_member(e->target, sizeof e->target, value, "get") ||
        !copy_member(e->licence, sizeof e->licence, value, "licence") ||
        !copy_member(e->sha256, sizeof e->sha256, value, "sha256") ||
        !copy_member(e->about, sizeof e->about, value, "about"))
        return oa__err(OA_EFORMAT, "%s: entry \"%s\": want an object with \"get\"", where, name);
    memcpy(e->short_name, name, strlen(name) + 1);
    if (oa__hub_name_read(&target, e->target, NULL) < 0)
        return oa__err(OA_EFORMAT, "%s: entry \"%s\": %s", where, name, oa_error_last());
    if (e->sha256[0] && (strlen(e->sha256) != 64 || strspn(e->sha256, "0123456789abcdef") != 64))
        return oa__err(OA_EFORMAT, "%s: entry \"%s\": want a SHA-256 of 64 lower-case hex digits",
                       where, name);
    return OA_OK;
}

static int walk_text(const char *where, const char *text, size_t len,
                     int (*fn)(const oa__hub_entry *entry, void *arg), void *arg)
{
    static const char *const keys[] = {"models", "datasets"};
    json_error_t why;
    oa__hub_entry e;
    int rc = OA_OK;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!root) return oa__err(OA_EFORMAT, "%s: line %d: %s", where, why.line, why.text);
    if (!json_is_object(root)) rc = oa__err(OA_EFORMAT, "%s: want an object", where);
    for (int kind = OA__HUB_MODEL; kind <= OA__HUB_DATASET; kind++) {
        const char *name;
        json_t *value;
        json_object_foreach(json_object_get(root, keys[kind]), name, value)
        {
            if (rc == OA_OK) rc = read_entry(&e, where, name, value, kind);
            if (rc == OA_OK) rc = fn(&e, arg);
        }
    }
    json_decref(root);
    return rc;
}

int oa__catalogue_walk(int (*fn)(const oa__hub_entry *entry, void *arg), void *arg)
{
    oa__str path = {0};
    char *text = NULL;
    size_t len;
    int rc = user_path(&path);
    if (rc == OA_ENOTFOUND) rc = OA_OK;
    if (rc == OA_OK && path.len > 0 && oa__file_exists(path.data)) {
        rc = oa__file_read(NULL, path.data, MAX_FILE, &text, &len);
        if (rc == OA_OK) rc = walk_text(path.data, text, len, fn, arg);
    }
    oa__free(NULL, text);
    oa__str_free(&path);
    for (size_t i = 0; rc == OA_OK && i < oa__catalogue_n_known; i++)
        rc = fn(&oa__catalogue_known[i], arg);
    return rc;
}

typedef struct look {
    const char *name;
    oa__hub_entry *out;
    bool found;
} look;

static int compare(const oa__hub_entry *entry, void *arg)
{
    look *l = arg;
    if (l->found || strcmp(entry->short_name, l->name) != 0) return OA_OK;
    *l->out = *entry;
    l->found = true;
    return OA_OK;
}

int oa__catalogue_find(oa__hub_entry *out, const char *short_name)
{
    look l = {short_name, out, false};
    OA__TRY(oa__catalogue_walk(compare, &l));
    return l.found ? OA_OK : OA_ENOTFOUND;
}
