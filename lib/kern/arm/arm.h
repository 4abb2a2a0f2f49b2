/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the ARM kernels. What needs no dot product exists once, for both tiers. */
#ifndef OA_KERN_ARM_ARM_H
#define OA_KERN_ARM_ARM_H

#include "kern/kern.h"

#define OA__DECL_ARM(tier)                                                                         \
    void oa__matmul_q4_0_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q4_1_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q4_k_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    void oa__matmul_q8_0_##tier(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);    \
    uint64_t oa__peak_int8_##tier(uint64_t n)

OA__DECL_ARM(neon);
OA__DECL_ARM(dotprod);

void oa__quantize_neon(const oa__acts *out, const float *x, size_t x_stride, size_t n_tokens);
void oa__matmul_f32_neon(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);
void oa__matmul_f16_neon(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);
void oa__matmul_bf16_neon(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1);
void oa__rmsnorm_neon(float *y, const float *x, const float *w, size_t n, float eps);
void oa__layernorm_neon(float *y, const float *x, const float *w, const float *b, size_t n,
                        float eps);
void oa__act_silu_neon(float *y, const float *g, const float *u, size_t n);
void oa__act_gelu_neon(float *y, const float *g, const float *u, size_t n);
void oa__act_gelu_tanh_neon(float *y, const float *g, const float *u, size_t n);
void oa__act_relu_neon(float *y, const float *g, const float *u, size_t n);
void oa__scale_neon(float *y, float s, size_t n);
void oa__softcap_neon(float *y, float cap, size_t n);
void oa__add_neon(float *y, const float *x, size_t n);
void oa__rope_neon(float *x, const float *cs, size_t n_heads, size_t d_head, size_t d_rot,
                   bool neox);
void oa__kv_store_neon(void *k_page, void *v_page, const float *k, const float *v, size_t d,
                       size_t slot, uint32_t kv);
void oa__attn_page_neon(const oa__attn_args *a);
void oa__attn_end_neon(float *o, const float *ml, size_t n_q, size_t d);
uint64_t oa__peak_fp32_neon(uint64_t n);

#endif
