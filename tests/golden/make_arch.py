#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write a small random model of another architecture than tiny.gguf's, the same bytes each time,
for the test of one answer. The standard library only.

    make_arch.py gptneox|gemma3|phi3|gpt2 OUT
"""
import random
import sys

import make_tiny as tiny

WIDTH, FF, HEADS, HEADS_KV, CONTEXT = 64, 96, 4, 2, 256


class Model:
    def __init__(self, arch):
        self.rng = random.Random(arch)
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

    def linear(self, name, n_rows, n_cols, kind="F32"):
        self.matrix(name, n_rows, n_cols, kind)
        self.floats(name + ".bias", -0.5, 0.5, n_rows)

    def norm(self, name, n=WIDTH, bias=False):
        self.floats(name + ".weight", 0.5, 1.5, n)
        if bias:
            self.floats(name + ".bias", -0.5, 0.5, n)


def begin(arch, layers, eps, d_head):
    m = Model(arch)
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


def main():
    kinds = {f.__name__: f for f in (gptneox, gemma3, phi3, gpt2)}
    if len(sys.argv) != 3 or sys.argv[1] not in kinds:
        raise SystemExit(__doc__)
    m = kinds[sys.argv[1]]()
    tiny.write(sys.argv[2], m.meta, m.tensors)


if __name__ == "__main__":
    main()
