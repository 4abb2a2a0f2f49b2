/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of heads: head.c opens and saves them, head_use.c computes. */
#ifndef OA_MODEL_HEAD_H
#define OA_MODEL_HEAD_H

#include <openassistant/head.h>

#include "model/model_priv.h"

struct oa_head {
    oa_model *model; /* owned reference */
    oa_head_info info;
    size_t d_model;
    char **labels; /* (n_scores), owned; NULL of a reward head */
    float *weight; /* (n_scores, d_model) */
    float *bias;   /* (n_scores); may be NULL */
    float *dense;  /* (d_model, d_model); may be NULL, as its bias */
    float *dense_bias;
};

#endif
