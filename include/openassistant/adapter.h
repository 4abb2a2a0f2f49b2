/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file adapter.h
 * Adapters: low-rank changes (LoRA) of a model's matrices, chosen per session.
 *
 * An adapter gives a matrix W (n_out, n_in) a pair A (rank, n_in) and B (n_out, rank). A session
 * that uses it with a scale s computes
 *
 *     y = W x + (s * alpha / rank) * B (A x)        Hu et al., "LoRA", 2021, section 4.1
 *
 * in floats, whatever the type of W. Sessions of one model may use different adapters, or several
 * at once, and still step in one batch.
 */
#ifndef OPENASSISTANT_ADAPTER_H
#define OPENASSISTANT_ADAPTER_H

#include <openassistant/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An adapter that fits one open model. Immutable, shared by threads, counted. */
typedef struct oa_adapter oa_adapter;

/** What an adapter is; filled by oa_adapter_get_info(). */
typedef struct oa_adapter_info {
    size_t size;         /**< set by OA_ADAPTER_INFO_INIT; do not touch */
    uint32_t n_matrices; /**< matrices of the model that it changes; a fused one counts once */
    uint32_t rank;       /**< largest rank of a pair */
    uint64_t n_params;   /**< numbers of all pairs */
    uint64_t memory;     /**< bytes that they take */
} oa_adapter_info;

/** An info struct to be filled. */
#define OA_ADAPTER_INFO_INIT                                                                       \
    {                                                                                              \
        sizeof(oa_adapter_info), 0, 0, 0, 0                                                        \
    }

/**
 * Open an adapter for a model.
 *
 * @param out    receives the adapter, owned by the caller (free with oa_adapter_free()); NULL on
 *               failure
 * @param model  an open model; the adapter becomes one more owner of it, and its memory counts as
 *               the model's
 * @param path   UTF-8 path of a GGUF adapter (general.type "adapter"), or of a folder as PEFT
 *               writes it, with adapter_config.json and adapter_model.safetensors
 * @return OA_OK; OA_EINVAL also for a model opened with OA_MODEL_VOCAB_ONLY; OA_ENOTFOUND;
 *         OA_EACCES; OA_EIO; OA_EFORMAT when the file is damaged or a shape is not that of the
 *         model's matrix; OA_EUNSUPPORTED for another kind of adapter, another architecture, or a
 *         tensor that can't be adapted (embeddings, norms, experts); OA_ENOMEM
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_adapter_open(oa_adapter **out, oa_model *model, const char *path);

/**
 * Give up an adapter. Sessions hold references of their own.
 *
 * @param adapter  may be NULL
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API void oa_adapter_free(oa_adapter *adapter);

/**
 * Tell what an adapter is.
 *
 * @param adapter  an open adapter
 * @param info     its `size` says how much the caller knows; at most that much is written
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_adapter_get_info(const oa_adapter *adapter, oa_adapter_info *info);

#ifdef __cplusplus
}
#endif

#endif
