/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens in a text, found in one pass (Aho and Corasick 1975).
 *
 * Wanted is, at each place, the longest token that begins there; an automaton that reads forwards
 * knows the longest that ends there. So the tokens go in reversed and the text is read from its
 * end. The caller then walks forwards and takes the leftmost match each time, which is the rule
 * "leftmost, then longest" in linear time whatever the tokens are.
 */
#include "text/vocab_priv.h"

static uint32_t child(const oa__finder *f, uint32_t node, uint8_t byte)
{
    if (node == 0) return f->root[byte];
    for (uint32_t c = f->nodes[node].child; c; c = f->nodes[c].sibling)
        if (f->nodes[c].byte == byte) return c;
    return 0;
}

static int node_new(oa__finder *f, oa__mem *mem, uint8_t byte)
{
    if (f->n_nodes >= UINT32_MAX) return oa__err(OA_ELIMIT, "special tokens of over 4 GB");
    OA__TRY(oa__grow(mem, (void **)&f->nodes, &f->cap, f->n_nodes + 1, sizeof *f->nodes));
    f->nodes[f->n_nodes] = (struct oa__finder_node){.best = -1, .byte = byte};
    f->n_nodes++;
    return OA_OK;
}

int oa__finder_add(oa__finder *f, oa__mem *mem, oa__span text, int32_t id)
{
    if (text.len == 0 || text.len > INT32_MAX) return OA_OK;
    if (f->n_nodes == 0) OA__TRY(node_new(f, mem, 0));
    uint32_t at = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.data[f->reversed ? text.len - 1 - i : i];
        uint32_t next = child(f, at, byte);
        if (!next) {
            next = (uint32_t)f->n_nodes;
            OA__TRY(node_new(f, mem, byte));
            if (at == 0) {
                f->root[byte] = next;
            }
            f->nodes[next].sibling = f->nodes[at].child;
            f->nodes[at].child = next;
        }
        at = next;
    }
    f->nodes[at].best = id;
    f->nodes[at].len = (uint32_t)text.len;
    return OA_OK;
}

static uint32_t step(const oa__finder *f, uint32_t node, uint8_t byte)
{
    for (;;) {
        uint32_t next = child(f, node, byte);
        if (next || node == 0) return next;
        node = f->nodes[node].fail;
    }
}

/* Breadth first: a node's fail link is the longest proper suffix of it that is a node. */
int oa__finder_finish(oa__finder *f, oa__mem *mem)
{
    f->empty = f->n_nodes <= 1;
    if (f->empty) return OA_OK;
    uint32_t *queue = oa__alloc_array(mem, f->n_nodes, sizeof *queue);
    if (!queue) return OA_ENOMEM;
    size_t n = 0;
    queue[n++] = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t node = queue[i];
        for (uint32_t c = f->nodes[node].child; c; c = f->nodes[c].sibling) {
            uint32_t fail = node == 0 ? 0 : step(f, f->nodes[node].fail, f->nodes[c].byte);
            f->nodes[c].fail = fail;
            if (f->nodes[c].best < 0) {
                f->nodes[c].best = f->nodes[fail].best;
                f->nodes[c].len = f->nodes[fail].len;
            }
            queue[n++] = c;
        }
    }
    oa__free(mem, queue);
    return OA_OK;
}

int oa__finder_scan(const oa__finder *f, oa__mem *mem, const char *text, size_t len, size_t base,
                    oa__founds *out)
{
    if (f->empty) return OA_OK;
    uint32_t node = 0;
    for (size_t i = len; i-- > 0;) {
        node = step(f, node, (uint8_t)text[i]);
        if (f->nodes[node].best < 0) continue;
        OA__TRY(oa__grow(mem, (void **)&out->data, &out->cap, out->len + 1, sizeof *out->data));
        out->data[out->len++] =
            (oa__found){(uint32_t)(base + i), f->nodes[node].len, f->nodes[node].best};
    }
    return OA_OK;
}

bool oa__finder_touches(const oa__finder *f, const char *text, size_t len)
{
    if (f->empty) return false;
    uint32_t node = 0;
    for (size_t i = 0; i < len; i++)
        node = step(f, node, (uint8_t)text[f->reversed ? len - 1 - i : i]);
    return node != 0;
}
