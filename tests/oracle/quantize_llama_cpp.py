#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Quantised files of ours beside llama.cpp's.

    quantize_llama_cpp.py rows QUANTIZE            error of every type on the same weights
    quantize_llama_cpp.py files OPENASSISTANT      files of both in both programs

rows: the root mean square error of our rows must be at most llama.cpp's, on Gaussian and heavy-
tailed numbers and on weights of the default model; read back by the gguf package. With --table the
numbers are printed as docs/quantization.md has them.
files: what we quantise opens in llama.cpp and what it quantises opens here, and both programs give
the same perplexity of the same tokens within 0.5 %.

Prints TAP; exits with 77 when something is missing."""
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import llama_hf

try:
    import gguf
    import llama_cpp
except ImportError as e:
    print(f"1..0 # SKIP no module {e.name}")
    sys.exit(77)
import numpy as np

TYPES = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS".split()
ROW = 2304  # a multiple of 256
N = ROW * 160
TENSORS = ["token_embd.weight", "blk.4.ffn_down.weight", "blk.20.ffn_up.weight",
           "blk.9.attn_output.weight"]


def sources(path):
    rng = np.random.default_rng(1)
    yield "Gaussian", (rng.standard_normal(N) * 0.03).astype(np.float32)
    yield "Student t", (rng.standard_t(4, N) * 0.02).astype(np.float32)
    tensors = {t.name: t for t in gguf.GGUFReader(path).tensors}
    for name in TENSORS:
        t = tensors[name]
        x = gguf.dequantize(t.data, t.tensor_type).astype(np.float32).reshape(-1)[:N]
        yield name, np.ascontiguousarray(x[:len(x) // ROW * ROW])


def library():
    folder = os.path.join(os.path.dirname(llama_cpp.__file__), "lib")
    base = ctypes.CDLL(os.path.join(folder, "libggml-base.so"))
    base.ggml_quantize_chunk.restype = ctypes.c_size_t
    base.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                                         ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
                                         ctypes.c_void_p]
    return base


def rows(program, table):
    path = llama_hf.default_model()
    llama_hf.need(path)
    base = library()
    results = {}
    names = []
    print(f"1..{len(TYPES)}")
    n_bad = 0
    for name, x in sources(path):
        names.append(name)
        for kind in TYPES:
            number = int(gguf.GGMLQuantizationType[kind])
            block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(number)]
            theirs = np.zeros(len(x) // block * size, dtype=np.uint8)
            begun = time.process_time()
            base.ggml_quantize_chunk(number, x.ctypes.data, theirs.ctypes.data, 0, len(x) // ROW,
                                     ROW, None)
            took = time.process_time() - begun
            done = subprocess.run([program, str(number), str(len(x))], input=x.tobytes(),
                                  capture_output=True, check=True)
            ours = np.frombuffer(done.stdout, dtype=np.uint8)
            error = []
            for data in (ours, theirs):
                y = gguf.dequantize(data.reshape(-1, size), gguf.GGMLQuantizationType(number))
                d = y.reshape(-1).astype(np.float64) - x
                error.append(float(np.sqrt((d * d).mean() / (x.astype(np.float64) ** 2).mean())))
            results[kind, name] = (*error, took / float(done.stderr))
    for i, kind in enumerate(TYPES, 1):
        # of weights that a type holds exactly, both errors are rounding noise
        bad = [name for name in names
               if results[kind, name][0] > results[kind, name][1] * 1.0001 + 1e-6]
        text = ", ".join(f"{name} {results[kind, name][0]:.5f}/{results[kind, name][1]:.5f}"
                         for name in names)
        print(f"# {text}; {results[kind, 'Gaussian'][2]:.2f} times as fast")
        print(f"{'not ok' if bad else 'ok'} {i} - {kind} {bad or ''}")
        n_bad += bool(bad)
    if table:
        print("| type | " + " | ".join(names) + " |")
        for kind in TYPES:
            print(f"| {kind} | " + " | ".join(
                "{:.4f} / {:.4f}".format(*results[kind, name][:2]) for name in names) + " |")
    return n_bad


@llama_cpp.llama_log_callback
def silence(level, line, user):
    """llama.cpp's remarks; one for each tensor that falls back."""


def theirs(path, text, n_windows):
    """Mean negative log-likelihood in llama.cpp: windows of 512, all but their first tokens."""
    model = llama_cpp.Llama(path, n_ctx=512, n_batch=512, logits_all=True, verbose=False,
                            n_threads=os.cpu_count())
    ids = model.tokenize(text.encode(), add_bos=True, special=False)
    total, n = 0.0, 0
    for begin in range(0, n_windows * 512, 512):
        window = ids[begin:begin + 512]
        model.reset()
        model.eval(window)
        x = np.asarray(model.scores[:511], dtype=np.float64)
        x -= x.max(axis=1, keepdims=True)
        x -= np.log(np.exp(x).sum(axis=1, keepdims=True))
        total -= x[np.arange(511), window[1:]].sum()
        n += 511
    model.close()
    return n, total / n


# Both programs round activations to 8 bits, each in its own blocks, and this model has some that
# are a thousand times the others: a difference that takes thousands of tokens to even out where
# many matrices are of types that llama.cpp pairs with blocks of 256.
FILES = [("ours", "Q8_0", 1), ("ours", "F16", 1), ("ours", "IQ4_XS", 10), ("ours", "Q3_K_S", 10),
         ("ours", "Q4_K_M", 10), ("llama.cpp's", "Q8_0", 2), ("llama.cpp's", "Q4_K_M", 10)]


def files(program):
    path = llama_hf.default_model()
    llama_hf.need(path, llama_hf.texts_path())
    text = "\n\n".join(json.loads(line)["text"] for line in open(llama_hf.texts_path()))[:24000]
    llama_cpp.llama_log_set(silence, ctypes.c_void_p(0))
    n_bad = 0
    print(f"1..{len(FILES)}")
    with tempfile.TemporaryDirectory() as folder:
        wide, out = os.path.join(folder, "wide.gguf"), os.path.join(folder, "out.gguf")
        sample = os.path.join(folder, "text")
        with open(sample, "w", encoding="utf-8") as f:
            f.write(text)
        subprocess.run([program, "convert", path, wide, "--type", "F16", "-q"], check=True,
                       stdout=subprocess.DEVNULL)
        for i, (who, kind, n_windows) in enumerate(FILES, 1):
            if who == "ours":
                subprocess.run([program, "quantize", wide, out, kind, "-q"], check=True,
                               stdout=subprocess.DEVNULL)
            else:
                params = llama_cpp.llama_model_quantize_default_params()
                params.ftype = getattr(llama_cpp, "LLAMA_FTYPE_MOSTLY_" + kind)
                if llama_cpp.llama_model_quantize(wide.encode(), out.encode(),
                                                  ctypes.byref(params)):
                    raise SystemExit("llama_model_quantize failed")
            done = subprocess.run([program, "perplexity", "-m", out, sample, "--ctx", "512",
                                   "--stride", "512", "--windows", str(n_windows), "--json", "-q"],
                                  stdout=subprocess.PIPE, check=True)
            us = json.loads(done.stdout)
            n, nll = theirs(out, text, n_windows)
            ratio = float(np.exp(us["nll"] - nll))
            bad = abs(ratio - 1) > 0.005 or us["n_scored"] != n
            print(f"{'not ok' if bad else 'ok'} {i} - {who} {kind}, {n} tokens: "
                  f"{us['perplexity']:.4f} here, {float(np.exp(nll)):.4f} in llama.cpp, "
                  f"ratio {ratio:.5f}", flush=True)
            n_bad += bad
    return n_bad


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("rows", "files"):
        raise SystemExit(__doc__)
    if sys.argv[1] == "rows":
        bad = rows(sys.argv[2], "--table" in sys.argv)
    else:
        bad = files(sys.argv[2])
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
