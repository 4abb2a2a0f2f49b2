/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging symbols pair by pair: always the pair of the lowest rank, of equal ones the leftmost.
 * Both kinds of BPE do this; they differ in where a pair's rank comes from. The functions are
 * inlined into bpe.c and spm.c with that question in them.
 *
 * A short word is searched anew for each merge, which is fast because it stays in the first cache;
 * a long one keeps its pairs in a heap and its symbols in a list, so that n symbols take
 * O(n log n).
 */
#ifndef OA_TEXT_MERGE_H
#define OA_TEXT_MERGE_H

#include "text/vocab_priv.h"

enum { OA__MERGE_SHORT = 48 }; /* symbols of a short word at most */

/* The rank of merging two neighbours, whose text is [start, end) of the word, and what it gives;
 * OA__RANK_NONE when they stay apart. */
typedef uint32_t (*oa__pair_rank_fn)(const oa__vocab *v, const char *text, int32_t left,
                                     int32_t right, uint32_t start, uint32_t end, int32_t *merged);

#define OA__INLINE static inline __attribute__((always_inline))

/* ids and starts hold n symbols and room for one start more. Returns how many are left. */
OA__INLINE size_t oa__merge_short(const oa__vocab *v, const char *text, int32_t *ids,
                                  uint32_t *starts, size_t n, uint32_t end,
                                  oa__pair_rank_fn pair_rank)
{
    uint32_t ranks[OA__MERGE_SHORT];
    int32_t merged[OA__MERGE_SHORT];
    starts[n] = end;
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = pair_rank(v, text, ids[i], ids[i + 1], starts[i], starts[i + 2], &merged[i]);
    while (n > 1) {
        size_t best = 0;
        uint32_t lowest = ranks[0];
        for (size_t i = 1; i + 1 < n; i++) {
            if (ranks[i] < lowest) {
                lowest = ranks[i];
                best = i;
            }
        }
        if (lowest == OA__RANK_NONE) break;
        ids[best] = merged[best];
        n--;
        for (size_t i = best + 1; i < n; i++) {
            ids[i] = ids[i + 1];
            starts[i] = starts[i + 1];
        }
        starts[n] = end;
        for (size_t i = best + 1; i + 1 < n; i++) {
            ranks[i] = ranks[i + 1];
            merged[i] = merged[i + 1];
        }
        for (size_t i = best > 0 ? best - 1 : 0; i <= best && i + 1 < n; i++)
            ranks[i] = pair_rank(v, text, ids[i], ids[i + 1], starts[i], starts[i + 2], &merged[i]);
    }
    return n;
}

/* A binary heap of (rank, symbol) in one number each, the least on top. */
OA__INLINE void oa__heap_down(uint64_t *heap, size_t n, size_t i)
{
    uint64_t x = heap[i];
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= n) break;
        if (c + 1 < n && heap[c + 1] < heap[c]) c++;
        if (heap[c] >= x) break;
        heap[i] = heap[c];
        i = c;
    }
    heap[i] = x;
}

OA__INLINE void oa__heap_push(uint64_t *heap, size_t *n, uint64_t x)
{
    size_t i = (*n)++;
    while (i > 0 && heap[(i - 1) / 2] > x) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = x;
}

/* e->syms holds n symbols with id, start, prev and next. When it returns, the list that begins at
 * symbol 0 is what is left. */
OA__INLINE int oa__merge_long(oa__encoder *e, const char *text, size_t n, uint32_t end,
                              oa__pair_rank_fn pair_rank)
{
    const oa__vocab *v = e->v;
    oa__sym *s = e->syms;
    const uint32_t none = UINT32_MAX;
    /* A merge takes one entry out and puts two in at most, and there are at most n - 1. */
    size_t need;
    if (!oa__mul_size(n, 2, &need)) return oa__err_nomem(n);
    OA__TRY(oa__grow(e->mem, (void **)&e->heap, &e->heap_cap, need, sizeof *e->heap));
    uint64_t *heap = e->heap;
    size_t n_heap = 0;
    for (size_t i = 0; i < n; i++) {
        s[i].rank = OA__RANK_NONE;
        if (i + 1 == n) break;
        uint32_t stop = i + 2 < n ? s[i + 2].start : end;
        s[i].rank = pair_rank(v, text, s[i].id, s[i + 1].id, s[i].start, stop, &s[i].merged);
        if (s[i].rank != OA__RANK_NONE) heap[n_heap++] = (uint64_t)s[i].rank << 32 | i;
    }
    for (size_t i = n_heap / 2; i-- > 0;)
        oa__heap_down(heap, n_heap, i);
    while (n_heap > 0) {
        uint64_t top = heap[0];
        heap[0] = heap[--n_heap];
        if (n_heap > 0) oa__heap_down(heap, n_heap, 0);
        uint32_t i = (uint32_t)top;
        /* An entry is stale when its symbol was swallowed or has another neighbour now. */
        if (s[i].rank != top >> 32) continue;
        uint32_t gone = s[i].next;
        s[i].id = s[i].merged;
        s[i].next = s[gone].next;
        s[gone].rank = OA__RANK_NONE;
        if (s[i].next != none) s[s[i].next].prev = i;
        for (uint32_t k = s[i].prev != none ? s[i].prev : i;; k = i) {
            uint32_t right = s[k].next;
            s[k].rank = OA__RANK_NONE;
            if (right != none) {
                uint32_t stop = s[right].next != none ? s[s[right].next].start : end;
                s[k].rank =
                    pair_rank(v, text, s[k].id, s[right].id, s[k].start, stop, &s[k].merged);
                if (s[k].rank != OA__RANK_NONE)
                    oa__heap_push(heap, &n_heap, (uint64_t)s[k].rank << 32 | k);
            }
            if (k == i) break;
        }
    }
    return OA_OK;
}

#endif
