# SPDX-License-Identifier: Apache-2.0
"""The verb embed: vectors of texts from everywhere, scores by heads, and what it refuses."""
import json
import math
import os
import struct
import sys

from harness import Home, check, check_error, main, need_tiny, run

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "util"))
import hf_folder  # noqa: E402

LABELS = ["fine", "rude", "spam \x1b[31m\u00e4"]


def classifier(home, name, labels, **config):
    folder = os.path.join(home.path, name)
    hf_folder.write_folder(folder, labels=labels, **config)
    return folder


def text_of(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def write_head(path, rows, **keys):
    """A reward head, or with head_labels one for each of them; rows of floats."""
    labels = keys.pop("head_labels", None)
    keys = {"general.type": "head", "head.type": "labels" if labels else "reward",
            **{k.replace("_", "."): v for k, v in keys.items()}}
    out = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys) + bool(labels))
    for key, value in keys.items():
        out += text_of(key) + struct.pack("<I", 8) + text_of(value)
    if labels:
        out += text_of("head.labels") + struct.pack("<IIQ", 9, 8, len(labels))
        out += b"".join(map(text_of, labels))
    out += text_of("head.weight") + struct.pack("<IQQIQ", 2, len(rows[0]), len(rows), 0, 0)
    out += bytes(-len(out) % 32)
    out += b"".join(struct.pack(f"<{len(r)}f", *r) for r in rows)
    with open(path, "wb") as f:
        f.write(out + bytes(-len(out) % 32))


def softmax(values):
    parts = [math.exp(v - max(values)) for v in values]
    return [p / sum(parts) for p in parts]


def test_embed():
    tiny = need_tiny()
    with Home() as home:
        texts = ["The sky is blue.", "a b"]
        base = ["embed", "-m", tiny]
        o = run(*base, *texts, "--json", home=home).json()
        vectors = [e["embedding"] for e in o["embeddings"]]
        check(o["normalized"] and len(vectors) == 2 and vectors[0] != vectors[1], o)
        for v in vectors:
            check(len(v) == o["d_model"] and abs(sum(x * x for x in v) - 1) < 1e-5, v)
        lines = run(*base, *texts, home=home).out.splitlines()
        check([[float(x) for x in line.split()] for line in lines] == vectors, lines)
        path = home.file("lines", "".join(json.dumps(t) + "\n" for t in texts))
        for more in ([], ["-t", "1"], ["-t", "3", "--cpu", "c"]):
            r = run(*base, "--jsonl", "-f", path, *more, home=home)
            check([json.loads(line) for line in r.out.splitlines()] == vectors, more, r.out)
        one = run(*base, stdin=texts[0].encode(), home=home).out
        check([float(x) for x in one.split()] == vectors[0], one)
        for more in (["--pooling", "last"], ["--pooling", "cls"], ["--no-normalize"]):
            r = run(*base, *texts, *more, home=home)
            check(r.code == 0 and r.err == "" and r.out.splitlines() != lines, more, r.out)


def test_embed_errors():
    tiny = need_tiny()
    with Home() as home:
        bad, empty = home.file("bad", '"fine"\n{}\n'), home.file("empty")
        for args in (["--pooling", "best", "x"], ["--jsonl", "x"], ["--jsonl", "--json"],
                     ["-f", bad, "x"], ["--kv", "f8", "x"]):
            check_error(run("embed", "-m", tiny, *args, home=home), 2)
        for args in (["-f", os.path.join(home.path, "none")], ["-f", home.path],
                     ["--ctx", "2", "many words are more than two tokens"]):
            check_error(run("embed", "-m", tiny, *args, home=home), 1)
        r = run("embed", "-m", tiny, "--jsonl", "-f", bad, home=home)
        check(r.code == 1 and "line 2" in r.err and r.out.count("\n") == 1, r.err)
        check(run("embed", "-m", tiny, "--jsonl", "-f", empty, home=home).out == "")
        check_error(run("embed", "-m", "no-such-model", "x", home=home), 1)


def scores_of(home, *args, **more):
    r = run("embed", *args, "--json", home=home, **more)
    check(r.code == 0 and r.err == "", r.err)
    o = r.json()
    return o, [{s["label"]: s["score"] for s in t["scores"]} for t in o["texts"]]


def test_classify():
    with Home() as home:
        folder = classifier(home, "labels", LABELS)
        base = ["-m", folder, "--classify", "Hello there", "ab"]
        o, got = scores_of(home, *base)
        check(o["function"] == "softmax" and o["model"] == folder, o)
        check([t["n_tokens"] for t in o["texts"]] == [11, 1], o)
        for t in o["texts"]:
            values = [s["score"] for s in t["scores"]]
            check(values == sorted(values, reverse=True) and abs(sum(values) - 1) < 1e-6, values)
        check(all(sorted(g) == sorted(LABELS) for g in got) and got[0] != got[1], got)
        o, raw = scores_of(home, *base, "--function", "none")
        check(o["function"] == "none")
        for g, x in zip(got, raw):
            for label, p in zip(LABELS, softmax([x[k] for k in LABELS])):
                check(abs(g[label] - p) < 1e-6, g, x)
        o, each = scores_of(home, *base, "--function", "sigmoid")
        for g, x in zip(each, raw):
            check(all(abs(g[k] - 1 / (1 + math.exp(-x[k]))) < 1e-6 for k in LABELS), g, x)
        # A line each, the largest first; labels are no commands to a terminal.
        r = run("embed", *base, home=home)
        check(r.code == 0 and "softmax" in r.err and "\x1b" not in r.out, r.err, r.out)
        for line, t in zip(r.out.splitlines(), o["texts"]):
            pairs = [p.split(" ", 1) for p in line.split("\t")]
            check(len(pairs) == 3 and float(pairs[0][0]) >= float(pairs[1][0]), line)
            check(pairs[0][1] == t["scores"][0]["label"].replace("\x1b", " "), line, t)
        check(run("embed", *base, "-q", home=home).err == "")
        path = home.file("lines", '"Hello there"\n"ab"\n')
        r = run("embed", "-m", folder, "--classify", "--jsonl", "-f", path, home=home)
        check(r.code == 0 and r.err == "", r.err)
        check([{s["label"]: s["score"] for s in json.loads(line)} for line in r.out.splitlines()]
              == got, r.out)
        # The head stays as it is when the other matrices are quantised.
        small = os.path.join(home.path, "small.gguf")
        check(run("quantize", folder, small, "Q8_0", "-q", home=home).code == 0)
        _, near = scores_of(home, *["-m", small, *base[2:]])
        check(near != got and all(abs(near[0][k] - got[0][k]) < 0.05 for k in LABELS), near, got)


def test_classifiers_have_no_next_token():
    with Home() as home:
        folder = classifier(home, "reward", ["LABEL_0"])
        o, got = scores_of(home, "-m", folder, "--classify", "Hello")
        check(o["function"] == "none" and list(got[0]) == ["reward"], o)
        for verb in (["run", "--raw", "Hello"], ["bench", "--prompt", "4", "--tokens", "2"]):
            r = run(verb[0], "-m", folder, *verb[1:], home=home)
            check_error(r, 1)
            check("classifier" in r.err and "no next token" in r.err, r.err)
        check(run("embed", "-m", folder, "Hello", home=home).code == 0)
        r = run("info", "--json", folder, home=home)
        check(r.code == 0, r.err)


def test_problem_types():
    with Home() as home:
        for problem, function in (("regression", "none"), ("multi_label_classification", "sigmoid"),
                                  ("single_label_classification", "softmax")):
            folder = classifier(home, problem, LABELS, problem_type=problem)
            check(scores_of(home, "-m", folder, "--classify", "x")[0]["function"] == function)


def test_head_files():
    tiny = need_tiny()
    with Home() as home:
        plain = run("embed", "-m", tiny, "--json", "--pooling", "last", "--no-normalize", "Hello",
                    home=home).json()["embeddings"][0]["embedding"]
        n = len(plain)
        rows = [[(i * k % 7 - 3) / 8 for i in range(n)] for k in (1, 2)]
        path = os.path.join(home.path, "head.gguf")
        want = [sum(a * b for a, b in zip(row, plain)) for row in rows]
        write_head(path, rows[:1])
        o, got = scores_of(home, "-m", tiny, "--head", path, "Hello")
        check(abs(got[0]["reward"] - want[0]) < 1e-4 and o["function"] == "none", o, want)
        write_head(path, rows, head_labels=["a", "b"], head_function="softmax")
        o, got = scores_of(home, "-m", tiny, "--head", path, "Hello", "Hello")
        check(o["function"] == "softmax" and got[0] == got[1], o)
        check(all(abs(got[0][k] - p) < 1e-5 for k, p in zip("ab", softmax(want))), got, want)
        o, _ = scores_of(home, "-m", tiny, "--head", path, stdin="Hello")
        check(len(o["texts"]) == 1)


def test_pairs():
    with Home() as home:
        folder = classifier(home, "labels", LABELS)
        base = ["-m", folder, "--classify", "--pair"]
        texts = ["Which?", "This one.", "Which?", "ab"]
        o, got = scores_of(home, *base, *texts)
        check([t["n_tokens"] for t in o["texts"]] == [15, 7] and got[0] != got[1], o)
        lines = "".join(json.dumps(texts[i:i + 2]) + "\n" for i in (0, 2))
        r = run("embed", *base, "--jsonl", stdin=lines, home=home)
        check(r.code == 0 and r.err == "", r.err)
        check([{s["label"]: s["score"] for s in json.loads(line)} for line in r.out.splitlines()]
              == got, r.out)
        # Such a tokenizer puts nothing between the two.
        _, joined = scores_of(home, "-m", folder, "--classify", "Which?This one.")
        check(joined[0] == got[0], joined, got)
        r = run("embed", "-m", folder, "--pair", "a", "b", home=home)
        check(r.code == 0 and len(r.out.split()) == hf_folder.WIDTH, r.err)
        for args in (["a"], ["a", "b", "c"], [], ["-"]):
            check_error(run("embed", *base, *args, home=home, stdin="x"), 2)
        for line in ('"a"', '["a"]', '["a", 1]', '["a", "b", "c"]', '{"a": "b"}', '["a", "b"'):
            r = run("embed", *base, "--jsonl", stdin=line + "\n", home=home)
            check_error(r, 1)
            check("line 1: want a list of two JSON strings" in r.err, r.err)


def test_head_errors():
    tiny = need_tiny()
    with Home() as home:
        path, none = os.path.join(home.path, "head.gguf"), os.path.join(home.path, "none")
        write_head(path, [[1.0] * 8])
        folder = classifier(home, "labels", LABELS)
        for args in (["--head", path, "--classify"], ["--function", "softmax"],
                     ["--classify", "--function", "tanh"], ["--classify", "--pooling", "mean"],
                     ["--classify", "--no-normalize"], ["--head", path, "--pooling", "cls"]):
            check_error(run("embed", "-m", folder, *args, "x", home=home), 2)
        r = run("embed", "-m", tiny, "--classify", "x", home=home)
        check_error(r, 1)
        check("no head" in r.err, r.err)
        for args, word in (([path], "8 x 1, want"), ([none], "none"), ([tiny], "general.type"),
                           ([home.path], "head")):
            r = run("embed", "-m", tiny, "--head", *args, "x", home=home)
            check_error(r, 1)
            check(word in r.err or args == [home.path], args, r.err)
        folder = classifier(home, "odd", LABELS, problem_type="ranking")
        r = run("embed", "-m", folder, "--classify", "x", home=home)
        check_error(r, 1)
        check("problem_type" in r.err, r.err)


def test_any_bytes():
    tiny = need_tiny()
    with Home() as home:
        for data in (b"a\0b", b"\xff\xfe\x80", b"\xf0\x9f\x98", "\u6f22\U0001f600".encode()):
            r = run("embed", "-m", tiny, "-", stdin=data, home=home)
            check(r.code == 0 and r.err == "" and r.out.count("\n") == 1, data, r.err)
        # A text of no bytes has no vector; nothing is printed for it.
        r = run("embed", "-m", tiny, "--jsonl", stdin=b'"x"\n"a\\u0000b"\n', home=home)
        check(r.code == 0 and r.out.count("\n") == 2, r.err)
        for data in (b"[1]\n", b'"x"\nnull\n', b'{"a":\n', b'"\xff"\n'):
            r = run("embed", "-m", tiny, "--jsonl", stdin=data, home=home)
            check(r.code == 1 and "line " in r.err and r.err.count("\n") == 1, data, r.err)


if __name__ == "__main__":
    main(sys.modules[__name__])
