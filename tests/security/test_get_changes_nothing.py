"""No GET changes anything: database and engine are equal to the row before and after each.

On a real engine, with a configuration that lived: adopted, promoted, edited by hand, tested.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import pytest
from django.db import connection
from django.urls import reverse

from accounts.models import AuditEvent
from accounts.roles import Role
from environments.elastic import Connection
from environments.funnels.services import make_funnel
from environments.models import Cluster, Environment, Licence, LicenceUse
from environments.recipes.services import save
from environments.saved.services import save_view
from promotion.batch_models import Batch, BatchItem
from promotion.comments import add_comment
from promotion.composing import compose_build
from promotion.drift import check
from promotion.engine.compose import Choice
from promotion.live import finish
from promotion.locking import unlock
from promotion.models import Build, Promotion, RunResult, StoredGeneration, SuiteRun
from promotion.planning import writer_for
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.reconciling import Survey, survey
from promotion.services import capture
from promotion.smoke import request_smoke_check, run_smoke_check
from promotion.suite_runs import request_run
from promotion.suites import keep_test, make_suite
from tests.factories import People, approved, enter, put, served
from tests.promotion.conftest import adopted, staging
from tests.promotion.test_workflows import purchase
from tests.recipes.samples import sample
from tests.security.matrix import ROWS
from tests.security.tally import LOOKS

__all__ = ["adopted", "staging"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
# A table that a look may change, and why.
EXCEPT: Final = {
    "django_session": "a message is taken off it once it was shown, and a look keeps it alive",
    "sqlite_sequence": "SQLite's own counter",
}
AUDIT: Final = AuditEvent._meta.db_table


def database() -> dict[str, str]:
    """Return a digest of the rows of each table."""
    found = {}
    for table in connection.introspection.table_names():
        if table in EXCEPT:
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows = sorted(
                repr([bytes(v) if isinstance(v, memoryview) else v for v in row]) for row in cursor
            )
        found[table] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


def engine_state(engine: Connection) -> dict[str, Any]:
    """Return what an engine holds: names, mappings, settings, templates, and what was written."""
    every = {"expand_wildcards": "all"}
    # A document that waits to be seen is seen by itself after a while. What an engine does in its
    # own time, merging and telling copies how far they are, is no change either.
    engine.request("POST", "/_all/_refresh", params=every)
    stats = engine.request("GET", "/_all/_stats/docs", params={**every, "level": "shards"})[
        "indices"
    ]
    return {
        "indices": engine.request("GET", "/_all", params=every),
        "templates": engine.request("GET", "/_index_template"),
        "old templates": engine.request("GET", "/_template"),
        "written": {
            name: [
                (copy["docs"], copy["seq_no"]) for shard in of["shards"].values() for copy in shard
            ]
            for name, of in stats.items()
        },
    }


@pytest.fixture
def lived(people: People, staging: Environment, adopted: Environment) -> dict[str, list[list[Any]]]:
    """What was done to staging and production, and the arguments of addresses of each thing."""
    put(staging, "segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    ready = prepare(build, adopted)
    consents = [finding["code"] for finding in ready.consents_due]
    went = finish(
        promote(people.admin, build, adopted, plan_digest=ready.plan_digest, consents=consents)
    )
    run_smoke_check(request_smoke_check(people.admin, went))
    put(staging, "segment", "newer", '{"name": "Newer"}')
    later = capture(people.qa, staging)
    compose_build(people.qa, later, Choice(whole=frozenset({"segment"})))
    said = add_comment(people.qa, later, "Why?")
    assert people.qa.user is not None
    suite = make_suite(people.qa, staging, "Shop")
    keep_test(people.qa, suite, purchase(), version=1, was="", is_new=True)
    staging.api_url = "http://203.0.113.9:8686"
    staging.save()
    run = request_run(people.qa, suite)
    result = RunResult.objects.create(
        run=run, test=suite.tests.get(), status="passed", edges={"flow-purchase": []}
    )
    SuiteRun.objects.filter(pk=run.pk).update(status="passed", content=build.content)
    batch = Batch.objects.create(parallel=1, channel="web", requested_by=people.admin.user)
    BatchItem.objects.create(batch=batch, environment=adopted, build=build)
    unlock(people.admin, adopted, "An edit by hand")
    put(adopted, "segment", "by-hand", '{"name": "By hand"}')
    check(adopted, close=True)
    licence = Licence.objects.create(holder="Shop", key="licence-key")
    LicenceUse.objects.create(licence=licence, environment=adopted)
    for number, name in enumerate(("one.example.com", "two.example.com")):
        save(people.admin, staging, sample(public_name=name), shown=number)
    funnel = make_funnel(people.qa, staging, "Purchase", ["page-view", "purchase-completed"])
    view = save_view(people.qa, staging, "Mine", "range=30d", Role)
    sides = [staging.slug, adopted.slug]
    return {
        "-": [[]],
        "csv": [["csv"], ["jsonl"]],
        "staging": [[slug] for slug in sides],
        "production": [[adopted.slug]],
        "recipe": [[staging.slug, 1], [staging.slug, 2]],
        "tile": [[slug, "types"] for slug in sides],
        "funnel": [[staging.slug, funnel.pk]],
        "view": [[staging.slug, view.pk]],
        "flows": [[slug, name] for slug in sides for name in ("flow", "segment")],
        "flow": [
            [slug, "flow", doc_id]
            for slug, where in zip(sides, (staging, adopted), strict=True)
            for doc_id in sorted(served(where, "flow"))[:2]
        ],
        "build": [[one.environment.slug, one.number] for one in Build.objects.all()],
        "document": [[one.environment.slug, one.number, "segment"] for one in Build.objects.all()],
        "comment": [[staging.slug, later.number, said.pk]],
        "suite": [[suite.pk]],
        "test": [[suite.pk, suite.tests.get().pk]],
        "run": [[run.pk]],
        "result": [[run.pk, result.pk]],
        "went": [[one.pk] for one in Promotion.objects.all()],
        "goes": [[went.pk]],
        "batch": [[batch.pk]],
        "cluster": [[staging.cluster.pk]],
        "licence": [[licence.pk]],
        "covered": [[licence.pk, staging.slug]],
        "environment": [[staging.pk]],
        "person": [[people.qa.user.pk]],
        "app": [["environments"]],
    }


SIDES: Final = (
    "staging:now",
    "production:now",
    "production:live",
    "production:g1",
    "staging:1",
    "staging:2",
)
# Of each route with a query what else it is asked.
MORE: Final[dict[str, list[str]]] = {
    "environments:dashboard": ["range=7d&whole", "range=nothing", "wall&segment=a&whole"],
    "environments:around": ["at=2026-11-01T00:00:00Z", "at=nothing"],
    "environments:document": ["text"],
    "environments:way": ["around=flow/flow-purchase"],
    "promotion:history": ["id=new", "id=by-hand"],
    "promotion:document": ["id=new"],
    "promotion:live-at": ["at=2020-01-01T00:00", "at=2100-01-01T00:00"],
    "promotion:compose": ["restore=segment&id=new", "again=3"],
    "promotion:build": ["against=live", "against=previous"],
    "promotion:builds": ["verdict=waiting&page=2", "q=1"],
    "promotion:promote": ["confirmed=abc"],
    "promotion:comment": ["resource=segment&id=new&before=staging:1"],
    "promotion:new-test": ["session=nobody", "copy=1"],
    "audit": ["since=2020-01-01&q=a"],
}
for _path in ("compare", "compare-way"):
    MORE[f"promotion:{_path}"] = [
        f"before={quote(a)}&after={quote(b)}" for a in SIDES for b in SIDES if a != b
    ][::3]
MORE["promotion:compare-document"] = [
    f"before={quote(a)}&after={quote(b)}&resource=segment&id=new"
    for a, b in (("staging:1", "production:live"), ("production:now", "staging:2"))
]


def addresses(things: dict[str, list[list[Any]]]) -> Iterator[str]:
    """Yield the addresses of each route that answers a GET, and of those that do not."""
    for name, row in sorted(ROWS.items()):
        for args in things.get(row.thing, []):
            address = reverse(name, args=args)
            yield address
            for query in MORE.get(name, []):
                yield f"{address}?{query}"


def look(
    things: dict[str, list[list[Any]]], people: People, engine: Connection, request: Any
) -> dict[int, int]:
    """Open all as each person, compare after each, and return how often each status came."""
    looked: dict[int, int] = {}
    for actor in (people.admin, people.qa, people.marketing):
        client = enter(actor.user)
        before, known = database(), AuditEvent.objects.count()
        for address in addresses(things):
            answer: Any = client.get(address, secure=True)
            # What is streamed is not done until it was read.
            _ = b"".join(answer) if answer.streaming else answer.content
            looked[answer.status_code] = looked.get(answer.status_code, 0) + 1
            after, events = database(), AuditEvent.objects.count()
            refused = answer.status_code == 403
            changed = {table for table in after if before[table] != after[table]}
            # That it was refused is written down, and nothing else.
            assert changed == ({AUDIT} if refused else set()), (address, actor.name)
            assert events == known + refused, (address, actor.name)
            assert answer.status_code < 500, address
            before, known = after, events
    request.node.user_properties.append((LOOKS, sum(looked.values())))
    return looked


def test_no_get_of_anybody_changes_a_row_or_an_index(
    lived: dict[str, list[list[Any]]],
    people: People,
    engine: Connection,
    request: pytest.FixtureRequest,
) -> None:
    # Not pinned yet, as after an import: a look pins nothing either.
    Cluster.objects.update(uuid="")
    before = engine_state(engine)
    looked = look(lived, people, engine, request)
    assert engine_state(engine) == before
    assert looked[200] > 150
    assert {302, 403, 404, 405} <= set(looked)


def test_no_get_changes_anything_where_the_database_lost_what_is_live(
    lived: dict[str, list[list[Any]]],
    people: People,
    adopted: Environment,
    engine: Connection,
    request: pytest.FixtureRequest,
) -> None:
    StoredGeneration.objects.filter(environment=adopted).update(is_live=False)
    found: Survey = survey(writer_for(adopted), adopted)
    assert found.due
    only = {"production": lived["production"], "staging": lived["staging"], "-": [[]]}
    engine.request("POST", "/_all/_refresh", params={"expand_wildcards": "all"})
    before = engine_state(engine)
    looked = look(only, people, engine, request)
    assert engine_state(engine) == before
    assert looked[200] > 30


def test_the_comparison_sees_a_changed_row_and_a_written_document(
    staging: Environment, engine: Connection
) -> None:
    rows, held = database(), engine_state(engine)
    Environment.objects.filter(pk=staging.pk).update(name="Another")
    put(staging, "segment", "new", '{"name": "New"}')
    assert [t for t, d in database().items() if d != rows[t]] == ["environments_environment"]
    assert engine_state(engine)["written"] != held["written"]
    assert engine_state(engine)["indices"] == held["indices"]
