/* SPDX-License-Identifier: Apache-2.0 */
/* The ARM ladder. Built without wide flags: only tables and names here. */
#include "kern/tiers.h"

#include "base/base.h"
#include "kern/arm/arm.h"
#include "kern/kern_c.h"

#define TABLE(tier)                                                                                \
    {                                                                                              \
        .name = #tier, .quantize = oa__quantize_neon,                                              \
        .matmul =                                                                                  \
            {                                                                                      \
                [OA__F32] = oa__matmul_f32_neon,     [OA__F16] = oa__matmul_f16_neon,              \
                [OA__BF16] = oa__matmul_bf16_neon,   [OA__Q4_0] = oa__matmul_q4_0_##tier,          \
                [OA__Q4_1] = oa__matmul_q4_1_##tier, [OA__Q5_0] = oa__matmul_quant_c,              \
                [OA__Q5_1] = oa__matmul_quant_c,     [OA__Q8_0] = oa__matmul_q8_0_##tier,          \
                [OA__Q2_K] = oa__matmul_quant_c,     [OA__Q3_K] = oa__matmul_quant_c,              \
                [OA__Q4_K] = oa__matmul_q4_k_##tier, [OA__Q5_K] = oa__matmul_quant_c,              \
                [OA__Q6_K] = oa__matmul_quant_c,     [OA__IQ4_NL] = oa__matmul_quant_c,            \
                [OA__IQ4_XS] = oa__matmul_quant_c,                                                 \
            },                                                                                     \
        .rmsnorm = oa__rmsnorm_neon, .layernorm = oa__layernorm_neon,                              \
        .act = {oa__act_silu_neon, oa__act_gelu_neon, oa__act_gelu_tanh_neon, oa__act_relu_neon},  \
        .scale = oa__scale_neon, .softcap = oa__softcap_neon, .add = oa__add_neon,                 \
        .rope = oa__rope_neon, .kv_store = oa__kv_store_neon, .attn_page = oa__attn_page_neon,     \
        .attn_end = oa__attn_end_neon, .peak_int8 = oa__peak_int8_##tier,                          \
        .peak_fp32 = oa__peak_fp32_neon, .peak_read = oa__peak_read_c,                             \
    }

static const oa__kern kern_neon = TABLE(neon);
static const oa__kern kern_dotprod = TABLE(dotprod);

const oa__kern *oa__kern_get_wide(unsigned cpu_flags)
{
    if (!(cpu_flags & OA__CPU_NEON)) return NULL;
    return cpu_flags & OA__CPU_DOTPROD ? &kern_dotprod : &kern_neon;
}
