# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/python.md and of the package's README run."""

import contextlib
import io
import re
import textwrap
import unittest
from unittest import mock

from common import ROOT, default_model

import openassistant
from openassistant import Model


class Docs(unittest.TestCase):
    def run_all(self, blocks):
        path = str(default_model())

        class Named(Model):
            """"smollm2" as the tests find it."""

            def __init__(self, name, **options):
                super().__init__(path if name == "smollm2" else name, **options)

            @staticmethod
            def estimate_memory(name, **options):
                return Model.estimate_memory(path if name == "smollm2" else name, **options)

        self.assertTrue(blocks)
        for block in blocks:
            output = io.StringIO()
            with mock.patch.object(openassistant, "Model", Named):
                with contextlib.redirect_stdout(output):
                    exec(compile(block, "example", "exec"), {})
            self.assertTrue(output.getvalue().strip(), block)

    def test_python_md(self):
        text = (ROOT / "docs/python.md").read_text()
        self.run_all(re.findall(r"```python\n(.*?)```", text, re.S))

    def test_readme(self):
        text = (ROOT / "bindings/python/README.md").read_text()
        block = re.search(r"\n\n((?:    .*\n|\n)+)", text).group(1)
        self.run_all([textwrap.dedent(block).replace("model.chat()", "model.chat(max_tokens=20)")])
