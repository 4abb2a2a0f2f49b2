# SPDX-License-Identifier: Apache-2.0
"""The sampler from Python: parameters from the library's table, picks, errors."""

import array
import math
import threading
import unittest

from common import needs_numpy, numpy

from openassistant import (
    BusyError,
    InvalidArgumentError,
    LimitError,
    NotFoundError,
    OpenAssistantError,
    Sampler,
)


class Parameters(unittest.TestCase):
    def test_table(self):
        params = Sampler.params()
        keys = [p.key for p in params]
        self.assertEqual(keys[0], "temperature")
        self.assertIn("order", keys)
        self.assertEqual(len(keys), len(set(keys)))
        with Sampler() as sampler:
            self.assertEqual(sampler.keys(), keys)
            for p in params:
                self.assertIn(p.type, ("int", "float", "text"))
                self.assertTrue(p.help)
                self.assertEqual(sampler[p.key], p.default)
                if p.type == "text":
                    self.assertIsInstance(p.default, str)
                    continue
                self.assertIsInstance(p.default, int if p.type == "int" else float)
                for value in (p.min, p.max):
                    sampler[p.key] = value
                    self.assertEqual(sampler[p.key], value)
                for value in (p.min - 1, p.max * 2 + 1, math.nan, math.inf, 10**400):
                    with self.assertRaises(InvalidArgumentError):
                        sampler[p.key] = value
                self.assertEqual(sampler[p.key], p.max)

    def test_by_name(self):
        with Sampler(temperature=0.7, top_k=5, order="top_k;temperature", seed="9") as sampler:
            self.assertEqual(sampler["temperature"], 0.7)
            self.assertEqual(sampler["order"], "top_k;temperature")
            self.assertEqual(
                repr(sampler),
                "Sampler(temperature=0.7, top_k=5, seed=9, order='top_k;temperature')",
            )
            sampler.update(top_k=6, min_p=0)
            self.assertEqual((sampler["top_k"], sampler["min_p"]), (6, 0))
        self.assertEqual(repr(sampler), "<Sampler (closed)>")

    def test_refused(self):
        with self.assertRaises(NotFoundError) as caught:
            Sampler(temprature=1)
        self.assertEqual(caught.exception.name, "OA_ENOTFOUND")
        self.assertIsInstance(caught.exception, LookupError)
        with self.assertRaises(InvalidArgumentError) as caught:
            Sampler(top_p=2)
        self.assertEqual(str(caught.exception), "top_p out of range, want 0 to 1 (OA_EINVAL)")
        self.assertIsInstance(caught.exception, ValueError)
        with Sampler() as sampler:
            for key, value in (("order", "bias;bias"), ("order", "no"), ("order", 1),
                               ("temperature", "x"), ("top_k", 1.5), ("order", "bias\0")):
                with self.assertRaises(InvalidArgumentError):
                    sampler[key] = value
            with self.assertRaises((TypeError, ValueError)):
                sampler["top_k"] = object()
            with self.assertRaises(NotFoundError):
                sampler["nothing"]
        for use in (lambda: sampler["top_k"], lambda: sampler.pick([1.0]), sampler.reset,
                    sampler.fork):
            with self.assertRaises(InvalidArgumentError):
                use()
        sampler.close()


class Picks(unittest.TestCase):
    def test_greedy_from_anything(self):
        values = [0.5, -1.0, 3.0, 2.0]
        with Sampler(temperature=0) as sampler:
            self.assertEqual(sampler.pick(values), 2)
            self.assertEqual(sampler.pick(array.array("f", values)), 2)
            self.assertEqual(sampler.pick(array.array("d", values)), 2)
            self.assertEqual(sampler.pick(bytes(array.array("f", values)) and values), 2)
            self.assertEqual(sampler.pick(memoryview(array.array("f", values)).toreadonly()), 2)
            self.assertEqual(sampler.pick(memoryview(array.array("f", values))[::-1]), 1)
            with self.assertRaises(InvalidArgumentError):
                sampler.pick([])
            with self.assertRaises(LimitError):
                sampler.pick([math.nan, -math.inf])

    @needs_numpy
    def test_numpy(self):
        with Sampler(temperature=0) as sampler:
            for dtype in ("float32", "float64", "float16"):
                values = numpy.linspace(0, 1, 1000).astype(dtype)
                self.assertEqual(sampler.pick(values), 999)
                self.assertEqual(sampler.pick(values[::-2]), 0)

    def test_seed_and_fork(self):
        logits = array.array("f", [0.0] * 1000)
        with Sampler(seed=3, top_k=0) as a, Sampler(seed=3, top_k=0) as b:
            first = [a.pick(logits) for _ in range(20)]
            self.assertEqual(first, [b.pick(logits) for _ in range(20)])
            with a.fork() as c:
                self.assertEqual(c["seed"], 3)
                self.assertEqual([a.pick(logits) for _ in range(20)],
                                 [c.pick(logits) for _ in range(20)])
            a.reset()
            self.assertEqual(first, [a.pick(logits) for _ in range(20)])
        with Sampler() as a, Sampler() as b:
            self.assertNotEqual([a.pick(logits) for _ in range(9)],
                                [b.pick(logits) for _ in range(9)])

    def test_bias_and_history(self):
        with Sampler(temperature=0, bias={1: 5, 2: -math.inf}) as sampler:
            self.assertEqual(sampler.pick([4.0, 0.0, 9.0]), 1)
            sampler.set_bias(1, 0)
            self.assertEqual(sampler.pick([4.0, 0.0, 9.0]), 0)
            sampler["presence_penalty"] = 10
            sampler.accept(0)
            self.assertEqual(sampler.pick([4.0, 0.0, 9.0]), 1)
            for id in (-1, 2**31, 2**70, -(2**70)):
                with self.assertRaises(InvalidArgumentError):
                    sampler.accept(id)
                with self.assertRaises(InvalidArgumentError):
                    sampler.set_bias(id, 1)
            with self.assertRaises(InvalidArgumentError):
                sampler.set_bias(1, math.nan)

    def test_one_thread_at_a_time(self):
        """Many threads on one sampler: each call works or says that it is busy."""
        logits = array.array("f", [0.0] * 50000)
        sampler = Sampler(top_k=0)
        outcomes = []

        def work():
            for _ in range(10):
                try:
                    sampler.pick(logits)
                    outcomes.append(True)
                except BusyError:
                    outcomes.append(False)
                except OpenAssistantError as error:
                    outcomes.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(outcomes), 40)
        self.assertTrue(all(isinstance(o, bool) for o in outcomes), outcomes)
        self.assertIn(True, outcomes)
        sampler.close()
