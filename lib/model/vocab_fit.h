/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the model floor: a vocabulary as long as the model's embedding. */
#ifndef OA_MODEL_VOCAB_FIT_H
#define OA_MODEL_VOCAB_FIT_H

#include "base/base.h"
#include "text/text.h"

/* What a fitted spec points into; zero but for mem. */
typedef struct oa__vocab_fit {
    oa__mem *mem;
    oa__span *tokens;
    int32_t *types;
    float *scores;
    double *exact_scores;
    uint8_t *added;
    char *text;
} oa__vocab_fit;

/* Make spec n tokens long: padded with unused tokens, or without its last added tokens. OA_EFORMAT
 * when others would be lost. */
int oa__vocab_fit_to(oa__vocab_fit *fit, oa__vocab_spec *spec, size_t n);
void oa__vocab_fit_free(oa__vocab_fit *fit);

#endif
