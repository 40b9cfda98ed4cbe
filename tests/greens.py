"""After each test that runs suites: nothing is green that nothing proves; and what was tried.

As a plugin of pytest (`-p tests.greens`) it ends with one line. The fixture `greens` is for modules
whose tests run suites: it fails a test after which a run is green that should not be.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.reporting import reporter_of

if TYPE_CHECKING:
    # As a plugin it is loaded before Django is.
    from devtools.standin.server import StandIn

# What a test recorded of itself, by its properties.
EXPECTATIONS, FALSE = "expectations", "false greens"
# Tests in which the network fails, by a part of their names.
FAULTS = (
    "without_a_proper_answer",
    "where_nothing_answers",
    "tracardi_that_does_not_answer",
    "search_engine_that",
)


def false_greens(standins: list["StandIn"]) -> list[str]:
    """Return the runs and results that are green though they should not be, in words."""
    from promotion.models import RunResult, SuiteRun

    found = []
    # What a server answers wrongly on purpose it does not take for a visit.
    heard = Counter(str(one["session"]["id"]) for server in standins for one in server.visits)
    passed = RunResult.Status.PASSED
    for result in RunResult.objects.filter(status=passed).select_related("run", "test"):
        if not result.outcomes or not all(one["ok"] for one in result.outcomes):
            found.append(f"{result}: not each expectation held")
        if len(result.outcomes) != len(result.test.test.expected):
            found.append(f"{result}: not each expectation was judged")
        exchange = json.loads(result.exchange)
        arrived = sum(heard[one["sent"]["session"]["id"]] for one in exchange[:1])
        if standins and arrived != len(result.test.test.events):
            found.append(f"{result}: the server did not answer each of its events")
    for run in SuiteRun.objects.all():
        statuses = list(run.results.values_list("status", flat=True))
        whole = len(statuses) == len(run.chosen) and set(statuses) == {passed}
        if run.status == SuiteRun.Status.PASSED and not whole:
            found.append(f"{run}: not each test passed")
        if run.content and not (run.is_whole and len(statuses) == len(run.chosen)):
            found.append(f"{run}: counts for a content, and not each test ran")
        if run.content and run.status not in {SuiteRun.Status.PASSED, SuiteRun.Status.FAILED}:
            found.append(f"{run}: counts for a content, and never came to its end")
    return found


@pytest.fixture
def greens(db: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """After the test: nothing is green that should not be."""
    from promotion.models import RunResult

    yield
    standins = [one for one in [request.node.funcargs.get("standin")] if one is not None]
    wrong = false_greens(standins)
    judged = sum(len(one) for one in RunResult.objects.values_list("outcomes", flat=True))
    request.node.user_properties += [(EXPECTATIONS, judged), (FALSE, len(wrong))]
    assert not wrong, "; ".join(wrong)


def line(names: list[str], properties: list[tuple[str, object]]) -> str:
    """Return in words what tests of these names tried, and what they recorded."""
    judged, false = (
        sum(int(str(value)) for name, value in properties if name == what)
        for what in (EXPECTATIONS, FALSE)
    )
    faults = sum(any(part in name for part in FAULTS) for name in names)
    return (
        f"Tried: {len(names)} tests, {judged} expectations, {faults} network faults. "
        f"False greens found: {false}."
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Print the line after everything else that a run prints."""
    yield
    reporter = reporter_of(session)
    if reporter is None:
        return
    ended = [one for o in ("passed", "failed") for one in reporter.stats.get(o, [])]
    # A property of a fixture's end is in the report of the teardown, which is in none of these.
    reports = [*ended, *reporter.stats.get("", []), *reporter.stats.get("error", [])]
    by_test = {one.nodeid: one.user_properties for one in reports}
    by_test |= {one.nodeid: one.user_properties for one in reports if one.when == "teardown"}
    properties = [pair for pairs in by_test.values() for pair in pairs]
    reporter.write_line(line([one.nodeid for one in ended], properties))
