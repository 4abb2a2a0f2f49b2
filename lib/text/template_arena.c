/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory, names, output and failures of one render. The arena is a list of chunks; nothing in it
 * is freed before the end. Under the address sanitizer every piece is a chunk of its own, so that
 * a step over its end is seen.
 */
#include "text/template_priv.h"

#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define EXACT_CHUNKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EXACT_CHUNKS 1
#endif
#endif
#ifndef EXACT_CHUNKS
#define EXACT_CHUNKS 0
#endif

enum { CHUNK_HEAD = 16, CHUNK_MAX = 256 << 10 };

void *oa__tmpl_alloc(tmpl *t, size_t size)
{
    size_t room = (size + 15) & ~(size_t)15;
    if (room < size || room > OA__TMPL_MEMORY) {
        oa__tmpl_limit(t, "needs more than %zu MiB of memory", OA__TMPL_MEMORY >> 20);
        return NULL;
    }
    if (room == 0) room = 16;
    if ((size_t)(t->free_end - t->free_at) < room || t->free_at == NULL) {
        size_t want = CHUNK_HEAD + room;
        if (!EXACT_CHUNKS && want < t->next_chunk) want = t->next_chunk;
        if (t->next_chunk < CHUNK_MAX) t->next_chunk *= 2;
        if (t->arena_size + want > OA__TMPL_MEMORY) {
            oa__tmpl_limit(t, "needs more than %zu MiB of memory", OA__TMPL_MEMORY >> 20);
            return NULL;
        }
        tchunk *c = oa__alloc(t->mem, want);
        if (c == NULL) return NULL;
        t->arena_size += want;
        c->next = t->chunks;
        t->chunks = c;
        /* A big piece must not throw away what is left of a small chunk. */
        char *at = (char *)c + CHUNK_HEAD, *end = (char *)c + want;
        if ((size_t)(end - at) - room < (size_t)(t->free_end - t->free_at)) return at;
        t->free_at = at;
        t->free_end = end;
    }
    char *p = t->free_at;
    t->free_at += room;
    return p;
}

void *oa__tmpl_alloc_array(tmpl *t, size_t n, size_t elem_size)
{
    size_t size;
    if (!oa__mul_size(n, elem_size, &size)) size = SIZE_MAX;
    return oa__tmpl_alloc(t, size);
}

void oa__tmpl_free_arena(tmpl *t)
{
    for (tchunk *c = t->chunks; c != NULL;) {
        tchunk *next = c->next;
        oa__free(t->mem, c);
        c = next;
    }
    t->chunks = NULL;
    t->free_at = t->free_end = NULL;
    t->arena_size = 0;
}

int oa__tmpl_grow(tmpl *t, void **array, size_t *cap, size_t need, size_t elem_size)
{
    if (need <= *cap) return OA_OK;
    size_t want = *cap < 4 ? 4 : *cap * 2;
    if (want < need) want = need;
    void *p = oa__tmpl_alloc_array(t, want, elem_size);
    if (p == NULL) return oa__tmpl_nomem(t);
    if (*cap > 0) memcpy(p, *array, *cap * elem_size);
    *array = p;
    *cap = want;
    return OA_OK;
}

const tatom *oa__tmpl_atom(tmpl *t, const char *s, size_t len)
{
    uint64_t hash = oa__fnv1a(OA__FNV_BASIS, s, len);
    if (t->atoms_cap > 0) {
        for (tatom *a = t->atoms[hash & (t->atoms_cap - 1)]; a != NULL; a = a->next) {
            if (a->hash == hash && a->str.len == len && memcmp(a->str.s, s, len) == 0) return a;
        }
    }
    if (t->n_atoms >= t->atoms_cap) {
        size_t cap = t->atoms_cap == 0 ? 64 : t->atoms_cap * 2;
        tatom **buckets = oa__tmpl_alloc_array(t, cap, sizeof *buckets);
        if (buckets == NULL) return NULL;
        for (size_t i = 0; i < t->atoms_cap; i++) {
            for (tatom *a = t->atoms[i]; a != NULL;) {
                tatom *next = a->next;
                a->next = buckets[a->hash & (cap - 1)];
                buckets[a->hash & (cap - 1)] = a;
                a = next;
            }
        }
        t->atoms = buckets;
        t->atoms_cap = cap;
    }
    tatom *a = oa__tmpl_alloc(t, sizeof *a);
    char *copy = a == NULL ? NULL : oa__tmpl_alloc(t, len + 1);
    if (copy == NULL) return NULL;
    if (len > 0) memcpy(copy, s, len);
    a->str = (tstr){.s = copy, .len = len, .n_cp = SIZE_MAX};
    a->hash = hash;
    a->root = oa__tmpl_missing();
    a->next = t->atoms[hash & (t->atoms_cap - 1)];
    t->atoms[hash & (t->atoms_cap - 1)] = a;
    t->n_atoms++;
    return a;
}

int oa__tmpl_out_add(tmpl *t, tout *o, const char *s, size_t len)
{
    if (len == 0) return OA_OK;
    if (len > t->max_output - o->len) {
        return oa__tmpl_limit(t, "makes more than %zu bytes of text", t->max_output);
    }
    if (o->cap - o->len < len) {
        size_t cap = o->cap < 64 ? 64 : o->cap * 2;
        if (cap < o->len + len) cap = o->len + len;
        char *data = oa__tmpl_alloc(t, cap);
        if (data == NULL) return oa__tmpl_nomem(t);
        if (o->len > 0) memcpy(data, o->data, o->len);
        o->data = data;
        o->cap = cap;
    }
    memcpy(o->data + o->len, s, len);
    o->len += len;
    return oa__tmpl_charge(t, len / 64);
}

int oa__tmpl_out_addf(tmpl *t, tout *o, const char *fmt, ...)
{
    char buf[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    if (n < 0) n = 0;
    if ((size_t)n >= sizeof buf) n = (int)sizeof buf - 1;
    return oa__tmpl_out_add(t, o, buf, (size_t)n);
}

static int fail_v(int code, uint32_t line, const char *fmt, va_list ap)
{
    char buf[512];
    vsnprintf(buf, sizeof buf, fmt, ap);
    return oa__err(code, "chat template line %u: %s", line == 0 ? 1 : (unsigned)line, buf);
}

int oa__tmpl_fail(tmpl *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = fail_v(OA_ETEMPLATE, t->line, fmt, ap);
    va_end(ap);
    return rc;
}

int oa__tmpl_fail_at(uint32_t line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = fail_v(OA_ETEMPLATE, line, fmt, ap);
    va_end(ap);
    return rc;
}

int oa__tmpl_limit(tmpl *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = fail_v(OA_ELIMIT, t->line, fmt, ap);
    va_end(ap);
    t->over_limit = true;
    return rc;
}

int oa__tmpl_nomem(tmpl *t)
{
    return t->over_limit ? OA_ELIMIT : OA_ENOMEM;
}

int oa__tmpl_charge(tmpl *t, uint64_t steps)
{
    t->steps += steps;
    if (t->steps <= t->max_steps) return OA_OK;
    return oa__tmpl_limit(t, "takes more than %llu steps", (unsigned long long)t->max_steps);
}

int oa__tmpl_charge_call(tmpl *t, tval self, const tcall *call)
{
    uint64_t n = 1;
    if (self.type == T_STR) n += self.u.s->len / 64;
    for (size_t i = 0; i < call->n_pos; i++) {
        if (call->pos[i].type == T_STR) n += call->pos[i].u.s->len / 64;
    }
    return oa__tmpl_charge(t, n);
}

int oa__tmpl_enter(tmpl *t)
{
    if (t->depth >= OA__TMPL_DEPTH) {
        return oa__tmpl_limit(t, "nested more than %d levels deep", OA__TMPL_DEPTH);
    }
    t->depth++;
    return OA_OK;
}
