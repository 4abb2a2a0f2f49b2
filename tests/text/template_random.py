# SPDX-License-Identifier: Apache-2.0
"""Random templates out of a grammar: expressions and statements of every kind, most of them well
typed, some not. In a rule, <kind> stands for an expression, <kind0> for an atom, other <words> for
one of their choices."""
import random
import re

VARIABLES = {
    "i": 7, "neg": -3, "z": 0, "f": 2.5, "t": True, "no": False, "nil": None,
    "s": "Hello, World", "e": "", "u": "Straße 😀 ñandú\n", "sp": "  a b  c ", "num": "42",
    "l": [3, 1, 2], "m": [1, "a", None, 2.5, True, [1, 2], {"k": "v"}], "w": ["b", "A", "c", "a"],
    "n": [], "d": {"k": "v", "n": 5, "l": [1, 2], "items": "shadow"},
    "o": [{"name": "x", "v": 2, "tags": ["p"]}, {"name": "Y", "v": 1, "tags": []},
          {"name": "z", "v": 2}],
}

ATOMS = {
    "int": ["0", "1", "2", "-1", "3", "10", "i", "neg", "z", "true", "d.n", "l[0]"],
    "float": ["0.5", "2.0", "-1.25", "1e3", "f", "0.1", "1e-7", "12345.678"],
    "str": ["'a'", "''", "'abc'", "'a,b,,c'", "'Ünïcödé'", "' x '", "'%s'", "'it\\'s'",
            "'line\\nline2'", "s", "e", "u", "sp", "num", "d.k", "'12.5'", "'{}'",
            "'the quick-brown (fox)'"],
    "list": ["l", "m", "w", "n", "o", "[1, 2, 3]", "['x', 'y']", "[[1, 2], [0]]", "(1, 2)",
             "range(4)", "[none, 1]", "[1.5, 2]", "d.l", "[[], {}, '']"],
    "dict": ["d", "{'a': 1, 'b': [2]}", "{}", "{1: 'one', 'x': none}", "o[0]", "{'b': 2, 'A': 1}"],
    "bool": ["true", "false", "t", "no"],
    "other": ["none", "nope", "d.nope", "nil", "no", "m[99]"],
}

WORDS = {
    "arith": ["+", "-", "*", "//", "%"], "same": ["==", "!="], "cmp": ["<", "<=", ">", ">=", "=="],
    "order": ["<", "<=", ">", ">="], "logic": ["and", "or"], "maybe_not": ["", "not "],
    "within": ["in", "not in"], "plus": ["~", "+"],
    "find": ["find", "rfind", "count"], "one": ["sum", "max", "min", "first", "last"],
    "at": ["0", "1", "2", "-1", "-2", "3", "7", "-9"], "small": ["0", "1", "2", "3"],
    "digits": ["0", "1", "2", "-1"], "method": ["'floor'", "'ceil'", "'common'"],
    "test": ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean",
             "mapping", "iterable", "sequence", "true", "false", "lower", "upper", "callable",
             "escaped"],
    "int_test": ["odd", "even", "divisibleby 3", "gt 2"], "ends": ["startswith", "endswith"],
    "class": ["isalpha", "isdigit", "isspace", "isupper", "islower", "isalnum", "istitle",
              "isascii", "isprintable", "isnumeric", "isidentifier", "isdecimal"],
    "part": ["", "", "0", "1", "2", "-1", "-2", "5", "-7"],
    "step": ["", "", ":", ":2", ":-1", ":-2", ":3"], "times": ["0", "2", "3", "-1"],
    "json": ["", "", "(indent=2)", "(ensure_ascii=true)", "(sort_keys=true)"],
    "str_filter": ["upper", "lower", "title", "capitalize", "trim", "reverse", "first", "last",
                   "e"],
    "str_method": ["upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip",
                   "swapcase", "casefold"],
    "strip": ["strip", "lstrip", "rstrip", "removeprefix", "removesuffix"],
    "once": ["", ", 1"], "twice": ["", ", 2"], "yes": ["", ", true"],
    "indent": ["2", "4, true", "first=true, blank=true", "0"],
    "truncate": ["5", "4, true", "8, false, '', 0"], "width": ["3", "5", "9", "12"],
    "justify": ["center", "ljust", "rjust", "zfill"], "split": ["split", "rsplit"],
    "at_what": ["", "','", "' '", "none, 1", "'l', 1"], "partition": ["partition", "rpartition"],
    "sort": ["", "(reverse=true)", "(case_sensitive=true)"], "turn": ["unique", "reverse"],
    "filter": ["'upper'", "'string'", "'length'", "'int'", "'abs'", "'default', 9", "'first'",
               "'tojson'", "'trim'", "'join', '+'"],
    "select": ["select", "reject"], "selectattr": ["selectattr", "rejectattr"],
    "a_test": ["", "'odd'", "'string'", "'none'", "'defined'", "'gt', 1", "'eq', 'a'", "'number'",
               "'in', [1, 'a']", "'mapping'"],
    "attr": ["'name'", "'v'", "'tags'", "'tags.0'", "'nope'"], "fallback": ["", ", default=1"],
    "attr_test": ["", ", 'defined'", ", 'eq', 2"], "pairs": ["dictsort", "items | list", "list"],
    "portion": ["batch(2)", "slice(2)", "batch(3, 0)"], "view": ["keys", "values", "items"],
    "range": ["3", "1, 5", "5, 0, -2", "l | length"], "key": ["k", "nope", "a", "z"],
    "five": ["", ", 5"], "end": ["first", "last", "min", "max"],
    "space": ["", "", " ", "\n", "  \n  ", "text ", "\n\n"], "sign": ["", "", "-", "+"],
    "minus": ["", "", "-"], "name": ["a", "b", "s", "i", "ns.x"], "plain_name": ["a", "b"],
    "if": ["", "", " if x", " if loop is undefined"],
    "turn_text": ["{{ x }}", "{{ loop.index }}/{{ loop.length }}",
                  "{{ loop.last }}{{ loop.nextitem }}", "{{ loop.first }}{{ loop.previtem }}",
                  "{{ loop.revindex0 }}{{ loop.cycle(1, 2) }}",
                  "{% if loop.index > 2 %}{% break %}{% endif %}",
                  "{% if x %}{% continue %}{% endif %}!"],
    "call": ["{{ mm(1) }}", "{{ mm(q=i, p=a) }}", "{{ mm() }}", "{{ mm(1, 2, 3) }}"],
    "block_filter": ["upper", "trim", "indent(2)", "replace('a', s)", "replace('', e)"],
    "dict_loop": [".items()", " | dictsort", ""],
}

RULES = {
    "int": ["(<num> <arith> <num>)", "(<seq> | length)", "(<any> | int)", "(<num> | round | int)",
            "-<int0>", "(<str>).<find>(<str0>)", "(<list> | <one>)", "(<str> | wordcount)",
            "(<num> | abs)", "(<list>)[<at>]", "(<int0> ** <small>)"],
    "float": ["(<num> / <num>)", "(<num> <arith> <float0>)", "(<num> | round(<digits>))",
              "(<num> | round(<small>, <method>))", "(<any> | float)"],
    "bool": ["(<any> <same> <any>)", "(<num> <cmp> <num>)", "(<str> <order> <str>)",
             "(<num> < <num> <= <num>)", "(<bool> <logic> <bool>)", "(not <any>)",
             "(<any> is <maybe_not><test>)", "(<int> is <int_test>)", "(<any> <within> <list>)",
             "(<str> <within> <str>)", "(<str0> in <dict>)", "(<str>).<ends>(<str0>)",
             "(<str>).<class>()"],
    "str": ["(<str> <plus> <str>)", "(<any> ~ <any>)", "(<str> * <times>)",
            "(<str>)[<part>:<part><step>]", "(<str>)[<at>]", "(<any> | string)",
            "(<any> | tojson<json>)", "(<str> | <str_filter>)", "(<str>).<str_method>()",
            "(<str>).<strip>(<str0>)", "(<str> | replace(<str0>, <str0><once>))",
            "(<str>).replace(<str0>, <str0><twice>)", "(<list> | join(<str0>))",
            "(<str> | indent(<indent>))", "(<str> | truncate(<truncate>))",
            "(<str> | center(<width>))", "(<str>).<justify>(<width>)",
            "('%s|%5d|%-6s|%.2f' % (<any>, <num>, <any>, <num>))",
            "('%s-%r' | format(<any>, <any>))", "'{}:{!r}'.format(<any>, <any>)",
            "'{:>8}|{:<6}|'.format(<str>, <num>)",
            "'{:.3f} {:08.2f} {:+}'.format(<num>, <num>, <num>)",
            "(<any> | default(<str0><yes>))"],
    "list": ["[<any>, <any>]", "(<list> + <list>)", "(<list>)[<part>:<part><step>]",
             "(<str>).<split>(<at_what>)", "(<str>).splitlines()", "(<str>).<partition>(<str0>)",
             "(<seq> | list)", "(<list> | sort<sort>)", "(<list> | <turn> | list)",
             "(<list> | map(<filter>) | list)", "(<list> | <select>(<a_test>) | list)",
             "(o | map(attribute=<attr><fallback>) | list)",
             "(o | <selectattr>(<attr><attr_test>) | list)",
             "(o | sort(attribute=<attr>) | map(attribute='name') | list)", "(<dict> | <pairs>)",
             "(<list> | <portion> | list)", "(<dict>).<view>() | list", "range(<range>)"],
    "dict": ["{<str0>: <any>, 'z': <any>}", "dict(a=<any>, b=<any>)",
             "(<dict> | items | list | first | default([]))", "d.copy()", "o[1]"],
    "other": ["(<dict>).<key>", "(<dict>)[<str0>]", "(<dict>).get(<str0><five>)",
              "(<any>)[<any>]", "(<seq> | <end>)"],
    "out": ["{{<minus> <any> <minus>}}"],
    "stmt": ["<out>", "{%<sign> set <name> = <any> <sign>%}",
             "{%<sign> set <plain_name> <sign>%}<body>{%<sign> endset <sign>%}",
             "{%<sign> if <any> <sign>%}<body>{%<sign> elif <any> <sign>%}<body>"
             "{%<sign> else <sign>%}<body>{%<sign> endif <sign>%}",
             "{%<sign> if <any> <sign>%}<body>{%<sign> endif <sign>%}",
             "{%<sign> for x in <seq><if> <sign>%}<body><turn_text>{%<sign> endfor <sign>%}",
             "{%<sign> for x in <seq><if> <sign>%}<body><turn_text>{%<sign> else <sign>%}<body>"
             "{%<sign> endfor <sign>%}",
             "{%<sign> for k, v in <dict><dict_loop> <sign>%}{{ k }}={{ v }}<body>"
             "{%<sign> endfor <sign>%}",
             "{%<sign> macro mm(p, q=<any>) <sign>%}{{ p }}{{ q }}<body>"
             "{%<sign> endmacro <sign>%}<call>",
             "{%<sign> filter <block_filter> <sign>%}<body>{%<sign> endfilter <sign>%}",
             "{%<sign> with a = <any> <sign>%}<body>{%<sign> endwith <sign>%}",
             "{#<minus> c <minus>#}", "{% raw %} {{ x }} {% endraw %}"],
    "body": ["<space><stmt><space>", "<space><stmt><space><stmt><space>"],
}


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def make(self, what, n):
        if what in WORDS:
            return self.r.choice(WORDS[what])
        if what.endswith("0"):
            return self.r.choice(ATOMS[what[:-1]])
        if what == "num":
            what = self.r.choice(["int", "int", "float"])
        elif what == "seq":
            what = self.r.choice(["list", "str", "dict"])
        elif what == "any":
            what = self.r.choices(["int", "float", "str", "list", "dict", "bool", "other"],
                                  [5, 2, 6, 5, 2, 3, 1])[0]
        if what in ATOMS:
            if n <= 0 or self.r.random() < 0.15:
                return self.r.choice(ATOMS[what])
            if self.r.random() < 0.03:
                return self.make("any", n - 1)  # the wrong type
            if self.r.random() < 0.08:
                return self.fill(f"(<{what}> if <bool> else <{what}>)", n)
        elif what == "stmt" and n <= 0:
            what = "out"
        return self.fill(self.r.choice(RULES[what]), min(n, 3) if what == "out" else n)

    def fill(self, rule, n):
        return re.sub(r"<(\w+)>", lambda m: self.make(m.group(1), n - 1), rule)


def templates(n, seed):
    g = Generator(seed)
    for i in range(n):
        if i % 3 == 2:
            yield "{% set ns = namespace(x=1) %}" + g.make("body", 5)
        else:
            yield "{{ " + g.make("any", 2 + i % 4) + " }}"
