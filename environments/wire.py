"""How `environments.elastic` reaches a cluster: where it may, reading answers up to a bound."""

import socket
import threading
from contextlib import suppress
from typing import Any, Final, NoReturn

import urllib3
from elasticsearch import TransportError
from elasticsearch.connection import Urllib3HttpConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from environments.targets import open_socket

# No answer is longer. The state of all indices, mappings included, is the longest that is asked for
# at once; pages of documents have a bound of their own.
LARGEST_BYTES: Final = 256 * 1024 * 1024
_PART: Final = 1024 * 1024


class TooLongError(Exception):
    """An answer is longer than its bound; it was not read to its end."""


class _Judged:
    """Connects where ALLOWED_TARGETS lets it; for each new connection, not for the address once."""

    # From its first byte to its last, whatever each of them takes; None bounds each of them alone.
    whole_seconds: float | None = None

    def _new_conn(self: Any) -> socket.socket:
        try:
            made = open_socket(self._dns_host, self.port, _seconds(self.timeout))
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "No connection in time.") from error
        except OSError as error:
            raise NewConnectionError(self, "No connection.") from error
        if self.whole_seconds is not None:
            ender = threading.Timer(self.whole_seconds, _end, (self,))
            ender.daemon = True
            ender.start()
        return made


class _Plain(_Judged, urllib3.connection.HTTPConnection):  # type: ignore[misc]
    pass


class _Secure(_Judged, urllib3.connection.HTTPSConnection):  # type: ignore[misc]
    def connect(self) -> None:
        """Connect by TLS; urllib3's own way names no host where it is an IP address, and fails."""
        self.sock = self.ssl_context.wrap_socket(
            self._new_conn(), server_hostname=self.host, do_handshake_on_connect=False
        )
        self.sock.do_handshake()
        # The context checks certificate and name; it is never one that does not.
        self.is_verified = True


class GuardedConnection(Urllib3HttpConnection):
    """Connects to what is allowed alone, follows nothing, and reads `most_bytes` of an answer.

    `whole_seconds`, where they are given, end each connection, however slowly it still answers.
    """

    def __init__(
        self, *args: Any, most_bytes: int, whole_seconds: float | None = None, **rest: Any
    ) -> None:
        super().__init__(*args, **rest)
        pool, send = self.pool, self.pool.urlopen
        kind = _Secure if self.use_ssl else _Plain
        pool.ConnectionCls = type(kind.__name__, (kind,), {"whole_seconds": whole_seconds})

        def urlopen(*words: Any, **options: Any) -> Any:
            answer = send(*words, **options, preload_content=False, redirect=False)
            try:
                answer._body = _read(answer, most_bytes)
            except BaseException:
                # Unread, so the connection is of no further use.
                answer.close()
                raise
            answer.release_conn()
            return answer

        pool.urlopen = urlopen

    def _raise_error(self, status_code: int, raw_data: str) -> NoReturn:
        """Leave reading what went wrong to `elastic`: the client's own way fails on a list."""
        raise TransportError(status_code, "", raw_data)


def _end(connection: Any) -> None:
    """End a connection under whoever reads from it, who is told that it broke off."""
    if connection.sock is not None:
        # It may have ended by itself.
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def _read(answer: Any, most: int) -> bytes:
    """Return the body. No compressed one was asked for, so none is unpacked."""
    length = int(answer.headers.get("content-length") or 0)
    if length > most:
        raise TooLongError(f"an answer has {length:,} bytes, and {most:,} are read at most.")
    if length and not answer.chunked:
        whole: bytes = answer.read(decode_content=False)
        return whole
    parts, size = [], 0
    for part in answer.stream(_PART, decode_content=False):
        parts.append(part)
        size += len(part)
        if size > most:
            raise TooLongError(f"an answer has more than {most:,} bytes.")
    return b"".join(parts)


def _seconds(timeout: Any) -> float | None:
    return timeout if isinstance(timeout, int | float) else None
