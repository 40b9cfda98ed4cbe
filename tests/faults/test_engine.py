"""The engine fails in the middle of a promotion: what passes is waited for, the rest ends it."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import product

import pytest
from pytest_django import Settings

from environments import elastic
from promotion.engine.errors import (
    AccessDenied,
    MachineryError,
    OutcomeUnknown,
    PreflightFailed,
    RuleBroken,
)
from promotion.live import finish
from promotion.models import Promotion
from promotion.preparing import prepare
from tests.alike import some
from tests.faults.proxy import Answer, Fault, Proxy, answers, failure, of_version
from tests.faults.scenes import last
from tests.faults.world import Content, World

pytestmark = pytest.mark.django_db

# Every request of a whole job that may be sent twice, by a pattern of its own.
TWICE = {
    "states": r"GET /_cluster/state/",
    "sequence numbers": r"GET /.*/_stats/docs",
    "settings of the cluster": r"GET /_cluster/settings",
    "disks": r"GET /_cat/allocation",
    "health": r"GET /_cluster/health",
    "marker read": r"GET /.*/_source/",
    "lease read": r"GET /tracardi-console\.leases",
    "lease": r"PUT /tracardi-console\.leases/_doc",
    "template asked": r"POST /_index_template/_simulate",
    "index": r"PUT /prod-08x-g\d+\.[^/]*(\?|$)",
    "marker": r"PUT /tracardi-console\.prod[^/]*(\?|$)",
    "facts": r"PUT /.*/_create/",
    "documents": r"POST /.*/_bulk",
    "refresh": r"POST /.*/_refresh",
    "search": r"POST /.*/_search",
    "block": r"PUT /.*/_settings",
}
PASSING = {
    "too busy": lambda pattern: Fault(
        pattern, 2, before=answers(429, "es_rejected_execution_exception", "queue full")
    ),
    "not available": lambda pattern: Fault(
        pattern, 2, before=answers(503, "master_not_discovered_exception", "no master")
    ),
    "reset": lambda pattern: Fault(pattern, 2, refused=True),
    "answer lost": lambda pattern: Fault(pattern, 2, after=lambda _answer: None),
}
FAULTS = len(PASSING)
ALIASES = r"POST /_aliases"


@pytest.fixture(scope="module")
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    made = Proxy(elasticsearch_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine_url(proxy: Proxy) -> str:
    """The world's cluster is behind the proxy."""
    return proxy.url


@pytest.fixture
def old(world: World) -> Content:
    """What production serves before anything goes wrong."""
    world.adopted()
    return world.served()


def job(world: World) -> Promotion:
    """Prepare what was approved, promote and verify it."""
    ready = prepare(world.approved(), world.production)
    return finish(world.promote(ready))


# Each run tries each request with one fault, and each fault with every fourth request.
@pytest.mark.parametrize(
    ("request_", "fault"),
    some(product(TWICE, PASSING), lambda place, _case: place // FAULTS % FAULTS == place % FAULTS),
)
def test_what_passes_is_waited_for(
    world: World, old: Content, proxy: Proxy, request_: str, fault: str
) -> None:
    met = PASSING[fault](TWICE[request_])
    with proxy.failing(met):
        made = job(world)
    assert met.met == 2
    assert made.status == "succeeded", made.message
    assert world.served() == world.staged() != old


@pytest.mark.parametrize("kind", ["circuit_breaking_exception", "search_phase_execution_exception"])
def test_an_engine_short_of_memory_is_asked_for_less(
    world: World, old: Content, proxy: Proxy, kind: str
) -> None:
    def too_much(body: bytes) -> Answer | None:
        if json.loads(body)["size"] <= 1:
            return None
        why = json.loads(failure(429, "circuit_breaking_exception", "[parent] Data too large"))
        why["error"]["type"] = kind
        return 429, json.dumps(why).encode()

    memory = Fault(r"POST /.*/_search", 10_000, before=too_much)
    with proxy.failing(memory):
        made = job(world)
    assert made.status == "succeeded", made.message
    assert world.served() == world.staged() != old


@pytest.mark.parametrize("phase", ["prepare", "cutover", "verify"])
def test_what_does_not_pass_in_time_ends_it_and_switches_nothing(
    world: World, old: Content, proxy: Proxy, settings: Settings, phase: str
) -> None:
    settings.RETRY_SECONDS = 0.3
    build = world.approved()
    ever = Fault(r" /prod|/_cluster/state", 10_000, refused=True)
    if phase == "prepare":
        with proxy.failing(ever), pytest.raises(OutcomeUnknown):
            prepare(build, world.production)
        world.next_worker()
        assert Promotion.objects.filter(kind="prepare", build=build).last().status == "errored"  # type: ignore[union-attr]
        assert world.served() == old
        return
    ready = prepare(build, world.production)
    if phase == "cutover":
        with proxy.failing(ever), pytest.raises(OutcomeUnknown):
            world.promote(ready)
        assert last(world, "promote").status == "errored"
        assert world.served() == old
        return
    made = world.promote(ready)
    with proxy.failing(ever), pytest.raises(OutcomeUnknown):
        finish(made)
    # It is live, and nobody has proved it: so it does not say that it succeeded.
    assert last(world, "promote").status == "running"
    world.next_worker()
    assert last(world, "promote").status == "succeeded"
    assert world.served() == world.staged()


def one_of_many(status: int, kind: str) -> Fault:
    """Leave the first document out of the first bulk request, and answer that it was refused."""
    asked: list[bytes] = []

    def keep(body: bytes) -> bytes:
        asked[:] = body.splitlines()
        return b"\n".join(asked[2:]) + b"\n"

    def spoil(answer: Answer) -> Answer:
        found = json.loads(answer[1])
        error = {"type": kind, "reason": "as the test wants it"}
        bad = {"_id": json.loads(asked[0])["index"]["_id"], "status": status, "error": error}
        items = [{"index": bad}, *found.get("items", [])]
        return 200, json.dumps({"errors": True, "items": items}).encode()

    return Fault(r"POST /prod-08x-g.*rule/_bulk", 1, change=keep, after=spoil)


def test_documents_that_it_was_too_busy_for_are_sent_again(
    world: World, old: Content, proxy: Proxy
) -> None:
    busy = one_of_many(429, "es_rejected_execution_exception")
    with proxy.failing(busy):
        made = job(world)
    assert (made.status, busy.met) == ("succeeded", 1)
    assert world.served() == world.staged() != old


def test_a_refused_document_ends_it(world: World, old: Content, proxy: Proxy) -> None:
    build = world.approved()
    with (
        proxy.failing(one_of_many(400, "mapper_parsing_exception")),
        pytest.raises(MachineryError, match=r"refused 1 documents.*as the test wants it"),
    ):
        prepare(build, world.production)
    assert last(world, "prepare").status == "errored"
    assert world.served() == old


def test_documents_that_were_said_to_be_written_and_are_not_are_missed(
    world: World, old: Content, proxy: Proxy
) -> None:
    build = world.approved()
    lie = Fault(r"POST /prod-08x-g.*rule/_bulk", 1, before=lambda _body: (200, b'{"errors":false}'))
    with proxy.failing(lie), pytest.raises(RuleBroken, match="missing"):
        prepare(build, world.production)
    assert last(world, "prepare").status == "failed"
    assert world.served() == old


BLOCKED = "index [x] blocked by: [FORBIDDEN/8/index write (api)];"
FLOODED = "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];"
FULL = "this action would add [1] total shards, but this cluster currently has [1000]/[1000]"
LASTING = {
    "write block": (r"_bulk", 403, "cluster_block_exception", BLOCKED, MachineryError),
    "flood stage": (r"_bulk", 429, "cluster_block_exception", FLOODED, MachineryError),
    "shard limit": (TWICE["index"], 400, "validation_exception", FULL, MachineryError),
    "credentials": (r" /prod", 401, "security_exception", "expired", AccessDenied),
    "rights": (r"PUT /prod", 403, "security_exception", "unauthorized", AccessDenied),
}


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_ends_a_preparation_at_once(
    world: World, old: Content, proxy: Proxy, settings: Settings, name: str
) -> None:
    pattern, status, kind, reason, error = LASTING[name]
    settings.RETRY_SECONDS = 0.5
    build = world.approved()
    lasting = Fault(pattern, 10_000, before=answers(status, kind, reason))
    with proxy.failing(lasting), pytest.raises(error):
        prepare(build, world.production)
    world.next_worker()
    assert Promotion.objects.filter(kind="prepare", build=build).last().status == "errored"  # type: ignore[union-attr]
    assert world.served() == old


# --- The switch: sent once, whatever happens -----------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "live"),
    [
        (Fault(ALIASES, 10, after=lambda _answer: None), True),
        (Fault(ALIASES, 10, refused=True), False),
        (Fault(ALIASES, 10, before=answers(504, "gateway", "timed out")), False),
        (Fault(ALIASES, 10, after=lambda _answer: (502, b"<html>bad gateway</html>")), True),
        (Fault(ALIASES, 10, after=lambda a: (200, b'{"acknowledged":false}')), True),
    ],
    ids=["answer lost", "reset", "gateway timed out", "applied, bad gateway", "not acknowledged"],
)
@pytest.mark.parametrize("act", ["promote", "rollback"])
def test_a_switch_without_an_answer_is_read_back_and_never_sent_again(
    world: World, old: Content, proxy: Proxy, act: str, fault: Fault, live: bool
) -> None:
    fault.met = 0
    if act == "rollback":
        before = world.served()
        world.promoted()
        new, old = before, world.served()
    else:
        ready = world.prepared()
        new = world.staged()
    with proxy.failing(fault), pytest.raises(OutcomeUnknown):
        world.promote(ready) if act == "promote" else world.roll_back()
    assert fault.met == 1
    assert last(world, act).status == "running"
    world.next_worker()
    assert last(world, act).status == ("succeeded" if live else "errored")
    assert world.served() == (new if live else old)


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (429, "cluster_block_exception", FLOODED),
        (429, "es_rejected_execution_exception", "queue full"),
        (403, "cluster_block_exception", BLOCKED),
        (401, "security_exception", "expired"),
    ],
)
def test_a_switch_that_was_refused_ends_it_and_is_never_sent_again(
    world: World, old: Content, proxy: Proxy, status: int, kind: str, reason: str
) -> None:
    ready = world.prepared()
    fault = Fault(ALIASES, 10, before=answers(status, kind, reason))
    with proxy.failing(fault), pytest.raises(MachineryError):
        world.promote(ready)
    assert fault.met == 1
    world.next_worker()
    assert last(world, "promote").status == "errored"
    assert world.served() == old


def test_a_switch_that_takes_longer_than_anybody_waits_is_read_back(
    world: World, old: Content, proxy: Proxy, settings: Settings
) -> None:
    ready = world.prepared()
    settings.ELASTICSEARCH_TIMEOUT_SECONDS = 1
    elastic._connections.clear()
    try:
        with (
            proxy.failing(Fault(ALIASES, 1, delay=2.0)),
            pytest.raises(OutcomeUnknown, match="in time"),
        ):
            world.promote(ready)
    finally:
        elastic._connections.clear()
    world.next_worker()
    assert last(world, "promote").status == "succeeded"
    assert world.served() == world.staged() != old


# --- As the engine itself does it ----------------------------------------------------------------


def test_a_flooded_disk_stops_the_switch(world: World, old: Content) -> None:
    ready = world.prepared()
    assert ready.plan is not None
    index = ready.plan.changed[0].live.index
    path, key = f"/{index}/_settings", "index.blocks.read_only_allow_delete"
    world.writer.connection.request("PUT", path, body={key: True})
    try:
        with pytest.raises(MachineryError):
            world.promote(ready)
    finally:
        world.writer.connection.request("PUT", path, body={key: None})
    world.next_worker()
    assert last(world, "promote").status == "errored"
    assert world.served() == old


def test_a_cluster_without_room_for_a_shard_is_refused_before_anything_is_made(
    world: World, old: Content
) -> None:
    build = world.approved()
    put, key = world.writer.connection.request, "cluster.max_shards_per_node"
    put("PUT", "/_cluster/settings", body={"transient": {key: 1}})
    try:
        with pytest.raises(PreflightFailed, match="shard"):
            prepare(build, world.production)
    finally:
        put("PUT", "/_cluster/settings", body={"transient": {key: None}})
    assert last(world, "prepare").status == "failed"
    assert world.served() == old


def test_an_engine_that_was_never_tested_is_refused_and_the_way_back_stays(
    world: World, old: Content, proxy: Proxy
) -> None:
    world.promoted()
    build, new = world.approved(), world.served()
    with proxy.failing(of_version("8.15.0")):
        with pytest.raises(PreflightFailed, match=r"is Elasticsearch 8\.15\.0") as refused:
            prepare(build, world.production)
        assert [finding.code for finding in refused.value.findings] == ["engine-unsupported"]
        assert world.served() == new
        rolled = finish(world.roll_back())
    world.work()
    assert rolled.status == "succeeded"
    assert world.served() == old


def test_a_red_cluster_is_refused(world: World, old: Content) -> None:
    ready = world.prepared()
    build = world.approved()
    name = f"red-{world.production.tenant}"
    stuck = {"settings": {"index.routing.allocation.require._name": "no such node"}}
    put = world.writer.connection.request
    put("PUT", f"/{name}", params={"wait_for_active_shards": "0"}, body=stuck)
    try:
        with pytest.raises(PreflightFailed, match="red"):
            prepare(build, world.production)
    finally:
        world.writer.delete([name])
    assert ready.status == "succeeded"
    assert world.served() == old


def test_a_clone_that_somebody_else_made_is_never_taken_for_ours(
    world: World, old: Content, proxy: Proxy
) -> None:
    """The answer to a release's clone is lost; a stale writer's own index takes its name."""
    index = world.production.naming.concrete("segment")
    send = world.writer.connection.request

    def replaced(_answer: Answer) -> None:
        send("DELETE", f"/{index}")
        with suppress(elastic.ElasticError):
            send("PUT", f"/{index}/_doc/stale", body={"name": "stale"})
        # The guarding template made it for the writer, blocked and empty.
        assert world.writer.states([index])[index].write_blocked

    lost = Fault(rf"PUT /.*/_clone/{re.escape(index)}$", 1, after=replaced)
    with proxy.failing(lost):
        world.plain()
    assert lost.met == 1
    assert last(world, "release").status == "succeeded"
    assert world.served() == old
