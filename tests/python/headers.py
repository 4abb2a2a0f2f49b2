# SPDX-License-Identifier: Apache-2.0
"""A reader of our own public headers: structs, enums, callbacks and functions.

It understands the C that those headers use and refuses what it does not understand, so that
nothing goes unseen.
"""

import re
from pathlib import Path


def _args(text):
    """[(type, name)] of a parameter list."""
    text = text.strip()
    return [] if text in ("void", "") else [_declaration(a) for a in text.split(",")]


def _declaration(text):
    """"const char *const *stops" -> ("const char *const *", "stops")."""
    match = re.fullmatch(r"\s*(.*?[\s*])(\w+)\s*", text, re.S)
    if not match:
        raise ValueError(f"can't read declaration: {text!r}")
    return _type(match.group(1)), match.group(2)


def _type(text):
    return re.sub(r"\s*\*\s*", " *", re.sub(r"\s+", " ", text)).replace("* *", "**").strip()


def _clean(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return text.replace("\\\n", " ")


class Headers:
    def __init__(self, folder):
        # name: [(type, field)]; a function pointer's type is ("fn", result, args)
        self.structs = {}
        self.enums = {}  # name: [constant]
        self.callbacks = {}  # name: (result, [(type, name)])
        self.functions = {}  # name: (result, [(type, name)])
        self.opaque = set()
        self.texts = {}
        for path in sorted(Path(folder).glob("*.h")):
            if path.name == "experimental.h":  # outside the promise, and the package
                continue
            self._read(_clean(path.read_text()))

    def _read(self, text):
        for _, constants in re.findall(r"#define OA_ERROR_MAP\((X)\)(.*)", text):
            self.enums["oa_error"] = [f"OA_{n}" for n in re.findall(r"X\((\w+),", constants)]
            self.texts = {
                int(number): words
                for number, words in re.findall(r'X\(\w+, (-?\d+), "([^"]*)"\)', constants)
            }
        text = re.sub(r"^#.*$", "", text, flags=re.M)
        text = text.replace('extern "C" {', "").replace("\n}\n", "\n")
        text = re.sub(r"enum oa_error \{.*?\};", "", text, flags=re.S)
        rest = text

        def take(pattern, handle):
            nonlocal rest
            rest = re.sub(pattern, lambda m: handle(*m.groups()) or "", rest, flags=re.S)

        take(r"\benum (\w+) \{(.*?)\};", self._enum)
        take(r"\btypedef struct (\w+) \{(.*?)\} (\w+);", self._struct)
        take(r"\btypedef struct (\w+) (\w+);", lambda a, b: self.opaque.add(b))
        take(r"\btypedef (\w+) \(\*(\w+)\)\((.*?)\);", self._callback)
        take(r"\bOA_API (.*?)\b(oa_\w+)\((.*?)\);", self._function)
        rest = rest.strip().strip("}").strip()
        if rest:
            raise ValueError(f"can't read: {rest[:200]!r}")

    def _enum(self, name, body):
        self.enums[name] = re.findall(r"\b(OA_\w+)\s*=", body)

    def _struct(self, name, body, alias):
        if name != alias:
            raise ValueError(f"struct {name} has the other name {alias}")
        fields = []
        for field in filter(None, (f.strip() for f in body.split(";"))):
            pointer = re.fullmatch(r"(.*?)\(\*(\w+)\)\((.*)\)", field, re.S)
            if pointer:
                result, key, args = pointer.groups()
                fields.append((("fn", _type(result), _args(args)), key))
            else:
                fields.append(_declaration(field))
        self.structs[name] = fields

    def _callback(self, result, name, args):
        self.callbacks[name] = (_type(result), _args(args))

    def _function(self, result, name, args):
        self.functions[name] = (_type(result), _args(args))
