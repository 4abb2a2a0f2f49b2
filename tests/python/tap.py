# SPDX-License-Identifier: Apache-2.0
"""Runs a unittest file and writes TAP, so that each case and each reason for a skip shows.

    tap.py FILE [library]

The environment variable OA_TEST_PYTHON names another interpreter to run it with, for example one
that has NumPy. The package is the one in bindings/python, unless OA_TEST_INSTALLED is set.
"""

import importlib.util
import os
import sys
import unittest
from pathlib import Path

other = os.environ.pop("OA_TEST_PYTHON", None)
if other:
    os.execvp(other, [other, *sys.argv])

ROOT = Path(__file__).resolve().parent.parent.parent
if len(sys.argv) > 2:
    os.environ["OA_LIBRARY"] = sys.argv[2]
if not os.environ.get("OA_TEST_INSTALLED"):
    sys.path.insert(0, str(ROOT / "bindings/python/src"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True


class TapResult(unittest.TestResult):
    n = 0

    def line(self, test, ok, note=""):
        TapResult.n += 1
        name = test.id().split(".", 1)[-1]
        print(f"{'ok' if ok else 'not ok'} {TapResult.n} - {name}{note}", flush=True)

    def fail(self, test, err):
        self.line(test, False)
        for text in self._exc_info_to_string(err, test).splitlines():
            print("#", text, flush=True)

    def addSuccess(self, test):
        self.line(test, True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.fail(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.fail(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.fail(subtest, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line(test, True, f" # SKIP {reason}")


path = Path(sys.argv[1])
spec = importlib.util.spec_from_file_location(path.stem, path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
result = TapResult()
unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
print(f"1..{TapResult.n}")
sys.exit(0 if result.wasSuccessful() else 1)
