/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door of floor 1: kernels. Numbers in, numbers out.
 *
 * A kernel takes pointers, sizes and strides; it does not allocate, log, fail, thread or touch
 * globals. The C version of a kernel is its definition: the order of its float operations is part
 * of the contract below, and every tier performs the same operations on the same values in the
 * same order per output element, so all tiers give the same bits (docs/kernels.md).
 *
 * The orders:
 *   chain   acc = start; for i ascending: acc = fmaf(a[i], b[i], acc)
 *   lanes16 element i goes to partial sum i mod 16, ascending, each an fma (or add) chain from
 *           +0; then s[i] += s[i + 8] for i < 8, s[i] += s[i + 4] for i < 4, += s[i + 2],
 *           += s[i + 1]; s[0] is the sum
 *   exp     oa__kern_expf below; exp of anything at or under -104 is +0
 *   tanh    oa__kern_tanhf below
 * All NaNs count as the same: the processor chooses payload and sign.
 */
#ifndef OA_KERN_KERN_H
#define OA_KERN_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OA__KERN_ROWS 16   /* rows that a packed weight interleaves: one group */
#define OA__KERN_BLOCK 32  /* activations per int8 scale */
#define OA__KERN_PANEL 256 /* columns that are unpacked at a time */
#define OA__KV_PAGE 32     /* positions per cache page, and keys per attention block */

/* Element types; the numbers are those of GGUF files. */
enum oa__type {
    OA__F32 = 0,
    OA__F16 = 1,
    OA__Q4_0 = 2,
    OA__Q4_1 = 3,
    OA__Q5_0 = 6,
    OA__Q5_1 = 7,
    OA__Q8_0 = 8,
    OA__Q2_K = 10,
    OA__Q3_K = 11,
    OA__Q4_K = 12,
    OA__Q5_K = 13,
    OA__Q6_K = 14,
    OA__IQ4_NL = 20,
    OA__IQ4_XS = 23,
    OA__BF16 = 30
};

/*
 * Packed weights. A group is 16 neighbouring rows; groups lie one after the other. The layout is
 * the same for every tier. Rows past the end of the matrix have zero scales (or zero weights).
 *
 *   F32, F16, BF16   per column k: the 16 rows' elements        [k][16]
 *   the others       per block of the file: one struct below    [k / block]
 *
 * `q` of a struct consists of lines of 64 bytes, the sixteen rows times four neighbouring columns,
 * so that one 4-byte load of activations meets a whole line:
 *
 *   byte  0    1    2    3    4    5          63
 *       row0 row0 row0 row0 row1 row1  ...  row15
 *       k    k+1  k+2  k+3  k    k+1        k+3        with k = 4 * line
 *
 * Quants of fewer bits are split over lines; with "quad j" the columns 4j .. 4j + 3 of what the
 * lines hold together:
 *
 *   4 bits   four lines hold 32 columns: line g quad g in its low nibbles and quad 4 + g in its
 *            high ones; two lines hold 16 columns: quad g and quad 2 + g
 *   2 bits   a line holds 16 columns: quad j at bits 2j
 *   1 bit    a line holds 32 columns: quad j at bit j
 *
 * A block takes as many bytes as its sixteen in the file, so that packing can be done in place.
 */
typedef struct oa__pack_q4_0 {
    uint16_t d[16]; /* f16; w = d * (q - 8) */
    uint8_t q[4 * 64];
} oa__pack_q4_0;

typedef struct oa__pack_q4_1 {
    uint16_t d[16], m[16]; /* f16; w = d * q + m */
    uint8_t q[4 * 64];
} oa__pack_q4_1;

typedef struct oa__pack_q5_0 {
    uint16_t d[16];    /* f16; w = d * (q - 16) */
    uint8_t q[5 * 64]; /* four lines of 4 bits, then bit 4 */
} oa__pack_q5_0;

typedef struct oa__pack_q5_1 {
    uint16_t d[16], m[16]; /* f16; w = d * q + m */
    uint8_t q[5 * 64];
} oa__pack_q5_1;

typedef struct oa__pack_q8_0 {
    uint16_t d[16]; /* f16; w = d * q */
    int8_t q[8 * 64];
} oa__pack_q8_0;

typedef struct oa__pack_q4_k {
    uint16_t d[16], dmin[16]; /* f16; of block b, 32 columns: w = (d * sc) * q - (dmin * m) */
    uint8_t sc[12][16];       /* the twelve bytes of scales and minima of a row's block */
    uint8_t q[8][4 * 64];
} oa__pack_q4_k;

typedef struct oa__pack_q5_k {
    uint16_t d[16], dmin[16]; /* f16; as Q4_K */
    uint8_t sc[12][16];
    uint8_t q[8][5 * 64]; /* four lines of 4 bits, then bit 4 */
} oa__pack_q5_k;

typedef struct oa__pack_q6_k {
    uint16_t d[16]; /* f16; of block b, 16 columns: w = (d * sc[b]) * (q - 32) */
    int8_t sc[16][16];
    uint8_t q[16][3 * 64]; /* two lines of 4 bits, then the bits 4 and 5 */
} oa__pack_q6_k;

typedef struct oa__pack_q2_k {
    uint16_t d[16], dmin[16]; /* f16; of block b: w = (d * low) * q - (dmin * high) */
    uint8_t sc[16][16];       /* low and high nibble */
    uint8_t q[16][64];
} oa__pack_q2_k;

typedef struct oa__pack_q3_k {
    uint16_t d[16];       /* f16; of block b: w = (d * sc) * (q - 4) */
    uint8_t sc[12][16];   /* the bytes of scales of a row's block */
    uint8_t q[8][3 * 64]; /* of two blocks: a line of 2 bits each, then bit 2 */
} oa__pack_q3_k;

typedef struct oa__pack_iq4_nl {
    uint16_t d[16]; /* f16; w = d * table[q] */
    uint8_t q[4 * 64];
} oa__pack_iq4_nl;

typedef struct oa__pack_iq4_xs {
    uint16_t d[16], high[16]; /* f16; of block b: w = (d * sc) * table[q] */
    uint8_t low[4][16];       /* high and low: the scales as in the file */
    uint8_t q[8][4 * 64];
} oa__pack_iq4_xs;

/*
 * Activations quantised to int8, one row per token; k is a multiple of 32.
 * For block b of a row: amax = max |x|, d = amax / 127 (one division), inv = 127 / amax,
 * q = x * inv rounded to nearest even, so |q| <= 127. A block with amax < 2^-100 gets d = 0 and
 * q = 0. A block that holds a NaN or an infinity gets d = NaN and q = 0.
 */
typedef struct oa__acts {
    size_t k;        /* elements per row */
    int8_t *q;       /* (n_tokens, k), aligned to 64 */
    float *d;        /* (n_tokens, k / 32) scale */
    float *ds;       /* (n_tokens, k / 32) d * (float)isum of the block */
    int32_t *isum;   /* (n_tokens, k / 32) sum of the block's q */
    int32_t *isum16; /* (n_tokens, k / 16) sum of 16 q */
} oa__acts;

typedef struct oa__kern oa__kern;

/*
 * y[t * y_stride + r] (+)= sum over k, for the rows r = 16 * g + lane of groups g in
 * [g_begin, g_end), r < n_rows, and all tokens t.
 *
 * Quantised weights: for blocks b of B elements ascending (B is 32, or 16 for Q2_K, Q3_K, Q6_K),
 *     idot = sum of (w_int - offset) * q           exact integer
 *     acc  = fmaf((float)idot, dw * da, acc)       dw = the block's weight scale as float
 *     acc  = fmaf(mw, da * (float)isum, acc)       only for types with a minimum; mw as float,
 *                                                  with its sign, isum over the same B elements
 * The scales of sub-blocks (d * sc, dmin * m) are exact in float. Float weights: the chain over
 * ascending k with the float activations x. acc begins as +0. With `add`, y = y + acc at the end,
 * else y = acc.
 */
typedef struct oa__mm_args {
    const void *w;        /* packed weight, group 0 */
    uint32_t type;        /* enum oa__type */
    size_t n_rows;        /* rows of the weight */
    size_t k;             /* columns of the weight */
    const oa__acts *acts; /* quantised types */
    const float *x;       /* float types: (n_tokens, x_stride) */
    size_t x_stride;
    size_t n_tokens;
    float *y;
    size_t y_stride;
    bool add;
    void *scratch; /* OA__MM_SCRATCH bytes, aligned to 64, one per worker */
} oa__mm_args;

#define OA__MM_SCRATCH (64u * 1024u)

/* How a type is built. block and size are the file's; sub is the B of the formula above. */
typedef struct oa__type_shape {
    uint16_t block, size; /* elements and bytes per block; block 0 = unknown type */
    uint8_t sub;          /* elements per weight scale; 0 for float types */
    uint8_t offset;       /* of the integers that oa__kern_unpack() gives */
    bool has_min;
    uint16_t pack_size; /* bytes per block of a packed group */
} oa__type_shape;

/* The shape of a type; one with block 0 for a number that is none. */
const oa__type_shape *oa__kern_shape(uint32_t type);

/* Unpack n elements (a multiple of the block) of a file's row of a quantised type: w = dw * (q -
 * offset) + mw, with a dw and mw for every `sub` elements. mw may be NULL when there is none. */
void oa__kern_unpack(uint32_t type, const void *row, size_t n, uint8_t *q, float *dw, float *mw);

/* Bytes of one group of a type. k is a multiple of the block. */
size_t oa__kern_group_size(uint32_t type, size_t k);
/* Lay out one group: rows 16 * g .. of src (n_rows, row_size), at dst. */
void oa__kern_pack(uint32_t type, void *dst, const void *src, size_t row_size, size_t n_rows,
                   size_t k, size_t g);
/* The way back, for every packed type: row 0 to 15 of a group, as the file had it (pack_row.c). */
void oa__kern_unpack_row(uint32_t type, void *dst, const void *group, size_t k, size_t row);

typedef void (*oa__mm_fn)(const oa__kern *k, const oa__mm_args *a, size_t g_begin, size_t g_end);

/* Activation functions. */
enum oa__act { OA__ACT_SILU, OA__ACT_GELU, OA__ACT_GELU_TANH, OA__ACT_RELU, OA__N_ACTS };
typedef void (*oa__act_fn)(float *y, const float *g, const float *u, size_t n);

/* What a cache page holds; the numbers are those of enum oa_kv_type. */
enum oa__kv { OA__KV_F16, OA__KV_F32, OA__KV_Q8, OA__N_KV };

/*
 * One key/value head of a page: K (d, 32), then V (32, d), each of oa__kern_kv_size() bytes.
 *
 *   F16, F32   K at k_page[i * 32 + slot], V at v_page[slot * d + i]; f16 rounds to nearest even
 *   Q8         in K as in V: scales (n_blocks, 32) f16, then the int8 in the order above. Block b
 *              of a position is its elements 32 b .. 32 b + 31, the last one may be shorter;
 *              its scale is s = f16(max |x| / 127) at [b * 32 + slot], and q = x * (1 / s) rounded
 *              to nearest even, not over 127 in size. With s = 0 all q are 0; where s would not
 *              be finite it is NaN, and all q are 0. The element is the float q * s, exactly.
 */
size_t oa__kern_kv_size(uint32_t kv, size_t d);

/* One page of one key/value head and the queries that meet it. */
typedef struct oa__attn_args {
    float *o;       /* (n_q, d) running sum of values */
    float *ml;      /* (n_q, 2) running maximum, running sum of weights */
    const float *q; /* (n_q, d) scaled */
    size_t n_q, d;  /* d is a multiple of 8, at most 512 */
    const void *k_page, *v_page;
    const uint32_t *n_valid; /* (n_q) keys from n_valid on are not seen; at most 32 */
    const uint32_t *n_skip;  /* (n_q) neither are those before n_skip; NULL = none are skipped */
    float softcap;           /* 0 = none */
    uint32_t kv;             /* enum oa__kv */
    const void *next;        /* what is met next, next_size bytes: only fetched; NULL = unknown */
    size_t next_size;
} oa__attn_args;

struct oa__kern {
    const char *name; /* "c", "avx2", "avx512vnni", "neon", "dotprod" */

    /* Quantise n_tokens rows of k floats; x_stride floats apart. */
    void (*quantize)(const oa__acts *out, const float *x, size_t x_stride, size_t n_tokens);

    /* By enum oa__type; NULL where the type is not supported. */
    oa__mm_fn matmul[32];

    /* y[i] = (x[i] * s) * w[i], s = 1 / sqrtf(lanes16(x * x) / n + eps). y may be x. */
    void (*rmsnorm)(float *y, const float *x, const float *w, size_t n, float eps);

    /* y[i] = fmaf((x[i] - mean) * s, w[i], b[i]), mean = lanes16(x) / n, s = 1 / sqrtf(
     * lanes16((x - mean)^2) / n + eps). w or b may be NULL: without the product, or the sum.
     * y may be x. */
    void (*layernorm)(float *y, const float *x, const float *w, const float *b, size_t n,
                      float eps);

    /* By enum oa__act: y[i] = act(g[i]) * u[i], or act(g[i]) when u is NULL; the functions are
     * in actf.h. y may be g or u. */
    oa__act_fn act[OA__N_ACTS];

    /* y[i] *= s */
    void (*scale)(float *y, float s, size_t n);

    /* y[i] = cap * tanh(y[i] / cap); tanh is oa__kern_tanhf */
    void (*softcap)(float *y, float cap, size_t n);

    /* y[i] += x[i] */
    void (*add)(float *y, const float *x, size_t n);

    /* Rotate n_heads heads of d_head floats, d_head apart; cs is (d_rot / 2) pairs cos, sin of
     * this position. neox: element i pairs with i + d_rot / 2; else 2i pairs with 2i + 1.
     * a' = fmaf(a, cos, -(b * sin)); b' = fmaf(a, sin, b * cos). */
    void (*rope)(float *x, const float *cs, size_t n_heads, size_t d_head, size_t d_rot, bool neox);

    /* Store one position of one head into a page; d is a multiple of 8. */
    void (*kv_store)(void *k_page, void *v_page, const float *k, const float *v, size_t d,
                     size_t slot, uint32_t kv);

    /* Fold one page into the running softmax of n_q queries of one key/value head.
     * Per query: s_j = chain over d of q_i * K[i][j] from +0 (q already scaled), for the keys
     * n_skip[query] <= j < n_valid[query]; with a softcap s_j = softcap * tanh(s_j / softcap);
     * m' = max(m, s_j...) + 0; c = exp(m - m') (0 while m is -inf);
     * l = fmaf(l, c, lanes16 of p_j), p_j = exp(s_j - m'), p_j = +0 for the other j;
     * o_i = o_i * c, then o_i = fmaf(p_j, V[j][i], o_i) for these j ascending.
     * A query that sees no key is left alone. Begin with m = -inf, l = 0, o = 0. */
    void (*attn_page)(const oa__attn_args *a);

    /* o[i] = o[i] * (1 / l) */
    void (*attn_end)(float *o, const float *ml, size_t n_q, size_t d);

    /* Multiply-adds for the bench: returns int8 multiply-adds done, loops about n times. */
    uint64_t (*peak_int8)(uint64_t n);
    uint64_t (*peak_fp32)(uint64_t n); /* the same with fused multiply-adds of floats */
    /* Reads size bytes (a multiple of 64) and returns a value that depends on all of them. */
    uint64_t (*peak_read)(const void *data, size_t size);
};

/* The kernels for a set of OA__CPU_ flags (base.h); the widest tier that they allow. Constant. */
const oa__kern *oa__kern_get(unsigned cpu_flags);

/* The definitions of exp and tanh on the inference path; scalar, the same bits as every vector
 * version. */
float oa__kern_expf(float x);
float oa__kern_tanhf(float x);

#endif
