"""`make audit`: asks for advisories against what requirements.lock pins.

It ends with 0 where there are none, 1 where there are, 2 where the file of exceptions cannot be
read, and 3 where advisories could not be looked up: nothing is known then, which is no pass.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).resolve().parents[1]
LOCK: Final = PROJECT / "requirements.lock"
EXCEPTIONS: Final = PROJECT / "devtools" / "audit-exceptions"
CLEAN, FOUND, UNREADABLE, UNKNOWN = 0, 1, 2, 3
# All look-ups together; each gets pip-audit's own 15 seconds.
_SECONDS: Final = 600


class BadExceptionsError(Exception):
    """The file of exceptions cannot be read. `str()` says where."""


class UnknownError(Exception):
    """Advisories could not be looked up. `str()` says why, in one line."""


@dataclass(frozen=True)
class Waiver:
    """An advisory that is left alone until a day, and why."""

    id: str
    until: date
    reason: str


@dataclass(frozen=True)
class Advisory:
    """One advisory against one pinned package; `ids` are all its names, the first one its own."""

    package: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.package}: {', '.join(self.ids)}, {fixed}"


def waivers(text: str) -> list[Waiver]:
    """Return what a file of exceptions leaves alone: lines of an id, a day and a reason.

    Raises:
        BadExceptionsError: a line is not so.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, day, reason = [*line.split(maxsplit=2), "", "", ""][:3]
        try:
            until = date.fromisoformat(day)
        except ValueError as error:
            raise BadExceptionsError(
                f"Line {number}: write an id, the day until which it holds as YYYY-MM-DD, and why."
            ) from error
        if not reason:
            raise BadExceptionsError(f"Line {number}: say why {name} is left alone.")
        found.append(Waiver(name, until, reason))
    return found


def look_up(lock: Path, service: Sequence[str]) -> list[Advisory]:
    """Return the advisories against what a lock file pins, as pip-audit finds them.

    Raises:
        UnknownError: not each package could be looked up.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip"]
    command += ["--format", "json", "--desc", "off", "--progress-spinner", "off", *service]
    try:
        # Our own interpreter, and arguments of our own.
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnknownError(f"no answer within {_SECONDS} s") from error
    try:
        report = json.loads(done.stdout)
        return advisories(report)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # It ends with 1 for what it found and for what broke alike: only its report tells.
        last = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        out_of_reach = "ConnectionError" in last or "connect to" in last
        raise UnknownError("nobody answers" if out_of_reach else last[:200]) from error


def advisories(report: dict[str, Any]) -> list[Advisory]:
    """Return the advisories of pip-audit's report.

    Raises:
        UnknownError: a package was left out, or all were: pip-audit calls that a success.
    """
    packages = report["dependencies"]
    if not packages:
        raise UnknownError("no package was looked at")
    if skipped := [one["name"] for one in packages if "skip_reason" in one]:
        raise UnknownError(
            f"{len(skipped)} of {len(packages)} packages were not found, such as {skipped[0]}"
        )
    return [
        Advisory(
            f"{one['name']} {one['version']}",
            (vuln["id"], *vuln.get("aliases", ())),
            tuple(vuln.get("fix_versions", ())),
        )
        for one in packages
        for vuln in one["vulns"]
    ]


def judged(
    found: Sequence[Advisory], waived: Sequence[Waiver], today: date
) -> tuple[list[Advisory], list[str]]:
    """Return the advisories that count, and what is to be said of the exceptions."""
    holding = {one.id: one for one in waived if one.until >= today}
    counting = [one for one in found if not holding.keys() & set(one.ids)]
    known = {name for one in found for name in one.ids}
    words = [
        f"Left alone until {one.until}: {one.id}: {one.reason}"
        for one in holding.values()
        if one.id in known
    ]
    words += [
        f"{one.id} is no longer found: take it out of devtools/audit-exceptions."
        for one in waived
        if one.id not in known
    ]
    words += [
        f"{one.id} was left alone until {one.until}, and counts again."
        for one in waived
        if one.until < today and one.id in known
    ]
    return counting, words


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit, say how it went, and return the code to end with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--exceptions", type=Path, default=EXCEPTIONS)
    options = parser.parse_args(arguments)
    # A mirror of the advisories, inside a network that does not let others be asked.
    url = os.environ.get("OSV_URL", "").strip()
    service = ["--vulnerability-service", "osv", *(["--osv-url", url] if url else [])]
    try:
        waived = waivers(options.exceptions.read_text())
        found = look_up(options.lock, service)
    except (BadExceptionsError, OSError) as error:
        sys.stderr.write(f"The audit was not done. {options.exceptions.name}: {error}\n")
        return UNREADABLE
    except UnknownError as error:
        sys.stderr.write(
            f"Advisories could not be looked up, so nothing is known about {options.lock.name}: "
            f"{error}. Run it where api.osv.dev can be reached, or set OSV_URL to a mirror.\n"
        )
        return UNKNOWN
    counting, words = judged(found, waived, datetime.now(UTC).date())
    for line in [*words, *map(str, counting)]:
        sys.stdout.write(f"{line}\n")
    if counting:
        sys.stdout.write(
            f"{len(counting)} advisories count: renew the lock with `make lock`, or add the id, a "
            "day and the reason to devtools/audit-exceptions.\n"
        )
        return FOUND
    sys.stdout.write(f"No advisory against {options.lock.name} counts.\n")
    return CLEAN


if __name__ == "__main__":
    sys.exit(main())
