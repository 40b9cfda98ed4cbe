"""A production and its staging on the real engine, with small servers for their addresses."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from devtools.elasticsearch.mappings import fitted
from environments.elastic import Connection, connect
from environments.models import Cluster, Environment, NetworkRun
from environments.network.running import Which, allow_probe, request_check, run_check
from tests.data import load
from tests.factories import People, make_index, make_people
from tests.network.certificates import Authority
from tests.network.servers import Tracardi, closed_port, serving

STAGING, API, PUBLIC = "127.0.0.11", "127.0.0.12", "127.0.0.13"


@dataclass
class Tried:
    """What a test tried, for the line at the end of `make test-recipes`."""

    checks: int = 0
    paths: int = 0
    hosts: set[str] = field(default_factory=set)

    def run(self, run: NetworkRun) -> NetworkRun:
        """Count what a run judged and asked, and give it back."""
        told = [one for one in run.checks if one["state"] != "not asked"]
        self.checks += len(told)
        self.paths += sum(len(one["rows"]) for one in told)
        return run


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Iterator[Tried]:
    found = Tried()
    yield found
    record_property("checks", found.checks)
    record_property("paths", found.paths)
    record_property("hosts", len(found.hosts))


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    """Do not wait between requests, nor between runs."""
    settings.NETWORK_REQUESTS_PER_SECOND = 10_000.0
    settings.NETWORK_PAUSE_SECONDS = 0.0
    settings.NETWORK_PROBE_SECONDS = 10.0
    settings.NETWORK_CLOSED_PORTS = [closed_port(PUBLIC)]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


@dataclass
class Pair:
    """A staging, its production, the people, and the servers that answer for them."""

    staging: Environment
    production: Environment
    people: People
    tried: Tried
    stack: ExitStack
    # What answers at each of the three addresses.
    at: dict[str, Tracardi] = field(default_factory=dict)

    def serve(self, host: str, tracardi: Tracardi, context: Any = None) -> Tracardi:
        made = self.stack.enter_context(serving(host, tracardi, context))
        self.tried.hosts.add(host)
        self.at[host] = made
        return made

    def enter(self, *, staging: str = "", api: str = "", public: str = "") -> None:
        """Enter addresses, and allow each to be probed."""
        self.staging.api_url = staging
        self.production.api_url, self.production.public_url = api, public
        self.staging.save()
        self.production.save()
        for one, which, url in (
            (self.staging, Which.API, staging),
            (self.production, Which.API, api),
            (self.production, Which.PUBLIC, public),
        ):
            if url:
                allow_probe(self.people.admin, one, which, url)

    def check(self) -> NetworkRun:
        return self.tried.run(run_check(request_check(self.people.admin, self.production)))


def told(run: NetworkRun) -> dict[str, list[str]]:
    """Return what was found, without mere information: the words by code."""
    found: dict[str, list[str]] = {}
    for one in run.findings:
        if one["severity"] != "info":
            found.setdefault(one["code"].removeprefix("network."), []).append(one["message"])
    return found


def states(run: NetworkRun) -> dict[str, str]:
    """Return the state of each check by its key, without the environment's name."""
    return {one["key"].partition(":")[0]: one["state"] for one in run.checks}


def _pair(cluster: Cluster, tried: Tried, stack: ExitStack) -> Pair:
    facts: dict[str, Any] = {"cluster": cluster, "version": "0.8.1"}
    facts["tenant"] = f"t{uuid.uuid4().hex[:8]}"
    production = Environment.objects.create(
        name="Shop", slug="shop-production", kind="production", **facts
    )
    staging = Environment.objects.create(
        name="Shop staging", slug="shop-staging", kind="staging", promotes_to=production, **facts
    )
    return Pair(staging, production, make_people(staging, production), tried, stack)


@pytest.fixture
def silent(db: None, tried: Tried) -> Iterator[Pair]:
    """A pair whose cluster answers nothing."""
    cluster = Cluster.objects.create(name="Silent", url="http://127.0.0.1:9")
    with ExitStack() as stack:
        yield _pair(cluster, tried, stack)


@pytest.fixture
def pair(db: None, elasticsearch_url: str, tried: Tried) -> Iterator[Pair]:
    """A pair whose sets of events are there, and empty."""
    cluster = Cluster.objects.create(name="Main", url=elasticsearch_url)
    with ExitStack() as stack:
        made = _pair(cluster, tried, stack)
        engine = connect(cluster)
        shape = fitted(engine, load("0.8.1/indices.json")["tracardi-event"])
        indices = []
        for side in (made.staging, made.production):
            index = side.naming.partition("event", "2026-11")
            make_index(engine, index, {**shape, "aliases": {side.naming.alias("event"): {}}})
            indices.append(index)
        yield made
        for index in indices:
            engine.request("DELETE", f"/{index}")


@pytest.fixture
def good(pair: Pair, authority: Authority) -> Pair:
    """A pair as it should be: three servers, and a gate before the public one."""
    staging = pair.serve(STAGING, Tracardi())
    api = pair.serve(API, Tracardi(production=True))
    public = pair.serve(PUBLIC, Tracardi(production=True, gate=True), authority.server(PUBLIC))
    pair.enter(staging=staging.url, api=api.url, public=public.url)
    send(pair.staging, session="s1", server="staging-server")
    send(pair.production, session="s2", server="production-server")
    return pair


def send(side: Environment, *, session: str, server: str, ago: str = "") -> None:
    """Write an event as Tracardi does, into the side's event index."""
    event = {
        "id": uuid.uuid4().hex,
        "type": "page-view",
        "session": {"id": session},
        "source": {"id": "web"},
        "metadata": {
            "instance": {"id": server},
            "time": {"insert": ago or datetime.now(UTC).replace(tzinfo=None).isoformat()},
        },
    }
    engine: Connection = connect(side.cluster)
    path = f"/{side.naming.partition('event', '2026-11')}/_doc/{event['id']}"
    engine.request("PUT", path, params={"refresh": "true"}, body=json.dumps(event))
