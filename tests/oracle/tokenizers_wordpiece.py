# SPDX-License-Identifier: Apache-2.0
"""Compare our ids for BERT's vocabulary with those of Hugging Face tokenizers.

    tokenizers_wordpiece.py TOKENIZE_JSONL

The vocabulary is the one of bge among llama.cpp's under OA_TEST_LLAMA_MODELS, turned back into
what tokenizers calls WordPiece. Texts: every message under OA_TEST_SHARED, random strings, and
every code point between two letters. Exits 77 when a module or a file is missing.
"""
import json
import os
import random
import sys

import tokenizers_hf as hf

try:
    from gguf import GGUFReader
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
except ImportError as error:
    hf.skip(str(error))


def vocab(path):
    fields = GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    out = {}
    for i, (text, kind) in enumerate(zip(tokens, types)):
        if text.startswith("\u2581"):
            text = text[1:]
        elif kind == 1 and not (text.startswith("[") and text.endswith("]")):
            text = "##" + text
        out[text] = i
    return out


def model(path):
    tok = Tokenizer(models.WordPiece(vocab(path), unk_token="[UNK]", max_input_chars_per_word=100))
    tok.normalizer = normalizers.BertNormalizer()
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tok


def main():
    program = sys.argv[1]
    gguf = os.path.join(os.environ.get("OA_TEST_LLAMA_MODELS", ""), "ggml-vocab-bert-bge.gguf")
    messages = os.path.join(os.environ.get("OA_TEST_SHARED", "../shared"), "data",
                            "oasst1-en.messages.jsonl")
    for path in (gguf, messages):
        if not os.path.exists(path):
            hf.skip("no " + path)
    with open(messages, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    texts += ["".join("x%sy" % chr(cp) for cp in range(start, start + 64)
                      if not 0xD800 <= cp < 0xE000) for start in range(0, 0x110000, 64)]
    texts += ["a" * n + end for n in (98, 99, 100, 101) for end in ("", "\u00e9", "\u4e00")]
    rng = random.Random(20230415)
    texts = [t.encode() for t in texts] + [
        hf.random_bytes(rng, ["[CLS]", "[SEP]", "[MASK]", "[UNK]"])
        for _ in range(hf.n_random(50000))]
    return hf.differ(program, [gguf], "bge", texts, hf.ids_of(model(gguf))) > 0


if __name__ == "__main__":
    sys.exit(main())
