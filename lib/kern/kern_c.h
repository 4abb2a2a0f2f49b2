/* SPDX-License-Identifier: Apache-2.0 */
/* The C versions, by name, for the table in init.c and for wide tiers that have no own. */
#ifndef OA_KERN_KERN_C_H
#define OA_KERN_KERN_C_H

#include "kern/kern.h"

void oa__quantize_c(const oa__acts *out, const float *x, size_t x_stride, size_t n_tokens);
void oa__matmul_quant_c(const oa__kern *k, const oa__mm_args *a, size_t g_begin, size_t g_end);
void oa__matmul_float_c(const oa__kern *k, const oa__mm_args *a, size_t g_begin, size_t g_end);
/* The next `cols` columns of a packed group of a quantised type: integers less the offset, scales
 * and minima by block. */
void oa__panel_c(int16_t (*w)[OA__KERN_PANEL], float (*dw)[16], float (*mw)[16], uint32_t type,
                 const void *group, size_t cols);
void oa__rmsnorm_c(float *y, const float *x, const float *w, size_t n, float eps);
void oa__layernorm_c(float *y, const float *x, const float *w, const float *b, size_t n, float eps);
void oa__act_silu_c(float *y, const float *g, const float *u, size_t n);
void oa__act_gelu_c(float *y, const float *g, const float *u, size_t n);
void oa__act_gelu_tanh_c(float *y, const float *g, const float *u, size_t n);
void oa__act_relu_c(float *y, const float *g, const float *u, size_t n);
void oa__scale_c(float *y, float s, size_t n);
void oa__softcap_c(float *y, float cap, size_t n);
void oa__add_c(float *y, const float *x, size_t n);
void oa__rope_c(float *x, const float *cs, size_t n_heads, size_t d_head, size_t d_rot, bool neox);
void oa__kv_store_c(void *k_page, void *v_page, const float *k, const float *v, size_t d,
                    size_t slot, uint32_t kv);
void oa__attn_page_c(const oa__attn_args *a);
void oa__attn_end_c(float *o, const float *ml, size_t n_q, size_t d);
uint64_t oa__peak_int8_c(uint64_t n);
uint64_t oa__peak_fp32_c(uint64_t n);
uint64_t oa__peak_read_c(const void *data, size_t size);

#endif
