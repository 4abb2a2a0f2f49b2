# SPDX-License-Identifier: Apache-2.0
"""Random templates: expressions of every kind, most of them well typed, some not."""
import random

VARIABLES = {
    "i": 7, "neg": -3, "z": 0, "f": 2.5, "t": True, "no": False, "nil": None,
    "s": "Hello, World", "e": "", "u": "Straße 😀 ñandú\n", "sp": "  a b  c ", "num": "42",
    "l": [3, 1, 2], "m": [1, "a", None, 2.5, True, [1, 2], {"k": "v"}], "w": ["b", "A", "c", "a"],
    "n": [], "d": {"k": "v", "n": 5, "l": [1, 2], "items": "shadow"},
    "o": [{"name": "x", "v": 2, "tags": ["p"]}, {"name": "Y", "v": 1, "tags": []},
          {"name": "z", "v": 2}],
}

INTS = ["0", "1", "2", "-1", "3", "10", "i", "neg", "z", "true", "d.n", "l[0]"]
FLOATS = ["0.5", "2.0", "-1.25", "1e3", "f", "0.1", "1e-7", "12345.678"]
STRS = ["'a'", "''", "'abc'", "'a,b,,c'", "'Ünïcödé'", "' x '", "'%s'", "'it\\'s'", "'line\\nline2'",
        "s", "e", "u", "sp", "num", "d.k", "'12.5'", "'{}'", "'the quick-brown (fox)'"]
LISTS = ["l", "m", "w", "n", "o", "[1, 2, 3]", "['x', 'y']", "[[1, 2], [0]]", "(1, 2)", "range(4)",
         "[none, 1]", "[1.5, 2]", "d.l", "[[], {}, '']"]
DICTS = ["d", "{'a': 1, 'b': [2]}", "{}", "{1: 'one', 'x': none}", "o[0]", "{'b': 2, 'A': 1}"]
OTHER = ["none", "nope", "d.nope", "nil", "no", "m[99]"]


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, *options):
        return self.r.choice(options)

    def atom(self, kind):
        pool = {"int": INTS, "float": FLOATS, "str": STRS, "list": LISTS, "dict": DICTS,
                "bool": ["true", "false", "t", "no"], "other": OTHER}[kind]
        return self.r.choice(pool)

    def any(self, n):
        kind = self.r.choices(["int", "float", "str", "list", "dict", "bool", "other"],
                              [5, 2, 6, 5, 2, 3, 1])[0]
        return self.expr(kind, n)

    def expr(self, kind, n):
        if n <= 0 or self.r.random() < 0.15:
            return self.atom(kind)
        if self.r.random() < 0.03:
            return self.any(n - 1)  # the wrong type
        if self.r.random() < 0.08:
            return f"({self.expr(kind, n - 1)} if {self.expr('bool', n - 1)} else {self.expr(kind, n - 1)})"
        return getattr(self, kind)(n - 1)

    def int(self, n):
        r = self.pick
        return r(lambda: f"({self.num(n)} {r('+', '-', '*', '//', '%')} {self.num(n)})",
                 lambda: f"({self.any_seq(n)} | length)",
                 lambda: f"({self.any(n)} | int)",
                 lambda: f"({self.num(n)} | round | int)",
                 lambda: f"-{self.atom('int')}",
                 lambda: f"({self.str(n)}).{r('find', 'rfind', 'count')}({self.atom('str')})",
                 lambda: f"({self.list(n)} | {r('sum', 'max', 'min', 'first', 'last')})",
                 lambda: f"({self.str(n)} | wordcount)",
                 lambda: f"({self.num(n)} | abs)",
                 lambda: f"({self.list(n)})[{self.int_small()}]",
                 lambda: f"({self.atom('int')} ** {r('0', '1', '2', '3')})")()

    def num(self, n):
        return self.expr(self.pick("int", "int", "float"), n)

    def int_small(self):
        return self.pick("0", "1", "2", "-1", "-2", "3", "7", "-9")

    def float(self, n):
        r = self.pick
        return r(lambda: f"({self.num(n)} / {self.num(n)})",
                 lambda: f"({self.num(n)} {r('+', '-', '*', '//', '%')} {self.atom('float')})",
                 lambda: f"({self.num(n)} | round({r('0', '1', '2', '-1')}))",
                 lambda: f"({self.num(n)} | round({r('0', '1', '2')}, {r(*QUOTED_ROUND)}))",
                 lambda: f"({self.any(n)} | float)")()

    def bool(self, n):
        r = self.pick
        tests = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean",
                 "mapping", "iterable", "sequence", "true", "false", "lower", "upper", "callable",
                 "escaped"]
        return r(lambda: f"({self.any(n)} {r('==', '!=')} {self.any(n)})",
                 lambda: f"({self.num(n)} {r('<', '<=', '>', '>=', '==')} {self.num(n)})",
                 lambda: f"({self.str(n)} {r('<', '<=', '>', '>=')} {self.str(n)})",
                 lambda: f"({self.num(n)} < {self.num(n)} <= {self.num(n)})",
                 lambda: f"({self.expr('bool', n)} {r('and', 'or')} {self.expr('bool', n)})",
                 lambda: f"(not {self.any(n)})",
                 lambda: f"({self.any(n)} is {r('', 'not ')}{r(*tests)})",
                 lambda: f"({self.expr('int', n)} is {r('odd', 'even', 'divisibleby 3', 'gt 2')})",
                 lambda: f"({self.any(n)} {r('in', 'not in')} {self.list(n)})",
                 lambda: f"({self.str(n)} {r('in', 'not in')} {self.str(n)})",
                 lambda: f"({self.atom('str')} in {self.dict(n)})",
                 lambda: f"({self.str(n)}).{r('startswith', 'endswith')}({self.atom('str')})",
                 lambda: f"({self.str(n)}).{r('isalpha', 'isdigit', 'isspace', 'isupper', 'islower', 'isalnum', 'istitle', 'isascii', 'isprintable', 'isnumeric')}()")()

    def slice(self):
        r = self.pick
        part = lambda: r("", "", "0", "1", "2", "-1", "-2", "5", "-7")
        return part() + ":" + part() + r("", "", ":", ":2", ":-1", ":-2", ":3")

    def str(self, n):
        r = self.pick
        return r(lambda: f"({self.str_(n)} {r('~', '+')} {self.str_(n)})",
                 lambda: f"({self.any(n)} ~ {self.any(n)})",
                 lambda: f"({self.str_(n)} * {r('0', '2', '3', '-1')})",
                 lambda: f"({self.str_(n)})[{self.slice()}]",
                 lambda: f"({self.str_(n)})[{self.int_small()}]",
                 lambda: f"({self.any(n)} | string)",
                 lambda: f"({self.any(n)} | tojson{r('', '', '(indent=2)', '(ensure_ascii=true)', '(sort_keys=true)')})",
                 lambda: f"({self.str_(n)} | {r('upper', 'lower', 'title', 'capitalize', 'trim', 'reverse', 'first', 'last', 'e')})",
                 lambda: f"({self.str_(n)}).{r('upper', 'lower', 'title', 'capitalize', 'strip', 'lstrip', 'rstrip', 'swapcase', 'casefold')}()",
                 lambda: f"({self.str_(n)}).{r('strip', 'lstrip', 'rstrip', 'removeprefix', 'removesuffix')}({self.atom('str')})",
                 lambda: f"({self.str_(n)} | replace({self.atom('str')}, {self.atom('str')}{r('', ', 1')}))",
                 lambda: f"({self.str_(n)}).replace({self.atom('str')}, {self.atom('str')}{r('', ', 2')})",
                 lambda: f"({self.list(n)} | join({self.atom('str')}))",
                 lambda: f"({self.str_(n)} | indent({r('2', '4, true', 'first=true, blank=true', '0')}))",
                 lambda: f"({self.str_(n)} | truncate({r(*TRUNCATE)}))",
                 lambda: f"({self.str_(n)} | center({r('5', '12')}))",
                 lambda: f"({self.str_(n)}).{r('center', 'ljust', 'rjust', 'zfill')}({r('3', '9', '12')})",
                 lambda: f"('%s|%5d|%-6s|%.2f' % ({self.any(n)}, {self.num(n)}, {self.any(n)}, {self.num(n)}))",
                 lambda: f"('%s-%r' | format({self.any(n)}, {self.any(n)}))",
                 lambda: f"'{{}}:{{!r}}'.format({self.any(n)}, {self.any(n)})",
                 lambda: f"'{{:>8}}|{{:<6}}|'.format({self.str_(n)}, {self.num(n)})",
                 lambda: f"'{{:.3f}} {{:08.2f}} {{:+}}'.format({self.num(n)}, {self.num(n)}, {self.num(n)})",
                 lambda: f"({self.any(n)} | default({self.atom('str')}{r('', ', true')}))")()

    def str_(self, n):
        return self.expr("str", n)

    def any_seq(self, n):
        return self.expr(self.pick("list", "str", "dict"), n)

    def list(self, n):
        r = self.pick
        seq = lambda: self.expr("list", n)
        return r(lambda: f"[{self.any(n)}, {self.any(n)}]",
                 lambda: f"({seq()} + {seq()})",
                 lambda: f"({seq()})[{self.slice()}]",
                 lambda: f"({self.str_(n)}).{r('split', 'rsplit')}({r('', chr(39) + ',' + chr(39), chr(39) + ' ' + chr(39), 'none, 1', chr(39) + 'l' + chr(39) + ', 1')})",
                 lambda: f"({self.str_(n)}).{r('splitlines()', 'partition(chr)'.replace('chr', self.atom('str')), 'rpartition(chr)'.replace('chr', self.atom('str')))}",
                 lambda: f"({self.any_seq(n)} | list)",
                 lambda: f"({seq()} | sort{r('', '(reverse=true)', '(case_sensitive=true)')})",
                 lambda: f"({seq()} | {r('unique', 'reverse')} | list)",
                 lambda: f"({seq()} | map({r(*QUOTED_FILTERS)}) | list)",
                 lambda: f"({seq()} | {r('select', 'reject')}({r('', *QUOTED_TESTS)}) | list)",
                 lambda: f"(o | map(attribute={r(*QUOTED_ATTRS)}{r('', ', default=1')}) | list)",
                 lambda: f"(o | {r('selectattr', 'rejectattr')}({r(*QUOTED_ATTRS)}{r('', ', ' + chr(39) + 'defined' + chr(39), ', ' + chr(39) + 'eq' + chr(39) + ', 2')}) | list)",
                 lambda: f"(o | sort(attribute={r(*QUOTED_ATTRS)}) | map(attribute='name') | list)",
                 lambda: f"({self.dict(n)} | {r('dictsort', 'items | list', 'list')})",
                 lambda: f"({seq()} | {r('batch(2)', 'slice(2)', 'batch(3, 0)')} | list)",
                 lambda: f"({self.dict(n)}).{r('keys', 'values', 'items')}() | list",
                 lambda: f"range({self.pick('3', '1, 5', '5, 0, -2', 'l | length')})")()

    def dict(self, n):
        r = self.pick
        return r(lambda: f"{{{self.atom('str')}: {self.any(n)}, 'z': {self.any(n)}}}",
                 lambda: f"dict(a={self.any(n)}, b={self.any(n)})",
                 lambda: f"({self.expr('dict', n)} | items | list | first | default([]))",
                 lambda: "d.copy()", lambda: "o[1]")()

    def other(self, n):
        r = self.pick
        return r(lambda: f"({self.expr('dict', n)}).{r('k', 'nope', 'a', 'z', 'get')}",
                 lambda: f"({self.expr('dict', n)})[{self.atom('str')}]",
                 lambda: f"({self.expr('dict', n)}).get({self.atom('str')}{r('', ', 5')})",
                 lambda: f"({self.any(n)})[{self.any(n)}]",
                 lambda: f"({self.any_seq(n)} | {r('first', 'last', 'min', 'max')})")()

    # --- statements ---------------------------------------------------------------------------

    def space(self):
        return self.pick("", "", " ", "\n", "  \n  ", "text ", "\n\n")

    def tag(self, inner):
        return "{%" + self.pick("", "", "-", "+") + f" {inner} " + self.pick("", "", "-", "+") + "%}"

    def out(self, n=2):
        return "{{" + self.pick("", "", "-") + f" {self.any(n)} " + self.pick("", "", "-") + "}}"

    def statement(self, n):
        if n <= 0:
            return self.out()
        r = self.pick
        name = r("a", "b", "s", "i", "ns.x")
        body = lambda: self.space() + self.block(n - 1) + self.space()
        return r(lambda: self.out(),
                 lambda: self.tag(f"set {name} = {self.any(2)}"),
                 lambda: self.tag(f"set {r('a', 'b')}") + body() + self.tag("endset"),
                 lambda: self.tag(f"if {self.any(2)}") + body() + self.tag(f"elif {self.any(1)}") + body() + self.tag("else") + body() + self.tag("endif"),
                 lambda: self.tag(f"if {self.any(2)}") + body() + self.tag("endif"),
                 lambda: self.tag(f"for x in {self.any_seq(2)}{r('', '', ' if x', ' if loop is undefined')}") + body() + r("{{ x }}", "{{ loop.index }}/{{ loop.length }}", "{{ loop.last }}{{ loop.nextitem }}", "{{ loop.first }}{{ loop.previtem }}", "{{ loop.revindex0 }}{{ loop.cycle(1, 2) }}", "{% if loop.index > 2 %}{% break %}{% endif %}", "{% if x %}{% continue %}{% endif %}!") + r("", self.tag("else") + body()) + self.tag("endfor"),
                 lambda: self.tag("for k, v in " + self.expr("dict", 1) + r(".items()", " | dictsort", "")) + "{{ k }}={{ v }}" + body() + self.tag("endfor"),
                 lambda: self.tag("macro mm(p, q=" + self.any(1) + ")") + "{{ p }}{{ q }}" + body() + self.tag("endmacro") + r("{{ mm(1) }}", "{{ mm(q=i, p=a) }}", "{{ mm() }}", "{{ mm(1, 2, 3) }}"),
                 lambda: self.tag(f"filter {r('upper', 'trim', 'indent(2)', 'replace(chr, s)'.replace('chr', self.atom('str')))}") + body() + self.tag("endfilter"),
                 lambda: self.tag(f"with a = {self.any(1)}") + body() + self.tag("endwith"),
                 lambda: "{#" + self.pick("", "-") + " c " + self.pick("", "-") + "#}",
                 lambda: "{% raw %} {{ x }} {% endraw %}")()

    def block(self, n):
        return self.space().join(self.statement(n) for _ in range(self.r.randint(1, 2)))


QUOTED_FILTERS = ["'upper'", "'string'", "'length'", "'int'", "'abs'", "'default', 9", "'first'",
                  "'tojson'", "'trim'", "'join', '+'"]
QUOTED_TESTS = ["'odd'", "'string'", "'none'", "'defined'", "'gt', 1", "'eq', 'a'", "'number'",
                "'in', [1, 'a']", "'mapping'"]
QUOTED_ATTRS = ["'name'", "'v'", "'tags'", "'tags.0'", "'nope'"]
TRUNCATE = ["5", "4, true", "8, false, '', 0"]
QUOTED_ROUND = ["'floor'", "'ceil'", "'common'"]


def templates(n, seed):
    g = Generator(seed)
    for i in range(n):
        if i % 3 == 2:
            yield "{% set ns = namespace(x=1) %}" + g.block(3)
        else:
            yield "{{ " + g.any(1 + i % 4) + " }}"
