# SPDX-License-Identifier: Apache-2.0
"""The command's surface: usage, help, man page, completion, what it does to bad input."""
import os
import re
import subprocess
import sys

from harness import (EXE, SOURCE, Home, Skip, check, check_error, main, need_tiny, run)

VERBS = ["chat", "run", "info", "tokenize", "models", "bench", "convert", "quantize",
         "perplexity", "pull", "embed"]
FOLDER = os.path.join(SOURCE, "examples", "openassistant")


def options_of(verb):
    text = run("help", verb).out
    found = set(re.findall(r"(?m)^  (?:-\w, |    )(--[a-z][a-z0-9-]*)", text))
    found |= set(re.findall(r"(?m)^  (-\w), --", text))
    check("--help" in found, text)
    return found


def test_help_lists_every_verb():
    r = run("help")
    check(r.code == 0 and r.err == "")
    for verb in VERBS:
        check(re.search(rf"(?m)^  {verb} ", r.out), verb)
    check(run("--help").out == r.out and run("-h").out == r.out)
    for verb in VERBS:
        check(run("help", verb).out == run(verb, "--help").out != "")


def test_version():
    r = run("--version")
    check(r.code == 0 and re.fullmatch(r"openassistant \d+\.\d+\.\d+\n", r.out), r.out)


def test_help_fits_the_screen_in_the_option_table():
    for verb in VERBS:
        for line in run("help", verb).out.splitlines():
            check(len(line) <= 130, line)


def test_wrong_command_lines():
    for args in ([], ["sing"], ["help", "sing"], ["run", "--sing", "x"], ["run", "-z", "x"],
                 ["run", "-n", "x", "y"], ["run", "-n"], ["run", "x", "--max-tokens"],
                 ["run", "-n", "-1", "y"], ["run", "--max-tokens=99999999999", "y"],
                 ["run", "--json=1", "y"], ["run", "--temperature", "hot", "y"],
                 ["run", "--temperature", "-1", "y"], ["run", "--top_k", "4", "y"],
                 ["run", "--stop", "", "y"], ["run", "--kv", "f64", "y"],
                 ["run", "--cpu", "mmx", "y"], ["run", "--memory-limit", "lots", "y"],
                 ["run", "-f", "x", "-"],
                 ["chat", "hello"], ["models", "x"], ["models", "remove"], ["models", "licence"],
                 ["models", "list", "x"], ["models", "known", "x"], ["pull"],
                 ["pull", "a/b", "c/d"],
                 ["pull", "a/b/c"], ["pull", "../b"], ["pull", "a/b:"], ["pull", "a/b@.."],
                 ["pull", "a/b", "--revision", "-x"], ["bench", "x"], ["info", "a", "b"],
                 ["info", "a", "-m", "b"], ["tokenize", "--jsonl", "x"],
                 ["tokenize", "-m", "a", "--tokenizer", "b", "x"], ["bench", "--jsonl"]):
        with Home() as home:
            if "--kv" in args or "--cpu" in args:
                try:
                    args = args + ["-m", need_tiny()]
                except Skip:
                    continue
            check_error(run(*args, home=home), 2)


def test_bad_files_from_every_verb():
    with Home() as home:
        bad = {
            "missing": os.path.join(home.path, "none.gguf"),
            "folder": home.path,
            "empty": home.file("empty.gguf"),
            "text": home.file("text.gguf", "hello, I am no model\n" * 100),
            "magic": home.file("magic.gguf", b"GGUF"),
            "short": home.file("short.gguf", b"GGUF\x03\0\0\0" + b"\xff" * 64),
            "newline": os.path.join(home.path, "a\nb.gguf"),
            "name": "no-such-model",
        }
        for path in bad.values():
            check_error(run("run", "-m", path, "x", home=home), 1)
            check_error(run("run", "--json", "-m", path, "x", home=home), 1)
            check_error(run("chat", "-m", path, home=home), 1)
            check_error(run("info", path, home=home), 1)
            check_error(run("info", "--json", "-m", path, home=home), 1)
            check_error(run("tokenize", "-m", path, "x", home=home), 1)
            check_error(run("tokenize", "--tokenizer", path, "--jsonl", home=home), 1)
            check_error(run("bench", "-m", path, home=home), 1)
        if os.getuid() != 0:
            secret = home.file("secret.gguf", b"GGUF")
            os.chmod(secret, 0)
            check_error(run("info", secret, home=home), 1)


def test_a_truncated_model_is_one_line():
    data = open(need_tiny(), "rb").read()
    with Home() as home:
        for cut in (8, 24, 100, len(data) // 2, len(data) - 1):
            path = home.file("cut.gguf", data[:cut])
            check_error(run("run", "-m", path, "x", home=home), 1)
            check_error(run("bench", "-m", path, home=home), 1)
            # These read the header alone, which is whole in half a download.
            check_error(run("info", path, home=home), 1)
            check_error(run("tokenize", "-m", path, "x", home=home), 1)


def test_bad_text_files():
    tiny = need_tiny()
    with Home() as home:
        for path in (home.path, os.path.join(home.path, "none")):
            check_error(run("run", "-m", tiny, "-f", path, home=home), 1)
            check_error(run("tokenize", "-m", tiny, "-f", path, home=home), 1)
            check_error(run("tokenize", "-m", tiny, "--jsonl", "-f", path, home=home), 1)
            check_error(run("run", "-m", tiny, "--template-file", path, "x", home=home), 1)
            check_error(run("chat", "-m", tiny, "--load", path, home=home), 1)


def test_missing_default_model_says_how_to_get_it():
    with Home() as home:
        for args in (["run", "x"], ["chat"], ["info"], ["bench"], ["tokenize", "x"]):
            r = run(*args, home=home)
            check_error(r, 1)
            check("start.sh" in r.err, r.err)


def test_models_lists_what_is_installed():
    with Home() as home:
        r = run("models", home=home)
        check(r.code == 0 and r.out == "" and home.models in r.err, r.err)
        r = run("models", "--json", home=home)
        check(r.json() == {"folder": home.models, "models": []}, r.out)
        os.makedirs(home.models)
        for name, size in (("b.gguf", 5), ("a b.gguf", 1234567), ("c.gguf.part", 9), ("d", 1)):
            with open(os.path.join(home.models, name), "wb") as f:
                f.write(b"x" * size)
        os.makedirs(os.path.join(home.models, "folder.gguf"))
        r = run("models", home=home)
        check(r.code == 0 and r.err == "" and len(r.out.splitlines()) == 2, r.out)
        check(r.out.startswith("a b  ") and "1.2 MB" in r.out, r.out)
        r = run("models", "--json", home=home)
        check([(m["name"], m["size"]) for m in r.json()["models"]] == [("a b", 1234567), ("b", 5)])
        for m in r.json()["models"]:
            check(os.path.getsize(m["path"]) == m["size"])


def test_names_of_files_can_not_drive_the_terminal():
    with Home() as home:
        os.makedirs(home.models)
        with open(os.path.join(home.models, "a\n\x1b[2J\u009b2J.gguf"), "w") as f:
            f.write("x")
        r = run("models", home=home)
        check(r.code == 0 and r.out.count("\n") == 1 and r.out.endswith(".gguf\n"), r.out)
        check("\x1b" not in r.out and "\u009b" not in r.out, repr(r.out))
        check(run("models", "--json", home=home).json()["models"][0]["name"].startswith("a\n"))


def test_models_folder_that_is_a_file():
    with Home() as home:
        os.makedirs(os.path.dirname(home.models))
        open(home.models, "w").close()
        check_error(run("models", home=home), 1)


def test_man_page_has_every_option():
    page = open(os.path.join(FOLDER, "openassistant.1")).read()
    named = set(re.findall(r"Fl -([a-z][a-z0-9-]*)", page))
    letters = set(re.findall(r"\.It Fl (\w) ,", page))
    for verb in VERBS:
        for option in options_of(verb):
            if option.startswith("--"):
                check(option[2:] in named, verb, option, "is not in the man page")
            else:
                check(option[1:] in letters, verb, option, "is not in the man page")
        check(re.search(rf"(?m)^\.It Cm {verb}$", page), verb)
    known = set().union(*(options_of(v) for v in VERBS)) | {"--version"}
    for name in named:
        check("--" + name in known, "the man page has an option that is none:", name)


def test_man_page_has_every_chat_command():
    page = open(os.path.join(FOLDER, "openassistant.1")).read()
    source = open(os.path.join(FOLDER, "chat_commands.c")).read()
    for command in re.findall(r'\{"(/[a-z]+)", do_', source):
        if command != "/exit":
            check("Li " + command in page, command)


def test_man_page_is_well_formed():
    try:
        r = subprocess.run(["groff", "-mandoc", "-ww", "-z", "-Tutf8",
                            os.path.join(FOLDER, "openassistant.1")], capture_output=True)
    except FileNotFoundError:
        raise Skip("no groff") from None
    check(r.returncode == 0 and r.stderr == b"", r.stderr.decode())


def complete(*words):
    """The words that bash would offer for the last one."""
    line = " ".join(f"'{w}'" for w in words)
    script = (f"source '{FOLDER}/openassistant.bash'; COMP_WORDS=({line}); "
              f"COMP_CWORD={len(words) - 1}; _openassistant; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    try:
        r = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    except FileNotFoundError:
        raise Skip("no bash") from None
    check(r.stderr == "", r.stderr)
    return set(r.stdout.split())


def test_completion_has_every_option():
    check(set(VERBS) | {"help", "--version"} <= complete(EXE, ""))
    check(complete(EXE, "ben") == {"bench"})
    for verb in VERBS:
        check(options_of(verb) == complete(EXE, verb, "-"), verb)
    check(complete(EXE, "run", "--temp") == {"--temperature", "--template", "--template-file"})
    check(complete(EXE, "run", "--kv", "") == {"f16", "f32", "q8"})


def test_full_disk_is_an_error():
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    for args in (["help"], ["models", "--json"], ["--version"]):
        with Home() as home, open("/dev/full", "w") as full:
            r = subprocess.run([EXE, *args], stdout=full, stderr=subprocess.PIPE, env=home.env())
            check(r.returncode == 1 and r.stderr.count(b"\n") == 1, r)


def test_closed_streams():
    with Home() as home:
        for closed, code in ((">&-", 1), ("<&-", 0), ("2>&-", 0)):
            r = subprocess.run(["sh", "-c", f'exec "$0" help {closed}', EXE], env=home.env(),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            check(r.returncode == code, closed, r)


def test_reader_that_went_away():
    with Home() as home:
        reader, writer = os.pipe()
        os.close(reader)
        r = subprocess.run([EXE, "help"], stdout=writer, stderr=subprocess.PIPE, env=home.env())
        os.close(writer)
        check(r.returncode == 141 and r.stderr == b"", r)


if __name__ == "__main__":
    main(sys.modules[__name__])
