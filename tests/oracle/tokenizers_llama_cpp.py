# SPDX-License-Identifier: Apache-2.0
"""Compare our ids for LLaMA's vocabulary with llama.cpp's (module llama_cpp).

    tokenizers_llama_cpp.py TOKENIZE_JSONL

Texts: every message under OA_TEST_SHARED and 3,000 random strings, with special tokens recognised
and without. Exits 77 when a module or a file is missing.
"""
import json
import os
import random
import sys

import tokenizers_hf as hf

try:
    from llama_cpp import Llama
except ImportError as error:
    hf.skip(str(error))

N_RANDOM = 3000


def main():
    program = sys.argv[1]
    data = os.path.join(os.environ.get("OA_TEST_SHARED", "../shared"), "data")
    gguf = os.path.join(data, "tokenizers", "llama-spm.vocab.gguf")
    messages = os.path.join(data, "oasst1-en.messages.jsonl")
    for path in (gguf, messages):
        if not os.path.exists(path):
            hf.skip("no " + path)
    model = Llama(gguf, vocab_only=True, verbose=False)
    with open(messages, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    rng = random.Random(20230415)
    texts += [hf.random_text(rng, ["<s>", "</s>", "<unk>"]) for _ in range(N_RANDOM)]
    lines = "".join(json.dumps(t) + "\n" for t in texts).encode()
    n_bad = 0
    for special in (False, True):
        got = hf.ours(program, gguf, None, special, lines)
        for text, ids in zip(texts, got):
            want = model.tokenize(text.encode(), add_bos=False, special=special)
            if ids != want:
                n_bad += 1
                print("text %r\n  ours %s\n  want %s" % (text, ids, want))
        print("special %d: %d texts, %d differ so far" % (special, len(texts), n_bad))
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
