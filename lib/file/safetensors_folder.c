/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors: the files of a folder. An index is {"metadata": ..., "weight_map": {tensor: file}};
 * what it says and what the files hold must be the same.
 */
#include "file/safetensors_priv.h"

#include <string.h>

enum { MAX_INDEX = 100000000 };

/* A weight_map's pairs: names at text, sorted by order. */
typedef struct pairs {
    oa__mem *mem;
    oa__str text;
    size_t (*at)[2]; /* tensor and file name, in text */
    size_t n, cap;
    uint32_t *order;
} pairs;

static void pairs_free(pairs *p)
{
    oa__str_free(&p->text);
    oa__free(p->mem, p->at);
    oa__free(p->mem, p->order);
}

static int read_map(oa__json_scan *s, pairs *p)
{
    bool more;
    OA__TRY(oa__json_enter(s, '{'));
    for (;;) {
        OA__TRY(oa__json_more(s, '}', &more));
        if (!more) return OA_OK;
        OA__TRY(oa__grow(p->mem, (void **)&p->at, &p->cap, p->n + 1, sizeof *p->at));
        OA__TRY(oa__json_key(s));
        p->at[p->n][0] = p->text.len;
        OA__TRY(oa__str_add(&p->text, s->text.data, s->text.len + 1));
        OA__TRY(oa__json_string(s));
        p->at[p->n][1] = p->text.len;
        OA__TRY(oa__str_add(&p->text, s->text.data, s->text.len + 1));
        p->n++;
    }
}

static int read_index(oa__json_scan *s, pairs *p)
{
    bool more, seen = false;
    OA__TRY(oa__json_enter(s, '{'));
    for (;;) {
        OA__TRY(oa__json_more(s, '}', &more));
        if (!more) break;
        OA__TRY(oa__json_key(s));
        if (strcmp(s->text.data, "weight_map") != 0) {
            OA__TRY(oa__json_skip(s));
            continue;
        }
        if (seen) return oa__err(OA_EFORMAT, "%s: weight_map appears twice", s->what);
        seen = true;
        OA__TRY(read_map(s, p));
    }
    if (!seen) return oa__err(OA_EFORMAT, "%s: weight_map is missing", s->what);
    return oa__json_finish(s);
}

static bool file_less(const void *arg, uint32_t a, uint32_t b)
{
    const pairs *p = arg;
    return strcmp(p->text.data + p->at[a][1], p->text.data + p->at[b][1]) < 0;
}

/* A plain name: nothing that leads out of the folder. */
static int check_file_name(const char *name)
{
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL ||
        strchr(name, '\\') != NULL || strlen(name) > 255) {
        return oa__err(OA_EFORMAT, "index: \"%.64s\" is not the name of a file in the folder",
                       name);
    }
    return OA_OK;
}

/* Every file once, in the order of their names. */
static int add_files(oa__safetensors *st, pairs *p, const char *folder, bool no_mmap)
{
    const char *last = "";
    p->order = oa__alloc_array(p->mem, p->n, sizeof *p->order);
    if (p->order == NULL) return OA_ENOMEM;
    for (size_t i = 0; i < p->n; i++)
        p->order[i] = (uint32_t)i;
    oa__gguf_sort(p->order, p->n, file_less, p);
    for (size_t i = 0; i < p->n; i++) {
        const char *name = p->text.data + p->at[p->order[i]][1];
        if (i > 0 && strcmp(name, last) == 0) continue;
        last = name;
        OA__TRY(check_file_name(name));
        oa__str path = {.mem = p->mem};
        int rc = oa__str_addf(&path, "%s/%s", folder, name);
        if (rc == OA_OK) rc = oa__safetensors_add_file(st, path.data, no_mmap);
        oa__str_free(&path);
        if (rc == OA_ENOTFOUND) {
            return oa__err(OA_EFORMAT, "%s: the index names %s, which is missing", folder, name);
        }
        OA__TRY(rc);
    }
    return OA_OK;
}

/* Every tensor is named, once, and every name is a tensor. */
static int check_cover(const oa__safetensors *st, const pairs *p)
{
    bool *named = oa__alloc_array(p->mem, st->n_tensors, sizeof *named);
    int rc = named != NULL ? OA_OK : OA_ENOMEM;
    for (size_t i = 0; i < p->n && rc == OA_OK; i++) {
        const char *name = p->text.data + p->at[i][0];
        const oa__st_tensor *t = oa__safetensors_find(st, name);
        if (t == NULL) {
            rc = oa__err(OA_EFORMAT, "the index names tensor %.128s, which no file holds", name);
        } else if (named[t - st->tensors]) {
            rc = oa__err(OA_EFORMAT, "the index names tensor %.128s twice", name);
        } else {
            named[t - st->tensors] = true;
        }
    }
    if (rc == OA_OK && p->n != st->n_tensors) {
        rc = oa__err(OA_EFORMAT, "the index names %zu tensors, the files hold %zu", p->n,
                     st->n_tensors);
    }
    oa__free(p->mem, named);
    return rc;
}

static int open_index(oa__safetensors *st, const char *folder, const char *path, bool no_mmap)
{
    char *text = NULL;
    size_t len;
    int rc;
    pairs p = {.mem = st->mem, .text.mem = st->mem};
    oa__json_scan s = {.what = path, .text.mem = st->mem};
    OA__TRY_GOTO(oa__file_read(st->mem, path, MAX_INDEX, &text, &len));
    s.base = s.at = text;
    s.end = text + len;
    OA__TRY_GOTO(read_index(&s, &p));
    OA__TRY_GOTO(add_files(st, &p, folder, no_mmap));
    OA__TRY_GOTO(oa__safetensors_index(st));
    rc = check_cover(st, &p);
fail:
    oa__str_free(&s.text);
    pairs_free(&p);
    oa__free(st->mem, text);
    return rc;
}

int oa__safetensors_open_folder(oa__safetensors **out, oa__mem *mem, const char *folder,
                                const char *stem, bool no_mmap)
{
    oa__safetensors *st;
    oa__str path = {.mem = mem};
    int rc;
    *out = NULL;
    OA__TRY(oa__safetensors_new(&st, mem));
    OA__TRY_GOTO(oa__str_addf(&path, "%s/%s.safetensors.index.json", folder, stem));
    if (oa__file_exists(path.data)) {
        OA__TRY_GOTO(open_index(st, folder, path.data, no_mmap));
    } else {
        path.len = 0;
        OA__TRY_GOTO(oa__str_addf(&path, "%s/%s.safetensors", folder, stem));
        OA__TRY_GOTO(oa__safetensors_add_file(st, path.data, no_mmap));
        OA__TRY_GOTO(oa__safetensors_index(st));
    }
    oa__str_free(&path);
    *out = st;
    return OA_OK;
fail:
    oa__str_free(&path);
    oa__safetensors_free(st);
    return rc;
}
