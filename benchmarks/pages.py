"""Measures how long pages take, with many builds and many environments.

    python -m benchmarks.pages [--builds 1000] [--tenants 100] [--times 40] [--json]

One tenant's indices are real; the other environments are rows beside it, each with a build.
"""

import argparse
import json
import math
import secrets
import sys
import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any, Final

from benchmarks.data import Configuration
from benchmarks.promotion import BenchmarkError, Parser, console, engine, number, say
from devtools.demo.children import Stopped, stop_on_signals
from devtools.demo.state import DemoError
from devtools.elasticsearch.node import NodeError

DOCUMENTS: Final = 400
WANTED_SECONDS: Final = 0.3


def measure(builds: int, tenants: int, times: int) -> dict[str, Any]:
    """Return the seconds of each page: median and 95th percentile."""
    with console() as folder, engine(in_memory=True) as (url, own):
        from benchmarks.ours import Click, People, Pipeline, web_server
        from benchmarks.sets import remove
        from environments.models import Cluster
        from promotion.promotions import promote

        cluster = Cluster.objects.create(name="Benchmark", url=url)
        people, tenant = People(), f"bench-{secrets.token_hex(4)}"
        say("Filling one tenant")
        pipeline = Pipeline(people, cluster, tenant, Configuration.of(DOCUMENTS))
        pipeline.change([pipeline.configuration.keys[0]], "change")
        pipeline.job(
            lambda build, ready: promote(
                people.admin, build, pipeline.production, plan_digest=ready.plan_digest
            )
        )
        say(f"Adding {builds:,} builds and {tenants:,} tenants")
        _add_builds(pipeline, builds)
        _add_tenants(pipeline, tenants)
        try:
            with web_server(folder) as address:
                link = Click(pipeline, address)
                pages = {
                    name: _seconds(partial(link.get, path), times)
                    for name, path in _paths(pipeline).items()
                }
        finally:
            if not own:
                for side in (pipeline.staging, pipeline.production):
                    remove(pipeline.connection, side.naming)
        return {"builds": builds, "environments": 2 * (tenants + 1), "pages": pages}


def _add_builds(pipeline: Any, count: int) -> None:
    from promotion.models import Build, BuildPart

    last = Build.objects.filter(environment=pipeline.staging).first()
    if last is None:
        raise BenchmarkError("Nothing was captured.")
    parts = list(last.parts.all())
    for number_ in range(last.number + 1, last.number + 1 + count):
        made = Build.objects.create(
            environment=pipeline.staging,
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


def _paths(pipeline: Any) -> dict[str, str]:
    from django.urls import reverse

    staging, production = pipeline.staging, pipeline.production
    return {
        "home": reverse("admin:index"),
        "builds": reverse("promotion:builds"),
        "build": reverse("promotion:build", args=[staging.slug, 2]),
        "promote": reverse("promotion:promote", args=[staging.slug, 2]),
        "promotions": reverse("promotion:promotions"),
        "environments": reverse("promotion:environments"),
        "environment": reverse("promotion:environment", args=[production.slug]),
        "drift": reverse("promotion:drift", args=[production.slug]),
        "dashboard": reverse("environments:dashboard", args=[production.slug]),
        "audit": reverse("audit"),
    }


def _seconds(ask: Any, times: int) -> dict[str, float]:
    ask()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - started)
    taken.sort()
    return {
        "median": round(median(taken), 4),
        "p95": round(taken[math.ceil(len(taken) * 0.95) - 1], 4),
        "most": round(taken[-1], 4),
    }


def table(found: dict[str, Any]) -> str:
    """Return the figures for people."""
    lines = ["| page | median, ms | 95th percentile, ms | most, ms |", "|---|--:|--:|--:|"]
    for name, seconds in found["pages"].items():
        cells = [f"{seconds[key] * 1000:.0f}" for key in ("median", "p95", "most")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    slow = [n for n, seconds in found["pages"].items() if seconds["p95"] > WANTED_SECONDS]
    lines.append(f"Over {WANTED_SECONDS * 1000:.0f} ms: {', '.join(slow) or 'none'}.")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table, or one JSON object."""
    parser = Parser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--builds", type=number(1, 100_000), default=1000)
    parser.add_argument("--tenants", type=number(0, 1000), default=100)
    parser.add_argument("--times", type=number(1, 1000), default=40)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options: argparse.Namespace = parser.parse_args(arguments)
    stop_on_signals()
    try:
        found = measure(options.builds, options.tenants, options.times)
    except (BenchmarkError, DemoError, NodeError) as error:
        say(str(error))
        return 1
    except Stopped:
        say("Stopped.")
        return 1
    sys.stdout.write(f"{json.dumps(found) if options.json else table(found)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
