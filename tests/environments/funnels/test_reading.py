"""One day of a funnel out of the real engine, against the raw documents."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from environments.elastic import Unreachable
from environments.funnels.days import limits
from environments.funnels.reading import UncountableError, connection_to, count_day
from tests.environments.funnels.conftest import Shop, shape_of
from tests.environments.funnels.second import visitors

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
# The clock was put back in the night before the last week; the month ends between the two.
LAST, FIRST = date(2026, 10, 31), date(2026, 11, 1)
BEGIN = limits(LAST, BERLIN)[0]
FUNNELS = (
    ("view", "basket", "buy"),
    ("view", "view", "basket", "buy"),
    ("basket", "view"),
    ("buy", "basket", "view", "buy", "view", "basket"),
    ("view", "never"),
)


def visits() -> list[tuple[str | None, datetime, str]]:
    """Two days of few visitors who do much, many of it within one millisecond."""
    chance = random.Random(7)  # noqa: S311
    events: list[tuple[str | None, datetime, str]] = []
    for _ in range(500):
        who = None if chance.random() < 0.1 else f"p{chance.randrange(70)}-ä"
        # Also an hour before and after the two days, and at their very edges.
        seconds = chance.choice((chance.randrange(-3600, 49 * 3600), 0, 24 * 3600, 48 * 3600))
        when = (BEGIN.astimezone(UTC) + timedelta(seconds=seconds)).replace(
            microsecond=chance.choice((0, 1000, 999_000))
        )
        times = chance.choice((1, 1, 2))
        events += [(who, when, chance.choice(("view", "basket", "buy", "other")))] * times
    return events


def test_counts_are_those_of_the_raw_documents(shop: Shop) -> None:
    shop.send(visits())
    told = []
    for day in (LAST, FIRST):
        raw = shop.raw(*limits(day, BERLIN))
        for steps in FUNNELS:
            # Small pages, so that a visitor's events are on several.
            found = count_day(shop.engine, shop.environment, steps, day, BERLIN, page=40)
            assert found.visitors == visitors(raw, steps)
            assert found.partial == ""
            told += found.visitors
    # They are about something.
    assert len(set(told)) > 5


def test_a_day_of_too_many_events_is_kept_in_part_with_its_reason(shop: Shop) -> None:
    shop.send([(f"p{n}", BEGIN + timedelta(hours=1), "a") for n in range(30)])
    found = count_day(
        shop.engine, shop.environment, ["a", "b"], LAST, BERLIN, page=10, most_pages=2
    )
    assert found.visitors == [20, 0]
    assert "more events of these types" in found.partial


def test_an_engine_that_allows_few_buckets_is_asked_for_smaller_pages(shop: Shop) -> None:
    shop.send([(f"p{n}", BEGIN + timedelta(hours=1), "a") for n in range(600)])
    limit = "search.max_buckets"
    shop.engine.request("PUT", "/_cluster/settings", body={"transient": {limit: 700}})
    try:
        found = count_day(shop.engine, shop.environment, ["a", "b"], LAST, BERLIN)
    finally:
        shop.engine.request("PUT", "/_cluster/settings", body={"transient": {limit: None}})
    assert found.visitors == [600, 0]


def test_without_an_index_a_day_has_nobody(shop: Shop) -> None:
    found = count_day(shop.engine, shop.environment, ["a", "b"], LAST, BERLIN)
    assert (found.visitors, found.partial) == ([0, 0], "")


@pytest.mark.parametrize(
    ("kind", "month", "is_counted"),
    [
        (None, "2026-9", True),
        (None, "2026-10", False),
        ("text", "2026-9", False),
    ],
)
def test_a_mapping_that_lacks_a_field_is_named_and_an_earlier_month_is_no_matter(
    shop: Shop, kind: str | None, month: str, is_counted: bool
) -> None:
    naming = shop.environment.naming
    shop.send([("p1", BEGIN.astimezone(UTC) + timedelta(days=1, hours=2), "a")])
    fields = dict(shape_of(shop.engine, "tracardi-event")["mappings"]["properties"])
    fields.pop("type")
    if kind is not None:
        fields["type"] = {"type": kind}
    name = naming.partition("event", month)
    body = {"mappings": {"properties": fields}, "aliases": {naming.alias("event"): {}}}
    shop.engine.request("PUT", f"/{name}", body=body)
    if is_counted:
        found = count_day(shop.engine, shop.environment, ["a", "b"], FIRST, BERLIN)
        assert found.visitors == [1, 0]
    else:
        with pytest.raises(UncountableError, match=f"{name} does not have type as keyword"):
            count_day(shop.engine, shop.environment, ["a", "b"], FIRST, BERLIN)


def test_an_engine_out_of_reach_is_said_so(shop: Shop) -> None:
    shop.environment.cluster.url = "http://127.0.0.1:9"
    connection = connection_to(shop.environment.cluster)
    with pytest.raises(Unreachable, match="nothing answers at its address"):
        count_day(connection, shop.environment, ["a", "b"], LAST, BERLIN)
