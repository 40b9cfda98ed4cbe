"""Firewalls of the servers, as nftables loads them. Pure.

One table of our own: Docker's rules stay as they are. A packet has to pass both, so what is dropped
here is dropped, whatever Docker accepts. What Docker publishes never meets the chain `input`: it is
sent on to a container, and judged in `forward` by the port that was asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from environments.recipes.answers import HTTP, HTTPS, Answers, Side
from environments.recipes.reading import engine_place, network, redis_place
from environments.recipes.text import head

TABLE: Final = "tracardi"


@dataclass(frozen=True)
class Door:
    """A TCP port, and the addresses and networks that it is open to; none are everybody."""

    port: int
    who: tuple[str, ...] | None
    why: str
    # The server's own addresses that it is open at; empty for each.
    at: tuple[str, ...] = ()
    # Whether its own containers may use it too.
    inside: bool = False
    # Whether it is open to those of the other side's networks too.
    early: bool = False


@dataclass(frozen=True)
class Server:
    """What a firewall is made for. `bridge` is empty where no Tracardi runs."""

    name: str
    doors: tuple[Door, ...]
    staff: tuple[str, ...]
    ssh_port: int
    bridge: str = ""
    # Who gets nothing here, whatever network they are in; and where containers get nothing.
    strangers: tuple[str, ...] = ()
    # Of those, a place and a port that containers may reach.
    granted: tuple[tuple[str, int], ...] = ()


def stores(answers: Answers) -> dict[tuple[str, int], tuple[str, ...]]:
    """Return each Elasticsearch and Redis with the addresses that may reach it.

    The console reads and writes at each Elasticsearch. A Redis in the containers' own network is
    reached by nobody else, and is not among them.
    """
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for side in answers.sides:
        places = [(engine_place(side.elasticsearch), answers.console_addresses)]
        if side.redis:
            places.append((redis_place(side.redis), ()))
        for place, more in places:
            who = (*found.get(place, ()), *side.addresses, *more)
            found[place] = tuple(dict.fromkeys(who))
    return found


def server(answers: Answers, side: Side) -> Server:
    """Return what is open on the server of one side."""
    other = answers.other(side)
    doors = []
    for (host, port), who in stores(answers).items():
        if host in (*side.addresses, *_public(answers, side)):
            inside = any(one in side.addresses for one in who)
            why = "Elasticsearch or Redis on this server"
            doors.append(Door(port, who, why, inside=inside, early=True))
    staff, console = answers.staff_networks, answers.console_addresses
    doors.append(Door(side.api_port, console, "Tracardi Console", early=True))
    doors.append(Door(side.api_port, staff, "the API behind the GUI"))
    doors.append(Door(side.gui_port, staff, "the GUI"))
    if side.is_production:
        for port in (HTTP, HTTPS):
            doors.append(Door(port, None, "the public collector", at=answers.public_addresses))
    granted = [
        place
        for place, who in stores(answers).items()
        if place[0] in (*other.addresses, *_public(answers, other))
        and any(one in side.addresses for one in who)
    ]
    return Server(
        side.name,
        tuple(doors),
        staff,
        answers.ssh_port,
        side.bridge,
        (*other.networks, *_public(answers, other)),
        tuple(granted),
    )


def data_servers(answers: Answers) -> dict[str, Server]:
    """Return the servers of Elasticsearch and Redis that run no Tracardi, by their addresses.

    One that is known by its name alone is not among them: a firewall takes addresses.
    """
    own = {*answers.staging.addresses, *answers.production.addresses, *answers.public_addresses}
    doors: dict[str, list[Door]] = {}
    for (host, port), who in stores(answers).items():
        if host not in own and _is_address(host):
            doors.setdefault(host, []).append(Door(port, who, "Elasticsearch or Redis", early=True))
    return {
        host: Server(f"data server {host}", tuple(found), answers.staff_networks, answers.ssh_port)
        for host, found in doors.items()
    }


def _public(answers: Answers, side: Side) -> tuple[str, ...]:
    return answers.public_addresses if side.is_production else ()


def _is_address(host: str) -> bool:
    try:
        network(host)
    except ValueError:
        return False
    return True


def nftables(one: Server) -> str:
    """Return a server's rules as a file that is loaded whole or not at all."""
    blocks = [_input(one), _forward(one)]
    return _head(one) + _START + "\n\n".join(blocks) + "\n}\n"


def _head(one: Server) -> str:
    return "#!/usr/sbin/nft -f\n" + head(
        f"Firewall of the {one.name}{' server' if one.bridge else ''}. "
        "For a server that runs nothing else.",
        "It replaces the table of its own name, whole or not at all, and no rule of anybody else.",
        "",
        "Load it so that a mistake does not lock you out:",
        "  nft -c -f nftables.conf",
        f"  systemd-run --on-active=5m --unit=way-back nft delete table inet {TABLE}",
        "  nft -f nftables.conf",
        "Sign in by SSH once more, in a second window. If that works:",
        "  systemctl stop way-back.timer",
        "If it does not, wait five minutes: the rules are taken away by themselves.",
        "",
    )


_START: Final = f"""
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
"""
_COMMON: Final = (
    "ct state invalid drop",
    "ct state { established, related } accept",
)
_ICMP: Final = (
    "# Without these, IP does not work: errors, sizes of packets, and neighbours of version 6.",
    "icmp type { destination-unreachable, time-exceeded, parameter-problem } accept",
    "icmpv6 type { destination-unreachable, packet-too-big } accept",
    "icmpv6 type { time-exceeded, parameter-problem } accept",
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept",
    "icmpv6 type nd-router-advert ip6 hoplimit 255 accept",
    "icmpv6 type { mld-listener-query, mld-listener-report, mld2-listener-report } accept",
    "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
)


def _input(one: Server) -> str:
    lines = [
        "type filter hook input priority filter; policy drop;",
        *_COMMON,
        'iifname "lo" accept',
        *_ICMP,
    ]
    for door in one.doors:
        if door.inside and one.bridge:
            lines.append(f"# Containers of this server: {door.why}.")
            lines.append(f'iifname "{one.bridge}" tcp dport {door.port} accept')
    lines += _of_doors(_early(one), "tcp dport {port}")
    lines += _no_strangers(one)
    lines += ["# The staff."]
    lines += _from(one.staff, f"tcp dport {one.ssh_port} accept")
    lines += _from(one.staff, "icmp type echo-request accept", only=4)
    lines += _from(one.staff, "icmpv6 type echo-request accept", only=6)
    lines += _of_doors(_late(one), "tcp dport {port}")
    lines += ["# Nothing else.", "counter drop"]
    return _chain("input", lines)


def _forward(one: Server) -> str:
    lines = ["type filter hook forward priority filter; policy drop;", *_COMMON]
    published = "meta l4proto tcp ct status dnat ct original proto-dst {port}"
    if one.bridge:
        lines.append("# Containers among each other, and out: but not to what is none of theirs.")
        lines.append(f'iifname "{one.bridge}" oifname "{one.bridge}" accept')
        for host, port in one.granted:
            lines += _from(
                (host,), f"tcp dport {port} accept", kind="daddr", before=f'iifname "{one.bridge}" '
            )
        for kind, where in ((4, "169.254.0.0/16"), (6, "fe80::/10")):
            lines += _from(
                (where,), "drop", kind="daddr", before=f'iifname "{one.bridge}" ', only=kind
            )
        lines += _from(
            one.strangers, "counter drop", kind="daddr", before=f'iifname "{one.bridge}" '
        )
        lines.append(f'iifname "{one.bridge}" accept')
    else:
        lines += ["# Containers, out.", 'iifname "docker0" accept', 'iifname "br-*" accept']
    lines.append("# What is published of containers, by the port that was asked for.")
    lines += _of_doors(_early(one), published)
    lines += _no_strangers(one)
    private = [door for door in _late(one) if door.who is not None]
    lines += _of_doors(private, published)
    lines += ["# Nothing else.", "counter drop"]
    return _chain("forward", lines)


def _early(one: Server) -> list[Door]:
    return [door for door in one.doors if door.early]


def _late(one: Server) -> list[Door]:
    return [door for door in one.doors if not door.early]


def _no_strangers(one: Server) -> list[str]:
    """Refuse the other side before the staff's networks are asked, which may hold it.

    What is public is open to it as to everybody; not to staging, whose events are no customers'.
    """
    if not one.strangers:
        return []
    return ["# The other server gets nothing more here.", *_from(one.strangers, "counter drop")]


def _of_doors(doors: Iterable[Door], match: str) -> list[str]:
    lines = []
    for door in doors:
        rule = f"{match.format(port=door.port)} accept"
        if door.who is None:
            own = _from(door.at, rule, kind="daddr") if door.at else [rule]
            lines += [f"# Everybody: {door.why}, port {door.port}.", *own]
        elif own := _from(door.who, rule):
            lines += [f"# {door.why[0].upper()}{door.why[1:]}, port {door.port}.", *own]
    return lines


def _from(
    places: Iterable[str], rule: str, *, kind: str = "saddr", before: str = "", only: int = 0
) -> list[str]:
    """Return a rule for addresses and networks: a line for each version of IP among them."""
    lines = []
    held = [network(one) for one in places]
    for version, word in ((4, "ip"), (6, "ip6")):
        same = [str(one) for one in held if one.version == version]
        own = sorted({one.removesuffix("/32").removesuffix("/128") for one in same})
        if own and only in {0, version}:
            lines.append(f"{before}{word} {kind} {{ {', '.join(own)} }} {rule}")
    return lines


def _chain(name: str, lines: Iterable[str]) -> str:
    body = "".join(f"        {line}\n" for line in lines)
    return f"    chain {name} {{\n{body}    }}"
