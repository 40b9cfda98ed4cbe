"""The figures of a dashboard: the real engine's, and each counted a second way from the raw."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from environments.dashboards.chosen import Chosen
from environments.dashboards.ranges import Period
from environments.dashboards.reading import figures_of, period_of
from environments.dashboards.tiles import SMALL
from environments.elastic import connect
from environments.marks import TEST_MARK
from environments.models import Cluster, Environment
from tests.environments.counted import (
    BERLIN,
    NOW,
    WEEK,
    dated,
    empty,
    event,
    filled,
    look,
    nothing_kept,
    rows,
    shop,
    stats,
)
from tests.environments.dashboards import (
    TOLD_OF_VISITORS,
    Shop,
    counted,
    destination,
    failed,
    moment,
    page,
    visitors,
)

__all__ = ["empty", "filled", "nothing_kept", "shop"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "chosen",
    [
        WEEK,
        Chosen(key="today"),
        Chosen(key="custom", first="2026-11-02", last="2026-11-14"),
        Chosen(sources=("src-web-shop", "src-newsletter"), types=("page-view", "order-placed")),
        Chosen(channels=("mobile",)),
        Chosen(segment="regulars"),
    ],
    ids=["week", "today", "custom", "sources and types", "channel", "segment"],
)
def test_each_figure_is_what_the_raw_documents_say(
    filled: Shop, shop: Environment, chosen: Chosen
) -> None:
    found, period = look(shop, chosen)
    members = {
        one.id
        for one in filled.documents
        if one.resource == "profile" and chosen.segment in one.source["segments"]
    }

    def kept(row: dict[str, Any], *, session: bool = False) -> bool:
        channel = row["metadata"]["channel"]
        return (
            (not chosen.channels or channel in chosen.channels)
            and (not chosen.segment or row["profile"]["id"] in members)
            and (session or not chosen.sources or row["source"]["id"] in chosen.sources)
            and (session or not chosen.types or row["type"] in chosen.types)
        )

    events = [one for one in filled.of("event", period) if kept(one)]
    # The first event of the demo is of its first day: what is before has nothing to compare with.
    by_events = bool(chosen.sources or chosen.types)
    sessions = {one["session"]["id"] for one in events}
    visits = [one for one in filled.of("session", period) if kept(one, session=True)]
    profiles = [
        one
        for one in filled.of("profile", period)
        if not chosen.segment or chosen.segment in one["segments"]
    ]
    told = stats(found)
    people = {one["profile"]["id"] for one in events}
    assert told["events"][0] == found.total == len(events) > 0
    assert told["visitors"][0] == len(people)
    assert told["sessions"][0] == (len(sessions) if by_events else len(visits))
    counts_profiles = not (chosen.sources or chosen.types or chosen.channels)
    assert told["new"][0] == (len(profiles) if counts_profiles else None)
    bad = [one for one in events if failed(one)]
    share = told["failed"][0]
    assert share is not None
    assert share == pytest.approx(100 * len(bad) / len(events))
    # The axis: each part, and each type in it.
    over_time = found.tile("over_time")
    assert over_time is not None
    assert [row.values[-2] for row in over_time.rows] == [
        sum(start <= moment(one) < end for one in events)
        for start, end in zip(period.edges, period.edges[1:], strict=False)
    ]
    for series in (one for one in over_time.series if not one.tone):
        wanted = sum(one["type"] == series.label for one in events)
        assert sum(value or 0 for value in series.values) == wanted
    # The top lists.
    assert {label: v[0] for label, v in rows(found, "types").items()} == counted(
        events, lambda one: one["type"]
    )
    names = {"src-web-shop": "Web shop"}
    assert {label: (v[0], v[2]) for label, v in rows(found, "sources").items()} == {
        names.get(key, key): (count, counted(bad, lambda one: one["source"]["id"]).get(key, 0))
        for key, count in counted(events, lambda one: one["source"]["id"]).items()
    }
    assert {label: v[0] for label, v in rows(found, "flows").items()} == counted(
        events, lambda one: one["metadata"]["processed_by"]["flows"]
    )
    assert {label: v[0] for label, v in rows(found, "rules").items()} == counted(
        events, lambda one: one["metadata"]["processed_by"]["rules"]
    )
    assert {label: v[0] for label, v in rows(found, "errors").items()} == {
        names.get(key, key): count
        for key, count in counted(bad, lambda one: one["source"]["id"]).items()
    }
    orders = [one for one in events if one["type"] == "order-placed"]
    assert rows(found, "destinations") == {
        "Views": (counted(events, lambda one: one["type"]).get("page-view", 0), 0),
        "Orders": (sum(one["source"]["id"] == "src-web-shop" for one in orders), 0),
    }
    # What tells of visitors, without groups of fewer than five.
    asked = events if by_events else visits
    for tile, key in TOLD_OF_VISITORS.items():
        people_of = visitors(asked, key)
        sizes = counted(asked, key)
        if by_events:
            pairs = {(key(one), one["session"]["id"]) for one in asked if key(one)}
            sizes = counted([{"key": name} for name, _ in pairs], lambda one: one["key"])
        assert rows(found, tile) == {
            value: (sizes[value], count) for value, count in people_of.items() if count >= SMALL
        }, tile
    pages = visitors(events, page)
    assert {label: v[1] for label, v in rows(found, "pages").items()} == {
        url: count
        for url, count in sorted(pages.items(), key=lambda p: -p[1])
        if count >= SMALL and url in rows(found, "pages")
    }
    assert len(rows(found, "pages")) == min(10, sum(count >= SMALL for count in pages.values()))


def test_the_period_before_ends_at_the_same_time_of_day(filled: Shop, shop: Environment) -> None:
    found, period = look(shop)
    before = period.before()
    assert (before.days, before.start) == (7, period.start - timedelta(days=7))
    assert before.until == NOW - timedelta(days=7)
    assert stats(found)["events"][1] == len(filled.of("event", before))
    assert stats(found)["sessions"][1] == len(filled.of("session", before))
    assert stats(found)["new"][1] == len(filled.of("profile", before))


def test_nothing_is_compared_with_days_before_the_first_event(shop: Environment) -> None:
    found, _ = look(shop, Chosen(key="30d"))
    assert [stat.change for stat in found.stats] == [None] * 6
    longer, _ = look(shop, Chosen(key="90d"))
    assert any(note.startswith("The first event there is came on") for note in longer.notes)


@pytest.mark.parametrize(
    ("chosen", "now"),
    [
        # Of a hundred days the first week is one day long, that of the days before three.
        (Chosen(key="custom", first="2026-08-16", last="2026-11-23"), NOW),
        # The day after the clocks went back: that one had 25 hours.
        (Chosen(key="today"), datetime(2026, 10, 26, 20, 30, tzinfo=UTC)),
        (Chosen(key="custom", first="2026-10-25", last="2026-10-25"), NOW),
    ],
    ids=["weeks", "after the change of clocks", "at the change of clocks"],
)
def test_the_line_of_the_period_before_stands_at_the_same_days_and_hours(
    empty: Environment, chosen: Chosen, now: datetime
) -> None:
    engine, period = connect(empty.cluster), period_of(chosen, now, BERLIN)
    before = period.before()
    event(engine, empty, before.start - timedelta(days=1))
    lines: list[Any] = []
    for hours in range(int((before.until - before.start) / timedelta(hours=1))):
        lines += [{"index": {}}, dated(before.start + timedelta(hours=hours, minutes=5))]
    for number in range(5):
        lines += [{"index": {}}, {**dated(period.start), "profile": {"id": f"p{number}"}}]
    body = "".join(f"{json.dumps(line)}\n" for line in lines)
    index = empty.naming.partition("event", "2026-11")
    engine.request("POST", f"/{index}/_bulk", params={"refresh": "true"}, body=body)
    found = figures_of(empty, chosen, period)
    over_time = found.tile("over_time")
    assert over_time is not None
    moments = [before.start + timedelta(hours=n, minutes=5) for n in range(len(lines) // 2 - 5)]
    wanted = [
        sum(start <= later(one, period) < end for one in moments)
        for start, end in zip(period.edges, period.edges[1:], strict=False)
    ]
    assert [row.values[-1] or 0 for row in over_time.rows] == wanted


def later(moment: datetime, period: Period) -> datetime:
    """Return the same time of a clock on the wall, as many days later as a period has."""
    wall = moment.astimezone(period.zone).replace(tzinfo=None) + timedelta(days=period.days)
    return wall.replace(tzinfo=period.zone).astimezone(UTC)


def test_what_workflow_tests_left_is_told_apart(empty: Environment) -> None:
    engine = connect(empty.cluster)
    for session in ("s1", f"{TEST_MARK}7-1-abc", f"{TEST_MARK}7-2-def", "my-console-test-1"):
        event(engine, empty, NOW - timedelta(hours=1), session={"id": session})
    # In the future: not counted.
    event(engine, empty, NOW + timedelta(minutes=1))
    found, _ = look(empty)
    assert (found.total, found.of_tests) == (4, 2)


def test_what_was_sent_on_is_told_as_far_as_tracardi_noted_it(empty: Environment) -> None:
    engine, index = connect(empty.cluster), empty.naming.concrete("destination")
    for number in range(12):
        path, name = f"/{index}/_doc/d{number:02}", f"Destination {number:02}"
        engine.request("PUT", path, body=destination(name, "sign-up" if number else "page-view"))
    path = f"/{index}/_doc/crm"
    engine.request("PUT", path, body=destination("CRM", "", on_profile_change_only=True))
    engine.request("PUT", f"/{index}/_doc/odd", body={"name": "Odd", "enabled": True})
    engine.request("POST", f"/{index}/_refresh")
    metadata = {"time": {"insert": (NOW - timedelta(hours=1)).isoformat()}, "status": "processed"}
    for sent in (["d00"], ["Destination 00", "gone"], []):
        facts = {**metadata, "processed_by": {"third_party": sent}}
        for number in range(5):
            event(engine, empty, NOW, metadata=facts, profile={"id": f"p{number}"})
    found, _ = look(empty)
    tile = found.tile("destinations")
    assert tile is not None
    told = rows(found, "destinations")
    assert (len(told), told["Destination 00"]) == (10, (15, 10))
    assert tile.notes == (
        "Sent when a profile changes, which is not counted: CRM, Odd.",
        "3 more with fewer events are not shown.",
    )


def test_another_address_is_another_environment(shop: Environment, elasticsearch_url: str) -> None:
    look(shop)
    shop.cluster = Cluster(pk=shop.cluster.pk, name="Test", url=f"{elasticsearch_url}/")
    shop.tenant = "nobody"
    assert look(shop)[0].total == 0
