"""Tracardi's collector, which visits are sent to: the only module that opens connections to it.

A visit is POST `/track` (docs/tracardi.md). Nothing is sent twice, and no answer leads elsewhere.
"""

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

from environments.addresses import PORTS

# An answer holds what a page should do next; a longer one is not read.
LARGEST: Final = 1024 * 1024
_PART: Final = 16 * 1024


class CollectorError(Exception):
    """A visit got no answer that says anything. `str()` is fit for people and holds no secret."""


class Collector:
    """One Tracardi's `/track`. `seconds` bound each request, the connection included."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url = f"{url.rstrip('/')}/track"
        self._seconds = seconds

    def track(self, visit: Mapping[str, Any]) -> dict[str, Any]:
        """Send one visit and return the answer.

        Raises:
            CollectorError: there was none, or it is not what Tracardi answers.
        """
        deadline = time.monotonic() + self._seconds
        parts = urlsplit(self._url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._seconds)
        headers = {"content-type": "application/json", "accept": "application/json"}
        try:
            with contextlib.closing(connection):
                connection.request("POST", parts.path, json.dumps(visit).encode(), headers)
                answer = connection.getresponse()
                raw = self._body(answer, connection, deadline)
                return self._read(answer, raw)
        except (HTTPException, OSError) as error:
            raise CollectorError(f"{self._where} {_words(error)}.") from error

    def _body(self, answer: HTTPResponse, connection: HTTPConnection, deadline: float) -> bytes:
        """Read an answer; one that trickles on and on ends all the same."""
        parts: list[bytes] = []
        size = 0
        # As much as is there, not as much as is asked for: else nobody would look at the clock.
        while part := answer.read1(_PART):
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                raise CollectorError(f"{self._where} answered more than {LARGEST // 1024} KiB.")
            left = deadline - time.monotonic()
            if left <= 0:
                raise CollectorError(f"{self._where} did not answer in time.")
            if connection.sock is not None:
                connection.sock.settimeout(left)
        if answer.length:
            raise CollectorError(f"{self._where} sent half an answer.")
        return b"".join(parts)

    @property
    def _where(self) -> str:
        parts = urlsplit(self._url)
        return f"{parts.hostname}:{parts.port or PORTS.get(parts.scheme, 0)}{parts.path}"

    def _read(self, answer: HTTPResponse, raw: bytes) -> dict[str, Any]:
        if 300 <= answer.status < 400:
            raise CollectorError(
                f"{self._where} leads elsewhere (HTTP {answer.status}). Nothing was sent there. "
                "Give the address that it leads to, if that is staging."
            )
        if answer.status != 200:
            raise CollectorError(f"{self._where} answered HTTP {answer.status}.")
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError) as error:
            kind = answer.headers.get("content-type", "nothing known").partition(";")[0]
            raise CollectorError(f"{self._where} answered no JSON, but {kind[:40]}.") from error
        if not isinstance(found, dict) or "task" not in found:
            raise CollectorError(f"{self._where} answered what no Tracardi answers.")
        return found


def _words(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError | socket.gaierror):
        return "is out of reach: nothing answers there"
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, ssl.SSLError):
        return "has no valid certificate"
    return "broke off in the middle of its answer"
