/* SPDX-License-Identifier: Apache-2.0 */
/* Shared inside hub only. */
#ifndef OA_HUB_HUB_PRIV_H
#define OA_HUB_HUB_PRIV_H

#include <jansson.h>

#include <openassistant/hub.h>

#include "hub/hub.h"

/* --- SHA-256 (digest.c, or net_stub.c) ------------------------------------------------------- */

typedef struct oa__sha256 {
    uint64_t state[16];
} oa__sha256;

void oa__sha256_begin(oa__sha256 *h);
void oa__sha256_add(oa__sha256 *h, const void *data, size_t size);
void oa__sha256_end(oa__sha256 *h, char hex[65]);
/* Of a whole file, as lower-case hex. poll is called now and then with the bytes read so far and
 * ends it by returning an error; NULL is fine. OA_ENOTBUILT without the part `net`. */
int oa__sha256_file(const char *path, char hex[65], int (*poll)(void *arg, uint64_t done),
                    void *arg);

/* --- requests (net.c, or net_stub.c) --------------------------------------------------------- */

/* What the head of an answer says; texts are "" when it does not say. */
typedef struct oa__http_head {
    int status;
    bool has_length, has_range, has_total, is_encoded;
    uint64_t length;      /* of the body */
    uint64_t range_first; /* Content-Range, first byte and size of the whole */
    uint64_t range_total;
    uint32_t retry_after_s;
    char etag[256];
    char next[2048];      /* the page after this one (Link) */
    char error_code[64];  /* X-Error-Code */
    char error_text[200]; /* X-Error-Message */
} oa__http_head;

/* One GET, redirects followed. */
typedef struct oa__http {
    const char *url;      /* http or https */
    const char *token;    /* sent to the host of url and to no other; NULL = none */
    uint64_t first;       /* first byte wanted */
    const char *if_range; /* with first: only when it is still this ETag; "" = whatever it is */
    uint32_t stall_ms;    /* longest silence */
    uint32_t max_ms;      /* longest time over all; 0 = no limit */
    /* Told the head of the last answer of the chain before its body; an error ends the request.
     * The bodies of answers with a status outside 200 to 299 are not delivered. */
    int (*on_head)(void *arg, const oa__http_head *head);
    int (*on_body)(void *arg, const void *data, size_t size);
    int (*on_poll)(void *arg); /* at least every 50 ms */
    void *arg;
} oa__http;

typedef struct oa__net oa__net;

int oa__net_new(oa__net **out, oa__mem *mem);
void oa__net_free(oa__net *net);
/* OA_OK when an answer of any status came whole; head is filled then. Else the error of a
 * callback, or one of the network: *again says whether another try may help. */
int oa__net_get(oa__net *net, const oa__http *request, oa__http_head *head, bool *again);

/* --- fetching with patience (fetch.c, fetch_text.c) ------------------------------------------- */

/* How patient to be; shared by all requests of one pull. */
typedef struct oa__patience {
    uint32_t stall_ms, retry_ms, n_tries;
    const oa__log *log;
    /* At least every 50 ms; what is "" for the transfer itself, "check" while bytes on the disk
     * are read, "wait" while another process or the server is waited for. */
    int (*poll)(void *arg, const char *what, uint64_t done);
    void *arg;
} oa__patience;

/* What failed so far. */
typedef struct oa__tries {
    const oa__patience *patience;
    uint32_t n_failed; /* in a row, without a byte of progress */
} oa__tries;

/* After a failure of code rc, whose text is the last error's: wait before the next try, or return
 * an error that tells of it when there were enough. */
int oa__tries_wait(oa__tries *t, int rc, bool progress, const oa__http_head *head, uint64_t done);
/* Whether another try may help after an answer of this status. */
bool oa__status_passes(int status);

typedef struct oa__fetch {
    const char *url, *token;
    const char *path;    /* the final name; "<path>.partial" and "<path>.partial.json" beside it */
    uint64_t size;       /* what it must be */
    bool has_size;       /* size is known beforehand */
    const char *sha256;  /* what it must be; "" = not known */
    const char *oid;     /* likewise, git's name of the content: looked at without a sha256 */
    oa__http_head head;  /* of the last answer */
    char got_sha256[65]; /* what it is */
    bool pulled;         /* bytes came over the network; false when the file was there already */
} oa__fetch;

int oa__fetch_file(oa__net *net, oa__mem *mem, oa__fetch *f, const oa__patience *patience);
/* Of a file that is whole: remove what somebody who was killed left beside it, unless somebody is
 * at it. */
void oa__fetch_tidy(oa__mem *mem, const char *path);
/* A short text of at most max bytes. *head is of the last answer, also on failure. */
int oa__fetch_text(oa__net *net, const char *url, const char *token, size_t max,
                   const oa__patience *patience, oa__str *out, oa__http_head *head);

/* --- which hub, and its token (endpoint.c) ---------------------------------------------------- */

/* Append the address, without a slash at the end. */
int oa__hub_endpoint(const oa_hub_opts *opts, oa__str *out);
/* *token is NULL when there is none, or when it could be read on its way to the endpoint. */
int oa__hub_token(const oa_hub_opts *opts, const char *endpoint, const oa__log *log, char **token);

/* --- names (name.c) --------------------------------------------------------------------------- */

/* OWNER/NAME[:PART][@REVISION], taken apart. PART is a file, or a type like "Q4_K_M". */
typedef struct oa__hub_name {
    char owner[100], name[100], revision[200];
    char part[520]; /* "" = whatever fits best */
} oa__hub_name;

/* OA_EINVAL. A revision given apart wins, and then @ is a character like others. */
int oa__hub_name_read(oa__hub_name *out, const char *text, const char *revision);
/* Whether a name of a file in a repository can be trusted with a place below a folder. */
bool oa__hub_path_is_safe(const char *path);
/* Append text with everything but unreserved characters (and slashes when keep_slash) escaped. */
int oa__url_add(oa__str *url, const char *text, bool keep_slash);
/* Append the folder of a repository: <folder of the kind>/OWNER/NAME. */
int oa__hub_repo_folder(oa__str *out, int kind, const oa__hub_name *name);

/* --- what a repository holds (listing.c), and what of it is wanted (choose.c) ---------------- */

typedef struct oa__hub_file {
    char *path; /* safe */
    uint64_t size;
    char sha256[65]; /* "" when the hub does not say */
    char oid[65];    /* git's name of the content; "" likewise */
    bool wanted;
} oa__hub_file;

typedef struct oa__hub_listing {
    oa__mem *mem;
    char commit[65];   /* "" when the hub does not say */
    char licence[200]; /* from the hub's own data; "" likewise */
    oa__hub_file *files;
    size_t n_files, cap;
} oa__hub_listing;

/* The answer to a question about a repository, and one page of its list of files. */
int oa__hub_listing_info(oa__hub_listing *l, const char *json, size_t len);
int oa__hub_listing_page(oa__hub_listing *l, const oa__log *log, const char *json, size_t len);
void oa__hub_listing_free(oa__hub_listing *l);

/* Mark the files that make up a model or a data set as wanted. *main_path is what to open: a file,
 * or "" for the folder. OA_ENOTFOUND, OA_EINVAL when it is not clear; both say what there is. */
int oa__hub_choose(oa__hub_listing *l, int kind, const oa__hub_name *name, const char **main_path);

/* --- licences (licence.c) --------------------------------------------------------------------- */

/* The licence that the front of a model card names; "" when it names none. */
void oa__licence_of_card(const char *card, size_t len, char out[200]);
/* What it is called and whether it binds beyond the usual, as one line. */
int oa__licence_text(oa__str *out, const char *licence, const char *owner, const char *name);

/* --- short names (catalogue.c) ---------------------------------------------------------------- */

typedef struct oa__hub_entry {
    char short_name[100];
    int kind;
    char target[720]; /* OWNER/NAME[:PART][@REVISION] */
    char licence[200];
    char sha256[65]; /* of its one file; "" = whatever the hub says */
    char about[200];
} oa__hub_entry;

/* OA_ENOTFOUND without a text when there is none. */
int oa__catalogue_find(oa__hub_entry *out, const char *short_name);
/* All of them, those of the user's file first. */
int oa__catalogue_walk(int (*fn)(const oa__hub_entry *entry, void *arg), void *arg);
extern const oa__hub_entry oa__catalogue_known[];
extern const size_t oa__catalogue_n_known;

/* --- what is installed (record.c, inventory.c) ------------------------------------------------ */

#define OA__HUB_RECORD ".pull.json"

/* Append JSON as text; NULL is "out of memory". */
int oa__json_text(oa__str *out, const json_t *value);
/* A member's text, or "". */
const char *oa__json_member(const json_t *object, const char *key);
/* The record of a repository's folder: a new reference, or an empty one when there is none or it
 * can't be read. NULL on OA_ENOMEM. */
json_t *oa__record_read(const char *folder);
/* One process at a time changes a record: lock, read, then write, which gives the lock back, on
 * failure too; or unlock. The lock is the file that becomes the new record. */
int oa__record_lock(const char *folder, oa__file_part **lock);
int oa__record_write(oa__file_part *lock, const json_t *record);
void oa__record_unlock(oa__file_part *lock);

typedef struct oa__hub_item {
    char *path;     /* what to open */
    char *name;     /* the part of path that it is listed under, without ".gguf" */
    char *repo;     /* OWNER/NAME, or NULL for files that were put there by hand */
    uint64_t size;  /* of all its files */
    bool is_folder; /* a folder of safetensors */
} oa__hub_item;

typedef struct oa__hub_items {
    oa__mem *mem;
    oa__hub_item *items;
    size_t n_items, cap;
} oa__hub_items;

/* Everything in the folder of a kind. OA_ENOTFOUND when there is no such folder. */
int oa__hub_inventory(oa__hub_items *out, oa__mem *mem, int kind);
void oa__hub_items_free(oa__hub_items *items);
/* Which of them a name means; appends its path. */
int oa__hub_pick(const oa__hub_items *items, const char *name, int kind, size_t *index);

#endif
