# SPDX-License-Identifier: Apache-2.0
"""The declarations in _abi.py are those of the public headers: fields, sizes, offsets, numbers,
signatures. The compiler says what the layout is; a reader of the headers says what there is."""

import ctypes
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest
from ctypes import POINTER, c_char, c_char_p, c_void_p
from pathlib import Path

from headers import Headers

from openassistant import _abi, errors
from openassistant._lib import lib

INCLUDE = Path(__file__).resolve().parent.parent.parent / "include"
HEADERS = Headers(INCLUDE / "openassistant")

SCALARS = {
    "void": None,
    "int": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
}


def want(c_type, name, following="", in_callback=False):
    """What a C type should be in ctypes."""
    if isinstance(c_type, tuple):
        _, result, args = c_type
        return ctypes.CFUNCTYPE(want(result, ""), *callback_args(args))
    if c_type in HEADERS.callbacks:
        return _abi.CALLBACKS[c_type]
    plain = c_type.replace("const ", "").replace("const", "").replace(" ", "")
    base, stars = plain.rstrip("*"), len(plain) - len(plain.rstrip("*"))
    if base == "char":
        # Text that is written to, or text of a given length that a callback is given, is no
        # NUL-terminated string.
        if stars == 1 and (not c_type.startswith("const") or
                           (in_callback and following == name + "_len")):
            return POINTER(c_char)
        result, stars = c_char_p, stars - 1
    elif base == "void" and stars:
        result, stars = c_void_p, stars - 1
    elif base in HEADERS.opaque:
        assert stars, c_type
        result, stars = c_void_p, stars - 1
    elif base in HEADERS.structs:
        result = getattr(_abi, base)
    else:
        result = SCALARS[base]
    for _ in range(stars):
        result = POINTER(result)
    return result


def callback_args(args):
    names = [name for _, name in args] + [""]
    return [want(t, n, names[i + 1], True) for i, (t, n) in enumerate(args)]


def same(a, b):
    """Whether two ctypes types mean the same; function types are compared by what they take."""
    if hasattr(a, "_argtypes_") and hasattr(b, "_argtypes_"):
        return (a._restype_ is b._restype_ and len(a._argtypes_) == len(b._argtypes_) and
                all(map(same, a._argtypes_, b._argtypes_)))
    return a is b


class Abi(unittest.TestCase):
    def test_headers_are_read(self):
        self.assertGreaterEqual(len(HEADERS.functions), 61)
        self.assertGreaterEqual(len(HEADERS.structs), 13)
        self.assertEqual(
            HEADERS.opaque,
            {"oa_model", "oa_adapter", "oa_head", "oa_session", "oa_sampler", "oa_chat"},
        )

    def test_structs(self):
        declared = {s.__name__: s for s in _abi.STRUCTS}
        self.assertEqual(set(declared), set(HEADERS.structs))
        for name, fields in HEADERS.structs.items():
            have = declared[name]._fields_
            self.assertEqual([f[0] for f in have], [key for _, key in fields], name)
            for (c_type, key), (_, field_type) in zip(fields, have):
                self.assertTrue(same(field_type, want(c_type, key)), f"{name}.{key}: {c_type}")

    def test_callbacks(self):
        self.assertEqual(set(_abi.CALLBACKS), set(HEADERS.callbacks))
        for name, (result, args) in HEADERS.callbacks.items():
            have = _abi.CALLBACKS[name]
            self.assertIs(have._restype_, want(result, ""), name)
            self.assertEqual(list(have._argtypes_), callback_args(args), name)

    def test_functions(self):
        self.assertEqual(set(_abi.FUNCTIONS), set(HEADERS.functions))
        for name, (result, args) in HEADERS.functions.items():
            restype, argtypes = _abi.FUNCTIONS[name]
            wanted = want(result, "")
            self.assertIs(restype, wanted, f"{name}: result {result}")
            self.assertEqual(len(argtypes), len(args), name)
            for have, (c_type, key) in zip(argtypes, args):
                self.assertTrue(same(have, want(c_type, key)), f"{name}: {c_type} {key}")
            self.assertIs(getattr(lib, name).restype, restype)

    def test_enums_have_the_same_names(self):
        self.assertEqual(set(_abi.ENUMS), set(HEADERS.enums))
        for name, constants in HEADERS.enums.items():
            self.assertEqual(list(_abi.ENUMS[name]), constants, name)

    def test_numbers_by_the_compiler(self):
        """Sizes, offsets and constants, printed by a C program."""
        cc = shlex.split(os.environ.get("CC", "cc"))
        lines, wanted = [], []
        for struct in _abi.STRUCTS:
            name = struct.__name__
            lines.append(f"sizeof({name})")
            wanted.append((f"sizeof({name})", ctypes.sizeof(struct)))
            for key, _ in struct._fields_:
                field = getattr(struct, key)
                lines += [f"offsetof({name}, {key})", f"sizeof((({name} *)0)->{key})"]
                wanted += [(f"{name}.{key} at", field.offset), (f"{name}.{key}", field.size)]
        for constants in _abi.ENUMS.values():
            for key, value in constants.items():
                lines.append(key)
                wanted.append((key, value))
        lines.append("OA_VERSION_NUMBER")
        wanted.append(("OA_VERSION_NUMBER", _abi.VERSION_NUMBER))
        program = "#include <stdio.h>\n#include <openassistant/openassistant.h>\n"
        program += "int main(void)\n{\n"
        program += "".join(f'printf("%lld\\n", (long long)({line}));\n' for line in lines)
        program += "return 0;\n}\n"
        with tempfile.TemporaryDirectory() as folder:
            source, binary = Path(folder) / "layout.c", Path(folder) / "layout"
            source.write_text(program)
            try:
                subprocess.run(
                    [*cc, "-std=c11", "-I", str(INCLUDE), str(source), "-o", str(binary)],
                    check=True,
                )
            except FileNotFoundError:
                self.skipTest(f"no C compiler: {cc[0]}")
            output = subprocess.run([str(binary)], check=True, stdout=subprocess.PIPE).stdout
        numbers = [int(n) for n in output.split()]
        self.assertEqual(len(numbers), len(wanted))
        for (what, have), number in zip(wanted, numbers):
            self.assertEqual(have, number, what)

    def test_errors_have_a_class_each(self):
        codes = {code: name for name, code in _abi.ENUMS["oa_error"].items() if code}
        classes = set()
        for code, name in codes.items():
            error = errors.make_error(code, "why")
            self.assertEqual((error.code, error.name, error.text), (code, name, "why"))
            self.assertEqual(str(error), f"why ({name})")
            self.assertEqual(lib.oa_error_name(code).decode(), name)
            self.assertIn(lib.oa_error_text(code).decode(), HEADERS.texts.values())
            classes.add(type(error))
        self.assertEqual(len(classes), len(codes))
        self.assertIs(type(errors.make_error(-999, "")), errors.OpenAssistantError)

    def test_the_reader_refuses_what_it_does_not_understand(self):
        for text in ("int oa_x;\n", "typedef int oa_y;\n", "struct oa_z { int a; };\n"):
            with self.assertRaises(ValueError):
                Headers.__new__(Headers)._read(text)

    def test_a_change_is_noticed(self):
        """Attack: the comparison must see a swapped field, another type, a lost argument."""
        self.assertFalse(same(want("uint32_t", "x"), ctypes.c_int32))
        self.assertFalse(same(want("const char *", "x"), want("char *", "x")))
        self.assertFalse(same(want("oa_model *", "x"), want("oa_model **", "x")))
        other = ctypes.CFUNCTYPE(ctypes.c_int, c_char_p)
        self.assertFalse(same(other, _abi.oa_text_fn))


class Loading(unittest.TestCase):
    def run_with(self, library):
        env = dict(os.environ, OA_LIBRARY=str(library))
        env["PYTHONPATH"] = os.pathsep.join(sys.path)
        done = subprocess.run(
            [sys.executable, "-c", "import openassistant"],
            env=env, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stderr

    def test_no_library(self):
        code, text = self.run_with("/nowhere/libopenassistant.so.0")
        self.assertNotEqual(code, 0)
        self.assertRegex(text, "ImportError: openassistant: can't load /nowhere/.*OA_LIBRARY")

    def test_another_library(self):
        with tempfile.TemporaryDirectory() as folder:
            for number, why in ((None, "can't load"), (20000, "version number 20000"),
                                (_abi.VERSION_NUMBER - 1, "version number"),
                                (_abi.VERSION_NUMBER, "has no function oa_")):
                path = Path(folder) / f"lib{number}.so"
                source = Path(folder) / "x.c"
                source.write_text(
                    "int x;\n" if number is None else
                    f"unsigned oa_version_number(void) {{ return {number}; }}\n"
                )
                cc = shlex.split(os.environ.get("CC", "cc"))
                try:
                    subprocess.run([*cc, "-shared", "-fPIC", str(source), "-o", str(path)],
                                   check=True)
                except FileNotFoundError:
                    self.skipTest(f"no C compiler: {cc[0]}")
                code, text = self.run_with(path)
                self.assertNotEqual(code, 0)
                self.assertTrue(re.search(f"ImportError: openassistant: .*{why}", text), text)
