#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare embeddings of encoders with transformers in float32: small random BERT, RoBERTa and
XLM-RoBERTa models, opened as Hugging Face folders and as the GGUF files that `openassistant
convert` makes of them, for texts of 1 to 300 tokens and each pooling; and scores of classifiers, of
texts and of pairs, whose ids and segments are those of Hugging Face's tokenizers.

    encoders_hf.py LIBRARY OPENASSISTANT

Each case also opens its folder with something of the configuration changed, and the difference
must show; and bits must not depend on threads, instructions, n_batch or what the session held.
Prints TAP; exits with 77 when a module is missing. Differences are parts of the largest number."""
import functools
import os
import sys
import tempfile

from arch_hf import (GROUPS, SMALL, WIDE, change_config, convert, difference, make_tokenizer, np,
                     report, tokenizers, torch, transformers)

LIMIT = 3e-5
SCORE_LIMIT = 1e-4  # a single score may be small
LENGTHS = (1, 31, 33, 300)


def sizes(values, **more):
    return {**{k: v for k, v in values.items() if k != "num_key_value_heads"}, **more}


LABELS = {0: "fine", 1: "rude", 2: "spam"}
# Name, family, values.
CLASSIFIERS = [
    ("bert that classifies", "Bert", sizes(SMALL, id2label=LABELS)),
    ("bert with one label", "Bert", sizes(WIDE, id2label={0: "good"})),
    ("roberta that classifies", "Roberta", sizes(GROUPS, type_vocab_size=1, pad_token_id=1,
                                                 id2label=LABELS)),
    ("xlm-roberta that classifies", "XLMRoberta", sizes(SMALL, type_vocab_size=1, pad_token_id=1,
                                                        id2label=LABELS)),
]


def template(single, pair):
    return tokenizers.processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[("<|begin|>", 1), ("<|end|>", 0)])


B, E = "<|begin|>", "<|end|>"
ENDS = (E, 0), (B, 1)
TYPE_1 = dict(type_vocab_size=1, pad_token_id=2)
# Name, family, values, what stands around texts, whether segments matter.
PAIRS = [
    ("bert, a template", "Bert", sizes(SMALL, id2label=LABELS),
     template(f"{B} $A {E}", f"{B} $A {E} $B:1 {E}:1"), True),
    ("bert, its own processing", "Bert", sizes(GROUPS, id2label={0: "good"}, type_vocab_size=3),
     tokenizers.processors.BertProcessing(*ENDS), True),
    ("bert, a beginning in the second", "Bert", sizes(WIDE, id2label=LABELS),
     template(f"{B} $A", f"{B} $A {B}:1 $B:1"), True),
    ("bert, nothing around texts", "Bert", sizes(SMALL, id2label=LABELS), None, True),
    ("roberta, its own processing", "Roberta", sizes(GROUPS, id2label=LABELS, **TYPE_1),
     tokenizers.processors.RobertaProcessing(*ENDS), False),
    ("xlm-roberta, a template", "XLMRoberta", sizes(SMALL, id2label={0: "LABEL_0"}, **TYPE_1),
     template(f"{B} $A {E}", f"{B} $A {E} {E} $B {E}"), False),
]
TEXTS = [("What is red?", "Roses are red."), ("a", "b"), ("the there then", ""), ("", "an anther"),
         ("\u6f22\u5b57", "x" * 130)]


# Name, family, values, values that must show.
CASES = [
    ("bert", "Bert", sizes(SMALL), dict(hidden_act="gelu_new")),
    ("bert wide, relu, three types", "Bert", sizes(WIDE, hidden_act="relu", type_vocab_size=3),
     dict(layer_norm_eps=0.1)),
    ("bert with what guesses words", "BertForMaskedLM", sizes(GROUPS, layer_norm_eps=1e-5),
     dict(hidden_act="silu")),
    ("roberta", "Roberta", sizes(SMALL, pad_token_id=1, type_vocab_size=1),
     dict(hidden_act="gelu_new")),
    ("roberta, padding elsewhere", "Roberta", sizes(GROUPS, pad_token_id=2, type_vocab_size=1),
     dict(layer_norm_eps=0.1)),
    ("roberta with what guesses words", "RobertaForMaskedLM", sizes(WIDE, type_vocab_size=1),
     dict(hidden_act="relu")),
    ("xlm-roberta", "XLMRoberta", sizes(GROUPS, pad_token_id=1, type_vocab_size=1),
     dict(layer_norm_eps=0.1)),
]


def randomise(model, seed):
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "LayerNorm.weight" in name:
                p.uniform_(0.5, 1.5)
            elif p.dim() == 1:
                p.normal_(0, 0.3)
            else:
                p.normal_(0, 0.5 if "embed" in name else 1.2 / p.shape[-1] ** 0.5)


def make_model(number, family, values, folder):
    n_vocab = make_tokenizer(folder)
    base = family.replace("ForMaskedLM", "").replace("ForSequenceClassification", "")
    config = getattr(transformers, base + "Config")(
        **{"vocab_size": n_vocab, "max_position_embeddings": 320, "bos_token_id": 1,
           "eos_token_id": 0, **values})
    config._attn_implementation = "eager"
    cls = getattr(transformers, family if family != base else base + "Model")
    model = cls(config).float().eval()
    randomise(model, number)
    model.tie_weights()
    model.save_pretrained(folder)
    return model, n_vocab


def expected(model, ids):
    with torch.no_grad():
        out = model.base_model(torch.from_numpy(ids)[None], attention_mask=torch.ones(1, len(ids)))
        v = out.last_hidden_state[0].double().numpy()
    return {"mean": v.mean(axis=0), "last": v[-1], "cls": v[0]}


def ours(path, texts, pooling, threads=2, cpu="best", **options):
    import openassistant as oa
    options = {"kv_type": "f32", **options}
    with oa.Model(path, threads=threads, cpu=cpu) as model, model.session(**options) as session:
        return [np.array(session.embed(list(map(int, ids)), pooling=pooling, normalize=False))
                for ids in texts]


def refused(path):
    """An encoder has no next token; and no text is longer than its positions."""
    import openassistant as oa
    with oa.Model(path) as model:
        with model.session() as session:
            for call in (lambda: session.append([3, 4]), lambda: session.set_ids([3]),
                         lambda: session.append_logits([3])):
                try:
                    call()
                    return False
                except oa.UnsupportedError as error:
                    if "encoder" not in str(error):
                        return False
            try:
                session.embed([3] * (model.info.n_ctx_train + 1))
                return False
            except oa.ContextFullError:
                return len(session) == 0


def run(number, case, program):
    name, family, values, changes = case
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        model, n_vocab = make_model(number, family, values, folder)
        rng = np.random.default_rng(number)
        texts = [rng.integers(3, n_vocab, n) for n in LENGTHS]
        want = [expected(model, ids) for ids in texts]
        gguf = os.path.join(folder, "converted.gguf")
        convert(program, folder, gguf)
        for pooling in ("mean", "last", "cls"):
            for path in (folder, gguf):
                got = ours(path, texts, pooling)
                for g, w, n in zip(got, want, LENGTHS):
                    worst = max(worst, difference(g, w[pooling]))
                    if worst > LIMIT:
                        return f"{path == gguf and 'file' or 'folder'}, {pooling} of {n}: " \
                               f"{worst:.2e}", worst
        same = ours(folder, texts, "cls")
        for how in ({"threads": 1, "cpu": "c"}, {"threads": 3, "n_batch": 7}, {"n_ctx": 310}):
            again = ours(folder, texts[::-1], "cls", **how)[::-1]
            if any((a != b).any() for a, b in zip(same, again)):
                return f"other bits with {how}", worst
        if not refused(gguf):
            return "it can be stepped, or takes longer texts", worst
        change_config(folder, changes)
        d = difference(ours(folder, texts[-1:], "mean")[0], want[-1]["mean"])
        if d <= LIMIT:
            return f"with {changes} the difference is {d:.2e} only", worst
    return None, worst


def classify(number, case, program):
    import openassistant as oa
    worst = 0.0
    name, family, values = case
    with tempfile.TemporaryDirectory() as folder:
        model, n_vocab = make_model(number, family + "ForSequenceClassification", values, folder)
        gguf = os.path.join(folder, "converted.gguf")
        convert(program, folder, gguf)
        for path in (folder, gguf):
            with oa.Model(path) as m, oa.Head(m) as head, m.session(kv_type="f32") as session:
                if (head.info.kind, head.info.pooling) != ("labels", "cls"):
                    return str(head.info), worst
                for n in LENGTHS:
                    ids = np.random.default_rng(number + n).integers(3, n_vocab, n)
                    with torch.no_grad():
                        want = model(torch.from_numpy(ids)[None]).logits[0].numpy()
                    e = session.embed(list(map(int, ids)), pooling="cls", normalize=False)
                    got = head.apply(e)
                    if list(got) != list(values["id2label"].values()):
                        return f"labels {list(got)}", worst
                    worst = max(worst, difference(np.array(list(got.values())), want))
                    if worst > SCORE_LIMIT:
                        return f"{n} tokens: {worst:.2e}", worst
    return None, worst


def pairs(number, case, program):
    import openassistant as oa
    worst = 0.0
    name, family, values, post, matters = case
    with tempfile.TemporaryDirectory() as folder:
        model, _ = make_model(number, family + "ForSequenceClassification", values, folder)
        path = os.path.join(folder, "tokenizer.json")
        tokenizer = tokenizers.Tokenizer.from_file(path)
        if post:
            tokenizer.post_processor = post
        tokenizer.save(path)
        gguf = os.path.join(folder, "converted.gguf")
        convert(program, folder, gguf)
        for path in (folder, gguf):
            with oa.Model(path) as m, oa.Head(m) as head, m.session(kv_type="f32") as session:
                for a, b in TEXTS:
                    want = tokenizer.encode(a, b)
                    ids, n_first = m.tokenize_pair(a, b)
                    types = [0] * n_first + [1] * (len(ids) - n_first)
                    if ids != want.ids or types != want.type_ids:
                        return f"{ids}, {types}, want {want.ids}, {want.type_ids}", worst
                    with torch.no_grad():
                        logits = model(torch.tensor([want.ids]),
                                       token_type_ids=torch.tensor([want.type_ids])).logits[0]
                    score = functools.partial(session.embed, ids, pooling="cls", normalize=False)
                    got = head.apply(score(n_first=n_first))
                    worst = max(worst, difference(np.array(list(got.values())), logits.numpy()))
                    if worst > SCORE_LIMIT:
                        return f"{a!r}, {b!r}: {worst:.2e}", worst
                    other = head.apply(score())
                    if matters and b and difference(np.array(list(other.values())),
                                                    logits.numpy()) <= SCORE_LIMIT:
                        return f"{a!r}, {b!r}: segments do not show", worst
                    if not matters and other != got:
                        return f"{a!r}, {b!r}: one segment has other bits", worst
    return None, worst


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    cases = [(run, c) for c in CASES] + [(classify, c) for c in CLASSIFIERS]
    cases += [(pairs, c) for c in PAIRS]
    report(sys.argv[1], [(c[0], functools.partial(test, number, c, sys.argv[2]))
                         for number, (test, c) in enumerate(cases, 1)])


if __name__ == "__main__":
    main()
