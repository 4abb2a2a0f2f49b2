/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of code points, and the data that they are made from (unicode_data.c, generated). What a
 * letter or a number is must not depend on the libraries that are installed: tokens would.
 */
#ifndef OA_TEXT_UNICODE_H
#define OA_TEXT_UNICODE_H

#include "text/text.h"

extern const char oa__category_names[][3]; /* "Lu" */
extern const size_t oa__n_categories;
extern const uint32_t oa__category_runs[]; /* length << 5 | category, from U+0000 on */
extern const size_t oa__n_category_runs;

/* Sets with a name: scripts, white space, words, and those that the reference implementation
 * defines for a purpose: oa_digit (Digits), oa_punctuation (Punctuation), oa_word (Whitespace,
 * single_word). */
extern const struct oa__named_set {
    const char *name;
    const uint32_t (*ranges)[2];
    size_t n;
} oa__named_sets[];
extern const size_t oa__n_named_sets;

const struct oa__named_set *oa__named_set(const char *name);
bool oa__named_set_has(const struct oa__named_set *set, uint32_t cp);

static inline bool oa__unicode_is_space(uint32_t cp)
{
    if (cp < 0x85) return cp == ' ' || cp - 9 < 5;
    if (cp < 0x1680) return cp == 0x85 || cp == 0xa0;
    return cp == 0x1680 || cp - 0x2000 < 11 || cp - 0x2028 < 2 || cp == 0x202f || cp == 0x205f ||
           cp == 0x3000;
}

/* A set of code points: ranges, ascending and apart once oa__uset_finish() ran. */
typedef struct oa__uset {
    oa__mem *mem;
    struct oa__urange {
        uint32_t lo, hi;
    } * r;
    size_t n, cap;
} oa__uset;

enum { OA__CP_MAX = 0x10ffff };

int oa__uset_add(oa__uset *s, uint32_t lo, uint32_t hi);
int oa__uset_add_set(oa__uset *s, const oa__uset *other);
/* A category ("L", "Lu"), a named set, or one of their long names; case, "_", "-" and spaces do not
 * count. OA_ENOTFOUND when there is none. */
int oa__uset_add_property(oa__uset *s, const char *name, size_t len);
void oa__uset_finish(oa__uset *s);
/* Both on finished sets. */
int oa__uset_invert(oa__uset *s);
int oa__uset_intersect(oa__uset *s, const oa__uset *other);
bool oa__uset_has(const oa__uset *s, uint32_t cp);
bool oa__uset_equal(const oa__uset *a, const oa__uset *b);
void oa__uset_free(oa__uset *s);

#endif
