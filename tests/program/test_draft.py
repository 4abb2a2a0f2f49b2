# SPDX-License-Identifier: Apache-2.0
"""openassistant run and chat with tokens guessed ahead."""
import sys

from harness import Home, check, check_error, main, need_tiny, run


def answer(home, *args):
    r = run("run", "-m", need_tiny(), "--raw", "--json", "-n", "80", "--ignore-end", *args,
            "Hello there, hello there, hello", home=home)
    check(r.code == 0, r.err)
    return r.json()


def test_same_answer():
    with Home() as home:
        for how in (("--temperature", "0"), ("--temperature", "0.7", "--seed", "3")):
            plain = answer(home, "--no-draft", *how)
            check(plain["n_drafted"] == 0, plain)
            for args in ((), ("--draft-max", "2"), ("--draft", need_tiny())):
                guessed = answer(home, *args, *how)
                check(guessed["tokens"] == plain["tokens"], (args, guessed, plain))
                check(guessed["n_accepted"] <= guessed["n_drafted"], guessed)


def test_chat():
    with Home() as home:
        text = [run("chat", "-m", need_tiny(), "--template", "plain", "-n", "40", "--seed", "1",
                    *args, stdin="Hello\nAgain\n", home=home).out
                for args in ((), ("--no-draft",), ("--draft", need_tiny()))]
        check(text[0] == text[1] == text[2], text)


def test_what_is_refused():
    with Home() as home:
        tiny = need_tiny()
        check_error(run("run", "-m", tiny, "--raw", "--draft", "/nowhere", "x", home=home), 1)
        check_error(run("run", "-m", tiny, "--raw", "--draft", tiny, "--no-draft", "x", home=home),
                    2)
        check_error(run("run", "-m", tiny, "--raw", "--draft-max", "x", "x", home=home), 2)


if __name__ == "__main__":
    main(sys.modules[__name__])
