/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door of floor 4: weights and the forward pass.
 *
 * The model owns the account (oa__mem), the log, the pool and the kernels that everything built
 * on it uses. It is immutable after open, apart from counters.
 */
#ifndef OA_MODEL_MODEL_H
#define OA_MODEL_MODEL_H

#include <openassistant/adapter.h>
#include <openassistant/model.h>

#include "base/base.h"
#include "file/file.h"
#include "kern/kern.h"
#include "text/text.h"

oa__mem *oa__model_mem(const oa_model *m);
const oa__vocab *oa__model_vocab(const oa_model *m);
uint32_t oa__model_n_vocab(const oa_model *m); /* width of the logits */
uint32_t oa__model_d_model(const oa_model *m); /* width of hidden states */
uint32_t oa__model_n_ctx_train(const oa_model *m);
/* Most positions that there are; UINT32_MAX where they turn and so never end. */
uint32_t oa__model_n_ctx_max(const oa_model *m);
/* Sequences longer than this turn by other numbers (longrope): keys of one kind are no good to the
 * other. UINT32_MAX for models that know no such thing. */
uint32_t oa__model_n_ctx_short(const oa_model *m);
bool oa__model_has_weights(const oa_model *m);
/* Its tokens see the whole text, which is computed in one pass; it gives hidden states only. */
bool oa__model_is_encoder(const oa_model *m);
/* There is a next token: it is no encoder, and no classifier that has lost its output matrix. */
bool oa__model_has_output(const oa_model *m);
/* Texts of a pair that it tells apart; 0 of models that have no tensor for that. */
uint32_t oa__model_n_segments(const oa_model *m);
/* Open what a path names, a GGUF file, the first of several, or a Hugging Face folder, as the
 * GGUF file that it is or would be. no_mmap and header_only as oa__gguf_open() has them. */
int oa__source_open(oa__gguf **out, oa__mem *mem, const char *path, bool no_mmap, bool header_only);

/* A number that tells models apart: FNV-1a over the file's header (metadata and tensor list) and
 * samples of the data. Saved sessions carry it. */
uint64_t oa__model_fingerprint(const oa_model *m);

/* A slot where the session floor hangs what sessions of one model share (the prefix cache). The
 * first caller's make() wins; drop() is called when the model dies. Thread safe. */
void *oa__model_shared(oa_model *m, void *(*make)(oa_model *m), void (*drop)(void *));

/* --- key/value pages ------------------------------------------------------------------------ */

/* Bytes of a page: OA__KV_PAGE positions of all layers. Inside a page: for each layer, for each
 * key/value head: K (d_head, 32), then V (32, d_head); elements of kv_type. */
size_t oa__model_page_size(const oa_model *m, uint32_t kv_type);
/* Copy the first n positions of a page into another. */
void oa__model_page_copy(const oa_model *m, uint32_t kv_type, void *dst, const void *src,
                         uint32_t n_positions);

/* --- adapters (adapter.c) ------------------------------------------------------------------- */

enum { OA__ADAPTERS_MAX = 16 };

/* What a session adds to the model. Immutable, counted. */
typedef struct oa__adapters oa__adapters;
/* NULL when n is 0. Refuses adapters of another model and scales that are not finite. */
int oa__adapters_new(oa__adapters **out, const oa_model *m, oa_adapter *const *adapters,
                     const float *scales, size_t n);
oa__adapters *oa__adapters_ref(oa__adapters *set); /* NULL is fine */
void oa__adapters_free(oa__adapters *set);
/* Tells sets apart by their content; 0 of NULL. */
uint64_t oa__adapters_hash(const oa__adapters *set);

/* --- forward pass --------------------------------------------------------------------------- */

/* One token to compute. Rows of one sequence are neighbours, in ascending position; a row sees
 * the positions 0..pos of its sequence: those in the pages, and those of the rows before it. Those
 * of an encoder see all of its positions, which are all rows of the pass. */
typedef struct oa__row {
    int32_t id;         /* valid */
    uint32_t pos;       /* position in its sequence */
    uint32_t n_seen;    /* positions of the sequence, for an encoder; else 0 */
    uint32_t segment;   /* of an encoder: which of two texts it is of; less than
                           oa__model_n_segments() */
    void *const *pages; /* the sequence's pages: position p is in pages[p / 32], slot p % 32 */
    float *logits;      /* (n_vocab) receives the logits after this token; NULL = not wanted */
    float *hidden;      /* (d_model) receives what the logits are made of; NULL = not wanted */
    const oa__adapters *adapters; /* of the sequence: the same in all its rows; may be NULL */
    bool rope_long; /* the sequence may outgrow oa__model_n_ctx_short(): set in all its rows */
} oa__row;

/* Rows of a pass when nothing else decides: what estimates count with. */
#define OA__MODEL_BATCH 256

/* Scratch memory of a forward pass for at most n_rows rows, n_logits of which want logits. */
typedef struct oa__work oa__work;
int oa__work_new(oa__work **out, const oa_model *m, size_t n_rows, size_t n_logits);
void oa__work_free(oa__work *w);
size_t oa__work_size(const oa_model *m, size_t n_rows, size_t n_logits); /* bytes */

/* Compute rows. Writes keys and values of the rows into their pages. check(arg) is called on the
 * calling thread between stages at least every 50 ms where the machine allows; when it returns
 * not 0 the pass ends with that code (OA_ECANCELLED for one above 0), and the pages hold garbage at
 * the rows' positions (and nowhere else). Results do not depend on how rows are grouped into
 * passes. */
int oa__model_forward(const oa_model *m, oa__work *w, uint32_t kv_type, const oa__row *rows,
                      size_t n_rows, int (*check)(void *arg), void *arg);

#endif
