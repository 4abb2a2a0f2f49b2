#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Break each rule in a small made-up tree and demand that the checks complain.

    attack.py"""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import style

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
README = """| floor | folder | door says | may use |
|---|---|---|---|
| 0 | `base` | all | libc, jansson |
| 1 | `kern` | numbers | `base` |
| 2 | `text` | words | 0, pcre2 |
| 3 | `model` | weights | 0-2 |
"""
HEADER = SPDX + """/**
 * @file ok.h
 * Words enough to be half of it, and then some more of them so that it is surely so. And more.
 */
#include <stddef.h>

/**
 * Do it.
 *
 * @param out   receives it
 * @param size  bytes at out
 * @return OA_OK
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_do(char *out, size_t size);
"""
CLEAN = {
    "lib/README.md": README,
    "lib/kern/kern.h": SPDX + '#include "base/base.h"\n#include <math.h>\n',
    "lib/text/text.c": SPDX + '#include "text/text_priv.h"\n#include <pcre2.h>\n'
                              '// malloc(1) and "abort()" in words\nconst char *s = "exit(1)";\n'
                              "void f(void) { x->free(y); oa__free(m, p); }\n",
    "lib/model/model.c": SPDX + '#include "kern/kern.h"\n#include "text/text.h"\n',
    "lib/base/mem.c": SPDX + "#include <unistd.h>\nvoid f(void) { free(malloc(1)); }\n",
    "include/openassistant/ok.h": HEADER,
}
# (file, text, words of the complaint); each is put into the clean tree alone.
BROKEN = [
    ("lib/kern/up.c", SPDX + '#include "text/text.h"\n', "not a lower one"),
    ("lib/base/up.c", SPDX + '#include "model/model.h"\n', "not a lower one"),
    ("lib/text/side.c", SPDX + '#include "kern/kern.h"\n', "may not include kern"),
    ("lib/text/side.c", SPDX + '  #  include "kern/kern.h"\n', "may not include kern"),
    ("lib/model/deep.c", SPDX + '#include "text/text_priv.h"\n', "private to text"),
    ("lib/model/near.c", SPDX + '#include "model.h"\n', "from the root of lib"),
    ("lib/model/dots.c", SPDX + '#include "model/../text/text_priv.h"\n', "from the root of lib"),
    ("lib/kern/ext.c", SPDX + "#include <jansson.h>\n", "may not use jansson"),
    ("lib/text/thread.c", SPDX + "#include <pthread.h>\n", "belongs to base"),
    ("lib/text/map.c", SPDX + "#include <sys/mman.h>\n", "belongs to base"),
    ("lib/other/x.c", SPDX + '#include "base/base.h"\n', "no floor"),
    ("examples/a.c", SPDX + '#include "base/base.h"\n', "only public headers"),
    ("lib/text/a.c", SPDX + "void f(void) { abort(); }\n", "abort() is banned"),
    ("lib/text/a.c", SPDX + "void f(void) { printf (x); }\n", "printf() is banned"),
    ("lib/text/a.c", SPDX + "void *f(void) { return malloc(1); }\n", "malloc() is banned"),
    ("lib/text/a.c", SPDX + 'double f(void) { return strtod("1", 0); }\n', "strtod() is banned"),
    ("lib/kern/a.c", SPDX + "float f(float x) { return expf(x); }\n", "expf() is banned"),
    ("examples/a.c", SPDX + "void f(char *a) { strcpy(a, a); }\n", "strcpy() is banned"),
    ("lib/text/a.c", SPDX + "\tint x;\n", "tab"),
    ("lib/text/a.c", SPDX + "int x; \n", "space at the end"),
    ("lib/text/a.c", SPDX + "int x;", "no newline"),
    ("lib/text/a.c", SPDX + "int x;\r\n", "carriage return"),
    ("lib/text/a.c", SPDX + "// " + "x" * 98 + "\n", "columns"),
    ("lib/text/a.c", "int x;\n", "no SPDX"),
    ("start", "#!/bin/sh\necho\n", "no SPDX"),
    ("lib/text/a.c", SPDX + "// TO" "DO: finish\n", "not done"),
    ("lib/text/a.c", SPDX + "\n" * 1001, "lines, at most"),
    ("include/openassistant/a.h", HEADER + "#include <stdio.h>\n", "includes stdio.h"),
    ("include/openassistant/a.h", HEADER + "static inline int f(void);\n", "inline in"),
    ("include/openassistant/a.h", HEADER + "struct a {\n    long x;\n};\n", "long in"),
    ("include/openassistant/a.h", HEADER + "struct a {\n    enum b x;\n};\n", "an enum or"),
    ("include/openassistant/a.h", HEADER + "#define OA__X 1\n", "double underscore"),
    ("include/openassistant/a.h", HEADER + "OA_API int oa_more(int x);\n", "no comment"),
    ("include/openassistant/a.h", HEADER.replace("@param size", "@param sise"), "no @param size"),
    ("include/openassistant/a.h", HEADER.replace("@since", "since"), "no @since"),
    ("include/openassistant/a.h", HEADER.replace("Thread safety", "Threads"), "no Thread safety"),
    ("include/openassistant/a.h", HEADER + "int x;\n" * 100, "want half"),
]


def complaints_about(extra):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {**CLEAN, **extra}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return style.check(root)


def main():
    failed = 0
    print(f"1..{len(BROKEN) + 1}")
    found = complaints_about({})
    print("ok 1 - the clean tree" if not found else f"not ok 1 - the clean tree: {found}")
    failed += bool(found)
    for number, (name, text, want) in enumerate(BROKEN, 2):
        found = complaints_about({name: text})
        good = len(found) >= 1 and all(name in line for line in found) and want in found[0]
        print(f"{'ok' if good else 'not ok'} {number} - {want}" + ("" if good else f": {found}"))
        failed += not good
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
