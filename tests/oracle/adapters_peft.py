#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare logits with those of PEFT: small random models with one or two random LoRA adapters.

    adapters_peft.py LIBRARY OPENASSISTANT [PATTERN]    only cases whose name has the text in it

Each case runs the base model, each adapter, and both with scales, in sessions of one model that
step in one batch. Prints TAP; exits with 77 when a module is missing. Differences are parts of the
largest logit, as in arch_hf.py."""
import functools
import os
import sys
import tempfile

import arch_hf
from arch_hf import GROUPS, SMALL, WIDE, difference

try:
    import numpy as np
    import peft
    import torch
except ImportError as e:
    print(f"1..0 # SKIP no module {e.name}")
    sys.exit(77)

LIMIT = 1e-4
N_IDS = 100
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
GATED = ["gate_proj", "up_proj", "down_proj"]
NEOX = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]

# Name; class of the configuration; its values; what the two adapters are.
CASES = [
    ("llama", "Llama", dict(GROUPS),
     dict(r=8, lora_alpha=16, target_modules=ATTENTION + GATED),
     dict(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj"])),
    ("llama rank-stabilised, some layers", "Llama", dict(WIDE, attention_bias=True),
     dict(r=4, lora_alpha=8, use_rslora=True, target_modules=ATTENTION),
     dict(r=16, lora_alpha=1, target_modules=["down_proj"], layers_to_transform=[1])),
    ("mistral rank pattern", "Mistral", dict(GROUPS, sliding_window=50),
     dict(r=4, lora_alpha=8, target_modules=ATTENTION, rank_pattern={"q_proj": 6}),
     dict(r=2, lora_alpha=8, target_modules=GATED)),
    ("gptneox fused", "GPTNeoX", dict(GROUPS, rotary_pct=0.25),
     dict(r=8, lora_alpha=16, target_modules=["query_key_value"]),
     dict(r=5, lora_alpha=16, target_modules=NEOX)),
    ("falcon fused groups", "Falcon",
     dict(hidden_size=96, num_hidden_layers=2, num_attention_heads=6, num_kv_heads=2,
          new_decoder_architecture=True, bias=False),
     dict(r=8, lora_alpha=16, target_modules=["query_key_value"]),
     dict(r=5, lora_alpha=16, target_modules=NEOX)),
    ("gpt2 transposed", "GPT2", dict(n_embd=48, n_layer=2, n_head=3),
     dict(r=4, lora_alpha=8, target_modules=["c_attn"], fan_in_fan_out=True),
     dict(r=4, lora_alpha=8, target_modules=["c_fc", "c_proj"], fan_in_fan_out=True)),
    ("qwen2", "Qwen2", dict(SMALL, tie_word_embeddings=True),
     dict(r=8, lora_alpha=16, target_modules=ATTENTION),
     dict(r=8, lora_alpha=4, target_modules=GATED)),
    ("phi3 fused", "Phi3", dict(GROUPS),
     dict(r=8, lora_alpha=16, target_modules=["qkv_proj", "gate_up_proj"]),
     dict(r=2, lora_alpha=3, target_modules=["o_proj", "down_proj"])),
    ("gemma2 norms after", "Gemma2",
     dict(GROUPS, head_dim=16, sliding_window=40, query_pre_attn_scalar=24),
     dict(r=8, lora_alpha=16, target_modules=ATTENTION),
     dict(r=8, lora_alpha=4, target_modules=GATED)),
]
SCALES = (0.75, -0.5)


def adapted(model, folder, configs, seed):
    """The model with random adapters "a" and "b", saved in folder/a and folder/b."""
    torch.manual_seed(seed)
    a, b = (peft.LoraConfig(task_type="CAUSAL_LM", **c) for c in configs)
    model = peft.get_peft_model(model, a, adapter_name="a").eval()
    model.add_adapter("b", b)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.normal_(0, 0.3)
    model.save_pretrained(folder)
    return model


def forward(model, ids, adapters):
    if not adapters:
        with torch.no_grad(), model.disable_adapter():
            return model(ids, use_cache=False).logits[0].numpy()
    model.base_model.set_adapter([name for name, _ in adapters])
    old = {}
    for module in model.modules():
        for name, scale in adapters:
            if isinstance(getattr(module, "scaling", None), dict) and name in module.scaling:
                old[module, name] = module.scaling[name]
                module.scaling[name] *= scale
    with torch.no_grad():
        out = model(ids, use_cache=False).logits[0].numpy()
    for (module, name), scale in old.items():
        module.scaling[name] = scale
    return out


def run(number, case):
    import openassistant as oa
    _, family, values, *configs = case
    ways = [[], [("a", 1.0)], [("b", 1.0)], [("a", SCALES[0]), ("b", SCALES[1])]]
    with tempfile.TemporaryDirectory() as folder:
        base, n_vocab = arch_hf.make_model(number, family, values, folder)
        model = adapted(base, folder, configs, number)
        ids = np.random.default_rng(number).integers(3, n_vocab, N_IDS)
        t = torch.from_numpy(ids.astype(np.int64))[None]
        want = [forward(model, t, way) for way in ways]
        for i in range(1, len(ways)):
            if difference(want[i], want[0]) < 0.01:
                return f"adapters {ways[i]} hardly change anything", 0
        worst = 0.0
        with oa.Model(folder, threads=2) as m:
            loaded = {n: oa.Adapter(m, os.path.join(folder, n)) for n in "ab"}
            sessions = [m.session(n_ctx=128, kv_type="f32",
                                  adapters=[(loaded[n], s) for n, s in way]) for way in ways]
            for way, session, w in zip(ways, sessions, want):
                d = difference(np.array(session.append_logits(list(map(int, ids)))), w)
                worst = max(worst, d)
                if d > LIMIT:
                    return f"adapters {way}: {d:.2e}", worst
            # Once more, as one batch: the same numbers, to the bit.
            alone = [np.array(s.logits) for s in sessions]
            for s in sessions:
                s.truncate(0)
            oa.step_many([oa.Step(s, ids=list(map(int, ids))) for s in sessions])
            for s, logits in zip(sessions, alone):
                s.truncate(N_IDS)
                if not np.array_equal(np.array(s.logits), logits):
                    return "the batch gives other numbers", worst
            for thing in sessions + list(loaded.values()):
                thing.close()
        merged = os.path.join(folder, "merged.gguf")
        oa.convert(folder, merged, adapters=[(os.path.join(folder, n), s) for n, s in ways[-1]])
        d = difference(arch_hf.ours(merged, ids, 128, False), want[-1])
        worst = max(worst, d)
        if d > LIMIT:
            return f"merged: {d:.2e}", worst
    return None, worst


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    pattern = sys.argv[3] if len(sys.argv) > 3 else ""
    cases = [(i, c) for i, c in enumerate(CASES, 1) if pattern in c[0]]
    arch_hf.report(sys.argv[1], [(c[0], functools.partial(run, seed, c)) for seed, c in cases])


if __name__ == "__main__":
    main()
