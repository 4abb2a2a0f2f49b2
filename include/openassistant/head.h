/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file head.h
 * Heads: what turns an embedding into scores.
 *
 * A head is a small matrix W (n_scores, d_model) and perhaps a bias b that were trained on the
 * embeddings of one model. It gives
 *
 *     scores = W embedding + b
 *
 * A reward head has one score, how good a text is. A label head has one for each of its labels;
 * what they become, by sigmoid or softmax, is for the caller to say. Heads that encoders carry have
 * a layer in front, tanh(D embedding + c). The file is GGUF; docs/files.md has its keys.
 */
#ifndef OPENASSISTANT_HEAD_H
#define OPENASSISTANT_HEAD_H

#include <openassistant/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A head for one open model. Immutable, shared by threads. */
typedef struct oa_head oa_head;

/** Kinds of heads. */
enum oa_head_kind {
    OA_HEAD_REWARD = 0, /**< one score */
    OA_HEAD_LABELS = 1  /**< a score for each label */
};

/** What a head is; filled by oa_head_get_info(). */
typedef struct oa_head_info {
    size_t size;       /**< set by OA_HEAD_INFO_INIT; do not touch */
    uint32_t kind;     /**< one of #oa_head_kind */
    uint32_t n_scores; /**< scores that it gives: 1, or its labels */
    uint32_t pooling;  /**< one of #oa_pooling: the embedding that it was trained on */
    uint32_t flags;    /**< sum of #oa_embed_flags: likewise */
} oa_head_info;

/** An info struct to be filled. */
#define OA_HEAD_INFO_INIT                                                                          \
    {                                                                                              \
        sizeof(oa_head_info), 0, 0, 0, 0                                                           \
    }

/**
 * Open a head for a model.
 *
 * @param out    receives the head, owned by the caller (free with oa_head_free()); NULL on failure
 * @param model  an open model; the head becomes one more owner of it, and its memory counts as the
 *               model's
 * @param path   UTF-8 path of a GGUF file with general.type "head"; NULL for the label head that
 * the model itself carries, as encoders for classification do
 * @return OA_OK; OA_EINVAL also for a model opened with OA_MODEL_VOCAB_ONLY; OA_ENOTFOUND;
 *         OA_EACCES; OA_EIO; OA_EFORMAT when the file is damaged or no head, or a shape is not the
 *         model's; OA_ENOTFOUND also when the model carries none; OA_EVERSION for a GGUF version
 * other than 2 and 3; OA_EUNSUPPORTED for a kind or pooling that is not there, or a tensor that no
 * head has; OA_ENOMEM
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_head_open(oa_head **out, oa_model *model, const char *path);

/**
 * Free a head.
 *
 * @param head  may be NULL
 *
 * Thread safety: nobody else may be using it.
 * @since 0.1
 */
OA_API void oa_head_free(oa_head *head);

/**
 * Tell what a head is.
 *
 * @param head  an open head
 * @param info  its `size` says how much the caller knows; at most that much is written
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_head_get_info(const oa_head *head, oa_head_info *info);

/**
 * Borrow the name of a label.
 *
 * @param head   an open head
 * @param index  0 to n_scores - 1
 * @param label  receives the name, which lives as long as the head; "reward" of a reward head
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_head_get_label(const oa_head *head, size_t index, const char **label);

/**
 * Turn an embedding into scores. Sums are in double, in ascending order, the bias last.
 *
 * @param head           an open head
 * @param embedding      what oa_session_embed() gave with the head's pooling and flags
 * @param embedding_len  floats at `embedding`: the model's d_model
 * @param scores         receives n_scores floats
 * @param scores_len     floats at `scores`
 * @return OA_OK; OA_EINVAL also for another embedding_len; OA_ELIMIT when scores_len is too small;
 *         OA_ENOMEM
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_head_apply(const oa_head *head, const float *embedding, size_t embedding_len,
                         float *scores, size_t scores_len);

#ifdef __cplusplus
}
#endif

#endif
