/* SPDX-License-Identifier: Apache-2.0 */
/* Intrinsics; a test builds the AVX-512 sources with SIMDe in their place. */
#ifndef OA_KERN_X86_INTRIN_H
#define OA_KERN_X86_INTRIN_H

#include "kern/kern.h"

#include <math.h>
#include <string.h>

#ifdef OA_SIMDE
#include "kern/simde.h" /* of the tests */
#else
#include <immintrin.h>
#endif

/* Tiles are functions with constant arguments, expanded where they are called. */
#define OA__TILE static inline __attribute__((always_inline))

#if defined(__clang__)
#define OA__UNROLL _Pragma("clang loop unroll(full)")
#else
#define OA__UNROLL _Pragma("GCC unroll 16")
#endif

/* Makes what was loaded through p unknown, so that it is loaded again instead of kept in a
 * register that is needed for something else. */
#if defined(__GNUC__)
#define OA__FORGET(p) __asm__("" : "+r"(p))
#else
#define OA__FORGET(p) ((void)0)
#endif

/* The four int8 activations that meet a line of weights. */
static inline int32_t oa__load_quad(const int8_t *q)
{
    int32_t v;
    memcpy(&v, q, sizeof v);
    return v;
}

#endif
