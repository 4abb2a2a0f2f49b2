# SPDX-License-Identifier: Apache-2.0
"""Compare our ids with Hugging Face tokenizers built from the same vocabulary and merges.

    tokenizers_hf.py TOKENIZE_JSONL [MODEL.gguf [MESSAGES.jsonl]]

TOKENIZE_JSONL is our test program (tests/text). The model is SmolLM2, OA_TEST_MODEL
or the installed one; the messages lie under OA_TEST_SHARED. Texts: every message, and 10,000 random
strings of many scripts, emoji with joiners, combining marks, control characters, digits,
white space and look-alikes of special tokens; with special tokens recognised and without. All
patterns are tried on the one vocabulary, with the regexes of the models they come from. Exits 77
when a module or a file is missing.

The other tokenizers_*.py take their strings from here: OA_TEST_RANDOM_STRINGS says how many of
them there are for each kind of tokenizer, where the default of a test is not wanted.
"""
import json
import os
import random
import subprocess
import sys


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


try:
    from gguf import GGUFReader
    from tokenizers import AddedToken, Regex, Tokenizer
    from tokenizers import decoders, models, normalizers, pre_tokenizers
except ImportError as error:
    skip(str(error))

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False,
                                    use_regex=use_regex)


def pre_tokenizer(pattern):
    if pattern == "gpt-2":
        return byte_level(True)
    if pattern == "smollm":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                        byte_level(True)])
    regex = Regex({"llama-bpe": LLAMA3, "qwen2": QWEN2}[pattern])
    return pre_tokenizers.Sequence([pre_tokenizers.Split(regex, "isolated"), byte_level(False)])


def build(tokens, types, merges, pattern, special):
    model = models.BPE({t: i for i, t in enumerate(tokens)},
                       [tuple(m.split(" ", 1)) for m in merges],
                       ignore_merges=pattern == "llama-bpe")
    tok = Tokenizer(model)
    tok.pre_tokenizer = pre_tokenizer(pattern)
    tok.decoder = decoders.ByteLevel()
    if pattern == "qwen2":
        tok.normalizer = normalizers.NFC()
    if special:
        tok.add_special_tokens([AddedToken(t, special=True, normalized=False)
                                for t, kind in zip(tokens, types) if kind == 3])
    return tok


RANGES = [(0x20, 0x7E), (0x00, 0x1F), (0x7F, 0xA0), (0xA1, 0x17F), (0x180, 0x24F),
          (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x590, 0x5FF), (0x600, 0x6FF),
          (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1680, 0x1680), (0x180B, 0x180E),
          (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x209F), (0x2150, 0x218B),
          (0x2460, 0x24FF), (0x2600, 0x27BF), (0x3000, 0x303F), (0x3040, 0x30FF),
          (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xFB00, 0xFB06),
          (0xFDD0, 0xFDEF), (0xFE00, 0xFE0F), (0xFF00, 0xFFEF), (0x10000, 0x10FFF),
          (0x11D00, 0x11DFF), (0x16FF0, 0x16FFF), (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF),
          (0x20000, 0x2A6DF), (0xE0000, 0xE007F), (0x00, 0x10FFFF)]
PIECES = ["'s", "'S", "'\u017f", "'t", "'re", "'VE", "'m", "'ll", "'Ll", "'d", "' s", " ", "  ",
          "   ", "\n", "\r\n", "\n\n", "\t", " \n ", "\u00a0", "\u3000", "\u2028", "\u0085",
          "1", "12", "123", "1234", "3.14", "\u00b2", "\u2167", "\u0967\u0968", "e\u0301",
          "\u1100\u1161\u11a8", "a\u0323\u0307", "\u212b", "hello", " world", "Hello", "don't",
          "I'LL", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea",
          "\u2764\ufe0f", "<|", "|>", "<|im_", "<|im_start|", "|im_end|>", "<|im_start|><|im_end|>",
          "<|endoftext|>", "<repo_name", "<repo_name>", "!!!", "...", "\u2581", "\u0120", "_", "\0"]


def random_char(rng):
    low, high = rng.choice(RANGES)
    while True:
        cp = rng.randint(low, high)
        if not 0xD800 <= cp <= 0xDFFF:
            return chr(cp)


def random_text(rng, specials):
    parts = []
    for _ in range(rng.randint(1, 16)):
        kind = rng.random()
        if kind < 0.35:
            parts.append(rng.choice(PIECES))
        elif kind < 0.42:
            text = rng.choice(specials)
            parts.append(text if rng.random() < 0.7 else text[:rng.randint(1, len(text))])
        elif kind < 0.6:
            low, high = rng.choice(RANGES[:-1])
            parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8))
                                 ).encode("utf-8", "replace").decode())
        else:
            parts.append(random_char(rng) * rng.choice([1, 1, 1, 2, 5]))
    return "".join(parts)


def random_bytes(rng, specials):
    """The same, now and then with bytes that are no UTF-8."""
    text = random_text(rng, specials).encode()
    if rng.random() < 0.1:
        at = rng.randint(0, len(text))
        junk = bytes(rng.randint(0x80, 0xff) for _ in range(rng.randint(1, 4)))
        text = text[:at] + junk + text[at + rng.randint(0, 2):]
    return text


def n_random(default):
    return int(os.environ.get("OA_TEST_RANDOM_STRINGS") or default)


def each(program, args, texts, want, then):
    """then(text, our ids, theirs) for all texts, which are bytes; want(texts) gives theirs. A few
    at a time: what tokenizers returns is large."""
    for start in range(0, len(texts), 5000):
        part = texts[start:start + 5000]
        lines = "".join(t.hex() + "\n" for t in part).encode()
        run = subprocess.run([program, *args, "-x"], input=lines, stdout=subprocess.PIPE,
                             check=True)
        got = [json.loads(line) for line in run.stdout.splitlines()]
        if len(got) != len(part):
            sys.exit("%d answers for %d texts" % (len(got), len(part)))
        part = [t.decode("utf-8", "replace") for t in part]
        for text, ids, theirs in zip(part, got, want(part)):
            then(text, ids, theirs)


def differ(program, args, label, texts, want):
    """How many of our ids are not the same; tells the number and some of them."""
    bad, n_ids = [], 0

    def look(text, got, theirs):
        nonlocal n_ids
        n_ids += len(theirs)
        if got != theirs:
            bad.append((text, got, theirs))

    each(program, args, texts, want, look)
    print("%-28s %d texts, %d ids, %d differ" % (label, len(texts), n_ids, len(bad)))
    for text, got, theirs in bad[:3]:
        print("  text %r\n  ours %s\n  want %s" % (text, got, theirs))
    sys.stdout.flush()
    return len(bad)


def ids_of(tok):
    return lambda texts: [e.ids for e in tok.encode_batch(texts, add_special_tokens=False)]


def ours(program, gguf, pattern, special, lines):
    args = [program, gguf] + (["-p", pattern] if pattern else []) + (["-s"] if special else [])
    run = subprocess.run(args, input=lines, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def main():
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    program, gguf, messages = (sys.argv[1:] + [None, None])[:3]
    gguf = gguf or os.environ.get("OA_TEST_MODEL") or os.path.join(
        data, "openassistant", "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
    messages = messages or os.path.join(os.environ.get("OA_TEST_SHARED", "../shared"), "data",
                                        "oasst1-en.messages.jsonl")
    for path in (gguf, messages):
        if not os.path.exists(path):
            skip("no " + path)
    fields = GGUFReader(gguf).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = fields["tokenizer.ggml.merges"].contents()
    specials = [t for t, kind in zip(tokens, types) if kind == 3]
    with open(messages, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    n_messages = len(texts)
    n_strings = n_random(10000)
    rng = random.Random(20230415)
    texts += [random_text(rng, specials) for _ in range(n_strings)]
    lines = "".join(json.dumps(t) + "\n" for t in texts).encode()
    n_bad = 0
    for pattern in ("smollm", "gpt-2", "llama-bpe", "qwen2"):
        for special in (False, True):
            tok = build(tokens, types, merges, pattern, special)
            want = [e.ids for e in tok.encode_batch(texts, add_special_tokens=False)]
            got = ours(program, gguf, pattern, special, lines)
            bad = [i for i in range(len(texts)) if got[i] != want[i]]
            print("%-9s special %d: %d messages, %d random texts, %d ids, %d differ"
                  % (pattern, special, n_messages, n_strings, sum(map(len, want)), len(bad)))
            for i in bad[:5]:
                print("  text %r\n  ours %s\n  want %s" % (texts[i], got[i], want[i]))
            n_bad += len(bad)
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
