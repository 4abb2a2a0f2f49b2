/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file from the network, whole or not at all under its name.
 *
 *   nobody has it --lock--> ours --bytes--> ours, more of it --size and SHA-256--> its name
 *                            ^   cut, stall, kill -9            |
 *                            +---------- and again -------------+
 *
 * Invariants:
 *  1. "<path>" is either absent, an older whole file, or the whole new one.
 *  2. "<path>.partial" is changed only by who holds its lock.
 *  3. Bytes are added to a partial file only when they belong to the same content: its SHA-256 is
 *     known and the same as when it was begun, or its address is the same and the server says by
 *     If-Range that its ETag still is. "<path>.partial.json" remembers what it was begun with.
 *  4. Whatever a server says about lengths is held against the size that the hub told, where it
 *     did, and against what came.
 */
#include "hub/hub_priv.h"

#include <string.h>

#include "hub/git_sum.h"

enum { BLOCK_SIZE = 256 * 1024 };

/* One file on its way. */
typedef struct way {
    oa__mem *mem;
    oa__fetch *f;
    const oa__patience *patience;
    oa__file_part *part;
    oa__sha256 sum;      /* of the first `have` bytes */
    oa__git_sum git_sum; /* likewise, when only that can be compared */
    bool has_git_sum;
    uint64_t have;  /* bytes in the partial file that count */
    uint64_t total; /* what the size will be, when has_total */
    bool has_total;
    bool joined;    /* bytes of more than one answer are in it */
    bool writing;   /* the answer at hand is what was asked for */
    bool restart;   /* the partial file is of no use */
    char etag[256]; /* of what is in the partial file; "" = unknown or weak */
    uint64_t most;  /* that there ever was: only more than that is progress */
} way;

static int poll_transfer(void *arg)
{
    way *w = arg;
    return w->patience->poll ? w->patience->poll(w->patience->arg, "", w->have) : OA_OK;
}

static int poll_check(void *arg, uint64_t done)
{
    way *w = arg;
    return w->patience->poll ? w->patience->poll(w->patience->arg, "check", done) : OA_OK;
}

/* --- the note beside the partial file --------------------------------------------------------- */

static int note_path(const way *w, oa__str *out)
{
    OA__TRY(oa__str_add_z(out, w->f->path));
    return oa__str_add_z(out, ".partial.json");
}

static int write_note(way *w)
{
    oa__str path = {.mem = w->mem}, text = {.mem = w->mem};
    oa__file_part *out;
    json_t *note = json_pack("{s:s, s:s, s:s, s:I}", "url", w->f->url, "etag", w->etag, "sha256",
                             w->f->sha256, "size", (json_int_t)(w->has_total ? w->total : 0));
    int rc = oa__json_text(&text, note);
    if (rc == OA_OK) rc = note_path(w, &path);
    if (rc == OA_OK) rc = oa__file_part_open(&out, w->mem, path.data);
    if (rc == OA_OK) rc = oa__file_part_replace(out, text.data, text.len);
    json_decref(note);
    oa__str_free(&text);
    oa__str_free(&path);
    return rc;
}

/* And what is left of one that was being written; the caller has the lock of the partial file. */
static void remove_note(way *w)
{
    oa__str path = {.mem = w->mem};
    if (note_path(w, &path) == OA_OK && oa__file_exists(path.data)) oa__file_remove(path.data);
    if (oa__str_add_z(&path, ".partial") == OA_OK && oa__file_exists(path.data))
        oa__file_remove(path.data);
    oa__str_free(&path);
}

/* Whether what lies there is the beginning of what is wanted. */
static bool note_agrees(way *w)
{
    oa__str path = {.mem = w->mem};
    char *text = NULL;
    size_t len;
    bool agrees = false;
    if (note_path(w, &path) == OA_OK && oa__file_exists(path.data) &&
        oa__file_read(w->mem, path.data, 65536, &text, &len) == OA_OK) {
        json_t *note = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        const char *etag = oa__json_member(note, "etag");
        const json_int_t size = json_integer_value(json_object_get(note, "size"));
        if (w->f->sha256[0]) {
            agrees = strcmp(oa__json_member(note, "sha256"), w->f->sha256) == 0;
        } else {
            agrees = etag[0] && strcmp(oa__json_member(note, "url"), w->f->url) == 0;
        }
        if (w->f->has_size && (uint64_t)size != w->f->size) agrees = false;
        if (agrees && strlen(etag) < sizeof w->etag) memcpy(w->etag, etag, strlen(etag) + 1);
        json_decref(note);
    }
    oa__free(w->mem, text);
    oa__str_free(&path);
    return agrees;
}

/* --- the partial file ------------------------------------------------------------------------- */

static void begin_sums(way *w)
{
    oa__sha256_begin(&w->sum);
    w->has_git_sum = !w->f->sha256[0] && w->f->has_size && strlen(w->f->oid) == 40;
    if (w->has_git_sum) oa__git_sum_begin(&w->git_sum, w->f->size);
}

static void add_to_sums(way *w, const void *data, size_t size)
{
    oa__sha256_add(&w->sum, data, size);
    if (w->has_git_sum) oa__git_sum_add(&w->git_sum, data, size);
}

static int start_over(way *w)
{
    OA__TRY(oa__file_part_cut(w->part, 0));
    begin_sums(w);
    w->have = 0;
    w->etag[0] = '\0';
    w->joined = false;
    w->restart = false;
    w->has_total = w->f->has_size;
    w->total = w->f->size;
    return OA_OK;
}

/* Take over what is there already. */
static int take_over(way *w)
{
    uint64_t size;
    size_t got;
    int rc = OA_OK;
    OA__TRY(oa__file_part_size(w->part, &size));
    if (size == 0 || (w->f->has_size && size > w->f->size) || !note_agrees(w)) {
        if (size > 0)
            oa__log_line(w->patience->log, OA_LOG_INFO, "%s is of something else: starting over",
                         oa__file_part_path(w->part));
        return start_over(w);
    }
    uint8_t *block = oa__alloc(w->mem, BLOCK_SIZE);
    if (!block) return OA_ENOMEM;
    while (w->have < size) {
        OA__TRY_GOTO(oa__file_part_read(w->part, w->have, block, BLOCK_SIZE, &got));
        if (got == 0) break;
        add_to_sums(w, block, got);
        w->have += got;
        OA__TRY_GOTO(poll_check(w, w->have));
    }
    w->joined = true;
    oa__log_line(w->patience->log, OA_LOG_INFO, "%s: going on at byte %llu", w->f->path,
                 (unsigned long long)w->have);
fail:
    oa__free(w->mem, block);
    return rc;
}

static int check_room(way *w)
{
    oa__str folder = {.mem = w->mem};
    uint64_t room = 0, need = w->total - w->have;
    const char *slash = strrchr(w->f->path, '/');
    int rc = slash ? oa__str_add(&folder, w->f->path, (size_t)(slash - w->f->path) + 1)
                   : oa__str_add_z(&folder, ".");
    if (rc == OA_OK && oa__disk_free(folder.data, &room) == OA_OK && room < need)
        rc = oa__err(OA_EIO, "%s: %llu bytes are to come, the disk has room for %llu", w->f->path,
                     (unsigned long long)need, (unsigned long long)room);
    oa__str_free(&folder);
    return rc;
}

/* --- one answer ------------------------------------------------------------------------------- */

static int wrong_length(const way *w, uint64_t length, uint64_t want)
{
    return oa__err(OA_EFORMAT, "%s: the server offers %llu bytes, want %llu", w->f->url,
                   (unsigned long long)length, (unsigned long long)want);
}

static int on_head(void *arg, const oa__http_head *head)
{
    way *w = arg;
    const bool part = head->status == 206;
    w->writing = false;
    if (head->status != 200 && !part) return OA_OK; /* looked at when it is over */
    if (head->is_encoded)
        return oa__err(OA_EFORMAT, "%s: the server sends an encoding that was not asked for",
                       w->f->url);
    if (part && (w->have == 0 || !head->has_range || head->range_first != w->have)) {
        w->restart = true;
        return oa__err(OA_EFORMAT, "%s: the server sends another part than was asked for",
                       w->f->url);
    }
    if (part && head->has_total && w->has_total && head->range_total != w->total) {
        w->restart = true;
        return wrong_length(w, head->range_total, w->total);
    }
    if (!part && w->have > 0) {
        oa__log_line(w->patience->log, OA_LOG_INFO, "%s: the server begins again", w->f->url);
        OA__TRY(start_over(w));
    }
    if (!w->has_total && part && head->has_total) {
        w->total = head->range_total;
        w->has_total = true;
    }
    if (head->has_length) {
        if (!w->has_total) {
            if (head->length > UINT64_MAX - w->have) return wrong_length(w, head->length, 0);
            w->total = w->have + head->length;
            w->has_total = true;
        }
        if (w->have > w->total || head->length != w->total - w->have)
            return wrong_length(w, head->length, w->total > w->have ? w->total - w->have : 0);
    }
    if (w->has_total) OA__TRY(check_room(w));
    /* A weak ETag says that two things are alike, not that they are the same bytes. */
    const char *etag = head->etag[0] == '"' ? head->etag : "";
    if (w->have > 0) {
        w->joined = true;
    } else {
        memcpy(w->etag, etag, strlen(etag) + 1);
        OA__TRY(write_note(w));
    }
    w->writing = true;
    return OA_OK;
}

static int on_body(void *arg, const void *data, size_t size)
{
    way *w = arg;
    if (!w->writing) return OA_OK;
    if (w->has_total && size > w->total - w->have) {
        w->restart = true;
        return oa__err(OA_EFORMAT, "%s: more than the %llu bytes that were wanted", w->f->url,
                       (unsigned long long)w->total);
    }
    OA__TRY(oa__file_part_write(w->part, w->have, data, size));
    add_to_sums(w, data, size);
    w->have += size;
    w->f->pulled = true;
    return poll_transfer(w);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* OA_OK when all bytes are there. Else *again says whether another try may help. */
static int try_once(way *w, oa__net *net, bool *again)
{
    oa__fetch *f = w->f;
    *again = false;
    if (w->has_total && w->have == w->total && w->have > 0) return OA_OK;
    /* Without a sum and without an ETag there is no telling what the rest would be of. */
    if (w->have > 0 && !f->sha256[0] && !w->etag[0]) OA__TRY(start_over(w));
    const oa__http request = {.url = f->url,
                              .token = f->token,
                              .first = w->have,
                              .if_range = w->etag,
                              .stall_ms = w->patience->stall_ms,
                              .on_head = on_head,
                              .on_body = on_body,
                              .on_poll = poll_transfer,
                              .arg = w};
    int rc = oa__net_get(net, &request, &f->head, again);
    if (rc == OA_EFORMAT) *again = true; /* a lie about lengths may be one machine's of many */
    if (w->restart) OA__TRY(start_over(w));
    if (rc < 0) return rc;
    if (f->head.status == 416 && w->have > 0) {
        OA__TRY(start_over(w));
        *again = true;
        return oa__err(OA_EIO, "%s: the server does not know the part that was asked for", f->url);
    }
    if (!w->writing) {
        *again = oa__status_passes(f->head.status);
        return oa__err(f->head.status == 404   ? OA_ENOTFOUND
                       : f->head.status == 401 ? OA_EACCES
                       : f->head.status == 403 ? OA_EACCES
                       : f->head.status == 429 ? OA_ELIMIT
                                               : OA_EIO,
                       "%s: the server answers with status %d", f->url, f->head.status);
    }
    if (w->has_total && w->have < w->total) {
        *again = true;
        return oa__err(OA_EIO, "%s: %llu of %llu bytes came", f->url, (unsigned long long)w->have,
                       (unsigned long long)w->total);
    }
    return OA_OK;
}

static int check_sum(way *w, bool *again)
{
    oa__fetch *f = w->f;
    char got_oid[41] = "";
    oa__sha256_end(&w->sum, f->got_sha256);
    if (w->has_git_sum) oa__git_sum_end(&w->git_sum, got_oid);
    *again = false;
    const char *what = f->sha256[0] ? "the SHA-256" : "git's sum";
    const char *got = f->sha256[0] ? f->got_sha256 : got_oid;
    const char *want = f->sha256[0] ? f->sha256 : f->oid;
    if ((!f->sha256[0] && !w->has_git_sum) || strcmp(want, got) == 0) return OA_OK;
    /* Put together from several answers, perhaps across a power cut: once more in one piece. */
    *again = w->joined;
    int rc = oa__err(OA_EFORMAT, "%s: %s is %s, want %s", f->url, what, got, want);
    OA__TRY(start_over(w));
    return rc;
}

static int fetch_locked(way *w, oa__net *net)
{
    oa__tries tries = {.patience = w->patience};
    bool again, mended = false;
    begin_sums(w);
    w->has_total = w->f->has_size;
    w->total = w->f->size;
    OA__TRY(take_over(w));
    w->most = w->have;
    if (w->has_total) OA__TRY(check_room(w));
    for (;;) {
        int rc = try_once(w, net, &again);
        if (rc == OA_OK) {
            rc = check_sum(w, &again);
            if (rc == OA_OK) return OA_OK;
            if (!again || mended) return rc;
            mended = true;
            continue;
        }
        if (!again) return rc;
        const bool progress = w->have > w->most;
        if (progress) w->most = w->have;
        OA__TRY(oa__tries_wait(&tries, rc, progress, &w->f->head, w->have));
    }
}

/* Another process is at it: wait until it is done or gives up. */
static int lock_part(way *w)
{
    oa__str part = {.mem = w->mem};
    oa__file_info info;
    bool told = false;
    int rc;
    OA__TRY_GOTO(oa__str_addf(&part, "%s.partial", w->f->path));
    while ((rc = oa__file_part_open(&w->part, w->mem, w->f->path)) == OA_EBUSY) {
        if (!told)
            oa__log_line(w->patience->log, OA_LOG_INFO, "%s: another process is pulling it",
                         w->f->path);
        told = true;
        info.size = 0;
        if (oa__file_exists(part.data)) oa__file_stat(part.data, &info);
        if (w->patience->poll) OA__TRY_GOTO(w->patience->poll(w->patience->arg, "wait", info.size));
        oa__clock_sleep(40 * 1000000u);
    }
fail:
    oa__str_free(&part);
    return rc;
}

/* Whether the final file is what is wanted, by its bytes. */
static int is_there(way *w, bool *there)
{
    oa__file_info info;
    *there = false;
    if (!w->f->sha256[0] || !oa__file_exists(w->f->path)) return OA_OK;
    OA__TRY(oa__file_stat(w->f->path, &info));
    if (!info.is_file) return oa__err(OA_EIO, "%s: is no file", w->f->path);
    if (w->f->has_size && info.size != w->f->size) return OA_OK;
    OA__TRY(oa__sha256_file(w->f->path, w->f->got_sha256, poll_check, w));
    *there = strcmp(w->f->got_sha256, w->f->sha256) == 0;
    return OA_OK;
}

void oa__fetch_tidy(oa__mem *mem, const char *path)
{
    static const char *const ends[] = {".partial", ".partial.json", ".partial.json.partial"};
    oa__fetch f = {.path = path};
    way w = {.mem = mem, .f = &f};
    oa__str left = {.mem = mem};
    bool any = false;
    for (size_t i = 0; i < OA__ARRAY_LEN(ends); i++) {
        left.len = 0;
        if (oa__str_addf(&left, "%s%s", path, ends[i]) == OA_OK && oa__file_exists(left.data))
            any = true;
    }
    oa__str_free(&left);
    if (!any || oa__file_part_open(&w.part, mem, path) < 0) return;
    remove_note(&w);
    oa__file_part_remove(w.part);
}

int oa__fetch_file(oa__net *net, oa__mem *mem, oa__fetch *f, const oa__patience *patience)
{
    way w = {.mem = mem, .f = f, .patience = patience};
    bool there;
    f->pulled = false;
    f->got_sha256[0] = '\0';
    OA__TRY(is_there(&w, &there));
    if (there) {
        oa__fetch_tidy(mem, f->path);
        return OA_OK;
    }
    OA__TRY(lock_part(&w));
    int rc = is_there(&w, &there); /* now, perhaps, by the one that was waited for */
    if (rc == OA_OK && there) {
        remove_note(&w);
        oa__file_part_remove(w.part);
        return OA_OK;
    }
    if (rc == OA_OK) rc = fetch_locked(&w, net);
    if (rc < 0) {
        /* What came stays for the next time; an empty file is of no use. */
        if (w.have == 0) {
            remove_note(&w);
            oa__file_part_remove(w.part);
        } else {
            oa__file_part_close(w.part);
        }
        return rc;
    }
    rc = oa__file_part_commit(w.part);
    /* The lock went with it: what is beside the file may be another's by now. */
    oa__fetch_tidy(mem, f->path);
    return rc;
}
