"""What is asked of the servers in the namespaces, and what has to be answered.

What is open is read from `environments.endpoints` and from the recipe's answers, never from the
generated files: those are what is judged.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from environments.endpoints import CLOSED, COLLECTOR, is_open
from tests.recipes.lab import (
    CONSOLE,
    CONSOLE_6,
    INTERNET,
    INTERNET_6,
    NETS_6,
    PRODUCTION,
    PRODUCTION_6,
    PUBLIC,
    PUBLIC_6,
    STAFF,
    STAFF_6,
    STAGING,
    STAGING_6,
    Lab,
)
from tests.recipes.samples import SAMPLE

NAME: Final = SAMPLE.public_name
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PORTS: Final = (22, 80, 443, 6379, 8080, 8606, 8686, 8696, 8787, 8797, 9200)
ON_STAGING, ON_PRODUCTION = (STAGING, STAGING_6), (PRODUCTION, PRODUCTION_6)
IN_PUBLIC: Final = (PUBLIC, PUBLIC_6)
EVERYWHERE: Final = (*ON_STAGING, *ON_PRODUCTION, *IN_PUBLIC)
# Who asks: the namespace, and the address there.
STRANGER: Final = (("internet", INTERNET), ("internet", INTERNET_6))
STAFF_MEMBER: Final = (("staff", STAFF), ("staff", STAFF_6))
THE_CONSOLE: Final = (("staff", CONSOLE), ("staff", CONSOLE_6))
STAGING_SERVER: Final = (("staging", STAGING), ("staging", STAGING_6))
STAGING_CONTAINER: Final = (
    ("in-staging", "172.30.1.2"),
    ("in-staging", f"{NETS_6['172.30.1']}::2"),
)
PRODUCTION_SERVER: Final = (("production", PRODUCTION), ("production", PRODUCTION_6))
PRODUCTION_CONTAINER: Final = (
    ("in-production", "172.30.2.2"),
    ("in-production", f"{NETS_6['172.30.2']}::2"),
)
Place = tuple[str, int]
# Who asks, which hosts are asked, and which places answer.
Grant = tuple[Sequence[tuple[str, str]], Sequence[str], set[Place]]


def _places(hosts: Sequence[str], *ports: int) -> set[Place]:
    return {(host, port) for host in hosts for port in ports}


_WEB: Final = _places(IN_PUBLIC, 80, 443)
_STAFFS: Final = (
    _places(ON_STAGING, 22, 8686, 8787)
    | _places(ON_PRODUCTION, 22, 8696, 8797)
    | _places(IN_PUBLIC, 22)
    | _WEB
)
_ENGINE: Final = _places((*ON_PRODUCTION, *IN_PUBLIC), 9200)
# What answers whom; of each all other places are asked as well, and must not.
GRANTED: Final[tuple[Grant, ...]] = (
    (STRANGER, EVERYWHERE, _WEB),
    (STAFF_MEMBER, EVERYWHERE, _STAFFS),
    (THE_CONSOLE, EVERYWHERE, _STAFFS | _ENGINE),
    (STAGING_SERVER, (*ON_PRODUCTION, *IN_PUBLIC), _ENGINE),
    (STAGING_CONTAINER, (*ON_PRODUCTION, *IN_PUBLIC), {(PRODUCTION, 9200)}),
    (PRODUCTION_SERVER, ON_STAGING, set()),
    (PRODUCTION_CONTAINER, ON_STAGING, set()),
)


def probe(host: str, port: int, raw: str, *, source: str = "", **more: Any) -> dict[str, Any]:
    plain = {"tls": None, "ca": None, "expected": True}
    return {"host": host, "port": port, "raw": raw, "source": source, **plain, **more}


def request(method: str, path: str, host: str = NAME, *headers: str) -> str:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""])


@dataclass(frozen=True)
class Judged:
    """How much was asked, and in words what was answered otherwise."""

    checks: int
    hosts: int
    wrong: tuple[str, ...]


def judge_places(lab: Lab, granted: Sequence[Grant] = GRANTED) -> Judged:
    """Ask each place from everywhere: who is granted it gets an answer, and nobody else."""
    due = []
    for who, hosts, allowed in granted:
        for namespace, source in who:
            same = [host for host in hosts if (":" in host) == (":" in source)]
            due.append(
                (namespace, source, [(host, port) for host in same for port in PORTS], allowed)
            )

    def ask(one: Any) -> list[str]:
        namespace, source, places, allowed = one
        probes = [
            probe(
                host,
                port,
                request("GET", "/healthcheck"),
                source=source,
                expected=(host, port) in allowed,
            )
            for host, port in places
        ]
        wrong = []
        for place, answer in zip(places, lab.ask(namespace, probes, 40), strict=True):
            if bool(answer["status"]) != (place in allowed):
                got = f"HTTP {answer['status']}" if answer["status"] else answer["error"]
                wrong.append(f"{source} ({namespace}) at {place[0]} port {place[1]}: {got}")
        return wrong

    with ThreadPoolExecutor(8) as pool:
        found = [words for part in pool.map(ask, due) for words in part]
    asked = {host for _, _, places, _ in due for host, _ in places}
    return Judged(sum(len(one[2]) for one in due), len(asked), tuple(found))


# Ways to say one address so that some program reads another.
TRICKS: Final = (
    "/track/../flows",
    "/track/..%2fflows",
    "/track%2f..%2fflows",
    "/track%2F..%2Fflows",
    "/track/%2e%2e/flows",
    "/track/.%2e/flows",
    "/track%252f..%252fflows",
    "/track/..;/flows",
    "/track;/../flows",
    "/track/..\\flows",
    "/track%5c..%5cflows",
    "/track%00",
    "/track%0a",
    "/track%0d%0aX: y",
    "/track\t",
    "/track#/../flows",
    "/track%23/../flows",
    "/track%3f/../flows",
    "//flows",
    "//track",
    "///track",
    "/./track",
    "/flows/../track",
    "/flows/..%2ftrack",
    "/%66lows",
    "/%74rack",
    "/TRACK",
    "/Track",
    "/track/",
    "/track//",
    "/track.json",
    "/track%20",
    "/tracks",
    "/track/flows",
    "/api/track",
    "/tracker/../flows",
    "/tracker/..%2fflows",
    "/tracker/%2e%2e/flows",
    "/tracker/..%252fflows",
    "/tracker//flows",
    "/tracker/./../flows",
    "/tracker/..;/flows",
    "/tracker/..",
    "/tracker/x%2f..%2f..%2fflows",
    "/tracker/..%5cflows",
    "/tracker/%c0%ae%c0%ae/flows\x01",
    "/uix/../user/token",
    "/uix/..%2fuser%2ftoken",
    "/uix/%2e%2e%2fflows",
    "/trackers",
    "/uixx",
    "/collect",
    "/collect/a",
    "/collect/a/b/c/d",
    "/collect/a/../../flows",
    "/collect/a/..%2f..%2fflows",
    "/collect/%2e%2e/flows",
    "/collect/../flows",
    "/collect//a/b",
    "/redirect",
    "/redirect/",
    "/redirect/../flows",
    "/redirect/..",
    "/redirect/a/b/c",
    "/redirect/%2e%2e%2fflows",
    "/customer",
    "/customer/consent/",
    "/customer/consents",
    "/customer/../flows",
    "/customer/consent/../../flows",
    "/flows?/track",
    "/flows#/track",
    "/flows;/track",
    "/?/track",
    "/",
    "*",
    "/index.html",
    "/.env",
    "/gate-is-alive",
    "/nginx_status",
    f"http://{NAME}/flows",
    f"https://{NAME}/flows",
    "http://127.0.0.1:8606/flows",
    "http://127.0.0.1:8606/track/../flows",
)
# Headers that name another address or method than the request's own.
LYING: Final = (
    "X-Original-URL: /flows",
    "X-Original-URI: /flows",
    "X-Rewrite-URL: /flows",
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Prefix: /flows",
    "X-Real-IP: 10.9.0.5",
    "X-Forwarded-For: 10.9.0.5",
    "Forwarded: for=10.9.0.5;host=evil.example",
)
HOST_NAMES: Final = (
    "localhost",
    "127.0.0.1",
    "127.0.0.1:8606",
    "collector",
    "_",
    "",
    "staging.example.com",
    PRODUCTION,
    PUBLIC,
    f"{NAME}.evil.example",
    f"evil.{NAME}",
    "10.2.0.12:8696",
)


def _cases() -> Iterator[tuple[str, str, bool]]:
    """Yield methods and addresses, and whether the public must reach them."""
    for one in (*COLLECTOR, *CLOSED):
        for method in METHODS:
            yield method, one.sample, is_open(method, one.sample)
    for one in COLLECTOR:
        for method in (*one.methods, "TRACE", "CONNECT", "PROPFIND", "track", "X"):
            wanted = f"{one.sample}?a=1&b=%2f..%2fflows#"
            yield method, wanted.rstrip("#"), is_open(method, one.sample)
    for path in ("/tracker/index.js", "/uix/a-b/c.d/e", "/tracker/", "/uix"):
        yield "GET", path, True
    for path in (
        "/collect/page-view/source",
        "/collect/a/b/c/",
        "/redirect/a%20b",
        "/redirect/a/b",
    ):
        yield "POST", path, True
    for path in TRICKS:
        for method in ("GET", "POST"):
            yield method, path, False


CASES: Final = tuple(dict.fromkeys(_cases()))


def judge_proxy(lab: Lab, cases: Sequence[tuple[str, str, bool]] = CASES) -> Judged:
    """Ask production's proxy from the internet, by both versions of IP."""
    probes, wanted, words = [], [], []
    for host in IN_PUBLIC:
        for method, path, reached in cases:
            probes.append(probe(host, 443, request(method, path), tls=NAME))
            wanted.append(reached)
            words.append(f"{method} {path!r} at {host}")
            # Without TLS nobody is reached.
            probes.append(probe(host, 80, request(method, path)))
            wanted.append(False)
            words.append(f"{method} {path!r} at {host} without TLS")
        for name in HOST_NAMES:
            for tls in (NAME, "", "evil.example"):
                probes.append(probe(host, 443, request("OPTIONS", "/track", name), tls=tls))
                wanted.append(False)
                words.append(f"OPTIONS /track at {host} for host {name!r}, TLS for {tls!r}")
        # Two requests on one line, and two hosts in one request.
        twice = request("OPTIONS", "/track").replace(
            "Connection: close", "Host: localhost\r\nConnection: close"
        )
        probes.append(probe(host, 443, twice, tls=NAME))
        wanted.append(False)
        words.append(f"two hosts at {host}")
    wrong = []
    for answer, reached, which in zip(lab.ask("internet", probes), wanted, words, strict=True):
        got = answer.get("headers", {}).get("x-who", "")
        if got != ("collector" if reached else ""):
            wrong.append(f"{which}: HTTP {answer['status']}, {got or 'nobody'} answered")
    return Judged(len(probes), len(IN_PUBLIC), tuple(wrong))
