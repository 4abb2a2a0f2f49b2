/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape SHAPE TYPE FILE [KEY=VALUE ...]: write a model of a known shape with random weights, for
 * measuring. Blocks are random bits with scales that keep activations near 1; nothing is quantised,
 * so a file is made about as fast as it is written. Types of single tensors are those that
 * `openassistant quantize` chooses. The same arguments give the same bytes.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/shape_fill.h"
#include "util/shape_vocab.h"

typedef struct shape {
    const char *name, *arch, *help;
    uint32_t layers, width, heads, heads_kv, ff, vocab, context, rot;
    bool tied; /* the output matrix is the embedding's */
} shape;

static const shape shapes[] = {
    {"tiny", "llama", "the smallest that takes all types", 2, 256, 4, 2, 512, 512, 16384, 64,
     false},
    {"tiny-neox", "gptneox", "the same with parallel halves", 2, 256, 4, 4, 512, 512, 16384, 16,
     false},
    {"smollm-135m", "llama", "SmolLM2-135M", 30, 576, 9, 3, 1536, 49152, 8192, 64, true},
    {"llama-1.1b", "llama", "TinyLlama", 22, 2048, 32, 4, 5632, 32000, 16384, 64, false},
    {"llama-30b", "llama", "LLaMA-30B", 60, 6656, 52, 52, 17920, 32000, 2048, 128, false},
    {"neox-410m", "gptneox", "Pythia-410M", 24, 1024, 16, 16, 4096, 50304, 2048, 16, false},
};

typedef struct maker {
    shape s;
    uint64_t seed;
    const oa__recipe *recipe;
    oa__recipe_model model;
    oa__gguf_writer *w;
    shape_tensor *tensors;
    size_t n, cap, buf_size;
    uint8_t *buf;
} maker;

/* --- what a shape consists of -------------------------------------------------------------------
 */

/* n_in 0: a vector, around `middle`. */
static int add(maker *m, const char *name, uint64_t n_out, uint64_t n_in, float middle)
{
    oa__gguf_tensor t = {.name = name, .type = OA__F32, .n_dims = n_in ? 2 : 1};
    t.dims[0] = n_in ? n_in : n_out;
    t.dims[1] = n_in ? n_out : 1;
    t.dims[2] = t.dims[3] = 1;
    if (oa__recipe_takes(&t))
        t.type = oa__recipe_fallback(oa__recipe_type(m->recipe, &m->model, false, &t), t.dims[0]);
    OA__TRY(oa__grow(NULL, (void **)&m->tensors, &m->cap, m->n + 1, sizeof *m->tensors));
    /* Rows that are looked up come as they are, others are summed over. */
    const bool looked_up = strcmp(name, "token_embd.weight") == 0;
    shape_tensor *f = &m->tensors[m->n++];
    *f = (shape_tensor){.type = t.type, .n_cols = t.dims[0], .n_rows = t.dims[1], .middle = middle};
    f->spread = n_in == 0 ? 0.05f : looked_up ? 1.0f : (float)(1 / sqrt((double)n_in));
    OA__TRY(oa__type_row_size(t.type, t.dims[0], &f->row_size));
    if (f->row_size * f->n_rows > m->buf_size) m->buf_size = f->row_size * f->n_rows;
    return oa__gguf_writer_tensor(m->w, name, t.type, t.n_dims, t.dims);
}

typedef struct part {
    const char *name;
    uint32_t n_out, n_in; /* n_in 0: a vector */
    float middle;
} part;

static int add_layers(maker *m, const part *parts, size_t n)
{
    char name[64];
    for (uint32_t i = 0; i < m->s.layers; i++)
        for (size_t k = 0; k < n; k++) {
            snprintf(name, sizeof name, "blk.%u.%s", (unsigned)i, parts[k].name);
            OA__TRY(add(m, name, parts[k].n_out, parts[k].n_in, parts[k].middle));
        }
    return OA_OK;
}

static int add_tensors(maker *m)
{
    const uint32_t d = m->s.width, ff = m->s.ff, kv = d / m->s.heads * m->s.heads_kv;
    const part llama[] = {{"attn_norm.weight", d, 0, 1},   {"attn_q.weight", d, d, 0},
                          {"attn_k.weight", kv, d, 0},     {"attn_v.weight", kv, d, 0},
                          {"attn_output.weight", d, d, 0}, {"ffn_norm.weight", d, 0, 1},
                          {"ffn_gate.weight", ff, d, 0},   {"ffn_up.weight", ff, d, 0},
                          {"ffn_down.weight", d, ff, 0}};
    const part neox[] = {{"attn_norm.weight", d, 0, 1},    {"attn_norm.bias", d, 0, 0},
                         {"attn_qkv.weight", 3 * d, d, 0}, {"attn_qkv.bias", 3 * d, 0, 0},
                         {"attn_output.weight", d, d, 0},  {"attn_output.bias", d, 0, 0},
                         {"ffn_norm.weight", d, 0, 1},     {"ffn_norm.bias", d, 0, 0},
                         {"ffn_up.weight", ff, d, 0},      {"ffn_up.bias", ff, 0, 0},
                         {"ffn_down.weight", d, ff, 0},    {"ffn_down.bias", d, 0, 0}};
    const bool is_neox = strcmp(m->s.arch, "gptneox") == 0;
    OA__TRY(add(m, "token_embd.weight", m->s.vocab, d, 0));
    OA__TRY(is_neox ? add_layers(m, neox, OA__ARRAY_LEN(neox))
                    : add_layers(m, llama, OA__ARRAY_LEN(llama)));
    OA__TRY(add(m, "output_norm.weight", d, 0, 1));
    if (is_neox) OA__TRY(add(m, "output_norm.bias", d, 0, 0));
    return m->s.tied ? OA_OK : add(m, "output.weight", m->s.vocab, d, 0);
}

static int add_meta(maker *m)
{
    const bool is_neox = strcmp(m->s.arch, "gptneox") == 0;
    const struct {
        const char *key;
        uint32_t v;
    } keys[] = {{"block_count", m->s.layers},         {"context_length", m->s.context},
                {"embedding_length", m->s.width},     {"feed_forward_length", m->s.ff},
                {"attention.head_count", m->s.heads}, {"attention.head_count_kv", m->s.heads_kv},
                {"rope.dimension_count", m->s.rot},   {"vocab_size", m->s.vocab}};
    char key[96];
    OA__TRY(oa__gguf_writer_str(m->w, "general.architecture", m->s.arch, strlen(m->s.arch)));
    snprintf(key, sizeof key, "random %s", m->s.name);
    OA__TRY(oa__gguf_writer_str(m->w, "general.name", key, strlen(key)));
    OA__TRY(oa__gguf_writer_u32(m->w, "general.file_type", m->recipe->file_type));
    for (size_t i = 0; i < OA__ARRAY_LEN(keys); i++) {
        snprintf(key, sizeof key, "%s.%s", m->s.arch, keys[i].key);
        OA__TRY(oa__gguf_writer_u32(m->w, key, keys[i].v));
    }
    snprintf(key, sizeof key, "%s.attention.layer_norm_%sepsilon", m->s.arch,
             is_neox ? "" : "rms_");
    OA__TRY(oa__gguf_writer_f32(m->w, key, 1e-5f));
    if (is_neox) OA__TRY(oa__gguf_writer_bool(m->w, "gptneox.use_parallel_residual", true));
    return shape_vocab(m->w, m->s.vocab);
}

/* --- the program ------------------------------------------------------------------------------ */

static int give(void *arg, size_t i, uint64_t done, const void **data)
{
    maker *m = arg;
    (void)done;
    shape_fill(&m->tensors[i], m->seed + i * 0x10001u, m->buf);
    *data = m->buf;
    return OA_OK;
}

static int make(maker *m, const char *path)
{
    int rc;
    m->model = (oa__recipe_model){
        .n_layers = m->s.layers, .n_shared = m->s.heads / m->s.heads_kv, .tied = m->s.tied};
    OA__TRY(oa__gguf_writer_new(&m->w, NULL));
    OA__TRY_GOTO(add_meta(m));
    OA__TRY_GOTO(add_tensors(m));
    m->buf = oa__alloc(NULL, m->buf_size);
    rc = m->buf ? oa__gguf_writer_save(m->w, path, give, m, NULL) : OA_ENOMEM;
fail:
    oa__free(NULL, m->buf);
    oa__free(NULL, m->tensors);
    oa__gguf_writer_free(m->w);
    return rc;
}

static bool set(maker *m, const char *word)
{
    const struct {
        const char *key;
        uint32_t *v;
    } keys[] = {{"layers=", &m->s.layers},     {"width=", &m->s.width}, {"heads=", &m->s.heads},
                {"heads_kv=", &m->s.heads_kv}, {"ff=", &m->s.ff},       {"vocab=", &m->s.vocab},
                {"context=", &m->s.context},   {"rot=", &m->s.rot}};
    if (strncmp(word, "seed=", 5) == 0) return m->seed = strtoull(word + 5, NULL, 10), true;
    for (size_t i = 0; i < OA__ARRAY_LEN(keys); i++) {
        const size_t n = strlen(keys[i].key);
        if (strncmp(word, keys[i].key, n) != 0) continue;
        *keys[i].v = (uint32_t)strtoul(word + n, NULL, 10);
        return *keys[i].v > 0;
    }
    return false;
}

static int usage(void)
{
    fprintf(stderr, "use: shape SHAPE TYPE FILE [KEY=VALUE ...]\n"
                    "keys: layers width heads heads_kv ff vocab context rot seed\nshapes:\n");
    for (size_t i = 0; i < OA__ARRAY_LEN(shapes); i++)
        fprintf(stderr, "  %-12s %s\n", shapes[i].name, shapes[i].help);
    return 2;
}

int main(int argc, char **argv)
{
    maker m = {.seed = 1};
    for (size_t i = 0; argc >= 4 && i < OA__ARRAY_LEN(shapes); i++)
        if (strcmp(shapes[i].name, argv[1]) == 0) m.s = shapes[i];
    if (m.s.name == NULL) return usage();
    for (int i = 4; i < argc; i++)
        if (!set(&m, argv[i])) return usage();
    m.recipe = oa__recipe_find(argv[2]);
    if (m.recipe == NULL || make(&m, argv[3]) < 0) {
        fprintf(stderr, "shape: %s\n", oa_error_last());
        return 1;
    }
    return 0;
}
