/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels that are wrong on purpose, each with a mistake that someone makes: a check that lets one
 * pass is no check.
 */
#include <math.h>

#include "kern/kerncheck.h"

static oa__kern table;
#define RIGHT oa__kern_get(0)

/* --- quantize --- */

static void quantize_half_up(const oa__acts *out, const float *x, size_t x_stride, size_t n_tokens)
{
    RIGHT->quantize(out, x, x_stride, n_tokens);
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t i = 0; i < out->k; i++) {
            const float d = out->d[(t * out->k + i) / 32];
            if (d > 0 && d < INFINITY)
                out->q[t * out->k + i] = (int8_t)floorf(x[t * x_stride + i] / d + 0.5f);
        }
}

static void quantize_nan(const oa__acts *out, const float *x, size_t x_stride, size_t n_tokens)
{
    RIGHT->quantize(out, x, x_stride, n_tokens);
    for (size_t i = 0; i < n_tokens * (out->k / 32); i++)
        if (isnan(out->d[i])) out->d[i] = 0;
}

static void quantize_half_sum(const oa__acts *out, const float *x, size_t x_stride, size_t n_tokens)
{
    RIGHT->quantize(out, x, x_stride, n_tokens);
    out->isum16[1]++;
}

/* --- matmul: changes what the right one gave, or does it in another way --- */

static void matmul_ulp(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    RIGHT->matmul[a->type](k, a, g0, g1);
    if (g0 < g1 && g1 * 16 >= a->n_rows) {
        float *y = a->y + (a->n_tokens - 1) * a->y_stride + a->n_rows - 1;
        *y = nextafterf(*y, INFINITY);
    }
}

static void matmul_tail(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    RIGHT->matmul[a->type](k, a, g0, g1);
    if (a->n_rows % 16 && g1 * 16 >= a->n_rows && a->n_tokens > 1) a->y[a->n_rows] = 0;
}

static void matmul_past_end(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    RIGHT->matmul[a->type](k, a, g0, g1);
    ((volatile float *)a->y)[(a->n_tokens - 1) * a->y_stride + a->n_rows] = 0; /* a crash */
}

static void matmul_scribble(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    RIGHT->matmul[a->type](k, a, g0, g1);
    if (a->acts) a->acts->q[0] ^= 1;
}

/* u8 x s8 pairs added in 16 bits with saturation: fine until both are large. */
static void matmul_saturating(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    RIGHT->matmul[a->type](k, a, g0, g1);
    if (a->type != OA__Q8_0) return;
    for (size_t g = g0; g < g1; g++)
        for (size_t t = 0; t < a->n_tokens; t++)
            for (size_t row = 0; row < 16 && 16 * g + row < a->n_rows; row++) {
                const oa__pack_q8_0 *w = (const oa__pack_q8_0 *)a->w + g * (a->k / 32);
                const int8_t *q = a->acts->q + t * a->k;
                float off = 0;
                for (size_t i = 0; i < a->k; i += 2) {
                    const int8_t *e = w[i / 32].q + i % 32 / 4 * 64 + 4 * row + i % 4;
                    const int pair = (e[0] + 128) * q[i] + (e[1] + 128) * q[i + 1];
                    if (pair > 32767) off -= (float)(pair - 32767);
                    if (pair < -32768) off -= (float)(pair + 32768);
                }
                a->y[t * a->y_stride + 16 * g + row] += off;
            }
}

/* Blocks from the last to the first. */
static void matmul_backwards(const oa__kern *k, const oa__mm_args *a, size_t g0, size_t g1)
{
    RIGHT->matmul[a->type](k, a, g0, g1);
    if (a->type != OA__F32 || a->add) return;
    for (size_t g = g0; g < g1; g++)
        for (size_t t = 0; t < a->n_tokens; t++)
            for (size_t row = 0; row < 16 && 16 * g + row < a->n_rows; row++) {
                const float *w = (const float *)a->w + g * a->k * 16 + row;
                float acc = 0;
                for (size_t i = a->k; i-- > 0;)
                    acc = fmaf(w[16 * i], a->x[t * a->x_stride + i], acc);
                a->y[t * a->y_stride + 16 * g + row] = acc;
            }
}

/* --- the small ones --- */

static void rmsnorm_sequential(float *y, const float *x, const float *w, size_t n, float eps)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum = fmaf(x[i], x[i], sum);
    const float s = 1.0f / sqrtf(sum / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s * w[i];
}

static void rmsnorm_long(float *y, const float *x, const float *w, size_t n, float eps)
{
    RIGHT->rmsnorm(y, x, w, n, eps);
    if (n % 16) ((volatile float *)y)[n] = 0;
}

static void silu_libm(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = g[i] / (1.0f + (float)exp(-(double)g[i])) * (u ? u[i] : 1.0f);
}

static void gelu_libm(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)(0.5 * g[i] * (1 + erf(g[i] / sqrt(2.0)))) * (u ? u[i] : 1.0f);
}

static void gelu_by_tanh(float *y, const float *g, const float *u, size_t n)
{
    RIGHT->act[OA__ACT_GELU_TANH](y, g, u, n);
}

static void relu_needs_u(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (0 > g[i] ? 0 : g[i]) * (u ? u[i] : 0.0f);
}

static void layernorm_one_pass(float *y, const float *x, const float *w, const float *b, size_t n,
                               float eps)
{
    float sum = 0, sq = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        sq = fmaf(x[i], x[i], sq);
    }
    const float mean = sum / (float)n, s = 1 / sqrtf(sq / (float)n - mean * mean + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = fmaf((x[i] - mean) * s, w ? w[i] : 1, b ? b[i] : 0);
}

static void layernorm_no_fma(float *y, const float *x, const float *w, const float *b, size_t n,
                             float eps)
{
    RIGHT->layernorm(y, x, w, NULL, n, eps);
    for (size_t i = 0; i < n && b; i++)
        y[i] += b[i];
}

static void scale_long(float *y, float s, size_t n)
{
    RIGHT->scale(y, s, n);
    if (n % 16) ((volatile float *)y)[n] = 0;
}

static void softcap_libm(float *y, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = cap * tanhf(y[i] / cap);
}

static void add_twice(float *y, const float *x, size_t n)
{
    RIGHT->add(y, x, n);
    if (n == 33) RIGHT->add(y + 32, x + 32, 1);
}

static void rope_no_fma(float *x, const float *cs, size_t n_heads, size_t d_head, size_t d_rot,
                        bool neox)
{
    if (!neox) {
        RIGHT->rope(x, cs, n_heads, d_head, d_rot, neox);
        return;
    }
    for (size_t h = 0; h < n_heads; h++, x += d_head)
        for (size_t i = 0; i < d_rot / 2; i++) {
            const float a = x[i], b = x[i + d_rot / 2];
            x[i] = a * cs[2 * i] - b * cs[2 * i + 1];
            x[i + d_rot / 2] = a * cs[2 * i + 1] + b * cs[2 * i];
        }
}

static void kv_store_cut(void *k_page, void *v_page, const float *k, const float *v, size_t d,
                         size_t slot, uint32_t kv)
{
    RIGHT->kv_store(k_page, v_page, k, v, d, slot, kv);
    for (size_t i = 0; i < d && kv == OA__KV_F16; i++) { /* cuts instead of rounding */
        uint32_t bits;
        memcpy(&bits, &v[i], 4);
        const uint32_t e = bits >> 23 & 255;
        if (e > 113 && e < 142)
            ((uint16_t *)v_page)[slot * d + i] =
                (uint16_t)((bits >> 16 & 0x8000) | ((bits & 0x7fffffff) - (112u << 23)) >> 13);
    }
}

static void attn_unmasked(const oa__attn_args *a)
{
    oa__attn_args b = *a;
    uint32_t most = 0, all[128]; /* queries see what their neighbours see */
    for (size_t t = 0; t < a->n_q; t++)
        most = a->n_valid[t] > most ? a->n_valid[t] : most;
    for (size_t t = 0; t < a->n_q; t++)
        all[t] = most;
    b.n_valid = all;
    RIGHT->attn_page(&b);
}

static void attn_no_window(const oa__attn_args *a)
{
    oa__attn_args b = *a;
    b.n_skip = NULL;
    RIGHT->attn_page(&b);
}

static void attn_no_cap(const oa__attn_args *a)
{
    oa__attn_args b = *a;
    b.softcap = 0;
    RIGHT->attn_page(&b);
}

/* Adds 0 times what lies behind the last key: NaN when that is NaN. */
static void attn_zero_times(const oa__attn_args *a)
{
    RIGHT->attn_page(a);
    for (size_t t = 0; t < a->n_q && a->kv == OA__KV_F32; t++)
        for (size_t i = 0; i < a->d && a->n_valid[t] > 0; i++)
            for (size_t j = a->n_valid[t]; j < OA__KV_PAGE; j++)
                a->o[t * a->d + i] =
                    fmaf(0, ((const float *)a->v_page)[j * a->d + i], a->o[t * a->d + i]);
}

static void attn_end_divide(float *o, const float *ml, size_t n_q, size_t d)
{
    for (size_t i = 0; i < n_q * d; i++)
        o[i] /= ml[2 * (i / d) + 1];
}

static uint64_t peak_read_part(const void *data, size_t size)
{
    return RIGHT->peak_read(data, size - 64);
}

const oa__kern *wrong_kernel(size_t i, const char **name, const char **op)
{
    static const struct {
        const char *op, *name;
        void (*quantize)(const oa__acts *, const float *, size_t, size_t);
        oa__mm_fn matmul;
    } matrix[] = {
        {"quantize", "halves rounded up", quantize_half_up, NULL},
        {"quantize", "NaN lost", quantize_nan, NULL},
        {"quantize", "a sum of quants off", quantize_half_sum, NULL},
        {"matmul", "one unit in the last place", NULL, matmul_ulp},
        {"matmul", "writes between rows", NULL, matmul_tail},
        {"matmul", "writes past the end", NULL, matmul_past_end},
        {"matmul", "changes its input", NULL, matmul_scribble},
        {"matmul", "saturating pairs", NULL, matmul_saturating},
        {"matmul", "sums backwards", NULL, matmul_backwards},
    };
    static const struct {
        const char *op, *name;
        oa__kern k;
    } rest[] = {
        {"rmsnorm", "one partial sum", {.rmsnorm = rmsnorm_sequential}},
        {"rmsnorm", "writes past the end", {.rmsnorm = rmsnorm_long}},
        {"layernorm", "mean of squares less square of mean", {.layernorm = layernorm_one_pass}},
        {"layernorm", "no fma", {.layernorm = layernorm_no_fma}},
        {"act", "another exp", {.act[OA__ACT_SILU] = silu_libm}},
        {"act", "another erf", {.act[OA__ACT_GELU] = gelu_libm}},
        {"act", "tanh in place of erf", {.act[OA__ACT_GELU] = gelu_by_tanh}},
        {"act", "needs a factor", {.act[OA__ACT_RELU] = relu_needs_u}},
        {"scale", "one too many", {.scale = scale_long}},
        {"softcap", "another tanh", {.softcap = softcap_libm}},
        {"add", "tail twice", {.add = add_twice}},
        {"rope", "no fma", {.rope = rope_no_fma}},
        {"kv_store", "f16 cut, not rounded", {.kv_store = kv_store_cut}},
        {"attn_page", "no mask", {.attn_page = attn_unmasked}},
        {"attn_page", "zero times what is masked", {.attn_page = attn_zero_times}},
        {"attn_page", "no window", {.attn_page = attn_no_window}},
        {"attn_page", "no softcap", {.attn_page = attn_no_cap}},
        {"attn_end", "divides", {.attn_end = attn_end_divide}},
        {"peak", "reads a part", {.peak_read = peak_read_part}},
    };
    const size_t n_matrix = sizeof matrix / sizeof matrix[0];

    table = *RIGHT;
    table.name = "wrong";
    if (i < n_matrix) {
        *op = matrix[i].op;
        *name = matrix[i].name;
        if (matrix[i].quantize) table.quantize = matrix[i].quantize;
        for (size_t t = 0; t < 32 && matrix[i].matmul; t++)
            if (table.matmul[t]) table.matmul[t] = matrix[i].matmul;
        return &table;
    }
    i -= n_matrix;
    if (i >= sizeof rest / sizeof rest[0]) return NULL;
    *op = rest[i].op;
    *name = rest[i].name;
#define TAKE(field)                                                                                \
    if (rest[i].k.field) table.field = rest[i].k.field
    TAKE(rmsnorm);
    TAKE(layernorm);
    for (size_t f = 0; f < OA__N_ACTS; f++)
        TAKE(act[f]);
    TAKE(scale);
    TAKE(softcap);
    TAKE(add);
    TAKE(rope);
    TAKE(kv_store);
    TAKE(attn_page);
    TAKE(attn_end);
    TAKE(peak_read);
    return &table;
}
