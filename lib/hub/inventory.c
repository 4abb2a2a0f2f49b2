/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in the models folder or the data sets folder, and which of it a name means. */
#include "hub/hub_priv.h"

#include <string.h>

enum { MAX_DEPTH = 5, MAX_LIST = 400 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool begins(const char *text, const char *begin, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(text[i]) != lower(begin[i])) return false; /* also at the end of text */
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text), n = strlen(end);
    return len >= n && memcmp(text + len - n, end, n) == 0;
}

void oa__hub_items_free(oa__hub_items *items)
{
    for (size_t i = 0; i < items->n_items; i++) {
        oa__free(items->mem, items->items[i].path);
        oa__free(items->mem, items->items[i].name);
        oa__free(items->mem, items->items[i].repo);
    }
    oa__free(items->mem, items->items);
    items->items = NULL;
    items->n_items = items->cap = 0;
}

/* One folder on the way down. */
typedef struct walk {
    oa__hub_items *out;
    const char *folder; /* full path */
    size_t root_len;    /* of the kind's folder, with the slash */
    int kind, depth;
    bool config, weights; /* what makes a folder a model */
    uint64_t size;        /* of the files that do */
} walk;

/* path below the root: "OWNER/NAME/..." */
static char *repo_of(oa__mem *mem, const char *below, bool is_folder)
{
    const char *slash = strchr(below, '/');
    if (!slash) return NULL;
    const char *second = strchr(slash + 1, '/');
    if (!second && !is_folder) return NULL;
    return oa__strndup(mem, below, second ? (size_t)(second - below) : strlen(below));
}

static int add_item(oa__hub_items *out, const char *path, size_t root_len, uint64_t size,
                    bool is_folder)
{
    const char *below = path + root_len;
    size_t len = strlen(below);
    OA__TRY(
        oa__grow(out->mem, (void **)&out->items, &out->cap, out->n_items + 1, sizeof *out->items));
    oa__hub_item *item = &out->items[out->n_items];
    *item = (oa__hub_item){.size = size, .is_folder = is_folder};
    if (!is_folder && ends_with(below, ".gguf")) len -= 5;
    item->path = oa__strndup(out->mem, path, strlen(path));
    item->name = oa__strndup(out->mem, below, len);
    if (!item->path || !item->name) {
        oa__free(out->mem, item->path);
        oa__free(out->mem, item->name);
        return OA_ENOMEM;
    }
    item->repo = repo_of(out->mem, below, is_folder);
    out->n_items++;
    return OA_OK;
}

static bool is_later_part(const char *file, size_t *stem_len)
{
    const size_t len = strlen(file); /* "...-00002-of-00003.gguf" */
    *stem_len = 0;
    if (len < 21 || memcmp(file + len - 14, "-of-", 4) != 0) return false;
    *stem_len = len - 20;
    return memcmp(file + len - 20, "-00001", 6) != 0;
}

static int walk_folder(walk *up, const char *path);

static int visit(const char *file, void *arg)
{
    walk *w = arg;
    oa__file_info info;
    size_t stem_len;
    oa__str path = {.mem = w->out->mem};
    int rc = OA_OK;
    if (file[0] == '.' || ends_with(file, ".partial") || ends_with(file, ".partial.json") ||
        ends_with(file, ".part"))
        return OA_OK;
    OA__TRY_GOTO(oa__str_addf(&path, "%s/%s", w->folder, file));
    if (oa__file_stat(path.data, &info) < 0) goto fail; /* a link to nowhere */
    if (info.is_folder && w->depth < MAX_DEPTH) {
        rc = walk_folder(w, path.data);
    } else if (info.is_file && w->kind == OA__HUB_DATASET) {
        if (strncmp(file, "README", 6) != 0 && strncmp(file, "LICEN", 5) != 0)
            rc = add_item(w->out, path.data, w->root_len, info.size, false);
    } else if (info.is_file && ends_with(file, ".gguf") && strlen(file) > 5) {
        if (is_later_part(file, &stem_len)) {
            /* Sorted, it comes behind the first part. */
            oa__hub_item *head = w->out->n_items ? &w->out->items[w->out->n_items - 1] : NULL;
            const size_t n = path.len - strlen(file) + stem_len;
            if (head && strlen(head->path) == path.len && memcmp(head->path, path.data, n) == 0)
                head->size += info.size;
        } else {
            rc = add_item(w->out, path.data, w->root_len, info.size, false);
        }
    } else if (info.is_file) {
        w->config |= strcmp(file, "config.json") == 0 || strcmp(file, "adapter_config.json") == 0;
        w->weights |= ends_with(file, ".safetensors");
        w->size += info.size;
    }
    rc = rc < 0 ? rc : OA_OK;
fail:
    oa__str_free(&path);
    return rc;
}

static int walk_folder(walk *up, const char *path)
{
    walk w = {.out = up->out,
              .folder = path,
              .root_len = up->root_len,
              .kind = up->kind,
              .depth = up->depth + 1};
    int rc = oa__dir_list(w.out->mem, path, visit, &w);
    if (rc == OA_EACCES || rc == OA_ENOTFOUND) return OA_OK; /* not ours to look into */
    if (rc == OA_OK && w.config && w.weights) rc = add_item(w.out, path, w.root_len, w.size, true);
    return rc;
}

int oa__hub_inventory(oa__hub_items *out, oa__mem *mem, int kind)
{
    oa__str root = {.mem = mem};
    walk w = {.out = out, .kind = kind};
    *out = (oa__hub_items){.mem = mem};
    int rc = oa__hub_folder(&root, kind);
    if (rc == OA_OK) {
        w.folder = root.data;
        w.root_len = root.len + 1;
        rc = oa__dir_list(mem, root.data, visit, &w);
    }
    oa__str_free(&root);
    if (rc < 0) oa__hub_items_free(out);
    return rc;
}

/* --- by name ---------------------------------------------------------------------------------- */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What people call an item: its file, or its folder. */
static const char *call_name(const oa__hub_item *item)
{
    return last_part(item->path);
}

typedef struct match {
    size_t index, n;
    oa__str list;
} match;

static int add_match(match *m, const oa__hub_items *items, size_t i)
{
    if (m->n++ == 0) m->index = i;
    if (m->list.len > MAX_LIST) return OA_OK;
    if (m->list.len > 0) OA__TRY(oa__str_add_z(&m->list, ", "));
    return oa__str_add_z(&m->list, call_name(&items->items[i]));
}

/* "q4_k_m" in the middle of "x-Q4_K_M-00001-of-00002.gguf" */
static bool has_word(const char *text, const char *word)
{
    const size_t n = strlen(word);
    for (const char *at = text; *at; at++)
        if (begins(at, word, n) && (at == text || strchr("-._/", at[-1])) && strchr("-./", at[n]) &&
            at[n])
            return true;
    return false;
}

/* OWNER/NAME[:PART][@REVISION], as it was pulled. */
static int match_target(match *m, const oa__hub_items *items, const char *target)
{
    oa__hub_name name;
    oa__str repo = {.mem = items->mem};
    OA__TRY(oa__hub_name_read(&name, target, NULL));
    int rc = oa__str_addf(&repo, "%s/%s", name.owner, name.name);
    for (size_t i = 0; i < items->n_items && rc == OA_OK; i++) {
        const oa__hub_item *item = &items->items[i];
        if (!item->repo || strcmp(item->repo, repo.data) != 0) continue;
        const char *file = item->is_folder ? "safetensors" : strstr(item->path, repo.data);
        file = item->is_folder || !file ? "safetensors" : file + repo.len + 1;
        if (name.part[0] && strcmp(file, name.part) != 0 && !has_word(file, name.part)) continue;
        rc = add_match(m, items, i);
    }
    oa__str_free(&repo);
    return rc;
}

static void reset(match *m)
{
    m->n = 0;
    m->list.len = 0;
}

static int find_matches(match *m, const oa__hub_items *items, const char *name)
{
    const size_t len = strlen(name);
    oa__hub_entry entry;
    /* The whole name of a file, then that without ".gguf". */
    for (size_t i = 0; i < items->n_items; i++)
        if (strcmp(call_name(&items->items[i]), name) == 0) OA__TRY(add_match(m, items, i));
    for (size_t i = 0; i < items->n_items && m->n == 0; i++)
        if (strcmp(items->items[i].name, name) == 0) OA__TRY(add_match(m, items, i));
    for (size_t i = 0; i < items->n_items && m->n == 0; i++)
        if (strcmp(last_part(items->items[i].name), name) == 0) OA__TRY(add_match(m, items, i));
    if (m->n > 0) return OA_OK;
    if (strchr(name, '/')) return match_target(m, items, name);
    const int rc = oa__catalogue_find(&entry, name);
    if (rc == OA_OK) {
        OA__TRY(match_target(m, items, entry.target));
        if (m->n == 1) return OA_OK;
        reset(m);
    } else if (rc != OA_ENOTFOUND) {
        return rc;
    }
    for (size_t i = 0; i < items->n_items; i++)
        if (begins(call_name(&items->items[i]), name, len)) OA__TRY(add_match(m, items, i));
    return OA_OK;
}

static int not_found(const char *name, int kind)
{
    oa__hub_entry entry;
    oa__hub_name repo;
    oa__str folder = {0};
    const char *flag = kind == OA__HUB_DATASET ? "--dataset " : "";
    int rc = oa__hub_folder(&folder, kind);
    if (rc < 0) goto fail;
    const char *what = kind == OA__HUB_DATASET ? "data set" : "model";
    const bool known = oa__catalogue_find(&entry, name) == OA_OK;
    if (known && entry.kind != kind)
        rc = oa__err(OA_ENOTFOUND, "no %s \"%s\" in %s: it is the short name of a %s", what, name,
                     folder.data, kind == OA__HUB_DATASET ? "model" : "data set");
    else if (known)
        rc = oa__err(OA_ENOTFOUND, "no %s \"%s\" in %s: \"openassistant pull %s%s\" gets it", what,
                     name, folder.data, flag, name);
    else if (oa__hub_name_read(&repo, name, NULL) == OA_OK)
        rc = oa__err(OA_ENOTFOUND, "no %s \"%s\" in %s: \"openassistant pull %s%s\" may get it",
                     what, name, folder.data, flag, name);
    else
        rc = oa__err(OA_ENOTFOUND, "no %s \"%s\" in %s", what, name, folder.data);
fail:
    oa__str_free(&folder);
    return rc;
}

int oa__hub_pick(const oa__hub_items *items, const char *name, int kind, size_t *index)
{
    match m = {.list = {.mem = items->mem}};
    int rc = find_matches(&m, items, name);
    if (rc == OA_OK && m.n == 0) rc = not_found(name, kind);
    if (rc == OA_OK && m.n > 1)
        rc = oa__err(OA_EINVAL, "%s name \"%s\" matches %zu files: %s",
                     kind == OA__HUB_DATASET ? "data set" : "model", name, m.n, m.list.data);
    *index = m.index;
    oa__str_free(&m.list);
    return rc;
}

bool oa__hub_is_name(const char *text)
{
    oa__hub_name name;
    return oa__hub_name_read(&name, text, NULL) == OA_OK &&
           (name.part[0] || !ends_with(text, ".gguf"));
}

int oa__hub_find(const char *name, oa__str *out)
{
    oa__hub_items items;
    oa__hub_name repo;
    size_t index;
    /* A slash is for OWNER/NAME, no way to other folders. */
    if (strchr(name, '/') && !oa__hub_path_is_safe(name) &&
        oa__hub_name_read(&repo, name, NULL) < 0)
        return oa__err(OA_EINVAL, "model name \"%s\" contains a slash", name);
    int rc = oa__hub_inventory(&items, out->mem, OA__HUB_MODEL);
    if (rc == OA_ENOTFOUND) {
        oa__str folder = {.mem = out->mem};
        rc = oa__hub_folder(&folder, OA__HUB_MODEL);
        oa__str_free(&folder);
        return rc < 0 ? rc : not_found(name, OA__HUB_MODEL);
    }
    if (rc < 0) return rc;
    rc = oa__hub_pick(&items, name, OA__HUB_MODEL, &index);
    if (rc == OA_OK) rc = oa__str_add_z(out, items.items[index].path);
    oa__hub_items_free(&items);
    return rc;
}
