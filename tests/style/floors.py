#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check who includes whom, against the table in lib/README.md.

    floors.py [--stamp FILE --depfile FILE] ROOT

The build runs this, so a forbidden include fails the build. A folder of lib includes only lower
floors that the table allows it, and of them only the door: the header with the folder's name.
Examples and bindings include public headers only. What the operating system gives is included in
base alone."""

import argparse
import pathlib
import re
import sys

# Headers of the libraries that the table's last column may name.
LIBRARIES = {"jansson.h": "jansson", "pcre2.h": "pcre2", "utf8proc.h": "utf8proc",
             "zlib.h": "zlib", "sqlite3.h": "sqlite3", "libpq-fe.h": "libpq",
             "microhttpd.h": "libmicrohttpd", "curl/curl.h": "curl", "sodium.h": "libsodium",
             "mpi.h": "mpi", "editline/readline.h": "libedit", "histedit.h": "libedit"}
# What a port has to supply, and so belongs to base: files, threads, signals, processes.
SYSTEM = re.compile(r"(sys|linux|asm)/|(pthread|unistd|fcntl|dirent|sched|signal|threads|poll|"
                    r"termios|dlfcn|semaphore|sysexits|pwd|netdb|arpa/inet|netinet/in)\.h$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def read_table(root):
    """{folder: (floor, folders it may include, libraries it may include)}"""
    rows = []
    text = (root / "lib/README.md").read_text(encoding="utf-8")
    for floor, folder, may in re.findall(r"^\| (\d+) \| `(\w+)` \|.*\| ([^|]+) \|$", text, re.M):
        rows.append((int(floor), folder, [part.strip() for part in may.split(",")]))
    table = {}
    for floor, folder, parts in rows:
        folders, libraries = set(), set()
        for part in parts:
            span = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
            if span:
                low, high = int(span[1]), int(span[2] or span[1])
                folders |= {f for n, f, _ in rows if low <= n <= high}
            elif part.startswith("`"):
                folders.add(part.strip("`"))
            else:
                libraries.add(part)
        table[folder] = (floor, folders, libraries)
    return table


def check_lib_include(table, folder, kind, name):
    """The complaint about one include of a file in lib/folder, or None."""
    floor, folders, libraries = table[folder]
    if kind == "<":
        library = LIBRARIES.get(name)
        if library and library not in libraries:
            return f"floor {folder} may not use {library}"
        if SYSTEM.match(name) and folder != "base":
            return f"<{name}> belongs to base, behind base/base.h"
        return None
    other = name.split("/")[0]
    if "/" not in name or ".." in name or other not in table:
        return f'"{name}": write it from the root of lib, as "{folder}/{name}"'
    if other == folder:
        return None
    if table[other][0] >= floor:
        return f"floor {floor} {folder} includes floor {table[other][0]} {other}: not a lower one"
    if other not in folders:
        return f"floor {folder} may not include {other} (lib/README.md)"
    if name != f"{other}/{other}.h":
        return f'"{name}" is private to {other}: include its door "{other}/{other}.h"'
    return None


def check_outer_include(root, path, kind, name):
    """The same for examples and bindings."""
    if kind == "<":
        return None
    if (path.parent / name).exists() and ".." not in name:
        return None
    return f'"{name}": only public headers, <openassistant/...>, and files beside it'


def sources(root, *folders):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".inc", ".cc", ".cpp") and path.is_file():
                yield path


def check(root):
    """All complaints, and the files that were read."""
    complaints, seen = [], [root / "lib/README.md"]
    table = read_table(root)
    if "base" not in table:
        return ["lib/README.md: no table of floors"], seen
    for path in sources(root, "lib", "examples", "bindings"):
        seen.append(path)
        parts = path.relative_to(root).parts
        text = path.read_text(encoding="utf-8", errors="replace")
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            where = f"{path.relative_to(root)}:{line}"
            if parts[0] != "lib":
                complaint = check_outer_include(root, path, match[1], match[2])
            elif len(parts) < 3 or parts[1] not in table:
                complaint = "its folder is no floor of lib/README.md"
            else:
                complaint = check_lib_include(table, parts[1], match[1], match[2])
            if complaint:
                complaints.append(f"{where}: error: {complaint}")
    return complaints, seen


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--stamp", type=pathlib.Path)
    parser.add_argument("--depfile", type=pathlib.Path)
    args = parser.parse_args()
    complaints, seen = check(args.root)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        return 1
    if args.depfile:
        args.depfile.write_text(f"{args.stamp}: " + " ".join(str(path) for path in seen) + "\n")
    if args.stamp:
        args.stamp.write_text("ok\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
