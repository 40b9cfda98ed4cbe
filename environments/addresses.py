"""Which addresses are the same one, whatever they are called."""

import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

PORTS: Final = {"http": 80, "https": 443}


class BadAddressError(ValueError):
    """An address names no host and port. `str()` is fit for people."""


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
    """Return what an address names.

    Raises:
        BadAddressError: it names no host, or no port that there is.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise BadAddressError(f"{url[:100]} has no port that there is.") from error
    if not host:
        raise BadAddressError(f"{url[:100]} names no host.")
    return host, PORTS.get(parts.scheme, 0) if port is None else port


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
    return Place(frozenset({(host, port), *((str(one[4][0]), port) for one in found)}))
