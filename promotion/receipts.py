"""The receipt: that a promotion touched none of the protected and shared indices."""

from collections.abc import Mapping

from promotion.engine.ports import IndexState
from promotion.engine.verification import Receipt, receipt
from promotion.models import Promotion
from promotion.planning import indices_of
from promotion.writer import ClusterWriter


def keep_before(writer: ClusterWriter, promotion: Promotion) -> dict[str, IndexState]:
    """Keep what the protected indices are before anything is changed; once.

    Returns the states of all the environment's indices, which had to be read for it.
    """
    states = indices_of(writer, promotion.environment)
    if promotion.receipt is None:
        promotion.receipt = {"before": _facts(promotion, states)}
        promotion.save(update_fields=["receipt"])
    return states


def complete(promotion: Promotion, states: Mapping[str, IndexState]) -> str:
    """Compare with what they are now, keep both, and return the outcome in words."""
    kept = promotion.receipt or {"before": {}}
    after = _facts(promotion, states)
    differences = _receipt(kept["before"]).differences(_receipt(after))
    promotion.receipt = {**kept, "after": after, "differences": differences}
    promotion.save(update_fields=["receipt"])
    if differences:
        return f"Not by this promotion, but meanwhile: {'; '.join(differences)}"
    return f"{len(kept['before'])} protected indices are as they were"


def _facts(promotion: Promotion, states: Mapping[str, IndexState]) -> dict[str, list[str]]:
    found = receipt(promotion.environment.naming, states)
    return {name: list(value) for name, value in found.indices.items()}


def _receipt(kept: dict[str, list[str]]) -> Receipt:
    return Receipt({name: (value[0], value[1]) for name, value in kept.items()})
