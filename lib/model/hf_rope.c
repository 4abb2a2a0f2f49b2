/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotary positions of config.json, in its newer form ("rope_parameters", for Gemma 3 one per kind
 * of layer) and the older ones ("rope_theta" and "rope_scaling" with a "type" or "rope_type").
 */
#include "model/hf.h"

#include <math.h>
#include <string.h>

enum { MAX_CONTEXT = 1 << 28, MAX_ROT = 4096 };

typedef struct rope {
    const json_t *block; /* may be NULL */
    const char *type;
    double base, part, factor;
    bool has_factor;
    uint32_t d_rot, n_ctx_old;
} rope;

/* Members that are read below, or change nothing. */
static int check_members(const json_t *block)
{
    static const char *const known[] = {
        "rope_type",
        "type",
        "rope_theta",
        "factor",
        "short_factor",
        "long_factor",
        "low_freq_factor",
        "high_freq_factor",
        "mscale",
        "beta_fast",
        "partial_rotary_factor",
        "attention_factor",
        "mscale_all_dim",
        "beta_slow",
        "original_max_position_embeddings",
        "truncate",
        "finetuned",
    };
    const char *name;
    json_t *v;
    if (block != NULL && !json_is_object(block)) {
        return oa__err(OA_EFORMAT, "config.json: rope_parameters or rope_scaling is no object");
    }
    json_object_foreach((json_t *)(uintptr_t)block, name, v)
    {
        bool found = json_is_null(v);
        for (size_t i = 0; i < OA__ARRAY_LEN(known) && !found; i++)
            found = strcmp(known[i], name) == 0;
        if (!found) {
            return oa__err(OA_EUNSUPPORTED,
                           "config.json: rope parameter \"%.64s\" is not supported", name);
        }
    }
    return OA_OK;
}

/* The blocks of global and of local layers. */
static int find_blocks(const oa__hf *h, const json_t **global, const json_t **local)
{
    const json_t *block = oa__hf_get(h->config, "rope_parameters");
    if (block == NULL) block = oa__hf_get(h->config, "rope_scaling");
    *global = block;
    *local = NULL;
    if (h->family->bit == OA__HF_GEMMA3 && oa__hf_get(block, "full_attention") != NULL) {
        *global = oa__hf_get(block, "full_attention");
        *local = oa__hf_get(block, "sliding_attention");
        OA__TRY(check_members(*local));
    }
    return check_members(*global);
}

static int read_rope(const oa__hf *h, rope *r)
{
    r->type = "default";
    r->base = h->family->rope_base;
    r->part = h->family->rotary_part;
    r->factor = 1;
    OA__TRY(oa__hf_str(r->block, "type", &r->type, NULL));
    OA__TRY(oa__hf_str(r->block, "rope_type", &r->type, NULL));
    OA__TRY(oa__hf_f64(h->config, "rotary_emb_base", 1, 1e12, &r->base, NULL));
    OA__TRY(oa__hf_f64(h->config, "rope_theta", 1, 1e12, &r->base, NULL));
    OA__TRY(oa__hf_f64(r->block, "rope_theta", 1, 1e12, &r->base, NULL));
    OA__TRY(oa__hf_f64(h->config, "rotary_pct", 0, 1, &r->part, NULL));
    OA__TRY(oa__hf_f64(h->config, "partial_rotary_factor", 0, 1, &r->part, NULL));
    OA__TRY(oa__hf_f64(r->block, "partial_rotary_factor", 0, 1, &r->part, NULL));
    OA__TRY(oa__hf_f64(r->block, "factor", 1e-6, 1e6, &r->factor, &r->has_factor));
    r->n_ctx_old = h->n_ctx;
    OA__TRY(oa__hf_u32(h->config, "original_max_position_embeddings", 1, MAX_CONTEXT, &r->n_ctx_old,
                       NULL));
    OA__TRY(oa__hf_u32(r->block, "original_max_position_embeddings", 1, MAX_CONTEXT, &r->n_ctx_old,
                       NULL));
    r->d_rot = (uint32_t)(h->d_head * r->part);
    if (r->d_rot == 0 || r->d_rot > MAX_ROT || r->d_rot % 2 != 0) {
        return oa__err(OA_EUNSUPPORTED,
                       "config.json: %u of %u dimensions turn, want an even number up to %d",
                       r->d_rot, h->d_head, MAX_ROT);
    }
    /* Where rows are reordered for the pairs to be neighbours, whole heads turn. */
    const bool whole = strcmp(h->family->arch, "llama") == 0 ||
                       strcmp(h->family->arch, "smollm3") == 0 ||
                       strcmp(h->family->arch, "granite") == 0;
    if (whole && r->d_rot != h->d_head) {
        return oa__err(OA_EUNSUPPORTED, "config.json: %u of %u dimensions turn, want all", r->d_rot,
                       h->d_head);
    }
    return OA_OK;
}

static int write_type(oa__hf *h, const char *type)
{
    return oa__gguf_writer_str(h->w, oa__hf_key(h, "rope.scaling.type"), type, strlen(type));
}

static int write_factor(oa__hf *h, const rope *r)
{
    if (!r->has_factor) {
        return oa__err(OA_EFORMAT, "config.json: rope scaling \"%s\" without factor", r->type);
    }
    return oa__gguf_writer_f32(h->w, oa__hf_key(h, "rope.scaling.factor"), (float)r->factor);
}

static int write_old_context(oa__hf *h, const rope *r)
{
    return oa__gguf_writer_u32(h->w, oa__hf_key(h, "rope.scaling.original_context_length"),
                               r->n_ctx_old);
}

static double yarn_scale(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * oa__math_log(factor) + 1;
}

static int write_yarn(oa__hf *h, const rope *r)
{
    bool found, all;
    double v = 0, w = 0;
    bool truncate = true;
    OA__TRY(write_type(h, "yarn"));
    OA__TRY(write_factor(h, r));
    OA__TRY(write_old_context(h, r));
    OA__TRY(oa__hf_bool(r->block, "truncate", &truncate, NULL));
    if (!truncate) {
        return oa__err(OA_EUNSUPPORTED, "config.json: rope parameter truncate is false, want true");
    }
    OA__TRY(oa__hf_f64(r->block, "attention_factor", 1e-3, 1e3, &v, &found));
    if (!found) {
        OA__TRY(oa__hf_f64(r->block, "mscale", 0, 1e3, &v, &found));
        OA__TRY(oa__hf_f64(r->block, "mscale_all_dim", 0, 1e3, &w, &all));
        found = v != 0 && w != 0;
        if (found) v = yarn_scale(r->factor, v) / yarn_scale(r->factor, w);
    }
    if (found) {
        OA__TRY(
            oa__gguf_writer_f32(h->w, oa__hf_key(h, "rope.scaling.yarn_attn_factor"), (float)v));
    }
    OA__TRY(oa__hf_f64(r->block, "beta_fast", 1e-3, 1e6, &v, &found));
    if (found) {
        OA__TRY(oa__gguf_writer_f32(h->w, oa__hf_key(h, "rope.scaling.yarn_beta_fast"), (float)v));
    }
    OA__TRY(oa__hf_f64(r->block, "beta_slow", 1e-3, 1e6, &v, &found));
    if (!found) return OA_OK;
    return oa__gguf_writer_f32(h->w, oa__hf_key(h, "rope.scaling.yarn_beta_slow"), (float)v);
}

/* Llama 3: each pair's turn divided by a number between 1 and factor, by its wavelength. In
 * floats, in the order in which transformers computes. */
static int write_llama3(oa__hf *h, const rope *r)
{
    const double pi = 3.14159265358979323846;
    double low = 1, high = 4;
    bool has_low, has_high;
    float by[MAX_ROT / 2];
    OA__TRY(oa__hf_f64(r->block, "low_freq_factor", 1e-6, 1e6, &low, &has_low));
    OA__TRY(oa__hf_f64(r->block, "high_freq_factor", 1e-6, 1e6, &high, &has_high));
    if (!r->has_factor || !has_low || !has_high || !(high > low)) {
        return oa__err(OA_EFORMAT, "config.json: rope scaling \"llama3\" wants factor, "
                                   "low_freq_factor and a greater high_freq_factor");
    }
    const double old = r->n_ctx_old;
    for (uint32_t i = 0; i < r->d_rot / 2; i++) {
        const float exponent = (float)(2 * i) / (float)r->d_rot;
        const float turn = 1.0f / (float)oa__math_pow(r->base, exponent);
        const float wave = (float)(2 * pi) / turn;
        if (wave < old / high) {
            by[i] = 1;
        } else if (wave > old / low) {
            by[i] = (float)r->factor;
        } else {
            const double smooth = (old / wave - low) / (high - low);
            by[i] = (float)(1 / ((1 - smooth) / r->factor + smooth));
        }
    }
    return oa__assembly_add_floats(h->assembly, h->w, "rope_freqs.weight", by, r->d_rot / 2);
}

static int write_long_factors(oa__hf *h, const rope *r, const char *member, const char *name)
{
    float by[MAX_ROT / 2];
    const json_t *list = oa__hf_get(r->block, member);
    const size_t n = r->d_rot / 2;
    if (!json_is_array(list) || json_array_size(list) != n) {
        return oa__err(OA_EFORMAT, "config.json: %s is no list of %zu numbers", member, n);
    }
    for (size_t i = 0; i < n; i++) {
        const double v = json_number_value(json_array_get(list, i));
        if (!(v >= 1e-6 && v <= 1e6)) {
            return oa__err(OA_EFORMAT, "config.json: element %zu of %s is out of range", i, member);
        }
        by[i] = (float)v;
    }
    return oa__assembly_add_floats(h->assembly, h->w, name, by, n);
}

static int write_longrope(oa__hf *h, const rope *r)
{
    const double factor = r->has_factor ? r->factor : (double)h->n_ctx / r->n_ctx_old;
    double magnitude = 1;
    if (factor > 1 && r->n_ctx_old > 1) {
        magnitude = sqrt(1 + oa__math_log(factor) / oa__math_log(r->n_ctx_old));
    }
    OA__TRY(oa__hf_f64(r->block, "attention_factor", 1e-3, 1e3, &magnitude, NULL));
    OA__TRY(write_type(h, "longrope"));
    OA__TRY(write_old_context(h, r));
    OA__TRY(oa__gguf_writer_f32(h->w, oa__hf_key(h, "rope.scaling.attn_factor"), (float)magnitude));
    OA__TRY(write_long_factors(h, r, "long_factor", "rope_factors_long.weight"));
    return write_long_factors(h, r, "short_factor", "rope_factors_short.weight");
}

static int write_scaling(oa__hf *h, const rope *r)
{
    if (strcmp(r->type, "default") == 0) return OA_OK;
    if (strcmp(r->type, "linear") == 0) {
        OA__TRY(write_type(h, "linear"));
        return write_factor(h, r);
    }
    if (strcmp(r->type, "dynamic") == 0) {
        OA__TRY(write_type(h, "dynamic"));
        OA__TRY(write_factor(h, r));
        /* The old context is what the model says it can do, whatever else is written. */
        return oa__gguf_writer_u32(h->w, oa__hf_key(h, "rope.scaling.original_context_length"),
                                   h->n_ctx);
    }
    if (strcmp(r->type, "yarn") == 0) return write_yarn(h, r);
    if (strcmp(r->type, "llama3") == 0) return write_llama3(h, r);
    if (strcmp(r->type, "longrope") == 0 || strcmp(r->type, "su") == 0) return write_longrope(h, r);
    return oa__err(OA_EUNSUPPORTED,
                   "config.json: rope scaling \"%.64s\" is not supported; known: default, linear, "
                   "dynamic, yarn, llama3, longrope",
                   r->type);
}

/* Gemma 3's layers with a window turn from a base of their own, unscaled. */
static int write_local(oa__hf *h, const json_t *local)
{
    double base = 1e4;
    const char *type = "default";
    if (h->family->bit != OA__HF_GEMMA3) return OA_OK;
    OA__TRY(oa__hf_f64(h->config, "rope_local_base_freq", 1, 1e12, &base, NULL));
    OA__TRY(oa__hf_f64(local, "rope_theta", 1, 1e12, &base, NULL));
    OA__TRY(oa__hf_str(local, "rope_type", &type, NULL));
    if (strcmp(type, "default") != 0) {
        return oa__err(OA_EUNSUPPORTED, "config.json: rope scaling \"%.64s\" of sliding_attention",
                       type);
    }
    return oa__gguf_writer_f32(h->w, oa__hf_key(h, "rope.freq_base_swa"), (float)base);
}

int oa__hf_rope(oa__hf *h)
{
    rope r = {0};
    const json_t *local;
    if (h->family->rope_base == 0) return OA_OK;
    OA__TRY(find_blocks(h, &r.block, &local));
    OA__TRY(read_rope(h, &r));
    OA__TRY(oa__gguf_writer_u32(h->w, oa__hf_key(h, "rope.dimension_count"), r.d_rot));
    OA__TRY(oa__gguf_writer_f32(h->w, oa__hf_key(h, "rope.freq_base"), (float)r.base));
    OA__TRY(write_local(h, local));
    return write_scaling(h, &r);
}
