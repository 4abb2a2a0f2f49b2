#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mean KL divergence from the float32 oracle (transformers) of the default model's quantised file,
as this library runs it and as llama.cpp does, on the same 4096 tokens of OASST text.

    kl_llama_cpp.py ORACLE_LOGITS [MODEL.gguf]

Ours must be at most 1.05 times llama.cpp's. Prints TAP; exits with 77 when something is missing."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import llama_hf

try:
    import llama_cpp
except ImportError as e:
    print(f"1..0 # SKIP no module {e.name}")
    sys.exit(77)
import numpy as np
import torch

PART = 256


def log_softmax(logits):
    x = logits.astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


class Against:
    """Gathers what one implementation's logits say against the oracle's."""

    def __init__(self):
        self.kl, self.top, self.n = 0.0, 0, 0

    def add(self, want, logits):
        got = log_softmax(logits)
        self.kl += float((np.exp(want) * (want - got)).sum())
        self.top += int((want.argmax(axis=1) == got.argmax(axis=1)).sum())
        self.n += len(logits)


def llama_cpp_logits(path, ids):
    model = llama_cpp.Llama(path, n_ctx=len(ids), n_batch=512, logits_all=True, verbose=False)
    model.eval([int(i) for i in ids])
    return model.scores


def main():
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit(__doc__)
    path = sys.argv[2] if len(sys.argv) == 3 else llama_hf.default_model()
    llama_hf.need(path, llama_hf.texts_path())
    with tempfile.TemporaryDirectory() as folder:
        meta, weights = llama_hf.dequantise(path, os.path.join(folder, "f32.gguf"))
        ids = llama_hf.tokenise(meta, llama_hf.texts_path(), 4096)
        model = llama_hf.reference(meta, weights, None)
        del weights
        us, them = Against(), Against()
        ours = llama_hf.ours(sys.argv[1], path, ids, folder, "256", "f16")
        theirs = llama_cpp_logits(path, ids)
        with torch.no_grad():
            hidden = model.model(torch.from_numpy(ids.astype(np.int64))[None]).last_hidden_state[0]
            for at in range(0, len(ids), PART):
                want = log_softmax(model.lm_head(hidden[at:at + PART]).numpy())
                us.add(want, np.asarray(ours[at:at + PART]))
                them.add(want, np.asarray(theirs[at:at + PART]))
    ratio = us.kl / them.kl
    good = ratio <= 1.05
    print("1..1")
    print(f"# ours: mean KL {us.kl / us.n:.6f}, same top token {100 * us.top / us.n:.2f} %")
    print(f"# llama.cpp: mean KL {them.kl / them.n:.6f}, same top token "
          f"{100 * them.top / them.n:.2f} %")
    print(f"{'ok' if good else 'not ok'} 1 - ratio {ratio:.4f}, want at most 1.05")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
