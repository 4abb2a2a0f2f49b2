/* SPDX-License-Identifier: Apache-2.0 */
/* The end of every sum across an axis: sixteen partial sums to one, 8-4-2-1. */
#ifndef OA_KERN_SUM_H
#define OA_KERN_SUM_H

#include <stddef.h>

static inline float oa__sum_lanes16(float s[16])
{
    for (size_t w = 8; w > 0; w /= 2)
        for (size_t i = 0; i < w; i++)
            s[i] += s[i + w];
    return s[0];
}

#endif
