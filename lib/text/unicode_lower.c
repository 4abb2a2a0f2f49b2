/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up what unicode_bert.c holds. */
#include "text/unicode_bert.h"

unsigned oa__bert_class(uint32_t cp)
{
    size_t low = 0, high = oa__bert_n_ranges;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > oa__bert_ranges[mid].last) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    bool in = low < oa__bert_n_ranges && cp >= oa__bert_ranges[low].first;
    return in ? oa__bert_ranges[low].bits : 0;
}

/* The gap behind U+2B81F is one that the reference implementation has. */
bool oa__bert_is_chinese(uint32_t cp)
{
    if (cp < 0x3400) return false;
    return cp <= 0x4dbf || (cp >= 0x4e00 && cp <= 0x9fff) || (cp >= 0xf900 && cp <= 0xfaff) ||
           (cp >= 0x20000 && cp <= 0x2a6df) || (cp >= 0x2a700 && cp <= 0x2b81f) ||
           (cp >= 0x2b920 && cp <= 0x2ceaf) || (cp >= 0x2f800 && cp <= 0x2fa1f);
}

size_t oa__unicode_lower(uint32_t cp, uint32_t out[2])
{
    out[0] = cp;
    if (cp < 0x80) {
        if (cp >= 'A' && cp <= 'Z') out[0] = cp + 32;
        return 1;
    }
    if (cp == 0x130) {
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    size_t low = 0, high = oa__lower_n_ranges;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > oa__lower_ranges[mid].last) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == oa__lower_n_ranges) return 1;
    const struct oa__lower_range *r = &oa__lower_ranges[low];
    if (cp >= r->first && (cp - r->first) % r->step == 0)
        out[0] = (uint32_t)((int32_t)cp + r->delta);
    return 1;
}
