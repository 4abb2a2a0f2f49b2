# SPDX-License-Identifier: Apache-2.0
"""The chat templates of real models against jinja2.

usage: template_models.py RENDER_JSONL [PATTERN]

Templates are read from $OA_TEST_LLAMA_MODELS/templates/*.jinja. Conversations come as JSON, whole:
with and without system text, 1 to 6 turns, tools, calls, results, reasoning, parts, nulls, Unicode;
with a generation prompt and without. Text must be equal; where jinja2 raises, the messages must be.
"""
import json
import os
import pathlib
import random
import sys
import time

import template_env
from template_oracle import Ours

TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather at a place.\nTwo lines & <tags> 'x'.",
        "parameters": {"type": "object", "properties": {
            "place": {"type": "string", "description": "City, e.g. \"Köln\" or 北京"},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
            "days": {"type": ["integer", "null"], "description": "how many <days>"},
            "hours": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            "where": {"type": "object", "properties": {
                "lat": {"type": "number", "minimum": -90.0, "description": "°"},
                "lon": {"type": "number", "maximum": 1.8e2}}, "required": ["lat"]}},
            "required": ["place"]},
        "return": {"type": "string", "description": "text"}}},
    {"type": "function", "function": {
        "name": "ping", "description": "", "parameters": {"type": "object", "properties": {}}}},
    {"type": "function", "function": {
        "name": "any-of", "description": "union", "parameters": {"type": "object", "properties": {
            "v": {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "integer"}]},
            "w": {"type": "boolean", "default": False},
            "e": {"enum": [1, 2.5, None, "z"]}}, "required": [], "additionalProperties": False}}},
]

TEXTS = ["Hello!", "  Hi, what can I do for you? \n", "Erzähl mir einen Witz 😀\n\nBitte.", "",
         "你好，世界\u3000", "<think>\nhm\n</think>\n\nKommt ein Pferd…", "שלום عليكم",
         "{{ 7*7 }} {% if x %} </s><|im_end|> \\n \"q\" 'a' &amp;", "\n\tA\u0301\u200d\n\n",
         "x" * 300, "e=mc²\r\n| a | b |\r\n"]
RESULTS = ["{\"t\": 7, \"s\": \"grau\"}", "7 °C", "", "[1, 2]", "null"]
ARGUMENTS = [{"place": "Köln", "days": 2}, {}, {"x": [1.5, None, True, {"y": "ü\n\"z\""}]},
             {"unit": "C", "n": -3, "big": 12345678901, "f": 1e-7, "b": False}]


def call(name, arguments, ident="abcdefgh1", **more):
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments},
            **more}


def fixed():
    """(name, messages) that every template must agree on."""
    roles = ["user", "assistant"]
    for n in range(0, 7):
        chat = [{"role": roles[i % 2], "content": TEXTS[i]} for i in range(n)]
        yield f"{n} turns", chat
        yield f"system, {n} turns", [{"role": "system", "content": " Be brief. ß "}] + chat
    user = [{"role": "user", "content": "Weather in Köln?"}]
    yield "developer", [{"role": "developer", "content": "Be brief."}] + user
    yield "assistant first", [{"role": "assistant", "content": "Hi"}]
    yield "two users", user + user
    yield "odd role", [{"role": "narrator", "content": "a"}]
    yield "null content", [{"role": "user", "content": None}]
    yield "null answer", user + [{"role": "assistant", "content": None}] + user
    yield "no content", [{"role": "user"}]
    yield "no role", [{"content": "x"}]
    yield "late system", user + [{"role": "system", "content": "b"}] + user
    yield "number", [{"role": "user", "content": 5}]
    yield "reasoning", user + [{"role": "assistant", "content": "2", "reasoning_content": "easy\n"},
                               {"role": "user", "content": "sure?"}]
    yield "reasoning last", user + [{"role": "assistant", "content": "2", "thinking": "t",
                                     "reasoning": "r", "reasoning_content": " c "}]
    parts = [{"type": "text", "text": " see "}, {"type": "image"}, {"type": "text", "text": "ü"}]
    yield "parts", [{"role": "user", "content": parts}]
    yield "text parts", [{"role": k, "content": [{"type": "text", "text": "a "},
                                                 {"type": "text", "text": "b"}]}
                         for k in ("system", "user", "assistant", "user")]
    yield "other parts", [{"role": "user", "content": [{"type": "image_url", "image_url": "u"},
                                                       {"type": "video"}, {"type": "audio"}]}]
    one = user + [{"role": "assistant", "content": None,
                   "tool_calls": [call("get_weather", ARGUMENTS[2])]},
                  {"role": "tool", "content": RESULTS[0], "tool_call_id": "abcdefgh1",
                   "name": "get_weather"}]
    for k, arguments in enumerate(ARGUMENTS):
        for text in (None, "", "Let me see."):
            yield f"call {k} {text!r}", user + [
                {"role": "assistant", "content": text, "tool_calls": [call("ping", arguments)]}]
        yield f"call {k} as text", user + [
            {"role": "assistant", "content": "",
             "tool_calls": [call("ping", json.dumps(arguments))]},
            {"role": "tool", "content": "7", "tool_call_id": "abcdefgh1"}]
    yield "call, no content", user + [{"role": "assistant", "tool_calls": [call("ping", {})]}]
    yield "bare call", user + [{"role": "assistant", "content": "", "tool_calls": [
        {"name": "ping", "arguments": {"a": 1}}]}]
    yield "two calls", user + [
        {"role": "assistant", "content": "", "reasoning_content": "both",
         "tool_calls": [call("ping", {}, "aaaaaaaa1"), call("get_weather", {"place": "x"},
                                                            "aaaaaaaa2")]},
        {"role": "tool", "content": "pong", "tool_call_id": "aaaaaaaa1", "name": "ping"},
        {"role": "tool", "content": "rain", "tool_call_id": "aaaaaaaa2", "name": "get_weather"},
        {"role": "assistant", "content": "It rains."}, {"role": "user", "content": "Thanks"}]
    yield "call, result", one
    yield "call, result, text", one + [{"role": "assistant", "content": "7 degrees."}]
    yield "system, call, result", [{"role": "system", "content": "s"}] + one + user
    yield "no such call", user + [{"role": "tool", "content": "x", "tool_call_id": "nope"}]
    yield "result is an object", user + [
        {"role": "assistant", "content": None, "tool_calls": [call("ping", {})]},
        {"role": "tool", "content": {"a": [1, None]}}]
    yield "result in parts", user + [
        {"role": "assistant", "content": "", "tool_calls": [call("ping", {})]},
        {"role": "tool", "content": [{"type": "text", "text": "pöng"}], "tool_call_id": "abcdefgh1",
         "name": "ping"}]
    yield "short id", user + [{"role": "assistant", "content": "",
                               "tool_calls": [call("ping", {}, "1")]}]
    yield "empty calls", user + [{"role": "assistant", "content": "a", "tool_calls": []}] + user
    yield "null calls", user + [{"role": "assistant", "content": "a", "tool_calls": None}] + user
    yield "ipython", user + [{"role": "ipython", "content": {"r": 1}}]
    yield "message is text", ["hello"]


def random_chat(r):
    chat = []
    if r.random() < 0.4:
        chat.append({"role": r.choice(["system", "system", "system", "developer"]),
                     "content": r.choice(TEXTS)})
    for _ in range(r.randint(1, 6)):
        chat.append({"role": "user", "content": r.choice(TEXTS)})
        if r.random() < 0.1:
            chat[-1]["content"] = [{"type": "text", "text": r.choice(TEXTS)}
                                   for _ in range(r.randint(0, 3))]
        for _ in range(r.choice([0, 0, 0, 1, 1, 2])):
            calls = [call(r.choice(["ping", "get_weather", "any-of"]), r.choice(ARGUMENTS),
                          f"call{r.randint(10000, 99999)}") for _ in range(r.randint(1, 2))]
            if r.random() < 0.3:
                for c in calls:
                    c["function"]["arguments"] = json.dumps(c["function"]["arguments"])
            chat.append({"role": "assistant", "content": r.choice([None, "", r.choice(TEXTS)]),
                         "tool_calls": calls})
            if r.random() < 0.3:
                chat[-1]["reasoning_content"] = r.choice(TEXTS)
            for c in calls:
                chat.append({"role": "tool", "content": r.choice(RESULTS),
                             "tool_call_id": c["id"], "name": c["function"]["name"]})
        if r.random() < 0.85:
            chat.append({"role": "assistant", "content": r.choice(TEXTS)})
            if r.random() < 0.3:
                chat[-1]["reasoning_content"] = r.choice(TEXTS)
        else:
            break
    return chat


def cases():
    """(name, variables)"""
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    extras = [{"tools": TOOLS}, {"tools": TOOLS, "enable_thinking": False, "thinking": False},
              {"enable_thinking": True, "thinking": True, "reasoning_effort": "high"},
              {"tools": TOOLS[:1], "tools_in_user_message": False, "builtin_tools": ["ping"],
               "documents": [{"title": "T", "text": "Ü", "doc_id": 1}],
               "date_string": "1 May 2025",
               "enable_thinking": True, "clear_thinking": False, "keep_past_thinking": True}]
    for name, chat in fixed():
        for prompt in (False, True):
            for with_tools in (False, True):
                yield (f"{name}, {'prompt, ' if prompt else ''}{'tools' if with_tools else ''}",
                       {"messages": chat, **tokens, "add_generation_prompt": prompt,
                        **({"tools": TOOLS} if with_tools else {})})
    for k, extra in enumerate(extras):
        for name, chat in fixed():
            if name in ("5 turns", "system, 4 turns", "reasoning", "two calls", "text parts"):
                yield f"{name}, extra {k}", {"messages": chat, **tokens,
                                             "add_generation_prompt": True, **extra}
    r = random.Random(4)
    for i in range(60):
        yield f"random {i}", {"messages": random_chat(r), **tokens,
                              "add_generation_prompt": i % 2 == 1,
                              **(r.choice(extras) if r.random() < 0.7 else {})}


def strip_ours(error):
    """Without "chat template line N: "."""
    head, _, rest = error.partition(": ")
    return rest if head.startswith("chat template line ") else error


def same_error(want, got):
    kind, _, text = want.partition(": ")
    if kind == "RecursionError":  # the depth differs, the words too
        return strip_ours(got).startswith("nested more than ")
    text, got = " ".join(text.split()), " ".join(strip_ours(got).split())
    return got == text[:len(got)] if len(got) >= 400 else got == text


def main():
    root = os.environ.get("OA_TEST_LLAMA_MODELS")
    if not root or not pathlib.Path(root, "templates").is_dir():
        print("SKIP: OA_TEST_LLAMA_MODELS does not name llama.cpp's models folder")
        return 77
    pattern = f"*{sys.argv[2]}*.jinja" if len(sys.argv) > 2 else "*.jinja"
    ours = Ours(sys.argv[1])
    all_cases = [(name, variables, json.dumps(variables)) for name, variables in cases()]
    n = n_errors = n_bad = 0
    paths = sorted(pathlib.Path(root, "templates").glob(pattern))
    start = time.monotonic()
    for path in paths:
        template = path.read_text(encoding="utf-8")
        shown = 0
        compiled = template_env.Compiled(template)
        for name, variables, text in all_cases:
            ours.send(template, variables, text)  # both work at the same time
            want, want_error = compiled.render(variables)
            got, error = ours.receive()
            n += 1
            n_errors += want_error is not None
            if want_error is None:
                same = want == got
            else:
                same = error is not None and same_error(want_error, error)
            if not same:
                n_bad += 1
                shown += 1
                if shown <= 3:
                    print(f"# {path.name}, {name}\n#   jinja2: {want_error or want!r}\n"
                          f"#   ours:   {error or got!r}")
        if shown:
            print(f"# {path.name}: {shown} of {len(all_cases)} differ")
    print(f"{'not ok' if n_bad or not paths else 'ok'} - {len(paths)} templates, {n} compared, "
          f"{n_errors} of them errors in jinja2, {n_bad} differ, "
          f"{time.monotonic() - start:.0f} s")
    return 1 if n_bad or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
