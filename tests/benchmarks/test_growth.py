"""The growth and page benchmarks in short: they run, and their results have their shape."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def run(url: str, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", module, *arguments],
        cwd=PROJECT,
        env={**os.environ, "TEST_ELASTICSEARCH_URL": url},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.long
def test_growth_gives_one_figure_a_size_and_a_plot(elasticsearch_url: str, tmp_path: Path) -> None:
    plot = tmp_path / "growth.svg"
    short = f"--documents 40 60 --repeats 1 --json --plot {plot}"
    done = run(elasticsearch_url, "benchmarks.growth", *short.split())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["documents"] == [40, 60]
    assert found["ratio_to_400"][0] == 1
    for curve in (found["seconds"], found["worker_peak_mb"], *found["parts"].values()):
        assert len(curve) == 2
        assert all(value > 0 for value in curve)
    assert plot.read_text().count("<polyline") == 5


def test_each_page_is_measured(elasticsearch_url: str) -> None:
    short = "--builds 3 --tenants 2 --documents 60 --times 2 --json"
    done = run(elasticsearch_url, "benchmarks.pages", *short.split())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["environments"] == 6
    assert {"home", "build", "promote", "compare, all changed", "document, a flow"} <= set(
        found["pages"]
    )
    assert all(0 < page["median"] <= page["p95"] for page in found["pages"].values())


@pytest.mark.long
def test_one_tenant_is_measured_among_others() -> None:
    # It changes the limits of its cluster, so it starts one of its own.
    short = "--tenants 0 1 --repeats 1 --json"
    done = run("", "benchmarks.tenants", *short.split())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tenants"] == [0, 1]
    assert found["indices"][1] - found["indices"][0] >= 40
    assert found["ratio"]["job"][0] == 1
    assert all(one > 0 for of in found["seconds"].values() for one in of)


def test_bad_input_is_one_clear_line() -> None:
    wrong = {"growth": "--documents 0", "pages": "--builds none", "tenants": "--tenants x"}
    for module, arguments in wrong.items():
        done = run("http://127.0.0.1:1", f"benchmarks.{module}", *arguments.split())
        assert done.returncode == 2
        assert done.stderr.startswith(f"python -m benchmarks.{module}: error: ")
        assert done.stderr.count("\n") == 1
