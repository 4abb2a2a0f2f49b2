#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare embeddings with the last hidden states of transformers in float32: a random model of
each family (those of arch_hf.py), 300 tokens, each pooling, plain and normalised.

    embed_hf.py LIBRARY [PATTERN]      only cases whose name has the text in it

Prints TAP; exits with 77 when a module is missing. Differences are parts of the largest number."""
import os
import sys
import tempfile

from arch_hf import CASES, N_IDS, difference, make_model, np, torch, transformers

LIMIT = 3e-5


def first_of_each(cases):
    seen = set()
    return [(i, c) for i, c in enumerate(cases, 1)
            if not c[4] and not (c[1] in seen or seen.add(c[1]))]


def pooled(states, pooling):
    v = states.double().numpy()
    return {"mean": v.mean(axis=0), "last": v[-1], "cls": v[0]}[pooling]


def run(number, case):
    import openassistant as oa
    worst, kinds = 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        model, n_vocab = make_model(number, case[1], case[2], folder)
        ids = np.random.default_rng(number).integers(3, n_vocab, N_IDS)
        with torch.no_grad():
            states = model.base_model(torch.from_numpy(ids)[None]).last_hidden_state[0]
        with oa.Model(folder, threads=2) as m, m.session(n_ctx=512, kv_type="f32") as session:
            for pooling in ("mean", "last", "cls"):
                want = pooled(states, pooling)
                kinds.append(want)
                for normalize in (False, True):
                    if normalize:
                        want = want / np.sqrt((want * want).sum())
                    got = np.array(session.embed(list(map(int, ids)), pooling=pooling,
                                                 normalize=normalize))
                    worst = max(worst, difference(got, want))
                    if worst > LIMIT:
                        return f"{pooling}, normalize={normalize}: {worst:.2e}", worst
        if min(difference(kinds[i], kinds[i - 1]) for i in range(3)) < 0.01:
            return "the poolings are alike, so nothing was shown", worst
    return None, worst


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    os.environ["OA_LIBRARY"] = sys.argv[1]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, os.path.join(root, "bindings/python/src"))
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    cases = [c for c in first_of_each(CASES) if pattern in c[1][0]]
    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    good = True
    print(f"1..{len(cases)}")
    for number, (seed, case) in enumerate(cases, 1):
        try:
            wrong, worst = run(seed, case)
        except Exception as e:
            wrong, worst = f"{type(e).__name__}: {e}", 0.0
        good = good and wrong is None
        print(f"{'not ok' if wrong else 'ok'} {number} - {case[0]}: "
              f"{wrong or f'largest difference {worst:.1e}'}", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
