# SPDX-License-Identifier: Apache-2.0
"""Heads from Python: scores by label, of embeddings and of texts."""

import math
import os
import struct
import tempfile
import unittest

from common import TINY

import openassistant as oa
from openassistant import Head, Model

LABELS = ["spam", "rude"]


def text(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def write_head(path, width):
    """A GGUF file of version 3; weights are 0, 1, 2 ... over 100."""
    keys = [("general.type", "head"), ("head.type", "labels"), ("head.pooling", "cls")]
    out = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys) + 1)
    for key, value in keys:
        out += text(key) + struct.pack("<I", 8) + text(value)
    out += text("head.labels") + struct.pack("<IIQ", 9, 8, len(LABELS))
    out += b"".join(map(text, LABELS))
    out += text("head.weight") + struct.pack("<IQQIQ", 2, width, len(LABELS), 0, 0)
    out += bytes(-len(out) % 32)
    n = width * len(LABELS)
    out += struct.pack(f"<{n}f", *(i / 100 for i in range(n)))
    with open(path, "wb") as file:
        file.write(out + bytes(-len(out) % 32))


class Heads(unittest.TestCase):
    def test_scores(self):
        with Model(TINY) as model, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "head.gguf")
            width = model.info.d_model
            write_head(path, width)
            with Head(model, path) as head:
                info = head.info
                self.assertEqual(
                    (info.kind, info.n_scores, info.pooling, info.normalize),
                    ("labels", 2, "cls", False),
                )
                one = [0.0] * width
                one[3] = 1.0
                scores = head.apply(one)
                self.assertEqual(list(scores), LABELS)
                self.assertAlmostEqual(scores["spam"], 0.03, 6)
                self.assertAlmostEqual(scores["rude"], (width + 3) / 100, 5)
                vector = model.embed(["x y"], pooling="cls", normalize=False)[0]
                self.assertEqual(head.score("x y"), head.apply(vector))
                ids, n_first = model.tokenize_pair("x", " y")
                self.assertEqual(n_first, len(model.tokenize("x", eos=False)))
                self.assertEqual(ids[-1:], model.tokenize(" y")[-1:])
                with model.session() as session:
                    pair = session.embed(ids, pooling="cls", normalize=False, n_first=n_first)
                    with self.assertRaises(oa.InvalidArgumentError):
                        session.embed(ids, n_first=len(ids) + 1)
                self.assertEqual(head.score("x", " y"), head.apply(pair))
                self.assertEqual(list(model.embed([("x", b" y")], pooling="cls",
                                                  normalize=False)[0]), list(pair))
                with self.assertRaises(oa.InvalidArgumentError):
                    head.apply([1.0])
                self.assertEqual(info.function, "none")
                self.assertEqual(head.probabilities(scores), scores)
                p = head.probabilities({"a": 0.0, "b": math.log(3)}, "softmax")
                self.assertAlmostEqual(p["a"], 0.25, 6)
                self.assertAlmostEqual(p["b"], 0.75, 6)
                p = head.probabilities({"a": -1000.0, "b": math.log(3)}, "sigmoid")
                self.assertEqual(p["a"], 0.0)
                self.assertAlmostEqual(p["b"], 0.75, 6)
                with self.assertRaises(ValueError):
                    head.probabilities(scores, "tanh")
                with self.assertRaises(oa.InvalidArgumentError):
                    head.probabilities({"a": 0.0})
                again = os.path.join(folder, "again.gguf")
                head.save(again)
                with Head(model, again) as other:
                    self.assertEqual(other.info, info)
                    self.assertEqual(other.apply(vector), head.apply(vector))
                with self.assertRaises(oa.NotFoundError):
                    head.save(os.path.join(folder, "none", "head.gguf"))
            with self.assertRaises(oa.FormatError):
                Head(model, TINY)


if __name__ == "__main__":
    unittest.main()
