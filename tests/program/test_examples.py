# SPDX-License-Identifier: Apache-2.0
"""The example programs, each run as its first lines say."""
import os
import re
import subprocess
import sys

from harness import SOURCE, Home, check, main, need_default, need_tiny

BUILD = os.environ.get("OA_TEST_EXAMPLES", "")


def example(name, *args, stdin="", home):
    r = subprocess.run([os.path.join(BUILD, "example_" + name), *args], input=stdin, text=True,
                       errors="replace", capture_output=True, env=home.env(), timeout=120)
    return r.returncode, r.stdout, r.stderr


def test_complete():
    with Home() as home:
        code, out, err = example("complete", need_tiny(), "Once upon a time", "8", home=home)
        check(code == 0 and out.startswith("Once upon a time") and err == "", out, err)
        code, out, err = example("complete", "/no/such/file", "x", home=home)
        check(code == 1 and err.count("\n") == 1, err)


def test_chat():
    model = need_default()
    with Home() as home:
        code, out, err = example("chat", model, stdin="What is 1+1? Answer in one word.\n",
                                 home=home)
        check(code == 0 and err == "" and len(out) > 5, out, err)
        code, out, err = example("chat", "/no/such/file", home=home)
        check(code == 1 and err.count("\n") == 1, err)


def test_embed_in_loop():
    model = need_default()
    with Home() as home:
        code, out, err = example("embed_in_loop", model, "Tell me a long story.", "400", home=home)
        check(code == 0 and err == "", out, err)
        tail = re.search(r"polls (\d+), log lines (\d+), .* allocations (\d+), blocks left 0", out)
        check(tail and int(tail.group(1)) > 0 and int(tail.group(3)) > 0, out)
        check(out.count("cancelled after") + out.count("ended after") == 2, out)


def test_examples_are_short_and_public():
    folder = os.path.join(SOURCE, "examples")
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".c"):
            continue
        text = open(os.path.join(folder, name)).read()
        check(text.count("\n") <= 150, name, "has more than 150 lines")
        check(text.splitlines()[1].startswith(f"/* {name[:-2]}: "), name, "does not say its idea")
    for folder, _, names in os.walk(folder):
        for name in names:
            if not name.endswith((".c", ".h")):
                continue
            for line in open(os.path.join(folder, name)):
                found = re.match(r'#include "(.*)"', line)  # of the same folder, or public ones
                check(not found or found.group(1) in names, line)


if __name__ == "__main__":
    main(sys.modules[__name__])
