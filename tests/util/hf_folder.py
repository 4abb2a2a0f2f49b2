# SPDX-License-Identifier: Apache-2.0
"""Writes a small Hugging Face folder of a llama model, without any package: 2 layers, 264 tokens of
which 259 have a meaning, weights that are numbers of a fixed row."""
import array
import json
import os
import struct

WIDTH, FF, HEADS, HEADS_KV, VOCAB = 32, 48, 4, 2, 264


def letters():
    """What byte-level tokenizers write bytes as."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(extra)) for b in range(256)]


def tokenizer():
    added = [{"id": 256 + i, "content": text, "special": True, "normalized": False,
              "lstrip": False, "rstrip": False, "single_word": False}
             for i, text in enumerate(("<|end|>", "<|user|>"))]
    vocab = {letter: i for i, letter in enumerate(letters())}
    vocab["ab"] = 258
    return {"version": "1.0", "added_tokens": added, "normalizer": None, "post_processor": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                              "use_regex": True},
            "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": vocab, "merges": ["a b"]}}


def tensors():
    """Names with shapes."""
    yield "model.embed_tokens.weight", (VOCAB, WIDTH)
    yield "model.norm.weight", (WIDTH,)
    for i in range(2):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (WIDTH,)
        yield layer + "post_attention_layernorm.weight", (WIDTH,)
        yield layer + "self_attn.q_proj.weight", (WIDTH, WIDTH)
        yield layer + "self_attn.k_proj.weight", (WIDTH // 2, WIDTH)
        yield layer + "self_attn.v_proj.weight", (WIDTH // 2, WIDTH)
        yield layer + "self_attn.o_proj.weight", (WIDTH, WIDTH)
        yield layer + "mlp.gate_proj.weight", (FF, WIDTH)
        yield layer + "mlp.up_proj.weight", (FF, WIDTH)
        yield layer + "mlp.down_proj.weight", (WIDTH, FF)


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(value, f)


def write_safetensors(path, names_and_shapes, seed):
    header, data = {}, array.array("f")
    for name, shape in names_and_shapes:
        n, begin = 1, 4 * len(data)
        for dim in shape:
            n *= dim
        for _ in range(n):
            seed = (seed * 1664525 + 1013904223) % 2**32
            data.append(((seed >> 16) - 32768) / 131072)
        header[name] = {"dtype": "F32", "shape": list(shape),
                        "data_offsets": [begin, 4 * len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        data.tofile(f)
    return seed


def write_folder(folder, n_files=1, labels=(), **more):
    """With labels a classifier; more values of config.json."""
    os.makedirs(folder)
    if labels:
        more["id2label"] = {str(i): label for i, label in enumerate(labels)}
    write_json(folder, "config.json", {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": WIDTH,
        "intermediate_size": FF, "num_hidden_layers": 2, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS_KV, "vocab_size": VOCAB, "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "eos_token_id": 256, "torch_dtype": "float32", "_name_or_path": "somebody/Tiny", **more})
    write_json(folder, "generation_config.json",
               {"eos_token_id": [256, 257], "do_sample": True, "temperature": 0.25, "top_k": 7})
    write_json(folder, "tokenizer.json", tokenizer())
    write_json(folder, "tokenizer_config.json", {
        "eos_token": "<|end|>", "chat_template":
        "{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}"})
    all_tensors = list(tensors())
    if labels:
        all_tensors.append(("score.weight", (len(labels), WIDTH)))
    if n_files == 1:
        write_safetensors(os.path.join(folder, "model.safetensors"), all_tensors, 1)
        return
    seed, weight_map, per_file = 1, {}, -(-len(all_tensors) // n_files)
    for i in range(n_files):
        name = f"model-{i + 1:05}-of-{n_files:05}.safetensors"
        part = all_tensors[i * per_file:(i + 1) * per_file]
        seed = write_safetensors(os.path.join(folder, name), part, seed)
        weight_map.update({tensor: name for tensor, _ in part})
    write_json(folder, "model.safetensors.index.json",
               {"metadata": {"total_size": 0}, "weight_map": weight_map})
