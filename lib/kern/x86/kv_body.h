/* SPDX-License-Identifier: Apache-2.0 */
/* Storing into cache pages, included by attn_body.h. The AVX2 registers serve all x86 tiers here.
 * The definition is kern/attn.c. */
#include "kern/half.h"
#include "kern/x86/x86.h"

/* Block of n elements, a multiple of 8, to q in a row; returns the scale. */
static inline uint16_t store_block(int8_t q[32], const float *x, size_t n)
{
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256i top = _mm256_setzero_si256(); /* of |x|: as integers, so that a NaN is the largest */
    for (size_t i = 0; i < n; i += 8) {
        const __m256 a = _mm256_and_ps(_mm256_loadu_ps(x + i), magnitude);
        top = _mm256_max_epi32(top, _mm256_castps_si256(a));
    }
    __m128i m4 = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
    m4 = _mm_max_epi32(m4, _mm_shuffle_epi32(m4, 0x4e));
    m4 = _mm_max_epi32(m4, _mm_shuffle_epi32(m4, 0xb1));
    uint16_t scale = oa__f32_half(_mm_cvtss_f32(_mm_castsi128_ps(m4)) / 127.0f);
    const float s = oa__half_f32(scale);
    if (!(s > 0 && s < INFINITY)) {
        memset(q, 0, 32);
        return s == 0 ? scale : 0x7e00;
    }
    const __m256 inv = _mm256_set1_ps(1.0f / s);
    const __m256 high = _mm256_set1_ps(127), low = _mm256_set1_ps(-127);
    for (size_t i = 0; i < n; i += 8) {
        __m256 r = _mm256_mul_ps(_mm256_loadu_ps(x + i), inv);
        r = _mm256_max_ps(_mm256_min_ps(r, high), low);
        const __m256i v = _mm256_cvtps_epi32(r); /* nearest even */
        const __m128i h =
            _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
        _mm_storel_epi64((__m128i *)(void *)(q + i), _mm_packs_epi16(h, h));
    }
    return scale;
}

static void store_q8(uint16_t *ks, uint16_t *vs, const float *k, const float *v, size_t d,
                     size_t slot)
{
    const size_t n_blocks = (d + 31) / 32;
    int8_t *kq = (int8_t *)(ks + n_blocks * OA__KV_PAGE) + slot, q[32];
    int8_t *vq = (int8_t *)(vs + n_blocks * OA__KV_PAGE) + slot * d;
    for (size_t i = 0; i < d; i += 32) {
        const size_t n = d - i < 32 ? d - i : 32;
        ks[i + slot] = store_block(q, k + i, n);
        for (size_t j = 0; j < n; j++)
            kq[(i + j) * OA__KV_PAGE] = q[j];
        vs[i + slot] = store_block(q, v + i, n);
        memcpy(vq + i, q, n);
    }
}

static void store_f16(uint16_t *kp, uint16_t *vp, const float *k, const float *v, size_t d)
{
    for (size_t i = 0; i < d; i += 8) {
        uint16_t h[8];
        oa__store_half8(h, _mm256_loadu_ps(k + i));
        for (size_t j = 0; j < 8; j++)
            kp[(i + j) * OA__KV_PAGE] = h[j];
        oa__store_half8(vp + i, _mm256_loadu_ps(v + i));
    }
}

void OA__TIER(oa__kv_store)(void *k_page, void *v_page, const float *k, const float *v, size_t d,
                            size_t slot, uint32_t kv)
{
    if (kv == OA__KV_F32) {
        float *kp = k_page;
        for (size_t i = 0; i < d; i++)
            kp[i * OA__KV_PAGE + slot] = k[i];
        memcpy((float *)v_page + slot * d, v, d * sizeof *v);
    } else if (kv == OA__KV_F16) {
        store_f16((uint16_t *)k_page + slot, (uint16_t *)v_page + slot * d, k, v, d);
    } else {
        store_q8(k_page, v_page, k, v, d, slot);
    }
}
