"""A document's versions, and what was live at a moment, on the real engine."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.audit import system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.elastic import connect
from environments.models import Environment
from promotion.adoption import adopt, run_adopt
from promotion.engine.manifest import Tree, describe
from promotion.history import Version, pipeline_of, versions
from promotion.live import finish
from promotion.models import Promotion, StoredGeneration
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.rollback import rollback
from promotion.services import capture
from promotion.store import LARGE_TREE, DatabaseContent, _recent
from promotion.timeline import live_at, periods
from tests.factories import (
    People,
    approved,
    enter,
    put,
)

pytestmark = pytest.mark.django_db
See = Callable[..., str]
ODD_ID = "a b/ü?&=#"
ODD_ID_PATH = quote(ODD_ID, safe="")


@pytest.fixture
def see(plain_static_files: None) -> See:
    """Return what a person sees at an address."""

    def look(user: User | None, name: str, *args: str, expected: int = 200, **query: str) -> str:
        client = enter(user)
        answer = client.get(reverse(f"promotion:{name}", args=args), query, secure=True)
        assert answer.status_code == expected
        return answer.content.decode()

    return look


def segment(staging: Environment, name: str, doc_id: str = "vip", **more: object) -> None:
    put(staging, "segment", doc_id, json.dumps({"id": doc_id, "name": name, **more}))


def delete(staging: Environment, doc_id: str) -> None:
    index = staging.naming.concrete("segment")
    connect(staging.cluster).request("DELETE", f"/{index}/_doc/{doc_id}")


def ship(people: People, staging: Environment, production: Environment) -> Promotion:
    build = approved(people, staging)
    ready = prepare(build, production)
    consents = [finding["code"] for finding in ready.consents_due]
    digest = ready.plan_digest
    return finish(promote(people.admin, build, production, plan_digest=digest, consents=consents))


def told(
    people: People, environment: Environment, doc_id: str = "vip", resource: str = "segment"
) -> list[Version]:
    assert people.qa.user is not None
    return versions(pipeline_of(people.qa.user, environment), resource, doc_id)


def titles(found: list[Version]) -> list[str]:
    return [one.entry.title if one.entry is not None else "" for one in found]


def test_versions_are_told_with_the_builds_that_hold_them(
    people: People, staging: Environment
) -> None:
    capture(people.qa, staging)
    for name in ("One", "One", "Two"):
        segment(staging, name)
        capture(people.qa, staging)
    delete(staging, "vip")
    capture(people.qa, staging)
    capture(people.qa, staging)
    segment(staging, "One")
    capture(people.qa, staging)
    found = told(people, staging)
    # The first version came back, so it stands first; before it was made it was not "removed".
    assert titles(found) == ["One", "", "Two"]
    ranges = [[(one.first.number, one.last.number) for one in v.ranges] for v in found]
    assert ranges == [[(2, 3), (7, 7)], [(5, 6)], [(4, 4)]]
    assert found[0].first.number == 2
    assert found[0].first.captured_by == people.qa.user
    assert found[0].ref == "staging:7"
    assert not any(one.review or one.lives for one in found)
    assert told(people, staging, "nobody") == []


def test_a_version_knows_who_approved_it_and_when_it_was_live(
    people: People, staging: Environment, production: Environment
) -> None:
    run_adopt(adopt(people.admin, production))
    segment(staging, "One")
    first = ship(people, staging, production)
    segment(staging, "Two")
    second = ship(people, staging, production)
    live = StoredGeneration.live_in(production)
    assert live is not None
    back = finish(rollback(people.admin, production, marker=live.marker))
    two, one = told(people, production)
    assert titles([two, one]) == ["Two", "One"]
    assert one.review is not None
    assert one.review.reviewed_by == people.qa.user
    assert [live.period.generation.promotion for live in one.lives if live.period.generation] == [
        first,
        back,
    ]
    assert [live.period.generation.promotion for live in two.lives if live.period.generation] == [
        second
    ]
    assert one.is_live
    assert not two.is_live
    assert two.lives[0].until == one.lives[1].period.since


def test_what_differs_by_noise_alone_is_live_as_both(
    people: People, staging: Environment, production: Environment
) -> None:
    run_adopt(adopt(people.admin, production))
    for month in (1, 2):
        flow = {"id": "f", "name": "Flow", "timestamp": f"2026-0{month}-01T00:00:00"}
        put(staging, "flow", "f", json.dumps(flow))
        segment(staging, f"Something to promote {month}")
        ship(people, staging, production)
    later, earlier = told(people, staging, "f", "flow")
    assert later.is_noise
    assert earlier.is_live
    assert later.is_live


def test_the_page_lists_versions_and_any_two_are_compared(
    people: People, staging: Environment, see: See
) -> None:
    for name in ("One <b>", "Two", "Three"):
        segment(staging, name, ODD_ID_PATH, id=ODD_ID)
        capture(people.qa, staging)
    user = people.qa.user
    text = see(user, "history", "staging", "segment", id=ODD_ID)
    assert "One &lt;b&gt;" in text
    assert "Changes since the one below" in text
    assert 'aria-label="From Staging build 2" required checked' in text
    assert 'aria-label="To Staging build 3" required checked' in text
    assert " style=" not in text
    compared = see(
        user,
        "compare-document",
        before="staging:1",
        after="staging:3",
        resource="segment",
        id=ODD_ID,
    )
    assert "“Three”" in compared
    link = compared.partition('href="/history/')[2].partition('"')[0].replace("&amp;", "&")
    assert parse_qs(urlsplit(link).query)["id"] == [ODD_ID]
    page = see(user, "document", "staging", "1", "segment", id=ODD_ID)
    assert "/history/staging/segment/?id=" in page


def test_many_versions_come_by_page_and_one_is_compared_across_them(
    people: People, staging: Environment, see: See
) -> None:
    for number in range(27):
        segment(staging, f"Name {number}")
        capture(people.qa, staging)
    user = people.qa.user
    text = see(user, "history", "staging", "segment", id="vip")
    assert "Page 1 of 2" in text
    assert "Compare from this" in text
    text = see(user, "history", "staging", "segment", id="vip", before="staging:27", page="2")
    assert "From Staging build 27, on another page" in text
    oldest = told(people, staging)[-1]
    assert oldest.entry is not None
    text = see(user, "history", "staging", "segment", id="vip", version=oldest.entry.exact)
    assert "Page 2 of 2" in text
    assert "asked for" in text


def test_a_history_of_nothing_says_so(people: People, staging: Environment, see: See) -> None:
    text = see(people.qa.user, "history", "staging", "segment", id="nobody")
    assert "No build holds a document with this id." in text
    see(people.qa.user, "history", "staging", "segment", expected=404)
    see(people.qa.user, "history", "staging", "profile", id="x", expected=404)
    see(people.qa.user, "history", "staging", "rubbish", id="x", expected=404)
    see(people.marketing.user, "history", "staging", "segment", id="nobody", expected=404)


def test_production_that_one_may_not_see_is_left_out(
    people: People, staging: Environment, production: Environment
) -> None:
    run_adopt(adopt(people.admin, production))
    segment(staging, "One")
    ship(people, staging, production)
    other = qa_of_one(staging)
    pipeline = pipeline_of(other, staging)
    assert [one.slug for one in pipeline.environments] == ["staging"]
    assert pipeline.production is None
    assert [one.lives for one in versions(pipeline, "segment", "vip")] == [[]]


def qa_of_one(environment: Environment) -> User:
    user = create_user(
        system_actor(), username="qa2", role=Role.QA, password="a long enough phrase 7"
    )
    grant(system_actor(), user, environment)
    return user


def at(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M:%S.%f")


def test_what_was_live_at_a_moment_is_shown_as_a_whole(
    people: People, staging: Environment, production: Environment, see: See
) -> None:
    user = people.qa.user
    assert "was not adopted" in see(user, "live-at", "production", at="2026-11-03T14:00")
    run_adopt(adopt(people.admin, production))
    segment(staging, "One")
    ship(people, staging, production)
    segment(staging, "Two")
    ship(people, staging, production)
    first, second, third = periods(production)
    assert first.generation is not None
    assert second.generation is not None
    assert live_at(production, first.since - timedelta(seconds=1)) is None
    assert live_at(production, first.since) == first.generation
    assert live_at(production, third.since - timedelta(microseconds=1)) == second.generation
    assert live_at(production, timezone.now()) == third.generation
    text = see(user, "live-at", "production", at=at(second.since), resource="segment")
    assert f"generation {second.generation.number}" in text
    assert str(second.generation.build) in text
    assert "One" in text
    assert "Compare with what is live now" in text
    ref = f"production:g{second.generation.number}"
    compared = see(user, "compare", before=ref, after="production:live")
    assert "renamed from" in compared
    text = see(user, "live-at", "production", at=at(timezone.now()))
    assert "which is live now too" in text
    assert "Compare with what is live now" not in text
    text = see(user, "live-at", "production")
    assert "All that was live" in text
    links = [one.partition('"')[0] for one in text.split("/live-at/?at=")[1:]]
    shown = [see(user, "live-at", "production", at=unquote(link)) for link in links]
    for one, page in zip((third, second, first), shown, strict=True):
        assert one.generation is not None
        assert f": generation {one.generation.number}" in page
        assert f'value="{timezone.localtime(one.since):%Y-%m-}' in page


@pytest.mark.parametrize(
    ("moment", "status", "words"),
    [
        ("rubbish", 400, "That is no moment."),
        ("", 400, "That is no moment."),
        ("2026-13-45T14:00", 400, "That is no moment."),
        ("0001-01-01T00:00", 200, "not adopted"),
        ("0001-01-01T00:00+14:00", 200, "not adopted"),
        ("9999-12-31T23:59:59-14:00", 200, "yet to come"),
        ("9999-12-31T23:59", 200, "yet to come"),
    ],
)
def test_a_moment_that_cannot_be_told_is_said(
    people: People, production: Environment, see: See, moment: str, status: int, words: str
) -> None:
    text = see(people.qa.user, "live-at", "production", at=moment, expected=status)
    assert words in text


def test_only_production_has_moments(people: People, staging: Environment, see: See) -> None:
    see(people.qa.user, "live-at", "staging", expected=404)
    see(people.marketing.user, "live-at", "production", expected=404)


def test_a_generation_that_is_not_there_is_told(
    people: People, production: Environment, see: See
) -> None:
    for ref in ("production:g7", "production:g", "production:gx", f"production:g{9**40}"):
        see(people.qa.user, "compare", before=ref, after=ref, expected=400)


def test_time_is_told_in_the_zone_of_the_pages(
    people: People, production: Environment, see: See
) -> None:
    assert "Date and time, UTC" in see(people.qa.user, "live-at", "production")


@pytest.mark.parametrize("many", [3, LARGE_TREE + 1])
def test_one_document_is_found_in_trees_however_they_are_kept(many: int) -> None:
    entries = [describe("segment", f"s{n}", b'{"name": "S"}', limit=100) for n in range(many)]
    content, tree = DatabaseContent(), Tree.of("segment", entries)
    content.keep_tree(tree)
    _recent.clear()
    for _ in range(2):
        for doc_id, entry in (("s2", tree.by_id["s2"]), ("s", None), ("elsewhere", None)):
            assert content.entries([tree.digest], doc_id) == {tree.digest: entry}
