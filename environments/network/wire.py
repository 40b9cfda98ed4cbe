"""One request, one handshake or one word to a port: sockets, with bounds and judgement of nothing.

Every connection is made by `environments.targets.open_socket`. No redirect is followed, at most
LARGEST bytes of an answer are read, and each probe ends after its seconds however slowly it is fed.
"""

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from environments.addresses import BadAddressError
from environments.network.facts import Answer, Certificate, Flaw, Port, Speaks, Trouble
from environments.targets import ended_after, open_socket

AGENT: Final = "Tracardi-Console-network-check"
LARGEST: Final = 64 * 1024
_PART: Final = 8 * 1024
# What a browser asks before it sends a shop's event to another origin.
PREFLIGHT: Final[Mapping[str, str]] = {
    "Origin": "https://console-check.invalid",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}
# OpenSSL's numbers of what is wrong with a certificate.
_FLAWS: Final = {
    9: Flaw.NOT_YET,
    10: Flaw.EXPIRED,
    18: Flaw.SELF_SIGNED,
    19: Flaw.SELF_SIGNED,
    2: Flaw.UNKNOWN_ISSUER,
    20: Flaw.UNKNOWN_ISSUER,
    21: Flaw.UNKNOWN_ISSUER,
    62: Flaw.WRONG_HOST,
    64: Flaw.WRONG_HOST,
}


class _Given(HTTPConnection):
    """Speaks over a socket that is there already."""

    def __init__(self, sock: socket.socket, host: str, port: int) -> None:
        super().__init__(host, port)
        self.sock = sock


def unchecked() -> ssl.SSLContext:
    """Return what accepts any certificate: it is judged by itself, and nothing secret is sent."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def _open(
    host: str, port: int, seconds: float, context: ssl.SSLContext | None = None
) -> Iterator[socket.socket]:
    """Connect, with TLS where a context is given, and hang up after `seconds` at the latest."""
    deadline = time.monotonic() + seconds
    sock = open_socket(host, port, seconds)
    try:
        sock.settimeout(max(0.01, deadline - time.monotonic()))
        with ended_after(sock, deadline - time.monotonic()):
            if context is not None:
                sock = context.wrap_socket(sock, server_hostname=host)
            yield sock
    finally:
        sock.close()


def trouble_of(error: Exception, *, late: bool) -> Trouble:
    """Return what an error of a connection says in the words of a check."""
    if isinstance(error, BadAddressError):
        return Trouble.FORBIDDEN
    if late or isinstance(error, TimeoutError):
        return Trouble.LATE
    if isinstance(error, socket.gaierror):
        return Trouble.UNKNOWN_NAME
    if isinstance(error, ConnectionRefusedError):
        return Trouble.REFUSED
    if isinstance(error, ssl.SSLError):
        return Trouble.TLS
    if isinstance(error, ConnectionError | HTTPException):
        return Trouble.BROKEN
    return Trouble.UNREACHABLE


def ask(
    place: tuple[str, int],
    method: str,
    path: str,
    *,
    secure: bool,
    seconds: float,
    body: bool = False,
) -> Answer:
    """Send one request without a body and return its answer; the answer's own only with `body`."""
    host, port = place
    headers = {"User-Agent": AGENT, "Accept": "*/*", "Connection": "close"}
    if method == "OPTIONS":
        headers |= PREFLIGHT
    deadline = time.monotonic() + seconds
    try:
        with _open(host, port, seconds, unchecked() if secure else None) as sock:
            connection = _Given(sock, host, port)
            if port == (443 if secure else 80):
                # As a browser names it: without the port that goes without saying.
                headers["Host"] = f"[{host}]" if ":" in host else host
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            raw = _body(answer, sock, deadline) if body else b""
        if time.monotonic() >= deadline:
            # It was cut off: what looks like an end is none.
            raise TimeoutError
    except (BadAddressError, HTTPException, OSError, ValueError) as error:
        return Answer(trouble=trouble_of(error, late=time.monotonic() >= deadline))
    return _answer(answer, raw)


def _body(answer: HTTPResponse, sock: socket.socket, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size < LARGEST and (part := answer.read1(_PART)):
        parts.append(part)
        size += len(part)
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
    if answer.length and size < LARGEST:
        raise ConnectionError("half an answer")
    return b"".join(parts)[:LARGEST]


def _answer(answer: HTTPResponse, raw: bytes) -> Answer:
    headers = answer.headers
    return Answer(
        status=answer.status,
        from_tracardi="x-process-time" in headers,
        allows_origin=bool(headers.get("access-control-allow-origin")),
        location=headers.get("location", "")[:2048],
        context=headers.get("x-context", "")[:64],
        body=raw,
    )


# --- TLS -----------------------------------------------------------------------------------------


def certificate(host: str, port: int, seconds: float) -> Certificate:
    """Shake hands as a browser does, and return what is wrong with the certificate, and its end."""
    flaw: Flaw | None = None
    deadline = time.monotonic() + seconds
    try:
        try:
            with _open(host, port, seconds, ssl.create_default_context()) as sock:
                raw = _shown(sock)
        except ssl.SSLCertVerificationError as error:
            flaw = _FLAWS.get(error.verify_code, Flaw.OTHER)
            with _open(host, port, max(0.1, deadline - time.monotonic()), unchecked()) as sock:
                raw = _shown(sock)
    except (BadAddressError, OSError, ValueError) as error:
        late = time.monotonic() >= deadline
        return Certificate(trouble=trouble_of(error, late=late), flaw=None if late else flaw)
    return _certificate(raw, flaw)


def _shown(sock: socket.socket) -> bytes:
    found = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    return found or b""


def _certificate(raw: bytes, flaw: Flaw | None) -> Certificate:
    try:
        found = x509.load_der_x509_certificate(raw)
        ends: datetime | None = found.not_valid_after_utc
        names = _names(found)
    except ValueError:
        ends, names = None, ()
    return Certificate(flaw=flaw, ends=ends, names=names)


def _names(found: x509.Certificate) -> tuple[str, ...]:
    try:
        more = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(one.value) for one in common)
    hosts = more.get_values_for_type(x509.DNSName)
    return (*hosts, *(str(ip) for ip in more.get_values_for_type(x509.IPAddress)))


# --- Databases -----------------------------------------------------------------------------------

# A transport port of Elasticsearch says so to whoever speaks HTTP to it.
_TRANSPORT: Final = b"This is not an HTTP port"
_PING: Final = b"PING\r\n"
_REDIS: Final = (b"+PONG", b"-NOAUTH", b"-DENIED", b"-MISCONF", b"-LOADING", b"-ERR")


def port(host: str, number: int, seconds: float, wait: Callable[[], None]) -> Port:
    """Say what answers at a port: it is asked as Redis is, and as Elasticsearch is.

    A port that takes no connection is closed, be it refused or dropped. `wait` is called before
    each connection.
    """
    wait()
    try:
        with _open(host, number, seconds) as sock:
            ip = str(sock.getpeername()[0])
    except BadAddressError:
        return Port(number, Speaks.UNKNOWN, trouble=Trouble.FORBIDDEN)
    except socket.gaierror:
        return Port(number, Speaks.UNKNOWN, trouble=Trouble.UNKNOWN_NAME)
    except OSError:
        return Port(number, Speaks.NOTHING)
    # What is likely first: each is a connection of its own.
    order = [_is_redis, _is_elastic] if 6300 <= number < 6500 else [_is_elastic, _is_redis]
    for speaks in order:
        if found := speaks(host, number, seconds, wait):
            return Port(number, found, ip)
    return Port(number, Speaks.SOMETHING, ip)


def _say(
    place: tuple[str, int],
    seconds: float,
    wait: Callable[[], None],
    words: bytes,
    context: ssl.SSLContext | None = None,
) -> bytes:
    wait()
    try:
        with _open(*place, seconds, context) as sock:
            sock.sendall(words)
            heard = b""
            while len(heard) < LARGEST and (part := sock.recv(_PART)):
                heard += part
                if words == _PING:
                    break
            return heard
    except OSError:
        return b""


def _is_redis(host: str, number: int, seconds: float, wait: Callable[[], None]) -> Speaks | None:
    heard = _say((host, number), seconds, wait, _PING)
    return Speaks.REDIS if heard.startswith(_REDIS) else None


def _is_elastic(host: str, number: int, seconds: float, wait: Callable[[], None]) -> Speaks | None:
    words = (
        f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\nAccept: application/json\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    heard = _say((host, number), seconds, wait, words)
    if not heard or not heard.startswith(b"HTTP/"):
        if _TRANSPORT in heard:
            return Speaks.ELASTICSEARCH
        heard = _say((host, number), seconds, wait, words, unchecked())
    return Speaks.ELASTICSEARCH if _elastic_answer(heard) else None


def _elastic_answer(heard: bytes) -> bool:
    head, _, body = heard.partition(b"\r\n\r\n")
    lines = head.lower()
    if _TRANSPORT in heard or b"x-elastic-product" in lines:
        return True
    # A node with security asks for a password before it says anything; so does an OpenSearch.
    if b" 401 " in lines.partition(b"\r\n")[0] + b" " and (
        b'realm="security"' in lines or b"opensearch security" in lines
    ):
        return True
    start, end = body.find(b"{"), body.rfind(b"}")
    try:
        found = json.loads(body[start : end + 1])
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "tagline" in found and "cluster_name" in found
