"""What runs of workflow tests say of a build's content, and whether that is enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F

from promotion.models import Build, Suite, SuiteRun
from promotion.workflow_models import newest_by


@dataclass(frozen=True)
class Proof:
    """One suite as it is now, with the newest run of it that counts for a content, if any.

    An earlier version of the suite proves nothing of what it asks for now.
    """

    suite: Suite
    run: SuiteRun | None

    @property
    def is_green(self) -> bool:
        return self.run is not None and self.run.status == SuiteRun.Status.PASSED

    @property
    def is_required(self) -> bool:
        return self.suite.requirement != Suite.Requirement.NOTHING

    @property
    def words(self) -> str:
        """What the newest run says, for people."""
        if self.run is None:
            return f"version {self.suite.version} has no run on this content"
        return f"version {self.run.suite_version} {self.run.status} in run {self.run.pk}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "suite": self.suite.name,
            "version": self.suite.version,
            "requirement": self.suite.requirement,
            "run": self.run.pk if self.run is not None else None,
            "status": self.run.status if self.run is not None else None,
        }


def proofs(build: Build) -> list[Proof]:
    """Return each suite of a build's environment with what it says of the build's content."""
    suites = list(Suite.objects.in_use().filter(environment=build.environment_id))
    newest: dict[int, SuiteRun] = {}
    if suites:
        runs = SuiteRun.objects.filter(
            suite__in=suites, content=build.content, suite_version=F("suite__version")
        )
        held = newest_by("suite", runs).select_related("suite", "requested_by")
        newest = {run.suite_id: run for run in held}
    return [Proof(suite, newest.get(suite.pk)) for suite in suites]


def proof_problem(shown: Sequence[Proof], comment: str) -> str:
    """Return why workflow tests keep a build from being approved, or an empty string."""
    open_ones = [one for one in shown if one.is_required and not one.is_green]
    if not open_ones:
        return ""
    words = "; ".join(f"suite {one.suite.name}: {one.words}" for one in open_ones)
    if any(one.suite.requirement == Suite.Requirement.RUN for one in open_ones):
        return (
            f"Not proved by its workflow tests: {words}. Your verdict was not kept. Run them first."
        )
    if not comment.strip():
        return (
            f"Not proved by its workflow tests: {words}. Your verdict was not kept. Run them, or "
            "write in the comment why it is approved all the same."
        )
    return ""
