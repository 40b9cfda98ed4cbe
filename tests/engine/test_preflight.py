"""Checks before any write, of facts alone."""

import pytest

from promotion.engine.diff import Counts
from promotion.engine.ports import Capacity, IndexState
from promotion.engine.preflight import check_disks, check_shards, consents, shards_of


def test_a_disk_over_the_flood_stage_is_an_error_by_node() -> None:
    found = check_disks(Capacity("green", ("one", "two"), None))
    assert [(f.code, f.severity.value, f.subject) for f in found] == [
        ("disk-full", "error", "one"),
        ("disk-full", "error", "two"),
    ]
    assert check_disks(Capacity("green", (), 5)) == []


@pytest.mark.parametrize(
    ("free", "wanted", "refused"), [(5, 5, False), (5, 6, True), (None, 9999, False)]
)
def test_a_plan_that_needs_more_shards_than_are_left_is_refused(
    free: int | None, wanted: int, refused: bool
) -> None:
    assert bool(check_shards(Capacity("green", (), free), wanted)) == refused


def test_shards_are_counted_with_their_copies() -> None:
    settings = {"index.number_of_shards": "3", "index.number_of_replicas": "2"}
    assert shards_of(IndexState("i", "u", (), 1, {}, settings, "d", False)) == 9


@pytest.mark.parametrize(
    ("removed", "before", "after", "asked"),
    [(0, 10, 10, False), (1, 4, 3, False), (2, 10, 8, False), (3, 10, 7, True), (1, 1, 0, True)],
)
def test_a_large_deletion_asks_for_a_consent_of_its_own(
    removed: int, before: int, after: int, asked: bool
) -> None:
    counts = Counts(removed=removed, total_before=before, total_after=after)
    found = [f.code for f in consents({"flow": counts}, [])]
    assert found == (["large-deletion:flow"] if asked else [])


def test_each_drift_is_consented_to_by_itself() -> None:
    assert [f.code for f in consents({}, ["flow", "rule"])] == ["drift:flow", "drift:rule"]
