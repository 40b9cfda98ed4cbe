"""Which addresses can be, and which are the same one, whatever they are called."""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

PORTS: Final = {"http": 80, "https": 443}
IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# RFC 1918, carrier-grade NAT, unique local. Not `is_private`, which has more: those of
# documentation, of benchmarks and of no use.
PRIVATE_NETWORKS: Final[tuple[Network, ...]] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
    IPv6Network("fc00::/7"),
)
# Programs disagree on what these mean in an address, so what is checked might not be what is asked.
_UNFIT: Final = re.compile(r"[\s\\\x00-\x1f\x7f]")
_NAME: Final = re.compile(r"[a-z0-9_.-]+")
# 2130706433, 0x7f.1, 127.1 and 0177.0.0.1: resolvers take a name that ends so for an IP address.
_NUMBER: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")


class BadAddressError(ValueError):
    """An address leads nowhere that the console may go. `str()` is fit for people.

    `what` says what is wrong, `todo` what to do; neither holds a password out of the address.
    """

    def __init__(self, what: str, todo: str = "Correct the address.") -> None:
        super().__init__(f"{what} {todo}")
        self.what = what
        self.todo = todo

    @property
    def in_a_form(self) -> str:
        """What a form says."""
        return f"{self.what} Nothing was saved. {self.todo}"


@dataclass(frozen=True)
class Place:
    """Where an address leads: host and port, by its name and by each IP behind it.

    `is_known` says whether the name could be looked up: what it leads to is not known otherwise.
    """

    points: frozenset[tuple[str, int]]
    is_known: bool = True

    def is_same(self, other: "Place") -> bool:
        """Answer whether two lead to one place, as far as that is known."""
        return bool(self.points & other.points)


def host_and_port(url: str) -> tuple[str, int]:
    """Return what an address names: a host as `plain_host` writes it, and a port.

    Raises:
        BadAddressError: it is none of HTTP, names no host or no port that there is, holds a user
            name, a query or a fragment, or can be read in more than one way.
    """
    if _UNFIT.search(url):
        raise BadAddressError("The address holds a blank, a backslash or a control character.")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadAddressError("The address cannot be read.") from error
    if parts.scheme not in PORTS:
        raise BadAddressError("The address begins with neither http:// nor https://.")
    if "@" in parts.netloc:
        raise BadAddressError(
            "The address holds a user name or a password.", "Give only http(s)://HOST:PORT."
        )
    # A path that is put behind it would become part of them.
    if "?" in url or "#" in url:
        raise BadAddressError("The address holds a ? or a #.", "Give only what is before it.")
    try:
        port = parts.port
    except ValueError as error:
        raise BadAddressError("The address has no port that there is.") from error
    if not parts.hostname:
        raise BadAddressError("The address names no host.")
    return plain_host(parts.hostname), PORTS[parts.scheme] if port is None else port


def plain_host(host: str) -> str:
    """Return a host in the one way that it is compared: an IP in its usual form, a name in ASCII.

    Raises:
        BadAddressError: it is no name, or an IP in an unusual form.
    """
    bare = host.strip("[]").rstrip(".").lower()
    try:
        return str(plain_ip(bare))
    except ValueError:
        pass
    try:
        name = bare.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadAddressError(f"{bare[:100]} is no name of a host.") from error
    if not _NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise BadAddressError(
            f"{bare[:100]} is neither a name of a host nor an IP address in its usual form.",
            "Write an IP address as 192.0.2.1 or [2001:db8::1].",
        )
    return name


def plain_ip(text: str) -> IP:
    """Return an IP address; one of version 4 that is dressed as version 6 as what it is.

    Raises:
        ValueError: it is none.
    """
    found = ip_address(text)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def place_of(url: str) -> Place:
    """Return where an address leads. A name is looked up, which may take a while.

    Raises:
        BadAddressError: it names no host and port.
    """
    host, port = host_and_port(url)
    try:
        found = socket.getaddrinfo(host, port)
    except (OSError, UnicodeError):
        return Place(frozenset({(host, port)}), is_known=False)
    ips = {str(plain_ip(str(one[4][0]))) for one in found}
    return Place(frozenset({(host, port), *((ip, port) for ip in ips)}))
