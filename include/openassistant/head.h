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
 * oa_head_probabilities() makes probabilities of them where the head says how. There may be a layer
 * in front, tanh(D embedding + c), as encoders have it. Models that classify carry their head; else
 * it is a GGUF file, of which docs/files.md has the keys.
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

/** What makes probabilities of scores. */
enum oa_head_function {
    OA_HEAD_NONE = 0,    /**< nothing: they stay as they are */
    OA_HEAD_SIGMOID = 1, /**< each for itself: several labels may apply */
    OA_HEAD_SOFTMAX = 2  /**< together they are 1: one label applies */
};

/** What a head is; filled by oa_head_get_info(). */
typedef struct oa_head_info {
    size_t size;       /**< set by OA_HEAD_INFO_INIT; do not touch */
    uint32_t kind;     /**< one of #oa_head_kind */
    uint32_t n_scores; /**< scores that it gives: 1, or its labels */
    uint32_t pooling;  /**< one of #oa_pooling: the embedding that it was trained on */
    uint32_t flags;    /**< sum of #oa_embed_flags: likewise */
    uint32_t function; /**< one of #oa_head_function: what its scores were trained to go through */
    uint32_t reserved; /**< 0 */
} oa_head_info;

/** An info struct to be filled. */
#define OA_HEAD_INFO_INIT                                                                          \
    {                                                                                              \
        sizeof(oa_head_info), 0, 0, 0, 0, 0, 0                                                     \
    }

/**
 * Open a head for a model.
 *
 * @param out    receives the head, owned by the caller (free with oa_head_free()); NULL on failure
 * @param model  an open model; the head becomes one more owner of it, and its memory counts as the
 *               model's
 * @param path   UTF-8 path of a GGUF file with general.type "head"; NULL for the head that the
 * model itself carries, as classifiers and reward models do. A decoder that carries one and has no
 * output matrix has no next token: what would compute one returns OA_EUNSUPPORTED
 * @return OA_OK; OA_EINVAL also for a model opened with OA_MODEL_VOCAB_ONLY; OA_ENOTFOUND;
 *         OA_EACCES; OA_EIO; OA_EFORMAT when the file is damaged or no head, or a shape is not the
 *         model's; OA_ENOTFOUND also when the model carries none; OA_EVERSION for a GGUF version
 *         other than 2 and 3; OA_EUNSUPPORTED for a kind or pooling that is not there, or a tensor
 * that no head has; OA_ENOMEM
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

/**
 * Turn scores into probabilities, in place.
 *
 * @param head        an open head
 * @param function    one of #oa_head_function, usually oa_head_info::function
 * @param scores      what oa_head_apply() gave
 * @param scores_len  how many: n_scores
 * @return OA_OK; OA_EINVAL also for another scores_len and for a score that is not finite
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_head_probabilities(const oa_head *head, uint32_t function, float *scores,
                                 size_t scores_len);

/**
 * Write a head to a file that oa_head_open() reads: the same scores to the bit. The file appears
 * under its name only when it is complete.
 *
 * @param head  an open head, for example the one that a model carries
 * @param path  UTF-8 path
 * @return OA_OK, OA_EINVAL, OA_EIO, OA_EACCES, OA_ENOTFOUND, OA_ENOMEM
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_head_save(const oa_head *head, const char *path);

#ifdef __cplusplus
}
#endif

#endif
