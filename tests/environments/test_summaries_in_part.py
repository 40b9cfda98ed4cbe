"""Weekly summaries that say less than all: of few visitors, and where not all could be counted."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.cache import caches
from django.urls import reverse
from pytest_django import Settings

from environments.dashboards.reading import figures_of, period_of
from environments.elastic import connect
from environments.marks import TEST_MARK
from environments.models import Environment, Summary
from environments.saved.letters import chosen_for
from environments.saved.services import save_view
from environments.saved.summaries import WHOLE_TRIES, ask_for, send_summaries
from environments.saved.weeks import last_week
from tests.environments.dashboards import environment, make_indices
from tests.environments.summaries import MONDAY, SITE, Clock, clock, parts_of
from tests.factories import People, enter, make_people

__all__ = ["clock"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]


@pytest.fixture
def quiet(elasticsearch_url: str) -> Iterator[Environment]:
    """A production with nothing in its indices."""
    caches["figures"].clear()
    made = environment(elasticsearch_url, f"t{uuid.uuid4().hex[:8]}")
    engine = connect(made.cluster)
    indices = make_indices(engine, made.tenant, ["2026-10", "2026-11"])
    yield made
    engine.request("DELETE", f"/{','.join(indices)}", params={"ignore_unavailable": "true"})


def spoil(shop: Environment, month: str) -> None:
    """Let the engine make the events of a month as it does without Tracardi's template."""
    index, engine = shop.naming.partition("event", month), connect(shop.cluster)
    engine.request("DELETE", f"/{index}")
    # Words, which cannot be counted.
    fields = {"profile": {"properties": {"id": {"type": "text"}}}}
    body = {
        "aliases": {shop.naming.alias("event"): {}},
        "mappings": {"properties": fields},
    }
    engine.request("PUT", f"/{index}", body=body)


def told(people: People, shop: Environment) -> str:
    where = reverse("environments:views", args=[shop.slug])
    return str(enter(people.marketing.user).get(where, secure=True).content.decode())


def event(shop: Environment, when: datetime, **facts: Any) -> None:
    source = {
        "type": "page-view",
        "source": {"id": "src-web-shop"},
        "profile": {"id": "p1"},
        "session": {"id": "s1"},
        "metadata": {"time": {"insert": when.isoformat()}, "status": "processed", "error": False},
        **facts,
    }
    index = shop.naming.partition("event", "2026-11")
    path = f"/{index}/_doc"
    connect(shop.cluster).request("POST", path, params={"refresh": "true"}, body=source)


@pytest.fixture
def staff(quiet: Environment, settings: Settings) -> People:
    settings.MAIL_CONFIGURED = True
    made = make_people(quiet)
    assert made.marketing.user is not None
    made.marketing.user.email = "somebody@example.com"
    made.marketing.user.save()
    return made


def test_the_mail_names_its_filters_and_says_what_the_dashboard_does_beside_the_figures(
    quiet: Environment, staff: People, clock: Clock
) -> None:
    for number in range(6):
        event(
            quiet,
            MONDAY - timedelta(days=3),
            profile={"id": f"p{number}"},
            session={"id": f"s{number}"},
            utm={"campaign": "Spring" if number else "Of one"},
        )
    event(quiet, MONDAY - timedelta(days=3), session={"id": f"{TEST_MARK}7-1-abc"})
    named = f"/{quiet.naming.concrete('event-source')}/_doc/src-web-shop"
    connect(quiet.cluster).request(
        "PUT", named, params={"refresh": "true"}, body={"name": "Web shop"}
    )
    query = "range=7d&source=src-web-shop&type=page-view"
    view = save_view(staff.marketing, quiet, "Shop", query)
    ask_for(staff.marketing, quiet, view, SITE)
    clock(MONDAY)
    assert len(send_summaries()) == 1
    [message] = mail.outbox
    html = parts_of(message)["text/html"].get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "Spring: 5" in message.body
    chosen = chosen_for(Summary.objects.get(), last_week(MONDAY, UTC))
    tile = figures_of(quiet, chosen, period_of(chosen, MONDAY, UTC)).tile("campaigns")
    assert tile is not None
    [note] = tile.notes
    for text in (message.body, html):
        assert "Only source: Web shop; event type: page-view." in text
        assert note in text
        assert "Workflow tests count in all of these figures: 1 of 7 events." in text


def test_a_week_that_could_not_be_counted_is_no_week_without_events(
    quiet: Environment, staff: People, clock: Clock
) -> None:
    spoil(quiet, "2026-10")
    spoil(quiet, "2026-11")
    ask_for(staff.marketing, quiet, None, SITE)
    clock(MONDAY)
    assert send_summaries() == []
    assert "Events could not be counted" in told(staff, quiet)
    make_indices(connect(quiet.cluster), quiet.tenant, ["2026-10", "2026-11"])
    caches["figures"].clear()
    clock(MONDAY + timedelta(minutes=6))
    assert len(send_summaries()) == 1
    assert "No event in these days." in mail.outbox[0].body


@pytest.mark.parametrize("spoilt", [["2026-10"], ["2026-10", "2026-11"]])
def test_after_some_tries_a_week_goes_as_far_as_it_could_be_counted_and_says_so(
    quiet: Environment, staff: People, clock: Clock, spoilt: list[str]
) -> None:
    for month in spoilt:
        spoil(quiet, month)
    ask_for(staff.marketing, quiet, None, SITE)
    now = MONDAY
    for _ in range(WHOLE_TRIES):
        clock(now)
        assert send_summaries() == []
        now = (Summary.objects.get().next_try_at or now) + timedelta(seconds=1)
    assert "again in a moment" not in told(staff, quiet)
    clock(now)
    assert len(send_summaries()) == 1
    [message] = mail.outbox
    said = "so the figures are too low" if len(spoilt) == 1 else "Events could not be counted"
    assert said in message.body
    assert "again in a moment" not in message.body
    assert "No event in these days." not in message.body
    assert Summary.objects.get().problem == ""


def test_few_visitors_of_a_filter_are_not_told_by_the_mail_either(
    quiet: Environment, staff: People, clock: Clock
) -> None:
    for number in range(3):
        for _ in range(7):
            event(quiet, MONDAY - timedelta(days=3), profile={"id": f"p{number}"})
    view = save_view(staff.marketing, quiet, "Views", "range=7d&type=page-view")
    ask_for(staff.marketing, quiet, view, SITE)
    clock(MONDAY)
    assert len(send_summaries()) == 1
    [message] = mail.outbox
    html = parts_of(message)["text/html"].get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "Visitors: under 5" in message.body
    assert re.search(r">Visitors<.*?>under 5<", html)
    assert "Events: — (not told of fewer than 5 visitors)" in message.body
