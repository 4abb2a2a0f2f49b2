/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file experimental.h
 * Functions that may still change or go away: they are outside the promise of docs/abi.md.
 *
 * This header is not part of openassistant.h; a program that includes it must be ready to be
 * changed with the next minor release.
 */
#ifndef OPENASSISTANT_EXPERIMENTAL_H
#define OPENASSISTANT_EXPERIMENTAL_H

#include <openassistant/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The walls of a machine, and what one token of a model asks of them; filled by
 * oa_measure_peaks().
 *
 * A token can't be made faster than its weights are read: at most
 * read_gbs * 1e9 / token_bytes tokens per second. A prompt can't be read faster than its
 * multiply-adds are done: with weights of blocks, at most int8_gops * 1e9 / (2 * prompt_macs)
 * tokens per second; with weights of floats, of which fp32_gflops is the wall, fewer.
 */
typedef struct oa_peaks {
    size_t size;                /**< set by OA_PEAKS_INIT; do not touch */
    double read_gbs;            /**< memory read, in 10^9 bytes per second, all threads together */
    double int8_gops;           /**< int8 operations, in 10^9 per second, all threads together; a
                                     multiply-add counts as two, as in other tools' GOP/s */
    uint64_t token_bytes;       /**< bytes of weights that computing one token reads */
    uint64_t token_macs;        /**< multiply-adds with weights that computing one token takes */
    double fp32_gflops;         /**< fused multiply-adds of floats, as int8_gops */
    uint64_t token_float_macs;  /**< those of token_macs whose weights are floats, not blocks */
    uint64_t prompt_macs;       /**< multiply-adds per token of a prompt: without the output matrix,
                                     which only the last one needs */
    uint64_t prompt_float_macs; /**< those of prompt_macs whose weights are floats */
} oa_peaks;

/** A struct to be filled. */
#define OA_PEAKS_INIT                                                                              \
    {                                                                                              \
        sizeof(oa_peaks), 0, 0, 0, 0, 0, 0, 0, 0                                                   \
    }

/**
 * Measure what this machine can do at most, with the threads and the instruction tier of a model.
 *
 * It takes about a tenth of a second and, for that time, 128 MB of memory, which counts against
 * the model's memory limit. The best of a few tries is taken, since other work on the machine can
 * only make a try slower.
 *
 * @param model        a model whose weights are loaded
 * @param peaks        its `size` says how much the caller knows; at most that much is written
 * @param progress_fn  told how the measuring goes, may cancel it; may be NULL
 * @param user         given to progress_fn
 * @return OA_OK; OA_EINVAL also for a model opened with OA_MODEL_VOCAB_ONLY; OA_ENOMEM;
 *         OA_ECANCELLED
 *
 * Thread safety: any thread; work of other threads with the model spoils the numbers.
 * @since 0.1
 */
OA_API int oa_measure_peaks(oa_model *model, oa_peaks *peaks, oa_progress_fn progress_fn,
                            void *user);

#ifdef __cplusplus
}
#endif

#endif
