/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch memory of a forward pass, and what its stages share. */
#ifndef OA_MODEL_WORK_H
#define OA_MODEL_WORK_H

#include "model/model_priv.h"

enum {
    OA__WORK_LOGITS = 32, /* rows of logits computed in one go */
    OA__WORK_QUERIES = 48 /* queries of one attention task, unless one token has more */
};

/* Tokens of one sequence that look at the same pages together. */
typedef struct oa__tile {
    uint32_t row, n_rows;
} oa__tile;

/* One of a row's experts. */
typedef struct oa__choice {
    uint32_t expert;
    uint32_t at; /* the row's place among those gathered */
    float weight;
} oa__choice;

/* What a layer of experts needs (experts.c). */
typedef struct oa__experts_work {
    size_t capacity;    /* rows that can be gathered */
    float *scores;      /* (n_rows, n_experts) */
    oa__choice *chosen; /* (n_rows, n_used) ascending by expert */
    uint32_t *count;    /* (n_experts) rows of each */
    uint32_t *place;    /* (n_experts) */
    uint32_t *row_of;   /* (capacity) */
    float *in, *out;    /* (capacity, d_model) */
    oa__mm *jobs;       /* (2 n_experts) */
    /* of the layer */
    const float *from; /* (n_rows, from_stride) */
    size_t from_stride;
    float *to;           /* (n_rows, d_model) */
    uint32_t begin, end; /* experts whose rows are gathered */
    size_t d_ff;         /* of the rows in gate and up */
} oa__experts_work;

struct oa__work {
    oa__mem *mem;
    const oa_model *m;
    size_t n_rows_max, n_logits_max;
    /* sizes */
    size_t d_q, d_kv, h_stride;
    size_t cs_stride; /* floats of all ropes of a row */
    uint32_t group;   /* query heads per key/value head */
    bool has_h2, has_y;
    /* buffers; `block` owns them all */
    void *block;
    oa__row *rows;    /* (n_rows) */
    oa__tile *tiles;  /* (n_rows) */
    float *x;         /* (n_rows, d_model) the residual stream */
    float *h;         /* (n_rows, h_stride) normed input, output of the attention */
    float *h2;        /* (n_rows, d_model) of parallel layers: input of the feed-forward half */
    float *y;         /* (n_rows, d_model) what goes into x, when it does not go there at once */
    float *cs;        /* (n_rows, n_ropes, d_rot / 2, 2) */
    float *q, *k, *v; /* (n_rows, d_q), (n_rows, d_kv) twice */
    float *q_heads;   /* (n_heads_kv, n_rows, group, d_head) */
    float *gate, *up; /* (n_rows, d_ff); share the memory of q, k, v and q_heads, as all of
                       * `experts` does */
    oa__experts_work experts;
    float *attn; /* (n_workers, attn_size) */
    size_t attn_size;
    float *logits; /* (min(n_logits, OA__WORK_LOGITS), n_vocab) */
    void *mm_scratch;
    float *low; /* (n_rows, low_width) between the two products of an adapter; grows as needed */
    size_t low_width;
    /* of the pass */
    size_t n, n_wanted; /* rows; those that want something */
    uint32_t kv;        /* enum oa__kv */
    bool has_adapters;
    size_t half_size; /* bytes of the keys of one head in a page; the values follow */
    int (*check)(void *arg);
    void *check_arg;
    /* of the stage */
    const oa__layer *layer; /* NULL outside of the layers */
    size_t layer_at;        /* bytes from the beginning of a page */
    float *logits_at;       /* of row 0 of the stage, n_vocab apart */
};

/* --- stages (forward.c) --------------------------------------------------------------------- */

typedef void (*oa__row_fn)(oa__work *w, size_t row);
/* fn for all rows of the pass, on the pool when they are many. */
void oa__each_row(oa__work *w, oa__row_fn fn);

/* One product: y (+)= W x, with the matrix in a slot of the current layer, or of the model outside
 * of the layers. */
typedef struct oa__product {
    uint8_t slot; /* enum oa__layer_mat, enum oa__mat */
    bool add;
    float *y; /* (n_rows, y_stride) */
    size_t y_stride;
} oa__product;

/* Products of one input (n_rows, x_stride). The one place where matrices of the model meet rows. */
void oa__products(oa__work *w, const oa__product *jobs, size_t n_jobs, const float *x,
                  size_t x_stride);

/* y = norm(x) with the weight v[0] and, of layer norms, the bias v[1] or NULL. y may be x. */
void oa__norm(const oa_model *m, float *y, const float *x, float *const *v, size_t n);
void oa__add_bias(const oa_model *m, float *y, const float *bias, size_t n); /* NULL = none */
/* Hear the callback: OA_ECANCELLED or OA_OK. */
int oa__work_poll(oa__work *w);
/* Keep the rows that want something. */
void oa__keep_wanted(oa__work *w);

/* Layer `index` for all rows (block.c). */
int oa__block(oa__work *w, uint32_t index);
/* Feed-forward halves (ffn.c); the contract is at oa__ffn_fn. */
int oa__ffn_dense(oa__work *w, const float *in, size_t in_stride, float *out, bool add);
int oa__ffn_experts(oa__work *w, const float *in, size_t in_stride, float *out, bool add);
/* How many rows are gathered for experts at a time; 0 without experts. */
size_t oa__experts_capacity(const oa_model *m, size_t n_rows);

/* Bytes of the keys (or values) of one head in a page. */
size_t oa__page_half_size(const oa_model *m, uint32_t kv_type);

/* Room for the adapters of the rows of a pass, and what they add to products (adapter.c). */
int oa__work_fit_adapters(oa__work *w);
void oa__add_adapters(oa__work *w, const oa__product *jobs, size_t n_jobs, const float *x,
                      size_t x_stride);

/* q_heads and the pages to h (attention.c). */
void oa__attention(oa__work *w);
/* Floats of one worker's attention scratch. */
size_t oa__attention_scratch(const oa_model *m);

#endif
