# SPDX-License-Identifier: Apache-2.0
"""What the tests share: where the models are."""

import os
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TINY = ROOT / "tests/golden/tiny.gguf"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"

try:
    import numpy
except ImportError:
    numpy = None

needs_numpy = unittest.skipIf(numpy is None, "NumPy is not installed")


def default_model():
    """The path of the default model, or the skip of a test."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    path = Path(os.environ.get("OA_TEST_MODEL") or Path(data, "openassistant/models", NAME))
    if not path.exists():
        raise unittest.SkipTest(f"the default model is not there: {path}")
    return path
