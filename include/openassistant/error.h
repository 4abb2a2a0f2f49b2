/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file error.h
 * Error codes, and the text that goes with the last one.
 *
 * Every function that can fail returns `int`: OA_OK, or one of the negative codes below. The
 * numbers are pinned for ever. The place in the library that knows the reason writes one line of
 * text, which oa_error_last() returns to the thread that made the call. docs/errors.md explains
 * each code with an example.
 */
#ifndef OPENASSISTANT_ERROR_H
#define OPENASSISTANT_ERROR_H

#include <openassistant/version.h>

/**
 * All codes: X(name, number, text). The text says what kind of failure it is; the reason of one
 * failure is in oa_error_last().
 */
#define OA_ERROR_MAP(X)                                                                            \
    X(OK, 0, "success")                                                                            \
    X(EINVAL, -1, "invalid argument")                                                              \
    X(ENOMEM, -2, "out of memory or over the memory limit")                                        \
    X(ENOTFOUND, -3, "not found")                                                                  \
    X(EACCES, -4, "permission denied")                                                             \
    X(EIO, -5, "input or output failed")                                                           \
    X(EFORMAT, -6, "damaged or malformed data")                                                    \
    X(EVERSION, -7, "version not supported")                                                       \
    X(EUNSUPPORTED, -8, "valid, but not supported")                                                \
    X(ENOTBUILT, -9, "this part was left out of the build")                                        \
    X(EFULL, -10, "context is full")                                                               \
    X(ECANCELLED, -11, "cancelled by a callback")                                                  \
    X(EBUSY, -12, "in use")                                                                        \
    X(ELIMIT, -13, "a limit was reached")                                                          \
    X(ETEMPLATE, -14, "chat template failed")                                                      \
    X(EINTERNAL, -15, "internal error")

/** The codes as constants OA_OK, OA_EINVAL, ... */
enum oa_error {
/** @cond */
#define OA_ERROR_ENUM(name, number, text) OA_##name = (number),
    OA_ERROR_MAP(OA_ERROR_ENUM)
#undef OA_ERROR_ENUM
    /** @endcond */
};

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The reason of the last failure on this thread, one line without a newline.
 *
 * It says what was found and what was wanted, for example
 * "tensor blk.0.attn_q.weight: 3 dimensions, want 2". It is meaningful only right after a call
 * on the same thread returned a negative code; a later call may overwrite it.
 *
 * @return a string that stays valid until the next call into the library on this thread; never
 *         NULL, "" when nothing has failed yet
 *
 * Thread safety: any thread; each thread has its own text.
 * @since 0.1
 */
OA_API const char *oa_error_last(void);

/**
 * The name of a code, for example "OA_EFORMAT".
 *
 * @param code  any number
 * @return a constant string; "OA_UNKNOWN" for a number that is no code
 *
 * Thread safety: any thread, any time.
 * @since 0.1
 */
OA_API const char *oa_error_name(int code);

/**
 * What kind of failure a code means, for example "damaged or malformed data".
 *
 * @param code  any number
 * @return a constant string; "unknown error" for a number that is no code
 *
 * Thread safety: any thread, any time.
 * @since 0.1
 */
OA_API const char *oa_error_text(int code);

#ifdef __cplusplus
}
#endif

#endif
