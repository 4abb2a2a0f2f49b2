/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file eval.h
 * Measuring models: perplexity.
 */
#ifndef OPENASSISTANT_EVAL_H
#define OPENASSISTANT_EVAL_H

#include <openassistant/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Switches of oa_perplexity_opts::flags. */
enum oa_perplexity_flags {
    OA_PERPLEXITY_STEPS = 1 << 0 /**< compute one token per pass, as generation does; the result is
                                      the same, bit for bit, and slower */
};

/** Options of oa_eval_perplexity(). Zero is the default in every field. */
typedef struct oa_perplexity_opts {
    size_t size;     /**< set by OA_PERPLEXITY_OPTS_INIT; do not touch */
    uint32_t flags;  /**< sum of #oa_perplexity_flags; default 0 */
    uint32_t n_ctx;  /**< tokens of a window, at least 3; 0 = 512, or what the model was trained
                          for when that is less (default) */
    uint32_t stride; /**< 0 = windows side by side (default); else the tokens by which a window
                          begins after the one before it, at most n_ctx */
    uint32_t max_windows; /**< look at so many windows only; 0 = all (default) */
    uint32_t kv_type;     /**< one of #oa_kv_type; default OA_KV_F16 */
    uint32_t n_batch;     /**< most tokens of a pass; 0 = the library chooses (default); the result
                               does not depend on it */
    oa_progress_fn
        progress_fn;     /**< told the tokens that are done, may end the work; default NULL */
    void *progress_user; /**< given to progress_fn; default NULL */
} oa_perplexity_opts;

/** Default options. */
#define OA_PERPLEXITY_OPTS_INIT                                                                    \
    {                                                                                              \
        sizeof(oa_perplexity_opts), 0, 0, 0, 0, 0, 0, NULL, NULL                                   \
    }

/** What oa_eval_perplexity() found. */
typedef struct oa_perplexity_result {
    size_t size;             /**< set by OA_PERPLEXITY_RESULT_INIT; do not touch */
    double perplexity;       /**< exp(nll) */
    double perplexity_error; /**< its standard error, nll_error * perplexity */
    double nll;              /**< mean negative log-likelihood of the scored tokens, in nats */
    double nll_error;        /**< its standard error; 0 for a single token */
    uint64_t n_scored;       /**< tokens scored */
    uint64_t n_tokens;       /**< tokens of the text, a beginning token included */
    uint32_t n_windows;      /**< windows looked at */
    uint32_t n_ctx;          /**< tokens of a window, as used */
    uint32_t stride;         /**< tokens from window to window, as used */
    uint32_t reserved;       /**< 0 */
} oa_perplexity_result;

/** A result to be filled. */
#define OA_PERPLEXITY_RESULT_INIT                                                                  \
    {                                                                                              \
        sizeof(oa_perplexity_result), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                 \
    }

/**
 * Measure how well a model predicts a text.
 *
 * Without a stride the text's tokens are cut into windows of n_ctx; what remains at the end is left
 * out, unless it is all there is. Each window begins with the model's beginning token (in place of
 * its first token) when the model wants one, and of each the tokens behind the middle are scored:
 * n_ctx - n_ctx / 2 - 1 of them. This is what llama.cpp's perplexity tool measures.
 *
 * With a stride, windows begin that many tokens apart, up to the one that reaches the end, and each
 * scores the tokens that the ones before it did not reach, with all of the window before them as
 * context. This is what the documentation of Hugging Face's transformers computes.
 *
 * All sums are in double, token by token in the order of the text: the result depends on the model
 * file, the text, n_ctx, stride, max_windows and kv_type, and on nothing else.
 *
 * @param model     an open model with weights; not changed
 * @param text      UTF-8; text that spells a special token is ordinary text
 * @param text_len  bytes at `text`
 * @param opts      NULL for defaults
 * @param result    its `size` says how much the caller knows; at most that much is written
 * @return OA_OK; OA_EINVAL also for a text of fewer than 3 tokens; OA_EFORMAT when the model gives
 *         no numbers; OA_ENOMEM; OA_ECANCELLED
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_eval_perplexity(oa_model *model, const char *text, size_t text_len,
                              const oa_perplexity_opts *opts, oa_perplexity_result *result);

#ifdef __cplusplus
}
#endif

#endif
