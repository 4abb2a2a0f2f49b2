/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of code points as lists of ranges. */
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

#include "text/vocab_priv.h"

const struct oa__named_set *oa__named_set(const char *name)
{
    for (size_t i = 0; i < oa__n_named_sets; i++)
        if (strcmp(oa__named_sets[i].name, name) == 0) return &oa__named_sets[i];
    return NULL;
}

bool oa__named_set_has(const struct oa__named_set *set, uint32_t cp)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > set->ranges[mid][1]) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < set->n && cp >= set->ranges[low][0];
}

int oa__uset_add(oa__uset *s, uint32_t lo, uint32_t hi)
{
    OA__TRY(oa__grow(s->mem, (void **)&s->r, &s->cap, s->n + 1, sizeof *s->r));
    s->r[s->n++] = (struct oa__urange){lo, hi};
    return OA_OK;
}

int oa__uset_add_set(oa__uset *s, const oa__uset *other)
{
    for (size_t i = 0; i < other->n; i++)
        OA__TRY(oa__uset_add(s, other->r[i].lo, other->r[i].hi));
    return OA_OK;
}

/* Long names of what is known by a short one. */
static const char *const long_names[][2] = {
    {"letter", "l"},
    {"mark", "m"},
    {"number", "n"},
    {"punctuation", "p"},
    {"symbol", "s"},
    {"separator", "z"},
    {"other", "c"},
    {"uppercaseletter", "lu"},
    {"lowercaseletter", "ll"},
    {"titlecaseletter", "lt"},
    {"modifierletter", "lm"},
    {"otherletter", "lo"},
    {"decimalnumber", "nd"},
    {"digit", "nd"},
    {"control", "cc"},
    {"cntrl", "cc"},
    {"punct", "p"},
    {"whitespace", "space"},
};

int oa__uset_add_property(oa__uset *s, const char *name, size_t len)
{
    char key[32];
    size_t n = 0;
    if (len >= 3 && memcmp(name, "oa_", 3) == 0) {
        if (len >= sizeof key) return OA_ENOTFOUND;
        memcpy(key, name, len);
        n = len;
    } else {
        for (size_t i = 0; i < len; i++) {
            char c = name[i];
            if (c == ' ' || c == '_' || c == '-') continue;
            if (n == sizeof key - 1) return OA_ENOTFOUND;
            key[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
    }
    key[n] = 0;
    for (size_t i = 0; i < OA__ARRAY_LEN(long_names); i++)
        if (strcmp(key, long_names[i][0]) == 0) {
            n = strlen(long_names[i][1]);
            memcpy(key, long_names[i][1], n + 1);
            break;
        }
    const struct oa__named_set *named = oa__named_set(key);
    for (size_t i = 0; named && i < named->n; i++)
        OA__TRY(oa__uset_add(s, named->ranges[i][0], named->ranges[i][1]));
    if (named) return OA_OK;
    bool found = strcmp(key, "any") == 0;
    if (found) OA__TRY(oa__uset_add(s, 0, OA__CP_MAX));
    uint32_t first = 0, next;
    for (size_t i = 0; i < oa__n_category_runs && n >= 1 && n <= 2; i++, first = next) {
        const char *cat = oa__category_names[oa__category_runs[i] & 31];
        next = first + (oa__category_runs[i] >> 5);
        if (cat[0] + 32 != key[0] || (n == 2 && cat[1] != key[1])) continue;
        OA__TRY(oa__uset_add(s, first, next - 1));
        found = true;
    }
    return found ? OA_OK : OA_ENOTFOUND;
}

static int by_lo(const void *pa, const void *pb)
{
    const struct oa__urange *a = pa, *b = pb;
    return a->lo < b->lo ? -1 : a->lo > b->lo;
}

void oa__uset_finish(oa__uset *s)
{
    size_t n = 0;
    if (s->n > 0) qsort(s->r, s->n, sizeof *s->r, by_lo);
    for (size_t i = 0; i < s->n; i++) {
        if (n > 0 && s->r[i].lo <= s->r[n - 1].hi + 1) {
            if (s->r[i].hi > s->r[n - 1].hi) s->r[n - 1].hi = s->r[i].hi;
        } else {
            s->r[n++] = s->r[i];
        }
    }
    s->n = n;
}

int oa__uset_invert(oa__uset *s)
{
    oa__uset out = {.mem = s->mem};
    uint32_t next = 0;
    int rc = OA_OK;
    for (size_t i = 0; i < s->n; i++) {
        if (s->r[i].lo > next) OA__TRY_GOTO(oa__uset_add(&out, next, s->r[i].lo - 1));
        next = s->r[i].hi + 1;
    }
    if (next <= OA__CP_MAX) OA__TRY_GOTO(oa__uset_add(&out, next, OA__CP_MAX));
    oa__uset_free(s);
    *s = out;
    return OA_OK;
fail:
    oa__uset_free(&out);
    return rc;
}

int oa__uset_intersect(oa__uset *s, const oa__uset *other)
{
    oa__uset out = {.mem = s->mem};
    int rc = OA_OK;
    for (size_t i = 0, k = 0; i < s->n && k < other->n;) {
        uint32_t lo = s->r[i].lo > other->r[k].lo ? s->r[i].lo : other->r[k].lo;
        uint32_t hi = s->r[i].hi < other->r[k].hi ? s->r[i].hi : other->r[k].hi;
        if (lo <= hi) OA__TRY_GOTO(oa__uset_add(&out, lo, hi));
        if (s->r[i].hi < other->r[k].hi) {
            i++;
        } else {
            k++;
        }
    }
    oa__uset_free(s);
    *s = out;
    return OA_OK;
fail:
    oa__uset_free(&out);
    return rc;
}

bool oa__uset_has(const oa__uset *s, uint32_t cp)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > s->r[mid].hi) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < s->n && cp >= s->r[low].lo;
}

bool oa__uset_equal(const oa__uset *a, const oa__uset *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->r, b->r, a->n * sizeof *a->r) == 0);
}

void oa__uset_free(oa__uset *s)
{
    oa__free(s->mem, s->r);
    s->r = NULL;
    s->n = s->cap = 0;
}
