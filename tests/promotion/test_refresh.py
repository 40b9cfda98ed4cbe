"""Copying a production's configuration to a fresh staging, on the real engine."""

import json
from collections.abc import Iterator

import pytest

from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from environments.documents import decoded, encode_field, parse
from environments.elastic import Connection, connect
from environments.models import Environment
from promotion.adoption import adopt, run_adopt
from promotion.engine.errors import Conflict, PreflightFailed, StalePlan
from promotion.engine.refresh import Refresh
from promotion.models import Build
from promotion.provisioning import plan as provision_plan
from promotion.provisioning import provision
from promotion.refreshing import plan, refresh
from promotion.releasing import request_release, run_release
from promotion.services import capture
from promotion.staging import StagingWriter
from tests.factories import People, make_people, put, served
from tests.promotion import sets

pytestmark = pytest.mark.django_db
HEARTBEATS = "@@heartbeats-"


@pytest.fixture(scope="module")
def tenant(elasticsearch_url: str) -> Iterator[str]:
    """Whose sets are both there: production with the real documents, and a staging."""
    with (
        sets.installed(elasticsearch_url, "production") as name,
        sets.installed(elasticsearch_url, "staging", tenant=name, documents=False),
    ):
        yield name


@pytest.fixture
def production(elasticsearch_url: str, tenant: str) -> Environment:
    made = sets.new_environment(sets.new_cluster(elasticsearch_url), "production", tenant)
    sets.empty(made)
    sets.fill(made)
    return made


@pytest.fixture
def staging(production: Environment) -> Environment:
    """A staging of the same tenant, whose indices are there and empty."""
    made = sets.new_environment(production.cluster, "staging", production.tenant)
    made.promotes_to = production
    made.save()
    sets.empty(made)
    return made


@pytest.fixture
def people(production: Environment, staging: Environment) -> People:
    return make_people(staging, production)


def do(
    people: People, staging: Environment, production: Environment, *, halves: bool = True
) -> tuple[Refresh, Build | None]:
    found = plan(staging, production, halves=halves)
    consents = [found.consent] if found.consent else []
    digest = found.digest
    return refresh(
        people.admin, staging, production, digest=digest, halves=halves, consents=consents
    )


def everything(environment: Environment) -> dict[str, dict[str, bytes]]:
    """Return all that is served, without what each installation writes for itself."""
    return {
        one.name: {
            doc_id: source
            for doc_id, source in served(environment, one.name).items()
            if not doc_id.startswith(HEARTBEATS)
        }
        for one in environment.catalogue.promoted
    }


def test_a_fresh_staging_gets_all_that_production_serves_to_the_byte(
    people: People, staging: Environment, production: Environment
) -> None:
    run_adopt(adopt(people.admin, production))
    try:
        check_refreshed(people, staging, production)
    finally:
        run_release(request_release(people.admin, production))


def check_refreshed(people: People, staging: Environment, production: Environment) -> None:
    found, kept = do(people, staging, production)
    assert (found.lost, kept) == (0, None)
    assert found.added == sum(map(len, everything(production).values())) > 30
    assert everything(staging) == everything(production)
    assert not any(name.startswith(HEARTBEATS) for name in served(staging, "event-source"))
    # It is what is live: a build of it would change nothing.
    live = Build.objects.get(environment=production, kind=Build.Kind.BASELINE)
    assert capture(people.qa, staging).content == live.content
    events = AuditEvent.objects.filter(action__startswith="environment.refresh").order_by("id")
    assert [one.action for one in events] == ["environment.refresh.begun", "environment.refresh"]
    assert all("PROD" not in json.dumps(one.detail) for one in events)
    again, kept = do(people, staging, production)
    assert (again.due, kept) == (0, None)


def test_production_halves_stay_out_on_request_and_all_else_is_equal(
    people: People, staging: Environment, production: Environment
) -> None:
    found, _kept = do(people, staging, production, halves=False)
    theirs, ours = everything(production), everything(staging)
    halved = 0
    for doc_id, source in theirs["resource"].items():
        before = decoded("resource", parse(source))["credentials"]
        after = decoded("resource", parse(ours["resource"][doc_id]))
        if before.get("production"):
            halved += 1
            assert after["credentials"] == {**before, "production": {}}
        rest = {**parse(ours["resource"][doc_id]), "credentials": parse(source)["credentials"]}
        assert rest == parse(source)
    assert halved > 2
    assert found.left_out == halved
    # Test halves are what a staging needs.
    assert found.keeping is not None
    assert found.keeping >= halved
    del theirs["resource"], ours["resource"]
    assert ours == theirs
    text = " ".join(
        str(decoded("resource", parse(s))) for s in everything(staging)["resource"].values()
    )
    assert "PROD" not in text
    again, _kept = do(people, staging, production, halves=False)
    assert again.due == 0


def test_halves_in_a_flow_stay_out_of_all_its_versions(
    people: People, staging: Environment, production: Environment
) -> None:
    spec = {
        "microservice": {
            "server": {"credentials": {"production": {"token": "PROD"}, "test": {"token": "t"}}},
            "plugin": {"resource": {"mine": "plain"}},
        },
        "init": {"production": {"url": "plain"}},
    }
    graph = {"flowGraph": {"nodes": [{"data": {"spec": spec}}], "edges": []}}
    fields = {name: encode_field(graph) for name in ("production", "draft", "backup")}
    put(production, "flow", "remote", json.dumps({"id": "remote", "name": "Remote", **fields}))
    found, _kept = do(people, staging, production, halves=False)
    after = decoded("flow", parse(served(staging, "flow")["remote"]))
    for name in fields:
        told = after[name]["flowGraph"]["nodes"][0]["data"]["spec"]
        assert told["microservice"]["server"]["credentials"] == {
            "production": {},
            "test": {"token": "t"},
        }
        assert told["init"] == spec["init"]
        assert told["microservice"]["plugin"] == {"resource": {"mine": "plain"}}
    whole = plan(staging, production)
    assert {part.resource for part in whole.resources if part.changes} == {"flow", "resource"}
    assert found.left_out is not None
    assert found.left_out > 3


def test_what_cannot_be_decoded_is_not_taken_for_free_of_secrets(
    people: People, staging: Environment, production: Environment
) -> None:
    put(production, "resource", "odd", json.dumps({"id": "odd", "credentials": "no base64 {"}))
    found = plan(staging, production, halves=False)
    assert [one.code for one in found.findings] == ["unreadable-secrets"]
    with pytest.raises(PreflightFailed, match="Nothing was copied"):
        do(people, staging, production, halves=False)
    assert not any(everything(staging).values())
    do(people, staging, production)
    assert everything(staging) == everything(production)


def test_a_staging_with_documents_is_kept_as_a_build_and_asks_for_consent(
    people: People, staging: Environment, production: Environment
) -> None:
    put(staging, "rule", "mine", '{"name": "Mine"}')
    put(staging, "rule", "rule-purchase", '{"name": "Changed here"}')
    found = plan(staging, production)
    assert (found.lost, found.consent) == (2, "replace:2")
    for consents in ([], ["replace:1"]):
        with pytest.raises(PreflightFailed, match="Its name is replace:2"):
            refresh(people.admin, staging, production, digest=found.digest, consents=consents)
    assert set(everything(staging)["rule"]) == {"mine", "rule-purchase"}
    assert not Build.objects.filter(environment=staging).exists()
    _done, kept = do(people, staging, production)
    assert everything(staging) == everything(production)
    assert kept is not None
    assert kept.resources()["rule"].tree.count == 2


def test_a_stale_plan_is_refused(
    people: People, staging: Environment, production: Environment
) -> None:
    found = plan(staging, production)
    put(production, "rule", "new", '{"name": "New"}')
    with pytest.raises(StalePlan, match="Nothing was copied"):
        refresh(people.admin, staging, production, digest=found.digest)
    assert not any(everything(staging).values())


class Died(Exception):
    """The process is gone."""


def test_killed_on_the_way_and_run_again_it_completes_and_asks_nothing(
    people: People,
    staging: Environment,
    production: Environment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = plan(staging, production).due
    write = StagingWriter.replace
    for deadly in (0, 1, 9):
        left = [deadly]

        def dying(self: StagingWriter, *args: object, left: list[int] = left) -> None:
            if not left[0]:
                raise Died
            left[0] -= 1
            write(self, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(StagingWriter, "replace", dying)
        with pytest.raises(Died):
            do(people, staging, production)
        monkeypatch.setattr(StagingWriter, "replace", write)
        now = plan(staging, production)
        before -= deadly
        assert (now.due, now.consent) == (before, "")
    do(people, staging, production)
    assert everything(staging) == everything(production)


def test_an_edit_at_this_moment_is_left_alone(
    people: People,
    staging: Environment,
    production: Environment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = StagingWriter.replace

    def meddled(self: StagingWriter, index: str, doc_id: str, *rest: object) -> None:
        if doc_id == "rule-purchase":
            put(staging, "rule", doc_id, '{"name": "Somebody else"}')
        write(self, index, doc_id, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(StagingWriter, "replace", meddled)
    with pytest.raises(Conflict, match="changed at this moment"):
        do(people, staging, production)
    assert everything(staging)["rule"]["rule-purchase"] == b'{"name": "Somebody else"}'
    failed = AuditEvent.objects.filter(action="environment.refresh").get()
    assert failed.outcome == AuditEvent.Outcome.FAILED


def test_only_a_production_is_copied_and_only_to_a_staging_whose_indices_are_there(
    people: People, staging: Environment, production: Environment
) -> None:
    def codes(target: Environment, source: Environment) -> list[str]:
        return [finding.code for finding in plan(target, source).findings]

    assert codes(production, staging) == ["not-to-staging"]
    newer = sets.new_environment(production.cluster, "staging", version="0.8.2")
    assert codes(newer, production) == ["version-differs"]
    empty = sets.new_environment(production.cluster, "staging")
    assert codes(empty, production) == ["target-missing"]


def test_a_staging_of_other_mappings_is_refused(
    people: People, elasticsearch_url: str, production: Environment
) -> None:
    with sets.installed(elasticsearch_url, "staging", documents=False) as name:
        other = sets.new_environment(production.cluster, "staging", name)
        more = {"properties": {"by_hand": {"type": "keyword"}}}
        flow = other.naming.concrete("flow")
        connect(other.cluster).request("PUT", f"/{flow}/_mapping", body=more)
        assert [one.code for one in plan(other, production).findings] == ["mapping-differs"]
        with pytest.raises(PreflightFailed, match="Bring both to the same mappings"):
            do(people, other, production)
        assert not any(everything(other).values())


def test_a_staging_of_another_tenant_is_made_and_filled(
    people: People, staging: Environment, production: Environment
) -> None:
    other = sets.new_environment(production.cluster, "staging")
    engine: Connection = connect(other.cluster)
    try:
        digest = provision_plan(other, production).digest
        provision(people.admin, other, production, digest=digest)
        do(people, other, production)
        assert everything(other) == everything(production)
    finally:
        sets.uninstall(other, engine, shared=True)


@pytest.mark.parametrize("who", ["qa", "marketing"])
def test_only_the_administrator_refreshes(
    people: People, staging: Environment, production: Environment, who: str
) -> None:
    digest = plan(staging, production).digest
    with pytest.raises(NotAllowedError):
        refresh(getattr(people, who), staging, production, digest=digest)
    assert not any(everything(staging).values())
    event = AuditEvent.objects.get(action="environment.refresh")
    assert event.outcome == AuditEvent.Outcome.REFUSED
