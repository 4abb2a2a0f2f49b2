/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adapters in use: what a session adds to the products of the model.
 *
 *     low <- A x                                            (rows, rank), one fma chain each
 *     low <- low * (scale * alpha / rank)
 *     y   <- y + B low                                      one fma chain, then one addition
 *
 * for each adapter in the session's order. The rows of one sequence are neighbours, so each stretch
 * of rows with the same set is a product of its own, and a row's numbers are its own.
 */
#include "model/adapter.h"
#include "model/work.h"

#include <math.h>

/* --- sets ------------------------------------------------------------------------------------ */

int oa__adapters_new(oa__adapters **out, const oa_model *m, oa_adapter *const *adapters,
                     const float *scales, size_t n)
{
    *out = NULL;
    if (n == 0) return OA_OK;
    if (adapters == NULL) return oa__err(OA_EINVAL, "adapters is NULL, want %zu", n);
    if (n > OA__ADAPTERS_MAX) {
        return oa__err(OA_EINVAL, "%zu adapters, want at most %d", n, OA__ADAPTERS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        if (adapters[i] == NULL || adapters[i]->model != m) {
            return oa__err(OA_EINVAL, "adapter %zu is %s", i,
                           adapters[i] == NULL ? "NULL" : "of another model");
        }
        if (scales != NULL && !isfinite(scales[i])) {
            return oa__err(OA_EINVAL, "scale of adapter %zu is not finite", i);
        }
    }
    oa__mem *mem = oa__model_mem(m);
    oa__adapters *set = oa__alloc(mem, sizeof *set);
    if (set == NULL) return OA_ENOMEM;
    atomic_init(&set->n_refs, 1);
    set->mem = mem;
    set->n = n;
    set->hash = OA__FNV_BASIS;
    for (size_t i = 0; i < n; i++) {
        set->adapters[i] = oa__adapter_ref(adapters[i]);
        set->scales[i] = scales != NULL ? scales[i] : 1;
        set->hash = oa__fnv1a(set->hash, &adapters[i]->fingerprint, sizeof set->hash);
        set->hash = oa__fnv1a(set->hash, &set->scales[i], sizeof set->scales[i]);
        if (adapters[i]->info.rank > set->rank) set->rank = adapters[i]->info.rank;
    }
    *out = set;
    return OA_OK;
}

oa__adapters *oa__adapters_ref(oa__adapters *set)
{
    if (set != NULL) atomic_fetch_add_explicit(&set->n_refs, 1, memory_order_relaxed);
    return set;
}

void oa__adapters_free(oa__adapters *set)
{
    if (set == NULL) return;
    if (atomic_fetch_sub_explicit(&set->n_refs, 1, memory_order_acq_rel) != 1) return;
    oa__mem *mem = set->mem;
    /* The model outlives the set: whoever holds the set owns the model, too. */
    for (size_t i = 0; i < set->n; i++)
        oa_adapter_free(set->adapters[i]);
    oa__free(mem, set);
}

uint64_t oa__adapters_hash(const oa__adapters *set)
{
    return set != NULL ? set->hash : 0;
}

/* --- in a pass ------------------------------------------------------------------------------- */

int oa__work_fit_adapters(oa__work *w)
{
    size_t rank = 0;
    for (size_t i = 0; i < w->n; i++) {
        const oa__adapters *set = w->rows[i].adapters;
        if (set != NULL && set->rank > rank) rank = set->rank;
    }
    if (rank <= w->low_width) return OA_OK;
    oa__free(w->mem, w->low);
    w->low_width = 0;
    w->low = oa__alloc_array(w->mem, w->n_rows_max * rank, sizeof *w->low);
    if (w->low == NULL) return OA_ENOMEM;
    w->low_width = rank;
    return OA_OK;
}

/* What one adapter adds to one product of the rows [begin, end). */
static void add_pair(oa__work *w, const oa__lora *l, float scale, const oa__product *job,
                     const float *x, size_t x_stride, size_t begin, size_t end)
{
    const oa_model *m = w->m;
    const size_t rank = l->a.n_rows, n = end - begin;
    const oa__mm down = {.w = &l->a, .y = w->low, .y_stride = rank};
    const oa__mm up = {
        .w = &l->b, .y = job->y + begin * job->y_stride, .y_stride = job->y_stride, .add = true};
    oa__mm_run(m->kern, m->pool, &down, 1, x + begin * x_stride, x_stride, n, w->mm_scratch);
    m->kern->scale(w->low, scale * l->scale, n * rank);
    oa__mm_run(m->kern, m->pool, &up, 1, w->low, rank, n, w->mm_scratch);
}

void oa__add_adapters(oa__work *w, const oa__product *jobs, size_t n_jobs, const float *x,
                      size_t x_stride)
{
    const size_t layer = (size_t)(w->layer - w->m->layers);
    for (size_t begin = 0, end; begin < w->n; begin = end) {
        const oa__adapters *set = w->rows[begin].adapters;
        for (end = begin + 1; end < w->n && w->rows[end].adapters == set; end++) {
        }
        for (size_t k = 0; set != NULL && k < set->n; k++) {
            const oa__lora *pairs = set->adapters[k]->pairs + layer * OA__N_LAYER_MATS;
            for (size_t i = 0; i < n_jobs; i++) {
                const oa__lora *l = &pairs[jobs[i].slot];
                if (l->a.data == NULL) continue;
                add_pair(w, l, set->scales[k], &jobs[i], x, x_stride, begin, end);
            }
        }
    }
}
