"""The demo touches nothing of others in a shared cluster, and leaves nothing behind."""

import stat
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from accounts.audit import system_actor
from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from devtools.demo import job
from devtools.demo.removal import demo_cluster, names_of, remove_demo
from devtools.demo.setup import FUNNEL_STEPS, Demo, set_up
from devtools.demo.state import DemoError, Marker, State
from environments.elastic import Connection
from environments.funnels.models import Funnel
from environments.funnels.services import remove_funnel
from environments.models import Cluster, Environment
from promotion.writer import ClusterWriter

Facts = dict[str, Any]


def quiet(_words: str) -> None:
    return


@pytest.fixture
def connection(elasticsearch_url: str) -> Connection:
    return Connection(Cluster(name="Test", url=elasticsearch_url))


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "demo")


@pytest.fixture
def tenant() -> str:
    return f"demo-{uuid.uuid4().hex[:8]}"


def facts_of(connection: Connection, indices: list[str], templates: list[str]) -> Facts:
    """Return everything that could have changed of others' indices and templates."""
    connection.request("POST", f"/{','.join(indices)}/_refresh")
    states = ClusterWriter(connection).states(indices)
    hits = {}
    for index in indices:
        answer = connection.request("GET", f"/{index}/_search", params={"size": "10"})
        hits[index] = [(hit["_id"], hit["_source"]) for hit in answer["hits"]["hits"]]
    return {
        "states": states,
        "hits": hits,
        "templates": [connection.request("GET", f"/_index_template/{t}") for t in templates],
    }


@pytest.fixture
def foreign(connection: Connection, tenant: str) -> Iterator[tuple[list[str], list[str]]]:
    """Another tenant's indices and template, with names as near to the demo's as they get."""
    others = (f"{tenant}0", tenant[:-1], f"x{tenant}", f"{tenant}-2")
    indices = [
        *(f"08x.{other}.tracardi-flow" for other in others),
        *(f"prod-08x.{other}.tracardi-flow" for other in others),
        *(f"prod-08x-g000002.{other}.tracardi-segment" for other in others),
        f"tracardi-console.prod-08x.{tenant}0.g000001-abcdef",
        f"shop-{tenant}",
    ]
    templates = [f"template.08x.{other}.tracardi-event" for other in others]
    for index in indices:
        connection.request("PUT", f"/{index}", body={"aliases": {f"{index}.alias": {}}})
        connection.request("PUT", f"/{index}/_doc/1", body={"mine": index})
    for template in templates:
        body = {"index_patterns": [f"{template}-no-such-*"]}
        connection.request("PUT", f"/_index_template/{template}", body=body)
    yield indices, templates
    connection.request("DELETE", f"/{','.join(indices)}")
    for template in templates:
        connection.request("DELETE", f"/_index_template/{template}")


def make(state: State, url: str, tenant: str) -> Demo:
    return set_up(state, url, own_node=False, say=quiet, tenant=tenant)


@pytest.mark.django_db(transaction=True)
def test_the_demo_and_its_reset_touch_nothing_of_others(
    state: State,
    elasticsearch_url: str,
    connection: Connection,
    tenant: str,
    foreign: tuple[list[str], list[str]],
) -> None:
    before = facts_of(connection, *foreign)
    # The other consoles' claims are in the same index as the demo's.
    lease = f"/tracardi-console.leases/_doc/prod-08x.{tenant}0"
    connection.request("PUT", lease, body={"holder": "", "number": 3, "beat": 4, "generation": 5})

    demo = make(state, elasticsearch_url, tenant)
    marker = state.marker()
    assert marker is not None
    assert marker.done
    assert set(marker.indices) | set(marker.templates) == set(names_of(connection, tenant))
    # The whole job: what the console made is removed with the rest.
    job.do_job(demo, quiet)
    assert facts_of(connection, *foreign) == before
    names = set(ClusterWriter(connection).states(["*"]))
    assert any("-g000001." in name and tenant in name for name in names)

    removed = remove_demo(marker, elasticsearch_url)
    assert removed > len(marker.indices)
    assert names_of(connection, tenant) == []
    assert facts_of(connection, *foreign) == before
    assert connection.request("GET", lease)["_source"]["generation"] == 5
    for key in (demo.staging.naming.key, demo.production.naming.key):
        assert ClusterWriter(connection).lease(key)[1] is None
    connection.request("DELETE", lease)
    # Nothing is left, and that is no error.
    assert remove_demo(marker, elasticsearch_url) == 0


@pytest.mark.django_db
def test_a_second_set_up_keeps_everything(
    state: State, elasticsearch_url: str, connection: Connection, tenant: str
) -> None:
    first = make(state, elasticsearch_url, tenant)
    marker = state.marker()
    assert marker is not None
    wanted = list(marker.indices[:20])
    uuids = {name: s.uuid for name, s in ClusterWriter(connection).states(wanted).items()}
    Cluster.objects.update(url="http://127.0.0.1:1")
    funnel = Funnel.objects.get(environment=first.production)
    assert tuple(funnel.steps) == FUNNEL_STEPS
    remove_funnel(system_actor(), funnel)

    second = make(state, elasticsearch_url, tenant)
    assert second.passwords == first.passwords
    assert state.marker() == marker
    assert {n: s.uuid for n, s in ClusterWriter(connection).states(wanted).items()} == uuids
    # An own Elasticsearch has another port at each start.
    assert Cluster.objects.get().url == elasticsearch_url
    assert Environment.objects.count() == 2
    # What its users removed does not come back.
    assert not Funnel.objects.exists()
    qa, marketing = User.objects.get(username="qa"), User.objects.get(username="marketing")
    assert may(qa, Verb.REVIEW, first.staging)
    assert may(marketing, Verb.VIEW_DASHBOARD, first.production)
    assert not may(marketing, Verb.VIEW_DASHBOARD, first.staging)
    assert qa.check_password(first.passwords["qa"])

    # An interrupted set-up is begun again, in the place of what it had made.
    state.keep_marker(replace(marker, done=False))
    connection.request("DELETE", f"/{marker.indices[0]}")
    make(state, elasticsearch_url, tenant)
    assert set(marker.indices) | set(marker.templates) == set(names_of(connection, tenant))
    remove_demo(marker, elasticsearch_url)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [
        "08x.{}.tracardi-flow",
        "prod-08x-g000004.{}.tracardi-flow",
        "tracardi-console.prod-08x.{}.g000001-abcdef",
        "static-08x.{}.tracardi-bridge",
    ],
)
def test_a_tenant_that_the_demo_did_not_make_is_refused(
    state: State, elasticsearch_url: str, connection: Connection, tenant: str, name: str
) -> None:
    index = name.format(tenant)
    connection.request("PUT", f"/{index}/_doc/1", params={"refresh": "true"}, body={"mine": 1})
    before = facts_of(connection, [index], [])
    with pytest.raises(DemoError, match=f"{tenant} was not made by this demo"):
        make(state, elasticsearch_url, tenant)
    assert state.marker() is None
    assert names_of(connection, tenant) == [index]
    assert facts_of(connection, [index], []) == before
    assert not Environment.objects.exists()
    connection.request("DELETE", f"/{index}")


@pytest.mark.django_db
def test_a_template_of_that_tenant_is_refused_and_stays(
    state: State, elasticsearch_url: str, connection: Connection, tenant: str
) -> None:
    template = f"/_index_template/template.08x.{tenant}.tracardi-event"
    connection.request("PUT", template, body={"index_patterns": [f"{tenant}-no-such-*"]})
    with pytest.raises(DemoError, match="not made by this demo"):
        make(state, elasticsearch_url, tenant)
    assert connection.request("GET", template)
    connection.request("DELETE", template)


@pytest.mark.django_db
def test_another_cluster_than_the_markers_is_refused(
    state: State, elasticsearch_url: str, connection: Connection, tenant: str
) -> None:
    index = f"08x.{tenant}.tracardi-flow"
    connection.request("PUT", f"/{index}")
    state.keep_marker(Marker(tenant, "another", False, ("2026-11",), (index,), ()))
    with pytest.raises(DemoError, match="in another cluster"):
        make(state, elasticsearch_url, tenant)
    marker = state.marker()
    assert marker is not None
    with pytest.raises(DemoError, match="nothing was removed"):
        remove_demo(marker, elasticsearch_url)
    assert names_of(connection, tenant) == [index]
    connection.request("DELETE", f"/{index}")


@pytest.mark.django_db
def test_credentials_leave_the_address(state: State) -> None:
    cluster = demo_cluster("http://elastic:p%40ss@127.0.0.1:9200")
    assert cluster.url == "http://127.0.0.1:9200"
    assert (cluster.username, cluster.secret) == ("elastic", "p@ss")
    with pytest.raises(DemoError, match="as http://HOST:PORT"):
        demo_cluster("localhost:9200")


def test_secrets_are_made_once_and_for_their_owner_alone(state: State) -> None:
    first = state.settings()
    assert state.settings() == first
    assert stat.S_IMODE(state.environment_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.folder.stat().st_mode) == 0o700
    assert first["DEMO"] == "True"
    assert State(state.folder.parent / "other").settings()["SECRET_KEY"] != first["SECRET_KEY"]
