"""A promotion's receipt: what was done, by whom, and the proof. Checked without a cluster."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from promotion.engine.manifest import Manifest
from promotion.engine.plan import Generation, Plan
from promotion.engine.ports import digest
from promotion.engine.verification import Receipt

FORMAT: Final = 1
# The steps that a promotion must have done before it may say that it succeeded.
PROOFS: Final = ("verify", "receipt")
# A release proves its clones in the step that hands over; again after a crash, it may have been.
PROOFS_OF_A_RELEASE: Final = ("receipt",)
# A reconciliation puts nothing live: it proves what it found, and records that.
PROOFS_OF: Final = {"release": PROOFS_OF_A_RELEASE, "reconcile": ("prove", "record")}
# What put a build's content live: there the generation and the build are compared.
OF_A_BUILD: Final = ("promote", "adopt")


class UnknownFormat(ValueError):
    """It is not a receipt, or one of a form that this console does not know."""


def seal(facts: Mapping[str, Any], sign: Callable[[str], str]) -> dict[str, Any]:
    """Return the facts with their digest, and a signature of it."""
    whole = {"format": FORMAT, **facts}
    name = digest(whole)
    return {**whole, "digest": name, "signature": sign(name)}


def problems(receipt: Mapping[str, Any], is_signed: Callable[[str, str], bool]) -> list[str]:
    """Return in words what is wrong with a receipt; empty where it is whole, signed and consistent.

    `is_signed` is asked with the digest and the signature.

    Raises:
        UnknownFormat: it is no receipt of a known form.
    """
    if not isinstance(receipt, Mapping) or receipt.get("format") != FORMAT:
        raise UnknownFormat(f"This is no receipt of format {FORMAT}.")
    facts = {name: value for name, value in receipt.items() if name not in {"digest", "signature"}}
    found = []
    try:
        if digest(facts) != receipt.get("digest"):
            found.append("Something in it was changed: its digest does not fit.")
        if not is_signed(str(receipt.get("digest")), str(receipt.get("signature"))):
            found.append("It was not signed by this console.")
        found += _inconsistent(facts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnknownFormat(f"A part of it is missing or misshapen: {error!r}.") from error
    return found


def written_to(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the indices whose sequence numbers moved, or are not known: traffic, most likely."""
    return sorted(name for name, numbers in before.items() if after.get(name) != numbers)


def _inconsistent(facts: Mapping[str, Any]) -> list[str]:
    found = []
    plan = Plan.from_dict(facts["plan"]) if facts["plan"] else None
    if plan is not None and plan.digest != facts["plan_digest"]:
        found.append("The plan is not the one of the plan's digest.")
    protected = facts["protected"]
    differences = []
    if protected["after"] is not None:
        before, after = (Receipt.from_dict(protected[when]) for when in ("before", "after"))
        differences = before.differences(after)
    if differences != protected["differences"]:
        found.append("What it says of the protected indices does not follow from their UUIDs.")
    # Earlier receipts have none.
    writes = protected.get("writes") or {"before": {}, "after": {}}
    due = written_to(writes["before"], writes["after"]) if protected["after"] is not None else []
    if due != protected.get("written", []):
        found.append("What it says was written to does not follow from the sequence numbers.")
    if facts["status"] != "succeeded":
        return found
    done = {step["name"] for step in facts["steps"] if step["status"] == "succeeded"}
    proofs = PROOFS_OF.get(facts["kind"], PROOFS)
    if missing := [name for name in proofs if name not in done]:
        found.append(f"It says that it succeeded without the step {', '.join(missing)}.")
    live = facts["generations"]["after"]
    if live is not None and facts["kind"] in OF_A_BUILD:
        held = Generation.from_dict(live).resources
        content = Manifest({name: one.tree for name, one in held.items()}).content
        if content != facts["build"]["content"]:
            found.append("What went live is not the content of the build.")
    return found
