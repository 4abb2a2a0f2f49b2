/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of code points as BERT's tokenizer has them, and lower case. Inside of floor text.
 * The tables are what Hugging Face tokenizers does, whatever Unicode version that mixes.
 */
#ifndef OA_TEXT_UNICODE_BERT_H
#define OA_TEXT_UNICODE_BERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OA__BERT_DROP = 1,   /* BertNormalizer's clean_text drops it: control characters and the like */
    OA__BERT_SPACE = 2,  /* clean_text makes a space of it */
    OA__BERT_PUNCT = 4,  /* BertPreTokenizer: a word by itself */
    OA__BERT_ACCENT = 8, /* BertNormalizer's strip_accents drops it, behind NFD */
    OA__BERT_MARK = 16,  /* StripAccents drops it */
    OA__BERT_JOINS = 32, /* one grapheme with the character in front */
    OA__BERT_CUTS = 64   /* a grapheme ends behind it, whatever follows */
};

extern const struct oa__bert_range {
    uint32_t first, last;
    uint8_t bits;
} oa__bert_ranges[];
extern const size_t oa__bert_n_ranges;

extern const struct oa__lower_range {
    uint32_t first, last;
    uint8_t step;
    int32_t delta;
} oa__lower_ranges[];
extern const size_t oa__lower_n_ranges;

/* OA__BERT_ bits. */
unsigned oa__bert_class(uint32_t cp);
/* handle_chinese_chars puts spaces round it. */
bool oa__bert_is_chinese(uint32_t cp);
/* The lower case, one code point or two; returns how many. */
size_t oa__unicode_lower(uint32_t cp, uint32_t out[2]);

#endif
