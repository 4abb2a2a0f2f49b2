# SPDX-License-Identifier: Apache-2.0
"""What the tests of pulling share: a hub with a repository, a home folder, what must hold after."""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "util"), os.path.join(HERE, "..", "program")]
from harness import check  # noqa: E402
from hub_server import Hub  # noqa: E402

TOOL = os.environ["OA_TEST_HUB_TOOL"]
DATA = random.Random(4).randbytes(300_000)
FILE = "model.Q4_K_M.gguf"
APACHE = "---\nlicense: apache-2.0\n---\n# A model\n"


class Place:
    """A hub with one repository, and a home folder to pull into."""

    def __init__(self, files=None, tls=None, **kw):
        self.home = tempfile.mkdtemp(prefix="oa-hub-")
        self.hub = Hub(tls)
        self.hub.repo("owner/name", files or {FILE: DATA}, card=APACHE, **kw)
        self.models = os.path.join(self.home, "data", "openassistant", "models")
        self.datasets = os.path.join(self.home, "data", "openassistant", "datasets")

    def __enter__(self):
        self.hub.__enter__()
        return self

    def __exit__(self, *exc):
        self.hub.__exit__()
        shutil.rmtree(self.home, ignore_errors=True)

    def env(self, **more):
        # Nothing of the machine's own: no proxies, no certificates, no tokens, no folders.
        own = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
        env = {k: v for k, v in os.environ.items() if k not in own and
               not k.startswith(("HF_", "XDG_")) and "proxy" not in k.lower()}
        env.update(HOME=self.home, XDG_DATA_HOME=os.path.join(self.home, "data"), NO_PROXY="*",
                   HF_ENDPOINT=self.hub.url)
        env.update(more)
        return env

    def start(self, *args, name="owner/name", env=None, **kw):
        return subprocess.Popen([TOOL, name, *args], env=self.env(**(env or {})),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)

    def pull(self, *args, **kw):
        process = self.start(*args, **kw)
        out, err = process.communicate(timeout=60)
        check(process.returncode == 0 and err == b"", process.returncode, err)
        return json.loads(out)

    def path(self, file=FILE, repo="owner/name"):
        return os.path.join(self.models, *repo.split("/"), file)

    def read(self, file=FILE):
        with open(self.path(file), "rb") as f:
            return f.read()

    def left(self):
        """Names in the repository's folder that are neither whole files nor the record."""
        folder = os.path.dirname(self.path())
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return sorted(n for n in names if ".partial" in n or (n[0] == "." and n != ".pull.json"))

    def record(self):
        with open(self.path(".pull.json")) as f:
            return json.load(f)


def good(place, r, data=DATA, file=FILE):
    check(r["rc"] == "OA_OK", r["error"])
    check(r["path"] == place.path(file), r["path"])
    check(place.read(file) == data, "other bytes")
    check(place.left() == [], place.left())


def bad(place, r, code, *words):
    check(r["rc"] == code, r["rc"], "want", code, r["error"])
    for word in words:
        check(word in r["error"], r["error"], "want", word)
    check(not os.path.exists(place.path()), "a file under its final name after", r["error"])
