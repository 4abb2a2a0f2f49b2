/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over the tensors that a model should have; planning and loading are such walks. */
#ifndef OA_MODEL_WEIGHTS_H
#define OA_MODEL_WEIGHTS_H

#include "model/model_priv.h"

/* A tensor of the file, and the specs that are its parts, or the one that is all of it. */
typedef struct oa__found {
    const oa__gguf_tensor *t; /* NULL = optional, and not there */
    const oa__tensor_spec *specs;
    size_t n_specs;
    uint32_t layer;
    uint32_t expert, n_experts; /* the tensor has these experts' matrices; n_experts 0 = none */
} oa__found;

/* What a walk does to a tensor. */
typedef int (*oa__visit_fn)(oa_model *m, const oa__found *f, void *arg);
/* Those of no layer first, in the order of the architecture's list. Each was found and has its
 * shape. */
int oa__weights_walk(oa_model *m, oa__visit_fn fn, void *arg);

/* What a packed weight takes in the arena. */
static inline size_t oa__arena_room(size_t size)
{
    return (size + 63) / 64 * 64;
}

/* The matrices that lie in a tensor one after the other, and the rows of one. */
size_t oa__found_parts(const oa__found *f);
const oa__tensor_spec *oa__found_spec(const oa__found *f, size_t part);
size_t oa__spec_rows(const oa_model *m, const oa__tensor_spec *spec);
/* The matrix that gives the logits; when it is missing the embedding is it. */
bool oa__spec_is_output(const oa__tensor_spec *spec);

#endif
