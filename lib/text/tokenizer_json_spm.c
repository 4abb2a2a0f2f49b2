/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenizer.json: SentencePiece's BPE as LLaMA, Mistral and Gemma write it, which GGUF knows as
 * "llama". There a pair merges by the score of what it gives; here merges have ranks. When the
 * merges that give one token are neighbours, the order of these groups is the order of the scores;
 * groups that mix are of tokens with one score.
 */
#include "text/tokenizer_json.h"

static bool marks_spaces(const oa__norm_spec *n)
{
    return n->kind == OA__NORM_REPLACE && oa__tj_is(n->text, " ") && oa__tj_is(n->with, OA__MARK);
}

/* Spaces become marks and nothing else happens; *prefix: a mark is put in front of a text. */
static bool only_marks(const oa__pipeline_spec *p, bool *prefix)
{
    size_t i = 0;
    *prefix = false;
    if (i < p->n_norm && p->norm[i].kind == OA__NORM_PREPEND &&
        oa__tj_is(p->norm[i].text, OA__MARK)) {
        *prefix = true;
        i++;
    }
    if (i + 1 == p->n_norm && marks_spaces(&p->norm[i])) {
        /* Cutting at spaces, of which none is left. */
        return p->n_pre == 0 || (p->n_pre == 1 && p->pre[0].kind == OA__PRE_STRING &&
                                 oa__tj_is(p->pre[0].text, " "));
    }
    if (p->n_norm > 0 || p->n_pre != 1 || p->pre[0].kind != OA__PRE_METASPACE) return false;
    *prefix = (p->pre[0].flags & (OA__PRE_PREPEND_ALWAYS | OA__PRE_PREPEND_FIRST)) != 0;
    return oa__tj_is(p->pre[0].text, OA__MARK) && !(p->pre[0].flags & OA__PRE_CUT);
}

/* The token that a merge gives; -1 when the merge is none. buf has room for all merges. */
static int32_t result_of(const json_t *vocab, oa__span merge, char *buf)
{
    const char *space = memchr(merge.data, ' ', merge.len);
    if (space == NULL) return -1;
    const size_t left = (size_t)(space - merge.data), right = merge.len - left - 1;
    memcpy(buf, merge.data, left);
    memcpy(buf + left, space + 1, right);
    buf[left + right] = '\0';
    if (memchr(buf, ' ', left + right) != NULL || strlen(buf) != left + right) return -1;
    const json_t *id = json_object_get(vocab, buf);
    return id != NULL ? (int32_t)json_integer_value(id) : -1;
}

/* Tokens in the order in which merges give them first. */
typedef struct ranking {
    float *scores;  /* (n_tokens) */
    int32_t *order; /* (n) */
    int32_t *place; /* (n_tokens) in order, -1 = not yet there */
    size_t n;
} ranking;

/* A merge gives a token. When others came in between, all of these have one score. */
static bool rank_token(ranking *r, int32_t id)
{
    enum { NEAR = 64 };
    if (r->place[id] < 0) {
        r->scores[id] = -(float)r->n;
        r->place[id] = (int32_t)r->n;
        r->order[r->n++] = id;
        return true;
    }
    const size_t first = (size_t)r->place[id];
    if (r->n - first > NEAR) return false;
    for (size_t k = first + 1; k < r->n; k++)
        r->scores[r->order[k]] = r->scores[id];
    return true;
}

/* Scores by the order of the merges; false when no scores would mean the same. */
static bool rank_all(const oa__tokenizer_json *t, ranking *r, char *buf)
{
    const json_t *vocab = json_object_get(json_object_get(t->root, "model"), "vocab");
    for (size_t i = 0; i < t->spec.n_tokens; i++) {
        r->scores[i] = -(float)(t->spec.n_merges + 1);
        r->place[i] = -1;
    }
    for (size_t i = 0; i < t->spec.n_merges; i++) {
        const int32_t id = result_of(vocab, t->merges[i], buf);
        if (id < 0 || (size_t)id >= t->spec.n_tokens || !rank_token(r, id)) return false;
    }
    return true;
}

int oa__tj_name_spm(oa__tokenizer_json *t)
{
    const oa__pipeline_spec *p = &t->pipeline;
    bool prefix;
    size_t longest = 0;
    if (p->bytes || p->ignore_merges || !p->byte_fallback || !only_marks(p, &prefix)) return OA_OK;
    if (t->spec.n_merges == 0 || t->spec.scores != NULL) return OA_OK;
    for (size_t i = 0; i < t->spec.n_merges; i++)
        longest = t->merges[i].len > longest ? t->merges[i].len : longest;
    const size_t n = t->spec.n_tokens;
    ranking r = {.scores = oa__alloc_array(t->mem, n, sizeof *r.scores),
                 .order = oa__alloc_array(t->mem, n, sizeof *r.order),
                 .place = oa__alloc_array(t->mem, n, sizeof *r.place)};
    char *buf = oa__alloc(t->mem, longest + 1);
    const bool whole = r.scores && r.order && r.place && buf;
    const bool same = whole && rank_all(t, &r, buf);
    oa__free(t->mem, buf);
    oa__free(t->mem, r.place);
    oa__free(t->mem, r.order);
    if (!same) {
        oa__free(t->mem, r.scores);
        return whole ? OA_OK : OA_ENOMEM;
    }
    oa__free(t->mem, t->scores);
    t->spec.scores = t->scores = r.scores;
    t->spec.add_space_prefix = prefix;
    t->ggml = "llama";
    return OA_OK;
}
