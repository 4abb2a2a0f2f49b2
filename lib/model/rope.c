/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotary positions. The numbers follow the float arithmetic of the reference implementations, so
 * that angles of thousands of radians agree:
 *
 *     turn[i] = 1 / (float)(base ^ (2 i / d_rot)), changed as the scaling wants
 *     angle = (float)pos * turn[i]          rounded to float
 *     cos, sin of that float in double, rounded to float; times the magnitude
 *
 *     linear     turn / factor
 *     dynamic    the base grows with the length: at position p with that of a sequence of p + 1,
 *                so that a position's keys do not depend on what came with it in one pass
 *     yarn       slow pairs as linear, fast ones as they are, a ramp in between; magnitude
 *                1 + ln(factor) / 10
 *     llama3     turn / factor of a tensor, one per pair
 *     longrope   the same with one of two tensors: short, or long for contexts beyond the original
 *
 * Nothing is cached by position: a row costs a microsecond, once for all layers.
 */
#include "model/model_priv.h"

#include <math.h>

enum { MAX_ROT = 512, MAX_CONTEXT = 1 << 28 };

/* --- keys ------------------------------------------------------------------------------------ */

int oa__rope_read(oa__keys *k, const oa__arch *a, oa__hparams *hp)
{
    static const char *const names[] = {
        [OA__ROPE_PLAIN] = "none",   [OA__ROPE_LINEAR] = "linear", [OA__ROPE_DYNAMIC] = "dynamic",
        [OA__ROPE_YARN] = "yarn",    [OA__ROPE_LLAMA3] = "llama3", [OA__ROPE_LONG] = "longrope",
        [OA__N_ROPE_SCALINGS] = NULL};
    oa__rope_params *r = &hp->rope;
    *r = (oa__rope_params){.base = 10000, .factor = 1, .d_rot = hp->d_head};
    OA__TRY(oa__keys_u32(k, "rope.dimension_count", 1, MAX_ROT, &r->d_rot));
    OA__TRY(oa__keys_f64(k, "rope.freq_base", 1, 1e12, &r->base));
    r->base_local = a->rope_base_local ? a->rope_base_local : r->base;
    OA__TRY(oa__keys_f64(k, "rope.freq_base_swa", 1, 1e12, &r->base_local));
    r->n_ctx_old = hp->n_ctx_train;
    OA__TRY(oa__keys_u32(k, "rope.scaling.original_context_length", 1, MAX_CONTEXT, &r->n_ctx_old));

    if (oa__keys_has(k, "rope.scaling.type")) {
        OA__TRY(oa__keys_name(k, "rope.scaling.type", names, &r->scaling));
        if (r->scaling != OA__ROPE_PLAIN) {
            OA__TRY(oa__keys_f64(k, "rope.scaling.factor", 1e-6, 1e6, &r->factor));
        }
    } else if (oa__keys_has(k, "rope.scale_linear")) {
        OA__TRY(oa__keys_f64(k, "rope.scale_linear", 1e-6, 1e6, &r->factor));
        r->scaling = OA__ROPE_LINEAR;
    }
    /* Files of Phi-3 have the tensors and do not name the scaling. */
    if (r->scaling == OA__ROPE_PLAIN && oa__gguf_tensor_find(k->g, "rope_factors_long.weight")) {
        r->scaling = OA__ROPE_LONG;
    }
    if (r->scaling == OA__ROPE_LLAMA3 && !oa__gguf_tensor_find(k->g, "rope_freqs.weight")) {
        return oa__err(OA_EUNSUPPORTED,
                       "rope scaling is llama3, but there is no rope_freqs.weight");
    }
    double magnitude = 1, more = 1;
    if (r->scaling == OA__ROPE_YARN) {
        r->beta_fast = 32;
        r->beta_slow = 1;
        OA__TRY(oa__keys_f64(k, "rope.scaling.yarn_beta_fast", 1e-3, 1e6, &r->beta_fast));
        OA__TRY(oa__keys_f64(k, "rope.scaling.yarn_beta_slow", 1e-3, 1e6, &r->beta_slow));
        if (r->factor > 1) magnitude = 0.1 * oa__math_log(r->factor) + 1;
        OA__TRY(oa__keys_f64(k, "rope.scaling.yarn_attn_factor", 1e-3, 1e3, &magnitude));
    }
    if (r->scaling == OA__ROPE_YARN || r->scaling == OA__ROPE_LONG) {
        OA__TRY(oa__keys_f64(k, "rope.scaling.attn_factor", 1e-3, 1e3, &more));
    }
    r->magnitude = (float)(magnitude * more);
    return OA_OK;
}

int oa__rope_check(const oa__hparams *hp)
{
    const oa__rope_params *r = &hp->rope;
    if (r->d_rot % 2 != 0 || r->d_rot > hp->d_head) {
        return oa__err(OA_EUNSUPPORTED,
                       "%u dimensions of heads of width %u turn, want an even "
                       "number up to the width",
                       r->d_rot, hp->d_head);
    }
    if (r->scaling == OA__ROPE_DYNAMIC && (r->d_rot <= 2 || r->factor < 1)) {
        return oa__err(OA_EUNSUPPORTED,
                       "dynamic rope scaling of %u dimensions by %g, want more than 2 by at least "
                       "1",
                       r->d_rot, r->factor);
    }
    if (r->scaling == OA__ROPE_YARN && r->base <= 1) {
        return oa__err(OA_EUNSUPPORTED, "yarn rope scaling of base %g, want more than 1", r->base);
    }
    return OA_OK;
}

/* --- turns per position ---------------------------------------------------------------------- */

static float base_power(double base, uint32_t i, uint32_t d_rot)
{
    const float exponent = (float)(2 * i) / (float)d_rot;
    return (float)oa__math_pow(base, exponent);
}

/* The pair that makes so many turns over the original context. */
static double yarn_pair(const oa__rope_params *r, double n_turns)
{
    const double pi = 3.14159265358979323846;
    return r->d_rot * oa__math_log(r->n_ctx_old / (n_turns * 2 * pi)) / (2 * oa__math_log(r->base));
}

static void yarn_turns(const oa__rope_params *r, float *turn)
{
    double low = floor(yarn_pair(r, r->beta_fast)), high = ceil(yarn_pair(r, r->beta_slow));
    if (!(low > 0)) low = 0;
    if (!(high < r->d_rot - 1)) high = r->d_rot - 1;
    if (low == high) high += 0.001;
    for (uint32_t i = 0; i < r->d_rot / 2; i++) {
        const float power = base_power(r->base, i, r->d_rot);
        const float fast = 1.0f / power, slow = 1.0f / ((float)r->factor * power);
        float ramp = ((float)i - (float)low) / (float)(high - low);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        turn[i] = slow * ramp + fast * (1 - ramp);
    }
}

static int divide(float *turn, const float *by, uint32_t n, const char *name)
{
    for (uint32_t i = 0; by != NULL && i < n; i++) {
        if (!(by[i] >= 1e-6f && by[i] <= 1e6f)) {
            return oa__err(OA_EFORMAT, "tensor %s: element %u is out of range", name, i);
        }
        turn[i] /= by[i];
    }
    return OA_OK;
}

static int new_turns(oa_model *m, double base, float factor, float **out)
{
    const uint32_t d_rot = m->hp.rope.d_rot;
    float *turn = oa__alloc_array(&m->mem, d_rot / 2, sizeof *turn);
    if (turn == NULL) return OA_ENOMEM;
    for (uint32_t i = 0; i < d_rot / 2; i++)
        turn[i] = (1.0f / base_power(base, i, d_rot)) / factor;
    *out = turn;
    return OA_OK;
}

static int global_rope(oa_model *m, oa__rope *rope)
{
    const oa__rope_params *r = &m->hp.rope;
    const uint32_t half = r->d_rot / 2;
    const bool is_long = r->scaling == OA__ROPE_LONG;
    rope->magnitude = r->magnitude;
    rope->dynamic = r->scaling == OA__ROPE_DYNAMIC;
    OA__TRY(
        new_turns(m, r->base, r->scaling == OA__ROPE_LINEAR ? (float)r->factor : 1, &rope->turn));
    if (r->scaling == OA__ROPE_YARN) yarn_turns(r, rope->turn);
    OA__TRY(divide(rope->turn, m->vecs[OA__V_ROPE_FREQS], half, "rope_freqs.weight"));
    if (!is_long) return OA_OK;
    if (m->vecs[OA__V_ROPE_SHORT] == NULL || m->vecs[OA__V_ROPE_LONG] == NULL) {
        return oa__err(OA_EFORMAT,
                       "rope scaling is longrope, but rope_factors_%s.weight is missing",
                       m->vecs[OA__V_ROPE_SHORT] == NULL ? "short" : "long");
    }
    OA__TRY(new_turns(m, r->base, 1, &rope->turn_long));
    OA__TRY(divide(rope->turn, m->vecs[OA__V_ROPE_SHORT], half, "rope_factors_short.weight"));
    return divide(rope->turn_long, m->vecs[OA__V_ROPE_LONG], half, "rope_factors_long.weight");
}

/* Of layers with a window: the same scaling, or none, from a base of their own. */
static int local_rope(oa_model *m, oa__rope *rope)
{
    const oa__rope_params *r = &m->hp.rope;
    const bool linear = r->scaling == OA__ROPE_LINEAR && !m->arch->local_unscaled;
    rope->magnitude = 1;
    return new_turns(m, r->base_local, linear ? (float)r->factor : 1, &rope->turn);
}

int oa__rope_init(oa_model *m)
{
    if (m->hp.n_ropes == 0) return OA_OK;
    OA__TRY(global_rope(m, &m->ropes[OA__ROPE_GLOBAL]));
    if (m->hp.n_ropes > 1) OA__TRY(local_rope(m, &m->ropes[OA__ROPE_LOCAL]));
    return OA_OK;
}

void oa__rope_free(oa_model *m)
{
    for (size_t i = 0; i < OA__N_ROPES; i++) {
        oa__free(&m->mem, m->ropes[i].turn);
        oa__free(&m->mem, m->ropes[i].turn_long);
    }
}

/* --- one position ---------------------------------------------------------------------------- */

void oa__rope_cos_sin(const oa_model *m, const oa__rope *rope, uint32_t pos, bool is_long,
                      float *cs)
{
    const oa__rope_params *r = &m->hp.rope;
    const float *turn = is_long && rope->turn_long != NULL ? rope->turn_long : rope->turn;
    double base = 0; /* as of the file */
    if (rope->dynamic && pos >= r->n_ctx_old) {
        const double n = pos + 1.0;
        base = r->base * oa__math_pow(r->factor * n / r->n_ctx_old - (r->factor - 1),
                                      r->d_rot / (r->d_rot - 2.0));
    }
    for (uint32_t i = 0; i < r->d_rot / 2; i++) {
        const float t = base > 0 ? 1.0f / base_power(base, i, r->d_rot) : turn[i];
        const float angle = (float)pos * t;
        cs[2 * i] = (float)oa__math_cos(angle) * rope->magnitude;
        cs[2 * i + 1] = (float)oa__math_sin(angle) * rope->magnitude;
    }
}
