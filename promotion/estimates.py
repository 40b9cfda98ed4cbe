"""How long the real thing will take: from what a rehearsal measured, and from earlier cutovers."""

from collections.abc import Mapping
from statistics import median
from typing import Any, Final

from environments.models import Environment
from promotion.models import Promotion, Step

# Of so many earlier cutovers the middle one is taken.
EARLIER: Final = 5


def measured(promotion: Promotion) -> dict[str, float]:
    """Return how many seconds each step of a promotion took, by name."""
    return {step.name: step.duration for step in promotion.steps.all()}


def _earlier(environment: Environment, name: str, kinds: list[Promotion.Kind]) -> list[float]:
    steps = Step.objects.filter(
        promotion__environment=environment,
        promotion__kind__in=kinds,
        promotion__status=Promotion.Status.SUCCEEDED,
        name=name,
        status=Step.Status.SUCCEEDED,
    ).order_by("-id")
    return [step.duration for step in steps[:EARLIER]]


def cutover_seconds(environment: Environment, fence: float) -> tuple[float | None, str]:
    """Estimate a cutover, fence and switch; return it with what it stands on, in words.

    `fence` is what one fence took just now, in seconds. None where nothing is known.
    """
    kinds = [Promotion.Kind.PROMOTE, Promotion.Kind.ROLLBACK]
    if cutovers := _earlier(environment, "cutover", kinds):
        many = f"{len(cutovers)} cutovers" if len(cutovers) > 1 else "cutover"
        return median(cutovers), f"the last {many} there"
    # The adoption's step is one request over all names, as the switch is.
    if switches := _earlier(environment, "switch", [Promotion.Kind.ADOPT]):
        return fence + median(switches), "this fence, and the switch when it was adopted"
    return None, "nothing was switched there yet"


def verification_seconds(environment: Environment) -> float | None:
    """Estimate a verification from earlier ones; None where nothing is known."""
    kinds = [Promotion.Kind.PROMOTE, Promotion.Kind.ROLLBACK, Promotion.Kind.ADOPT]
    earlier = _earlier(environment, "verify", kinds)
    return median(earlier) if earlier else None


def seconds(
    environment: Environment, *, preparation: float, fence: float, verification: float
) -> dict[str, Any]:
    """Return the parts and the whole of the real thing, in seconds.

    `cutover` is None, and left out of `total`, where nothing is known of one.
    """
    cutover, basis = cutover_seconds(environment, fence)
    total = preparation + (cutover or 0.0) + verification
    return {
        "preparation": round(preparation, 3),
        "fence": round(fence, 3),
        "cutover": round(cutover, 3) if cutover is not None else None,
        "cutover_from": basis,
        "verification": round(verification, 3),
        "total": round(total, 3),
    }


def time_words(took: Mapping[str, Any]) -> str:
    """Say in words what `seconds` returned."""
    cutover = f"{took['cutover']:.2f} s" if took["cutover"] is not None else "an unknown time"
    return (
        f"It will take about {took['total']:.1f} s: {took['preparation']:.1f} s to prepare, "
        f"{cutover} to switch, {took['verification']:.2f} s to verify."
    )


def many(count: int, one: str, several: str = "") -> str:
    """Return a number with its noun, such as `1 index` and `2,000 documents`."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
