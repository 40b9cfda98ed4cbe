"""The engine's answers to a dashboard's searches, whole or not. Pure: no Django, no I/O."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from environments.dashboards.queries import Ask
from environments.dashboards.tiles import State, Tile, changed
from environments.small_groups import may_be_small

Answer = Mapping[str, Any]
# What was not answered is not known: it counts nothing.
UNANSWERED: Final[Answer] = {"error": {}}
FAILED: Final = "It could not be counted. What the search engine said stands above."
LABELS: Final = {
    "event": "Events",
    "session": "Sessions",
    "profile": "Profiles",
    "event-source": "Event sources",
    "flow": "Flows",
    "segment": "Segments",
}


def trouble(label: str, answer: Answer) -> str:
    """Say in words what keeps an answer from being whole; empty if nothing does."""
    if "error" in answer:
        kind = answer["error"].get("type", "no details")
        return f"{label} could not be counted: the search engine refused ({kind})."
    shards = answer["_shards"]
    if shards["failed"]:
        return (
            f"{label}: {shards['failed']} of {shards['total']} parts of the data gave no answer, "
            "so the figures are too low. Open the page again in a moment."
        )
    if answer["timed_out"]:
        return (
            f"{label}: the search engine ran out of time, so the figures are too low. "
            "Take a shorter range, or open the page again in a moment."
        )
    return ""


def total_of(answer: Answer) -> int | None:
    """Return how many documents a search found; None where it failed."""
    return None if "error" in answer else int(answer["hits"]["total"]["value"])


def found_in(answer: Answer) -> Answer:
    """Return a search's aggregations: none without an index, or where it failed."""
    aggregations: Answer = answer.get("aggregations", {})
    return aggregations


def count_of(answer: Answer, key: str) -> int | None:
    """Return how many documents one filter left, or how many values differ; None if it failed."""
    if "error" in answer:
        return None
    part = found_in(answer).get(key, {})
    return int(part.get("doc_count", part.get("value", 0)) or 0)


def buckets_of(answer: Answer, key: str) -> Sequence[Answer]:
    """Return the buckets of an aggregation, none where it is not there."""
    found: Sequence[Answer] = found_in(answer).get(key, {}).get("buckets", ())
    return found


def may_be_few(answer: Answer) -> bool:
    """Answer whether a search's events may be of too few visitors to be broken down."""
    return may_be_small(count_of(answer, "visitors"), total_of(answer))


def first_of(answer: Answer) -> datetime | None:
    """Return when the first event was, as the answer to `reach()` says."""
    value = found_in(answer).get("first", {}).get("value")
    return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


def names_in(answer: Answer) -> dict[str, str]:
    """Return what the documents that a search found are called, by their ids."""
    hits = answer.get("hits", {}).get("hits", ())
    return {hit["_id"]: str(hit["_source"].get("name") or hit["_id"]) for hit in hits}


def share_of(part: int | None, whole: int | None) -> float | None:
    """Return a percentage; None where either is not known, or there is nothing."""
    return 100 * part / whole if whole and part is not None else None


class Answers:
    """The answers by what they are for; one that failed counts nothing."""

    def __init__(self, ask: Ask, answers: Mapping[str, Answer], asked: Mapping[str, str]) -> None:
        self.ask, self.period = ask, ask.period
        self._answers = answers
        self._troubles = {
            name: trouble(LABELS[asked[name]], answer) for name, answer in answers.items()
        }

    @property
    def notes(self) -> list[str]:
        return list(dict.fromkeys(words for words in self._troubles.values() if words))

    def failed(self, name: str) -> bool:
        return "error" in self._of(name)

    def is_short(self, name: str) -> bool:
        """Answer whether a search counted less than there is; one that was not asked did not."""
        return bool(self._troubles.get(name))

    def state(self, name: str) -> State:
        if self.failed(name):
            return State.FAILED
        return State.PARTIAL if self._troubles[name] else State.WHOLE

    def total(self, name: str) -> int | None:
        return total_of(self._of(name))

    def found(self, name: str) -> Answer:
        return found_in(self._of(name))

    def count(self, name: str, key: str) -> int | None:
        return count_of(self._of(name), key)

    def buckets(self, name: str, key: str) -> Sequence[Answer]:
        return buckets_of(self._of(name), key)

    def may_be_few(self, name: str) -> bool:
        """Answer whether a search's events may be of too few visitors to be broken down."""
        return may_be_few(self._of(name))

    def first(self) -> datetime | None:
        return first_of(self._of("reach"))

    def names(self, name: str) -> dict[str, str]:
        return names_in(self._of(name))

    def documents(self, name: str) -> Sequence[Answer]:
        hits: Sequence[Answer] = self._of(name).get("hits", {}).get("hits", ())
        return hits

    def _of(self, name: str) -> Answer:
        # What was not asked for is not known either.
        return self._answers.get(name, UNANSWERED)


def without(tile: Tile, got: Answers, name: str) -> Tile:
    """Return a tile that has nothing to show, with why."""
    if got.failed(name):
        return changed(tile, state=State.FAILED, note=FAILED)
    return changed(tile, state=State.EMPTY, note="Nothing of this kind happened in this time.")
