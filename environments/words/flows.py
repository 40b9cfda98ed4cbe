"""What a flow does, as far as a sentence says it: steps, segments, and what it calls.

Pure: no Django, no I/O. A flow's graph is large, and holds settings; what is kept of it is small,
and holds ids alone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from environments.documents import DocumentError, decoded
from environments.masking import is_masked, masked
from environments.references import mentions
from environments.words.reading import inner, items, words

_NODE: Final = re.compile(r"production\.flowGraph\.nodes\[(\d+)\]\.data\.spec\.(.*)", re.DOTALL)
# So many ids of one sort are kept of a flow.
_MOST: Final = 100


@dataclass(frozen=True)
class FlowFacts:
    """What is deployed of a flow. `steps` is None where it cannot be read, 0 where nothing is.

    Segments are those that it adds visitors to, takes them out of, and names otherwise. `others`
    are references that are no segment, as (resource, id).
    """

    steps: int | None = None
    adds: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    others: tuple[tuple[str, str], ...] = ()


def flow_facts(production: object) -> FlowFacts:
    """Return what a flow's deployed graph, packed as Tracardi stores it, does.

    Nothing that looks like a secret is kept: not even as the name of a segment.
    """
    if not production:
        return FlowFacts(0)
    try:
        plain = decoded("flow", {"production": production})["production"]
    except DocumentError:
        return FlowFacts()
    graph = inner(plain, "flowGraph")
    if not isinstance(graph, Mapping):
        return FlowFacts()
    nodes = items(graph.get("nodes"))
    sorts: dict[str, dict[str, None]] = {"adds": {}, "removes": {}, "names": {}}
    others: dict[tuple[str, str], None] = {}
    for place, target, doc_id, _soft, _name in mentions("flow", "", {"production": plain}):
        if is_masked(masked(target, {"id": doc_id})["id"]) or len(others) >= _MOST:
            continue
        if target != "segment":
            others[target, doc_id] = None
            continue
        for sort in _sorts(nodes, place):
            if len(sorts[sort]) < _MOST:
                sorts[sort][doc_id] = None
    kept = {sort: tuple(found) for sort, found in sorts.items()}
    return FlowFacts(len(nodes), others=tuple(others), **kept)


def _sorts(nodes: list[Any], place: str) -> Iterator[str]:
    """Yield what becomes of a segment that a node names."""
    at = _NODE.fullmatch(place)
    if at is None:
        yield "names"
        return
    spec = inner(nodes[int(at[1])], "data", "spec")
    action = words(inner(spec, "className"))
    side = at[2].removeprefix("init.")
    if side.startswith(("true_segment", "false_segment")):
        # Whether a visitor is added or taken out is told apart for each side.
        wanted = words(inner(spec, "init", f"{side.partition('_')[0]}_action"))
        yield {"add": "adds", "remove": "removes"}.get(wanted.lower(), "names")
    elif action == "AddSegmentAction":
        yield "adds"
    elif action == "DeleteSegmentAction":
        yield "removes"
    else:
        yield "names"
