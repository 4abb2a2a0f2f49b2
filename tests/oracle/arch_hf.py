#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare logits with those of transformers in float32, for every architecture that the
decoder can be: small random models with odd sizes, grouped heads, tied or with biases, written as
Hugging Face folders; 300 positions, as one prompt and step by step, from the folder and from the
GGUF file that `openassistant convert` makes of it.

    arch_hf.py LIBRARY OPENASSISTANT [PATTERN]      only cases whose name has the text in it

Each case also opens its folder with something of the configuration changed, and the difference
must show: so a switch that were not looked at would be found. Prints TAP; exits with 77 when a
module is missing. Differences are parts of the largest logit. The aim is 1e-4, and the limit is a
third of that: the two forms of gelu are hardly further apart."""
import functools
import json
import os
import subprocess
import sys
import tempfile

LIMIT = 3e-5
N_IDS = 300

try:
    import numpy as np
    import tokenizers
    import torch
    import transformers
except ImportError as e:
    print(f"1..0 # SKIP no module {e.name}")
    sys.exit(77)

PLAIN = {"rope_type": "default", "rope_theta": 10000.0}


def rope(kind, **more):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **more}}


def partial(part):
    return {"rope_parameters": {**PLAIN, "partial_rotary_factor": part}}


# Sizes: width, feed-forward width, layers, heads, key and value heads.
def sizes(width, ff, layers, heads, heads_kv):
    return {"hidden_size": width, "intermediate_size": ff, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": heads_kv}


SMALL = sizes(48, 100, 2, 3, 1)
WIDE = sizes(80, 72, 3, 5, 5)
GROUPS = sizes(96, 168, 2, 6, 2)
FACTORS = {"short_factor": [1 + i / 20 for i in range(8)],
           "long_factor": [2 + i * i / 4 for i in range(8)]}
LOCAL = {"full_attention": {"rope_type": "linear", "rope_theta": 50000.0, "factor": 3.0},
         "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}

# Name; class of the configuration; its values; values that must show when they are changed; what
# the test does otherwise: n_ctx of our session, steps = transformers goes token by token.
CASES = [
    ("gptneox parallel", "GPTNeoX", dict(GROUPS, rotary_pct=0.25, use_parallel_residual=True),
     dict(use_parallel_residual=False), {}),
    ("gptneox sequential, tanh", "GPTNeoX",
     dict(WIDE, rotary_pct=0.5, use_parallel_residual=False, hidden_act="gelu_new"),
     dict(hidden_act="gelu"), {}),
    ("gptneox tied, without biases", "GPTNeoX",
     dict(SMALL, rotary_pct=1.0, attention_bias=False, tie_word_embeddings=True),
     dict(layer_norm_eps=0.1), {}),

    ("llama grouped", "Llama", dict(GROUPS), dict(rms_norm_eps=0.1), {}),
    ("llama tied, biases, wide heads", "Llama",
     dict(WIDE, head_dim=24, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
     dict(rope("default", rope_theta=500.0)), {}),
    ("llama linear", "Llama", dict(SMALL, **rope("linear", factor=4.0)), dict(rope("default")), {}),
    ("llama dynamic", "Llama",
     dict(SMALL, max_position_embeddings=100, **rope("dynamic", factor=3.0)),
     dict(rope("dynamic", factor=2.0)), {"steps": True, "n_ctx": 400}),
    ("llama yarn", "Llama",
     dict(SMALL, **rope("yarn", factor=4.0, original_max_position_embeddings=64)),
     dict(rope("yarn", factor=4.0, original_max_position_embeddings=32)), {}),
    ("llama llama3", "Llama",
     dict(GROUPS, **rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                         original_max_position_embeddings=64)), dict(rope("default")), {}),
    ("mistral window", "Mistral", dict(GROUPS, sliding_window=50), dict(sliding_window=49), {}),
    ("smollm3", "SmolLM3", dict(sizes(48, 100, 5, 3, 1), no_rope_layer_interval=4),
     dict(no_rope_layers=[1, 1, 1, 1, 1]), {}),
    ("smollm3 by layers, biases", "SmolLM3",
     dict(sizes(96, 168, 3, 6, 2), no_rope_layers=[1, 0, 1], attention_bias=True, mlp_bias=True,
          tie_word_embeddings=False), dict(no_rope_layers=[0, 1, 1]), {}),

    ("falcon 7b", "Falcon",
     dict(hidden_size=96, num_hidden_layers=2, num_attention_heads=6, multi_query=True,
          parallel_attn=True, new_decoder_architecture=False, bias=False),
     dict(layer_norm_epsilon=0.1), {}),
    ("falcon 40b", "Falcon",
     dict(hidden_size=96, num_hidden_layers=2, num_attention_heads=6, num_kv_heads=2,
          new_decoder_architecture=True, bias=False, tie_word_embeddings=False),
     dict(rope("default", rope_theta=500.0)), {}),
    ("falcon one norm, biases", "Falcon",
     dict(hidden_size=80, num_hidden_layers=3, num_attention_heads=5, num_kv_heads=1,
          new_decoder_architecture=True, num_ln_in_parallel_attn=1, bias=True, ffn_hidden_size=136),
     dict(activation="relu"), {}),

    ("gpt2", "GPT2", dict(n_embd=48, n_layer=2, n_head=3), dict(activation_function="relu"), {}),
    ("gpt2 untied", "GPT2",
     dict(n_embd=80, n_layer=3, n_head=5, n_inner=136, tie_word_embeddings=False),
     dict(layer_norm_epsilon=0.1), {}),
    ("gpt2 erf", "GPT2", dict(n_embd=96, n_layer=2, n_head=6, activation_function="gelu"),
     dict(activation_function="gelu_new"), {}),

    ("qwen2", "Qwen2", dict(GROUPS), dict(rms_norm_eps=0.1), {}),
    ("qwen2 tied", "Qwen2", dict(SMALL, tie_word_embeddings=True), dict(hidden_act="gelu"), {}),
    ("qwen2 window", "Qwen2",
     dict(WIDE, use_sliding_window=True, sliding_window=40, max_window_layers=1,
          layer_types=["full_attention"] + ["sliding_attention"] * 2),
     dict(layer_types=["sliding_attention"] * 2 + ["full_attention"]), {}),

    ("qwen3", "Qwen3", dict(GROUPS, head_dim=24), dict(rms_norm_eps=0.1), {}),
    ("qwen3 tied", "Qwen3", dict(SMALL, head_dim=16, tie_word_embeddings=True),
     dict(rope("default", rope_theta=500.0)), {}),
    ("qwen3 biases, yarn", "Qwen3",
     dict(WIDE, head_dim=32, attention_bias=True,
          **rope("yarn", factor=2.0, original_max_position_embeddings=100, beta_fast=16.0,
                 beta_slow=2.0, attention_factor=1.2)),
     dict(rope("yarn", factor=2.0, original_max_position_embeddings=100)), {}),

    ("phi3", "Phi3", dict(GROUPS, sliding_window=60), dict(sliding_window=61), {}),
    ("phi3 short", "Phi3",
     dict(SMALL, max_position_embeddings=1024, original_max_position_embeddings=512,
          sliding_window=None,
          **rope("longrope", original_max_position_embeddings=512, factor=2.0, **FACTORS)),
     dict(rope("default")), {"n_ctx": 512}),
    ("phi3 long, partial", "Phi3",
     dict(sizes(96, 168, 2, 3, 1), max_position_embeddings=1024, tie_word_embeddings=True,
          original_max_position_embeddings=128, sliding_window=None,
          **rope("longrope", original_max_position_embeddings=128, factor=8.0,
                 partial_rotary_factor=0.5, **FACTORS)),
     dict(rope("longrope", original_max_position_embeddings=128, factor=8.0,
               partial_rotary_factor=0.5, short_factor=FACTORS["short_factor"],
               long_factor=FACTORS["short_factor"])), {"n_ctx": 500}),

    ("gemma", "Gemma", dict(GROUPS, head_dim=16), dict(rms_norm_eps=0.1), {}),
    ("gemma one key head", "Gemma", dict(SMALL, head_dim=32),
     dict(rope("default", rope_theta=500.0)), {}),
    ("gemma silu", "Gemma", dict(WIDE, head_dim=16, hidden_act="silu"),
     dict(hidden_act="gelu_pytorch_tanh"), {}),

    ("gemma2", "Gemma2", dict(GROUPS, head_dim=16, sliding_window=40, query_pre_attn_scalar=24),
     dict(query_pre_attn_scalar=25), {}),
    ("gemma2 hard caps", "Gemma2",
     dict(WIDE, head_dim=16, sliding_window=64, query_pre_attn_scalar=16,
          attn_logit_softcapping=2.0, final_logit_softcapping=3.0),
     dict(attn_logit_softcapping=3.0), {}),
    ("gemma2 layers", "Gemma2",
     dict(SMALL, head_dim=24, sliding_window=33, query_pre_attn_scalar=24,
          layer_types=["full_attention", "sliding_attention"]),
     dict(layer_types=["sliding_attention", "full_attention"]), {}),

    ("gemma3", "Gemma3Text",
     dict(sizes(96, 168, 7, 6, 2), head_dim=16, sliding_window=40, query_pre_attn_scalar=20),
     dict(sliding_window=39), {}),
    ("gemma3 scaled", "Gemma3Text",
     dict(sizes(48, 100, 3, 3, 1), head_dim=24, sliding_window=50, query_pre_attn_scalar=24,
          layer_types=["sliding_attention", "full_attention", "sliding_attention"],
          rope_parameters=LOCAL),
     dict(rope_parameters={**LOCAL, "sliding_attention": {"rope_type": "default",
                                                          "rope_theta": 50000.0}}), {}),
    ("gemma3 capped, biases", "Gemma3Text",
     dict(WIDE, head_dim=16, sliding_window=30, query_pre_attn_scalar=16, attention_bias=True,
          layer_types=["full_attention", "sliding_attention", "full_attention"],
          final_logit_softcapping=5.0),
     dict(final_logit_softcapping=6.0), {}),

    ("stablelm", "StableLm", dict(GROUPS, use_qkv_bias=True, **partial(0.25)),
     dict(layer_norm_eps=0.1), {}),
    ("stablelm parallel, head norms", "StableLm",
     dict(WIDE, use_parallel_residual=True, qk_layernorm=True, **partial(0.5)),
     dict(partial(0.25)), {}),
    ("stablelm tied, head norms", "StableLm",
     dict(GROUPS, qk_layernorm=True, tie_word_embeddings=True, **partial(1.0)),
     dict(hidden_act="gelu"), {}),

    ("starcoder2", "Starcoder2", dict(GROUPS, sliding_window=None), dict(norm_epsilon=0.1), {}),
    ("starcoder2 window", "Starcoder2", dict(SMALL, sliding_window=45), dict(sliding_window=46),
     {}),
    ("starcoder2 without biases", "Starcoder2",
     dict(WIDE, use_bias=False, sliding_window=None, tie_word_embeddings=False),
     dict(hidden_act="gelu"), {}),

    ("olmo2", "Olmo2", dict(GROUPS), dict(rms_norm_eps=0.1), {}),
    ("olmo2 tied, one key head", "Olmo2", dict(SMALL, tie_word_embeddings=True),
     dict(rope("default", rope_theta=500.0)), {}),
    ("olmo2 biases", "Olmo2", dict(WIDE, attention_bias=True), dict(hidden_act="gelu"), {}),

    ("granite", "Granite",
     dict(GROUPS, embedding_multiplier=3.0, logits_scaling=2.0, residual_multiplier=0.5,
          attention_multiplier=0.3), dict(residual_multiplier=0.6), {}),
    ("granite biases", "Granite",
     dict(SMALL, attention_bias=True, mlp_bias=True, embedding_multiplier=0.7, logits_scaling=8.0,
          residual_multiplier=0.22, attention_multiplier=0.1), dict(attention_multiplier=0.12), {}),
    ("granite tied", "Granite",
     dict(WIDE, tie_word_embeddings=True, embedding_multiplier=12.0, attention_multiplier=0.25),
     dict(embedding_multiplier=11.0), {}),

    ("mixtral", "Mixtral", dict(SMALL, num_local_experts=5, num_experts_per_tok=2),
     dict(num_experts_per_tok=3), {}),
    ("mixtral wide heads", "Mixtral",
     dict(GROUPS, num_local_experts=8, num_experts_per_tok=3, head_dim=24),
     dict(num_experts_per_tok=2), {}),
    ("mixtral one of four, tied", "Mixtral",
     dict(WIDE, num_local_experts=4, num_experts_per_tok=1, tie_word_embeddings=True),
     dict(num_experts_per_tok=2), {}),

    ("qwen2moe", "Qwen2Moe",
     dict(GROUPS, moe_intermediate_size=40, shared_expert_intermediate_size=72, num_experts=9,
          num_experts_per_tok=4, norm_topk_prob=False), dict(norm_topk_prob=True), {}),
    ("qwen2moe tied, normed", "Qwen2Moe",
     dict(SMALL, moe_intermediate_size=24, shared_expert_intermediate_size=200, num_experts=60,
          num_experts_per_tok=2, norm_topk_prob=True, tie_word_embeddings=True),
     dict(norm_topk_prob=False), {}),
    ("qwen2moe all used, dense layers", "Qwen2Moe",
     dict(WIDE, moe_intermediate_size=88, shared_expert_intermediate_size=24, num_experts=6,
          num_experts_per_tok=6, decoder_sparse_step=2), dict(num_experts_per_tok=5), {}),

    ("qwen3moe", "Qwen3Moe",
     dict(GROUPS, head_dim=24, moe_intermediate_size=40, num_experts=12, num_experts_per_tok=4,
          norm_topk_prob=True), dict(norm_topk_prob=False), {}),
    ("qwen3moe tied, not normed", "Qwen3Moe",
     dict(SMALL, head_dim=16, moe_intermediate_size=24, num_experts=128, num_experts_per_tok=8,
          norm_topk_prob=False, tie_word_embeddings=True), dict(norm_topk_prob=True), {}),
    ("qwen3moe biases, a dense layer", "Qwen3Moe",
     dict(WIDE, head_dim=32, moe_intermediate_size=56, num_experts=17, num_experts_per_tok=3,
          norm_topk_prob=True, attention_bias=True, mlp_only_layers=[1]),
     dict(num_experts_per_tok=4), {}),
]


def make_tokenizer(folder):
    """Bytes, a few merges and three special tokens: 264 ids. Texts are not what is tested here."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("i", "n"), ("a", "n"), ("e", "r")]
    tokens = ["<|end|>", "<|begin|>", "<|pad|>"] + letters + [a + b for a, b in merges]
    t = tokenizers.Tokenizer(tokenizers.models.BPE(
        vocab={text: i for i, text in enumerate(tokens)}, merges=merges))
    t.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = tokenizers.decoders.ByteLevel()
    t.add_special_tokens(tokens[:3])
    t.save(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>",
                   "bos_token": "<|begin|>", "pad_token": "<|pad|>"}, f)
    return len(tokens)


def randomise(model, seed):
    """What transformers begins with gives small logits, which hide errors."""
    torch.manual_seed(seed)
    shift = -1.0 if "gemma" in model.config.model_type else 0.0
    with torch.no_grad():
        for name, p in model.named_parameters():
            norm = "norm" in name or "ln_" in name
            if norm and name.endswith("weight"):
                p.uniform_(0.5, 1.5).add_(shift)
            elif p.dim() == 1:
                p.normal_(0, 0.3)
            elif "embed" in name or "wte" in name or "wpe" in name:
                p.normal_(0, 0.5)
            else:
                p.normal_(0, 1.2 / p.shape[0 if "c_" in name else -1] ** 0.5)


def make_model(number, family, values, folder):
    n_vocab = make_tokenizer(folder)
    config = getattr(transformers, family + "Config")(
        **{"vocab_size": n_vocab, "max_position_embeddings": 512, "bos_token_id": 1,
           "eos_token_id": 0, "pad_token_id": 2, **values})
    config._attn_implementation = "eager"
    name = family.replace("Text", "") + ("LMHeadModel" if family == "GPT2" else "ForCausalLM")
    model = getattr(transformers, name)(config).float().eval()
    randomise(model, number)
    model.tie_weights()
    model.save_pretrained(folder)
    return model, n_vocab


def expected(model, ids, steps):
    ids = torch.from_numpy(ids.astype(np.int64))[None]
    with torch.no_grad():
        if not steps:
            return model(ids, use_cache=False).logits[0].numpy()
        cache, out = transformers.DynamicCache(), []
        for i in range(ids.shape[1]):
            out.append(model(ids[:, i:i + 1], past_key_values=cache, use_cache=True).logits[0, 0])
        return torch.stack(out).numpy()


def ours(path, ids, n_ctx, steps):
    import openassistant as oa
    with oa.Model(path, threads=2) as model:
        with model.session(n_ctx=n_ctx, kv_type="f32") as session:
            if not steps:
                return np.array(session.append_logits(list(map(int, ids))))
            return np.array([session.append_logits([int(i)])[0] for i in ids])


def difference(got, want):
    if got.shape != want.shape or not np.isfinite(got).all():
        return float("inf")
    return float(np.abs(got - want).max() / np.abs(want).max())


def change_config(folder, values):
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as f:
        config = json.load(f)
    config.update(values)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f)


def convert(program, folder, path):
    subprocess.run([program, "convert", "-q", folder, path], check=True, stdout=subprocess.DEVNULL)


def run(number, case, program):
    """Text of the first thing that is wrong, or None, and the largest difference."""
    name, family, values, changes, how = case
    n_ctx, steps = how.get("n_ctx", 512), how.get("steps", False)
    with tempfile.TemporaryDirectory() as folder:
        model, n_vocab = make_model(number, family, values, folder)
        ids = np.random.default_rng(number).integers(3, n_vocab, N_IDS)
        want = expected(model, ids, steps)
        gguf = os.path.join(folder, "converted.gguf")
        convert(program, folder, gguf)
        worst = 0.0
        for path, by_steps in ((folder, False), (folder, True), (gguf, False)):
            d = difference(ours(path, ids, n_ctx, by_steps), want)
            worst = max(worst, d)
            if d > LIMIT:
                which = "file" if path == gguf else "folder"
                return f"{which}, {'steps' if by_steps else 'prompt'}: {d:.2e}", worst
        change_config(folder, changes)
        d = difference(ours(folder, ids, n_ctx, False), want)
        if d <= LIMIT:
            return f"with {changes} the difference is {d:.2e} only", worst
    return None, worst


def report(library, tests):
    """Run (name, function) pairs as TAP; a function gives what is wrong, or None, and the largest
    difference. Does not return."""
    os.environ["OA_LIBRARY"] = library
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, os.path.join(root, "bindings/python/src"))
    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    good = True
    print(f"1..{len(tests)}")
    for number, (name, function) in enumerate(tests, 1):
        try:
            wrong, worst = function()
        except Exception as e:
            wrong, worst = f"{type(e).__name__}: {e}", 0.0
        good = good and wrong is None
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}: "
              f"{wrong or f'largest difference {worst:.1e}'}", flush=True)
    sys.exit(0 if good else 1)


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    pattern = sys.argv[3] if len(sys.argv) > 3 else ""
    cases = [(i, c) for i, c in enumerate(CASES, 1) if pattern in c[0]]
    report(sys.argv[1], [(c[0], functools.partial(run, seed, c, sys.argv[2])) for seed, c in cases])


if __name__ == "__main__":
    main()
