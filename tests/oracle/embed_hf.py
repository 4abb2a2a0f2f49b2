#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare embeddings with the last hidden states of transformers in float32: a random model of
each family (those of arch_hf.py), 300 tokens, each pooling, plain and normalised.

    embed_hf.py LIBRARY [PATTERN]      only cases whose name has the text in it

Prints TAP; exits with 77 when a module is missing. Differences are parts of the largest number."""
import functools
import sys
import tempfile

from arch_hf import CASES, N_IDS, difference, make_model, np, report, torch

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
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    cases = [c for c in first_of_each(CASES) if pattern in c[1][0]]
    report(sys.argv[1], [(c[0], functools.partial(run, seed, c)) for seed, c in cases])


if __name__ == "__main__":
    main()
