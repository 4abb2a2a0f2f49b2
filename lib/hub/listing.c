/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hub says about a repository: JSON of somebody else.
 *
 *   info:  {"sha": COMMIT, "cardData": {"license": ID}, ...}
 *   page:  [{"type": "file", "path": P, "size": N, "oid": GIT, "lfs": {"oid": SHA256, "size": N}}]
 */
#include "hub/hub_priv.h"

#include <string.h>

enum { MAX_FILES = 100000 };

static bool is_hex(const char *text, size_t len)
{
    if (strlen(text) != len) return false;
    for (size_t i = 0; i < len; i++)
        if (!strchr("0123456789abcdef", text[i])) return false;
    return true;
}

static void copy_short(char *out, size_t out_size, const char *text)
{
    const size_t len = strlen(text);
    if (len >= out_size) return;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return;
    memcpy(out, text, len + 1);
}

static int parse(json_t **out, const char *json, size_t len)
{
    json_error_t why;
    *out = json_loadb(json, len, JSON_REJECT_DUPLICATES, &why);
    if (!*out) return oa__err(OA_EFORMAT, "the hub's answer is no JSON: %s", why.text);
    return OA_OK;
}

int oa__hub_listing_info(oa__hub_listing *l, const char *json, size_t len)
{
    json_t *root;
    OA__TRY(parse(&root, json, len));
    if (!json_is_object(root)) {
        json_decref(root);
        return oa__err(OA_EFORMAT, "the hub's answer about the repository is no object");
    }
    const char *commit = oa__json_member(root, "sha");
    if (is_hex(commit, 40) || is_hex(commit, 64)) copy_short(l->commit, sizeof l->commit, commit);
    const json_t *card = json_object_get(root, "cardData"), *id = json_object_get(card, "license");
    if (json_is_array(id)) id = json_array_get(id, 0);
    if (json_is_string(id)) copy_short(l->licence, sizeof l->licence, json_string_value(id));
    json_decref(root);
    return OA_OK;
}

static int add_file(oa__hub_listing *l, const oa__log *log, const json_t *entry)
{
    const char *path = oa__json_member(entry, "path");
    const json_t *lfs = json_object_get(entry, "lfs");
    const json_t *size = json_object_get(json_is_object(lfs) ? lfs : entry, "size");
    if (strcmp(oa__json_member(entry, "type"), "file") != 0) return OA_OK;
    if (!oa__hub_path_is_safe(path)) {
        if (path[0] != '.') /* ".gitattributes" is in every repository */
            oa__log_line(log, OA_LOG_WARN, "a file that is called \"%s\" is left out", path);
        return OA_OK;
    }
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return oa__err(OA_EFORMAT, "the hub does not say how large %s is", path);
    if (l->n_files == MAX_FILES)
        return oa__err(OA_ELIMIT, "the repository has more than %d files", MAX_FILES);
    OA__TRY(oa__grow(l->mem, (void **)&l->files, &l->cap, l->n_files + 1, sizeof *l->files));
    oa__hub_file *f = &l->files[l->n_files];
    *f = (oa__hub_file){.size = (uint64_t)json_integer_value(size)};
    f->path = oa__strndup(l->mem, path, strlen(path));
    if (!f->path) return OA_ENOMEM;
    l->n_files++;
    const char *sum = json_is_object(lfs) ? oa__json_member(lfs, "oid") : "";
    const char *oid = oa__json_member(entry, "oid");
    if (strncmp(sum, "sha256:", 7) == 0) sum += 7;
    if (is_hex(sum, 64)) copy_short(f->sha256, sizeof f->sha256, sum);
    if (is_hex(oid, 40) || is_hex(oid, 64)) copy_short(f->oid, sizeof f->oid, oid);
    return OA_OK;
}

int oa__hub_listing_page(oa__hub_listing *l, const oa__log *log, const char *json, size_t len)
{
    json_t *root, *entry;
    size_t i;
    int rc = OA_OK;
    OA__TRY(parse(&root, json, len));
    if (!json_is_array(root)) rc = oa__err(OA_EFORMAT, "the hub's list of files is no list");
    json_array_foreach(root, i, entry)
    {
        if (rc == OA_OK) rc = add_file(l, log, entry);
    }
    json_decref(root);
    return rc;
}

void oa__hub_listing_free(oa__hub_listing *l)
{
    for (size_t i = 0; i < l->n_files; i++)
        oa__free(l->mem, l->files[i].path);
    oa__free(l->mem, l->files);
    l->files = NULL;
    l->n_files = l->cap = 0;
}
