# SPDX-License-Identifier: Apache-2.0
"""A hub on the loopback interface that can be told to misbehave, and remembers what it was asked.

    with Hub() as hub:
        hub.repo("owner/name", {"model.gguf": data})
        hub.plan("model.gguf", Cut(1000), Cut(50), ...)   # one step for each request, then good
        ... HF_ENDPOINT=hub.url ...
        hub.asked("model.gguf")                           # the requests for it
"""
import hashlib
import json
import re
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Step:
    """How one request for a file is answered; None = as it should be."""

    def __init__(self, *, cut=None, stall=None, slow=None, length=None, status=None, headers=None,
                 redirect=None, ignore_range=False, etag=None, data=None, wrong_range=False,
                 chunked=False, extra=b"", raw=None, gate=None, weak=False, cut_all=None, hold=0,
                 content_range=None):
        self.cut = cut                  # close the connection after this many bytes of the body
        self.stall = stall              # (bytes, seconds): send so many, then be silent
        self.slow = slow                # (bytes, seconds): send in blocks of so many, with pauses
        self.length = length            # what Content-Length says too much
        self.status = status
        self.headers = headers or {}
        self.redirect = redirect        # Location
        self.ignore_range = ignore_range
        self.etag = etag
        self.data = data                # other contents
        self.wrong_range = wrong_range  # another part than was asked for
        self.chunked = chunked          # no Content-Length
        self.extra = extra              # bytes behind what Content-Length says
        self.raw = raw                  # these bytes and nothing else
        self.gate = gate                # an event to wait for, after half of the body
        self.weak = weak                # a weak ETag
        self.cut_all = cut_all          # close it after so many bytes of the answer, head and all,
        self.hold = hold                # ... when so many seconds went by in silence
        self.content_range = content_range  # this one in place of the right one; "" = none


class CutFile:
    """What a handler writes to, until it was enough."""

    def __init__(self, handler, size, hold):
        self.file, self.connection, self.left, self.hold = (
            handler.wfile, handler.connection, size, hold)
        handler.wfile, handler.close_connection = self, True
        self.write(b"")

    def write(self, data):
        self.file.write(data[:self.left])
        self.left -= min(len(data), self.left)
        if self.left == 0:
            self.file.flush()
            time.sleep(self.hold)
            self.connection.shutdown(socket.SHUT_RDWR)
            raise BrokenPipeError

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()

    @property
    def closed(self):
        return self.file.closed


class Request:
    def __init__(self, path, headers):
        self.path = path
        self.headers = {k.lower(): v for k, v in headers.items()}

    @property
    def start(self):
        match = re.match(r"bytes=(\d+)-$", self.headers.get("range", ""))
        return int(match[1]) if match else 0


class Hub:
    def __init__(self, tls=None):
        """tls: the path of a file with a certificate and its key; None = without TLS."""
        self.repos = {}     # "models/owner/name": {"files": {}, "info": {}, "small": set()}
        self.plans = {}     # file: [Step]
        self.api_plan = []  # steps for /api
        self.always = {}    # file: Step
        self.requests = []
        self.page = 1000    # files in one page of a listing
        self.lock = threading.Lock()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):  # noqa: N802
                with hub.lock:
                    hub.requests.append(Request(self.path, self.headers))
                try:
                    hub.answer(self)
                except (ConnectionError, ssl.SSLError):
                    self.close_connection = True

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                pass  # whoever was killed or cut off has not said goodbye

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            # The handshake is left to the thread of the connection, whose first read makes it.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    # --- what it holds -----------------------------------------------------------------------

    def repo(self, name, files, kind="models", card=None, info=None, small=()):
        files = dict(files)
        if card is not None:
            files["README.md"] = card.encode()
        self.repos[f"{kind}/{name}"] = {"files": files, "info": info or {}, "small": set(small),
                                        "extra": []}
        return self.repos[f"{kind}/{name}"]

    def plan(self, file, *steps):
        self.plans.setdefault(file, []).extend(steps)

    def asked(self, file):
        return [r for r in self.requests if urlsplit(r.path).path.endswith("/" + file)]

    # --- answers -----------------------------------------------------------------------------

    def send(self, h, status, body=b"", headers=None):
        h.send_response(status)
        for key, value in (headers or {}).items():
            h.send_header(key, value)
        h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        h.wfile.write(body)

    def answer(self, h):
        path = unquote(urlsplit(h.path).path)
        api = re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree)/(.+))?", path)
        if api:
            return self.answer_api(h, *api.groups())
        file = re.fullmatch(r"(?:/(datasets))?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if file:
            kind = file[1] or "models"
            repo = self.repos.get(f"{kind}/{file[2]}")
            if repo and file[4] in repo["files"]:
                return self.answer_file(h, file[4], repo["files"][file[4]])
        loop = re.fullmatch(r"/loop/(\d+)", path)
        if loop:
            return self.send(h, 302, headers={"Location": f"/loop/{int(loop[1]) + 1}"})
        return self.send(h, 404, b"nothing", {"X-Error-Code": "EntryNotFound"})

    def answer_api(self, h, kind, name, what, revision):
        step = self.api_plan.pop(0) if self.api_plan else None
        if step is not None:
            if step.cut_all is not None:
                CutFile(h, step.cut_all, step.hold)
            if step.raw is not None:
                h.wfile.write(step.raw)
                h.close_connection = True
                return None
            if step.data is not None:
                return self.send(h, step.status or 200, step.data, step.headers)
            if step.status:
                return self.send(h, step.status, b"{}", step.headers)
        repo = self.repos.get(f"{kind}/{name}")
        if repo is None:
            return self.send(h, 401, b"{}", {"X-Error-Code": "RepoNotFound"})
        commit = hashlib.sha1(name.encode()).hexdigest()
        if what == "revision" and revision not in ("main", "v1", commit):
            return self.send(h, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        if what != "tree":
            info = {"id": name, "sha": commit, "gated": False, **repo["info"]}
            return self.send(h, 200, json.dumps(info).encode())
        entries = [{"type": "directory", "path": "folder", "oid": "0" * 40, "size": 0}]
        for path, data in repo["files"].items():
            entry = {"type": "file", "path": path, "size": len(data),
                     "oid": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
            if path not in repo["small"] and not path.endswith((".md", ".json")):
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data),
                                "pointerSize": 134}
            entries.append(entry)
        entries += repo["extra"]
        at = int((re.search(r"cursor=(\d+)", h.path) or [0, 0])[1])
        headers = {}
        if at + self.page < len(entries):
            next_url = f"{self.url}/api/{kind}/{name}/tree/{commit}?recursive=true&cursor=" \
                       f"{at + self.page}"
            headers["Link"] = f'<{next_url}>; rel="next"'
        return self.send(h, 200, json.dumps(entries[at:at + self.page]).encode(), headers)

    def answer_file(self, h, name, data):
        steps = self.plans.get(name)
        with self.lock:
            step = steps.pop(0) if steps else self.always.get(name)
        step = step or Step()
        if step.cut_all is not None:
            CutFile(h, step.cut_all, step.hold)
        if step.raw is not None:
            h.wfile.write(step.raw)
            h.close_connection = True
            return
        if step.redirect is not None:
            self.send(h, 302, b"elsewhere", {"Location": step.redirect})
            return
        if step.status:
            self.send(h, step.status, b"no", step.headers)
            return
        if step.data is not None:
            data = step.data
        etag = step.etag or '"%s"' % hashlib.sha256(data).hexdigest()
        if step.weak:
            etag = "W/" + etag
        first, status = 0, 200
        wanted = re.match(r"bytes=(\d+)-$", h.headers.get("Range", ""))
        if wanted and not step.ignore_range and h.headers.get("If-Range", etag) == etag:
            first, status = int(wanted[1]), 206
            if step.wrong_range:
                first = max(0, first - 1)
            if first >= len(data):
                self.send(h, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
        body = data[first:]
        h.send_response(status)
        h.send_header("ETag", etag)
        for key, value in step.headers.items():
            h.send_header(key, value)
        if status == 206 and step.content_range is None:
            h.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        elif status == 206 and step.content_range:
            h.send_header("Content-Range", step.content_range)
        if step.chunked:
            h.send_header("Connection", "close")
        else:
            h.send_header("Content-Length", str(len(body) + (step.length or 0)))
        h.end_headers()
        if step.gate is not None:
            h.wfile.write(body[:len(body) // 2])
            h.wfile.flush()
            step.gate.wait(30)
            body = body[len(body) // 2:]
        if step.cut is not None:
            h.wfile.write(body[:step.cut])
            h.wfile.flush()
            h.connection.shutdown(socket.SHUT_RDWR)
            h.close_connection = True
            return
        if step.stall is not None:
            h.wfile.write(body[:step.stall[0]])
            h.wfile.flush()
            time.sleep(step.stall[1])
            h.close_connection = True
            return
        if step.slow is not None:
            for at in range(0, len(body), step.slow[0]):
                h.wfile.write(body[at:at + step.slow[0]])
                h.wfile.flush()
                time.sleep(step.slow[1])
            return
        h.wfile.write(body + step.extra)
        if step.chunked or step.length or step.extra:
            h.close_connection = True
