#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Speed of the default model here and in llama.cpp, in turns on the same machine.

    speed_llama_cpp.py OPENASSISTANT [RUNS]

One token must be at least as fast, a prompt of 512 tokens at least three times as fast. Needs a
machine with nothing else to do. Prints TAP; exits with 77 when something is missing."""
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import llama_hf

try:
    import llama_cpp
except ImportError as e:
    print(f"1..0 # SKIP no module {e.name}")
    sys.exit(77)

PROMPT, TOKENS = 512, 64


def ours(program, path):
    """Tokens per second of the prompt, of the answer, and the threads that worked."""
    done = subprocess.run([program, "bench", "--json", "-r", "1", "-p", str(PROMPT),
                           "-n", str(TOKENS), "--batch", "0", "--long", "0", "-m", path],
                          stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    return result["prompt_tps"], result["token_tps"], result["n_threads"]


def theirs(model):
    model.reset()
    start = time.perf_counter()
    model.eval([(7919 * i) % 49000 + 5 for i in range(PROMPT)])
    middle = time.perf_counter()
    for i in range(TOKENS):
        model.eval([i + 100])
    return PROMPT / (middle - start), TOKENS / (time.perf_counter() - middle)


def main():
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit(__doc__)
    path = llama_hf.default_model()
    llama_hf.need(path)
    n_threads = ours(sys.argv[1], path)[2]
    model = llama_cpp.Llama(path, n_ctx=PROMPT + TOKENS, n_batch=PROMPT, n_threads=n_threads,
                            n_threads_batch=n_threads, verbose=False)
    rows = [(*ours(sys.argv[1], path)[:2], *theirs(model))
            for _ in range(int(sys.argv[2]) if len(sys.argv) == 3 else 5)]
    prompt, token, their_prompt, their_token = (statistics.median(c) for c in zip(*rows))
    print("1..2")
    failed = 0
    for i, (name, us, them, want) in enumerate((("prompt", prompt, their_prompt, 3),
                                                ("token", token, their_token, 1)), 1):
        good = us >= want * them
        failed += not good
        print(f"# {name}: {us:.1f} tokens/s, llama.cpp {them:.1f}, {n_threads} threads")
        print(f"{'ok' if good else 'not ok'} {i} - {name}: {us / them:.2f} times llama.cpp, "
              f"want at least {want}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
