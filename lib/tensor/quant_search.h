/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixteen candidates at a time for the quantisers: every candidate lies in its own lane, elements
 * pass by in ascending order, so that a lane's sums are plain chains (multiply, then add, both
 * rounded) and the bits depend neither on the width of the registers nor on the compiler.
 */
#ifndef OA_TENSOR_QUANT_SEARCH_H
#define OA_TENSOR_QUANT_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OA__QUANT_LANES 16

/* Levels of a quantiser: the integers lo..hi, or with `code` its 16 ascending values. */
typedef struct oa__quant_levels {
    float lo, hi;
    const float *code; /* NULL = integers */
    const float *mid;  /* 15 borders: x above mid[k] has at least code[k + 1] */
} oa__quant_levels;

typedef struct oa__quant_sums {
    float q[OA__QUANT_LANES];  /* sum of w l, l = the level that an element got */
    float qq[OA__QUANT_LANES]; /* sum of w l l */
    float qx[OA__QUANT_LANES]; /* sum of w l x */
} oa__quant_sums;

typedef struct oa__quant_search {
    /* l = level next to (x - m) * inv. */
    void (*sums)(const oa__quant_levels *v, const float *x, const float *w, size_t n,
                 const float inv[OA__QUANT_LANES], const float m[OA__QUANT_LANES],
                 oa__quant_sums *s);
    /* err = sum of w (x - (d l + m))^2, with the same l, of the first n_tries: 8 or 16. */
    void (*errs)(const oa__quant_levels *v, const float *x, const float *w, size_t n,
                 size_t n_tries, const float inv[OA__QUANT_LANES], const float d[OA__QUANT_LANES],
                 const float m[OA__QUANT_LANES], float err[OA__QUANT_LANES]);
    /* n_blocks of Q4 (or Q5: five) _0 (or _1: min), w NULL for all 1, to out. How many are before
     * the first that f16 does not hold. See quant_beside.h. */
    size_t (*beside)(bool five, bool min, const float *x, const float *w, size_t n_blocks,
                     uint8_t *out);
    /* The largest magnitude among n elements, as the bits of a float; of NaNs too. */
    uint32_t (*top)(const float *x, size_t n);
} oa__quant_search;

/* For a set of OA__CPU_ flags. */
const oa__quant_search *oa__quant_search_get(unsigned cpu_flags);

extern const oa__quant_search oa__quant_search_c;
#if defined(OA_KERN_X86)
extern const oa__quant_search oa__quant_search_avx2;
#endif

#endif
