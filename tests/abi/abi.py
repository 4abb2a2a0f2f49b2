#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare the shared library with what it promises.

    abi.py symbols ROOT LIBRARY   exported symbols = tests/abi/symbols.txt = OA_API in the headers
    abi.py imports ROOT LIBRARY   it ends no program and prints nothing
    abi.py layout ROOT            tests/abi/layout.c speaks of every public struct and its fields
"""

import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "style"))
import style

# Imported, these would end the program, print, read numbers by the locale, or compute what every
# C library rounds in its own way.
FORBIDDEN = (style.BANNED_LIB | style.BANNED_MATHS | {
    "__assert_fail", "__assert", "__printf_chk", "__fprintf_chk", "__vprintf_chk",
    "__vfprintf_chk", "__dprintf_chk", "putchar_unlocked", "putc_unlocked", "_IO_putc", "fwrite",
    "stdout", "stderr", "raise", "kill", "longjmp", "__longjmp_chk", "sprintf",
    "strcpy", "strcat", "strtok", "atoi", "__isoc99_fscanf", "__isoc99_scanf"})


def nm(*arguments):
    out = subprocess.run(["nm", *arguments], capture_output=True, check=True, text=True).stdout
    return [line.split() for line in out.splitlines() if line.strip()]


def read_symbols(root):
    """{name: version that added it} of symbols.txt"""
    symbols = {}
    for line in (root / "tests/abi/symbols.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split()
            symbols[name] = version
    return symbols


def read_headers(root):
    declared = {}
    for path in sorted((root / "include/openassistant").glob("*.h")):
        for _, doc, name, _ in style.split_functions(path.read_text()):
            since = re.search(r"@since (\S+)", doc)
            declared[name] = since[1] if since else "?"
    return declared


def check_symbols(root, library):
    promised, declared = read_symbols(root), read_headers(root)
    exported, versions = set(), {}
    for fields in nm("-D", "--defined-only", library):
        name, _, version = fields[-1].partition("@")
        if fields[-2] == "A": # the version nodes themselves
            continue
        exported.add(name)
        versions[name] = version.strip("@")
    for name in sorted(exported - set(promised)):
        yield f"{name} is exported and not in tests/abi/symbols.txt"
    for name in sorted(set(promised) - exported):
        yield f"{name} is in tests/abi/symbols.txt and not exported"
    for name in sorted(set(declared) ^ set(promised)):
        where = "include/openassistant" if name in declared else "tests/abi/symbols.txt"
        yield f"{name} is only in {where}"
    for name in sorted(set(declared) & set(promised)):
        if declared[name] != promised[name]:
            yield f"{name} is from {promised[name]}, its comment says @since {declared[name]}"
    for name in sorted(exported & set(promised)):
        if versions[name] != f"OPENASSISTANT_{promised[name]}":
            yield f"{name} has the version {versions[name] or 'none'}, want " \
                  f"OPENASSISTANT_{promised[name]}"


def check_imports(root, library):
    for fields in nm("-D", "--undefined-only", library):
        name = fields[-1].partition("@")[0]
        if name in FORBIDDEN:
            yield f"{name} is imported"


def check_layout(root):
    asserted = (root / "tests/abi/layout.c").read_text()
    for path in sorted((root / "include/openassistant").glob("*.h")):
        if path.name == "experimental.h":
            continue  # outside the promise
        code = style.without_noise(path.read_text())
        for struct in re.finditer(r"typedef struct (\w+) \{(.*?)^\} \w+;", code, re.S | re.M):
            name = struct[1]
            if not re.search(rf"\bSIZE\({name}, ", asserted):
                yield f"{path.name}: {name}: no size in layout.c"
            for field in re.finditer(r"\(\*(\w+)\)|(\w+)(?:\[\w+\])?;", struct[2]):
                if not re.search(rf"\bAT\({name}, {field[1] or field[2]}, ", asserted):
                    yield f"{path.name}: {name}.{field[1] or field[2]}: no offset in layout.c"
        for constant in re.finditer(r"^    (OA_[A-Z0-9_]+) = ", code, re.M):
            if not re.search(rf"\bVALUE\({constant[1]}, ", asserted):
                yield f"{path.name}: {constant[1]}: no value in layout.c"


def main():
    what, root = sys.argv[1], pathlib.Path(sys.argv[2])
    checks = {"symbols": check_symbols, "imports": check_imports, "layout": check_layout}
    complaints = list(checks[what](root, *sys.argv[3:]))
    print("\n".join(complaints) if complaints else f"{what}: as promised")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
