/* SPDX-License-Identifier: Apache-2.0 */
/* Names: of repositories as users write them, of files as servers send them, of folders. */
#include "hub/hub_priv.h"

#include <string.h>

enum { MAX_PATH_LEN = 512, MAX_PART_LEN = 200 };

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* One of the two words of a repository's name; the hub allows no others. */
static bool take_word(char *out, size_t out_size, const char *text, size_t len)
{
    if (len == 0 || len >= out_size || text[0] == '.' || text[0] == '-') return false;
    for (size_t i = 0; i < len; i++)
        if (!is_word(text[i])) return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

static bool take_revision(char *out, size_t out_size, const char *text)
{
    const size_t len = strlen(text);
    if (len == 0 || len >= out_size || text[0] == '-' || text[0] == '/') return false;
    for (size_t i = 0; i < len; i++)
        if (!is_word(text[i]) && text[i] != '/') return false;
    if (strstr(text, "..") || strstr(text, "//")) return false;
    memcpy(out, text, len + 1);
    return true;
}

int oa__hub_name_read(oa__hub_name *out, const char *text, const char *revision)
{
    const char *slash = strchr(text, '/');
    const char *end = text + strlen(text), *at = NULL;
    *out = (oa__hub_name){.revision = ""};
    if (!slash) return oa__err(OA_EINVAL, "found \"%s\", want OWNER/NAME", text);
    if (revision && revision[0]) {
        if (!take_revision(out->revision, sizeof out->revision, revision))
            return oa__err(OA_EINVAL, "revision \"%s\": want a branch, a tag or a commit",
                           revision);
    } else {
        for (const char *c = end; c > text && !at; c--)
            if (c[-1] == '@') at = c - 1;
        if (at && !take_revision(out->revision, sizeof out->revision, at + 1))
            return oa__err(OA_EINVAL, "revision \"%s\": want a branch, a tag or a commit", at + 1);
        if (at) end = at;
    }
    const char *colon = memchr(text, ':', (size_t)(end - text));
    const char *name_end = colon ? colon : end;
    if (slash > name_end ||
        !take_word(out->owner, sizeof out->owner, text, (size_t)(slash - text)) ||
        !take_word(out->name, sizeof out->name, slash + 1, (size_t)(name_end - slash) - 1))
        return oa__err(OA_EINVAL, "found \"%s\", want OWNER/NAME[:FILE or type][@REVISION]", text);
    if (!colon) return OA_OK;
    const size_t len = (size_t)(end - colon) - 1;
    if (len == 0 || len >= sizeof out->part)
        return oa__err(OA_EINVAL, "found \"%s\", want a file or a type behind the colon", text);
    memcpy(out->part, colon + 1, len);
    out->part[len] = '\0';
    return OA_OK;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    const size_t n = strlen(end);
    return len >= n && memcmp(text + len - n, end, n) == 0;
}

bool oa__hub_path_is_safe(const char *path)
{
    const size_t len = strlen(path);
    if (len == 0 || len > MAX_PATH_LEN || !oa__utf8_valid(path, len)) return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f || path[i] == '\\' || path[i] == ':')
            return false;
    for (const char *at = path;; at++) {
        const size_t n = strcspn(at, "/");
        /* A dot in front is "..", or hidden, or the name of a file of ours. */
        if (n == 0 || n > MAX_PART_LEN || at[0] == '.') return false;
        if (ends_with(at, n, ".partial") || ends_with(at, n, ".partial.json")) return false;
        at += n;
        if (*at == '\0') return true;
    }
}

int oa__url_add(oa__str *url, const char *text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (const char *c = text; *c; c++) {
        if (is_word(*c) || *c == '~' || (*c == '/' && keep_slash)) {
            OA__TRY(oa__str_add_char(url, *c));
        } else {
            const char escaped[3] = {'%', digits[(unsigned char)*c >> 4],
                                     digits[(unsigned char)*c & 15]};
            OA__TRY(oa__str_add(url, escaped, 3));
        }
    }
    return OA_OK;
}

int oa__hub_folder(oa__str *out, int kind)
{
    const char *data = oa__env("XDG_DATA_HOME");
    const char *what = kind == OA__HUB_DATASET ? "datasets" : "models";
    if (data != NULL && data[0] == '/') {
        OA__TRY(oa__str_add_z(out, data));
    } else {
        const char *home = oa__env("HOME");
        if (home == NULL || home[0] == '\0') {
            return oa__err(OA_ENOTFOUND, "no %s folder: neither XDG_DATA_HOME nor HOME is set",
                           what);
        }
        OA__TRY(oa__str_add_z(out, home));
        OA__TRY(oa__str_add_z(out, "/.local/share"));
    }
    return oa__str_addf(out, "/openassistant/%s", what);
}

int oa__hub_repo_folder(oa__str *out, int kind, const oa__hub_name *name)
{
    OA__TRY(oa__hub_folder(out, kind));
    return oa__str_addf(out, "/%s/%s", name->owner, name->name);
}
