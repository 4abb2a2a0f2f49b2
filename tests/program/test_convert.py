# SPDX-License-Identifier: Apache-2.0
"""convert, quantize and perplexity, from end to end."""
import os
import resource
import signal
import subprocess
import sys
import time

from harness import (EXE, Home, check, check_error, main, need_default, need_tiny, run,
                     wait_until_caught)


def listing(home):
    return sorted(os.listdir(home.path))


def test_quantize_writes_a_model_that_runs():
    tiny = need_tiny()
    with Home() as home:
        wide, out = os.path.join(home.path, "wide.gguf"), os.path.join(home.path, "out.gguf")
        r = run("convert", tiny, wide, "--type", "F16", home=home)
        check(r.code == 0 and r.err == "" and r.out.count("\n") == 1, r.err, r.out)
        r = run("quantize", wide, out, "q4_k_m", home=home)
        check(r.code == 0 and "of weights (were" in r.out, r.err, r.out)
        info = run("info", "--json", out, home=home).json()
        check(info["type"] == "Q4_K", info)
        check(run("run", "-m", out, "--raw", "-n", "4", "Hello", home=home).code == 0)
        check(listing(home) == ["out.gguf", "wide.gguf"], listing(home))


def test_pack_and_back():
    tiny = need_tiny()
    with Home() as home:
        plain, packed = os.path.join(home.path, "plain.gguf"), os.path.join(home.path, "p.gguf")
        back = os.path.join(home.path, "back.gguf")
        check(run("convert", tiny, plain, home=home).code == 0)
        r = run("pack", plain, packed, "--json", home=home)
        check(r.code == 0 and r.err == "" and r.json()["n_converted"] == 0, r.err, r.out)
        info = run("info", "--json", packed, home=home).json()
        check("packed" in info["types"], info["types"])
        for verb in (["run", "--raw", "-n", "6", "--temperature", "0", "Hello"],
                     ["tokenize", "a b"],
                     ["run", "--raw", "-n", "6", "--seed", "1", "--no-mmap", "Hello"]):
            a, b = (run(verb[0], "-m", m, *verb[1:], home=home) for m in (plain, packed))
            check(a.code == b.code == 0 and a.out == b.out, a.err, b.err)
        check(run("convert", packed, back, home=home).code == 0)
        check(open(back, "rb").read() == open(plain, "rb").read(), "files differ")
        check_error(run("pack", tiny, home=home), 2)
        check_error(run("pack", tiny, packed, "--type", "Q9", home=home), 2)
        check_error(run("pack", packed, packed, home=home), 1)
        os.truncate(packed, os.path.getsize(packed) // 2)
        check_error(run("run", "-m", packed, "Hello", home=home), 1)


def test_quantize_json_and_remarks():
    tiny = need_tiny()
    with Home() as home:
        out = os.path.join(home.path, "out.gguf")
        r = run("quantize", tiny, out, "Q8_0", "--json", "-t", "2", home=home)
        check(r.code == 0 and r.err == "" and r.out.count("\n") == 1, r.err)
        o = r.json()
        check(o["output"] == out and o["type"] == "Q8_0" and o["n_fallback"] == 0, o)
        check(o["n_requantised"] > 0 and len(o["remarks"]) == 1, o)
        check("quantised already" in o["remarks"][0], o)
        plain = run("quantize", tiny, out, "Q8_0", home=home)
        check("quantised already" in plain.err and plain.code == 0, plain.err)
        quiet = run("quantize", tiny, out, "Q8_0", "-q", home=home)
        check(quiet.err == "" and quiet.code == 0, quiet.err)
        verbose = run("quantize", tiny, out, "Q8_0", "-v", home=home)
        check(verbose.err.count("tensor ") >= o["n_tensors"], verbose.err)


def test_same_bytes_on_any_threads_and_tier():
    tiny = need_tiny()
    with Home() as home:
        files = []
        for i, (args, env) in enumerate([(["-t", "1"], {}), (["-t", "3"], {"OA_CPU": "c"}),
                                         (["--no-mmap"], {})]):
            path = os.path.join(home.path, f"{i}.gguf")
            check(run("quantize", tiny, path, "Q3_K_M", *args, home=home, env=env).code == 0)
            files.append(open(path, "rb").read())
        check(files[0] == files[1] == files[2], "files differ")


def test_wrong_command_lines():
    tiny = need_tiny()
    with Home() as home:
        out = os.path.join(home.path, "out.gguf")
        for args in (["quantize"], ["quantize", tiny], ["quantize", tiny, out],
                     ["quantize", tiny, out, "Q4"], ["quantize", tiny, out, ""],
                     ["quantize", tiny, out, "Q4_0", "more"], ["convert", tiny],
                     ["convert", tiny, out, "--type", "Q9"], ["convert", tiny, out, "--pure"],
                     ["convert", tiny, out, "--type"], ["quantize", "--type", "Q4_0", tiny, out]):
            check_error(run(*args, home=home), 2)
        check(listing(home) == [], listing(home))


def test_failures_leave_nothing():
    tiny = need_tiny()
    with Home() as home:
        copy = home.file("in.gguf", open(tiny, "rb").read())
        cut = home.file("cut.gguf", open(tiny, "rb").read()[:300000])
        os.symlink(copy, os.path.join(home.path, "link.gguf"))
        before = listing(home)
        for args in ([copy, copy], [copy, os.path.join(home.path, "link.gguf")],
                     [copy, os.path.join(home.path, "no/such")], [copy, home.path],
                     [copy, "/dev/full"], [copy, "/proc/out.gguf"],
                     [cut, os.path.join(home.path, "out")],
                     [os.path.join(home.path, "none.gguf"), os.path.join(home.path, "out")],
                     ["no-such-model", os.path.join(home.path, "out")],
                     ["", os.path.join(home.path, "out")]):
            check_error(run("quantize", *args, "Q8_0", home=home), 1)
        check(listing(home) == before, listing(home))
        check(open(copy, "rb").read() == open(tiny, "rb").read(), "the input changed")


def test_full_disk():
    tiny = need_tiny()
    with Home() as home:
        out = home.file("out.gguf", "an older file")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))

        r = subprocess.run([EXE, "quantize", tiny, out, "Q8_0", "-q"], capture_output=True,
                           text=True, env=home.env(), preexec_fn=limit, timeout=60)
        check(r.returncode == 1 and r.stderr.count("\n") == 1, r.returncode, r.stderr)
        check("write" in r.stderr and out in r.stderr, r.stderr)
        check(listing(home) == ["out.gguf"] and open(out).read() == "an older file", listing(home))


def test_interrupt_leaves_nothing():
    model = need_default()
    with Home() as home:
        out = os.path.join(home.path, "out.gguf")
        for sig, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            p = subprocess.Popen([EXE, "quantize", model, out, "Q4_K_M", "-t", "1"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=home.env())
            wait_until_caught(p, sig)
            end = time.monotonic() + 30
            while time.monotonic() < end and p.poll() is None and not listing(home):
                time.sleep(0.01)
            p.send_signal(sig)  # seconds before the end on most machines
            out_text, err = p.communicate(timeout=60)
            check(p.returncode == code, p.returncode, err)
            check(err == b"openassistant: interrupted\n", err)
            check(listing(home) == [] and out_text == b"", listing(home))


def test_perplexity():
    tiny = need_tiny()
    with Home() as home:
        path = home.file("text", "The sky is blue, the grass is green and the night is dark. " * 8)
        base = ["perplexity", "-m", tiny, path, "--ctx", "48"]
        r = run(*base, home=home)
        check(r.code == 0 and r.out.startswith("perplexity ") and r.err == "", r.out, r.err)
        o = run(*base, "--json", home=home).json()
        check(o["n_ctx"] == 48 == o["stride"] and o["n_scored"] == 23 * o["n_windows"], o)
        check(f"perplexity {o['perplexity']:.4f} " in r.out, o, r.out)
        for more in (["--steps"], ["-t", "1"], ["-t", "3", "--cpu", "c"], ["--no-mmap"]):
            again = run(*base, "--json", *more, home=home).json()
            check(again["nll"] == o["nll"] and again["nll_error"] == o["nll_error"], more, again)
        s = run(*base, "--stride", "12", "--json", home=home).json()
        check(s["n_scored"] == s["n_tokens"] - 1 and s["stride"] == 12, s)
        check(run(*base, "--windows", "1", "--json", home=home).json()["n_windows"] == 1)
        with open(path, "rb") as f:
            piped = run("perplexity", "-m", tiny, "-", "--ctx", "48", "--json", stdin=f.read(),
                        home=home).json()
        check(piped["nll"] == o["nll"], piped)


def test_perplexity_errors():
    tiny = need_tiny()
    with Home() as home:
        path, empty = home.file("text", "Some words. " * 40), home.file("empty")
        for args in ([], [path, path], [path, "--ctx", "2"], [path, "--ctx", "9", "--stride", "10"],
                     [path, "--kv", "f8"], [path, "--stride", "-1"], [path, "--windows", "x"]):
            check_error(run("perplexity", "-m", tiny, *args, home=home), 2)
        for args in ([empty], [os.path.join(home.path, "none")], [home.path],
                     [path, "--stride", "2000"]):
            check_error(run("perplexity", "-m", tiny, *args, home=home), 1)
        check_error(run("perplexity", "-m", "no-such-model", path, home=home), 1)


if __name__ == "__main__":
    main(sys.modules[__name__])
