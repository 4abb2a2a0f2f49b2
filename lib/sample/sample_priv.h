/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the sample floor.
 *
 * All arithmetic on logits is in double, with the exp and log of base, in an order that is written
 * down here and in the stages: the same bits on every machine. Wherever candidates are ordered, the
 * larger logit comes first, and of equal ones the lower id.
 *
 * Special numbers: NaN and minus infinity are never picked. When there is a plus infinity, only the
 * tokens that have it remain, as equals.
 */
#ifndef OA_SAMPLE_PRIV_H
#define OA_SAMPLE_PRIV_H

#include "sample/sample.h"

/* --- parameters (params.c) ------------------------------------------------------------------ */

#define OA__PARAM_INT_MAX 2147483647.0
#define OA__PARAM_SEED_MAX 9007199254740992.0 /* 2^53: whole numbers that a double holds */

/* X(name, key, type, min, max, default, default as text, help). The one table that the API, the
 * command, the Python package and docs/sampling.md are made from. */
#define OA__PARAM_MAP(X)                                                                           \
    X(TEMPERATURE, "temperature", FLOAT, 0, 100, 0.8, "0.8",                                       \
      "divides the logits: below 1 safer, above 1 wilder; 0 always takes the most likely token")   \
    X(TOP_K, "top_k", INT, 0, OA__PARAM_INT_MAX, 40, "40",                                         \
      "keep the k most likely tokens; 0 = off")                                                    \
    X(TOP_P, "top_p", FLOAT, 0, 1, 0.95, "0.95",                                                   \
      "keep the fewest most likely tokens that reach this probability together; 1 = off")          \
    X(MIN_P, "min_p", FLOAT, 0, 1, 0.05, "0.05",                                                   \
      "keep tokens at least this fraction as likely as the most likely one; 0 = off")              \
    X(TYPICAL_P, "typical_p", FLOAT, 0, 1, 1, "1",                                                 \
      "keep the tokens of most typical surprise that reach this probability together; 1 = off")    \
    X(REPEAT_PENALTY, "repeat_penalty", FLOAT, 0.01, 100, 1, "1",                                  \
      "divides positive logits of recent tokens and multiplies negative ones; 1 = off")            \
    X(REPEAT_LAST_N, "repeat_last_n", INT, -1, OA__PARAM_INT_MAX, 64, "64",                        \
      "how many recent tokens the three penalties look at; -1 = all, 0 = off")                     \
    X(FREQUENCY_PENALTY, "frequency_penalty", FLOAT, -100, 100, 0, "0",                            \
      "subtracted from a token's logit once for every recent time it occurred; 0 = off")           \
    X(PRESENCE_PENALTY, "presence_penalty", FLOAT, -100, 100, 0, "0",                              \
      "subtracted from a token's logit if it occurred recently; 0 = off")                          \
    X(DRY_MULTIPLIER, "dry_multiplier", FLOAT, 0, 100, 0, "0",                                     \
      "strength of DRY, which penalises tokens that would prolong a repetition; 0 = off")          \
    X(DRY_BASE, "dry_base", FLOAT, 1, 100, 1.75, "1.75",                                           \
      "the DRY penalty grows by this factor with each repeated token")                             \
    X(DRY_ALLOWED_LENGTH, "dry_allowed_length", INT, 1, OA__PARAM_INT_MAX, 2, "2",                 \
      "repetitions shorter than this many tokens are free of DRY")                                 \
    X(DRY_PENALTY_LAST_N, "dry_penalty_last_n", INT, -1, OA__PARAM_INT_MAX, -1, "-1",              \
      "how many recent tokens DRY looks at; -1 = all, 0 = off")                                    \
    X(DRY_BREAKERS, "dry_breakers", TEXT, 0, 0, 0, "",                                             \
      "token ids, separated by spaces or commas, that no DRY repetition reaches across")           \
    X(XTC_PROBABILITY, "xtc_probability", FLOAT, 0, 1, 0, "0",                                     \
      "how often XTC removes all but the least likely of the likely tokens; 0 = off")              \
    X(XTC_THRESHOLD, "xtc_threshold", FLOAT, 0, 1, 0.1, "0.1",                                     \
      "the probability from which XTC calls a token likely")                                       \
    X(MIROSTAT, "mirostat", INT, 0, 2, 0, "0",                                                     \
      "2 = hold the surprise at mirostat_tau in place of the truncating stages; 0 = off")          \
    X(MIROSTAT_TAU, "mirostat_tau", FLOAT, 0, 100, 5, "5",                                         \
      "the surprise in bits that mirostat aims at")                                                \
    X(MIROSTAT_ETA, "mirostat_eta", FLOAT, 0, 10, 0.1, "0.1", "how fast mirostat adapts")          \
    X(SEED, "seed", INT, -1, OA__PARAM_SEED_MAX, -1, "-1",                                         \
      "where the random numbers start; setting it starts them anew; -1 = the system chooses")      \
    X(ORDER, "order", TEXT, 0, 0, 0,                                                               \
      "bias;penalties;dry;top_k;typical_p;top_p;min_p;xtc;temperature",                            \
      "the stages in the order they run, separated by semicolons; one left out does not run")

enum oa__param_index {
#define OA__PARAM_ENUM(name, key, type, min, max, def, def_text, help) OA__PARAM_##name,
    OA__PARAM_MAP(OA__PARAM_ENUM)
#undef OA__PARAM_ENUM
        OA__N_PARAMS
};

enum oa__stage {
    OA__STAGE_BIAS,
    OA__STAGE_PENALTIES,
    OA__STAGE_DRY,
    OA__STAGE_TOP_K,
    OA__STAGE_TYPICAL_P,
    OA__STAGE_TOP_P,
    OA__STAGE_MIN_P,
    OA__STAGE_XTC,
    OA__STAGE_TEMPERATURE,
    OA__N_STAGES
};

/* "top_k;top_p" to stages; OA_EINVAL for an unknown or repeated one. Blanks round names are fine.
 */
int oa__stages_parse(const char *text, uint8_t order[OA__N_STAGES], uint32_t *n_order);

/* --- the handle (sampler.c) ------------------------------------------------------------------ */

/* One candidate: a token that can still be picked. */
typedef struct oa__cand {
    double key; /* what the list is ordered by, larger first: v, except inside typical_p */
    double v;   /* logit */
    double w;   /* scratch of a stage: exp(v - largest v) */
    int32_t id;
} oa__cand;

/* Biases: open addressing by id, a power of two of slots; id -1 = free. An entry whose bias was
 * set back to 0 stays and does nothing. */
typedef struct oa__bias {
    int32_t id;
    float bias;
} oa__bias;

struct oa_sampler {
    oa__mem own;  /* account of a sampler that stands alone */
    oa__mem *mem; /* &own, or the account of the handle it was made in */

    double value[OA__N_PARAMS]; /* numbers; 0 for texts */
    char *order_text;           /* NULL = the default */
    uint8_t order[OA__N_STAGES];
    uint32_t n_order;
    char *breakers_text; /* NULL = "" */
    int32_t *breakers;   /* (n_breakers), ascending */
    size_t n_breakers;

    oa__bias *bias; /* (bias_cap) */
    size_t bias_cap, n_bias;

    oa__random random;
    double mu; /* mirostat's running bound on the surprise, in bits */

    int32_t *history; /* (n_history), oldest first */
    size_t n_history, history_cap;

    /* Scratch, kept between picks. */
    double *val; /* (val_cap), logits by id */
    size_t val_cap;
    uint32_t *count; /* (count_cap), by id, all zero between uses */
    size_t count_cap;
    uint32_t *z; /* (z_cap) */
    size_t z_cap;
    oa__cand *cand;
    size_t cand_cap;
};

/* Put random state and mu where "seed" says. */
void oa__sampler_restart(oa_sampler *s);

/* --- candidates (cand.c) --------------------------------------------------------------------- */

/* What a pick works on. It begins as the caller's logits; a stage that changes logits by id makes
 * them dense (s->val); a stage that needs candidates makes a list (s->cand). */
typedef struct oa__run {
    oa_sampler *s;
    const float *logits; /* (n) */
    size_t n;
    bool dense;      /* s->val holds the logits, changed */
    bool listed;     /* the candidates are c[0..n_c) */
    oa__cand *c;     /* s->cand */
    size_t n_c;      /* 0 when listed: nothing is left */
    size_t n_sorted; /* c[0..n_sorted) are the first ones, in order; the rest come later */
} oa__run;

int oa__run_dense(oa__run *r);   /* s->val, for stages that work by id; undo with _gather */
void oa__run_gather(oa__run *r); /* take changed logits back into the list, if there is one */
int oa__run_list(oa__run *r);    /* a list of all candidates */
int oa__run_list_top(oa__run *r, size_t k); /* a list of the first k */
void oa__cand_sort(oa__run *r, size_t k);   /* make n_sorted at least min(k, n_c) */
double oa__cand_max(const oa__run *r);      /* largest v; n_c >= 1 */
/* Set every w to exp(v - max) and return their sum, added in the order of the list. */
double oa__cand_softmax(oa__run *r);

/* --- stages (stages.c, history.c) ------------------------------------------------------------ */

int oa__stage_run(oa__run *r, enum oa__stage stage); /* does nothing when its parameter is off */
int oa__stage_penalties(oa__run *r);
int oa__stage_dry(oa__run *r);
/* Truncate to what mirostat allows; it is drawn from like any list. */
void oa__mirostat_truncate(oa__run *r);

/* The whole chain up to the draw, for tests and for pick. Ends with a list, unless the sampler is
 * greedy: then *id is the token and the list may be missing. *id is -1 otherwise. */
int oa__sampler_run(oa_sampler *s, const float *logits, size_t n, oa__run *r, int32_t *id);

#endif
