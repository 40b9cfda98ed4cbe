"""The internet, the staff's network, and both servers, as network namespaces of one machine.

    internet --+                      +--- staging ------- its containers
               +- router, no filter --+
    staff -----+                      +=== production ---- its containers

Names are random, nothing has a way out of them, and all of it is taken away at the end. Containers
are namespaces behind a bridge, published by DNAT for IP version 4 as Docker does it; for version 6
a program on the server takes the connections, as Docker's own does.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from environments.recipes.answers import Answers
from tests.recipes.samples import sample

ROOT: Final = Path(__file__).parents[2]
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
INTERNET, INTERNET_6 = "203.0.113.20", "2001:db8:2::20"
STAFF, STAFF_6 = "10.9.0.20", "fd00:9::20"
CONSOLE, CONSOLE_6 = "10.9.0.5", "fd00:9::5"
PUBLIC, PUBLIC_6 = "198.51.100.10", "2001:db8:1::10"
STAGING, STAGING_6 = "10.1.0.11", "fd00:1::11"
PRODUCTION, PRODUCTION_6 = "10.2.0.12", "fd00:2::12"
# A host's links: its namespace, its addresses there, and the router's.
_LINKS: Final = (
    ("internet", (INTERNET, INTERNET_6), ("203.0.113.1", "2001:db8:2::1")),
    ("staff", (STAFF, STAFF_6), ("10.9.0.1", "fd00:9::1")),
    ("staging", (STAGING, STAGING_6), ("10.1.0.1", "fd00:1::1")),
    ("production", (PRODUCTION, PRODUCTION_6), ("10.2.0.1", "fd00:2::1")),
    ("production", (PUBLIC, PUBLIC_6), ("198.51.100.1", "2001:db8:1::1")),
)
# The networks of containers, and those of IP version 6 beside them.
NETS_6: Final = {"172.30.1": "fd00:a1", "172.30.2": "fd00:a2"}
HOSTS: Final = (
    "router",
    "internet",
    "staff",
    "staging",
    "production",
    "in-staging",
    "in-production",
)
ON_SIDES: Final = HOSTS[3:]
_SYSCTLS: Final = (
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    # Nobody else has these addresses: nothing waits to find that out.
    "net.ipv6.conf.all.accept_dad=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.dad_transmits=0",
)


def tool(name: str) -> str:
    """Return a program's path, or fail with what to install."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        pytest.fail(f"{name} is missing: run devtools/system-packages.", pytrace=False)
    return found


def run(*words: str, text: str | None = None) -> str:
    """Run a program to its end, and return what it printed; it has to succeed."""
    done = subprocess.run(  # noqa: S603
        words, input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class Lab:
    """The namespaces, and what runs in them."""

    folder: Path
    answers: Answers
    mark: str = field(default_factory=lambda: f"trc-{secrets.token_hex(3)}")
    stack: ExitStack = field(default_factory=ExitStack)

    def name(self, host: str) -> str:
        return f"{self.mark}-{host}"

    def inside(self, host: str, *words: str, text: str | None = None) -> str:
        """Run a program in a host."""
        return run(tool("ip"), "netns", "exec", self.name(host), *words, text=text)

    def begin(self, host: str, *words: str) -> "subprocess.Popen[str]":
        """Start a program in a host; it ends with the lab."""
        made = subprocess.Popen(  # noqa: S603
            [tool("ip"), "netns", "exec", self.name(host), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.stack.callback(_end, made)
        return made

    def serve(self, host: str, *places: str) -> None:
        """Start stubs, and wait until they listen."""
        made = self.begin(host, sys.executable, "-m", "tests.recipes.stub", *places)
        line = made.stdout.readline() if made.stdout is not None else ""
        if line != "ready\n":
            raise AssertionError(f"The stubs of {host} do not start: {made.communicate()[1]}")

    def load(self, host: str, rules: str) -> None:
        """Load rules of nftables, as the recipe says."""
        self.inside(host, tool("nft"), "-f", "-", text=rules)

    def ask(
        self, host: str, probes: Sequence[dict[str, Any]], at_once: int = 24
    ) -> list[dict[str, Any]]:
        """Send probes from a host, so many at once, and return the answers."""
        words = (sys.executable, "-m", "tests.recipes.probe", str(at_once))
        done = self.inside(host, *words, text=json.dumps(list(probes)))
        found: list[dict[str, Any]] = json.loads(done)
        return found

    def proxy(self, text: str, host: str = "production", port: int = 443) -> None:
        """Run a configuration of nginx, with logs that nobody else sees, until it listens."""
        file = self.folder / f"nginx-{secrets.token_hex(3)}.conf"
        file.write_text(text)
        pid = file.with_suffix(".pid")
        script = 'mount -t tmpfs tmpfs /var/log/nginx && exec "$0" -c "$1" -g "daemon off; pid $2;"'
        words = ("sh", "-c", script, tool("nginx"), str(file), str(pid))
        made = self.begin(host, *words)
        for _ in range(200):
            if made.poll() is not None:
                raise AssertionError(f"nginx does not start: {made.communicate()[1]}")
            if pid.exists() and pid.read_text().strip() and self._listens(host, port):
                return
            time.sleep(0.02)
        raise AssertionError("nginx does not listen.")

    def _listens(self, host: str, port: int) -> bool:
        return f":{port} " in self.inside(host, tool("ss"), "-Hltn", f"sport = :{port}")


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()


@contextmanager
def laboratory(folder: Path, **changed: Any) -> Iterator[Lab]:
    """Make the namespaces with all that answers in them, without any rules, and take them away."""
    keys = make_certificate(folder)
    answers = sample(tls_certificate=str(keys[0]), tls_key=str(keys[1]), **changed)
    lab = Lab(folder, answers)
    with lab.stack:
        for host in HOSTS:
            _add(lab, host)
        _connect(lab)
        _publish(lab)
        _fill(lab)
        _settle(lab)
        yield lab


def _add(lab: Lab, host: str) -> None:
    ip, name = tool("ip"), lab.name(host)
    done = subprocess.run(  # noqa: S603
        [ip, "netns", "add", name], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(
            f"This machine allows no network namespaces, which this is tried in: {done.stderr}",
            pytrace=False,
        )
    lab.stack.callback(subprocess.run, [ip, "netns", "del", name], check=False)
    script = "; ".join(
        f"echo {one.partition('=')[2]} > /proc/sys/{one.partition('=')[0].replace('.', '/')}"
        for one in _SYSCTLS
    )
    lab.inside(host, "sh", "-ec", script)
    run(ip, "-n", name, "link", "set", "lo", "up")


def _connect(lab: Lab) -> None:
    for number, (host, own, routers) in enumerate(_LINKS):
        near, far = f"{lab.mark[4:]}a{number}", f"{lab.mark[4:]}b{number}"
        _join(lab, (host, near), ("router", far))
        _batch(lab, host, _addresses(near, own))
        _batch(lab, "router", _addresses(far, routers))
        # What is private comes by the private link, the rest by the public one.
        ways = ("10.0.0.0/8", "fd00::/8") if own[0] == PRODUCTION else ("default",)
        lines = [
            f"route add {way} via {router}" for way in ways for router in _fitting(way, routers)
        ]
        _batch(lab, host, lines)
    console = [
        f"address add {CONSOLE}/24 dev {lab.mark[4:]}a1",
        f"address add {CONSOLE_6}/64 dev {lab.mark[4:]}a1 nodad",
    ]
    _batch(lab, "staff", console)
    for side, net in (("staging", "172.30.1"), ("production", "172.30.2")):
        _containers(lab, side, net)


def _join(lab: Lab, one: tuple[str, str], other: tuple[str, str]) -> None:
    """Lay a link between two hosts; each end is its host and its name there."""
    (host, near), (peer, far) = one, other
    ends = (near, "netns", lab.name(host), "type", "veth", "peer", "name", far)
    run(tool("ip"), "link", "add", *ends, "netns", lab.name(peer))


def _fitting(way: str, routers: Sequence[str]) -> list[str]:
    if way == "default":
        return list(routers)
    return [one for one in routers if (":" in one) == (":" in way)]


def _addresses(link: str, own: Sequence[str]) -> list[str]:
    lines = [
        f"address add {one}/64 dev {link} nodad"
        if ":" in one
        else f"address add {one}/24 dev {link}"
        for one in own
    ]
    return [*lines, f"link set {link} up"]


def _containers(lab: Lab, side: str, net: str) -> None:
    """Put the API (.2) and the GUI (.3) of a side into a namespace behind a bridge."""
    six = NETS_6[net]
    bridge, near, far = f"trc-{side}", f"{lab.mark[4:]}c", f"{lab.mark[4:]}d"
    _join(lab, (side, near), (f"in-{side}", far))
    _batch(
        lab,
        side,
        [
            f"link add {bridge} type bridge",
            f"address add {net}.1/24 dev {bridge}",
            f"address add {six}::1/64 dev {bridge} nodad",
            f"link set {near} master {bridge}",
            f"link set {near} up",
            f"link set {bridge} up",
        ],
    )
    _batch(
        lab,
        f"in-{side}",
        [
            f"address add {net}.2/24 dev {far}",
            f"address add {net}.3/24 dev {far}",
            f"address add {six}::2/64 dev {far} nodad",
            f"link set {far} up",
            f"route add default via {net}.1",
            f"route add default via {six}::1",
        ],
    )


def _publish(lab: Lab) -> None:
    """Publish containers as Docker does: DNAT on the way in, masquerading on the way out."""
    for side, net in ((lab.answers.staging, "172.30.1"), (lab.answers.production, "172.30.2")):
        host = side.addresses[0]
        lab.load(
            side.name,
            f"""
table ip docker {{
    chain in {{
        type nat hook prerouting priority dstnat;
        ip daddr {host} tcp dport {side.api_port} dnat to {net}.2:80
        ip daddr {host} tcp dport {side.gui_port} dnat to {net}.3:80
    }}
    chain out {{
        type nat hook postrouting priority srcnat;
        ip saddr {net}.0/24 oifname != "{side.bridge}" masquerade
    }}
}}
table ip6 docker {{
    chain out {{
        type nat hook postrouting priority srcnat;
        ip6 saddr {NETS_6[net]}::/64 oifname != "{side.bridge}" masquerade
    }}
}}
""",
        )


def _fill(lab: Lab) -> None:
    """Start what answers. Redis is open to all, as by a mistake: only the rules close it."""
    for side, net in ((lab.answers.staging, "172.30.1"), (lab.answers.production, "172.30.2")):
        name = side.name
        lab.serve(f"in-{name}", f"{name}-api={net}.2:80", f"{name}-gui={net}.3:80")
        six = side.addresses[1]
        any_address = ("0.0.0.0", "[::]")  # noqa: S104
        places = [
            f"{name}-api=[{six}]:{side.api_port}",
            f"{name}-gui=[{six}]:{side.gui_port}",
            *(f"{name}-redis={every}:6379" for every in any_address),
            *(f"{name}-ssh={every}:22" for every in any_address),
            *(f"{name}-other={every}:8080" for every in any_address),
        ]
        if side.is_production:
            places.append(f"collector=127.0.0.1:{lab.answers.production_collector_port}")
            places += [f"elasticsearch={every}:9200" for every in any_address]
        lab.serve(name, *places)


def _settle(lab: Lab) -> None:
    """Wait until every way is open, while no rules are there.

    The kernel takes a second or so to believe that a link is up, and IP version 6 asks for its
    neighbours first: what is asked before looks as if it were dropped.
    """
    servers = (STAGING, STAGING_6, PRODUCTION, PRODUCTION_6, PUBLIC, PUBLIC_6)
    sources = {
        "internet": (INTERNET, INTERNET_6),
        "staff": (STAFF, STAFF_6, CONSOLE, CONSOLE_6),
        "staging": (STAGING, STAGING_6),
        "in-staging": ("172.30.1.2", f"{NETS_6['172.30.1']}::2"),
        "in-production": ("172.30.2.2", f"{NETS_6['172.30.2']}::2"),
    }
    ask = "GET / HTTP/1.1\r\nHost: settle\r\nConnection: close\r\n\r\n"
    for host, own in sources.items():
        probes = [
            {
                "host": one,
                "port": 22,
                "raw": ask,
                "source": source,
                "tls": None,
                "ca": None,
                "expected": True,
            }
            for source in own
            for one in servers
            if (":" in one) == (":" in source)
        ]
        answers = lab.ask(host, probes)
        silent = [
            f"{probe['source']} at {probe['host']}: {answer['error'] or answer['status']}"
            for probe, answer in zip(probes, answers, strict=True)
            if answer["status"] != 200
        ]
        if silent:
            raise AssertionError(f"The network of {host} does not come up: {', '.join(silent)}")


def _batch(lab: Lab, host: str, lines: Sequence[str]) -> None:
    run(tool("ip"), "-n", lab.name(host), "-batch", "-", text="\n".join(lines) + "\n")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for the public name, signed by itself."""
    from tests.recipes.certificate import write

    return write(folder, sample().public_name)
