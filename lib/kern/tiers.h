/* SPDX-License-Identifier: Apache-2.0 */
/* What the wide tiers of this processor family give to init.c. */
#ifndef OA_KERN_TIERS_H
#define OA_KERN_TIERS_H

#include "kern/kern.h"

#if defined(OA_KERN_X86) || defined(OA_KERN_ARM)
/* The widest table that the flags allow, or NULL. */
const oa__kern *oa__kern_get_wide(unsigned cpu_flags);
#else
static inline const oa__kern *oa__kern_get_wide(unsigned cpu_flags)
{
    (void)cpu_flags;
    return NULL;
}
#endif

#endif
