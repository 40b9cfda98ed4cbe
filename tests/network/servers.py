"""Small real servers on loopback addresses: a Tracardi, what stands before it, and worse."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from environments.endpoints import is_open

# What a stub Tracardi answers by GET to whoever has no token, as its sources say; all else is 404.
FREE = ("/healthcheck", "/info/version", "/docs", "/redoc", "/openapi.json", "/install")
GUARDED = ("/users", "/flows", "/rules", "/resources", "/settings", "/deploy")
POSTED = ("/user/token", "/track", "/customer/consent")


@dataclass
class Tracardi:
    """A Tracardi's API. `gate` lets through what the public may reach and answers 404 else."""

    production: bool = False
    version: str = "0.8.1"
    gate: bool = False
    # What a proxy before it adds to each request.
    context: str = ""
    # Statuses that some paths are given instead, and where all of it leads.
    instead: dict[str, int] = field(default_factory=dict)
    leads_to: str = ""
    # Whether what stands before it refuses OPTIONS.
    no_preflight: bool = False
    details: Any = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    times: list[float] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, headers: Any) -> tuple[int, dict[str, str], bytes]:
        self.times.append(time.monotonic())
        self.asked.append((method, path))
        self.agents.add(headers.get("user-agent", ""))
        if self.leads_to:
            return 301, {"Location": f"{self.leads_to}{path}"}, b""
        if path in self.instead:
            return self.instead[path], {}, b""
        if self.gate and not is_open(method, path):
            return 404, {}, b"no"
        if self.no_preflight and method == "OPTIONS":
            return 405, {}, b""
        told = {"X-Process-Time": "0.001"}
        if self.context:
            told["X-Context"] = self.context
        if method == "OPTIONS" and headers.get("origin"):
            return 200, {**told, "Access-Control-Allow-Origin": "*"}, b"OK"
        status, body = self._route(method, path)
        return status, told, body

    def _route(self, method: str, path: str) -> tuple[int, bytes]:
        if path == "/info/version/details" and method == "GET":
            facts = {"version": self.version, "production": self.production}
            return 200, json.dumps(facts if self.details is None else self.details).encode()
        if path.startswith(("/tracker/", "/uix/")):
            return 200, b"let it = 1;"
        if path in FREE:
            return (200, b"{}") if method == "GET" else (405, b"{}")
        if path in POSTED:
            return (422, b"{}") if method == "POST" else (405, b"{}")
        return (401, b"{}") if path in GUARDED else (404, b'{"detail":"Not Found"}')


@contextmanager
def serving(
    host: str, tracardi: Tracardi, context: ssl.SSLContext | None = None, port: int = 0
) -> Iterator[Tracardi]:
    """Let a Tracardi answer at a loopback address; its `url` is set."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            status, headers, body = tracardi.answer(self.command, self.path, self.headers)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_OPTIONS = do_PATCH = _do

        def log_message(self, *_args: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_args: Any) -> None:
            return

    server = Server((host, port), Handler)
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    scheme = "http" if context is None else "https"
    tracardi.url = f"{scheme}://{host}:{server.server_address[1]}"
    try:
        yield tracardi
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def raw(host: str, handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Let `handle` do as it likes with each connection to a loopback address; yield the port."""
    listener = socket.create_server((host, 0))
    ended = threading.Event()

    def one(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            handle(sock)

    def accept() -> None:
        while not ended.is_set():
            try:
                sock, _peer = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def until_hung_up(sock: socket.socket) -> None:
    """Read and say nothing until the other side hangs up."""
    while sock.recv(4096):
        pass


def trickle(start: bytes) -> Callable[[socket.socket], None]:
    """Send `start`, and then a byte now and then, for ever."""

    def handle(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(start)
        while True:
            sock.sendall(b"x")
            time.sleep(0.02)

    return handle


def says(*parts: bytes) -> Callable[[socket.socket], None]:
    """Read once, say it, and hang up."""

    def handle(sock: socket.socket) -> None:
        sock.recv(4096)
        for part in parts:
            sock.sendall(part)
        # Before what was not read: a reset would take the answer away.
        sock.shutdown(socket.SHUT_WR)
        until_hung_up(sock)

    return handle


def endless(sock: socket.socket) -> None:
    """Answer, and never come to an end."""
    sock.recv(4096)
    sock.sendall(b"HTTP/1.1 200 OK\r\nX-Process-Time: 1\r\n\r\n")
    while True:
        sock.sendall(b"x" * 65536)


def redis(*, password: bool = False) -> Callable[[socket.socket], None]:
    """Speak RESP, as far as PING goes."""

    def handle(sock: socket.socket) -> None:
        buffered = b""
        while part := sock.recv(4096):
            buffered += part
            while b"\n" in buffered:
                line, _, buffered = buffered.partition(b"\n")
                if line.strip().upper() != b"PING":
                    sock.sendall(b"-ERR unknown command\r\n")
                    if line.startswith((b"GET ", b"Host:")):
                        # As Redis does to what looks like a browser.
                        return
                elif password:
                    sock.sendall(b"-NOAUTH Authentication required.\r\n")
                else:
                    sock.sendall(b"+PONG\r\n")

    return handle


def closed_port(host: str) -> int:
    """Return a port where nothing listens."""
    with socket.create_server((host, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
