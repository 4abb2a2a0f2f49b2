/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Candidates: from logits to a list, and its order.
 *
 * The list is sorted only as far as somebody looks: c[0..n_sorted) are in order, and everything
 * behind comes later in the order. With top_k on, a pick looks at each logit once and sorts k
 * candidates, however large the vocabulary is. The heap gives O(n log k) for any input.
 */
#include "sample/sample_priv.h"

#include <string.h>

#define INF __builtin_inf()

/* Whether a comes before b. */
static bool before(const oa__cand *a, const oa__cand *b)
{
    return a->key > b->key || (a->key == b->key && a->id < b->id);
}

static void swap(oa__cand *a, oa__cand *b)
{
    oa__cand t = *a;
    *a = *b;
    *b = t;
}

/* Restore a heap whose top is the last in order. */
static void sift(oa__cand *c, size_t i, size_t n)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&c[child], &c[child + 1])) child++;
        if (!before(&c[i], &c[child])) return;
        swap(&c[i], &c[child]);
    }
}

static void heap_make(oa__cand *c, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(c, i, n);
}

static void heap_sort(oa__cand *c, size_t n)
{
    for (size_t end = n; end > 1; end--) {
        swap(&c[0], &c[end - 1]);
        sift(c, 0, end - 1);
    }
}

void oa__cand_sort(oa__run *r, size_t k)
{
    if (k > r->n_c) k = r->n_c;
    if (k <= r->n_sorted) return;
    oa__cand *c = r->c + r->n_sorted;
    size_t n = r->n_c - r->n_sorted, want = k - r->n_sorted;
    heap_make(c, want);
    for (size_t i = want; i < n; i++) {
        if (before(&c[i], &c[0])) {
            swap(&c[i], &c[0]);
            sift(c, 0, want);
        }
    }
    heap_sort(c, want);
    r->n_sorted = k;
}

/* Grow scratch to at least n elements; its contents need not be kept. */
static int need(oa_sampler *s, void **array, size_t *cap, size_t n, size_t elem_size)
{
    if (n <= *cap) return OA_OK;
    void *fresh = oa__alloc_array(s->mem, n, elem_size);
    if (!fresh) return OA_ENOMEM;
    oa__free(s->mem, *array);
    *array = fresh;
    *cap = n;
    return OA_OK;
}

int oa__run_dense(oa__run *r)
{
    oa_sampler *s = r->s;
    if (r->dense && !r->listed) return OA_OK;
    OA__TRY(need(s, (void **)&s->val, &s->val_cap, r->n, sizeof *s->val));
    if (r->listed) {
        for (size_t i = 0; i < r->n_c; i++)
            s->val[r->c[i].id] = r->c[i].v;
    } else {
        for (size_t i = 0; i < r->n; i++)
            s->val[i] = (double)r->logits[i];
        r->dense = true;
    }
    return OA_OK;
}

/* Drop what can't be picked; see "special numbers" in sample_priv.h. */
static void clean(oa__run *r)
{
    size_t n = 0;
    bool infinite = false;
    for (size_t i = 0; i < r->n_c; i++) {
        if (!(r->c[i].v > -INF)) continue;
        infinite |= r->c[i].v == INF;
        r->c[n++] = r->c[i];
    }
    r->n_c = n;
    if (infinite) {
        n = 0;
        for (size_t i = 0; i < r->n_c; i++) {
            if (r->c[i].v != INF) continue;
            r->c[n] = r->c[i];
            r->c[n].v = r->c[n].key = 0;
            n++;
        }
        r->n_c = n;
    }
    if (r->n_sorted > r->n_c) r->n_sorted = r->n_c;
}

void oa__run_gather(oa__run *r)
{
    if (!r->listed) return;
    for (size_t i = 0; i < r->n_c; i++)
        r->c[i].key = r->c[i].v = r->s->val[r->c[i].id];
    r->n_sorted = 0;
    clean(r);
}

static oa__cand make(double v, size_t id)
{
    return (oa__cand){.key = v, .v = v, .id = (int32_t)id};
}

int oa__run_list(oa__run *r)
{
    oa_sampler *s = r->s;
    if (r->listed) return OA_OK;
    OA__TRY(need(s, (void **)&s->cand, &s->cand_cap, r->n, sizeof *s->cand));
    r->c = s->cand;
    for (size_t i = 0; i < r->n; i++)
        r->c[i] = make(r->dense ? s->val[i] : (double)r->logits[i], i);
    r->n_c = r->n;
    r->n_sorted = 0;
    r->listed = true;
    clean(r);
    return OA_OK;
}

/* The scan behind oa__run_list_top(). Ids ascend, so an equal logit that comes later never
 * displaces one in the heap, and blocks without a larger logit are passed over. `less` than the
 * heap's top, NaN and minus infinity all fail the comparison. */
#define SCAN(array)                                                                                \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i < n && n_c < k; i++)                                                              \
            if ((double)(array)[i] > -INF) c[n_c++] = make((double)(array)[i], i);                 \
        if (n_c == k) heap_make(c, k);                                                             \
        while (i < n) {                                                                            \
            if (n - i >= 16) {                                                                     \
                const double top = c[0].key;                                                       \
                int larger = 0;                                                                    \
                for (int j = 0; j < 16; j++)                                                       \
                    larger |= (double)(array)[i + j] > top;                                        \
                if (!larger) {                                                                     \
                    i += 16;                                                                       \
                    continue;                                                                      \
                }                                                                                  \
            }                                                                                      \
            for (size_t end = n - i >= 16 ? i + 16 : n; i < end; i++) {                            \
                if (!((double)(array)[i] > c[0].key)) continue;                                    \
                c[0] = make((double)(array)[i], i);                                                \
                sift(c, 0, k);                                                                     \
            }                                                                                      \
        }                                                                                          \
    } while (0)

int oa__run_list_top(oa__run *r, size_t k)
{
    oa_sampler *s = r->s;
    const size_t n = r->n;
    if (!r->listed && k < n) {
        OA__TRY(need(s, (void **)&s->cand, &s->cand_cap, k, sizeof *s->cand));
        oa__cand *c = s->cand;
        size_t n_c = 0;
        if (r->dense)
            SCAN(s->val);
        else
            SCAN(r->logits);
        if (n_c < k) heap_make(c, n_c);
        heap_sort(c, n_c);
        r->c = c;
        r->n_c = r->n_sorted = n_c;
        r->listed = true;
        clean(r);
        return OA_OK;
    }
    OA__TRY(oa__run_list(r));
    oa__cand_sort(r, k);
    if (k < r->n_c) r->n_c = k;
    return OA_OK;
}

double oa__cand_max(const oa__run *r)
{
    if (r->n_sorted) return r->c[0].v;
    double max = r->c[0].v;
    for (size_t i = 1; i < r->n_c; i++)
        if (r->c[i].v > max) max = r->c[i].v;
    return max;
}

double oa__cand_softmax(oa__run *r)
{
    const double max = oa__cand_max(r);
    double sum = 0;
    for (size_t i = 0; i < r->n_c; i++) {
        r->c[i].w = oa__math_exp(r->c[i].v - max);
        sum += r->c[i].w;
    }
    return sum;
}

int32_t oa__sample_argmax(const float *logits, size_t n)
{
    /* The largest value in 16 lanes, then the first place that has it. */
    float lane[16], max = -__builtin_inff();
    size_t i = 0;
    for (int j = 0; j < 16; j++)
        lane[j] = max;
    for (; n - i >= 16; i += 16)
        for (int j = 0; j < 16; j++)
            lane[j] = logits[i + j] > lane[j] ? logits[i + j] : lane[j];
    for (; i < n; i++)
        lane[0] = logits[i] > lane[0] ? logits[i] : lane[0];
    for (int j = 0; j < 16; j++)
        max = lane[j] > max ? lane[j] : max;
    for (i = 0; i < n; i++)
        if (logits[i] == max) return (int32_t)i;
    return 0; /* only NaN */
}
