"""Runs of workflow tests as JUnit XML, which continuous integration reads."""

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as Xml

from promotion.models import RunResult, SuiteRun

_UNFIT: Final = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


def report(runs: Sequence[SuiteRun]) -> bytes:
    """Return a report of runs: a suite each, a case a test."""
    root = Xml.Element("testsuites", name="Workflow tests")
    for run in runs:
        results = list(run.results.select_related("test"))
        counts = [result.status for result in results]
        suite = Xml.SubElement(
            root,
            "testsuite",
            name=_clean(run.suite.name),
            tests=str(len(results)),
            failures=str(counts.count(RunResult.Status.FAILED)),
            errors=str(counts.count(RunResult.Status.ERRORED)),
            time=f"{sum(result.seconds for result in results):.3f}",
            timestamp=run.started_at.isoformat(),
        )
        for result in results:
            _case(suite, run, result)
        if run.status in {SuiteRun.Status.ERRORED, SuiteRun.Status.CANCELLED}:
            # Of a run that was cut short the tests that never ran are in no case.
            name = _clean(run.suite.name)
            case = Xml.SubElement(suite, "testcase", classname=name, name="the whole run")
            Xml.SubElement(case, "error", message=_clean(run.message))
    Xml.indent(root)
    body: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _case(suite: Xml.Element, run: SuiteRun, result: RunResult) -> None:
    case = Xml.SubElement(
        suite,
        "testcase",
        classname=_clean(run.suite.name),
        name=_clean(result.test.name),
        time=f"{result.seconds:.3f}",
    )
    missed = [f"{o['expected']}: {o['happened']}" for o in result.outcomes if not o["ok"]]
    if result.status == RunResult.Status.FAILED:
        Xml.SubElement(case, "failure", message=_clean("; ".join(missed)))
    elif result.status == RunResult.Status.ERRORED:
        Xml.SubElement(case, "error", message=_clean(result.message))


def _clean(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return _UNFIT.sub("", text)
