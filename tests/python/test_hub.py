# SPDX-License-Identifier: Apache-2.0
"""openassistant.pull() and its neighbours, against a server on the loopback interface."""

import os
import random
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "util"))
from hub_server import Hub, Step

import openassistant as oa

DATA = random.Random(7).randbytes(200_000)
CARD = "---\nlicense: mit\n---\n"


class Pull(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="oa-python-hub-")
        self.addCleanup(folder.cleanup)
        self.hub = Hub()
        self.hub.__enter__()
        self.addCleanup(self.hub.__exit__)
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("HF_", "XDG_")) and "proxy" not in k.lower()}
        env.update(HOME=folder.name, XDG_DATA_HOME=folder.name + "/data", NO_PROXY="*",
                   HF_ENDPOINT=self.hub.url)
        patch = mock.patch.dict(os.environ, env, clear=True)
        patch.start()
        self.addCleanup(patch.stop)
        self.folder = folder.name
        self.hub.repo("owner/name", {"m.Q8_0.gguf": DATA}, card=CARD)
        try:
            oa.pull("owner/name", endpoint="http://127.0.0.1:1", tries=1)
        except oa.NotBuiltError as error:
            self.skipTest(str(error))
        except oa.InputOutputError:
            pass

    def test_pull(self):
        self.hub.plan("m.Q8_0.gguf", Step(cut=1000))
        seen, lines = [], []
        path = oa.pull("owner/name", retry_ms=1, log_level="info",
                       log=lambda level, line: lines.append((level, line)),
                       progress=lambda *a: seen.append(a))
        self.assertEqual(path, self.folder + "/data/openassistant/models/owner/name/m.Q8_0.gguf")
        self.assertEqual(Path(path).read_bytes(), DATA)
        self.assertIn(("info", "licence of owner/name: MIT"), lines)
        total = len(DATA) + len(CARD)
        self.assertIn(("m.Q8_0.gguf", total, total), seen)
        (entry,) = oa.installed()
        self.assertEqual((entry["path"], entry["size"], entry["licence"]), (path, len(DATA), "mit"))
        oa.verify("owner/name")
        with open(path, "r+b") as file:
            file.write(b"damage")
        with self.assertRaisesRegex(oa.FormatError, "SHA-256"):
            oa.verify("m.Q8_0")
        oa.remove("owner/name")
        self.assertEqual(oa.installed(), [])
        with self.assertRaisesRegex(oa.NotFoundError, "openassistant pull owner/name"):
            oa.remove("owner/name")

    def test_opening_fetches_nothing(self):
        for name in ("smollm2", "owner/name"):
            with self.assertRaises(oa.NotFoundError):
                oa.Model(name)
        with self.assertRaisesRegex(oa.NotFoundError, "openassistant pull smollm2"):
            oa.Model("smollm2")
        self.assertEqual(self.hub.requests, [])

    def test_data_sets_and_names(self):
        self.hub.repo("OpenAssistant/oasst1",
                      {"2023-04-12_oasst_ready.trees.jsonl.gz": DATA}, kind="datasets")
        path = oa.pull("oasst1")
        self.assertEqual(Path(path).read_bytes(), DATA)
        self.assertEqual([e["path"] for e in oa.installed(dataset=True)], [path])
        oa.verify("oasst1", dataset=True)
        names = {e["name"]: e for e in oa.catalogue()}
        self.assertEqual(names["oasst1"]["kind"], "dataset")
        self.assertEqual(names["smollm2"]["licence"], "apache-2.0")

    def test_errors(self):
        with self.assertRaises(oa.NotFoundError):
            oa.pull("no/body")
        with self.assertRaises(oa.InvalidArgumentError):
            oa.pull("a/b/c")
        with self.assertRaises(oa.InvalidArgumentError):
            oa.pull("owner/name", token="a b")
        with self.assertRaises(oa.CancelledError):
            oa.pull("owner/name", progress=lambda *a: True)
        with self.assertRaises(ZeroDivisionError):
            oa.pull("owner/name", progress=lambda *a: 1 / 0)
        self.hub.api_plan.append(Step(status=401, headers={"X-Error-Code": "GatedRepo"}))
        with self.assertRaisesRegex(oa.AccessError, "gated"):
            oa.pull("owner/name")


if __name__ == "__main__":
    unittest.main()
