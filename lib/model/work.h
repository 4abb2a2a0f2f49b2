/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch memory of a forward pass, and what its stages share. */
#ifndef OA_MODEL_WORK_H
#define OA_MODEL_WORK_H

#include "model/model_priv.h"

enum {
    OA__WORK_LOGITS = 32, /* rows of logits computed in one go */
    OA__WORK_QUERIES = 32 /* queries of one attention task, unless one token has more */
};

/* Tokens of one sequence that look at the same pages together. */
typedef struct oa__tile {
    uint32_t row, n_rows;
} oa__tile;

struct oa__work {
    oa__mem *mem;
    const oa_model *m;
    size_t n_rows_max, n_logits_max;
    /* sizes */
    size_t d_q, d_kv, h_stride;
    uint32_t group; /* query heads per key/value head */
    float q_scale;  /* 1 / sqrt(d_head) */
    /* buffers; `block` owns them all */
    void *block;
    oa__row *rows;    /* (n_rows) */
    oa__tile *tiles;  /* (n_rows) */
    float *x;         /* (n_rows, d_model) the residual stream */
    float *h;         /* (n_rows, h_stride) normed input, output of the attention */
    float *cs;        /* (n_rows, d_rot / 2, 2) */
    float *q, *k, *v; /* (n_rows, d_q), (n_rows, d_kv) twice */
    float *q_heads;   /* (n_heads_kv, n_rows, group, d_head) */
    float *gate, *up; /* (n_rows, d_ff); share the memory of q, k, v and q_heads */
    float *attn;      /* (n_workers, attn_size) */
    size_t attn_size;
    float *logits; /* (min(n_logits, OA__WORK_LOGITS), n_vocab) */
    void *mm_scratch;
    /* of the pass */
    size_t n, n_wanted;
    bool kv_f32;
    size_t half_size; /* bytes of the keys of one head in a page; the values follow */
    /* of the stage */
    const oa__layer *layer;
    size_t layer_at; /* bytes from the beginning of a page */
    const float *norm;
};

/* Bytes of the keys (or values) of one head in a page. */
size_t oa__page_half_size(const oa_model *m, uint32_t kv_type);

/* q_heads and the pages to h (attention.c). */
void oa__attention(oa__work *w);
/* Floats of one worker's attention scratch. */
size_t oa__attention_scratch(const oa_model *m);

#endif
