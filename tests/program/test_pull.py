# SPDX-License-Identifier: Apache-2.0
"""openassistant pull and models, against a server on the loopback interface."""
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "util"))
from harness import (EXE, Home, Skip, check, check_error, main, need_tiny,  # noqa: E402
                     run as run_exe, wait_until_caught)
from hub_server import Hub, Step  # noqa: E402

DATA = random.Random(5).randbytes(200_000)
FILE = "model.Q4_K_M.gguf"
CARD = "---\nlicense: other\n---\n# LLaMA\n"


class Place(Home):
    """A home folder, and a hub with a repository."""

    def __init__(self, files=None):
        super().__init__()
        self.hub = Hub()
        self.hub.repo("owner/llama", files or {FILE: DATA}, card=CARD)
        self.repo = os.path.join(self.models, "owner", "llama")

    def env(self, **more):
        env = super().env(XDG_CONFIG_HOME=os.path.join(self.path, "config"), NO_PROXY="*",
                          HF_ENDPOINT=self.hub.url)
        for key in list(env):
            if (key.startswith("HF_") and key != "HF_ENDPOINT") or \
                    ("proxy" in key.lower() and key != "NO_PROXY"):
                del env[key]
        env.update(more)
        return env

    def __enter__(self):
        self.hub.__enter__()
        return self

    def __exit__(self, *exc):
        self.hub.__exit__()
        super().__exit__(*exc)


def run(*args, home, **kw):
    r = run_exe(*args, home=home, **kw)
    if "without the part net" in r.err:
        raise Skip("the part net is not built")
    return r


def test_pull_prints_the_path():
    with Place() as p:
        path = os.path.join(p.repo, FILE)
        r = run("pull", "owner/llama", home=p)
        check(r.code == 0 and r.out == path + "\n", r.out, r.err)
        check(open(path, "rb").read() == DATA)
        check(r.err.count("licence of owner/llama") == 1 and "non-commercial" in r.err, r.err)
        r = run("pull", "owner/llama", home=p)
        check(r.code == 0 and r.out == path + "\n" and "licence" not in r.err, r.err)
        r = run("pull", "-q", "owner/llama:Q4_K_M", "--revision", "main", home=p)
        check(r.code == 0 and r.out == path + "\n" and r.err == "", r.err)
        r = run("pull", "--json", "-q", "owner/llama", home=p)
        check(r.json()["path"] == path and r.json()["licence"] == "other", r.out)
        check(r.json()["repository"] == "owner/llama" and os.path.exists(r.json()["card"]))


def test_a_pulled_model_runs():
    tiny = open(need_tiny(), "rb").read()
    with Place({"tiny.Q8_0.gguf": tiny}) as p:
        for name in ("owner/llama", "owner/llama:Q8_0", "owner/llama/tiny.Q8_0", "tiny"):
            r = run("info", name, home=p)
            check_error(r, 1)
            if name.count("/") == 1:
                check("openassistant pull " + name in r.err, r.err)
        check(p.hub.requests == [], "a model was fetched without pull")
        check(run("pull", "owner/llama", home=p).code == 0)
        for name in ("owner/llama", "owner/llama:Q8_0", "owner/llama/tiny.Q8_0", "tiny"):
            check(run("info", name, home=p).code == 0, name)
        r = run("run", "-m", "owner/llama", "-n", "3", "x", home=p)
        check(r.code == 0, r.err)
        r = run("models", "--json", home=p)
        name = r.json()["models"][0]["name"]
        check(name == "owner/llama/tiny.Q8_0" and run("info", name, home=p).code == 0, name)


def test_errors_are_one_line():
    with Place() as p:
        check_error(run("pull", "no/body", home=p), 1)
        check_error(run("pull", "owner/llama:Q8_0", home=p), 1)
        check_error(run("pull", "owner/llama@v9", home=p), 1)
        check_error(run("pull", "no-such-name", home=p), 1)
        p.hub.api_plan.append(Step(status=401, headers={"X-Error-Code": "GatedRepo"}))
        r = run("pull", "owner/llama", home=p)
        check_error(r, 1)
        check("HF_TOKEN" in r.err and "accept its terms" in r.err, r.err)
        check_error(run("pull", "owner/llama", home=p, env={"HF_ENDPOINT": "ftp://x"}), 2)
        check(not os.path.exists(p.models), "folders of what is not there")


def test_progress_with_rate_and_time_left():
    with Place() as p:
        p.hub.plan(FILE, Step(slow=(5000, 0.05)))
        leader, follower = pty.openpty()
        process = subprocess.Popen([EXE, "pull", "owner/llama"], env=p.env(), stderr=follower,
                                   stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        os.close(follower)
        text = b""
        while True:
            ready = select.select([leader], [], [], 30)[0]
            try:
                piece = os.read(leader, 65536) if ready else b""
            except OSError:  # the other end was closed
                break
            if not piece:
                break
            text += piece
        check(process.wait(timeout=30) == 0)
        lines = [x for x in re.split(r"[\r\n]", text.decode()) if FILE + " " in x and "%" in x]
        check(len(lines) >= 5, text)
        check(any(re.search(r" \d+%  [\d.]+ kB of 200\.0 kB  [\d.]+ kB/s  0:0\d left", x)
                  for x in lines), lines)
        rates = [float(x) for x in re.findall(r"([\d.]+) kB/s", " ".join(lines))]
        check(rates and 50 < rates[-1] < 110, rates)  # 5000 bytes every 50 ms: 100 kB/s
        done = [int(x) for x in re.findall(r" (\d+)%", " ".join(lines))]
        check(done == sorted(done), done)


def test_ctrl_c_and_again():
    with Place() as p:
        p.hub.always[FILE] = Step(slow=(2000, 0.02))
        process = subprocess.Popen([EXE, "pull", "owner/llama"], env=p.env(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until_caught(process, signal.SIGINT)
        part = os.path.join(p.repo, FILE + ".partial")
        end = time.monotonic() + 20
        while not (os.path.exists(part) and os.path.getsize(part) > 10_000):
            check(time.monotonic() < end, "it does not begin")
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        check(process.returncode == 130 and out == b"", process.returncode, err)
        check(err.decode().endswith("openassistant: interrupted\n"), err)
        size = os.path.getsize(part)
        check(10_000 < size < len(DATA) and not os.path.exists(part[:-8]))
        p.hub.always.clear()
        check(run("pull", "owner/llama", home=p).code == 0)
        check(p.hub.asked(FILE)[-1].start == size, "what came was fetched again")


def test_models_verify_licence_remove():
    with Place({FILE: DATA, "other.Q8_0.gguf": b"x"}) as p:
        check(run("pull", "owner/llama", home=p).code == 0)
        check(run("pull", "owner/llama:Q8_0", home=p).code == 0)
        path = os.path.join(p.repo, FILE)
        r = run("models", "verify", home=p)
        check(r.code == 0 and r.out.count("as it was pulled") == 2, r.out, r.err)
        r = run("models", "licence", "owner/llama:Q8_0", home=p)
        check(r.code == 0 and r.out == "other\n" and "README.md" in r.err, r.out, r.err)
        check(run("models", "licence", "model", "--json", home=p).json()["licence"] == "other")
        with open(path, "r+b") as f:
            f.write(b"damage")
        r = run("models", "verify", home=p)
        check(r.code == 1 and r.out.count("as it was pulled") == 1 and "SHA-256" in r.err, r.err)
        r = run("models", "verify", "--json", "model", "other", home=p)
        check(r.code == 1 and [(m["name"], m["ok"]) for m in r.json()] ==
              [("model", False), ("other", True)], r.out)
        check_error(run("models", "verify", "nobody", home=p), 1)
        check_error(run("models", "licence", "nobody", home=p), 1)
        check_error(run("models", "remove", "nobody", home=p), 1)
        check_error(run("models", "remove", "owner/llama", home=p), 1)  # which of two?
        check(os.path.exists(path))
        r = run("models", "remove", "model", home=p)
        check(r.code == 0 and r.out == "" and not os.path.exists(path), r.err)
        check(sorted(os.listdir(p.repo)) == [".pull.json", "README.md", "other.Q8_0.gguf"])
        record = json.load(open(os.path.join(p.repo, ".pull.json")))
        check(FILE not in record["files"], record)
        check(run("models", "remove", "owner/llama", home=p).code == 0)
        check(os.listdir(p.models) == [], os.listdir(p.models))
        check(run("models", "verify", home=p).code == 0)


def test_models_known():
    with Place() as p:
        r = run("models", "known", home=p)
        check(r.code == 0 and re.search(r"(?m)^smollm2 +apache-2.0 +model ", r.out), r.out)
        config = os.path.join(p.path, "config", "openassistant")
        os.makedirs(config)
        with open(os.path.join(config, "catalogue.json"), "w") as f:
            json.dump({"models": {"mine": {"get": "owner/llama", "about": "of\nmy own"}}}, f)
        known = run("models", "known", "--json", home=p).json()
        check(known[0]["name"] == "mine" and known[0]["get"] == "owner/llama", known[0])
        check(run("models", "known", home=p).out.startswith("mine "))
        check(run("pull", "mine", home=p).out == os.path.join(p.repo, FILE) + "\n")
        check(run("models", "remove", "mine", home=p).code == 0)
        with open(os.path.join(config, "catalogue.json"), "w") as f:
            f.write("{")
        check_error(run("models", "known", home=p), 1)
        check_error(run("pull", "mine", home=p), 1)


def test_data_sets():
    with Place() as p:
        name = "2023-04-12_oasst_ready.trees.jsonl.gz"
        p.hub.repo("OpenAssistant/oasst1", {name: DATA, "second.jsonl": b"x"}, kind="datasets",
                   card="---\nlicense: apache-2.0\n---\n")
        path = os.path.join(p.path, "data", "openassistant", "datasets", "OpenAssistant", "oasst1",
                            name)
        r = run("pull", "--dataset", "OpenAssistant/oasst1:" + name, home=p)
        check(r.code == 0 and r.out == path + "\n" and "Apache-2.0" in r.err, r.err)
        check(open(path, "rb").read() == DATA)
        check(run("pull", "oasst1", home=p).out == path + "\n")
        check_error(run("pull", "--dataset", "OpenAssistant/oasst1", home=p), 2)
        r = run("models", "--dataset", "--json", home=p)
        check([d["path"] for d in r.json()["datasets"]] == [path], r.out)
        check(run("models", "--json", home=p).json()["models"] == [])
        check(run("models", "verify", "--dataset", "oasst1", home=p).code == 0)
        check(run("models", "remove", "--dataset", "oasst1", home=p).code == 0)
        check(not os.path.exists(path))


def test_a_data_set_beside_a_model():
    """Of one name: what is done to the one leaves the other alone."""
    with Place() as p:
        sets = os.path.join(p.path, "data", "openassistant", "datasets", "owner", "llama")
        p.hub.repo("owner/llama", {"talk.jsonl.gz": DATA, "more.jsonl": b"{}\n"}, kind="datasets",
                   card="---\nlicense: cc-by-4.0\n---\n")
        check(run("pull", "owner/llama", home=p).code == 0)
        r = run("pull", "--dataset", "owner/llama:talk.jsonl.gz", home=p)
        check(r.code == 0 and r.out == os.path.join(sets, "talk.jsonl.gz") + "\n", r.out, r.err)
        # Only a data set: the models know nothing of it.
        check_error(run("models", "verify", "talk.jsonl.gz", home=p), 1)
        check_error(run("models", "licence", "talk.jsonl.gz", home=p), 1)
        check_error(run("models", "remove", "talk.jsonl.gz", home=p), 1)
        check_error(run("models", "verify", "--dataset", "model.Q4_K_M", home=p), 1)
        check_error(run("models", "remove", "--dataset", "model.Q4_K_M", home=p), 1)
        check_error(run("models", "licence", "--dataset", "model.Q4_K_M", home=p), 1)
        check(len(run("models", "--json", home=p).json()["models"]) == 1)
        check(len(run("models", "--dataset", "--json", home=p).json()["datasets"]) == 1)
        r = run("models", "--dataset", home=p)
        check(r.out.startswith("owner/llama/talk.jsonl.gz  "), r.out)
        for name in ("owner/llama", "owner/llama:talk.jsonl.gz", "owner/llama/talk.jsonl.gz",
                     "talk.jsonl.gz"):
            r = run("models", "licence", "--dataset", name, home=p)
            check(r.code == 0 and r.out == "cc-by-4.0\n" and "datasets" in r.err, name, r.err)
        check(run("models", "licence", "owner/llama", home=p).out == "other\n")
        # Damage is seen where it is.
        with open(os.path.join(sets, "talk.jsonl.gz"), "r+b") as f:
            f.write(b"damage")
        check(run("models", "verify", home=p).code == 0)
        r = run("models", "verify", "--dataset", home=p)
        check(r.code == 1 and "SHA-256" in r.err, r.err)
        check(run("pull", "--dataset", "owner/llama:talk.jsonl.gz", home=p).code == 0)
        check(run("models", "verify", "--dataset", "owner/llama", home=p).code == 0)
        check(run("pull", "--dataset", "owner/llama:more.jsonl", home=p).code == 0)
        check_error(run("models", "licence", "--dataset", "owner/llama", home=p), 1)  # which?
        # One is taken away, then the other.
        check(run("models", "remove", "owner/llama", home=p).code == 0)
        check(not os.path.exists(p.repo) and sorted(os.listdir(sets)) ==
              [".pull.json", "README.md", "more.jsonl", "talk.jsonl.gz"])
        for name in ("talk.jsonl.gz", "owner/llama:more.jsonl"):
            check(run("models", "remove", "--dataset", name, home=p).code == 0)
        check(not os.path.exists(sets))


def test_short_names_of_the_other_kind():
    with Place() as p:
        r = run("pull", "--dataset", "smollm2", home=p)
        check_error(r, 2)
        check("of a model" in r.err, r.err)
        for verb in ("verify", "licence", "remove"):
            r = run("models", verb, "oasst1", home=p)
            check_error(r, 1)
            check("of a data set" in r.err, r.err)
        check(p.hub.requests == [])


def test_a_full_disk():
    """In a file system of 160 kB: at the first look, and in the middle."""
    probe = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"],
                           capture_output=True, check=False) if shutil.which("unshare") else None
    if not probe or probe.returncode:
        raise Skip("no file system of its own may be mounted here")

    def on_small_disk(p, size, fill=""):
        os.makedirs(os.path.join(p.path, "data"), exist_ok=True)
        script = (f"mount -t tmpfs -o size={size}k none '{p.path}/data' && "
                  f"{fill} '{EXE}' pull owner/llama; code=$?; ls -A '{p.repo}'; exit $code")
        return subprocess.run(["unshare", "-m", "sh", "-c", script], env=p.env(), text=True,
                              capture_output=True, timeout=60, check=False)

    with Place() as p:
        r = on_small_disk(p, 160)
        check(r.returncode == 1 and "the disk has room for" in r.stderr, r)
        check(FILE not in r.stdout.split(), r.stdout)
        p.hub.always[FILE] = Step(slow=(20_000, 0.05))
        r = on_small_disk(p, 400, f"(until [ -s '{p.repo}/{FILE}.partial' ]; do sleep 0.01; done;"
                                  f" head -c 999999 /dev/zero >'{p.path}/data/fill') & ")
        check(r.returncode == 1 and "no space left" in r.stderr.lower(), r)
        check(FILE not in r.stdout.split() and FILE + ".partial" in r.stdout.split(), r.stdout)


if __name__ == "__main__":
    main(sys.modules[__name__])
