/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was pulled into a repository's folder, in ".pull.json" there:
 *
 *   {"format": "openassistant pull", "version": 1, "repository": "OWNER/NAME", "endpoint": URL,
 *    "revision": R, "commit": C, "licence": ID, "models": [PATH, ...],
 *    "files": {PATH: {"size": N, "sha256": HEX, "oid": HEX, "mtime_ns": N}}}
 *
 * It is a help and no authority: without it, or when it is damaged, files are checked by their
 * bytes or fetched again.
 */
#include "hub/hub_priv.h"

#include <string.h>

enum { MAX_FILE = 64 << 20, LOCK_TRIES = 1000 };

static int add_chunk(const char *data, size_t size, void *arg)
{
    return oa__str_add(arg, data, size) < 0 ? -1 : 0;
}

int oa__json_text(oa__str *out, const json_t *value)
{
    if (!value || json_dump_callback(value, add_chunk, out, JSON_INDENT(1) | JSON_ENCODE_ANY) != 0)
        return oa__err(OA_ENOMEM, "out of memory for JSON");
    return OA_OK;
}

const char *oa__json_member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

json_t *oa__record_read(const char *folder)
{
    oa__str path = {0};
    char *text = NULL;
    size_t len;
    json_t *record = NULL;
    if (oa__str_addf(&path, "%s/" OA__HUB_RECORD, folder) == OA_OK && oa__file_exists(path.data) &&
        oa__file_read(NULL, path.data, MAX_FILE, &text, &len) == OA_OK) {
        record = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(record) || !json_is_object(json_object_get(record, "files")) ||
            json_integer_value(json_object_get(record, "version")) != 1) {
            json_decref(record);
            record = NULL;
        }
    }
    oa__free(NULL, text);
    oa__str_free(&path);
    if (record) return record;
    return json_pack("{s:s, s:i, s:{}, s:[]}", "format", "openassistant pull", "version", 1,
                     "files", "models");
}

int oa__record_lock(const char *folder, oa__file_part **lock)
{
    oa__str path = {0};
    *lock = NULL;
    int rc = oa__str_addf(&path, "%s/" OA__HUB_RECORD, folder);
    for (int i = 0; rc == OA_OK; i++) {
        rc = oa__file_part_open(lock, NULL, path.data);
        if (rc != OA_EBUSY || i == LOCK_TRIES) break;
        oa__clock_sleep(10 * 1000000u); /* held for the time of a read and a write */
        rc = OA_OK;
    }
    oa__str_free(&path);
    return rc;
}

int oa__record_write(oa__file_part *lock, const json_t *record)
{
    oa__str text = {0};
    int rc = oa__json_text(&text, record);
    if (rc == OA_OK) rc = oa__str_add_char(&text, '\n');
    if (rc == OA_OK) {
        rc = oa__file_part_replace(lock, text.data, text.len);
    } else {
        oa__file_part_remove(lock);
    }
    oa__str_free(&text);
    return rc;
}

void oa__record_unlock(oa__file_part *lock)
{
    oa__file_part_remove(lock);
}
