# SPDX-License-Identifier: Apache-2.0
"""jinja2 set up as transformers sets it for chat templates, with a clock that stands still."""
import datetime
import json
import sys

try:
    import jinja2
    import jinja2.ext
    import jinja2.sandbox
except ImportError:
    print("SKIP: the Python module jinja2 is missing")
    sys.exit(77)

NOW = 1732279503  # 2024-11-22 12:45:03 UTC


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


class Dict:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)

    def fromkeys(self, *args, **kwargs):
        return dict.fromkeys(*args, **kwargs)


class Namespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        for name in dict(*args, **kwargs):
            Namespace.check(name)
        jinja2.utils.Namespace.__init__(self, *args, **kwargs)

    def __setitem__(self, name, value):
        Namespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError("underscore")


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def strftime_now(format):
    now = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).replace(tzinfo=None)
    return now.strftime(format)


def make_env():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals.update(raise_exception=raise_exception, strftime_now=strftime_now, dict=Dict(),
                       namespace=Namespace)
    return env


class Compiled:
    """A template compiled once; an error in it comes out of every render."""

    def __init__(self, template, env=None):
        self.error = None
        try:
            self.template = (env or make_env()).from_string(template)
        except Exception as e:  # whatever a template can do wrong
            self.error = f"{type(e).__name__}: {e}"

    def render(self, variables):
        """(text, None) or (None, error)."""
        if self.error is not None:
            return None, self.error
        given = {"tools": None, "documents": None, "messages": [], "add_generation_prompt": False}
        given.update(variables)
        try:
            return self.template.render(**given), None
        except RecursionError:
            return None, "RecursionError"
        except Exception as e:
            return None, f"{type(e).__name__}: {e}"
