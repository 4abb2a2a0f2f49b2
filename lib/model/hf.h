/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the reader of Hugging Face folders: config.json becomes GGUF keys, the safetensors'
 * names GGUF names, and what GGUF lays out otherwise is made by an oa__assembly when it is loaded.
 *
 * hf.c opens; hf_table.c lists the families; hf_json.c reads config values; hf_keys.c, hf_rope.c
 * and hf_head.c turn them into keys; hf_tensors.c maps the tensors; hf_tokenizer.c hands the
 * tokenizer over.
 */
#ifndef OA_MODEL_HF_H
#define OA_MODEL_HF_H

#include <jansson.h>

#include "file/file.h"

/* --- the table (hf_table.c) ----------------------------------------------------------------------
 */

/* How a GGUF tensor is made of the folder's. */
enum oa__hf_recipe {
    OA__HF_AS_IS,
    OA__HF_ROPE_Q,    /* rows of a head: first and second half become even and odd */
    OA__HF_ROPE_K,    /* the same for key heads */
    OA__HF_TRANSPOSE, /* GPT-2's (in, out) matrices */
    OA__HF_QKV,       /* groups of query heads, a key head, a value head: all Q, all K, all V */
    OA__HF_PLUS_ONE,  /* Gemma's norms */
    OA__HF_EXPERTS,   /* one tensor per expert, stacked */
    OA__HF_Q_HEADS,   /* one per query head, stacked */
    OA__HF_K_HEADS,   /* one per key head */
    OA__HF_POSITIONS  /* RoBERTa's first rows stand for no position */
};

enum oa__hf_flags {
    OA__HF_OPTIONAL = 1,
};

/* In names, % is the layer, # the expert or head; ".weight" and perhaps ".bias" follow. */
typedef struct oa__hf_tensor {
    const char *from, *to;
    uint8_t recipe, flags;
} oa__hf_tensor;

/* Families as bits, for the tables of config values. */
enum oa__hf_bit {
    OA__HF_LLAMA = 1 << 0,
    OA__HF_MISTRAL = 1 << 1,
    OA__HF_MIXTRAL = 1 << 2,
    OA__HF_SMOLLM3 = 1 << 3,
    OA__HF_GPTNEOX = 1 << 4,
    OA__HF_FALCON = 1 << 5,
    OA__HF_GPT2 = 1 << 6,
    OA__HF_QWEN2 = 1 << 7,
    OA__HF_QWEN3 = 1 << 8,
    OA__HF_PHI3 = 1 << 9,
    OA__HF_GEMMA = 1 << 10,
    OA__HF_GEMMA2 = 1 << 11,
    OA__HF_GEMMA3 = 1 << 12,
    OA__HF_STABLELM = 1 << 13,
    OA__HF_STARCODER2 = 1 << 14,
    OA__HF_OLMO2 = 1 << 15,
    OA__HF_GRANITE = 1 << 16,
    OA__HF_QWEN2MOE = 1 << 17,
    OA__HF_QWEN3MOE = 1 << 18,
    OA__HF_BERT = 1 << 19,
    OA__HF_ROBERTA = 1 << 20,
    OA__HF_ALL = (1 << 21) - 1
};

typedef struct oa__hf_family {
    const char *model_type; /* of config.json */
    const char *arch;       /* GGUF's name */
    uint32_t bit;           /* enum oa__hf_bit */
    const oa__hf_tensor *tensors;
    size_t n_tensors;
    const char *prefix; /* which files of the bare model leave out; "" = none */
    double rope_base;   /* when config.json has none; 0 = no rope */
    double rotary_part; /* likewise; of a head's width */
    const char *outer; /* the text model of a larger one: what stands before its tensors' names; its
                          config is text_config. NULL = it is alone */
} oa__hf_family;

const oa__hf_family *oa__hf_family_find(const char *model_type);
/* The n-th family whose models are of an architecture, or NULL. */
const oa__hf_family *oa__hf_family_of(const char *arch, size_t n);
/* OA_EUNSUPPORTED with the name and the list of those that are known. */
int oa__hf_family_unknown(const char *model_type);

/* --- a folder being opened
 * ------------------------------------------------------------------------ */

typedef struct oa__hf {
    oa__mem *mem;
    const char *folder;
    bool no_mmap;
    const oa__hf_family *family;
    json_t *config, *generation; /* the last may be NULL */
    oa__assembly *assembly;
    const oa__safetensors *st; /* the assembly's */
    oa__gguf_writer *w;
    bool *used; /* by the safetensors' order */
    uint32_t n_layers, d_model, n_heads, n_heads_kv, d_head, n_experts, n_ctx, n_vocab;
    uint32_t n_skipped; /* rows in front of the first position */
    bool tied;
    bool has_head; /* the model tells classes apart; it need not have a next token */
    char key[160];
} oa__hf;

/* --- config values (hf_json.c)
 * --------------------------------------------------------------------- */

/* Read a JSON object from a file of the folder; OA_ENOTFOUND when there is none. */
int oa__hf_read_json(oa__hf *h, const char *name, json_t **out);
/* The member, or NULL when it is missing or null. */
const json_t *oa__hf_get(const json_t *object, const char *name);
/* What Python takes for true. */
bool oa__hf_truthy(const json_t *v);
/* A member in a range; *found tells whether it is there. OA_EFORMAT for another type,
 * OA_EUNSUPPORTED out of the range. */
int oa__hf_u32(const json_t *object, const char *name, uint32_t min, uint32_t max, uint32_t *out,
               bool *found);
int oa__hf_f64(const json_t *object, const char *name, double min, double max, double *out,
               bool *found);
int oa__hf_bool(const json_t *object, const char *name, bool *out, bool *found);
/* NUL-terminated, borrowed. */
int oa__hf_str(const json_t *object, const char *name, const char **out, bool *found);
/* What failed of these is of another file than config.json. Returns rc. */
int oa__hf_of_file(int rc, const char *file);
/* "ARCH.suffix", until the next call. */
const char *oa__hf_key(oa__hf *h, const char *suffix);

/* --- the parts
 * ------------------------------------------------------------------------------------- */

int oa__hf_keys(oa__hf *h);      /* hf_keys.c: the model's keys, sizes in h */
int oa__hf_rope(oa__hf *h);      /* hf_rope.c: rope keys and tensors */
int oa__hf_head(oa__hf *h);      /* hf_head.c: keys of a classifier */
int oa__hf_tensors(oa__hf *h);   /* hf_tensors.c */
int oa__hf_tokenizer(oa__hf *h); /* hf_tokenizer.c */

enum { OA__HF_NAME_SIZE = 256 };
/* A name of the table with a suffix: % becomes the layer, # the expert or head (hf_tensors.c). */
void oa__hf_expand(char out[OA__HF_NAME_SIZE], const char *pattern, uint32_t layer, uint32_t i,
                   const char *suffix);
/* The parts of a tensor in the order that a recipe for one tensor wants; how many. */
size_t oa__hf_parts(const oa__hf *h, uint32_t recipe, const oa__st_tensor *t, oa__part parts[3]);

/* A folder with a config.json. header_only: the weights need not be there. */
int oa__hf_open(oa__gguf **out, oa__mem *mem, const char *folder, bool no_mmap, bool header_only);

#endif
