/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types that stay as the file's rows (Q5_0, Q5_1, Q2_K, Q3_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS): 16 rows
 * x 256 columns are unpacked into a panel of the packed shape, then all tokens pass over it. The
 * part that the x86 tiers share.
 *
 *   scratch   float acc[TOKENS][16]   uint8 q[64 lines][64]   float dw[16][16], mw[16][16]
 *             uint8 rows[16][256]
 */
#ifndef OA_KERN_X86_PANEL_H
#define OA_KERN_X86_PANEL_H

#include "kern/x86/intrin.h"

#include "kern/unpack.h"

#define TOKENS 256

typedef struct panel {
    float acc[TOKENS][16];
    uint8_t q[OA__KERN_PANEL / 4 * 64];
    float dw[OA__KERN_PANEL / 16 * 16], mw[OA__KERN_PANEL / 16 * 16];
    uint8_t rows[16][OA__KERN_PANEL];
} panel;

_Static_assert(sizeof(panel) <= OA__MM_SCRATCH, "the panel fits the scratch");

/* Eight rows x eight quads (dwords), transposed: out line c holds quad c of the rows. */
static inline void transpose8(const uint8_t *rows, uint8_t *out)
{
    __m256i r[8], s[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_si256((const __m256i *)(const void *)(rows + i * OA__KERN_PANEL));
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_unpacklo_epi64(s[i], s[i + 2]);
        r[i + 1] = _mm256_unpackhi_epi64(s[i], s[i + 2]);
        r[i + 2] = _mm256_unpacklo_epi64(s[i + 1], s[i + 3]);
        r[i + 3] = _mm256_unpackhi_epi64(s[i + 1], s[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_si256((__m256i *)(void *)(out + 64 * i),
                            _mm256_permute2x128_si256(r[i], r[i + 4], 0x20));
        _mm256_storeu_si256((__m256i *)(void *)(out + 64 * (i + 4)),
                            _mm256_permute2x128_si256(r[i], r[i + 4], 0x31));
    }
}

static void panel_fill(panel *p, const oa__mm_args *a, const oa__type_shape *s, size_t row0,
                       size_t col0, size_t cols)
{
    for (size_t row = 0; row < 16; row++) {
        float dw[OA__KERN_PANEL / 16] = {0}, mw[OA__KERN_PANEL / 16] = {0};
        if (row0 + row < a->n_rows)
            oa__unpack_rows(a->type,
                            (const uint8_t *)a->w + (row0 + row) * a->row_size +
                                col0 / s->block * s->size,
                            cols, p->rows[row], dw, mw);
        else
            memset(p->rows[row], 0, cols);
        for (size_t b = 0; b < cols / s->sub; b++) {
            p->dw[16 * b + row] = dw[b];
            p->mw[16 * b + row] = mw[b];
        }
    }
    for (size_t c = 0; c < cols; c += 32) {
        transpose8(p->rows[0] + c, p->q + 16 * c);
        transpose8(p->rows[8] + c, p->q + 16 * c + 32);
    }
}

#endif
