/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All tokens that begin at a place of a text, shortest first.
 *
 * A trie made at once from sorted tokens: the children of a node lie side by side, ascending by
 * their byte, so that building takes O(total bytes) behind the sort and a step a short search.
 * Inside of floor text.
 */
#ifndef OA_TEXT_TRIE_H
#define OA_TEXT_TRIE_H

#include "text/text.h"

enum { OA__TRIE_TOKEN_MAX = 1024 }; /* longer tokens are left out: it bounds the work for a place */

typedef struct oa__trie {
    struct oa__trie_node {
        uint32_t children; /* the first one */
        int32_t id;        /* token that ends here, or -1 */
        uint16_t n_children;
        uint8_t byte;
    } * nodes;
    size_t n_nodes, cap;
    uint32_t root[256]; /* node of a first byte, 0 = none */
} oa__trie;

typedef struct oa__trie_entry {
    oa__span text;
    int32_t id;
} oa__trie_entry;

/* Sorts the entries. Of equal texts the first one given counts. Empty and overlong ones are left
 * out. */
int oa__trie_init(oa__trie *t, oa__mem *mem, oa__trie_entry *entries, size_t n);
void oa__trie_free(oa__trie *t, oa__mem *mem);

/* The child of a node (not of the root), or 0. */
static inline uint32_t oa__trie_step(const oa__trie *t, uint32_t node, uint8_t byte)
{
    const struct oa__trie_node *n = &t->nodes[node];
    const struct oa__trie_node *c = &t->nodes[n->children];
    size_t low = 0, high = n->n_children;
    while (high - low > 6) {
        size_t mid = (low + high) / 2;
        if (c[mid].byte <= byte) {
            low = mid;
        } else {
            high = mid;
        }
    }
    for (; low < high; low++)
        if (c[low].byte == byte) return n->children + (uint32_t)low;
    return 0;
}

#endif
