"""Measures how long pages take, with many builds, many environments and many documents.

    python -m benchmarks.pages [--builds 1000] [--tenants 100] [--documents 20000] [--times 40]
        [--json]

One tenant's indices are real; the other environments are rows beside it, each with a build. The
first builds are real too: one is live, the next changes each of its documents, the last one in a
hundred.
"""

import argparse
import math
import secrets
import sys
import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any, Final

from benchmarks.data import LARGEST, SMALLEST, Configuration
from benchmarks.promotion import Parser, console, engine, number, say, tell

DOCUMENTS: Final = 20_000
WANTED_SECONDS: Final = 0.3


def measure(builds: int, tenants: int, documents: int, times: int) -> dict[str, Any]:
    """Return the seconds of each page: median and 95th percentile."""
    with console() as folder, engine(in_memory=True) as (url, own):
        from benchmarks.ours import Click, People, Pipeline, web_server
        from benchmarks.sets import remove
        from environments.models import Cluster
        from promotion.models import Build
        from promotion.promotions import promote
        from promotion.services import capture

        cluster = Cluster.objects.create(name="Benchmark", url=url)
        people, tenant = People(), f"bench-{secrets.token_hex(4)}"
        say(f"Filling one tenant with {documents:,} documents")
        pipeline = Pipeline(people, cluster, tenant, Configuration.of(documents))
        pipeline.change([pipeline.configuration.keys[0]], "change")
        pipeline.job(
            lambda build, ready: promote(
                people.admin, build, pipeline.production, plan_digest=ready.plan_digest
            )
        )
        real = [Build.objects.filter(environment=pipeline.staging).latest("number")]
        for shape in ("all", "percent"):
            pipeline.change(pipeline.configuration.changed(shape), shape)
            real.append(capture(people.qa, pipeline.staging))
        say(f"Adding {builds:,} builds and {tenants:,} tenants")
        _add_builds(real, builds)
        _add_tenants(pipeline, tenants)
        try:
            with web_server(folder) as address:
                link = Click(pipeline, address)
                pages = {
                    name: _seconds(partial(link.get, path), times)
                    for name, path in _paths(pipeline, real).items()
                }
        finally:
            if not own:
                for side in (pipeline.staging, pipeline.production):
                    remove(pipeline.connection, side.naming)
        return {
            "builds": builds,
            "environments": 2 * (tenants + 1),
            "documents": documents,
            "pages": pages,
        }


def _add_builds(real: Sequence[Any], count: int) -> None:
    """Add builds like the one that is live; what differs is compared between the real ones."""
    from promotion.models import Build, BuildPart

    last, newest = real[0], real[-1]
    parts = list(last.parts.all())
    for number_ in range(newest.number + 1, newest.number + 1 + count):
        made = Build.objects.create(
            environment=last.environment,
            number=number_,
            content=f"{number_:064x}",
            exact=last.exact,
            cluster_uuid=last.cluster_uuid,
            version=last.version,
            captured_by=last.captured_by,
        )
        BuildPart.objects.bulk_create(
            BuildPart(
                build=made,
                tree_id=part.tree_id,
                index=part.index,
                mapping_digest=part.mapping_digest,
                fingerprint=part.fingerprint,
            )
            for part in parts
        )


def _add_tenants(pipeline: Any, count: int) -> None:
    from benchmarks.ours import environment
    from environments.naming import Side
    from promotion.models import Build

    for n in range(count):
        tenant = f"other-{n:03d}"
        staging, production = (
            environment(pipeline.people, pipeline.staging.cluster, tenant, side)
            for side in (Side.STAGING, Side.PRODUCTION)
        )
        staging.promotes_to = production
        staging.save(update_fields=["promotes_to"])
        Build.objects.create(
            environment=staging,
            number=1,
            content=f"{n:064x}",
            exact="",
            cluster_uuid="",
            version=staging.version,
        )


def _paths(pipeline: Any, real: Sequence[Any]) -> dict[str, str]:
    from django.urls import reverse

    from promotion.compare_views import compare_url, difference_url
    from promotion.document_views import document_url, history_url

    staging, production = pipeline.staging, pipeline.production
    one, two, three = (f"{staging.slug}:{build.number}" for build in real)
    rule, flow = ("rule", "rule-00007"), ("flow", "flow-00000")
    changed, plain = [staging.slug, real[1].number], [staging.slug, real[-1].number + 1]
    return {
        "compare, all changed": compare_url(one, two),
        "compare, all changed, one resource": compare_url(one, two, resource="rule"),
        "compare, all changed, a text": compare_url(one, two, q="99"),
        "compare, all changed, page 100": compare_url(one, two, page="100"),
        "compare, 1 % changed": compare_url(two, three),
        "compare one rule": difference_url(one, two, rule),
        "compare one flow": difference_url(one, two, flow),
        "the way, 1 % changed": reverse("promotion:compare-way") + f"?before={two}&after={three}",
        "document, a rule": document_url(real[2], rule),
        "document, a flow": document_url(real[2], flow),
        "history of a rule": history_url(staging, *rule),
        "build, all changed": reverse("promotion:build", args=changed),
        "compose, all changed": reverse("promotion:compose", args=changed),
        "home": reverse("admin:index"),
        "builds": reverse("promotion:builds"),
        "build": reverse("promotion:build", args=plain),
        "promote": reverse("promotion:promote", args=plain),
        "promotions": reverse("promotion:promotions"),
        "environments": reverse("promotion:environments"),
        "environment": reverse("promotion:environment", args=[production.slug]),
        "drift": reverse("promotion:drift", args=[production.slug]),
        "dashboard": reverse("environments:dashboard", args=[production.slug]),
        "audit": reverse("audit"),
    }


def _seconds(ask: Any, times: int) -> dict[str, float]:
    # The first one opens what the next find in memory.
    started = time.perf_counter()
    ask()
    first = time.perf_counter() - started
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - started)
    taken.sort()
    return {
        "first": round(first, 4),
        "median": round(median(taken), 4),
        "p95": round(taken[math.ceil(len(taken) * 0.95) - 1], 4),
        "most": round(taken[-1], 4),
    }


def table(found: dict[str, Any]) -> str:
    """Return the figures for people."""
    lines = [
        "| page | first, ms | median, ms | 95th percentile, ms | most, ms |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, seconds in found["pages"].items():
        cells = [f"{seconds[key] * 1000:.0f}" for key in ("first", "median", "p95", "most")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    slow = [n for n, seconds in found["pages"].items() if seconds["p95"] > WANTED_SECONDS]
    lines.append(f"Over {WANTED_SECONDS * 1000:.0f} ms: {', '.join(slow) or 'none'}.")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table, or one JSON object."""
    parser = Parser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--builds", type=number(1, 100_000), default=1000)
    parser.add_argument("--tenants", type=number(0, 1000), default=100)
    parser.add_argument("--documents", type=number(SMALLEST, LARGEST), default=DOCUMENTS)
    parser.add_argument("--times", type=number(1, 1000), default=40)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options: argparse.Namespace = parser.parse_args(arguments)
    return tell(
        lambda: measure(options.builds, options.tenants, options.documents, options.times),
        table,
        as_json=options.json,
    )


if __name__ == "__main__":
    sys.exit(main())
