"""Measures one tenant's promotion among many others whose indices are real, on one cluster.

    python -m benchmarks.tenants [--tenants 0 10 100] [--repeats 3] [--json]

Each tenant has a staging and a production set, 40 indices. What is measured is the job of one
changed document, the check for drift, and the home page, which shows ten pipelines.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any, Final

from benchmarks.data import Configuration
from benchmarks.promotion import BenchmarkError, Parser, console, engine, number, say, tell

DOCUMENTS: Final = 400
# The engine allows a thousand shards a node, which is for nodes with less memory.
SHARDS: Final = {"transient": {"cluster.max_shards_per_node": 20_000}}
HEAP: Final = "4g"


def measure(tenants: Sequence[int], repeats: int) -> dict[str, Any]:
    """Return the seconds of each number of other tenants: medians."""
    os.environ.setdefault("ELASTICSEARCH_HEAP", HEAP)
    with console() as folder, engine(in_memory=True) as (url, own):
        if not own:
            raise BenchmarkError("It changes the cluster's limits: it takes a node of its own.")
        from benchmarks.ours import Click, People, Pipeline, environment, web_server
        from benchmarks.sets import create, timed
        from environments.elastic import connect
        from environments.models import Cluster
        from environments.naming import Side
        from promotion.drift import check

        cluster = Cluster.objects.create(name="Benchmark", url=url)
        connection = connect(cluster)
        connection.request("PUT", "/_cluster/settings", body=SHARDS)
        people = People()
        pipeline = Pipeline(people, cluster, _tenant(), Configuration.of(DOCUMENTS))
        found: dict[str, list[float]] = {name: [] for name in ("job", "check", "home")}
        indices, there = [], 0
        with web_server(folder) as address:
            link = Click(pipeline, address)
            for wanted in sorted(tenants):
                say(f"{wanted:,} other tenants")
                for _ in range(there, wanted):
                    sides = [
                        environment(people, cluster, tenant, side)
                        for tenant in [_tenant()]
                        for side in (Side.STAGING, Side.PRODUCTION)
                    ]
                    sides[0].promotes_to = sides[1]
                    sides[0].save(update_fields=["promotes_to"])
                    for side in sides:
                        create(connection, side.naming)
                there = wanted
                jobs = [_job(pipeline, f"{wanted}-{n}") for n in range(repeats)]
                found["job"].append(median(jobs))
                checks = [timed(lambda: check(pipeline.production)) for _ in range(repeats)]
                found["check"].append(median(checks))
                link.get("/")
                pages = [timed(lambda: link.get("/")) for _ in range(repeats)]
                found["home"].append(median(pages))
                health = connection.request("GET", "/_cluster/health")
                indices.append(health["active_primary_shards"])
        return {
            "tenants": sorted(tenants),
            "indices": indices,
            "seconds": {name: [round(one, 4) for one in of] for name, of in found.items()},
            "ratio": {name: [round(one / of[0], 2) for one in of] for name, of in found.items()},
        }


def _tenant() -> str:
    return f"bench-{secrets.token_hex(4)}"


def _job(pipeline: Any, token: str) -> float:
    """Return how long it takes from a changed document until it is verified in production."""
    from promotion.promotions import promote

    pipeline.change([pipeline.configuration.keys[0]], token)
    seconds = pipeline.job(
        lambda build, ready: promote(
            pipeline.people.admin, build, pipeline.production, plan_digest=ready.plan_digest
        )
    )
    return float(seconds["job"])


def table(found: dict[str, Any]) -> str:
    """Return the figures for people."""
    lines = [
        "| other tenants | indices | job, s | check for drift, s | home page, s |",
        "|--:|--:|--:|--:|--:|",
    ]
    for place, tenants in enumerate(found["tenants"]):
        cells = [
            f"{found['seconds'][name][place]:.2f} ({found['ratio'][name][place]})"
            for name in ("job", "check", "home")
        ]
        lines.append(f"| {tenants} | {found['indices'][place]:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table, or one JSON object."""
    parser = Parser(prog="python -m benchmarks.tenants", description=__doc__)
    parser.add_argument("--tenants", type=number(0, 400), nargs="+", default=[0, 10, 100])
    parser.add_argument("--repeats", type=number(1, 100), default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options: argparse.Namespace = parser.parse_args(arguments)
    return tell(lambda: measure(options.tenants, options.repeats), table, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
