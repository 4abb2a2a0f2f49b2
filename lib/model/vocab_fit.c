/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a vocabulary as long as the embedding has rows. Models pad their embedding to a round
 * number, and tokenizers sometimes know added tokens that the model has no row for.
 */
#include "model/vocab_fit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PAD_SIZE = 24 };

/* Some readers look for unused tokens, too: no text shall become one. */
#define PAD_SCORE (-10000.0f)

static int cut(oa__vocab_spec *spec, size_t n)
{
    for (size_t i = n; i < spec->n_tokens; i++) {
        if (spec->added != NULL && (spec->added[i] & OA__ADDED)) continue;
        return oa__err(OA_EFORMAT, "the tokenizer has %zu tokens, the model %zu", spec->n_tokens,
                       n);
    }
    spec->n_tokens = n;
    int32_t *const ids[] = {&spec->bos_id, &spec->eos_id, &spec->eot_id, &spec->unk_id,
                            &spec->pad_id};
    for (size_t i = 0; i < OA__ARRAY_LEN(ids); i++) {
        if (*ids[i] >= 0 && (size_t)*ids[i] >= n) *ids[i] = -1;
    }
    return OA_OK;
}

static int pad(oa__vocab_fit *fit, oa__vocab_spec *spec, size_t n)
{
    const size_t n_old = spec->n_tokens;
    fit->tokens = oa__alloc_array(fit->mem, n, sizeof *fit->tokens);
    fit->types = oa__alloc_array(fit->mem, n, sizeof *fit->types);
    fit->text = oa__alloc_array(fit->mem, n - n_old, PAD_SIZE);
    if (fit->tokens == NULL || fit->types == NULL || fit->text == NULL) return OA_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (i < n_old) {
            fit->tokens[i] = spec->tokens[i];
            fit->types[i] = spec->types ? spec->types[i] : OA__TOKEN_NORMAL;
            continue;
        }
        char *text = fit->text + (i - n_old) * PAD_SIZE;
        const int len = snprintf(text, PAD_SIZE, "[PAD%zu]", i);
        fit->tokens[i] = (oa__span){text, (size_t)len};
        fit->types[i] = OA__TOKEN_UNUSED;
    }
    spec->tokens = fit->tokens;
    spec->types = fit->types;
    if (spec->scores != NULL) {
        fit->scores = oa__alloc_array(fit->mem, n, sizeof *fit->scores);
        if (fit->scores == NULL) return OA_ENOMEM;
        memcpy(fit->scores, spec->scores, n_old * sizeof *fit->scores);
        for (size_t i = n_old; i < n; i++)
            fit->scores[i] = PAD_SCORE;
        spec->scores = fit->scores;
    }
    if (spec->exact_scores != NULL) {
        fit->exact_scores = oa__alloc_array(fit->mem, n, sizeof *fit->exact_scores);
        if (fit->exact_scores == NULL) return OA_ENOMEM;
        memcpy(fit->exact_scores, spec->exact_scores, n_old * sizeof *fit->exact_scores);
        for (size_t i = n_old; i < n; i++)
            fit->exact_scores[i] = NAN;
        spec->exact_scores = fit->exact_scores;
    }
    if (spec->added != NULL) {
        fit->added = oa__alloc_array(fit->mem, n, sizeof *fit->added);
        if (fit->added == NULL) return OA_ENOMEM;
        memcpy(fit->added, spec->added, n_old);
        spec->added = fit->added;
    }
    spec->n_tokens = n;
    return OA_OK;
}

int oa__vocab_fit_to(oa__vocab_fit *fit, oa__vocab_spec *spec, size_t n)
{
    if (n == spec->n_tokens) return OA_OK;
    return n < spec->n_tokens ? cut(spec, n) : pad(fit, spec, n);
}

void oa__vocab_fit_free(oa__vocab_fit *fit)
{
    oa__free(fit->mem, fit->added);
    oa__free(fit->mem, fit->exact_scores);
    oa__free(fit->mem, fit->scores);
    oa__free(fit->mem, fit->text);
    oa__free(fit->mem, fit->types);
    oa__free(fit->mem, fit->tokens);
}
