# SPDX-License-Identifier: Apache-2.0
"""convert and quantize."""

import os
import tempfile
import unittest
from pathlib import Path

from common import TINY

from openassistant import Model, OpenAssistantError, convert, convert_types, quantize


class Convert(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.out = Path(self.folder.name, "out.gguf")

    def tearDown(self):
        self.folder.cleanup()

    def test_types(self):
        types = convert_types()
        self.assertEqual(list(types)[0], "Q2_K")
        self.assertEqual(list(types)[-1], "F32")
        self.assertIn("IQ4_XS", types)
        self.assertTrue(all(types.values()))

    def test_convert_and_quantize(self):
        seen, lines = [], []
        r = convert(TINY, self.out, "f16", progress=lambda *a: seen.append(a),
                    log=lambda level, line: lines.append(line), log_level="info")
        self.assertEqual(r.n_requantised, 0)
        self.assertGreater(r.out_size, r.in_size)
        self.assertEqual(seen[-1][1], seen[-1][2])
        self.assertEqual(len(lines), r.n_tensors)
        small = Path(self.folder.name, "small.gguf")
        q = quantize(self.out, small, "Q4_K_M", pure=True, threads=1)
        self.assertLess(small.stat().st_size, self.out.stat().st_size)
        self.assertEqual((q.n_params, q.n_tensors, q.n_fallback), (r.n_params, r.n_tensors, 0))
        with Model(small) as model:
            self.assertEqual(model.info.type, "Q4_K")
        kept = convert(small, self.out)
        self.assertEqual((kept.n_converted, kept.in_size), (0, q.out_size))

    def test_pack(self):
        packed, back = Path(self.folder.name, "packed.gguf"), Path(self.folder.name, "back.gguf")
        convert(TINY, self.out)
        self.assertEqual(convert(self.out, packed, pack=True).n_converted, 0)
        with Model(packed) as model, Model(self.out) as plain:
            self.assertIn("packed", model.info.types)
            self.assertEqual(model.info.n_params, plain.info.n_params)
        convert(packed, back)
        self.assertEqual(back.read_bytes(), self.out.read_bytes())

    def test_errors(self):
        with self.assertRaises(OpenAssistantError) as caught:
            quantize(TINY, self.out, "Q17")
        self.assertEqual(caught.exception.name, "OA_EINVAL")
        with self.assertRaises(OpenAssistantError):
            quantize(TINY, TINY, "Q4_0")
        with self.assertRaises(ValueError):
            quantize(TINY, self.out, "")
        with self.assertRaises(ValueError):
            convert(TINY, self.out, log_level="loud")

        def stop(what, done, total):
            raise KeyError("stop")

        with self.assertRaises(KeyError):
            convert(TINY, self.out, progress=stop)
        with self.assertRaises(OpenAssistantError) as caught:
            convert(TINY, self.out, progress=lambda *a: True)
        self.assertEqual(caught.exception.name, "OA_ECANCELLED")
        self.assertEqual(os.listdir(self.folder.name), [])
