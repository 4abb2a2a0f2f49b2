/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON of a known shape from front to back. No tree is built, so a hostile file of n bytes
 * costs O(n) time and no memory but its longest string. Every function returns OA_EFORMAT at what
 * is no JSON or not what was asked for.
 */
#ifndef OA_FILE_JSON_SCAN_H
#define OA_FILE_JSON_SCAN_H

#include "base/base.h"

typedef struct oa__json_scan {
    const char *what; /* names the text in errors */
    const char *base, *at, *end;
    bool first; /* just behind an opening bracket */
    oa__str text;
} oa__json_scan;

/* text.mem and what are set by the caller, as are the three pointers. */
/* The opening bracket of an object or array. */
int oa__json_enter(oa__json_scan *s, char bracket);
/* Whether another member or element follows; else the closing bracket is read. */
int oa__json_more(oa__json_scan *s, char closing, bool *more);
/* A string, decoded into text; one with a NUL or no UTF-8 is refused. */
int oa__json_string(oa__json_scan *s);
/* The key of a member and its colon. */
int oa__json_key(oa__json_scan *s);
/* A number that is an unsigned integer. */
int oa__json_u64(oa__json_scan *s, uint64_t *out);
/* Any value; nested 64 deep at most. */
int oa__json_skip(oa__json_scan *s);
/* Nothing but space until the end. */
int oa__json_finish(oa__json_scan *s);

#endif
