# SPDX-License-Identifier: Apache-2.0
"""Compare our ids for tokenizer.json files with the models Unigram and WordPiece with those of
Hugging Face tokenizers, which writes the files; and what they are decoded to.

    tokenizers_models.py TOKENIZE_JSONL

The vocabularies are the unigram one and BERT's among llama.cpp's under OA_TEST_LLAMA_MODELS, with
the pipelines of the models that are in use: XLM-R, T5, ALBERT; BERT cased and uncased. Texts:
messages under OA_TEST_SHARED and random strings. Exits 77 when a module or a file is missing.
"""
import json
import os
import random
import sys
import tempfile

import tokenizers_hf as hf
import tokenizers_unigram as unigram
import tokenizers_wordpiece as wordpiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers

SPECIAL = {"unigram": ["<s>", "</s>", "<pad>", "<unk>", "<mask>"],
           "wordpiece": ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"]}


def unigram_vocab(get):
    return [(t, 0.0 if kind in (2, 3) else s) for t, s, kind in
            zip(get["tokens"], get["scores"], get["token_type"]) if kind != 5]


def unigrams(get):
    vocab = unigram_vocab(get)
    charsmap = normalizers.Precompiled(get["precompiled_charsmap"])
    space = pre_tokenizers.Metaspace()
    xlmr = Tokenizer(models.Unigram(vocab, get["unknown_token_id"], False))
    xlmr.normalizer = normalizers.Sequence([
        charsmap, normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), "\u2581")])
    xlmr.pre_tokenizer = space
    yield "xlm-r", xlmr
    old = Tokenizer(models.Unigram(vocab, get["unknown_token_id"], False))
    old.normalizer = charsmap
    old.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), space])
    yield "t5", old
    albert = Tokenizer(models.Unigram(vocab, get["unknown_token_id"], False))
    albert.normalizer = normalizers.Sequence([
        normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(),
        normalizers.StripAccents(), normalizers.Lowercase(), charsmap,
        normalizers.Replace(Regex(" {2,}"), " ")])
    albert.pre_tokenizer = space
    yield "albert", albert
    fallback = vocab + [("<0x%02X>" % b, 0.0) for b in range(256)]
    whole = Tokenizer(models.Unigram(fallback, get["unknown_token_id"], True))
    whole.normalizer = normalizers.Replace(" ", "\u2581")
    yield "bytes", whole


def wordpieces(vocab):
    for name, normalizer in (("uncased", normalizers.BertNormalizer()),
                             ("cased", normalizers.BertNormalizer(lowercase=False)),
                             ("accents", normalizers.BertNormalizer(strip_accents=False))):
        tok = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
        tok.normalizer = normalizer
        tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tok.decoder = decoders.WordPiece()
        yield name, tok


def makes_control(tok, text, specials):
    """Normalising it makes a control token, which is none to us: tokenizers' Unigram knows no
    difference."""
    text = text.decode("utf-8", "replace")
    normal = tok.normalizer.normalize_str(text)
    return any(normal.count(s) > text.count(s) for s in specials)


def compare(program, name, tok, texts):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokenizer.json")
        tok.save(path)
        return hf.differ(program, [path, "-s"], name, texts, hf.ids_of(tok))


def read_texts(specials):
    messages = os.path.join(os.environ.get("OA_TEST_SHARED", "../shared"), "data",
                            "oasst1-en.messages.jsonl")
    if not os.path.exists(messages):
        hf.skip("no " + messages)
    with open(messages, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    # Graphemes of two characters, which the character map takes as one.
    for cp in range(0x80, 0x3400):
        if cp % 16 == 0:
            texts.append(" ".join("%s%s %s" % (c, chr(cp + k), chr(cp + k))
                                  for k, c in enumerate(
                                      "aA1\u00c4\u2460\u00bd\u0958 a\ta\na\u0301")))
    texts += ["a\r\nb", "\r\n", "\ufb01\u0301", "\u2460\u20dd", "A\u0301\u0302\u0303\u0304x"]
    rng = random.Random(20230415)
    return [t.encode() for t in texts] + [hf.random_bytes(rng, specials)
                                          for _ in range(hf.n_random(10000))]


def main():
    program = sys.argv[1]
    folder = os.environ.get("OA_TEST_LLAMA_MODELS", "")
    paths = [os.path.join(folder, "ggml-vocab-" + n + ".gguf") for n in ("nomic-bert-moe",
                                                                        "bert-bge")]
    for path in paths:
        if not os.path.exists(path):
            hf.skip("no " + path)
    n_bad = 0
    texts = read_texts(SPECIAL["unigram"])
    for name, tok in unigrams(unigram.read(paths[0])):
        tok.add_special_tokens([AddedToken(t, special=True, normalized=False,
                                           lstrip=t == "<mask>") for t in SPECIAL["unigram"]])
        tok.add_tokens(["<extra_id_0>", "zz top"])
        same = [t for t in texts if not makes_control(tok, t, SPECIAL["unigram"])]
        if len(texts) - len(same) > 2 + len(texts) // 10000:
            n_bad += 1
        print("%-8s %d texts left out" % (name, len(texts) - len(same)))
        n_bad += compare(program, name, tok, same)
    texts = read_texts(SPECIAL["wordpiece"])
    for name, tok in wordpieces(wordpiece.vocab(paths[1])):
        tok.add_special_tokens(SPECIAL["wordpiece"])
        n_bad += compare(program, name, tok, texts)
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
