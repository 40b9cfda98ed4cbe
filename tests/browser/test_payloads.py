"""Nothing that is planted in Tracardi's documents runs in a browser, or misleads who reads it."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext
from pytest_django.live_server_helper import LiveServer

from environments.elastic import connect
from environments.models import Environment
from promotion.adoption import adopt, run_adopt
from promotion.drift import check
from promotion.engine.errors import RuleBroken
from promotion.locking import unlock
from promotion.models import Build, Promotion, Review
from promotion.services import capture, review
from promotion.writer import ClusterWriter
from tests.browser.conftest import enter_browser
from tests.browser.inspecting import Inspector
from tests.browser.visiting import Visitor, visitor
from tests.browser.world import go_live
from tests.factories import People, put
from tests.security.payloads import Places
from tests.security.planting import WHOLE, doc_id, documents, whole
from tests.security.tally import Record

__all__ = ["visitor"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# What somebody edits in production, past the console.
BY_HAND = ("flow", "rule", "consent-type")
# What is masked, and what a document holds as bytes.
HIDDEN = (
    "content content",
    "live-segment code",
    "resource credentials",
    "setting config",
    "setting content",
)
SIDES = "before=staging:1&after=staging:2"


def plant(environment: Environment, places: Places) -> None:
    writer, naming = ClusterWriter(connect(environment.cluster)), environment.naming
    for resource in naming.catalogue.promoted:
        rows = [(one, json.dumps(source).encode()) for one, source in documents(resource, places)]
        writer.load(naming.concrete(resource.name), rows)
    writer.refresh([naming.alias(resource.name) for resource in naming.catalogue.promoted])


def plant_whole(
    environment: Environment, places: Places, version: str, *, only: Collection[str] = ()
) -> None:
    for resource in environment.naming.catalogue.promoted:
        if not only or resource.name in only:
            text = json.dumps(whole(resource, places, version))
            put(environment, resource.name, WHOLE, text)


def approve(people: People, build: Build) -> None:
    """Approve a build though it refers to what is not there: each warning is acknowledged."""
    approved, content = Review.Verdict.APPROVED, build.content
    try:
        review(people.qa, build, approved, content=content)
    except RuleBroken as error:
        codes = [finding.code for finding in error.findings]
        review(people.qa, build, approved, content=content, acknowledged=codes)


@dataclass
class World:
    people: People
    staging: Environment
    production: Environment
    places: Places


@pytest.fixture
def planted(people: People, staging: Environment, production: Environment) -> World:
    """Payloads in production from the start, in what was promoted, and in what was edited by hand.

    The first build on staging went live, and a second waits, approved and prepared.
    """
    places = Places()
    plant(staging, places)
    plant(production, places)
    run_adopt(adopt(people.admin, production))
    plant_whole(staging, places, "live")
    first = capture(people.qa, staging)
    approve(people, first)
    go_live(people, first, production)
    plant_whole(staging, places, "next")
    approve(people, capture(people.qa, staging))
    unlock(people.admin, production, "An edit by hand")
    plant_whole(production, places, "hand", only=BY_HAND)
    check(production)
    return World(people, staging, production, places)


def about_documents(world: World) -> Iterator[str]:
    """Yield the addresses of every page that shows documents, by resource and as a whole."""
    moment = f"{timezone.now():%Y-%m-%dT%H:%M}"
    live = reverse("promotion:live-at", args=["production"])
    for resource in world.staging.naming.catalogue.promoted:
        name = resource.name
        listed = reverse("environments:documents", args=["staging", name])
        yield listed
        yield reverse("environments:document", args=["staging", name, WHOLE])
        built = reverse("promotion:document", args=["staging", 2, name])
        yield f"{built}?id={WHOLE}"
        yield f"{reverse('promotion:history', args=['production', name])}?id={WHOLE}"
        yield f"{reverse('promotion:compare-document')}?{SIDES}&resource={name}&id={WHOLE}"
        yield f"{live}?at={moment}&resource={name}"
        if name in BY_HAND:
            yield reverse("environments:document", args=["production", name, WHOLE])
            yield from (f"{listed}?page={page}" for page in (2, 3))
            # One that breaks out of an attribute, and one with a line break.
            for which in (13, 22):
                odd = doc_id(world.places, name, which)
                yield reverse("environments:document", args=["staging", name, odd])
                yield f"{built}?id={quote(odd, safe='')}"
            yield f"{reverse('promotion:compare')}?{SIDES}&resource={name}"
    for slug in ("staging", "production"):
        yield f"{reverse('environments:document', args=[slug, 'flow', WHOLE])}?text"
    yield f"{reverse('promotion:document', args=['staging', 2, 'flow'])}?id={WHOLE}&text"
    for slug in ("staging", "production"):
        yield reverse("environments:way", args=[slug])
        told = reverse("environments:configuration", args=[slug])
        yield from (f"{told}?kind={name}" for name in ("rule", "segment", "destination"))
    for sides in (SIDES, "before=production:live&after=production:now"):
        yield f"{reverse('promotion:compare')}?{sides}"
    yield f"{reverse('promotion:compare-way')}?{SIDES}"
    for number in (1, 2):
        for name in ("build", "coverage", "compose", "promote"):
            yield reverse(f"promotion:{name}", args=["staging", number])
    for name in ("drift", "discard-drift", "carry-drift", "rollback", "environment"):
        yield reverse(f"promotion:{name}", args=["production"])
    for name in (
        "promotion:environments",
        "promotion:builds",
        "promotion:new-batch",
        "admin:index",
    ):
        yield reverse(name)
    for made in Promotion.objects.all():
        yield reverse("promotion:promotion", args=[made.pk])
    yield reverse("audit")


def test_no_field_of_any_document_runs_or_misleads_on_any_page(
    planted: World,
    visitor: Visitor,
    context: BrowserContext,
    live_server: LiveServer,
    record_property: Record,
) -> None:
    enter_browser(context, live_server, planted.people.admin.user)
    inspector = Inspector(visitor, planted.places)
    resources = {one.name for one in planted.staging.naming.catalogue.promoted}
    for address in about_documents(planted):
        inspector.look(address)
        # What is long may not make a page wider than its window.
        if not any(f"/{one}/" in address or f"={one}" in address for one in resources - {"rule"}):
            visitor.narrow()
    inspector.report(record_property)
    versions = ("live", "next", "hand")
    titles = {f"{name} {what}" for name in resources for what in ("name", "id")}
    names = planted.places.names
    there = {one for one in names if one.split()[0] in versions or one in titles}
    unseen = inspector.unseen(there)
    assert unseen == {one for one in there if hidden(one)}
    assert len(inspector.shown) > 20_000
    assert visitor.visited > 150


def hidden(place: str) -> bool:
    """Answer whether a field is shown to nobody: it is a secret, or no text. Keys are neither."""
    return any(part in place for part in HIDDEN) and not place.endswith("keys")
