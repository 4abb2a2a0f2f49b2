/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of floor 6: what the files of this folder share.
 *
 *   pages.c    a page of keys and values and its reference count
 *   cache.c    the tree of full pages that the sessions of a model share
 *   works.c    scratch memory, lent to whoever computes; what hangs in the model's shared slot
 *   run.c      jobs: bring sequences up to a length, in shared passes, all or nothing
 *   session.c  the public session; many.c, generate.c, saved.c, embed.c build on it
 *   draft.c    guesses of the next tokens; ahead.c computes them in advance and keeps what holds
 *   chat.c     the public chat; chat_tree.c keeps its messages, chat_saved.c its file
 */
#ifndef OA_SESSION_SESSION_PRIV_H
#define OA_SESSION_SESSION_PRIV_H

#include "base/base.h"
#include "model/model.h"
#include "sample/sample.h"
#include "session/session.h"
#include "text/text.h"

enum {
    OA__PAGE_LEN = OA__KV_PAGE,     /* positions in a page */
    OA__N_KV_TYPES = 3,             /* enum oa_kv_type */
    OA__ROWS_MAX = OA__MODEL_BATCH, /* rows of a pass unless n_batch asks for more */
    OA__ROWS_MIN = 8,               /* adapting to slow machines stops here */
    OA__N_BATCH_LIMIT = 4096,       /* a larger n_batch is cut to this */
    OA__N_CTX_LIMIT = 1 << 24,      /* no context is longer */
    OA__WORKS_IDLE_MAX = 3          /* idle scratch memories kept for the next call */
};

typedef struct oa__cache oa__cache;
typedef struct oa__node oa__node;
typedef struct oa__shared oa__shared;
typedef struct oa__draft oa__draft;

/* --- pages (pages.c) -------------------------------------------------------------------------- */

/* A page is known by the address of its data, which is what a forward pass wants; the count sits
 * in front of it. Whoever holds a reference may read positions that are filled; only a sole
 * holder may write. */
void *oa__page_alloc(oa__mem *mem, size_t page_size); /* one reference; NULL = OA_ENOMEM */
void oa__page_ref(void *page);
void oa__page_drop(oa__mem *mem, void *page); /* NULL is fine */
bool oa__page_is_shared(const void *page);

/* --- the tree of shared pages (cache.c) ------------------------------------------------------- */

/* What besides the ids before it decides what is in a page: the element type in the low byte, above
 * it bits that the tree only compares. */
#define OA__KIND_TYPE(kind) ((kind)&0xff)
#define OA__KIND_ROPE_LONG ((uint64_t)1 << 8)
#define OA__KIND_ADAPTERS(hash) ((hash) << 16)

int oa__cache_new(oa__cache **out, oa__mem *mem, const size_t page_size[OA__N_KV_TYPES],
                  uint64_t idle_max);
void oa__cache_free(oa__cache *c);

/* The page that follows `parent` (NULL = the beginning) with these OA__PAGE_LEN ids, or NULL. The
 * caller becomes a user of the node and a holder of its page, which goes to *page. */
oa__node *oa__cache_take(oa__cache *c, oa__node *parent, uint64_t kind, const int32_t *ids,
                         void **page);
/* Leave a full page behind `parent`. When the tree has one of these ids already, *page becomes
 * that one and the caller's is dropped. The caller becomes a user of the node. NULL when memory is
 * short; *page is then unchanged. */
oa__node *oa__cache_leave(oa__cache *c, oa__node *parent, uint64_t kind, const int32_t *ids,
                          void **page);
/* One more user of a node and of all before it. */
void oa__cache_ref(oa__cache *c, oa__node *node);
/* Stop using `node` and the ones before it, n of them; returns the last one still used. */
oa__node *oa__cache_drop(oa__cache *c, oa__node *node, size_t n);
/* Give the memory of one page nobody uses back. False when there is none. */
bool oa__cache_evict(oa__cache *c);
/* Pages in the tree, and those that nobody uses; for tests. */
void oa__cache_count(oa__cache *c, size_t *n_nodes, size_t *n_idle);

/* --- shared by the sessions of a model (works.c) ---------------------------------------------- */

/* Scratch memory of a pass and room for its rows. */
typedef struct oa__bench {
    struct oa__bench *next;
    oa__work *work;
    oa__row *rows; /* (n_rows) */
    size_t n_rows, n_logits;
} oa__bench;

struct oa__shared {
    oa_model *model; /* not owned: the model owns this */
    oa__mem *mem;
    oa__cache *cache;
    size_t page_size[OA__N_KV_TYPES];
    oa__lock lock; /* of `idle` */
    oa__bench *idle;
    _Atomic uint32_t n_rows; /* rows per pass that keep the callbacks in time */
};

int oa__shared_get(oa__shared **out, oa_model *model);
/* Give back memory that only saves time. False when there is none left. */
bool oa__shared_relieve(oa__shared *sh);
/* Like oa__alloc_array() and oa__grow(), relieving the account when it is short. */
void *oa__shared_alloc(oa__shared *sh, size_t n, size_t elem_size);
int oa__shared_grow(oa__shared *sh, void **array, size_t *cap, size_t need, size_t elem_size);
/* A page, likewise. */
void *oa__shared_page(oa__shared *sh, uint32_t kv_type);
/* Borrow scratch memory for n_rows rows, or fewer when memory is short, but at least n_min. */
int oa__shared_take_bench(oa__bench **out, oa__shared *sh, size_t n_rows, size_t n_min,
                          size_t n_logits);
void oa__shared_give_bench(oa__shared *sh, oa__bench *b);

/* --- session (session.c) ---------------------------------------------------------------------- */

struct oa_session {
    oa_model *model; /* owned reference */
    oa__shared *shared;
    oa__mem *mem;
    uint32_t flags, n_ctx, kv_type, n_batch;
    oa__adapters *adapters; /* owned reference; NULL = none */
    /* Which of the factors of longrope the pages are of: see oa__model_n_ctx_short(). They follow
     * the length of the sequence unless the caller chose a context. */
    bool rope_long, rope_follows;
    oa_progress_fn progress_fn;
    void *progress_user;

    int32_t *ids; /* (n), room for ids_cap */
    size_t n, ids_cap;
    size_t n_done; /* tokens whose keys and values are in the pages */
    void **pages;  /* (n_pages), room for pages_cap */
    size_t n_pages, pages_cap;
    oa__node *node;   /* the tree's node of page n_nodes - 1 */
    size_t n_nodes;   /* pages in front that are the tree's */
    float *logits;    /* (n_vocab) or NULL */
    size_t logits_at; /* `logits` follows this many tokens; 0 = holds nothing */

    /* ahead.c */
    uint32_t n_draft;      /* most guesses; 0 = as many as pay */
    bool draft_always;     /* tests: whether they pay or not; by the model if there is one */
    oa_model *draft_model; /* owned reference; NULL = none */
    oa__draft *draft;      /* made with the first guess */
    float *ahead;          /* (AHEAD_MAX + 1, n_vocab) logits from the pass with guesses */
    size_t ahead_at;       /* row of `ahead` that `logits` is a copy of */
    size_t n_ahead;        /* ids[n ...] that are computed, and may be picked next or not */
    uint64_t n_drafted, n_accepted; /* guesses so far */

    bool untrusted;   /* pages came from a file: they must not reach other sessions */
    bool busy;        /* inside a call */
    const void *mark; /* of the oa_session_step_many() call that is being prepared */
};

uint64_t oa__session_kind(const oa_session *s);
/* Begin and end a call that changes the session: NULL is OA_EINVAL, a call from inside one of its
 * own callbacks OA_EBUSY. What is computed ahead is dropped, unless the call goes on with it. */
int oa__session_enter(oa_session *s);
int oa__session_enter_ahead(oa_session *s);
static inline void oa__session_leave(oa_session *s)
{
    s->busy = false;
}
/* Behind n_before tokens there is room for these, and they are of the vocabulary. */
int oa__session_check_ids(const oa_session *s, const int32_t *ids, size_t n_ids, size_t n_before);
/* Room for n ids. */
int oa__session_reserve(oa_session *s, size_t n);
/* Write ids that were checked and fit behind the last one; the length stays. */
int oa__session_put_ids(oa_session *s, const int32_t *ids, size_t n_ids);
/* Empty the session and write ids that were checked, as put_ids does; the length is 0. On failure
 * nothing changed. */
int oa__session_replace_ids(oa_session *s, const int32_t *ids, size_t n_ids);
/* Forget everything past n_ids tokens. Needs no memory. */
void oa__session_cut(oa_session *s, size_t n_ids);
/* Drop everything computed; the tokens stay. */
void oa__session_forget(oa_session *s);
/* Drop pages that hold none of the first n tokens, and shorten the way in the tree. */
void oa__session_trim_pages(oa_session *s, size_t n);
/* Pick and add one token, computing what is pending first, and up to `most` guesses of those that
 * follow it. `p` may be NULL; `done` is told. */
int oa__session_step(oa_session *s, oa_sampler *sampler, size_t most, oa__progress *p,
                     uint64_t done, int32_t *id);
/* The second half of it: logits are there. */
int oa__session_pick(oa_session *s, oa_sampler *sampler, int32_t *id);

/* --- jobs (run.c) ----------------------------------------------------------------------------- */

/* Bring a session from its length to `total` tokens, whose ids stand in s->ids already, with the
 * logits after the last one. Until oa__job_commit() the session keeps its length. */
typedef struct oa__job {
    oa_session *s;
    size_t total;       /* tokens when the job is done, 1 or more */
    float *logits;      /* (total - logits_from, n_vocab) receives more logits; NULL = none */
    size_t logits_from; /* first position whose logits are wanted there */
    float *hidden;      /* (hidden_end - hidden_from, d_model) receives hidden states, and no
                           logits are computed; NULL = none */
    size_t hidden_from, hidden_end; /* positions whose hidden states are wanted */
    size_t n_first;                 /* tokens of the first segment, when hidden is there */
    size_t n_ahead; /* the last of the `total` tokens, which are guesses: the session's length does
                       not grow by them, and its logits are the first row of `logits` */
    size_t n_whole; /* tokens of the text that `total` are the beginning of, whose length longrope
                       goes by; 0 = total without guesses */
    oa__progress *progress; /* NULL = none */
    uint64_t progress_at;   /* what `progress` is told when the job begins */

    size_t first;    /* first position to compute */
    size_t next;     /* all before it are computed */
    bool logits_cut; /* s->logits may hold a part of something */
    int status;      /* OA_OK, or why oa__job_begin() failed */
} oa__job;

/* Find shared pages, get memory. On failure the session is as it was. */
int oa__job_begin(oa__job *job);
/* Compute all jobs whose status is OA_OK. They belong to sessions of one model. */
int oa__jobs_run(oa__job *jobs, size_t n_jobs);
void oa__job_commit(oa__job *job);
void oa__job_abandon(oa__job *job);
/* Of one job that has begun: run, then commit or abandon it. */
int oa__job_run(oa__job *job);

/* --- guesses (draft.c, ahead.c) --------------------------------------------------------------- */

int oa__draft_new(oa__draft **out, oa__mem *mem);
void oa__draft_free(oa__draft *d);
/* The sequence has only n ids of what it had, or the guess is off. d may be NULL. */
void oa__draft_cut(oa__draft *d, size_t n);
/* Up to `most` guesses of what follows the session's ids, when they pay; out may be behind them. */
int oa__draft_guess(oa__draft *d, const oa_session *s, size_t most, int32_t *out, size_t *n_out);
/* What a pass with n_ahead guesses took. */
void oa__draft_time(oa__draft *d, size_t n_ahead, uint64_t ns);
/* What was picked, and the guess behind it if it was right; NULL = none. d may be NULL. */
void oa__draft_judge(oa__draft *d, int32_t id, const int32_t *next);

/* A model that guesses, of the same vocabulary (OA_EINVAL otherwise); NULL is fine. */
int oa__ahead_set_model(oa_session *s, oa_model *draft_model);
/* Compute what is pending, with up to `most` guesses behind it. */
int oa__ahead_compute(oa_session *s, size_t most, oa__progress *p, uint64_t done);
/* Add an id that was picked if it was guessed: the logits after it are then there. */
bool oa__ahead_take(oa_session *s, int32_t id);
void oa__ahead_drop(oa_session *s);
void oa__ahead_free(oa_session *s);

/* --- stop strings (stops.c) ------------------------------------------------------------------- */

/* Finds the first of several texts in a stream, byte by byte, in linear time. */
typedef struct oa__stops {
    oa__mem *mem;
    const char *const *texts; /* (n), borrowed */
    size_t n;
    size_t *lens;    /* (n) */
    size_t *matched; /* (n) how many bytes of each match the end of the stream */
    uint32_t *fail;  /* all failure tables, one after the other */
} oa__stops;

int oa__stops_init(oa__stops *st, oa__mem *mem, const char *const *texts, size_t n);
void oa__stops_free(oa__stops *st);
/* Feed one byte. True when a text is complete; *len is then its length (of several the longest). */
bool oa__stops_feed(oa__stops *st, char byte, size_t *len);
/* Bytes at the end of the stream that may be the beginning of a text. */
size_t oa__stops_held(const oa__stops *st);

/* --- chat ------------------------------------------------------------------------------------- */

#define OA__NONE SIZE_MAX

enum oa__role { OA__ROLE_USER = 0, OA__ROLE_ASSISTANT = 1 };

/* A message in the tree. Indices instead of pointers, so that the array can grow. */
typedef struct oa__said {
    char *text; /* owned, NUL-terminated */
    size_t len;
    enum oa__role role;
    size_t parent;                  /* OA__NONE for a first message */
    size_t first_child, last_child; /* oldest and newest, or OA__NONE */
    size_t next;                    /* the next younger sibling, or OA__NONE */
} oa__said;

/* All messages and the current path. */
typedef struct oa__tree {
    oa__mem *mem;
    oa__said *nodes; /* (n), parents before children */
    size_t n, cap;
    size_t first_root, last_root;
    size_t *path; /* (n_path), room for cap nodes */
    size_t n_path, path_cap;
} oa__tree;

void oa__tree_init(oa__tree *t, oa__mem *mem);
void oa__tree_free(oa__tree *t);
/* Room for n more messages, so that adding them can't fail. */
int oa__tree_reserve(oa__tree *t, size_t n);
/* Add a message under `parent`; the tree takes `text`, from the tree's account. Room was
 * reserved. Returns its index. */
size_t oa__tree_take(oa__tree *t, size_t parent, enum oa__role role, char *text, size_t len);
/* Make the way to `node` the current path (OA__NONE = the empty one). */
void oa__tree_go(oa__tree *t, size_t node);
/* The messages that stand at a place of the path: first one, or OA__NONE. */
size_t oa__tree_first_at(const oa__tree *t, size_t index);
const char *oa__role_name(enum oa__role role);

struct oa_chat {
    oa_model *model; /* owned reference */
    oa__mem *mem;
    oa_session *session;
    oa_sampler *sampler;
    uint32_t flags, max_tokens, max_prompt;
    uint32_t n_ctx;
    char *system;        /* NULL = none */
    char *template_name; /* NULL = none */
    char *template_text; /* NULL = none */
    oa__tree tree;
    size_t kept_from; /* first message not left out the last time, or OA__NONE */
    oa_generate_result result;
    bool has_result;
    bool busy;
};

/* Read a saved tree into an empty chat. */
int oa__chat_load(oa_chat *c, const char *path);
/* Copy text with each invalid byte sequence as U+FFFD. */
int oa__chat_copy_text(oa__mem *mem, const char *text, size_t len, char **out, size_t *out_len);

#endif
