"""The figures of a dashboard: the real engine's, and each counted a second way from the raw."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import caches

from devtools.elasticsearch.mappings import fitted
from environments.dashboards import reading
from environments.dashboards.chosen import Chosen
from environments.dashboards.figures import Figures
from environments.dashboards.ranges import Period
from environments.dashboards.reading import figures_of, period_of
from environments.dashboards.tiles import SMALL, State
from environments.elastic import Connection, ElasticError, Unreachable, connect
from environments.marks import TEST_MARK
from environments.models import Cluster, Environment
from tests.data import load
from tests.environments.dashboards import (
    TOLD_OF_VISITORS,
    VERSION,
    Shop,
    counted,
    destination,
    environment,
    failed,
    make_indices,
    moment,
    naming_of,
    page,
    visitors,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
WEEK = Chosen()
WEEKS = timedelta(days=7)
BEFORE_THE_MONTH = {"metadata": {"time": {"insert": "2026-10-30T12:00:00"}}, "profile": {"id": "p"}}


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    caches["figures"].clear()


@pytest.fixture(scope="module")
def filled(elasticsearch_url: str) -> Iterator[Shop]:
    made = Shop(elasticsearch_url, NOW)
    yield made
    made.remove()


@pytest.fixture
def shop(filled: Shop) -> Environment:
    """Read only: all tests share what is in it."""
    return environment(filled.url, filled.tenant)


@pytest.fixture
def empty(elasticsearch_url: str) -> Iterator[Environment]:
    """A production with the indices that a dashboard reads, and nothing in them."""
    made = environment(elasticsearch_url, f"t{uuid.uuid4().hex[:8]}")
    indices = make_indices(connect(made.cluster), made.tenant, ["2026-11"])
    yield made
    path = f"/{','.join(indices)}"
    connect(made.cluster).request("DELETE", path, params={"ignore_unavailable": "true"})


def look(
    shop: Environment, chosen: Chosen = WEEK, zone: ZoneInfo = BERLIN
) -> tuple[Figures, Period]:
    period = period_of(chosen, NOW, zone)
    return figures_of(shop, chosen, period), period


def stats(found: Figures) -> dict[str, tuple[float | None, float | None]]:
    return {stat.key: (stat.value, stat.before) for stat in found.stats}


def rows(found: Figures, tile: str) -> dict[str, tuple[Any, ...]]:
    whole = found.tile(tile)
    assert whole is not None
    return {row.label: row.values for row in whole.rows}


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


def test_a_group_of_fewer_than_five_is_not_broken_down(filled: Shop, shop: Environment) -> None:
    engine, alias = connect(shop.cluster), naming_of(shop.tenant).alias("profile")
    # Who came most often, alone: by a segment that nobody else is in.
    profile, _ = Counter(
        one.source["profile"]["id"] for one in filled.documents if one.resource == "event"
    ).most_common(1)[0]
    body = {"query": {"term": {"id": profile}}}
    [hit] = engine.request("POST", f"/{alias}/_search", body=body)["hits"]["hits"]
    put = f"/{hit['_index']}/_doc/{profile}"
    lonely = {**hit["_source"], "segments": ["one of a kind"]}
    engine.request("PUT", put, params={"refresh": "true"}, body=lonely)
    told, _ = look(shop, Chosen(key="30d", segment="one of a kind"))
    assert told.withheld
    assert told.total
    # Chosen by a filter, they are not told by the figures either.
    assert {stat.key for stat in told.stats if stat.few} == {"visitors", "new", "returning"}
    assert {(stat.value, stat.before, stat.change) for stat in told.stats} == {(None, None, None)}
    # What else they belong to is not told by what the filters offer.
    everybody, _ = look(shop, Chosen(key="30d"))
    assert told.offers["segment"] == everybody.offers["segment"]
    assert len(told.offers["segment"]) > 3
    assert {tile.state for tile in told.tiles} == {State.WITHHELD}
    assert all(not tile.rows and not tile.series for tile in told.tiles)
    engine.request("PUT", put, params={"refresh": "true"}, body=hit["_source"])


def event(engine: Connection, shop: Environment, when: datetime, **facts: Any) -> None:
    source = {**dated(when), "profile": {"id": "p1"}, **facts}
    index = shop.naming.partition("event", "2026-11")
    engine.request("POST", f"/{index}/_doc", params={"refresh": "true"}, body=source)


def test_few_visitors_of_the_period_before_are_not_broken_down(empty: Environment) -> None:
    engine = connect(empty.cluster)
    # The first event of all, so that there is something to compare with.
    event(engine, empty, NOW - timedelta(days=20), profile={"id": "p0"})
    for number in range(6):
        event(engine, empty, NOW - timedelta(hours=1), profile={"id": f"p{number}"})
    event(engine, empty, NOW - timedelta(days=7, hours=1), profile={"id": "p1"})
    found, _ = look(empty)
    tile = found.tile("over_time")
    assert tile is not None
    assert "before" not in {one.tone for one in tile.series}
    assert {row.values[-1] for row in tile.rows} == {None}
    # All that came to the shop is no group that somebody chose.
    assert stats(found)["visitors"] == (6, 1)
    chosen, _ = look(empty, Chosen(types=("page-view",)))
    assert stats(chosen)["visitors"] == (6, None)


def test_a_new_profile_alone_is_not_told_of_a_segment(empty: Environment) -> None:
    engine, when = connect(empty.cluster), NOW - timedelta(hours=1)
    for number in range(6):
        event(engine, empty, when, profile={"id": f"p{number}"})
        body = {
            "id": f"p{number}",
            "ids": [f"p{number}"],
            "segments": ["vip"],
            "metadata": {
                "time": {"insert": (when if number == 1 else NOW - 9 * WEEKS).isoformat()}
            },
        }
        index = empty.naming.partition("profile", "2026-11")
        engine.request("PUT", f"/{index}/_doc/p{number}", params={"refresh": "true"}, body=body)
    found, _ = look(empty, Chosen(segment="vip"))
    told = {stat.key: (stat.value, stat.few) for stat in found.stats}
    assert (told["visitors"], told["new"], told["returning"]) == (
        (6, False),
        (None, True),
        (5, False),
    )
    assert stats(look(empty)[0])["new"][0] == 1


def test_members_of_a_segment_that_are_told_in_part_narrow_nothing(empty: Environment) -> None:
    engine = connect(empty.cluster)
    event(engine, empty, NOW - timedelta(hours=1))
    # An index whose ids are words: of its members nothing can be told.
    odd = empty.naming.partition("profile", "2026-10")
    words = {"properties": {"ids": {"type": "text"}, "segments": {"type": "keyword"}}}
    alias: dict[str, Any] = {empty.naming.alias("profile"): {}}
    engine.request("PUT", f"/{odd}", body={"mappings": words, "aliases": alias})
    path = f"/{odd}/_doc/1"
    engine.request("PUT", path, params={"refresh": "true"}, body={"ids": "p", "segments": "vip"})
    with pytest.raises(reading.UnreadableError, match="members of segment vip could not be told"):
        look(empty, Chosen(segment="vip"))
    engine.request("DELETE", f"/{odd}")


def test_what_was_counted_in_part_is_not_counted_at_each_look(
    empty: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, odd = connect(empty.cluster), empty.naming.partition("event", "2026-10")
    event(engine, empty, NOW - timedelta(hours=1))
    words = {"properties": {"profile": {"properties": {"id": {"type": "text"}}}}}
    alias: dict[str, Any] = {empty.naming.alias("event"): {}}
    engine.request("PUT", f"/{odd}", body={"mappings": words, "aliases": alias})
    engine.request("POST", f"/{odd}/_doc", params={"refresh": "true"}, body=BEFORE_THE_MONTH)
    found, _ = look(empty, Chosen(key="30d"))
    assert (found.is_whole, found.notes[0].split(":")[0]) == (False, "Events")
    monkeypatch.setattr(reading, "search_all", None)
    assert look(empty, Chosen(key="30d"))[0] == found
    engine.request("DELETE", f"/{odd}")


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


def dated(when: datetime) -> dict[str, Any]:
    return {
        "type": "page-view",
        "source": {"id": "src-web"},
        "profile": {"id": f"p{when.hour}"},
        "session": {"id": "s1"},
        "metadata": {"time": {"insert": when.isoformat()}, "status": "processed", "error": False},
    }


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


def test_destinations_that_cannot_be_read_take_nothing_else_with_them(empty: Environment) -> None:
    engine, index = connect(empty.cluster), empty.naming.concrete("destination")
    for _ in range(5):
        event(engine, empty, NOW - timedelta(hours=1), profile={"id": None})
    window = "index.max_result_window"
    engine.request("PUT", f"/{index}/_settings", body={window: 10})
    found, _ = look(empty)
    tile = found.tile("destinations")
    assert tile is not None
    assert (tile.state, found.total, found.is_whole) == (State.FAILED, 5, False)
    engine.request("PUT", f"/{index}/_settings", body={window: None})
    caches["figures"].clear()
    again, _ = look(empty)
    tile = again.tile("destinations")
    assert tile is not None
    assert (tile.state, again.is_whole) == (State.EMPTY, True)


def test_an_environment_without_events_has_none_and_no_error(empty: Environment) -> None:
    found, _ = look(empty)
    assert (found.total, found.first_event, found.notes) == (0, None, ())
    assert {tile.state for tile in found.tiles} == {State.EMPTY}


def test_an_environment_without_indices_has_none_and_no_error(elasticsearch_url: str) -> None:
    found, _ = look(environment(elasticsearch_url, "nobody"))
    assert (found.total, found.first_event, found.notes) == (0, None, ())


def test_what_a_mapping_lacks_is_told_and_the_rest_is_counted(empty: Environment) -> None:
    engine = connect(empty.cluster)
    index = empty.naming.partition("event", "2026-11")
    engine.request("DELETE", f"/{index}")
    shape = fitted(engine, load(f"{VERSION}/indices.json")["tracardi-event"])
    del shape["mappings"]["properties"]["hit"]
    processed = shape["mappings"]["properties"]["metadata"]["properties"]["processed_by"]
    processed["properties"]["rules"] = {"type": "text"}
    engine.request("PUT", f"/{index}", body={**shape, "aliases": {empty.naming.alias("event"): {}}})
    for _ in range(5):
        event(engine, empty, NOW - timedelta(hours=1), profile={"id": None})
    found, _ = look(empty)
    states = {tile.key: tile.state for tile in found.tiles}
    assert found.total == 5
    assert (states["pages"], states["rules"]) == (State.LACKING, State.LACKING)
    assert states["types"] is State.WHOLE


def test_figures_that_cannot_be_counted_are_left_out_with_the_reason(empty: Environment) -> None:
    engine = connect(empty.cluster)
    index = empty.naming.partition("event", "2026-11")
    engine.request("DELETE", f"/{index}")
    # As an engine without Tracardi's template makes it: words, which cannot be counted.
    body = {
        "aliases": {empty.naming.alias("event"): {}},
        "mappings": {
            "properties": {
                "profile": {"properties": {"id": {"type": "text"}}},
                "type": {"type": "keyword"},
                "session": {"properties": {"id": {"type": "keyword"}}},
            }
        },
    }
    engine.request("PUT", f"/{index}", body=body)
    event(engine, empty, NOW - timedelta(hours=1))
    found, _ = look(empty)
    assert found.total is None
    # Nobody knows whether they are enough.
    types = found.tile("types")
    assert types is not None
    assert (types.state, types.rows, found.withheld) == (State.WITHHELD, (), False)
    assert found.notes[0].startswith("Events could not be counted")
    assert stats(found)["sessions"][0] == 0


def test_a_cluster_that_does_not_answer_is_said_so(shop: Environment) -> None:
    shop.cluster.url = "http://127.0.0.1:9"
    with pytest.raises(Unreachable, match="nothing answers at its address"):
        look(shop)


def test_a_segment_too_large_to_narrow_to_is_said_so(
    shop: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_OF_SEGMENT", 3)
    with pytest.raises(reading.TooLargeSegmentError, match="Choose a smaller segment"):
        look(shop, Chosen(segment="regulars"))


def test_no_more_dashboards_than_a_few_ask_one_cluster_at_once(
    shop: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_WAIT_SECONDS", 0.01)
    with reading.in_turn(shop), reading.in_turn(shop), pytest.raises(ElasticError, match="first"):
        look(shop)
    found, _ = look(shop)
    assert found.total
    # What was counted a moment ago needs no turn.
    with reading.in_turn(shop), reading.in_turn(shop):
        assert look(shop)[0].total == found.total


def test_another_address_is_another_environment(shop: Environment, elasticsearch_url: str) -> None:
    look(shop)
    shop.cluster = Cluster(pk=shop.cluster.pk, name="Test", url=f"{elasticsearch_url}/")
    shop.tenant = "nobody"
    assert look(shop)[0].total == 0
