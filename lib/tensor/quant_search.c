/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/quant_beside.h"
#include "tensor/quant_lanes.h"

#include "base/base.h"

const oa__quant_search oa__quant_search_c = {lanes_sums, lanes_errs, beside_blocks, lanes_top};

const oa__quant_search *oa__quant_search_get(unsigned cpu_flags)
{
#if defined(OA_KERN_X86)
    if (cpu_flags & OA__CPU_AVX2) return &oa__quant_search_avx2;
#endif
    return &oa__quant_search_c;
}
