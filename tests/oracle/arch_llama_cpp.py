#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that we write, opened by llama.cpp: logits of arch_hf.py's models after `openassistant
convert`, beside those of transformers. Only models that llama.cpp can be: it has no windows for
some architectures, no biases or tied output for others.

    arch_llama_cpp.py OPENASSISTANT [PATTERN]

Prints TAP; exits with 77 when a module is missing. The limit is 1e-3 of the largest logit: gelu is
a table of half floats there."""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import arch_hf

try:
    import llama_cpp
    import numpy as np
    import transformers
except ImportError as e:
    print(f"1..0 # SKIP no module {e.name}")
    sys.exit(77)

LIMIT = 1e-3
NAMES = [
    "gptneox parallel", "gptneox sequential, tanh", "llama grouped",
    "llama tied, biases, wide heads", "llama linear", "llama yarn", "llama llama3", "smollm3",
    "falcon 7b", "falcon 40b", "gpt2", "gpt2 untied", "qwen2", "qwen2 tied", "qwen3", "qwen3 tied",
    "phi3 short", "phi3 long, partial", "gemma", "gemma one key head", "gemma2 hard caps",
    "gemma2 layers", "gemma3 scaled", "stablelm", "stablelm parallel, head norms", "starcoder2",
    "olmo2", "granite", "granite biases", "granite tied"]


def theirs(path, ids, n_ctx, n_vocab):
    model = llama_cpp.Llama(path, n_ctx=n_ctx, n_batch=512, n_threads=2, logits_all=True,
                            type_k=0, type_v=0, flash_attn=False, verbose=False)
    model.eval([int(i) for i in ids])
    logits = np.array(model.scores[:len(ids), :n_vocab])
    model.close()
    return logits


def run(seed, case, program):
    _, family, values, _, how = case
    with tempfile.TemporaryDirectory() as folder:
        model, n_vocab = arch_hf.make_model(seed, family, values, folder)
        ids = np.random.default_rng(seed).integers(3, n_vocab, arch_hf.N_IDS)
        path = os.path.join(folder, "converted.gguf")
        arch_hf.convert(program, folder, path)
        got = theirs(path, ids, how.get("n_ctx", 512), n_vocab)
        return arch_hf.difference(got, arch_hf.expected(model, ids, False))


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    cases = [(i, c) for i, c in enumerate(arch_hf.CASES, 1) if c[0] in NAMES and pattern in c[0]]
    transformers.logging.set_verbosity_error()
    good = True
    print(f"1..{len(cases)}")
    for number, (seed, case) in enumerate(cases, 1):
        try:
            d = run(seed, case, sys.argv[1])
        except Exception as e:
            print(f"# {type(e).__name__}: {e}")
            d = float("inf")
        good = good and d <= LIMIT
        print(f"{'ok' if d <= LIMIT else 'not ok'} {number} - {case[0]}: largest difference "
              f"{d:.1e}", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
