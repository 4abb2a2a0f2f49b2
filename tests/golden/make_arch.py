#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write a small random model of another architecture than tiny.gguf's, the same bytes each time,
for the test of one answer. The standard library only.

    make_arch.py gptneox|gemma3|phi3|gpt2|mixtral|qwen2moe|qwen3moe OUT
"""
import random
import sys

import make_tiny as tiny

WIDTH, FF, HEADS, HEADS_KV, CONTEXT = 64, 96, 4, 2, 256


class Model:
    def __init__(self, arch, seed):
        self.rng = random.Random(seed)
        self.arch, self.tensors = arch, {}
        tokens, merges = tiny.train(60)
        self.n_vocab = len(tokens)
        self.meta = {
            "general.architecture": arch,
            "general.name": "tiny " + arch,
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": "gpt-2",
            "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": [3] * len(tiny.SPECIAL) +
                                         [1] * (len(tokens) - len(tiny.SPECIAL)),
            "tokenizer.ggml.merges": merges,
            "tokenizer.ggml.eos_token_id": 2,
        }

    def set(self, **keys):
        for key, v in keys.items():
            self.meta[f"{self.arch}.{key.replace('__', '.')}"] = v

    def floats(self, name, low, high, *dims):
        n = 1
        for d in dims:
            n *= d
        data = tiny.floats([self.rng.uniform(low, high) for _ in range(n)])
        self.tensors[name] = ("F32", dims, data)

    def matrix(self, name, n_rows, n_cols, kind="F32"):
        if kind == "F32":
            top = (3 / n_cols) ** 0.5
            self.floats(name + ".weight", -top, top, n_cols, n_rows)
        else:
            data = tiny.matrix(self.rng, kind, n_rows, n_cols)
            self.tensors[name + ".weight"] = (kind, (n_cols, n_rows), data)

    def experts(self, at, n, n_ff, kind):
        for name, n_rows, n_cols in (("ffn_gate", n_ff, WIDTH), ("ffn_up", n_ff, WIDTH),
                                     ("ffn_down", WIDTH, n_ff)):
            data = b"".join(tiny.matrix(self.rng, kind, n_rows, n_cols) for _ in range(n))
            self.tensors[f"{at}{name}_exps.weight"] = (kind, (n_cols, n_rows, n), data)

    def split_experts(self, at):
        """As old files have them: each in a tensor of its own."""
        for name in ("ffn_gate", "ffn_up", "ffn_down"):
            kind, dims, data = self.tensors.pop(f"{at}{name}_exps.weight")
            size = len(data) // dims[2]
            for i in range(dims[2]):
                self.tensors[f"{at}{name}.{i}.weight"] = (kind, dims[:2],
                                                         data[i * size:(i + 1) * size])

    def linear(self, name, n_rows, n_cols, kind="F32"):
        self.matrix(name, n_rows, n_cols, kind)
        self.floats(name + ".bias", -0.5, 0.5, n_rows)

    def norm(self, name, n=WIDTH, bias=False):
        self.floats(name + ".weight", 0.5, 1.5, n)
        if bias:
            self.floats(name + ".bias", -0.5, 0.5, n)


def begin(arch, layers, eps, d_head, seed=None):
    m = Model(arch, seed or arch)
    m.set(block_count=layers, context_length=CONTEXT, embedding_length=WIDTH,
          feed_forward_length=FF, attention__head_count=HEADS,
          attention__head_count_kv=HEADS_KV, attention__key_length=d_head,
          attention__value_length=d_head, **{eps: 1e-5})
    m.matrix("token_embd", m.n_vocab, WIDTH)
    return m


def gptneox():
    """Parallel halves, layer norms, biases, a fused matrix, a part of each head turns."""
    m = begin("gptneox", 2, "attention__layer_norm_epsilon", 16)
    m.set(rope__dimension_count=4, use_parallel_residual=True)
    m.norm("output_norm", bias=True)
    m.matrix("output", m.n_vocab, WIDTH, "Q8_0")
    for i, kind in enumerate(("Q4_0", "F32")):
        at = f"blk.{i}."
        m.norm(at + "attn_norm", bias=True)
        m.linear(at + "attn_qkv", (HEADS + 2 * HEADS_KV) * 16, WIDTH, kind)
        m.linear(at + "attn_output", WIDTH, HEADS * 16, kind)
        m.norm(at + "ffn_norm", bias=True)
        m.linear(at + "ffn_up", FF, WIDTH, kind)
        m.linear(at + "ffn_down", WIDTH, FF, kind)
    return m


def gemma3():
    """Windows with a base of their own, norms around both halves and of heads, soft caps."""
    m = begin("gemma3", 3, "attention__layer_norm_rms_epsilon", 24)
    m.set(attention__sliding_window=40, attention__sliding_window_pattern=2,
          rope__freq_base=100000.0, attn_logit_softcapping=3.0, final_logit_softcapping=5.0,
          rope__scaling__type="linear", rope__scaling__factor=2.0)
    m.norm("output_norm")
    for i, kind in enumerate(("Q8_0", "F32", "Q5_0")):
        at = f"blk.{i}."
        m.norm(at + "attn_norm")
        m.matrix(at + "attn_q", HEADS * 24, WIDTH, kind)
        m.matrix(at + "attn_k", HEADS_KV * 24, WIDTH, kind)
        m.matrix(at + "attn_v", HEADS_KV * 24, WIDTH, kind)
        m.norm(at + "attn_q_norm", 24)
        m.norm(at + "attn_k_norm", 24)
        m.matrix(at + "attn_output", WIDTH, HEADS * 24, kind)
        m.norm(at + "post_attention_norm")
        m.norm(at + "ffn_norm")
        m.matrix(at + "ffn_gate", FF, WIDTH, kind)
        m.matrix(at + "ffn_up", FF, WIDTH, kind)
        m.matrix(at + "ffn_down", WIDTH, FF, kind)
        m.norm(at + "post_ffw_norm")
    return m


def phi3():
    """Fused matrices of a type without a layout of its own, long and short turns."""
    m = begin("phi3", 2, "attention__layer_norm_rms_epsilon", 16)
    m.set(rope__scaling__original_context_length=64, rope__scaling__attn_factor=1.25)
    m.norm("output_norm")
    m.matrix("output", m.n_vocab, WIDTH)
    m.floats("rope_factors_short.weight", 1, 2, 8)
    m.floats("rope_factors_long.weight", 2, 9, 8)
    for i, kind in enumerate(("Q5_1", "F32")):
        at = f"blk.{i}."
        m.norm(at + "attn_norm")
        m.matrix(at + "attn_qkv", (HEADS + 2 * HEADS_KV) * 16, WIDTH, kind)
        m.matrix(at + "attn_output", WIDTH, HEADS * 16, kind)
        m.norm(at + "ffn_norm")
        m.matrix(at + "ffn_up", 2 * FF, WIDTH, kind)
        m.matrix(at + "ffn_down", WIDTH, FF, kind)
    return m


def gpt2():
    """Learned positions."""
    m = begin("gpt2", 2, "attention__layer_norm_epsilon", 16)
    m.norm("output_norm", bias=True)
    m.matrix("position_embd", CONTEXT, WIDTH, "Q8_0")
    for i, kind in enumerate(("F32", "Q4_1")):
        at = f"blk.{i}."
        m.norm(at + "attn_norm", bias=True)
        m.linear(at + "attn_qkv", (HEADS + 2 * HEADS_KV) * 16, WIDTH, kind)
        m.linear(at + "attn_output", WIDTH, HEADS * 16, kind)
        m.norm(at + "ffn_norm", bias=True)
        m.linear(at + "ffn_up", FF, WIDTH, kind)
        m.linear(at + "ffn_down", WIDTH, FF, kind)
    return m


def qkv(m, at, kind, biases=False, norms=False):
    m.norm(at + "attn_norm")
    add = m.linear if biases else m.matrix
    add(at + "attn_q", HEADS * 16, WIDTH, kind)
    add(at + "attn_k", HEADS_KV * 16, WIDTH, kind)
    add(at + "attn_v", HEADS_KV * 16, WIDTH, kind)
    if norms:
        m.norm(at + "attn_q_norm", 16)
        m.norm(at + "attn_k_norm", 16)
    m.matrix(at + "attn_output", WIDTH, HEADS * 16, kind)
    m.norm(at + "ffn_norm")


def mixtral():
    """Experts of LLaMA's kind, in both ways that files have them."""
    m = begin("llama", 2, "attention__layer_norm_rms_epsilon", 16, "mixtral")
    m.set(expert_count=5, expert_used_count=2)
    m.norm("output_norm")
    for i, kind in enumerate(("Q8_0", "IQ4_NL")):
        at = f"blk.{i}."
        qkv(m, at, kind)
        m.matrix(at + "ffn_gate_inp", 5, WIDTH)
        m.experts(at, 5, FF, kind)
    m.split_experts("blk.1.")
    return m


def qwen2moe():
    """Many narrow experts and one for all rows; a dense layer; weights that do not add up to 1."""
    m = begin("qwen2moe", 3, "attention__layer_norm_rms_epsilon", 16)
    m.set(expert_count=20, expert_used_count=6, expert_feed_forward_length=32,
          expert_shared_feed_forward_length=128)
    m.norm("output_norm")
    for i, kind in enumerate(("Q4_1", "Q5_0", "F16")):
        at = f"blk.{i}."
        qkv(m, at, kind, biases=True)
        if i == 1:
            m.matrix(at + "ffn_gate", FF, WIDTH, kind)
            m.matrix(at + "ffn_up", FF, WIDTH, kind)
            m.matrix(at + "ffn_down", WIDTH, FF, kind)
            continue
        m.matrix(at + "ffn_gate_inp", 20, WIDTH)
        m.experts(at, 20, 32, kind)
        m.floats(at + "ffn_gate_inp_shexp.weight", -0.2, 0.2, WIDTH)
        m.matrix(at + "ffn_gate_shexp", 128, WIDTH, kind)
        m.matrix(at + "ffn_up_shexp", 128, WIDTH, kind)
        m.matrix(at + "ffn_down_shexp", WIDTH, 128, kind)
    return m


def qwen3moe():
    """Norms of heads; all experts but one are used."""
    m = begin("qwen3moe", 1, "attention__layer_norm_rms_epsilon", 16)
    m.set(expert_count=7, expert_used_count=6, expert_feed_forward_length=40,
          expert_weights_scale=1.5)
    m.norm("output_norm")
    qkv(m, "blk.0.", "F32", norms=True)
    m.matrix("blk.0.ffn_gate_inp", 7, WIDTH)
    m.experts("blk.0.", 7, 40, "F32")
    return m


def main():
    kinds = {f.__name__: f for f in (gptneox, gemma3, phi3, gpt2, mixtral, qwen2moe, qwen3moe)}
    if len(sys.argv) != 3 or sys.argv[1] not in kinds:
        raise SystemExit(__doc__)
    m = kinds[sys.argv[1]]()
    tiny.write(sys.argv[2], m.meta, m.tensors)


if __name__ == "__main__":
    main()
