"""Which addresses are the same one, whatever they are called."""

import contextlib
import socket
from typing import Final
from urllib.parse import urlsplit

PORTS: Final = {"http": 80, "https": 443}


def address_of(url: str) -> frozenset[tuple[str, int]]:
    """Return the host and port of an address, by its name and by each IP that it resolves to."""
    if not url:
        return frozenset()
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme, 0)
    found = {(host, port)}
    # A name that leads nowhere is told when something is sent there.
    with contextlib.suppress(OSError):
        found |= {(str(one[4][0]), port) for one in socket.getaddrinfo(host, port)}
    return frozenset(found)
