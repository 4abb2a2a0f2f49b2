/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of tokenizers, in Oniguruma's words as Hugging Face's files have them.
 *
 * PCRE2 does the matching, but what it calls a letter depends on the version that is installed. So
 * an expression is translated: every set of characters in it is worked out with our own data
 * (unicode.h); code points above ASCII that no set tells apart become one class; a class is a byte
 * above 127, and PCRE2 runs over a string of such bytes, one per code point. An ASCII text is its
 * own class string. What is not understood exactly is OA_EUNSUPPORTED.
 */
#ifndef OA_TEXT_REGEX_H
#define OA_TEXT_REGEX_H

#include "text/unicode.h"

enum { OA__REGEX_SETS_MAX = 64 };

/* In a translation the byte OA__REGEX_MARK and the number of a set plus 2 stand for that set. */
enum { OA__REGEX_MARK = 1 };

typedef struct oa__regex_parts {
    oa__mem *mem;
    oa__str out;
    oa__uset sets[OA__REGEX_SETS_MAX];
    size_t n_sets;
} oa__regex_parts;

/* regex_parse.c; parts is freed by the caller, on failure too. */
int oa__regex_translate(oa__regex_parts *parts, const char *text, size_t len);

typedef struct oa__regex oa__regex;

/* bytes: matches the characters that stand for the bytes of a text in byte-level BPE. */
int oa__regex_new(oa__regex **out, oa__mem *mem, oa__span text, bool bytes);
void oa__regex_free(oa__regex *r);

/* Finds one match after another. Zero-initialise; begin may be called again and again; end frees.
 */
typedef struct oa__matcher {
    const oa__regex *regex;
    oa__mem *mem;
    const char *text;
    size_t len, at;      /* in bytes */
    const char *classes; /* text itself when that serves */
    char *classes_buf;
    size_t classes_cap;
    size_t n_classes, class_at;
    size_t last_end; /* of the last match, in classes */
    bool any;        /* there was a match */
    void *match_data, *match_context;
    bool interpret; /* without compiled code; the caller may set it before begin */
} oa__matcher;

int oa__matcher_begin(oa__matcher *m, const oa__regex *r, oa__mem *mem, const char *text,
                      size_t len);
/* 1 and the next match, which may be empty but not right behind the last one; 0 when there is none;
 * or an error. Offsets in bytes. */
int oa__matcher_next(oa__matcher *m, size_t *start, size_t *end);
void oa__matcher_end(oa__matcher *m);

#endif
