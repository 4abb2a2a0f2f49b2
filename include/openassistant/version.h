/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file version.h
 * Version of the library, the export macro, and what this build contains.
 *
 * The three numbers below are the version of the API. The shared library's soname carries the
 * major number only; see docs/abi.md for what may change at which number.
 */
#ifndef OPENASSISTANT_VERSION_H
#define OPENASSISTANT_VERSION_H

#include <stddef.h>
#include <stdint.h>

/** Marks a function that the shared library exports. */
#if defined(__GNUC__)
#define OA_API __attribute__((visibility("default")))
#else
#define OA_API
#endif

#define OA_VERSION_MAJOR 0 /**< changes when the ABI breaks */
#define OA_VERSION_MINOR 1 /**< changes when functions are added */
#define OA_VERSION_PATCH 0 /**< changes when only behaviour is mended */

/** The version of the headers as one number, comparable with oa_version_number(). */
#define OA_VERSION_NUMBER (OA_VERSION_MAJOR * 10000 + OA_VERSION_MINOR * 100 + OA_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The version of the library that is running, as text, for example "0.1.0".
 *
 * @return a constant string, never NULL, valid for ever
 *
 * Thread safety: any thread, any time.
 * @since 0.1
 */
OA_API const char *oa_version(void);

/**
 * The version of the library that is running, as one number.
 *
 * @return major * 10000 + minor * 100 + patch; compare with #OA_VERSION_NUMBER to find out
 *         whether the library is older than the headers a program was compiled with
 *
 * Thread safety: any thread, any time.
 * @since 0.1
 */
OA_API uint32_t oa_version_number(void);

/**
 * What this build contains and what this machine will use, in one line.
 *
 * Example: "0.1.0 gcc 12.2.0 tiers c avx2 avx512vnni uses avx2". Meant for bug reports; the
 * words after the version are not part of the ABI.
 *
 * @return a constant string, never NULL, valid for ever
 *
 * Thread safety: any thread, any time.
 * @since 0.1
 */
OA_API const char *oa_build_info(void);

#ifdef __cplusplus
}
#endif

#endif
