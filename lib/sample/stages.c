/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages that remove candidates or scale them, and the chain.
 *
 * A stage whose parameter is off does not even make the list. No stage removes the last candidate.
 */
#include "sample/sample_priv.h"

#define INF __builtin_inf()
#define LN2 0.693147180559945309417

/* How many candidates are sorted at first where it is not known how many will be needed. */
#define FIRST_LOOK 64

static int none_left(void)
{
    return oa__err(OA_ELIMIT, "no token is left to pick from");
}

static int stage_bias(oa__run *r)
{
    oa_sampler *s = r->s;
    if (s->n_bias == 0) return OA_OK;
    OA__TRY(oa__run_dense(r));
    for (size_t i = 0; i < s->bias_cap; i++) {
        const oa__bias *b = &s->bias[i];
        if (b->id < 0 || (size_t)b->id >= r->n) continue;
        double v = s->val[b->id] + (double)b->bias;
        s->val[b->id] = b->bias == -__builtin_inff() ? -INF : v;
    }
    oa__run_gather(r);
    return OA_OK;
}

/* Fan et al. 2018, "Hierarchical neural story generation", section 5.4. */
static int stage_top_k(oa__run *r)
{
    const double k = r->s->value[OA__PARAM_TOP_K];
    if (k == 0) return OA_OK;
    return oa__run_list_top(r, (size_t)k);
}

/* Cut the list to the fewest first candidates whose w sum to at least `want`, at least one. */
static void keep_mass(oa__run *r, double want)
{
    double sum = 0;
    size_t n = 0, look = FIRST_LOOK;
    while (n < r->n_c) {
        if (n >= r->n_sorted) {
            oa__cand_sort(r, look);
            look = look > r->n_c / 8 ? r->n_c : look * 8;
        }
        sum += r->c[n++].w;
        if (sum >= want) break;
    }
    r->n_c = n;
    if (r->n_sorted > n) r->n_sorted = n;
}

/* Holtzman et al. 2019, "The curious case of neural text degeneration", section 3.1. */
static int stage_top_p(oa__run *r)
{
    const double p = r->s->value[OA__PARAM_TOP_P];
    if (p == 1) return OA_OK;
    OA__TRY(oa__run_list(r));
    if (r->n_c < 2) return OA_OK;
    keep_mass(r, p * oa__cand_softmax(r));
    return OA_OK;
}

/* Meister et al. 2022, "Locally typical sampling", section 4: candidates in order of
 * |surprise - entropy|, the fewest that reach the mass. */
static int stage_typical_p(oa__run *r)
{
    const double p = r->s->value[OA__PARAM_TYPICAL_P];
    if (p == 1) return OA_OK;
    OA__TRY(oa__run_list(r));
    if (r->n_c < 2) return OA_OK;
    const double max = oa__cand_max(r), sum = oa__cand_softmax(r), log_sum = oa__math_log(sum);
    double entropy = 0; /* nats: log(sum) - sum of p * (v - max) */
    for (size_t i = 0; i < r->n_c; i++)
        if (r->c[i].w > 0) entropy -= r->c[i].w * (r->c[i].v - max);
    entropy = entropy / sum + log_sum;
    for (size_t i = 0; i < r->n_c; i++) {
        double off = log_sum - (r->c[i].v - max) - entropy;
        r->c[i].key = off < 0 ? off : -off;
    }
    r->n_sorted = 0;
    keep_mass(r, p * sum);
    for (size_t i = 0; i < r->n_c; i++)
        r->c[i].key = r->c[i].v;
    r->n_sorted = 0;
    return OA_OK;
}

/* Keep candidates with v >= bound, in their order. */
static void keep_above(oa__run *r, double bound)
{
    size_t n = 0, n_sorted = 0;
    for (size_t i = 0; i < r->n_c; i++) {
        if (r->c[i].v < bound) continue;
        r->c[n++] = r->c[i];
        if (i < r->n_sorted) n_sorted = n;
    }
    r->n_c = n;
    r->n_sorted = n_sorted;
}

/* Nguyen et al. 2024, "Turning up the heat: min-p sampling", section 3:
 * p >= min_p * p_max, which is v >= v_max + log(min_p). */
static int stage_min_p(oa__run *r)
{
    const double p = r->s->value[OA__PARAM_MIN_P];
    if (p == 0) return OA_OK;
    OA__TRY(oa__run_list(r));
    if (r->n_c >= 2) keep_above(r, oa__cand_max(r) + oa__math_log(p));
    return OA_OK;
}

/* XTC ("exclude top choices", p-e-w 2024): with the given chance, of the candidates whose
 * probability reaches the threshold only the least likely stays. One random number is drawn
 * whenever the stage is on and could act. */
static int stage_xtc(oa__run *r)
{
    oa_sampler *s = r->s;
    const double chance = s->value[OA__PARAM_XTC_PROBABILITY];
    const double threshold = s->value[OA__PARAM_XTC_THRESHOLD];
    if (chance == 0 || threshold > 0.5) return OA_OK;
    OA__TRY(oa__run_list(r));
    if (!(oa__random_f64(&s->random) < chance) || r->n_c < 2) return OA_OK;
    const double bound = threshold * oa__cand_softmax(r);
    size_t n = 0; /* w falls with the order, so the likely ones are the first n */
    for (size_t i = 0; i < r->n_c; i++)
        n += r->c[i].w >= bound;
    if (n < 2) return OA_OK;
    oa__cand_sort(r, n);
    const size_t drop = n - 1;
    for (size_t i = drop; i < r->n_c; i++)
        r->c[i - drop] = r->c[i];
    r->n_c -= drop;
    r->n_sorted -= drop;
    return OA_OK;
}

static int stage_temperature(oa__run *r)
{
    double t = r->s->value[OA__PARAM_TEMPERATURE];
    if (t == 1) return OA_OK;
    if (t < 1e-30) t = 1e-30; /* no quotient of a float overflows */
    OA__TRY(oa__run_list(r));
    for (size_t i = 0; i < r->n_c; i++)
        r->c[i].key = r->c[i].v = r->c[i].v / t;
    r->n_sorted = 0; /* two logits may have become equal */
    return OA_OK;
}

/* Basu et al. 2020, "Mirostat", in its second version: no candidate of more than mu bits of
 * surprise, but at least one. */
void oa__mirostat_truncate(oa__run *r)
{
    const double sum = oa__cand_softmax(r), max = oa__cand_max(r);
    const double bound = max + oa__math_log(sum) - r->s->mu * LN2;
    keep_above(r, bound < max ? bound : max);
}

int oa__stage_run(oa__run *r, enum oa__stage stage)
{
    switch (stage) {
    case OA__STAGE_BIAS:
        return stage_bias(r);
    case OA__STAGE_PENALTIES:
        return oa__stage_penalties(r);
    case OA__STAGE_DRY:
        return oa__stage_dry(r);
    case OA__STAGE_TOP_K:
        return stage_top_k(r);
    case OA__STAGE_TYPICAL_P:
        return stage_typical_p(r);
    case OA__STAGE_TOP_P:
        return stage_top_p(r);
    case OA__STAGE_MIN_P:
        return stage_min_p(r);
    case OA__STAGE_XTC:
        return stage_xtc(r);
    case OA__STAGE_TEMPERATURE:
        return stage_temperature(r);
    case OA__N_STAGES:
        break;
    }
    return oa__err(OA_EINTERNAL, "sampler stage %d", (int)stage);
}

static bool has_stage(const oa_sampler *s, enum oa__stage stage)
{
    for (uint32_t i = 0; i < s->n_order; i++)
        if (s->order[i] == stage) return true;
    return false;
}

static bool by_id(enum oa__stage stage)
{
    return stage == OA__STAGE_BIAS || stage == OA__STAGE_PENALTIES || stage == OA__STAGE_DRY;
}

/* The first of the largest, or OA_ELIMIT. */
static int greedy(const oa__run *r, int32_t *id)
{
    if (!r->dense) {
        *id = oa__sample_argmax(r->logits, r->n);
        return r->logits[*id] > -__builtin_inff() ? OA_OK : none_left();
    }
    const double *val = r->s->val;
    double max = -INF;
    *id = -1;
    for (size_t i = 0; i < r->n; i++)
        if (val[i] > max) max = val[i], *id = (int32_t)i;
    return *id >= 0 ? OA_OK : none_left();
}

int oa__sampler_run(oa_sampler *s, const float *logits, size_t n, oa__run *r, int32_t *id)
{
    *r = (oa__run){.s = s, .logits = logits, .n = n};
    *id = -1;
    const bool is_greedy =
        s->value[OA__PARAM_TEMPERATURE] == 0 && has_stage(s, OA__STAGE_TEMPERATURE);
    const bool mirostat = s->value[OA__PARAM_MIROSTAT] == 2;
    for (uint32_t i = 0; i < s->n_order; i++) {
        const enum oa__stage stage = (enum oa__stage)s->order[i];
        if (is_greedy && !by_id(stage)) continue;
        if (mirostat && !by_id(stage) && stage != OA__STAGE_TEMPERATURE) continue;
        OA__TRY(oa__stage_run(r, stage));
        if (r->listed && r->n_c == 0) return none_left();
    }
    if (is_greedy) return greedy(r, id);
    OA__TRY(oa__run_list(r));
    if (r->n_c == 0) return none_left();
    if (mirostat) oa__mirostat_truncate(r);
    return OA_OK;
}
