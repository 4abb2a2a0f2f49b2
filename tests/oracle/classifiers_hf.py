#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare the scores of decoders that classify with transformers in float32: small random models
with a `score` matrix, of one number or three, and Open Assistant's reward models (GPT-NeoX with an
`out_proj`, of the last token or the mean), opened as Hugging Face folders, as the GGUF files that
`openassistant convert` makes of them, and through a head file of their own.

    classifiers_hf.py LIBRARY OPENASSISTANT

Prints TAP; exits with 77 when a module is missing. Differences are parts of the largest score."""
import functools
import os
import sys
import tempfile

from arch_hf import (GROUPS, SMALL, WIDE, change_config, convert, difference, make_tokenizer, np,
                     randomise, report, torch, transformers)
from safetensors.torch import save_file

LIMIT = 1e-4
LENGTHS = (1, 31, 33, 300)
LABELS = {0: "fine", 1: "rude", 2: "spam"}
ONE = dict(num_labels=1)
THREE = dict(id2label=LABELS, label2id={v: k for k, v in LABELS.items()})
GPT2 = dict(n_embd=48, n_layer=2, n_head=3)
FALCON = dict(hidden_size=96, num_hidden_layers=2, num_attention_heads=6)
MULTI = dict(problem_type="multi_label_classification")
MOE = dict(moe_intermediate_size=40, num_experts=6, num_experts_per_tok=2, head_dim=16)

# Name, family, values, and what must come out: kind, function, labels.
REWARD = ("reward", "none", ["reward"])
NAMED = ("labels", "softmax", list(LABELS.values()))
CASES = [
    ("llama, a reward", "Llama", {**GROUPS, **ONE}, REWARD),
    ("llama, three labels", "Llama", {**SMALL, **THREE}, NAMED),
    ("llama, tied by its config", "Llama", {**WIDE, **ONE, "tie_word_embeddings": True}, REWARD),
    ("llama, one label with a name", "Llama", {**SMALL, "id2label": {0: "rude"}},
     ("labels", "sigmoid", ["rude"])),
    ("llama, two labels without names", "Llama", {**SMALL, "num_labels": 2},
     ("labels", "softmax", ["LABEL_0", "LABEL_1"])),
    ("mistral, several may apply", "Mistral", {**GROUPS, **THREE, **MULTI, "sliding_window": 40},
     ("labels", "sigmoid", list(LABELS.values()))),
    ("gptneox, a reward", "GPTNeoX", {**GROUPS, **ONE}, REWARD),
    ("gptneox, three numbers", "GPTNeoX", {**WIDE, **THREE, "problem_type": "regression"},
     ("labels", "none", list(LABELS.values()))),
    ("falcon, three labels", "Falcon", {**FALCON, **THREE}, NAMED),
    ("gpt2, a reward", "GPT2", {**GPT2, **ONE}, REWARD),
    ("qwen2, a reward", "Qwen2", {**GROUPS, **ONE}, REWARD),
    ("qwen3, three labels", "Qwen3", {**GROUPS, **THREE, "head_dim": 16}, NAMED),
    ("phi3, three labels", "Phi3", {**GROUPS, **THREE, "sliding_window": None}, NAMED),
    ("gemma, a reward", "Gemma", {**SMALL, **ONE, "head_dim": 16}, REWARD),
    ("gemma2, a reward", "Gemma2", {**SMALL, **ONE, "head_dim": 16, "sliding_window": 40}, REWARD),
    ("gemma3, three labels", "Gemma3Text", {**SMALL, **THREE, "head_dim": 16}, NAMED),
    ("smollm3, a reward", "SmolLM3", {**SMALL, **ONE}, REWARD),
    ("stablelm, three labels", "StableLm", {**GROUPS, **THREE}, NAMED),
    ("qwen3moe, a reward", "Qwen3Moe", {**SMALL, **MOE, **ONE}, REWARD),
    ("Open Assistant's reward of the last", None, "last", REWARD),
    ("Open Assistant's reward of the mean", None, "mean", REWARD),
]


def make_classifier(number, family, values, folder):
    n_vocab = make_tokenizer(folder)
    config = getattr(transformers, family + "Config")(
        **{"vocab_size": n_vocab, "max_position_embeddings": 512, "bos_token_id": 1,
           "eos_token_id": 0, "pad_token_id": 2, **values})
    config._attn_implementation = "eager"
    name = family + "ForSequenceClassification"
    model = getattr(transformers, name)(config).float().eval()
    randomise(model, number)
    model.save_pretrained(folder)
    return n_vocab, lambda ids: model(torch.from_numpy(ids)[None]).logits[0].numpy()


def make_reward(number, pooling, folder):
    """As Open Assistant's class has it: a trunk, and one linear layer with a bias."""
    n_vocab = make_tokenizer(folder)
    config = transformers.GPTNeoXConfig(vocab_size=n_vocab, max_position_embeddings=512,
                                        bos_token_id=1, eos_token_id=0, **GROUPS)
    config._attn_implementation = "eager"
    trunk = transformers.GPTNeoXModel(config).float().eval()
    randomise(trunk, number)
    out = torch.nn.Linear(config.hidden_size, 1)
    tensors = {"gpt_neox." + k: v.contiguous() for k, v in trunk.state_dict().items()}
    save_file({**tensors, "out_proj.weight": out.weight.data, "out_proj.bias": out.bias.data},
              os.path.join(folder, "model.safetensors"))
    config.save_pretrained(folder)
    change_config(folder, {"model_type": "gpt_neox_reward_model", "pooling": pooling,
                           "architectures": ["GPTNeoXRewardModel"]})

    def score(ids):
        states = trunk(torch.from_numpy(ids)[None]).last_hidden_state[0]
        return out(states.mean(dim=0) if pooling == "mean" else states[-1]).numpy()
    return n_vocab, score


def probabilities(function, x):
    if function == "none":
        return x
    p = torch.sigmoid(x) if function == "sigmoid" else torch.softmax(x, 0)
    return p


def refused(model):
    import openassistant as oa
    with model.session() as session:
        for call in (lambda: session.append([3, 4]), lambda: session.append_logits([3])):
            try:
                call()
                return False
            except oa.UnsupportedError as error:
                if "classifier" not in str(error):
                    return False
        return True


def check(path, head_path, score, n_vocab, pooling, wants):
    import openassistant as oa
    worst, every = 0.0, []
    kind, function, labels = wants
    with oa.Model(path, threads=2) as m, oa.Head(m) as own, m.session(kv_type="f32") as session:
        info = own.info
        if (info.kind, info.function, info.pooling) != (kind, function, pooling):
            return str(info), worst, every
        own.save(head_path)
        with oa.Head(m, head_path) as head:
            if head.info != info:
                return f"the head's file says {head.info}", worst, every
            for n in LENGTHS:
                ids = np.random.default_rng(n).integers(3, n_vocab, n)
                with torch.no_grad():
                    want = torch.from_numpy(np.array(score(ids)))
                e = session.embed(list(map(int, ids)), pooling=pooling, normalize=False)
                got = own.apply(e)
                if list(got) != labels or head.apply(e) != got:
                    return f"{got} and {head.apply(e)} of the file", worst, every
                worst = max(worst, difference(np.array(list(got.values())), want.numpy()))
                p = np.array(list(own.probabilities(got).values()))
                worst = max(worst, difference(p, probabilities(function, want).numpy()))
                if worst > LIMIT:
                    return f"{n} tokens: {worst:.2e}", worst, every
                every.append(got)
        return None if refused(m) else "it has a next token", worst, every


def run(number, case, program):
    name, family, values, wants = case
    with tempfile.TemporaryDirectory() as folder:
        if family:
            n_vocab, score = make_classifier(number, family, values, folder)
            pooling = "last"
        else:
            n_vocab, score = make_reward(number, values, folder)
            pooling = values
        gguf = os.path.join(folder, "converted.gguf")
        convert(program, folder, gguf)
        results = [check(path, os.path.join(folder, "head.gguf"), score, n_vocab, pooling, wants)
                   for path in (folder, gguf)]
        for (wrong, worst, _), which in zip(results, ("folder", "file")):
            if wrong:
                return f"{which}: {wrong}", worst
        if results[0][2] != results[1][2]:
            return "the file has other bits than the folder", results[0][1]
        return None, max(r[1] for r in results)


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    report(sys.argv[1], [(c[0], functools.partial(run, number, c, sys.argv[2]))
                         for number, c in enumerate(CASES, 1)])


if __name__ == "__main__":
    main()
