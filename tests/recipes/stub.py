"""`python -m tests.recipes.stub NAME=HOST:PORT ...`: servers that answer whatever they are asked.

Each stands for a Tracardi, an Elasticsearch or a Redis: it answers every path by every method with
what it received, so that whatever gets through is seen. It prints `ready`; it ends with its parent.
"""

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answer(BaseHTTPRequestHandler):
    """Repeats a request."""

    protocol_version = "HTTP/1.1"
    name = ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.rfile.read(length)
        headers = {key.lower(): value for key, value in self.headers.items()}
        told = {"who": self.name, "method": self.command, "path": self.path, "headers": headers}
        body = b"" if self.command == "HEAD" else json.dumps(told).encode()
        self.send_response(200)
        self.send_header("X-Who", self.name)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.bind(self.server_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


def main(places: list[str]) -> None:
    for place in places:
        name, _, where = place.partition("=")
        host, _, port = where.rpartition(":")
        kind = _Server6 if ":" in host else _Server
        handler = type("Named", (Answer,), {"name": name})
        server = kind((host.strip("[]"), int(port)), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    # Its parent holds the other end.
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
