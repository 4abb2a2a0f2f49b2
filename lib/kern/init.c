/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of kernels, one per tier, all constant; x86/init.c and arm/init.c hold the wide ones. */
#include "kern/kern_c.h"
#include "kern/tiers.h"

static const oa__kern kern_c = {
    .name = "c",
    .quantize = oa__quantize_c,
    .matmul =
        {
            [OA__F32] = oa__matmul_float_c,
            [OA__F16] = oa__matmul_float_c,
            [OA__BF16] = oa__matmul_float_c,
            [OA__Q4_0] = oa__matmul_quant_c,
            [OA__Q4_1] = oa__matmul_quant_c,
            [OA__Q5_0] = oa__matmul_quant_c,
            [OA__Q5_1] = oa__matmul_quant_c,
            [OA__Q8_0] = oa__matmul_quant_c,
            [OA__Q2_K] = oa__matmul_quant_c,
            [OA__Q3_K] = oa__matmul_quant_c,
            [OA__Q4_K] = oa__matmul_quant_c,
            [OA__Q5_K] = oa__matmul_quant_c,
            [OA__Q6_K] = oa__matmul_quant_c,
            [OA__IQ4_NL] = oa__matmul_quant_c,
            [OA__IQ4_XS] = oa__matmul_quant_c,
        },
    .rmsnorm = oa__rmsnorm_c,
    .layernorm = oa__layernorm_c,
    .act = {oa__act_silu_c, oa__act_gelu_c, oa__act_gelu_tanh_c, oa__act_relu_c},
    .scale = oa__scale_c,
    .softcap = oa__softcap_c,
    .add = oa__add_c,
    .rope = oa__rope_c,
    .kv_store = oa__kv_store_c,
    .attn_page = oa__attn_page_c,
    .attn_end = oa__attn_end_c,
    .peak_int8 = oa__peak_int8_c,
    .peak_fp32 = oa__peak_fp32_c,
    .peak_read = oa__peak_read_c,
};

const oa__kern *oa__kern_get(unsigned cpu_flags)
{
    const oa__kern *wide = oa__kern_get_wide(cpu_flags);
    return wide ? wide : &kern_c;
}
