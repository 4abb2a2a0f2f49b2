/* SPDX-License-Identifier: Apache-2.0 */
/* The name that git gives to the content of a file. */
#ifndef OA_HUB_GIT_SUM_H
#define OA_HUB_GIT_SUM_H

#include "base/base.h"

typedef struct oa__git_sum {
    uint32_t h[5];
    uint64_t size; /* so far, with the head */
    uint8_t block[64];
} oa__git_sum;

void oa__git_sum_begin(oa__git_sum *s, uint64_t size); /* of the whole content */
void oa__git_sum_add(oa__git_sum *s, const void *data, size_t size);
void oa__git_sum_end(oa__git_sum *s, char hex[41]);

#endif
