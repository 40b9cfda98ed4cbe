"""The role that the console needs at the engine: enough for all that it does, and no more."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.management import call_command
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from accounts.audit import system_actor
from accounts.roles import Role
from accounts.services import create_user
from environments.catalogue import SUPPORTED_VERSIONS, Policy, catalogue_for
from environments.elastic import Connection, connect
from environments.engine_role import CLUSTER, Grant, Need, grants, role
from environments.funnels.offers import event_types
from environments.funnels.running import count_funnels
from environments.funnels.services import make_funnel
from environments.health.looks import look_at_health
from environments.models import Environment, HealthLook
from environments.naming import LEASE_INDEX, Naming, Side
from environments.segments.keeping import keep_segment_sizes
from promotion.adoption import adopt, run_adopt
from promotion.carrying import carry
from promotion.drift import check
from promotion.live import finish
from promotion.locking import lock, unlock
from promotion.models import Drift, Promotion, StoredGeneration
from promotion.provisioning import plan as plan_of
from promotion.provisioning import provision
from promotion.refreshing import plan as refresh_plan
from promotion.refreshing import refresh
from promotion.rehearsing import request_rehearsal, run_rehearsal
from promotion.releasing import request_release, run_release
from promotion.rollback import rollback
from promotion.services import capture
from promotion.settling import discard
from promotion.smoke import request_smoke_check, run_smoke_check
from promotion.suite_offers import offers, recent_sessions, recorded
from tests.factories import People, enter, put
from tests.promotion import sets
from tests.promotion.conftest import adopted, ship, staging
from tests.promotion.test_workflows import done, patience, standin, suite

__all__ = ["adopted", "patience", "ship", "staging", "standin", "suite"]
Asked = tuple[Need | str, str]
Request = tuple[str, str, Any]
TENANTS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda name: not name.startswith(("prod-", "static-"))
)


def naming(tenant: str, side: Side, version: str = "0.8.1") -> Naming:
    return Naming(catalogue_for(version), tenant, side)


def names_of(sets: Naming, policy: Policy) -> Iterator[str]:
    """Yield the names of all indices with one policy, with a partition of each that has some."""
    for resource in sets.catalogue.resources:
        if resource.policy is policy:
            yield sets.alias(resource.name)
            if resource.partitioned:
                yield sets.partition(resource.name, "2026-11")
                yield sets.partition(resource.name, "2026-year")
            else:
                yield sets.concrete(resource.name)


@given(tenant=TENANTS, other=TENANTS, version=st.sampled_from(SUPPORTED_VERSIONS))
def test_nothing_that_is_protected_and_nothing_of_others_is_ever_changed(
    tenant: str, other: str, version: str
) -> None:
    held = grants([naming(tenant, side, version) for side in Side])

    def may_change(name: str) -> bool:
        return any(one.allows(need, name) for one in held for need in (Need.WRITE, Need.MANAGE))

    for side in Side:
        own = naming(tenant, side, version)
        assert not any(map(may_change, names_of(own, Policy.PROTECTED)))
        assert not any(map(may_change, names_of(own, Policy.SHARED)))
        if other != tenant:
            theirs = naming(other, side, version)
            assert not any(map(may_change, names_of(theirs, Policy.PROMOTED)))
    # Staging's documents are written to where drift is carried back; its indices stay as they are.
    staging_set = naming(tenant, Side.STAGING, version)
    concrete = [staging_set.concrete(one.name) for one in staging_set.catalogue.promoted]
    assert not any(one.allows(Need.MANAGE, name) for one in held for name in concrete)


# --- All that the console does ---------------------------------------------------------------


def needed(method: str, path: str, body: Any) -> Iterator[Asked]:
    """Yield what the engine's security would ask of a request: a need and a name each."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    first = parts[0]
    if first in {"", "_cluster", "_cat"}:
        yield "cluster", first
    elif first in {"_index_template", "_template"}:
        yield "templates", path
    elif first == "_aliases":
        for action in body["actions"]:
            for held in action.values():
                yield Need.MANAGE, held["index"]
                if "alias" in held:
                    yield Need.MANAGE, held["alias"]
    elif first == "_msearch":
        for line in body.splitlines()[::2]:
            yield Need.READ, json.loads(line)["index"]
    else:
        what = parts[1] if len(parts) > 1 else ""
        for name in first.split(","):
            yield _need(method, what), name
        if what == "_clone":
            yield Need.MANAGE, parts[2]


def _need(method: str, what: str) -> Need:
    if what in {"_search", "_field_caps", "_count", "_source", "_mget"} or (
        what == "_doc" and method == "GET"
    ):
        return Need.READ
    if what == "_refresh":
        return Need.REFRESH
    if what == "_stats" or (what in {"", "_settings", "_mapping"} and method == "GET"):
        return Need.LOOK
    if what in {"_bulk", "_doc", "_create", "_delete_by_query"}:
        return Need.WRITE
    if what in {"", "_clone", "_settings", "_block"}:
        return Need.MANAGE
    raise AssertionError(f"{method} {what}: nobody said what this needs")


def allowed(held: list[Grant], need: Need | str, name: str) -> bool:
    if isinstance(need, Need):
        return any(one.allows(need, name) for one in held)
    return need == "cluster" or "index_templates" in CLUSTER["elasticsearch"][1]


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """All that is sent to the engine, from when it is asked for."""
    sent: list[Request] = []
    send = Connection._send

    def noted(
        self: Connection, client: Any, method: str, path: str, params: Any, body: Any, timeout: Any
    ) -> Any:
        sent.append((method, path, body))
        return send(self, client, method, path, params, body, timeout)

    monkeypatch.setattr(Connection, "_send", noted)
    return sent


@pytest.mark.django_db
def test_all_that_the_console_does_is_allowed_and_each_allowance_is_needed(
    people: People,
    staging: Environment,
    adopted: Environment,
    ship: Callable[[], Promotion],
    suite: Any,
    requests: list[Request],
    plain_static_files: None,
) -> None:
    requests.clear()
    rule = json.dumps({"name": "New", "enabled": False})
    with_put(requests, lambda: put(staging, "rule", "new", rule))
    promotion = ship()
    finish(rollback(people.admin, adopted, marker=_marker(adopted)))
    unlock(people.admin, adopted, "An edit by hand")
    with_put(requests, lambda: put(adopted, "segment", "by-hand", '{"name": "By hand"}'))
    check(adopted, close=True)
    drift = Drift.open_in(adopted)
    assert drift is not None
    carry(people.admin, adopted, drift.content)
    finish(discard(people.admin, adopted, drift.content))
    lock(people.admin, adopted)
    run_rehearsal(request_rehearsal(people.admin, capture(people.qa, staging), adopted))
    run_smoke_check(request_smoke_check(people.admin, _live(adopted)))
    with_put(requests, lambda: done(people, suite), keep=True)
    offers(staging)
    recent_sessions(staging)
    recorded(staging, "nobody's")
    run_release(request_release(people.admin, adopted))
    run_adopt(adopt(people.admin, adopted))
    assert set(look_at_health()) == {staging, adopted}
    assert not HealthLook.objects.filter(is_reachable=False).exists()
    for one in (staging, adopted):
        make_funnel(people.qa, one, "Purchase", ["page-view", "purchase-completed"])
        event_types(one)
    count_funnels(most_days=2)
    assert keep_segment_sizes() == 2
    client = enter(people.admin.user)
    for one in (staging, adopted):
        for name, args in (
            ("environments:dashboard-export", [one.slug, "types"]),
            ("environments:documents", [one.slug, "rule"]),
            ("environments:document", [one.slug, "rule", "rule-purchase"]),
            ("environments:way", [one.slug]),
            ("environments:accounts", [one.slug]),
            ("environments:health", [one.slug]),
            ("promotion:environment", [one.slug]),
        ):
            assert client.get(reverse(name, args=args), secure=True).status_code == 200
    assert client.get(reverse("admin:index"), secure=True).status_code == 200
    assert promotion.status == Promotion.Status.SUCCEEDED
    held = grants([staging.naming, adopted.naming])
    asked = {one for request in requests for one in needed(*request)}
    refused = sorted((str(need), name) for need, name in asked if not allowed(held, need, name))
    assert refused == []
    # Each kind of allowance is made use of: none is there for nothing. The index of leases is made
    # by whichever console comes first, which was another one here.
    asked.add((Need.MANAGE, LEASE_INDEX))
    idle = [
        (grant.names[:2], str(need))
        for grant in held
        for need in grant.needs
        if not any(grant.allows(need, name) for kind, name in asked if kind == need)
    ]
    assert not idle, "\n".join(map(str, idle))


def with_put(requests: list[Request], act: Callable[[], object], *, keep: bool = False) -> None:
    """Do what Tracardi, or the stand-in for it, would: it is not the console's to be allowed."""
    before = list(requests)
    act()
    after = requests[len(before) :]
    requests[:] = before
    if keep:
        # Of a run of workflow tests, what only reads is the console's.
        requests += [one for one in after if one[0] in {"GET", "POST"} and "_bulk" not in one[1]]


def _live(environment: Environment) -> Promotion:
    stored = StoredGeneration.live_in(environment)
    assert stored is not None
    return stored.promotion


def _marker(environment: Environment) -> str:
    return StoredGeneration.live_marker(environment)


@pytest.mark.django_db
def test_making_and_filling_a_set_needs_what_is_told_apart_and_no_more(
    adopted: Environment, people: People, elasticsearch_url: str, requests: list[Request]
) -> None:
    cluster = sets.new_cluster(elasticsearch_url)
    like = sets.new_environment(cluster, "production")
    other = sets.new_environment(cluster, "staging", like.tenant)
    engine = connect(cluster)
    sets.install(like)
    try:
        requests.clear()
        provision(people.admin, other, like, digest=plan_of(other, like).digest)
        refresh(people.admin, other, like, digest=refresh_plan(other, like).digest)
        asked = {one for request in requests for one in needed(*request)}
    finally:
        sets.uninstall(other, engine)
        sets.uninstall(like, engine)
    whole = grants([like.naming, other.naming], provisioning=True)
    refused = sorted((str(need), name) for need, name in asked if not allowed(whole, need, name))
    assert refused == []
    least = grants([like.naming, other.naming])
    more = {(need, name) for need, name in asked if not allowed(least, need, name)}
    assert {need for need, _name in more} == {Need.MANAGE}
    # It may make events' indices, and write no event.
    event = other.naming.partition("event", "2026-11")
    assert not any(one.allows(Need.WRITE, event) for one in whole)


# --- The command ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_command_prints_it_as_each_engine_takes_it(
    staging: Environment,
    production: Environment,
    people: People,
    capsys: pytest.CaptureFixture[str],
) -> None:
    admin = ("--as", "administrator")
    call_command("engine-role", *admin)
    printed = json.loads(capsys.readouterr().out)
    assert printed == role([production.naming, staging.naming], "elasticsearch")
    assert set(printed) == {"cluster", "indices"}
    call_command("engine-role", production.slug, "--engine", "opensearch", *admin)
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"cluster_permissions", "index_permissions"}
    names = [name for row in printed["index_permissions"] for name in row["index_patterns"]]
    assert not any(name.startswith(("08x.", "08x-", staging.tenant)) for name in names)
    with pytest.raises(SystemExit) as wrong:
        call_command("engine-role", "nobody", *admin)
    assert wrong.value.code == 2
    assert "There is no environment 'nobody'." in capsys.readouterr().err


@pytest.mark.django_db
def test_the_command_prints_it_before_anything_is_connected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    create_user(
        system_actor(), username="administrator", role=Role.ADMINISTRATOR, password="a phrase 7391"
    )
    admin = ("--as", "administrator")
    call_command("engine-role", "--tenant", "acme", "--tracardi", "0.8.2", *admin)
    both = [naming("acme", side, "0.8.2") for side in Side]
    assert json.loads(capsys.readouterr().out) == role(both, "elasticsearch")
    for wrong, words in (
        ([], "Name what is to be connected"),
        (["--tenant", "acme"], "go together"),
        (["--tracardi", "0.8.1"], "go together"),
        (["--tenant", "a.b", "--tracardi", "0.8.1"], "is not usable"),
    ):
        with pytest.raises(SystemExit) as ended:
            call_command("engine-role", *wrong, *admin)
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert words in said
        assert "Nothing was printed." in said
