"""The second way to count a funnel: from whole lists of events, slowly, and by other means."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby, permutations, product

# Of whom, when in milliseconds, and what.
Event = tuple[str, int, str]


def reached(events: Iterable[tuple[int, str]], steps: Sequence[str]) -> int:
    """Return how far one visitor came: all ways through his moments are followed at once."""
    ways = {0}
    for _, moment in groupby(sorted(events), key=lambda one: one[0]):
        there = Counter(type for _, type in moment)
        ways |= {
            end
            for start in ways
            for end in range(start, len(steps) + 1)
            if Counter(steps[start:end]) <= there
        }
    return max(ways)


def by_each_order(events: Sequence[tuple[int, str]], steps: Sequence[str]) -> int:
    """Return the same by trying each order that the events may have had."""
    moments = [
        list(permutations(type for _, type in moment))
        for _, moment in groupby(sorted(events), key=lambda one: one[0])
    ]
    best = 0
    for order in product(*moments):
        left = iter([type for moment in order for type in moment])
        taken = 0
        for step in steps:
            if step not in left:
                break
            taken += 1
        best = max(best, taken)
    return best


def visitors(events: Iterable[Event], steps: Sequence[str]) -> list[int]:
    """Return how many visitors reached each step."""
    by_profile: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for profile, time, type in events:
        by_profile[profile].append((time, type))
    ends = [reached(own, steps) for own in by_profile.values()]
    return [sum(end > step for end in ends) for step in range(len(steps))]
