#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Encoders that `openassistant convert` makes of Hugging Face folders, with their tokenizers in
GGUF's keys: llama.cpp opens them, gives the ids that Hugging Face `tokenizers` gives for the
folder, and the embeddings that transformers gives in float32. Opened by us with these keys alone,
they give the same ids, too. Tokenizers that GGUF has no words for have no such keys.

    encoders_llama_cpp.py LIBRARY OPENASSISTANT

Models are small random ones; vocabularies are learnt from the messages under OA_TEST_SHARED. Prints
TAP; exits with 77 when a module or file is missing. Differences are parts of the largest number:
llama.cpp's gelu is a table of half floats, and so is its softmax."""
import functools
import io
import json
import os
import random
import sys
import tempfile

import arch_hf
from arch_hf import SMALL, WIDE, convert, difference, np, report, torch, transformers
from encoders_hf import randomise, sizes

try:
    import llama_cpp
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as pb
    from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers as N,
                            pre_tokenizers as P, processors, trainers)
except ImportError as e:
    print(f"1..0 # SKIP no module {e.name}")
    sys.exit(77)

LIMIT = 1e-3
SHARED = os.environ.get("OA_TEST_SHARED", "../shared")
MESSAGES = os.path.join(SHARED, "data", "oasst1-en.messages.jsonl")
KEYS = b"tokenizer.huggingface.json"
SCRIPTS = [
    "Hello, world! Don't  panic\n\n\tat 3.14 (or 42%)...", "Größe, Äpfel, Œuvre, naïve café",
    "Привет, как дела?", "Καλημέρα κόσμε", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया",
    "สวัสดีชาวโลก", "你好，世界。", "こんにちは世界", "안녕하세요 세계", "გამარჯობა", "Բարեւ աշխարհ",
    "ｆｕｌｌ　ｗｉｄｔｈ ①②③ ﬁ ½", "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f \U0001f642",
    "a\u00a0b\u3000c\u2003d", "x = y[0] + {z: 1}; // #!", "UPPER lower MiXeD", "", " ", "a", "   b"]


@functools.cache
def messages():
    with open(MESSAGES, encoding="utf-8") as f:
        return [json.loads(line)["text"] for line in f]


def special(tok, texts, mask):
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in texts] +
                           [AddedToken(mask, special=True, normalized=False, lstrip=True)])
    return tok


def wordpiece(**options):
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = N.BertNormalizer(**options)
    tok.pre_tokenizer = P.BertPreTokenizer()
    tok.decoder = decoders.WordPiece()
    tok.train_from_iterator(messages()[:500], trainers.WordPieceTrainer(
        vocab_size=1500, special_tokens=names, show_progress=False))
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tok, {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]",
                 "unk_token": "[UNK]", "mask_token": "[MASK]"}


ENDS = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>",
        "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}


def roberta():
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = P.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(messages()[:500], trainers.BpeTrainer(
        vocab_size=1500, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False,
        initial_alphabet=P.ByteLevel.alphabet()))
    tok.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0),
                                                      add_prefix_space=False)
    return special(tok, ["<s>", "<pad>", "</s>", "<unk>"], "<mask>"), ENDS


@functools.cache
def pieces():
    """SentencePiece's vocabulary in XLM-R's order, and its character map."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(messages()[:500]), model_writer=out, vocab_size=1500, minloglevel=2,
        num_threads=1, model_type="unigram")
    m = pb.ModelProto.FromString(out.getvalue())
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return (vocab + [(p.piece, p.score) for p in m.pieces if p.type == 1],
            m.normalizer_spec.precompiled_charsmap)


def unigram(*before, after=(), words=True):
    vocab, charsmap = pieces()
    tok = Tokenizer(models.Unigram(vocab, 3, False))
    tok.normalizer = N.Sequence([*before, N.Precompiled(charsmap), *after])
    space = P.Metaspace(prepend_scheme="always")
    tok.pre_tokenizer = P.Sequence([P.WhitespaceSplit(), space]) if words else space
    tok.decoder = decoders.Metaspace()
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return special(tok, ["<s>", "<pad>", "</s>", "<unk>"], "<mask>"), ENDS


def joined(text):
    return N.Replace(Regex(" {2,}"), text)


BERT = "Bert", sizes(SMALL)
ROBERTA = "Roberta", sizes(WIDE, type_vocab_size=1, pad_token_id=1)
XLMR = "XLMRoberta", sizes(WIDE, type_vocab_size=1, pad_token_id=1)
# Name; family and values; tokenizer; what GGUF calls it; texts for which GGUF has no words.
CASES = [
    ("bert, lower case", BERT, wordpiece, "bert", None),
    ("bert, cased", BERT, lambda: wordpiece(lowercase=False), "bert", None),
    ("bert, lower case with accents", BERT, lambda: wordpiece(strip_accents=False), "bert", None),
    ("roberta", ROBERTA, roberta, "gpt2", None),
    ("xlm-roberta", XLMR, unigram, "t5", None),
    ("xlm-roberta, spaces joined", XLMR, lambda: unigram(
        after=[N.Strip(left=False), joined("\u2581")], words=False), "t5", None),
    ("xlm-roberta, spaces joined by another rule", XLMR,
     lambda: unigram(after=[joined(" ")], words=False), "t5", lambda t: t != t.rstrip()),
    ("xlm-roberta, spaces kept", XLMR, lambda: unigram(words=False), "t5",
     lambda t: t != t.strip()),
    ("chinese characters in words", BERT, lambda: wordpiece(handle_chinese_chars=False), None,
     None),
    ("unigram in lower case", XLMR, lambda: unigram(N.Lowercase()), None, None),
]


def make(number, model, make_tokenizer, folder):
    family, values = model
    tok, names = make_tokenizer()
    tok.save(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump(names, f)
    config = getattr(transformers, family + "Config")(**{
        "vocab_size": tok.get_vocab_size() + 5, "max_position_embeddings": 520, **values})
    config._attn_implementation = "eager"
    m = getattr(transformers, family + "Model")(config).float().eval()
    randomise(m, number)
    m.save_pretrained(folder)
    return tok, m


class Theirs:
    """llama.cpp with the file."""

    def __init__(self, path):
        self.llama = llama_cpp.Llama(path, embedding=True, n_ctx=512, n_batch=512, n_ubatch=512,
                                     n_threads=1, pooling_type=llama_cpp.LLAMA_POOLING_TYPE_MEAN,
                                     verbose=False)

    def ids(self, text, special=False):
        return self.llama.tokenize(text.encode(), add_bos=True, special=special)

    def mean(self, text):
        return np.array(self.llama.embed(text, normalize=False, truncate=False))


def random_text(rng):
    return "".join(rng.choice("aeinrstXYZ  .,\n'-1\u00e9\u00c5\u4f60\u0434\u0301") for _ in
                   range(rng.randrange(60)))


def read_texts(excepted):
    rng = random.Random(1)
    texts = SCRIPTS + messages()[:300] + [random_text(rng) for _ in range(300)]
    return [t for t in texts if not (excepted and excepted(t))]


def ours(path, texts):
    """Our ids from GGUF's keys alone: the file with ours under a name that nobody knows."""
    import openassistant as oa
    with open(path, "rb") as f:
        data = f.read()
    if data.count(KEYS) != 1:
        raise ValueError("no " + KEYS.decode())
    with open(path, "wb") as f:
        f.write(data.replace(KEYS, KEYS[:-1] + b"_"))
    with oa.Model(path) as model:
        return [list(model.tokenize(t)) for t in texts]


def expected(model, ids):
    with torch.no_grad():
        out = model(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)))
    return out.last_hidden_state[0].double().mean(dim=0).numpy()


def has_keys(path):
    with open(path, "rb") as f:
        return b"tokenizer.ggml.tokens" in f.read()


def run(number, case, program):
    _, model, make_tokenizer, name, excepted = case
    texts = read_texts(excepted)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        tok, m = make(number, model, make_tokenizer, folder)
        path = os.path.join(folder, "out.gguf")
        convert(program, folder, path)
        if name is None:
            return "it has GGUF's keys" if has_keys(path) else None, worst
        want = [tok.encode(t).ids for t in texts]
        theirs = Theirs(path)
        if theirs.llama.metadata["tokenizer.ggml.model"] != name:
            return theirs.llama.metadata["tokenizer.ggml.model"], worst
        for text, ids in zip(texts, want):
            got = theirs.ids(text)
            if got != ids:
                return f"llama.cpp, {text!r}: {got[:20]}, want {ids[:20]}", worst
            if len(ids) < 500 and len(text) % 16 == 1:
                worst = max(worst, difference(theirs.mean(text), expected(m, ids)))
        if worst > LIMIT:
            return f"llama.cpp: {worst:.2e}", worst
        theirs.llama.close()
        for text, got, ids in zip(texts, ours(path, texts), want):
            if got != ids:
                return f"ours, {text!r}: {got[:20]}, want {ids[:20]}", worst
    return None, worst


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    if not os.path.exists(MESSAGES):
        print(f"1..0 # SKIP no {MESSAGES}")
        sys.exit(77)
    pattern = sys.argv[3] if len(sys.argv) > 3 else ""
    report(sys.argv[1], [(c[0], functools.partial(run, number, c, sys.argv[2]))
                         for number, c in enumerate(CASES, 1) if pattern in c[0]])


if __name__ == "__main__":
    main()
