"""A server on loopback that says what it is told to, and keeps what it was asked."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path


class Listener(ThreadingHTTPServer):
    """Answers each request alike, but those of `by_path`; `endless` sends the body for ever.

    `asked` has the paths, `credentials` what came with them.
    """

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), _Handler)
        self.asked: list[str] = []
        self.credentials: list[str] = []
        self.status = 200
        self.headers: dict[str, str] = {"content-type": "application/json"}
        self.body = b"{}"
        self.by_path: dict[str, tuple[int, bytes]] = {}
        self.endless = False

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        told = self.server
        told.asked.append(self.path)
        told.credentials.append(self.headers.get("authorization") or "")
        self.rfile.read(int(self.headers.get("content-length") or 0))
        status, body = told.by_path.get(self.path.partition("?")[0], (told.status, told.body))
        self.send_response(status)
        for name, value in told.headers.items():
            self.send_header(name, value)
        if told.endless:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            chunk = b"%x\r\n%s\r\n" % (len(told.body), told.body)
            try:
                for part in repeat(chunk):
                    self.wfile.write(part)
            except OSError:
                self.close_connection = True
            return
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def listening(
    host: str = "127.0.0.1", port: int = 0, certificate: Path | None = None
) -> Iterator[Listener]:
    """Run one for as long as the block does; with a certificate and its key, by TLS."""
    server = Listener(host, port)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def dropping(*hosts: str) -> Iterator[int]:
    """Let loopback addresses drop every connection, as a firewall does; yield their port.

    Linux answers no more of them once as many wait as the listener said.
    """
    with ExitStack() as held:
        port = 0
        for host in hosts:
            listener = held.enter_context(socket.create_server((host, port), backlog=0))
            port = int(listener.getsockname()[1])
            while True:
                waiting = held.enter_context(socket.socket())
                waiting.settimeout(0.1)
                try:
                    waiting.connect((host, port))
                except TimeoutError:
                    break
        yield port
