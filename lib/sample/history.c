/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages that look back: penalties and DRY. Both take time linear in the tokens they look at.
 */
#include "sample/sample_priv.h"

/* The most a DRY penalty can grow to: larger than any float logit matters, small enough that sums
 * stay finite. */
#define MOST_PENALTY 1e30

/* The last tokens, at most last_n (-1 = all). */
static const int32_t *window(const oa_sampler *s, double last_n, size_t *n)
{
    *n = last_n < 0 || last_n > (double)s->n_history ? s->n_history : (size_t)last_n;
    return s->history + (s->n_history - *n);
}

static int need_count(oa_sampler *s, size_t n)
{
    if (n <= s->count_cap) return OA_OK;
    uint32_t *fresh = oa__alloc_array(s->mem, n, sizeof *fresh);
    if (!fresh) return OA_ENOMEM;
    oa__free(s->mem, s->count);
    s->count = fresh;
    s->count_cap = n;
    return OA_OK;
}

/* Repetition penalty: Keskar et al. 2019, "CTRL", section 4.1, in the form that keeps the sign
 * (negative logits are multiplied). Frequency and presence penalties: OpenAI's definition. */
int oa__stage_penalties(oa__run *r)
{
    oa_sampler *s = r->s;
    const double repeat = s->value[OA__PARAM_REPEAT_PENALTY];
    const double frequency = s->value[OA__PARAM_FREQUENCY_PENALTY];
    const double presence = s->value[OA__PARAM_PRESENCE_PENALTY];
    size_t n = 0;
    const int32_t *ids = window(s, s->value[OA__PARAM_REPEAT_LAST_N], &n);
    if (n == 0 || (repeat == 1 && frequency == 0 && presence == 0)) return OA_OK;

    OA__TRY(need_count(s, r->n));
    OA__TRY(oa__run_dense(r));
    for (size_t i = 0; i < n; i++)
        if ((size_t)ids[i] < r->n) s->count[ids[i]]++;
    for (size_t i = 0; i < n; i++) {
        const int32_t id = ids[i];
        if ((size_t)id >= r->n || s->count[id] == 0) continue;
        double v = s->val[id];
        v = v > 0 ? v / repeat : v * repeat;
        s->val[id] = v - ((double)s->count[id] * frequency + presence);
        s->count[id] = 0;
    }
    oa__run_gather(r);
    return OA_OK;
}

static bool is_breaker(const oa_sampler *s, int32_t id)
{
    size_t lo = 0, hi = s->n_breakers;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->breakers[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n_breakers && s->breakers[lo] == id;
}

/* DRY ("don't repeat yourself", p-e-w 2024). A token that followed an earlier occurrence of the
 * last `len` tokens would prolong a repetition of that length: for len >= allowed_length its logit
 * loses multiplier * base^(len - allowed_length), len being the longest for that token.
 *
 * With the window reversed, rev[0] being the latest token, the Z function z[i], the length that
 * rev[i..] has in common with rev, is that repetition's length, and rev[i - 1] the token. A
 * repetition does not reach across a breaker, and breakers are not penalised. */
int oa__stage_dry(oa__run *r)
{
    oa_sampler *s = r->s;
    const double multiplier = s->value[OA__PARAM_DRY_MULTIPLIER];
    const double allowed = s->value[OA__PARAM_DRY_ALLOWED_LENGTH];
    size_t n = 0;
    const int32_t *ids = window(s, s->value[OA__PARAM_DRY_PENALTY_LAST_N], &n);
    if (multiplier == 0 || n < 2) return OA_OK;
    if (n > UINT32_MAX) ids += n - UINT32_MAX, n = UINT32_MAX;
#define REV(i) ids[n - 1 - (i)]

    size_t limit = 0; /* tokens since the latest breaker */
    while (limit < n && !(s->n_breakers && is_breaker(s, REV(limit))))
        limit++;
    if ((double)limit < allowed) return OA_OK;

    OA__TRY(need_count(s, r->n));
    if (n > s->z_cap) {
        size_t cap = n + n / 2;
        uint32_t *fresh = oa__alloc_array(s->mem, cap, sizeof *fresh);
        if (!fresh) return OA_ENOMEM;
        oa__free(s->mem, s->z);
        s->z = fresh;
        s->z_cap = cap;
    }
    OA__TRY(oa__run_dense(r));

    /* Gusfield 1997, section 1.4: [left, right) is the match that reaches farthest. */
    uint32_t *z = s->z, *longest = s->count;
    size_t left = 0, right = 0;
    for (size_t i = 1; i < n; i++) {
        size_t len = 0;
        if (i < right) len = z[i - left] < right - i ? z[i - left] : right - i;
        while (i + len < n && REV(len) == REV(i + len))
            len++;
        if (i + len > right) left = i, right = i + len;
        z[i] = (uint32_t)len;
        if (len > limit) len = limit;
        const int32_t next = REV(i - 1);
        if (len && (double)len >= allowed && (size_t)next < r->n && len > longest[next])
            longest[next] = (uint32_t)len;
    }
    for (size_t i = 0; i < n; i++) {
        const int32_t id = ids[i];
        if ((size_t)id >= r->n || longest[id] == 0) continue;
        if (!(s->n_breakers && is_breaker(s, id))) {
            double loss = multiplier *
                          oa__math_pow(s->value[OA__PARAM_DRY_BASE], (double)longest[id] - allowed);
            s->val[id] -= loss < MOST_PENALTY ? loss : MOST_PENALTY;
        }
        longest[id] = 0;
    }
    oa__run_gather(r);
    return OA_OK;
#undef REV
}
