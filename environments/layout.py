"""Places for the boxes of a picture: their own, spread until none covers another, or new ones.

Pure and deterministic. A layered layout: each box below those that lead to it, and near them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

Point: TypeAlias = tuple[float, float]
Pair: TypeAlias = tuple[str, str]

# Boxes beside each other; a longer layer goes on below.
WIDEST: Final = 12
_SWEEPS: Final = 4
# Own places that must be drawn apart by more than this say little about where things stand.
_MOST_SPREAD: Final = 2.5
# So many are compared with each other at most.
_MOST: Final = 1_500
# Own places may leave as much room a box, and no more.
_EMPTY: Final = 12


def _neighbours(ids: Iterable[str], edges: Iterable[Pair]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {one: [] for one in ids}
    for source, target in edges:
        if source != target and source in found and target in found:
            found[source].append(target)
    return found


def _forward(ids: Sequence[str], edges: Collection[Pair]) -> list[Pair]:
    """Return the edges without those that close a cycle; the search is without recursion."""
    after = _neighbours(ids, edges)
    entered = {target for source, target in edges if source != target}
    state: dict[str, int] = {}
    kept = []
    # From where a flow begins: an edge back to there is then the one that is left out.
    for start in [*(one for one in ids if one not in entered), *ids]:
        stack = [(start, iter(after[start]))] if start not in state else []
        state.setdefault(start, 1)
        while stack:
            here, ways = stack[-1]
            target = next(ways, None)
            if target is None:
                state[here] = 2
                stack.pop()
            elif state.get(target) != 1:
                kept.append((here, target))
                if target not in state:
                    state[target] = 1
                    stack.append((target, iter(after[target])))
    return kept


def layers(ids: Sequence[str], edges: Collection[Pair]) -> list[list[str]]:
    """Return the ids by layer: each as far down as the longest way to it; cycles are cut."""
    forward = _forward(ids, edges)
    after = _neighbours(ids, forward)
    depth = dict.fromkeys(ids, 0)
    waiting = dict.fromkeys(ids, 0)
    for _, target in forward:
        waiting[target] += 1
    ready = [one for one in ids if not waiting[one]]
    for here in ready:
        for target in after[here]:
            depth[target] = max(depth[target], depth[here] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    found: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for one in ids:
        found[depth[one]].append(one)
    return found


def untangled(rows: Sequence[Sequence[str]], edges: Collection[Pair]) -> list[list[str]]:
    """Return the layers with their ids in an order in which fewer edges cross."""
    found = [list(row) for row in rows]
    ids = [one for row in found for one in row]
    downwards = _neighbours(ids, edges)
    upwards = _neighbours(ids, ((target, source) for source, target in edges))
    place: dict[str, float] = {}

    def settle(row: list[str]) -> None:
        # Relative places, so that a layer of two stands as wide as one of ten.
        place.update({one: (number + 0.5) / len(row) for number, one in enumerate(row)})

    for row in found:
        settle(row)
    for sweep in range(_SWEEPS):
        near, order = (upwards, found) if sweep % 2 == 0 else (downwards, found[::-1])
        for row in order:
            row.sort(key=_middle(near, place))
            settle(row)
    return found


def _middle(near: Mapping[str, list[str]], place: Mapping[str, float]) -> Callable[[str], float]:
    def key(one: str) -> float:
        around = [place[other] for other in near[one]]
        return sum(around) / len(around) if around else place[one]

    return key


def aligned(rows: Sequence[Sequence[str]], edges: Collection[Pair]) -> dict[str, float]:
    """Return how far along its row each id stands, in boxes: near its neighbours, one apart."""
    near = _neighbours((one for row in rows for one in row), [*edges, *((b, a) for a, b in edges)])
    at = {one: number - (len(row) - 1) / 2 for row in rows for number, one in enumerate(row)}
    for _ in range(_SWEEPS):
        for row in filter(None, rows):
            key = _middle(near, at)
            wanted = [key(one) for one in row]
            for number in range(1, len(row)):
                wanted[number] = max(wanted[number], wanted[number - 1] + 1)
            # What was pushed to the right is given back by half, so that the middle stays.
            shift = sum(w - key(one) for w, one in zip(wanted, row, strict=True)) / len(row)
            at.update({one: w - shift for w, one in zip(wanted, row, strict=True)})
    return at


def anew(ids: Sequence[str], edges: Collection[Pair], step: Point) -> dict[str, Point]:
    """Return new places of the boxes' top left corners; `step` is from one box to the next."""
    rows: list[list[str]] = []
    for row in untangled(layers(ids, edges), edges):
        rows.extend(row[start : start + WIDEST] for start in range(0, len(row), WIDEST))
    columns = aligned(rows, edges)
    left = min(columns.values(), default=0.0)
    return {
        one: (round((columns[one] - left) * step[0], 1), number * step[1])
        for number, row in enumerate(rows)
        for one in row
    }


def own(
    places: Mapping[str, Point], step: Point, apart: Callable[[str, str], bool]
) -> dict[str, Point] | None:
    """Return the boxes' own places, spread until none covers another; None where that is no use.

    `apart` says of two that they are never drawn together. A box needs `step` to itself.
    """
    if len(places) > _MOST:
        return None
    wide, tall = step
    ordered = sorted(places, key=lambda one: (places[one][1], places[one][0], one))
    spread = 1.0
    for number, one in enumerate(ordered):
        x, y = places[one]
        for other in ordered[number + 1 :]:
            across, down = abs(places[other][0] - x), places[other][1] - y
            if down >= tall:
                break
            if across < wide and not apart(one, other):
                needed = min(wide / across if across else 9.0, tall / down if down else 9.0)
                spread = max(spread, needed)
                if spread > _MOST_SPREAD:
                    return None
    left = min((x for x, _ in places.values()), default=0.0)
    top = min((y for _, y in places.values()), default=0.0)
    found = {
        one: (round((x - left) * spread, 1), round((y - top) * spread, 1))
        for one, (x, y) in places.items()
    }
    room = _EMPTY * (len(places) + 1)
    if any(x > room * wide or y > room * tall for x, y in found.values()):
        return None
    return found
