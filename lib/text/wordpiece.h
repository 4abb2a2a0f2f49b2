/* SPDX-License-Identifier: Apache-2.0 */
/* WordPiece, and the cutting into words that BERT does in front of it. Inside of floor text. */
#ifndef OA_TEXT_WORDPIECE_H
#define OA_TEXT_WORDPIECE_H

#include "text/trie.h"

struct oa__encoder;

typedef struct oa__wordpiece {
    oa__trie first, inner; /* tokens at the beginning of a word, and further inside */
    size_t max_chars;      /* a longer word is unknown */
    bool keep_case, keep_accents;
} oa__wordpiece;

void oa__wordpiece_free(oa__wordpiece *w, oa__mem *mem);

/* A stretch of text: BERT's normaliser, its words, their tokens. */
int oa__wordpiece_encode(struct oa__encoder *e, const char *text, size_t len);
/* One word: the longest token that begins it, then the longest that goes on, and so forth; the
 * unknown token when that leads nowhere. */
int oa__wordpiece_word(struct oa__encoder *e, const char *word, size_t len);

#endif
