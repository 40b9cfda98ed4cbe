"""A proxy in front of the real engine that makes chosen requests go wrong."""

import http.client
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Answer = tuple[int, bytes]


@dataclass
class Fault:
    """What happens to requests whose `VERB /path` a pattern finds, the first `times` of them.

    `before` answers in the engine's place, unless it returns None. `after` is given the engine's
    answer, and returns another, or None: then the connection is reset, and the sender never knows.
    `refused` resets the connection before anything was sent on. `delay` is in seconds, between the
    two.
    """

    pattern: str
    times: int = 1
    before: Callable[[bytes], Answer | None] | None = None
    after: Callable[[Answer], Answer | None] | None = None
    # What is sent on in place of a request's body.
    change: Callable[[bytes], bytes] | None = None
    refused: bool = False
    delay: float = 0.0
    # How many requests met it.
    met: int = field(default=0, init=False)


def failure(status: int, kind: str, reason: str) -> bytes:
    """Return an error's body as the engine writes it."""
    cause = f'{{"type":"{kind}","reason":"{reason}"}}'
    return f'{{"error":{{"root_cause":[{cause}],{cause[1:-1]}}},"status":{status}}}'.encode()


def answers(status: int, kind: str, reason: str) -> Callable[[bytes], Answer]:
    """Return a fault's `before` that answers with an engine's error."""
    return lambda _body: (status, failure(status, kind, reason))


def of_version(number: str) -> Fault:
    """Return a fault in which the engine says that it is an Elasticsearch of that version."""

    def changed(answer: Answer) -> Answer:
        status, body = answer
        said = {**json.loads(body), "tagline": "", "version": {"number": number}}
        return status, json.dumps(said).encode()

    return Fault(r"GET /$", 100, after=changed)


class Proxy:
    """Listens on loopback, and passes on to the engine what no fault keeps."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._engine = (parts.hostname or "", parts.port or 9200)
        self._faults: list[Fault] = []
        self._guard = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Each answer as one packet, at once: else every request waits 40 ms.
            wbufsize = -1
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                proxy._open.add(self.connection)

            def finish(self) -> None:
                proxy._open.discard(self.connection)
                super().finish()

            def handle_any(self) -> None:
                proxy._handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: tests do."""

        self._handler = Handler
        # Connections that are kept alive.
        self._open: set[socket.socket] = set()
        self._listen(0)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def _listen(self, port: int) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler)
        self._server.daemon_threads = True
        # Looked at often, so that it is gone at once when it goes.
        serve = partial(self._server.serve_forever, poll_interval=0.02)
        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let nothing listen for the block: connections are refused, and the open ones end."""
        self.close()
        for link in list(self._open):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            self._listen(self.port)

    @contextmanager
    def failing(self, *faults: Fault) -> Iterator[None]:
        """Make requests go wrong for the block."""
        with self._guard:
            self._faults = list(faults)
        try:
            yield
        finally:
            with self._guard:
                self._faults = []

    def _fault(self, method: str, path: str) -> Fault | None:
        with self._guard:
            for fault in self._faults:
                if fault.met < fault.times and re.search(fault.pattern, f"{method} {path}"):
                    fault.met += 1
                    return fault
        return None

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self._fault(request.command, request.path)
        if fault is not None and fault.refused:
            _reset(request)
            return
        if fault is not None and fault.before is not None:
            answer = fault.before(body)
            if answer is not None:
                _answer(request, answer)
                return
        if fault is not None and fault.change is not None:
            body = fault.change(body)
        found: Answer | None = self._pass_on(request.command, request.path, request.headers, body)
        if fault is not None and fault.delay:
            time.sleep(fault.delay)
        if fault is not None and fault.after is not None and found is not None:
            found = fault.after(found)
        if found is None:
            _reset(request)
        else:
            _answer(request, found)

    def _pass_on(self, method: str, path: str, headers: Message, body: bytes) -> Answer | None:
        link = http.client.HTTPConnection(*self._engine, timeout=60)
        kept = {n: v for n, v in headers.items() if n.lower() in {"content-type", "accept"}}
        try:
            link.request(method, path, body, kept)
            answer = link.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            # The engine itself is away: so is what stands for it.
            return None
        finally:
            link.close()


def _answer(request: BaseHTTPRequestHandler, answer: Answer) -> None:
    status, body = answer
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
    request.wfile.flush()


def _reset(request: BaseHTTPRequestHandler) -> None:
    """Break the connection so that the other side sees a reset, in the middle of an answer."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    request.wfile.flush()
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.close_connection = True
