# SPDX-License-Identifier: Apache-2.0
"""Chat templates against jinja2: realistic templates, snippets, and random expressions.

usage: template_oracle.py RENDER_JSONL [templates|snippets|random|mutated|wrapped]... [N [SEED]]

Text must be equal, and what is an error there must be an error here. A random template that needs
what we refuse on purpose (numbers over 64 bits, a few rare functions) counts as refused; those must
stay few.
"""
import json
import pathlib
import random
import subprocess
import sys

import template_env
import template_random

HERE = pathlib.Path(__file__).parent
REFUSED = ("does not fit 64 bits", "not supported", "too large", "needs more than", "makes more",
           "takes more", "levels deep",
           # jinja2 folds constants: 5[1:] is undefined there while x[1:] fails, and what stands
           # behind "true or" is never looked at.
           "can't be sliced", "No test named", "No filter named")


class Ours:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        self.template = self.template_json = None

    def send(self, template, variables, variables_json=None):
        if template is not self.template:  # thousands of cases in a row have the same
            self.template, self.template_json = template, json.dumps(template)
        self.p.stdin.write(f'{{"template": {self.template_json}, "now": {template_env.NOW}, '
                           f'"vars": {variables_json or json.dumps(variables)}}}\n')
        self.p.stdin.flush()

    def receive(self):
        answer = self.p.stdout.readline()
        if not answer:
            print("not ok - the renderer died at", json.dumps(self.template))
            sys.exit(1)
        r = json.loads(answer)
        return r.get("text"), r.get("error")


class Comparison:
    def __init__(self, ours, env):
        self.ours, self.env = ours, env
        self.n = self.n_errors = self.n_refused = 0
        self.bad = []
        self.template = self.compiled = None

    def case(self, name, template, variables, may_refuse=False):
        self.n += 1
        self.ours.send(template, variables)  # both work at the same time
        if template is not self.template:
            self.template, self.compiled = template, template_env.Compiled(template, self.env)
        want, want_error = self.compiled.render(variables)
        got, error = self.ours.receive()
        if want_error is not None:
            self.n_errors += 1
        if error is not None and not error.startswith("chat template line "):
            self.bad.append((name, template, want, error))
        elif may_refuse and error is not None and any(r in error for r in REFUSED):
            self.n_refused += want_error is None
        elif may_refuse and want is not None and (" at 0x" in want or "<bound method" in want):
            pass  # an address or a name inside jinja2: not comparable
        elif (want_error is None) != (error is None) or want != got:
            self.bad.append((name, template, want_error or want, error or got))

    def done(self, what):
        for name, template, want, got in self.bad[:15]:
            print(f"# {name}\n#   template: {template!r}")
            print(f"#   jinja2:   {want!r}\n#   ours:     {got!r}")
        ok = not self.bad and self.n_refused * 50 <= self.n
        print(f"{'ok' if ok else 'not ok'} - {what}: {self.n} compared, {self.n_errors} of them "
              f"errors in jinja2, {len(self.bad)} differ, {self.n_refused} refused")
        return ok


USERS = [
    {"name": "Ann", "age": 30, "admin": True, "address": {"city": "Rome"}, "tags": ["x", "y"]},
    {"name": "Bob", "age": 25, "admin": False, "address": {"city": "Oslo"}, "tags": ["z"]},
    {"name": "Cid", "age": 41, "admin": False, "address": {"city": "rome"}, "tags": ["w"]},
]
SNIPPET_VARS = {
    "d": {"a": {"b": 1}, "k": "v"}, "lst": [1, 2, 3], "users": USERS,
    "text": "Zwölf Boxkämpfer\njagen \"Viktor\" – 😀\ttab",
}

TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather at a place.",
        "parameters": {"type": "object", "properties": {
            "place": {"type": "string", "description": "City, e.g. \"Köln\""},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
            "days": {"type": ["integer", "null"], "description": "how many <days>"},
            "hours": {"type": "array", "items": {"type": "integer"}}},
            "required": ["place"]}}},
    {"type": "function", "function": {
        "name": "ping", "description": "", "parameters": {"type": "object", "properties": {}}}},
]


def call(name, arguments, ident="abcdefgh1"):
    return {"role": "assistant", "content": None, "tool_calls": [
        {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}]}


def conversations():
    turns = ["Hello!", "  Hi, what can I do for you? \n", "Erzähl mir einen Witz 😀\n\nBitte.",
             "<think>\nhm\n</think>\n\nKommt ein Pferd…", "{{ 7*7 }} {% if %} </s><|im_end|>", "",
             "x" * 300]
    roles = ["user", "assistant"]
    for n in range(0, 7):
        chat = [{"role": roles[i % 2], "content": turns[i]} for i in range(n)]
        yield f"{n} turns", chat
        yield f"system and {n} turns", [{"role": "system", "content": " Be brief. "}] + chat
    yield "assistant first", [{"role": "assistant", "content": "Hi"}]
    yield "two users", [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    yield "odd role", [{"role": "narrator", "content": "a"}]
    yield "null content", [{"role": "user", "content": None}]
    yield "no content", [{"role": "user"}]
    yield "late system", [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]
    yield "parts", [{"role": "user", "content": [{"type": "text", "text": " see "},
                                                 {"type": "image"}]}]
    yield "number", [{"role": "user", "content": 5}]
    yield "reasoning", [{"role": "user", "content": "1+1?"},
                        {"role": "assistant", "content": "2", "reasoning_content": "easy\n"}]
    start = [{"role": "user", "content": "Weather in Köln?"}]
    one = start + [call("get_weather", {"place": "Köln", "days": 2, "x": [1.5, None, True]}),
                   {"role": "tool", "content": "{\"t\": 7}", "tool_call_id": "abcdefgh1"}]
    yield "tool call", start + [call("get_weather", {"place": "Köln"})]
    yield "tool answer", one
    yield "tool answer, then text", one + [{"role": "assistant", "content": "7 degrees."}]
    yield "two tool answers", one + [{"role": "tool", "content": "more"},
                                     {"role": "user", "content": "ok"}]
    yield "tool content is an object", start + [call("ping", {}), {"role": "tool",
                                                                   "content": {"a": [1]}}]
    yield "arguments are text", start + [call("ping", "{\"a\": 1}")]
    yield "short id", start + [call("ping", {}, "1")]


def run_templates(c):
    for path in sorted((HERE / "templates").glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        for name, chat in conversations():
            for extra in ({}, {"add_generation_prompt": True}, {"tools": TOOLS},
                          {"tools": TOOLS, "add_generation_prompt": True,
                           "tools_in_user_message": False, "enable_thinking": False,
                           "builtin_tools": ["ping", "code_interpreter"], "thinking": True}):
                tokens = {"bos_token": "<s>", "eos_token": "</s>"}
                c.case(f"{path.name}, {name}, {sorted(extra)}", template,
                       {"messages": chat, **tokens, **extra})
    return c.done("templates")


def run_snippets(c):
    text = (HERE / "template_snippets.txt").read_text(encoding="utf-8")
    for i, snippet in enumerate(text.split("\n---\n")):
        c.case(f"snippet {i + 1}", snippet, SNIPPET_VARS)
    return c.done("snippets")


def run_random(c, n, seed):
    for i, template in enumerate(template_random.templates(n, seed)):
        c.case(f"random {i}", template, template_random.VARIABLES, may_refuse=True)
    return c.done(f"random, seed {seed}")


def mutate(r, text):
    tokens = ["{%", "%}", "{{", "}}", "-%}", "{%-", "+", "-", " ", "\n", "'", '"', "(", ")", "[",
              "]", "|", ".", ",", "is ", "not ", "in ", "if ", "else", "0", "1", "x", "none", "~",
              "*", " and ", "_", "#", "{#", "#}", "%"]
    for _ in range(r.randint(1, 3)):
        at, how = r.randint(0, len(text)), r.random()
        if how < 0.4:
            text = text[:at] + text[at + r.randint(1, 3):]
        elif how < 0.8:
            text = text[:at] + r.choice(tokens) + text[at:]
        else:
            begin = r.randint(0, len(text))
            text = text[:at] + text[begin:begin + r.randint(1, 12)] + text[at:]
    return text


def run_mutated(c, n, seed):
    """Damaged snippets: mostly wrong, and wrong for both."""
    r = random.Random(seed)
    text = (HERE / "template_snippets.txt").read_text(encoding="utf-8")
    snippets = [s for s in text.split("\n---\n") if "**" not in s and "1000000" not in s]
    for i in range(n):
        c.case(f"mutated {i}", mutate(r, r.choice(snippets)), SNIPPET_VARS, may_refuse=True)
    return c.done(f"mutated, seed {seed}")


WRAP_PIECES = ["a", "b", "word", "-", "--", "---", " ", "  ", "\t", "\n", "\u3000", "\x1c", "é",
               "e\u0301", "1", "_", "!", "'", ".", "foo-bar", "x-y-z", "½", "²", "٣", "一", "😀",
               "\r\n", "\x0b", "\xa0", "extraordinarily", "—", "&"]
WRAP_TEMPLATES = [
    "{{ s | wordwrap(w, b, none, h) }}|{{ d | xmlattr }}",
    "{{ s | wordwrap(width=w, break_long_words=b, wrapstring='<>', break_on_hyphens=h) }}|"
    "{{ d | xmlattr(false) }}"]


def run_wrapped(c, n, seed):
    """Lines of odd words, and attributes of odd names."""
    r = random.Random(seed)
    for i in range(n):
        name = "".join(r.choice("ab/><&\"' =é-") for _ in range(r.randint(0, 3)))
        values = {"x": r.choice([None, 1, True, "<&'\"", [1, "a"], 1.5]),
                  name if r.random() < 0.4 else "id": r.choice(["v", 0, None])}
        text = "".join(r.choice(WRAP_PIECES) for _ in range(r.randint(0, 30)))
        c.case(f"wrapped {i}, {text!r}, {values}", WRAP_TEMPLATES[i % 2],
               {"s": text, "d": values, "b": r.random() < 0.7, "h": r.random() < 0.7,
                "w": r.choice([1, 2, 3, 4, 5, 7, 10, 20, 79, 0, -1])})
    return c.done(f"wrapped, seed {seed}")


def main():
    args = sys.argv[2:] or ["templates", "snippets", "random", "mutated", "wrapped"]
    ours, env = Ours(sys.argv[1]), template_env.make_env()
    numbers = [int(a) for a in args if a.isdigit()] + [None, None]
    ok = True
    if "templates" in args:
        ok = run_templates(Comparison(ours, env)) and ok
    if "snippets" in args:
        ok = run_snippets(Comparison(ours, env)) and ok
    if "random" in args:
        ok = run_random(Comparison(ours, env), numbers[0] or 4000, numbers[1] or 1) and ok
    if "mutated" in args:
        ok = run_mutated(Comparison(ours, env), numbers[0] or 4000, numbers[1] or 1) and ok
    if "wrapped" in args:
        ok = run_wrapped(Comparison(ours, env), numbers[0] or 4000, numbers[1] or 1) and ok
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
