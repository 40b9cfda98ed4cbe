"""What a check found, in words for people. Pure: no Django, no I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One result of a check: what happened, and what to do next. `code` is stable."""

    code: str
    severity: Severity
    message: str
    remedy: str
    subject: str = ""

    def to_dict(self) -> dict[str, str]:
        return {**asdict(self), "severity": self.severity.value}

    @classmethod
    def from_dict(cls, raw: Mapping[str, str]) -> Self:
        """Return the finding that `to_dict` was asked of."""
        return cls(
            code=raw["code"],
            severity=Severity(raw["severity"]),
            message=raw["message"],
            remedy=raw["remedy"],
            subject=raw.get("subject", ""),
        )


def errors(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.WARNING]
