# SPDX-License-Identifier: Apache-2.0
"""oa_hub_pull() against a server that cuts, stalls, lies, redirects and changes its mind."""
import gzip
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import threading
import time

from place import APACHE, DATA, FILE, Place, bad, good
from harness import check, main
from hub_server import Hub, Step

# --- as it should be -----------------------------------------------------------------------------


def test_all_that_belongs_to_it():
    with Place() as p:
        r = p.pull()
        good(p, r)
        check(p.read("README.md") == APACHE.encode())
        record = p.record()
        commit = hashlib.sha1(b"owner/name").hexdigest()
        check(record["commit"] == commit and record["licence"] == "apache-2.0", record)
        check(record["models"] == [FILE] and record["repository"] == "owner/name", record)
        check(record["files"][FILE]["sha256"] == hashlib.sha256(DATA).hexdigest(), record)
        # One state of the repository, whatever happens to it meanwhile.
        check(all(commit in q.path for q in p.hub.requests[1:]), [q.path for q in p.hub.requests])
        check(["licence of owner/name: Apache-2.0"] == [x for x in r["log"] if "licence" in x])
        check([FILE, 300_000 + len(APACHE), 300_000 + len(APACHE)] in r["progress"], r["progress"])
        # The second time nothing is fetched, and the licence is not told again.
        n = len(p.hub.requests)
        r = p.pull()
        good(p, r)
        check(len(p.hub.requests) == n + 2 and not [x for x in r["log"] if "licence" in x])


def test_what_lies_there_is_compared():
    with Place() as p:
        good(p, p.pull())
        n = len(p.hub.asked(FILE))
        os.remove(p.path(".pull.json"))  # without the record, by its bytes
        good(p, p.pull())
        check(len(p.hub.asked(FILE)) == n, "fetched again")
        with open(p.path(), "r+b") as f:
            f.seek(1000)
            f.write(b"damage")
        good(p, p.pull())
        check(len(p.hub.asked(FILE)) == n + 1)
        os.truncate(p.path(), 5)
        good(p, p.pull())
        # A new state of the repository takes the place of the old one.
        new = DATA[::-1]
        p.hub.repos["models/owner/name"]["files"][FILE] = new
        good(p, p.pull(), new)


def test_data_sets():
    name = "2023-04-12_oasst_ready.trees.jsonl.gz"
    with Place() as p:
        p.hub.repo("OpenAssistant/oasst1", {name: DATA, "other.jsonl.gz": b"x"}, kind="datasets",
                   card=APACHE)
        r = p.pull("dataset=1", name="OpenAssistant/oasst1:" + name)
        want = os.path.join(p.datasets, "OpenAssistant", "oasst1", name)
        check(r["path"] == want and open(want, "rb").read() == DATA, r)
        check(p.hub.requests[0].path == "/api/datasets/OpenAssistant/oasst1")
        check(p.hub.asked(name)[0].path.startswith("/datasets/OpenAssistant/oasst1/resolve/"))
        # The catalogue's short name is the same, and needs no switch.
        r = p.pull(name="oasst1")
        check(r["rc"] == "OA_OK" and r["path"] == want, r)
        check(len(p.hub.asked(name)) == 1)
        r = p.pull("dataset=1", name="OpenAssistant/oasst1")
        check(r["rc"] == "OA_EINVAL" and "other.jsonl.gz" in r["error"], r)


def test_which_files():
    folder = {n: n.encode() for n in (
        "config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        "model.safetensors.index.json", "consolidated.safetensors", "pytorch_model.bin",
        "onnx/model.onnx", "LICENSE")}
    split = {f"big.Q8_0-0000{i}-of-00003.gguf": b"%d" % i for i in (1, 2, 3)}
    with Place({**folder, **split, "x.Q2_K.gguf": b"q", "x.Q4_K_S.gguf": b"s", "mmproj.gguf": b"m",
                "dir/y.F16.gguf": b"f"}) as p:
        def got():
            return sorted(os.path.relpath(os.path.join(f, n), os.path.dirname(p.path()))
                          for f, _, names in os.walk(os.path.dirname(p.path())) for n in names
                          if n[0] != ".")

        def fresh(name, want, main):
            shutil.rmtree(p.models, ignore_errors=True)
            r = p.pull(name=name)
            check(r["rc"] == "OA_OK", r["error"])
            check(got() == sorted(want + ["LICENSE", "README.md"]), got())
            check(r["path"] == os.path.join(os.path.dirname(p.path()), main).rstrip("/"), r["path"])

        fresh("owner/name", ["x.Q4_K_S.gguf"], "x.Q4_K_S.gguf")
        fresh("owner/name:q2_k", ["x.Q2_K.gguf"], "x.Q2_K.gguf")
        fresh("owner/name:Q8_0", list(split), "big.Q8_0-00001-of-00003.gguf")
        fresh("owner/name:big.Q8_0-00002-of-00003.gguf", list(split),
              "big.Q8_0-00001-of-00003.gguf")
        fresh("owner/name:dir/y.F16.gguf@v1", ["dir/y.F16.gguf"], "dir/y.F16.gguf")
        fresh("owner/name:safetensors", [n for n in folder if n.endswith(".json") or "model-" in n],
              "")
        for part in ("Q4_K", "Q5_0", "K", "nothing.gguf"):
            r = p.pull(name="owner/name:" + part)
            check(r["rc"] == "OA_ENOTFOUND" and "x.Q2_K.gguf" in r["error"], part, r["error"])
        r = p.pull(name="owner/name@v2")
        check(r["rc"] == "OA_ENOTFOUND" and '"v2"' in r["error"], r["error"])
    with Place({"a.Q2_K.gguf": b"a", "b.Q2_K.gguf": b"b"}) as p:
        r = p.pull()
        check(r["rc"] == "OA_EINVAL" and "a.Q2_K.gguf, b.Q2_K.gguf" in r["error"], r["error"])
    with Place({"model.bin": b"a"}) as p:
        r = p.pull()
        check(r["rc"] == "OA_EUNSUPPORTED" and "model.bin" in r["error"], r["error"])


def test_pages_of_a_listing():
    with Place({**{f"f{i}.txt": b"x" for i in range(25)}, FILE: DATA}) as p:
        p.hub.page = 10
        good(p, p.pull())
        check(len([q for q in p.hub.requests if "/tree/" in q.path]) == 3)


def test_an_empty_file():
    with Place({"config.json": b"", "model.safetensors": b"w"}) as p:
        r = p.pull()
        check(r["rc"] == "OA_OK", r["error"])
        check(p.read("config.json") == b"" and p.left() == [], p.left())


# --- resuming ------------------------------------------------------------------------------------


def test_cuts_at_many_bytes():
    """Each answer ends after some bytes, down to none; each next one begins exactly there."""
    rng = random.Random(1)
    for turn in range(3):
        with Place() as p:
            cuts = [rng.choice([1, 2, 63, 64, 65, 1000, 4096, 16384, 20000]) for _ in range(30)]
            p.hub.plan(FILE, *(Step(cut=n) for n in cuts))
            good(p, p.pull())
            starts = [q.start for q in p.hub.asked(FILE)]
            at = [sum(cuts[:i]) for i in range(31)]
            check(starts == at[:len(starts)] and len(starts) == 31, starts, at)
            etag = '"%s"' % hashlib.sha256(DATA).hexdigest()
            check(all(q.headers["if-range"] == etag for q in p.hub.asked(FILE)[1:]))


def test_every_byte_of_a_small_file():
    data = DATA[:150]
    with Place({FILE: data}) as p:
        p.hub.plan(FILE, *(Step(cut=1) for _ in data))
        good(p, p.pull(), data)
        check([q.start for q in p.hub.asked(FILE)] == list(range(150)))


def test_killed_in_the_middle():
    """kill -9 at a random moment, again and again: what came is never fetched twice."""
    with Place() as p:
        p.hub.always[FILE] = Step(slow=(2000, 0.01))
        done, rng = 0, random.Random(2)
        for _ in range(5):
            process = p.start()
            time.sleep(0.08 + rng.random() * 0.1)
            process.kill()
            process.communicate()
            check(not os.path.exists(p.path()), "half a file under its name")
            part = p.path() + ".partial"
            size = os.path.getsize(part) if os.path.exists(part) else 0
            check(size >= done, size, done)
            done = size
        check(0 < done < len(DATA), "nothing to go on with:", done)
        p.hub.always.clear()
        good(p, p.pull())
        check(p.hub.asked(FILE)[-1].start == done, p.hub.asked(FILE)[-1].start, done)


def test_what_the_killed_leave():
    """Beside a whole file: with a record of it, without one, and while it is locked."""
    with Place() as p:
        good(p, p.pull())
        for forget in (False, True):
            if forget:
                os.remove(p.path(".pull.json"))
            for file in (FILE, "README.md"):
                for end in (".partial", ".partial.json", ".partial.json.partial"):
                    open(p.path(file + end), "w").close()
            good(p, p.pull())


def test_cancelled():
    with Place() as p:
        p.hub.always[FILE] = Step(slow=(10000, 0.01))
        r = p.pull("cancel_at=100000")
        bad(p, r, "OA_ECANCELLED")
        size = os.path.getsize(p.path() + ".partial")
        check(100_000 <= size + len(APACHE) < 300_000, size)
        # While the server says nothing, too, and before the first byte.
        p.hub.always[FILE] = Step(stall=(1, 20))
        began = time.monotonic()
        r = p.pull("cancel_at=1")
        bad(p, r, "OA_ECANCELLED")
        check(time.monotonic() - began < 15)
        p.hub.always.clear()
        good(p, p.pull())


def test_the_server_ignores_ranges():
    with Place() as p:
        p.hub.plan(FILE, Step(cut=1000), Step(cut=2000, ignore_range=True))
        good(p, p.pull())
        # From the beginning, over what was there, and then on from there.
        check([q.start for q in p.hub.asked(FILE)] == [0, 1000, 2000])


def test_the_content_changes_between_tries():
    """Small files have no SHA-256 at the hub: the ETag says that they changed."""
    file, old, new = "model.safetensors", DATA[::-1], DATA
    for weak in (False, True):
        with Place({file: new, "config.json": b"{}"}, small={file}) as p:
            p.hub.plan(file, Step(cut=1000, data=old, etag='"old"', weak=weak))
            p.hub.plan(file, Step(etag='"new"', weak=weak))
            r = p.pull()
            check(r["rc"] == "OA_OK", r["error"])
            check(p.read(file) == new, "a mixture of two files")
            check([q.start for q in p.hub.asked(file)] == [0, 0 if weak else 1000])
    # Across processes, too: the ETag is kept beside the partial file.
    with Place({file: new, "config.json": b"{}"}, small={file}) as p:
        p.hub.plan(file, Step(cut=1000, data=old, etag='"old"'))
        p.hub.plan(file, *(Step(status=500) for _ in range(3)))
        check(p.pull("tries=3")["rc"] == "OA_EIO")
        p.hub.plan(file, Step(etag='"new"'))
        check(p.pull()["rc"] == "OA_OK" and p.read(file) == new)
        check([q.headers.get("if-range") for q in p.hub.asked(file)][-1] == '"old"')


def test_a_new_version_while_half_of_the_old_one_lies_there():
    with Place() as p:
        p.hub.plan(FILE, Step(cut=1000), *(Step(status=500) for _ in range(2)))
        bad(p, p.pull("tries=2"), "OA_EIO", "500")
        check(os.path.getsize(p.path() + ".partial") == 1000)
        new = DATA[::-1]
        p.hub.repos["models/owner/name"]["files"][FILE] = new
        good(p, p.pull(), new)
        check(p.hub.asked(FILE)[-1].start == 0)


def test_a_partial_file_that_is_damaged():
    """As after a power cut: its sum is wrong in the end, and it is fetched again in one piece."""
    with Place() as p:
        p.hub.plan(FILE, Step(cut=5000), *(Step(status=500) for _ in range(2)))
        bad(p, p.pull("tries=2"), "OA_EIO")
        with open(p.path() + ".partial", "r+b") as f:
            f.write(b"\0" * 100)
        good(p, p.pull())
        check([q.start for q in p.hub.asked(FILE)[-2:]] == [5000, 0])
        # Longer than the whole; without a note; with a note that is none; a link in its place.
        for spoil in ("long", "no note", "broken note"):
            os.remove(p.path())
            p.hub.plan(FILE, Step(cut=5000), *(Step(status=500) for _ in range(2)))
            bad(p, p.pull("tries=2"), "OA_EIO")
            if spoil == "long":
                os.truncate(p.path() + ".partial", 300_001)
            elif spoil == "no note":
                os.remove(p.path() + ".partial.json")
            else:
                open(p.path() + ".partial.json", "w").write("[" * 10000)
            good(p, p.pull())
            check(p.hub.asked(FILE)[-1].start == 0, spoil)
        os.remove(p.path())
        victim = os.path.join(p.home, "victim")
        open(victim, "w").write("mine")
        os.symlink(victim, p.path() + ".partial")
        bad(p, p.pull(), "OA_EIO")
        check(open(victim).read() == "mine")


# --- lies ----------------------------------------------------------------------------------------


def test_lies_about_length():
    with Place() as p:
        # Once is forgiven: it may be one machine of many.
        p.hub.plan(FILE, Step(length=10), Step(length=-10), Step(chunked=True, data=DATA + b"x"),
                   Step(chunked=True, data=DATA[:-1]))
        good(p, p.pull())
        os.remove(p.path())
        p.hub.always[FILE] = Step(length=100)
        bad(p, p.pull("tries=2"), "OA_EFORMAT", "offers 300100 bytes, want 300000")
        p.hub.always[FILE] = Step(data=DATA[:-100])
        bad(p, p.pull("tries=2"), "OA_EFORMAT", "offers 299900 bytes, want 300000")
        p.hub.always[FILE] = Step(data=DATA + b"x", chunked=True)
        bad(p, p.pull("tries=2"), "OA_EFORMAT", "more than the 300000 bytes")
        p.hub.always[FILE] = Step(extra=b"more than was said")
        good(p, p.pull())
        os.remove(p.path())
        p.hub.always[FILE] = Step(
            raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n")
        check(p.pull("tries=2")["rc"] in ("OA_EIO", "OA_EFORMAT"))
        p.hub.always[FILE] = Step(raw=b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc")
        check(p.pull("tries=2")["rc"] in ("OA_EIO", "OA_EFORMAT"))
        p.hub.always[FILE] = Step(headers={"Content-Encoding": "gzip"})
        bad(p, p.pull("tries=2"), "OA_EFORMAT", "encoding")


def test_lies_about_ranges():
    with Place() as p:
        p.hub.plan(FILE, Step(cut=1000), Step(wrong_range=True))
        good(p, p.pull())
        check([q.start for q in p.hub.asked(FILE)] == [0, 1000, 0])
        os.remove(p.path())
        # A part that nobody asked for.
        p.hub.always[FILE] = Step(raw=b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n"
                                      b"Content-Range: bytes 0-2/300000\r\n\r\nabc")
        bad(p, p.pull("tries=2"), "OA_EFORMAT", "another part")
        p.hub.always[FILE] = Step(status=416)
        p.hub.plan(FILE, Step(cut=1000))
        check(p.pull("tries=2")["rc"] == "OA_EIO")


def test_content_ranges():
    size = len(DATA)
    with Place() as p:
        for text in ("", "bytes 1000-5/300000", f"bytes 999-{size - 1}/{size}", "bytes */300000",
                     f"bytes 1000-{size - 1}/{size + 1}", f"lines 1000-{size - 1}/{size}", "bytes",
                     "bytes 1000-99999999999999999999/99999999999999999999", "bytes -/", "\x7f"):
            p.hub.plan(FILE, Step(cut=1000), Step(content_range=text))
            good(p, p.pull())
            check([q.start for q in p.hub.asked(FILE)][-3:] == [0, 1000, 0], text)
            os.remove(p.path())
        # The size of the whole may be left open.
        p.hub.plan(FILE, Step(cut=1000), Step(content_range=f"bytes 1000-{size - 1}/*"))
        good(p, p.pull())
        check([q.start for q in p.hub.asked(FILE)][-2:] == [0, 1000])


def test_an_etag_that_lies():
    """The same ETag for other bytes: what is put together is fetched again in one piece."""
    with Place() as p:
        p.hub.plan(FILE, Step(cut=1000, etag='"x"', data=DATA[::-1]), Step(etag='"x"'))
        good(p, p.pull())
        check([q.start for q in p.hub.asked(FILE)] == [0, 1000, 0])
    # Of small files the hub tells the sum that git has of them.
    file = "model.safetensors"
    with Place({file: DATA, "config.json": b"{}"}, small={file}) as p:
        p.hub.plan(file, Step(cut=1000, etag='"x"', data=DATA[::-1]), Step(etag='"x"'),
                   Step(cut=500, etag='"y"'))
        check(p.pull()["rc"] == "OA_OK" and p.read(file) == DATA, "a mixture of two files")
        check([q.start for q in p.hub.asked(file)] == [0, 1000, 0, 500])
        os.remove(p.path(file))
        p.hub.always[file] = Step(data=DATA[::-1])
        r = p.pull()
        check(r["rc"] == "OA_EFORMAT" and "git" in r["error"], r["error"])
        check(not os.path.exists(p.path(file)) and p.left() == [], p.left())


def test_packed_answers():
    with Place() as p:
        p.hub.always[FILE] = Step(data=gzip.compress(DATA), headers={"Content-Encoding": "gzip"})
        bad(p, p.pull("tries=2"), "OA_EFORMAT", "encoding")
        check(all("accept-encoding" not in q.headers for q in p.hub.requests))
        p.hub.always.clear()
        p.hub.api_plan = [Step(data=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})]
        check(p.pull()["rc"] in ("OA_EIO", "OA_EFORMAT"))
        good(p, p.pull())


def test_wrong_bytes():
    with Place() as p:
        p.hub.always[FILE] = Step(data=DATA[::-1])
        bad(p, p.pull(), "OA_EFORMAT", "SHA-256", hashlib.sha256(DATA).hexdigest())
        check(p.left() == [] and len(p.hub.asked(FILE)) == 1, p.left())
        # In two pieces: once more in one, then it is enough.
        p.hub.plan(FILE, Step(data=DATA[::-1], cut=100))
        bad(p, p.pull(), "OA_EFORMAT", "SHA-256")
        check(len(p.hub.asked(FILE)) == 4)
        p.hub.always.clear()
        good(p, p.pull())


def test_no_words_of_http():
    with Place() as p:
        for raw in (b"", b"\0\0\0", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/0.9\r\n\r\n" + DATA, DATA[:1000],
                    b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000 + b"\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\n" + b"X: yyyyyyyyyyyyyyyyyyyyyyy\r\n" * 30_000 + b"\r\n"):
            p.hub.always[FILE] = Step(raw=raw)
            r = p.pull("tries=2", "stall=2000")
            check(r["rc"] in ("OA_EIO", "OA_ELIMIT"), r["rc"], r["error"], raw[:20])
            check(not os.path.exists(p.path()))


# --- silence, errors, redirects ------------------------------------------------------------------


def test_stalls():
    with Place() as p:
        p.hub.plan(FILE, Step(stall=(1000, 20)), Step(stall=(0, 20)))
        began = time.monotonic()
        good(p, p.pull("stall=200"))
        check(time.monotonic() - began < 15, "waited for the server")
        check([q.start for q in p.hub.asked(FILE)] == [0, 1000, 1000])
        os.remove(p.path())
        p.hub.always[FILE] = Step(stall=(0, 5))
        bad(p, p.pull("stall=100", "tries=2"), "OA_EIO", "nothing came for 100 ms", "tried 2 times")
        # Slow is not silent.
        p.hub.always[FILE] = Step(slow=(30000, 0.05))
        good(p, p.pull("stall=200"))


def test_heads_that_do_not_come():
    with Place() as p:
        p.hub.api_plan = [Step(cut_all=0, hold=20), Step(cut_all=20, hold=20)]
        p.hub.plan(FILE, Step(cut_all=0, hold=20), Step(cut_all=60, hold=20))
        began = time.monotonic()
        good(p, p.pull("stall=200"))
        check(time.monotonic() - began < 15, "waited for the server")
        check(len(p.hub.asked(FILE)) == 3 and len(p.hub.requests) == 8, len(p.hub.requests))


def test_nobody_listens():
    with Place() as p:
        r = p.pull("endpoint=http://127.0.0.1:1", "tries=2")
        check(r["rc"] == "OA_EIO" and "127.0.0.1" in r["error"], r["error"])
        r = p.pull("endpoint=http://does-not-exist.invalid", "tries=2")
        check(r["rc"] == "OA_EIO" and "libcurl refuses" not in r["error"], r["error"])


def test_answers_that_pass():
    with Place() as p:
        p.hub.api_plan += [Step(status=503), Step(status=500)]
        p.hub.plan(FILE, *(Step(status=s) for s in (500, 502, 503, 504, 408)),
                   Step(status=429, headers={"Retry-After": "1"}))
        began = time.monotonic()
        good(p, p.pull())
        check(time.monotonic() - began >= 1, "Retry-After was not kept")
        check(len(p.hub.asked(FILE)) == 7)
        os.remove(p.path())
        p.hub.always[FILE] = Step(status=429)
        bad(p, p.pull("tries=3"), "OA_ELIMIT", "too many requests", "HF_TOKEN")
        p.hub.always[FILE] = Step(status=500)
        bad(p, p.pull("tries=3"), "OA_EIO", "500", "tried 3 times")


def test_answers_that_do_not_pass():
    gated = {"X-Error-Code": "GatedRepo"}
    with Place() as p:
        for step, code, *words in (
                (Step(status=401, headers=gated), "OA_EACCES", "gated", "HF_TOKEN", "owner/name"),
                (Step(status=403, headers=gated), "OA_EACCES", "gated", p.hub.url),
                (Step(status=401), "OA_EACCES", "private", "HF_TOKEN"),
                (Step(status=403, headers={"X-Error-Message": "no \x1b[2J way"}), "OA_EACCES",
                 "no access"),
                (Step(status=404), "OA_ENOTFOUND", "owner/name"),
                (Step(status=404, headers={"X-Error-Code": "RepoNotFound"}), "OA_ENOTFOUND"),
                (Step(status=400), "OA_EIO", "400")):
            p.hub.api_plan.append(step)
            r = p.pull()
            bad(p, r, code, *words)
            check("\x1b" not in r["error"])
        r = p.pull(name="no/body")
        check(r["rc"] == "OA_ENOTFOUND" and "no/body" in r["error"], r["error"])
        p.hub.api_plan.append(Step(status=401))
        r = p.pull(env={"HF_TOKEN": "hf_wrong"})
        check(r["rc"] == "OA_EACCES" and "refuses the token" in r["error"], r["error"])
        p.hub.plan(FILE, Step(status=403, headers=gated))
        bad(p, p.pull(), "OA_EACCES", "gated")
        p.hub.plan(FILE, Step(status=404))
        bad(p, p.pull(), "OA_ENOTFOUND", "404")


def test_redirects():
    with Place() as p, Hub() as other:
        other.repo("c/dn", {"bytes": DATA})
        there = other.url.replace("127.0.0.1", "localhost") + "/c/dn/resolve/x/bytes"
        p.hub.plan(FILE, Step(redirect=there), Step(redirect=there))
        other.plan("bytes", Step(cut=1000))
        good(p, p.pull(env={"HF_TOKEN": "hf_secret"}))
        # Ranges go along, the token does not; within the host it does.
        check([q.start for q in other.asked("bytes")] == [0, 1000])
        check(not [q for q in other.requests if "authorization" in q.headers], "the token leaked")
        check(all(q.headers["authorization"] == "Bearer hf_secret" for q in p.hub.requests))
        os.remove(p.path())
        p.hub.always["step2"] = Step()
        p.hub.repos["models/owner/name"]["files"]["step2"] = DATA
        p.hub.plan(FILE, Step(redirect="/owner/name/resolve/x/step2"))
        good(p, p.pull(env={"HF_TOKEN": "hf_secret"}))
        check("authorization" in p.hub.asked("step2")[0].headers)
        # Back from the other host it is the first one again.
        os.remove(p.path())
        other.always["bytes"] = Step(redirect=p.hub.url + "/owner/name/resolve/x/step2")
        p.hub.plan(FILE, Step(redirect=there))
        good(p, p.pull())


def test_redirects_that_are_refused():
    with Place() as p:
        secret = os.path.join(p.home, "secret")
        open(secret, "w").write("x" * 300_000)
        for to in ("file://" + secret, "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "javascript:x",
                   "http://user:pass@127.0.0.1/x", "", "http://", "dict://127.0.0.1:1/"):
            p.hub.always[FILE] = Step(redirect=to)
            r = p.pull("tries=1")
            check(r["rc"] in ("OA_EFORMAT", "OA_EIO"), to, r["rc"], r["error"])
            check(not os.path.exists(p.path()), to)
        p.hub.always[FILE] = Step(redirect="/loop/1")
        bad(p, p.pull("tries=1"), "OA_EIO", "more than 10 redirects")


# --- the token -----------------------------------------------------------------------------------


def test_where_the_token_comes_from():
    with Place() as p:
        def sent(*args, **env):
            p.pull(*args, env=env)
            return p.hub.requests[-1].headers.get("authorization", "")

        check(sent() == "")
        os.makedirs(os.path.join(p.home, ".cache", "huggingface"))
        open(os.path.join(p.home, ".cache", "huggingface", "token"), "w").write("hf_home\n")
        check(sent() == "Bearer hf_home")
        hf = os.path.join(p.home, "hf")
        os.makedirs(hf)
        open(os.path.join(hf, "token"), "w").write(" hf_x \n"[1:])
        check(sent(HF_HOME=hf) == "Bearer hf_x")
        check(sent(HF_HOME=hf, HF_TOKEN="hf_env") == "Bearer hf_env")
        check(sent("token=hf_arg", HF_TOKEN="hf_env") == "Bearer hf_arg")
        check(sent("token=", HF_TOKEN="hf_env") == "")
        r = p.pull(env={"HF_TOKEN": "a\r\nX-Evil: 1"})
        check(r["rc"] == "OA_EINVAL", r)
        check(not [q for q in p.hub.requests if "x-evil" in q.headers])


# --- what the hub lists --------------------------------------------------------------------------


def test_evil_names():
    evil = ["../../../evil", "/etc/evil", "a/../../evil", "..", "a//evil", "./evil", "evil\n",
            "a\\evil", ".pull.json", ".hidden/evil", "x.gguf.partial", "evil\x1b[2J", "C:evil",
            "a/" * 300 + "evil", "e" * 300, "", "x.gguf.partial.json"]
    with Place() as p:
        repo = p.hub.repos["models/owner/name"]
        repo["extra"] = [{"type": "file", "path": n, "size": 4, "oid": "0" * 40} for n in evil]
        good(p, p.pull())
        for n in evil:
            r = p.pull(name="owner/name:" + n)
            check(r["rc"] in ("OA_ENOTFOUND", "OA_EINVAL"), repr(n), r)
        found = [n for _, _, names in os.walk(p.home) for n in names if "evil" in n]
        check(found == [], found)
        check(sorted(os.listdir(p.home)) == ["data"], os.listdir(p.home))
        check(sorted(os.listdir(os.path.dirname(p.path()))) == [".pull.json", "README.md", FILE])
        # A folder that is a file, and the other way round.
        repo["extra"] = [{"type": "file", "path": FILE + "/x.gguf", "size": 1, "oid": "0" * 40}]
        r = p.pull(name=f"owner/name:{FILE}/x.gguf")
        check(r["rc"] in ("OA_EIO", "OA_ENOTFOUND"), r)


def test_bad_lists():
    with Place() as p:
        for data in (b"", b"[", b"{}", b"null", b'"x"', b"[" * 100_000, b'[{"type": "file"}]',
                     b'[{"type":"file","path":"a.gguf"}]', b"\xff\xfe",
                     b'[{"type":"file","path":"a.gguf","size":-1}]',
                     b'[{"type":"file","path":"a\\u0000b.gguf","size":1}]',
                     b'[{"type":"file","path":"a.gguf","size":99999999999999999999}]',
                     b"[" + b"1," * 9_000_000 + b"1]"):
            p.hub.api_plan += [Step(data=b"{}"), Step(data=data)]
            r = p.pull()
            check(r["rc"] in ("OA_EFORMAT", "OA_ELIMIT", "OA_EUNSUPPORTED"), data[:30], r["rc"],
                  r["error"])
            check(not os.path.exists(p.path()))
        for data in (b"", b"[]", b"3", b'{"sha": {}}x', b"{" * 100_000, b"x" * 9_000_000):
            p.hub.api_plan += [Step(data=data)]
            r = p.pull()
            check(r["rc"] in ("OA_EFORMAT", "OA_ELIMIT"), data[:30], r["rc"], r["error"])
        # A commit that is none is not put into an address.
        p.hub.repos["models/owner/name"]["info"] = {"sha": "../../../x", "cardData": {"license": 3}}
        good(p, p.pull())
        check(all(".." not in q.path for q in p.hub.requests))
        # Pages without end, and pages elsewhere.
        p.hub.api_plan += [Step(data=b"{}"), Step(data=b"[]", headers={
            "Link": '<http://evil.invalid/api>; rel="next"'})]
        r = p.pull(env={"HF_TOKEN": "hf_secret"})
        check(r["rc"] == "OA_EFORMAT" and "another host" in r["error"], r["error"])
        again = f'<{p.hub.url}/api/models/owner/name/tree/x?cursor=0>; rel="next"'
        p.hub.api_plan += [Step(data=b"{}")]
        p.hub.api_plan += [Step(data=b"[]", headers={"Link": again}) for _ in range(300)]
        r = p.pull()
        check(r["rc"] == "OA_ELIMIT" and "pages" in r["error"], r["error"])


def test_a_size_that_no_disk_has():
    with Place() as p:
        p.hub.repos["models/owner/name"]["extra"] = [
            {"type": "file", "path": "huge.Q8_0.gguf", "size": 2**62, "oid": "0" * 40,
             "lfs": {"oid": "0" * 64, "size": 2**62}}]
        r = p.pull(name="owner/name:Q8_0")
        check(r["rc"] == "OA_EIO" and "the disk has room for" in r["error"], r["error"])
        check(not p.hub.asked("huge.Q8_0.gguf") and p.left() == [], p.left())


def test_a_full_disk():
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    with Place() as p:
        bad(p, p.pull(preexec_fn=limit), "OA_EIO", "cannot write", ".partial")
        check(os.path.getsize(p.path() + ".partial") == 100_000)
        good(p, p.pull())
        check(p.hub.asked(FILE)[-1].start == 100_000)


def test_a_folder_that_can_not_be_written():
    with Place() as p:
        os.makedirs(os.path.dirname(p.models))
        open(p.models, "w").close()
        check(p.pull()["rc"] in ("OA_EIO", "OA_ENOTFOUND"))


# --- several at once -----------------------------------------------------------------------------


def wait_for(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, "not in time:", what)
        time.sleep(0.01)


def test_two_processes():
    """One fetches, the other waits for it, and both have it in the end."""
    with Place() as p:
        gate = threading.Event()
        p.hub.plan(FILE, Step(gate=gate))
        first = p.start()
        wait_for(lambda: p.hub.asked(FILE), "the first process")
        second = p.start()
        wait_for(lambda: len(p.hub.requests) >= 5, "the second process")
        time.sleep(0.2)
        check(second.poll() is None and len(p.hub.asked(FILE)) == 1, "the second did not wait")
        gate.set()
        for r in [json.loads(process.communicate(timeout=30)[0]) for process in (first, second)]:
            good(p, r)
        check(len(p.hub.asked(FILE)) == 1, "fetched twice")


def test_the_first_of_two_dies():
    with Place() as p:
        gate = threading.Event()
        p.hub.plan(FILE, Step(gate=gate))
        first = p.start()
        wait_for(lambda: os.path.exists(p.path() + ".partial") and
                 os.path.getsize(p.path() + ".partial") == 150_000, "half of the file")
        second = p.start()
        wait_for(lambda: len(p.hub.requests) >= 5, "the second process")
        first.kill()
        first.communicate()
        good(p, json.loads(second.communicate(timeout=30)[0]))
        gate.set()
        check([q.start for q in p.hub.asked(FILE)] == [0, 150_000])


def test_many_processes():
    files = {f"m.Q{n}_0.gguf": DATA[:50_000 + n] for n in (2, 3, 4, 5)}
    with Place(files) as p:
        running = [p.start(name=f"owner/name:Q{n}_0") for n in (2, 3, 4, 5) for _ in range(3)]
        for process in running:
            r = json.loads(process.communicate(timeout=60)[0])
            check(r["rc"] == "OA_OK", r["error"])
        for name, data in files.items():
            check(p.read(name) == data, name)
            check(len(p.hub.asked(name)) == 1, name, "was fetched more than once")
        record = p.record()
        check(sorted(record["models"]) == sorted(files) and
              set(record["files"]) == set(files) | {"README.md"}, record)
        check(p.left() == [], p.left())


# --- catalogue -----------------------------------------------------------------------------------


def test_the_users_catalogue():
    with Place() as p:
        config = os.path.join(p.home, ".config", "openassistant")
        os.makedirs(config)

        def catalogue(text):
            with open(os.path.join(config, "catalogue.json"), "w") as f:
                f.write(text if isinstance(text, str) else json.dumps(text))

        check(p.pull(name="mine")["rc"] == "OA_ENOTFOUND")
        entry = {"get": "owner/name:Q4_K_M", "sha256": hashlib.sha256(DATA).hexdigest()}
        catalogue({"models": {"mine": entry, "smollm2": {"get": "owner/name"}}})
        good(p, p.pull(name="mine"))
        good(p, p.pull(name="smollm2"))  # the user's wins
        os.remove(p.path())
        catalogue({"models": {"mine": {**entry, "sha256": "0" * 64}}})
        bad(p, p.pull(name="mine"), "OA_EFORMAT", "catalogue")
        for text in ("", "[", '{"models": {"x": 1}}', '{"models": {"x": {"get": "../x"}}}',
                     '{"models": {"x": {"get": "a/b", "sha256": "xyz"}}}'):
            catalogue(text)
            r = p.pull(name="mine")
            check(r["rc"] == "OA_EFORMAT" and "catalogue.json" in r["error"], text, r["error"])
        catalogue({"other": 1})
        check(p.pull(name="mine")["rc"] == "OA_ENOTFOUND")


if __name__ == "__main__":
    main(sys.modules[__name__])
