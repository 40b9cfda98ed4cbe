"""Measures a dashboard over many events: first paint, all tiles, and one plain query a tile.

    python -m benchmarks.dashboards [--events 5000000] [--times 5] [--json]

Cold is after the engine dropped its own caches; the machine's page cache stays. Neither cold nor
warm is what the console itself counted a moment ago: that is `kept`.
"""

import argparse
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any, Final, TypeAlias

from benchmarks.promotion import BenchmarkError, Parser, console, engine, number, say, tell

Act: TypeAlias = Callable[[], None]
EVENTS: Final = 5_000_000
RANGES: Final = ("7d", "30d", "90d")
WAYS: Final = (
    "first paint",
    "all tiles, cold",
    "all tiles, warm",
    "kept",
    "plain, cold",
    "plain, warm",
)


def measure(events: int, times: int) -> dict[str, Any]:
    """Return the seconds of each way, by range: least, median and most."""
    with console(), engine(in_memory=False) as (url, own):
        from django.core.cache import caches
        from django.test import Client
        from django.urls import reverse
        from django.utils import timezone

        from accounts.audit import system_actor
        from accounts.roles import Role
        from accounts.services import create_user
        from benchmarks.sets import remove
        from benchmarks.visits import fill
        from environments.dashboards.chosen import Chosen
        from environments.dashboards.queries import Ask, searches
        from environments.dashboards.reading import lacking, period_of
        from environments.elastic import connect
        from environments.models import Cluster, Environment

        cluster = Cluster.objects.create(name="Benchmark", url=url)
        shop = Environment.objects.create(
            name="Shop",
            slug="shop",
            cluster=cluster,
            version="0.8.1",
            tenant=f"bench-{secrets.token_hex(4)}",
            kind="production",
        )
        connection = connect(cluster)
        admin = create_user(
            system_actor(), username="ada", role=Role.ADMINISTRATOR, password=secrets.token_hex(16)
        )
        client = Client()
        client.force_login(admin)
        path = reverse("environments:dashboard", args=[shop.slug])
        try:
            say(f"Writing about {events:,} events")
            started = time.perf_counter()
            counts = fill(connection, shop.naming, events, datetime.now(UTC))
            say(f"Written in {time.perf_counter() - started:.0f} s")

            def get(chosen: str, *, tiles: bool) -> None:
                head = {"HX-Request": "true"} if tiles else {}
                answer = client.get(f"{path}?range={chosen}", headers={**head, "Host": "127.0.0.1"})
                if answer.status_code != 200 or (tiles and b"tc-dash-grid" not in answer.content):
                    raise BenchmarkError(f"The dashboard answered {answer.status_code}.")

            def plain(chosen: str) -> None:
                period = period_of(Chosen(key=chosen), timezone.now(), UTC)
                ask = Ask(Chosen(key=chosen), period, lacking(shop))
                for resource, search in searches(ask).values():
                    for body in _each(search.to_dict()):
                        alias = shop.naming.alias(resource)
                        connection.request("POST", f"/{alias}/_search", body=body, timeout=120)

            def cold() -> None:
                connection.request("POST", "/_cache/clear", timeout=60)
                caches["figures"].clear()

            def nothing() -> None:
                """Leave all as the way before left it."""

            found: dict[str, dict[str, Any]] = {}
            for chosen in RANGES:
                get(chosen, tiles=True)
                tiles = partial(get, chosen, tiles=True)
                ways: dict[str, tuple[Act, Act]] = {
                    "first paint": (cold, partial(get, chosen, tiles=False)),
                    "all tiles, cold": (cold, tiles),
                    "all tiles, warm": (caches["figures"].clear, tiles),
                    "kept": (nothing, tiles),
                    "plain, cold": (cold, partial(plain, chosen)),
                    "plain, warm": (nothing, partial(plain, chosen)),
                }
                found[chosen] = _interleaved(ways, times)
                say(f"{chosen}: {found[chosen]['all tiles, cold']['median']:.2f} s cold")
        finally:
            if not own:
                remove(connection, shop.naming)
        return {"documents": counts, "ranges": found}


def _each(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a search as one for each of its figures, as a plain dashboard would ask."""
    figures = body.get("aggs", {})
    return [{**body, "aggs": {name: one}} for name, one in figures.items()] or [dict(body)]


def _interleaved(ways: Mapping[str, tuple[Act, Act]], times: int) -> dict[str, dict[str, float]]:
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(times):
        for name, (before, act) in ways.items():
            before()
            started = time.perf_counter()
            act()
            taken[name].append(time.perf_counter() - started)
    return {
        name: {"least": min(one), "median": median(one), "most": max(one)}
        for name, one in taken.items()
    }


def table(found: dict[str, Any]) -> str:
    """Return the figures for people; in brackets the least and the most."""
    counts = ", ".join(f"{count:,} {name}s" for name, count in found["documents"].items())
    lines = [f"{counts}.", "", f"| seconds | {' | '.join(found['ranges'])} |"]
    lines.append(f"|---|{'--:|' * len(found['ranges'])}")
    for way in WAYS:
        cells = [
            f"{one[way]['median']:.2f} ({one[way]['least']:.2f} to {one[way]['most']:.2f})"
            for one in found["ranges"].values()
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    for state in ("cold", "warm"):
        cells = [
            f"{one[f'all tiles, {state}']['median'] / one[f'plain, {state}']['median']:.2f}"
            for one in found["ranges"].values()
        ]
        lines.append(f"| tiles to plain, {state} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table, or one JSON object."""
    parser = Parser(prog="python -m benchmarks.dashboards", description=__doc__)
    parser.add_argument("--events", type=number(100, 50_000_000), default=EVENTS)
    parser.add_argument("--times", type=number(1, 100), default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options: argparse.Namespace = parser.parse_args(arguments)
    return tell(lambda: measure(options.events, options.times), table, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
