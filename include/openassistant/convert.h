/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file convert.h
 * Writing models: from any form that opens to one GGUF file, with the same or other types.
 */
#ifndef OPENASSISTANT_CONVERT_H
#define OPENASSISTANT_CONVERT_H

#include <openassistant/error.h>
#include <openassistant/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Switches of oa_convert_opts::flags. */
enum oa_convert_flags {
    OA_CONVERT_PURE = 1 << 0,    /**< the type for every matrix, also where its recipe says a larger
                                      one */
    OA_CONVERT_NO_MMAP = 1 << 1, /**< read the input into memory instead of mapping it */
    OA_CONVERT_PACK = 1 << 2     /**< lay the matrices out as the kernels want them: a file that is
                                      used where it is mapped, and of no use to other programs;
                                      without it a packed input is laid out as ever */
};

/** What oa_convert() wrote. */
typedef struct oa_convert_result {
    size_t size;            /**< set by OA_CONVERT_RESULT_INIT; do not touch */
    uint64_t n_params;      /**< number of weights */
    uint64_t in_size;       /**< bytes of the tensors read */
    uint64_t out_size;      /**< bytes of the tensors written */
    uint32_t n_tensors;     /**< tensors written */
    uint32_t n_converted;   /**< of them, those whose type changed */
    uint32_t n_fallback;    /**< of them, those whose rows did not fit the type they should have */
    uint32_t n_requantised; /**< of them, those that were quantised before and lost twice */
} oa_convert_result;

/** A result to be filled. */
#define OA_CONVERT_RESULT_INIT                                                                     \
    {                                                                                              \
        sizeof(oa_convert_result), 0, 0, 0, 0, 0, 0, 0                                             \
    }

/** Options of oa_convert(). Zero is the default in every field. */
typedef struct oa_convert_opts {
    size_t size;        /**< set by OA_CONVERT_OPTS_INIT; do not touch */
    uint32_t flags;     /**< sum of #oa_convert_flags; default 0 */
    uint32_t n_threads; /**< threads that work; 0 = one per core (default) */
    const char *type;   /**< NULL or "" = every tensor as it is (default); else a name that
                             oa_convert_get_type() lists, upper or lower case */
    uint32_t log_level; /**< one of #oa_log_level; default OA_LOG_DEFAULT: a line for each kind
                             of tensors that fell back, and one when the input was quantised
                             already; OA_LOG_INFO: a line for every tensor */
    uint32_t reserved;  /**< 0 */
    oa_log_fn log_fn;   /**< receives the report, line by line; NULL = silence (default) */
    void *log_user;     /**< given to log_fn; default NULL */
    oa_progress_fn progress_fn;       /**< told the bytes written, may end the work; default NULL */
    void *progress_user;              /**< given to progress_fn; default NULL */
    const oa_allocator *allocator;    /**< NULL = the C library's (default) */
    oa_convert_result *result;        /**< filled on success; NULL = not wanted (default) */
    const char *const *adapter_paths; /**< (n_adapters) as oa_adapter_open() takes them: what they
                                           add becomes part of the matrices; default NULL */
    const float *adapter_scales;      /**< (n_adapters) finite; NULL = all 1 (default) */
    size_t n_adapters;                /**< how many, at most 16; default 0 */
} oa_convert_opts;

/** Default options. */
#define OA_CONVERT_OPTS_INIT                                                                       \
    {                                                                                              \
        sizeof(oa_convert_opts), 0, 0, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
            0                                                                                      \
    }

/**
 * Write a model as one GGUF v3 file.
 *
 * The file takes its name when it is complete; a failed or cancelled call leaves nothing behind
 * and an older file of that name as it was. Memory: one tensor, and the input unless it is mapped.
 * The same input, type and flags give the same bytes, with any number of threads and on every
 * machine.
 *
 * All metadata is carried over; `general.file_type` and `general.quantization_version` are set as
 * the type says. With a type, matrices get it, or the larger one that its recipe gives to the more
 * sensitive among them (output matrix, some values and feed-forward layers); norms, biases,
 * vectors, expert routers and position tables become F32. A matrix whose row is no multiple of the
 * type's block falls back: Q2_K, Q3_K and IQ4_XS to IQ4_NL, Q4_K to Q5_0, Q5_K to Q5_1, Q6_K to
 * Q8_0; blocks of 32 to F16.
 *
 * With #OA_CONVERT_PACK the matrices are written in the layout that products want, which is the
 * same on every machine: such a model opens in a moment, and processes that use it share its
 * memory. Its answers are the same. A file that was packed with layouts of another version is
 * refused (OA_EVERSION) and has to be packed again.
 *
 * @param path      what oa_model_open() takes; not kept after return
 * @param out_path  UTF-8 path of the file to write; an existing file is replaced, unless it is
 *                  (part of) the input or an adapter
 * @param opts      NULL for defaults; not kept after return
 * @return OA_OK; OA_EINVAL also for an unknown type and when out_path is an input; OA_ENOTFOUND,
 *         OA_EACCES; OA_EIO also when the disk is full; OA_EFORMAT when the input is damaged, or a
 *         weight that should be quantised is not finite or too large for the type;
 *         OA_EUNSUPPORTED, OA_EVERSION as for oa_model_open(); OA_ENOMEM; OA_ECANCELLED
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_convert(const char *path, const char *out_path, const oa_convert_opts *opts);

/**
 * Borrow the name of a type that oa_convert_opts::type may name, and what it means.
 *
 * @param index  0, 1, ... in ascending order of size
 * @param name   receives the name, for example "Q4_K_M"; constant
 * @param help   receives one line, for example "mostly Q4_K, some Q6_K"; constant; may be NULL
 * @return OA_OK; OA_ENOTFOUND when there are no more; OA_EINVAL
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_convert_get_type(size_t index, const char **name, const char **help);

#ifdef __cplusplus
}
#endif

#endif
