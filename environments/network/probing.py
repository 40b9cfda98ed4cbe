"""Looks at addresses for one run: at a pace, within its time, and no more than is needed.

Whoever calls has asked whether an address may be probed; `wire` opens what is open to be opened.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from environments.addresses import BadAddressError, host_and_port, place_of, plain_ip
from environments.endpoints import Endpoint
from environments.models import Environment
from environments.network import wire
from environments.network.facts import Address, Answer, Asked, Certificate, Port, Speaks, Trouble

DETAILS = "/info/version/details"
# After so many in a row that did not answer in time, the rest of them is not asked.
MOST_LATE = 3


class Pace:
    """Lets so many connections a second begin to each host, in all runs of this process."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._guard = threading.Lock()

    def wait(self, host: str, per_second: float) -> None:
        with self._guard:
            now = time.monotonic()
            begin = max(now, self._next.get(host, 0.0))
            self._next = {name: at for name, at in self._next.items() if at > now}
            self._next[host] = begin + 1.0 / per_second
        if begin > now:
            time.sleep(begin - now)


_pace = Pace()


@dataclass
class Prober:
    """One run's probes. `seconds` bound each, and nothing is begun after `deadline` (monotonic)."""

    seconds: float
    deadline: float
    per_second: float
    connections: int = 0
    hosts: set[str] = field(default_factory=set)
    _late: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline

    def _turn(self, host: str) -> Callable[[], None]:
        def wait() -> None:
            _pace.wait(host, self.per_second)
            self.connections += 1
            self.hosts.add(host)

        return wait

    def _left(self) -> float:
        return min(self.seconds, max(0.1, self.deadline - time.monotonic()))

    def address_of(self, environment: Environment, url: str) -> Address:
        """Look up where an address leads, unless the time is over."""
        return address_of(environment, url, look_up=not self.is_over)

    def ask(
        self, place: tuple[str, int], method: str, path: str, *, secure: bool, body: bool = False
    ) -> Answer:
        """Ask once, unless the time is over or the host was silent a few times in a row."""
        if self.is_over or self._late.get(place, 0) >= MOST_LATE:
            return Answer(trouble=Trouble.NOT_ASKED)
        self._turn(place[0])()
        answer = wire.ask(place, method, path, secure=secure, seconds=self._left(), body=body)
        late = answer.trouble is Trouble.LATE
        self._late[place] = self._late.get(place, 0) + 1 if late else 0
        return answer

    def details(self, address: Address) -> Answer:
        """Ask a server what it is."""
        place, path = (address.host, address.port), f"{_path(address)}{DETAILS}"
        return self.ask(place, "GET", path, secure=address.is_secure, body=True)

    def endpoints(self, address: Address, wanted: Iterable[Endpoint]) -> list[Asked]:
        """Ask each endpoint once, by the one method of it that changes nothing."""
        place, path = (address.host, address.port), _path(address)
        return [
            Asked(
                one,
                self.ask(place, one.asked_by, f"{path}{one.sample}", secure=address.is_secure),
            )
            for one in wanted
        ]

    def certificate(self, address: Address) -> Certificate:
        if self.is_over:
            return Certificate(trouble=Trouble.NOT_ASKED)
        self._turn(address.host)()
        return wire.certificate(address.host, address.port, self._left())

    def ports(self, address: Address, numbers: Iterable[int]) -> list[Port]:
        """Ask what answers at each port of a host."""
        found = []
        for number in numbers:
            if self.is_over:
                found.append(Port(number, Speaks.UNKNOWN, trouble=Trouble.NOT_ASKED))
            else:
                turn = self._turn(address.host)
                found.append(wire.port(address.host, number, self._left(), turn))
        return found


def _path(address: Address) -> str:
    """Return what is behind host and port in an address, if anything."""
    rest = address.url.partition("://")[2]
    return f"/{rest.partition('/')[2]}".rstrip("/")


def address_of(environment: Environment, url: str, *, look_up: bool = True) -> Address:
    """Look up where an address leads, where there is time for it. Only the resolver is asked."""
    who, slug = environment.name, environment.slug
    if not url:
        return Address(who, slug, "", problem=f"{who} has no such address. Enter it first.")
    try:
        host, port = host_and_port(url)
        if not look_up:
            words = f"{who}'s address was not looked up: the time of this run was over."
            return Address(who, slug, url, host, port, problem=words)
        place = place_of(url)
    except BadAddressError as error:
        return Address(who, slug, url, problem=f"{who}: {error}")
    if not place.is_known:
        words = f"{who}'s address cannot be looked up: {host}."
        return Address(who, slug, url, host, port, problem=words)
    ips = []
    for name, _port in sorted(place.points):
        try:
            ips.append(plain_ip(name))
        except ValueError:
            continue
    return Address(who, slug, url, host, port, tuple(dict.fromkeys(ips)))
