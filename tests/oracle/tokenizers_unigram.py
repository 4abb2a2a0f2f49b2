# SPDX-License-Identifier: Apache-2.0
"""Compare our ids for unigram vocabularies with those of Hugging Face tokenizers, and with
those of the module sentencepiece.

    tokenizers_unigram.py TOKENIZE_JSONL

The vocabulary is the unigram one (250,000 tokens, with a character map) among llama.cpp's under
OA_TEST_LLAMA_MODELS; its pieces become a sentencepiece model again. Texts: every message under
OA_TEST_SHARED and random strings. Normalised by sentencepiece, tokenizers must give the very ids;
sentencepiece itself adds up scores as floats over the whole text, so it may cut otherwise where
two ways have the same sum. Exits 77 when a module or a file is missing.
"""
import json
import os
import random
import sys

import tokenizers_hf as hf

try:
    from gguf import GGUFReader
    import sentencepiece
    from tokenizers import Tokenizer, models, pre_tokenizers
    from sentencepiece import sentencepiece_model_pb2 as pb
except ImportError as error:
    hf.skip(str(error))


def read(path):
    fields = GGUFReader(path).fields
    get = {k: fields["tokenizer.ggml." + k].contents()
           for k in ("tokens", "scores", "token_type", "unknown_token_id", "add_space_prefix",
                     "remove_extra_whitespaces", "precompiled_charsmap")}
    get["precompiled_charsmap"] = bytes(get["precompiled_charsmap"])
    return get


def model(get):
    m = pb.ModelProto()
    for text, score, kind in zip(get["tokens"], get["scores"], get["token_type"]):
        m.pieces.add(piece=text, score=score, type=kind)
    m.trainer_spec.model_type = pb.TrainerSpec.UNIGRAM
    m.trainer_spec.unk_id = get["unknown_token_id"]
    m.trainer_spec.unk_piece = get["tokens"][get["unknown_token_id"]]
    m.trainer_spec.vocab_size = len(get["tokens"])
    n = m.normalizer_spec
    n.precompiled_charsmap = get["precompiled_charsmap"]
    n.add_dummy_prefix = get["add_space_prefix"]
    n.remove_extra_whitespaces = get["remove_extra_whitespaces"]
    n.escape_whitespaces = True
    return sentencepiece.SentencePieceProcessor(model_proto=m.SerializeToString())


def same_model(get):
    """Without normaliser; control tokens get texts that no text has."""
    vocab = [(t, s) if kind == 1 else ("\U0010fffd%d" % i, 0.0)
             for i, (t, s, kind) in enumerate(zip(get["tokens"], get["scores"],
                                                  get["token_type"]))]
    tok = Tokenizer(models.Unigram(vocab, get["unknown_token_id"], False))
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    return tok


def is_tie(got, want, scores):
    return abs(sum(scores[i] for i in got) - sum(scores[i] for i in want)) < 1e-4 * len(got)


def main():
    program = sys.argv[1]
    gguf = os.path.join(os.environ.get("OA_TEST_LLAMA_MODELS", ""),
                        "ggml-vocab-nomic-bert-moe.gguf")
    messages = os.path.join(os.environ.get("OA_TEST_SHARED", "../shared"), "data",
                            "oasst1-en.messages.jsonl")
    for path in (gguf, messages):
        if not os.path.exists(path):
            hf.skip("no " + path)
    with open(messages, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    rng = random.Random(20230415)
    texts = [t.encode() for t in texts] + [hf.random_bytes(rng, ["<s>", "</s>", "<mask>"])
                                           for _ in range(hf.n_random(20000))]
    get = read(gguf)
    sp = model(get)
    same = hf.ids_of(same_model(get))
    n_bad = hf.differ(program, [gguf], "tokenizers", texts,
                      lambda part: same([sp.normalize(t) for t in part]))
    other, wrong = [], []

    def count(_, got, want):
        if got == want:
            return
        other.append(got)
        if not is_tie(got, want, get["scores"]):
            wrong.append((got, want))

    hf.each(program, [gguf], texts, sp.encode, count)
    print("sentencepiece: %d differ, %d of them not of the same score" % (len(other), len(wrong)))
    for got, want in wrong[:5]:
        print("  ours %s\n  want %s" % (got, want))
    return n_bad > 0 or len(wrong) > 0 or len(other) * 100 > len(texts)


if __name__ == "__main__":
    sys.exit(main())
