"""What a recipe has to know, and when it does not fit together. Pure.

It names places where secrets are kept, and holds none.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from typing import Any, Final

from environments.addresses import Network
from environments.recipes.reading import (
    IP,
    engine_place,
    is_private,
    network,
    redis_place,
)

HTTP, HTTPS = 80, 443
NO_LOGIN, BASIC, API_KEY = "none", "basic", "api-key"


@dataclass(frozen=True)
class Side:
    """What is said of one server. Addresses are private ones: the staff's way in."""

    name: str
    addresses: tuple[str, ...]
    networks: tuple[str, ...]
    api_port: int
    gui_port: int
    elasticsearch: str
    login: str
    redis: str
    namespace: str
    secrets: str

    @property
    def is_production(self) -> bool:
        return self.name == "production"

    @property
    def bridge(self) -> str:
        """The interface of its containers' network; the kernel takes 15 letters."""
        return f"trc-{self.name}"

    @property
    def own_redis(self) -> bool:
        """Whether its Redis runs beside it, and is open to nobody else."""
        return not self.redis

    @property
    def redis_host(self) -> str:
        return self.redis or "redis://redis:6379"


@dataclass(frozen=True)
class Answers:
    """All that a recipe is made of. `tenant` is empty where Tracardi derives it by itself."""

    tenant: str
    version: str
    staff_networks: tuple[str, ...]
    console_addresses: tuple[str, ...]
    public_name: str
    public_addresses: tuple[str, ...]
    tls_certificate: str
    tls_key: str
    ssh_port: int
    staging_addresses: tuple[str, ...]
    staging_networks: tuple[str, ...]
    staging_api_port: int
    staging_gui_port: int
    staging_elasticsearch: str
    staging_login: str
    staging_redis: str
    staging_namespace: str
    staging_secrets: str
    production_addresses: tuple[str, ...]
    production_networks: tuple[str, ...]
    production_api_port: int
    production_gui_port: int
    production_collector_port: int
    production_elasticsearch: str
    production_login: str
    production_redis: str
    production_namespace: str
    production_secrets: str
    requests_per_second: int
    body_kib: int
    api_image: str
    gui_image: str
    redis_image: str
    proxy_image: str
    licensed: bool
    ingress_class: str
    ingress_namespace: str

    @property
    def staging(self) -> Side:
        return self._side("staging")

    @property
    def production(self) -> Side:
        return self._side("production")

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.staging, self.production

    def other(self, side: Side) -> Side:
        return self.staging if side.is_production else self.production

    def _side(self, name: str) -> Side:
        own = [one.name for one in fields(Side) if one.name != "name"]
        return Side(name, **{key: getattr(self, f"{name}_{key}") for key in own})

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Answers":
        """Return what `to_dict` made.

        Raises:
            TypeError: something is missing, or of a later console.
        """
        found: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()}
        return cls(**found)


# The fields of addresses, each with the networks that they have to lie in.
_HOSTS: Final = {
    "staging_addresses": "staging_networks",
    "production_addresses": "production_networks",
}
_PORTS: Final = (
    "staging_api_port",
    "staging_gui_port",
    "production_api_port",
    "production_gui_port",
    "production_collector_port",
)


def conflicts(answers: Answers) -> Iterator[tuple[str, str]]:
    """Yield what does not fit together: a field, and words without a way out."""
    yield from _places(answers)
    yield from _ports(answers)
    yield from _stores(answers)
    if answers.staging_namespace == answers.production_namespace:
        yield "production_namespace", "Staging and production need namespaces of their own."
    if answers.ingress_namespace in {answers.staging_namespace, answers.production_namespace}:
        yield "ingress_namespace", "The ingress controller runs in a namespace of its own."


def _places(answers: Answers) -> Iterator[tuple[str, str]]:
    for hosts, inside in _HOSTS.items():
        nets = [network(one) for one in getattr(answers, inside)]
        for address in getattr(answers, hosts):
            if not is_private(address):
                yield hosts, f"{address} is not private: the staff's way in must not be public."
            elif not _within(address, nets):
                yield hosts, f"{address} lies in none of that server's networks."
    kinds = {
        "staging_networks": answers.staging_networks,
        "production_networks": answers.production_networks,
        "staff_networks": answers.staff_networks,
    }
    for (_, first), (name, second) in combinations(kinds.items(), 2):
        if both := _overlap(first, second):
            yield name, f"{both[1]} overlaps {both[0]}: each needs networks of its own."
    for name in ("staging_networks", "production_networks"):
        for one in kinds[name]:
            if not is_private(one):
                yield name, f"{one} is not private."
    staging = [network(one) for one in answers.staging_networks]
    for address in answers.public_addresses:
        if _within(address, staging):
            yield "public_addresses", f"{address} is staging's: production needs its own."
    for address in answers.console_addresses:
        if _within(address, staging):
            yield "console_addresses", f"{address} is staging's, which must not reach production."
    spoken = {network(one).version for one in answers.staff_networks}
    for hosts in _HOSTS:
        if not spoken & {IP(one).version for one in getattr(answers, hosts)}:
            yield "staff_networks", "No staff network speaks the IP version of each server."
            break


def _ports(answers: Answers) -> Iterator[tuple[str, str]]:
    taken: dict[int, str] = {HTTP: "HTTP", HTTPS: "HTTPS", answers.ssh_port: "SSH"}
    if answers.ssh_port in {HTTP, HTTPS}:
        yield "ssh_port", f"Port {answers.ssh_port} is that of the public address."
    for name in _PORTS:
        port = getattr(answers, name)
        if port in taken:
            yield name, f"Port {port} is taken by {taken[port]}: all ports differ."
        taken.setdefault(port, name.replace("_", " "))


def _stores(answers: Answers) -> Iterator[tuple[str, str]]:
    if answers.staging_redis and answers.staging_redis == answers.production_redis:
        yield "production_redis", "Staging and production need a Redis each: it holds their queues."
    busy = {getattr(answers, name) for name in _PORTS} | {HTTP, HTTPS, answers.ssh_port}
    for side in answers.sides:
        places = {"elasticsearch": engine_place(side.elasticsearch)}
        if side.redis:
            places["redis"] = redis_place(side.redis)
        for name, (host, port) in places.items():
            if host in (*answers.staging_addresses, *answers.production_addresses) and port in busy:
                yield f"{side.name}_{name}", f"Port {port} of {host} is taken by something else."


def _within(address: str, networks: Iterable[Network]) -> bool:
    ip = IP(address)
    return any(ip.version == one.version and ip in one for one in networks)


def _overlap(first: Iterable[str], second: Iterable[str]) -> tuple[str, str] | None:
    for a in first:
        for b in second:
            one, other = network(a), network(b)
            if one.version == other.version and one.overlaps(other):
                return a, b
    return None
