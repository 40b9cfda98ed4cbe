"""An environment's dashboard as pages: at once or after its frame, as a file, around a moment."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from environments.dashboards import reading
from environments.elastic import connect
from environments.models import Environment, SegmentSize
from tests.console.shops import person
from tests.environments.dashboards import Shop, environment, failed, moment
from tests.factories import enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]


@pytest.fixture(scope="module")
def filled(elasticsearch_url: str) -> Iterator[Shop]:
    made = Shop(elasticsearch_url, datetime.now(UTC), days=15)
    yield made
    made.remove()


@pytest.fixture
def shown(filled: Shop) -> Environment:
    caches["figures"].clear()
    return environment(filled.url, filled.tenant)


@pytest.fixture
def marketing(shown: Environment) -> Client:
    return enter(person(Role.MARKETING, shown))


def get(client: Client, name: str, *args: str, query: str = "", htmx: bool = False) -> Any:
    headers = {"HX-Request": "true"} if htmx else {}
    return client.get(f"{reverse(name, args=args)}?{query}", secure=True, headers=headers)


def test_the_page_comes_first_and_asks_no_engine_and_its_figures_follow(
    marketing: Client, shown: Environment, filled: Shop
) -> None:
    frame = get(marketing, "environments:dashboard", "shop", query="range=7d").content.decode()
    assert 'hx-get="?range=7d" hx-trigger="load"' in frame
    assert "tc-stat-value" not in frame
    # Where no scripts run, the page asks for itself, whole.
    assert 'http-equiv="refresh" content="0; url=?range=7d&amp;whole"></noscript>' in frame
    part = get(marketing, "environments:dashboard", "shop", query="range=7d", htmx=True)
    text = part.content.decode()
    assert text.lstrip().startswith('<div id="figures"')
    assert "<html" not in text
    assert "Web shop" in text
    # Counted a moment ago: now it comes with the page.
    again = get(marketing, "environments:dashboard", "shop", query="range=7d").content.decode()
    assert "<html" in again
    assert "tc-stat-value" in again


def test_a_chart_stands_in_the_page_as_a_table_whose_labels_narrow_it(
    marketing: Client, shown: Environment
) -> None:
    text = get(
        marketing, "environments:dashboard", "shop", query="range=7d&channel=web&whole"
    ).content.decode()
    assert '<a href="?range=7d&amp;source=src-web-shop&amp;channel=web">Web shop</a>' in text
    assert 'aria-label="Leave out Channel web"' in text
    assert '<a class="tc-chip" href="?range=7d"' in text


def test_a_tile_is_kept_as_a_file_without_formulas(
    marketing: Client, shown: Environment, filled: Shop
) -> None:
    shown_source = {"name": "=HYPERLINK(1)"}
    put = f"/{shown.naming.concrete('event-source')}/_doc/src-mobile-app"
    connect(shown.cluster).request("PUT", put, params={"refresh": "true"}, body=shown_source)
    answer = get(marketing, "environments:dashboard-export", "shop", "sources", query="range=7d")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="shop-sources-')
    [heading, *rows] = csv.reader(io.StringIO(answer.content.decode()))
    assert heading == ["Source", "Events", "Share", "Failed"]
    assert "'=HYPERLINK(1)" in {row[0] for row in rows}
    assert sum(int(row[1]) for row in rows) > 0
    missing = get(marketing, "environments:dashboard-export", "shop", "nothing", query="range=7d")
    assert missing.status_code == 404


def test_before_and_after_a_moment_is_what_the_raw_documents_say(
    marketing: Client, shown: Environment, filled: Shop
) -> None:
    at = (timezone.now() - timedelta(days=5)).replace(microsecond=0)
    address = at.isoformat().replace("+00:00", "Z")
    text = get(
        marketing, "environments:around", "shop", query=f"at={address}&days=1"
    ).content.decode()

    def between(first: datetime, then: datetime) -> list[dict[str, object]]:
        events = (one.source for one in filled.documents if one.resource == "event")
        return [event for event in events if first <= moment(event) < then]

    day = timedelta(days=1)
    before, after = between(at - day, at), between(at, at + day)
    assert before
    row = text[text.index('<th scope="row">Events</th>') :]
    cells = [cell.split("</td>")[0].split(">")[-1] for cell in row.split("<td")[1:3]]
    assert cells == [f"{len(before):,}", f"{len(after):,}"]
    assert "not why" in text
    assert "do not have the same weekdays" in text
    shares = [100 * sum(map(failed, one)) / len(one) for one in (before, after)]
    row = text[text.index('<th scope="row">Failed events</th>') :]
    assert f"{shares[0]:.1f}&nbsp;%" in row[: row.index("</tr>")]


def test_spans_before_the_first_event_are_not_compared(
    marketing: Client, shown: Environment
) -> None:
    at = (timezone.now() - timedelta(days=10)).replace(microsecond=0)
    address = at.isoformat().replace("+00:00", "Z")
    text = get(
        marketing, "environments:around", "shop", query=f"at={address}&days=7"
    ).content.decode()
    assert "spans that begin before it are left out" in text
    row = text[text.index('<th scope="row">Events</th>') :]
    cells = [cell.split("</td>")[0].split(">")[-1] for cell in row.split("<td")[1:5]]
    assert (cells[0], cells[2], cells[3]) == ("—", "—", "—")
    assert int(cells[1].replace(",", "")) > 0


def test_spans_that_could_not_be_counted_are_unknown_and_not_zero(
    marketing: Client, shown: Environment
) -> None:
    # One index has words for ids: they cannot be counted, so the whole is not known.
    engine, odd = connect(shown.cluster), shown.naming.partition("event", "2000-01")
    words = {"properties": {"profile": {"properties": {"id": {"type": "text"}}}}}
    alias: dict[str, Any] = {shown.naming.alias("event"): {}}
    engine.request("PUT", f"/{odd}", body={"mappings": words, "aliases": alias})
    at = (timezone.now() - timedelta(days=2)).isoformat().replace("+00:00", "Z")
    text = get(marketing, "environments:around", "shop", query=f"at={at}&days=1").content.decode()
    engine.request("DELETE", f"/{odd}")
    assert "did not count all of a span" in text
    row = text[text.index('<th scope="row">Events</th>') :]
    cells = [cell.split("</td>")[0].split(">")[-1] for cell in row.split("<td")[1:5]]
    assert cells == ["—"] * 4
    assert 'id="types"' not in text


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "names no moment"),
        ("at=2026-13-01T00:00:00Z", 400, "names no moment"),
        ("at=0001-01-01T00:00:00Z", 400, "names no moment"),
        ("at=2100-01-01T00:00:00Z", 200, "yet to come"),
    ],
)
def test_a_moment_that_is_none_is_said_so(
    marketing: Client, query: str, status: int, words: str
) -> None:
    answer = get(marketing, "environments:around", "shop", query=query)
    assert answer.status_code == status
    assert words in answer.content.decode()


def test_an_engine_that_does_not_answer_is_said_in_the_place_of_the_figures(
    marketing: Client, shown: Environment
) -> None:
    shown.cluster.url = "http://127.0.0.1:9"
    shown.cluster.save()
    for htmx in (False, True):
        answer = get(marketing, "environments:dashboard", "shop", query="whole", htmx=htmx)
        text = answer.content.decode()
        assert answer.status_code == 503
        assert "Visitors are not affected" in text
        # What is kept needs no cluster.
        assert "No sizes are kept of these days" in text
        # That there is nothing to choose nobody knows.
        assert "There is none in these days" not in text
    answer = get(marketing, "environments:dashboard-export", "shop", "types")
    assert answer.status_code == 503
    assert "Nothing was downloaded" in answer.content.decode()
    answer = get(marketing, "environments:dashboard-export", "shop", "segments")
    assert answer.status_code == 200


def test_a_segment_that_is_too_large_leads_out_of_its_filter(
    marketing: Client, shown: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_OF_SEGMENT", 1)
    index = shown.naming.partition("profile", f"{datetime.now(UTC):%Y-%m}")
    path, body = f"/{index}/_doc/crowd", {"id": "a", "ids": ["a", "b"], "segments": ["crowd"]}
    connect(shown.cluster).request("PUT", path, params={"refresh": "true"}, body=body)
    query = "range=custom&from=2026-11-01&to=2026-11-03&segment=crowd&whole"
    answer = get(marketing, "environments:dashboard", "shop", query=query)
    text = answer.content.decode()
    assert answer.status_code == 400
    assert "Try again" not in text
    plain = "range=custom&amp;from=2026-11-01&amp;to=2026-11-03"
    assert f'<a href="?{plain}">Show the figures without filters</a>' in text
    assert f'<a class="tc-chip" href="?{plain}"' in text


def test_somebody_whose_turn_does_not_come_is_told_to_come_back(
    marketing: Client, shown: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_WAIT_SECONDS", 0.01)
    with reading.in_turn(shown), reading.in_turn(shown):
        answer = get(marketing, "environments:dashboard", "shop", query="range=30d&whole")
    assert answer.status_code == 503
    assert "visitors come first" in answer.content.decode()


def test_a_dashboard_on_a_wall_counts_itself_again_and_has_nothing_to_press_but_its_days(
    marketing: Client, shown: Environment
) -> None:
    text = get(marketing, "environments:dashboard", "shop", query="wall&whole").content.decode()
    assert 'hx-get="?range=7d&amp;wall" hx-trigger="every 60s"' in text
    assert "<form" not in text
    assert "CSV" not in text


def test_a_segments_change_is_that_of_the_days_that_are_shown(
    marketing: Client, shown: Environment
) -> None:
    today = timezone.localdate()
    for days, size in ((7, 100), (6, 110), (1, 130), (0, 135)):
        day = today - timedelta(days=days)
        SegmentSize.objects.create(environment=shown, day=day, key="vip", name="VIP", size=size)

    def told(query: str) -> str:
        answer = get(marketing, "environments:dashboard", "shop", query=query)
        text: str = answer.content.decode()
        tile = text[text.index('id="tile-segments"') :]
        return tile[: tile.index("</section>")]

    def row(query: str) -> list[str]:
        return re.findall(r'<td class="tc-num">(.*?)</td>', told(query))

    assert row("range=7d&whole") == ["135", "110", "25"]
    yesterday = today - timedelta(days=1)
    assert row(f"range=custom&from={yesterday}&to={yesterday}&whole") == ["135", "130", "5"]
    # The day is not over: beside itself nothing would have changed.
    assert row("range=today&whole") == ["135", "—", "—"]
    assert "no change can be told" in told("range=today&whole")
