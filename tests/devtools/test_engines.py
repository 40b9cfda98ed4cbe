"""The run over all engines says what it came to, and is never good without a test."""

from pathlib import Path

import pytest

from devtools.elasticsearch.node import Engine
from devtools.engines import Outcome, counts_in, main, run

ENGINE = Engine.OPENSEARCH_2_19


def test_a_report_is_counted(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite tests="9" failures="1" errors="2" skipped="1"/></testsuites>'
    )
    assert counts_in(report) == {"passed": 5, "failed": 1, "broken": 2, "skipped": 1}
    assert counts_in(tmp_path / "none.xml") == {}


@pytest.mark.parametrize(
    ("counts", "ended", "words"),
    [
        ({"passed": 5, "failed": 0}, 0, "OpenSearch 2.19.1: ok: 5 passed, 61 s"),
        ({"passed": 4, "failed": 1}, 1, "OpenSearch 2.19.1: FAILED: 4 passed, 1 failed, 61 s"),
        # Ended from outside, whatever the report says.
        ({"passed": 5}, 2, "OpenSearch 2.19.1: FAILED: 5 passed, 61 s"),
        ({}, 0, "OpenSearch 2.19.1: FAILED: no test ran, 61 s"),
    ],
)
def test_an_outcome_is_one_line(counts: dict[str, int], ended: int, words: str) -> None:
    assert str(Outcome(ENGINE, counts, 61.4, ended)) == words


def test_a_run_without_a_test_is_not_good(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # None of these needs an engine, so none is left to run.
    monkeypatch.setattr("devtools.engines.jars", lambda _engine: Path())
    outcome = run(ENGINE, 1, ["tests/engine/test_preflight.py"])
    assert outcome.ended == 5
    assert not outcome.is_good
    monkeypatch.setattr("devtools.engines.run", lambda *_arguments: outcome)
    monkeypatch.setattr("sys.argv", ["engines", "--engine", ENGINE.value])
    assert main() == 1
    assert "OpenSearch 2.19.1: FAILED: no test ran" in capfd.readouterr().out
