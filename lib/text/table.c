/* SPDX-License-Identifier: Apache-2.0 */
/* Hash tables with open addressing, made once and then only read. At most half full. */
#include "text/vocab_priv.h"

__extension__ typedef unsigned __int128 u128;

static uint64_t mix(uint64_t a, uint64_t b)
{
    u128 r = (u128)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static uint64_t load(const char *p, size_t n)
{
    uint64_t x = 0;
    memcpy(&x, p, n);
    return x;
}

/* Eight bytes at a time, folded through a wide product with a secret in it. */
static uint64_t hash(uint64_t key, const char *p, size_t len)
{
    uint64_t h = key ^ len * 0x9e3779b97f4a7c15u;
    while (len > 8) {
        h = mix(h ^ load(p, 8), key | 1) + 0x632be59bd9b4e019u;
        p += 8;
        len -= 8;
    }
    return mix(h ^ (len == 8 ? load(p, 8) : load(p, len)), (key >> 1) | 1) ^ h >> 7;
}

/* Smallest power of two that is at least 2 n, as a mask. */
static int size_for(size_t n, size_t *mask)
{
    size_t size = 16;
    while (size / 2 < n) {
        if (!oa__mul_size(size, 2, &size)) return oa__err(OA_ENOMEM, "table of %zu entries", n);
    }
    *mask = size - 1;
    return OA_OK;
}

int oa__strtab_init(oa__strtab *t, oa__mem *mem, size_t n, uint64_t key, const char *base,
                    const size_t *off)
{
    OA__TRY(size_for(n, &t->mask));
    t->slots = oa__alloc_array(mem, t->mask + 1, sizeof *t->slots);
    if (!t->slots) return OA_ENOMEM;
    for (size_t i = 0; i <= t->mask; i++)
        t->slots[i].id = -1;
    t->key = key;
    t->base = base;
    t->off = off;
    return OA_OK;
}

static struct oa__strslot *find(const oa__strtab *t, const char *text, size_t len, uint32_t *tag)
{
    uint64_t h = hash(t->key, text, len);
    *tag = (uint32_t)(h >> 32);
    for (size_t i = (size_t)h & t->mask;; i = (i + 1) & t->mask) {
        struct oa__strslot *s = &t->slots[i];
        if (s->id < 0) return s;
        if (s->tag != *tag) continue;
        size_t start = t->off[s->id];
        if (t->off[s->id + 1] - start == len && memcmp(t->base + start, text, len) == 0) return s;
    }
}

void oa__strtab_put(oa__strtab *t, int32_t id)
{
    uint32_t tag;
    size_t start = t->off[id];
    struct oa__strslot *s = find(t, t->base + start, t->off[id + 1] - start, &tag);
    s->tag = tag;
    s->id = id;
}

int32_t oa__strtab_get(const oa__strtab *t, const char *text, size_t len)
{
    uint32_t tag;
    return find(t, text, len, &tag)->id;
}

int oa__pairtab_init(oa__pairtab *t, oa__mem *mem, size_t n, uint64_t key)
{
    OA__TRY(size_for(n, &t->mask));
    t->slots = oa__alloc_array(mem, t->mask + 1, sizeof *t->slots);
    if (!t->slots) return OA_ENOMEM;
    for (size_t i = 0; i <= t->mask; i++)
        t->slots[i].left = -1;
    t->key = key;
    return OA_OK;
}

void oa__pairtab_put(oa__pairtab *t, int32_t left, int32_t right, uint32_t rank)
{
    size_t i = oa__pairtab_slot(t, left, right);
    while (t->slots[i].left >= 0 && (t->slots[i].left != left || t->slots[i].right != right))
        i = (i + 1) & t->mask;
    t->slots[i].left = left;
    t->slots[i].right = right;
    t->slots[i].rank = rank;
}
