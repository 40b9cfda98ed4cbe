"""A production whose indices hold the demo's traffic, and each figure counted a second way."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from devtools.demo import Document, indices, traffic
from devtools.elasticsearch.mappings import fitted
from environments.catalogue import catalogue_for
from environments.dashboards.ranges import Period
from environments.elastic import Connection, connect
from environments.models import Cluster, Environment
from environments.naming import Naming, Side
from tests.data import load

VERSION = "0.8.1"
READ = ("event", "profile", "session", "event-source", "flow", "segment", "destination")
Source = dict[str, Any]


def destination(name: str, kind: str, source: str = "", **facts: Any) -> Source:
    """Return a destination's document, as far as a dashboard reads it."""
    return {
        "name": name,
        "enabled": True,
        "on_profile_change_only": False,
        "event_type": {"id": kind, "name": kind},
        "source": {"id": source, "name": source},
        "condition": "",
        **facts,
    }


DESTINATIONS: Final = {
    "dest-orders": destination("Orders", "order-placed", "src-web-shop"),
    "dest-views": destination("Views", "page-view", condition="event@properties.a EXISTS"),
    "dest-off": destination("Off", "page-view", enabled=False),
    "dest-crm": destination("Customers", "", on_profile_change_only=True),
}


def naming_of(tenant: str) -> Naming:
    return Naming(catalogue_for(VERSION), tenant, Side.PRODUCTION)


def make_indices(
    engine: Connection, tenant: str, months: list[str], names: Sequence[str] = READ
) -> list[str]:
    """Make what a dashboard reads anew, with the mappings that a real Tracardi made."""
    naming, shapes, made = naming_of(tenant), load(f"{VERSION}/indices.json"), []
    for name in names:
        resource = naming.catalogue.get(name)
        whole = not resource.partitioned
        for index in (
            [naming.concrete(name)] if whole else [naming.partition(name, one) for one in months]
        ):
            engine.request("DELETE", f"/{index}", params={"ignore_unavailable": "true"})
            shape = fitted(engine, shapes[resource.storage])
            body = {**shape, "aliases": {naming.alias(name): {}}}
            engine.request("PUT", f"/{index}", body=body)
            made.append(index)
    return made


def visit(production: Environment, now: datetime, days: int) -> None:
    """Fill a production that is there with the demo's traffic."""
    engine, runtime = connect(production.cluster), ("event", "profile", "session")
    make_indices(engine, production.tenant, traffic.months(now, days), runtime)
    told = (one for one in traffic.documents(now=now, days=days) if one.resource in runtime)
    indices.load(engine, production.naming, told)


def environment(url: str, tenant: str) -> Environment:
    """Return the console's row of it, saved."""
    cluster = Cluster.objects.create(name="Test", url=url)
    return Environment.objects.create(
        name="Shop",
        slug="shop",
        cluster=cluster,
        version=VERSION,
        tenant=tenant,
        kind=Side.PRODUCTION.value,
    )


class Shop:
    """The demo's traffic until `now`, in indices of its own."""

    def __init__(self, url: str, now: datetime, days: int = 30) -> None:
        self.url, self.now, self.tenant = url, now, f"t{uuid.uuid4().hex[:8]}"
        self._engine = connect(Cluster(name="Test", url=url))
        self._indices = make_indices(self._engine, self.tenant, traffic.months(now, days))
        self.documents = [
            one
            for one in traffic.documents(now=now, days=days)
            if one.resource in ("event", "profile", "session")
        ]
        indices.load(self._engine, naming_of(self.tenant), [*self.documents, *self._named()])

    @staticmethod
    def _named() -> Iterator[Document]:
        yield Document("event-source", None, "src-web-shop", {"name": "Web shop"})
        for key, source in DESTINATIONS.items():
            yield Document("destination", None, key, source)

    def remove(self) -> None:
        path = f"/{','.join(self._indices)}"
        self._engine.request("DELETE", path, params={"ignore_unavailable": "true"})

    def of(self, resource: str, period: Period) -> list[Source]:
        """Return the raw documents of a period."""
        return [
            one.source
            for one in self.documents
            if one.resource == resource and period.start <= moment(one.source) < period.until
        ]


def moment(source: Source) -> datetime:
    return datetime.fromisoformat(f"{source['metadata']['time']['insert']}+00:00")


def failed(event: Source) -> bool:
    return bool(event["metadata"]["error"] or event["metadata"]["status"] == "error")


def counted(rows: list[Source], key: Callable[[Source], Any]) -> dict[str, int]:
    """Return how many rows each key has; a key may be a list of several."""
    found: Counter[str] = Counter()
    for row in rows:
        value = key(row)
        found.update(value if isinstance(value, list) else [value] if value else [])
    return dict(found)


def visitors(rows: list[Source], key: Callable[[Source], Any]) -> dict[str, int]:
    """Return how many visitors each key has."""
    found: dict[str, set[str]] = {}
    for row in rows:
        if value := key(row):
            found.setdefault(value, set()).add(row["profile"]["id"])
    return {value: len(ids) for value, ids in found.items()}


def page(row: Source) -> str:
    """Return an event's page as a dashboard names it: without the name of the only shop."""
    address: str = row.get("hit", {}).get("url") or ""
    return address.removeprefix("https://shop.example.com")


# Of each tile of visits, what a raw document says.
TOLD_OF_VISITORS: Final[dict[str, Callable[[Source], Any]]] = {
    "devices": lambda one: one.get("device", {}).get("type"),
    "countries": lambda one: one.get("device", {}).get("geo", {}).get("country", {}).get("name"),
    "campaigns": lambda one: one.get("utm", {}).get("campaign"),
    "campaign_sources": lambda one: one.get("utm", {}).get("source"),
}
