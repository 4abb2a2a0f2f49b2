/* SPDX-License-Identifier: Apache-2.0 */
/* The x86 ladder. Built without wide flags: only tables and names here. */
#include "kern/tiers.h"

#include "base/base.h"
#include "kern/x86/table.h"

const oa__kern oa__kern_avx2 = OA__X86_TABLE(avx2);
const oa__kern oa__kern_avx512vnni = OA__X86_TABLE(avx512vnni);

const oa__kern *oa__kern_get_wide(unsigned cpu_flags)
{
    if (!(cpu_flags & OA__CPU_AVX2)) return NULL;
    if (!(cpu_flags & OA__CPU_AVX512VNNI)) return &oa__kern_avx2;
    return &oa__kern_avx512vnni;
}
