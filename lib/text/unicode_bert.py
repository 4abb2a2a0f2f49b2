# SPDX-License-Identifier: Apache-2.0
"""Write unicode_bert.c: what normalizers and pre-tokenizers of Hugging Face tokenizers (the Python
module tokenizers, asked here for each code point) take for a control character, a space, an
accent, a mark and punctuation, what for lower case, and where they see a grapheme end.

    python unicode_bert.py > unicode_bert.c
"""
import struct

from tokenizers import normalizers, pre_tokenizers

CODE_POINTS = [cp for cp in range(0x110000) if not 0xD800 <= cp < 0xE000]


def charsmap(text, replacement):
    """A precompiled map with one rule: units of a path, each at its byte in a block of its own."""
    units = [0x100] * 256 * (len(text) + 2)
    at = 0
    units[at] = 256 << 10
    at = 256
    for i, byte in enumerate(text):
        at ^= byte
        block = 256 * (i + 2)
        last = i + 1 == len(text)
        units[at] = byte | last << 8 | (at ^ block) << 10
        at = block
    units[at] = 1 << 31
    blob = struct.pack("<%dI" % len(units), *units)
    return struct.pack("<I", len(blob)) + blob + replacement + b"\0"


def ask():
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    clean = normalizers.BertNormalizer(**{**off, "clean_text": True})
    accents = normalizers.BertNormalizer(**{**off, "strip_accents": True})
    marks, lower = normalizers.StripAccents(), normalizers.Lowercase()
    rule_a = normalizers.Precompiled(charsmap(b"a", b"b"))
    rule_mark = normalizers.Precompiled(charsmap("\u0301".encode(), b"x"))
    words = pre_tokenizers.BertPreTokenizer()
    classes, lowers = {}, {}
    for cp in CODE_POINTS:
        c = chr(cp)
        cleaned = clean.normalize_str("a" + c + "b")
        bits = 1 if cleaned == "ab" else 2 if cleaned == "a b" else 0
        bits |= 4 if [w for w, _ in words.pre_tokenize_str("a" + c + "b")] == ["a", c, "b"] else 0
        bits |= 8 if accents.normalize_str("a" + c) == "a" else 0
        bits |= 16 if marks.normalize_str("a" + c) == "a" else 0
        # A grapheme of less than 6 bytes becomes what a rule for its first character says.
        bits |= 32 if rule_a.normalize_str("a" + c) == "b" else 0
        bits |= 64 if rule_mark.normalize_str(c + "\u0301\u0301") == c + "x" else 0
        if bits:
            classes[cp] = bits
        small = lower.normalize_str(c)
        if small != c and cp != 0x130:
            assert len(small) == 1
            lowers[cp] = ord(small) - cp
    return classes, lowers


def ranges(values, steps):
    """[first, last, step, value] of code points with the same value."""
    out, left = [], sorted(values)
    done = set()
    for cp in left:
        if cp in done:
            continue
        best = [cp]
        for step in steps:
            run = [cp]
            while values.get(run[-1] + step) == values[cp] and run[-1] + step not in done:
                run.append(run[-1] + step)
            if step == 2 and any(x + 1 in values for x in run[:-1]):
                continue
            if len(run) > len(best):
                best = run
        done.update(best)
        out.append((best[0], best[-1], 2 if len(best) > 1 and best[1] - best[0] == 2 else 1,
                    values[cp]))
    return out


def main():
    classes, lowers = ask()
    print("""/* SPDX-License-Identifier: Apache-2.0 */
/* Written by unicode_bert.py; do not edit. */
#include "text/unicode_bert.h"

/* clang-format off */

const struct oa__bert_range oa__bert_ranges[] = {""")
    table = ranges(classes, [1])
    for first, last, _, bits in table:
        print("    {0x%x, 0x%x, %d}," % (first, last, bits))
    print("};\nconst size_t oa__bert_n_ranges = %d;\n" % len(table))
    print("const struct oa__lower_range oa__lower_ranges[] = {")
    table = ranges(lowers, [1, 2])
    assert all(a[1] < b[0] for a, b in zip(table, table[1:]))
    for row in table:
        print("    {0x%x, 0x%x, %d, %d}," % row)
    print("};\nconst size_t oa__lower_n_ranges = %d;" % len(table))


if __name__ == "__main__":
    main()
