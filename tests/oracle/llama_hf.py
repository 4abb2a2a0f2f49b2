#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare logits with those of transformers' LlamaForCausalLM on the same weights in float32.

    llama_hf.py small ORACLE_LOGITS MAKE_TINY         random models of many shapes
    llama_hf.py big ORACLE_LOGITS [MODEL.gguf]        a real model, dequantised, 4096 tokens of
                                                      OASST text; default: the default model

Prints TAP; exits with 77 when a module or file is missing. Every entry must be within 1e-3."""
import json
import os
import subprocess
import sys
import tempfile

LIMIT = 1e-3

try:
    import gguf
    import numpy as np
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers
except ImportError as e:
    print(f"1..0 # SKIP no module {e.name}")
    sys.exit(77)


def dequantise(source, target):
    """Write a model again with all its tensors in F32; returns metadata and weights by name."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    meta = {}
    for key, field in reader.fields.items():
        if key.startswith("GGUF."):
            continue
        meta[key] = field.contents()
        if key == "general.architecture":
            continue
        kind = field.types[0]
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, meta[key], kind, sub)
    weights = {}
    for t in reader.tensors:
        w = gguf.dequantize(t.data, t.tensor_type).astype(np.float32)
        w = w.reshape([int(n) for n in reversed(t.shape)])
        weights[t.name] = w
        writer.add_tensor(t.name, w)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return meta, weights


def unpermute(w, n_heads):
    """The converter lays the pairs of a head side by side; transformers has them half apart."""
    d = w.shape[0] // n_heads
    return w.reshape(n_heads, d // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def reference(meta, weights, rope_scaling):
    n_heads = meta["llama.attention.head_count"]
    n_heads_kv = meta["llama.attention.head_count_kv"]
    bias = "blk.0.attn_q.bias" in weights
    rope = {"rope_theta": meta["llama.rope.freq_base"],
            **(rope_scaling or {"rope_type": "default"})}
    common = dict(
        vocab_size=weights["token_embd.weight"].shape[0],
        hidden_size=meta["llama.embedding_length"],
        intermediate_size=meta["llama.feed_forward_length"],
        num_hidden_layers=meta["llama.block_count"],
        num_attention_heads=n_heads,
        num_key_value_heads=n_heads_kv,
        head_dim=weights["blk.0.attn_q.weight"].shape[0] // n_heads,
        max_position_embeddings=meta["llama.context_length"],
        rms_norm_eps=meta["llama.attention.layer_norm_rms_epsilon"],
        tie_word_embeddings="output.weight" not in weights,
        attention_bias=bias, mlp_bias=bias)
    if int(transformers.__version__.split(".")[0]) >= 5:
        config = transformers.LlamaConfig(rope_parameters=rope, **common)
    else:
        config = transformers.LlamaConfig(rope_theta=rope["rope_theta"], rope_scaling=rope_scaling,
                                          **common)
    config._attn_implementation = "eager"
    model = transformers.LlamaForCausalLM(config).float().eval()
    names = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
             "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
             "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    state = {}
    for name, w in weights.items():
        if name == "rope_freqs.weight":
            continue
        if name == "token_embd.weight":
            target = "model.embed_tokens.weight"
        elif name == "output_norm.weight":
            target = "model.norm.weight"
        elif name == "output.weight":
            target = "lm_head.weight"
        else:
            _, layer, part, kind = name.split(".")
            target = f"model.layers.{layer}.{names[part]}.{kind}"
            if part in ("attn_q", "attn_k"):
                w = unpermute(w, n_heads if part == "attn_q" else n_heads_kv)
        state[target] = torch.from_numpy(np.ascontiguousarray(w))
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert all(m == "lm_head.weight" for m in missing), missing
    model.tie_weights()
    return model


def ours(binary, path, ids, folder, *args):
    ids_path, out_path = os.path.join(folder, "ids"), os.path.join(folder, "logits")
    ids.astype("<i4").tofile(ids_path)
    subprocess.run([binary, path, ids_path, out_path, *args], check=True)
    return np.memmap(out_path, dtype="<f4", mode="r").reshape(len(ids), -1)


def compare(model, ids, got):
    """Largest difference of any entry; logits are computed in parts, they would fill memory."""
    worst = 0.0
    with torch.no_grad():
        hidden = model.model(torch.from_numpy(ids.astype(np.int64))[None]).last_hidden_state[0]
        for at in range(0, len(ids), 256):
            want = model.lm_head(hidden[at:at + 256]).numpy()
            part = np.asarray(got[at:at + 256])
            if not np.isfinite(part).all():
                return float("inf")
            worst = max(worst, float(np.abs(part - want).max()))
    return worst


def report(number, name, worst):
    good = worst <= LIMIT
    print(f"{'ok' if good else 'not ok'} {number} - {name}: largest difference {worst:.2e}",
          flush=True)
    return good


def small(binary, make_tiny):
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
              "high_freq_factor": 4.0, "original_max_position_embeddings": 512}
    cases = {
        "grouped heads": ([], None),
        "every head its own keys": (["--heads-kv", "8"], None),
        "one key head, tied output": (["--heads-kv", "1", "--tied"], None),
        "wide heads, other width": (["--width", "192", "--heads", "3", "--heads-kv", "3",
                                       "--head-width", "72"], None),
        "narrow heads, odd sizes": (["--width", "96", "--ff", "200", "--heads", "12", "--heads-kv",
                                     "4", "--layers", "3"], None),
        "linear scaling": (["--rope", "linear"], {"rope_type": "linear", "factor": 4.0}),
        "llama3 scaling": (["--rope", "llama3", "--rope-base", "500000"], llama3),
        "biases": (["--bias"], None),
    }
    print(f"1..{len(cases)}")
    good = True
    for number, (name, (args, scaling)) in enumerate(cases.items(), 1):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tiny.gguf")
            subprocess.run([sys.executable, make_tiny, path, "--type", "F32", "--seed", str(number),
                            *args], check=True)
            meta, weights = dequantise(path, os.path.join(folder, "again.gguf"))
            model = reference(meta, weights, scaling)
            ids = np.random.default_rng(number).integers(0, 391, 700)
            worst = compare(model, ids, ours(binary, path, ids, folder, "100", "f32"))
            good = report(number, name, worst) and good
    return good


def tokenise(meta, texts, n):
    tokens = meta["tokenizer.ggml.tokens"]
    merges = [tuple(m.split(" ")) for m in meta["tokenizer.ggml.merges"]]
    t = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(tokens)}, merges=merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    ids = []
    with open(texts, encoding="utf-8") as f:
        for line in f:
            ids += t.encode(json.loads(line)["text"] + "\n").ids
            if len(ids) >= n:
                break
    return np.array(ids[:n])


def default_model():
    """As tests/util/model.h looks for it."""
    data = os.environ.get("XDG_DATA_HOME", "")
    if not data.startswith("/"):
        data = os.path.join(os.environ.get("HOME", ""), ".local/share")
    return os.environ.get("OA_TEST_MODEL") or os.path.join(
        data, "openassistant/models/SmolLM2-135M-Instruct.Q4_1.gguf")


def need(*paths):
    for path in paths:
        if not os.path.exists(path):
            print(f"1..0 # SKIP no file {path}")
            sys.exit(77)


def texts_path():
    return os.path.join(os.environ.get("OA_TEST_SHARED", "../shared"),
                        "data/oasst1-en.messages.jsonl")


def big(binary, path=None):
    path, texts = path or default_model(), texts_path()
    need(path, texts)
    with tempfile.TemporaryDirectory() as folder:
        f32 = os.path.join(folder, "f32.gguf")
        meta, weights = dequantise(path, f32)
        ids = tokenise(meta, texts, 4096)
        model = reference(meta, weights, None)
        del weights
        print("1..1")
        return report(1, "4096 tokens in one context",
                      compare(model, ids, ours(binary, f32, ids, folder, "256", "f32")))


def main():
    verbs = {"small": (small, 2, 2), "big": (big, 1, 2)}
    verb, least, most = verbs.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, 0, 0))
    if verb is None or not least <= len(sys.argv) - 2 <= most:
        raise SystemExit(__doc__)
    sys.exit(0 if verb(*sys.argv[2:]) else 1)


if __name__ == "__main__":
    main()
