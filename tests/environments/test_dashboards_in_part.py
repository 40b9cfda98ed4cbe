"""Dashboards that show less than all: of few visitors, and where not all could be counted."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches

from devtools.elasticsearch.mappings import fitted
from environments.dashboards import reading
from environments.dashboards.chosen import Chosen
from environments.dashboards.tiles import State
from environments.elastic import ElasticError, Unreachable, connect
from environments.models import Environment
from tests.data import load
from tests.environments.counted import (
    NOW,
    empty,
    event,
    filled,
    look,
    nothing_kept,
    shop,
    stats,
)
from tests.environments.dashboards import (
    VERSION,
    Shop,
    environment,
    naming_of,
)

__all__ = ["empty", "filled", "nothing_kept", "shop"]
pytestmark = pytest.mark.django_db
WEEKS = timedelta(days=7)
BEFORE_THE_MONTH = {"metadata": {"time": {"insert": "2026-10-30T12:00:00"}}, "profile": {"id": "p"}}


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


def test_an_environment_without_events_has_none_and_no_error(empty: Environment) -> None:
    found, _ = look(empty)
    assert (found.total, found.first_event, found.notes) == (0, None, ())
    assert {tile.state for tile in found.tiles} == {State.EMPTY}


def test_an_environment_without_indices_has_none_and_no_error(elasticsearch_url: str) -> None:
    found, _ = look(environment(elasticsearch_url, "nobody"))
    assert (found.total, found.first_event, found.notes) == (0, None, ())
