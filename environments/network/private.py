"""Which IP addresses and which names are private. Pure: no Django, no I/O."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from environments.addresses import IP, PRIVATE_NETWORKS, Network


class Reach(StrEnum):
    PRIVATE = "private"
    LINK_LOCAL = "link-local"
    PUBLIC = "public"


_LOOPBACK: Final[tuple[Network, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
_LINK_LOCAL: Final[tuple[Network, ...]] = (IPv4Network("169.254.0.0/16"), IPv6Network("fe80::/10"))
# What no public registry delegates (RFC 2606, 6761, 6762, 8375, 9476), and what people use instead.
_INNER: Final = frozenset(
    {
        "alt",
        "corp",
        "example",
        "home",
        "home.arpa",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "onion",
        "private",
        "test",
    }
)


def reach_of(ip: IP) -> Reach:
    """Return from how far an IP address is reached. What is in doubt counts as public."""
    if any(ip in network for network in (*PRIVATE_NETWORKS, *_LOOPBACK)):
        return Reach.PRIVATE
    if any(ip in network for network in _LINK_LOCAL):
        return Reach.LINK_LOCAL
    return Reach.PUBLIC


def is_public_name(host: str) -> bool:
    """Answer whether a host is a name that everybody's resolver may know; an IP address is none."""
    try:
        ip_address(host)
    except ValueError:
        labels = host.rstrip(".").lower().split(".")
        return len(labels) > 1 and labels[-1] not in _INNER and ".".join(labels[-2:]) not in _INNER
    return False
