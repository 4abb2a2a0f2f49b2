/* SPDX-License-Identifier: Apache-2.0 */
#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *pa, const void *pb)
{
    const oa__trie_entry *a = pa, *b = pb;
    size_t n = a->text.len < b->text.len ? a->text.len : b->text.len;
    int order = n ? memcmp(a->text.data, b->text.data, n) : 0;
    if (order != 0) return order;
    if (a->text.len != b->text.len) return a->text.len < b->text.len ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Entries [low, high) share the path of a node. */
typedef struct range {
    uint32_t low, high;
} range;

static int node_new(oa__trie *t, oa__mem *mem, range **ranges, size_t *cap, uint8_t byte, range r)
{
    if (t->n_nodes >= UINT32_MAX) return oa__err(OA_ELIMIT, "token texts of over 4 GB");
    OA__TRY(oa__grow(mem, (void **)&t->nodes, &t->cap, t->n_nodes + 1, sizeof *t->nodes));
    OA__TRY(oa__grow(mem, (void **)ranges, cap, t->n_nodes + 1, sizeof **ranges));
    t->nodes[t->n_nodes] = (struct oa__trie_node){.id = -1, .byte = byte};
    (*ranges)[t->n_nodes++] = r;
    return OA_OK;
}

/* The children of a node at a depth, from the entries below it. */
static int expand(oa__trie *t, oa__mem *mem, const oa__trie_entry *entries, range **ranges,
                  size_t *cap, uint32_t node, size_t depth)
{
    range r = (*ranges)[node];
    t->nodes[node].children = (uint32_t)t->n_nodes;
    uint32_t i = r.low;
    for (; i < r.high && entries[i].text.len == depth; i++)
        if (t->nodes[node].id < 0) t->nodes[node].id = entries[i].id;
    while (i < r.high) {
        uint8_t byte = (uint8_t)entries[i].text.data[depth];
        uint32_t first = i;
        while (i < r.high && (uint8_t)entries[i].text.data[depth] == byte)
            i++;
        OA__TRY(node_new(t, mem, ranges, cap, byte, (range){first, i}));
        t->nodes[node].n_children++;
    }
    return OA_OK;
}

int oa__trie_init(oa__trie *t, oa__mem *mem, oa__trie_entry *entries, size_t n)
{
    range *ranges = NULL;
    size_t cap = 0, n_good = 0;
    int rc;
    for (size_t i = 0; i < n; i++)
        if (entries[i].text.len > 0 && entries[i].text.len <= OA__TRIE_TOKEN_MAX)
            entries[n_good++] = entries[i];
    if (n_good > 0) qsort(entries, n_good, sizeof *entries, compare);
    OA__TRY_GOTO(node_new(t, mem, &ranges, &cap, 0, (range){0, (uint32_t)n_good}));
    /* Breadth first: the nodes of one depth follow each other. */
    size_t depth = 0, depth_end = 1;
    for (size_t i = 0; i < t->n_nodes; i++) {
        if (i == depth_end) {
            depth++;
            depth_end = t->n_nodes;
        }
        OA__TRY_GOTO(expand(t, mem, entries, &ranges, &cap, (uint32_t)i, depth));
    }
    for (uint32_t i = 0; i < t->nodes[0].n_children; i++)
        t->root[t->nodes[t->nodes[0].children + i].byte] = t->nodes[0].children + i;
fail:
    oa__free(mem, ranges);
    return rc < 0 ? rc : OA_OK;
}

void oa__trie_free(oa__trie *t, oa__mem *mem)
{
    oa__free(mem, t->nodes);
    t->nodes = NULL;
    t->n_nodes = t->cap = 0;
}
