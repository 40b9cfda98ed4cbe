"""What can go wrong in the engine, by what it means for a promotion.

A *failed* promotion broke a rule, an *errored* one met broken machinery. `Temporary` may be tried
again within bounds, everything else may not.
"""

from environments.findings import Finding


class PromotionError(Exception):
    """Base of the package. `code` is stable, `str()` is for people."""

    code = "promotion"
    # Whether a promotion had begun, and ended by this; else it was refused before it began.
    ended_promotion = False

    def __init__(self, message: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message)
        self.findings = findings


class RuleBroken(PromotionError):
    """A rule said no: the promotion ends as failed, nothing was switched."""

    code = "rule-broken"


class PreflightFailed(RuleBroken):
    """A check before any write found an error."""

    code = "preflight"


class StalePlan(RuleBroken):
    """Something moved since the plan was made; nothing was overwritten."""

    code = "stale-plan"


class LeaseHeld(RuleBroken):
    """Another promotion, perhaps of another console, works on this environment."""

    code = "lease-held"


class LeaseLost(RuleBroken):
    """This worker's claim ran out or was taken over: it must not write any more."""

    code = "lease-lost"


class Aborted(RuleBroken):
    """A person stopped it."""

    code = "aborted"


class Mismatch(RuleBroken):
    """What was read back differs from what was written or recorded."""

    code = "mismatch"


class CaptureUnsettled(RuleBroken):
    """The environment kept changing while it was read."""

    code = "capture-unsettled"


class UnreadableDocument(RuleBroken):
    """A document cannot be captured, such as one that is too large."""

    code = "unreadable-document"


class MachineryError(PromotionError):
    """The engine refused or broke: the promotion ends as errored."""

    code = "machinery"


class Temporary(MachineryError):
    """The same request may succeed later."""

    code = "temporary"


class OutcomeUnknown(MachineryError):
    """A request was sent and no answer came: read the truth back before anything else."""

    code = "outcome-unknown"


class Unfinished(MachineryError):
    """Something was begun and could not be undone: the next worker reads the truth and goes on."""

    code = "unfinished"


class Conflict(MachineryError):
    """A compare-and-swap lost: somebody else wrote first."""

    code = "conflict"


class AccessDenied(MachineryError):
    """The cluster refuses the console's credentials or their rights."""

    code = "access-denied"
