# SPDX-License-Identifier: Apache-2.0
"""Write unicode_class.c: letters, numbers and white space of Unicode 16, as tokenizer patterns
mean them. Needs the module unicodedata2, once of version 16 and once of version 17:

    PYTHONPATH=u16 python unicode_class.py dump > 16.txt
    PYTHONPATH=u17 python unicode_class.py dump > 17.txt
    python unicode_class.py write 16.txt 17.txt > unicode_class.c
"""
import sys

SPACES = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F,
          0x205F, 0x3000}
BLOCK = 128  # code points per block


def dump():
    import unicodedata2
    sys.stderr.write(unicodedata2.unidata_version + "\n")
    print("".join(unicodedata2.category(chr(cp))[0] for cp in range(0x110000)))


def write(path16, path17):
    cat16 = open(path16).read().strip()
    cat17 = open(path17).read().strip()
    classes = []
    for cp in range(0x110000):
        if cp in SPACES:
            c = 3
        elif cat16[cp] == "L":
            c = 1
        elif cat16[cp] == "N":
            c = 2
        elif cat17[cp] == "N":
            c = 4
        else:
            c = 0
        classes.append(c)
    last = max(cp for cp in range(0x110000) if classes[cp]) // BLOCK + 1
    blocks, index = {}, []
    for b in range(last):
        block = tuple(classes[b * BLOCK:(b + 1) * BLOCK])
        index.append(blocks.setdefault(block, len(blocks)))
    assert len(blocks) <= 256
    out = ["/* SPDX-License-Identifier: Apache-2.0 */",
           "/* Written by unicode_class.py; do not edit. Classes of code points after Unicode 16:",
           " * 0 other, 1 letter, 2 number, 3 white space, 4 number since Unicode 17. Code points "
            "past",
           " * the last block are other. */",
           '#include "text/vocab_priv.h"', "", "/* clang-format off */", "",
           f"const uint16_t oa__unicode_n_blocks = {last};", "",
           f"/* Block of each {BLOCK} code points. */",
           f"const uint8_t oa__unicode_index[{last}] = {{"]

    def rows(values, fmt, per_row):
        for i in range(0, len(values), per_row):
            out.append("    " + " ".join(fmt % v + "," for v in values[i:i + per_row]))

    rows(index, "%d", 19)
    out += ["};", "", "/* Two code points per byte, the lower one in the lower half. */",
            f"const uint8_t oa__unicode_block[{len(blocks)}][{BLOCK // 2}] = {{"]
    for block in blocks:
        packed = [block[i] | block[i + 1] << 4 for i in range(0, BLOCK, 2)]
        if len(set(packed)) == 1 and packed[0] == 0:
            out.append("    {0},")
            continue
        out.append("    {")
        rows(packed, "%d", 22)
        out[-1] = out[-1].rstrip(",") + "},"
    out += ["};"]
    print("\n".join(out))


if __name__ == "__main__":
    if sys.argv[1] == "dump":
        dump()
    else:
        write(sys.argv[2], sys.argv[3])
