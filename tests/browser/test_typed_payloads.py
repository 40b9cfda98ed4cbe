"""Nothing that people type, or that an address carries, runs in a browser."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from devtools.standin.server import StandIn
from environments.models import Environment, Licence
from promotion.batch_models import Batch
from promotion.batches import Choice, run_batch, start_batch
from promotion.locking import unlock
from promotion.models import Build, Promotion, Review, Suite, SuiteRun
from promotion.services import capture, review
from promotion.suite_running import run_suite
from promotion.suite_runs import request_run
from tests.browser.conftest import enter_browser
from tests.browser.inspecting import Inspector
from tests.browser.visiting import Visitor, visitor
from tests.browser.world import edit, go_live, patience, standin
from tests.factories import People, approved, served
from tests.promotion.conftest import Ship
from tests.security.matrix import ROWS
from tests.security.payloads import SHORT, Places
from tests.security.tally import EXECUTED, PAGES, PAYLOADS, Record
from tests.security.typed import RAN, joined, keep_tests, name_things, name_views, speak

__all__ = ["patience", "standin", "visitor"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# What is downloaded, or asked for by a script; and the one picture that is in its own address.
NO_PAGES = {"promotion:receipt", "promotion:export-suite", "admin:jsi18n", "mfa_activate_totp"}
# What any page asks of its address.
QUERY = (
    "after",
    "against",
    "around",
    "at",
    "before",
    "environment",
    "group",
    "id",
    "next",
    "outcome",
    "page",
    "place",
    "q",
    "range",
    "reply",
    "resource",
    "restore",
    "session",
    "version",
    "was",
)


@dataclass
class World:
    people: People
    staging: Environment
    production: Environment
    places: Places


@pytest.fixture
def typed(people: People, staging: Environment, standin: StandIn, adopted: Environment) -> World:
    """A pipeline in which everything that people may write holds payloads."""
    places = Places()
    name_things(places)
    name_views(places, people, staging)
    edit(staging, "rule", "Another")
    build = approved(people, staging)
    go_live(people, build, adopted, joined(places, "comment of a promotion", 500))
    speak(places, people, build, min(served(staging, "rule")))
    suite = keep_tests(places, people, staging)
    run_suite(request_run(people.qa, suite, [RAN]))
    edit(staging, "rule", "Yet another")
    later = capture(people.qa, staging)
    changes = joined(places, "verdict", 4000)
    review(people.qa, later, Review.Verdict.CHANGES, content=later.content, comment=changes)
    unlock(people.admin, adopted, joined(places, "reason of an unlocking", 300))
    batch = start_batch(
        people.admin, [Choice(build, adopted)], comment=joined(places, "comment of a batch", 500)
    )
    run_batch(batch, 0)
    return World(people, staging, adopted, places)


def about_people(world: World) -> Iterator[str]:
    """Yield the addresses of the pages that show what people wrote."""
    suites = {one.name: one for one in Suite.objects.all()}
    for model in ("environments_cluster", "environments_environment"):
        yield reverse(f"admin:{model}_changelist")
        yield reverse(f"admin:{model}_changelist") + "?p=1"
    named = User.objects.filter(username__startswith="named-")
    yield from (f"{reverse('accounts:people')}?page={page}" for page in range(1, 5))
    yield from (reverse("accounts:person", args=[one.pk]) for one in named[:3])
    yield reverse("accounts:invite")
    yield reverse("accounts:handover")
    yield reverse("admin:environments_environment_add")
    yield reverse("environments:licence")
    licence = Licence.objects.all()[0]
    for name in ("licence-change", "licence-renew", "licence-remove"):
        yield reverse(f"environments:{name}", args=[licence.pk])
    for name in ("environments", "builds", "reviews", "promotions", "batches", "suites", "compare"):
        yield reverse(f"promotion:{name}")
    yield from (reverse("promotion:suites") + f"?page={page}" for page in (2, 3))
    yield reverse("promotion:new-suite")
    for slug in ("staging", "production"):
        for name in ("environment", "checklist", "adopt", "drift")[: 4 if slug[0] == "p" else 2]:
            yield reverse(f"promotion:{name}", args=[slug])
    yield reverse("environments:dashboard", args=["staging"])
    yield reverse("environments:views", args=["staging"])
    for build in Build.objects.filter(environment=world.staging):
        for name in ("build", "coverage", "comment", "promote"):
            yield reverse(f"promotion:{name}", args=["staging", build.number])
    yield from (reverse("promotion:batch", args=[one.pk]) for one in Batch.objects.all())
    yield reverse("promotion:suite", args=[suites[RAN].pk])
    yield from (reverse("promotion:suite", args=[one.pk]) for one in list(suites.values())[:5])
    for test in suites[RAN].tests:
        yield reverse("promotion:test", args=[suites[RAN].pk, test.pk])
    for run in SuiteRun.objects.all():
        yield reverse("promotion:suite-run", args=[run.pk])
        for result in run.results.all():
            yield reverse("promotion:run-result", args=[run.pk, result.pk])
    yield reverse("admin:index")
    yield from (f"{reverse('audit')}?page={page}" for page in range(1, 12))


def test_nothing_that_people_write_runs_on_any_page(
    typed: World,
    visitor: Visitor,
    context: BrowserContext,
    live_server: LiveServer,
    record_property: Record,
) -> None:
    enter_browser(context, live_server, typed.people.admin.user)
    inspector = Inspector(visitor, typed.places, documents=False)
    for address in about_people(typed):
        inspector.look(address)
    enter_browser(context, live_server, typed.people.qa.user)
    for build in Build.objects.filter(environment=typed.staging):
        inspector.look(reverse("promotion:build", args=["staging", build.number]))
    inspector.report(record_property)
    assert inspector.unseen(typed.places.names) == set()


def test_nothing_that_an_address_carries_runs_on_the_page_that_answers(
    people: People,
    staging: Environment,
    ship: Ship,
    visitor: Visitor,
    context: BrowserContext,
    live_server: LiveServer,
    record_property: Record,
) -> None:
    edit(staging, "rule", "Another")
    build, places = ship().build, Places()
    assert build is not None
    enter_browser(context, live_server, people.admin.user)
    inspector = Inspector(visitor, places, documents=False)
    arguments: dict[str, list[object]] = {
        "-": [],
        "staging": ["staging"],
        "production": ["production"],
        "flows": ["staging", "rule"],
        "flow": ["staging", "rule", min(served(staging, "rule"))],
        "build": ["staging", build.number],
        "document": ["staging", build.number, "rule"],
        "went": [Promotion.objects.latest("pk").pk],
        "cluster": [staging.cluster.pk],
        "environment": [staging.pk],
        "person": [people.qa.user.pk if people.qa.user else 0],
    }
    tried = 0
    for name, row in sorted(ROWS.items()):
        if not row.is_read or row.thing not in arguments or name in NO_PAGES:
            continue
        query = {}
        for parameter in QUERY:
            query[parameter] = places.text(f"{name} {parameter}", tried % len(SHORT))
            tried += 1
        inspector.look(f"{reverse(name, args=arguments[row.thing])}?{urlencode(query)}", None)
    for which in range(len(SHORT)):
        odd = places.text("an id in a path", which)
        inspector.look(reverse("environments:document", args=["staging", "rule", odd]), None)
    record_property(PAGES, visitor.visited)
    record_property(PAYLOADS, tried + len(SHORT))
    record_property(EXECUTED, inspector.executed)
    assert inspector.executed == 0
    assert tried > 800
