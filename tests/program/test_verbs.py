# SPDX-License-Identifier: Apache-2.0
"""run, info and tokenize, from end to end, on the tiny model and the default one."""
import json
import os
import signal
import subprocess
import sys
import time

from harness import (EXE, Home, check, check_error, main, need_default, need_shared, need_tiny,
                     run, wait_until_caught)

# The tiny model may carry no chat template; --raw and a named one always do.
GREEDY = ["--temperature", "0", "-n", "8"]


def test_run_raw_streams_text():
    tiny = need_tiny()
    with Home() as home:
        r = run("run", "-m", tiny, "--raw", *GREEDY, "Hello", home=home)
        check(r.code == 0 and r.err == "", r.err)
        check(r.out.endswith("\n"), repr(r.out))


def test_run_json_is_one_object():
    tiny = need_tiny()
    with Home() as home:
        r = run("run", "-m", tiny, "--raw", "--json", *GREEDY, "--ignore-end", "Hello", home=home)
        check(r.code == 0 and r.err == "" and r.out.count("\n") == 1, r.err)
        o = r.json()
        check(isinstance(o["text"], str) and o["finish_reason"] == "length", o)
        check(len(o["tokens"]) == 8 == o["n_tokens"], o)
        check(all(isinstance(t, int) and t >= 0 for t in o["tokens"]), o)
        check(o["n_prompt"] >= 1 and o["model"] == tiny, o)
        t = o["timings"]
        for key in ("load_ms", "prompt_ms", "generate_ms", "prompt_tps", "token_tps"):
            check(t[key] >= 0, key)
        # The first token costs no step of its own.
        check(abs(t["token_tps"] * t["generate_ms"] / 1e3 / 7 - 1) < 0.01, t)
        one = run("run", "-m", tiny, "--raw", "--json", "-n", "1", "Hello", home=home).json()
        check(one["timings"]["token_tps"] == 0, one)
        again = run("run", "-m", tiny, "--raw", "--json", *GREEDY, "--ignore-end", "Hello",
                    home=home).json()
        check(again["tokens"] == o["tokens"])
        plain = run("run", "-m", tiny, "--raw", *GREEDY, "--ignore-end", "Hello", home=home)
        check(plain.out.rstrip("\n") == o["text"].rstrip("\n"), plain.out, o["text"])


def test_run_gives_one_answer_on_any_threads_tier_and_cache():
    tiny = need_tiny()
    with Home() as home:
        base = ["run", "-m", tiny, "--raw", "--json", "--seed", "7", "-n", "12", "--ignore-end",
                "--temperature", "1.5", "Once upon a time"]
        want = run(*base, home=home).json()["tokens"]
        for more in (["-t", "1"], ["-t", "3"], ["--cpu", "c"], ["--no-mmap"], ["--ctx", "200"]):
            r = run(*base, *more, home=home)
            check(r.code == 0, more, r.err)
            check(r.json()["tokens"] == want, more)
        other = run(*(w if w != "7" else "8" for w in base), home=home).json()["tokens"]
        check(other != want, "another seed gave the same answer")


def test_run_reads_prompts_from_everywhere():
    tiny = need_tiny()
    with Home() as home:
        base = ["run", "-m", tiny, "--raw", "--json", *GREEDY]
        want = run(*base, "Hello there", home=home).json()
        path = home.file("prompt.txt", "Hello there\n")
        for args, stdin in ((["Hello", "there"], ""), (["-"], "Hello there\n"), ([], "Hello there"),
                            (["-f", path], ""), (["-f", "-"], "Hello there\n"),
                            (["--", "Hello there"], "")):
            o = run(*base, *args, stdin=stdin, home=home).json()
            check((o["tokens"], o["n_prompt"]) == (want["tokens"], want["n_prompt"]), args)
        both = run(*base, "-f", path, "Say it:", home=home).json()
        whole = run(*base, "Say it:\n\nHello there", home=home).json()
        check(both["tokens"] == whole["tokens"] and both["n_prompt"] == whole["n_prompt"])


def test_run_takes_any_bytes():
    tiny = need_tiny()
    with Home() as home:
        for data in (b"a\0b", b"\xff\xfe\x80", b"\xf0\x9f\x98", "smörgås 漢字 😀".encode(),
                     b"\x1b[31m", b" " * 300):
            r = run("run", "-m", tiny, "--raw", "--json", *GREEDY, "-", stdin=data, home=home)
            check(r.code == 0, data, r.err)
            r.json()


def test_run_with_named_templates():
    tiny = need_tiny()
    with Home() as home:
        counts = {}
        for name in ("oasst-text", "chatml", "llama-2", "zephyr", "plain"):
            r = run("run", "-m", tiny, "--template", name, "--system", "Be brief.", "--json",
                    *GREEDY, "Hello", home=home)
            check(r.code == 0, name, r.err)
            counts[name] = r.json()["n_prompt"]
        check(len(set(counts.values())) > 1, counts)
        check_error(run("run", "-m", tiny, "--template", "sonnet", "Hello", home=home), 1)
        r = run("run", "-m", tiny, "--template", "oasst", "Hello", home=home)
        check_error(r, 1)
        check("needs the special token <|prompter|>" in r.err, r.err)
        path = home.file("t.jinja", "{% for m in messages %}{{ m.content }}{% endfor %}")
        r = run("run", "-m", tiny, "--template-file", path, "--json", *GREEDY, "Hello", home=home)
        check(r.code == 0, r.err)
        path = home.file("bad.jinja", "{% for %}")
        check_error(run("run", "-m", tiny, "--template-file", path, "Hello", home=home), 1)
        path = home.file("raise.jinja", "{{ raise_exception('no such talk') }}")
        r = run("run", "-m", tiny, "--template-file", path, "Hello", home=home)
        check_error(r, 1)
        check("no such talk" in r.err, r.err)


def test_run_stops_before_a_stop_text():
    tiny = need_tiny()
    with Home() as home:
        base = ["run", "-m", tiny, "--raw", "--json", "--temperature", "0", "-n", "24",
                "--ignore-end", "Hello"]
        whole = run(*base, home=home).json()["text"]
        middle = [c for c in whole[len(whole) // 3:] if c.isprintable() and not c.isspace()]
        if not middle:
            return
        o = run(*base, "--stop", "no such text", "--stop", middle[0], home=home).json()
        check(o["finish_reason"] == "stop", o)
        check(o["text"] == whole[:whole.index(middle[0])], repr(o["text"]), repr(whole))


def test_run_that_outgrows_the_context_says_so():
    tiny = need_tiny()
    with Home() as home:
        r = run("run", "-m", tiny, "--raw", "--ctx", "8", "word " * 50, home=home)
        check_error(r, 1)
        r = run("run", "-m", tiny, "--raw", "--ctx", "16", "--ignore-end", "--json", "a", home=home)
        check(r.code == 1 and r.json()["finish_reason"] == "full", r.out, r.err)
        check(r.err.count("\n") == 1, r.err)


def test_run_over_the_memory_limit():
    tiny = need_tiny()
    with Home() as home:
        r = run("run", "-m", tiny, "--raw", "--memory-limit", "10K", "Hello", home=home)
        check_error(r, 1)
        r = run("run", "-m", tiny, "--raw", "--memory-limit", "1G", "-n", "2", "Hi", home=home)
        check(r.code == 0, r.err)


def test_run_finds_installed_models_by_name():
    with Home(install=True) as home:
        want = run("run", "--raw", "--json", *GREEDY, "Hello", home=home)
        check(want.code == 0, want.err)
        for name in ("SmolLM2-135M-Instruct.Q4_1", "SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2"):
            r = run("run", "-m", name, "--raw", "--json", *GREEDY, "Hello", home=home)
            check(r.code == 0 and r.json()["tokens"] == want.json()["tokens"], name, r.err)


def test_run_ends_cleanly_on_signals():
    tiny = need_tiny()
    with Home() as home:
        for sig, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            # Restarts from a context that is never full are not to be had: a long answer is.
            p = subprocess.Popen([EXE, "run", "-m", tiny, "--raw", "--ignore-end", "--cpu", "c",
                                  "-t", "1", "Hello"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env=home.env())
            wait_until_caught(p, sig)
            p.send_signal(sig)
            out, err = p.communicate(timeout=60)
            # A tiny model may be done, or its context full, before the signal comes.
            check(p.returncode in (code, 0, 1), p.returncode, err)
            check(err.count(b"\n") <= 1, err)


def test_waiting_for_input_ends_on_signals():
    tiny = need_tiny()
    with Home() as home:
        for args in (["run", "-m", tiny, "-"], ["chat", "-m", tiny, "--template", "plain"],
                     ["tokenize", "-m", tiny, "--jsonl"], ["tokenize", "-m", tiny, "-"]):
            for sig, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
                p = subprocess.Popen([EXE, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, env=home.env())
                wait_until_caught(p, sig)
                p.send_signal(sig)
                check(p.wait(timeout=30) == code, args, p.returncode)
                p.communicate()


def test_run_json_tells_that_it_was_cancelled():
    model = need_default()
    with Home() as home:
        p = subprocess.Popen([EXE, "run", "-m", model, "--json", "--ignore-end", "-n", "4000",
                              "Count to a thousand."], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=home.env())
        wait_until_caught(p, signal.SIGINT)
        time.sleep(3)  # into the answer on most machines; what is checked holds before it too
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
        check(p.returncode == 130, p.returncode, err)
        if out:
            check(json.loads(out)["finish_reason"] == "cancelled", out)


def test_run_ends_when_the_reader_goes_away():
    tiny = need_tiny()
    with Home() as home:
        reader, writer = os.pipe()
        os.close(reader)
        r = subprocess.run([EXE, "run", "-m", tiny, "--raw", "--ignore-end", "Hello"],
                           stdout=writer, stderr=subprocess.PIPE, env=home.env(), timeout=60)
        os.close(writer)
        check(r.returncode == 141 and r.stderr == b"", r)


def test_info_tells_everything():
    tiny = need_tiny()
    with Home() as home:
        r = run("info", tiny, home=home)
        check(r.code == 0 and r.err == "", r.err)
        for word in ("architecture", "tokenizer", "chat template", "licence", "memory", "weights",
                     "size", "context"):
            check(word in r.out, word)
        o = run("info", "--json", tiny, home=home).json()
        check(o["architecture"] and o["file_size"] == os.path.getsize(tiny), o)
        check(o["n_params"] > 0 and o["n_layers"] > 0 and o["type"], o)
        check("metadata" not in o)
        sizes = [m["total_size"] for m in o["memory"]]
        check(sizes and sizes == sorted(sizes), sizes)
        for m in o["memory"]:
            check(m["total_size"] >= m["weights_size"] + m["cache_size"] + m["work_size"], m)


def test_info_memory_at_a_context():
    tiny = need_tiny()
    with Home() as home:
        small = run("info", "--json", "--ctx", "32", tiny, home=home).json()["memory"]
        large = run("info", "--json", "--ctx", "64", tiny, home=home).json()["memory"]
        wide = run("info", "--json", "--ctx", "64", "--kv", "f32", tiny, home=home).json()["memory"]
        check(len(small) == len(large) == 1 and small[0]["n_ctx"] == 32, small)
        check(large[0]["cache_size"] == 2 * small[0]["cache_size"], small, large)
        check(wide[0]["cache_size"] == 2 * large[0]["cache_size"], wide, large)


def test_info_metadata():
    tiny = need_tiny()
    with Home() as home:
        o = run("info", "--json", "--metadata", tiny, home=home).json()
        check(o["metadata"]["general.architecture"] == o["architecture"], o["metadata"])
        r = run("info", "--metadata", tiny, home=home)
        check("general.architecture = " + o["architecture"] in r.out, r.out)


def test_info_of_the_default_model():
    model = need_default()
    with Home() as home:
        o = run("info", "--json", model, home=home).json()
        check(o["architecture"] == "llama" and o["n_layers"] == 30 and o["d_model"] == 576, o)
        check(o["n_heads"] == 9 and o["n_heads_kv"] == 3 and o["n_vocab"] == 49152, o)
        check(o["types"].startswith("Q4_1 ") and o["type"] == "Q4_1", o)
        check(130e6 < o["n_params"] < 140e6, o)
        check(o["chat_template"] and "im_start" in o["chat_template"], o)


def test_tokenize_there_and_back():
    tiny = need_tiny()
    with Home() as home:
        for text in ("Hello world", "naïve café 😀", " two  spaces ", "tab\tnew\nline", "x" * 5000):
            r = run("tokenize", "-m", tiny, "-", stdin=text, home=home)
            check(r.code == 0, r.err)
            ids = [int(w) for w in r.out.split()]
            check(ids, text)
            j = run("tokenize", "-m", tiny, "--json", "-", stdin=text, home=home)
            check(j.json() == ids)
            back = run("tokenize", "-m", tiny, "--decode", "--json", "-", stdin=r.out, home=home)
            check(back.code == 0, back.err)
            check(back.json().strip() == text.strip(), repr(back.json()), repr(text))


def test_tokenize_jsonl():
    tiny = need_tiny()
    with Home() as home:
        texts = ["one", "", "two words", "line\nbreak", "quote \" \\", "null \0 byte", "é漢😀"]
        lines = "".join(json.dumps(t) + "\n" for t in texts)
        r = run("tokenize", "-m", tiny, "--jsonl", stdin=lines, home=home)
        check(r.code == 0, r.err)
        rows = [json.loads(line) for line in r.out.splitlines()]
        check(len(rows) == len(texts) and rows[1] == [], rows)
        raw = "".join(json.dumps(t, ensure_ascii=False) + "\n" for t in texts)
        check(run("tokenize", "-m", tiny, "--jsonl", stdin=raw, home=home).out == r.out)
        path = home.file("texts.jsonl", lines.rstrip("\n"))
        check(run("tokenize", "-m", tiny, "--jsonl", "-f", path, home=home).out == r.out)
        one = run("tokenize", "-m", tiny, "--json", "two words", home=home).json()
        check(one == rows[2])
        back = run("tokenize", "-m", tiny, "--jsonl", "--decode", stdin=r.out, home=home)
        check([json.loads(line) for line in back.out.splitlines()][2].strip() == "two words")


def test_tokenize_bad_lines():
    tiny = need_tiny()
    with Home() as home:
        for line in ("", "{", "3", "[1]", '"open', "null", '"a" "b"', '"\xff"'):
            data = b'"fine"\n' + line.encode("latin-1") + b"\n"
            r = run("tokenize", "-m", tiny, "--jsonl", stdin=data, home=home)
            check(r.code == 1 and r.err.count("\n") == 1 and "line 2" in r.err, line, r.err)
            check(r.out.count("\n") == 1, r.out)
        for ids in ("[x]", "1", "[1.5]", "[-1]", "[999999999]", "[99999999999]", '["a"]'):
            r = run("tokenize", "-m", tiny, "--jsonl", "--decode", stdin=f"[1]\n{ids}\n", home=home)
            check(r.code == 1 and r.err.count("\n") == 1 and "line 2: " in r.err, ids, r.err)
            check("?" not in r.err, r.err)
        for ids in ("x", "1 2 three", "-1", "99999999999", "999999999"):
            check_error(run("tokenize", "-m", tiny, "--decode", "--", ids, home=home), 1)


def test_tokenize_equals_the_llama_vocabulary():
    vocab = need_shared("data", "tokenizers", "llama-spm.vocab.gguf")
    texts = open(need_shared("data", "tokenizers", "llama-spm.inp"), newline="",
                 encoding="utf-8").read().split("\n__ggml_vocab_test__\n")
    want = open(need_shared("data", "tokenizers", "llama-spm.out")).read().splitlines()
    with Home() as home:
        lines = "".join(json.dumps(t) + "\n" for t in texts)
        r = run("tokenize", "--tokenizer", vocab, "--jsonl", stdin=lines, home=home)
        check(r.code == 0, r.err)
        rows = [json.loads(line) for line in r.out.splitlines()]
        check(len(rows) >= len(want), len(rows), len(want))
        for text, row, ids in zip(texts, rows, want):
            check(row == [int(w) for w in ids.split()], repr(text), row, ids)


def test_run_answers_with_the_default_model():
    model = need_default()
    with Home() as home:
        r = run("run", "-m", model, "--raw", "--temperature", "0", "-n", "4",
                "The capital of France is", home=home)
        check(r.code == 0 and "Paris" in r.out, r.out, r.err)
        r = run("run", "-m", model, "--temperature", "0", "-n", "24", "--json", "Say hello.",
                home=home)
        check(r.code == 0 and r.json()["n_prompt"] > 30 and r.json()["text"], r.out, r.err)


if __name__ == "__main__":
    main(sys.modules[__name__])
