/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guesses of the next tokens, for ahead.c to check.
 *
 * 1. Prompt look-up: the last four ids of the sequence, or two, are looked up in it; what followed
 *    the latest place with the same ids is the guess. The longer the equal piece, the likelier; how
 *    likely is learned for each class of lengths, also from guesses that nobody paid for.
 * 2. A draft model, when the caller gave one, continues where the look-up has nothing that pays.
 *
 * How many are worth checking follows from what a pass and each of its rows has cost so far: with
 * the chance p_i that the i-th guess is right too, k guesses bring 1 + p_1 + p_1 p_2 + ... tokens
 * for the price of a pass, k rows and k guesses (Leviathan, Kalman, Matias: Fast Inference from
 * Transformers via Speculative Decoding, 2023, section 3.4). When no k is better than none, none is
 * checked. Times decide how fast an answer comes, never what it is.
 */
#include "session/session_priv.h"

#include <string.h>

enum {
    N_GRAMS = 2,
    N_CLASSES = 6,       /* of lengths of equal pieces */
    LENGTH_MAX = 16,     /* pieces this long are all the same */
    TABLE_MIN = 1 << 10, /* entries */
    PATIENCE_MIN = 16,   /* tokens until a draft model that did not pay is asked again */
    PATIENCE_MAX = 1024
};

static const size_t gram_len[N_GRAMS] = {4, 2};

struct oa__draft {
    oa__mem *mem;
    uint32_t *ends;   /* (table_len) where a piece ends that hashes to the place; 0 = nowhere */
    size_t table_len; /* a power of two */
    size_t n_indexed; /* ids in the table */
    float hit[N_CLASSES];
    bool watching; /* a guess of the next token is to be judged */
    int32_t expected;
    size_t length; /* of its piece */

    oa_session *model; /* of the draft model; NULL = none yet */
    float model_hit;
    bool model_guessed; /* the ids ahead are its */
    size_t patience, idle;

    float pass_ns, row_ns, guess_ns; /* smoothed; 0 = not known yet */
};

int oa__draft_new(oa__draft **out, oa__mem *mem)
{
    static const float hit[N_CLASSES] = {0.15f, 0.25f, 0.4f, 0.6f, 0.75f, 0.9f};
    oa__draft *d = oa__alloc(mem, sizeof *d);
    *out = d;
    if (d == NULL) return OA_ENOMEM;
    d->mem = mem;
    memcpy(d->hit, hit, sizeof hit);
    d->model_hit = 0.7f;
    d->patience = PATIENCE_MIN;
    return OA_OK;
}

void oa__draft_free(oa__draft *d)
{
    if (d == NULL) return;
    oa_session_free(d->model);
    oa__free(d->mem, d->ends);
    oa__free(d->mem, d);
}

void oa__draft_cut(oa__draft *d, size_t n)
{
    if (d == NULL) return;
    d->watching = false;
    if (d->n_indexed > n) d->n_indexed = n;
}

/* --- prompt look-up --------------------------------------------------------------------------- */

static size_t place_of(const oa__draft *d, const int32_t *end, size_t len)
{
    uint64_t h = len;
    for (size_t i = 1; i <= len; i++)
        h = (h ^ (uint32_t)end[-(ptrdiff_t)i]) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 32) & (d->table_len - 1);
}

static void index_end(oa__draft *d, const int32_t *ids, size_t end)
{
    for (size_t g = 0; g < N_GRAMS; g++) {
        if (end >= gram_len[g]) d->ends[place_of(d, ids + end, gram_len[g])] = (uint32_t)end;
    }
}

/* Pieces that end before position n. The last one is left out: it would be found first. */
static int update_table(oa__draft *d, const int32_t *ids, size_t n)
{
    if (n * 2 * N_GRAMS > d->table_len) {
        size_t len = d->table_len ? d->table_len : TABLE_MIN;
        while (len < n * 4 * N_GRAMS)
            len *= 2;
        uint32_t *ends = oa__alloc_array(d->mem, len, sizeof *ends);
        if (ends == NULL) return OA_ENOMEM;
        oa__free(d->mem, d->ends);
        d->ends = ends;
        d->table_len = len;
        d->n_indexed = 0;
    }
    while (d->n_indexed + 1 < n)
        index_end(d, ids, ++d->n_indexed);
    return OA_OK;
}

/* How many ids before `a` and before `b` are equal. The table may be out of date: it only says
 * where to look. */
static size_t equal_before(const int32_t *ids, size_t a, size_t b)
{
    size_t n = 0;
    while (n < LENGTH_MAX && n < a && ids[a - 1 - n] == ids[b - 1 - n])
        n++;
    return n;
}

/* Where the latest long piece like the end of the sequence ends; 0 = nowhere. */
static size_t look_up(oa__draft *d, const int32_t *ids, size_t n, size_t *length)
{
    for (size_t g = 0; g < N_GRAMS; g++) {
        if (n < gram_len[g]) continue;
        const size_t end = d->ends[place_of(d, ids + n, gram_len[g])];
        if (end == 0 || end >= n) continue;
        *length = equal_before(ids, end, n);
        if (*length >= gram_len[g]) return end;
    }
    return 0;
}

static float *hit_of(oa__draft *d, size_t length)
{
    const size_t class = length <= 3           ? length - 2
                         : length <= 5         ? 2
                         : length <= 8         ? 3
                         : length < LENGTH_MAX ? 4
                                               : 5;
    return &d->hit[class];
}

/* --- what pays -------------------------------------------------------------------------------- */

static void smooth(float *mean, float x)
{
    if (*mean == 0) {
        *mean = x;
    } else { /* a pass that lost its processor says nothing */
        if (x > 2 * *mean) x = 2 * *mean;
        *mean += (x - *mean) / 8;
    }
}

void oa__draft_time(oa__draft *d, size_t n_ahead, uint64_t ns)
{
    if (n_ahead == 0) {
        smooth(&d->pass_ns, (float)ns);
    } else if (d->pass_ns > 0) {
        /* On a busy machine times say little: no processor reads rows for nothing. */
        const float row = ((float)ns - d->pass_ns) / (float)n_ahead, least = d->pass_ns / 10;
        smooth(&d->row_ns, row > least ? row : least);
    }
}

/* Nanoseconds that a row adds to a pass; a guess before the first was measured. */
static float row_cost(const oa__draft *d)
{
    return d->row_ns > 0 ? d->row_ns : d->pass_ns / 4;
}

/* Tokens per pass with k guesses against one without. */
static bool pays(const oa__draft *d, float tokens, size_t k, float guess_ns, float *best)
{
    const float gain = tokens * d->pass_ns / (d->pass_ns + (float)k * (row_cost(d) + guess_ns));
    if (gain <= *best) return false;
    *best = gain;
    return true;
}

static size_t choose_look_up(oa__draft *d, size_t length, size_t most)
{
    float best = 1.08f, tokens = 1, chance = 1;
    size_t k = 0;
    for (size_t i = 0; i < most; i++) {
        chance *= *hit_of(d, length + i);
        tokens += chance;
        if (pays(d, tokens, i + 1, 0, &best)) k = i + 1;
    }
    return k;
}

static size_t choose_model(oa__draft *d, size_t most)
{
    float best = 1.08f, tokens = 1, chance = 1;
    size_t k = 0;
    for (size_t i = 0; i < most; i++) {
        chance *= d->model_hit;
        tokens += chance;
        if (pays(d, tokens, i + 1, d->guess_ns > 0 ? d->guess_ns : d->pass_ns / 8, &best))
            k = i + 1;
    }
    if (k > 0) {
        d->patience = PATIENCE_MIN;
    } else if (++d->idle >= d->patience) { /* times change: look again, ever less often */
        d->idle = 0;
        if (d->patience < PATIENCE_MAX) d->patience *= 2;
        k = most < 2 ? most : 2;
    }
    return k;
}

/* --- draft model ------------------------------------------------------------------------------ */

/* The probability of the most likely token, and which it is. */
static float most_likely(const float *logits, size_t n, int32_t *id)
{
    float sum = 0;
    *id = oa__sample_argmax(logits, n);
    for (size_t i = 0; i < n; i++)
        sum += oa__kern_expf(logits[i] - logits[*id]);
    return sum > 0 ? 1 / sum : 0;
}

/* Up to k ids behind the n; fewer when the model is not sure. */
static int ask_model(oa__draft *d, const oa_session *s, size_t k, int32_t *out, size_t *n_out)
{
    enum { MIN_PERCENT = 40 };
    *n_out = 0;
    if (d->model == NULL) {
        oa_session_opts o = OA_SESSION_OPTS_INIT;
        o.flags = OA_SESSION_NO_DRAFT;
        o.progress_fn = s->progress_fn;
        o.progress_user = s->progress_user;
        OA__TRY(oa_session_new(&d->model, s->draft_model, &o));
    }
    if (s->n + k > d->model->n_ctx) return OA_OK; /* a shorter context: it has to sit out */
    const bool whole = d->model->n + 8 < s->n;
    OA__TRY(oa_session_set_ids(d->model, s->ids, s->n, NULL));
    const uint64_t start = oa__clock_ns();
    while (*n_out < k) {
        const float *logits;
        size_t n;
        OA__TRY(oa_session_get_logits(d->model, &logits, &n));
        const float p = most_likely(logits, n, &out[*n_out]);
        if ((p * 100 < MIN_PERCENT && !s->draft_always) ||
            (uint32_t)out[*n_out] >= oa__model_n_vocab(s->model))
            break;
        if (++*n_out == k) break;
        OA__TRY(oa_session_append(d->model, &out[*n_out - 1], 1));
    }
    if (!whole && *n_out > 0) smooth(&d->guess_ns, (float)(oa__clock_ns() - start) / (float)*n_out);
    return OA_OK;
}

/* --- what ahead.c asks ------------------------------------------------------------------------ */

int oa__draft_guess(oa__draft *d, const oa_session *s, size_t most, int32_t *out, size_t *n_out)
{
    const int32_t *ids = s->ids;
    const size_t n = s->n;
    *n_out = 0;
    d->watching = d->model_guessed = false;
    OA__TRY(update_table(d, ids, n));
    const size_t end = look_up(d, ids, n, &d->length);
    if (end != 0) {
        d->watching = true;
        d->expected = ids[end];
    }
    if (d->pass_ns == 0 && !s->draft_always) return OA_OK; /* no costs are known yet */
    if (end != 0 && !(s->draft_always && s->draft_model != NULL)) {
        const size_t k = s->draft_always ? most : choose_look_up(d, d->length, most);
        /* Past the end, the guess goes on with itself. */
        for (size_t i = 0; i < k; i++)
            out[i] = end + i < n ? ids[end + i] : out[end + i - n];
        *n_out = k;
    }
    if (*n_out == 0 && s->draft_model != NULL) {
        const size_t k = s->draft_always ? most : choose_model(d, most);
        if (k > 0) OA__TRY(ask_model(d, s, k, out, n_out));
        if (*n_out > 0) {
            d->watching = d->model_guessed = true;
            d->expected = out[0];
        }
    }
    return OA_OK;
}

void oa__draft_judge(oa__draft *d, int32_t id, const int32_t *next)
{
    if (d == NULL || !d->watching) return;
    const float right = id == d->expected ? 1 : 0;
    float *hit = d->model_guessed ? &d->model_hit : hit_of(d, d->length);
    *hit += (right - *hit) / 16;
    d->length++;
    d->watching = right != 0 && next != NULL;
    if (d->watching) d->expected = *next;
}
