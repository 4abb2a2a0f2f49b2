# SPDX-License-Identifier: Apache-2.0
"""openassistant chat: through pipes, and in a terminal as a person uses it."""
import json
import os
import pty
import re
import select
import signal
import sys
import time

from harness import EXE, Home, check, main, need_default, need_tiny, run

# The tiny model may carry no template; "plain" always works.
BASE = ["--template", "plain", "--temperature", "0", "-n", "6", "-t", "1", "--ctx", "512"]


class Terminal:
    """The command in a pseudo terminal."""

    def __init__(self, *args, home, env=None):
        full = home.env(**(env or {}))
        full.pop("COLUMNS", None)
        self.seen = b""
        self.all = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execve(EXE, [EXE, *args], full)
            finally:
                os._exit(127)

    def pump(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is gone
            return False
        self.seen += data
        self.all += data
        return bool(data)

    def wait_for(self, pattern, timeout=60):
        """Read until a regular expression is seen; returns what came before and with it."""
        end = time.time() + timeout
        alive = True
        while True:
            found = re.search(pattern.encode(), self.seen)
            if found:
                text = self.seen[:found.end()]
                self.seen = self.seen[found.end():]
                return text.decode("utf-8", "replace")
            if not alive or time.time() > end:
                raise AssertionError(f"no {pattern!r} in {self.seen[-2000:]!r}")
            alive = self.pump(0.1)

    def prompt(self):
        return self.wait_for(r">(\x1b\[0m)? (\x1b\[K)?$")

    def send(self, text):
        os.write(self.fd, text.encode())

    def say(self, text):
        """Enter a line and return what is shown up to the next prompt."""
        self.send(text + "\r")
        return self.prompt()

    def end(self, timeout=60):
        """Wait for the exit code."""
        stop = time.time() + timeout
        while time.time() < stop:
            alive = self.pump(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            if not alive:
                time.sleep(0.02)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"did not end; {self.all[-500:]!r}")


def begin(home, *more, env=None, model=None):
    t = Terminal("chat", "-m", model or need_tiny(), *BASE, *more, home=home, env=env)
    t.prompt()
    return t


def test_piped_lines_are_messages():
    with Home() as home:
        r = run("chat", "-m", need_tiny(), *BASE, stdin="Hello\nAgain\n", home=home)
        check(r.code == 0, r.err)
        check(r.out and "> " not in r.out and "\x1b" not in r.out, repr(r.out))
        one = run("chat", "-m", need_tiny(), *BASE, stdin="Hello\n", home=home)
        check(r.out.startswith(one.out), r.out, one.out)
        check(run("chat", "-m", need_tiny(), *BASE, home=home).out == "")


def test_piped_multi_line_messages_and_branches():
    text = 'Hello \\\nthere\n"""\na\n\nb\n"""\n/branches\n/quit\nnot said\n'
    with Home() as home:
        r = run("chat", "-m", need_tiny(), *BASE, stdin=text, home=home)
        check(r.code == 0, r.err)
        check(re.search(r"(?m)^  1  user       Hello  there", r.out), r.out)
        check(re.search(r"(?m)^  3  user       a  b", r.out), r.out)
        check("not said" not in r.out)


def test_commands_end_to_end():
    with Home() as home:
        path = os.path.join(home.path, "chat.json")
        script = (f"One\n/regenerate\n/branches\n/edit Two\n/branches\n/branches 1 1\n/back\n"
                  f"/branches\n/branches 1 2\nThree\n/save {path}\n/stats\n/quit\n")
        r = run("chat", "-m", need_tiny(), *BASE, stdin=script, home=home)
        check(r.code == 0, r.err)
        check("assistant" in r.out and "(branch 2 of 2)" in r.out, r.out)
        check("(2 messages were taken back: /branches 1 1)" in r.out, r.out)
        check(re.search(r"(?m)^answer   \d+ tokens", r.out), r.out)
        json.load(open(path))
        script = f"/load {path}\n/branches 1 1\n/branches 1 2\n/quit\n"
        again = run("chat", "-m", need_tiny(), *BASE, stdin=script, home=home)
        check(again.code == 0 and again.err == "", again.err)
        check("Two" in again.out and "One" in again.out and "Three" in again.out, again.out)
        loaded = run("chat", "-m", need_tiny(), *BASE, "--load", path,
                     stdin="/branches\n", home=home)
        check(loaded.code == 0 and "Three" in loaded.out, loaded.out, loaded.err)


def test_set_and_system():
    with Home() as home:
        script = ("/set temperature 0.7\n/set top-k 5\n/set\n/set sing 3\n/set temperature hot\n"
                  "/system Be brief.\nHi\n/system\n/quit\n")
        r = run("chat", "-m", need_tiny(), *BASE, stdin=script, home=home)
        check(r.code == 0, r.err)
        check(re.search(r"(?m)^temperature +0\.7 ", r.out), r.out)
        check(re.search(r"(?m)^top_k +5 ", r.out), r.out)
        check(r.err.count("openassistant: ") == 2, r.err)


def test_commands_told_nonsense():
    with Home() as home:
        lines = ["/sing", "/back", "/back x", "/edit", "/edit #7 x", "/branches 9 9", "/branches x",
                 "/save", "/load", "/load /no/such/file", "/save /no/such/folder/x", "/regenerate"]
        r = run("chat", "-m", need_tiny(), *BASE, stdin="\n".join(lines) + "\n/quit\n", home=home)
        errors = [e for e in r.err.splitlines() if e.startswith("openassistant: ")]
        check(len(errors) >= len(lines), r.err)
        bad = home.file("bad.json", "{")
        r = run("chat", "-m", need_tiny(), *BASE, stdin=f"Hi\n/load {bad}\n/branches\n", home=home)
        check(r.err.count("openassistant: ") == 1 and "Hi" in r.out, r.err, r.out)
        r = run("chat", "-m", need_tiny(), *BASE, stdin="Hi\n/branches 1 9\n/branches 9 1\n",
                home=home)
        check("message 1 has 1 of them" in r.err and "message 9 has 0" in r.err, r.err)


def test_terminal_shows_a_prompt_and_colours():
    with Home() as home:
        t = begin(home)
        check(b"/help" in t.all, t.all)
        shown = t.say("Hello")
        check("\x1b[" in shown, repr(shown))
        check("/regenerate" in t.say("/help"))
        t.send("/quit\r")
        check(t.end() == 0, t.all)


def test_no_color_means_none():
    with Home() as home:
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            t = begin(home, env=env)
            t.say("Hello")
            t.send("\x04")
            check(t.end() == 0)
            check(not re.search(rb"\x1b\[[0-9;]*m", t.all), env, t.all)


def test_editing_and_history():
    with Home() as home:
        t = begin(home)
        t.say("Helo\x02l\x05")  # Ctrl-B, a letter, Ctrl-E
        check("Hello" in t.say("/branches"), t.all)
        t.send("\x1b[A\x1b[A")  # up twice: the message before
        t.send("\r")
        t.prompt()
        t.send("smörgås 漢\r")
        t.prompt()
        shown = t.say("/branches")
        check("smörgås 漢" in shown and shown.count("Hello") >= 2, shown)
        t.send("/quit\r")
        check(t.end() == 0)
        history = os.path.join(home.path, "state", "openassistant", "history")
        check(os.path.exists(history) and os.stat(history).st_mode & 0o077 == 0)
        t = begin(home)
        t.send("\x1b[A\x1b[A\x1b[A")
        t.wait_for("smörgås")
        t.send("\x03")
        t.prompt()
        t.send("/quit\r")
        t.end()


def test_edit_puts_the_old_text_on_the_line():
    with Home() as home:
        t = begin(home)
        t.say("First try")
        t.send("/edit\r")
        t.wait_for("First try")
        t.send("\x17second\r")  # Ctrl-W takes a word away
        t.prompt()
        shown = t.say("/branches")
        check("First second" in shown and "(branch 2 of 2)" in shown, shown)
        t.send("/quit\r")
        check(t.end() == 0)


def test_ctrl_c_at_the_prompt():
    with Home() as home:
        t = begin(home)
        t.send("half a line\x03")
        t.wait_for("Ctrl-C again")
        t.prompt()
        t.say("Hello")  # a line between: it takes two again
        t.send("\x03")
        t.wait_for("Ctrl-C again")
        t.prompt()
        t.send("\x03")
        check(t.end() == 130, t.all)


def test_ctrl_c_stops_an_answer_and_the_chat_goes_on():
    model = need_default()
    with Home() as home:
        t = Terminal("chat", "-m", model, "--temperature", "0", home=home)
        t.prompt()
        t.send("Write a very long story about the sea.\r")
        t.wait_for(r"story about the sea\.[^>]*\w+ \w+ \w+ ")
        t.send("\x03")
        t.wait_for("stopped")
        t.prompt()
        check("assistant" in t.say("/branches"))
        check(b"generate" not in t.all)  # the bar used to be drawn into the answer
        t.send("/regenerate\r")  # as long as the first: it can't be over before Ctrl-C comes
        t.wait_for(r"/regenerate\r\n[^>]*\w+ \w+ \w+ ")
        t.send("\x03")
        t.wait_for("stopped")
        t.prompt()
        t.send("\x03")
        check(t.end() == 130, t.all)


def test_sigterm_restores_the_terminal():
    with Home() as home:
        t = begin(home)
        os.kill(t.pid, signal.SIGTERM)
        check(t.end() == 143, t.all)


def test_progress_is_for_terminals_only():
    with Home() as home:
        r = run("chat", "-m", need_tiny(), *BASE, stdin="Hello\n", home=home)
        check("\r" not in r.err and "%" not in r.err, repr(r.err))


def test_a_long_prompt_shows_how_far_it_is():
    model = need_default()
    with Home() as home:
        text = home.file("long.txt", "The sea is wide and deep, and nobody knows it all. " * 200)
        args = ["run", "-m", model, "-f", text, "-n", "2", "--cpu", "c", "-t", "1"]
        t = Terminal(*args, home=home)
        t.wait_for(r"prompt \[#+\.+\] +\d+%")
        t.send("\x03")
        check(t.end() == 130, t.all[-300:])
        check(t.all.rstrip().endswith(b"openassistant: interrupted"), t.all[-300:])
        t = Terminal(*args, "--quiet", home=home)
        time.sleep(2)
        t.send("\x03")
        check(t.end() == 130 and b"%" not in t.all, t.all[-300:])


def test_long_conversations_drop_their_beginning_and_say_so():
    with Home() as home:
        script = "".join(f"Message {i} with some words in it\n" for i in range(12))
        r = run("chat", "-m", need_tiny(), *BASE, "--ctx", "120", stdin=script, home=home)
        check(r.code == 0, r.err)
        check("left out" in r.err, r.err)
        r = run("chat", "-m", need_tiny(), "--template", "chatml", *BASE[2:], "--cut", "--ctx",
                "120", stdin=script, home=home)
        check(r.code == 0, r.err)
        check("tokens were cut off" in r.err, r.err)


if __name__ == "__main__":
    main(sys.modules[__name__])
