/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a folder says about the classifier that its model carries: names of the classes, which
 * embedding they are told by, and what makes probabilities of their scores.
 */
#include "model/hf.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LABELS = 1 << 16, NAME_SIZE = 24 };

/* GGUF's numbers for X.pooling_type. */
enum { POOL_MEAN = 1, POOL_LAST = 3, POOL_RANK = 4 };

static const char *const default_label = "LABEL_0";

static const oa__st_tensor *find_weight(const oa__hf *h)
{
    const bool reward = strcmp(h->family->model_type, "gpt_neox_reward_model") == 0;
    return oa__safetensors_find(h->st, h->family->bit == OA__HF_BERT ? "classifier.weight"
                                       : h->family->bit == OA__HF_ROBERTA
                                           ? "classifier.out_proj.weight"
                                       : reward ? "out_proj.weight"
                                                : "score.weight");
}

/* Names of id2label in their order; without any, those that transformers makes up. */
static int write_labels(oa__hf *h, size_t n_rows, bool encoder, size_t *n_labels)
{
    const json_t *names = oa__hf_get(h->config, "id2label");
    const size_t n = json_object_size(names) > 0 ? json_object_size(names) : n_rows;
    int rc = OA_OK;
    *n_labels = n;
    if (n == 0) return OA_OK;
    if (n > MAX_LABELS) return oa__err(OA_EUNSUPPORTED, "config.json: %zu labels", n);
    char(*made)[NAME_SIZE] = oa__alloc_array(h->mem, n, sizeof *made);
    const char **texts = oa__alloc_array(h->mem, n, sizeof *texts);
    if (made == NULL || texts == NULL) {
        rc = OA_ENOMEM;
        goto fail;
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(made[i], NAME_SIZE, "LABEL_%zu", i);
        texts[i] = made[i];
        if (json_object_size(names) == 0) continue;
        texts[i] = json_string_value(json_object_get(names, made[i] + strlen("LABEL_")));
        if (texts[i] != NULL) continue;
        rc = oa__err(OA_EFORMAT, "config.json: id2label has no name for %zu", i);
        goto fail;
    }
    /* One number that nobody named is a reward. */
    if (n > 1 || encoder || strcmp(texts[0], default_label) != 0) {
        rc = oa__gguf_writer_strings(h->w, oa__hf_key(h, "classifier.output_labels"), texts, NULL,
                                     n);
    } else {
        *n_labels = 0;
    }
fail:
    oa__free(h->mem, texts);
    oa__free(h->mem, made);
    return rc;
}

/* What transformers' pipeline does with the scores. */
static int write_function(oa__hf *h, size_t n_labels)
{
    static const char *const problems[][2] = {{"regression", "none"},
                                              {"multi_label_classification", "sigmoid"},
                                              {"single_label_classification", "softmax"}};
    const char *problem = NULL;
    const char *function = n_labels == 0 ? "none" : n_labels == 1 ? "sigmoid" : "softmax";
    OA__TRY(oa__hf_str(h->config, "problem_type", &problem, NULL));
    if (problem != NULL && n_labels > 0) {
        size_t i = 0;
        while (i < OA__ARRAY_LEN(problems) && strcmp(problem, problems[i][0]) != 0)
            i++;
        if (i == OA__ARRAY_LEN(problems)) {
            return oa__err(OA_EUNSUPPORTED, "config.json: problem_type \"%.64s\"", problem);
        }
        /* Of one label, softmax would always make 1. */
        if (i != 2 || n_labels > 1) function = problems[i][1];
    }
    return oa__gguf_writer_str(h->w, oa__hf_key(h, "classifier.function"), function,
                               strlen(function));
}

/* A decoder's classes are told by its last token, an encoder's by its first. */
static int write_pooling(oa__hf *h)
{
    const char *name = "last";
    if (strcmp(h->family->model_type, "gpt_neox_reward_model") == 0) {
        OA__TRY(oa__hf_str(h->config, "pooling", &name, NULL));
    }
    const bool mean = strcmp(name, "mean") == 0;
    if (!mean && strcmp(name, "last") != 0) {
        return oa__err(OA_EUNSUPPORTED, "config.json: pooling \"%.64s\" is not supported", name);
    }
    OA__TRY(oa__gguf_writer_u32(h->w, oa__hf_key(h, "pooling_type"), POOL_RANK));
    return oa__gguf_writer_u32(h->w, oa__hf_key(h, "classifier.pooling_type"),
                               mean ? POOL_MEAN : POOL_LAST);
}

int oa__hf_head(oa__hf *h)
{
    const bool encoder = (h->family->bit & (OA__HF_BERT | OA__HF_ROBERTA)) != 0;
    const oa__st_tensor *t = find_weight(h);
    size_t n_labels;
    if (t == NULL) return OA_OK;
    h->has_head = true;
    OA__TRY(write_labels(h, t->n_dims > 0 ? (size_t)t->dims[0] : 0, encoder, &n_labels));
    OA__TRY(write_function(h, n_labels));
    return encoder ? OA_OK : write_pooling(h);
}
