"""Which hosts the console may connect to, and the one way in which it does.

People enter the addresses of clusters and of Tracardi. ALLOWED_TARGETS says which of them may be
reached (docs/settings.md; why it is so: docs/adr/0016-where-the-console-connects.md). A form asks
`check_url`, and each connection is made by `open_socket`, to an IP address that it judged.
"""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from environments.addresses import IP, BadAddressError, Network, host_and_port, plain_host, plain_ip

LOOPBACK: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
# No list allows these: no server of a cluster or of Tracardi lives there, and the metadata services
# of clouds give credentials to whoever asks.
NEVER: Final[tuple[Network, ...]] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("240.0.0.0/4"),
    IPv6Network("::/128"),
    IPv6Network("fe80::/10"),
    IPv6Network("fec0::/10"),
    IPv6Network("ff00::/8"),
    # Metadata outside of link-local: Alibaba, Azure, Oracle, AWS, Google.
    IPv4Network("100.100.100.200/32"),
    IPv4Network("168.63.129.16/32"),
    IPv4Network("192.0.0.192/32"),
    IPv6Network("fd00:ec2::/32"),
    IPv6Network("fd20:ce::254/128"),
)
# Version 6 addresses whose last four bytes are one of version 4: translated, or compatible.
_CARRIERS: Final = (
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("::/96"),
)
_ADD: Final = "Correct it, or ask whoever runs the console to add it to ALLOWED_TARGETS."


class ForbiddenTargetError(BadAddressError):
    """The console may not connect there."""


@dataclass(frozen=True)
class Rule:
    """One entry of ALLOWED_TARGETS: a network, a host, or with `.` before it what ends so.

    With neither it is the entry `*`. Without a port it is for each.
    """

    network: Network | None = None
    host: str = ""
    port: int | None = None

    def names(self, host: str, port: int) -> bool:
        """Answer whether it allows a host by its name."""
        if self.network is not None or self.port not in {None, port}:
            return False
        if self.host.startswith("."):
            return host.endswith(self.host)
        return self.host in {"", host}

    def holds(self, ip: IP, port: int) -> bool:
        """Answer whether it allows an IP address as such."""
        return self.network is not None and self.port in {None, port} and ip in self.network


def rules() -> tuple[Rule, ...]:
    """Return what ALLOWED_TARGETS allows; nothing where it is empty.

    Raises:
        ImproperlyConfigured: an entry cannot be read.
    """
    return _parsed(tuple(settings.ALLOWED_TARGETS))


@lru_cache(maxsize=8)
def _parsed(entries: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(rule for entry in entries for rule in _rules_of(entry.strip()))


def _rules_of(entry: str) -> tuple[Rule, ...]:
    try:
        what, port = _without_port(entry)
        if what == "*":
            return (Rule(port=port),)
        if what.lower() == "localhost":
            return tuple(Rule(network=network, port=port) for network in LOOPBACK)
        if "/" in what or ":" in what or what.replace(".", "").isdigit():
            return (Rule(network=ip_network(what), port=port),)
        if what.startswith("*."):
            return (Rule(host=f".{plain_host(what[2:])}", port=port),)
        return (Rule(host=plain_host(what), port=port),)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"ALLOWED_TARGETS holds {entry!r}, which is none of HOST, *.SUFFIX, IP, IP/BITS, "
            "localhost and *, each with :PORT where that is meant, and [IP]:PORT for IP version 6. "
            "Correct it, then start again."
        ) from error


def _without_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        what, end, rest = entry[1:].partition("]")
        if not end or (rest and not rest.startswith(":")):
            raise ValueError(entry)
        port = rest[1:]
    elif entry.count(":") > 1:
        what, rest, port = entry, "", ""
    else:
        what, rest, port = entry.partition(":")
    if not rest:
        return what, None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(entry)
    return what, int(port)


def check_url(url: str) -> None:
    """Check that the console may connect to an address. A name is looked up: it may take a while.

    One that cannot be looked up passes where it may be allowed: it is judged again, each time that
    the console connects.

    Raises:
        BadAddressError: it names no host and port.
        ForbiddenTargetError: the console may not connect there.
    """
    host, port = host_and_port(url)
    try:
        ips = _look_up(host, port)
    except OSError as error:
        if rules() and not any(rule.names(host, port) for rule in rules()):
            raise ForbiddenTargetError(
                f"{_where(host, port)} is not named in ALLOWED_TARGETS, and cannot be looked up.",
                _ADD,
            ) from error
        return
    _judge(host, port, ips)


def open_socket(host: str, port: int, seconds: float | None) -> socket.socket:
    """Connect to a host, at an IP address that was judged after the look-up, and return the socket.

    `seconds` bound all attempts together, and each address has its share of what is left of them;
    None waits for ever.

    Raises:
        BadAddressError, ForbiddenTargetError: the console may not connect there; it did not.
        OSError: the name cannot be looked up, or nothing answers.
    """
    host = plain_host(host)
    met: OSError | None = None
    ips = _look_up(host, port)
    _judge(host, port, ips)
    end = None if seconds is None else time.monotonic() + seconds
    for tried, ip in enumerate(ips):
        share = None if end is None else max(0.01, (end - time.monotonic()) / (len(ips) - tried))
        try:
            # The address itself: a second look-up of the name might find another.
            made = socket.create_connection((str(ip), port), share)
        except OSError as error:
            met = error
            continue
        # Reading and writing have all the time, as whoever asked expects.
        made.settimeout(seconds)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    raise met or OSError(f"{host} has no address.")


@contextmanager
def ended_after(sock: socket.socket, seconds: float) -> Iterator[None]:
    """End a connection after a while: bytes may trickle for ever, each in time."""
    # Wrapped for TLS, the socket is another object with the same number.
    number = sock.fileno()
    twin = socket.socket(fileno=socket.dup(number))

    def close() -> None:
        with suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, seconds), close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        twin.close()


def _look_up(host: str, port: int) -> list[IP]:
    """Return the IP addresses of a host, each once, in the resolver's order."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "no such name") from error
    return list(dict.fromkeys(plain_ip(str(one[4][0])) for one in found))


def _judge(host: str, port: int, ips: Sequence[IP]) -> None:
    """Refuse a host unless each of its addresses is allowed: nobody knows which one is taken."""
    allowed = rules()
    by_name = not allowed or any(rule.names(host, port) for rule in allowed)
    for ip in ips:
        where = _where(host, port, ip)
        meant = _meant(ip)
        if any(one in network for one in meant for network in NEVER):
            raise ForbiddenTargetError(
                f"{where} is link-local, multicast, unspecified or a cloud's metadata service, "
                "where the console never connects.",
                "Give the address of a server.",
            )
        if any(rule.holds(ip, port) for rule in allowed):
            continue
        if any(one in network for one in meant for network in LOOPBACK):
            raise ForbiddenTargetError(
                f"{where} is the console's own machine, which ALLOWED_TARGETS does not name.",
                "Correct it, or ask whoever runs the console to add localhost to ALLOWED_TARGETS.",
            )
        if not by_name:
            raise ForbiddenTargetError(f"{where} is not named in ALLOWED_TARGETS.", _ADD)


def _meant(ip: IP) -> tuple[IP, ...]:
    """Return an address, and the ones of version 4 that a router would make of it."""
    if not isinstance(ip, IPv6Address):
        return (ip,)
    inner: list[IP] = [ip, *(ip.teredo or ())]
    if ip.sixtofour is not None:
        inner.append(ip.sixtofour)
    if any(ip in network for network in _CARRIERS) and ip not in LOOPBACK[1]:
        inner.append(IPv4Address(ip.packed[-4:]))
    return tuple(inner)


def _where(host: str, port: int, ip: IP | None = None) -> str:
    behind = f" ({ip})" if ip is not None and str(ip) != host else ""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}{behind}"
