"""Several searches in one request. Pure: no Django, no I/O."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from environments.naming import Naming


def together(naming: Naming, searches: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return the body of an `_msearch`, of searches each as (resource, body).

    Each asks the resource's own alias: one that is not there yet is an empty answer, not an error.
    """
    lines: list[object] = []
    for resource, body in searches:
        head = {"index": naming.alias(resource), "ignore_unavailable": True}
        lines += [head, body]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def is_whole(answer: Mapping[str, Any]) -> bool:
    """Answer whether one search's answer is of all that it asked for."""
    return not (
        "error" in answer or answer.get("timed_out") or answer.get("_shards", {}).get("failed")
    )
