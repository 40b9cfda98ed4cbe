"""`make audit`: advisories that count, none, and advisories that nobody could look up."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devtools.audit import (
    CLEAN,
    EXCEPTIONS,
    FOUND,
    LOCK,
    UNKNOWN,
    UNREADABLE,
    Advisory,
    BadExceptionsError,
    UnknownError,
    Waiver,
    advisories,
    judged,
    main,
    waivers,
)

LATER = "2999-01-01"


class Advisories(ThreadingHTTPServer):
    """A service of advisories as OSV's, on loopback; `known` has them by package."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.known: dict[str, list[str]] = {}
        self.status = 200
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Advisories

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name = asked["package"]["name"]
        self.server.asked.append(f"{name} {asked['version']}")
        ids = self.server.known.get(name, [])
        range_ = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}
        affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [range_]}]
        one = {"summary": "It is bad.", "aliases": ids[1:], "affected": affected}
        body = json.dumps({"vulns": [one | {"id": ids[0]}]} if ids else {}).encode()
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Advisories]:
    server = Advisories()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    monkeypatch.setenv("OSV_URL", f"http://127.0.0.1:{server.server_address[1]}/v1/query")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    made = tmp_path / "small.lock"
    lines = [f"{name}==1.2 --hash=sha256:{'0' * 64}\n" for name in ("first", "second")]
    made.write_text("".join(lines))
    return made


@pytest.fixture
def audit(lock: Path, tmp_path: Path) -> "Audit":
    return Audit(lock, tmp_path / "exceptions")


class Audit:
    """Runs the audit of a small lock file with some exceptions."""

    def __init__(self, lock: Path, exceptions: Path) -> None:
        self.lock, self.exceptions = lock, exceptions

    def __call__(self, text: str = "") -> int:
        self.exceptions.write_text(text)
        return main(["--lock", str(self.lock), "--exceptions", str(self.exceptions)])


def test_without_an_advisory_it_passes(
    service: Advisories, audit: Audit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit() == CLEAN
    assert sorted(service.asked) == ["first 1.2", "second 1.2"]
    assert "No advisory against small.lock counts." in capsys.readouterr().out


def test_an_advisory_is_told_and_fails(
    service: Advisories, audit: Audit, capsys: pytest.CaptureFixture[str]
) -> None:
    service.known["second"] = ["PYSEC-2026-1", "CVE-2026-0001"]
    assert audit() == FOUND
    told = capsys.readouterr().out
    assert "second 1.2: PYSEC-2026-1, CVE-2026-0001, fixed in 9.9" in told
    assert "devtools/audit-exceptions" in told


@pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-0001"])
def test_an_exception_holds_until_its_day_by_any_name(
    service: Advisories, audit: Audit, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    service.known["second"] = ["PYSEC-2026-1", "CVE-2026-0001"]
    assert audit(f"# Why\n\n{name} {LATER} Not used here\n") == CLEAN
    assert f"Left alone until {LATER}: {name}: Not used here" in capsys.readouterr().out
    assert audit(f"{name} 2020-01-01 Not used here\n") == FOUND
    assert "counts again" in capsys.readouterr().out
    service.known["first"] = ["PYSEC-2026-2"]
    assert audit(f"{name} {LATER} Not used here\n") == FOUND


@pytest.mark.parametrize("status", [404, 429, 500])
def test_a_service_that_refuses_is_no_pass(
    service: Advisories, audit: Audit, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    service.status = status
    assert audit() == UNKNOWN
    told = capsys.readouterr().err
    assert told.startswith("Advisories could not be looked up, so nothing is known")
    assert told.count("\n") == 1


def test_a_service_out_of_reach_is_no_pass(
    audit: Audit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OSV_URL", "http://127.0.0.1:9/v1/query")
    assert audit() == UNKNOWN
    assert capsys.readouterr().err.count("\n") == 1


def test_a_lock_that_cannot_be_read_is_no_pass(
    service: Advisories, audit: Audit, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("", "# nothing\n", "first\n", "first>=1 --hash=sha256:0\n"):
        audit.lock.write_text(text)
        assert audit() == UNKNOWN, text
    assert service.asked == []


@pytest.mark.parametrize(
    "text", ["PYSEC-1", "PYSEC-1 soon It is fine", f"PYSEC-1 {LATER}", "PYSEC-1 2026-13-01 x"]
)
def test_an_exception_without_a_day_and_a_reason_is_refused(
    service: Advisories, audit: Audit, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with pytest.raises(BadExceptionsError, match="Line 1"):
        waivers(text)
    assert audit(text) == UNREADABLE
    assert "The audit was not done." in capsys.readouterr().err
    assert service.asked == []


def test_packages_that_were_left_out_are_no_pass() -> None:
    """pip-audit ends well where an index knows none of them."""
    left_out = {"name": "second", "skip_reason": "not found"}
    with pytest.raises(UnknownError, match="1 of 2 packages were not found, such as second"):
        advisories({"dependencies": [{"name": "f", "version": "1", "vulns": []}, left_out]})
    with pytest.raises(UnknownError, match="no package was looked at"):
        advisories({"dependencies": []})


def test_an_exception_that_nothing_needs_is_told() -> None:
    waived = [Waiver("GONE-1", date(2999, 1, 1), "x")]
    counting, words = judged([Advisory("a 1", ("A-1",), ())], waived, date(2026, 1, 1))
    assert [str(one) for one in counting] == ["a 1: A-1, not fixed yet"]
    assert words == ["GONE-1 is no longer found: take it out of devtools/audit-exceptions."]


def test_the_real_lock_is_read_whole_and_the_real_exceptions_too(service: Advisories) -> None:
    waivers(EXCEPTIONS.read_text())
    done = subprocess.run(
        [sys.executable, "-m", "devtools.audit"], capture_output=True, text=True, check=False
    )
    assert done.returncode == CLEAN, done.stderr
    pinned = [line for line in LOCK.read_text().splitlines() if line[:1].isalpha()]
    here = [line for line in pinned if "sys_platform" not in line and "python_" not in line]
    assert len(here) > 80
    assert len(service.asked) >= len(here)
