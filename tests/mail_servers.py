"""A mail server for tests that answers as it is told to, over a real socket."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pytest_django import Settings

_ANSWERS: Final = {"EHLO": "250 here", "MAIL": "250 ok", "RCPT": "250 ok", "RSET": "250 ok"}


class MailServer(socketserver.ThreadingTCPServer):
    """Keeps the mails it was given. `at_end` is its answer to one; None hangs up without any."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, at_end: str | None, at_quit: str | None) -> None:
        self.at_end, self.at_quit = at_end, at_quit
        self.taken: list[str] = []
        super().__init__(("127.0.0.1", 0), _Talk)


class _Talk(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            verb = line[:4].decode().upper()
            if verb == "DATA":
                self._say("354 go on")
                self.server.taken.append("".join(self._lines()))
                answer = self.server.at_end
            elif verb == "QUIT":
                answer = self.server.at_quit
            else:
                answer = _ANSWERS.get(verb, "502 what?")
            if answer is None:
                return
            self._say(answer)

    def _lines(self) -> Iterator[str]:
        while (line := self.rfile.readline().decode()) not in (".\r\n", ""):
            yield line

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


@contextmanager
def mail_server(
    settings: Settings, at_end: str | None = "250 ok", at_quit: str | None = "221 bye"
) -> Iterator[MailServer]:
    """Let the console send its mail to a server of the test's own."""
    with MailServer(at_end, at_quit) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address[:2]
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
