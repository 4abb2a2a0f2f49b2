# SPDX-License-Identifier: Apache-2.0
"""Model.perplexity."""

import math
import unittest

from common import TINY

from openassistant import Model, OpenAssistantError

TEXT = "The sky is blue because air scatters short waves more than long ones. " * 6


class Perplexity(unittest.TestCase):
    def test_agrees_with_logits(self):
        seen = []
        with Model(TINY) as model:
            r = model.perplexity(TEXT, n_ctx=32, stride=32, progress=lambda *a: seen.append(a))
            self.assertEqual(seen[-1][1], seen[-1][2])
            ids = model.tokenize(TEXT, eos=False)
            total, n = 0.0, 0
            for begin in range(0, len(ids), 32):
                window = ids[begin : begin + 32]
                with model.session(n_ctx=32) as session:
                    for previous, target in zip(window, window[1:]):
                        session.append([previous])
                        logits = [float(x) for x in session.logits()]
                        top = max(logits)
                        total += top - logits[target]
                        total += math.log(sum(math.exp(x - top) for x in logits))
                        n += 1
            self.assertEqual(r.n_scored, n)
            self.assertAlmostEqual(r.nll, total / n, delta=1e-6 * r.nll)
            self.assertAlmostEqual(r.perplexity, math.exp(r.nll), delta=1e-9 * r.perplexity)
            self.assertEqual(model.perplexity(TEXT, n_ctx=32, stride=32, steps=True), r)
            one = model.perplexity(TEXT, n_ctx=32, max_windows=1, kv_type="f32")
            self.assertEqual((one.n_windows, one.n_scored), (1, 15))

    def test_errors(self):
        def fail(what, done, total):
            raise KeyError("no")

        with Model(TINY) as model:
            for options in ({"n_ctx": 2}, {"n_ctx": 8, "stride": 9}, {"n_ctx": -1}):
                with self.assertRaises(OpenAssistantError, msg=options):
                    model.perplexity(TEXT, **options)
            with self.assertRaises(OpenAssistantError):
                model.perplexity("")
            with self.assertRaises(KeyError):
                model.perplexity(TEXT, progress=fail)
            with self.assertRaises(ValueError):
                model.perplexity(TEXT, kv_type="f8")
