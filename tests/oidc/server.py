"""Serves a provider on a loopback address that is not the console's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.oidc.provider import HOST, Answer, Provider, answer_json
from tests.oidc.trouble import Trouble


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            self._do(_flat(body.decode()))

        def _do(self, form: dict[str, str]) -> None:
            parts = urlsplit(self.path)
            name = parts.path.removeprefix("/realms/shop/")
            provider.requests.append(name)
            if name in ("token", "keys") and self._misbehaves():
                return
            self._send(*self._answer(name, _flat(parts.query), form))

        def _answer(self, name: str, query: dict[str, str], form: dict[str, str]) -> Answer:
            authorization = self.headers.get("Authorization", "")
            match name:
                case ".well-known/openid-configuration":
                    return answer_json(provider.discovery())
                case "keys":
                    return answer_json(provider.keys())
                case "authorize":
                    return provider.authorize(query)
                case "choose":
                    return provider.choose(query, form.get("person", ""))
                case "token":
                    return provider.token(form, authorization)
                case "userinfo":
                    return provider.userinfo(authorization)
            return 404, {}, b""

        def _misbehaves(self) -> bool:
            match provider.trouble:
                case Trouble.SILENT:
                    # Until the test is over, which is longer than anybody waits.
                    provider.ended.wait(30)
                    self.close_connection = True
                case Trouble.TRICKLES:
                    self.send_response(200)
                    self.send_header("Content-Length", "100000")
                    self.end_headers()
                    while not provider.ended.wait(0.05):
                        try:
                            self.wfile.write(b" ")
                        except OSError:
                            break
                case Trouble.MOVED:
                    self._send(307, {"Location": f"{provider.origin}/elsewhere"}, b"")
                case Trouble.BROKEN:
                    self._send(500, {}, b"Traceback: out of order")
                case Trouble.NOT_JSON:
                    self._send(200, {"Content-Type": "text/html"}, b"<h1>Welcome</h1>")
                case Trouble.LIST:
                    self._send(*answer_json([1, 2]))
                case Trouble.TOO_LONG:
                    self._send(*answer_json({"long": "x" * 2_000_000}))
                case _:
                    return False
            return True

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            try:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                # Whoever asked did not wait for the end.
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _flat(query: str) -> dict[str, str]:
    return {name: many[0] for name, many in parse_qs(query).items()}


@contextmanager
def running(**people: dict[str, Any]) -> Iterator[Provider]:
    """Run a provider that knows these people, until the end of the block."""
    provider = Provider(people=dict(people))
    server = ThreadingHTTPServer((HOST, 0), _handler(provider))
    provider.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        provider.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
