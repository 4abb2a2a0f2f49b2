# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command share: running it, a home folder of their own, TAP output."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

EXE = os.environ.get("OA_TEST_EXE", "")
SOURCE = os.environ.get("OA_TEST_SOURCE", ".")
SHARED = os.environ.get("OA_TEST_SHARED", "")
TINY = os.path.join(SOURCE, "tests", "golden", "tiny.gguf")
DEFAULT_MODEL = "SmolLM2-135M-Instruct.Q4_1"


class Skip(Exception):
    """Raised by a test that can't run here; its text says why."""


def need_tiny():
    if not os.path.exists(TINY):
        raise Skip("tests/golden/tiny.gguf is missing")
    return TINY


def need_default():
    """The real model, or a skip."""
    if os.environ.get("OA_TEST_SANITIZE") == "thread":
        raise Skip("the default model takes minutes under the thread sanitizer")
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    path = os.environ.get("OA_TEST_MODEL") or os.path.join(
        data, "openassistant", "models", DEFAULT_MODEL + ".gguf")
    if not os.path.exists(path):
        raise Skip("the default model is not installed (OA_TEST_MODEL)")
    return path


def need_shared(*parts):
    path = os.path.join(SHARED, *parts)
    if not os.path.exists(path):
        raise Skip("no " + os.path.join(*parts) + " (OA_TEST_SHARED)")
    return path


class Home:
    """A home folder for one test, with the tiny model installed as the default one on demand."""

    def __init__(self, install=False):
        self.path = tempfile.mkdtemp(prefix="oa-program-")
        self.models = os.path.join(self.path, "data", "openassistant", "models")
        if install:
            os.makedirs(self.models)
            shutil.copy(need_tiny(), os.path.join(self.models, DEFAULT_MODEL + ".gguf"))

    def env(self, **more):
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "OA_CPU")}
        env.update(HOME=self.path, XDG_DATA_HOME=os.path.join(self.path, "data"),
                   XDG_STATE_HOME=os.path.join(self.path, "state"), TERM="xterm", LC_ALL="C.UTF-8")
        env.update(more)
        return env

    def file(self, name, data=b""):
        path = os.path.join(self.path, name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.raw = done.stdout
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.out)


def run(*args, stdin=b"", home=None, env=None, timeout=120, cwd=None):
    """Run the command to its end."""
    full = (home.env() if home else dict(os.environ))
    full.update(env or {})
    data = stdin.encode() if isinstance(stdin, str) else stdin
    return Result(subprocess.run([EXE, *args], input=data, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env=full, timeout=timeout, cwd=cwd))


def wait_until_caught(process, sig, timeout=60):
    """Wait until a process has its handler of a signal in place."""
    end = time.monotonic() + timeout
    while time.monotonic() < end and process.poll() is None:
        with open(f"/proc/{process.pid}/status") as f:
            caught = next(line for line in f if line.startswith("SigCgt:"))
        if int(caught.split()[1], 16) >> (sig - 1) & 1:
            return
        time.sleep(0.01)
    raise AssertionError(f"signal {sig} is not caught")


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what) or "check failed")


def check_error(r, code):
    """An exit code, one line on standard error, nothing on standard output."""
    check(r.code == code, "exit code", r.code, "want", code, repr(r.err))
    check(r.err.startswith("openassistant: ") and r.err.count("\n") == 1 and r.err.endswith("\n"),
          "want one line, found", repr(r.err))
    check(r.out == "", "want no output, found", repr(r.out))


def main(module):
    """Run every test_ function of a module, or those named on the command line, as TAP."""
    tests = [(n, f) for n, f in vars(module).items() if n.startswith("test_") and callable(f)]
    names = sys.argv[1:]
    tests = [t for t in tests if not names or t[0] in names]
    failed = 0
    print(f"1..{len(tests)}")
    for i, (name, function) in enumerate(tests, 1):
        try:
            function()
            print(f"ok {i} {name}", flush=True)
        except Skip as why:
            print(f"ok {i} {name} # SKIP {why}", flush=True)
        except Exception:  # noqa: BLE001: every failure is one test's
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("#", line)
            print(f"not ok {i} {name}", flush=True)
    sys.exit(1 if failed else 0)
