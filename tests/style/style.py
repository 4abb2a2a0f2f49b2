#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check what a compiler does not: layout, banned calls, public headers, commit subjects.

    style.py ROOT"""

import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import floors

MAX_COLUMNS = 100
MAX_LINES = 1000
MAX_SUBJECT = 60
# Inputs of tests: what they hold is their point.
DATA = {".jinja", ".json", ".jsonl", ".gguf", ".txt", ".inp", ".out"}

# Calls that no C file of ours makes.
BANNED_ALL = {"sprintf", "vsprintf", "strcpy", "strcat", "stpcpy", "strtok", "gets", "atoi", "atol",
              "atof", "alloca"}
# Calls that no file of lib makes: ending the program, printing, reading numbers by the locale.
BANNED_LIB = {"abort", "exit", "_exit", "_Exit", "quick_exit", "assert", "printf", "vprintf",
              "fprintf", "vfprintf", "dprintf", "puts", "putchar", "putc", "fputs", "fputc",
              "perror", "system", "popen", "setlocale", "strtod", "strtof", "strtold", "strtol",
              "strtoul", "strtoll", "strtoull", "rand", "srand", "random", "srandom"}
# Calls that only base makes: memory without an account, the environment.
BANNED_ABOVE_BASE = {"malloc", "calloc", "realloc", "free", "strdup", "strndup", "aligned_alloc",
                     "posix_memalign", "asprintf", "vasprintf", "getline", "getenv",
                     "secure_getenv", "fopen", "fread", "open", "mmap"}
# The C library's functions whose bits differ between C libraries (one answer).
BANNED_MATHS = {f + suffix for suffix in ("", "f", "l")
                for f in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "pow", "sin",
                          "cos", "tan", "sincos", "sinh", "cosh", "tanh", "atan", "atan2", "asin",
                          "acos", "erf", "erfc", "cbrt", "hypot", "tgamma", "lgamma")}

WORDS_NOT_DONE = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def without_noise(text):
    """C text with comments, strings and characters blanked, lines kept."""
    return NOISE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def tracked(root):
    """The project's text files: what git tracks, or everything outside build folders."""
    try:
        names = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
                                "--exclude-standard"], capture_output=True, check=True,
                               text=True).stdout.split("\0")
        paths = [root / name for name in names if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [p for p in root.rglob("*") if not re.match(r"build|\.git|dist|debian",
                                                            str(p.relative_to(root)))]
    return sorted(p for p in paths if p.is_file() and not p.is_symlink())


def check_text(path, text):
    """Rules for every file that people write: yields (line, complaint)."""
    head = text.split("\n", 3)[:3]
    if path.suffix in (".c", ".h", ".py", ".sh", ".cc", ".inc") or head[0].startswith("#!"):
        if not any("SPDX-License-Identifier: Apache-2.0" in line for line in head[:2]):
            yield 1, "no SPDX-License-Identifier line on top"
    lines = text.split("\n")
    if lines and lines[-1]:
        yield len(lines), "no newline at the end"
    for number, line in enumerate(lines, 1):
        if line.endswith("\r"):
            yield number, "carriage return"
        elif line != line.rstrip():
            yield number, "space at the end of the line"
        if "\t" in line:
            yield number, "tab"
        # Prose and tables of Markdown are as wide as they are.
        if len(line) > MAX_COLUMNS and path.suffix not in (".md", ".build"):
            yield number, f"{len(line)} columns, at most {MAX_COLUMNS}"
        if WORDS_NOT_DONE.search(line) and path.name != "style.py":
            yield number, "a note of work not done"


def check_calls(path, root, text):
    parts = path.relative_to(root).parts
    banned = set(BANNED_ALL)
    if parts[0] == "lib":
        banned |= BANNED_LIB | BANNED_MATHS
        if parts[1] != "base":
            banned |= BANNED_ABOVE_BASE
    calls = re.compile(r"(?<![\w.>])(?:" + "|".join(sorted(banned)) + r")\s*\(")
    code = without_noise(text)
    for match in calls.finditer(code):
        name = match[0].rstrip("( \t\n")
        yield code.count("\n", 0, match.start()) + 1, f"{name}() is banned here"


def split_functions(text):
    """(line, doc comment, name, parameters) of each OA_API function."""
    pattern = re.compile(r"(/\*\*(?:(?!\*/).)*\*/)?\s*^OA_API\s([^;(]*?)(\w+)\(([^;]*)\);",
                         re.S | re.M)
    for match in pattern.finditer(text):
        line = text.count("\n", 0, match.start(3)) + 1
        names = [re.search(r"(\w+)(?:\[\])?$", p.strip())[1] for p in match[4].split(",")]
        yield line, match[1] or "", match[3], [n for n in names if n != "void"]


def check_public_header(path, text):
    code = without_noise(text)
    for match in floors.INCLUDE.finditer(text):
        if not re.fullmatch(r"<(stddef\.h|stdint\.h|openassistant/\w+\.h)>",
                            match[0].split("include")[1].strip()):
            yield text.count("\n", 0, match.start()) + 1, f"includes {match[2]}"
    for match in re.finditer(r"\b(inline|bool|_Bool|long|short)\b", code):
        yield code.count("\n", 0, match.start()) + 1, f"{match[1]} in a public header"
    for match in re.finditer(r"\b\w*__\w*", code):
        if match[0] not in ("__cplusplus", "__GNUC__", "__attribute__"):
            yield code.count("\n", 0, match.start()) + 1, f"{match[0]}: double underscore"
    for match in re.finditer(r"struct \w+ \{(.*?)^\}", code, re.S | re.M):
        field = re.search(r"^\s*enum \w+ \w+;|:\s*\d+\s*;", match[1], re.M)
        if field:
            line = code.count("\n", 0, match.start(1) + field.start()) + 1
            yield line, "an enum or a bit-field in a struct: its size is the compiler's"
    dense = re.sub(r"[ \\]+", " ", text) # macros are padded up to their backslashes
    n_words = sum(len(c) for c in re.findall(r"/\*.*?\*/", dense, re.S))
    if n_words * 2 < len(dense) and path.name != "openassistant.h":
        yield 1, f"words are {100 * n_words // len(dense)} % of it, want half"
    for line, doc, name, parameters in split_functions(text):
        if not doc:
            yield line, f"{name}: no comment"
            continue
        for parameter in parameters:
            if not re.search(r"@param\s+" + parameter + r"\b", doc):
                yield line, f"{name}: no @param {parameter}"
        for want in ("Thread safety:", "@since"):
            if want not in doc:
                yield line, f"{name}: no {want}"


def check_commits(root):
    """The commits that are not published yet, else the latest: older ones can't be mended."""
    if not (root / ".git").exists():
        return
    git = ["git", "-C", str(root), "log", "--no-merges", "--format=%h%x09%s"]
    for arguments in (["@{upstream}..HEAD"], ["-1"]):
        log = subprocess.run(git + arguments, capture_output=True, text=True, check=False)
        if log.returncode == 0 and log.stdout:
            break
    else:
        print("git log does not run here: commit subjects not checked")
        return
    for line in log.stdout.splitlines():
        commit, subject = line.split("\t", 1)
        if len(subject) > MAX_SUBJECT:
            yield f"commit {commit}: subject of {len(subject)} columns, at most {MAX_SUBJECT}"
        if subject.endswith("."):
            yield f"commit {commit}: full stop at the end of the subject"


def check(root):
    complaints = floors.check(root)[0]
    for path in tracked(root):
        name = path.relative_to(root)
        if name.parts[0] == "COPYING" or "corpus" in name.parts or name.suffix in DATA:
            continue
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue # not text
        found = list(check_text(path, text)) if text else []
        if path.suffix in (".c", ".h", ".inc"):
            found += check_calls(path, root, text)
            n_lines = text.count("\n")
            if n_lines > MAX_LINES:
                found.append((n_lines, f"{n_lines} lines, at most {MAX_LINES}"))
        if name.parts[0] == "include" and path.suffix == ".h":
            found += check_public_header(path, text)
        complaints += [f"{name}:{line}: {what}" for line, what in found]
    return complaints + list(check_commits(root))


def main():
    complaints = check(pathlib.Path(sys.argv[1]).resolve())
    print("\n".join(complaints) if complaints else "style: clean")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
