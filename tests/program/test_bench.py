#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench, from end to end, and the models of known shapes that are made for it."""
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import harness
from harness import EXE, Home, Skip, check, check_error, need_tiny, run

SHAPE = os.environ.get("OA_TEST_SHAPE", "")
MEMORY = os.environ.get("OA_TEST_MEMORY", "")
QUICK = ["-r", "2", "-p", "16", "-n", "4", "-t", "1", "--long", "0", "--batch", "0"]

# Answers as llama-bench does, 100 tokens/s of a prompt, 10 made, and notes each call.
PEER = f"""#!{sys.executable}
import json, sys
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with open(sys.argv[0] + ".calls", "a") as f:
    print(json.dumps(args), file=f)
n = int(args["-n"])
out = [dict(n_prompt=int(p), n_gen=0, avg_ts=100 if i == 0 else 25, avg_ns=1)
       for i, p in enumerate(args["-p"].split(","))]
out.append(dict(n_prompt=0, n_gen=n, avg_ts=10.0))
print("noise", file=sys.stderr)
print(json.dumps(out))
"""


def make_shape(home, shape, kind, *more, name="made.gguf"):
    path = os.path.join(home.path, name)
    subprocess.run([SHAPE, shape, kind, path, *more], check=True)
    return path


def script(home, name, text):
    path = home.file(name, text)
    os.chmod(path, 0o755)
    return path


def test_shapes_of_every_type():
    """Each opens, answers with numbers, and is the same when it is made again."""
    kinds = ("Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K_M Q4_K_M Q5_K_M Q6_K IQ4_NL IQ4_XS F16 BF16 "
             "F32").split()
    with Home() as home:
        text = home.file("text", "one two three " * 40)
        for kind in kinds:
            sums = set()
            for i in range(2):
                path = make_shape(home, "tiny-neox" if kind == "Q5_K_M" else "tiny", kind)
                with open(path, "rb") as f:
                    sums.add(hashlib.sha256(f.read()).hexdigest())
            check(len(sums) == 1, kind, "is another one each time")
            r = run("perplexity", "-m", path, "--ctx", "32", "--windows", "2", "--json", text,
                    home=home)
            check(r.code == 0, kind, r.err)
            # Random weights know nothing: the scores of 512 tokens spread by about 1.
            check(150 < r.json()["perplexity"] < 5000, kind, r.out)
        check(subprocess.run([SHAPE, "tiny", "F32", path, "seed=2"]).returncode == 0)
        with open(path, "rb") as f:
            check(hashlib.sha256(f.read()).hexdigest() not in sums, "a seed changes nothing")


def test_shapes_are_what_they_say():
    with Home() as home:
        path = make_shape(home, "llama-1.1b", "Q4_K_M", "layers=1", "vocab=300")
        r = run("info", "-m", path, "--json", "--metadata", home=home)
        check(r.code == 0, r.err)
        meta = r.json()["metadata"]
        want = {"block_count": "1", "embedding_length": "2048", "feed_forward_length": "5632",
                "attention.head_count": "32", "attention.head_count_kv": "4"}
        for key, v in want.items():
            check(meta["llama." + key] == v, key, meta)
        ids = run("tokenize", "-m", path, "ab \u00e9\n", home=home).out.split()
        check(len(ids) >= 4, ids)
        r = run("tokenize", "-m", path, "--decode", *ids, home=home)
        check(r.out.rstrip("\n") == "ab \u00e9", repr(r.out))


def test_memory_is_foretold():
    """A whole context of all kinds of tokens takes what info says, within 3 % and the 8 MB that
    the program and neighbours of the pages that are read may take."""
    if os.environ.get("OA_TEST_SANITIZE", "none") != "none":
        raise Skip("sanitizers take memory of their own")
    if not os.path.exists("/proc/self/status"):
        raise Skip("no /proc")
    with Home() as home:
        # Rows of a mapped table that no token looked up take nothing: at most what is foretold.
        for least, shape, kind, *more in ((0.97, "smollm-135m", "Q8_0"),
                                          (0.8, "llama-1.1b", "Q4_K_M", "layers=5"),
                                          (0.8, "neox-410m", "Q4_0", "layers=12")):
            path = make_shape(home, shape, kind, *more)
            # Memory that is filled when it is allocated is taken earlier than it is used.
            done = subprocess.run([MEMORY, path, "256"], check=True, stdout=subprocess.PIPE,
                                  env=home.env(MALLOC_PERTURB_="0"))
            o = json.loads(done.stdout)
            check(least * o["foretold"] < o["peak"] < 1.03 * o["foretold"] + 8e6, shape, kind, o)


def test_bench_json():
    with Home() as home:
        tiny = need_tiny()
        r = run("bench", "-m", tiny, *QUICK, "--json", home=home)
        check(r.code == 0 and r.err == "", r.err)
        o = r.json()
        for key in ("prompt_tps", "token_tps", "read_gbs", "int8_gops", "fp32_gflops", "load_ms",
                    "first_ms"):
            check(0 < o[key + "_min"] <= o[key] <= o[key + "_max"], key, o)
        check(o["n_prompt"] == 16 and o["n_tokens"] == 4 and o["n_threads"] == 1, o)
        check(o["n_runs"] == 2 and o["n_long"] == 0 and o["batches"] == [], o)
        check(0 < o["prompt_macs"] < o["token_macs"] and o["token_bytes"] > 0, o)
        check(0 < o["token_float_macs"] < o["token_macs"], o)
        check(o["prompt_share"] > 0 and o["token_share"] > 0, o)
        check(o["load_ms_min"] < o["first_ms_max"], o)
        check("long_tps" not in o and "peer" not in o, o)


def test_bench_batches_and_a_long_prompt():
    with Home() as home:
        path = make_shape(home, "tiny", "F16")
        r = run("bench", "-m", path, *QUICK[:-4], "--batch", "2,5", "--long", "64", "--json",
                home=home)
        check(r.code == 0 and r.err == "", r.err)
        o = r.json()
        check([b["n"] for b in o["batches"]] == [2, 5], o)
        for b in o["batches"]:
            check(0 < b["tps_min"] <= b["tps"] <= b["tps_max"] and b["share"] > 0, b)
            check(b["wall"] in ("read", "fp32"), b)
        check(o["n_long"] == 64 and o["long_tps"] > 0, o)
        check(abs(o["long_cost"] - o["prompt_tps"] / o["long_tps"]) < 0.01 * o["long_cost"], o)
        # Every matrix is of floats, so the int8 wall is none of theirs.
        check(o["token_float_macs"] == o["token_macs"] and o["prompt_wall"] == "fp32", o)


def test_bench_table_of_several_models():
    with Home() as home:
        path = make_shape(home, "tiny", "Q4_0")
        r = run("bench", "-m", path, "-m", need_tiny(), *QUICK[:-2], "--batch", "3", home=home)
        check(r.code == 0 and r.err == "", r.err)
        check(r.out.count("medians of 2 passes") == 2 and "random tiny" in r.out, r.out)
        for label in ("read wall", "int8 wall", "fp32 wall", "load", "first token", "prompt 16",
                      "token", "batch 3"):
            check(len(re.findall("^" + label + " .*", r.out, re.M)) >= 2, label, r.out)
        line = r"prompt 16 +[0-9.]+ tokens/s +\([0-9.]+ to [0-9.]+\) +[0-9.]+% of "
        check(re.search(line, r.out), r.out)
        r = run("bench", "-m", path, "-m", need_tiny(), *QUICK, "--json", home=home)
        check([len(r.json()), r.json()[0]["type"]] == [2, "Q4_0"], r.out)


def test_bench_against_a_peer():
    with Home() as home:
        path = need_tiny()
        peer = script(home, "llama-bench", PEER)
        r = run("bench", "-m", path, *QUICK[:-4], "--batch", "0", "--long", "64", "--vs", peer,
                "--json", home=home)
        check(r.code == 0 and r.err == "", r.err)
        o = r.json()
        p = o["peer"]
        check(p["program"] == peer, p)
        check([p["prompt_tps"], p["token_tps"], p["long_tps"]] == [100, 10, 25], p)
        for key, speed in (("prompt", 100), ("token", 10), ("long", 25)):
            want = o[key + "_tps"] / speed
            check(abs(p[key + "_ratio"] - want) <= 1e-3 * want, key, o)
        with open(peer + ".calls") as f:
            calls = f.read().splitlines()
        want = {"-m": path, "-p": "16,64", "-n": "4", "-r": "1", "-t": "1", "-o": "json"}
        check(len(calls) == 2 and all(json.loads(c) == want for c in calls), calls)
        r = run("bench", "-m", path, *QUICK, "--vs", peer, home=home)
        check(r.code == 0 and r.out.count("peer 100.0 (100.0 to 100.0), ratio ") == 1, r.out)
        r = run("bench", "-m", path, *QUICK, "--vs", peer, "-v", home=home)
        check("noise" in r.err, r.err)


def test_bench_against_a_peer_in_batches():
    """The peer's batch program is the one beside it."""
    with Home() as home:
        path = need_tiny()
        peer = script(home, "llama-bench", PEER)
        script(home, "llama-batched-bench", f"""#!{sys.executable}
import sys
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert args == {{"-m": "{path}", "-npp": "32", "-ntg": "4", "-npl": "2,5", "-c": "180", "-t": "1",
                "--output-format": "jsonl"}}, args
print("noise")
for n in (2, 5, 7):
    print('{{"pp": 32, "pl": %d, "speed_tg": %d.5}}' % (n, 20 * n))
""")
        args = ["bench", "-m", path, *QUICK[:-2], "--batch", "2,5", "--vs", peer]
        r = run(*args, "--json", home=home)
        check(r.code == 0 and r.err == "", r.err)
        o = r.json()
        check([(p["n"], p["tps"]) for p in o["peer"]["batches"]] == [(2, 40.5), (5, 100.5)], o)
        for ours, theirs in zip(o["batches"], o["peer"]["batches"]):
            want = ours["tps"] / theirs["tps"]
            check(abs(theirs["ratio"] - want) <= 1e-3 * want, o)
        r = run(*args, home=home)
        check(r.code == 0 and r.out.count("peer 40.5 (40.5 to 40.5), ratio ") == 1, r.out)
        bad = script(home, "llama-batched-bench",
                     "#!/bin/sh\necho '{\"pl\": 2, \"speed_tg\": 1}'\n")
        r = run(*args, home=home)
        check_error(r, 1)
        check(bad in r.err and "batch of 5" in r.err, r.err)


def test_bench_peers_that_fail():
    with Home() as home:
        fails = {
            "no such program": (os.path.join(home.path, "none"), "No such file"),
            "an error": (script(home, "bad", "#!/bin/sh\nexit 3\n"), "code 3"),
            "a signal": (script(home, "dies", "#!/bin/sh\nkill -9 $$\n"), "signal 9"),
            "no JSON": (script(home, "text", "#!/bin/sh\necho '| model |'\n"), "no JSON"),
            "no list": (script(home, "object", "#!/bin/sh\necho '{}'\n"), "no JSON list"),
            "nothing of use": (script(home, "empty", "#!/bin/sh\necho '[1, {}]'\n"),
                               "no speed of 16 tokens read"),
        }
        for what, (peer, why) in fails.items():
            r = run("bench", "-m", need_tiny(), *QUICK, "--vs", peer, home=home)
            check_error(r, 1)
            check(why in r.err and peer in r.err, what, r.err)


def test_bench_is_ended_with_its_peer():
    with Home() as home:
        peer = script(home, "slow", "#!/bin/sh\necho $$ > \"$0.pid\"\nexec sleep 600\n")
        p = subprocess.Popen([EXE, "bench", "-m", need_tiny(), *QUICK, "--vs", peer],
                             env=home.env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not os.path.exists(peer + ".pid") or not os.path.getsize(peer + ".pid"):
            check(time.monotonic() < end and p.poll() is None, "the peer did not begin")
            time.sleep(0.01)
        p.send_signal(signal.SIGTERM)
        check(p.wait(timeout=60) == 143, p.returncode)
        with open(peer + ".pid") as f:
            pid = int(f.read())
        check(not os.path.exists(f"/proc/{pid}"), "the peer was left behind")


def test_bench_refuses():
    with Home() as home:
        for args in (["--batch", "3,"], ["--batch", "x"], ["--batch", "1025"], ["--batch", "1,0"],
                     ["--batch", ",".join("1" * 9)], ["--long", "5,6"], ["--long", "-1"],
                     ["--batch", ""], ["more"]):
            r = run("bench", "-m", need_tiny(), *args, home=home)
            check_error(r, 2)
        check_error(run("bench", "-m", need_tiny(), "--memory-limit", "100K", home=home), 1)


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
