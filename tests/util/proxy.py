# SPDX-License-Identifier: Apache-2.0
"""A proxy on the loopback interface: CONNECT for https, whole addresses for http.

    with Proxy({"hub.example:443": hub.port}) as proxy:
        ... https_proxy=proxy.url ...
        proxy.asked     # [("CONNECT", "hub.example:443", {headers}), ...]

Names are never looked up: what is not in the table is refused.
"""
import base64
import http.client
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Proxy:
    def __init__(self, table, status=None, user=None):
        """status: what every request is refused with; user: "NAME:PASSWORD" that it wants."""
        self.table = table  # "host:port": port on this machine
        self.status = status
        self.asked = []
        proxy = self
        want = user and "Basic " + base64.b64encode(user.encode()).decode()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def refused(self, target):
                proxy.asked.append((self.command, target,
                                    {k.lower(): v for k, v in self.headers.items()}))
                status = proxy.status
                if want and self.headers.get("Proxy-Authorization") != want:
                    status = 407
                if not status and target not in proxy.table:
                    status = 502
                if status:
                    self.send_response(status)
                    if status == 407:
                        self.send_header("Proxy-Authenticate", 'Basic realm="test"')
                    self.send_header("Content-Length", "0")
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.close_connection = True
                return status

            def do_CONNECT(self):  # noqa: N802
                self.close_connection = True
                if self.refused(self.path):
                    return
                with socket.create_connection(("127.0.0.1", proxy.table[self.path])) as there:
                    self.wfile.write(b"HTTP/1.1 200 Connected\r\nX-Error-Code: GatedRepo\r\n\r\n")
                    ends = [self.connection, there]
                    while True:
                        for end in select.select(ends, [], [], 30)[0]:
                            data = end.recv(65536)
                            if not data:
                                return
                            ends[end is ends[0]].sendall(data)

            def do_GET(self):  # noqa: N802
                url = urlsplit(self.path)
                if self.refused(f"{url.hostname}:{url.port or 80}"):
                    return
                port = proxy.table[f"{url.hostname}:{url.port or 80}"]
                there = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                path = url.path + ("?" + url.query if url.query else "")
                there.request("GET", path, headers=dict(self.headers))
                answer = there.getresponse()
                body = answer.read()
                self.send_response(answer.status)
                for key, value in answer.getheaders():
                    if key.lower() not in ("server", "date"):
                        self.send_header(key, value)
                self.end_headers()
                self.wfile.write(body)
                there.close()

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # an end that is cut off

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
