"""What is kept of a judged expectation: without secrets, for pages, files and the command line."""

from typing import Any

from environments.masking import MASK, masked
from promotion.engine.observed import Outcome, clean
from promotion.engine.workflow import VALUED


def told(one: Outcome) -> dict[str, Any]:
    """Return an outcome as it is kept.

    The value of a field whose name tells of a secret is masked, and so is a text that gives one
    away: the exchange beside it is masked in the same way.
    """
    found = one.to_dict()
    expectation = one.expectation
    if expectation.kind in VALUED:
        name = expectation.subject.rpartition(".")[2]
        if masked("event", {name: "x"}) != {name: "x"}:
            found["expected"] = one.expected.partition(" is ")[0] + f" is {MASK}"
            found["happened"] = one.happened if one.happened == "not there" else MASK
    for name in ("expected", "happened"):
        found[name] = clean(str(masked("event", {"message": found[name]})["message"]))
    found["subject"] = clean(found["subject"])
    return found
