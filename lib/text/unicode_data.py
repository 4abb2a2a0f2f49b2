# SPDX-License-Identifier: Apache-2.0
"""Write unicode_data.c: what tokenizers ask of a code point. General categories are those of
Unicode 16; the sets that only the reference implementation defines are asked of it, one code point
at a time. Needs the modules unicodedata2 16.0 and tokenizers 0.23:

    python unicode_data.py > unicode_data.c
"""
import textwrap

import unicodedata2
from tokenizers import Regex, pre_tokenizers

assert unicodedata2.unidata_version == "16.0.0"
ALL = [cp for cp in range(0x110000) if not 0xD800 <= cp <= 0xDFFF]
TEXT = "".join(map(chr, ALL))
SCRIPTS = ["Han", "Hiragana", "Katakana", "Hangul", "Latin", "Cyrillic", "Greek", "Arabic",
           "Hebrew", "Thai", "Lao", "Khmer", "Myanmar", "Devanagari", "Bengali", "Tamil"]


def removed_by(step):
    rest = set()
    for piece, _ in step.pre_tokenize_str(TEXT):
        rest.update(piece)
    return {cp for cp in ALL if chr(cp) not in rest}


def matched(regex):
    return removed_by(pre_tokenizers.Split(Regex(regex), "removed"))


def digits():
    pieces = pre_tokenizers.Digits(True).pre_tokenize_str("".join("a" + chr(cp) for cp in ALL))
    return {ord(p) for p, _ in pieces if len(p) == 1 and p != "a"}


def rust_words():
    pieces = pre_tokenizers.Whitespace().pre_tokenize_str("".join("a%s " % chr(cp) for cp in ALL))
    return {ord(p[1]) for p, _ in pieces if len(p) == 2 and p[0] == "a"} - {0x20}


def ranges(cps):
    out = []
    for cp in sorted(cps):
        if out and out[-1][1] == cp - 1:
            out[-1][1] = cp
        else:
            out.append([cp, cp])
    return out


def main():
    sets = {
        "oa_digit": digits(),
        "oa_punctuation": removed_by(pre_tokenizers.Punctuation("removed")),
        "oa_word": rust_words() | {ord("a")},
        "space": matched(r"\s"),
        "word": matched(r"\w"),
    }
    for script in SCRIPTS:
        sets[script.lower()] = matched(r"\p{%s}" % script)
    names = sorted({unicodedata2.category(chr(cp)) for cp in range(0x110000)})
    out = ["/* SPDX-License-Identifier: Apache-2.0 */",
           "/* Written by unicode_data.py; do not edit. */",
           '#include "text/unicode.h"', "", "/* clang-format off */", ""]

    def rows(values):
        text = " ".join(v.replace(" ", "~") + "," for v in values)
        out.extend("    " + line.replace("~", " ") for line in textwrap.wrap(text, 94))

    out.append("const char oa__category_names[][3] = {")
    rows(['"%s"' % n for n in names])
    out += ["};", "const size_t oa__n_categories = %d;" % len(names), ""]
    runs = []
    for cp in range(0x110000):
        cat = names.index(unicodedata2.category(chr(cp)))
        if runs and runs[-1][1] == cat:
            runs[-1][0] += 1
        else:
            runs.append([1, cat])
    out += ["/* Length << 5 | category, of runs of one category; Unicode 16. */",
            "const uint32_t oa__category_runs[] = {"]
    rows(["%d" % (n << 5 | cat) for n, cat in runs])
    out += ["};", "const size_t oa__n_category_runs = %d;" % len(runs), "",
            "static const uint32_t set_ranges[][2] = {"]
    table, at = [], 0
    for name, cps in sets.items():
        r = ranges(cps)
        rows(["{0x%x, 0x%x}" % tuple(x) for x in r])
        table.append('    {"%s", set_ranges + %d, %d},' % (name, at, len(r)))
        at += len(r)
    out += ["};", "", "const struct oa__named_set oa__named_sets[] = {"] + table + ["};"]
    out.append("const size_t oa__n_named_sets = %d;" % len(table))
    print("\n".join(out))


if __name__ == "__main__":
    main()
