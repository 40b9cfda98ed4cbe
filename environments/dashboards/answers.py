"""The engine's answers to a dashboard's searches, whole or not. Pure: no Django, no I/O."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from environments.dashboards.queries import Ask
from environments.dashboards.tiles import State, Tile, changed

Answer = Mapping[str, Any]
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
        return name not in self._answers or "error" in self._answers[name]

    def state(self, name: str) -> State:
        if self.failed(name):
            return State.FAILED
        return State.PARTIAL if self._troubles[name] else State.WHOLE

    def total(self, name: str) -> int | None:
        if self.failed(name):
            return None
        return int(self._answers[name]["hits"]["total"]["value"])

    def has_index(self, name: str) -> bool:
        return not self.failed(name) and self._answers[name]["_shards"]["total"] > 0

    def found(self, name: str) -> Answer:
        """Return the aggregations: none without an index."""
        if self.failed(name):
            return {}
        aggregations: Answer = self._answers[name].get("aggregations", {})
        return aggregations

    def count(self, name: str, key: str) -> int | None:
        """Return how many documents one filter left, or how many values differ."""
        if self.failed(name):
            return None
        part = self.found(name).get(key, {})
        return int(part.get("doc_count", part.get("value", 0)) or 0)

    def buckets(self, name: str, key: str) -> Sequence[Answer]:
        found: Sequence[Answer] = self.found(name).get(key, {}).get("buckets", ())
        return found

    def documents(self, name: str) -> Sequence[Answer]:
        if self.failed(name):
            return ()
        hits: Sequence[Answer] = self._answers[name]["hits"]["hits"]
        return hits


def without(tile: Tile, got: Answers, name: str) -> Tile:
    """Return a tile that has nothing to show, with why."""
    if got.failed(name):
        return changed(tile, state=State.FAILED, note=FAILED)
    return changed(tile, state=State.EMPTY, note="Nothing of this kind happened in this time.")
