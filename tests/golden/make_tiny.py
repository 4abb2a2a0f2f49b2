#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write a tiny model of the llama architecture: random weights in every block format, a byte-level
BPE vocabulary trained on the text below, a chat template. Without options it writes, byte for
byte, the frozen tests/golden/tiny.gguf. The standard library only.

    make_tiny.py OUT [options]      other shapes, types and rope scalings for tests
"""
import argparse
import math
import random
import struct

TEXT = """
The library opens a model, reads a prompt and gives an answer. The answer is the same on every
machine: the same file, the same options and the same words give the same numbers. A person asks
why the sky is blue, and the assistant says that the air scatters the light of the sun, the blue
more than the red. Then the person asks for more, and there is more. What is said is kept, what is
kept can be read again, and what was read need not be computed once more. The tests read this text
to learn which letters stand together: the, and, ing, that, there, then, this, what, with, again.
"""

TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
            "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

# name: number, elements per block, bytes per block
TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "BF16": (30, 1, 2), "Q4_0": (2, 32, 18),
         "Q4_1": (3, 32, 20), "Q5_0": (6, 32, 22), "Q5_1": (7, 32, 24), "Q8_0": (8, 32, 34),
         "Q2_K": (10, 256, 84), "Q3_K": (11, 256, 110), "Q4_K": (12, 256, 144),
         "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210), "IQ4_NL": (20, 32, 18),
         "IQ4_XS": (23, 256, 136)}

# Together the two layers hold every type.
MIXED = [{"attn_q": "Q4_0", "attn_k": "F32", "attn_v": "F16", "attn_output": "Q4_1",
          "ffn_gate": "Q5_0", "ffn_up": "Q5_1", "ffn_down": "Q2_K"},
         {"attn_q": "Q3_K", "attn_k": "BF16", "attn_v": "Q8_0", "attn_output": "Q4_K",
          "ffn_gate": "Q5_K", "ffn_up": "Q6_K", "ffn_down": "Q8_0"}]


# --- weights -----------------------------------------------------------------------------------

def f16(x):
    return struct.pack("<e", x)


def block(rng, kind, std):
    """One random block whose values have about the given standard deviation."""
    if kind == "F32":
        return struct.pack("<f", rng.gauss(0, std))
    if kind == "F16":
        return f16(rng.gauss(0, std))
    if kind == "BF16":
        return struct.pack("<f", rng.gauss(0, std))[2:]
    wobble = std * (0.75 + 0.5 * rng.random())
    sign = rng.choice((-1, 1))
    if kind == "Q4_0":    # (q - 8) d, q uniform in 0..15
        return f16(sign * wobble / 4.6) + rng.randbytes(16)
    if kind == "Q4_1":    # q d + m
        return f16(wobble / 4.6) + f16(-7.5 * wobble / 4.6) + rng.randbytes(16)
    if kind == "Q5_0":    # (q - 16) d
        return f16(sign * wobble / 9.2) + rng.randbytes(20)
    if kind == "Q5_1":
        return f16(wobble / 9.2) + f16(-15.5 * wobble / 9.2) + rng.randbytes(20)
    if kind == "Q8_0":    # q d, q in -127..127
        q = bytes(rng.randrange(255) + 129 & 255 for _ in range(32))
        return f16(sign * wobble / 73) + q
    if kind == "Q2_K":    # d s q - dmin m, s and m in 0..15, q in 0..3
        d = wobble / 10
        return rng.randbytes(16) + rng.randbytes(64) + f16(d) + f16(1.5 * d)
    if kind == "Q3_K":    # d (s - 32) (q - 4)
        return rng.randbytes(32) + rng.randbytes(64) + rng.randbytes(12) + f16(wobble / 43)
    if kind == "Q4_K":    # d s q - dmin m, s and m in 0..63, q in 0..15
        d = wobble / 180
        return f16(d) + f16(7.5 * d) + rng.randbytes(12) + rng.randbytes(128)
    if kind == "Q5_K":
        d = wobble / 360
        return f16(d) + f16(15.5 * d) + rng.randbytes(12) + rng.randbytes(160)
    if kind == "Q6_K":    # d s (q - 32), s in -128..127
        return rng.randbytes(192) + rng.randbytes(16) + f16(wobble / 1360)
    if kind == "IQ4_NL":  # d times one of 16 values in -127..113
        return f16(sign * wobble / 71) + rng.randbytes(16)
    if kind == "IQ4_XS":  # d (s - 32) times that
        return f16(wobble / 1320) + rng.randbytes(2) + rng.randbytes(4) + rng.randbytes(128)
    raise ValueError(kind)


def matrix(rng, kind, n_rows, n_cols):
    block_len = TYPES[kind][1]
    if n_cols % block_len:
        raise SystemExit(f"rows of {n_cols} elements do not fit {kind}")
    std = 1 / math.sqrt(n_cols)
    return b"".join(block(rng, kind, std) for _ in range(n_rows * n_cols // block_len))


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


# --- vocabulary ----------------------------------------------------------------------------------

def byte_letters():
    """The letters that byte-level BPE writes bytes with."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {}, 256
    for b in range(256):
        if b in plain:
            letters[b] = chr(b)
        else:
            letters[b] = chr(extra)
            extra += 1
    return letters


def train(n_merges):
    letters = byte_letters()
    words = [[letters[b] for b in (" " + word).encode()] for word in TEXT.split()]
    merges = []
    while len(merges) < n_merges:
        counts = {}
        for word in words:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        best = max(sorted(counts), key=counts.get)
        merges.append(best)
        for word in words:
            i = 0
            while i + 1 < len(word):
                if (word[i], word[i + 1]) == best:
                    word[i:i + 2] = [best[0] + best[1]]
                i += 1
    tokens = SPECIAL + [letters[b] for b in range(256)]
    tokens += [left + right for left, right in merges]
    return tokens, [f"{left} {right}" for left, right in merges]


# --- file ----------------------------------------------------------------------------------------

def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(v):
    """Type number and bytes of a metadata value."""
    if isinstance(v, bool):
        return 7, struct.pack("<B", v)
    if isinstance(v, int):
        return 4, struct.pack("<I", v)
    if isinstance(v, float):
        return 6, struct.pack("<f", v)
    if isinstance(v, str):
        return 8, string(v)
    if isinstance(v[0], str):
        return 9, struct.pack("<IQ", 8, len(v)) + b"".join(map(string, v))
    return 9, struct.pack("<IQ", 5, len(v)) + struct.pack(f"<{len(v)}i", *v)


def write(path, meta, tensors):
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(meta))
    for key, v in meta.items():
        number, data = value(v)
        head += string(key) + struct.pack("<I", number) + data
    body = bytearray()
    for name, (kind, dims, data) in tensors.items():
        head += string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, TYPES[kind][0],
                                           len(body))
        body += data
        body += bytes(-len(body) % 32)
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32) + body)


def llama3_factors(args, d_rot):
    """What the converter of Hugging Face models writes for rope_type llama3."""
    factor, low, high, old = 8.0, 1.0, 4.0, args.context // 4
    out = []
    for i in range(0, d_rot, 2):
        wavelen = 2 * math.pi * args.rope_base ** (i / d_rot)
        if wavelen < old / high:
            out.append(1.0)
        elif wavelen > old / low:
            out.append(factor)
        else:
            smooth = (old / wavelen - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("out")
    p.add_argument("--type", choices=TYPES, help="one type for all matrices")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--layers", type=int, default=2)
    p.add_argument("--width", type=int, default=256)
    p.add_argument("--ff", type=int, default=256)
    p.add_argument("--heads", type=int, default=8)
    p.add_argument("--heads-kv", type=int, default=2)
    p.add_argument("--head-width", type=int, help="default: width / heads")
    p.add_argument("--context", type=int, default=2048)
    p.add_argument("--rope-base", type=float, default=10000.0)
    p.add_argument("--rope", choices=("none", "linear", "llama3"), default="none")
    p.add_argument("--tied", action="store_true", help="no output matrix of its own")
    p.add_argument("--bias", action="store_true", help="biases on all products")
    args = p.parse_args()

    rng = random.Random(args.seed)
    tokens, merges = train(132)
    d_head = args.head_width or args.width // args.heads
    d_q, d_kv = args.heads * d_head, args.heads_kv * d_head
    meta = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "general.license": "apache-2.0",
        "llama.block_count": args.layers,
        "llama.context_length": args.context,
        "llama.embedding_length": args.width,
        "llama.feed_forward_length": args.ff,
        "llama.attention.head_count": args.heads,
        "llama.attention.head_count_kv": args.heads_kv,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": args.rope_base,
        "llama.rope.dimension_count": d_head,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * len(SPECIAL) + [1] * (len(tokens) - len(SPECIAL)),
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }
    if args.head_width:
        meta["llama.attention.key_length"] = d_head
        meta["llama.attention.value_length"] = d_head
    if args.rope == "linear":
        meta["llama.rope.scaling.type"] = "linear"
        meta["llama.rope.scaling.factor"] = 4.0

    tensors = {}

    def add_matrix(name, kind, n_rows, n_cols):
        kind = args.type or kind
        tensors[name + ".weight"] = (kind, (n_cols, n_rows), matrix(rng, kind, n_rows, n_cols))
        if args.bias and name.startswith("blk"):
            tensors[name + ".bias"] = ("F32", (n_rows,),
                                       floats([rng.gauss(0, 0.1) for _ in range(n_rows)]))

    def add_norm(name):
        tensors[name] = ("F32", (args.width,),
                         floats([rng.uniform(0.8, 1.2) for _ in range(args.width)]))

    add_matrix("token_embd", "Q8_0", len(tokens), args.width)
    add_norm("output_norm.weight")
    if not args.tied:
        add_matrix("output", "Q6_K", len(tokens), args.width)
    if args.rope == "llama3":
        tensors["rope_freqs.weight"] = ("F32", (d_head // 2,), floats(llama3_factors(args, d_head)))
    for i in range(args.layers):
        kinds = MIXED[i % 2]
        add_norm(f"blk.{i}.attn_norm.weight")
        for part, n_rows, n_cols in (("attn_q", d_q, args.width), ("attn_k", d_kv, args.width),
                                     ("attn_v", d_kv, args.width),
                                     ("attn_output", args.width, d_q)):
            add_matrix(f"blk.{i}.{part}", kinds[part], n_rows, n_cols)
        add_norm(f"blk.{i}.ffn_norm.weight")
        for part, n_rows, n_cols in (("ffn_gate", args.ff, args.width),
                                     ("ffn_up", args.ff, args.width),
                                     ("ffn_down", args.width, args.ff)):
            add_matrix(f"blk.{i}.{part}", kinds[part], n_rows, n_cols)
    write(args.out, meta, tensors)


if __name__ == "__main__":
    main()
