/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention over cache pages: a task is one key/value head and a tile of tokens of one sequence.
 * The tile's queries (tokens x group) fold page after page from position 0 on; a token stops where
 * it stands, or, in an encoder, where its text ends. How rows are cut into tiles does not show:
 * each query's chain is its own.
 */
#include "model/work.h"

#include <math.h>
#include <string.h>

static uint32_t tile_rows(const oa_model *m)
{
    const uint32_t group = m->hp.n_heads / m->hp.n_heads_kv;
    return group < OA__WORK_QUERIES ? OA__WORK_QUERIES / group : 1;
}

/* o (n_q, d), ml (n_q, 2), n_valid (n_q), n_skip (n_q), each rounded to 16 floats. */
static size_t round16(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

size_t oa__attention_scratch(const oa_model *m)
{
    const size_t n_q = (size_t)tile_rows(m) * (m->hp.n_heads / m->hp.n_heads_kv);
    return round16(n_q * m->hp.d_head) + round16(2 * n_q) + 2 * round16(n_q);
}

/* Neighbours with the same pages are one sequence; it is cut into tiles. */
static size_t make_tiles(oa__work *w)
{
    const uint32_t most = tile_rows(w->m);
    size_t n_tiles = 0;
    for (size_t i = 0; i < w->n; i++) {
        oa__tile *last = n_tiles > 0 ? &w->tiles[n_tiles - 1] : NULL;
        if (last != NULL && last->n_rows < most && w->rows[i].pages == w->rows[i - 1].pages) {
            last->n_rows++;
        } else {
            w->tiles[n_tiles++] = (oa__tile){(uint32_t)i, 1};
        }
    }
    return n_tiles;
}

typedef struct attn_job {
    oa__work *w;
    size_t n_tiles;
} attn_job;

/* One past the last position that a row sees. */
static uint32_t seen_end(const oa__row *r)
{
    return r->n_seen != 0 ? r->n_seen : r->pos + 1;
}

/* Which keys of a page the tile's queries see: from skip to valid. */
static void see_page(const oa__work *w, const oa__tile *tile, uint32_t page, uint32_t *n_valid,
                     uint32_t *n_skip)
{
    const uint32_t first = page * OA__KV_PAGE, window = w->layer->window;
    for (uint32_t t = 0; t < tile->n_rows; t++) {
        const uint32_t pos = w->rows[tile->row + t].pos, end = seen_end(&w->rows[tile->row + t]);
        uint32_t n = end <= first ? 0 : end - first, skip = 0;
        if (n > OA__KV_PAGE) n = OA__KV_PAGE;
        if (window != 0 && pos >= window && pos - window >= first) skip = pos - window - first + 1;
        if (skip > n) skip = n;
        for (size_t g = 0; g < w->group; g++) {
            n_valid[t * w->group + g] = n;
            n_skip[t * w->group + g] = skip;
        }
    }
}

static void attn_task(void *arg, size_t task, uint32_t worker)
{
    const attn_job *j = arg;
    const oa__work *w = j->w;
    const oa_model *m = w->m;
    const size_t d = m->hp.d_head, n_heads_kv = m->hp.n_heads_kv, group = w->group;
    /* The last tiles of a prompt see most: they go first. */
    const oa__tile tile = w->tiles[j->n_tiles - 1 - task / n_heads_kv];
    const size_t head = task % n_heads_kv, n_q = tile.n_rows * group;
    const oa__row *rows = &w->rows[tile.row];

    float *o = w->attn + worker * w->attn_size;
    float *ml = o + round16(n_q * d);
    uint32_t *n_valid = (uint32_t *)(ml + round16(2 * n_q));
    uint32_t *n_skip = n_valid + round16(n_q);
    memset(o, 0, n_q * d * sizeof *o);
    for (size_t i = 0; i < n_q; i++) {
        ml[2 * i] = -INFINITY;
        ml[2 * i + 1] = 0;
    }
    uint32_t first = rows[0].pos, last = seen_end(&rows[0]) - 1;
    for (uint32_t t = 1; t < tile.n_rows; t++) {
        if (seen_end(&rows[t]) - 1 > last) last = seen_end(&rows[t]) - 1;
        if (rows[t].pos < first) first = rows[t].pos;
    }
    const uint32_t window = w->layer->window;
    first = window != 0 && first >= window ? first - window + 1 : 0;
    const size_t at = w->layer_at + head * 2 * w->half_size;
    oa__attn_args a = {.o = o,
                       .ml = ml,
                       .q = w->q_heads + (head * w->n + tile.row) * group * d,
                       .n_q = n_q,
                       .d = d,
                       .n_valid = n_valid,
                       .n_skip = window != 0 ? n_skip : NULL,
                       .softcap = m->hp.score_cap,
                       .kv = w->kv,
                       .next_size = 2 * w->half_size};
    for (uint32_t page = first / OA__KV_PAGE; page <= last / OA__KV_PAGE; page++) {
        see_page(w, &tile, page, n_valid, n_skip);
        a.k_page = (const uint8_t *)rows[0].pages[page] + at;
        a.v_page = (const uint8_t *)a.k_page + w->half_size;
        a.next = page < last / OA__KV_PAGE ? (const uint8_t *)rows[0].pages[page + 1] + at : NULL;
        m->kern->attn_page(&a);
    }
    m->kern->attn_end(o, ml, n_q, d);
    for (uint32_t t = 0; t < tile.n_rows; t++) {
        memcpy(w->h + (tile.row + t) * w->h_stride + head * group * d, o + t * group * d,
               group * d * sizeof *o);
    }
}

void oa__attention(oa__work *w)
{
    attn_job j = {w, make_tiles(w)};
    oa__pool_run(w->m->pool, attn_task, &j, j.n_tiles * w->m->hp.n_heads_kv);
}
