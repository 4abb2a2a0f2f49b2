/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sessions of a model share besides its weights: the tree of pages, and scratch memory
 * that is lent to whoever computes. A session that rests holds none, so a thousand sessions need
 * as much of it as calls run at the same time.
 */
#include "session/session_priv.h"

/* Pages that nobody uses are kept up to this much, or a quarter of the memory limit. */
#define IDLE_MAX ((uint64_t)256 << 20)

static void bench_free(oa__shared *sh, oa__bench *b)
{
    if (!b) return;
    oa__work_free(b->work);
    oa__free(sh->mem, b->rows);
    oa__free(sh->mem, b);
}

static void shared_free(void *arg)
{
    oa__shared *sh = arg;
    if (!sh) return;
    while (sh->idle) {
        oa__bench *b = sh->idle;
        sh->idle = b->next;
        bench_free(sh, b);
    }
    oa__cache_free(sh->cache);
    oa__free(sh->mem, sh);
}

static void *shared_make(oa_model *model)
{
    oa__mem *mem = oa__model_mem(model);
    oa__shared *sh = oa__alloc(mem, sizeof *sh);
    if (!sh) return NULL;
    sh->model = model;
    sh->mem = mem;
    for (uint32_t t = 0; t < OA__N_KV_TYPES; t++)
        sh->page_size[t] = oa__model_page_size(model, t);
    atomic_init(&sh->n_rows, 32);
    uint64_t idle_max = IDLE_MAX;
    if (mem->limit && mem->limit / 4 < idle_max) idle_max = mem->limit / 4;
    if (oa__cache_new(&sh->cache, mem, sh->page_size, idle_max) < 0) {
        shared_free(sh);
        return NULL;
    }
    return sh;
}

int oa__shared_get(oa__shared **out, oa_model *model)
{
    *out = oa__model_shared(model, shared_make, shared_free);
    return *out ? OA_OK : OA_ENOMEM;
}

bool oa__shared_relieve(oa__shared *sh)
{
    oa__lock_take(&sh->lock);
    oa__bench *b = sh->idle;
    if (b) sh->idle = b->next;
    oa__lock_drop(&sh->lock);
    if (b) {
        bench_free(sh, b);
        return true;
    }
    return oa__cache_evict(sh->cache);
}

void *oa__shared_alloc(oa__shared *sh, size_t n, size_t elem_size)
{
    void *ptr;
    do {
        ptr = oa__alloc_array(sh->mem, n, elem_size);
    } while (!ptr && oa__shared_relieve(sh));
    return ptr;
}

int oa__shared_grow(oa__shared *sh, void **array, size_t *cap, size_t need, size_t elem_size)
{
    int rc;
    do {
        rc = oa__grow(sh->mem, array, cap, need, elem_size);
    } while (rc == OA_ENOMEM && oa__shared_relieve(sh));
    return rc;
}

void *oa__shared_page(oa__shared *sh, uint32_t kv_type)
{
    void *page;
    do {
        page = oa__page_alloc(sh->mem, sh->page_size[kv_type]);
    } while (!page && oa__shared_relieve(sh));
    return page;
}

static oa__bench *bench_new(oa__shared *sh, size_t n_rows, size_t n_logits)
{
    oa__bench *b = oa__alloc(sh->mem, sizeof *b);
    if (!b) return NULL;
    b->n_rows = n_rows;
    b->n_logits = n_logits;
    b->rows = oa__alloc_array(sh->mem, n_rows, sizeof *b->rows);
    if (!b->rows || oa__work_new(&b->work, sh->model, n_rows, n_logits) < 0) {
        bench_free(sh, b);
        return NULL;
    }
    return b;
}

/* Powers of two, so that calls of slightly different sizes find each other's memory. */
static size_t round_up(size_t n)
{
    size_t r = 1;
    while (r < n)
        r *= 2;
    return r;
}

int oa__shared_take_bench(oa__bench **out, oa__shared *sh, size_t n_rows, size_t n_min,
                          size_t n_logits)
{
    n_rows = round_up(n_rows);
    n_logits = round_up(n_logits);
    oa__bench **best = NULL;
    oa__lock_take(&sh->lock);
    for (oa__bench **at = &sh->idle; *at; at = &(*at)->next) {
        if ((*at)->n_rows < n_rows || (*at)->n_logits < n_logits) continue;
        if (!best || (*at)->n_rows < (*best)->n_rows) best = at;
    }
    oa__bench *b = best ? *best : NULL;
    if (b) *best = b->next;
    oa__lock_drop(&sh->lock);

    while (!b) {
        b = bench_new(sh, n_rows, n_logits);
        if (b || oa__shared_relieve(sh)) continue;
        /* Nothing is left to give back: more and smaller passes give the same bits. */
        if (n_rows / 2 < n_min || n_rows / 2 < OA__ROWS_MIN) return OA_ENOMEM;
        n_rows /= 2;
        if (n_logits > n_rows) n_logits = n_rows;
    }
    b->next = NULL;
    *out = b;
    return OA_OK;
}

void oa__shared_give_bench(oa__shared *sh, oa__bench *b)
{
    if (!b) return;
    oa__lock_take(&sh->lock);
    b->next = sh->idle;
    sh->idle = b;
    size_t n = 0;
    oa__bench **smallest = &sh->idle;
    for (oa__bench **at = &sh->idle; *at; at = &(*at)->next) {
        if ((*at)->n_rows < (*smallest)->n_rows) smallest = at;
        n++;
    }
    oa__bench *extra = NULL;
    if (n > OA__WORKS_IDLE_MAX) {
        extra = *smallest;
        *smallest = extra->next;
    }
    oa__lock_drop(&sh->lock);
    bench_free(sh, extra);
}
