/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a tier, from the names of x86.h. */
#ifndef OA_KERN_X86_TABLE_H
#define OA_KERN_X86_TABLE_H

#include "kern/x86/x86.h"

#define OA__X86_TABLE(tier)                                                                        \
    {                                                                                              \
        .name = #tier, .quantize = oa__quantize_##tier,                                            \
        .matmul =                                                                                  \
            {                                                                                      \
                [OA__F32] = oa__matmul_f32_##tier,       [OA__F16] = oa__matmul_f16_##tier,        \
                [OA__BF16] = oa__matmul_bf16_##tier,     [OA__Q4_0] = oa__matmul_q4_0_##tier,      \
                [OA__Q4_1] = oa__matmul_q4_1_##tier,     [OA__Q5_0] = oa__matmul_q5_0_##tier,      \
                [OA__Q5_1] = oa__matmul_q5_1_##tier,     [OA__Q8_0] = oa__matmul_q8_0_##tier,      \
                [OA__Q2_K] = oa__matmul_q2_k_##tier,     [OA__Q3_K] = oa__matmul_q3_k_##tier,      \
                [OA__Q4_K] = oa__matmul_q4_k_##tier,     [OA__Q5_K] = oa__matmul_q5_k_##tier,      \
                [OA__Q6_K] = oa__matmul_q6_k_##tier,     [OA__IQ4_NL] = oa__matmul_iq4_nl_##tier,  \
                [OA__IQ4_XS] = oa__matmul_iq4_xs_##tier,                                           \
            },                                                                                     \
        .rmsnorm = oa__rmsnorm_##tier, .layernorm = oa__layernorm_##tier,                          \
        .act = {oa__act_silu_##tier, oa__act_gelu_##tier, oa__act_gelu_tanh_##tier,                \
                oa__act_relu_##tier},                                                              \
        .scale = oa__scale_##tier, .softcap = oa__softcap_##tier, .add = oa__add_##tier,           \
        .rope = oa__rope_##tier, .kv_store = oa__kv_store_##tier,                                  \
        .attn_page = oa__attn_page_##tier, .attn_end = oa__attn_end_##tier,                        \
        .peak_int8 = oa__peak_int8_##tier, .peak_fp32 = oa__peak_fp32_##tier,                      \
        .peak_read = oa__peak_read_##tier,                                                         \
    }

#endif
