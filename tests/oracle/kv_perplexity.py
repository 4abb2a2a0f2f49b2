#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the types of the cache cost: perplexity of SmolLM2-135M-Instruct on answers of the messages
under OA_TEST_SHARED, 8 windows of 512 tokens. Any two types differ by 0.3 % at most.

    kv_perplexity.py LIBRARY

Prints TAP; skips where the model (OA_TEST_MODEL or the installed one) or the messages are missing.
"""
import json
import os
import sys

MODEL = os.environ.get("OA_TEST_MODEL") or "SmolLM2-135M-Instruct.Q4_1"
MESSAGES = os.path.join(os.environ.get("OA_TEST_SHARED", "../shared"), "data",
                        "oasst1-en.messages.jsonl")
PAIRS = [("f16", "f32"), ("q8", "f16"), ("q8", "f32")]
LIMIT = 0.003


def long_answers(size):
    texts = []
    with open(MESSAGES, encoding="utf-8") as f:
        for line in f:
            message = json.loads(line)
            if message["role"] == "assistant" and len(message["text"]) > 1500:
                texts.append(message["text"])
                size -= len(message["text"])
            if size < 0:
                break
    return "\n\n".join(texts)


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    os.environ["OA_LIBRARY"] = sys.argv[1]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, os.path.join(root, "bindings/python/src"))
    import openassistant as oa
    if not os.path.exists(MESSAGES):
        print("1..0 # SKIP", MESSAGES, "is missing")
        return 0
    try:
        model = oa.Model(MODEL, threads=2)
    except oa.NotFoundError as e:
        print("1..0 # SKIP", e)
        return 0
    text, good = long_answers(30000), True
    print(f"1..{len(PAIRS)}")
    with model:
        values = {kv: model.perplexity(text, n_ctx=512, max_windows=8, kv_type=kv).perplexity
                  for kv in ("f16", "f32", "q8")}
    for number, (kv, other) in enumerate(PAIRS, 1):
        off = values[kv] / values[other] - 1
        fine = 0 < abs(off) <= LIMIT
        good = good and fine
        print(f"{'ok' if fine else 'not ok'} {number} - {kv} {values[kv]:.4f}, "
              f"{other} {values[other]:.4f}: {off:+.3%}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
