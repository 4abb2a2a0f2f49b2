# SPDX-License-Identifier: Apache-2.0
"""Builds the wheel with pip, looks into it, and runs the tests with it in a clean virtual
environment, without a network and with no other copy of the library in sight."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def run(*command, **options):
    done = subprocess.run(
        [str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, **options
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{command} failed:\n{done.stdout}")
    return done.stdout


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for tool in ("meson", "ninja", "ldd", "objdump", "readelf"):
            if not shutil.which(tool):
                raise unittest.SkipTest(f"{tool} is not installed")
        try:
            run(sys.executable, "-m", "pip", "--version")
            import ensurepip  # noqa: F401
        except (AssertionError, ImportError):
            raise unittest.SkipTest("pip or venv is not installed") from None
        cls.folder = tempfile.TemporaryDirectory(prefix="openassistant-wheel-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.dir = Path(cls.folder.name)
        env = {k: v for k, v in os.environ.items() if k != "OA_LIBRARY"}
        cls.env = dict(env, PIP_NO_INDEX="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
        run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", cls.dir,
            ROOT / "bindings/python", env=cls.env)  # fmt: skip
        wheels = list(cls.dir.iterdir())
        assert len(wheels) == 1, wheels
        cls.wheel = wheels[0]

    def test_name(self):
        self.assertRegex(self.wheel.name,
                         r"^openassistant-\d+\.\d+\.\d+-py3-none-manylinux_2_\d+_\w+\.whl$")

    def test_contents(self):
        with zipfile.ZipFile(self.wheel) as wheel:
            names = wheel.namelist()
            self.assertEqual(names, sorted(set(names), key=names.index))
            for name in ("openassistant/py.typed", "openassistant/lib/libopenassistant.so.0",
                         "openassistant/_abi.py"):
                self.assertIn(name, names)
            record = next(n for n in names if n.endswith("/RECORD"))
            self.assertEqual(len(wheel.read(record).splitlines()), len(names))
            tag = self.wheel.name[:-4].split("-", 2)[2]
            self.assertIn(f"Tag: {tag}", wheel.read(record.replace("RECORD", "WHEEL")).decode())
            self.assertFalse([n for n in names if "__pycache__" in n])

    def test_libraries(self):
        """All that is needed is in the wheel or promised, and the tag tells the truth."""
        folder = self.dir / "look"
        with zipfile.ZipFile(self.wheel) as wheel:
            wheel.extractall(folder)
        self.addCleanup(shutil.rmtree, folder)
        lib = folder / "openassistant/lib"
        inside = {p.name for p in lib.iterdir()}
        major, minor = map(int, re.search(r"manylinux_(\d+)_(\d+)", self.wheel.name).groups())
        promised = re.compile(r"(libc|libm|libpthread|ld-linux.*)\.so\.\d+")
        for path in lib.iterdir():
            dynamic = run("readelf", "-d", path)
            for soname in re.findall(r"NEEDED.*\[(.*)\]", dynamic):
                self.assertTrue(soname in inside or promised.fullmatch(soname), soname)
            self.assertNotIn("TEXTREL", dynamic)
            for version in re.findall(r"GLIBC_(\d+)\.(\d+)", run("objdump", "-T", path)):
                self.assertLessEqual(tuple(map(int, version)), (major, minor), path)
        ours = run("readelf", "-d", lib / "libopenassistant.so.0")
        self.assertRegex(ours, r"R(UN)?PATH.*\[\$ORIGIN\]")
        for line in run("ldd", lib / "libopenassistant.so.0").splitlines():
            soname = line.split()[0]
            if soname in inside:
                self.assertIn(str(lib), line)

    def test_twice_the_same(self):
        again = self.dir / "again"
        run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", again,
            ROOT / "bindings/python", env=self.env)  # fmt: skip
        self.addCleanup(shutil.rmtree, again)
        digests = [hashlib.sha256(p.read_bytes()).hexdigest()
                   for p in (self.wheel, next(again.iterdir()))]
        self.assertEqual(digests[0], digests[1])

    def test_in_a_clean_environment(self):
        venv = self.dir / "venv"
        self.addCleanup(shutil.rmtree, venv)
        run(sys.executable, "-m", "venv", venv)
        python = venv / "bin/python"
        run(python, "-m", "pip", "install", "--no-deps", self.wheel, env=self.env)
        env = {k: v for k, v in self.env.items()
               if not k.startswith(("PYTHON", "LD_", "OA_TEST_PYTHON"))}
        env["OA_TEST_INSTALLED"] = "1"
        where = run(python, "-c", "import openassistant as oa; print(oa.__file__)",
                    cwd=self.dir, env=env)
        self.assertTrue(where.startswith(str(venv)), where)
        for path in sorted(HERE.glob("test_*.py")):
            with self.subTest(path.name):
                output = run(python, HERE / "tap.py", path, cwd=self.dir, env=env)
                self.assertIn("ok 1", output)
        run(python, "-m", "pip", "uninstall", "-y", "openassistant", env=self.env)
        self.assertEqual(list(venv.glob("lib/python*/site-packages/openassistant*")), [])
