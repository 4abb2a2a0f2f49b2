/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session in a file. Numbers are little-endian.
 *
 *   offset  size
 *        0     8  magic "OASESS\x1a\n"
 *        8     4  version, 2
 *       12     4  kv_type
 *       16     8  fingerprint of the model
 *       24     8  n: tokens
 *       32     8  n_done: tokens whose keys and values follow
 *       40     8  page_size
 *       48     4  n_vocab
 *       52     4  has_logits: 1 when logits follow
 *       56     4  rope_long: 1 when the pages are of the long factors, see oa__model_n_ctx_short()
 *       60     8  hash of the adapters and their scales, 0 without
 *       68     4  CRC-32C of the 68 bytes before
 *       72        ids (n) int32
 *                 pages (ceil(n_done / 32)) of page_size bytes; what is past n_done is zero
 *                 logits (n_vocab) float, when has_logits
 *              4  CRC-32C of everything after the header
 *
 * The header decides the length of the file, to the byte, and is checked against it before
 * anything is allocated. The sums find damage, not malice: a file can hold keys and values that
 * no computation gave. Such a session answers nonsense, but it answers alone, since it is marked
 * untrusted and shares no pages by the tree.
 */
#include "session/session_priv.h"

#include <string.h>

#define MAGIC "OASESS\x1a\n"

enum { VERSION = 2, HEADER_SIZE = 72, SUM_SIZE = 4 };

typedef struct header {
    uint32_t kv_type, n_vocab, has_logits, rope_long;
    uint64_t fingerprint, n, n_done, page_size, adapters;
} header;

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static size_t n_pages_of(uint64_t n)
{
    return (size_t)((n + OA__PAGE_LEN - 1) / OA__PAGE_LEN);
}

/* --- writing ---------------------------------------------------------------------------------- */

typedef struct saver {
    oa__file_out *file;
    oa__progress progress;
    uint64_t done;
    uint32_t crc;
} saver;

static int put(saver *sv, const void *data, size_t size)
{
    const size_t part = 1 << 20;
    const char *at = data;
    while (size > 0) {
        const size_t n = size < part ? size : part;
        OA__TRY(oa__progress_poll(&sv->progress, sv->done));
        OA__TRY(oa__file_out_write(sv->file, at, n));
        sv->crc = oa__crc32c(sv->crc, at, n);
        sv->done += n;
        at += n;
        size -= n;
    }
    return OA_OK;
}

static int put_all(saver *sv, const oa_session *s)
{
    const size_t page_size = s->shared->page_size[s->kv_type];
    const size_t n_vocab = oa__model_n_vocab(s->model);
    const bool has_logits = s->logits_at > 0 && s->logits_at == s->n;
    uint8_t head[HEADER_SIZE] = {0};
    memcpy(head, MAGIC, 8);
    put32(head + 8, VERSION);
    put32(head + 12, s->kv_type);
    put64(head + 16, oa__model_fingerprint(s->model));
    put64(head + 24, s->n);
    put64(head + 32, s->n_done);
    put64(head + 40, page_size);
    put32(head + 48, (uint32_t)n_vocab);
    put32(head + 52, has_logits);
    put32(head + 56, s->rope_long);
    put64(head + 60, oa__adapters_hash(s->adapters));
    put32(head + 68, oa__crc32c(0, head, 68));
    OA__TRY(put(sv, head, sizeof head));

    sv->crc = 0;
    OA__TRY(put(sv, s->ids, s->n * sizeof *s->ids));
    const size_t n_full = s->n_done / OA__PAGE_LEN;
    for (size_t i = 0; i < n_full; i++)
        OA__TRY(put(sv, s->pages[i], page_size));
    const size_t n_tail = s->n_done % OA__PAGE_LEN;
    if (n_tail > 0) {
        /* Positions past the end may hold tokens that were taken back: they stay here. */
        void *page = oa__shared_page(s->shared, s->kv_type);
        if (!page) return OA_ENOMEM;
        oa__model_page_copy(s->model, s->kv_type, page, s->pages[n_full], (uint32_t)n_tail);
        const int rc = put(sv, page, page_size);
        oa__page_drop(s->mem, page);
        OA__TRY(rc);
    }
    if (has_logits) OA__TRY(put(sv, s->logits, n_vocab * sizeof *s->logits));
    uint8_t sum[SUM_SIZE];
    put32(sum, sv->crc);
    return put(sv, sum, sizeof sum);
}

int oa_session_save(oa_session *session, const char *path)
{
    if (!path) return oa__err(OA_EINVAL, "path is NULL");
    OA__TRY(oa__session_enter(session));
    saver sv = {
        .progress = {.fn = session->progress_fn, .user = session->progress_user, .what = "save"}};
    int rc = oa__file_out_open(&sv.file, session->mem, path);
    if (rc == OA_OK) {
        rc = put_all(&sv, session);
        if (rc == OA_OK)
            rc = oa__file_out_commit(sv.file);
        else
            oa__file_out_abandon(sv.file);
    }
    oa__session_leave(session);
    return rc;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int read_header(header *h, const oa__map *map)
{
    const uint8_t *p = map->data;
    if (map->size < HEADER_SIZE || memcmp(p, MAGIC, 8) != 0) {
        return oa__err(OA_EFORMAT, "not a saved session: no header");
    }
    if (get32(p + 8) != VERSION) {
        return oa__err(OA_EVERSION, "saved session of version %lu, want %d",
                       (unsigned long)get32(p + 8), VERSION);
    }
    if (get32(p + 68) != oa__crc32c(0, p, 68)) {
        return oa__err(OA_EFORMAT, "saved session: damaged header, its checksum differs");
    }
    h->kv_type = get32(p + 12);
    h->fingerprint = get64(p + 16);
    h->n = get64(p + 24);
    h->n_done = get64(p + 32);
    h->page_size = get64(p + 40);
    h->n_vocab = get32(p + 48);
    h->has_logits = get32(p + 52);
    h->rope_long = get32(p + 56);
    h->adapters = get64(p + 60);
    if (h->kv_type >= OA__N_KV_TYPES || h->has_logits > 1 || h->rope_long > 1 || h->n_done > h->n ||
        h->n > OA__N_CTX_LIMIT || (h->has_logits && h->n_done != h->n) ||
        (h->has_logits && h->n == 0)) {
        return oa__err(OA_EFORMAT, "saved session: the header contradicts itself");
    }
    return OA_OK;
}

/* The header is one that this model could have written, and the file is as long as it says. */
static int check_header(const header *h, const oa__map *map, const oa_session *s)
{
    const oa_model *model = s->model;
    const oa__shared *sh = s->shared;
    const uint32_t n_ctx = s->n_ctx;
    if (h->fingerprint != oa__model_fingerprint(model) ||
        h->page_size != sh->page_size[h->kv_type] || h->n_vocab != oa__model_n_vocab(model)) {
        return oa__err(OA_EUNSUPPORTED, "saved session belongs to another model");
    }
    size_t pages, size = HEADER_SIZE + SUM_SIZE;
    if (!oa__mul_size(n_pages_of(h->n_done), (size_t)h->page_size, &pages) ||
        !oa__add_size(size, pages, &size) ||
        !oa__add_size(size, (size_t)h->n * sizeof(int32_t), &size) ||
        !oa__add_size(size, h->has_logits * (size_t)h->n_vocab * sizeof(float), &size) ||
        size != map->size) {
        return oa__err(OA_EFORMAT, "saved session: %zu bytes, its header wants %s", map->size,
                       size < map->size ? "fewer" : "more");
    }
    if (h->rope_long != s->rope_long && !s->rope_follows) {
        return oa__err(
            OA_EUNSUPPORTED, "saved session is of a context of %s than %lu tokens, this one is not",
            h->rope_long ? "more" : "no more", (unsigned long)oa__model_n_ctx_short(model));
    }
    if (h->adapters != oa__adapters_hash(s->adapters)) {
        return oa__err(OA_EUNSUPPORTED, "saved session was made with%s adapters",
                       h->adapters == 0 ? "out"
                       : s->adapters    ? " other"
                                        : "");
    }
    if (h->n > n_ctx) {
        return oa__err(OA_EFULL, "saved session has %llu tokens, the context holds %lu",
                       (unsigned long long)h->n, (unsigned long)n_ctx);
    }
    return OA_OK;
}

static int fill(oa_session *s, const header *h, const uint8_t *at)
{
    const size_t n = (size_t)h->n;
    const size_t n_pages = n_pages_of(h->n_done);
    OA__TRY(oa__session_reserve(s, n));
    if (n > 0) memcpy(s->ids, at, n * sizeof *s->ids);
    OA__TRY(oa__session_check_ids(s, s->ids, n, 0) < 0 ? OA_EFORMAT : OA_OK);
    at += n * sizeof *s->ids;
    OA__TRY(
        oa__shared_grow(s->shared, (void **)&s->pages, &s->pages_cap, n_pages, sizeof *s->pages));
    while (s->n_pages < n_pages) {
        void *page = oa__shared_page(s->shared, s->kv_type);
        if (!page) return OA_ENOMEM;
        memcpy(page, at, (size_t)h->page_size);
        at += h->page_size;
        s->pages[s->n_pages++] = page;
    }
    if (h->has_logits) {
        s->logits = oa__shared_alloc(s->shared, h->n_vocab, sizeof *s->logits);
        if (!s->logits) return OA_ENOMEM;
        memcpy(s->logits, at, h->n_vocab * sizeof *s->logits);
        s->logits_at = n;
    }
    s->n = n;
    s->n_done = (size_t)h->n_done;
    s->untrusted = n > 0;
    if (s->rope_follows) {
        s->rope_long = h->rope_long;
        if (s->rope_long != (n > oa__model_n_ctx_short(s->model))) oa__session_forget(s);
    }
    return OA_OK;
}

int oa_session_open_saved(oa_session **out, oa_model *model, const char *path,
                          const oa_session_opts *opts)
{
    if (!out) return oa__err(OA_EINVAL, "out is NULL");
    *out = NULL;
    if (!path) return oa__err(OA_EINVAL, "path is NULL");
    oa_session *s = NULL;
    OA__TRY(oa_session_new(&s, model, opts));
    oa__map map = {0};
    header h = {0};
    int rc = oa__map_open(&map, s->mem, path, false);
    if (rc < 0) goto fail_unmapped;
    OA__TRY_GOTO(read_header(&h, &map));
    OA__TRY_GOTO(check_header(&h, &map, s));
    const uint8_t *body = map.data + HEADER_SIZE;
    const size_t body_size = map.size - HEADER_SIZE - SUM_SIZE;
    if (get32(body + body_size) != oa__crc32c(0, body, body_size)) {
        rc = oa__err(OA_EFORMAT, "saved session: damaged, its checksum differs");
        goto fail;
    }
    s->kv_type = h.kv_type;
    OA__TRY_GOTO(fill(s, &h, body));
    oa__map_close(&map);
    *out = s;
    return OA_OK;
fail:
    oa__map_close(&map);
fail_unmapped:
    oa_session_free(s);
    return rc;
}
