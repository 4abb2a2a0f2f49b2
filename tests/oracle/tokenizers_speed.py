# SPDX-License-Identifier: Apache-2.0
"""Encoding speed beside Hugging Face tokenizers, in turns, each on one thread.

    tokenizers_speed.py TOKENIZE_JSONL [ROUNDS [NAME...]]

The text is 10 MB of messages under OA_TEST_SHARED, repeated; once as single messages, once in one
call. Vocabularies, each skipped when its file is missing: gpt-neox (tokenizer.json) and llama (SPM)
under OA_TEST_SHARED, smollm2 (OA_TEST_MODEL or the installed model), bert and unigram among
llama.cpp's under OA_TEST_LLAMA_MODELS. Prints TAP; fails where ours is less than 3 times as fast.
The number that counts is the best round of each. Exits 77 when the module or the text is missing.
"""
import json
import os
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers_hf as hf  # noqa: E402: the variable must be set before
import tokenizers_unigram as unigram  # noqa: E402
import tokenizers_wordpiece as wordpiece  # noqa: E402
from gguf import GGUFReader  # noqa: E402
from tokenizers import Regex, Tokenizer, decoders, models  # noqa: E402
from tokenizers import normalizers, pre_tokenizers  # noqa: E402

SIZE = 10_000_000
SHARED = os.path.join(os.environ.get("OA_TEST_SHARED", "../shared"), "data")
LLAMA_MODELS = os.environ.get("OA_TEST_LLAMA_MODELS", "")


def model_path():
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.environ.get("OA_TEST_MODEL") or os.path.join(
        data, "openassistant", "models", "SmolLM2-135M-Instruct.Q4_1.gguf")


def smollm(path):
    fields = GGUFReader(path).fields
    get = [fields["tokenizer.ggml." + k].contents() for k in ("tokens", "token_type", "merges")]
    return hf.build(*get, "smollm", False)


def llama(path):
    """As transformers converts LLaMA's vocabulary: all pairs of tokens that make a token."""
    fields = GGUFReader(path).fields
    tokens, scores, types = [fields["tokenizer.ggml." + k].contents()
                             for k in ("tokens", "scores", "token_type")]
    vocab = {t: i for i, t in enumerate(tokens)}
    merges = []
    for text, score, kind in zip(tokens, scores, types):
        local = [(text[:i], text[i:]) for i in range(1, len(text))
                 if kind == 1 and text[:i] in vocab and text[i:] in vocab]
        merges += [(-score, vocab[a], vocab[b], (a, b)) for a, b in local]
    merges.sort()
    tok = Tokenizer(models.BPE(vocab, [m[3] for m in merges], unk_token="<unk>", fuse_unk=True,
                               byte_fallback=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"),
                                           normalizers.Replace(" ", "\u2581")])
    tok.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(),
                                     decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tok


def unigram_model(path):
    get = unigram.read(path)
    tok = unigram.same_model(get)
    tok.normalizer = normalizers.Sequence([
        normalizers.Precompiled(get["precompiled_charsmap"]), normalizers.Strip(),
        normalizers.Replace(Regex(" {2,}"), " ")])
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    return tok


def vocabularies():
    return [("gpt-neox", os.path.join(SHARED, "tokenizers", "gpt-neox-20b.tokenizer.json"),
             Tokenizer.from_file),
            ("smollm2", model_path(), smollm),
            ("llama", os.path.join(SHARED, "tokenizers", "llama-spm.vocab.gguf"), llama),
            ("bert", os.path.join(LLAMA_MODELS, "ggml-vocab-bert-bge.gguf"), wordpiece.model),
            ("unigram", os.path.join(LLAMA_MODELS, "ggml-vocab-nomic-bert-moe.gguf"),
             unigram_model)]


def read_texts():
    path = os.path.join(SHARED, "oasst1-en.messages.jsonl")
    if not os.path.exists(path):
        hf.skip("no " + path)
    with open(path, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    out, size = [], 0
    while size < SIZE:
        out += texts
        size += sum(len(t.encode()) for t in texts)
    return out


def theirs(tok, texts):
    size = sum(len(t.encode()) for t in texts)
    start = time.perf_counter()
    n = sum(len(tok.encode(t, add_special_tokens=False).ids) for t in texts)
    return size / (time.perf_counter() - start) / 1e6, n


def ours(program, path, lines):
    special = ["-s"] if path.endswith(".json") else []  # as tokenizers does with such a file
    out = subprocess.run([program, path, "-b", "1"] + special, input=lines,
                         stdout=subprocess.PIPE, check=True).stdout.decode().split()
    return float(out[-2]), int(out[4])


def main():
    program = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    texts = read_texts()
    shapes = [("messages", texts), ("one call", ["\n\n".join(texts)])]
    n_bad = n_tests = 0
    for name, path, make in vocabularies():
        if not os.path.exists(path) or (sys.argv[3:] and name not in sys.argv[3:]):
            print("# skipped: " + path)
            continue
        tok = make(path)
        for shape, parts in shapes:
            lines = "".join(json.dumps(t) + "\n" for t in parts).encode()
            best, other = 0, 0
            for _ in range(rounds):
                (a, n), (b, m) = ours(program, path, lines), theirs(tok, parts)
                best, other = max(best, a), max(other, b)
            n_tests += 1
            n_bad += best < 3 * other
            print("%sok %d - %-8s %-8s ours %6.1f MB/s, tokenizers %5.2f MB/s, %5.1f times; "
                  "%d and %d ids" % ("not " if best < 3 * other else "", n_tests, name, shape,
                                     best, other, best / other, n, m), flush=True)
    print("1..%d" % n_tests)
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
