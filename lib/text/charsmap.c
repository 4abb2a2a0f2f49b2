/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout, all numbers little-endian:
 *
 *     u32     size of the trie in bytes
 *     u32[]   units of the trie
 *     char[]  replacements, each with a NUL behind it
 *
 * A unit is a leaf's value with bit 31 set, or else
 *
 *     bits 0-7    label: the byte that leads here
 *     bit  8      a leaf hangs below
 *     bit  9      the offset counts in steps of 256
 *     bits 10-30  offset: children are at (own index) xor offset xor byte, the leaf at byte 0
 *
 * A file may hold any numbers. Leaf values are checked when the map is made; an index that leaves
 * the array ends the search, and so does a rule longer than RULE_MAX bytes, because units may lead
 * in a circle.
 */
#include "text/charsmap.h"

#include <string.h>
#include <utf8proc.h>

#include "text/unicode_bert.h"

enum { RULE_MAX = 128 };

#define LEAF (UINT32_C(1) << 31)

static bool is_inner(char c)
{
    return ((uint8_t)c & 0xc0) == 0x80;
}

static uint32_t read_u32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

int oa__charsmap_init(oa__charsmap *m, oa__mem *mem, const char *data, size_t size)
{
    memset(m, 0, sizeof *m);
    if (size == 0) return OA_OK;
    if (size < 4) return oa__err(OA_EFORMAT, "character map of %zu bytes, want at least 4", size);
    uint32_t trie_size = read_u32(data);
    if (trie_size % 4 != 0 || trie_size > size - 4)
        return oa__err(OA_EFORMAT, "character map of %zu bytes has a trie of %u", size,
                       (unsigned)trie_size);
    if (trie_size == 0) return OA_OK; /* no rules */
    m->n_units = trie_size / 4;
    m->texts_size = size - 4 - trie_size;
    const char *texts = data + 4 + trie_size;
    if (m->texts_size == 0 || texts[m->texts_size - 1] != 0)
        return oa__err(OA_EFORMAT, "character map: last replacement has no end");
    m->units = oa__alloc_array(mem, m->n_units, sizeof *m->units);
    m->texts = oa__alloc(mem, m->texts_size);
    if (!m->units || !m->texts) return OA_ENOMEM;
    if (m->texts_size > 0) memcpy(m->texts, texts, m->texts_size);
    for (size_t i = 0; i < m->n_units; i++) {
        uint32_t unit = read_u32(data + 4 + 4 * i);
        m->units[i] = unit;
        if (!(unit & LEAF)) continue;
        if ((unit & ~LEAF) >= m->texts_size)
            return oa__err(OA_EFORMAT, "character map: replacement at %u, there are %zu bytes",
                           (unsigned)(unit & ~LEAF), m->texts_size);
        if (is_inner(m->texts[unit & ~LEAF]))
            return oa__err(OA_EFORMAT, "character map: replacement at %u is no UTF-8",
                           (unsigned)(unit & ~LEAF));
    }
    /* Replacements become text: they must be valid by themselves. */
    for (size_t i = 0; i < m->texts_size;) {
        size_t n = strlen(m->texts + i);
        if (!oa__utf8_valid(m->texts + i, n))
            return oa__err(OA_EFORMAT, "character map: replacement at %zu is no UTF-8", i);
        i += n + 1;
    }
    return OA_OK;
}

void oa__charsmap_free(oa__charsmap *m, oa__mem *mem)
{
    oa__free(mem, m->units);
    oa__free(mem, m->texts);
    memset(m, 0, sizeof *m);
}

static uint32_t offset_of(uint32_t unit)
{
    return (unit & ~LEAF) >> 10 << ((unit & 1u << 9) >> 6);
}

size_t oa__charsmap_find(const oa__charsmap *m, const char *text, size_t len, oa__span *replacement)
{
    if (m->n_units == 0) return 0;
    size_t found = 0;
    uint32_t at = offset_of(m->units[0]), start = 0;
    for (size_t i = 0; i < len && i < RULE_MAX && text[i] != 0; i++) {
        uint8_t byte = (uint8_t)text[i];
        at ^= byte;
        if (at >= m->n_units) break;
        uint32_t unit = m->units[at];
        if ((unit & (LEAF | 0xff)) != byte) break;
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        if (at >= m->n_units || !(m->units[at] & LEAF)) break;
        /* A rule that ends inside a character would tear it. */
        if (i + 1 < len && is_inner(text[i + 1])) continue;
        start = m->units[at] & ~LEAF;
        found = i + 1;
    }
    if (found > 0) *replacement = (oa__span){m->texts + start, strlen(m->texts + start)};
    return found;
}

/* The shortest rule that begins a chunk of a few bytes; false when there is none. */
static bool find_first(const oa__charsmap *m, const char *text, size_t len, oa__span *replacement)
{
    if (m->n_units == 0) return false;
    uint32_t at = offset_of(m->units[0]);
    for (size_t i = 0; i < len && text[i] != 0; i++) {
        uint8_t byte = (uint8_t)text[i];
        at ^= byte;
        if (at >= m->n_units || (m->units[at] & (LEAF | 0xff)) != byte) return false;
        uint32_t unit = m->units[at];
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        if (at >= m->n_units || !(m->units[at] & LEAF)) return false;
        uint32_t start = m->units[at] & ~LEAF;
        *replacement = (oa__span){m->texts + start, strlen(m->texts + start)};
        return true;
    }
    return false;
}

static size_t grapheme_size(const char *text, size_t len)
{
    uint32_t cp, next;
    utf8proc_int32_t state = 0;
    size_t size = oa__utf8_decode(text, len, &cp);
    /* Nothing joins two ASCII characters but a line end. */
    if (size == 1 && size < len && (uint8_t)text[1] < 0x80)
        return text[0] == '\r' && text[1] == '\n' ? 2 : 1;
    while (size < len) {
        size_t n = oa__utf8_decode(text + size, len - size, &next);
        /* Our own tables first: they don't depend on the library's Unicode version. */
        bool end =
            utf8proc_grapheme_break_stateful((utf8proc_int32_t)cp, (utf8proc_int32_t)next, &state);
        if (oa__bert_class(cp) & OA__BERT_CUTS) {
            end = cp != '\r' || next != '\n';
        } else if (oa__bert_class(next) & OA__BERT_JOINS) {
            end = false;
        }
        if (end) break;
        size += n;
        cp = next;
    }
    return size;
}

int oa__charsmap_by_grapheme(const oa__charsmap *m, const char *text, size_t len, oa__str *out)
{
    for (size_t i = 0; i < len;) {
        size_t size = grapheme_size(text + i, len - i), end = i + size;
        oa__span r;
        if (size < 6 && find_first(m, text + i, size, &r)) {
            OA__TRY(oa__str_add(out, r.data, r.len));
            i = end;
        }
        while (i < end) {
            uint32_t cp;
            size_t n = oa__utf8_decode(text + i, end - i, &cp);
            if (!find_first(m, text + i, n, &r)) r = (oa__span){text + i, n};
            OA__TRY(oa__str_add(out, r.data, r.len));
            i += n;
        }
    }
    return OA_OK;
}
