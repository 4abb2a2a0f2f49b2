/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of full pages that the sessions of one model share.
 *
 * A node stands for one page and is named by the OA__PAGE_LEN ids in it and by the node before
 * it, so the way from the root to a node spells a beginning of a sequence. One tree serves every
 * kind of page: nodes of the first level of different kinds never compare equal, and neither do
 * their children.
 *
 *      root ── [ids 0..31] ── [ids 32..63] ── ...
 *          │              └── [other 32..63]
 *          └── [other 0..31]
 *
 * Invariants (under the lock):
 * 1. A node holds one reference of its page, whose keys and values are complete and never change.
 * 2. n_users counts the sessions whose way goes through the node, so a node's count is never
 *    below that of one behind it.
 * 3. The idle list holds exactly the nodes with no user, the one given up last in front. By 2 and
 *    because ways are given up from their end, a node stands in front of all nodes behind it: the
 *    last of the list never has children and can be forgotten.
 * 4. No more than idle_max bytes are idle once a call returns. Pages in use cost nothing here:
 *    their sessions need them anyway.
 */
#include "session/session_priv.h"

#include <string.h>

struct oa__node {
    oa__node *parent;        /* NULL = first level */
    oa__node *chain;         /* next of the same bucket */
    oa__node *newer, *older; /* in the idle list */
    void *page;
    uint64_t hash;
    uint64_t kind;
    uint32_t n_users;
    int32_t ids[OA__PAGE_LEN];
};

struct oa__cache {
    oa__mem *mem;
    oa__lock lock;
    uint64_t seed; /* of the hashes, so that nobody can prepare collisions */
    size_t page_size[OA__N_KV_TYPES];
    uint64_t idle_size, idle_max; /* bytes */
    oa__node **buckets;
    size_t n_buckets; /* a power of two */
    size_t n_nodes, n_idle;
    oa__node *newest, *oldest; /* ends of the idle list */
};

int oa__cache_new(oa__cache **out, oa__mem *mem, const size_t page_size[OA__N_KV_TYPES],
                  uint64_t idle_max)
{
    *out = NULL;
    oa__cache *c = oa__alloc(mem, sizeof *c);
    if (!c) return OA_ENOMEM;
    c->mem = mem;
    c->seed = oa__random_os();
    memcpy(c->page_size, page_size, sizeof c->page_size);
    c->idle_max = idle_max;
    c->n_buckets = 64;
    c->buckets = oa__alloc_array(mem, c->n_buckets, sizeof *c->buckets);
    if (!c->buckets) {
        oa__free(mem, c);
        return OA_ENOMEM;
    }
    *out = c;
    return OA_OK;
}

void oa__cache_free(oa__cache *c)
{
    if (!c) return;
    while (oa__cache_evict(c)) {
    }
    oa__assert(c->n_nodes == 0);
    oa__free(c->mem, c->buckets);
    oa__free(c->mem, c);
}

static void list_add(oa__cache *c, oa__node *node)
{
    node->newer = NULL;
    node->older = c->newest;
    if (c->newest) c->newest->newer = node;
    c->newest = node;
    if (!c->oldest) c->oldest = node;
    c->n_idle++;
    c->idle_size += c->page_size[OA__KIND_TYPE(node->kind)];
}

static void list_remove(oa__cache *c, oa__node *node)
{
    if (node->newer)
        node->newer->older = node->older;
    else
        c->newest = node->older;
    if (node->older)
        node->older->newer = node->newer;
    else
        c->oldest = node->newer;
    node->newer = node->older = NULL;
    c->n_idle--;
    c->idle_size -= c->page_size[OA__KIND_TYPE(node->kind)];
}

static void use(oa__cache *c, oa__node *node)
{
    if (node->n_users++ == 0) list_remove(c, node);
}

static void unuse(oa__cache *c, oa__node *node)
{
    if (--node->n_users == 0) list_add(c, node);
}

static uint64_t hash_of(const oa__cache *c, const oa__node *parent, uint64_t kind,
                        const int32_t *ids)
{
    const uint64_t seed = parent ? parent->hash : c->seed + kind;
    return oa__fnv1a(seed, ids, OA__PAGE_LEN * sizeof *ids);
}

static oa__node *find(const oa__cache *c, const oa__node *parent, uint64_t kind, const int32_t *ids,
                      uint64_t hash)
{
    oa__node *node = c->buckets[hash & (c->n_buckets - 1)];
    for (; node; node = node->chain) {
        if (node->hash == hash && node->parent == parent && node->kind == kind &&
            memcmp(node->ids, ids, sizeof node->ids) == 0) {
            return node;
        }
    }
    return NULL;
}

/* Double the table when it is full; without memory the chains just get longer. */
static void widen(oa__cache *c)
{
    if (c->n_nodes < c->n_buckets) return;
    const size_t n = c->n_buckets * 2;
    oa__node **buckets = oa__alloc_array(c->mem, n, sizeof *buckets);
    if (!buckets) return;
    for (size_t i = 0; i < c->n_buckets; i++) {
        oa__node *next;
        for (oa__node *node = c->buckets[i]; node; node = next) {
            next = node->chain;
            node->chain = buckets[node->hash & (n - 1)];
            buckets[node->hash & (n - 1)] = node;
        }
    }
    oa__free(c->mem, c->buckets);
    c->buckets = buckets;
    c->n_buckets = n;
}

static bool forget_oldest(oa__cache *c)
{
    oa__node *node = c->oldest;
    if (!node) return false;
    list_remove(c, node);
    oa__node **at = &c->buckets[node->hash & (c->n_buckets - 1)];
    while (*at != node)
        at = &(*at)->chain;
    *at = node->chain;
    c->n_nodes--;
    oa__page_drop(c->mem, node->page);
    oa__free(c->mem, node);
    return true;
}

static void shrink(oa__cache *c)
{
    while (c->idle_size > c->idle_max && forget_oldest(c)) {
    }
}

oa__node *oa__cache_take(oa__cache *c, oa__node *parent, uint64_t kind, const int32_t *ids,
                         void **page)
{
    oa__lock_take(&c->lock);
    oa__node *node = find(c, parent, kind, ids, hash_of(c, parent, kind, ids));
    if (node) {
        use(c, node);
        oa__page_ref(node->page);
        *page = node->page;
    }
    oa__lock_drop(&c->lock);
    return node;
}

oa__node *oa__cache_leave(oa__cache *c, oa__node *parent, uint64_t kind, const int32_t *ids,
                          void **page)
{
    oa__lock_take(&c->lock);
    const uint64_t hash = hash_of(c, parent, kind, ids);
    oa__node *node = find(c, parent, kind, ids, hash);
    if (node) {
        use(c, node);
        if (node->page != *page) {
            oa__page_ref(node->page);
            oa__page_drop(c->mem, *page);
            *page = node->page;
        }
    } else {
        node = oa__alloc(c->mem, sizeof *node);
        if (node) {
            widen(c);
            node->parent = parent;
            node->hash = hash;
            node->kind = kind;
            node->n_users = 1;
            memcpy(node->ids, ids, sizeof node->ids);
            node->page = *page;
            oa__page_ref(node->page);
            oa__node **bucket = &c->buckets[hash & (c->n_buckets - 1)];
            node->chain = *bucket;
            *bucket = node;
            c->n_nodes++;
        }
    }
    oa__lock_drop(&c->lock);
    return node;
}

void oa__cache_ref(oa__cache *c, oa__node *node)
{
    if (!node) return;
    oa__lock_take(&c->lock);
    for (; node; node = node->parent)
        use(c, node);
    oa__lock_drop(&c->lock);
}

oa__node *oa__cache_drop(oa__cache *c, oa__node *node, size_t n)
{
    if (n == 0) return node;
    oa__lock_take(&c->lock);
    while (n-- > 0) {
        oa__node *parent = node->parent;
        unuse(c, node);
        node = parent;
    }
    shrink(c);
    oa__lock_drop(&c->lock);
    return node;
}

bool oa__cache_evict(oa__cache *c)
{
    oa__lock_take(&c->lock);
    const bool did = forget_oldest(c);
    oa__lock_drop(&c->lock);
    return did;
}

void oa__cache_count(oa__cache *c, size_t *n_nodes, size_t *n_idle)
{
    oa__lock_take(&c->lock);
    *n_nodes = c->n_nodes;
    *n_idle = c->n_idle;
    oa__lock_drop(&c->lock);
}
