# SPDX-License-Identifier: Apache-2.0
"""oa_hub_pull() in bad weather: random cuts, random lies, processes killed at random.

usage: storm.py ROUNDS [TEST ...]

Whatever happens: under its name lies the whole file or nothing, and in good weather the next pull
ends well. The seed is printed; OA_TEST_SEED repeats a run.
"""
import gzip
import json
import os
import random
import sys
import time

from place import APACHE, DATA, FILE, Place, bad, good
from harness import check, main
from hub_server import Step

ROUNDS = int(sys.argv.pop(1))
SEED = int(os.environ.get("OA_TEST_SEED", 1))
CODES = ("OA_EIO", "OA_EFORMAT", "OA_ELIMIT", "OA_EACCES", "OA_ENOTFOUND")


def wait_for(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, "not in time:", what)
        time.sleep(0.002)


def size_of(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def test_four_at_once_and_one_killed():
    """kill -9 at a random byte of the one that fetches, or of one that waits."""
    for n in range(ROUNDS):
        rng = random.Random(SEED * 1000 + n)
        with Place() as p:
            p.hub.always[FILE] = Step(slow=(4000, 0.002))
            part = p.path() + ".partial"
            running = [p.start()]
            wait_for(lambda: p.hub.asked(FILE), "the first process")
            running += [p.start() for _ in range(3)]
            at = rng.randrange(len(DATA))
            wait_for(lambda: size_of(part) >= at or os.path.exists(p.path()), f"byte {at}")
            victim = running.pop(0 if n % 3 else rng.randrange(4))
            victim.kill()
            victim.communicate()
            for out, err in [process.communicate(timeout=60) for process in running]:
                check(err == b"", n, err)
                good(p, json.loads(out))
            # What had come was not fetched again.
            starts = [q.start for q in p.hub.asked(FILE)]
            check(len(starts) <= 2 and starts[0] == 0 and all(s > 0 for s in starts[1:]), n, starts)
            check(p.record()["models"] == [FILE], n)


def test_four_at_once_and_all_killed():
    """Nobody is left; one more has the rest to do."""
    for n in range(ROUNDS):
        rng = random.Random(SEED * 2000 + n)
        with Place() as p:
            p.hub.always[FILE] = Step(slow=(4000, 0.002))
            running = [p.start() for _ in range(4)]
            time.sleep(rng.random() * 0.25)
            for process in running:
                process.kill()
            for process in running:
                process.communicate()
            came = size_of(p.path() + ".partial")
            check(not os.path.exists(p.path()) or p.read() == DATA, n, "half a file")
            p.hub.always.clear()
            p.hub.requests.clear()
            good(p, p.pull())
            rest = [came] if came < len(DATA) else []  # killed with all of it there
            check(not came or [q.start for q in p.hub.asked(FILE)] == rest, n, came)


def test_cuts_anywhere():
    """In the heads and bodies of files, and of what the hub says about them."""
    for n in range(ROUNDS * 3):
        rng = random.Random(SEED * 3000 + n)
        data = DATA[:rng.choice([1, 100, 5000, len(DATA)])]
        with Place({FILE: data}) as p:
            def cuts(size, count):
                return [Step(cut_all=rng.randrange(size + 300)) for _ in range(count)]

            p.hub.api_plan = cuts(600, rng.randrange(4))
            p.hub.plan("README.md", *cuts(len(APACHE), rng.randrange(4)))
            p.hub.plan(FILE, *cuts(len(data), rng.randrange(10)))
            good(p, p.pull("tries=30"), data)
            check(p.read("README.md") == APACHE.encode(), n)


def a_lie(rng, data):
    """A step that is wrong in one way or another, or slow, or right."""
    other = bytes(rng.randbytes(rng.choice([len(data), len(data) - 1, len(data) + 7, 0])))
    k = rng.randrange(len(data))
    return rng.choice([
        lambda: Step(cut=k), lambda: Step(cut_all=rng.randrange(len(data) + 300)),
        lambda: Step(cut=k, etag='"x"'), lambda: Step(etag='"x"', data=other, cut=k),
        lambda: Step(data=other), lambda: Step(data=other, chunked=True),
        lambda: Step(cut=k, weak=True), lambda: Step(ignore_range=True, cut=k),
        lambda: Step(length=rng.choice([-1, 1, 10**15])), lambda: Step(wrong_range=True),
        lambda: Step(chunked=True, cut=k), lambda: Step(extra=b"x" * 10),
        lambda: Step(status=rng.choice([500, 502, 503, 504, 429, 408, 416]), headers={
            "Retry-After": rng.choice(["0", "-1", "soon", ""])}),
        lambda: Step(content_range=rng.choice([
            "", "bytes 0-0/1", f"bytes {k}-{len(data) - 1}/{len(data)}", "bytes 5-4/3"])),
        lambda: Step(data=gzip.compress(data), headers={"Content-Encoding": "gzip"}),
        lambda: Step(raw=rng.randbytes(rng.randrange(200))),
        lambda: Step(raw=b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\n\r\n"),
        lambda: Step(redirect="?x=" + str(k)), lambda: Step(slow=(len(data) // 3 + 1, 0.002)),
        lambda: Step(status=rng.choice([301, 400, 401, 403, 404, 410])),
    ])()


def test_lies_of_all_kinds():
    """A random row of them: a good end or an error, and nothing in between."""
    ends = {}
    for n in range(ROUNDS * 6):
        rng = random.Random(SEED * 4000 + n)
        data = DATA[:rng.choice([1, 100, 5000, 60_000])]
        with Place({FILE: data}) as p:
            p.hub.plan(FILE, *(a_lie(rng, data) for _ in range(rng.randrange(1, 7))))
            for _ in range(2):
                r = p.pull("tries=5", "stall=2000")
                ends[r["rc"]] = ends.get(r["rc"], 0) + 1
                if r["rc"] == "OA_OK":
                    good(p, r, data)
                else:
                    check(r["rc"] in CODES, n, r["rc"], r["error"])
                    bad(p, r, r["rc"])
                    check(r["error"] and "\n" not in r["error"], n, r["error"])
            p.hub.plans.clear()
            good(p, p.pull(), data)
    print("# ends:", ends)
    check(ends.get("OA_OK", 0) > ROUNDS and len(ends) > 1, "no weather at all", ends)


if __name__ == "__main__":
    print("# seed", SEED)
    main(sys.modules[__name__])
