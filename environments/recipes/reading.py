"""Reads what a person typed into one plain form, or says in words why it cannot be. Pure."""

import re
from collections.abc import Callable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)
from typing import Final
from urllib.parse import urlsplit

from environments.addresses import (
    PRIVATE_NETWORKS,
    BadAddressError,
    Network,
    host_and_port,
    plain_host,
)

# Where nothing of this lives: the server itself, its link, many at once.
_UNFIT: Final[tuple[Network, ...]] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("224.0.0.0/3"),
    IPv6Network("::/127"),
    IPv6Network("::ffff:0:0/96"),
    IPv6Network("fe80::/10"),
    IPv6Network("ff00::/8"),
)
# A network that is wider is half of the internet.
_WIDEST: Final = {4: 8, 6: 16}
MOST_PLACES: Final = 20
_BETWEEN: Final = re.compile(r"[\s,;]+")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+")
_IMAGE: Final = re.compile(
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
)
_REFERENCE: Final = re.compile(r"[A-Za-z0-9 ._:/@#-]*")


class BadAnswerError(ValueError):
    """An answer cannot be read; `str()` says why, without a way out."""


def IP(text: str) -> IPv4Address | IPv6Address:
    """Return an address that was read before."""
    return ip_address(text)


def network(text: str) -> Network:
    """Return a network that was read before; an address is one of a single host."""
    return ip_network(text)


def is_private(text: str) -> bool:
    """Answer whether an address or a whole network is private."""
    one = network(text)
    return any(one.version == other.version and one.subnet_of(other) for other in PRIVATE_NETWORKS)  # type: ignore[arg-type]


def _parts(text: str, read: Callable[[str], Network]) -> list[Network]:
    parts = [part for part in _BETWEEN.split(text.strip()) if part]
    if len(parts) > MOST_PLACES:
        raise BadAnswerError(f"These are more than {MOST_PLACES}.")
    found = []
    for part in parts:
        one = read(part)
        if any(one.version == other.version and one.overlaps(other) for other in _UNFIT):
            raise BadAnswerError(f"{part} can be no server's or network's here.")
        found.append(one)
    return found


def addresses(text: str) -> tuple[str, ...]:
    """Return the IP addresses of a text, each once, in their usual form."""

    def read(part: str) -> Network:
        try:
            return ip_network(str(ip_address(part)))
        except ValueError as error:
            raise BadAnswerError(f"{part[:60]} is no IP address.") from error

    return tuple(dict.fromkeys(str(one.network_address) for one in _parts(text, read)))


def networks(text: str) -> tuple[str, ...]:
    """Return the networks of a text, such as `10.1.0.0/24`; what lies in another is left out."""

    def read(part: str) -> Network:
        try:
            found = ip_network(part)
        except ValueError as error:
            words = (
                "has bits set behind its length" if "host bits" in str(error) else "is no network"
            )
            raise BadAnswerError(f"{part[:60]} {words}; one is written as 10.1.0.0/24.") from error
        if found.prefixlen < _WIDEST[found.version]:
            raise BadAnswerError(f"{part[:60]} is wider than any network of one's own.")
        return found

    found = _parts(text, read)
    old = collapse_addresses(one for one in found if isinstance(one, IPv4Network))
    new = collapse_addresses(one for one in found if isinstance(one, IPv6Network))
    return tuple(str(one) for one in (*old, *new))


def engine_url(text: str) -> str:
    """Return the address of an Elasticsearch, with its port."""
    try:
        host, port = host_and_port(text)
    except BadAddressError as error:
        raise BadAnswerError(error.what) from error
    parts = urlsplit(text)
    if parts.path not in {"", "/"}:
        raise BadAnswerError("The address has a path.")
    _no_loopback(host)
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def redis_url(text: str) -> str:
    """Return the address of a Redis, with its port; nothing stays nothing."""
    if not text:
        return ""
    bare = text.removeprefix("redis://")
    try:
        host, port = host_and_port(f"http://{bare}")
    except BadAddressError as error:
        raise BadAnswerError(error.what.replace("http:// nor https://", "redis://")) from error
    parts = urlsplit(f"http://{bare}")
    if parts.path not in {"", "/"}:
        raise BadAnswerError("The address has a path.")
    _no_loopback(host)
    if ":" in host:
        # Tracardi cuts it at its first colon.
        raise BadAnswerError("Tracardi reads no Redis address of IP version 6; give a name.")
    return f"redis://{host}:{port if parts.port else 6379}"


def _no_loopback(host: str) -> None:
    if host == "localhost" or host == "::1" or host.startswith("127."):
        raise BadAnswerError(f"In a container, {host} is the container itself.")


def engine_place(url: str) -> tuple[str, int]:
    """Return host and port of an address that was read before."""
    return host_and_port(url)


def redis_place(url: str) -> tuple[str, int]:
    """Return host and port of a Redis that was read before."""
    return host_and_port(url.replace("redis://", "http://", 1))


def public_name(text: str) -> str:
    """Return a name of a host under a domain, in ASCII."""
    try:
        name = plain_host(text)
    except BadAddressError as error:
        raise BadAnswerError(error.what) from error
    labels = name.split(".")
    # The last label of an IP address is a number, and of no domain.
    is_name = len(labels) > 1 and len(name) <= 253 and not labels[-1].isdigit()
    if not is_name or not all(_LABEL.fullmatch(one) for one in labels):
        raise BadAnswerError(f"{text[:60]} is no public name, such as collect.example.com.")
    return name


def label(text: str) -> str:
    """Return a name as Kubernetes takes it."""
    if not _LABEL.fullmatch(text):
        raise BadAnswerError("A name is 1 to 63 small letters, digits and dashes.")
    return text


def path(text: str) -> str:
    """Return the path of a file on a server."""
    if not _PATH.fullmatch(text):
        raise BadAnswerError("A path is as /etc/ssl/tracardi/key.pem, of letters, digits and ._-.")
    return text


def image(text: str) -> str:
    """Return a container's image with its tag."""
    if not _IMAGE.fullmatch(text) or text.endswith(":latest"):
        raise BadAnswerError("An image has a tag, such as tracardi/tracardi-api:0.8.1, not latest.")
    return text


def reference(text: str) -> str:
    """Return where a secret is kept; never a secret."""
    if not _REFERENCE.fullmatch(text):
        raise BadAnswerError("Say where they are kept, in plain letters, and no secret.")
    return text.strip()
