"""Measures how promoting one changed document grows with the resource that it is in.

    python -m benchmarks.growth [--documents N ...] [--repeats 5] [--json] [--plot FILE]

Each size has an engine, a database and a worker process of its own, whose peak memory is told.
"""

import argparse
import json
import resource
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.data import LARGEST, SMALLEST, Configuration, Key
from benchmarks.promotion import (
    MOST_REPEATS,
    BenchmarkError,
    Parser,
    console,
    engine,
    number,
    say,
)
from devtools.demo.children import Stopped, stop_on_signals
from devtools.demo.state import PROJECT, DemoError
from devtools.elasticsearch.node import NodeError

SIZES: Final = (400, 4_000, 20_000, 100_000)
PARTS: Final = ("capture", "prepare", "cutover", "verify")
MEGABYTE: Final = 1024 * 1024
VERSION: Final = "0.8.1"


def measure(documents: int, repeats: int, *, in_memory: bool) -> Mapping[str, Any]:
    """Fill both sides with so many documents, and have a process of its own promote."""
    with console(), engine(in_memory=in_memory) as (url, own):
        from benchmarks.sets import create, remove, write
        from environments.catalogue import catalogue_for
        from environments.elastic import connect
        from environments.models import Cluster
        from environments.naming import Naming, Side

        configuration = Configuration.one_large(documents)
        connection = connect(Cluster.objects.create(name="Benchmark", url=url))
        tenant = f"bench-{secrets.token_hex(4)}"
        sides = [Naming(catalogue_for(VERSION), tenant, side) for side in Side]
        try:
            say(f"{documents:,} documents: filling")
            for naming in sides:
                create(connection, naming, whole=naming.side is Side.PRODUCTION)
                write(connection, naming, configuration, configuration.keys, "first")
            say(f"{documents:,} documents: promoting")
            command = [sys.executable, "-m", "benchmarks.growth", "--work", tenant]
            command += ["--documents", str(documents), "--repeats", str(repeats)]
            return _run(command, f"Promoting among {documents:,} documents")
        finally:
            if not own:
                for naming in sides:
                    remove(connection, naming)


def apart(documents: int, options: argparse.Namespace) -> Mapping[str, Any]:
    """Measure one size in a process, engine and database of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", "--one-size"]
    command += ["--documents", str(documents), "--repeats", str(options.repeats)]
    command += ["--in-memory"] if options.in_memory else []
    return _run(command, f"Measuring {documents:,} documents")


def _run(command: list[str], what: str) -> Mapping[str, Any]:
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)  # noqa: S603
    if done.returncode != 0:
        raise BenchmarkError(f"{what} failed; its words are above.")
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def work(tenant: str, documents: int, repeats: int) -> Mapping[str, Any]:
    """Adopt, capture, and promote one changed document again and again; the measured process."""
    import django

    django.setup()
    from benchmarks.ours import People, Pipeline
    from benchmarks.sets import timed
    from environments.models import Cluster
    from promotion.drift import check
    from promotion.promotions import promote

    configuration = Configuration.one_large(documents)
    samples: dict[str, list[float]] = {}
    whole: list[Pipeline] = []

    def begin() -> None:
        people, cluster = People(), Cluster.objects.get()
        whole.append(Pipeline(people, cluster, tenant, configuration, filled=True))

    samples["adopt and capture"] = [timed(begin)]
    pipeline = whole[0]
    admin, target = pipeline.people.admin, pipeline.production
    for repeat in range(repeats + 1):
        pipeline.change([Key("rule", 0)], f"change {repeat}")
        seconds = pipeline.job(
            lambda build, ready: promote(admin, build, target, plan_digest=ready.plan_digest)
        )
        seconds["check for drift"] = timed(lambda: check(target))
        if repeat:
            # The first one warms up.
            for part, value in seconds.items():
                samples.setdefault(part, []).append(value)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE
    return {"documents": documents, "samples": samples, "worker_peak_mb": round(peak, 1)}


def curves(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one object with a list for each curve, in the order of the sizes."""
    jobs = [median(run["samples"]["job"]) for run in runs]
    parts = [*PARTS, "adopt and capture", "check for drift"]
    return {
        "documents": [run["documents"] for run in runs],
        "seconds": [round(job, 4) for job in jobs],
        "ratio_to_400": [round(job / jobs[0], 3) for job in jobs],
        "worker_peak_mb": [run["worker_peak_mb"] for run in runs],
        "spread": [
            [round(min(run["samples"]["job"]), 4), round(max(run["samples"]["job"]), 4)]
            for run in runs
        ],
        "parts": {part: [round(median(run["samples"][part]), 4) for run in runs] for part in parts},
    }


def table(found: Mapping[str, Any]) -> str:
    """Return the curves for people."""
    first = found["documents"][0]
    lines = [
        f"| documents | whole job, s | to {first:,} | capture | prepare | cutover | verify "
        "| check for drift | adopt and first capture | worker's peak, MB |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for n, documents in enumerate(found["documents"]):
        least, most = found["spread"][n]
        parts = [found["parts"][part][n] for part in (*PARTS, "check for drift")]
        cells = [
            f"{documents:,}",
            f"{found['seconds'][n]:.3f} ({least:.3f} to {most:.3f})",
            f"{found['ratio_to_400'][n]:.2f}",
            *(f"{value:.3f}" for value in parts),
            f"{found['parts']['adopt and capture'][n]:.1f}",
            f"{found['worker_peak_mb'][n]:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the curves: a table, or one JSON object."""
    parser = Parser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument(
        "--documents", type=number(SMALLEST, LARGEST), nargs="+", default=list(SIZES), metavar="N"
    )
    parser.add_argument("--repeats", type=number(1, MOST_REPEATS), default=5)
    parser.add_argument(
        "--in-memory", action="store_true", help="keep the own engine's data off the disk"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves as SVG")
    # What it runs in processes of their own: one size, and the measured part of it.
    parser.add_argument("--one-size", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        found = work(options.work, options.documents[0], options.repeats)
        sys.stdout.write(json.dumps(found))
        return 0
    stop_on_signals()
    try:
        if options.one_size:
            found = measure(options.documents[0], options.repeats, in_memory=options.in_memory)
            sys.stdout.write(json.dumps(found))
            return 0
        sizes = sorted(set(options.documents))
        runs = [apart(size, options) for size in sizes]
    except (BenchmarkError, DemoError, NodeError) as error:
        say(str(error))
        return 1
    except Stopped:
        say("Stopped.")
        return 1
    result = curves(runs)
    if options.plot:
        from benchmarks.plot import draw

        options.plot.write_text(draw(result))
    sys.stdout.write(f"{json.dumps(result) if options.json else table(result)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
