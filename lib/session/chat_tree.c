/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a chat: a tree, and the current path in it.
 *
 *      user "a"  ── assistant "b"  ── user "c" ...     siblings stand in the order they were made;
 *          │     └─ assistant "b'"                     first_child .. last_child, linked by next
 *      user "a2" ── ...
 *
 * Invariants:
 * 1. A node's parent has a smaller index. Nodes are never removed.
 * 2. path[0] is a first message, path[i + 1] a child of path[i].
 * 3. The path array has room for every node, so that moving about needs no memory.
 */
#include "session/session_priv.h"

void oa__tree_init(oa__tree *t, oa__mem *mem)
{
    *t = (oa__tree){.mem = mem, .first_root = OA__NONE, .last_root = OA__NONE};
}

void oa__tree_free(oa__tree *t)
{
    for (size_t i = 0; i < t->n; i++)
        oa__free(t->mem, t->nodes[i].text);
    oa__free(t->mem, t->nodes);
    oa__free(t->mem, t->path);
    *t = (oa__tree){0};
}

int oa__tree_reserve(oa__tree *t, size_t n)
{
    const size_t need = t->n + n;
    OA__TRY(oa__grow(t->mem, (void **)&t->nodes, &t->cap, need, sizeof *t->nodes));
    return oa__grow(t->mem, (void **)&t->path, &t->path_cap, need, sizeof *t->path);
}

size_t oa__tree_take(oa__tree *t, size_t parent, enum oa__role role, char *text, size_t len)
{
    oa__assert(t->n < t->cap && t->n < t->path_cap);
    const size_t i = t->n++;
    t->nodes[i] = (oa__said){.text = text,
                             .len = len,
                             .role = role,
                             .parent = parent,
                             .first_child = OA__NONE,
                             .last_child = OA__NONE,
                             .next = OA__NONE};
    size_t *first = parent == OA__NONE ? &t->first_root : &t->nodes[parent].first_child;
    size_t *last = parent == OA__NONE ? &t->last_root : &t->nodes[parent].last_child;
    if (*last == OA__NONE)
        *first = i;
    else
        t->nodes[*last].next = i;
    *last = i;
    return i;
}

void oa__tree_go(oa__tree *t, size_t node)
{
    size_t n = 0;
    for (size_t i = node; i != OA__NONE; i = t->nodes[i].parent)
        n++;
    t->n_path = n;
    for (size_t i = node; i != OA__NONE; i = t->nodes[i].parent)
        t->path[--n] = i;
}

size_t oa__tree_first_at(const oa__tree *t, size_t index)
{
    return index == 0 ? t->first_root : t->nodes[t->path[index - 1]].first_child;
}

const char *oa__role_name(enum oa__role role)
{
    return role == OA__ROLE_USER ? "user" : "assistant";
}
