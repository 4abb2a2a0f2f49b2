/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores of embeddings:
 *
 *     scores = W tanh(D e + c) + b       the inner layer may be missing
 *
 * and what becomes of them:
 *
 *     sigmoid   p_k = 1 / (1 + exp(-s_k))
 *     softmax   p_k = exp(s_k - m) / sum of exp(s_i - m), m the largest
 *
 * Sums are in double, in ascending order.
 */
#include "model/head.h"

#include <math.h>

int oa_head_get_info(const oa_head *head, oa_head_info *info)
{
    if (head == NULL || info == NULL) return oa__err(OA_EINVAL, "head or info is NULL");
    return oa__opts_write(info, &head->info, sizeof head->info, sizeof head->info);
}

int oa_head_get_label(const oa_head *head, size_t index, const char **label)
{
    if (label == NULL) return oa__err(OA_EINVAL, "label is NULL");
    *label = NULL;
    if (head == NULL) return oa__err(OA_EINVAL, "head is NULL");
    if (index >= head->info.n_scores) {
        return oa__err(OA_EINVAL, "label %zu of %u", index, head->info.n_scores);
    }
    *label = head->labels != NULL ? head->labels[index] : "reward";
    return OA_OK;
}

/* y = W x + b */
static void multiply(float *y, const float *w, const float *b, const float *x, size_t n_out,
                     size_t n_in)
{
    for (size_t k = 0; k < n_out; k++, w += n_in) {
        double sum = 0;
        for (size_t i = 0; i < n_in; i++)
            sum += (double)w[i] * (double)x[i];
        if (b != NULL) sum += (double)b[k];
        y[k] = (float)sum;
    }
}

int oa_head_apply(const oa_head *head, const float *embedding, size_t embedding_len, float *scores,
                  size_t scores_len)
{
    if (head == NULL) return oa__err(OA_EINVAL, "head is NULL");
    if (embedding == NULL || scores == NULL) {
        return oa__err(OA_EINVAL, "embedding or scores is NULL");
    }
    if (embedding_len != head->d_model) {
        return oa__err(OA_EINVAL, "embedding of %zu floats, want %zu", embedding_len,
                       head->d_model);
    }
    if (scores_len < head->info.n_scores) {
        return oa__err(OA_ELIMIT, "room for %zu scores, want %u", scores_len, head->info.n_scores);
    }
    const size_t d = head->d_model;
    oa__mem *mem = oa__model_mem(head->model);
    float *hidden = NULL;
    if (head->dense != NULL) {
        hidden = oa__alloc_array(mem, d, sizeof *hidden);
        if (hidden == NULL) return OA_ENOMEM;
    }
    oa__fp fp;
    oa__fp_enter(&fp);
    if (hidden != NULL) {
        multiply(hidden, head->dense, head->dense_bias, embedding, d, d);
        head->model->kern->softcap(hidden, 1, d); /* tanh */
        embedding = hidden;
    }
    multiply(scores, head->weight, head->bias, embedding, head->info.n_scores, d);
    oa__fp_leave(&fp);
    oa__free(mem, hidden);
    return OA_OK;
}

static void softmax(float *s, size_t n)
{
    double sum = 0;
    float most = s[0];
    for (size_t k = 1; k < n; k++)
        most = s[k] > most ? s[k] : most;
    for (size_t k = 0; k < n; k++)
        sum += oa__math_exp((double)s[k] - (double)most);
    for (size_t k = 0; k < n; k++)
        s[k] = (float)(oa__math_exp((double)s[k] - (double)most) / sum);
}

static void sigmoid(float *s, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const double x = (double)s[k], e = oa__math_exp(x < 0 ? x : -x);
        s[k] = (float)((x < 0 ? e : 1) / (1 + e));
    }
}

int oa_head_probabilities(const oa_head *head, uint32_t function, float *scores, size_t scores_len)
{
    if (head == NULL || scores == NULL) return oa__err(OA_EINVAL, "head or scores is NULL");
    if (function > OA_HEAD_SOFTMAX) {
        return oa__err(OA_EINVAL, "function %u, want 0 to %d", function, OA_HEAD_SOFTMAX);
    }
    if (scores_len != head->info.n_scores) {
        return oa__err(OA_EINVAL, "%zu scores, want %u", scores_len, head->info.n_scores);
    }
    for (size_t k = 0; k < scores_len; k++) {
        if (!isfinite(scores[k])) return oa__err(OA_EINVAL, "score %zu is not finite", k);
    }
    oa__fp fp;
    oa__fp_enter(&fp);
    if (function == OA_HEAD_SIGMOID) sigmoid(scores, scores_len);
    if (function == OA_HEAD_SOFTMAX) softmax(scores, scores_len);
    oa__fp_leave(&fp);
    return OA_OK;
}
