/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file log.h
 * The callbacks that every handle can be given: log lines and progress.
 *
 * The library never prints. A handle whose options carry no log callback is silent.
 */
#ifndef OPENASSISTANT_LOG_H
#define OPENASSISTANT_LOG_H

#include <openassistant/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How much a log callback is told; each level includes the ones before it. */
enum oa_log_level {
    OA_LOG_DEFAULT = 0, /**< the same as OA_LOG_WARN */
    OA_LOG_ERROR = 1,   /**< something failed; the call that failed also returns a code */
    OA_LOG_WARN = 2,    /**< something works, but probably not as meant */
    OA_LOG_INFO = 3,    /**< what a user wants to know once: what was loaded, what was chosen */
    OA_LOG_DEBUG = 4,   /**< what a developer wants to know: sizes, decisions */
    OA_LOG_TRACE = 5    /**< one line per step of work */
};

/**
 * Receives one complete log line.
 *
 * @param level  one of #oa_log_level, never OA_LOG_DEFAULT
 * @param line   the text without newline, valid during the call
 * @param user   the pointer given with the callback
 *
 * Called on the thread that made the call into the library, never from a worker thread.
 */
typedef void (*oa_log_fn)(uint32_t level, const char *line, void *user);

/**
 * Is told how far a piece of work has come, and may end it.
 *
 * Called at the start of long work and then at least every 50 ms of it, also inside the reading
 * of a long prompt, always on the thread that made the call.
 *
 * @param what   the work in one or two words ("load", "prompt"), valid during the call
 * @param done   how much is done, in units of the work (bytes, tokens)
 * @param total  how much there is; 0 when it is not known
 * @param user   the pointer given with the callback
 * @return 0 to go on; any other value ends the work, and the call returns OA_ECANCELLED
 */
typedef int (*oa_progress_fn)(const char *what, uint64_t done, uint64_t total, void *user);

/**
 * Receives generated text.
 *
 * @param text      the next piece: whole UTF-8 characters, not terminated, valid during the call
 * @param text_len  its length in bytes, at least 1
 * @param user      the pointer given with the callback
 * @return 0 to go on; any other value ends the generation
 */
typedef int (*oa_text_fn)(const char *text, size_t text_len, void *user);

/**
 * A memory allocator that a handle uses for everything it allocates.
 *
 * Both functions may be called from any thread that uses the handle, so they must be thread safe
 * when handles of one model are used by several threads.
 */
typedef struct oa_allocator {
    size_t size; /**< set by OA_ALLOCATOR_INIT; do not touch */
    /** Return `n_bytes` (never 0) of memory aligned like malloc's, or NULL. */
    void *(*alloc_fn)(size_t n_bytes, void *user);
    /** Give back what alloc_fn returned; never called with NULL. */
    void (*free_fn)(void *ptr, void *user);
    void *user; /**< given to both functions; default NULL */
} oa_allocator;

/** An allocator struct to be filled in. */
#define OA_ALLOCATOR_INIT                                                                          \
    {                                                                                              \
        sizeof(oa_allocator), NULL, NULL, NULL                                                     \
    }

#ifdef __cplusplus
}
#endif

#endif
