"""The receipt: that a promotion touched none of the protected and shared indices."""

from promotion.engine.verification import Receipt, receipt
from promotion.models import Promotion
from promotion.planning import indices_of
from promotion.writer import ClusterWriter


def keep_before(writer: ClusterWriter, promotion: Promotion) -> None:
    """Keep what the protected indices are before anything is changed; once."""
    if promotion.receipt is None:
        promotion.receipt = {"before": _now(writer, promotion)}
        promotion.save(update_fields=["receipt"])


def complete(writer: ClusterWriter, promotion: Promotion) -> str:
    """Compare with what they are now, keep both, and return the outcome in words."""
    kept = promotion.receipt or {"before": {}}
    after = _now(writer, promotion)
    differences = _receipt(kept["before"]).differences(_receipt(after))
    promotion.receipt = {**kept, "after": after, "differences": differences}
    promotion.save(update_fields=["receipt"])
    if differences:
        return f"Not by this promotion, but meanwhile: {'; '.join(differences)}"
    return f"{len(kept['before'])} protected indices are as they were"


def _now(writer: ClusterWriter, promotion: Promotion) -> dict[str, list[str]]:
    environment = promotion.environment
    found = receipt(environment.naming, indices_of(writer, environment))
    return {name: list(value) for name, value in found.indices.items()}


def _receipt(kept: dict[str, list[str]]) -> Receipt:
    return Receipt({name: (value[0], value[1]) for name, value in kept.items()})
