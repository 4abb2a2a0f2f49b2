/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the model floor: hyper-parameters, the architecture table, the model itself.
 */
#ifndef OA_MODEL_MODEL_PRIV_H
#define OA_MODEL_MODEL_PRIV_H

#include "file/file.h"
#include "model/arch.h"
#include "model/keys.h"
#include "model/model.h"
#include "tensor/tensor.h"

/* --- hyper-parameters (hparams.c) ----------------------------------------------------------- */

enum oa__rope_scaling {
    OA__ROPE_PLAIN,
    OA__ROPE_LINEAR,
    OA__ROPE_DYNAMIC,
    OA__ROPE_YARN,
    OA__ROPE_LLAMA3,
    OA__ROPE_LONG,
    OA__N_ROPE_SCALINGS
};

typedef struct oa__rope_params {
    uint32_t scaling; /* enum oa__rope_scaling */
    uint32_t d_rot;   /* elements of a head that turn */
    uint32_t n_ctx_old;
    double base, base_local, factor, beta_fast, beta_slow;
    float magnitude; /* of cosines and sines */
} oa__rope_params;

enum oa__layer_flags { OA__L_LOCAL = 1, OA__L_NO_ROPE = 2, OA__L_EXPERTS = 4 };

enum { OA__MAX_WIDTH = 1 << 20, OA__MAX_EXPERTS = 1024 };

typedef struct oa__experts_params {
    uint32_t n, n_used;         /* n 0 = all layers are dense */
    uint32_t d_ff, d_ff_shared; /* of one expert, of the one that all rows go through */
    bool norm;                  /* the weights of the chosen ones add up to 1 */
    float scale;                /* of these weights */
} oa__experts_params;

typedef struct oa__hparams {
    uint32_t n_layers, d_model, d_ff, n_heads, n_heads_kv, d_head, n_ctx_train, n_vocab;
    uint32_t n_types; /* of tokens */
    uint32_t act;     /* enum oa__act */
    uint32_t window;  /* keys that a local layer's token sees, itself included */
    uint32_t n_ropes;
    bool parallel;
    float norm_eps;
    float embd_scale, residual_scale, score_scale, logit_scale;
    float score_cap, logit_cap; /* 0 = none */
    oa__rope_params rope;
    oa__experts_params experts;
    uint8_t layers[OA__KEYS_LAYERS]; /* (n_layers) enum oa__layer_flags */
} oa__hparams;

/* Read what is there; a value of the wrong type or out of range is an error, a missing one is the
 * architecture's default or 0. n_vocab is not set. */
int oa__hparams_read(oa__hparams *hp, const oa__gguf *g, const char *name, size_t name_len);
/* Demand everything that the decoder needs. */
int oa__hparams_check(const oa__hparams *hp, const oa__arch *arch);
size_t oa__hparams_dim(const oa__hparams *hp, uint32_t dim);

/* Mixtures of experts, likewise in two steps (experts_keys.c). */
int oa__experts_read(oa__keys *k, const oa__arch *arch, oa__hparams *hp);
int oa__experts_check(const oa__hparams *hp, const oa__arch *arch);
/* Bytes of oa__layer::experts: there may be thousands. */
size_t oa__experts_size(const oa__hparams *hp);

/* --- the model ------------------------------------------------------------------------------ */

enum oa__rope_index { OA__ROPE_GLOBAL, OA__ROPE_LOCAL, OA__N_ROPES };

/* How the pairs of a head turn (rope.c). */
typedef struct oa__rope {
    float *turn;      /* (d_rot / 2) per position */
    float *turn_long; /* of long contexts; NULL = the same */
    float magnitude;
    bool dynamic;
} oa__rope;

typedef struct oa__layer oa__layer;

/* The feed-forward half of a layer for the rows of a pass: out (+)= ffn(in). The last matrix's
 * bias is left to the caller. May end with OA_ECANCELLED. */
struct oa__work;
typedef int (*oa__ffn_fn)(struct oa__work *w, const float *in, size_t in_stride, float *out,
                          bool add);

struct oa__layer {
    oa__weight mats[OA__N_LAYER_MATS]; /* data NULL = the model has none */
    float *vecs[OA__N_LAYER_VECS];     /* likewise */
    oa__weight *experts;               /* (OA__N_EXPERT_MATS, n_experts); NULL = a dense layer */
    uint32_t window;                   /* 0 = all keys are seen */
    int rope;                          /* of the model's; -1 = does not turn */
    oa__ffn_fn ffn;
};

/* Rows that are looked up. */
typedef struct oa__table_rows {
    uint32_t type;
    size_t row_size, n_rows;
    const uint8_t *data;      /* in the file, or made */
    void *made;               /* when the file's source makes them; may be NULL */
    const oa__weight *packed; /* they are this weight's, and lie nowhere else; may be NULL */
} oa__table_rows;

struct oa_model {
    _Atomic uint32_t n_refs;
    oa__mem mem;
    oa__log log;
    char *path, *arch_name, *name, *license, *template_text; /* template_text may be NULL */
    size_t template_len;
    oa__gguf *gguf;
    oa__vocab *vocab;
    oa__pool *pool;
    const oa__kern *kern;
    uint32_t cpu_tier; /* enum oa_cpu */
    uint32_t n_threads;
    int32_t bos_id, eos_id, eot_id, unk_id, pad_id;
    bool add_bos, add_eos;
    _Atomic uint64_t fingerprint; /* 0 = nobody asked yet */

    const oa__arch *arch; /* NULL when no weights are loaded */
    oa__hparams hp;
    bool has_weights;
    bool tied;             /* the output matrix is the embedding's */
    bool no_output;        /* there is none: a classifier */
    const char *type_name; /* commonest weight type */
    char *types_text;      /* all of them, with counts; may be NULL */
    uint64_t n_params, weights_size;
    uint64_t in_place; /* of them, bytes that are used where the file has them */
    uint64_t reserved; /* bytes of mapped weights charged to mem */
    uint8_t *arena;    /* all packed weights, one after the other */
    size_t arena_size, arena_used;
    const oa__gguf_tensor *embd;
    oa__table_rows tables[OA__N_TABLES];
    oa__weight mats[OA__N_MODEL_MATS];
    float *vecs[OA__N_MODEL_VECS];
    oa__layer *layers; /* (n_layers) */
    oa__rope ropes[OA__N_ROPES];

    oa__lock shared_lock;
    void *shared;
    void (*shared_drop)(void *);
};

/* Count the file's tensors: n_params, type_name, types_text (count.c). */
int oa__model_count(oa_model *m);

/* --- parts of opening ----------------------------------------------------------------------- */

/* A model without weights or threads: its header, and what oa__weights_plan() finds. To be freed
 * as any other (open.c). */
int oa__model_open_header(oa_model **out, const char *path);
/* Check the presence and shape of every tensor and compute n_params, type_name, weights_size and
 * embd, without loading (weights.c). */
int oa__weights_plan(oa_model *m);
/* Load what was planned (weights_load.c). progress may be cancelled. */
int oa__weights_load(oa_model *m, oa__progress *progress);
void oa__weights_unload(oa_model *m);

/* Vocabulary, special ids and template from the file's metadata (vocab.c). */
int oa__model_read_vocab(oa_model *m);

/* Rotary positions (rope.c): keys, limits, tables, and the cosines and sines of one position. */
int oa__rope_read(oa__keys *k, const oa__arch *arch, oa__hparams *hp);
int oa__rope_check(const oa__hparams *hp);
int oa__rope_init(oa_model *m);
void oa__rope_free(oa_model *m);
void oa__rope_cos_sin(const oa_model *m, const oa__rope *rope, uint32_t pos, bool is_long,
                      float *cs); /* (d_rot / 2, 2) */

/* What each layer is, from the hyper-parameters and its weights (layers.c). */
int oa__layers_init(oa_model *m);

/* The file that a path or name stands for, appended to out (find.c). */
int oa__model_resolve(const char *path, oa__str *out);

/* Copy ids to the caller's array as the public functions promise (tokenize.c). */
int oa__copy_ids(const oa__ids *found, int32_t *ids, size_t ids_len, size_t *n_ids);

/* --- chat_cut.c ------------------------------------------------------------------------------- */

/* Cut a conversation's ids to at most `max`; the report tells what is gone. */
int oa__chat_cut(const oa_model *m, oa__ids *ids, uint32_t max, oa_render_cut *report);

#endif
