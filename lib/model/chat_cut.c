/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation that is too long, cut as Open Assistant's workers cut theirs: by tokens.
 *
 *   | system part |  left out  |           the last tokens            |
 *   | system part | (user opening) |        the last tokens           |
 *
 * The system part is all that stands before the first opening of a user's or an assistant's
 * message. Of the rest the last (max - system - max / 100 - opening) tokens stay, and when no
 * user's opening is among them one is put in front. Openings are found by their tokens: messages
 * can't contain them, since what they spell never becomes a special token.
 */
#include "model/model_priv.h"

#include <string.h>

/* How messages open in the formats that people use; all begin with a special token. */
static const char *const formats[][2] = {
    {"<|prompter|>", "<|assistant|>"},
    {"<|im_start|>user\n", "<|im_start|>assistant\n"},
    {"<human>", "<bot>"},
    {"<|start_header_id|>user<|end_header_id|>\n\n",
     "<|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"<start_of_turn>user\n", "<start_of_turn>model\n"},
    {"<|user|>\n", "<|assistant|>\n"},
};

enum { USER, ASSISTANT };

typedef struct opening {
    oa__ids ids;
    size_t n_match; /* without the line breaks at its end, which may join with what follows */
} opening;

typedef struct marks {
    opening open[2];
    size_t first; /* where the first message opens */
} marks;

static void marks_free(marks *k)
{
    oa__ids_free(&k->open[USER].ids);
    oa__ids_free(&k->open[ASSISTANT].ids);
}

static bool opens_at(const opening *o, const oa__ids *ids, size_t i)
{
    return ids->len - i >= o->n_match &&
           memcmp(ids->data + i, o->ids.data, o->n_match * sizeof *ids->data) == 0;
}

/* Sets n_match to 0 when the vocabulary has no such special token. */
static int read_opening(const oa_model *m, const char *text, opening *o)
{
    const uint32_t flags = OA_TOKENIZE_SPECIAL | OA_TOKENIZE_NO_BOS | OA_TOKENIZE_NO_EOS;
    size_t len = strlen(text), bare = len;
    while (bare > 0 && text[bare - 1] == '\n')
        bare--;
    o->ids = (oa__ids){.mem = oa__model_mem(m)};
    OA__TRY(oa__vocab_encode(m->vocab, text, bare, flags, &o->ids));
    const bool known = o->ids.len > 0 && oa__vocab_is_marked(m->vocab, o->ids.data[0]);
    o->n_match = known ? o->ids.len : 0;
    o->ids.len = 0;
    return oa__vocab_encode(m->vocab, text, len, flags, &o->ids);
}

/* Which format these ids are in; open[USER].n_match is 0 when it is none of ours. */
static int find_format(const oa_model *m, const oa__ids *ids, marks *k)
{
    for (size_t f = 0; f < OA__ARRAY_LEN(formats); f++) {
        marks_free(k);
        OA__TRY(read_opening(m, formats[f][USER], &k->open[USER]));
        OA__TRY(read_opening(m, formats[f][ASSISTANT], &k->open[ASSISTANT]));
        if (k->open[USER].n_match == 0 || k->open[ASSISTANT].n_match == 0) continue;
        k->first = ids->len;
        for (size_t i = 0; i < ids->len; i++) {
            const bool user = opens_at(&k->open[USER], ids, i);
            if ((user || opens_at(&k->open[ASSISTANT], ids, i)) && k->first == ids->len)
                k->first = i;
            if (user) return OA_OK;
        }
    }
    k->open[USER].n_match = 0;
    return OA_OK;
}

static int cut(oa__ids *ids, const marks *k, uint32_t max, oa_render_cut *report)
{
    const opening *user = &k->open[USER];
    const uint64_t fixed = (uint64_t)k->first + max / 100 + user->ids.len;
    if (fixed >= max) {
        return oa__err(OA_EFULL,
                       "the system part of the conversation has %zu tokens, which leaves no room "
                       "for messages in %lu",
                       k->first, (unsigned long)max);
    }
    const size_t n_keep = max - (size_t)fixed, from = ids->len - n_keep;
    size_t n_opened = 0; /* messages that begin in what is left out */
    bool has_user = false, opened = false;
    for (size_t i = k->first; i < ids->len; i++) {
        const bool is_user = opens_at(user, ids, i);
        if (!is_user && !opens_at(&k->open[ASSISTANT], ids, i)) continue;
        if (i < from) n_opened++;
        if (i == from) opened = true;
        if (i >= from && is_user) has_user = true;
    }
    report->n_cut = from - k->first;
    report->n_partial = n_opened > 0 && !opened;
    report->n_messages = n_opened - report->n_partial;
    size_t at = k->first;
    if (!has_user) {
        report->n_added = user->ids.len;
        /* from > first + what is put in: max is at least that much less than the whole. */
        memmove(ids->data + at + user->ids.len, ids->data + from, n_keep * sizeof *ids->data);
        memcpy(ids->data + at, user->ids.data, user->ids.len * sizeof *ids->data);
        at += user->ids.len;
    } else {
        memmove(ids->data + at, ids->data + from, n_keep * sizeof *ids->data);
    }
    ids->len = at + n_keep;
    return OA_OK;
}

int oa__chat_cut(const oa_model *m, oa__ids *ids, uint32_t max, oa_render_cut *report)
{
    *report = (oa_render_cut){.size = sizeof *report, .n_ids = ids->len};
    if (ids->len <= max) return OA_OK;
    marks k = {0};
    int rc = find_format(m, ids, &k);
    if (rc == OA_OK && k.open[USER].n_match == 0) {
        rc = oa__err(OA_EUNSUPPORTED,
                     "the conversation has %zu tokens, want at most %lu, and its format is none "
                     "that can be cut: no message opens with a known special token",
                     ids->len, (unsigned long)max);
    }
    if (rc == OA_OK) rc = cut(ids, &k, max, report);
    marks_free(&k);
    return rc;
}
