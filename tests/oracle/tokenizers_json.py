# SPDX-License-Identifier: Apache-2.0
"""Compare our ids with Hugging Face tokenizers, pipeline by pipeline.

    tokenizers_json.py TOKENIZE_JSONL [KIND...]

For each kind a tokenizer is built with the module and written as tokenizer.json, which we read; a
kind that GGUF has a name for is read from the vocabulary by that name, too. Kinds are built over
SmolLM2's vocabulary (OA_TEST_MODEL or the installed one) or LLaMA's (under OA_TEST_SHARED), each
with the steps that the models behind it have in their files.

Texts: OA_TEST_RANDOM_STRINGS (1,000) random strings per kind, of over 30 scripts, emoji with
joiners, combining marks, control characters, bytes that are no UTF-8 and look-alikes of special
tokens; a quarter of the messages under OA_TEST_SHARED for the kind "neox". Exits 77 when a module
or a file is missing.
"""
import json
import os
import random
import sys
import tempfile

import tokenizers_hf as hf

try:
    from gguf import GGUFReader
    from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers as N,
                            pre_tokenizers as P)
except ImportError as error:
    hf.skip(str(error))

CON = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WS = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
UP, LOW = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
LLAMA3 = CON + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + WS
QWEN2 = CON + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + WS
GPT4O = (r"[^\r\n\p{L}\p{N}]?" + UP + "*" + LOW + "+" + CON + r"?|[^\r\n\p{L}\p{N}]?" + UP + "+" +
         LOW + "*" + CON + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + WS)
PUNCT = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"""
DEEPSEEK3 = (PUNCT + r"[A-Za-z]+|[^" "\r\n" r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+["
             "\r\n]*" + WS)
CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
KANA = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
DS_LETTERS = r"\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293" \
    r"\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c" \
    r"\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5" \
    r"\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77" \
    r"\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b" \
    r"\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc" \
    r"\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107" \
    r"\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139" \
    r"\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee" \
    r"\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e" \
    r"\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\x{10400}-\x{1044f}" \
    r"\x{104b0}-\x{104d3}\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}" \
    r"\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+"


def split(regex, behavior="isolated", invert=False):
    return P.Split(Regex(regex), behavior, invert)


def byte_level(*steps, regex=False, prefix=False):
    return P.Sequence([*steps, P.ByteLevel(add_prefix_space=prefix, use_regex=regex)])


def kimi():
    han = UP[:-1] + r"&&[^\p{Han}]]", LOW[:-1] + r"&&[^\p{Han}]]"
    return (r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?" + han[0] + "*" + han[1] + "+" + CON +
            r"?|[^\r\n\p{L}\p{N}]?" + han[0] + "+" + han[1] + "*" + CON +
            r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + WS)


GPT2 = P.ByteLevel(add_prefix_space=False)
DIGITS = byte_level(P.Digits(True), regex=True)
# Pattern names of GGUF: pre-tokenizer, normalizer, ignore_merges.
NAMED = {
    "gpt-2": (GPT2, None, 0),
    "gpt-neox": (GPT2, N.NFC(), 0),
    "smollm": (DIGITS, None, 0),
    "command-r": (DIGITS, N.NFC(), 0),
    "llama-bpe": (byte_level(split(LLAMA3)), None, 1),
    "dbrx": (byte_level(split(LLAMA3)), None, 0),
    "qwen2": (byte_level(split(QWEN2)), N.NFC(), 0),
    "hunyuan": (byte_level(split(QWEN2)), None, 0),
    "qwen35": (byte_level(split(
        CON + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + WS)),
               None, 0),
    "jais-2": (byte_level(split(
        LLAMA3[:-len(r"|\s+(?!\S)|\s+")] + "".join(r"|\s{%d}(?!\S)" % n for n in
                                                   (512, 256, 128, 64, 32, 16, 8, 4)) +
        r"|\s{1,2}(?!\S)|\s{1}")), None, 0),
    "ufakzeka": (byte_level(split(QWEN2[len(CON) + 1:])), None, 0),
    "seed-coder": (byte_level(split(
        CON + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}" "\r\n" "]+" + WS)), None, 0),
    "bailingmoe": (byte_level(split(
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"
        r"|\s*[\r\n]|\s+(?!\S)|\s+")), None, 0),
    "exaone-moe": (byte_level(split(
        CON + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+")), None, 0),
    "minicpm5": (byte_level(split(r"\p{N}{1,3}"), split(LLAMA3.replace("{1,3}", "+"))), None, 1),
    "laguna": (byte_level(split(r"[^\n]+|[\n]+"), split(QWEN2)), None, 0),
    "gpt-4o": (byte_level(split(GPT4O)), None, 0),
    "granite-embed-multi-97m": (byte_level(split(GPT4O)), None, 1),
    "tiny_aya": (byte_level(split(r"\d{1,3}(?=(?:\d{3})*\b)"), split(GPT4O)), None, 0),
    "tekken": (byte_level(split(GPT4O.replace(CON + "?", "").replace("{1,3}", ""))), None, 1),
    "kimi-k2": (byte_level(split(kimi())), None, 0),
    "deepseek-llm": (byte_level(
        split("[\r\n]"), split(DS_LETTERS),
        split("\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"),
        split(r"\s+$"), split(CJK), P.Digits(True)), None, 0),
    "deepseek-coder": (byte_level(split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"),
                                  split(CJK), P.Digits(True)), None, 0),
    "deepseek-v3": (byte_level(split(r"\p{N}{1,3}"), split(KANA), split(DEEPSEEK3)), None, 0),
    "spark2_5": (byte_level(split(r"\p{N}{1,3}"), split(KANA), split(
        PUNCT + r"[A-Za-z]+|[^" "\r\n" r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"
        "|[\r\n]" r"|\s+(?!\S)|\s+"), split(r"\p{N}")), None, 0),
    "youtu": (byte_level(
        split("[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a"
              "\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+|" + KANA),
        split(GPT4O.replace("{1,3}", ""))), None, 1),
    "afmoe": (byte_level(
        split(r"(?<!\p{N})\p{N}{1,2}(?=(?:\p{N}{3})+(?!\p{N}))|\p{N}{3}(?=(?:\p{N}{3})*(?!\p{N}))"
              r"|\p{N}+"),
        split("[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f"
              "\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f"
              "\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+"), split(DEEPSEEK3)), None, 0),
    "falcon": (P.Sequence([P.Punctuation("contiguous"), GPT2, P.Digits(False),
                           split("[0-9][0-9][0-9]")]), None, 0),
    "bloom": (byte_level(split(BLOOM)), None, 0),
    "viking": (byte_level(split(BLOOM), P.Digits(True)), None, 0),
    "chameleon": (byte_level(
        split("<sentinel:[0-9]+>"), split("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"),
        split("([\\t\\n]|    |  )"), P.Digits(True), P.Punctuation("isolated"), regex=True),
                  None, 0),
}
OTHER = {
    "prefix-space": (P.ByteLevel(add_prefix_space=True), N.Lowercase()),
    "accents": (GPT2, N.Sequence([N.NFKD(), N.StripAccents(), N.Lowercase(), N.Strip()])),
    "nfkc": (GPT2, N.Sequence([N.NFKC(), N.Replace(Regex(" {2,}"), " "), N.Replace("...", "_")])),
    "nfd": (byte_level(P.Whitespace()), N.NFD()),
    "bert": (byte_level(P.BertPreTokenizer()), N.BertNormalizer()),
    "bert-cased": (byte_level(P.WhitespaceSplit(), P.Punctuation("isolated")),
                   N.BertNormalizer(lowercase=False, strip_accents=True)),
    "delimiter": (byte_level(P.CharDelimiterSplit("a")), None),
    "digits": (byte_level(P.Digits(False)), None),
}
for how in ("isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"):
    for inverted in (False, True):
        OTHER["split-%s%s" % (how, "-inverted" * inverted)] = (
            byte_level(split(r"\p{N}|[aeiou ]", how, inverted)), None)
    OTHER["punctuation-" + how] = (byte_level(P.Punctuation(how)), None)
    OTHER["string-" + how] = (byte_level(P.Split("ab", how)), None)


def with_specials(tok, specials):
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in specials])
    tok.add_tokens([AddedToken("<|left|>", lstrip=True), AddedToken("<|right|>", rstrip=True),
                    AddedToken("<|both|>", lstrip=True, rstrip=True, normalized=False),
                    AddedToken("hello", single_word=True), AddedToken("\u00e9", normalized=True),
                    AddedToken("<|RAW|>", normalized=False)])
    return tok


def build_bytes(vocab, pre, norm, ignore_merges):
    tokens, types, merges = vocab
    tok = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)},
                               [tuple(m.split(" ", 1)) for m in merges],
                               ignore_merges=bool(ignore_merges)))
    tok.pre_tokenizer, tok.decoder = pre, decoders.ByteLevel()
    if norm is not None:
        tok.normalizer = norm
    return tok, [t for t, kind in zip(tokens, types) if kind == 3]


def spm_merges(tokens, scores):
    ids = {t: i for i, t in enumerate(tokens)}
    merges = []
    for t in tokens:
        for k in range(1, len(t)):
            if t[:k] in ids and t[k:] in ids:
                merges.append((-scores[ids[t]], ids[t], ids[t[:k]], t[:k], t[k:]))
    return [(m[3], m[4]) for m in sorted(merges)]


def build_chars(vocab, kind):
    tokens, merges = vocab
    fallback = "unknown" not in kind
    ids = {t: i for i, t in enumerate(tokens)}
    if not fallback:
        keep = [t for t in tokens if not t.startswith("<0x")]
        ids = {t: i for i, t in enumerate(keep)}
    tok = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", fuse_unk="fuse" in kind,
                               byte_fallback=fallback))
    if "legacy" in kind:
        tok.normalizer = N.Sequence([N.Prepend("\u2581"), N.Replace(" ", "\u2581")])
    elif "gemma" in kind:
        tok.normalizer = N.Replace(" ", "\u2581")
        tok.pre_tokenizer = P.Split(" ", "merged_with_previous")
    else:
        scheme = [s for s in ("always", "first", "never") if s in kind][0]
        tok.pre_tokenizer = P.Metaspace(prepend_scheme=scheme, split="cut" in kind)
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False)
                            for t in ("<s>", "</s>", "<unk>")])
    return tok, ["<s>", "</s>", "<unk>"]


CHARS = ["llama-legacy-fuse", "llama-first-fuse", "llama-always-cut", "llama-never-cut-fuse",
         "llama-always-fuse-unknown-cut", "llama-first-unknown", "gemma-fuse"]


LOOKALIKES = ["<|left|>", "<|right|>", "<|both|>", "<|RAW|>", "hello", " <|left|> ", " <|right|>  ",
              "\u2581"]


def random_texts(rng, specials, n):
    return [hf.random_bytes(rng, specials + LOOKALIKES) for _ in range(n)]


def compare(program, label, args, tok, texts):
    return hf.differ(program, [*args, "-s"], label, texts, hf.ids_of(tok))


def main():
    program, kinds = sys.argv[1], sys.argv[2:]
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    model = os.environ.get("OA_TEST_MODEL") or os.path.join(
        data, "openassistant", "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
    shared = os.path.join(os.environ.get("OA_TEST_SHARED", "../shared"), "data")
    llama = os.path.join(shared, "tokenizers", "llama-spm.vocab.gguf")
    neox = os.path.join(shared, "tokenizers", "gpt-neox-20b.tokenizer.json")
    messages = os.path.join(shared, "oasst1-en.messages.jsonl")
    for path in (model, llama, neox, messages):
        if not os.path.exists(path):
            hf.skip("no " + path)
    n_random = hf.n_random(1000)
    fields = GGUFReader(model).fields
    smol = [fields["tokenizer.ggml." + k].contents() for k in ("tokens", "token_type", "merges")]
    fields = GGUFReader(llama).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    spm = tokens, spm_merges(tokens, fields["tokenizer.ggml.scores"].contents())
    n_bad = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokenizer.json")

        def run(label, tok, specials, extra=(), named=False):
            # Python's str hash is not the same twice; this is.
            rng = random.Random(sum(map(ord, label)))
            texts = random_texts(rng, specials, n_random)
            tok = with_specials(tok, specials)
            tok.save(path)
            return compare(program, label, [path], tok, texts + list(extra))

        for kind, (pre, norm, ignore) in NAMED.items():
            if kinds and kind not in kinds:
                continue
            tok, specials = build_bytes(smol, pre, norm, ignore)
            tok.add_special_tokens([AddedToken(t, special=True, normalized=False)
                                    for t in specials])
            texts = random_texts(random.Random(1), specials, n_random // 2)
            n_bad += compare(program, kind + " (name)", [model, "-p", kind], tok, texts)
            n_bad += run(kind, tok, specials)
        for kind, (pre, norm) in OTHER.items():
            if not kinds or kind in kinds:
                n_bad += run(kind, *build_bytes(smol, pre, norm, 0))
        for kind in CHARS:
            if not kinds or kind in kinds:
                n_bad += run(kind, *build_chars(spm, kind))
        if not kinds or "neox" in kinds:
            with open(messages, encoding="utf-8") as file:
                extra = [json.loads(line)["text"].encode() for line in file]
            tok = Tokenizer.from_file(neox)
            texts = random_texts(random.Random(7), ["<|endoftext|>", "<|padding|>", "  " * 9],
                                 n_random)
            n_bad += compare(program, "neox", [neox], tok, extra + texts)
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
