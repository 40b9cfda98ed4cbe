"""Segments' sizes over time, counted by the real engine once a day."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from environments.models import Cluster, SegmentLook, SegmentSize
from environments.segments.keeping import KEPT, keep_segment_sizes
from environments.segments.sizes import SegmentRow, segment_sizes
from promotion.management.commands.worker import acts
from tests.environments.funnels.conftest import Shop, shape_of, shop
from tests.environments.licences import Clock, clock
from tests.factories import make_index

__all__ = ["clock", "shop"]
pytestmark = pytest.mark.django_db
HELD = [["loyal", "big"]] * 3 + [["loyal"]] * 6 + [["unnamed"]] * 5 + [[]]


def today() -> date:
    return timezone.localdate(timezone=timezone.get_default_timezone())


@pytest.fixture
def profiles(shop: Shop) -> Shop:
    """A shop with profiles in segments, of which one has no document, and one nobody in it."""
    naming = shop.environment.naming
    lines: list[Any] = []
    for resource, storage in (("profile", "tracardi-profile"), ("segment", "tracardi-segment")):
        named = naming.catalogue.get(resource)
        index = (
            naming.partition(resource, "2026-11")
            if named.partitioned
            else (naming.concrete(resource))
        )
        aliases: dict[str, Any] = {naming.alias(resource): {}}
        make_index(shop.engine, index, {**shape_of(shop.engine, storage), "aliases": aliases})
        documents: list[dict[str, Any]] = (
            [{"segments": one} for one in HELD]
            if resource == "profile"
            else [
                {"machine_name": key, "name": name}
                for key, name in (("loyal", "Loyal"), ("big", "Big spender"), ("none", "Nobody"))
            ]
        )
        for one in documents:
            lines += [{"index": {"_index": index}}, one]
    shop.bulk(lines)
    return shop


def test_sizes_are_kept_once_a_day_and_compared_with_an_earlier_one(
    profiles: Shop, clock: Clock
) -> None:
    assert keep_segment_sizes in {act for act, _seconds in acts()}
    environment, now = profiles.environment, timezone.now()
    assert keep_segment_sizes() == 1
    assert keep_segment_sizes() == 0
    kept = dict(SegmentSize.objects.values_list("key", "size"))
    keys = {key for held in HELD for key in held}
    assert kept == {**{key: sum(key in one for one in HELD) for key in keys}, "none": 0}
    before = today() - timedelta(days=7)
    for key, size in (("loyal", 4), ("unnamed", 9), ("gone", 6)):
        SegmentSize.objects.create(
            environment=environment, day=before, key=key, name=key, size=size
        )
    assert segment_sizes(environment, today(), before) == [
        # Of what was or is under 5 neither the number is told nor the change.
        SegmentRow("loyal", "Loyal", 9, False, None, True, None),
        SegmentRow("unnamed", "unnamed", 5, False, 9, False, -4),
        SegmentRow("big", "Big spender", None, True, 0, False, None),
        SegmentRow("gone", "gone", 0, False, 6, False, -6),
        SegmentRow("none", "Nobody", 0, False, 0, False, 0),
    ]
    assert segment_sizes(environment, before - timedelta(days=1), before) == []
    clock(now + timedelta(days=1))
    SegmentSize.objects.create(
        environment=environment, day=today() - KEPT - timedelta(days=1), key="old", name="", size=1
    )
    assert keep_segment_sizes() == 1
    assert not SegmentSize.objects.filter(key="old").exists()


def test_an_engine_out_of_reach_is_tried_again_later(profiles: Shop, clock: Clock) -> None:
    there, now = profiles.environment.cluster.url, timezone.now()
    Cluster.objects.update(url="http://127.0.0.1:9")
    assert keep_segment_sizes() == 0
    look = SegmentLook.objects.get()
    assert look.problem == "Cluster Test cannot be reached: nothing answers at its address."
    Cluster.objects.update(url=there)
    assert keep_segment_sizes() == 0
    clock(now + timedelta(minutes=6))
    assert keep_segment_sizes() == 1
    assert SegmentLook.objects.get().problem == ""


def test_a_mapping_that_cannot_be_counted_is_a_problem(shop: Shop) -> None:
    naming = shop.environment.naming
    body = {
        "aliases": {naming.alias("profile"): {}},
        "mappings": {"properties": {"segments": {"type": "text"}}},
    }
    make_index(shop.engine, naming.partition("profile", "2026-11"), body)
    assert keep_segment_sizes() == 0
    assert "could not be counted by segment" in SegmentLook.objects.get().problem
    assert not SegmentSize.objects.exists()
