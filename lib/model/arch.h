/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an architecture is made of: a list of tensors with their shapes, and a few switches. The
 * table is arch_table.c; all else is one decoder.
 */
#ifndef OA_MODEL_ARCH_H
#define OA_MODEL_ARCH_H

#include "base/base.h"

/* Matrices of the whole model, then of each layer. */
enum oa__mat { OA__M_OUT, OA__N_MODEL_MATS };
enum oa__layer_mat {
    OA__M_Q,
    OA__M_K,
    OA__M_V,
    OA__M_O,
    OA__M_GATE,
    OA__M_UP,
    OA__M_DOWN,
    OA__M_ROUTER,
    OA__M_SHARED_ROUTER,
    OA__M_SHARED_GATE,
    OA__M_SHARED_UP,
    OA__M_SHARED_DOWN,
    OA__N_LAYER_MATS
};
/* Matrices of each expert of a layer. */
enum oa__expert_mat { OA__E_GATE, OA__E_UP, OA__E_DOWN, OA__N_EXPERT_MATS };
/* Tables whose rows are looked up. */
enum oa__table { OA__R_EMBD, OA__R_POS, OA__R_TYPES, OA__N_TABLES };
/* Vectors of the whole model, then of each layer; kept as floats. A norm's bias follows its
 * weight. */
enum oa__vec {
    OA__V_EMBD_NORM,
    OA__V_EMBD_NORM_BIAS,
    OA__V_OUT_NORM,
    OA__V_OUT_NORM_BIAS,
    OA__V_OUT_BIAS,
    OA__V_ROPE_FREQS,
    OA__V_ROPE_LONG,
    OA__V_ROPE_SHORT,
    OA__N_MODEL_VECS
};
enum oa__layer_vec {
    OA__V_ATTN_NORM,
    OA__V_ATTN_NORM_BIAS,
    OA__V_FFN_NORM,
    OA__V_FFN_NORM_BIAS,
    OA__V_ATTN_POST_NORM,
    OA__V_ATTN_POST_NORM_BIAS,
    OA__V_FFN_POST_NORM,
    OA__V_FFN_POST_NORM_BIAS,
    OA__V_Q_NORM,
    OA__V_K_NORM,
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
enum oa__dim {
    OA__D_ONE,
    OA__D_MODEL,
    OA__D_Q,
    OA__D_KV,
    OA__D_HEAD,
    OA__D_HEADS,
    OA__D_HEADS_KV,
    OA__D_FF,
    OA__D_FF_EXPERT,
    OA__D_FF_SHARED,
    OA__D_EXPERTS,
    OA__D_VOCAB,
    OA__D_CTX,
    OA__D_TYPES,
    OA__D_ROT_HALF
};

enum oa__tensor_flags {
    OA__T_OPTIONAL = 1,
    OA__T_LAYER = 2,       /* one per layer: the name is prefixed with "blk.N." */
    OA__T_VECTOR = 4,      /* slot is a vector's; n_out * n_in floats, n_out innermost */
    OA__T_ROWS = 8,        /* slot is a table's: rows are looked up, not multiplied */
    OA__T_SEQUENTIAL = 16, /* optional where attention and feed-forward layer are parallel */
    OA__T_DENSE = 32,      /* only of layers without experts */
    OA__T_EXPERTS = 64,    /* only of layers with experts */
    OA__T_STACK = 128      /* slot is an expert's matrix: n_experts of them in one tensor */
};

/* One tensor of an architecture: y (n_out) = W x (n_in). Neighbours of one name are the parts of
 * one tensor: the first has its first rows, and so on to the last row. */
typedef struct oa__tensor_spec {
    const char *name;
    uint8_t flags;
    uint8_t slot;
    uint8_t n_out, n_in; /* enum oa__dim */
} oa__tensor_spec;

/* Norms of queries and keys before they turn. */
enum oa__qk_norm {
    OA__QK_HEAD,  /* each head by itself, all heads with one weight */
    OA__QK_HEADS, /* each head by itself, with its own weight */
    OA__QK_ALL    /* all heads as one vector */
};

/* A row of the table: what a new architecture has to say. Keys of a file win over defaults. */
typedef struct oa__arch {
    const char *name;
    const oa__tensor_spec *tensors;
    size_t n_tensors;
    bool rope_neox;    /* pairs (i, i + d/2), else (2i, 2i + 1) */
    bool no_rope;      /* positions are a table's rows */
    bool layer_norm;   /* norms take the mean away; else by root mean square */
    bool parallel;     /* attention and feed-forward layer read the same x; default of a key */
    bool norm_after;   /* what goes back into x may be normed */
    bool norm_sum;     /* x itself is normed when a half went into it */
    bool encoder;      /* each token sees the whole text; there is no next one */
    bool scale_embd;   /* embeddings times sqrt(d_model) */
    uint8_t qk_norm;   /* enum oa__qk_norm, where there are such vectors */
    uint8_t act;       /* enum oa__act; default of a key */
    bool experts;      /* layers may be mixtures of experts */
    bool experts_norm; /* the weights of the chosen ones add up to 1; default of a key */
    /* Local layers see a window of the nearest keys. */
    bool local_unscaled;      /* rope scaling is for global layers */
    uint8_t global_every;     /* with a window, layers n, 2 n ... are global; 0 = none is */
    uint8_t no_rope_every;    /* layers n, 2 n ... do not turn; 0 = all turn */
    uint8_t wide_layers;      /* with so many layers, scores are over sqrt(d_model / n_heads) */
    uint16_t window;          /* when the file says nothing; 0 = none */
    uint16_t rope_base_local; /* when the file says nothing; 0 = as of global layers */
} oa__arch;

/* NULL when the decoder does not know it. */
const oa__arch *oa__arch_find(const char *name, size_t len);
/* The table's rows; NULL past the end (arch_table.c). */
const oa__arch *oa__arch_at(size_t i);
/* OA_EUNSUPPORTED with the name and the list of those that are known. */
int oa__arch_unknown(const char *name, size_t len);
/* The pre-tokenizer of an architecture's files that name none, or NULL; also of architectures that
 * the decoder does not know, for their vocabularies. */
const char *oa__arch_pattern(const char *name);

#endif
