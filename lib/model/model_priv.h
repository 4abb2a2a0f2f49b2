/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the model floor: hyper-parameters, the architecture table, the model itself.
 */
#ifndef OA_MODEL_MODEL_PRIV_H
#define OA_MODEL_MODEL_PRIV_H

#include "file/file.h"
#include "model/model.h"
#include "tensor/tensor.h"

/* --- architectures (arch.c) ----------------------------------------------------------------- */

/* Matrices of the whole model, then of each layer. */
enum oa__mat { OA__M_EMBD, OA__M_OUT, OA__N_MODEL_MATS };
enum oa__layer_mat {
    OA__M_Q,
    OA__M_K,
    OA__M_V,
    OA__M_O,
    OA__M_GATE,
    OA__M_UP,
    OA__M_DOWN,
    OA__N_LAYER_MATS
};
/* Vectors of the whole model, then of each layer; kept as floats. */
enum oa__vec { OA__V_OUT_NORM, OA__V_ROPE_FREQS, OA__N_MODEL_VECS };
enum oa__layer_vec {
    OA__V_ATTN_NORM,
    OA__V_FFN_NORM,
    OA__V_Q_BIAS,
    OA__V_K_BIAS,
    OA__V_V_BIAS,
    OA__V_O_BIAS,
    OA__V_GATE_BIAS,
    OA__V_UP_BIAS,
    OA__V_DOWN_BIAS,
    OA__N_LAYER_VECS
};

/* Sizes that shapes are made of. */
enum oa__dim { OA__D_ONE, OA__D_MODEL, OA__D_Q, OA__D_KV, OA__D_FF, OA__D_VOCAB, OA__D_ROT_HALF };

enum oa__tensor_flags {
    OA__T_OPTIONAL = 1,
    OA__T_LAYER = 2,   /* one per layer: the name is prefixed with "blk.N." */
    OA__T_VECTOR = 4,  /* slot is a vector's, n_out is its length */
    OA__T_IN_PLACE = 8 /* rows are read where they lie in the file */
};

/* One tensor of an architecture: y (n_out) = W x (n_in). */
typedef struct oa__tensor_spec {
    const char *name;
    uint8_t flags;
    uint8_t slot;
    uint8_t n_out, n_in; /* enum oa__dim */
} oa__tensor_spec;

/* A row of the table: what a new architecture has to say. */
typedef struct oa__arch {
    const char *name;
    const oa__tensor_spec *tensors;
    size_t n_tensors;
    bool rope_neox; /* pairs (i, i + d/2), else (2i, 2i + 1) */
} oa__arch;

/* NULL when the decoder does not know it. */
const oa__arch *oa__arch_find(const char *name, size_t len);
/* OA_EUNSUPPORTED with the name and the list of those that are known. */
int oa__arch_unknown(const char *name, size_t len);
/* The pre-tokenizer of an architecture's files that name none, or NULL; also of architectures that
 * the decoder does not know, for their vocabularies. */
const char *oa__arch_pattern(const char *name);

/* --- hyper-parameters (hparams.c) ----------------------------------------------------------- */

typedef struct oa__hparams {
    uint32_t n_layers, d_model, d_ff, n_heads, n_heads_kv, d_head, d_rot, n_ctx_train, n_vocab;
    float norm_eps;
    double rope_base;
    float rope_factor; /* linear scaling; 1 = none */
} oa__hparams;

/* Read what is there; a value of the wrong type or out of range is an error, a missing one is 0.
 * n_vocab is not set. */
int oa__hparams_read(oa__hparams *hp, const oa__gguf *g, const char *arch, size_t arch_len);
/* Demand everything that the decoder needs. */
int oa__hparams_check(const oa__hparams *hp, const char *arch);
size_t oa__hparams_dim(const oa__hparams *hp, uint32_t dim);

/* --- the model ------------------------------------------------------------------------------ */

typedef struct oa__layer {
    oa__weight mats[OA__N_LAYER_MATS];
    float *vecs[OA__N_LAYER_VECS]; /* NULL = the model has none */
} oa__layer;

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
    uint64_t fingerprint;

    const oa__arch *arch; /* NULL when no weights are loaded */
    oa__hparams hp;
    bool has_weights;
    bool tied;             /* the output matrix is the embedding's */
    const char *type_name; /* commonest weight type */
    char *types_text;      /* all of them, with counts; may be NULL */
    uint64_t n_params, weights_size;
    uint64_t reserved; /* bytes of mapped weights charged to mem */
    const oa__gguf_tensor *embd;
    size_t embd_row_size;
    const uint8_t *embd_rows; /* in the file, or embd_made */
    void *embd_made;          /* when the file's source makes them; may be NULL */
    oa__weight mats[OA__N_MODEL_MATS]; /* OA__M_EMBD stays empty: its rows are embd_rows */
    float *vecs[OA__N_MODEL_VECS];
    oa__layer *layers; /* (n_layers) */
    float *inv_freq;   /* (d_rot / 2) turn of each pair per position */

    oa__lock shared_lock;
    void *shared;
    void (*shared_drop)(void *);
};

/* Count the file's tensors: n_params, type_name, types_text (count.c). */
int oa__model_count(oa_model *m);

/* --- parts of opening ----------------------------------------------------------------------- */

/* Check the presence and shape of every tensor and compute n_params, type_name, weights_size and
 * embd, without loading (weights.c). */
int oa__weights_plan(oa_model *m);
/* Load what was planned. progress may be cancelled. */
int oa__weights_load(oa_model *m, oa__progress *progress);
void oa__weights_unload(oa_model *m);

/* Vocabulary, special ids and template from the file's metadata (vocab.c). */
int oa__model_read_vocab(oa_model *m);

/* Turn of each pair of a head per position, and the cosines and sines of one position (rope.c). */
int oa__rope_init(oa_model *m);
void oa__rope_cos_sin(const oa_model *m, uint32_t pos, float *cs); /* (d_rot / 2, 2) */

/* The file that a path or name stands for, appended to out (find.c). */
int oa__model_resolve(const char *path, oa__str *out);

/* Copy ids to the caller's array as the public functions promise (tokenize.c). */
int oa__copy_ids(const oa__ids *found, int32_t *ids, size_t ids_len, size_t *n_ids);

#endif
