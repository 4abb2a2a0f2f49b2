/* SPDX-License-Identifier: Apache-2.0 */
/* SentencePiece's unigram model. Inside of floor text. */
#ifndef OA_TEXT_UNIGRAM_H
#define OA_TEXT_UNIGRAM_H

#include "text/charsmap.h"
#include "text/trie.h"

struct oa__encoder;

typedef struct oa__unigram {
    oa__trie trie; /* plain tokens that are valid UTF-8 */
    double *score; /* (n_tokens) finite */
    double unknown_score;
    oa__charsmap charsmap;
    bool remove_extra_spaces, escape_spaces;
} oa__unigram;

/* One place of a text and the best way to get there. */
typedef struct oa__lattice {
    double score;
    int32_t id;     /* of the token that ends here; -1 = unknown, -2 = no way yet */
    uint32_t start; /* where it begins; then, walked back, where the next one ends */
} oa__lattice;

void oa__unigram_free(oa__unigram *u, oa__mem *mem);

/* A stretch of text: normalised, cut where no token reaches across, and encoded. */
int oa__unigram_encode(struct oa__encoder *e, const char *text, size_t len, bool prefix);
/* A text that is normalised and escaped: the tokens of the highest sum of scores. */
int oa__unigram_segment(struct oa__encoder *e, const char *text, size_t len, bool *was_unknown);

#endif
