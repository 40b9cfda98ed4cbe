"""The benchmark in short: it runs, its results have their shape, and no reader of ours saw a mix.

No time is checked: the machine that runs the tests has other things to do.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.data import spread
from benchmarks.report import OURS, WANTED, tables

PROJECT = Path(__file__).resolve().parents[2]
RATIOS = {
    "cutover_to_t",
    "cutover_unlocked_to_t",
    "click_to_t",
    "one_document_job_to_t",
    "unchanged_capture_to_full",
}


def run(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "benchmarks.promotion", *arguments],
        cwd=PROJECT,
        # An engine of its own takes a while to start.
        env={**os.environ, "TEST_ELASTICSEARCH_URL": url},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_short_run_gives_all_figures_and_no_inconsistent_read(elasticsearch_url: str) -> None:
    short = "--documents 40 --changes one --repeats 1 --json"
    done = run(elasticsearch_url, *short.split())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["documents"] == sum(found["spread"].values()) == 40
    assert set(found["ratios"]) == {*RATIOS, "inconsistent_reads"} == set(WANTED)
    assert all(found["ratios"][name] > 0 for name in RATIOS)
    assert found["ratios"]["inconsistent_reads"] == found["inconsistent_reads"] == 0
    for way in ("tracardi", "reindex", *OURS):
        assert found["readers"][f"{way}/one"]["reads"] > 0
        for measured in found["seconds"][f"{way}/one"].values():
            assert 0 < measured["min"] <= measured["median"] <= measured["max"]
    assert "| cutover_to_t |" in tables(found)


@pytest.mark.parametrize("total", [20, 60, 400, 20_000])
def test_the_spread_has_every_document_and_every_resource(total: int) -> None:
    counts = spread(total)
    assert sum(counts.values()) == total
    assert min(counts.values()) >= 1


@pytest.mark.parametrize(
    "arguments", ["--documents 0", "--documents many", "--repeats 0", "--changes two"]
)
def test_bad_input_is_one_clear_line(arguments: str) -> None:
    done = run("http://127.0.0.1:1", *arguments.split())
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("python -m benchmarks.promotion: error: ")
    assert done.stderr.count("\n") == 1
