/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the x86 kernels. */
#ifndef OA_KERN_X86_X86_H
#define OA_KERN_X86_X86_H

#include "kern/kern.h"

#define OA__DECL_X86(tier)                                                                         \
    void oa__quantize_##tier(const oa__acts *out, const float *x, size_t x_stride,                 \
                             size_t n_tokens);                                                     \
    void oa__matmul_q4_0_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q4_1_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q5_0_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q5_1_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q8_0_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q2_k_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q3_k_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q4_k_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q5_k_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q6_k_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_iq4_nl_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);  \
    void oa__matmul_iq4_xs_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);  \
    void oa__matmul_f32_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);     \
    void oa__matmul_f16_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);     \
    void oa__matmul_bf16_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__rmsnorm_##tier(float *y, const float *x, const float *w, size_t n, float eps);        \
    void oa__layernorm_##tier(float *y, const float *x, const float *w, const float *b, size_t n,  \
                              float eps);                                                          \
    void oa__act_silu_##tier(float *y, const float *g, const float *u, size_t n);                  \
    void oa__act_gelu_##tier(float *y, const float *g, const float *u, size_t n);                  \
    void oa__act_gelu_tanh_##tier(float *y, const float *g, const float *u, size_t n);             \
    void oa__act_relu_##tier(float *y, const float *g, const float *u, size_t n);                  \
    void oa__scale_##tier(float *y, float s, size_t n);                                            \
    void oa__softcap_##tier(float *y, float cap, size_t n);                                        \
    void oa__add_##tier(float *y, const float *x, size_t n);                                       \
    void oa__rope_##tier(float *x, const float *cs, size_t n_heads, size_t d_head, size_t d_rot,   \
                         bool neox);                                                               \
    void oa__kv_store_##tier(void *k_page, void *v_page, const float *k, const float *v, size_t d, \
                             size_t slot, uint32_t kv);                                            \
    void oa__attn_page_##tier(const oa__attn_args *a);                                             \
    void oa__attn_end_##tier(float *o, const float *ml, size_t n_q, size_t d);                     \
    uint64_t oa__peak_int8_##tier(uint64_t n);                                                     \
    uint64_t oa__peak_fp32_##tier(uint64_t n);                                                     \
    uint64_t oa__peak_read_##tier(const void *data, size_t size)

OA__DECL_X86(avx2);
OA__DECL_X86(avx512vnni);
OA__DECL_X86(simde); /* the AVX-512 sources as a test builds them for machines without it */

/* The tables. */
extern const oa__kern oa__kern_avx2, oa__kern_avx512vnni, oa__kern_simde;

#endif
