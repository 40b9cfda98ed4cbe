"""Runs the tests that need an engine on each engine that the console supports, one after another.

Ends with a line an engine; the exit code is 1 where a test failed on one of them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devtools.elasticsearch.node import Engine, NodeError, jars

# Of these, what needs an engine (tests/conftest.py marks it). Left out are pages, browser, demo and
# benchmarks. All kills would take too long: each kind of work runs to its end once, and is killed
# after each kind of request that changes the cluster.
WHAT = (
    "tests/promotion",
    "tests/environments",
    "tests/devtools/test_mappings.py",
    "tests/devtools/test_demo_indices.py",
    "tests/faults",
    "tests/races",
)


@dataclass(frozen=True)
class Outcome:
    """What one engine's run came to; `ended` is pytest's exit code."""

    engine: Engine
    counts: Mapping[str, int]
    seconds: float
    ended: int

    @property
    def is_good(self) -> bool:
        return self.ended == 0 and self.counts.get("passed", 0) > 0

    def __str__(self) -> str:
        words = ", ".join(f"{count} {what}" for what, count in self.counts.items() if count)
        verdict = "ok" if self.is_good else "FAILED"
        return f"{self.engine.label}: {verdict}: {words or 'no test ran'}, {self.seconds:.0f} s"


def counts_in(report: Path) -> dict[str, int]:
    """Return how many tests passed, failed, broke and were skipped, by a JUnit report."""
    if not report.is_file() or not report.stat().st_size:
        return {}
    # Written by pytest a moment ago.
    suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314
    found = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in suites:
        for name in found:
            found[name] += int(suite.get(name, "0"))
    bad = found["failures"] + found["errors"] + found["skipped"]
    return {
        "passed": found["tests"] - bad,
        "failed": found["failures"],
        "broken": found["errors"],
        "skipped": found["skipped"],
    }


def run(engine: Engine, workers: int, arguments: Sequence[str]) -> Outcome:
    """Run the tests on one engine.

    Raises:
        NodeError: its jars cannot be had.
    """
    jars(engine)
    # An address that was given would be one and the same engine for all.
    environment = {k: v for k, v in os.environ.items() if k != "TEST_ELASTICSEARCH_URL"}
    environment |= {"TEST_ENGINE": engine.value, "ENV_FILE": "devtools/test.env"}
    which = list(arguments) or list(WHAT)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # Of many that are alike some, of each kind.
        marks = "engine and not long"
        command = [sys.executable, "-m", "pytest", "-q", "-m", marks, f"--junitxml={report}"]
        if workers > 1:
            command += ["-n", str(workers), "--dist", "loadfile"]
        done = subprocess.run([*command, *which], env=environment)  # noqa: S603
        return Outcome(engine, counts_in(report), time.monotonic() - began, done.returncode)


def main() -> int:
    """Run and report; tests or options of pytest's may follow `--`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--engine", type=Engine, choices=list(Engine), action="append", help="one engine alone"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("arguments", nargs="*", help="tests and options of pytest's, after --")
    options = parser.parse_args()
    outcomes = []
    for engine in options.engine or list(Engine):
        sys.stdout.write(f"{engine.label}\n")
        sys.stdout.flush()
        try:
            outcomes.append(run(engine, options.workers, options.arguments))
        except NodeError as error:
            sys.stderr.write(f"{error}\n")
            outcomes.append(Outcome(engine, {}, 0, 2))
    sys.stdout.write("\n" + "".join(f"{outcome}\n" for outcome in outcomes))
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
