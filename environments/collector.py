"""Tracardi's collector, which visits are sent to: the only module that opens connections to it.

A visit is POST `/track` (docs/tracardi.md). Nothing is sent twice, and no answer leads elsewhere.
"""

import contextlib
import json
import re
import socket
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

from environments.addresses import PORTS, BadAddressError, host_and_port
from environments.targets import ended_after, open_socket

# An answer holds what a page should do next; a longer one is not read.
LARGEST: Final = 1024 * 1024
_PART: Final = 16 * 1024
_MEDIA_TYPE: Final = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,40}")
TRACK, HEALTH = "/track", "/healthcheck"


class CollectorError(Exception):
    """A visit got no answer that says anything. `str()` is fit for people and holds no secret."""


class _Plain(HTTPConnection):
    """Connects where ALLOWED_TARGETS lets it."""

    def connect(self) -> None:
        self.sock = open_socket(self.host, self.port, self.timeout)


class _Secure(HTTPSConnection):
    """Connects where ALLOWED_TARGETS lets it, and asks for the name's certificate."""

    def connect(self) -> None:
        bare = open_socket(self.host, self.port, self.timeout)
        try:
            self.sock = ssl.create_default_context().wrap_socket(bare, server_hostname=self.host)
        except BaseException:
            bare.close()
            raise


class Collector:
    """One Tracardi's API. `seconds` bound each request, the connection included."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url.rstrip("/")
        self._seconds = seconds

    def health(self) -> str:
        """Ask whether Tracardi answers, and return in words how; nothing is sent.

        GET `/healthcheck` answers 200 (docs/tracardi.md).

        Raises:
            CollectorError: it did not.
        """
        started = time.monotonic()
        answer, _raw = self._ask("GET", HEALTH)
        if answer.status != 200:
            raise CollectorError(f"{self._where(HEALTH)} answered HTTP {answer.status}.")
        return f"{self._where(HEALTH)} answered in {time.monotonic() - started:.2f} s"

    def track(self, visit: Mapping[str, Any]) -> dict[str, Any]:
        """Send one visit and return the answer.

        Raises:
            CollectorError: there was none, or it is not what Tracardi answers.
        """
        answer, raw = self._ask("POST", TRACK, json.dumps(visit).encode())
        return self._read(answer, raw)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[HTTPResponse, bytes]:
        deadline = time.monotonic() + self._seconds
        try:
            # As it is stored, it may be from before the rules for addresses.
            host_and_port(self._url)
        except BadAddressError as error:
            raise CollectorError(f"Nothing was sent to Tracardi. {error}") from error
        parts = urlsplit(f"{self._url}{path}")
        kind = _Secure if parts.scheme == "https" else _Plain
        connection = kind(parts.hostname or "", parts.port, timeout=self._seconds)
        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            with contextlib.closing(connection):
                connection.connect()
                with ended_after(connection.sock, self._seconds):
                    connection.request(method, parts.path, body, headers)
                    answer = connection.getresponse()
                    raw = self._body(answer, connection, deadline, path)
                if time.monotonic() >= deadline:
                    # It was cut off: what looks like an end is none.
                    raise TimeoutError
                return answer, raw
        except BadAddressError as error:
            raise CollectorError(f"Nothing was sent to {self._where(path)}. {error}") from error
        except (HTTPException, OSError) as error:
            late = time.monotonic() >= deadline
            words = "did not answer in time" if late else _words(error)
            raise CollectorError(f"{self._where(path)} {words}.") from error

    def _body(
        self, answer: HTTPResponse, connection: HTTPConnection, deadline: float, path: str
    ) -> bytes:
        """Read an answer; one that trickles on and on ends all the same."""
        parts: list[bytes] = []
        size = 0
        # As much as is there, not as much as is asked for: else nobody would look at the clock.
        while part := answer.read1(_PART):
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                words = f"answered more than {LARGEST // 1024} KiB"
                raise CollectorError(f"{self._where(path)} {words}.")
            left = deadline - time.monotonic()
            if left <= 0:
                raise CollectorError(f"{self._where(path)} did not answer in time.")
            if connection.sock is not None:
                connection.sock.settimeout(left)
        # One that was cut off for its slowness is late, and not short.
        if answer.length and time.monotonic() < deadline:
            raise CollectorError(f"{self._where(path)} sent half an answer.")
        return b"".join(parts)

    def _where(self, path: str) -> str:
        parts = urlsplit(f"{self._url}{path}")
        return f"{parts.hostname}:{parts.port or PORTS.get(parts.scheme, 0)}{parts.path}"

    def _read(self, answer: HTTPResponse, raw: bytes) -> dict[str, Any]:
        where = self._where(TRACK)
        if 300 <= answer.status < 400:
            raise CollectorError(
                f"{where} leads elsewhere (HTTP {answer.status}). Nothing was sent there. "
                "Give the address that it leads to, if that is staging."
            )
        if answer.status != 200:
            raise CollectorError(f"{where} answered HTTP {answer.status}.")
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError) as error:
            told = answer.headers.get("content-type", "").partition(";")[0].strip()
            kind = told if _MEDIA_TYPE.fullmatch(told) else "nothing known"
            raise CollectorError(f"{where} answered no JSON, but {kind}.") from error
        if not isinstance(found, dict) or "task" not in found:
            raise CollectorError(f"{where} answered what no Tracardi answers.")
        return found


def _words(error: HTTPException | OSError) -> str:
    if isinstance(error, ConnectionRefusedError | socket.gaierror):
        return "is out of reach: nothing answers there"
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, ssl.SSLError):
        return "has no valid certificate"
    if isinstance(error, HTTPException | ConnectionError):
        return "broke off in the middle of its answer"
    return f"is out of reach: {error.strerror or 'nobody knows why'}"
