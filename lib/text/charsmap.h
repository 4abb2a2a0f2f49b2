/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SentencePiece's precompiled character map: replacements of byte sequences, found by a
 * double-array trie that lies in the file. Inside of floor text.
 */
#ifndef OA_TEXT_CHARSMAP_H
#define OA_TEXT_CHARSMAP_H

#include "text/text.h"

typedef struct oa__charsmap {
    uint32_t *units; /* (n_units) the trie */
    size_t n_units;
    char *texts; /* replacements, each with a NUL at its end */
    size_t texts_size;
} oa__charsmap;

/* Copies and checks. No bytes at all: a map without rules. OA_EFORMAT with a reason. */
int oa__charsmap_init(oa__charsmap *m, oa__mem *mem, const char *data, size_t size);
void oa__charsmap_free(oa__charsmap *m, oa__mem *mem);

/* The longest rule that begins here; returns its length and sets what replaces it, or 0. */
size_t oa__charsmap_find(const oa__charsmap *m, const char *text, size_t len,
                         oa__span *replacement);

/* Append text as Hugging Face tokenizers maps it: a grapheme of less than 6 bytes becomes what the
 * shortest rule at its beginning says, whole; of others, and where there is none, each character.
 */
int oa__charsmap_by_grapheme(const oa__charsmap *m, const char *text, size_t len, oa__str *out);

#endif
