/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF in several files, NAME-00001-of-00003.gguf and so on. The first has the metadata; each says
 * which part it is (split.no, from 0), of how many (split.count), and how many tensors all hold
 * together (split.tensors.count). Opened as one virtual file whose tensors lie in the parts.
 */
#include "file/gguf_priv.h"

#include <stdio.h>
#include <string.h>

enum { MAX_PARTS = 4096, SUFFIX_LEN = 20 /* "-00001-of-00003.gguf" */ };

static const char no_key[] = "split.no", count_key[] = "split.count",
                  tensors_key[] = "split.tensors.count";

typedef struct place {
    uint32_t part;
    const oa__gguf_tensor *tensor;
} place;

typedef struct split {
    oa__mem *mem;
    oa__gguf **parts;
    size_t n_parts;
    place *places; /* in the order of the tensors */
} split;

static void split_free(void *arg)
{
    split *s = arg;
    if (s == NULL) return;
    for (size_t i = 0; i < s->n_parts; i++)
        oa__gguf_free(s->parts[i]);
    oa__free(s->mem, s->places);
    oa__free(s->mem, s->parts);
    oa__free(s->mem, s);
}

static const void *split_data(void *arg, size_t tensor)
{
    return ((const split *)arg)->places[tensor].tensor->data;
}

static void split_drop(void *arg, size_t tensor, size_t at, size_t size)
{
    const split *s = arg;
    const place *p = &s->places[tensor];
    oa__gguf_tensor_drop_part(s->parts[p->part], p->tensor, at, size);
}

static uint64_t split_hash(void *arg, uint64_t seed)
{
    const split *s = arg;
    for (size_t i = 0; i < s->n_parts; i++)
        seed = oa__gguf_sample(seed, s->parts[i]->data, s->parts[i]->size);
    return seed;
}

/* Whether g is a part that calls itself number no of n. */
static int check_part(const oa__gguf *g, const char *path, uint64_t no, uint64_t n)
{
    uint64_t no_found, n_found;
    int rc = oa__gguf_u64(g, no_key, &no_found);
    if (rc == OA_OK) rc = oa__gguf_u64(g, count_key, &n_found);
    if (rc == OA_ENOTFOUND) return oa__err(OA_EFORMAT, "%s: is no part of a model", path);
    OA__TRY(rc);
    if (no_found != no || n_found != n) {
        return oa__err(OA_EFORMAT, "%s: says it is part %llu of %llu, want part %llu of %llu", path,
                       (unsigned long long)no_found + 1, (unsigned long long)n_found,
                       (unsigned long long)no + 1, (unsigned long long)n);
    }
    return OA_OK;
}

/* Open part no; the first part's path tells the others'. */
static int open_part(split *s, const char *first, size_t no, size_t n, bool no_mmap,
                     bool header_only)
{
    oa__str path = {.mem = s->mem};
    int rc;
    OA__TRY_GOTO(oa__str_add(&path, first, strlen(first) - SUFFIX_LEN));
    OA__TRY_GOTO(oa__str_addf(&path, "-%05zu-of-%05zu.gguf", no + 1, n));
    rc = oa__gguf_open(&s->parts[no], s->mem, path.data, no_mmap, header_only);
    if (rc == OA_ENOTFOUND) {
        rc = oa__err(OA_EFORMAT, "%s: part %zu of %zu is missing", path.data, no + 1, n);
    }
    rc = oa__err_in_file(rc, path.data);
    if (rc == OA_OK) {
        s->n_parts = no + 1;
        rc = check_part(s->parts[no], path.data, no, n);
    }
fail:
    oa__str_free(&path);
    return rc;
}

static int join(split *s, oa__gguf **out)
{
    static const char *const own[] = {no_key, count_key, tensors_key};
    const oa__gguf *first = s->parts[0];
    oa__gguf_source source = {.arg = s,
                              .data = split_data,
                              .drop = split_drop,
                              .hash = split_hash,
                              .free = split_free,
                              .mapped = oa__gguf_is_mapped(first)};
    oa__gguf_writer *w;
    size_t n = 0, at = 0;
    uint64_t want;
    int rc;
    for (size_t i = 0; i < s->n_parts; i++) {
        n += s->parts[i]->n_tensors;
        source.file_size += s->parts[i]->size;
    }
    OA__TRY(oa__gguf_u64(first, tensors_key, &want));
    if (n != want) {
        return oa__err(OA_EFORMAT, "%s is %llu, the parts hold %zu tensors", tensors_key,
                       (unsigned long long)want, n);
    }
    s->places = oa__alloc_array(s->mem, n, sizeof *s->places);
    if (s->places == NULL) return OA_ENOMEM;
    OA__TRY(oa__gguf_writer_new(&w, s->mem));
    OA__TRY_GOTO(oa__gguf_writer_copy(w, first));
    for (size_t i = 0; i < OA__ARRAY_LEN(own); i++)
        OA__TRY_GOTO(oa__gguf_writer_remove(w, own[i]));
    for (size_t i = 0; i < s->n_parts; i++) {
        for (size_t k = 0; k < s->parts[i]->n_tensors; k++) {
            const oa__gguf_tensor *t = &s->parts[i]->tensors[k];
            s->places[at++] = (place){(uint32_t)i, t};
            if (t->packed) {
                rc = oa__err(OA_EUNSUPPORTED, "tensor %s is packed, in a part of a model", t->name);
                goto fail;
            }
            OA__TRY_GOTO(oa__gguf_writer_tensor(w, t->name, t->type, t->n_dims, t->dims));
        }
    }
    OA__TRY_GOTO(oa__gguf_writer_finish(w, out, &source));
    for (size_t i = 0; i < n; i++)
        (*out)->tensors[i].there = s->places[i].tensor->there;
fail:
    oa__gguf_writer_free(w);
    return rc;
}

/* Whether path ends as the name of the first of n parts does. */
static int check_name(const char *path, uint64_t n)
{
    char want[SUFFIX_LEN + 1];
    const size_t len = strlen(path);
    snprintf(want, sizeof want, "-%05d-of-%05d.gguf", 1, (int)n);
    if (len >= SUFFIX_LEN && strcmp(path + len - SUFFIX_LEN, want) == 0) return OA_OK;
    return oa__err(OA_EFORMAT, "%s: model is split into %llu files, this name does not end in %s",
                   path, (unsigned long long)n, want);
}

int oa__gguf_open_parts(oa__gguf **out, oa__mem *mem, const char *path, bool no_mmap,
                        bool header_only)
{
    uint64_t n = 1, no = 0;
    oa__gguf *first;
    split *s = NULL;
    int rc;
    *out = NULL;
    OA__TRY(oa__gguf_open(&first, mem, path, no_mmap, header_only));
    if (oa__gguf_has(first, count_key)) OA__TRY_GOTO(oa__gguf_u64(first, count_key, &n));
    if (n <= 1) {
        *out = first;
        return OA_OK;
    }
    OA__TRY_GOTO(oa__gguf_u64(first, no_key, &no));
    if (no != 0) {
        rc = oa__err(OA_EFORMAT, "%s: is part %llu of %llu, want the first", path,
                     (unsigned long long)no + 1, (unsigned long long)n);
        goto fail;
    }
    if (n > MAX_PARTS) {
        rc = oa__err(OA_EUNSUPPORTED, "%s: model in %llu files, want at most %d", path,
                     (unsigned long long)n, MAX_PARTS);
        goto fail;
    }
    OA__TRY_GOTO(check_name(path, n));
    s = oa__alloc(mem, sizeof *s);
    if (s != NULL) s->mem = mem;
    if (s != NULL) s->parts = oa__alloc_array(mem, (size_t)n, sizeof *s->parts);
    if (s == NULL || s->parts == NULL) {
        rc = OA_ENOMEM;
        goto fail;
    }
    s->parts[0] = first;
    s->n_parts = 1;
    first = NULL;
    for (size_t i = 1; i < n; i++)
        OA__TRY_GOTO(open_part(s, path, i, (size_t)n, no_mmap, header_only));
    OA__TRY_GOTO(join(s, out));
    return OA_OK;
fail:
    if (rc == OA_ENOTFOUND) rc = OA_EFORMAT; /* a key, not the file */
    split_free(s);
    oa__gguf_free(first);
    return rc;
}
