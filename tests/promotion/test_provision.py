"""Making a missing set of indices like another one, on the real engine."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from django.core.management import call_command
from pytest_django import Settings

from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from environments.elastic import Connection, connect
from environments.models import Environment
from environments.provisioning import Kind, Plan, Step
from promotion.adoption import adopt, run_adopt
from promotion.claim import claim, claimed
from promotion.engine.errors import Conflict, LeaseHeld, PreflightFailed, StalePlan
from promotion.live import finish
from promotion.making import SetMaker
from promotion.models import Promotion
from promotion.planning import writer_for
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.provisioning import plan, provision
from promotion.writer import ClusterWriter
from tests.factories import People, approved, make_index, make_people, served
from tests.faults.proxy import Fault, Proxy
from tests.promotion import sets

pytestmark = pytest.mark.django_db
Made = Callable[..., Environment]


@pytest.fixture
def made() -> Iterator[Callable[[Environment], Environment]]:
    """Take note of an environment whose set is to be deleted at the end."""
    noted: list[tuple[Environment, Connection]] = []

    def note(environment: Environment) -> Environment:
        noted.append((environment, connect(environment.cluster)))
        return environment

    yield note
    for environment, engine in noted:
        sets.uninstall(environment, engine)


@pytest.fixture(scope="module")
def tenant(elasticsearch_url: str) -> Iterator[str]:
    """Whose staging is there, as Tracardi installs it, with the real documents; to be left so."""
    with sets.installed(elasticsearch_url, "staging") as name:
        yield name


@pytest.fixture
def staging(elasticsearch_url: str, tenant: str) -> Environment:
    return sets.new_environment(sets.new_cluster(elasticsearch_url), "staging", tenant)


@pytest.fixture
def own(elasticsearch_url: str) -> Iterator[Environment]:
    """A whole staging that a test may change."""
    with sets.installed(elasticsearch_url, "staging", documents=False) as name:
        yield sets.new_environment(sets.new_cluster(elasticsearch_url), "staging", name)


@pytest.fixture
def production(staging: Environment, made: Made) -> Environment:
    """A production that is set up in the console alone."""
    other = made(sets.new_environment(staging.cluster, "production", staging.tenant))
    staging.promotes_to = other
    staging.save()
    return other


@pytest.fixture
def people(staging: Environment, production: Environment) -> People:
    return make_people(staging, production)


def do(people: People, target: Environment, like: Environment, **more: Any) -> Plan:
    return provision(people.admin, target, like, digest=plan(target, like).digest, **more)


def states(environment: Environment) -> dict[str, Any]:
    engine = ClusterWriter(connect(environment.cluster))
    return {
        name: state
        for name, state in engine.states(environment.naming.search_patterns()).items()
        if not name.startswith("static-")
    }


def codes(found: Plan) -> set[str]:
    return {finding.code for finding in found.findings}


def as_other(name: str, one: Environment, other: Environment) -> str:
    """Return what a name of one set is called in another."""
    before, after = one.naming.key.split("."), other.naming.key.split(".")
    return name.replace(".".join(before), ".".join(after), 1)


def check_alike(one: Environment, other: Environment) -> None:
    """Check that two sets are alike in everything but their names and their documents."""
    theirs, ours = states(one), states(other)
    now = datetime.now(UTC)
    month = f"{now.year}-{now.month}"
    assert {as_other(name, one, other).replace(sets.MONTH, month) for name in theirs} == set(ours)
    for name, state in theirs.items():
        made = ours[as_other(name, one, other).replace(sets.MONTH, month)]
        meta = {**state.mapping["_meta"], "name": other.tenant}
        assert made.mapping == {**state.mapping, "_meta": meta}
        # A generation is a clone, which says what every index has.
        assert made.settings == {
            name: value for name, value in state.settings.items() if "partition_size" not in name
        }
        what = one.naming.classify(name)
        assert what is not None
        assert what.resource is not None
        assert made.aliases == (other.naming.alias(what.resource.name),)
    assert writer(other).count(",".join(ours)) == 0


def writer(environment: Environment) -> ClusterWriter:
    return ClusterWriter(connect(environment.cluster))


def test_a_missing_production_is_made_like_staging_and_takes_part_in_promotions(
    people: People, staging: Environment, production: Environment
) -> None:
    confirmed = do(people, production, staging, reason="The first one")
    check_alike(staging, production)
    # Templates first, and what both sides share is used as it is.
    kinds = [step.kind for step in confirmed.steps]
    assert kinds == sorted(kinds, key=lambda kind: kind is Kind.INDEX)
    shared = {step.resource for step in confirmed.steps if step.is_there}
    assert shared == {"bridge", "flow-action-plugins"}
    events = AuditEvent.objects.filter(action__startswith="environment.provision").order_by("id")
    assert [one.action for one in events] == [
        "environment.provision.begun",
        "environment.provision",
    ]
    last = events.last()
    assert last is not None
    assert last.reason == "The first one"
    assert len(last.detail["made"]) == len(confirmed.due)
    # What a template makes by itself, as Tracardi has it made next month, is like the others.
    event = production.naming.partition("event", "2031-1")
    connect(production.cluster).request("PUT", f"/{event}")
    made = states(production)[event]
    assert made.aliases == (production.naming.alias("event"),)
    assert made.mapping == states(staging)[staging.naming.partition("event", sets.MONTH)].mapping
    run_adopt(adopt(people.admin, production))
    build = approved(people, staging)
    promotion = promote(people.admin, build, production, plan_digest=_prepared(build, production))
    assert finish(promotion).status == Promotion.Status.SUCCEEDED
    assert served(production, "flow") == served(staging, "flow")


def _prepared(build: Any, production: Environment) -> str:
    return prepare(build, production).plan_digest


def test_a_missing_staging_is_made_like_a_production_that_serves_generations(
    people: People, staging: Environment, production: Environment, made: Made
) -> None:
    sets.install(production)
    run_adopt(adopt(people.admin, production))
    tenant = f"{staging.tenant}x"
    other = made(sets.new_environment(staging.cluster, "staging", tenant))
    confirmed = do(people, other, production)
    check_alike(staging, other)
    # Another tenant shares nothing with this one: Tracardi fills what both its sides share.
    bridge = other.naming.concrete("bridge")
    assert bridge in {step.name for step in confirmed.due}
    assert writer(other).count(bridge) == 0


def test_a_set_is_made_in_another_cluster(
    people: People, staging: Environment, elasticsearch_url: str, made: Made
) -> None:
    # Reached by another address; the tests have one engine of each kind.
    url = elasticsearch_url.replace("127.0.0.1", "localhost")
    other = made(sets.new_environment(sets.new_cluster(url, "Other"), "production"))
    do(people, other, staging)
    check_alike(staging, other)
    other.cluster.refresh_from_db()
    assert other.cluster.uuid == writer(other).uuid()


def test_legacy_templates_are_copied_as_such(
    people: People, elasticsearch_url: str, made: Made, staging: Environment
) -> None:
    cluster = staging.cluster
    old = made(sets.new_environment(cluster, "staging"))
    sets.install(old, documents=False, legacy=True)
    new = made(sets.new_environment(cluster, "production", old.tenant))
    confirmed = do(people, new, old)
    assert {step.kind for step in confirmed.steps} == {Kind.LEGACY_TEMPLATE, Kind.INDEX}
    check_alike(old, new)
    again = plan(new, old)
    assert (again.due, again.findings) == ((), ())


def test_a_plan_that_ran_has_nothing_left_to_do(
    people: People, staging: Environment, production: Environment
) -> None:
    do(people, production, staging)
    before = states(production)
    sets.fill(production)
    again = do(people, production, staging)
    assert again.due == ()
    assert {n: s.uuid for n, s in states(production).items()} == {
        n: s.uuid for n, s in before.items()
    }
    assert served(production, "flow") == served(staging, "flow")


class Died(Exception):
    """The process is gone."""


@pytest.mark.parametrize("kills", [(1, 7, 20)])
def test_killed_on_the_way_and_run_again_it_completes(
    people: People, staging: Environment, production: Environment, kills: tuple[int, ...]
) -> None:
    for number in kills:
        die_after(number, people, production, staging)
    do(people, production, staging)
    check_alike(staging, production)


@pytest.mark.long
def test_killed_after_each_step_and_run_again_it_completes(
    people: People, staging: Environment, production: Environment
) -> None:
    deaths = 0
    while plan(production, staging).due:
        die_after(1, people, production, staging)
        deaths += 1
    assert deaths > 40
    do(people, production, staging)
    check_alike(staging, production)


def die_after(number: int, people: People, target: Environment, like: Environment) -> None:
    done: list[Step] = []

    def progress(step: Step) -> None:
        done.append(step)
        if len(done) == number:
            raise Died

    before = len(plan(target, like).due)
    with pytest.raises(Died):
        do(people, target, like, progress=progress)
    assert len(plan(target, like).due) == before - number


def test_a_stale_plan_is_refused_before_anything_is_made(
    people: People, staging: Environment, production: Environment
) -> None:
    old = plan(production, staging)
    make_index(
        connect(production.cluster),
        production.naming.concrete("user"),
        sets.shape(production.naming, "tracardi-user", connect(production.cluster)),
    )
    before = sets.names_in(production)
    with pytest.raises(StalePlan, match="Nothing was made"):
        provision(people.admin, production, staging, digest=old.digest)
    assert sets.names_in(production) == before
    refused = AuditEvent.objects.get(action="environment.provision")
    assert refused.outcome == AuditEvent.Outcome.REFUSED


OBSTACLES: Final[list[tuple[str, dict[str, Any] | None, str]]] = [
    # Made by a write, unmapped.
    ("/{flow}", {"aliases": {"{alias}": {}}}, "in-the-way"),
    ("/{flow}", None, "in-the-way"),
    ("/{alias}", None, "in-the-way"),
    ("/{other}", {"aliases": {"{alias}": {}}}, "alias-taken"),
    ("/{other}", {"aliases": {"{flow}": {}}}, "in-the-way"),
    ("/_index_template/{template}", {"index_patterns": ["{other}-x"]}, "in-the-way"),
    ("/_template/{template}", {"index_patterns": ["{other}-x"]}, "in-the-way"),
    (
        "/_index_template/{other}",
        {"index_patterns": ["{flow}"], "template": {"settings": {"number_of_shards": 3}}},
        "template-claims",
    ),
    ("/_index_template/{other}", {"index_patterns": ["{event}"]}, "engine-refuses"),
]


def test_what_stands_in_the_way_stops_it_before_any_write_and_is_left_alone(
    people: People, staging: Environment, production: Environment
) -> None:
    naming, engine = production.naming, connect(production.cluster)
    names = {
        "{flow}": naming.concrete("flow"),
        "{alias}": naming.alias("flow"),
        "{other}": f"other-{production.tenant}",
        "{template}": naming.template("event"),
        # The same as its template's in some year.
        "{event}": naming.template_pattern("event").replace("*-*", "1999-*"),
    }
    lease = ClusterWriter(engine).lease(naming.key)
    for path, body, code in OBSTACLES:
        engine.request("PUT", told(path, names), body=told(body, names))
        try:
            before = sets.names_in(production)
            found = plan(production, staging)
            assert code in codes(found), path
            with pytest.raises(PreflightFailed, match="Nothing was made") as refused:
                provision(people.admin, production, staging, digest=found.digest)
            assert code in {finding.code for finding in refused.value.findings}
            assert sets.names_in(production) == before
        finally:
            engine.request("DELETE", told(path, names))
    assert ClusterWriter(engine).lease(naming.key) == lease
    assert plan(production, staging).findings == ()


def told(value: Any, names: dict[str, str]) -> Any:
    """Return a path or a body with the names in place of their words."""
    if isinstance(value, dict):
        return {told(key, names): told(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [told(inner, names) for inner in value]
    for word, name in names.items():
        value = value.replace(word, name) if isinstance(value, str) else value
    return value


def test_an_index_of_another_mapping_is_never_written_over(
    people: People, staging: Environment, production: Environment
) -> None:
    do(people, production, staging)
    flow = production.naming.concrete("flow")
    more = {"properties": {"by_hand": {"type": "keyword"}}}
    connect(production.cluster).request("PUT", f"/{flow}/_mapping", body=more)
    connect(production.cluster).request("DELETE", f"/{production.naming.concrete('user')}")
    before = states(production)
    with pytest.raises(PreflightFailed, match="has another mapping than in"):
        do(people, production, staging)
    assert states(production) == before


def test_another_that_is_not_whole_or_of_another_version_is_no_model(
    people: People, staging: Environment, production: Environment, own: Environment
) -> None:
    empty = sets.new_environment(staging.cluster, "staging")
    assert codes(plan(production, empty)) == {"like-lacks"}
    newer = sets.new_environment(staging.cluster, "staging", version="0.8.2")
    assert codes(plan(production, newer)) == {"version-differs"}
    assert plan(production, newer).steps == ()
    twin = sets.new_environment(sets.new_cluster(staging.cluster.url), "staging", staging.tenant)
    assert codes(plan(twin, staging)) == {"same-set"}
    engine = connect(own.cluster)
    engine.request("DELETE", f"/_index_template/{own.naming.template('event')}")
    engine.request("DELETE", f"/{own.naming.concrete('flow')}")
    found = plan(production, own)
    assert [(f.code, f.subject) for f in found.findings] == [
        ("like-lacks", "event"),
        ("like-lacks", "flow"),
    ]
    with pytest.raises(PreflightFailed, match="Nothing was made"):
        provision(people.admin, production, own, digest=found.digest)
    assert states(production) == {}


def test_a_template_with_names_that_tracardi_did_not_give_is_not_copied(
    people: People, own: Environment, production: Environment
) -> None:
    engine, name = connect(own.cluster), own.naming.template("event")
    body = engine.request("GET", f"/_index_template/{name}")["index_templates"][0]["index_template"]
    body["index_patterns"].append(f"mine-{own.tenant}-*")
    engine.request("PUT", f"/_index_template/{name}", body=body)
    assert codes(plan(production, own)) == {"template-strange"}


def test_a_production_that_serves_a_generation_needs_nothing(
    people: People, staging: Environment, production: Environment
) -> None:
    do(people, production, staging)
    run_adopt(adopt(people.admin, production))
    found = plan(production, staging)
    assert (codes(found), found.steps) == ({"adopted"}, ())


def test_a_type_that_an_engine_lacks_is_refused_before_any_write(
    people: People, staging: Environment, production: Environment, made: Made
) -> None:
    # As if staging were on another kind of engine: its mapping says what this one does not know.
    engine = connect(staging.cluster)
    found = plan(production, staging)
    assert found.findings == ()
    flow = next(step for step in found.steps if step.resource == "flow")
    body = {**flow.body, "mappings": {"properties": {"a": {"type": "of_another_engine"}}}}
    words = SetMaker(engine).refusal(Step(Kind.INDEX, "x", "flow", "y", body))
    assert "of_another_engine" in words
    assert SetMaker(engine).refusal(flow) == ""


def test_it_waits_for_no_promotion_and_none_for_it(
    people: People, staging: Environment, production: Environment
) -> None:
    digest = plan(production, staging).digest
    running = Promotion.objects.create(kind="adopt", environment=production, status="running")
    with pytest.raises(PreflightFailed, match="Another promotion"):
        provision(people.admin, production, staging, digest=digest)
    running.delete()
    with claimed(writer_for(production), production, "somebody"), pytest.raises(LeaseHeld):
        provision(people.admin, production, staging, digest=digest)
    assert states(production) == {}
    failed = AuditEvent.objects.filter(action="environment.provision").last()
    assert failed is not None
    assert failed.outcome == AuditEvent.Outcome.REFUSED


def test_the_command_waits_for_another_and_records_one_refusal(
    people: People, staging: Environment, production: Environment, settings: Settings
) -> None:
    def run() -> int:
        try:
            call_command("provision", production.slug, "--like", staging.slug, "--yes", *who)
        except SystemExit as end:
            return int(str(end.code))
        return 0

    who = ("--as", "administrator")
    settings.LEASE_SECONDS, settings.LEASE_RENEW_SECONDS = 1, 0.2
    with claimed(writer_for(production), production, "somebody"):
        assert run() == 3
    assert states(production) == {}
    events = AuditEvent.objects.filter(action__startswith="environment.provision")
    assert [one.outcome for one in events] == [AuditEvent.Outcome.REFUSED]
    # Of a dead one the claim ends, and that it was waited for is no refusal.
    claim(writer_for(production), production, "a dead one").stop()
    assert run() == 0
    check_alike(staging, production)
    assert events.filter(outcome=AuditEvent.Outcome.REFUSED).count() == 1


def test_an_answer_that_was_lost_is_no_harm(
    people: People, staging: Environment, elasticsearch_url: str
) -> None:
    proxy = Proxy(elasticsearch_url)
    try:
        cluster = sets.new_cluster(proxy.url, "Behind a proxy")
        target = sets.new_environment(cluster, "production", staging.tenant)
        lost = [
            Fault("PUT /_index_template/", after=lambda _answer: None),
            Fault(f"PUT /{target.naming.concrete('flow')}", after=lambda _answer: None),
        ]
        digest = plan(target, staging).digest
        with proxy.failing(*lost):
            provision(people.admin, target, staging, digest=digest)
        assert [fault.met for fault in lost] == [1, 1]
        assert plan(target, staging).due == ()
    finally:
        proxy.close()


@pytest.mark.parametrize("who", ["qa", "marketing"])
def test_only_the_administrator_makes_a_set(
    people: People, staging: Environment, production: Environment, who: str
) -> None:
    digest = plan(production, staging).digest
    with pytest.raises(NotAllowedError):
        provision(getattr(people, who), production, staging, digest=digest)
    assert states(production) == {}
    event = AuditEvent.objects.get(action="environment.provision")
    assert event.outcome == AuditEvent.Outcome.REFUSED


def test_what_comes_in_between_is_left_alone_and_said(
    people: People, staging: Environment, production: Environment
) -> None:
    flow = production.naming.concrete("flow")

    def progress(step: Step) -> None:
        if step.resource == "resource":
            # A Tracardi that writes to a name that is not there yet makes it, unmapped.
            path = f"/{flow}/_doc/1"
            connect(production.cluster).request("PUT", path, body={"name": "Too early"})

    with pytest.raises(Conflict, match="left as it is"):
        do(people, production, staging, progress=progress)
    assert writer(production).states([flow])[flow].aliases == ()
    assert "in-the-way" in codes(plan(production, staging))
