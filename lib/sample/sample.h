/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door of floor 5: logits to token. The sampler's handle is public; this door adds what the
 * session floor needs.
 */
#ifndef OA_SAMPLE_SAMPLE_H
#define OA_SAMPLE_SAMPLE_H

#include <openassistant/sampler.h>

#include "base/base.h"

/* The index of the largest logit, the lowest of equals; NaN counts as minus infinity. n >= 1. */
int32_t oa__sample_argmax(const float *logits, size_t n);

/* Make a sampler that allocates from another handle's account. */
int oa__sampler_new_in(oa_sampler **out, oa__mem *mem);

/* Forget the tokens it was told of; random state, parameters and biases stay. */
void oa__sampler_forget(oa_sampler *sampler);

#endif
