/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every stage against a reference that is written from its definition: in long double, with the C
 * library's functions, by comparing every token with every other. Logits are random, with many
 * ties, and with NaN and infinities now and then. Cases where the reference itself lies within
 * rounding of a border are left out and counted.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sample/sample_priv.h"

#define MAX_N 300
#define MAX_HISTORY 120

struct ref {
    size_t n;
    long double v[MAX_N];
    int alive[MAX_N];
    int unsure; /* a border within rounding */
    int32_t history[MAX_HISTORY];
    size_t n_history;
};

static oa__random rnd;

static double uniform(void)
{
    return oa__random_f64(&rnd);
}

static size_t below(size_t n)
{
    return (size_t)oa__random_below(&rnd, n);
}

static void set(oa_sampler *s, const char *key, double value)
{
    assert_int_equal(oa_sampler_set(s, key, value), OA_OK);
}

static double get(const oa_sampler *s, const char *key)
{
    double value = -1;
    assert_int_equal(oa_sampler_get(s, key, &value), OA_OK);
    return value;
}

/* --- the reference -------------------------------------------------------------------------- */

static int comes_before(const struct ref *f, size_t a, size_t b)
{
    return f->v[a] > f->v[b] || (f->v[a] == f->v[b] && a < b);
}

static size_t first_of(const struct ref *f)
{
    size_t best = f->n;
    for (size_t i = 0; i < f->n; i++)
        if (f->alive[i] && (best == f->n || comes_before(f, i, best))) best = i;
    return best;
}

/* What infinities mean; see sample_priv.h. */
static void ref_clean(struct ref *f)
{
    int infinite = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (isnan(f->v[i]) || f->v[i] == -HUGE_VALL) f->alive[i] = 0;
        if (f->alive[i] && f->v[i] == HUGE_VALL) infinite = 1;
    }
    for (size_t i = 0; infinite && i < f->n; i++) {
        if (f->v[i] != HUGE_VALL) f->alive[i] = 0;
        f->v[i] = 0;
    }
}

static void probabilities(const struct ref *f, long double p[MAX_N])
{
    long double max = f->v[first_of(f)], sum = 0;
    for (size_t i = 0; i < f->n; i++) {
        p[i] = f->alive[i] ? expl(f->v[i] - max) : 0;
        sum += p[i];
    }
    for (size_t i = 0; i < f->n; i++)
        p[i] /= sum;
}

static int close_to(long double a, long double b)
{
    return fabsl(a - b) < 1e-12L * (1 + fabsl(b));
}

static void ref_top_k(struct ref *f, double k)
{
    int drop[MAX_N] = {0};
    for (size_t i = 0; i < f->n && k > 0; i++) {
        size_t rank = 0;
        for (size_t j = 0; j < f->n; j++)
            rank += f->alive[j] && comes_before(f, j, i);
        drop[i] = (double)rank >= k;
    }
    for (size_t i = 0; i < f->n; i++)
        f->alive[i] &= !drop[i];
}

/* A token stays when what comes before it, in the order of `score` (smaller first), is not yet
 * enough. */
static void ref_mass(struct ref *f, const long double p[MAX_N], const long double score[MAX_N],
                     double want)
{
    int drop[MAX_N] = {0};
    for (size_t i = 0; i < f->n; i++) {
        long double mass = 0;
        size_t rank = 0;
        for (size_t j = 0; j < f->n; j++) {
            if (!f->alive[j] || j == i) continue;
            if (f->alive[i] && score[j] != score[i] && fabsl(score[j] - score[i]) < 1e-12L)
                f->unsure = 1;
            if (score[j] < score[i] || (score[j] == score[i] && j < i)) mass += p[j], rank++;
        }
        if (f->alive[i] && fabsl(mass - (long double)want) < 1e-12L) f->unsure = 1;
        drop[i] = rank > 0 && mass >= (long double)want;
    }
    for (size_t i = 0; i < f->n; i++)
        f->alive[i] &= !drop[i];
}

static void ref_top_p(struct ref *f, double want)
{
    if (want >= 1) return;
    long double p[MAX_N], score[MAX_N];
    probabilities(f, p);
    for (size_t i = 0; i < f->n; i++)
        score[i] = -f->v[i] * 1e6L; /* far apart unless equal */
    ref_mass(f, p, score, want);
}

static void ref_typical(struct ref *f, double want)
{
    if (want >= 1) return;
    long double p[MAX_N], score[MAX_N], entropy = 0;
    probabilities(f, p);
    for (size_t i = 0; i < f->n; i++)
        if (p[i] > 0) entropy += p[i] * -logl(p[i]);
    for (size_t i = 0; i < f->n; i++)
        score[i] = p[i] > 0 ? fabsl(-logl(p[i]) - entropy) : 1e9L;
    for (size_t i = 0; i < f->n; i++) /* equal logits have equal scores, whatever logl rounds to */
        for (size_t j = 0; j < i; j++)
            if (f->alive[i] && f->alive[j] && f->v[i] == f->v[j]) score[i] = score[j];
    ref_mass(f, p, score, want);
}

static void ref_min_p(struct ref *f, double want)
{
    long double p[MAX_N];
    probabilities(f, p);
    long double most = p[first_of(f)];
    for (size_t i = 0; i < f->n; i++) {
        if (!f->alive[i]) continue;
        if (p[i] != most && close_to(p[i], want * most)) f->unsure = 1;
        if (p[i] < want * most) f->alive[i] = 0;
    }
}

static void ref_xtc(struct ref *f, double threshold)
{
    long double p[MAX_N];
    int likely[MAX_N] = {0};
    size_t n = 0, last = 0;
    probabilities(f, p);
    for (size_t i = 0; i < f->n; i++) {
        if (!f->alive[i]) continue;
        if (close_to(p[i], threshold)) f->unsure = 1;
        if (p[i] < threshold) continue;
        if (n == 0 || comes_before(f, last, i)) last = i;
        likely[i] = 1;
        n++;
    }
    for (size_t i = 0; i < f->n; i++)
        if (n >= 2 && likely[i] && i != last) f->alive[i] = 0;
}

static void ref_temperature(struct ref *f, double t)
{
    for (size_t i = 0; i < f->n; i++)
        f->v[i] = (long double)((double)f->v[i] / t);
}

static void ref_penalties(struct ref *f, const oa_sampler *s)
{
    double last_n = get(s, "repeat_last_n");
    for (size_t id = 0; id < f->n; id++) {
        size_t n = 0;
        for (size_t i = 0; i < f->n_history; i++)
            if ((last_n < 0 || (double)(f->n_history - i) <= last_n) && f->history[i] == (int)id)
                n++;
        if (n == 0) continue;
        double v = (double)f->v[id], r = get(s, "repeat_penalty");
        if (get(s, "repeat_penalty") != 1 || get(s, "frequency_penalty") != 0 ||
            get(s, "presence_penalty") != 0)
            f->v[id] = (v <= 0 ? v * r : v / r) - (double)n * get(s, "frequency_penalty") -
                       get(s, "presence_penalty");
    }
    ref_clean(f);
}

static void ref_dry(struct ref *f, const oa_sampler *s, const int32_t *breakers, size_t n_breakers)
{
    double last_n = get(s, "dry_penalty_last_n"), allowed = get(s, "dry_allowed_length");
    size_t n = f->n_history;
    if (last_n >= 0 && last_n < (double)n) n = (size_t)last_n;
    const int32_t *w = f->history + f->n_history - n;
    for (size_t id = 0; id < f->n; id++) {
        size_t longest = 0;
        int is_breaker = 0;
        for (size_t b = 0; b < n_breakers; b++)
            is_breaker |= breakers[b] == (int32_t)id;
        for (size_t at = 0; at < n && !is_breaker; at++) {
            if (w[at] != (int32_t)id) continue;
            size_t len = 0;
            for (; len < at && w[at - 1 - len] == w[n - 1 - len]; len++) {
                int broken = 0;
                for (size_t b = 0; b < n_breakers; b++)
                    broken |= breakers[b] == w[n - 1 - len];
                if (broken) break;
            }
            if (len > longest) longest = len;
        }
        if (longest > 0 && (double)longest >= allowed)
            f->v[id] -=
                get(s, "dry_multiplier") * powl(get(s, "dry_base"), (long double)longest - allowed);
    }
    ref_clean(f);
}

/* --- comparing -------------------------------------------------------------------------------- */

/* Random logits: coarse (many ties), ordinary or wide; with special numbers now and then. */
static size_t random_logits(struct ref *f, float logits[MAX_N])
{
    size_t n = 1 + below(below(2) ? 12 : MAX_N), kind = below(4);
    for (size_t i = 0; i < n; i++) {
        double x = (uniform() + uniform() + uniform() - 1.5) * 8;
        if (kind == 0) x = floor(x);
        if (kind == 1) x *= 20;
        logits[i] = (float)x;
        if (kind == 2 && below(20) == 0) logits[i] = below(2) ? NAN : -INFINITY;
        if (kind == 2 && below(400) == 0) logits[i] = INFINITY;
    }
    memset(f, 0, sizeof *f);
    f->n = n;
    for (size_t i = 0; i < n; i++)
        f->v[i] = logits[i], f->alive[i] = 1;
    return n;
}

static void random_history(struct ref *f, oa_sampler *s)
{
    f->n_history = below(MAX_HISTORY + 1);
    for (size_t i = 0; i < f->n_history; i++) {
        /* Mostly few different tokens, so that repetitions are long; some out of range. */
        f->history[i] = (int32_t)(below(30) == 0 ? f->n + below(5) : below(f->n < 4 ? f->n : 4));
        assert_int_equal(oa_sampler_accept(s, f->history[i]), OA_OK);
    }
}

static size_t n_compared, n_unsure;

static void compare(oa_sampler *s, struct ref *f, const float *logits)
{
    ref_clean(f); /* where no stage looked at special numbers */
    if (f->unsure) {
        n_unsure++;
        return;
    }
    n_compared++;
    oa__run r;
    int32_t id = 0;
    int rc = oa__sampler_run(s, logits, f->n, &r, &id);
    size_t n_alive = 0;
    for (size_t i = 0; i < f->n; i++)
        n_alive += f->alive[i] != 0;
    if (n_alive == 0) {
        assert_int_equal(rc, OA_ELIMIT);
        return;
    }
    assert_int_equal(rc, OA_OK);
    assert_int_equal(id, -1);
    assert_int_equal(r.n_c, n_alive);
    oa__cand_sort(&r, r.n_c);
    for (size_t i = 0; i < r.n_c; i++) {
        const oa__cand *c = &r.c[i];
        assert_true(f->alive[c->id]);
        assert_true(c->v == c->key);
        assert_true(fabsl((long double)c->v - f->v[c->id]) <= 1e-12L * (1 + fabsl(f->v[c->id])));
        if (i) assert_true(c[-1].v > c->v || (c[-1].v == c->v && c[-1].id < c->id));
    }
}

static oa_sampler *only(const char *order)
{
    oa_sampler *s = NULL;
    assert_int_equal(oa_sampler_new(&s, NULL), OA_OK);
    assert_int_equal(oa_sampler_set_text(s, "order", order), OA_OK);
    return s;
}

static double some(double lo, double hi)
{
    return lo + (hi - lo) * uniform();
}

static void begin(void)
{
    oa__random_seed(&rnd, 20);
    n_compared = n_unsure = 0;
}

static void end(void)
{
    assert_true(n_unsure * 20 < n_compared);
}

enum { ROUNDS = 2000 };

#define STAGE_TEST(name, order, setup, reference)                                                  \
    static void test_sample_stages__##name(void **state)                                           \
    {                                                                                              \
        (void)state;                                                                               \
        struct ref f;                                                                              \
        float logits[MAX_N];                                                                       \
        oa_sampler *s = only(order);                                                               \
        begin();                                                                                   \
        for (int round = 0; round < ROUNDS; round++) {                                             \
            random_logits(&f, logits);                                                             \
            setup;                                                                                 \
            ref_clean(&f);                                                                         \
            if (first_of(&f) < f.n) reference;                                                     \
            compare(s, &f, logits);                                                                \
        }                                                                                          \
        end();                                                                                     \
        oa_sampler_free(s);                                                                        \
    }

STAGE_TEST(top_k, "top_k", set(s, "top_k", (double)below(50)), ref_top_k(&f, get(s, "top_k")))
STAGE_TEST(top_p, "top_p", set(s, "top_p", uniform()), ref_top_p(&f, get(s, "top_p")))
STAGE_TEST(typical, "typical_p", set(s, "typical_p", uniform()),
           ref_typical(&f, get(s, "typical_p")))
STAGE_TEST(min_p, "min_p", set(s, "min_p", below(9) ? uniform() * 0.3 : (double)below(2)),
           ref_min_p(&f, get(s, "min_p")))
STAGE_TEST(temperature, "temperature", set(s, "temperature", some(0.05, 3)),
           ref_temperature(&f, get(s, "temperature")))

STAGE_TEST(xtc, "xtc", set(s, "xtc_probability", 1);
           set(s, "xtc_threshold", some(0, 0.5)), ref_xtc(&f, get(s, "xtc_threshold")))

/* Penalties come before special numbers are cleaned away: minus infinity stays what it is. */
static void test_sample_stages__penalties(void **state)
{
    (void)state;
    struct ref f;
    float logits[MAX_N];
    oa_sampler *s = only("penalties");
    begin();
    for (int round = 0; round < ROUNDS; round++) {
        random_logits(&f, logits);
        assert_int_equal(oa_sampler_reset(s), OA_OK);
        random_history(&f, s);
        set(s, "repeat_penalty", below(3) ? some(0.5, 2) : 1);
        set(s, "frequency_penalty", below(2) ? some(-1, 1) : 0);
        set(s, "presence_penalty", below(2) ? some(-1, 1) : 0);
        set(s, "repeat_last_n", (double)below(80) - 1);
        ref_penalties(&f, s);
        compare(s, &f, logits);
    }
    end();
    oa_sampler_free(s);
}

static void test_sample_stages__dry(void **state)
{
    (void)state;
    struct ref f;
    float logits[MAX_N];
    oa_sampler *s = only("dry");
    size_t n_changed = 0;
    begin();
    for (int round = 0; round < ROUNDS; round++) {
        random_logits(&f, logits);
        assert_int_equal(oa_sampler_reset(s), OA_OK);
        random_history(&f, s);
        const int32_t breakers[] = {3, 0, 99};
        const size_t n_breakers = below(3) ? 0 : 3;
        assert_int_equal(oa_sampler_set_text(s, "dry_breakers", n_breakers ? "3, 0 99" : ""),
                         OA_OK);
        set(s, "dry_multiplier", some(0.1, 2));
        set(s, "dry_base", some(1, 3));
        set(s, "dry_allowed_length", (double)(1 + below(4)));
        set(s, "dry_penalty_last_n", (double)below(80) - 1);
        long double before[MAX_N];
        memcpy(before, f.v, sizeof before);
        ref_dry(&f, s, breakers, n_breakers);
        for (size_t i = 0; i < f.n; i++)
            n_changed += f.alive[i] && f.v[i] != before[i];
        compare(s, &f, logits);
    }
    assert_true(n_changed > ROUNDS / 2); /* the cases do repeat themselves */
    end();
    oa_sampler_free(s);
}

static void test_sample_stages__bias(void **state)
{
    (void)state;
    struct ref f;
    float logits[MAX_N];
    begin();
    for (int round = 0; round < ROUNDS; round++) {
        oa_sampler *s = only("bias");
        random_logits(&f, logits);
        float bias[MAX_N] = {0};
        for (size_t i = below(60); i-- > 0;) {
            size_t id = below(MAX_N);
            bias[id] = below(5) == 0 ? 0 : below(10) == 0 ? -INFINITY : (float)some(-5, 5);
            assert_int_equal(oa_sampler_set_bias(s, (int32_t)id, bias[id]), OA_OK);
        }
        for (size_t i = 0; i < f.n; i++) {
            f.v[i] += bias[i];
            if (bias[i] == -INFINITY) f.v[i] = -HUGE_VALL;
        }
        compare(s, &f, logits);
        oa_sampler_free(s);
    }
    end();
}

/* All stages in a random order, with stages left out now and then. */
static void test_sample_stages__random_chain(void **state)
{
    (void)state;
    static const char *const names[] = {"penalties", "dry",   "top_k", "typical_p",
                                        "top_p",     "min_p", "xtc",   "temperature"};
    enum { N = 8 };
    struct ref f;
    float logits[MAX_N];
    oa_sampler *s = only("");
    begin();
    for (int round = 0; round < ROUNDS; round++) {
        random_logits(&f, logits);
        assert_int_equal(oa_sampler_reset(s), OA_OK);
        random_history(&f, s);
        size_t order[N], n = 0;
        char text[200] = "";
        for (size_t i = 0; i < N; i++)
            order[i] = i;
        for (size_t i = N; i > 1; i--) {
            size_t j = below(i), t = order[i - 1];
            order[i - 1] = order[j];
            order[j] = t;
        }
        for (n = 0; n < N && (n == 0 || below(12)); n++) {
            strncat(text, n ? " ; " : "", sizeof text - strlen(text) - 1);
            strncat(text, names[order[n]], sizeof text - strlen(text) - 1);
        }
        assert_int_equal(oa_sampler_set_text(s, "order", text), OA_OK);
        set(s, "repeat_penalty", some(0.5, 2));
        set(s, "frequency_penalty", some(-0.2, 0.2));
        set(s, "repeat_last_n", 32);
        set(s, "dry_multiplier", some(0.1, 1));
        set(s, "top_k", (double)(1 + below(60)));
        set(s, "typical_p", some(0.3, 1));
        set(s, "top_p", some(0.3, 1));
        set(s, "min_p", some(0, 0.1));
        set(s, "xtc_probability", 1);
        set(s, "xtc_threshold", some(0.02, 0.3));
        set(s, "temperature", some(0.3, 2));
        ref_clean(&f);
        for (size_t i = 0; i < n; i++) {
            if (first_of(&f) == f.n) break;
            switch (order[i]) {
            case 0:
                ref_penalties(&f, s);
                break;
            case 1:
                ref_dry(&f, s, NULL, 0);
                break;
            case 2:
                ref_top_k(&f, get(s, "top_k"));
                break;
            case 3:
                ref_typical(&f, get(s, "typical_p"));
                break;
            case 4:
                ref_top_p(&f, get(s, "top_p"));
                break;
            case 5:
                ref_min_p(&f, get(s, "min_p"));
                break;
            case 6:
                ref_xtc(&f, get(s, "xtc_threshold"));
                break;
            default:
                ref_temperature(&f, get(s, "temperature"));
                break;
            }
        }
        /* Penalties on minus infinity and cleaned plus infinity differ by when they are cleaned;
         * that is what the single-stage tests look at. */
        for (size_t i = 0; i < f.n; i++)
            if (logits[i] == INFINITY) f.unsure = 1;
        compare(s, &f, logits);
    }
    assert_true(n_unsure * 8 < n_compared);
    oa_sampler_free(s);
}

/* Mirostat 2: what may be drawn, and how the bound moves, from the definition. */
static void test_sample_stages__mirostat(void **state)
{
    (void)state;
    struct ref f;
    float logits[MAX_N];
    oa_sampler *s = only("top_k;temperature");
    set(s, "top_k", 1); /* must not matter */
    set(s, "temperature", 0.7);
    set(s, "mirostat", 2);
    set(s, "mirostat_tau", 3);
    set(s, "mirostat_eta", 0.2);
    set(s, "seed", 5);
    begin();
    long double mu = 6;
    oa__random same;
    oa__random_seed(&same, 5);
    for (int round = 0; round < ROUNDS; round++) {
        random_logits(&f, logits);
        ref_clean(&f);
        if (first_of(&f) == f.n) continue;
        ref_temperature(&f, 0.7);
        long double p[MAX_N];
        probabilities(&f, p);
        size_t top = first_of(&f);
        for (size_t i = 0; i < f.n; i++)
            if (f.alive[i] && i != top && p[i] != p[top] && !(-log2l(p[i]) <= mu)) f.alive[i] = 0;
        probabilities(&f, p);
        /* Draw as documented: walk from the most likely one. */
        long double u = oa__random_f64(&same), sum = 0;
        size_t want = top;
        for (size_t rank = 0; rank < f.n; rank++) {
            size_t next = first_of(&f);
            if (next == f.n) break;
            want = next;
            sum += p[next];
            f.alive[next] = 0;
            if (sum > u) break;
        }
        int32_t id = -1;
        assert_int_equal(oa_sampler_pick(s, logits, f.n, &id), OA_OK);
        assert_int_equal(id, want);
        mu -= 0.2L * (-log2l(p[want]) - 3);
        assert_true(fabsl((long double)s->mu - mu) < 1e-9L);
    }
    oa_sampler_free(s);
}

/* The draw, with every stage off: the token where the running sum passes the random number. */
static void test_sample_stages__draw(void **state)
{
    (void)state;
    struct ref f;
    float logits[MAX_N];
    oa_sampler *s = only("");
    oa__random same;
    set(s, "seed", 77);
    oa__random_seed(&same, 77);
    begin();
    for (int round = 0; round < ROUNDS; round++) {
        random_logits(&f, logits);
        ref_clean(&f);
        int32_t id = -1;
        if (first_of(&f) == f.n) {
            assert_int_equal(oa_sampler_pick(s, logits, f.n, &id), OA_ELIMIT);
            continue;
        }
        long double p[MAX_N], u = oa__random_f64(&same), sum = 0;
        probabilities(&f, p);
        size_t want = f.n;
        while (first_of(&f) < f.n) {
            want = first_of(&f);
            sum += p[want];
            f.alive[want] = 0;
            if (sum > u) break;
        }
        assert_int_equal(oa_sampler_pick(s, logits, f.n, &id), OA_OK);
        assert_int_equal(id, want);
    }
    oa_sampler_free(s);
}

/* Greedy: temperature 0 takes the first of the largest after bias and penalties, whatever the other
 * stages would do. */
static void test_sample_stages__greedy(void **state)
{
    (void)state;
    struct ref f;
    float logits[MAX_N];
    oa_sampler *s = NULL;
    assert_int_equal(oa_sampler_new(&s, NULL), OA_OK);
    set(s, "temperature", 0);
    set(s, "xtc_probability", 1);
    begin();
    for (int round = 0; round < ROUNDS; round++) {
        random_logits(&f, logits);
        assert_int_equal(oa_sampler_reset(s), OA_OK);
        random_history(&f, s);
        set(s, "repeat_penalty", below(2) ? 1.3 : 1);
        for (size_t i = 0; i < f.n; i++)
            if (isnan(f.v[i]) || f.v[i] == -HUGE_VALL) f.alive[i] = 0;
        if (get(s, "repeat_penalty") != 1) ref_penalties(&f, s);
        int32_t id = -1;
        int rc = oa_sampler_pick(s, logits, f.n, &id);
        if (first_of(&f) == f.n) {
            assert_int_equal(rc, OA_ELIMIT);
            continue;
        }
        assert_int_equal(rc, OA_OK);
        assert_int_equal(id, first_of(&f));
    }
    oa_sampler_free(s);
}

/* A large vocabulary: the block scan and the heap against a full sort by another road. */
static void test_sample_stages__large_vocabulary(void **state)
{
    (void)state;
    enum { N = 50000 };
    static float logits[N];
    oa_sampler *s = only("penalties;top_k");
    begin();
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < N; i++) {
            double x = uniform() * 30;
            logits[i] = (float)(round % 2 ? floor(x * 40) / 40 : x);
            if (round % 5 == 4 && below(4) == 0) logits[i] = NAN;
            if (round == 7) logits[i] = (float)i;
            if (round == 8) logits[i] = 1;
        }
        const size_t k = 1 + below(100);
        set(s, "top_k", (double)k);
        set(s, "repeat_penalty", round % 3 ? 1 : 1.1); /* through both kinds of scan */
        assert_int_equal(oa_sampler_accept(s, (int32_t)below(N)), OA_OK);
        oa__run r;
        int32_t id = 0;
        assert_int_equal(oa__sampler_run(s, logits, N, &r, &id), OA_OK);
        assert_int_equal(r.n_c, k);
        assert_int_equal(r.n_sorted, k);
        for (size_t i = 1; i < k; i++)
            assert_true(r.c[i - 1].v > r.c[i].v ||
                        (r.c[i - 1].v == r.c[i].v && r.c[i - 1].id < r.c[i].id));
        /* Exactly k - 1 tokens come before the last one that was kept. */
        const double v = r.c[k - 1].v;
        size_t n_before = 0;
        for (int32_t i = 0; i < N; i++) {
            double x = r.dense ? s->val[i] : (double)logits[i];
            n_before += x > v || (x == v && i < r.c[k - 1].id);
        }
        assert_int_equal(n_before, k - 1);
    }
    oa_sampler_free(s);
}

static void test_sample_stages__argmax(void **state)
{
    (void)state;
    float x[100];
    begin();
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = 1 + below(100), want = n;
        for (size_t i = 0; i < n; i++)
            x[i] = below(6) == 0 ? NAN : (float)below(10) - 5.0f;
        if (below(10) == 0)
            for (size_t i = 0; i < n; i++)
                x[i] = NAN;
        for (size_t i = 0; i < n; i++)
            if (!isnan(x[i]) && (want == n || x[i] > x[want])) want = i;
        assert_int_equal(oa__sample_argmax(x, n), want == n ? 0 : want);
    }
}

/* The references need the long double that the compiler promises; valgrind computes with double. */
static int long_double_is_long(void)
{
    volatile long double one = 1, step = LDBL_EPSILON;
    return one + step != one;
}

int main(void)
{
    if (!long_double_is_long()) {
        printf("1..0 # SKIP long double is rounded to double here (valgrind)\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_stages__top_k),
        cmocka_unit_test(test_sample_stages__top_p),
        cmocka_unit_test(test_sample_stages__typical),
        cmocka_unit_test(test_sample_stages__min_p),
        cmocka_unit_test(test_sample_stages__temperature),
        cmocka_unit_test(test_sample_stages__xtc),
        cmocka_unit_test(test_sample_stages__penalties),
        cmocka_unit_test(test_sample_stages__dry),
        cmocka_unit_test(test_sample_stages__bias),
        cmocka_unit_test(test_sample_stages__random_chain),
        cmocka_unit_test(test_sample_stages__mirostat),
        cmocka_unit_test(test_sample_stages__draw),
        cmocka_unit_test(test_sample_stages__greedy),
        cmocka_unit_test(test_sample_stages__large_vocabulary),
        cmocka_unit_test(test_sample_stages__argmax),
    };
    return cmocka_run_group_tests_name("sample/stages", tests, NULL, NULL);
}
