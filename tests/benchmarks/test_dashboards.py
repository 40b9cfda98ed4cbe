"""The dashboards' benchmark in short: it runs, and its results have their shape."""

import json

from tests.benchmarks.test_growth import run


def test_a_dashboard_is_measured_beside_plain_queries(elasticsearch_url: str) -> None:
    short = "--events 600 --times 1 --json"
    done = run(elasticsearch_url, "benchmarks.dashboards", *short.split())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["documents"]["event"] == 600
    assert set(found["ranges"]) == {"7d", "30d", "90d"}
    for ways in found["ranges"].values():
        assert {"first paint", "all tiles, cold", "plain, cold"} <= set(ways)
        assert all(0 < one["least"] <= one["median"] <= one["most"] for one in ways.values())
